"""Runs the default service, shows it answering over both protocols, and leaves it running.

`nox -s demo` generates and installs the service first. Ctrl-C or SIGTERM ends both.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from types import FrameType
from urllib.error import URLError

import grpc
from greeter_service.v1 import greeter_pb2, greeter_pb2_grpc

PREFIX = "GREETER_SERVICE_"
PORTS = {"HTTP_PORT": 8000, "GRPC_PORT": 50051}
BODY = '{"name":"World"}'
START_SECONDS = 30


def main() -> int:
    """Return the service's exit status."""
    ports = {name: port(name) for name in PORTS}
    url, target = f"http://localhost:{ports['HTTP_PORT']}", f"localhost:{ports['GRPC_PORT']}"
    # In a session of its own, so that a terminal's Ctrl-C reaches it once, from here.
    service = subprocess.Popen(
        [sys.executable, "-m", "greeter_service"],
        env={**os.environ, **{PREFIX + name: str(number) for name, number in ports.items()}},
        start_new_session=True,
    )

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Windows has no sessions: there, the service has been told already.
        if os.name == "posix":
            service.terminate()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if wait_until_ready(service, url):
        show_calls(url, target)
        numbers = " and ".join(map(str, ports.values()))
        say(f"\nThe service goes on running, on ports {numbers}. Ctrl-C ends it.")
    return service.wait()


def port(name: str) -> int:
    """Return the port that the environment asks for, else the usual one, else a free one."""
    asked = int(os.environ.get(PREFIX + name, "0"))
    for number in (PORTS[name], 0):
        if asked:
            break
        with socket.socket() as probe:
            # As servers do, past connections of theirs that have not timed out yet.
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            asked = int(probe.getsockname()[1])
    return asked


def wait_until_ready(service: subprocess.Popen[bytes], url: str) -> bool:
    """Return whether the service answers before it ends or the time is up."""
    deadline = time.monotonic() + START_SECONDS
    while service.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz"):
                return True
        except URLError:
            if time.monotonic() > deadline:
                service.terminate()
                return False
            time.sleep(0.1)  # Polling another process: it tells nobody that it is ready.
    return False


def show_calls(url: str, target: str) -> None:
    """Print one call for each protocol, with its answer."""
    path = "/grpc/greeterservice/sayhello"
    say(f"\nHTTP/JSON:\n  $ curl --json '{BODY}' {url.removeprefix('http://')}{path}")
    request = urllib.request.Request(
        url + path, BODY.encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        say(f"  {response.read().decode()}")

    say("\ngRPC:\n  >>> GreeterStub(channel).SayHello(SayHelloRequest(name='World'))")
    with grpc.insecure_channel(target) as channel:
        stub = greeter_pb2_grpc.GreeterStub(channel)
        reply = stub.SayHello(greeter_pb2.SayHelloRequest(name="World"))
    say(f"  {str(reply).strip()}")


def say(text: str) -> None:
    """Print at once, between the lines of the service's log."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
