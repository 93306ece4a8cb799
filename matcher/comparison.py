"""Why one stands above the other: two breakdowns of one subject side by side, and the difference in a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matcher.elements import KIND_LABELS, STATUS_LABELS, ElementAnswer
from matcher.explanation import SHOWN_POINTS, Explanation
from matcher.indicators import Answer

_TOLD = 3  # parts named in a sentence
_INDICATORS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing compared: what it is, and what it comes to on either side."""

    label: str
    above: str
    below: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two breakdowns of one subject, the higher one first.

    ``parts``: points by label, the greatest difference first; they sum to the difference of the scores.
    ``indicators`` and ``elements``: what the two answer differently, and ``alike``, how many they answer alike.
    """

    above: Explanation
    below: Explanation
    parts: tuple[tuple[str, float, float], ...]
    indicators: tuple[Row, ...]
    elements: tuple[Row, ...]
    alike: int
    sentence: str


def comparison(one: Explanation, other: Explanation) -> Comparison:
    """``one`` and ``other`` of one subject side by side; of equal scores the smaller id stands above."""
    ordered = sorted((one, other), key=lambda why: (-why.score, why.found.kind, why.found.id))
    above, below = ordered
    pairs = _answered_by_both(above, below)
    differing = [(a, b) for a, b in pairs if a.status != b.status]
    rows = [(a.element.kind, Row(label=_label(a), above=_said(a), below=_said(b))) for a, b in differing]
    return Comparison(
        above=above,
        below=below,
        parts=_parts(above, below),
        indicators=tuple(row for kind, row in rows if kind == "indicator"),
        elements=tuple(row for kind, row in rows if kind != "indicator"),
        alike=len(pairs) - len(differing),
        sentence=compare(above, below),
    )


def compare(above: Explanation, below: Explanation) -> str:
    """Why one stands above the other, in one sentence, from the same breakdowns.

    The parts that differ most, the indicators that one meets and the other does not, and what either says it is not for.
    """
    said = [_of_scores(above, below)]
    if above.subject.kind != "achievement":  # else two demands, whose indicators are not the same
        said += _of_indicators(above.answers, below.answers)
    if below.cautions:
        said.append(f"“{below.found.title}”{below.cautions[0]}")
    if above.cautions:
        said.append(f"但“{above.found.title}”{above.cautions[0]}")
    return "；".join(said)


def _of_scores(above: Explanation, below: Explanation) -> str:
    parts = _parts(above, below)[:_TOLD]
    told = [f"{label}{a - b:+.1f}" for label, a, b in parts if abs(a - b) > SHOWN_POINTS]
    gap = above.score - below.score
    if told:
        return f"比“{below.found.title}”{'高' if gap >= 0 else '低'} {abs(gap):.1f} 分，主要差在：{'、'.join(told)}"
    if gap:
        return f"与“{below.found.title}”相差很小，各项都在 0.1 分以内"
    return f"与“{below.found.title}”得分相同，按编号排列"


def _of_indicators(above: Sequence[Answer], below: Sequence[Answer]) -> list[str]:
    """The indicators that only one of the two meets; an empty side has stated none."""
    theirs = {answer.demand.text: answer for answer in below}
    own = {answer.demand.text: answer for answer in above}
    said = []
    for who, here, there in (("它满足而后者没有满足", own, theirs), ("后者满足而它没有满足", theirs, own)):
        met = [
            text for text, answer in here.items() if answer.verdict == "met" and not _meets(there.get(text))
        ]
        if met:
            named = [f"“{text}”（{_reply(there.get(text))}）" for text in met[:_INDICATORS]]
            more = f"等 {len(met)} 项" if len(met) > _INDICATORS else ""
            said.append(f"{who}的指标：{'、'.join(named)}{more}")
    return said


def _meets(answer: Answer | None) -> bool:
    return answer is not None and answer.verdict == "met"


def _reply(answer: Answer | None) -> str:
    if answer is None or answer.offer is None:
        return "未说明"
    return f"{answer.offer.text}，{'未达到' if answer.verdict == 'short' else '请人工核对'}"


def _parts(above: Explanation, below: Explanation) -> tuple[tuple[str, float, float], ...]:
    """Points of either side by label, the greatest difference first; what only one of them has is put together."""
    first, second = ({part.name: part for part in why.parts} for why in (above, below))
    names = [name for name in first if name in second]
    rows = [(first[name].label, first[name].points, second[name].points) for name in names]
    rest = [
        round(sum(part.points for name, part in side.items() if name not in names), 6)
        for side in (first, second)
    ]
    if any(rest):
        rows.append(("其他", rest[0], rest[1]))
    return tuple(sorted(rows, key=lambda row: (-round(abs(row[1] - row[2]), 6), row[0])))


def _answered_by_both(above: Explanation, below: Explanation) -> list[tuple[ElementAnswer, ElementAnswer]]:
    theirs: Mapping[object, ElementAnswer] = {answer.element: answer for answer in below.elements}
    return [(answer, theirs[answer.element]) for answer in above.elements if answer.element in theirs]


def _label(answer: ElementAnswer) -> str:
    return f"{KIND_LABELS[answer.element.kind]}“{answer.element.text}”"


def _said(answer: ElementAnswer) -> str:
    return STATUS_LABELS[answer.status] + (f"（{answer.said}）" if answer.said else "")
