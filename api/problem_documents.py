"""Refusals over HTTP: one shape for every error, a problem document (RFC 9457) with a code, a message and a remedy."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.wire import FieldProblem, ProblemDocument
from embeddings.refusal import IndexRefused
from graph.problems import BadValue, Problem, Refused

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:jiebang:problem:"
_BUSY = "请按 Retry-After 给出的秒数稍候再试。"
_LOG = logging.getLogger("jiebang.http")

# What the store and the index refuse, as far as it is not the server's own trouble (503).
_STATUSES: Mapping[str, int] = {
    "plan_stale": 409, "relation_dangling": 409, "feedback_dangling": 409, "undo_conflict": 409, "move_unknown": 422,
    "move_state": 409, "move_role": 403, "move_requirement": 422, "process_value": 422, "store_full": 507,
    "case_exists": 409, "case_ends": 422, "case_not_landed": 409, "case_not_closed": 409, "case_unknown": 404,
    "review_stage": 409, "review_none": 404, "review_incomplete": 409, "review_no_experts": 409, "review_rule": 422,
    "review_conflict": 409, "identity_unresolved": 409, "panel_twice": 409, "panel_none": 404, "panel_member": 404,
    "panel_stranger": 422, "panel_rule": 422, "panel_size": 422, "score_missing": 409, "grading_few": 409,
    "award_none": 404, "award_marks": 409, "award_points": 422, "award_winners": 422, "award_notice": 409,
    "award_objection": 422, "move_together": 409,
    "task_unknown": 404, "bid_unknown": 404, "bid_twice": 409, "bid_late": 409, "race_unknown": 404, "race_task": 409,
    "race_teams": 409, "race_running": 409, "race_over": 409, "race_gates": 422, "race_budget": 422, "race_refund": 422,
    "race_team": 409, "race_points": 422,
    "undo_unknown": 404, "undo_done": 409, "undo_refused": 409, "user_exists": 409, "user_unknown": 404, "user_last": 409, "user_expert": 422,
    "password_wrong": 422, "password_weak": 422, "key_unknown": 404, "key_scopes": 422, "version_unknown": 404,
}  # fmt: skip
# What to do over HTTP, where the remedy below names a command: who calls has no command line.
_COMMAND = "jiebang "
_REMEDIES: Mapping[str, str] = {
    "task_unknown": "请核对编号；GET /v1/tasks 列出榜单。", "bid_late": "截止后不得撤回；如果中榜，可书面告知市平台放弃。",
    "bid_namesake": "如确系另一家单位，请告诉市平台核实登记（榜单的 moves：clear）。",
    "identity_unresolved": "把单位补进库里，或核实后登记（榜单的 moves：clear，reason 写核实情况）；专家的换人或重新分配。",
    "review_conflict": "请换人（POST …/panel/recusals），或重新分配（POST …/review）。",
    "review_stage": "截止后先开标（POST …/bids/opening）；已拟定的先撤销定标（POST …/award/moves）。",
    "review_no_experts": "请先由市平台导入专家。", "review_incomplete": "请重新分配：POST …/review（已收的评分会保留）。", "review_none": "请先分配标书：POST …/review。",
    "panel_none": "请先抽专家组：POST …/panel。", "panel_twice": "有人回避用 POST …/panel/recusals；作废重抽请告诉市平台。",
    "award_none": "请先拟定：POST …/award。", "award_marks": "请按评审结果拟定：POST …/award，不写得分。",
    "task_sealed": "请开标：POST …/bids/opening。", "task_not_in_force": "公示期满、异议都已答复后生效：POST …/award/moves。",
    "task_decisions": "要改，请先退回重评：POST …/award/moves。",
    "race_running": "查看：GET …/race。", "race_unknown": "先签约，再开赛：POST …/race。", "race_end": "请用 POST …/race/gates 办理。",
    "race_team": "请核对团队名称；还在赛马的先退出（POST …/race/departures），再放弃中榜。",
    "case_unknown": "请核对编号；GET /v1/case-files 列出案例档案。", "case_exists": "请接着办已有的那一个案例。",
    "case_ends": "请核对编号；GET /v1/tasks 列出榜单。", "case_not_landed": "落地后先记进展（POST /v1/outcomes）；还没落地的不能写成案例。",
    "case_not_published": "换一个编号；要修改或恢复原来的案例请告诉市平台。", "undo_conflict": "请由市平台核对历史后处理。",
}  # fmt: skip
_ASK = "请对照 /docs 办理，或告诉市平台。"
_WORDS: Mapping[int, str] = {
    400: "请求有误", 401: "需要访问钥匙", 403: "没有权限", 404: "没有找到", 405: "不支持这种方法", 406: "不支持这种格式",
    408: "请求太慢", 409: "与现状冲突", 410: "已经撤下", 412: "内容已被改动", 413: "内容太大", 415: "内容类型不对",
    422: "内容有误", 428: "缺少前提条件", 429: "请求太多", 431: "请求头太大", 500: "服务器内部错误", 503: "暂时不能服务", 507: "磁盘已满",
}  # fmt: skip


class Refusal(Exception):
    """A request that is not done: raised anywhere below a route, told as a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        remedy: str,
        *,
        problems: Iterable[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.remedy = status, code, message, remedy
        self.problems, self.headers = tuple(problems), dict(headers or {})


def busy(code: str, message: str, *, seconds: int = 1, status: int = 503) -> Refusal:
    """A refusal to be tried again after some seconds."""
    return Refusal(status, code, message, _BUSY, headers={"Retry-After": str(max(1, seconds))})


def remedy_over_http(code: str, remedy: str) -> str:
    """The remedy as it helps a caller: in place of a command of ours what to ask over HTTP."""
    return _REMEDIES.get(code, _ASK) if _COMMAND in remedy else remedy


def problem_response(refusal: Refusal, request_id: str) -> JSONResponse:
    """The answer that tells a refusal."""
    document = ProblemDocument(
        type=_TYPE + refusal.code,
        title=_WORDS.get(refusal.status, HTTPStatus(refusal.status).phrase),
        status=refusal.status,
        detail=refusal.message,
        code=refusal.code,
        remedy=remedy_over_http(refusal.code, refusal.remedy),
        request_id=request_id,
        problems=list(refusal.problems),
    )
    headers = {"Cache-Control": "no-store", **refusal.headers}
    return JSONResponse(document.model_dump(), refusal.status, headers, media_type=MEDIA_TYPE)


def refusal_of(error: Exception) -> Refusal | None:
    """What an error of the rooms below comes to over HTTP; None for one that nobody foresaw."""
    match error:
        case Refusal():
            return error
        case Refused(code=code) if code in ("store_locked", "job_busy"):
            return busy(code, error.message)
        case Refused(code=code) | IndexRefused(code=code):
            status = _STATUSES.get(code, 503)
            # What is wrong with the server's own files names paths, which are no caller's business.
            if status == 503:
                return busy(code, "服务器的数据或索引暂时不能使用。", seconds=30)
            problems = error.problems if isinstance(error, Refused) else ()
            each = dict.fromkeys(remedy_over_http(one.code, one.remedy).rstrip("。") for one in problems)
            return Refusal(status, code, error.message, f"{'；'.join(each)}。" if each else error.remedy)
        case BadValue():
            return Refusal(422, error.code, f"{error.message}。", f"{error.remedy}。")
        case RequestValidationError():
            return _invalid(error)
        case ClientDisconnect():
            return Refusal(400, "body_cut", "请求内容没有传完。", "请重发。")
        case HTTPException(
            __cause__=Refusal() | ClientDisconnect() as cause
        ):  # of the body, when it was read
            return refusal_of(cause)
        case HTTPException():
            return _of_framework(error)
    return None


def field_problem(problem: Problem) -> FieldProblem:
    """A problem of the intake or of a process, as it is told over HTTP."""
    return FieldProblem(
        code=problem.code,
        message=problem.message,
        remedy=remedy_over_http(problem.code, problem.remedy),
        place=problem.place,
        severity=problem.severity,
    )


def install(app: FastAPI) -> None:
    """Make every refusal below a route a problem document; what nobody foresaw is the request log's to tell."""

    async def tell(request: Request, error: Exception) -> JSONResponse:
        request_id = str(request.scope.get("request_id", ""))
        if isinstance(error, HTTPException) and error.status_code == 405:
            error.headers = {"Allow": _methods_of(request)}
        refusal = refusal_of(error)
        if refusal is None:
            raise error
        if refusal.status >= 500 and refusal is not error:  # of the store or the index: somebody must look
            _LOG.error("request failed", exc_info=error, extra={"request_id": request_id})
        return problem_response(refusal, request_id)

    foreseen = (Refusal, Refused, IndexRefused, BadValue, RequestValidationError, HTTPException)
    for kind in (*foreseen, ClientDisconnect):
        app.add_exception_handler(kind, tell)


def unforeseen() -> Refusal:
    """The refusal that tells of an error nobody foresaw, without its details."""
    return Refusal(500, "internal", "服务器出了没有预料到的错误。", "请稍后再试；若一直如此，请把 request_id 交给管理员。")  # fmt: skip


def _methods_of(request: Request) -> str:
    """Every method of the routes that the request's path leads to; the framework names those of the first."""
    path, routes = request.scope["path"], request.app.state.routes
    return ", ".join(sorted({m for route in routes if route.path_regex.match(path) for m in route.methods}))


def _of_framework(error: HTTPException) -> Refusal:
    status = error.status_code
    headers = dict(error.headers or {})
    if status == 404:
        return Refusal(
            404, "route_unknown", "没有这个地址。", "请核对地址；所有地址见 /docs。", headers=headers
        )
    if status == 405:
        return Refusal(405, "method_unknown", "这个地址不支持这种方法。", f"可用的方法：{headers['Allow']}。", headers=headers)  # fmt: skip
    if status == 400:
        return Refusal(400, "body_unreadable", "请求内容读不懂。", "请发送 UTF-8 编码、嵌套不太深的 JSON。", headers=headers)  # fmt: skip
    return Refusal(status, "request_refused", "请求没有被接受。", "请对照 /docs 核对请求。", headers=headers)


def _invalid(error: RequestValidationError) -> Refusal:
    problems = [_field(detail) for detail in error.errors()]
    if any(problem.code in ("json_invalid", "body_unreadable") for problem in problems):
        return Refusal(400, "body_unreadable", "请求内容不是合规的 JSON。", "请发送 UTF-8 编码的 JSON。", problems=problems)  # fmt: skip
    first = problems[0]
    more = f"等 {len(problems)} 处" if len(problems) > 1 else ""
    told = f"{first.place}：{first.message}{more}。" if first.place else f"{first.message}{more}。"
    return Refusal(422, "request_invalid", told, f"{first.remedy}。", problems=problems)


_KINDS_OF_ERROR: Mapping[str, tuple[str, str]] = {
    "missing": ("没有填写", "请补上这一项"),
    "extra_forbidden": ("没有这一项", "请去掉它，或核对拼写；可用的项见 /docs"),
    "json_invalid": ("不是合规的 JSON", "请核对括号、引号和逗号"),
    "string_too_long": ("文字太长", "请缩短"),
    "string_too_short": ("文字太短", "请补充"),
    "string_type": ("应当是文字", "请改成文字"),
    "list_type": ("应当是列表", "请改成列表"),
    "too_long": ("条数太多", "请分几次发送"),
    "too_short": ("条数太少", "请补充"),
    "int_parsing": ("应当是整数", "请改成整数"),
    "int_type": ("应当是整数", "请改成整数"),
    "bool_parsing": ("应当是 true 或 false", "请改成 true 或 false"),
    "less_than_equal": ("数值太大", "请改小"),
    "greater_than_equal": ("数值太小", "请改大"),
    "datetime_parsing": ("看不懂时间", "请写成 2026-03-31T09:30:00Z"),
    "datetime_from_date_parsing": ("看不懂时间", "请写成 2026-03-31T09:30:00Z"),
    "timezone_aware": ("时间缺少时区", "请写明时区，例如 2026-03-31T09:30:00Z"),
    "literal_error": ("不在可选的值之中", "请从可选的值中选一个"),
    "enum": ("不在可选的值之中", "请从可选的值中选一个"),
    "string_pattern_mismatch": ("写法不对", "请对照 /docs 改正"),
    "model_attributes_type": ("应当是 JSON 对象", "请改成 {…}"),
}


def _field(detail: Any) -> FieldProblem:
    """A pydantic error in Chinese; ours are carried in its context. What was sent is not repeated."""
    found: ErrorDetails = detail
    bad = found.get("ctx", {}).get("error")
    place = ".".join(str(part) for part in found["loc"] if part not in ("body", "query", "path", "header"))[
        :200
    ]
    if isinstance(bad, BadValue):
        return FieldProblem(code=bad.code, message=bad.message, remedy=bad.remedy, place=place)
    message, remedy = _KINDS_OF_ERROR.get(found["type"], ("写法不对", "请对照 /docs 改正"))
    context = found.get("ctx", {})
    if limit := next(
        (context[name] for name in ("max_length", "le", "min_length", "ge") if name in context), None
    ):
        message += f"（界限 {limit}）"
    if isinstance(expected := context.get("expected"), str):
        message += f"（{expected}）"
    return FieldProblem(code=str(found["type"]), message=message, remedy=remedy, place=place)
