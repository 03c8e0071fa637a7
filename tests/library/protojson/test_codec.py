"""The JSON codec, rule by rule (https://protobuf.dev/programming-guides/json/)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import any_pb2, duration_pb2, json_format, wrappers_pb2
from google.protobuf.message import EncodeError, Message
from google.rpc import error_details_pb2
from json_wire import decoder, encoder
from polyrpc.protojson import JsonCodec, JsonError
from polyrpc.protojson.style import JsonStyle
from testing.v1 import edition_pb2, legacy_pb2, plain_pb2, testing_pb2
from testing.v1.testing_pb2 import AllKinds, MoreKinds

CODEC = JsonCodec()
BRIEF = JsonCodec(JsonStyle(always_print_fields_with_no_presence=False))
LENIENT = JsonCodec(ignore_unknown_fields=True)
_decode = decoder(CODEC, AllKinds.DESCRIPTOR)
_decode_lenient = decoder(LENIENT, AllKinds.DESCRIPTOR)
_encode = encoder(CODEC, AllKinds.DESCRIPTOR)
_encode_brief = encoder(BRIEF, AllKinds.DESCRIPTOR)

TYPE = "type.googleapis.com"


def decoded(text: str) -> AllKinds:
    return AllKinds.FromString(_decode(text.encode()))


def encoded(message: AllKinds) -> dict[str, Any]:
    return json.loads(_encode_brief(message.SerializeToString()))


def refusal(decode: Callable[[bytes], bytes], text: str | bytes) -> str:
    with pytest.raises(JsonError) as caught:
        decode(text if isinstance(text, bytes) else text.encode())
    return str(caught.value)


def fault(decode: Callable[[bytes], bytes], text: bytes) -> str:
    """Answers what is wrong with a text, or "none"."""
    try:
        decode(text)
    except JsonError as error:
        return str(error)
    return "none"


def nested(field: str, depth: int) -> str:
    return f'{{"{field}":' * depth + "{}" + "}" * depth


@pytest.mark.parametrize("text", [b"", b" ", b"\r\n\t "])
def test_no_text_is_the_empty_message(text: bytes) -> None:
    assert _decode(text) == b""
    assert decoder(CODEC, legacy_pb2.Extendable.DESCRIPTOR)(text) == b""


def test_output_is_compact_utf8_on_one_line() -> None:
    wire = testing_pb2.EchoResponse(text='é\n"', index=1).SerializeToString()
    encode = encoder(CODEC, testing_pb2.EchoResponse.DESCRIPTOR)
    assert encode(wire) == '{"text":"é\\n\\"","index":1}'.encode()


def test_names_are_printed_in_lower_camel_case_or_as_their_json_name() -> None:
    message = AllKinds(string_field="a", renamed="b")
    assert encoded(message) == {"stringField": "a", "otherName": "b"}


def test_both_names_of_a_field_are_read() -> None:
    expected = AllKinds(string_field="a", renamed="b")
    assert decoded('{"stringField":"a","otherName":"b"}') == expected
    assert decoded('{"string_field":"a","renamed":"b"}') == expected


def test_proto_names_are_printed_on_demand_within_any_too() -> None:
    codec = JsonCodec(
        JsonStyle(preserving_proto_field_name=True, always_print_fields_with_no_presence=False)
    )
    message = AllKinds(renamed="b")
    message.any.Pack(testing_pb2.UpdateBookRequest(book=testing_pb2.Book(), update_mask={}))
    text = encoder(codec, AllKinds.DESCRIPTOR)(message.SerializeToString())
    assert json.loads(text) == {
        "renamed": "b",
        "any": {
            "@type": f"{TYPE}/testing.v1.UpdateBookRequest",
            "book": {},
            "update_mask": "",
        },
    }


def test_fields_without_presence_are_always_printed_and_others_only_when_set() -> None:
    tree = json.loads(_encode(b""))
    assert tree["int64Field"] == "0"
    assert tree["colour"] == "COLOUR_UNSPECIFIED"
    assert tree["repeatedInner"] == []
    assert tree["mapInt64"] == {}
    assert tree.keys().isdisjoint(
        {"inner", "optionalInt32", "optionalString", "choiceString", "choiceNull", "timestamp"}
    )
    assert tree == json_format.MessageToDict(AllKinds(), always_print_fields_with_no_presence=True)


def test_fields_without_presence_are_left_out_on_demand() -> None:
    assert _encode_brief(b"") == b"{}"
    assert encoded(AllKinds(optional_int32=0, choice_string="")) == {
        "optionalInt32": 0,
        "choiceString": "",
    }


@pytest.mark.parametrize(
    ("field", "value", "printed"),
    [
        ("int32_field", -(2**31), -(2**31)),
        ("uint32_field", 2**32 - 1, 2**32 - 1),
        ("int64_field", -(2**63), "-9223372036854775808"),
        ("uint64_field", 2**64 - 1, "18446744073709551615"),
        ("sfixed64_field", 2**63 - 1, "9223372036854775807"),
        ("fixed64_field", 2**64 - 1, "18446744073709551615"),
        ("double_field", 0.1, 0.1),
        ("double_field", float("inf"), "Infinity"),
        ("float_field", float("-inf"), "-Infinity"),
        ("float_field", 0.1, 0.1),
        ("float_field", 16777216.0, 16777216.0),
        ("float_field", 1054366354112512.0, 1054366350000000.0),
        ("float_field", 1e-45, 1.4013e-45),
        ("float_field", 3.4028234663852886e38, 3.4028234663852886e38),
        ("bool_field", True, True),
        ("string_field", "\U0001f600\x00", "\U0001f600\x00"),
        ("bytes_field", b"\xfb\xff\x00", "+/8A"),
        ("colour", 2, "COLOUR_GREEN"),
        ("colour", 77, 77),
        ("choice_null", 0, None),
    ],
)
def test_scalars_are_printed_as_specified_and_read_back(
    field: str, value: Any, printed: Any
) -> None:
    message = AllKinds(**{field: value})
    name = AllKinds.DESCRIPTOR.fields_by_name[field].json_name
    assert encoded(message) == {name: printed}
    assert decoded(json.dumps({name: printed})) == message


def test_nan_is_a_string() -> None:
    message = AllKinds(double_field=float("nan"), float_field=float("nan"))
    assert encoded(message) == {"doubleField": "NaN", "floatField": "NaN"}
    assert decoded('{"doubleField":"NaN"}').double_field != 0


def test_floats_are_short_wherever_they_stand() -> None:
    message = MoreKinds(
        single_float=0.1,
        optional_float=0.0,
        repeated_float=[0.1, float("nan")],
        map_float={"a": 0.1},
        choice_float=0.1,
        child=MoreKinds(float_wrapper=wrappers_pb2.FloatValue(value=0.1)),
        children=[MoreKinds(choice_more=MoreKinds(choice_float=0.1))],
        map_more={"a": MoreKinds(optional_float=0.1)},
    )
    packed = MoreKinds(single_float=0.1)
    message.repeated_any.add().Pack(packed)
    assert json.loads(encoder(BRIEF, MoreKinds.DESCRIPTOR)(message.SerializeToString())) == {
        "singleFloat": 0.1,
        "optionalFloat": 0.0,
        "repeatedFloat": [0.1, "NaN"],
        "mapFloat": {"a": 0.1},
        "choiceFloat": 0.1,
        "child": {"floatWrapper": 0.1},
        "children": [{"choiceMore": {"choiceFloat": 0.1}}],
        "mapMore": {"a": {"optionalFloat": 0.1}},
        "repeatedAny": [{"@type": f"{TYPE}/testing.v1.MoreKinds", "singleFloat": 0.1}],
    }


@pytest.mark.parametrize("text", ["3.4028235e38", "340282350000000000000000000000000000000.0"])
@pytest.mark.parametrize("field", ["floatField", "floatWrapper"])
def test_the_largest_float_is_read_as_other_runtimes_print_it(field: str, text: str) -> None:
    largest = 3.4028234663852886e38
    message = decoded(f'{{"{field}":{text}}}')
    assert largest in (message.float_field, message.float_wrapper.value)


@pytest.mark.parametrize("text", ["100", "1e2", "100.0", '"100"', '"1e2"', '"100.0"'])
def test_integers_may_be_quoted_and_in_any_notation(text: str) -> None:
    assert decoded(f'{{"int32Field":{text},"uint64Field":{text}}}') == AllKinds(
        int32_field=100, uint64_field=100
    )


@pytest.mark.parametrize("text", ["+/8A", "-_8A", "+/8", "-_8", "+/8=", "-_8="])
def test_bytes_may_be_standard_or_url_safe_padded_or_not(text: str) -> None:
    assert decoded(f'{{"bytesField":"{text}"}}').bytes_field[:2] == b"\xfb\xff"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"timestamp":"1972-01-01T10:00:20.021Z"}', {"timestamp": (63108020, 21000000)}),
        ('{"timestamp":"1972-01-01T11:00:20.021+01:00"}', {"timestamp": (63108020, 21000000)}),
        ('{"duration":"-1.000340012s"}', {"duration": (-1, -340012)}),
    ],
)
def test_times_are_read(text: str, message: dict[str, tuple[int, int]]) -> None:
    for field, (seconds, nanos) in message.items():
        value = getattr(decoded(text), field)
        assert (value.seconds, value.nanos) == (seconds, nanos)


WELL_KNOWN = {
    "timestamp": "9999-12-31T23:59:59.999999999Z",
    "duration": "-0.500s",
    "fieldMask": "title,author.firstName",
    "struct": {"a": [1.5, None, {"b": True}], "": "x"},
    "value": [None, {}, "x"],
    "listValue": [[], 1.0],
    "empty": {},
    "boolWrapper": False,
    "int32Wrapper": 0,
    "int64Wrapper": "0",
    "uint32Wrapper": 0,
    "uint64Wrapper": "0",
    "floatWrapper": 0.1,
    "doubleWrapper": "NaN",
    "stringWrapper": "",
    "bytesWrapper": "",
    "repeatedTimestamp": ["1970-01-01T00:00:00Z"],
    "mapValue": {"a": None},
}


def test_every_well_known_type_has_its_own_json() -> None:
    assert encoded(decoded(json.dumps(WELL_KNOWN))) == WELL_KNOWN


def test_a_value_that_nothing_is_set_in_is_printed_as_null() -> None:
    message = AllKinds()
    message.value.SetInParent()
    assert encoded(message) == {"value": None}


@pytest.mark.parametrize(
    "payload",
    [
        {"@type": f"{TYPE}/testing.v1.Book", "title": "x", "pages": "5"},
        {"@type": f"{TYPE}/google.protobuf.Duration", "value": "1.500s"},
        {"@type": f"{TYPE}/google.protobuf.Value", "value": None},
        {"@type": f"{TYPE}/google.protobuf.Empty"},
        {"@type": f"{TYPE}/google.protobuf.Any", "value": {}},
        {
            "@type": f"{TYPE}/google.protobuf.Any",
            "value": {"@type": f"{TYPE}/google.protobuf.StringValue", "value": "x"},
        },
        {"@type": "example.com/some/testing.v1.Book", "title": "x"},
        {"@type": f"{TYPE}/testing.v1.Extendable", "[testing.v1.extra_number]": 5},
        {},
    ],
)
def test_any_carries_every_known_type(payload: dict[str, Any]) -> None:
    assert encoded(decoded(json.dumps({"any": payload}))) == {"any": payload}


def test_any_carries_types_of_files_that_the_message_does_not_depend_on() -> None:
    info = error_details_pb2.ErrorInfo(reason="STOCKOUT", metadata={"zone": "a"})
    tree = {
        "any": {
            "@type": f"{TYPE}/google.rpc.ErrorInfo",
            "reason": "STOCKOUT",
            "metadata": {"zone": "a"},
        }
    }
    message = AllKinds()
    message.any.Pack(info)
    fresh = JsonCodec(JsonStyle(always_print_fields_with_no_presence=False))
    for _ in range(2):
        assert json.loads(encoder(fresh, AllKinds.DESCRIPTOR)(message.SerializeToString())) == tree
    fresh = JsonCodec()
    for _ in range(2):
        wire = decoder(fresh, AllKinds.DESCRIPTOR)(json.dumps(tree).encode())
        assert AllKinds.FromString(wire) == message


def test_null_leaves_a_field_unset() -> None:
    nulls = {field.json_name: None for field in AllKinds.DESCRIPTOR.fields}
    del nulls["value"], nulls["choiceNull"]
    assert decoded(json.dumps(nulls)) == AllKinds()


def test_null_unsets_a_repeated_value() -> None:
    wire = decoder(CODEC, MoreKinds.DESCRIPTOR)(b'{"repeatedValue":null,"repeatedNull":[null]}')
    assert MoreKinds.FromString(wire) == MoreKinds(repeated_null=[0])


def test_null_is_a_value_of_value_and_null_value() -> None:
    message = decoded('{"value":null,"choiceNull":null}')
    assert message.value.WhichOneof("kind") == "null_value"
    assert message.WhichOneof("choice") == "choice_null"


def test_null_members_do_not_count_among_those_of_a_oneof() -> None:
    assert decoded('{"choiceString":"a","choiceInt64":null}').choice_string == "a"


@pytest.mark.parametrize("codec", [CODEC, LENIENT], ids=["strict", "lenient"])
@pytest.mark.parametrize(
    ("message_class", "text", "error"),
    [
        (AllKinds, '{"stringField":"a","string_field":"b"}', "stringField: duplicate key"),
        (AllKinds, '{"string_field":"a","stringField":"a"}', "string_field: duplicate key"),
        (AllKinds, '{"stringField":"a","string_field":null}', "stringField: duplicate key"),
        (AllKinds, '{"otherName":"a","renamed":"b"}', "otherName: duplicate key"),
        (AllKinds, '{"optionalInt32":1,"optional_int32":2}', "optionalInt32: duplicate key"),
        (AllKinds, '{"repeatedInt64":[1],"repeated_int64":[2]}', "repeatedInt64: duplicate key"),
        (AllKinds, '{"mapString":{},"map_string":{}}', "mapString: duplicate key"),
        (AllKinds, '{"choiceInt64":1,"choice_int64":2}', "choiceInt64: duplicate key"),
        (AllKinds, '{"fieldMask":"a","field_mask":"b"}', "fieldMask: duplicate key"),
        (MoreKinds, '{"child":{"nullValue":null,"null_value":null}}', "child.nullValue: dup"),
        (MoreKinds, '{"mapMore":{"a":{"mapAny":{},"map_any":{}}}}', 'mapMore["a"].mapAny: dup'),
        (
            MoreKinds,
            f'{{"repeatedAny":[{{"@type":"{TYPE}/testing.v1.AllKinds","boolField":true,"bool_field":true}}]}}',
            "repeatedAny[0].boolField: duplicate key",
        ),
        (plain_pb2.PlainKinds, '{"boolField":true,"bool_field":true}', "boolField: duplicate key"),
        (
            plain_pb2.PlainKinds,
            '{"leaves":[{},{"setAside":true,"set_aside":true}]}',
            "leaves[1].setAside: duplicate key",
        ),
        (
            plain_pb2.PlainMaps,
            '{"mapInt64":{"7":{"setAside":true,"set_aside":true}}}',
            'mapInt64["7"].setAside: duplicate key',
        ),
        # The same key of a map in two forms.
        (plain_pb2.PlainMaps, '{"mapInt32":{"1":1,"1.0":2}}', 'mapInt32["1.0"]: duplicate key'),
        (AllKinds, '{"mapInt64":{"0":{},"-0":{}}}', 'mapInt64["-0"]: duplicate key'),
    ],
)
def test_a_field_in_two_spellings_is_refused_like_a_duplicate(
    codec: JsonCodec, message_class: type[Message], text: str, error: str
) -> None:
    assert refusal(decoder(codec, message_class.DESCRIPTOR), text).startswith(error)


NO_NUMBERS = [
    *("12abc", "12,345", "1 2", "abc", "1\u00a0", "\u221e", "null", "0b1", "1e1_0"),
    "1_0",
    " 1",
    "1 ",
    "\t1",
    "+1",
    "01",
    "1.",
    ".5",
    "0x1",
    "1e",
    "\uff11",
    "\u0661",
    "",
    "--1",
]


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_numbers_in_quotes_have_the_grammar_of_json(number: str) -> None:
    quoted = json.dumps(number)
    for message_class, field in [
        (AllKinds, "int32Field"),
        (AllKinds, "uint64Field"),
        (AllKinds, "floatField"),
        (AllKinds, "doubleField"),
        (AllKinds, "int64Wrapper"),
        (AllKinds, "doubleWrapper"),
        (AllKinds, "repeatedInt64"),
        (AllKinds, "mapInt64"),
        (plain_pb2.PlainKinds, "int32Field"),
        (plain_pb2.PlainKinds, "int64Field"),
        (plain_pb2.PlainKinds, "doubleField"),
        (plain_pb2.PlainMaps, "mapInt64"),
        (plain_pb2.PlainMaps, "mapFixed32"),
    ]:
        value, place = quoted, field
        if field.startswith("repeated"):
            value, place = f"[{quoted}]", f"{field}[0]"
        elif field.startswith("map"):
            value, place = f"{{{quoted}:{{}}}}", f"{field}["
        decode = decoder(CODEC, message_class.DESCRIPTOR)
        assert refusal(decode, f'{{"{field}":{value}}}').startswith(place)


def test_a_lone_minus_zero_keeps_its_sign() -> None:
    decode = CODEC.message_decoder(wrappers_pb2.DoubleValue)
    assert str(decode(b"-0").value) == str(decode(b" -0 ").value) == "-0.0"
    assert str(decode(b"0").value) == "0.0"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('"9007199254740993"', 9007199254740993),
        ('"9007199254740993.0"', 9007199254740993),
        ('"922337203685477580.7e1"', 2**63 - 1),
        ('"-0"', 0),
        ("-0", 0),
        ("-9223372036854775808", -(2**63)),
        ("-9.223372036854775808e18", -(2**63)),
        ('"0e999999999999"', 0),
    ],
)
def test_integers_lose_no_digit(text: str, number: int) -> None:
    assert decoded(f'{{"int64Field":{text}}}').int64_field == number


@pytest.mark.parametrize("text", ['"1e999999999999"', '"1e-999999999999"', '"1.5"', "1" * 5000])
def test_integers_of_absurd_size_are_refused_at_once(text: str) -> None:
    assert refusal(_decode, f'{{"int64Field":{text}}}').startswith("int64Field: ")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"nowhere":1}', "nowhere: testing.v1.AllKinds has no such field"),
        ('{"no\\nwhere":1}', "no\\nwhere: testing.v1.AllKinds has no such field"),
        ('{"StringField":1}', "StringField: testing.v1.AllKinds has no such field"),
        ('{"inner":{"nowhere":1}}', "inner.nowhere: testing.v1.AllKinds.Inner has no such field"),
        ('{"[google.api.http]":{}}', "[google.api.http]: testing.v1.AllKinds has no such field"),
        (
            '{"inner":{"[google.api.http]":{}}}',
            "inner.[google.api.http]: testing.v1.AllKinds.Inner",
        ),
        ('{"int32Field":2147483648}', "int32Field: expected an integer in the range of int32"),
        ('{"int32Field":1.5}', "int32Field: expected an integer in the range of int32"),
        ('{"uint32Field":-1}', "uint32Field: expected an integer in the range of uint32"),
        ('{"int64Field":"9223372036854775808"}', "int64Field: expected an integer in the range"),
        ('{"int64Field":-9223372036854775809}', "int64Field: expected an integer in the range"),
        ('{"int64Field":-9223372036854776832}', "int64Field: expected an integer in the range"),
        ('{"uint64Field":18446744073709551616}', "uint64Field: expected an integer in the range"),
        ('{"uint64Field":true}', "uint64Field: expected an integer in the range of uint64"),
        ('{"int32Field":""}', "int32Field: expected an integer in the range of int32"),
        ('{"floatField":1e39}', "floatField: expected a number in the range of float"),
        ('{"doubleField":1e400}', "doubleField: expected a number in the range of double"),
        ('{"doubleField":"1e400"}', "doubleField: expected a number in the range of double"),
        ('{"doubleField":"inf"}', "doubleField: expected a number in the range of double"),
        ('{"boolField":"true"}', "boolField: expected true or false"),
        ('{"stringField":1}', "stringField: expected a string"),
        ('{"bytesField":"A"}', "bytesField: expected a base64 string"),
        ('{"bytesField":"!!!!"}', "bytesField: expected a base64 string"),
        ('{"bytesField":"-/8="}', "bytesField: expected a base64 string"),
        ('{"bytesField":"AQI=="}', "bytesField: expected a base64 string"),
        ('{"bytesField":["-"]}', "bytesField: expected a base64 string"),
        ('{"colour":"RED"}', "colour: expected a name or number of testing.v1.Colour"),
        ('{"colour":2147483648}', "colour: expected a name or number of testing.v1.Colour"),
        ('{"inner":[]}', "inner: expected an object"),
        (
            '{"repeatedInt64":[1,"x"]}',
            "repeatedInt64[1]: expected an integer in the range of int64",
        ),
        ('{"repeatedInner":[{"ids":[[]]}]}', "repeatedInner[0].ids[0]: expected an integer in the"),
        ('{"repeatedInner":[null]}', "repeatedInner[0]: null cannot be an element"),
        ('{"repeatedInt64":{}}', "repeatedInt64: expected an array"),
        ('{"mapString":[]}', "mapString: expected an object"),
        ('{"mapString":{"a":null}}', 'mapString["a"]: null cannot be an element'),
        ('{"mapInt64":{"x":{}}}', 'mapInt64["x"]: expected a key that is an integer in the range'),
        ('{"mapBool":{"1":1}}', 'mapBool["1"]: expected a key that is true or false, and a number'),
        ('{"mapInt64":{"1":{"name":1}}}', 'mapInt64["1"].name: expected a string'),
        ('{"timestamp":"2020-02-30T00:00:00Z"}', "timestamp: expected an RFC 3339 time"),
        ('{"timestamp":"0000-01-01T00:00:00Z"}', "timestamp: expected an RFC 3339 time"),
        ('{"duration":"315576000001s"}', "duration: expected a duration"),
        ('{"fieldMask":"a_b"}', "fieldMask: expected field paths"),
        ('{"struct":[]}', "struct: expected an object"),
        ('{"listValue":{}}', "listValue: expected an array"),
        ('{"struct":{"a":[1,1e400]}}', "struct.a[1]: expected a number in the range of double"),
        (f'{{"value":{"1" * 400}}}', "value: expected a number in the range of double"),
        (
            '{"int32Wrapper":"x"}',
            "int32Wrapper: expected an integer in the range of int32, or null",
        ),
        ('{"any":[]}', 'any: expected an object with "@type"'),
        ('{"any":{"title":"x"}}', 'any: "@type" is missing'),
        ('{"any":{"@type":"nowhere"}}', 'any: "@type" names no message type'),
        ('{"any":{"@type":1}}', 'any: "@type" names no message type'),
        (f'{{"any":{{"@type":"{TYPE}/testing.v1.Book","x":1}}}}', "any.x: testing.v1.Book has no"),
        (
            f'{{"any":{{"@type":"{TYPE}/google.protobuf.Value"}}}}',
            'any: "value", which holds the Value, is missing',
        ),
        (
            f'{{"any":{{"@type":"{TYPE}/google.protobuf.Duration","value":"1s","x":1}}}}',
            'any: only "@type" and "value" can stand here',
        ),
        (
            f'{{"any":{{"@type":"{TYPE}/google.protobuf.Duration","value":1}}}}',
            "any.value: expected a duration",
        ),
        (
            '{"choiceString":"a","choice_int64":1}',
            "choiceString and choice_int64 exclude each other (oneof choice)",
        ),
        (
            '{"choiceString":"a","choiceNull":null}',
            "choiceString and choiceNull exclude each other",
        ),
        (
            f'{{"any":{{"@type":"{TYPE}/testing.v1.AllKinds","choiceString":"","choiceInt64":1}}}}',
            "any: choiceString and choiceInt64 exclude each other",
        ),
        ("[]", "expected an object"),
        ("null", "expected an object"),
        ("1", "expected an object"),
        ('"x"', "expected an object"),
    ],
)
def test_json_that_is_not_the_message_is_refused_and_the_field_named(text: str, error: str) -> None:
    message = refusal(_decode, text)
    assert message.startswith(error)
    assert message.isprintable()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "line 1 column 2"),
        ('{"stringField":"a",}', "line 1 column 20"),
        ("{} {}", "line 1 column 4"),
        ("{}x", "line 1 column 3"),
        ('{\n"a":01}', "line 2 column 6"),
        ("{'stringField':'a'}", "line 1 column 2"),
        ('{"doubleField":NaN}', "line 1 column 16"),
        ('{"doubleField":Infinity}', "line 1 column 16"),
        ('{"stringField":"\\ud800"}', "line 1 column 17"),
        ('{"nowhere":["\\\\", "\\uDC00"]}', "line 1 column 20"),
        ('{"stringField":"\\ud83d\\ude00\\ude00"}', "line 1 column 29"),
        ('{"stringField":"\\ud83d\\ud83d\\ude00"}', "line 1 column 17"),
        ('{"stringField":"\\x"}', "line 1 column 17"),
        ('{"stringField":"\\\\\\"NaN","doubleField":-Infinity}', "line 1 column 40"),
        # Where something else is wrong before.
        ('{"floatField":1e999,"stringField":"\\"NaN","doubleField":NaN}', "line 1 column 57"),
        ('{"floatField":1e999,"stringField":"\\\\\\uD800"}', "line 1 column 38"),
        ('{"stringField":"a', "line 1 column 16"),
        ('{"stringField":"\t"}', "line 1 column 17"),
        (b'{"stringField":"\xff"}', "line 1 column 17"),
        (b'{"stringField":"\xed\xa0\x80"}', "line 1 column 17"),
        (b"\xef\xbb\xbf{}", "line 1 column 1"),
    ],
)
def test_malformed_json_is_refused_and_the_position_named(text: str | bytes, error: str) -> None:
    message = refusal(_decode, text)
    assert message.startswith("malformed JSON: ")
    assert error in message
    assert message.isprintable()
    assert "eOF" not in message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"stringField":"a","stringField":"a"}', "stringField"),
        ('{"stringField":"a","string\\u0046ield":"a"}', "stringField"),
        # As many colons as if there were none.
        ('{"stringField":"a","stringField":"\\u0022\\u003a"}', "stringField"),
        ('{"struct":{"a":1,"a":2}}', "struct.a"),
        ('{"value":[{"a":1,"a":2}]}', "value[0].a"),
        ('{"mapString":{"a":"","a":""}}', 'mapString["a"]'),
        ('{"mapInt64":{"1":{},"1":{}}}', 'mapInt64["1"]'),
        ('{"\\u001b\\n":1,"\\u001b\\n":1}', "\\u001b\\n"),
        ('{"repeatedInner":[{"name":"","name":""}]}', "repeatedInner[0].name"),
        (f'{{"any":{{"@type":"{TYPE}/google.protobuf.Empty","@type":""}}}}', "any.@type"),
    ],
)
def test_a_duplicate_key_is_refused_and_named(text: str, key: str) -> None:
    for decode in (_decode, _decode_lenient):
        assert refusal(decode, text) == f"{key}: duplicate key"


def test_a_duplicate_key_is_refused_where_fields_are_ignored() -> None:
    assert refusal(_decode_lenient, '{"nowhere":1,"nowhere":1}') == "nowhere: duplicate key"
    refusal(_decode_lenient, '{"nowhere":[{"a":{"b":1,"b":2}}]}')
    any_value = f'{{"@type":"{TYPE}/google.protobuf.Duration","value":"1s","x":{{"a":1,"a":2}}}}'
    refusal(_decode_lenient, f'{{"any":{any_value}}}')


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"stringField":' + "[" * 100_000,
        '{"any":{"x":' + "[" * 100_000 + "]" * 100_000 + "}}",
        '{"nowhere":' * 100_000,
        nested("inner", 100_000),
        '{"inner":' + nested("child", 10_000) + "}",
        '{"inner":' + nested("child", 100) + "}",
        '{"struct":' + nested("a", 10_000) + "}",
        '{"struct":' + nested("a", 40) + "}",
        '{"value":' + "[" * 150 + "]" * 150 + "}",
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    for decode in (_decode, _decode_lenient):
        assert refusal(decode, text).startswith("nested ")


def test_a_hundred_levels_are_taken() -> None:
    text = '{"inner":' + nested("child", 98) + "}"
    assert encoded(decoded(text)) == json.loads(text)


def test_maps_count_among_the_levels_of_nesting() -> None:
    decode = decoder(CODEC, MoreKinds.DESCRIPTOR)
    text = '{"mapMore":{"a":' * 60 + "{}" + "}}" * 60
    assert refusal(decode, text) == "nested deeper than 100 messages"
    text = '{"mapMore":{"a":' * 45 + "{}" + "}}" * 45
    assert MoreKinds.FromString(decode(text.encode())).ByteSize()


def test_the_text_of_an_error_stays_short() -> None:
    name = "x" * 10_000
    for text in (f'{{"{name}":1}}', f'{{"{name}":1,"{name}":2}}'):
        assert len(refusal(_decode, text)) < 400


def test_the_fault_of_a_very_long_text_is_named_too() -> None:
    text = json.dumps({"repeatedString": ["x" * 1_000_000], "int32Field": "x"})
    assert refusal(_decode, text) == "int32Field: expected an integer in the range of int32"
    text = '{"inner":' + '{"child":' * 98 + '{"nowhere":1}' + "}" * 99
    assert len(refusal(_decode, text)) < 400


def test_unknown_fields_and_names_are_ignored_on_demand_and_nothing_else_is() -> None:
    text = json.dumps(
        {
            "nowhere": [{"a": 1}],
            "stringField": "a",
            "colour": "NOWHERE",
            "repeatedColour": ["NOWHERE", 77, "COLOUR_RED"],
            "inner": {"nowhere": 1, "name": "b"},
            "mapInt64": {"1": {"nowhere": 1}},
            "any": {"@type": f"{TYPE}/testing.v1.Book", "nowhere": 1, "title": "x"},
        }
    )
    assert encoded(AllKinds.FromString(_decode_lenient(text.encode()))) == {
        "stringField": "a",
        "repeatedColour": [77, "COLOUR_RED"],
        "inner": {"name": "b"},
        "mapInt64": {"1": {}},
        "any": {"@type": f"{TYPE}/testing.v1.Book", "title": "x"},
    }
    assert refusal(_decode_lenient, '{"int32Field":"x"}').startswith("int32Field: ")
    assert refusal(_decode_lenient, '{"x":1,"choiceString":"","choiceInt64":1}')
    lenient = decoder(LENIENT, MoreKinds.DESCRIPTOR)
    assert lenient(b'{"choiceColour":"NOWHERE","mapColour":{"1":"NOWHERE"}}') == b""
    for key in ("x", "-1", "18446744073709551616"):
        assert refusal(lenient, f'{{"mapColour":{{"{key}":"NOWHERE"}}}}').startswith("mapColour[")
    assert refusal(lenient, '{"choiceColour":"NOWHERE","choiceBool":true}')
    assert refusal(lenient, '{"choiceColour":"NOWHERE","choice_colour":1}')
    assert refusal(_decode_lenient, '{"repeatedColour":"NOWHERE"}').startswith("repeatedColour: ")


@pytest.mark.parametrize(
    "message",
    [
        AllKinds(timestamp={"seconds": 253402300800}),
        AllKinds(duration={"seconds": 1, "nanos": -1}),
        AllKinds(field_mask={"paths": ["aB"]}),
        AllKinds(value={"number_value": float("nan")}),
        AllKinds(any=any_pb2.Any(type_url="nowhere", value=b"")),
        AllKinds(any=any_pb2.Any(value=b"x")),
        AllKinds(any=any_pb2.Any(type_url=f"{TYPE}/testing.v1.Book", value=b"\xff")),
    ],
)
def test_a_message_without_a_json_form_is_refused_in_one_line(message: AllKinds) -> None:
    with pytest.raises(JsonError) as caught:
        _encode(message.SerializeToString())
    assert len(str(caught.value).splitlines()) == 1


VALUES = [
    "null",
    "true",
    "0",
    "-0",
    "1.5",
    "1e400",
    '""',
    '"-"',
    '"1"',
    "[]",
    '["-"]',
    "[[]]",
    "{}",
]
VALUES += ['{"-":1}', '{"1":null}', '{"@type":1}', "[null]", "[{}]", "1" * 5000]


@pytest.mark.parametrize("message_class", [AllKinds, MoreKinds, plain_pb2.PlainKinds])
def test_every_value_of_every_field_is_read_or_refused_by_name(
    message_class: type[Message],
) -> None:
    for codec in (CODEC, LENIENT):
        decode = decoder(codec, message_class.DESCRIPTOR)
        for name in [field.json_name for field in message_class.DESCRIPTOR.fields]:
            for value in VALUES:
                text = f"{{{json.dumps(name)}:{value}}}".encode()
                assert fault(decode, text).startswith((name, "none"))


def test_errors_do_not_chain_the_library_s_own() -> None:
    with pytest.raises(JsonError) as caught:
        _decode(b'{"int32Field":"x"}')
    assert caught.value.__suppress_context__


LEGACY = [
    legacy_pb2.Defaults(number=0, text="", closed=2, many=[1, 2], ratio=0.1, packed=[1], left=""),
    legacy_pb2.Defaults(grouped={"name": "a"}, several=[{"id": 1}, {}], right=5),
    legacy_pb2.Defaults(),
    legacy_pb2.Required(name="a", child=legacy_pb2.Required(name="")),
    edition_pb2.Featured(explicit=0, implicit=0, shut=1, delimited={"ratio": 0.1}, expanded=[1]),
]


@pytest.mark.parametrize("message", LEGACY)
def test_proto2_and_editions_are_read_and_printed_as_json_format_does(message: Message) -> None:
    text = encoder(CODEC, message.DESCRIPTOR)(message.SerializeToString())
    assert json.loads(text) == json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True
    )
    assert type(message).FromString(decoder(CODEC, message.DESCRIPTOR)(text)) == message


ORDERS = [plain_pb2.PlainOrder.Line(sku="a", price_cents=1, shade=1)] * 200


@pytest.mark.parametrize(
    "message",
    [
        *LEGACY,
        plain_pb2.PlainOrder(lines=ORDERS, by_name={"a": ORDERS[0]}, time={"seconds": 1}),
        AllKinds(int64_field=1, repeated_colour=[1, 7], inner={}, bytes_field=b"a", struct={}),
    ],
)
def test_a_field_is_printed_as_it_is_in_its_message(message: Message) -> None:
    tree = json.loads(CODEC.message_encoder(type(message))(message))
    for field in message.DESCRIPTOR.fields:
        assert json.loads(CODEC.field_encoder(field)(message)) == tree.get(field.json_name)


def test_what_lacks_a_required_field_has_no_field_to_print() -> None:
    encode = CODEC.field_encoder(legacy_pb2.Required.DESCRIPTOR.fields_by_name["child"])
    with pytest.raises(EncodeError):
        encode(legacy_pb2.Required(name="a", child=legacy_pb2.Required()))


def test_enums_are_printed_as_numbers_on_demand_within_any_too() -> None:
    codec = JsonCodec(JsonStyle(use_integers_for_enums=True))
    message = AllKinds(colour=1, repeated_colour=[2, 7])
    message.any.Pack(plain_pb2.PlainOrder(lines=ORDERS))
    tree = json.loads(codec.message_encoder(AllKinds)(message))
    assert (tree["colour"], tree["repeatedColour"]) == (1, [2, 7])
    assert [line["shade"] for line in tree["any"]["lines"]] == [1] * len(ORDERS)


def test_extensions_are_read_and_printed() -> None:
    message = legacy_pb2.Extendable(text="a")
    message.Extensions[legacy_pb2.extra_number] = 5
    message.Extensions[legacy_pb2.extra_defaults].add(text="b")
    text = encoder(BRIEF, legacy_pb2.Extendable.DESCRIPTOR)(message.SerializeToString())
    assert json.loads(text) == {
        "text": "a",
        "[testing.v1.extra_number]": 5,
        "[testing.v1.extra_defaults]": [{"text": "b"}],
    }
    decode = decoder(CODEC, legacy_pb2.Extendable.DESCRIPTOR)
    assert legacy_pb2.Extendable.FromString(decode(text)) == message
    assert refusal(decode, '{"[testing.v1.extra_number]":"x"}').startswith(
        "[testing.v1.extra_number]: "
    )
    assert refusal(decode, '{"text":1}') == "text: expected a string"


def test_unknown_extensions_are_ignored_on_demand() -> None:
    decode = decoder(LENIENT, legacy_pb2.Extendable.DESCRIPTOR)
    wire = decode(b'{"[nowhere.x]":1,"y":1,"[testing.v1.extra_number]":5}')
    message = legacy_pb2.Extendable.FromString(wire)
    assert message.Extensions[legacy_pb2.extra_number] == 5


def test_a_missing_required_field_is_named() -> None:
    decode = decoder(CODEC, legacy_pb2.Required.DESCRIPTOR)
    assert refusal(decode, '{"name":"","child":{}}') == "child.name: required, but missing"
    text = f'{{"any":{{"@type":"{TYPE}/testing.v1.Required"}}}}'
    assert refusal(_decode, text) == "any.name: required, but missing"


def test_unknown_values_of_closed_enums_are_refused() -> None:
    decode = decoder(CODEC, legacy_pb2.Defaults.DESCRIPTOR)
    assert refusal(decode, '{"closed":77}').startswith("closed: expected a name or number")


@pytest.mark.parametrize(
    "descriptor", [duration_pb2.Duration.DESCRIPTOR, any_pb2.Any.DESCRIPTOR], ids=lambda d: d.name
)
def test_a_well_known_type_can_be_the_whole_message(descriptor: Any) -> None:
    text = b'"1.500s"'
    if descriptor.name == "Any":
        text = b'{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}'
    assert encoder(CODEC, descriptor)(decoder(CODEC, descriptor)(text)) == text


def test_the_stack_that_is_left_does_not_matter() -> None:
    text = ('{"inner":' + nested("child", 150) + "}").encode()

    def call(frames: int) -> str:
        return refusal(_decode, text) if frames == 0 else call(frames - 1)

    assert "nested" in call(sys.getrecursionlimit() - 400)
