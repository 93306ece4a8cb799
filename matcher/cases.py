"""Case files (案例档案): a case on its way from draft to publication and out again, 草稿 → 审核 → 发布 → 退役.

A draft is only a process: it is in no index, no graph and no ranking, because there is no record of it. To publish it is
to put its record (``graph.kinds.Case``) into the store, to take it back or retire it is to remove that record; while
it is published the record is the truth, and a step that removes it keeps what the record says then. Measure 2 of
珠府办函〔2025〕13号 asks for the list of cases; how long a step may last is data (data/policy/cases.json).
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pydantic import Field

from graph.kinds import Case, columns
from graph.measures import HOW, Measure, Measures, measures_in
from graph.problems import Problem
from graph.processes import Move, Rules, State
from graph.resources import resource
from graph.values import (
    Amount,
    District,
    Fields,
    FieldVisibility,
    Flag,
    Id,
    Seen,
    Text,
    Title,
    Visibility,
    Words,
    clean_cell,
)
from matcher.process_values import Paper, to_the_second

DRAFT, REVIEWING, PUBLISHED, RETIRED = "draft", "reviewing", "published", "retired"
EDITOR, REVIEWER, OWNER = "editor", "reviewer", "owner"
ROLES = {EDITOR: "案例编辑", REVIEWER: "审核人", OWNER: "建设单位"}
LABELS = {
    DRAFT: ("草稿", "补齐待补的内容，取得建设单位同意，送审"), REVIEWING: ("审核", "核对指标和来源，发布或退回"),
    PUBLISHED: ("发布", ""), RETIRED: ("退役", ""),
}  # fmt: skip
_FIGURE = re.compile(r"\d+(?:\.\d+)?")
_SENTENCE = re.compile(r"[。；;！!\n]")
_SOURCED = re.compile(r"来源|依据|据《|见《|证明|报告|台账|记录")


class CaseFile(Paper):
    """A case file. Its attributes are the columns of the case it becomes, and what its steps leave.

    ``measures`` is the text of ``graph.measures``. ``consent`` says that the owner agrees to what is written, and how.
    """

    kind = "case"
    label = "案例"

    title: Title = Field("", title="名称")
    task: Id = Field("", title="榜单编号")
    scene_id: Id = Field("", title="场景编号")
    achievement_id: Id = Field("", title="成果编号")
    owner: Text = Field("", title="建设单位")
    provider: Text = Field("", title="技术方")
    first_use: Flag = Field(None, title="首用首试")
    investment: Amount = Field(None, title="投入（万元）")
    period: Text = Field("", title="实施周期")
    summary: Text = Field("", title="背景与需求")
    approach: Text = Field("", title="做法")
    effect: Text = Field("", title="量化成效")
    measures: Measures = Field("", title="成效指标")
    replicable: Text = Field("", title="可复制条件")
    evidence: Text = Field("", title="证明材料")
    batch: Text = Field("", title="发布批次")
    field: Fields = Field((), title="产业领域")
    district: District = Field(None, title="所在区")
    keywords: Words = Field((), title="关键词")
    visibility: Seen = Field("public", title="可见范围")
    field_visibility: FieldVisibility = Field({}, title="字段可见范围")
    source: Text = Field("", title="来源")
    contact: Text = Field("", title="联系人")
    contact_phone: Text = Field("", title="联系方式")
    editor: Text = Field("", title="起草人")
    reviewer: Text = Field("", title="审核人")
    consent: Text = Field("", title="建设单位同意")
    consented_at: datetime | None = Field(None, title="同意时间")
    published_at: datetime | None = Field(None, title="发布时间")
    reason: Text = Field("", title="理由")

    @property
    def figures(self) -> tuple[Measure, ...]:
        """The measures one by one; none where a sheet's words cannot be read as such."""
        return measures_in(self.measures)


# What people write of a case: exactly the columns of its record but for the id, and the task it came from.
CONTENT = ("task", *(name for name in columns(Case) if name != "id"))
# What a case says when it is finished, in the order of the document; the rest may stay empty.
_NEEDED = (
    "title",
    "owner",
    "provider",
    "investment",
    "period",
    "summary",
    "approach",
    "replicable",
    "evidence",
)
_TO_REVIEW = ("title", "owner", "provider", "approach")


def case_of(file: CaseFile) -> Case:
    """The record that the file becomes when it is published."""
    return Case(id=file.id, **{name: getattr(file, name) for name in CONTENT if name != "task"})


def content_of(case: Case) -> dict[str, Any]:
    """What a record says, by attributes of a file."""
    return {name: getattr(case, name) for name in CONTENT if name != "task"}


def lacking(file: CaseFile) -> list[str]:
    """What is still 待补, in Chinese, in the order of the document."""
    missing = [_label(name) for name in _NEEDED if not getattr(file, name)]
    figures = file.figures
    if not any(one.is_measured for one in figures):
        missing.append("成效指标（至少一条前后都有实测值）")
    gaps = [one.name for one in figures if not (one.is_measured and one.source)]
    if gaps:
        more = f"等 {len(gaps)} 条" if len(gaps) > 2 else ""
        named = "".join(f"“{name}”" for name in gaps[:2])
        missing.append(f"成效指标{named}{more}的实测值或来源")
    if not file.consent:
        missing.append("建设单位同意")
    return missing


def _label(name: str) -> str:
    return CaseFile.model_fields[name].title or name


def _problem(code: str, message: str, remedy: str) -> Problem:
    return Problem(code=code, message=message, remedy=remedy)


