"""How values read on a page: times in China, points, shares, phrases marked where they stand."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone

from markupsafe import Markup, escape

from graph.store.moments import moment_from

_CHINA = timezone(timedelta(hours=8))


def china_time(at: datetime | str | None) -> str:
    """A moment as people in China write it, to the minute; empty for none."""
    if not at:
        return ""
    moment = moment_from(at) if isinstance(at, str) else at
    return moment.astimezone(_CHINA).strftime("%Y-%m-%d %H:%M")


def day(at: date | None) -> str:
    """A day; empty for none."""
    return at.isoformat() if at else ""


def points(value: float) -> str:
    """Points with a sign and one decimal; what would read as nought is 0."""
    return f"{value:+.1f}" if abs(value) >= 0.05 else "0"


def share(value: float) -> str:
    """A share of one in per cent."""
    return f"{value:.0%}"


def highlighted(text: str, phrases: Sequence[str]) -> Markup:
    """The text with every phrase in it marked; long phrases first, so that none is cut by a shorter one."""
    wanted = sorted({phrase for phrase in phrases if phrase.strip()}, key=lambda p: (-len(p), p))
    if not wanted:
        return escape(text)
    pieces = re.split(f"({'|'.join(map(re.escape, wanted))})", text, flags=re.IGNORECASE)
    marked = (
        Markup("<mark>{}</mark>").format(piece) if n % 2 else escape(piece) for n, piece in enumerate(pieces)
    )
    return Markup("").join(marked)
