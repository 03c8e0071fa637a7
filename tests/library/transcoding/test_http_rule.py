"""google.api.http rules: requests put together, responses taken apart, invalid rules refused."""

# ruff: noqa: E501  # one case a line is easier to read
from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, text_format
from google.protobuf.descriptor import MethodDescriptor
from polyrpc.protojson import JsonCodec, JsonError
from polyrpc.protojson.style import JsonStyle
from polyrpc.transcoding.http_binding import HttpBinding, http_bindings
from polyrpc.transcoding.http_rule import Rule, check, read_annotation
from testing.v1 import testing_pb2

AllKinds = testing_pb2.AllKinds
LIBRARY = testing_pb2.DESCRIPTOR.services_by_name["Library"]
ECHO = testing_pb2.DESCRIPTOR.services_by_name["Echo"]
CODEC = JsonCodec()
LENIENT = JsonCodec(ignore_unknown_fields=True)
numbers = itertools.count()


def library(rpc: str) -> HttpBinding:
    return http_bindings(LIBRARY.methods_by_name[rpc], CODEC)[0]


def binding(rule: str, rpc: str = "Everything", codec: JsonCodec = CODEC) -> HttpBinding:
    parsed = text_format.Parse(rule, http_pb2.HttpRule())
    return HttpBinding(Rule(ECHO.methods_by_name[rpc], parsed), codec)


def decoded(
    rule: str | HttpBinding,
    variables: dict[str, str] | None = None,
    query: bytes = b"",
    body: bytes = b"",
) -> dict[str, Any]:
    """What a request is, as the dictionary of its set fields with their proto names."""
    bound = binding(rule) if isinstance(rule, str) else rule
    message = bound.decode(variables or {}, query, body)
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def annotated(rule: str) -> MethodDescriptor:
    """An RPC with that rule, in a file of its own."""
    name = f"annotated_{next(numbers)}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto",
        package=name,
        syntax="proto3",
        dependency=[testing_pb2.DESCRIPTOR.name],
    )
    method = file.service.add(name="Service").method.add(
        name="Call", input_type=".testing.v1.AllKinds", output_type=".testing.v1.AllKinds"
    )
    annotation = method.options.Extensions[annotations_pb2.http]
    annotation.SetInParent()
    text_format.Parse(rule, annotation)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name).services_by_name["Service"].methods_by_name["Call"]


def test_an_rpc_without_annotation_has_no_bindings() -> None:
    assert http_bindings(ECHO.methods_by_name["Unary"], CODEC) == []


def test_a_rule_and_its_additional_bindings_are_bindings() -> None:
    bindings = http_bindings(LIBRARY.methods_by_name["GetBook"], CODEC)
    assert [(bound.rule.method, bound.rule.template.text) for bound in bindings] == [
        ("GET", "/v1/{name=shelves/*/books/*}"),
        ("GET", "/v1/books/{name}"),
    ]


def test_path_and_query_make_a_request() -> None:
    assert decoded(
        library("ListBooks"),
        {"parent": "shelves/1"},
        b"pageSize=5&filter.author=Ann&filter.colours=COLOUR_RED&filter.colours=2&ids=1&ids=2"
        b"&filter.after=2020-01-01T00:00:00Z&filter.loan=1.5s&filter.fields=title,pages"
        b"&filter.pages=0&filter.signed=false&filter.digest=_w&filter.weight=NaN",
    ) == {
        "parent": "shelves/1",
        "page_size": 5,
        "ids": ["1", "2"],
        "filter": {
            "author": "Ann",
            "colours": ["COLOUR_RED", "COLOUR_GREEN"],
            "after": "2020-01-01T00:00:00Z",
            "loan": "1.500s",
            "fields": "title,pages",
            "pages": "0",
            "signed": False,
            "digest": "/w==",
            "weight": "NaN",
        },
    }


def test_path_and_query_and_body_field_make_a_request() -> None:
    assert decoded(
        library("CreateBook"), {"parent": "shelves/1"}, b"validate_only=true", b'{"title": "T"}'
    ) == {"parent": "shelves/1", "book": {"title": "T"}, "validate_only": True}


