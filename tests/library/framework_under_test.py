"""The web framework that is installed, and what the tests need of it beyond `gateway.framework`."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

TEMPLATE = Path(__file__).parents[2] / "{{cookiecutter.project_slug}}"
GATEWAY = TEMPLATE / "src" / "{{cookiecutter.package_name}}" / "gateway"
# Which modules of the gateway the service's own import.
SHARED = [
    "polyrpc.rpc.handlers",
    "polyrpc.rpc.errors",
    "polyrpc.framework.imports",
    "polyrpc.framework.route",
    "polyrpc.rpc.method_interceptors",
    "polyrpc.native.handlers",
    "polyrpc.http.peer",
    "polyrpc.transcoding",
    "polyrpc.framework.rest_route",
    "polyrpc.rpc.status",
]
FRAMEWORK = "esmerald" if find_spec("esmerald") else "ravyn"


def load() -> None:
    """Import the framework's `framework.py` as `gateway.framework`, and make a package `service`.

    `service` stands for the package around the gateway, which has a name only once it is rendered.
    Its gateway is the one that the tests import as `gateway`: there is one class of each name.
    """
    name = "polyrpc.framework.imports"
    condition = f"{{% if cookiecutter.framework == '{FRAMEWORK}' %}}"
    source = GATEWAY / f"{condition}framework.py{{% endif %}}"
    loader = SourceFileLoader(name, str(source))
    spec = spec_from_file_location(name, source, loader=loader)
    assert spec is not None
    module = sys.modules[name] = module_from_spec(spec)
    loader.exec_module(module)
    service = ModuleType("service")
    service.__path__ = [str(GATEWAY.parent)]
    gateway = import_module("gateway")
    names = [found.name for found in walk_packages(gateway.__path__, "gateway.")]
    # The same modules by both names: their classes are to be the same.
    sys.modules |= {
        "service": service,
        **{f"service.{each}": import_module(each) for each in ("gateway", name, *names)},
    }


load()
_framework = import_module(FRAMEWORK)
ChildApplication: Any = getattr(_framework, f"Child{FRAMEWORK.capitalize()}")
HTTPBearer: Any = import_module(f"{FRAMEWORK}.security.http").HTTPBearer
ApplicationSettings: Any = getattr(_framework, f"{FRAMEWORK.capitalize()}Settings")
CORSConfig: Any = import_module(f"{FRAMEWORK}.core.config").CORSConfig
DenyAll: Any = import_module(f"{FRAMEWORK}.permissions").DenyAll
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
