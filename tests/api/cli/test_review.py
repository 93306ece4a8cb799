"""From a scene to a contract through the command line: bids, panel, marks, award, notice, and what losers are told."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graph.store.store import Store
from matcher.home import Home
from tests.api.cli.conftest import Clock, Command
from tests.matcher.boards import DAY, OPENING, firm

EXPERTS = """编号,姓名,所在单位,职称,研究方向
ZJ-1,甄一帆,粤海湾理工大学,教授,无人机
ZJ-2,贺二川,北山大学,研究员,海岛补给
ZJ-3,沈三思,东山大学,教授,无人机
ZJ-4,柳四海,西山大学,副教授,物流
ZJ-5,吴五岳,云岬航空科技,高级工程师,整机
ZJ-6,郑六合,无名研究会,高级工程师,整机
ZJ-7,王七星,南山大学,教授,无人机
"""
PLACES = """编号,名称,机构类型
JG-1,粤海湾理工大学,高校
JG-2,北山大学,高校
JG-3,东山大学,高校
JG-4,西山大学,高校
JG-5,南山大学,高校
"""
ID = "BD-2026-001"
DRAW = ("panel", "draw", ID, "--seed", "5", "--alternates", "2")
NAMES = {1: firm(1).name, 2: "云岬航空科技有限公司", 3: firm(3).name}
Sheets = Callable[[Path], dict[str, list[list[Any]]]]


def _bid(number: int) -> list[str]:
    said = {
        "投标单位": NAMES[number], "投标单位信用代码": firm(number).uscc, "技术方案": f"无人机复合翼方案{number}", "团队与条件": "十人",
        "申请金额": f"{200 - number}", "知识产权声明": "自有专利", "是否失信被执行人": "否", "主要成员": f"成员{number}",
    }  # fmt: skip
    given = [part for name, text in said.items() for part in ("--set", f"{name}={text}")]
    return [*given, "--answer", "抗风等级≥7级=8级", "--answer", "航程≥30km=45km"]


def _all_go(jiebang: Command, *lines: tuple[Any, ...]) -> None:
    for line in lines:
        done = jiebang(*line)
        assert (done.code, done.err) == (0, ""), line


@pytest.fixture
def opened(indexed: Path, jiebang: Command, clock: Clock, written: Callable[..., Path]) -> Path:
    """The world with experts, and a task from a scene whose three bids are open."""
    for text, name, kind in ((EXPERTS, "专家.csv", "专家"), (PLACES, "机构.csv", "机构")):
        assert jiebang("import", written(text, name), "--kind", kind).code == 0
    _all_go(
        jiebang,
        ("task", "from", "CJ-1", "--set", "投标截止=2026-03-31 20:00", "--set", "评审专家人数=3", "--set", "公示工作日=3"),
        ("task", "move", ID, "送论证"),
        ("task", "move", ID, "论证意见", "--opinion", "同意", "--by", "程某"),
        ("task", "move", ID, "发榜"),
    )  # fmt: skip
    for number in NAMES:
        assert jiebang("bid", "add", ID, *_bid(number)).code == 0
    assert "不在“评榜”" in jiebang(*DRAW).err
    clock.at = OPENING
    _all_go(jiebang, ("bid", "open", ID))
    return indexed


def _fill(
    path: Path, marks: dict[str, tuple[int, int, int, int]], remarks: dict[str, str] | None = None
) -> None:
    """Give every bid the marks, from every expert but for a little."""
    import openpyxl

    book = openpyxl.load_workbook(path)
    for number, sheet in enumerate(book.worksheets[:-1]):
        for row in range(5, sheet.max_row + 1):
            bidder = str(sheet.cell(row, 2).value)
            if bidder not in marks:
                continue
            for column, value in enumerate(marks[bidder], start=3):
                sheet.cell(row, column).value = value - number
            sheet.cell(row, 8).value = (remarks or {}).get(bidder, "")
    book.save(path)


def _words_of(path: Path) -> set[str]:
    from docx import Document

    document = Document(str(path))
    cells = {cell.text for table in document.tables for row in table.rows for cell in row.cells}
    return cells | {paragraph.text for paragraph in document.paragraphs}


MARKS = {NAMES[1]: (36, 22, 18, 14), NAMES[2]: (32, 20, 15, 10), NAMES[3]: (28, 15, 12, 9)}


def test_a_scene_becomes_a_contract_and_every_loser_knows_why(
    jiebang: Command, opened: Path, clock: Clock, tmp_path: Path, sheets_of: Sheets
) -> None:
    drawn = jiebang(*DRAW)
    assert drawn.code == 0, drawn.err
    assert "吴五岳（ZJ-5）：吴五岳的单位“云岬航空科技”就是投标单位（写作“云岬航空科技有限公司”）" in drawn.out
    assert "郑六合（ZJ-6）：专家郑六合的单位身份未核实" in drawn.out
    members = re.findall(r"^成员  (\S+) +(\S+)", drawn.out, re.MULTILINE)
    assert len(members) == 3
    assigned = jiebang("review", "assign", ID)
    assert (
        "评分项：技术方案与创新性 40 分、指标响应 25 分、团队与条件 20 分、报价与效益 15 分（按榜单）。"
        in assigned.out
    )

    marks, summary, notice, board = (
        tmp_path / name for name in ("评分表.xlsx", "汇总.xlsx", "公示.docx", "榜单.xlsx")
    )
    _all_go(jiebang, ("review", "template", ID, "--out", marks))
    _fill(marks, MARKS, {NAMES[2]: f"{members[0][1]}认为续航弱，不如{NAMES[1]}"})
    assert "评分已齐" in jiebang("review", "import", ID, marks).out
    _all_go(jiebang, ("review", "summary", ID, "--out", summary))
    book = sheets_of(summary)
    title, *ranking = book["评审汇总表"][:5]
    assert title[0] == f"评审汇总表：海岛无人机送药（{ID}）"
    assert [(row[0], row[2], row[3]) for row in ranking] == [
        ("名次", "投标单位", "得分"), ("1", NAMES[1], "86.00"), ("2", NAMES[2], "73.00"), ("3", NAMES[3], "60.00"),
    ]  # fmt: skip
    assert {row[2] for row in book["逐项评分"][1:]} == {name for _, name in members}

    proposed = jiebang("award", "propose", ID)
    assert f"第 1 名拟中选：{NAMES[1]}（" in proposed.out
    assert f"{ID} 现在是“定标”" in proposed.out
    _all_go(jiebang, ("award", "notice", ID, "--out", notice, "--office", "科创局"))
    assert _words_of(notice) >= {NAMES[1], "86.00", "科创局"}
    told = "".join(_words_of(notice))
    assert [word for word in (NAMES[2], NAMES[3], *(n for _, n in members)) if word in told] == []
    assert "共 3 个工作日" in told
    assert "公示要到" in jiebang("award", "confirm", ID).err
    assert "定标还没有生效" in jiebang("task", "move", ID, "签约", "--milestone", "样机；2026-12-31；100").err
    assert "第 1 条异议" in jiebang("award", "object", ID, "--from", "某", "--text", "不实").out
    clock.at = OPENING + 7 * DAY
    assert "还有 1 条异议没有答复" in jiebang("award", "confirm", ID).err
    _all_go(jiebang, ("award", "answer", ID, "1", "--text", "业绩属实"))
    assert f"{ID} 定标生效：{NAMES[1]}。" in jiebang("award", "confirm", ID).out

    letter = jiebang("award", "show", ID, "--to", "云岬").out
    assert "综合得分 73.00，在 3 份中列第 2" in letter
    assert "评审意见：专家认为续航弱，不如其他单位" in letter
    own = jiebang("bid", "list", ID, "--bidder", firm(2).uscc or "").out
    assert "未中榜" in own
    assert "评审意见：专家认为续航弱，不如其他单位" in own
    for said in (letter, own):
        secret = (NAMES[1], NAMES[3], "ZJ-", *(name for _, name in members))
        assert [word for word in secret if word in said] == []
    _all_go(jiebang, ("task", "move", ID, "签约", "--milestone", "样机；2026-12-31；100"))
    assert "榜单现在是“签约与里程碑”" in jiebang("award", "withdraw", ID, "--reason", "晚了").err
    _all_go(jiebang, ("task", "list", "--out", board))
    head, row = sheets_of(board)["榜单"]
    shown = dict(zip(head, row, strict=True))
    assert (shown["中榜单位"], shown["状态"], shown["投标数"]) == (NAMES[1], "签约与里程碑", "3")
    with Home(path=opened).open_store(create=False) as store:
        assert store.verify_history() == []


def test_an_expert_steps_back_and_the_readings_go_to_an_alternate_without_conflict(
    jiebang: Command, opened: Path, tmp_path: Path, written: Callable[..., Path]
) -> None:
    drawn = jiebang(*DRAW).out
    member, first, second = re.findall(r"^(?:成员|候补)  (\S+)", drawn, re.MULTILINE)[2:5]
    _all_go(jiebang, ("review", "assign", ID))
    assert "要写原因" in jiebang("panel", "recuse", ID, member).err
    declared = written(f"专家编号,顾问单位\n{first},{NAMES[3]}\n", "申报.csv")
    done = jiebang("panel", "recuse", ID, member, "--reason", "有合作", "--declared", declared)
    assert "不能接替" in done.out
    assert f"自报为“{NAMES[3]}”担任顾问或从其取酬" in done.out
    shown = json.loads(jiebang("panel", "show", ID, "--json").out)
    assert shown["recusals"][0]["into"] == second
    marks = tmp_path / "评分表.xlsx"
    _all_go(jiebang, ("review", "template", ID, "--out", marks))
    _fill(marks, MARKS)
    assert "评分已齐" in jiebang("review", "import", ID, marks).out
    assert "（有合作），由候补" in jiebang("panel", "show", ID).out
    proposed = jiebang("award", "propose", ID).out
    assert "回避核查：9 人次评审均已核查，没有冲突或未核实的身份" in proposed
    for again in (("review", "import", ID, marks), ("review", "assign", ID), ("panel", "recuse", ID, second, "--reason", "x")):  # fmt: skip
        assert "已经拟定中选，不能再改" in jiebang(*again).err
    _all_go(jiebang, ("award", "withdraw", ID, "--reason", "重评"), ("award", "propose", ID))


_IN_THE_WAY = (
    (("--speciality", "低空"), "“低空”看不懂"),
    (("--level", "院士=1"), "要求职称职务含“院士”的至少 1 人，可用的最多 0 位"),
    (("--exclude", "路人"), "“路人”不是库里的专家"),
    (("--cleared", "ZJ-6:1"), "--cleared 的“ZJ-6:1”看不懂"),
    (("--exclude", "ZJ-1", "--exclude", "ZJ-2", "--exclude", "ZJ-3"), "需要 3 位专家，可用的只有 2 位"),
)


def test_what_stands_in_the_way_of_a_review_is_told(jiebang: Command, opened: Path) -> None:
    for arguments, told in _IN_THE_WAY:
        done = jiebang(*DRAW, *arguments)
        assert (done.code != 0, told in done.err) == (True, True), done.err
    assert "还没有专家组" in jiebang("panel", "show", ID).err
    assert "还没有分配标书" in jiebang("award", "propose", ID).err
    assert "还没有定标" in jiebang("award", "show", ID).err
    elsewhere = jiebang("task", "move", ID, "定标").err
    assert f"请用 jiebang award propose {ID}。" in elsewhere
    again = [jiebang(*DRAW, "--dry-run").out.splitlines()[:6] for _ in range(2)]
    assert again[0] == again[1]
    assert jiebang(*DRAW).out.splitlines()[:6] == again[0]
    assert "已经抽过专家组" in jiebang(*DRAW).err
    assert "缺专家" in (jiebang("review", "assign", ID) and jiebang("review", "summary", ID)).err
    assert "缺专家" in jiebang("award", "propose", ID).err
    assert (
        "有专家评审，不能另录得分"
        in jiebang(
            "award",
            "propose",
            ID,
            *(word for n in "123" for word in ("--point", f"{n}=80", "--why", f"{n}=好")),
        ).err
    )


def test_bids_are_assigned_without_a_panel_and_not_to_whoever_has_a_conflict(
    jiebang: Command, opened: Path
) -> None:
    cleared = [word for name in NAMES.values() for word in ("--cleared", f"ZJ-6:{name}:查过登记证")]
    poster = ("--cleared", "ZJ-6:出题方:查过登记证")
    done = jiebang("review", "assign", ID, "--per-bid", "6", *cleared, *poster)
    assert done.code == 0, done.err
    assert f"吴五岳 不评“{NAMES[2]}”" in done.out
    loads = dict(re.findall(r"(\w{3}) (\d)", done.out.partition("份数：")[2].splitlines()[0]))
    assert (int(loads["吴五岳"]) <= 2, int(loads["郑六合"]) >= 1, sum(map(int, loads.values()))) == (
        True,
        True,
        18,
    )
    short = jiebang("review", "assign", ID, "--per-bid", "7")
    assert "没有回避的专家不足 7 位" in short.err


def test_of_two_officers_who_award_at_once_the_second_is_told(
    jiebang: Command, opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [word for n in "123" for word in ("--point", f"{n}={70 + int(n)}", "--why", f"{n}=好")]
    apply = Store.apply

    def slower(self: Store, *given: Any, **named: Any) -> Any:
        monkeypatch.setattr(Store, "apply", apply)
        quicker = jiebang("award", "propose", ID, *points, "--by", "程某")
        assert quicker.code == 0
        return apply(self, *given, **named)

    monkeypatch.setattr(Store, "apply", slower)
    second = jiebang("award", "propose", ID, *points, "--by", "李某")
    assert (second.code, "刚刚有别人改动了同一记录" in second.err) == (1, True)
