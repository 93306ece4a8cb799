"""The addends of a score for people: label, points, and what they mean for the pair."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from graph.identifiers.maturity import trl
from graph.kinds import Achievement, Node, Scene
from matcher.features import features

MEANING = ("headline_meaning", "core_meaning", "gist_meaning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One addend of the score: its label, points, the feature's value (None where unknown) and what it means here."""

    name: str
    label: str
    points: float
    value: float | None
    note: str


def parts_of(
    points: Mapping[str, float], values: Mapping[str, float], notes: Mapping[str, str]
) -> tuple[Part, ...]:
    """The parts in the order of the registry; they add up to the score."""
    known = features()
    return tuple(
        Part(
            name=name,
            label=known[name].label,
            points=given,
            value=None if math.isnan(values[name]) else values[name],
            note=notes.get(name, ""),
        )
        for name, given in points.items()
    )


def note(name: str, value: float, demand: Node, offer: Node) -> str:
    """What the feature's value means for this pair; empty where there is nothing more to say."""
    if math.isnan(value):
        return ""
    if name == "maturity_fit" and isinstance(demand, Scene) and isinstance(offer, Achievement):
        if demand.maturity_floor and offer.maturity:
            floor, level = trl(demand.maturity_floor), trl(offer.maturity)
            return f"成熟度 TRL{level}，{'达到' if level >= floor else '低于'}要求的 TRL{floor}"
    elif name == "field_fit" and demand.field and offer.field:
        if set(demand.field) & set(offer.field):
            return f"同属{'、'.join(f for f in demand.field if f in offer.field)}"
        return f"领域不同（{'、'.join(demand.field)}／{'、'.join(offer.field)}）"
    elif name == "district_fit" and demand.district and offer.district:
        return (
            f"同在{demand.district}"
            if demand.district == offer.district
            else f"分别在{demand.district}和{offer.district}"
        )
    elif name == "rights" and isinstance(offer, Achievement) and offer.ip_status:
        return offer.ip_status
    elif (
        name == "price_fit"
        and isinstance(demand, Scene)
        and isinstance(offer, Achievement)
        and demand.budget
        and offer.price
    ):
        asked, most = (_amount(amount) for amount in (offer.price, demand.budget))
        return f"意向价格 {asked} 万元，{'在' if value >= 1 else '超出'}预算 {most} 万元{'之内' if value >= 1 else ''}"
    elif name == "deadline" and isinstance(demand, Scene) and demand.deadline:
        return f"截止日期 {demand.deadline.isoformat()} 已过" if value < 0 else ""
    return ""


def _amount(amount: tuple[float, float]) -> str:
    return f"{amount[0]:g}" if amount[0] == amount[1] else f"{amount[0]:g}–{amount[1]:g}"
