"""Reading the best candidates once more: the part it adds, the order it makes, and the weight it is worth."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import matcher.reading
from embeddings.refusal import IndexRefused
from embeddings.reranker import read_manifest
from embeddings.text import clean_text
from graph.kinds import Node
from graph.store.changes import RemoveNode
from matcher.engine import Engine
from matcher.evaluation import Judgement, evaluate
from matcher.experience import learn_experience
from matcher.features import features
from matcher.home import Home
from matcher.lessons import Lesson
from matcher.ranking import Match
from matcher.reading import (
    GRID,
    Reading,
    evaluate_reading,
    open_reading,
    prove,
    read_pairs,
    reread,
    score_lessons,
)
from matcher.texts import node_texts
from tests.factories import TODAY, BigramEncoder, apply, make_achievement, make_scene, put, shown

WORDS = ("海岛", "无人机", "投送", "网箱", "清洗", "防腐", "涂层", "检测")
SCENES = [make_scene(f"CJ-{n}", title="".join(WORDS[n : n + 3]), summary=WORDS[n] * 5) for n in range(6)]
OFFERS = [make_achievement(f"CG-{n}", title=WORDS[n] + WORDS[(n * 3) % 8] + "装置") for n in range(8)]
IDS = {node_texts(node).gist: node.id for node in (*SCENES, *OFFERS)}


class Told:
    """Reads the level it was told for a scene and an achievement; remembers what it was asked."""

    identity = "told"

    def __init__(self, level: Callable[[str, str], float], max_candidates: int = 50) -> None:
        self.level, self.max_candidates = level, max_candidates
        self.asked: list[list[tuple[str, str]]] = []

    def levels(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        assert len(pairs) <= self.max_candidates
        self.asked.append([(IDS.get(demand, ""), IDS.get(offer, "")) for demand, offer in pairs])
        blank = [not (clean_text(demand) and clean_text(offer)) for demand, offer in pairs]
        told = [
            math.nan if empty else self.level(*ids) for empty, ids in zip(blank, self.asked[-1], strict=True)
        ]
        return np.array(told, dtype=np.float64)


def truth(scene: str, achievement: str) -> int:
    """A level that has little to do with the texts."""
    assert (scene[:3], achievement[:3]) == ("CJ-", "CG-")
    return max(1, 4 - abs(int(scene[3:]) - int(achievement[3:])))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Six scenes and eight achievements; no test changes it."""
    home = Home(path=tmp_path_factory.mktemp("world") / "home")
    with home.open_store(create=True) as store:
        put(store, *SCENES, *OFFERS)
        engine = Engine(home, store, BigramEncoder())
        engine.refresh()
        yield engine


def matched(engine: Engine, node: Node) -> list[Match]:
    return engine.match(node, top=20, today=TODAY)


LEVELS = st.floats(1, 4) | st.just(math.nan)


@given(
    told=st.lists(LEVELS, min_size=8, max_size=8), most=st.integers(0, 9), weight=st.sampled_from(GRID[1:])
)
def test_best_candidates_get_one_more_part_and_change_places_among_themselves(
    world: Engine, told: list[float], most: int, weight: float
) -> None:
    before = matched(world, SCENES[0])
    reranker = Told(lambda scene, achievement: told[int(achievement[3:])], most)
    after = reread(before, SCENES[0], world, reranker, weight)
    assert reranker.asked == [[("CJ-0", match.key[1]) for match in before[:most]]]
    assert [match.rank for match in after] == list(range(1, 9))
    assert shown(after[most:]) == shown(before[most:])
    assert sorted(m.key for m in after[:most]) == sorted(m.key for m in before[:most])
    assert [(-m.score, m.key) for m in after[:most]] == sorted((-m.score, m.key) for m in after[:most])
    old = {match.key: match for match in before}
    for match in after[:most]:
        level = round(told[int(match.key[1][3:])], 3)
        was, read = old[match.key], level == level
        assert match.parts.pop("reading") == (pytest.approx(weight * (level - 2), abs=1e-6) if read else 0)
        added = round(weight * (level - 2), 6) if read else 0.0
        assert match.parts == was.parts
        assert match.score == pytest.approx(was.score + added, abs=2e-6)
        assert np.isnan(match.values["reading"]) != read
        assert match.level == 1 + sum(match.score >= cut for cut in world.ranker.cuts)
        chances = world.ranker.level_probabilities(np.array([match.score]))[0]
        assert match.probabilities == tuple(chances.tolist())


