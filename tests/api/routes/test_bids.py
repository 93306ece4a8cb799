"""Bids over HTTP: who may bid and look, and that nothing told before the opening depends on what others bid."""

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embeddings.encoder
from api.keys import Key, create_key
from api.wire_tasks import BidReceived, FitShown, Opened
from graph.store.changes import PutNode
from graph.values import Visibility
from matcher.bids import Bid
from matcher.home import Home
from tests.api.boards import (
    DEADLINE,
    START,
    TASK,
    Clock,
    award,
    awarded,
    bid_body,
    bidder,
    done,
    move,
    posted,
)
from tests.api.conftest import Portal, Served, problem, serving
from tests.api.listening import lasting
from tests.api.world import BigramEncoder
from tests.factories import make_enterprise
from tests.matcher.boards import firm


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here."""
    with lasting(_indexed, tmp_path_factory.mktemp("bids")) as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time."""
    return Clock(monkeypatch)


def test_bid_is_handed_in_replaced_withdrawn_and_opened(served: Served, staff: Portal, clock: Clock) -> None:
    id, portal = posted(staff), bidder(served, 1)
    path = f"/v1/tasks/{id}/bids"
    checked = done(portal.post(f"{path}/check", bid_body(1)))
    assert (checked["acceptable"], checked["replaces"], checked["problems"]) == (True, False, [])
    received = portal.post(path, bid_body(1))
    shown = done(received)
    BidReceived.model_validate(shown)
    assert received.headers["location"] == f"{path}/{shown['id']}"
    assert [(one["indicator"], one["verdict"]) for one in shown["replies"]] == [
        ("抗风等级≥7级", "met"),
        ("航程≥30km", "met"),
    ]
    again = done(portal.post(path, bid_body(1, amount=5)))
    assert (again["id"], again["replaced"], again["amount"]) == (shown["id"], True, 5)
    mine = {key: value for key, value in again.items() if key not in ("replaced", "problems")}
    assert done(portal.get(path)) == {"count": None, "items": [mine], "next": None}
    assert done(staff.get(path)) == {"count": 1, "items": [], "next": None}
    assert problem(staff.get(f"{path}/{shown['id']}"))["code"] == "not_found"
    assert done(portal.post(f"{path}/{shown['id']}/moves", {"move": "withdraw"}))["state"] == "withdrawn"
    assert done(staff.get(path))["count"] == 0
    done(portal.post(path, bid_body(1)))
    early = staff.post(f"{path}/opening")
    assert problem(early)["code"] == "move_requirement"
    clock.at = DEADLINE
    done(portal.post(path, bid_body(1, amount=7)))
    clock.at += timedelta(seconds=1)
    late = portal.post(path, bid_body(1))
    assert (late.status_code, problem(late)["code"]) == (422, "move_requirement")
    back = portal.post(f"{path}/{shown['id']}/moves", {"move": "withdraw"})
    assert (back.status_code, problem(back)["code"]) == (409, "bid_late")
    opened = done(staff.post(f"{path}/opening"))
    Opened.model_validate(opened)
    assert [(one["id"], one["state"], one["amount"]) for one in opened["bids"]] == [
        (shown["id"], "opened", 7)
    ]
    assert done(staff.get(f"{path}/{shown['id']}"))["own"] is False
    FitShown.model_validate(done(staff.get(f"{path}/{shown['id']}/fit")))


def test_bid_with_faults_is_refused_with_each_of_them(served: Served, staff: Portal, clock: Clock) -> None:
    id, portal = posted(staff), bidder(served, 2)
    body = bid_body(2, amount=9_000_000, replies=[], team="", dishonest=None)
    refused = portal.post(f"/v1/tasks/{id}/bids", body)
    document = problem(refused)
    assert (refused.status_code, document["code"]) == (422, "bid_refused")
    assert {one["code"] for one in document["problems"]} == {
        "bid_over_budget", "bid_indicator", "bid_incomplete", "bid_dishonest_unknown",
    }  # fmt: skip
    assert done(staff.get(f"/v1/tasks/{id}/bids"))["count"] == 0


def test_what_no_reader_sees_is_not_kept_of_a_text(served: Served, staff: Portal, clock: Clock) -> None:
    path = f"/v1/tasks/{posted(staff)}/bids"
    replies = [
        {"indicator": "抗风等级≥7级", "text": "\x1b[2J7级\u202e", "evidence": "检测\x0b报告"},
        {"indicator": "航程≥30km", "text": "\x0045km"},
    ]
    sent = bid_body(people=["张\u2066伟"], replies=replies)
    shown = done(bidder(served, 1).post(path, sent))
    told = [(one["reply"], one["evidence"]) for one in shown["replies"]]
    assert (shown["people"], told) == (["张伟"], [("[2J7级", "检测报告"), ("45km", "")])


