"""Makes the modules of the generated package around the gateway importable as `service.…`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

PACKAGE = (
    Path(__file__)
    .parents[2]
    .joinpath("{{cookiecutter.project_slug}}", "src", "{{cookiecutter.package_name}}")
)

if "service" not in sys.modules:
    service = ModuleType("service")
    service.__path__ = [str(PACKAGE)]
    sys.modules["service"] = service


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Each test runs on both event loops that a service may have."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop
    }
    if sys.platform != "win32":
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories
