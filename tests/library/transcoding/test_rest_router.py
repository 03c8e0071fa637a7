"""Which REST binding answers a request."""

from __future__ import annotations

import pytest
from google.api import http_pb2
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.transcoding.http_rule import Rule, read_annotation
from polyrpc.transcoding.path_template import PathTemplate, Wildcard, literal, readings
from polyrpc.transcoding.router import RestMatch, RestRouter, hidden_rules
from testing.v1 import testing_pb2

LIBRARY = testing_pb2.DESCRIPTOR.services_by_name["Library"]


def rule_of(rule: str, rpc: str = "GetBook") -> Rule:
    if not rule.startswith("custom"):
        method, _, path = rule.partition(" ")
        rule = f'{method.lower()}: "{path}"'
    return Rule(LIBRARY.methods_by_name[rpc], text_format.Parse(rule, http_pb2.HttpRule()))


def router(*rules: str) -> RestRouter[str]:
    return RestRouter((rule_of(rule), rule) for rule in rules)


def found(rest_router: RestRouter[str], method: str, path: str) -> str:
    match = rest_router.match(method, path)
    assert isinstance(match, RestMatch)
    return match.target


library_rules = [rule for method in LIBRARY.methods for rule in read_annotation(method).rules]
library = RestRouter((rule, rule.rpc.name) for rule in library_rules)


@pytest.mark.parametrize(
    ("method", "path", "rpc", "variables"),
    [
        ("GET", "/v1/shelves/1/books/2", "GetBook", {"name": "shelves/1/books/2"}),
        ("GET", "/v1/books/a%2Fb", "GetBook", {"name": "a/b"}),
        ("GET", "/v1/shelves/1/books", "ListBooks", {"parent": "shelves/1"}),
        ("POST", "/v1/shelves/1/books", "CreateBook", {"parent": "shelves/1"}),
        ("PATCH", "/v1/shelves/1/books/2", "UpdateBook", {"book.name": "shelves/1/books/2"}),
        ("DELETE", "/v1/shelves/1/books/2", "DeleteBook", {"name": "shelves/1/books/2"}),
        ("POST", "/v1/shelves/1/books/2:move", "MoveBook", {"name": "shelves/1/books/2"}),
        ("GET", "/v1/files/a/b%2Fc", "GetFile", {"name": "a/b%2Fc"}),
        ("GET", "/v1/files", "GetFile", {"name": ""}),
        ("GET", "/v1/shelves/1/books/2/pages", "ReadPages", {"name": "shelves/1/books/2"}),
    ],
)
def test_a_request_finds_its_rpc_and_variables(
    method: str, path: str, rpc: str, variables: dict[str, str]
) -> None:
    match = library.match(method, path)
    assert isinstance(match, RestMatch)
    assert (match.target, match.rule.rpc.name, match.variables) == (rpc, rpc, variables)


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/", "/v1/shelves/1/books/", "/v2/books/1", "*"]
)
def test_a_path_of_no_template_finds_nothing(path: str) -> None:
    assert library.match("GET", path) is None


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/shelves/1/books/2", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("PUT", "/v1/shelves/1/books", {"GET", "HEAD", "POST"}),
        ("PUT", "/v1/shelves/1/books/2:move", {"GET", "HEAD", "POST", "PATCH", "DELETE"}),
        ("get", "/v1/files/x", {"GET", "HEAD"}),
        ("POST", "/v1/files/100%", {"GET", "HEAD"}),
    ],
)
def test_a_path_that_matches_for_other_methods_finds_those(
    method: str, path: str, allowed: set[str]
) -> None:
    assert library.match(method, path) == frozenset(allowed)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/v1/books/special", "GET /v1/books/special"),
        ("/v1/books/%73pecial", "GET /v1/books/special"),
        ("/v1/books/other", "GET /v1/books/{name}"),
        ("/v1/books/other/more", "GET /v1/books/**"),
        ("/v1/books", "GET /v1/books/**"),
        ("/v1/books/special/more", "GET /v1/books/**"),
        ("/v1/other/special", "GET /v1/*/special"),
        ("/v1/other", "GET /{name=**}"),
        ("/v1/books/special:move", "GET /v1/books/*:move"),
        ("/v1/books/a/b:move", "GET /v1/{name=**}:move"),
        ("/v1/books/special%3Amove", "GET /v1/books/{name}"),
        ("/v1/books/special:copy", "GET /v1/books/{name}"),
        ("/v2/b/c/end", "GET /v2/**/end"),
        ("/v2/a/b/end", "GET /v2/{name=a/**}/*"),
        ("/v2/end", "GET /v2/**/end"),
        ("/v2/a/b/other", "GET /v2/{name=a/**}/*"),
        ("/v2/other", "GET /v2/**"),
        ("/v2", "GET /v2/**"),
        ("/v2/5:a:b", "GET /v2/*:a:b"),
        ("/v2/5:b", "GET /v2/*:b"),
        ("/v2/5:c:b", "GET /v2/*:b"),
    ],
)
def test_the_more_specific_template_answers_whatever_their_order(path: str, rule: str) -> None:
    rules = [
        "GET /{name=**}",
        "GET /v1/{name=**}:move",
        "GET /v1/books/**",
        "GET /v1/*/special",
        "GET /v1/books/{name}",
        "GET /v1/books/*:move",
        "GET /v1/books/special",
        "GET /v2/**",
        "GET /v2/**/end",
        "GET /v2/{name=a/**}/*",
        "GET /v2/*:b",
        "GET /v2/*:a:b",
    ]
    assert found(router(*rules), "GET", path) == rule
    assert found(router(*reversed(rules)), "GET", path) == rule