def test_key_bids_for_its_own_organisations_alone(served: Served, staff: Portal, clock: Clock) -> None:
    id = posted(staff)
    path = f"/v1/tasks/{id}/bids"
    made = done(bidder(served, 1).post(path, bid_body(1)))["id"]
    other, nobody = bidder(served, 2, "nansha"), bidder(served, 3, "nansha", bidders=())
    for portal in (other, nobody, staff):
        for place in (path, f"{path}/check"):
            refused = portal.post(place, bid_body(1))
            assert (refused.status_code, problem(refused)["code"]) == (403, "bidder_not_yours")
        assert problem(portal.post(f"{path}/{made}/moves", {"move": "withdraw"}))["code"] == "not_found"
    # Another partner that the firm has entrusted acts for it too.
    assert done(bidder(served, 1, "doumen").get(path))["items"][0]["id"] == made
    assert problem(bidder(served, 1, scopes=("read", "write")).get(path))["code"] == "scope_missing"


def test_bid_names_no_record_and_no_task_that_its_key_may_not_see(
    served: Served, staff: Portal, clock: Clock
) -> None:
    id, portal = posted(staff), bidder(served, 4)
    draft = done(staff.post("/v1/tasks", TASK))["id"]
    for name, hidden, never in (("record", "CG-4", "CG-9"), ("earlier", draft, "BD-1999-001")):
        told = []
        for value in (hidden, never):
            answer = portal.post(
                f"/v1/tasks/{id}/bids/check", bid_body(4, **{name: value if name == "record" else [value]})
            )
            told.append((answer.status_code, problem(answer)["detail"].replace(value, "…")))
        assert told[0] == told[1]
        assert told[0][0] == 404


def test_bidders_see_themselves_alone_also_after_the_decision(
    served: Served, staff: Portal, clock: Clock
) -> None:
    id = posted(staff)
    path = f"/v1/tasks/{id}/bids"
    portals = [bidder(served, number) for number in (1, 2)]
    made = [done(portal.post(path, bid_body(n)))["id"] for n, portal in enumerate(portals, 1)]
    clock.at = DEADLINE + timedelta(seconds=1)
    done(staff.post(f"{path}/opening"))
    award(staff, clock, id, [(bid, 90 - 10 * place, f"理由{place}") for place, bid in enumerate(made)], 1)
    loser = done(portals[1].get(path))
    assert [one["id"] for one in loser["items"]] == [made[1]]
    reason = loser["items"][0]["decision"]["reason"]
    assert (loser["count"], "评审意见：理由1" in reason, "理由0" in reason) == (2, True, False)
    assert problem(portals[1].get(f"{path}/{made[0]}"))["code"] == "not_found"
    assert "理由0" not in portals[1].get(f"/v1/tasks/{id}").text
    assert {one["id"] for one in done(staff.get(path))["items"]} == set(made)


def test_poster_sees_bids_once_they_are_open(served: Served, staff: Portal, clock: Clock) -> None:
    poster = served.portal("xiangzhou")
    id = done(poster.post("/v1/tasks", TASK))["id"]
    done(move(poster, id, "submit"))
    done(move(staff, id, "opine", expert="程某", opinion="同意"))
    done(move(staff, id, "publish"))
    path = f"/v1/tasks/{id}/bids"
    before = poster.get(f"/v1/tasks/{id}").content
    made = done(bidder(served, 1).post(path, bid_body(1)))["id"]
    assert poster.get(f"/v1/tasks/{id}").content == before
    assert done(poster.get(path)) == {"count": None, "items": [], "next": None}
    assert problem(poster.get(f"{path}/{made}"))["code"] == "not_found"
    clock.at = DEADLINE + timedelta(seconds=1)
    done(staff.post(f"{path}/opening"))
    assert [one["id"] for one in done(poster.get(path))["items"]] == [made]
    assert problem(served.portal("nansha").get(f"{path}/{made}"))["code"] == "not_found"


def test_winner_gives_up_in_writing(served: Served, staff: Portal, clock: Clock) -> None:
    id, (bid,) = awarded(served, staff, clock, (1,))
    path = f"/v1/tasks/{id}/bids/{bid}/moves"
    assert problem(staff.post(path, {"move": "abandon", "reason": "不做"}))["code"] == "move_role"
    portal = bidder(served, 1)
    assert problem(portal.post(path, {"move": "abandon"}))["code"] == "move_requirement"
    assert done(portal.post(path, {"move": "abandon", "reason": "人员变动"}))["state"] == "abandoned"


# Two worlds: the same, but that in the second others bid.


