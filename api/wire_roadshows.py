"""Shapes of a roadshow's day over the wire: its timetable, meetings, solutions of either, results, what others may see."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from api.wire import (
    ConflictShown,
    FieldProblem,
    Given,
    Ids,
    JobState,
    Name,
    Note,
    RecordId,
    RoadshowState,
    RuleLevelName,
    Sent,
    Short,
)
from graph.problems import BadValue

Draft = Annotated[int, Field(ge=0, le=1_000_000, description="您看的是第几稿")]
PaperKind = Literal["agenda", "handbook", "marks", "meetings"]
PaperFormat = Literal["docx", "xlsx", "html", "ics", "svg"]
Figure = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,2})?$", description="分数，最多两位小数")]
Title = Annotated[str, Field(min_length=1, max_length=200)]
_YEARS = range(2000, 2101)
# As ``matcher`` has it, which a client does not have.
_CHINA = timezone(timedelta(hours=8))


def _of_china(at: datetime) -> datetime:
    """The moment as China's clocks show it, without a zone: how timetables and meetings are kept."""
    if at.year not in _YEARS:
        raise BadValue("date_not_real", f"年份 {at.year} 不合常理", "请核对年月日")
    return (at.astimezone(_CHINA).replace(tzinfo=None) if at.tzinfo else at).replace(microsecond=0)


Clock = Annotated[
    datetime,
    AfterValidator(_of_china),
    Field(description="如 2026-12-05T09:00:00，不写时区的是北京时间"),
]
# A moment of a timetable or of meetings as it is shown: by China's clocks, without a zone.
ShownClock = Annotated[str, Field(description="北京时间，如 2026-12-05T09:00:00")]


class SpanSent(Sent):
    """From a moment to a later one; past midnight the end has the next day's date."""

    start: Clock
    end: Clock


class FormatSent(Sent):
    """Minutes of a slot's parts; ``slot`` is its whole length where that is longer."""

    pitch: Annotated[int, Field(ge=1, le=240)]
    questions: Annotated[int, Field(ge=0, le=240)] = 0
    turnover: Annotated[int, Field(ge=0, le=240)] = 0
    slot: Annotated[int | None, Field(ge=1, le=1440)] = None


class SessionSent(SpanSent):
    """A stretch of pitches in one room; ``judges`` are ids of judges."""

    id: Name
    title: Short = ""
    room: Short = ""
    breaks: Annotated[list[SpanSent], Field(default_factory=list, max_length=20)]
    judges: Annotated[list[Name], Field(default_factory=list, max_length=50)]
    format: FormatSent | None = None


class JudgeSent(Sent):
    """A judge: ``conflicts`` are ids of pitches and names of institutions; ``free``: when, null for always."""

    id: Name
    name: Short = ""
    free: Annotated[list[SpanSent] | None, Field(max_length=50)] = None
    conflicts: Annotated[list[Short], Field(default_factory=list, max_length=200)]
    recused: Annotated[Ids, Field(default_factory=list)]


class BookingSent(SpanSent):
    """Another event that has a room."""

    room: Title
    event: Short = ""


class PresentedSent(Sent):
    """What is said of a pitch: who presents it, when they can, in which sessions it may stand."""

    id: RecordId
    presenters: Annotated[list[Short], Field(default_factory=list, max_length=20)]
    free: Annotated[list[SpanSent] | None, Field(max_length=50)] = None
    sessions: Annotated[list[Name], Field(default_factory=list, max_length=60)]


class BeforeSent(Sent):
    """Two pitches, the first to end before the second begins."""

    first: RecordId
    second: RecordId


class PlaceSent(Sent):
    """A slot: the session's id and the number in it, from 1."""

    session: Name
    number: Annotated[int, Field(ge=1, le=1000)]


