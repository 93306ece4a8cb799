"""The sheets of a review as offices hand them in: declarations of experts, and marks.

Every cell is read as text; what cannot be read is told with its place, and nothing of such a file is used.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from graph.intake.headers import normalise_header
from graph.intake.organisations import organisation_key
from graph.intake.readers import read_tables
from graph.intake.tables import BadCell, Table, shown
from graph.problems import Problem
from matcher.review_processes import Declaration, Mark, Review

DECLARED_COLUMNS = {
    "id": ("专家编号", "编号", "id"),
    "name": ("专家姓名", "姓名", "专家"),
    "avoids": ("申报回避", "回避对象", "需回避", "回避"),
    "advises": ("顾问单位", "兼职单位", "取酬单位"),
    "representative": ("单位法定代表人", "法定代表人"),
    "verified_by": ("单位核实人", "核实人"),
}
MARK_COLUMNS = {
    "id": ("投标编号", "标书编号", "编号"),
    "name": ("投标单位", "单位"),
    "expert": ("专家编号", "专家姓名", "专家", "评委"),
    "total": ("合计", "总分", "得分合计"),
    "remark": ("意见", "评审意见", "评语", "备注"),
}
_SEVERAL = re.compile(r"[、；;，,\n/]+")
_EXPERT_LINE = re.compile(r"(?:评审)?(?:专家|评委)(?:姓名|编号)?\s*[:：]\s*(\S+)")
_SUMS = frozenset({"合计", "总计", "平均", "平均分", "小计"})
_NOTHING = frozenset({"", "-", "—", "/", "\\", "无"})


def read_declared(path: Path, experts: Mapping[str, str]) -> tuple[list[Declaration], list[Problem]]:
    """What experts have declared, line by line; ``experts`` are the names of all by id."""
    by_name: dict[str, list[str]] = {}
    for id, name in experts.items():
        by_name.setdefault(name, []).append(id)
    result: list[Declaration] = []
    problems: list[Problem] = []
    for table, row, cells in read_rows(path, DECLARED_COLUMNS, (), problems):
        place = {"sheet": table.sheet, "row": row}
        ids = [cells["id"]] if cells["id"] in experts else by_name.get(cells["name"] or cells["id"], [])
        if len(ids) != 1:
            said = cells["id"] or cells["name"] or "（空）"
            why = "有几位同名的专家" if ids else "库中没有这位专家"
            problems.append(_problem("expert_unknown", f"“{said}”：{why}", "请写专家编号", **place))
            continue
        result.append(
            Declaration(
                expert=ids[0], avoids=tuple(_several(cells["avoids"])), advises=tuple(_several(cells["advises"])),
                representative=cells["representative"], verified_by=cells["verified_by"],
            )
        )  # fmt: skip
    return result, problems


def read_marks(path: Path, review: Review, expert: str = "") -> tuple[list[Mark], list[Problem]]:
    """The marks of a file: a line an entry, a column a criterion.

    An entry is named by its id, or where that is not there by who stands behind it. The expert is named by a column, by a line above the header (专家：…), by the sheet's name, or by ``expert``. A total
    that does not agree with its marks is told. Raises ``Refused`` for a file that cannot be read.
    """
    ids = {**{name: id for id, name in review.experts.items()}, **{id: id for id in review.experts}}
    marks: list[Mark] = []
    problems: list[Problem] = []
    names: dict[str, list[str]] = {}
    for id, name in review.entries.items():
        # A consortium is called by all its members or by the one that leads.
        for called in dict.fromkeys((name, name.split("、")[0])):
            names.setdefault(organisation_key(called), []).append(id)
    for table, row, cells in read_rows(path, MARK_COLUMNS, (), problems, extra=tuple(review.weights)):
        place = {"sheet": table.sheet, "row": row}
        same = names.get(organisation_key(cells["name"]), []) if cells["name"] else []
        if not cells["id"] and len(same) == 1:
            cells["id"] = same[0]
        if cells["id"] in _SUMS or not (cells["id"] or _is_marked(cells, review.weights)):
            continue
        if not cells["id"] and not cells["name"]:
            continue
        who = next((ids[name] for name in named_experts(table, cells, expert) if name in ids), None)
        if who is None:
            said = "、".join(named_experts(table, cells, expert)) or "（没有写）"
            known = "、".join(review.experts.values())
            problems.append(
                _problem("expert_unknown", f"看不出是哪位专家的评分：{said}", f"专家有：{known}", **place)
            )
            continue
        if cells["id"] not in review.entries:
            known = "、".join(f"{id}（{name}）" for id, name in review.entries.items())
            said = cells["id"] or cells["name"]
            problems.append(_problem("bid_unknown", f"没有标书“{said[:30]}”", f"标书有：{known}", **place))
            continue
        given = read_figures(cells, review.weights, place, problems)
        if given:  # a line without any mark is one not read: the check for what is missing tells it
            marks.append(Mark(expert=who, entry=cells["id"], marks=given, remark=cells["remark"]))
    return marks, problems


def read_figures(
    cells: Mapping[str, str], weights: Mapping[str, str], place: Mapping[str, object], problems: list[Problem]
) -> dict[str, str]:
    """The marks of a row; what is no number, and a total that does not agree, is told."""
    given = {}
    for name in weights:
        if cells[name] in _NOTHING:
            continue
        number = _number(cells[name])
        if number is None:
            message = f"“{cells[name][:30]}”不是分数"
            problems.append(
                _problem("mark_unreadable", message, f"请填 0 到 {weights[name]} 的数", **place, column=name)
            )
        else:
            given[name] = str(number)
    total = _number(cells["total"])
    if total is not None and len(given) == len(weights) and total != sum(map(Decimal, given.values())):
        message = f"合计写的是 {total}，各项相加是 {sum(map(Decimal, given.values()))}"
        problems.append(_problem("mark_total", message, "请核对各项分数，或删去合计", **place, column="合计"))
    return given


def _is_marked(cells: Mapping[str, str], weights: Mapping[str, str]) -> bool:
    return any(cells[name] not in _NOTHING for name in weights)


def _number(text: str) -> Decimal | None:
    plain = unicodedata.normalize("NFKC", text).strip().removesuffix("分").strip()
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def named_experts(table: Table, cells: Mapping[str, str], expert: str) -> list[str]:
    """What may be an expert's name or id, the surest first."""
    lines = [found[1] for line in table.banner if (found := _EXPERT_LINE.search(line))]
    # 专家：张三（ZJ-1）
    lines = [part for line in lines for part in (line, *re.split(r"[()（）]", line)) if part]
    sheet = table.sheet or ""
    places = [sheet, *re.split(r"[ _（）()]", sheet)]
    return [name for name in dict.fromkeys((cells["expert"], *lines, expert, *places)) if name]


