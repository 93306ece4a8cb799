"""Orders over HTTP: their life, who may do what, their clocks, and two who act at once."""

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.access import Caller
from api.keys import Key
from api.routes import orders
from api.wire import OrderShown
from graph.store.store import Store
from matcher.orders import Order, order_rules
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting

NEED = {"need": "求海岛送药无人机整机供应商", "scene": "CJ-1", "achievement": "CG-1", "contact": "王工", "contact_phone": "0756-5550000"}  # fmt: skip


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here; partners are new in each."""
    with lasting(_indexed, tmp_path_factory.mktemp("orders")) as running:
        yield running


_numbers = itertools.count()


@pytest.fixture
def placer(served: Served) -> Portal:
    """A partner that has placed nothing yet."""
    return served.portal(f"partner-{next(_numbers)}")


@pytest.fixture
def officer(served: Served) -> Portal:
    """The city's portal."""
    return served.portal("city", audience="staff")


def place(portal: Portal, **changes: str) -> dict[str, Any]:
    response = portal.post("/v1/orders", {**NEED, **changes})
    assert response.status_code == 201, response.text
    shown: dict[str, Any] = response.json()
    return shown


def move(portal: Portal, id: str, name: str, **values: str) -> Any:
    return portal.post(f"/v1/orders/{id}/moves", {"move": name, "values": values})


def open_moves(shown: dict[str, Any]) -> set[str]:
    return {one["name"] for one in shown["moves"] if one["open"]}


def test_order_is_placed_and_comes_back_whole(placer: Portal) -> None:
    response = placer.post("/v1/orders", NEED)
    shown = response.json()
    OrderShown.model_validate(shown)
    assert response.headers["location"] == f"/v1/orders/{shown['id']}"
    assert {name: shown[name] for name in NEED} == NEED
    placed, due = (datetime.fromisoformat(shown[name]) for name in ("placed_at", "due"))
    assert due - placed == timedelta(hours=24)
    assert (shown["state"], shown["duty"], shown["late"], placed.tzinfo) == ("placed", "受理窗口", False, UTC)
    assert placer.get(f"/v1/orders/{shown['id']}").json() == shown
    assert placer.get("/v1/orders").json() == {"items": [shown], "next": None}
    again = placer.get(f"/v1/orders/{shown['id']}", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


def test_order_goes_through_its_life(placer: Portal, officer: Portal) -> None:
    id = place(placer)["id"]
    told = []
    for portal, name, values in (
        (officer, "accept", {}), (officer, "assign", {"handler": "程某"}), (officer, "answer", {"answer": "已约三家"}),
        (placer, "reopen", {"reason": "三家都太远"}), (officer, "answer", {"answer": "另约两家"}), (placer, "close", {}),
    ):  # fmt: skip
        response = move(portal, id, name, **values)
        assert response.status_code == 200, response.text
        told.append((response.json()["state"], response.json()["duty"], response.json()["due"] is None))
    assert told == [
        ("accepted", "受理窗口", False), ("assigned", "经办人", False), ("answered", "下单方", False),
        ("assigned", "经办人", False), ("answered", "下单方", False), ("closed", "", True),
    ]  # fmt: skip
    shown = placer.get(f"/v1/orders/{id}").json()
    assert (shown["handler"], shown["answer"], shown["reason"], shown["moves"]) == (
        "程某",
        "另约两家",
        "三家都太远",
        [],
    )


def test_moves_shown_as_open_are_those_that_each_may_make(placer: Portal, officer: Portal) -> None:
    order = place(placer)
    id = order["id"]
    assert open_moves(order) == {"withdraw"}
    assert open_moves(officer.get(f"/v1/orders/{id}").json()) == {"accept", "decline"}
    for name, values in (("accept", {}), ("assign", {"handler": "程某"}), ("answer", {"answer": "已约"})):
        move(officer, id, name, **values)
    assert open_moves(placer.get(f"/v1/orders/{id}").json()) == {"reopen", "close"}
    assert open_moves(officer.get(f"/v1/orders/{id}").json()) == {"close"}


@pytest.mark.parametrize(
    ("by_officer", "name", "values", "status", "code"),
    [
        (False, "accept", {}, 403, "move_role"),
        (True, "withdraw", {}, 403, "move_role"),
        (True, "answer", {"answer": "早"}, 409, "move_state"),
        (True, "decline", {}, 422, "move_requirement"),
        (True, "decline", {"reason": " "}, 422, "move_requirement"),
        (True, "decline", {"reason": "长" * 2001}, 422, "request_invalid"),
        (True, "jump", {}, 422, "request_invalid"),
        (True, "decline", {"reason": "不办", "state": "closed"}, 422, "request_invalid"),
        (True, "decline", {"reason": "不办", "partner": "x"}, 422, "request_invalid"),
    ],
)
def test_move_that_may_not_be_made_changes_nothing(
    served: Served, placer: Portal, officer: Portal, by_officer: bool, name: str, values: dict[str, str], status: int, code: str
) -> None:  # fmt: skip
    order = place(placer)
    before = served.store.revision()
    response = move(officer if by_officer else placer, order["id"], name, **values)
    assert (response.status_code, problem(response)["code"]) == (status, code)
    assert served.store.revision() == before
    assert placer.get(f"/v1/orders/{order['id']}").json() == order


def test_city_s_own_order_is_worked_on_and_withdrawn_by_the_city(officer: Portal) -> None:
    order = place(officer)
    assert move(officer, order["id"], "accept").status_code == 200
    assert move(officer, order["id"], "withdraw").json()["state"] == "withdrawn"


def test_orders_of_others_are_as_if_they_were_not_there(served: Served, placer: Portal) -> None:
    id = place(placer)["id"]
    other = served.portal(f"partner-{next(_numbers)}")
    assert other.get("/v1/orders").json() == {"items": [], "next": None}
    assert other.get("/v1/orders?late=true").json()["items"] == []
    told = []
    for asked in (id, "DD-0"):
        for refused in (other.get(f"/v1/orders/{asked}"), move(other, asked, "withdraw")):
            told.append(
                str(problem(refused)).replace(asked, "…").replace(refused.headers["x-request-id"], "…")
            )
    assert len(set(told)) == 1


def test_order_about_what_is_hidden_is_refused_as_about_what_is_not_there(placer: Portal) -> None:
    told = []
    for scene in ("CJ-2", "CJ-9"):
        response = placer.post("/v1/orders", {"need": "求", "scene": scene})
        assert response.status_code == 404
        told.append(problem(response)["detail"].replace(scene, "…"))
    assert told[0] == told[1]
    assert placer.get("/v1/orders").json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [{}, {"need": ""}, {"need": " "}, {"need": "长" * 5001}, {"need": "求", "state": "closed"}, {"need": "求", "contact": "长" * 201}],
)  # fmt: skip
def test_bad_order_is_refused_and_not_kept(placer: Portal, body: dict[str, str]) -> None:
    response = placer.post("/v1/orders", body)
    assert response.status_code == 422, response.text
    problem(response)
    assert placer.get("/v1/orders").json()["items"] == []


