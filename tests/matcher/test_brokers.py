"""Brokers for a pair: what counts, who stands last, and which interests are declared."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.feedback import Outcome
from graph.identifiers.fields import field_relatedness
from graph.kinds import Achievement, Broker, Node, Scene
from graph.relations import Edge
from graph.store.changes import PutFeedback
from graph.store.store import Store
from matcher.brokers import BrokerMatch, rank_brokers
from matcher.engine import Engine
from matcher.ranking import Ranking
from tests.factories import (
    NOON,
    apply,
    make_achievement,
    make_broker,
    make_case,
    make_edge,
    make_enterprise,
    make_institution,
    make_scene,
    put,
)

MakeRanking = Callable[[Store], Ranking]
SCENE = make_scene(title="海岛物流无人机", field="低空经济", owner="凌汐公司")
ACHIEVEMENT = make_achievement(field="新材料", owner="乙大学")
FIRM, COLLEGE = make_enterprise(title="凌汐公司"), make_institution(title="乙大学")
PARTS = ("专业领域", "擅长场景", "成交记录", "案例实绩", "职业等级", "余力")
LEVELS = ("", "初级技术经纪人", "中级技术经纪人", "高级技术经理人")


@pytest.fixture
def rank(emptied: Callable[[], Store], make_ranking: MakeRanking) -> Callable[..., list[BrokerMatch]]:
    """Ranks brokers, in the store or not, for the one pair."""

    def run(
        brokers: list[Broker],
        *more: Node | Edge,
        top: int = 100,
        stored: bool = True,
        pair: tuple[Scene, Achievement] = (SCENE, ACHIEVEMENT),
        **options: Any,
    ) -> list[BrokerMatch]:
        store = emptied()
        put(store, *pair, FIRM, COLLEGE, *(brokers if stored else ()), *more)
        ranking = make_ranking(store)
        return rank_brokers(*pair, brokers, ranking.corpus, ranking.network, top=top, **options)

    return run


Rank = Callable[..., list[BrokerMatch]]


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({}, {"余力": 5.0}),
        ({"field": "新材料"}, {"专业领域": 35.0, "余力": 5.0}),
        ({"field": "AI大模型"}, {"专业领域": 14.0, "余力": 5.0}),  # 0.4 with 低空经济
        (
            {"level": "中级技术经纪人", "deals": "5", "load": "3", "capacity": "4"},
            {"职业等级": 6.0, "成交记录": 2.0, "余力": 2.5},
        ),
        (
            {"level": "高级技术经理人", "deals": "90", "capacity": "4"},
            {"职业等级": 10.0, "成交记录": 8.0, "余力": 10.0},
        ),
        ({"level": "初级技术经纪人", "load": "9", "capacity": "4"}, {"职业等级": 3.0, "余力": 0.0}),
        ({"load": "9", "capacity": "0"}, {"余力": 5.0}),
    ],
)
def test_points_of_a_broker_not_in_the_store(
    rank: Rank, columns: dict[str, Any], parts: dict[str, float]
) -> None:
    (found,) = rank([make_broker(**columns)], stored=False)
    everything = dict.fromkeys(PARTS, 0.0) | parts
    assert found.parts == everything
    assert found.score == sum(everything.values())


def test_broker_who_knows_the_scene_gets_points_for_it(rank: Rank) -> None:
    found = rank([make_broker("JJ-1", scenes="鲍鱼养殖"), make_broker("JJ-2", scenes="海岛物流无人机")])
    assert [match.broker.id for match in found] == ["JJ-2", "JJ-1"]
    assert found[0].parts["擅长场景"] > found[1].parts["擅长场景"]
    assert found[0].parts["擅长场景"] <= 25


BROKERS = st.lists(
    st.builds(
        make_broker,
        id=st.integers(1, 99).map(lambda number: f"JJ-{number}"),
        field=st.sampled_from(["", "低空经济", "大健康"]),
        level=st.sampled_from(LEVELS),
        deals=st.sampled_from([None, "0", "7", "40"]),
        load=st.sampled_from([None, "0", "3", "8"]),
        capacity=st.sampled_from([None, "0", "3", "8"]),
        scenes=st.sampled_from(["", "海岛物流", "鲍鱼养殖"]),
    ),
    max_size=8,
    unique_by=lambda broker: broker.id,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(brokers=BROKERS, top=st.integers(0, 9))
def test_parts_add_up_full_ones_come_last_and_equals_go_by_id(
    rank: Rank, brokers: list[Broker], top: int
) -> None:
    found = rank(brokers)
    assert {match.broker.id for match in found} == {broker.id for broker in brokers}
    order = []
    for match in found:
        broker = match.broker
        full = broker.capacity not in (None, 0) and (broker.load or 0) >= (broker.capacity or 0)
        order.append((full, -match.score, broker.id))
        assert match.score == round(sum(match.parts.values()), 6)
        assert 0 <= match.score <= 100
        assert min(match.parts.values()) >= 0
        assert match.notes == ((f"在办 {broker.load} 项，已到承载上限 {broker.capacity} 项",) if full else ())
    assert order == sorted(order)
    assert rank(brokers, top=top) == found[:top]


def test_full_broker_stands_behind_a_worse_free_one(rank: Rank) -> None:
    full = make_broker("JJ-1", field="低空经济", level="高级技术经理人", deals="40", load="5", capacity="5")
    found = rank([full, make_broker("JJ-2")])
    assert [match.broker.id for match in found] == ["JJ-2", "JJ-1"]
    assert found[0].score < found[1].score


def test_serving_a_side_is_declared(rank: Rank) -> None:
    brokers = [make_broker(f"JJ-{number}") for number in range(1, 6)]
    one, other, both, _, owner = brokers
    found = rank(
        brokers,
        make_edge(one, "serves", SCENE),
        make_edge(other, "serves", ACHIEVEMENT),
        make_edge(both, "serves", SCENE),
        make_edge(both, "serves", ACHIEVEMENT),
        make_edge(owner, "serves", FIRM),
    )
    scene, offer = "已服务场景一方，须说明利益关系", "已服务成果一方，须说明利益关系"
    assert {match.broker.id: match.notes for match in found} == {
        "JJ-1": (scene,),
        "JJ-2": (offer,),
        "JJ-3": ("与场景方、成果方都有利益关系，须向双方说明", scene, offer),
        "JJ-4": (),
        "JJ-5": ("已服务场景一方的单位，须说明利益关系",),
    }
    paths = {m.broker.id: [c.path.text for c in m.conflicts if c.path] for m in found}
    assert paths["JJ-3"] == ["程某 —服务→ 海岛物流无人机", "程某 —服务→ 垂直起降固定翼无人运输机"]
    assert paths["JJ-5"] == ["程某 —服务→ 凌汐公司"]
    assert not any(conflict.hard for match in found for conflict in match.conflicts)


@pytest.mark.parametrize(
    ("organisation", "side"),
    [
        ("凌汐公司", "场景方"),
        ("乙大学产学研合作办公室", "成果方"),
        ("乙大学附属医院", None),  # somebody else, as is a firm that only begins alike
        ("乙大学城资产管理有限公司", None),
        ("乙", None),
        ("渡成技术转移有限公司", None),
    ],
)
def test_who_works_for_a_side_stands_last_even_behind_a_full_one(
    rank: Rank, organisation: str, side: str | None
) -> None:
    best = make_broker("JJ-1", organisation=organisation, field="低空经济", deals="40")
    found = rank([best, make_broker("JJ-2"), make_broker("JJ-3", load="5", capacity="5")])
    assert [match.broker.id for match in found] == (
        ["JJ-2", "JJ-3", "JJ-1"] if side else ["JJ-1", "JJ-2", "JJ-3"]
    )
    notes = (f"受雇于{side}单位（所在机构：{organisation}），不宜居中，请另选或回避",) if side else ()
    (match,) = [match for match in found if match.broker.id == "JJ-1"]
    assert (match.notes, [c.hard for c in match.conflicts]) == (notes, [True] if side else [])


def test_owner_named_only_by_the_record_is_a_side_too(rank: Rank) -> None:
    """An achievement whose owner is in no list of organisations."""
    found = rank([make_broker(organisation="岭外研究所")], pair=(SCENE, make_achievement(owner="岭外研究所")))
    assert found[0].conflicts[0].hard


def test_employment_in_the_graph_is_a_hard_conflict_and_within_a_group_a_soft_one(rank: Rank) -> None:
    parent = make_enterprise("QY-2", title="凌汐集团")
    employed, related = make_broker("JJ-1"), make_broker("JJ-2")
    found = rank(
        [employed, related], parent, make_edge(COLLEGE, "employs", employed),
        make_edge(parent, "employs", related), make_edge(parent, "controls", FIRM),
    )  # fmt: skip
    assert [
        (m.broker.id, c.hard, c.text, c.path.text if c.path else "") for m in found for c in m.conflicts
    ] == [
        (
            "JJ-2",
            False,
            "所在单位与场景方单位同属一个集团，须说明利益关系",
            "程某 ←任职— 凌汐集团 —控股→ 凌汐公司",
        ),
        ("JJ-1", True, "受雇于成果方单位，不宜居中，请另选或回避", "程某 ←任职— 乙大学"),
    ]


def test_cases_and_signed_outcomes_count_by_what_they_have_to_do_with_the_pair(rank: Rank) -> None:
    brokers = [make_broker(f"JJ-{number}") for number in range(1, 6)]
    of_owner = make_case("AL-1", scene_id="", achievement_id="CG-2", title="同一单位")
    near = make_case("AL-2", scene_id="", achievement_id="", field="低空经济", title="同一领域")
    far = make_case("AL-3", scene_id="", achievement_id="", field="大健康", title="别的领域")
    records = [make_achievement("CG-2", owner="乙大学"), of_owner, near, far]
    cases = {1: [of_owner, near], 2: [far], 3: [of_owner]}
    edges = [make_edge(brokers[n - 1], "brokered", case) for n, several in cases.items() for case in several]
    outcomes = [
        _outcome("CJ-1", "CG-9", "landed", "JJ-4"), _outcome("CJ-9", "CG-9", "contract", "JJ-4"),
        _outcome("CJ-1", "CG-1", "met", "JJ-5"), _outcome("CJ-1", "CG-1", "declined", "JJ-5"),
    ]  # fmt: skip
    found = {match.broker.id: match for match in rank(brokers, *records, *edges, outcomes=outcomes)}
    related = field_relatedness("低空经济", "大健康"), field_relatedness("新材料", "大健康")
    assert {id: match.parts["案例实绩"] for id, match in found.items()} == {
        "JJ-1": 12.0, "JJ-2": round(6 * max(related), 6), "JJ-3": 6.0, "JJ-4": 9.0, "JJ-5": 0.0,
    }  # fmt: skip
    assert found["JJ-1"].reasons == ("撮合过“同一单位”、“同一领域”",)
    assert found["JJ-2"].reasons == ()
    assert found["JJ-4"].reasons == ("经手签约或落地 2 项",)


def _outcome(scene: str, achievement: str, stage: str, by: str) -> Outcome:
    return Outcome.model_validate(
        {"scene": scene, "achievement": achievement, "stage": stage, "by": by, "at": NOON}
    )


def test_reasons_are_those_of_the_parts(rank: Rank) -> None:
    broker = make_broker(
        field="低空经济、大健康",
        scenes="海岛物流无人机",
        deals="12",
        load="2",
        capacity="8",
        level="高级技术经理人",
    )
    (found,) = rank([broker])
    assert found.reasons == (
        "专业领域含低空经济", "擅长海岛物流无人机", "累计成交 12 项", "在办 2 项，上限 8 项",
    )  # fmt: skip


def _ranked_by(engine: Engine) -> list[BrokerMatch]:
    brokers = [node for node in engine.store.nodes("broker") if isinstance(node, Broker)]
    outcomes = engine.store.outcomes()
    return rank_brokers(SCENE, ACHIEVEMENT, brokers, engine.corpus, engine.network, top=9, outcomes=outcomes)


def test_others_get_the_brokers_they_would_if_the_hidden_had_never_been(
    engine_over: Callable[..., Engine],
) -> None:
    """A hidden case, employer and outcome, a broker who is for staff, and columns that are."""
    firm = make_enterprise("QY-2", title="凌汐集团", visibility="内部")
    case = make_case(scene_id="CJ-1", achievement_id="", title="密谈", visibility="内部")
    hiding = {"field_visibility": "所在机构=内部；累计成交=合作方"}
    serving, other = make_broker("JJ-1", organisation="渡成公司"), make_broker("JJ-2", level="中级技术经纪人")
    employed = make_broker("JJ-2", level="中级技术经纪人", organisation="乙大学", deals="20", **hiding)
    records = (SCENE, ACHIEVEMENT, FIRM, COLLEGE, serving, make_edge(serving, "serves", SCENE))
    hidden = (
        firm, case, employed, make_broker("JJ-3", visibility="内部"), make_edge(firm, "controls", FIRM),
        make_edge(firm, "employs", serving), make_edge(serving, "brokered", case),
    )  # fmt: skip
    staff, public, bare = (
        engine_over(*records, *hidden),
        engine_over(*records, *hidden, audience="public"),
        engine_over(*records, other),
    )
    for engine in (staff, public):
        apply(engine.whole, PutFeedback(record=_outcome("CJ-1", "CG-1", "landed", "JJ-1")))
    assert _ranked_by(public) == _ranked_by(bare)
    told = {match.broker.id: match for match in _ranked_by(staff)}
    assert told["JJ-1"].reasons == ("撮合过“密谈”", "经手签约或落地 1 项")
    assert told["JJ-1"].notes == ("所在单位与场景方单位同属一个集团，须说明利益关系",)
    assert told["JJ-2"].notes == ("受雇于成果方单位（所在机构：乙大学），不宜居中，请另选或回避",)
    assert (told["JJ-2"].parts["成交记录"], "JJ-3" in told) == (8.0, True)


def test_who_may_see_where_a_broker_works_is_told_of_the_conflict(engine_over: Callable[..., Engine]) -> None:
    employed = make_broker(organisation="乙大学")
    (found,) = _ranked_by(engine_over(SCENE, ACHIEVEMENT, employed, audience="public"))
    assert found.notes == ("受雇于成果方单位（所在机构：乙大学），不宜居中，请另选或回避",)
