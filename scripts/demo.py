"""Runs the default service, shows it answering over both protocols, and leaves it running.

`nox -s demo` generates and installs the service first. Ctrl-C or SIGTERM ends both.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from types import FrameType
from urllib.error import URLError

import grpc
from greeter_service.v1 import greeter_pb2, greeter_pb2_grpc

URL = "http://localhost:8000"
TARGET = "localhost:50051"
BODY = '{"name":"World"}'
START_SECONDS = 30


def main() -> int:
    """Return the service's exit status."""
    # In a session of its own, so that a terminal's Ctrl-C reaches it once, from here.
    service = subprocess.Popen([sys.executable, "-m", "greeter_service"], start_new_session=True)

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Windows has no sessions: there, the service has been told already.
        if os.name == "posix":
            service.terminate()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if wait_until_ready(service):
        show_calls()
        say("\nThe service goes on running, on ports 8000 and 50051. Ctrl-C ends it.")
    return service.wait()


def wait_until_ready(service: subprocess.Popen[bytes]) -> bool:
    """Return whether the service answers before it ends or the time is up."""
    deadline = time.monotonic() + START_SECONDS
    while service.poll() is None:
        try:
            with urllib.request.urlopen(f"{URL}/readyz"):
                return True
        except URLError:
            if time.monotonic() > deadline:
                service.terminate()
                return False
            time.sleep(0.1)  # Polling another process: it tells nobody that it is ready.
    return False


def show_calls() -> None:
    """Print one call for each protocol, with its answer."""
    path = "/grpc/greeterservice/sayhello"
    say(f"\nHTTP/JSON:\n  $ curl --json '{BODY}' localhost:8000{path}")
    request = urllib.request.Request(
        URL + path, BODY.encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        say(f"  {response.read().decode()}")

    say("\ngRPC:\n  >>> GreeterStub(channel).SayHello(SayHelloRequest(name='World'))")
    with grpc.insecure_channel(TARGET) as channel:
        stub = greeter_pb2_grpc.GreeterStub(channel)
        reply = stub.SayHello(greeter_pb2.SayHelloRequest(name="World"))
    say(f"  {str(reply).strip()}")


def say(text: str) -> None:
    """Print at once, between the lines of the service's log."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
