"""Query strings as messages; `json_format` is the oracle."""

# ruff: noqa: E501  # one case a line is easier to read
from __future__ import annotations

import base64
import contextlib
import gc
import itertools
import json
import math
import sys
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.protojson import JsonError
from polyrpc.transcoding.query import MAX_DEPTH, QueryDecoder
from testing.v1 import testing_pb2

AllKinds = testing_pb2.AllKinds
decoder = QueryDecoder(AllKinds.DESCRIPTOR)


def decoded(query: str | bytes) -> testing_pb2.AllKinds:
    return AllKinds.FromString(decoder(query.encode() if isinstance(query, str) else query))


def error_of(query: str | bytes, query_decoder: QueryDecoder = decoder) -> str:
    with pytest.raises(JsonError) as error:
        query_decoder(query.encode() if isinstance(query, str) else query)
    return str(error.value)


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("", {}),
        ("&&", {}),
        ("string_field=a", {"stringField": "a"}),
        ("stringField=a", {"stringField": "a"}),
        ("string_field=a+b%20c%2B&int32_field=-5&", {"stringField": "a b c+", "int32Field": -5}),
        ("string_field=a=b", {"stringField": "a=b"}),
        ("string_field", {"stringField": ""}),
        ("string%5Ffield=%C3%A9", {"stringField": "é"}),
        ("otherName=a", {"otherName": "a"}),
        ("renamed=a", {"otherName": "a"}),
        ("bool_field=true", {"boolField": True}),
        *((f"bool_field={text}&bool_wrapper={text}", {"boolField": True, "boolWrapper": True}) for text in ("1", "t", "T", "true", "True", "TRUE")),
        *((f"bool_field={text}&bool_wrapper={text}", {"boolWrapper": False}) for text in ("0", "f", "F", "false", "False", "FALSE")),
        ("$alt=json;enum-encoding=int&string_field=a&%24key=%FF&$", {"stringField": "a"}),
        ("optional_int32=0&optional_string=", {"optionalInt32": 0, "optionalString": ""}),
        ("double_field=NaN", {"doubleField": "NaN"}),
        ("double_field=-Infinity", {"doubleField": "-Infinity"}),
        ("double_field=1e-3&float_field=3.4028234663852886e38", {"doubleField": 0.001, "floatField": 3.4028234663852886e38}),
        ("int64_field=-9223372036854775808", {"int64Field": "-9223372036854775808"}),
        ("uint64_field=18446744073709551615", {"uint64Field": "18446744073709551615"}),
        ("bytes_field=-_8", {"bytesField": "+/8="}),
        ("bytes_field=%2B/8=", {"bytesField": "+/8="}),
        ("colour=COLOUR_RED", {"colour": "COLOUR_RED"}),
        ("colour=2", {"colour": "COLOUR_GREEN"}),
        ("colour=77", {"colour": 77}),
        ("inner.name=a&inner.ids=1&inner.ids=2", {"inner": {"name": "a", "ids": [1, 2]}}),
        ("inner.name=", {"inner": {"name": ""}}),
        ("inner.child.child.name=a", {"inner": {"child": {"child": {"name": "a"}}}}),
        ("choice_inner.name=a&choice_inner.ids=1", {"choiceInner": {"name": "a", "ids": [1]}}),
        ("repeated_string=b&repeated_string=a", {"repeatedString": ["b", "a"]}),
        ("repeatedColour=1&repeated_colour=COLOUR_RED", {"repeatedColour": [1, 1]}),
        ("timestamp=2020-01-02T03:04:05.6Z", {"timestamp": "2020-01-02T03:04:05.6Z"}),
        ("timestamp=2020-01-02T03:04:05%2B01:00", {"timestamp": "2020-01-02T02:04:05Z"}),
        ("timestamp=1970-01-01T00:00:00Z", {"timestamp": "1970-01-01T00:00:00Z"}),
        ("repeated_timestamp=1970-01-01T00:00:00Z", {"repeatedTimestamp": ["1970-01-01T00:00:00Z"]}),
        ("duration=-1.5s", {"duration": "-1.500s"}),
        ("duration=0s", {"duration": "0s"}),
        ("field_mask=title,fooBar.baz", {"fieldMask": "title,fooBar.baz"}),
        ("field_mask=", {"fieldMask": ""}),
        ("bool_wrapper=false&int32_wrapper=0", {"boolWrapper": False, "int32Wrapper": 0}),
        ("int64_wrapper=1&string_wrapper=&bytes_wrapper=AA", {"int64Wrapper": 1, "stringWrapper": "", "bytesWrapper": "AA=="}),
        ("double_wrapper=Infinity&float_wrapper=1", {"doubleWrapper": "Infinity", "floatWrapper": 1}),
    ],
)  # fmt: skip
def test_parameters_set_fields_as_their_json_does(query: str, data: dict[str, Any]) -> None:
    assert decoded(query) == json_format.ParseDict(data, AllKinds()) or math.isnan(
        decoded(query).double_field
    )


