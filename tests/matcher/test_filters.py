"""Filters against a plain reading of each node, one by one."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.identifiers.maturity import trl
from graph.kinds import Achievement, Node, Scene
from graph.store.store import Store
from matcher.corpus import Corpus, keys_at
from matcher.filters import Filters, allowed_slots
from matcher.ranking import COUNTERPARTS, Ranking
from tests.factories import TODAY, make_achievement, make_scene, nodes, put

shared_store = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])

FILTERS = st.builds(
    Filters,
    fields=st.lists(st.sampled_from(["低空经济", "新材料", "大健康"]), max_size=2),
    districts=st.lists(st.sampled_from(["香洲区", "市外", "万山区"]), max_size=2),
    min_trl=st.sampled_from([0, 0, 1, 5, 9]),
    ip_statuses=st.lists(st.sampled_from(["已授权", "未申请", "软件著作权"]), max_size=2),
    open_on=st.sampled_from([None, None, date(2026, 1, 31), date(2026, 2, 1), date(2027, 1, 1)]),
)


def _passes(node: Node, filters: Filters) -> bool:
    """What the filters mean, read from the node itself."""
    if filters.fields and not set(node.field) & set(filters.fields):
        return False
    if filters.districts and node.district not in filters.districts:
        return False
    if isinstance(node, Achievement):
        if filters.min_trl and (node.maturity is None or trl(node.maturity) < filters.min_trl):
            return False
        return not filters.ip_statuses or node.ip_status in filters.ip_statuses
    if isinstance(node, Scene) and filters.open_on and node.deadline:
        return node.deadline >= filters.open_on
    return True


@shared_store
@given(several=st.lists(nodes(most=6), max_size=16), filters=FILTERS)
def test_filters_let_through_what_each_node_says(
    emptied: Callable[[], Store], make_corpus: Callable[[], Corpus], several: list[Node], filters: Filters
) -> None:
    store, corpus = emptied(), make_corpus()
    put(store, *several)
    corpus.catch_up(store)
    for kind in ("scene", "achievement", "enterprise"):
        mask = allowed_slots(corpus, kind, filters)
        assert mask.shape == (corpus.facts.capacity,)
        found = sorted(keys_at(corpus, np.flatnonzero(mask).tolist()))
        assert found == [(kind, node.id) for node in store.nodes(kind) if _passes(node, filters)]


@pytest.mark.parametrize("limits", [(1000, 150, 50), (3, 2, 0), (0, 1, 1)])
def test_match_gives_as_many_as_pass_up_to_top(
    emptied: Callable[[], Store],
    make_ranking: Callable[[Store], Ranking],
    limits: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether or not all that pass are scored; titles of invisible marks among them find nothing by any channel."""
    for name, limit in zip(("_ALL", "_PROPOSED", "_TIES"), limits, strict=True):
        monkeypatch.setattr(f"matcher.ranking.{name}", limit)

    @settings(max_examples=40)
    @given(
        several=st.lists(nodes("scene", "achievement", most=9), max_size=18),
        filters=FILTERS,
        top=st.integers(1, 12),
    )
    def enough(several: list[Node], filters: Filters, top: int) -> None:
        store = emptied()
        put(store, *several)
        ranking = make_ranking(store)
        for kind, counterpart in COUNTERPARTS.items():
            passing = {node.id for node in store.nodes(counterpart) if _passes(node, filters)}
            for node in store.nodes(kind):
                found = [match.key for match in ranking.match(node, top=top, today=TODAY, filters=filters)]
                assert len(found) == len(set(found)) == min(top, len(passing))
                assert {kind for kind, _ in found} <= {counterpart}
                assert {id for _, id in found} <= passing

    enough()


def test_deadline_today_is_still_open_and_none_stays_open(
    store: Store, make_ranking: Callable[[Store], Ranking]
) -> None:
    put(
        store,
        make_scene("CJ-1", deadline="2026-03-01"),
        make_scene("CJ-2", deadline="2026-02-28"),
        make_scene("CJ-3"),
        make_achievement(),
    )
    found = make_ranking(store).match(make_achievement(), top=9, today=TODAY, filters=Filters(open_on=TODAY))
    assert {match.key[1] for match in found} == {"CJ-1", "CJ-3"}
