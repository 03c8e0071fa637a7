"""Adds the services of a proto to the project in the working directory, or what they lack.

With `--client`, its stubs alone: they are another service's, which this one calls.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from ..build.hatch import CompileError, compile_protos
from .plan import Plan
from .project import Project
from .services import check_paths, services_of
from .sources import RefusedError, Sources, compile_with, find_sources
from .texts import import_line

DESCRIPTION = "Adds the services of a proto to this project, or what they lack."
ROOT = Path.cwd()


def main() -> None:
    """Say what is done, or in one line why nothing is."""
    parser = argparse.ArgumentParser(prog="nox -s add_service --", description=DESCRIPTION)
    parser.add_argument("proto", type=Path, help="a .proto file, anywhere or below protos/")
    parser.add_argument("--client", action="store_true", help="to call it, not to serve it")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    arguments = parser.parse_args()
    # A path is meant from where nox was called.
    proto = Path(os.environ.get("INVOKED_FROM", ""), arguments.proto)
    try:
        if arguments.client:
            add_client(proto, dry_run=arguments.dry_run)
        else:
            add_service(proto, dry_run=arguments.dry_run)
    except RefusedError as error:
        sys.exit(str(error))


def add_service(proto: Path, *, dry_run: bool) -> None:
    """Add what the services of `proto` lack, and compile.

    Raises:
        RefusedError: Nothing was changed.
    """
    with planned(proto) as (plan, sources, described, descriptors):
        for service in services_of(sources.main, described, plan.project.package):
            plan.add(service)
        check_paths(sources.main, described, plan.routes)
        plan.leave_style_alone(descriptors, sources)
    if carry_out(plan, dry_run=dry_run):
        print(
            "\nWhat is new answers UNIMPLEMENTED (HTTP: 501). Next: write the RPCs in servicers/, "
            "set in the\ntests' CALLS how they end, and run `nox -s tests lint typecheck`."
        )


def add_client(proto: Path, *, dry_run: bool) -> None:
    """Add the stubs of another service's proto, and compile.

    Raises:
        RefusedError: Nothing was changed; among other reasons because it is served here.
    """
    with planned(proto) as (plan, sources, described, _):
        services = services_of(sources.main, described, plan.project.package)
        for service in services:
            if found := plan.project.servicer_of(service):
                where = found[0].path.relative_to(ROOT).as_posix()
                raise RefusedError(
                    f"{service.full_name} is served here already, by {found[1].name} in {where}: "
                    "its stubs are there, so call it without --client."
                )
        plan.leave_to_others(sources)
    if carry_out(plan, dry_run=dry_run):
        line = import_line(services[0].grpc_module, services[0].grpc_module.rpartition(".")[2])
        print(
            f"\nNext: `{line}`, and in lifespan.py\n"
            f"`async with channel(…) as …`, then `{services[0].name}Stub(…)`; "
            "the README has an example."
        )


@contextmanager
def planned(proto: Path) -> Iterator[tuple[Plan, Sources, FileDescriptorSet, Path]]:
    """Find a proto and what it imports, and compile it as it is going to lie in protos/.

    Yields:
        A plan with the places of the files, the files, what they say, and where that is written.

    Raises:
        RefusedError: It cannot be had, or does not compile.
    """
    project = Project(ROOT)
    sources = find_sources(proto, ROOT / "protos")
    with tempfile.TemporaryDirectory(prefix="add-service-") as folder:
        stubs, descriptors = Path(folder) / "stubs", Path(folder) / "descriptors.binpb"
        stubs.mkdir()
        described = compile_with(ROOT / "protos", sources, stubs, descriptors)
        plan = Plan(project, stubs)
        plan.place(sources)
        yield plan, sources, described, descriptors


def carry_out(plan: Plan, *, dry_run: bool) -> bool:
    """Say what a plan changes, and change it, unless it is a trial or there is nothing to do.

    Raises:
        RefusedError: Nothing was changed.
    """
    for path, line in plan.lines.items():
        print(f"{path.relative_to(ROOT).as_posix()}: {line}")
    if dry_run:
        print("Nothing was changed.")
        return False
    write(plan.contents)
    if not plan.contents:
        print("Nothing is missing.")
    return bool(plan.contents)


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
