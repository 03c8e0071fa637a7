"""The method table."""

from __future__ import annotations

from typing import Any

import pytest
from gateway.methods import method_table, service_names
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
