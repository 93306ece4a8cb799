"""A roadshow and its meetings as a calendar (RFC 5545): moments in China's zone, uids that stay the same when sent again."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from api.output_files import writing
from api.roadshow_agenda import agenda, appointments
from graph.intake.writing import writable
from matcher.meetings import Meeting, MeetingDay, Side
from matcher.timetable import Places, Programme, Span

_ZONE = ZoneInfo("Asia/Shanghai")


def write_programme_calendar(
    path: Path, event: str, programme: Programme, places: Places, *, stamp: datetime, version: int = 0
) -> None:
    """The pitches of a roadshow as entries. ``event`` is its id and part of the uids; ``version`` becomes SEQUENCE.

    Raises ``Refused`` where the file cannot be written.
    """
    calendar = _calendar(programme.title)
    for session, lines in agenda(programme, places):
        for line in lines:
            if line.pitch:
                about = "，".join(filter(None, (line.institution, line.who)))
                _add(
                    calendar,
                    f"{event}/{line.pitch}",
                    line.span,
                    line.what,
                    session.room,
                    about,
                    stamp,
                    version,
                )
    _write(path, calendar)


def write_meetings_calendar(
    path: Path, event: str, day: MeetingDay, meetings: Sequence[Meeting], someone: tuple[Side, str], *,
    stamp: datetime, version: int = 0,
) -> None:  # fmt: skip
    """The meetings of one guest or team as entries. Raises ``Refused`` where the file cannot be written."""
    side, id = someone
    calendar = _calendar(f"{day.title} {day.names[someone]}")
    for one in appointments(day, meetings, side)[id]:
        _add(
            calendar, f"{event}/{side}/{id}/{one.round}", one.span, f"洽谈：{one.other}", f"{one.table} 号桌",
            f"{day.title}，第 {one.round} 轮", stamp, version,
        )  # fmt: skip
    _write(path, calendar)


def _calendar(title: str) -> Any:
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", "-//Jiebang//roadshow//ZH")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", writable(title))
    return calendar


def _add(
    calendar: Any, name: str, span: Span, summary: str, place: str, about: str, stamp: datetime, version: int
) -> None:
    from icalendar import Event

    event = Event()
    event.add("uid", f"{blake2b(name.encode(), digest_size=12).hexdigest()}@jiebang")
    event.add("dtstamp", stamp)
    event.add("sequence", version)
    event.add("dtstart", _in_zone(span.start))
    event.add("dtend", _in_zone(span.end))
    event.add("summary", writable(summary))
    for key, text in (("location", place), ("description", about)):
        if text:
            event.add(key, writable(text))
    calendar.add_component(event)


def _in_zone(moment: datetime) -> datetime:
    """A local moment is one of China's clocks."""
    return moment.replace(tzinfo=_ZONE) if moment.tzinfo is None else moment.astimezone(_ZONE)


def _write(path: Path, calendar: Any) -> None:
    with writing(path, ".ics"):
        calendar.add_missing_timezones()
        path.write_bytes(calendar.to_ical())