def test_parts_still_sum_to_the_score_and_values_stay_in_range(world: Engine) -> None:
    for match in reread(matched(world, SCENES[1]), SCENES[1], world, Told(truth), 7.3):
        assert round(sum(match.parts.values()), 6) == match.score
        assert features()["reading"].low <= match.values["reading"] <= features()["reading"].high
    assert np.isnan(matched(world, SCENES[1])[0].values["reading"])


def test_pair_is_read_the_same_way_round_from_either_side(world: Engine) -> None:
    reading = Reading(reranker=Told(truth), weight=10.0, manifest={})
    ahead = {m.key[1]: m for m in reading.match(world, SCENES[2], top=8, today=TODAY)}["CG-3"]
    back = {m.key[1]: m for m in reading.match(world, OFFERS[3], top=6, today=TODAY)}["CJ-2"]
    assert ahead.parts == pytest.approx(back.parts)
    assert ahead.score == pytest.approx(back.score)
    assert ahead.parts["reading"] == 10.0 * (truth("CJ-2", "CG-3") - 2)


def test_as_many_are_read_however_few_are_wanted(world: Engine) -> None:
    reranker = Told(truth, max_candidates=6)
    reading = Reading(reranker=reranker, weight=10.0, manifest={})
    (best,) = reading.match(world, SCENES[4], top=1, today=TODAY)
    assert shown([best]) == shown(reread(matched(world, SCENES[4]), SCENES[4], world, reranker, 10.0)[:1])
    assert [len(asked) for asked in reranker.asked] == [6, 6]
    plain = Reading(reranker=None, weight=0.0, manifest={}).match(world, SCENES[4], top=3, today=TODAY)
    assert shown(plain) == shown(matched(world, SCENES[4])[:3])


def test_blank_and_removed_nodes_are_not_read(engine: Engine) -> None:
    put(engine.store, SCENES[0], OFFERS[0], OFFERS[1], make_achievement("CG-9", title="\u034f\ufe00"))
    before = matched(engine, SCENES[0])
    apply(engine.store, RemoveNode(kind="achievement", id="CG-1"))
    after = {m.key[1]: m for m in reread(before, SCENES[0], engine, Told(lambda *_: 4.0), 10.0)}
    assert {id: m.parts["reading"] for id, m in after.items()} == {"CG-0": 20.0, "CG-1": 0.0, "CG-9": 0.0}
    assert reread([], SCENES[0], engine, Told(truth), 10.0) == []


def test_pairs_are_read_in_portions_with_none_for_the_unknown(world: Engine) -> None:
    reranker, told = Told(truth, max_candidates=3), list[tuple[int, int]]()
    pairs = [("CJ-1", f"CG-{n}") for n in (3, 1, 99, 0)] + [("CJ-99", "CG-1")]
    levels = read_pairs(world, pairs, reranker, lambda done, total: told.append((done, total)))
    assert [None if np.isnan(level) else level for level in levels] == [2, 4, None, 3, None]
    assert ([len(asked) for asked in reranker.asked], told) == ([3, 2], [(3, 5), (5, 5)])


def lessons_of(scenes: Sequence[int], level: Callable[[str, str], float] = truth) -> list[Lesson]:
    return [
        Lesson(scene=f"CJ-{s}", achievement=f"CG-{a}", level=level(f"CJ-{s}", f"CG-{a}"), weight=1.0)
        for s in scenes
        for a in range(8)
    ]


def ndcg_by_hand(levels: Sequence[float]) -> float:
    def gain(ordered: Sequence[float]) -> float:
        return math.fsum((2**level - 2) / 2 / math.log2(place + 2) for place, level in enumerate(ordered))

    return gain(levels) / gain(sorted(levels, reverse=True))


