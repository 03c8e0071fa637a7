"""A table of calls, each of which must end the same over every protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from ..process.server import Server
from .clients import PROTOCOLS, Outcome, client


@dataclass(frozen=True)
class Case:
    """One call, for a table of them.

    Attributes:
        rpc: The name of the RPC.
        requests: The request, or the requests of a stream.
        status: How it ends.
        ignore: Fields of the responses that differ from call to call, such as `id` or `items.id`.
        compare: Asserts what the outcomes over two protocols have in common, instead of equality.
        skip: Why the RPC is not called at all, such as that its stream has no end.
    """

    rpc: str
    requests: Sequence[Message] = ()
    status: str = "OK"
    ignore: Sequence[str] = ()
    compare: Callable[[Outcome, Outcome], None] | None = None
    skip: str = ""

    def __str__(self) -> str:
        return f"{self.rpc}-{self.status}"


async def assert_same(
    server: Server, service: ServiceDescriptor, case: Case, **metadata: str
) -> None:
    """Asserts that a call ends as it should, and in the same way over every protocol.

    Args:
        server: The running service.
        service: The descriptor of the service that has the RPC.
        case: The call; where it has a reason to be skipped, the test that runs is.
        metadata: Of the call, such as `authorization`; `_` in a keyword is `-` there.
    """
    if case.skip:
        import pytest

        pytest.skip(case.skip)
    rpc = f"{service.full_name}/{case.rpc}"
    outcomes = []
    for protocol in PROTOCOLS:
        async with client(server, protocol) as call:
            outcomes.append(await call(rpc, *case.requests, **metadata))
    for protocol, outcome in zip(PROTOCOLS, outcomes, strict=True):
        assert outcome.status == case.status, f"{protocol}: {outcome.status} {outcome.details!r}"
        if case.compare is not None:
            case.compare(outcomes[0], outcome)
            continue
        assert without(outcome.messages, case.ignore) == without(outcomes[0].messages, case.ignore)
        assert outcome.details == outcomes[0].details


def without(messages: Iterable[Message], fields: Iterable[str]) -> list[Message]:
    """Copies messages without `fields`, such as `id` or, in a message or a list, `items.id`."""
    copies = [type(message).FromString(message.SerializeToString()) for message in messages]
    for message in copies:
        for path in fields:
            _clear(message, path)
    return copies


def _clear(message: Message, path: str) -> None:
    first, _, rest = path.partition(".")
    if not rest:
        message.ClearField(first)
        return
    value = getattr(message, first)
    for part in [value] if isinstance(value, Message) else value:
        _clear(part, rest)
