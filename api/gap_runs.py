"""供需缺口, worked out a few scenes at a time on a lane: whoever else asks comes in between; with progress and a way to stop."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from api.answering import Version
from api.match_workbook import owner_of
from api.problem_documents import Refusal
from api.question import OwnQuestion, Question, named
from graph.kinds import Achievement, Node, Scene
from graph.store.store import Store
from matcher.engine import Engine
from matcher.gaps import Balance, Gaps, Looked, Near, Tally, Unmet, look_at

# A lane is held by one slice no longer than by a few matches.
_SECONDS = 0.2
_FIRST, _MOST = 4, 64
_CHUNK = 500
_AGAIN = 1.0  # seconds until a lane that has too much to do is asked again


@dataclass(frozen=True, kw_only=True)
class GapSliceQuestion(OwnQuestion):
    """What the rankings of some scenes say of gaps at a level (2 to 4)."""

    ids: tuple[str, ...]
    level: int

    def answer(self, engine: Engine) -> dict[str, Any]:
        """A ``Looked`` as plain values."""
        found = engine.store.get_many("scene", self.ids)
        scenes = [node for id in self.ids if isinstance(node := found.get(id), Scene)]
        return asdict(look_at(engine, scenes, today=self.today, level=self.level))


@dataclass(slots=True)
class GapRun:
    """One working out: how far it is, and what came of it (``told``), or why nothing did (``problem``)."""

    level: int
    today: date
    version: Version | None
    begun_at: datetime
    done: int = 0
    total: int = 0
    told: dict[str, Any] | None = None
    problem: str = ""
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether it is under way."""
        return self.task is not None and not self.task.done()


class GapRuns:
    """The last working out for each level, for everybody; it stays until it is asked for anew."""

    def __init__(
        self, store: Store, ask: Callable[[Question], Awaitable[bytes]], version: Callable[[], Version | None]
    ) -> None:
        """``ask`` asks a lane; ``version`` tells what its answers know."""
        self._store, self._ask, self._version = store, ask, version
        self._runs: dict[int, GapRun] = {}

    def last(self, level: int) -> GapRun | None:
        """The last one for the level."""
        return self._runs.get(level)

    def is_old(self, run: GapRun, today: date) -> bool:
        """Whether the data, the ranker or the day have changed since."""
        return (run.version, run.today) != (self._version(), today)

    def start(self, level: int, *, today: date, at: datetime) -> GapRun:
        """Begin anew, unless one for the level is under way; what was known stays to be seen until it is done."""
        before = self._runs.get(level)
        if before is not None and before.is_running:
            return before
        run = GapRun(level, today, self._version(), at, told=before.told if before else None)
        run.task = asyncio.create_task(self._work(run))
        self._runs[level] = run
        return run

    async def settled(self, run: GapRun, seconds: float) -> None:
        """Wait until it is done, but no longer."""
        if run.task is not None:
            await asyncio.wait([run.task], timeout=seconds)

    async def stop(self, level: int | None = None) -> None:
        """Stop what is under way for the level, or everything; what was known before stays."""
        tasks = [run.task for number, run in self._runs.items() if level in (None, number) and run.task]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, run: GapRun) -> None:
        try:
            tally = await asyncio.to_thread(self._tally, run)
            ids = [scene.id for scene in tally.ranked]
            run.total, size = len(ids), _FIRST
            while run.done < run.total:
                some = tuple(ids[run.done : run.done + size])
                begun = time.perf_counter()
                answer = await self._asked(GapSliceQuestion(audience="staff", today=run.today, ids=some, level=run.level))  # fmt: skip
                tally.looked.add(_looked(json.loads(answer)))
                run.done += len(some)
                # Waiting for others counts too: where much is asked, slices are small.
                fitting = int(size * _SECONDS / max(time.perf_counter() - begun, 0.001))
                size = max(1, min(_MOST, 2 * size, fitting))
            after = ""
            while nodes := await asyncio.to_thread(
                self._store.page, "achievement", after=after, limit=_CHUNK
            ):
                await asyncio.to_thread(tally.count, [one for one in nodes if isinstance(one, Achievement)])
                after = nodes[-1].id
            run.told = await asyncio.to_thread(lambda: plain_gaps(tally.gaps()))
        except asyncio.CancelledError:
            run.problem = "已停止计算。"
            raise
        except Refusal as refusal:
            run.problem = refusal.message + refusal.remedy
        except Exception:
            run.problem = "计算没有完成，请再试一次；仍不行请告诉管理员。"
            raise

    def _tally(self, run: GapRun) -> Tally:
        scenes = (node for node in self._store.nodes("scene") if isinstance(node, Scene))
        return Tally(scenes, today=run.today, level=run.level)

    async def _asked(self, question: Question) -> bytes:
        while True:
            try:
                return await self._ask(question)
            except Refusal as refusal:
                if refusal.code != "questions_waiting":
                    raise
            await asyncio.sleep(_AGAIN)


def narrowed_gaps(told: dict[str, Any], *, field: str, district: str, most: int) -> dict[str, Any]:
    """Only what is in a field and a district, if given; of each list at most ``most``, and how many there are."""
    found = dict(told)
    for part in ("scenes", "achievements", "late"):
        rows = [
            row for row in told[part]
            if (not field or field in row["field"]) and (not district or row["district"] == district)
        ]  # fmt: skip
        found |= {part: rows[:most], f"{part}_count": len(rows)}
    return found


def plain_gaps(found: Gaps) -> dict[str, Any]:
    """The gaps as plain values."""
    return {
        "level": found.level, "opened": found.opened, "closed": found.closed, "landed": found.landed,
        "scenes": [
            _short(gap.scene) | {"best": gap.best and named(gap.best), "score": gap.score, "level": gap.level, "missing": list(gap.missing)}
            for gap in found.scenes
        ],
        "achievements": [
            _short(one.achievement) | {"best": one.best and named(one.best), "score": one.score, "level": one.level}
            for one in found.achievements
        ],
        "late": [_short(one.achievement) | {"best": named(one.scene), "score": one.score, "level": one.level} for one in found.late],
        "by_field": [_balance(one) for one in found.by_field],
        "by_district": [_balance(one) for one in found.by_district],
    }  # fmt: skip


def _looked(told: dict[str, Any]) -> Looked:
    unmet = [Unmet(**one | {"missing": tuple(one["missing"])}) for one in told["unmet"]]
    closest, expired = (
        {id: Near(**near) for id, near in told[name].items()} for name in ("closest", "expired")
    )
    return Looked(unmet, closest, expired)


def _short(node: Node) -> dict[str, Any]:
    return named(node) | {"field": list(node.field), "district": node.district, "owner": owner_of(node)}


def _balance(one: Balance) -> dict[str, Any]:
    return {
        "name": one.name, "scenes": one.scenes, "unmet": one.unmet, "achievements": one.achievements, "idle": one.idle,
    }  # fmt: skip