def test_a_less_specific_template_answers_the_methods_that_others_lack() -> None:
    rest_router = router("GET /v1/books/special", "DELETE /v1/books/{name}", "PUT /v1/{name=**}:x")
    assert found(rest_router, "DELETE", "/v1/books/special") == "DELETE /v1/books/{name}"
    assert rest_router.match("POST", "/v1/books/special") == frozenset({"GET", "HEAD", "DELETE"})
    assert rest_router.match("POST", "/v1/books/a:x") == frozenset({"DELETE", "PUT"})


def test_a_binding_of_any_method_answers_those_that_have_no_binding() -> None:
    anything = 'custom {kind: "*" path: "/v1/x"}'
    head = 'custom {kind: "HEAD" path: "/v1/x"}'
    rest_router = router(anything, "GET /v1/x", head)
    assert found(rest_router, "GET", "/v1/x") == "GET /v1/x"
    assert found(rest_router, "HEAD", "/v1/x") == head
    assert found(rest_router, "PURGE", "/v1/x") == anything


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("GET /v1/{name}", "GET /v1/*"),
        ("GET /v1/{name=shelves/*}", "GET /v1/shelves/{name}"),
        ("GET /v1/caf%C3%A9", "GET /v1/café"),
        ("GET /v1/{name=**}:x", "GET /v1/**:x"),
    ],
)
def test_of_rules_for_the_same_requests_the_first_answers(first: str, second: str) -> None:
    rules = [rule_of(first), rule_of(second, "DeleteBook")]
    (line,) = hidden_rules(rules, lambda _method, _path: None)
    first, second = first.replace("GET ", ""), second.replace("GET ", "")
    assert line == (
        f"testing.v1.Library.DeleteBook (GET {second}) is never reached: "
        f"testing.v1.Library.GetBook (GET {first}) answers the same requests; change one path"
    )


@pytest.mark.parametrize(
    ("hiding", "hidden"),
    [
        ("GET /v1/x", 'custom {kind: "get" path: "/v1/x"}'),
        ("GET /a/*/**", "GET /a/**/*"),
        ('custom {kind: "*" path: "/v1/*"}', 'custom {kind: "*" path: "/v1/{name}"}'),
        ("GET /v1/{name}:a:b", "GET /v1/*:a:b"),
    ],
)
def test_what_another_rule_hides_wholly_is_told(hiding: str, hidden: str) -> None:
    rules = [rule_of(hidden, "DeleteBook"), rule_of(hiding)]
    if hiding != "GET /a/*/**":  # which goes first wherever it stands
        rules.reverse()
    (line,) = hidden_rules(rules, lambda _method, _path: None)
    assert line.startswith("testing.v1.Library.DeleteBook (")
    assert " is never reached: testing.v1.Library.GetBook (" in line


