"""`nox -s add_service`: what it writes, what it leaves alone, what it refuses."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from baking import bake, files, is_build_product, nox, with_the_library
from checks import check_project

pytestmark = pytest.mark.full

PROTOS = Path(__file__).parent / "protos"
ORDERS = PROTOS / "shop/orders/v1/orders.proto"
SERVICERS = "src/greeter_service/servicers"
GREETER = "protos/greeter_service/v1/greeter.proto"


@pytest.fixture(scope="module")
def untouched(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bake(template, tmp_path_factory.mktemp("untouched"))


@pytest.fixture
def project(untouched: Path, tmp_path: Path) -> Path:
    """A default project, to be changed."""
    return Path(shutil.copytree(untouched, tmp_path / "greeter-service"))


def add_service(project: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it as its session does, with the tests' own tools: they are the pinned ones."""
    return subprocess.run(
        [sys.executable, "-B", "-m", "polyrpc.scaffold", *map(str, arguments)],
        cwd=project,
        env=with_the_library(project),
        capture_output=True,
        encoding="utf-8",
    )


def add(project: Path, proto: str | Path) -> str:
    done = add_service(project, proto)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sources(project: Path) -> dict[str, str]:
    """What people write, by its path."""
    return {
        name: content.decode()
        for name, content in files(project).items()
        if not is_build_product(name)
    }


def signatures(text: str, class_name: str) -> Iterator[str]:
    """The RPCs of a servicer as they are declared."""
    (servicer,) = (
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and node.name == class_name
    )
    for node in servicer.body:
        if isinstance(node, ast.AsyncFunctionDef):
            assert node.returns is not None
            yield f"{node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"


def is_insertion(before: str, after: str) -> bool:
    """Whether every line of `before` is still there, in the same order."""
    kept = iter(after.splitlines())
    return all(line in kept for line in before.splitlines())


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def insert_rpc(proto: Path, service: str, rpc: str) -> None:
    text = proto.read_text(encoding="utf-8")
    start = f"service {service} {{\n"
    assert start in text
    proto.write_text(text.replace(start, f"{start}  {rpc}\n"), encoding="utf-8")


def test_a_proto_goes_with_its_imports_to_where_its_package_says(project: Path) -> None:
    before = sources(project)
    add(project, ORDERS)
    after = sources(project)
    assert set(after) - set(before) == {
        "protos/shop/orders/v1/orders.proto",
        "protos/shop/common/money.proto",
        f"{SERVICERS}/orders.py",
        f"{SERVICERS}/order_archive.py",
        "tests/test_orders_service.py",
        "tests/test_order_archive_service.py",
    }
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"{SERVICERS}/__init__.py", "buf.yaml"}
    assert all(is_insertion(before[name], after[name]) for name in changed)
    assert after["protos/shop/orders/v1/orders.proto"] == ORDERS.read_text(encoding="utf-8")
    assert (project / "src/shop/orders/v1/orders_pb2_grpc.pyi").is_file()
    check_project(project)


def test_every_kind_of_rpc_has_its_signature(project: Path) -> None:
    add(project, ORDERS)
    text = sources(project)[f"{SERVICERS}/orders.py"]
    assert list(signatures(text, "OrdersService")) == [
        "GetOrder(self, request: pb.GetOrderRequest, context: Context) -> pb.Order",
        "WatchOrders(self, request: empty_pb2.Empty, context: Context) -> AsyncIterator[pb.Order]",
        "PutOrders(self, request_iterator: AsyncIterator[pb.Order.Draft], context: Context)"
        " -> date_pb2.Date",
        "Trade(self, request_iterator: AsyncIterator[pb.Order], context: Context)"
        " -> AsyncIterator[money_pb2.Money]",
    ]


