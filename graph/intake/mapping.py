"""What each column of a table means for a kind, and why the others are left aside."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from graph.intake.headers import (
    BRACKETED,
    ORDINAL_HEADERS,
    REPORT_HEADERS,
    SECRECY_HEADERS,
    normalise_header,
    vocabulary,
)
from graph.intake.targets import Target, kind_label, targets
from graph.kinds import KINDS
from graph.problems import Problem

UNITS: Mapping[str, str] = {
    "元": "元",
    "人民币元": "元",
    "万": "",
    "万元": "",
    "人民币万元": "",
    "亿": "亿",
    "亿元": "亿",
}
BANNER_UNIT = re.compile(r"(?:金额)?单位[:：]\s*((?:人民币)?[万亿千百美港澳欧]*元)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedColumn:
    """One column of a sheet: the attribute it was taken for, or none and the Chinese ``reason`` why.

    ``unit`` is the money unit the header or banner states (``元``, ``亿``; empty means 万元).
    """

    position: int
    header: str
    reason: str
    attribute: str = ""
    label: str = ""
    unit: str = ""
    is_secrecy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderMapping:
    """What every column of a table was taken for, with the problems met (unknown override, no title …)."""

    kind: str
    columns: tuple[MappedColumn, ...]
    problems: tuple[Problem, ...] = ()

    # Worked out once: every row asks for them.
    mapped: tuple[MappedColumn, ...] = field(init=False)
    places: Mapping[str, int] = field(init=False)
    attributes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Fills in the columns that carry an attribute, and the position of each attribute."""
        mapped = tuple(c for c in self.columns if c.attribute)
        object.__setattr__(self, "mapped", mapped)
        object.__setattr__(self, "places", {c.attribute: c.position for c in mapped})
        object.__setattr__(self, "attributes", frozenset(c.attribute for c in mapped))


def map_headers(
    headers: Sequence[str],
    kind: str,
    overrides: Mapping[str, str] | None = None,
    *,
    banner: Sequence[str] = (),
    sheet: str | None = None,
    header_row: int | None = None,
) -> HeaderMapping:
    """What each header means for ``kind``; ``overrides`` say it by hand (header to label or alias).

    Of two columns for one attribute the first wins. A 序号 column is never an id. Problems: an override
    whose target is not known, a money unit that cannot be read, no title column where one is needed.
    """
    known = vocabulary(kind)
    about = targets(kind)
    present = {normalise_header(h) for h in headers}
    asked = {h: t for h, t in (overrides or {}).items() if normalise_header(h) in present}
    by_hand, problems = _resolve_overrides(asked, kind)
    default_unit, unit_problems = _banner_unit(banner, sheet)
    problems += unit_problems
    columns: list[MappedColumn] = []
    taken: dict[str, str] = {}
    for position, header in enumerate(headers):
        plain = normalise_header(header)
        attribute = by_hand.get(plain) or known.get(plain)
        column = MappedColumn(position=position, header=header, reason="")
        if plain in SECRECY_HEADERS and plain not in by_hand:
            column = replace(column, reason="密级列，只用于检查", is_secrecy=True)
        elif attribute is None:
            column = replace(column, reason=_why_ignored(header, plain, known, about))
        elif attribute in by_hand.values() and plain not in by_hand:
            column = replace(column, reason=f"“{about[attribute].label}”已用 --map 指定给另一列")
        elif attribute in taken:
            reason = f"与“{taken[attribute]}”同为“{about[attribute].label}”，只取前一列"
            column = replace(column, reason=reason)
            problems.append(_column_repeated(column, sheet, header_row))
        else:
            taken[attribute] = header
            column = replace(column, attribute=attribute, label=about[attribute].label)
            column, unit_problems = _with_unit(column, about[attribute], default_unit, sheet, header_row)
            problems += unit_problems
        columns.append(column)
    problems += missing_columns(kind, taken, sheet, header_row)
    return HeaderMapping(kind=kind, columns=tuple(columns), problems=tuple(problems))


