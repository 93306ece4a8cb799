"""One pitch for another: who could step in for whom, the alternates, and what it takes to bring somebody in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matcher.lineup import (
    LEVEL_WORDS,
    MILLIONTHS,
    OWN,
    VARIED,
    Mask,
    Pool,
    Row,
    Rule,
    Terms,
    Whole,
    groups_of,
    objective,
)
from matcher.lineup_program import Found, best_lineup

_EFFORT = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternate:
    """Who steps in next: its place, and whose place it can take without breaking a rule more than now."""

    at: int
    replaces: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Why a candidate is not on stage and what would have to give to bring it in.

    ``reason`` is the nearest. ``rules`` would have to let it off, ``gives`` would have to leave and ``comes`` would
    come with it; ``cost`` in millionths is what the objective loses, exact or (not ``exact``) at most so much; None
    where no way was found.
    """

    id: str
    reason: str
    rules: tuple[str, ...]
    gives: tuple[str, ...]
    comes: tuple[str, ...]
    cost: int | None
    exact: bool


class Exchanges:
    """All exchanges of one pitch of a lineup for one that is not on stage, worked out together."""

    def __init__(self, pool: Pool, rows: Sequence[Row], terms: Terms, chosen: Mask) -> None:
        import scipy.sparse as sparse

        self.pool, self.terms, self.chosen = pool, terms, chosen
        plain = [row for row in rows if row.rule.binds and not row.groups]
        self._spread = [row for row in rows if row.rule.binds and row.groups]
        self._plain = _incidence([row.members for row in plain], len(pool.ids), sparse)
        count = self._plain @ chosen.astype(np.int64)
        # What is broken already may stay as it is: an exchange must not make it worse.
        self._least = np.minimum([row.least for row in plain], count)
        self._most = np.maximum([row.most for row in plain], count)
        self._count = count
        varied = [one for kind in VARIED for one in groups_of(pool)[kind]] if terms.variety else []
        self._varied = _incidence(varied, len(pool.ids), sparse)
        self._used = self._varied @ chosen.astype(np.int64)
        self._bonus = terms.variety * MILLIONTHS // 100

    def for_place(self, out: int | None) -> tuple[Mask, Whole]:
        """Who could come in where ``out`` leaves (None: beside all others), and the objective then."""
        column = np.zeros(len(self.pool.ids), dtype=np.int64)
        if out is not None:
            column[out] = 1
        count = self._count - self._plain @ column
        allowed = ~self.chosen
        full, needy = count >= self._most, count < self._least
        allowed = allowed & ~(self._plain[np.flatnonzero(full)].sum(axis=0) > 0)
        wanting = np.flatnonzero(needy)
        if len(wanting):
            allowed = allowed & (self._plain[wanting].sum(axis=0) == len(wanting))
            allowed &= bool((count[wanting] + 1 >= self._least[wanting]).all())
        rest = self.chosen & ~column.astype(bool)
        for row in self._spread:
            have = [bool(rest[group].any()) for group in row.groups]
            short = min(row.least, row.count(self.chosen)) - sum(have)
            if short > 0:
                new = np.zeros(len(rest), dtype=bool)
                for group, used in zip(row.groups, have, strict=True):
                    if not used:
                        new[group] = True
                allowed &= new if short == 1 else False
        used = self._used - self._varied @ column
        gained = self._varied.T @ (used == 0).astype(np.int64)
        base = int(self.pool.value[rest].sum()) + self._bonus * int((used > 0).sum())
        return allowed, np.asarray(base + self.pool.value + self._bonus * gained, dtype=np.int64)


def alternates(
    pool: Pool, rows: Sequence[Row], terms: Terms, chosen: Mask, number: int, standing: Sequence[int] = ()
) -> list[Alternate]:
    """At most ``number`` alternates, best first; those of ``standing`` who still can come before all others.

    Each raises most what the lineup is worth on average after one cancellation, every pitch being as likely to
    cancel, with the best alternate so far stepping in; ties go to the one that can take more places, then to the
    one worth more, then by id. Who can step in nowhere is none.
    """
    exchanges = Exchanges(pool, rows, terms, chosen)
    stage = np.flatnonzero(chosen).tolist()
    if not stage or not number:
        return []
    ways = [exchanges.for_place(out) for out in stage]
    can = np.array([allowed for allowed, _ in ways])
    worth = np.where(can, np.array([value for _, value in ways]), 0)
    # With nobody to step in, what is left.
    best = np.array([objective(pool, terms, _without(chosen, out)) for out in stage], dtype=np.int64)
    found: list[Alternate] = []
    waiting = [at for at in standing if can[:, at].any()]
    while len(found) < number:
        able = can.sum(axis=0)
        able[[one.at for one in found]] = 0
        if not able.any():
            break
        gain = np.maximum(worth - best[:, None], 0).sum(axis=0)
        order = np.lexsort((-pool.value, -able, -gain, able == 0))
        at = waiting.pop(0) if waiting else int(order[0])
        replaces = tuple(out for out, way in zip(stage, can[:, at], strict=True) if way)
        found.append(Alternate(at=at, replaces=replaces))
        best = np.maximum(best, worth[:, at])
    return found


