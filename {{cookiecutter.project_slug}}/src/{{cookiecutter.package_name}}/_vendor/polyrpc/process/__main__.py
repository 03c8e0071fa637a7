"""`python -m` this package is a worker; the supervisor runs it, nobody else does."""

from __future__ import annotations

from .worker import main

main()
