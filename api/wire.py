"""What goes over the wire: the shapes of requests and answers, as the OpenAPI document and the client know them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from graph.values import ID_LIMIT, TEXT_LIMIT, Visibility, legible

Level = Annotated[int, Field(ge=1, le=4, description="4 强相关、3 较强相关、2 弱相关、1 无相关")]
RecordId = Annotated[str, Field(min_length=1, max_length=ID_LIMIT)]
Name = Annotated[str, Field(min_length=1, max_length=60)]
Note = Annotated[str, Field(max_length=2000)]
Short = Annotated[str, Field(max_length=200)]
Long = Annotated[str, Field(max_length=5000)]
Scope = Literal["read", "write", "order", "judge", "bid", "admin"]
BulkKind = Literal["scene", "achievement", "enterprise", "institution", "broker", "case"]
OrderState = Literal["placed", "accepted", "assigned", "answered", "closed", "declined", "withdrawn"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
MoveName = Literal["accept", "decline", "assign", "answer", "reopen", "close", "withdraw"]


def utc_text(at: datetime) -> str:
    """A time as every answer and every delivery writes it: ISO 8601, UTC, ``Z``."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Sent(BaseModel):
    """A body: what is not known is refused, and of its texts what no reader sees is left out, as of cells."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _legible(cls, value: Any) -> Any:
        """Control characters break documents (docx holds none), steer terminals and turn names round."""
        if isinstance(value, list):
            return [cls._legible(one) for one in value]
        return legible(value) if isinstance(value, str) else value


class Given(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(BaseModel):
    """One thing wrong with what was sent: where (a path into the body, a parameter or a row), what, and the remedy."""

    code: str
    message: str
    remedy: str
    place: str = ""
    severity: str = "error"


class ProblemDocument(BaseModel):
    """Every refusal has this shape. ``code`` is stable and for programs; ``detail`` and ``remedy`` are for people."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"type": "urn:jiebang:problem:not_found", "title": "没有找到", "status": 404, "detail": "没有编号为“CJ-9”的应用场景，或您无权查看。",
         "code": "not_found", "remedy": "请核对编号。", "request_id": "1f0c…", "problems": []},
    ]})  # fmt: skip

    type: str = Field(description="urn:jiebang:problem:代码")
    title: str = Field(description="这一类问题的名称")
    status: int
    detail: str = Field(description="这一次出了什么问题")
    code: str = Field(description="问题代码，供程序判断，不会改变")
    remedy: str = Field(description="怎样解决")
    request_id: str = Field("", description="报障时请附上")
    problems: list[FieldProblem] = Field(default_factory=list, description="逐项的问题")


class Reference(Given):
    """A record by its kind and id."""

    kind: str
    id: str


class Named(Given):
    """A record with its title; ``id`` is null for one that is not stored."""

    kind: str
    id: str | None
    title: str


class Part(Given):
    """One addend of a score; all of them add up to it. ``value`` is null where nothing is known."""

    name: str
    label: str
    points: float
    value: float | None
    note: str


class About(Given):
    """What a list shows of a found record beside its title."""

    field: list[str]
    district: str | None
    owner: str | None
    maturity: str | None
    ip_status: str | None


class Matched(Given):
    """One ranked pair, with the reason in one line and the parts of the score."""

    rank: int
    kind: str
    id: str
    title: str
    score: float
    level: Level
    level_label: str
    probabilities: Annotated[list[float], Field(min_length=4, max_length=4, description="等级 1 到 4 的概率")]
    reason: str
    parts: list[Part]
    cautions: list[str]
    missing: str


class IndicatorAnswer(Given):
    """One indicator of the demand and what the offer says to it."""

    demand: str
    offer: str | None
    verdict: Literal["met", "short", "silent"]


class ElementAnswer(Given):
    """One thing the demand needs and whether the offer answers it."""

    kind: str
    text: str
    status: str
    said: str


