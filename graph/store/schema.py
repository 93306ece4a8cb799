"""The version of a store's tables: found, compared with the program's, brought up to it."""

import secrets
from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from graph.problems import Refused
from graph.store.engine import Database, refused
from graph.store.settings import set_setting
from graph.store.tables import SETTINGS, VERSION

STORE_ID = "store_id"


def prepare(database: Database, *, create: bool) -> None:
    """Bring the tables to this program's version, in one transaction; nothing is done if they are at it.

    Raises ``Refused`` for a store of a newer program, another program's database, and, without
    ``create``, an empty one.
    """
    with database.reading() as connection:
        found = _needed(connection, database.place, create=create)
    database.settle()
    if found is None:
        return
    with database.writing() as connection:
        # Another process may have done it between the two looks.
        found = _needed(connection, database.place, create=create)
        if found is None:
            return
        _upgrade(connection)
        if found == "":
            # A store's identity, not a rule: the one thing here that must differ every time.
            set_setting(connection, STORE_ID, secrets.token_hex(16))


def store_id(connection: Connection) -> str:
    """What tells this store from every other, 32 hexadecimal digits."""
    found = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.key == STORE_ID))
    return str(found.scalar_one())


def _needed(connection: Connection, place: str, *, create: bool) -> str | None:
    """None if the tables are at the program's version, else the version found ("" for no tables)."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise Refused(
                "store_foreign",
                f"这是别的程序的数据库：{place}。",
                "请核对路径或地址，为揭榜另选一个文件或一个空库。",
            )
        if not create:
            raise refused("store_missing", place)
        return ""
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""
    if found > VERSION or "settings" not in tables:
        raise Refused(
            "store_newer",
            f"数据库由更新的版本建立（结构版本 {found}，本程序支持到 {VERSION}）：{place}。",
            "请升级揭榜后再打开；本次没有改动任何内容。",
        )
    return None if found == VERSION else str(found)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Config interpolates "%": a folder may well be named with one.
    steps = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", steps)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
