"""The same POST sent again gets the first answer and does nothing twice; what failed may be tried again."""

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.access import Caller
from api.idempotency import Idempotency
from api.keys import Key
from api.problem_documents import Refusal
from graph.store.receipts import Receipts
from graph.store.store import Store
from matcher.home import Home
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting
from tests.factories import NOON


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An empty store."""
    with Home(path=tmp_path_factory.mktemp("receipts") / "home").open_store(create=True) as store:
        yield store


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for this file."""
    with lasting(_indexed, tmp_path_factory.mktemp("once")) as served:
        yield served


class Counting:
    """An application that answers with how often it was asked, or as it is told to."""

    def __init__(self, status: int = 201, pause: float = 0.0, error: BaseException | None = None) -> None:
        self.times, self.bodies = 0, list[bytes]()
        self.status, self.pause, self.error = status, pause, error

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.times += 1
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        self.bodies.append(body)
        await asyncio.sleep(self.pause)
        if self.error is not None:
            raise self.error
        headers = [(b"content-type", b"text/plain"), (b"location", b"/v1/x"), (b"x-other", b"o")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": str(self.times).encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"!"})


Answer = tuple[int, bytes, bool]
NUMBERS = itertools.count()


async def sent(
    once: Idempotency,
    key: str | None,
    *,
    parts: tuple[bytes, ...] = (b"{}",),
    owner: str = "a",
    path: str = "/v1/x",
    query: bytes = b"",
    media: bytes = b"application/json",
    method: str = "POST",
) -> Answer:
    """The status and body of an answer, and whether it was given before."""
    answer: list[Any] = []
    coming = list(parts)

    async def send(message: Any) -> None:
        answer.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": coming.pop(0) if coming else b"", "more_body": bool(coming)}

    held = Key(id=owner, partner="hengqin", state="active", opened_at=NOON, moved_at=NOON)
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query, "request_id": "r",
        "headers": [(b"content-type", media), *([(b"idempotency-key", key.encode())] if key is not None else [])],
        "caller": Caller(held, once._store),
    }  # fmt: skip
    await once(scope, receive, send)
    replayed = (b"idempotency-replayed", b"true") in answer[0]["headers"]
    return answer[0]["status"], b"".join(message.get("body", b"") for message in answer[1:]), replayed


def code(answer: Answer) -> tuple[int, str]:
    """The status and code of a refusal."""
    return answer[0], json.loads(answer[1])["code"]


def test_the_same_request_is_done_once_and_answered_alike(store: Store) -> None:
    app = Counting()
    once = Idempotency(app, store)
    answers = [asyncio.run(sent(once, "same")) for _ in range(3)]
    assert answers == [(201, b"1!", False), (201, b"1!", True), (201, b"1!", True)]
    assert app.times == 1


@pytest.mark.parametrize(
    "other",
    [
        {"parts": (b"{ }",)}, {"path": "/v1/y"}, {"query": b"a=1"}, {"media": b"text/csv"},
        {"parts": (b"{}", b" ")},
    ],
)  # fmt: skip
def test_another_request_under_the_same_value_is_refused(store: Store, other: Mapping[str, Any]) -> None:
    app, key = Counting(), f"other {sorted(other)}{len(str(other))}".replace(" ", "-")
    once = Idempotency(app, store)
    assert asyncio.run(sent(once, key))[0] == 201
    assert code(asyncio.run(sent(once, key, **other))) == (422, "idempotency_mismatch")
    assert app.times == 1


def test_a_value_of_one_access_key_says_nothing_to_another(store: Store) -> None:
    once = Idempotency(Counting(), store)
    answers = [asyncio.run(sent(once, "shared", owner=owner)) for owner in "abab"]
    assert answers == [(201, b"1!", False), (201, b"2!", False), (201, b"1!", True), (201, b"2!", True)]


def test_without_a_value_and_by_other_methods_everything_is_done(store: Store) -> None:
    app = Counting()
    once = Idempotency(app, store)
    for _ in range(2):
        asyncio.run(sent(once, None))
        asyncio.run(sent(once, "k", method="PUT"))
    assert app.times == 4


@pytest.mark.parametrize("key", ["", "a b", "a\n", "x" * 201])
def test_a_value_that_is_none_is_refused(store: Store, key: str) -> None:
    app = Counting()
    assert code(asyncio.run(sent(Idempotency(app, store), key))) == (400, "idempotency_key")
    assert app.times == 0


@given(parts=st.lists(st.binary(max_size=200_000), max_size=12).map(tuple))
@settings(suppress_health_check=list(HealthCheck), max_examples=15, deadline=None, derandomize=True)
def test_a_body_arrives_whole_and_counts_by_its_content_not_by_its_parts(
    store: Store, parts: tuple[bytes, ...]
) -> None:
    app, whole, key = Counting(), b"".join(parts), f"parts-{next(NUMBERS)}"
    once = Idempotency(app, store)
    first, again = (asyncio.run(sent(once, key, parts=some)) for some in (parts, (whole,)))
    assert (first, again) == ((201, b"1!", False), (201, b"1!", True))
    assert app.bodies == [whole]


def test_a_body_too_large_for_memory_arrives_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.idempotency._IN_MEMORY", 1000)
    app, body = Counting(), bytes(range(256)) * 1024  # a multiple of what is read at once
    assert asyncio.run(sent(Idempotency(app, store), "large", parts=(body,)))[0] == 201
    assert app.bodies == [body]


