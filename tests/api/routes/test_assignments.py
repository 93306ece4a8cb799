"""Assignments over HTTP: solved for who asks, watched, cancelled, compared; plans made by hand looked at."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.assignments import run_assignment
from api.wire_tasks import AssignmentShown, DifferenceShown
from tests.api.boards import done
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here; its assignments are solved in this process, where its encoder is known."""
    with lasting(_indexed, tmp_path_factory.mktemp("assignments")) as running:
        yield running


@pytest.fixture(autouse=True)
def _here(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of its own: the encoder of these tests is known in this one alone."""
    runner = served.app.state.services.assignments

    async def do(loop: Any, job: Any) -> None:
        await loop.run_in_executor(None, run_assignment, served.settings, job.id)

    monkeypatch.setattr(runner, "_do", do)


def solved(portal: Portal, **asked: Any) -> dict[str, Any]:
    """The assignment once it has ended."""
    sent = portal.post("/v1/assignments", asked)
    shown = done(sent)
    assert sent.status_code == 202
    for _ in range(2000):
        if shown["state"] not in ("queued", "running"):
            break
        time.sleep(0.01)
        shown = done(portal.get(sent.headers["location"]))
    AssignmentShown.model_validate(shown)
    return shown


def pairs(shown: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["scene"], one["achievement"]) for one in shown["plan"]["pairs"]}


def test_assignment_is_of_what_the_caller_may_see(served: Served) -> None:
    told = {
        audience: solved(served.portal("visitors", audience=audience), least_level=1)
        for audience in ("public", "partner", "staff")
    }
    assert [one["state"] for one in told.values()] == ["done"] * 3
    seen = {
        audience: {a for _, a in pairs(one)} | {s for s, _ in pairs(one)} for audience, one in told.items()
    }
    assert not seen["public"] & {"CG-3", "CG-4", "CJ-2"}
    assert not seen["partner"] & {"CG-4", "CJ-2"}
    # A scene that is closed counts for whom it is there alone.
    assert [one["plan"]["closed"] for one in told.values()] == [0, 0, 1]
    for one in told.values():
        assert (one["done"] >= 1, one["total"]) == (True, 3)
        assert one["plan"]["optimal"]


def test_rules_are_kept_and_conflicts_explained(served: Served, partner: Portal) -> None:
    forced = {"scene": "CJ-1", "achievement": "CG-3"}
    assert ("CJ-1", "CG-3") in pairs(solved(partner, forced=[forced]))
    both = solved(partner, forced=[forced], forbidden=[forced])
    assert (both["state"], both["plan"], both["problems"][0]["code"]) == ("failed", None, "forced_forbidden")
    assert both["problems"][0]["remedy"]
    closed = solved(partner, least_level=1, scene_capacities=[{"id": "CJ-1", "most": 0}])
    assert [one["why"] for one in closed["plan"]["left"] if one["scene"] == "CJ-1"] == ["closed"]
    narrow = solved(partner, scenes=["CJ-1"], forced=[{"scene": "CJ-3", "achievement": "CG-3"}])
    assert narrow["problems"][0]["code"] == "out_of_scope"
    stable = solved(partner, rule="stable", fair=True)
    assert stable["problems"][0]["code"] == "stable_with_needs"


def test_plan_made_by_hand_is_told_what_it_breaks_and_what_blocks_it(partner: Portal) -> None:
    best = solved(partner, least_level=1)
    swapped = [{"scene": "CJ-1", "achievement": "CG-3"}, {"scene": "CJ-3", "achievement": "CG-1"}]
    shown = solved(partner, rule="given", pairs=swapped, least_level=1)
    assert pairs(shown) == {("CJ-1", "CG-3"), ("CJ-3", "CG-1")}
    assert {("CJ-1", "CG-1"), ("CJ-3", "CG-3")} & {
        (one["scene"], one["achievement"]) for one in shown["plan"]["blocking"]
    }
    assert shown["plan"]["total"] <= best["plan"]["total"]
    twice = [{"scene": "CJ-1", "achievement": "CG-1"}, {"scene": "CJ-1", "achievement": "CG-2"}]
    assert any("CJ-1" in rule for rule in solved(partner, rule="given", pairs=twice)["plan"]["broken"])


def test_two_assignments_are_held_against_each_other(served: Served, partner: Portal) -> None:
    before = solved(partner, least_level=1)
    barred = sorted(pairs(before))[0]
    after = solved(partner, least_level=1, forbidden=[{"scene": barred[0], "achievement": barred[1]}])
    difference = done(partner.get(f"/v1/assignments/{after['id']}/difference?against={before['id']}"))
    DifferenceShown.model_validate(difference)
    keys = {
        name: {(one["scene"], one["achievement"]) for one in difference[name]}
        for name in ("added", "removed", "kept")
    }
    assert keys == {
        "added": pairs(after) - pairs(before), "removed": pairs(before) - pairs(after), "kept": pairs(after) & pairs(before),
    }  # fmt: skip
    assert barred in keys["removed"]
    failed = solved(partner, scenes=["CJ-1"], forced=[{"scene": "CJ-3", "achievement": "CG-3"}])
    refused = partner.get(f"/v1/assignments/{failed['id']}/difference?against={before['id']}")
    assert (refused.status_code, problem(refused)["code"]) == (409, "plan_missing")


def test_what_is_hidden_is_refused_like_what_is_not_there(partner: Portal) -> None:
    for asked in (
        lambda id: {"scenes": [id]}, lambda id: {"forbidden": [{"scene": id, "achievement": "CG-1"}]},
        lambda id: {"scene_capacities": [{"id": id}]},
    ):  # fmt: skip
        told = [
            problem(partner.post("/v1/assignments", asked(id)))["detail"].replace(id, "…")
            for id in ("CJ-2", "CJ-9")
        ]
        assert told[0] == told[1]
    mixed = partner.post("/v1/assignments", {"rule": "given"})
    assert problem(mixed)["code"] == "assignment_pairs"


def test_assignments_of_others_are_as_if_they_were_not_there(served: Served, partner: Portal) -> None:
    shown = solved(partner)
    other, narrower = served.portal("nansha"), served.portal(audience="public")
    for portal in (other, narrower):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", f"/difference?against={shown['id']}")):
            assert problem(portal(method, f"/v1/assignments/{shown['id']}{path}"))["code"] == "not_found"
        assert shown["id"] not in portal.get("/v1/assignments").text
    listed = done(partner.get("/v1/assignments?limit=1"))
    assert (listed["items"][0]["id"], listed["items"][0]["plan"]) == (shown["id"], None)
    assert shown["id"] not in partner.get("/v1/jobs").text
    assert problem(partner.get(f"/v1/jobs/{shown['id']}"))["code"] == "not_found"
    assert problem(partner("DELETE", f"/v1/assignments/{shown['id']}"))["code"] == "job_ended"


def test_assignment_that_is_cancelled_ends_without_a_plan_and_those_that_wait_are_bounded(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal, runner = served.portal("slow"), served.app.state.services.assignments
    taken: list[str] = []

    async def held(loop: Any, job: Any) -> None:
        taken.append(job.id)
        while served.store.jobs.get(job.id).state == "running":
            await loop.run_in_executor(None, time.sleep, 0.01)
        await loop.run_in_executor(None, run_assignment, served.settings, job.id)

    monkeypatch.setattr(runner, "_do", held)
    ids = [done(portal.post("/v1/assignments", {}))["id"] for _ in range(5)]
    refused = portal.post("/v1/assignments", {})
    assert (refused.status_code, problem(refused)["code"], refused.headers["retry-after"]) == (
        429,
        "jobs_many",
        "10",
    )
    while not taken:
        time.sleep(0.01)
    for id in reversed(ids):
        assert portal("DELETE", f"/v1/assignments/{id}").status_code == 204
    assert {done(portal.get(f"/v1/assignments/{id}"))["state"] for id in ids} == {"cancelled"}
    assert {done(portal.get(f"/v1/assignments/{id}"))["plan"] for id in ids} == {None}


def test_cancelled_while_it_is_ranked_it_leaves_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    store, ranked = served.store, []

    def cancelled(self: Any, id: str, *given: Any) -> bool:
        ranked.append(id)
        return False

    job = done(served.portal("idle").post("/v1/assignments", {}))["id"]
    while store.jobs.get(job).state in ("queued", "running"):
        time.sleep(0.01)
    from datetime import UTC, datetime, timedelta

    at = datetime.now(UTC)
    attributes = {"asked": {}, "audience": "public", "today": at.date().isoformat()}
    store.jobs.add(id="FP-1", kind="held", partner="idle", actor="试", at=at, attributes=attributes)
    assert store.jobs.take("held", at, timedelta(seconds=60)) is not None
    monkeypatch.setattr("graph.store.jobs.Jobs.progress", cancelled)
    run_assignment(served.settings, "FP-1")
    assert ranked
    assert store.jobs.get("FP-1").result is None
