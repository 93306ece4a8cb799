"""The figures of expert review that no measure states: they are parameters of a city, kept in data/policy/panels.json."""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from graph.problems import Refused
from graph.resources import resource
from matcher.grading import Order

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPolicy:
    """What holds where a task says nothing else; ``notes`` say in Chinese where the figures of each part come from.

    ``balance`` and ``proximity`` are affinities (0..1), ``order`` is a word of ``matcher.grading``, days are whole days.
    Size of the panel, rubric, scoring, ties and notice are the task's own.
    """

    per_organisation: int
    alternates: int
    joint_work_years: int
    per_entry: int
    alternates_per_entry: int
    balance: Decimal
    proximity: Decimal
    order: Order
    outlier: Decimal
    decide_days: int
    source: str
    notes: dict[str, str]


@lru_cache(maxsize=1)
def usual_policy() -> ReviewPolicy:
    """The policy that comes with the program; raises ``Refused`` like ``read_policy``."""
    return read_policy(resource("policy", "panels.json"))


def read_policy(path: Path) -> ReviewPolicy:
    """The policy of a file; raises ``Refused`` (``policy_unreadable``) naming what is missing or wrong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}")
        return _policy(content)
    except (OSError, ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise Refused(
            "policy_unreadable",
            f"评审参数文件“{path.name}”读不出来（{error}）。",
            "请恢复随程序附带的文件，或对照它补全。",
        ) from error


def _policy(content: Any) -> ReviewPolicy:
    panel, assignment, grading, award = (
        content[part] for part in ("panel", "assignment", "grading", "award")
    )
    return ReviewPolicy(
        per_organisation=int(panel["per_organisation"]),
        alternates=int(panel["alternates"]),
        joint_work_years=int(content["conflicts"]["joint_work_years"]),
        per_entry=int(assignment["per_entry"]),
        alternates_per_entry=int(assignment["alternates"]),
        balance=Decimal(assignment["balance"]),
        proximity=Decimal(assignment["proximity"]),
        order=cast(Order, str(grading["order"])),
        outlier=Decimal(grading["outlier"]),
        decide_days=int(award["decide_days"]),
        source=str(content["source"]),
        notes={name: part["note"] for name, part in content.items() if isinstance(part, dict)},
    )
