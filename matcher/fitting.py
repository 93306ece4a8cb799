"""One fit: from lessons with their features to weights, experience and levels of a ranker.

Three steps, each leaning on the ranker it begins from as far as there is little to learn from:
weights (ridge towards the old ones, from differences within a scene only, none negative), experience
(what like pairs were judged beyond that), levels (proportional odds on held-out scores, in learning.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from matcher.engine import Engine
from matcher.evaluation import measure
from matcher.experience import Experience, learn_experience
from matcher.features import features
from matcher.lessons import Lesson
from matcher.ranker import Ranker, total

Rows = NDArray[np.float64]
Places = NDArray[np.int64]
EXPERIENCE = "experience"
# What is learned in another way, or by a text model of its own.
_NOT_WEIGHED = (EXPERIENCE, "reading")
# How hard the weights are held to the old ones, from "as they are" down; in units of the data's own size.
_HOLDS = (np.inf, 10.0, 3.0, 1.0, 0.3)
_INNER_FOLDS = 5
# A feature that few pairs have varies little over all; held by that little alone, a handful of pairs would
# give it a great weight.
_LEAST_SPREAD = 0.1
# The old ranker's points per level count as this many pairs.
_BELIEVED = 50.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Lessons with all that a fit needs: a row each.

    ``values`` (n, features without experience) are NaN where unknown; ``scene`` and ``offer`` are rows of
    ``scene_vectors`` and ``offer_vectors``, the raw vectors of the titles.
    """

    lessons: tuple[Lesson, ...]
    names: tuple[str, ...]
    values: Rows
    level: Rows
    weight: Rows
    scene: Places
    offer: Places
    scene_ids: tuple[str, ...]
    scene_vectors: NDArray[np.float32]
    offer_vectors: NDArray[np.float32]
    encoder: str
    centre: Rows

    @property
    def graded(self) -> Places:
        """The levels as whole numbers, halves up."""
        return np.floor(self.level + 0.5).astype(np.int64)

    @property
    def ids(self) -> list[str]:
        """Achievement ids, by which ties are broken."""
        return [lesson.achievement for lesson in self.lessons]

    def groups(self, rows: Places | None = None) -> list[Places]:
        """Rows by scene, only scenes with five lessons and one of level 2 or more."""
        among = np.arange(len(self.level)) if rows is None else rows
        found = [among[self.scene[among] == at] for at in np.unique(self.scene[among])]
        return [group for group in found if len(group) >= 5 and (self.graded[group] >= 2).any()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What one fit learned; ``hold`` is how hard the weights were held to the old ones."""

    weights: dict[str, float]
    experience: Experience
    hold: float


def table(engine: Engine, lessons: Sequence[Lesson], *, today: date) -> Table:
    """Lessons whose scene and achievement are in the store, with their features."""
    matches = engine.score_pairs([(x.scene, x.achievement) for x in lessons], today=today)
    known = [(lesson, match) for lesson, match in zip(lessons, matches, strict=True) if match is not None]
    names = tuple(name for name in features() if name not in _NOT_WEIGHED)
    corpus = engine.corpus
    kept = tuple(lesson for lesson, _ in known)
    scene_ids = tuple(sorted({lesson.scene for lesson in kept}))
    offer_ids = sorted({lesson.achievement for lesson in kept})
    headlines = corpus.vectors["headline"]
    at_scene = {id: place for place, id in enumerate(scene_ids)}
    at_offer = {id: place for place, id in enumerate(offer_ids)}
    return Table(
        lessons=kept,
        names=names,
        values=np.array([[match.values[name] for name in names] for _, match in known]).reshape(
            -1, len(names)
        ),
        level=np.array([lesson.level for lesson in kept]),
        weight=np.array([lesson.weight for lesson in kept]),
        scene=np.array([at_scene[lesson.scene] for lesson in kept], dtype=np.int64),
        offer=np.array([at_offer[lesson.achievement] for lesson in kept], dtype=np.int64),
        scene_ids=scene_ids,
        scene_vectors=headlines.vectors([corpus.slots["scene", id] for id in scene_ids]),
        offer_vectors=headlines.vectors([corpus.slots["achievement", id] for id in offer_ids]),
        encoder=corpus.encoder.identity,
        centre=corpus.centre("headline"),
    )


def base_scores(data: Table, weights: Mapping[str, float]) -> Rows:
    """The score of every row without experience."""
    of = np.array([weights.get(name, 0.0) for name in data.names])
    return np.asarray(np.nan_to_num(data.values) @ of, dtype=np.float64)


def scores_of(data: Table, rows: Places, fit: Fit) -> Rows:
    """The scores a fit gives to some rows."""
    found = base_scores(data, fit.weights)[rows]
    for at in np.unique(data.scene[rows]):
        own = np.flatnonzero(data.scene[rows] == at)
        told = fit.experience.values(data.scene_vectors[[at]], data.offer_vectors[data.offer[rows[own]]])
        found[own] += fit.weights[EXPERIENCE] * np.nan_to_num(told)
    return found


def taught_by(experience: Experience) -> tuple[Lesson, ...]:
    """The lessons an experience was learned from, each as one judge's; none if it may not name them."""
    return tuple(
        Lesson(scene=scene, achievement=achievement, level=float(level), weight=1.0)
        for (scene, achievement), level in zip(experience.names, experience.levels.tolist(), strict=False)
    )


def old_scores(data: Table, ranker: Ranker, *, forgetting: float = 2.0) -> Rows:
    """The scores that a ranker as it stands gives to every row.

    It is measured as if it had not seen the judged scenes whose titles have a cosine of ``forgetting`` or more
    with the scene at hand.
    """
    values = dict(zip(data.names, data.values.T, strict=True))
    told = np.full(len(data.level), np.nan)
    if ranker.experience is not None and ranker.experience.encoder == data.encoder:
        for at in range(len(data.scene_ids)):
            own = np.flatnonzero(data.scene == at)
            scene = data.scene_vectors[[at]]
            experience = ranker.experience.without(scene, forgetting)
            told[own] = experience.values(scene, data.offer_vectors[data.offer[own]])
    return total(ranker.points(values | {EXPERIENCE: told}))


def fit(data: Table, rows: Places, old: Ranker, *, seed: int, hold: float | None = None) -> Fit:
    """Learn from some rows of the table, beginning from ``old``; ``hold`` is chosen by inner folds unless given."""
    hold = _chosen_hold(data, rows, old, seed) if hold is None else hold
    weights = _weights(data, rows, old, hold)
    expected, per_point = _expected(data, rows, base_scores(data, weights), old)
    used, places = np.unique(data.scene[rows], return_inverse=True)
    offers, offer_places = np.unique(data.offer[rows], return_inverse=True)
    experience = learn_experience(
        encoder=data.encoder,
        centre=data.centre,
        scenes=data.scene_vectors[used],
        offers=data.offer_vectors[offers],
        pairs=np.stack([places, offer_places], axis=1).astype(np.int32),
        residuals=data.level[rows] - expected[rows],
        certainty=data.weight[rows],
        levels=data.level[rows],
        names=[(data.lessons[row].scene, data.lessons[row].achievement) for row in rows.tolist()],
    )
    weights[EXPERIENCE] = round(float(1 / per_point), 4)
    return Fit(weights=weights, experience=experience, hold=hold)


def _weights(data: Table, rows: Places, old: Ranker, hold: float) -> dict[str, float]:
    """Ridge towards the old weights on differences within scenes, none negative; spread as before.

    Differences within a scene are what a ranking is made of: how strict a judge was, or how many good
    achievements a scene happens to have, must not be learned as weights.
    """
    from scipy.optimize import nnls

    before = np.array([max(old.weights.get(name, 0.0), 0.0) for name in data.names])
    if np.isinf(hold):
        return _named(data, before)
    values = np.nan_to_num(data.values[rows])
    spread = values.std(axis=0)
    moving = spread > 1e-9
    spread = np.maximum(spread, _LEAST_SPREAD)
    x = _within(values[:, moving] / spread[moving], data.scene[rows], data.weight[rows])
    y = _within(data.level[rows][:, None], data.scene[rows], data.weight[rows])[:, 0]
    root = np.sqrt(data.weight[rows])
    x, y = x * root[:, None], y * root
    start = before[moving] * spread[moving]
    told = x @ start
    if not (told @ told) > 0:
        return _named(data, before)
    scale = max(float(told @ y) / float(told @ told), 0.0)
    tie = np.sqrt(hold * len(rows))
    found, _ = nnls(np.vstack([x, tie * np.eye(len(start))]), np.concatenate([y, tie * scale * start]))
    reached = x @ found
    if not (reached @ reached) > 0:
        return _named(data, before)
    after = before.copy()
    after[moving] = found / spread[moving] * np.sqrt((told @ told) / (reached @ reached))
    return _named(data, after)


def _named(data: Table, weights: Rows) -> dict[str, float]:
    return {name: round(float(weight), 4) for name, weight in zip(data.names, weights, strict=True)}


def _within(columns: Rows, scene: Places, weight: Rows) -> Rows:
    """The columns less their weighted mean in each scene."""
    result = columns.copy()
    for at in np.unique(scene):
        own = scene == at
        result[own] -= np.average(columns[own], axis=0, weights=weight[own])
    return result


def _expected(data: Table, rows: Places, scores: Rows, old: Ranker) -> tuple[Rows, float]:
    """(the level that the score lets expect, for every row of the table; levels per point).

    A straight line; the old ranker's own line counts as ``_BELIEVED`` pairs.
    """
    x, y, w = scores[rows], data.level[rows], data.weight[rows]
    believed = old.level_probabilities(x) @ np.arange(1, 5)
    centre, mean = float(np.average(x, weights=w)), float(np.average(y, weights=w))
    spread = float(np.average((x - centre) ** 2, weights=w))
    if spread <= 0:
        return np.full(len(scores), mean), 0.02
    of_old = float(np.average((x - centre) * (believed - believed.mean()), weights=w)) / spread
    of_data = float(np.average((x - centre) * (y - mean), weights=w)) / spread
    slope = (w.sum() * of_data + _BELIEVED * of_old) / (w.sum() + _BELIEVED)
    slope = max(slope, of_old / 2, 1e-3)
    return mean + slope * (scores - centre), slope


def _chosen_hold(data: Table, rows: Places, old: Ranker, seed: int) -> float:
    """The strongest hold whose held-out nDCG@10 is within a standard error of the best (Breiman et al., 1984)."""
    scenes = np.unique(data.scene[rows])
    folds = min(_INNER_FOLDS, len(scenes))
    of_scene = dict(zip(scenes.tolist(), folds_of(len(scenes), folds, seed).tolist(), strict=True))
    fold = np.array([of_scene[at] for at in data.scene[rows].tolist()])
    groups = data.groups(rows)
    if folds < 2 or not groups:
        return float("inf")
    found = []
    for hold in _HOLDS:
        scores = np.zeros(len(data.level))
        for number in range(folds):
            weights = _weights(data, rows[fold != number], old, hold)
            held_out = rows[fold == number]
            scores[held_out] = base_scores(data, weights)[held_out]
        found.append(measure(scores, data.graded, groups, data.ids)["ndcg"])
    best = max(found, key=lambda column: float(column.mean()))
    for hold, column in zip(_HOLDS, found, strict=True):
        behind = best - column
        if behind.mean() <= behind.std() / np.sqrt(len(behind)) + 1e-12:
            return float(hold)
    raise AssertionError("the best is within any error of itself")


def folds_of(count: int, folds: int, seed: int) -> Places:
    """A fold number for each of ``count`` things, as even as can be, drawn with the seed."""
    return np.random.default_rng(seed).permutation(count) % folds
