from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from graph.kinds import Achievement, Scene
from graph.problems import Refused
from matcher.engine import Engine
from matcher.lineup_candidates import field_of_theme, scenes_of_field
from matcher.lineup_conflicts import Clash
from matcher.roadshow_edits import Changed, Edit
from matcher.roadshow_live import Live
from matcher.roadshow_steps import change, started
from matcher.roadshows import Roadshow
from tests.matcher.test_roadshows import release

AT, TODAY = datetime(2026, 3, 1, tzinfo=UTC), date(2026, 3, 1)
LONG = "面向海岛环境的抗七级风垂直起降固定翼无人机整机及其自主航线规划与起降点建设成套技术装备研制和规模化示范应用项目（二期）"
NAMES = ["甲，乙有限公司", "院🚁所", LONG[:60], "粤海湾理工大学"]


def records() -> list[Any]:
    texts = [
        "海岛无人机送药", "海岛无人机货运", "抗风无人机整机", "无人机航线规划", "海岛无人机起降点", "无人机送药冷链箱", "海岛送药调度", "无人机避障雷达",
    ]  # fmt: skip
    made: list[Any] = [
        Scene(id="CJ-1", title="海岛无人机送药", problem="海上阵风大，无人机抗风不足", field="低空经济"),
        Scene(id="CJ-2", title="无人机航线规划和避障", problem="航线冲突，需要避障雷达", field="低空经济"),
        Scene(id="CJ-3", title="已落地的无人机场景", field="低空经济", status="已落地"),
        Scene(id="CJ-4", title="过期的无人机场景", field="低空经济", deadline="2026-01-01"),
    ]
    for number, text in enumerate(texts, 1):
        made.append(
            Achievement(
                id=f"CG-{number}", title=f"{text}，{'系统' * (number % 3)}🚁" if number % 2 else text, summary=f"{text}的技术", field="低空经济",
                owner=NAMES[number % 4], inventors=f"张{number // 2}", maturity=f"TRL{number}",
            )
        )  # fmt: skip
    made.append(Achievement(id="CG-99", title="陶瓷釉料配方", summary="日用陶瓷", field="新材料"))
    return made


@pytest.fixture
def engine(engine_over: Callable[..., Engine]) -> Engine:
    return engine_over(*records())


def begin(engine: Engine, **asked: Any) -> Changed | Clash:
    wanted = {
        "pitches": 4,
        "guests": ["CJ-1", "CJ-2"],
        "numbers": {"适配等级至少": "1", "每场景至少": "0"},
        **asked,
    }
    draft, _ = started(engine.store, "LY-1", at=AT, today=TODAY, **wanted)
    return change(engine, draft, None, shown=(), today=TODAY, role="staff", at=AT)


def made(engine: Engine, **asked: Any) -> Roadshow:
    found = begin(engine, **asked)
    assert isinstance(found, Changed), found
    return found.roadshow


def edit(engine: Engine, roadshow: Roadshow, operation: Any, *ids: str, **values: Any) -> Changed:
    found = change(
        engine, roadshow, Edit(operation=operation, ids=ids, **values), shown=(), today=TODAY, role="staff", at=AT
    )  # fmt: skip
    assert isinstance(found, Changed), found
    return found


def test_first_lineup_has_reasons_fits_and_alternates_and_breaks_nothing(engine: Engine) -> None:
    roadshow = made(engine)
    assert len(roadshow.ids) == 4
    assert roadshow.proven
    assert roadshow.total == roadshow.best == sum(pitch.fit for pitch in roadshow.stage)
    assert all(pitch.reason.startswith("对“") and pitch.title for pitch in roadshow.stage)
    assert all({fit.listener for fit in pitch.fits} == {"CJ-1", "CJ-2"} for pitch in roadshow.stage)
    assert [pitch.fit for pitch in roadshow.stage] == sorted((p.fit for p in roadshow.stage), reverse=True)
    assert roadshow.alternates
    assert not {p.achievement for p in roadshow.alternates} & {*roadshow.ids}
    live = Live(engine, roadshow, shown=(), today=TODAY)
    assert live.conflicts == ()
    assert {one.id for one in live.left_out()} == {f"CG-{n}" for n in (*range(1, 9), 99)} - {*roadshow.ids}


def test_same_question_gives_the_same_lineup(engine: Engine) -> None:
    assert made(engine) == made(engine)


def test_solving_with_all_locked_changes_nothing(engine: Engine) -> None:
    roadshow = edit(engine, made(engine), "lock").roadshow
    for anew in (False, True):
        again = edit(engine, roadshow, "solve", anew=anew)
        assert again.roadshow.stage == roadshow.stage
        assert (again.difference.swaps, again.difference.moves, again.costs) == ((), (), ())


