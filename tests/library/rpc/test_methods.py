"""The method table."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from polyrpc.rpc.methods import method_table, service_names
from testing.split import service_pb2_grpc
from testing.v1 import testing_pb2_grpc


class EchoService(testing_pb2_grpc.EchoServicer):
    def helper(self) -> None: ...

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        testing_pb2_grpc.add_EchoServicer_to_server(instance, server)


def test_only_rpcs_of_the_descriptor_become_methods() -> None:
    assert [method.http_path for method in method_table([EchoService])] == [
        "/echoservice/unary",
        "/echoservice/serverstream",
        "/echoservice/clientstream",
        "/echoservice/bidi",
        "/echoservice/everything",
    ]


def test_services_are_named_without_an_instance() -> None:
    class Demanding(EchoService):
        def __init__(self, pool: object) -> None: ...

    assert service_names([Demanding]) == ["testing.v1.Echo"]


def test_a_class_that_registers_nothing_has_no_name() -> None:
    with pytest.raises(ValueError, match="object must provide a '__add_to_server__' classmethod"):
        service_names([object])


def test_a_service_without_messages_of_its_own_needs_no_import_by_hand() -> None:
    script = """
        import sys
        import grpc
        from polyrpc.rpc.methods import method_table
        from testing.split import service_pb2_grpc

        class Derived(service_pb2_grpc.SplitServicer):
            @classmethod
            def __add_to_server__(cls, instance, server):
                service_pb2_grpc.add_SplitServicer_to_server(instance, server)

        class Composed:
            __add_to_server__ = Derived.__add_to_server__
            def Call(self, request, context): ...

        for servicer in (Derived, Composed) if sys.argv[1] == "0" else (Composed, Derived):
            print(*(method.full_name for method in method_table([servicer])))
    """
    for order in ("0", "1"):
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), order],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.stderr, run.stdout) == ("", "/testing.split.Split/Call\n" * 2)


def test_a_service_that_no_module_describes_is_refused() -> None:
    class Unknown:
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            server.add_registered_method_handlers("testing.v1.Unknown", {"Call": None})

    with pytest.raises(ValueError, match=r"^Unknown registers testing\.v1\.Unknown, which no"):
        method_table([Unknown])


def test_rpcs_of_one_http_path_are_refused_by_name() -> None:
    class Other(service_pb2_grpc.EchoServicer):
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            service_pb2_grpc.add_EchoServicer_to_server(instance, server)

    Other.__name__ = "EchoService"
    names = r"^/testing\.v1\.Echo/Unary and /testing\.split\.Echo/Unary have one HTTP path, /echos"
    with pytest.raises(ValueError, match=names):
        method_table([EchoService, Other])
