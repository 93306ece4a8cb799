"""The one pipeline: parts that add up, the same score from every side, and retrieval that misses nothing."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.kinds import Node
from graph.store.store import Store
from matcher.filters import Filters
from matcher.ranker import LEVELS, Ranker
from matcher.ranking import Asked, Match, Ranking
from tests.factories import (
    TODAY,
    make_achievement,
    make_case,
    make_edge,
    make_enterprise,
    make_institution,
    make_scene,
    nodes,
    put,
    shown,
)

MakeRanking = Callable[[Store], Ranking]
shared_store = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORLDS = st.lists(nodes(), max_size=16)


def _without_rank(match: Match) -> tuple[Any, ...]:
    return shown([match])[0][1:]


@shared_store
@given(several=WORLDS)
def test_parts_add_up_and_matches_are_in_order(
    emptied: Callable[[], Store], make_ranking: MakeRanking, ranker: Ranker, several: list[Node]
) -> None:
    store = emptied()
    put(store, *several)
    ranking = make_ranking(store)
    for kind in ("scene", "achievement"):
        for node in store.nodes(kind):
            found = ranking.match(node, top=100, today=TODAY)
            assert [m.rank for m in found] == list(range(1, len(found) + 1))
            assert [m.key for m in found] == [m.key for m in sorted(found, key=lambda m: (-m.score, m.key))]
            for match in found:
                assert list(match.parts) == list(ranker.weights)
                assert match.score == round(math.fsum(match.parts.values()), 6)
                assert sum(match.probabilities) == pytest.approx(1)
                assert match.level == 1 + sum(match.score >= cut for cut in ranker.cuts)
                assert match.level in LEVELS


@shared_store
@given(several=WORLDS, chosen=st.randoms(use_true_random=False))
def test_pair_scores_the_same_from_either_side_and_in_any_company(
    emptied: Callable[[], Store], make_ranking: MakeRanking, several: list[Node], chosen: Any
) -> None:
    store = emptied()
    put(store, *several)
    ranking = make_ranking(store)
    scenes, achievements = list(store.nodes("scene")), list(store.nodes("achievement"))
    pairs = {}
    for scene in scenes:
        for match in ranking.match(scene, top=100, today=TODAY):
            pairs[scene.id, match.key[1]] = _without_rank(match)[1:]
    assert set(pairs) == {(scene.id, achievement.id) for scene in scenes for achievement in achievements}
    for achievement in achievements:
        for match in ranking.match(achievement, top=100, today=TODAY):
            score, level, probabilities, parts, values = _without_rank(match)[1:]
            other = pairs[match.key[1], achievement.id]
            assert (score, level, probabilities, parts) == other[:4]
            assert {name for name, value in values.items() if value is None} == {
                name for name, value in other[4].items() if value is None
            }
    for scene in scenes:
        ids = [achievement.id for achievement in achievements if chosen.random() < 0.5]
        alone = ranking.score(scene, "achievement", ["不存在", *ids, *ids], today=TODAY)
        assert {id: _without_rank(match)[1:] for id, match in alone.items()} == {
            id: pairs[scene.id, id] for id in ids
        }


@shared_store
@given(several=WORLDS, top=st.integers(1, 5))
def test_same_input_gives_the_same_output_and_fewer_are_the_first_of_more(
    emptied: Callable[[], Store], make_ranking: MakeRanking, several: list[Node], top: int
) -> None:
    store = emptied()
    put(store, *several)
    one, other = make_ranking(store), make_ranking(store)
    for node in [*store.nodes("scene"), *store.nodes("achievement")]:
        everything = shown(one.match(node, top=100, today=TODAY))
        assert shown(other.match(node, top=100, today=TODAY)) == everything
        assert shown(one.match(node, top=top, today=TODAY)) == everything[:top]


def test_equal_records_stand_in_the_order_of_their_ids(store: Store, make_ranking: MakeRanking) -> None:
    ids = ["CG-9", "CG-10", "CG-2", "甲", "a", "B"]
    for id in ids:
        put(store, make_achievement(id))
    put(store, make_scene())
    found = make_ranking(store).match(make_scene(), top=10, today=TODAY)
    assert [match.key[1] for match in found] == sorted(ids)
    assert len({match.score for match in found}) == 1


def test_equals_at_the_cut_are_chosen_by_id_where_not_all_are_scored(
    store: Store, make_ranking: MakeRanking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More equals than any channel looks at beyond its cut: still it is the ids that decide."""
    for name, limit in (("_ALL", 5), ("_PROPOSED", 2), ("_TIES", 1)):
        monkeypatch.setattr(f"matcher.ranking.{name}", limit)
    for number in range(40, 0, -1):  # slots run against the ids
        put(store, make_achievement(f"CG-{number:02}"))
    put(store, make_scene())
    found = make_ranking(store).match(make_scene(), top=3, today=TODAY)
    assert [match.key[1] for match in found] == ["CG-01", "CG-02", "CG-03"]


