"""Whether a task is written so that it can be answered and accepted: findings, each with what to write instead.

Halo found that requests fail because their requirements are unclear; so the text is looked at before it is posted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from graph.kinds import Achievement, Node, Scene
from graph.problems import Problem, Severity
from graph.values import clean_cell
from matcher.engine import UNSAVED, Engine
from matcher.indicator_sense import impossible
from matcher.indicators import Indicator, parse_indicators
from matcher.process_values import WAN, in_china, in_wan
from matcher.ranking import COUNTERPARTS
from matcher.task_policy import TaskPolicy, task_policy
from matcher.task_requirements import notice_fault, panel_fault, rubric_fault
from matcher.tasks import MODES, SCORINGS, SELECTIONS, TIE_RULES, Task

# As far down the ranking as answers are counted; further down none was of level 3 in any measured list.
_LOOKED_AT = 200
_CLAUSES = re.compile(r"[；;。\n]")
_TEXTS = ("title", "problem", "indicators", "content", "acceptance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerable:
    """How many records of the library could answer a task (level ``least`` or better), of how many looked at."""

    count: int
    looked_at: int
    least: int
    what: str


def check_task(task: Task, *, at: datetime, answerable: Answerable | None = None) -> list[Problem]:
    """The findings in the order of the form; ``column`` names the field. Errors stand in the way of 发榜, warnings do not.

    ``answerable`` None: the library was not asked.
    """
    policy = task_policy()
    return [
        *_problem(task, policy), *_indicators(task), *_vague(task, policy), *_money_and_time(task, policy, at),
        *_rules(task), *_answers(answerable),
    ]  # fmt: skip


def subject_of(engine: Engine, task: Task) -> Node | None:
    """What the ranking is asked for: the stored scene or achievement, else a written one from the task's texts.

    None where a 成果转化榜 names no stored achievement and says nothing.
    """
    for kind, id in task.about:
        if kind in COUNTERPARTS and (node := engine.store.get(kind, id)):
            return node
    if not (task.title or task.problem):
        return None
    if task.mode == "offer":
        return Achievement(
            id=UNSAVED, title=task.title or task.problem[:60], summary=task.problem, indicators=task.indicators,
            applications=task.content, owner=task.poster,
        )  # fmt: skip
    return Scene(
        id=UNSAVED, title=task.title or task.problem[:60], problem=task.problem, indicators=task.indicators,
        wanted=task.content, owner=task.poster, budget=_budget(task.bounty),
    )  # fmt: skip


def answerable(engine: Engine, task: Task, *, today: date) -> Answerable | None:
    """How many achievements (scenes, for a 成果转化榜) the ranking puts at the policy's level or above."""
    subject = subject_of(engine, task)
    if subject is None:
        return None
    matches = engine.match(subject, top=_LOOKED_AT, today=today)
    least = task_policy().answer_level
    return Answerable(
        count=sum(match.level >= least for match in matches), looked_at=len(matches), least=least,
        what="成果" if subject.kind == "scene" else "场景",
    )  # fmt: skip


def _budget(bounty: int | None) -> tuple[float, float] | None:
    return None if bounty is None else (0.0, float(Decimal(bounty) / WAN))


def _finding(column: str, code: str, message: str, remedy: str, severity: Severity = "error") -> Problem:
    return Problem(code=code, message=message, remedy=remedy, severity=severity, column=column)


def _problem(task: Task, policy: TaskPolicy) -> Iterator[Problem]:
    if not task.title:
        yield _finding(
            "榜单名称", "task_title", "没有写榜单名称", "写清对象和用途，例如“海岛应急物资无人机投送”"
        )
    if not task.problem:
        remedy = "写明现在怎么做、卡在哪里、试过什么为什么不行"
        yield _finding("技术难点", "task_problem", "没有写技术难点", remedy)
    elif len(task.problem) < policy.least_problem:
        message = f"技术难点只有 {len(task.problem)} 个字，对方看不出难在哪里"
        yield _finding("技术难点", "task_problem_short", message, "补写工况、现有做法和它的不足", "warning")
    if not task.content:
        remedy = "写明要对方做什么、交付什么，例如“整机 2 套、航线规划和三个月伴飞”"
        yield _finding("研究内容", "task_content", "没有写研究内容", remedy, "warning")


def _indicators(task: Task) -> Iterator[Problem]:
    column = "技术指标"
    clauses = [clause for part in _CLAUSES.split(task.indicators) if (clause := clean_cell(part))]
    if not any(map(parse_indicators, clauses)):
        remedy = "逐条写 名称、比较符、数值、单位，用分号隔开，例如“航程≥30km；抗风等级≥7级”"
        yield _finding(column, "task_indicators", "没有一条可以测量的指标", remedy)
        return
    for clause in clauses:
        found = parse_indicators(clause)
        if not found:
            remedy = "改成 名称、比较符、数值、单位；说不清数值的放进研究内容"
            yield _finding(
                column, "indicator_not_measurable", f"“{clause[:40]}”没有可测量的数值", remedy, "warning"
            )
        for indicator in found:
            yield from _of_indicator(column, indicator, is_offer=task.mode == "offer")
    yield from impossible(parse_indicators(task.indicators))


