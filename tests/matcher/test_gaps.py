"""Gaps against ranking every pair from the other side, and what is counted where."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.kinds import Achievement, Scene
from graph.store.changes import RemoveNode
from matcher.engine import Engine
from matcher.gaps import UNSTATED, Balance, Gaps, gaps, narrowed
from matcher.ranking import Match
from tests.factories import TODAY, apply, make_achievement, make_scene, nodes, put

FEW = st.lists(nodes("scene", "achievement", most=5), max_size=10, unique_by=lambda n: (n.kind, n.id))
STATES = st.lists(
    st.sampled_from([("", None), ("已落地", None), ("在推", -1), ("在推", 0)]), min_size=10, max_size=10
)


@pytest.fixture
def levelled(engine: Engine) -> Engine:
    """An engine whose levels lie where the scores of tiny worlds do."""
    engine.ranker = engine.ranking.ranker = replace(engine.ranker, cuts=(40.0, 120.0, 250.0))
    return engine


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=FEW, states=STATES, level=st.integers(2, 4))
def test_gaps_are_what_ranking_every_pair_from_either_side_says(
    levelled: Engine, several: list[Any], states: list[tuple[str, int | None]], level: int
) -> None:
    engine = levelled
    old = [
        RemoveNode(kind=n.kind, id=n.id)
        for kind in ("scene", "achievement")
        for n in engine.store.nodes(kind)
    ]
    apply(engine.store, *old)
    for place, (status, days) in enumerate(states):
        if place < len(several) and several[place].kind == "scene":
            deadline = None if days is None else TODAY + timedelta(days=days)
            several[place] = several[place].model_copy(update={"status": status, "deadline": deadline})
    put(engine.store, *several)
    found = gaps(engine, today=TODAY, level=level)
    scenes = [n for n in engine.store.nodes("scene") if isinstance(n, Scene)]
    open_ones = {n.id for n in scenes if n.status != "已落地" and not (n.deadline and n.deadline < TODAY)}
    assert found.closed == len(scenes) - len(open_ones)
    offers = [n for n in engine.store.nodes("achievement") if isinstance(n, Achievement)]
    backwards = {
        offer.id: [m for m in engine.match(offer, top=99, today=TODAY) if m.key[1] in open_ones]
        for offer in offers
    }
    landed = {n.id for n in scenes if n.status == "已落地"}
    assert (found.opened, found.landed) == (len(open_ones), len(landed))
    late = {
        offer.id: [m for m in engine.match(offer, top=99, today=TODAY) if m.key[1] not in open_ones | landed]
        for offer in offers
    }
    _check_achievements(found, backwards, late, level)
    pairs = [(m.key[1], m.score, m.level) for several in backwards.values() for m in several]
    best = {id: max((s for other, s, _ in pairs if other == id), default=None) for id in open_ones}
    fit = {id for id, _, reached in pairs if reached >= level}
    assert {gap.scene.id for gap in found.scenes} == open_ones - fit
    for gap in found.scenes:
        assert (gap.score if gap.best else None) == best[gap.scene.id]
        assert gap.missing or gap.best
    assert [(g.best is not None, g.score, g.scene.id) for g in found.scenes] == sorted(
        (g.best is not None, g.score, g.scene.id) for g in found.scenes
    )
    assert sum(b.scenes for b in found.by_district) == len(open_ones)
    assert sum(b.unmet for b in found.by_district) == len(found.scenes)
    assert sum(b.achievements for b in found.by_district) == len(offers)
    assert sum(b.idle for b in found.by_district) == len(found.achievements)


def _check_achievements(
    found: Gaps, backwards: dict[str, list[Match]], late: dict[str, list[Match]], level: int
) -> None:
    idle = {one.achievement.id: one for one in found.achievements}
    unfit = {id for id, several in backwards.items() if all(m.level < level for m in several)}
    assert {one.achievement.id: (one.score, one.level) for one in found.late} == {
        id: max((m.score, m.level) for m in late[id])
        for id in unfit
        if any(m.level >= level for m in late[id])
    }
    assert set(idle) == unfit - {one.achievement.id for one in found.late}
    assert [(o.score, o.achievement.id) for o in found.achievements] == sorted(
        ((o.score, o.achievement.id) for o in found.achievements), key=lambda o: (-o[0], o[1])
    )
    for id, one in idle.items():
        assert (one.best is None) == (one.level == 1)
        assert one.score == max((m.score for m in backwards[id]), default=0.0)
        assert one.level == max((m.level for m in backwards[id]), default=1)


Found = Callable[..., Gaps]


@pytest.fixture
def small(levelled: Engine) -> Engine:
    """Two scenes, of which one finds what it wants, and three achievements."""
    put(
        levelled.store,
        make_scene("CJ-1", title="海岛无人机投送", field="低空经济", district="万山区"),
        make_scene(
            "CJ-2", title="网箱清洗", field="海洋经济、新材料", maturity_floor="TRL8", indicators="清洗效率≥200m/h；水深≥20m；噪声≤60dB"
        ),
        make_achievement("CG-1", title="海岛无人机投送", field="低空经济", district="万山区"),
        make_achievement("CG-2", title="网箱机器人", field="海洋经济", indicators="清洗效率100m/h", maturity="TRL5"),
        make_achievement("CG-3", title="古琴谱"),
    )  # fmt: skip
    return levelled


def test_what_the_best_candidate_lacks_is_said(small: Engine) -> None:
    found = gaps(small, today=TODAY)
    (gap,) = found.scenes
    assert (gap.scene.id, gap.best.id if gap.best else None) == ("CJ-2", "CG-2")
    assert gap.missing[:3] == (
        "指标未达到：清洗效率≥200m/h",
        "指标未说明：水深≥20m、噪声≤60dB",
        "成熟度 TRL5，低于要求的 TRL8",
    )
    assert [one.achievement.id for one in found.achievements] == ["CG-2", "CG-3"]


def test_fields_and_districts_are_counted_and_the_gravest_stand_first(small: Engine) -> None:
    found = gaps(small, today=TODAY)
    assert found.by_field == (
        Balance(name="海洋经济", scenes=1, scenes_matched=0, achievements=1, achievements_matched=0),
        Balance(name="新材料", scenes=1, scenes_matched=0, achievements=0, achievements_matched=0),
        Balance(name=UNSTATED, scenes=0, scenes_matched=0, achievements=1, achievements_matched=0),
        Balance(name="低空经济", scenes=1, scenes_matched=1, achievements=1, achievements_matched=1),
    )
    assert [(b.name, b.unmet, b.idle) for b in found.by_district] == [(UNSTATED, 1, 2), ("万山区", 0, 0)]


def test_narrowing_shows_less_and_counts_the_same(small: Engine) -> None:
    found = gaps(small, today=TODAY)
    by_field = narrowed(found, fields=["新材料"])
    assert [gap.scene.id for gap in by_field.scenes] == ["CJ-2"]
    assert by_field.achievements == ()
    assert by_field.by_field == found.by_field[1:2]
    assert by_field.by_district == found.by_district
    by_district = narrowed(found, districts=["万山区"])
    assert (by_district.scenes, by_district.achievements) == ((), ())
    assert [b.name for b in by_district.by_district] == ["万山区"]
    assert narrowed(found) == found


def test_an_achievement_that_fits_only_an_expired_scene_stands_apart_and_counts_as_matched(
    small: Engine,
) -> None:
    put(
        small.store,
        make_scene("CJ-3", title="古琴谱", deadline=TODAY - timedelta(days=1)),
        make_scene("CJ-4", title="网箱机器人", status="已落地", deadline=TODAY - timedelta(days=1)),
    )
    found = gaps(small, today=TODAY)
    assert [(one.achievement.id, one.scene.id) for one in found.late] == [("CG-3", "CJ-3")]
    assert [one.achievement.id for one in found.achievements] == ["CG-2"]
    assert (found.opened, found.closed, found.landed) == (2, 2, 1)
    assert [(b.achievements_matched, b.idle) for b in found.by_field if b.name == UNSTATED] == [(1, 0)]
    assert narrowed(found, fields=["新材料"]).late == ()


def test_an_empty_store_has_no_gaps_and_scenes_alone_have_nothing_to_be_matched_to(engine: Engine) -> None:
    assert gaps(engine, today=TODAY) == Gaps(
        level=3,
        scenes=(),
        achievements=(),
        late=(),
        by_field=(),
        by_district=(),
        opened=0,
        closed=0,
        landed=0,
    )
    put(engine.store, make_scene("CJ-2"), make_scene("CJ-1"))
    told: list[tuple[int, int]] = []
    found = gaps(engine, today=TODAY, progress=lambda done, total: told.append((done, total)))
    assert [(gap.scene.id, gap.best, gap.level, gap.missing) for gap in found.scenes] == [
        ("CJ-1", None, 1, ("库中没有可用的成果",)),
        ("CJ-2", None, 1, ("库中没有可用的成果",)),
    ]
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize("level", [0, 1, 5])
def test_levels_that_say_nothing_are_refused(engine: Engine, level: int) -> None:
    with pytest.raises(ValueError, match="level"):
        gaps(engine, today=TODAY, level=level)


def test_every_scene_is_ranked_once_and_achievements_never(
    small: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    match = small.ranking.match

    def counted(node: Any, **options: Any) -> list[Match]:
        asked.append(node.id)
        return match(node, **options)

    monkeypatch.setattr(small.ranking, "match", counted)
    gaps(small, today=TODAY)
    assert sorted(asked) == ["CJ-1", "CJ-2"]