def test_comments_become_docstrings_whatever_is_in_them(project: Path) -> None:
    add(project, ORDERS)
    tree = ast.parse(sources(project)[f"{SERVICERS}/orders.py"])
    documented = {
        node.name: ast.get_docstring(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef)
    }
    assert documented == {
        "OrdersService": 'Takes orders.\n\nSays "hello" with a \\backslash and """quotes""".',
        "GetOrder": "Gets one of them.",
        "WatchOrders": None,
        "PutOrders": None,
        "Trade": "This is answered\nas it comes",
    }


def test_comments_cannot_break_the_stubs(project: Path) -> None:
    add(project, ORDERS)
    for stub in (project / "src/shop").rglob("*.py*"):
        compile(stub.read_text(encoding="utf-8"), stub, "exec")


def test_a_dry_run_shows_the_plan_and_changes_nothing(project: Path) -> None:
    before = files(project)
    plan = add_service(project, ORDERS, "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert files(project) == before
    assert plan.stdout.endswith("Nothing was changed.\n")
    done = add(project, ORDERS)
    lines = plan.stdout.splitlines()[:-1]
    assert f"{SERVICERS}/order_archive.py: new: OrderArchiveService with GetOrder" in lines
    assert done.splitlines()[: len(lines)] == lines


@pytest.mark.parametrize("again", [ORDERS, Path("protos/shop/orders/v1/orders.proto")])
def test_a_second_run_has_nothing_to_do(project: Path, again: Path) -> None:
    add(project, ORDERS)
    before = files(project)
    assert add(project, again) == "Nothing is missing.\n"
    assert files(project) == before


def test_a_new_rpc_comes_between_what_people_have_written(project: Path) -> None:
    add(project, ORDERS)
    servicer = project / SERVICERS / "orders.py"
    text = servicer.read_text(encoding="utf-8")
    text = text.replace("class OrdersService(", "LIMIT  = 5 # mine\n\n\nclass Shop(")
    text = text.replace(
        "        yield money_pb2.Money()  # makes it a stream\n", "        yield   1\n"
    )
    servicer.write_text(f"{text}        # the end\n\ndef helper() -> None: ...\n", encoding="utf-8")
    listed = project / SERVICERS / "__init__.py"
    renamed = listed.read_text(encoding="utf-8").replace("OrdersService", "Shop")
    listed.write_text(renamed, encoding="utf-8")
    tests = project / "tests/test_orders_service.py"
    tests.rename(project / "tests/test_mine.py")
    before = sources(project)
    insert_rpc(
        project / "protos/shop/orders/v1/orders.proto",
        "OrderArchive",
        "rpc Sweep(stream google.protobuf.Empty) returns (stream shop.common.Money);",
    )
    insert_rpc(
        project / "protos/shop/orders/v1/orders.proto",
        "Orders",
        "rpc Price(shop.common.Money) returns (google.type.Date);",
    )
    add(project, "protos/shop/orders/v1/orders.proto")
    after = sources(project)
    changed = {name for name in before if before[name] != after[name]}
    assert after.keys() == before.keys()
    assert changed == {
        "protos/shop/orders/v1/orders.proto",
        f"{SERVICERS}/orders.py",
        f"{SERVICERS}/order_archive.py",
        "tests/test_mine.py",
        "tests/test_order_archive_service.py",
    }
    assert all(is_insertion(before[name], after[name]) for name in changed)
    assert "Price(" in list(signatures(after[f"{SERVICERS}/orders.py"], "Shop"))[-1]
    assert "Sweep(" in after[f"{SERVICERS}/order_archive.py"]
    rows = '    testing.Case("Price", [shop_common_money_pb2.Money()], "UNIMPLEMENTED"),\n]\n'
    assert rows in after["tests/test_mine.py"]
    row = '    testing.Case("Sweep", [], "UNIMPLEMENTED"),\n]'
    assert row in after["tests/test_order_archive_service.py"]


def test_what_was_tidy_stays_tidy(project: Path) -> None:
    add(project, ORDERS)
    proto = "protos/shop/orders/v1/orders.proto"
    rpc = "rpc Sweep(stream google.protobuf.Empty) returns (stream shop.common.Money);"
    insert_rpc(project / proto, "OrderArchive", rpc)
    add(project, proto)
    check_project(project)


def test_two_servicers_of_one_file_get_what_each_lacks(project: Path) -> None:
    add(project, ORDERS)
    folder = project / SERVICERS
    _, _, archive = (folder / "order_archive.py").read_text(encoding="utf-8").partition("class ")
    with (folder / "orders.py").open("a", encoding="utf-8") as orders:
        orders.write(f"\n\nclass {archive}")
    (folder / "order_archive.py").unlink()
    listed = (folder / "__init__.py").read_text(encoding="utf-8")
    write(folder / "__init__.py", listed.replace(".order_archive", ".orders"))
    proto = "protos/shop/orders/v1/orders.proto"
    for service in ("Orders", "OrderArchive"):
        insert_rpc(project / proto, service, f"rpc {service}New(Order) returns (Order);")
    add(project, proto)
    text = sources(project)[f"{SERVICERS}/orders.py"]
    assert "OrdersNew(" in list(signatures(text, "OrdersService"))[-1]
    assert "OrderArchiveNew(" in list(signatures(text, "OrderArchiveService"))[-1]


def test_line_ends_stay_as_they_are(project: Path) -> None:
    path = project / SERVICERS / "__init__.py"
    before = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(before)
    add(project, ORDERS)
    kept = iter(path.read_bytes().split(b"\n"))
    assert all(line in kept for line in before.split(b"\n"))
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")


def test_the_example_gets_what_it_lacks_too(project: Path) -> None:
    insert_rpc(project / GREETER, "Greeter", "rpc Wave(ChatRequest) returns (ChatResponse);")
    before = sources(project)
    add(project, GREETER)
    after = sources(project)
    assert list(signatures(after[f"{SERVICERS}/greeter.py"], "GreeterService"))[-1] == (
        "Wave(self, request: pb.ChatRequest, context: Context) -> pb.ChatResponse"
    )
    row = '    testing.Case("Wave", [pb.ChatRequest()], "UNIMPLEMENTED"),\n]'
    assert row in after["tests/test_greeter.py"]
    assert all(is_insertion(before[name], after[name]) for name in before)
    check_project(project)


def test_a_servicer_takes_the_resources_that_there_are(project: Path) -> None:
    add(project, ORDERS)
    assert (
        "def __init__(self, resources: Resources) -> None:"
        in (sources(project)[f"{SERVICERS}/orders.py"])
    )
    (project / "src/greeter_service/lifespan.py").unlink()
    add(project, PROTOS / "keywords.proto")
    assert "Resources" not in sources(project)[f"{SERVICERS}/import_service.py"]


def test_rows_of_an_earlier_release_are_left_to_people(project: Path) -> None:
    tests = project / "tests/test_greeter.py"
    text = tests.read_text(encoding="utf-8")
    tests.write_text(
        re.sub(r"testing\.Case\((.*?)(, status=.*)?\),", r"(\1),", text), encoding="utf-8"
    )
    insert_rpc(project / GREETER, "Greeter", "rpc Wave(ChatRequest) returns (ChatResponse);")
    check_refusal(project, project / GREETER, "CALLS has rows that are no testing.Case(...)")


def test_a_row_is_found_whatever_its_form(project: Path) -> None:
    tests = project / "tests/test_greeter.py"
    text = tests.read_text(encoding="utf-8")
    text = text.replace("import testing\n", "import testing as t\n").replace("testing.", "t.")
    skipped = '    t.Case(skip="its stream never ends", rpc="Wave"),\n]\n'
    tests.write_text(text.replace("]\n\n\n@", f"{skipped}\n\n@", 1), encoding="utf-8")
    for rpc in ("Wave", "Nod"):
        rpc = f"rpc {rpc}(ChatRequest) returns (ChatResponse);"
        insert_rpc(project / GREETER, "Greeter", rpc)
    before = tests.read_text(encoding="utf-8")
    add(project, GREETER)
    row = '    t.Case("Nod", [pb.ChatRequest()], "UNIMPLEMENTED"),\n]\n'
    assert tests.read_text(encoding="utf-8") == before.replace("]\n\n\n@", f"{row}\n\n@", 1)


def test_required_fields_are_given(project: Path) -> None:
    add(project, PROTOS / "legacy.proto")
    add(project, PROTOS / "edition.proto")
    after = sources(project)
    amount = 'pb.Amount(units=0, signature=b"", final=False)'
    row = f'pb.Entry(account="", side=pb.Entry.DEBIT, amount={amount})'
    # However ruff breaks the line.
    tests = re.sub(
        r"\(\s+|,?\s+(?=\))|\s+",
        lambda space: space[0].strip() + " ",
        (after["tests/test_ledger_service.py"]),
    )
    assert re.sub(r"\s", "", row) in re.sub(r"\s|,(?=\s*\))", "", tests)
    assert '[pb.FindRequest(name="")]' in after["tests/test_catalog_service.py"]
    assert "class LedgerService(pb_grpc.ledgerServiceServicer):" in after[f"{SERVICERS}/ledger.py"]
    check_project(project)


def test_python_keywords_may_be_fields_and_messages(project: Path) -> None:
    add(project, PROTOS / "keywords.proto")
    after = sources(project)
    assert "from .import_service import ImportService\n" in after[f"{SERVICERS}/__init__.py"]
    assert "from ..words.v1 import keywords_pb2 as pb\n" in after[f"{SERVICERS}/import_service.py"]
    check_project(project)


def test_services_of_one_name_get_classes_of_different_names(project: Path, tmp_path: Path) -> None:
    for package in ("shop.v1", "shop.v2", "other.shop.v2"):
        path = tmp_path / package / "cart.proto"
        messages = "message In {}\nmessage Out {}\n"
        service = "service Cart {\n  rpc Get(In) returns (Out);\n}\n"
        add(project, write(path, f'syntax = "proto3";\npackage {package};\n{messages}{service}'))
    registered = sources(project)[f"{SERVICERS}/__init__.py"]
    for line in (
        "from .cart import CartService",
        "from .cart_v2 import CartV2Service",
        "from .other_shop_v2_cart import OtherShopV2CartService",
    ):
        assert line in registered
    check_project(project)


def test_stubs_of_any_package_are_in_the_wheel(project: Path, tmp_path: Path) -> None:
    add(project, ORDERS)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheel")],
        cwd=project,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"shop/orders/v1/orders_pb2.py", "shop/common/money_pb2.pyi"} <= names
    assert "greeter_service/v1/greeter_pb2_grpc.py" in names


