"""What a judgement and an outcome may say, and how levels and stages are read."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from graph.feedback import LEVEL_LABELS, STAGES, Judgement, Outcome, parse_level, parse_stage
from graph.problems import BadValue

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _judgement(**changed: Any) -> Judgement:
    values: dict[str, Any] = {"scene": "CJ-1", "achievement": "CG-1", "judge": "程某", "level": 4, "at": NOON}
    return Judgement.model_validate(values | changed)


def _outcome(**changed: Any) -> Outcome:
    values: dict[str, Any] = {
        "scene": "CJ-1",
        "achievement": "CG-1",
        "stage": "met",
        "by": "程某",
        "at": NOON,
    }
    return Outcome.model_validate(values | changed)


@pytest.mark.parametrize(
    ("level", "cells"),
    [
        (4, [4, 4.0, "4", "４", " 4.0 ", "4级", "强相关", "强", "强相关\u200b"]),
        (3, [3, "３分", "较强相关", "较强"]),
        (2, ["2", "弱相关", "弱"]),
        (1, [1, "无相关", "无"]),
    ],
)
def test_parse_level_reads_digits_and_words(level: int, cells: list[object]) -> None:
    assert [parse_level(cell) for cell in cells] == [level] * len(cells)
    assert parse_level(LEVEL_LABELS[level]) == level


@pytest.mark.parametrize("cell", [0, 5, 3.5, "", None, True, "44", "相关", "-1", "1e0"])
def test_parse_level_refuses_what_is_no_level(cell: object) -> None:
    with pytest.raises(BadValue, match="看不懂等级") as bad:
        parse_level(cell)
    assert bad.value.code == "level_unknown"


def test_parse_stage_reads_every_stage_in_chinese_and_english() -> None:
    assert [parse_stage(label) for label in STAGES.values()] == list(STAGES)
    assert [parse_stage(f" {stage.upper()}　") for stage in STAGES] == list(STAGES)
    assert (parse_stage("签约"), parse_stage("意向")) == ("contract", "intent")


@pytest.mark.parametrize("cell", ["", None, "谈崩了", "已", 4])
def test_parse_stage_refuses_what_is_no_stage_and_names_all(cell: object) -> None:
    with pytest.raises(BadValue) as bad:
        parse_stage(cell)
    assert bad.value.code == "stage_unknown"
    assert all(label in bad.value.remedy for label in STAGES.values())


def test_records_are_cleaned_and_keep_utc() -> None:
    china = datetime(2026, 3, 1, 20, 0, tzinfo=timezone(timedelta(hours=8)))
    judgement = _judgement(scene=" CJ-1\x00", judge="程\n 某 ", at=china, reason=" 指标都够\ufeff ")
    assert judgement == _judgement(judge="程 某", reason="指标都够")
    assert judgement.at.tzinfo is UTC
    assert judgement.key == ("judgement", "CJ-1", "CG-1", "程 某")
    outcome = _outcome(stage="已展示", rank="３", ranker="cold_start/1", at="2026-03-01T12:00:00Z")
    assert (outcome.key, outcome.rank, outcome.at) == (("outcome", "CJ-1", "CG-1", "shown"), 3, NOON)


def test_records_come_back_from_their_json() -> None:
    for record in (_judgement(reason="好", at=NOON + timedelta(microseconds=1)), _outcome(rank=1)):
        assert type(record).model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"judge": " \x00"}, "value_missing"),
        ({"scene": ""}, "value_missing"),
        ({"achievement": "长" * 101}, "id_too_long"),
        ({"level": 5}, "level_unknown"),
        ({"at": datetime(2026, 3, 1)}, "time_without_zone"),
        ({"at": "2026-03-01"}, "time_without_zone"),
        # Never seconds since 1970.
        ({"at": 20260301}, "date_unreadable"),
        ({"at": None}, "date_unreadable"),
        ({"at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=8)))}, "date_not_real"),
        ({"at": datetime(9999, 12, 31, tzinfo=timezone(timedelta(hours=-8)))}, "date_not_real"),
        ({"reason": "长" * 50_001}, "text_too_long"),
    ],
)
def test_a_judgement_that_breaks_a_rule_is_refused_with_its_code(changed: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _judgement(**changed)
    (told,) = refused.value.errors()
    assert told["loc"] == tuple(changed)
    assert isinstance(told["ctx"]["error"], BadValue)
    assert told["ctx"]["error"].code == code


@pytest.mark.parametrize(("rank", "code"), [(0, "rank_not_real"), ("-1", "count_unreadable")])
def test_a_rank_begins_at_one(rank: object, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _outcome(rank=rank)
    assert [told["ctx"]["error"].code for told in refused.value.errors()] == [code]
