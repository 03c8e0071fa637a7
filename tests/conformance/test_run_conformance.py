"""How the runner's output is counted, and what is said where there is no runner."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from run_conformance import HERE, MISSING, table

OUTPUT = """\
Running 20 tests with reference-client for server config #1 {HTTP_VERSION_1, PROTOCOL_CONNECT, TLS:false}...
Running 30 tests with reference-client for server config #2 {HTTP_VERSION_1, PROTOCOL_CONNECT, TLS:true (with client certs)}...
Running 5 tests with reference-client for server config #3 {HTTP_VERSION_2, PROTOCOL_GRPC_WEB, TLS:false}...
Running 7 tests with grpc-reference-client for server config #4 {HTTP_VERSION_2, PROTOCOL_GRPC, TLS:false}...
FAILED: Basic/HTTPVersion:1/Protocol:PROTOCOL_CONNECT/Codec:CODEC_JSON/TLS:false/unary/success:
	expecting 1 response messages but instead got 0
FAILED: gRPC-Web Unexpected Requests/HTTPVersion:2/TLS:false/unexpected-verb:
	no answer
INFO: gRPC Unexpected Requests/HTTPVersion:2/TLS:false/unexpected-codec failed (as expected):
	expecting an error but received none
FAILED: gRPC Unexpected Requests/HTTPVersion:2/TLS:false/unary/no-request was expected to fail but did not
"""  # noqa: E501 - lines of the runner


def test_cases_are_counted_by_protocol_and_version() -> None:
    assert table(OUTPUT.splitlines())[2:] == [
        "| Connect | HTTP/1.1 | 49 of 50 |",
        "| gRPC | HTTP/2 | 6 of 7 |",
        "| gRPC-Web | HTTP/2 | 4 of 5 |",
    ]


@pytest.mark.parametrize("program", ["run_conformance.py", "run_protobuf.py"])
def test_a_missing_runner_is_no_success(program: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / program)],
        env={**os.environ, "PATH": "", "GOBIN": "", "GOPATH": "nowhere"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == MISSING
    assert "The judge is missing" in done.stderr
