"""Awards of a task, for staff: propose, make public, object, answer, put into force, withdraw; what losers are told."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from api.access import Caller, not_found
from api.case_document import MEDIA_TYPE as DOCX
from api.problem_documents import Refusal
from api.responses import REFUSALS, file_answers, file_response, json_response, record_response
from api.review_papers import write_notice
from api.routes.paths import now
from api.routes.reviews import StaffReader, StaffWriter, TaskId, known_task
from api.services import Parts
from api.wire_reviews import AwardMoveSent, AwardShown, ProposalSent, ReasonsShown
from matcher import awarding
from matcher.awarding import Awarded
from matcher.awards import RULES, Award, justification, reasons
from matcher.tasks import Task

router = APIRouter(prefix="/v1/tasks/{id}/award", tags=["定标"], responses=REFUSALS)

BidId = Annotated[str, Path(max_length=130, description="投标编号")]


@router.get(
    "", operation_id="get_award", summary="定标：排名和理由、公示和异议",
    responses={200: {"model": AwardShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_award(request: Request, caller: StaffReader, id: TaskId) -> Response:
    task, award = _known(caller, id)
    return record_response(request, _shown(award, task))


@router.post(
    "", operation_id="propose_award", summary="按评审的排名拟定中选方，榜单进入定标",
    responses={200: {"model": AwardShown}},
)  # fmt: skip
def propose(caller: StaffWriter, parts: Parts, id: TaskId, sent: ProposalSent) -> Response:
    task, at = known_task(caller, id), now()
    if sent.points:
        done = awarding.propose_by_points(
            caller.whole, task.id, points={one.bid: Decimal(one.points) for one in sent.points},
            reasons={one.bid: one.reason for one in sent.points}, winners=sent.winners, actor=caller.actor, at=at,
        )  # fmt: skip
    else:
        done = awarding.propose(caller.whole, task.id, winners=sent.winners, actor=caller.actor, at=at)
    parts.changed()
    return json_response(_shown(done.award, done.task))


@router.post(
    "/moves", operation_id="move_award", summary="公示、登记和答复异议、生效、撤销",
    responses={200: {"model": AwardShown}},
)  # fmt: skip
def move_award(caller: StaffWriter, parts: Parts, id: TaskId, sent: AwardMoveSent) -> Response:
    task, _ = _known(caller, id)
    done = _moved(caller, task.id, sent, now())
    parts.changed()
    return json_response(_shown(done.award, done.task))


@router.get(
    "/notice",
    operation_id="get_award_notice",
    summary="定标公示（docx），公示以后",
    responses=file_answers(DOCX),
)
def get_notice(request: Request, caller: StaffReader, id: TaskId) -> Response:
    task, award = _known(caller, id)
    if award.state not in ("notice", "effective"):
        raise not_found("公示", id)
    return file_response(request, f"定标公示-{task.id}.docx", DOCX, partial(write_notice, award=award))


@router.get(
    "/reasons/{bid}", operation_id="get_award_reasons", summary="给一家落选单位的反馈；不含其他单位和专家",
    responses={200: {"model": ReasonsShown}},
)  # fmt: skip
def get_reasons(caller: StaffReader, id: TaskId, bid: BidId) -> Response:
    _, award = _known(caller, id)
    if bid not in {one.entry for one in award.ranking}:
        raise not_found("投标", bid)
    if bid in award.winners:
        raise Refusal(409, "award_won", f"投标 {bid} 已拟中选，没有落选原因。", "请写落选投标的编号。")
    return json_response({"bid": bid, "lines": reasons(award, bid)})


def _moved(caller: Caller, task_id: str, sent: AwardMoveSent, at: datetime) -> Awarded:
    store, actor = caller.whole, caller.actor
    match sent.move:
        case "publish":
            return awarding.publish(store, task_id, actor=actor, at=at)
        case "object":
            return awarding.object_to(store, task_id, by=sent.by, text=sent.text, actor=actor, at=at)
        case "answer":
            return awarding.answer(store, task_id, sent.number, text=sent.text, actor=actor, at=at)
        case "confirm":
            return awarding.confirm(store, task_id, actor=actor, at=at)
        case "withdraw":
            return awarding.withdraw(store, task_id, reason=sent.reason, actor=actor, at=at)


def _known(caller: Caller, id: str) -> tuple[Task, Award]:
    task = known_task(caller, id)
    award = caller.whole.process(Award, task.id)
    if award is None:
        raise not_found(Award.label, id)
    return task, award


def _shown(award: Award, task: Task) -> Mapping[str, Any]:
    state = RULES.states[award.state]
    return {
        "task": award.id, "task_state": task.state, "state": award.state, "state_label": state.label, "duty": state.duty,
        "due": award.due, "rule": award.rule, "checks": award.checks, "notice_days": award.notice_days,
        "notice_from": award.notice_from, "notice_to": award.notice_to, "reason": award.reason,
        "ranking": [
            one.model_dump(exclude={"entry", "name", "exact"})
            | {"bid": one.entry, "bidder": one.name, "wins": one.entry in award.winners}
            for one in award.ranking
        ],
        "justification": [{"what": what, "text": text} for what, text in justification(award)],
        "objections": [one.model_dump() for one in award.objections],
    }  # fmt: skip
