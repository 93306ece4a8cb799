"""The breakdown of a pair as plain values, the same for every program that asks: command line and HTTP."""

from typing import Any

from matcher.explanation import Explanation
from matcher.ranker import LEVELS
from matcher.ranking import Match


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
