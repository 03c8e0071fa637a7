"""For a service's own tests: it runs, and every RPC is called over every protocol.

Needs `httpx` and `pytest`; `Certificates` needs `trustme`.
"""

from __future__ import annotations

from ..certificates import Certificates
from ..process.server import Server
from ..version import changes
from .cases import Case, assert_same, without
from .clients import PROTOCOLS, Call, Outcome, channel, client, http_client
from .processes import Process, process, settings

__all__ = [
    "PROTOCOLS",
    "Call",
    "Case",
    "Certificates",
    "Outcome",
    "Process",
    "Server",
    "assert_same",
    "changes",
    "channel",
    "client",
    "http_client",
    "process",
    "settings",
    "without",
]
