"""The library's shape: what is public, what may import what, and that nothing goes in circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import polyrpc
import pytest

LIBRARY = Path(polyrpc.__path__[0])
PROJECT = LIBRARY.parents[3]
PUBLIC = {
    *("ServiceGateway", "Service", "ServiceSettings", "SettingsError", "run", "Health"),
    *("Interceptor", "Validation", "MethodInfo", "CallError", "caller", "request_id", "channel"),
}
MOST_LINES_OF_A_MODULE = 440


def module_of(path: Path) -> str:
    parts = path.relative_to(LIBRARY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(LIBRARY.rglob("*.py"))}


def imports(name: str, *, at_import: bool = True) -> Iterator[str]:
    """The modules of the library that a module imports: when it is imported, or ever."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in statements(tree) if at_import else ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level or not (node.module or "").startswith("polyrpc"), f"{name}: absolute"
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                deeper = f"{target}.{alias.name}".strip(".")
                yield deeper if deeper in MODULES else target


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that run at import; not those in functions or for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from statements(node)


def test_the_public_names_are_those_of_the_contract() -> None:
    assert set(polyrpc.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(polyrpc, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = polyrpc.nothing  # type: ignore[attr-defined]


def test_no_module_imports_itself_through_others() -> None:
    graph = {name: set(imports(name)) - {name} for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(error.args[1])) from None


def test_no_room_imports_itself_through_others() -> None:
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        if not name:
            continue
        room = room_of(name)
        graph.setdefault(room, set()).update(
            room_of(other) for other in imports(name, at_import=False) if room_of(other) != room
        )
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(error.args[1])) from None


def room_of(name: str) -> str:
    """A folder, or a module beside the folders."""
    return name.partition(".")[0]


def test_one_room_knows_the_framework() -> None:
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for imported in names:
                if imported.partition(".")[0] in ("esmerald", "ravyn", "lilya"):
                    assert room_of(name) == "framework", f"{name} imports {imported}"


FORMATS = {"grpc", "grpc_web", "connect_unary", "connect_stream"}
CHOOSERS = {"", "chooser", "unknown"}


def test_no_wire_format_knows_another_or_what_chooses_among_them() -> None:
    for name in MODULES:
        room, _, module = name.partition(".")
        imported = {other.partition(".")[2] for other in imports(name) if room_of(other) == room}
        if room == "protocols" and module not in CHOOSERS:
            assert not imported & (FORMATS | CHOOSERS), f"{name} imports {imported}"


def test_calls_and_protocols_know_nothing_of_json_routes() -> None:
    for name in MODULES:
        if room_of(name) in ("calls", "protocols"):
            rooms = {room_of(other) for other in imports(name, at_import=False)}
            assert rooms <= {"calls", "protocols", "rpc", "protojson"}, f"{name} imports {rooms}"
            assert room_of(name) == "protocols" or rooms <= {"calls", "rpc"}, name


def test_nothing_of_a_project_reaches_into_it() -> None:
    for path in sorted(PROJECT.rglob("*.py")):
        if LIBRARY in path.parents:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            if "polyrpc" in line and "import" in line and not line.lstrip().startswith(('"', "#")):
                assert line.startswith(("from ._vendor.polyrpc import", "from polyrpc import")), (
                    f"{path.name}: {line}"
                )


def test_no_module_is_too_long_to_be_read() -> None:
    lines = {name: path.read_text("utf-8").count("\n") for name, path in MODULES.items()}
    largest = max(lines, key=lines.__getitem__)
    assert lines[largest] <= MOST_LINES_OF_A_MODULE, largest
