"""The check of a task's text: what is missing or vague is told with what to write instead."""

from typing import Any

import pytest

from graph.store.changes import PutNode
from matcher.engine import Engine
from matcher.task_policy import task_policy
from matcher.task_quality import Answerable, answerable, check_task, subject_of, told
from tests.factories import NOON, TODAY, make_achievement, make_scene
from tests.matcher.boards import DAY, make_task


def _codes(**values: Any) -> list[tuple[str | None, str]]:
    return [(p.column, p.code) for p in check_task(make_task(**values), at=NOON)]


def test_a_task_that_says_everything_has_no_finding() -> None:
    assert check_task(make_task(), at=NOON) == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"problem": ""}, [("技术难点", "task_problem")]), ({"problem": "风大"}, [("技术难点", "task_problem_short")]),
        ({"indicators": ""}, [("技术指标", "task_indicators")]),
        ({"indicators": "航程≥30km；外形美观"}, [("技术指标", "indicator_not_measurable")]),
        ({"indicators": "航程30km"}, [("技术指标", "indicator_without_direction")]),
        ({"indicators": "并发数≥200"}, [("技术指标", "indicator_without_unit")]),
        ({"indicators": "航程≥30km；准确率≥500%"}, [("技术指标", "indicator_impossible")]),
        ({"bounty": "0"}, [("榜金（万元）", "task_bounty")]), ({"acceptance": ""}, [("验收条件", "task_acceptance")]),
        ({"deadline": NOON - DAY}, [("投标截止", "task_deadline")]),
        ({"deadline": NOON + 3 * DAY}, [("投标截止", "task_deadline_soon")]),
        ({"rubric": "技术 60；报价 30"}, [("评分标准", "task_rubric")]), ({"experts": "4"}, [("评审专家人数", "task_panel")]),
        ({"rubric": "技术 50；技术 50"}, [("评分标准", "task_rubric")]), ({"notice_days": "9999999"}, [("公示工作日", "task_notice")]),
        ({"poster": ""}, [("发榜单位", "task_poster")]),
        ({"content": "采用先进技术，高效完成"}, [("研究内容", "vague_word"), ("研究内容", "vague_word")]),
    ],
)  # fmt: skip
def test_each_lack_is_found_in_its_field(values: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert _codes(**values) == found


def test_an_indicator_is_given_back_with_the_sign_it_lacks() -> None:
    (problem,) = check_task(make_task(indicators="满载航程162km"), at=NOON)
    assert problem.remedy == "写明是下限还是上限，例如“满载航程≥162km”或把≥换成≤"
    offer = make_task(indicators="满载航程162km", mode="offer", bounty="0")
    assert check_task(offer, at=NOON) == []


def test_a_vague_word_is_quoted_with_what_to_write_instead() -> None:
    (problem,) = check_task(make_task(content="提供国际领先的整机"), at=NOON)
    assert (problem.message, problem.remedy, problem.severity) == (
        "“…提供国际领先的整机…”里的“领先”无法验收", task_policy().vague_words["领先"], "warning",
    )  # fmt: skip


def test_few_answers_in_the_library_are_told() -> None:
    for count, codes in ((0, ["few_answers"]), (2, ["few_answers"]), (3, [])):
        found = Answerable(count=count, looked_at=9, least=3, what="成果")
        assert [p.code for p in check_task(make_task(), at=NOON, answerable=found)] == codes


def test_answers_are_counted_by_the_ranking(engine: Engine) -> None:
    words = {"summary": "海上阵风大，无人机向海岛投送物资，抗风", "indicators": "抗风等级7级；航程45km"}
    nodes = [
        make_scene(problem="海上阵风大，现有机型抗风不足"), make_achievement("CG-1", title="海岛物资无人机投送", **words),
        make_achievement("CG-2", title="蛋白质折叠预测"),
    ]  # fmt: skip
    engine.store.apply([PutNode(node=node) for node in nodes], actor="甲", at=NOON, reason="")
    matches = engine.match(nodes[0], top=10, today=TODAY)
    found = answerable(engine, make_task(), today=TODAY)
    assert found == Answerable(count=sum(m.level >= 3 for m in matches), looked_at=2, least=3, what="成果")
    assert subject_of(engine, make_task()) == nodes[0]
    written = subject_of(engine, make_task(about=()))
    assert written is not None
    assert (written.kind, written.title) == ("scene", "海岛物资无人机投送")
    offer = answerable(engine, make_task(mode="offer", about=(("achievement", "CG-1"),)), today=TODAY)
    assert offer is not None
    assert (offer.what, offer.looked_at) == ("场景", 1)


def test_a_task_is_told_field_by_field_without_what_is_empty() -> None:
    rows = dict(told(make_task(content="", selection="赛马")))
    assert (rows["榜金"], rows["投标截止"], rows["遴选方式"]) == (
        "300 万元",
        "2026-03-31 20:00:00",
        "竞争赛马",
    )
    assert "研究内容" not in rows