POINT = """syntax = "proto3";
package points;
service Points { rpc Get(Point) returns (Point); }
message Point { string id = 1; }
"""
WALLET = """syntax = "proto3";
import /* as it was called where both come from */
  public 'points.proto';
package wallet;
service Wallet { rpc Move(points.Point) returns (points.Point); }
"""


@pytest.mark.parametrize("order", [("points", "wallet"), ("wallet", "points")])
def test_a_file_is_one_file_whatever_path_it_is_imported_by(
    order: tuple[str, str], project: Path, tmp_path: Path
) -> None:
    given = {
        "points": write(tmp_path / "points.proto", POINT),
        "wallet": write(tmp_path / "wallet/wallet.proto", WALLET),
    }
    before = set(sources(project))
    for name in order:
        add(project, given[name])
    after = sources(project)
    assert {name for name in set(after) - before if name.startswith("protos/")} == {
        "protos/points/points.proto",
        "protos/wallet/wallet.proto",
    }
    moved = WALLET.replace("'points.proto'", '"points/points.proto"')
    assert after["protos/wallet/wallet.proto"] == moved
    assert {f"{SERVICERS}/points.py", f"{SERVICERS}/wallet.py"} <= set(after)
    import_stubs(project, "points.points_pb2", "wallet.wallet_pb2_grpc")
    # As after a clone, which has no stubs.
    for name in files(project):
        if is_build_product(name):
            (project / name).unlink()
    check_project(project)


