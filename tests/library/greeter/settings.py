"""Its settings: those of every service, and no other."""

from __future__ import annotations

from polyrpc import ServiceSettings

PREFIX = "GREETER_SERVICE_"


class Settings(ServiceSettings, prefix=PREFIX):
    """As generated."""
