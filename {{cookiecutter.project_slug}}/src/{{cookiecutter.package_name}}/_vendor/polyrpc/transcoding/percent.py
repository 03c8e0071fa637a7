"""Percent-encoding of paths and queries, and safe quotation of what was sent.

Follows RFC 3986 section 2.1, and the decoding rules of `google/api/http.proto`.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote_to_bytes

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ENCODED_SLASH = re.compile(rb"(%2[Ff])")
_QUOTED_LENGTH = 64


def percent_decode(raw: bytes, *, keep_slashes: bool = False) -> str:
    """Decode the escapes of `raw` and then UTF-8.

    Args:
        raw: Part of a path or a query, as it was sent.
        keep_slashes: Leave `%2F` and `%2f` as they are.

    Raises:
        ValueError: An escape is malformed, or the decoded bytes are not UTF-8. The text reads as
            the end of a sentence about the part.
    """
    if b"%" in raw:
        if _MALFORMED.search(raw):
            raise ValueError("has malformed percent-encoding")
        if keep_slashes:
            pieces = _ENCODED_SLASH.split(raw)
            pieces[::2] = map(unquote_to_bytes, pieces[::2])
            raw = b"".join(pieces)
        else:
            raw = unquote_to_bytes(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None


def quoted(text: str) -> str:
    """Return `text` in quotation marks, in printable ASCII, cut when it is long.

    Whatever a caller sent can stand in an error's detail or a log line this way.
    """
    if len(text) > _QUOTED_LENGTH:
        text = text[:_QUOTED_LENGTH] + "..."
    return json.dumps(text).replace("\x7f", "\\u007f")
