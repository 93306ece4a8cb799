"""A line for every request: JSON, with an id and without personal data."""

import json
import logging
import re
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.problem_documents import problem_response, unforeseen

_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOG = logging.getLogger("jiebang.requests")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Record attributes that a line may carry besides its message.
_CARRIED = (
    "request_id", "method", "route", "status", "ms", "bytes", "key", "partner", "webhook", "job", "event",
)  # fmt: skip


class RequestLog:
    """Outermost: gives every request an id (``X-Request-ID``, the caller's own if it is a plain word), times and counts it.

    Logged are the route's pattern and not the path, which may hold an id or a name, and never the query, a header, a
    body or an address.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and write its line when it has ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
        scope["request_id"] = request_id
        told = {"status": 499, "bytes": 0}  # 499: the caller went away before the answer

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    *scope.get("deprecation", ()),
                ]
            elif message["type"] == "http.response.body":
                told["bytes"] += len(message.get("body", b""))
            await send(message)

        start = time.perf_counter()
        self._metrics.under_way.inc()
        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            # Told here, where the answer gets its id and its line; once it has begun there is no other way to end it.
            _LOG.error("request failed", exc_info=error, extra={"request_id": request_id})
            if told["status"] != 499:
                raise
            await problem_response(unforeseen(), request_id)(scope, receive, sending)
        finally:
            self._metrics.under_way.dec()
            self._tell(scope, told, time.perf_counter() - start)

    def _tell(self, scope: Scope, told: dict[str, int], seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "-")
        # A method is whatever the caller writes: as a label it must be one of few.
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.requests.labels(method, route, str(told["status"])).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        caller = scope.get("caller")
        _LOG.info(
            "request",
            extra={
                "request_id": scope["request_id"], "method": method, "route": route, "status": told["status"],
                "ms": round(1000 * seconds, 1), "bytes": told["bytes"],
                "key": caller.key.id if caller else "", "partner": caller.partner if caller else "",
            },
        )  # fmt: skip


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, and the attributes known here."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; an exception's trace is one string in it."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _CARRIED if hasattr(record, name)}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_standard_error() -> None:
    """Send what this program and its server log to standard error, a line of JSON each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("jiebang", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    # Its lines hold paths and queries; ours stand for them.
    logging.getLogger("uvicorn.access").disabled = True
