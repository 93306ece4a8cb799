from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from graph.problems import Refused
from matcher.roadshow_timetable import (
    Kept,
    first_timetable,
    kept_timetable,
    placed_at,
    unresolved,
    with_locks,
)
from matcher.timetable import Format, Session, Span


def pitch(id: str, owner: str = "某大学", fits: tuple[tuple[str, float], ...] = ()) -> dict[str, Any]:
    told = [{"id": one, "title": f"场景{one}", "level": 3, "fit": fit} for one, fit in fits]
    return {"id": id, "title": f"项目{id}", "owner": owner, "fits": told}


def lineup(*pitches: dict[str, Any], timetable: Any = None) -> dict[str, Any]:
    return {"id": "LY-1", "title": "专场", "pitches": list(pitches), "timetable": timetable}


def kept(*pitches: dict[str, Any]) -> Kept:
    span = Span(start=datetime(2026, 12, 5, 9), end=datetime(2026, 12, 5, 10))
    return first_timetable(
        lineup(*pitches),
        Format(pitch=8, questions=7),
        (Session(id="S", title="上午场", room="厅", span=span),),
    )


def test_a_pitch_stands_by_the_scene_it_fits_best() -> None:
    one = kept(pitch("A", fits=(("甲", 0.4), ("乙", 0.8), ("", 0.9))), pitch("B"))
    assert [(p.id, p.title, p.institution, p.scene) for p in one.programme.pitches] == [
        ("A", "项目A", "某大学", "场景乙"),
        ("B", "项目B", "某大学", ""),
    ]
    assert one.programme.title == "专场"


def test_the_timetable_follows_the_stage_and_keeps_what_was_said() -> None:
    one = kept(pitch("A"), pitch("B"))
    told = tuple(replace(p, presenters=("张三",)) if p.id == "B" else p for p in one.programme.pitches)
    one = replace(
        one, programme=replace(one.programme, pitches=told, before=(("A", "B"),)),
        places={"A": ("S", 1), "B": ("S", 2)}, locked=frozenset("A"),
    )  # fmt: skip
    after = kept_timetable(lineup(pitch("B"), pitch("C"), timetable=one.values))
    assert after is not None
    assert [(p.id, p.presenters) for p in after.programme.pitches] == [("B", ("张三",)), ("C", ())]
    assert (after.places, after.locked, after.programme.before) == ({"B": ("S", 2)}, frozenset(), ())
    assert unresolved(lineup(pitch("B"), pitch("C"), timetable=one.values)) == ["“项目C”还没有排上"]
    assert kept_timetable(lineup(pitch("A"), pitch("B"), timetable=one.values)) == one


def test_no_timetable_holds_up_no_release() -> None:
    assert kept_timetable(lineup(pitch("A"))) is None
    assert unresolved(lineup(pitch("A"))) == []


@pytest.mark.parametrize("values", [{}, {"programme": {}, "places": {}, "locked": []}, {"programme": 3}])
def test_what_is_no_timetable_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="读不出来"):
        kept_timetable(lineup(pitch("A"), timetable=values))


def test_a_move_by_hand_changes_places_and_an_unknown_slot_is_refused() -> None:
    one = replace(kept(pitch("A"), pitch("B"), pitch("C")), places={"A": ("S", 1), "B": ("S", 2)})
    assert placed_at(one, "A", ("S", 2)) == {"A": ("S", 2), "B": ("S", 1)}
    assert placed_at(one, "C", ("S", 1)) == {"C": ("S", 1), "B": ("S", 2)}
    with pytest.raises(Refused, match="没有“S”第 9 个时段"):
        placed_at(one, "A", ("S", 9))


def test_only_what_stands_somewhere_can_be_locked() -> None:
    one = replace(kept(pitch("A"), pitch("B")), places={"A": ("S", 1)})
    assert with_locks(one, ["A"], []).locked == {"A"}
    assert with_locks(with_locks(one, ["A"], []), [], ["A"]).locked == frozenset()
    with pytest.raises(Refused, match="“项目B”没有排在任何时段"):
        with_locks(one, ["B"], [])


def test_free_slots_before_others_are_told_and_the_order_is_that_of_time() -> None:
    own = replace(kept(pitch("A"), pitch("B")), places={"A": ("S", 3), "B": ("S", 1)})
    assert own.order == ("B", "A")
    assert [told.split("（")[0] for told in own.gaps] == ["“上午场”第 2 个时段"]
    assert replace(own, places={"A": ("S", 2), "B": ("S", 1)}).gaps == []
