"""connect-node and grpc-js against the HTTP listener: values, errors, metadata, streams, ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from expected import CLIENT_STREAMS, EXPECTED, FULL_DUPLEX, alike
from judged import TOKEN, JudgedService, descriptor_set, served

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("javascript")]

OVER_HTTP_1 = ["connect 1", "connect 1 json", "connect 1 gzip", "grpc-web 1", "grpc-web 1 json"]
OVER_HTTP_2 = [
    *(name.replace("1", "2", 1) for name in OVER_HTTP_1),
    "grpc-web 2 gzip",
    "grpc 2",
    "grpc 2 json",
    "grpc 2 gzip",
    "grpc-js 2",
]


@pytest.mark.parametrize(
    ("clients", "abilities"),
    [
        pytest.param(OVER_HTTP_1, CLIENT_STREAMS, id="HTTP/1.1"),
        pytest.param(OVER_HTTP_2, {**CLIENT_STREAMS, **FULL_DUPLEX}, id="HTTP/2"),
    ],
)
async def test_each_client_sees_the_same(
    clients: list[str], abilities: dict[str, Any], javascript: Path, tmp_path: Path
) -> None:
    servicer = JudgedService()
    async with served(servicer, http2=True) as server:
        seen = await _run(javascript, tmp_path, f"http://127.0.0.1:{server.http_port}", clients)
    for client in clients:
        assert {client: alike(seen[client])} == {client: EXPECTED | abilities}
    assert servicer.cancelled == len(clients)


async def test_the_listener_of_grpc_alone_is_judged_as_well(
    javascript: Path, tmp_path: Path
) -> None:
    servicer = JudgedService()
    async with served(servicer) as server:
        url = f"http://127.0.0.1:{server.grpc_port}"
        seen = await _run(javascript, tmp_path, url, ["grpc-js 2", "grpc 2"])
    for client in ("grpc-js 2", "grpc 2"):
        assert {client: alike(seen[client])} == {client: EXPECTED | CLIENT_STREAMS | FULL_DUPLEX}
    assert servicer.cancelled == 2


async def _run(folder: Path, tmp_path: Path, url: str, clients: list[str]) -> dict[str, Any]:
    descriptors = tmp_path / "descriptors.binpb"
    descriptor_set(descriptors)
    options = {
        "descriptors": str(descriptors),
        "url": url,
        "metadata": {"authorization": f"Bearer {TOKEN}"},
        "clients": clients,
    }
    process = await asyncio.create_subprocess_exec(
        *("node", str(folder / "node.js"), json.dumps(options)), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    seen: dict[str, Any] = json.loads(output)
    return seen