class TimetableSent(Sent):
    """What is to change of a timetable, by who has seen the roadshow's draft; what is left out stays.

    ``places`` moves pitches by hand, who stands there takes its place in return; ``locked`` are all that are locked.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"draft": 1, "format": {"pitch": 8, "questions": 7, "turnover": 2},
         "sessions": [{"id": "上午场", "room": "一号厅", "start": "2026-12-05T09:00:00", "end": "2026-12-05T11:30:00"}]},
    ]})  # fmt: skip

    draft: Draft
    format: FormatSent | None = None
    sessions: Annotated[list[SessionSent] | None, Field(max_length=60)] = None
    judges: Annotated[list[JudgeSent] | None, Field(max_length=100)] = None
    bookings: Annotated[list[BookingSent] | None, Field(max_length=200)] = None
    before: Annotated[list[BeforeSent] | None, Field(max_length=500)] = None
    levels: Annotated[dict[str, RuleLevelName] | None, Field(max_length=20)] = None
    seed: Annotated[int | None, Field(ge=0, le=2**31)] = None
    pitches: Annotated[list[PresentedSent], Field(default_factory=list, max_length=100)]
    places: Annotated[dict[RecordId, PlaceSent], Field(default_factory=dict, max_length=100)]
    locked: Ids | None = None


class SlotShown(Given):
    """A slot and who stands in it (null: nobody)."""

    session: str
    number: int
    start: ShownClock
    end: ShownClock
    room: str
    pitch: str | None
    title: str
    locked: bool


class TimetableShown(Given):
    """A timetable with what is broken now, also by rooms that other roadshows have (``elsewhere``)."""

    id: str
    draft: int
    version: int | None
    programme: dict[str, Any]
    slots: list[SlotShown]
    unplaced: list[str]
    elsewhere: list[dict[str, Any]]
    conflicts: list[ConflictShown]
    problems: list[FieldProblem]


class PartySent(Sent):
    """A guest or a team: ``free`` are the rounds in which it can (null: all), ``most`` its meetings at most."""

    id: RecordId
    name: Short = ""
    free: Annotated[list[Annotated[int, Field(ge=1, le=48)]] | None, Field(max_length=48)] = None
    most: Annotated[int | None, Field(ge=0, le=48)] = None


class WishSent(Sent):
    """What one side wishes of a meeting; ids of the guest and the team."""

    guest: RecordId
    team: RecordId
    by: Literal["guest", "team"] = "guest"
    want: Literal["must", "want", "no"] = "want"


class MetSent(Sent):
    """A guest and a team by their ids."""

    guest: RecordId
    team: RecordId


class TimesSent(Sent):
    """When the rounds of meetings are, and at how many tables; what is left out stays."""

    start: Clock | None = None
    rounds: Annotated[int | None, Field(ge=1, le=48)] = None
    minutes: Annotated[int, Field(ge=1, le=240)] = 8
    gap: Annotated[int, Field(ge=0, le=240)] = 2
    tables: Annotated[int | None, Field(ge=1, le=1000)] = None
    title: Short = ""


class MeetingsSent(TimesSent):
    """What is to change of the meetings; a list that is given takes the place of the one that was."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"draft": 2, "start": "2026-12-05T13:30:00", "rounds": 6, "tables": 10,
         "guests": [{"id": "CJ-101", "name": "某单位"}], "teams": [{"id": "CG-101", "name": "某团队"}],
         "wishes": [{"guest": "CJ-101", "team": "CG-101", "by": "guest", "want": "must"}]},
    ]})  # fmt: skip

    draft: Draft
    guests: Annotated[list[PartySent] | None, Field(max_length=1000)] = None
    teams: Annotated[list[PartySent] | None, Field(max_length=1000)] = None
    wishes: Annotated[list[WishSent] | None, Field(max_length=10_000)] = None
    locked: Annotated[list[MetSent] | None, Field(max_length=10_000)] = None
    levels: Annotated[dict[str, RuleLevelName] | None, Field(max_length=20)] = None
    seed: Annotated[int | None, Field(ge=0, le=2**31)] = None


class ProposalSent(TimesSent):
    """Wishes to be proposed from the lineup's fits, from ``level`` on."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"draft": 2, "level": 3, "start": "2026-12-05T13:30:00", "rounds": 6, "tables": 10},
    ]})  # fmt: skip

    draft: Draft
    level: Annotated[int, Field(ge=1, le=4)] = 3
    dry_run: bool = False


class RoundTime(Given):
    """When a round is."""

    number: int
    start: ShownClock
    end: ShownClock


class PartyShown(Given):
    """A guest or a team."""

    id: str
    name: str
    free: list[int] | None
    most: int | None


class WishShown(Given):
    """A wish."""

    guest: str
    team: str
    by: Literal["guest", "team"]
    want: Literal["must", "want", "no"]


class MeetingShown(Given):
    """Who meets whom, when, at which table."""

    round: int
    table: int
    start: ShownClock | None
    end: ShownClock | None
    guest: str
    guest_name: str
    team: str
    team_name: str
    locked: bool


class UnmetShown(Given):
    """A wish that came to nothing, and why."""

    guest: str
    team: str
    want: Literal["must", "want", "no"]
    cause: str
    message: str


class MeetingsShown(Given):
    """The meetings of a roadshow with what is broken now: also by its stage and its timetable."""

    id: str
    draft: int
    version: int | None
    title: str
    tables: int
    seed: int
    rounds: list[RoundTime]
    guests: list[PartyShown]
    teams: list[PartyShown]
    wishes: list[WishShown]
    meetings: list[MeetingShown]
    unmet: list[UnmetShown]
    levels: dict[str, str]
    conflicts: list[ConflictShown]


class ProposedShown(Given):
    """A wish that the lineup speaks for, with its fit 0..1."""

    guest: str
    guest_name: str
    team: str
    team_name: str
    fit: float


class ProposalShown(Given):
    """What was proposed, and the meetings with it; null where they were not kept."""

    proposed: list[ProposedShown]
    meetings: MeetingsShown | None


class SolutionSent(Sent):
    """Have the timetable or the meetings solved around what is locked, with the fewest changes, and kept.

    ``fresh``: as if nothing unlocked stood; ``cancel``: guests and teams of the meetings who cannot come any more.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"draft": 2, "what": "timetable"}]})

    draft: Draft
    what: Literal["timetable", "meetings"]
    fresh: bool = False
    cancel: Annotated[list[Title], Field(default_factory=list, max_length=200)]
    dry_run: bool = False


