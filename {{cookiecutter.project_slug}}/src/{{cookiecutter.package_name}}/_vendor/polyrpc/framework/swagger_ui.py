"""The documentation page, `/docs/swagger`, whose every part this process serves itself.

The page is the framework's, the Swagger UI in it is that of `swagger_files`. The framework's other
pages (ReDoc, Stoplight Elements, RapiDoc) would load their scripts from a CDN, so `docs_config`
leaves them out.
"""

from __future__ import annotations

import gzip
import html
import logging
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Any

from .imports import (
    Gateway,
    JSONResponse,
    NotFound,
    OpenAPIConfig,
    Request,
    Response,
    get,
    get_swagger_ui_html,
)
from .swagger_files import SwaggerFiles, swagger_files

logger = logging.getLogger("polyrpc.docs")

PAGE = "/docs/swagger"

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
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class DocumentAlone(OpenAPIConfig):
    """Has an application serve its `/openapi.json`, without the framework's pages.

    Of the framework's own, the document tells of all root paths that any application in the process
    was ever asked by. Here it is the one it is asked by, unless the application names its servers.
    """

    def enable(self, app: Any) -> None:
        """Follows `OpenAPIConfig.enable`."""
        named = [server for server in self.servers or () if server != _ANY_SERVER]

        @get(self.openapi_url)
        async def openapi(request: Request) -> JSONResponse:
            root_path = request.scope.get("root_path", "").rstrip("/")
            servers = named or [{"url": root_path or "/"}]
            return JSONResponse(self.openapi(app) | {"servers": servers})

        app.add_route(path="/", handler=openapi, include_in_schema=False, activate_openapi=False)


def docs_config() -> OpenAPIConfig:
    """Return the configuration with which the framework makes `/openapi.json` and no pages."""
    return DocumentAlone()


def docs_routes(title: str, package: str | None = None) -> list[Gateway]:
    """Make the routes of the page and of its assets.

    Args:
        title: The title of the page.
        package: The service's, which has the files of Swagger UI.

    Returns:
        No route where these are missing, which is warned about.
    """
    found = swagger_files(package)
    if found is None:
        logger.warning("%s is left out: `nox -s protos` brings the files of Swagger UI", PAGE)
        return []
    page = _page(title, found.version)
    policy = _content_security_policy(page)

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
        Gateway(PAGE, handler=swagger),
        Gateway("/docs/assets/{version}/{name}", handler=asset),
    ]


def _page(title: str, version: str) -> bytes:
    # Relative addresses hold wherever the application is mounted.
    assets = f"assets/{version}"
    page = get_swagger_ui_html(
        openapi_url="../openapi.json",
        title=html.escape(title),
        swagger_js_url=f"{assets}/{_SCRIPT}",
        swagger_css_url=f"{assets}/{_STYLE}",
        swagger_favicon_url=f"{assets}/{_ICON}",
        # Without this, Swagger UI has a public service check the document.
        swagger_ui_parameters={"validatorUrl": None},
    )
    return bytes(page.body).strip()


def _content_security_policy(page: bytes) -> str:
    hashes = [
        f"'sha256-{b64encode(sha256(script).digest()).decode('ascii')}'"
        for script in _INLINE_SCRIPT.findall(page)
    ]
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {' '.join(hashes)}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


@cache
def _gzipped(files: SwaggerFiles, name: str) -> bytes:
    return gzip.compress(files.read(name), mtime=0)