def test_nothing_is_decoded_from_an_empty_query() -> None:
    assert decoder(b"") == b""


INT32 = "is not an integer from -2147483648 to 2147483647"
TIMESTAMP = "is not a timestamp of RFC 3339"
DURATION = "is not a duration such as 1.5s"
FIELD_MASK = "is not a field mask such as title,author.name"
MAP = "is a map, which a query string cannot hold"


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        *(("int32_field", value, INT32) for value in ("", "x", "1.0", "2147483648", " 1", "1_0", "\u0661", "+1")),
        ("uint32_field", "-1", "is not an integer from 0 to 4294967295"),
        ("uint64_field", "1" * 10_000, "is not an integer from 0 to 18446744073709551615"),
        *(("bool_field", value, "is not true or false") for value in ("", "tRUE", "yes", "2", " 1")),
        *(("double_field", value, "is not a number") for value in ("", "nan", "inf", "1_0", "0x1", ".5", "1.", " 1")),
        *(("double_field", value, "is out of range") for value in ("1e309", "-1e309")),
        ("float_field", "3.5e38", "is out of range"),
        *(("bytes_field", value, "is not base64") for value in ("A", "A A=", "AA=A", "é", "AA===")),
        *(("colour", value, "is not a value of testing.v1.Colour") for value in ("", "RED", "colour_red", "2147483648")),
        *(("timestamp", value, TIMESTAMP) for value in ("", "0", "2020-01-01", "2020-13-01T00:00:00Z", "2020-1-1T0:0:0Z", "2020-01-01T00:00:00", "0000-01-01T00:00:00Z", "2020-01-01T00:00:00+99:00")),
        *(("duration", value, DURATION) for value in ("", "1", "s", "+1s", ".5s", "1e3s", "999999999999s", "1_0s")),
        *(("field_mask", value, FIELD_MASK) for value in ("foo_bar", "a,,b", "a.", "a b")),
        ("int32_wrapper", "x", INT32),
        ("inner", "a", "is a message, of which a parameter names one field: inner.<field>"),
        ("empty", "", "is a message, of which a parameter names one field: empty.<field>"),
        ("repeated_inner", "a", "is a repeated message, which a query string cannot hold"),
        ("repeated_inner.name", "a", "leads into repeated_inner, which is a repeated message, which a query string cannot hold"),
        ("map_string", "a", MAP),
        ("map_string.key", "a", f"leads into map_string, which {MAP}"),
        ("struct", "a", "is a google.protobuf.Struct, which a query string cannot hold"),
        ("value", "a", "is a google.protobuf.Value, which a query string cannot hold"),
        ("list_value", "a", "is a google.protobuf.ListValue, which a query string cannot hold"),
        ("any", "a", "is a google.protobuf.Any, which a query string cannot hold"),
        ("timestamp.seconds", "1", "leads into timestamp, which is a single value"),
        ("string_field.x", "1", "leads into string_field, which is a single value"),
        ("inner.x", "1", "names no field of testing.v1.AllKinds.Inner"),
        ("x", "1", "names no field of testing.v1.AllKinds"),
        ("inner.", "1", "names no field of testing.v1.AllKinds.Inner"),
        ("", "1", "names no field of testing.v1.AllKinds"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_an_error_that_names_it(
    parameter: str, value: str, reason: str
) -> None:
    assert error_of(f"{parameter}={quote(value)}") == f'query parameter "{parameter}" {reason}'


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("int32_field=1&int32Field=1", 'query parameter "int32Field" is given twice'),
        ("inner.name=1&inner.name=1", 'query parameter "inner.name" is given twice'),
        ("timestamp=1970-01-01T00:00:00Z&" * 2, 'query parameter "timestamp" is given twice'),
        (
            "choice_string=&choice_int64=1",
            'query parameter "choice_int64" sets a second member of the oneof choice',
        ),
        (
            "choice_string=a&choice_inner.name=",
            'query parameter "choice_inner.name" sets a second member of the oneof choice',
        ),
        (
            "choice_inner.name=&choiceString=a",
            'query parameter "choiceString" sets a second member of the oneof choice',
        ),
        ("string_field=%zz", 'query parameter "string_field" has malformed percent-encoding'),
        ("string_field=%4", 'query parameter "string_field" has malformed percent-encoding'),
        ("string_field=%ff", 'query parameter "string_field" is not UTF-8'),
        (b"string_field=\xff", 'query parameter "string_field" is not UTF-8'),
        ("a%=1", 'query parameter "a%": the name has malformed percent-encoding'),
        (b"\xff=1", 'query parameter "\\u00ff": the name is not UTF-8'),
        (
            ".".join(["inner", *["child"] * MAX_DEPTH]) + ".name=1",
            'query parameter "inner.child.child.child.child.child.child.child.child.child.chil..." '
            "names more than 64 nested fields",
        ),
    ],
)
def test_parameters_that_contradict_or_cannot_be_read_are_errors(
    query: str | bytes, reason: str
) -> None:
    assert error_of(query) == reason


