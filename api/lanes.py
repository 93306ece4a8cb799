"""Lanes on which matching questions are answered: beside the event loop, in batches, each answer kept while it holds.

A lane is one worker (a thread of this process, or a process of its own) with an engine per audience. Questions wait
in one queue; a free lane takes a few of one audience together. What has to be encoded of a question is encoded on a
thread of its own, so that questions about stored records do not wait behind it. A ``Follower`` says how far lanes may
catch up: only to where everything new has been encoded, so that writing holds up no answer.
"""

import asyncio
import logging
import multiprocessing
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from api.answering import Answerer, Answers, Version, answer_in_process, begin_process
from api.gap_runs import GapSliceQuestion
from api.metrics import Metrics
from api.problem_documents import Refusal, busy
from api.question import Question
from api.questions import BrokersQuestion, MatchQuestion, SimilarCasesQuestion
from api.settings import ServeSettings
from embeddings.encoder import Encoder, open_encoder
from embeddings.recent_vectors import AskedText, RecentVectors, Vector
from graph.values import Visibility
from matcher.corpus import asked_texts

_LOG = logging.getLogger("jiebang.lanes")
# Taken together from the queue by one lane: more would make the first of them wait for the last.
_TOGETHER = 4
_GATHER = 0.03  # seconds, beside 0.1 and more for what is gathered
_KEPT_BYTES = 64_000_000
_TEXTS_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class _Waiting:
    question: Question
    vectors: dict[AskedText, Vector]
    answer: "asyncio.Future[bytes]"
    since: float


