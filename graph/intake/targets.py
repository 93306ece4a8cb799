"""What a column of a sheet can mean: the attributes of a node kind, a relation or feedback, in one shape."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from graph.feedback import FEEDBACK, FEEDBACK_LABELS
from graph.intake.feedback_columns import FEEDBACK_COLUMNS
from graph.kinds import KINDS, Node, columns
from graph.relations import EDGE_COLUMNS, RELATIONS, Edge
from graph.values import Visibility, parse_amount

RELATION = "relation"
RELATION_LABEL = "关系"
KIND_NAMES: tuple[str, ...] = (*KINDS, RELATION, *FEEDBACK_LABELS)

# The letters in front of ids made here (see ``rows.derived_id``).
ID_PREFIXES: Mapping[str, str] = {
    "scene": "CJ", "achievement": "CG", "enterprise": "QY", "institution": "JG", "broker": "JJ", "case": "AL",
    "platform": "PT", "fund": "JZ", "expert": "ZJ", "zone": "SY",
}  # fmt: skip

# Whose it is: with the title it makes a record one and the same where a sheet has no id column.
OWNER_ATTRIBUTES: Mapping[str, str] = {
    "scene": "owner", "achievement": "owner", "broker": "organisation", "case": "owner", "platform": "owner",
    "fund": "manager", "expert": "organisation", "zone": "owner",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One attribute as a sheet may carry it; ``parse`` reads its cell where the record does not do it itself."""

    attribute: str
    label: str
    aliases: tuple[str, ...]
    choices: tuple[str, ...]
    example: str
    visibility: Visibility
    required: bool
    is_amount: bool
    is_text: bool
    parse: Callable[[Any], Any] | None = None


@cache
def targets(kind: str) -> Mapping[str, Target]:
    """The targets of a kind in ``KIND_NAMES`` by attribute name, in the order a person fills them in."""
    if kind == RELATION:
        return _edge_targets()
    if kind in FEEDBACK_COLUMNS:
        return _feedback_targets(kind)
    model = KINDS[kind]
    return {
        name: Target(
            attribute=name,
            label=about.label,
            aliases=about.aliases,
            choices=about.choices,
            example=about.example,
            visibility=about.visibility,
            required=model.model_fields[name].is_required(),
            is_amount=_parsed_by(model, name, parse_amount),
            is_text=model.model_fields[name].annotation is str,
        )
        for name, about in columns(model).items()
    }


def kind_label(kind: str) -> str:
    """The Chinese name of a kind in ``KIND_NAMES``."""
    if kind == RELATION:
        return RELATION_LABEL
    return FEEDBACK_LABELS[kind] if kind in FEEDBACK_LABELS else KINDS[kind].label


def _parsed_by(model: type[Node], attribute: str, parser: object) -> bool:
    return any(getattr(part, "func", None) is parser for part in model.model_fields[attribute].metadata)


def _edge_targets() -> Mapping[str, Target]:
    kinds = tuple(k.label for k in KINDS.values())
    choices = {
        "source_kind": kinds,
        "relation": tuple(r.label for r in RELATIONS.values()),
        "target_kind": kinds,
    }
    examples = {
        "source_kind": "企业", "source_id": "QY-2026-001", "relation": "发布", "target_kind": "应用场景",
        "target_id": "CJ-2026-001", "note": "2026 年第一批",
    }  # fmt: skip
    return {
        name: Target(
            attribute=name,
            label=label,
            aliases=aliases,
            choices=choices.get(name, ()),
            example=examples[name],
            visibility="public",
            required=Edge.model_fields[name].is_required(),
            is_amount=False,
            is_text=Edge.model_fields[name].annotation is str,
        )
        for name, (label, aliases) in EDGE_COLUMNS.items()
    }


def _feedback_targets(kind: str) -> Mapping[str, Target]:
    fields = FEEDBACK[kind].model_fields
    return {
        name: Target(
            attribute=name,
            label=about.label,
            aliases=about.aliases,
            choices=about.choices,
            example=about.example,
            visibility="staff",
            required=about.required,
            is_amount=False,
            is_text=fields[name].annotation is str,
            parse=about.parse,
        )
        for name, about in FEEDBACK_COLUMNS[kind].items()
    }
