"""Reaching the database: addresses, transactions, and every driver's failure as one kind of refusal."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from graph.problems import Refused

# "jiebang" as a number: the advisory lock that makes writers of one PostgreSQL database take turns.
_WRITERS_LOCK = int.from_bytes(b"jiebang", "big")

_LOCKED = "请稍候再试；若一直如此，请查看是否有另一个程序正在导入。"
_MESSAGES: dict[str, tuple[str, str]] = {
    "store_locked": ("数据库正被另一个程序写入：{place}。", _LOCKED),
    "store_full": ("磁盘已满，没有写入任何内容：{place}。", "请清理磁盘空间后重做这一步。"),
    "store_unwritable": ("没有权限读写数据库：{place}。", "请检查文件和所在文件夹的权限，或换一个位置。"),
    "store_corrupt": ("数据库文件已损坏：{place}。", "请停止写入，保留原文件，用最近的备份恢复。"),
    "store_not_database": ("这个文件不是数据库：{place}。", "请核对路径；不要覆盖该文件。"),
    "store_missing": ("找不到数据库：{place}。", "请核对路径或地址，或先导入数据以新建数据库。"),
    "store_unreadable": ("读写数据库时磁盘出错：{place}。", "请检查磁盘或网络盘，再重做这一步。"),
    "store_unreachable": ("连不上数据库服务器：{place}。", "请检查地址、端口以及服务器是否已启动。"),
    "store_login": ("数据库服务器拒绝登录：{place}。", "请核对用户名和密码。"),
    "store_failed": ("数据库操作失败：{place}（{detail}）。", "没有写入任何内容；请把这条信息交给管理员。"),
}  # fmt: skip

# Primary result codes, https://www.sqlite.org/rescode.html
_SQLITE_CODES = {
    sqlite3.SQLITE_BUSY: "store_locked",
    sqlite3.SQLITE_LOCKED: "store_locked",
    sqlite3.SQLITE_READONLY: "store_unwritable",
    sqlite3.SQLITE_PERM: "store_unwritable",
    sqlite3.SQLITE_AUTH: "store_unwritable",
    sqlite3.SQLITE_CANTOPEN: "store_unwritable",
    sqlite3.SQLITE_FULL: "store_full",
    sqlite3.SQLITE_IOERR: "store_unreadable",
    sqlite3.SQLITE_CORRUPT: "store_corrupt",
    sqlite3.SQLITE_NOTADB: "store_not_database",
}

# SQLSTATE by longest prefix, https://www.postgresql.org/docs/18/errcodes-appendix.html
_POSTGRESQL_CODES = {
    "55P03": "store_locked",
    "40001": "store_locked",
    "40P01": "store_locked",
    "53100": "store_full",
    "25006": "store_unwritable",
    "42501": "store_unwritable",
    "3D000": "store_missing",
    "58": "store_unreadable",
    "XX": "store_corrupt",
    "28": "store_login",
    "08": "store_unreachable",
    "57P": "store_unreachable",
    "53": "store_unreachable",
}


def refused(code: str, place: str, detail: str = "") -> Refused:
    """The refusal of this code with its Chinese message and remedy."""
    message, remedy = _MESSAGES[code]
    return Refused(code, message.format(place=place, detail=detail), remedy)


def failure_code(error: BaseException) -> str:
    """The code of ``_MESSAGES`` for a driver's error; what is not foreseen is ``store_failed``."""
    if isinstance(error, sqlite3.Error):
        return _SQLITE_CODES.get(getattr(error, "sqlite_errorcode", -1) & 0xFF, "store_failed")
    state = getattr(error, "sqlstate", None)
    if state is None:
        # psycopg gives no SQLSTATE while it has no connection; only then is the text all there is.
        words = str(error)
        if any(w in words for w in ("authentication failed", "no password supplied", 'role "')):
            return "store_login"
        if 'database "' in words and "does not exist" in words:
            return "store_missing"
        return "store_unreachable" if type(error).__name__ == "OperationalError" else "store_failed"
    prefixes = [p for p in _POSTGRESQL_CODES if state.startswith(p)]
    return _POSTGRESQL_CODES[max(prefixes, key=len)] if prefixes else "store_failed"


@contextmanager
def refusing(place: str) -> Iterator[None]:
    """Turn any failure of the database inside the block into ``Refused``; the one place that does."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        detail = str(cause).strip().splitlines()[:1]
        raise refused(failure_code(cause), place, "".join(detail)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One database: where it is, as shown to people, and how to begin reading and writing in it."""

    place: str
    engine: Engine
    lock_timeout: float

    def settle(self) -> None:
        """Set what the file itself keeps: a write-ahead log, so that readers and a writer do not wait.

        Only for a database known to be a store: it would change another program's file for good.
        """
        if self.engine.dialect.name == "sqlite":
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            finally:
                connection.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose every read sees the same moment."""
        options: dict[str, Any] = {}
        if self.engine.dialect.name == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect() as connection, connection.execution_options(**options).begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that alone may write until the block ends: committed as a whole or not at all.

        Waits ``lock_timeout`` seconds for another writer.
        """
        with self.engine.connect() as plain:
            connection = plain.execution_options(writing=True)
            with connection.begin():
                if self.engine.dialect.name == "postgresql":
                    connection.execute(
                        text("SELECT set_config('lock_timeout', :wait, true)"),
                        {"wait": f"{int(self.lock_timeout * 1000)}ms"},
                    )
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITERS_LOCK})
                yield connection


def connect(where: str | Path, *, create: bool, lock_timeout: float) -> Database:
    """The database at a file path or URL; with ``create`` a missing folder is made.

    Raises ``Refused`` for an address that is no SQLite file or PostgreSQL database, a file that is not
    there (without ``create``), or a missing driver.
    """
    if isinstance(where, str) and "://" in where:
        url = _known_url(where)
        if url.get_backend_name() == "postgresql":
            return _postgresql(url, lock_timeout)
        where = Path(url.database or "")
    return _sqlite(Path(where).absolute(), create, lock_timeout)


def _known_url(where: str) -> URL:
    try:
        url = make_url(where.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        url = None
    if url is not None and url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url is not None and url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    raise Refused(
        "store_address",
        "看不懂数据库地址。",
        "请写文件路径，或 postgresql://用户名:密码@主机:端口/库名 这样的地址。",
    )


def _postgresql(url: URL, lock_timeout: float) -> Database:
    try:
        engine = create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise Refused(
            "store_driver", "没有安装 PostgreSQL 驱动。", "请执行：pip install 'jiebang[postgres]'"
        ) from error
    place = url.set(drivername="postgresql").render_as_string(hide_password=True)
    return Database(place=place, engine=engine, lock_timeout=lock_timeout)


def _sqlite(path: Path, create: bool, lock_timeout: float) -> Database:
    if not create and not path.exists():
        raise refused("store_missing", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused("store_unwritable", str(path)) from error
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": lock_timeout})

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        # The driver must not begin transactions of its own: "begun" below does, so that a reader's
        # snapshot and a writer's lock start where the code says they start.
        connection.isolation_level = None
        # The database is the only truth: a commit survives loss of power, not only of the process.
        connection.execute("PRAGMA synchronous=FULL")

    def begun(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return Database(place=str(path), engine=engine, lock_timeout=lock_timeout)
