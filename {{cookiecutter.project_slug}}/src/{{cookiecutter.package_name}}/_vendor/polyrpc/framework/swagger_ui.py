"""The documentation page, `/docs/swagger`, whose every part this process serves itself.

The framework's own pages would load their scripts from a CDN, so `DocumentAlone` leaves them out.
Swagger UI is that of the distribution `flask-swagger-ui`. Only the build needs that, as it needs
Flask for it, and puts the files beside the stubs of a service. Where a package has no such folder,
as that of an application that is not built, they are the distribution's own, if it is there.

Page and assets are open to everyone: they say nothing of the service but its name. The document
asks for a token where the service does.
"""

from __future__ import annotations

import gzip
import logging
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..interceptors.auth import SECURITY_SCHEMES
from .docs_page import docs_page
from .imports import JSONResponse, NotFound, OpenAPIConfig, Request, Response, get
from .routing import OpenGateway

logger = logging.getLogger("polyrpc.docs")

PAGE = "/docs/swagger"

_FOLDER = "swagger_ui"
"""Of a service's package: where the build puts the files."""

_SCRIPT, _STYLE, _ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"
_MEDIA_TYPES = {
    _SCRIPT: "text/javascript; charset=utf-8",
    _STYLE: "text/css; charset=utf-8",
    _ICON: "image/png",
}
# The version is a part of their paths, so what a path names never changes.
_ASSET_HEADERS = {
    "cache-control": "public, max-age=31536000, immutable",
    "vary": "accept-encoding",
}
_ANY_SERVER = {"url": "/"}


class DocumentAlone(OpenAPIConfig):
    """Has an application serve its `/openapi.json`, without the framework's pages.

    Of the framework's own, the document tells of all root paths that any application in the process
    was ever asked by. Here it is the one it is asked by, unless the application names its servers.
    """

    asks_for_tokens: bool = False
    """Whether the document says so of every operation, the team's own included."""

    def enable(self, app: Any) -> None:
        """Follows `OpenAPIConfig.enable`."""
        named = [server for server in self.servers or () if server != _ANY_SERVER]

        @get(self.openapi_url)
        async def openapi(request: Request) -> JSONResponse:
            root_path = request.scope.get("root_path", "").rstrip("/")
            servers = named or [{"url": root_path or "/"}]
            document = self.openapi(app) | {"servers": servers}
            if self.asks_for_tokens:
                _require_tokens(document)
            return JSONResponse(document)

        app.add_route(path="/", handler=openapi, include_in_schema=False, activate_openapi=False)


def docs_routes(title: str, package: str, *, asks_for_tokens: bool = False) -> list[OpenGateway]:
    """Make the routes of the page and of its assets.

    Args:
        title: The title of the page.
        package: The service's, which has the files of Swagger UI.
        asks_for_tokens: Whether `/openapi.json` is refused without one.

    Returns:
        No route where these files are missing, which is warned about.
    """
    found = _swagger_files(package)
    if found is None:
        logger.warning("%s is left out: `nox -s protos` brings the files of Swagger UI", PAGE)
        return []
    # Relative addresses hold wherever the application is mounted.
    assets = f"assets/{found.version}"
    page, policy = docs_page(
        title,
        bundle=f"{assets}/{_SCRIPT}",
        style=f"{assets}/{_STYLE}",
        icon=f"{assets}/{_ICON}",
        asks_for_tokens=asks_for_tokens,
    )

    @get(include_in_schema=False)
    async def swagger() -> Response[Any]:
        headers = {
            "cache-control": "no-cache",
            "content-security-policy": policy,
            "referrer-policy": "no-referrer",
        }
        return Response(page, media_type="text/html", headers=headers)

    @get(include_in_schema=False)
    async def asset(request: Request, version: str, name: str) -> Response[Any]:
        if version != found.version or name not in _MEDIA_TYPES:
            raise NotFound()
        headers = {**_ASSET_HEADERS, "content-type": _MEDIA_TYPES[name]}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(_gzipped(found, name), headers=headers | {"content-encoding": "gzip"})
        return Response(found.read(name), headers=headers)

    return [
        OpenGateway(PAGE, handler=swagger),
        OpenGateway("/docs/assets/{version}/{name}", handler=asset),
    ]


@dataclass(frozen=True)
class _SwaggerFiles:
    """The folder with Swagger UI, and its version."""

    folder: Path
    version: str

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self.folder / name).read_bytes()


def _swagger_files(package: str) -> _SwaggerFiles | None:
    """Find the files that a package has, or else the distribution; None: they are nowhere."""
    folder = Path(str(files(package).joinpath(_FOLDER)))
    if (folder / "VERSION").is_file():
        return _SwaggerFiles(folder, (folder / "VERSION").read_text(encoding="utf-8").strip())
    try:
        installed = distribution("flask-swagger-ui")
    except PackageNotFoundError:
        return None
    folder = Path(str(installed.locate_file("flask_swagger_ui/dist")))
    return _SwaggerFiles(folder, installed.version)


def _require_tokens(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    components["securitySchemes"] = {**components.get("securitySchemes", {}), **SECURITY_SCHEMES}
    # Of every operation that names no scheme of its own.
    document.setdefault("security", [{name: []} for name in SECURITY_SCHEMES])


@cache
def _gzipped(found: _SwaggerFiles, name: str) -> bytes:
    return gzip.compress(found.read(name), mtime=0)
