"""`nox -s add_service -- PROTO --client`: another service's contract, to call it by."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from baking import bake, files, is_build_product
from checks import check_project
from commands import polyrpc, refused, run

ORDERS = Path(__file__).parent / "protos/shop/orders/v1/orders.proto"
GREETER = "protos/greeter_service/v1/greeter.proto"
CALLS_IT = """
import asyncio
from typing import Any
import grpc
from greeter_service.gateway import channel
from shop.orders.v1 import orders_pb2, orders_pb2_grpc

class Orders(orders_pb2_grpc.OrdersServicer):
    async def GetOrder(self, request: Any, context: Any) -> orders_pb2.Order:
        return orders_pb2.Order(id=f"{request.id}, {0 < context.time_remaining() < 6}")

async def main() -> None:
    server = grpc.aio.server()
    orders_pb2_grpc.add_OrdersServicer_to_server(Orders(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with channel(f"127.0.0.1:{port}", deadline=5.0) as orders:
        stub = orders_pb2_grpc.OrdersStub(orders)
        print((await stub.GetOrder(orders_pb2.GetOrderRequest(id="7"))).id)
    await server.stop(None)

asyncio.run(main())
"""


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    return bake(template, tmp_path)


def sources(project: Path) -> dict[str, bytes]:
    return {name: text for name, text in files(project).items() if not is_build_product(name)}


def test_its_stubs_come_and_nothing_is_served_or_linted(project: Path) -> None:
    before = sources(project)
    said = polyrpc(project, "scaffold", "--client", ORDERS)
    after = sources(project)
    assert set(after) - set(before) == {
        "protos/shop/orders/v1/orders.proto",
        "protos/shop/common/money.proto",
    }
    assert {name for name in before if before[name] != after[name]} == {"buf.yaml"}
    assert "from shop.orders.v1 import orders_pb2_grpc" in said
    run(project, "buf", "lint", "src/greeter_service/descriptors.binpb")
    check_project(project)
    assert polyrpc(project, "scaffold", "--client", ORDERS) == "Nothing is missing.\n"
    # Its team's changes are not this one's to answer for.
    polyrpc(project, "scaffold", ORDERS, "--dry-run")


def test_a_channel_calls_by_them(project: Path) -> None:
    polyrpc(project, "scaffold", "--client", ORDERS)
    done = run(
        *(project, sys.executable, "-c", CALLS_IT),
        variables={"PYTHONPATH": str(project / "src")},
    )
    assert done.stdout == "7, True\n"


@pytest.mark.full
def test_what_is_called_may_be_served_later(project: Path) -> None:
    polyrpc(project, "scaffold", "--client", ORDERS)
    polyrpc(project, "scaffold", "protos/shop/orders/v1/orders.proto")
    assert "src/greeter_service/servicers/orders.py" in sources(project)


def test_a_path_is_meant_from_where_nox_was_called(project: Path) -> None:
    command = (sys.executable, "-m", "polyrpc.scaffold", "--client", ORDERS.name)
    run(project, *command, variables={"INVOKED_FROM": str(ORDERS.parent)})
    assert "protos/shop/orders/v1/orders.proto" in sources(project)


def test_what_is_served_already_is_refused(project: Path, tmp_path: Path) -> None:
    before = files(project)
    line = refused(project, "scaffold", "--client", GREETER)
    assert line.startswith(
        "greeter_service.v1.Greeter is served here already, by GreeterService in"
    )
    copy = shutil.copy(project / GREETER, tmp_path)
    assert refused(project, "scaffold", "--client", copy) == line
    assert files(project) == before


def test_nothing_is_lost_where_buf_cannot_be_told(project: Path) -> None:
    rules = project / "buf.yaml"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.partition("breaking:")[0] + "breaking:\n  use: [FILE]\n")
    before = files(project)
    line = refused(project, "scaffold", "--client", ORDERS)
    assert line.startswith("buf.yaml: add shop/common/money.proto, shop/orders/v1/orders.proto")
    assert files(project) == before
