"""From what people recorded to what a ranker can learn from: one level per pair, with how much it counts."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from graph.feedback import Judgement, Outcome, Stage
from graph.store.store import Store
from matcher.agreement import agreement, pooled

# What came of an introduction says how well it fitted, less surely than a grade: people also sign, or walk
# away, for reasons that are not about fit. Being shown, called or met says nothing: without this, "never
# shown" would read as "does not fit". (level, how many judges it counts as)
_TOLD: Mapping[Stage, tuple[float, float]] = {
    "landed": (4.0, 1.0),
    "contract": (4.0, 1.0),
    "intent": (3.0, 0.5),
    "declined": (2.0, 0.25),
}
_FURTHEST: Sequence[Stage] = ("landed", "contract", "intent", "declined")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One pair: ``level`` 1..4, a mean where several spoke; ``weight`` is how many judges it counts as."""

    scene: str
    achievement: str
    level: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """All there is to learn from, ordered by scene and achievement, and what it was made of.

    ``left_out`` says in Chinese what was not used and why; ``revision`` and ``head_hash`` are the store's at the
    moment of reading.
    """

    lessons: tuple[Lesson, ...]
    judgements: int
    outcomes: int
    judges: int
    left_out: tuple[str, ...]
    revision: int = 0
    head_hash: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over pairs, levels and weights: two that are equal teach the same."""
        rows = [[x.scene, x.achievement, round(x.level, 6), round(x.weight, 6)] for x in self.lessons]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def lessons(store: Store) -> Taught:
    """What a store's judgements and outcomes teach, by the rules of ``teach``."""
    with store.snapshot() as now:
        taught = teach(now.judgements(), now.outcomes())
        return replace(taught, revision=now.revision, head_hash=now.head.hash)


def teach(judgements: Sequence[Judgement], outcomes: Iterable[Outcome]) -> Taught:
    """One lesson a pair: its judges pooled (``matcher.agreement.pooled``), joined with the furthest outcome.

    A landed or signed introduction
    counts as a judge who says 4, an intent as half a one who says 3, one that came to nothing as a quarter
    of one who says 2; grades and outcome are averaged by weight.
    """
    sums = {
        (pool.scene, pool.achievement): (pool.level * pool.judges, float(pool.judges))
        for pool in pooled(judgements)
    }
    telling = [outcome for outcome in outcomes if outcome.stage in _TOLD]
    for pair, stage in _furthest(telling).items():
        level, weight = _TOLD[stage]
        total, of = sums.get(pair, (0.0, 0.0))
        sums[pair] = (total + level * weight, of + weight)
    found = tuple(
        Lesson(scene=scene, achievement=achievement, level=round(total / of, 6), weight=of)
        for (scene, achievement), (total, of) in sorted(sums.items())
    )
    stamps = [judge for judge in agreement(judgements).judges if judge.stamp]
    # No names: this goes into the model's card, which travels further than the judgements do.
    left_out = (
        f"{len(stamps)} 位评级人各自的评级全是同一等级（共 {sum(judge.judgements for judge in stamps)} 条），"
        "区分不出好坏，没有采用（是谁，见 jiebang judgements）",
    )
    return Taught(
        lessons=found,
        judgements=len(judgements),
        outcomes=len(telling),
        judges=len({judgement.judge for judgement in judgements}),
        left_out=left_out if stamps else (),
    )


def _furthest(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], Stage]:
    """Of each pair the stage that tells most: the furthest, unless it came to nothing after that."""
    found: dict[tuple[str, str], Outcome] = {}
    for outcome in sorted(outcomes, key=lambda o: _FURTHEST.index(o.stage)):
        pair = (outcome.scene, outcome.achievement)
        # They come from the furthest to "declined": that one stands if it came last.
        if pair not in found or (outcome.stage == "declined" and outcome.at > found[pair].at):
            found[pair] = outcome
    return {pair: outcome.stage for pair, outcome in found.items()}
