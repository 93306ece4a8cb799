"""Writes the empty workbook a clerk fills in: headers, drop-down lists, an example and a guide."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graph.identifiers.districts import DISTRICTS
from graph.identifiers.fields import FIELDS
from graph.intake.headers import GUIDE_SHEET, LIST_SHEET
from graph.intake.rows import EXAMPLE_MARK
from graph.intake.targets import KIND_NAMES, Target, kind_label, targets
from graph.intake.writing import HEADER_STYLE, TEXT_STYLE, new_workbook, write_row
from graph.problems import Refused

LIST_ROWS = 5_000
# How each column is filled in, where its name does not say it; by attribute, for every kind.
_PERSON = "一人一行"
GUIDANCE: Mapping[str, str] = {
    "id": "本单位自定的唯一编号，一经使用不要改；再次导入同一编号即为更新",
    "title": "300 字以内，写清对象和用途",
    "summary": "背景、对象、规模",
    "problem": "现在为什么解决不了；技术难点越具体，匹配越准",
    "indicators": "指标名、比较符、数值、单位，用分号隔开",
    "wanted": "希望对方做什么",
    "field": "从列表选；多个用顿号隔开",
    "district": "从列表选；珠海以外填“市外”",
    "owner_uscc": "18 位统一社会信用代码，文本格式",
    "uscc": "18 位统一社会信用代码，文本格式",
    "maturity": "TRL1 至 TRL9，或 小试、中试、已产业化",
    "maturity_floor": "可接受的最低成熟度：TRL1 至 TRL9，或 小试、中试、已产业化",
    "ip_numbers": "专利申请号带校验位，如 ZL 开头；多个用分号隔开",
    "ipc": "国际专利分类号，多个用分号隔开",
    "industry_code": "国民经济行业分类（GB/T 4754）代码",
    "budget": "单位万元；可写区间 100-200",
    "price": "单位万元；可写区间 100-200",
    "investment": "单位万元；可写区间 100-200",
    "size": "单位万元；可写区间 100-200",
    "organisation": "单位全称；写到部门的也认",
    "position": "如 教授、高级工程师；抽取专家组时按它凑职称",
    "specialities": "多个用顿号隔开；抽取专家组、分标书按它",
    "deadline": "日期，如 2026-12-31；长期有效可留空",
    "granted_on": "日期，如 2025-03-31",
    "cooperation": "多个用顿号隔开",
    "keywords": "多个用顿号隔开",
    "inventors": "多个用顿号隔开",
    "qualifications": "多个用顿号隔开",
    "scenes": "多个用顿号隔开",
    "visibility": "公开：任何人；合作方：登记的合作平台；内部：仅工作人员。留空即公开",
    "field_visibility": "个别列另定可见范围，如：预算（万元）=内部；联系人=合作方",
    "contact": "仅内部可见",
    "contact_phone": "仅内部可见",
    "source_kind": "从列表选",
    "target_kind": "从列表选",
    "source_id": "起点记录的编号，须已在库中或在同一次导入里",
    "target_id": "终点记录的编号，须已在库中或在同一次导入里",
    "relation": "从列表选",
    "scene": "场景的编号，须已在库中或在同一次导入里",
    "achievement": "成果的编号，须已在库中或在同一次导入里",
    "level": "从列表选；也可填 4、3、2、1（4 为强相关，1 为无相关）",
    "stage": "从列表选；同一对的每个阶段填一行",
    "judge": "谁评的；不填则记为导入人。同一人对同一对只留一行，再评即更新",
    "by": "谁经办的；不填则记为导入人",
    "at": "日期，如 2026-03-01，可带时间；不填则记为导入的时间",
    "rank": "展示时排在第几位，没有可不填",
    "ranker": "展示时用的排序版本，没有可不填",
}


def write_template(kind: str, path: Path) -> None:
    """Writes the template workbook of a kind in ``KIND_NAMES``.

    Required headers carry ``*``. Row 2 is an example whose first cell begins with （示例）; the import skips
    such rows. Drop-down lists advise where a cell may hold several values and are enforced where it may not.
    Raises ``Refused`` for an unknown kind.
    """
    if kind not in KIND_NAMES:
        known = "、".join(f"{kind_label(k)}（{k}）" for k in KIND_NAMES)
        raise Refused("kind_unknown", f"没有“{kind}”这一类模板。", f"请从 {known} 中选一个。")
    about = list(targets(kind).values())
    workbook = new_workbook(path)
    styles = {
        "header": workbook.add_format(dict(HEADER_STYLE)),
        "required": workbook.add_format({**HEADER_STYLE, "font_color": "#C00000"}),
        "text": workbook.add_format(dict(TEXT_STYLE)),
        "example": workbook.add_format({**TEXT_STYLE, "italic": True, "font_color": "#7F7F7F"}),
    }
    sheet = workbook.add_worksheet(kind_label(kind))
    guide = workbook.add_worksheet(GUIDE_SHEET)
    lists = workbook.add_worksheet(LIST_SHEET)
    lists.hide()
    headers = [f"*{target.label}" if target.required else target.label for target in about]
    write_row(sheet, 0, headers, [styles["required" if t.required else "header"] for t in about])
    example = [target.example for target in about]
    write_row(sheet, 1, [f"{EXAMPLE_MARK}{example[0]}", *example[1:]], styles["example"])
    sheet.freeze_panes(1, 2)
    for column, target in enumerate(about):
        # The whole column is text: long numbers keep every digit, dates stay as typed.
        sheet.set_column(column, column, min(40, max(12, 2 * len(target.label) + 4)), styles["text"])
    _add_lists(sheet, lists, about)
    _write_guide(guide, about, styles)
    sheet.activate()
    workbook.close()


def _add_lists(sheet: Any, lists: Any, about: Sequence[Target]) -> None:
    used = 0
    for column, target in enumerate(about):
        options, only_these = _options(target)
        if not options:
            continue
        # In a sheet of their own: a list written into the rule itself may have 255 characters at most.
        for line, option in enumerate(options):
            lists.write_string(line, used, option)
        name = _column_name(used)
        rule = {
            "validate": "list",
            "source": f"='{LIST_SHEET}'!${name}$1:${name}${len(options)}",
            "error_type": "stop" if only_these else "information",
            "error_title": "不在列表中",
            "error_message": "请从下拉列表中选择" if only_these else "列表之外的写法也可以导入，请核对",
        }
        sheet.data_validation(1, column, LIST_ROWS, column, rule)
        used += 1


def _options(target: Target) -> tuple[tuple[str, ...], bool]:
    """(what may be chosen, whether nothing else is accepted)"""
    if target.attribute == "field":
        return tuple(FIELDS), False
    if target.attribute == "district":
        return tuple(DISTRICTS), False
    if target.attribute in {"maturity", "maturity_floor"}:
        return tuple(f"TRL{level}" for level in range(1, 10)), False
    if target.attribute == "level":
        # The digits are understood as well.
        return target.choices, False
    return target.choices, not target.is_text or target.attribute in {
        "source_kind",
        "relation",
        "target_kind",
    }


def _write_guide(sheet: Any, about: Sequence[Target], styles: Mapping[str, Any]) -> None:
    write_row(sheet, 0, ["列名", "是否必填", "填写要求", "可选值", "示例", "谁能看到"], styles["header"])
    seen = {"public": "随记录的可见范围", "partner": "合作方和内部", "staff": "仅内部"}
    for line, target in enumerate(about, start=1):
        options, _ = _options(target)
        texts = [
            target.label,
            "必填" if target.required else "",
            _PERSON if target.label == "姓名" else GUIDANCE.get(target.attribute, "文字"),
            "、".join(options),
            target.example,
            seen[target.visibility],
        ]
        write_row(sheet, line, texts, styles["text"])
    notes = (
        f"以“{EXAMPLE_MARK}”开头的示例行在导入时自动跳过，可保留、删除，或整行改写成自己的内容（去掉“{EXAMPLE_MARK}”）。",
        "列的次序可以变，不用的列可以删；表里没有的列，库里原有的内容保持不变；有列而单元格留空，则清空原有内容。",
        "涉密内容一律不得填写；标有密级的行不会导入。",
    )
    for line, note in enumerate(notes, start=len(about) + 2):
        sheet.write_string(line, 0, note)
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, 1, 18)
    sheet.set_column(2, 4, 48)
    sheet.set_column(5, 5, 18)


def _column_name(number: int) -> str:
    return chr(ord("A") + number)
