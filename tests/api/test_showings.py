"""What a list has shown: pairs whichever side was asked, each kept once, by the first who saw it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.showings import SHOWN_REASON, record_shown, shown_pairs
from graph.feedback import Outcome
from graph.store.changes import PutFeedback
from graph.store.store import Store, open_store
from tests.factories import NOON, make_achievement, make_scene, put


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db", create=True) as store:
        put(store, make_scene("CJ-1"), make_scene("CJ-2"), make_achievement("CG-1"), make_achievement("CG-2"))
        yield store


def test_pairs_are_of_scene_and_achievement_and_of_nothing_else() -> None:
    found = [("achievement", "CG-1", 1), ("enterprise", "QY-1", 2)]
    assert shown_pairs("scene", "CJ-1", found) == {("CJ-1", "CG-1"): 1}
    assert shown_pairs("achievement", "CG-1", [("scene", "CJ-1", 3)]) == {("CJ-1", "CG-1"): 3}
    assert shown_pairs("enterprise", "QY-1", found) == {}


def test_only_what_is_new_is_written_and_nothing_makes_no_revision(store: Store) -> None:
    told = Outcome(scene="CJ-1", achievement="CG-1", stage="met", by="李明", at=NOON)
    store.apply([PutFeedback(record=told)], actor="李明", at=NOON, reason="见面")
    before = store.revision()
    first = {("CJ-1", "CG-1"): 1, ("CJ-1", "CG-2"): 2}
    assert record_shown(store, first, ranker="default", by="张敏", at=NOON) == 2
    again = {("CJ-1", "CG-2"): 1, ("CJ-2", "CG-2"): 5}
    assert record_shown(store, again, ranker="r2", by="李明", at=NOON) == 1
    assert record_shown(store, first | again, ranker="r2", by="李明", at=NOON) == 0
    assert store.revision() == before + 2
    assert [r.reason for r in store.revisions(2)] == [SHOWN_REASON] * 2
    shown = [one for one in store.outcomes() if one.stage == "shown"]
    assert {(one.scene, one.achievement): (one.rank, one.ranker, one.by) for one in shown} == {
        ("CJ-1", "CG-1"): (1, "default", "张敏"), ("CJ-1", "CG-2"): (2, "default", "张敏"), ("CJ-2", "CG-2"): (5, "r2", "李明"),
    }  # fmt: skip
