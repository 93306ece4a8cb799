"""Loads a server as partner portals would, and says what it bears; every claim is a ratio of figures from one run.

    python -m tests.bench.serving                                      100,000 achievements, two workers
    python -m tests.bench.serving --achievements 10000 --workers 1     smaller, all in one process
    python -m tests.bench.serving --home DIR                           keeps the home there for the next run

One process serves (``jiebang serve``), another asks, both on this machine's cores. A caller sends its next request
when it has the answer to the last. Every request of the main rounds is about another stored scene, so that no
answer is one that was kept. Vectors are synthetic but for some (see tests/bench/run.py): searching costs the same.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from api.keys import create_key
from api.questions import MatchQuestion, answer_all
from embeddings.encoder import Encoder, open_encoder
from graph.kinds import Scene
from graph.store.changes import PutNode
from matcher.engine import Engine
from matcher.home import Home
from tests.bench.run import _ANCHORS, PartlySynthetic, _import, _texts

_SCENES = 4000
_ROUNDS = ((1, 120), (8, 640), (64, 1280))
_TODAY = date(2026, 1, 1)


class _Prepared(PartlySynthetic):
    """Synthetic vectors under the embedded encoder's own name: what the server finds in the home is its own."""

    @property
    def identity(self) -> str:
        return self._encoder.identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What some callers at once measured."""

    callers: int
    requests: int
    failures: int
    seconds: float
    p50_ms: float
    p95_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def main() -> None:
    """Build the home if need be, serve it, load it, print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--achievements", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(path=arguments.home or Path(folder) / "home")
        token = _prepared(home, arguments.achievements)
        result: dict[str, Any] = {
            "achievements": arguments.achievements,
            "workers": arguments.workers,
            "cores": os.cpu_count(),
        }
        result["share_of_time"] = _shares(home)
        with _server(home, arguments.workers, token) as port:
            result |= _loaded(port, token)
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def _prepared(home: Home, size: int) -> str:
    """A home with achievements, scenes and a partner's index; gives a key that may ask without limit."""
    fresh = not home.path.exists()
    with home.open_store(create=True) as store:
        if fresh:
            titles, _ = _texts(size + _SCENES)
            with tempfile.TemporaryDirectory() as folder:
                _import(store, titles[:size], Path(folder))
            scenes = [Scene(id=f"s{n:05d}", title=title) for n, title in enumerate(titles[size:])]
            store.apply(
                [PutNode(node=scene) for scene in scenes], actor="bench", at=datetime.now(UTC), reason="bench"
            )
            encoder: Encoder = _Prepared(open_encoder("embedded"), set(titles), titles[:_ANCHORS])
            Engine(home, store, encoder, audience="partner").refresh()
        _, token = create_key(
            store, partner="bench", name="", scopes=("read", "write"), audience="partner", lasts=None,
            per_minute=100_000, actor="bench", at=datetime.now(UTC),
        )  # fmt: skip
    return token


def _shares(home: Home) -> dict[str, float]:
    """Of the time of a match worked out alone, what share goes where (stored scenes; then the encoding of a text)."""
    engine = Engine.open(home, audience="partner")
    spent = dict.fromkeys(("encoding", "search", "features", "explanation", "serialisation"), 0.0)
    ranking: Any = engine.ranking
    for name, step in (
        ("_search", "search"),
        ("_nearest", "search"),
        ("_candidates", "search"),
        ("_ranked", "features"),
    ):
        setattr(ranking, name, _timed(getattr(ranking, name), spent, step))
    engine.explain = _timed(engine.explain, spent, "explanation")  # type: ignore[method-assign]
    with engine:
        scenes = engine.store.get_many("scene", [f"s{n:05d}" for n in range(60)])
        whole = 0.0
        for number, scene in enumerate(scenes.values()):
            question = MatchQuestion(
                audience="partner",
                today=_TODAY,
                node=scene,
                is_stored=True,
                kind="achievement",
                top=20,
                full=False,
            )
            start = time.perf_counter()
            answer_all(engine, [question])
            if number < 10:  # caches fill
                spent |= dict.fromkeys(spent, 0.0)
                whole = 0.0
            else:
                whole += time.perf_counter() - start
        spent["serialisation"] = whole - sum(spent.values())
        start = time.perf_counter()
        for scene in list(scenes.values())[:10]:
            engine.corpus.encoder.encode_queries([scene.title + "。"])
        encoding = (time.perf_counter() - start) / 10
    told = {
        f"{step}_share": round(seconds / whole, 3) for step, seconds in spent.items() if step != "encoding"
    }
    return told | {"whole_ms": round(1000 * whole / 50, 1), "encoding_a_title_ms": round(1000 * encoding, 1)}


