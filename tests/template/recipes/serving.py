"""Projects with recipes in them, and their services as processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from baking import SCRIPTS, with_the_library

from .document import Block, blocks, requirements

PACKAGE = "greeter_service"
PREFIX = "GREETER_SERVICE_"
SAY_HELLO = f"/{PACKAGE}.v1.Greeter/SayHello"
ROUTE = "/grpc/greeterservice/sayhello"


NO_VARIABLES: Mapping[str, str] = {}


def made_there(block: Block) -> bool:
    """Whether a command of the document makes the file that it changes."""
    return "/migrations/" in block.path


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Runs a command that must succeed; gives what it says."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


class Kitchen:
    """A default project, and one environment with what all recipes need.

    Args:
        project: The project, as it was baked.
        folder: For the environment and the projects that are made of it.
    """

    def __init__(self, project: Path, folder: Path) -> None:
        self._project = project
        self._folder = folder
        self.documents = project / "docs" / "recipes"
        self.scripts = folder / "venv" / SCRIPTS
        uv = (sys.executable, "-m", "uv")
        run(*uv, "venv", "--quiet", folder / "venv", cwd=folder)
        run(
            *(*uv, "pip", "install", "--quiet", f"--python={self.scripts / 'python'}"),
            *(
                "--editable=.",
                "--group=test",
                "--group=lint",
                "--group=protolint",
                "--group=typecheck",
            ),
            *requirements(self.documents.glob("*.md")),
            cwd=project,
        )

    def project(self, *recipes: str, protos: Mapping[str, str]) -> Project:
        """Makes a project in which these recipes are followed, one after the other.

        Args:
            recipes: Their names.
            protos: Files that come to `protos/` from elsewhere.
        """
        folder = self._folder / "-".join(recipes)
        made = Project(folder, self.scripts, self._folder / "mypy")
        if folder.exists():
            return made
        shutil.copytree(self._project, folder)
        for recipe in recipes:
            made.follow(self.documents / f"{recipe}.md")
        for name, text in protos.items():
            file = folder / "protos" / name
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")
        if protos:
            # What `nox -s protos` does.
            env = with_the_library(folder)
            run(sys.executable, "-m", "polyrpc.build", cwd=folder, env=env)
        return made

    def validate_proto(self) -> str:
        """`buf/validate/validate.proto`, as protovalidate has it."""
        file = self._folder / "validate.proto"
        script = Path(__file__).parents[1] / "validate_proto.py"
        run(self.scripts / "python", script, file, cwd=self._folder)
        return file.read_text(encoding="utf-8")


@dataclass
class Project:
    """A project with recipes in it.

    Attributes:
        folder: Where it is.
        scripts: The programs of its environment.
        mypy_cache: One for all.
    """

    folder: Path
    scripts: Path
    mypy_cache: Path

    def environment(self, **settings: object) -> dict[str, str]:
        """Its package is found before the one that the environment was made of."""
        variables = {f"{PREFIX}{name}": str(value) for name, value in settings.items()}
        # The tests of the template write no byte code; here each start would compile everything.
        return {
            "PYTHONPATH": str(self.folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "",
            **variables,
        }

    def follow(self, document: Path, within: str = "") -> None:
        """Does what a document says, but for its commands.

        Args:
            document: The document.
            within: A folder that its commands make: what is changed there comes after them.
        """
        for block in blocks(document):
            if block.path and (block.path.startswith(within) if within else not made_there(block)):
                block.apply(self.folder)

    def run(
        self, program: str, *arguments: str, variables: Mapping[str, str] = NO_VARIABLES
    ) -> str:
        """Runs a program of the environment."""
        env = {**self.environment(), **variables}
        return run(self.scripts / program, *arguments, cwd=self.folder, env=env)

    def shell(self, line: str, **settings: object) -> str:
        """Runs a line of a document, in a shell that has the environment active."""
        path = f"{self.scripts}{os.pathsep}{os.environ['PATH']}"
        env = {**self.environment(**settings), "PATH": path}
        return run("bash", "-c", line, cwd=self.folder, env=env)

    def check(self) -> None:
        """Checks style and types of what is the team's, and the style of the protos."""
        self.run("ruff", "check")
        self.run("ruff", "format", "--check")
        self.run("buf", "lint", f"src/{PACKAGE}/descriptors.binpb")
        self.run("mypy", f"--cache-dir={self.mypy_cache}", "src")

    @asynccontextmanager
    async def running(self, **settings: object) -> AsyncIterator[Running]:
        """Runs its service as a process."""
        values = {"HTTP_PORT": 0, "GRPC_PORT": 0, "LOG_FORMAT": "json", **settings}
        process = await asyncio.create_subprocess_exec(
            *(self.scripts / "python", "-m", PACKAGE),
            cwd=self.folder,
            env={**os.environ, **self.environment(**values)},
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        log: list[dict[str, Any]] = []
        service: Running | None = None
        try:
            async for line in process.stderr:
                log.append(json.loads(line))
                if "http_port" in log[-1]:
                    break
            else:
                pytest.fail(f"it ended before it served: {log}")
            url = f"http://localhost:{log[-1]['http_port']}"
            address = f"localhost:{log[-1]['grpc_port']}"
            async with (
                httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http,
                grpc.aio.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel,
            ):
                service = Running(url, http, channel, process, log)
                yield service
        finally:
            # A second signal would end it at once.
            if process.returncode is None and not (service and service.is_stopping):
                process.terminate()
            # The pipe is read to its end, or a process with much to say would not end.
            _, rest = await process.communicate()
            log += [json.loads(line) for line in rest.splitlines() if line.startswith(b"{")]


@dataclass
class Running:
    """A service as a process.

    Attributes:
        url: Of its HTTP listener.
        process: The one that was started, of which there may be more.
        log: The lines of its log: the first ones, and all once it has ended.
        is_stopping: It was told to.
    """

    url: str
    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    process: asyncio.subprocess.Process
    log: list[dict[str, Any]] = field(default_factory=list)
    is_stopping: bool = False

    def stop(self) -> None:
        """Tells it to stop, as a platform does."""
        self.is_stopping = True
        self.process.terminate()

    async def over_http(self, name: str, **headers: str) -> tuple[str, str]:
        """Calls SayHello; gives the status, and the message or what is wrong."""
        answer = await self.http.post(ROUTE, json={"name": name}, headers=headers)
        body = answer.json()
        if answer.is_success:
            return "OK", body["message"]
        return body["status"], body["detail"]

    async def over_grpc(self, name: str, **headers: str) -> tuple[str, str]:
        """The same over gRPC."""
        # The one field of each, as in the wire format: other tests have stubs of the same names.
        call: Any = self.channel.unary_unary(SAY_HELLO)
        request = bytes([10, len(name.encode())]) + name.encode()
        try:
            answer: bytes = await call(request, metadata=list(headers.items()))
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details() or ""
        return "OK", answer[2:].decode()

    @property
    def calls(self) -> list[Callable[..., Awaitable[tuple[str, str]]]]:
        """One for each protocol."""
        return [self.over_http, self.over_grpc]

    async def readiness(self) -> tuple[int, str]:
        answer = await self.http.get("/readyz")
        return answer.status_code, answer.json().get("detail", "")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits for what another process makes true."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.05)
