"""The hash chain: every way of tampering with the past is found and named."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from graph.kinds import Enterprise, Scene
from graph.problems import Problem
from graph.relations import Edge
from graph.store.changes import Change, PutEdge, PutNode, RemoveNode
from graph.store.history import GENESIS, row_hash
from graph.store.store import Store

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def lived(store: Store) -> Store:
    """A store of four revisions and six rows: scene, firm, edge; scene; other scene; other scene gone."""
    edge = Edge(
        source_kind="enterprise", source_id="QY-1", relation="posts",
        target_kind="scene", target_id="CJ-1", note="牵头",
    )  # fmt: skip
    batches: tuple[list[Change], ...] = (
        [
            PutNode(node=Scene(id="CJ-1", title="一")),
            PutNode(node=Enterprise(id="QY-1", title="企")),
            PutEdge(edge=edge),
        ],
        [PutNode(node=Scene(id="CJ-1", title="二"))],
        [PutNode(node=Scene(id="CJ-2", title="三", visibility="内部"))],
        [RemoveNode(kind="scene", id="CJ-2")],
    )
    for batch in batches:
        store.apply(batch, actor="张三", at=NOON, reason="试")
    assert store.verify_history() == []
    return store


def _execute(store: Store, *statements: str, **values: Any) -> None:
    with store._database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement), values)


def _found(problems: list[Problem]) -> list[tuple[str, int | None]]:
    return [(p.code, p.row) for p in problems]


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE history SET reason = '别的' WHERE seq = 2", [("history_altered", 2)]),
        ("UPDATE history SET actor = '李四' WHERE seq = 6", [("history_altered", 6)]),
        ("UPDATE history SET at = '2020' WHERE seq = 1", [("history_altered", 1)]),
        ("UPDATE history SET hash = 'x' WHERE seq = 3", [("history_altered", 3), ("history_unlinked", 4)]),
        ("DELETE FROM history WHERE seq = 3",
         [("history_gap", 4), ("history_unlinked", 4), ("record_extra", None)]),
        ("DELETE FROM history WHERE seq = 2",
         [("history_gap", 3), ("history_unlinked", 3), ("history_before", 4)]),
        ("DELETE FROM history WHERE seq >= 4", [("record_differs", None)]),
        ("DELETE FROM history", [("record_extra", None)] * 3),
        ("UPDATE history SET seq = 9 - seq WHERE seq IN (4, 5)",
         [("history_revision", 4), ("history_unlinked", 4), ("history_altered", 4), ("history_revision", 5),
          ("history_unlinked", 5), ("history_altered", 5), ("history_revision", 6), ("history_unlinked", 6)]),
        ("UPDATE nodes SET title = '四' WHERE id = 'CJ-1'", [("record_differs", None)]),
        ("UPDATE nodes SET attributes = '{}' WHERE id = 'CJ-1'", [("record_differs", None)]),
        ("UPDATE nodes SET attributes = replace(attributes, '二', '四'), title = '四' WHERE id = 'CJ-1'",
         [("record_differs", None)]),
        ("UPDATE nodes SET visibility = 'staff' WHERE id = 'CJ-1'", [("record_differs", None)]),
        ("UPDATE nodes SET revision = 9 WHERE id = 'CJ-1'", [("record_differs", None)]),
        ("UPDATE edges SET note = ''", [("record_differs", None)]),
        ("DELETE FROM edges", [("record_missing", None)]),
        ("UPDATE nodes SET id = 'CJ-9' WHERE id = 'CJ-1'",
         [("record_extra", None), ("record_missing", None)]),
    ],
)  # fmt: skip
def test_verify_history_names_what_was_tampered_with(
    lived: Store, tampering: str, found: list[tuple[str, int | None]]
) -> None:
    if "seq = 9 - seq" in tampering:  # a key may not be double in between
        _execute(lived, "UPDATE history SET seq = -seq WHERE seq IN (4, 5)",
                 "UPDATE history SET seq = 9 + seq WHERE seq IN (-4, -5)")  # fmt: skip
    else:
        _execute(lived, tampering)
    assert _found(lived.verify_history()) == found


def test_verify_history_finds_a_row_rewritten_with_a_fitting_hash(lived: Store) -> None:
    with lived._database.reading() as connection:
        row = dict(connection.execute(text("SELECT * FROM history WHERE seq = 4")).one()._mapping)
    row["reason"] = "改写"
    _execute(lived, "UPDATE history SET reason = :reason, hash = :hash WHERE seq = 4",
             reason=row["reason"], hash=row_hash(row))  # fmt: skip
    assert _found(lived.verify_history()) == [("history_unlinked", 5)]


def test_problems_say_where_and_what_to_do_in_chinese(lived: Store) -> None:
    _execute(lived, "UPDATE history SET reason = '别的' WHERE seq = 2", "DELETE FROM edges")
    assert [(p.message, p.remedy) for p in lived.verify_history()] == [
        ("第 2 条历史记录：内容在写入之后被改过", "请停止写入，保留现场，并与备份比对"),
        ("记录 enterprise QY-1 posts scene CJ-1：历史里有，库里没有", "请停止写入，保留现场，并与备份比对"),
    ]


def test_the_hash_rule_can_be_recomputed_with_nothing_but_json_and_sha256(lived: Store) -> None:
    import hashlib

    previous = GENESIS
    with lived._database.reading() as connection:
        for found in connection.execute(text("SELECT * FROM history ORDER BY seq")):
            row = dict(found._mapping)
            hashed = row.pop("hash")
            assert row["previous_hash"] == previous
            told = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            assert hashlib.sha256(told.encode()).hexdigest() == hashed
            previous = hashed
    assert lived.head().hash == previous
