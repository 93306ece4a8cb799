"""What goes over the wire of tasks (榜单), bids (投标), races (赛马) and assignments (统筹对接). Money is whole 元."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from api.wire import FieldProblem, Given, JobState, Level, MoveShown, Note, PairAsked, RecordId, Sent, Short
from graph.problems import BadValue
from graph.values import TEXT_LIMIT, TITLE_LIMIT


def _to_the_second(moment: datetime) -> datetime:
    if not 1900 <= moment.year < 3000:
        raise BadValue("date_not_real", f"年份 {moment.year} 不合常理", "请核对年月日")
    return moment.astimezone(UTC).replace(microsecond=0)


Title = Annotated[str, Field(max_length=TITLE_LIMIT)]
Text = Annotated[str, Field(max_length=TEXT_LIMIT)]
Name = Annotated[str, Field(max_length=60)]
Code = Annotated[str, Field(max_length=30, description="18 位统一社会信用代码")]
Money = Annotated[int, Field(ge=0, le=10**13, description="元")]
Points = Annotated[float, Field(ge=0, le=100, description="0 到 100，最多两位小数")]
Count = Annotated[int, Field(ge=0, le=9999)]
Moment = Annotated[AwareDatetime, AfterValidator(_to_the_second), Field(description="须写时区")]
TaskMode = Literal["demand", "offer"]
TaskSelection = Literal["single", "race"]
TieRule = Literal["lower_amount", "earlier"]
Scoring = Literal["trimmed", "mean", "z"]
TaskState = Literal[
    "registered", "reviewing", "published", "evaluating", "awarded", "contracted", "assessed", "closed", "rejected",
    "failed", "cancelled",
]  # fmt: skip
TaskMove = Literal[
    "submit", "opine", "return", "publish", "extend", "clear", "fail", "sign", "record", "assess", "close",
    "reject", "retract", "cancel",
]  # fmt: skip
BidState = Literal["submitted", "withdrawn", "opened", "invalid", "won", "lost", "abandoned"]
RaceState = Literal["running", "finished", "failed", "cancelled"]
Verdict = Literal["met", "short", "silent"]


class CriterionSent(Sent):
    """One line of the rubric; all weights together are 100."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    weight: Annotated[int, Field(ge=0, le=100)]


class TaskPatch(Sent):
    """Attributes of a task; those not named stay as they are, null empties one."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"indicators": "航程≥30km；抗风等级≥7级", "deadline": "2099-09-30T15:59:59Z"},
    ]})  # fmt: skip

    title: Annotated[Title | None, Field(description="榜单名称：写清对象和用途")] = None
    mode: Annotated[TaskMode | None, Field(description="demand 技术需求榜，offer 成果转化榜")] = None
    selection: Annotated[
        TaskSelection | None,
        Field(description="single 揭榜挂帅（选一家），race 竞争赛马（几家并行，分关淘汰）"),
    ] = None
    poster: Annotated[Title | None, Field(description="发榜单位全称")] = None
    poster_uscc: Annotated[Code | None, Field(description="发榜单位的统一社会信用代码")] = None
    problem: Annotated[
        Text | None, Field(description="技术难点：现在怎么做、卡在哪里、试过什么为什么不行")
    ] = None
    indicators: Annotated[
        Text | None,
        Field(description="逐条写 名称、比较符、数值、单位，用分号隔开，如 航程≥30km；抗风等级≥7级"),
    ] = None
    content: Annotated[Text | None, Field(description="研究内容：要对方做什么、交付什么")] = None
    bounty: Annotated[Money | None, Field(description="榜金：最高支付多少，元")] = None
    deadline: Annotated[Moment | None, Field(description="投标截止，精确到秒")] = None
    acceptance: Annotated[Text | None, Field(description="验收条件：由谁检测、达到哪些指标、交付什么")] = None
    notice_days: Annotated[Count | None, Field(description="定标后公示几个工作日")] = None
    quota: Annotated[Count | None, Field(description="每家同时在投的榜单上限")] = None
    rubric: Annotated[list[CriterionSent] | None, Field(max_length=30, description="评分标准")] = None
    experts: Annotated[Count | None, Field(description="评审专家人数，单数")] = None
    panel_rule: Annotated[Text | None, Field(description="评审规则")] = None
    tie_rule: Annotated[
        TieRule | None, Field(description="同分时：lower_amount 报价低者在前，earlier 先投者在前")
    ] = None
    scoring: Annotated[
        Scoring | None,
        Field(description="计分：trimmed 去掉一个最高分和一个最低分后平均，mean 平均，z 按专家标准化后平均"),
    ] = None


class TaskSent(TaskPatch):
    """A task; with ``scene`` or ``achievement`` its draft is made of that record, and what else is named goes before."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"scene": "CJ-101", "deadline": "2099-09-30T15:59:59Z", "bounty": 3000000},
    ]})  # fmt: skip

    scene: Annotated[Short, Field(description="由这个场景生成技术需求榜")] = ""
    achievement: Annotated[Short, Field(description="由这项成果生成成果转化榜")] = ""


