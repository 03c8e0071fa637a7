"""Database servers of Debian's packages, each of a test session alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from programs import needs

PACKAGES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
REDIS = shutil.which("redis-server")
SECRET = "hunter2"

NEEDS_POSTGRESQL = needs(PACKAGES, "Debian's package postgresql")
NEEDS_REDIS = needs(REDIS, "Debian's package redis-server")


class Database:
    """A PostgreSQL server of its own, on a Unix socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"postgresql://postgres:{SECRET}@/postgres?host={folder}"
        # It refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        folder.chmod(0o755)
        self._run("initdb", "--username=postgres", "--auth=trust", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(PACKAGES[-1].with_name(program)), f"--pgdata={self.folder / 'data'}"]
        subprocess.run(
            [*command, *arguments],
            user=self._user,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def execute(self, statement: str, database: str = "postgres") -> list[str]:
        psql = ["psql", f"--host={self.folder}", "--username=postgres", f"--dbname={database}"]
        done = subprocess.run(
            [*psql, "--tuples-only", "--no-align", "--quiet", "--command", statement],
            check=True,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        return done.stdout.split()


@contextmanager
def database_server() -> Iterator[Database]:
    """Runs a PostgreSQL server."""
    # Not in pytest's folder, which is not for other users, and has too long a name for a socket.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        database = Database(Path(folder))
        database.start()
        yield database
        database.stop()


class Redis:
    """A Redis server of its own, on a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://:{SECRET}@{self.socket}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        assert REDIS is not None
        options = ("--port", "0", "--save", "", "--requirepass", SECRET, "--daemonize", "no")
        self._process = subprocess.Popen(
            [REDIS, "--unixsocket", str(self.socket), *options],
            cwd=self.socket.parent,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdout is not None
        # The socket's line is the last one before it accepts.
        assert any("ready to accept connections at" in line for line in self._process.stdout)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()

    def execute(self, *command: str) -> str:
        done = subprocess.run(
            ["redis-cli", "-s", str(self.socket), "--no-auth-warning", "-a", SECRET, *command],
            check=True,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        return done.stdout.strip()


@contextmanager
def redis_server() -> Iterator[Redis]:
    """Runs a Redis server."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        redis = Redis(Path(folder))
        redis.start()
        try:
            yield redis
        finally:
            redis.stop()
