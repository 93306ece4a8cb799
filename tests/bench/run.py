"""Times the main job at several sizes and writes JSON; every claim is a ratio of figures from one run.

    make bench                                  1,000, 10,000 and 100,000 achievements, about half an hour
    python -m tests.bench.run --sizes 1000      one size

Texts are titles of ../shared/bench/csl-titles recombined two by two; where that folder is absent, those of the
sample world. Up to --real achievements are encoded by the embedded encoder; above, their vectors are
synthetic (a real one turned by noise), which changes no cost of searching.
"""

import argparse
import csv
import json
import os
import resource as process
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import Encoder, open_encoder
from graph.intake.importing import plan_import
from graph.kinds import Achievement, Scene
from graph.resources import resource
from graph.store.changes import PutNode
from graph.store.store import Store
from matcher.corpus import VECTOR_VIEWS
from matcher.engine import Engine, written_scene
from matcher.home import Home
from matcher.ranking import Match
from matcher.texts import core, node_texts

_TITLES = Path(__file__).parents[3] / "shared" / "bench" / "csl-titles" / "titles.tsv"
_QUERIES = 40
_TODAY = date(2026, 1, 1)
_ANCHORS = 256


class PartlySynthetic:
    """The embedded encoder, but for the ``synthetic`` texts: for them a unit vector near one of its own, by digest."""

    def __init__(self, encoder: Encoder, synthetic: set[str], anchors: Sequence[str]) -> None:
        self._encoder = encoder
        self._synthetic = synthetic | {core(text) for text in synthetic}
        self._anchors = encoder.encode_documents(anchors)

    @property
    def identity(self) -> str:
        return "bench/" + self._encoder.identity

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, self._encoder.encode_queries)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, self._encoder.encode_documents)

    def _encode(
        self, texts: Sequence[str], encode: Callable[[Sequence[str]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        return np.vstack(
            [self._turned(text) if text in self._synthetic else encode([text])[0] for text in texts]
        )

    def _turned(self, text: str) -> NDArray[np.float32]:
        seed = int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
        generator = np.random.default_rng(seed)
        row = self._anchors[seed % len(self._anchors)] + 0.02 * generator.standard_normal(self.dimension)
        return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


def main() -> None:
    """Run the sizes, each in a process of its own, and write the results together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--real", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        sys.stdout.write(json.dumps(measure(arguments.one, arguments.real)))
        return
    results = []
    for size in arguments.sizes:
        command = [sys.executable, "-m", "tests.bench.run", "--one", str(size), "--real", str(arguments.real)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        results.append(json.loads(done.stdout))
        sys.stderr.write(json.dumps(results[-1], ensure_ascii=False) + "\n")
    machine = {"cores": os.cpu_count(), "python": sys.version.split()[0], "at": datetime.now(UTC).isoformat()}
    arguments.out.write_text(json.dumps({"machine": machine, "sizes": results}, indent=1), encoding="utf-8")


def measure(size: int, real: int) -> dict[str, Any]:
    """All figures at ``size`` achievements: seconds, milliseconds, rows a second, MiB, and ratios."""
    titles, queries = _texts(size)
    embedded = open_encoder("embedded")
    encoder: Encoder = embedded
    if size > real:
        encoder = PartlySynthetic(embedded, set(titles), titles[:_ANCHORS])
    with tempfile.TemporaryDirectory() as folder:
        home = Home(path=Path(folder) / "home")
        result: dict[str, Any] = {"achievements": size, "synthetic_vectors": size > real}
        with home.open_store(create=True) as store:
            seconds, _ = _timed(_import, store, titles, Path(folder))
            result["import_rows_per_second"] = round(size / seconds)
            engine = Engine(home, store, encoder)
            result["index_build_seconds"] = round(_timed(engine.refresh)[0], 2)
            result |= _matching(engine, encoder, titles, queries)
            result |= _adding(engine)
            fresh = Engine(home, store, encoder)
            result["index_load_seconds"] = round(_timed(fresh.corpus.load, home.index, store)[0], 2)
    result["peak_memory_mib"] = process.getrusage(process.RUSAGE_SELF).ru_maxrss // 1024
    return result


def _matching(
    engine: Engine, encoder: Encoder, titles: Sequence[str], queries: Sequence[str]
) -> dict[str, Any]:
    """Warm match against encoding the query plus one exact faiss search over the same vectors.

    Three kinds of query: a scene that is stored (nothing to encode), a written one with a title and some
    hundred characters, and a bare title. The baseline encodes what ``match`` encodes of it.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(encoder.dimension)
    index.add(engine.corpus.vectors["headline"].vectors(sorted(engine.corpus.slots.values())))
    written = [
        Scene(id=f"w{number}", title=title, summary="。".join(titles[5 * number : 5 * number + 5]))
        for number, title in enumerate(queries)
    ]
    stored = [Scene(id=f"s{number}", title=title) for number, title in enumerate(queries)]
    changes = [PutNode(node=scene) for scene in stored]
    engine.store.apply(changes, actor="bench", at=datetime.now(UTC), reason="bench")
    engine.match(written_scene("预热"), top=20, today=_TODAY)
    result: dict[str, Any] = {}
    for name, scenes in (
        ("stored", stored),
        ("written", written),
        ("title", [written_scene(q + "。") for q in queries]),
    ):
        times: dict[str, list[float]] = {"match": [], "encode": [], "faiss": [], "explain": []}
        for scene in scenes:
            seconds, found = _timed(engine.match, scene, top=20, today=_TODAY)
            times["match"].append(seconds)
            times["explain"].append(_timed(engine.explain, scene, found)[0])
            times["encode"].append(_timed(_encode, encoder, scene)[0])
            query = engine.corpus.subject(scene).vectors["headline"][None]
            times["faiss"].append(_timed(index.search, query, 20)[0])
        figures = {
            part: {"p50_ms": _quantile(t, 50), "p95_ms": _quantile(t, 95)} for part, t in times.items()
        }
        baseline = float(np.median(times["encode"]) + np.median(times["faiss"]))
        ratio = round(float(np.median(times["match"])) / baseline, 3)
        result[f"match_{name}"] = figures | {"match_over_encode_and_faiss": ratio}
    return result


def _adding(engine: Engine) -> dict[str, Any]:
    """Milliseconds from writing one achievement to an answer that has it, its encoding left out."""
    times = []
    for number in range(10):
        title = f"深海采矿车履带张紧力在线监测装置第{number}型"
        engine.corpus.subject(Achievement(id="-", title=title))  # encoded now, cached for the timed part
        scene = written_scene(title)
        engine.corpus.subject(scene)
        node = Achievement(id=f"added-{number}", title=title)

        seconds, found = _timed(_add_and_match, engine, node, scene)
        if node.id not in {match.key[1] for match in found}:
            raise RuntimeError(f"{node.id} is not visible")
        times.append(seconds)
    return {"add_one_and_find_it_ms": {"p50": _quantile(times, 50), "p95": _quantile(times, 95)}}


def _add_and_match(engine: Engine, node: Achievement, scene: Scene) -> list[Match]:
    engine.store.apply([PutNode(node=node)], actor="bench", at=datetime.now(UTC), reason="bench")
    return engine.match(scene, top=20, today=_TODAY)


def _import(store: Store, titles: Sequence[str], folder: Path) -> None:
    path = folder / "achievements.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["编号", "名称", "产业领域"])
        writer.writerows([f"b{number:06d}", title, "新材料"] for number, title in enumerate(titles))
    plan = plan_import(path, store=store, at=datetime.now(UTC), kind="achievement")
    plan.commit(store, actor="bench", reason="bench")


def _encode(encoder: Encoder, scene: Scene) -> None:
    texts = node_texts(scene)
    for view, side in VECTOR_VIEWS.items():
        encode = encoder.encode_queries if side == "query" else encoder.encode_documents
        encode([getattr(texts, view)])


def _texts(size: int) -> tuple[list[str], list[str]]:
    """``size`` titles, no two alike, and some queries that are none of them."""
    if _TITLES.is_file():
        with _TITLES.open(encoding="utf-8") as file:
            known = [line.split("\t")[0].strip() for line in file]
    else:
        sys.stderr.write("没有 csl-titles，改用样例题目\n")
        with resource("sample", "achievements.csv").open(encoding="utf-8") as file:
            known = [row["名称"] for row in csv.DictReader(file)]
    queries, rest = known[:_QUERIES], known[_QUERIES:]
    halves = [(title[: len(title) // 2], title[len(title) // 2 :]) for title in rest]
    step = 1 + np.arange(size) // len(halves)
    titles = [
        halves[n % len(halves)][0]
        + halves[(n + 37 * int(step[n])) % len(halves)][1]
        + (f"（{n}）" if n >= len(halves) ** 2 else "")
        for n in range(size)
    ]
    return titles, queries


def _timed(work: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    """Seconds that ``work`` takes with these arguments, and what it gives."""
    start = time.perf_counter()
    given = work(*arguments, **options)
    return time.perf_counter() - start, given


def _quantile(times: Sequence[float], share: int) -> float:
    return round(1000 * float(np.percentile(times, share)), 2)


if __name__ == "__main__":
    main()
