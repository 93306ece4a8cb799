"""多对多洽谈: guests meet teams at tables in rounds, by what either side wishes.

A meeting is worth what its two sides wish (a mutual wish twice as much as one of one side), a 必须 goes before all others,
and a 不见 of either side is never broken. So that nobody has all and nobody none, everybody's first meeting counts most
and each further one less (harmonic weights, as in Thiele's proportional approval rule of 1895). Among the ways to hold
the meetings chosen, guests wait as little as possible between theirs; teams may have gaps.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from graph.problems import Problem, Refused
from matcher.timetable import Span

Want = Literal["must", "want", "no"]
Side = Literal["guest", "team"]
Cause = Literal["veto", "absent", "guest_full", "team_full", "tables_full", "no_common_round"]
Pair = tuple[str, str]
Someone = tuple[Side, str]

WANTS: Mapping[Want, str] = {"must": "必须", "want": "希望", "no": "不见"}
SIDES: Mapping[Side, str] = {"guest": "嘉宾", "team": "团队"}
MOST_ROUNDS = 48
# Worth of a pair: far more for each side that must, and this for each that wants or must.
MUST, WANTED = 1_000_000, 6
# The k-th meeting of a guest or a team adds so much over k.
_SHARE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A guest or a team. ``free``: rounds in which it can meet, from 1 (None: all); ``most`` meetings at most."""

    id: str
    name: str
    free: tuple[int, ...] | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the guest or the team (``by``) wishes of the other."""

    guest: str
    team: str
    by: Side
    want: Want


@dataclass(frozen=True, kw_only=True)
class MeetingDay:
    """Who is there, who wishes what, when the rounds are and how many tables there are.

    Raises ``Refused`` (``meetings_size``) for no table or round, too many rounds, or rounds that overlap or are out of order.
    """

    title: str
    guests: tuple[Party, ...]
    teams: tuple[Party, ...]
    wishes: tuple[Wish, ...]
    rounds: tuple[Span, ...]
    tables: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tables < 1 or not 1 <= len(self.rounds) <= MOST_ROUNDS:
            told = f"{self.tables} 张桌、{len(self.rounds)} 轮"
            raise Refused(
                "meetings_size", f"洽谈的规模不合理：{told}。", f"桌数至少为 1，轮数为 1 到 {MOST_ROUNDS}。"
            )
        for number, (one, after) in enumerate(zip(self.rounds, self.rounds[1:], strict=False), 1):
            if after.start < one.end:
                told = f"第 {number} 轮（{one.text}）与第 {number + 1} 轮（{after.text}）"
                raise Refused("meetings_size", f"{told}时间重叠或次序颠倒。", "请按先后写各轮的时间。")

    @cached_property
    def said(self) -> Mapping[Pair, Mapping[Side, Want]]:
        """What each side says of a pair; a later wish replaces an earlier one of the same side."""
        found: dict[Pair, dict[Side, Want]] = defaultdict(dict)
        for wish in self.wishes:
            found[wish.guest, wish.team][wish.by] = wish.want
        return dict(found)

    @cached_property
    def worths(self) -> Mapping[Pair, int]:
        """The worth of every pair that somebody wishes and nobody refuses, in the order of ids."""
        return {
            pair: sum(MUST * (want == "must") + WANTED for want in said.values())
            for pair, said in sorted(self.said.items())
            if "no" not in said.values()
        }

    @cached_property
    def names(self) -> Mapping[Someone, str]:
        """What everybody is called."""
        return {("guest", one.id): one.name for one in self.guests} | {
            ("team", one.id): one.name for one in self.teams
        }

    @cached_property
    def free(self) -> Mapping[Someone, frozenset[int]]:
        """The rounds in which everybody can meet."""
        every = frozenset(range(1, len(self.rounds) + 1))
        sides: tuple[tuple[Side, Sequence[Party]], ...] = (("guest", self.guests), ("team", self.teams))
        return {
            (side, one.id): every if one.free is None else every & set(one.free)
            for side, parties in sides
            for one in parties
        }

    @cached_property
    def most(self) -> Mapping[Someone, int]:
        """How many meetings everybody can have."""
        sides: tuple[tuple[Side, Sequence[Party]], ...] = (("guest", self.guests), ("team", self.teams))
        return {
            (side, one.id): len(self.free[side, one.id])
            if one.most is None
            else max(0, min(one.most, len(self.free[side, one.id])))
            for side, parties in sides
            for one in parties
        }


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Meeting:
    """Who meets whom, in which round and at which table, both from 1."""

    round: int
    table: int
    guest: str
    team: str

    @property
    def pair(self) -> Pair:
        """Guest and team."""
        return self.guest, self.team


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A wish that came to nothing, and why; ``want`` is the stronger one of the two sides."""

    guest: str
    team: str
    want: Want
    cause: Cause
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Who meets whom when. ``worth`` is that of ``worth_of``; no schedule is worth more than ``bound``.

    ``idle`` counts the rounds that guests wait between their meetings; these very meetings cannot be held with fewer than
    ``idle_bound``.
    """

    meetings: tuple[Meeting, ...]
    unmet: tuple[Unmet, ...]
    worth: int
    bound: int
    idle: int
    idle_bound: int

    @property
    def proven(self) -> bool:
        """Whether nothing better is possible."""
        return self.worth == self.bound and self.idle == self.idle_bound


def share(number: int) -> int:
    """What the ``number``-th meeting of somebody adds, from 1."""
    return _SHARE // number


def worth_of(day: MeetingDay, pairs: Collection[Pair]) -> int:
    """The worth of meetings: of the pairs, and of everybody's first, second … meeting."""
    counts: Counter[Someone] = Counter()
    for guest, team in pairs:
        counts["guest", guest] += 1
        counts["team", team] += 1
    shares = sum(share(number) for count in counts.values() for number in range(1, count + 1))
    return sum(day.worths[pair] for pair in pairs) + shares


