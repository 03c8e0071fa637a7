"""Servicers whose RPCs are known before they are made."""

from __future__ import annotations

import inspect
from typing import Any


class Servicer:
    """A servicer as `Service` is given it: its constructor may need the resources.

    Args:
        servicer: The class, or an instance, which is taken as it is.
        with_resources: Whether there will be resources.

    Raises:
        ValueError: Its constructor wants what it will not get.

    Attributes:
        instance: What answers the RPCs; `make` initialises it, at each start.
    """

    def __init__(self, servicer: Any, *, with_resources: bool) -> None:
        self.instance: Any = servicer
        self._initialise: Any = None
        self._takes_resources = False
        if not isinstance(servicer, type):
            return
        kind: Any = servicer
        self.instance = kind.__new__(kind)
        self._initialise = kind.__init__
        required = optional = named = 0
        for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                required += parameter.default is parameter.empty
                optional += parameter.default is not parameter.empty
            elif parameter.kind is parameter.KEYWORD_ONLY:
                named += parameter.default is parameter.empty
        name = servicer.__name__
        if required > 1 or named:
            raise ValueError(f"{name}.__init__ may take the resources, and nothing else")
        if required and not with_resources:
            raise ValueError(f"{name}.__init__ takes the resources, but there is no lifespan")
        self._takes_resources = bool(with_resources and (required or optional))

    def make(self, resources: Any) -> None:
        """Initialises the instance."""
        if self._initialise is not None:
            arguments = (resources,) if self._takes_resources else ()
            self._initialise(self.instance, *arguments)
