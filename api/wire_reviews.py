"""What goes over the wire of panels, reviews and awards. Figures are texts, so that they are kept to the digit."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from api.wire import FieldProblem, Given, Long, Note, RecordId, Sent, Short

Figure = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,2})?$", description="分数，至多两位小数")]
Told = Annotated[str, Field(min_length=1, max_length=2000)]
AwardMove = Literal["publish", "object", "answer", "confirm", "withdraw"]
AwardState = Literal["proposed", "notice", "effective", "withdrawn"]
ReviewState = Literal["marking", "settled"]


def _example(*examples: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class DeclarationSent(Sent):
    """What an expert has declared: whom not to judge, whom it advises; who has looked up its organisation."""

    expert: RecordId
    avoids: Annotated[Sequence[Short], Field(max_length=50)] = ()
    advises: Annotated[Sequence[Short], Field(max_length=50)] = ()
    representative: Short = ""
    verified_by: Short = ""


class ClearanceSent(Sent):
    """A person has looked into what was in doubt between an expert and a bid (``出题方``: the poster) and found nothing."""

    expert: RecordId
    bid: Short
    reason: Told


class LookedInto(Sent):
    """What the search for conflicts of interest is told beside what the store holds; it is kept."""

    declared: Annotated[Sequence[DeclarationSent], Field(max_length=500)] = ()
    cleared: Annotated[Sequence[ClearanceSent], Field(max_length=500)] = ()


class QuotaSent(Sent):
    """At least so many members in whose speciality (or position) one of the words stands."""

    words: Annotated[
        Sequence[Annotated[str, Field(min_length=1, max_length=60)]], Field(min_length=1, max_length=20)
    ]
    least: Annotated[int, Field(ge=1, le=99)]
    of_position: bool = False


class DrawSent(LookedInto):
    """The lot: the same seed draws the same panel. How many members is the task's own."""

    model_config = _example(
        {"seed": 20260301, "quotas": [{"words": ["无人机"], "least": 2}], "dry_run": True}
    )

    seed: Annotated[int, Field(ge=0, le=2**53)]
    per_organisation: Annotated[int | None, Field(ge=1, le=99)] = None
    quotas: Annotated[Sequence[QuotaSent], Field(max_length=20)] = ()
    alternates: Annotated[int | None, Field(ge=0, le=99)] = None
    left_out: Annotated[Sequence[RecordId], Field(max_length=500, description="不参加的专家")] = ()
    dry_run: bool = False


class RecusalSent(LookedInto):
    """A member steps back."""

    model_config = _example({"expert": "ZJ-1", "reason": "与投标单位有合作项目"})

    expert: RecordId
    reason: Told


class AssignSent(LookedInto):
    """How many experts read a bid and how much each reads; not told: all of the panel read all."""

    model_config = _example({}, {"per_bid": 3, "max_load": 10})

    per_bid: Annotated[int | None, Field(ge=1, le=99)] = None
    min_load: Annotated[int, Field(ge=0, le=10_000)] = 0
    max_load: Annotated[int | None, Field(ge=1, le=10_000)] = None


class MarkSent(Sent):
    """What an expert gives a bid, by criterion."""

    expert: RecordId
    bid: Short
    marks: Annotated[Mapping[str, Figure], Field(min_length=1, max_length=50)]
    remark: Note = ""


class MarksSent(Sent):
    """Marks, all taken in or none."""

    model_config = _example(
        {
            "marks": [
                {
                    "expert": "ZJ-1",
                    "bid": "BD-2026-001-0a1b2c3d4e5f",
                    "marks": {"技术方案": "36.5"},
                    "remark": "续航论证不足",
                }
            ]
        }
    )

    marks: Annotated[Sequence[MarkSent], Field(min_length=1, max_length=10_000)]


class PointsSent(Sent):
    """The points of a bid that was judged elsewhere, and what its bidder is told."""

    bid: Short
    points: Figure
    reason: Told


