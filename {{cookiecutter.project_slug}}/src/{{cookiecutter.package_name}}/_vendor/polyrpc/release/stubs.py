"""Builds a wheel of the stubs for those who call a service: `nox -s stubs` writes it to dist/."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from ..build.hatch import CompileError, check_compiler, of_messages, run, run_compiler, run_protoc
from ..scaffold.buf import ignored
from ..scaffold.sources import RefusedError, first_line, pool_of

STUBS = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")
# In its own words: the release of protobuf that the code of a message was made for.
MADE_FOR = re.compile(r"^# Protobuf Python Version: (\d+)(\.\S+)$", re.MULTILINE)
OF_PROTOBUF = "google/protobuf/"


def main() -> None:
    """Build the wheel for the project in the working directory."""
    try:
        wheel, copies = build(Path.cwd())
    except (RefusedError, CompileError) as error:
        sys.exit(str(error))
    print(f"{wheel.relative_to(Path.cwd()).as_posix()}: for those who call this service.")
    if copies:
        print(
            f"It has copies of {', '.join(copies)}: if another package brings their stubs, name it "
            "in [tool.polyrpc.stubs] of pyproject.toml, or who installs both has one file twice."
        )


def build(root: Path) -> tuple[Path, list[str]]:
    """Build `dist/<name>_stubs-<version>-py3-none-any.whl`: protos, stubs and a descriptor set.

    In it are the protos of the project, but for those that are other services' (`ignore` in the
    section `breaking` of buf.yaml). Of these, it has what messages of its own are made of, unless
    a package brings that, which becomes a dependency: googleapis-common-protos, and those that
    `[tool.polyrpc.stubs]` in pyproject.toml names. What gives options alone, as `buf.validate`
    does, no stub needs: two wheels that had it would both own its files.

    Returns:
        The wheel, and those protos in it that are other services'.

    Raises:
        RefusedError: There is no proto of its own, or the wheel cannot be built.
        CompileError: The protos do not compile, or the compiler is not the pinned one.
    """
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    compiler = pyproject["build-system"]["requires"]
    check_compiler(compiler)
    package = Path(pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0]).name
    rules = root / "buf.yaml"
    foreign = ignored(rules.read_text(encoding="utf-8"), "breaking") if rules.is_file() else []
    with tempfile.TemporaryDirectory(prefix="stubs-") as folder:
        compiled, tree = Path(folder, "compiled"), Path(folder, "tree")
        (tree / package).mkdir(parents=True)
        compiled.mkdir()
        try:
            run_protoc(root / "protos", compiled, compiled / "descriptors.binpb")
        except CompileError as error:
            raise RefusedError(first_line(str(error), f"{root}/")) from None
        described = FileDescriptorSet.FromString((compiled / "descriptors.binpb").read_bytes())
        mine = own(root / "protos", foreign)
        others = {name for name in here(root / "protos") if name not in mine}
        lean = without_rules(described, others)
        if lean != described:
            compile_again(lean, mine, compiled)
        needed_protos = with_imports(lean, mine)
        brought = brought_by(pyproject, needed_protos & others)
        inside = sorted((needed_protos & {*mine, *others}) - brought.keys())
        if not inside:
            raise RefusedError("protos/ has no proto of this service's own: there are no stubs.")
        for name in inside:
            place(name, root / "protos", compiled, tree)
        contract = with_imports(described, mine)
        files = [file for file in described.file if file.name in contract]
        descriptors = FileDescriptorSet(file=files).SerializeToString()
        (tree / package / "descriptors.binpb").write_bytes(descriptors)
        folders = sorted(path.name for path in tree.iterdir() if path.is_dir())
        for name in folders:
            (tree / name / "py.typed").touch()
        imported = needed_protos - {*inside, *brought}
        needed = [
            *requirements(imported, inside, compiled, compiler),
            *sorted(set(brought.values())),
        ]
        text = about(pyproject["project"], needed, [path.name for path in sorted(tree.iterdir())])
        (tree / "pyproject.toml").write_text(text, encoding="utf-8")
        return wheel_of(tree, root / "dist"), [name for name in inside if name in others]


def own(protos: Path, foreign: Iterable[str]) -> list[str]:
    """List the protos that are not another's: by their paths, or by a folder that they are in."""
    others = [one.rstrip("/") for one in foreign]
    return [name for name in here(protos) if not any(is_in(name, one) for one in others)]


def here(protos: Path) -> list[str]:
    """List all protos of a project."""
    return sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))


def is_in(name: str, place: str) -> bool:
    """Whether a proto is this one, or in this folder."""
    return name == place or name.startswith(f"{place}/")


def compile_again(described: FileDescriptorSet, names: Iterable[str], compiled: Path) -> None:
    """Write stubs anew that import less than their protos do."""
    with tempfile.TemporaryDirectory(prefix="stubs-") as folder:
        lean = Path(folder, "descriptors.binpb")
        lean.write_bytes(described.SerializeToString())
        run_compiler(f"--descriptor_set_in={lean}", *of_messages(compiled), *names)