def test_the_whole_message_is_the_body() -> None:
    move = library("MoveBook")
    assert decoded(move, {"name": "b"}, b"", b'{"shelf": "s"}') == {"name": "b", "shelf": "s"}
    assert decoded(move, {"name": "b"}) == {"name": "b"}
    assert decoded('post: "/v1/x" body: "*"', body=b'{"int32Field": 1}') == {"int32_field": 1}


def test_the_path_wins_over_the_body() -> None:
    assert decoded(
        library("UpdateBook"),
        {"book.name": "path"},
        b"update_mask=title",
        b'{"name": "body", "title": "T"}',
    ) == {"book": {"name": "path", "title": "T"}, "update_mask": "title"}
    assert decoded(
        'post: "/v1/{int32_field}/{choice_string}" body: "*"',
        {"int32_field": "0", "choice_string": ""},
        body=b'{"int32Field": 7, "choiceInt64": 1, "stringField": "kept"}',
    ) == {"choice_string": "", "string_field": "kept"}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("int32_field", "-5", -5),
        ("uint64_field", "18446744073709551615", "18446744073709551615"),
        ("bool_field", "true", True),
        ("bool_field", "True", True),
        ("optional_string", "", ""),
        ("timestamp", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("int64_wrapper", "0", "0"),
        ("double_field", "NaN", "NaN"),
        ("colour", "COLOUR_RED", "COLOUR_RED"),
        ("colour", "2", "COLOUR_GREEN"),
        ("bytes_field", "_w==", "/w=="),
        ("optional_int32", "0", 0),
        ("inner.name", "a", {"name": "a"}),
        ("inner.name", "", {}),
        ("inner.child.child.name", "a", {"child": {"child": {"name": "a"}}}),
    ],
)
def test_path_variables_set_fields_of_every_scalar_type(field: str, text: str, value: Any) -> None:
    assert decoded(f'get: "/v1/{{{field}}}"', {field: text}) == {field.split(".")[0]: value}


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("int32_field", "x", "is not an integer from -2147483648 to 2147483647"),
        ("colour", "RED", "is not a value of testing.v1.Colour"),
        ("bool_field", "tRUE", "is not true or false"),
        ("timestamp", "2020-01-01", "is not a timestamp of RFC 3339"),
    ],
)
def test_a_path_variable_of_the_wrong_type_is_an_error_that_names_it(
    field: str, text: str, reason: str
) -> None:
    with pytest.raises(JsonError) as error:
        decoded(f'get: "/v1/{{{field}}}"', {field: text})
    assert str(error.value) == f'path variable "{field}" {reason}'


@pytest.mark.parametrize(
    ("field", "body", "value"),
    [
        ("inner", '{"name": "a"}', {"name": "a"}),
        ("inner", "{}", {}),
        ("inner", "null", None),
        ("inner", "", None),
        ("inner", " \n", None),
        ("repeated_inner", '[{"name": "a"}, {}]', [{"name": "a"}, {}]),
        ("repeated_int64", '["1", 2]', ["1", "2"]),
        ("repeated_int64", " [] ", None),
        ("repeated_int64", "", None),
        ("map_int64", '{"1": {"name": "a"}}', {"1": {"name": "a"}}),
        ("string_field", '"a"', "a"),
        ("string_field", "\n", None),
        ("double_field", "1.5", 1.5),
        ("double_field", '"NaN"', "NaN"),
        ("colour", '"COLOUR_RED"', "COLOUR_RED"),
        ("optional_int32", "0", 0),
        ("optional_int32", "null", None),
        ("timestamp", '"2020-01-01T00:00:00Z"', "2020-01-01T00:00:00Z"),
        ("int64_wrapper", "5", "5"),
        ("struct", '{"a": [1]}', {"a": [1.0]}),
        ("value", '"a"', "a"),
        ("renamed", '"a"', "a"),
        ("string_field", '"\u00e9 \\u00e9 }, {"', "é é }, {"),
    ],
)
def test_any_kind_of_field_is_the_body(field: str, body: str, value: Any) -> None:
    expected = {} if value is None else {field: value}
    assert decoded(f'post: "/v1/x" body: "{field}"', body=body.encode()) == expected


