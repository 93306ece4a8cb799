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
