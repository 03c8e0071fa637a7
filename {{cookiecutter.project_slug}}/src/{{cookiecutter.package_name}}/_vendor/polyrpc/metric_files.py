"""The folder in which processes that share ports keep their metrics, so that any tells the sum.

prometheus_client's files are sparse: on a full disk, writing to one ends the process with SIGBUS.
Here their space is allocated first, and what gets none is kept in memory. What dead processes
have counted is put together in one file a kind, so that restarts leave no more and more of them.
"""

from __future__ import annotations

import io
import logging
import mmap
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names it; prometheus_client reads it when it is first imported."""

logger = logging.getLogger("polyrpc.metric_files")

_FILE_BYTES = 1 << 16
_FILES = 8
_NOBODY = 0  # Process ids begin with 1.
_MERGING = "merging"
_ATTEMPTS = 10

T = TypeVar("T")


def check_space(folder: str | Path, processes: int = 1) -> None:
    """Makes sure that there is room for what processes keep.

    Raises:
        OSError: There is not.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        _allocate(file.fileno(), processes * _FILES * _FILE_BYTES)


def prepare() -> None:
    """Sees to the folder, where the environment names one; before anything makes metrics."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    if "prometheus_client" not in sys.modules:
        try:
            check_space(folder)
        except OSError as error:
            in_memory(error)
            return
    from prometheus_client import mmap_dict

    values: Any = import_module("prometheus_client.values")
    if values.MmapedDict is mmap_dict.MmapedDict:  # and no other service of this process was first
        values.MmapedDict = _allocated_dict()


def in_memory(reason: OSError) -> None:
    """Has this process, and those it starts, keep their metrics to themselves, and says so."""
    os.environ.pop(FOLDER, None)
    logger.warning(
        "metrics stay in memory, and each process tells but its own: the folder for them (TMPDIR, "
        "%s) cannot be written: %s",
        FOLDER,
        reason.strerror,
    )


def forget(folder: str | Path, pid: int) -> None:
    """Keeps what a dead process has counted, and nothing else of it."""
    folder = Path(folder)
    marker = folder / _MERGING
    with suppress(OSError):
        marker.touch()
    for file in folder.glob(f"*_{pid}.db"):
        kind = file.name.removesuffix(f"_{pid}.db")
        try:
            if kind == "gauge_all" or kind.startswith("gauge_live"):
                file.unlink()
            else:
                _add(file, folder / f"{kind}_{_NOBODY}.db", kind)
        except OSError as error:
            logger.warning("%s of a dead process stays as it is: %s", file.name, error)
        except Exception:  # whatever reading it raises: no scrape could go on
            logger.warning("%s of a dead process cannot be read and is removed", file.name)
            file.unlink(missing_ok=True)
    with suppress(OSError):
        marker.unlink()


def read_undisturbed(folder: str | Path, read: Callable[[], T]) -> T:
    """Reads all files at a time when nothing is on its way from one of them to another."""
    for _ in range(_ATTEMPTS - 1):
        before = _state(folder)
        with suppress(FileNotFoundError):
            value = read()
            if before is not None and before == _state(folder):
                return value
    return read()


def _state(folder: str | Path) -> set[tuple[str, int]] | None:
    with os.scandir(folder) as entries:
        state = {(entry.name, entry.inode()) for entry in entries}
    return None if any(name == _MERGING for name, _ in state) else state


def _add(file: Path, total: Path, kind: str) -> None:
    numbers: Any = _allocated_dict()(None)
    for source in filter(Path.exists, (total, file)):
        for key, value, timestamp, _ in numbers.read_all_values_from_file(source):
            old = numbers.read_value(key) if key in numbers._positions else None
            new = (value, timestamp)
            numbers.write_value(key, *(new if old is None else _both(kind, old, new)))
    written = total.with_suffix(".new")
    written.write_bytes(numbers.content())
    written.replace(total)
    file.unlink()


def _both(kind: str, one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    match kind:
        case "gauge_max":
            return max(one, other)
        case "gauge_min":
            return min(one, other)
        case "gauge_mostrecent":
            return max(one, other, key=lambda value: value[1])
        case _:
            return one[0] + other[0], 0.0


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    missing = size - os.fstat(descriptor).st_size
    if missing > 0:
        with open(os.dup(descriptor), "ab") as file:
            file.write(bytes(missing))


def _make(filename: str) -> None:
    # At once what it is to be: others read all that is there.
    unfinished = f"{filename}.new"
    try:
        with open(unfinished, "wb") as file:
            _allocate(file.fileno(), _FILE_BYTES)
        os.replace(unfinished, filename)
    except OSError:
        with suppress(OSError):
            os.unlink(unfinished)
        raise


def _allocated_dict() -> type[Any]:
    # Here: prometheus_client must not be imported before its variable is set.
    from prometheus_client.mmap_dict import MmapedDict

    class AllocatedDict(MmapedDict):
        """Numbers in a file whose space is allocated; in memory where there is none, or no file."""

        def __init__(self, filename: str | None, read_mode: bool = False) -> None:
            self._fname = filename
            self._positions: dict[str, int] = {}
            if filename is not None:
                try:
                    if not os.path.exists(filename):
                        _make(filename)
                    super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]  # it has none
                except OSError as error:
                    self._say(error)
                else:
                    return
            self._f = io.BytesIO()
            self._capacity = _FILE_BYTES
            self._used = 8
            self._m = mmap.mmap(-1, _FILE_BYTES)
            self._m[:4] = self._used.to_bytes(4, sys.byteorder)

        def content(self) -> bytes:
            """All that a file of this would hold."""
            return self._m[: self._used]

        def _init_value(self, key: str) -> None:
            # As much as the entry takes at most: lengths, padding, value and time.
            while self._used + len(key.encode()) + 32 > self._capacity:
                self._grow()
            super()._init_value(key)  # type: ignore[no-untyped-call]  # as above

        def _grow(self) -> None:
            self._capacity *= 2
            if not isinstance(self._f, io.BytesIO):
                try:
                    _allocate(self._f.fileno(), self._capacity)
                    self._m = mmap.mmap(self._f.fileno(), self._capacity)
                except OSError as error:
                    self._say(error)
                    self._f.close()
                    self._f = io.BytesIO()
                else:
                    return
            grown = mmap.mmap(-1, self._capacity)
            grown[: self._used] = self._m[: self._used]
            self._m = grown

        def _say(self, error: OSError) -> None:
            logger.warning(
                "metrics stay in memory from now on, without a sum: %s cannot grow: %s",
                self._fname,
                error.strerror,
            )

    return AllocatedDict
