"""Assignment of achievements to scenes (统筹对接): sent, watched, cancelled, read, and held against an earlier one."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.access import Caller, Reader, not_found
from api.assignments import KIND, chosen_from
from api.idempotency import made_id
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal
from api.responses import REFUSALS, json_response
from api.routes.jobs import is_for, page_of_jobs
from api.routes.paths import now, today
from api.services import Parts
from api.wire_tasks import AssignmentPage, AssignmentSent, AssignmentShown, DifferenceShown
from graph.kinds import KINDS
from graph.store.jobs import Job
from matcher.assignment_plan import Plan, plan_difference

router = APIRouter(prefix="/v1/assignments", tags=["统筹对接"], responses=REFUSALS)

# Of one partner, waiting or under way: each takes a core for seconds to minutes.
_MOST = 5
AssignmentId = Annotated[str, Path(max_length=100, description="统筹对接的编号")]


@router.post(
    "", operation_id="create_assignment", summary="把成果一次分配给各个场景，或核对手工排的方案", status_code=202,
    responses={202: {"model": AssignmentShown, "description": "已排队"}},
)  # fmt: skip
def create_assignment(request: Request, caller: Reader, parts: Parts, sent: AssignmentSent) -> Response:
    _find_all(caller, sent)
    if (sent.rule == "given") != bool(sent.pairs):
        raise Refusal(422, "assignment_pairs", "手工排的方案和 rule 对不上。", "核对手工方案写 rule: given 和 pairs；由程序排的不写 pairs。")  # fmt: skip
    newest = parts.store.jobs.list(caller.partner, None, 4 * _MOST, kind=KIND)
    id = made_id(request, "FP-")
    waiting = sum(job.state in ("queued", "running") for job in newest if job.id != id)
    if waiting >= _MOST:
        raise Refusal(
            429, "jobs_many", f"已有 {_MOST} 个统筹对接没有算完。", "请等其中一些结束，或取消后再来。", headers={"Retry-After": "10"}
        )  # fmt: skip
    asked = {
        "asked": sent.model_dump(mode="json", exclude_unset=True), "audience": caller.audience,
        "today": today().isoformat(),
    }  # fmt: skip
    job = parts.store.jobs.add(
        id=id, kind=KIND, partner=caller.partner, actor=caller.actor, at=now(), attributes=asked
    )
    parts.assignments.poke()
    return json_response(_shown(job), 202, {"Location": f"/v1/assignments/{id}"})


@router.get(
    "",
    operation_id="list_assignments",
    summary="列出统筹对接，不含方案",
    responses={200: {"model": AssignmentPage}},
)
def list_assignments(caller: Reader, parts: Parts, limit: Limit = 50, cursor: Cursor = None) -> Response:
    pages = Pages(caller, "assignments")
    found, following = page_of_jobs(caller, parts, KIND, pages, cursor, limit)
    items = [_shown(job) | {"plan": None} for job in found]
    return json_response({"items": items, "next": following})


@router.get(
    "/{id}", operation_id="get_assignment", summary="统筹对接算到哪里，方案或排不出的原因",
    responses={200: {"model": AssignmentShown}},
)  # fmt: skip
def get_assignment(caller: Reader, parts: Parts, id: AssignmentId) -> Response:
    return json_response(_shown(_find(caller, parts, id)))


@router.delete(
    "/{id}", operation_id="cancel_assignment", summary="取消一个统筹对接", status_code=204,
    responses={204: {"description": "已取消"}},
)  # fmt: skip
def cancel_assignment(caller: Reader, parts: Parts, id: AssignmentId) -> Response:
    job = _find(caller, parts, id)
    if not parts.store.jobs.cancel(job.id, now(), begun=True):
        raise Refusal(
            409, "job_ended", "这个统筹对接已经结束。", "不用取消；方案只供查看，没有写入任何内容。"
        )
    return Response(status_code=204)


@router.get(
    "/{id}/difference", operation_id="compare_assignments", summary="与另一个方案相比：新增、取消、保留的对子",
    responses={200: {"model": DifferenceShown}},
)  # fmt: skip
def compare(
    caller: Reader, parts: Parts, id: AssignmentId,
    against: Annotated[str, Query(max_length=100, description="与哪一个比（较早的编号）")],
) -> Response:  # fmt: skip
    after, before = (_plan(_find(caller, parts, one)) for one in (id, against))
    difference = plan_difference(_read(before), _read(after))
    shown = {(one["scene"], one["achievement"]): one for one in (*before["pairs"], *after["pairs"])}
    old = {(one["scene"], one["achievement"]): one for one in before["pairs"]}
    return json_response({
        "added": [shown[pair.scene, pair.achievement] for pair in difference.added],
        "removed": [old[pair.scene, pair.achievement] for pair in difference.removed],
        "kept": [shown[pair.scene, pair.achievement] for pair in difference.kept],
        "change": difference.change, "refitted": difference.refitted,
    })  # fmt: skip


def _find_all(caller: Caller, sent: AssignmentSent) -> None:
    """Every record that is named, as the caller sees it; else the one 404."""
    pairs = [*sent.pairs, *sent.forced, *sent.forbidden]
    wanted = {
        "scene": [*sent.scenes, *(p.scene for p in pairs), *(c.id for c in sent.scene_capacities)],
        "achievement": [
            *sent.achievements, *(p.achievement for p in pairs), *(c.id for c in sent.achievement_capacities),
        ],
    }  # fmt: skip
    for kind, ids in wanted.items():
        known = caller.view.get_many(kind, ids)
        if missing := next((id for id in ids if id not in known), None):
            raise not_found(KINDS[kind].label, missing)


def _find(caller: Caller, parts: Any, id: str) -> Job:
    job: Job | None = parts.store.jobs.get(id)
    if job is None or job.kind != KIND or not is_for(caller, job):
        raise not_found("统筹对接", id)
    return job


def _plan(job: Job) -> Mapping[str, Any]:
    plan = (job.result or {}).get("plan")
    if plan is None:
        raise Refusal(409, "plan_missing", f"“{job.id}”还没有方案，或没有排出来。", "请等它算完；没有排出来的看 problems。")  # fmt: skip
    found: Mapping[str, Any] = plan
    return found


def _read(plan: Mapping[str, Any]) -> Plan:
    pairs = chosen_from(plan["pairs"])
    return Plan(rule="best", pairs=pairs, left=(), total=plan["total"], bound=0.0, optimal=False)


def _shown(job: Job) -> dict[str, Any]:
    result = job.result or {}
    return {
        "id": job.id, "state": job.state, "created_at": job.created_at, "updated_at": job.updated_at, "done": job.done,
        "total": job.total, "asked": job.attributes["asked"], "plan": result.get("plan"),
        "problems": result.get("problems", []),
    }  # fmt: skip
