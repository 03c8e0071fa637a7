"""`python -m greeter` runs it."""

from __future__ import annotations

from polyrpc import run

from .app import create_app
from .settings import Settings

run(create_app, Settings)
