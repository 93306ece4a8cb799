"""Opening a store: what is made, what is refused, and that a refusal leaves everything as it was."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text

from graph.feedback import Judgement
from graph.kinds import Achievement, Scene
from graph.problems import Refused
from graph.store.changes import PutFeedback, PutNode, PutProcess
from graph.store.engine import connect
from graph.store.receipts import Claimed, Receipt
from graph.store.store import Store, open_store
from graph.store.tables import METADATA, VERSION
from tests.graph.orders import Order, make_order

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]

MakePlace = Callable[[], str | Path]
MakeStore = Callable[[], Store]


def _put(store: Store, title: str = "场景") -> None:
    store.apply([PutNode(node=Scene(id="CJ-1", title=title))], actor="张三", at=NOON, reason="")


def _code(where: str | Path, *, create: bool = True, lock_timeout: float = 0.05) -> str:
    with pytest.raises(Refused) as refused:
        open_store(where, create=create, lock_timeout=lock_timeout)
    assert refused.value.message.endswith("。")
    assert refused.value.remedy
    return refused.value.code


def test_open_store_finds_again_what_was_stored(make_place: MakePlace) -> None:
    place = make_place()
    with open_store(place) as store:
        _put(store)
        was = (store.store_id, store.head())
    with open_store(place, create=False) as store:
        assert (store.store_id, store.head()) == was
        assert [n.id for n in store.nodes()] == ["CJ-1"]
        assert store.verify_history() == []


def test_stores_differ_in_their_id(make_store: MakeStore) -> None:
    ids = {make_store().store_id, make_store().store_id}
    assert sorted(map(len, ids)) == [32, 32]


def test_migrations_end_where_the_program_stands(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert (context.get_current_revision(), compare_metadata(context, METADATA)) == (VERSION, [])


def test_open_store_of_this_version_does_without_alembic(make_place: MakePlace) -> None:
    place = make_place()
    open_store(place).close()
    program = (
        "import sys; from graph.store.store import open_store\n"
        f"open_store({str(place)!r}).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_open_store_refuses_a_store_of_a_newer_program_and_leaves_it_alone(
    make_place: MakePlace,
) -> None:
    place = make_place()
    with open_store(place) as store, store._database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert _code(place) == "store_newer"
    database = connect(place, create=False, lock_timeout=1)
    with database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    database.engine.dispose()


def test_open_store_refuses_another_programs_database(make_place: MakePlace) -> None:
    database = connect(make_place(), create=True, lock_timeout=1)
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE nodes (whatever TEXT)"))
    place = database.engine.url.render_as_string(hide_password=False)
    assert _code(place) == "store_foreign"
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == ["nodes"]
    database.engine.dispose()


def test_open_store_refuses_an_empty_place_unless_it_may_create(
    make_place: MakePlace,
) -> None:
    place = make_place()
    assert _code(place, create=False) == "store_missing"
    open_store(place).close()
    open_store(place, create=False).close()


def test_open_store_leaves_nothing_behind_when_an_upgrade_fails(
    make_place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graph.store.migrations.versions import version_0001

    place = make_place()
    source = Path(version_0001.__file__).read_text()
    broken = source.replace("def downgrade", '    raise RuntimeError("half way")\n\n\ndef downgrade')
    with monkeypatch.context() as patch:
        patch.setattr("graph.store.schema._upgrade", lambda c: _upgrade_with(broken, c))
        with pytest.raises(RuntimeError, match="half way"):
            open_store(place)
    database = connect(place, create=True, lock_timeout=1)
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []
    database.engine.dispose()
    open_store(place).close()


def _upgrade_with(source: str, connection: object) -> None:
    import types

    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    context = MigrationContext.configure(connection)  # type: ignore[arg-type]
    step = types.ModuleType("step")
    exec(compile(source, "step", "exec"), step.__dict__)
    with Operations.context(context):
        step.upgrade()


def test_open_store_brings_a_store_of_the_first_version_up_to_date_in_place(make_place: MakePlace) -> None:
    place = make_place()
    _make_first_version(place)
    with open_store(place, create=False) as store:
        assert (store.store_id, store.revision(), [n.title for n in store.nodes()]) == (
            "0" * 32,
            1,
            ["旧场景"],
        )
        assert (store.judgements(), store.verify_history()) == ([], [])
        graded = Judgement(scene="CJ-1", achievement="CG-1", judge="程某", level=3, at=NOON)
        store.apply(
            [PutNode(node=Achievement(id="CG-1", title="成果")), PutFeedback(record=graded)],
            actor="张三", at=NOON, reason="",
        )  # fmt: skip
    with open_store(place, create=False) as store:
        assert (store.revision(), store.judgements(), store.verify_history()) == (2, [graded], [])


def test_open_store_brings_a_store_of_the_second_version_up_to_date_in_place(make_place: MakePlace) -> None:
    place = make_place()
    _make_second_version(place)
    graded = Judgement(scene="CJ-1", achievement="CG-1", judge="程某", level=3, at=NOON)
    order = make_order()
    with open_store(place, create=False) as store:
        assert (store.store_id, store.revision(), store.judgements()) == ("0" * 32, 2, [graded])
        assert (list(store.processes(Order)), store.verify_history()) == ([], [])
        # What was before is not sent to anybody.
        assert store.outbox.unread(9) == (2, [])
        store.apply([PutProcess(process=order)], actor="张三", at=NOON, reason="")
        assert [entry.key for entry in store.outbox.unread(9)[1]] == [order.key]
        assert store.outbox.fan_out(2, 3, [])
        asked = store.jobs.add(id="1", kind="match_all", actor="李明", at=NOON, attributes={})
        assert store.receipts.claim("甲", "k", "f", NOON, timedelta(minutes=1)) == Claimed()
        store.receipts.settle("甲", "k", status=200, headers={}, body=b"ok")
        secret = store.secret()
    with open_store(place, create=False) as store:
        assert (store.revision(), store.process(Order, "1"), store.verify_history()) == (3, order, [])
        assert (store.outbox.unread(9), store.jobs.get("1"), store.secret()) == ((3, []), asked, secret)
        answer = Receipt(status=200, headers={}, body=b"ok")
        assert store.receipts.claim("甲", "k", "f", NOON, timedelta(minutes=1)) == answer


def _make_second_version(place: str | Path) -> None:
    """A store of the first version as the second one left it: with a judgement, and the judgement's history."""
    from graph.store.migrations.versions import version_0002

    graded = '{"achievement":"CG-1","at":"2026-03-01T12:00:00Z","judge":"程某","level":3,"scene":"CJ-1"}'
    rows: dict[str, dict[str, Any]] = {
        "feedback": {
            "kind": "judgement", "scene": "CJ-1", "achievement": "CG-1", "mark": "程某", "attributes": graded,
            "revision": 2,
        },
        "history": {
            "seq": 2, "revision": 2, "at": "2026-01-02T00:00:00.000000+00:00", "actor": "张三",
            "action": "put_feedback", "subject": '["judgement","CJ-1","CG-1","程某"]', "before": None,
            "after": graded, "reason": "评",
            "previous_hash": "887a2928d4621ee2237be3ccdd076c0ce6b543ef330bfd6c097fab5926d67cc5",
            "hash": "3dcd728bee97a93eaa51ec8a069742d066fd04c1f56712125190a61cc669c7d1",
        },
    }  # fmt: skip
    _make_first_version(place)
    database = connect(place, create=False, lock_timeout=1)
    with database.writing() as connection:
        _upgrade_with(Path(version_0002.__file__).read_text(), connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
        _insert(connection, rows)
    database.engine.dispose()


def _insert(connection: Connection, rows: dict[str, dict[str, Any]]) -> None:
    """Put one row into each of the tables."""
    for table, values in rows.items():
        bound = ", ".join(f":{name}" for name in values)
        connection.execute(text(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({bound})"), values)


def test_the_secret_is_made_once_for_every_program_that_opens_the_store(make_place: MakePlace) -> None:
    place = make_place()
    with open_store(place) as store, open_store(place) as other:
        together = Barrier(4)

        def secret(which: Store) -> str:
            together.wait()
            return which.secret()

        with ThreadPoolExecutor(4) as threads:
            found = set(threads.map(secret, [store, other] * 2))
        assert found == {store.secret()}
        assert re.fullmatch("[0-9a-f]{64}", store.secret())
        assert store.revision() == 0


def test_the_secrets_of_stores_differ(make_store: MakeStore) -> None:
    assert make_store().secret() != make_store().secret()


def _make_first_version(place: str | Path) -> None:
    """A store as the first version of the program left it: its tables, one scene, and the scene's history."""
    from graph.store.migrations.versions import version_0001

    scene = '{"id":"CJ-1","title":"旧场景"}'
    rows: dict[str, dict[str, Any]] = {
        "alembic_version": {"version_num": "0001"},
        "settings": {"key": "store_id", "value": "0" * 32},
        "nodes": {
            "kind": "scene", "id": "CJ-1", "title": "旧场景", "attributes": scene, "visibility": "public",
            "digest": "2259470314fce44ded91ed53b1c086dffc538dccbed5131bc39b37f12a18fd33", "revision": 1,
        },
        "history": {
            "seq": 1, "revision": 1, "at": "2026-01-01T00:00:00.000000+00:00", "actor": "张三", "action": "put_node",
            "subject": '["scene","CJ-1"]', "before": None, "after": scene, "reason": "导入",
            "previous_hash": "0" * 64, "hash": "887a2928d4621ee2237be3ccdd076c0ce6b543ef330bfd6c097fab5926d67cc5",
        },
    }  # fmt: skip
    database = connect(place, create=True, lock_timeout=1)
    with database.writing() as connection:
        _upgrade_with(Path(version_0001.__file__).read_text(), connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        _insert(connection, rows)
    database.engine.dispose()


def test_writers_are_refused_while_another_writes_and_readers_are_not(
    make_place: MakePlace,
) -> None:
    place = make_place()
    with open_store(place) as store, open_store(place, lock_timeout=0.05) as other:
        _put(store)
        with store._database.writing():
            with pytest.raises(Refused) as refused:
                _put(other, "另一个")
            assert (refused.value.code, other.revision()) == ("store_locked", 1)
        _put(other, "另一个")
        assert store.revision() == 2


def test_a_store_answers_again_after_the_server_dropped_its_connections(make_store: MakeStore) -> None:
    store = make_store()
    if store.place.endswith(".db"):
        store.close()
    else:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        with store._database.reading(), store._database.engine.connect() as connection:
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    _put(store)
    assert store.revision() == 1


def test_processes_that_open_a_new_store_at_once_make_one(make_place: MakePlace) -> None:
    program = "import sys; from graph.store.store import open_store; print(open_store(sys.argv[1]).store_id)"
    command = [sys.executable, "-c", program, str(make_place())]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    ids = [process.communicate()[0] for process in running]
    assert (len(set(ids)), [process.returncode for process in running]) == (1, [0] * 4)


# What only files can suffer.


def test_open_store_leaves_the_file_it_refuses_byte_for_byte(tmp_path: Path) -> None:
    foreign, newer = tmp_path / "foreign.db", tmp_path / "newer.db"
    open_store(newer).close()
    for place, change in (
        (foreign, "CREATE TABLE a (b)"),
        (newer, "UPDATE alembic_version SET version_num = 'x'"),
    ):
        other = sqlite3.connect(place)
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute(change)
        other.commit()
        other.close()
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert [_code(foreign), _code(newer)] == ["store_foreign", "store_newer"]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_open_store_makes_the_folder_and_takes_odd_names(tmp_path: Path) -> None:
    place = tmp_path / "新 文件夹?#%" / "a%20b?mode=ro.db"
    with open_store(place) as store:
        _put(store)
    assert sorted(p.name for p in place.parent.iterdir()) == ["a%20b?mode=ro.db"]


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_open_store_refuses_a_missing_file_without_making_it(tmp_path: Path, prefix: str) -> None:
    place = tmp_path / "folder" / "none.db"
    assert _code(f"{prefix}{place}", create=False) == "store_missing"
    assert not place.parent.exists()


def test_open_store_refuses_what_is_no_database(tmp_path: Path) -> None:
    place = tmp_path / "报表.xlsx"
    place.write_bytes(b"PK\x03\x04" * 1000)
    assert _code(place) == "store_not_database"
    assert place.read_bytes() == b"PK\x03\x04" * 1000


def test_open_store_refuses_a_damaged_file(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    with open_store(place) as store:
        store.apply(
            [PutNode(node=Scene(id=f"CJ-{i}", title="场景" * 50)) for i in range(500)],
            actor="张三", at=NOON, reason="",
        )  # fmt: skip
    whole = place.read_bytes()
    place.write_bytes(whole[: 4096 * 2] + b"\xff" * (len(whole) - 4096 * 2))
    with pytest.raises(Refused) as refused:
        list(open_store(place).nodes())
    assert refused.value.code == "store_corrupt"


def test_open_store_refuses_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert _code(tmp_path) == "store_unwritable"
    (tmp_path / "file").write_text("")
    assert _code(tmp_path / "file" / "a.db") == "store_unwritable"


def test_open_store_refuses_a_file_it_may_not_write(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    open_store(place).close()
    place.chmod(stat.S_IRUSR)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        if os.geteuid() != 0:
            assert _code(place) == "store_unwritable"
            return
        # Root may write anywhere; only SQLite itself can say no to it.
        with open_store(place) as store:
            event.listen(store._database.engine, "connect", lambda c, _: c.execute("PRAGMA query_only=1"))
            store.close()
            with pytest.raises(Refused) as refused:
                _put(store)
        assert refused.value.code == "store_unwritable"
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_apply_on_a_full_disk_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as store:
        _put(store)
        event.listen(store._database.engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count=30"))
        store.close()
        many = [PutNode(node=Scene(id=f"CJ-{i}", title="场景" * 50)) for i in range(2000)]
        with pytest.raises(Refused) as refused:
            store.apply(many, actor="张三", at=NOON, reason="")
        assert refused.value.code == "store_full"
        assert (store.revision(), store.counts()["scene"], store.verify_history()) == (1, 1, [])


def test_open_store_writes_ahead_and_to_the_disk(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as store, store._database.reading() as connection:
        told = [
            connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        ]
    assert told == ["wal", 2]


def test_a_file_locked_by_another_program_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    open_store(place).close()
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    assert _code(place) == "store_locked"
    other.close()


# Addresses.


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("mysql://host/name", "store_address"),
        ("sqlite://", "store_address"),
        ("sqlite:///:memory:", "store_address"),
        ("://", "store_address"),
        ("postgresql://nobody@127.0.0.1:1/none", "store_unreachable"),
    ],
)
def test_open_store_refuses_an_address_that_leads_nowhere(where: str, code: str) -> None:
    assert _code(where) == code


def test_open_store_refuses_a_database_or_user_the_server_does_not_know(postgresql: str) -> None:
    assert _code(f"{postgresql}/none") == "store_missing"
    assert _code(postgresql.replace("jiebang@", "stranger@") + "/postgres") == "store_login"


def test_refusals_do_not_show_the_password() -> None:
    with pytest.raises(Refused) as refused:
        open_store("postgresql://someone:geheim@127.0.0.1:1/none")
    assert "geheim" not in str(refused.value)
