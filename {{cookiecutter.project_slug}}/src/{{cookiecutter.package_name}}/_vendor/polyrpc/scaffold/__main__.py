"""Adds the services of a proto to the project in the working directory, or what they lack."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from ..build.hatch import CompileError, compile_protos
from .messages import Messages
from .paths import check_paths
from .plan import Plan
from .project import Project
from .services import services_of
from .sources import RefusedError, compile_with, find_sources

ROOT = Path.cwd()


def main() -> None:
    """Say what is done, or in one line why nothing is."""
    parser = argparse.ArgumentParser(prog="nox -s add_service --", description=__doc__)
    parser.add_argument("proto", type=Path, help="a .proto file, anywhere or below protos/")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    arguments = parser.parse_args()
    try:
        add_service(arguments.proto, dry_run=arguments.dry_run)
    except RefusedError as error:
        sys.exit(str(error))


def add_service(proto: Path, *, dry_run: bool) -> None:
    """Add what the services of `proto` lack, and compile.

    Raises:
        RefusedError: Nothing was changed.
    """
    project = Project(ROOT)
    sources = find_sources(proto, ROOT / "protos")
    with tempfile.TemporaryDirectory(prefix="add-service-") as folder:
        future, descriptors = Path(folder) / "protos", Path(folder) / "descriptors.binpb"
        described = compile_with(ROOT / "protos", sources, future, descriptors)
        messages = Messages(described)
        plan = Plan(project, future)
        plan.place(sources)
        for service in services_of(sources.main, described, messages, project.package):
            plan.add(service, messages)
        check_paths(sources.main, described, plan.routes)
        plan.leave_style_alone(descriptors, sources)
    for path, line in plan.lines.items():
        print(f"{path.relative_to(ROOT).as_posix()}: {line}")
    if dry_run:
        print("Nothing was changed.")
        return
    write(plan.contents)
    if not plan.contents:
        print("Nothing is missing.")
        return
    print(
        "\nWhat is new answers UNIMPLEMENTED (HTTP: 501). Next: write the RPCs in servicers/, set "
        "in the\ntests' CALLS how they end, and run `nox -s tests lint typecheck`."
    )


def write(contents: dict[Path, bytes]) -> None:
    """Write all files and compile; or leave all as it was.

    Raises:
        RefusedError: A file cannot be written, or the compiler is not the pinned one.
    """
    before = {path: path.read_bytes() if path.exists() else None for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        compile_protos(ROOT)
    except (OSError, CompileError) as error:
        for path, old in before.items():
            if old is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(old)
        raise RefusedError(f"Nothing was changed: {error}") from None


if __name__ == "__main__":
    main()
