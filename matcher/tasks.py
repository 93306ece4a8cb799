"""Tasks (榜单): a problem posted with a bounty, from 需求登记 to 结题, in both directions as one kind of process.

技术需求榜: a scene seeks achievements; 成果转化榜: an achievement seeks scenes (珠府办函〔2025〕13号, measure 2: 为成果找场景、为
场景找成果). What its moves require is in ``task_requirements``, its clocks in data/policy/tasks.json.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from graph.problems import BadValue, Refused
from graph.processes import Move, Process, Rules, State
from graph.store.changes import Applied, Change
from graph.store.store import Store
from graph.values import Count, Id, Text, Title, Uscc, clean_cell
from matcher import task_requirements as need
from matcher.parties import Party
from matcher.process_values import Moment, Paper, Part, Points, Yuan
from matcher.task_policy import task_policy

Mode = Literal["demand", "offer"]
Selection = Literal["single", "race"]
TieRule = Literal["lower_amount", "earlier"]
Scoring = Literal["trimmed", "mean", "z"]
MODES: Mapping[Mode, str] = {"demand": "技术需求榜", "offer": "成果转化榜"}
SELECTIONS: Mapping[Selection, str] = {"single": "揭榜挂帅", "race": "竞争赛马"}
TIE_RULES: Mapping[TieRule, str] = {"lower_amount": "报价低者在前，再同则先投者在前", "earlier": "先投者在前"}
SCORINGS: Mapping[Scoring, str] = {
    "trimmed": "去掉一个最高分和一个最低分后平均", "mean": "平均", "z": "按专家标准化（z 分数）后平均",
}  # fmt: skip
_OTHER_WORDS = {"揭榜": "single", "赛马": "race", "需求榜": "demand", "成果榜": "offer", "报价低者": "lower_amount", "先投者": "earlier", "标准化": "z", "去掉最高最低分": "trimmed"}  # fmt: skip


def _one_of(choices: Mapping[Any, str]) -> BeforeValidator:
    def parse(value: object) -> str:
        text = clean_cell(value)
        for name, label in choices.items():
            if text in (name, label) or _OTHER_WORDS.get(text) == name:
                return str(name)
        known = "、".join(choices.values())
        raise BadValue("choice_unknown", f"不认识“{text[:30]}”", f"请从 {known} 中选一个")

    return BeforeValidator(parse)


def _criteria(value: object) -> object:
    """Criteria written as ``技术方案 40；报价 20``; anything else passes on."""
    if not isinstance(value, str):
        return value
    found = []
    for part in clean_cell(value).replace("，", "；").replace(";", "；").replace("\n", "；").split("；"):
        name, _, weight = part.strip().replace("：", " ").replace(":", " ").rpartition(" ")
        if part.strip() and not (name.strip() and weight.isdecimal()):
            raise BadValue("rubric_unreadable", f"看不懂评分项“{part[:30]}”", "请写成 技术方案 40；报价 20")
        if part.strip():
            found.append(Criterion(name=name.strip(), weight=int(weight)))
    return tuple(found)


class Criterion(Part):
    """One line of the rubric; all weights together are 100."""

    name: str
    weight: int


class Opinion(Part):
    """What an expert says of a need before it is posted."""

    expert: str
    agrees: bool
    text: str
    at: datetime


class Decision(Part):
    """What became of a valid bid: its points (0–100), its place from 1, what its bidder is told, whether it gave up.

    ``amount`` is what it asked for, in 元.
    """

    bid: str
    bidder: str
    points: Decimal
    rank: int
    won: bool
    reason: str
    abandoned: bool = False
    amount: int | None = None


class Milestone(Part):
    """A milestone of the contract: planned for, worth (元), done when; ``note``: the evidence."""

    name: str
    planned: datetime
    amount: int
    done_at: datetime | None = None
    note: str = ""


class Invitation(Part):
    """Whom we asked to answer: the party's key (or ``broker:`` and an id), its name, when."""

    key: str
    name: str
    at: datetime


