"""What the graph adds to the ranking of graded pairs, and what hubs do to it with and without their weight.

    python -m matcher.links HOME JUDGEMENTS.csv

The ranker is the cold start, whose weights are by reasoning: nothing is fitted. ``JUDGEMENTS.csv`` has the
columns scene_id, achievement_id and level (1-4); ids that are not in the home are left out.
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.network import Network
from graph.resources import resource
from graph.store.changes import NodeKey
from matcher.engine import Engine
from matcher.evaluation import ndcg_at
from matcher.home import Home
from matcher.links import LINKS
from matcher.ranking import Match, Ranking

GRAPH = ("proximity", "precedent", *LINKS)
_MORE = 40  # relations that a hub is given
_LEAST_JUDGED = 5  # as in matcher/evaluation.py
_ALL = 1_000_000

Graded = Mapping[tuple[str, str], int]  # level by ids of scene and achievement


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What some features of the graph do to nDCG@10 over demands.

    ``gain`` is the mean difference to no feature of the graph and ``error`` its standard error; ``better``
    and ``worse`` count demands. ``known`` counts pairs that have a value, ``means`` are the mean values
    by level 1 to 4 (NaN where none); both only for a single feature.
    """

    name: str
    ndcg: float
    gain: float
    error: float
    better: int
    worse: int
    known: int
    means: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What 40 more relations of one node do to the rankings of all scenes.

    ``moved`` is the mean number of places by which an achievement moves, ``entered`` how many enter the
    first ten of any scene, ``most`` the largest move; ``ndcg`` is that after the change.
    """

    hub: str
    features: str
    weighted: bool
    moved: float
    most: int
    entered: int
    ndcg: float


class _Unweighted(Network):
    """A network in which every node counts as if it joined only two others."""

    def degree(self, key: NodeKey) -> int:
        return 2


def effects(matches: Sequence[Match], graded: Graded, weights: Mapping[str, float]) -> list[Effect]:
    """No feature of the graph, each alone, and all, on the same matches (one a graded pair, in its order)."""
    levels = np.array(list(graded.values()))
    texts = np.array([m.score - sum(m.parts.get(name, 0.0) for name in GRAPH) for m in matches])
    values = {name: np.array([m.values[name] for m in matches]) for name in GRAPH}
    sets = {"（不用图谱）": (), **{name: (name,) for name in GRAPH}, "全部": GRAPH}
    measured, found = {}, []
    for name, chosen in sets.items():
        points = sum(
            (weights.get(one, 0.0) * np.nan_to_num(values[one]) for one in chosen), np.zeros(len(texts))
        )
        scores = dict(zip(graded, (texts + points).tolist(), strict=True))
        measured[name] = _ndcg(scores, graded)
        change = measured[name] - measured["（不用图谱）"]
        column = values[chosen[0]] if len(chosen) == 1 else np.full(len(texts), np.nan)
        known = ~np.isnan(column)
        means = tuple(
            float(column[known & (levels == level)].mean()) if (known & (levels == level)).any() else np.nan
            for level in (1, 2, 3, 4)
        )
        found.append(
            Effect(
                name=name, ndcg=float(measured[name].mean()), gain=float(change.mean()),
                error=float(change.std(ddof=1) / np.sqrt(len(change))) if len(change) > 1 else 0.0,
                better=int((change > 1e-9).sum()), worse=int((change < -1e-9).sum()),
                known=int(known.sum()), means=means,
            )
        )  # fmt: skip
    return found


def shifts(engine: Engine, graded: Graded, *, today: date) -> list[Shift]:
    """The broker who serves most and the institution with most relations, each given 40 relations more.

    The broker comes to serve 20 scenes and 20 achievements, the institution to partner with 40
    enterprises (spread evenly over the ids). Rankings by text and ``broker_link`` or ``partner_path``, with
    and without the weight of degrees, and by text and ``proximity``.
    """
    found = []
    for kind, name, relation in (
        ("broker", "broker_link", "serves"),
        ("institution", "partner_path", "partners"),
    ):
        for features, make in (((name,), Network), ((name,), _Unweighted), (("proximity",), Network)):
            network = make.build(engine.store)
            hub = _popular(network, kind)
            before = _ranks(engine, network, features, today)
            network = make.build(engine.store)
            for other in _others(network, relation):
                network.graph.add_edge(hub, other, relation, note="", derived=False, visibility="public")
            after = _ranks(engine, network, features, today)
            moves = [abs(after[pair][0] - place) for pair, (place, _) in before.items()]
            scores = {pair: score for pair, (_, score) in after.items()}
            found.append(
                Shift(
                    hub=hub[1], features=features[0], weighted=make is Network,
                    moved=float(np.mean(moves)), most=max(moves),
                    entered=sum(place > 10 >= after[pair][0] for pair, (place, _) in before.items()),
                    ndcg=float(_ndcg(scores, graded).mean()),
                )
            )  # fmt: skip
    return found


def _popular(network: Network, kind: str) -> NodeKey:
    keys: list[NodeKey] = [key for key in network.graph if key[0] == kind]
    return min(keys, key=lambda key: (-Network.degree(network, key), key))


def _others(network: Network, relation: str) -> list[NodeKey]:
    kinds = ("scene", "achievement") if relation == "serves" else ("enterprise",)
    chosen = []
    for kind in kinds:
        keys, wanted = sorted(key for key in network.graph if key[0] == kind), _MORE // len(kinds)
        chosen += [keys[place * len(keys) // wanted] for place in range(min(wanted, len(keys)))]
    return chosen


def _ranks(
    engine: Engine, network: Network, chosen: Sequence[str], today: date
) -> dict[tuple[str, str], tuple[int, float]]:
    """Place and score of every pair, with only the chosen ones of the features of the graph."""
    weights = {
        name: weight for name, weight in engine.ranker.weights.items() if name not in GRAPH or name in chosen
    }
    ranking = Ranking(engine.corpus, network, replace(engine.ranker, weights=weights))
    return {
        (scene.id, match.key[1]): (match.rank, match.score)
        for scene in engine.store.nodes("scene")
        for match in ranking.match(scene, top=_ALL, today=today)
    }


def _ndcg(scores: Mapping[tuple[str, str], float], graded: Graded) -> NDArray[np.float64]:
    """nDCG@10 of each demand that counts, equals by id."""
    demands: dict[str, list[tuple[str, str]]] = {}
    for pair in graded:
        if pair in scores:
            demands.setdefault(pair[0], []).append(pair)
    found = []
    for pairs in demands.values():
        ranked = sorted(pairs, key=lambda pair: (-round(scores[pair], 6), pair[1]))
        levels = np.array([graded[pair] for pair in ranked])
        if len(pairs) >= _LEAST_JUDGED and levels.max() >= 2:
            found.append(ndcg_at(levels))
    return np.array(found)


def main() -> None:
    """Print both tables for a home and a file of judgements."""
    home, judgements = Path(sys.argv[1]), Path(sys.argv[2])
    with judgements.open(encoding="utf-8-sig", newline="") as file:
        graded = {(row["scene_id"], row["achievement_id"]): int(row["level"]) for row in csv.DictReader(file)}
    today = date.today()
    with Engine.open(Home(path=home), ranker=resource("ranker", "cold_start.json")) as engine:
        found = engine.score_pairs(list(graded), today=today)
        known = {pair: level for (pair, level), match in zip(graded.items(), found, strict=True) if match}
        told = effects([match for match in found if match], known, engine.ranker.weights)
        moved = shifts(engine, known, today=today)
    lines = [
        "| feature | pairs | mean by level 1 / 2 / 3 / 4 | nDCG@10 | difference ± s.e. | better / worse |",
        "| --- " * 6 + "|",
    ]
    for e in told:
        means = " / ".join("–" if np.isnan(mean) else f"{mean:.2f}" for mean in e.means) if e.known else ""
        lines.append(
            f"| {e.name} | {e.known or ''} | {means} | {e.ndcg:.4f} | {e.gain:+.4f} ± {e.error:.4f} | {e.better} / {e.worse} |"
        )
    lines += [
        "",
        "| hub | feature | degree | mean move | largest | entered a first ten | nDCG@10 |",
        "| --- " * 7 + "|",
    ]
    for s in moved:
        lines.append(
            f"| {s.hub} | {s.features} | {'counted' if s.weighted else 'ignored'} | {s.moved:.2f} | {s.most} | {s.entered} | {s.ndcg:.4f} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")
