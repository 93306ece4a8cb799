from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.problems import Refused
from matcher.timetable import (
    Booking,
    Format,
    Judge,
    Pitch,
    Places,
    Programme,
    Session,
    Span,
    as_values,
    check,
    from_values,
    is_free,
    lots,
    places_of,
    slots,
)
from matcher.timetable_conflicts import changes, changes_in_words, conflicts, forbidden_by
from matcher.timetable_solving import Infeasible, Timetable, arrange
from matcher.timetable_words import Rule


def at(hour: int, minute: int = 0, day: int = 5) -> datetime:
    return datetime(2026, 12, day, hour, minute)


def span(start: datetime, end: datetime) -> Span:
    return Span(start=start, end=end)


def session(id: str = "S1", start: int = 9, minutes: int = 60, **more: Any) -> Session:
    begins = at(start)
    values = {"title": f"{id} 场", "room": "报告厅"} | more
    return Session(id=id, span=span(begins, begins + timedelta(minutes=minutes)), **values)


def pitch(id: str, **more: Any) -> Pitch:
    return Pitch(id=id, title=f"项目{id}", **({"presenters": (f"路演人{id}",)} | more))


def programme(*pitches: Pitch, **more: Any) -> Programme:
    values: dict[str, Any] = {"sessions": (session(),), "format": Format(pitch=8, questions=7)} | more
    return Programme(title="低空经济专场", pitches=pitches, **values)


def rules(one: Programme, places: Places) -> list[str]:
    return [found.rule for found in conflicts(one, places)]


def test_slots_keep_to_their_parts_the_breaks_and_the_end() -> None:
    one = programme(
        sessions=(session(minutes=92, breaks=(span(at(9, 30), at(9, 40)),)),),
        format=Format(pitch=8, questions=7, turnover=2),
    )
    assert [(slot.span.text, slot.follows) for slot in slots(one)] == [
        ("12-05 09:00–09:15", False),
        ("12-05 09:40–09:55", False),
        ("12-05 09:57–10:12", True),
        ("12-05 10:14–10:29", True),
    ]


def test_a_break_within_the_turnover_parts_two_slots() -> None:
    one = programme(
        sessions=(session(breaks=(span(at(9, 15), at(9, 20)),)),),
        format=Format(pitch=8, questions=7, turnover=5),
    )
    assert [slot.follows for slot in slots(one)] == [False, False, True]


