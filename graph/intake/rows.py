"""One raw row becomes one checked record, or the problems that stand in its way."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from graph.feedback import FEEDBACK, Feedback
from graph.intake.feedback_columns import PAIR
from graph.intake.headers import REPORT_HEADERS, header_text
from graph.intake.mapping import HeaderMapping, MappedColumn
from graph.intake.secrecy import has_secret_star, is_bare_mark, is_marked_secret, is_secret_level, secret_row
from graph.intake.tables import ABSENT, LONE_SURROGATE, BadCell, Cell, Row, Table, is_blank_cell, shown
from graph.intake.targets import ID_PREFIXES, OWNER_ATTRIBUTES, RELATION, Target, targets
from graph.kinds import KINDS, Node
from graph.problems import BadValue, Problem
from graph.relations import Edge
from graph.values import clean_cell

EXAMPLE_MARK = "（示例）"
_EXAMPLE = re.compile(r"[(\[【]?示例[)\]】:]")
_TALLY = re.compile(r"共?\s*\d+\s*[项个条家件]")
_SUM = re.compile(r"(?:合计|总计|小计|共计):?(?:[\d.,]*[项个条家]?)?(?:\(.*\))?")
_SIGNED = re.compile(
    r"(?:填表|填报|制表|审核|复核|经办|编制)(?:人|单位|日期|时间|说明)(?:签字|签名)?(?::.*)?"
    r"|(?:单位)?负责人(?:签字|签名|签章)(?::.*)?|(?:联系人|联系电话|备注|注|说明)\d{0,2}:.*"
)
_SECTION = re.compile(r"(?:[一二三四五六七八九十]{1,3}、|\([一二三四五六七八九十]{1,3}\)).{1,40}")
_HAS_UNIT = re.compile(r"[元万亿]")

SKIP_REASONS: Mapping[str, str] = {
    "example": "示例行",
    "footer": "合计或落款行",
    "header": "重复的表头行",
    "section": "分类小标题行",
}


Record = Node | Edge | Feedback
_MODELS: Mapping[str, Any] = {**KINDS, RELATION: Edge, **FEEDBACK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a row came to: a record, or errors (then ``record`` is ``None``); warnings may come with both.

    ``unstated`` are the attributes that a row read with defaults says nothing of: no column, no cell, or a
    default.
    """

    record: Record | None
    problems: tuple[Problem, ...] = ()
    unstated: frozenset[str] = frozenset()


def skip_reason(row: Row, table: Table, mapping: HeaderMapping) -> str | None:
    """Why a row holds no record (a key of ``SKIP_REASONS``), ``blank``, or ``None`` if it should hold one."""
    if all(is_blank_cell(row.cells[m.position]) for m in mapping.mapped):
        return "blank" if next(_secret_cells(row, mapping), None) is None else None
    # An error report handed in again has its own columns in front of the clerk's.
    theirs = (c for c, h in zip(row.cells, table.headers, strict=True) if h not in REPORT_HEADERS)
    first = next((c for c in theirs if not is_blank_cell(c)), None)
    if not isinstance(first, str):
        return None
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", first[:80]))
    if _EXAMPLE.match(plain):
        return "example"
    if _SIGNED.fullmatch(plain):
        return "footer"
    if _SUM.fullmatch(plain):
        title = row.cells[mapping.places["title"]] if "title" in mapping.places else None
        return (
            "footer"
            if is_blank_cell(title) or title == first or _TALLY.fullmatch(str(title).strip())
            else None
        )
    if all(is_blank_cell(c) or header_text(c) == h for c, h in zip(row.cells, table.headers, strict=True)):
        return "header"
    # Of feedback a row may well be 2, 2, 2: both numbers of a pair and its level.
    if mapping.kind in FEEDBACK and plain.isdigit():
        return None
    return "section" if _is_section(row, first, plain) else None


def _is_section(row: Row, first: str, plain: str) -> bool:
    """Whether a row is a banner between groups: one text merged over all columns, or a numbered one alone."""
    if len(row.cells) < 3 or row.cells.count(first) + row.cells.count(None) < len(row.cells):
        return False
    filled = [c for c in row.cells if not is_blank_cell(c)]
    return len(filled) >= 3 or (len(filled) == 1 and _SECTION.fullmatch(plain) is not None)


def derived_id(kind: str, title: str, owner: str) -> str:
    """A stable id from title and owner: the kind's letters and 48 bits of BLAKE2b (RFC 7693) as hex."""
    parts = (
        re.sub(r"\s", "", unicodedata.normalize("NFKC", part)).casefold() for part in (kind, title, owner)
    )
    digest = hashlib.blake2b("\x00".join(parts).encode("utf-8", "replace"), digest_size=6)
    return f"{ID_PREFIXES[kind]}-{digest.hexdigest()}"


def row_id(row: Row, mapping: HeaderMapping) -> str:
    """The id the row will have: its id cell, or derived where there is no id column; empty if unknown."""
    places = mapping.places
    if "id" in places:
        return _text(row.cells[places["id"]])
    title = _text(row.cells[places["title"]]) if "title" in places else ""
    owner = places.get(OWNER_ATTRIBUTES.get(mapping.kind, ""))
    return derived_id(mapping.kind, title, "" if owner is None else _text(row.cells[owner])) if title else ""


