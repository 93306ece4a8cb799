"""What pages do: words as words, each form once, nobody's change lost, and nothing of the city to an expert."""

import html
import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from api.workbench.people import Role
from graph.kinds import KINDS, Expert, Scene, columns
from graph.store.changes import PutNode
from tests.api.conftest import Served
from tests.api.listening import lasting
from tests.api.workbench.conftest import NAMES, Person, make_user, marks_of
from tests.factories import NOON

People = Callable[[Role], Person]
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
SHEET = "编号,名称,产业领域,所在区,建设单位,场景简介,怪列\nCJ-7,口岸夜间送药,低空经济,香洲区,某医院,向口岸送急救药品,甲\nCJ-8,渔港巡查,海洋经济,万山区,某渔港,夜间巡查渔港,乙\n"


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all of these tests: each writes to records of its own."""
    with lasting(_indexed, tmp_path_factory.mktemp("pages")) as running:
        yield running


def fill(kind: str, text: str) -> dict[str, str]:
    """The text in every column of a kind that holds any text."""
    return {
        name: text
        for name in columns(KINDS[kind])
        if KINDS[kind].model_fields[name].annotation is str and name not in ("id", "visibility")
    }


def workbook_of(content: bytes) -> Any:
    """What a downloaded workbook holds."""
    import openpyxl

    return openpyxl.load_workbook(io.BytesIO(content))


def wait_for(person: Person, path: str) -> Any:
    """An import's page, once it is done."""
    for _ in range(400):
        page = person.get(path)
        if 'data-state="queued"' not in page.text and 'data-state="running"' not in page.text:
            return page
        time.sleep(0.05)
    raise AssertionError("the import never ended")


def upload(person: Person, text: str, name: str = "场景.csv") -> str:
    """The address of an import that looks at a sheet."""
    files = {"sheet": (name, text.encode(), "text/csv")}
    answer = person.send("/imports", "/imports", {"kind": ""}, files=files)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_markup_in_every_text_field_is_shown_as_text(people: People, served: Served) -> None:
    person = people("administrator")
    node = Scene(id="CJ-X", **fill("scene", EVIL) | {"title": EVIL})
    served.store.apply([PutNode(node=node)], actor=EVIL, at=NOON, reason=EVIL)
    person.send("/judgements", "/pair?scene=CJ-X&found=CG-1", {"scene": "CJ-X", "achievement": "CG-1", "level": "4", "reason": EVIL})  # fmt: skip
    person.send("/hidings", "/pair?scene=CJ-X&found=CG-2", {"scene": "CJ-X", "achievement": "CG-2", "hide": "1", "reason": EVIL})  # fmt: skip
    wait_for(
        person,
        upload(person, f"编号,名称,{EVIL.replace(',', '')}\nCJ-Y,甲,1\n", EVIL.replace("/", "") + ".csv"),
    )
    asked = quote(EVIL)
    for path in (
        "/", f"/search?q={asked}", f"/match?q={asked}", f"/match?text={asked}", "/match?scene=CJ-X&hidden=1", "/match?scene=CJ-X",
        "/match?achievement=CG-1", "/pair?scene=CJ-X&found=CG-1", f"/pair?text={asked}&found=CG-1", "/compare?scene=CJ-X&id=CG-1&id=CG-2",
        "/records/scene", "/records/scene/CJ-X", "/records/scene/CJ-X/edit", f"/records/scene/{asked}", f"/records/scene?q={asked}",
        f"/graph?q={asked}", "/graph?kind=scene&id=CJ-X", "/gaps", "/imports", f"/admin/history?q={asked}", "/admin/history", f"/sign-in?next={asked}",
        "/admin/history?revision=2",
    ):  # fmt: skip
        answer = person.get(path)
        assert answer.status_code in (200, 303, 404), path
        assert "<script>alert" not in answer.text, path
        assert "<img src=x" not in answer.text, path


