"""The pages of roadshows: who opens and does what, theme to papers in forms, two at one lineup, words as words."""

import html
import io
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from api.meeting_sheets import write_wish_template
from api.roadshow_solving import KIND
from api.wire_roadshows import SolutionSent
from api.workbench import pages as workbench
from api.workbench.pages import pitch_results, programmes, roadshow_meetings, roadshow_versions, roadshows
from api.workbench.people import ROLES, Role
from graph.store.changes import PutNode
from matcher.roadshow_timetable import kept_timetable
from matcher.roadshows import Roadshow, lineup_values
from tests.api.conftest import Served
from tests.api.workbench.conftest import Person, marks_of
from tests.api.workbench.roadshow_pages import HERE, ROADSHOW_PAGES
from tests.api.workbench.stage import DRAFT, put_roadshow
from tests.factories import NOON

People = Callable[[Role], Person]
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
SESSIONS = {
    "do": "sessions", "format": "8+7+2", "s:name": "上午场", "s:time": "09:00-10:30", "s:room": "一号厅", "s:breaks": "",
    "s:judges": "周评委、吴评委、郑评委",
}  # fmt: skip


@pytest.fixture
def store(served: Served) -> Any:
    """The store of a running application with a roadshow."""
    put_roadshow(served.store)
    return served.store


def seen_at(person: Person, path: str) -> dict[str, str]:
    """The marks of a page's forms with what the page showed."""
    text = person.get(path).text
    seen = re.findall(r'name="seen" value="([^"]*)"', text)
    return marks_of(text) | {"seen": seen[0] if seen else ""}


def do(person: Person, where: str, at: str = HERE, here: str = HERE, **fields: Any) -> Any:
    """Send a form of a roadshow's page."""
    files = fields.pop("files", None)
    return person.client.post(f"{here}/{where}", data=seen_at(person, at) | fields, files=files)


def solved(person: Person, store: Any, answer: Any) -> str:
    """The page of a job (its address, or the answer that leads there), once it is done."""
    place = answer if isinstance(answer, str) else answer.headers["location"]
    for _ in range(600):
        if store.jobs.get(place.rpartition("/")[2]).state not in ("queued", "running"):
            return str(person.get(place).text)
        time.sleep(0.05)
    raise AssertionError("the job never ended")


def load_workbook(source: Any) -> Any:
    """A workbook to be filled in."""
    import openpyxl

    return openpyxl.load_workbook(source)


def on_stage(store: Any, id: str = DRAFT) -> tuple[str, ...]:
    ids: tuple[str, ...] = store.process(Roadshow, id).ids
    return ids


def test_every_page_of_these_routers_is_in_the_table() -> None:
    routers = (roadshows, roadshow_versions, programmes, roadshow_meetings, pitch_results)
    routes: list[Any] = [route for module in routers for route in module.router.routes]
    found = {(method, route.path) for route in routes for method in route.methods - {"HEAD"}}
    assert found == set(ROADSHOW_PAGES)
    assert all(module.router in workbench.ROUTERS for module in routers)


@pytest.mark.parametrize("role", ROLES)
def test_a_page_opens_for_its_roles_and_for_no_other(people: People, store: Any, role: Role) -> None:
    person, before = people(role), store.revision()
    marks = marks_of(person.get("/account/password").text)
    for (method, path), (roles, url, status) in ROADSHOW_PAGES.items():
        answer = person.get(url) if method == "GET" else person.client.post(url, data=marks)
        assert answer.status_code == (status if role in roles else 403), (role, method, path, answer.text)
        if role not in roles:
            assert "您的角色" in answer.text
    assert store.revision() == before