class Lift(Given):
    """What would raise the score, by how much, and to which level."""

    change: str
    points: float
    level_label: str
    raises: bool


class Advice(Given):
    """An instrument of the city's policy that may suit, with the measure it rests on. Never a decision."""

    instrument: str
    measure: int
    number: str
    quote: str
    suggestion: str
    because: list[str]
    own: list[str]
    unknown: list[str]
    verify: list[str]


class Breakdown(Matched):
    """All that is known of why a pair scores as it does."""

    phrases: list[str]
    indicators: list[IndicatorAnswer]
    elements: list[ElementAnswer]
    paths: list[str]
    lifts: list[Lift]
    advice: list[Advice]


class MatchedItem(Matched):
    """A pair in a list; with detail=full also everything of ``Breakdown``."""

    about: About
    phrases: list[str] | None = None
    indicators: list[IndicatorAnswer] | None = None
    elements: list[ElementAnswer] | None = None
    paths: list[str] | None = None
    lifts: list[Lift] | None = None
    advice: list[Advice] | None = None


class Matches(Given):
    """A ranked list, best first."""

    subject: Named
    ranker: str
    items: list[MatchedItem]


class Pair(Given):
    """One pair; ``pair`` is null where one side is the partner's own and not open to others."""

    scene: Named
    achievement: Named
    pair: Breakdown | None


class Scored(Given):
    """The score of one pair; all null where one of the two is not there or not to be seen."""

    scene: str
    achievement: str
    score: float | None
    level: Level | None
    level_label: str | None
    probabilities: list[float] | None


class Scores(Given):
    """The scores, in the order asked for."""

    items: list[Scored]


class BrokerPart(Given):
    """Points of a broker by what they are for."""

    label: str
    points: float


class Interest(Given):
    """An interest of a broker in one of the sides; ``hard``: a party pays the broker."""

    hard: bool
    text: str
    path: str | None


class RankedBroker(Given):
    """A broker for a pair."""

    rank: int
    id: str
    name: str
    level: str | None
    organisation: str | None
    score: float
    parts: list[BrokerPart]
    reasons: list[str]
    notes: list[str]
    conflicts: list[Interest]


class Brokers(Given):
    """Brokers for a pair, best first."""

    scene: Named
    achievement: Named
    items: list[RankedBroker]


class GraphNode(Given):
    """A node of the neighbourhood, and how many relations away."""

    kind: str
    id: str
    title: str
    label: str
    distance: int


class GraphEdge(Given):
    """A relation between two nodes of the neighbourhood."""

    source: Reference
    target: Reference
    relation: str
    label: str
    derived: bool


class Neighbourhood(Given):
    """What stands around a record; ``complete`` is false where the limit cut something off."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    complete: bool


class HistoryEntry(Given):
    """One change of a record, as far as the caller may see it."""

    at: AwareDatetime
    action: Literal["created", "changed", "retired"]
    changed: list[str]
    actor: str | None = None
    reason: str | None = None
    revision: int | None = None


class History(Given):
    """The changes of a record, oldest first."""

    items: list[HistoryEntry]


class PairAsked(Sent):
    """A pair by its ids."""

    scene: RecordId
    achievement: RecordId


class ScoreAsked(Sent):
    """Up to 1,000 pairs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"pairs": [{"scene": "CJ-101", "achievement": "CG-101"}]}]})  # fmt: skip

    pairs: Annotated[list[PairAsked], Field(min_length=1, max_length=1000)]


class JudgementSent(Sent):
    """One person's grade of one pair."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"scene": "CJ-101", "achievement": "CG-101", "level": 4, "judge": "李明", "reason": "指标全部满足"},
    ]})  # fmt: skip

    scene: RecordId
    achievement: RecordId
    level: Level
    judge: Name
    reason: Note = ""


class JudgementShown(JudgementSent):
    """A judgement as it is kept; the judge of a partner is named with the partner's code."""

    judge: str
    reason: str
    at: AwareDatetime


