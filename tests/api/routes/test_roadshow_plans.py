"""A roadshow's day over HTTP: timetable, meetings, solutions as jobs, papers, results; and what others may see of it."""

import io
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.client import JiebangClient
from api.roadshow_files import MEDIA, PAPERS
from api.wire_roadshows import (
    MeetingsShown,
    OpenRoadshow,
    ProposalShown,
    RoundShown,
    RoundsShown,
    SolutionShown,
    TimetableShown,
)
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting, listening

_numbers = itertools.count()
SESSION = {"id": "上午场", "room": "一号厅", "start": "2026-12-05T09:00:00", "end": "2026-12-05T10:00:00"}
# Rooms of their own for the city's: its roadshows count for one another.
ROOMS = (f"{number}号厅" for number in itertools.count(100))
TIMES = {"start": "2026-12-05T10:00:00", "rounds": 3, "tables": 2}
ODD = "海岛,物流=公司🚁" + "长" * 48  # 58 characters with a comma, a sign and an emoji


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here; partners are new in each."""
    with lasting(_indexed, tmp_path_factory.mktemp("plans")) as running:
        yield running


@pytest.fixture
def portal(served: Served) -> Portal:
    """A partner without roadshows."""
    return served.portal(f"planner-{next(_numbers)}")


def make(portal: Portal, **changes: Any) -> tuple[str, int]:
    """A roadshow of two pitches for two scenes: its id and draft."""
    asked = {"scenes": ["CJ-1", "CJ-3"], "pitches": 2, "rules": {"fit": 1, "institution": 0, "coverage": 0}}
    done = portal.post("/v1/roadshows", {**asked, **changes})
    assert done.status_code == 201, done.text
    return done.json()["roadshow"]["id"], done.json()["roadshow"]["draft"]


def put(portal: Portal, id: str, what: str, draft: int, **values: Any) -> dict[str, Any]:
    done = portal("PUT", f"/v1/roadshows/{id}/{what}", json={"draft": draft, **values})
    assert done.status_code == 200, done.text
    shown: dict[str, Any] = done.json()
    (TimetableShown if what == "timetable" else MeetingsShown).model_validate(shown)
    return shown


def solve(portal: Portal, id: str, draft: int, what: str, **values: Any) -> dict[str, Any]:
    asked = portal.post(f"/v1/roadshows/{id}/solutions", {"draft": draft, "what": what, **values})
    assert asked.status_code == 202, asked.text
    until = time.monotonic() + 60
    while True:
        shown: dict[str, Any] = portal.get(asked.headers["location"]).json()
        SolutionShown.model_validate(shown)
        if shown["state"] not in ("queued", "running") or time.monotonic() > until:
            return shown
        time.sleep(0.05)


def test_a_timetable_is_written_solved_beside_the_server_and_changed_by_hand(portal: Portal) -> None:
    id, draft = make(portal)
    assert problem(portal.get(f"/v1/roadshows/{id}/timetable"))["code"] == "timetable_none"
    shown = put(portal, id, "timetable", draft, sessions=[SESSION], seed=3)
    assert (shown["draft"], len(shown["slots"]), len(shown["unplaced"])) == (draft + 1, 3, 2)
    assert {one["rule"] for one in shown["conflicts"]} == {"placed"}
    done = solve(portal, id, draft + 1, "timetable")
    assert (done["state"], done["found"]["proven"], done["found"]["draft"]) == ("done", True, draft + 2)
    after = portal.get(f"/v1/roadshows/{id}/timetable").json()
    held = [one["pitch"] for one in after["slots"]]
    assert (after["draft"], held[2], after["conflicts"]) == (draft + 2, None, [])
    moved = put(portal, id, "timetable", draft + 2, places={held[0]: {"session": "上午场", "number": 2}})
    assert [one["pitch"] for one in moved["slots"]] == [held[1], held[0], None]
    locked = put(portal, id, "timetable", draft + 3, locked=[held[0]])
    assert [one["locked"] for one in locked["slots"]] == [False, True, False]
    again = solve(portal, id, draft + 4, "timetable", fresh=True, dry_run=True)
    assert again["found"]["draft"] == draft + 4
    busy = put(portal, id, "timetable", draft + 4, pitches=[{"id": held[1], "free": []}])
    assert {one["rule"] for one in busy["conflicts"]} == {"presenter_free"}
    failed = solve(portal, id, draft + 5, "timetable")
    assert (failed["state"], failed["problems"][0]["code"]) == ("failed", "timetable_infeasible")
    assert "代价最小的办法" in failed["problems"][0]["remedy"]


def test_a_released_version_changed_by_two_at_once_takes_one_and_tells_the_other(portal: Portal) -> None:
    id, draft = make(portal)
    put(portal, id, "timetable", draft, sessions=[SESSION])
    solve(portal, id, draft + 1, "timetable")
    out = portal.post(f"/v1/roadshows/{id}/moves", {"move": "release", "draft": draft + 2})
    assert out.json()["roadshow"]["state"] == "released"
    bodies = [
        ("PUT", "timetable", {"draft": draft + 3, "seed": 7}),
        ("PUT", "meetings", {"draft": draft + 3, **TIMES}),
        ("POST", "moves", {"draft": draft + 3, "move": "lock"}),
    ]
    with ThreadPoolExecutor(3) as threads:
        answers = list(
            threads.map(lambda one: portal(one[0], f"/v1/roadshows/{id}/{one[1]}", json=one[2]), bodies)
        )
    assert sorted(one.status_code for one in answers) == [200, 409, 409]
    assert {problem(one)["code"] for one in answers if one.status_code == 409} == {"roadshow_changed"}
    now = portal.get(f"/v1/roadshows/{id}").json()
    assert (now["draft"], now["state"], len(now["versions"])) == (draft + 4, "draft", 1)
    stale = portal.post(f"/v1/roadshows/{id}/solutions", {"draft": draft + 3, "what": "timetable"})
    assert (stale.status_code, problem(stale)["code"]) == (409, "roadshow_changed")


def test_two_roadshows_in_one_room_are_found_whichever_way_times_are_written(portal: Portal) -> None:
    (first, draft), (second, _) = make(portal), make(portal, title="另一场")
    put(portal, first, "timetable", draft, sessions=[SESSION])
    clash = {**SESSION, "start": "2026-12-05T01:30:00Z", "end": "2026-12-05T02:30:00Z"}  # 09:30 in China
    shown = put(portal, second, "timetable", draft, sessions=[clash])
    assert [one["room"] for one in shown["elsewhere"]] == ["一号厅"]
    assert "room" in {one["rule"] for one in shown["conflicts"]}
    assert "room" in {
        one["rule"] for one in portal.get(f"/v1/roadshows/{first}/timetable").json()["conflicts"]
    }
    refused = solve(portal, second, draft + 1, "timetable")
    assert refused["problems"][0]["code"] == "timetable_room"
    release = portal.post(f"/v1/roadshows/{second}/moves", {"move": "release", "draft": draft + 1})
    assert "同用会场“一号厅”" in problem(release)["detail"]
    moved = put(portal, second, "timetable", draft + 1, sessions=[{**clash, "room": "二号厅"}])
    assert "room" not in {one["rule"] for one in moved["conflicts"]}


def test_wishes_are_proposed_by_fit_changed_by_people_and_solved_around_the_stage(portal: Portal) -> None:
    id, draft = make(portal)
    put(portal, id, "timetable", draft, sessions=[SESSION])
    solve(portal, id, draft + 1, "timetable")
    path = f"/v1/roadshows/{id}/meetings/proposals"
    assert problem(portal.post(path, {"draft": draft + 2, "level": 1}))["code"] == "meetings_times"
    looked = portal.post(path, {"draft": draft + 2, "level": 1, "dry_run": True}).json()
    assert (len(looked["proposed"]), looked["meetings"]) == (4, None)
    at_nine = {**TIMES, "start": "2026-12-05T09:00:00", "rounds": 6, "minutes": 10, "gap": 0}
    done = portal.post(path, {"draft": draft + 2, "level": 1, **at_nine})
    ProposalShown.model_validate(done.json())
    shown = done.json()["meetings"]
    assert {one["want"] for one in shown["wishes"]} == {"want"}
    # A person says otherwise: their word stays when wishes are proposed once more.
    first = shown["wishes"][0]
    told = put(portal, id, "meetings", draft + 3, wishes=[{**first, "want": "must"}, *shown["wishes"][1:]])
    again = portal.post(path, {"draft": draft + 4, "level": 1}).json()["meetings"]
    assert again["wishes"] == told["wishes"]
    assert {one["rule"] for one in again["conflicts"]} == {"must", "want"}
    refused = portal.post(f"/v1/roadshows/{id}/moves", {"move": "release", "draft": draft + 5})
    assert "必须的洽谈" in problem(refused)["detail"]
    found = solve(portal, id, draft + 5, "meetings")
    assert (len(found["found"]["added"]), found["found"]["unmet"]) == (4, 0)
    held = portal.get(f"/v1/roadshows/{id}/meetings").json()
    assert held["conflicts"] == []
    slots = {one["pitch"]: one for one in portal.get(f"/v1/roadshows/{id}/timetable").json()["slots"]}
    for one in held["meetings"]:
        assert one["end"] <= slots[one["team"]]["start"] or slots[one["team"]]["end"] <= one["start"]
    # Moved onto its own meeting by hand, a pitch is told; solved once more, it is not.
    team = held["meetings"][0]["team"]
    later = {**SESSION, "start": held["meetings"][0]["start"], "end": "2026-12-05T11:30:00"}
    put(portal, id, "timetable", draft + 6, sessions=[later])
    told = portal.get(f"/v1/roadshows/{id}/meetings").json()["conflicts"]
    assert {one["rule"] for one in told} == {"on_stage"}
    solve(portal, id, draft + 7, "meetings")
    assert portal.get(f"/v1/roadshows/{id}/meetings").json()["conflicts"] == []
    dropped = portal.post(
        f"/v1/roadshows/{id}/moves", {"move": "drop", "draft": draft + 8, "ids": [team], "fill": False}
    )
    assert dropped.status_code == 200, dropped.text
    gone = portal.get(f"/v1/roadshows/{id}/meetings").json()["conflicts"]
    assert [(one["rule"], one["touches"]) for one in gone] == [("gone", [team])]
    solve(portal, id, draft + 9, "meetings")
    assert portal.get(f"/v1/roadshows/{id}/meetings").json()["conflicts"] == []


def test_a_cancelled_guest_and_names_that_are_hard_go_through_to_the_papers(portal: Portal) -> None:
    from docx import Document
    from openpyxl import load_workbook

    id, draft = make(portal, title="夜场,=1+1🚁")
    teams = [{"id": f"T{number}", "name": f"团队,{number}"} for number in range(500)]
    wishes = [{"guest": "=cmd", "team": one["id"]} for one in teams] + [{"guest": "G2", "team": "T1"}]
    night = {"start": "2026-12-05T23:40:00+08:00", "rounds": 4, "minutes": 15, "gap": 0, "tables": 3}
    guests = [{"id": "=cmd", "name": ODD}, {"id": "G2", "name": "乙"}]
    shown = put(portal, id, "meetings", draft, guests=guests, teams=teams, wishes=wishes, **night)
    assert [one["start"] for one in shown["rounds"]][::2] == ["2026-12-05T23:40:00", "2026-12-06T00:10:00"]
    found = solve(portal, id, draft + 1, "meetings")["found"]
    assert (len(found["added"]), found["unmet"]) == (5, 496)
    papers = {
        kind: portal.get(f"/v1/roadshows/{id}/papers/meetings?format={kind}")
        for kind in ("xlsx", "docx", "html")
    }
    for kind, answer in papers.items():
        assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA[f".{kind}"])
    book = load_workbook(io.BytesIO(papers["xlsx"].content))
    cells = [cell for sheet in book for row in sheet for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert sum(cell.value == ODD for cell in cells) >= 500
    assert "23:55–次日00:10" in {cell.value for cell in cells}
    assert ODD in "".join(one.text for one in Document(io.BytesIO(papers["docx"].content)).paragraphs)
    assert ODD in papers["html"].text
    calendar = portal.get(f"/v1/roadshows/{id}/papers/meetings", params={"format": "ics", "who": ODD})
    assert calendar.content.count(b"BEGIN:VEVENT") == 4
    gone = solve(portal, id, draft + 2, "meetings", cancel=["乙"])["found"]
    assert ([one["guest"] for one in gone["removed"]], gone["added"]) == (["G2"], [])
    unknown = portal.post(
        f"/v1/roadshows/{id}/solutions", {"draft": draft + 3, "what": "meetings", "cancel": ["丙"]}
    )
    assert (unknown.status_code, problem(unknown)["code"]) == (422, "who_unknown")


def test_a_sheet_of_wishes_is_taken_whole_or_told_row_by_row(portal: Portal) -> None:
    from openpyxl import Workbook

    id, draft = make(portal)
    book, path = Workbook(), f"/v1/roadshows/{id}/meetings/wishes"
    book.active.append(["嘉宾", "团队", "提出方", "意愿"])
    book.active.append([ODD, "CG-1", "嘉宾", "必须"])
    wrong = io.BytesIO()
    book.active.append([ODD, "CG-2", "谁", "随便"])
    book.save(wrong)
    kind = {"Content-Type": MEDIA[".xlsx"]}
    first = portal("POST", path, params={"draft": draft, **TIMES}, content=wrong.getvalue(), headers=kind)
    assert (first.status_code, problem(first)["code"]) == (422, "wishes_refused")
    assert {one["code"] for one in problem(first)["problems"]} == {"side_unknown", "want_unknown"}
    book.active.delete_rows(3)
    right = io.BytesIO()
    book.save(right)
    done = portal("POST", path, params={"draft": draft, **TIMES}, content=right.getvalue(), headers=kind)
    assert [(one["guest"], one["want"]) for one in done.json()["wishes"]] == [(ODD, "must")]
    csv = "嘉宾,团队\r\n甲,CG-1\r\n".encode()
    more = portal(
        "POST", path, params={"draft": draft + 1}, content=csv, headers={"Content-Type": "text/csv"}
    )
    assert len(more.json()["wishes"]) == 2
    other = portal("POST", path, params={"draft": draft + 2}, content=b"PK\x03\x04broken", headers=kind)
    assert other.status_code == 422, other.text


def test_papers_have_their_types_and_nothing_above_their_readers(served: Served) -> None:
    from docx import Document

    room = next(ROOMS)
    officer = served.portal("city", audience="staff")
    id, draft = make(officer)
    put(
        officer,
        id,
        "timetable",
        draft,
        sessions=[{**SESSION, "room": room, "judges": ["王"]}],
        judges=[{"id": "王"}],
    )
    solve(officer, id, draft + 1, "timetable")
    put(
        officer,
        id,
        "meetings",
        draft + 2,
        **TIMES,
        guests=[{"id": "CJ-1"}],
        teams=[{"id": "CG-1"}],
        wishes=[],
    )
    for paper, (_, formats) in PAPERS.items():
        for suffix in MEDIA:
            answer = officer.get(
                f"/v1/roadshows/{id}/papers/{paper}", params={"format": suffix[1:], "who": "CJ-1"}
            )
            wanted = (200, MEDIA[suffix]) if suffix in formats else (422, "application/problem+json")
            assert (answer.status_code, answer.headers["content-type"]) == wanted, (paper, suffix)
    whole, public = (
        Document(io.BytesIO(officer.get(f"/v1/roadshows/{id}/papers/handbook", params={"format": "docx", **more}).content))
        for more in ({}, {"audience": "public"})
    )  # fmt: skip
    assert "推荐理由" in [one.text for one in whole.paragraphs]
    assert "推荐理由" not in [one.text for one in public.paragraphs]
    partner = served.portal(f"planner-{next(_numbers)}")
    own, _ = make(partner)
    wider = partner.get(f"/v1/roadshows/{own}/papers/handbook?format=docx&audience=staff")
    assert (wider.status_code, problem(wider)["code"]) == (403, "audience_wider")


def marks(
    ids: list[str], judges: tuple[str, ...] = ("王", "李", "赵"), best: str = ""
) -> list[dict[str, Any]]:
    """Marks of all judges for all pitches; ``best`` has more than the others."""
    return [
        {"judge": judge, "pitch": id, "marks": {"技术": "50" if id == best else "30", "市场": "30"}}
        for id in ids
        for judge in judges
    ]


def test_rounds_are_kept_with_awards_and_followed(served: Served) -> None:
    from openpyxl import load_workbook

    room = next(ROOMS)
    officer = served.portal("city", audience="staff")
    id, draft = make(officer)
    judges = [{"id": one} for one in ("王", "李", "赵")]
    shown = put(
        officer,
        id,
        "timetable",
        draft,
        judges=judges,
        sessions=[{**SESSION, "room": room, "judges": ["王", "李", "赵"]}],
    )
    solve(officer, id, draft + 1, "timetable")
    ids, path = shown["unplaced"], f"/v1/roadshows/{id}/results"
    rubric = [{"name": "技术", "weight": "60"}, {"name": "市场", "weight": "40"}]
    handed: list[dict[str, Any]] = marks(ids, best=ids[1])
    asked = {"draft": draft + 2, "criteria": rubric, "marks": handed}
    short = officer.post(path, {**asked, "marks": handed[:-1]})
    assert (short.status_code, problem(short)["problems"][0]["code"]) == (422, "score_missing")
    looked = officer.post(path, {**asked, "dry_run": True}).json()
    assert [one["id"] for one in looked["ranking"]] == [ids[1], ids[0]]
    assert officer.get(path).json()["rounds"] == []
    done = officer.post(path, {**asked, "through": 1})
    RoundShown.model_validate(done.json())
    assert [one["through"] for one in done.json()["ranking"]] == [True, False]
    sheets = officer.get(f"/v1/roadshows/{id}/papers/marks?format=xlsx").content
    first = load_workbook(io.BytesIO(sheets))["王"]
    assert [row[0].value for row in first.iter_rows(min_row=6)] == [ids[1]]
    final = {
        **asked,
        "draft": draft + 3,
        "marks": marks([ids[1]]),
        "awards": [{"title": "一等奖", "number": 1}],
    }
    out = officer.post(path, {**final, "marks": marks(ids)})
    assert (out.status_code, problem(out)["code"]) == (422, "pitch_unknown")
    assert officer.post(path, final).json()["number"] == 2
    kept = officer.get(path).json()
    RoundsShown.model_validate(kept)
    assert [one["number"] for one in kept["rounds"]] == [1, 2]
    assert "一等奖" in officer.get(f"/v1/achievements/{ids[1]}").json()["award"]
    (followed,) = officer.get(f"/v1/roadshows/{id}/follow-up").json()["items"]
    assert (followed["id"], followed["award"], followed["stage"]) == (ids[1], "一等奖", "")
    officer.post("/v1/outcomes", {"scene": "CJ-1", "achievement": ids[1], "stage": "met", "by": "李明"})
    (followed,) = officer.get(f"/v1/roadshows/{id}/follow-up").json()["items"]
    assert (followed["scene"], followed["days"]) == ("CJ-1", 0)


def test_a_partner_s_awards_stay_with_its_roadshow(portal: Portal, served: Served) -> None:
    id, draft = make(portal)
    shown = put(
        portal, id, "timetable", draft, judges=[{"id": "王"}], sessions=[{**SESSION, "judges": ["王"]}]
    )
    solve(portal, id, draft + 1, "timetable")
    # One judge is too few for a trimmed mean: told, and nothing is kept.
    asked = {
        "draft": draft + 2,
        "criteria": [{"name": "技术", "weight": "60"}, {"name": "市场", "weight": "40"}],
    }
    few = portal.post(f"/v1/roadshows/{id}/results", {**asked, "marks": marks(shown["unplaced"], ("王",))})
    assert (few.status_code, problem(few)["code"]) == (409, "grading_few")
    judges = ("王", "李", "赵")
    put(portal, id, "timetable", draft + 2, judges=[{"id": one} for one in judges],
        sessions=[{**SESSION, "judges": list(judges)}])  # fmt: skip
    body = {**asked, "draft": draft + 3, "marks": marks(shown["unplaced"]), "awards": [{"title": "金奖"}]}
    done = portal.post(f"/v1/roadshows/{id}/results", body)
    winner = done.json()["ranking"][0]
    assert winner["award"] == "金奖"
    assert "金奖" not in served.store.get("achievement", winner["id"]).award


def test_others_see_what_the_city_has_released_for_them_and_no_more(served: Served) -> None:
    room = next(ROOMS)
    public, staff = served.portal("visitors", audience="public"), served.portal("city", audience="staff")
    inside, _ = make(staff)
    id, draft = make(staff, audience="public")
    put(staff, id, "timetable", draft, sessions=[{**SESSION, "room": room}])
    solve(staff, id, draft + 1, "timetable")

    def listed() -> set[str]:
        return {one["id"] for one in public.get("/v1/released-roadshows").json()["items"]}

    assert id not in listed()
    assert public.get(f"/v1/released-roadshows/{id}").status_code == 404
    out = staff.post(f"/v1/roadshows/{id}/moves", {"move": "release", "draft": draft + 2})
    assert out.status_code == 200, out.text
    other = staff.post(f"/v1/roadshows/{inside}/moves", {"move": "release", "draft": draft})
    assert other.status_code == 200, other.text
    assert listed() == {id}
    assert public.get(f"/v1/released-roadshows/{inside}").status_code == 404
    seen = public.get(f"/v1/released-roadshows/{id}").json()
    OpenRoadshow.model_validate(seen)
    assert [line["pitch"] for line in seen["sessions"][0]["lines"]] != []
    assert set(seen["pitches"][0]) == {"place", "id", "title", "owner", "summary"}
    # Nothing else of it opens to them, and a later draft shows nothing before it is released.
    for rest in ("", "/timetable", "/meetings", "/results", "/papers/agenda?format=svg", "/conflicts"):
        assert public.get(f"/v1/roadshows/{id}{rest}").status_code == 404
    put(staff, id, "timetable", draft + 3, sessions=[{**SESSION, "room": "九号厅"}])
    assert public.get(f"/v1/released-roadshows/{id}").json() == seen
    staff.post(f"/v1/roadshows/{id}/moves", {"move": "cancel", "draft": draft + 4, "reason": "台风"})
    assert listed() == set()
    wider = public.post("/v1/roadshows", {"theme": "送药", "audience": "partner"})
    assert (wider.status_code, problem(wider)["code"]) == (403, "audience_wider")


@pytest.mark.parametrize(
    ("what", "values", "status", "code"),
    [
        ("timetable", {"sessions": []}, 404, "timetable_none"),
        ("timetable", {"sessions": [{**SESSION, "end": SESSION["start"]}]}, 422, "time_order"),
        ("timetable", {"sessions": [{**SESSION, "end": "2026-12-07T09:00:00"}]}, 422, "session_long"),
        ("timetable", {"sessions": [{**SESSION, "start": "9999-12-05T09:00:00"}]}, 422, "request_invalid"),
        ("timetable", {"sessions": [SESSION], "format": {"pitch": 8, "questions": 7, "slot": 9}}, 422, "slot_short"),
        ("timetable", {"sessions": [SESSION], "levels": {"高兴": "hint"}}, 422, "roadshow_setting"),
        ("timetable", {"sessions": [SESSION], "locked": ["CG-9"]}, 422, "pitch_unknown"),
        ("timetable", {"sessions": [SESSION], "places": {"CG-1": {"session": "无", "number": 1}}}, 422, "slot_unknown"),
        ("meetings", {}, 422, "meetings_times"),
        ("meetings", {**TIMES, "wishes": [{"guest": "甲", "team": "乙"}]}, 422, "wishes_refused"),
        ("meetings", {**TIMES, "locked": [{"guest": "甲", "team": "乙"}]}, 409, "lock_unplaced"),
        ("meetings", {**TIMES, "levels": {"must": "不懂"}}, 422, "request_invalid"),
        ("meetings", {**TIMES, "guests": [{"id": "甲", "name": "绝密★10年"}]}, 422, "process_value"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_written(
    portal: Portal, what: str, values: dict[str, Any], status: int, code: str
) -> None:
    id, draft = make(portal)
    refused = portal("PUT", f"/v1/roadshows/{id}/{what}", json={"draft": draft, **values})
    assert (refused.status_code, problem(refused)["code"]) == (status, code)
    assert portal.get(f"/v1/roadshows/{id}").json()["draft"] == draft


def test_a_shortlist_is_staff_s_and_waits_for_the_opening(served: Served, portal: Portal) -> None:
    from datetime import UTC, datetime

    from tests.matcher.boards import make_posted, put_processes

    put_processes(served.store, [make_posted(deadline=datetime(2099, 1, 1, tzinfo=UTC))])
    refused = portal.post("/v1/roadshows", {"task": "BD-2026-001"})
    assert (refused.status_code, problem(refused)["code"]) == (403, "staff_only")
    staff = served.portal("city", audience="staff")
    sealed = staff.post("/v1/roadshows", {"task": "BD-2026-001"})
    assert (sealed.status_code, problem(sealed)["code"]) == (409, "shortlist_sealed")
    assert staff.post("/v1/roadshows", {"task": "没有"}).status_code == 404


def test_client_plans_a_day(served: Served) -> None:
    token = served.portal("dayklient").token
    with listening(served.app) as address, JiebangClient(address, token) as jiebang:
        asked = {"scenes": ["CJ-1"], "pitches": 2, "rules": {"fit": 1, "institution": 0, "coverage": 0}}
        own, plans = jiebang.make_roadshow(**asked).roadshow, jiebang.roadshow_plans
        written = plans.set_timetable(own.id, own.draft, sessions=[SESSION])
        done = plans.wait(plans.solve(own.id, written.draft, "timetable"))
        assert done.found is not None
        proposed = plans.propose_wishes(own.id, done.found.draft, level=1, **TIMES)
        assert proposed.meetings is not None
        met = plans.wait(plans.solve(own.id, proposed.meetings.draft, "meetings"))
        assert met.found is not None
        assert len(plans.meetings(own.id).meetings) == len(met.found.added) > 0
        assert plans.paper(own.id, "agenda", "html").startswith(b"<!DOCTYPE html>")
