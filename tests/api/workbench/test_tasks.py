"""The pages of tasks and cases: who opens and does what, the chain in forms, nothing sealed in any source."""

import html
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from api import problem_documents
from api.workbench import pages as workbench
from api.workbench.desk_words import at_desk
from api.workbench.pages import cases, marking, proceedings, task_answers, tasks
from api.workbench.people import ROLES, Role
from matcher.awards import Award
from matcher.bids import Bid
from matcher.cases import CaseFile
from matcher.races import Race
from matcher.review_processes import Panel, Review
from matcher.tasks import Task
from tests.api.conftest import Served
from tests.api.workbench.conftest import Person, marks_of
from tests.api.workbench.task_board import (
    CASE,
    CLOSED,
    DRAFT,
    MARKING,
    NOTICE,
    RACING,
    SEALED,
    SECRET,
    boarded,
)
from tests.api.workbench.task_pages import TASK_PAGES

People = Callable[[Role], Person]


@pytest.fixture(scope="module")
def _boarded(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boarded(_indexed, tmp_path_factory.mktemp("board"))


@pytest.fixture
def indexed(home: Path, _boarded: Path) -> Path:
    """The world with a board of tasks."""
    shutil.copytree(_boarded, home)
    return home


@pytest.fixture
def board(served: Served) -> Any:
    """The store of a running application with a board of tasks."""
    return served.store


def seen_at(person: Person, path: str) -> dict[str, str]:
    """The marks of a page's forms with what the page showed."""
    text = person.get(path).text
    seen = re.findall(r'name="seen" value="([^"]*)"', text)
    return marks_of(text) | {"seen": seen[0] if seen else ""}


def do(person: Person, id: str, where: str, **fields: Any) -> Any:
    """Send a form of a task's page."""
    return person.client.post(f"/tasks/{id}/{where}", data=seen_at(person, f"/tasks/{id}") | fields)


def done(person: Person, id: str, where: str, **fields: Any) -> None:
    """Send a form of a task's page that is done; it leads back to the page."""
    answer = do(person, id, where, **fields)
    assert (answer.status_code, answer.headers.get("location")) == (303, f"/tasks/{id}"), answer.text


def test_every_page_of_these_routers_is_in_the_table(served: Served) -> None:
    routers = (tasks, task_answers, proceedings, cases, marking)
    paths = {route.path for module in routers for route in module.router.routes}
    routes = [route for route in served.app.state.routes if route.path in paths]
    found = {(method, route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}}
    assert found == set(TASK_PAGES)
    assert all(module.router in workbench.ROUTERS for module in routers)


@pytest.mark.parametrize("role", ROLES)
def test_a_page_opens_for_its_roles_and_for_no_other(people: People, board: Any, role: Role) -> None:
    person = people(role)
    marks = marks_of(person.get("/account/password").text)
    for (method, path), (roles, url, status) in TASK_PAGES.items():
        answer = person.get(url) if method == "GET" else person.client.post(url, data=marks)
        assert answer.status_code == (status if role in roles else 403), (role, method, path, answer.text)
        if role not in roles:
            assert "您的角色" in answer.text


def test_sealed_bids_are_in_no_source_before_the_opening(people: People, board: Any) -> None:
    person = people("officer")
    for path in ("", "/fit", "/ranking", "/invitations"):
        text = person.get(f"/tasks/{SEALED}{path}").text
        assert SECRET not in text
        assert "第1号航空" not in text
    assert "已收 1 份" in person.get(f"/tasks/{SEALED}").text
    assert "第1号航空" not in person.get("/tasks").text
    done(person, SEALED, "opening")
    text = person.get(f"/tasks/{SEALED}").text
    assert SECRET in text
    assert "第1号航空科技有限公司" in text


def test_a_scene_becomes_a_task_that_is_amended_argued_and_posted(people: People, board: Any) -> None:
    staff, officer = people("staff"), people("officer")
    form = staff.get("/tasks/new?scene=CJ-1").text
    assert "海上阵风大，现有机型抗风不足" in form
    given = {"scene": "CJ-1", "title": "<b>海岛</b>送药", "poster": "澜川海岛发展有限公司", "problem": "海上阵风大，现有机型抗风不足，只能停飞等待风小。",
             "indicators": "抗风等级≥7级", "bounty": "300", "deadline": "2099-09-30 17:00", "acceptance": "第三方检测"}  # fmt: skip
    answer = staff.client.post("/tasks/new", data=marks_of(form) | given)
    id = answer.headers["location"].removeprefix("/tasks/")
    task = board.process(Task, id)
    assert (task.about, task.bounty, task.mode) == ((("scene", "CJ-1"),), 3_000_000, "demand")
    text = staff.get(f"/tasks/{id}").text
    assert "&lt;b&gt;海岛&lt;/b&gt;送药" in text
    assert "<b>海岛</b>" not in text
    done(staff, id, "submit")
    assert (
        do(staff, id, "moves", move="opine", expert="程某", agrees="yes", opinion="真实").status_code == 403
    )
    assert "发榜</strong>：论证同意 0 人" in officer.get(f"/tasks/{id}").text
    done(officer, id, "moves", move="opine", expert="程某", agrees="yes", opinion="真实")
    done(officer, id, "moves", move="publish", new_deadline="")
    assert board.process(Task, id).state == "published"
    assert [entry.actor for entry in board.history_of_process("task", id)] == [
        "张敏",
        "张敏",
        "何主任",
        "何主任",
    ]


def test_of_two_people_at_one_task_the_second_is_told_and_nothing_is_lost(people: People, board: Any) -> None:
    staff, officer = people("staff"), people("officer")
    path = f"/tasks/{DRAFT}/edit"
    first, second = seen_at(staff, path), seen_at(officer, path)
    fields = {"title": "低空应急投送", "poster": "澜川海岛发展有限公司", "bounty": "300"}
    assert staff.client.post(path, data=first | fields | {"problem": "甲写的难点"}).status_code == 303
    told = officer.client.post(path, data=second | fields | {"problem": "乙写的难点"})
    assert told.status_code == 412
    assert "乙写的难点" in told.text
    assert "库里现在是：</small> 甲写的难点" in told.text
    assert board.process(Task, DRAFT).problem == "甲写的难点"
    again = marks_of(told.text) | {"seen": re.findall(r'name="seen" value="([^"]*)"', told.text)[0]}
    assert officer.client.post(path, data=again | fields | {"problem": "乙写的难点"}).status_code == 303
    assert board.process(Task, DRAFT).problem == "乙写的难点"
    assert do(officer, DRAFT, "moves", move="reject", reason="不成立").status_code == 303
    old = officer.client.post(f"/tasks/{DRAFT}/submit", data=marks_of(staff.get(path).text) | second)
    assert old.status_code == 412


def test_a_form_with_a_bad_value_is_shown_again_with_what_was_typed(people: People, board: Any) -> None:
    staff = people("staff")
    sent = staff.send("/tasks/new", "/tasks/new", {"title": "夜航", "bounty": "很多钱", "problem": "留下来"})
    assert sent.status_code == 422
    assert "看不懂金额“很多钱”" in sent.text
    assert "留下来" in sent.text
    assert 'value="夜航"' in sent.text


def test_panel_marks_award_notice_and_force_each_happen_once(
    people: People, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer = people("officer")
    text = officer.get(f"/tasks/{MARKING}").text
    assert "评分进度 3 / 15" in text
    review = board.process(Review, MARKING)
    from matcher.review_processes import Mark
    from matcher.review_steps import take_marks

    marks = [
        Mark(expert=who, entry=entry, marks={name: str(10 + place) for name, _ in review.full_marks})
        for place, (entry, readers) in enumerate(review.readers.items()) for who in readers
    ]  # fmt: skip
    assert not isinstance(take_marks(board, MARKING, marks, actor="何主任", at=datetime.now(UTC)), list)
    assert "按名次拟定中选" in officer.get(f"/tasks/{MARKING}").text
    from openpyxl import load_workbook

    book = load_workbook(BytesIO(officer.get(f"/tasks/{MARKING}/summary.xlsx").content))
    assert book.sheetnames[0] == "评审汇总表"
    sent = seen_at(officer, f"/tasks/{MARKING}")
    before = board.revision()
    answers = [officer.client.post(f"/tasks/{MARKING}/award", data=sent) for _ in range(2)]
    assert [(one.status_code, one.headers["location"]) for one in answers] == [(303, f"/tasks/{MARKING}")] * 2
    assert board.revision() == before + 1
    stale = officer.client.post(f"/tasks/{MARKING}/award", data=sent | {"_once": "other"})
    assert stale.status_code == 412
    done(officer, MARKING, "award/moves", move="publish")
    award = board.process(Award, MARKING)
    assert award.state == "notice"
    monkeypatch.setattr(tasks, "now", lambda: award.notice_ends)
    monkeypatch.setattr(proceedings, "now", lambda: award.notice_ends)
    sent = seen_at(officer, f"/tasks/{MARKING}") | {"move": "confirm"}
    twice = [officer.client.post(f"/tasks/{MARKING}/award/moves", data=sent).status_code for _ in range(2)]
    assert twice == [303, 303]
    text = officer.get(f"/tasks/{MARKING}").text
    assert "★ 中选" in text
    assert "签约…" in text
    assert sorted(bid.state for bid in board.processes(Bid) if bid.task == MARKING) == ["lost", "lost", "won"]
    assert board.verify_history() == []


def test_a_notice_waits_for_its_end_and_for_answers(people: People, board: Any) -> None:
    officer = people("officer")
    text = html.unescape(officer.get(f"/tasks/{NOTICE}").text)
    assert "还不能生效" in text
    assert "还有 1 条异议没有答复" in text
    assert "定标生效</button>" not in text
    assert do(officer, NOTICE, "award/moves", move="confirm").status_code in (409, 422)
    done(officer, NOTICE, "award/moves", move="answer", number="1", text="业绩属实")
    assert board.process(Award, NOTICE).objections[0].answer == "业绩属实"
    done(officer, NOTICE, "award/moves", move="withdraw", reason="重评")
    assert board.process(Task, NOTICE).state == "evaluating"


def test_a_race_shows_its_ledger_and_a_gate_is_not_judged_early(people: People, board: Any) -> None:
    officer = people("officer")
    text = officer.get(f"/tasks/{RACING}").text
    assert "预留 220 万元 ＋ 已拨 80 万元 ＋ 收回" in text
    assert "还不能评关口“试运行”" in text
    team = board.process(Race, RACING).running[0].bid
    done(officer, RACING, "race/moves", move="leave", team=team, refund="10", reason="资金紧张")
    assert {one.state for one in board.process(Race, RACING).teams} == {"left", "running"}


def test_a_panel_is_drawn_and_bids_given_out_from_the_page(people: People, board: Any) -> None:
    officer = people("officer")
    done(officer, SEALED, "opening")
    done(officer, SEALED, "panel", seed="11", left_out="评委6")
    panel = board.process(Panel, SEALED)
    assert (panel.seed, "ZJ-6" in panel.members) == (11, False)
    done(officer, SEALED, "panel/recusals", expert=panel.members[0], reason="有合作")
    done(officer, SEALED, "review", per_bid="3", most="")
    review = board.process(Review, SEALED)
    assert [len(readers) for readers in review.readers.values()] == [3]
    assert do(officer, SEALED, "review", per_bid="很多").status_code == 422


def test_filled_in_mark_sheets_are_taken_in_whole_or_not_at_all(people: People, board: Any) -> None:
    officer = people("officer")
    review = board.process(Review, MARKING)
    who = next(id for id in sorted(review.experts)[1:] if any(id in some for some in review.readers.values()))
    mine = [entry for entry, readers in review.readers.items() if who in readers]
    names = list(review.weights)

    def sheet(points: str) -> dict[str, Any]:
        lines = [
            ",".join(["投标编号", *names]),
            *(",".join([entry, *([points] * len(names))]) for entry in mine),
        ]
        return {"sheet": ("评分表.csv", "\n".join(lines).encode(), "text/csv")}

    place = f"/tasks/{MARKING}"
    for files, fields, told in (
        (sheet("11"), {}, "看不出是哪位专家的评分"), (sheet("999"), {"expert": who}, "评分没有收"), (sheet("十"), {"expert": who}, "不是分数"),
        ({"sheet": ("表.exe", b"x", "application/x-msdownload")}, {"expert": who}, "不是表格"),
    ):  # fmt: skip
        answer = officer.client.post(f"{place}/marks", data=seen_at(officer, place) | fields, files=files)
        assert answer.status_code in (415, 422), answer.text
        assert told in answer.text
    assert board.process(Review, MARKING).marks == review.marks
    sent = officer.client.post(
        f"{place}/marks", data=seen_at(officer, place) | {"expert": who}, files=sheet("11")
    )
    assert sent.status_code == 303
    given = [one for one in board.process(Review, MARKING).marks if one.expert == who]
    assert [(one.entry, set(one.marks.values())) for one in given] == [(entry, {"11"}) for entry in mine]


def test_a_panel_is_drawn_with_what_experts_have_declared(people: People, board: Any) -> None:
    officer, place = people("officer"), f"/tasks/{SEALED}"
    done(officer, SEALED, "opening")
    blank = officer.get(f"{place}/declarations.xlsx")
    assert blank.status_code == 200
    bidder = next(bid.bidder for bid in board.processes(Bid) if bid.task == SEALED)
    wrong = {"declared": ("申报.csv", "专家编号,申报回避\nZJ-99,某公司\n".encode(), "text/csv")}
    refused = officer.client.post(
        f"{place}/panel", data=seen_at(officer, place) | {"seed": "11"}, files=wrong
    )
    assert refused.status_code == 422
    assert "ZJ-99" in refused.text
    right = {"declared": ("申报.csv", f"专家编号,申报回避\nZJ-1,{bidder}\n".encode(), "text/csv")}
    sent = officer.client.post(f"{place}/panel", data=seen_at(officer, place) | {"seed": "11"}, files=right)
    assert sent.status_code == 303, sent.text
    panel = board.process(Panel, SEALED)
    assert "ZJ-1" not in panel.members
    assert [(one.expert, one.avoids) for one in panel.declared] == [("ZJ-1", (bidder,))]


def test_a_case_is_drafted_amended_and_published_by_another(people: People, board: Any) -> None:
    staff, officer = people("staff"), people("officer")
    answer = staff.send("/cases/new", "/cases/new", {"task": CLOSED})
    place = answer.headers["location"]
    assert staff.send("/cases/new", "/cases/new", {"task": CLOSED}).status_code == 409
    id = place.removeprefix("/cases/")
    assert "待补" in staff.get(place).text
    filled = {"title": "网箱自动投喂", "owner": "澜川海岛发展有限公司", "provider": "第9号航空科技有限公司", "investment": "50", "period": "2026 年",
              "summary": "人工投喂费时", "approach": "装自动投喂机", "replicable": "有网箱即可", "evidence": "验收单",
              "measures": "投喂时间：60→10 分钟（来源：台账）", "visibility": "公开"}  # fmt: skip
    sent = staff.client.post(f"{place}/edit", data=seen_at(staff, f"{place}/edit") | filled)
    assert sent.status_code == 303, sent.text
    for person, move in ((staff, "consent"), (staff, "submit")):
        fields = {"move": move, "consent": "澜川 2026-06-01 同意函" if move == "consent" else ""}
        assert person.client.post(f"{place}/moves", data=seen_at(person, place) | fields).status_code == 303
    assert (
        staff.client.post(f"{place}/moves", data=seen_at(staff, place) | {"move": "publish"}).status_code
        == 403
    )
    twice = seen_at(officer, place) | {"move": "publish"}
    assert [officer.client.post(f"{place}/moves", data=twice).status_code for _ in range(2)] == [303, 303]
    assert board.process(CaseFile, id).state == "published"
    assert board.get("case", id).title == "网箱自动投喂"
    assert officer.get(f"{place}/document").content[:2] == b"PK"
    assert staff.get("/cases?q=投喂&state=published").text.count("✓ 发布") == 1


def test_a_list_marks_what_is_late_by_word_and_shape(people: People, board: Any) -> None:
    text = people("organiser").get("/tasks?late=1").text
    assert "▲</span> 超期" in text
    assert DRAFT in text
    assert CLOSED not in text
    assert f"/cases/{CASE}" in people("organiser").get("/cases").text


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("请先运行 jiebang review assign BD-1。", "请先用本页的“分配标书”。"),
        ("公示，期满生效（jiebang award）后签约", "公示，期满生效后签约"),
        ("请用 jiebang panel recuse 换人，或 jiebang review assign BD-1 重新分配", "请用本页的“专家回避”，或用本页的“分配标书”"),
        ("请核对编号；jiebang task list 列出全部榜单。", "请核对编号；用揭榜与赛马的列表。"),
        ("没有命令的话", "没有命令的话"),
    ],
)  # fmt: skip
def test_commands_read_as_steps_of_the_page(told: str, read: str) -> None:
    assert at_desk(told) == read


def test_what_programs_are_told_to_ask_reads_as_steps_of_a_page() -> None:
    told = [at_desk(remedy) for remedy in (*problem_documents._REMEDIES.values(), problem_documents._ASK)]
    assert [text for text in told if re.search("POST|GET|/v1|/docs|moves|jiebang", text)] == []