def test_who_may_only_look_sees_no_button_that_changes(people: People, store: Any) -> None:
    buttons = {
        role: set(re.findall(r'action="([^"]*)"', people(role).get(HERE).text))
        for role in ("organiser", "staff", "officer")
    }
    changing = {f"{HERE}/edits", f"{HERE}/release", f"{HERE}/steps", f"{HERE}/restoring"}
    assert buttons["officer"] & changing == set()
    assert buttons["staff"] & changing == {f"{HERE}/edits"}
    assert buttons["organiser"] & changing == {f"{HERE}/edits", f"{HERE}/release", f"{HERE}/steps"}


def test_from_a_theme_to_a_lineup_a_swap_a_release_and_papers(people: People, served: Served) -> None:
    organiser, store = people("organiser"), served.store
    asked = {"theme": "海岛无人机投送药品", "scenes": "海岛无人机送药", "pitches": "1", "day": "2099-12-05", "n:fit": "1", "n:institution": "0", "n:team": "0", "n:coverage": "0"}  # fmt: skip
    made = organiser.send("/roadshows/new", "/roadshows/new", asked)
    assert made.status_code == 303, made.text
    here = made.headers["location"].removesuffix("?solve=1")
    id = here.removeprefix("/roadshows/")
    assert "data-auto" in organiser.get(made.headers["location"]).text
    done = do(organiser, "edits", at=here, here=here, do="solve")
    assert done.headers.get("location") == here, done.text
    first = on_stage(store, id)
    assert len(first) == 1
    into = next(one for one in ("CG-1", "CG-2", "CG-3") if one not in first)
    assert (
        do(
            organiser, "edits", at=here, here=here, do="swap", id=first[0], into=into, reason="撞期"
        ).status_code
        == 303
    )
    told = organiser.get(here).text
    assert on_stage(store, id) == (into,)
    assert "适配" in told
    assert "总适配度" in told
    assert "换人，因为撞期：第 1 个" in told
    assert do(organiser, "release", at=here, here=here, note="首发").status_code == 303
    assert store.process(Roadshow, id).state == "released"
    assert do(organiser, "edits", at=here, here=here, do="swap", id=into, into=first[0]).status_code == 303
    text = organiser.get(f"{here}/versions").text
    assert "第 1 版 → 现在" in text
    assert "换成" in text
    assert do(organiser, "restoring", at=here, here=here, version="1").status_code == 303
    assert on_stage(store, id) == (into,)
    assert "没有变化" in organiser.get(f"{here}/versions").text
    book = organiser.get(f"{here}/papers/handbook.docx?version=1")
    assert (book.status_code, book.content[:2]) == (200, b"PK")
    assert store.verify_history() == []


def test_moves_locks_drops_and_undo_each_make_one_draft(people: People, store: Any) -> None:
    staff = people("staff")
    steps: list[tuple[dict[str, str], tuple[str, ...]]] = [
        ({"do": "down", "id": "CG-1"}, ("CG-2", "CG-1")),
        ({"do": "lock", "id": "CG-1"}, ("CG-2", "CG-1")),
        ({"do": "to", "id": "CG-1", "place": "1"}, ("CG-1", "CG-2")),
        ({"do": "add", "id": "鱼苗视觉计数仪"}, ("CG-1", "CG-2", "CG-3")),
        ({"do": "drop", "id": "CG-2", "fill": "no", "reason": "来不了"}, ("CG-1", "CG-3")),
    ]
    for number, (fields, stage) in enumerate(steps, 1):
        answer = do(staff, "edits", **fields)
        assert answer.status_code == 303, answer.text
        assert on_stage(store) == stage
        assert store.process(Roadshow, DRAFT).draft == number
    assert [one.achievement for one in store.process(Roadshow, DRAFT).out] == ["CG-2"]
    revision = store.history_of_process(Roadshow.kind, DRAFT)[-1].revision
    assert do(staff, "restoring", revision=str(revision)).status_code == 303
    now = store.process(Roadshow, DRAFT)
    assert (now.ids, now.out, now.draft) == (("CG-1", "CG-2", "CG-3"), (), 6)


