"""Lanes: equal questions are worked out once, none harms another, and what cannot be answered is refused."""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api import lanes as lanes_module
from api.answering import Answers, Version
from api.lanes import Lanes
from api.metrics import Metrics
from api.problem_documents import Refusal
from api.question import Question
from api.questions import MatchQuestion, ScoreQuestion
from api.settings import ServeSettings
from embeddings.recent_vectors import AskedText, Vector
from graph.feedback import Outcome
from graph.intake.importing import plan_import
from graph.store.changes import PutFeedback
from graph.values import Visibility
from matcher.engine import written_scene
from matcher.home import Home
from tests.api.conftest import Served
from tests.api.world import WORLD

TODAY = date(2026, 3, 31)
FIRST = Version(1, 0)


def question(number: int, audience: Visibility = "partner") -> Question:
    return ScoreQuestion(audience=audience, today=TODAY, pairs=((str(number), "CG-1"),))


class Worker:
    """Stands for an engine: keeps the batches it was given and holds them while ``gate`` is closed."""

    def __init__(self) -> None:
        self.batches: list[tuple[Visibility, list[str]]] = []
        self.vectors: list[Mapping[AskedText, Vector]] = []
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()
        self.fails: Callable[[str], Exception | None] = lambda _: None
        self.breaks: list[Exception] = []

    @property
    def asked(self) -> list[str]:
        """The questions in the order in which they were worked out."""
        return [name for _, names in self.batches for name in names]

    def answer(
        self, audience: Visibility, version: Version, questions: Sequence[Question], vectors: Mapping[AskedText, Vector]
    ) -> Answers:  # fmt: skip
        names = [self._name(one) for one in questions]
        if names:
            self.batches.append((audience, names))
            self.vectors.append(vectors)
        self.begun.set()
        assert self.gate.wait(20)
        if self.breaks:
            raise self.breaks.pop()
        return [self.fails(name) or f"{name}@{version.revision}".encode() for name in names], {}

    def close(self) -> None:
        """Nothing to let go of."""

    @staticmethod
    def _name(one: Question) -> str:
        if isinstance(one, MatchQuestion):
            return one.node.title
        assert isinstance(one, ScoreQuestion)
        return one.pairs[0][0]


Story = Callable[[Lanes, Worker], Awaitable[Any]]


def play(story: Story, folder: Path, **changes: Any) -> Any:
    """Run a story over lanes with one such worker."""

    async def run() -> Any:
        settings = replace(ServeSettings(home=Home(path=folder), encoder="bigrams"), **changes)
        lanes, worker = Lanes(settings, Metrics()), Worker()
        lanes.answerer = worker  # type: ignore[assignment]
        lanes.versions = {"partner": FIRST, "staff": FIRST, "public": FIRST}
        lanes.start()
        try:
            return await asyncio.wait_for(story(lanes, worker), 30)
        finally:
            worker.gate.set()
            await lanes.stop()

    return asyncio.run(run())


async def held(lanes: Lanes, worker: Worker) -> "asyncio.Task[bytes]":
    """The lane is kept busy with a question until the gate opens."""
    worker.gate.clear()
    worker.begun.clear()
    first = asyncio.create_task(lanes.ask(question(0)))
    await asyncio.to_thread(worker.begun.wait, 20)
    return first


async def asking(*coroutines: Coroutine[Any, Any, bytes]) -> "list[asyncio.Task[bytes]]":
    """Tasks that have asked and wait."""
    tasks = [asyncio.create_task(one) for one in coroutines]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def refusal(asked: Awaitable[bytes]) -> tuple[int, str, bool]:
    """(status, code, whether it says when to come back) of a question that is refused."""
    with pytest.raises(Refusal) as refused:
        await asked
    return refused.value.status, refused.value.code, "Retry-After" in refused.value.headers


