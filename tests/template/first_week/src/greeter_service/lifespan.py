"""What is opened before the first call, and closed after the last one, in each process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from .gateway import Health
from .outbox import Outbox
from .settings import Settings


@dataclass(frozen=True)
class Resources:
    """What servicers, background tasks and routes share."""

    pool: asyncpg.Pool
    outbox: Outbox


@asynccontextmanager
async def lifespan(settings: Settings, health: Health) -> AsyncIterator[Resources]:
    """Open the pool, and have `/readyz` and gRPC's health checks follow the database."""
    async with asyncpg.create_pool(
        settings.database_url.get_secret_value(), min_size=1, max_size=settings.database_connections
    ) as pool:

        async def answers() -> None:
            await pool.execute("SELECT 1")

        health.watch("database", answers, every=1)
        yield Resources(pool, Outbox(pool))
