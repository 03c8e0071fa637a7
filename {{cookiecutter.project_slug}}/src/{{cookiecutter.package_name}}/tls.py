"""TLS for both listeners, from the same files."""

from __future__ import annotations

import ssl

import grpc

from .settings import PREFIX, Settings, SettingsError


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """Makes the HTTP listener's TLS context; None where the settings ask for no TLS.

    Raises:
        SettingsError: The files are no certificate and key, or do not fit together.
    """
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A password is never asked for at a terminal: an encrypted key is an error.
        context.load_cert_chain(
            settings.tls_cert_file, settings.tls_key_file, password=_no_password
        )
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE are not a certificate and its "
            f"unencrypted key in PEM: {_reason(error)}"
        ) from None
    if settings.tls_client_ca_file is not None:
        try:
            context.load_verify_locations(settings.tls_client_ca_file)
        except ssl.SSLError as error:
            raise SettingsError(
                f"{PREFIX}TLS_CLIENT_CA_FILE is no CA certificate in PEM: {_reason(error)}"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Makes the gRPC listener's credentials; None where the settings ask for no TLS.

    Raises:
        SettingsError: As `ssl_context`, which tells what gRPC only finds out at a handshake.
    """
    if ssl_context(settings) is None:
        return None
    key, certificates, client_ca = (
        None if path is None else path.read_bytes()
        for path in (settings.tls_key_file, settings.tls_cert_file, settings.tls_client_ca_file)
    )
    return grpc.ssl_server_credentials(
        [(key or b"", certificates or b"")],
        root_certificates=client_ca,
        require_client_auth=client_ca is not None,
    )


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)
