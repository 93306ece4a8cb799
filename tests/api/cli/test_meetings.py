"""jiebang meetings from the empty sheet to the schedules, with a plan in a file and one in a roadshow."""

import json
from datetime import date
from pathlib import Path

import pytest

from tests.api.cli.conftest import Command

FIRST = ("--start", "2026-12-05T13:30", "--rounds", "3", "--tables", "2")


@pytest.fixture
def sheet(tmp_path: Path, jiebang: Command) -> Path:
    """Two guests who both want both teams; 企业甲 must meet 团队一."""
    from openpyxl import load_workbook

    path = tmp_path / "意愿.xlsx"
    assert jiebang("meetings", "template", "--out", path).code == 0
    book = load_workbook(path)
    for guest in ("企业甲", "企业乙"):
        book["嘉宾"].append(["", guest])
        for team in ("团队一", "团队二"):
            book["意愿"].append(
                [guest, team, "嘉宾", "必须" if (guest, team) == ("企业甲", "团队一") else "希望"]
            )
    book.save(path)
    return path


def test_a_plan_in_a_file_from_the_sheet_to_the_papers(jiebang: Command, sheet: Path, tmp_path: Path) -> None:
    plan = tmp_path / "安排.json"
    asked = jiebang("meetings", "import", plan, sheet)
    assert (asked.code, asked.err.splitlines()[0]) == (2, "错误：第一次收意愿要写明时间、轮数和桌数。")
    taken = jiebang("meetings", "import", plan, sheet, *FIRST)
    assert taken.out.startswith(
        "名单：嘉宾 2 位、团队 2 个；意愿 4 条；2026年12月5日 13:30–13:58，3 轮、2 张桌。\n"
    )
    dry = jiebang("meetings", "solve", plan, "--dry-run")
    assert dry.out.startswith("排了 4 场；没有排上的意愿 0 条\n已证明最优：没有更好的排法。\n")
    assert json.loads(plan.read_text(encoding="utf-8"))["meetings"] == []
    jiebang("meetings", "solve", plan)
    before = plan.read_text(encoding="utf-8")
    locked = jiebang("meetings", "solve", plan, "--lock", "全部")
    assert "取消 0 场，新增 0 场，其余 4 场不动。" in locked.out
    assert json.loads(plan.read_text(encoding="utf-8"))["meetings"] == json.loads(before)["meetings"]
    gone = jiebang("meetings", "solve", plan, "--cancel", "企业乙")
    assert "取消 2 场，新增 0 场，其余 2 场不动。" in gone.out
    shown = jiebang("meetings", "show", plan, "--who", "企业乙")
    assert shown.out.count("企业乙没有一轮有空，或已取消") == 2
    for name in ("a.xlsx", "a.docx", "a.html"):
        done = jiebang("meetings", "export", plan, "--out", tmp_path / name)
        assert (done.code, done.out) == (0, f"已写入 2 场洽谈：{tmp_path / name}\n")
    lone = jiebang("meetings", "export", plan, "--out", tmp_path / "a.ics", "--who", "团队一")
    assert lone.out.startswith("已写入 1 场洽谈：")


