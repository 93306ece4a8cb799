"""The papers of a roadshow by kind and format, for who may read them: the same files from the command line and over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from api.roadshow_agenda import profiles
from api.roadshow_calendar import write_meetings_calendar, write_programme_calendar
from api.roadshow_page import write_page, write_picture
from api.roadshow_papers import (
    write_agenda_document,
    write_agenda_workbook,
    write_handbook,
    write_mark_sheets,
    write_schedule_document,
    write_schedule_workbook,
)
from graph.problems import Refused
from graph.store.audience import AudienceStore
from graph.values import VISIBILITY_LABELS
from graph.visibility import may_see
from matcher.meetings import Meeting, MeetingDay, Party, Side, Someone
from matcher.pitch_scoring import Round
from matcher.roadshow_meetings import KeptMeetings, kept_meetings
from matcher.roadshow_results import first_round, usual_rubric
from matcher.roadshow_timetable import Kept, kept_timetable
from matcher.roadshows import Roadshow, lineup_values

# Each paper with what it is called and the formats it is written in.
PAPERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "agenda": ("议程", (".docx", ".xlsx", ".html", ".ics", ".svg")),
    "handbook": ("项目手册", (".docx",)),
    "marks": ("评委打分表", (".xlsx",)),
    "meetings": ("洽谈日程", (".xlsx", ".docx", ".html", ".ics")),
}
MEDIA: Mapping[str, str] = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".html": "text/html; charset=utf-8", ".ics": "text/calendar; charset=utf-8", ".svg": "image/svg+xml",
}  # fmt: skip
_KINDS: Mapping[Side, tuple[str, ...]] = {"guest": ("scene", "enterprise", "fund"), "team": ("achievement",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What papers are filled in with: ``values`` as ``lineup_values``, both plans as their readers may see them."""

    roadshow: Roadshow
    values: Mapping[str, Any]
    timetable: Kept | None
    meetings: KeptMeetings | None
    version: int | None = None

    @property
    def is_draft(self) -> bool:
        """Whether it is not of a released version."""
        return self.version is None and self.roadshow.state == "draft"


def material(store: Any, roadshow: Roadshow, audience: str = "", version: int | None = None) -> Material:
    """A roadshow, or one of its versions, as the readers ``audience`` may see it: never more than its own audience.

    ``store`` is the whole one. Raises ``Refused``: ``audience_unknown``, ``audience_wider``.
    """
    wanted: Any = audience or roadshow.audience
    if wanted not in VISIBILITY_LABELS:
        raise Refused(
            "audience_unknown", f"看不懂可见范围 {wanted[:20]}。", f"请写 {'、'.join(VISIBILITY_LABELS)}。"
        )
    if not may_see(roadshow.audience, wanted):
        raise Refused(
            "audience_wider",
            f"{roadshow.id} 是按 {roadshow.audience} 看得到的内容排的，不能写出更多。",
            "请不写可见范围。",
        )
    own = wanted == roadshow.audience
    seen = AudienceStore(store, wanted, own=roadshow.partner if own else "")
    values = lineup_values(roadshow, seen, version)
    meetings = kept_meetings(values["meetings"])
    if not own:  # fits and reasons rest on what the roadshow's own audience may see
        values["pitches"] = [{**one, "fits": [], "reason": ""} for one in values["pitches"]]
        if meetings is not None:
            meetings = replace(meetings, day=_renamed(meetings.day, store, seen))
    timetable = kept_timetable(values)
    return Material(roadshow=roadshow, values=values, timetable=timetable, meetings=meetings, version=version)


def _renamed(day: MeetingDay, whole: Any, seen: Any) -> MeetingDay:
    """The day with the names of those who stand in the store as the readers may see them: who is hidden has an id alone."""

    def named(side: Side, one: Party) -> Party:
        kind = next((kind for kind in _KINDS[side] if whole.get(kind, one.id) is not None), None)
        if kind is None:
            return one
        node = seen.get(kind, one.id)
        return replace(one, name=one.id if node is None else node.title)

    return replace(
        day,
        guests=tuple(named("guest", one) for one in day.guests),
        teams=tuple(named("team", one) for one in day.teams),
    )


def check_paper(kind: str, suffix: str) -> None:
    """Raise ``Refused`` (``paper_format``) for a format that the paper is not written in."""
    label, suffixes = PAPERS[kind]
    if suffix not in suffixes:
        raise Refused(
            "paper_format",
            f"{label}不能写成 {suffix[:10]} 格式。",
            f"可写：{'、'.join(one.removeprefix('.') for one in suffixes)}。",
        )


