"""How much work of the kind that brings nothing along a client may cause on a connection.

Each such frame is legal, and some of each are sent by every client. Floods are made of them:
streams that are reset as soon as they are begun (CVE-2023-44487), CONTINUATION, PING, SETTINGS,
PRIORITY and empty DATA frames without end (CVE-2019-9512 to 9518, CVE-2024-27316), and windows
that are opened byte by byte.
"""

from __future__ import annotations

import time

from .http2_frames import ConnectionFault, ErrorCode

# What a frame costs.
PING_COST = PRIORITY_COST = WINDOW_COST = EMPTY_DATA_COST = UNKNOWN_COST = 1
SETTINGS_COST = CONTINUATION_COST = 10
REFUSED_COST = 5
RESET_COST = FAULT_COST = 20

# What is given back for work that was asked for.
DATA_GAIN = WRITTEN_GAIN = 1
ANSWERED_GAIN = 20
BYTES_OF_A_GAIN = 1024

_MOST = 4_000
_PER_SECOND = 1_000


class Allowance:
    """What is left of what one client may do.

    It begins with enough for 200 resets, and gets as much for 50 more each second; each answer
    that is given to its end makes up for a reset, and data that is sent or taken for the frames
    that go with it: clients open windows again, and ping to find out how large they should be.

    Attributes:
        left: How much that is.
    """

    __slots__ = ("_filled", "left")

    def __init__(self) -> None:
        self.left = _MOST
        self._filled = time.monotonic()

    def spend(self, cost: int, what: str) -> None:
        """Takes what a frame costs.

        Raises:
            ConnectionFault: There is not so much left.
        """
        self.left -= cost
        if self.left >= 0:
            return
        now = time.monotonic()
        self.left += int((now - self._filled) * _PER_SECOND)
        self._filled = now
        if self.left < 0:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"a flood of {what}")
        self.left = min(self.left, _MOST)

    def gain(self, value: int) -> None:
        """Gives back for work that was asked for."""
        if self.left < _MOST:
            self.left += value
