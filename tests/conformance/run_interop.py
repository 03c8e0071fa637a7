"""Runs gRPC's interoperability cases, by the client of any implementation, against the listeners.

    python tests/conformance/run_interop.py [--listener=http|grpc] COMMAND...

`COMMAND --server_host=… --server_port=… --test_case=…` is one case, as all of gRPC's own clients
take it; such as Go's, which comes by

    go install google.golang.org/grpc/interop/client@v1.84.0

The exit status is 0 when every case passes.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from run import HERE, LIBRARY, compile_protos

CASES = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
)
SECONDS = 60


@contextmanager
def serving(listener: str) -> Iterator[int]:
    """The server under test, in plain text; gives its port."""
    with tempfile.TemporaryDirectory(prefix="interop-stubs-") as stubs:
        compile_protos(stubs)
        path = os.pathsep.join([stubs, str(HERE), str(LIBRARY)])
        sys.path.insert(0, stubs)
        from connectrpc.conformance.v1 import server_compat_pb2 as pb

        process = subprocess.Popen(
            [sys.executable, "-m", "under_test", f"--listener={listener}"],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            request = pb.ServerCompatRequest().SerializeToString()
            process.stdin.write(struct.pack(">I", len(request)) + request)
            process.stdin.flush()
            (size,) = struct.unpack(">I", process.stdout.read(4))
            yield pb.ServerCompatResponse.FromString(process.stdout.read(size)).port
        finally:
            process.terminate()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listener", choices=("http", "grpc"), default="http")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    failed = 0
    with serving(options.listener) as port:
        for case in CASES:
            arguments = [f"--server_host=localhost --server_port={port}", f"--test_case={case}"]
            done = subprocess.run(
                [*options.command, *" ".join(arguments).split()],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                timeout=SECONDS,
            )
            print(f"{case}: {'passed' if done.returncode == 0 else 'FAILED'}")
            if done.returncode:
                failed += 1
                print(done.stdout)
    print(f"{len(CASES) - failed} of {len(CASES)} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
