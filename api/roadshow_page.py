"""A roadshow as a page to read and to print: the agenda, a picture of the timetable, the meetings.

Every text is escaped, nothing is fetched from anywhere, and no script runs.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape
from pathlib import Path

from api.output_files import writing
from api.roadshow_agenda import Line, agenda, clock, day_and_time, session_lines, wide
from graph.intake.writing import writable
from matcher.meetings import Meeting, MeetingDay
from matcher.timetable import Places, Programme, Session

_FONTS = "'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',SimHei,sans-serif"
_STYLE = f"""
body{{font-family:{_FONTS};color:#1b1b1b;max-width:60rem;margin:1.5rem auto;padding:0 1rem;line-height:1.5}}
h1{{text-align:center;font-size:1.6rem}} h2{{font-size:1.2rem;border-bottom:2px solid #2f5597;padding-bottom:.2rem}}
p{{margin:.15rem 0}} table{{border-collapse:collapse;width:100%;margin:.6rem 0 1.2rem}}
th,td{{border:1px solid #8a94a6;padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}}
th{{background:#d9e2f3;white-space:nowrap}} tr.break td{{background:#f4f4f4;color:#555}} td:first-child{{white-space:nowrap}}
svg{{width:100%;height:auto}} .draft{{text-align:center;color:#b00020}}
@media print{{@page{{size:A4;margin:15mm}} body{{max-width:none;margin:0;font-size:10.5pt}}
 h2{{break-after:avoid}} tr,svg{{break-inside:avoid}} thead{{display:table-header-group}} th{{print-color-adjust:exact}}}}
"""
_COLOURS = ("#cfe2f3", "#d9ead3", "#fff2cc", "#f4cccc", "#d9d2e9", "#fce5cd", "#d0e0e3", "#ead1dc")
_MINUTE, _COLUMN, _LEFT, _TOP = 2.6, 250, 62, 54
_PAUSE = timedelta(minutes=30)
_ROW = 12  # a block is never lower than a line of text


def write_page(
    path: Path, programme: Programme | None, places: Places, day: MeetingDay | None = None,
    meetings: Sequence[Meeting] = (), *, draft: bool = False,
) -> None:  # fmt: skip
    """The page of a roadshow, of its meetings, or of both. Raises ``Refused`` where the file cannot be written."""
    parts = []
    title = programme.title if programme else day.title if day else ""
    if programme:
        parts += [picture(programme, places), *_sessions(programme, places)]
    if day:
        parts += _meetings(day, meetings)
    told = '<p class="draft">草稿，以发布的版本为准</p>' if draft else ""
    with writing(path, ".html"):
        path.write_text(
            f'<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{_text(title)}</title>'
            f"<style>{_STYLE}</style></head><body><h1>{_text(title)}</h1>{told}{''.join(parts)}</body></html>\n",
            encoding="utf-8",
        )


def write_picture(path: Path, programme: Programme, places: Places) -> None:
    """The picture alone (.svg). Raises ``Refused`` where the file cannot be written."""
    with writing(path, ".svg"):
        path.write_text(
            f'<?xml version="1.0" encoding="UTF-8"?>\n{picture(programme, places)}\n', encoding="utf-8"
        )


def picture(programme: Programme, places: Places) -> str:
    """The timetable as SVG: a column a session, time downwards, what comes after a long pause below, one colour for each scene (else institution)."""
    parts = [
        (session, lines) for session, lines in agenda(programme, places) if any(line.pitch for line in lines)
    ]
    if not parts:
        return ""
    scenes = sorted({one.scene or one.institution for one in programme.pitches})
    colour = {
        one.id: _COLOURS[scenes.index(one.scene or one.institution) % len(_COLOURS)]
        for one in programme.pitches
    }
    bands = _bands(parts)
    blocks, top = [], float(_TOP)
    for some in bands:
        drawn, height = _band(some, colour, top)
        blocks.append(drawn)
        top += height + _TOP
    width = _LEFT + _COLUMN * max(map(len, bands))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top - 30:.0f}" style="max-width:{width}px" role="img" '
        f'aria-label="{_text(programme.title)}日程图" font-family="{_FONTS}">{"".join(blocks)}</svg>'
    )


def _bands(parts: Sequence[tuple[Session, list[Line]]]) -> list[list[tuple[Session, list[Line]]]]:
    """Sessions side by side as long as the time goes on; after a long pause, or on another day, below the others."""
    bands: list[list[tuple[Session, list[Line]]]] = []
    end: datetime | None = None
    for session, lines in parts:
        if end is None or session.span.start > end + _PAUSE:
            bands.append([])
        bands[-1].append((session, lines))
        end = max(end or session.span.end, session.span.end)
    return bands


def _band(
    some: Sequence[tuple[Session, list[Line]]], colour: dict[str, str], top: float
) -> tuple[str, float]:
    start = min(session.span.start for session, _ in some)
    end = max(line.span.end for _, lines in some for line in lines)
    drawn = [
        f'<text x="4" y="{top - 34:.0f}" font-size="13" font-weight="bold">{start.month}月{start.day}日</text>'
    ]
    for hour in _hours(start, end):
        y = _y(hour, start, top)
        drawn.append(
            f'<line x1="{_LEFT - 6}" x2="{_LEFT + _COLUMN * len(some)}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d0d0"/>'
            f'<text x="{_LEFT - 10}" y="{y + 4:.1f}" font-size="11" text-anchor="end" fill="#555">{hour:%H:%M}</text>'
        )
    for column, (session, lines) in enumerate(some):
        x = _LEFT + column * _COLUMN
        heading = _cut(f"{session.title} {session.room}", 30)
        drawn.append(
            f'<text x="{x + 6}" y="{top - 12:.0f}" font-size="13" font-weight="bold">{_text(heading)}</text>'
        )
        for line in lines:
            y, below = _y(line.span.start, start, top), _y(line.span.end, start, top)
            fill = colour.get(line.pitch, "#eeeeee")
            label = _text(_cut(f"{line.span.start:%H:%M} {line.what}", 34))
            owner = _text(_cut(line.institution, 34))
            high = max(below - y - 1, _ROW)
            drawn.append(
                f'<g><title>{_text(f"{clock(line.span)} {line.what} {line.institution} {line.who}")}</title>'
                f'<rect x="{x}" y="{y:.1f}" width="{_COLUMN - 8}" height="{high:.1f}" rx="3" fill="{fill}" stroke="#7a8699"/>'
                f'<text x="{x + 6}" y="{y + min(high / 2 + 4, 14):.1f}" font-size="12">{label}</text>'
                + (f'<text x="{x + 6}" y="{y + 28:.1f}" font-size="10" fill="#444">{owner}</text>' if high > 32 and owner else "")
                + "</g>"
            )  # fmt: skip
    return "".join(drawn), _y(end, start, top) - top


def _y(moment: datetime, start: datetime, top: float) -> float:
    return top + (moment - start).total_seconds() / 60 * _MINUTE


def _hours(start: datetime, end: datetime) -> Iterable[datetime]:
    at = start.replace(minute=0, second=0, microsecond=0)
    while at <= end:
        if at >= start:
            yield at
        at += timedelta(minutes=30)


def _sessions(programme: Programme, places: Places) -> Iterable[str]:
    for session, lines in agenda(programme, places):
        told = "".join(f"<p>{_text(text)}</p>" for text in session_lines(programme, session))
        rows = "".join(
            ("<tr>" if line.pitch else '<tr class="break">')
            + "".join(f"<td>{_text(cell)}</td>" for cell in (clock(line.span), line.what, line.who, line.institution, line.judges))
            + "</tr>"
            for line in lines
        )  # fmt: skip
        yield f"<h2>{_text(session.title)}</h2>{told}{_table(('时间', '项目', '路演人', '单位', '备注'), rows)}"


def _meetings(day: MeetingDay, meetings: Sequence[Meeting]) -> Iterable[str]:
    yield "<h2>多对多洽谈</h2>"
    for number, span in enumerate(day.rounds, 1):
        some = sorted(one for one in meetings if one.round == number)
        if some:
            rows = "".join(
                f"<tr><td>{one.table}</td><td>{_text(day.names['guest', one.guest])}</td><td>{_text(day.names['team', one.team])}</td></tr>"
                for one in some
            )
            yield f"<h3>第 {number} 轮 {_text(day_and_time(span))}</h3>{_table(('桌号', '嘉宾', '团队'), rows)}"


def _table(head: Sequence[str], rows: str) -> str:
    titles = "".join(f"<th>{_text(text)}</th>" for text in head)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>"


def _cut(text: str, columns: int) -> str:
    """The text, cut with … beyond so many columns."""
    while wide(text) > columns:
        text = text.removesuffix("…")[:-1] + "…"
    return text


def _text(text: str) -> str:
    return escape(writable(text), quote=True)