def noise(seed: int) -> Callable[[str, str], float]:
    """Readings that are partly right."""
    rng = np.random.default_rng(seed)
    drawn = {(s.id, a.id): float(rng.uniform(1, 4)) for s in SCENES for a in OFFERS}
    return lambda scene, achievement: (truth(scene, achievement) + drawn[scene, achievement]) / 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_figures_of_every_weight_are_those_worked_out_scene_by_scene(world: Engine, seed: int) -> None:
    scored = score_lessons(world, lessons_of(range(6)), today=TODAY)
    reranker = Told(noise(seed), max_candidates=20)
    proof = prove(world, scored, reranker)
    assert (proof.scenes, proof.pairs, proof.ranker) == (6, 48, world.ranker.name)
    columns = []
    for weight in GRID:
        column = []
        for scene in SCENES:
            rows = [(x.level, m.score, x.achievement) for x, m in scored if x.scene == scene.id]
            added = [
                (level, score + weight * (round(reranker.level(scene.id, id), 3) - 2), id)
                for level, score, id in rows
            ]
            column.append(ndcg_by_hand([x[0] for x in sorted(added, key=lambda x: (-round(x[1], 6), x[2]))]))
        columns.append(np.array(column))
    expected = [
        (w, c.mean(), (c - columns[0]).mean(), (c - columns[0]).std(ddof=1) / math.sqrt(6))
        for w, c in zip(GRID, columns, strict=True)
    ]
    assert [(t.weight, t.ndcg, t.gain, t.error) for t in proof.trials] == [pytest.approx(x) for x in expected]
    proven = [(ndcg, -weight) for weight, ndcg, gain, error in expected if gain > error]
    assert proof.weight == (-max(proven)[1] if proven else 0.0)


def test_weight_is_chosen_where_reading_helps_and_none_where_it_does_not(world: Engine) -> None:
    scored = score_lessons(world, lessons_of(range(6)), today=TODAY)
    assert prove(world, scored, Told(truth)).weight > 0
    assert prove(world, scored, Told(lambda *pair: 5 - truth(*pair))).weight == 0
    assert prove(world, scored, Told(lambda *_: 3.0)).weight == 0
    right = {
        match.key[1]: level for level, match in zip((4.0, 3.0, 2.0), matched(world, SCENES[0]), strict=False)
    }
    already = score_lessons(world, lessons_of([0], lambda _, a: right.get(a, 1.0)), today=TODAY)
    assert [t.gain for t in prove(world, already, Told(lambda _, a: right.get(a, 1.0))).trials] == [0.0] * 5


def turned(signs: dict[str, int]) -> Callable[[str, str], float]:
    """Reads the truth in scenes of sign 1, its reverse in those of -1, and nothing of the others."""
    return lambda scene, achievement: 2.5 + signs.get(scene, 0) * (truth(scene, achievement) - 2.5)


def test_gain_within_a_standard_error_is_none(world: Engine) -> None:
    scored = score_lessons(world, lessons_of(range(6)), today=TODAY)
    within = []
    for helped, harmed in itertools.product(SCENES, SCENES):
        proof = prove(world, scored, Told(turned({harmed.id: -1, helped.id: 1})))
        best = max(proof.trials, key=lambda trial: trial.gain)
        if best.error is not None and 0 < best.gain <= best.error + 1e-9:
            within.append(proof.weight)
    # Helped alone (helped is harmed), the gain is the error; helped here and harmed there, it is less.
    assert len(within) > 6
    assert set(within) == {0.0}


@pytest.mark.parametrize("scenes", [[], [0]])
def test_fewer_than_two_scenes_prove_nothing(world: Engine, scenes: list[int]) -> None:
    proof = prove(world, score_lessons(world, lessons_of(scenes), today=TODAY), Told(truth))
    assert (proof.weight, proof.scenes) == (0.0, len(scenes))
    assert {trial.error for trial in proof.trials} == {None}


