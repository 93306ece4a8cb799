"""典型案例 as a document (docx): what an office hands out; what is not known yet reads 待补. Never a field or a formula."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from api.output_files import writing
from graph.intake.writing import writable as plain
from graph.kinds import Case
from graph.measures import PENDING, measures_in

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SONG, _HEI, _TITLE = "仿宋", "黑体", "方正小标宋简体"
_HEAD = ("指标", "实施前", "实施后", "单位", "数据来源")
_NONE = "—"
_WIDTHS = (4.6, 2.4, 2.4, 2.2, 4.0)  # cm


def write_case(path: Path, case: Case, *, draft: str = "") -> None:
    """The case as a document: title, what it is at a glance, five sections, the figures as a table.

    ``case`` is as its reader may see it: what is hidden from it is not there. ``draft``: the state of a case that is not
    published, which the document says. Raises ``Refused`` where the file cannot be written.
    """
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    with writing(path, ".docx"):
        document = Document()
        set_page(document, Pt(14))
        title = document.add_paragraph(plain(case.title), style="Title")
        title.alignment = WD_ALIGN_PARAGRAPH.CENTER
        if draft:
            mark = document.add_paragraph(plain(f"（{draft}，未发布，请勿外传）"))
            mark.alignment = WD_ALIGN_PARAGRAPH.CENTER
        _glance(document, case)
        for heading, text in (("一、背景与需求", case.summary), ("二、做法", case.approach)):
            _section(document, heading, text)
        _effects(document, case)
        for heading, text in (("四、可复制条件", case.replicable), ("五、佐证材料", case.evidence)):
            _section(document, heading, text)
        foot = document.add_paragraph(plain(f"案例编号：{case.id}"))
        foot.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        # A property of a document holds no more.
        document.core_properties.author, document.core_properties.title = "", plain(case.title)[:255]
        document.save(str(path))
        without_clock(path)


def set_page(document: Any, size: Any) -> None:
    """Paper, margins and faces as offices have them: text in 仿宋 of the size, titles in 小标宋, headings in 黑体."""
    from docx.shared import Cm, Pt

    for section in document.sections:
        section.page_width, section.page_height = Cm(21), Cm(29.7)
        section.left_margin = section.right_margin = Cm(2.7)
    normal = document.styles["Normal"]
    _font(normal, _SONG, size)
    normal.paragraph_format.line_spacing = 1.4
    for level, face in (("Title", _TITLE), ("Heading 1", _HEI)):
        _font(document.styles[level], face, Pt(20 if level == "Title" else 16))


def without_clock(path: Path) -> None:
    """Pack a document anew without the time of its writing: the same content gives the same bytes."""
    with ZipFile(path) as packed:
        parts = [(info.filename, packed.read(info)) for info in packed.infolist()]
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        for name, content in parts:
            packed.writestr(ZipInfo(name), content, ZIP_DEFLATED)


def _font(style: Any, face: str, size: Any) -> None:
    from docx.oxml.ns import qn
    from docx.shared import RGBColor

    style.font.name, style.font.size, style.font.bold = face, size, False
    style.font.color.rgb = RGBColor(0, 0, 0)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    # A theme's font would win over the one that is named.
    for name in [name for name in fonts.attrib if name.endswith("Theme")]:
        del fonts.attrib[name]
    # The template's title is underlined in blue.
    for line in style.element.findall(f".//{qn('w:pBdr')}"):
        line.getparent().remove(line)
    for script in ("w:eastAsia", "w:ascii", "w:hAnsi"):
        fonts.set(qn(script), face)


def _glance(document: Any, case: Case) -> None:
    investment = ""
    if case.investment:
        low, high = case.investment
        investment = f"{low:g} 万元" if low == high else f"{low:g}—{high:g} 万元"
    first = {True: "是", False: "否", None: ""}[case.first_use]
    # What a case need not say reads as nothing, not as something to come.
    rows = [
        ("建设单位", case.owner or PENDING), ("技术方", case.provider or PENDING),
        ("产业领域", "、".join(case.field) or _NONE), ("所在区", case.district or _NONE),
        ("实施周期", case.period or PENDING), ("投入", investment or PENDING),
        ("首用首试", first or _NONE), ("发布批次", case.batch or _NONE),
    ]  # fmt: skip
    table = document.add_table(rows=0, cols=4, style="Table Grid")
    for left, right in zip(rows[::2], rows[1::2], strict=True):
        fill_cells(table.add_row().cells, (*left, *right))


def _section(document: Any, heading: str, text: str) -> None:
    document.add_paragraph(heading, style="Heading 1")
    for line in (text or PENDING).split("\n"):
        if line.strip():
            add_indented(document, line.strip())


def _effects(document: Any, case: Case) -> None:
    document.add_paragraph("三、成效", style="Heading 1")
    figures = measures_in(case.measures)
    for line in (case.effect + ("" if figures else f"\n{case.measures}")).split("\n"):
        if line.strip():
            add_indented(document, line.strip())
    table = document.add_table(rows=1, cols=len(_HEAD), style="Table Grid")
    fill_cells(table.rows[0].cells, _HEAD)
    for one in figures:
        before, after = (PENDING if figure is None else f"{figure:f}" for figure in (one.before, one.after))
        fill_cells(table.add_row().cells, (one.name, before, after, one.unit, one.source or PENDING))
    if not figures:
        fill_cells(table.add_row().cells, (PENDING,) * len(_HEAD))
    widen(table, _WIDTHS)


def add_indented(document: Any, text: str) -> None:
    """A paragraph that begins two characters in."""
    from docx.shared import Pt

    document.add_paragraph(plain(text)).paragraph_format.first_line_indent = Pt(28)


def fill_cells(cells: Sequence[Any], texts: Sequence[str]) -> None:
    """Write a row of a table, a size smaller than the text."""
    from docx.shared import Pt

    for cell, text in zip(cells, texts, strict=True):
        cell.text = plain(text)
        for run in cell.paragraphs[0].runs:
            run.font.size = Pt(12)


def widen(table: Any, widths: Sequence[float]) -> None:
    """Give the columns of a table their widths (cm)."""
    from docx.shared import Cm

    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Cm(width)
    for row in table.rows:
        for cell, width in zip(row.cells, widths, strict=True):
            cell.width = Cm(width)
