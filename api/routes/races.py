"""Races (竞争赛马): started, judged gate by gate, left, and where the money is. A team sees itself alone."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api.access import Caller, Needs, Reader, not_found
from api.problem_documents import Refusal
from api.responses import REFUSALS, record_response
from api.routes.paths import now
from api.routes.tasks import StaffWriter, TaskId
from api.task_views import find_task, is_bidder, is_inside, shown_race
from api.wire_tasks import GateMoveSent, GateSent, LeaveSent, RaceSent, RaceShown
from graph.problems import Refused
from matcher.bids import Bid
from matcher.process_values import parse_points
from matcher.races import TEAM, Gate, Race
from matcher.racing import extended, judged, left, race_step, start_race
from matcher.tasks import OFFICER, Task

router = APIRouter(prefix="/v1/tasks/{id}/race", tags=["竞争赛马"], responses=REFUSALS)

Bidder = Annotated[Caller, Depends(Needs("bid"))]


@router.get(
    "", operation_id="get_race", summary="赛况和资金；参赛团队只看得到自己",
    responses={200: {"model": RaceShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_race(request: Request, caller: Reader, id: TaskId) -> Response:
    race, own = _find(caller, find_task(caller, id))
    return record_response(request, shown_race(race, own))


@router.post(
    "", operation_id="start_race", summary="签约后开赛：榜金全部预留，按关口拨付", status_code=201,
    responses={201: {"model": RaceShown}},
)  # fmt: skip
def start(request: Request, caller: StaffWriter, id: TaskId, sent: RaceSent) -> Response:
    task = find_task(caller, id)
    gates = [_gate(one) for one in sent.gates]
    race = start_race(caller.whole, task.id, gates, actor=caller.actor, at=now())
    return record_response(request, shown_race(race, None), 201, {"Location": f"/v1/tasks/{task.id}/race"})


@router.post(
    "/gates",
    operation_id="judge_gate",
    summary="评下一个关口，或为各队一样地延期",
    responses={200: {"model": RaceShown}},
)
def judge(request: Request, caller: StaffWriter, id: TaskId, sent: GateMoveSent) -> Response:
    (race, _), at = _find(caller, find_task(caller, id)), now()
    name = race.next_gate.name if race.next_gate else ""
    if bool(sent.teams) == (sent.extend_to is not None):
        raise Refusal(422, "gate_what", "没有写明是评审还是延期，或两样都写了。", "评审写 teams，延期写 extend_to 和 reason。")  # fmt: skip
    if sent.extend_to is not None:
        date = sent.extend_to
        race = race_step(
            caller.whole, race.id, lambda one: extended(one, date, reason=sent.reason, at=at), actor=caller.actor, at=at,
            reason=f"关口“{name}”延期：{sent.reason}",
        )  # fmt: skip
        return record_response(request, shown_race(race, None))
    if {one.team for one in sent.teams} != {team.bid for team in race.running}:
        raise Refused("move_requirement", "有的在赛团队没有评分，或评了不在赛的。", "请给每个在赛团队各评一次分。")  # fmt: skip
    points = {one.team: parse_points(one.points) or Decimal(0) for one in sent.teams}
    evidence = {one.team: one.evidence for one in sent.teams}
    reasons = {one.team: one.reason for one in sent.teams if one.reason}
    race = race_step(
        caller.whole, race.id, lambda one: judged(one, points, evidence, at=at, reasons=reasons), actor=caller.actor,
        at=at, reason=f"关口“{name}”评审",
    )  # fmt: skip
    return record_response(request, shown_race(race, None))


@router.post(
    "/departures", operation_id="leave_race", summary="一支团队退出", responses={200: {"model": RaceShown}}
)
def leave(request: Request, caller: Bidder, id: TaskId, sent: LeaveSent) -> Response:
    (race, own), at = _find(caller, find_task(caller, id)), now()
    if own is None and not caller.is_staff:
        own = _own(caller, find_task(caller, id), race)
    if own is not None and sent.team not in own:
        raise not_found("团队", sent.team)
    if own is not None and sent.refund:
        raise Refused("move_role", "退还多少由市平台登记。", "请不写 refund，联系市平台。")
    role = OFFICER if caller.is_staff else TEAM
    name = next((team.name for team in race.teams if team.bid == sent.team), sent.team)
    race = race_step(
        caller.whole, race.id,
        lambda one: left(one, sent.team, reason=sent.reason, at=at, refund=sent.refund, role=role),
        actor=caller.actor, at=at, reason=f"“{name}”退出：{sent.reason}",
    )  # fmt: skip
    return record_response(request, shown_race(race, own))


def _find(caller: Caller, task: Task) -> tuple[Race, list[str] | None]:
    """The race and as whose team the caller sees it, None for all of it; else the one 404."""
    race = caller.whole.process(Race, task.id)
    if race is not None:
        if is_inside(task, caller.view):
            return race, None
        if own := _own(caller, task, race):
            return race, own
    raise not_found(Race.label, task.id)


def _own(caller: Caller, task: Task, race: Race) -> list[str]:
    """The bids of the race's teams that are the caller's."""
    bids = (caller.whole.process(Bid, team.bid) for team in race.teams)
    return [bid.id for bid in bids if bid is not None and is_bidder(bid, task, caller)]


def _gate(sent: GateSent) -> Gate:
    threshold = None if sent.threshold is None else parse_points(sent.threshold)
    return Gate(**sent.model_dump(exclude={"threshold"}), threshold=threshold)
