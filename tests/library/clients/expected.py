"""What each client must see, whoever wrote it and whichever protocol it speaks."""

from __future__ import annotations

import base64
from typing import Any

from judged import DETAIL

EXPECTED: dict[str, Any] = {
    "unary": ["Hello, World!"],
    "unicode": ["Hello, Zoë 🌍!"],
    "empty": ["Hello, !"],
    "large": len("Hello, !") + 3_000_000,
    "many": 50,
    "metadata": {"initial": "seen", "binary": "AP8", "trailing": "seen"},
    "error": {"code": 3, "message": "Invalid request", "details": []},
    "details": {
        "code": 9,
        "message": "naïve: 100 %",
        "details": [
            ["google.rpc.ErrorInfo", base64.b64encode(DETAIL.SerializeToString()).decode()]
        ],
    },
    "unexpected": {"code": 2, "message": "Unexpected error", "details": []},
    "tooLarge": 8,
    "unimplemented": 12,
    "deadline": 4,
    "withoutToken": 16,
    "serverStream": [f"Hello, World! ({number})" for number in (1, 2, 3)],
    "serverStreamEmpty": [],
    "serverStreamError": {
        "error": {"code": 15, "message": "lost", "details": []},
        "seen": ["Hello, failing! (1)", "Hello, failing! (2)"],
    },
    "cancel": 1,
}
CLIENT_STREAMS: dict[str, Any] = {
    "clientStream": ["Hello, Ada, Grace!"],
    "clientStreamEmpty": ["Hello, nobody!"],
    "halfDuplex": ["Hello, Ada!", "Hello, Grace!"],
}
FULL_DUPLEX: dict[str, Any] = {"fullDuplex": ["Hello, 0!", "Hello, 1!", "Hello, 2!"]}


def alike(seen: dict[str, Any]) -> dict[str, Any]:
    """What was seen, without the padding of base64, which clients may leave out."""
    metadata = seen["metadata"]
    if isinstance(metadata.get("binary"), str):
        seen = {**seen, "metadata": {**metadata, "binary": metadata["binary"].rstrip("=")}}
    return seen
