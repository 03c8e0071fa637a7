"""`google.api.http` annotations: the HTTP methods and paths that they bind an RPC to.

Follows `google/api/http.proto` and AIP-127. Where those leave a choice:

- A variable may be whatever JSON writes as a string or number, a `Timestamp` for instance.
- `DELETE` may have a body, `GET` and `HEAD` have none.
- A stream of requests needs a body, each message of which the path and the query add to.

What checks a `.proto` imports this where no service is installed, so that nothing here needs more
than protobuf and its `google.api`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from .path_template import PathTemplate
from .percent import quoted
from .router import hidden_rules
from .scalar_text import text_setter

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHODS_WITHOUT_BODY = frozenset({"GET", "HEAD"})


class Annotation(NamedTuple):
    """What the annotation of an RPC says.

    Attributes:
        rules: What can be served: the annotation's own rule and then its additional bindings.
        problems: A line for each that cannot, with the RPC's name and the reason.
    """

    rules: list[Rule]
    problems: list[str]


def read_annotation(method: MethodDescriptor) -> Annotation:
    """Read the `google.api.http` annotation of an RPC, which need not have one."""
    read = Annotation([], [])
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return read
    annotation = options.Extensions[annotations_pb2.http]
    problem = f"{method.full_name}: google.api.http: {{}}".format
    for each in (annotation, *annotation.additional_bindings):
        try:
            read.rules.append(Rule(method, each))
        except ValueError as error:
            read.problems.append(problem(error))
    for additional in annotation.additional_bindings:
        for nested in additional.additional_bindings:
            read.problems.append(problem(f"{_shown(nested)}additional_bindings must not be nested"))
    return read


def check(methods: Iterable[MethodDescriptor], routes: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Say what a gateway would not serve of the annotations of some RPCs.

    Args:
        methods: The RPCs, of one application; their descriptors may come from any pool.
        routes: The HTTP methods and paths that the application answers otherwise, such as
            `("GET", "/healthz")`, and those of the RPCs themselves.

    Returns:
        A line for each binding that is left out, or that another one hides; none: all is well.
    """
    annotations = [read_annotation(method) for method in methods]
    taken = frozenset(routes)

    def taker(method: str, path: str) -> str | None:
        return f"{method} {path}" if (method, path) in taken else None

    problems = [problem for annotation in annotations for problem in annotation.problems]
    rules = [rule for annotation in annotations for rule in annotation.rules]
    return [*problems, *hidden_rules(rules, taker)]


class Rule:
    """One HTTP method and path template of an RPC.

    Args:
        rpc: The RPC.
        rule: The rule as it is annotated; its `additional_bindings` are not looked at.

    Attributes:
        rpc: The RPC.
        method: The HTTP method, or `*` for any.
        template: The path template.
        variables: Its variables by the paths of their fields.
        body: The request field that is the body; `*` for the whole message, empty for none.
        response_body: The response field that is the body; empty for the whole message.

    Raises:
        ValueError: The rule does not fit the RPC.
    """

    def __init__(self, rpc: MethodDescriptor, rule: HttpRule) -> None:
        self.rpc = rpc
        self.method, path = _pattern(rule)
        self.template = PathTemplate(path)
        self.body = rule.body
        self.response_body = rule.response_body
        try:
            self.variables = {
                field_path: PathVariable(rpc.input_type, field_path)
                for field_path in self.template.variables
            }
            self._check()
        except ValueError as error:
            raise ValueError(f"{_shown(rule)}{error}") from None

    def _check(self) -> None:
        request, response = self.rpc.input_type, self.rpc.output_type
        if self.body and self.method in _METHODS_WITHOUT_BODY:
            raise ValueError(f"body: {self.method} has no body")
        if self.body not in ("", "*") and self.body not in request.fields_by_name:
            raise ValueError(f"body: {request.full_name} has no field {quoted(self.body)}")
        if self.body in self.variables:
            raise ValueError(f"body: the path sets {self.body} already")
        if self.rpc.client_streaming and not self.body:
            raise ValueError('body: a stream of requests needs one, such as "*"')
        if self.response_body and self.response_body not in response.fields_by_name:
            shown = quoted(self.response_body)
            raise ValueError(f"response_body: {response.full_name} has no field {shown}")


class PathVariable:
    """A field of a request message that a variable of a path sets.

    Raises:
        ValueError: It has no such field, or one that the text of a path cannot be.
    """

    def __init__(self, descriptor: Descriptor, field_path: str) -> None:
        *self._outer, last = field_path.split(".")
        self._shown = quoted(field_path)
        message = descriptor
        for name in self._outer:
            field = message.fields_by_name.get(name)
            if field is None or field.message_type is None or field.is_repeated:
                raise ValueError(f"path variable {self._shown}: {name} is no singular message")
            if text_setter(field) is not None:
                raise ValueError(f"path variable {self._shown}: {name} is a single value")
            message = field.message_type
        field = message.fields_by_name.get(last)
        if field is None:
            raise ValueError(
                f"path variable {self._shown}: {message.full_name} has no field {last}"
            )
        put = text_setter(field)
        if put is None or field.is_repeated:
            raise ValueError(f"path variable {self._shown}: the field is no single value")
        self._put = put

    def set(self, message: Message, text: str) -> None:
        """Set the field.

        Raises:
            ValueError: The text is no value of it; one line that names the variable.
        """
        target: Any = message
        for name in self._outer:
            target = getattr(target, name)
        try:
            self._put(target, text)
        except ValueError as error:
            raise ValueError(f"path variable {self._shown} {error}") from None


def _pattern(rule: HttpRule) -> tuple[str, str]:
    kind = rule.WhichOneof("pattern")
    if kind is None:
        raise ValueError('a method and path are needed, such as get: "/v1/books"')
    if kind != "custom":
        return kind.upper(), getattr(rule, kind)
    if not _TOKEN.fullmatch(rule.custom.kind):
        raise ValueError(f"custom: {quoted(rule.custom.kind)} is no HTTP method")
    # Methods are case-sensitive, and no client sends one of these otherwise.
    return rule.custom.kind.upper(), rule.custom.path


def _shown(rule: HttpRule) -> str:
    """Return what a reason begins with: the method and path that it is about."""
    try:
        method, path = _pattern(rule)
    except ValueError:
        return ""
    return f"{method} {quoted(path)}: "