def idle_of(meetings: Collection[Meeting]) -> int:
    """How many rounds guests wait between their first and last meeting, all together."""
    rounds: dict[str, list[int]] = defaultdict(list)
    for one in meetings:
        rounds[one.guest].append(one.round)
    return sum(max(some) - min(some) + 1 - len(some) for some in rounds.values())


def check(day: MeetingDay) -> list[Problem]:
    """What is wrong with what was handed in; errors make it impossible to arrange anything."""
    problems = []
    for what, parties in (("嘉宾", day.guests), ("团队", day.teams)):
        for id, number in sorted(Counter(one.id for one in parties).items()):
            if number > 1:
                problems.append(
                    _problem("id_twice", f"{what}编号“{id}”出现 {number} 次", "请每个编号只用一次")
                )
        for one in parties:
            if one.free is not None and not set(one.free) & set(range(1, len(day.rounds) + 1)):
                told = f"{what}“{one.name}”没有一轮有空"
                problems.append(_problem("party_never", told, "请核对有空的轮次，或取消其洽谈", "warning"))
    said: dict[tuple[str, str, Side], Want] = {}
    for wish in day.wishes:
        for side, id in (("guest", wish.guest), ("team", wish.team)):
            if (side, id) not in day.names:
                told = f"意愿里的{SIDES[side]}“{id}”不在名单里"  # type: ignore[index]
                problems.append(_problem("id_unknown", told, "请核对编号或名称"))
        key = (wish.guest, wish.team, wish.by)
        if said.setdefault(key, wish.want) != wish.want:
            who = f"{day.names.get(('guest', wish.guest), wish.guest)}—{day.names.get(('team', wish.team), wish.team)}"
            told = f"{SIDES[wish.by]}一方对“{who}”写了两种意愿：{WANTS[said[key]]}、{WANTS[wish.want]}"
            problems.append(_problem("wish_twice", told, "请只留一种"))
    return problems


def _problem(
    code: str, message: str, remedy: str, severity: Literal["error", "warning"] = "error"
) -> Problem:
    return Problem(code=code, message=message, remedy=remedy, severity=severity)


def broken(day: MeetingDay, meetings: Sequence[Meeting]) -> list[Problem]:
    """What is wrong with a schedule, whoever made it: the same whoever changed it by hand."""
    return list(_broken(day, meetings))


def _broken(day: MeetingDay, meetings: Sequence[Meeting]) -> Iterator[Problem]:
    rounds, tables = Counter[tuple[Side, str, int]](), Counter[tuple[int, int]]()
    number, pairs = Counter[Someone](), Counter[Pair]()
    for one in meetings:
        sides: tuple[Someone, ...] = (("guest", one.guest), ("team", one.team))
        told = (
            f"{day.names.get(sides[0], one.guest)}与{day.names.get(sides[1], one.team)}（第 {one.round} 轮）"
        )
        tables[one.round, one.table] += 1
        pairs[one.pair] += 1
        if "no" in day.said.get(one.pair, {}).values():
            yield _problem("meeting_refused", f"{told}：一方写明不见", "请取消这次洽谈")
        elif one.pair not in day.worths:
            yield _problem("meeting_unwished", f"{told}：没有哪一方提出", "请核对，或补上意愿")
        if not (1 <= one.round <= len(day.rounds) and 1 <= one.table <= day.tables):
            yield _problem("meeting_place", f"{told}：没有这一轮或这张桌", "请改到有的轮次和桌号")
        for side in sides:
            rounds[*side, one.round] += 1
            number[side] += 1
            if one.round not in day.free.get(side, frozenset()):
                who = day.names.get(side, side[1])
                yield _problem("party_absent", f"{told}：{who}这一轮没有空", "请换一轮或取消")
    for (side_name, id, at), count in sorted(rounds.items()):
        if count > 1:
            who = day.names.get((side_name, id), id)
            yield _problem("party_twice", f"{who}在第 {at} 轮有 {count} 次洽谈", "请只留一次")
    for (at, table), count in sorted(tables.items()):
        if count > 1:
            yield _problem("table_twice", f"第 {at} 轮的 {table} 号桌有 {count} 次洽谈", "请换一张桌")
    for side, count in sorted(number.items()):
        if side in day.most and count > day.most[side]:
            told = f"{day.names[side]}有 {count} 次洽谈，至多 {day.most[side]} 次"
            yield _problem("party_most", told, "请减少，或提高上限")
    for (guest, team), count in sorted(pairs.items()):
        if count > 1:
            who = f"{day.names.get(('guest', guest), guest)}与{day.names.get(('team', team), team)}"
            yield _problem("pair_twice", f"{who}排了 {count} 次", "请只留一次")


