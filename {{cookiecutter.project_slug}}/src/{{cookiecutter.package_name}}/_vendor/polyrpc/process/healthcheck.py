"""The `healthcheck` subcommand: asks the running service of this environment whether it serves.

It is for places that have no curl. Images, which ask every few seconds, run this module with the
prefix of the settings, `python -m … GREETER_SERVICE_`: that takes a third of the processor time of
the subcommand, which comes with the whole application.
"""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from ..settings import ServiceSettings, SettingsError

_TIMEOUT_SECONDS = 4.0
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class UnhealthyError(Exception):
    """The service does not serve, or cannot be asked; the text is one line that says why."""


def main(settings: type[ServiceSettings]) -> None:
    """Says in one line what is wrong, if anything is.

    Args:
        settings: The class of the service's settings, which the environment sets.

    Raises:
        SystemExit: 1, the service does not serve. Who asks may reserve all other statuses.
    """
    try:
        check(settings())
    except (UnhealthyError, SettingsError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


def check(settings: ServiceSettings) -> None:
    """Asks `/readyz`: on `ADMIN_PORT` where that is set, otherwise on the HTTP listener.

    Raises:
        UnhealthyError: It does not answer, or not with 200.
    """
    prefix = settings.prefix()
    with_admin = settings.admin_port is not None
    name, port = (
        ("ADMIN_PORT", settings.admin_port) if with_admin else ("HTTP_PORT", settings.http_port)
    )
    if not port:
        raise UnhealthyError(f"{prefix}{name} is 0: which port that became only the log tells")
    if settings.tls_client_ca_file is not None and not with_admin:
        raise UnhealthyError(
            f"set {prefix}ADMIN_PORT: the HTTP listener wants a client certificate "
            f"({prefix}TLS_CLIENT_CA_FILE), and the health check has none"
        )
    host = _EVERY_ADDRESS.get(settings.http_host, settings.http_host)
    connection = HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    if settings.tls_cert_file is not None and not with_admin:
        connection = HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=_trusting())
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise UnhealthyError(f"nothing answers on {host} port {port}: {error}") from None
    finally:
        connection.close()
    if status != 200:
        raise UnhealthyError(f"/readyz on {host} port {port} answers {status}")


def _trusting() -> ssl.SSLContext:
    # The certificate is made out to the name that clients use, and nothing secret is said.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _command() -> None:
    match sys.argv[1:]:
        case [prefix]:

            class Settings(ServiceSettings, prefix=prefix):
                """Those that every service has."""

            main(Settings)
        case _:
            raise SystemExit("one argument is wanted: the prefix of the service's variables")


if __name__ == "__main__":
    _command()