def test_equal_questions_at_once_are_worked_out_once(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        first = await held(lanes, worker)
        tasks = await asking(*(lanes.ask(question(number % 3)) for number in range(30)))
        worker.gate.set()
        answers = await asyncio.gather(first, *tasks)
        assert answers == [b"0@1", *(f"{number % 3}@1".encode() for number in range(30))]
        assert sorted(worker.asked) == ["0", "1", "2"]

    play(story, tmp_path)


def test_different_questions_are_all_answered_each_with_its_own(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        answers = await asyncio.gather(*(lanes.ask(question(number)) for number in range(100)))
        assert answers == [f"{number}@1".encode() for number in range(100)]
        assert sorted(map(int, worker.asked)) == list(range(100))
        assert max(len(names) for _, names in worker.batches) > 1

    play(story, tmp_path)


def test_batches_hold_one_audience_and_keep_its_order(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        first = await held(lanes, worker)
        audiences: list[Visibility] = ["staff", "partner", "public"]
        tasks = await asking(*(lanes.ask(question(n, audiences[n % 3])) for n in range(1, 25)))
        worker.gate.set()
        await asyncio.gather(first, *tasks)
        for kind, audience in enumerate(audiences):
            told = [int(name) for seen, names in worker.batches if seen == audience for name in names]
            assert [n for n in told if n] == [n for n in range(1, 25) if n % 3 == kind]
        assert all(len(names) <= lanes_module._TOGETHER for _, names in worker.batches)

    play(story, tmp_path)


def test_question_that_fails_does_not_harm_the_others_of_its_batch(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        worker.fails = lambda name: ValueError(name) if name == "2" else None
        first = await held(lanes, worker)
        tasks = await asking(*(lanes.ask(question(number)) for number in range(1, 4)))
        worker.gate.set()
        answers = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert [answers[number] for number in (0, 1, 3)] == [b"0@1", b"1@1", b"3@1"]
        assert isinstance(answers[2], ValueError)
        worker.fails = lambda _: None
        assert await lanes.ask(question(2)) == b"2@1"

    play(story, tmp_path)


def test_lane_that_fails_or_dies_goes_on_with_the_next_question(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        worker.breaks = [OSError("disk")]
        with pytest.raises(OSError, match="disk"):
            await lanes.ask(question(1))
        worker.breaks = [BrokenProcessPool("killed")]
        assert await refusal(lanes.ask(question(1))) == (503, "lane_lost", True)
        assert await lanes.ask(question(1)) == b"1@1"

    with caplog.at_level(logging.ERROR, "jiebang.lanes"):
        play(story, tmp_path)
    assert [record.name for record in caplog.records] == ["jiebang.lanes"]


def test_a_lane_that_dies_while_it_opens_is_opened_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        worker.breaks = [BrokenProcessPool("killed")]
        before = list(lanes._lanes)
        with pytest.raises(BrokenProcessPool):
            await lanes.warm("partner", FIRST)
        assert lanes._lanes != before
        await lanes.warm("partner", FIRST)

    with caplog.at_level(logging.ERROR, "jiebang.lanes"):
        play(story, tmp_path)
    assert [record.name for record in caplog.records] == ["jiebang.lanes"]


def test_while_one_lane_catches_up_the_others_answer(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        answer, begun, gate = worker.answer, threading.Event(), threading.Event()
        at_once: list[int] = [0, 0]

        def slow_to_catch_up(audience: Visibility, version: Version, asked: Any, vectors: Any) -> Answers:
            if asked:
                return answer(audience, version, asked, vectors)
            at_once[0] += 1
            at_once[1] = max(at_once)
            begun.set()
            assert gate.wait(20)
            at_once[0] -= 1
            return [], {}

        worker.answer = slow_to_catch_up  # type: ignore[method-assign, assignment]
        catching = asyncio.create_task(lanes.catch_up("partner", Version(2, 0)))
        await asyncio.to_thread(begun.wait, 20)
        told = [await lanes.ask(question(number)) for number in range(6)]
        assert told == [f"{number}@1".encode() for number in range(6)]
        assert not catching.done()
        gate.set()
        await catching
        assert at_once == [0, 1]
        assert await lanes.ask(question(1)) == b"1@2"

    play(story, tmp_path, workers=2)


def test_questions_whose_texts_are_being_encoded_wait_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    class Slow(Encoder):
        def encode_queries(self, texts: Sequence[str]) -> Any:
            assert gate.wait(20)
            return super().encode_queries(texts)

        encode_documents = encode_queries

    monkeypatch.setattr(lanes_module, "open_encoder", lambda _: Slow())

    async def story(lanes: Lanes, worker: Worker) -> None:
        tasks = await asking(lanes.ask(written("送药")))
        assert lanes.waiting == 1
        assert await refusal(lanes.ask(written("数鱼"))) == (503, "questions_waiting", True)
        gate.set()
        assert await tasks[0] == "送药@1".encode()
        assert lanes.waiting == 0

    play(story, tmp_path, most_waiting=1)


def test_more_questions_than_may_wait_are_told_to_come_back(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        first = await held(lanes, worker)
        tasks = await asking(*(lanes.ask(question(number)) for number in (1, 2)))
        assert lanes.waiting == 2
        assert await refusal(lanes.ask(question(3))) == (503, "questions_waiting", True)
        # One that waits already takes no place of its own.
        tasks += await asking(lanes.ask(question(2)))
        worker.gate.set()
        assert await asyncio.gather(first, *tasks) == [b"0@1", b"1@1", b"2@1", b"2@1"]
        assert await lanes.ask(question(3)) == b"3@1"

    play(story, tmp_path, most_waiting=2)


def test_stop_refuses_what_waits_what_is_worked_on_and_what_comes(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        first = await held(lanes, worker)
        tasks = await asking(lanes.ask(question(1)), lanes.ask(question(2)))
        stopping = asyncio.create_task(lanes.stop())
        for task in (first, *tasks):
            assert await refusal(task) == (503, "server_stopping", True)
        assert await refusal(lanes.ask(question(3))) == (503, "server_stopping", True)
        worker.gate.set()
        await stopping

    play(story, tmp_path)


def test_answer_that_takes_too_long_is_refused_and_kept_for_the_next(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        first = await held(lanes, worker)
        assert await refusal(first) == (503, "answer_slow", True)
        worker.gate.set()
        while await lanes.ask(question(0)) != b"0@1":
            pass
        assert worker.asked == ["0"]

    play(story, tmp_path, answer_time=0.05)


def test_caller_that_goes_away_takes_the_answer_from_nobody_else(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        first = await held(lanes, worker)
        leaving, staying = await asking(lanes.ask(question(1)), lanes.ask(question(1)))
        leaving.cancel()
        worker.gate.set()
        assert [await first, await staying] == [b"0@1", b"1@1"]
        assert leaving.cancelled()

    play(story, tmp_path)


def test_answers_are_kept_until_the_data_or_the_ranker_change(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        told = [await lanes.ask(question(1)), await lanes.ask(question(1))]
        for version in (Version(2, 0), Version(2, 7), Version(2, 7)):
            lanes.versions["partner"] = version
            told.append(await lanes.ask(question(1)))
        assert told == [b"1@1", b"1@1", b"1@2", b"1@2", b"1@2"]
        assert worker.asked == ["1"] * 3

    play(story, tmp_path)


def test_equal_questions_of_different_audiences_are_different(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        for audience in ("partner", "staff", "partner"):
            await lanes.ask(question(1, audience))
        assert [audience for audience, _ in worker.batches] == ["partner", "staff"]

    play(story, tmp_path)


def test_kept_answers_stay_within_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "_KEPT_BYTES", 6)

    async def story(lanes: Lanes, worker: Worker) -> None:
        for number in (1, 2, 1, 3, 1, 2):
            await lanes.ask(question(number))
        # Two of three bytes each are kept, the least recently used goes.
        assert worker.asked == ["1", "2", "3", "2"]

    play(story, tmp_path)


def test_audience_without_an_index_is_told_to_come_back(tmp_path: Path) -> None:
    async def story(lanes: Lanes, worker: Worker) -> None:
        del lanes.versions["public"]
        assert await refusal(lanes.ask(question(1, "public"))) == (503, "index_opening", True)
        assert worker.asked == []

    play(story, tmp_path)


def written(text: str) -> Question:
    return MatchQuestion(
        audience="partner", today=TODAY, node=written_scene(text), is_stored=False, kind="achievement", top=5, full=False
    )  # fmt: skip


class Encoder:
    """Keeps what it was asked to encode; fails for what holds 坏."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> Any:
        if any("坏" in text for text in texts):
            raise ValueError("坏")
        self.texts += texts
        return np.ones((len(texts), 2), dtype=np.float32)

    encode_documents = encode_queries


def test_texts_of_questions_are_encoded_once_and_go_to_the_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder()
    monkeypatch.setattr(lanes_module, "open_encoder", lambda _: encoder)

    async def story(lanes: Lanes, worker: Worker) -> None:
        await asyncio.gather(*(lanes.ask(written(text)) for text in ("送药", "数鱼", "送药")))
        lanes.versions["partner"] = Version(2, 0)
        await lanes.ask(written("送药"))
        assert sorted(worker.asked) == sorted(["送药", "数鱼", "送药"])
        assert len(encoder.texts) == len({text for one in worker.vectors for text in one})
        assert all(len(one) > 0 for one in worker.vectors)

    play(story, tmp_path)


def test_text_that_cannot_be_encoded_is_an_error_of_its_own_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_module, "open_encoder", lambda _: Encoder())

    async def story(lanes: Lanes, worker: Worker) -> None:
        with pytest.raises(ValueError, match="坏"):
            await lanes.ask(written("坏的"))
        assert await lanes.ask(written("好的")) == "好的@1".encode()
        assert worker.asked == ["好的"]

    play(story, tmp_path)


def test_brokers_follow_outcomes_that_make_no_new_version(serve: Callable[..., Served]) -> None:
    served = serve()
    staff = served.portal("city", audience="staff")
    path = "/v1/pairs/CJ-1/CG-1/brokers"
    before = staff.get(path).json()["items"]
    signed = Outcome(
        scene="CJ-1", achievement="CG-1", stage="contract", by="JJ-1", at=datetime(2026, 3, 31, tzinfo=UTC)
    )  # fmt: skip
    served.store.apply([PutFeedback(record=signed)], actor="程某", at=signed.at, reason="签约")
    after = staff.get(path).json()["items"]
    scores = [{one["id"]: one["score"] for one in items} for items in (before, after)]
    assert scores[1]["JJ-1"] > scores[0]["JJ-1"]


def test_two_processes_give_the_same_bytes_as_one_thread(tmp_path: Path) -> None:
    # With the embedded encoder, which processes of their own know too.
    home = Home(path=tmp_path / "home")
    with home.open_store(create=True) as store:
        for name in ("场景.csv", "成果.csv"):
            (tmp_path / name).write_text("\n".join(WORLD[name].splitlines()[:3]), encoding="utf-8")
            plan_import(tmp_path / name, store=store, at=datetime.now(UTC)).commit(
                store, actor="程某", reason="试"
            )
        scenes = list(store.nodes("scene"))
        version = Version(store.revision(), 0)
    questions: list[Question] = [
        MatchQuestion(audience="staff", today=TODAY, node=scene, is_stored=True, kind="achievement", top=5, full=True)
        for scene in scenes
    ]  # fmt: skip
    questions += [question(number, "staff") for number in range(6)]

    async def answers(workers: int) -> list[bytes]:
        lanes = Lanes(ServeSettings(home=home, workers=workers), Metrics())
        lanes.start()
        lanes.versions["staff"] = version
        try:
            await lanes.warm("staff", version)
            told = await asyncio.gather(*map(lanes.ask, questions))
            for lane in lanes._lanes if workers > 1 else ():
                assert isinstance(lane, ProcessPoolExecutor)
                for number in lane._processes:
                    os.kill(number, signal.SIGKILL)
            # What a dead lane was asked comes to nothing or waits for the next one; then all is well again.
            more = [question(number, "staff") for number in range(6, 9)]
            lost = await asyncio.gather(*map(lanes.ask, more), return_exceptions=True)
            assert {getattr(one, "code", "") for one in lost} <= {"", "lane_lost"}
            assert all([await lanes.ask(one) for one in more])
            return told
        finally:
            await lanes.stop()

    told = [asyncio.run(answers(workers)) for workers in (1, 2)]
    assert told[0] == told[1]
    assert [len(json.loads(one)["items"]) for one in told[0][:2]] == [2, 2]
