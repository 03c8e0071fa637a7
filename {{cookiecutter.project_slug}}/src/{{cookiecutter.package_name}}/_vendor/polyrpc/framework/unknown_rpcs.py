"""The seam to the framework's routing for RPCs that there are not, of every protocol.

A caller of gRPC or Connect that asks for one is told so in the form of its protocol. Without this
route it would get the answer of any unknown path, which says nothing to such clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..calls.metadata import media_type
from ..protocols.unknown import UnknownRpcPaths
from .imports import Match
from .joint_route import JointRoute
from .route import answer_alone

_ANSWER = "gateway.unknown_rpc"
_PATH = re.compile(r"/([A-Za-z_][\w.]*)/[A-Za-z_]\w*", re.ASCII)
_OF_CONNECT = b"connect-protocol-version"
"""The header by which clients of Connect are known, where other content types do not tell: JSON is
everybody's, and protobuf is anybody's at a path without a package."""


class UnknownRpcs(JointRoute):
    """Answers what looks like an RPC and is none of the gateways that are registered at a path."""

    def __init__(self, base_path: str) -> None:
        super().__init__(base_path)
        self._known: set[str] = set()
        self._gateways: list[UnknownRpcPaths] = []

    def add(self, known: Iterable[str], unknown: UnknownRpcPaths) -> None:
        """Adds a gateway.

        Of several, the one answers that has the service of the RPC which there is not, or may have
        it; of those that are alike, the first.

        Args:
            known: The paths of its RPCs.
            unknown: What answers all others.
        """
        self._known.update(known)
        self._gateways.append(unknown)

    def search(self, scope: Any) -> tuple[Match, Any]:
        """Matches a request, as `BasePath` describes."""
        path = self.path_of(scope) if scope.get("method") == "POST" else None
        if path is None:
            return Match.NONE, {}
        found = _PATH.fullmatch(path)
        if found is None or path in self._known:
            return Match.NONE, {}
        headers = dict(scope["headers"])
        content_type = media_type(headers.get(b"content-type", b""))
        if _OF_CONNECT not in headers and (
            content_type == "application/json"
            or (content_type == "application/proto" and "." not in found[1])
        ):
            return Match.NONE, {}
        gateways = sorted(self._gateways, key=lambda one: one.claim(found[1]), reverse=True)
        answers = (gateway.answer_to(path, content_type) for gateway in gateways)
        answer = next((answer for answer in answers if answer is not None), None)
        return (Match.NONE, {}) if answer is None else (Match.FULL, {_ANSWER: answer})

    def handle_dispatch(self, scope: Any, receive: Any, send: Any) -> Any:
        """Makes what answers a request that `search` has matched; the framework awaits it."""
        return answer_alone(scope[_ANSWER], scope, receive, send)
