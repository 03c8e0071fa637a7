"""Path templates: grammar, matching, decoding, OpenAPI spelling."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.openapi.operation import PathParameter, openapi_path
from polyrpc.transcoding.path_template import PathTemplate
from polyrpc.transcoding.router import RestMatch, RestRouter

UNRESERVED = "-._~"


def matched(template: str, raw_path: str) -> dict[str, str] | None:
    """Matches a path as an application does whose one rule has this template."""
    rule: Any = SimpleNamespace(method="GET", template=PathTemplate(template))
    match = RestRouter([(rule, None)]).match("GET", raw_path)
    return match.variables if isinstance(match, RestMatch) else None


@pytest.mark.parametrize(
    ("template", "path", "variables"),
    [
        ("/v1/shelves", "/v1/shelves", {}),
        ("/v1/*", "/v1/anything", {}),
        ("/v1/{id}", "/v1/7", {"id": "7"}),
        ("/v1/{id=*}", "/v1/7", {"id": "7"}),
        ("/v1/{kind=books}", "/v1/books", {"kind": "books"}),
        ("/v1/{a}/x/{b}", "/v1/1/x/2", {"a": "1", "b": "2"}),
        ("/v1/{book.author.name}", "/v1/Ann", {"book.author.name": "Ann"}),
        ("/v1/{name=shelves/*}/books", "/v1/shelves/1/books", {"name": "shelves/1"}),
        ("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books/2", {"name": "shelves/1/books/2"}),
        ("/v1/files/{name=**}", "/v1/files/a/b/c", {"name": "a/b/c"}),
        ("/v1/files/{name=**}", "/v1/files", {"name": ""}),
        ("/v1/{name=files/**}", "/v1/files", {"name": "files"}),
        ("/v1/{name=files/**}", "/v1/files/a/b", {"name": "files/a/b"}),
        ("/**", "/", None),
        ("/**", "/a/b", {}),
        ("/v1/**/x", "/v1/x", {}),
        ("/v1/**/x", "/v1/a/x/x", {}),
        ("/v1/**/x", "/v1/a/y", None),
        ("/v1/{a=**/x}/{b}", "/v1/x/2", {"a": "x", "b": "2"}),
        ("/v1/{a=**/x}/{b}", "/v1/1/2/x/3", {"a": "1/2/x", "b": "3"}),
        ("/v1/{a=**/x}/{b}", "/v1/1", None),
        (
            "/v1/{parent=projects/*/documents/*/**}/{collection_id}",
            "/v1/projects/p/documents/a/b/c/d",
            {"parent": "projects/p/documents/a/b/c", "collection_id": "d"},
        ),
        (
            "/v1/{parent=projects/*/documents/*/**}:listCollectionIds",
            "/v1/projects/p/documents/a:listCollectionIds",
            {"parent": "projects/p/documents/a"},
        ),
        ("/v1/{id}:a:b", "/v1/7:a:b", {"id": "7"}),
        ("/v1/{id}:a:b", "/v1/7:a:a:b", {"id": "7:a"}),
        ("/v1/{id}:a:b", "/v1/7:b", None),
        ("/v1/*:a:b", "/v1/7%3Aa:b", None),
        ("/v1/x:a:b", "/v1/x:a:b", {}),
    ],
)
def test_a_template_matches_the_paths_that_it_describes(
    template: str, path: str, variables: dict[str, str] | None
) -> None:
    assert matched(template, path) == variables


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/v1/shelves", "/v1/shelves/"),
        ("/v1/{id}", "/v1/"),
        ("/v1/{id}", "/v1"),
        ("/v1/{id}", "/v1/7/"),
        ("/v1/{id}", "/v1/7/8"),
        ("/v1/{id}", "/V1/7"),
        ("/v1/{id}", "//v1/7"),
        ("/v1/{id}", "v1/7"),
        ("/v1/{id}", ""),
        ("/v1/files/{name=**}", "/v1/files/"),
        ("/v1/files/{name=**}", "/v1/files/a/"),
        ("/v1/files/{name=**}", "/v1/files/a//b"),
        ("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books"),
        ("/v1/{name=shelves/*/books/*}", "/v1/shelves%2F1%2Fbooks%2F2"),
        ("/v1/shelves", "/v1/shelves\u0100"),
    ],
)
def test_a_template_does_not_match_other_paths(template: str, path: str) -> None:
    assert matched(template, path) is None


@pytest.mark.parametrize(
    ("path", "variables"),
    [
        ("/v1/books/1:move", {"id": "1"}),
        ("/v1/books/a:b:move", {"id": "a:b"}),
        ("/v1/books/a:mo%76e", {"id": "a"}),
        ("/v1/books/1", None),
        ("/v1/books/:move", None),
        ("/v1/books/1%3Amove", None),
        ("/v1/books/1:moved", None),
        ("/v1/books:move/1", None),
    ],
)
def test_a_custom_verb_ends_the_path(path: str, variables: dict[str, str] | None) -> None:
    assert matched("/v1/books/{id}:move", path) == variables


def test_a_template_without_a_verb_takes_colons_as_part_of_the_segment() -> None:
    assert matched("/v1/books/{id}", "/v1/books/1:move") == {"id": "1:move"}
    assert matched("/v1/{day=a:b}/x", "/v1/a:b/x") == {"day": "a:b"}


def test_a_verb_follows_a_multi_segment_wildcard_that_matches_nothing() -> None:
    assert matched("/v1/files/{name=**}:list", "/v1/files:list") == {"name": ""}


@pytest.mark.parametrize(
    ("sent", "single", "multi"),
    [
        ("a%2Fb", "a/b", "a%2Fb"),
        ("a%2fb", "a/b", "a%2fb"),
        ("%20%2F%25", " /%", " %2F%"),
        ("caf%C3%A9", "café", "café"),
        ("a+b", "a+b", "a+b"),
        ("%252F", "%2F", "%2F"),
        ("\xc3\xa9", "é", "é"),
    ],
)
def test_slashes_stay_encoded_in_multi_segment_variables_only(
    sent: str, single: str, multi: str
) -> None:
    assert matched("/v1/{id}", f"/v1/{sent}") == {"id": single}
    assert matched("/v1/{id=**}", f"/v1/{sent}") == {"id": multi}
    assert matched("/{id=v1/*}", f"/v1/{sent}") == {"id": f"v1/{multi}"}


@pytest.mark.parametrize("path", ["/café", "/caf%C3%A9", "/caf%c3%a9", "/%63af%C3%A9"])
@pytest.mark.parametrize("template", ["/café", "/caf%C3%A9"])
def test_literals_compare_after_percent_decoding(template: str, path: str) -> None:
    raw_path = path.encode().decode("latin-1")
    assert matched(template, raw_path) == {}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/100%", 'path variable "book.id" has malformed percent-encoding'),
        ("/v1/%zz", 'path variable "book.id" has malformed percent-encoding'),
        ("/v1/%ff", 'path variable "book.id" is not UTF-8'),
    ],
)
def test_a_malformed_variable_is_an_error_that_names_it(path: str, reason: str) -> None:
    with pytest.raises(ValueError, match="path variable") as error:
        matched("/v1/{book.id}", path)
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("", '"/" expected at position 0'),
        ("v1", '"/" expected at position 0'),
        ("/", "segment expected at position 1"),
        ("/v1/", "segment expected at position 4"),
        ("/v1//x", "segment expected at position 4"),
        ("/v1/a b", '"/" expected at position 5'),
        ("/v1/a?b", '"/" expected at position 5'),
        ("/v1/%zz", "segment expected at position 4"),
        ("/v1/%ff", "literal is not UTF-8 at position 4"),
        ("/v1/x*", '"/" expected at position 5'),
        ("/v1/***", '"/" expected at position 6'),
        ("/v1/**/**", 'second "**" at position 9'),
        ("/v1/{a=**}/x/{b=**}", 'second "**" at position 18'),
        ("/v1/{a=**/x/**}", 'second "**" at position 14'),
        ("/v1/{}", "field path expected at position 5"),
        ("/v1/{a.}", '"}" expected at position 6'),
        ("/v1/{1a}", "field path expected at position 5"),
        ("/v1/{a", '"}" expected at position 6'),
        ("/v1/{a=}", "segment expected at position 7"),
        ("/v1/{a={b}}", "segment expected at position 7"),
        ("/v1/{a=/x}", "segment expected at position 7"),
        ("/v1/{a}{b}", '"/" expected at position 7'),
        ("/v1/{a}/{a}", "second variable a at position 9"),
        ("/v1/a}", '"/" expected at position 5'),
        ("/v1/a:", "segment expected at position 6"),
        ("/v1/{a}:", "segment expected at position 8"),
        ("/v1/{a}:x{", "end expected at position 9"),
        ("/v1/a:x*", '"/" expected at position 7'),
    ],
)
def test_a_text_that_is_no_template_is_refused_with_the_position(
    template: str, reason: str
) -> None:
    with pytest.raises(ValueError, match="path template") as error:
        PathTemplate(template)
    assert str(error.value) == f'path template "{template}": {reason}'


def test_an_error_about_a_hostile_template_is_one_short_line() -> None:
    with pytest.raises(ValueError, match="path template") as error:
        PathTemplate("/\n\x1b\x7f" + "x" * 10_000)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("/v1/books", "/v1/books", []),
        ("/v1/{name}", "/v1/{name}", [("name", "name", "{name}", False)]),
        (
            "/v1/{name=shelves/*/books/*}:move",
            "/v1/shelves/{shelvesId}/books/{booksId}:move",
            [
                ("shelvesId", "name", "shelves/{shelvesId}/books/{booksId}", False),
                ("booksId", "name", "shelves/{shelvesId}/books/{booksId}", False),
            ],
        ),
        ("/v1/files/{name=**}", "/v1/files/{name}", [("name", "name", "{name}", True)]),
        (
            "/v1/{a=*/*}/*/*",
            "/v1/{v1Id}/{a}/{segment}/{segment2}",
            [
                ("v1Id", "a", "{v1Id}/{a}", False),
                ("a", "a", "{v1Id}/{a}", False),
                ("segment", None, "{segment}", False),
                ("segment2", None, "{segment2}", False),
            ],
        ),
        (
            "/v1/{parent=a/*/**}/{id}",
            "/v1/a/{aId}/{parent}/{id}",
            [
                ("aId", "parent", "a/{aId}/{parent}", False),
                ("parent", "parent", "a/{aId}/{parent}", True),
                ("id", "id", "{id}", False),
            ],
        ),
        ("/v1/%7Bx%7D/é", "/v1/%7Bx%7D/%C3%A9", []),
    ],
)
def test_openapi_names_each_wildcard(
    template: str, path: str, parameters: list[tuple[str, str | None, str, bool]]
) -> None:
    assert openapi_path(PathTemplate(template)) == (
        path,
        tuple(PathParameter(*parameter) for parameter in parameters),
    )


def assert_is_one_line(error: Exception) -> None:
    assert str(error).isprintable()


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
literals = st.text("abz019-_.~!$&'()+,;=@é", min_size=1, max_size=4)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,4}(\.[a-z_][a-z0-9_]{0,4})?", fullmatch=True)


@st.composite
def templates_and_paths(draw: st.DrawFn) -> tuple[str, str, dict[str, str]]:
    """A template of the grammar, a path that it describes, and the variables in that path."""
    pieces: list[str] = []
    sent: list[str] = []
    variables: dict[str, str] = {}

    def segment(kind: str) -> tuple[str, list[str], list[str]]:
        """One segment, what is sent for it, and the decoded values of that."""
        if kind == "literal":
            text = draw(literals)
            return text, [quote(text, safe=draw(st.sampled_from(["", "!$&'()+,;=@"])))], [text]
        values = draw(st.lists(texts, min_size=kind == "*", max_size=1 if kind == "*" else 4))
        return kind, [quote(value, safe="") for value in values], values

    kinds = draw(st.lists(st.sampled_from(["literal", "*"]), min_size=1, max_size=5))
    if draw(st.booleans()):
        kinds.insert(draw(st.integers(0, len(kinds))), "**")
    while kinds:
        size = draw(st.integers(1, min(3, len(kinds))))
        group, kinds = kinds[:size], kinds[size:]
        parts = [segment(kind) for kind in group]
        text = "/".join(part[0] for part in parts)
        name = draw(st.none() | names.filter(lambda name: name not in variables))
        if name is not None:
            values = [value for part in parts for value in part[2]]
            if group != ["literal"] and group != ["*"]:
                values = [value.replace("/", "%2F") for value in values]
            variables[name] = "/".join(values)
            text = f"{{{name}}}" if text == "*" and draw(st.booleans()) else f"{{{name}={text}}}"
        pieces.append(text)
        sent += [each for part in parts for each in part[1]]
    verb = draw(st.none() | st.text("abc", min_size=1, max_size=3))
    suffix = "" if verb is None else f":{verb}"
    return f"/{'/'.join(pieces)}{suffix}", f"/{'/'.join(sent)}{suffix}", variables


@given(templates_and_paths())
def test_every_template_of_the_grammar_reads_back_the_paths_made_from_it(
    example: tuple[str, str, dict[str, str]],
) -> None:
    template, path, variables = example
    assert matched(template, path) == variables


@given(st.binary(max_size=40))
def test_any_path_matches_or_not_or_is_malformed(path: bytes) -> None:
    for template in ("/**", "/{a}", "/{a=*/*}/{b=**}", "/{a}:x"):
        try:
            variables = matched(template, "/" + path.decode("latin-1"))
        except ValueError as error:
            variables = None
            assert_is_one_line(error)
        assert variables is None or set(variables) == set(PathTemplate(template).variables)


@given(st.text("/{}*=.:%a1é \n", max_size=20))
def test_any_text_is_a_template_or_a_one_line_error(text: str) -> None:
    try:
        assert PathTemplate(text).text == text
    except ValueError as error:
        assert_is_one_line(error)
