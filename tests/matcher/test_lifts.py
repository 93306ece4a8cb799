"""What would lift a pair: checked against the ranker, and against the pair with the change really made."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.kinds import Achievement, Node, Scene
from graph.store.store import Store
from matcher.explanation import Explanation, explain
from matcher.lifts import Lift
from matcher.ranker import LEVELS, Ranker
from matcher.ranking import Match, Ranking
from tests.factories import TODAY, make_achievement, make_enterprise, make_scene, nodes, put

MakeRanking = Callable[[Store], Ranking]


def _match(ranking: Ranking, scene: Node, offer: Node) -> Match:
    return ranking.score(scene, offer.kind, [offer.id], today=TODAY)[offer.id]


@pytest.fixture
def pair(store: Store, make_ranking: MakeRanking) -> Callable[..., tuple[Match, Explanation]]:
    def run(scene: dict[str, Any], achievement: dict[str, Any]) -> tuple[Match, Explanation]:
        demand, offer = make_scene(**scene), make_achievement(**achievement)
        put(store, demand, offer)
        ranking = make_ranking(store)
        match = _match(ranking, demand, offer)
        return match, explain(match, demand, offer, ranking.corpus, ranking.network, ranking.ranker)

    return run


SCENE = {
    "maturity_floor": "TRL6",
    "indicators": "航程≥30km；抗风≥7级；噪声≤60dB",
    "budget": "100",
    "cooperation": "联合建设、采购",
}
OFFER = {
    "maturity": "TRL4",
    "indicators": "航程20km；抗风8级",
    "price": "200",
    "cooperation": "许可",
    "ip_status": "实质审查中",
}


def test_each_thing_the_owner_can_change_is_told_with_its_points(
    pair: Callable[..., tuple[Match, Explanation]],
) -> None:
    _, why = pair(SCENE, OFFER)
    assert {lift.change: lift.points for lift in why.lifts} == {
        "成熟度由 TRL4 提到 TRL6": 4.0,
        "指标达到“航程≥30km”": 4.0,
        "写明并满足现在没有可比数值的 1 项指标": 2.0,
        "意向价格降到预算 100 万元以内": 1.0,
        "合作方式写明可以“联合建设”": 1.0,
        "知识产权获得授权": 0.5,
        "以上各项都做到": 12.5,
    }
    assert why.lifts[-1].change == "以上各项都做到"
    singles = [lift.points for lift in why.lifts[:-1]]
    assert singles == sorted(singles, reverse=True)


def test_what_is_not_filled_in_is_to_be_stated(pair: Callable[..., tuple[Match, Explanation]]) -> None:
    _, why = pair(SCENE, {"summary": "石墨烯涂层"})
    assert {lift.change: lift.points for lift in why.lifts[:-1]} == {
        "成熟度写明且达到 TRL6": 4.0,
        "写明意向价格且在预算 100 万元以内": 1.0,
        "合作方式写明可以“联合建设”": 1.0,
        "知识产权写明且已授权": 1.0,
    }


def test_figures_that_a_person_must_compare_are_no_advice(
    pair: Callable[..., tuple[Match, Explanation]],
) -> None:
    demand = {"indicators": "航程≥30km；穿戴件重量≤350g"}
    _, compared = pair(demand, {"indicators": "航程20km；手套重290g", "ip_status": "已授权"})
    assert {lift.change: lift.points for lift in compared.lifts} == {"指标达到“航程≥30km”": 6.0}
    _, nothing = pair(demand, {"indicators": "手套重290g", "ip_status": "已授权"})
    assert nothing.lifts == ()


def test_nothing_is_told_where_nothing_can_be_done(pair: Callable[..., tuple[Match, Explanation]]) -> None:
    best = {"maturity": "TRL7", "indicators": "航程45km；抗风8级；噪声50dB", "price": "50", "cooperation": "采购",
            "ip_status": "已授权"}  # fmt: skip
    assert pair(SCENE, best)[1].lifts == ()


def test_a_denial_is_one_of_the_things_to_solve(pair: Callable[..., tuple[Match, Explanation]]) -> None:
    match, why = pair(
        {"title": "酸性氯化铜蚀刻液再生"},
        {"title": "萃取", "summary": "酸性氯化铜蚀刻液不适用。", "ip_status": "已授权"},
    )
    (lift,) = why.lifts
    assert lift.change == "写明的不适用之处得到解决"
    assert lift.points == -match.parts["denial"] > 0


def test_only_a_scene_and_an_achievement_are_lifted(store: Store, make_ranking: MakeRanking) -> None:
    scene, firm = make_scene(maturity_floor="TRL6"), make_enterprise()
    put(store, scene, firm)
    ranking = make_ranking(store)
    match = ranking.score(scene, "enterprise", [firm.id], today=TODAY)[firm.id]
    assert explain(match, scene, firm, ranking.corpus, ranking.network, ranking.ranker).lifts == ()


def test_sentence_tells_points_and_level() -> None:
    lift = Lift(change="成熟度由 TRL4 提到 TRL6", values={}, points=4.0, level="弱相关", raises=False)
    assert lift.sentence == "若成熟度由 TRL4 提到 TRL6，得分 +4.0，仍为弱相关"
    assert replace(lift, level="较强相关", raises=True).sentence.endswith("，升为较强相关")


CHANGES: dict[str, dict[str, Any]] = {
    "成熟度": {"maturity": "TRL6"},
    "知识产权": {"ip_status": "已授权"},
    "意向价格": {"price": "1"},
    "写明意向价格": {"price": "1"},
    "合作方式": {"cooperation": "采购"},
}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(demand=nodes("scene", most=1), offer=nodes("achievement", most=1))
def test_a_change_that_is_made_brings_what_was_told(
    emptied: Callable[[], Store], make_ranking: MakeRanking, demand: Node, offer: Node
) -> None:
    """The columns of fields are in no text, so making the change moves only its own feature."""
    assert isinstance(demand, Scene)
    assert isinstance(offer, Achievement)
    store = emptied()
    put(store, demand, offer)
    ranking = make_ranking(store)
    match = _match(ranking, demand, offer)
    why = explain(match, demand, offer, ranking.corpus, ranking.network, ranking.ranker)
    for lift in why.lifts:
        made = next((c for prefix, c in CHANGES.items() if lift.change.startswith(prefix)), None)
        if made is None:
            continue
        put(store, make_achievement(**offer.model_dump(exclude_none=True) | made))
        after = _match(make_ranking(store), demand, offer)
        put(store, offer)
        assert after.score == pytest.approx(match.score + lift.points, abs=2e-6), lift.change
        assert LEVELS[after.level] == lift.level
        assert lift.raises == (after.level > match.level)


@given(
    several=st.lists(
        st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1)).map(
            lambda x: dict(zip(("maturity_fit", "price_fit", "rights"), x, strict=True))
        ),
        min_size=1,
        max_size=4,
    )
)
def test_matches_are_lifted_together_as_each_by_itself(several: list[dict[str, float]]) -> None:
    from matcher.lifts import changes, lifts

    ranker = Ranker(
        name="", weights={"maturity_fit": 4.0, "price_fit": 3.0, "rights": 2.0}, slope=1, cuts=(0, 3, 6)
    )
    scene = make_scene(maturity_floor="TRL6", budget="100")
    offer = make_achievement(maturity="TRL4", price="200", ip_status="未申请")
    wanted = []
    for rank, values in enumerate(several):
        parts = {
            name: float(p) for name, p in ranker.points({k: np.array(v) for k, v in values.items()}).items()
        }
        score = round(sum(parts.values()), 6)
        match = Match(
            rank=rank, key=("achievement", "CG-1"), score=score, level=int(ranker.levels(np.array([score]))[0]),
            probabilities=(0.25, 0.25, 0.25, 0.25), parts=parts, values=values,
        )  # fmt: skip
        wanted.append((match, changes(match, scene, offer, ())))
    assert lifts(wanted, ranker) == [lifts([one], ranker)[0] for one in wanted]
