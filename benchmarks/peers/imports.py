"""Imports what every service of this kind imports, and listens: what a start cannot do without."""

from __future__ import annotations

import socket
import sys

import grpc.aio  # noqa: F401 - importing it is all that this does
import uvicorn  # noqa: F401 - as above

# The package itself loads nothing before it is asked for a name.
from esmerald import Esmerald  # noqa: F401 - as above

if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        while True:
            listener.accept()[0].close()
