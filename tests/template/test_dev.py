"""`nox -s dev`: the service is started anew on what is saved, and kept while that is unfit."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from baking import bake, environment
from commands import as_installed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="it is ended by a signal")

PROTO = "protos/greeter_service/v1/greeter.proto"
SERVICER = "src/greeter_service/servicers/greeter.py"


class Dev:
    """The session's command, running in a project."""

    def __init__(self, project: Path, port: int, **variables: str) -> None:
        self.project = project
        self.port = port
        source = project / "src"
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "polyrpc.develop", "greeter_service"],
            cwd=project,
            env={
                **environment(),
                "PYTHONPATH": os.pathsep.join(
                    map(str, (source / "greeter_service/_vendor", source))
                ),
                "GREETER_SERVICE_HTTP_PORT": str(port),
                "GREETER_SERVICE_GRPC_PORT": "0",
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.said: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, words: str) -> str:
        """Wait for a line with these words in it."""
        while (line := self._lines.get(timeout=60)) is not None:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"it ended without {words!r}: {''.join(self.said)}")

    def save(self, name: str, old: str, new: str) -> None:
        path = self.project / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def greet(self) -> str:
        request = Request(
            f"http://127.0.0.1:{self.port}/grpc/greeterservice/sayhello",
            b'{"name":"World"}',
            {"content-type": "application/json"},
        )
        with urlopen(request) as response:
            return str(response.read().decode())

    def end(self) -> int:
        """Ask it to end, which ends the service too."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(30)
        self._reading.join(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    return as_installed(bake(template, tmp_path))


@pytest.fixture
def dev(project: Path) -> Iterator[Dev]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (project / ".env").write_text("# Mine.\nGREETER_SERVICE_LOG_LEVEL=debug\n")
    running = Dev(project, port)
    try:
        running.until("serving")
        yield running
    finally:
        running.end()


def test_code_and_protos_are_taken_over_and_what_is_unfit_is_not(dev: Dev) -> None:
    assert f"http://localhost:{dev.port}/docs/swagger" in dev.said[0]
    # Its log is for people.
    assert not any(line.startswith("{") for line in dev.said)
    assert dev.greet() == '{"message":"Hello, World!"}'

    dev.save(SERVICER, "Hello, {request.name}!", "Hi, {request.name}!")
    dev.until("changed: src/greeter_service/servicers/greeter.py")
    dev.until("serving")
    assert dev.greet() == '{"message":"Hi, World!"}'

    # The stubs are those of the new proto when the new code imports them.
    dev.save(PROTO, "string message = 1;", "string message = 1;\n  int32 length = 2;")
    dev.until("serving")
    assert dev.greet() == '{"message":"Hi, World!","length":0}'

    dev.save(PROTO, "int32 length = 2;", "int32 length =")
    line = dev.until("not started anew")
    assert re.search(r"greeter_service/v1/greeter.proto:\d+:\d+: Expected", line)
    assert dev.greet() == '{"message":"Hi, World!","length":0}'

    # Code alone does not get past it; both do.
    dev.save(SERVICER, "Hi, {request.name}!", "Hey, {request.name}!")
    dev.until("not started anew")
    assert dev.greet() == '{"message":"Hi, World!","length":0}'
    dev.save(PROTO, "int32 length =", "int32 size = 2;")
    dev.until("serving")
    assert dev.greet() == '{"message":"Hey, World!","size":0}'

    dev.save(SERVICER, "import grpc\n", "import grpc\nimport (\n")
    assert f"{SERVICER}:" in dev.until("not started anew")
    assert dev.greet() == '{"message":"Hey, World!","size":0}'

    # What only shows when it runs ends it, until it is mended.
    dev.save(SERVICER, "import (\n", "import no_such_module\n")
    dev.until("ended with status 1")
    dev.save(SERVICER, "import no_such_module\n", "")
    dev.until("serving")
    assert dev.greet() == '{"message":"Hey, World!","size":0}'
    assert dev.end() == 0


def test_the_file_env_is_read_there_and_a_wrong_line_is_named(dev: Dev) -> None:
    env = dev.project / ".env"
    env.write_text("GREETER_SERVICE_MAX_MESSAGE_BYTES=4\n\nGREETER_SERVICE_AUTH_TOKENS secret\n")
    line = dev.until("not started anew")
    assert line == "dev: not started anew: .env:3 is no NAME=value.\n"
    assert dev.greet() == '{"message":"Hello, World!"}'
    # What the shell says wins.
    env.write_text("GREETER_SERVICE_MAX_MESSAGE_BYTES=4\nGREETER_SERVICE_HTTP_PORT=1\n")
    dev.until("serving")
    with pytest.raises(OSError, match="413"):
        dev.greet()


def test_the_service_itself_reads_no_file(project: Path) -> None:
    (project / ".env").write_text("GREETER_SERVICE_LOG_LEVEL=nonsense\n")
    program = "from greeter_service.settings import Settings; print(Settings().log_level)"
    done = subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=project,
        env={**environment(), "PYTHONPATH": str(project / "src")},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stdout == "info\n", done.stderr
