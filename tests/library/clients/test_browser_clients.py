"""connect-web and grpc-web in a browser, on a page of another origin."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from expected import EXPECTED, alike
from judged import TOKEN, JudgedService, descriptor_set, served
from programs import must_have
from screenshot_docs import browser, found

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("javascript")]

CLIENTS = [
    "connect-web connect",
    "connect-web connect json",
    "connect-web grpc-web",
    "connect-web grpc-web json",
    "grpc-web text",
    "grpc-web binary",
]
# It shows the messages of a stream when that has ended: no moment to cancel it.
AT_THE_END = "grpc-web binary"
JUDGE = """
const [options, done] = arguments;
judges(options).then(done, (error) => done({fault: `${error}`}));
"""


@pytest.fixture(scope="session")
def pages(javascript: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page that holds the clients, bundled as an application's would be."""
    must_have(found("chromium", "chromium-browser", "google-chrome"), "Chromium")
    folder = tmp_path_factory.mktemp("pages")
    bundle = ["node_modules/.bin/esbuild", "browser.js", "--bundle", "--format=esm"]
    subprocess.run([*bundle, f"--outfile={folder / 'browser.js'}"], cwd=javascript, check=True)
    (folder / "index.html").write_text(
        "<!doctype html><meta charset=utf-8><link rel=icon href=data:,>"
        "<script type=module src=browser.js></script>"
    )
    return folder


async def test_each_client_sees_the_same(pages: Path, tmp_path: Path) -> None:
    servicer = JudgedService()
    with _website(pages) as origin:
        async with served(servicer, cors_allow_origins=origin) as server:
            url = f"http://127.0.0.1:{server.http_port}"
            seen = await asyncio.to_thread(_judged, origin, url, CLIENTS, tmp_path)
            for client in CLIENTS:
                expected = {**EXPECTED}
                if client == AT_THE_END:
                    del expected["cancel"]
                assert {client: alike(seen[client])} == {client: expected}
            assert servicer.cancelled == len(CLIENTS) - 1


async def test_a_page_of_an_origin_that_is_not_listed_reads_nothing(
    pages: Path, tmp_path: Path
) -> None:
    with _website(pages) as origin:
        async with served(JudgedService(), cors_allow_origins="https://example.com") as server:
            url = f"http://127.0.0.1:{server.http_port}"
            seen = await asyncio.to_thread(_judged, origin, url, CLIENTS[:1], tmp_path)
    assert "Failed to fetch" in json.dumps(seen[CLIENTS[0]]["unary"])


@contextmanager
def _website(folder: Path) -> Iterator[str]:
    """Serves the folder; gives its origin, which is not the service's."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _judged(origin: str, url: str, clients: list[str], tmp_path: Path) -> dict[str, Any]:
    descriptors = tmp_path / "descriptors.binpb"
    descriptor_set(descriptors)
    options = {
        "descriptors": base64.b64encode(descriptors.read_bytes()).decode(),
        "url": url,
        "metadata": {"authorization": f"Bearer {TOKEN}"},
        "clients": clients,
    }
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile, browser(profile) as driver:
        driver.set_script_timeout(300)
        driver.get(f"{origin}/index.html")
        seen: dict[str, Any] = driver.execute_async_script(JUDGE, options)
    return seen
