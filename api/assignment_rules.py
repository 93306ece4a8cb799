"""The sheet of rules for an assignment: a row says 必须, 禁止 or 数量; read with every mistake named, and its template."""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from graph.feedback import spellings
from graph.intake.headers import GUIDE_SHEET, LIST_SHEET, normalise_header
from graph.intake.readers import read_tables
from graph.intake.rows import EXAMPLE_MARK
from graph.intake.tables import Table, shown
from graph.intake.writing import HEADER_STYLE, TEXT_STYLE, new_workbook, write_row
from graph.problems import Problem, Refused
from matcher.assignment_instance import Capacity, Pair

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "rule": ("规则", "要求", "类别", "rule"),
    "scene": ("场景编号", "场景", "场景id", "需求编号", "scene_id", "scene"),
    "achievement": ("成果编号", "成果", "成果id", "achievement_id", "achievement"),
    "least": ("最少", "至少", "最小", "min", "least"),
    "most": ("最多", "至多", "最大", "上限", "max", "most"),
    "note": ("说明", "备注", "原因", "理由", "note"),
}
_LABELS = {role: names[0] for role, names in _HEADERS.items()}
_WORDS = {
    **dict.fromkeys(("必须", "必须对接", "必选", "指定", "forced"), "forced"),
    **dict.fromkeys(("禁止", "禁止对接", "回避", "不得", "forbidden"), "forbidden"),
    **dict.fromkeys(("数量", "名额", "容量", "capacity"), "capacity"),
}
_LARGEST = 9999
_ROWS = 5_000
_ONE_OF_THREE = "请填 必须、禁止 或 数量"
_EXAMPLES = (
    ("必须", "CJ-2026-001", "CG-2026-001", "", "", "已签意向书"),
    ("禁止", "CJ-2026-001", "CG-2026-002", "", "", "完成单位与建设单位有纠纷"),
    ("数量", "CJ-2026-003", "", "1", "3", "这个场景要 1 至 3 项成果"),
    ("数量", "", "CG-2026-004", "", "2", "这项成果最多对接 2 个场景"),
)
_GUIDE = (
    "每行一条规则，第一列从下拉列表选：必须、禁止 或 数量。",
    "必须：这一对一定要排在一起（不论得分）。禁止：这一对一定不排在一起。两者都要填场景编号和成果编号。",
    "数量：填场景编号，表示这个场景最少、最多要几项成果；填成果编号，表示这项成果最少、最多对接几个场景。",
    "最少不填即没有最少；最多不填即用命令中的默认数（--scene-capacity、--achievement-capacity）。最多填 0 表示这次不排。",
    f"以“{EXAMPLE_MARK}”开头的行不算，可保留、删除或改写。“说明”一列只供自己看。",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an assignment is about: ids of ``scenes`` and ``achievements``; ``known`` are all in the store, by kind."""

    scenes: Collection[str]
    achievements: Collection[str]
    known: Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSheet:
    """What the rows of a sheet say. Notices are what was passed over, in Chinese."""

    forced: frozenset[Pair] = frozenset()
    forbidden: frozenset[Pair] = frozenset()
    scenes: Mapping[str, Capacity] | None = None
    achievements: Mapping[str, Capacity] | None = None
    notices: tuple[str, ...] = ()


class RulesRefused(Refused):
    """A sheet of rules with mistakes; ``problems`` are all of them, with their places."""

    def __init__(self, name: str, problems: Collection[Problem]) -> None:
        super().__init__("rules_wrong", f"“{name}”有 {len(problems)} 处问题，没有使用", "请改正后重新运行")
        self.problems = tuple(problems)


@dataclass(slots=True)
class _Row:
    """One row with its cells as texts."""

    table: Table
    number: int
    cells: Mapping[str, str]

    def problem(self, code: str, role: str, message: str, remedy: str) -> Problem:
        return Problem(
            code=code, message=message, remedy=remedy, sheet=self.table.sheet, row=self.number, column=_LABELS[role]
        )  # fmt: skip


def read_rules(path: Path, scope: Scope, *, scene_most: int, achievement_most: int) -> RuleSheet:
    """The rules of a sheet (xlsx, csv); where a row of numbers has no most, the most is the default one.

    A row about something outside the scope is passed over with a notice, but for 必须, which is a mistake there.
    Raises ``Refused`` as the reader does, and ``RulesRefused`` with every mistake.
    """
    problems: list[Problem] = []
    notices: list[str] = []
    pairs: dict[str, set[Pair]] = {"forced": set(), "forbidden": set()}
    limits: dict[str, dict[str, Capacity]] = {"scene": {}, "achievement": {}}
    most = {"scene": scene_most, "achievement": achievement_most}
    for row in _rows(path, problems):
        ids = _ids(row, scope, problems, notices)
        kind = _kind(row, problems)
        if ids is None or not kind:
            continue
        if kind != "capacity":
            if missing := next((role for role in ("scene", "achievement") if not ids[role]), None):
                remedy = "必须和禁止都要同时填场景编号和成果编号"
                problems.append(row.problem("id_missing", missing, f"没有填{_LABELS[missing]}", remedy))
            else:
                pairs[kind].add((ids["scene"], ids["achievement"]))
        elif (found := _capacity(row, ids, most, problems)) is not None:
            side, id, capacity = found
            if limits[side].setdefault(id, capacity) != capacity:
                problems.append(
                    row.problem("limit_twice", side, f"“{id}”的数量写了两次，前后不同", "请只留一行")
                )
    if problems:
        raise RulesRefused(path.name, problems)
    return RuleSheet(
        forced=frozenset(pairs["forced"]), forbidden=frozenset(pairs["forbidden"]), scenes=limits["scene"],
        achievements=limits["achievement"], notices=tuple(dict.fromkeys(notices)),
    )  # fmt: skip


def _rows(path: Path, problems: list[Problem]) -> list[_Row]:
    found: list[_Row] = []
    for read in read_tables(path, [name for names in _HEADERS.values() for name in names]):
        problems += [problem for problem in read.problems if problem.severity == "error"]
        headers = [normalise_header(header) for header in read.headers]
        places = {
            role: next((headers.index(name) for name in names if name in headers), None)
            for role, names in _HEADERS.items()
        }
        if places["rule"] is None or (places["scene"] is None and places["achievement"] is None):
            has = "、".join(filter(None, read.headers))[:200]
            remedy = "第一行应为列名：规则、场景编号、成果编号、最少、最多；jiebang assign --template 文件.xlsx 可生成模板"
            message = f"缺少需要的列（现有列：{has}）"
            problems.append(Problem(code="column_missing", message=message, remedy=remedy, sheet=read.sheet))
            continue
        for row in read.rows:
            cells = {role: "" if at is None else shown(row.cells[at]).strip() for role, at in places.items()}
            told = [text for role, text in cells.items() if role != "note" and text]
            if told and not any(text.startswith(EXAMPLE_MARK) for text in told):
                found.append(_Row(read, row.number, cells))
    return found


def _kind(row: _Row, problems: list[Problem]) -> str:
    word = unicodedata.normalize("NFKC", row.cells["rule"]).strip()
    if not word and (row.cells["least"] or row.cells["most"]):
        return "capacity"
    if word not in _WORDS:
        message = f"规则“{word}”看不懂" if word else "没有填规则"
        problems.append(row.problem("rule_unknown", "rule", message, _ONE_OF_THREE))
    return _WORDS.get(word, "")


def _ids(row: _Row, scope: Scope, problems: list[Problem], notices: list[str]) -> dict[str, str] | None:
    """The ids as they are kept; None where one is wrong or the row is about something else."""
    ids: dict[str, str] = {}
    outside = False
    for role, label, inside in (("scene", "场景", scope.scenes), ("achievement", "成果", scope.achievements)):
        written = row.cells[role]
        known = scope.known[role]
        id = next((text for text in spellings(written) if text in known), "") if written else ""
        if written and not id:
            problems.append(
                row.problem("id_unknown", role, f"库中没有编号为“{written}”的{label}", "请核对编号，或先导入")
            )
            return None
        ids[role] = id
        if id and id not in inside:
            outside = True
            place = f"第 {row.number} 行"
            if _WORDS.get(row.cells["rule"]) == "forced":
                message = f"{label}“{id}”必须对接，但不在这次的范围之内（已过期、已落地或没有选上）"
                remedy = f"请用 --{role} 把它选上，或删去这一行"
                problems.append(row.problem("out_of_scope", role, message, remedy))
            else:
                notices.append(f"{place}：{label}“{id}”不在这次的范围之内，这条规则没有用上。")
    return None if outside else ids


def _capacity(
    row: _Row, ids: Mapping[str, str], most: Mapping[str, int], problems: list[Problem]
) -> tuple[str, str, Capacity] | None:
    sides = [side for side in ("scene", "achievement") if ids[side]]
    if len(sides) != 1:
        message = "数量只能写一个对象" if sides else "没有写是哪个场景或哪项成果的数量"
        problems.append(row.problem("limit_of_what", "scene", message, "请只填场景编号或成果编号"))
        return None
    numbers: dict[str, int | None] = {}
    for role in ("least", "most"):
        text = unicodedata.normalize("NFKC", row.cells[role])
        if text and not (text.isdecimal() and int(text) <= _LARGEST):
            message = f"“{row.cells[role]}”不是 0 到 {_LARGEST} 的整数"
            problems.append(row.problem("number_wrong", role, message, "请填整数，或留空"))
            return None
        numbers[role] = int(text) if text else None
    if numbers["least"] is None and numbers["most"] is None:
        problems.append(row.problem("number_missing", "most", "最少和最多都没有填", "请至少填一个"))
        return None
    least = numbers["least"] or 0
    upper = max(most[sides[0]], least) if numbers["most"] is None else numbers["most"]
    if least > upper:
        problems.append(
            row.problem("least_above_most", "least", f"最少 {least} 大于最多 {upper}", "请改正其中一个")
        )
        return None
    return sides[0], ids[sides[0]], Capacity(least=least, most=upper)


def write_rules_template(path: Path) -> None:
    """Write the empty sheet of rules: headers, a drop-down list, four examples that are passed over, and a guide."""
    workbook = new_workbook(path)
    head, text = workbook.add_format(dict(HEADER_STYLE)), workbook.add_format(dict(TEXT_STYLE))
    grey = workbook.add_format({**TEXT_STYLE, "italic": True, "font_color": "#7F7F7F"})
    sheet, guide = workbook.add_worksheet("规则"), workbook.add_worksheet(GUIDE_SHEET)
    lists = workbook.add_worksheet(LIST_SHEET)
    lists.hide()
    write_row(sheet, 0, list(_LABELS.values()), head)
    for line, example in enumerate(_EXAMPLES, 1):
        write_row(sheet, line, [f"{EXAMPLE_MARK}{example[0]}", *example[1:]], grey)
    for column, width in enumerate((14, 18, 18, 8, 8, 40)):
        sheet.set_column(column, column, width, text)
    options = ("必须", "禁止", "数量")
    write_row(lists, 0, options)
    sheet.data_validation(
        1 + len(_EXAMPLES), 0, _ROWS, 0,
        {"validate": "list", "source": f"='{LIST_SHEET}'!$A$1:$C$1", "error_title": "不在列表中", "error_message": _ONE_OF_THREE},
    )  # fmt: skip
    sheet.freeze_panes(1, 0)
    for line, note in enumerate(_GUIDE):
        guide.write_string(line, 0, note)
    guide.set_column(0, 0, 110)
    sheet.activate()
    workbook.close()
