"""The few best candidates read once more, text against text, by a reranker (extra ``transformers``).

What it reads becomes one more part of the score, 精读: weight x (expected level - 2). The weight is no
matter of taste: it is tried out on scenes that the reranker was not trained on, and is 0 where nothing is
gained there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.reranker import CrossEncoderReranker, Reranker, has_learnt, read_manifest
from graph.kinds import Node
from matcher.engine import Engine, Progress
from matcher.evaluation import (
    Judgement,
    Quality,
    Scores,
    demand_groups,
    interval_of,
    mean_of,
    measure,
)
from matcher.features import READING
from matcher.filters import Filters
from matcher.fitting import EXPERIENCE
from matcher.lessons import Lesson
from matcher.ranker import Ranker, total
from matcher.ranking import Match
from matcher.texts import node_texts

# Points per level. The text parts of one scene's candidates lie some 20 points apart.
GRID = (0.0, 5.0, 10.0, 20.0, 40.0)
_MIDDLE = 2.0  # the level that neither adds nor takes away
# A candidate's level hangs on its neighbours in the batch by some 1e-5; beyond this nothing is said.
_DECIMALS = 3
# A gain on one scene alone is one standard error exactly, but for rounding: no proof.
_NOTHING = 1e-9
NAME = "加上精读"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A reranker and how many points a level counts; ``manifest`` is its folder's, with the proof under ``use``.

    ``reranker`` is None where ``weight`` is 0: then nothing is read.
    """

    reranker: Reranker | None
    weight: float
    manifest: Mapping[str, Any]

    def match(
        self,
        engine: Engine,
        node: Node,
        *,
        top: int,
        today: date,
        kind: str | None = None,
        filters: Filters | None = None,
    ) -> list[Match]:
        """As ``Engine.match``, the best candidates read."""
        if self.reranker is None:
            return engine.match(node, top=top, today=today, kind=kind, filters=filters)
        most = max(top, self.reranker.max_candidates)
        found = engine.match(node, top=most, today=today, kind=kind, filters=filters)
        return reread(found, node, engine, self.reranker, self.weight)[:top]

    def has_learnt(self, scene: str) -> bool:
        """Whether judgements of this scene were trained on."""
        return has_learnt(self.manifest, scene)


def open_reading(folder: Path) -> Reading:
    """The reranker in ``folder`` with its weight; loaded only if that is not 0.

    Raises ``IndexRefused``: ``reranker_missing``, ``reranker_damaged``, ``encoder_missing``.
    """
    manifest = read_manifest(folder)
    weight = float(manifest["use"].get("weight", 0.0))
    reranker = CrossEncoderReranker(folder) if weight else None
    return Reading(reranker=reranker, weight=weight, manifest=manifest)


def reread(
    matches: Sequence[Match], node: Node, engine: Engine, reranker: Reranker, weight: float
) -> list[Match]:
    """The best ``reranker.max_candidates`` of ``matches`` with the part 精读, in order again; the others stay behind.

    ``matches`` are those of ``node``, best first: achievements of a scene, or the other way round. Of pairs with
    a blank text, and of nodes removed since, nothing is read; their scores stay. Ties are in the order of ids.
    """
    best, rest = list(matches[: reranker.max_candidates]), matches[reranker.max_candidates :]
    kinds = {match.key[0] for match in best}
    nodes = {
        kind: engine.store.get_many(kind, [m.key[1] for m in best if m.key[0] == kind]) for kind in kinds
    }
    own = node_texts(node).gist
    texts = [
        node_texts(found).gist if (found := nodes[m.key[0]].get(m.key[1])) is not None else "" for m in best
    ]
    pairs = [(text, own) if node.kind == "achievement" else (own, text) for text in texts]
    read = with_levels(best, reranker.levels(pairs), engine.ranker, weight)
    read.sort(key=lambda match: (-match.score, match.key))
    return [replace(match, rank=rank) for rank, match in enumerate([*read, *rest], 1)]