class JudgementPage(Given):
    """Judgements that the caller may see: a partner its own, staff all."""

    items: list[JudgementShown]
    next: str | None


class OutcomeSent(Sent):
    """How far an introduction came, or why it did not."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"scene": "CJ-101", "achievement": "CG-101", "stage": "met", "by": "李明", "reason": "双方约定下月试飞"},
    ]})  # fmt: skip

    scene: RecordId
    achievement: RecordId
    stage: Literal["shown", "contacted", "met", "intent", "contract", "landed", "declined"]
    by: Name
    reason: Note = ""
    rank: Annotated[int | None, Field(ge=1, le=10_000, description="展示时的名次")] = None


class OutcomeShown(Given):
    """An outcome as it is kept."""

    scene: str
    achievement: str
    stage: str
    by: str
    reason: str
    rank: int | None
    at: AwareDatetime


class OutcomePage(Given):
    """Outcomes that the caller may see: a partner its own, staff all."""

    items: list[OutcomeShown]
    next: str | None


class MatchAsked(Sent):
    """What to match: a text, or a scene or an achievement that is not stored."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "海岛无人机送药，抗风7级以上", "top": 10}]}
    )

    text: Annotated[str | None, Field(max_length=TEXT_LIMIT, description="一段文字，说清需求")] = None
    scene: Annotated[
        Mapping[str, Any] | None, Field(description="未入库的场景，字段与 POST /v1/scenes 相同")
    ] = None
    achievement: Annotated[
        Mapping[str, Any] | None, Field(description="未入库的成果，字段与 POST /v1/achievements 相同")
    ] = None
    top: Annotated[int, Field(ge=1, le=200)] = 20
    detail: Literal["brief", "full"] = "brief"
    field: Annotated[Sequence[str], Field(max_length=20, description="只看这些产业领域")] = ()
    district: Annotated[Sequence[str], Field(max_length=20, description="只看这些区")] = ()
    min_trl: Annotated[int, Field(ge=0, le=9)] = 0
    ip_status: Annotated[Sequence[str], Field(max_length=10)] = ()
    open_only: bool = False


class OrderSent(Sent):
    """A need; the scene or achievement it is about, if it is about one."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"need": "求海岛送药无人机整机供应商，年底前试飞", "scene": "CJ-101", "contact": "王工", "contact_phone": "0756-5550000"},
    ]})  # fmt: skip

    need: Annotated[Long, Field(min_length=1, description="需要什么")]
    scene: Short = ""
    achievement: Short = ""
    contact: Short = ""
    contact_phone: Short = ""


class MoveValues(Sent):
    """What a move is made with."""

    handler: Short = ""
    answer: Long = ""
    reason: Note = ""


class MoveSent(Sent):
    """A move and what it is made with."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"move": "assign", "values": {"handler": "程某"}}]}
    )

    move: MoveName
    values: MoveValues = Field(default_factory=MoveValues)


class MoveShown(Given):
    """A move that leads on from here: open if nothing stands in its way."""

    name: str
    label: str
    open: bool
    problems: list[FieldProblem]


class OrderShown(Given):
    """An order: where it stands, since when, until when, who must act now, whether it is late, and which ways lead on."""

    id: str
    partner: str
    state: OrderState
    state_label: str
    duty: str
    need: str
    scene: str
    achievement: str
    contact: str
    contact_phone: str
    handler: str
    answer: str
    reason: str
    placed_at: AwareDatetime
    moved_at: AwareDatetime
    due: AwareDatetime | None
    late: bool
    moves: list[MoveShown]


class OrderPage(Given):
    """Orders that the caller may see: a partner its own, staff all."""

    items: list[OrderShown]
    next: str | None