def test_a_null_body_of_a_value_is_the_null_value() -> None:
    message: Any = binding('post: "/v1/x" body: "value"').decode({}, b"", b"null")
    assert message.value.WhichOneof("kind") == "null_value"


def test_a_long_body_field_is_read_whole() -> None:
    name = "x" * 70_000
    assert decoded('post: "/v1/x" body: "inner"', body=json.dumps({"name": name}).encode()) == {
        "inner": {"name": name}
    }


@pytest.mark.parametrize("field", ["inner", "repeated_int64", "string_field", "map_string", "*"])
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1",
        b'"a", "int32Field": 1',
        b'{}, "int32Field": 1',
        b'[1], "int32Field": 1',
        b'[1]} {"int32Field": 1',
        b'"a" //',
        b'"\xff"',
        b"\xef\xbb\xbf[]",
        '["1"]'.encode("utf-16"),
        b"1" * 10_000,
        b"NaN",
        b"true",
        b'{"unknown": 1, "int32Field": []}',
        b"[" * 100_000,
        b'{"child":' * 100_000,
    ],
)
def test_a_body_that_is_not_the_field_is_an_error_in_one_line(field: str, body: bytes) -> None:
    with pytest.raises(JsonError) as error:
        decoded(f'post: "/v1/x" body: "{field}"', body=body)
    assert str(error.value).isprintable()


def test_a_message_that_the_path_adds_to_is_never_deeper_than_protobuf_reads() -> None:
    update = binding('post: "/v1/{inner.name}" body: "inner"')

    def outcome(depth: int) -> str:
        body = b'{"child":' * depth + b"{}" + b"}" * depth
        try:
            message = update.decode({"inner.name": "a"}, b"", body)
            AllKinds.FromString(message.SerializeToString())
        except JsonError as error:
            return str(error) if not str(error).isprintable() else "error"
        return "message"

    assert {outcome(depth) for depth in range(90, 110)} == {"message", "error"}


def test_a_body_where_none_is_expected_is_refused_unless_unknown_fields_are_ignored() -> None:
    rule = 'post: "/v1/x"'
    assert decoded(rule, body=b" \n") == {}
    assert decoded(rule, body=b" {\n} ") == {}
    for body in (b'{"string_field": "a"}', b"[]", b"null", b"{} {}", b"x"):
        with pytest.raises(JsonError, match=r"^no request body is expected$"):
            decoded(rule, body=body)
        assert decoded(binding(rule, codec=LENIENT), body=body) == {}


BOUND = "is not taken from the query: the path or the body sets it"


@pytest.mark.parametrize(
    ("rule", "parameter", "reason"),
    [
        ('get: "/v1/{string_field}"', "string_field", BOUND),
        ('get: "/v1/{inner.name}"', "inner.name", BOUND),
        ('post: "/v1/x" body: "inner"', "inner.name", BOUND),
        ('post: "/v1/x" body: "repeated_int64"', "repeatedInt64", BOUND),
        ('post: "/v1/x" body: "*"', "string_field", BOUND),
        ('post: "/v1/x" body: "*"', "x", "names no field of testing.v1.AllKinds"),
        ('get: "/v1/x"', "x", "names no field of testing.v1.AllKinds"),
        (
            'get: "/v1/{choice_string}"',
            "choice_int64",
            "sets a second member of the oneof choice",
        ),
        (
            'post: "/v1/x" body: "choice_inner"',
            "choice_int64",
            "sets a second member of the oneof choice",
        ),
    ],
)
def test_what_path_or_body_set_is_not_taken_from_the_query(
    rule: str, parameter: str, reason: str
) -> None:
    bound = binding(rule)
    body = b"{}" if bound.rule.body == "choice_inner" else b""
    variables = dict.fromkeys(bound.rule.template.variables, "")
    with pytest.raises(JsonError) as error:
        bound.decode(variables, f"{parameter}=1".encode(), body)
    assert str(error.value) == f'query parameter "{parameter}" {reason}'


