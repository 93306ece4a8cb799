"""lineup timetable and lineup export as an organiser uses them."""

import json
from datetime import date
from pathlib import Path

import pytest

from tests.api.cli.conftest import Command

ID = f"LY-{date.today().year}-001"
SESSION = ("--session", "上午场=2026-12-05 09:00-10:00@一号厅", "--format", "8+7+2")


@pytest.fixture
def planned(indexed: Path, jiebang: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The world with one roadshow of two pitches, CG-1 first."""
    monkeypatch.setenv("JIEBANG_USER", "李明")
    rules = ("--set", "适配等级至少=1", "--set", "每单位至多=0")
    assert jiebang("lineup", "new", "--theme", "海岛无人机送药", "--pitches", "2", *rules).code == 0
    return indexed


def test_a_timetable_is_made_changed_by_hand_and_solved_around_a_lock(
    planned: Path, jiebang: Command
) -> None:
    first = jiebang("lineup", "timetable", ID)
    assert (first.code, first.err.splitlines()[0]) == (
        1 if first.code == 1 else 2,
        f"错误：{ID} 还没有场次。",
    )
    made = jiebang("lineup", "timetable", ID, *SESSION, "--presenter", "CG-1=张三", "--json")
    told = json.loads(made.out)
    assert (made.code, told["conflicts"]) == (0, [])
    (held,) = [id for id, place in told["places"].items() if place[1] == 1]
    (other,) = set(told["places"]) - {held}
    moved = jiebang("lineup", "timetable", ID, "--place", f"{other}=上午场#1")
    assert "与原来相比：2 处改动。" in moved.out
    locked = jiebang("lineup", "timetable", ID, "--lock", other, "--free", f"{held}=无")
    assert locked.code == 1
    assert "没有一段有空的时间" in locked.err
    assert "代价最小的办法：与" in locked.err
    again = jiebang("lineup", "timetable", ID, "--json")
    assert json.loads(again.out)["places"][other] == ["上午场", 1]


def test_a_conflict_to_be_settled_holds_up_the_release(planned: Path, jiebang: Command) -> None:
    judged = ("--judge", "上午场=王评委", "--conflict", "王评委=CG-1")
    assert "发布前须解决：评委王评委" in jiebang("lineup", "timetable", ID, *SESSION, *judged).out
    refused = jiebang("lineup", "release", ID)
    assert refused.code == 1
    assert "评委王评委与该项目有利害关系" in refused.err
    jiebang("lineup", "timetable", ID, "--recuse", "王评委=CG-1")
    assert jiebang("lineup", "release", ID).code == 0


def test_papers_are_written_for_their_readers(planned: Path, jiebang: Command, tmp_path: Path) -> None:
    from docx import Document
    from openpyxl import load_workbook

    none = jiebang("lineup", "export", ID, "agenda", "--out", tmp_path / "a.docx")
    assert (none.code, none.err.splitlines()[0]) == (1, f"错误：{ID} 还没有排日程。")
    jiebang("lineup", "timetable", ID, *SESSION, "--judge", "上午场=王评委")
    for paper, name in (
        ("议程", "a.docx"), ("agenda", "a.xlsx"), ("agenda", "a.html"), ("agenda", "a.ics"), ("agenda", "a.svg"), ("打分表", "m.xlsx"),
    ):  # fmt: skip
        done = jiebang("lineup", "export", ID, paper, "--out", tmp_path / name)
        assert (done.code, done.err) == (0, "")
        assert (tmp_path / name).stat().st_size > 500
    assert jiebang("lineup", "export", ID, "handbook", "--out", tmp_path / "h.docx").code == 0
    whole = [paragraph.text for paragraph in Document(str(tmp_path / "h.docx")).paragraphs]
    jiebang("lineup", "export", ID, "handbook", "--out", tmp_path / "p.docx", "--audience", "public")
    public = [paragraph.text for paragraph in Document(str(tmp_path / "p.docx")).paragraphs]
    assert "推荐理由" in whole
    assert "推荐理由" not in public
    assert load_workbook(tmp_path / "m.xlsx").sheetnames[0] == "王评委"
    draft = [paragraph.text for paragraph in Document(str(tmp_path / "a.docx")).paragraphs]
    assert draft[0].endswith("议程（草稿）")
    jiebang("lineup", "release", ID)
    final = jiebang("lineup", "export", ID, "agenda", "--out", tmp_path / "a.docx")
    assert final.out.startswith(f"已写入 {ID} 第 1 版的议程")
    assert Document(str(tmp_path / "a.docx")).paragraphs[0].text.endswith("议程")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", ID, "海报", "--out", "x.docx"), "没有“海报”这种文书"),
        (("export", ID, "agenda", "--out", "x.pdf"), "不能写成“x.pdf”这种格式"),
        (("export", ID, "agenda", "--out", "x.docx", "--version", "3"), "没有第 3 版"),
        (("export", ID, "agenda", "--out", "x.docx", "--audience", "谁"), "看不懂 --audience 谁"),
        (("timetable", ID, "--session", "上午场=明天"), "看不懂时间“明天”"),
        (("timetable", ID, *SESSION, "--pause", "下午场=10:00-10:10"), "没有场次“下午场”"),
        (("timetable", ID, *SESSION, "--place", "CG-9=上午场#1"), "台上没有“CG-9”"),
        (("timetable", ID, *SESSION, "--lock", "CG-1"), "锁不住"),
    ],
)
def test_what_cannot_be_done_is_refused(
    planned: Path, jiebang: Command, arguments: tuple[str, ...], message: str
) -> None:
    done = jiebang("lineup", *arguments)
    assert done.code in (1, 2)
    assert message in done.err


def test_results_come_from_the_sheets_and_awards_go_to_the_achievements(
    planned: Path, jiebang: Command, tmp_path: Path
) -> None:
    from openpyxl import load_workbook

    rubric = ("--criterion", "技术=60", "--criterion", "市场=40")
    sheet, out = tmp_path / "打分.xlsx", tmp_path / "成绩.xlsx"
    jiebang("lineup", "timetable", ID, *SESSION, "--judge", "上午场=王评委、李评委、赵评委")
    jiebang("lineup", "export", ID, "marks", "--out", sheet, *rubric)
    empty = jiebang("lineup", "results", ID, sheet, *rubric)
    assert empty.code == 1
    assert "缺评委 王评委 对项目" in empty.out
    book = load_workbook(sheet)
    for number, name in enumerate(book.sheetnames[:3]):
        for row in (6, 7):
            first = book[name].cell(row, 1).value == "CG-1"
            book[name].cell(row, 4).value = 50 + number if first else 40
            book[name].cell(row, 5).value = 30
    book.save(sheet)
    asked = ("lineup", "results", ID, sheet, *rubric, "--award", "一等奖=1", "--record")
    done = jiebang(*asked, "--out", out)
    assert (done.code, done.err) == (0, "")
    assert next(line.split()[:2] for line in done.out.splitlines()[2:4]) == ["1", "CG-1"]
    assert "81.00" in done.out
    assert load_workbook(out).sheetnames == ["成绩", "评委总分", "没有成绩", "规则"]
    assert "海岛无人机送药路演一等奖" in jiebang("show", "CG-1").out
    assert "这些奖项以前已经记过。\n" in jiebang(*asked).out
    assert "1. 81.00  " in jiebang("lineup", "results", ID).out
    assert "还没有进展，已 0 天没有新记录" in jiebang("lineup", "follow", ID).out
    book[book.sheetnames[0]].cell(6, 7).value = book[book.sheetnames[1]].cell(6, 7).value = "不属低空"
    book.save(sheet)
    vetoed = jiebang("lineup", "results", ID, sheet, *rubric)
    assert "3 位评委中 2 位认为离题：不属低空" in vetoed.out


def test_the_best_of_a_round_go_on_to_the_next_and_the_kept_rounds_are_shown(
    planned: Path, jiebang: Command, tmp_path: Path
) -> None:
    from openpyxl import load_workbook

    rubric = ("--criterion", "技术=60", "--criterion", "市场=40")
    jiebang("lineup", "timetable", ID, *SESSION, "--judge", "上午场=王评委、李评委、赵评委")
    none = jiebang("lineup", "results", ID)
    assert none.out.startswith(f"{ID} 还没有记下成绩。")

    def marked(name: str, rows: int) -> Path:
        sheet = tmp_path / name
        assert jiebang("lineup", "export", ID, "marks", "--out", sheet, *rubric).code == 0
        book = load_workbook(sheet)
        for title in book.sheetnames[:3]:
            assert book[title].max_row == 5 + rows
            for row in range(6, 6 + rows):
                book[title].cell(row, 4).value = 50 if book[title].cell(row, 1).value == "CG-1" else 40
                book[title].cell(row, 5).value = 30
        book.save(sheet)
        return sheet

    first = marked("一.xlsx", 2)
    many = jiebang("lineup", "results", ID, first, *rubric, "--next", "3", "--record")
    assert "有得分的只有 2 项，不能晋级 3 项" in many.err
    done = jiebang("lineup", "results", ID, first, *rubric, "--next", "1", "--record")
    assert "晋级" in done.out
    assert f"下一轮的打分表：jiebang lineup export {ID} 打分表 --out 第2轮打分表.xlsx" in done.out
    second = marked("二.xlsx", 1)
    final = jiebang("lineup", "results", ID, second, *rubric, "--award", "一等奖=1", "--record")
    assert "已记下第 2 轮成绩" in final.out
    kept = jiebang("lineup", "results", ID).out
    assert [line.split("（")[0] for line in kept.splitlines() if line.startswith("第")] == [
        "第 1 轮",
        "第 2 轮",
    ]
    followed = json.loads(jiebang("lineup", "follow", ID, "--json").out)
    assert [(one["id"], one["award"], one["stage"]) for one in followed] == [("CG-1", "一等奖", "")]
    assert "路演 LY-" in jiebang("history", "--limit", "1").out


def test_a_room_that_another_roadshow_has_is_found(planned: Path, jiebang: Command) -> None:
    rules = ("--set", "适配等级至少=1", "--set", "每单位至多=0")
    assert jiebang("lineup", "timetable", ID, *SESSION).code == 0
    assert jiebang("lineup", "new", "--theme", "海岛无人机送药", "--pitches", "2", *rules).code == 0
    other = ID[:-1] + "2"
    refused = jiebang("lineup", "timetable", other, *SESSION)
    assert refused.code == 1
    assert f"与活动“海岛无人机送药路演（{ID}，草稿）”" in refused.err
    jiebang("lineup", "step", ID, "取消", "--reason", "台风")
    assert jiebang("lineup", "timetable", other, *SESSION).code == 0


def test_names_that_are_hard_and_a_night_reach_the_papers_whole(
    planned: Path, jiebang: Command, tmp_path: Path
) -> None:
    from docx import Document
    from openpyxl import load_workbook

    odd = "王·评委🚁=" + "长" * 52
    night = ("--session", "夜场=2026-12-05 23:50-次日00:40@一号,厅", "--format", "8+7+2")
    made = jiebang("lineup", "timetable", ID, *night, "--judge", f"夜场={odd}", "--presenter", f"CG-1={odd}")
    assert (made.code, "23:50–次日00:05" in made.out) == (0, True)
    for name in ("a.docx", "a.xlsx", "a.html", "a.svg", "a.ics"):
        done = jiebang("lineup", "export", ID, "agenda", "--out", tmp_path / name)
        assert (done.code, done.err) == (0, "")
    assert jiebang("lineup", "export", ID, "marks", "--out", tmp_path / "m.xlsx").code == 0
    marks = load_workbook(tmp_path / "m.xlsx")
    assert odd in str(marks.worksheets[0]["A2"].value)
    cells = [cell for sheet in marks for row in sheet for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    told = [
        cell.text
        for table in Document(str(tmp_path / "a.docx")).tables
        for row in table.rows
        for cell in row.cells
    ]
    assert odd in told
    assert b"DTEND;TZID=Asia/Shanghai:20261206T0005" in (tmp_path / "a.ics").read_bytes()


def test_too_few_judges_are_told_beforehand_and_their_marks_can_be_averaged(
    planned: Path, jiebang: Command, tmp_path: Path
) -> None:
    from openpyxl import load_workbook

    rubric, sheet = ("--criterion", "技术=100"), tmp_path / "打分.xlsx"
    made = jiebang("lineup", "timetable", ID, *SESSION, "--judge", "上午场=王评委、李评委")
    assert made.out.count("只有 2 位评委打分，不能去掉最高分和最低分") == 2
    jiebang("lineup", "export", ID, "marks", "--out", sheet, *rubric)
    book = load_workbook(sheet)
    for name in book.sheetnames[:2]:
        for row in (6, 7):
            book[name].cell(row, 4).value = 80 if book[name].cell(row, 1).value == "CG-1" else 70
    book.save(sheet)
    book[book.sheetnames[0]].cell(6, 1).value = f" {book[book.sheetnames[0]].cell(6, 1).value} ".lower()
    book.save(sheet)
    stranger = jiebang("lineup", "results", ID, sheet, *rubric, "--mean", "--absent", "CG-999=迟到")
    assert (stranger.code, stranger.err.splitlines()[0]) == (1, "错误：日程里没有项目“CG-999”。")
    late = jiebang("lineup", "results", ID, sheet, *rubric, "--mean", "--absent", "cg-1=迟到")
    assert "（CG-1）：迟到" in late.out
    refused = jiebang("lineup", "results", ID, sheet, *rubric)
    assert (refused.code, "加 --mean 直接平均" in refused.err) == (1, True)
    assert "80.00" in jiebang("lineup", "results", ID, sheet, *rubric, "--mean").out
