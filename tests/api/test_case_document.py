"""典型案例 as a document: its sections, its table, its fonts, and that nothing in it is a field or a formula."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from api.case_document import write_case
from graph.kinds import Case
from graph.problems import Refused
from graph.visibility import seen_by

FIGURES = "登塔次数：120→17 次/年（来源：用户证明）；漏检率：待补→0.2 %"
CASE = Case(
    id="AL-1", title="线路无人值守飞巡", owner="甲公司", provider="乙公司", investment="296", period="2024-09至2025-03",
    summary="跨越段登塔难。\n人工慢。", approach="=HYPERLINK(\"x\")", effect="登塔减少", measures=FIGURES, first_use="是",
    replicable="要有点云底图", evidence="验收报告", field="低空经济", field_visibility="证明材料=内部",
)  # fmt: skip


def lines(path: Path) -> list[str]:
    from docx import Document

    return [paragraph.text for paragraph in Document(str(path)).paragraphs]


def cells(path: Path) -> list[list[list[str]]]:
    from docx import Document

    return [[[cell.text for cell in row.cells] for row in table.rows] for table in Document(str(path)).tables]


def test_document_has_its_sections_and_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "案例.docx"
    write_case(path, CASE)
    assert lines(path) == [
        "线路无人值守飞巡", "一、背景与需求", "跨越段登塔难。", "人工慢。", "二、做法", '=HYPERLINK("x")', "三、成效", "登塔减少",
        "四、可复制条件", "要有点云底图", "五、佐证材料", "验收报告", "案例编号：AL-1",
    ]  # fmt: skip
    glance, figures = cells(path)
    assert glance == [
        ["建设单位", "甲公司", "技术方", "乙公司"], ["产业领域", "低空经济", "所在区", "—"],
        ["实施周期", "2024-09至2025-03", "投入", "296 万元"], ["首用首试", "是", "发布批次", "—"],
    ]  # fmt: skip
    assert figures == [
        ["指标", "实施前", "实施后", "单位", "数据来源"], ["登塔次数", "120", "17", "次/年", "用户证明"],
        ["漏检率", "待补", "0.2", "%", "待补"],
    ]  # fmt: skip


def test_document_has_chinese_fonts_no_fields_and_no_clock(tmp_path: Path) -> None:
    from docx import Document
    from docx.oxml.ns import qn

    paths = [tmp_path / f"{number}.docx" for number in (1, 2)]
    for path in paths:
        write_case(path, CASE)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    styles = Document(str(paths[0])).styles
    fonts = {
        name: styles[name].element.rPr.rFonts.get(qn("w:eastAsia"))
        for name in ("Normal", "Title", "Heading 1")
    }
    assert fonts == {"Normal": "仿宋", "Title": "方正小标宋简体", "Heading 1": "黑体"}
    with ZipFile(paths[0]) as packed:
        body = packed.read("word/document.xml").decode()
    assert not any(mark in body for mark in ("w:fldSimple", "w:instrText", "w:hyperlink", "Theme=", "w:pBdr"))


def test_what_an_audience_may_not_see_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "案例.docx"
    seen = seen_by("public", CASE)
    assert isinstance(seen, Case)
    write_case(path, seen)
    assert "验收报告" not in "".join(lines(path))
    assert lines(path)[-2] == "待补"


def test_a_draft_says_that_it_is_one(tmp_path: Path) -> None:
    path = tmp_path / "案例.docx"
    write_case(path, Case(id="AL-1", title="某案例\x01"), draft="草稿")
    assert lines(path)[:2] == ["某案例", "（草稿，未发布，请勿外传）"]
    assert cells(path)[1][1:] == [["待补"] * 5]


def test_figures_that_a_sheet_has_as_prose_stand_as_prose(tmp_path: Path) -> None:
    path = tmp_path / "案例.docx"
    write_case(path, CASE.model_copy(update={"measures": "登塔少了许多"}))
    assert lines(path)[6:9] == ["三、成效", "登塔减少", "登塔少了许多"]
    assert cells(path)[1][1:] == [["待补"] * 5]


def test_a_title_may_be_as_long_as_titles_are(tmp_path: Path) -> None:
    path = tmp_path / "案例.docx"
    write_case(path, CASE.model_copy(update={"title": "长" * 300}))
    assert lines(path)[0] == "长" * 300


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        write_case(tmp_path / "无此" / "案例.docx", CASE)
    assert refused.value.code == "export_unwritable"