def with_levels(matches: Sequence[Match], levels: Scores, ranker: Ranker, weight: float) -> list[Match]:
    """The matches with the part 精读 from the expected ``levels``, 1 to 4, NaN where not read; in the given order.

    Score, probabilities and level follow; ``rank`` stays.
    """
    values: Scores = np.round(levels, _DECIMALS) - _MIDDLE
    points = replace(ranker, weights={READING: weight}).points({READING: values})[READING]
    parts = [match.parts | {READING: float(given)} for match, given in zip(matches, points, strict=True)]
    scores = _scores(parts)
    return [
        replace(
            match, parts=part, values=match.values | {READING: float(value)}, score=float(score),
            level=int(level), probabilities=tuple(chances.tolist()),
        )
        for match, part, value, score, level, chances in zip(
            matches, parts, values, scores, ranker.levels(scores), ranker.level_probabilities(scores), strict=True
        )
    ]  # fmt: skip


def read_pairs(
    engine: Engine,
    pairs: Sequence[tuple[str, str]],
    reranker: Reranker,
    progress: Progress | None = None,
) -> Scores:
    """The expected level of each stored (scene id, achievement id), in portions; NaN where one is unknown or blank."""
    scenes = engine.store.get_many("scene", sorted({scene for scene, _ in pairs}))
    achievements = engine.store.get_many("achievement", sorted({achievement for _, achievement in pairs}))
    texts = [
        (node_texts(scenes[scene]).gist, node_texts(achievements[achievement]).gist)
        if scene in scenes and achievement in achievements
        else ("", "")
        for scene, achievement in pairs
    ]
    levels = np.full(len(texts), np.nan)
    for start in range(0, len(texts), reranker.max_candidates):
        part = slice(start, start + reranker.max_candidates)
        levels[part] = reranker.levels(texts[part])
        if progress is not None:
            progress(min(part.stop, len(texts)), len(texts))
    return levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One weight on held-out scenes: mean nDCG@10, its gain over weight 0 with the standard error over scenes.

    ``error`` is None for fewer than two scenes. ``accuracy`` is 1/(1+MAE) of the levels.
    """

    weight: float
    ndcg: float
    gain: float
    error: float | None
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What weights did on ``scenes`` held-out scenes with ``pairs`` judged pairs, and the one chosen.

    ``ranker`` names the ranker whose score it was added to.
    """

    weight: float
    scenes: int
    pairs: int
    ranker: str
    trials: tuple[Trial, ...]


def score_lessons(engine: Engine, lessons: Sequence[Lesson], *, today: date) -> list[tuple[Lesson, Match]]:
    """The lessons that are in the store, each scored as if its own judgement had never been learned from.

    The part 评级经验 is left out where it was made of these very pairs; other weights hardly know them.
    """
    matches = engine.score_pairs([(x.scene, x.achievement) for x in lessons], today=today)
    experience = engine.ranker.experience
    if experience is not None and set(experience.names) & {(x.scene, x.achievement) for x in lessons}:
        matches = [match and _without(match, EXPERIENCE, engine.ranker) for match in matches]
    return [(lesson, match) for lesson, match in zip(lessons, matches, strict=True) if match is not None]


