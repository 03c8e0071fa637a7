"""Gives a project another name: `nox -s rename -- NEW-NAME`; also one copied to become another."""

from __future__ import annotations

import argparse
import keyword
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from ..build.hatch import CompileError, compile_protos
from .project import pascal
from .sources import RefusedError
from .taken import DEPENDENCIES, PYTHON

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 58  # of a Kubernetes label's 63 characters, `-grpc` takes five
# What is not the team's, or is made anew.
SKIPPED = {
    *(".git", ".nox", ".venv", "venv", "__pycache__", "_vendor", "build", "certs", "dist"),
    *("node_modules", "third_party"),
}
COMPILED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi", ".binpb")


def main() -> None:
    """Rename the project in the working directory, or say in one line why not."""
    parser = argparse.ArgumentParser(prog="nox -s rename --", description=__doc__)
    parser.add_argument("name", help="with hyphens: order-service")
    try:
        rename(Path.cwd(), parser.parse_args().name)
    except RefusedError as error:
        sys.exit(str(error))


def rename(root: Path, name: str) -> None:
    """Rename the project, its package, its variables, and the service that is called as it is.

    Raises:
        RefusedError: Nothing was changed; or all was, and the protos do not compile.
    """
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    old, package = pyproject["project"]["name"], name.replace("-", "_")
    former = Path(pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0]).name
    check(root, name, package, old)
    replace = replacements(old, former, name, package)
    texts = {}
    for path in files(root):
        try:
            before = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue  # no text, such as a picture
        if (text := replaced(before, replace)) != before:
            texts[path] = text
    for path, text in texts.items():
        path.write_bytes(text.encode())
    print(f"{len(texts)} files speak of {name}.")
    for path in sorted(paths(root), key=lambda one: len(one.parts), reverse=True):
        target = path.with_name(replaced(path.name, replace))
        if target != path:
            path.rename(target)
            before, after = path.relative_to(root).as_posix(), target.relative_to(root).as_posix()
            print(f"{before} is {after} now.")
    tidy(root)
    try:
        compile_protos(root)
    except CompileError as error:
        raise RefusedError(f"All is renamed, but the protos do not compile: {error}") from None
    print(f"Callers of {old} find {name} under its new names alone. Next: `nox -s tests lint`.")


def check(root: Path, name: str, package: str, old: str) -> None:
    """Refuse names that a project cannot have.

    Raises:
        RefusedError: The reason.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise RefusedError(
            f"{name!r} is no name: small letters, digits and single hyphens, a letter first, at "
            f"most {LONGEST} of them."
        )
    if name == old:
        raise RefusedError(f"{name} is its name already.")
    if keyword.iskeyword(package) or package in PYTHON or package in DEPENDENCIES | {"tests"}:
        raise RefusedError(f"{name} is the name of something that the service needs.")
    for folder in ("src", "protos"):
        if (root / folder / package).exists():
            raise RefusedError(f"{folder}/{package} is there already.")


def replacements(old: str, former: str, name: str, package: str) -> dict[str, str]:
    """Say what each of the old names becomes, the longer ones before what they begin with."""
    was, becomes = service(former), service(package)
    # Where two are the same word, the later one says what becomes of it.
    pairs = {
        title(old): title(name),
        was: becomes,
        pascal(was): pascal(becomes),
        f"{pascal(was).lower()}service": f"{pascal(becomes).lower()}service",
        old: name,
        former: package,
        former.upper(): package.upper(),
    }
    return dict(sorted(pairs.items(), key=lambda pair: len(pair[0]), reverse=True))


def service(package: str) -> str:
    """What the service of a package is called: `order_service` serves `order`."""
    return package.removesuffix("_service") or package


def title(name: str) -> str:
    """`order-service` as `Order Service`."""
    return " ".join(word.capitalize() for word in name.split("-"))


def replaced(text: str, replace: dict[str, str]) -> str:
    """Replace names where they are words, or parts of names that are put together of words."""
    names = "|".join(re.escape(one) for one in replace)
    return re.sub(
        rf"(?<![A-Za-z0-9])(?:{names})(?![a-z0-9])|(?<=_)(?:{names})(?![a-z0-9])",
        lambda found: replace[found[0]],
        text,
    )


def paths(root: Path) -> Iterator[Path]:
    """Yield what is the team's, folders too, but for what is compiled."""
    for folder, folders, names in os.walk(root):
        folders[:] = [one for one in folders if one not in SKIPPED and not one.endswith("_cache")]
        for one in [*folders, *names]:
            if not one.endswith(COMPILED):
                yield Path(folder, one)


def files(root: Path) -> list[Path]:
    """List the files among them."""
    return [path for path in paths(root) if path.is_file() and not path.is_symlink()]


def tidy(root: Path) -> None:
    """Sort imports and break lines anew, as `nox -s lint` wants them."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    for task in (["check", "--select=I", "--fix", "--exit-zero"], ["format"]):
        if ruff:
            # S603: this project's own tool on its own files; no shell sees it.
            subprocess.run([ruff, *task, "--quiet", "--no-cache"], cwd=root)  # noqa: S603 - our own command


if __name__ == "__main__":
    main()
