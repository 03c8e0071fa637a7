"""The metrics of one service: where its calls are counted, and what Prometheus scrapes."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..logs import dropped_lines
from ..metric_files import FOLDER
from .metrics import InMemory, Labels, RpcMetrics
from .rpc import UNKNOWN, Rpc


class Metrics:
    """Counts calls: in plain numbers, or in files where all processes' numbers are added up.

    Two services of one process have one of these each, and nothing in common.
    """

    def __init__(self) -> None:
        self._in_memory: dict[Labels, InMemory] = {}
        self._of: Callable[[Labels], RpcMetrics] = self._of_memory
        self._folder = os.environ.get(FOLDER)
        if self._folder:
            # Only here: all others import it at their first scrape. From now on those who add up
            # the numbers of all processes see this one.
            from .prometheus import files

            self._of = files().metrics_of

    def of(self, rpc: Rpc) -> RpcMetrics:
        """Finds the metrics of an RPC. All that are unknown share theirs: callers make them up."""
        if rpc.known:
            return self._of((rpc.type, rpc.service, rpc.method, rpc.protocol))
        return self._of((UNKNOWN, UNKNOWN, UNKNOWN, rpc.protocol))

    def exposition(self) -> tuple[bytes, str]:
        """Writes all metrics, those of the other processes too, and tells their content type."""
        from .prometheus import CONTENT_TYPE_LATEST, of_folder, of_memory

        if self._folder:
            return of_folder(self._folder), CONTENT_TYPE_LATEST
        return of_memory(self._in_memory, dropped_lines()), CONTENT_TYPE_LATEST

    def _of_memory(self, labels: Labels) -> InMemory:
        return self._in_memory.setdefault(labels, InMemory())
