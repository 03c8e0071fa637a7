"""How long an HTTP/2 client may take for what it is awaited to do; see `ServiceSettings`."""

from __future__ import annotations

from .connections import LINGER_SECONDS, SLOWEST_BYTES_PER_SECOND, Limits
from .exchange import HIGH_WATER_BYTES
from .http2_connection import Http2Connection
from .http2_frames import ConnectionFault, ErrorCode
from .http2_stream import Stream
from .refusals import TOO_SLOW

_LEAST_SECONDS = 0.01


class Patience:
    """The times of one connection.

    Args:
        limits: What they are to be.
        now: The event loop's time, as everywhere here.
    """

    __slots__ = (
        "_enough",
        "_has_parted",
        "_heard",
        "_heard_before",
        "_idle_since",
        "_limits",
        "_made",
        "_over_at",
        "_part_since",
    )

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._enough = SLOWEST_BYTES_PER_SECOND * limits.read_timeout
        self._made = self._idle_since = now
        self._part_since: float | None = None
        self._heard = self._heard_before = 0
        self._has_parted = False
        self._over_at: float | None = None

    def heard(self, size: int) -> None:
        """So many bytes have arrived."""
        self._heard += size

    def has_part(self, now: float | None) -> None:
        """A part of a frame is there, since now at the latest; None: there is none."""
        if now is None:
            self._part_since = None
        elif self._part_since is None:
            self._part_since, self._heard_before = now, self._heard

    def begin_anew(self, now: float, connection: Http2Connection) -> None:
        """Nothing was read for a while: the client is not to blame for that."""
        if self._part_since is not None:
            self._part_since = now
        if connection.blocks.since is not None:
            connection.blocks.since = now
        for stream in connection.streams.values():
            if not stream.waits:
                stream.await_anew()

    def idle(self, now: float) -> None:
        """The last stream has ended."""
        self._idle_since = now

    def linger(self, until: float | None) -> None:
        """Until then it may see what it was sent last, and answer; None: while it has requests."""
        self._has_parted = True
        self._over_at = until

    def is_over(self, now: float) -> bool:
        """Whether that moment has passed."""
        return self._over_at is not None and now >= self._over_at

    def wants_to_part(self, now: float, connection: Http2Connection) -> bool:
        """Whether the connection has been idle for too long, or has grown old."""
        if now - self._made >= self._limits.max_age:
            return True
        return not connection.streams and now - self._idle_since >= self._idle_seconds()

    def check(self, now: float, connection: Http2Connection) -> None:
        """Ends streams whose client is too slow.

        Raises:
            ConnectionFault: It is too slow with what is of the connection.
        """
        timeout = self._limits.read_timeout
        if not connection.is_started and now - self._made >= timeout:
            raise ConnectionFault(ErrorCode.SETTINGS_TIMEOUT, "no settings")
        if connection.blocks.since is not None and now - connection.blocks.since >= timeout:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "headers that take too long")
        if self._part_since is not None and now - self._part_since >= timeout:
            if self._heard - self._heard_before < self._enough:
                raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a frame that takes too long")
            self._part_since, self._heard_before = now, self._heard
        for stream in list(connection.streams.values()):
            self._check(now, stream, connection)

    def left(self, now: float, connection: Http2Connection) -> float:
        """After how many seconds there may be something to be done."""
        timeout = self._limits.read_timeout
        ends = [now + timeout]
        if not connection.is_started:
            ends.append(self._made + timeout)
        if connection.blocks.since is not None:
            ends.append(connection.blocks.since + timeout)
        if self._part_since is not None:
            ends.append(self._part_since + timeout)
        if self._over_at is not None:
            ends.append(self._over_at)
        if not self._has_parted:
            ends.append(self._made + self._limits.max_age)
            if not connection.streams:
                ends.append(self._idle_since + self._idle_seconds())
        ends += [stream.since + timeout for stream in connection.streams.values()]
        return max(min(ends) - now, _LEAST_SECONDS)

    def _check(self, now: float, stream: Stream, connection: Http2Connection) -> None:
        if stream.waits:
            progress = stream.sent
        elif _is_awaited(stream, connection):
            progress = stream.received
        else:  # It is the application's turn.
            stream.await_anew()
            return
        if now - stream.since < self._limits.read_timeout:
            return
        if progress - stream.progress < self._enough:
            stream.give_up(TOO_SLOW)
        else:
            stream.since, stream.progress = now, progress

    def _idle_seconds(self) -> float:
        return self._limits.keep_alive or LINGER_SECONDS


def _is_awaited(stream: Stream, connection: Http2Connection) -> bool:
    """Whether the client is to send something of the request's body, and can."""
    if not stream.more_body or stream.awaits_continue:
        return False
    if stream.may_pause and stream.length is None:
        return False
    has_room = stream.receive_window > 0 and connection.windows.receive_window > 0
    return has_room and stream.unread <= HIGH_WATER_BYTES
