"""New certificates under load, swapped as Kubernetes does it: calls lost, and time until seen.

    python rotation.py [ROUNDS]

Run it with the interpreter of an environment that holds the generated greeter-service and trustme.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
import time
from pathlib import Path

import trustme
from running import load, lost, refused, report, service

CONNECTIONS = 50
ROTATIONS = 5


def mount(folder: Path, authority: trustme.CA) -> str:
    """Puts a new certificate where the service looks; returns it."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    version = Path(tempfile.mkdtemp(dir=folder))
    issued.cert_chain_pems[0].write_to_path(version / "tls.crt")
    issued.private_key_pem.write_to_path(version / "tls.key")
    link = folder / "new"
    link.symlink_to(version)
    link.replace(folder / "mounted")
    return (version / "tls.crt").read_text()


async def seconds_until_seen(port: int, certificate: str) -> float:
    """How long it takes until a new connection is shown the certificate."""
    start = time.monotonic()
    address = ("localhost", port)
    while await asyncio.to_thread(ssl.get_server_certificate, address) != certificate:
        pass
    return time.monotonic() - start


async def main(rounds: int) -> None:
    """Rotates a few times in each round."""
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            authority = trustme.CA()
            authority.cert_pem.write_to_path(folder / "ca.crt")
            mount(folder, authority)
            files = {
                "TLS_CERT_FILE": folder / "mounted/tls.crt",
                "TLS_KEY_FILE": folder / "mounted/tls.key",
            }
            seen = []
            # Connections live for a second: all that follow a rotation see its certificate.
            async with (
                service(MAX_CONNECTION_AGE_SECONDS=1, **files) as running,
                load(running, CONNECTIONS, folder / "ca.crt") as figures,
            ):
                ports = await running.line("serving")
                for _ in range(ROTATIONS):
                    certificate = mount(folder, authority)
                    seen += await asyncio.gather(
                        seconds_until_seen(ports["http_port"], certificate),
                        seconds_until_seen(ports["grpc_port"], certificate),
                    )
                    await asyncio.sleep(1)
            figures["seen after, s (most)"] = round(max(seen), 2)
            report(f"{ROTATIONS} rotations (round {number})", figures)
            print(f"calls lost: {lost(figures) + refused(figures)}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
