"""What moved between two rankings, and why."""

import math
from typing import Any

import pytest

from graph.store.store import Store
from matcher.features import features
from matcher.moves import compare
from matcher.ranker import Ranker
from matcher.ranking import Ranking
from tests.factories import TODAY, make_achievement, make_scene, put
from tests.matcher.conftest import MakeRanking

WORDS = {"headline_words": 60.0, "whole_words": 40.0}
FACTS = {"headline_words": 30.0, "maturity_fit": 40.0, "rights": 25.0}


@pytest.fixture
def ranking(store: Store, make_ranking: MakeRanking) -> Ranking:
    put(
        store,
        make_scene(maturity_floor="TRL6"),
        make_achievement("CG-1", title="海岛物资无人机投送系统", maturity="TRL2", ip_status="未申请"),
        make_achievement("CG-2", title="海岛无人机", maturity="TRL8", ip_status="已授权"),
        make_achievement("CG-3", title="网箱清洗", maturity="TRL9", ip_status="已授权"),
        make_achievement("CG-4", title="石墨烯防腐涂层"),
        make_achievement("CG-5", title="海岛物资仓储", maturity="TRL3"),
    )
    return make_ranking(store)


def of(ranking: Ranking, weights: dict[str, float], slope: float = 0.1) -> Ranking:
    ranker = Ranker(name="试", weights=weights, slope=slope, cuts=(20, 35, 50))
    return Ranking(ranking.corpus, ranking.network, ranker)


def test_comparison_shows_both_rankings_and_every_node_among_either(ranking: Ranking) -> None:
    sides = of(ranking, WORDS), of(ranking, FACTS)
    found = compare(*sides, make_scene(maturity_floor="TRL6"), top=2, today=TODAY)
    whole = [side.match(make_scene(maturity_floor="TRL6"), top=5, today=TODAY) for side in sides]
    assert [m.key for m in found.before] == [m.key for m in whole[0][:2]]
    assert [m.key for m in found.after] == [m.key for m in whole[1][:2]]
    assert {move.key for move in found.moves} == {m.key for side in whole for m in side[:2]}
    ranks = [{match.key: match.rank for match in side} for side in whole]
    for move in found.moves:
        assert (move.rank_before, move.rank_after) == (ranks[0][move.key], ranks[1][move.key])
        assert (move.before.score, move.after.score) == tuple(
            next(m.score for m in side if m.key == move.key) for side in whole
        )
    assert [move.rank_after for move in found.moves] == sorted(move.rank_after or 0 for move in found.moves)


def test_parts_of_a_move_add_up_to_it_and_the_telling_ones_point_its_way(ranking: Ranking) -> None:
    found = compare(
        of(ranking, WORDS), of(ranking, FACTS), make_scene(maturity_floor="TRL6"), top=4, today=TODAY
    )
    labels = {features()[name].label for name in (*WORDS, *FACTS)}
    assert len({move.standing > 0 for move in found.moves}) == 2
    for move in found.moves:
        assert math.fsum(change for _, change in move.parts) == pytest.approx(move.standing)
        assert {label for label, _ in move.parts} == labels
        assert move.rise == (move.rank_after < move.rank_before) - (move.rank_after > move.rank_before)  # type: ignore[operator]
        assert all(change * move.rise > 0 for _, change in move.telling)
    assert sum(move.standing for move in found.moves) == pytest.approx(0, abs=1e-9)
    risen = max(found.moves, key=lambda move: move.standing)
    assert (risen.key[1], risen.telling[0][0]) == ("CG-3", "成熟度")


def test_the_same_ranker_on_another_scale_moves_nothing(ranking: Ranking) -> None:
    tenfold = {name: 10 * weight for name, weight in FACTS.items()}
    found = compare(
        of(ranking, FACTS), of(ranking, tenfold), make_scene(maturity_floor="TRL6"), top=5, today=TODAY
    )
    assert [move.rank_before for move in found.moves] == [move.rank_after for move in found.moves]
    assert all(abs(change) < 1e-6 for move in found.moves for _, change in move.parts)
    assert all(move.telling == () for move in found.moves)


def test_what_lies_beyond_the_ranks_looked_at_has_no_rank(
    ranking: Ranking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matcher.moves._LOOKED_AT", 1)
    found = compare(
        of(ranking, WORDS), of(ranking, FACTS), make_scene(maturity_floor="TRL6"), top=1, today=TODAY
    )
    assert len(found.moves) == 2
    assert sorted((move.rank_before, move.rank_after) for move in found.moves if move.rank_before) == [
        (1, None)
    ]
    assert sorted((move.rank_before, move.rank_after) for move in found.moves if move.rank_after) == [
        (None, 1)
    ]


@pytest.mark.parametrize("records", [0, 1])
def test_nothing_or_one_to_compare_is_no_failure(
    store: Store, make_ranking: MakeRanking, records: int
) -> None:
    put(store, make_scene(), *[make_achievement(f"CG-{n}") for n in range(records)])
    made: Any = make_ranking(store)
    found = compare(of(made, WORDS), of(made, FACTS), make_scene(), top=3, today=TODAY)
    assert (len(found.before), len(found.moves)) == (records, records)
    assert all(math.isfinite(move.standing) for move in found.moves)
