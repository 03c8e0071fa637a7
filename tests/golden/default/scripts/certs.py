"""Writes a development CA, a server and a client certificate, for `nox -s certs` alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trustme

HOSTS = {"server": ("localhost", "127.0.0.1", "::1"), "client": ("client.localhost",)}


def main(folder: Path) -> None:
    """Write ca.pem, server.pem, server.key, client.pem and client.key to `folder`."""
    os.umask(0o077)
    folder.mkdir(exist_ok=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, hosts in HOSTS.items():
        certificate = authority.issue_cert(*hosts)
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        chain = b"".join(link.bytes() for link in certificate.cert_chain_pems)
        (folder / f"{name}.pem").write_bytes(chain)
        print(f"{folder / name}.pem  {folder / name}.key  for {', '.join(hosts)}")
    print(f"{folder / 'ca.pem'}  the CA of both")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