def test_the_query_adds_to_a_message_that_the_path_sets_in_part() -> None:
    assert decoded('get: "/v1/{inner.name}"', {"inner.name": "a"}, b"inner.ids=1") == {
        "inner": {"name": "a", "ids": ["1"]}
    }


def test_unknown_query_parameters_are_ignored_where_the_option_says_so() -> None:
    bound = binding('get: "/v1/x"', codec=LENIENT)
    assert decoded(bound, query=b"x=1&int32_field=2") == {"int32_field": 2}


@pytest.mark.parametrize(
    ("field", "data", "text"),
    [
        ("inner", {"inner": {"name": "a"}}, '{"name":"a","ids":[]}'),
        ("inner", {"inner": {}}, '{"name":"","ids":[]}'),
        ("inner", {}, "null"),
        ("repeated_inner", {"repeatedInner": [{"name": "a"}, {}]}, '[{"name":"a","ids":[]},{"name":"","ids":[]}]'),
        ("repeated_inner", {}, "[]"),
        ("repeated_int64", {"repeatedInt64": [1]}, '["1"]'),
        ("repeated_int64", {}, "[]"),
        ("map_string", {"mapString": {"é": "b"}}, '{"é":"b"}'),
        ("map_string", {}, "{}"),
        ("string_field", {"stringField": 'é"', "int32Field": 1}, '"é\\""'),
        ("string_field", {"int32Field": 1}, '""'),
        ("int64_field", {"int64Field": 5}, '"5"'),
        ("int64_field", {}, '"0"'),
        ("double_field", {"doubleField": "NaN"}, '"NaN"'),
        ("bool_field", {}, "false"),
        ("colour", {}, '"COLOUR_UNSPECIFIED"'),
        ("optional_string", {"optionalString": ""}, '""'),
        ("optional_string", {}, "null"),
        ("timestamp", {"timestamp": "2020-01-01T00:00:00Z"}, '"2020-01-01T00:00:00Z"'),
        ("timestamp", {}, "null"),
        ("repeated_timestamp", {"repeatedTimestamp": ["1970-01-01T00:00:00Z"]}, '["1970-01-01T00:00:00Z"]'),
        ("int64_wrapper", {"int64Wrapper": 0}, '"0"'),
        ("value", {"value": None}, "null"),
        ("struct", {"struct": {"a": 1}}, '{"a":1}'),
        ("renamed", {"otherName": "a"}, '"a"'),
        ("choice_int64", {"choiceInt64": 0}, '"0"'),
        ("choice_int64", {"choiceString": "a"}, "null"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("preserving_proto_field_name", [False, True])
@pytest.mark.parametrize("always_print", [False, True])
def test_any_kind_of_field_is_the_response_body(
    field: str,
    data: dict[str, Any],
    text: str,
    preserving_proto_field_name: bool,
    always_print: bool,
) -> None:
    rule = http_pb2.HttpRule(get="/v1/x", response_body=field)
    style = JsonCodec(JsonStyle(preserving_proto_field_name, always_print))
    bound = HttpBinding(Rule(ECHO.methods_by_name["Everything"], rule), style)
    expected = json.loads(text)
    if not always_print and field.endswith("inner") and expected:
        inner = [expected] if isinstance(expected, dict) else expected
        for message in inner:
            for name in [name for name, value in message.items() if not value]:
                del message[name]
    message = json_format.ParseDict(data, AllKinds())
    assert json.loads(bound.encode(message)) == expected


def test_the_whole_response_is_the_body_by_default() -> None:
    assert json.loads(library("GetBook").encode(testing_pb2.Book(name="a")))["name"] == "a"


def test_each_message_of_a_request_stream_is_a_body() -> None:
    stream = binding('post: "/v1/texts" body: "*"', "ClientStream")
    assert decoded(stream, body=b'{"text": "a"}') == {"text": "a"}
    with pytest.raises(JsonError, match=r'^query parameter "text" is not taken from the query'):
        stream.decode({}, b"text=b", b'{"text": "a"}')


@pytest.mark.parametrize(
    ("rule", "method"),
    [
        ('get: "/v1/x"', "GET"),
        ('put: "/v1/x"', "PUT"),
        ('post: "/v1/x"', "POST"),
        ('delete: "/v1/x"', "DELETE"),
        ('patch: "/v1/x"', "PATCH"),
        ('custom {kind: "HEAD" path: "/v1/x"}', "HEAD"),
        ('custom {kind: "*" path: "/v1/x"}', "*"),
    ],
)
def test_each_pattern_of_a_rule_is_an_http_method(rule: str, method: str) -> None:
    assert (binding(rule).rule.method, binding(rule).rule.template.text) == (method, "/v1/x")


SINGLE = "the field is no single value"


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("", 'a method and path are needed, such as get: "/v1/books"'),
        ('body: "*"', 'a method and path are needed, such as get: "/v1/books"'),
        ('get: ""', 'path template "": "/" expected at position 0'),
        ('get: "/v1/{x"', 'path template "/v1/{x": "}" expected at position 6'),
        ('custom {path: "/v1/x"}', 'custom: "" is no HTTP method'),
        ('custom {kind: "A B" path: "/v1/x"}', 'custom: "A B" is no HTTP method'),
        ('get: "/v1/{x}"', 'path variable "x": testing.v1.AllKinds has no field x'),
        ('get: "/v1/{intField}"', 'path variable "intField": testing.v1.AllKinds has no field intField'),
        ('get: "/v1/{inner.x}"', 'path variable "inner.x": testing.v1.AllKinds.Inner has no field x'),
        ('get: "/v1/{x.y}"', 'path variable "x.y": x is no singular message'),
        ('get: "/v1/{int32_field.y}"', 'path variable "int32_field.y": int32_field is no singular message'),
        ('get: "/v1/{repeated_inner.name}"', 'path variable "repeated_inner.name": repeated_inner is no singular message'),
        ('get: "/v1/{map_string.key}"', 'path variable "map_string.key": map_string is no singular message'),
        ('get: "/v1/{timestamp.seconds}"', 'path variable "timestamp.seconds": timestamp is a single value'),
        *((f'get: "/v1/{{{name}}}"', f'path variable "{name}": {SINGLE}') for name in ("inner", "repeated_string", "map_string", "struct")),
        ('post: "/v1/x" body: "x"', 'body: testing.v1.AllKinds has no field "x"'),
        ('post: "/v1/x" body: "inner.name"', 'body: testing.v1.AllKinds has no field "inner.name"'),
        ('get: "/v1/x" body: "*"', "body: GET has no body"),
        ('post: "/v1/x/"', 'path template "/v1/x/": segment expected at position 6'),
        ('get: "/v1/{string_field}-{colour}"', 'path template "/v1/{string_field}-{colour}": "/" expected at position 18'),
        ('get: "/v1/{colour}/{colour}"', 'path template "/v1/{colour}/{colour}": second variable colour at position 14'),
        ('custom {kind: "HEAD" path: "/v1/x"} body: "*"', "body: HEAD has no body"),
        ('post: "/v1/{string_field}" body: "string_field"', "body: the path sets string_field already"),
        ('get: "/v1/x" response_body: "x"', 'response_body: testing.v1.AllKinds has no field "x"'),
        ('get: "/v1/x" response_body: "*"', 'response_body: testing.v1.AllKinds has no field "*"'),
        ('get: "/v1/x" additional_bindings {get: "v1"}', 'path template "v1": "/" expected at position 0'),
        ('get: "/v1/x" additional_bindings {get: "/v1/y" additional_bindings {get: "/v1/z"}}', "additional_bindings must not be nested"),
    ],
)  # fmt: skip
def test_an_invalid_annotation_is_left_out_with_one_line_that_names_it(
    rule: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    method = annotated(rule)
    (problem,) = read_annotation(method).problems
    assert problem.startswith(f"{method.full_name}: google.api.http: ")
    assert problem.endswith(reason)
    assert check([method]) == [problem]
    bindings = http_bindings(method, CODEC)
    assert [bound.rule.template.text for bound in bindings] == re.findall(
        '(?<=get: )"(/v1/[xy])"(?= addi)', rule
    )
    assert [record.getMessage() for record in caplog.records] == [f"not served: {problem}"]


def test_a_problem_names_the_method_and_path() -> None:
    problem, nested = read_annotation(
        annotated(
            'get: "/v1/x" additional_bindings {delete: "/v1/y" body: "z"}'
            ' additional_bindings {get: "/v1/z" additional_bindings {get: "/v1/a"}}'
        )
    ).problems
    assert 'google.api.http: DELETE "/v1/y": body: testing.v1.AllKinds has no field "z"' in problem
    assert nested.endswith('GET "/v1/a": additional_bindings must not be nested')


def test_what_hides_a_rule_is_told_with_the_rest() -> None:
    first, second = annotated('get: "/v1/x" body: "*"'), annotated('get: "/healthz"')
    third, fourth = annotated('get: "/v1/{string_field}"'), annotated('get: "/v1/{colour}"')
    body, health, again = check([first, second, third, fourth], [("GET", "/healthz")])
    assert body.endswith("body: GET has no body")
    assert health.startswith(f"{second.full_name} (GET /healthz) is never reached: GET /healthz ")
    assert again.startswith(
        f"{fourth.full_name} (GET /v1/{{colour}}) is never reached: {third.full_name} ("
    )


def test_descriptors_of_any_pool_are_checked() -> None:
    pool = descriptor_pool.DescriptorPool()
    pending = [annotated('post: "/v1/{timestamp}" body: "x"').containing_service.file]
    files = []
    while pending:
        file = pending.pop()
        files.insert(0, file)
        pending += file.dependencies
    for file in files:
        pool.AddSerializedFile(file.serialized_pb)
    service = pool.FindFileByName(files[-1].name).services_by_name["Service"]
    (problem,) = check(service.methods)
    assert problem.endswith('body: testing.v1.AllKinds has no field "x"')


def test_annotations_are_checked_without_framework_and_codec() -> None:
    script = """
        import sys
        for name in ("esmerald", "ravyn", "lilya", "grpc", "orjson", "protobuf"):
            sys.modules[name] = None
        from polyrpc.transcoding.http_rule import check
        from testing.v1 import testing_pb2
        print(check(testing_pb2.DESCRIPTOR.services_by_name["Library"].methods))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stderr, run.stdout) == ("", "[]\n")


@pytest.mark.parametrize("rpc", ["ClientStream", "Bidi"])
def test_a_stream_of_requests_needs_a_body(rpc: str) -> None:
    for rule in ('get: "/v1/x"', 'post: "/v1/x"'):
        with pytest.raises(
            ValueError, match=r'body: a stream of requests needs one, such as "\*"$'
        ):
            binding(rule, rpc)


def test_path_and_query_add_to_each_message_of_a_stream() -> None:
    stream = binding('post: "/v1/{text}" body: "*"', "ClientStream")
    assert decoded(stream, {"text": "a"}, body=b'{"count": 1}') == {"text": "a", "count": 1}
    stream = binding('post: "/v1/x" body: "text"', "ClientStream")
    assert decoded(stream, query=b"count=1", body=b'"a"') == {"text": "a", "count": 1}


def test_delete_may_have_a_body() -> None:
    rule = 'delete: "/v1/{string_field}" body: "*"'
    assert decoded(rule, {"string_field": "a"}, body=b'{"int32Field": 1}') == {
        "string_field": "a",
        "int32_field": 1,
    }
