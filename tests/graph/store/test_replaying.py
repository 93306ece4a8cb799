"""The store of an earlier moment, made again from the history: equal to what was there then."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.feedback import Judgement
from graph.problems import Refused
from graph.store.changes import Change, PutFeedback
from graph.store.store import Store, open_store
from tests.factories import changes, make_achievement, make_scene, put

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _contents(store: Store) -> list[Any]:
    return [*store.nodes(), *(edge.key for edge in store.edges()), *store.judgements(), *store.outcomes()]


@given(batches=st.lists(st.lists(changes(), min_size=1, max_size=4), min_size=1, max_size=5))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_revision_can_be_made_again(emptied: Callable[[], Store], batches: list[list[Change]]) -> None:
    store = emptied()
    then: dict[int, list[Any]] = {}
    for batch in batches:
        revision = store.apply(batch, actor="甲", at=NOON, reason="试").revision
        then[revision] = _contents(store)
    for revision, contents in then.items():
        with TemporaryDirectory() as folder, open_store(Path(folder) / "store.db") as again:
            again.apply(store.records_at(revision), actor="甲", at=NOON, reason="重放")
            assert _contents(again) == contents


def test_relations_and_judgements_come_after_what_they_need(store: Store) -> None:
    scene, offer = make_scene("CJ-1"), make_achievement("CG-1")
    judgement = Judgement(scene="CJ-1", achievement="CG-1", judge="甲", level=3, at=NOON)
    put(store, scene, offer)
    store.apply([PutFeedback(record=judgement)], actor="甲", at=NOON, reason="试")
    # The scene is changed last, so its newest row stands behind the judgement's.
    put(store, scene.model_copy(update={"title": "新题目"}))
    assert [type(change).__name__ for change in store.records_at(3)] == ["PutNode", "PutNode", "PutFeedback"]
    assert [type(change).__name__ for change in store.records_at(1)] == ["PutNode", "PutNode"]


@pytest.mark.parametrize("revision", [-1, 2])
def test_a_revision_that_has_not_been_is_refused(store: Store, revision: int) -> None:
    put(store, make_scene("CJ-1"))
    with pytest.raises(Refused) as refused:
        list(store.records_at(revision))
    assert refused.value.code == "revision_unknown"
    assert list(store.records_at(0)) == []
