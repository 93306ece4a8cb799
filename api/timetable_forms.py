"""What people write of a timetable in a line: times, sessions, formats, levels; each refused with how to write it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from graph.problems import Refused
from matcher.lineup import LEVEL_LABELS, RuleLevel
from matcher.timetable import RULES, Booking, Format, Judge, Pitch, Programme, RuleKind, Session, Span

_SPAN = re.compile(
    r"(?:(\d{4}-\d{1,2}-\d{1,2})[ T])?(\d{1,2}:\d{2})[-–—~至到](?:(次日)|(\d{4}-\d{1,2}-\d{1,2})[ T])?(\d{1,2}:\d{2})"
)
_NEVER = frozenset({"无", "没有", "都没空"})


def span_of(text: str, day: date | None) -> Span:
    """A span as written, on ``day`` where it names none: 2026-12-05 09:00-11:30, 09:00-11:30, 22:00-次日01:00.

    Raises ``Refused`` (``time_unreadable``, ``time_order``).
    """
    found = _SPAN.fullmatch(unicodedata.normalize("NFKC", text).strip())
    try:
        if found is None or (found[1] is None and day is None):
            raise ValueError
        first = date.fromisoformat(_padded(found[1])) if found[1] else day
        assert first is not None  # noqa: S101 - for the type checker
        last = date.fromisoformat(_padded(found[4])) if found[4] else first + timedelta(days=bool(found[3]))
        start, end = (time.fromisoformat(one.zfill(5)) for one in (found[2], found[5]))
        return Span(start=datetime.combine(first, start), end=datetime.combine(last, end))
    except ValueError as error:
        raise Refused(
            "time_unreadable", f"看不懂时间“{text[:40]}”。",
            "请写成 2026-12-05 09:00-11:30；跨零点写 22:00-次日01:00。",
        ) from error  # fmt: skip


def _padded(day: str) -> str:
    year, month, number = day.split("-")
    return f"{year}-{month.zfill(2)}-{number.zfill(2)}"


def spans_of(text: str, day: date | None) -> tuple[Span, ...]:
    """Several spans, parted by 、 or ；; 无 is none."""
    if text.strip() in _NEVER:
        return ()
    return tuple(span_of(part, day) for part in _several(text))


def _several(text: str, signs: str = "、；;") -> list[str]:
    return [part.strip() for part in re.split(f"[{signs}]", text) if part.strip()]


def _names(text: str) -> list[str]:
    """Names of people, ids, sessions: a comma parts them too, which may belong to an organisation's name."""
    return _several(text, "、；;，,")


def format_of(text: str) -> Format:
    """Minutes as written: 8+7, 8+7+2. Raises ``Refused`` (``slot_unreadable``, and those of ``Format``)."""
    parts = unicodedata.normalize("NFKC", text).replace(" ", "").split("+")
    if not 1 <= len(parts) <= 3 or not all(part.isdecimal() and len(part) < 4 for part in parts):
        raise Refused(
            "slot_unreadable", f"看不懂时段“{text[:30]}”。", "请写成 路演+答辩+换场 的分钟数，如 8+7+2。"
        )
    pitch, questions, turnover = (*map(int, parts), 0, 0)[:3]
    return Format(pitch=pitch, questions=questions, turnover=turnover)


def session_of(title: str, text: str, day: date | None) -> Session:
    """A session as written, 时间@会场; its title is its id."""
    when, _, room = text.replace("＠", "@").partition("@")
    return Session(id=title, title=title, room=room.strip(), span=span_of(when, day))


def booking_of(room: str, text: str, day: date | None) -> Booking:
    """Another event in a room as written: 时间 活动名称."""
    found = re.match(r"(.*\d:\d{2})\s*(.*)", text.strip())
    when, event = (found[1], found[2]) if found else (text, "")
    return Booking(room=room, span=span_of(when, day), event=event or "别的活动")


def levels_of(given: Mapping[str, str]) -> dict[RuleKind, RuleLevel]:
    """Levels by rule, both as people call them. Raises ``Refused`` (``roadshow_setting``)."""
    kinds: dict[str, RuleKind] = {label: kind for kind, (label, _) in RULES.items()} | {
        kind: kind for kind in RULES
    }
    words: dict[str, RuleLevel] = {label: level for level, label in LEVEL_LABELS.items()}
    found: dict[RuleKind, RuleLevel] = {}
    for name, text in given.items():
        if name not in kinds or text not in words:
            rules = "、".join(label for label, _ in RULES.values())
            raise Refused(
                "roadshow_setting", f"看不懂“{name[:30]}={text[:20]}”。",
                f"规则有：{rules}；级别有：{'、'.join(words)}。",
            )  # fmt: skip
        found[kinds[name]] = words[text]
    return found


