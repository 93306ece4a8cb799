"""What the papers of a roadshow tell: the agenda line by line, the pitches' pages, the meetings of each guest.

All values are as the papers' readers may see them: whoever fills them in has asked the store of that audience.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import east_asian_width

from graph.feedback import LEVEL_LABELS
from matcher.meetings import Meeting, MeetingDay, Side
from matcher.timetable import Places, Programme, Session, Span, slots
from matcher.timetable_conflicts import judging

_GOOD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an agenda: a pitch, a break (``pitch`` is empty) or a slot that is free."""

    span: Span
    what: str
    pitch: str = ""
    who: str = ""
    institution: str = ""
    judges: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A pitch for the handbook: facts (label, text) and fits (whom, level, why); what is blank is left out."""

    id: str
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    fits: tuple[tuple[str, str], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """One meeting of somebody: with whom, when, at which table."""

    round: int
    span: Span
    table: int
    other: str


def agenda(programme: Programme, places: Places) -> list[tuple[Session, list[Line]]]:
    """Every session, by its start and as they were written, with its lines in order."""
    pitches = {one.id: one for one in programme.pitches}
    at = {place: id for id, place in places.items() if id in pitches}
    names = {one.id: one.name for one in programme.judges}
    found = []
    for session in sorted(programme.sessions, key=lambda one: one.span.start):
        lines = [Line(span=pause, what="茶歇") for pause in session.breaks]
        for slot in slots(programme):
            if slot.session == session.id and slot.place in at:
                pitch = pitches[at[slot.place]]
                marking = {one.id for one in judging(programme, pitch, session.id)}
                away = [names.get(id, id) for id in session.judges if id not in marking]
                lines.append(
                    Line(
                        span=slot.span, what=pitch.title, pitch=pitch.id, who="、".join(pitch.presenters),
                        institution=pitch.institution, judges=f"{'、'.join(away)}回避" if away else "",
                    )
                )  # fmt: skip
        found.append((session, sorted(lines, key=lambda line: line.span.start)))
    return found


def session_lines(programme: Programme, session: Session) -> list[str]:
    """When, where and before whom a session is held, a line each."""
    names = {one.id: one.name for one in programme.judges}
    form = session.format or programme.format
    lines = [
        f"时间：{day_and_time(session.span)}",
        f"地点：{session.room or '（待定）'}",
        f"形式：{form.text}",
    ]
    if session.judges:
        lines.append(f"评委：{'、'.join(names.get(id, id) for id in session.judges)}")
    return lines


def day_and_time(span: Span) -> str:
    """A span with its year: 2026年12月5日 09:00–11:30."""
    return f"{span.start.year}年{span.start.month}月{span.start.day}日 {clock(span)}"


def clock(span: Span) -> str:
    """From and to on the clock, 次日 where the day changes in between."""
    after = "次日" if span.end.date() != span.start.date() else ""
    return f"{span.start:%H:%M}–{after}{span.end:%H:%M}"


def profiles(values: Mapping[str, Any], order: Sequence[str] = ()) -> list[Profile]:
    """The handbook's pages from ``lineup_values``: in the timetable's ``order``, the rest behind as they run.

    What the audience may not see is left out.
    """
    place = {id: number for number, id in enumerate(order)}
    return [
        Profile(id=one["id"], title=one["title"] or one["id"], facts=tuple(_facts(one)), fits=tuple(_fits(one)), reason=one["reason"])
        for one in sorted(values["pitches"], key=lambda one: place.get(one["id"], len(place)))
    ]  # fmt: skip


def _facts(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for label, value in (
        ("完成单位", one["owner"]), ("主要完成人", "、".join(one["inventors"])), ("产业领域", "、".join(one["field"])),
        ("成熟度", one["maturity"]), ("知识产权", one["ip_status"]), ("成果简介", one["summary"]), ("技术优势", one["advantages"]),
        ("技术指标", one["indicators"]), ("希望的合作", "、".join(one["cooperation"])),
    ):  # fmt: skip
        if value:
            yield label, value


def _fits(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Whom it fits well, or where it fits nobody well, whom it fits best: a handbook is no place for the rest."""
    fits = sorted(one["fits"], key=lambda fit: (-fit["fit"], fit["id"]))
    for fit in [fit for fit in fits if fit["level"] >= _GOOD] or fits[:1]:
        yield fit["title"], f"{LEVEL_LABELS.get(fit['level'], '')}（把握 {round(100 * fit['fit'])}%）"


def appointments(day: MeetingDay, meetings: Sequence[Meeting], side: Side) -> dict[str, list[Appointment]]:
    """The meetings of everybody on one side by id, in order; who has none has an empty list."""
    other: Side = "team" if side == "guest" else "guest"
    found: dict[str, list[Appointment]] = defaultdict(list)
    for one in day.guests if side == "guest" else day.teams:
        found[one.id] = []
    for meeting in sorted(meetings):
        own, them = meeting.pair if side == "guest" else meeting.pair[::-1]
        found[own].append(
            Appointment(
                round=meeting.round, span=day.rounds[meeting.round - 1], table=meeting.table,
                other=day.names[other, them],
            )
        )  # fmt: skip
    return dict(found)


def wide(text: str) -> int:
    """Columns that a text takes: Chinese characters two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
