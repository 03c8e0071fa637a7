"""Honest callers, in a process of their own: what becomes of their calls while others attack.

A line of JSON on standard input begins (`{"http": PORT, "grpc": PORT, "token": ""}`), an empty one
ends; then a line of JSON says how many calls were answered, what became of the others, and how
long the slowest took. It ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc

PAUSE_SECONDS = 0.02
DEADLINE_SECONDS = 5.0


@dataclass
class Callers:
    """Some callers, and what became of their calls.

    Attributes:
        ports: By protocol.
        token: What they show, if anything.
        answered: How many calls were.
        failed: What became of the others.
        slowest: Seconds that the slowest one took.
    """

    ports: dict[str, int]
    token: str
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    over: bool = False

    async def keep(self, call: Any) -> None:
        """Calls again and again."""
        while not self.over:
            start = time.monotonic()
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await call()
                self.answered += 1
            except grpc.aio.AioRpcError as error:
                self.failed[f"gRPC: {error.code().name} {error.details()}"[:120]] += 1
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.failed[f"HTTP: {type(error).__name__} {error}"[:120]] += 1
            self.slowest = max(self.slowest, time.monotonic() - start)
            await asyncio.sleep(PAUSE_SECONDS)

    async def call(self) -> None:
        """Runs all of them until it is over."""
        connections = [Connection(self), Connection(self)]
        address = f"127.0.0.1:{self.ports['grpc']}"
        metadata = [("authorization", f"Bearer {self.token}")] if self.token else []
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = pb_grpc.GreeterStub(channel)

            async def over_grpc() -> None:
                # No deadline of its own, which would have the same length as the one around it.
                await stub.SayHello(pb.SayHelloRequest(name="World"), metadata=metadata)

            async def over_a_new_connection() -> None:
                connection = Connection(self)
                try:
                    await connection.call()
                finally:
                    connection.close()

            try:
                await asyncio.gather(
                    *(self.keep(connection.call) for connection in connections),
                    *(self.keep(over_grpc) for _ in range(2)),
                    self.keep(over_a_new_connection),
                )
            finally:
                for connection in connections:
                    connection.close()


class Connection:
    """An HTTP connection of a caller, made anew whenever it has ended."""

    def __init__(self, callers: Callers) -> None:
        self._port = callers.ports["http"]
        token = f"authorization: Bearer {callers.token}\r\n" if callers.token else ""
        self._request = (
            "POST /grpc/greeterservice/sayhello HTTP/1.1\r\nhost: service\r\n"
            f"content-type: application/json\r\ncontent-length: 16\r\n{token}\r\n"
            '{"name":"World"}'
        ).encode()
        self._streams: Any = None

    async def call(self) -> None:
        """Makes one call.

        Raises:
            ValueError: Its answer is not the right one.
            OSError: There is none.
            EOFError: There is none.
        """
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
        except BaseException:
            self.close()
            raise
        if b"connection: close" in head:
            self.close()
        if b"Hello, World!" not in body:
            raise ValueError(head.split(maxsplit=2)[1].decode())

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def main() -> None:
    """Serves standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        told = json.loads(line)
        callers = Callers({"http": told["http"], "grpc": told["grpc"]}, told["token"])
        calling = asyncio.create_task(callers.call())
        await reader.readline()
        callers.over = True
        await calling
        figures = {"answered": callers.answered, "failed": callers.failed}
        print(json.dumps(figures | {"slowest": callers.slowest}), flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
