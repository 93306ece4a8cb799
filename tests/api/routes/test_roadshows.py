"""Roadshows over HTTP: a lineup made, changed by who has seen it, released; partners apart from each other."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.client import JiebangClient
from api.wire import RoadshowChecked, RoadshowDone, RoadshowPage, RoadshowShown
from matcher.roadshows import Roadshow
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting, listening

ASKED = {
    "theme": "海岛无人机送药",
    "pitches": 2,
    "rules": {"fit": 1, "institution": 0},
    "title": "送药，专场🚁",
}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here; partners are new in each."""
    with lasting(_indexed, tmp_path_factory.mktemp("roadshows")) as running:
        yield running


@pytest.fixture
def portal(served: Served) -> Portal:
    """A partner without roadshows."""
    return served.portal(f"partner-{next(_numbers)}")


def make(portal: Portal, **changes: Any) -> dict[str, Any]:
    response = portal.post("/v1/roadshows", {**ASKED, **changes})
    assert response.status_code == 201, response.text
    done: dict[str, Any] = response.json()
    RoadshowDone.model_validate(done)
    assert response.headers["location"] == f"/v1/roadshows/{done['roadshow']['id']}"
    shown: dict[str, Any] = done["roadshow"]
    return shown


def move(portal: Portal, shown: dict[str, Any], name: str, **values: Any) -> Any:
    return portal.post(
        f"/v1/roadshows/{shown['id']}/moves", {"move": name, "draft": shown["draft"], **values}
    )


def test_roadshow_is_made_of_what_the_partner_may_see_and_comes_back(portal: Portal) -> None:
    shown = make(portal)
    assert (shown["state"], shown["draft"], shown["title"], shown["audience"]) == (
        "draft",
        1,
        "送药，专场🚁",
        "partner",
    )
    assert shown["pitches"][0]["id"] == "CG-1"
    assert {pitch["id"] for pitch in (*shown["pitches"], *shown["alternates"])} == {"CG-1", "CG-2", "CG-3"}
    found = portal.get(f"/v1/roadshows/{shown['id']}")
    RoadshowShown.model_validate(found.json())
    assert found.json() == shown
    page = portal.get("/v1/roadshows").json()
    RoadshowPage.model_validate(page)
    assert [item["id"] for item in page["items"]] == [shown["id"]]
    checked = portal.get(f"/v1/roadshows/{shown['id']}/conflicts").json()
    RoadshowChecked.model_validate(checked)
    assert checked["conflicts"] == []
    assert [one["id"] for one in checked["left_out"]] == [shown["alternates"][0]["id"]]


def test_roadshow_is_changed_released_and_its_version_stays(portal: Portal) -> None:
    shown = make(portal)
    first = [pitch["id"] for pitch in shown["pitches"]]
    dropped = move(portal, shown, "drop", ids=[first[0]], reason="撞期")
    assert dropped.status_code == 200, dropped.text
    done = dropped.json()
    assert [(one["place"], one["out"]) for one in done["change"]["costs"]] == [(1, first[0])]
    assert done["roadshow"]["out"] == [{"achievement": first[0], "reason": "撞期"}]
    out = move(portal, done["roadshow"], "release", note="首发").json()["roadshow"]
    assert (out["state"], [one["note"] for one in out["versions"]]) == ("released", ["首发"])
    swapped = move(portal, out, "swap", ids=[pitch["id"] for pitch in out["pitches"]]).json()
    assert swapped["roadshow"]["state"] == "draft"
    assert [one["id"] for one in swapped["change"]["moves"]] != []
    kept = portal.get(f"/v1/roadshows/{shown['id']}?version=1").json()
    assert [one["id"] for one in kept["pitches"]] == [one["id"] for one in out["pitches"]]
    assert portal.get(f"/v1/roadshows/{shown['id']}?version=2").status_code == 404
    cancelled = move(portal, swapped["roadshow"], "cancel", reason="台风")
    assert cancelled.json()["roadshow"]["state"] == "cancelled"
    assert problem(move(portal, cancelled.json()["roadshow"], "solve"))["code"] == "move_state"


