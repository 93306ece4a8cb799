"""Learns a ranker from what people judged, and proves on held-out scenes whether it is better.

    python -m matcher.learning HOME FOLDER

learns from a home's judgements, beginning from the cold start, and writes ranker and card without any id, as
was done for data/ranker/default.

An additive ordinal model over the registry of features: the score is a sum of parts, the levels follow from
it by proportional odds. Everything is reproducible from the lessons, the seed, and the revision, encoder and
index generation that the report records.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from graph.problems import Refused
from graph.resources import resource
from matcher.calibration import fit_levels
from matcher.engine import Engine
from matcher.experience import linked_scenes
from matcher.fitting import (
    EXPERIENCE,
    Places,
    Rows,
    Table,
    base_scores,
    fit,
    folds_of,
    old_scores,
    scores_of,
    table,
    taught_by,
)
from matcher.home import Home
from matcher.learning_report import COLD, CURRENT, FOLDS, NEW, NEW_BY_NEED, NEW_BY_PAIR, Report, report_of
from matcher.lessons import Taught, lessons
from matcher.model_card import card
from matcher.ranker import Ranker, load_ranker, save_ranker

SEED = 20250130
_PAIR_FOLDS = 7
_LEAST_PAIRS, _LEAST_SCENES = 30, 2
# Scenes whose titles are this alike are one need posted again.
_REPOSTED = 0.85
_UNNAMED = "评级出自一组技术转移人员对真实技术需求的判断，没有记下各是谁，这里算作一人"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A ranker and the report on it."""

    ranker: Ranker
    report: Report


