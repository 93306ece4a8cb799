"""What callers write of a timetable and of meetings, as the values that a roadshow keeps."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from api.wire_roadshows import MeetingsSent, SessionSent, SpanSent, TimesSent, TimetableSent
from graph.problems import Problem, Refused
from matcher.lineup import lineup_policy
from matcher.meetings import MeetingDay, Party, Wish, check
from matcher.roadshow_meetings import KeptMeetings, levels_of
from matcher.roadshow_timetable import Kept, first_timetable, placed_at, with_locks
from matcher.timetable import RULES, Booking, Format, Judge, Pitch, Session, Span
from matcher.timetable_conflicts import forbidden_by

_TIMES = ("start", "rounds", "tables")


def changed_timetable(
    old: Kept | None, lineup: Any, sent: TimetableSent, elsewhere: tuple[Booking, ...]
) -> Kept:
    """The timetable with what was sent; nothing is solved.

    Raises ``Refused``: ``timetable_none`` (no sessions yet), ``pitch_unknown``, ``lineup_forbidden`` (moved by hand
    against a rule that may not be broken), ``lock_unplaced``, and those of the parts.
    """
    if old is None:
        if not sent.sessions:
            raise Refused("timetable_none", "这场路演还没有日程。", "请先写明场次（sessions）。")
        parts = map(int, str(lineup_policy()["slot"]).split("+"))
        pitch, questions, turnover = parts
        old = first_timetable(lineup, Format(pitch=pitch, questions=questions, turnover=turnover), ())
    own = old.programme
    known = {one.id for one in own.pitches}
    for id in (*(one.id for one in sent.pitches), *sent.places, *(sent.locked or ())):
        if id not in known:
            raise Refused(
                "pitch_unknown", f"台上没有“{id[:40]}”。", "请核对编号；slots 和 unplaced 列出台上的项目。"
            )
    own = replace(
        own,
        format=Format(**sent.format.model_dump()) if sent.format else own.format,
        seed=own.seed if sent.seed is None else sent.seed,
        sessions=own.sessions if sent.sessions is None else tuple(map(_session, sent.sessions)),
        judges=own.judges
        if sent.judges is None
        else tuple(
            Judge(
                id=one.id, name=one.name or one.id, free=_spans(one.free), conflicts=tuple(one.conflicts),
                recused=tuple(one.recused),
            )
            for one in sent.judges
        ),
        bookings=own.bookings
        if sent.bookings is None
        else tuple(
            Booking(room=one.room, span=_span(one), event=one.event or "别的活动") for one in sent.bookings
        ),
        before=own.before
        if sent.before is None
        else tuple((one.first, one.second) for one in sent.before),
        levels={**own.levels, **_levels(sent.levels or {})},
        pitches=tuple(_presented(one, sent) for one in own.pitches),
    )  # fmt: skip
    ids = {one.id for one in own.sessions}
    places = {id: place for id, place in old.places.items() if place[0] in ids}
    kept = replace(old, programme=own, places=places, locked=old.locked & set(places), elsewhere=elsewhere)
    for id, place in sent.places.items():
        after = placed_at(kept, id, (place.session, place.number))
        if bad := forbidden_by(kept.whole, kept.places, after):
            raise Refused(
                "lineup_forbidden", f"不能这样改：{bad[0].message}。", "请换一个时段，或放宽那条规则。"
            )
        kept = replace(kept, places=after)
    if sent.locked is not None:
        kept = with_locks(replace(kept, locked=frozenset()), sent.locked, ())
    return kept


def _levels(given: Any) -> Any:
    for name in given:
        if name not in RULES:
            raise Refused("roadshow_setting", f"没有“{name[:30]}”这条规则。", f"可写：{'、'.join(RULES)}。")
    return given


def _session(sent: SessionSent) -> Session:
    return Session(
        id=sent.id, title=sent.title or sent.id, room=sent.room.strip(), span=_span(sent),
        breaks=tuple(map(_span, sent.breaks)), judges=tuple(sent.judges),
        format=Format(**sent.format.model_dump()) if sent.format else None,
    )  # fmt: skip


def _presented(pitch: Pitch, sent: TimetableSent) -> Pitch:
    one = next((one for one in reversed(sent.pitches) if one.id == pitch.id), None)
    if one is None:
        return pitch
    return replace(
        pitch, presenters=tuple(one.presenters), free=_spans(one.free), sessions=tuple(one.sessions)
    )


def _span(sent: SpanSent) -> Span:
    return Span(start=sent.start, end=sent.end)


def _spans(sent: Sequence[SpanSent] | None) -> tuple[Span, ...] | None:
    return None if sent is None else tuple(map(_span, sent))


def timed(old: MeetingDay | None, sent: TimesSent, people: Any, *, seed: int | None = None) -> MeetingDay:
    """A day of meetings at the times sent (what is left out stays), with guests, teams and wishes.

    Raises ``Refused``: ``meetings_times`` where there are no rounds or tables yet, and as ``MeetingDay`` does.
    """
    if old is None and any(getattr(sent, name) is None for name in _TIMES):
        raise Refused(
            "meetings_times", "第一次收意愿要写明时间、轮数和桌数。", "请写 start、rounds、tables。"
        )
    spans = old.rounds if old else ()
    if sent.start is not None or sent.rounds is not None:
        first = sent.start if sent.start is not None else spans[0].start
        step, long = timedelta(minutes=sent.minutes + sent.gap), timedelta(minutes=sent.minutes)
        starts = [first + number * step for number in range(sent.rounds or len(spans))]
        spans = tuple(Span(start=one, end=one + long) for one in starts)
    guests, teams, wishes = people
    return MeetingDay(
        title=sent.title or (old.title if old else "多对多洽谈"), guests=guests, teams=teams, wishes=wishes, rounds=spans,
        tables=sent.tables or (old.tables if old else 1), seed=seed if seed is not None else old.seed if old else 0,
    )  # fmt: skip


def changed_meetings(
    old: KeptMeetings | None, stage: Sequence[str], sent: MeetingsSent
) -> tuple[KeptMeetings | None, list[Problem]]:
    """The meetings with what was sent, or what is wrong with it; nothing is solved.

    Meetings of who is not on the lists any more go. Raises ``Refused``: ``lock_unplaced``, and as ``timed`` does.
    """
    was = old.day if old else None
    people = (
        _parties(sent.guests) if sent.guests is not None else was.guests if was else (),
        _parties(sent.teams) if sent.teams is not None else was.teams if was else (),
        tuple(Wish(guest=one.guest, team=one.team, by=one.by, want=one.want) for one in sent.wishes)
        if sent.wishes is not None
        else was.wishes
        if was
        else (),
    )
    day = timed(was, sent, people, seed=sent.seed)
    if wrong := [one for one in check(day) if one.severity == "error"]:
        return None, wrong
    kept = replace(old, day=day) if old else KeptMeetings(day=day)
    there = tuple(
        one for one in kept.meetings if {("guest", one.guest), ("team", one.team)} <= day.names.keys()
    )
    met = {one.pair for one in there}
    locked = kept.locked & met
    if sent.locked is not None:
        locked = frozenset((one.guest, one.team) for one in sent.locked)
        if stray := sorted(locked - met):
            raise Refused(
                "lock_unplaced", f"“{stray[0][0][:40]}—{stray[0][1][:40]}”没有排上，锁不住。", "请先排上，再锁定。"
            )  # fmt: skip
    levels = {**kept.levels, **levels_of(sent.levels or {})}
    return replace(kept, meetings=there, locked=locked, levels=levels).staged_by(stage), []


def _parties(sent: Any) -> tuple[Party, ...]:
    return tuple(
        Party(id=one.id, name=one.name or one.id, free=None if one.free is None else tuple(one.free), most=one.most)
        for one in sent
    )  # fmt: skip
