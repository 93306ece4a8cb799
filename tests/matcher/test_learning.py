"""Learning from judgements: nothing leaks from held-out scenes, noise is not promoted, and it can be repeated."""

import csv
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from graph.feedback import Judgement
from graph.problems import Refused
from graph.resources import resource
from graph.store.changes import PutFeedback
from matcher.engine import Engine
from matcher.fitting import Table, base_scores, fit, folds_of, old_scores, taught_by
from matcher.learning import _current_scores, _held_out, learn
from matcher.learning_report import CURRENT, NEW, Bin
from matcher.lessons import Lesson, Taught, lessons, teach
from matcher.models import shipped_ranker
from matcher.ranker import Ranker, load_ranker
from tests.factories import make_achievement, make_scene, put
from tests.matcher.test_fitting import OLD, _table

TODAY = date(2026, 3, 1)
AT = datetime(2026, 3, 1, tzinfo=UTC)


def _judgements() -> list[Judgement]:
    """Those of the sample world."""
    with resource("sample", "judgements.csv").open(encoding="utf-8-sig", newline="") as file:
        return [
            Judgement(
                scene=row["scene_id"],
                achievement=row["achievement_id"],
                judge="甲",
                level=row["level"],
                at=AT,
            )
            for row in csv.DictReader(file)
        ]


def _taught(*rows: tuple[str, str, float]) -> Taught:
    found = tuple(Lesson(scene=s, achievement=a, level=level, weight=1) for s, a, level in rows)
    return Taught(lessons=found, judgements=len(rows), outcomes=0, judges=1, left_out=())


def _start() -> Ranker:
    return load_ranker(shipped_ranker())


def test_scores_held_out_do_not_depend_on_the_levels_held_out() -> None:
    data = _table(1, {"whole_words": 2.0})
    fold = folds_of(12, 4, 3)[data.scene]
    before = _held_out(data, fold, OLD, 3, lambda: None)
    rows = np.flatnonzero(fold == 2)
    level = data.level.copy()
    level[rows] = 5 - level[rows]
    changed = Table(**{name: getattr(data, name) for name in Table.__dataclass_fields__} | {"level": level})
    after = _held_out(changed, fold, OLD, 3, lambda: None)
    assert np.array_equal(before[rows], after[rows])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("withdrawn", [False, True])
def test_a_ranker_learned_here_is_measured_as_it_was_taught_without_the_measured_scenes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, withdrawn: bool
) -> None:
    data = _table(2, {"whole_words": 2.0})
    level = 5 - data.level if withdrawn else data.level
    taught = Table(**{name: getattr(data, name) for name in Table.__dataclass_fields__} | {"level": level})
    fold = folds_of(12, 4, 3)[data.scene]
    whole = fit(taught, np.arange(len(level)), OLD, seed=3)
    ranker = Ranker(
        name="现用", weights=whole.weights, slope=0.1, cuts=(1, 2, 3), experience=whole.experience
    )
    assert [lesson.level for lesson in taught_by(whole.experience)] == pytest.approx(level.tolist(), abs=1e-6)
    monkeypatch.setattr("matcher.learning.table", lambda *_args, **_options: taught)
    found = _current_scores(engine, data, ranker, OLD, fold, 3, today=TODAY)
    assert np.array_equal(found, _held_out(taught, fold, OLD, 3, lambda: None))


def test_a_ranker_that_names_no_pairs_forgets_the_need_it_is_measured_on(engine: Engine) -> None:
    data = _table(3, {"whole_words": 2.0})
    fold = folds_of(12, 4, 3)[data.scene]
    whole = fit(data, np.arange(len(data.level)), OLD, seed=3)
    nameless = replace(whole.experience, names=())
    ranker = Ranker(name="随附", weights=whole.weights, slope=0.1, cuts=(1, 2, 3), experience=nameless)
    found = _current_scores(engine, data, ranker, OLD, fold, 3, today=TODAY)
    # The scenes are unlike each other, so without its own judgements nothing is left but the weights.
    assert found == pytest.approx(base_scores(data, whole.weights), abs=1e-4)
    assert not np.allclose(old_scores(data, ranker), found)


def test_learning_on_the_sample_world_is_the_same_twice_and_adds_up(sample_engine: Engine) -> None:
    taught = teach(_judgements(), [])
    told: list[tuple[int, int]] = []
    first = learn(
        sample_engine, taught, start=_start(), today=TODAY, seed=4, progress=lambda *done: told.append(done)
    )
    second = learn(sample_engine, taught, start=_start(), today=TODAY, seed=4)
    assert first.report == second.report
    assert (first.ranker.weights, first.ranker.slope, first.ranker.cuts) == (
        second.ranker.weights, second.ranker.slope, second.ranker.cuts
    )  # fmt: skip
    report = first.report
    assert (report.judgements, report.pairs, report.scenes, sum(report.levels)) == (411, 411, 51, 411)
    assert told[-1] == (19, 19)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    pairs = sum(entry.pairs for entry in report.reliability)
    assert pairs == 411
    expected = sum(abs(b.predicted - b.observed) * b.pairs / pairs for b in report.reliability)
    assert report.ece == pytest.approx(expected)
    assert all(isinstance(entry, Bin) and entry.low < entry.high for entry in report.reliability)
    figures = {way.name: way for way in report.ways}
    assert figures[NEW].ndcg - figures[CURRENT].ndcg == pytest.approx(report.gains[0].mean)
    assert figures[NEW].ndcg > 0.95
    assert figures[NEW].accuracy > figures[CURRENT].accuracy


