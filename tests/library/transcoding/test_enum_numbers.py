"""`$alt=json;enum-encoding=int`, with which callers ask for enums as numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from polyrpc.protojson.style import JsonStyle
from polyrpc.transcoding.enum_numbers import asks_for_enum_numbers, enum_numbers_encoder
from serving import EchoService, gateway_of, serving
from testing.v1 import testing_pb2 as pb

ASKED = "$alt=json;enum-encoding=int"


@pytest.mark.parametrize(
    ("query", "asks"),
    [
        (ASKED, True),
        ("a=b&%24alt=json%3Benum-encoding%3Dint&c", True),
        ("$alt=json", False),
        ("alt=json;enum-encoding=int", False),
        ("$alt=json;enum-encoding=string", False),
        ("$alt=media;enum-encoding=int", False),
        ("$alt=%FF;enum-encoding=int", False),
        ("enum-encoding=int", False),
        ("", False),
    ],
)
def test_the_system_parameter_is_read_however_it_is_encoded(query: str, asks: bool) -> None:
    assert asks_for_enum_numbers(query.encode()) is asks


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_enums_of_a_response_are_numbers_where_that_is_asked_for(method: str) -> None:
    message = {"colour": "COLOUR_RED", "repeatedColour": ["COLOUR_GREEN", 7]}
    query = "colour=COLOUR_RED&repeatedColour=COLOUR_GREEN&repeatedColour=7"
    async with serving(gateway_of(EchoService)) as served:

        async def answer(parameter: str) -> Any:
            path = f"/grpc/echoservice/everything?{parameter}"
            body = message if method == "POST" else None
            path += f"&{query}" if method == "GET" else ""
            response = await served.http.request(method, path, json=body)
            assert response.status_code == 200
            return response.json()

        named, numbered = await answer("$alt=json"), await answer(ASKED)
    assert (named["colour"], named["repeatedColour"]) == ("COLOUR_RED", ["COLOUR_GREEN", 7])
    assert (numbered["colour"], numbered["repeatedColour"]) == (1, [2, 7])
    differing = {name for name in named if named[name] != numbered[name]}
    assert differing <= {"colour", "repeatedColour", "choiceColour"}


@pytest.mark.parametrize("preserving", [False, True])
@pytest.mark.parametrize("always_print", [False, True])
@pytest.mark.parametrize(
    ("field", "message", "text"),
    [
        ("", pb.ListBooksRequest.Filter(colours=[1]), {"colours": [1]}),
        ("repeated_colour", pb.AllKinds(repeated_colour=[1, 7]), [1, 7]),
        ("repeated_colour", pb.AllKinds(), []),
        ("colour", pb.AllKinds(), 0),
        ("timestamp", pb.AllKinds(), None),
        ("choice_string", pb.AllKinds(colour=1), None),
    ],
)
def test_a_field_may_be_the_response_body(
    field: str, message: Any, text: Any, preserving: bool, always_print: bool
) -> None:
    style = JsonStyle(preserving, always_print)
    encoded = json.loads(enum_numbers_encoder(message.DESCRIPTOR, field, style)(message))
    if field:
        assert encoded == text
    else:
        assert encoded.items() >= text.items()
