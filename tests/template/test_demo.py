"""The ports of `nox -s demo`."""

from __future__ import annotations

import importlib
import socket
import sys
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, with stand-ins for the stubs that it calls the service with."""
    names = ("greeter_service", "greeter_service.v1")
    stubs = ("greeter_pb2", "greeter_pb2_grpc")
    for name in (*names, *(f"{names[-1]}.{stub}" for stub in stubs)):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for stub in stubs:
        setattr(sys.modules[names[-1]], stub, sys.modules[f"{names[-1]}.{stub}"])
    for name in ("HTTP_PORT", "GRPC_PORT"):
        monkeypatch.delenv(f"GREETER_SERVICE_{name}", raising=False)
    monkeypatch.delitem(sys.modules, "demo", raising=False)
    return importlib.import_module("demo")


def test_a_usual_port_that_is_free_is_taken(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    monkeypatch.setitem(demo.PORTS, "HTTP_PORT", free)
    assert demo.port("HTTP_PORT") == free


def test_a_free_one_stands_in_for_a_port_that_is_taken(
    demo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setitem(demo.PORTS, "GRPC_PORT", taken)
        assert demo.port("GRPC_PORT") not in {0, taken}


def test_the_environment_has_the_last_word(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREETER_SERVICE_HTTP_PORT", "8123")
    assert demo.port("HTTP_PORT") == 8123
