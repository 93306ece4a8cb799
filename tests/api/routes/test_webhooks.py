"""Webhooks over HTTP, delivered to a real receiver on loopback."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api import dispatching
from api.client import verify_webhook
from api.routes import webhooks
from api.routes.paths import now
from api.services import Services
from api.webhooks import EVENTS
from tests.api.conftest import Portal, Serve, Served, problem
from tests.api.listening import lasting
from tests.api.receiver import Message, Receiver, answering, hanging

HOOKS = "/v1/webhooks"
NOWHERE = "https://portal.example/hook"


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for the module, which may deliver to loopback; every test has partners of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatching, "_PAUSE", 0.02)
        with lasting(_indexed, tmp_path_factory.mktemp("webhooks"), private_targets=True) as served:
            yield served


_codes = (f"portal-{number}" for number in range(1000))


@pytest.fixture
def partner(served: Served) -> Portal:
    """A partner whom no other test knows."""
    return served.portal(next(_codes))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Answers 200 until told otherwise."""
    receiver = Receiver(answering(200))
    yield receiver
    receiver.close()


def register(portal: Portal, url: str, *events: str, **options: Any) -> dict[str, Any]:
    """A new webhook, with its secret."""
    response = portal.post(HOOKS, {"url": url, "events": list(events)}, **options)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def push(portal: Portal, id: str, title: str = "海岛送药") -> str:
    """Write a scene of the partner's, a new one or, by its whole id, one that is there; gives its whole id."""
    response = portal.post("/v1/scenes", {"id": id, "title": title})
    if response.status_code == 409:
        path = f"/v1/scenes/{id}"
        tag = portal.get(path).headers["etag"]
        response = portal("PUT", path, json={"title": title}, headers={"If-Match": tag})
    assert response.status_code in (200, 201), response.text
    return str(response.json()["id"])


def log(portal: Portal, id: str) -> list[dict[str, Any]]:
    """The delivery log, the newest first."""
    items: list[dict[str, Any]] = portal.get(f"{HOOKS}/{id}/deliveries?limit=200").json()["items"]
    return items


def settled(served: Served, portal: Portal, id: str, count: int) -> list[dict[str, Any]]:
    """The delivery log once so many have been attempted."""
    entries: list[dict[str, Any]] = []
    for _ in range(1000):
        entries = log(portal, id)
        if sum(entry["last_at"] is not None for entry in entries) >= count:
            return entries
        breathe(served)
    raise AssertionError(entries)


def breathe(served: Served) -> None:
    """Let the application work for a moment."""
    assert served.client.portal is not None
    served.client.portal.call(asyncio.sleep, 0.01)


def test_a_webhook_is_registered_shown_without_its_secret_and_told_of_changes(
    served: Served, partner: Portal, receiver: Receiver
) -> None:
    response = partner.post(HOOKS, {"url": receiver.url(), "events": ["scene.created", "scene.created"]})
    created = response.json()
    assert (response.status_code, response.headers["location"]) == (201, f"{HOOKS}/{created['id']}")
    secret = created.pop("secret")
    assert created == {
        "id": created["id"], "url": receiver.url(), "events": ["scene.created"], "state": "active",
        "created_at": created["created_at"], "reason": "",
    }  # fmt: skip
    assert created["created_at"].endswith("Z")
    assert partner.get(f"{HOOKS}/{created['id']}").json() == created
    assert partner.get(HOOKS).json() == {"items": [created], "next": None}
    id = push(partner, "1")
    (message,) = receiver.wait_for(1)
    told = verify_webhook(secret, message.headers, message.body, now=now())
    (entry,) = settled(served, partner, created["id"], 1)
    own = partner.get(f"/v1/scenes/{id}").json()
    assert (told["event"], told["data"]) == ("scene.created", own)
    assert entry == {
        "id": message.headers["webhook-id"], "event": "scene.created", "subject": f'["scene","{own["id"]}"]', "state": "delivered",
        "attempts": 1, "created_at": entry["created_at"], "due_at": None, "last_at": entry["last_at"], "last_status": 200,
        "last_error": "",
    }  # fmt: skip