def test_alternates_stand_by_for_locked_pitches_too(engine: Engine) -> None:
    roadshow = edit(engine, made(engine), "lock").roadshow
    assert roadshow.alternates
    gone = roadshow.ids[1]
    first = next(one.achievement for one in roadshow.alternates if gone in one.replaces)
    assert edit(engine, roadshow, "drop", gone).roadshow.ids[1] == first


def test_timetable_is_called_stale_only_where_somebody_came_or_left(engine: Engine) -> None:
    roadshow = made(engine).model_copy(update={"timetable": {}})

    def stale(made: Changed) -> bool:
        return any("日程是按改动前的阵容排的" in note for note in made.notes)

    assert not stale(edit(engine, roadshow, "lock"))
    assert not stale(edit(engine, roadshow, "move", roadshow.ids[0], place=3))
    assert stale(edit(engine, roadshow, "drop", roadshow.ids[0]))
    assert stale(edit(engine, roadshow, "solve", must_not=(roadshow.ids[0],)))


def test_solving_what_keeps_all_rules_changes_nothing_and_anew_finds_the_best(engine: Engine) -> None:
    best = made(engine)
    spare = best.alternates[0].achievement
    worse = edit(engine, best, "swap", best.ids[0], spare).roadshow
    worse = edit(engine, worse, "unlock").roadshow
    assert edit(engine, worse, "solve").roadshow.ids == worse.ids
    assert set(edit(engine, worse, "solve", anew=True).roadshow.ids) == set(best.ids)


@pytest.mark.parametrize("place", range(4))
def test_who_is_dropped_is_followed_by_an_alternate_and_nobody_else_moves(engine: Engine, place: int) -> None:
    roadshow = made(engine)
    gone = roadshow.ids[place]
    after = edit(engine, roadshow, "drop", gone, reason="撞期")
    assert [old == new for old, new in zip(roadshow.ids, after.roadshow.ids, strict=True)] == [
        at != place for at in range(4)
    ]
    into = after.roadshow.ids[place]
    standing = [pitch for pitch in roadshow.alternates if gone in pitch.replaces]
    assert into == standing[0].achievement
    assert [(cost.out, cost.into) for cost in after.costs] == [(gone, into)]
    assert after.costs[0].cost == roadshow.total - after.roadshow.total
    assert [(one.achievement, one.reason) for one in after.roadshow.out] == [(gone, "撞期")]
    # Nor does it come back by itself.
    assert gone not in edit(engine, after.roadshow, "solve", anew=True).roadshow.ids


def test_several_dropped_at_once_each_have_a_successor_and_naming_one_twice_is_once(engine: Engine) -> None:
    roadshow = made(engine)
    gone = roadshow.ids[:2]
    after = edit(engine, roadshow, "drop", *gone, gone[0], reason="取消").roadshow
    assert len(after.ids) == 4
    assert after.ids[2:] == roadshow.ids[2:]
    assert not {*gone} & {*after.ids}
    assert [one.achievement for one in after.out] == [*gone]


def test_dropped_without_successor_leaves_a_gap_that_solving_fills(engine: Engine) -> None:
    roadshow = made(engine)
    after = edit(engine, roadshow, "drop", roadshow.ids[1], fill=False)
    assert [one.rule.kind for one in after.new_conflicts] == ["pitches"]
    filled = edit(engine, after.roadshow, "solve")
    assert len(filled.roadshow.ids) == 4
    assert {*after.roadshow.ids} <= {*filled.roadshow.ids}


def test_added_and_moved_by_hand_are_locked_and_what_that_breaks_is_listed(engine: Engine) -> None:
    roadshow = made(engine)
    new = edit(engine, roadshow, "add", "CG-99", place=2)
    assert new.roadshow.ids == (roadshow.ids[0], "CG-99", *roadshow.ids[1:])
    assert (new.roadshow.stage[1].locked, new.roadshow.stage[1].by_hand) == (True, True)
    assert [one.message for one in new.new_conflicts] == ["应有 4 项，现在 5 项"]
    solved = edit(engine, new.roadshow, "solve")
    assert "CG-99" in solved.roadshow.ids
    assert len(solved.roadshow.ids) == 4
    assert len(solved.difference.swaps) == 1
    moved = edit(engine, solved.roadshow, "move", "CG-99", place=4)
    assert moved.roadshow.ids[3] == "CG-99"
    assert moved.difference.moves == (("CG-99", solved.roadshow.ids.index("CG-99") + 1, 4),)
    swapped = edit(engine, moved.roadshow, "swap", moved.roadshow.ids[0], "CG-99")
    assert (swapped.roadshow.ids[0], swapped.roadshow.ids[3]) == ("CG-99", moved.roadshow.ids[0])