def _column_repeated(column: MappedColumn, sheet: str | None, row: int | None) -> Problem:
    return Problem(
        code="column_repeated",
        message=f"“{column.header}”{column.reason}",
        remedy="请合并成一列，或删去多余的列",
        severity="warning",
        sheet=sheet,
        row=row or None,
        column=column.header,
    )


def _resolve_overrides(overrides: Mapping[str, str], kind: str) -> tuple[dict[str, str], list[Problem]]:
    known = vocabulary(kind)
    resolved: dict[str, str] = {}
    problems = []
    for header, target in overrides.items():
        attribute = known.get(normalise_header(target))
        if attribute is None:
            labels = "、".join(t.label for t in targets(kind).values())
            problems.append(
                Problem(
                    code="map_target_unknown",
                    message=f"{kind_label(kind)}没有“{target}”这一列，不能把“{header}”对到它",
                    remedy=f"等号右边请从这些列中选：{labels}",
                )
            )
        else:
            resolved[normalise_header(header)] = attribute
    return resolved, problems


def _why_ignored(header: str, plain: str, known: Mapping[str, str], about: Mapping[str, Target]) -> str:
    if not plain:
        return "没有表头"
    if plain in ORDINAL_HEADERS:
        return "序号只是行的次序，不作编号"
    if plain in REPORT_HEADERS:
        return "错误报告的附加列"
    close = get_close_matches(plain, known, n=1, cutoff=0.6)
    if close:
        label = about[known[close[0]]].label
        return f'不认识的列；如果就是“{label}”，可用 --map "{header}={label}" 指定'
    return "不认识的列，未导入"


def _with_unit(
    column: MappedColumn, target: Target, default: str, sheet: str | None, row: int | None
) -> tuple[MappedColumn, list[Problem]]:
    if not target.is_amount:
        return column, []
    plain = re.sub(r"\s+", "", unicodedata.normalize("NFKC", column.header))
    for bracket in BRACKETED.findall(plain):
        text = re.sub(r"^单位:?", "", bracket[1:-1])
        if text in UNITS:
            return replace(column, unit=UNITS[text]), []
        if re.search(r"元|万|亿|[$€¥]", text):
            return column, [_unit_problem(text, sheet, row, column.header)]
    return replace(column, unit=default), []


def _banner_unit(banner: Sequence[str], sheet: str | None) -> tuple[str, list[Problem]]:
    for text in banner:
        found = BANNER_UNIT.search(text)
        if found and found[1] in UNITS:
            return UNITS[found[1]], []
        if found:
            return "", [_unit_problem(found[1], sheet, None, None)]
    return "", []


def _unit_problem(unit: str, sheet: str | None, row: int | None, header: str | None) -> Problem:
    return Problem(
        code="unit_unknown",
        message=f"不认识的金额单位“{unit}”",
        remedy="请换算成万元，并把表头写成“（万元）”",
        sheet=sheet,
        row=row or None,
        column=header,
    )


def missing_columns(kind: str, taken: Iterable[str], sheet: str | None, row: int | None) -> list[Problem]:
    """The problem of a table without the columns its kind cannot do without; ``taken`` are its attributes."""
    about = targets(kind)
    present = set(taken)
    if kind not in KINDS:
        missing = [t.label for t in about.values() if t.required and t.attribute not in present]
    else:
        # Without an id column the title makes the id; with one, records already known keep their title.
        missing = [] if present & {"id", "title"} else [about["title"].label]
    if not missing:
        return []
    names = "、".join(f"“{m}”" for m in missing)
    return [
        Problem(
            code="column_missing",
            message=f"没有找到{kind_label(kind)}必需的列：{names}",
            remedy=f'请补上该列；若列名不同，可用 --map "表里的列名={missing[0]}" 指定',
            sheet=sheet,
            row=row or None,
        )
    ]