class TaskChecked(Given):
    """The findings on a task's text; ``answerable``: how many records of the library could answer it."""

    ready: bool
    problems: list[FieldProblem]
    answerable: int | None
    looked_at: int | None


class MilestoneSent(Sent):
    """A milestone of the contract and what is paid at it."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    planned: Moment
    amount: Money


class TaskMoveValues(Sent):
    """What a move is made with; each move takes its own of these."""

    reason: Annotated[Note, Field(description="理由：退回、驳回、延期、取消等必须写")] = ""
    expert: Annotated[str, Field(max_length=60, description="opine：专家姓名")] = ""
    agrees: Annotated[bool, Field(description="opine：是否同意")] = True
    opinion: Annotated[Note, Field(description="opine：论证意见")] = ""
    deadline: Annotated[Moment | None, Field(description="publish、extend：投标截止")] = None
    cleared: Annotated[Code, Field(description="clear：已核实的同名单位")] = ""
    milestones: Annotated[Sequence[MilestoneSent], Field(max_length=100, description="sign：里程碑")] = ()
    done: Annotated[str, Field(max_length=100, description="record：完成的里程碑")] = ""
    evidence: Annotated[Note, Field(description="record：证明材料")] = ""
    points: Annotated[Points | None, Field(description="close：绩效得分")] = None
    grade: Annotated[Literal["", "优秀", "良好", "合格", "不合格"], Field(description="close：绩效等级")] = ""
    report: Annotated[Text, Field(description="close：绩效报告")] = ""


class TaskMoveSent(Sent):
    """A move of a task and what it is made with."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"move": "submit"}, {"move": "opine", "values": {"expert": "程某", "agrees": True, "opinion": "需求真实"}},
    ]})  # fmt: skip

    move: TaskMove
    values: TaskMoveValues = Field(default_factory=TaskMoveValues)


class CriterionShown(Given):
    """One line of the rubric."""

    name: str
    weight: int


class OpinionShown(Given):
    """What an expert said before the task was posted; who said it is for staff."""

    expert: str
    agrees: bool
    text: str
    at: AwareDatetime


class DecisionShown(Given):
    """What became of a valid bid: points, place from 1, and what its bidder is told."""

    bid: str
    bidder: str
    points: float
    rank: int
    won: bool
    abandoned: bool
    reason: str
    amount: int | None


class MilestoneShown(Given):
    """A milestone: planned for, worth, done when, by which evidence."""

    name: str
    planned: AwareDatetime
    amount: int
    done_at: AwareDatetime | None
    note: str


class InvitedShown(Given):
    """Whom we asked to answer."""

    key: str
    name: str
    at: AwareDatetime


class TaskInside(Given):
    """What staff and the poster see of a task beside what is posted; ``moves`` are those that lead on from here."""

    duty: str
    reason: str
    moved_at: AwareDatetime | None
    due: AwareDatetime | None
    late: bool
    opinions: list[OpinionShown]
    decisions: list[DecisionShown]
    milestones: list[MilestoneShown]
    report: str
    valid_bids: list[str]
    invited: list[InvitedShown]
    cleared: list[str]
    moves: list[MoveShown]


class TaskShown(Given):
    """A task as posted; ``bids`` is null until they have been opened, ``inside`` for all but staff and the poster."""

    id: str
    title: str
    mode: TaskMode
    mode_label: str
    selection: TaskSelection
    selection_label: str
    state: TaskState
    state_label: str
    own: bool
    poster: str
    poster_uscc: str | None
    scene: str
    achievement: str
    problem: str
    indicators: str
    content: str
    bounty: int | None
    deadline: AwareDatetime | None
    acceptance: str
    notice_days: int | None
    quota: int | None
    rubric: list[CriterionShown]
    experts: int | None
    panel_rule: str
    tie_rule: TieRule
    scoring: Scoring
    published_at: AwareDatetime | None
    unsealed_at: AwareDatetime | None
    bids: int | None
    winners: list[str]
    points: float | None
    grade: str
    inside: TaskInside | None


