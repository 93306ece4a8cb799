"""The gate of the workbench: no page without a session, none to a foreign site's form, every error in words."""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.gate import Allowance
from api.page_paths import Pages
from api.problem_documents import MEDIA_TYPE, Refusal, problem_response
from api.settings import ServeSettings
from api.workbench.access import Visitor
from api.workbench.people import User
from api.workbench.rendering import MOST_FIELDS, error_page, sign_in_page
from graph.store.store import Store

SESSION = "jb_session"
# Before anybody is known only these are shown; they tell nothing of the city's.
_OPEN = re.compile(r"/sign-in|/static/\w+/[\w.-]+")
OPEN_PAGES = frozenset({"/sign-in", "/static/{stamp}/{name}"})
# Who must change the password first may do only this.
_CHANGING = frozenset({"/account/password", "/sign-out"})
_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
     b"form-action 'self'; frame-ancestors 'none'"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)  # fmt: skip
_TOUCH = 60.0  # seconds between notes that a session is used


class PageGate:
    """Puts the visitor of a session into the request (``scope["visitor"]``), and sends everybody else to sign in."""

    def __init__(self, app: ASGIApp, store: Store, settings: ServeSettings, pages: Pages) -> None:
        self._app, self._store, self._settings, self._pages = app, store, settings, pages
        self._strangers = Allowance()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if scope["type"] != "http" or not self._pages.has(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            _refuse_foreign(request)
            visitor = await run_in_threadpool(self._visitor, request.cookies.get(SESSION, ""))
            if visitor is None:
                self._count_stranger(request)
        except Refusal as refusal:
            await problem_response(refusal, scope["request_id"])(scope, receive, send)
            return
        if visitor is not None:
            scope["visitor"] = visitor
        if _OPEN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
        elif visitor is None:
            await (await self._to_sign_in(request))(scope, receive, send)
        elif visitor.must_change and scope["path"] not in _CHANGING:
            await RedirectResponse("/account/password", 303)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _visitor(self, token: str) -> Visitor | None:
        """The person of a session that is open, whose account is still in use."""
        if not token:
            return None
        digest, now = session_digest(token), datetime.now(UTC)
        found = self._store.accounts.session(digest, now, self._settings.session_idle)
        if found is None:
            return None
        login, seen = found
        user, known = self._store.process(User, login), self._store.accounts.credential(login)
        if user is None or user.state != "active" or known is None:
            return None
        if (now - seen).total_seconds() >= _TOUCH:
            self._store.accounts.touch(digest, now)
        return Visitor(user, digest, self._store, known.must_change)

    def _count_stranger(self, request: Request) -> None:
        """Nobody may try passwords, or make us look sessions up, as fast as they like."""
        if request.method != "POST":
            return
        host = request.client.host if request.client else "-"
        most = self._settings.strangers_per_minute
        left, wait = self._strangers.take(host, most, time.monotonic())
        if left < 0:
            raise Refusal(429, "rate_limited", f"尝试太多：每分钟最多 {most} 次。", "请稍候再试。", headers={"Retry-After": str(int(wait) + 1)})  # fmt: skip

    async def _to_sign_in(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            query = f"?{request.url.query}" if request.url.query else ""
            wanted = request.url.path + query
            return RedirectResponse("/sign-in" + (f"?next={quote(wanted)}" if wanted != "/" else ""), 303)
        if request.url.path == "/sign-out":  # has come about already
            return RedirectResponse("/sign-in", 303)
        kept = await _kept(request)
        if "application/json" in request.headers.get("accept", ""):
            raised = Refusal(401, "session_missing", "登录已过期。", "请重新登录；没有保存的内容还在本页。")
            return problem_response(raised, request.scope["request_id"])
        return sign_in_page(
            request, self._store, kept=kept, next=request.url.path, status=401,
            said="登录已过期。刚才填的内容还在：重新登录后可以继续提交。" if kept else "登录已过期，请重新登录。",
        )  # fmt: skip


class PageAnswers:
    """Outermost for pages: headers that keep scripts and frames of others out, and refusals as pages in words."""

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a problem document for a person becomes a page."""
        if scope["type"] != "http" or not self._pages.has(scope["path"]):
            await self._app(scope, receive, send)
            return
        wants_page = "application/json" not in Headers(scope=scope).get("accept", "")
        held: list[Message] = []

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
                kind = dict(message["headers"]).get(b"content-type", b"")
                if wants_page and kind.startswith(MEDIA_TYPE.encode()):
                    held.append(message)
                    return
                message["headers"] = _kept_by_nobody(message["headers"])
            elif held:
                held.append(message)
                if not message.get("more_body", False):
                    await _as_page(scope, receive, send, held)
                return
            await send(message)

        await self._app(scope, receive, sending)


def session_digest(token: str) -> str:
    """What is kept of a session's token; 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def safe_next(path: str) -> str:
    """A place to go on to that is a page of ours, whatever was asked for."""
    found = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not found.netloc
    return path if is_ours and not re.search(r"[\x00-\x1f\\]", path) else "/"


async def _kept(request: Request) -> list[tuple[str, str]]:
    """The fields of a form that came too late; files are not among them, nor is what no form of ours holds."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        return []
    try:
        form = await request.form(max_fields=MOST_FIELDS)
    except HTTPException:
        return []
    return [
        (name, str(value))
        for name, value in form.multi_items()
        if not name.startswith("_") and "password" not in name
    ]


def _refuse_foreign(request: Request) -> None:
    """A form of another site is refused, whatever it holds (Fetch Metadata, and Origin for older browsers)."""
    if request.method in ("GET", "HEAD"):
        return
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    is_foreign = site not in (None, "same-origin", "none")
    if origin is not None and origin != "null":
        is_foreign |= urlsplit(origin).netloc != request.headers.get("host")
    elif origin == "null":
        is_foreign |= site is None
    if is_foreign:
        raise Refusal(403, "form_foreign", "这次提交来自别的网站，没有办理。", "请在工作台自己的页面上操作。")


def _kept_by_nobody(headers: Any) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in headers}
    return [*headers] if b"cache-control" in names else [*headers, (b"cache-control", b"no-store")]


async def _as_page(scope: Scope, receive: Receive, send: Send, held: list[Message]) -> None:
    document: Mapping[str, Any] = json.loads(b"".join(part.get("body", b"") for part in held[1:]))
    page = error_page(Request(scope), document)
    dropped = (b"content-type", b"content-length")
    headers = [(n, v) for n, v in held[0]["headers"] if n.lower() not in dropped]
    page.raw_headers += [
        (n, v) for n, v in headers if n.lower() not in {name for name, _ in page.raw_headers}
    ]
    await page(scope, receive, send)
