"""What the graph adds, measured: each feature alone against none, and what a hub's new relations move."""

import math
from dataclasses import replace

import numpy as np
import pytest

from matcher.engine import Engine
from matcher.evaluation import ndcg_at
from matcher.link_ablation import GRAPH, effects, shifts
from matcher.ranking import Match
from tests.factories import (
    TODAY,
    make_achievement,
    make_broker,
    make_edge,
    make_enterprise,
    make_institution,
    make_scene,
    put,
)

WEIGHTS = dict.fromkeys(GRAPH, 10.0)


def _match(id: str, texts: float, **links: float) -> Match:
    values = {name: links.get(name, math.nan) for name in GRAPH}
    parts = {"whole_words": texts} | {name: 10 * links.get(name, 0.0) for name in GRAPH}
    return Match(
        rank=1, key=("achievement", id), score=sum(parts.values()), level=1, probabilities=(1, 0, 0, 0), parts=parts, values=values
    )  # fmt: skip


def test_effects_are_those_of_ranking_by_texts_and_the_chosen_features() -> None:
    levels = [1, 4, 2, 1, 3]
    matches = [
        _match("a", 5), _match("b", 4, partner_path=0.5), _match("c", 3), _match("d", 2), _match("e", 1, broker_link=0.05)
    ]  # fmt: skip
    graded = {("CJ-1", match.key[1]): level for match, level in zip(matches, levels, strict=True)}
    found = {effect.name: effect for effect in effects(matches, graded, WEIGHTS)}
    assert list(found) == ["（不用图谱）", *GRAPH, "全部"]
    none, better = found["（不用图谱）"], found["partner_path"]

    def ndcg(*ranked: int) -> float:
        return ndcg_at(np.array(ranked))

    assert none.ndcg == found["broker_link"].ndcg == ndcg(1, 4, 2, 1, 3)
    assert better.ndcg == found["全部"].ndcg == ndcg(4, 1, 2, 1, 3)
    assert better.gain == pytest.approx(better.ndcg - none.ndcg)
    assert (better.better, better.worse, better.known) == (1, 0, 1)
    assert (better.means[3], found["broker_link"].means[2]) == (0.5, 0.05)


def test_a_hub_moves_less_where_its_degree_counts(engine: Engine) -> None:
    scenes = [make_scene(f"CJ-{n}") for n in range(5)]
    offers = [
        make_achievement(f"CG-{n:02}", title=f"{'无人机' * (n % 4)}{'网箱清洗' * (n // 4)}装置")
        for n in range(24)
    ]
    firms = [make_enterprise(f"QY-{n:02}", title=f"公司{n}") for n in range(30)]
    college, broker = make_institution(title="大学"), make_broker()
    put(
        engine.store, *scenes, *offers, *firms, college, broker, make_edge(broker, "serves", scenes[0]),
        *(make_edge(firm, "posts", scene) for firm, scene in zip(firms, scenes, strict=False)),
        *(make_edge(college, "owns", offer) for offer in offers[::3]),
    )  # fmt: skip
    engine.refresh()
    engine.ranker = replace(engine.ranker, weights={**engine.ranker.weights, **WEIGHTS})
    graded = {("CJ-0", offer.id): 1 + number % 4 for number, offer in enumerate(offers)}
    found = {(one.hub, one.features, one.weighted): one for one in shifts(engine, graded, today=TODAY)}
    assert set(found) == {
        (hub, name, weighted)
        for hub, link in (("JJ-1", "broker_link"), ("JG-1", "partner_path"))
        for name, weighted in ((link, True), (link, False), ("proximity", True))
    }
    for hub, link in (("JJ-1", "broker_link"), ("JG-1", "partner_path")):
        assert 0 < found[hub, link, True].moved < found[hub, link, False].moved
        assert found[hub, link, False].most <= len(offers)
    assert engine.network.degree(("institution", "JG-1")) == 8  # the home's own graph is as it was
