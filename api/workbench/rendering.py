"""Pages from templates: everything that is not markup of ours is shown as text."""

import json
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.match_workbook import owner_of
from api.workbench.access import DESK, WRITERS, form_token
from api.workbench.desk_words import at_desk
from api.workbench.people import ROLES, Role
from api.workbench.words import china_time, day, highlighted, points, share
from graph.kinds import KINDS, columns
from graph.store.store import Store
from matcher.cases import CaseFile
from matcher.process_values import in_wan
from matcher.ranker import LEVELS
from matcher.tasks import Task

_HERE = Path(__file__).parent
FLASH, FORM = "jb_flash", "jb_form"
MOST_FIELDS = 2_000  # of a form: a sheet of many columns has one for each
# What forms carry beside what people type.
_UNTYPED = frozenset(
    {"seen", "back", "move", "do", "decision", "hide", "bid", "team", "key", "gate_rule", "revision"}
)
_MOST_SAID = 3_500  # bytes of a message: a browser keeps no cookie of more than 4,096
# Where one can go: address, name, for whom. A page that is not there yet has no entry.
NAVIGATION: Sequence[tuple[str, str, Sequence[Role]]] = (
    ("/", "工作台", (*DESK, "expert")),
    ("/match", "匹配", DESK),
    ("/gaps", "供需地图", DESK),
    ("/graph", "图谱", DESK),
    ("/tasks", "揭榜与赛马", DESK),
    ("/roadshows", "路演", DESK),
    ("/orders", "点单", DESK),
    ("/cases", "案例库", DESK),
    ("/organisations", "机构与经纪人", DESK),
    ("/records", "清单与记录", DESK),
    ("/imports", "数据导入", WRITERS),
    ("/admin", "管理", ("officer", "administrator")),
)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "time": china_time,
        "day": day,
        "points": points,
        "share": share,
        "highlighted": highlighted,
        "owner": owner_of,
        "at_desk": at_desk,
        "wan": in_wan,
    }
    made.globals |= {"link": link, "LEVELS": LEVELS, "ROLES": ROLES, "assets": _assets(), "zip": zip}
    return made


@cache
def _assets() -> str:
    """A stamp of the scripts and the style sheet, so that browsers keep them just as long as they stay the same."""
    newest = max(path.stat().st_mtime_ns for path in (_HERE / "static").iterdir())
    return f"{newest:x}"[-8:]