def test_of_two_organisers_the_second_is_told_what_the_first_did(people: People, store: Any) -> None:
    organiser, staff = people("organiser"), people("staff")
    mine = seen_at(staff, HERE)
    assert do(organiser, "edits", do="down", id="CG-1").status_code == 303
    answer = staff.client.post(f"{HERE}/edits", data=mine | {"do": "lock", "id": "CG-1"})
    assert answer.status_code == 412
    assert "您打开之后别人改的" in answer.text
    assert "林屿" in answer.text
    assert "由第 1 个移到第 2 个" in answer.text
    assert [one.locked for one in store.process(Roadshow, DRAFT).stage] == [False, False]


def test_the_same_form_twice_is_one_change(people: People, store: Any) -> None:
    organiser = people("organiser")
    data = seen_at(organiser, HERE) | {"do": "down", "id": "CG-1"}
    assert [organiser.client.post(f"{HERE}/edits", data=data).status_code for _ in range(2)] == [303, 303]
    assert (on_stage(store), store.process(Roadshow, DRAFT).draft) == (("CG-2", "CG-1"), 1)


def test_rules_that_cannot_hold_together_are_told_with_ways_out_and_change_nothing(
    people: People, store: Any
) -> None:
    organiser = people("organiser")
    answer = do(organiser, "edits", **{"do": "solve", "n:pitches": "4", "n:maturity": "8"})
    assert answer.status_code == 422
    assert "任选一条就能排成" in answer.text
    assert store.process(Roadshow, DRAFT).draft == 0


def test_a_rule_broken_by_hand_is_listed_and_stops_the_release(people: People, store: Any) -> None:
    organiser = people("organiser")
    assert do(organiser, "edits", **{"do": "set", "n:pitches": "3"}).status_code == 303
    text = organiser.get(f"{HERE}/conflicts").text
    assert "应有 3 项，现在 2 项" in text
    answer = do(organiser, "release")
    assert answer.status_code == 409
    assert "还有须在发布前解决的问题" in answer.text
    assert do(organiser, "edits", **{"do": "set", "l:pitches": "hint"}).status_code == 303
    assert do(organiser, "release").status_code == 303
    left = organiser.get(f"{HERE}/left-out").text
    assert "要上台" in left


def test_a_timetable_is_written_solved_as_a_job_changed_by_hand_and_told_to_judges(
    people: People, store: Any
) -> None:
    organiser = people("organiser")
    at = f"{HERE}/timetable"
    bad = do(organiser, "timetable", at=at, **SESSIONS | {"s:time": "早上"})
    assert bad.status_code == 422
    assert 'value="早上"' in bad.text
    assert do(organiser, "timetable", at=at, **SESSIONS).status_code == 303
    assert "已排好" in solved(organiser, store, do(organiser, "timetable/solving", at=at))
    kept = kept_timetable(lineup_values(store.process(Roadshow, DRAFT), store))
    assert kept is not None
    assert set(kept.places) == {"CG-1", "CG-2"}
    first = next(id for id, place in kept.places.items() if place[1] == 1)
    moved = do(organiser, "timetable/places", at=at, id=first, do="place", place="上午场#2")
    assert moved.status_code == 303, moved.text
    after = kept_timetable(lineup_values(store.process(Roadshow, DRAFT), store))
    assert after is not None
    assert after.places[first] == ("上午场", 2)
    for name in ("agenda.docx", "agenda.xlsx", "agenda.ics", "timetable.svg", "marks.xlsx"):
        assert organiser.get(f"{HERE}/papers/{name}").status_code == 200, name
    assert "周评委" in organiser.get(f"{HERE}/print").text


