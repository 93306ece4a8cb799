"""Brokers for a pair: what counts, who stands last, and which interests are declared."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.kinds import Broker
from graph.relations import Edge
from graph.store.store import Store
from matcher.brokers import BrokerMatch, rank_brokers
from matcher.ranking import Ranking
from tests.factories import make_achievement, make_broker, make_edge, make_scene, put

MakeRanking = Callable[[Store], Ranking]
SCENE = make_scene(title="海岛物流无人机", field="低空经济")
ACHIEVEMENT = make_achievement(field="新材料")
LEVELS = ("", "初级技术经纪人", "中级技术经纪人", "高级技术经理人")


@pytest.fixture
def rank(emptied: Callable[[], Store], make_ranking: MakeRanking) -> Callable[..., list[BrokerMatch]]:
    """Ranks brokers, in the store or not, for the one pair."""

    def run(brokers: list[Broker], *edges: Edge, top: int = 100, stored: bool = True) -> list[BrokerMatch]:
        store = emptied()
        put(store, SCENE, ACHIEVEMENT, *(brokers if stored else ()), *edges)
        ranking = make_ranking(store)
        return rank_brokers(SCENE, ACHIEVEMENT, brokers, ranking.corpus, ranking.network, top=top)

    return run


Rank = Callable[..., list[BrokerMatch]]


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({}, {"余力": 5.0}),
        ({"field": "新材料"}, {"专业领域": 40.0, "余力": 5.0}),
        ({"field": "AI大模型"}, {"专业领域": 16.0, "余力": 5.0}),  # 0.4 with 低空经济
        (
            {"level": "中级技术经纪人", "deals": "5", "load": "3", "capacity": "4"},
            {"职业等级": 6.0, "成交记录": 3.75, "余力": 2.5},
        ),
        (
            {"level": "高级技术经理人", "deals": "90", "capacity": "4"},
            {"职业等级": 10.0, "成交记录": 15.0, "余力": 10.0},
        ),
        ({"level": "初级技术经纪人", "load": "9", "capacity": "4"}, {"职业等级": 3.0, "余力": 0.0}),
        ({"load": "9", "capacity": "0"}, {"余力": 5.0}),
    ],
)
def test_points_of_a_broker_not_in_the_store(
    rank: Rank, columns: dict[str, Any], parts: dict[str, float]
) -> None:
    (found,) = rank([make_broker(**columns)], stored=False)
    everything = dict.fromkeys(("专业领域", "擅长场景", "成交记录", "职业等级", "余力"), 0.0) | parts
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
    one, other, both, none = (make_broker(f"JJ-{number}") for number in range(1, 5))
    found = rank(
        [one, other, both, none],
        make_edge(one, "serves", SCENE),
        make_edge(other, "serves", ACHIEVEMENT),
        make_edge(both, "serves", SCENE),
        make_edge(both, "serves", ACHIEVEMENT),
    )
    assert {match.broker.id: match.notes for match in found} == {
        "JJ-1": ("已服务场景一方，须说明利益关系",),
        "JJ-2": ("已服务成果一方，须说明利益关系",),
        "JJ-3": ("同时服务场景方与成果方，须向双方说明",),
        "JJ-4": (),
    }
