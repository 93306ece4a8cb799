"""Routes that will be retired: their answers say since when, until when, and what to use instead."""

from datetime import UTC, datetime
from email.utils import format_datetime

from fastapi import Request


class Deprecated:
    """A dependency of a route to be retired: ``Deprecation`` (RFC 9745), ``Sunset`` (RFC 8594) and ``Link``.

    The route is also declared with ``deprecated=True``, for the description. The request log writes the headers, as
    the framework gives none of a dependency's to a route that makes its own response.
    """

    def __init__(self, *, since: datetime, until: datetime, instead: str) -> None:
        """``instead`` is the path of what comes in its place. Raises ``ValueError`` for times that are no period."""
        if since.tzinfo is None or until.tzinfo is None or since >= until:
            raise ValueError("a route is deprecated from one moment with a zone to a later one")
        self._headers = [
            (b"deprecation", f"@{int(since.timestamp())}".encode()),
            (b"sunset", format_datetime(until.astimezone(UTC), usegmt=True).encode()),
            (b"link", f'<{instead}>; rel="successor-version"'.encode()),
        ]

    def __call__(self, request: Request) -> None:
        """Have the headers added to the answer, whatever it is."""
        request.scope["deprecation"] = self._headers