def test_order_sent_again_is_placed_once(served: Served, placer: Portal) -> None:
    headers = {"Idempotency-Key": "dd-1"}
    first = placer.post("/v1/orders", NEED, headers=headers)
    before = served.store.revision()
    again = placer.post("/v1/orders", NEED, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    assert served.store.revision() == before
    # Its answer was lost with the process: the id follows from the key, so that it is still one order.
    served.store.receipts.prune(datetime.now(UTC) + timedelta(days=1))
    assert placer.post("/v1/orders", NEED, headers=headers).json()["id"] == first.json()["id"]
    assert len(placer.get("/v1/orders").json()["items"]) == 1


def test_order_without_the_scope_is_refused(served: Served) -> None:
    reader = served.portal("reader", scopes=("read", "write", "judge"))
    assert problem(reader.post("/v1/orders", NEED))["code"] == "scope_missing"
    assert problem(reader.get("/v1/orders"))["code"] == "scope_missing"


def test_late_orders_are_listed_the_longest_first(
    placer: Portal, officer: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime.now(UTC)
    made = []
    for hours in (0, 1, 30):
        monkeypatch.setattr(orders, "now", lambda hours=hours: start + timedelta(hours=hours))
        made.append(place(placer)["id"])
    monkeypatch.setattr(orders, "now", lambda: start + timedelta(hours=26))
    late = placer.get("/v1/orders?late=true").json()["items"]
    assert [(one["id"], one["late"]) for one in late] == [(made[0], True), (made[1], True)]
    assert set(made[:2]) <= {one["id"] for one in officer.get("/v1/orders?late=true").json()["items"]}
    assert placer.get("/v1/orders?late=true&state=accepted").json()["items"] == []
    move(officer, made[0], "accept")
    assert [one["id"] for one in placer.get("/v1/orders?late=true").json()["items"]] == [made[1]]


def test_pages_of_orders_give_each_once_while_others_are_placed(placer: Portal) -> None:
    made = {place(placer)["id"] for _ in range(5)}
    found: list[str] = []
    path = "/v1/orders?limit=2&state=placed"
    answer = placer.get(path).json()
    while True:
        found += [one["id"] for one in answer["items"]]
        if answer["next"] is None:
            break
        place(placer)
        answer = placer.get(f"{path}&cursor={answer['next']}").json()
    assert len(found) == len(set(found))
    assert made <= set(found)
    foreign = placer.get("/v1/orders?state=closed&limit=2&cursor=" + placer.get(path).json()["next"])
    assert problem(foreign)["code"] == "cursor_foreign"


def test_of_two_officers_at_once_one_moves_the_order(
    served: Served, placer: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    officers = [served.portal("city", audience="staff") for _ in range(2)]
    id = place(placer)["id"]
    both_have_looked = threading.Barrier(2, timeout=20)
    find = orders._find

    def looked(caller: Caller, wanted: str) -> Order:
        order = find(caller, wanted)
        both_have_looked.wait()
        return order

    monkeypatch.setattr(orders, "_find", looked)
    moves = [("accept", {}), ("decline", {"reason": "不在范围"})]
    answers: list[Any] = [None, None]

    def act(number: int) -> None:
        name, values = moves[number]
        answers[number] = move(officers[number], id, name, **values)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    done = next(answer for answer in answers if answer.status_code == 200)
    assert problem(refused)["code"] == "moved_meanwhile"
    stored = served.store.process(Order, id)
    assert stored.state == done.json()["state"]
    assert len(served.store.history_of_process("order", id)) == 2


def test_history_tells_every_move_and_who_made_it(served: Served, placer: Portal, officer: Portal) -> None:
    id = place(placer)["id"]
    move(officer, id, "accept")
    store: Store = served.store
    entries = store.history_of_process("order", id)
    partner = store.process(Key, placer.key_id)
    assert partner is not None
    assert [(entry.actor, (entry.after or {})["state"]) for entry in entries] == [
        (f"{partner.partner}:试", "placed"), ("city:试", "accepted"),
    ]  # fmt: skip
    assert [entry.reason for entry in entries] == [
        f"一键点单 {id}",
        f"点单 {id} {order_rules().moves['accept'].label}",
    ]
