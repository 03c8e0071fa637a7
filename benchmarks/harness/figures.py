"""Figures of several rounds: their median, and whether they agree well enough to be compared."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

MAX_SPREAD = 0.10
"""How far the rounds of a figure may be apart for it to be compared with another."""

FEWEST_ROUNDS = 5


def median(rounds: Sequence[float]) -> float:
    """The median of the rounds."""
    return statistics.median(rounds)


def spread(rounds: Sequence[float]) -> float:
    """How far apart the middle half of the rounds is, relative to their median."""
    if len(rounds) < 2:
        return 0.0
    quarter, _, three_quarters = statistics.quantiles(rounds, n=4, method="inclusive")
    return (three_quarters - quarter) / statistics.median(rounds)


def is_steady(rounds: Sequence[float]) -> bool:
    """Whether a figure may be compared: enough rounds, which agree."""
    return len(rounds) >= FEWEST_ROUNDS and spread(rounds) <= MAX_SPREAD


def ratio(rounds: Sequence[float], base: Sequence[float]) -> float | None:
    """The ratio of two figures, or None where one of them is not to be compared."""
    if not (is_steady(rounds) and is_steady(base)):
        return None
    return median(rounds) / median(base)
