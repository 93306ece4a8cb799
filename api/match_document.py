"""A shortlist as a document (docx): what a director reads before a meeting. Never a field or a formula."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from api.case_document import add_indented, fill_cells, set_page, widen, without_clock
from api.match_workbook import owner_of, warnings_of
from api.output_files import writing
from graph.intake.writing import writable as plain
from graph.kinds import Node
from matcher.comparison import compare
from matcher.explanation import Explanation
from matcher.ranking import Match

_HEAD = ("名次", "等级", "得分", "名称", "单位")
_WIDTHS = (1.4, 2.4, 1.6, 6.2, 4.0)  # cm
_VERDICTS = {"met": "满足", "short": "未达到"}


def write_shortlist(
    path: Path, node: Node, matches: Sequence[Match], explanations: Sequence[Explanation]
) -> None:
    """The pairs of ``node``, best first: a table at a glance, then each with its reason, indicators and cautions.

    The same pairs give the same bytes. Raises ``Refused`` where the file cannot be written.
    """
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    with writing(path, ".docx"):
        document = Document()
        set_page(document, Pt(14))
        title = document.add_paragraph(plain(f"{node.title}候选名单"), style="Title")
        title.alignment = WD_ALIGN_PARAGRAPH.CENTER
        facts = "；".join(
            part for part in (node.id, "、".join(node.field), node.district or "", owner_of(node)) if part
        )
        add_indented(document, f"{node.label}：{facts}。")
        if asked := getattr(node, "indicators", ""):
            add_indented(document, f"指标：{asked}")
        table = document.add_table(rows=1, cols=len(_HEAD), style="Table Grid")
        fill_cells(table.rows[0].cells, _HEAD)
        for match, why in zip(matches, explanations, strict=True):
            found = why.found
            fill_cells(table.add_row().cells, (str(match.rank), why.level, f"{match.score:.1f}", f"{found.title}（{found.id}）", owner_of(found)))  # fmt: skip
        widen(table, _WIDTHS)
        for number, (why, below) in enumerate(zip(explanations, [*explanations[1:], None], strict=True), 1):
            _reasons(document, number, why, below)
        document.core_properties.author, document.core_properties.title = "", plain(node.title)[:255]
        document.save(str(path))
        without_clock(path)


def _reasons(document: Any, number: int, why: Explanation, below: Explanation | None) -> None:
    document.add_paragraph(plain(f"{number}．{why.found.title}"), style="Heading 1")
    add_indented(document, why.reason)
    if why.answers:
        table = document.add_table(rows=1, cols=3, style="Table Grid")
        fill_cells(table.rows[0].cells, ("需求的指标", "对方的数据", "结论"))
        for one in why.answers:
            verdict = _VERDICTS.get(one.verdict, "请人工核对" if one.offer else "未说明")
            fill_cells(table.add_row().cells, (one.demand.text, one.offer.text if one.offer else "", verdict))
        widen(table, (6.4, 6.4, 2.8))
    for line in warnings_of(why):
        add_indented(document, f"注意：{line}")
    if below is not None:
        add_indented(document, f"与下一名相比：{compare(why, below)}")