class ProposalSent(Sent):
    """How many win; with ``points`` for every valid bid where the task was judged elsewhere."""

    model_config = _example({}, {"winners": 2})

    winners: Annotated[int | None, Field(ge=1, le=99)] = None
    points: Annotated[Sequence[PointsSent], Field(max_length=500)] = ()


class AwardMoveSent(Sent):
    """A step of an award: ``by`` and ``text`` of an objection, ``number`` and ``text`` of an answer, ``reason`` to withdraw."""

    model_config = _example({"move": "publish"}, {"move": "answer", "number": 1, "text": "已核实，业绩属实"})

    move: AwardMove
    by: Short = ""
    text: Long = ""
    number: Annotated[int, Field(ge=1, le=10_000)] = 1
    reason: Note = ""


class ExpertNamed(Given):
    """An expert."""

    id: str
    name: str


class Barred(Given):
    """Who does not judge what and why; ``bid`` is empty where it is the panel."""

    expert: str
    name: str
    bid: str
    reason: str


class QuotaShown(Given):
    """A quota of a panel."""

    words: list[str]
    least: int
    of_position: bool


class PassedOver(Given):
    """An alternate who did not take the place, and why."""

    expert: str
    reason: str


class RecusalShown(Given):
    """Who stepped back, who took the place, who was passed over."""

    out: str
    into: str
    reason: str
    by: str
    at: AwareDatetime
    passed: list[PassedOver]


class PanelShown(Given):
    """A panel: who was drawn under which rules; ``kept`` is false for one that was only tried."""

    task: str
    kept: bool
    seed: int
    size: int
    per_organisation: int
    quotas: list[QuotaShown]
    members: list[ExpertNamed]
    alternates: list[ExpertNamed]
    barred: list[Barred]
    recusals: list[RecusalShown]


class CriterionShown(Given):
    """A criterion with its full marks."""

    name: str
    full_marks: str


class ReadingShown(Given):
    """A bid, who reads it, who stands by."""

    bid: str
    bidder: str
    readers: list[ExpertNamed]
    standby: list[ExpertNamed]


class MarkShown(Given):
    """What an expert gave a bid."""

    expert: str
    bid: str
    marks: dict[str, str]
    remark: str


class ReviewShown(Given):
    """A review: who reads what, the marks so far, and what is missing."""

    task: str
    state: ReviewState
    state_label: str
    readings: list[ReadingShown]
    criteria: list[CriterionShown]
    barred: list[Barred]
    marks: list[MarkShown]
    problems: list[FieldProblem]


class TotalShown(Given):
    """One expert's total for a bid: as given, as adjusted, whether it counts, how far from the others."""

    expert: str
    given: str
    adjusted: str
    counts: bool
    distance: str
    is_outlier: bool


class StandingShown(Given):
    """A bid in the ranking, with every figure that led there."""

    rank: int
    bid: str
    bidder: str
    score: str
    exact: str
    criteria: dict[str, str]
    totals: list[TotalShown]
    tie: str


class RankingShown(Given):
    """The ranking of a review by the task's rule."""

    task: str
    rule: str
    items: list[StandingShown]


class RankedShown(Given):
    """A bid in an award."""

    rank: int
    bid: str
    bidder: str
    wins: bool
    score: str
    criteria: dict[str, str]
    totals: dict[str, str]
    tie: str
    remarks: list[str]
    said: str


class ObjectionShown(Given):
    """An objection and its answer."""

    by: str
    text: str
    at: AwareDatetime
    answer: str


class LineShown(Given):
    """A line of the justification."""

    what: str
    text: str


class AwardShown(Given):
    """An award: where it and its task stand, who wins, on which grounds, its notice and objections."""

    task: str
    task_state: str
    state: AwardState
    state_label: str
    duty: str
    due: AwareDatetime | None
    rule: str
    ranking: list[RankedShown]
    checks: list[str]
    justification: list[LineShown]
    notice_days: int
    notice_from: date | None
    notice_to: date | None
    objections: list[ObjectionShown]
    reason: str


class ReasonsShown(Given):
    """What the bidder of a bid that lost is told: no other bidder, no expert."""

    bid: str
    lines: list[str]
