"""What is missing for a service, as new texts of files."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.descriptor import MethodDescriptor as Rpc

from .buf import buf, ignoring, installed
from .edits import find_list, into_class, into_imports, into_list, parse, tidy
from .project import Names, Project, Written
from .services import Service
from .sources import RefusedError, Sources
from .texts import CASE, import_line, method, modules_in, modules_in_rows, row, servicer, tests


@dataclass
class Plan:
    """New contents of files, a line about each, and the HTTP routes of the RPCs."""

    project: Project
    stubs: Path
    contents: dict[Path, bytes] = field(default_factory=dict)
    lines: dict[Path, str] = field(default_factory=dict)
    routes: list[tuple[str, str]] = field(default_factory=list)

    def place(self, sources: Sources) -> None:
        """The protos themselves.

        Raises:
            RefusedError: The stubs of one could not be imported.
        """
        for name in {sources.main, *sources.files}:
            self.project.check_place(name)
        for name, content in sources.files.items():
            self._add(self.project.root / "protos" / name, content, "new")

    def add(self, service: Service) -> None:
        """What a service lacks: its class, its place among the servicers, methods, rows.

        Raises:
            RefusedError: It cannot be added without touching what is there.
        """
        found = self.project.servicer_of(service)
        if found:
            file, node = found
            class_name, module = node.name, file.path.stem
            new = self._add_methods(service, file, node)
        else:
            names = self.project.names_for(service)
            class_name, module, new = names.class_name, names.module, service.rpcs
            rpcs = ", ".join(rpc.name for rpc in service.rpcs)
            has_resources = self.project.has_resources()
            text = servicer(service, class_name, self.project.package, has_resources=has_resources)
            self._write(self.project.module_file(names), text, f"new: {class_name} with {rpcs}")
        self._register(class_name, module)
        path = f"/grpc/{class_name.lower()}/"
        self.routes += [("POST", path + rpc.name.lower()) for rpc in service.rpcs]
        table = self.project.table_of(service)
        if table:
            self._add_rows(new, *table)
        else:
            text = tests(service, self.project.package)
            file_of_tests = self.project.test_file(Names(class_name, module))
            if file_of_tests.exists():
                raise RefusedError(
                    f"{file_of_tests.relative_to(self.project.root)} has no SERVICE and CALLS of "
                    f"{service.full_name}: put them back, or move the file away."
                )
            self._write(file_of_tests, text, "new: a row for each RPC")

    def leave_style_alone(self, descriptors: Path, sources: Sources) -> None:
        """Other people's protos keep their names: where buf objects, it is told to look away.

        Raises:
            RefusedError: It cannot lint this proto at all.
        """
        if not sources.files or not self.project.buf_rules() or not installed():
            return
        objections = {
            one["path"] for one in buf(self.project.root, "lint", str(descriptors)) if "path" in one
        }
        names = sorted(objections & set(sources.files))
        self._ignore(["lint"], names, "its style is left alone")

    def leave_to_others(self, sources: Sources) -> None:
        """A contract of another service's is neither linted here, nor checked for what breaks.

        Raises:
            RefusedError: `buf.yaml` has no list to say so in.
        """
        if self.project.buf_rules():
            self._ignore(["lint", "breaking"], sorted(sources.files), "it is another service's")

    def _ignore(self, sections: list[str], names: list[str], line: str) -> None:
        text = before = self.project.buf_rules()
        for section in sections if names else ():
            changed = ignoring(text, section, names)
            # Without a list for its style, a team lints as it likes.
            if changed is None and section == "breaking":
                raise RefusedError(
                    f"buf.yaml: add {', '.join(names)} to the list `ignore` of {section} yourself; "
                    "there is none with an entry a line."
                )
            text = changed or text
        if text != before:
            path = self.project.root / "buf.yaml"
            self._add(path, text.encode(), f"{line}: {', '.join(names)}")

    def _add_methods(self, service: Service, file: Written, node: ast.ClassDef) -> list[Rpc]:
        """Insert the methods that the class lacks, and return their RPCs."""
        there = {name for item in node.body for name in names_bound_by(item)}
        missing = [rpc for rpc in service.rpcs if rpc.name not in there]
        if not missing:
            return []
        where = file.path.relative_to(self.project.root)
        names = ", ".join(rpc.name for rpc in missing)
        bound = {name for item in file.tree.body for name in names_bound_by(item)}
        if len(node.bases) > 1 or not {"grpc", "Context"} <= bound:
            raise RefusedError(
                f"{where}: {node.name} has no {names}; write it yourself, for the class has other "
                "bases, or the module no `grpc` or `Context`."
            )
        imports, aliases = self._imports(modules_in(missing), file.names, self.project.package)
        streams = any(rpc.client_streaming or rpc.server_streaming for rpc in missing)
        if streams and "AsyncIterator" not in bound:
            imports.append("from collections.abc import AsyncIterator")
        indent = " " * node.body[0].col_offset
        methods = "\n".join(method(rpc, aliases, service.comment(rpc), indent) for rpc in missing)
        text = into_class(where, file.text, node.name, methods)
        text = into_imports(where, text, imports) if imports else text
        self._write(file.path, text, f"{node.name} gets {names}")
        return missing

    def _register(self, class_name: str, module: str) -> None:
        path = self.project.servicers / "__init__.py"
        where = path.relative_to(self.project.root)
        text = self.project.read(path)
        listed = find_list(parse(where, text), "SERVICERS")
        if listed is None or class_name not in map(ast.unparse, listed.elts):
            text = into_list(where, text, "SERVICERS", [f"{class_name},"])
            text = into_imports(where, text, [f"from .{module} import {class_name}"])
            self._write(path, text, f"SERVICERS gets {class_name}")

    def _add_rows(self, rpcs: Iterable[Rpc], file: Written, calls: ast.List) -> None:
        """Insert rows for new RPCs; whoever has taken out an older one's has had a reason."""
        where = file.path.relative_to(self.project.root)
        cases = [one for one in calls.elts if isinstance(one, ast.Call)]
        if len(cases) < len(calls.elts):
            raise RefusedError(
                f"{where}: CALLS has rows that are no testing.Case(...), such as those of an "
                "earlier release: rewrite them first."
            )
        there = {rpc for case in cases for rpc in rpcs_named_by(case)}
        missing = [rpc for rpc in rpcs if rpc.name not in there]
        if not missing:
            return
        package = self.project.package
        used = modules_in_rows(missing)
        imports, aliases = self._imports(used, file.names)
        case = next((ast.unparse(one.func) for one in cases), None)
        if case is None:
            case = CASE
            if f"{package}.gateway.testing" not in file.names:
                imports.append(f"from {package}.gateway import testing")
        rows = [row(rpc, aliases, case) for rpc in missing]
        text = into_list(where, file.text, "CALLS", rows)
        text = into_imports(where, text, imports) if imports else text
        names = ", ".join(rpc.name for rpc in missing)
        self._write(file.path, text, f"CALLS gets {names}")

    def _imports(
        self, modules: set[str], names: dict[str, str], package: str = ""
    ) -> tuple[list[str], dict[str, str]]:
        """The import lines that a file lacks, and what it calls each module with them."""
        # A name of its own for each: a line that imports from the same place stays as it is.
        new = {module: module.replace(".", "_") for module in modules if module not in names}
        lines = [import_line(module, alias, package) for module, alias in sorted(new.items())]
        return lines, {**names, **new}

    def _write(self, path: Path, text: str, line: str) -> None:
        root = self.project.root
        before = path.read_bytes().decode() if path.exists() else ""
        tidied = tidy(path.relative_to(root), text, before, root, self.stubs)
        self.project.planned[path] = tidied
        content = tidied.replace("\n", "\r\n") if "\r\n" in before else tidied
        self._add(path, content.encode(), line)

    def _add(self, path: Path, content: bytes, line: str) -> None:
        self.contents[path] = content
        self.lines[path] = "; ".join([*([self.lines[path]] if path in self.lines else []), line])


def rpcs_named_by(case: ast.Call) -> list[str]:
    """The RPC that a row of a table of calls is about, also one with a reason to be skipped."""
    named = [*case.args[:1], *(one.value for one in case.keywords if one.arg == "rpc")]
    return [str(one.value) for one in named if isinstance(one, ast.Constant)]


def names_bound_by(node: ast.stmt) -> list[str]:
    """The names that a statement of a module or a class gives to something."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name for alias in names]
        case ast.Assign(targets=targets):
            return [ast.unparse(target) for target in targets]
        case ast.AnnAssign(target=target):
            return [ast.unparse(target)]
    return []