def test_judgements_that_are_noise_are_not_promoted(sample_engine: Engine) -> None:
    levels = np.random.default_rng(8).permutation([judgement.level for judgement in _judgements()])
    noise = [
        judgement.model_copy(update={"level": int(level)})
        for judgement, level in zip(_judgements(), levels, strict=True)
    ]
    report = learn(sample_engine, teach(noise, []), start=_start(), today=TODAY, seed=4).report
    assert not report.better


def _world(engine: Engine) -> list[tuple[str, str]]:
    scenes = [
        make_scene(f"S{i}", title=title)
        for i, title in enumerate(["海岛送药", "桥梁检测", "养殖水质", "垃圾分拣"])
    ]
    offers = [make_achievement(f"A{i}", title=f"{s.title}装置{i}") for i, s in enumerate(scenes * 3)]
    put(engine.store, *scenes, *offers)
    engine.refresh()
    return [(scene.id, offer.id) for scene in scenes for offer in offers]


@pytest.mark.parametrize(
    ("levels", "count", "code", "said"),
    [
        (lambda i: 1 + i % 4, 29, "lessons_too_few", "只有 29 对"),
        (lambda i: 4, 48, "lessons_one_level", "48 对评级全是 4 级"),
        (lambda i: 1 + (i % 4 if i < 12 else 0), 48, "lessons_one_scene", "至少要有两个场景"),
    ],
)  # fmt: skip
def test_too_little_to_learn_from_is_refused_and_the_ranker_stays(
    engine: Engine, levels: "object", count: int, code: str, said: str
) -> None:
    pairs = _world(engine)[:count]
    before = engine.ranker
    rows = [(s, a, float(levels(i))) for i, (s, a) in enumerate(pairs)]  # type: ignore[operator]
    with pytest.raises(Refused, match=said) as refused:
        learn(engine, _taught(*rows), start=_start(), today=TODAY)
    assert refused.value.code == code
    assert "没有改变" in refused.value.remedy
    assert engine.ranker is before


def test_pairs_of_unknown_ids_are_left_out_and_counted(engine: Engine) -> None:
    pairs = _world(engine)
    rows = [(s, a, 4.0 if a.endswith(s[1]) else 1.0 + i % 2) for i, (s, a) in enumerate(pairs)]
    report = learn(
        engine, _taught(*rows, ("没有", "A1", 4.0), ("S1", "没有", 1.0)), start=_start(), today=TODAY
    ).report
    assert report.pairs == 48
    assert report.left_out == ("2 对的场景或成果不在库中，没有采用",)


def test_a_poisoned_import_undone_teaches_what_was_taught_before(engine: Engine) -> None:
    pairs = _world(engine)

    def record(level_of: "dict[tuple[str, str], int]", reason: str) -> int:
        puts = [
            PutFeedback(record=Judgement(scene=s, achievement=a, judge="甲", level=level, at=AT))
            for (s, a), level in level_of.items()
        ]
        return engine.store.apply(puts, actor="导入", at=AT, reason=reason).revision

    record({pair: 1 + i % 4 for i, pair in enumerate(pairs)}, "原有")
    before = lessons(engine.store)
    learned = learn(engine, before, start=_start(), today=TODAY)
    poisoned = record({pair: 4 - i % 4 for i, pair in enumerate(pairs)}, "错表")
    assert lessons(engine.store).digest != before.digest
    engine.store.undo(poisoned, actor="甲", at=AT, reason="导错了")
    assert lessons(engine.store).lessons == before.lessons
    again = learn(engine, lessons(engine.store), start=_start(), today=TODAY)
    assert again.ranker.weights == learned.ranker.weights
    assert (again.ranker.slope, again.ranker.cuts) == (learned.ranker.slope, learned.ranker.cuts)


def test_levels_filled_in_upside_down_are_said_and_not_promoted(sample_engine: Engine) -> None:
    upside_down = [judgement.model_copy(update={"level": 5 - judgement.level}) for judgement in _judgements()]
    report = learn(sample_engine, teach(upside_down, []), start=_start(), today=TODAY, seed=4).report
    assert not report.better
    assert report.limits[0] == "评级与各项得分相反，请先核对等级有没有填反；这样学到的模型不自动启用"
