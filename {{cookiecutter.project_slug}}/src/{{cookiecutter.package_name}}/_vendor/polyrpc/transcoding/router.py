"""Finds the rule that answers a request, among all rules of an application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import quote

from .path_template import Wildcard, literal, readings

if TYPE_CHECKING:
    from .http_rule import Rule

T = TypeVar("T")

_ANY_VALUE = "~any~"
"""A segment that is no literal of any template."""


@dataclass(frozen=True, slots=True)
class RestMatch(Generic[T]):
    """The rule that answers a request.

    Attributes:
        rule: The rule.
        target: What the rule was given to the router with.
        variables: The decoded value of each path variable by its field path.
    """

    rule: Rule
    target: T
    variables: dict[str, str]


class RestRouter(Generic[T]):
    """Matches methods and paths against rules.

    Of several templates that match a path, a custom verb goes before none, and then, segment by
    segment, a literal before `*` before `**`, and before `**` that which more segments follow. A
    template that has the method goes before those that have not, and a rule of the method before
    one of any method (`*`). `HEAD` is answered wherever `GET` is. Of rules for
    the same requests the first counts. The time for a path depends on its length and on the number
    of templates that share its beginning.

    Args:
        rules: The rules, each with what is to be found by it.
    """

    def __init__(self, rules: Iterable[tuple[Rule, T]]) -> None:
        self._root: _Node[T] = _Node()
        self._most_colons = 1
        for rule, target in rules:
            self._add(rule, target)

    def match(self, method: str, raw_path: str) -> RestMatch[T] | frozenset[str] | None:
        """Find the rule for a request.

        Args:
            method: The HTTP method, in capitals as it is sent.
            raw_path: The path as it was sent, still percent-encoded and without the query; bytes
                above 127 stand as Latin-1, as they do in ASGI headers.

        Returns:
            The match; or the methods that the path allows, where it matches for other methods
            only; or None, where nothing matches the path.

        Raises:
            ValueError: The path matches, but a variable is malformed.
        """
        allowed: set[str] = set()
        for segments, verb in readings(raw_path, self._most_colons):
            for routes in self._routes(segments, verb):
                route = routes.get(method) or routes.get("*")
                if route is None and method == "HEAD":
                    route = routes.get("GET")
                if route is not None:
                    rule, target = route
                    return RestMatch(rule, target, rule.template.capture(segments))
                allowed.update(routes, ("HEAD",) if "GET" in routes else ())
        return frozenset(allowed) or None

    def _add(self, rule: Rule, target: T) -> None:
        template = rule.template
        node = self._root
        for segment in template.segments:
            if segment is Wildcard.ANY:
                assert template.rest is not None  # noqa: S101 - it has such a segment
                node = node.rests.setdefault(template.rest, _Node())
            else:
                node = node.children.setdefault(segment, _Node())
        node.routes.setdefault(template.verb, {}).setdefault(rule.method, (rule, target))
        self._most_colons = max(self._most_colons, (template.verb or "").count(":") + 1)

    def _routes(
        self, segments: Sequence[str], verb: str | None
    ) -> Iterator[dict[str, tuple[Rule, T]]]:
        """Yield the routes by method of each template that matches, in order of precedence."""
        # A node can be reached in one way only, so that each is looked at once at most.
        literals: dict[int, str] = {}
        pending = [(self._root, 0)]
        while pending:
            node, index = pending.pop()
            left = len(segments) - index
            if left == 0 and verb in node.routes:
                yield node.routes[verb]
            pending += [
                (after, len(segments) - rest)
                for rest, after in sorted(node.rests.items())
                if rest <= left
            ]
            if left and node.children:
                if (child := node.children.get(Wildcard.ONE)) is not None:
                    pending.append((child, index + 1))
                if index not in literals:
                    literals[index] = literal(segments[index])
                if (child := node.children.get(literals[index])) is not None:
                    pending.append((child, index + 1))


class _Node(Generic[T]):
    """The templates that share their first segments.

    Attributes:
        children: What follows one more segment.
        rests: What follows `**`, by the number of segments that do.
        routes: The templates that end here.
    """

    def __init__(self) -> None:
        self.children: dict[str | Wildcard, _Node[T]] = {}
        self.rests: dict[int, _Node[T]] = {}
        self.routes: dict[str | None, dict[str, tuple[Rule, T]]] = {}


def hidden_rules(
    rules: Sequence[Rule], taker: Callable[[str, str], str | None], *, jointly: bool = False
) -> Iterator[str]:
    """Yield a line for each rule that never gets a request, because another route has them all.

    Args:
        rules: All that share a router, in its order.
        taker: Names the route that goes before all of them for an HTTP method and path; None
            where there is none.
        jointly: Tell also of rules that several others together hide, as of Firestore's documents
            those of collections do.
    """
    router = RestRouter((rule, rule) for rule in rules)
    for rule in rules:
        others = [
            _other(router, rule, path) or taker(rule.method, path) for path in _examples(rule)
        ]
        if others and all(others) and (jointly or len(set(others)) == 1):
            names = " and ".join(dict.fromkeys(filter(None, others)))
            yield (
                f"{_shown(rule)} is never reached: {names} answers the same requests; "
                "change one path"
            )


def _other(router: RestRouter[Rule], rule: Rule, path: str) -> str | None:
    match = router.match(rule.method, path)
    if isinstance(match, RestMatch) and match.rule is not rule:
        return _shown(match.rule)
    return None


def _examples(rule: Rule) -> Iterator[str]:
    """Yield paths that a rule is there for: none of their values has a meaning elsewhere."""
    template, alone = rule.template, RestRouter([(rule, rule)])
    for length in range(3 if template.rest is not None else 1):
        lengths = {Wildcard.ONE: 1, Wildcard.ANY: length}
        segments: list[str] = []
        for segment in template.segments:
            if isinstance(segment, Wildcard):
                segments += [_ANY_VALUE] * lengths[segment]
            else:
                segments.append(quote(segment, safe=""))
        verb = "" if template.verb is None else f":{quote(template.verb)}"
        path = f"/{'/'.join(segments)}{verb}"
        if isinstance(alone.match(rule.method, path), RestMatch):
            yield path


def _shown(rule: Rule) -> str:
    return f"{rule.rpc.full_name} ({rule.method} {rule.template.text})"
