"""The two of the JSON options that decide what messages look like."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor


@dataclass(frozen=True, slots=True)
class JsonStyle:
    """How a gateway writes its messages as JSON.

    Attributes:
        preserving_proto_field_name: As in `google.protobuf.json_format`.
        always_print_fields_with_no_presence: As in `google.protobuf.json_format`.
    """

    preserving_proto_field_name: bool = False
    always_print_fields_with_no_presence: bool = True

    def name_of(self, field: FieldDescriptor) -> str:
        """Return the name of a field's JSON property."""
        return field.name if self.preserving_proto_field_name else field.json_name
