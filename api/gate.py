"""The gate: nobody gets past it without a key, except to the few addresses that tell nothing. One for every route.

Pages of the workbench have a gate of their own (api/workbench/gate.py), which asks for a session instead.
"""

import time
from collections import OrderedDict
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Caller, no_key
from api.keys import key_of
from api.metrics import Metrics
from api.page_paths import Pages
from api.problem_documents import Refusal, problem_response, refusal_of
from api.settings import ServeSettings
from graph.store.store import Store

OPEN = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json", "/favicon.ico"})
_REMEMBERED = 10_000


class Allowance:
    """Token buckets: each name may do so many things a minute, a whole minute's worth at once.

    Names not seen for longest are forgotten first, which only gives them a full bucket again.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, per_minute: int, now: float) -> tuple[int, float]:
        """Take one: gives what is left (below 0: refused, and nothing was taken) and seconds until there is one again."""
        left, at = self._buckets.pop(name, (float(per_minute), now))
        left = min(float(per_minute), left + (now - at) * per_minute / 60)
        allowed = left >= 1
        left -= allowed
        self._buckets[name] = (left, now)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        wait = 0.0 if left >= 1 else (1 - left) * 60 / per_minute
        return (int(left) if allowed else -1), wait


class Gate:
    """Turns a key into the request's caller (``scope["caller"]``), and keeps each key to its number of requests."""

    def __init__(
        self, app: ASGIApp, store: Store, settings: ServeSettings, metrics: Metrics, pages: Pages
    ) -> None:
        self._app, self._store, self._settings, self._metrics = app, store, settings, metrics
        self._pages = pages
        self._allowance = Allowance()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass; everything else is refused, websockets too."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or scope["path"] in OPEN or self._pages.has(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            limits = await self._let_in(scope)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            self._metrics.refused.labels(refusal.code).inc()
            await problem_response(refusal, scope["request_id"])(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *limits]
            await send(message)

        await self._app(scope, receive, sending)

    async def _let_in(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        kind, _, token = (values[0].decode("latin-1") if len(values) == 1 else "").partition(" ")
        key = None
        if kind.lower() == "bearer":
            key = await run_in_threadpool(key_of, self._store, token.strip(), datetime.now(UTC))
        now = time.monotonic()
        if key is None:
            host = (scope.get("client") or ("-", 0))[0]
            left, wait = self._allowance.take(f"host:{host}", self._settings.strangers_per_minute, now)
            raise no_key() if left >= 0 else _too_many(wait, self._settings.strangers_per_minute)
        left, wait = self._allowance.take(f"key:{key.id}", key.per_minute, now)
        if left < 0:
            raise _too_many(wait, key.per_minute)
        scope["caller"] = Caller(key, self._store)
        limit = str(key.per_minute).encode()
        reset = str(int(wait) + 1 if left == 0 else 0).encode()
        return [
            (b"ratelimit-limit", limit),
            (b"ratelimit-remaining", str(left).encode()),
            (b"ratelimit-reset", reset),
            (b"cache-control", b"private, no-cache"),
            (b"vary", b"Authorization"),
        ]


def _too_many(wait: float, per_minute: int) -> Refusal:
    return Refusal(
        429, "rate_limited", f"请求太多：每分钟最多 {per_minute} 次。", "请按 Retry-After 给出的秒数稍候再试；需要更多请向市平台申请。",
        headers={"Retry-After": str(int(wait) + 1), "RateLimit-Limit": str(per_minute), "RateLimit-Remaining": "0"},
    )  # fmt: skip
