"""Access keys, for administrators: list, create (shown once), revoke."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field

from api.access import StaffAdministrator
from api.keys import PER_MINUTE, Key, create_key, revoke_key, shown_key
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal
from api.responses import REFUSALS, json_response
from api.routes.paths import now
from api.wire import KeyCreated, KeyPage, Scope, Sent
from graph.problems import Refused

router = APIRouter(prefix="/v1/keys", tags=["管理"], responses=REFUSALS)


class KeySent(Sent):
    """A key for a partner."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"partner": "hengqin-platform", "name": "对接服务", "scopes": ["read", "write", "order"], "days": 365},
    ]})  # fmt: skip

    partner: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,31}$", description="合作平台代号")]
    name: Annotated[str, Field(max_length=60, description="用途")] = ""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=6)]
    audience: Literal["public", "partner", "staff"] = "partner"
    days: Annotated[int | None, Field(ge=1, le=3650, description="有效天数；null 为不限")] = 365
    per_minute: Annotated[int, Field(ge=1, le=100_000)] = PER_MINUTE
    bidders: Annotated[
        Sequence[Annotated[str, Field(min_length=1, max_length=30)]],
        Field(max_length=200, description="可以代哪些单位投标：统一社会信用代码"),
    ] = ()


@router.get("", operation_id="list_keys", summary="列出访问钥匙", responses={200: {"model": KeyPage}})
def list_keys(caller: StaffAdministrator, limit: Limit = 50, cursor: Cursor = None) -> Response:
    pages = Pages(caller, "keys")
    after = (pages.after(cursor) or [""])[0]
    found = list(caller.view.processes(Key, None, None, after, limit + 1))
    last = found[limit - 1].id if len(found) > limit else None
    return json_response(
        {"items": [shown_key(key) for key in found[:limit]], "next": pages.cursor([last]) if last else None}
    )


@router.post(
    "", operation_id="create_key", summary="创建访问钥匙（只显示这一次）", status_code=201,
    responses={201: {"model": KeyCreated}},
)  # fmt: skip
def create(request: Request, caller: StaffAdministrator, sent: KeySent) -> Response:
    if "idempotency-key" in request.headers:
        # The answer would have to be kept, and the token with it.
        raise Refusal(422, "idempotency_refused", "创建钥匙不能带 Idempotency-Key：钥匙不会被保存。", "请去掉这个请求头；没收到答复时，吊销多出的钥匙再建。")  # fmt: skip
    key, token = create_key(
        caller.whole, partner=sent.partner, name=sent.name, scopes=sent.scopes, audience=sent.audience,
        lasts=None if sent.days is None else timedelta(days=sent.days), per_minute=sent.per_minute,
        actor=caller.actor, at=now(), bidders=sent.bidders,
    )  # fmt: skip
    return json_response({**shown_key(key), "token": token}, 201, {"Location": f"/v1/keys/{key.id}"})


@router.delete(
    "/{id}", operation_id="revoke_key", summary="吊销访问钥匙", status_code=204,
    responses={204: {"description": "已吊销，立即失效"}},
)  # fmt: skip
def revoke(
    caller: StaffAdministrator, id: Annotated[str, Path(max_length=40)],
    reason: Annotated[str, Query(max_length=200, description="原因，记入历史")] = "",
) -> Response:  # fmt: skip
    try:
        revoke_key(caller.whole, id, actor=caller.actor, at=now(), reason=reason)
    except Refused as refused:
        if refused.code == "key_unknown":
            raise Refusal(404, "not_found", refused.message, "请核对编号。") from None
        raise
    return Response(status_code=204)
