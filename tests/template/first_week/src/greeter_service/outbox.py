"""Rows that calls leave behind, written to the database by a task of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg

if TYPE_CHECKING:
    from .lifespan import Resources

SECONDS_BETWEEN_WRITES = 1.0


class Outbox:
    """Greetings that wait to be written; what fails to be written goes on waiting."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._rows: list[tuple[UUID, str]] = []

    def put(self, name: str) -> None:
        self._rows.append((uuid4(), name))

    async def write(self) -> None:
        """Write what waits: all or nothing, and no row twice, wherever it is broken off."""
        rows = self._rows.copy()
        await self._pool.executemany(
            "INSERT INTO greetings (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING", rows
        )
        del self._rows[: len(rows)]


async def outbox(resources: Resources) -> None:
    """Run until the last call has ended: it is cancelled then, and the pool is still open."""
    try:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_WRITES)
            await resources.outbox.write()
    finally:
        await resources.outbox.write()
