"""Wrong settings: one line that names the variable."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from greeter_service.service import Service
from greeter_service.settings import PREFIX, Settings, SettingsError

from .certificates import Certificates


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "65536"),
        ("GRPC_PORT", "http"),
        ("HTTP_HOST", ""),
        ("DRAIN_SECONDS", "-1"),
        ("SHUTDOWN_GRACE_SECONDS", "inf"),
        ("DEFAULT_TIMEOUT_SECONDS", "0"),
        ("MAX_MESSAGE_BYTES", "0"),
        ("REFLECTION", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("TLS_CERT_FILE", "/no/such/file"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError, match=PREFIX + name) as error:
        Settings.from_environment()
    assert "\n" not in str(error.value)


def test_workers_are_refused_where_processes_cannot_share_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT", raising=False)
    monkeypatch.setenv(f"{PREFIX}WORKERS", "1")
    assert Settings.from_environment().workers == 1
    monkeypatch.setenv(f"{PREFIX}WORKERS", "2")
    with pytest.raises(SettingsError, match=f"{PREFIX}WORKERS: .*this platform") as error:
        Settings.from_environment()
    assert "\n" not in str(error.value)


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}HTTP_PORT", "-1")
    monkeypatch.setenv(f"{PREFIX}LOG_LEVEL", "loud")
    with pytest.raises(SettingsError, match=f"{PREFIX}HTTP_PORT.*{PREFIX}LOG_LEVEL"):
        Settings.from_environment()


def test_a_certificate_needs_its_key(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    monkeypatch.setenv(f"{PREFIX}TLS_CERT_FILE", str(certificates.server))
    with pytest.raises(SettingsError, match=f"{PREFIX}TLS_KEY_FILE"):
        Settings.from_environment()


async def test_a_key_of_another_certificate_is_refused(certificates: Certificates) -> None:
    settings = Settings(tls_cert_file=certificates.server, tls_key_file=certificates.client_key)
    with pytest.raises(SettingsError, match=f"{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE"):
        Service(settings)


async def test_a_client_ca_that_is_no_certificate_is_refused(
    certificates: Certificates, tmp_path: Path
) -> None:
    no_certificate = tmp_path / "ca.pem"
    no_certificate.write_text("no certificate")
    settings = Settings(
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
        tls_client_ca_file=no_certificate,
    )
    with pytest.raises(SettingsError, match=f"{PREFIX}TLS_CLIENT_CA_FILE"):
        Service(settings)
