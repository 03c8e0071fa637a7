"""Validation without the package that it needs."""

from __future__ import annotations

import sys

import pytest
from polyrpc import Validation


def test_what_is_missing_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "protovalidate", None)
    with pytest.raises(
        ImportError, match=r"^Validation needs protovalidate among the dependencies .*'validate'"
    ) as caught:
        Validation()
    assert "\n" not in str(caught.value)