def unmet(day: MeetingDay, meetings: Sequence[Meeting]) -> tuple[Unmet, ...]:
    """Every wish that came to nothing with its cause, 必须 first."""
    met = {one.pair for one in meetings}
    busy: dict[Someone, set[int]] = defaultdict(set)
    for one in meetings:
        busy["guest", one.guest].add(one.round)
        busy["team", one.team].add(one.round)
    taken = Counter(one.round for one in meetings)
    open_rounds = {n for n in range(1, len(day.rounds) + 1) if taken[n] < day.tables}
    found = [
        _unmet(day, pair, said, busy, open_rounds)
        for pair, said in sorted(day.said.items())
        if pair not in met and set(said.values()) & {"must", "want"}
    ]
    return tuple(sorted(found, key=lambda one: (one.want != "must", one.guest, one.team)))


def _unmet(
    day: MeetingDay,
    pair: Pair,
    said: Mapping[Side, Want],
    busy: Mapping[Someone, Collection[int]],
    open_rounds: Collection[int],
) -> Unmet:
    guest: Someone = ("guest", pair[0])
    team: Someone = ("team", pair[1])
    names = day.names[guest], day.names[team]
    left = {side: day.free[side] - set(busy.get(side, ())) for side in (guest, team)}
    full = {side for side in (guest, team) if len(busy.get(side, ())) >= day.most[side]}
    together = left[guest] & left[team]
    if "no" in said.values():
        who = names[0] if said.get("guest") == "no" else names[1]
        cause, told = "veto", f"{who}写明不见"
    elif not day.free[guest] or not day.free[team]:
        cause, told = "absent", f"{names[bool(day.free[guest])]}没有一轮有空，或已取消"
    elif not day.free[guest] & day.free[team]:
        cause, told = "absent", "双方没有一轮同时有空"
    elif guest in full:
        cause, told = "guest_full", f"{names[0]}的 {len(busy[guest])} 次已排满"
    elif team in full:
        cause, told = "team_full", f"{names[1]}的 {len(busy[team])} 次已排满"
    elif together and not together & set(open_rounds):
        cause, told = "tables_full", "双方都有空的轮次，桌子已经用完"
    else:
        cause, told = "no_common_round", "双方剩下的空轮次不重合"
    want: Want = "must" if "must" in said.values() else "want"
    return Unmet(guest=pair[0], team=pair[1], want=want, cause=cause, message=told)  # type: ignore[arg-type]


@cache
def _day() -> TypeAdapter[MeetingDay]:
    return TypeAdapter(MeetingDay)


@cache
def _meetings() -> TypeAdapter[tuple[Meeting, ...]]:
    return TypeAdapter(tuple[Meeting, ...])


def as_values(day: MeetingDay, meetings: Sequence[Meeting] = ()) -> dict[str, Any]:
    """A day with its meetings as values that JSON can hold; ``from_values`` gives both back."""
    return dict(_day().dump_python(day, mode="json")) | {
        "meetings": _meetings().dump_python(tuple(meetings), mode="json")
    }


def from_values(values: Mapping[str, Any]) -> tuple[MeetingDay, tuple[Meeting, ...]]:
    """The day and the meetings of ``as_values``. Raises ``Refused`` (``meetings_unreadable``, and those of its parts)."""
    rest = {name: value for name, value in values.items() if name != "meetings"}
    try:
        return _day().validate_python(rest), _meetings().validate_python(tuple(values.get("meetings", ())))
    except (ValidationError, TypeError) as error:
        raise Refused(
            "meetings_unreadable", "洽谈安排的内容读不出来。", "请用 jiebang meetings solve 写出的文件。"
        ) from error
