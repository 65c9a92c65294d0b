"""A real PostgreSQL server for tests: made in a temporary folder, reached through a socket there, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

SETTINGS = ("listen_addresses=", "fsync=off", "shared_buffers=16MB", "max_connections=40")


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server."""

    folder: Path
    user: str

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}@/postgres?host={self.folder}"

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def stop(self) -> None:
        _as(self.user, "pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in (*SETTINGS, f"unix_socket_directories={self.folder}"))
        data, log = str(self.folder / "data"), str(self.folder / "log")
        _as(self.user, "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")


@contextmanager
def serve_postgres() -> Generator[PostgresServer]:
    """Run a server; the test is skipped where there is none to run."""
    if sys.platform == "win32" or shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("no initdb and pg_ctl on this machine")
    user = _unprivileged()
    # A socket's path must be short, which a test's own folder is not.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        server = PostgresServer(Path(name), user)
        shutil.chown(name, user)
        _as(user, "initdb", "-D", f"{name}/data", "-A", "trust", "-U", user, "-E", "UTF8", "--locale=C", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _unprivileged() -> str:
    """PostgreSQL refuses to run as root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _as(user: str, *command: str) -> None:
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        user=user if os.geteuid() == 0 else None,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
