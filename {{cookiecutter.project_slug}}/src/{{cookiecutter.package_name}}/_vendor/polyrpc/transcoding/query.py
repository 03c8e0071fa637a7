"""Query strings as messages, after the rules of `google/api/http.proto`.

Each parameter names a field, in the proto's spelling or in lowerCamelCase; dots lead into nested
messages; a repeated field takes one parameter per element. Maps, repeated messages and messages
of free form (`Struct`, `Value`, `ListValue`, `Any`) cannot be written in a query string.
Parameters that begin with `$` are system parameters (https://cloud.google.com/apis/docs/system-parameters)
and name no field.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ..protojson import JsonError
from ..protojson.descriptors import ANY, LIST_VALUE, STRUCT, VALUE
from .percent import percent_decode, quoted
from .scalar_text import text_setter

MAX_DEPTH = 64
"""How many fields one parameter may name, from the outermost to the innermost."""

_FREE_FORM = frozenset((ANY, LIST_VALUE, STRUCT, VALUE))


class QueryDecoder:
    """Decodes query strings as messages of one type.

    Args:
        descriptor: The message type.
        exclude: Dotted paths, in the proto's spelling, of fields that a parameter must neither
            set nor lead into, because the path or the body sets them.
        ignore_unknown_fields: Ignore parameters that name no field, rather than refuse them.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        *,
        exclude: Collection[str] = (),
        ignore_unknown_fields: bool = False,
    ) -> None:
        self._descriptor = descriptor
        self._message_class = GetMessageClass(descriptor)
        self._exclude = frozenset(exclude)
        self._ignore_unknown_fields = ignore_unknown_fields
        self._fields: dict[str, dict[str, _Field]] = {}

    def __call__(self, query: bytes) -> bytes:
        """Decode a query string.

        Args:
            query: The query string as it was sent, without the question mark.

        Returns:
            The message in protobuf's wire format.

        Raises:
            JsonError: A parameter is wrong; the text names it.
        """
        if not query:
            return b""
        message = self._message_class()
        self.merge(query, message)
        return message.SerializePartialToString()

    def merge(self, query: bytes, message: Message) -> None:
        """Set the fields that a query string names in a message of the decoder's type.

        A member of a oneof is refused where the message has another member of it.

        Raises:
            JsonError: A parameter is wrong; the text names it. The message may be half set.
        """
        given: set[str] = set()
        for parameter in query.replace(b"+", b" ").split(b"&"):
            if not parameter:
                continue
            raw_name, _, raw_value = parameter.partition(b"=")
            try:
                name = percent_decode(raw_name)
            except ValueError as error:
                shown = quoted(raw_name.decode("latin-1"))
                raise JsonError(f"query parameter {shown}: the name {error}") from None
            if name.startswith("$"):
                continue
            try:
                self._set(message, name, raw_value, given)
            except ValueError as error:
                raise JsonError(f"query parameter {quoted(name)} {error}") from None

    def parameters(self) -> Iterator[tuple[FieldDescriptor, ...]]:
        """Yield what the parameters may name, each as its fields from the outermost to the last.

        A message type is not entered again inside itself, so that recursive types come to an end.
        """
        yield from self._parameters(self._descriptor, (), frozenset())

    def _parameters(
        self, descriptor: Descriptor, outer: tuple[FieldDescriptor, ...], entered: frozenset[str]
    ) -> Iterator[tuple[FieldDescriptor, ...]]:
        entered |= {descriptor.full_name}
        for step in descriptor.fields:
            path = (*outer, step)
            if ".".join(field.name for field in path) in self._exclude:
                continue
            field = _Field(step)
            if field.put is not None:
                yield path
            elif field.message is not None and field.message.full_name not in entered:
                yield from self._parameters(field.message, path, entered)

    def _set(self, message: Message, name: str, raw_value: bytes, given: set[str]) -> None:
        *outer, last = name.split(".")
        if len(outer) >= MAX_DEPTH:
            raise ValueError(f"names more than {MAX_DEPTH} nested fields")
        target, descriptor, path = message, self._descriptor, ""
        for part in outer:
            field = self._field(descriptor, part)
            if field is None:
                return
            path += field.name
            self._check(field, path, target)
            if field.message is None:
                raise ValueError(f"leads into {path}, which {field.kind}")
            target, descriptor = getattr(target, field.name), field.message
            path += "."
        field = self._field(descriptor, last)
        if field is None:
            return
        path += field.name
        self._check(field, path, target)
        if field.put is None:
            raise ValueError(field.kind)
        if not field.repeated:
            if path in given:
                raise ValueError("is given twice")
            given.add(path)
        field.put(target, percent_decode(raw_value))

    def _field(self, descriptor: Descriptor, name: str) -> _Field | None:
        fields = self._fields.get(descriptor.full_name)
        if fields is None:
            fields = {field.name: _Field(field) for field in descriptor.fields}
            fields |= {field.json_name: fields[field.name] for field in descriptor.fields}
            self._fields[descriptor.full_name] = fields
        field = fields.get(name)
        if field is None and not self._ignore_unknown_fields:
            raise ValueError(f"names no field of {descriptor.full_name}")
        return field

    def _check(self, field: _Field, path: str, target: Message) -> None:
        if path in self._exclude:
            raise ValueError("is not taken from the query: the path or the body sets it")
        if field.oneof and target.WhichOneof(field.oneof) not in (None, field.name):
            raise ValueError(f"sets a second member of the oneof {field.oneof}")


class _Field:
    """A field as parameters reach it: set it (`put`), lead into it (`message`), or neither."""

    def __init__(self, descriptor: FieldDescriptor) -> None:
        self.name = descriptor.name
        self.repeated = descriptor.is_repeated
        self.oneof = descriptor.containing_oneof.name if descriptor.containing_oneof else None
        self.message: Descriptor | None = None
        self.put = text_setter(descriptor)
        message = descriptor.message_type
        if self.put is not None or message is None:
            self.kind = "is a single value"
        elif message.GetOptions().map_entry:
            self.kind = "is a map, which a query string cannot hold"
        elif self.repeated:
            self.kind = "is a repeated message, which a query string cannot hold"
        elif message.full_name in _FREE_FORM:
            self.kind = f"is a {message.full_name}, which a query string cannot hold"
        else:
            self.kind = f"is a message, of which a parameter names one field: {self.name}.<field>"
            self.message = message
