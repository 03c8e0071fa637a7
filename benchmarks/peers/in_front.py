"""Runs a gRPC server and a proxy in front of it, as one process tree.

Arguments: the gRPC server's port, its command, `--`, the proxy's command. A word that ends with
`.py` is a script of this folder.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SECONDS = 20.0


def command(words: Sequence[str]) -> list[str]:
    if words[0].endswith(".py"):
        return [sys.executable, str(Path(__file__).with_name(words[0])), *words[1:]]
    return list(words)


def wait_until_listening(port: int) -> None:
    give_up_at = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up_at:
                sys.exit(f"nobody listens on port {port}")
            time.sleep(0.01)  # between two looks
        else:
            return


if __name__ == "__main__":
    port, *words = sys.argv[1:]
    middle = words.index("--")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with subprocess.Popen(command(words[:middle])) as backend:
        try:
            wait_until_listening(int(port))
            with subprocess.Popen(command(words[middle + 1 :])) as proxy:
                try:
                    proxy.wait()
                finally:
                    proxy.terminate()
        finally:
            backend.terminate()