class Twins:
    """The same callers, with the same keys, in a world where only they bid and in one where others do as well."""

    def __init__(self, served: Sequence[Served], keys: Mapping[str, tuple[Key, str]]) -> None:
        self.served = served
        self.callers = {
            name: (Portal(served[0].client, token, key.id), Portal(served[1].client, token, key.id))
            for name, (key, token) in keys.items()
        }

    def same(self, who: str, method: str, path: str, **asked: Any) -> int:
        """Ask both; every byte of the two answers is the same. Gives the status."""
        answers = [
            portal(method, path, headers={"X-Request-Id": "t", **asked.get("headers", {})},
                   **{name: value for name, value in asked.items() if name != "headers"})
            for portal in self.callers[who]
        ]  # fmt: skip
        left, right = (
            (one.status_code, one.content, {n: v for n, v in one.headers.items() if n not in ("date", "x-request-id") and not n.startswith("ratelimit")})
            for one in answers
        )  # fmt: skip
        assert left == right, (who, method, path)
        return int(left[0])


@pytest.fixture(scope="module")
def twins(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Two running applications over copies of one home."""
    folder = tmp_path_factory.mktemp("twins")
    base = folder / "base"
    shutil.copytree(_indexed, base)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        with Home(path=base).open_store(create=False) as store:
            store.secret()
            store.outbox.unread(0)
            nodes = [make_enterprise(f"QY-9{n}", title=firm(n).name, uscc=firm(n).uscc) for n in (1, 2)]
            store.apply([PutNode(node=node) for node in nodes], actor="程某", at=START, reason="")
            known: list[tuple[str, Visibility, list[str]]] = [
                ("own", "partner", [str(firm(1).uscc)]), ("public", "public", []), ("poster", "partner", []), ("city", "staff", []),
            ]  # fmt: skip
            keys = {
                name: create_key(
                    store, partner=name, name="", scopes=("read", "write", "bid"), audience=audience, lasts=None,
                    per_minute=100_000, actor="程某", at=START, bidders=bidders,
                )
                for name, audience, bidders in known
            }  # fmt: skip
        running = []
        for name in ("alone", "with others"):
            shutil.copytree(base, folder / name)
            running.append(stack.enter_context(serving(folder / name)))
        yield Twins(running, keys)


_numbers = itertools.count()
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["other bids", "other replaces", "other withdraws", "two bid", "own bids", "own withdraws"]
        ),
        st.integers(min_value=1, max_value=600_000),
    ),
    max_size=6,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_nothing_told_before_the_opening_depends_on_what_others_bid(
    twins: Twins, monkeypatch: pytest.MonkeyPatch, actions: list[tuple[str, int]]
) -> None:
    clock = Clock(monkeypatch)
    once = {"Idempotency-Key": f"n{next(_numbers)}"}
    for poster, staff in zip(twins.callers["poster"], twins.callers["city"], strict=True):
        id = done(poster.post("/v1/tasks", TASK, headers=once))["id"]
        done(move(poster, id, "submit"))
        done(move(staff, id, "opine", expert="程某", opinion="同意"))
        done(move(staff, id, "publish"))
    path, made = f"/v1/tasks/{id}/bids", "0"
    other = bidder(twins.served[1], 2, "nansha")
    others = [bidder(twins.served[1], number, "nansha") for number in (3, 4)]
    theirs: dict[str, str] = {}
    for what, seconds in actions:
        clock.at = min(clock.at + timedelta(seconds=seconds), DEADLINE)
        match what:
            case "other bids" | "other replaces":
                theirs["id"] = done(other.post(path, bid_body(2, amount=seconds)))["id"]
            case "other withdraws" if theirs:
                other.post(f"{path}/{theirs['id']}/moves", {"move": "withdraw"})
            case "two bid":
                for number, portal in zip((3, 4), others, strict=True):
                    done(portal.post(path, bid_body(number, amount=seconds)))
            case "own bids":
                assert twins.same("own", "POST", path, json=bid_body(1, amount=seconds)) == 201
                made = done(twins.callers["own"][0].get(path))["items"][0]["id"]
            case "own withdraws":
                twins.same("own", "POST", f"{path}/{made}/moves", json={"move": "withdraw"})
    rival = theirs.get("id", f"{id}-0123456789ab")
    for who in ("own", "public", "poster"):
        for address in (
            f"/v1/tasks/{id}", f"/v1/tasks/{id}/history", "/v1/tasks?limit=200", "/v1/tasks?format=csv", path, f"{path}?limit=1",
            f"{path}/{rival}", f"{path}/{made}", f"{path}/{rival}/fit", f"/v1/tasks/{id}/race",
        ):  # fmt: skip
            twins.same(who, "GET", address)
        for number in (1, 2):
            twins.same(who, "POST", f"{path}/check", json=bid_body(number))
        twins.same(who, "POST", f"{path}/{rival}/moves", json={"move": "withdraw"})
        twins.same(who, "POST", f"{path}/opening")
        twins.same(who, "POST", f"/v1/tasks/{id}/moves", json={"move": "submit"})
    # It was no empty world.
    assert {*theirs.values()} <= {bid.id for bid in twins.served[1].store.processes(Bid)}
