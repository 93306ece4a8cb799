"""The formal checks of a bid (形式审查): everything that can be told without judging its content, as problems.

By published calls: legal person, at most so many projects per applicant, no project that has already won (MIIT 2021),
consortium with its lead named (MIIT 2025); the rest by the house's reasoning.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from unicodedata import normalize

from graph.identifiers.uscc import parse_uscc
from graph.intake.organisations import organisation_key
from graph.problems import BadValue, Problem, Severity
from graph.store.snapshot import Snapshot
from graph.store.store import Store
from matcher.bids import Bid, Reply
from matcher.indicators import Answer, Indicator, answers, parse_indicators
from matcher.parties import Party
from matcher.process_values import in_china, in_wan, to_the_second
from matcher.register import Register
from matcher.tasks import Task

# Tasks in these states count towards the quota: a bid on them may still win.
_OPEN_TASKS = ("published", "evaluating", "awarded")
_COUNTING = ("submitted", "opened")
# 民法典 art. 54, 74, 102: sole traders, branches, partnerships and sole proprietorships are no legal persons.
_NO_PERSON = re.compile(r"分公司|分店|办事处|代表处|合伙|个体工商户|个人独资|经营部$|工作室$")
_SOLE_TRADER = "92"  # GB 32100: registered by 工商 (9) as 个体工商户 (2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proceedings:
    """All tasks and bids, and who is who, at one revision of a store. For the program: what people see of it goes
    through ``seen_bid``."""

    revision: int
    register: Register
    tasks: Mapping[str, Task]
    bids: tuple[Bid, ...]

    @classmethod
    def of(cls, store: Store | Snapshot) -> Self:
        """The proceedings of a store as it is now, all of one moment."""
        if isinstance(store, Store):
            with store.snapshot() as now:
                return cls.of(now)
        return cls(
            revision=store.revision, register=Register.of(store), bids=tuple(store.processes(Bid)),
            tasks={task.id: task for task in store.processes(Task)},
        )  # fmt: skip

    def of_task(self, task: str) -> list[Bid]:
        """The bids on a task, in the order of ids."""
        return [bid for bid in self.bids if bid.task == task]


def formal_problems(bid: Bid, task: Task, around: Proceedings, *, at: datetime) -> list[Problem]:
    """What stands against the bid, in the order of the form; errors refuse it, warnings are for a person to look at.

    ``at`` is when it is handed in (of one handed in before, ``submitted_at`` counts). Of other bidders nothing is told.
    """
    return [
        *_time(bid, task, at), *_who(bid), *_named_otherwise(bid, around.register), *_consortium(bid),
        *_own_task(bid, task, around.register),
        *_good_faith(bid, around.register), *_quota(bid, task, around), *_won_before(bid, around),
        *_content(bid, task), *_replies(bid, task),
    ]  # fmt: skip


def errors(problems: Sequence[Problem]) -> list[Problem]:
    """Those that refuse a bid."""
    return [problem for problem in problems if problem.severity == "error"]


def replied(bid: Bid, task: Task) -> list[tuple[Indicator, Reply | None, Answer]]:
    """Every measurable indicator of the task with the bid's reply and whether its figures suffice."""
    rows = []
    for indicator in parse_indicators(task.indicators):
        reply = reply_to(indicator, bid.replies)
        said = parse_indicators(reply.text) if reply else ()
        if reply and not answers([indicator], said)[0].offer:
            # A bare figure (7级) is of what was asked.
            said = parse_indicators(f"{indicator.name}{reply.text}")
        rows.append((indicator, reply, answers([indicator], said)[0]))
    return rows


def reply_to(indicator: Indicator, replies: Sequence[Reply]) -> Reply | None:
    """The reply that names the indicator: in the task's words, else by its name."""
    for wanted in (indicator.text, indicator.name):
        for reply in replies:
            if _plain(reply.indicator) == _plain(wanted) and reply.text:
                return reply
    return None


def _plain(text: str) -> str:
    return "".join(normalize("NFKC", text).split()).strip("。；;")


def _problem(code: str, message: str, remedy: str, severity: Severity = "error") -> Problem:
    return Problem(code=code, message=message, remedy=remedy, severity=severity)


