"""The one definition of "compile these protos": protos/ becomes stubs and a descriptor set in src/.

Beside them go the files of Swagger UI: what is built has its documentation page with it.

The package build (`pip install .`, `pip install -e .`) runs it as a hook of hatchling, which is
told its path or, of an installed library, finds its entry point; `nox -s protos` and the project's
generation run `python -m polyrpc.build`. `build-system.requires` in pyproject.toml pins the
compiler. By its path it is no module of a package: it imports nothing of the library.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

try:
    import hatchling  # noqa: F401 - first: it is what a stray interpreter lacks
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
    from hatchling.plugin import hookimpl
    from packaging.requirements import Requirement
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed here: run `nox -s protos`, which installs it.")

LIBRARY = "polyrpc"
# Of its dist/, the parts of the page /docs/swagger. It needs Flask; so it stays with the compiler.
SWAGGER_UI = "flask-swagger-ui"
SWAGGER_FILES = ("LICENSE", "favicon-32x32.png", "swagger-ui-bundle.js", "swagger-ui.css")
# What googleapis-common-protos has under another name than the one that its stubs register.
MOVED = {"google/longrunning/operations.proto": "google/longrunning/operations_proto.proto"}


class CompileError(Exception):
    """The protos could not be compiled; the text says why, in protoc's own words if it ran."""


class ProtosBuildHook(BuildHookInterface[Any]):
    """Compiles before files are gathered, for wheels and for editable installs."""

    PLUGIN_NAME = LIBRARY

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile, or end the build with the reason."""
        try:
            outside = compile_protos(Path(self.root))
        except CompileError as error:
            self.app.abort(str(error))
        else:
            build_data["force_include"].update({f"src/{name}": name for name in outside})


@hookimpl
def hatch_register_build_hook() -> type[ProtosBuildHook]:
    """Called by hatchling, of the entry point `polyrpc`."""
    return ProtosBuildHook


def compile_protos(root: Path) -> list[str]:
    """Compile protos/ of `root` into src/, and remove the stubs whose proto is gone.

    The documentation page's files come along, if the project has them to build with.

    Nothing changes unless everything compiles; a file whose content stays the same is not written.

    Returns:
        What was compiled outside the project's package, below src/: protos may have any package.

    Raises:
        CompileError: Nothing to compile, not the pinned compiler, or protoc refused a file.
    """
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    check_compiler(pyproject["build-system"]["requires"])
    wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    package = Path(wheel["packages"][0]).name

    with tempfile.TemporaryDirectory(prefix="protos-") as folder:
        output = Path(folder)
        (output / package).mkdir()
        run_protoc(root / "protos", output, output / package / "descriptors.binpb")
        copy_swagger_ui(output / package / "swagger_ui")
        publish(output, root / "src", wheel["artifacts"])
        compiled = (path.relative_to(output) for path in output.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in compiled if path.parts[0] != package)


def check_compiler(requirements: list[str]) -> None:
    """Refuse any version but the pinned one: stubs of another fail when they are imported."""
    for requirement in map(Requirement, requirements):
        # Itself: generation runs a copy that is not installed.
        if requirement.name == LIBRARY:
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = "missing"
        if found == "missing" or found not in requirement.specifier:
            raise CompileError(
                f"{requirement.name} is {found} here, pyproject.toml asks for {requirement}: "
                "run `nox -s protos`, which installs it."
            )


def run_protoc(protos: Path, output: Path, descriptor_set: Path) -> None:
    """Write the stubs of all `protos` below `output`: messages, services, and the types of both."""
    sources = sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))
    if not sources:
        raise CompileError(
            f"There is no .proto file in {protos}: `nox -s add_service -- PROTO` brings one."
        )
    for name in sources:
        check_encoding(name, (protos / name).read_bytes())
    common = Path(str(distribution("googleapis-common-protos").locate_file("")))
    run_compiler(
        f"-I{protos}",
        *(f"-I{name}={common / moved}" for name, moved in MOVED.items()),
        f"-I{common}",
        *of_messages(output),
        f"--descriptor_set_out={descriptor_set}",
        *("--include_imports", "--include_source_info"),
        *sources,
    )
    # Its plugin copies comments into docstrings as they are: quotes or a backslash in one would
    # make a stub that is no Python.
    described = FileDescriptorSet.FromString(descriptor_set.read_bytes())
    for file in described.file:
        file.ClearField("source_code_info")
    with tempfile.TemporaryDirectory(prefix="protos-") as folder:
        uncommented = Path(folder) / "descriptors.binpb"
        uncommented.write_bytes(described.SerializeToString())
        run_compiler(f"--descriptor_set_in={uncommented}", f"--grpc_python_out={output}", *sources)


def check_encoding(name: str, proto: bytes) -> None:
    """Refuse a proto that is not UTF-8: protoc lets it pass in comments, its plugins do not.

    Raises:
        CompileError: It is not, and where.
    """
    try:
        proto.decode()
    except UnicodeDecodeError as error:
        line = proto[: error.start].count(b"\n") + 1
        raise CompileError(f"{name}:{line} is not UTF-8, as protos have to be.") from None


def of_messages(output: Path) -> list[str]:
    """List the options of protoc for stubs of messages, and for the types of all stubs."""
    # Located through the distribution: a plugin on PATH may be another environment's.
    files = distribution("mypy-protobuf").files or []
    plugins = {file.stem: file.locate() for file in files if file.name.startswith("protoc-gen-")}
    return [
        *(f"--plugin={name}={path}" for name, path in plugins.items()),
        f"--python_out={output}",
        f"--mypy_out=quiet:{output}",
        f"--mypy_grpc_out=quiet:{output}",
    ]


def copy_swagger_ui(target: Path) -> None:
    """Write the files of the documentation page, and their version."""
    try:
        source = distribution(SWAGGER_UI)
    except PackageNotFoundError:
        return  # `requires` of a project made earlier does not have it
    target.mkdir()
    (target / "VERSION").write_text(f"{source.version}\n", encoding="utf-8")
    for name in SWAGGER_FILES:
        shutil.copyfile(str(source.locate_file(f"flask_swagger_ui/dist/{name}")), target / name)


def run_compiler(*arguments: str) -> None:
    """Run protoc."""
    protoc = run([sys.executable, "-m", "grpc_tools.protoc", *arguments])
    if protoc.returncode:
        raise CompileError(protoc.stderr.strip())


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run one of the project's tools on the project's own files, and keep what it says."""
    # S603: the command is ours, and no shell sees it.
    return subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, encoding="utf-8", errors="replace", **options
    )


def publish(output: Path, source: Path, patterns: list[str]) -> None:
    """Bring `source` in line with `output`, for the files that match `patterns`."""
    fresh = {path.relative_to(output) for path in output.rglob("*") if path.is_file()}
    for pattern in patterns:
        for stale in source.rglob(pattern):
            if stale.relative_to(source) not in fresh:
                stale.unlink()
    for relative in sorted(fresh):
        target, content = source / relative, (output / relative).read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
