"""How the output of protobuf's runner is counted."""

from __future__ import annotations

from run_protobuf import summary

OUTPUT = """\
conformance test: name=Required.Proto3.ProtobufInput.ValidDataMap[0].ProtobufOutput, request=a
conformance test: name=Required.Proto3.JsonInput.HelloWorld.ProtobufOutput, request=b
conformance test: name=Required.Proto3.JsonInput.HelloWorld.JsonOutput, request=c
ERROR, test=Required.Proto3.JsonInput.HelloWorld.JsonOutput: JSON payload validation failed.
CONFORMANCE SUITE FAILED: 2 successes, 0 skipped, 0 expected failures, 1 unexpected failures.
"""


def test_cases_are_counted_and_those_with_json_told_apart() -> None:
    assert summary(OUTPUT) == "2 of 3 passed, 0 failed as known; 2 of them read or write JSON"


def test_what_a_runner_says_that_cannot_be_run_is_no_verdict() -> None:
    assert summary("version `GLIBC_2.38' not found") is None
