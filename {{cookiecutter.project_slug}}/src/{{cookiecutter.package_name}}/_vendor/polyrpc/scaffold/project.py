"""The project as it is: its servicers, its tests, and the names that are taken."""

from __future__ import annotations

import ast
import keyword
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .edits import find_list, imported_names, parse
from .messages import module_of
from .services import Service
from .sources import RefusedError


@dataclass(frozen=True)
class Written:
    """A file that has to do with a service: a servicer's, or the table of its tests."""

    path: Path
    text: str
    tree: ast.Module
    names: dict[str, str]


@dataclass(frozen=True)
class Names:
    """What a new servicer is called."""

    class_name: str
    module: str


class Project:
    """The project that lies in `root`; `planned` holds new texts of its files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
        self.source = root / str(wheel["packages"][0])
        self.package = self.source.name
        self.servicers = self.source / "servicers"
        names = (re.match(r"[\w.-]+", line) for line in pyproject["project"]["dependencies"])
        self._needed = {name[0].replace("-", "_") for name in names if name}
        self.planned: dict[Path, str] = {}
        self._given: list[Names] = []

    def read(self, path: Path) -> str:
        """Read a file as it is going to be: of two services in it, each finds the other's."""
        return self.planned.get(path) or path.read_text(encoding="utf-8")

    def buf_rules(self) -> str:
        """Return the text of `buf.yaml`; an empty one if there is none."""
        path = self.root / "buf.yaml"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def check_place(self, proto: str) -> None:
        """Refuse a proto whose stubs another module would hide, or they it.

        Raises:
            RefusedError: Such as those of a package `greeter_service.settings`, or a dependency's.
        """
        parts = module_of(proto).split(".")
        hidden = (Path(*parts[:number]) for number in range(1, len(parts)))
        taken = [path for path in hidden if (self.source.parent / path).with_suffix(".py").exists()]
        if taken or parts[0] in self._needed:
            name = ".".join(taken[0].parts) if taken else parts[0]
            raise RefusedError(f"{proto}: there is a Python module {name} already.")

    def has_resources(self) -> bool:
        """Whether there are `Resources` for a servicer to take."""
        path = self.source / "lifespan.py"
        if not path.is_file():
            return False
        tree = parse(path.relative_to(self.root), self.read(path))
        return any(
            isinstance(node, ast.ClassDef) and node.name == "Resources" for node in tree.body
        )

    def servicer_of(self, service: Service) -> tuple[Written, ast.ClassDef] | None:
        """Return the class that answers a service, if there is one, and its file."""
        for file in self._python_files(self.servicers, f"{self.package}.servicers"):
            stubs = file.names.get(service.grpc_module)
            base = f"{service.name}Servicer"
            bases = {
                f"{stubs}.{base}" if stubs else None,
                file.names.get(f"{service.grpc_module}.{base}"),
            }
            for node in file.tree.body:
                if isinstance(node, ast.ClassDef) and bases & set(map(ast.unparse, node.bases)):
                    return file, node
        return None

    def table_of(self, service: Service) -> tuple[Written, ast.List] | None:
        """Return the list `CALLS` in the tests of a service, if there is one, and its file."""
        for file in self._python_files(self.root / "tests", "tests"):
            stubs = file.names.get(service.module)
            wanted = f"SERVICE = {stubs}.DESCRIPTOR.services_by_name['{service.name}']"
            calls = find_list(file.tree, "CALLS")
            if calls is not None and wanted in map(ast.unparse, file.tree.body):
                return file, calls
        return None

    def names_for(self, service: Service) -> Names:
        """Choose the names of a new servicer; the class's is also its HTTP path.

        Raises:
            RefusedError: All that come into question are taken.
        """
        stem = pascal(service.name).removesuffix("Service") or "Service"
        parts = [pascal(part) for part in service.package.split(".")]
        classes = {
            node.name.lower()
            for file in self._python_files(self.servicers, f"{self.package}.servicers")
            for node in file.tree.body
            if isinstance(node, ast.ClassDef)
        } | {names.class_name.lower() for names in self._given}
        for candidate in (stem, stem + parts[-1], "".join(parts) + stem):
            module = snake(candidate)
            module += "_service" if keyword.iskeyword(module) else ""
            names = Names(f"{candidate}Service", module)
            files = (self.module_file(names), self.test_file(names))
            taken = any(file.exists() for file in files) or module in {
                given.module for given in self._given
            }
            if not taken and names.class_name.lower() not in classes:
                self._given.append(names)
                return names
        raise RefusedError(
            f"{service.full_name}: {stem}Service and longer names are taken in servicers/, or "
            "their files are: rename the service, or what is there."
        )

    def module_file(self, names: Names) -> Path:
        """Where a servicer belongs."""
        return self.servicers / f"{names.module}.py"

    def test_file(self, names: Names) -> Path:
        """Where its tests belong."""
        return self.root / "tests" / f"test_{names.module}_service.py"

    def _python_files(self, folder: Path, package: str) -> Iterator[Written]:
        for path in sorted(folder.glob("*.py")):
            text = self.read(path)
            tree = parse(path.relative_to(self.root), text)
            yield Written(path, text, tree, imported_names(tree, package))


def pascal(name: str) -> str:
    """`order_book` as `OrderBook`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def snake(name: str) -> str:
    """`HTTPProxy` as `http_proxy`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