def test_lessons_are_scored_without_what_was_learned_from_them(world: Engine) -> None:
    lessons = [*lessons_of([0, 1]), Lesson(scene="CJ-9", achievement="CG-1", level=1.0, weight=1.0)]
    headlines, slots = world.corpus.vectors["headline"], world.corpus.slots
    experience = learn_experience(
        encoder=BigramEncoder().identity, centre=world.corpus.centre("headline"),
        scenes=headlines.vectors([slots["scene", "CJ-0"]]), offers=headlines.vectors([slots["achievement", "CG-7"]]),
        pairs=np.array([[0, 0]], dtype=np.int32), residuals=np.array([3.0]), certainty=np.ones(1), levels=np.ones(1),
        names=[("CJ-0", "CG-7")],
    )  # fmt: skip
    plain = score_lessons(world, lessons, today=TODAY)
    assert [lesson for lesson, _ in plain] == lessons[:-1]
    known = replace(world.ranker, weights={**world.ranker.weights, "experience": 50.0}, experience=experience)
    for ranker, same in ((known, True), (replace(known, experience=replace(experience, names=())), False)):
        engine = Engine(world.home, world.store, BigramEncoder())
        engine.ranker = engine.ranking.ranker = ranker
        scored = score_lessons(engine, lessons, today=TODAY)
        assert ([m.score for _, m in scored] == [m.score for _, m in plain]) == same
        assert not same or [m.level for _, m in scored] == [m.level for _, m in plain]


def judged(scenes: Sequence[int]) -> list[Judgement]:
    return [
        Judgement(scene=x.scene, achievement=x.achievement, level=int(x.level)) for x in lessons_of(scenes)
    ]


def test_effect_is_told_apart_on_scenes_that_were_not_trained_on(
    world: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = {"CJ-0", "CJ-1", "CJ-2"}
    monkeypatch.setattr(matcher.reading, "has_learnt", lambda manifest, scene: scene in manifest["learnt"])
    reading = Reading(reranker=Told(noise(5)), weight=20.0, manifest={"learnt": learnt})
    unknown = Judgement(scene="CJ-9", achievement="CG-1", level=4)
    effect = evaluate_reading(world, [*judged(range(6)), unknown], reading, today=TODAY)
    before = evaluate(world, judged([3, 4, 5]), today=TODAY)[0]
    alone = evaluate_reading(world, judged([3, 4, 5]), reading, today=TODAY)
    assert (effect.learnt, effect.unseen, alone.learnt, alone.unseen) == (24, 3, 0, 3)
    assert effect.before == pytest.approx(before.ndcg)
    assert effect.after == pytest.approx(alone.quality.ndcg)
    assert effect.gain[0] == pytest.approx(effect.after - effect.before)
    assert alone.quality.gain is not None
    assert alone.quality.gain[0] == pytest.approx(-effect.gain[0])
    perfect = evaluate_reading(
        world, judged(range(6)), replace(reading, reranker=Told(truth), weight=1e6), today=TODAY
    )
    assert (perfect.quality.ndcg, perfect.quality.mrr) == (1.0, 1.0)
    with pytest.raises(ValueError, match="nothing is read"):
        evaluate_reading(world, judged([0]), replace(reading, reranker=None), today=TODAY)


def test_effect_of_judgements_that_all_were_trained_on_is_told_of_none(
    world: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matcher.reading, "has_learnt", lambda manifest, scene: True)
    reading = Reading(reranker=Told(truth), weight=20.0, manifest={})
    effect = evaluate_reading(world, judged(range(6)), reading, today=TODAY)
    assert (effect.learnt, effect.unseen, effect.gain) == (48, 0, (0.0, 0.0, 0.0))


@pytest.mark.parametrize("use", [{}, {"weight": 0.0}, {"weight": 10.0}])
def test_model_is_loaded_only_where_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: dict[str, Any]
) -> None:
    loaded: list[Path] = []
    monkeypatch.setattr(matcher.reading, "read_manifest", lambda folder: {"use": use})
    monkeypatch.setattr(matcher.reading, "CrossEncoderReranker", loaded.append)
    reading = open_reading(tmp_path)
    assert reading.weight == use.get("weight", 0.0)
    assert loaded == ([tmp_path] if reading.weight else [])


def test_folder_without_a_reranker_is_refused(tmp_path: Path) -> None:
    for opens in (open_reading, read_manifest):
        with pytest.raises(IndexRefused) as refused:
            opens(tmp_path)
        assert refused.value.code == "reranker_missing"
