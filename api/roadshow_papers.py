"""The papers of a roadshow to hand out: 路演议程, 项目手册, 洽谈日程 (docx); 路演议程, 评委打分表, 洽谈日程 (xlsx).

Cells are never formulas. Each raises ``Refused`` where the file cannot be written.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.output_files import writing
from api.roadshow_agenda import (
    Appointment,
    Profile,
    agenda,
    appointments,
    clock,
    day_and_time,
    session_lines,
    wide,
)
from graph.intake.headers import GUIDE_SHEET
from graph.intake.writing import HEADER_STYLE, TEXT_STYLE, new_workbook, sheet_names, write_row
from graph.intake.writing import writable as plain
from matcher.grading import Rubric
from matcher.meetings import SIDES, WANTS, Meeting, MeetingDay, Side, unmet
from matcher.timetable import Places, Programme
from matcher.timetable_conflicts import judging

_AGENDA = {"时间": 22, "项目": 44, "路演人": 18, "单位": 32, "备注": 22}
_LINES = 20
_APPOINTMENTS = {"轮次": 8, "时间": 16, "桌号": 8, "洽谈对象": 44}


def write_agenda_workbook(path: Path, programme: Programme, places: Places) -> None:
    """路演议程 as a workbook: a sheet a session."""
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        styles = _styles(workbook)
        parts = agenda(programme, places)
        for name, (session, lines) in zip(
            sheet_names([session.title for session, _ in parts]), parts, strict=True
        ):
            rows = [[clock(one.span), one.what, one.who, one.institution, one.judges] for one in lines]
            _sheet(workbook, styles, name, programme.title, [session.title, *session_lines(programme, session)], _AGENDA, rows)  # fmt: skip
        workbook.close()


def write_mark_sheets(path: Path, programme: Programme, places: Places, rubric: Rubric) -> None:
    """评委打分表: a sheet for every judge with the pitches to be marked, in running order; recused ones are left out."""
    columns = {"编号": 14, "项目": 40, "单位": 28}
    columns |= {f"{one.name}（满分{one.weight}）": 12 for one in rubric.criteria}
    columns |= {"合计": 10, "离题（写明理由）": 20, "意见": 36}
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        styles = _styles(workbook)
        pitches = {one.id: one for one in programme.pitches}
        sat = [
            one for one in programme.judges if any(one.id in session.judges for session in programme.sessions)
        ]
        called = [one.name if one.name == one.id else f"{one.name}（{one.id}）" for one in sat]
        names = sheet_names(called)
        for name, judge, who in zip(names, sat, called, strict=True):
            rows = [
                [line.pitch, line.what, line.institution, *[""] * (len(columns) - 3)]
                for session, lines in agenda(programme, places)
                for line in lines
                if line.pitch and judge in judging(programme, pitches[line.pitch], session.id)
            ]
            told = [f"评委：{who}", "签名：                        日期："]
            _sheet(workbook, styles, name, f"打分表：{programme.title}", told, columns, rows)
        guide = workbook.add_worksheet(GUIDE_SHEET)
        for row, line in enumerate(_GUIDE):
            guide.write_string(row, 0, line)
        guide.set_column(0, 0, 90)
        workbook.close()


_GUIDE = (
    "每位评委一张表，按评分项填分数，不超过满分，可以有小数。合计可以不填。",
    "得分去掉一个最高分和一个最低分后平均，保留两位小数；同分的比权重最高的评分项，再同的抽签。",
    "首轮认为项目离题的，在“离题”一栏写明理由；超过半数评委认为离题的项目不计分。",
    "应回避的项目没有列在您的表里；还有要回避的，请告诉经办人，不要打分。",
)


def write_schedule_workbook(
    path: Path, day: MeetingDay, meetings: Sequence[Meeting], side: Side = "guest"
) -> None:
    """洽谈日程 as a workbook: the whole, a sheet for everybody on one side who meets somebody, and what was not arranged."""
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        styles = _styles(workbook)
        rows = [
            [str(one.round), clock(day.rounds[one.round - 1]), str(one.table), day.names["guest", one.guest], day.names["team", one.team]]
            for one in sorted(meetings)
        ]  # fmt: skip
        columns = {"轮次": 8, "时间": 16, "桌号": 8, "嘉宾": 32, "团队": 44}
        _sheet(workbook, styles, "全部洽谈", day.title, [], columns, rows)
        lost = [
            [day.names["guest", one.guest], day.names["team", one.team], WANTS[one.want], one.message]
            for one in unmet(day, meetings)
        ]
        _sheet(
            workbook, styles, "未排上", day.title, [], {"嘉宾": 32, "团队": 44, "意愿": 8, "原因": 44}, lost
        )
        own = [(id, some) for id, some in appointments(day, meetings, side).items() if some]
        titles = sheet_names(["全部洽谈", "未排上", *(day.names[side, id] for id, _ in own)])[2:]
        for title, (id, some) in zip(titles, own, strict=True):
            _sheet(workbook, styles, title, f"{day.title} 洽谈日程", [f"{SIDES[side]}：{day.names[side, id]}"], _APPOINTMENTS, _rows(some))  # fmt: skip
        workbook.close()


def _rows(some: Sequence[Appointment]) -> list[list[str]]:
    return [[str(one.round), clock(one.span), str(one.table), one.other] for one in some]


def _styles(workbook: Any) -> dict[str, Any]:
    return {
        "title": workbook.add_format({"bold": True, "font_size": 14}),
        "head": workbook.add_format(dict(HEADER_STYLE)),
        "text": workbook.add_format({**TEXT_STYLE, "border": 1}),
    }


def _sheet(
    workbook: Any, styles: Mapping[str, Any], name: str, title: str, told: Sequence[str],
    columns: Mapping[str, int], rows: Sequence[Sequence[str]],
) -> None:  # fmt: skip
    """A sheet with a title, lines below it and a table; ready to be printed on A4."""
    sheet = workbook.add_worksheet(name)
    sheet.write_string(0, 0, plain(title), styles["title"])
    for row, line in enumerate(told, 1):
        sheet.write_string(row, 0, plain(line))
    top = len(told) + 2
    for row, cells in enumerate([list(columns), *rows], top):
        write_row(sheet, row, cells, styles["text" if row > top else "head"])
        lines = max(
            -(-wide(text) // max(width - 2, 1)) for text, width in zip(cells, columns.values(), strict=True)
        )
        sheet.set_row(
            row, 6 + 15 * min(max(lines, 1), _LINES)
        )  # a program that opens it may not fit it to the text
    for column, width in enumerate(columns.values()):
        sheet.set_column(column, column, width)
    sheet.freeze_panes(top + 1, 0)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(top)


def write_agenda_document(path: Path, programme: Programme, places: Places, *, draft: bool = False) -> None:
    """路演议程 as a document: a table a session. A draft says so."""
    with writing(path, ".docx"):
        document = _document(f"{programme.title}议程" + ("（草稿）" if draft else ""))
        for session, lines in agenda(programme, places):
            document.add_heading(level=2).add_run(plain(session.title))
            for text in session_lines(programme, session):
                document.add_paragraph(plain(text))
            rows = [[clock(one.span), one.what, one.who, one.institution, one.judges] for one in lines]
            _table(document, _AGENDA, rows)
        document.save(str(path))


def write_handbook(path: Path, title: str, pages: Sequence[Profile]) -> None:
    """项目手册: one page per pitch with facts, what it fits, why, and the cooperation that is wanted."""
    with writing(path, ".docx"):
        document = _document(f"{title}项目手册")
        for number, page in enumerate(pages, 1):
            heading = document.add_heading(level=2)
            heading.add_run(plain(f"{number}. {page.title}"))
            heading.paragraph_format.page_break_before = number > 1
            _table(
                document,
                {"项目编号": 20, "": 80},
                [["项目编号", page.id], *map(list, page.facts)],
                head=False,
            )
            if page.fits:
                document.add_heading(level=3).add_run("适配的场景")
                _table(document, {"场景": 60, "适配程度": 40}, [list(fit) for fit in page.fits])
            if page.reason:
                document.add_heading(level=3).add_run("推荐理由")
                document.add_paragraph(plain(page.reason))
        document.save(str(path))


def write_schedule_document(
    path: Path, day: MeetingDay, meetings: Sequence[Meeting], side: Side = "guest"
) -> None:
    """洽谈日程 as a document: a page for everybody on one side who meets somebody."""
    with writing(path, ".docx"):
        document = _document(f"{day.title.removesuffix('洽谈')}洽谈日程")
        first = True
        for id, some in appointments(day, meetings, side).items():
            if not some:
                continue
            heading = document.add_heading(level=2)
            heading.add_run(plain(day.names[side, id]))
            heading.paragraph_format.page_break_before = not first
            first = False
            document.add_paragraph(f"日期：{day_and_time(some[0].span).split(' ')[0]}，共 {len(some)} 场")
            _table(document, _APPOINTMENTS, _rows(some))
        document.save(str(path))


def _document(title: str) -> Any:
    """An empty A4 document in the fonts of an office, with its title."""
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.shared import Cm, Pt, RGBColor

    document = Document()
    for name, font in (
        ("Normal", "仿宋"),
        ("Heading 1", "黑体"),
        ("Heading 2", "黑体"),
        ("Heading 3", "黑体"),
    ):
        style = document.styles[name]
        style.font.name = font
        style.font.color.rgb = RGBColor(0, 0, 0)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for attribute in [key for key in fonts.attrib if key.endswith("Theme")]:
            del fonts.attrib[attribute]  # a theme's font would go before the one that is named
        for which in ("w:eastAsia", "w:ascii", "w:hAnsi"):
            fonts.set(qn(which), font)
    document.styles["Normal"].font.size = Pt(12)
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.2)
    section.top_margin = section.bottom_margin = Cm(2.2)
    heading = document.add_heading(level=1)
    heading.add_run(plain(title))
    heading.alignment = WD_ALIGN_PARAGRAPH.CENTER
    document.core_properties.author = ""
    document.core_properties.title = plain(title)
    return document


def _table(
    document: Any, columns: Mapping[str, int], rows: Sequence[Sequence[str]], *, head: bool = True
) -> None:
    """A table over the width of the page; its head is repeated on every page, no row is torn in two."""
    from docx.oxml import OxmlElement
    from docx.shared import Cm

    table = document.add_table(rows=0, cols=len(columns), style="Table Grid")
    table.autofit = False
    whole = sum(columns.values())
    for column, width in zip(table.columns, columns.values(), strict=True):
        column.width = Cm(16.6 * width / whole)
    for cells in [list(columns), *rows] if head else rows:
        row = table.add_row()
        row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
        for cell, text, width in zip(row.cells, cells, columns.values(), strict=True):
            cell.width = Cm(16.6 * width / whole)
            cell.text = plain(text)
    if head:
        top = table.rows[0]
        top._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
        for cell in top.cells:
            for run in cell.paragraphs[0].runs:
                run.bold = True
