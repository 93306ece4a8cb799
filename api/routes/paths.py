"""Parts of paths that several resources share."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

from api.bounds import SLASH
from graph.values import ID_LIMIT

# A deadline is a day in China.
_CHINA = timezone(timedelta(hours=8))


def _written_out(text: str) -> str:
    return text.replace(SLASH, "/")


# An id as it is kept; a slash in it is written %2F.
PathId = Annotated[
    str, Path(min_length=1, max_length=ID_LIMIT, description="编号"), AfterValidator(_written_out)
]


def now() -> datetime:
    """The time, UTC: read here, at the edge, and handed down."""
    return datetime.now(UTC)


def today() -> date:
    """The day in China."""
    return datetime.now(_CHINA).date()
