"""The grading sheet: an expert sees the bids that are hers to read, marks them, and nothing of anybody else's."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access import not_found
from api.problem_documents import Refusal, refusal_of
from api.routes.paths import PathId, now
from api.services import Parts
from api.task_views import shown_replies
from api.workbench.access import Judge, Visitor
from api.workbench.forms import Form, Sent, done_once
from api.workbench.mark_drafts import draft_of, end_draft, save_draft
from api.workbench.rendering import escaped, page
from graph.problems import BadValue, Refused
from matcher.bids import Bid, Viewer, seen_bid
from matcher.process_values import parse_points
from matcher.review_processes import Mark, Review
from matcher.review_steps import take_marks
from matcher.tasks import EXPERT, Task

router = APIRouter(include_in_schema=False)

# Experts who hand in at the same moment: each looks again this often.
_TRIES = 8
_LONGEST = 20
# What is no expert's business to read is told in these words.
_CLOSED = {
    "review_stage": ("评审已经结束，不能再提交或修改评分。", "有疑问请联系评审组织人员。"),
    "identity_unresolved": ("有单位的身份还在核实，现在不收评分。", "请先暂存，稍后再提交；或联系评审组织人员。"),
    "review_no_experts": ("现在不收评分。", "请先暂存，并联系评审组织人员。"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mine:
    """A review as one of its experts may know it: the task, what she reads in the order of ids, her own marks."""

    task: Task
    expert: str
    bids: tuple[Bid, ...]
    full_marks: tuple[tuple[str, str], ...]
    marks: dict[str, Mark]
    is_open: bool


@router.get("/marking/{id}")
def get_review(request: Request, visitor: Judge, id: PathId) -> Response:
    """What is hers to read of one task, and how far she is."""
    mine = _mine(visitor, id)
    drafts = {bid.id for bid in mine.bids if draft_of(visitor.store, id, bid.id, mine.expert)}
    return page(request, "marking.html", mine=mine, task=mine.task, drafts=drafts, totals=_totals(mine), escaped=escaped)  # fmt: skip


@router.get("/marking/{id}/{bid}")
def get_sheet(request: Request, visitor: Judge, id: PathId, bid: PathId) -> Response:
    return _sheet(request, visitor, id, bid, None, [])


@router.post("/marking/{id}/{bid}")
async def post_sheet(
    request: Request, visitor: Judge, parts: Parts, id: PathId, bid: PathId, sent: Form
) -> Response:
    """Put the marks aside, or hand them in; what is handed in anew replaces what was."""

    def work() -> tuple[str, str]:
        mine, store, at = _mine(visitor, id), visitor.store, now()
        one = _own(mine, bid)
        typed = {name: sent.get(f"mark:{name}")[:_LONGEST] for name, _ in mine.full_marks}
        remark, back = sent.get("remark"), f"/marking/{escaped(id)}"
        if not mine.is_open:
            raise Refusal(409, "review_stage", *_CLOSED["review_stage"])
        if sent.get("do") == "save":
            save_draft(store, id, bid, mine.expert, typed=typed, remark=remark, actor=visitor.name, at=at)
            return f"{back}/{escaped(bid)}", "已暂存，还没有提交。"
        _hand_in(visitor, id, _mark(mine, one, typed, remark))
        end_draft(store, id, bid, mine.expert, actor=visitor.name, at=at)
        return back, f"已提交对“{one.title or one.id}”的评分。截止前可以再改。"

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        refusal = refusal_of(error)
        if refusal is None or refusal.status in (404, 503):
            raise
        return _sheet(request, visitor, id, bid, sent, [refusal])
    parts.changed()
    return response


def _mine(visitor: Visitor, id: str) -> Mine:
    """The review as the expert may know it. Raises the one 404 for one in which she reads nothing."""
    expert = visitor.user.expert
    with visitor.store.snapshot() as at:
        review, task = at.process(Review, id), at.process(Task, id)
        if not expert or review is None or task is None:
            raise not_found(Review.label, id)
        ids = sorted(entry for entry, readers in review.readers.items() if expert in readers)
        found = [bid for entry in ids if (bid := at.process(Bid, entry)) is not None]
    bids = tuple(bid for bid in found if seen_bid(bid, task, Viewer(role=EXPERT)) is not None)
    if not bids:
        raise not_found(Review.label, id)
    marks = {mark.entry: mark for mark in review.marks if mark.expert == expert}
    is_open = review.state == "marking" and task.state == "evaluating"
    return Mine(task, expert, bids, review.full_marks, marks, is_open)


def _own(mine: Mine, bid: str) -> Bid:
    one = next((one for one in mine.bids if one.id == bid), None)
    if one is None:
        raise not_found(Bid.label, bid)
    return one


def _mark(mine: Mine, bid: Bid, typed: dict[str, str], remark: str) -> Mark:
    """The marks as they are kept. Raises ``BadValue`` naming the criterion."""
    marks = {}
    for name, text in typed.items():
        try:
            points = parse_points(text)
        except BadValue as bad:
            raise BadValue(bad.code, f"“{name}”：{bad.message}", bad.remedy) from None
        if points is not None:
            marks[name] = f"{points.normalize():f}"
    return Mark(expert=mine.expert, entry=bid.id, marks=marks, remark=remark)


def _hand_in(visitor: Visitor, id: str, mark: Mark) -> None:
    for number in range(_TRIES):
        try:
            problems = take_marks(visitor.store, id, [mark], actor=visitor.name, at=now())
        except Refused as refused:
            if refused.code == "plan_stale" and number < _TRIES - 1:
                continue
            if refused.code in _CLOSED:
                raise Refusal(409, refused.code, *_CLOSED[refused.code]) from None
            raise
        if isinstance(problems, list):
            told = "；".join(problem.message for problem in problems)
            raise Refusal(422, "marks_refused", f"评分没有收下：{told}。", "请改好后再提交。")
        return


def _sheet(
    request: Request, visitor: Visitor, id: str, bid: str, sent: Sent | None, refusals: list[Refusal]
) -> Response:
    """The sheet: what was typed just now before what was put aside, before what was handed in."""
    mine = _mine(visitor, id)
    one = _own(mine, bid)
    draft, mark = draft_of(visitor.store, id, bid, mine.expert), mine.marks.get(bid)
    marks: dict[str, Any] = draft.typed if draft else mark.marks if mark else {}
    remark = draft.remark if draft else mark.remark if mark else ""
    if sent is not None:
        marks, remark = {name: sent.get(f"mark:{name}") for name, _ in mine.full_marks}, sent.get("remark")
    place = [other.id for other in mine.bids].index(bid)
    return page(
        request, "marking_sheet.html", status=refusals[0].status if refusals else 200, mine=mine, task=mine.task, bid=one,
        replies=shown_replies(one, mine.task), marks=marks, remark=remark, is_draft=draft is not None, mark=mark,
        general=[one.message + one.remedy for one in refusals], number=place + 1, escaped=escaped,
        following=mine.bids[place + 1] if place + 1 < len(mine.bids) else None,
    )  # fmt: skip


def _totals(mine: Mine) -> dict[str, str]:
    """What the marks she handed in add up to, by bid."""
    return {
        entry: f"{sum((parse_points(value) or 0) for value in mark.marks.values()):.2f}".rstrip("0").rstrip(
            "."
        )
        for entry, mark in mine.marks.items()
    }