def with_pauses(session: Session, text: str) -> Session:
    """The session with these breaks, on its own day or the one that it runs into; 无 is none.

    Raises ``Refused`` (``break_outside``).
    """
    first, last = session.span.start.date(), session.span.end.date()
    breaks = []
    for one, later in zip(spans_of(text, first), spans_of(text, last), strict=True):
        inside = next((span for span in (one, later) if session.span.holds(span)), None)
        if inside is None:
            raise Refused(
                "break_outside", f"茶歇 {one.text} 不在“{session.title}”之内（{session.span.text}）。", "请改茶歇或场次的时间。"
            )  # fmt: skip
        breaks.append(inside)
    return replace(session, breaks=tuple(breaks))


def with_judge(programme: Programme, name: str) -> Programme:
    """The programme with a judge of that name, by which the judge is known."""
    if any(name in (one.id, one.name) for one in programme.judges):
        return programme
    return replace(programme, judges=(*programme.judges, Judge(id=name, name=name)))


def with_judges(programme: Programme, given: Mapping[str, str]) -> Programme:
    """The programme with the judges of each session as written: 王评委、李评委; 无 is none."""
    for title, text in given.items():
        names = [] if text in _NEVER else _names(text)
        for name in names:
            programme = with_judge(programme, name)
        known = {one.name: one.id for one in programme.judges}
        seats = tuple(known.get(name, name) for name in names)
        programme = replace(
            programme,
            sessions=tuple(
                replace(one, judges=seats) if one.id == title else one for one in programme.sessions
            ),
        )
    return programme


def of_judges(
    programme: Programme, *, conflicts: Mapping[str, str], recused: Mapping[str, str], free: Mapping[str, tuple[Span, ...]]
) -> Programme:  # fmt: skip
    """The programme with what is said of judges by name. Raises ``Refused`` (``judge_unknown``)."""
    known = {one.name for one in programme.judges}
    for name in (*conflicts, *recused, *free):
        if name not in known:
            has = "、".join(sorted(known)) or "（无）"
            raise Refused(
                "judge_unknown", f"没有评委“{name[:30]}”。", f"评委有：{has}；请先用 --judge 写明。"
            )
    return replace(
        programme,
        judges=tuple(
            replace(
                one,
                conflicts=tuple(_several(conflicts[one.name])) if one.name in conflicts else one.conflicts,
                recused=tuple(_names(recused[one.name])) if one.name in recused else one.recused,
                free=free.get(one.name, one.free),
            )
            for one in programme.judges
        ),
    )


def of_pitches(
    programme: Programme, *, presenters: Mapping[str, str], sessions: Mapping[str, str], free: Mapping[str, tuple[Span, ...]]
) -> Programme:  # fmt: skip
    """The programme with what is said of pitches by id. Raises ``Refused`` (``pitch_unknown``)."""
    known = {one.id for one in programme.pitches}
    for id in (*presenters, *sessions, *free):
        if id not in known:
            has = "、".join(sorted(known)) or "（无）"
            raise Refused("pitch_unknown", f"台上没有“{id[:40]}”。", f"台上有：{has}。")

    def told(pitch: Pitch) -> Pitch:
        return replace(
            pitch,
            presenters=tuple(_names(presenters[pitch.id])) if pitch.id in presenters else pitch.presenters,
            sessions=tuple(_names(sessions[pitch.id])) if pitch.id in sessions else pitch.sessions,
            free=free.get(pitch.id, pitch.free),
        )

    return replace(programme, pitches=tuple(map(told, programme.pitches)))


def place_of(text: str) -> tuple[str, int]:
    """A slot as written: 上午场3 or 上午场#3. Raises ``Refused`` (``slot_unknown``)."""
    found = re.fullmatch(r"(.*?)[#＃ ]*(\d{1,3})", text.strip())
    if found is None or not found[1].strip():
        raise Refused("slot_unknown", f"看不懂时段“{text[:30]}”。", "请写成 场次名#序号，如 上午场#3。")
    return found[1].strip(), int(found[2])


def merged_sessions(old: Sequence[Session], new: Mapping[str, Session | None]) -> tuple[Session, ...]:
    """The sessions with those of ``new`` put in place (judges stay, breaks on its day as far as inside) or, where None, taken out."""
    kept = {one.id: one for one in old}
    for id, session in new.items():
        if session is None:
            kept.pop(id, None)
        else:
            before = kept.get(id)
            kept[id] = (
                replace(session, judges=before.judges, breaks=_moved(before, session)) if before else session
            )
    return tuple(kept.values())


def _moved(old: Session, new: Session) -> tuple[Span, ...]:
    """The breaks of a session on the day of another, those that lie inside it."""
    by = new.span.start.date() - old.span.start.date()
    breaks = (Span(start=one.start + by, end=one.end + by) for one in old.breaks)
    return tuple(one for one in breaks if new.span.holds(one))
