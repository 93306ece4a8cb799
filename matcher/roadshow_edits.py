"""Making a roadshow's lineup and changing it: what each change costs, what it breaks, and as few changes as possible."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal, get_args

import numpy as np

from graph.problems import Refused
from matcher.engine import Engine
from matcher.lineup import LEVEL_WORDS, Broken, Mask, Pool, Row
from matcher.lineup_candidates import THEME, listeners_of
from matcher.lineup_conflicts import Clash
from matcher.lineup_exchange import Alternate, Exchanges, alternates
from matcher.roadshow_differences import Difference, difference
from matcher.roadshow_live import Live, Shown
from matcher.roadshows import Out, Pitch, Roadshow, SceneFit, edited, with_settings

Operation = Literal["solve", "lock", "unlock", "swap", "drop", "add", "move", "set"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One thing done to a lineup.

    ``ids`` are whom it is about: with ``swap`` the one that leaves (or moves) and the one that comes. ``place`` counts
    from 1. ``anew`` solves without regard to how many change, ``fill`` puts an alternate into the place of who is
    dropped. ``numbers`` and ``levels`` are settings as people write them.
    """

    operation: Operation
    ids: tuple[str, ...] = ()
    place: int | None = None
    reason: str = ""
    anew: bool = False
    fill: bool = True
    numbers: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one change of the lineup costs: millionths of the objective; negative is a gain."""

    place: int
    out: str
    into: str
    cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A roadshow after an edit, what changed, what each change cost, and which rules it breaks now and newly."""

    roadshow: Roadshow
    difference: Difference
    costs: tuple[Cost, ...]
    before: int
    conflicts: tuple[Broken, ...]
    new_conflicts: tuple[Broken, ...]
    gap: float = 0.0
    notes: tuple[str, ...] = ()


def proposed(
    engine: Engine, draft: Roadshow, *, shown: Shown, today: date, role: str, at: datetime
) -> Changed | Clash:
    """The first lineup of a roadshow, or why there is none.

    Raises ``Refused``: ``theme_unfit`` where nothing reaches what is asked of a pitch, ``achievement_unknown`` for a
    must-have that is not there to be seen.
    """
    live = Live(engine, draft, shown=shown, today=today, also=[one.achievement for one in draft.out])
    _known(live, draft.must)
    if not live.pool.ids or not (live.pool.level >= draft.number("fit")).any():
        _refuse_unfit(live)
    return applied(live, Edit(operation="solve", anew=True), role=role, at=at)


def applied(live: Live, edit: Edit, *, role: str, at: datetime) -> Changed | Clash:
    """The roadshow after an edit; a ``Clash`` where it is to be solved and no lineup keeps its rules.

    Raises ``Refused``: for ids that are not on stage or not there, a place that is none, settings that cannot be read,
    ``lineup_forbidden`` where a change by hand newly breaks a rule of the level 禁止; and as ``edited`` does.
    """
    edit = replace(edit, ids=tuple(dict.fromkeys(edit.ids)))
    maker = {
        "solve": _solve, "lock": _lock, "unlock": _lock, "swap": _swap, "drop": _drop, "add": _add, "move": _move, "set": _set,
    }[edit.operation]  # fmt: skip
    made = maker(live, edit)
    if isinstance(made, Clash):
        return made
    stage, values, gap = made
    own = live.roadshow
    draft = edited(own, role=role, at=at, **{**values, "stage": tuple(stage)})
    after = live.with_roadshow(draft)
    told = _told(after, draft)
    after = after.with_roadshow(told)
    old = {(one.rule, one.subject, one.message) for one in live.conflicts}
    new = tuple(one for one in after.conflicts if (one.rule, one.subject, one.message) not in old)
    if edit.operation not in ("solve", "set"):
        _refuse_forbidden(live, new)
    return Changed(
        roadshow=told, difference=_difference(edit, own.ids, told.ids), costs=_costs(live, after), before=live.total,
        conflicts=after.conflicts, new_conflicts=new, gap=gap, notes=_notes(live, after, edit),
    )  # fmt: skip


Made = tuple[list[Pitch], dict[str, Any], float]


