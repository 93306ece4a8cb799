"""From marks to a ranking, with every figure in between kept so that it can be defended.

Marks are decimals and are added as such; means and deviations are worked out to ``_DIGITS`` digits and never as floats.
The z-score of an expert is put back on the common mean and spread (Kendall and Stuart; usual for panels whose members
are lenient or severe); the trimmed mean leaves out one highest and one lowest total of an entry. Outliers are only
pointed out, by the modified z-score of Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993): the distance from
the median over 1.4826 times the median absolute deviation, with 1.2533 times the mean one where that is nought.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Literal

from graph.problems import Problem, Refused

Normalise = Literal["none", "z"]
Average = Literal["mean", "trimmed"]
Order = Literal["rounded", "unrounded"]

NORMALISE_LABELS: Mapping[str, str] = {
    "none": "各专家的评分不作标准化",
    "z": "按专家标准化（z 分数，移到共同的均值和离散度）",
}
AVERAGE_LABELS: Mapping[str, str] = {"mean": "平均", "trimmed": "去掉一个最高分和一个最低分后平均"}
ORDER_LABELS: Mapping[str, str] = {"rounded": "按两位小数排名", "unrounded": "按未舍入的得分排名"}
CENT = Decimal("0.01")
_DIGITS = 40
# What is called unrounded has twelve decimals: far above what forty digits lose, so that equal ones are equal.
_EQUAL = Decimal("1e-12")
TRIMMABLE = 3
_FULL = Decimal(100)

# What an expert and an entry are called in messages.
WORDS = ("专家", "标书")

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One line of the rubric: its name and its weight, which is also its full marks."""

    name: str
    weight: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """The criteria in their order; the weights add up to 100. Raises ``Refused`` (``rubric``) otherwise."""

    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        total = sum((one.weight for one in self.criteria), Decimal(0))
        names = [one.name for one in self.criteria]
        if total != _FULL or any(one.weight <= 0 for one in self.criteria):
            told = "、".join(f"{one.name} {one.weight}" for one in self.criteria)
            raise Refused(
                "rubric",
                f"评分项的权重合计是 {total}，应为 100（{told}）。",
                "请改权重，每项大于 0、合计 100。",
            )
        if len(set(names)) != len(names) or not all(names):
            raise Refused(
                "rubric", f"评分项有重名或空名（{'、'.join(names)}）。", "请给每个评分项一个不同的名称。"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingRules:
    """How totals become a score and an order; ``outlier`` is the modified z-score from which a total is pointed out.

    ``tie`` is the task's rule for equal scores, for people (报价低者在前): the order itself is handed to ``grade``.
    """

    normalise: Normalise
    average: Average
    order: Order
    tie: str = "编号小者在前"
    outlier: Decimal = Decimal("3.5")

    @property
    def text(self) -> str:
        """The rule for people."""
        return (
            f"{NORMALISE_LABELS[self.normalise]}；{AVERAGE_LABELS[self.average]}；保留两位小数（四舍五入），"
            f"{ORDER_LABELS[self.order]}；同分{self.tie}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What one expert gave one entry: marks by criterion."""

    expert: str
    entry: str
    marks: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """One expert's total for an entry: as given, as adjusted, whether it counts, and how far it lies from the others."""

    expert: str
    given: Decimal
    adjusted: Decimal
    counts: bool
    distance: Decimal
    is_outlier: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An entry in the ranking: the score unrounded and with two decimals, and all it was made of.

    ``criteria`` are means over the experts as given; ``tie`` says in Chinese what put it before the next of the same score
    (empty: no tie).
    """

    rank: int
    entry: str
    exact: Decimal
    score: Decimal
    totals: tuple[Total, ...]
    criteria: Mapping[str, Decimal]
    tie: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """The ranking, best first, with the rules, and of every expert the mean and deviation of its totals."""

    rubric: Rubric
    rules: GradingRules
    standings: tuple[Standing, ...]
    experts: Mapping[str, tuple[Decimal, Decimal]]


def check_sheets(
    sheets: Sequence[Sheet],
    rubric: Rubric,
    expected: Mapping[str, Sequence[str]],
    barred: Iterable[Pair] = (),
    names: Mapping[str, str] | None = None,
    words: tuple[str, str] = WORDS,
) -> list[Problem]:
    """What is wrong with the sheets handed in; ``expected`` are the experts of every entry, ``barred`` (expert, entry).

    ``names`` of experts and entries are what they are called by in place of their ids; ``words`` are for an expert and an entry.

    Every mark there and within its range, every expected sheet there once, none of a stranger or where there is a conflict.
    """
    excluded, weights = set(barred), {one.name: one.weight for one in rubric.criteria}
    wanted = {(expert, entry) for entry, experts in expected.items() for expert in experts}
    problems, called, (judge, entry_word) = [], names or {}, words
    times = Counter((sheet.expert, sheet.entry) for sheet in sheets)
    for sheet in sheets:
        pair, who = (
            (sheet.expert, sheet.entry),
            f"{judge} {called.get(sheet.expert, sheet.expert)} 对{entry_word} {_quoted(sheet.entry, called)} ",
        )
        if pair in excluded:
            problems.append(
                _problem("score_excluded", f"{who}应回避，却有评分", f"请去掉这份评分，改由候补{judge}评")
            )
        elif pair not in wanted:
            problems.append(
                _problem(
                    "score_unexpected",
                    f"{who}没有分配，却有评分",
                    f"请核对{judge}和{entry_word}编号，或先调整分配",
                )
            )
        problems += [
            _problem("score_unknown", f"{who}多了评分项“{name[:30]}”", f"评分项只有：{'、'.join(weights)}")
            for name in sheet.marks
            if name not in weights
        ]
        problems += _marks(sheet, weights, who)
    for (expert, entry), number in sorted(times.items()):
        if number > 1:
            message = f"{judge} {called.get(expert, expert)} 对{entry_word} {_quoted(entry, called)} 有 {number} 份评分"
            problems.append(_problem("score_twice", message, "请只留一份"))
    missing: dict[str, list[str]] = {}
    for expert, entry in sorted(wanted - times.keys()):
        missing.setdefault(expert, []).append(entry)
    for expert, lacking in missing.items():
        entries = "、".join(_quoted(entry, called) for entry in lacking)
        message = f"缺{judge} {called.get(expert, expert)} 对{entry_word} {entries} 的评分"
        problems.append(_problem("score_missing", message, "请补交；不能评的请登记回避，由候补接替"))
    return problems


def _quoted(entry: str, called: Mapping[str, str]) -> str:
    return f"“{called[entry]}”" if entry in called else entry


def _marks(sheet: Sheet, weights: Mapping[str, Decimal], who: str) -> list[Problem]:
    problems = []
    for name, full in weights.items():
        mark = sheet.marks.get(name)
        if mark is None:
            problems.append(_problem("score_blank", f"{who}没有填“{name}”", f"请填 0 到 {full} 之间的分数"))
        elif not (mark.is_finite() and 0 <= mark <= full):
            problems.append(
                _problem("score_range", f"{who}“{name}”是 {mark} 分，超出 0 到 {full}", "请核对后改正")
            )
    return problems


def _problem(code: str, message: str, remedy: str) -> Problem:
    return Problem(code=code, message=message, remedy=remedy)


def grade(
    sheets: Iterable[Sheet],
    rubric: Rubric,
    rules: GradingRules,
    precedence: Sequence[str] = (),
    words: tuple[str, str] = WORDS,
) -> Grading:
    """The ranking of sheets that ``check_sheets`` found nothing wrong with, in whatever order they come.

    Of equal scores the entry that is earlier in ``precedence`` stands before; who is not in it comes after, by id.
    Raises ``Refused`` (``grading_few``) where a trimmed mean has fewer than three totals to leave two out of.
    """
    given = {(one.entry, one.expert): one for one in sorted(sheets, key=lambda s: (s.entry, s.expert))}
    with localcontext(prec=_DIGITS):
        totals = {
            pair: sum((one.marks[c.name] for c in rubric.criteria), Decimal(0)) for pair, one in given.items()
        }
        by_expert: dict[str, list[Decimal]] = {}
        for (_, expert), total in totals.items():
            by_expert.setdefault(expert, []).append(total)
        experts = {expert: (_mean(some), _deviation(some)) for expert, some in sorted(by_expert.items())}
        adjusted = totals if rules.normalise == "none" else _adjusted(totals, experts)
        entries = sorted({entry for entry, _ in given})
        standings = [
            _standing(
                entry, {e: (totals[n, e], adjusted[n, e]) for n, e in totals if n == entry},
                [one for one in given.values() if one.entry == entry], rubric, rules, words[1],
            )
            for entry in entries
        ]  # fmt: skip
    return Grading(
        rubric=rubric, rules=rules, standings=_ranked(standings, rules, precedence), experts=experts
    )


def rounded(value: Decimal) -> Decimal:
    """Two decimals, half up as contests here round: 0.005 becomes 0.01."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def _mean(values: Sequence[Decimal]) -> Decimal:
    return sum(values, Decimal(0)) / len(values)


def _deviation(values: Sequence[Decimal]) -> Decimal:
    """The standard deviation of the values themselves (divided by their number)."""
    mean = _mean(values)
    return _mean([(value - mean) ** 2 for value in values]).sqrt().quantize(_EQUAL)


def _median(values: Sequence[Decimal]) -> Decimal:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _adjusted(
    totals: Mapping[Pair, Decimal], experts: Mapping[str, tuple[Decimal, Decimal]]
) -> dict[Pair, Decimal]:
    """Each expert's totals with the mean and deviation of all; who gives everybody the same gives the common mean."""
    every = list(totals.values())
    mean, spread = _mean(every), _deviation(every)
    return {
        (entry, expert): (
            mean + (total - experts[expert][0]) * spread / experts[expert][1] if experts[expert][1] else mean
        ).quantize(_EQUAL)
        for (entry, expert), total in totals.items()
    }


def _standing(
    entry: str,
    totals: Mapping[str, tuple[Decimal, Decimal]],
    sheets: Sequence[Sheet],
    rubric: Rubric,
    rules: GradingRules,
    entry_word: str,
) -> Standing:
    kept = sorted(totals, key=lambda expert: (totals[expert][1], expert))
    if rules.average == "trimmed":
        if len(kept) < TRIMMABLE:
            raise Refused(
                "grading_few",
                f"{entry_word} {entry} 只有 {len(kept)} 份评分，不能去掉最高分和最低分。",
                f"请补到至少 {TRIMMABLE} 份，或把规则改为平均。",
            )
        kept = kept[1:-1]
    exact = _mean([totals[expert][1] for expert in kept]).quantize(_EQUAL)
    distances = _distances({expert: adjusted for expert, (_, adjusted) in totals.items()})
    return Standing(
        rank=0,
        entry=entry,
        exact=exact,
        score=rounded(exact),
        totals=tuple(
            Total(
                expert=expert, given=total, adjusted=adjusted, counts=expert in kept,
                distance=rounded(distances[expert]), is_outlier=distances[expert] > rules.outlier,
            )
            for expert, (total, adjusted) in sorted(totals.items())
        ),
        criteria={c.name: _mean([sheet.marks[c.name] for sheet in sheets]) for c in rubric.criteria},
    )  # fmt: skip


def _distances(values: Mapping[str, Decimal]) -> dict[str, Decimal]:
    middle = _median(list(values.values()))
    off = {expert: abs(value - middle) for expert, value in values.items()}
    spread = Decimal("1.4826") * _median(list(off.values()))
    spread = spread or Decimal("1.253314") * _mean(list(off.values()))
    return {expert: distance / spread if spread else Decimal(0) for expert, distance in off.items()}


def _ranked(
    standings: Sequence[Standing], rules: GradingRules, precedence: Sequence[str]
) -> tuple[Standing, ...]:
    place = {entry: number for number, entry in enumerate(precedence)}

    def value(one: Standing) -> Decimal:
        return one.score if rules.order == "rounded" else one.exact

    def key(one: Standing) -> tuple[Decimal, int, str]:
        return -value(one), place.get(one.entry, len(place)), one.entry

    ordered = sorted(standings, key=key)
    return tuple(
        replace(
            one,
            rank=rank,
            tie=f"同分，{rules.tie}" if rank < len(ordered) and value(ordered[rank]) == value(one) else "",
        )
        for rank, one in enumerate(ordered, 1)
    )
