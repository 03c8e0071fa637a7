"""Runs gRPC's interoperability cases, by the client of any implementation, against the listeners.

    python tests/conformance/run_interop.py [--listener=http|grpc] COMMAND...

`COMMAND --server_host=… --server_port=… --test_case=…` is one case, as all of gRPC's own clients
take it; such as Go's, which comes by

    go install google.golang.org/grpc/interop/client@v1.84.0

and Java's, which is of Maven's `io.grpc:grpc-interop-testing:1.62.2`:

    java -cp 'lib/*' io.grpc.testing.integration.TestServiceClient --use_tls=false

The exit status is 0 when every case passes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from served import serving

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