def test_marks_typed_and_uploaded_give_results_and_awards_once(people: People, store: Any) -> None:
    organiser, at = people("organiser"), f"{HERE}/results"
    assert do(organiser, "timetable", at=f"{HERE}/timetable", **SESSIONS).status_code == 303
    solved(organiser, store, do(organiser, "timetable/solving", at=f"{HERE}/timetable"))
    full = {"技术创新": 30, "市场前景": 30, "团队能力": 20, "落地条件": 20}
    typed = {
        f"m:{id}:{name}": str(most - at)
        for at, id in enumerate(("CG-1", "CG-2"))
        for name, most in full.items()
    }
    too_much = do(
        organiser, "results", at=at, do="sheet", judge="周评委", **typed | {"m:CG-1:技术创新": "31"}
    )
    assert too_much.status_code == 422
    assert "应在 0 到 30 之间" in too_much.text
    for judge in ("周评委", "吴评委"):
        assert do(organiser, "results", at=at, do="sheet", judge=judge, **typed).status_code == 303
    assert "还不能算成绩" in organiser.get(at).text
    book = load_workbook(io.BytesIO(organiser.get(f"{at}/marks.xlsx").content))
    for name in [name for name in book.sheetnames if not name.startswith("郑评委")]:
        del book[name]
    sheet = book.worksheets[0]
    head = next(row for row in range(1, 9) if "技术创新" in [str(c.value).split("（")[0] for c in sheet[row]])
    columns = {str(cell.value).split("（")[0]: cell.column for cell in sheet[head]}
    for row in range(head + 1, head + 3):
        for name, most in full.items():
            sheet.cell(row, columns[name], most - 2)
    told = io.BytesIO()
    book.save(told)
    files = {"sheet": ("郑评委.xlsx", told.getvalue(), "application/octet-stream")}
    answer = do(organiser, "results", at=at, do="upload", files=files)
    assert answer.status_code == 303, answer.text
    assert (
        do(organiser, "results", at=at, do="settings", rubric="", prizes="一等奖=1", through="").status_code
        == 303
    )
    text = organiser.get(at).text
    assert "★ 一等奖" in text
    assert organiser.get(f"{at}/results.xlsx").content[:2] == b"PK"
    assert do(organiser, "results/awards", at=at).status_code == 303
    assert store.get("achievement", "CG-1").award == "2099年海岛投送路演一等奖"
    assert [one.award for one in store.process(Roadshow, DRAFT).rounds[0].ranking] == ["一等奖", ""]
    assert do(organiser, "results/awards", at=at).status_code == 303
    assert store.get("achievement", "CG-1").award == "2099年海岛投送路演一等奖"


def wish_sheet(tmp_path: Any) -> bytes:
    """The template with two guests, two teams and their wishes; all fictional."""
    path = tmp_path / "意愿.xlsx"
    write_wish_template(path)
    book = load_workbook(path)
    rows = {
        "嘉宾": [{"编号": "JB-1", "名称": "澜川资本"}, {"编号": "JB-2", "名称": "屿光基金"}],
        "团队": [{"编号": "TD-1", "名称": "云岬航空"}, {"编号": "TD-2", "名称": "渔眼科技"}],
        "意愿": [{"嘉宾": "JB-1", "团队": "TD-1", "意愿": "必须"}, {"嘉宾": "JB-2", "团队": "TD-2", "意愿": "希望"}],
    }  # fmt: skip
    for name, lines in rows.items():
        sheet = book[name]
        head = next(
            row for row in range(1, 9) if any(str(c.value).startswith(tuple(lines[0])) for c in sheet[row])
        )
        columns = {
            key: cell.column for key in lines[0] for cell in sheet[head] if str(cell.value).startswith(key)
        }
        sheet.delete_rows(head + 1, 50)
        for at, line in enumerate(lines, head + 1):
            for key, value in line.items():
                sheet.cell(at, columns[key], value)
    book.save(path)
    content: bytes = path.read_bytes()
    return content


