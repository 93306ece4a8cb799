"""The addends of a score for people: label, points, what they mean for the pair, and which an audience may see."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graph.identifiers.maturity import trl
from graph.intake.exporting import visible_attributes
from graph.kinds import Achievement, Node, Scene, columns
from graph.network import Network
from graph.values import VISIBILITY_LABELS, Visibility
from matcher.features import features

HIDDEN, HIDDEN_LABEL = "hidden", "其他（不公开）"
HIDDEN_NOTE = "由不公开的内容算出的各项，与语义各项合计"
MEANING = ("headline_meaning", "core_meaning", "gist_meaning")
_SAYING = ("title", "summary", "problem", "wanted", "indicators", "advantages", "applications", "keywords", "capabilities",
           "products", "needs", "strengths")  # fmt: skip
# The columns from which a feature is worked out. Those of the graph and of judgements are not here: what they
# rest on may be hidden from anyone but staff.
_COLUMNS: Mapping[str, Sequence[str]] = {
    "headline_meaning": ("title", "products", "capabilities", "strengths"),
    "core_meaning": ("title", "products", "capabilities", "strengths"),
    "headline_words": ("title", "products", "capabilities", "strengths"),
    "gist_meaning": _SAYING,
    "whole_words": _SAYING,
    "full_words": _SAYING,
    "reading": _SAYING,
    "denial": _SAYING,
    "indicator_fit": _SAYING,
    "maturity_fit": ("maturity", "maturity_floor"),
    "field_fit": ("field",),
    "district_fit": ("district",),
    "rights": ("ip_status",),
    "price_fit": ("price", "budget"),
    "cooperation_fit": ("cooperation",),
    "deadline": ("deadline",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One addend of the score: its label, points, the feature's value (None where unknown) and what it means here."""

    name: str
    label: str
    points: float
    value: float | None
    note: str


def parts_of(
    points: Mapping[str, float], values: Mapping[str, float], notes: Mapping[str, str], hidden: frozenset[str]
) -> tuple[Part, ...]:
    """The parts in the order of the registry; they add up to the score whatever is hidden.

    Features in ``hidden`` become one part at the end, without a value. It takes in the likenesses of meaning as well:
    alone, the points of a hidden price within the budget would tell the price.
    """
    together = hidden | set(MEANING) if hidden else hidden
    known = features()
    parts = [
        Part(
            name=name,
            label=known[name].label,
            points=given,
            value=None if math.isnan(values[name]) else values[name],
            note=notes.get(name, ""),
        )
        for name, given in points.items()
        if name not in together
    ]
    if hidden:
        rest = round(sum(given for name, given in points.items() if name in together), 6) + 0.0
        parts.append(Part(name=HIDDEN, label=HIDDEN_LABEL, points=rest, value=None, note=HIDDEN_NOTE))
    return tuple(parts)


def hidden_features(
    audience: Visibility, nodes: Sequence[Node], values: Mapping[str, float]
) -> frozenset[str]:
    """The known features that rest on something filled in of ``nodes`` that ``audience`` may not see."""
    if audience == "staff":
        return frozenset()
    unseen: set[str] = set()
    for node in nodes:
        visible = visible_attributes(node, audience)
        unseen |= {name for name, value in node if name not in visible and value not in (None, "", (), {})}
    return frozenset(
        name
        for name, value in values.items()
        if not math.isnan(value) and (name not in _COLUMNS or unseen & set(_COLUMNS[name]))
    )


def unseen_features(audience: Visibility, nodes: Sequence[Node]) -> frozenset[str]:
    """The features that rest on a column of ``nodes`` that ``audience`` may not see, filled in or not."""
    if audience == "staff":
        return frozenset()
    unseen = {
        name
        for node in nodes
        for name in columns(type(node))
        if name not in visible_attributes(node, audience)
    }
    return frozenset(name for name, wanted in _COLUMNS.items() if unseen & set(wanted))


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
    elif name == "precedent":
        return "该成果已在相似场景中用过" if value >= 0.2 else "该成果已在其他场景中用过"
    return ""


def tried_here(network: Network, demand: Node, offer: Node, audience: Visibility) -> str:
    """That the offer has been tried in this very demand, with the cases; empty where none may be seen."""
    graph, most = network.graph, tuple(VISIBILITY_LABELS).index(audience)
    scene, found = (demand.kind, demand.id), (offer.kind, offer.id)
    if scene not in graph or found not in graph:
        return ""
    order = tuple(VISIBILITY_LABELS).index
    cases = [
        {
            case
            for case, _, name, about in graph.in_edges(key, keys=True, data=True)
            if name == relation
            and max(map(order, (about["visibility"], graph.nodes[case]["visibility"]))) <= most
        }
        for key, relation in ((found, "adopts"), (scene, "tried_in"))
    ]
    both = sorted(id for _, id in cases[0] & cases[1])
    return f"已在本场景试用（案例 {'、'.join(both)}）" if both else ""


def _amount(amount: tuple[float, float]) -> str:
    return f"{amount[0]:g}" if amount[0] == amount[1] else f"{amount[0]:g}–{amount[1]:g}"