def read_rows(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    required: Sequence[str],
    problems: list[Problem],
    extra: Sequence[str] = (),
) -> Iterator[tuple[Table, int, dict[str, str]]]:
    """Every row with content as texts by column; ``extra`` are columns called just so."""
    wanted = {**columns, **{name: (name,) for name in extra}}
    for table in read_tables(path, [name for names in wanted.values() for name in names]):
        problems += [problem for problem in table.problems if problem.severity == "error"]
        headers = [normalise_header(header) for header in table.headers]
        at = {
            role: next((headers.index(n) for n in map(normalise_header, names) if n in headers), None)
            for role, names in wanted.items()
        }
        if lacking := [role for role in (*required, *extra) if at[role] is None]:
            named = "、".join(f"“{wanted[role][0]}”" for role in lacking)
            has = "、".join(filter(None, table.headers))[:200] or "（无）"
            problems.append(
                _problem("column_missing", f"缺少列{named}（现有：{has}）", "请补上这些列", sheet=table.name)
            )
            continue
        for row in table.rows:
            cells = {role: "" if at[role] is None else shown(row.cells[at[role]]).strip() for role in wanted}  # type: ignore[index]
            bad = [cell for cell in row.cells if isinstance(cell, BadCell)]
            problems += [
                _problem(b.code, b.message, b.remedy, sheet=table.sheet, row=row.number) for b in bad
            ]
            if any(cells.values()) and not bad and not cells.get("id", "").startswith("（示例）"):
                yield table, row.number, cells


def _several(text: str) -> Iterable[str]:
    return [part.strip() for part in _SEVERAL.split(text) if part.strip() not in _NOTHING]


def _problem(code: str, message: str, remedy: str, **place: object) -> Problem:
    return Problem(code=code, message=message, remedy=remedy, **place)  # type: ignore[arg-type]
