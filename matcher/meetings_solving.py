"""A schedule of meetings: who is chosen, in which round, at which table; made anew, or with the fewest changes.

What was arranged before and can still be held stays where it is, and what has come free is filled. Only where somebody
who must be met would be left out do meetings that are not locked give way, as few as possible.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from graph.problems import Refused
from matcher.meetings import (
    Meeting,
    MeetingDay,
    Pair,
    Schedule,
    Someone,
    Unmet,
    check,
    idle_of,
    unmet,
    worth_of,
)
from matcher.meetings_choice import best_pairs
from matcher.meetings_model import least_waiting, most_worth, waiting_bound
from matcher.meetings_rounds import Rounds, less_waiting, placed, sides_of

# Deterministic seconds for each of the two programs.
_EFFORT = 8.0
# Above so many variables the programs are left out: chains alone, with the gap stated.
_LARGEST = 60_000


def schedule(
    day: MeetingDay,
    *,
    before: Sequence[Meeting] = (),
    locked: Collection[Pair] = (),
    effort: float = _EFFORT,
) -> Schedule:
    """The meetings of a day. With ``before``, worth and bound are those beside what is kept of it.

    ``locked`` pairs stay where ``before`` has them. Raises ``Refused`` for a day with errors (``check``) and for a locked
    meeting that cannot be held any more (``lock_impossible``).
    """
    for problem in check(day):
        if problem.severity == "error":
            raise Refused(problem.code, f"{problem.message}。", f"{problem.remedy}。")
    kept = _still_possible(day, before, locked)
    rounds, bound = _filled(day, kept, effort)
    if before and any(one.cause not in ("veto", "absent") for one in _musts(day, rounds)):
        rounds, bound = _made_room(day, rounds, bound, kept, locked, effort)
    stood = {one.pair: one for one in kept if rounds.get(one.pair) == one.round}
    rounds, idle_bound = _calm(day, rounds, set(stood), effort)
    full = _topped_up(day, list(day.worths), rounds)  # rounds that were moved may have made room
    if len(full) > len(rounds):
        rounds, idle_bound = full, waiting_bound(day, full)
    meetings = _at_tables(day, rounds, stood)
    return Schedule(
        meetings=meetings,
        unmet=unmet(day, meetings),
        worth=worth_of(day, list(rounds)),
        bound=bound,
        idle=idle_of(meetings),
        idle_bound=idle_bound,
    )


def _still_possible(day: MeetingDay, before: Sequence[Meeting], locked: Collection[Pair]) -> list[Meeting]:
    """The meetings of before that can be held where they were, locked ones first."""
    kept: list[Meeting] = []
    busy: set[tuple[Someone, int]] = set()
    number: dict[Someone, int] = defaultdict(int)
    load: dict[int, int] = defaultdict(int)
    for one in sorted(before, key=lambda m: (m.pair not in locked, m)):
        sides = sides_of(one.pair)
        fits = (
            one.pair in day.worths
            and one.pair not in {other.pair for other in kept}
            and load[one.round] < day.tables
            and all(
                one.round in day.free[side]
                and (side, one.round) not in busy
                and number[side] < day.most[side]
                for side in sides
            )
        )
        if not fits:
            if one.pair in locked:
                names = (
                    day.names.get(("guest", one.guest), one.guest),
                    day.names.get(("team", one.team), one.team),
                )
                raise Refused(
                    "lock_impossible",
                    f"锁定的洽谈“{names[0]}—{names[1]}”（第 {one.round} 轮）已经不能举行。",
                    "请解除锁定，或核对双方的空闲轮次和意愿。",
                )
            continue
        kept.append(one)
        load[one.round] += 1
        for side in sides:
            busy.add((side, one.round))
            number[side] += 1
    return sorted(kept)


def _filled(day: MeetingDay, kept: Sequence[Meeting], effort: float) -> tuple[dict[Pair, int], int]:
    """Rounds of what is kept and of all that fits beside it, and what the worth of such a schedule cannot exceed."""
    fixed = {one.pair: one.round for one in kept}
    open_pairs = [
        (guest, team)
        for guest, team in day.worths
        if (guest, team) not in fixed and day.free["guest", guest] & day.free["team", team]
    ]
    chosen = best_pairs(day, open_pairs, kept)
    bound = worth_of(day, [*fixed, *chosen])
    found, left = placed(day, chosen, fixed)
    rounds = dict(found.of)
    if left and len(open_pairs) * len(day.rounds) <= _LARGEST:
        rounds, proved = most_worth(day, open_pairs, fixed, rounds, effort)
        bound = min(bound, max(proved, worth_of(day, list(rounds))))
    return _topped_up(day, open_pairs, rounds), bound


def _topped_up(day: MeetingDay, pairs: Sequence[Pair], of: Mapping[Pair, int]) -> dict[Pair, int]:
    """The rounds with every pair added that fits beside the others, the worthiest first."""
    rounds = Rounds(day, of)
    for pair in sorted(pairs, key=lambda one: (-day.worths[one], one)):
        guest, team = sides_of(pair)
        if pair in rounds.of or any(len(rounds.busy[side]) >= day.most[side] for side in (guest, team)):
            continue
        both = [n for n in rounds.open_to(guest) if n in rounds.open_to(team) and rounds.load[n] < day.tables]
        if both:
            rounds.put(pair, both[0])
    return rounds.of


def _musts(day: MeetingDay, rounds: Mapping[Pair, int]) -> list[Unmet]:
    meetings = [Meeting(round=n, table=1, guest=g, team=t) for (g, t), n in rounds.items()]
    return [one for one in unmet(day, meetings) if one.want == "must"]


def _made_room(
    day: MeetingDay,
    rounds: dict[Pair, int],
    bound: int,
    kept: Sequence[Meeting],
    locked: Collection[Pair],
    effort: float,
) -> tuple[dict[Pair, int], int]:
    """The schedule with more of those who must meet, if there is one: meetings that are not locked give way."""
    fixed = {one.pair: one.round for one in kept if one.pair in locked}
    pairs = [(g, t) for g, t in day.worths if day.free["guest", g] & day.free["team", t]]
    if len(pairs) * len(day.rounds) > _LARGEST:
        return rounds, bound
    stay = {one.pair: one.round for one in kept}
    found, _ = most_worth(day, pairs, fixed, rounds, effort, stay)
    if len(_musts(day, found)) >= len(_musts(day, rounds)):
        return rounds, bound
    return found, max(bound, worth_of(day, list(found)))


def _calm(
    day: MeetingDay, rounds: dict[Pair, int], fixed: Collection[Pair], effort: float
) -> tuple[dict[Pair, int], int]:
    """The same meetings with less waiting, as far as what is fixed allows, and what waiting cannot fall below."""
    if not rounds:
        return rounds, 0
    found = Rounds(day, rounds)
    found.fixed = set(fixed)
    less_waiting(found, day.seed)
    waiting = found.idle({guest for guest, _ in rounds})
    bound = waiting_bound(day, rounds)
    rounds = dict(found.of)
    if waiting > bound and len(rounds) * len(day.rounds) <= _LARGEST and len(fixed) < len(rounds):
        rounds, proved = least_waiting(day, rounds, fixed, effort)
        bound = max(bound, proved)
    elif len(fixed) == len(rounds):
        bound = waiting
    return rounds, bound


def _at_tables(
    day: MeetingDay, rounds: Mapping[Pair, int], stood: Mapping[Pair, Meeting]
) -> tuple[Meeting, ...]:
    """A table for each meeting: what stood keeps its own; a team (else a guest) that can have one of its own sits there."""
    teams = [one.id for one in sorted(day.teams, key=lambda one: one.id)]
    guests = [one.id for one in sorted(day.guests, key=lambda one: one.id)]
    side = 1 if len(teams) <= day.tables or len(guests) > day.tables else 0
    seats = teams if side else guests
    home = {id: number for number, id in enumerate(seats, 1)} if len(seats) <= day.tables else {}
    meetings = [one for one in stood.values() if one.table <= day.tables]
    taken = {(one.round, one.table) for one in meetings}
    known = {one.pair for one in meetings}
    for pair, number in sorted(rounds.items(), key=lambda item: (item[1], item[0])):
        if pair in known:
            continue
        free = [table for table in range(1, day.tables + 1) if (number, table) not in taken]
        table = home.get(pair[side], 0)
        table = table if table in free else free[0]
        home[pair[side]] = table
        taken.add((number, table))
        meetings.append(Meeting(round=number, table=table, guest=pair[0], team=pair[1]))
    return tuple(sorted(meetings))