def prove(
    engine: Engine,
    scored: Sequence[tuple[Lesson, Match]],
    reranker: Reranker,
    *,
    progress: Progress | None = None,
) -> Proof:
    """The weight of ``GRID`` with the best nDCG@10 among those that gain more than their standard error; else 0.

    ``scored`` are lessons of scenes that the reranker was not trained on, as ``score_lessons`` gives them. Only
    scenes with five judged pairs and one of level 2 count; of fewer than two there is no error and no proof.
    """
    judged = [_judgement(lesson) for lesson, _ in scored]
    matches = [match for _, match in scored]
    levels = read_pairs(engine, [(j.scene, j.achievement) for j in judged], reranker, progress)
    columns = {w: _measured(judged, with_levels(matches, levels, engine.ranker, w)) for w in GRID}
    trials = tuple(_trial(weight, found, columns[0.0]) for weight, found in columns.items())
    proven = [trial for trial in trials if trial.error is not None and trial.gain > trial.error + _NOTHING]
    best = max(proven, key=lambda trial: (trial.ndcg, -trial.weight), default=trials[0])
    return Proof(
        weight=best.weight, scenes=len(demand_groups(judged)), pairs=len(judged), ranker=engine.ranker.name, trials=trials
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What reading does on judged pairs: its row beside those of ``evaluate``, and the same on scenes never trained on.

    ``unseen`` counts those scenes; ``before``, ``after`` are their nDCG@10 and ``gain`` the difference with its
    95 % interval. ``learnt`` counts the pairs of scenes it was trained on: on those it is praised too much.
    """

    quality: Quality
    learnt: int
    unseen: int
    before: float
    after: float
    gain: tuple[float, float, float]


def evaluate_reading(
    engine: Engine,
    judgements: Sequence[Judgement],
    reading: Reading,
    *,
    today: date,
    progress: Progress | None = None,
) -> Effect:
    """Every judged pair read, also those that a match would not read because they rank too low.

    Raises ``ValueError`` for a reading of weight 0.
    """
    if reading.reranker is None:
        raise ValueError("weight 0: nothing is read")
    matches = engine.score_pairs([(j.scene, j.achievement) for j in judgements], today=today)
    known = [(j, match) for j, match in zip(judgements, matches, strict=True) if match is not None]
    judged, before = [j for j, _ in known], [match for _, match in known]
    levels = read_pairs(engine, [(j.scene, j.achievement) for j in judged], reading.reranker, progress)
    after = with_levels(before, levels, engine.ranker, reading.weight)
    found, old = _measured(judged, after), _measured(judged, before)
    fresh = np.array(
        [not reading.has_learnt(judged[rows[0]].scene) for rows in demand_groups(judged)], dtype=bool
    )
    quality = Quality(
        name=NAME, ndcg=mean_of(found.ndcg), mrr=mean_of(found.mrr), precision=mean_of(found.precision),
        accuracy=found.accuracy, interval=interval_of(found.ndcg)[1:], gain=interval_of(old.ndcg - found.ndcg),
    )  # fmt: skip
    return Effect(
        quality=quality,
        learnt=sum(reading.has_learnt(j.scene) for j in judged),
        unseen=int(fresh.sum()),
        before=mean_of(old.ndcg[fresh]),
        after=mean_of(found.ndcg[fresh]),
        gain=interval_of(found.ndcg[fresh] - old.ndcg[fresh]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """Figures by scene that counts, and 1/(1+MAE) of all levels."""

    ndcg: Scores
    mrr: Scores
    precision: Scores
    accuracy: float


def _measured(judged: Sequence[Judgement], matches: Sequence[Match]) -> _Measured:
    levels = np.array([j.level for j in judged], dtype=np.int64)
    scores = np.array([match.score for match in matches])
    off = np.abs(np.array([match.level for match in matches], dtype=np.int64) - levels)
    found = measure(scores, levels, demand_groups(judged), [j.achievement for j in judged])
    return _Measured(**found, accuracy=float(1 / (1 + off.mean())) if len(off) else 0.0)


def _trial(weight: float, found: _Measured, without: _Measured) -> Trial:
    gains = found.ndcg - without.ndcg
    scenes = len(gains)
    return Trial(
        weight=weight,
        ndcg=mean_of(found.ndcg),
        gain=mean_of(gains),
        error=float(gains.std(ddof=1) / np.sqrt(scenes)) if scenes > 1 else None,
        accuracy=found.accuracy,
    )


def _judgement(lesson: Lesson) -> Judgement:
    return Judgement(
        scene=lesson.scene, achievement=lesson.achievement, level=int(np.floor(lesson.level + 0.5))
    )


def _without(match: Match, name: str, ranker: Ranker) -> Match:
    """The match as if a feature were unknown."""
    parts = match.parts | {name: 0.0}
    scores = _scores([parts])
    return replace(
        match, parts=parts, values=match.values | {name: float("nan")}, score=float(scores[0]),
        level=int(ranker.levels(scores)[0]), probabilities=tuple(ranker.level_probabilities(scores)[0].tolist()),
    )  # fmt: skip


def _scores(parts: Sequence[Mapping[str, float]]) -> Scores:
    names = parts[0] if parts else ()
    columns = {name: np.array([part[name] for part in parts]) for name in names}
    return total(columns) if columns else np.zeros(len(parts))
