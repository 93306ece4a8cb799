"""Panels and reviews of a task, for staff: draw, let an expert step back, assign bids, take marks, rank."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Needs, not_found
from api.problem_documents import Refusal, field_problem
from api.responses import REFUSALS, file_answers, file_response, json_response, record_response
from api.review_papers import write_summary
from api.review_questions import fitting_of
from api.roadshow_files import MEDIA
from api.routes.paths import now, today
from api.services import Parts
from api.wire_reviews import (
    AssignSent,
    ClearanceSent,
    DeclarationSent,
    DrawSent,
    MarksSent,
    PanelShown,
    RankingShown,
    RecusalSent,
    ReviewShown,
)
from graph.problems import Problem
from matcher.conflicts import Clearance
from matcher.grading import Grading, rounded
from matcher.panels import Quota
from matcher.review_material import Material
from matcher.review_processes import REVIEW_RULES, Declaration, Mark, Panel, Review
from matcher.review_steps import (
    assign_bids,
    draw_panel,
    graded,
    recuse_expert,
    take_marks,
)
from matcher.tasks import Task

_XLSX = MEDIA[".xlsx"]

router = APIRouter(prefix="/v1/tasks/{id}", tags=["评审"], responses=REFUSALS)

TaskId = Annotated[str, Path(max_length=100, description="榜单编号")]
StaffReader = Annotated[Caller, Depends(Needs("read", staff=True))]
StaffWriter = Annotated[Caller, Depends(Needs("write", staff=True))]


@router.get(
    "/panel", operation_id="get_panel", summary="评审专家组",
    responses={200: {"model": PanelShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_panel(request: Request, caller: StaffReader, id: TaskId) -> Response:
    panel = caller.whole.process(Panel, known_task(caller, id).id)
    if panel is None:
        raise not_found(Panel.label, id)
    return record_response(request, _shown_panel(panel))


@router.post(
    "/panel",
    operation_id="draw_panel",
    summary="按种子抽取专家组，先查回避",
    responses={200: {"model": PanelShown}},
)
def draw(caller: StaffWriter, id: TaskId, sent: DrawSent) -> Response:
    found = draw_panel(
        caller.whole, known_task(caller, id).id, seed=sent.seed, per_organisation=sent.per_organisation,
        quotas=[Quota(words=tuple(one.words), least=one.least, of_position=one.of_position) for one in sent.quotas],
        alternates=sent.alternates, left_out=sent.left_out, declared=_declared(sent.declared),
        clearances=_cleared(caller, sent.cleared), actor=caller.actor, at=now(), keep=not sent.dry_run,
    )  # fmt: skip
    if found.panel is None:
        raise impossible("panel_undrawable", "抽不满专家组。", found.problems)
    return json_response(_shown_panel(found.panel, kept=not sent.dry_run))


@router.post(
    "/panel/recusals", operation_id="recuse_expert", summary="一位专家回避，由没有利害关系的候补接替",
    responses={200: {"model": PanelShown}},
)  # fmt: skip
def recuse(caller: StaffWriter, id: TaskId, sent: RecusalSent) -> Response:
    panel = recuse_expert(
        caller.whole, known_task(caller, id).id, sent.expert, reason=sent.reason, declared=_declared(sent.declared),
        clearances=_cleared(caller, sent.cleared), actor=caller.actor, at=now(),
    )  # fmt: skip
    if isinstance(panel, list):
        raise impossible("panel_no_alternate", "没有可以接替的候补。", panel)
    return json_response(_shown_panel(panel))


@router.get(
    "/review", operation_id="get_review", summary="分配和已收的评分",
    responses={200: {"model": ReviewShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_review(request: Request, caller: StaffReader, id: TaskId) -> Response:
    return record_response(request, _shown_review(_known_review(caller, id)))


@router.post(
    "/review", operation_id="assign_bids", summary="把标书分给专家：有利害关系的不评，其余契合而均衡",
    responses={200: {"model": ReviewShown}},
)  # fmt: skip
async def assign(caller: StaffWriter, parts: Parts, id: TaskId, sent: AssignSent) -> Response:
    task = await run_in_threadpool(known_task, caller, id)
    fitting = await fitting_of(parts, caller.whole, task.id, today())
    step = partial(
        assign_bids, caller.whole, task.id, fitting, per_bid=sent.per_bid, least=sent.min_load,
        most=sent.max_load, declared=_declared(sent.declared), clearances=_cleared(caller, sent.cleared),
        actor=caller.actor, at=now(),
    )  # fmt: skip
    found = await run_in_threadpool(step)
    if found.review is None:
        raise impossible("review_unassignable", "标书分不成。", found.problems)
    return json_response(_shown_review(found.review))


@router.post(
    "/review/marks", operation_id="take_marks", summary="收评分，全收或全不收；重交的以新的为准",
    responses={200: {"model": ReviewShown}},
)  # fmt: skip
def take(caller: StaffWriter, id: TaskId, sent: MarksSent) -> Response:
    marks = [
        Mark(expert=one.expert, entry=one.bid, marks=dict(one.marks), remark=one.remark) for one in sent.marks
    ]
    review = take_marks(caller.whole, known_task(caller, id).id, marks, actor=caller.actor, at=now())
    if isinstance(review, list):
        raise impossible("marks_refused", "评分没有收下。", review, status=422)
    return json_response(_shown_review(review))


@router.get(
    "/review/ranking", operation_id="get_review_ranking", summary="按榜单的计分办法和同分规则汇总",
    responses={200: {"model": RankingShown}},
)  # fmt: skip
def get_ranking(caller: StaffReader, id: TaskId) -> Response:
    review = _known_review(caller, id)
    found = graded(Material.of(caller.whole, review.id))
    if isinstance(found, list):
        raise impossible("score_missing", "评分还没有收齐。", found)
    return json_response(_shown_ranking(review, found))


@router.get(
    "/review/summary",
    operation_id="get_review_summary",
    summary="评审汇总表（xlsx）",
    responses=file_answers(_XLSX),
)
def get_summary(request: Request, caller: StaffReader, id: TaskId) -> Response:
    review = _known_review(caller, id)
    found = graded(Material.of(caller.whole, review.id))
    if isinstance(found, list):
        raise impossible("score_missing", "评分还没有收齐。", found)
    write = partial(write_summary, review=review, grading=found)
    return file_response(request, f"评审汇总表-{review.id}.xlsx", _XLSX, write)


def known_task(caller: Caller, id: str) -> Task:
    """The task; the one 404 where there is none."""
    task = caller.whole.process(Task, id)
    if task is None:
        raise not_found(Task.label, id)
    return task


def impossible(code: str, message: str, problems: Sequence[Problem], *, status: int = 409) -> Refusal:
    """The refusal of a step, with all that stands in its way."""
    told = [field_problem(problem) for problem in problems]
    return Refusal(status, code, message, "请按 problems 逐条解决后再办。", problems=told)


def _known_review(caller: Caller, id: str) -> Review:
    review = caller.whole.process(Review, known_task(caller, id).id)
    if review is None:
        raise not_found(Review.label, id)
    return review


def _declared(sent: Iterable[DeclarationSent]) -> list[Declaration]:
    return [
        Declaration(
            expert=one.expert, avoids=tuple(one.avoids), advises=tuple(one.advises), representative=one.representative,
            verified_by=one.verified_by,
        )
        for one in sent
    ]  # fmt: skip


def _cleared(caller: Caller, sent: Iterable[ClearanceSent]) -> list[Clearance]:
    return [
        Clearance(person=one.expert, entry=one.bid, by=caller.actor, reason=one.reason.strip())
        for one in sent
    ]


def _shown_panel(panel: Panel, *, kept: bool = True) -> dict[str, Any]:
    def named(ids: Iterable[str]) -> list[dict[str, str]]:
        return [{"id": id, "name": panel.names.get(id, id)} for id in ids]

    return {
        "task": panel.id, "kept": kept, "seed": panel.seed, "size": panel.size,
        "per_organisation": panel.per_organisation, "members": named(panel.members), "alternates": named(panel.alternates),
        "quotas": [
            {"words": one.words, "least": one.least, "of_position": one.of_position} for one in panel.rules.quotas
        ],
        "barred": [
            {"expert": id, "name": panel.names.get(id, id), "bid": "", "reason": why} for id, why in panel.barred
        ],
        "recusals": [
            one.model_dump(exclude={"passed"}) | {"passed": [{"expert": id, "reason": why} for id, why in one.passed]}
            for one in panel.recusals
        ],
    }  # fmt: skip


def _shown_review(review: Review) -> dict[str, Any]:
    names = review.experts

    def named(ids: Iterable[str]) -> list[dict[str, str]]:
        return [{"id": id, "name": names.get(id, id)} for id in ids]

    return {
        "task": review.id, "state": review.state, "state_label": REVIEW_RULES.states[review.state].label,
        "readings": [
            {"bid": bid, "bidder": bidder, "readers": named(review.readers.get(bid, ())),
             "standby": named(review.standby.get(bid, ()))}
            for bid, bidder in review.entries.items()
        ],
        "criteria": [{"name": name, "full_marks": full} for name, full in review.full_marks],
        "barred": [
            {"expert": who, "name": names.get(who, who), "bid": bid, "reason": why} for who, bid, why in review.barred
        ],
        "marks": [
            {"expert": one.expert, "bid": one.entry, "marks": one.marks, "remark": one.remark} for one in review.marks
        ],
        "problems": [field_problem(problem) for problem in review.problems()],
    }  # fmt: skip


def _shown_ranking(review: Review, grading: Grading) -> dict[str, Any]:
    return {
        "task": review.id, "rule": grading.rules.text,
        "items": [
            {
                "rank": one.rank, "bid": one.entry, "bidder": review.entries.get(one.entry, ""), "score": str(one.score),
                "exact": str(one.exact), "tie": one.tie,
                "criteria": {name: str(rounded(value)) for name, value in one.criteria.items()},
                "totals": [
                    {"expert": t.expert, "given": str(t.given), "adjusted": str(rounded(t.adjusted)), "counts": t.counts,
                     "distance": str(t.distance), "is_outlier": t.is_outlier}
                    for t in one.totals
                ],
            }
            for one in grading.standings
        ],
    }  # fmt: skip