class TaskPage(Given):
    """Tasks by id: those that were posted, and the caller's own."""

    items: list[TaskShown]
    next: str | None


class ProposalShown(Given):
    """Whom to invite, through which record, why."""

    key: str
    name: str
    what: str
    through: str
    level: Level
    reason: str
    notes: list[str]


class Proposals(Given):
    """Whom to invite: teams, best first, then brokers; nobody who was asked before."""

    items: list[ProposalShown]


class InvitationsSent(Sent):
    """Whom we have asked: keys of proposals; none named means all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"top": 5}]})

    keys: Annotated[Sequence[RecordId], Field(max_length=100)] = ()
    top: Annotated[int | None, Field(ge=1, le=100, description="最多几家团队；不写按参数")] = None


class ReplySent(Sent):
    """What a bid says to one indicator, named as the task words it."""

    indicator: Annotated[str, Field(min_length=1, max_length=500)]
    text: Annotated[str, Field(max_length=2000)]
    evidence: Note = ""


class MemberSent(Sent):
    """One organisation of a consortium; exactly one leads, and it is the bidder."""

    name: Annotated[str, Field(min_length=1, max_length=TITLE_LIMIT)]
    uscc: Code = ""
    leads: bool = False


class BidSent(Sent):
    """A bid of an organisation that the key may bid for. Of one that is replaced what is not named stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "bidder": "云岬航空科技有限公司", "bidder_uscc": "91440400MA00000157", "title": "复合翼无人机", "scheme": "复合翼垂直起降",
        "team": "工程师十人", "amount": 2000000, "ip_statement": "自有专利，无纠纷", "dishonest": False,
        "replies": [{"indicator": "航程≥30km", "text": "45km", "evidence": "检测报告"}],
    }]})  # fmt: skip

    bidder: Annotated[Title, Field(description="投标单位全称；联合体填牵头单位")]
    bidder_uscc: Code
    members: Annotated[Sequence[MemberSent], Field(max_length=30, description="联合体")] = ()
    representative: Annotated[Name, Field(description="法定代表人")] = ""
    people: Annotated[Sequence[Name], Field(max_length=100, description="主要成员")] = ()
    brokers: Annotated[Sequence[Name], Field(max_length=30, description="委托的技术经纪人")] = ()
    avoids: Annotated[Sequence[Name], Field(max_length=30, description="申请回避的专家")] = ()
    title: Title = ""
    scheme: Annotated[Text, Field(description="技术方案")] = ""
    team: Annotated[Text, Field(description="团队与条件")] = ""
    amount: Annotated[Money | None, Field(description="申请金额，元，不超过榜金")] = None
    replies: Annotated[Sequence[ReplySent], Field(max_length=200, description="逐条应答指标")] = ()
    ip_statement: Annotated[Text, Field(description="知识产权声明")] = ""
    record: Annotated[Short, Field(description="所依据的成果（成果转化榜：场景）编号")] = ""
    earlier: Annotated[Sequence[RecordId], Field(max_length=50, description="本项目曾中榜的榜单编号")] = ()
    dishonest: Annotated[bool | None, Field(description="是否失信被执行人；联合体任一家是就填 true")] = None