def test_meetings_are_wished_for_solved_told_to_each_guest_and_mended(
    people: People, store: Any, tmp_path: Any
) -> None:
    organiser, at = people("organiser"), f"{HERE}/meetings"
    times = {"start": "2099-12-05T13:30", "rounds": "3", "minutes": "8", "gap": "2", "tables": "2"}
    assert do(organiser, "meetings", at=at, **times).status_code == 422
    files = {"sheet": ("意愿.xlsx", wish_sheet(tmp_path), "application/octet-stream")}
    answer = do(organiser, "meetings", at=at, files=files, **times)
    assert answer.status_code == 303, answer.text
    assert "排了 2 场" in solved(organiser, store, do(organiser, "meetings/solving", at=at))
    own = organiser.get(f"{at}?who=guest%09JB-1").text
    assert "云岬航空" in own
    for name in ("schedule.xlsx", "schedule.docx", "teams.xlsx", "calendar.ics?who=guest%09JB-1"):
        assert organiser.get(f"{at}/{name}").status_code == 200, name
    assert do(organiser, "meetings/locks", at=at, pair="all", do="lock").status_code == 303
    told = solved(organiser, store, do(organiser, "meetings/solving", at=at, gone="team\tTD-1"))
    assert "取消 1 场" in told
    assert store.process(Roadshow, DRAFT).meetings["locked"] == [["JB-2", "TD-2"]]


def test_a_cancelled_job_writes_nothing(
    people: People, store: Any, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    organiser, at = people("organiser"), f"{HERE}/timetable"
    # The runner takes no job here.
    monkeypatch.setattr(type(store.jobs), "take", lambda *_: None)
    assert do(organiser, "timetable", at=at, **SESSIONS).status_code == 303
    place = do(organiser, "timetable/solving", at=at).headers["location"]
    assert "排队等候" in organiser.get(place).text
    assert "正在求解" in organiser.get(at).text
    assert organiser.client.post(place, data=seen_at(organiser, place)).headers["location"] == at
    assert store.jobs.get(place.rpartition("/")[2]).state == "cancelled"


def test_a_job_that_was_overtaken_says_so_and_writes_nothing(people: People, store: Any) -> None:
    old = store.process(Roadshow, DRAFT)
    assert do(people("organiser"), "edits", do="down", id="CG-1").status_code == 303
    asked = SolutionSent(draft=old.draft, what="timetable", cancel=[]).model_dump(mode="json")
    store.jobs.add(
        id="PC-1",
        kind=KIND,
        actor="林屿",
        at=NOON,
        attributes={"asked": asked, "audience": "staff", "roadshow": DRAFT},
    )
    before = store.revision()
    text = solved(people("organiser"), store, f"{HERE}/solving/PC-1")
    assert "没有排成" in text
    assert "已被别人改到第 1 稿" in text
    assert store.revision() == before


def test_words_are_shown_as_words_on_every_page(people: People, store: Any) -> None:
    organiser = people("organiser")
    node = store.get("achievement", "CG-1")
    store.apply(
        [PutNode(node=node.model_copy(update={"title": f"无人机{EVIL}", "owner": EVIL}))],
        actor=EVIL,
        at=NOON,
        reason=EVIL,
    )
    put_roadshow(store, "LY-2026-902", title=EVIL, theme=EVIL, reason=EVIL)
    here = "/roadshows/LY-2026-902"
    assert (
        do(organiser, "edits", at=here, here=here, do="drop", id="CG-2", fill="no", reason=EVIL).status_code
        == 303
    )
    sessions = SESSIONS | {"s:name": EVIL[:50], "s:room": EVIL[:50], "s:judges": EVIL[:25]}
    assert do(organiser, "timetable", at=f"{here}/timetable", here=here, **sessions).status_code in (303, 422)
    for path in ("", "/conflicts", "/left-out", "/versions", "/timetable", "/meetings", "/results", "/print"):
        text = organiser.get(here + path).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
    refused = organiser.send("/roadshows/new", "/roadshows/new", {"theme": "", "scenes": EVIL, "must": EVIL})
    assert refused.status_code == 422
    assert "<script>alert" not in refused.text
    assert html.escape(EVIL[:20]) in refused.text
    assert "<script>alert" not in organiser.get("/roadshows").text