RoadshowState = Literal["draft", "released", "held", "closed", "cancelled"]
RoadshowMove = Literal[
    "solve", "lock", "unlock", "swap", "drop", "add", "move", "set", "release", "hold", "close", "cancel"
]  # fmt: skip
RuleLevelName = Literal["forbid", "resolve", "hint", "ignore"]
Settings = Annotated[
    dict[str, Annotated[int, Field(ge=0, le=10_000)]],
    Field(
        max_length=200,
        description='规则的数，如 {"institution": 1, "maturity": 6}；写受邀场景的编号则为该场景至少几项',
    ),
]
Levels = Annotated[
    dict[str, RuleLevelName],
    Field(max_length=20, description="规则的级别：forbid 禁止、resolve 发布前须解决、hint 提示、ignore 忽略"),
]
Ids = Annotated[list[RecordId], Field(max_length=200)]


class RoadshowSent(Sent):
    """What a roadshow is held for: a theme, a field or scenes; and by which rules its lineup is worked out."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"theme": "低空经济", "pitches": 6, "rules": {"institution": 2}},
    ]})  # fmt: skip

    theme: Short = ""
    field: Annotated[str, Field(max_length=40)] = ""
    scenes: Annotated[Ids, Field(description="受邀的场景（也可写企业）")] = []
    task: Annotated[
        str, Field(max_length=100, description="从这个榜单已开标的投标里选，只对内部钥匙开放")
    ] = ""
    audience: Annotated[
        Visibility | None,
        Field(description="只用谁看得到的内容排，发布后谁看得到；不写则为钥匙的可见范围"),
    ] = None
    title: Short = ""
    day: date | None = None
    pitches: Annotated[int, Field(ge=1, le=100)] = 12
    rules: Settings = {}
    levels: Levels = {}
    must: Ids = []
    must_not: Ids = []


class RoadshowMoveSent(Sent):
    """A change or step of a roadshow, by who has seen its draft ``draft``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"move": "drop", "draft": 1, "ids": ["CG-101"], "reason": "撞期"}]}
    )

    move: RoadshowMove
    draft: Annotated[int, Field(ge=0, le=1_000_000, description="您看的是第几稿")]
    ids: Annotated[Ids, Field(description="哪些项目；swap 写换下的和换上的")] = []
    place: Annotated[int | None, Field(ge=1, le=1000, description="第几个，从 1 数")] = None
    anew: Annotated[bool, Field(description="solve：不管改动多少，重排到最优")] = False
    fill: Annotated[bool, Field(description="drop：由候补顶上")] = True
    rules: Settings = {}
    levels: Levels = {}
    must: Ids = []
    must_not: Ids = []
    note: Note = ""
    reason: Note = ""


class ListenerFit(Given):
    """How a pitch fits one listener; the theme itself has the id ""."""

    id: str
    title: str
    level: Level
    fit: float


class PitchShown(Given):
    """Somebody on stage or standing by."""

    place: int
    id: str
    title: str
    summary: str
    advantages: str
    indicators: str
    owner: str
    inventors: list[str]
    field: list[str]
    maturity: str
    ip_status: str
    cooperation: list[str]
    fit: float
    fits: list[ListenerFit]
    reason: str
    locked: bool
    by_hand: bool
    replaces: list[str]


class VersionShown(Given):
    """A released version."""

    number: int
    at: AwareDatetime
    by: str
    note: str


class OutShown(Given):
    """Who shall not pitch here, and why."""

    achievement: str
    reason: str


class RoadshowShown(Given):
    """A roadshow as it stands, or one of its versions."""

    id: str
    partner: str
    title: str
    theme: str
    field: str
    task: str | None
    day: date | None
    state: RoadshowState
    state_label: str
    duty: str
    reason: str
    audience: str
    draft: int
    version: int
    is_draft: bool
    listeners: list[Named]
    pitches: list[PitchShown]
    alternates: list[PitchShown]
    total: float
    best: float
    proven: bool
    rules: dict[str, int]
    levels: dict[str, str]
    coverage: dict[str, int]
    must: list[str]
    out: list[OutShown]
    timetable: dict[str, Any] | None
    meetings: dict[str, Any] | None
    versions: list[VersionShown]


