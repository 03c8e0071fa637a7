"""The codec's way for all that is not plain: exact, at a multiple of `json_format`'s speed.

protobuf-py does the work. What it does otherwise than the specification is put right around it, at
a cost only for the message types concerned:

- jiter reads every text first: protobuf-py lets the last of repeated keys win, and overflows the C
  stack, which ends the process, where a text is nested ten thousand deep.
- `checks` refuses a oneof set twice; `floats` rounds what is printed.
- Types that it does not support (`Traits.native`) take `json_format`, as does what it refuses to
  print.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.descriptor import Descriptor
from jiter import from_json

from .checks import Checks
from .fallback import CarefulDecoder, CarefulEncoder
from .floats import Shorteners
from .schema import Schema

Convert = Callable[[bytes], bytes]


class ThoroughCodec:
    """JSON text to wire format and back; the arguments are those of `JsonCodec`."""

    def __init__(
        self,
        *,
        preserving_proto_field_name: bool,
        always_print_fields_with_no_presence: bool,
        ignore_unknown_fields: bool,
    ) -> None:
        self._preserving_proto_field_name = preserving_proto_field_name
        self._always_print = always_print_fields_with_no_presence
        self._ignore_unknown_fields = ignore_unknown_fields
        self._schema = Schema()
        self._checks = Checks(self._schema, ignore_unknown_fields=ignore_unknown_fields)
        self._shorteners = Shorteners(self._schema)

    def decoder(self, descriptor: Descriptor) -> Convert:
        """Makes the function that `JsonCodec.decoder` describes."""
        careful = CarefulDecoder(
            descriptor,
            self._schema,
            self._checks,
            ignore_unknown_fields=self._ignore_unknown_fields,
        )
        traits = self._schema.traits(descriptor)
        if not traits.native:
            return careful
        parse, registry = self._schema.message_type(descriptor).from_json, self._schema.registry
        check = self._checks.of(descriptor)
        check_values = careful.check_values if traits.has_any or traits.nests_maps else None

        def decode(text: bytes) -> bytes:
            try:
                tree = from_json(
                    text, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys"
                )
                wire = parse(text, registry=registry).to_binary()
                if check is not None:
                    check(tree)
            except Exception:
                return careful(text)
            if check_values is not None:
                check_values(text, tree, wire)
            return wire

        return decode

    def encoder(self, descriptor: Descriptor) -> Convert:
        """Makes the function that `JsonCodec.encoder` describes."""
        careful = CarefulEncoder(
            descriptor,
            preserving_proto_field_name=self._preserving_proto_field_name,
            always_print_fields_with_no_presence=self._always_print,
        )
        if not self._schema.traits(descriptor).native:
            return careful
        parse, registry = self._schema.message_type(descriptor).from_binary, self._schema.registry
        shorten = self._shorteners.of(descriptor)
        preserving_proto_field_name = self._preserving_proto_field_name
        always_print = self._always_print

        def encode(wire: bytes) -> bytes:
            try:
                message = parse(wire)
                if shorten is not None:
                    shorten(message)
                return message.to_json(
                    registry=registry,
                    always_emit_implicit=always_print,
                    use_proto_field_name=preserving_proto_field_name,
                ).encode()
            except Exception:
                return careful(wire)

        return encode