def test_a_file_that_is_there_under_another_path_is_found_again(
    project: Path, tmp_path: Path
) -> None:
    write(project / "protos/old/points.proto", POINT)
    write(tmp_path / "points.proto", POINT.replace("\n", "\r\n"))
    before = set(sources(project))
    add(project, write(tmp_path / "wallet/wallet.proto", WALLET))
    after = sources(project)
    new = {name for name in set(after) - before if name.startswith("protos/")}
    assert new == {"protos/wallet/wallet.proto"}
    assert '"old/points.proto"' in after["protos/wallet/wallet.proto"]


def test_a_file_without_a_package_lies_beside_the_one_that_needs_it(
    project: Path, tmp_path: Path
) -> None:
    write(tmp_path / "types.proto", f"{HEAD}message In {{}}\n")
    text = f'{HEAD}package a.b;\nimport "types.proto";\nservice S {{ rpc Get(In) returns (In); }}\n'
    add(project, write(tmp_path / "s.proto", text))
    assert 'import "a/b/types.proto";' in sources(project)["protos/a/b/s.proto"]
    check_project(project)


@pytest.mark.parametrize("name", ["my-api/types.proto", "a/b/my.types.proto"])
def test_imports_are_tidy_where_modules_are_called_otherwise_than_files(
    name: str, project: Path, tmp_path: Path
) -> None:
    write(tmp_path / name, f"{HEAD}message In {{}}\n")
    text = f'{HEAD}package a.b;\nimport "{name}";\nservice S {{ rpc Get(In) returns (In); }}\n'
    add(project, write(tmp_path / "s.proto", text))
    import_stubs(project, "a.b.s_pb2_grpc", "greeter_service.servicers.s")
    check_project(project)