class Task(Paper):
    """A task. ``bounty`` in 元; ``valid_bids`` and ``unsealed_at`` are there once bids have been opened."""

    kind = "task"
    label = "榜单"

    title: Title = Field("", title="榜单名称")
    mode: Annotated[Mode, _one_of(MODES)] = Field("demand", title="榜单类别")
    selection: Annotated[Selection, _one_of(SELECTIONS)] = Field("single", title="遴选方式")
    poster: Title = Field("", title="发榜单位")
    poster_uscc: Uscc = Field(None, title="发榜单位信用代码")
    problem: Text = Field("", title="技术难点")
    indicators: Text = Field("", title="技术指标")
    content: Text = Field("", title="研究内容")
    bounty: Yuan = Field(None, title="榜金（万元）")
    deadline: Moment = Field(None, title="投标截止")
    acceptance: Text = Field("", title="验收条件")
    notice_days: Count = Field(None, title="公示工作日")
    quota: Count = Field(None, title="每家在投上限")
    rubric: Annotated[tuple[Criterion, ...], BeforeValidator(_criteria)] = Field((), title="评分标准")
    experts: Count = Field(None, title="评审专家人数")
    panel_rule: Text = Field("", title="评审规则")
    scoring: Annotated[Scoring, _one_of(SCORINGS)] = Field("trimmed", title="计分办法")
    tie_rule: Annotated[TieRule, _one_of(TIE_RULES)] = Field("lower_amount", title="同分规则")
    reason: Text = Field("", title="理由")
    opinions: tuple[Opinion, ...] = Field((), title="论证意见")
    published_at: datetime | None = Field(None, title="发榜时间")
    unsealed_at: datetime | None = Field(None, title="开标时间")
    bids: int = Field(0, title="投标数")
    valid_bids: tuple[Id, ...] = Field((), title="有效投标")
    decisions: tuple[Decision, ...] = Field((), title="评审结果")
    milestones: tuple[Milestone, ...] = Field((), title="里程碑")
    delivered: bool = Field(False, title="履约完毕")
    points: Points = Field(None, title="绩效得分")
    grade: Text = Field("", title="绩效等级")
    report: Text = Field("", title="绩效报告")
    invited: tuple[Invitation, ...] = Field((), title="已邀请")
    # Codes, of those without one names, of organisations whose identity a person has looked into.
    cleared: tuple[Title, ...] = Field((), title="已核实的单位")

    @property
    def poster_party(self) -> Party:
        """Who posts it."""
        return Party(name=self.poster, uscc=self.poster_uscc)

    @property
    def winners(self) -> tuple[str, ...]:
        """The bids that won and did not give up, best first; empty until the award is in force."""
        ranked = sorted(self.decisions, key=lambda decision: decision.rank)
        return tuple(decision.bid for decision in ranked if decision.won and not decision.abandoned)

    @property
    def is_unsealed(self) -> bool:
        """Whether bids have been opened: until then nobody but its bidder sees anything of a bid."""
        return self.unsealed_at is not None


