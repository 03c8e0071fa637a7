"""A route that answers for all gateways which are registered at one base path."""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import quote

from .imports import BasePath, NoMatchFound


class JointRoute(BasePath):
    """One route among an application's, whatever the number of paths that it answers.

    It matches by itself, by the path as it was sent: the framework matches decoded ones, in which
    an encoded slash is a slash.

    Args:
        base_path: What goes before the paths; empty for nothing.
    """

    name = None
    include_in_schema = False

    def __init__(self, base_path: str) -> None:
        self.path = base_path or "/"
        self.base_path = base_path

    @classmethod
    def among(cls, routes: list[Any], base_path: str) -> Self:
        """Finds the one at `base_path`, and adds it where there is none yet."""
        for route in routes:
            if isinstance(route, cls) and route.base_path == base_path:
                return route
        added = cls(base_path)
        routes.append(added)
        return added

    def path_of(self, scope: Any) -> str | None:
        """The path of a request below `base_path`, as it was sent; None: it is none of these.

        Where the application is mounted, it is what is below that.
        """
        if scope["type"] != "http":
            return None
        raw = scope.get("raw_path")
        path = quote(scope["path"]) if raw is None else raw.decode("latin-1")
        # As many segments go as the root path has. One that a proxy has taken off already is not
        # there.
        root_path = scope.get("root_path", "").strip("/")
        if root_path and f"{scope['path']}/".startswith(f"/{root_path}/"):
            path = f"/{'/'.join(path.split('/')[root_path.count('/') + 2 :])}"
        return path.removeprefix(self.base_path) if path.startswith(self.base_path) else None

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """Raises `NoMatchFound`: these paths have no names."""
        raise NoMatchFound(name, path_params)

    path_for = url_path_for
