"""Serves an ASGI application as all peers are served: uvicorn, uvloop, httptools, no access log."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn


def serve(app: Any, *, factory: bool = False, http2: bool = False) -> None:
    """Serves on the loopback port that the first argument of the command names.

    Args:
        app: The application.
        factory: It is a function that makes the application.
        http2: With HTTP/2, which needs another parser, zttp.
    """
    uvicorn.run(
        app,
        factory=factory,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="zttp" if http2 else "httptools",
        http2=http2,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=600,  # idle connections stay, where they are counted
    )
