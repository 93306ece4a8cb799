"""The papers of a review: mark sheets to fill in, 评审汇总表 (xlsx) and 定标公示 (docx). Cells are never formulas."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.case_document import add_indented, fill_cells, set_page, widen
from api.output_files import writing
from api.review_sheets import DECLARED_COLUMNS
from graph.intake.headers import GUIDE_SHEET
from graph.intake.writing import HEADER_STYLE, TEXT_STYLE, new_workbook, sheet_names, write_row
from graph.intake.writing import writable as plain
from graph.kinds import Expert
from matcher.awards import Award, counted_by
from matcher.grading import Grading, rounded
from matcher.review_processes import Review

_WIDE, _NUMBER = 40, 16
_LONG = ("说明", "意见", "原因", "内容")
_TITLE_STYLE = {"bold": True, "font_size": 16, "align": "center", "valign": "vcenter"}
_GUIDE = (
    "按评分项填分数，不超过满分，可以有小数。合计可以不填；填了就会与各项核对。",
    "应回避的标书不要评分，请告诉经办人，由候补专家接替。",
    "填好后交回经办人（收表：jiebang review import 榜单编号 文件）。投标编号和表头不要改。",
)
_DECLARED = ("avoids", "advises", "representative", "verified_by")
_DECLARING = (
    "没有要申报的空着，不用删行；几个单位用顿号隔开。",
    "申报回避：不宜评的单位或投标编号。顾问单位：任顾问、兼职或取酬的单位。",
    "单位核实人：单位不在库中的专家，由经办人核对其单位与投标、发榜单位无关后，写核实人姓名；不写的不参加抽取。",
)
_SIGNED = "专家签字：                    日期：        年    月    日"


def write_declaration_form(path: Path, experts: Sequence[Expert]) -> None:
    """A line an expert, for what each declares; comes back by ``review_sheets.read_declared``.

    Raises ``Refused`` where the file cannot be written.
    """
    columns = ["专家编号", "专家姓名", "所在单位", *(DECLARED_COLUMNS[one][0] for one in _DECLARED)]
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        styles = _styles(workbook)
        sheet = workbook.add_worksheet("专家申报")
        write_row(sheet, 0, columns, styles["head"])
        for row, one in enumerate(experts, start=1):
            write_row(
                sheet, row, [one.id, one.title, one.organisation, *[""] * len(_DECLARED)], styles["boxed"]
            )
        for column, width in enumerate((12, 12, 30, 30, 30, 18, 14)):
            sheet.set_column(column, column, width)
        sheet.freeze_panes(1, 2)
        _print(sheet, 0)
        guide = workbook.add_worksheet(GUIDE_SHEET)
        guide.set_column(0, 0, 100)
        for row, line in enumerate(_DECLARING):
            guide.write_string(row, 0, line)
        workbook.close()


def write_mark_sheets(path: Path, review: Review, *, expert: str | None = None) -> None:
    """A sheet for every expert (or for one alone) with the entries to be marked; comes back by ``review_sheets.read_marks``.

    Raises ``Refused`` where the file cannot be written.
    """
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        styles = _styles(workbook)
        columns = [
            "投标编号",
            "投标单位",
            *(f"{name}（满分{full}）" for name, full in review.weights.items()),
            "合计",
            "意见",
        ]
        loads = {who: read for who, read in review.loads.items() if read and expert in (None, who)}
        names = sheet_names([f"{review.experts[who]}（{who}）" for who in loads])
        for (who, read), name in zip(loads.items(), names, strict=True):
            sheet = workbook.add_worksheet(name)
            sheet.merge_range(0, 0, 0, len(columns) - 1, plain(f"评分表：{_about(review)}"), styles["title"])
            sheet.write_string(1, 0, plain(f"专家：{review.experts[who]}（{who}）"))
            write_row(sheet, 3, columns, styles["head"])
            for row, entry in enumerate(read, start=4):
                write_row(
                    sheet, row, [entry, review.entries[entry], *[""] * (len(columns) - 2)], styles["boxed"]
                )
                sheet.set_row(row, 54)
            sheet.write_string(5 + len(read), 1, _SIGNED)
            sheet.set_row(0, 30)
            sheet.set_row(3, 48)
            sheet.set_column(0, 0, _NUMBER)
            sheet.set_column(1, 1, 26)
            sheet.set_column(2, len(columns) - 2, 11)
            sheet.set_column(len(columns) - 1, len(columns) - 1, 32)
            sheet.freeze_panes(4, 2)
            _print(sheet, 3)
        guide = workbook.add_worksheet(GUIDE_SHEET)
        guide.set_column(0, 0, 90)
        for row, line in enumerate(_GUIDE):
            guide.write_string(row, 0, line)
        workbook.close()


def _about(review: Review) -> str:
    return f"{review.task}（{review.id}）" if review.task else review.id


def _styles(workbook: Any) -> dict[str, Any]:
    return {
        "title": workbook.add_format(_TITLE_STYLE),
        "head": workbook.add_format(dict(HEADER_STYLE)),
        "text": workbook.add_format(dict(TEXT_STYLE)),
        "boxed": workbook.add_format({**TEXT_STYLE, "border": 1, "valign": "vcenter"}),
    }


def write_summary(path: Path, review: Review, grading: Grading) -> None:
    """评审汇总表: the ranking, every expert's totals, the means by criterion, the marks, who was barred, the rule.

    Raises ``Refused`` where the file cannot be written.
    """
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        styles, about = _styles(workbook), _about(review)
        rows = _ranking(review, grading)
        sheet = _sheet(workbook, styles, "评审汇总表", *rows, title=f"评审汇总表：{about}")
        below = 3 + len(rows[1])
        sheet.write_string(below, 0, plain(f"评分规则：{grading.rules.text}。"))
        sheet.write_string(below + 2, 0, plain(f"评审专家（{'、'.join(review.experts.values())}）签字："))
        sheet.write_string(below + 4, 0, "经办人：                    日期：        年    月    日")
        _sheet(workbook, styles, "专家总分", *_totals(review, grading))
        _sheet(workbook, styles, "逐项评分", *_marks(review))
        barred = [
            [review.experts.get(who, who), entry, review.entries.get(entry, ""), why]
            for who, entry, why in review.barred
        ]
        _sheet(
            workbook, styles, "回避", ["专家", "投标编号", "投标单位", "原因"], barred or [["无", "", "", ""]]
        )
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
    # What was not rounded tells something only where it decides.
    exact = grading.rules.order == "unrounded"
    head = ["名次", "投标编号", "投标单位", "得分", *(f"{name}（平均）" for name in names), "说明"]
    rows = []
    for one in grading.standings:
        far = [review.experts.get(t.expert, t.expert) for t in one.totals if t.is_outlier]
        notes = [
            one.tie, f"未舍入 {one.exact}" if exact else "",
            f"{'、'.join(far)}的总分与中位数相差较大，请复核" if far else "",
        ]  # fmt: skip
        means = [str(rounded(one.criteria[name])) for name in names]
        rows.append(
            [str(one.rank), one.entry, review.entries.get(one.entry, ""), str(one.score), *means, "；".join(filter(None, notes))]
        )  # fmt: skip
    return head, rows


def _totals(review: Review, grading: Grading) -> tuple[list[str], list[list[str]]]:
    head = ["投标编号", "投标单位", "专家", "原总分", "调整后", "是否计入", "稳健偏离", "离群"]
    rows = [
        [one.entry, review.entries.get(one.entry, ""), review.experts.get(t.expert, t.expert), str(rounded(t.given)), str(rounded(t.adjusted)),
         "计入" if t.counts else "去掉", str(t.distance), "是" if t.is_outlier else ""]
        for one in grading.standings
        for t in one.totals
    ]  # fmt: skip
    return head, rows


def _marks(review: Review) -> tuple[list[str], list[list[str]]]:
    rows = [
        [one.entry, review.entries.get(one.entry, ""), review.experts.get(one.expert, one.expert), *(one.marks.get(name, "") for name in review.weights),
         one.remark]
        for one in review.marks
    ]  # fmt: skip
    return ["投标编号", "投标单位", "专家", *review.weights, "意见"], rows


def _sheet(
    workbook: Any,
    styles: Mapping[str, Any],
    name: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
) -> Any:
    sheet, top = workbook.add_worksheet(name), 1 if title else 0
    if title:
        sheet.merge_range(0, 0, 0, len(head) - 1, plain(title), styles["title"])
        sheet.set_row(0, 30)
    write_row(sheet, top, head, styles["head"])
    widths = [
        _WIDE
        if text in _LONG
        else _NUMBER
        if text in ("投标编号", "项目")
        else 28
        if text == "投标单位"
        else 11
        for text in head
    ]
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    sheet.set_row(top, _height(head, widths))
    for number, row in enumerate(rows, start=top + 1):
        write_row(sheet, number, row, styles["boxed"])
        sheet.set_row(number, _height(row, widths))
    sheet.freeze_panes(top + 1, 0)
    _print(sheet, top)
    return sheet


def _height(texts: Sequence[str], widths: Sequence[int]) -> int:
    """Points for a row whose texts wrap: not every program works it out when it opens a workbook."""
    lines = max(-(-2 * len(text) // width) for text, width in zip(texts, widths, strict=True))
    return min(16 * max(lines, 1) + 2, 400)


def _print(sheet: Any, head: int) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(head)


def write_notice(path: Path, award: Award, *, office: str = "", contact: str = "") -> None:
    """定标公示 as a document: who is to be chosen with the score, from when to when, how to object.

    Of the others nothing is said. Raises ``Refused`` where the file cannot be written.
    """
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    with writing(path, ".docx"):
        document = Document()
        set_page(document, Pt(16))
        title = document.add_paragraph(plain(f"关于“{award.task or award.id}”揭榜结果的公示"), style="Title")
        title.alignment = WD_ALIGN_PARAGRAPH.CENTER
        for line in _notice_lines(award):
            add_indented(document, line)
        table = document.add_table(rows=1, cols=3, style="Table Grid")
        fill_cells(table.rows[0].cells, ("名次", "拟中选单位", "得分"))
        for one in award.ranking[: len(award.winners)]:
            fill_cells(table.add_row().cells, (str(one.rank), one.name, one.score))
        widen(table, (2.2, 10.4, 3.0))
        document.add_paragraph("")
        add_indented(document, f"联系方式：{contact or '（请填写）'}")
        day = award.notice_from
        for line in (office or "（公示单位）", f"{day.year}年{day.month}月{day.day}日" if day else ""):
            document.add_paragraph(plain(line)).alignment = WD_ALIGN_PARAGRAPH.RIGHT
        document.core_properties.author = plain(office)[:255]  # a property holds no more
        document.save(str(path))


def _notice_lines(award: Award) -> list[str]:
    lines = [f"经评审，现将榜单 {award.id} 的拟中选结果予以公示。评分规则：{award.rule}。"]
    if award.notice_from and award.notice_to:
        days = f"共 {award.notice_days} 个工作日（{counted_by()}）"
        lines.append(f"公示期：{award.notice_from} 至 {award.notice_to}，{days}。")
    return [*lines, "对结果有异议的，请在公示期内以书面形式实名提出，写明事实和理由。"]