def test_change_by_hand_that_breaks_what_is_forbidden_is_refused_and_elsewhere_told(engine: Engine) -> None:
    roadshow = edit(engine, made(engine), "set", must_not=("CG-99",), levels={"每单位至多": "禁止"}, numbers={"每单位至多": "1"}).roadshow  # fmt: skip
    live = Live(engine, roadshow, shown=(), today=TODAY)
    solved = edit(engine, roadshow, "solve").roadshow
    twin = next(
        id for id in live.pool.ids
        if id not in solved.ids and id != "CG-99"
        and live.pool.institution[live.pool.place(id) or 0] in {live.pool.institution[live.pool.place(one) or 0] for one in solved.ids}
    )  # fmt: skip
    with pytest.raises(Refused) as refused:
        edit(engine, solved, "add", twin)
    assert refused.value.code == "lineup_forbidden"
    softer = edit(engine, solved, "set", levels={"每单位至多": "提示"}).roadshow
    told = edit(engine, softer, "add", twin)
    assert ("institution", "hint") in {(one.rule.kind, one.rule.level) for one in told.new_conflicts}
    # Adding by hand takes back that somebody shall not pitch.
    assert edit(engine, softer, "add", "CG-99").roadshow.out == ()


def test_rules_that_clash_are_named_with_the_cheapest_to_relax(engine: Engine) -> None:
    found = begin(engine, numbers={"适配等级至少": "1", "每场景至少": "0", "成熟度至少": "7"})
    assert isinstance(found, Clash)
    assert {rule.kind for rule in found.rules} == {"pitches", "maturity"}
    assert {way.rule.kind: way.value for way in found.ways}["pitches"] == 2
    assert "成熟度至少 TRL7" in found.problem.message


def test_lock_is_named_where_it_clashes(engine: Engine) -> None:
    roadshow = edit(engine, made(engine), "add", "CG-99").roadshow
    found = change(
        engine, roadshow, Edit(operation="solve", numbers={"领域至少": "0", "成熟度至少": "1"}), shown=(), today=TODAY, role="staff", at=AT
    )  # fmt: skip
    assert isinstance(found, Clash)
    assert {rule.kind for rule in found.rules} == {"lock", "maturity"}


