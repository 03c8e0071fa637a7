"""Tracebacks for the log: the frames of the service in full, the libraries' folded.

Never with the values of local variables: requests and tokens are among them.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

_LIBRARY = f"{__package__}."
_HERE = str(Path(__file__).parent) + os.sep
_own: list[str] = []
"""The folders of the service's own code, which may be installed among the libraries."""

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def show_frames_of(module: str) -> None:
    """Has the frames of the package that a module is in shown in full."""
    package = sys.modules.get(module.partition(".")[0])
    _own.extend(str(Path(path)) + os.sep for path in getattr(package, "__path__", ()))


def short_traceback(exc_info: ExcInfo) -> str:
    """Writes an exception with its causes, as Python does, but with libraries' frames folded."""
    _, error, _ = exc_info
    if error is None:
        return "NoneType: None"
    written = traceback.TracebackException.from_exception(error, compact=True)
    one: Any
    for one, its_error in _with_causes(written, error):
        one.stack = _Folded(one.stack)
        if type(its_error).__module__.startswith(_LIBRARY):
            one.format_exception_only = partial(_name_only, its_error)
    return "".join(written.format()).rstrip("\n")


class _Folded(traceback.StackSummary):
    def format(self, **options: Any) -> list[str]:
        """Follows `traceback.StackSummary.format`."""
        lines: list[str] = []
        # Where it was raised is always shown.
        for folded, frames in groupby(self[:-1], lambda frame: _is_of_library(frame.filename)):
            group = list(frames)
            if folded:
                lines.append(f"  ... {len(group)} frames of libraries\n")
            else:
                lines += traceback.StackSummary.from_list(group).format(**options)
        return lines + traceback.StackSummary.from_list(self[-1:]).format(**options)


def _is_of_library(filename: str) -> bool:
    if filename.startswith(_HERE):
        return True
    if filename.startswith(tuple(_own)):
        return False
    return filename.startswith(_libraries())


@cache
def _libraries() -> tuple[str, ...]:
    import sysconfig  # Here: it reads more than a start should.

    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (*map(sysconfig.get_path, names), "<frozen")


def _name_only(error: BaseException, **_: Any) -> Iterator[str]:
    """An exception of the gateway's own: its text is for the caller and quotes what was sent."""
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"


def _with_causes(
    written: traceback.TracebackException, error: BaseException
) -> Iterator[tuple[traceback.TracebackException, BaseException]]:
    waiting: list[tuple[Any, Any]] = [(written, error)]
    while waiting:
        one, its_error = waiting.pop()
        if one is None:
            continue
        yield one, its_error
        waiting += [
            (one.__cause__, its_error.__cause__),
            (one.__context__, its_error.__context__),
            *zip(one.exceptions or (), getattr(its_error, "exceptions", ()), strict=False),
        ]