def test_the_ranked_list_shows_what_lanes_answer_and_says_why(people: People) -> None:
    page = people("staff").get("/match?scene=CJ-1").text
    shown = re.findall(r'data-id="(CG-\d)"', page)
    assert shown[0] == "CG-1"
    assert set(shown) == {"CG-1", "CG-2", "CG-3", "CG-4"}
    assert "●" in page
    assert "都提到" in page
    assert "得分构成：" in page
    narrowed = people("staff").get("/match?scene=CJ-1&field=大健康").text
    assert re.findall(r'data-id="(CG-\d)"', narrowed) == ["CG-2"]
    nothing = people("staff").get("/match?scene=CJ-1&field=大健康&min_trl=9").text
    assert "去掉筛选" in nothing


def test_a_number_leads_straight_to_its_list_and_a_text_needs_no_record(
    people: People, served: Served
) -> None:
    person, before = people("organiser"), served.store.counts()["scene"]
    assert person.get("/match?q=ｃｊ-1").headers["location"] == "/match?scene=CJ-1"
    assert "网箱鱼苗计数" in person.get("/match?q=鱼苗").text
    assert 'data-id="CG-1"' in person.get("/match?text=海岛无人机送药，抗风7级以上").text
    assert served.store.counts()["scene"] == before


def test_a_pair_shows_both_texts_with_what_they_share_and_why_it_stands_above_the_next(
    people: People,
) -> None:
    page = people("staff").get("/pair?scene=CJ-1&found=CG-1&below=CG-2").text
    assert "<mark>" in page
    assert "为什么排在下一名之上" in page
    assert "✓ 满足" in page
    other_way = people("staff").get("/pair?achievement=CG-1&found=CJ-1").text
    assert "海岛无人机送药" in other_way


def test_a_judgement_is_kept_once_under_the_persons_name(people: People, served: Served) -> None:
    person = people("staff")
    page = person.get("/pair?scene=CJ-1&found=CG-1").text
    fields = marks_of(page) | {"scene": "CJ-1", "achievement": "CG-1", "level": "3", "reason": "指标差一项", "back": "/match?scene=CJ-1"}  # fmt: skip
    revision = served.store.revision()
    answers = [person.client.post("/judgements", data=fields) for _ in range(3)]
    assert [(a.status_code, a.headers["location"]) for a in answers] == [(303, "/match?scene=CJ-1")] * 3
    assert served.store.revision() == revision + 1
    (kept,) = served.store.judgements("CJ-1")
    assert (kept.judge, kept.level, kept.reason) == (NAMES["staff"], 3, "指标差一项")
    assert "张敏：较强相关" in person.get("/match?scene=CJ-1").text
    for level in ("", "5", "四"):
        assert person.send("/judgements", "/imports", {"scene": "CJ-1", "achievement": "CG-1", "level": level}).status_code == 422  # fmt: skip


def test_progress_and_hiding_are_kept_with_reasons_and_a_way_back(people: People, served: Served) -> None:
    person = people("officer")
    pair = {"scene": "CJ-1", "achievement": "CG-2"}
    assert person.send("/outcomes", "/imports", pair | {"stage": "declined"}).status_code == 422
    assert (
        person.send("/outcomes", "/imports", pair | {"stage": "met", "reason": "谈得不错"}).status_code == 303
    )
    assert [(one.stage, one.by) for one in served.store.outcomes("CJ-1") if one.stage != "shown"] == [
        ("met", "何主任")
    ]
    assert person.send("/hidings", "/imports", pair | {"hide": "1"}).status_code == 422
    assert (
        person.send("/hidings", "/imports", pair | {"hide": "1", "reason": "只用于院内"}).status_code == 303
    )
    assert 'data-id="CG-2"' not in person.get("/match?scene=CJ-1").text
    assert 'data-id="CJ-1"' not in person.get("/match?achievement=CG-2").text
    assert "只用于院内" in person.get("/match?scene=CJ-1&hidden=1").text
    assert person.send("/hidings", "/imports", pair | {"hide": "0"}).status_code == 303
    assert 'data-id="CG-2"' in person.get("/match?scene=CJ-1").text