class BidMoveSent(Sent):
    """Withdraw a bid before the deadline, or give up in writing what was won."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"move": "withdraw", "reason": "方案有变"}]})

    move: Literal["withdraw", "abandon"]
    reason: Note = ""


class MemberShown(Given):
    """One organisation of a consortium."""

    name: str
    uscc: str | None
    leads: bool


class ReplyShown(Given):
    """One indicator of the task, what the bid says to it, and whether its figures suffice."""

    indicator: str
    reply: str | None
    evidence: str
    verdict: Verdict


class BidShown(Given):
    """A bid as its bidder sees it at any time, and staff and the poster once bids have been opened."""

    id: str
    task: str
    own: bool
    state: BidState
    state_label: str
    bidder: str
    bidder_uscc: str | None
    members: list[MemberShown]
    representative: str
    people: list[str]
    brokers: list[str]
    avoids: list[str]
    title: str
    scheme: str
    team: str
    amount: int | None
    replies: list[ReplyShown]
    ip_statement: str
    record: str
    earlier: list[str]
    dishonest: bool | None
    submitted_at: AwareDatetime | None
    deadline: AwareDatetime | None
    faults: list[str]
    reason: str
    decision: DecisionShown | None


class BidPage(Given):
    """Bids that the caller may see; ``count`` is null until bids have been opened, for staff never."""

    count: int | None
    items: list[BidShown]
    next: str | None


class BidReceived(BidShown):
    """A bid as it was taken in; warnings are for a person to look at."""

    replaced: bool
    problems: list[FieldProblem]


class BidChecked(Given):
    """What the formal check says; nothing was handed in."""

    acceptable: bool
    replaces: bool
    problems: list[FieldProblem]


class OpenedBid(BidShown):
    """A bid as it was opened, with what to mind."""

    notes: list[FieldProblem]


class Opened(Given):
    """A task whose bids are open, those that were handed in by time."""

    task: TaskShown
    bids: list[OpenedBid]


class FitShown(Given):
    """How well a bid fits its task by the one ranking, and indicator by indicator; ``on`` says what was compared."""

    bid: str
    on: str
    score: float | None
    level: Level | None
    level_label: str | None
    reason: str
    replies: list[ReplyShown]


class GateSent(Sent):
    """A gate: from ``date`` on every team is judged; pass by ``threshold`` points or as one of the ``best``."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    date: Moment
    evidence: Annotated[Note, Field(min_length=1, description="要交的证据")]
    tranche: Annotated[Money, Field(description="过关的每队拨付多少，元")]
    threshold: Annotated[Points | None, Field(description="多少分以上过关；与 best 写一个")] = None
    best: Annotated[int | None, Field(ge=1, le=99, description="前几名过关；与 threshold 写一个")] = None


class RaceSent(Sent):
    """The gates of a race, the earliest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"gates": [
        {"name": "样机", "date": "2099-12-31T15:59:59Z", "evidence": "检测报告", "tranche": 500000, "threshold": 60},
    ]}]})  # fmt: skip

    gates: Annotated[list[GateSent], Field(min_length=1, max_length=30)]


class TeamJudged(Sent):
    """A team's points at a gate and its evidence; without evidence it does not pass."""

    team: Annotated[RecordId, Field(description="团队：中榜投标的编号")]
    points: Points
    evidence: Note = ""
    reason: Note = ""


class GateMoveSent(Sent):
    """The next gate is judged (``teams``), or put off for all alike (``extend_to`` and ``reason``)."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"extend_to": "2099-12-31T15:59:59Z", "reason": "台风"},
    ]})  # fmt: skip

    teams: Annotated[Sequence[TeamJudged], Field(max_length=30)] = ()
    extend_to: Moment | None = None
    reason: Note = ""


class LeaveSent(Sent):
    """A team leaves the race; ``refund`` of what it was paid is for staff to say."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"team": "BD-2026-001-0123456789ab", "reason": "人员变动"}]})  # fmt: skip

    team: RecordId
    reason: Note = ""
    refund: Annotated[Money, Field(description="退还已拨付的多少，元")] = 0


class TeamShown(Given):
    """A team and what it has been paid and not paid back."""

    team: str
    name: str
    state: Literal["running", "cut", "left", "finished"]
    state_label: str
    paid: int
    won: bool


class GateShown(Given):
    """A gate and its rule in words."""

    name: str
    date: AwareDatetime
    evidence: str
    tranche: int
    rule: str
    extensions: int
    judged: bool


class GateResult(Given):
    """How a team came through a gate (from 1)."""

    gate: int
    team: str
    points: float
    rank: int
    passed: bool
    evidence: str
    reason: str


class LedgerEntry(Given):
    """One entry of the ledger."""

    entry: Literal["reserve", "release", "return", "refund"]
    label: str
    amount: int
    at: AwareDatetime
    team: str
    gate: int
    note: str


class BalanceShown(Given):
    """Where the money is: released + returned + reserved = budget."""

    budget: int
    reserved: int
    released: int
    returned: int


