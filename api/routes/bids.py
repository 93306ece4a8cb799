"""Bids (投标): checked, handed in, withdrawn, given up, opened, and how they fit; sealed until they are opened.

A key bids for the organisations that it was given for, whoever else's key it is. What it is told before the opening
depends on its own organisations alone.
"""

import json
from itertools import islice, takewhile
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Needs
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal, field_problem
from api.process_forms import kept_code
from api.responses import REFUSALS, json_response, record_response
from api.routes.paths import now, today
from api.routes.tasks import TaskId
from api.services import Parts
from api.task_questions import FitQuestion
from api.task_views import find_bid, find_task, is_bidder, sees_bid, shown_bid, shown_replies, shown_task
from api.wire_tasks import BidChecked, BidMoveSent, BidPage, BidReceived, BidSent, BidShown, FitShown, Opened
from graph.identifiers.uscc import parse_uscc
from graph.problems import Problem, Refused
from matcher.bid_checks import errors
from matcher.bidding import HandedIn, abandon, check_bid, hand_in, open_bids, withdraw
from matcher.bids import Bid, Member, Reply, Viewer, seen_count
from matcher.tasks import OFFICER, POSTER, Task

router = APIRouter(prefix="/v1/tasks/{id}/bids", tags=["投标"], responses=REFUSALS)

Bidder = Annotated[Caller, Depends(Needs("bid"))]
StaffBidder = Annotated[Caller, Depends(Needs("bid", staff=True))]
BidId = Annotated[str, Path(max_length=130, description="投标编号")]
# What these tell rests on records that the caller may not see; officers read them at the opening.
_FOR_OFFICERS = frozenset({"bid_unresolved", "bid_same_group", "bid_name_differs"})


@router.get(
    "", operation_id="list_bids", summary="自己单位的投标；开标后内部钥匙和发榜单位看得到全部",
    responses={200: {"model": BidPage}},
)  # fmt: skip
def list_bids(
    caller: Bidder, id: TaskId, limit: Limit = 50, cursor: Cursor = None
) -> Response:  # fmt: skip
    task = find_task(caller, id)
    pages = Pages(caller, "bids", task.id, *caller.key.bidders)
    after = (pages.after(cursor) or [""])[0]
    # A bid's id is its task's and a mark behind a hyphen.
    of_task = takewhile(
        lambda bid: bid.id.startswith(f"{task.id}-"), caller.whole.processes(Bid, after=after or task.id)
    )
    seen = (bid for bid in of_task if sees_bid(bid, task, caller))
    found = list(islice(seen, limit + 1))
    last = found[limit - 1].id if len(found) > limit else None
    count = seen_count(task, Viewer(role=OFFICER if caller.is_staff else POSTER))
    items = [shown_bid(bid, task, caller) for bid in found[:limit]]
    return json_response({"count": count, "items": items, "next": pages.cursor([last]) if last else None})


@router.post(
    "", operation_id="hand_in_bid", summary="投标；同一家再投即替换", status_code=201,
    responses={201: {"model": BidReceived}},
)  # fmt: skip
def hand_in_bid(request: Request, caller: Bidder, id: TaskId, sent: BidSent) -> Response:
    task, at = find_task(caller, id), now()
    found = hand_in(caller.whole, task.id, values=_values(caller, task, sent), at=at)
    problems = _told(found)
    if found.bid is None:
        wrong = len(errors(found.problems))
        raise Refusal(
            422, "bid_refused", f"投标没有收下，有 {wrong} 处必须改。", "请按 problems 逐条改好再投。",
            problems=[field_problem(problem) for problem in problems],
        )  # fmt: skip
    shown = shown_bid(found.bid, task, caller)
    more = {
        "replaced": found.replaced,
        "problems": [field_problem(problem).model_dump() for problem in problems],
    }
    place = {"Location": f"/v1/tasks/{quote(task.id, safe='')}/bids/{quote(found.bid.id, safe='')}"}
    return json_response(shown | more, 201, place)