def _solve(live: Live, edit: Edit) -> Made | Clash:
    values = _settings(live, edit)
    if values:
        # Not yet a draft: only what it is solved by.
        live = live.with_roadshow(live.roadshow.model_copy(update=values))
    _known(live, live.roadshow.must)
    found = live.solved(keep=not edit.anew)
    if isinstance(found, Clash):
        return found
    return _arranged(live, found.chosen), values, found.gap


def _arranged(live: Live, chosen: Mask) -> list[Pitch]:
    """Those on stage in their order, newcomers in the places of those who leave, the rest at the end; best first."""
    pool, ids = live.pool, live.roadshow.ids
    value = dict(zip(pool.ids, pool.value.tolist(), strict=True))
    stays = {id for id, one in zip(pool.ids, chosen.tolist(), strict=True) if one}
    coming = sorted(stays - set(ids), key=lambda id: (-value[id], id))
    order = [id if id in stays else (coming.pop(0) if coming else "") for id in ids]
    known = {pitch.achievement: pitch for pitch in live.roadshow.stage}
    return [known.get(id, Pitch(achievement=id)) for id in (*order, *coming) if id]


def _set(live: Live, edit: Edit) -> Made:
    return list(live.roadshow.stage), _settings(live, edit), 0.0


def _settings(live: Live, edit: Edit) -> dict[str, Any]:
    own = live.roadshow
    values: dict[str, Any] = (
        with_settings(own, edit.numbers, edit.levels) if edit.numbers or edit.levels else {}
    )
    if edit.must:
        _known(live, edit.must)
        values["must"] = tuple(dict.fromkeys((*own.must, *edit.must)))
        values["out"] = tuple(one for one in own.out if one.achievement not in edit.must)
    if edit.must_not:
        values["must"] = tuple(id for id in values.get("must", own.must) if id not in edit.must_not)
        values["out"] = _with_out(values.get("out", own.out), edit.must_not, edit.reason)
    return values


def _lock(live: Live, edit: Edit) -> Made:
    ids = set(edit.ids) if edit.ids else set(live.roadshow.ids)
    for id in edit.ids:
        _place(live, id)
    locked = edit.operation == "lock"
    return (
        [p.model_copy(update={"locked": locked}) if p.achievement in ids else p for p in live.roadshow.stage], {}, 0.0
    )  # fmt: skip


def _swap(live: Live, edit: Edit) -> Made:
    out, into = _two(edit)
    stage, ids = list(live.roadshow.stage), live.roadshow.ids
    first = _place(live, out)
    if into in ids:
        second = _place(live, into)
        stage[first], stage[second] = stage[second], stage[first]
        return stage, {}, 0.0
    _known(live, [into])
    stage[first] = Pitch(achievement=into, by_hand=True, locked=True)
    return stage, {"out": _without_out(live, into)}, 0.0


def _drop(live: Live, edit: Edit) -> Made:
    own, stage = live.roadshow, list(live.roadshow.stage)
    values: dict[str, Any] = {
        "out": _with_out(own.out, edit.ids, edit.reason),
        "must": tuple(id for id in own.must if id not in edit.ids),
    }
    if not edit.ids:
        raise Refused("lineup_pitch", "没有写明去掉谁。", "请写成果编号。")
    for id in edit.ids:
        at = _place(live, id)
        now = live.with_roadshow(own.model_copy(update={"stage": tuple(stage), "out": values["out"]}))
        successor = _successor(now, id) if edit.fill else None
        at = [pitch.achievement for pitch in stage].index(id)
        stage[at : at + 1] = [] if successor is None else [Pitch(achievement=successor)]
    return stage, values, 0.0


def _successor(live: Live, id: str) -> str | None:
    """Who takes the place: the first alternate that breaks no rule more than now, else the best of all candidates."""
    out = live.pool.place(id)
    exchanges = Exchanges(live.pool, _without_own(live, id), live.terms, live.chosen)
    allowed, worth = exchanges.for_place(out)
    standing = [live.pool.place(pitch.achievement) for pitch in live.roadshow.alternates]
    for at in standing:
        if at is not None and allowed[at]:
            return live.pool.ids[at]
    if not allowed.any():
        return None
    return live.pool.ids[int(np.argmax(np.where(allowed, worth, -1)))]