@pytest.mark.skipif(os.name == "nt", reason="a folder of Windows has no such name")
def test_the_folders_of_a_project_may_have_any_names(untouched: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(untouched, tmp_path / "o'brien\"s $HOME/a=b/greeter-service"))
    add(project, write(tmp_path / "it's/s.proto", f"{HEAD}package a.b;\n{SERVICE.format('Get')}"))
    import_stubs(project, "a.b.s_pb2_grpc", "greeter_service.servicers.s")
    check_project(project)


def test_imports_are_found_from_several_folders(project: Path, tmp_path: Path) -> None:
    write(tmp_path / "api/a/x.proto", f"{HEAD}package a;\nmessage X {{}}\n")
    write(tmp_path / "other/b/y.proto", f"{HEAD}package b;\nmessage Y {{}}\n")
    imports = 'import "a/x.proto";\nimport "other/b/y.proto";\n'
    text = f"{HEAD}package a;\n{imports}service S {{ rpc Get(X) returns (b.Y); }}\n"
    add(project, write(tmp_path / "api/a/s.proto", text))
    import_stubs(project, "a.s_pb2_grpc", "b.y_pb2")


def test_protos_whose_stubs_have_another_name_are_served(project: Path, tmp_path: Path) -> None:
    rpc = "rpc Get(google.longrunning.Operation) returns (google.longrunning.Operation);"
    text = f'import "google/longrunning/operations.proto";\nservice S {{ {rpc} }}\n'
    add(project, write(tmp_path / "s.proto", f"{HEAD}package a.b;\n{text}"))
    import_stubs(project, "a.b.s_pb2", "greeter_service.servicers.s")
    check_project(project)


