"""Webhooks: register an address and events, look at what was delivered, send it again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Reader, not_found
from api.idempotency import made_id
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal
from api.responses import REFUSALS, json_response
from api.routes.paths import now
from api.services import Parts, Services
from api.targets import Forbidden, resolved
from api.webhooks import EVENTS, URL_LIMIT, WEBHOOK_RULES, Webhook, message_id, parse_url, webhook_secret
from api.wire import DeliveryPage, Replayed, Sent, WebhookCreated, WebhookPage, WebhookShown
from graph.problems import Refused
from graph.processes import moved, opened
from graph.store.changes import PutProcess
from graph.store.outbox import Delivery
from graph.visibility import may_see

router = APIRouter(prefix="/v1/webhooks", tags=["回调"], responses=REFUSALS)

WebhookId = Annotated[str, Path(max_length=100, description="回调编号")]
Event = Annotated[str, Field(description="、".join(EVENTS), max_length=60)]
_MOST = 20
_LOGGED = 10_000  # deliveries of one webhook that can be looked at and sent again


class WebhookSent(Sent):
    """Where to tell of what; no events means all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"url": "https://portal.example/hooks/jiebang", "events": ["scene.created", "order.moved"]},
    ]})  # fmt: skip

    url: Annotated[str, Field(min_length=1, max_length=URL_LIMIT)]
    events: Annotated[list[Event], Field(max_length=len(EVENTS), default_factory=list)]