def link(path: str, **query: Any) -> str:
    """An address of ours with its query; what is empty is left out, parts of the path are escaped by the caller."""
    given = {name: value for name, value in query.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def escaped(part: str) -> str:
    """A part of a path, a slash in it too."""
    return quote(part, safe="")


def page(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:  # fmt: skip
    """A page. Templates know ``visitor`` (None before sign-in), ``here`` (the path), ``once`` (a new one-time mark)."""
    visitor = request.scope.get("visitor")
    flash = _flash(request)
    shared = {
        "visitor": visitor,
        "token": visitor.token if visitor else "",
        "once": secrets.token_hex(12),
        "here": request.scope["path"],
        "request_id": request.scope.get("request_id", ""),
        "navigation": [(path, name) for path, name, roles in NAVIGATION if visitor and visitor.role in roles],
        "flash": flash,
    }
    html = _templates().get_template(template).render(shared | values)
    response = HTMLResponse(html, status, dict(headers or {}))
    if flash and not request.headers.get("x-part"):
        response.delete_cookie(FLASH, path="/")
    return response


def part(request: Request, template: str, **values: Any) -> HTMLResponse:
    """A piece of a page that a script puts in its place."""
    return page(request, template, **values)


def moved_on(path: str, *, said: str = "", kind: str = "done") -> RedirectResponse:
    """After something was done: on to a page, which says ``said`` once."""
    response = RedirectResponse(path, 303)
    if said:
        response.set_cookie(
            FLASH, _flash_text(kind, said), max_age=120, httponly=True, samesite="lax", path="/"
        )
    return response


def sign_in_page(
    request: Request, store: Store, *, kept: Sequence[tuple[str, str]] = (), next: str = "/", said: str = "",
    status: int = 200, login: str = "",
) -> Response:  # fmt: skip
    """The page on which one signs in; ``kept`` goes with it and is shown again behind the sign-in."""
    secret = request.cookies.get(FORM) or secrets.token_urlsafe(24)
    response = page(
        request, "sign_in.html", status=status, kept=json.dumps(kept, ensure_ascii=False) if kept else "",
        next=next, said=said, login=login, sign_in_token=form_token(store, secret),
    )  # fmt: skip
    is_secure = request.url.scheme == "https"
    response.set_cookie(FORM, secret, httponly=True, samesite="strict", path="/", secure=is_secure)
    return response


def confirm_page(
    request: Request, path: str, fields: Sequence[tuple[str, str]], *, status: int = 200
) -> Response:
    """What was filled in before one had to sign in again, to be sent now or looked at first."""
    shown = [
        (labels().get(name) or name.partition(":")[2] or "其他内容", value)
        for name, value in fields
        if value.strip() and name not in _UNTYPED
    ]
    return page(request, "confirm.html", status=status, path=path, fields=fields, shown=shown)


@cache
def labels() -> Mapping[str, str]:
    """Names of form fields as people know them."""
    of_records = {name: about.label for kind in KINDS.values() for name, about in columns(kind).items()}
    of_processes = {
        name: field.title
        for kind in (CaseFile, Task)
        for name, field in kind.model_fields.items()
        if field.title
    }
    return of_records | of_processes | {
        "reason": "理由", "level": "等级", "stage": "进展", "scene": "场景编号", "achievement": "成果编号", "text": "内容",
        "why": "为什么改", "task": "榜单编号", "title": "名称", "remark": "意见", "consent": "同意书", "login": "登录名", "name": "姓名或用途",
        "role": "角色", "expert": "专家", "login_to_reset": "重置谁的密码", "partner": "平台代号", "scope": "权限", "days": "有效天数",
        "audience": "看得到什么", "number": "第几条", "by": "提出人", "opinion": "论证意见", "agrees": "是否同意", "new_deadline": "投标截止",
        "cleared": "已核实的单位", "done": "完成的里程碑", "evidence": "证明材料", "points": "得分", "grade": "绩效等级", "report": "绩效报告",
        "milestone_name": "里程碑", "milestone_planned": "计划日期", "milestone_amount": "金额（万元）", "gate_name": "关口", "gate_date": "日期",
        "gate_evidence": "要交的证据", "gate_tranche": "每队拨付（万元）", "gate_bound": "分数线或名额", "seed": "种子", "left_out": "不参加的专家",
        "winners": "中选几家", "per_bid": "每份标书几位专家", "most": "每位专家最多几份", "given": "得分", "said": "理由", "shown": "证据",
        "refund": "退回金额", "date": "日期",
    }  # fmt: skip


def error_page(request: Request, document: Mapping[str, Any]) -> HTMLResponse:
    """A refusal in words: what happened, what to do, and a number to tell the administrator."""
    query = request.scope.get("query_string", b"").decode("latin-1")
    address = quote(request.scope["path"]) + (f"?{query}" if query else "")
    return page(request, "error.html", status=int(document["status"]), problem=document, address=address)


def _flash_text(kind: str, said: str) -> str:
    """What a message's cookie holds; one that is too long for a cookie ends in dots rather than not showing."""
    shown, most = said[:600], 600
    while (
        len(text := quote(json.dumps([kind, shown], ensure_ascii=False, separators=(",", ":")))) > _MOST_SAID
    ):
        most -= 50
        shown = f"{said[:most]}……"
    return text


def _flash(request: Request) -> tuple[str, str] | None:
    try:
        kind, said = json.loads(unquote(request.cookies.get(FLASH, "")))
    except (ValueError, TypeError, RecursionError):
        return None
    return ("done" if kind == "done" else "warning", str(said))
