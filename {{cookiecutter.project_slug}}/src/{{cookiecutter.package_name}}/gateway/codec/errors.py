"""What callers of the codec catch."""

from __future__ import annotations


class JsonError(ValueError):
    """JSON that is not the message it should be, or a message that has no JSON form.

    The text is one line that names the field or the position.
    """
