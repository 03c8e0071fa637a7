"""Every RPC over HTTP/JSON."""

from __future__ import annotations

import httpx
import pytest

from greeter_service.app import create_app
from greeter_service.settings import Settings

PATH = "/grpc/greeterservice"


async def test_unary(http: httpx.AsyncClient) -> None:
    response = await http.post(f"{PATH}/sayhello", json={"name": "World"})
    assert response.status_code == 200
    assert response.json() == {"message": "Hello, World!"}


async def test_unary_error(http: httpx.AsyncClient) -> None:
    response = await http.post(f"{PATH}/sayhello", json={"name": "error"})
    assert response.status_code == 400
    assert response.json() == {
        "detail": "Invalid request",
        "code": 3,
        "status": "INVALID_ARGUMENT",
        "details": [],
    }


@pytest.mark.parametrize("body", ['{"name": 1}', '{"nam": "World"}', '{"name": "World"'])
async def test_a_body_that_is_no_request_is_refused(http: httpx.AsyncClient, body: str) -> None:
    response = await http.post(f"{PATH}/sayhello", content=body)
    assert response.status_code == 400
    assert response.json()["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("path", [f"{PATH}/sayhello", f"{PATH}/no", "/healthz", "/openapi.json"])
async def test_browsers_take_no_answer_for_a_page(http: httpx.AsyncClient, path: str) -> None:
    for response in (await http.get(path), await http.post(path, content="{")):
        assert response.headers.get_list("x-content-type-options") == ["nosniff"]


def test_the_openapi_document_has_one_route_and_all_are_in_the_order_of_the_framework() -> None:
    router = create_app(Settings()).router
    paths = [getattr(route, "path", "") for route in router.routes]
    assert paths.count("/openapi.json") == 1
    assert router.routes == router.reorder_routes()
