"""Which REST binding answers a request."""

from __future__ import annotations

import pytest
from gateway.codec import JsonCodec, JsonError
from gateway.rest.http_rule import HttpBinding, http_bindings
from gateway.rest.router import RestMatch, RestRouter
from google.api import http_pb2
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from testing.v1 import testing_pb2

LIBRARY = testing_pb2.DESCRIPTOR.services_by_name["Library"]
codec = JsonCodec()


def binding(rule: str, rpc: str = "GetBook") -> HttpBinding:
    if not rule.startswith("custom"):
        method, _, path = rule.partition(" ")
        rule = f'{method.lower()}: "{path}"'
    return HttpBinding(
        LIBRARY.methods_by_name[rpc], text_format.Parse(rule, http_pb2.HttpRule()), codec
    )


def router(*rules: str) -> RestRouter[str]:
    return RestRouter((binding(rule), rule) for rule in rules)


def found(rest_router: RestRouter[str], method: str, path: str) -> str:
    match = rest_router.match(method, path)
    assert isinstance(match, RestMatch)
    return match.target


bindings = [bound for method in LIBRARY.methods for bound in http_bindings(method, codec)]
library = RestRouter((bound, bound.rpc.name) for bound in bindings)


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
    assert (match.target, match.binding.rpc.name, match.variables) == (rpc, rpc, variables)


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/", "/v1/shelves/1/books/", "/v2/books/1", "*"]
)
def test_a_path_of_no_template_finds_nothing(path: str) -> None:
    assert library.match("GET", path) is None


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/shelves/1/books/2", {"GET", "PATCH", "DELETE"}),
        ("PUT", "/v1/shelves/1/books", {"GET", "POST"}),
        ("PUT", "/v1/shelves/1/books/2:move", {"GET", "POST", "PATCH", "DELETE"}),
        ("get", "/v1/files/x", {"GET"}),
        ("POST", "/v1/files/100%", {"GET"}),
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
    ]
    assert found(router(*rules), "GET", path) == rule
    assert found(router(*reversed(rules)), "GET", path) == rule


def test_a_less_specific_template_answers_the_methods_that_others_lack() -> None:
    rest_router = router("GET /v1/books/special", "DELETE /v1/books/{name}", "PUT /v1/{name=**}:x")
    assert found(rest_router, "DELETE", "/v1/books/special") == "DELETE /v1/books/{name}"
    assert rest_router.match("POST", "/v1/books/special") == frozenset({"GET", "DELETE"})
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
def test_bindings_that_answer_the_same_requests_are_refused(first: str, second: str) -> None:
    with pytest.raises(ValueError, match="answer the same requests") as error:
        RestRouter([(binding(first), 1), (binding(second, "DeleteBook"), 2)])
    first, second = first.replace("GET ", ""), second.replace("GET ", "")
    assert str(error.value) == (
        f"testing.v1.Library.GetBook (GET {first}) and testing.v1.Library.DeleteBook "
        f"(GET {second}) answer the same requests: change one path"
    )


def test_a_malformed_variable_is_an_error() -> None:
    with pytest.raises(JsonError, match=r'^path variable "name" has malformed percent-encoding$'):
        library.match("GET", "/v1/books/100%")


def test_only_the_templates_that_share_a_paths_beginning_are_looked_at() -> None:
    wide = router(*(f"GET /v1/shelf{number}/{{name}}/x" for number in range(500)))
    deep = router("GET " + "/*" * 50 + "/x", "GET " + "/{name}" + "/*" * 49 + "/y", "GET /a/**")
    assert found(wide, "GET", "/v1/shelf499/a/x") == "GET /v1/shelf499/{name}/x"
    assert wide.match("GET", "/v1/shelf500/a/x") is None
    assert deep.match("GET", "/z" * 50_000) is None
    assert deep.match("POST", "/a" * 50_000) == frozenset({"GET"})


def fits(bound: HttpBinding, path: str) -> bool:
    try:
        return bound.template.match(path) is not None
    except JsonError:
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
    except JsonError:
        return
    fitting = {bound for bound in bindings if fits(bound, path)}
    methods = {bound.method for bound in fitting}
    if isinstance(match, RestMatch):
        assert match.binding in fitting
        assert match.binding.method == method
        assert match.variables == match.binding.template.match(path)
    else:
        assert (match or set()) == methods
        assert method not in methods
