"""Webhooks of partners: where to tell, of what, and how a receiver knows that it is us.

Signatures are those of Standard Webhooks (1.0): HMAC-SHA256 over ``id.timestamp.body``, base64, behind ``v1,``.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from api.records import PLURALS, shown_node
from api.task_views import sees_task, shown_task
from api.wire import utc_text
from graph.kinds import columns
from graph.problems import BadValue
from graph.processes import Move, Process, Rules, State
from graph.store.audience import AudienceStore
from graph.store.history import Entry
from graph.store.moments import moment_from
from graph.store.outbox import Delivery
from graph.store.records import canonical, node_from, process_from
from graph.store.store import Store
from graph.values import Seen, Text
from matcher.orders import Order
from matcher.tasks import Task

ACTIONS = ("created", "changed", "retired")
EVENTS = (
    *(f"{kind}.{action}" for kind in PLURALS for action in ACTIONS),
    "order.placed",
    "order.moved",
    "task.published",
    "task.changed",
    "task.decided",
)
PING = "ping"
URL_LIMIT = 500


def parse_url(value: object) -> str:
    """An address to deliver to: http or https, a host, no user, no fragment. Raises ``BadValue``."""
    text = str(value).strip()
    remedy = "请写完整的 https 地址，例如 https://portal.example/hooks/jiebang"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadValue("webhook_url", "看不懂回调地址", remedy) from None
    wrong = parts.scheme not in ("https", "http") or not parts.hostname or port == 0
    if wrong or len(text) > URL_LIMIT or not text.isascii() or not text.isprintable() or " " in text:
        raise BadValue("webhook_url", "看不懂回调地址", remedy)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadValue("webhook_url", "回调地址里不能有用户名、密码和 #", remedy)
    return text


class Webhook(Process):
    """回调: an address that is told of what its partner may see, as long as the key ``key_id`` opens.

    It is told of what comes after the history row ``since``.
    """

    kind = "webhook"
    label = "回调"

    url: Annotated[str, BeforeValidator(parse_url), Field(title="地址")]
    events: Annotated[tuple[str, ...], Field(title="事件")]
    audience: Annotated[Seen, Field(title="可见范围")] = "partner"
    key_id: Annotated[str, Field(title="钥匙编号")] = ""
    since: Annotated[int, Field(title="起点")] = 0
    version: Annotated[int, Field(title="密钥版本")] = 1
    reason: Annotated[Text, Field(title="原因")] = ""


_BY_PARTNER = frozenset({"partner", "system"})
WEBHOOK_RULES = Rules(
    states={
        "active": State(name="active", label="启用"),
        "paused": State(name="paused", label="暂停"),
        "ended": State(name="ended", label="已删除", final=True),
    },
    moves={
        "pause": Move(name="pause", label="暂停", sources=("active",), target="paused", roles=_BY_PARTNER),
        # Also of one that is not paused: so another key takes over from one that will expire.
        "resume": Move(
            name="resume", label="恢复", sources=("active", "paused"), target="active", roles=_BY_PARTNER
        ),
        "rotate": Move(
            name="rotate", label="换密钥", sources=("active",), target="active", roles=_BY_PARTNER
        ),
        "rotate_paused": Move(
            name="rotate_paused", label="换密钥", sources=("paused",), target="paused", roles=_BY_PARTNER
        ),
        "end": Move(
            name="end", label="删除", sources=("active", "paused"), target="ended", roles=_BY_PARTNER
        ),
    },
)


def webhook_secret(store: Store, webhook: Webhook) -> str:
    """The secret that receiver and sender share; made from the store's own and kept nowhere else."""
    about = f"webhook\0{webhook.id}\0{webhook.version}".encode()
    return "whsec_" + base64.b64encode(hmac.digest(store.secret().encode(), about, hashlib.sha256)).decode()


def message_id(secret: str, delivery: Delivery) -> str:
    """A delivery's id as its partner knows it, by the store's secret: the numbers themselves would count everybody's."""
    about = f"message\0{delivery.webhook}\0{delivery.id}".encode()
    return "msg_" + hmac.digest(secret.encode(), about, hashlib.sha256).hex()[:24]


