"""From bids to an award through the command line, and what it says on the way."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from api.cli.review_material import keep
from graph.problems import Refused
from graph.processes import opened
from matcher.home import Home
from matcher.review_processes import PANEL_RULES, Panel
from tests.api.cli.conftest import Command
from tests.factories import NOON

EXPERTS = """编号,姓名,所在单位,职称,研究方向
ZJ-1,甄一帆,粤海湾理工大学,教授,无人机
ZJ-2,贺二川,北山大学,研究员,海岛补给
ZJ-3,沈三思,东山大学,教授,无人机
ZJ-4,柳四海,西山大学,副教授,物流
ZJ-5,吴五岳,云岬航空科技,高级工程师,整机
ZJ-6,郑六合,无名研究会,高级工程师,整机
"""
PLACES = """编号,名称,机构类型
JG-1,粤海湾理工大学,高校
JG-2,北山大学,高校
JG-3,东山大学,高校
JG-4,西山大学,高校
"""
FIRMS = """编号,名称
QY-8,旷羽动力有限公司
QY-9,岸序信息有限公司
"""
BIDS = """投标编号,投标单位,团队成员,技术方案
B-1,云岬航空科技有限公司,程屿舟,复合翼无人机海岛送药
B-2,旷羽动力有限公司,田工,电池包与停机巢
B-3,岸序信息有限公司,骆工,低空监视
"""
DRAW = ("--poster", "澜川海岛发展有限公司", "--size", "3", "--alternates", "1", "--seed", "5", "--by", "程某")


@pytest.fixture
def bids(jiebang: Command, world: Path, written: Callable[..., Path]) -> Path:
    """A world with experts, and the sheet of bids."""
    files = [
        written(text, name)
        for text, name in ((EXPERTS, "专家.csv"), (PLACES, "机构.csv"), (FIRMS, "企业2.csv"))
    ]
    for file, kind in zip(files, ("专家", "机构", "企业"), strict=True):
        assert jiebang("import", file, "--kind", kind).code == 0
    return written(BIDS, "投标.csv")


def fill(path: Path, marks: dict[str, tuple[int, int, int, int]]) -> None:
    """Give every entry the marks, from every expert but for a little."""
    import openpyxl

    book = openpyxl.load_workbook(path)
    for number, sheet in enumerate(book.worksheets[:-1]):
        for row in range(5, sheet.max_row + 1):
            values = marks[str(sheet.cell(row, 1).value)]
            for column, value in enumerate(values, start=3):
                sheet.cell(row, column).value = value - number
    book.save(path)


def test_review_goes_from_bids_to_a_public_notice(
    jiebang: Command, bids: Path, tmp_path: Path, sheets_of: Callable[[Path], dict[str, list[list[object]]]]
) -> None:
    drawn = jiebang("panel", "draw", "RW-1", "--bids", bids, *DRAW, "--name", "海岛送药")
    assert drawn.code == 0, drawn.err
    assert "吴五岳（ZJ-5）：吴五岳的单位“云岬航空科技”就是投标单位（写作“云岬航空科技有限公司”）" in drawn.out
    assert "郑六合（ZJ-6）：专家郑六合的单位身份未核实" in drawn.out
    again = jiebang("panel", "draw", "RW-1", "--bids", bids, *DRAW, "--dry-run")
    assert again.out.splitlines()[1:8] == drawn.out.splitlines()[1:8]
    assert "已经抽过专家组" in jiebang("panel", "draw", "RW-1", "--bids", bids, *DRAW).err
    first = re.findall(r"^成员  (\S+)", drawn.out, re.MULTILINE)[0]
    assert "要写原因" in jiebang("panel", "recuse", "RW-1", first, "--by", "程某").err
    assert "由候补" in jiebang("panel", "recuse", "RW-1", first, "--reason", "有合作", "--by", "程某").out
    assert "（有合作），由候补" in jiebang("panel", "show", "RW-1").out

    assert jiebang("review", "assign", "RW-1", "--bids", bids, "--by", "程某").code == 0
    marks, summary, notice = (tmp_path / name for name in ("评分表.xlsx", "汇总.xlsx", "公示.docx"))
    assert jiebang("review", "template", "RW-1", "--out", marks).code == 0
    assert "没有一个分数" in jiebang("review", "import", "RW-1", marks, "--by", "程某").err
    assert "缺专家" in jiebang("review", "summary", "RW-1").err
    fill(marks, {"B-1": (36, 22, 18, 14), "B-2": (41, 20, 15, 10), "B-3": (28, 15, 12, 9)})
    refused = jiebang("review", "import", "RW-1", marks, "--by", "程某")
    assert (refused.code, "“技术方案”是 41 分，超出 0 到 40" in refused.err) == (1, True)
    fill(marks, {"B-1": (36, 22, 18, 14), "B-2": (32, 20, 15, 10), "B-3": (28, 15, 12, 9)})
    assert "评分已齐" in jiebang("review", "import", "RW-1", marks, "--by", "程某").out
    assert jiebang("review", "summary", "RW-1", "--out", summary).code == 0
    ranking = sheets_of(summary)["评审汇总表"]
    assert [row[:4] for row in ranking] == [
        ["名次", "投标编号", "投标单位", "得分"],
        ["1", "B-1", "云岬航空科技有限公司", "86.00"],
        ["2", "B-2", "旷羽动力有限公司", "73.00"],
        ["3", "B-3", "岸序信息有限公司", "60.00"],
    ]

    proposed = jiebang("award", "propose", "RW-1", "--by", "程某")
    assert "第 1 名拟中选：云岬航空科技有限公司（B-1）得分 86.00" in proposed.out
    assert "吴五岳未进专家组" in proposed.out
    letter = jiebang("award", "show", "RW-1", "--to", "B-2").out
    assert "贵方标书 B-2 综合得分 73.00，在 3 份中列第 2" in letter
    assert not [word for word in ("云岬", "岸序", "B-1", "B-3", "ZJ-") if word in letter]
    assert (
        jiebang(
            "award", "notice", "RW-1", "--out", notice, "--days", "3", "--office", "科创局", "--by", "程某"
        ).code
        == 0
    )
    assert _words_of(notice) >= {"B-1", "云岬航空科技有限公司", "86.00", "科创局"}
    assert not [word for word in ("旷羽", "岸序", "B-2", "ZJ-") if word in "".join(_words_of(notice))]
    assert "公示要到" in jiebang("award", "confirm", "RW-1", "--by", "程某").err
    assert "已经定标" in jiebang("review", "import", "RW-1", marks, "--by", "程某").err
    assert (
        "第 1 条异议"
        in jiebang("award", "object", "RW-1", "--from", "某", "--text", "不实", "--by", "程某").out
    )
    assert jiebang("award", "answer", "RW-1", "1", "--text", "属实", "--by", "程某").code == 0
    assert "答复：属实" in jiebang("award", "show", "RW-1").out
    assert jiebang("award", "withdraw", "RW-1", "--reason", "重评", "--by", "程某").code == 0


def _words_of(path: Path) -> set[str]:
    from docx import Document

    document = Document(str(path))
    cells = {cell.text for table in document.tables for row in table.rows for cell in row.cells}
    return cells | {paragraph.text for paragraph in document.paragraphs}


def test_keep_refuses_the_second_of_two_officers_at_once(home: Path) -> None:
    with Home(path=home).open_store(create=True) as store:
        read = store.revision()
        for number, officer in enumerate(("程某", "李某")):
            made = opened(Panel, PANEL_RULES, id="RW-1", at=NOON, seed=number)
            if officer == "程某":
                assert keep(store, made, actor=officer, reason="抽取", since=read) == 1
                continue
            with pytest.raises(Refused, match="别人刚办过同一件事，这次没有写入"):
                keep(store, made, actor=officer, reason="抽取", since=read)
        assert [one.seed for one in store.processes(Panel)] == [0]


_IN_THE_WAY = (
    (("--size", "5"), "需要 5 位专家，可用的只有 4 位"),
    (("--poster", "旷羽动力"), "出题单位不得揭自己的榜。标书 B-2"),
    (("--speciality", "低空"), "“低空”看不懂"),
    (("--level", "院士=1"), "要求职称职务含“院士”的至少 1 人，可用的最多 0 位"),
    (("--exclude", "路人"), "--exclude 的“路人”不是库里的专家"),
    (("--cleared", "ZJ-6:B-1"), "--cleared 的“ZJ-6:B-1”看不懂"),
)


def test_panel_draw_says_what_stands_in_the_way(jiebang: Command, bids: Path) -> None:
    for arguments, told in _IN_THE_WAY:
        done = jiebang("panel", "draw", "RW-1", "--bids", bids, "--size", "3", *arguments, "--by", "程某")
        assert (done.code != 0, told in done.err) == (True, True), done.err
    assert "还没有专家组" in jiebang("panel", "show", "RW-1").err


def test_review_assign_without_a_panel_keeps_whoever_has_a_conflict_from_that_bid_only(
    jiebang: Command, bids: Path
) -> None:
    cleared = [("--cleared", f"ZJ-6:{bid}:查过登记证") for bid in ("B-1", "B-2", "B-3")]
    done = jiebang(
        "review", "assign", "RW-2", "--bids", bids, "--per-bid", "5", "--by", "程某", *(word for pair in cleared for word in pair)
    )  # fmt: skip
    assert done.code == 0, done.err
    lines = {line.split()[0]: line for line in done.out.splitlines() if line.startswith("B-")}
    assert {bid: "吴五岳" in line for bid, line in lines.items()}["B-1"] is False
    assert "吴五岳 不评 B-1" in done.out
    short = jiebang("review", "assign", "RW-3", "--bids", bids, "--per-bid", "6", "--by", "程某")
    assert (
        "这些标书没有回避的专家不足 6 位：B-1（可评的 4 位）、B-2（可评的 5 位）、B-3（可评的 5 位）"
        in short.err
    )
