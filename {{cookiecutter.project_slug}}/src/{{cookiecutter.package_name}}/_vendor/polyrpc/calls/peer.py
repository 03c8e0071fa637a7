"""Who called over HTTP: the peer's address and TLS identity, spelled as gRPC spells them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote


def peer_address(scope: Mapping[str, Any]) -> str:
    """The client's address in gRPC's URI form, such as `ipv4:127.0.0.1:54321`."""
    client = scope.get("client")
    return "unix:" if client is None else _address(*client)


@lru_cache(maxsize=1024)
def _address(host: str, port: int) -> str:
    if ":" in host:
        return f"ipv6:{quote(f'[{host}]', safe='')}:{port}"
    return f"ipv4:{host}:{port}"


def tls_properties(scope: Mapping[str, Any]) -> dict[str, list[bytes]]:
    """The TLS connection's properties under the names of `grpc.aio`'s `auth_context()`.

    Reads the ASGI TLS extension (`scope["extensions"]["tls"]`) and, where the server adds it there
    as `peer_certificate`, the certificate as `ssl.SSLSocket.getpeercert()` describes it. Empty
    without TLS, or where the server tells nothing.
    """
    tls = (scope.get("extensions") or {}).get("tls")
    if tls is None:
        return {}
    properties = {"transport_security_type": [b"ssl"]}
    chain = tls.get("client_cert_chain")
    if chain:
        properties["x509_pem_cert"] = [next(iter(chain)).encode()]
    certificate = tls.get("peer_certificate") or {}
    names = [
        value.encode()
        for attributes in certificate.get("subject", ())
        for key, value in attributes
        if key == "commonName"
    ]
    if names:
        properties["x509_common_name"] = names
    alternatives = [value.encode() for _, value in certificate.get("subjectAltName", ())]
    if alternatives:
        properties["x509_subject_alternative_name"] = alternatives
    return properties