def read_row(
    row: Row,
    table: Table,
    mapping: HeaderMapping,
    existing: Node | None = None,
    *,
    defaults: Mapping[str, Any] | None = None,
) -> Reading:
    """The record of a row, or every error of the row at once.

    With ``existing`` the row updates it: an attribute without a column (or whose cell is not there at
    all) keeps its value, a blank cell under a present header clears it. ``defaults`` stand in for cells
    that are blank or not there.
    """
    secret = next(_secret_cells(row, mapping), None)
    if secret is not None:
        return Reading(record=None, problems=(secret_row(table.sheet, row.number, secret.header),))
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    kept: set[str] = set()
    about = targets(mapping.kind)
    for column in mapping.mapped:
        cell = row.cells[column.position]
        if cell is None:
            continue
        if cell is ABSENT:
            kept.add(column.attribute)
            continue
        try:
            value = _value(cell, column, about[column.attribute])
        except BadValue as bad:
            problems.append(_problem(bad.code, bad.message, bad.remedy, table, row, column.header))
            continue
        if value is None:
            continue
        values[column.attribute] = value
        if isinstance(value, str) and not value.isprintable() and _loses(value):
            problems.append(_unprintable(table, row, column.header))
    if mapping.kind in KINDS and "id" not in mapping.attributes:
        values["id"] = row_id(row, mapping)
    filled_in = {name: value for name, value in (defaults or {}).items() if name not in values}
    values.update(filled_in)
    if existing is not None and ("title" not in mapping.attributes or "title" in kept):
        values["title"] = existing.title
    record, found = _validate(
        values, table, row, mapping, {p.column for p in problems if p.severity == "error"}
    )
    problems += found
    if any(p.severity == "error" for p in problems):
        return Reading(record=None, problems=tuple(problems))
    if existing is not None and isinstance(record, Node):
        absent = set(type(record).model_fields) - (mapping.attributes - kept) - {"id"}
        record = record.model_copy(update={name: getattr(existing, name) for name in absent})
    if defaults is None:
        return Reading(record=record, problems=tuple(problems))
    unstated = (frozenset(about) - mapping.attributes) | kept | frozenset(filled_in)
    return Reading(record=record, problems=tuple(problems), unstated=unstated)


def _value(cell: Cell, column: MappedColumn, target: Target) -> Any:
    value = _plain_value(cell, column, target)
    return target.parse(value) if target.parse else value


def _plain_value(cell: Cell, column: MappedColumn, target: Target) -> Any:
    if isinstance(cell, str):
        return cell + column.unit if column.unit and not _HAS_UNIT.search(cell) else cell
    if isinstance(cell, BadCell):
        raise BadValue(cell.code, cell.message, cell.remedy)
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, (int, float)):
        return shown(cell) + column.unit
    if isinstance(cell, date) and (target.attribute.endswith("id") or target.attribute in PAIR):
        remedy = "请把编号列设为“文本”格式后重新录入"
        raise BadValue("id_is_date", f"编号被表格软件改成了日期（{cell}）", remedy)
    if isinstance(cell, (dict, list)) and target.is_text:
        if isinstance(cell, dict) or any(isinstance(entry, (dict, list)) for entry in cell):
            raise BadValue("value_nested", "这里应当是文字，不能是嵌套的结构", "请改成一段文字")
        return "；".join(shown(entry) for entry in cell)
    return cell


def _validate(
    values: dict[str, Any], table: Table, row: Row, mapping: HeaderMapping, already: set[str | None]
) -> tuple[Record | None, list[Problem]]:
    try:
        record: Record = _MODELS[mapping.kind].model_validate(values)
        return record, []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    except (TypeError, KeyError, OverflowError) as error:
        # A parser was handed a structure (from JSON) that it does not expect.
        message = f"这一行有读不懂的结构（{type(error).__name__}）"
        return None, [_problem("value_nested", message, "请把各列改成文字或数字", table, row, None)]
    headers = {m.attribute: m.header for m in mapping.mapped}
    problems = []
    for detail in details:
        name = str(detail["loc"][0]) if detail["loc"] else ""
        target = targets(mapping.kind).get(name)
        column = headers.get(name, target.label if target else None)
        if column is None or column not in already:
            problems.append(_problem(*explained_error(detail, target), table, row, column))
    return None, problems


def explained_error(detail: ErrorDetails, target: Target | None) -> tuple[str, str, str]:
    """(code, message, remedy) of a pydantic error; ours are carried in its context."""
    bad = detail.get("ctx", {}).get("error")
    if isinstance(bad, BadValue):
        return bad.code, bad.message.removesuffix("。"), bad.remedy.removesuffix("。")
    if detail["type"] == "missing":
        return "value_missing", "必填项为空", "请补填后再导入"
    example = f"，例如 {target.example}" if target and target.example else ""
    return "value_invalid", "这个值的写法不对", f"请按填写说明改正{example}"


def _secret_cells(row: Row, mapping: HeaderMapping) -> Iterator[MappedColumn]:
    for column in mapping.columns:
        cell = row.cells[column.position]
        if column.is_secrecy:
            if not is_blank_cell(cell) and is_secret_level("是" if cell is True else shown(cell)):
                yield column
        elif isinstance(cell, str):
            marked = is_bare_mark(cell) or (column.attribute == "title" and is_marked_secret(cell))
            if marked or (("★" in cell or "☆" in cell) and has_secret_star(cell)):
                yield column


def _text(cell: Cell) -> str:
    return "" if is_blank_cell(cell) or isinstance(cell, BadCell) else clean_cell(shown(cell))


def _loses(text: str) -> bool:
    return "\x00" in text or LONE_SURROGATE.search(text) is not None


def _unprintable(table: Table, row: Row, column: str) -> Problem:
    return Problem(
        code="characters_dropped",
        message="有看不见的坏字符（空字符或半个表情符号），已去掉",
        remedy="请核对该格内容",
        severity="warning",
        sheet=table.sheet,
        row=row.number,
        column=column,
    )


def _problem(code: str, message: str, remedy: str, table: Table, row: Row, column: str | None) -> Problem:
    return Problem(
        code=code, message=message, remedy=remedy, sheet=table.sheet, row=row.number, column=column
    )
