"""Finds a proto with what it imports, and where each file belongs below protos/."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from ..build.hatch import MOVED, CompileError, check_encoding, run_protoc
from .statements import imports_of, package_of, with_imports
from .taken import must_move


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
    """Locate a proto and what it imports; each file goes to the folder that its package names.

    However a file is imported, it is one file: its imports are rewritten to where it lies, also if
    it has come earlier.

    Raises:
        RefusedError: It is no proto, misses an import, or its place is taken by another file.
    """
    check_file(given)
    given, protos = given.resolve(), protos.resolve()
    if given.is_relative_to(protos):
        return Sources(given.relative_to(protos).as_posix(), {})
    for folder in given.parents:
        name = given.relative_to(folder).as_posix()
        if is_installed(name):
            raise RefusedError(f"{name} is part of a package that is installed: use it from there.")
    if not package_of(given.read_bytes()):
        raise RefusedError(f"{given.name} has no package, which says where it belongs: add one.")
    found = with_what_it_imports(given, protos)
    targets = places(found, protos)
    files = {}
    for file, target in targets.items():
        if target in files or is_installed(target) or file.is_relative_to(protos):
            continue
        content, imported = found[file].content, found[file].imports
        moved = {name: targets[path] for name, path in imported.items()}
        content = with_imports(content, moved)
        here = protos / target
        if not here.is_file():
            files[target] = content
        elif signature(here.read_bytes()) != signature(content):
            raise RefusedError(
                f"protos/{target} is there already and differs from {file}: bring it up to "
                "date yourself, then run add_service on the file in protos/."
            )
    return Sources(targets[given], files)


@dataclass(frozen=True)
class Found:
    """A file: the name that it was found by, its content, and the files that it imports."""

    name: str
    content: bytes
    imports: dict[str, Path]


def with_what_it_imports(given: Path, protos: Path) -> dict[Path, Found]:
    """Find all imports from the nearest folder above that has them all, else from several.

    Raises:
        RefusedError: One is nowhere.
    """
    for root in given.parents:
        found, missing = search(given, [root, protos])
        if not missing:
            return found
    found, missing = search(given, [*given.parents, protos])
    if missing:
        raise RefusedError(
            f"{missing[0]}, which is neither in protos/, nor installed, nor found from a folder "
            f"above {given.name}: put it there, under that path."
        )
    return found


def search(given: Path, roots: Sequence[Path]) -> tuple[dict[Path, Found], list[str]]:
    """Follow imports from `given`, each to the first of `roots` that has it; the last is protos/.

    Returns:
        The files, and a text about each import that is nowhere.
    """
    found: dict[Path, Found] = {}
    missing = []
    names = {given: given.name}
    for file in (queue := [given]):
        content, imports = file.read_bytes(), {}
        for name in (one.path for one in imports_of(content)):
            # Such as "../x.proto" are for protoc to refuse, in its own words.
            if is_installed(name) or not is_plain(name):
                continue
            # A file of the project's own imports the project's own.
            folders = roots[-1:] if file.is_relative_to(roots[-1]) else roots
            path = next((root / name for root in folders if (root / name).is_file()), None)
            if path is None:
                missing.append(f"{names[file]} imports {name}")
                continue
            imports[name] = path = path.resolve()
            if path not in names:
                names[path] = name
                queue.append(path)
        found[file] = Found(names[file], content, imports)
    return found, missing


def places(found: Mapping[Path, Found], protos: Path) -> dict[Path, str]:
    """Choose for each file its path below protos/; the same file is never there twice."""
    there = {
        signature(path.read_bytes()): path.relative_to(protos).as_posix()
        for path in sorted(protos.rglob("*.proto"))
    }
    targets: dict[Path, str] = {}
    home = ""
    for file, one in found.items():
        package = package_of(one.content)
        home = home or package.replace(".", "/")
        target = f"{package.replace('.', '/')}/{file.name}"
        if not package:
            # Nothing says where it belongs: where it was, or beside the one that needs it.
            target = one.name if "/" in one.name else f"{home}/{one.name}"
        elif must_move(target) and "/" in one.name and not must_move(one.name):
            # As grpc.gateway's options: who writes them imports them by a path without `grpc`.
            target = one.name
        if file.is_relative_to(protos):
            target = file.relative_to(protos).as_posix()
        elif not is_installed(target):
            if target in targets.values() and signature(one.content) not in there:
                target = one.name  # Two files of one name, and one package.
            target = there.setdefault(signature(one.content), target)
        targets[file] = target
    return targets


def signature(proto: bytes) -> bytes:
    """A proto without the folders of its imports: the same wherever these are."""
    proto = proto.replace(b"\r\n", b"\n")
    bare = {one.path: one.path.rpartition("/")[2] for one in imports_of(proto)}
    return with_imports(proto, bare).replace(b"'", b'"')


def is_plain(name: str) -> bool:
    """Whether protoc takes it for the path of a file."""
    return not name.startswith("/") and not {"", ".", ".."} & set(name.split("/"))


def check_file(given: Path) -> None:
    """Refuse what cannot be a proto."""
    if given.is_dir():
        raise RefusedError(f"{given} is a folder: name one .proto file in it.")
    if not given.is_file():
        raise RefusedError(f"{given} is not there.")
    if given.suffix != ".proto":
        raise RefusedError(f"{given} is no .proto file.")
    try:
        check_encoding(str(given), given.read_bytes())
    except OSError as error:
        raise RefusedError(f"{given} cannot be read: {error.strerror}.") from None
    except CompileError as error:
        raise RefusedError(str(error)) from None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", given.stem):
        raise RefusedError(f"{given.name} makes no name of a Python module: rename the file.")


def compile_with(
    protos: Path, sources: Sources, stubs: Path, descriptors: Path
) -> FileDescriptorSet:
    """Compile protos/ as it is going to be, elsewhere.

    Args:
        protos: The folder as it is.
        sources: What comes to it.
        stubs: A folder for the stubs of both.
        descriptors: Where to write the descriptor set, which has the comments in it.

    Raises:
        RefusedError: protoc's words.
    """
    with tempfile.TemporaryDirectory(prefix="protos-") as folder:
        future = Path(folder) / "protos"
        if protos.is_dir():
            shutil.copytree(protos, future)
        for name, content in sources.files.items():
            (future / name).parent.mkdir(parents=True, exist_ok=True)
            (future / name).write_bytes(content)
        return compile_to(future, stubs, descriptors)


def described(protos: Path, descriptors: Path) -> FileDescriptorSet:
    """Compile a folder of protos for what it says alone, and write the descriptor set.

    Raises:
        RefusedError: protoc's words.
    """
    with tempfile.TemporaryDirectory(prefix="stubs-") as stubs:
        return compile_to(protos, Path(stubs), descriptors)


def compile_to(protos: Path, stubs: Path, descriptors: Path) -> FileDescriptorSet:
    """Compile a folder of protos, write stubs and descriptor set, and return that.

    Raises:
        RefusedError: protoc's words.
    """
    try:
        run_protoc(protos, stubs, descriptors)
    except CompileError as error:
        raise RefusedError(first_line(str(error), f"{protos}/")) from None
    return FileDescriptorSet.FromString(descriptors.read_bytes())


def pool_of(described: FileDescriptorSet) -> DescriptorPool:
    """Return a pool of these protos alone.

    Raises:
        RefusedError: protobuf for Python is stricter than protoc; its words.
    """
    pool = DescriptorPool()
    for file in described.file:
        try:
            pool.Add(file)
        except TypeError as error:
            reason = str(error).rpartition(": ")[2]
            raise RefusedError(f"{file.name}: no Python program can load it: {reason}.") from None
    return pool


def first_line(output: str, root: str) -> str:
    """What protoc objects to, without its warnings and the folder it ran in."""
    lines = [line for line in output.splitlines() if line.strip() and ": warning:" not in line]
    return lines[0].replace(root, "") if lines else "protoc failed without a word."


def is_installed(name: str) -> bool:
    """Whether the stubs of an imported proto come with a package."""
    return any((root / MOVED.get(name, name)).is_file() for root in installed_roots())


def installed_roots() -> list[Path]:
    """Where protobuf's own protos and those of googleapis-common-protos are."""
    tools = importlib.util.find_spec("grpc_tools")
    folders = tools.submodule_search_locations if tools else None
    return [
        *(Path(folder, "_proto") for folder in folders or ()),
        Path(str(distribution("googleapis-common-protos").locate_file(""))),
    ]
