"""Objects that calls pass before their resources are there: initialised at each start.

What is known of a servicer or an interceptor, which RPCs it has and whether it is one, must be
known when the application is made. What its constructor takes is opened at a start.
"""

from __future__ import annotations

import inspect
from typing import Any


class Resourceful:
    """An instance whose constructor may take the service's resources.

    Args:
        thing: A class, or an instance, which is taken as it is.
        with_resources: Whether there will be resources.

    Attributes:
        instance: It is initialised by `make`, at each start.

    Raises:
        ValueError: The constructor takes something else, or resources that there will not be.
    """

    def __init__(self, thing: Any, *, with_resources: bool) -> None:
        self.instance: Any = thing
        self._initialise: Any = None
        self._takes_resources = False
        if not isinstance(thing, type):
            return
        kind: Any = thing
        self.instance = kind.__new__(kind)
        self._initialise = kind.__init__
        required = optional = named = 0
        for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                required += parameter.default is parameter.empty
                optional += parameter.default is not parameter.empty
            elif parameter.kind is parameter.KEYWORD_ONLY:
                named += parameter.default is parameter.empty
        name = thing.__name__
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
