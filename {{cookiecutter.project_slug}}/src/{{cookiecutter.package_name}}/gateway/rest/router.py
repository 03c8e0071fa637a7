"""Finds the REST binding that answers a request, among all bindings of an application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from .path_template import Wildcard, literal, readings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .http_rule import HttpBinding

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RestMatch(Generic[T]):
    """The binding that answers a request.

    Attributes:
        binding: The binding.
        target: What the binding was given to the router with.
        variables: The decoded value of each path variable by its field path.
    """

    binding: HttpBinding
    target: T
    variables: dict[str, str]


class RestRouter(Generic[T]):
    """Matches methods and paths against bindings.

    Of several templates that match a path, a custom verb goes before none, and then, segment by
    segment, a literal before `*` before `**`. A template that has the method goes before those
    that have not, and a binding of the method before one of any method (`*`). The time for a
    path depends on its length and on the number of templates that share its beginning.

    Args:
        bindings: The bindings, each with what is to be found by it.

    Raises:
        ValueError: Two bindings answer the same method and paths; one line that names both RPCs.
    """

    def __init__(self, bindings: Iterable[tuple[HttpBinding, T]]) -> None:
        self._root: _Node[T] = _Node()
        self._depth = 0
        for binding, target in bindings:
            self._add(binding, target)

    def match(self, method: str, raw_path: str) -> RestMatch[T] | frozenset[str] | None:
        """Find the binding of a request.

        Args:
            method: The HTTP method, in capitals as it is sent.
            raw_path: The path as it was sent, still percent-encoded and without the query; bytes
                above 127 stand as Latin-1, as they do in ASGI headers.

        Returns:
            The match; or the methods that the path allows, where it matches for other methods
            only; or None, where nothing matches the path.

        Raises:
            JsonError: The path matches, but a variable is malformed.
        """
        allowed: set[str] = set()
        for segments, verb in readings(raw_path):
            for routes in self._routes(segments, verb):
                route = routes.get(method) or routes.get("*")
                if route is not None:
                    binding, target = route
                    return RestMatch(binding, target, binding.template.capture(segments))
                allowed.update(routes)
        return frozenset(allowed) or None

    def _add(self, binding: HttpBinding, target: T) -> None:
        node = self._root
        for segment in binding.template.segments:
            node = node.children.setdefault(segment, _Node())
        routes = node.routes.setdefault(binding.template.verb, {})
        if binding.method in routes:
            other, _ = routes[binding.method]
            raise ValueError(
                f"{_shown(other)} and {_shown(binding)} answer the same requests: change one path"
            )
        routes[binding.method] = binding, target
        self._depth = max(self._depth, len(binding.template.segments))

    def _routes(
        self, segments: Sequence[str], verb: str | None
    ) -> Iterator[dict[str, tuple[HttpBinding, T]]]:
        """Yield the routes by method of each template that matches, in order of precedence."""
        # A node can be reached in one way only, so that each is looked at once at most.
        literals = [literal(segment) for segment in segments[: self._depth]]
        pending = [(self._root, 0)]
        while pending:
            node, index = pending.pop()
            if index == len(segments) and verb in node.routes:
                yield node.routes[verb]
            if (rest := node.children.get(Wildcard.ANY)) is not None:
                pending.append((rest, len(segments)))
            if index < len(literals):
                if (child := node.children.get(Wildcard.ONE)) is not None:
                    pending.append((child, index + 1))
                if (child := node.children.get(literals[index])) is not None:
                    pending.append((child, index + 1))


class _Node(Generic[T]):
    """The templates that share their first segments."""

    def __init__(self) -> None:
        self.children: dict[str | Wildcard, _Node[T]] = {}
        self.routes: dict[str | None, dict[str, tuple[HttpBinding, T]]] = {}


def _shown(binding: HttpBinding) -> str:
    return f"{binding.rpc.full_name} ({binding.method} {binding.template.text})"