class Lanes:
    """Answers questions; ``versions`` (by audience) is what answers may know of the store, set by the follower."""

    def __init__(self, settings: ServeSettings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self.versions: dict[Visibility, Version] = {}
        self._waiting: deque[_Waiting] = deque()
        # Questions whose texts are being encoded, and lanes that are being caught up.
        self._encoding = 0
        self._catching_up: set[int] = set()
        self._wake = asyncio.Condition()
        self._kept = _Answers(_KEPT_BYTES)
        self._under_way: dict[tuple[bytes, Version], asyncio.Future[bytes]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._lanes: list[Executor] = []
        self._stopped = False
        self._texts = _QuestionTexts(settings)
        self.answerer: Answerer | None = Answerer(settings) if settings.workers == 1 else None

    def start(self) -> None:
        """Open the lanes; ``warm`` opens engines on them."""
        for _ in range(self._settings.workers):
            lane = self._new_lane()
            self._lanes.append(lane)
            self._tasks.append(asyncio.create_task(self._serve(len(self._lanes) - 1)))

    async def warm(self, audience: Visibility, version: Version) -> None:
        """Open the engines of an audience on every lane."""
        lanes = range(len(self._lanes))
        await asyncio.gather(*(self._answer(number, audience, version, [], {}) for number in lanes))

    async def catch_up(self, audience: Visibility, version: Version) -> None:
        """Bring the lanes to a version one after the other, so that meanwhile the others answer; then all know it."""
        for number in range(len(self._lanes)):
            self._catching_up.add(number)
            try:
                await self._answer(number, audience, version, [], {})
            finally:
                self._catching_up.discard(number)
                async with self._wake:
                    self._wake.notify_all()
        self.versions[audience] = version

    async def stop(self) -> None:
        """Let the lanes end what they are at, and close them; what still waits is told to come back."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        _refuse(self._waiting, _stopping())
        self._waiting.clear()
        loop = asyncio.get_running_loop()
        for lane in self._lanes:
            await loop.run_in_executor(None, lambda lane=lane: lane.shutdown(wait=True, cancel_futures=True))  # type: ignore[misc]
        self._texts.close()
        if self.answerer is not None:
            self.answerer.close()

    @property
    def waiting(self) -> int:
        """How many questions have not been begun, those whose texts are being encoded among them."""
        return len(self._waiting) + self._encoding

    async def ask(self, question: Question) -> bytes:
        """The answer as JSON. Raises ``Refusal`` (503) when too many wait or it takes too long."""
        version = self.versions.get(question.audience)
        if version is None:
            raise busy("index_opening", "索引还在打开。", seconds=5)
        key = (question.digest, version)
        if (kept := self._kept.get(key)) is not None:
            self._metrics.answers.labels("kept").inc()
            return kept
        answer = self._under_way.get(key)
        if answer is None:
            if self.waiting >= self._settings.most_waiting:
                raise busy("questions_waiting", "等待回答的问题太多。")
            self._metrics.answers.labels("worked_out").inc()
            answer = asyncio.get_running_loop().create_future()
            self._under_way[key] = answer
            # Who brings a pair together hangs on outcomes too, of which no version tells.
            # A slice of gaps is asked once.
            keeps = not isinstance(question, BrokersQuestion | GapSliceQuestion)
            answer.add_done_callback(lambda done: self._end(key, done, keeps))
            await self._put(question, answer)
        else:
            self._metrics.answers.labels("shared").inc()
        try:
            # Shielded: others may be waiting for the same answer.
            async with asyncio.timeout(self._settings.answer_time):
                return await asyncio.shield(answer)
        except TimeoutError:
            raise busy("answer_slow", "回答用的时间太长。", seconds=5) from None

    async def _put(self, question: Question, answer: "asyncio.Future[bytes]") -> None:
        since = time.perf_counter()
        self._encoding += 1
        self._metrics.waiting.set(self.waiting)
        try:
            vectors: dict[AskedText, Vector] = {}
            if isinstance(question, MatchQuestion | SimilarCasesQuestion) and not question.is_stored:
                vectors = await self._texts.vectors(list(asked_texts(question.node).values()))
                self._metrics.steps.labels("encode").observe(time.perf_counter() - since)
        except BaseException as error:
            if not answer.done():
                answer.set_exception(
                    error if isinstance(error, Exception) else busy("cancelled", "请求已取消。")
                )
            raise
        finally:
            self._encoding -= 1
            self._metrics.waiting.set(self.waiting)
        if self._stopped:
            answer.set_exception(_stopping())
            return
        self._waiting.append(_Waiting(question, vectors, answer, time.perf_counter()))
        self._metrics.waiting.set(self.waiting)
        async with self._wake:
            self._wake.notify_all()  # one alone might be just the one that is being caught up

    def _end(self, key: tuple[bytes, Version], done: "asyncio.Future[bytes]", keeps: bool) -> None:
        self._under_way.pop(key, None)
        if not done.cancelled() and done.exception() is None and keeps:
            self._kept.put(key, done.result())

    async def _serve(self, number: int) -> None:
        """One lane: takes what waits, a few of one audience at a time, until it is cancelled."""
        together = 1
        while True:
            async with self._wake:
                await self._wake.wait_for(lambda: bool(self._waiting) and number not in self._catching_up)
            if together > 1 and len(self._waiting) < together:
                # Who was answered together asks again together, and is answered sooner so.
                until = time.perf_counter() + _GATHER
                while len(self._waiting) < together and time.perf_counter() < until:
                    await asyncio.sleep(_GATHER / 10)
                if not self._waiting or number in self._catching_up:
                    continue
            batch = self._take()
            together = len(batch)
            audience = batch[0].question.audience
            vectors = {text: vector for one in batch for text, vector in one.vectors.items()}
            questions = [one.question for one in batch]
            begun = time.perf_counter()
            try:
                version = self.versions[audience]
                answers, steps = await self._answer(number, audience, version, questions, vectors)
            except asyncio.CancelledError:
                _refuse(batch, _stopping())
                raise
            except BrokenProcessPool:
                _refuse(batch, busy("lane_lost", "回答问题的进程意外结束，已重新启动。"))
                continue
            except Exception as error:
                _refuse(batch, error)
                continue
            for step, seconds in steps.items():
                self._metrics.steps.labels(step).observe(seconds)
            for one, answer in zip(batch, answers, strict=True):
                self._metrics.steps.labels("wait").observe(begun - one.since)
                if one.answer.done():
                    continue
                if isinstance(answer, bytes):
                    one.answer.set_result(answer)
                else:
                    one.answer.set_exception(answer)

    def _take(self) -> list[_Waiting]:
        """The first that waits and others of its audience, leaving some for the other lanes."""
        share = -(-len(self._waiting) // len(self._lanes))
        first = self._waiting.popleft()
        batch, passed = [first], deque[_Waiting]()
        while self._waiting and len(batch) < min(_TOGETHER, share):
            one = self._waiting.popleft()
            (batch if one.question.audience == first.question.audience else passed).append(one)
        self._waiting.extendleft(reversed(passed))
        self._metrics.waiting.set(self.waiting)
        return batch

    async def _answer(
        self,
        number: int,
        audience: Visibility,
        version: Version,
        questions: Sequence[Question],
        vectors: dict[AskedText, Vector],
    ) -> Answers:
        """Ask a lane; raises ``BrokenProcessPool`` for one that has died, and opens it anew."""
        ask = self.answerer.answer if self.answerer else answer_in_process
        lane, loop = self._lanes[number], asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(lane, ask, audience, version, questions, vectors)
        except BrokenProcessPool:
            if self._lanes[number] is lane:
                _LOG.error("a lane has died and is opened anew")
                self._lanes[number] = self._new_lane()
            raise

    def _new_lane(self) -> Executor:
        if self.answerer is not None:
            return ThreadPoolExecutor(1, thread_name_prefix="lane")
        # Spawned: a fork would copy locks that other threads hold.
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=spawn, initializer=begin_process, initargs=(self._settings,))


def _stopping() -> Refusal:
    return busy("server_stopping", "服务器正在停止。", seconds=5)


def _refuse(batch: Iterable[_Waiting], error: Exception) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)


class _Answers:
    """The last answers, up to a number of bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._answers: OrderedDict[tuple[bytes, Version], bytes] = OrderedDict()

    def get(self, key: tuple[bytes, Version]) -> bytes | None:
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, key: tuple[bytes, Version], answer: bytes) -> None:
        if key not in self._answers:
            self._answers[key] = answer
            self._size += len(answer)
        while self._size > self._most:
            self._size -= len(self._answers.popitem(last=False)[1])


class _QuestionTexts:
    """Encodes the texts of questions on one thread; those that come while it works are encoded together next."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._encoder: Encoder | None = None
        self._recent = RecentVectors()
        self._wanted: dict[AskedText, asyncio.Future[Vector]] = {}
        self._working = False

    async def vectors(self, texts: Sequence[AskedText]) -> dict[AskedText, Vector]:
        """The vectors of the texts."""
        known = self._recent.known(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        loop = asyncio.get_running_loop()
        futures = {text: self._wanted.setdefault(text, loop.create_future()) for text in missing}
        if futures and not self._working:
            self._working = True
            # Kept by the loop until it is done, for it holds the executor's future.
            self._task = asyncio.create_task(self._work())
        for text, future in futures.items():
            known[text] = await asyncio.shield(future)
        return known

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while waiting := [text for text, future in self._wanted.items() if not future.done()][
                :_TEXTS_TOGETHER
            ]:
                try:
                    vectors = await loop.run_in_executor(self._thread, self._encode, waiting)
                except Exception as error:
                    for text in waiting:
                        self._wanted.pop(text).set_exception(error)
                    continue
                self._recent.put(vectors)
                for text, vector in vectors.items():
                    self._wanted.pop(text).set_result(vector)
        finally:
            self._working = False

    def _encode(self, texts: Sequence[AskedText]) -> dict[AskedText, Vector]:
        if self._encoder is None:
            self._encoder = open_encoder(self._settings.encoder)
        found: dict[AskedText, Vector] = {}
        for side, encode in (
            ("query", self._encoder.encode_queries),
            ("document", self._encoder.encode_documents),
        ):
            of_side = [text for text in texts if text[0] == side]
            if of_side:
                rows = encode([words for _, words in of_side])
                found |= dict(zip(of_side, rows, strict=True))
        return found

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
