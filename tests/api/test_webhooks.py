"""What webhooks are told: no more than their partner sees, and signed so that a receiver can tell."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.client import verify_webhook
from api.records import shown_node
from api.webhooks import (
    ACTIONS,
    EVENTS,
    WEBHOOK_RULES,
    Webhook,
    body_now,
    event_of,
    message_id,
    parse_url,
    ping_body,
    signed_headers,
    webhook_secret,
)
from api.wire import utc_text
from graph.kinds import Case, Scene
from graph.problems import BadValue, Refused
from graph.processes import moved, opened
from graph.store.audience import AudienceStore
from graph.store.changes import Change, PutNode, PutProcess, RemoveNode
from graph.store.history import Entry
from graph.store.moments import moment_from
from graph.store.outbox import Delivery
from graph.store.store import Store, open_store
from graph.values import Visibility
from matcher.orders import Order, order_rules
from matcher.tasks import Decision
from tests.factories import NOON, make_achievement, make_case, make_scene
from tests.matcher.boards import DEADLINE, make_posted, make_task

DELIVERY = Delivery(
    id=7, webhook="HD-1", partner="hengqin", subject='["scene","CJ-1"]', event="scene.created", seq=3, body='{"题目":"海岛"}',
    state="waiting", attempts=0, due_at=NOON, last_at=None, last_status=None, last_error="", created_at=NOON,
)  # fmt: skip


def _webhook(**attributes: Any) -> Webhook:
    values = {"url": "https://portal.example/", "events": EVENTS, "partner": "hengqin"} | attributes
    return opened(Webhook, WEBHOOK_RULES, id=values.pop("id", "HD-1"), at=NOON, **values)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """One empty store."""
    with open_store(tmp_path / "t.db") as store:
        yield store


@pytest.fixture
def entries(store: Store) -> Callable[..., list[Entry]]:
    """Applies changes; gives the history rows they make."""

    def apply(*changes: Change) -> list[Entry]:
        store.outbox.unread(0)
        before = store.head().seq
        store.apply(changes, actor="张三", at=NOON, reason="")
        mark, rows = store.outbox.unread(9999)
        assert store.outbox.fan_out(mark, store.head().seq, [])
        return [row for row in rows if row.seq > before]

    return apply


def _told(store: Store, entry: Entry, webhook: Webhook | None = None) -> tuple[str, Any] | None:
    told = event_of(store, webhook or _webhook(), entry)
    if told is None:
        return None
    event, text = told
    body = json.loads(text)
    assert (body["event"], body["seq_at"], set(body)) == (
        event,
        utc_text(moment_from(entry.at)),
        {"event", "seq_at", "data"},
    )
    return event, body["data"]


@pytest.mark.parametrize(
    "url",
    [
        "https://portal.example", "https://portal.example:8443/hooks/jiebang?key=a%20b", "http://127.0.0.1:9/", "https://[2606:2800::1]/x",
        "https://portal.example/" + "x" * 477,
    ],
)  # fmt: skip
def test_an_address_is_kept_as_it_is_written(url: str) -> None:
    assert (parse_url(url), parse_url(f"  {url}\n")) == (url, url)


@pytest.mark.parametrize(
    "url",
    [
        "", "portal.example", "//portal.example/", "/hook", "ftp://portal.example/", "file:///etc/passwd", "gopher://portal.example/",
        "https://", "https:///hook", "https://:443/", "https://portal.example:0/", "https://portal.example:65536/", "https://portal.example:x/",
        "https://[::1/", "https://portal.example/\r\nX: y", "https://portal.example\r\n/", "https://portal.example/\tx",
        "https://portal.example/ x", "https://portal.example/\x00", "https://portal.example/海岛", "https://海岛.example/",
        "https://portal.example\uff0f.evil.example/", "https://user@portal.example/", "https://user:secret@portal.example/",
        "https://@portal.example/", "https://portal.example\\@127.0.0.1/", "https://portal.example/#x", "javascript:alert(1)",
        "https://portal.example/" + "x" * 478,
    ],
)  # fmt: skip
def test_an_address_that_is_none_or_hides_something_is_refused(url: str) -> None:
    with pytest.raises(BadValue, match="回调地址") as refused:
        parse_url(url)
    assert refused.value.code == "webhook_url"
    with pytest.raises(Refused, match="回调地址"):
        _webhook(url=url)


def test_events_are_every_action_of_every_kind_and_those_of_orders_and_tasks() -> None:
    kinds = ("scene", "achievement", "enterprise", "institution", "broker", "case")
    expected = {f"{kind}.{action}" for kind in kinds for action in ACTIONS} | {"order.placed", "order.moved"}
    expected |= {"task.published", "task.changed", "task.decided"}
    assert (set(EVENTS), len(EVENTS)) == (expected, 23)


def test_a_rotated_secret_signs_otherwise_and_the_state_stays(store: Store) -> None:
    webhook = _webhook()
    paused = moved(webhook, WEBHOOK_RULES, "pause", role="partner", at=NOON, values={})
    ways = {"rotate": webhook, "rotate_paused": paused}
    after = [
        moved(hook, WEBHOOK_RULES, name, role="partner", at=NOON, values={"version": 2})
        for name, hook in ways.items()
    ]
    assert [one.state for one in after] == ["active", "paused"]
    secrets = [webhook_secret(store, one) for one in (webhook, paused, *after, _webhook(id="HD-2"))]
    assert secrets[0] == secrets[1] != secrets[2] == secrets[3]
    assert len(set(secrets)) == 3
    for secret in secrets:
        assert (secret[:6], len(base64.b64decode(secret[6:], validate=True))) == ("whsec_", 32)


@given(
    key=st.binary(min_size=24, max_size=64), number=st.text("abcdef0123456789_", min_size=1, max_size=40), body=st.text(max_size=50),
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)  # fmt: skip
def test_signatures_are_those_of_standard_webhooks(key: bytes, number: str, body: str, at: datetime) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed_headers(secret, number, replace(DELIVERY, body=body), at)
    # Standard Webhooks, "Signature scheme", put down here once more.
    stamp = headers["webhook-timestamp"]
    mac = hmac.new(base64.b64decode(secret.split("_", 1)[1]), digestmod=hashlib.sha256)
    for part in (number.encode(), b".", stamp.encode(), b".", body.encode()):
        mac.update(part)
    assert headers == {
        "webhook-id": number,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": "v1," + base64.b64encode(mac.digest()).decode(),
        "content-type": "application/json; charset=utf-8",
        "user-agent": "jiebang-webhooks/1",
    }


def test_the_client_believes_what_is_signed_and_nothing_else() -> None:
    secret, later = "whsec_" + base64.b64encode(b"k" * 32).decode(), NOON + timedelta(minutes=4)
    headers, body = signed_headers(secret, "msg_1", DELIVERY, NOON), DELIVERY.body.encode()
    assert verify_webhook(secret, headers, body, now=later) == {"题目": "海岛"}
    other = "whsec_" + base64.b64encode(b"l" * 32).decode()
    forged: list[tuple[str, dict[str, str], bytes, datetime]] = [
        (other, headers, body, later),
        (secret, headers | {"webhook-id": "msg_2"}, body, later),
        (secret, headers | {"webhook-timestamp": str(int(later.timestamp()))}, body, later),
        (secret, headers, body + b" ", later),
        (secret, headers, body, NOON + timedelta(minutes=6)),
    ]
    for key, given_headers, text, now in forged:
        with pytest.raises(ValueError, match=r"签名不对|消息太旧"):
            verify_webhook(key, given_headers, text, now=now)


def test_the_signature_of_the_published_example_comes_out() -> None:
    # The example that implementations of Standard Webhooks share.
    delivery = replace(DELIVERY, body='{"test": 2432232314}')
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", delivery, at
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_messages_id_is_its_own_for_good_and_tells_no_number(store: Store) -> None:
    secret = store.secret()
    given_ids = [message_id(secret, replace(DELIVERY, id=id)) for id in range(1, 50)]
    assert len(set(given_ids)) == 49
    assert all(len(one) == 28 and one.startswith("msg_") for one in given_ids)
    later = replace(DELIVERY, attempts=5, state="failed", last_error="x")
    assert message_id(secret, later) == message_id(secret, DELIVERY) == given_ids[6]
    assert message_id(secret, replace(DELIVERY, webhook="HD-2")) != given_ids[6]
    assert message_id("0" * 64, DELIVERY) != given_ids[6]


def test_created_changed_and_retired_are_told_and_hidden_columns_are_not(
    store: Store, entries: Callable[..., list[Entry]]
) -> None:
    scene = make_scene(contact="陈工", contact_phone="0756-5551001", visibility="public")
    (created,) = entries(PutNode(node=scene))
    (changed,) = entries(PutNode(node=scene.model_copy(update={"title": "海岛送药"})))
    (hidden,) = entries(PutNode(node=scene.model_copy(update={"title": "海岛送药", "contact": "李工"})))
    (retired,) = entries(RemoveNode(kind="scene", id="CJ-1"))
    seen = {"kind": "scene", "id": "CJ-1", "title": "海岛物资无人机投送", "visibility": "public"}
    assert [_told(store, entry) for entry in (created, changed, hidden, retired)] == [
        ("scene.created", seen),
        ("scene.changed", seen | {"title": "海岛送药"}),
        None,
        ("scene.retired", {"kind": "scene", "id": "CJ-1"}),
    ]
    staff = _webhook(audience="staff", partner="city")
    told = [_told(store, entry, staff) for entry in (created, changed, hidden, retired)]
    assert [event for event, _ in filter(None, told)] == [
        "scene.created",
        "scene.changed",
        "scene.changed",
        "scene.retired",
    ]
    assert told[2] == (
        "scene.changed",
        seen | {"title": "海岛送药", "contact": "李工", "contact_phone": "0756-5551001"},
    )


def test_coming_into_sight_is_created_and_going_out_of_it_retired(
    store: Store, entries: Callable[..., list[Entry]]
) -> None:
    levels: list[Visibility] = ["staff", "partner", "public", "staff", "staff"]
    told: dict[str, list[str | None]] = {"public": [], "partner": [], "staff": []}
    for number, level in enumerate(levels):
        (entry,) = entries(PutNode(node=make_scene(title=f"第 {number} 版", visibility=level)))
        for audience, events in told.items():
            event = _told(store, entry, _webhook(audience=audience))
            events.append(event and event[0].removeprefix("scene."))
    assert told == {
        "public": [None, None, "created", "retired", None],
        "partner": [None, "created", "changed", "retired", None],
        "staff": ["created", "changed", "changed", "changed", "changed"],
    }


def test_a_case_does_not_tell_of_hidden_records_it_refers_to(
    store: Store, entries: Callable[..., list[Entry]]
) -> None:
    entries(PutNode(node=make_scene(visibility="staff")), PutNode(node=make_achievement(visibility="public")))
    (entry,) = entries(PutNode(node=make_case(visibility="public")))
    (silent,) = entries(PutNode(node=make_case(visibility="public", scene_id="CJ-9")))
    told = _told(store, entry)
    assert told is not None
    assert (told[0], told[1].get("scene_id"), told[1].get("achievement_id")) == ("case.created", None, "CG-1")
    assert _told(store, silent) is None
    staff = _told(store, entry, _webhook(audience="staff"))
    assert staff is not None
    assert staff[1]["scene_id"] == "CJ-1"


def test_posted_tasks_are_told_to_all_and_nothing_of_bids(
    store: Store, entries: Callable[..., list[Entry]]
) -> None:
    task = make_posted()
    draft = make_task()
    bid_on = task.model_copy(update={"bids": 1, "moved_at": NOON + timedelta(hours=1)})
    later = bid_on.model_copy(update={"deadline": DEADLINE + timedelta(days=1)})
    won = (Decision(bid="x", bidder="甲公司", points=Decimal(90), rank=1, won=True, reason="内部理由"),)
    decided = later.model_copy(update={"state": "awarded", "unsealed_at": DEADLINE, "decisions": won})
    seen: dict[str, list[str]] = {}
    rows = [row for one in (draft, task, bid_on, later, decided) for row in entries(PutProcess(process=one))]
    audiences: tuple[Visibility, ...] = ("public", "staff")
    for audience in audiences:
        found = [event_of(store, _webhook(audience=audience), row) for row in rows]
        seen[audience] = [one[0] for one in found if one]
        assert "内部理由" not in str(found)
    assert seen["public"] == ["task.published", "task.changed", "task.decided"]
    # Staff are told of the number of bids as they may see it.
    assert seen["staff"] == ["task.published", "task.changed", "task.changed", "task.decided"]


def test_orders_are_told_to_who_placed_them_and_to_staff_without_what_they_say(
    store: Store, entries: Callable[..., list[Entry]]
) -> None:
    order = opened(
        Order,
        order_rules(),
        id="DD-1",
        at=NOON,
        partner="hengqin",
        need="送药",
        contact="陈工",
        contact_phone="0756",
    )
    later = NOON + timedelta(hours=1)
    accepted = moved(order, order_rules(), "accept", role="staff", at=later, values={})
    rows = [*entries(PutProcess(process=order)), *entries(PutProcess(process=accepted))]
    told = [
        ("order.placed", {"id": "DD-1", "state": "placed", "moved_at": "2026-03-01T12:00:00Z"}),
        ("order.moved", {"id": "DD-1", "state": "accepted", "moved_at": "2026-03-01T13:00:00Z"}),
    ]
    assert [_told(store, row) for row in rows] == told
    assert [_told(store, row, _webhook(partner="city", audience="staff")) for row in rows] == told
    for stranger in (_webhook(partner="macau"), _webhook(partner=""), _webhook(partner="hengqin-2")):
        assert [_told(store, row, stranger) for row in rows] == [None, None]


def test_only_what_was_asked_for_is_told_and_other_changes_never(
    store: Store, entries: Callable[..., list[Entry]]
) -> None:
    webhook = _webhook(events=("scene.changed", "order.moved"), audience="staff")
    (created,) = entries(PutNode(node=make_scene()))
    (changed,) = entries(PutNode(node=make_scene(title="海岛送药")))
    (other,) = entries(PutNode(node=make_achievement()))
    (process,) = entries(PutProcess(process=webhook))
    told = [_told(store, entry, webhook) for entry in (created, changed, other, process)]
    assert [event and event[0] for event in told] == [None, "scene.changed", None, None]


_Level = Literal["public", "partner", "staff"]
_LEVELS: list[_Level] = ["public", "partner", "staff"]
_RECORDS = st.builds(
    Scene,
    id=st.sampled_from(["CJ-1", "hengqin:1", "macau:1"]),
    title=st.sampled_from(["甲", "乙"]),
    contact=st.sampled_from(["", "陈工"]),
    owner=st.sampled_from(["", "某医院"]),
    visibility=st.sampled_from(_LEVELS),
    field_visibility=st.dictionaries(
        st.sampled_from(["title", "owner", "contact"]), st.sampled_from(_LEVELS)
    ),
) | st.builds(
    Case,
    id=st.just("AL-1"),
    title=st.just("某案例"),
    scene_id=st.sampled_from(["", "CJ-0"]),
    visibility=st.sampled_from(_LEVELS),
)
_CHANGES = st.lists(
    st.lists(
        st.builds(lambda node: PutNode(node=node), _RECORDS)
        | st.builds(lambda node: RemoveNode(kind=node.kind, id=node.id), _RECORDS),
        min_size=1, max_size=3,
    ),
    max_size=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def used_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for many examples: a new one for each takes too long."""
    with open_store(tmp_path_factory.mktemp("used") / "t.db") as store:
        yield store


