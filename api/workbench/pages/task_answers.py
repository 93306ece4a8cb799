"""What the ranking says of a task: who could answer it, whom to invite, how well its bids fit; and how a review stands.

Pages of their own, which a task's page puts in when they are there: nothing waits for the ranking.
"""

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.problem_documents import Refusal, refusal_of
from api.routes.paths import PathId, now, today
from api.services import Parts, Services
from api.task_questions import AnswerableQuestion, FitQuestion, ProposalsQuestion, proposal_from
from api.workbench.access import AtDesk, Officer, Visitor
from api.workbench.forms import Form, done_once
from api.workbench.pages.tasks import found_task, open_bids_of, place_of
from api.workbench.rendering import page
from api.workbench.stamps import refuse_changed
from graph.problems import Problem, Refused
from matcher.grading import Grading
from matcher.invitations import with_invitations
from matcher.review_material import Material, doubts, standing_conflicts
from matcher.review_steps import graded
from matcher.task_quality import Answerable, check_task
from matcher.task_steps import change_task
from matcher.tasks import Task

router = APIRouter(include_in_schema=False)


@router.get("/tasks/{id}/check")
async def get_check(request: Request, visitor: AtDesk, parts: Parts, id: PathId) -> Response:
    """The findings on the text, and how much of the library could answer."""
    task = (await run_in_threadpool(found_task, visitor, id)).task
    question = AnswerableQuestion(audience="staff", today=today(), task=task)
    told = json.loads(await parts.answer_soon(question))["found"]
    answerable = None if told is None else Answerable(**told)
    problems = check_task(task, at=now(), answerable=answerable)
    return page(
        request, "task_check.html", task=task, problems=problems, answerable=answerable, here_=place_of(id)
    )


@router.get("/tasks/{id}/invitations")
async def get_invitations(request: Request, visitor: AtDesk, parts: Parts, id: PathId) -> Response:
    """Whom to invite, with reasons, and who was."""
    found = await run_in_threadpool(found_task, visitor, id)
    items = await _proposals(visitor, parts, found.task)
    return page(
        request, "task_invitations.html", task=found.task, items=items, seen=found.stamp, here_=place_of(id)
    )


@router.post("/tasks/{id}/invitations")
async def post_invitations(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    """Note down who was asked."""
    found = await run_in_threadpool(found_task, visitor, id)
    keys = set(sent.all("key"))
    if not keys:
        raise Refusal(422, "choice_missing", "没有选邀请谁。", "请勾选已经联系的单位和经纪人。")
    items = await _proposals(visitor, parts, found.task)
    asked = [proposal_from(one) for one in items if one["key"] in keys]

    def work() -> tuple[str, str]:
        refuse_changed(sent, found_task(visitor, id).stamp, "榜单")
        change_task(
            visitor.store, id, lambda one: with_invitations(one, asked, at=now()), actor=visitor.name, at=now(),
            reason=f"主动邀请 {len(asked)} 家",
        )  # fmt: skip
        return place_of(id), f"已记下主动邀请 {len(asked)} 家。"

    response = await done_once(visitor, sent, work)
    parts.changed()
    return response


@router.get("/tasks/{id}/fit")
async def get_fit(request: Request, visitor: AtDesk, parts: Parts, id: PathId) -> Response:
    """How well each opened bid fits by the one ranking."""
    task = (await run_in_threadpool(found_task, visitor, id)).task
    bids = await run_in_threadpool(open_bids_of, visitor.store, task)
    fits = [
        (bid, json.loads(await parts.answer_soon(FitQuestion(audience="staff", today=today(), task=task, bid=bid))))
        for bid in bids
    ]  # fmt: skip
    return page(request, "task_fit.html", task=task, fits=fits, here_=place_of(id))


@router.get("/tasks/{id}/ranking")
def get_ranking(request: Request, visitor: AtDesk, id: PathId) -> Response:
    """The ranking by the marks, or what is missing; who is not known, and what speaks against a reader now."""
    found = found_task(visitor, id)
    material, grading, problems = Material.of(visitor.store, id), None, list[Problem]()
    if found.review is not None and found.task.state == "evaluating":
        try:
            told = graded(material)
            grading, problems = (told, []) if isinstance(told, Grading) else (None, told)
        except Refused as refused:
            refusal = refusal_of(refused)
            assert refusal is not None  # noqa: S101  (every Refused has one)
            problems = [Problem(code=refusal.code, message=refusal.message, remedy=refusal.remedy)]
    against = [*doubts(material), *standing_conflicts(material, now())]
    experts = found.review.experts if found.review else {}
    return page(
        request, "task_ranking.html", task=found.task, grading=grading, problems=problems, against=against,
        names=material.names, experts=experts, here_=place_of(id),
    )  # fmt: skip


async def _proposals(visitor: Visitor, parts: Services, task: Task) -> list[dict[str, Any]]:
    revision = await run_in_threadpool(visitor.store.revision)
    question = ProposalsQuestion(audience="staff", today=today(), task=task, top=None, revision=revision)
    told: dict[str, Any] = json.loads(await parts.answer_soon(question))
    return list(told["items"])