class RoadshowBrief(Given):
    """A line of the list of roadshows."""

    id: str
    partner: str
    title: str
    state: RoadshowState
    state_label: str
    day: date | None
    pitches: int
    draft: int
    versions: int


class RoadshowPage(Given):
    """Roadshows that the caller may see: a partner its own, staff all."""

    items: list[RoadshowBrief]
    next: str | None


class ConflictShown(Given):
    """A rule that a lineup breaks, and the pitches that touches."""

    rule: str
    level: RuleLevelName
    level_label: str
    message: str
    touches: list[str]


class LeftOutShown(Given):
    """Who is not on stage, why, and what would have to give; ``cost`` is at most so much unless ``exact``."""

    id: str
    title: str
    reason: str
    rules: list[str]
    gives: list[str]
    comes: list[str]
    cost: float | None
    exact: bool


class RoadshowChecked(Given):
    """A lineup beside the data as they are now."""

    conflicts: list[ConflictShown]
    left_out: list[LeftOutShown]


class PlaceCost(Given):
    """A place that changed hands and what that costs; negative is a gain."""

    place: int
    out: str | None
    into: str | None
    cost: float


class PlaceMoved(Given):
    """Who stayed and moved."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    id: str
    from_: Annotated[int, Field(alias="from")]
    to: int


class LineupChange(Given):
    """What an edit came to."""

    id: str
    draft: int
    state: RoadshowState
    stage: list[str]
    alternates: list[str]
    before: float
    total: float
    best: float
    proven: bool
    gap: float
    costs: list[PlaceCost]
    moves: list[PlaceMoved]
    conflicts: list[ConflictShown]
    new_conflicts: list[ConflictShown]
    notes: list[str]


class RoadshowDone(Given):
    """A roadshow after a change, and what changed; null where only its state did."""

    roadshow: RoadshowShown
    change: LineupChange | None


class Rows(Given):
    """Rows of an upload by outcome."""

    new: int
    changed: int
    unchanged: int
    refused: int
    skipped: int


class JobResult(Given):
    """What came of an upload; ``written`` is null where nothing was to be written."""

    rows: Rows
    written: int | None
    errors: int
    warnings: int
    problems: list[FieldProblem]


class JobShown(Given):
    """An upload and how far it is."""

    id: str
    state: JobState
    kind: BulkKind | None
    partial: bool
    dry_run: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime
    done: int
    total: int
    result: JobResult | None
    report: str | None


class JobPage(Given):
    """Uploads, the newest first."""

    items: list[JobShown]
    next: str | None


class WebhookShown(Given):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    state: Literal["active", "paused", "ended"]
    created_at: AwareDatetime
    reason: str


class WebhookCreated(WebhookShown):
    """A webhook with the secret that its deliveries are signed with; shown this once and when it is changed."""

    secret: str


class WebhookPage(Given):
    """The partner's webhooks."""

    items: list[WebhookShown]
    next: str | None


class DeliveryShown(Given):
    """One delivery and how far it is; ``id`` is the ``webhook-id`` it is sent with."""

    id: str
    event: str
    subject: str
    state: Literal["waiting", "delivered", "failed", "dropped"]
    attempts: int
    created_at: AwareDatetime
    due_at: AwareDatetime | None
    last_at: AwareDatetime | None
    last_status: int | None
    last_error: str


class DeliveryPage(Given):
    """The delivery log, the newest first."""

    items: list[DeliveryShown]
    next: str | None


class Replayed(Given):
    """How many deliveries are sent again."""

    replayed: int


class KeyShown(Given):
    """A key, without what opens."""

    id: str
    partner: str
    name: str
    scopes: list[Scope]
    audience: Literal["public", "partner", "staff"]
    state: Literal["active", "revoked"]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    per_minute: int
    bidders: list[str]


class KeyCreated(KeyShown):
    """A key with its token, which is shown this once."""

    token: str


class KeyPage(Given):
    """Keys by id."""

    items: list[KeyShown]
    next: str | None
