"""Certificates for development and tests: a private CA, and what it has issued, as PEM files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HOSTS = {
    "server": ("localhost", "127.0.0.1", "::1"),
    "client": ("client.localhost",),
}


class Certificates:
    """A private CA with a server's and a client's certificate, written to a folder.

    Args:
        folder: It is made if it is not there; only its owner can read what is written.

    Attributes:
        ca: What certificates are checked against.
        server: The server's certificate chain, for localhost.
        server_key: Its private key.
        client: The client's certificate chain.
        client_key: Its private key.

    Raises:
        ImportError: `trustme` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        import trustme

        self.ca = folder / "ca.pem"
        self.server, self.server_key = folder / "server.pem", folder / "server.key"
        self.client, self.client_key = folder / "client.pem", folder / "client.key"
        mask = os.umask(0o077)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            authority = trustme.CA()
            authority.cert_pem.write_to_path(self.ca)
            for name, hosts in HOSTS.items():
                common_name = "tester" if name == "client" else None
                issued = authority.issue_cert(*hosts, common_name=common_name)
                issued.private_key_pem.write_to_path(folder / f"{name}.key")
                chain = b"".join(link.bytes() for link in issued.cert_chain_pems)
                (folder / f"{name}.pem").write_bytes(chain)
        finally:
            os.umask(mask)


if __name__ == "__main__":
    target = Path(*(sys.argv[1:] or ["certs"]))
    Certificates(target)
    for name, hosts in HOSTS.items():
        print(f"{target / name}.pem  {target / name}.key  for {', '.join(hosts)}")
    print(f"{target / 'ca.pem'}  the CA of both")
