"""What tests need besides Python's packages.

Where a program is missing, its tests are skipped with that as the reason. `.ci/run` installs those
below and sets `CI`; there such a test fails, so that none is left out unnoticed.
"""

from __future__ import annotations

import os
import shutil

import pytest


def needs(there: object, what: str) -> pytest.MarkDecorator:
    """Skip where `what` is not installed; in CI (`CI` is set), where it must be, fail instead."""
    missing = not there and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"{what} is not installed")


def must_have(there: object, what: str) -> None:
    """Do the same in a fixture."""
    if not there and "CI" in os.environ:
        pytest.fail(f"{what} is not installed, which CI must have")
    if not there:
        pytest.skip(f"{what} is not installed")


CURL = shutil.which("curl") or "curl"
H2LOAD = shutil.which("h2load") or "h2load"
needs_curl = needs(shutil.which("curl"), "curl")
needs_h2load = needs(shutil.which("h2load"), "h2load, of Debian's package nghttp2-client,")
