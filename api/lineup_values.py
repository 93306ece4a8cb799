"""A roadshow as plain values, the same for every program that asks: command line and HTTP. Fits are 0..1 a listener."""

from collections.abc import Sequence
from typing import Any

from matcher.lineup import LEVEL_LABELS, RULE_LABELS, Broken
from matcher.lineup_conflicts import Clash
from matcher.lineup_exchange import LeftOut
from matcher.roadshow_edits import Changed
from matcher.roadshow_live import Live
from matcher.roadshows import Roadshow, lineup_values


def shown_values(own: Roadshow, records: Any, version: int | None = None) -> dict[str, Any]:
    """A roadshow as it is kept, or one of its versions, by the records that its reader may see."""
    return lineup_values(own, records, version) | {
        "audience": own.audience, "task": own.task or None, "partner": own.partner, "reason": own.reason,
        "total": own.total / 1e6, "best": own.best / 1e6, "proven": own.proven,
        "rules": {kind: own.number(kind) for kind in RULE_LABELS if own.number(kind)},
        "levels": own.levels, "coverage": own.coverage, "must": list(own.must),
        "out": [one.model_dump() for one in own.out],
        "versions": [
            {"number": one.number, "at": one.at.isoformat(), "by": one.by, "note": one.note} for one in own.versions
        ],
    }  # fmt: skip


def live_values(live: Live, left: Sequence[LeftOut]) -> dict[str, Any]:
    """A roadshow as it stands beside the data of now: also what it breaks, and who is not on stage and why."""
    return (
        shown_values(live.roadshow, live.engine.store)
        | {"total": live.total / 1e6}
        | check_values(live, left)
    )


def check_values(live: Live, left: Sequence[LeftOut]) -> dict[str, Any]:
    """What a lineup breaks now, and who is not on stage: the nearest reason and what would have to give."""
    return {
        "conflicts": [_conflict(one) for one in live.conflicts],
        "left_out": [
            {"id": one.id, "title": live.pool.titles.get(one.id, ""), "reason": one.reason, "rules": list(one.rules),
             "gives": list(one.gives), "comes": list(one.comes), "cost": None if one.cost is None else one.cost / 1e6,
             "exact": one.exact}
            for one in left
        ],
    }  # fmt: skip


def clash_values(clash: Clash) -> dict[str, Any]:
    """Why there is no lineup: the rules that cannot hold together, and what would mend it, the cheapest first."""
    return {
        "rules": [rule.text for rule in clash.rules],
        "ways": [
            {"text": way.text, "rule": way.rule.kind, "about": way.rule.about or None, "value": way.value, "total": way.total / 1e6}
            for way in clash.ways
        ],
        "together": [rule.text for rule in clash.together],
    }  # fmt: skip


def _conflict(one: Broken) -> dict[str, Any]:
    return {
        "rule": one.rule.kind, "level": one.rule.level, "level_label": LEVEL_LABELS[one.rule.level], "message": one.message,
        "touches": list(one.touches),
    }  # fmt: skip


def change_values(made: "Changed") -> dict[str, Any]:
    """What an edit came to, as plain values."""
    return {
        "id": made.roadshow.id, "draft": made.roadshow.draft, "state": made.roadshow.state, "stage": list(made.roadshow.ids),
        "alternates": [pitch.achievement for pitch in made.roadshow.alternates],
        "before": made.before / 1e6, "total": made.roadshow.total / 1e6, "best": made.roadshow.best / 1e6,
        "proven": made.roadshow.proven, "gap": made.gap,
        "costs": [{"place": c.place, "out": c.out or None, "into": c.into or None, "cost": c.cost / 1e6} for c in made.costs],
        "moves": [{"id": id, "from": old, "to": new} for id, old, new in made.difference.moves],
        "conflicts": [_conflict(one) for one in made.conflicts],
        "new_conflicts": [_conflict(one) for one in made.new_conflicts], "notes": list(made.notes),
    }  # fmt: skip
