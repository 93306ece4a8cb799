"""Access keys over HTTP: shown once, kept as a digest, ended at once, and for administrators of the city only."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.keys import Key
from graph.values import Visibility
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting
from tests.matcher.boards import uscc

SENT = {"partner": "doumen", "name": "对接", "scopes": ["read", "order"], "days": 30, "per_minute": 50}


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here."""
    with lasting(_indexed, tmp_path_factory.mktemp("keys")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(served: Served) -> Portal:
    return served.portal("city", audience="staff")


def made(admin: Portal, **changes: Any) -> dict[str, Any]:
    response = admin.post("/v1/keys", {**SENT, **changes})
    assert response.status_code == 201, response.text
    shown: dict[str, Any] = response.json()
    return shown


def test_key_is_made_as_asked_and_its_token_shown_once(served: Served, admin: Portal) -> None:
    response = admin.post("/v1/keys", SENT)
    shown = response.json()
    token = shown.pop("token")
    created, expires = (datetime.fromisoformat(shown.pop(name)) for name in ("created_at", "expires_at"))
    assert expires - created == timedelta(days=30)
    assert shown == {
        "id": shown["id"], "partner": "doumen", "name": "对接", "scopes": ["read", "order"], "audience": "partner",
        "state": "active", "per_minute": 50, "bidders": [],
    }  # fmt: skip
    assert response.headers["location"] == f"/v1/keys/{shown['id']}"
    assert Portal(served.client, token, shown["id"]).get("/v1/scenes").status_code == 200

    secret = token.rpartition("_")[2] if token.count("_") == 2 else token[len(f"jb_{shown['id']}_") :]
    listed = admin.get("/v1/keys?limit=200")
    assert shown["id"] in {one["id"] for one in listed.json()["items"]}
    assert secret not in listed.text
    assert "secret_hash" not in listed.text
    for path in served.settings.home.path.rglob("store.db*"):
        assert secret.encode() not in path.read_bytes()


def test_key_bids_for_the_organisations_it_is_made_for(admin: Portal) -> None:
    code = uscc(1)
    assert made(admin, bidders=[f" {code.lower()} ", code], scopes=["bid"])["bidders"] == [code]
    wrong = admin.post("/v1/keys", {**SENT, "bidders": ["91"]})
    assert (wrong.status_code, problem(wrong)["code"]) == (422, "process_value")


def test_key_without_days_never_expires(admin: Portal) -> None:
    assert made(admin, days=None)["expires_at"] is None


def test_revoked_key_opens_nothing_from_then_on(served: Served, admin: Portal) -> None:
    shown = made(admin)
    caller = Portal(served.client, shown["token"], shown["id"])
    assert caller.get("/v1/scenes").status_code == 200
    assert admin("DELETE", f"/v1/keys/{shown['id']}?reason=泄露").status_code == 204
    assert problem(caller.get("/v1/scenes"))["code"] == "key_missing"
    again = admin("DELETE", f"/v1/keys/{shown['id']}")
    assert (again.status_code, problem(again)["code"]) == (409, "move_state")
    stored = served.store.process(Key, shown["id"])
    assert (stored.state, stored.reason) == ("revoked", "泄露")
    assert len(served.store.history_of_process("key", shown["id"])) == 2


def test_unknown_key_cannot_be_revoked(admin: Portal) -> None:
    assert problem(admin("DELETE", "/v1/keys/000000000000"))["code"] == "not_found"


@pytest.mark.parametrize(
    ("scopes", "audience"), [(("admin",), "partner"), (("read", "write", "order", "judge"), "staff")]
)
def test_keys_are_for_administrators_of_the_city(
    served: Served, scopes: tuple[str, ...], audience: Visibility
) -> None:
    caller = served.portal("hengqin", scopes=scopes, audience=audience)
    before = served.store.revision()
    for response in (
        caller.get("/v1/keys"),
        caller.post("/v1/keys", SENT),
        caller("DELETE", f"/v1/keys/{caller.key_id}"),
    ):
        assert response.status_code == 403
        assert problem(response)["code"] in {"scope_missing", "staff_only"}
    assert served.store.revision() == before


def test_answer_with_a_token_is_never_kept(served: Served, admin: Portal) -> None:
    before = served.store.revision()
    refused = admin.post("/v1/keys", SENT, headers={"Idempotency-Key": "k-1"})
    assert problem(refused)["code"] == "idempotency_refused"
    assert served.store.revision() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"partner": "Doumen"}, {"partner": "d"}, {"partner": "../x"}, {"partner": "斗门"}, {"scopes": []},
        {"scopes": ["root"]}, {"audience": "all"}, {"days": 0}, {"days": 4000}, {"per_minute": 0}, {"secret_hash": "x"},
        {"name": "长" * 61},
    ],
)  # fmt: skip
def test_bad_key_is_refused_and_not_kept(served: Served, admin: Portal, changes: dict[str, Any]) -> None:
    before = served.store.revision()
    response = admin.post("/v1/keys", {**SENT, **changes})
    assert response.status_code == 422
    problem(response)
    assert served.store.revision() == before


def test_pages_of_keys_give_each_once(served: Served, admin: Portal) -> None:
    for _ in range(3):
        made(admin)
    found: list[str] = []
    cursor = ""
    while True:
        answer = admin.get(f"/v1/keys?limit=2{cursor}").json()
        found += [one["id"] for one in answer["items"]]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert found == sorted(key.id for key in served.store.processes(Key))
