"""What is opened before the first call, and closed after the last one, in each process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .gateway import Health
from .settings import Settings


@dataclass(frozen=True)
class Resources:
    """What servicers, background tasks and routes share: a pool of connections, a client."""


@asynccontextmanager
async def lifespan(settings: Settings, health: Health) -> AsyncIterator[Resources]:
    """Open the resources; `health.watch("database", pool.ping, every=5)` makes `/readyz` follow."""
    yield Resources()
