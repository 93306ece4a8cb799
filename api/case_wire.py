"""What goes over the wire of the case library: similar cases, and a case on its way to publication."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from api.wire import Given, Long, MoveShown, Named, Note, Sent, Short
from graph.values import TEXT_LIMIT, TITLE_LIMIT

CaseState = Literal["draft", "reviewing", "published", "retired"]
CaseMoveName = Literal["amend", "consent", "submit", "return", "publish", "recall", "retire", "discard"]


class SimilarPart(Given):
    """One share of a likeness; all of them add up to it."""

    label: str
    share: float


class SimilarCase(Given):
    """A published case like what was asked about: why, how the graph leads there, what was measured."""

    rank: int
    id: str
    title: str
    likeness: Annotated[float, Field(ge=0, le=1)]
    parts: list[SimilarPart]
    reasons: list[str]
    path: str | None
    measured: str | None
    scene: str | None
    achievement: str | None
    replicable: str | None


class SimilarCases(Given):
    """Cases like a scene, an achievement, a pair or a text, the likest first."""

    subjects: list[Named]
    items: list[SimilarCase]


class CaseTextAsked(Sent):
    """A text to find similar cases for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "海岛无人机送药", "top": 5}]})

    text: Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT, pattern=r"\S")]
    top: Annotated[int, Field(ge=1, le=50)] = 5


class CaseContent(Sent):
    """What a case says: the columns of a case record. ``measures``: 指标：前→后 单位（来源：材料）, parted by ；."""

    title: Annotated[str | None, Field(max_length=TITLE_LIMIT)] = None
    scene_id: Short | None = None
    achievement_id: Short | None = None
    owner: Long | None = None
    provider: Long | None = None
    first_use: bool | None = None
    investment: Annotated[str | None, Field(max_length=60, description="万元")] = None
    period: Short | None = None
    summary: Annotated[str | None, Field(max_length=TEXT_LIMIT, description="背景与需求")] = None
    approach: Annotated[str | None, Field(max_length=TEXT_LIMIT, description="做法")] = None
    effect: Annotated[str | None, Field(max_length=TEXT_LIMIT, description="量化成效")] = None
    measures: Annotated[str | None, Field(max_length=TEXT_LIMIT, description="成效指标")] = None
    replicable: Annotated[str | None, Field(max_length=TEXT_LIMIT, description="可复制条件")] = None
    evidence: Annotated[str | None, Field(max_length=TEXT_LIMIT, description="证明材料")] = None
    batch: Short | None = None
    field: list[str] | None = None
    district: Short | None = None
    keywords: list[str] | None = None
    visibility: Literal["public", "partner", "staff"] | None = None


class CaseSent(Sent):
    """What a draft is made from: a concluded task, a pair that landed, or what is written here. Exactly one of them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scene": "CJ-101", "achievement": "CG-101", "by": "李明"}]}
    )

    task: Short = ""
    scene: Short = ""
    achievement: Short = ""
    content: CaseContent | None = None
    by: Short = ""


class CaseMoveValues(Sent):
    """What a move of a case is told."""

    consent: Short = ""
    reason: Note = ""


class CaseMoveSent(Sent):
    """A move of a case, who makes it and as what; ``content`` goes with amend."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"move": "publish", "by": "程某"}]})

    move: CaseMoveName
    role: Literal["editor", "reviewer", "owner"] | None = None
    by: Short = ""
    content: CaseContent | None = None
    values: CaseMoveValues = Field(default_factory=CaseMoveValues)


class CaseMoveShown(MoveShown):
    """A move of a case, and who makes it."""

    role: str


class MeasureShown(Given):
    """A figure before and after, as decimals; null where it is still to be filled in."""

    name: str
    before: str | None
    after: str | None
    unit: str
    source: str


class CaseFileShown(Given):
    """A case on its way: where it stands, what it says and lacks, which ways lead on."""

    id: str
    state: CaseState
    state_label: str
    duty: str
    task: str
    content: Mapping[str, Any]
    measures: list[MeasureShown]
    lacking: list[str]
    editor: str
    reviewer: str
    consent: str
    reason: str
    opened_at: AwareDatetime
    moved_at: AwareDatetime
    published_at: AwareDatetime | None
    due: AwareDatetime | None
    late: bool
    moves: list[CaseMoveShown]


class CaseFilePage(Given):
    """Case files, those of cases that came by sheets among them."""

    items: list[CaseFileShown]
    next: str | None