def test_what_is_written_is_told_without_waiting_for_the_next_look(
    partner: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    poked: list[str] = []
    monkeypatch.setattr(Services, "changed", lambda _: poked.append("told"))
    push(partner, "1")
    assert poked == ["told"]
    order = partner.post("/v1/orders", {"need": "求无人机"})
    assert (order.status_code, poked) == (201, ["told"] * 2)
    assert partner.post(f"/v1/orders/{order.json()['id']}/moves", {"move": "withdraw"}).status_code == 200
    assert poked == ["told"] * 3


def test_without_events_a_webhook_is_told_of_all_of_them(partner: Portal) -> None:
    assert register(partner, "http://127.0.0.1:9/")["events"] == list(EVENTS)


def test_the_same_request_sent_again_registers_once_and_has_the_same_secret(
    served: Served, partner: Portal
) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = register(partner, "http://127.0.0.1:9/", headers=key)
    assert register(partner, "http://127.0.0.1:9/", headers=key) == first
    # The answer is lost in a crash after the webhook was kept: the same again, and still one.
    served.store.receipts.release(partner.key_id, "k-1")
    served.store.receipts.prune(now())
    assert register(partner, "http://127.0.0.1:9/", headers=key) == first
    assert len(partner.get(HOOKS).json()["items"]) == 1
    other = partner.post(HOOKS, {"url": "http://127.0.0.1:10/"}, headers=key)
    assert problem(other)["code"] == "idempotency_mismatch"
    assert register(partner, "http://127.0.0.1:9/")["id"] != first["id"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "ftp://portal.example/"}, 422, "webhook_url"),
        ({"url": "https://user:secret@portal.example/"}, 422, "webhook_url"),
        ({"url": "https://portal.example/\r\nX-Secret: 1"}, 422, "webhook_url"),
        ({"url": "https://portal.example:99999/"}, 422, "webhook_url"),
        ({"url": "https://portal.example/#top"}, 422, "webhook_url"),
        ({"url": ""}, 422, "request_invalid"),
        ({"url": "https://portal.example/" + "x" * 500}, 422, "request_invalid"),
        ({}, 422, "request_invalid"),
        ({"url": NOWHERE, "secret": "whsec_x"}, 422, "request_invalid"),
        ({"url": NOWHERE, "events": ["scene.destroyed"]}, 422, "event_unknown"),
        ({"url": NOWHERE, "events": ["ping"]}, 422, "event_unknown"),
        ({"url": NOWHERE, "events": ["scene.created"] * (len(EVENTS) + 1)}, 422, "request_invalid"),
        ({"url": NOWHERE, "events": ["x" * 61]}, 422, "request_invalid"),
        ({"url": NOWHERE, "events": "scene.created"}, 422, "request_invalid"),
    ],
)
def test_what_cannot_be_registered_is_refused(
    partner: Portal, body: dict[str, Any], status: int, code: str
) -> None:
    response = partner.post(HOOKS, body)
    document = problem(response)
    assert (response.status_code, document["code"]) == (status, code)
    assert "secret" not in document["detail"] or code == "request_invalid"
    assert partner.get(HOOKS).json()["items"] == []


def test_a_partner_has_twenty_webhooks_at_most_and_pages_give_each_once(partner: Portal) -> None:
    made = [register(partner, "http://127.0.0.1:9/")["id"] for _ in range(20)]
    response = partner.post(HOOKS, {"url": "http://127.0.0.1:9/"})
    assert (response.status_code, problem(response)["code"]) == (409, "webhooks_many")
    found, path = list[str](), f"{HOOKS}?limit=7"
    while path:
        page = partner.get(path).json()
        found += [hook["id"] for hook in page["items"]]
        path = page["next"] and f"{HOOKS}?limit=7&cursor={page['next']}"
    assert found == sorted(made)
    assert partner("DELETE", f"{HOOKS}/{made[0]}").status_code == 204
    register(partner, "http://127.0.0.1:9/")


