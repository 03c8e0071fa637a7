"""The services of a compiled proto; refuses names that Python cannot have."""

from __future__ import annotations

import importlib.util
import inspect
import keyword
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)
from google.protobuf.message import Message

from .messages import Messages, MessageType, module_of
from .sources import RefusedError, is_installed
from .taken import DEPENDENCIES, PYTHON

# What servicers/*.py calls other things, and what `*_pb2_grpc.py` does.
TAKEN_IN_SERVICERS = {
    *("Any", "AsyncIterator", "Context", "Resources", "Self", "_resources", "grpc", "pb"),
    "pb_grpc",
}
TAKEN_IN_STUBS = {("service", "grpc"), ("service", "warnings")}
TAKEN_IN_MESSAGES = {*dir(Message), "DESCRIPTOR"}
SERVICES, METHODS = 6, 2  # field numbers in FileDescriptorProto and ServiceDescriptorProto


@dataclass(frozen=True)
class Rpc:
    """One RPC, with the comment before it."""

    name: str
    comment: str
    takes_stream: bool
    gives_stream: bool
    request: MessageType
    response: MessageType


@dataclass(frozen=True)
class Service:
    """One service, with the comment before it and the `_pb2` module of its proto."""

    name: str
    package: str
    module: str
    comment: str
    rpcs: list[Rpc]

    @property
    def full_name(self) -> str:
        """The name that callers use."""
        return f"{self.package}.{self.name}" if self.package else self.name

    @property
    def grpc_module(self) -> str:
        """The module of the service's own stubs."""
        return f"{self.module}_grpc"


def services_of(
    main: str, described: FileDescriptorSet, messages: Messages, package: str
) -> list[Service]:
    """List the services of the proto `main`, but for those without an RPC.

    Args:
        main: Its path below protos/.
        described: It and what it imports.
        messages: The messages of these.
        package: The project's own.

    Raises:
        RefusedError: There is none, or it has a name that its stubs cannot have.
    """
    files = {file.name: file for file in described.file}

    def with_imports(name: str) -> set[str]:
        return {name}.union(*(with_imports(other) for other in files[name].dependency))

    for name in sorted(with_imports(main)):
        if not is_installed(name):
            check_module(name, package)
            check_fields(files[name])
        elif importlib.util.find_spec(module_of(name)) is None:
            raise RefusedError(f"{main} needs {name}, of which no package has the Python stubs.")
    comments = {
        tuple(location.path): inspect.cleandoc(location.leading_comments)
        for location in files[main].source_code_info.location
    }

    def rpc_of(rpc: MethodDescriptorProto, path: tuple[int, ...]) -> Rpc:
        return Rpc(
            rpc.name,
            comments.get(path, ""),
            rpc.client_streaming,
            rpc.server_streaming,
            messages[rpc.input_type],
            messages[rpc.output_type],
        )

    services = []
    for index, service in enumerate(files[main].service):
        path = (SERVICES, index)
        rpcs = [rpc_of(rpc, (*path, METHODS, at)) for at, rpc in enumerate(service.method)]
        package, comment = files[main].package, comments.get(path, "")
        if rpcs:
            services.append(Service(service.name, package, module_of(main), comment, rpcs))
    if not services:
        raise RefusedError(f"{main} has no service with an RPC.")
    for one in services:
        check_names(one)
    return services


def check_module(proto: str, package: str) -> None:
    """Refuse a proto whose stubs could not be imported under its path."""
    parts = module_of(proto).split(".")
    for part in parts:
        if keyword.iskeyword(part) or not part.isidentifier():
            raise RefusedError(f"{proto}: {part!r} can be no part of a Python module's name.")
    if parts[0] == package:
        return
    if parts[0] in PYTHON:
        raise RefusedError(f"{proto} would hide Python's own module {parts[0]!r}.")
    if parts[0] in DEPENDENCIES:
        raise RefusedError(
            f"{proto} would hide, or be hidden by, the package {parts[0]!r}, which the service "
            "needs: give it another package."
        )
    for number in range(1, len(parts)):
        name = ".".join(parts[:number])
        spec = importlib.util.find_spec(name)
        if spec is None:
            return
        if spec.origin:
            raise RefusedError(f"{proto} would hide, or be hidden by, the package {name!r}.")


def check_names(service: Service) -> None:
    """Refuse names for which grpc's own compiler, or add_service, writes no valid Python."""
    for what, name in names_in_stubs(service):
        if any(keyword.iskeyword(part) for part in name.split(".")):
            raise RefusedError(
                f"{service.full_name}: the {what} {name} is named like a Python keyword, for which "
                "grpcio-tools writes no valid stubs: rename it."
            )
        if (what == "RPC" and is_taken_in_a_class(name)) or (what, name) in TAKEN_IN_STUBS:
            raise RefusedError(
                f"{service.full_name}: the {what} {name} is named like something that the code "
                "written for it needs: rename it."
            )
    lower = [rpc.name.lower() for rpc in service.rpcs]
    for name in lower:
        if lower.count(name) > 1:
            raise RefusedError(
                f"{service.full_name}: two RPCs are {name!r} in lower case, as their HTTP path is: "
                "rename one."
            )


def is_taken_in_a_class(rpc: str) -> bool:
    """Whether a method of that name would hide what its class, or another method, needs."""
    # Python itself changes names with two underscores inside of classes.
    return rpc in TAKEN_IN_SERVICERS or rpc.startswith("__") or rpc.endswith(("_pb2", "_pb2_grpc"))


def check_fields(file: FileDescriptorProto) -> None:
    """Refuse names in messages that protobuf's classes have for themselves."""
    values = [value.name for enum in file.enum_type for value in enum.value]
    tops = [
        *(one.name for one in file.message_type),
        *(one.name for one in file.enum_type),
        *(one.name for one in file.service),
        *(one.name for one in file.extension),
    ]
    if "DESCRIPTOR" in (*tops, *values):
        refuse_name(file, "DESCRIPTOR", "module")
    for message in file.message_type:
        check_message(file, message, message.name)


def check_message(file: FileDescriptorProto, message: DescriptorProto, name: str) -> None:
    """Refuse such names in one message, and in the messages in it."""
    inside = [
        *(one.name for one in message.field),
        *(one.name for one in message.nested_type),
        *(one.name for one in message.enum_type),
        *(value.name for enum in message.enum_type for value in enum.value),
    ]
    for one in sorted(TAKEN_IN_MESSAGES.intersection(inside)):
        refuse_name(file, f"{name}.{one}", "message class")
    for nested in message.nested_type:
        check_message(file, nested, f"{name}.{nested.name}")


def refuse_name(file: FileDescriptorProto, name: str, holder: str) -> NoReturn:
    """Raise the refusal of a name."""
    raise RefusedError(
        f"{file.name}: {name} has the name of something that every {holder} of stubs has in "
        "Python: rename it."
    )


def names_in_stubs(service: Service) -> Iterator[tuple[str, str]]:
    """Yield the names that `_pb2_grpc` spells out."""
    yield "service", service.name
    for rpc in service.rpcs:
        yield "RPC", rpc.name
        yield "message", rpc.request.name
        yield "message", rpc.response.name
