"""The papers of a review: mark sheets to fill in, 评审汇总表 (xlsx) and 定标公示 (docx). Cells are never formulas."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.output_files import writing
from graph.intake.headers import GUIDE_SHEET
from graph.intake.writing import HEADER_STYLE, TEXT_STYLE, new_workbook, sheet_names, write_row
from graph.intake.writing import writable as plain
from matcher.awards import Award, counted_by
from matcher.grading import Grading, rounded
from matcher.review_processes import Review

_WIDE, _NUMBER = 44, 28


def write_mark_sheets(path: Path, review: Review) -> None:
    """A sheet for every expert with the entries to be marked; comes back by ``review_sheets.read_marks``.

    Raises ``Refused`` where the file cannot be written.
    """
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        head, text = workbook.add_format(dict(HEADER_STYLE)), workbook.add_format(dict(TEXT_STYLE))
        criteria = [f"{name}（满分{full}）" for name, full in review.weights.items()]
        columns = ["投标编号", "投标单位", *criteria, "合计", "意见"]
        read = {
            who: [entry for entry, some in review.readers.items() if who in some] for who in review.experts
        }
        busy = [who for who, some in read.items() if some]
        for who, name in zip(
            busy, sheet_names([f"{review.experts[who]}（{who}）" for who in busy]), strict=True
        ):
            sheet = workbook.add_worksheet(name)
            sheet.write_string(0, 0, plain(f"评分表：{review.task or review.id}"))
            sheet.write_string(1, 0, plain(f"专家：{review.experts[who]}（{who}）"))
            write_row(sheet, 3, columns, head)
            for row, entry in enumerate(read[who], start=4):
                write_row(sheet, row, [entry, review.entries[entry], *[""] * (len(columns) - 2)], text)
            sheet.set_column(0, 0, _NUMBER)
            sheet.set_column(1, 1, 36)
            for column, name in enumerate(columns[2:-1], start=2):
                sheet.set_column(column, column, max(10, 2 * len(name)))
            sheet.set_column(len(columns) - 1, len(columns) - 1, _WIDE)
            sheet.freeze_panes(4, 2)
            _print(sheet)
        guide = workbook.add_worksheet(GUIDE_SHEET)
        for row, line in enumerate(_GUIDE):
            guide.write_string(row, 0, line)
        workbook.close()


_GUIDE = (
    "每位专家一张表，按评分项填分数，不超过满分，可以有小数。合计可以不填；填了就会与各项核对。",
    "应回避的标书不要评分，请告诉经办人，由候补专家接替。",
    "填好后原样交回：jiebang review import 榜单编号 文件。投标编号和表头不要改。",
)


def write_summary(path: Path, review: Review, grading: Grading) -> None:
    """评审汇总表: the ranking, every expert's totals, the means by criterion, the marks, who was barred, the rule.

    Raises ``Refused`` where the file cannot be written.
    """
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        styles = {
            "head": workbook.add_format(dict(HEADER_STYLE)),
            "text": workbook.add_format(dict(TEXT_STYLE)),
        }
        _sheet(workbook, styles, "评审汇总表", *_ranking(review, grading))
        _sheet(workbook, styles, "专家总分", *_totals(review, grading))
        _sheet(workbook, styles, "逐项评分", *_marks(review))
        rows = [
            [review.experts.get(who, who), entry, review.entries.get(entry, ""), why]
            for who, entry, why in review.barred
        ]
        _sheet(workbook, styles, "回避", ["专家", "投标编号", "投标单位", "原因"], rows)
        lines = [["评分规则", grading.rules.text], ["评分项", _weights(review.weights)]]
        lines += [
            [f"专家 {review.experts.get(who, who)}", f"平均 {rounded(mean)}，标准差 {rounded(spread)}"]
            for who, (mean, spread) in grading.experts.items()
        ]
        _sheet(workbook, styles, "规则", ["项目", "内容"], lines)
        workbook.close()


def _weights(weights: Mapping[str, str]) -> str:
    return "、".join(f"{name} {full} 分" for name, full in weights.items())


def _ranking(review: Review, grading: Grading) -> tuple[list[str], list[list[str]]]:
    names = [criterion.name for criterion in grading.rubric.criteria]
    head = [
        "名次",
        "投标编号",
        "投标单位",
        "得分",
        *(f"{name}（平均）" for name in names),
        "未舍入得分",
        "说明",
    ]
    rows = []
    for one in grading.standings:
        far = [review.experts.get(t.expert, t.expert) for t in one.totals if t.is_outlier]
        notes = [one.tie, f"{'、'.join(far)}的总分与中位数相差较大，请复核" if far else ""]
        means = [str(rounded(one.criteria[name])) for name in names]
        rows.append(
            [str(one.rank), one.entry, review.entries.get(one.entry, ""), str(one.score), *means, str(one.exact),
             "；".join(filter(None, notes))]
        )  # fmt: skip
    return head, rows


def _totals(review: Review, grading: Grading) -> tuple[list[str], list[list[str]]]:
    head = ["投标编号", "专家", "原总分", "调整后", "是否计入", "稳健偏离", "离群"]
    rows = [
        [one.entry, review.experts.get(t.expert, t.expert), str(rounded(t.given)), str(rounded(t.adjusted)),
         "计入" if t.counts else "去掉", str(t.distance), "是" if t.is_outlier else ""]
        for one in grading.standings
        for t in one.totals
    ]  # fmt: skip
    return head, rows


def _marks(review: Review) -> tuple[list[str], list[list[str]]]:
    rows = [
        [one.entry, review.experts.get(one.expert, one.expert), *(one.marks.get(name, "") for name in review.weights),
         one.remark]
        for one in review.marks
    ]  # fmt: skip
    return ["投标编号", "专家", *review.weights, "意见"], rows


def _sheet(
    workbook: Any, styles: Mapping[str, Any], name: str, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    sheet = workbook.add_worksheet(name)
    write_row(sheet, 0, head, styles["head"])
    for number, row in enumerate(rows, start=1):
        write_row(sheet, number, row, styles["text"])
    for column, text in enumerate(head):
        wide = text in ("投标单位", "说明", "意见", "原因", "内容")
        number = text in ("投标编号", "未舍入得分")
        sheet.set_column(column, column, _WIDE if wide else _NUMBER if number else max(10, 2 * len(text) + 2))
    sheet.freeze_panes(1, 0)
    _print(sheet)


def _print(sheet: Any) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)


def write_notice(path: Path, award: Award, *, office: str = "", contact: str = "") -> None:
    """定标公示 as a document: who is to be chosen with the score, from when to when, how to object.

    Of the others nothing is said. Raises ``Refused`` where the file cannot be written.
    """
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn

    with writing(path, ".docx"):
        document = Document()
        normal = document.styles["Normal"]
        normal.font.name = "仿宋"
        normal.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "仿宋")
        title = document.add_heading(level=1)
        title.add_run(plain(f"关于“{award.task or award.id}”揭榜结果的公示"))
        title.alignment = WD_ALIGN_PARAGRAPH.CENTER
        for line in _notice_lines(award):
            document.add_paragraph(plain(line))
        table = document.add_table(rows=1, cols=4, style="Table Grid")
        for cell, text in zip(table.rows[0].cells, ("名次", "投标编号", "拟中选单位", "得分"), strict=True):
            cell.text = text
        for one in award.ranking[: len(award.winners)]:
            for cell, text in zip(
                table.add_row().cells, (str(one.rank), one.entry, one.name, one.score), strict=True
            ):
                cell.text = plain(text)
        for line in (
            "",
            f"联系方式：{contact or '（请填写）'}",
            office or "（公示单位）",
            f"{award.notice_from or ''}",
        ):
            document.add_paragraph(plain(line))
        document.core_properties.author = plain(office)[:255]  # a property holds no more
        document.save(str(path))


def _notice_lines(award: Award) -> list[str]:
    lines = [f"经评审，现将榜单 {award.id} 的拟中选结果予以公示。评分规则：{award.rule}。"]
    if award.notice_from and award.notice_to:
        days = f"共 {award.notice_days} 个工作日（{counted_by()}）"
        lines.append(f"公示期：{award.notice_from} 至 {award.notice_to}，{days}。")
    return [*lines, "对结果有异议的，请在公示期内以书面形式实名提出，写明事实和理由。"]
