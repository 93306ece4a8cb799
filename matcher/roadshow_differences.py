"""What changed between two running orders, and between two versions of a roadshow."""

from collections.abc import Sequence
from dataclasses import dataclass

from matcher.roadshows import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """One place of the running order (from 1) that changed hands: who left and who came; either may be ""."""

    place: int
    out: str
    into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed between two lineups: places that changed hands, and who stayed but moved: (id, from, to)."""

    swaps: tuple[Swap, ...]
    moves: tuple[tuple[str, int, int], ...]


def difference(before: Sequence[str], after: Sequence[str]) -> Difference:
    """What changed between two running orders; as few as possible count as moved."""
    outs = [(place, id) for place, id in enumerate(before, 1) if id not in after]
    ins = {place: id for place, id in enumerate(after, 1) if id not in before}
    swaps = []
    for place, id in outs:
        at = place if place in ins else next(iter(ins), None)
        swaps.append(Swap(place=place, out=id, into=ins.pop(at) if at is not None else ""))
    swaps += [Swap(place=place, out="", into=id) for place, id in ins.items()]
    stayed = [id for id in before if id in after]
    in_order = _longest_rise([after.index(id) for id in stayed])
    moves = [
        (id, before.index(id) + 1, after.index(id) + 1) for id in stayed if after.index(id) not in in_order
    ]
    return Difference(swaps=tuple(swaps), moves=tuple(moves))


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """A longest increasing subsequence."""
    best: list[list[int]] = []
    for number in numbers:
        best.append([*_longest([rise for rise in best if rise[-1] < number]), number])
    return set(_longest(best))


def _longest(rises: Sequence[list[int]]) -> list[int]:
    return max(rises, key=len) if rises else []


def version_lines(before: Version, after: Version) -> list[str]:
    """What changed between two versions, in Chinese, a line each; empty if nothing."""
    titles = {
        pitch.achievement: pitch.title or pitch.achievement
        for version in (before, after)
        for pitch in (*version.stage, *version.alternates)
    }

    def called(id: str) -> str:
        return f"“{titles[id]}”（{id}）"

    ids = [[pitch.achievement for pitch in version.stage] for version in (before, after)]
    changed = difference(*ids)
    lines = []
    for swap in changed.swaps:
        if swap.out and swap.into:
            lines.append(f"第 {swap.place} 个由{called(swap.out)}换成{called(swap.into)}")
        else:
            lines.append(f"去掉{called(swap.out)}" if swap.out else f"增加{called(swap.into)}")
    lines += [f"{called(id)}由第 {old} 个移到第 {new} 个" for id, old, new in changed.moves]
    standing = [[pitch.achievement for pitch in version.alternates] for version in (before, after)]
    if standing[0] != standing[1]:
        lines.append("候补改为：" + ("、".join(map(called, standing[1])) or "（无）"))
    lines += ["日程有变"] * (before.timetable != after.timetable) + ["洽谈安排有变"] * (
        before.meetings != after.meetings
    )
    return lines