def test_a_shortlist_is_a_workbook_of_what_was_picked(people: People) -> None:
    answer = people("organiser").get("/match/shortlist.xlsx?scene=CJ-1&id=CG-2&id=CG-1")
    book = workbook_of(answer.content)
    rows = list(book["匹配结果"].iter_rows(values_only=True))
    assert [row[5] for row in rows[1:]] == ["CG-1", "CG-2"]
    assert people("organiser").get("/match/shortlist.xlsx?scene=CJ-1").status_code == 422


def test_an_import_is_looked_at_then_written_then_undone_as_a_whole(people: People, served: Served) -> None:
    person, before = people("staff"), served.store.counts()["scene"]
    trial = upload(person, SHEET)
    page = wait_for(person, trial).text
    assert "<strong>2</strong> 新增" in page
    assert "怪列" in page
    assert served.store.counts()["scene"] == before
    mapped = person.send(trial, trial, {"decision": "again", "map:怪列": "技术难点"}).headers["location"]
    assert "技术难点" in wait_for(person, mapped).text
    written = person.send(mapped, mapped, {"decision": "write"}).headers["location"]
    assert "已写入 2 条" in wait_for(person, written).text
    assert served.store.get("scene", "CJ-7").problem == "甲"
    assert (served.store.history_of("scene", "CJ-7")[-1].actor) == NAMES["staff"]
    assert person.send(written, written, {"decision": "undo", "reason": "导错了"}).status_code == 303
    assert served.store.counts()["scene"] == before
    assert person.send(written, written, {"decision": "undo"}).status_code == 409


def test_a_sheet_with_errors_is_told_row_by_row_and_not_written(people: People, served: Served) -> None:
    person, before = people("staff"), served.store.revision()
    trial = upload(person, SHEET.replace("香洲区", "火星区"))
    page = wait_for(person, trial).text
    assert "第 2 行“所在区”列" in page
    assert "确认写入" not in page
    assert served.store.revision() == before
    report = person.get(f"{trial}/report.xlsx")
    assert report.status_code == 200
    assert workbook_of(report.content).sheetnames
    for name, text in (("表.xls", b"x"), ("表.exe", b"x")):
        files = {"sheet": (name, text, "text/csv")}
        assert person.send("/imports", "/imports", {}, files=files).status_code == 415


def test_of_two_people_changing_one_record_the_second_sees_what_the_first_did(
    people: People, served: Served
) -> None:
    first, second = people("staff"), people("officer")
    place = "/records/scene/CJ-2/edit"
    seen = re.findall(r'name="seen" value="(\w+)"', first.get(place).text)[0]
    base = _values(first.get(place).text) | {"seen": seen}
    assert first.send(place, place, base | {"title": "海岛无人机夜间送药"}).status_code == 303
    late = second.send(place, place, base | {"title": "海岛无人机送药和血样", "reason": "补全"})
    assert late.status_code == 412
    assert "库里现在是" in late.text
    assert "海岛无人机夜间送药" in late.text
    assert 'value="海岛无人机送药和血样"' in late.text
    assert served.store.get("scene", "CJ-2").title == "海岛无人机夜间送药"
    again = re.findall(r'name="seen" value="(\w+)"', late.text)[0]
    assert (
        second.send(place, place, base | {"title": "海岛无人机送药和血样", "seen": again}).status_code == 303
    )
    assert served.store.get("scene", "CJ-2").title == "海岛无人机送药和血样"


def _values(page: str) -> dict[str, str]:
    found = dict(re.findall(r'<input id="f-(\w+)" name="\w+" value="([^"]*)"', page))
    found |= dict(re.findall(r'<textarea id="f-(\w+)"[^>]*>([^<]*)</textarea>', page))
    return {name: html.unescape(value) for name, value in found.items()}