def learn(
    engine: Engine,
    taught: Taught,
    *,
    start: Ranker,
    today: date,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Learned:
    """A new ranker from ``taught``, compared with the engine's own and with ``start``.

    It begins from the weights and levels of ``start``, whose experience is left aside: that is another
    city's.

    Raises ``Refused``: ``lessons_too_few`` (under 30 pairs in the store), ``lessons_one_level``,
    ``lessons_one_scene``. The engine's ranker is not changed.
    """
    cold = replace(
        start, weights={n: w for n, w in start.weights.items() if n != EXPERIENCE}, experience=None
    )
    data = table(engine, taught.lessons, today=today)
    _refuse_unusable(data, taught)
    tell = _counter(progress, 2 * FOLDS + _PAIR_FOLDS + 2)
    by_scene = folds_of(len(data.scene_ids), min(FOLDS, len(data.scene_ids)), seed)[data.scene]
    held_out = _held_out(data, by_scene, cold, seed, tell)
    reposted = linked_scenes(data.scene_vectors, data.centre, _REPOSTED)
    groups = folds_of(int(reposted.max()) + 1, min(FOLDS, int(reposted.max()) + 1), seed)[reposted][
        data.scene
    ]
    by_need = _held_out(data, groups, cold, seed, tell) if len(set(groups)) > 1 else held_out
    by_pair = _held_out(data, folds_of(len(data.level), _PAIR_FOLDS, seed), cold, seed, tell)
    whole = fit(data, np.arange(len(data.level)), cold, seed=seed)
    slope, cuts = fit_levels(held_out, data.graded, data.weight, believed=cold)
    tell()
    ranker = Ranker(
        name=f"learned-{taught.digest[:8]}", weights=whole.weights, slope=slope, cuts=cuts, experience=whole.experience
    )  # fmt: skip
    in_use = _current_scores(engine, data, engine.ranker, cold, by_scene, seed, today=today)
    tell()
    ways = {
        NEW: (held_out, by_scene),
        CURRENT: (in_use, None),
        COLD: (base_scores(data, cold.weights), None),
        NEW_BY_NEED: (by_need, groups),
        NEW_BY_PAIR: (by_pair, folds_of(len(data.level), _PAIR_FOLDS, seed)),
    }
    rankers = {CURRENT: engine.ranker, COLD: cold}
    report = report_of(engine, data, taught, whole, cold, ways, rankers, today=today, seed=seed)
    return Learned(ranker=ranker, report=report)


def _refuse_unusable(data: Table, taught: Taught) -> None:
    found = len(data.level)
    if found < _LEAST_PAIRS:
        missing = len(taught.lessons) - found
        gone = f"（另有 {missing} 对的场景或成果已不在库中）" if missing else ""
        raise Refused(
            "lessons_too_few",
            f"可用的评级只有 {found} 对{gone}，至少要 {_LEAST_PAIRS} 对才能学习。",
            "请继续评级（jiebang judge，或 jiebang import judgements 导入表格）；现用的排序模型没有改变。",
        )
    if len(set(data.graded.tolist())) < 2:
        raise Refused(
            "lessons_one_level",
            f"{found} 对评级全是 {data.graded[0]} 级，看不出什么更好。",
            "请把不合适的也评上（1 级、2 级）；现用的排序模型没有改变。",
        )
    if len(data.scene_ids) < _LEAST_SCENES or len(data.groups()) < _LEAST_SCENES:
        raise Refused(
            "lessons_one_scene",
            "至少要有两个场景各评过 5 项成果、其中有 2 级以上的，才能检验学到的是否适用于别的场景。",
            "请再为别的场景评一些成果；现用的排序模型没有改变。",
        )


def _held_out(data: Table, fold: Places, cold: Ranker, seed: int, tell: Callable[[], None]) -> Rows:
    """The score of every row by a fit that has not seen its fold."""
    scores = np.zeros(len(data.level))
    for number in np.unique(fold):
        rows = np.flatnonzero(fold == number)
        learned = fit(data, np.flatnonzero(fold != number), cold, seed=seed)
        scores[rows] = scores_of(data, rows, learned)
        tell()
    return scores


def _current_scores(
    engine: Engine, data: Table, ranker: Ranker, cold: Ranker, fold: Places, seed: int, *, today: date
) -> Rows:
    """The scores of the ranker in use, without what it learned from the very scenes it is measured on.

    One that learned from pairs of this store would know the answers: it is fitted again in each fold to
    the lessons it was taught, withdrawn ones as well, outside the fold. One that names no pairs forgets the
    needs that read like the one it is measured on.
    """
    experience = ranker.experience
    if experience is None or not experience.names:
        return old_scores(data, ranker, forgetting=_REPOSTED)
    own = table(engine, taught_by(experience), today=today)
    if not len(own.level):
        return old_scores(data, ranker, forgetting=_REPOSTED)
    scores = np.zeros(len(data.level))
    for number in np.unique(fold):
        rows = np.flatnonzero(fold == number)
        measured = {data.scene_ids[at] for at in np.unique(data.scene[rows])}
        taught = np.flatnonzero([own.scene_ids[at] not in measured for at in own.scene])
        if len(taught):
            scores[rows] = scores_of(data, rows, fit(own, taught, cold, seed=seed))
        else:
            scores[rows] = base_scores(data, cold.weights)[rows]
    return scores


def _counter(progress: Progress | None, steps: int) -> Callable[[], None]:
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, steps), steps)

    return tell


def main() -> None:
    """Write the ranker learned from a home, to be shipped with the program."""
    home, folder = Path(sys.argv[1]), Path(sys.argv[2])
    cold = resource("ranker", "cold_start.json")
    with Engine.open(Home(path=home), ranker=cold) as engine:
        taught = lessons(engine.store)
        learned = learn(engine, taught, start=load_ranker(cold), today=date.today())
    experience = learned.ranker.experience
    assert experience is not None  # noqa: S101 - learning always gives one
    shipped = replace(learned.ranker, name="default-1", experience=replace(experience, names=()))
    folder.mkdir(parents=True, exist_ok=True)
    save_ranker(shipped, folder)
    told = (_UNNAMED, *(limit for limit in learned.report.limits if "一人" not in limit))
    nameless = replace(learned.report, worse=(), store_id="", head_hash="", limits=told)
    (folder / "card.md").write_text(card(nameless), encoding="utf-8")


if __name__ == "__main__":
    main()