def test_blank_subject_is_filled_up_in_the_order_of_ids(
    store: Store, make_ranking: MakeRanking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in (("_ALL", 5), ("_PROPOSED", 2), ("_TIES", 1)):
        monkeypatch.setattr(f"matcher.ranking.{name}", limit)
    for number in range(20, 0, -1):
        put(store, make_achievement(f"CG-{number:02}"))
    blank = make_scene(title="\u034f")
    put(store, blank)
    for scene in (blank, blank.model_copy(update={"id": "新"})):
        found = make_ranking(store).match(scene, top=3, today=TODAY)
        assert [(match.key[1], match.score) for match in found] == [("CG-01", 0), ("CG-02", 0), ("CG-03", 0)]


_PLACES = ["海岛", "港口", "山区", "口岸", "社区", "医院", "工厂", "矿山", "学校", "农场"]
_OBJECTS = ["网箱", "叶片", "电缆", "桥梁", "管道", "光伏板", "船体", "血样", "锂电池", "染料"]
_ACTS = ["清洗", "巡检", "运输", "加固", "探伤", "回收", "分选", "预警", "除锈", "计量"]


def _big_world(store: Store) -> None:
    """300 achievements and 20 scenes made of three words each, all different, and some relations."""
    rng = np.random.default_rng(5)
    combinations = [(p, o, a) for p in _PLACES for o in _OBJECTS for a in _ACTS]
    drawn = [combinations[i] for i in rng.permutation(len(combinations))]
    achievements = [
        make_achievement(
            f"CG-{n:03}",
            title=f"{p}{o}{a}装置",
            summary=f"面向{p}的{o}，完成{a}。",
            maturity=f"TRL{n % 9 + 1}",
        )
        for n, (p, o, a) in enumerate(drawn[:300])
    ]
    scenes = [
        make_scene(f"CJ-{n:02}", title=f"{p}{o}{a}", summary=f"在{p}对{o}做{a}。", maturity_floor="TRL6")
        for n, (p, o, a) in enumerate(drawn[300:320])
    ]
    schools = [make_institution(f"JG-{n}") for n in range(5)]
    edges = [
        make_edge(schools[n % 5], "owns", achievement) for n, achievement in enumerate(achievements[:50])
    ]
    put(
        store,
        *achievements,
        *scenes,
        *schools,
        *edges,
        *(make_edge(schools[n % 5], "posts", s) for n, s in enumerate(scenes)),
    )


def test_retrieval_finds_the_best_of_all(
    store: Store, make_ranking: MakeRanking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _big_world(store)
    ranking = make_ranking(store)
    scenes = list(store.nodes("scene"))
    exhaustive = {scene.id: shown(ranking.match(scene, top=10, today=TODAY)) for scene in scenes}
    for name, limit in (("_ALL", 50), ("_PROPOSED", 30), ("_TIES", 5)):
        monkeypatch.setattr(f"matcher.ranking.{name}", limit)
    recalls = []
    for scene in scenes:
        found = shown(ranking.match(scene, top=10, today=TODAY))
        assert len(found) == 10
        best = {entry[1] for entry in exhaustive[scene.id]}
        recalls.append(len(best & {entry[1] for entry in found}) / 10)
        by_key = {entry[1]: entry[2:] for entry in exhaustive[scene.id]}
        assert all(entry[2:] == by_key[entry[1]] for entry in found if entry[1] in by_key)
    assert np.mean(recalls) >= 0.99
    assert np.min(recalls) >= 0.9


def test_retrieval_proposes_what_only_the_graph_knows(
    store: Store, make_ranking: MakeRanking, monkeypatch: pytest.MonkeyPatch
) -> None:
    school, related = make_institution(), make_achievement("CG-99", title="鲍鱼苗种")
    put(
        store, make_scene(title="海岛投送"), school, related, make_edge(school, "posts", make_scene()),
        make_edge(school, "owns", related), *(make_achievement(f"CG-{n}", title=f"海岛投送{n}号") for n in range(30)),
    )  # fmt: skip
    for name, limit in (("_ALL", 5), ("_PROPOSED", 2), ("_TIES", 1)):
        monkeypatch.setattr(f"matcher.ranking.{name}", limit)
    ranking = make_ranking(store)
    slot = ranking.corpus.slots["achievement", "CG-99"]
    search = ranking._search(Asked(node=make_scene(title="海岛投送"), top=1, today=TODAY))
    assert slot in ranking._candidates(search, ranking._nearest([search]))
    search.mask[slot] = False  # filters hold for what the graph proposes too
    assert slot not in ranking._candidates(search, ranking._nearest([search]))


def test_many_questions_at_once_are_answered_like_each_alone(
    store: Store, make_ranking: MakeRanking, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        store,
        *(make_achievement(f"CG-{n}", title=f"海岛投送{n % 7}号") for n in range(30)),
        make_scene("CJ-1"),
    )
    for name, limit in (("_ALL", 5), ("_PROPOSED", 4), ("_TIES", 1)):
        monkeypatch.setattr(f"matcher.ranking.{name}", limit)
    ranking = make_ranking(store)
    asked = [
        Asked(node=make_scene("CJ-1"), top=3, today=TODAY),
        Asked(node=make_scene("CJ-9", title="鲍鱼苗种"), top=2, today=TODAY, filters=Filters(min_trl=6)),
        Asked(node=make_achievement("CG-3", title="海岛投送3号"), top=1, today=TODAY),
        Asked(node=make_scene("CJ-8", title="海岛投送2号"), top=9, today=TODAY),
    ]
    alone = [
        ranking.match(one.node, top=one.top, today=TODAY, kind=one.kind, filters=one.filters) for one in asked
    ]
    # As text: what is unknown is no number, and equals not even itself.
    assert repr(ranking.match_many(asked)) == repr(alone)


def test_subject_itself_and_who_poses_a_scene_are_no_answers(store: Store, make_ranking: MakeRanking) -> None:
    scene = make_scene("CJ-1", owner="甲公司")
    put(
        store, scene, make_scene("CJ-2"), make_enterprise("QY-1", title="甲公司"), make_enterprise("QY-2"),
        make_enterprise("QY-3"), make_edge(make_enterprise("QY-3"), "posts", scene),
    )  # fmt: skip
    ranking = make_ranking(store)
    assert [m.key for m in ranking.match(scene, top=9, today=TODAY, kind="scene")] == [("scene", "CJ-2")]
    assert [m.key for m in ranking.match(scene, top=9, today=TODAY, kind="enterprise")] == [
        ("enterprise", "QY-2")
    ]


@pytest.mark.parametrize("kind", ["enterprise", "institution", "broker", "case", "expert", "platform"])
def test_any_kind_can_be_ranked_for_a_scene(store: Store, make_ranking: MakeRanking, kind: str) -> None:
    put(store, make_scene(), make_enterprise(), make_case())
    found = make_ranking(store).match(make_scene(), top=9, today=TODAY, kind=kind)
    assert [match.key[0] for match in found] == [kind] * len(found)
    assert len(found) == (kind in ("enterprise", "case"))


def test_written_scene_scores_as_its_stored_twin_but_for_the_graph(
    store: Store, make_ranking: MakeRanking
) -> None:
    scene = make_scene(field="低空经济", summary="两条航线，离岸二十公里。", maturity_floor="TRL6")
    put(
        store,
        scene,
        make_achievement("CG-1", maturity="TRL7", field="低空经济"),
        make_achievement("CG-2", title="网箱"),
    )
    ranking = make_ranking(store)
    stored = shown(ranking.match(scene, top=9, today=TODAY))
    written = shown(ranking.match(scene.model_copy(update={"id": "新"}), top=9, today=TODAY))
    assert written == stored


def test_nothing_to_match_gives_nothing(store: Store, make_ranking: MakeRanking) -> None:
    put(store, make_scene())
    ranking = make_ranking(store)
    assert ranking.match(make_scene(), top=5, today=TODAY) == []
    assert ranking.score(make_scene(), "achievement", ["CG-1"], today=TODAY) == {}
