"""Functions that turn long lists of messages into JSON text, put together by fields.

That of

    message Order { repeated Item items = 5; }
    message Item { string sku = 1; int64 price_cents = 4; }

is, but for lists where some have a zero, or nothing, in a field,

    def function_0(message, values):
     count = len(values)
     columns = constant_1(message, count)
     if not all(len(each) == count for each in columns): …
     parts = [b'"},{"sku":"', b'', b'","priceCents":"', b''] * count
     parts[1::4] = printed_strings(columns.pop(0))
     parts[3::4] = printed_numbers(columns.pop(0))
     parts[0] = b'[{"sku":"'
     parts.append(b'"}]')
     return Fragment(b''.join(parts))

so that all that is done for each message is done in C.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from orjson import dumps

_SAMPLES = 8
"""So many messages are looked at beforehand, or one more."""


class ListedField(NamedTuple):
    """A field of the messages of a list.

    Attributes:
        key: Its key in JSON.
        attribute: The expression for it in a message, which is `{}`, as a column has it.
        is_column: Whether a column has it.
        printed: The expression for a list of its JSON texts, given the list of what its attributes
            are, which is `{}`.
        is_quoted: Whether these texts have no quotes yet, and should.
    """

    key: str
    attribute: str
    is_column: bool
    printed: str
    is_quoted: bool


def list_source(
    read: str, sample: str, literal: str, fields: Sequence[ListedField]
) -> Iterator[str]:
    """Yields the lines of a function from a message and a list of messages in it to JSON.

    Args:
        read: The name of a function from both to the columns; see `columns.column_reader`.
        sample: The name of one from one of them to a tuple of what is in the columns.
        literal: The expression for the tree of one message, `each`.
        fields: Those of the messages.
    """
    yield "(message, values):"
    yield " count = len(values)"
    # Where some have no zero, hardly any of the others has one.
    yield f" samples = map({sample}, values[:: count // {_SAMPLES}])"
    yield f" columns = {read}(message, count) if all(map(all, samples)) else None"
    yield f" if columns is None: return [{literal} for each in values]"
    yield " if not all(len(each) == count for each in columns):"
    # Each is made anew whenever it is asked for.
    yield "  values = [*values]"
    for place, field in enumerate(filter(attrgetter("is_column"), fields)):
        attributes = _attributes(field)
        yield f"  if len(columns[{place}]) != count: columns[{place}] = {attributes}"
    # What comes before each text ends the one before it, that of the last field at first.
    quotes = [b'"' if field.is_quoted else b"" for field in fields]
    keys = [dumps(field.key) + b":" + quote for field, quote in zip(fields, quotes, strict=True)]
    between = [b"},{", *[b","] * (len(fields) - 1)]
    separators = [quotes[place - 1] + between[place] + key for place, key in enumerate(keys)]
    parts = [part for separator in separators for part in (separator, b"")]
    yield f" parts = {parts} * count"
    for place, field in enumerate(fields):
        # One column after the other gives way to its texts.
        column = "columns.pop(0)" if field.is_column else _attributes(field)
        yield f" parts[{2 * place + 1}::{len(parts)}] = {field.printed.format(column)}"
    yield f" parts[0] = {b'[{' + keys[0]!r}"
    yield f" parts.append({quotes[-1] + b'}]'!r})"
    yield " return Fragment(b''.join(parts))"


def _attributes(field: ListedField) -> str:
    return f"[{field.attribute.format('each')} for each in values]"