def test_a_package_that_cannot_be_a_folder_lies_where_it_is_imported_from(
    project: Path, tmp_path: Path
) -> None:
    options = "protoc-gen-openapiv2/options/annotations.proto"
    package = "package grpc.gateway.protoc_gen_openapiv2.options;\n"
    extension = "extend google.protobuf.FileOptions { string openapiv2_swagger = 1042; }\n"
    descriptor = 'import "google/protobuf/descriptor.proto";\n'
    write(tmp_path / options, f"{HEAD}{package}{descriptor}{extension}")
    option = "option (grpc.gateway.protoc_gen_openapiv2.options.openapiv2_swagger) = 'x';\n"
    text = f'{HEAD}package a.b;\nimport "{options}";\n{option}{SERVICE.format("Get")}'
    add(project, write(tmp_path / "a/b/s.proto", text))
    assert f'import "{options}";' in sources(project)["protos/a/b/s.proto"]
    import_stubs(project, "a.b.s_pb2", "grpc")
    check_project(project)


def test_a_missing_import_is_blamed_on_the_file_that_has_it(project: Path, tmp_path: Path) -> None:
    write(tmp_path / "api/a/x.proto", f'{HEAD}package a;\nimport "buf/validate/validate.proto";\n')
    text = f'{HEAD}package a.b;\nimport "a/x.proto";\n{SERVICE.format("Get")}'
    words = "a/x.proto imports buf/validate/validate.proto, which is neither in protos/, nor "
    check_refusal(project, write(tmp_path / "api/a/b/s.proto", text), words)


