"""Half-open clients, floods, odd names, pings and garbage, while normal calls go on.

    python strangers.py

Run it with the interpreter of an environment that holds the generated greeter-service.
"""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path
from typing import Any

import grpc
from running import load, lost, refused, report, service

HALF_OPEN = 200
MALFORMED = 10_000
AT_A_TIME = 50
NAMERS = 8
SECONDS_OF_FLOODS = 5.0
PINGS = b"\0\0\x08\6\0\0\0\0\0pingpong" * 2000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BEGINNINGS = (
    *(b"", b"\x16\x03\x01", b"GET /", b"GET / HTTP/1.1\r\nhost: a\r\nx: "),
    *(PREFACE[:10], PREFACE),
)
SEED = 20240229


async def half_open() -> dict[str, Any]:
    """Clients that connect, perhaps begin to speak, and go silent."""
    async with service(READ_TIMEOUT_SECONDS=5) as running:
        ports = await running.line("serving")
        async with load(running, 20) as figures:
            tasks = [
                asyncio.create_task(silence(port, BEGINNINGS[number % len(BEGINNINGS)]))
                for number in range(HALF_OPEN // 2)
                for port in (ports["http_port"], ports["grpc_port"])
            ]
            held = await asyncio.gather(*tasks)
            figures["half-open clients were held for, s (most)"] = round(max(held), 1)
    return figures


async def silence(port: int, beginning: bytes) -> float:
    """Says something unfinished and waits to be sent away; returns after how many seconds."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(beginning)
    try:
        async with asyncio.timeout(30):
            while await reader.read(65536):
                pass
    except (OSError, TimeoutError):
        pass
    writer.close()
    return loop.time() - start


async def malformed() -> dict[str, Any]:
    """Garbage: random bytes, and requests and frames with random mistakes."""
    chance = random.Random(SEED)
    async with service(READ_TIMEOUT_SECONDS=5) as running:
        ports = await running.line("serving")
        await batch(ports, [garbage(chance) for _ in range(1000)])  # to grow as far as it does
        before, lines = rss(running.process.pid), len(running.lines)
        async with load(running, 10) as figures:
            await batch(ports, [garbage(chance) for _ in range(MALFORMED)])
        figures["RSS growth, KiB"] = rss(running.process.pid) - before
        calls = sum(count for name, count in figures.items() if name.endswith(" answered"))
        new = [line for line in running.lines[lines:] if line.get("event") != "call"]
        figures["log lines that are not calls'"] = len(new)
        figures["log lines per malformed input"] = round(len(new) / MALFORMED, 4)
        figures["normal calls"] = calls
    return figures


async def odd_names() -> dict[str, Any]:
    """Clients that call, as fast as they can, a method whose name is not UTF-8."""
    async with service() as running:
        ports = await running.line("serving")
        async with load(running, 20, protocols=["grpc"]) as figures:
            end = asyncio.get_running_loop().time() + SECONDS_OF_FLOODS
            callers = [call_odd_name(ports["grpc_port"], number, end) for number in range(NAMERS)]
            figures["calls of odd names"] = sum(await asyncio.gather(*callers))
    return figures


async def call_odd_name(port: int, number: int, end: float) -> int:
    """Calls it from a connection of its own until `end`; returns how often."""
    calls = 0
    name: Any = b"/greeter_service.v1.Greeter/\xff"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("number", number)]) as channel:
        while asyncio.get_running_loop().time() < end:
            await channel.unary_unary(name)(b"", timeout=5).code()
            calls += 1
    return calls


async def pings() -> dict[str, Any]:
    """A client that pings as fast as it can, and reads nothing."""
    async with service() as running:
        ports = await running.line("serving")
        async with load(running, 20, protocols=["grpc"]) as figures:
            over = asyncio.Event()
            pinging = asyncio.create_task(asyncio.to_thread(ping, ports["grpc_port"], over))
            await asyncio.sleep(SECONDS_OF_FLOODS)
            over.set()
            await pinging
    return figures


def ping(port: int, over: asyncio.Event) -> None:
    """Sends pings until it is over, and connects anew whenever the server has had enough."""
    while not over.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.sendall(PREFACE + b"\0\0\0\4\0\0\0\0\0")
                while not over.is_set():
                    connection.sendall(PINGS)
        except OSError:
            continue


def garbage(chance: random.Random) -> bytes:
    """An input that is nothing a server should understand."""
    noise = chance.randbytes(chance.randrange(1, 200))
    kind = chance.randrange(4)
    if kind == 0:
        return noise
    if kind == 1:
        return b"POST /grpc/greeterservice/sayhello HTTP/1.1\r\nhost: a\r\n" + noise + b"\r\n\r\n"
    if kind == 2:
        return PREFACE + noise
    frame = len(noise).to_bytes(3, "big") + bytes([chance.randrange(12), chance.randrange(256)])
    return PREFACE + b"\0\0\0\4\0\0\0\0\0" + frame + chance.randbytes(4) + noise


async def batch(ports: dict[str, Any], inputs: list[bytes]) -> None:
    """Sends the inputs, to the two ports in turn, some at a time."""
    pending = iter(enumerate(inputs))

    async def sender() -> None:
        for number, data in pending:
            await send(ports["grpc_port" if number % 2 else "http_port"], data)

    await asyncio.gather(*(sender() for _ in range(AT_A_TIME)))


async def send(port: int, data: bytes) -> None:
    """Sends one input and reads an answer, if there is one soon."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        async with asyncio.timeout(0.2):
            await reader.read(65536)
    except (OSError, TimeoutError):
        pass
    writer.close()


def rss(pid: int) -> int:
    """The resident memory of a process in KiB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def main() -> None:
    """Measures all of it."""
    for title, scene in (
        (f"{HALF_OPEN} half-open clients", half_open()),
        (f"{MALFORMED} malformed inputs", malformed()),
        (f"{NAMERS} callers of names that are not UTF-8", odd_names()),
        ("pings that nobody asked for", pings()),
    ):
        figures = await scene
        report(title, figures)
        print(f"normal calls lost: {lost(figures) + refused(figures)}")


if __name__ == "__main__":
    asyncio.run(main())