def write_paper(
    path: Path, kind: str, about: Material, *, stamp: datetime, marked: Round | None = None, who: Someone | None = None,
    side: Side = "guest",
) -> None:  # fmt: skip
    """Write a paper of ``PAPERS`` in the format of the path's suffix.

    ``marked`` is the round that mark sheets are for; ``who``, of a meeting schedule, the one guest or team it is for, and
    ``side`` whose pages else. Raises ``Refused``: ``paper_format``, ``timetable_none``, ``meetings_none``, ``who_missing``,
    and where the file cannot be written.
    """
    check_paper(kind, path.suffix.lower())
    id, values = about.roadshow.id, about.values
    if kind == "handbook":
        order = about.timetable.order if about.timetable else ()
        write_handbook(path, values["title"] or values["id"], profiles(values, order))
    elif kind == "meetings":
        if about.meetings is None:
            raise Refused("meetings_none", f"{id} 还没有洽谈的名单和意愿。", "请先收意愿、排洽谈。")
        write_meetings(
            path, id, about.meetings.day, about.meetings.meetings, who=who, side=side, stamp=stamp, version=about.roadshow.draft
        )  # fmt: skip
    elif about.timetable is None:
        raise Refused("timetable_none", f"{id} 还没有排日程。", "请先写明场次，排日程。")
    elif kind == "marks":
        _write_marks(path, about.timetable, marked)
    else:
        _write_agenda(path, about, about.timetable, stamp)


def _write_agenda(path: Path, about: Material, kept: Kept, stamp: datetime) -> None:

    programme, places, suffix = kept.programme, kept.places, path.suffix.lower()
    if suffix == ".docx":
        write_agenda_document(path, programme, places, draft=about.is_draft)
    elif suffix == ".xlsx":
        write_agenda_workbook(path, programme, places)
    elif suffix == ".html":
        write_page(path, programme, places, draft=about.is_draft)
    elif suffix == ".svg":
        write_picture(path, programme, places)
    else:
        write_programme_calendar(
            path, about.roadshow.id, programme, places, stamp=stamp, version=about.roadshow.draft
        )


def _write_marks(path: Path, kept: Kept, marked: Round | None) -> None:
    """The sheets of the judges of a round, with those pitches that are in it."""
    one = marked or first_round(kept, usual_rubric())
    programme = replace(
        kept.programme, pitches=tuple(pitch for pitch in kept.programme.pitches if pitch.id in one.entries)
    )
    places = {id: place for id, place in kept.places.items() if id in one.entries}
    write_mark_sheets(path, programme, places, one.rubric)


def write_meetings(
    path: Path, event: str, day: MeetingDay, meetings: Sequence[Meeting], *, who: Someone | None, side: Side,
    stamp: datetime, version: int,
) -> int:  # fmt: skip
    """洽谈日程 in the format of the path's suffix; see ``write_paper``. Gives the number of meetings in it."""

    side = who[0] if who else side
    given = [
        one
        for one in meetings
        if one.round <= len(day.rounds)
        and {("guest", one.guest), ("team", one.team)} <= day.names.keys()
        and (who is None or who[1] == (one.guest if side == "guest" else one.team))
    ]
    suffix = path.suffix.lower()
    if suffix == ".ics":
        if who is None:
            raise Refused("who_missing", "日历要写明是谁的。", "请写嘉宾或团队的名称（--who）。")
        write_meetings_calendar(path, event, day, given, who, stamp=stamp, version=version)
    elif suffix == ".html":
        write_page(path, None, {}, day, given)
    elif suffix == ".xlsx":
        write_schedule_workbook(path, day, given, side)
    else:
        write_schedule_document(path, day, given, side)
    return len(given)


def people_named(day: MeetingDay, names: Sequence[str]) -> list[Someone]:
    """Guests and teams by id or name. Raises ``Refused`` (``who_unknown``)."""
    found = []
    for text in names:
        some = [key for key, name in day.names.items() if text.strip() in (key[1], name)]
        if len(some) != 1:
            why = "有几位叫这个" if some else "不在名单里"
            raise Refused(
                "who_unknown",
                f"“{text[:60]}”{why}。",
                "请写嘉宾或团队的编号；jiebang meetings show 列出名称。",
            )
        found.append(some[0])
    return found
