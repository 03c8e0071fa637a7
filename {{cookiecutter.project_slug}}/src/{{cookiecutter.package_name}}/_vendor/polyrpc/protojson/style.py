"""The JSON options that decide what messages look like."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor


@dataclass(frozen=True, slots=True)
class JsonStyle:
    """How a gateway writes its messages as JSON.

    Attributes:
        preserving_proto_field_name: Print the field names of the `.proto` file, not lowerCamelCase.
        always_print_fields_with_no_presence: Print empty fields too, but for those with presence.
        use_integers_for_enums: Print the numbers of enum values, not their names.
    """

    preserving_proto_field_name: bool = False
    always_print_fields_with_no_presence: bool = True
    use_integers_for_enums: bool = False

    def name_of(self, field: FieldDescriptor) -> str:
        """Return the name of a field's JSON property."""
        return field.name if self.preserving_proto_field_name else field.json_name


CANONICAL_STYLE = JsonStyle()
