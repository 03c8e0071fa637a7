"""The codec's compiled functions against the strict reader, which they must never differ from."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given, note
from hypothesis import strategies as st
from json_wire import decoder, encoder
from polyrpc.protojson import JsonCodec, JsonError, descriptors
from polyrpc.protojson.compiled_reader import CompiledReaders
from polyrpc.protojson.descriptors import DEEPEST, is_covered
from polyrpc.protojson.strict_reader import StrictReaders
from polyrpc.protojson.style import JsonStyle
from strategies import messages, mutated_texts
from testing.v1 import legacy_pb2, plain_pb2, testing_pb2
from testing.v1.plain_pb2 import PlainKinds, PlainLeaf, PlainMaps, PlainOrder, PlainTree

CLASSES: list[type[Message]] = [
    PlainKinds,
    PlainMaps,
    PlainOrder,
    PlainTree,
    legacy_pb2.Defaults,
    plain_pb2.PlainPart,
    plain_pb2.Aliased,
    testing_pb2.Book,
]
OPTIONS = [
    {"style": JsonStyle(names, fields), "ignore_unknown_fields": unknown}
    for names, fields, unknown in [
        (False, True, False),
        (True, False, False),
        (False, True, True),
        (True, True, False),
        (False, False, False),
    ]
]
CODECS = [JsonCodec(**options) for options in OPTIONS]
CODEC = CODECS[0]
READ = {each: CompiledReaders().of(each) for each in CLASSES}
ODD_TEXTS = [":", '":', '" :', "\\", '"', "a: b", '{"name":"', "-0,", "\u2028", "\x00", "null"]


def result(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except JsonError as error:
        return str(error)


def same(one: Any, other: Any) -> bool:
    # Equality of messages would hold NaN against them.
    if isinstance(one, Message) and isinstance(other, Message):
        return one.SerializeToString(deterministic=True) == other.SerializeToString(
            deterministic=True
        )
    return bool(one == other)


@cache
def decoders(message_class: type[Message], options: int) -> list[Any]:
    """Answers the strict reader, and what is to agree with it."""
    codec, parse = CODECS[options], message_class.FromString
    through_wire = decoder(codec, message_class.DESCRIPTOR)
    lenient = OPTIONS[options]["ignore_unknown_fields"]
    return [
        StrictReaders(ignore_unknown_fields=lenient).of(message_class),
        lambda text: parse(through_wire(text)),
        codec.message_decoder(message_class),
    ]


def check_decoders(message_class: type[Message], text: bytes, lenient: bool = False) -> Any:
    """Checks that all ways answer the same for a JSON text, and answers it."""
    answers = [result(each, text) for each in decoders(message_class, 2 if lenient else 0)]
    assert all(same(answers[0], each) for each in answers[1:])
    return answers[0]


def check_encoders(message: Message, options: int = 0) -> Any:
    """Checks that both ways answer the same JSON for a message, and answers it."""
    codec = CODECS[options]
    through_wire = encoder(codec, message.DESCRIPTOR)
    answers = [
        result(lambda: through_wire(message.SerializeToString())),
        result(codec.message_encoder(type(message)), message),
    ]
    if isinstance(answers[0], bytes):
        assert len({canonical(each) for each in answers}) == 1
        # Streams that are framed by lines rely on that.
        assert not any(line_break in each for each in answers for line_break in (b"\n", b"\r"))
        return json.loads(answers[0])
    assert len(set(answers)) == 1
    return answers[0]


def canonical(text: bytes) -> str:
    """Answers JSON with its keys sorted, which has what == does not see: 1.0, -0.0."""
    return json.dumps(json.loads(text), sort_keys=True)


@st.composite
def laid_out_texts(draw: st.DrawFn, message_class: type[Message]) -> str:
    """Draws the JSON of a message with white space, odd strings, and a key repeated or two."""
    names = draw(st.booleans())
    encode = encoder(CODECS[3 if names else 0], message_class.DESCRIPTOR)
    message = draw(messages(message_class.DESCRIPTOR))
    tree = json.loads(encode(message.SerializeToString()))
    for name in [name for name, value in tree.items() if isinstance(value, str)]:
        if draw(st.integers(0, 3)) == 0:
            tree[name] = draw(st.sampled_from(ODD_TEXTS))
    spaces = st.sampled_from(["", "", "", " ", "\n", "\t\r"])
    repeats = draw(st.booleans())

    def text_of(value: Any) -> str:
        if isinstance(value, dict):
            pairs = [
                f"{draw(spaces)}{json.dumps(key)}{draw(spaces)}:{draw(spaces)}{text_of(inner)}"
                for key, inner in value.items()
            ]
            if pairs and repeats and draw(st.booleans()):
                pairs.append(draw(st.sampled_from(pairs)))
            return "{" + ",".join(pairs) + draw(spaces) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(text_of, value)) + draw(spaces) + "]"
        return json.dumps(value, ensure_ascii=draw(st.booleans())) + draw(spaces)

    return text_of(tree)


@pytest.mark.parametrize("message_class", CLASSES, ids=lambda each: each.__name__)
class TestCompiledReadersAgreeWithTheStrictOne:
    @given(st.data(), st.booleans())
    def test_on_json_that_is_nearly_right(
        self, message_class: type[Message], data: st.DataObject, lenient: bool
    ) -> None:
        text = data.draw(mutated_texts(message_class.DESCRIPTOR))
        note(str(check_decoders(message_class, text.encode(), lenient)))

    @given(st.data(), st.booleans())
    def test_on_any_layout_and_on_repeated_keys(
        self, message_class: type[Message], data: st.DataObject, lenient: bool
    ) -> None:
        text = data.draw(laid_out_texts(message_class))
        note(text)
        note(str(check_decoders(message_class, text.encode(), lenient)))

    @given(st.data(), st.sampled_from(range(len(OPTIONS))))
    def test_on_the_json_of_a_message(
        self, message_class: type[Message], data: st.DataObject, options: int
    ) -> None:
        message = data.draw(messages(message_class.DESCRIPTOR))
        tree = check_encoders(message, options)
        note(str(tree))
        read = decoders(message_class, options)[0]
        assert same(read(json.dumps(tree).encode()), message)


PLAIN_TEXTS = [
    (PlainKinds, "{}"),
    (PlainKinds, '{"text":"a: b","time":"2026-01-02T03:04:05Z"}'),
    (PlainKinds, '{"doubleField":0,"ratio":0,"int64Field":"-5","sfixed64Field":7}'),
    (PlainKinds, '{"double_field":1.5,"int64_field":"5","shade_field":"SHADE_RED"}'),
    (PlainKinds, '{"@other \\"name\\"":"a","from":"b","values":{"a":"b"}}'),
    (PlainKinds, '{"bytesField":"+/8A","floatWrapper":0.5,"stringWrapper":"","leaf":null}'),
    (PlainKinds, '{"span":"-1.5s","repeatedTime":["2026-01-02T03:04:05.678Z"]}'),
    (PlainKinds, '{"leaves":[{"name":"a","count":"1","setAside":true},{}]}'),
    (PlainMaps, '{"mapInt64":{"-1":{"count":"1"}},"mapBool":{"true":false},"numbers":{"a":1}}'),
    (PlainOrder, '{"lines":[{"priceCents":"-1","weightKg":0,"ratio":1.5}],"byName":{"a":{}}}'),
]


@pytest.mark.parametrize(("message_class", "text"), PLAIN_TEXTS)
def test_plain_texts_are_read_without_the_strict_reader(
    message_class: type[Message], text: str
) -> None:
    message = READ[message_class](text.encode())
    assert same(message, check_decoders(message_class, text.encode()))
    assert check_encoders(message) == json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True
    )


@pytest.mark.parametrize(
    ("message_class", "text"),
    [
        (PlainKinds, '{"text":"a","text":"a"}'),
        (PlainKinds, '{"text":"a" :1,"text":"a"}'),
        (PlainKinds, '{"text" :"a","text":"b"}'),
        (PlainKinds, '{"text"\n:"a","text":"b","from":":"}'),
        (PlainKinds, '{"leaf":{"name":"a","name":"b"}}'),
        (PlainMaps, '{"mapInt64":{"1":{},"1":{}}}'),
        (PlainMaps, '{"mapInt64":{"1":{},"01":{}}}'),
        (PlainMaps, '{"mapInt64":{"0":{},"-0":{}}}'),
        (PlainKinds, '{"doubleField":-0}'),
        (PlainKinds, '{"repeatedFloat":[1,-0]}'),
        (PlainKinds, '{"doubleField":true}'),
        (PlainKinds, '{"int64Field":true}'),
        (PlainKinds, '{"int32Field":true}'),
        (PlainKinds, '{"shade":true}'),
        (PlainKinds, '{"boolField":1}'),
        (PlainKinds, '{"repeatedBool":[1]}'),
        (PlainKinds, '{"repeatedDouble":[true]}'),
        (PlainKinds, '{"repeatedInt32":[true]}'),
        (PlainMaps, '{"numbers":{"a":true}}'),
        (PlainMaps, '{"mapUint64":{"1":true}}'),
        (PlainKinds, '{"int32Field":1.0,"int64Field":1.0}'),
        (PlainKinds, '{"uint64Field":18446744073709551616}'),
        (PlainKinds, '{"int64Field":"\u0661"}'),
        (PlainKinds, '{"int64Field":" 1"}'),
        (PlainKinds, '{"floatField":3.4028235e38}'),
        (PlainKinds, '{"floatField":1e39}'),
        (PlainKinds, '{"repeatedString":"abc"}'),
        (PlainKinds, '{"leaves":{"name":{}}}'),
        (PlainKinds, '{"values":[["a","b"]]}'),
        (PlainKinds, '{"int64Field":"01"}'),
        (PlainKinds, '{"int64Field":"1_0"}'),
        (PlainKinds, '{"int64Field":"+1"}'),
        (PlainKinds, '{"int64Field":-9223372036854775809}'),
        (PlainKinds, '{"uint64Field":1e19}'),
        (PlainKinds, '{"doubleField":"1_0"}'),
        (PlainMaps, '{"mapInt64":{"1_0":{}}}'),
        (PlainMaps, '{"mapInt64":{"\uff11":{}}}'),
        (PlainKinds, '{"time":{"seconds":1}}'),
        (PlainKinds, '{"stringWrapper":{"value":"a"}}'),
        (PlainKinds, '{"repeatedStringWrapper":[null]}'),
        (PlainKinds, '{"repeatedInt64Wrapper":[null]}'),
        (PlainKinds, '{"leaves":[null]}'),
        (PlainKinds, '{"doubleField":1,"double_field":2}'),
        (PlainKinds, '{"doubleField":null,"double_field":2}'),
        (PlainKinds, '{"choiceString":"a","choiceDouble":1}'),
        (PlainKinds, '{"choice":"a"}'),
        (PlainKinds, '{"SHADE_RED":1}'),
        (PlainKinds, '{"time":"2026-W01-1T00:00:00Z"}'),
        (PlainKinds, '{"time":"2026-01-01T00:00:60Z"}'),
        (PlainKinds, '{"time":"2026-01-01T24:00:00Z"}'),
        (PlainKinds, '{"span":"315576000001s"}'),
        (PlainKinds, '{"bytesField":"-/8="}'),
        (PlainKinds, '{"bytesField":"AAAA="}'),
        (PlainKinds, "[]"),
        (PlainKinds, ""),
        (PlainKinds, '{"text":"\\ud800"}'),
    ],
)
def test_what_is_not_plain_is_left_to_the_strict_reader(
    message_class: type[Message], text: str
) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind, that is its contract
        READ[message_class](text.encode())
    for lenient in (False, True):
        check_decoders(message_class, text.encode(), lenient)


@pytest.mark.parametrize(
    "message",
    [
        PlainKinds(time={"seconds": 253402300800}),
        PlainKinds(time={"nanos": -1}),
        PlainKinds(span={"seconds": 1, "nanos": -1}),
        PlainKinds(span={"seconds": 315576000001}),
    ],
)
def test_a_message_without_a_json_form_is_refused_as_ever(message: Message) -> None:
    assert isinstance(check_encoders(message), str)


def test_fields_are_printed_in_the_order_of_their_declaration() -> None:
    text = CODEC.message_encoder(PlainKinds)(PlainKinds(choice_double=1, optional_int64=1))
    declared = [field.json_name for field in PlainKinds.DESCRIPTOR.fields]
    printed = list(json.loads(text))
    assert printed == [name for name in declared if name in printed]


def test_a_message_of_another_class_is_printed_as_the_class_reads_it() -> None:
    other: Any = PlainTree(name="a")
    encode = encoder(CODEC, PlainLeaf.DESCRIPTOR)
    assert CODEC.message_encoder(PlainLeaf)(other) == encode(other.SerializeToString())


@pytest.mark.parametrize("response", [PlainKinds, {"name": "a"}, None])
def test_what_is_no_message_raises_what_serializing_it_raises(response: Any) -> None:
    with pytest.raises(TypeError) as expected:
        PlainLeaf.SerializeToString(response)
    with pytest.raises(TypeError) as caught:
        CODEC.message_encoder(PlainLeaf)(response)
    assert str(caught.value) == str(expected.value)


def test_types_that_are_not_plain_are_left_to_the_strict_reader() -> None:
    for message_class in (
        testing_pb2.AllKinds,
        testing_pb2.MoreKinds,
        testing_pb2.UpdateBookRequest,
        legacy_pb2.Required,
        legacy_pb2.Extendable,
        legacy_pb2.Exchanged,
    ):
        assert not is_covered(message_class.DESCRIPTOR)


def test_a_key_means_the_field_that_has_it_as_its_json_name() -> None:
    message = legacy_pb2.Exchanged(first="a", second="b", third="c")
    assert check_encoders(message) == {"second": "a", "first": "b", "fourth": "c"}
    for text in (
        b'{"second":"a","first":"b","fourth":"c"}',
        b'{"first":"b","second":"a","third":"c"}',
    ):
        assert check_decoders(legacy_pb2.Exchanged, text) == message


def test_of_two_names_of_a_number_the_first_is_printed() -> None:
    message = check_decoders(plain_pb2.Aliased, b'{"twice":"TWICE_UNO"}')
    assert check_encoders(message) == {"twice": "TWICE_ONE"}


def trees(depth: int, field: str) -> bytes:
    """Answers the JSON of a `PlainTree` with so many levels of messages in it."""
    nested = {
        "child": ('{"child":', "}"),
        "children": ('{"children":[', "]}"),
        "byName": ('{"byName":{"a":', "}}"),
        "branch": ('{"branch":{"tree":', "}}"),
    }
    start, end = nested[field]
    levels = 2 if field in ("byName", "branch") else 1
    leaf = '{"leaf":{}}' if (depth % levels) else "{}"
    return (start * (depth // levels) + leaf + end * (depth // levels)).encode()


@pytest.mark.parametrize("field", ["child", "children", "byName", "branch"])
def test_types_that_contain_themselves_are_compiled_and_are_as_deep_as_protobuf_takes_them(
    field: str,
) -> None:
    assert is_covered(PlainTree.DESCRIPTOR)
    deepest, too_deep = trees(DEEPEST, field), trees(DEEPEST + 1, field)
    message = check_decoders(PlainTree, deepest)
    assert PlainTree.FromString(message.SerializeToString()) == message
    assert READ[PlainTree](trees(DEEPEST - 4, field)).ByteSize()
    with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind, that is its contract
        READ[PlainTree](too_deep)
    assert check_decoders(PlainTree, too_deep) == "nested deeper than 100 messages"


def test_nothing_is_compiled_for_another_implementation_of_protobuf(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert is_covered(PlainKinds.DESCRIPTOR)
    monkeypatch.setattr(descriptors, "HAS_UPB", False)
    assert not is_covered(PlainKinds.DESCRIPTOR)
    assert JsonCodec().message_decoder(PlainLeaf)(b'{"name":"a"}') == PlainLeaf(name="a")


def test_two_codecs_print_as_they_were_told() -> None:
    leaf = PlainLeaf(set_aside=True)
    full, brief = (codec.message_encoder(PlainLeaf) for codec in CODECS[:2])
    assert full(leaf) == b'{"name":"","count":"0","setAside":true}'
    assert brief(leaf) == b'{"set_aside":true}'
