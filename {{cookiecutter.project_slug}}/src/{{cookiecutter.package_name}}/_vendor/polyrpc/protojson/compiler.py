"""Functions of message types, compiled from source that is made of their descriptors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from threading import RLock
from typing import Any

from google.protobuf.descriptor import Descriptor


class CompiledFunctions(ABC):
    """One function for each message type, compiled when it is first needed.

    Args:
        names: What the functions may call, by name.
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._namespace = dict(names)
        self._function_names: dict[str, str] = {}
        self._numbers = count()
        # A function has its name before it is there, and servicers may be in threads.
        self._lock = RLock()

    @abstractmethod
    def _source(self, descriptor: Descriptor) -> Iterable[str]:
        """Yields the lines of a type's function, without its name: `(message):` and so on."""

    def _compiled(
        self, type_name: str, lines: Iterable[str], name: str | None = None
    ) -> Callable[..., Any]:
        """Compiles a function; the first line has its parameters alone: `(message):`."""
        name = name or self._new_name()
        source = f"def {name}" + "\n".join(lines)
        code = compile(source, f"<{type(self).__name__} of {type_name}>", "exec")
        exec(code, self._namespace)  # noqa: S102 - made of numbers, repr() and proto identifiers
        function: Callable[..., Any] = self._namespace[name]
        return function

    def _name(self, descriptor: Descriptor) -> str:
        """Answers the name by which functions call that of a message type."""
        name = self._function_names.get(descriptor.full_name)
        if name is None:
            # Known before it is compiled: the function of a type that contains itself calls itself.
            name = self._function_names[descriptor.full_name] = self._new_name()
            self._compiled(descriptor.full_name, self._source(descriptor), name)
        return name

    def _new_name(self) -> str:
        return f"function_{next(self._numbers)}"

    def _constant(self, value: object) -> str:
        """Answers a name by which functions can use a value."""
        name = f"constant_{next(self._numbers)}"
        self._namespace[name] = value
        return name
