"""Resident memory of a serving process: a reader that stalls, and callers that go away.

Run it with the test environment: `nox -s memory`. It prints one line for each measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "{{cookiecutter.project_slug}}" / "src" / "{{cookiecutter.package_name}}"
sys.path[:0] = [str(PACKAGE / "_vendor"), str(ROOT / "tests" / "library")]

MESSAGES = 1_000_000


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cancelled", type=int, default=10_000, help="calls to cancel")
    options = parser.parse_args()
    for measure in (stalled_reader, cancelled_calls):
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        server = context.Process(target=serve, args=(theirs,), daemon=True)
        server.start()
        port = ours.recv()
        pid = server.pid or 0
        try:
            asyncio.run(measure(port, pid, options.cancelled))
        finally:
            ours.send("stop")
            server.join(10)


def serve(pipe: Connection) -> None:
    """Serves the gateway until told to stop; sends its port."""
    import conftest  # noqa: F401 - compiles the stubs
    from serving import EchoService, gateway_of, serving
    from testing.v1 import testing_pb2 as pb

    class Streaming(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> Any:
            for index in range(MESSAGES):
                yield pb.EchoResponse(text="x" * 100, index=index)

        async def Unary(self, request: Any, context: Any) -> Any:
            if request.text == "wait":
                await asyncio.Event().wait()
            return pb.EchoResponse()

    async def run() -> None:
        async with serving(gateway_of(Streaming)) as served:
            pipe.send(served.port)
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    asyncio.run(run())


def resident_kilobytes(pid: int) -> int:
    """Resident memory of a process in KiB, from Linux's /proc."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


async def exchange(port: int, path: str, body: bytes) -> Any:
    """Sends a request and leaves its response unread."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    head = f"POST /grpc/streaming/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


async def warm_up(port: int) -> None:
    for _ in range(200):
        reader, writer = await exchange(port, "unary", b"{}")
        await reader.readline()
        writer.close()


async def stalled_reader(port: int, pid: int, _cancelled: int) -> None:
    """A stream of a million messages whose reader reads nothing for a while."""
    await warm_up(port)
    before = resident_kilobytes(pid)
    reader, writer = await exchange(port, "serverstream", b"{}")
    await reader.readline()
    highest = before
    for _ in range(50):
        await asyncio.sleep(0.1)
        highest = max(highest, resident_kilobytes(pid))
    writer.transport.abort()
    print(f"stalled reader: {before} KiB before, at most {highest} KiB in 5 s of stall")


async def cancelled_calls(port: int, pid: int, cancelled: int) -> None:
    """Calls whose callers go away while the handler waits; what leaks would grow each time."""
    await warm_up(port)
    before = resident_kilobytes(pid)
    for _ in range(3):
        for _ in range(cancelled // 50):
            group = [exchange(port, "unary", b'{"text":"wait"}') for _ in range(50)]
            for _, writer in await asyncio.gather(*group):
                writer.transport.abort()
            reader, writer = await exchange(port, "unary", b"{}")
            await reader.readline()
            writer.close()
        after = resident_kilobytes(pid)
        print(f"{cancelled} cancelled calls: {before} KiB before, {after} KiB after")
        before = after


if __name__ == "__main__":
    main()
