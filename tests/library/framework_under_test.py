"""The web framework that is installed, and what the tests need of it beyond `polyrpc.framework`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

FRAMEWORK = "esmerald" if find_spec("esmerald") else "ravyn"

_framework = import_module(FRAMEWORK)
ChildApplication: Any = getattr(_framework, f"Child{FRAMEWORK.capitalize()}")
HTTPBearer: Any = import_module(f"{FRAMEWORK}.security.http").HTTPBearer
ApplicationSettings: Any = getattr(_framework, f"{FRAMEWORK.capitalize()}Settings")
CORSConfig: Any = import_module(f"{FRAMEWORK}.core.config").CORSConfig
DenyAll: Any = import_module(f"{FRAMEWORK}.permissions").DenyAll
Form: Any = import_module(f"{FRAMEWORK}.params").Form
MULTIPART = "multipart/form-data"
Host: Any = import_module("lilya.routing").Host
Interceptor: Any = getattr(
    import_module(f"{FRAMEWORK}.core.interceptors.interceptor"),
    f"{FRAMEWORK.capitalize()}Interceptor",
)
head: Any = _framework.head
post: Any = _framework.post
websocket: Any = _framework.websocket
WebSocketGateway: Any = _framework.WebSocketGateway
OpenAPIResponse: Any = import_module(f"{FRAMEWORK}.openapi.datastructures").OpenAPIResponse


def add_child(app: Any, path: str, child: Any) -> None:
    """Mount an application in another, by the framework's own method for that."""
    getattr(app, f"add_child_{FRAMEWORK}")(path, child)