@router.post(
    "/check", operation_id="check_bid", summary="形式审查，不投", responses={200: {"model": BidChecked}}
)
def check(caller: Bidder, id: TaskId, sent: BidSent) -> Response:
    task, at = find_task(caller, id), now()
    found = check_bid(caller.whole, task.id, values=_values(caller, task, sent), at=at)
    return json_response({
        "acceptable": found.bid is not None, "replaces": found.replaced,
        "problems": [field_problem(problem) for problem in _told(found)],
    })  # fmt: skip


@router.post(
    "/opening",
    operation_id="open_bids",
    summary="截止后开标，逐个重做形式审查",
    responses={200: {"model": Opened}},
)
def open_all(caller: StaffBidder, id: TaskId) -> Response:
    task, at = find_task(caller, id), now()
    opening = open_bids(caller.whole, task.id, actor=caller.actor, at=at)
    bids = [
        shown_bid(bid, opening.task, caller)
        | {"notes": [field_problem(problem) for problem in opening.notes[bid.id]]}
        for bid in opening.bids
    ]
    return json_response({"task": shown_task(opening.task, caller.view, at), "bids": bids})


@router.get(
    "/{bid}", operation_id="get_bid", summary="查看一个投标",
    responses={200: {"model": BidShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_bid(request: Request, caller: Bidder, id: TaskId, bid: BidId) -> Response:
    task = find_task(caller, id)
    return record_response(request, shown_bid(find_bid(caller, task, bid), task, caller))


@router.post(
    "/{bid}/moves",
    operation_id="move_bid",
    summary="截止前撤回，中榜后放弃",
    responses={200: {"model": BidShown}},
)
def move_bid(request: Request, caller: Bidder, id: TaskId, bid: BidId, sent: BidMoveSent) -> Response:
    task, at = find_task(caller, id), now()
    own = find_bid(caller, task, bid)
    if not is_bidder(own, task, caller):
        raise Refused("move_role", "只有投标单位自己能撤回或放弃。", "请由投标单位办理。")
    step = withdraw if sent.move == "withdraw" else abandon
    after = step(caller.whole, task.id, own.party, at=at, reason=sent.reason)
    return record_response(request, shown_bid(after, task, caller))


@router.get(
    "/{bid}/fit", operation_id="get_bid_fit", summary="投标与榜单的匹配得分和逐条指标",
    responses={200: {"model": FitShown}},
)  # fmt: skip
async def get_fit(caller: Bidder, parts: Parts, id: TaskId, bid: BidId) -> Response:
    task = await run_in_threadpool(find_task, caller, id)
    found = await run_in_threadpool(find_bid, caller, task, bid)
    question = FitQuestion(audience=caller.audience, today=today(), task=task, bid=found)
    told = json.loads(await parts.answer(question))
    return json_response({"bid": found.id, **told, "replies": shown_replies(found, task)})


def _values(caller: Caller, task: Task, sent: BidSent) -> dict[str, Any]:
    """What a body says as a bid's attributes. Refuses an organisation that the key does not bid for, and what is hidden."""
    code = parse_uscc(sent.bidder_uscc)
    if code not in caller.key.bidders:
        raise Refusal(403, "bidder_not_yours", "这把钥匙不能代这家单位投标。", "请市平台为钥匙登记这家单位的统一社会信用代码。")  # fmt: skip
    kind = "achievement" if task.mode == "demand" else "scene"
    if sent.record.strip():
        caller.find(kind, sent.record.strip())
    for name in sent.earlier:
        find_task(caller, name)
    values = sent.model_dump(exclude_unset=True, exclude={"members", "replies"}) | {"bidder_uscc": code}
    if sent.members or "members" in sent.model_fields_set:
        values["members"] = tuple(
            Member(name=one.name, uscc=kept_code(one.uscc), leads=one.leads) for one in sent.members
        )
    if sent.replies or "replies" in sent.model_fields_set:
        values["replies"] = tuple(Reply(**one.model_dump()) for one in sent.replies)
    return values


def _told(found: HandedIn) -> list[Problem]:
    return [problem for problem in found.problems if problem.code not in _FOR_OFFICERS]
