"""What every matching question is, and what every answer says of a record."""

import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import blake2b
from typing import Any

from graph.kinds import Node
from graph.processes import Process
from graph.values import Visibility
from matcher.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every question has: whose world it is asked in, and on which day."""

    audience: Visibility
    today: date

    @cached_property
    def digest(self) -> bytes:
        """The same for equal questions, and for no others."""
        told = {name: _plain(value) for name, value in vars(self).items() if name != "digest"}
        text = json.dumps([type(self).__name__, told], sort_keys=True, ensure_ascii=False)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).digest()


class OwnQuestion(Question):
    """A question that knows how it is answered: those that are not of matching alone."""

    def answer(self, engine: Engine) -> dict[str, Any]:
        """The answer as plain values."""
        raise NotImplementedError


def about(node: Node) -> dict[str, Any]:
    """What a list shows of a found record beside its title."""
    maturity = getattr(node, "maturity", None)
    return {
        "field": list(node.field),
        "district": node.district,
        "owner": getattr(node, "owner", "") or None,
        "maturity": str(maturity) if maturity else None,
        "ip_status": getattr(node, "ip_status", "") or None,
    }


def named(node: Node) -> dict[str, Any]:
    """What a record is called."""
    return {"kind": node.kind, "id": node.id, "title": node.title}


def _plain(value: Any) -> Any:
    if isinstance(value, Node):
        return [value.kind, value.model_dump_json(exclude_defaults=True)]
    if isinstance(value, Process):
        return [value.kind, value.model_dump_json()]
    return value.isoformat() if isinstance(value, date) else value
