"""Idempotency-Key on every POST: the same request sent again gets the first answer, and nothing is done twice."""

import asyncio
import hashlib
import re
import tempfile
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Caller, caller_of
from api.problem_documents import Refusal, busy, problem_response, refusal_of
from graph.store.receipts import Claimed, Mismatch, Pending, Receipt
from graph.store.store import Store

HEADER = b"idempotency-key"
_GIVEN = re.compile(r"[\x21-\x7e]{1,200}")
# After so long without an answer its process is gone: the request is done again. What a POST makes has an id that
# follows from the key (``made_id``), so that doing it again makes it once.
_LEASE = timedelta(minutes=5)
_IN_MEMORY = 1_000_000
# Answers that say nothing of the request itself: sent again, it may well be done.
_PASSING = frozenset({401, 403, 408, 429})
_KEPT_HEADERS = ("content-type", "location", "etag")


class Idempotency:
    """Keeps the answers of POSTs that carry a key, per access key, for as long as receipts are kept."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self._app, self._store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no such POST; of the others only the first."""
        given = [value for name, value in scope.get("headers", []) if name == HEADER]
        caller = scope.get("caller")
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or not given
            or not isinstance(caller, Caller)
        ):
            await self._app(scope, receive, send)
            return
        try:
            await self._once(scope, receive, send, caller, given)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None or scope.get("answered"):
                raise
            await problem_response(refusal, scope["request_id"])(scope, receive, send)

    async def _once(
        self, scope: Scope, receive: Receive, send: Send, caller: Caller, given: list[bytes]
    ) -> None:
        key = given[0].decode("latin-1")
        if len(given) != 1 or not _GIVEN.fullmatch(key):
            raise Refusal(400, "idempotency_key", "Idempotency-Key 写法不对。", "请写一个 1 到 200 个可见 ASCII 字符的值，例如 UUID。")  # fmt: skip
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            fingerprint = await _read(scope, receive, body)
            claim = await run_in_threadpool(
                self._store.receipts.claim, caller.key.id, key, fingerprint, datetime.now(UTC), _LEASE
            )
            match claim:
                case Receipt():
                    await _replay(claim, send)
                case Mismatch():
                    raise Refusal(422, "idempotency_mismatch", "这个 Idempotency-Key 已经用于另一个请求。", "新的请求请换一个新的值。")  # fmt: skip
                case Pending():
                    raise busy("idempotency_pending", "同一个请求正在处理。", seconds=2, status=409)
                case Claimed():
                    await self._do(scope, receive, send, body, caller.key.id, key)

    async def _do(self, scope: Scope, receive: Receive, send: Send, body: Any, owner: str, key: str) -> None:
        """Do the request on the body read before, and keep its answer before anything of it is sent."""
        messages: list[MutableMapping[str, Any]] = []

        async def keeping(message: Message) -> None:
            messages.append(message)

        receipts = self._store.receipts
        try:
            await self._app(scope, _reread(body, receive), keeping)
        except BaseException:
            await asyncio.shield(run_in_threadpool(receipts.release, owner, key))
            raise
        status = messages[0]["status"] if messages else 500
        if status >= 500 or status in _PASSING:
            await run_in_threadpool(receipts.release, owner, key)
        else:
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in messages[0]["headers"]
            }
            kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
            answer = b"".join(message.get("body", b"") for message in messages[1:])
            await asyncio.shield(
                run_in_threadpool(receipts.settle, owner, key, status=status, headers=kept, body=answer)
            )
        scope["answered"] = True
        for message in messages:
            await send(message)


def made_id(request: Request, prefix: str = "") -> str:
    """An id for what a POST makes: with an Idempotency-Key always the same one, else a new one."""
    key = request.headers.get("idempotency-key")
    caller = caller_of(request)
    if key is None:
        key = str(request.scope["request_id"]) + datetime.now(UTC).isoformat()
    text = "\0".join((caller.key.id, request.url.path, key))
    return prefix + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


async def _read(scope: Scope, receive: Receive, body: Any) -> str:
    """Put the body into the file; gives a fingerprint of the whole request."""
    digest = hashlib.sha256()
    kind = dict(scope["headers"]).get(b"content-type", b"")
    for part in (scope["method"].encode(), scope["path"].encode(), scope.get("query_string", b""), kind):
        digest.update(len(part).to_bytes(4, "big") + part)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "body_cut", "请求内容没有传完。", "请重发。")
        part = message.get("body", b"")
        digest.update(part)
        body.write(part)
        if not message.get("more_body", False):
            body.seek(0)
            return digest.hexdigest()


def _reread(body: Any, receive: Receive) -> Receive:
    ended = False

    async def again() -> Message:
        nonlocal ended
        if ended:
            return await receive()
        part = body.read(65_536)
        ended = len(part) < 65_536
        return {"type": "http.request", "body": part, "more_body": not ended}

    return again


async def _replay(receipt: Receipt, send: Send) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in receipt.headers.items()]
    headers += [(b"idempotency-replayed", b"true"), (b"content-length", str(len(receipt.body)).encode())]
    if receipt.status == 204:
        headers = headers[:-1]
    await send({"type": "http.response.start", "status": receipt.status, "headers": headers})
    await send({"type": "http.response.body", "body": receipt.body})