def test_what_another_rule_hides_in_part_is_no_fault() -> None:
    rules = [
        "GET /v1/books/special",
        "GET /v1/books/{name}",
        "GET /v1/books/{name}:move",
        "GET /v1/**",
        "GET /{name=**}",
        "GET /v1/**/{name}",
        "POST /v1/books/special",
        'custom {kind: "*" path: "/v1/books/special"}',
    ]
    assert not list(hidden_rules([rule_of(rule) for rule in rules], lambda _method, _path: None))


def test_what_several_others_hide_together_is_told_where_that_is_asked_for() -> None:
    documents = rule_of("GET /v1/{name=documents/*/**}", "DeleteBook")
    collections = [rule_of("GET /v1/documents/*"), rule_of("GET /v1/{name=documents/*/**}/*")]
    rules = [documents, *collections]
    assert not list(hidden_rules(rules, lambda _method, _path: None))
    (line,) = hidden_rules(rules, lambda _method, _path: None, jointly=True)
    assert line.startswith("testing.v1.Library.DeleteBook (GET /v1/{name=documents/*/**}) is never")


def test_what_another_route_hides_is_told() -> None:
    rules = [rule_of("GET /healthz"), rule_of("GET /{name}"), rule_of("POST /healthz")]
    taken = {("GET", "/healthz"): "GET /healthz"}
    (line,) = hidden_rules(rules, lambda method, path: taken.get((method, path)))
    assert line == (
        "testing.v1.Library.GetBook (GET /healthz) is never reached: "
        "GET /healthz answers the same requests; change one path"
    )


def test_a_malformed_variable_is_an_error() -> None:
    with pytest.raises(ValueError, match=r'^path variable "name" has malformed percent-encoding$'):
        library.match("GET", "/v1/books/100%")


def test_only_the_templates_that_share_a_paths_beginning_are_looked_at() -> None:
    wide = router(*(f"GET /v1/shelf{number}/{{name}}/x" for number in range(500)))
    deep = router("GET " + "/*" * 50 + "/x", "GET " + "/{name}" + "/*" * 49 + "/y", "GET /a/**")
    assert found(wide, "GET", "/v1/shelf499/a/x") == "GET /v1/shelf499/{name}/x"
    assert wide.match("GET", "/v1/shelf500/a/x") is None
    assert deep.match("GET", "/z" * 50_000) is None
    assert deep.match("POST", "/a" * 50_000) == frozenset({"GET", "HEAD"})


def read(template: PathTemplate, raw_path: str) -> dict[str, str] | None:
    """Reads a path by one template alone: slower than the router, and simpler."""
    for segments, verb in readings(raw_path, (template.verb or "").count(":") + 1):
        if verb == template.verb and is_written_as(segments, template):
            return template.capture(segments)
    return None


def is_written_as(segments: list[str], template: PathTemplate) -> bool:
    expected = list(template.segments)
    if template.rest is not None:
        missing = len(segments) - len(expected) + 1
        at = expected.index(Wildcard.ANY)
        expected[at : at + 1] = [Wildcard.ONE] * missing
    return len(segments) == len(expected) and all(
        each is Wildcard.ONE or each == literal(segment)
        for each, segment in zip(expected, segments, strict=True)
    )


def fits(rule: Rule, path: str) -> bool:
    try:
        return read(rule.template, path) is not None
    except ValueError:
        return True


segments = st.sampled_from(
    ["v1", "shelves", "books", "files", "a", "1:move", ":move", "", "%2F", "%"]
)


@given(
    st.sampled_from(["GET", "POST", "PUT"]),
    st.lists(segments, max_size=7).map(lambda path: "/" + "/".join(path))
    | st.binary(max_size=20).map(lambda path: path.decode("latin-1"))
    | st.text(max_size=10),
)
def test_the_router_answers_any_path_as_its_templates_do(method: str, path: str) -> None:
    try:
        match = library.match(method, path)
    except ValueError:
        return
    fitting = {rule for rule in library_rules if fits(rule, path)}
    methods = {rule.method for rule in fitting}
    if isinstance(match, RestMatch):
        assert match.rule in fitting
        assert match.rule.method == method
        assert match.variables == read(match.rule.template, path)
    else:
        has_head = any(rule.method == "GET" for rule in fitting)
        assert (match or set()) == methods | ({"HEAD"} if has_head else set())
        assert method not in methods