def _of_indicator(column: str, indicator: Indicator, *, is_offer: bool) -> Iterator[Problem]:
    quoted = f"“{indicator.text[:40]}”"
    if not is_offer and indicator.operator == "equal" and indicator.low == indicator.high:
        example = re.sub(r"[=:为]?(?=\d)", "≥", indicator.text, count=1)
        remedy = f"写明是下限还是上限，例如“{example[:40]}”或把≥换成≤"
        yield _finding(
            column, "indicator_without_direction", f"{quoted}没有写大于还是小于", remedy, "warning"
        )
    if not indicator.unit:
        remedy = f"补写单位，例如“{indicator.name}…%”“…次”；没有量纲的可写“1”"
        yield _finding(column, "indicator_without_unit", f"{quoted}没有单位", remedy, "warning")


def _vague(task: Task, policy: TaskPolicy) -> Iterator[Problem]:
    """One finding per field and word: a vague word cannot be accepted against."""
    for name in _TEXTS:
        text, column = getattr(task, name), Task.model_fields[name].title or name
        for word, instead in policy.vague_words.items():
            if (place := text.find(word)) >= 0:
                quoted = text[max(0, place - 6) : place + len(word) + 6].replace("\n", " ")
                yield _finding(column, "vague_word", f"“…{quoted}…”里的“{word}”无法验收", instead, "warning")


def _money_and_time(task: Task, policy: TaskPolicy, at: datetime) -> Iterator[Problem]:
    if task.bounty is None or (task.bounty == 0 and task.mode == "demand"):
        free = "；不付经费写 0" if task.mode == "offer" else ""
        yield _finding("榜金（万元）", "task_bounty", "没有写榜金", f"写最高支付多少万元，例如 300{free}")
    if task.deadline is None:
        yield _finding("投标截止", "task_deadline", "没有写投标截止", "写日期和时间，例如 2026-09-30 17:00")
    elif task.deadline <= at:
        message = f"投标截止 {in_china(task.deadline)} 已过"
        yield _finding("投标截止", "task_deadline", message, "改为今后的时间")
    elif (days := (task.deadline - at).days) < policy.least_days_open:
        remedy = f"宜留 {policy.least_days_open} 日以上，否则来不及准备方案"
        yield _finding("投标截止", "task_deadline_soon", f"离投标截止只有 {days} 日", remedy, "warning")
    if not task.acceptance:
        yield _finding(
            "验收条件", "task_acceptance", "没有写验收条件", "写明由谁检测、达到哪些指标、交付什么"
        )


def _rules(task: Task) -> Iterator[Problem]:
    if not task.poster:
        yield _finding("发榜单位", "task_poster", "没有写发榜单位", "补填单位全称")
    elif not task.poster_uscc:
        remedy = "补填 18 位统一社会信用代码，用来查投标人是否与发榜单位有关联；不填，评审和定标会停下等核实"
        yield _finding("发榜单位信用代码", "task_poster_uscc", "没有发榜单位的信用代码", remedy, "warning")
    if fault := rubric_fault(task.rubric):
        yield _finding(
            "评分标准", "task_rubric", fault, "改成合计 100，各项不重名，例如 技术方案 60；报价 40"
        )
    if fault := panel_fault(task.experts):
        yield _finding("评审专家人数", "task_panel", fault, "写单数，例如 5")
    if fault := notice_fault(task.notice_days):
        yield _finding("公示工作日", "task_notice", fault, "例如 5")


def _answers(found: Answerable | None) -> Iterator[Problem]:
    if found is None or found.count >= 3:
        return
    level = {3: "较强相关", 4: "强相关", 2: "弱相关", 1: "无相关"}[found.least]
    message = (
        f"库里能回应的{found.what}只有 {found.count} 项（等级在{level}以上，看了前 {found.looked_at} 项）"
    )
    remedy = (
        "把指标分成必须达到和希望达到两类，或分成几个榜；并主动邀请库外单位"
        if found.count
        else "核对技术难点和指标是否写得太窄、用词是否与同行一致；也可先向库外征集"
    )
    yield _finding("技术指标", "few_answers", message, remedy, "warning")


def told(task: Task) -> list[tuple[str, str]]:
    """The fields of a task with what they say, for people; empty ones are left out."""
    said = {
        "mode": MODES[task.mode], "selection": SELECTIONS[task.selection], "tie_rule": TIE_RULES[task.tie_rule],
        "scoring": SCORINGS[task.scoring],
        "bounty": in_wan(task.bounty), "deadline": in_china(task.deadline), "published_at": in_china(task.published_at),
        "unsealed_at": in_china(task.unsealed_at),
        "rubric": "；".join(f"{criterion.name} {criterion.weight}" for criterion in task.rubric),
    }  # fmt: skip
    plain = ("title", "poster", "poster_uscc", "problem", "indicators", "content", "acceptance", "notice_days",
             "quota", "experts", "panel_rule", "reason", "points", "grade", "report")  # fmt: skip
    rows = []
    for name, about in Task.model_fields.items():
        text = said.get(name) or (clean_cell(getattr(task, name)) if name in plain else "")
        if text and about.title:
            rows.append((about.title.removesuffix("（万元）"), text))
    return rows
