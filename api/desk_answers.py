"""What only the workbench asks: a few pairs side by side, a shortlist as a file."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from api.breakdown import breakdown
from api.match_document import write_shortlist
from api.match_workbook import write_matches
from api.question import Question, about, named
from graph.kinds import Node
from graph.paths import Path as EvidencePath
from graph.paths import near_cases
from matcher.comparison import Comparison, comparison
from matcher.engine import Engine
from matcher.explanation import Explanation
from matcher.ranking import Match

_CASES = 3


@dataclass(frozen=True, kw_only=True)
class SideBySideQuestion(Question):
    """All that is known of a few pairs of one node, and why one stands above the next."""

    node: Node
    is_stored: bool
    kind: str
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShortlistQuestion(Question):
    """A few pairs of one node as a workbook, as ``jiebang match --out`` writes it, or as a document."""

    node: Node
    kind: str
    ids: tuple[str, ...]
    suffix: Literal[".xlsx", ".docx"] = ".xlsx"


def side_by_side(engine: Engine, question: SideBySideQuestion) -> dict[str, Any]:
    """The breakdown of each pair, best first; ``between``: of each two neighbours what sets them apart."""
    pairs = _explained(engine, question.node, question.kind, question.ids, question)
    items = [
        breakdown(match, why)
        | {
            "about": about(why.found),
            "links": [_steps(path) for path in why.paths],
            "cases": _cases(engine, (question.kind, why.found.id)),
        }
        for match, why in pairs
    ]
    whys = [why for _, why in pairs]
    between = [_between(comparison(one, other)) for one, other in pairwise(whys)]
    return {"subject": named(question.node), "items": items, "between": between}


def shortlist_file(engine: Engine, question: ShortlistQuestion) -> bytes:
    """The bytes of the file."""
    pairs = _explained(engine, question.node, question.kind, question.ids, question)
    matches, whys = [match for match, _ in pairs], [why for _, why in pairs]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"shortlist{question.suffix}"
        if question.suffix == ".docx":
            write_shortlist(path, question.node, matches, whys)
        else:
            write_matches(path, [(matches, whys)])
        return path.read_bytes()


def _explained(
    engine: Engine, node: Node, kind: str, ids: Sequence[str], question: Question
) -> list[tuple[Match, Explanation]]:
    scored = engine.ranking.score(node, kind, ids, today=question.today).values()
    whys = {why.found.id: why for why in engine.explain(node, scored)}
    return [(match, whys[match.key[1]]) for match in scored if match.key[1] in whys]


def _between(found: Comparison) -> dict[str, Any]:
    rows: Iterable[Any] = (*found.indicators, *found.elements)
    return {
        "sentence": found.sentence,
        "parts": [{"label": label, "above": above, "below": below} for label, above, below in found.parts],
        "rows": [{"label": row.label, "above": row.above, "below": row.below} for row in rows],
    }


def _steps(path: EvidencePath) -> dict[str, Any]:
    nodes = [
        {"kind": key[0], "id": key[1], "title": title}
        for key, title in zip(path.nodes, path.titles, strict=True)
    ]
    steps = [{"label": step.label, "forward": step.forward} for step in path.steps]
    return {"nodes": nodes, "steps": steps, "text": path.text}


def _cases(engine: Engine, key: tuple[str, str]) -> list[dict[str, Any]]:
    nodes = engine.network.graph.nodes
    near = near_cases(engine.network, key, limit=_CASES)
    return [{"kind": kind, "id": id, "title": nodes[kind, id]["title"]} for kind, id in near]
