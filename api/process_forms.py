"""Forms of tasks, bids and cases as workbooks: one line a field, lists on sheets of their own; written empty, read filled in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graph.identifiers.uscc import parse_uscc
from graph.intake.exporting import cell_text
from graph.intake.headers import GUIDE_SHEET, normalise_header
from graph.intake.readers import read_tables
from graph.intake.secrecy import secret_table
from graph.intake.tables import BadCell, Table, shown
from graph.intake.writing import HEADER_STYLE, TEXT_STYLE, new_workbook, write_row
from graph.measures import PENDING
from graph.problems import BadValue, Problem
from graph.processes import Process
from matcher.bids import Bid
from matcher.cases import CaseFile, case_of
from matcher.indicators import parse_indicators
from matcher.tasks import Task

FIELD, FILLED, HOW = "项目", "填写内容", "填写要求"
REPLIES = ("指标", "应答", "证明材料")
MEMBERS = ("单位名称", "统一社会信用代码", "是否牵头")
# Attribute and how it is filled in; a star marks what is needed before posting or handing in.
TASK_FIELDS: Mapping[str, str] = {
    "title": "*写清对象和用途", "mode": "技术需求榜（场景找成果）或 成果转化榜（成果找场景）；不填为技术需求榜",
    "selection": "揭榜挂帅（选一家）或 竞争赛马（几家并行，分关淘汰）；不填为揭榜挂帅", "poster": "*单位全称",
    "poster_uscc": "18 位统一社会信用代码，用来查关联关系", "problem": "*现在怎么做、卡在哪里、试过什么为什么不行",
    "indicators": "*逐条写 名称、比较符、数值、单位，用分号隔开，如 航程≥30km；抗风等级≥7级",
    "content": "要对方做什么、交付什么", "bounty": "*最高支付多少，单位万元，如 300",
    "deadline": "*日期和时间，如 2026-09-30 17:00；只写日期即当日 23:59:59", "acceptance": "*由谁检测、达到哪些指标、交付什么",
    "notice_days": "定标后公示几个工作日；不填按参数", "quota": "每家同时在投的榜单上限；不填按参数",
    "rubric": "如 技术方案 60；报价 40，合计 100；不填按参数", "experts": "单数；不填按参数", "panel_rule": "怎样打分、怎样回避",
    "scoring": "去掉一个最高分和一个最低分后平均、平均 或 标准化；不填为第一种", "tie_rule": "报价低者 或 先投者 在前；不填为报价低者",
}  # fmt: skip
BID_FIELDS: Mapping[str, str] = {
    "bidder": "*单位全称；联合体填牵头单位", "bidder_uscc": "*18 位统一社会信用代码", "title": "方案名称",
    "scheme": "*技术路线、关键技术、进度", "team": "*人员、设备、业绩", "amount": "*单位万元，不超过榜金",
    "ip_statement": "*知识产权归谁、有无纠纷、成果归属", "record": "库中的编号；不在库中可不填",
    "people": "用顿号隔开；在别的单位任职的写 张伟（某大学）。用来查评审回避", "representative": "投标单位的法定代表人",
    "brokers": "付费委托的技术经纪人，编号或姓名；没有不填", "avoids": "不宜评审本标书的专家或单位；没有不填",
    "earlier": "本项目以前在哪个榜单中过榜，多个用顿号隔开；没有不填", "dishonest": "*是 或 否；联合体任一家是即填是",
}  # fmt: skip
CASE_FIELDS: Mapping[str, str] = {
    "title": "*写清在哪里、用了什么", "owner": "*用的单位全称", "provider": "*提供成果的单位全称",
    "investment": "*单位万元", "period": "*如 2025-03至2026-02", "summary": "*原来怎么做、卡在哪里", "approach": "*怎么做的、分几步",
    "effect": "量化成效的一句话；数字逐条写在“成效指标”表里", "replicable": "*换一个地方要具备什么才能照做", "evidence": "*检测报告、验收意见等",
    "first_use": "是 或 否：是否首次应用", "batch": "第几批发布；没有不填", "field": "产业领域，多个用顿号隔开", "district": "所在区",
    "visibility": "公开、合作方 或 内部",
}  # fmt: skip
FIGURES = ("成效指标", "实施前", "实施后", "单位", "数据来源")
_WIDTHS = (24, 60, 56)
_FIGURE_WIDTHS = (32, 18, 18, 14, 58)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as read: texts by attribute, the lines of its lists by their first header, what is wrong with it."""

    values: Mapping[str, str]
    lists: Mapping[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def write_task_form(path: Path) -> None:
    """An empty form of a task (.xlsx)."""
    _write(path, "榜单", Task, TASK_FIELDS, {})


def write_bid_form(path: Path, task: Task) -> None:
    """An empty form of a bid on the task (.xlsx), its indicators written out one by one."""
    asked = [(indicator.text, "", "") for indicator in parse_indicators(task.indicators)]
    _write(path, "投标", Bid, BID_FIELDS, {"指标应答": (REPLIES, asked), "联合体": (MEMBERS, [])})


def write_case_form(path: Path, case: CaseFile | None = None) -> None:
    """A form of a case (.xlsx), filled in as far as it is known; its figures line by line, 待补 left empty."""
    filled: dict[str, str] = {}
    if case is not None:
        record = case_of(case)
        filled = {name: cell_text(record, name) for name in CASE_FIELDS}
    figures = [
        (one.name, *("" if number is None else f"{number:f}" for number in (one.before, one.after)), one.unit, one.source)
        for one in (case.figures if case else ())
    ]  # fmt: skip
    _write(path, "案例", CaseFile, CASE_FIELDS, {"成效指标": (FIGURES, figures)}, filled)


def read_case_form(path: Path) -> Form:
    """A filled-in form of a case, its figures as one text. Raises ``Refused`` likewise."""
    form = _read(path, CaseFile, CASE_FIELDS)
    figures, problems = [], list(form.problems)
    for row in form.lists.get(FIGURES[0], ()):
        name, before, after, unit, source = (row.get(header, "").strip() for header in FIGURES)
        if not name:
            said = "、".join(filter(None, (before, after, unit, source)))
            message = f"“成效指标”表里“{said[:40]}”这一行没有写是哪项指标"
            problems.append(Problem(code="form_figure", message=message, remedy="请补填第一列，或删去这一行"))
            continue
        figures.append(f"{name}：{before or PENDING}→{after or PENDING} {unit}（来源：{source or PENDING}）")
    values = dict(form.values) | ({"measures": "；".join(figures)} if figures else {})
    if form.problems and values and [one.code for one in form.problems] == ["form_empty"]:
        problems = problems[1:]
    return Form(values=values, lists=form.lists, problems=tuple(problems))


def read_task_form(path: Path) -> Form:
    """A filled-in form of a task. Raises ``Refused`` for a file that cannot be read."""
    return _read(path, Task, TASK_FIELDS)


def read_bid_form(path: Path) -> Form:
    """A filled-in form of a bid. Raises ``Refused`` likewise."""
    return _read(path, Bid, BID_FIELDS)


def kept_code(text: str) -> str | None:
    """A credit code as it is kept; one that is wrong stays as written for the formal check to tell."""
    try:
        return parse_uscc(text) if text.strip() else None
    except BadValue:
        return text.strip()


def _write(
    path: Path,
    name: str,
    kind: type[Process],
    fields: Mapping[str, str],
    lists: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
    filled: Mapping[str, str] | None = None,
) -> None:
    workbook = new_workbook(path)
    head, text = workbook.add_format(dict(HEADER_STYLE)), workbook.add_format(dict(TEXT_STYLE))
    sheets = {
        name: (
            (FIELD, FILLED, HOW),
            [(_title(kind, one), (filled or {}).get(one, ""), how) for one, how in fields.items()],
        )
    }
    for sheet_name, (headers, rows) in {**sheets, **lists}.items():
        sheet = workbook.add_worksheet(sheet_name)
        for column, width in enumerate(_FIGURE_WIDTHS if headers == FIGURES else _WIDTHS):
            sheet.set_column(column, column, width, text)
        write_row(sheet, 0, headers, head)
        for line, row in enumerate(rows, 1):
            write_row(sheet, line, row, text)
        sheet.freeze_panes(1, 1)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
    guide = workbook.add_worksheet(GUIDE_SHEET)
    notes = (
        "“填写要求”里带 * 的必填。内容写在“填写内容”一列，行的次序可以变，不用的行可以删。",
        "涉密内容一律不得填写。",
        "联合体：每家一行，正好一家的“是否牵头”填 是；单独投标不用填。" if "联合体" in lists else "",
        "成效指标：每项一行，实施前、实施后只填数字；没有实测的先空着。空着的项目保持原样，不会被清空。"
        if "成效指标" in lists
        else "",
    )
    guide.set_column(0, 0, 100)
    for line, note in enumerate(notes):
        guide.write_string(line, 0, note)
    workbook.close()


def _title(kind: type[Process], name: str) -> str:
    return kind.model_fields[name].title or name


def _read(path: Path, kind: type[Process], fields: Mapping[str, str]) -> Form:
    tables = read_tables(path, (FIELD, FILLED, HOW, *REPLIES, *MEMBERS, *FIGURES))
    values: dict[str, str] = {}
    lists: dict[str, tuple[Mapping[str, str], ...]] = {}
    problems: list[Problem] = []
    for table in tables:
        secret = secret_table(
            table.sheet, [table.source, *table.banner, *([table.sheet] if table.sheet else [])]
        )
        problems += [*table.problems, *([secret] if secret else [])]
        headers = [normalise_header(header) for header in table.headers]
        if FIELD in headers and FILLED in headers:
            problems += _take_fields(table, headers, kind, fields, values)
        elif headers and headers[0] in (REPLIES[0], MEMBERS[0], FIGURES[0]):
            lists[headers[0]] = tuple(_lines(table, headers, problems))
    if not values and not problems:
        message = f"“{path.name}”里没有填写内容"
        problems.append(Problem(code="form_empty", message=message, remedy="请用模板，填在“填写内容”一列"))
    return Form(values=values, lists=lists, problems=tuple(problems))


def _take_fields(
    table: Table, headers: Sequence[str], kind: type[Process], fields: Mapping[str, str], values: dict[str, str]
) -> Iterable[Problem]:  # fmt: skip
    known = {normalise_header(_title(kind, name)): name for name in fields}
    for row in table.rows:
        label, cell = row.cells[headers.index(FIELD)], row.cells[headers.index(FILLED)]
        name = known.get(normalise_header(shown(label)))
        place: dict[str, Any] = {"sheet": table.sheet, "row": row.number, "column": FILLED}
        if isinstance(cell, BadCell):
            yield Problem(code=cell.code, message=cell.message, remedy=cell.remedy, **place)
        elif not shown(cell).strip():
            continue
        elif name is None:
            remedy = f"可填的项目：{'、'.join(_title(kind, one) for one in fields)}"
            yield Problem(
                code="form_field_unknown", message=f"没有“{shown(label)[:30]}”这一项", remedy=remedy, **place
            )
        elif name in values:
            message = f"“{_title(kind, name)}”填了两次"
            yield Problem(code="form_field_twice", message=message, remedy="请只留一处", **place)
        else:
            values[name] = shown(cell)


def _lines(table: Table, headers: Sequence[str], problems: list[Problem]) -> Iterable[Mapping[str, str]]:
    for row in table.rows:
        for header, cell in zip(headers, row.cells, strict=True):
            if isinstance(cell, BadCell):
                problems.append(
                    Problem(
                        code=cell.code, message=cell.message, remedy=cell.remedy, sheet=table.sheet, row=row.number,
                        column=header,
                    )
                )  # fmt: skip
        texts = {header: shown(cell).strip() for header, cell in zip(headers, row.cells, strict=True)}
        if any(texts.values()):
            yield texts