@pytest.mark.parametrize(
    ("operation", "ids", "values", "code"),
    [
        ("drop", (), {}, "lineup_pitch"), ("drop", ("CG-404",), {}, "lineup_pitch"), ("lock", ("CG-404",), {}, "lineup_pitch"),
        ("add", ("CG-404",), {}, "achievement_unknown"), ("swap", ("CG-1",), {}, "lineup_pitch"),
        ("move", ("CG-99",), {"place": 1}, "lineup_pitch"), ("add", ("CG-99",), {"place": 9}, "lineup_place"),
        ("set", (), {"numbers": {"x": "1"}}, "roadshow_setting"), ("solve", (), {"must": ("CG-404",)}, "achievement_unknown"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(
    engine: Engine, operation: Any, ids: tuple[str, ...], values: Any, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        edit(engine, made(engine), operation, *ids, **values)
    assert refused.value.code == code


def test_theme_that_nobody_fits_is_told_with_what_comes_nearest(engine: Engine) -> None:
    with pytest.raises(Refused) as refused:
        begin(engine, guests=[], theme="心脏外科手术缝合", numbers={"适配等级至少": "4"})
    assert refused.value.code == "theme_unfit"
    assert "没有成果对主题“心脏外科手术缝合”达到强相关；最接近的是" in refused.value.message
    with pytest.raises(Refused, match="没有写明路演的主题"):
        begin(engine, guests=[], theme=" ")
    with pytest.raises(Refused, match="CJ-404"):
        begin(engine, guests=["CJ-404"])


def test_theme_that_names_a_field_is_held_for_its_scenes(engine: Engine) -> None:
    assert [field_of_theme(text) for text in ("低空经济", "低空经济专场路演", "海岛送药", "")] == [
        "低空经济",
        "低空经济",
        "",
        "",
    ]
    draft, notes = started(engine.store, "LY-1", at=AT, today=TODAY, pitches=2, theme="低空经济专场")
    assert (draft.field, [id for _, id in draft.about]) == ("低空经济", ["CJ-1", "CJ-2", "CJ-4"])
    assert notes == ["“低空经济”是产业领域：听众为该领域的 3 个场景，其中 1 个已过截止日期"]
    scenes, late = scenes_of_field(
        [*engine.store.nodes("scene"), Scene(id="CJ-0", title="某", field="低空经济")], "低空经济", TODAY
    )
    assert ([scene.id for scene in scenes], late) == (["CJ-0", "CJ-1", "CJ-2"], 0)
    roadshow = made(engine, guests=[], theme="低空经济")
    assert "CG-99" not in Live(engine, roadshow, shown=(), today=TODAY).pool.ids


def test_shortlist_alone_is_chosen_from(engine: Engine) -> None:
    found = begin(engine, pitches=2, shortlist=["CG-3", "CG-5", "CG-7"])
    assert isinstance(found, Changed)
    assert {*found.roadshow.ids} < {"CG-3", "CG-5", "CG-7"}
    with pytest.raises(Refused, match="入围名单里没有编号为“CG-404”"):
        edit(engine, found.roadshow, "add", "CG-404")


def test_team_is_the_same_person_at_the_same_organisation(engine_over: Callable[..., Engine]) -> None:
    owners = ["甲大学", "甲大学", "乙大学", ""]
    engine = engine_over(
        Scene(id="CJ-1", title="海岛送药"),
        *(Achievement(id=f"CG-{at}", title=f"海岛送药{at}", owner=owner, inventors="张三") for at, owner in enumerate(owners)),
    )  # fmt: skip
    draft, _ = started(engine.store, "LY-1", at=AT, today=TODAY, pitches=1, guests=["CJ-1"])
    pool = Live(engine, draft, shown=(), today=TODAY).pool
    assert pool.teams == (
        frozenset({"张三（甲大学）"}),
        frozenset({"张三（甲大学）"}),
        frozenset({"张三（乙大学）"}),
        frozenset(),
    )


def test_near_duplicates_are_told_by_their_gists(engine_over: Callable[..., Engine]) -> None:
    engine = engine_over(
        Scene(id="CJ-1", title="海岛送药"),
        *(Achievement(id=f"CG-{at}", title=title, summary=title * 3) for at, title in enumerate(["海岛无人机送药系统", "海岛无人机送药系统", "深海采矿机器人"])),
    )  # fmt: skip
    draft, _ = started(engine.store, "LY-1", at=AT, today=TODAY, pitches=1, guests=["CJ-1"])
    assert Live(engine, draft, shown=(), today=TODAY).pool.twins == ((0, 1, 100),)


def test_who_is_gone_since_is_a_conflict_and_released_versions_stay(engine: Engine) -> None:
    from graph.store.changes import RemoveNode

    roadshow = release(made(engine))
    gone = roadshow.ids[0]
    engine.whole.apply([RemoveNode(kind="achievement", id=gone)], actor="程某", at=AT, reason="")
    live = Live(engine, roadshow, shown=(), today=TODAY)
    assert [one.message.endswith("已不在库中，或不在可见范围内") for one in live.conflicts] == [True, False]
    after = edit(engine, roadshow, "solve")
    assert gone not in after.roadshow.ids
    assert gone in [pitch.achievement for pitch in after.roadshow.versions[0].stage]


def test_shown_at_an_earlier_event_is_kept_off_stage_where_that_is_asked(engine: Engine) -> None:
    first = made(engine)
    draft, _ = started(
        engine.store, "LY-2", at=AT, today=TODAY, pitches=4, guests=["CJ-1", "CJ-2"],
        numbers={"适配等级至少": "1", "每场景至少": "0", "近几场不重复": "1", "每单位至多": "0", "每团队至多": "0"},
    )  # fmt: skip
    shown = (("上一场", frozenset(first.ids)),)
    found = change(engine, draft, None, shown=shown, today=TODAY, role="staff", at=AT)
    assert isinstance(found, Changed)
    assert not {*found.roadshow.ids} & {*first.ids}
    live = Live(engine, found.roadshow, shown=shown, today=TODAY)
    assert {one.reason for one in live.left_out(first.ids)} == {"已在“上一场”登过台"}


def test_public_lineup_knows_only_what_the_public_may_see(engine_over: Callable[..., Engine]) -> None:
    hidden = [
        one.model_copy(update={"visibility": "staff" if one.id in ("CG-1", "CG-2") else "public"}) for one in records()
    ]  # fmt: skip
    engine = engine_over(*hidden, audience="public")
    roadshow = made(engine, pitches=2, audience="public")
    assert not {*roadshow.ids} & {"CG-1", "CG-2"}
    assert all(teams == frozenset() for teams in Live(engine, roadshow, shown=(), today=TODAY).pool.teams)