def test_another_partners_webhook_is_not_there_for_anybody_else(served: Served, partner: Portal) -> None:
    hook = register(partner, "http://127.0.0.1:9/")["id"]
    strangers = [served.portal(next(_codes)), served.portal("city", audience="staff")]
    for stranger in strangers:
        assert hook not in stranger.get(HOOKS).text
        for method, path, body in (
            ("GET", "", None), ("DELETE", "", None), ("POST", "/moves", {"move": "rotate"}), ("POST", "/ping", None),
            ("GET", "/deliveries", None), ("POST", "/replay", {"ids": []}),
        ):  # fmt: skip
            answers = [stranger(method, f"{HOOKS}/{id}{path}", json=body) for id in (hook, "HD-0")]
            hidden, absent = ({**problem(answer), "request_id": ""} for answer in answers)
            assert str(hidden).replace(hook, "HD-0") == str(absent)
            assert hidden["status"] == 404
    assert partner.get(f"{HOOKS}/{hook}").json()["state"] == "active"


def test_a_key_that_sees_less_does_not_see_the_webhooks_of_one_that_sees_more(served: Served) -> None:
    code = next(_codes)
    staff, partner = served.portal(code, audience="staff"), served.portal(code)
    hook = register(staff, "http://127.0.0.1:9/")["id"]
    assert problem(partner.get(f"{HOOKS}/{hook}/deliveries"))["status"] == 404
    assert partner.get(HOOKS).json()["items"] == []
    mine = register(partner, "http://127.0.0.1:9/")["id"]
    assert {one["id"] for one in staff.get(HOOKS).json()["items"]} == {hook, mine}


def test_hidden_records_are_told_to_staff_alone(served: Served, receiver: Receiver) -> None:
    other = Receiver(answering(200))
    code = next(_codes)
    partner, staff = served.portal(code), served.portal("city", audience="staff")
    theirs, ours = register(partner, receiver.url())["id"], register(staff, other.url())["id"]
    for id, visibility in ((f"H-{code}", "staff"), (f"O-{code}", "public")):
        body = {"title": "海岛送药", "visibility": visibility, "contact": "陈工"}
        assert staff.post("/v1/scenes", {"id": id, **body}).status_code == 201
    subjects = [
        [entry["subject"] for entry in settled(served, portal, id, count)][::-1]
        for portal, id, count in ((partner, theirs, 1), (staff, ours, 2))
    ]
    assert subjects == [[f'["scene","O-{code}"]'], [f'["scene","H-{code}"]', f'["scene","O-{code}"]']]
    assert ["陈工" in message.body.decode() for message in receiver.messages] == [False]
    assert ["陈工" in message.body.decode() for message in other.messages] == [True, True]
    staff("DELETE", f"{HOOKS}/{ours}")
    other.close()


def test_while_paused_what_happens_waits_and_comes_in_order(
    served: Served, partner: Portal, receiver: Receiver
) -> None:
    hook = register(partner, receiver.url(), "scene.created", "scene.changed")["id"]
    moves = f"{HOOKS}/{hook}/moves"
    assert partner.post(moves, {"move": "pause"}).json()["state"] == "paused"
    response = partner.post(moves, {"move": "pause"})
    assert (response.status_code, problem(response)["code"]) == (409, "move_state")
    id = push(partner, "1", "第 0 版")
    for number in (1, 2):
        push(partner, id, f"第 {number} 版")
    outbox = served.store.outbox
    while len(outbox.log(hook)) < 3 or outbox.log(hook)[-1].due_at <= now():
        time.sleep(0.01)  # they are queued, and the first has been left to its lease
    assert partner.post(moves, {"move": "resume"}).json()["state"] == "active"
    # They need not wait for its end.
    receiver.wait(lambda receiver: len({one.headers["webhook-id"] for one in receiver.messages}) == 3)
    bodies = list(dict.fromkeys(message.body.decode() for message in receiver.messages))
    assert [f"第 {number} 版" in body for number, body in enumerate(bodies)] == [True] * 3
    assert problem(partner.post(moves, {"move": "end"}))["code"] == "request_invalid"


