from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.problems import Refused
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.lineup import Broken, Rule
from matcher.roadshow_differences import difference, version_lines
from matcher.roadshows import (
    Pitch,
    Roadshow,
    edited,
    lineup_values,
    new_roadshow,
    released,
    roadshow_rules,
    seen_draft,
    shown_before,
    stepped,
    with_settings,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)
STAGE = tuple(
    Pitch(achievement=id, title=title)
    for id, title in (("CG-1", "无人机"), ("CG-2", "甲，乙🚁"), ("CG-3", "雷达"))
)


def a_roadshow(**values: Any) -> Roadshow:
    return new_roadshow(
        "LY-1",
        at=AT,
        **{"title": "低空专场", "theme": "低空", "about": (("scene", "CJ-1"),), "stage": STAGE, **values},
    )


def release(roadshow: Roadshow, **values: Any) -> Roadshow:
    return released(roadshow, (), **{"by": "程某", "role": "staff", "at": AT, **values})


def a_broken(level: str, message: str) -> Broken:
    return Broken(rule=Rule(kind="team", level=level), subject="", touches=(), message=message)  # type: ignore[arg-type]


def test_states_and_moves_are_those_of_a_roadshow() -> None:
    rules = roadshow_rules()
    assert [(one.name, one.sources, one.target) for one in rules.moves.values()] == [
        ("edit", ("draft", "released"), "draft"), ("release", ("draft",), "released"), ("hold", ("released",), "held"),
        *((f"score_{state}", (state,), state) for state in ("draft", "released", "held")),
        ("close", ("held",), "closed"), ("cancel", ("draft", "released"), "cancelled"),
    ]  # fmt: skip


def test_versions_stay_as_they_were_released_whatever_is_edited_later() -> None:
    first = release(a_roadshow(), note="第一次")
    again = edited(first, role="staff", at=AT, stage=STAGE[::-1])
    second = release(again, by="李某", at=AT + timedelta(days=1))
    assert [(v.number, v.by, v.note, [p.achievement for p in v.stage]) for v in second.versions] == [
        (1, "程某", "第一次", ["CG-1", "CG-2", "CG-3"]), (2, "李某", "", ["CG-3", "CG-2", "CG-1"]),
    ]  # fmt: skip
    assert (first.draft, again.draft, second.draft) == (1, 2, 3)
    assert [one.state for one in (first, again, second)] == ["released", "draft", "released"]


def test_release_is_refused_with_what_must_be_solved_first_and_not_for_hints() -> None:
    problems = [a_broken("forbid", "甲"), a_broken("resolve", "乙"), a_broken("hint", "丙")]
    with pytest.raises(Refused) as refused:
        released(a_roadshow(), problems, by="程某", role="staff", at=AT, unresolved=["日程没有排"])
    assert (refused.value.code, refused.value.message) == (
        "lineup_unresolved", "还有须在发布前解决的问题：甲；乙；日程没有排。",
    )  # fmt: skip
    assert released(a_roadshow(), problems[2:], by="程某", role="staff", at=AT).state == "released"


def test_steps_go_in_their_order_and_a_cancellation_has_a_reason() -> None:
    draft = a_roadshow()
    with pytest.raises(Refused, match="现在是“草稿”"):
        stepped(draft, "hold", role="staff", at=AT)
    with pytest.raises(Refused, match="没有写明取消的原因"):
        stepped(draft, "cancel", role="staff", at=AT, reason=" ")
    held = stepped(release(draft), "hold", role="staff", at=AT)
    closed = stepped(held, "close", role="staff", at=AT)
    assert (held.state, closed.state) == ("held", "closed")
    with pytest.raises(Refused, match="已举办"):
        edited(held, role="staff", at=AT, stage=())


def test_who_has_seen_another_draft_is_refused() -> None:
    roadshow = release(a_roadshow())
    seen_draft(roadshow, 1)
    seen_draft(roadshow, None)
    with pytest.raises(Refused) as refused:
        seen_draft(roadshow, 0)
    assert refused.value.code == "roadshow_changed"


def test_of_two_who_edit_a_released_version_at_once_the_second_is_refused(store: Store) -> None:
    from matcher.roadshow_steps import write

    released_one = release(a_roadshow())
    store.apply([PutProcess(process=released_one)], actor="程某", at=AT, reason="")
    since = store.revision()
    first, second = (edited(released_one, role="staff", at=AT, stage=STAGE[:n]) for n in (1, 2))
    write(store, first, actor="甲", at=AT, reason="", since=since)
    with pytest.raises(Refused) as refused:
        write(store, second, actor="乙", at=AT, reason="", since=since)
    assert refused.value.code == "plan_stale"
    kept = store.process(Roadshow, "LY-1")
    assert kept == first


@pytest.mark.parametrize(
    ("numbers", "levels", "message"),
    [
        ({"每单位": "1"}, {}, "没有“每单位”这条规则。"),
        ({"每单位至多": "很多"}, {}, "“每单位至多”不能是“很多”。"),
        ({"项目数": "0"}, {}, "“项目数”不能是“0”。"),
        ({"成熟度至少": "10"}, {}, "“成熟度至少”不能是“10”。"),
        ({}, {"每团队至多": "随便"}, "“每团队至多”的级别“随便”看不懂。"),
        ({}, {"候补数": "提示"}, "没有“候补数”这条规则。"),
    ],
)
def test_settings_written_wrongly_are_refused_with_what_may_be_written(
    numbers: dict[str, str], levels: dict[str, str], message: str
) -> None:
    with pytest.raises(Refused) as refused:
        with_settings(a_roadshow(), numbers, levels)
    assert (refused.value.code, refused.value.message) == ("roadshow_setting", message)


