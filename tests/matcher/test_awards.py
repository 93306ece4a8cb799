"""Awards: from proposal to force, what stands in the way of a move, and that losers learn figures and nobody's name."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from graph.problems import Refused
from graph.processes import moves_from
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.awards import (
    RULES,
    Award,
    answer,
    confirm,
    justification,
    object_to,
    propose,
    publish,
    ranking_of,
    reasons,
    withdraw,
)
from matcher.grading import Criterion, Grading, GradingRules, Rubric, Sheet, grade
from matcher.task_policy import task_policy

FRIDAY = datetime(2026, 3, 6, 2, 0, tzinfo=UTC)
NAMES = {"B1": "云岬航空", "B2": "澜川装备", "B3": "旷羽动力"}
MARKS = {"B1": (50, 30), "B2": (55, 20), "B3": (40, 36)}


def graded() -> Grading:
    rubric = Rubric(
        criteria=(Criterion(name="方案", weight=Decimal(60)), Criterion(name="团队", weight=Decimal(40)))
    )
    sheets = [
        Sheet(expert=expert, entry=entry, marks={"方案": Decimal(a), "团队": Decimal(b) + extra})
        for entry, (a, b) in MARKS.items()
        for expert, extra in (("Z1", 0), ("Z2", 1))
    ]
    return grade(
        sheets, rubric, GradingRules(normalise="none", average="mean", order="rounded", tie="报价低者在前")
    )


def proposed(winners: int = 1) -> Award:
    found = graded()
    return propose(
        "RW-1", ranking_of(found, NAMES, {"Z1": "评委甲"}, {"B3": ["团队好，续航弱"]}), task="海岛投送", winners=winners, rule=found.rules.text,
        full_marks=[("方案", "60"), ("团队", "40")], checks=["专家 Z1 无冲突"], notice_days=5, at=FRIDAY,
    )  # fmt: skip


def in_notice() -> Award:
    return publish(proposed(), at=FRIDAY, role="officer")


def after(award: Award) -> datetime:
    assert award.due is not None
    return award.due


def test_award_goes_from_proposal_through_notice_into_force() -> None:
    award = in_notice()
    assert (award.state, award.winners, award.notice_from, award.notice_to) == (
        "notice", ("B1",), date(2026, 3, 9), date(2026, 3, 13),
    )  # fmt: skip
    # The end of that day in China.
    assert award.due == datetime(2026, 3, 13, 16, 0, tzinfo=UTC)
    award = object_to(award, by="某公司", text="业绩不实", at=FRIDAY + timedelta(days=4), role="public")
    assert award.due == datetime(2026, 3, 13, 16, 0, tzinfo=UTC)
    award = answer(award, 1, text="已核实，业绩属实", at=FRIDAY + timedelta(days=5), role="officer")
    done = confirm(award, at=after(award), role="officer")
    assert (done.state, done.due, done.objections[0].answer) == ("effective", None, "已核实，业绩属实")


def test_award_says_why_it_cannot_come_into_force_yet() -> None:
    award = object_to(in_notice(), by="某公司", text="业绩不实", at=FRIDAY, role="public")
    opens = {
        o.move.name: [p.code for p in o.problems] for o in moves_from(award, RULES, role="officer", at=FRIDAY)
    }
    assert opens == {
        "publish": ["move_state"], "object": [], "answer": [], "confirm": ["award_notice", "award_objection"],
        "withdraw": ["award_reason"],
    }  # fmt: skip
    with pytest.raises(
        Refused,
        match="公示要到 2026-03-13 结束（只按周一至周五计，没有扣除法定节假日和调休）；还有 1 条异议没有答复",
    ):
        confirm(award, at=FRIDAY, role="officer")
    with pytest.raises(Refused, match="您的身份不能办理“生效”"):
        confirm(award, at=after(award), role="public")
    with pytest.raises(Refused, match="公示已于 2026-03-13 结束"):
        object_to(award, by="某公司", text="迟到的", at=after(award), role="public")
    with pytest.raises(Refused, match="没有第 2 条异议"):
        answer(award, 2, text="无", at=FRIDAY, role="officer")
    with pytest.raises(Refused, match="没有写撤销的原因"):
        withdraw(award, reason=" ", at=FRIDAY, role="officer")
    assert withdraw(award, reason="异议成立", at=FRIDAY, role="officer").state == "withdrawn"


def test_propose_refuses_more_winners_than_entries() -> None:
    with pytest.raises(Refused, match="要选 4 家，参评的有 3 家"):
        proposed(4)


def test_two_officers_at_once_the_second_is_refused(store: Store) -> None:
    award = proposed()
    store.apply([PutProcess(process=award)], actor="程某", at=FRIDAY, reason="拟定")
    read = store.revision()
    published = publish(award, at=FRIDAY, role="officer")
    gone = withdraw(award, reason="重评", at=FRIDAY, role="officer")
    store.apply([PutProcess(process=published)], actor="程某", at=FRIDAY, reason="公示", since=read)
    with pytest.raises(Refused) as refused:
        store.apply([PutProcess(process=gone)], actor="李某", at=FRIDAY, reason="撤销", since=read)
    assert refused.value.code == "plan_stale"
    assert store.process(Award, "RW-1") == published
    assert store.late(Award, after(published) + timedelta(seconds=1)) == [published]


def test_reasons_give_a_loser_figures_against_the_winners_and_the_median() -> None:
    assert reasons(proposed(), "B3") == [
        "任务：海岛投送",
        "贵方标书 B3 综合得分 76.50，在 3 份中列第 2；中选最高分 80.50，全部中位数 76.50。",
        "方案（满分 60）：贵方 40.00，中选 50.00，中位数 50.00",
        "团队（满分 40）：贵方 36.50，中选 30.50，中位数 30.50",
        "与中选方的差距：方案低 10.00 分。",
        "评审意见：团队好，续航弱",
        "评分规则：各专家的评分不作标准化；平均；保留两位小数（四舍五入），按两位小数排名；同分报价低者在前",
    ]
    with pytest.raises(Refused, match="标书 B1 已拟中选"):
        reasons(proposed(), "B1")
    with pytest.raises(Refused, match="没有标书“B9”"):
        reasons(proposed(), "B9")


def test_reasons_never_name_another_bidder_or_an_expert() -> None:
    award = proposed()
    for entry in ("B2", "B3"):
        text = "\n".join(reasons(award, entry))
        others = [other for other in NAMES if other != entry]
        assert not [word for word in (*others, *NAMES.values(), "评委甲", "Z1", "Z2") if word in text]


def test_justification_holds_every_figure_and_what_the_runner_up_lacked() -> None:
    lines = justification(proposed())
    assert [what for what, _ in lines] == [
        "任务", "评分规则", "评分项", "第 1 名拟中选", "第 2 名", "第 3 名", "回避核查", "旷羽动力差在哪里",
    ]  # fmt: skip
    assert dict(lines)["第 1 名拟中选"] == (
        "云岬航空（B1）得分 80.50：方案 50.00，团队 30.50；各专家总分：评委甲 80.00、Z2 81.00"
    )
    assert dict(lines)["旷羽动力差在哪里"] == "与中选方的差距：方案低 10.00 分。"


def test_a_notice_counts_the_working_days_of_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = replace(
        task_policy(), holidays=frozenset({date(2026, 3, 10)}), workdays=frozenset({date(2026, 3, 14)})
    )
    monkeypatch.setattr("matcher.awards.task_policy", lambda: policy)
    award = in_notice()
    assert (award.notice_from, award.notice_to) == (date(2026, 3, 9), date(2026, 3, 14))
    with pytest.raises(Refused, match="已扣除办理参数中所列的法定节假日"):
        confirm(award, at=FRIDAY, role="officer")


def test_a_notice_of_no_days_is_over_at_once() -> None:
    award = publish(proposed().model_copy(update={"notice_days": 0}), at=FRIDAY, role="officer")
    assert (award.notice_from, award.notice_to) == (date(2026, 3, 6), date(2026, 3, 6))
    assert confirm(award, at=FRIDAY, role="officer").state == "effective"