def left_out(
    pool: Pool, rows: Sequence[Row], terms: Terms, lineup: Found, at: int, *, exactly: bool = True
) -> LeftOut:
    """Why ``at`` is not in a lineup, and the least that would have to give.

    ``exactly`` solves with it on stage (what bars it alone being let off); else the best exchange for one pitch is
    told, which costs nothing to find and is no less than what it would take.
    """
    blocking = [row for row in rows if row.rule.binds and _blocks(row, at, lineup.chosen)]
    own = [row for row in blocking if row.most == 0]
    let_off = [_without_member(row, at) if row in own else row for row in rows]
    reason = _reason(pool, blocking, lineup.chosen, at)
    chosen: Mask | None = None
    swapped = _best_exchange(pool, let_off, terms, lineup.chosen, at)
    exact = False
    if exactly:
        found = best_lineup(pool, let_off, terms, forced=[at], hint=swapped, effort=_EFFORT)
        chosen = found.chosen if isinstance(found, Found) else None
        exact = chosen is not None and found.proven and lineup.proven  # type: ignore[union-attr]
    chosen = swapped if chosen is None else chosen
    told = {"id": pool.ids[at], "reason": reason, "rules": tuple(dict.fromkeys(row.rule.text for row in own))}
    if chosen is None:
        return LeftOut(**told, gives=(), comes=(), cost=None, exact=False)  # type: ignore[arg-type]
    ids = np.array(pool.ids)
    return LeftOut(
        **told,  # type: ignore[arg-type]
        gives=tuple(ids[lineup.chosen & ~chosen].tolist()),
        comes=tuple(id for id in ids[chosen & ~lineup.chosen].tolist() if id != pool.ids[at]),
        cost=lineup.total - objective(pool, terms, chosen),
        exact=exact,
    )


def _blocks(row: Row, at: int, chosen: Mask) -> bool:
    return (
        row.rule.kind not in ("pitches", "must", "lock")
        and not row.groups
        and at in row.members
        and row.count(chosen) >= row.most
    )


def _without_member(row: Row, at: int) -> Row:
    return Row(
        rule=row.rule, subject=row.subject, members=row.members[row.members != at], least=row.least, most=row.most
    )  # fmt: skip


def _best_exchange(pool: Pool, rows: Sequence[Row], terms: Terms, chosen: Mask, at: int) -> Mask | None:
    exchanges, best, lineup = Exchanges(pool, rows, terms, chosen), None, None
    locked = pool.mask(terms.locks) | pool.mask(terms.must)
    for out in np.flatnonzero(chosen & ~locked).tolist():
        allowed, worth = exchanges.for_place(out)
        if allowed[at] and (best is None or worth[at] > best):
            best, lineup = int(worth[at]), _without(chosen, out)
            lineup[at] = True
    return lineup


def _reason(pool: Pool, blocking: Sequence[Row], chosen: Mask, at: int) -> str:
    """The nearest reason: what bars it alone, else the groups that are full, else that others fit more."""
    alone = [row for row in blocking if row.rule.kind in OWN]
    if alone:
        return "；".join(dict.fromkeys(_barred(pool, row.rule, at) for row in alone))
    if blocking:
        told = []
        for row in blocking:
            there = "、".join(pool.ids[one] for one in row.members if chosen[one])
            told.append(
                f"与 {there} 内容相近（{row.subject.removeprefix('相近度 ')}）"
                if row.rule.kind == "likeness"
                else f"{row.subject}已有 {row.count(chosen)} 项（{there}）"
            )
        return "；".join(dict.fromkeys(told))
    stage = np.flatnonzero(chosen)
    if not len(stage):
        return "没有上台的项目"
    least = int(stage[np.argmin(pool.value[stage])])
    if pool.value[at] > pool.value[least]:
        return "没有规则拦着它：适配高于台上的有些项，但换下那些项有别的规则不满足，或现在的阵容不是最优"
    return f"适配 {in_points(int(pool.value[at]))}，不高于台上最低的 {in_points(int(pool.value[least]))}（{pool.ids[least]}）"


def _barred(pool: Pool, rule: Rule, at: int) -> str:
    match rule.kind:
        case "maturity":
            return f"{rule.text}，它{f'是 TRL{pool.trl[at]}' if pool.trl[at] else '没有写明'}"
        case "rest":
            event = next((name for name, ids in pool.shown[: rule.number] if pool.ids[at] in ids), "")
            return f"已在“{event}”登过台"
        case "fit":
            return f"对哪一方听众都没有达到{LEVEL_WORDS[rule.number]}"
    return rule.text


def in_points(millionths: int) -> str:
    """Fit as people read it: 2.35 is as much as 2.35 good introductions."""
    return f"{millionths / MILLIONTHS:.2f}"


def _without(chosen: Mask, out: int) -> Mask:
    rest = chosen.copy()
    rest[out] = False
    return rest


def _incidence(groups: Sequence[Any], n: int, sparse: Any) -> Any:
    """Groups × places, 1 for a member."""
    sizes = [len(group) for group in groups]
    columns = (
        np.concatenate([np.asarray(group, dtype=np.int64) for group in groups])
        if groups
        else np.zeros(0, dtype=np.int64)
    )
    lines = np.repeat(np.arange(len(groups)), sizes)
    ones = np.ones(len(columns), dtype=np.int64)
    return sparse.csr_array((ones, (lines, columns)), shape=(len(groups), n))