def import_stubs(project: Path, *modules: str) -> None:
    """Import them in a process of their own, with nothing but the project's source."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", f"import {', '.join(modules)}"],
        cwd=project / "src",
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr


HEAD = 'syntax = "proto3";\n'
SERVICE = "service S {{\n  rpc {}(In) returns (In);\n}}\nmessage In {{}}\n"
REFUSED = {
    "does not compile": (f"{HEAD}package a.b;\nmessag M {{}}\n", "bad.proto:3:1: "),
    "has no service": (f"{HEAD}package a.b;\nmessage M {{}}\n", "no service with an RPC"),
    "has no RPC": (f"{HEAD}package a.b;\nservice S {{}}\n", "no service with an RPC"),
    "has no package": (HEAD + SERVICE.format("Get"), "has no package"),
    "imports what is not there": (
        f'{HEAD}package a.b;\nimport "a/c.proto";\n{SERVICE.format("Get")}',
        "bad.proto imports a/c.proto, which is neither",
    ),
    "two fields of one name in JSON": (
        'syntax = "proto2";\npackage a.b;\nservice S { rpc Get(In) returns (In); }\n'
        "message In { optional string foo_bar = 1; optional string fooBar = 2; }\n",
        "a/b/bad.proto: no Python program can load it: duplicate json_name (fooBar).",
    ),
    "a keyword as package": (f"{HEAD}package a.class;\n{SERVICE.format('Get')}", "'class'"),
    "a keyword as RPC": (f"{HEAD}package a.b;\n{SERVICE.format('from')}", "the RPC from"),
    "a keyword as service": (
        f"{HEAD}package a.b;\n{SERVICE.format('Get').replace(' S ', ' class ')}",
        "the service class",
    ),
    "a keyword as request": (
        f"{HEAD}package a.b;\n{SERVICE.format('Get').replace('In', 'None')}",
        "the message None",
    ),
    **{
        f"an RPC {name}": (
            f"{HEAD}package a.b;\n{SERVICE.format(name)}",
            f"the RPC {name} is named",
        )
        for name in (
            "Context",
            "Any",
            "pb",
            "grpc",
            "staticmethod",
            "empty_pb2",
            "__init__",
            "__secret",
        )
    },
    "a service grpc": (
        f"{HEAD}package a.b;\n{SERVICE.format('Get').replace(' S ', ' grpc ')}",
        "the service grpc is named like something",
    ),
    **{
        f"{what} DESCRIPTOR": (
            f"{HEAD}package a.b;\n{SERVICE.format('Get').replace('{}', '{ ' + text + ' }')}",
            "In.DESCRIPTOR has the name of something",
        )
        for what, text in {
            "a field": "string DESCRIPTOR = 1;",
            "a message": "message DESCRIPTOR {}",
            "an enum value": "enum E { DESCRIPTOR = 0; }",
        }.items()
    },
    "a message at the top called DESCRIPTOR": (
        f"{HEAD}package a.b;\n{SERVICE.format('Get')}message DESCRIPTOR {{}}\n",
        "bad.proto: DESCRIPTOR has the name",
    ),
    "a field that is a method": (
        f"{HEAD}package a.b;\n"
        + SERVICE.format("Get").replace("{}", "{ bool SerializeToString = 1; }"),
        "In.SerializeToString has the name",
    ),
    "RPCs of one HTTP path": (
        f"{HEAD}package a.b;\n{SERVICE.format('Get(In) returns (In); rpc GET')}",
        "'get' in lower case",
    ),
    "a module of Python": (f"{HEAD}package json.v1;\n{SERVICE.format('Get')}", "'json'"),
    "a dependency": (f"{HEAD}package structlog.v1;\n{SERVICE.format('Get')}", "structlog"),
    "a dependency's dependency": (
        f"{HEAD}package click.v1;\n{SERVICE.format('Get')}",
        "the package 'click', which the service needs",
    ),
    "a dependency of an extra": (
        f"{HEAD}package opentelemetry.proto.collector.trace.v1;\n{SERVICE.format('Get')}",
        "the package 'opentelemetry', which the service needs",
    ),
    "a dependency of the tests": (f"{HEAD}package httpx.v1;\n{SERVICE.format('Get')}", "'httpx'"),
    "a module of a newer Python": (
        f"{HEAD}package compression.v1;\n{SERVICE.format('Get')}",
        "'compression'",
    ),
    "an installed package": (f"{HEAD}package grpc.v1;\n{SERVICE.format('Get')}", "'grpc'"),
    "a module of the project, by an import": (
        f'{HEAD}package a.b;\nimport "settings_types.proto";\n{SERVICE.format("Get")}',
        "greeter_service.settings",
    ),
    "the project's own module": (
        f"{HEAD}package greeter_service.settings;\n{SERVICE.format('Get')}",
        "greeter_service.settings",
    ),
    "imports what Python has not": (
        f'{HEAD}package a.b;\nimport "google/protobuf/cpp_features.proto";\n'
        + SERVICE.format("Get"),
        "needs google/protobuf/cpp_features.proto, of which no package has the Python stubs",
    ),
    "a proto1 relic, which buf does not lint": (
        "package a.b;\n"
        + SERVICE.format("Get").replace(
            "{}", "{ option message_set_wire_format = true; extensions 4 to max; }"
        ),
        "buf lint fails: ",
    ),
    **{
        f"a path {what}": (
            f'{HEAD}package a.b;\nimport "google/api/annotations.proto";\n'
            + SERVICE.format("Get").replace(
                f"({given}) returns (In);",
                f"({takes}) returns (In) {{ option (google.api.http) = {{{rule}}}; }}",
            ),
            f"a.b.S.Get{words}",
        )
        for given, takes, what, rule, words in (
            ("In", "In", "beyond its end", 'get: "/{id=a/**}/b"', ": google.api.http: GET "),
            ("In", "In", "of no field", 'get: "/{id}"', ': google.api.http: GET "/{id}": '),
            ("In", "stream In", "of a stream", 'get: "/a"', ': google.api.http: GET "/a": body: '),
            ("In", "In", "that is taken", 'get: "/healthz"', " (GET /healthz) is never reached: "),
            (
                *("In", "In", "of an RPC", 'post: "/grpc/sservice/get" body: "*"'),
                " (POST /grpc/sservice/get) is never reached: ",
            ),
        )
    },
    "a required keyword": (
        "package a.b;\n" + SERVICE.format("Get").replace("{}", "{ required bool from = 1; }"),
        "In.from is required",
    ),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line_and_leaves_nothing(
    project: Path, tmp_path: Path, text: str, words: str
) -> None:
    write(
        tmp_path / "elsewhere" / "settings_types.proto",
        f"{HEAD}package greeter_service.settings;\nmessage Types {{}}\n",
    )
    check_refusal(project, write(tmp_path / "elsewhere" / "bad.proto", text), words)


def check_refusal(project: Path, proto: Path, words: str) -> None:
    before = files(project)
    done = add_service(project, proto)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert files(project) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.proto", "is not there"), ("protos", "is a folder"), ("README.md", "no .proto file")],
)
def test_what_is_no_proto_is_refused(project: Path, name: str, words: str) -> None:
    check_refusal(project, project / name, words)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_proto_in_another_encoding_is_refused(
    encoding: str, project: Path, tmp_path: Path
) -> None:
    text = f"{HEAD}package a;\n// caf\xe9\n{SERVICE.format('Get')}"
    proto = tmp_path / "s.proto"
    proto.write_text(text, encoding=encoding)
    check_refusal(project, proto, f"s.proto:{3 if encoding == 'latin-1' else 1} is not UTF-8")
    imported = f'{HEAD}package b;\nimport "s.proto";\n{SERVICE.format("Get")}'
    words = "a/s.proto:3 is not UTF-8" if encoding == "latin-1" else "s.proto:1 is not UTF-8"
    check_refusal(project, write(tmp_path / "t.proto", imported), words)


def test_another_file_in_its_place_is_refused(project: Path, tmp_path: Path) -> None:
    add(project, ORDERS)
    other = shutil.copytree(PROTOS / "shop", tmp_path / "shop")
    insert_rpc(other / "orders/v1/orders.proto", "Orders", "rpc X(Order) returns (Order);")
    words = "protos/shop/orders/v1/orders.proto is there already and differs"
    check_refusal(project, other / "orders/v1/orders.proto", words)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("SERVICERS = [GreeterService]", "add OrdersService, to the list SERVICERS yourself"),
        ("SERVICERS = (GreeterService,)", "add OrdersService, to the list SERVICERS yourself"),
        ("SERVICERS = [", "servicers/__init__.py:1"),
    ],
)
def test_a_list_that_takes_no_line_is_refused(project: Path, written: str, words: str) -> None:
    path = project / SERVICERS / "__init__.py"
    text = path.read_text(encoding="utf-8")
    start = text.index("SERVICERS:")
    path.write_text(f"{text[:start]}{written}\n", encoding="utf-8")
    check_refusal(project, ORDERS, words.replace(":1", ""))


def test_a_class_that_inherits_rpcs_is_left_to_people(project: Path) -> None:
    servicer = project / SERVICERS / "greeter.py"
    text = servicer.read_text(encoding="utf-8")
    text = text.replace("(pb_grpc.GreeterServicer)", "(Base, pb_grpc.GreeterServicer)")
    servicer.write_text(text, encoding="utf-8")
    insert_rpc(project / GREETER, "Greeter", "rpc Wave(ChatRequest) returns (ChatResponse);")
    check_refusal(project, project / GREETER, "GreeterService has no Wave; write it yourself")


def test_projects_with_added_services_pass_their_own_tests_and_checks(
    template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path)
    for name in ("shop/orders/v1/orders", "legacy", "edition", "keywords"):
        done = nox(project, "add_service", "--", str(PROTOS / f"{name}.proto"))
        assert done.returncode == 0, done.stdout
    done = nox(project, "tests", "lint", "typecheck")
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout.lower()
