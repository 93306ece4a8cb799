"""Tasks over HTTP: from a need to its conclusion, who may see and do what, the list to publish."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.wire_tasks import TaskShown
from graph.store.store import Store
from matcher.tasks import Task
from tests.api.boards import DEADLINE, TASK, Clock, awarded, bid_body, bidder, done, move, posted
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here."""
    with lasting(_indexed, tmp_path_factory.mktemp("tasks")) as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time."""
    return Clock(monkeypatch)


@pytest.fixture
def poster(served: Served) -> Portal:
    """A partner that registers needs."""
    return served.portal("xiangzhou")


@pytest.fixture
def reader(served: Served) -> Portal:
    """Somebody else, of the public."""
    return served.portal("visitors", audience="public")


def test_task_goes_from_need_to_conclusion(
    served: Served, staff: Portal, clock: Clock, reader: Portal
) -> None:
    id, (bid,) = awarded(served, staff, clock, (1,))
    told = []
    clock.at += timedelta(days=15)
    steps: tuple[tuple[str, dict[str, Any]], ...] = (
        ("sign", {"milestones": [{"name": "样机", "planned": "2026-12-31T15:59:59Z", "amount": 1_000_000}]}),
        ("record", {"done": "样机", "evidence": "检测报告"}), ("assess", {}),
        ("close", {"points": 92.5, "grade": "优秀", "report": "全部达到"}),
    )  # fmt: skip
    for name, values in steps:
        shown = done(move(staff, id, name, **values))
        TaskShown.model_validate(shown)
        told.append(shown["state"])
    assert told == ["contracted", "contracted", "assessed", "closed"]
    seen = done(reader.get(f"/v1/tasks/{id}"))
    assert (seen["winners"], seen["bids"], seen["points"], seen["grade"], seen["inside"]) == (
        ["第1号航空科技有限公司"], 1, 92.5, "优秀", None,
    )  # fmt: skip
    assert bid not in str(seen)


def test_draft_from_a_scene_takes_what_the_caller_may_see(
    staff: Portal, poster: Portal, clock: Clock
) -> None:
    shown = done(poster.post("/v1/tasks", {"scene": "CJ-1", "title": "另起的名称"}))
    assert (shown["title"], shown["scene"], shown["mode"], shown["bounty"]) == (
        "另起的名称",
        "CJ-1",
        "demand",
        2_000_000,
    )
    assert (shown["poster"], shown["own"], shown["state"]) == ("澜川海岛发展有限公司", True, "registered")
    offer = done(staff.post("/v1/tasks", {"achievement": "CG-1"}))
    assert (offer["mode"], offer["achievement"], offer["poster"]) == ("offer", "CG-1", "云岬航空科技有限公司")
    hidden, never = (poster.post("/v1/tasks", {"scene": id}) for id in ("CJ-2", "CJ-9"))
    assert problem(hidden)["detail"].replace("CJ-2", "CJ-9") == problem(never)["detail"]
    both = poster.post("/v1/tasks", {"scene": "CJ-1", "achievement": "CG-1"})
    assert problem(both)["code"] == "task_from_two"


def test_draft_is_seen_by_its_poster_and_the_city_alone_until_it_is_posted(
    served: Served, staff: Portal, poster: Portal, reader: Portal, clock: Clock
) -> None:
    id = done(poster.post("/v1/tasks", TASK))["id"]
    assert id not in {one["id"] for one in done(reader.get("/v1/tasks?limit=200"))["items"]}
    told = []
    for asked in (id, "BD-0000000000000000"):
        for answer in (reader.get(f"/v1/tasks/{asked}"), reader.get(f"/v1/tasks/{asked}/history"), move(reader, asked, "cancel")):  # fmt: skip
            told.append(str(problem(answer)).replace(asked, "…").replace(answer.headers["x-request-id"], "…"))
    assert len(set(told)) == 1
    done(move(poster, id, "submit"))
    assert problem(move(poster, id, "publish"))["code"] == "move_role"
    assert problem(move(poster, id, "opine", expert="自己", opinion="好"))["code"] == "move_role"
    shown = done(move(staff, id, "opine", expert="程某", opinion="同意"))
    assert {one["name"]: one["open"] for one in shown["inside"]["moves"]}["publish"]
    assert done(poster.get(f"/v1/tasks/{id}"))["inside"]["opinions"][0]["expert"] == ""
    done(move(staff, id, "publish"))
    assert done(reader.get(f"/v1/tasks/{id}"))["inside"] is None
    assert problem(move(reader, id, "cancel", reason="不办"))["code"] == "move_role"


def test_moves_say_why_they_may_not_be_made(staff: Portal, poster: Portal, clock: Clock) -> None:
    id = done(poster.post("/v1/tasks", {"title": "某榜", "problem": "难"}))["id"]
    of_poster = {one["name"]: one for one in done(poster.get(f"/v1/tasks/{id}"))["inside"]["moves"]}
    assert [of_poster[name]["open"] for name in ("submit", "retract", "reject", "cancel")] == [False, True, False, False]  # fmt: skip
    assert "发榜单位" in of_poster["submit"]["problems"][0]["message"]
    refused = move(poster, id, "submit")
    assert (refused.status_code, problem(refused)["code"]) == (422, "move_requirement")
    assert problem(move(staff, id, "sign"))["code"] == "move_state"
    assert problem(move(staff, id, "reject", reason="不实", grade="优秀"))["code"] == "process_value"


def test_change_of_a_task_is_made_of_what_was_read(staff: Portal, poster: Portal, clock: Clock) -> None:
    made = poster.post("/v1/tasks", TASK)
    path = made.headers["location"]
    patch = {"bounty": 1_000_000, "rubric": [{"name": "方案", "weight": 60}, {"name": "报价", "weight": 40}]}
    assert problem(poster("PATCH", path, json=patch))["code"] == "if_match_missing"
    changed = poster("PATCH", path, json=patch, headers={"If-Match": made.headers["etag"]})
    assert (done(changed)["bounty"], changed.json()["rubric"]) == (1_000_000, patch["rubric"])
    stale = staff("PATCH", path, json={"bounty": 5}, headers={"If-Match": made.headers["etag"]})
    assert (stale.status_code, problem(stale)["code"]) == (412, "changed_since")
    wrong = poster("PATCH", path, json={"poster_uscc": "91"}, headers={"If-Match": "*"})
    assert (wrong.status_code, problem(wrong)["code"]) == (422, "process_value")
    id = posted(staff)
    late = staff("PATCH", f"/v1/tasks/{id}", json={"bounty": 5}, headers={"If-Match": "*"})
    assert problem(late)["code"] == "move_state"
    foreign = poster("PATCH", f"/v1/tasks/{id}", json={"bounty": 5}, headers={"If-Match": "*"})
    assert problem(foreign)["code"] == "not_yours"


def test_task_sent_again_is_registered_once(served: Served, poster: Portal, clock: Clock) -> None:
    headers = {"Idempotency-Key": "bd-1"}
    first = poster.post("/v1/tasks", TASK, headers=headers)
    served.store.receipts.prune(clock.at + timedelta(days=10_000))
    assert poster.post("/v1/tasks", TASK, headers=headers).json()["id"] == first.json()["id"]


def test_check_says_what_to_write_and_how_much_could_answer(
    served: Served, staff: Portal, poster: Portal, reader: Portal, clock: Clock
) -> None:
    before = served.store.revision()
    told = done(poster.post("/v1/tasks/check", {"title": "某榜", "indicators": "性能先进"}))
    assert not told["ready"]
    assert {"task_problem", "task_indicators"} <= {one["code"] for one in told["problems"]}
    assert all(one["remedy"] for one in told["problems"])
    assert served.store.revision() == before
    id = done(staff.post("/v1/tasks", TASK))["id"]
    checked = done(staff.get(f"/v1/tasks/{id}/check"))
    assert checked["ready"]
    assert checked["looked_at"] == 4
    id = posted(staff)
    assert problem(reader.get(f"/v1/tasks/{id}/check"))["code"] == "not_yours"


def test_invitations_are_told_with_reasons_and_kept_once(staff: Portal, poster: Portal, clock: Clock) -> None:
    id = posted(staff, scene="CJ-1", poster="某某单位", poster_uscc=None)
    found = done(staff.get(f"/v1/tasks/{id}/invitations"))["items"]
    assert problem(poster.get(f"/v1/tasks/{id}/invitations"))["code"] == "not_yours"
    unknown = staff.post(f"/v1/tasks/{id}/invitations", {"keys": ["某某"]})
    assert problem(unknown)["code"] == "invited_unknown"
    assert found
    assert all(one["reason"] for one in found)
    kept = done(staff.post(f"/v1/tasks/{id}/invitations", {"keys": [found[0]["key"]]}))["items"]
    assert [one["key"] for one in kept] == [found[0]["key"]]
    again = done(staff.get(f"/v1/tasks/{id}/invitations"))["items"]
    assert found[0]["key"] not in {one["key"] for one in again}


def test_history_tells_others_what_shows_and_staff_all(
    served: Served, staff: Portal, reader: Portal, clock: Clock
) -> None:
    id = posted(staff)
    portal = bidder(served, 7)
    path = f"/v1/tasks/{id}/history"
    before = reader.get(path).content
    done(portal.post(f"/v1/tasks/{id}/bids", bid_body(7)))
    assert reader.get(path).content == portal.get(path).content == before
    assert [one["action"] for one in done(reader.get(path))["items"]] == ["created"]
    everything = done(staff.get(path))["items"]
    assert [one["reason"] for one in everything] == ["登记榜单", "送论证", "论证意见", "发榜", "收到投标"]
    assert everything[-1]["actor"] == "投标人"


def test_list_to_publish_has_what_was_posted_and_no_formula(
    staff: Portal, poster: Portal, reader: Portal, clock: Clock
) -> None:
    from openpyxl import load_workbook

    id = posted(staff, title="=HYPERLINK(1)", content="'=1")
    draft = done(staff.post("/v1/tasks", {**TASK, "title": "没有发的"}))["id"]
    book = reader.get("/v1/tasks?format=xlsx")
    rows = list(load_workbook(io.BytesIO(book.content)).active.iter_rows())
    cells = {cell.value: cell.data_type for row in rows for cell in row}
    assert cells[id] == cells["=HYPERLINK(1)"] == "s"
    assert draft not in cells
    text = reader.get("/v1/tasks?format=csv")
    assert text.headers["content-type"].startswith("text/csv")
    assert "'=HYPERLINK(1)" in text.content.decode("utf-8-sig")
    assert (
        reader.get("/v1/tasks?format=csv", headers={"If-None-Match": text.headers["etag"]}).status_code == 304
    )
    assert draft in {one["id"] for one in done(staff.get("/v1/tasks?limit=200&state=registered"))["items"]}


def test_pages_skip_and_repeat_nothing_and_tell_of_no_draft_between(
    staff: Portal, reader: Portal, clock: Clock
) -> None:
    for number in range(3):
        posted(staff)
        done(staff.post("/v1/tasks", {"title": f"草稿{number}"}))
    every = done(reader.get("/v1/tasks?limit=200"))["items"]
    found, cursor = [], ""
    while cursor is not None:
        page = done(reader.get("/v1/tasks?limit=1" + (f"&cursor={cursor}" if cursor else "")))
        found += page["items"]
        cursor = page["next"]
    assert found == every
    assert problem(reader.get(f"/v1/tasks?state=closed&cursor={'A' * 40}"))["code"] == "cursor_foreign"


def test_stored_task_is_as_the_steps_of_the_matcher_leave_it(
    served: Served, staff: Portal, clock: Clock
) -> None:
    id = posted(staff)
    store: Store = served.store
    task = store.process(Task, id)
    assert task is not None
    assert (task.state, task.deadline, task.published_at) == ("published", DEADLINE, clock.at)