LABELS = {
    "registered": ("需求登记", "发榜单位写全需求，送论证"), "reviewing": ("论证", "专家写意见，主管人员发榜或驳回"),
    "published": ("发榜", "投标；截止后由主管人员开标"), "evaluating": ("评榜", "专家评审，主管人员拟定中选"),
    "awarded": ("定标", "公示，期满生效后签约"), "contracted": ("签约与里程碑", "按里程碑执行，逐项记录；赛马先开赛"),
    "assessed": ("绩效评价", "写绩效得分、等级和报告，结题"), "closed": ("结题", ""), "rejected": ("驳回", ""),
    "failed": ("流标", ""), "cancelled": ("取消", ""),
}  # fmt: skip
_FINAL = ("closed", "rejected", "failed", "cancelled")
_OPEN = tuple(name for name in LABELS if name not in _FINAL)
OFFICER, EXPERT, POSTER, SYSTEM = "officer", "expert", "poster", "system"
ROLES = {OFFICER: "主管人员", EXPERT: "专家", POSTER: "发榜单位", SYSTEM: "系统"}
# Moves that go together with bids, an award or an invitation and are made by the functions for those alone.
TOGETHER = frozenset({"receive", "invite", "evaluate", "void", "award", "decide", "reconsider", "abandon"})
# Name, label, from, to, who may, what it requires.
_MOVES: tuple[tuple[str, str, tuple[str, ...], str, tuple[str, ...], tuple[Any, ...]], ...] = (
    ("amend", "修改", ("registered",), "registered", (POSTER, OFFICER), (need.text_only,)),
    ("submit", "送论证", ("registered",), "reviewing", (POSTER, OFFICER), (need.stated, need.posted_by)),
    ("opine", "论证意见", ("reviewing",), "reviewing", (EXPERT,), (need.one_opinion,)),
    ("return", "退回修改", ("reviewing",), "registered", (OFFICER, EXPERT), (need.reasoned, need.no_opinions)),
    ("publish", "发榜", ("reviewing",), "published", (OFFICER,), need.PUBLISHABLE),
    ("extend", "延长截止", ("published",), "published", (OFFICER,), (need.reasoned, need.later_deadline)),
    ("invite", "主动邀请", ("published",), "published", (OFFICER, SYSTEM), (need.new_invitations,)),
    ("receive", "收到或撤回投标", ("published",), "published", (SYSTEM,), (need.before_deadline,)),
    ("clear", "核实单位", ("published", "evaluating", "awarded"), "", (OFFICER,), (need.reasoned, need.only_cleared)),
    ("evaluate", "开标评榜", ("published",), "evaluating", (OFFICER, SYSTEM), (need.after_deadline, need.some_valid)),
    ("void", "流标（无有效投标）", ("published",), "failed", (OFFICER, SYSTEM), (need.after_deadline, need.none_valid)),
    ("fail", "流标", ("evaluating",), "failed", (OFFICER,), (need.reasoned,)),
    ("award", "定标", ("evaluating",), "awarded", (OFFICER,), ()),
    ("decide", "定标生效", ("awarded",), "awarded", (OFFICER,), (need.undecided, need.all_decided, need.winners_counted)),
    ("reconsider", "退回重评", ("awarded",), "evaluating", (OFFICER,), (need.reasoned, need.decisions_withdrawn)),
    ("abandon", "放弃中榜", ("awarded", "contracted"), "", (SYSTEM,), (need.one_gives_up,)),
    ("sign", "签约", ("awarded",), "contracted", (OFFICER,), (need.in_force, need.milestones_fit)),
    ("record", "记里程碑", ("contracted",), "contracted", (OFFICER, POSTER), (need.milestone_recorded,)),
    ("assess", "转绩效评价", ("contracted",), "assessed", (OFFICER,), (need.all_delivered,)),
    ("close", "结题", ("assessed",), "closed", (OFFICER,), (need.assessed,)),
    ("reject", "驳回", ("registered", "reviewing"), "rejected", (OFFICER,), (need.reasoned,)),
    ("retract", "撤回需求", ("registered", "reviewing"), "cancelled", (POSTER,), (need.reasoned,)),
    ("cancel", "取消", _OPEN, "cancelled", (OFFICER,), (need.reasoned,)),
)  # fmt: skip
# What a move is told; everything else of the task stays as it was agreed before.
GIVEN: Mapping[str, tuple[str, ...]] = {
    "opine": ("opinions",), "return": ("opinions",), "publish": ("deadline", "published_at"), "extend": ("deadline",), "invite": ("invited",),
    "clear": ("cleared",), "evaluate": ("unsealed_at", "bids", "valid_bids"),
    "receive": ("bids",),
    "void": ("unsealed_at", "bids", "valid_bids"), "decide": ("decisions",), "abandon": ("decisions",), "reconsider": ("decisions", "valid_bids"),
    "sign": ("milestones",), "record": ("milestones",), "assess": ("delivered",), "close": ("points", "grade", "report"),
}  # fmt: skip


@cache
def task_rules() -> Rules:
    """The states of a task with their clocks, and its moves."""
    clocks = task_policy().clocks
    states = {
        name: State(
            name=name, label=label, duty=duty, final=name in _FINAL,
            clock=timedelta(days=clocks[name]) if name in clocks else None,
        )
        for name, (label, duty) in LABELS.items()
    }  # fmt: skip
    moves: dict[str, Move] = {}
    for name, label, sources, target, roles, requires in _MOVES:
        # What is only put right leaves the task where it is: one way for each state.
        for source in sources if not target else ("",):
            full = name if not source or source == sources[0] else f"{name}_{source}"
            moves[full] = Move(
                name=full, label=label, sources=(source,) if source else sources, target=target or source,
                roles=frozenset(roles), requires=(need.allowed(name, GIVEN), *requires),
            )  # fmt: skip
    return Rules(states=states, moves=moves)


def carry_out(
    store: Store, changes: Sequence[Change], *, actor: str, at: datetime, reason: str, since: int
) -> Applied:
    """Write the changes, or nothing if any record they name was changed after revision ``since``.

    Raises ``Refused`` (``plan_stale``): somebody was quicker.
    """
    try:
        return store.apply(changes, actor=actor, at=at, reason=reason, since=since)
    except Refused as refused:
        if refused.code != "plan_stale":
            raise
        message, remedy = (
            "刚刚有别人改动了同一记录，这次没有写入任何内容。",
            "请重新查看现在的情况，再决定是否办理。",
        )
        raise Refused("plan_stale", message, remedy) from refused


def next_id(kind: type[Process], store: Any, prefix: str, at: datetime) -> str:
    """The first number of the year that no process of the kind has had: ``BD-2026-001``."""
    start = f"{prefix}-{at.year}-"
    taken = [process.id for process in store.processes(kind, after=start) if process.id.startswith(start)]
    numbers = [int(id.removeprefix(start)) for id in taken if id.removeprefix(start).isdecimal()]
    return f"{start}{max(numbers, default=0) + 1:03d}"
