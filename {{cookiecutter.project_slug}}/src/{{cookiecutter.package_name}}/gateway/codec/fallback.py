"""The codec's slow paths: texts that were refused at first, and types that take `json_format`."""

from __future__ import annotations

import json
import re
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, EncodeError
from google.protobuf.message_factory import GetMessageClass
from jiter import from_json
from protobuf import message_from_json_value

from .checks import Checks, NotNativeError
from .errors import JsonError
from .faults import FaultError, Faults, find_overflow
from .rewrite import Rewriting
from .schema import Schema

_WHITE_SPACE = b" \t\r\n"
_SHALLOW = 32
"""So few brackets cannot nest 100 messages: a `Struct` makes three of one bracket, others less."""
_INFINITE_VALUES = (b"\x11\0\0\0\0\0\0\xf0\x7f", b"\x11\0\0\0\0\0\0\xf0\xff")
"""What an infinite number in a `google.protobuf.Value` looks like on the wire."""
_LONGEST_FAULT = 300
_TOO_DEEP = "nested deeper than 100 messages"
_JSON_FORMAT_FIELD = re.compile(r"Failed to parse (\S+) field")
_MOST_EXPLAINED = 256 * 1024
"""Bytes of the longest text that is searched for the place of a fault, at about 1 us a field."""


class CarefulDecoder:
    """Turns JSON text into wire format as `JsonCodec.decoder` says, and says what is wrong with it.

    Where protobuf-py refuses a text, it may only have to learn the type that an `Any` carries, or
    be spared unknown fields.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        schema: Schema,
        checks: Checks,
        *,
        ignore_unknown_fields: bool,
    ) -> None:
        self._descriptor = descriptor
        self._schema = schema
        traits = schema.traits(descriptor)
        self._native, self._nests_maps = traits.native, traits.nests_maps
        self._check = checks.of(descriptor)
        self._ignore_unknown_fields = ignore_unknown_fields
        self._rewriting = Rewriting(schema, ignore_unknown_fields=ignore_unknown_fields)
        self._faults = Faults(schema, ignore_unknown_fields=ignore_unknown_fields)
        self._message_class = GetMessageClass(descriptor)

    def __call__(self, text: bytes) -> bytes:
        try:
            tree = from_json(
                text, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys"
            )
        except ValueError as error:
            if not text.strip(_WHITE_SPACE):
                return b""
            raise JsonError(_syntax_fault(error)) from None
        try:
            native = self._schema.learn(tree) and self._native
            tree = self._rewriting.message(self._descriptor, tree)
            wire = self._decode(tree, native=native)
        except RecursionError:
            raise JsonError(_TOO_DEEP) from None
        except EncodeError as error:
            # Says which required fields are missing.
            raise JsonError(_one_line(error)) from None
        except Exception as error:
            raise JsonError(self._explain(error, tree, len(text))) from None
        self.check_values(text, tree, wire)
        return wire

    def check_values(self, text: bytes, tree: Any, wire: bytes) -> None:
        """Refuses what protobuf-py makes of a text where protobuf could not take or print it.

        Args:
            text: The JSON text.
            tree: The same, parsed.
            wire: The message that protobuf-py made of it.

        Raises:
            JsonError: A number in a `google.protobuf.Value` is not finite, or the message is nested
                deeper than 100 levels on the wire.
        """
        if any(value in wire for value in _INFINITE_VALUES):
            path = find_overflow(tree)
            if path is not None:
                raise JsonError(f"{path}: expected a number in the range of double")
        if self._nests_maps and text.count(b"{") + text.count(b"[") > _SHALLOW:
            try:
                self._message_class.FromString(wire)
            except DecodeError:
                raise JsonError(_TOO_DEEP) from None

    def _decode(self, tree: Any, *, native: bool) -> bytes:
        if native:
            try:
                made = message_from_json_value(
                    self._schema.message_type(self._descriptor),
                    tree,
                    registry=self._schema.registry,
                )
                if self._check is not None:
                    self._check(tree)
                return made.to_binary()
            except NotNativeError:
                pass
        message = self._message_class()
        json_format.ParseDict(tree, message, ignore_unknown_fields=self._ignore_unknown_fields)
        return message.SerializeToString()

    def _explain(self, error: Exception, tree: Any, size: int) -> str:
        if size <= _MOST_EXPLAINED:
            try:
                self._faults.find(self._descriptor, tree)
            except FaultError as fault:
                return str(fault)
            except RecursionError:
                return _TOO_DEEP
        fields = _JSON_FORMAT_FIELD.findall(str(error))
        return f"{fields[-1]}: invalid" if fields else f"not a {self._descriptor.full_name}"


class CarefulEncoder:
    """Turns wire format into JSON text by way of `json_format`, as `JsonCodec.encoder` says."""

    def __init__(
        self,
        descriptor: Descriptor,
        *,
        preserving_proto_field_name: bool,
        always_print_fields_with_no_presence: bool,
    ) -> None:
        self._message_class = GetMessageClass(descriptor)
        self._preserving_proto_field_name = preserving_proto_field_name
        self._always_print = always_print_fields_with_no_presence

    def __call__(self, wire: bytes) -> bytes:
        try:
            tree = json_format.MessageToDict(
                self._message_class.FromString(wire),
                preserving_proto_field_name=self._preserving_proto_field_name,
                always_print_fields_with_no_presence=self._always_print,
            )
            text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return text.encode()
        except Exception as error:
            raise JsonError(_one_line(error)) from None


def _syntax_fault(error: ValueError) -> str:
    text = _one_line(error)
    if text.startswith("recursion limit exceeded"):
        return text.replace("recursion limit exceeded", "nested too deeply")
    return f"malformed JSON: {text[0].lower()}{text[1:]}"


def _one_line(error: Exception) -> str:
    """Answers what an error says, which may quote the caller, fit for a line of a log."""
    text = str(error)
    if len(text) > _LONGEST_FAULT:
        half = _LONGEST_FAULT // 2
        text = f"{text[:half]}...{text[-half:]}"
    text = " ".join(text.split())
    return text if text.isprintable() else json.dumps(text)[1:-1]