def test_a_new_secret_signs_from_then_on_and_changes_nothing_else(
    partner: Portal, receiver: Receiver
) -> None:
    created = register(partner, receiver.url())
    hook, old = created["id"], created.pop("secret")
    moves = f"{HOOKS}/{hook}/moves"
    partner.post(moves, {"move": "pause"})
    rotated = partner.post(moves, {"move": "rotate"}).json()
    assert rotated.pop("secret") not in (old, None)
    assert rotated == created | {"state": "paused"}
    partner.post(moves, {"move": "resume"})
    new = partner.post(moves, {"move": "rotate"}).json()["secret"]
    partner.post(f"{HOOKS}/{hook}/ping")
    (message,) = receiver.wait_for(1)
    assert verify_webhook(new, message.headers, message.body, now=now())["event"] == "ping"
    with pytest.raises(ValueError, match="签名不对"):
        verify_webhook(old, message.headers, message.body, now=now())


def test_another_key_takes_over_from_one_that_was_revoked(served: Served, receiver: Receiver) -> None:
    code = next(_codes)
    first, second, staff = served.portal(code), served.portal(code), served.portal("city", audience="staff")
    hook = register(first, receiver.url())["id"]
    assert staff("DELETE", f"/v1/keys/{first.key_id}").status_code == 204
    for _ in range(1000):
        shown = second.get(f"{HOOKS}/{hook}").json()
        if shown["state"] == "paused":
            break
        breathe(served)
    assert (shown["state"], shown["reason"]) == ("paused", "登记它的访问钥匙已失效")
    resumed = second.post(f"{HOOKS}/{hook}/moves", {"move": "resume"}).json()
    assert (resumed["state"], resumed["reason"]) == ("active", "")
    push(second, "1")
    (message,) = receiver.wait_for(1)
    assert f"{code}:1" in message.body.decode()


def test_a_deleted_webhook_is_gone_and_gets_nothing_more(
    served: Served, partner: Portal, receiver: Receiver
) -> None:
    receiver.answer = hanging
    hook = register(partner, receiver.url(), "scene.created", "scene.changed")["id"]
    id = push(partner, "1")
    receiver.wait_for(1)
    push(partner, id, "第二版")
    assert partner("DELETE", f"{HOOKS}/{hook}").status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/ping")):
        assert problem(partner(method, f"{HOOKS}/{hook}{path}"))["code"] == "not_found"
    assert partner.get(HOOKS).json() == {"items": [], "next": None}
    other = Receiver(answering(200))
    register(partner, other.url(), "scene.changed")
    push(partner, id, "第三版")
    other.wait_for(1)
    assert {one.state for one in served.store.outbox.log(hook)} == {"dropped"}
    other.close()


@pytest.mark.parametrize("status", [500, 410, 302])
def test_the_log_says_what_went_wrong_and_nothing_of_the_network(
    served: Served, partner: Portal, receiver: Receiver, status: int
) -> None:
    receiver.answer = answering(status, "Location: http://10.0.0.1/", body=b"secret of 10.0.0.1")
    hook = register(partner, receiver.url())["id"]
    partner.post(f"{HOOKS}/{hook}/ping")
    (entry,) = settled(served, partner, hook, 1)
    what = "要求转到别处，不予跟随" if status == 302 else "没有接受"
    expected = "failed" if status == 410 else "waiting"
    assert (entry["last_error"], entry["last_status"], entry["state"]) == (
        f"对方答复 {status}，{what}", status, expected,
    )  # fmt: skip
    assert (entry["due_at"] is None) == (status == 410)
    assert entry["subject"].startswith("ping-")


