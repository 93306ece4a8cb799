"""Races over HTTP: gates, money that sums, and a team that sees itself alone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.wire_tasks import RaceShown
from tests.api.boards import Clock, awarded, bidder, done, move
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here."""
    with lasting(_indexed, tmp_path_factory.mktemp("races")) as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time."""
    return Clock(monkeypatch)


def started(served: Served, staff: Portal, clock: Clock) -> tuple[str, list[str]]:
    """A race of two teams through two gates, and the teams."""
    id, teams = awarded(served, staff, clock, (1, 2), selection="race")
    clock.at += 15 * DAY
    done(move(staff, id, "sign"))
    gates = [
        {"name": "样机", "date": (clock.at + 10 * DAY).isoformat(), "evidence": "检测报告", "tranche": 300_000, "best": 1},
        {"name": "试飞", "date": (clock.at + 40 * DAY).isoformat(), "evidence": "试飞报告", "tranche": 400_000, "threshold": 60},
    ]  # fmt: skip
    shown = staff.post(f"/v1/tasks/{id}/race", {"gates": gates})
    RaceShown.model_validate(done(shown))
    assert shown.headers["location"] == f"/v1/tasks/{id}/race"
    return id, teams


def judged(*teams: tuple[str, float, str]) -> dict[str, Any]:
    return {"teams": [{"team": team, "points": points, "evidence": shown} for team, points, shown in teams]}


def test_race_goes_through_its_gates_and_the_money_sums(served: Served, staff: Portal, clock: Clock) -> None:
    id, (first, second) = started(served, staff, clock)
    path = f"/v1/tasks/{id}/race"
    both = judged((first, 90.5, "报告"), (second, 80, "报告"))
    assert problem(staff.post(f"{path}/gates", both))["code"] == "move_requirement"
    put_off = {"extend_to": (clock.at + 20 * DAY).isoformat(), "reason": "台风"}
    assert done(staff.post(f"{path}/gates", put_off))["gates"][0]["extensions"] == 1
    clock.at += 20 * DAY
    told = [done(staff.post(f"{path}/gates", both))]
    clock.at += 30 * DAY
    assert problem(staff.post(f"{path}/gates", both))["code"] == "move_requirement"
    told.append(done(staff.post(f"{path}/gates", judged((first, 60, "试飞报告")))))
    assert [one["state"] for one in told] == ["running", "finished"]
    assert [(one["team"], one["state"], one["paid"], one["won"]) for one in told[1]["teams"]] == [
        (first, "finished", 700_000, True), (second, "cut", 0, False),
    ]  # fmt: skip
    for one in told:
        money = one["balance"]
        assert money["released"] + money["returned"] + money["reserved"] == money["budget"] == 3_000_000
    assert told[1]["balance"]["reserved"] == 0
    assert problem(staff.post(f"{path}/gates", judged((first, 60, "报告"))))["code"] == "move_requirement"
    assert done(move(staff, id, "assess"))["state"] == "assessed"


def test_team_sees_itself_alone_and_others_nothing(served: Served, staff: Portal, clock: Clock) -> None:
    id, (first, second) = started(served, staff, clock)
    path = f"/v1/tasks/{id}/race"
    clock.at += 10 * DAY
    done(staff.post(f"{path}/gates", judged((first, 90, "报告甲"), (second, 80, "报告乙"))))
    seen = bidder(served, 2).get(path)
    shown = done(seen)
    assert ([one["team"] for one in shown["teams"]], shown["balance"]) == ([second], None)
    assert {one["team"] for one in (*shown["results"], *shown["ledger"])} == {second}
    assert first not in seen.text
    assert "报告甲" not in seen.text
    for portal in (bidder(served, 3), served.portal("visitors", audience="public")):
        assert problem(portal.get(path))["code"] == "not_found"
    assert (
        problem(served.portal("visitors").post(f"{path}/gates", judged((first, 1, ""))))["code"]
        == "staff_only"
    )


def test_team_leaves_for_itself_and_pays_back_by_the_city(
    served: Served, staff: Portal, clock: Clock
) -> None:
    id, (first, second) = started(served, staff, clock)
    path = f"/v1/tasks/{id}/race/departures"
    portal = bidder(served, 2)
    assert problem(portal.post(path, {"team": first, "reason": "不做"}))["code"] == "not_found"
    assert problem(portal.post(path, {"team": second, "reason": "不做", "refund": 5}))["code"] == "move_role"
    assert problem(portal.post(path, {"team": second}))["code"] == "move_requirement"
    assert done(portal.post(path, {"team": second, "reason": "人员变动"}))["teams"][0]["state"] == "left"
    refused = staff.post(path, {"team": first, "reason": "不做", "refund": 5})
    assert (refused.status_code, problem(refused)["code"]) == (422, "race_refund")
    ended = done(staff.post(path, {"team": first, "reason": "不做"}))
    assert (ended["state"], ended["balance"]["reserved"]) == ("failed", 0)


@pytest.mark.parametrize("body", [{}, {"teams": [], "reason": "x"}, {"teams": [{"team": "a", "points": 1}], "extend_to": "2026-12-01T00:00:00Z"}])  # fmt: skip
def test_gate_is_judged_or_put_off(served: Served, staff: Portal, clock: Clock, body: dict[str, Any]) -> None:
    id, _ = started(served, staff, clock)
    assert problem(staff.post(f"/v1/tasks/{id}/race/gates", body))["code"] == "gate_what"
