"""A roadshow with people on stage, for the pages: over the small world of these tests, or the sample's. All fictional."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from graph.store.store import Store
from matcher.meetings import MeetingDay, Party, Wish
from matcher.roadshow_meetings import KeptMeetings, solved_meetings
from matcher.roadshow_steps import with_plan, write
from matcher.roadshow_timetable import first_timetable, solved
from matcher.roadshows import Pitch, Roadshow, SceneFit, lineup_values, new_roadshow, released
from matcher.timetable import Format, Judge, Session, Span
from tests.factories import NOON

DRAFT = "LY-2026-901"


def put_roadshow(
    store: Store, id: str = DRAFT, on: tuple[str, ...] = ("CG-1", "CG-2"), **attributes: Any
) -> Roadshow:
    """A draft for CJ-1 (or what ``attributes`` say), kept."""
    names = {one: node.title for one in on if (node := store.get("achievement", one)) is not None}
    stage = tuple(
        Pitch(
            achievement=one, title=names.get(one, ""), fit=800_000 - 100_000 * at, reason="都提到海岛",
            fits=(SceneFit(listener="CJ-1", level=4 - at, fit=800_000 - 100_000 * at),),
        )
        for at, one in enumerate(on)
    )  # fmt: skip
    usual: dict[str, Any] = {
        "title": "海岛投送路演", "about": (("scene", "CJ-1"),), "day": date(2099, 12, 5), "stage": stage, "total": 1_500_000,
        "numbers": {"pitches": len(on), "institution": 0, "team": 0, "fit": 1}, "best": 1_500_000, "proven": True,
    }  # fmt: skip
    made = new_roadshow(id, at=NOON, **usual | attributes)
    write(store, made, actor="林屿", at=NOON, reason="新建路演", since=store.revision())
    return made


def put_planned(store: Store) -> Roadshow:
    """A released roadshow of the sample world with a timetable before three judges, and meetings."""
    made = put_roadshow(
        store, on=("CG-101", "CG-102", "CG-104", "CG-105", "CG-110", "CG-109"), about=(("scene", "CJ-101"), ("scene", "CJ-102")),
        field="低空经济", numbers={"pitches": 6, "maturity": 7},
    )  # fmt: skip
    day = datetime(2099, 12, 5)
    span = Span(start=day.replace(hour=9), end=day.replace(hour=11, minute=30))
    pause = Span(start=day.replace(hour=10), end=day.replace(hour=10, minute=15))
    names = ("周评委", "吴评委", "郑评委")
    session = Session(id="上午场", title="上午场", room="一号厅", span=span, breaks=(pause,), judges=names)
    kept = first_timetable(lineup_values(made, store), Format(pitch=8, questions=7, turnover=2), (session,))
    judges = tuple(Judge(id=name, name=name) for name in names)
    found = solved(replace(kept, programme=replace(kept.programme, judges=judges)))
    guests = tuple(Party(id=f"JB-{n}", name=f"第{n}号资本") for n in range(1, 5))
    teams = tuple(Party(id=f"TD-{n}", name=f"第{n}号团队") for n in range(1, 7))
    wishes = tuple(
        Wish(guest=g.id, team=t.id, by="guest", want="must" if at == n else "want")
        for at, g in enumerate(guests) for n, t in enumerate(teams) if (at + n) % 2 == 0
    )  # fmt: skip
    meeting = MeetingDay(
        title=made.title, guests=guests, teams=teams, wishes=wishes, rounds=tuple(Span(start=day.replace(hour=14, minute=10 * n), end=day.replace(hour=14, minute=10 * n + 8)) for n in range(3)), tables=3,
    )  # fmt: skip
    met, _ = solved_meetings(KeptMeetings(day=meeting), made.ids, found[0])
    planned = with_plan(made, role="staff", at=NOON, timetable=found[0].values, meetings=met.values)
    planned = released(planned, (), by="林屿", role="staff", at=NOON, note="首发")
    write(store, planned, actor="林屿", at=NOON, reason="发布第 1 版", since=store.revision())
    return planned