@settings(max_examples=25, deadline=None)
@given(batches=_CHANGES, audience=st.sampled_from(_LEVELS))
def test_who_keeps_a_copy_by_events_has_what_it_may_see(
    used_store: Store, batches: list[list[Change]], audience: _Level
) -> None:
    webhook, referred = _webhook(audience=audience), make_scene("CJ-0", visibility="partner")
    view, copy = AudienceStore(used_store, audience, own="hengqin"), dict[tuple[str, str], Any]()
    empty: list[Change] = [RemoveNode(kind=node.kind, id=node.id) for node in list(used_store.nodes())]
    used_store.apply([*empty, PutNode(node=referred)], actor="张三", at=NOON, reason="")
    mark, old = used_store.outbox.unread(9999)
    used_store.outbox.fan_out(mark, old[-1].seq if old else mark, [])
    for batch in batches:
        used_store.apply(batch, actor="张三", at=NOON, reason="")
        mark, rows = used_store.outbox.unread(9999)
        used_store.outbox.fan_out(mark, rows[-1].seq if rows else mark, [])
        for entry in rows:
            if (told := _told(used_store, entry, webhook)) is None:
                continue
            (event, data), key = told, entry.key
            # Nothing is created twice, nor changed or retired before it was created.
            assert (event.partition(".")[2] == "created") == (key not in copy)
            if event.endswith(".retired"):
                del copy[key[0], key[1]]
            else:
                assert copy.get((key[0], key[1])) != data
                copy[key[0], key[1]] = data
        seen = [shown_node(node, view) for node in view.nodes() if node.id != "CJ-0"]
        assert copy == {(one["kind"], one["id"]): one for one in seen}


