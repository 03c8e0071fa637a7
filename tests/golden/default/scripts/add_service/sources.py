"""Finds a proto with what it imports, and where each file belongs below protos/."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hatch_build import CompileError, run_protoc


class RefusedError(Exception):
    """Nothing was changed; the text says in one line why, and what to do."""


@dataclass(frozen=True)
class Sources:
    """A proto as it is to lie below protos/.

    Attributes:
        main: Its path there, with slashes.
        files: What is not there yet, by path: the proto and what it imports.
    """

    main: str
    files: dict[str, bytes]


def find_sources(given: Path, protos: Path) -> Sources:
    """Locate a proto; its imports are found from the nearest folder above it that has them all.

    Raises:
        RefusedError: It is no proto, misses an import, or its place is taken by another file.
    """
    check_file(given)
    given, protos = given.resolve(), protos.resolve()
    if given.is_relative_to(protos):
        return Sources(given.relative_to(protos).as_posix(), {})
    root, described = describe(given, protos)
    *imported, main = (file.name for file in described.file)
    package = described.file[-1].package
    if not package:
        raise RefusedError(f"{given.name} has no package, which says where it belongs: add one.")
    target = f"{package.replace('.', '/')}/{given.name}"
    wanted = {target: (root / main).read_bytes()}
    for name in imported:
        if not is_installed(name) and (root / name).is_file():
            wanted[name] = (root / name).read_bytes()
    for name, content in wanted.items():
        here = protos / name
        if here.is_file() and here.read_bytes() != content:
            raise RefusedError(
                f"protos/{name} is there already and differs from {root / name}: bring it up to "
                "date yourself, then run add_service on the file in protos/."
            )
    return Sources(target, {name: wanted[name] for name in wanted if not (protos / name).exists()})


def check_file(given: Path) -> None:
    """Refuse what cannot be a proto."""
    if given.is_dir():
        raise RefusedError(f"{given} is a folder: name one .proto file in it.")
    if not given.is_file():
        raise RefusedError(f"{given} is not there.")
    if given.suffix != ".proto":
        raise RefusedError(f"{given} is no .proto file.")
    try:
        given.read_bytes()
    except OSError as error:
        raise RefusedError(f"{given} cannot be read: {error.strerror}.") from None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", given.stem):
        raise RefusedError(f"{given.name} makes no name of a Python module: rename the file.")


def describe(given: Path, protos: Path) -> tuple[Path, FileDescriptorSet]:
    """Parse `given` with all it imports, with each folder above it as the root of the imports."""
    missing = None
    for root in given.parents:
        folders = [*installed_roots(), root, *([protos] if protos.is_dir() else [])]
        with tempfile.TemporaryDirectory(prefix="protos-") as folder:
            output = Path(folder) / "set"
            command = [
                *(sys.executable, "-m", "grpc_tools.protoc", "--include_imports"),
                *(f"-I{path}" for path in folders),
                *(f"--descriptor_set_out={output}", given.relative_to(root).as_posix()),
            ]
            # S603: the arguments are files that the caller named, and no shell sees them.
            done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")  # noqa: S603 - our own command
            if not done.returncode:
                return root, FileDescriptorSet.FromString(output.read_bytes())
        if "shadowed" in done.stderr:
            name = given.relative_to(root).as_posix()
            raise RefusedError(f"{name} is part of a package that is installed: use it from there.")
        if "File not found" not in done.stderr:
            raise RefusedError(first_line(done.stderr, f"{root}/"))
        missing = missing or re.search(r"(\S+): File not found", done.stderr)
    name = missing[1] if missing else "a file"
    raise RefusedError(
        f"{given.name} imports {name}, which is neither in protos/, nor installed, nor found from "
        "a folder above it: put it there, under that path."
    )


def compile_with(
    protos: Path, sources: Sources, future: Path, descriptors: Path
) -> FileDescriptorSet:
    """Compile protos/ as it is going to be, elsewhere.

    Args:
        protos: The folder as it is.
        sources: What comes to it.
        future: A folder to make for both.
        descriptors: Where to write the descriptor set, which has the comments in it.

    Raises:
        RefusedError: protoc's words.
    """
    if protos.is_dir():
        shutil.copytree(protos, future)
    for name, content in sources.files.items():
        (future / name).parent.mkdir(parents=True, exist_ok=True)
        (future / name).write_bytes(content)
    with tempfile.TemporaryDirectory(prefix="stubs-") as stubs:
        try:
            run_protoc(future, Path(stubs), descriptors)
        except CompileError as error:
            raise RefusedError(first_line(str(error), f"{future}/")) from None
    return FileDescriptorSet.FromString(descriptors.read_bytes())


def first_line(output: str, root: str) -> str:
    """What protoc objects to, without its warnings and the folder it ran in."""
    lines = [line for line in output.splitlines() if line.strip() and ": warning:" not in line]
    return lines[0].replace(root, "") if lines else "protoc failed without a word."


def is_installed(name: str) -> bool:
    """Whether the stubs of an imported proto come with a package."""
    return any((root / name).is_file() for root in installed_roots())


def installed_roots() -> list[Path]:
    """Where protobuf's own protos and those of googleapis-common-protos are."""
    tools = importlib.util.find_spec("grpc_tools")
    folders = tools.submodule_search_locations if tools else None
    return [
        *(Path(folder, "_proto") for folder in folders or ()),
        Path(str(distribution("googleapis-common-protos").locate_file(""))),
    ]