def test_a_new_record_sent_twice_is_one_record_and_its_problems_stand_at_their_fields(people: People, served: Served) -> None:  # fmt: skip
    person, place = people("staff"), "/records/scene/new"
    bad = person.send(place, place, {"title": "甲", "district": "火星区", "summary": "留着的话"})
    assert bad.status_code == 422
    assert "火星区" in bad.text
    assert "留着的话" in bad.text
    fields = marks_of(person.get(place).text) | {"title": "夜间巡堤"}
    answers = {person.client.post(place, data=fields).headers["location"] for _ in range(2)}
    assert len(answers) == 1
    assert [node.title for node in served.store.search("夜间巡堤")] == ["夜间巡堤"]
    secret = person.send(place, place, {"title": "某装备（秘密★10年）"})
    assert secret.status_code == 422
    assert "密级" in secret.text


def test_an_expert_sees_nothing_of_the_city_in_any_page(people: People, served: Served) -> None:
    put = PutNode(node=Expert(id="ZJ-1", title=NAMES["expert"]))
    served.store.apply([put], actor="程某", at=NOON, reason="专家")
    make_user(served.store, "expert", expert="ZJ-1")
    expert = Person(served, "expert")
    assert expert.sign_in().status_code == 303
    for path in (
        "/",
        "/account/password",
        "/match?scene=CJ-1",
        "/records/scene/CJ-2",
        "/search?q=无人机",
        "/admin",
    ):
        text = expert.get(path).text
        for hidden in ("海岛", "0756", "陈工", "澜川", "CJ-", "CG-"):
            assert hidden not in text, (path, hidden)


def test_lists_to_publish_hold_nothing_that_is_not_public(people: People) -> None:
    person = people("organiser")
    open_list = person.get("/lists/opportunities").content
    cells = [
        str(cell)
        for sheet in workbook_of(open_list)
        for row in sheet.iter_rows(values_only=True)
        for cell in row
    ]
    assert "海岛无人机送药" in cells
    assert not any("0756" in cell or "陈工" in cell or "院内药品" in cell for cell in cells)
    whole = person.get("/lists/opportunities?audience=staff").content
    assert any("陈工" in str(c) for s in workbook_of(whole) for r in s.iter_rows(values_only=True) for c in r)  # fmt: skip


def test_gaps_are_told_on_screen_and_as_a_workbook(people: People) -> None:
    page = people("staff").get("/gaps?level=4").text
    assert "没有够好成果的场景" in page
    book = workbook_of(people("staff").get("/gaps/gaps.xlsx?level=4").content)
    assert book.sheetnames == ["待找成果的场景", "待找场景的成果", "按产业领域", "按区"]


def test_the_graph_can_be_walked_and_narrowed(people: People) -> None:
    page = people("staff").get("/graph?kind=scene&id=CJ-1").text
    assert "/graph?kind=broker&amp;id=JJ-1" in page
    assert "JJ-1" not in people("staff").get("/graph?kind=scene&id=CJ-1&relation=posts").text


def test_an_administrator_makes_accounts_and_keys_shown_once(people: People, served: Served) -> None:
    person = people("administrator")
    made = person.send("/admin/users", "/admin/users", {"login": "wang", "name": "王某", "role": "organiser"})
    (password,) = re.findall(r'class="password">([\w-]+)<', made.text)
    assert password not in person.get("/admin/users").text
    new = Person(served, "wang")
    assert new.sign_in(password).status_code == 303
    assert new.get("/match").headers["location"] == "/account/password"  # first things first
    words = {
        "old_password": password,
        "new_password": "四只白鹭站在滩涂上面",
        "again_password": "四只白鹭站在滩涂上面",
    }
    assert new.send("/account/password", "/account/password", words).headers["location"] == "/"
    assert new.get("/match").status_code == 200
    assert (
        person.send("/admin/users/wang", "/admin/users", {"move": "disable", "reason": "离职"}).status_code
        == 303
    )
    assert new.get("/match").status_code == 303
    key = person.send("/admin/keys", "/admin/keys", {"partner": "nansha", "scope": "read", "audience": "partner", "days": "30"})  # fmt: skip
    assert re.search(r"jb_[0-9a-f]{12}_", key.text)
    assert not re.search(r"jb_[0-9a-f]{12}_", person.get("/admin/keys").text)


