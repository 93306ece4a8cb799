"""Signing in and out, one's own password, and the files that every page needs."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, RedirectResponse, Response

from api.problem_documents import Refusal
from api.services import Parts
from api.workbench.access import Anybody, Visitor, form_token
from api.workbench.forms import Form
from api.workbench.gate import SESSION, safe_next, session_digest
from api.workbench.people import LEAST_LETTERS, User, change_password, signed_in
from api.workbench.rendering import FORM, confirm_page, moved_on, page, sign_in_page
from graph.problems import Refused

router = APIRouter(include_in_schema=False)

_STATIC = Path(__file__).parents[1] / "static"
_WRONG = "登录名或密码不对。连续输错 5 次，账号会锁定 15 分钟；忘记密码请让管理员重置。"


@router.get("/static/{stamp}/{name}")
async def get_static(stamp: str, name: str) -> Response:
    """A file of ours; its address changes with its content, so that browsers may keep it for good."""
    path = _STATIC / name
    if path.parent != _STATIC or not path.is_file():
        raise Refusal(404, "route_unknown", "没有这个地址。", "请核对地址。")
    return FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})


@router.get("/sign-in")
async def get_sign_in(request: Request, parts: Parts, next: str = "/") -> Response:
    if isinstance(request.scope.get("visitor"), Visitor):
        return RedirectResponse(safe_next(next), 303)
    return await run_in_threadpool(sign_in_page, request, parts.store, next=safe_next(next))


@router.post("/sign-in")
async def post_sign_in(request: Request, parts: Parts) -> Response:
    form = {name: str(value) for name, value in (await request.form(max_fields=20)).items()}
    next, kept, login = safe_next(form.get("next", "/")), form.get("kept", ""), form.get("login", "")[:100]
    store, now = parts.store, datetime.now(UTC)
    expected = await run_in_threadpool(form_token, store, request.cookies.get(FORM) or secrets.token_hex(8))
    fields = _fields(kept)

    def again(said: str, status: int) -> Response:
        return sign_in_page(request, store, kept=fields, next=next, said=said, status=status, login=login)

    if not secrets.compare_digest(form.get("_token", "").encode(), expected.encode()):
        return await run_in_threadpool(again, "页面放得太久，或浏览器不接受 Cookie。请再试一次。", 403)
    user = await run_in_threadpool(signed_in, store, login, form.get("password", ""), now)
    if user is None:
        return await run_in_threadpool(again, _WRONG, 401)
    return await run_in_threadpool(_let_in, request, parts, user, next, fields, now)


@router.post("/sign-out")
async def post_sign_out(visitor: Anybody, sent: Form) -> Response:
    await run_in_threadpool(visitor.store.accounts.close_session, visitor.session)
    response = moved_on("/sign-in", said="已退出。")
    response.delete_cookie(SESSION, path="/")
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@router.get("/account/password")
def get_password(request: Request, visitor: Anybody) -> Response:
    return page(request, "password.html", said="", least=LEAST_LETTERS)


@router.post("/account/password")
def post_password(request: Request, visitor: Anybody, parts: Parts, sent: Form) -> Response:
    if sent.get("new_password") != sent.get("again_password"):
        return page(
            request, "password.html", said="两次输入的新密码不一样。", least=LEAST_LETTERS, status=422
        )
    try:
        change_password(visitor.store, visitor.user, sent.raw("old_password"), sent.raw("new_password"))
    except Refused as refused:
        said = refused.message + refused.remedy
        return page(request, "password.html", said=said, least=LEAST_LETTERS, status=422)
    response = moved_on("/", said="密码已改好；其他地方的登录都已退出。")
    _open_session(request, response, parts, visitor.user, datetime.now(UTC))
    return response


def _let_in(
    request: Request, parts: Parts, user: User, next: str, fields: list[tuple[str, str]], now: datetime
) -> Response:  # fmt: skip
    token = secrets.token_urlsafe(32)
    if fields:
        # Shown as the person now signed in would see it: the form gets this session's token.
        known = parts.store.accounts.credential(user.id)
        request.scope["visitor"] = Visitor(
            user, session_digest(token), parts.store, bool(known and known.must_change)
        )
        response: Response = confirm_page(request, next, fields)
    else:
        response = RedirectResponse(next, 303)
    _open_session(request, response, parts, user, now, token)
    return response


def _open_session(
    request: Request, response: Response, parts: Parts, user: User, now: datetime, token: str = ""
) -> None:
    """A session of a new number, so that one known before the sign-in opens nothing."""
    token, lasts = token or secrets.token_urlsafe(32), parts.settings.session_lasts
    parts.store.accounts.open_session(session_digest(token), user.id, now, lasts)
    response.set_cookie(
        SESSION, token, max_age=int(lasts.total_seconds()), httponly=True, samesite="lax", path="/",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def _fields(kept: str) -> list[tuple[str, str]]:
    """The fields that were to be kept over the sign-in; none for anything else."""
    try:
        found = [(str(name), str(value)) for name, value in json.loads(kept)] if kept else []
        json.dumps(found, ensure_ascii=False).encode()  # half a character could not be shown
        return found
    except (ValueError, TypeError, RecursionError):
        return []
