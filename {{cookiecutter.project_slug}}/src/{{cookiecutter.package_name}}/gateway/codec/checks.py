"""What protobuf-py lets through and the codec must not: a oneof set twice, oddities of `Any`.

Runs on every message that can contain either, after protobuf-py has accepted it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor

from .descriptors import ANY, SPECIAL, fields_by_key, is_null_value, map_entry, real_oneofs
from .schema import Schema

Check = Callable[[Any], None]
"""Checks one JSON value; raises `RefusedError` or `NotNativeError`."""

_PREFIX = "type.googleapis.com/"


class RefusedError(Exception):
    """protobuf-py accepted JSON that is not the message it should be."""


class NotNativeError(Exception):
    """protobuf-py would convert this message wrongly; `json_format` must."""


class Checks:
    """The checks of message types, each made when it is first asked for.

    Args:
        schema: Finds the types that `Any`s carry.
        ignore_unknown_fields: Whether an `Any` may have keys that mean nothing.
    """

    def __init__(self, schema: Schema, *, ignore_unknown_fields: bool) -> None:
        self._schema = schema
        self._ignore_unknown_fields = ignore_unknown_fields
        self._made: dict[str, Check] = {}

    def of(self, descriptor: Descriptor) -> Check | None:
        """Answers the check of a message type, or None where there is nothing to check."""
        if descriptor.full_name == ANY:
            return self._check_any
        traits = self._schema.traits(descriptor)
        if not (traits.has_oneofs or traits.has_any):
            return None
        check = self._made.get(descriptor.full_name)
        if check is None:
            made = _MessageCheck(descriptor)
            check = self._made[descriptor.full_name] = made
            # Only now: a message that contains itself finds its own check.
            made.add_children(self)
        return check

    def _check_any(self, value: dict[str, Any]) -> None:
        type_url = value.get("@type")
        descriptor = self._schema.find(type_url)
        if type_url is None or descriptor is None:
            return
        if type_url != _PREFIX + descriptor.full_name:
            # protobuf-py replaces every other prefix by this one.
            raise NotNativeError
        if not self._schema.traits(descriptor).native:
            raise NotNativeError
        payload: Any = value
        if descriptor.full_name in SPECIAL:
            if "value" not in value or (len(value) > 2 and not self._ignore_unknown_fields):
                raise RefusedError
            payload = value["value"]
        check = self.of(descriptor)
        if check is not None and payload is not None:
            check(payload)


class _MessageCheck:
    """Checks the JSON objects of one message type, and those inside them."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._oneofs = [
            {
                key: is_null_value(field)
                for field in oneof.fields
                for key in (field.name, field.json_name)
            }
            for oneof in real_oneofs(descriptor)
        ]
        self._single: dict[str, Check] = {}
        self._repeated: dict[str, Check] = {}
        self._maps: dict[str, Check] = {}

    def add_children(self, checks: Checks) -> None:
        for key, field in fields_by_key(self._descriptor).items():
            entry = map_entry(field)
            message = entry.value.message_type if entry else field.message_type
            check = checks.of(message) if message else None
            if check is None:
                continue
            if entry:
                self._maps[key] = check
            elif field.is_repeated:
                self._repeated[key] = check
            else:
                self._single[key] = check

    def __call__(self, value: dict[str, Any]) -> None:
        keys = value.keys()
        for members in self._oneofs:
            found = members.keys() & keys
            # null leaves a field unset, but is a value of google.protobuf.NullValue.
            if len(found) > 1 and sum(value[k] is not None or members[k] for k in found) > 1:
                raise RefusedError
        for key in self._single.keys() & keys:
            if value[key] is not None:
                self._single[key](value[key])
        for key in self._repeated.keys() & keys:
            check = self._repeated[key]
            for element in value[key] or ():
                check(element)
        for key in self._maps.keys() & keys:
            check = self._maps[key]
            for element in (value[key] or {}).values():
                check(element)
