"""gRPC status codes as HTTP statuses, and the one shape of an error that leaves over HTTP.

The mapping is that of `google/rpc/code.proto`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

HTTP_STATUS: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
}

STATUS_OF_INT: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

UNEXPECTED = "Unexpected error"
"""All that a caller learns of an exception that is not an RPC error; the log has the rest."""

WITHOUT_MESSAGE = "The call ended without a message"
"""Said of a call that has neither failed nor answered, where it takes a message to succeed."""

_RICH_STATUS = "grpc-status-details-bin"


class CallError(Exception):
    """The call ends here, with this status.

    Attributes:
        code: The gRPC status code.
        detail: One line for the caller.
        http_status: The HTTP status, where it says more than `code` does (405, 406, 413, 415).
        headers: Further response headers, such as `allow`.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        detail: str,
        *,
        http_status: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.http_status = http_status or HTTP_STATUS[code]
        self.headers = headers


def status_code(code: object) -> grpc.StatusCode:
    """Reads a code as `grpc.aio` does: a `StatusCode` or its number; anything else is UNKNOWN."""
    if isinstance(code, grpc.StatusCode):
        return code
    if isinstance(code, int):
        return STATUS_OF_INT.get(code, grpc.StatusCode.UNKNOWN)
    return grpc.StatusCode.UNKNOWN


def check_details(details: object) -> None:
    """Refuses details that gRPC could not send; None is as good as none at all.

    Raises:
        TypeError: They are no text.
        UnicodeEncodeError: They have surrogates.
    """
    if isinstance(details, str):
        details.encode()
    elif details is not None:
        raise TypeError(f"details must be a str, not {type(details).__name__}")


def error_body(
    code: grpc.StatusCode, detail: str, trailing_metadata: Iterable[tuple[str, str | bytes]] = ()
) -> bytes:
    """Writes the JSON of an error; `details` are those of `grpc_status.rpc_status`, if any."""
    members = error_members(code, detail, _rich_details(trailing_metadata))
    return json.dumps(members, separators=(",", ":")).encode()


def error_members(code: grpc.StatusCode, detail: str, details: Iterable[Any]) -> dict[str, Any]:
    """What the JSON of an error has, whoever writes it."""
    number, _ = code.value
    return {"detail": detail, "code": number, "status": code.name, "details": list(details)}


def _rich_details(trailing_metadata: Iterable[tuple[str, str | bytes]]) -> list[Any]:
    for key, value in trailing_metadata:
        if key == _RICH_STATUS and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                return []
            return [any_to_json(detail) for detail in status.details]
    return []


def any_to_json(detail: Any) -> Any:
    """Writes a detail of an error as JSON with `@type`, as far as its type is known here."""
    # Here, as few services need it: importing it takes as long as a hundred calls.
    from google.protobuf.json_format import MessageToDict

    try:
        return MessageToDict(detail, always_print_fields_with_no_presence=True)
    except (TypeError, ValueError, DecodeError):
        # A message of a type that this process does not know, or that does not parse as one.
        return {"@type": detail.type_url}
