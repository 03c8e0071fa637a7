"""Opens HTTP/2 connections, makes a gRPC call on each, and keeps them idle until told otherwise.

Arguments: the port, how many connections, a file that holds a framed request of `Greet`. It writes
`open` when each has had its answer. A line with a number of seconds has it make calls for so long,
one at a time on each connection; then it writes how many it made, and the seconds that they took.
The end of its standard input ends it.

h2load opens all of its connections at once, more than the queue of any listener takes. What is sent
is written by hand (RFC 9113, RFC 7541): a client of ten thousand connections has to be cheap.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from pathlib import Path

DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD = 9
CONNECTIONS_PER_ADDRESS = 2_000
# Answers are small: no more of it is needed.
WINDOW = struct.pack(">I", 2**30)
HEADS = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/bench.v1.Bench/Greet",
    ":authority": "127.0.0.1",
    "content-type": "application/grpc",
    "te": "trailers",
}
FIRST_DYNAMIC_INDEX = 62


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literals() -> bytes:
    """The headers as literals that enter the table."""
    fields = [(name.encode(), value.encode()) for name, value in HEADS.items()]
    return b"".join(
        b"\x40" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
    )


INDEXED = bytes(0x80 | FIRST_DYNAMIC_INDEX + len(HEADS) - 1 - place for place in range(len(HEADS)))
"""The same headers once they are in the table."""


class Connection:
    """A connection with at most one call."""

    def __init__(self, address: tuple[str, int], source: str, request: bytes) -> None:
        self._request = request
        self._stream = 1
        self._received = b""
        self._answered = False
        self.socket = socket.create_connection(address, 30, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Reset at the end: no address is kept waiting.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        settings = frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0)
        self.socket.sendall(
            PREFACE + settings + frame(WINDOW_UPDATE, 0, 0, WINDOW) + self._call(literals())
        )

    def call(self) -> None:
        self._stream += 2
        self.socket.sendall(self._call(INDEXED))

    def has_been_answered(self) -> bool:
        """Reads what there is, and whether the call has ended with it."""
        received = self._received + (more := self.socket.recv(65536))
        if not more:
            sys.exit("the server has closed a connection")
        place, ended = 0, False
        while len(received) - place >= FRAME_HEAD:
            head = place + FRAME_HEAD
            after = head + int.from_bytes(received[place : place + 3], "big")
            if after > len(received):
                break
            kind, flags, stream = struct.unpack(">BBI", received[place + 3 : head])
            if stream == self._stream and kind in (DATA, HEADERS):
                self._answered |= kind == DATA
                ended |= bool(flags & END_STREAM)
            place = after
        self._received = received[place:]
        if ended and not self._answered:
            sys.exit("a call has failed")
        return ended

    def _call(self, block: bytes) -> bytes:
        self._answered = False
        heads = frame(HEADERS, END_HEADERS, self._stream, block)
        return heads + frame(DATA, END_STREAM, self._stream, self._request)


def opened(port: int, count: int, request: bytes) -> list[Connection]:
    connections = []
    for number in range(count):
        # The ports of one address would not do for a few runs, one after the other.
        source = f"127.0.0.{2 + number // CONNECTIONS_PER_ADDRESS}"
        connection = Connection(("127.0.0.1", port), source, request)
        while not connection.has_been_answered():
            pass
        connections.append(connection)
    return connections


def make_calls(connections: list[Connection], seconds: float) -> tuple[int, float]:
    """Answers how many were made, and for how long."""
    poll = select.epoll()
    of = {connection.socket.fileno(): connection for connection in connections}
    for number in of:
        poll.register(number, select.EPOLLIN)
    for connection in connections:
        connection.call()
    count, waiting = 0, len(connections)
    begin = time.perf_counter()
    end = begin + seconds
    while waiting:
        for number, _ in poll.poll():
            connection = of[number]
            if connection.has_been_answered():
                count += 1
                if time.perf_counter() < end:
                    connection.call()
                else:
                    waiting -= 1
    return count, time.perf_counter() - begin


def main(port: int, count: int, request: bytes) -> None:
    connections = opened(port, count, request)
    print("open", flush=True)
    for line in sys.stdin:
        print(*make_calls(connections, float(line)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_bytes())
