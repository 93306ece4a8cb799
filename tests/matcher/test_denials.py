"""What a text rules out: the clauses, and the feature that weighs them the same from both sides."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.kinds import Node
from graph.store.store import Store
from matcher.corpus import Corpus
from matcher.denials import affirmed, denied_terms
from matcher.ranking import Ranking
from tests.factories import TODAY, make_achievement, make_scene, nodes, put

MakeRanking = Callable[[Store], Ranking]
FILLERS = [make_scene(f"CJ-{n}", title=f"另外的{n}号事情") for n in range(10, 60)]


@pytest.mark.parametrize(
    ("kind", "text", "denied"),
    [
        ("achievement", "装机百余套。酸性体系不适用。", ["酸性体系不适用。"]),
        ("achievement", "可贴地飞行，但不能用于带电导线；耐盐雾", ["但不能用于带电导线；"]),
        # What others cannot do is what this one can.
        ("achievement", "解决了传统方法无法检测小目标的问题。", []),
        ("achievement", "现有机型抗风不足，无法出海。本机可以。", []),
        ("achievement", "解决了散热。不能水下作业。", ["不能水下作业。"]),
        # A scene that cannot do something states its problem.
        ("scene", "人工无法登塔，番茄用不上。", ["番茄用不上。"]),
    ],
)
def test_clauses_that_rule_something_out_are_told_from_those_that_complain_of_others(
    kind: str, text: str, denied: list[str]
) -> None:
    kept, found = affirmed(text, kind)
    assert found == denied
    assert not [clause for clause in denied if clause in kept]


def test_terms_of_a_denial_leave_out_the_words_of_denying() -> None:
    node = make_achievement(summary="稳定可靠。酸性氯化铜体系不适用。", applications="不适用于PCB钻孔")
    assert denied_terms(node) == (
        frozenset({"＃酸性", "＃性氯", "＃氯化", "＃化铜", "＃铜体", "＃体系"}),
        frozenset({"pcb", "＃钻孔"}),
    )
    assert denied_terms(make_achievement(summary="人员不接触高压。", advantages="不能。")) == ()


def _value(ranking: Ranking, scene: Node, offer: Node) -> float:
    """The feature; asked from both sides, it must be the same."""
    ahead = ranking.score(scene, "achievement", [offer.id], today=TODAY)[offer.id]
    back = ranking.score(offer, "scene", [scene.id], today=TODAY)[scene.id]
    assert np.array_equal(ahead.values["denial"], back.values["denial"], equal_nan=True)
    assert ahead.score == back.score
    return ahead.values["denial"]


def test_a_denial_of_the_very_thing_counts_and_less_counts_nothing(
    store: Store, make_ranking: MakeRanking
) -> None:
    scene = make_scene(title="酸性氯化铜蚀刻液再生", summary="酸性氯化铜体系蚀刻，含盐雾环境。")
    offers = [
        make_achievement("CG-1", title="萃取回收", summary="酸性氯化铜体系不适用。"),
        make_achievement("CG-2", title="萃取回收", summary="盐雾高温高湿舱内连续作业不适用。"),
        make_achievement("CG-3", title="萃取回收", summary="酸性氯化铜体系适用。"),
        make_achievement("CG-4", title="萃取回收", summary="带电导线不适用。"),
    ]
    put(store, scene, *offers, *FILLERS)
    found = [_value(make_ranking(store), scene, offer) for offer in offers]
    assert found[0] == -1
    assert found[1] == found[3] == 0
    assert np.isnan(found[2])


def test_a_scene_rules_out_too(store: Store, make_ranking: MakeRanking) -> None:
    scene = make_scene(title="采摘", summary="番茄采摘机用不上。")
    offers = [
        make_achievement("CG-1", title="番茄采摘机器人"),
        make_achievement("CG-2", title="荔枝采收机器人"),
    ]
    put(store, scene, *offers, *FILLERS)
    values = [_value(make_ranking(store), scene, offer) for offer in offers]
    assert (values[0] < -0.5, values[1]) == (True, 0)


def test_the_denial_puts_the_pair_below_an_equal_that_denies_nothing(
    store: Store, make_ranking: MakeRanking
) -> None:
    scene = make_scene(title="酸性氯化铜蚀刻液再生", summary="酸性氯化铜体系蚀刻液在厂内再生。")
    denies = make_achievement("CG-1", title="蚀刻液再生", summary="酸性氯化铜体系不适用。")
    suits = make_achievement("CG-2", title="蚀刻液再生", summary="酸性氯化铜体系适用。")
    put(store, scene, denies, suits, *FILLERS)
    assert [m.key[1] for m in make_ranking(store).match(scene, top=2, today=TODAY)] == ["CG-2", "CG-1"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(nodes("scene", "achievement"), min_size=2, max_size=8))
def test_denial_is_in_range_and_the_same_from_both_sides(
    emptied: Callable[[], Store], make_ranking: MakeRanking, several: list[Node]
) -> None:
    store = emptied()
    put(store, *several)
    ranking = make_ranking(store)
    for scene in store.nodes("scene"):
        for offer in store.nodes("achievement"):
            value = _value(ranking, scene, offer)
            assert np.isnan(value) == (not denied_terms(scene) and not denied_terms(offer))
            assert np.isnan(value) or -1 <= value <= 0


def test_denials_follow_the_store(store: Store, corpus: Corpus) -> None:
    put(store, make_achievement(summary="酸性体系不适用。"))
    corpus.catch_up(store)
    slot = np.array([corpus.slots[("achievement", "CG-1")]])
    assert corpus.facts.rows(slot).denials == [(frozenset({"＃酸性", "＃性体", "＃体系"}),)]
    put(store, make_achievement(summary="酸性体系适用。"))
    corpus.catch_up(store)
    assert corpus.facts.rows(slot).denials == [()]
