"""What gRPC's own server is told of the settings."""

from __future__ import annotations

from ..settings import ServiceSettings

_PING_TIMEOUT_SECONDS = 20.0
_PINGS_EVERY_SECONDS = 10.0
_MAX_CONCURRENT_STREAMS = 1000
_NEVER = 2**31 - 1


def channel_arguments(settings: ServiceSettings) -> list[tuple[str, int]]:
    """Makes the channel arguments (`grpc/impl/channel_arg_names.h`) of the server."""
    return [
        # Workers share the port; a single process keeps others off it.
        ("grpc.so_reuseport", int(settings.workers > 1)),
        ("grpc.max_concurrent_streams", _MAX_CONCURRENT_STREAMS),
        ("grpc.max_metadata_size", settings.max_header_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_header_bytes),
        ("grpc.server_handshake_timeout_ms", _milliseconds(settings.read_timeout_seconds)),
        # Finds clients that have vanished, and tells those that ping too often to go away.
        ("grpc.keepalive_time_ms", _milliseconds(settings.grpc_keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(_PING_TIMEOUT_SECONDS)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        (
            "grpc.http2.min_ping_interval_without_data_ms",
            _milliseconds(_PINGS_EVERY_SECONDS),
        ),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_connection_age_ms", _limit(settings.max_connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _limit(settings.max_connection_age_grace_seconds)),
    ]


def _milliseconds(seconds: float) -> int:
    return min(max(int(seconds * 1000), 1), _NEVER)


def _limit(seconds: float) -> int:
    return _milliseconds(seconds) if seconds else _NEVER