def _without_own(live: Live, id: str) -> list[Row]:
    """The rules but for those that keep one pitch on stage or off it."""
    return [
        row
        for row in live.rows
        if not (row.rule.kind in ("lock", "must", "must_not") and row.rule.about == id)
    ]


def _add(live: Live, edit: Edit) -> Made:
    _known(live, edit.ids)
    stage = list(live.roadshow.stage)
    if there := [id for id in edit.ids if id in live.roadshow.ids]:
        raise Refused("lineup_pitch", f"{'、'.join(there)} 已经在台上。", "不用再加；要换次序就移动它。")
    at = _position(edit.place, len(stage) + 1) if edit.place is not None else len(stage)
    stage[at:at] = [Pitch(achievement=id, by_hand=True, locked=True) for id in edit.ids]
    return stage, {"out": _without_out(live, *edit.ids)}, 0.0


def _move(live: Live, edit: Edit) -> Made:
    stage = list(live.roadshow.stage)
    if len(edit.ids) != 1 or edit.place is None:
        raise Refused("lineup_place", "没有写明把谁移到第几个。", "请写一个成果编号和次序。")
    pitch = stage.pop(_place(live, edit.ids[0]))
    stage.insert(_position(edit.place, len(stage) + 1), pitch)
    return stage, {}, 0.0


def _position(place: int, most: int) -> int:
    if not 1 <= place <= most:
        raise Refused("lineup_place", f"没有第 {place} 个位置。", f"请写 1 到 {most}。")
    return place - 1


def _place(live: Live, id: str) -> int:
    if id not in live.roadshow.ids:
        raise Refused(
            "lineup_pitch", f"{id[:60]} 不在台上。", f"台上有：{'、'.join(live.roadshow.ids) or '（空）'}。"
        )
    return live.roadshow.ids.index(id)


def _two(edit: Edit) -> tuple[str, str]:
    if len(edit.ids) != 2 or edit.ids[0] == edit.ids[1]:
        raise Refused("lineup_pitch", "换人要写两个不同的成果编号。", "先写换下的，再写换上的。")
    return edit.ids[0], edit.ids[1]


def _known(live: Live, ids: Collection[str]) -> None:
    for id in ids:
        if live.pool.place(id) is None:
            where = "入围名单里" if live.roadshow.shortlist is not None else "库里"
            raise Refused("achievement_unknown", f"{where}没有编号为“{id[:60]}”的成果。", "请核对编号。")


def _with_out(out: Sequence[Out], ids: Collection[str], reason: str) -> tuple[Out, ...]:
    kept = [one for one in out if one.achievement not in ids]
    return (*kept, *(Out(achievement=id, reason=reason.strip()) for id in ids))


def _without_out(live: Live, *ids: str) -> tuple[Out, ...]:
    return tuple(one for one in live.roadshow.out if one.achievement not in ids)


def _refuse_forbidden(live: Live, new: Sequence[Broken]) -> None:
    if forbidden := [one for one in new if one.rule.level == "forbid"]:
        told = "；".join(one.message for one in forbidden)
        remedy = "请换一项，或先把那条规则的级别改为“发布前须解决”或“提示”。"
        raise Refused("lineup_forbidden", f"不能这样改：{told}。", remedy)


def _refuse_unfit(live: Live) -> None:
    own = live.roadshow
    what = f"主题“{own.theme[:60]}”" if own.theme else "受邀的场景"
    if not live.pool.ids:
        raise Refused("theme_unfit", f"没有成果可选（{what}）。", "请核对领域和入围名单，或先导入成果。")
    best = int(np.argmax(live.pool.value))
    asked = LEVEL_WORDS[own.number("fit")]
    reached = LEVEL_WORDS[int(live.pool.level[:, best].max())]
    raise Refused(
        "theme_unfit",
        f"没有成果对{what}达到{asked}；最接近的是{live.pool.called(live.pool.ids[best])}（{reached}）。",
        "请把主题写得具体些（要解决什么问题、在哪里用），或邀请具体的场景；确要这样排，把“适配等级至少”改低。",
    )