def test_pages_of_the_log_neither_skip_nor_repeat_while_more_comes(
    served: Served, partner: Portal, receiver: Receiver
) -> None:
    hook = register(partner, receiver.url(), "scene.created")["id"]
    path = f"{HOOKS}/{hook}/deliveries"
    for number in range(5):
        push(partner, f"{number}")
    whole = [entry["id"] for entry in settled(served, partner, hook, 5)]
    found, cursor = list[str](), ""
    for number in range(3):
        page = partner.get(f"{path}?limit=2{cursor}").json()
        found += [entry["id"] for entry in page["items"]]
        cursor = f"&cursor={page['next']}"
        push(partner, f"later-{number}")
        settled(served, partner, hook, 6 + number)
    assert (found, page["next"]) == (whole, None)
    # A page whose end is forgotten meanwhile is followed by what is older, not by everything again.
    cursor = partner.get(f"{path}?limit=2").json()["next"]
    receiver.answer = hanging
    partner.post(f"{HOOKS}/{hook}/replay", {"ids": [whole[-1]]})
    push(partner, "newest")
    receiver.wait(lambda receiver: len(receiver.messages) == 10)
    served.store.outbox.prune(now())
    assert len(log(partner, hook)) == 2
    page = partner.get(f"{path}?limit=2&cursor={cursor}").json()
    assert ([entry["id"] for entry in page["items"]], page["next"]) == (whole[-1:], None)
    other = register(partner, "http://127.0.0.1:9/")["id"]
    response = partner.get(f"{HOOKS}/{other}/deliveries?cursor={cursor}")
    assert (response.status_code, problem(response)["code"]) == (400, "cursor_foreign")


def test_deliveries_tell_nothing_of_those_of_others(served: Served, partner: Portal) -> None:
    """What a partner is shown is the same, whether or not others are told of more."""
    busy = served.portal(next(_codes))
    loud = register(busy, "http://127.0.0.1:9/")["id"]
    hook = register(partner, "http://127.0.0.1:9/", "scene.created")["id"]
    shown = []
    for pings in (0, 7):
        for _ in range(pings):
            busy.post(f"{HOOKS}/{loud}/ping")
        partner.post(f"{HOOKS}/{hook}/ping")
        page = partner.get(f"{HOOKS}/{hook}/deliveries?limit=1").json()
        shown.append((set(page["items"][0]), len(page["items"][0]["id"]), len(page["next"] or "")))
    assert shown[0][:2] == shown[1][:2]
    ids = [entry["id"] for entry in log(partner, hook)]
    assert len(set(ids)) == 2
    assert all(id.startswith("msg_") and len(id) == 28 for id in ids)
    numbers = [str(one.id) for one in served.store.outbox.log(hook)]
    assert not any(id.removeprefix("msg_") in numbers for id in ids)


def test_deliveries_are_sent_again_by_time_and_by_id(
    served: Served, partner: Portal, receiver: Receiver
) -> None:
    hook = register(partner, receiver.url(), "scene.created")["id"]
    path = f"{HOOKS}/{hook}/replay"
    for number in range(3):
        push(partner, f"{number}")
        receiver.wait_for(number + 1)
    newest, middle, oldest = settled(served, partner, hook, 3)
    wait_until_delivered(served, partner, hook)
    response = partner.post(path, {"ids": [oldest["id"], "msg_unknown"]})
    assert (response.status_code, response.json()) == (202, {"replayed": 1})
    again = receiver.wait_for(4)[3]
    assert (again.headers["webhook-id"], again.body) == (oldest["id"], first(receiver, oldest["id"]).body)
    wait_until_delivered(served, partner, hook)
    assert partner.post(path, {"since": middle["created_at"]}).json() == {"replayed": 2}
    assert {one.headers["webhook-id"] for one in receiver.wait_for(6)[4:]} == {newest["id"], middle["id"]}
    for body in ({}, {"since": middle["created_at"], "ids": []}):
        assert problem(partner.post(path, body))["code"] == "replay_what"
    for body in ({"since": "2026-03-31T00:00:00"}, {"ids": ["x" * 41]}, {"ids": ["x"] * 1001}, {"all": True}):
        assert problem(partner.post(path, body))["code"] == "request_invalid"
    # Another's ids are nobody's.
    other = register(partner, "http://127.0.0.1:9/")["id"]
    assert partner.post(f"{HOOKS}/{other}/replay", {"ids": [oldest["id"]]}).json() == {"replayed": 0}


