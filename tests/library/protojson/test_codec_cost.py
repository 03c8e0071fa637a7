"""What faulty JSON costs: not much more than good JSON, and in proportion to its size."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf import struct_pb2
from google.protobuf.message import Message
from json_wire import decoder
from polyrpc.protojson import JsonCodec, JsonError
from testing.v1 import plain_pb2, testing_pb2

TYPE = "type.googleapis.com"
FAULTS = {
    "number": '"zzz":1e999}',
    "digits": f'"zzz":{"1" * 5000}}}',
    "unknown": '"zzz":"x"}',
    "syntax": '"zzz":1,}',
    "constant": '"zzz":NaN}',
    "surrogate": '"zzz":"\\ud800"}',
    "duplicate": '"zzz":1,"zzz":2}',
    "character": '"zzz":"\U0001f600","zz":1}',
}
CODECS = {"strict": JsonCodec(), "lenient": JsonCodec(ignore_unknown_fields=True)}


def nested(value: Any) -> Any:
    """Answers a value to which a long path leads."""
    for _ in range(20):
        value = {"a long key " * 9: value}
    return value


def of_size(message_class: type[Message], size: int) -> dict[str, Any]:
    """Answers JSON of a type with so many parts."""
    book = {"name": "shelves/1/books/1", "title": "A title", "pages": "300", "tags": ["a", "b"]}
    line = {"sku": "abc-123", "priceCents": "995", "weightKg": 1.25, "shade": "SHADE_RED"}
    return {
        plain_pb2.PlainOrder: {"lines": [line] * size},
        plain_pb2.PlainTree: {"children": [{"name": "a", "child": {"children": [{}, {}]}}] * size},
        struct_pb2.Struct: nested([{"id": 1.5, "tags": ["a"]}, *[1] * 10] * size),
        testing_pb2.AllKinds: {"value": [line] * size, "bytesField": "AAAA" * size},
        testing_pb2.MoreKinds: {
            "repeatedAny": [{"@type": f"{TYPE}/testing.v1.Book", **book}] * size
        },
    }[message_class]


CLASSES = [
    plain_pb2.PlainOrder,
    plain_pb2.PlainTree,
    struct_pb2.Struct,
    testing_pb2.AllKinds,
    testing_pb2.MoreKinds,
]


def texts(message_class: type[Message], size: int) -> dict[str, bytes]:
    """Answers good JSON by the key "good", and that with one fault by each other."""
    good = json.dumps(of_size(message_class, size))
    faulty = {name: f"{good[:-1]},{fault}" for name, fault in FAULTS.items()}
    faulty["at the start"] = f'{{"zzz":1e999,{good[1:]}'
    return {key: text.encode() for key, text in {"good": good, **faulty}.items()}


def peak(decode: Callable[[bytes], Any], text: bytes) -> int:
    """Answers how many bytes of memory reading a text takes."""
    tracemalloc.start()
    try:
        attempt(decode, text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def steps(decode: Callable[[bytes], Any], text: bytes) -> int:
    """Answers how many functions, of Python and of C, reading a text calls."""
    count = 0

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        attempt(decode, text)
    finally:
        sys.setprofile(None)
    return count


def attempt(decode: Callable[[bytes], Any], text: bytes) -> None:
    with suppress(JsonError):
        decode(text)


@pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))
@pytest.mark.parametrize("message_class", CLASSES, ids=lambda each: each.__name__)
class TestFaultyJson:
    def test_takes_hardly_more_memory_than_good(
        self, message_class: type[Message], codec: JsonCodec
    ) -> None:
        decode = decoder(codec, message_class.DESCRIPTOR)
        good, *faulty = texts(message_class, 500).values()
        for text in (good, *faulty):
            attempt(decode, text)
        most = 3 * peak(decode, good)
        for text in faulty:
            assert peak(decode, text) < most

    def test_takes_steps_in_proportion_to_its_size(
        self, message_class: type[Message], codec: JsonCodec
    ) -> None:
        decode = decoder(codec, message_class.DESCRIPTOR)
        small, large = texts(message_class, 100), texts(message_class, 400)
        for fault in FAULTS:
            # The first time, functions are made.
            attempt(decode, small[fault])
            assert steps(decode, large[fault]) < 4.2 * steps(decode, small[fault]) + 100


def values_in(tree: Any) -> int:
    """Answers how many values a tree of JSON has in it, itself included."""
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return 1 + sum(map(values_in, inner))


@pytest.mark.parametrize("message_class", CLASSES[:2], ids=lambda each: each.__name__)
def test_compiled_types_take_few_more_steps_for_a_fault(message_class: type[Message]) -> None:
    decode = decoder(CODECS["strict"], message_class.DESCRIPTOR)
    good, *faulty = texts(message_class, 200).values()
    attempt(decode, good)
    most = steps(decode, good) + 4 * values_in(json.loads(good))
    for text in faulty:
        attempt(decode, text)
        assert steps(decode, text) < most


@pytest.mark.parametrize(
    ("name", "element", "wrong"),
    [
        ("repeatedInt32", 7, 1.5),
        ("repeatedString", "text", 1),
        ("repeatedShade", "SHADE_RED", "SHADE_OF_GREY"),
    ],
)
def test_elements_take_no_steps_of_their_own_until_there_is_a_fault(
    name: str, element: Any, wrong: Any
) -> None:
    decode = CODECS["strict"].message_decoder(plain_pb2.PlainKinds)
    good = json.dumps({name: [element] * 1000}).encode()
    texts = [good[:-1] + b',"zzz":1}', json.dumps({name: [element] * 1000 + [wrong]}).encode()]
    attempt(decode, good)
    for text in texts:
        attempt(decode, text)
        assert steps(decode, text) < steps(decode, good) + 100
    with pytest.raises(JsonError, match=rf"^{name}\[1000\]: expected "):
        decode(texts[1])


@pytest.mark.parametrize("message_class", CLASSES[2:], ids=lambda each: each.__name__)
def test_uncompiled_types_take_hardly_more_steps_for_a_fault(
    message_class: type[Message],
) -> None:
    decode = decoder(CODECS["strict"], message_class.DESCRIPTOR)
    good, *faulty = texts(message_class, 200).values()
    attempt(decode, good)
    for text in faulty:
        assert steps(decode, text) < 1.5 * steps(decode, good) + 100


def test_odd_bytes_are_no_reason_to_look_for_a_fault() -> None:
    # What an infinite number in a Value looks like on the wire.
    odd = testing_pb2.AllKinds(bytes_field=b"\x11\0\0\0\0\0\0\xf0\x7f", string_field="x" * 100_000)
    plain = testing_pb2.AllKinds(bytes_field=bytes(9), string_field="x" * 100_000)
    codec = CODECS["strict"]
    encode, decode = codec.message_encoder(type(odd)), codec.message_decoder(type(odd))
    assert peak(decode, encode(odd)) < 1.1 * peak(decode, encode(plain))
    assert decode(encode(odd)) == odd