def signed_headers(secret: str, number: str, delivery: Delivery, at: datetime) -> dict[str, str]:
    """The headers by which a receiver checks sender, age and content of a delivery."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{number}.{stamp}.".encode() + delivery.body.encode()
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": number,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature}",
        "content-type": "application/json; charset=utf-8",
        "user-agent": "jiebang-webhooks/1",
    }


def event_of(store: Store, webhook: Webhook, entry: Entry) -> tuple[str, str] | None:
    """(event, body) that a change is for the webhook; None for one that it does not see or did not ask for.

    A record that comes into sight is created for it, one that goes out of sight retired, and a change of hidden
    columns is none.
    """
    if not any(event.startswith(f"{entry.key[-2]}.") for event in webhook.events):
        return None  # looking at what it sees takes long
    told = _told(_view(store, webhook), entry)
    if told is None or told[0] not in webhook.events:
        return None
    event, data = told
    return event, _written({"event": event, "seq_at": utc_text(moment_from(entry.at)), "data": data})


def body_now(store: Store, webhook: Webhook, delivery: Delivery) -> str | None:
    """What may be sent of a delivery that was queued a while ago, or is sent again; None for nothing.

    A record that is out of sight by now is not told of (that it has gone is a delivery of its own), and columns that
    are hidden by now are left out.
    """
    kind, _, action = delivery.event.partition(".")
    if kind not in PLURALS or action == "retired":
        return delivery.body
    body = json.loads(delivery.body)
    data = body["data"]
    whole = store.get(kind, data["id"])
    seen = None if whole is None else _view(store, webhook).as_seen(whole)
    if whole is None or seen is None:
        return None
    hidden = [name for name in columns(type(whole)) if getattr(whole, name) != getattr(seen, name)]
    if data.keys().isdisjoint(hidden):
        return delivery.body
    body["data"] = {name: value for name, value in data.items() if name not in hidden}
    return _written(body)


def ping_body(at: datetime) -> str:
    """The body of a trial delivery."""
    return json.dumps({"event": PING, "seq_at": utc_text(at), "data": {}})


def _view(store: Store, webhook: Webhook) -> AudienceStore:
    return AudienceStore(store, webhook.audience, own=webhook.partner)


def _written(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True)


def _told(view: AudienceStore, entry: Entry) -> tuple[str, Mapping[str, Any]] | None:
    match entry.key:
        case (kind, id) if kind in PLURALS:
            before, after = (_seen(view, kind, values) for values in (entry.before, entry.after))
            if before == after:
                return None
            if after is None:
                return f"{kind}.retired", {"kind": kind, "id": id}
            return f"{kind}.{'created' if before is None else 'changed'}", after
        case ("process", Order.kind, id):
            now = entry.after or {}
            if view.audience != "staff" and (not view.own or now.get("partner") != view.own):
                return None
            event = "order.placed" if entry.before is None else "order.moved"
            return event, {"id": id, "state": now.get("state"), "moved_at": now.get("moved_at")}
        case ("process", Task.kind, id):
            return _of_task(view, entry)
    return None


def _of_task(view: AudienceStore, entry: Entry) -> tuple[str, Mapping[str, Any]] | None:
    """What is told of a posted task: that somebody bids changes nothing of it, and what is inside is not sent about."""
    tasks = [values and process_from(Task, canonical(values)) for values in (entry.before, entry.after)]
    before, after = (
        shown_task(task, view) | {"inside": None}
        if task and task.published_at and sees_task(task, view)
        else None
        for task in tasks
    )
    if after is None or before == after:
        return None
    if before is None:
        return "task.published", after
    return "task.decided" if before["winners"] != after["winners"] else "task.changed", after


def _seen(view: AudienceStore, kind: str, values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    node = view.as_seen(node_from(kind, canonical(values)))
    return None if node is None else shown_node(node, view)