class RaceShown(Given):
    """A race. A team sees itself alone: ``balance`` is null for it, and teams, results and ledger are its own."""

    task: str
    state: RaceState
    state_label: str
    teams: list[TeamShown]
    gates: list[GateShown]
    results: list[GateResult]
    ledger: list[LedgerEntry]
    balance: BalanceShown | None
    reason: str


class CapacitySent(Sent):
    """How many partners one record must and may get."""

    id: RecordId
    least: Count = 0
    most: Count = 1


class AssignmentSent(Sent):
    """What is to be assigned and the rules; nothing named means everything that the caller may see and is open."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"achievement_most": 2, "forbidden": [{"scene": "CJ-101", "achievement": "CG-102"}]},
    ]})  # fmt: skip

    scenes: Annotated[Sequence[RecordId], Field(max_length=5000)] = ()
    achievements: Annotated[Sequence[RecordId], Field(max_length=20_000)] = ()
    rule: Annotated[
        Literal["best", "stable", "given"],
        Field(description="best 合计最好；stable 没有一对想撇开方案另配；given 只核对 pairs 里手工排的方案"),
    ] = "best"
    pairs: Annotated[Sequence[PairAsked], Field(max_length=10_000, description="given：手工排的方案")] = ()
    scene_most: Annotated[int, Field(ge=1, le=9999, description="每个场景最多几项成果")] = 1
    achievement_most: Annotated[int, Field(ge=1, le=9999, description="每项成果最多几个场景")] = 1
    scene_capacities: Annotated[Sequence[CapacitySent], Field(max_length=5000)] = ()
    achievement_capacities: Annotated[Sequence[CapacitySent], Field(max_length=20_000)] = ()
    forced: Annotated[Sequence[PairAsked], Field(max_length=5000, description="必须对接")] = ()
    forbidden: Annotated[Sequence[PairAsked], Field(max_length=20_000, description="禁止对接")] = ()
    least_level: Annotated[Level, Field(description="最低要求：等级")] = 3
    least_points: Annotated[
        float | None, Field(ge=-10_000, le=10_000, description="最低要求：得分；写了就不看等级")
    ] = None
    per_district: Annotated[int | None, Field(ge=1, le=9999, description="同一区的成果最多排几对")] = None
    per_field: Annotated[int | None, Field(ge=1, le=9999, description="同一产业领域的成果最多排几对")] = None
    fair: Annotated[bool, Field(description="公平保底：有较强相关成果可选的场景都要得到一项")] = False


class AssignedPair(Given):
    """A pair of a plan: ``fit`` is the probability of 较强相关 or better."""

    scene: str
    scene_title: str
    achievement: str
    achievement_title: str
    fit: float
    points: float
    level: int
    level_label: str
    forced: bool


class LeftScene(Given):
    """A scene without an achievement, and why."""

    scene: str
    title: str
    why: Literal["closed", "no_candidate", "below_minimum", "forbidden", "taken", "group_full", "free"]
    message: str
    achievements: list[str]


class PairNamed(Given):
    """A pair by its ids."""

    scene: str
    achievement: str


class PlanShown(Given):
    """A plan: ``total`` good introductions are expected, no plan under the rules gives more than ``bound``.

    Of a plan made by hand ``broken`` are the rules it breaks; ``blocking`` are the pairs both sides of which would rather
    have each other than what the plan gives them.
    """

    rule: Literal["best", "stable", "given"]
    pairs: list[AssignedPair]
    left: list[LeftScene]
    closed: int
    total: float
    bound: float | None
    gap: float | None
    optimal: bool | None
    broken: list[str]
    blocking: list[PairNamed]


class AssignmentShown(Given):
    """An assignment, how far it is, its plan, or in ``problems`` why there is none and what would mend it."""

    id: str
    state: JobState
    created_at: AwareDatetime
    updated_at: AwareDatetime
    done: int
    total: int
    asked: dict[str, Any]
    plan: PlanShown | None
    problems: list[FieldProblem]


class AssignmentPage(Given):
    """Assignments without their plans, the newest first."""

    items: list[AssignmentShown]
    next: str | None


class DifferenceShown(Given):
    """What a plan changes against an earlier one; ``refitted`` comes from kept pairs that are scored otherwise now."""

    added: list[AssignedPair]
    removed: list[AssignedPair]
    kept: list[AssignedPair]
    change: float
    refitted: float
