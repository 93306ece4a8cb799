"""Bounds on what a request may take: how many at once, how large, how slow; and paths read as they were written."""

import asyncio
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.page_paths import Pages
from api.problem_documents import Refusal, busy, problem_response
from api.settings import ServeSettings

# Stands for a slash inside an id while the path is matched: no id holds it (it is no character at all).
SLASH = "\ufdd0"
_TOKEN_LIKE = re.compile(rb"(?:^|[=&;])jb_[0-9a-f]{12}|(?:^|[&;])(?:key|token|api_?key|access_?token)=", re.I)
# What may be larger than other bodies: sheets, sent by programs or by people.
UPLOAD_PATHS = ("/v1/bulk", "/imports")
_FORMS = (b"application/x-www-form-urlencoded", b"multipart/form-data")
# Sheets that are read at once, within the bounds of a JSON body.
SHEET_PATH = re.compile(r"/v1/roadshows/[^/]+/meetings/wishes")


class Bounds:
    """Refuses what is too much before any of it is worked on."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics, pages: Pages) -> None:
        self._app, self._settings, self._metrics, self._pages = app, settings, metrics, pages
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body counted and timed as it comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
            _check_media(scope, _FORMS if self._pages.has(scope["path"]) else ())
            body = _Body(receive, self._limit(scope), self._settings)
        except Refusal as refusal:
            self._metrics.refused.labels(refusal.code).inc()
            await problem_response(refusal, scope["request_id"])(scope, receive, send)
            return
        self._under_way += 1
        answered = False

        async def sending(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, body, sending)
        except Refusal as refusal:  # of the body, when it was asked for
            self._metrics.refused.labels(refusal.code).inc()
            if not answered:
                await problem_response(refusal, scope["request_id"])(scope, receive, send)
        finally:
            self._under_way -= 1

    def _check(self, scope: Scope) -> None:
        if self._under_way >= self._settings.most_requests:
            raise busy("server_busy", "同时处理的请求太多。")
        names = [name for name, _ in scope["headers"]]
        if b"transfer-encoding" in names and b"content-length" in names:
            # Whoever stands in front may have read another end of the body than we do (RFC 9112, 6.1).
            raise Refusal(400, "length_ambiguous", "请求同时写了 Content-Length 和 Transfer-Encoding。", "请只写其中一个。", headers={"Connection": "close"})  # fmt: skip
        if _TOKEN_LIKE.search(scope.get("query_string", b"")):
            raise Refusal(
                400, "key_in_url", "访问钥匙写在了网址里。",
                "网址会留在日志里：请吊销这把钥匙，换一把，写在请求头 Authorization: Bearer 钥匙。",
            )  # fmt: skip
        raw = scope.get("raw_path") or scope["path"].encode()
        try:
            scope["path"] = unquote_to_bytes(re.sub(rb"(?i)%2f", SLASH.encode(), raw)).decode()
        except UnicodeDecodeError:
            raise Refusal(
                400, "path_unreadable", "网址不是 UTF-8 编码。", "请用 UTF-8 作百分号编码。"
            ) from None

    def _limit(self, scope: Scope) -> int:
        uploads = scope["path"].startswith(UPLOAD_PATHS)
        limit = self._settings.upload_limit if uploads else self._settings.body_limit
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or len(told) > 18 or int(told) > limit:
            raise too_large(limit)
        return limit


def _check_media(scope: Scope, forms: Sequence[bytes]) -> None:
    """Refuse a body that is no JSON where only JSON is read, and of pages one that is no form; uploads look for themselves."""
    headers = dict(scope["headers"])
    has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    is_sheet = scope["path"].startswith(UPLOAD_PATHS) or SHEET_PATH.fullmatch(scope["path"])
    if not has_body or media in forms or (is_sheet and not forms):
        return
    if forms:
        raise Refusal(415, "media_type", "提交的内容不是表单。", "请在工作台的页面上提交。")
    if not (media.startswith(b"application/") and media.endswith((b"/json", b"+json"))):
        raise Refusal(415, "media_type", "请求内容不是 JSON。", "请发送 UTF-8 编码的 JSON，并在请求头写 Content-Type: application/json。")  # fmt: skip


class _Body:
    """Receives a body within a size and a time."""

    def __init__(self, receive: Receive, limit: int, settings: ServeSettings) -> None:
        self._receive, self._limit, self._settings = receive, limit, settings
        self._left = limit
        self._ended = False
        self._deadline = asyncio.get_running_loop().time() + settings.body_time

    async def __call__(self) -> Message:
        """The next part; raises 413 and 408."""
        if self._ended:  # only the caller's going away is still to come, and that may take long
            return await self._receive()
        left = self._deadline - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(self._receive(), min(self._settings.body_pause, max(left, 0.01)))
        except TimeoutError:
            raise Refusal(408, "body_slow", "请求内容迟迟没有传完。", "请检查网络后重发；大文件请分成几份。", headers={"Connection": "close"}) from None  # fmt: skip
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise too_large(self._limit)
        self._ended = not message.get("more_body", False)
        return message


def too_large(limit: int) -> Refusal:
    """The refusal of a body over its limit."""
    size = f"{limit // 1_000_000} MB" if limit >= 1_000_000 else f"{limit} 字节"
    return Refusal(413, "body_too_large", f"请求内容超过上限 {size}。", "请分成几份；成批的记录用 POST /v1/bulk 上传，一份最多 50 MB。", headers={"Connection": "close"})  # fmt: skip