def test_settings_are_read_as_people_write_them() -> None:
    written = {
        "每单位至多": "1",
        "成熟度至少": "TRL6",
        "相近度上限": "80%",
        "适配等级至少": "较强相关",
        "CJ-1": "2",
        "field": "不限",
    }
    values = with_settings(a_roadshow(), written, {"每团队至多": "提示", "锁定": "resolve"})
    assert values == {
        "numbers": {"institution": 1, "maturity": 6, "likeness": 80, "fit": 3, "field": 0}, "coverage": {"CJ-1": 2},
        "levels": {"team": "hint", "lock": "resolve"},
    }  # fmt: skip


def test_who_was_shown_before_is_of_released_roadshows_the_latest_first() -> None:
    def other(id: str, day: date | None, ids: Sequence[str], **values: Any) -> Roadshow:
        made = new_roadshow(
            id, at=AT, title=id, theme="某", day=day, stage=tuple(Pitch(achievement=one) for one in ids)
        )
        return release(made, **values)

    others = [
        other("早", date(2026, 1, 1), ["CG-1"]), other("晚", date(2026, 5, 1), ["CG-2"]), other("未写", None, ["CG-3"]),
        release(new_roadshow("别家", at=AT, theme="某", partner="hengqin", stage=STAGE)),
        a_roadshow(), new_roadshow("草稿", at=AT, theme="某", stage=STAGE),
        stepped(other("取消", date(2026, 2, 1), ["CG-9"]), "cancel", role="staff", at=AT, reason="疫情"),
    ]  # fmt: skip
    every = shown_before(a_roadshow(), others)
    assert every == (("晚", frozenset({"CG-2"})), ("未写", frozenset({"CG-3"})), ("早", frozenset({"CG-1"})))
    assert shown_before(a_roadshow(day=date(2026, 2, 1)), others) == (("早", frozenset({"CG-1"})),)


orders = st.lists(st.sampled_from("甲乙丙丁戊"), unique=True, max_size=5)


@given(before=orders, after=orders)
def test_difference_turns_one_order_into_the_other_and_moves_as_few_as_possible(
    before: list[str], after: list[str]
) -> None:
    found = difference(before, after)
    assert sorted(swap.out for swap in found.swaps if swap.out) == sorted({*before} - {*after})
    assert sorted(swap.into for swap in found.swaps if swap.into) == sorted({*after} - {*before})
    assert all(before[old - 1] == id == after[new - 1] for id, old, new in found.moves)
    stayed = [id for id in before if id in after]
    still = [id for id in stayed if id not in {id for id, _, _ in found.moves}]
    assert still == [id for id in after if id in still]
    most = max(
        n for n in range(len(stayed) + 1)
        for some in permutations(stayed, n)
        if list(some) == [id for id in before if id in some] == [id for id in after if id in some]
    )  # fmt: skip
    assert len(still) == most
    if before == after:
        assert (found.swaps, found.moves) == ((), ())


def test_what_changed_between_versions_is_said_line_by_line() -> None:
    first = release(a_roadshow(alternates=(Pitch(achievement="CG-9", title="备用"),)))
    stage = (
        STAGE[0],
        Pitch(achievement="CG-8", title="60个字的名称" * 10),
        Pitch(achievement="CG-9", title="备用"),
    )
    second = release(edited(first, role="staff", at=AT, stage=stage, alternates=(), timetable={"slots": []}))
    third = release(edited(second, role="staff", at=AT, stage=(stage[2], stage[0])))
    assert version_lines(second.versions[0], second.versions[1]) == [
        "第 2 个由“甲，乙🚁”（CG-2）换成“" + "60个字的名称" * 10 + "”（CG-8）",
        "第 3 个由“雷达”（CG-3）换成“备用”（CG-9）", "候补改为：（无）", "日程有变",
    ]  # fmt: skip
    assert version_lines(third.versions[1], third.versions[2]) == [
        "去掉“" + "60个字的名称" * 10 + "”（CG-8）", "“备用”（CG-9）由第 3 个移到第 1 个",
    ]  # fmt: skip
    assert version_lines(first.versions[0], first.versions[0]) == []


def test_values_for_papers_tell_only_what_the_readers_records_tell() -> None:
    class Nothing:
        def get(self, kind: str, id: str) -> None:
            return None

    told = lineup_values(
        a_roadshow(stage=(Pitch(achievement="CG-1", title="机密的名称", reason="都提到价格"),)), Nothing()
    )
    assert (told["pitches"][0]["id"], told["listeners"]) == ("CG-1", [])
    assert {value for name, value in told["pitches"][0].items() if isinstance(value, str)} == {"CG-1", ""}


def test_text_marked_secret_is_refused() -> None:
    with pytest.raises(Refused):
        a_roadshow(title="【机密】专场")
    with pytest.raises(Refused):
        a_roadshow(audience="everybody")
