"""The Python that is written: servicers, their methods, tests and the tests' rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.descriptor import MethodDescriptor as Rpc

from .messages import class_of, modules_of, new, stubs_of
from .services import Service

TEST = '''"""Every RPC of {full_name}. A new RPC is one line in `CALLS`."""

import pytest

from {package}.gateway import testing
{imports}

SERVICE = pb.DESCRIPTOR.services_by_name["{name}"]
CALLS: list[testing.Case] = [
    # A row can be one that is skipped: testing.Case("Watch", skip="its stream never ends"),
    {rows}
]


@pytest.mark.parametrize("case", CALLS, ids=str)
async def test_the_same_over_every_protocol(service: testing.Server, case: testing.Case) -> None:
    await testing.assert_same(service, SERVICE, case)


def test_every_rpc_has_a_call() -> None:
    assert {{case.rpc for case in CALLS}} == set(SERVICE.methods_by_name)
'''
CASE = "testing.Case"
# A servicer that needs none of them may do without.
TAKES_RESOURCES = """    def __init__(self, resources: Resources) -> None:
        self._resources = resources
"""


def aliases_for(service: Service, modules: Iterable[str]) -> dict[str, str]:
    """Name modules in a new file: `pb` for the service's own, else as they are called."""
    aliases = {service.module: "pb", service.grpc_module: "pb_grpc"}
    for module in sorted(set(modules) - {service.module}):
        base = module.rpartition(".")[2]
        aliases[module] = module.replace(".", "_") if base in aliases.values() else base
    return aliases


def modules_in(rpcs: Iterable[Rpc]) -> set[str]:
    """Return the modules that the signatures of these RPCs speak of."""
    return {stubs_of(message) for rpc in rpcs for message in (rpc.input_type, rpc.output_type)}


def import_line(module: str, alias: str, package: str = "") -> str:
    """Import a stub; relative to `servicers/` if it is in `package`."""
    parent, _, base = module.rpartition(".")
    renamed = "" if alias == base else f" as {alias}"
    if not parent:
        return f"import {base}{renamed}"
    if package and f"{parent}.".startswith(f"{package}."):
        parent = f"..{parent[len(package) + 1 :]}"
    return f"from {parent} import {base}{renamed}"


def docstring(comment: str, indent: str) -> str:
    """Return a comment of a proto as the line or lines of a docstring, or nothing."""
    if not comment:
        return ""
    escaped = comment.expandtabs(4).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = [f"{indent}{line}".rstrip() for line in escaped.splitlines()]
    text = "\n".join(lines).lstrip()
    end = f"\n{indent}" if len(lines) > 1 or text.endswith('"') else ""
    return f'{indent}"""{text}{end}"""\n'


def method(rpc: Rpc, aliases: Mapping[str, str], comment: str, indent: str = "    ") -> str:
    """Return the method of an RPC that nobody has written yet."""
    request = f"{aliases[stubs_of(rpc.input_type)]}.{class_of(rpc.input_type)}"
    response = f"{aliases[stubs_of(rpc.output_type)]}.{class_of(rpc.output_type)}"
    argument = f"request: {request}"
    if rpc.client_streaming:
        argument = f"request_iterator: AsyncIterator[{request}]"
    answer = f"AsyncIterator[{response}]" if rpc.server_streaming else response
    inner = indent + "    "
    words = f'grpc.StatusCode.UNIMPLEMENTED, "{rpc.name} is not written yet"'
    lines = [
        f"{indent}async def {rpc.name}(self, {argument}, context: Context) -> {answer}:\n",
        docstring(comment, inner),
        f"{inner}await context.abort({words})\n",
        f"{inner}yield {response}()  # makes it a stream\n" if rpc.server_streaming else "",
    ]
    return "".join(lines)


def servicer(service: Service, class_name: str, package: str, *, has_resources: bool) -> str:
    """Return a module with the class that answers a service, and takes the `Resources`."""
    modules = modules_in(service.rpcs)
    aliases = aliases_for(service, modules)
    streams = any(rpc.client_streaming or rpc.server_streaming for rpc in service.rpcs)
    imports = [import_line(name, aliases[name], package) for name in sorted(modules)]
    return "\n".join(
        [
            f'"""The service {service.full_name}."""\n',
            "from __future__ import annotations\n",
            *(["from collections.abc import AsyncIterator"] if streams else []),
            "from typing import Any, Self\n",
            "import grpc\n",
            *imports,
            *(["from ..lifespan import Resources"] if has_resources else []),
            f"{import_line(service.grpc_module, 'pb_grpc', package)}\n",
            "Context = grpc.aio.ServicerContext[Any, Any]\n\n",
            f"class {class_name}(pb_grpc.{service.name}Servicer):",
            docstring(service.comment(service), "    "),
            *([TAKES_RESOURCES] if has_resources else []),
            "    @classmethod",
            "    def __add_to_server__(cls, instance: Self, server: grpc.aio.Server) -> None:",
            f"        pb_grpc.add_{service.name}Servicer_to_server(instance, server)\n",
            "\n".join(method(rpc, aliases, service.comment(rpc)) for rpc in service.rpcs),
        ]
    )


def row(rpc: Rpc, aliases: Mapping[str, str], case: str = CASE) -> str:
    """Return a row of a table of calls. A stream that is refused at once is best left empty."""
    request = "" if rpc.client_streaming else new(rpc.input_type, aliases)
    return f'{case}("{rpc.name}", [{request}], "UNIMPLEMENTED"),'


def tests(service: Service, package: str) -> str:
    """Return a test module with a row for each RPC."""
    modules = modules_in_rows(service.rpcs) | {service.module}
    aliases = aliases_for(service, modules)
    rows = [row(rpc, aliases) for rpc in service.rpcs]
    return TEST.format(
        full_name=service.full_name,
        name=service.name,
        package=package,
        imports="\n".join(import_line(name, aliases[name]) for name in sorted(modules)),
        rows="\n    ".join(rows),
    )


def modules_in_rows(rpcs: Iterable[Rpc]) -> set[str]:
    """Return the modules that rows for these RPCs need."""
    needed = (modules_of(rpc.input_type) for rpc in rpcs if not rpc.client_streaming)
    return set[str]().union(*needed)
