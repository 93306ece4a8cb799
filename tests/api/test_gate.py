"""Nobody gets past the gate without a key, and each key only as often as it may."""

import math
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.application import api_routes, create_app
from api.gate import OPEN, Allowance
from api.keys import revoke_key
from api.settings import ServeSettings
from matcher.home import Home
from tests.api.conftest import Served, problem
from tests.api.listening import lasting
from tests.factories import NOON


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for this file, patient with strangers."""
    with lasting(_indexed, tmp_path_factory.mktemp("gate"), strangers_per_minute=100_000) as served:
        yield served


@given(
    per_minute=st.integers(1, 1000),
    # Sixteenths of a second are exact in binary, so that only the bucket itself is compared.
    pauses=st.lists(st.integers(0, 16 * 90), min_size=1, max_size=60),
)
def test_an_allowance_is_an_exact_token_bucket(per_minute: int, pauses: list[int]) -> None:
    allowance, now = Allowance(), 1000.0
    tokens = Fraction(per_minute)
    for pause in pauses:
        now += pause / 16
        tokens = min(Fraction(per_minute), tokens + Fraction(pause * per_minute, 16 * 60))
        if abs(tokens - round(tokens)) < Fraction(
            1, 10**6
        ):  # where rounding decides, it may decide either way
            tokens = Fraction(round(tokens))
        left, wait = allowance.take("key", per_minute, now)
        if tokens != round(tokens):
            assert (left >= 0) == (tokens >= 1)
        tokens -= left >= 0
        assert left in ({math.floor(tokens), math.floor(tokens + Fraction(1, 10**6)), math.ceil(tokens) - 1} if left >= 0 else {-1})  # fmt: skip
        due = Fraction(0) if tokens >= 1 else (1 - tokens) * 60 / per_minute
        assert wait == pytest.approx(float(due), abs=1e-5) or abs(tokens - 1) < Fraction(1, 10**6)


def test_waiting_as_told_is_enough() -> None:
    allowance = Allowance()
    assert [allowance.take("key", 2, 0.0)[0] for _ in range(3)] == [1, 0, -1]
    _, wait = allowance.take("key", 2, 0.0)
    assert wait == 30.0
    assert allowance.take("key", 2, wait + 0.001)[0] == 0


def test_names_have_buckets_of_their_own_and_the_longest_unseen_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.gate._REMEMBERED", 2)
    allowance = Allowance()
    assert [allowance.take(name, 1, 0.0)[0] for name in "aabab"] == [0, -1, 0, -1, -1]
    allowance.take("c", 1, 0.0)  # a goes
    assert [allowance.take(name, 1, 0.0)[0] for name in "bca"] == [-1, -1, 0]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Basic {token}")],
        [("Authorization", "{token}")],
        [("Authorization", "Bearer {token}x")],
        [("Authorization", "Bearer {token} {token}")],
        [("Authorization", "Bearer jb_0123456789ab_" + "A" * 43)],
        [("Authorization", "Bearer {token}"), ("Authorization", "Bearer {token}")],
        [("Authorization", "Bearer ' OR 1=1 --")],
        [("Authorization", "Bearer \xff\xfe")],
        [("Authorization", "Bearer " + "A" * 20_000)],
        [("X-Api-Key", "{token}")],
        [("Cookie", "key={token}")],
    ],
)
def test_without_a_valid_key_everything_is_the_same_401(
    served: Served, headers: list[tuple[str, str]]
) -> None:
    token = served.portal().token
    sent = [(name.encode(), text.replace("{token}", token).encode("latin-1")) for name, text in headers]
    for path in ("/v1/scenes/CJ-1", "/v1/scenes/CJ-9", "/v1/nothing", "/metrics"):
        answer = served.client.get(path, headers=sent)
        assert (problem(answer)["status"], problem(answer)["code"]) == (401, "key_missing")
        assert answer.headers["www-authenticate"] == 'Bearer realm="jiebang"'
        assert token not in answer.text


def test_the_scheme_may_be_written_in_any_case(served: Served) -> None:
    token = served.portal().token
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert (
            served.client.get("/v1/scenes", headers={"Authorization": f"{scheme} {token}"}).status_code == 200
        )


def test_an_expired_or_revoked_key_opens_nothing_from_then_on(served: Served) -> None:
    late = served.portal(lasts=timedelta(seconds=-1))
    assert problem(late.get("/v1/scenes"))["code"] == "key_missing"
    portal = served.portal()
    assert portal.get("/v1/scenes").status_code == 200
    revoke_key(served.store, portal.key_id, actor="程某", at=NOON, reason="试")
    for method, path in (("GET", "/v1/scenes"), ("POST", "/v1/match"), ("DELETE", "/v1/scenes/hengqin:a")):
        assert problem(portal(method, path))["code"] == "key_missing"


def test_every_route_but_the_open_ones_wants_a_key(served: Served) -> None:
    routes = api_routes(served.app)
    assert len(routes) > 70
    for route in routes:
        for method in route.methods or ():
            answer = served.client.request(method, route.path, follow_redirects=False)
            assert (answer.status_code == 401) == (route.path not in OPEN), (method, route.path)


def test_a_route_without_a_scope_is_not_served(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi import APIRouter

    from api.routes import health

    router = APIRouter()
    router.include_router(health.router)

    @router.get("/v1/forgotten")
    def forgotten() -> None: ...

    monkeypatch.setattr(health, "router", router)
    with pytest.raises(RuntimeError, match="/v1/forgotten"):
        create_app(ServeSettings(home=Home(path=indexed), encoder="bigrams"))


def test_each_key_has_its_own_number_of_requests_and_is_told_what_is_left(served: Served) -> None:
    few, many = served.portal(per_minute=2), served.portal(per_minute=100_000)
    left = [few.get("/v1/scenes").headers["ratelimit-remaining"] for _ in range(2)]
    refused = few.get("/v1/scenes")
    assert left == ["1", "0"]
    assert (problem(refused)["status"], problem(refused)["code"]) == (429, "rate_limited")
    told = {name: refused.headers[name] for name in ("ratelimit-limit", "ratelimit-remaining")}
    assert told == {"ratelimit-limit": "2", "ratelimit-remaining": "0"}
    assert 1 <= int(refused.headers["retry-after"]) <= 31
    assert many.get("/v1/scenes").status_code == 200
    # The few addresses that tell nothing stay open.
    assert few.get("/healthz").status_code == 200


def test_answers_are_kept_by_no_shared_cache(served: Served) -> None:
    answer = served.portal().get("/v1/scenes/CJ-1")
    assert (answer.headers["cache-control"], answer.headers["vary"]) == ("private, no-cache", "Authorization")
    refused = served.portal().get("/v1/scenes/CJ-9")
    problem(refused)
    assert "no-store" in refused.headers["cache-control"]


def test_strangers_of_one_address_are_slowed_down_together() -> None:
    from api.gate import Gate
    from api.metrics import Metrics
    from api.page_paths import Pages

    class Nothing:
        """A store without keys."""

        def process(self, kind: Any, id: str) -> None: ...

    async def never(*_: Any) -> None:
        raise AssertionError

    settings = ServeSettings(home=Home(path=Path("/nowhere")), strangers_per_minute=2)
    gate = Gate(never, Nothing(), settings, Metrics(), Pages([]))  # type: ignore[arg-type]
    assert [_status(gate, host) for host in ("1.1.1.1", "1.1.1.1", "1.1.1.1", "2.2.2.2")] == [
        401,
        401,
        429,
        401,
    ]


def _status(app: Any, host: str) -> int:
    """The status with which a plain request from a host is answered."""
    import asyncio

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {
        "type": "http", "method": "GET", "path": "/v1/scenes", "headers": [], "client": (host, 1), "request_id": "r",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return int(sent[0]["status"])
