"""A roadshow's timetable: sessions cut into slots of pitch, questions and turnover, and which pitch stands in which.

Nothing here reads the store or a clock: a programme is plain values, given by whoever knows the event. Moments are all
with a zone or all without (local); a session may run past midnight, because its end carries its own date.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import combinations
from random import Random
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from graph.problems import Problem, Refused
from matcher.lineup import RuleLevel

RuleKind = Literal[
    "room", "judge_twice", "slot", "placed", "session", "presenter_free", "presenter_twice", "judge_free",
    "judge_conflict", "precedence", "institution_apart", "scene_together",
]  # fmt: skip
_LONGEST = timedelta(hours=24)
# Where each pitch stands: session id and number of the slot in it, from 1. A pitch that is not there has no slot.
Places = Mapping[str, tuple[str, int]]

# What each rule is called, and how strict it is unless the programme says otherwise.
RULES: Mapping[RuleKind, tuple[str, RuleLevel]] = {
    "slot": ("一个时段只排一个项目", "forbid"),
    "room": ("同一会场同一时间只办一场", "forbid"),
    "placed": ("每个项目都排上", "forbid"),
    "session": ("项目只排在指定的场次", "forbid"),
    "presenter_free": ("路演人有空", "forbid"),
    "presenter_twice": ("路演人不同时在两处", "forbid"),
    "judge_twice": ("评委不同时在两场", "forbid"),
    "judge_free": ("评委有空", "resolve"),
    "judge_conflict": ("评委与项目无利害关系", "resolve"),
    "precedence": ("规定的先后次序", "forbid"),
    "institution_apart": ("同一单位不相邻", "hint"),
    "scene_together": ("同一场景相邻", "hint"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From a moment to a later one. Raises ``Refused`` (``time_order``, ``time_mixed``)."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if (self.start.tzinfo is None) != (self.end.tzinfo is None):
            raise Refused("time_mixed", "起止时间一个带时区、一个不带。", "请统一写法。")
        if self.end <= self.start:
            told = f"{self.start:%Y-%m-%d %H:%M} 到 {self.end:%Y-%m-%d %H:%M}"
            raise Refused("time_order", f"结束不晚于开始：{told}。", "请核对；跨零点的，结束要写次日的日期。")

    def overlaps(self, other: "Span") -> bool:
        """Whether they have time in common; touching ends are none."""
        return self.start < other.end and other.start < self.end

    def holds(self, other: "Span") -> bool:
        """Whether the other lies wholly inside."""
        return self.start <= other.start and other.end <= self.end

    @property
    def text(self) -> str:
        """The span for people: the day, from, to, and 次日 where it ends on the next."""
        days = (self.end.date() - self.start.date()).days
        after = {0: "", 1: "次日"}.get(days, f"{self.end:%m-%d} ")
        return f"{self.start:%m-%d %H:%M}–{after}{self.end:%H:%M}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Minutes of a slot's parts, 8+7 and so on; ``slot`` is its whole length where that is longer than the parts.

    Raises ``Refused`` (``slot_short``, ``slot_parts``).
    """

    pitch: int
    questions: int = 0
    turnover: int = 0
    slot: int | None = None

    def __post_init__(self) -> None:
        if self.pitch < 1 or self.questions < 0 or self.turnover < 0:
            raise Refused("slot_parts", f"时段的时长不合理：{self.text}。", "路演至少 1 分钟，其余不能为负。")
        needed = self.pitch + self.questions + self.turnover
        if self.slot is not None and self.slot < needed:
            raise Refused(
                "slot_short",
                f"每个时段 {self.slot} 分钟，放不下 {self.text}，共 {needed} 分钟。",
                f"请把时段加到 {needed} 分钟，或缩短其中一项。",
            )

    @property
    def talk(self) -> timedelta:
        """Pitch and questions: what has to lie inside a session. Turnover after the last may fall out of it."""
        return timedelta(minutes=self.pitch + self.questions)

    @property
    def length(self) -> timedelta:
        """From the start of one slot to that of the next."""
        return timedelta(minutes=self.slot or self.pitch + self.questions + self.turnover)

    @property
    def text(self) -> str:
        """The format for people."""
        return f"路演 {self.pitch} 分钟、答辩 {self.questions} 分钟、换场 {self.turnover} 分钟"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A stretch of pitches in one room, with its breaks and the ids of its judges; ``format`` where it has its own.

    Raises ``Refused`` (``session_long``).
    """

    id: str
    title: str
    room: str
    span: Span
    breaks: tuple[Span, ...] = ()
    judges: tuple[str, ...] = ()
    format: Format | None = None

    def __post_init__(self) -> None:
        if self.span.end - self.span.start > _LONGEST:
            raise Refused(
                "session_long",
                f"场次“{self.title}”长达 {self.span.text}，超过 24 小时。",
                "请核对日期；几天的活动请按天分场次。",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pitch:
    """What is presented. ``free``: when its presenters can (None: always); ``sessions``: where it may stand (empty: anywhere).

    ``scene`` is the one that it should stand beside others of; ``presenters`` are known by their names or ids.
    """

    id: str
    title: str
    presenters: tuple[str, ...] = ()
    institution: str = ""
    scene: str = ""
    free: tuple[Span, ...] | None = None
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """``conflicts`` are ids of pitches and names of institutions; ``recused`` pitches are judged without this judge."""

    id: str
    name: str
    free: tuple[Span, ...] | None = None
    conflicts: tuple[str, ...] = ()
    recused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Another event that has a room."""

    room: str
    span: Span
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """All that a timetable is made from. ``before`` are pairs of pitches, the first to end before the second begins.

    ``levels`` are those that differ from ``RULES``; ``seed`` is that of the draw.
    """

    title: str
    format: Format
    sessions: tuple[Session, ...]
    pitches: tuple[Pitch, ...]
    judges: tuple[Judge, ...] = ()
    bookings: tuple[Booking, ...] = ()
    before: tuple[tuple[str, str], ...] = ()
    levels: Mapping[RuleKind, RuleLevel] = field(default_factory=dict)
    seed: int = 0

    def level(self, kind: RuleKind) -> RuleLevel:
        """How strict a rule is here."""
        return self.levels.get(kind, RULES[kind][1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where one pitch can stand: ``span`` is its pitch and questions; ``follows``: no break after the slot before."""

    session: str
    number: int
    span: Span
    room: str
    follows: bool

    @property
    def place(self) -> tuple[str, int]:
        """How ``Places`` names it."""
        return self.session, self.number


def slots(programme: Programme) -> tuple[Slot, ...]:
    """Every slot, by the time it starts; those of one session back to back but for its breaks."""
    found = [slot for session in programme.sessions for slot in _slots_of(session, programme.format)]
    return tuple(sorted(found, key=lambda slot: (slot.span.start, slot.session, slot.number)))


def _slots_of(session: Session, usual: Format) -> Iterator[Slot]:
    form, at, number, follows = session.format or usual, session.span.start, 0, False
    breaks = sorted(session.breaks, key=lambda one: one.start)
    while at + form.talk <= session.span.end:
        span = Span(start=at, end=at + form.talk)
        if pause := next((one for one in breaks if one.overlaps(span)), None):
            at, follows = pause.end, False
            continue
        number += 1
        yield Slot(session=session.id, number=number, span=span, room=session.room, follows=follows)
        at, follows = at + form.length, True
        if any(span.end <= one.start < at + form.talk for one in breaks):
            follows = False  # a break lies between, though it may be shorter than the turnover


def is_free(free: Sequence[Span] | None, span: Span) -> bool:
    """Whether somebody free in these stretches (None: always) can be there for the whole span."""
    if free is None:
        return True
    at = span.start
    for one in sorted(free, key=lambda one: one.start):
        if one.start <= at < one.end:
            at = one.end
    return at >= span.end


def lots(programme: Programme) -> dict[str, int]:
    """The draw: every pitch's number from 1, by the programme's seed. The order in which pitches are listed is no part of it."""
    ids = sorted(pitch.id for pitch in programme.pitches)
    Random(programme.seed).shuffle(ids)  # noqa: S311 - to be drawn again by whoever checks
    return {id: number for number, id in enumerate(ids, 1)}


def check(programme: Programme) -> list[Problem]:
    """What is wrong with a programme before anything is placed; errors make it impossible to place anything.

    Warned of: presenters who are free at no slot, sessions too short for a single slot.
    """
    every = slots(programme)
    problems = [*_repeated(programme), *_unknown(programme), *_circle(programme)]
    if _zones(programme) > 1:
        problems.append(
            _problem("time_mixed", "有的时间带时区、有的不带", "请统一写成带时区的，或都不带", "error")
        )
        return problems
    for session in programme.sessions:
        if not any(slot.session == session.id for slot in every):
            form = session.format or programme.format
            told = f"“{session.title}”（{session.span.text}）放不下一个时段（{form.text}）"
            problems.append(_problem("session_short", told, "请延长场次，或缩短路演和答辩", "warning"))
    for pitch in programme.pitches:
        if not any(is_free(pitch.free, slot.span) for slot in every):
            problems.append(_never(pitch))
    return problems


def _never(pitch: Pitch) -> Problem:
    who = "、".join(pitch.presenters) or "路演人"
    when = "、".join(span.text for span in pitch.free or ())
    told = f"只在 {when} 有空，与各时段都不合" if when else "没有一段有空的时间"
    return _problem(
        "presenter_never",
        f"“{pitch.title}”的{who}{told}",
        "请与路演人另约时间、换人路演，或调整场次",
        "warning",
    )


def _repeated(programme: Programme) -> Iterator[Problem]:
    for what, ids in (
        ("场次", [one.id for one in programme.sessions]),
        ("项目", [one.id for one in programme.pitches]),
        ("评委", [one.id for one in programme.judges]),
    ):
        for id, number in sorted(Counter(ids).items()):
            if number > 1:
                yield _problem("id_twice", f"{what}编号“{id}”出现 {number} 次", "请每个编号只用一次", "error")


def _unknown(programme: Programme) -> Iterator[Problem]:
    sessions, pitches = {one.id for one in programme.sessions}, {one.id for one in programme.pitches}
    judges = {one.id for one in programme.judges}
    named: list[tuple[str, str, Iterable[str], set[str]]] = [
        ("场次", f"项目“{one.title}”", one.sessions, sessions) for one in programme.pitches
    ]
    named += [("评委", f"场次“{one.title}”", one.judges, judges) for one in programme.sessions]
    named += [("项目", "先后次序", pair, pitches) for pair in programme.before]
    for what, place, ids, known in named:
        for id in ids:
            if id not in known:
                yield _problem("id_unknown", f"{place}写的{what}“{id}”不存在", f"请核对{what}编号", "error")


def _circle(programme: Programme) -> Iterator[Problem]:
    left = set(programme.before)
    while free := {pair for pair in left if pair[0] not in {second for _, second in left}}:
        left -= free
    while free := {pair for pair in left if pair[1] not in {first for first, _ in left}}:
        left -= free
    if left:
        titles = {one.id: one.title for one in programme.pitches}
        told = "；".join(f"“{titles.get(a, a)}”先于“{titles.get(b, b)}”" for a, b in sorted(left))
        yield _problem("precedence_circle", f"先后次序成了一圈：{told}", "请去掉其中一条", "error")


def _zones(programme: Programme) -> int:
    spans = [one.span for one in programme.sessions] + [one.span for one in programme.bookings]
    spans += [span for one in programme.sessions for span in one.breaks]
    spans += [span for one in programme.pitches for span in one.free or ()]
    spans += [span for one in programme.judges for span in one.free or ()]
    return len({span.start.tzinfo is None for span in spans})


def _problem(code: str, message: str, remedy: str, severity: Literal["error", "warning"]) -> Problem:
    return Problem(code=code, message=message, remedy=remedy, severity=severity)


def shared_rooms(programme: Programme) -> list[tuple[Session, Session | Booking]]:
    """Sessions that have a room at the same time as another session or another event."""
    pairs: list[tuple[Session, Session | Booking]] = list(combinations(programme.sessions, 2))
    pairs += [(session, other) for session in programme.sessions for other in programme.bookings]
    return [(a, b) for a, b in pairs if a.room and a.room == b.room and a.span.overlaps(b.span)]


@cache
def _adapter() -> TypeAdapter[Programme]:
    return TypeAdapter(Programme)


def as_values(programme: Programme) -> dict[str, Any]:
    """The programme as values that JSON can hold; ``from_values`` gives it back."""
    return dict(_adapter().dump_python(programme, mode="json"))


def from_values(values: Mapping[str, Any]) -> Programme:
    """The programme of ``as_values``. Raises ``Refused`` (``programme_unreadable``, and those of its parts)."""
    try:
        return _adapter().validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(
            "programme_unreadable", f"日程的内容读不出来（{place}）。", "请用本程序写出的内容。"
        ) from error


def places_of(values: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Places as they come back from JSON. Raises ``Refused`` (``programme_unreadable``)."""
    try:
        return {str(pitch): (str(session), int(number)) for pitch, (session, number) in values.items()}
    except (TypeError, ValueError) as error:
        raise Refused(
            "programme_unreadable", "日程的内容读不出来（places）。", "请用本程序写出的内容。"
        ) from error
