"""A PostgreSQL server of our own, for the tests that need one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

USERS = ("postgres", "nobody")
"""Who runs the server where we are root, which PostgreSQL refuses to be."""


def pytest_addoption(parser):
    parser.addoption(
        "--without-postgresql", action="store_true", help="skip the tests that need a PostgreSQL server on this machine"
    )


@pytest.fixture(scope="session")
def postgresql_server(request) -> Iterator[str]:
    """URL of a server on a Unix socket, without the database's name at its end."""
    if request.config.getoption("--without-postgresql"):
        pytest.skip("--without-postgresql")
    binaries = server_binaries()
    with tempfile.TemporaryDirectory(prefix="crossrt-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = Server(binaries, Path(name))
        server.start()
        yield server.url
        server.stop()


@pytest.fixture
def postgresql_url(postgresql_server) -> Iterator[str]:
    """URL of an empty schema, which costs less than a database of its own."""
    import psycopg

    name, server = f"t{uuid.uuid4().hex}", postgresql_server.replace("DATABASE", "postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield f"{server}&options=-csearch_path%3D{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")


def server_binaries() -> Path:
    """The newest server that is installed; none is an error, as a silent skip would look like success."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if on_path is None and not found:
        pytest.fail("no PostgreSQL server: apt-get install -y postgresql, or give --without-postgresql")
    return (Path(on_path) if on_path else found[-1]).resolve().parent


class Server:
    """A server in a folder of its own, which only this machine's users reach."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder, self._data = binaries, folder, folder / "data"
        self._user = next((user for user in USERS if exists(user)), None) if os.getuid() == 0 else None
        self.url = f"postgresql://crossrt@/DATABASE?host={folder}"

    def start(self) -> None:
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-U", "crossrt", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c fsync=off -c full_page_writes=off"
        )
        self._run("pg_ctl", "-w", "-s", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-s", "-m", "immediate", "stop")

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(self._binaries / name), "-D", str(self._data), *arguments]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
        done = subprocess.run(command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            pytest.fail(f"{name} failed: {done.stderr}")


def exists(user: str) -> bool:
    import pwd

    return user in {entry.pw_name for entry in pwd.getpwall()}