def test_who_has_seen_another_draft_is_refused_and_nothing_is_written(portal: Portal, served: Served) -> None:
    shown = make(portal)
    assert move(portal, shown, "lock").status_code == 200
    kept = served.store.process(Roadshow, shown["id"])
    refused = move(portal, shown, "unlock")
    assert (refused.status_code, problem(refused)["code"]) == (409, "roadshow_changed")
    assert served.store.process(Roadshow, shown["id"]) == kept


def test_release_waits_for_what_must_be_solved(portal: Portal) -> None:
    shown = make(portal)
    short = move(portal, shown, "drop", ids=[shown["pitches"][0]["id"]], fill=False).json()["roadshow"]
    refused = move(portal, short, "release")
    assert (refused.status_code, problem(refused)["code"]) == (409, "lineup_unresolved")
    assert "应有 2 项，现在 1 项" in problem(refused)["detail"]


def test_rules_in_conflict_are_told_with_what_would_mend_them(portal: Portal) -> None:
    refused = portal.post("/v1/roadshows", {**ASKED, "rules": {"fit": 1, "maturity": 8}})
    document = problem(refused)
    assert (refused.status_code, document["code"]) == (422, "lineup_infeasible")
    assert "成熟度至少 TRL8" in document["detail"]
    assert {one["place"] for one in document["problems"]} == {"pitches", "maturity"}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"theme": " "}, 422, "theme_missing"), ({"scenes": ["CJ-2"]}, 404, "guest_unknown"),
        ({"must": ["CG-4"]}, 404, "achievement_unknown"), ({"rules": {"高兴": 1}}, 422, "roadshow_setting"),
        ({"rules": {"fit": 9}}, 422, "roadshow_setting"), ({"rules": {"fit": 4}, "theme": "唱歌"}, 422, "theme_unfit"),
        ({"field": "炼金术"}, 422, "field_unknown"), ({"levels": {"team": "随便"}}, 422, "request_invalid"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(portal: Portal, changes: dict[str, Any], status: int, code: str) -> None:
    refused = portal.post("/v1/roadshows", {**ASKED, **changes})
    assert (refused.status_code, problem(refused)["code"]) == (status, code)


def test_partners_have_their_own_and_staff_see_all(served: Served, portal: Portal) -> None:
    shown = make(portal)
    other, officer = served.portal("nansha"), served.portal("city", audience="staff")
    assert other.get(f"/v1/roadshows/{shown['id']}").status_code == 404
    assert move(other, shown, "lock").status_code == 404
    assert other.get("/v1/roadshows").json()["items"] == []
    assert officer.get(f"/v1/roadshows/{shown['id']}").json()["id"] == shown["id"]
    assert shown["id"] in {one["id"] for one in officer.get("/v1/roadshows?limit=200").json()["items"]}
    # Staff too change a partner's roadshow only within what that partner may see.
    refused = move(officer, shown, "add", ids=["CG-4"])
    assert (refused.status_code, problem(refused)["code"]) == (404, "achievement_unknown")


def test_key_of_a_narrower_audience_does_not_find_what_was_made_with_a_wider(served: Served) -> None:
    shown = make(served.portal("heng"))
    public = served.portal("heng", audience="public")
    assert public.get(f"/v1/roadshows/{shown['id']}").status_code == 404
    assert public.get(f"/v1/roadshows/{shown['id']}/conflicts").status_code == 404
    assert public.get("/v1/roadshows").json()["items"] == []


def test_sent_again_with_its_key_it_is_made_once(portal: Portal) -> None:
    answers = [
        portal.post("/v1/roadshows", ASKED, headers={"Idempotency-Key": "甲".encode().hex()})
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert len(portal.get("/v1/roadshows").json()["items"]) == 1


def test_client_makes_and_changes_a_roadshow(served: Served) -> None:
    token = served.portal("klient").token
    with listening(served.app) as address, JiebangClient(address, token) as jiebang:
        done = jiebang.make_roadshow(**ASKED)
        locked = jiebang.move_roadshow(done.roadshow, "lock").roadshow
        assert all(pitch.locked for pitch in locked.pitches)
        assert jiebang.check_roadshow(locked.id).conflicts == []
        released = jiebang.move_roadshow(locked, "release", note="首发").roadshow
        assert jiebang.roadshow(locked.id, version=1).pitches == released.pitches
        assert [one.id for one in jiebang.roadshows()] == [locked.id]