def _timed(work: Any, spent: dict[str, float], step: str) -> Any:
    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return work(*arguments, **options)
        finally:
            spent[step] += time.perf_counter() - start

    return timed


def _loaded(port: int, token: str) -> dict[str, Any]:
    """The rounds, one after the other on one server; each is about scenes of its own."""
    ids = iter(range(_SCENES))
    matches = (f"/v1/scenes/s{n:05d}/matches" for n in ids)
    asyncio.run(_round(port, token, 4, [next(matches) for _ in range(40)]))  # warm
    rounds = {f"callers_{callers}": asyncio.run(_round(port, token, callers, [next(matches) for _ in range(requests)])) for callers, requests in _ROUNDS}  # fmt: skip
    with _writing(port, token) as written:
        beside = asyncio.run(_round(port, token, 8, [next(matches) for _ in range(400)]))
    again = [f"/v1/scenes/s{n:05d}/matches" for n in range(60, 100)] * 10
    asyncio.run(_round(port, token, 8, again[:40]))
    kept = asyncio.run(_round(port, token, 8, again))
    one, eight, many = (rounds[f"callers_{callers}"] for callers, _ in _ROUNDS)
    return {
        **{name: _told(found) for name, found in rounds.items()},
        "callers_8_beside_writing": _told(beside) | {"writes": written[0], "writes_refused": written[1]},
        "callers_8_kept_answers": _told(kept),
        "throughput_64_over_8": round(many.per_second / eight.per_second, 3),
        "p95_at_8_over_p50_at_1": round(eight.p95_ms / one.p50_ms, 2),
        "failures": sum(found.failures for found in (*rounds.values(), beside, kept)),
    }


def _told(found: Round) -> dict[str, float]:
    return {
        "requests": found.requests, "failures": found.failures, "per_second": round(found.per_second, 1),
        "p50_ms": round(found.p50_ms, 1), "p95_ms": round(found.p95_ms, 1),
    }  # fmt: skip


async def _round(port: int, token: str, callers: int, paths: Sequence[str]) -> Round:
    waiting, times, failures = iter(paths), list[float](), 0

    async def caller() -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in waiting:
            start = time.perf_counter()
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            )
            await reader.readexactly(length)
            times.append(time.perf_counter() - start)
            failures += not head.startswith(b"HTTP/1.1 200 ")
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds = time.perf_counter() - start
    p50, p95 = (1000 * float(np.percentile(times, share)) for share in (50, 95))
    return Round(
        callers=callers, requests=len(times), failures=failures, seconds=seconds, p50_ms=p50, p95_ms=p95
    )


@contextmanager
def _writing(port: int, token: str) -> Iterator[list[int]]:
    """Pushes a scene about five times a second while the block runs; gives how many went in and were refused."""
    counts = [0, 0]
    code = (
        "import json,sys,time,urllib.request as u\n"
        "port,token=sys.argv[1:]\n"
        "n=0\n"
        "while True:\n"
        "  n+=1\n"
        "  body=json.dumps({'id':f'w{n}','title':f'深海采矿车履带张紧力在线监测需求第{n}号'}).encode()\n"
        "  head={'Authorization':'Bearer '+token,'Content-Type':'application/json'}\n"
        "  q=u.Request(f'http://127.0.0.1:{port}/v1/scenes',body,head)\n"
        "  try: u.urlopen(q).read(); print('ok',flush=True)\n"
        "  except Exception: print('no',flush=True)\n"
        "  time.sleep(.2)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(port), token], stdout=subprocess.PIPE, text=True
    )
    try:
        yield counts
    finally:
        writer.terminate()
        said = (writer.communicate()[0] or "").split()
        counts[:] = [said.count("ok"), said.count("no")]


@contextmanager
def _server(home: Home, workers: int, token: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    run = "from api.cli.app import main; main()"
    options = ["--home", str(home.path), "serve", "--port", str(port), "--workers", str(workers)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-c", run, *options],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    try:
        _wait_until_ready(port, token)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _wait_until_ready(port: int, token: str) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError("the server is not ready")


if __name__ == "__main__":
    main()
