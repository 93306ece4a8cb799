"""One worker's engines: opened once, caught up only when asked to, and no question spoils another."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api import answering
from api.answering import Answerer, Version, answer_in_process, begin_process
from api.question import Question
from api.questions import MatchQuestion, ScoreQuestion, answer_all
from api.settings import ServeSettings
from embeddings.refusal import IndexRefused
from graph.kinds import Achievement
from graph.store.changes import PutNode
from matcher.corpus import asked_texts
from matcher.engine import Engine, written_scene
from matcher.home import Home

TODAY = date(2026, 3, 31)
FIRST = Version(1, 0)
NEW = Achievement.model_validate({"id": "CG-9", "title": "海岛无人机送药航线", "visibility": "public"})


@pytest.fixture
def settings(indexed: Path) -> ServeSettings:
    return ServeSettings(home=Home(path=indexed), encoder="bigrams")


@pytest.fixture
def answerer(settings: ServeSettings) -> Iterator[Answerer]:
    made = Answerer(settings)
    yield made
    made.close()


def asked(text: str, *, full: bool = False, min_trl: int = 0) -> MatchQuestion:
    return MatchQuestion(
        audience="partner", today=TODAY, node=written_scene(text), is_stored=False, kind="achievement", top=5, full=full,
        min_trl=min_trl,
    )  # fmt: skip


def ids(answer: Any) -> list[str]:
    return [one["id"] for one in json.loads(answer)["items"]]


def write(settings: ServeSettings, *changes: Any) -> None:
    with settings.home.open_store(create=False) as store:
        store.apply(changes, actor="程某", at=datetime(2026, 3, 31, tzinfo=UTC), reason="试")


def test_answers_together_are_those_alone(answerer: Answerer) -> None:
    questions: list[Question] = [asked("海岛送药"), asked("数鱼苗", full=True), asked("海岛送药", min_trl=8)]
    questions.append(
        ScoreQuestion(audience="partner", today=TODAY, pairs=(("CJ-1", "CG-1"), ("CJ-1", "CG-4")))
    )
    together, _ = answerer.answer("partner", FIRST, questions, {})
    alone = [answerer.answer("partner", FIRST, [question], {})[0][0] for question in questions]
    assert together == alone
    assert len(set(map(str, together))) == len(questions)


def test_engine_is_opened_once_per_audience(answerer: Answerer) -> None:
    answerer.answer("partner", FIRST, [], {})
    first = answerer.engine("partner")
    answerer.answer("partner", FIRST, [asked("海岛送药")], {})
    assert answerer.engine("partner") is first
    assert answerer.engine("staff") is None
    answerer.answer("staff", FIRST, [], {})
    assert answerer.engine("staff") is not first


def test_what_is_written_is_known_with_the_next_version_and_not_before(
    answerer: Answerer, settings: ServeSettings
) -> None:
    question = asked("海岛无人机送药航线")
    before = answerer.answer("partner", FIRST, [question], {})[0]
    write(settings, PutNode(node=NEW))
    assert answerer.answer("partner", FIRST, [question], {})[0] == before
    after = answerer.answer("partner", Version(2, 0), [question], {})[0]
    assert ids(after[0])[0] == "CG-9"
    assert "CG-9" not in ids(before[0])


def test_other_ranker_makes_a_new_engine_that_takes_the_index_over(answerer: Answerer) -> None:
    answerer.answer("partner", FIRST, [], {})
    first = answerer.engine("partner")
    assert first is not None
    answerer.answer("partner", Version(1, 1), [], {})
    second = answerer.engine("partner")
    assert second is not None
    assert second is not first
    assert second.corpus is first.corpus


def test_vectors_that_come_with_questions_are_not_made_again(
    answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer.answer("partner", FIRST, [], {})
    engine = answerer.engine("partner")
    assert engine is not None
    question = asked("从未问过的需求")
    texts = list(asked_texts(question.node).values())
    encoder = engine.corpus.encoder
    rows = encoder.encode_queries([text for _, text in texts])

    def unwanted(_: Sequence[str]) -> Any:
        raise AssertionError("encoded again")

    monkeypatch.setattr(encoder, "encode_queries", unwanted)
    monkeypatch.setattr(encoder, "encode_documents", unwanted)
    vectors = dict(zip(texts, np.asarray(rows), strict=True))
    answers, _ = answerer.answer("partner", FIRST, [question], vectors)
    assert isinstance(answers[0], bytes)


def test_question_that_fails_is_the_only_one_that_does(
    answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = asked("坏的")

    def failing(engine: Engine, questions: Sequence[Question]) -> list[bytes]:
        if wrong in questions:
            raise ValueError("坏的")
        return answer_all(engine, questions)

    monkeypatch.setattr(answering, "answer_all", failing)
    good = [asked("海岛送药"), asked("数鱼苗")]
    answers, steps = answerer.answer("partner", FIRST, [good[0], wrong, good[1]], {})
    assert [type(answer) for answer in answers] == [bytes, ValueError, bytes]
    assert [answers[0], answers[2]] == answerer.answer("partner", FIRST, good, {})[0]
    assert steps.keys() == {"refresh", "answer"}


def test_damaged_pointer_to_the_ranker_is_an_error_and_not_another_ranker(
    answerer: Answerer, settings: ServeSettings
) -> None:
    answerer.answer("partner", FIRST, [], {})
    settings.home.models.mkdir(parents=True, exist_ok=True)
    (settings.home.models / "current.json").write_text("{", encoding="utf-8")
    with pytest.raises(IndexRefused, match=r"current\.json"):
        answerer.answer("partner", Version(1, 1), [], {})


def test_process_that_is_a_lane_answers_as_an_answerer(
    answerer: Answerer, settings: ServeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_OF_PROCESS", [])
    begin_process(settings)
    question = asked("海岛送药")
    here = answer_in_process("partner", FIRST, [question], {})[0]
    answering._OF_PROCESS[0].close()
    assert here == answerer.answer("partner", FIRST, [question], {})[0]