def test_the_history_is_searched_and_a_change_undone(people: People, served: Served) -> None:
    person = people("administrator")
    served.store.apply([PutNode(node=Scene(id="CJ-9", title="甲"))], actor="程某", at=NOON, reason="误录一条")
    revision = served.store.revision()
    assert "误录一条" in person.get("/admin/history").text
    assert "CJ-9" in person.get("/admin/history?q=误录").text
    assert "没有找到" in person.get("/admin/history?q=没有这个词").text
    undone = person.send(
        "/admin/history/undo", "/admin/history", {"revision": str(revision), "reason": "误录"}
    )
    assert undone.status_code == 303
    assert served.store.get("scene", "CJ-9") is None


@pytest.mark.parametrize("q", ["", "   ", "%", "_", "'", "\\", "x" * 200, "\x00甲", "无人机 万山"])
def test_a_search_takes_any_text(people: People, q: str) -> None:
    answer = people("staff").get("/search", params={"q": q})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [("坏.xlsx", b"PK\x03\x04", "“坏.xlsx”已损坏或不完整"), ("空.csv", b"", "“空.csv”里没有内容")],
)
def test_a_file_that_cannot_be_read_is_told_by_its_name(people: People, name: str, content: bytes, told: str) -> None:  # fmt: skip
    person = people("staff")
    answer = person.send("/imports", "/imports", {"kind": ""}, files={"sheet": (name, content, "text/csv")})
    page = wait_for(person, answer.headers["location"])
    assert page.status_code == 200
    assert told in page.text
    assert "没有读成" in page.text
    assert "可以先写入没有错的行" not in page.text


def test_a_sheet_of_unknown_kind_names_the_field_of_the_page(people: People) -> None:
    person = people("staff")
    page = wait_for(person, upload(person, "甲,乙\n1,2\n", "杂.csv")).text
    assert "在上传时选明类别" in page
    assert "--" not in html.unescape(page)


def test_a_key_or_password_sent_twice_is_made_once(people: People, served: Served) -> None:
    person = people("administrator")
    for path, fields in (
        ("/admin/keys", {"partner": "nansha", "scope": "read", "audience": "partner", "days": "30"}),
        ("/admin/users", {"login": "wangwu", "name": "王五", "role": "organiser"}),
        ("/admin/users", {"login_to_reset": "wangwu"}),
    ):
        form = marks_of(person.get(path).text) | fields
        first = person.client.post(path, data=form)
        assert 'class="password"' in first.text
        before = served.store.revision(), served.store.accounts.credential("wangwu")
        assert person.client.post(path, data=form).headers["location"] == path
        assert "只显示" in person.get(path).text
        assert (served.store.revision(), served.store.accounts.credential("wangwu")) == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/match?text=%00", 200), ("/pair?text=%00&found=CG-1", 404), ("/admin/model?version=%C2%B2", 200),
        ("/match/shortlist.xlsx?scene=CJ-1&id=gone", 200), ("/compare?scene=CJ-1&id=CG-1&id=gone", 409),
    ],
)  # fmt: skip
def test_an_odd_address_is_answered_in_words(people: People, path: str, status: int) -> None:
    assert people("administrator").get(path).status_code == status


def test_days_of_a_key_are_plain_digits(people: People) -> None:
    fields = {"partner": "nansha", "scope": "read", "audience": "partner", "days": "²"}
    assert people("administrator").send("/admin/keys", "/admin/keys", fields).status_code == 422


def test_a_field_that_is_too_long_is_told_in_words(people: People) -> None:
    answer = people("staff").send("/judgements", "/pair?scene=CJ-1&found=CG-1", {"reason": "长" * 30_000})
    assert answer.status_code == 413
    assert "有一项太长" in answer.text
