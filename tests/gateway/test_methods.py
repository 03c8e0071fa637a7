"""The method table."""

from __future__ import annotations

from typing import Any

from gateway.methods import method_table
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
