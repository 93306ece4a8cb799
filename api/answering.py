"""One worker's engines: opened once per audience, brought to the version asked for, asked in batches."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.question import Question
from api.questions import answer_all
from api.settings import ServeSettings
from api.worker_processes import begin_worker_process
from embeddings.encoder import Encoder, open_encoder
from embeddings.recent_vectors import AskedText, Vector
from graph.store.store import Store
from graph.values import Visibility
from matcher.engine import Engine

Answers = tuple[list[bytes | Exception], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Version:
    """What answers know: the store up to a revision, and which ranker is in use (a stamp of its pointer)."""

    revision: int
    ranker: int


class Answerer:
    """Engines of one worker. Not for several threads at once."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._store: Store | None = None
        self._encoder: Encoder | None = None
        self._engines: dict[Visibility, tuple[Engine, Version]] = {}

    def answer(
        self,
        audience: Visibility,
        version: Version,
        questions: Sequence[Question],
        vectors: Mapping[AskedText, Vector],
    ) -> Answers:
        """An answer or an error for each question, and seconds by step."""
        begun = time.perf_counter()
        engine = self._engine(audience, version)
        engine.corpus.recent.put(vectors)
        refreshed = time.perf_counter()
        answers = _each(engine, questions)
        done = time.perf_counter()
        return answers, {"refresh": refreshed - begun, "answer": done - refreshed}

    def engine(self, audience: Visibility) -> Engine | None:
        """The engine of an audience, if it is open."""
        return self._engines[audience][0] if audience in self._engines else None

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    def _engine(self, audience: Visibility, version: Version) -> Engine:
        engine, known = self._engines.get(audience, (None, None))
        if engine is None or (known and known.ranker != version.ranker):
            engine = self._opened(audience)
        elif known != version:
            engine.refresh()
        self._engines[audience] = (engine, version)
        return engine

    def _opened(self, audience: Visibility) -> Engine:
        """A new engine with the ranker in use now; one of before gives its index over."""
        settings = self._settings
        if self._store is None:
            self._store = settings.home.open_store(create=False)
        if self._encoder is None:
            self._encoder = open_encoder(settings.encoder)
        before = self.engine(audience)
        engine = Engine(settings.home, self._store, self._encoder, ranker=settings.ranker, audience=audience)
        if before is None:
            engine.load()
        else:
            engine.take_over(before)
            engine.refresh()
        return engine


def _each(engine: Engine, questions: Sequence[Question]) -> list[bytes | Exception]:
    """All together; where that fails each alone, so that one question's trouble is not the others'."""
    try:
        return [*answer_all(engine, questions)]
    except Exception as error:
        if len(questions) == 1:
            return [error]
        return [answer for question in questions for answer in _each(engine, [question])]


# The answerer of a process that is a lane: nothing else can hold it between calls.
_OF_PROCESS: list[Answerer] = []


def begin_process(settings: ServeSettings) -> None:
    """Make this process a lane, which ends with its server."""
    begin_worker_process()
    _OF_PROCESS.append(Answerer(settings))


def answer_in_process(
    audience: Visibility, version: Version, questions: Sequence[Question], vectors: Mapping[AskedText, Vector]
) -> Answers:
    """``Answerer.answer`` in a process that is a lane."""
    return _OF_PROCESS[0].answer(audience, version, questions, vectors)
