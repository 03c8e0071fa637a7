"""For which message types compiled functions are faster than protobuf-py.

protobuf-py does in Rust what compiled functions do in Python and in protobuf's C, without the step
from one library's message to the other's. Which is faster depends on what a message is made of.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from .coverage import LEAVES
from .descriptors import closure, map_entry


@dataclass(frozen=True, slots=True)
class Costs:
    """What compiled functions cost more than protobuf-py, or save if negative.

    The unit is 10 ns on the machine that they were measured on; only ratios matter.

    Attributes:
        call: For each call.
        message: For each message.
        field: For each field that is none of the following.
        presence: On top, for a field that has it.
        collection: For each repeated field and each map.
        leaf: For each field that is a time or a wrapper.
    """

    call: int
    message: int
    field: int
    presence: int
    collection: int
    leaf: int


READING = Costs(call=-40, message=15, field=-13, presence=0, collection=18, leaf=65)
WRITING = Costs(call=-40, message=-12, field=2, presence=6, collection=28, leaf=60)


def is_worth_it(descriptor: Descriptor, costs: Costs) -> bool:
    """Answers whether compiled functions are the faster way for a type that they cover.

    Where messages in it are repeated, they alone count: there may be many.
    """
    repeated = [
        message
        for each in closure(descriptor).values()
        for field in each.fields
        if (message := _repeated_message(field))
    ]
    if not repeated:
        return _cost(descriptor, costs) + costs.call <= 0
    return all(_cost(message, costs) <= 0 for message in repeated)


def _repeated_message(field: FieldDescriptor) -> Descriptor | None:
    entry = map_entry(field)
    return (entry.value if entry else field).message_type if field.is_repeated else None


def _cost(message: Descriptor, costs: Costs) -> int:
    """Answers the cost of one message, and of those in it that are not repeated."""
    if message.full_name in LEAVES:
        return costs.leaf
    total = costs.message
    for field in message.fields:
        if field.is_repeated:
            total += costs.collection
            continue
        total += costs.presence if field.has_presence else 0
        total += costs.field if field.message_type is None else _cost(field.message_type, costs)
    return total
