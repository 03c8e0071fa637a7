"""The attacks, a module for each family. They import `attack`, `measure` and `talk` alone."""

from __future__ import annotations

from . import (
    answers,
    deaf,
    departures,
    envelopes,
    faulty_json,
    guards,
    hpack,
    http2,
    log,
    names,
    odd_heads,
    pings,
    pipelining,
    stopped,
    trailers,
    trickles,
    unfinished,
    unwanted,
)

ATTACKS = [
    *trailers.ATTACKS,
    *pipelining.ATTACKS,
    *unwanted.ATTACKS,
    *deaf.ATTACKS,
    *faulty_json.ATTACKS,
    *envelopes.ATTACKS,
    *guards.ATTACKS,
    *odd_heads.ATTACKS,
    *answers.ATTACKS,
    *departures.ATTACKS,
    *unfinished.ATTACKS,
    *trickles.ATTACKS,
    *log.ATTACKS,
    *names.ATTACKS,
    *pings.ATTACKS,
    *hpack.ATTACKS,
    *http2.ATTACKS,
    *stopped.ATTACKS,
]
