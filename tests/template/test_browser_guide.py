"""What `docs/browser.md` of a generated service says is done, and the page calls the service."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from programs import needs
from running import running
from screenshot_docs import WAIT_SECONDS, browser, found
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

PAGE = """<!doctype html>
<meta charset="utf-8"><link rel="icon" href="data:,">
<script>
  globalThis.lines = [];
  console.log = (...words) => lines.push(words.join(" "));
</script>
<script type="module" src="page.js"></script>
"""
TYPESCRIPT = (
    *("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2022,dom"),
    *("--module", "esnext", "--moduleResolution", "bundler"),
)
ANSWERS = [
    "Hello, World!",
    *(f"Hello, World! ({number})" for number in (1, 2, 3)),
    "3 Invalid request 0",
]


@pytest.mark.full
@pytest.mark.skipif(
    shutil.which("npm") is None, reason="NOT JUDGED: without npm, no page calls the service"
)
@needs(found("chromium", "chromium-browser", "google-chrome"), "Chromium")
@pytest.mark.xdist_group("tested")
def test_the_page_of_the_guide_calls_the_service_over_connect_and_grpc_web(
    tested: Path, tmp_path: Path
) -> None:
    guide = (tested / "docs" / "browser.md").read_text(encoding="utf-8")
    allow, generate = _blocks(guide, "sh")
    setting = re.search(r"GREETER_SERVICE_(\w+)=", allow)
    assert setting is not None
    web = _application(generate, tested, tmp_path)
    page = "".join(_blocks(guide, "ts"))
    with (
        _website(web) as origin,
        running(tested, **{setting[1]: origin}) as port,
        tempfile.TemporaryDirectory(prefix="chromium-") as profile,
        browser(profile) as driver,
    ):
        page = page.replace("localhost:8000", f"localhost:{port}")
        assert _shown(driver, origin, web, page) == ANSWERS
        page = page.replace("createConnectTransport", "createGrpcWebTransport")
        assert _shown(driver, origin, web, page) == ANSWERS


def _blocks(guide: str, language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, guide, re.DOTALL | re.MULTILINE)


def _application(commands: str, project: Path, folder: Path) -> Path:
    """A web application beside the service, with what the guide says is installed."""
    (folder / project.name).symlink_to(project)
    web = folder / "web"
    web.mkdir()
    for script in ("npm init --yes", commands, "npm install --save-dev esbuild"):
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=web,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return web


def _shown(driver: Chrome, origin: str, web: Path, page: str) -> list[str]:
    """Compiles the page, opens it, and gives what it writes to the console."""
    (web / "page.ts").write_text(page)
    subprocess.run(["npx", "tsc", *TYPESCRIPT, "page.ts"], cwd=web, check=True)
    bundle = ["npx", "esbuild", "page.ts", "--bundle", "--format=esm", "--outfile=page.js"]
    subprocess.run(bundle, cwd=web, check=True)
    (web / "index.html").write_text(PAGE)
    driver.get(f"{origin}/index.html")
    lines: list[str] = WebDriverWait(driver, WAIT_SECONDS).until(
        lambda _: (found := driver.execute_script("return lines")) and len(found) >= 5 and found
    )
    return lines


@contextmanager
def _website(folder: Path) -> Iterator[str]:
    """Serves the folder; gives its origin, which is not the service's."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
