"""Writes nodes, edges, judgements and outcomes back into sheets that the import reads as the same records."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from graph.feedback import FEEDBACK_LABELS, Feedback, FeedbackKind
from graph.identifiers.maturity import Maturity
from graph.intake.feedback_columns import feedback_cell
from graph.intake.tables import plain_number
from graph.intake.targets import RELATION, kind_label, targets
from graph.intake.writing import (
    CELL_LIMIT,
    HEADER_STYLE,
    TEXT_STYLE,
    guarded,
    new_workbook,
    sheet_names,
    write_row,
)
from graph.kinds import KINDS, Node
from graph.problems import Refused
from graph.relations import RELATIONS, Edge
from graph.values import VISIBILITY_LABELS, Visibility, is_blank, split_list
from graph.visibility import visible_attributes

Sheet = tuple[str, list[str], list[list[str]]]


def cell_text(node: Node, attribute: str) -> str:
    """An attribute as a cell that the import reads back as the same value; empty for none."""
    return _text(getattr(node, attribute), node.kind, attribute)


def write_nodes(
    nodes: Iterable[Node],
    path: Path,
    audience: Visibility,
    *,
    edges: Iterable[Edge] | None = None,
    feedback: Sequence[Feedback] = (),
) -> None:
    """Writes nodes as xlsx (a sheet per kind), csv or JSON lines, by the path's extension; with ``edges`` also those.

    With ``feedback`` a sheet of judgements and one of outcomes follow where there are any, for ``staff`` only.

    Only what ``audience`` may see is written: records not for it are left out, single fields are blank, and
    columns of which it may see nothing are absent. For ``staff``, importing the file gives the same records;
    what others get back is not meant to be imported (a hidden field would be cleared). All cells are strings;
    csv cells that begin like a formula get an apostrophe, which the import takes off. Raises ``Refused`` for
    another extension, for several kinds in a csv or JSON file, and for a text too long for a workbook cell.
    """
    groups: dict[str, list[tuple[Node, frozenset[str]]]] = {}
    for node in nodes:
        visible = visible_attributes(node, audience)
        if visible:
            groups.setdefault(node.kind, []).append((node, visible))
    sheets = [_node_sheet(kind, groups[kind]) for kind in KINDS if kind in groups]
    if edges is not None:
        sheets.append(_edge_sheet(edges))
    said = [_feedback_sheet(kind, feedback) for kind in FEEDBACK_LABELS] if audience == "staff" else []
    _write([*sheets, *(sheet for sheet in said if sheet[2])], path)


def write_edges(edges: Iterable[Edge], path: Path) -> None:
    """Writes edges as xlsx, csv or JSON lines with the headers of the relation template."""
    _write([_edge_sheet(edges)], path)


def write_feedback(feedback: Iterable[Feedback], path: Path, kind: FeedbackKind) -> None:
    """Writes the judgements or the outcomes among ``feedback`` as xlsx, csv or JSON lines; for staff only.

    Importing the file gives the same records, but for what the import takes for something else in any table: a
    person whose name reads as a blank (``none``, 无) becomes who imports, with a notice; a text that is just a
    spreadsheet's error value (``#N/A``), a long number with an exponent or a secrecy mark is an error.
    """
    _write([_feedback_sheet(kind, feedback)], path)


def _feedback_sheet(kind: str, feedback: Iterable[Feedback]) -> Sheet:
    about = targets(kind)
    rows = [[feedback_cell(record, name) for name in about] for record in feedback if record.key[0] == kind]
    return kind_label(kind), [t.label for t in about.values()], rows


def _edge_sheet(edges: Iterable[Edge]) -> Sheet:
    about = targets(RELATION)
    rows = []
    for edge in edges:
        values = edge.model_dump()
        values["relation"] = RELATIONS[edge.relation].label
        for end in ("source_kind", "target_kind"):
            values[end] = KINDS[values[end]].label
        rows.append([str(values[name]) for name in about])
    return kind_label(RELATION), [t.label for t in about.values()], rows


def _node_sheet(kind: str, found: Sequence[tuple[Node, frozenset[str]]]) -> Sheet:
    about = targets(kind)
    shown = [name for name in about if any(name in visible for _, visible in found)]
    rows = [[cell_text(node, name) if name in visible else "" for name in shown] for node, visible in found]
    return kind_label(kind), [about[name].label for name in shown], rows


def _text(value: Any, kind: str, attribute: str) -> str:
    if value is None or value == "" or value == ():
        return ""
    if attribute == "visibility":
        return VISIBILITY_LABELS[value]
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Maturity):
        return str(value)
    if isinstance(value, dict):
        labels = targets(kind)
        return "；".join(
            f"{labels[name].label}={VISIBILITY_LABELS[who]}" for name, who in sorted(value.items())
        )
    if targets(kind)[attribute].is_amount:
        low, high = value
        return plain_number(low) if low == high else f"{plain_number(low)}-{plain_number(high)}"
    if isinstance(value, tuple):
        text = "；".join(value)
        # A single entry with a space in it, or one that reads as "nothing", is kept whole by a separator.
        return text if not is_blank(text) and split_list(text) == value else f"{text}；"
    return str(value)


def _write(sheets: list[Sheet], path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        _write_workbook(sheets, path)
        return
    if suffix not in {".csv", ".jsonl", ".ndjson"}:
        remedy = "请用 .xlsx、.csv 或 .jsonl 作扩展名。"
        raise Refused("export_format", f"不能导出成“{path.suffix or path.name}”。", remedy)
    if len(sheets) > 1:
        names = "、".join(name for name, _, _ in sheets)
        raise Refused(
            "export_kinds",
            f"一个 {suffix} 文件只能放一类记录（现有 {names}）。",
            "请改用 .xlsx，或分类导出。",
        )
    _, headers, rows = sheets[0] if sheets else ("", [], [])
    if suffix == ".csv":
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerows(
            [guarded(cell, csv=True) for cell in row] for row in ([headers] if headers else []) + rows
        )
        # With the mark, Excel opens it as UTF-8.
        path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    else:
        lines = (json.dumps(dict(zip(headers, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8", newline="")


def _write_workbook(sheets: list[Sheet], path: Path) -> None:
    for name, headers, rows in sheets:
        for row in rows:
            for header, cell in zip(headers, row, strict=True):
                if len(cell) >= CELL_LIMIT:
                    message = f"{name}“{row[0]}”的“{header}”有 {len(cell)} 字，超过工作簿单元格上限。"
                    raise Refused("export_cell_too_long", message, "请改导出 .csv 或 .jsonl。")
    workbook = new_workbook(path)
    header_style, text_style = workbook.add_format(dict(HEADER_STYLE)), workbook.add_format(dict(TEXT_STYLE))
    for name, (_, headers, rows) in zip(
        sheet_names([s[0] for s in sheets] or ["空"]), sheets or [("", [], [])], strict=True
    ):
        sheet = workbook.add_worksheet(name)
        write_row(sheet, 0, headers, header_style)
        sheet.freeze_panes(1, 2)
        for line, row in enumerate(rows, start=1):
            write_row(sheet, line, row, text_style)
    workbook.close()
