"""The bodies of `application/grpc-web-text`: base64, in pieces that may each end in padding."""

from __future__ import annotations

import re
from base64 import b64decode

import grpc

from ..rpc.status import CallError

_PIECE = re.compile(rb"[A-Za-z0-9+/]*+={0,2}")


class Base64Reader:
    """Takes base64 in chunks of any size and gives the bytes that they complete."""

    def __init__(self) -> None:
        self._unread = b""

    def feed(self, chunk: bytes) -> bytes:
        """Takes the next chunk of the body.

        Raises:
            CallError: INVALID_ARGUMENT, it is no base64.
        """
        text = self._unread + chunk
        whole = len(text) - len(text) % 4
        self._unread = text[whole:]
        text = text[:whole]
        try:
            if b"=" not in text:
                return b64decode(text, validate=True)
            return b"".join(self._pieces(text))
        except ValueError:
            raise _malformed() from None

    def close(self) -> None:
        """Ends the body.

        Raises:
            CallError: INVALID_ARGUMENT, it ends between two bytes.
        """
        if self._unread:
            raise _malformed()

    def _pieces(self, text: bytes) -> list[bytes]:
        pieces = []
        position = 0
        while position < len(text):
            match = _PIECE.match(text, position)
            if match is None or match.end() == position or (match.end() - position) % 4:
                raise _malformed()
            pieces.append(b64decode(match[0], validate=True))
            position = match.end()
        return pieces


def _malformed() -> CallError:
    return CallError(grpc.StatusCode.INVALID_ARGUMENT, "the body is no base64")