def _told(live: Live, draft: Roadshow) -> Roadshow:
    """The draft with what is known of its pitches now: fits, reasons, alternates, the total and the best."""
    pool = live.pool
    best = live.best()
    chosen = live.chosen
    # Locks bind who solves, not who cancels.
    spares = alternates(
        pool, [row for row in live.rows if row.rule.kind != "lock"], live.terms, chosen, draft.number("spares"),
        [at for pitch in draft.alternates if (at := pool.place(pitch.achievement)) is not None and not chosen[at]],
    )  # fmt: skip
    standing = [Pitch(achievement=pool.ids[one.at], replaces=_ids(pool, one)) for one in spares]
    reasons = _reasons(live, [pitch.achievement for pitch in (*draft.stage, *standing)])
    total = live.total
    return draft.model_copy(
        update={
            "stage": tuple(_about(pool, pitch, reasons) for pitch in draft.stage),
            "alternates": tuple(_about(pool, pitch, reasons) for pitch in standing),
            "total": total, "best": best.total if best else 0, "proven": best is not None and best.proven,
        }
    )  # fmt: skip


def _ids(pool: Pool, one: Alternate) -> tuple[str, ...]:
    return tuple(pool.ids[at] for at in one.replaces)


def _about(pool: Pool, pitch: Pitch, reasons: Mapping[str, str]) -> Pitch:
    at = pool.place(pitch.achievement)
    if at is None:
        return pitch
    rows = zip(pool.listeners, pool.level[:, at].tolist(), pool.fit[:, at].tolist(), strict=True)
    fits = sorted((SceneFit(listener=id, level=level, fit=fit) for id, level, fit in rows), key=lambda one: (-one.fit, one.listener))  # fmt: skip
    return pitch.model_copy(
        update={
            "title": pool.titles[pitch.achievement], "fit": int(pool.value[at]), "fits": tuple(fits),
            "reason": reasons.get(pitch.achievement, ""),
        }
    )  # fmt: skip


def _reasons(live: Live, ids: Sequence[str]) -> dict[str, str]:
    """Why each fits the listener that it fits best, in one line of the ranking's own breakdown."""
    pool, engine = live.pool, live.engine
    listeners = listeners_of(engine, live.asked)
    wanted: dict[str, list[str]] = {}
    for id in dict.fromkeys(ids):
        at = pool.place(id)
        if at is not None:
            wanted.setdefault(pool.listeners[int(np.argmax(pool.fit[:, at]))], []).append(id)
    found: dict[str, str] = {}
    for name, some in wanted.items():
        if name not in listeners:
            continue
        matches = engine.ranking.score(listeners[name], "achievement", some, today=live.today)
        for why in engine.explain(listeners[name], matches.values(), brief=True):
            found[why.found.id] = (
                why.reason if name == THEME else f"对“{why.subject.title}”{why.level}：{why.reason}"
            )
    return found


def _difference(edit: Edit, before: Sequence[str], after: Sequence[str]) -> Difference:
    """What changed; of two neighbours who changed places the one that was moved by hand is the one that moved."""
    if edit.operation == "move" and before != after:
        moved = (edit.ids[0], before.index(edit.ids[0]) + 1, after.index(edit.ids[0]) + 1)
        return Difference(swaps=(), moves=(moved,))
    return difference(before, after)


def _costs(before: Live, after: Live) -> tuple[Cost, ...]:
    """What each place that changed hands costs: the fit of who left less that of who came."""
    value = {
        pitch.achievement: pitch.fit for live in (before, after) for pitch in live.roadshow.stage
    } | dict(zip(after.pool.ids, after.pool.value.tolist(), strict=True))
    return tuple(
        Cost(
            place=swap.place,
            out=swap.out,
            into=swap.into,
            cost=value.get(swap.out, 0) - value.get(swap.into, 0),
        )
        for swap in difference(before.roadshow.ids, after.roadshow.ids).swaps
    )


def _notes(before: Live, after: Live, edit: Edit) -> tuple[str, ...]:
    notes = []
    if edit.operation == "drop" and edit.fill and len(after.roadshow.stage) < len(before.roadshow.stage):
        notes.append("没有人能补上这个位置而不违反规则，先空着；可以另加一项，或放宽规则后重新求解")
    if set(before.roadshow.ids) != set(after.roadshow.ids) and after.roadshow.timetable is not None:
        notes.append("日程是按改动前的阵容排的，请重新排")
    return tuple(notes)
