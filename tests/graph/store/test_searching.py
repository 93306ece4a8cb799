"""Searching, paging and ages of records: equal to plain filtering, and narrowed to what an audience may see."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.kinds import KINDS, Node
from graph.store.audience import AudienceStore
from graph.store.changes import PutNode
from graph.store.store import Store, open_store
from tests.factories import NOON

NODES: list[Node] = [
    KINDS[kind](id=id, title=title, summary=summary, **about)
    for kind, id, title, summary, about in (
        ("scene", "CJ-1", "海岛无人机送药", "抗风 50%", {}),
        ("scene", "CJ-2", "鱼苗计数", "海岛网箱", {"contact": "陈工"}),
        ("scene", "CJ-3", "院内_送药", "", {"visibility": "staff"}),
        ("achievement", "CG-1", "Drone 无人机", "海岛", {"visibility": "partner"}),
        ("achievement", "CG-2", "计数仪", "吸鱼泵出口", {}),
    )
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("search") / "store.db"
    with open_store(path, create=True) as store:
        for node in NODES:
            store.apply([PutNode(node=node)], actor="程某", at=NOON, reason="试")
        yield store


def found(store: Store, text: str, kind: str | None = None, limit: int = 50) -> list[str]:
    return [node.id for node in store.search(text, kind=kind, limit=limit)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("海岛", ["CJ-1", "CG-1", "CJ-2"]), ("无人机 海岛", ["CJ-1", "CG-1"]), ("drone", ["CG-1"]), ("cj-2", ["CJ-2"]), ("%", ["CJ-1"]),
        ("_", ["CJ-3"]), ("送药", ["CJ-1", "CJ-3"]), ("陈工", ["CJ-2"]), ("没有", []), ("", []), ("  ", []), ("\0", []),
    ],
)  # fmt: skip
def test_every_word_must_stand_in_a_record_and_titles_come_first(
    store: Store, text: str, ids: list[str]
) -> None:
    assert found(store, text) == ids


def test_a_search_is_of_a_kind_and_cut_at_its_limit(store: Store) -> None:
    assert found(store, "海岛", "achievement") == ["CG-1"]
    assert (found(store, "海岛", limit=2), found(store, "海岛", limit=0)) == (["CJ-1", "CG-1"], [])


def test_an_audience_finds_only_by_what_it_sees(store: Store) -> None:
    public, partner = AudienceStore(store, "public"), AudienceStore(store, "partner")
    assert (found(public, "海岛"), found(partner, "海岛")) == (["CJ-1", "CJ-2"], ["CG-1", "CJ-1", "CJ-2"])
    assert (found(partner, "陈工"), found(partner, "送药")) == ([], ["CJ-1"])
    assert (partner.last_written("scene", ["CJ-1"]), list(store.last_written("scene", ["CJ-1", "CJ-9"]))) == (
        {},
        ["CJ-1"],
    )


@given(after=st.sampled_from(["", "CJ-1", "CJ-2", "CJ-9"]), limit=st.integers(0, 4))
def test_pages_are_slices_of_all(store: Store, after: str, limit: int) -> None:
    ids = [node.id for node in NODES if node.kind == "scene" and node.id > after]
    assert [node.id for node in store.page("scene", after=after, limit=limit)] == ids[:limit]


def test_the_history_is_read_backwards_by_words_by_batch_and_by_revision(store: Store) -> None:
    assert [entry.seq for entry in store.entries_before(99, 2)] == [5, 4]
    assert [entry.seq for entry in store.entries_before(4, 9)] == [3, 2, 1]
    assert [entry.key for entry in store.entries_before(99, 9, text="CG-1")] == [("achievement", "CG-1")]
    assert [entry.seq for entry in store.entries_before(99, 9, revision=2)] == [2]
    assert store.entries_before(99, 9, text="没有") == []
    assert [one.revision for one in store.revisions(2)] == [5, 4]
    assert [one.revision for one in store.revisions(2, 4)] == [3, 2]