def test_a_parameter_may_lead_to_the_deepest_field_that_is_allowed() -> None:
    name = ".".join(["inner", *["child"] * (MAX_DEPTH - 2), "name"])
    message = decoded(f"{name}=a").inner
    for _ in range(MAX_DEPTH - 2):
        message = message.child
    assert message.name == "a"


def test_a_hostile_name_is_quoted_in_one_short_line() -> None:
    error = error_of("%0d%0aSet-Cookie:%1b%7f" + "x" * 10_000 + "=1")
    assert error.isprintable()
    assert len(error) < 200


def test_unknown_parameters_are_ignored_where_the_option_says_so() -> None:
    lenient = QueryDecoder(AllKinds.DESCRIPTOR, ignore_unknown_fields=True)
    assert (
        lenient(b"x=1&inner.x.y=1&x.y=%ff&int32_field=1")
        == AllKinds(int32_field=1).SerializeToString()
    )
    assert error_of("int32_field=x&x=1", lenient) == f'query parameter "int32_field" {INT32}'


@pytest.mark.parametrize(
    "parameter", ["string_field", "stringField", "inner.name", "choice_inner.name"]
)
def test_excluded_fields_are_refused_in_every_spelling(parameter: str) -> None:
    query_decoder = QueryDecoder(
        AllKinds.DESCRIPTOR,
        exclude=["string_field", "inner.name", "choice_inner"],
        ignore_unknown_fields=True,
    )
    assert error_of(f"{parameter}=a", query_decoder) == (
        f'query parameter "{parameter}" is not taken from the query: the path or the body sets it'
    )
    assert query_decoder(b"inner.ids=1")


def test_a_oneof_that_the_message_has_already_is_not_set_again() -> None:
    message = AllKinds(choice_string="a")
    with pytest.raises(JsonError, match="second member of the oneof choice"):
        decoder.merge(b"choice_int64=1", message)


def test_the_parameters_of_a_message_are_listed_without_end_of_recursion() -> None:
    query_decoder = QueryDecoder(AllKinds.DESCRIPTOR, exclude=["inner.ids", "choice_inner"])
    names = {
        ".".join(field.name for field in path)
        for path in query_decoder.parameters()
        if path[0].name in {"inner", "choice_inner", "empty", "map_string", "any", "timestamp"}
    }
    assert names == {"inner.name", "timestamp"}


def number(low: int, high: int) -> st.SearchStrategy[Any]:
    return st.integers(low, high) | st.integers(low, high).map(str)