@pytest.mark.parametrize("times", [2, 8])
def test_of_many_at_once_one_is_done(store: Store, times: int) -> None:
    app = Counting(pause=0.2)

    async def all_at_once() -> list[Answer]:
        once = Idempotency(app, store)
        return await asyncio.gather(*(sent(once, f"at-once-{times}") for _ in range(times)))

    answers = asyncio.run(all_at_once())
    assert app.times == 1
    done = [answer for answer in answers if answer[0] == 201]
    assert {answer[1] for answer in done} == {b"1!"}
    assert [code(answer) for answer in answers if answer[0] != 201] == [(409, "idempotency_pending")] * (
        times - len(done)
    )


@pytest.mark.parametrize(
    ("status", "is_kept"),
    [(200, True), (409, True), (422, True), (404, True), (401, False), (403, False), (408, False), (429, False),
     (500, False), (503, False)],
)  # fmt: skip
def test_answers_that_say_something_of_the_request_are_kept(store: Store, status: int, is_kept: bool) -> None:
    app = Counting(status=status)
    once = Idempotency(app, store)
    answers = [asyncio.run(sent(once, f"status-{status}")) for _ in range(2)]
    assert [answer[2] for answer in answers] == [False, is_kept]
    assert app.times == (1 if is_kept else 2)


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()])
def test_what_fails_may_be_tried_again_at_once(store: Store, error: BaseException) -> None:
    app = Counting(error=error)
    once = Idempotency(app, store)
    with pytest.raises(type(error)):
        asyncio.run(sent(once, f"fails-{error!r}"))
    app.error = None
    assert asyncio.run(sent(once, f"fails-{error!r}")) == (201, b"2!", False)


def test_a_refusal_is_released_and_told(store: Store) -> None:
    app = Counting(error=Refusal(418, "tea", "茶。", "请喝。"))
    once = Idempotency(app, store)
    assert code(asyncio.run(sent(once, "tea"))) == (418, "tea")
    app.error = None
    assert asyncio.run(sent(once, "tea")) == (201, b"2!", False)


def test_a_body_that_breaks_off_claims_nothing(store: Store) -> None:
    app = Counting()
    once = Idempotency(app, store)

    async def cut() -> Answer:
        answer: list[Any] = []
        coming = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

        async def send(message: Any) -> None:
            answer.append(message)

        async def receive() -> Any:
            return coming.pop(0)

        held = Key(id="a", partner="hengqin", state="active", opened_at=NOON, moved_at=NOON)
        scope = {
            "type": "http", "method": "POST", "path": "/v1/x", "headers": [(b"idempotency-key", b"cut")],
            "request_id": "r", "caller": Caller(held, store),
        }  # fmt: skip
        await once(scope, receive, send)
        return answer[0]["status"], answer[1]["body"], False

    assert code(asyncio.run(cut())) == (400, "body_cut")
    assert asyncio.run(sent(once, "cut")) == (201, b"1!", False)


MAKING = {
    "scene": ("/v1/scenes", {"title": "新场景", "summary": "试"}),
    "order": ("/v1/orders", {"need": "求无人机"}),
    "webhook": ("/v1/webhooks", {"url": "https://93.184.216.34/hook"}),
    "judgement": ("/v1/judgements", {"scene": "CJ-1", "achievement": "CG-1", "level": 4, "judge": "李明"}),
    "outcome": ("/v1/outcomes", {"scene": "CJ-1", "achievement": "CG-1", "stage": "met", "by": "李明"}),
}


@pytest.mark.parametrize("made", MAKING)
def test_each_thing_is_made_once_and_its_answer_has_the_same_headers(served: Served, made: str) -> None:
    partner = served.portal("p" + made)
    path, body = MAKING[made]
    before = len(partner.get(path, params={"limit": 200}).json()["items"])
    first, again = (
        partner.post(path, body, headers={"Idempotency-Key": "一".encode().hex()}) for _ in range(2)
    )
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    for name in ("content-type", "location", "etag"):
        assert again.headers.get(name) == first.headers.get(name)
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(partner.get(path, params={"limit": 200}).json()["items"]) == before + 1


@pytest.mark.parametrize("made", MAKING)
def test_a_crash_before_the_answer_is_kept_makes_nothing_twice(
    served: Served, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = served.portal("c" + made)
    path, body = MAKING[made]
    before = len(partner.get(path, params={"limit": 200}).json()["items"])
    monkeypatch.setattr(Receipts, "settle", lambda *_, **__: None)  # the process is gone by then
    monkeypatch.setattr("api.idempotency._LEASE", timedelta(seconds=-1))
    answers = [partner.post(path, body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.json().get("id") for answer in answers] == [answers[0].json().get("id")] * 2
    assert len(partner.get(path, params={"limit": 200}).json()["items"]) == before + 1


def test_an_order_moved_twice_by_a_retry_after_a_crash_is_moved_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = served.portal("pmoves")
    order = partner.post("/v1/orders", {"need": "求无人机"}).json()["id"]
    moves = [
        partner.post(f"/v1/orders/{order}/moves", {"move": "withdraw", "values": {"reason": "不需要了"}}, headers={"Idempotency-Key": "m"})
        for _ in range(2)
    ]  # fmt: skip
    assert [move.status_code for move in moves] == [200, 200]
    assert moves[0].content == moves[1].content


def test_a_read_only_key_uses_up_no_value(served: Served) -> None:
    partner = served.portal("reader", scopes=("read",))
    for _ in range(2):
        refused = partner.post("/v1/scenes", {"title": "试"}, headers={"Idempotency-Key": "r"})
        assert problem(refused)["code"] == "scope_missing"
        assert "idempotency-replayed" not in refused.headers


def test_a_key_is_never_kept_in_an_answer(served: Served) -> None:
    staff: Portal = served.portal("city", audience="staff")
    refused = staff.post("/v1/keys", {"partner": "new", "scopes": ["read"]}, headers={"Idempotency-Key": "k"})
    assert (problem(refused)["status"], problem(refused)["code"]) == (422, "idempotency_refused")
