"""The garbage collector while JSON is read."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from polyrpc.protojson import JsonCodec, JsonError, codec
from testing.v1.plain_pb2 import PlainOrder

DECODE = JsonCodec().message_decoder(PlainOrder)


@pytest.fixture
def collections() -> Iterator[list[int]]:
    """The generations that were looked through."""
    seen: list[int] = []

    def note(phase: str, about: dict[str, Any]) -> None:
        if phase == "start":
            seen.append(about["generation"])

    gc.collect()
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    assert gc.isenabled()


def text_of(lines: int, **other: Any) -> bytes:
    return json.dumps({"lines": [{"sku": "a" * 20}] * lines, **other}).encode()


@pytest.mark.parametrize("wrong", [{}, {"name": 1}], ids=["good", "refused"])
def test_it_does_not_look_at_what_is_parsed_of_a_long_text(
    wrong: dict[str, Any], collections: list[int]
) -> None:
    text = text_of(5000, **wrong)
    assert len(text) > codec._LONG_BYTES
    read = DECODE if not wrong else _refused
    for _ in range(3):
        read(text)
    if not wrong:
        assert collections == []


def _refused(text: bytes) -> None:
    with pytest.raises(JsonError, match="name: expected a string"):
        DECODE(text)


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    try:
        assert len(DECODE(text_of(5000)).lines) == 5000
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_short_text_is_read_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "disable", lambda: pytest.fail("it was switched off"))
    assert DECODE(text_of(3)) == PlainOrder(lines=[{"sku": "a" * 20}] * 3)