def _told(*names: str) -> Any:
    """Only what belongs to a move is told with it."""

    def check(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
        others = sorted(_label(name) for name in values if name not in names)
        if not others:
            return None
        return _problem(
            "case_fixed", f"办理这一步不能同时改“{'、'.join(others)}”", "请先退回草稿，再修改内容"
        )

    return check


def _reasoned(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if clean_cell(values.get("reason", "")):
        return None
    return _problem("case_reason", "没有写理由", "请写明理由，它会记入历史")


def _consent_renewed(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """Consent is to what was written when it was given: whoever writes something else asks again."""
    changes = any(values[name] != getattr(file, name) for name in values if name in CONTENT)
    if not changes or not values.get("consent", file.consent):
        return None
    return _problem("case_consent", "内容改了，建设单位的同意要重新取得", "请在修改时一并清空建设单位同意")


def _consent_ended(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """What was published may have been put right by a sheet: a draft of it is agreed to anew."""
    if not values.get("consent", file.consent):
        return None
    return _problem("case_consent", "撤回修改后，建设单位的同意要重新取得", "请一并清空建设单位同意")


def _agreed(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if clean_cell(values.get("consent", "")) and values.get("consented_at") == to_the_second(at):
        return None
    return _problem(
        "case_consent", "没有写建设单位怎样同意", "请写单位、日期和依据，例如 某某公司 2026-03-01 同意函"
    )


def _complete_to_review(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    missing = [_label(name) for name in _TO_REVIEW if not getattr(file, name)]
    if not missing:
        return None
    return _problem("case_incomplete", f"{'、'.join(missing)}待补", "请先补填再送审")


def _complete(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    missing = [_label(name) for name in _NEEDED if not getattr(file, name)]
    if not missing:
        return None
    return _problem("case_incomplete", f"{'、'.join(missing)}待补", "请退回草稿补填后再发布")


def _measured(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    figures = file.figures
    if half := [one.name for one in figures if not one.is_measured]:
        return _problem(
            "case_measures", f"成效指标“{half[0]}”没有前后的实测值", "请补填，或去掉没有实测的指标"
        )
    if not figures:
        return _problem("case_measures", "没有一条前后都有实测值的成效指标", HOW)
    return None


def _sourced(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """No figure without a source: in the table each has its own, in the text it stands in the table or names one."""
    figures = file.figures
    if bare := [one.name for one in figures if not one.source]:
        return _problem("case_source", f"成效指标“{bare[0]}”没有写来源", "请写明数据来自哪份材料")
    known = {f"{figure:f}" for one in figures for figure in (one.before, one.after) if figure is not None}
    for sentence in _SENTENCE.split(file.effect):
        loose = [figure for figure in _FIGURE.findall(sentence) if figure not in known]
        if loose and not _SOURCED.search(sentence):
            message = f"量化成效里的“{sentence.strip()[:40]}”有数字，没有写来源"
            return _problem("case_source", message, "请在这一句写明来源，或把它列入成效指标")
    return None


def _consented(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if file.consent:
        return None
    return _problem("case_consent", "建设单位还没有同意公开", "请先办理“建设单位同意”")


def _checked_by_another(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    reviewer = clean_cell(values.get("reviewer", ""))
    if reviewer and reviewer != file.editor:
        return None
    message = "起草人不能审核自己起草的案例" if reviewer else "没有写审核人"
    return _problem("case_reviewer", message, "请由另一位同事审核发布")


def _published_now(file: Any, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if values.get("published_at") == to_the_second(at):
        return None
    return _problem("case_time", "发布时间不是现在", "请重新办理")


# Name, label, from, to, who may, what it is told, what it requires.
_MOVES: tuple[tuple[str, str, tuple[str, ...], str, tuple[str, ...], tuple[str, ...], tuple[Any, ...]], ...] = (
    ("amend", "修改", (DRAFT,), DRAFT, (EDITOR,), (*CONTENT, "editor", "consent", "consented_at"), (_consent_renewed,)),
    ("consent", "建设单位同意", (DRAFT,), DRAFT, (OWNER, EDITOR), ("consent", "consented_at"), (_agreed,)),
    ("submit", "送审", (DRAFT,), REVIEWING, (EDITOR,), (), (_complete_to_review,)),
    ("return", "退回", (REVIEWING,), DRAFT, (REVIEWER, EDITOR), ("reason",), (_reasoned,)),
    ("publish", "发布", (REVIEWING,), PUBLISHED, (REVIEWER,), ("reviewer", "published_at"),
     (_complete, _measured, _sourced, _consented, _checked_by_another, _published_now)),
    ("recall", "撤回修改", (PUBLISHED,), DRAFT, (REVIEWER,), ("reason", "consent", "consented_at"), (_reasoned, _consent_ended)),
    ("retire", "退役", (PUBLISHED,), RETIRED, (REVIEWER,), ("reason",), (_reasoned,)),
    ("discard", "作废", (DRAFT, REVIEWING), RETIRED, (EDITOR, REVIEWER), ("reason",), (_reasoned,)),
)  # fmt: skip


@cache
def case_rules() -> Rules:
    """The states of a case file with their clocks, and its moves."""
    days = json.loads(resource("policy", "cases.json").read_text(encoding="utf-8"))["days"]
    states = {
        name: State(
            name=name, label=label, duty=duty, final=name == RETIRED,
            clock=timedelta(days=days[name]) if name in days else None,
        )
        for name, (label, duty) in LABELS.items()
    }  # fmt: skip
    moves = {
        name: Move(
            name=name, label=label, sources=sources, target=target, roles=frozenset(roles),
            requires=(_told(*told), *requires),
        )
        for name, label, sources, target, roles, told, requires in _MOVES
    }  # fmt: skip
    return Rules(states=states, moves=moves)


def narrowest(*levels: Visibility) -> Visibility:
    """The narrowest of the visibilities; public for none."""
    order: tuple[Visibility, ...] = ("public", "partner", "staff")
    return max(levels, key=order.index, default="public")
