"""Times as the store keeps them: UTC in ISO 8601 with microseconds, so that their texts sort as they do."""

from datetime import UTC, datetime


def moment_text(at: datetime) -> str:
    """The moment as text; ``ValueError`` for a time without zone."""
    if at.tzinfo is None:
        raise ValueError("a time that is stored needs a time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def moment_from(text: str) -> datetime:
    """The moment of a text in ISO 8601, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
