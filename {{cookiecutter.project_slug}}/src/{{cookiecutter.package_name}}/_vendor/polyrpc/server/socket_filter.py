"""How a process leaves a port that others go on sharing, without a refused connection.

A listener that closes resets the connections that wait in its queue, and gRPC closes its own with
the same breath that sends clients to connect anew. So its kernel is told before to overlook new
connections (Linux): clients repeat their SYN after a second, and then reach another process.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")
_SO_ATTACH_FILTER = 26
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the flags of the TCP header
    (0x45, 0, 1, 0x02),  # is SYN among them?
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # keep it
)
"""A classic BPF program (linux/filter.h)."""


def drop_new_connections(port: int) -> None:
    """Lets this process's own listeners on `port` accept what waits, and nothing more."""
    import ctypes  # Here: a process that never gets this far starts a little sooner without.

    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    memory = ctypes.create_string_buffer(program)
    header = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(memory))
    for listener in _listeners(port):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


def _listeners(port: int) -> Iterator[socket.socket]:
    if not _DESCRIPTORS.is_dir():
        return
    for descriptor in list(_DESCRIPTORS.iterdir()):
        try:
            if not os.readlink(descriptor).startswith("socket:"):
                continue
            one = socket.socket(fileno=os.dup(int(descriptor.name)))
        except OSError:  # It has been closed meanwhile.
            continue
        with one:
            if (
                one.family in (socket.AF_INET, socket.AF_INET6)
                and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                and one.getsockname()[1] == port
            ):
                yield one
