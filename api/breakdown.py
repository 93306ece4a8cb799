"""The breakdown of a pair as plain values, the same for every program that asks: command line and HTTP."""

from typing import Any

from matcher.explanation import Explanation
from matcher.ranker import LEVELS
from matcher.ranking import Match
from matcher.similar_cases import SimilarCase


def breakdown(match: Match, why: Explanation) -> dict[str, Any]:
    """The same for programs: plain values for JSON."""
    return {
        "rank": match.rank, "kind": match.key[0], "id": match.key[1], "title": why.found.title, "score": match.score,
        "level": match.level, "level_label": LEVELS[match.level], "probabilities": list(match.probabilities), "reason": why.reason,
        "parts": [{"name": p.name, "label": p.label, "points": p.points, "value": p.value, "note": p.note} for p in why.parts],
        "phrases": list(why.phrases), "cautions": list(why.cautions), "missing": why.missing,
        "indicators": [{"demand": a.demand.text, "offer": a.offer.text if a.offer else None, "verdict": a.verdict} for a in why.answers],
        "elements": [{"kind": e.element.kind, "text": e.element.text, "status": e.status, "said": e.said} for e in why.elements],
        "paths": [path.text for path in why.paths],
        "lifts": [{"change": x.change, "points": x.points, "level_label": x.level, "raises": x.raises} for x in why.lifts],
        "advice": [
            {"instrument": a.instrument, "measure": a.measure, "number": a.number, "quote": a.quote, "suggestion": a.suggestion,
             "because": list(a.because), "own": list(a.own), "unknown": list(a.unknown), "verify": list(a.verify)}
            for a in why.advice
        ],
    }  # fmt: skip


def case_breakdown(found: SimilarCase) -> dict[str, Any]:
    """A similar case likewise."""
    case = found.case
    return {
        "rank": found.rank, "id": case.id, "title": case.title, "likeness": found.likeness,
        "parts": [{"label": label, "share": share} for label, share in found.parts],
        "reasons": list(found.reasons), "path": found.path or None, "measured": found.measured or None,
        "scene": case.scene_id or None, "achievement": case.achievement_id or None,
        "replicable": case.replicable or None,
    }  # fmt: skip
