"""A roadshow's timetable, meetings and results as plain values for HTTP: what stands, and what is broken now."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.roadshow_agenda import agenda
from api.roadshow_files import Material
from matcher.lineup import LEVEL_LABELS
from matcher.meetings import Meeting, unmet
from matcher.roadshow_meetings import (
    KeptMeetings,
    MeetingConflict,
    beside,
    meeting_conflicts,
    on_stage,
)
from matcher.roadshow_timetable import Kept
from matcher.roadshows import STATES, Roadshow, ScoredRound
from matcher.timetable import Span, as_values, check, slots
from matcher.timetable_conflicts import Conflict


def timetable_values(about: Material, kept: Kept) -> dict[str, Any]:
    """A timetable with its slots, the rooms that others have, and what is broken."""
    programme = kept.programme
    titles = {one.id: one.title for one in programme.pitches}
    held = {place: id for id, place in kept.places.items()}
    every = slots(programme)
    return {
        "id": about.roadshow.id, "draft": about.roadshow.draft, "version": about.version, "programme": as_values(programme),
        "slots": [
            {"session": one.session, "number": one.number, **_span(one.span), "room": one.room,
             "pitch": held.get(one.place), "title": titles.get(held.get(one.place, ""), ""),
             "locked": held.get(one.place) in kept.locked}
            for one in every
        ],
        "unplaced": [id for id in titles if kept.places.get(id) not in {one.place for one in every}],
        "elsewhere": [{"room": one.room, "event": one.event, **_span(one.span)} for one in kept.elsewhere],
        "conflicts": [_conflict(one) for one in kept.conflicts],
        "problems": [
            {"code": one.code, "message": one.message, "remedy": one.remedy, "place": one.place, "severity": one.severity}
            for one in check(kept.whole)
        ],
    }  # fmt: skip


def meetings_values(about: Material, kept: KeptMeetings, timetable: Kept | None) -> dict[str, Any]:
    """The meetings with what is broken, also by the stage and the timetable."""
    day, stage = kept.day, on_stage(about.values)
    return {
        "id": about.roadshow.id, "draft": about.roadshow.draft, "version": about.version, "title": day.title,
        "tables": day.tables, "seed": day.seed,
        "rounds": [{"number": number, **_span(one)} for number, one in enumerate(day.rounds, 1)],
        **{
            name: [{"id": one.id, "name": one.name, "free": None if one.free is None else list(one.free), "most": one.most} for one in some]
            for name, some in (("guests", day.guests), ("teams", day.teams))
        },
        "wishes": [{"guest": one.guest, "team": one.team, "by": one.by, "want": one.want} for one in day.wishes],
        "meetings": [
            {
                **met(one), **(_span(day.rounds[one.round - 1]) if one.round <= len(day.rounds) else {"start": None, "end": None}),
                "guest_name": day.names.get(("guest", one.guest), one.guest),
                "team_name": day.names.get(("team", one.team), one.team), "locked": one.pair in kept.locked,
            }
            for one in kept.meetings
        ],
        "unmet": [
            {"guest": one.guest, "team": one.team, "want": one.want, "cause": one.cause, "message": one.message}
            for one in unmet(beside(kept, stage, timetable), kept.meetings)
        ],
        "levels": dict(kept.levels),
        "conflicts": [_conflict(one) for one in meeting_conflicts(kept, stage, timetable)],
    }  # fmt: skip


def met(one: Meeting) -> dict[str, Any]:
    """A meeting by its ids."""
    return {"round": one.round, "table": one.table, "guest": one.guest, "team": one.team}


def round_values(one: ScoredRound) -> dict[str, Any]:
    """The results of a round."""
    return {
        "number": one.number, "title": one.title, "at": one.at, "by": one.by, "rule": one.rule,
        "ranking": [
            {"id": ranked.entry, "title": ranked.title, "rank": ranked.rank or None, "score": ranked.score, "tie": ranked.tie,
             "award": ranked.award, "through": ranked.through, "reason": ranked.reason}
            for ranked in one.ranking
        ],
    }  # fmt: skip


def brief_values(own: Roadshow) -> dict[str, Any]:
    """A released roadshow of the city's in a list for others (``open_to``)."""
    return {
        "id": own.id, "title": own.title, "day": own.day.isoformat() if own.day else None, "state": own.state,
        "state_label": STATES[own.state][0], "version": own.versions[-1].number,
    }  # fmt: skip


def open_values(own: Roadshow, values: Mapping[str, Any], kept: Kept | None) -> dict[str, Any]:
    """A released roadshow of the city's for others: what stands in an agenda, and nothing else."""
    return brief_values(own) | {
        "theme": own.theme, "released_at": own.versions[-1].at,
        "pitches": [
            {name: one[name] for name in ("place", "id", "title", "owner", "summary")} for one in values["pitches"]
        ],
        "sessions": [
            {
                "title": session.title, "room": session.room, **_span(session.span),
                "lines": [{**_span(line.span), "what": line.what, "pitch": line.pitch or None} for line in lines],
            }
            for session, lines in (agenda(kept.programme, kept.places) if kept else [])
        ],
    }  # fmt: skip


def _span(span: Span) -> dict[str, str]:
    return {"start": span.start.isoformat(), "end": span.end.isoformat()}


def _conflict(one: Conflict | MeetingConflict) -> dict[str, Any]:
    touches: Sequence[str] = one.touches
    return {
        "rule": one.rule, "level": one.level, "level_label": LEVEL_LABELS[one.level], "message": one.message,
        "touches": list(touches),
    }  # fmt: skip