floats = st.floats(width=32, allow_nan=False).map(
    lambda value: value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")
)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
base64s = st.binary(max_size=9).map(lambda value: base64.b64encode(value).decode())
moments = st.datetimes().map(lambda value: value.isoformat() + "Z")
spans = st.decimals(-(10**11), 10**11, places=9).map(lambda value: f"{value:f}s")
masks = st.lists(st.from_regex("[a-z]+([A-Z][a-z]+)?(\\.[a-z]+)?", fullmatch=True)).map(",".join)
colours = st.sampled_from(["COLOUR_RED", "COLOUR_GREEN", 0, 1, 2, 77])
inner = st.fixed_dictionaries(
    {}, optional={"name": texts, "ids": st.lists(number(-(2**63), 2**63 - 1), min_size=1)}
).filter(bool)
flat = st.fixed_dictionaries(
    {},
    optional={
        "doubleField": floats,
        "floatField": floats,
        "int32Field": number(-(2**31), 2**31 - 1),
        "int64Field": number(-(2**63), 2**63 - 1),
        "uint32Field": number(0, 2**32 - 1),
        "uint64Field": number(0, 2**64 - 1),
        "sint32Field": number(-(2**31), 2**31 - 1),
        "fixed64Field": number(0, 2**64 - 1),
        "boolField": st.booleans(),
        "stringField": texts,
        "bytesField": base64s,
        "colour": colours,
        "inner": inner,
        "optionalInt32": number(-(2**31), 2**31 - 1),
        "optionalString": texts,
        "repeatedDouble": st.lists(floats, min_size=1),
        "repeatedString": st.lists(texts, min_size=1),
        "repeatedBytes": st.lists(base64s, min_size=1),
        "repeatedColour": st.lists(colours, min_size=1),
        "choiceInt64": number(-(2**63), 2**63 - 1),
        "timestamp": moments,
        "duration": spans,
        "fieldMask": masks,
        "boolWrapper": st.booleans(),
        "int64Wrapper": number(-(2**63), 2**63 - 1),
        "floatWrapper": floats,
        "stringWrapper": texts,
        "bytesWrapper": base64s,
        "repeatedTimestamp": st.lists(moments, min_size=1),
        "otherName": texts,
    },
)


def flattened(data: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The parameters that say what the JSON object `data` says."""
    parameters = []
    for name, value in data.items():
        if isinstance(value, dict):
            parameters += flattened(value, f"{prefix}{name}.")
            continue
        for element in value if isinstance(value, list) else [value]:
            text = element if isinstance(element, str) else json.dumps(element)
            parameters.append((prefix + name, text))
    return parameters


@given(flat, st.sampled_from([quote, quote_plus]), st.randoms())
def test_a_query_is_the_message_that_the_same_json_is(
    data: dict[str, Any], quote_via: Any, random: Any
) -> None:
    parameters = flattened(data)
    random.shuffle(
        blocks := [[p for p in parameters if p[0] == name] for name in {p[0] for p in parameters}]
    )
    query = urlencode([parameter for block in blocks for parameter in block], quote_via=quote_via)
    assert decoded(query) == json_format.ParseDict(data, AllKinds())


known = st.sampled_from([field.name.encode() for field in AllKinds.DESCRIPTOR.fields])
names = st.lists(known | st.sampled_from([b"name", b"child", b"ids"]), max_size=3).map(b".".join)
pieces = st.tuples(names | st.binary(max_size=4), st.binary(max_size=8)).map(b"=".join)


@given(st.binary(max_size=60) | st.lists(pieces, max_size=4).map(b"&".join))
def test_any_query_is_a_message_or_a_one_line_error_that_quotes_it_safely(query: bytes) -> None:
    try:
        AllKinds.FromString(decoder(query))
        detail = ""
    except JsonError as error:
        detail = str(error)
    assert detail.isprintable()
    assert detail.isascii()


@pytest.mark.parametrize(
    "parameter",
    ["repeated_string=a", "inner" + ".child" * 60 + ".ids=1", "$x=1", "", "field_mask=a.b,c"],
)
def test_the_work_for_a_query_grows_as_the_query_does(parameter: str) -> None:
    def work(count: int) -> int:
        calls = itertools.count()

        def profile(_frame: Any, _event: str, _argument: Any) -> None:
            next(calls)

        query = "&".join([parameter] * count).encode()
        # What other tests left behind is not collected, and finalized, at this one's expense.
        gc.disable()
        sys.setprofile(profile)
        try:
            with contextlib.suppress(JsonError):
                decoder(query)
        finally:
            sys.setprofile(None)
            gc.enable()
        return next(calls)

    work(1)  # The tables of the message's fields are made when they are first used.
    assert work(4000) <= 2 * work(2000)
