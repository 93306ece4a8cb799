"""What would lift a pair: the score worked out again with one thing changed that the achievement's owner can change.

Every figure comes from the ranker itself: the feature's value is put where the change would bring it, the points
and the level are the ranker's. What cannot be worked out (a text that is not written yet) is said without a figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph.identifiers.maturity import trl
from graph.kinds import Achievement, Node, Scene
from matcher.indicators import Answer
from matcher.ranker import LEVELS, Ranker
from matcher.ranking import Match

# A lift smaller than this shows as +0.0.
_SHOWN = 0.05
_INDICATORS = 3
TITLE_ONLY = "成果只有题目：补充简介、技术指标和适用场景后才能判断，得分会怎样变化现在算不出来"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """One change: the features it moves to which value, what it adds to the score, and the level it leads to."""

    change: str
    values: Mapping[str, float]
    points: float
    level: str
    raises: bool

    @property
    def sentence(self) -> str:
        """In Chinese, e.g. ``若成熟度由 TRL4 提到 TRL6，得分 +4.0，仍为弱相关``."""
        return f"若{self.change}，得分 {self.points:+.1f}，{'升为' if self.raises else '仍为'}{self.level}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something the owner can do, and the value to which it would bring each feature it moves."""

    text: str
    values: Mapping[str, float]


def changes(match: Match, demand: Node, offer: Node, answers: Sequence[Answer]) -> tuple[Change, ...]:
    """What the owner of an achievement can do about ``match``; of several, all of them together stand last.

    Empty but for a scene and an achievement.
    """
    if not (isinstance(demand, Scene) and isinstance(offer, Achievement)):
        return ()
    wanted = (*_of_fields(match.values, demand, offer), *_of_indicators(match.values, answers))
    found = [c for c in wanted if set(c.values) <= set(match.parts)]
    if len(found) < 2:
        return tuple(found)
    together: dict[str, float] = {}
    for change in found:
        together |= {name: max(value, together.get(name, value)) for name, value in change.values.items()}
    if "indicator_fit" in together:
        # Each changes some of them; all changed, all are met but those that a person must compare.
        open_ = sum(answer.verdict == "silent" and answer.offer is not None for answer in answers)
        together["indicator_fit"] = 1.0 - open_ / len(answers)
    return (*found, Change(text="以上各项都做到", values=together))


def lifts(wanted: Sequence[tuple[Match, Sequence[Change]]], ranker: Ranker) -> list[tuple[Lift, ...]]:
    """What the changes of each match would add, the greatest first and all together last; all worked out at once.

    Changes that add nothing that shows are left out.
    """
    rows = [(match, change) for match, several in wanted for change in several]
    if not rows:
        return [() for _ in wanted]
    columns = {
        name: np.array([change.values.get(name, match.values[name]) for match, change in rows])
        for name in rows[0][0].values
    }
    points = ranker.points(columns)
    before = {name: np.array([match.parts[name] for match, _ in rows]) for name in points}
    # Only what moves: a part that was made by another version of the ranker stays out of the difference.
    gains = np.sum(
        [
            np.where([name in change.values for _, change in rows], points[name] - before[name], 0.0)
            for name in sorted({name for _, change in rows for name in change.values})
        ],
        axis=0,
    )
    levels = ranker.levels(np.round(np.array([match.score for match, _ in rows]) + gains, 6))
    made = iter(
        Lift(
            change=change.text, values=change.values, points=round(gain, 6) + 0.0, level=LEVELS[level],
            raises=level > match.level,
        )
        for (match, change), gain, level in zip(rows, gains.tolist(), levels.tolist(), strict=True)
    )  # fmt: skip
    return [_ordered([next(made) for _ in several]) for _, several in wanted]


def _ordered(made: list[Lift]) -> tuple[Lift, ...]:
    several = len(made) > 1
    single = [lift for lift in (made[:-1] if several else made) if lift.points > _SHOWN]
    single.sort(key=lambda lift: (-lift.points, lift.change))
    return (*single, made[-1]) if len(single) > 1 else tuple(single)


def _of_fields(values: Mapping[str, float], demand: Scene, offer: Achievement) -> list[Change]:
    """What the columns of the achievement leave to be done; a value that is already the best gives nothing."""
    found: list[Change] = []

    def change(name: str, text: str, value: float = 1.0) -> None:
        if not values.get(name, np.nan) >= value:  # also where unknown
            found.append(Change(text=text, values={name: value}))

    if demand.maturity_floor:
        floor = trl(demand.maturity_floor)
        level = f"由 TRL{trl(offer.maturity)} 提到 TRL{floor}" if offer.maturity else f"写明且达到 TRL{floor}"
        change("maturity_fit", f"成熟度{level}")
    granted = "获得授权" if offer.ip_status else "写明且已授权"
    change("rights", f"知识产权{granted}")
    if demand.budget:
        most = f"{demand.budget[1]:g} 万元"
        change(
            "price_fit", f"意向价格降到预算 {most}以内" if offer.price else f"写明意向价格且在预算 {most}以内"
        )
    if demand.cooperation:
        change("cooperation_fit", f"合作方式写明可以“{demand.cooperation[0]}”")
    if values.get("denial", np.nan) < 0:
        found.append(Change(text="写明的不适用之处得到解决", values={"denial": 0.0}))
    return found


def _of_indicators(values: Mapping[str, float], answers: Sequence[Answer]) -> list[Change]:
    """One change for each indicator that falls short, one for all of which nothing is said.

    Nothing where none was compared: then it may be another kind of thing. What a person must compare is stated
    already. Says of the feature what ``indicator_fit`` does: (met - short) / stated by the demand.
    """
    verdicts = [answer.verdict for answer in answers]
    if set(verdicts) <= {"silent"} or "indicator_fit" not in values:
        return []
    total = len(answers)
    balance = verdicts.count("met") - verdicts.count("short")
    short = [answer for answer in answers if answer.verdict == "short"]
    found = [
        Change(text=f"指标达到“{answer.demand.text}”", values={"indicator_fit": (balance + 2) / total})
        for answer in short[:_INDICATORS]
    ]
    if len(short) > 1:
        text = f"未达到的 {len(short)} 项指标都达到"
        found.append(Change(text=text, values={"indicator_fit": (balance + 2 * len(short)) / total}))
    if unsaid := sum(answer.offer is None for answer in answers):
        text = f"写明并满足现在没有可比数值的 {unsaid} 项指标"
        found.append(Change(text=text, values={"indicator_fit": (balance + unsaid) / total}))
    return found