def _time(bid: Bid, task: Task, at: datetime) -> Iterator[Problem]:
    came = to_the_second(bid.submitted_at or at)
    if bid.submitted_at is None and task.state != "published":
        yield _problem("bid_closed", f"榜单“{task.title}”现在不接受投标", "请查看榜单状态")
    elif task.deadline is None or came > task.deadline:
        remedy = "截止后不能投标；请留意下一次发榜"
        yield _problem("bid_late", f"投标时间 {in_china(came)} 晚于截止 {in_china(task.deadline)}", remedy)


def _who(bid: Bid) -> Iterator[Problem]:
    if not bid.bidder:
        yield _problem("bid_bidder", "没有填投标单位", "请填单位全称")
        return
    for party in bid.parties:
        yield from personhood(party, "投标单位" if party == bid.party else "联合体成员")


def _named_otherwise(bid: Bid, register: Register) -> Iterator[Problem]:
    """A code that is another's in the library: a firm renamed, or a code copied from the wrong licence."""
    for party in bid.parties if bid.bidder else ():
        known = [register.titles[key] for key in register.identify(party).nodes] if party.uscc else []
        if known and organisation_key(party.name) not in {organisation_key(name) for name in known}:
            message = f"信用代码 {party.uscc} 在库中是“{known[0]}”，这里写的是“{party.name}”"
            yield _problem("bid_name_differs", message, "请对照营业执照核对：是更名，还是代码抄错", "warning")


def _consortium(bid: Bid) -> Iterator[Problem]:
    if not bid.members:
        return
    leading = [member for member in bid.members if member.leads]
    if len(leading) != 1:
        message = f"联合体有 {len(leading)} 家牵头单位，应正好一家"
        yield _problem("bid_consortium_lead", message, "请只把一家写成牵头")
    elif leading[0].party.key != bid.party.key:
        message = f"牵头的是“{leading[0].name}”，投标单位却是“{bid.bidder}”"
        yield _problem("bid_consortium_lead", message, "请由牵头单位投标")
    keys = [member.party.key for member in bid.members]
    if len(set(keys)) != len(keys):
        yield _problem("bid_consortium_twice", "联合体里有一家写了两次", "请去掉重复的")
    if len(bid.members) == 1:
        yield _problem("bid_consortium_alone", "联合体只写了一家", "单独投标不用填联合体", "warning")


def _own_task(bid: Bid, task: Task, register: Register) -> Iterator[Problem]:
    """Nobody bids on its own task: neither the poster nor who controls it or is controlled by it."""
    poster, known = task.poster_party, True
    for party in bid.parties if task.poster else ():
        name, kinship = f"“{party.name}”", register.kinship(party, poster)
        known = known and bool(register.identify(register.completed(party)).nodes)
        if kinship == "same":
            yield _problem("bid_by_poster", f"{name}就是发榜单位“{task.poster}”", "发榜单位不能揭自己的榜")
        elif kinship in ("parent", "subsidiary"):
            how = "控股" if kinship == "parent" else "受控于"
            message = f"{name}{how}发榜单位“{task.poster}”"
            yield _problem("bid_by_group", message, "母公司、子公司不能揭榜，请由无关联的单位投标")
        elif kinship == "namesake" and (party.uscc or "") not in task.cleared:
            remedy = "如确系另一家单位，请主管人员核实后登记：jiebang task move 榜单编号 核实单位 --set 已核实的单位=信用代码 --reason 核实情况"
            yield _problem("bid_namesake", f"{name}与发榜单位同名（信用代码不同），需要核实", remedy)
        elif kinship == "group":
            message = f"{name}与发榜单位“{task.poster}”有共同的控股单位"
            yield _problem("bid_same_group", message, "请主管人员判断是否回避", "warning")
    if task.poster and not (known and register.identify(register.completed(poster)).nodes):
        message = "投标单位或发榜单位不在库中，两者的控股关系没有核对"
        yield _problem("bid_unresolved", message, "请导入两家单位及控股关系，或人工核对", "warning")


def _good_faith(bid: Bid, register: Register) -> Iterator[Problem]:
    flagged = [party.name for party in bid.parties if register.is_flagged(party)]
    if bid.dishonest is None:
        yield _problem(
            "bid_dishonest_unknown", "没有声明是否为失信被执行人", "请填 是 或 否；联合体任一家是，就填 是"
        )
    if bid.dishonest or flagged:
        names = "、".join(flagged) or bid.bidder
        yield _problem("bid_dishonest", f"“{names}”列为失信，不能投标", "信用修复后可参加以后的榜单")


