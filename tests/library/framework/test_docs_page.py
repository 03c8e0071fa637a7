"""The documentation page and its assets, as far as they show without a browser."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from hashlib import sha256
from importlib.metadata import version
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from framework_under_test import ChildApplication
from openapi_spec_validator import validate
from polyrpc.framework.imports import Application, Gateway, Include, get
from polyrpc.framework.swagger_ui import PAGE, DocumentAlone, docs_routes

ADDRESS = re.compile(r'(?:src|href)="([^"]*)"|new URL\("([^"]*)"')


def client(app: Application, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, **options)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def documented(title: str = "Greeter", **options: Any) -> Application:
    return Application(
        openapi_config=DocumentAlone(),
        routes=docs_routes(title, "polyrpc"),
        enable_openapi=True,
        title=title,
        **options,
    )


def mounted() -> Application:
    child = ChildApplication(
        openapi_config=DocumentAlone(), routes=docs_routes("Child", "polyrpc"), enable_openapi=True
    )
    return Application(routes=[Include("/child", app=child)])


@pytest.mark.parametrize(("app", "prefix"), [(documented(), ""), (mounted(), "/child")])
async def test_everything_the_page_names_is_served_beside_it(app: Application, prefix: str) -> None:
    async with client(app) as http:
        page = await http.get(prefix + PAGE)
        addresses = [script or url for script, url in ADDRESS.findall(page.text)]
        assert len(addresses) == 4
        for address in addresses:
            resolved = urljoin(prefix + PAGE, address)
            assert resolved.startswith(f"{prefix}/")
            assert (await http.get(resolved)).status_code == 200


async def test_nothing_on_the_page_is_of_another_host() -> None:
    async with client(documented()) as http:
        page = await http.get(PAGE)
    assert "//" not in page.text.replace("// ", "")
    assert "validatorUrl: null" in page.text


async def test_the_policy_allows_the_pages_own_scripts_alone() -> None:
    async with client(documented()) as http:
        page = await http.get(PAGE)
    (inline,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = b64encode(sha256(inline.encode()).digest()).decode()
    policy = dict(
        directive.split(" ", 1) for directive in page.headers["content-security-policy"].split("; ")
    )
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("favicon-32x32.png", "image/png"),
    ],
)
async def test_assets_are_kept_by_browsers_for_good(name: str, media_type: str) -> None:
    path = f"/docs/assets/{version('flask-swagger-ui')}/{name}"
    async with client(documented()) as http:
        plain = await http.get(path, headers={"accept-encoding": "identity"})
        async with http.stream("GET", path, headers={"accept-encoding": "gzip"}) as response:
            compressed = b"".join([chunk async for chunk in response.aiter_raw()])
    assert plain.headers["content-type"] == response.headers["content-type"] == media_type
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in plain.headers
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed) == plain.content


@pytest.mark.parametrize(
    "path",
    [
        "/docs/redoc",
        "/docs/elements",
        "/docs/rapidoc",
        "/docs/oauth2-redirect",
        "/docs/assets/0.0.0/swagger-ui.css",
        f"/docs/assets/{version('flask-swagger-ui')}/index.html",
        f"/docs/assets/{version('flask-swagger-ui')}/..%2fflask_swagger_ui.py",
    ],
)
async def test_there_is_nothing_else_below_docs(path: str) -> None:
    async with client(documented()) as http:
        assert (await http.get(path)).status_code == 404


async def test_the_page_is_not_a_part_of_the_document() -> None:
    async with client(documented()) as http:
        document = (await http.get("/openapi.json")).json()
    assert document["info"]["title"] == "Greeter"
    assert document["paths"] == {}


@pytest.mark.parametrize("asks_for_tokens", [False, True])
async def test_the_page_knows_whether_a_token_is_asked_for(asks_for_tokens: bool) -> None:
    routes = docs_routes("Greeter", "polyrpc", asks_for_tokens=asks_for_tokens)
    async with client(Application(routes=routes)) as http:
        page = await http.get(PAGE)
    assert ('<body data-authorization="bearer">' in page.text) is asks_for_tokens
    assert '<button type="submit">Authorize</button>' in page.text


async def test_the_document_says_of_every_operation_that_a_token_is_asked_for() -> None:
    @get("/stock")
    async def stock() -> dict[str, int]:
        return {"left": 1}

    for asks_for_tokens in (False, True):
        app = Application(
            openapi_config=DocumentAlone(asks_for_tokens=asks_for_tokens),
            routes=[Gateway(handler=stock)],
            enable_openapi=True,
        )
        async with client(app) as http:
            document = (await http.get("/openapi.json")).json()
        assert "security" not in document["paths"]["/stock"]["get"]
        if asks_for_tokens:
            assert document["security"] == [{"bearer": []}]
            bearer = document["components"]["securitySchemes"]["bearer"]
            assert bearer == {"type": "http", "scheme": "bearer"}
        else:
            assert not document.get("security")
        validate(document)


async def test_a_title_cannot_end_its_element() -> None:
    async with client(documented("</title><script>")) as http:
        assert "<title>&lt;/title&gt;&lt;script&gt;</title>" in (await http.get(PAGE)).text


def test_swagger_ui_is_new_enough_for_openapi_3_1() -> None:
    assert int(version("flask-swagger-ui").split(".")[0]) >= 5


async def test_the_document_names_the_server_that_it_is_asked_by() -> None:
    app = documented()
    for root_path in ("/one", "", "/other"):
        async with client(app, root_path=root_path) as http:
            document = (await http.get(f"{root_path}/openapi.json")).json()
        assert document["servers"] == [{"url": root_path or "/"}]
    async with client(mounted()) as http:
        document = (await http.get("/child/openapi.json")).json()
    assert document["servers"] == [{"url": "/child"}]


async def test_the_document_names_the_servers_that_the_application_names() -> None:
    servers = [{"url": "https://api.example.com"}]
    async with client(documented(servers=servers), root_path="/one") as http:
        assert (await http.get("/openapi.json")).json()["servers"] == servers