class SlotChange(Given):
    """Where a pitch stood and stands (session and number); null: nowhere."""

    pitch: str
    before: list[str | int] | None
    after: list[str | int] | None


class MetShown(Given):
    """A meeting by its ids."""

    round: int
    table: int
    guest: str
    team: str


class SolutionFound(Given):
    """What a solution came to, and how far it may be from the best: ``proven`` says that it is not.

    Of a timetable ``hints`` and ``changes``; of meetings ``worth`` of at most ``bound``, and the rounds that guests wait.
    """

    draft: int
    proven: bool
    text: str
    hints: int | None
    hints_bound: int | None
    changes: list[SlotChange]
    worth: int | None
    bound: int | None
    idle: int | None
    idle_bound: int | None
    added: list[MetShown]
    removed: list[MetShown]
    unmet: int | None


class SolutionShown(Given):
    """A solution, how far it is, what was found and kept, or why not."""

    id: str
    roadshow: str
    state: JobState
    created_at: AwareDatetime
    updated_at: AwareDatetime
    asked: dict[str, Any]
    found: SolutionFound | None
    problems: list[FieldProblem]


class CriterionSent(Sent):
    """A line of the rubric with its full marks; all together 100."""

    name: Name
    weight: Figure


class JudgedSent(Sent):
    """What a judge (by id or name) gives a pitch, by criterion; ``veto``: off topic, with the reason."""

    judge: Name
    pitch: RecordId
    marks: Annotated[Mapping[str, Figure], Field(default_factory=dict, max_length=50)]
    veto: Note = ""


class PrizeSent(Sent):
    """A prize and how many get it."""

    title: Name
    number: Annotated[int, Field(ge=1, le=100)] = 1


class ResultsSent(Sent):
    """The marks of a round, all taken in or none: who did not come, who goes on, what the best get."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"draft": 4, "marks": [{"judge": "王评委", "pitch": "CG-101", "marks": {"技术创新": "25", "市场前景": "26.5"}}],
         "through": 3, "awards": [{"title": "一等奖", "number": 1}]},
    ]})  # fmt: skip

    draft: Draft
    marks: Annotated[list[JudgedSent], Field(min_length=1, max_length=5000)]
    absent: Annotated[dict[RecordId, Short], Field(default_factory=dict, max_length=100)]
    criteria: Annotated[list[CriterionSent], Field(default_factory=list, max_length=50)]
    awards: Annotated[list[PrizeSent], Field(default_factory=list, max_length=50)]
    through: Annotated[int, Field(ge=0, le=1000, description="前几名进入下一轮")] = 0
    round: Annotated[int | None, Field(ge=1, le=20)] = None
    seed: Annotated[int | None, Field(ge=0, le=2**31)] = None
    dry_run: bool = False


class RankedPitch(Given):
    """A pitch in the results: ``rank`` null where it has no score, and why in ``reason``."""

    id: str
    title: str
    rank: int | None
    score: str
    tie: str
    award: str
    through: bool
    reason: str


class RoundShown(Given):
    """The results of a round."""

    number: int
    title: str
    at: AwareDatetime
    by: str
    rule: str
    ranking: list[RankedPitch]


class RoundsShown(Given):
    """The rounds that are kept with a roadshow."""

    id: str
    draft: int
    rounds: list[RoundShown]


class FollowedShown(Given):
    """What came of a winner since its award."""

    id: str
    title: str
    award: str
    stage: str
    scene: str
    last: AwareDatetime | None
    days: int
    text: str


class FollowedPage(Given):
    """The winners, the longest silent first."""

    items: list[FollowedShown]


class OpenPitch(Given):
    """A pitch of a released roadshow as others see it."""

    place: int
    id: str
    title: str
    owner: str
    summary: str


class OpenLine(Given):
    """A line of an agenda."""

    start: ShownClock
    end: ShownClock
    what: str
    pitch: str | None


class OpenSession(Given):
    """A session of an agenda."""

    title: str
    room: str
    start: ShownClock
    end: ShownClock
    lines: list[OpenLine]


class OpenRoadshow(Given):
    """A roadshow of the city's as it was last released: who pitches and when. No fits, judges, meetings or marks."""

    id: str
    title: str
    theme: str
    day: date | None
    state: RoadshowState
    state_label: str
    version: int
    released_at: AwareDatetime
    pitches: list[OpenPitch]
    sessions: list[OpenSession]


class OpenBrief(Given):
    """A line of the list of released roadshows."""

    id: str
    title: str
    day: date | None
    state: RoadshowState
    state_label: str
    version: int


class OpenPage(Given):
    """Released roadshows of the city's that the caller may see."""

    items: list[OpenBrief]
    next: str | None