def test_rounds_keep_their_lengths_unless_others_are_given(
    jiebang: Command, sheet: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "安排.json"
    jiebang("meetings", "import", plan, sheet, *FIRST, "--minutes", "12", "--gap", "3")
    assert "13:30–14:27，4 轮" in jiebang("meetings", "import", plan, sheet, "--rounds", "4").out
    assert "13:30–14:39，4 轮" in jiebang("meetings", "import", plan, sheet, "--minutes", "15").out


def test_a_plan_in_a_roadshow_is_its_next_draft(
    indexed: Path, jiebang: Command, sheet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIEBANG_USER", "李明")
    id = f"LY-{date.today().year}-001"
    jiebang(
        "lineup",
        "new",
        "--theme",
        "海岛无人机送药",
        "--pitches",
        "2",
        "--set",
        "适配等级至少=1",
        "--set",
        "每单位至多=0",
    )
    none = jiebang("meetings", "solve", id)
    assert (none.code, none.err.splitlines()[0]) == (1, f"错误：“{id}”还没有洽谈的名单和意愿。")
    assert jiebang("meetings", "import", id, sheet, *FIRST).code == 0
    assert jiebang("meetings", "solve", id).code == 0
    assert len(json.loads(jiebang("meetings", "show", id, "--json").out)["meetings"]) == 4
    history = jiebang("lineup", "history", id).out
    assert "收洽谈意愿 4 条" in history
    assert "排洽谈 4 场" in history


def test_what_cannot_be_done_is_refused(jiebang: Command, sheet: Path, tmp_path: Path) -> None:
    plan = tmp_path / "安排.json"
    jiebang("meetings", "import", plan, sheet, *FIRST)
    jiebang("meetings", "solve", plan)
    (tmp_path / "别的.json").write_text("{}", encoding="utf-8")
    for arguments, message in (
        (("show", tmp_path / "没有.json"), "文件或文件夹不存在"),
        (("show", tmp_path / "别的.json"), "不是洽谈安排"),
        (("show", plan, "--who", "企业丁"), "“企业丁”不在名单里"),
        (("solve", plan, "--lock", "企业甲"), "看不懂“企业甲”"),
        (("solve", plan, "--lock", "企业丁=团队一"), "“企业丁”不在名单里"),
        (("export", plan, "--out", tmp_path / "a.ics"), "日历要写明是谁的"),
        (("export", plan, "--out", tmp_path / "a.pdf"), "不能写成“a.pdf”这种格式"),
        (("import", plan, sheet, "--start", "下午"), "看不懂 --start 下午"),
    ):
        done = jiebang("meetings", *arguments)
        assert done.code in (1, 2)
        assert message in done.err


def test_wishes_are_proposed_from_the_lineup_changed_and_held_to_its_stage(
    indexed: Path, jiebang: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openpyxl import load_workbook

    monkeypatch.setenv("JIEBANG_USER", "李明")
    id, sheet = f"LY-{date.today().year}-001", tmp_path / "提议.xlsx"
    rules = ("--set", "适配等级至少=1", "--set", "每单位至多=0", "--set", "每场景至少=0")
    new = jiebang("lineup", "new", "--scene", "CJ-1", "--scene", "CJ-3", "--pitches", "2", *rules)
    assert new.code == 0, new.err
    alone = jiebang("meetings", "propose", tmp_path / "a.json")
    assert "单独存放的安排没有阵容" in alone.err
    asked = jiebang("meetings", "propose", id, "--level", "1")
    assert "第一次收意愿要写明时间、轮数和桌数" in asked.err
    written = jiebang("meetings", "propose", id, "--level", "1", "--out", sheet)
    assert written.code == 0, written.err
    book = load_workbook(sheet)
    assert [cell.value for cell in book["意愿"][1]] == ["嘉宾", "团队", "提出方", "意愿", "把握", "说明"]
    assert book["意愿"].max_row == 5
    book["意愿"]["D2"].value = "必须"
    book.save(sheet)
    assert jiebang("meetings", "import", id, sheet, *FIRST).code == 0
    again = jiebang("meetings", "propose", id, "--level", "1")
    assert again.out.splitlines()[-2].startswith("记入意愿 0 条，现在共 4 条")
    refused = jiebang("lineup", "release", id)
    assert "必须的洽谈" in refused.err
    bad = jiebang("meetings", "solve", id, "--level", "高兴=提示")
    assert "规则有：洽谈都能举行、不约已经下台的团队" in bad.err
    assert jiebang("meetings", "solve", id).code == 0
    at_two = ("--session", "下午场=2026-12-05 13:20-14:30@一号厅", "--format", "8+7+2")
    assert jiebang("lineup", "timetable", id, *at_two).code == 0
    shown = jiebang("meetings", "show", id).out
    assert "发布前须解决：" in shown
    assert "正在台上（规则：在台上时不洽谈）" in shown
    assert "正在台上" in jiebang("lineup", "release", id).err
    solved = jiebang("meetings", "solve", id)
    assert (solved.code, "正在台上" in solved.out) == (0, False)
    out = tmp_path / "日程.xlsx"
    assert jiebang("lineup", "export", id, "洽谈日程", "--out", out, "--audience", "public").code == 0
    assert load_workbook(out).sheetnames[:2] == ["全部洽谈", "未排上"]


def test_500_wishes_of_one_guest_and_a_night_with_hard_names(jiebang: Command, tmp_path: Path) -> None:
    from openpyxl import Workbook, load_workbook

    odd, book = "海岛,物流=公司🚁" + "长" * 51, Workbook()
    book.active.title = "意愿"
    book.active.append(["嘉宾", "团队", "提出方", "意愿"])
    for number in range(500):
        book.active.append([odd, f"团队,{number}", "嘉宾", "希望"])
    book.save(tmp_path / "意愿.xlsx")
    plan = tmp_path / "夜.json"
    night = ("--start", "2026-12-05T23:40", "--rounds", "4", "--minutes", "15", "--gap", "0", "--tables", "2")
    taken = jiebang("meetings", "import", plan, tmp_path / "意愿.xlsx", *night)
    assert "意愿 500 条；2026年12月5日 23:40–次日00:40" in taken.out
    solved = jiebang("meetings", "solve", plan)
    assert solved.out.startswith("排了 4 场；没有排上的意愿 496 条")
    for name in ("a.xlsx", "a.docx", "a.html"):
        assert jiebang("meetings", "export", plan, "--out", tmp_path / name).code == 0
    assert jiebang("meetings", "export", plan, "--out", tmp_path / "a.ics", "--who", odd).code == 0
    cells = [
        c for sheet in load_workbook(tmp_path / "a.xlsx") for row in sheet for c in row if c.value is not None
    ]
    assert {cell.data_type for cell in cells} == {"s"}
    assert sum(cell.value == odd for cell in cells) == 500