def test_a_session_past_midnight_is_cut_like_any_other() -> None:
    late = Session(id="S1", title="夜场", room="厅", span=span(at(23, 30), at(0, 30, day=6)))
    assert [slot.span.text for slot in slots(programme(sessions=(late,)))] == [
        "12-05 23:30–23:45", "12-05 23:45–次日00:00", "12-06 00:00–00:15", "12-06 00:15–00:30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: Format(pitch=8, questions=7, turnover=2, slot=16), "slot_short"),
        (lambda: Format(pitch=0), "slot_parts"),
        (lambda: span(at(22), at(1)), "time_order"),
        (lambda: span(at(9), at(10).replace(tzinfo=UTC)), "time_mixed"),
        (lambda: session(minutes=1500), "session_long"),
        (lambda: from_values({"title": "x"}), "programme_unreadable"),
        (lambda: places_of({"P": 3}), "programme_unreadable"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, code: str) -> None:
    with pytest.raises(Refused) as refused:
        make()
    assert refused.value.code == code
    assert refused.value.remedy


def test_a_slot_shorter_than_its_parts_says_by_how_much() -> None:
    with pytest.raises(
        Refused, match="每个时段 16 分钟，放不下 路演 8 分钟、答辩 7 分钟、换场 2 分钟，共 17 分钟"
    ):
        Format(pitch=8, questions=7, turnover=2, slot=16)


def test_check_names_everything_that_is_wrong() -> None:
    one = programme(
        pitch("A", free=()), pitch("A"), pitch("B", sessions=("S9",), free=(span(at(20), at(21)),)),
        sessions=(session(judges=("J1",)), session("S2", start=14, minutes=10)),
        before=(("A", "B"), ("B", "A"), ("A", "C")),
    )  # fmt: skip
    assert [(problem.code, problem.severity) for problem in check(one)] == [
        ("id_twice", "error"),
        ("id_unknown", "error"),
        ("id_unknown", "error"),
        ("id_unknown", "error"),
        ("precedence_circle", "error"),
        ("session_short", "warning"),
        ("presenter_never", "warning"),
        ("presenter_never", "warning"),
    ]
    assert check(one)[6].message == "“项目A”的路演人A没有一段有空的时间"


def test_moments_with_and_without_a_zone_do_not_mix() -> None:
    aware = span(at(9).replace(tzinfo=UTC), at(10).replace(tzinfo=UTC))
    one = programme(pitch("A"), bookings=(Booking(room="厅", span=aware, event="年会"),))
    assert [problem.code for problem in check(one)] == ["time_mixed"]


def test_free_stretches_that_touch_are_one() -> None:
    free = (span(at(9, 30), at(10)), span(at(9), at(9, 30)))
    assert is_free(free, span(at(9, 15), at(9, 45)))
    assert not is_free(free, span(at(9, 45), at(10, 15)))
    assert not is_free((), span(at(9), at(10)))
    assert is_free(None, span(at(9), at(10)))


def test_every_rule_broken_by_hand_is_found() -> None:
    one = programme(
        pitch("A", institution="大学", scene="甲", presenters=("王",)),
        pitch("B", institution="大学", scene="乙", presenters=("王", "李"), sessions=("S2",)),
        pitch("C", scene="甲", free=(span(at(9), at(9, 15)),)),
        pitch("D"),
        pitch("E"),
        sessions=(
            session(judges=("J1",)),
            session("S2", judges=("J1",)),
            session("S3", start=14, minutes=30),
        ),
        judges=(
            Judge(
                id="J1", name="赵", free=(span(at(9), at(9, 30)),), conflicts=("大学", "C"), recused=("B",)
            ),
        ),
        bookings=(Booking(room="报告厅", span=span(at(14, 20), at(15)), event="年会"),),
        before=(("A", "B"),),
    )
    places = {"A": ("S1", 1), "B": ("S2", 1), "C": ("S1", 3), "D": ("S1", 3), "E": ("S1", 9)}
    assert [(found.rule, found.level, found.touches) for found in conflicts(one, places)] == [
        ("slot", "forbid", ("C", "D")),
        ("room", "forbid", ("S1", "S2")),
        ("room", "forbid", ("S3",)),
        ("placed", "forbid", ("E",)),
        ("presenter_free", "forbid", ("C",)),
        ("presenter_twice", "forbid", ("A", "B")),
        ("judge_twice", "forbid", ("S1", "S2", "J1")),
        ("precedence", "forbid", ("A", "B")),
        ("judge_free", "resolve", ("C", "J1")),
        ("judge_free", "resolve", ("D", "J1")),
        ("judge_conflict", "resolve", ("A", "J1")),
        ("judge_conflict", "resolve", ("C", "J1")),
        ("scene_together", "hint", ("A", "C")),
    ]
    side_by_side = places | {"B": ("S1", 2)}
    assert {"session", "institution_apart"} <= set(rules(one, side_by_side))


def test_levels_of_a_programme_replace_the_usual_ones() -> None:
    one = programme(pitch("A", institution="大学"), pitch("B", institution="大学"))
    places = {"A": ("S1", 1), "B": ("S1", 2)}
    assert rules(one, places) == ["institution_apart"]
    assert rules(replace(one, levels={"institution_apart": "ignore"}), places) == []
    strict = replace(one, levels={"institution_apart": "forbid"})
    assert [found.text for found in conflicts(strict, places)] == [
        "禁止：大学的“项目A”和“项目B”相邻（12-05 09:00–09:15、12-05 09:15–09:30）（规则：同一单位不相邻）"
    ]
    apart = {"A": ("S1", 1), "B": ("S1", 3)}
    assert [found.rule for found in forbidden_by(strict, apart, places)] == ["institution_apart"]
    assert forbidden_by(strict, places, places) == ()


def test_without_rules_the_order_is_the_draw() -> None:
    one = programme(*(pitch(id) for id in "DCBA"), seed=7)
    drawn = lots(one)
    assert lots(replace(one, pitches=one.pitches[::-1])) == drawn
    assert arrange(one) == Timetable(
        places={id: ("S1", number) for id, number in sorted(drawn.items())},
        broken=0, moved=0, hints=0, hints_bound=0, proven=True,
    )  # fmt: skip


_names = st.sampled_from(["", "甲", "乙"])


@st.composite
def _programmes(draw: st.DrawFn) -> Programme:
    count = draw(st.integers(1, 4))
    quarter = [
        span(at(9) + timedelta(minutes=15 * n), at(9) + timedelta(minutes=15 * n + 30)) for n in range(4)
    ]
    pitches = [
        Pitch(
            id=id, title=id, institution=draw(_names), scene=draw(_names),
            presenters=draw(st.sampled_from([("王",), ("李",), ()])),
            free=draw(st.none() | st.lists(st.sampled_from(quarter), max_size=2).map(tuple)),
            sessions=draw(st.sampled_from([(), (), ("S1",)])),
        )
        for id in "ABCD"[:count]
    ]  # fmt: skip
    judge = Judge(id="J1", name="赵", conflicts=(draw(st.sampled_from(["甲", "A", "B"])),))
    levels = {
        kind: draw(st.sampled_from(["forbid", "resolve", "hint", "ignore"]))
        for kind in (
            "placed",
            "institution_apart",
            "scene_together",
            "judge_conflict",
            "presenter_free",
            "presenter_twice",
        )
    }
    before = (("A", "B"),) if count > 1 and draw(st.booleans()) else ()
    return Programme(
        title="场", format=Format(pitch=15), pitches=tuple(pitches), judges=(judge,), before=before, levels=levels,  # type: ignore[arg-type]
        sessions=(
            session(minutes=45, judges=("J1",), breaks=draw(st.sampled_from([(), (span(at(9, 15), at(9, 20)),)]))),
            session("S2", minutes=30, room="二厅"),
        ),
        seed=draw(st.integers(0, 5)),
    )  # fmt: skip


def _tried(one: Programme) -> list[dict[str, tuple[str, int]]]:
    """Every way to place the pitches, some of them nowhere."""
    ids = [pitch.id for pitch in one.pitches]
    places = [*(slot.place for slot in slots(one)), *[None] * len(ids)]
    ways = {tuple(way) for way in permutations(places, len(ids))}
    return [{id: place for id, place in zip(ids, way, strict=True) if place} for way in ways]


def _rules(one: Programme, places: Places) -> set[Rule]:
    """The rules that a timetable breaks, by what they are about."""
    pitches = {pitch.id: pitch for pitch in one.pitches}
    about: dict[str, Callable[[tuple[str, ...]], tuple[str, ...]]] = {
        "session": lambda t: t[:1],
        "judge_free": lambda t: t[::-1],
        "judge_conflict": lambda t: t[::-1],
        "institution_apart": lambda t: (pitches[t[0]].institution,),
        "scene_together": lambda t: (pitches[t[0]].scene,),
    }
    found = set()
    for one_broken in conflicts(one, places):
        told = about.get(one_broken.rule)
        touches = one_broken.touches
        found.add(Rule(kind=one_broken.rule, about=told(touches) if told else touches))
    return found


def _worth(one: Programme, places: Places) -> tuple[int, int, int, int, int]:
    found = [conflict.level for conflict in conflicts(one, places)]
    number, drawn = {slot.place: n for n, slot in enumerate(slots(one), 1)}, lots(one)
    away = len(number) + len(drawn)
    distance = sum(abs(number[places[id]] - drawn[id]) if id in places else away for id in drawn)
    taken = set(places.values())
    gaps = sum(
        slot.place not in taken and any(id == slot.session and n > slot.number for id, n in taken)
        for slot in slots(one)
    )
    return found.count("forbid"), found.count("resolve"), gaps, found.count("hint"), distance


@settings(max_examples=25, deadline=None)
@given(one=_programmes())
def test_the_best_of_all_timetables_is_found(one: Programme) -> None:
    best = min(_worth(one, places) for places in _tried(one))
    found = arrange(one)
    if best[0]:
        assert isinstance(found, Infeasible)
        strict = [rule for rule in conflicts(one, found.places) if rule.level == "forbid"]
        assert {rule.rule for rule in strict} == {rule.kind for rule in found.relaxed}
        held = [_rules(one, places) for places in _tried(one)]
        assert all(broken & set(found.clash) for broken in held)
        for rule in found.clash:
            assert any(not broken & set(found.clash) - {rule} for broken in held)
        assert found.problem.remedy.startswith("代价最小的办法：")
    else:
        assert isinstance(found, Timetable)
        assert found.proven
        assert _worth(one, found.places) == best
        assert (found.broken, found.hints, found.hints_bound) == (best[1], best[3], best[3])
        again = arrange(one, before=found.places, locked=found.places)
        assert isinstance(again, Timetable)
        assert (again.places, again.moved) == (found.places, 0)


def test_a_clash_names_the_rules_and_the_cheapest_way_out() -> None:
    one = programme(
        pitch("A", institution="大学", free=(span(at(9), at(9, 30)),)),
        pitch("B", institution="大学", free=(span(at(9), at(9, 30)),)),
        pitch("C"),
        levels={"institution_apart": "forbid"},
    )
    found = arrange(one)
    assert isinstance(found, Infeasible)
    assert found.clash == (
        Rule(kind="institution_apart", about=("大学",)),
        Rule(kind="placed", about=("A",)),
        Rule(kind="placed", about=("B",)),
        Rule(kind="presenter_free", about=("A",)),
        Rule(kind="presenter_free", about=("B",)),
    )
    assert found.relaxed == (Rule(kind="institution_apart", about=("大学",)),)
    assert found.problem.message == (
        "排不成：这几条合在一起做不到：“项目A”、“项目B”都要排上（共 4 个时段）；同一单位不相邻：大学；"
        "“项目A”的路演人A只在 12-05 09:00–09:30 有空；“项目B”的路演人B只在 12-05 09:00–09:30 有空"
    )
    assert found.problem.remedy == "代价最小的办法：允许大学的项目相邻"


def test_too_many_pitches_are_told_with_the_number_that_is_too_much() -> None:
    found = arrange(programme(*(pitch(str(n)) for n in range(7))))
    assert isinstance(found, Infeasible)
    assert len(found.clash) == 5
    assert len(found.places) == 4
    assert "增加 3 个时段，或撤下 3 个项目" in found.problem.remedy


def test_pitches_that_are_free_at_the_same_few_slots_are_named_with_what_keeps_them_there() -> None:
    early = (span(at(9), at(9, 30)),)
    found = arrange(programme(*(pitch(id, free=early if id != "D" else None) for id in "ABCD")))
    assert isinstance(found, Infeasible)
    assert found.clash == tuple(
        Rule(kind=kind, about=(id,)) for kind in ("placed", "presenter_free") for id in "ABC"
    )
    assert len(found.relaxed) == 1
    assert found.problem.remedy.startswith("代价最小的办法：与“项目")


def test_a_room_that_another_event_has_refuses_and_names_it() -> None:
    taken = (Booking(room="报告厅", span=span(at(9, 30), at(11)), event="年会"),)
    with pytest.raises(Refused, match="与活动“年会”（12-05 09:30–11:00）同用会场“报告厅”"):
        arrange(programme(pitch("A"), bookings=taken))
    found = arrange(programme(pitch("A"), bookings=taken, levels={"room": "resolve"}))
    assert isinstance(found, Timetable)


def test_a_late_withdrawal_moves_nobody_and_a_new_absence_only_whom_it_must() -> None:
    one = programme(*(pitch(id) for id in "ABCD"), seed=1)
    first = arrange(one)
    assert isinstance(first, Timetable)
    left = replace(one, pitches=one.pitches[1:])
    after = arrange(left, before=first.places)
    assert isinstance(after, Timetable)
    assert after.places == {id: place for id, place in first.places.items() if id != "A"}
    held = next(id for id, place in first.places.items() if place == ("S1", 1))
    absent = [replace(p, free=(span(at(9, 45), at(10)),)) if p.id == held else p for p in one.pitches]
    swapped = arrange(replace(one, pitches=tuple(absent)), before=first.places)
    assert isinstance(swapped, Timetable)
    assert swapped.moved == 2
    found = changes(first.places, swapped.places)
    assert [(change.pitch, change.after) for change in found if change.pitch == held] == [(held, ("S1", 4))]
    words = changes_in_words(one, found)
    assert f"“项目{held}”从S1 场第 1 个（12-05 09:00–09:15）改到S1 场第 4 个（12-05 09:45–10:00）" in words


def test_no_slot_stays_free_before_the_last_pitch_and_who_comes_takes_the_place_of_who_left() -> None:
    one = programme(*(pitch(id, scene="送药" if id in "DE" else "") for id in "ABCDE"), seed=3)
    one = replace(one, sessions=(session(minutes=200),))
    first = arrange(one)
    assert isinstance(first, Timetable)
    assert {number for _, number in first.places.values()} == {1, 2, 3, 4, 5}
    new = replace(one, pitches=(*one.pitches[1:], pitch("F", scene="送药")))
    after = arrange(new, before=first.places)
    assert isinstance(after, Timetable)
    assert after.places["F"] == first.places["A"]


def test_locks_hold_and_are_named_where_they_clash() -> None:
    one = programme(pitch("A"), pitch("B"), before=(("A", "B"),))
    stood = {"A": ("S1", 3), "B": ("S1", 1)}
    found = arrange(one, before=stood, locked={"A"})
    assert isinstance(found, Timetable)
    assert found.places == {"A": ("S1", 3), "B": ("S1", 4)}
    clash = arrange(one, before=stood, locked={"A", "B"})
    assert isinstance(clash, Infeasible)
    assert [rule.kind for rule in clash.clash] == ["locked", "locked", "precedence"]
    assert "解除“项目" in clash.problem.remedy
    with pytest.raises(Refused, match="锁不住"):
        arrange(one, locked={"A"})


def test_a_programme_survives_its_values() -> None:
    one = programme(
        pitch("A", free=(span(at(9), at(10)),), institution="大学，一院😀"),
        sessions=(session(breaks=(span(at(9, 15), at(9, 20)),), format=Format(pitch=5, questions=5)),),
        judges=(Judge(id="J1", name="赵"),), before=(("A", "A"),), levels={"room": "hint"}, seed=3,
    )  # fmt: skip
    assert from_values(as_values(one)) == one
    assert places_of({"A": ["S1", 2]}) == {"A": ("S1", 2)}


def test_an_empty_programme_is_an_empty_timetable() -> None:
    found = arrange(programme())
    assert isinstance(found, Timetable)
    assert (found.places, found.proven) == ({}, True)
