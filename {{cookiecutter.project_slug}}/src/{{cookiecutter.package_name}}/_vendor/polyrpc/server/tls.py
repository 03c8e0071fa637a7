"""TLS for both listeners, from the same files, which are read again when they change."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast

import grpc

from ..settings import ServiceSettings, SettingsError

logger = logging.getLogger("polyrpc.server")

_MOST_BYTES = 4 * 1024 * 1024
# Those of TLS 1.2 that gRPC has where its own variable names no others; TLS 1.3 has none to fear.
_CIPHERS = ":".join(
    f"ECDHE-{kind}-AES{bits}-GCM-SHA{digest}"
    for kind in ("ECDSA", "RSA")
    for bits, digest in ((128, 256), (256, 384))
)
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name.


class Tls:
    """The certificate, key and client CA of both listeners.

    Connections keep what they began with; new ones get what the files held last.

    Args:
        certificate: The server's certificate chain, PEM.
        key: Its private key, PEM.
        client_ca: What client certificates are checked against, PEM; None: clients need none.
        prefix: Of the environment variables that name the files, for messages.
        http2: Whether the HTTP listener offers HTTP/2, too.

    Attributes:
        context: For the HTTP listener.
        current: What the next HTTP connection gets of it.
        credentials: For the gRPC listener.

    Raises:
        SettingsError: The files are not what they should be, or do not fit together.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        client_ca: Path | None,
        prefix: str = "",
        *,
        http2: bool = False,
    ) -> None:
        self._prefix = prefix
        self._protocols = ["h2", "http/1.1"] if http2 else ["http/1.1"]
        self._files = certificate, key, client_ca
        self._seen = self._signature()
        self.current, configuration = self._load()
        self._unfetched: grpc.ServerCertificateConfiguration | None = None
        self.context = _ServerContext(self)
        self.credentials = grpc.dynamic_ssl_server_credentials(
            configuration,
            cast(Any, self._fetch),  # The stubs leave out that it may return None.
            require_client_authentication=client_ca is not None,
        )

    @classmethod
    def from_settings(cls, settings: ServiceSettings) -> Self | None:
        """Reads the files; None where the settings ask for no TLS."""
        if settings.tls_cert_file is None or settings.tls_key_file is None:
            return None
        return cls(
            settings.tls_cert_file,
            settings.tls_key_file,
            settings.tls_client_ca_file,
            settings.prefix(),
            http2=settings.http2,
        )

    async def watch(self, interval: float = 1.0) -> None:
        """Looks for changes of the files every `interval` seconds, for ever."""
        while True:
            await asyncio.sleep(interval)
            # In a thread: the files may be on a disk that answers late, or never.
            await asyncio.to_thread(self.reload_if_changed)

    def reload_if_changed(self) -> None:
        """Takes over the files when they have changed; when they are no good, logs why."""
        seen = self._signature()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.current, self._unfetched = self._load()
        except SettingsError as error:
            logger.error("the TLS files have changed, the old ones stay in use: %s", error)
        else:
            logger.info("the TLS files have changed and are in use for new connections")

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        # gRPC asks at each handshake; None is for "nothing new".
        configuration, self._unfetched = self._unfetched, None
        return configuration

    def _signature(self) -> list[object]:
        # stat follows links: where files are mounted, those may be what is swapped.
        signature: list[object] = []
        for path in self._files:
            with suppress(OSError):
                if path is not None:
                    status = path.stat()
                    signature.append((path, status.st_mtime_ns, status.st_ino, status.st_size))
        return signature

    def _load(self) -> tuple[ssl.SSLContext, grpc.ServerCertificateConfiguration]:
        certificate, key, client_ca = self._files
        chain, private_key = _read(certificate), _read(key)
        authorities = None if client_ca is None else _read(client_ca)
        context = _context(certificate, key, client_ca, self._prefix)
        context.set_alpn_protocols(self._protocols)
        end = _end_of_validity(certificate, context)
        if end is not None and end < datetime.now(UTC):
            expired = "the certificate of %sTLS_CERT_FILE expired on %s"
            logger.warning(expired, self._prefix, end.isoformat())
        configuration = grpc.ssl_server_certificate_configuration(
            [(private_key, chain)], root_certificates=authorities
        )
        return context, configuration


class _ServerContext(ssl.SSLContext):
    """Begins each connection with the context that is current then.

    Changing a live context would leave it half changed when a file is wrong; replacing it in an
    SNI callback would accept resumed sessions whose client CA is gone.
    """

    def __new__(cls, _tls: Tls) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, tls: Tls) -> None:
        self._tls = tls

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Follows `ssl.SSLContext.wrap_bio`."""
        return self._tls.current.wrap_bio(*arguments, **options)


def _read(path: Path) -> bytes:
    """Reads a file of limited size; nothing that could block, as a FIFO does, is read at all."""
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SettingsError(f"{path} is no regular file")
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise SettingsError(f"{path} has more than {_MOST_BYTES} bytes: it is no PEM file")
    return content


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _context(certificate: Path, key: Path, client_ca: Path | None, prefix: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(os.environ.get("GRPC_SSL_CIPHER_SUITES") or _CIPHERS)
    try:
        # A password is never asked for at a terminal: an encrypted key is an error.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE are not a certificate and its "
            f"unencrypted key in PEM: {_reason(error)}"
        ) from None
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise SettingsError(
                f"{prefix}TLS_CLIENT_CA_FILE is no CA certificate in PEM: {_reason(error)}"
            ) from None
        if not context.get_ca_certs():
            raise SettingsError(
                f"{prefix}TLS_CLIENT_CA_FILE holds a certificate that may not sign others"
            )
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _end_of_validity(certificate: Path, context: ssl.SSLContext) -> datetime | None:
    """Shakes hands in memory: the ssl module tells dates of a peer's certificate alone."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server),
        context.wrap_bio(to_server, to_client, server_side=True),
    ]
    with suppress(ssl.SSLError):
        for end in (*ends, *ends):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    dates = ends[0].getpeercert()
    if not dates:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(dates["notAfter"])), UTC)


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)
