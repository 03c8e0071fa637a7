"""Wrong settings: one line that names the variable."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import pytest
from greeter.app import serve
from greeter.settings import PREFIX, Settings
from polyrpc import SettingsError
from polyrpc.testing import Certificates
from pydantic import BaseModel, BeforeValidator, Field, SecretBytes, SecretStr
from pydantic_settings import SettingsConfigDict


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "65536"),
        ("GRPC_PORT", "http"),
        ("HTTP_HOST", ""),
        ("HTTP_HOST", "127.0.0.1:8000"),
        ("HTTP_HOST", "256.1.1.1"),
        ("HTTP_HOST", "::1::"),
        ("HTTP_HOST", "http://localhost"),
        ("HTTP_HOST", "local host"),
        ("GRPC_HOST", "[localhost]"),
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
        Settings()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::", "::"),
        ("greeter-0.greeter_headless.svc.", "greeter-0.greeter_headless.svc."),
        ("münchen.example", "münchen.example"),
    ],
)
def test_a_host_is_an_address_or_a_name(
    monkeypatch: pytest.MonkeyPatch, value: str, host: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}HTTP_HOST", value)
    assert Settings().http_host == host


def test_workers_are_refused_where_processes_cannot_share_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT", raising=False)
    monkeypatch.setenv(f"{PREFIX}WORKERS", "1")
    assert Settings().workers == 1
    monkeypatch.setenv(f"{PREFIX}WORKERS", "2")
    with pytest.raises(SettingsError, match=f"{PREFIX}WORKERS: .*this platform") as error:
        Settings()
    assert "\n" not in str(error.value)


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}HTTP_PORT", "-1")
    monkeypatch.setenv(f"{PREFIX}LOG_LEVEL", "loud")
    with pytest.raises(SettingsError, match=f"{PREFIX}HTTP_PORT.*{PREFIX}LOG_LEVEL"):
        Settings()


def test_a_certificate_needs_its_key(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    monkeypatch.setenv(f"{PREFIX}TLS_CERT_FILE", str(certificates.server))
    with pytest.raises(SettingsError, match=f"{PREFIX}TLS_KEY_FILE"):
        Settings()


async def test_a_key_of_another_certificate_is_refused(certificates: Certificates) -> None:
    settings = Settings(tls_cert_file=certificates.server, tls_key_file=certificates.client_key)
    with pytest.raises(SettingsError, match=f"{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE"):
        serve(settings)


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
        serve(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLAIN", "hunter2"),
        ("MAYBE", "hunter2"),
        ("NUMBER", "hunter2"),
        ("DATABASE", '{"password": "hunter2"}'),
        ("KEYS", '["hunter2", 1]'),
        ("KEYS", "[hunter2"),
        ("API_KEY", "hunter2"),
    ],
)
def test_no_secret_is_shown_whatever_it_is_called(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    def _number(value: object) -> object:
        return value if isinstance(value, SecretStr) else str(int(str(value)))

    class Database(BaseModel):
        user: str
        password: SecretStr

    class OfATeam(Settings):
        plain: Annotated[SecretStr, Field(min_length=20)] = SecretStr("x" * 20)
        maybe: Annotated[SecretBytes, Field(min_length=20)] | None = None
        number: Annotated[SecretStr, BeforeValidator(_number)] = SecretStr("1")
        database: Database | None = None
        keys: tuple[SecretStr, ...] = ()
        aliased: Annotated[SecretStr | None, Field(max_length=3)] = Field(
            default=None, validation_alias=f"{PREFIX}API_KEY"
        )

    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError, match=PREFIX + name) as error:
        OfATeam()
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_named_without_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class OfATeam(Settings):
        database_host: str

    monkeypatch.setenv(f"{PREFIX}AUTH_TOKENS", "hunter2")
    with pytest.raises(SettingsError) as error:
        OfATeam()
    assert str(error.value) == f"{PREFIX}DATABASE_HOST: Field required"


def test_a_variable_that_is_no_setting_is_told_with_the_nearest_one() -> None:
    class OfATeam(Settings):
        model_config = SettingsConfigDict(env_nested_delimiter="__")
        database: dict[str, str] | None = None

    of_a_cluster = [PREFIX + name for name in ("SERVICE_HOST", "SERVICE_PORT", "PORT_80_TCP")]
    fine = ["PATH", f"{PREFIX}HTTP_PORT", f"{PREFIX}http_host".lower(), f"{PREFIX}DATABASE__URL"]
    (line,) = OfATeam.unknown_variables([*fine, *of_a_cluster, f"{PREFIX}WORKRES"])
    assert line.startswith(f"{PREFIX}WORKRES ")
    assert f"{PREFIX}WORKERS" in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs on this platform")
def test_a_fifo_is_no_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setenv(f"{PREFIX}TLS_CERT_FILE", str(tmp_path / "fifo"))
    with pytest.raises(SettingsError, match=f"{PREFIX}TLS_CERT_FILE: .*regular file"):
        Settings()
