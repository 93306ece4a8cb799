"""Why one stands above the other: sides, rows and a sentence from two breakdowns."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.kinds import Node
from graph.store.store import Store
from matcher.comparison import Comparison, Row, comparison
from matcher.explanation import Explanation, explain
from matcher.parts import Part
from matcher.ranking import Ranking
from tests.factories import TODAY, make_achievement, make_scene, nodes, put

MakeRanking = Callable[[Store], Ranking]
Compare = Callable[..., Comparison]


def _explained(ranking: Ranking, scene: Node, offers: list[Node]) -> list[Explanation]:
    found = ranking.score(scene, "achievement", [offer.id for offer in offers], today=TODAY)
    return [
        explain(found[offer.id], scene, offer, ranking.corpus, ranking.network, ranking.ranker)
        for offer in offers
    ]


@pytest.fixture
def compared(store: Store, make_ranking: MakeRanking) -> Compare:
    def run(scene: dict[str, Any], one: dict[str, Any], other: dict[str, Any]) -> Comparison:
        demand = make_scene(**scene)
        offers: list[Node] = [make_achievement("CG-1", **one), make_achievement("CG-2", **other)]
        fillers = [make_scene(f"CJ-{n}", title=f"另外的{n}号事情") for n in range(10, 60)]
        put(store, demand, *offers, *fillers)
        return comparison(*_explained(make_ranking(store), demand, offers))

    return run


SCENE = {"title": "酸性氯化铜体系蚀刻液再生", "indicators": "铜回收率≥99%；能耗≤5kWh；处理能力≥3t/d"}


def test_indicators_and_cautions_are_told_with_the_parts(compared: Compare) -> None:
    found = compared(
        SCENE,
        {"title": "蚀刻液再生", "summary": "酸性氯化铜体系不适用。", "indicators": "铜回收率98%；能耗4kWh；处理能力4t/d"},
        {"title": "蚀刻液再生", "summary": "酸性氯化铜体系适用。", "indicators": "铜回收率99.3%；能耗6kWh；处理能力4t/d"},
    )  # fmt: skip
    assert (found.above.found.id, found.below.found.id) == ("CG-2", "CG-1")
    first, own, theirs, caution = found.sentence.split("；")
    assert first.startswith("比“蚀刻液再生”高 ")
    assert "写明不适用+40.0" in first
    assert own == "它满足而后者没有满足的指标：“铜回收率≥99%”（铜回收率98%，未达到）"
    assert theirs == "后者满足而它没有满足的指标：“能耗≤5kWh”（能耗6kWh，未达到）"
    assert caution == "“蚀刻液再生”注意：成果写明“酸性氯化铜体系不适用”"
    assert found.indicators == (
        Row(label="指标“铜回收率≥99%”", above="已回应（铜回收率99.3%）", below="未达到（铜回收率98%）"),
        Row(label="指标“能耗≤5kWh”", above="未达到（能耗6kWh）", below="已回应（能耗4kWh）"),
    )
    assert found.alike == len(found.above.elements) - len(found.indicators) - len(found.elements)


def test_an_indicator_of_which_the_other_says_nothing_is_told(compared: Compare) -> None:
    found = compared(SCENE, {"indicators": "铜回收率99.3%；能耗4kWh"}, {})
    assert "它满足而后者没有满足的指标：“铜回收率≥99%”（未说明）、“能耗≤5kWh”（未说明）" in found.sentence


def test_equal_scores_stand_in_the_order_of_their_ids(compared: Compare) -> None:
    same = {"title": "蚀刻液再生"}
    found = compared(SCENE, same, same)
    assert [why.found.id for why in (found.above, found.below)] == ["CG-1", "CG-2"]
    assert found.sentence == "与“蚀刻液再生”得分相同，按编号排列"
    assert found.indicators == found.elements == ()


def test_parts_that_only_one_has_are_put_together(compared: Compare) -> None:
    """A reranker reads the best few only, so that those behind have no such part."""
    found = compared(SCENE, {"title": "蚀刻液再生"}, {"title": "别的"})
    read = Part(name="reading", label="精读", points=2.5, value=0.5, note="")
    one = replace(found.above, parts=(*found.above.parts, read), score=found.above.score + 2.5)
    parts = comparison(one, found.below).parts
    assert ("其他", 2.5, 0.0) in parts
    assert sum(a - b for _, a, b in parts) == pytest.approx(one.score - found.below.score)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scene=nodes("scene", most=1),
    offers=st.lists(nodes("achievement"), min_size=2, max_size=2, unique_by=lambda n: n.id),
)
def test_parts_sum_to_the_difference_and_order_does_not_matter(
    emptied: Callable[[], Store],
    make_ranking: MakeRanking,
    scene: Node,
    offers: list[Node],
) -> None:
    store = emptied()
    put(store, scene, *offers)
    one, other = _explained(make_ranking(store), scene, offers)
    found = comparison(one, other)
    assert comparison(other, one) == found
    assert found.above.score >= found.below.score
    assert sum(a for _, a, _ in found.parts) == pytest.approx(found.above.score, abs=1e-5)
    assert sum(b for _, _, b in found.parts) == pytest.approx(found.below.score, abs=1e-5)
    gaps = [round(abs(a - b), 6) for _, a, b in found.parts]
    assert gaps == sorted(gaps, reverse=True)


def test_two_demands_have_no_indicators_in_common(compared: Compare) -> None:
    found = compared(SCENE, {"indicators": "铜回收率99.3%"}, {})
    turned = [replace(why, subject=why.found, found=why.subject) for why in (found.above, found.below)]
    assert "指标" not in comparison(*turned).sentence.replace("技术指标", "")