def test_columns_that_are_hidden_by_now_are_left_out_of_what_was_queued(store: Store) -> None:
    scene = make_scene("1", visibility="public", budget="50")
    webhook = _webhook()
    store.apply([PutNode(node=scene)], actor="张三", at=NOON, reason="")
    told = event_of(store, webhook, store.history_of("scene", "1")[-1])
    assert told is not None
    queued = replace(DELIVERY, event=told[0], body=told[1])
    assert body_now(store, webhook, queued) == told[1]
    hidden = scene.model_copy(update={"field_visibility": {"budget": "staff"}})
    store.apply([PutNode(node=hidden)], actor="张三", at=NOON, reason="")
    now = body_now(store, webhook, queued)
    assert now is not None
    before, after = json.loads(told[1]), json.loads(now)
    assert before["data"].pop("budget")
    assert after == before
    store.apply([RemoveNode(kind="scene", id="1")], actor="张三", at=NOON, reason="")
    assert body_now(store, webhook, queued) is None
    # That it has gone, and what is no record, is said as it was.
    for event in ("scene.retired", "order.moved", "ping"):
        other = replace(DELIVERY, event=event)
        assert body_now(store, webhook, other) == other.body


def test_a_ping_says_only_when() -> None:
    assert json.loads(ping_body(NOON)) == {"event": "ping", "seq_at": "2026-03-01T12:00:00Z", "data": {}}
