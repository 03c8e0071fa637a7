"""The `healthcheck` subcommand."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
from greeter.app import serve
from greeter.settings import PREFIX, Settings
from polyrpc.process.healthcheck import UnhealthyError, check
from polyrpc.testing import Certificates


async def ask(settings: Settings) -> None:
    """Starts a service with these settings and asks it."""
    async with serve(settings) as service:
        ports = {"http_port": service.http_port, "admin_port": service.admin_port}
        await asyncio.to_thread(check, settings.model_copy(update=ports))


@pytest.mark.parametrize("admin_port", [None, 0])
@pytest.mark.parametrize("tls", [False, True])
async def test_it_finds_the_service(
    tls: bool, admin_port: int | None, certificates: Certificates
) -> None:
    settings = Settings(
        http_port=0,
        grpc_port=0,
        admin_port=admin_port,
        tls_cert_file=certificates.server if tls else None,
        tls_key_file=certificates.server_key if tls else None,
    )
    await ask(settings)


def with_client_ca(certificates: Certificates, admin_port: int | None) -> Settings:
    return Settings(
        http_port=0,
        grpc_port=0,
        admin_port=admin_port,
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
        tls_client_ca_file=certificates.ca,
    )


async def test_with_mutual_tls_it_asks_the_admin_port(certificates: Certificates) -> None:
    await ask(with_client_ca(certificates, admin_port=0))


async def test_with_mutual_tls_alone_it_says_what_to_set(certificates: Certificates) -> None:
    with pytest.raises(UnhealthyError, match=f"^set {PREFIX}ADMIN_PORT"):
        await ask(with_client_ca(certificates, admin_port=None))


async def test_a_service_that_drains_is_not_healthy() -> None:
    settings = Settings(http_port=0, grpc_port=0)
    async with serve(settings) as service:
        await service.drain()
        with pytest.raises(UnhealthyError, match="answers 503"):
            await asyncio.to_thread(
                check, settings.model_copy(update={"http_port": service.http_port})
            )


async def test_a_service_that_is_gone_is_not_healthy() -> None:
    settings = Settings(http_port=0, grpc_port=0)
    async with serve(settings) as service:
        gone = settings.model_copy(update={"http_port": service.http_port})
    with pytest.raises(UnhealthyError, match="nothing answers on"):
        check(gone)


@pytest.mark.parametrize(
    ("argument", "status", "words"),
    [("healthcheck", 1, f"{PREFIX}HTTP_PORT is 0"), ("helthcheck", 2, "'helthcheck'")],
)
async def test_the_command_says_in_one_line_what_is_wrong(
    argument: str, status: int, words: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "greeter", argument),
        env={**os.environ, f"{PREFIX}HTTP_PORT": "0"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == status
    assert errors.decode().startswith(words)
    assert errors.decode().count("\n") == 1


MODULE = (sys.executable, "-m", "polyrpc.process.healthcheck")


async def test_the_module_asks_without_the_application() -> None:
    settings = Settings(http_port=0, grpc_port=0)
    async with serve(settings) as service:
        for port, status in ((service.http_port, 0), (0, 1)):
            process = await asyncio.create_subprocess_exec(
                *(*MODULE, PREFIX),
                env={**os.environ, f"{PREFIX}HTTP_PORT": str(port)},
                stderr=asyncio.subprocess.PIPE,
            )
            _, errors = await process.communicate()
            assert process.returncode == status
            assert errors.decode().startswith(f"{PREFIX}HTTP_PORT is 0" if status else "")
            assert errors.decode().count("\n") == status


@pytest.mark.parametrize("arguments", [[], [PREFIX, "more"]])
async def test_the_module_wants_the_prefix(arguments: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*MODULE, *arguments), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert (process.returncode, errors.decode().count("\n")) == (1, 1)
    assert errors.startswith(b"one argument is wanted")


def test_the_module_imports_no_framework() -> None:
    program = (
        "import sys, polyrpc.process.healthcheck; "
        "assert not {'esmerald', 'ravyn', 'lilya', 'grpc'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
