"""Gaps worked out in slices: the same as in one go, kept until asked for anew, stopped when told to."""

import asyncio
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from api.answering import Version
from api.gap_runs import GapRun, GapRuns, GapSliceQuestion, narrowed_gaps, plain_gaps
from api.problem_documents import Refusal, busy
from matcher.engine import Engine
from matcher.gaps import gaps
from matcher.home import Home

TODAY, NOW = date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)


class Lane:
    """Answers slices at once; ``before`` is called with each question and may raise."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.version = engine, Version(1, 0)
        self.asked: list[tuple[str, ...]] = []
        self.before: Any = lambda question: None
        self.runs = GapRuns(engine.whole, self.ask, lambda: self.version)

    async def ask(self, question: Any) -> bytes:
        assert isinstance(question, GapSliceQuestion)
        self.before(question)
        self.asked.append(question.ids)
        await asyncio.sleep(0)
        return json.dumps(question.answer(self.engine)).encode()


@pytest.fixture
def lane(indexed: Path) -> Any:
    with Engine.open(Home(path=indexed), encoder="bigrams") as engine:
        yield Lane(engine)


async def done(lane: Lane, level: int) -> GapRun:
    run = lane.runs.start(level, today=TODAY, at=NOW)
    await lane.runs.settled(run, 30)
    return run


@pytest.mark.parametrize("level", [2, 3, 4])
def test_slices_come_to_what_one_go_does(lane: Lane, level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.gap_runs._FIRST", 1)
    run = asyncio.run(done(lane, level))
    assert run.told == plain_gaps(gaps(lane.engine, today=TODAY, level=level))
    assert (run.done, run.total, run.problem) == (3, 3, "")
    assert [id for some in lane.asked for id in some] == ["CJ-1", "CJ-2", "CJ-3"]
    assert len(lane.asked) > 1


def test_what_is_known_stays_until_it_is_asked_for_anew(lane: Lane) -> None:
    run = asyncio.run(done(lane, 3))
    assert lane.runs.last(3) is run
    assert lane.runs.last(4) is None
    assert not lane.runs.is_old(run, TODAY)
    lane.version = Version(2, 0)
    assert lane.runs.is_old(run, TODAY)


def test_a_run_is_stopped_in_the_middle_and_what_was_known_before_stays(lane: Lane) -> None:
    async def stopped() -> tuple[GapRun, GapRun]:
        first = await done(lane, 3)
        halt = asyncio.Event()

        async def never(question: Any) -> bytes:
            await halt.wait()
            return b""

        lane.runs._ask = never
        second = lane.runs.start(3, today=TODAY, at=NOW)
        assert lane.runs.start(3, today=TODAY, at=NOW) is second
        await lane.runs.settled(second, 0.01)
        assert second.is_running
        await lane.runs.stop(3)
        return first, second

    first, second = asyncio.run(stopped())
    assert not second.is_running
    assert second.problem == "已停止计算。"
    assert second.told == first.told


def test_a_lane_with_too_much_to_do_is_asked_again_and_another_refusal_is_told(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.gap_runs._AGAIN", 0.0)
    waiting = [busy("questions_waiting", "等待回答的问题太多。"), None]

    def refused(_question: Any) -> None:
        if waiting and (refusal := waiting.pop(0)):
            raise refusal

    lane.before = refused
    assert asyncio.run(done(lane, 3)).told is not None

    def broken(_question: Any) -> None:
        raise Refusal(503, "lane_lost", "进程意外结束。", "请再试。")

    lane.before = broken
    run = asyncio.run(done(lane, 4))
    assert (run.told, run.problem) == (None, "进程意外结束。请再试。")


def test_narrowing_counts_all_and_shows_some(lane: Lane) -> None:
    told = asyncio.run(done(lane, 4)).told
    assert told is not None
    some = narrowed_gaps(told, field="", district="万山区", most=1)
    inside = [row for row in told["achievements"] if row["district"] == "万山区"]
    assert (some["achievements"], some["achievements_count"]) == (inside[:1], len(inside))
    assert some["by_field"] == told["by_field"]