def brought_by(pyproject: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Say of protos which package brings their stubs, where pyproject.toml names one."""
    packages = pyproject.get("tool", {}).get("polyrpc", {}).get("stubs", {})
    return {
        name: requirement
        for name in names
        for place, requirement in packages.items()
        if is_in(name, place.rstrip("/"))
    }


def place(proto: str, protos: Path, compiled: Path, tree: Path) -> None:
    """Copy a proto and its stubs, the one beside the others."""
    module = stem(proto)
    stubs = [f"{module}{ending}" for ending in STUBS]
    for source, name in [(protos, proto), *((compiled, stub) for stub in stubs)]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, tree / name)


def stem(proto: str) -> str:
    """Return what protoc begins the paths of stubs with."""
    return proto.removesuffix(".proto").replace("-", "_").replace(".", "/")


def requirements(
    imported: Iterable[str], inside: Iterable[str], compiled: Path, compiler: Iterable[str]
) -> list[str]:
    """What the stubs need: what they were made for, or newer of the same major version."""
    stub = compiled / f"{stem(min(inside))}_pb2.py"
    made_for = MADE_FOR.search(stub.read_text(encoding="utf-8"))
    if not made_for:
        raise RefusedError(f"{stub.name} does not say which protobuf it was made for.")
    grpcio = version("grpcio-tools")
    found = [
        f"grpcio>={grpcio},<{int(grpcio.partition('.')[0]) + 1}",
        f"protobuf>={''.join(made_for.groups())},<{int(made_for[1]) + 1}",
    ]
    if any(not name.startswith(OF_PROTOBUF) for name in imported):
        found += [one for one in compiler if one.startswith("googleapis-common-protos")]
    return found


def about(project: dict[str, Any], needed: list[str], content: list[str]) -> str:
    """Return a pyproject.toml. A string of JSON is one of TOML, too."""
    return "\n".join(
        [
            "[build-system]",
            'requires = ["hatchling"]',
            'build-backend = "hatchling.build"',
            "[project]",
            f"name = {json.dumps(project['name'] + '-stubs')}",
            f"version = {json.dumps(project['version'])}",
            f"description = {json.dumps('Protos and stubs of ' + project['name'])}",
            f"requires-python = {json.dumps(project['requires-python'])}",
            f"dependencies = {json.dumps(needed)}",
            "[tool.hatch.build.targets.wheel]",
            f"only-include = {json.dumps(content)}",
        ]
    )


def wheel_of(tree: Path, target: Path) -> Path:
    """Build a wheel in its own folder, and move it to `target`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = run([*command, "-d", str(tree / "wheels")], cwd=tree)
    if done.returncode:
        raise RefusedError(f"hatchling fails: {' '.join(done.stderr.split())}")
    (wheel,) = (tree / "wheels").iterdir()
    target.mkdir(exist_ok=True)
    return Path(shutil.move(wheel, target / wheel.name))


def with_imports(described: FileDescriptorSet, names: Iterable[str]) -> set[str]:
    """Return protos with all that they import."""
    imports = {file.name: file.dependency for file in described.file}
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports[name]
    return found


def without_rules(described: FileDescriptorSet, names: Iterable[str]) -> FileDescriptorSet:
    """Return a copy in which nobody imports one of `names` for nothing but options.

    The options themselves stay in it, as on the wire: there, protovalidate reads its rules.
    """
    pool = pool_of(described)
    lean = FileDescriptorSet.FromString(described.SerializeToString())
    for file in lean.file:
        used = {one.name for one in _used(pool.FindFileByName(file.name))}
        public = {file.dependency[index] for index in file.public_dependency}
        weak = {file.dependency[index] for index in file.weak_dependency}
        kept = [
            name
            for name in file.dependency
            if name not in names
            or name in public
            or used & _seen_through(pool.FindFileByName(name))
        ]
        if len(kept) < len(file.dependency):
            file.dependency[:] = kept
            file.public_dependency[:] = [kept.index(name) for name in kept if name in public]
            file.weak_dependency[:] = [kept.index(name) for name in kept if name in weak]
    return lean


def _seen_through(file: FileDescriptor) -> set[str]:
    """The files whose types whoever imports a file may use."""
    return {file.name}.union(*map(_seen_through, file.public_dependencies))


def _used(file: FileDescriptor) -> Iterator[FileDescriptor]:
    """The files whose types a file refers to; options refer to none."""
    fields = list(file.extensions_by_name.values())
    messages = list(file.message_types_by_name.values())
    while messages:
        message = messages.pop()
        messages += message.nested_types
        fields += [*message.fields, *message.extensions]
    for field in fields:
        for one in (field.message_type, field.enum_type, field.containing_type):
            if one is not None:
                yield one.file
    for service in file.services_by_name.values():
        for method in service.methods:
            yield from (method.input_type.file, method.output_type.file)


if __name__ == "__main__":
    main()
