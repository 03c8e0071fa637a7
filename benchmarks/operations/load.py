"""Closed-loop load in a process of its own, which ends at the end of its input.

    python load.py http|grpc|client PORT CONNECTIONS [CA_FILE]

`grpc` calls without retries, `client` through the service's own client helper. Every fifth
connection holds `Chat` streams with pauses, the others call `SayHello`. A line of JSON tells what
became of the calls: `answered`; `refused`, nobody accepted a connection for them; and each kind of
`lost`.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from greeter_service.gateway import channel
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc

HELLO = (
    b"POST /grpc/greeterservice/sayhello HTTP/1.1\r\nhost: service\r\n"
    b"content-type: application/json\r\ncontent-length: 16\r\n\r\n"
    b'{"name":"World"}'
)
CHAT = (
    b"POST /grpc/greeterservice/chat HTTP/1.1\r\nhost: service\r\n"
    b"content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
)
NAME = b'{"name":"World"}\n'
STREAM_LENGTH = 10
STREAM_PAUSE_SECONDS = 0.05
DEADLINE_SECONDS = 20.0
PAUSE_AFTER_FAILURE_SECONDS = 0.05


@dataclass
class Load:
    """What to call, and what became of it.

    Attributes:
        over: No further calls.
        longest: Seconds that the slowest answered call took.
    """

    protocol: str
    port: int
    ca_file: Path | None
    outcomes: Counter[str] = field(default_factory=Counter)
    over: bool = False
    longest: float = 0.0

    def count(self, outcome: str, since: float) -> None:
        """Counts a call that began at `since`."""
        if outcome == "answered":
            self.longest = max(self.longest, time.monotonic() - since)
        self.outcomes[f"{self.protocol} {outcome}"] += 1


async def call_over_http(load: Load, *, chat: bool) -> None:
    """Keeps one HTTP connection busy, and connects anew whenever it ends."""
    tls = None if load.ca_file is None else ssl.create_default_context(cafile=load.ca_file)
    reader, writer = None, None
    while not load.over:
        start = time.monotonic()
        if reader is None or writer is None:
            try:
                reader, writer = await asyncio.open_connection("localhost", load.port, ssl=tls)
            except OSError as error:
                refused = isinstance(error, ConnectionError)
                load.count("refused" if refused else f"lost: connecting: {error}", start)
                await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)
                continue
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                outcome, keep = await exchange(reader, writer, chat=chat)
        except (OSError, EOFError, TimeoutError) as error:
            outcome, keep = f"lost: {type(error).__name__}", False
        load.count(outcome, start)
        if not keep:
            writer.close()
            reader = writer = None


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, chat: bool
) -> tuple[str, bool]:
    """Makes one request; returns what became of it and whether the connection may be kept."""
    writer.write(CHAT if chat else HELLO)
    if chat:
        for _ in range(STREAM_LENGTH):
            writer.write(b"%x\r\n%s\r\n" % (len(NAME), NAME))
            await asyncio.sleep(STREAM_PAUSE_SECONDS)
        writer.write(b"0\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
    status = head.split(maxsplit=2)[1].decode()
    complete = body.count(b"Hello, World!") == (STREAM_LENGTH if chat else 1)
    outcome = "answered" if complete else f"lost: {status} {body[-120:].decode()}"
    return outcome, b"connection: close" not in head


async def call_over_grpc(load: Load, *, chat: bool) -> None:
    """Keeps one gRPC channel busy."""
    attempts = 4 if load.protocol == "client" else 1
    async with channel(
        f"localhost:{load.port}",
        ca_file=load.ca_file,
        attempts=attempts,
        options=[("grpc.use_local_subchannel_pool", 1)],
    ) as own_channel:
        stub: Any = pb_grpc.GreeterStub(own_channel)
        while not load.over:
            start = time.monotonic()
            try:
                if chat:
                    answers = [one async for one in stub.Chat(names(), timeout=DEADLINE_SECONDS)]
                    outcome = "answered" if len(answers) == STREAM_LENGTH else "lost: cut short"
                else:
                    await stub.SayHello(pb.SayHelloRequest(name="World"), timeout=DEADLINE_SECONDS)
                    outcome = "answered"
            except grpc.aio.AioRpcError as error:
                refused = "connect" in str(error.details()).partition(";")[0]
                outcome = "refused" if refused else f"lost: {error.code().name} {error.details()}"
                await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)
            load.count(re.sub(r"ipv[46]:\S+", "…", outcome), start)


async def names() -> AsyncIterator[pb.ChatRequest]:
    """The requests of one stream."""
    for _ in range(STREAM_LENGTH):
        yield pb.ChatRequest(name="World")
        await asyncio.sleep(STREAM_PAUSE_SECONDS)


async def main(load: Load, connections: int) -> None:
    """Runs until standard input ends."""
    call = call_over_http if load.protocol == "http" else call_over_grpc
    calls = [asyncio.create_task(call(load, chat=n % 5 == 0)) for n in range(connections)]
    await asyncio.to_thread(sys.stdin.read)
    load.over = True
    await asyncio.gather(*calls)
    longest = {f"{load.protocol} slowest answer, s": round(load.longest, 3)}
    print(json.dumps(dict(load.outcomes) | longest))


if __name__ == "__main__":
    protocol, port, connections, *ca_file = sys.argv[1:]
    ca_path = Path(ca_file[0]) if ca_file else None
    asyncio.run(main(Load(protocol, int(port), ca_path), int(connections)))
