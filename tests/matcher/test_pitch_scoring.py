from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from graph.feedback import Outcome
from graph.kinds import Achievement
from graph.problems import Refused
from matcher.grading import Criterion, Rubric, Sheet
from matcher.pitch_scoring import (
    Award,
    Results,
    Round,
    Veto,
    award_line,
    awarded,
    followed_up,
    next_round,
    results,
    with_award,
)

RUBRIC = Rubric(
    criteria=(Criterion(name="技术", weight=Decimal(60)), Criterion(name="市场", weight=Decimal(40)))
)
_AT = datetime(2026, 12, 5, tzinfo=UTC)


def round_of(entries: str = "ABC", judges: int = 5, **more: Any) -> Round:
    values: dict[str, Any] = {"title": "初赛", "number": 1, "rubric": RUBRIC, "seed": 1} | more
    return Round(
        entries={id: f"项目{id}" for id in entries},
        judges={f"J{n}": f"评委{n}" for n in range(1, judges + 1)},
        **values,
    )


def sheets(entry: str, *totals: float) -> list[Sheet]:
    return [
        Sheet(expert=f"J{n}", entry=entry, marks={"技术": Decimal(str(total)) - 30, "市场": Decimal(30)})
        for n, total in enumerate(totals, 1)
    ]


def marked(one: Round, *given: list[Sheet], **more: Any) -> Results:
    found = results(one, [sheet for some in given for sheet in some], **more)
    assert isinstance(found, Results)
    return found


def test_highest_and_lowest_are_left_out_and_two_decimals_kept() -> None:
    found = marked(round_of("AB"), sheets("A", 90, 80, 81, 82.5, 40), sheets("B", 85, 85, 85, 85, 85))
    assert [(one.rank, one.entry, str(one.score)) for one in found.standings] == [
        (1, "B", "85.00"),
        (2, "A", "81.17"),
    ]


def test_equal_scores_are_parted_by_the_stated_rule() -> None:
    found = marked(round_of("AB"), sheets("A", 80, 80, 80, 80, 80), sheets("B", 80, 80, 80, 80, 80))
    assert found.standings[0].tie == "同分，依次比权重高的评分项，仍相同的按种子 1 抽签"
    assert found.round.rules.tie in found.round.rules.text
    orders = {
        tuple(
            s.entry
            for s in marked(
                round_of("AB", seed=seed), sheets("A", *[80] * 5), sheets("B", *[80] * 5)
            ).standings
        )
        for seed in range(20)
    }
    assert orders == {("A", "B"), ("B", "A")}
    heavier = [
        Sheet(expert=f"J{n}", entry="A", marks={"技术": Decimal(51), "市场": Decimal(29)})
        for n in range(1, 6)
    ]
    for seed in range(20):
        found = marked(round_of("AB", seed=seed), heavier, sheets("B", *[80] * 5))
        assert [one.entry for one in found.standings] == ["A", "B"]


def test_a_majority_of_judges_vetoes_in_the_first_round_only() -> None:
    vetoes = [Veto(judge=f"J{n}", entry="C", reason="不属低空经济") for n in (1, 2, 3)]
    found = marked(
        round_of(), sheets("A", 80, 80, 80, 80, 80), sheets("B", 70, 70, 70, 70, 70), vetoes=vetoes
    )
    assert [one.entry for one in found.standings] == ["A", "B"]
    assert [(lost.entry, lost.ending, lost.reason) for lost in found.fallen] == [
        ("C", "vetoed", "5 位评委中 3 位认为离题：不属低空经济")
    ]
    with pytest.raises(Refused, match="只有首轮可以否决"):
        results(round_of(number=2), [], vetoes)


def test_half_of_the_judges_is_no_majority_and_a_recused_judge_has_no_veto() -> None:
    one = round_of("A", judges=4)
    vetoes = [Veto(judge="J1", entry="A"), Veto(judge="J2", entry="A")]
    assert marked(one, sheets("A", 80, 80, 80, 80), vetoes=vetoes).fallen == ()
    with pytest.raises(Refused, match="该评委不评这个项目"):
        results(round_of("A", recused=frozenset({("J1", "A")})), [], vetoes)


def test_who_does_not_come_has_no_score_and_sheets_are_not_missed() -> None:
    found = marked(round_of("AB"), sheets("A", 80, 80, 80, 80, 80), absent={"B": "迟到 15 分钟"})
    assert [(lost.entry, lost.ending, lost.reason) for lost in found.fallen] == [
        ("B", "absent", "迟到 15 分钟")
    ]


def test_what_is_wrong_with_the_sheets_is_said_of_judges_and_pitches() -> None:
    found = results(round_of("A", recused=frozenset({("J5", "A")})), sheets("A", 80, 80, 999, 80, 80))
    assert not isinstance(found, Results)
    assert [problem.message for problem in found] == [
        "评委 评委3 对项目 A “技术”是 969 分，超出 0 到 60",
        "评委 评委5 对项目 A 应回避，却有评分",
    ]


def test_the_best_go_on_and_the_best_of_those_get_the_awards() -> None:
    first = marked(
        round_of(),
        sheets("A", 80, 80, 80, 80, 80),
        sheets("B", 70, 70, 70, 70, 70),
        sheets("C", 90, 90, 90, 90, 90),
    )
    final = next_round(first, 2, title="决赛", seed=2)
    assert (final.number, list(final.entries)) == (2, ["C", "A"])
    last = marked(final, sheets("A", 88, 88, 88, 88, 88), sheets("C", 85, 85, 85, 85, 85))
    prizes = [Award(title="一等奖", number=1), Award(title="二等奖", number=2)]
    assert [(entry, award.title) for entry, award in awarded(last, prizes)] == [
        ("A", "一等奖"),
        ("C", "二等奖"),
    ]
    with pytest.raises(Refused, match="没有项目进入下一轮"):
        next_round(first, 0, title="决赛", seed=2)


def test_awards_are_added_to_the_achievement_once_or_make_a_new_one() -> None:
    line = award_line("低空经济创新路演大赛", Award(title="一等奖", number=1), date(2026, 12, 5))
    assert line == "2026年低空经济创新路演大赛一等奖"
    known = Achievement(id="CG-1", title="无人机", award="2024年省赛二等奖")
    once = with_award(known, line, id="CG-1", title="无人机")
    assert once.award == f"2024年省赛二等奖；{line}"
    assert with_award(once, line, id="CG-1", title="无人机") == once
    new = with_award(None, line, id="CG-9", title="新项目", owner="某大学")
    assert (new.id, new.title, new.owner, new.award) == ("CG-9", "新项目", "某大学", line)


def test_winners_are_followed_up_those_longest_unheard_first() -> None:
    def outcome(achievement: str, stage: Any, days: int) -> Outcome:
        return Outcome(
            scene="CJ-1", achievement=achievement, stage=stage, at=_AT + timedelta(days=days), by="李明"
        )

    outcomes = [
        outcome("A", "met", 10), outcome("A", "declined", 20), outcome("B", "shown", 30), outcome("C", "contract", -5),
    ]  # fmt: skip
    found = followed_up("ABC", outcomes, since=_AT, now=_AT + timedelta(days=90))
    assert [(one.achievement, one.text) for one in found] == [
        ("B", "还没有进展，已 90 天没有新记录"),
        ("C", "还没有进展，已 90 天没有新记录"),
        ("A", "已见面（场景 CJ-1），已 70 天没有新记录"),
    ]
