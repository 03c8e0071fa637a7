"""The services of a proto; refuses names that Python cannot have, and paths nobody would reach."""

from __future__ import annotations

import importlib.util
import keyword
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn

from google.protobuf.descriptor import Descriptor, FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor import MethodDescriptor as Rpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from ..openapi.comments import comments_of
from ..transcoding.http_rule import check
from .messages import class_of, module_of
from .sources import RefusedError, is_installed, pool_of
from .taken import DEPENDENCIES, PYTHON

# What servicers/*.py calls other things, and what `*_pb2_grpc.py` does.
TAKEN_IN_SERVICERS = {
    *("Any", "AsyncIterator", "Context", "Resources", "Self", "_resources", "grpc", "pb"),
    *("pb_grpc", "staticmethod"),
}
TAKEN_IN_STUBS = {("service", "grpc"), ("service", "warnings")}
TAKEN_IN_MESSAGES = {*dir(Message), "DESCRIPTOR"}
# What every service answers itself.
TAKEN_PATHS = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs/swagger")


class Service:
    """One service of a compiled proto.

    Args:
        descriptor: What the proto says of it.
        comments: The proto's comments, by full name.

    Attributes:
        full_name: The name that callers use.
        module: The `_pb2` module of its proto.
        grpc_module: The module of its own stubs.
        rpcs: Its RPCs.
    """

    def __init__(self, descriptor: ServiceDescriptor, comments: Mapping[str, str]) -> None:
        self.name, self.full_name = descriptor.name, descriptor.full_name
        self.package = descriptor.file.package
        self.module = module_of(descriptor.file.name)
        self.grpc_module = f"{self.module}_grpc"
        self.rpcs = list(descriptor.methods)
        self._comments = comments

    def comment(self, element: Service | Rpc) -> str:
        """Return the comment of the service, or of one of its RPCs."""
        return self._comments.get(element.full_name, "")


def services_of(main: str, described: FileDescriptorSet, package: str) -> list[Service]:
    """List the services of the proto `main`, but for those without an RPC.

    Args:
        main: Its path below protos/.
        described: It and what it imports.
        package: The project's own.

    Raises:
        RefusedError: There is none, or it has a name that its stubs cannot have.
    """
    file = pool_of(described).FindFileByName(main)
    for name, one in sorted(with_imports(file).items()):
        if not is_installed(name):
            check_module(name, package)
            check_fields(one)
        elif importlib.util.find_spec(module_of(name)) is None:
            raise RefusedError(f"{main} needs {name}, of which no package has the Python stubs.")
    comments = comments_of(described.SerializeToString())
    found = [one for one in file.services_by_name.values() if one.methods]
    services = [Service(one, comments) for one in found]
    if not services:
        raise RefusedError(f"{main} has no service with an RPC.")
    for each in services:
        check_names(each)
    return services


def with_imports(file: FileDescriptor) -> dict[str, FileDescriptor]:
    """Find a proto and all that it imports, by path."""
    found = {file.name: file}
    for imported in file.dependencies:
        found |= with_imports(imported)
    return found


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


def check_fields(file: FileDescriptor) -> None:
    """Refuse names in messages that protobuf's classes have for themselves."""
    tops = [
        *file.message_types_by_name,
        *file.enum_types_by_name,
        *(value.name for enum in file.enum_types_by_name.values() for value in enum.values),
        *file.services_by_name,
        *file.extensions_by_name,
    ]
    if "DESCRIPTOR" in tops:
        refuse_name(file, "DESCRIPTOR", "module")
    for message in file.message_types_by_name.values():
        check_message(message)


def check_message(message: Descriptor) -> None:
    """Refuse such names in one message, and in the messages in it."""
    inside = [
        *message.fields_by_name,
        *message.nested_types_by_name,
        *message.enum_types_by_name,
        *message.enum_values_by_name,
    ]
    for one in sorted(TAKEN_IN_MESSAGES.intersection(inside)):
        refuse_name(message.file, f"{class_of(message)}.{one}", "message class")
    for nested in message.nested_types:
        check_message(nested)


def refuse_name(file: FileDescriptor, name: str, holder: str) -> NoReturn:
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
        yield "message", class_of(rpc.input_type)
        yield "message", class_of(rpc.output_type)


def check_paths(main: str, described: FileDescriptorSet, routes: Iterable[tuple[str, str]]) -> None:
    """Refuse REST paths of the proto `main` that would not be served.

    Args:
        main: Its path below protos/.
        described: What protos/ is going to hold, compiled.
        routes: The HTTP methods and paths of the project's RPCs themselves.

    Raises:
        RefusedError: The first that would not, with the reason.
    """
    pool = pool_of(described)
    names = [file.name for file in described.file if not is_installed(file.name)]
    older = [rpc for name in names if name != main for rpc in rpcs_of(pool, name)]
    taken = [*(("GET", path) for path in TAKEN_PATHS), *routes]
    # What the project lived with before is not the new proto's fault.
    known = set(check(older, taken))
    for problem in check([*older, *rpcs_of(pool, main)], taken):
        if problem not in known:
            reason = problem.removesuffix("; change one path")
            raise RefusedError(f"{reason}: change the annotation, or take it out.")


def rpcs_of(pool: DescriptorPool, proto: str) -> Iterator[Rpc]:
    """Yield the RPCs of a file."""
    for service in pool.FindFileByName(proto).services_by_name.values():
        yield from service.methods
