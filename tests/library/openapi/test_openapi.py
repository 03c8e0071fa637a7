"""OpenAPI 3.1 of operations: paths, parameters, media types and schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.api.http_pb2 import HttpRule
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from library_service import LibraryService
from openapi_spec_validator import OpenAPIV31SpecValidator
from polyrpc.openapi.comments import comments_of, summary_of
from polyrpc.openapi.document import describe
from polyrpc.openapi.operation import Operation, rest_operation, rpc_operations
from polyrpc.protojson.style import JsonStyle
from polyrpc.rpc.methods import RpcMethod, method_table
from polyrpc.transcoding.http_rule import Rule, read_annotation
from serving import EchoService
from testing.split import service_pb2_grpc
from testing.v1 import documented_pb2_grpc, media_pb2_grpc, testing_pb2

COMMENTS = comments_of((Path(testing_pb2.__file__).parents[2] / "descriptors.binpb").read_bytes())
CANONICAL = JsonStyle()
ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


class ArchiveService(documented_pb2_grpc.ArchiveServicer):
    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        documented_pb2_grpc.add_ArchiveServicer_to_server(instance, server)


class MediaService(media_pb2_grpc.MediaServicer):
    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        media_pb2_grpc.add_MediaServicer_to_server(instance, server)


class OtherEchoService(service_pb2_grpc.EchoServicer):
    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        service_pb2_grpc.add_EchoServicer_to_server(instance, server)


RPCS: dict[str, RpcMethod] = {
    rpc.descriptor.name: rpc for rpc in method_table([EchoService, LibraryService, ArchiveService])
}
RPCS["OtherUnary"] = method_table([OtherEchoService])[0]
RPCS |= {f"Media{rpc.descriptor.name}": rpc for rpc in method_table([MediaService])}


def plain(
    name: str,
    methods: list[str] | None = None,
    style: JsonStyle = CANONICAL,
    comments: dict[str, str] | None = None,
) -> list[Operation]:
    rpc = RPCS[name]
    commented = COMMENTS if comments is None else comments
    return rpc_operations(rpc, "/grpc" + rpc.http_path, methods or ["POST"], style, commented)


def rest(name: str) -> list[Operation]:
    rpc = RPCS[name]
    rules = read_annotation(rpc.descriptor).rules
    return [rest_operation(rpc, each, CANONICAL, COMMENTS) for each in rules]


def bound(name: str, **rule: str) -> Operation:
    rpc = RPCS[name]
    return rest_operation(rpc, Rule(rpc.descriptor, HttpRule(**rule)), CANONICAL, COMMENTS)


def everything() -> list[Operation]:
    operations = [operation for name in RPCS for operation in plain(name, ALL_METHODS)]
    return operations + [operation for name in RPCS for operation in rest(name)]


def document(operations: list[Operation]) -> dict[str, Any]:
    info = {"title": "Test", "version": "1"}
    whole = {"openapi": "3.1.0", "info": info, **describe(operations)}
    OpenAPIV31SpecValidator(whole).validate()
    return whole


def component(whole: dict[str, Any], name: str) -> Any:
    return whole["components"]["schemas"][name]


def only_operation(operations: list[Operation]) -> Any:
    (methods,) = document(operations)["paths"].values()
    (operation,) = methods.values()
    return operation


def parameters(operation: Any, place: str) -> dict[str, Any]:
    return {
        parameter["name"]: parameter
        for parameter in operation["parameters"]
        if parameter.get("in") == place
    }


def validator(whole: dict[str, Any], name: str) -> Draft202012Validator:
    reference = {"$ref": f"#/components/schemas/{name}", "components": whole["components"]}
    return Draft202012Validator(reference)


# Operations


def test_every_route_of_every_rpc_makes_one_valid_document() -> None:
    whole = document(everything())
    operations = [operation for path in whole["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids)) == len(RPCS) * len(ALL_METHODS) + 16


def test_every_schema_is_of_draft_2020_12() -> None:
    for schema in document(everything())["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def ids_of(described: dict[str, Any]) -> list[str]:
    return [
        operation["operationId"]
        for methods in described["paths"].values()
        for operation in methods.values()
    ]


def test_further_routes_of_an_rpc_are_named_by_their_methods_and_paths() -> None:
    verb = bound("GetBook", get="/v1/books/{name}:read")
    literal = bound("GetBook", get="/v1/books/by-name/read")
    assert ids_of(document([*plain("GetBook"), *rest("GetBook"), verb, literal])) == [
        "Library_GetBook",
        "Library_GetBook_get",
        "Library_GetBook_get_v1_books_by_name",
        "Library_GetBook_get_v1_books_by_name_read",
        "Library_GetBook_get_v1_books_by_name_read_again",
    ]
    assert ids_of(document(plain("Unary", ["GET", "POST"]))) == ["Echo_Unary", "Echo_Unary_post"]


def test_ids_that_the_rest_of_the_document_has_are_not_used_again() -> None:
    assert ids_of(describe(plain("Unary"), taken_ids=["Echo_Unary"])) == ["Echo_Unary_post"]


def test_services_of_one_name_are_told_apart_by_their_packages() -> None:
    whole = document([*plain("Unary"), *plain("OtherUnary")])
    assert ids_of(whole) == ["Echo_Unary", "testing_split_Echo_Unary"]


def test_comments_become_summaries_descriptions_and_tags() -> None:
    whole = document(plain("ServerStream"))
    operation = whole["paths"]["/grpc/echoservice/serverstream"]["post"]
    assert operation["summary"] == "Answers the text `count` times"
    assert operation["description"] == (
        "Answers the text `count` times.\n\n"
        "gRPC: `/testing.v1.Echo/ServerStream`, a stream of responses."
    )
    assert operation["tags"] == ["testing.v1.Echo"]
    assert whole["tags"] == [
        {
            "name": "testing.v1.Echo",
            "description": "One RPC of each kind, each echoing what it is sent.",
        }
    ]
    text = component(whole, "testing.v1.EchoRequest")["properties"]["text"]
    assert text == {"type": "string", "description": "What to say back."}


def test_without_a_descriptor_set_only_the_comments_are_missing() -> None:
    whole = document(plain("Unary", comments={}))
    operation = whole["paths"]["/grpc/echoservice/unary"]["post"]
    assert "summary" not in operation
    assert operation["description"] == "gRPC: `/testing.v1.Echo/Unary`."
    assert whole["tags"] == [{"name": "testing.v1.Echo"}]
    schema = component(whole, "testing.v1.EchoRequest")
    assert schema["properties"]["text"] == {"type": "string"}


def test_deprecated_services_have_deprecated_operations() -> None:
    assert only_operation(plain("Store"))["deprecated"] is True
    assert "deprecated" not in only_operation(plain("Unary"))


def test_block_comments_and_paragraphs_keep_their_lines() -> None:
    whole = document(plain("Store"))
    operation = whole["paths"]["/grpc/archiveservice/store"]["post"]
    assert operation["summary"] == "Stores a record"
    assert operation["description"].startswith("Stores a record. Overwrites\nwhat is there.\n\n")
    assert whole["tags"][0]["description"] == "Keeps records. It is old.\n\nUse another one."


def test_what_is_for_writers_of_protos_is_left_out() -> None:
    file = FileDescriptorProto(name="a.proto", package="a")
    comments = [
        " The name.\n\n (-- api-linter: core::0203=disabled\n     aip.dev/not-precedent: x. --)\n\n"
        " It is (-- or not? --)\n unique.\n",
        " buf:lint:ignore FIELD_LOWER_SNAKE_CASE\n",
    ]
    message = file.message_type.add(name="M")
    for number, leading in enumerate(comments):
        message.field.add(name=f"f{number}")
        location = file.source_code_info.location.add(path=[4, 0, 2, number])
        location.leading_comments, location.trailing_comments = leading, " Behind it.\n"
    found = comments_of(FileDescriptorSet(file=[file]).SerializeToString())
    assert found == {"a.M.f0": "The name.\n\nIt is\nunique.", "a.M.f1": "Behind it."}


def test_a_summary_is_the_first_sentence() -> None:
    assert summary_of("Moves e.g.\nbooks! Then\n\nmore.") == "Moves e.g"
    assert summary_of("Says version 1.5 of it. And more.") == "Says version 1.5 of it"
    assert summary_of("No full stop") == "No full stop"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_methods_without_a_body_take_the_message_from_the_query(method: str) -> None:
    operation = only_operation(plain("ListBooks", [method]))
    assert "requestBody" not in operation
    query = parameters(operation, "query")
    assert list(query) == [
        "parent",
        "pageSize",
        "pageToken",
        "filter.author",
        "filter.colours",
        "filter.after",
        "filter.loan",
        "filter.fields",
        "filter.pages",
        "filter.signed",
        "filter.digest",
        "filter.weight",
        "ids",
    ]
    assert query["pageSize"]["schema"] == {"type": "integer", "format": "int32"}
    assert query["ids"]["schema"]["items"] == {"type": "string", "format": "int64"}
    assert query["filter.after"]["schema"] == {"type": "string", "format": "date-time"}


def test_query_parameters_end_where_messages_recur() -> None:
    query = parameters(only_operation(plain("Everything", ["GET"])), "query")
    assert "inner.name" in query
    assert "inner.child.name" not in query
    assert not {"mapString", "struct", "value", "any", "repeatedInner"} & set(query)


def test_a_field_in_the_path_or_body_is_no_query_parameter() -> None:
    operation = only_operation(rest("UpdateBook"))
    assert list(parameters(operation, "query")) == ["updateMask"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/testing.v1.Book"}


def test_variables_of_several_segments_are_spelled_out() -> None:
    whole = document(rest("DeleteBook"))
    (path,) = whole["paths"]
    assert path == "/v1/shelves/{shelvesId}/books/{booksId}"
    in_path = parameters(whole["paths"][path]["delete"], "path")
    assert in_path["shelvesId"] == {
        "name": "shelvesId",
        "in": "path",
        "required": True,
        "description": (
            "Which book.\n\nPart of `name`, which is `shelves/{shelvesId}/books/{booksId}`."
        ),
        "schema": {"type": "string"},
    }


def test_paths_that_differ_in_parameter_names_alone_are_one_path() -> None:
    book = bound("GetBook", get="/v1/books/{name}")
    moved = bound("MoveBook", post="/v1/books/{shelf}", body="*")
    whole = document([book, moved])
    assert list(whole["paths"]) == ["/v1/books/{name}"]
    assert list(parameters(whole["paths"]["/v1/books/{name}"]["post"], "path")) == ["name"]


def test_a_variable_of_any_depth_says_that_it_may_hold_slashes() -> None:
    whole = document(rest("GetFile"))
    in_path = parameters(whole["paths"]["/v1/files/{name}"]["get"], "path")
    assert in_path["name"]["description"] == "Which book.\n\nMay hold slashes."


def test_a_variable_of_one_segment_has_the_schema_of_its_field() -> None:
    whole = document([bound("Unary", get="/v1/echoes/{count}/*")])
    in_path = parameters(whole["paths"]["/v1/echoes/{count}/{segment}"]["get"], "path")
    assert in_path["count"] == {
        "name": "count",
        "in": "path",
        "required": True,
        "description": "How many times.",
        "schema": {"type": "integer", "format": "int32"},
    }
    assert in_path["segment"]["schema"] == {"type": "string"}


def test_of_two_operations_on_one_path_and_method_the_first_counts() -> None:
    operation = only_operation([*plain("Unary"), *plain("Unary", comments={})])
    assert operation["operationId"] == "Echo_Unary"


def test_http_methods_that_openapi_cannot_name_are_left_out() -> None:
    assert document(plain("Unary", ["PURGE"]))["paths"] == {}


def test_a_response_body_is_the_schema_of_its_field() -> None:
    operation = only_operation(rest("ListBooks"))
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/testing.v1.Book"}}


def test_streams_have_all_their_media_types() -> None:
    operation = only_operation(plain("Bidi"))
    requests = operation["requestBody"]["content"]
    assert list(requests) == ["application/json", "application/x-ndjson"]
    assert requests["application/json"]["schema"]["type"] == "array"
    responses = operation["responses"]["200"]["content"]
    assert list(responses) == ["application/json", "application/x-ndjson", "text/event-stream"]
    response = {"$ref": "#/components/schemas/testing.v1.EchoResponse"}
    line = responses["application/x-ndjson"]["schema"]["properties"]
    assert line == {"result": response, "error": {"$ref": "#/components/schemas/Error"}}
    assert responses["text/event-stream"]["schema"] == response
    assert responses["application/json"]["schema"] == {"type": "array", "items": response}


BINARY = {"*/*": {"schema": {"type": "string", "format": "binary"}}}


@pytest.mark.parametrize("name", ["MediaEcho", "MediaUpload", "MediaCollect"])
def test_a_request_that_is_a_body_is_binary(name: str) -> None:
    operation = only_operation(rest(name))
    assert operation["requestBody"] == {"content": BINARY}


@pytest.mark.parametrize("name", ["MediaEcho", "MediaWrapped", "MediaParts"])
def test_a_response_that_is_a_body_is_binary(name: str) -> None:
    operation = only_operation(rest(name))
    assert operation["responses"]["200"]["content"] == BINARY


def test_failures_and_deadlines_are_described_once() -> None:
    whole = document(plain("Unary"))
    operation = whole["paths"]["/grpc/echoservice/unary"]["post"]
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/Error"}
    assert {"$ref": "#/components/parameters/grpc-timeout"} in operation["parameters"]
    body = {"detail": "Invalid request", "code": 3, "status": "INVALID_ARGUMENT", "details": []}
    validator(whole, "Error").validate(body)
    with pytest.raises(ValidationError):
        validator(whole, "Error").validate(body | {"status": "OK"})


@pytest.mark.parametrize("style", [CANONICAL, JsonStyle(preserving_proto_field_name=True)])
def test_examples_of_requests_are_requests(style: JsonStyle) -> None:
    for name, rpc in RPCS.items():
        (operation,) = plain(name, style=style)
        whole = document([operation])
        if name == "MediaEcho":
            continue  # which takes no JSON
        media = only_operation([operation])["requestBody"]["content"]["application/json"]
        Draft202012Validator({**media["schema"], **whole}).validate(media["example"])
        example = media["example"][0] if rpc.descriptor.client_streaming else media["example"]
        json_format.ParseDict(example, GetMessageClass(rpc.descriptor.input_type)())


def test_examples_hold_every_field_but_one_of_each_oneof() -> None:
    operation = only_operation(plain("Everything"))
    example = operation["requestBody"]["content"]["application/json"]["example"]
    names = {field.json_name for field in testing_pb2.AllKinds.DESCRIPTOR.fields}
    left_out = {"choiceInt64", "choiceInner", "choiceNull", "any"}
    assert set(example) == names - left_out
    assert example["mapBool"] == {"true": 0}


def test_the_example_of_a_body_field_is_of_that_field() -> None:
    operation = only_operation(rest("CreateBook"))
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert example["title"] == "string"


# Schemas

SAMPLES: dict[str, dict[str, Any]] = {
    "empty": {},
    "scalars": {
        "doubleField": 1.5,
        "floatField": "Infinity",
        "int32Field": -1,
        "int64Field": "-9007199254740993",
        "uint64Field": "18446744073709551615",
        "fixed32Field": 4294967295,
        "boolField": True,
        "stringField": "ü\n",
        "bytesField": "AAECAw==",
        "colour": "COLOUR_RED",
        "optionalInt32": 0,
        "otherName": "renamed",
    },
    "repeated": {
        "repeatedDouble": [1, "NaN", "-Infinity"],
        "repeatedInt64": ["1", "2"],
        "repeatedBytes": [""],
        "repeatedColour": ["COLOUR_GREEN"],
        "repeatedInner": [{"name": "a", "child": {"ids": ["3"], "child": {}}}],
        "repeatedTimestamp": ["2026-01-02T03:04:05.123456789Z"],
    },
    "maps": {
        "mapString": {"a": "b"},
        "mapInt64": {"-1": {"name": "x"}},
        "mapBool": {"true": "NaN"},
        "mapValue": {"a": None, "b": [1, {"c": False}]},
    },
    "oneof": {"choiceInner": {"name": "chosen"}},
    "null in a oneof": {"choiceNull": None},
    "well-known types": {
        "timestamp": "1970-01-01T00:00:00Z",
        "duration": "-1.500s",
        "fieldMask": "a.bC,d",
        "struct": {"a": {"b": [None]}},
        "value": None,
        "listValue": [1, "a"],
        "any": {"@type": "type.googleapis.com/testing.v1.EchoRequest", "text": "in any"},
        "empty": {},
        "boolWrapper": False,
        "int32Wrapper": 1,
        "int64Wrapper": "2",
        "uint32Wrapper": 3,
        "uint64Wrapper": "4",
        "floatWrapper": 0.5,
        "doubleWrapper": "NaN",
        "stringWrapper": "",
        "bytesWrapper": "AA==",
    },
}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
@pytest.mark.parametrize("preserving", [False, True])
@pytest.mark.parametrize("always_print", [False, True])
def test_canonical_json_is_valid_by_the_schema(
    sample: dict[str, Any], preserving: bool, always_print: bool
) -> None:
    message = json_format.ParseDict(sample, testing_pb2.AllKinds())
    style = JsonStyle(preserving, always_print)
    whole = document(plain("Everything", style=style))
    written = json_format.MessageToJson(
        message,
        preserving_proto_field_name=preserving,
        always_print_fields_with_no_presence=always_print,
    )
    members = json.loads(written)
    validator(whole, "testing.v1.AllKinds").validate(members)
    assert set(members) <= set(component(whole, "testing.v1.AllKinds")["properties"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"int64Field": 1},
        {"int32Field": "1"},
        {"doubleField": "one"},
        {"boolField": "true"},
        {"bytesField": 1},
        {"colour": "COLOUR_BLUE"},
        {"repeatedString": "a"},
        {"mapInt64": {"1": {"ids": [1]}}},
        {"inner": {"child": {"child": {"name": 1}}}},
        {"timestamp": 0},
        {"choiceNull": "NULL_VALUE"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_json_of_another_form_is_not_valid_by_the_schema(wrong: dict[str, Any]) -> None:
    whole = document(plain("Everything"))
    with pytest.raises(ValidationError):
        validator(whole, "testing.v1.AllKinds").validate(wrong)


def test_an_empty_any_is_valid_by_the_schema() -> None:
    message = testing_pb2.AllKinds(any=AnyMessage())
    members = json.loads(json_format.MessageToJson(message))
    validator(document(plain("Everything")), "testing.v1.AllKinds").validate(members)


def test_fields_of_a_oneof_say_so() -> None:
    properties = component(document(plain("Everything")), "testing.v1.AllKinds")["properties"]
    assert properties["choiceInt64"]["description"] == (
        "At most one of `choiceString`, `choiceInt64`, `choiceInner`, `choiceNull` is set "
        "(`choice`)."
    )
    assert "description" not in properties["optionalInt32"]


def test_names_follow_the_style() -> None:
    whole = document(plain("ListBooks", ["GET"], JsonStyle(preserving_proto_field_name=True)))
    operation = whole["paths"]["/grpc/libraryservice/listbooks"]["get"]
    assert "page_size" in parameters(operation, "query")
    assert "next_page_token" in component(whole, "testing.v1.ListBooksResponse")["properties"]


def test_a_message_that_two_gateways_write_differently_is_two_components() -> None:
    snake = JsonStyle(preserving_proto_field_name=True)
    whole = document([*plain("ListBooks"), *plain("GetBook", style=snake)])
    book = component(whole, "testing.v1.Book-2")
    assert book["properties"].keys() == component(whole, "testing.v1.Book")["properties"].keys()
    assert "testing.v1.ListBooksResponse" in whole["components"]["schemas"]


def test_what_responses_always_print_is_required_of_responses_alone() -> None:
    whole = document([*plain("Unary"), *plain("CreateBook")])
    assert component(whole, "testing.v1.EchoResponse")["required"] == ["text", "index"]
    assert "required" not in component(whole, "testing.v1.EchoRequest")
    assert "required" not in component(whole, "testing.v1.Book")
    sparse = JsonStyle(always_print_fields_with_no_presence=False)
    whole = document(plain("Unary", style=sparse))
    assert "required" not in component(whole, "testing.v1.EchoResponse")


def test_enums_are_their_names() -> None:
    colour = component(document(plain("Everything")), "testing.v1.Colour")
    assert colour == {
        "type": "string",
        "enum": ["COLOUR_UNSPECIFIED", "COLOUR_RED", "COLOUR_GREEN"],
    }


def test_comments_and_options_of_every_element_are_in_the_schemas() -> None:
    whole = document(plain("Store"))
    assert component(whole, "testing.v1.Record") == {
        "type": "object",
        "description": "A record\nof two lines.",
        "properties": {
            "key": {"type": "string", "description": "Its key."},
            "kind": {"$ref": "#/components/schemas/testing.v1.Record.Kind"},
            "first": {
                "$ref": "#/components/schemas/testing.v1.Record.Part",
                "description": "Where it begins.",
                "deprecated": True,
            },
            "person": {
                "type": "string",
                "description": "A person.\n\nWho made it.\n\n"
                "At most one of `person`, `robot` is set (`author`).",
            },
            "robot": {
                "type": "string",
                "description": "A machine.\n\nWho made it.\n\n"
                "At most one of `person`, `robot` is set (`author`).",
            },
        },
        "required": ["key"],
    }
    assert component(whole, "testing.v1.Record.Kind") == {
        "type": "string",
        "enum": ["KIND_UNSPECIFIED", "KIND_PLAIN", "KIND_MANUAL", "KIND_TYPED"],
        "description": "The kind of a record.\n\n"
        "- `KIND_UNSPECIFIED`: Not known.\n"
        "- `KIND_PLAIN`: As it came.\n"
        "- `KIND_MANUAL`: Deprecated. Written by hand.\n"
        "- `KIND_TYPED`: Deprecated.",
    }
    part = component(whole, "testing.v1.Record.Part")
    assert part["properties"]["text"]["description"] == "The text of a part."