def wait_until_delivered(served: Served, portal: Portal, id: str) -> None:
    """Until nothing waits."""
    for _ in range(1000):
        if all(entry["state"] == "delivered" for entry in log(portal, id)):
            return
        breathe(served)
    raise AssertionError(log(portal, id))


def first(receiver: Receiver, number: str) -> Message:
    """The first message with this id."""
    return next(message for message in receiver.messages if message.headers["webhook-id"] == number)


def test_a_change_at_the_same_time_is_refused_and_not_overwritten(
    partner: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = register(partner, "http://127.0.0.1:9/")["id"]
    find = webhooks._find

    def slow_find(caller: Any, id: str) -> Any:
        monkeypatch.setattr(webhooks, "_find", find)
        found = find(caller, id)
        assert partner.post(f"{HOOKS}/{hook}/moves", {"move": "pause"}).status_code == 200
        return found

    monkeypatch.setattr(webhooks, "_find", slow_find)
    response = partner.post(f"{HOOKS}/{hook}/moves", {"move": "rotate"})
    assert (response.status_code, problem(response)["code"]) == (409, "webhook_changed")
    assert partner.get(f"{HOOKS}/{hook}").json()["state"] == "paused"


def test_a_key_without_read_may_do_nothing_with_webhooks(served: Served) -> None:
    writer = served.portal(next(_codes), scopes=("write",))
    for method, path in (
        ("POST", ""),
        ("GET", ""),
        ("GET", "/HD-1"),
        ("DELETE", "/HD-1"),
        ("POST", "/HD-1/ping"),
    ):
        response = writer(
            method, HOOKS + path, json={"url": NOWHERE} if path == "" and method == "POST" else None
        )
        assert (response.status_code, problem(response)["code"]) == (403, "scope_missing")


@pytest.fixture
def inside(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> tuple[Served, Callable[[str], None]]:
    """An application that delivers to the open internet only, and a way to say what portal.example stands for."""
    place = "93.184.216.34"
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        return look_up(place if host == "portal.example" else host, port, *more, **options)

    def move(address: str) -> None:
        nonlocal place
        place = address

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return serve(), move


def test_addresses_inside_are_refused_and_so_is_a_name_that_moves_there_later(
    inside: tuple[Served, Callable[[str], None]], receiver: Receiver
) -> None:
    served, move = inside
    partner = served.portal()
    refused = [
        problem(partner.post(HOOKS, {"url": url}))
        for url in (
            receiver.url(), "https://127.0.0.1/", "https://2130706433/", "https://[::ffff:10.0.0.1]/", "https://100.64.0.1/",
            "https://localhost/",
        )
    ]  # fmt: skip
    assert {one["code"] for one in refused} == {"webhook_target"}
    assert {one["detail"] for one in refused} == {
        "回调地址须用 https。",
        "回调地址的主机找不到，或不在公网上。",
    }
    hook = register(partner, f"https://portal.example:{receiver.port}/")["id"]
    move("127.0.0.1")
    partner.post(f"{HOOKS}/{hook}/ping")
    (entry,) = settled(served, partner, hook, 1)
    assert (entry["state"], entry["last_status"], entry["last_error"]) == (
        "waiting", None, "回调地址的主机找不到，或不在公网上",
    )  # fmt: skip
    assert receiver.messages == []


def test_after_a_restart_what_was_under_way_is_sent_again(
    indexed: Path, tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answer = hanging
    with lasting(indexed, tmp_path, private_targets=True) as served:
        partner = served.portal()
        register(partner, receiver.url(), "scene.created")
        push(partner, "1")
        receiver.wait_for(1)
        home = served.settings.home.path
    receiver.answer = answering(200)
    with lasting(home, tmp_path / "again", private_targets=True):
        before, after = receiver.wait_for(2)
    assert (after.headers["webhook-id"], after.body) == (before.headers["webhook-id"], before.body)
