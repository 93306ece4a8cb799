"""The sample world with the embedded encoder: how good its ranking is must not get worse unnoticed."""

import csv

import pytest

from graph.kinds import Scene
from graph.resources import resource
from matcher.engine import Engine
from matcher.evaluation import Judgement, Quality, evaluate
from tests.factories import TODAY, shown


@pytest.fixture(scope="module")
def judgements() -> list[Judgement]:
    with resource("sample", "judgements.csv").open(encoding="utf-8-sig", newline="") as file:
        return [
            Judgement(scene=row["scene_id"], achievement=row["achievement_id"], level=int(row["level"]))
            for row in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def measured(sample_engine: Engine, judgements: list[Judgement]) -> dict[str, Quality]:
    return {quality.name: quality for quality in evaluate(sample_engine, judgements, today=TODAY)}


def test_every_judgement_is_of_the_sample(sample_engine: Engine, judgements: list[Judgement]) -> None:
    assert len(judgements) > 400
    found = sample_engine.score_pairs([(j.scene, j.achievement) for j in judgements], today=TODAY)
    assert None not in found


def test_ranking_of_the_sample_stays_as_good_as_it_was(measured: dict[str, Quality]) -> None:
    """Floors a little below what is reached, see matcher/README.md for the figures."""
    current = measured["当前排序"]
    assert current.ndcg >= 0.95
    assert current.mrr >= 0.93
    assert current.precision >= 0.34
    assert current.accuracy is not None
    assert current.accuracy >= 0.68


def test_ranking_of_the_sample_beats_chance_words_and_meaning_of_titles(measured: dict[str, Quality]) -> None:
    for name in ("随机顺序", "TF-IDF", "仅语义"):
        gain = measured[name].gain
        assert gain is not None
        assert gain[1] > 0, name
    assert measured["随机顺序"].ndcg < 0.7
    assert measured["TF-IDF"].ndcg > 0.75
    assert measured["仅语义"].ndcg > 0.8
    assert measured["仅用词"].ndcg > 0.9


def test_no_two_ways_rank_the_sample_alike(measured: dict[str, Quality]) -> None:
    assert len({quality.ndcg for quality in measured.values()}) == len(measured)


def test_strongly_related_pairs_of_the_sample_are_found_among_all(
    sample_engine: Engine, judgements: list[Judgement]
) -> None:
    """Of the pairs judged 强相关, nearly all stand among the first five of all achievements."""
    wanted: dict[str, set[str]] = {}
    for judgement in judgements:
        if judgement.level == 4:
            wanted.setdefault(judgement.scene, set()).add(judgement.achievement)
    found = {
        scene: {
            match.key[1] for match in sample_engine.match(_scene(sample_engine, scene), top=5, today=TODAY)
        }
        for scene in wanted
    }
    hits = sum(len(ids & found[scene]) for scene, ids in wanted.items())
    assert hits / sum(map(len, wanted.values())) >= 0.95


def test_sample_ranks_the_same_after_its_index_was_read_back(sample_engine: Engine) -> None:
    scene = _scene(sample_engine, "CJ-101")
    before = shown(sample_engine.match(scene, top=20, today=TODAY))
    with Engine.open(sample_engine.home) as again:
        assert shown(again.match(scene, top=20, today=TODAY)) == before


def _scene(engine: Engine, id: str) -> Scene:
    scene = engine.store.get("scene", id)
    assert isinstance(scene, Scene)
    return scene
