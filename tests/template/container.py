"""Reads what a generated project's Dockerfile says, and what its code expects of a container."""

from __future__ import annotations

import fnmatch
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from baking import files

Stage = list[tuple[str, str]]
"""Instructions with their arguments; FROM is the first."""


def stages(project: Path) -> list[Stage]:
    """The stages of the Dockerfile."""
    text = (project / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    found: list[Stage] = []
    for line in text.replace("\\\n", "").splitlines():
        if line.strip():
            instruction, _, arguments = line.partition(" ")
            if instruction == "FROM":
                found.append([])
            found[-1].append((instruction, arguments.strip()))
    return found


def of(stage: Stage, instruction: str) -> list[str]:
    """The arguments of every such instruction in a stage."""
    return [arguments for name, arguments in stage if name == instruction]


def environment(stage: Stage) -> dict[str, str]:
    """The variables that a stage sets."""
    pairs = (pair.partition("=")[::2] for line in of(stage, "ENV") for pair in shlex.split(line))
    return dict(pairs)


def build_context(project: Path, target: Path) -> None:
    """Copy what `.dockerignore` lets through; of its patterns, the kinds that ours is made of."""
    rules = [
        line
        for line in (project / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    for name, content in files(project).items():
        if not is_ignored(name, rules):
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def is_ignored(name: str, rules: list[str]) -> bool:
    """Whether the last rule that speaks of a path, or of a folder it is in, excludes it."""
    path = Path(name)
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        for one in (path, *path.parents[:-1]):
            # What follows `**/` is a name at any depth; other patterns are whole paths.
            subject = one.name if pattern.startswith("**/") else one.as_posix()
            if fnmatch.fnmatchcase(subject, pattern.removeprefix("**/")):
                ignored = not rule.startswith("!")
    return ignored


@contextmanager
def settings_class(project: Path) -> Iterator[Any]:
    """The class of the service's settings, imported from its source for as long as it is used."""
    (path,) = project.glob("src/*/settings.py")
    package = path.parent.name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.syspath_prepend(str(project / "src"))
        # Of another project, or of stubs alone, with the same name.
        others = {name: sys.modules.pop(name) for name in _modules_of(package)}
        try:
            yield importlib.import_module(f"{package}.settings").Settings
        finally:
            for name in _modules_of(package):
                del sys.modules[name]
            sys.modules |= others


def _modules_of(package: str) -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == package]


def settings(project: Path, variables: Mapping[str, str]) -> Any:
    """What the service makes of its environment; a variable that it does not know is an error."""
    with settings_class(project) as settings, pytest.MonkeyPatch.context() as patch:
        known = {settings.prefix() + name.upper() for name in settings.model_fields}
        assert variables.keys() <= known, variables.keys() - known
        for name, value in variables.items():
            patch.setenv(name, value)
        return settings()


def seconds_to_stop(project: Path, settings: Any) -> float:
    """The longest that a stop can take: with workers that do not obey, twice their respite more."""
    (supervisor,) = project.glob("src/*/_vendor/polyrpc/process/supervisor.py")
    respite = re.search(r"^_SECONDS_TO_OBEY = ([\d.]+)$", supervisor.read_text(), re.MULTILINE)
    assert respite
    return float(settings.drain_seconds + settings.shutdown_grace_seconds + 2 * float(respite[1]))


class Container:
    """What stands in for an image: the environment that the Dockerfile's build stage makes.

    Arguments are given as to `docker build`, `EXTRAS` for one.

    The last stage's own RUN stays out: it would take pip away from this machine's Python.
    """

    def __init__(self, project: Path, folder: Path, **arguments: str) -> None:
        self.image = stages(project)[-1]
        self.folder = folder
        with settings_class(project) as settings:
            self._prefix = settings.prefix()
        self._build(project, stages(project)[-2], arguments)

    def _build(self, project: Path, stage: Stage, given: Mapping[str, str]) -> None:
        base, context = self.folder / "base", self.folder / "context"
        subprocess.run([sys.executable, "-m", "venv", base], check=True)
        build_context(project, context)
        (self.folder / "build").mkdir()
        # Byte code lies beside its source there, whatever these tests are told.
        outside = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")
        }
        variables = {**outside, **environment(stage), "PATH": f"{base}/bin:{os.environ['PATH']}"}
        for argument in of(stage, "ARG"):
            name, _, value = argument.partition("=")
            variables[name] = given.get(name, value.strip('"'))
        for instruction, arguments in stage:
            if instruction == "COPY":
                self._copy(context, *arguments.split())
            elif instruction == "RUN":
                command = re.sub(r"--mount=\S+", "", arguments)
                done = subprocess.run(
                    ["sh", "-c", self._here(command)],
                    cwd=self.folder / "build",
                    env=variables,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    encoding="utf-8",
                )
                assert done.returncode == 0, done.stdout
        # What was installed for /venv below another root lies there under its whole path.
        installed = self._here("/service") + self._here("/venv")
        shutil.copytree(installed, self._here("/venv"), dirs_exist_ok=True)

    def _copy(self, context: Path, *arguments: str) -> None:
        *sources, target = arguments
        assert target in {".", "./"}
        if sources == ["."]:
            shutil.copytree(context, self.folder / "build", dirs_exist_ok=True)
            return
        first, *others = sources
        shutil.copy(context / first, self.folder / "build")
        # A pattern is allowed to match nothing.
        for path in (path for pattern in others for path in context.glob(pattern)):
            shutil.copy(path, self.folder / "build")

    def _here(self, command: str) -> str:
        return re.sub(r"(?<![\w./])/(build|service|venv|wheels)\b", rf"{self.folder}/\1", command)

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment of a process in the container; empty values unset what the image sets."""
        inside = environment(self.image)
        path = self._here(inside["PATH"].replace("$PATH", os.environ["PATH"]))
        together = {**inside, **given, "PATH": path}
        return {name: value for name, value in together.items() if value}

    def run(self, *command: str, **given: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment."""
        program = self._here(f"/venv/bin/{command[0]}")
        return subprocess.run(
            [program, *command[1:]],
            env=self.variables(given),
            capture_output=True,
            encoding="utf-8",
        )

    @contextmanager
    def started(self, **given: str) -> Iterator[dict[str, str]]:
        """Run CMD on free ports, until SIGTERM; yields the variables that tell its ports."""
        free = {self._prefix + name: "0" for name in ("HTTP_PORT", "GRPC_PORT", "ADMIN_PORT")}
        (command,) = json.loads(of(self.image, "CMD")[0])
        with subprocess.Popen(
            [self._here(f"/venv/bin/{command}")],
            env=self.variables({**free, **given}),
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process:
            assert process.stderr is not None
            try:
                lines = map(json.loads, process.stderr)
                start = next(line for line in lines if "http_port" in line)
                ports = {name for name in start if name.endswith("_port")}
                yield {**given, **{self._prefix + name.upper(): str(start[name]) for name in ports}}
                process.terminate()
                assert process.wait() == 0
            finally:
                process.kill()
