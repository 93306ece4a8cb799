"""What people judged of pairs, and what came of introductions."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.access import Caller, Judge
from api.pagination import Cursor, Limit, Pages
from api.responses import REFUSALS, json_response
from api.routes.paths import now
from api.services import Parts
from api.wire import (
    JudgementPage,
    JudgementSent,
    JudgementShown,
    OutcomePage,
    OutcomeSent,
    OutcomeShown,
)
from graph.feedback import Feedback, Judgement, Outcome
from graph.store.changes import PutFeedback

router = APIRouter(prefix="/v1", tags=["评级与进展"], responses=REFUSALS)

OfScene = Annotated[str | None, Query(max_length=100, description="只看这个场景的")]


@router.post(
    "/judgements", operation_id="create_judgement", summary="给一对评级", status_code=201,
    responses={201: {"model": JudgementShown}},
)  # fmt: skip
def create_judgement(caller: Judge, parts: Parts, sent: JudgementSent) -> Response:
    _find_pair(caller, sent.scene, sent.achievement)
    record = Judgement(
        scene=sent.scene, achievement=sent.achievement, judge=caller.person(sent.judge), level=sent.level,
        at=now(), reason=sent.reason,
    )  # fmt: skip
    _put(caller, parts, record)
    return json_response(_shown_judgement(record), 201)


@router.get(
    "/judgements",
    operation_id="list_judgements",
    summary="列出评级",
    responses={200: {"model": JudgementPage}},
)
def list_judgements(
    caller: Judge, scene: OfScene = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    found = caller.view.judgements(scene)
    return _page(caller, "judgements", scene, found, limit, cursor, _shown_judgement)


@router.post(
    "/outcomes", operation_id="create_outcome", summary="记录一对的进展", status_code=201,
    responses={201: {"model": OutcomeShown}},
)  # fmt: skip
def create_outcome(caller: Judge, parts: Parts, sent: OutcomeSent) -> Response:
    _find_pair(caller, sent.scene, sent.achievement)
    record = Outcome(
        scene=sent.scene, achievement=sent.achievement, stage=sent.stage, by=caller.person(sent.by), at=now(),
        reason=sent.reason, rank=sent.rank,
    )  # fmt: skip
    _put(caller, parts, record)
    return json_response(_shown_outcome(record), 201)


@router.get(
    "/outcomes", operation_id="list_outcomes", summary="列出进展", responses={200: {"model": OutcomePage}}
)
def list_outcomes(caller: Judge, scene: OfScene = None, limit: Limit = 50, cursor: Cursor = None) -> Response:
    found = caller.view.outcomes(scene)
    return _page(caller, "outcomes", scene, found, limit, cursor, _shown_outcome)


def _find_pair(caller: Caller, scene: str, achievement: str) -> None:
    caller.find("scene", scene)
    caller.find("achievement", achievement)


def _put(caller: Caller, parts: Parts, record: Feedback) -> None:
    what = "评级" if isinstance(record, Judgement) else "进展"
    reason = f"{what}：{record.scene}—{record.achievement}"
    caller.whole.apply([PutFeedback(record=record)], actor=caller.actor, at=record.at, reason=reason)
    parts.changed()


def _page(
    caller: Caller,
    name: str,
    scene: str | None,
    found: Sequence[Any],
    limit: int,
    cursor: str | None,
    shown: Any,
) -> Response:
    pages = Pages(caller, name, scene)
    after = tuple(pages.after(cursor))
    rest = sorted((record for record in found if record.key > after), key=lambda record: record.key)
    last = rest[limit - 1].key if len(rest) > limit else None
    items = [shown(record) for record in rest[:limit]]
    return json_response({"items": items, "next": pages.cursor(last) if last else None})


def _shown_judgement(record: Judgement) -> dict[str, Any]:
    return record.model_dump(mode="json")


def _shown_outcome(record: Outcome) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude={"ranker"})