class ReplaySent(Sent):
    """What to send again: everything of a time and later, or these."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-03-31T00:00:00Z"}]})

    since: AwareDatetime | None = None
    ids: Annotated[list[Annotated[str, Field(max_length=40)]] | None, Field(max_length=1000)] = None


class WebhookMove(Sent):
    """Pause, resume, or a new secret."""

    move: Literal["pause", "resume", "rotate"]


@router.post(
    "",
    operation_id="create_webhook",
    summary="登记回调",
    status_code=201,
    responses={201: {"model": WebhookCreated}},
)
async def create_webhook(request: Request, caller: Reader, parts: Parts, sent: WebhookSent) -> Response:
    unknown = [event for event in sent.events if event not in EVENTS]
    if unknown:
        raise Refusal(422, "event_unknown", f"没有“{unknown[0]}”这种事件。", f"可选：{'、'.join(EVENTS)}。")
    number = made_id(request, "HD-")
    try:
        await resolved(parse_url(sent.url), private=parts.settings.private_targets)
    except Forbidden as forbidden:
        raise Refusal(
            422, "webhook_target", f"{forbidden}。", "请写公网可以访问的 https 地址；内网部署请联系市平台。"
        ) from None
    return await run_in_threadpool(_create, caller, parts, number, sent)


def _create(caller: Caller, parts: Services, number: str, sent: WebhookSent) -> Response:
    mine = _mine(caller)
    webhook = next((hook for hook in mine if hook.id == number), None)
    if webhook is None:
        if len(mine) >= _MOST:
            raise Refusal(409, "webhooks_many", f"每个平台最多 {_MOST} 个回调。", "请先删除不用的。")
        parts.store.outbox.unread(0)  # from now on changes are told
        at = now()
        webhook = opened(
            Webhook, WEBHOOK_RULES, id=number, at=at, partner=caller.partner, url=sent.url,
            events=tuple(dict.fromkeys(sent.events or EVENTS)), audience=caller.audience, key_id=caller.key.id,
            since=caller.whole.head().seq,
        )  # fmt: skip
        caller.whole.apply(
            [PutProcess(process=webhook)], actor=caller.actor, at=at, reason=f"登记回调 {webhook.id}"
        )
    shown = _shown(webhook) | {"secret": webhook_secret(caller.whole, webhook)}
    return json_response(shown, 201, {"Location": f"/v1/webhooks/{webhook.id}"})


@router.get("", operation_id="list_webhooks", summary="列出回调", responses={200: {"model": WebhookPage}})
def list_webhooks(caller: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
    pages = Pages(caller, "webhooks")
    after = (pages.after(cursor) or [""])[0]
    found = _mine(caller, after)
    last = found[limit - 1].id if len(found) > limit else None
    items = [_shown(hook) for hook in found[:limit]]
    return json_response({"items": items, "next": pages.cursor([last]) if last else None})


@router.get(
    "/{id}", operation_id="get_webhook", summary="查看一个回调", responses={200: {"model": WebhookShown}}
)
def get_webhook(caller: Reader, id: WebhookId) -> Response:
    return json_response(_shown(_find(caller, id)))


@router.delete(
    "/{id}", operation_id="delete_webhook", summary="删除回调", status_code=204,
    responses={204: {"description": "已删除，等待中的不再发送"}},
)  # fmt: skip
def delete_webhook(caller: Reader, parts: Parts, id: WebhookId) -> Response:
    _move(caller, id, "end")
    parts.store.outbox.drop_waiting(id)
    return Response(status_code=204)


@router.post(
    "/{id}/moves", operation_id="move_webhook", summary="暂停、恢复或换密钥",
    responses={200: {"model": WebhookCreated | WebhookShown}},
)  # fmt: skip
def move_webhook(caller: Reader, parts: Parts, id: WebhookId, sent: WebhookMove) -> Response:
    webhook = _move(caller, id, sent.move)
    if sent.move == "resume":
        parts.store.outbox.wake(webhook.id, now())
    parts.dispatcher.poke()
    shown = _shown(webhook)
    if sent.move == "rotate":
        shown |= {"secret": webhook_secret(caller.whole, webhook)}
    return json_response(shown)


@router.post(
    "/{id}/ping", operation_id="ping_webhook", summary="发一条试验消息", status_code=202,
    responses={202: {"model": WebhookShown, "description": "已排队"}},
)  # fmt: skip
def ping_webhook(caller: Reader, parts: Parts, id: WebhookId) -> Response:
    webhook = _find(caller, id)
    parts.dispatcher.ping(webhook, now())
    return json_response(_shown(webhook), 202)


@router.get(
    "/{id}/deliveries",
    operation_id="list_deliveries",
    summary="投递记录",
    responses={200: {"model": DeliveryPage}},
)
def list_deliveries(
    caller: Reader, parts: Parts, id: WebhookId, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    webhook = _find(caller, id)
    pages = Pages(caller, "deliveries", webhook.id)
    place = pages.after(cursor)
    log, secret = parts.store.outbox.log(webhook.id, None, _LOGGED), caller.whole.secret()
    ids = [message_id(secret, delivery) for delivery in log]
    start = _start(place, ids, log)
    items = [_shown_delivery(id, one) for id, one in zip(ids, log, strict=True)][start : start + limit]
    last = start + limit - 1
    more = last + 1 < len(log)
    return json_response(
        {
            "items": items,
            "next": pages.cursor([ids[last], log[last].created_at.isoformat()]) if more else None,
        }
    )


@router.post(
    "/{id}/replay", operation_id="replay_deliveries", summary="重新投递", status_code=202,
    responses={202: {"model": Replayed, "description": "已排队"}},
)  # fmt: skip
def replay_deliveries(caller: Reader, parts: Parts, id: WebhookId, sent: ReplaySent) -> Response:
    webhook = _find(caller, id)
    if (sent.since is None) == (sent.ids is None):
        raise Refusal(422, "replay_what", "没有写明重发哪些，或两样都写了。", "请在 since（从哪一条起）和 ids（哪几条）中写一个。")  # fmt: skip
    secret, wanted = caller.whole.secret(), set(sent.ids or ())
    numbers = [
        delivery.id
        for delivery in parts.store.outbox.log(webhook.id, None, _LOGGED)
        if (sent.since is not None and delivery.created_at >= sent.since)
        or message_id(secret, delivery) in wanted
    ]
    count = parts.store.outbox.replay(webhook.id, ids=numbers, at=now())
    parts.dispatcher.poke()
    return json_response({"replayed": count}, 202)


def _start(place: list[str], ids: Sequence[str], log: Sequence[Delivery]) -> int:
    """Where the page behind ``place`` begins, also where what it names is forgotten by now."""
    if not place:
        return 0
    if place[0] in ids:
        return ids.index(place[0]) + 1
    at = datetime.fromisoformat(place[1])
    return next((index for index, one in enumerate(log) if one.created_at < at), len(log))


def _mine(caller: Caller, after: str = "") -> list[Webhook]:
    """The partner's own webhooks; those of others are nobody else's business, staff's neither.

    Nor are those that see more than the caller: their deliveries name records that it must not know of.
    """
    return [
        hook
        for hook in caller.whole.processes(Webhook, caller.partner, None, after)
        if hook.state != "ended" and may_see(caller.audience, hook.audience)
    ]


def _find(caller: Caller, id: str) -> Webhook:
    found = next((hook for hook in _mine(caller) if hook.id == id), None)
    if found is None:
        raise not_found(Webhook.label, id)
    return found


def _move(caller: Caller, id: str, name: str) -> Webhook:
    at, revision = now(), caller.whole.revision()
    webhook = _find(caller, id)
    values: dict[str, Any] = {}
    if name == "rotate":
        values = {"version": webhook.version + 1}
        name = "rotate_paused" if webhook.state == "paused" else name
    elif name == "resume":
        values = {"reason": "", "key_id": caller.key.id}
    after = moved(webhook, WEBHOOK_RULES, name, role="partner", at=at, values=values)
    reason = f"回调 {webhook.id} {WEBHOOK_RULES.moves[name].label}"
    try:
        caller.whole.apply(
            [PutProcess(process=after)], actor=caller.actor, at=at, reason=reason, since=revision
        )
    except Refused as refused:
        if refused.code != "plan_stale":
            raise
        raise Refusal(409, "webhook_changed", "这个回调刚被改动。", "请重新读取后再试。") from None
    return after


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id, "url": webhook.url, "events": list(webhook.events), "state": webhook.state,
        "created_at": webhook.opened_at, "reason": webhook.reason,
    }  # fmt: skip


def _shown_delivery(id: str, delivery: Delivery) -> dict[str, Any]:
    waiting = delivery.state == "waiting"
    return {
        "id": id, "event": delivery.event, "subject": delivery.subject, "state": delivery.state,
        "attempts": delivery.attempts, "created_at": delivery.created_at, "due_at": delivery.due_at if waiting else None,
        "last_at": delivery.last_at, "last_status": delivery.last_status, "last_error": delivery.last_error,
    }  # fmt: skip
