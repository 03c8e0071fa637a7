"""The requests: three sizes of message, and a stream."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .environments import Environments

STREAM_LENGTH = 200
"""Messages of one response stream."""


@dataclass(frozen=True, slots=True)
class Size:
    """One request, the same for all peers.

    Attributes:
        name: Of its files and in the results.
        title: For people.
        method: The RPC that takes it.
    """

    name: str
    title: str
    method: str


SIZES = (
    Size("small", 'small `{"name"}`', "Greet"),
    Size("1kb", "1 KB, nested", "Echo"),
    Size("1000items", "1000 sub-messages", "Echo"),
)
STREAM = Size("stream", f"stream of {STREAM_LENGTH} small messages", "Watch")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as files for the load generator.

    Attributes:
        size: What it is.
        json: The JSON body.
        grpc: The framed protobuf body.
        grpc_answer_bytes: How long the framed answer is.
    """

    size: Size
    json: Path
    grpc: Path
    grpc_answer_bytes: int


def write_requests(folder: Path, environments: Environments) -> dict[str, Request]:
    """Writes all requests, by the names of their sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "small": {"name": "World"},
        "1kb": _order(6),
        "1000items": _order(1000),
        "stream": {"name": "World", "count": STREAM_LENGTH},
    }
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")))
    subprocess.run(
        environments.peer("service", "encode.py", str(folder)),
        check=True,
        env=environments.variables,
    )
    return {
        size.name: Request(
            size,
            folder / f"{size.name}.json",
            folder / f"{size.name}.grpc",
            int((folder / f"{size.name}.length").read_text()),
        )
        for size in (*SIZES, STREAM)
    }


def _order(items: int) -> dict[str, Any]:
    return {
        "id": "order-7f3a9c52",
        "status": "STATUS_OPEN",
        "createdAtMs": "1767225600000",
        "customer": {
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "address": {
                "lines": ["12 St James's Square", "Third floor"],
                "city": "London",
                "postcode": "SW1Y 4JH",
                "country": "GB",
            },
        },
        "items": [
            {
                "sku": f"SKU-{number:05}",
                "title": f"Analytical engine, part {number}",
                "quantity": number % 7 + 1,
                "priceCents": str(1999 + number),
                "weightKg": 0.25 + number / 8,
            }
            for number in range(items)
        ],
        "labels": {"channel": "web", "campaign": "spring", "warehouse": "west-2"},
        "gift": True,
    }