def _quota(bid: Bid, task: Task, around: Proceedings) -> Iterator[Problem]:
    """At the opening those handed in earlier count, so that of two that came at once only the later is over."""
    if not task.quota:
        return
    came = (bid.submitted_at, bid.id) if bid.submitted_at else None
    others = [
        other
        for other in around.bids
        if other.party.key == bid.party.key
        and other.state in _COUNTING
        and other.task != task.id
        and (came is None or (other.submitted_at or other.opened_at, other.id) < came)
        and other.task in around.tasks
        and around.tasks[other.task].state in _OPEN_TASKS
    ]
    if len(others) >= task.quota:
        tasks = "、".join(sorted(other.task for other in others))
        message = f"“{bid.bidder}”在投 {len(others)} 个（{tasks}），每家最多 {task.quota} 个"
        yield _problem("bid_quota", message, "请先撤回一个，或等有结果后再投")


def _won_before(bid: Bid, around: Proceedings) -> Iterator[Problem]:
    won = [other for other in around.bids if other.party.key == bid.party.key and other.state == "won"]
    for name in bid.earlier:
        if name not in around.tasks:
            yield _problem("bid_earlier_unknown", f"没有编号为“{name}”的榜单", "请核对“曾中榜的榜单编号”")
        elif any(other.task == name for other in won):
            message = f"“{bid.bidder}”已在 {name} 中榜"
            yield _problem("bid_won_before", message, "已中榜的项目不能重复申报，请换项目")
    again = [other.task for other in won if bid.record and other.record == bid.record and other.id != bid.id]
    if again:
        message = f"所依据的“{bid.record}”已在 {'、'.join(again)} 中榜"
        yield _problem("bid_won_before", message, "已中榜的项目不能重复申报，请换项目")


def _content(bid: Bid, task: Task) -> Iterator[Problem]:
    for text, label in (
        (bid.scheme, "技术方案"),
        (bid.team, "团队与条件"),
        (bid.ip_statement, "知识产权声明"),
    ):
        if not text:
            remedy = "请写明知识产权归谁、有无纠纷" if label == "知识产权声明" else "请补填"
            yield _problem("bid_incomplete", f"没有填{label}", remedy)
    if bid.amount is None:
        yield _problem("bid_amount", "没有填申请金额", "请填万元数；不要经费填 0")
    elif task.bounty is not None and bid.amount > task.bounty:
        message = f"申请金额 {in_wan(bid.amount)} 超过榜金 {in_wan(task.bounty)}"
        yield _problem("bid_over_budget", message, "请降到榜金以内")


def _replies(bid: Bid, task: Task) -> Iterator[Problem]:
    for indicator, reply, answer in replied(bid, task):
        if reply is None:
            remedy = "请逐条应答：写出能做到的数值，做不到也要写明"
            yield _problem("bid_indicator", f"指标“{indicator.text}”没有应答", remedy)
        elif answer.verdict == "short":
            message = f"指标“{indicator.text}”应答为“{reply.text}”，没有达到"
            yield _problem("bid_indicator_short", message, "不影响形式审查，但会影响评分", "warning")


def personhood(party: Party, called: str) -> Iterator[Problem]:
    """What speaks against the party's being a legal person with a valid code; ``called`` is its part (牵头单位 …)."""
    name = f"{called}“{party.name}”"
    if not party.uscc:
        yield Problem(
            code="bid_uscc_missing", message=f"{name}没有填统一社会信用代码", remedy="请对照营业执照或法人证书补填 18 位代码"
        )  # fmt: skip
    else:
        try:
            parse_uscc(party.uscc)
        except BadValue as bad:
            yield Problem(code="bid_uscc", message=f"{name}：{bad.message}", remedy=bad.remedy)
    if (party.uscc or "").startswith(_SOLE_TRADER) or _NO_PERSON.search(party.name):
        yield Problem(
            code="bid_not_legal_person",
            message=f"{name}不是独立法人（个体工商户、分支机构、合伙企业等）",
            remedy="请由具有法人资格的单位投标，例如总公司或依托单位",
        )
