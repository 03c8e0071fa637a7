"""Where the documentation page has its files from."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx
import pytest
from polyrpc.build.hatch import copy_swagger_ui
from polyrpc.framework import swagger_ui
from polyrpc.framework.imports import Application
from polyrpc.framework.swagger_ui import PAGE, DocumentAlone, docs_routes

SCRIPT = "swagger-ui-bundle.js"


def nothing_is_installed(name: str) -> None:
    raise PackageNotFoundError(name)


async def status(path: str, package: str) -> int:
    app = Application(
        openapi_config=DocumentAlone(), routes=docs_routes("Built", package), enable_openapi=True
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return (await http.get(path)).status_code


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that is not installed."""
    (tmp_path / "built_service").mkdir()
    (tmp_path / "built_service" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "built_service", raising=False)
    return "built_service"


async def test_what_the_build_has_put_into_the_package_needs_no_distribution(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_swagger_ui(tmp_path / package / "swagger_ui")
    installed = version("flask-swagger-ui")
    monkeypatch.setattr(swagger_ui, "distribution", nothing_is_installed)
    assert await status(PAGE, package) == 200
    assert await status(f"/docs/assets/{installed}/{SCRIPT}", package) == 200
    assert await status(f"/docs/assets/{installed}/LICENSE", package) == 404


async def test_without_files_there_is_no_page_and_a_line_says_what_brings_it(
    package: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(swagger_ui, "distribution", nothing_is_installed)
    with caplog.at_level(logging.WARNING):
        assert await status(PAGE, package) == 404
    assert "nox -s protos" in caplog.text
