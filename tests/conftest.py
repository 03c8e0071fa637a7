"""What holds for all tests."""

from __future__ import annotations

import gc

import hypothesis  # noqa: F401 - it asks the collector who refers to what, so it comes before


def pytest_collection_finish() -> None:
    """Take what imports and collection have made out of the garbage collector's rounds.

    It stays until the end, and each full round among thousands of tests would look at all of it.
    """
    gc.collect()
    gc.freeze()
