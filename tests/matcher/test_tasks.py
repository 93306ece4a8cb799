"""Tasks: their way from need to conclusion, and what each step requires."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from graph.problems import Refused
from graph.processes import moved, moves_from
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.task_policy import task_policy
from matcher.task_steps import (
    add_task,
    change_task,
    move_task,
    published,
    signed,
    with_milestone,
    with_opinion,
)
from matcher.tasks import (
    EXPERT,
    LABELS,
    OFFICER,
    POSTER,
    ROLES,
    SYSTEM,
    TOGETHER,
    Criterion,
    Decision,
    Invitation,
    Milestone,
    Task,
    carry_out,
    next_id,
    task_rules,
)
from tests.factories import NOON
from tests.matcher.boards import (
    DAY,
    DEADLINE,
    OPENING,
    YUAN,
    make_posted,
    make_task,
    put_processes,
)


def _codes(refused: Refused) -> tuple[str, str]:
    return refused.code, refused.message


def _move(task: Task, name: str, *, role: str = OFFICER, at: Any = NOON, **values: Any) -> Task:
    return moved(task, task_rules(), name, role=role, at=at, values=values)


def _refused(make: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        make()
    return refused.value.message


def _reviewed(**values: Any) -> Task:
    task = _move(make_task(**values), "submit")
    return with_opinion(task, expert="程某", agrees=True, text="同意", at=NOON)


def _decision(bid: str, rank: int, *, won: bool, reason: str = "全面") -> Decision:
    return Decision(bid=bid, bidder=bid, points=Decimal(90), rank=rank, won=won, reason=reason)


def _evaluating(**values: Any) -> Task:
    return _move(
        make_posted(**values), "evaluate", at=OPENING, unsealed_at=OPENING, bids=3, valid_bids=("a", "b")
    )


def _awarded() -> Task:
    decisions = (_decision("a", 1, won=True), _decision("b", 2, won=False))
    return _decided(_evaluating(), decisions)


def _decided(task: Task, decisions: tuple[Decision, ...]) -> Task:
    return _move(_move(task, "award", at=OPENING), "decide", at=OPENING, decisions=decisions)


def test_the_rules_are_the_stages_of_a_board_and_every_way_out() -> None:
    rules = task_rules()
    assert [state.label for state in rules.states.values()] == [
        "需求登记", "论证", "发榜", "评榜", "定标", "签约与里程碑", "绩效评价", "结题", "驳回", "流标", "取消",
    ]  # fmt: skip
    assert {name for name, state in rules.states.items() if state.final} == {
        "closed",
        "rejected",
        "failed",
        "cancelled",
    }
    assert set(rules.moves["cancel"].sources) == {
        name for name, state in rules.states.items() if not state.final
    }
    assert {name: state.clock for name, state in rules.states.items() if state.clock} == {
        name: timedelta(days=days) for name, days in task_policy().clocks.items()
    }
    assert rules.states.keys() == LABELS.keys()
    assert {role for move in rules.moves.values() for role in move.roles} == set(ROLES)


def test_a_task_goes_all_the_way_to_its_conclusion() -> None:
    milestones = (Milestone(name="样机", planned=OPENING + 60 * DAY, amount=YUAN),)
    task = _awarded()
    assert (task.winners, task.state, task.due) == (("a",), "awarded", OPENING + 30 * DAY)
    late = OPENING + 20 * DAY
    task = with_milestone(signed(task, milestones, at=late), "样机", role=POSTER, note="检测报告", at=late)
    assert [(one.done_at, one.note) for one in task.milestones] == [(late, "检测报告")]
    task = _move(task, "assess", at=late)
    closed = _move(task, "close", at=late, points="92.5", grade="优秀", report="达到全部指标")
    assert (closed.state, closed.points, closed.due) == ("closed", Decimal("92.50"), None)
    assert _refused(lambda: _move(closed, "cancel", reason="x")).startswith("榜单现在是“结题”")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"deadline": None}, "没有填投标截止"), ({"deadline": NOON}, "投标截止 2026-03-01 20:00:00 已过"),
        ({"bounty": None}, "没有填榜金"), ({"acceptance": ""}, "没有填验收条件"),
        ({"indicators": "性能先进；国内领先"}, "技术指标里没有一条可以测量"),
        ({"indicators": "航程≥30V"}, "“航程≥30V”的单位“V”量不了航程"),
        ({"rubric": (Criterion(name="技术", weight=99),)}, "评分标准的权重合计 99，不是 100"),
        ({"rubric": (Criterion(name="技术", weight=0), Criterion(name="技术", weight=100))}, "评分标准里有重名、没有名称或权重为 0 的评分项"),
        ({"experts": 4}, "评审专家人数没有填，或不是单数"), ({"experts": 999}, "评审专家人数 999 不合常理"),
        ({"notice_days": 9_999_999}, "公示 9999999 个工作日不合常理"),
    ],
)  # fmt: skip
def test_a_task_is_posted_only_with_all_that_bidders_rely_on(values: dict[str, Any], message: str) -> None:
    assert published(_reviewed(), at=NOON).state == "published"
    changed = _reviewed().model_copy(update=values)
    assert _refused(lambda: published(changed, at=NOON)) == f"{message}。"


def test_a_task_is_posted_only_once_experts_agree() -> None:
    task = _move(make_task(), "submit")
    no = with_opinion(task, expert="甲", agrees=False, text="指标不清", at=NOON)
    tied = with_opinion(no, expert="乙", agrees=True, text="可以", at=NOON)
    agreed = with_opinion(tied, expert="丙", agrees=True, text="可以", at=NOON)
    assert published(agreed, at=NOON).published_at == NOON
    for early in (task, no, tied):
        assert "论证同意" in _refused(partial(published, early, at=NOON))
    assert "已写过意见" in _refused(lambda: with_opinion(no, expert="甲", agrees=True, text="改了", at=NOON))
    swapped = (no.opinions[0].model_copy(update={"agrees": True}), *tied.opinions[1:])
    assert "别人的意见不能改" in _refused(lambda: _move(no, "opine", role=EXPERT, opinions=swapped))
    unsigned = partial(with_opinion, task, expert=" ", agrees=True, text="可以", at=NOON)
    assert "没有署名" in _refused(unsigned)


def test_what_was_posted_is_not_changed_on_the_way() -> None:
    assert "不能同时改“榜金（万元）”" in _refused(
        lambda: _move(make_posted(), "extend", deadline=DEADLINE + DAY, reason="x", bounty=1)
    )
    assert "不能直接修改" in _refused(lambda: _move(make_task(), "amend", valid_bids=("a",)))
    assert _move(make_task(), "amend", bounty="12.5").bounty == 125_000


def test_a_deadline_is_only_put_off_and_only_while_it_runs() -> None:
    task = make_posted()
    assert _move(task, "extend", deadline=DEADLINE + DAY, reason="应要求").deadline == DEADLINE + DAY
    for values, at, message in (
        ({"deadline": DEADLINE, "reason": "x"}, NOON, "新的截止时间不晚于原来的"),
        ({"deadline": DEADLINE + DAY}, NOON, "没有写理由"),
        ({"deadline": DEADLINE + DAY, "reason": "x"}, OPENING, "截止"),
    ):
        assert message in _refused(partial(_move, task, "extend", at=at, **values))


def test_bids_are_judged_from_the_second_after_the_deadline() -> None:
    task = make_posted()
    for at, allowed in (
        (DEADLINE, False),
        (DEADLINE + timedelta(microseconds=999_999), False),
        (OPENING, True),
    ):
        moment = at.replace(microsecond=0)
        given = {"unsealed_at": moment, "bids": 1, "valid_bids": ("a",)}
        found = {
            open.move.name: open for open in moves_from(task, task_rules(), role=SYSTEM, at=at, values=given)
        }
        assert (not found["evaluate"].problems) is allowed
        given["valid_bids"] = ()
        found = {
            open.move.name: open for open in moves_from(task, task_rules(), role=SYSTEM, at=at, values=given)
        }
        assert (not found["void"].problems) is allowed
        assert found["evaluate"].problems
    assert _move(task, "void", at=OPENING, unsealed_at=OPENING, bids=0).state == "failed"
    assert "有有效投标" in _refused(
        lambda: _move(task, "void", at=OPENING, unsealed_at=OPENING, valid_bids=("a",))
    )
    assert "连同全部投标" in _refused(lambda: _move(task, "evaluate", at=OPENING, valid_bids=("a",)))


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ((_decision("a", 1, won=True),), "有的有效投标没有评分"),
        ((_decision("a", 1, won=True), _decision("c", 2, won=False)), "有的有效投标没有评分"),
        ((_decision("a", 1, won=True, reason=" "), _decision("b", 2, won=False)), "没有写评审理由"),
        ((_decision("a", 1, won=False), _decision("b", 2, won=True)), "名次与中榜不一致"),
        ((_decision("a", 1, won=True), _decision("b", 3, won=False)), "名次与中榜不一致"),
        ((_decision("a", 1, won=True), _decision("b", 2, won=True)), "中榜 2 家，应为 1 家"),
        ((_decision("a", 1, won=False), _decision("b", 2, won=False)), "中榜 0 家，应为 1 家"),
    ],
)  # fmt: skip
def test_an_award_decides_every_valid_bid_with_its_reason(
    decisions: tuple[Decision, ...], message: str
) -> None:
    assert message in _refused(lambda: _decided(_evaluating(), decisions))


def test_a_race_is_awarded_to_two_or_three() -> None:
    one = (_decision("a", 1, won=True), _decision("b", 2, won=False))
    both = (_decision("a", 1, won=True), _decision("b", 2, won=True))
    racing = _evaluating(selection="赛马")
    assert _decided(racing, both).state == "awarded"
    assert "应为 2 至 3 家" in _refused(lambda: _decided(racing, one))


def test_a_contract_waits_for_the_award_to_be_in_force_and_stays_within_the_bounty() -> None:
    task, plan = _awarded(), OPENING + 60 * DAY
    milestones = (Milestone(name="样机", planned=plan, amount=YUAN),)
    proposed = _move(_evaluating(), "award", at=OPENING)
    gave_up = _move(
        task, "abandon", role=SYSTEM, at=OPENING,
        decisions=(task.decisions[0].model_copy(update={"abandoned": True}), task.decisions[1]),
    )  # fmt: skip
    cheaper = task.model_copy(
        update={"decisions": tuple(one.model_copy(update={"amount": 2_800_000}) for one in task.decisions)}
    )
    assert (signed(task, milestones, at=OPENING).state, gave_up.winners) == ("contracted", ())
    for before, given, message in (
        (proposed, milestones, "定标还没有生效"),
        (gave_up, milestones, "中榜 0 家，应为 1 家"),
        (task, (), "没有里程碑"),
        (task, (Milestone(name="样机", planned=plan, amount=YUAN + 1),), "超过榜金 300 万元"),
        (task, (*milestones, Milestone(name="样机", planned=plan, amount=0)), "里程碑重名"),
        (cheaper, milestones, "超过中榜投标的申请金额 280 万元"),
    ):
        assert message in _refused(partial(signed, before, given, at=OPENING))


def test_a_winner_that_gives_up_changes_nothing_else() -> None:
    task = _awarded()
    won, lost = task.decisions
    gone = {"abandoned": True}
    for decisions in (task.decisions, (won, lost.model_copy(update=gone)), (won.model_copy(update=gone),)):
        told = _refused(partial(_move, task, "abandon", role=SYSTEM, at=OPENING, decisions=decisions))
        assert "放弃中榜应连同投标一起办理" in told


@pytest.mark.parametrize("name", sorted(TOGETHER))
def test_a_move_that_goes_with_others_is_not_made_alone(store: Store, name: str) -> None:
    put_processes(store, [_evaluating()])
    with pytest.raises(Refused) as refused:
        move_task(store, "BD-2026-001", name, role=OFFICER, values={}, actor="甲", at=OPENING)
    assert refused.value.code == "move_together"


def test_milestones_are_only_recorded_as_done_with_evidence() -> None:
    two = tuple(Milestone(name=name, planned=OPENING + 60 * DAY, amount=1) for name in ("样机", "试飞"))
    at = OPENING + 20 * DAY
    task = signed(_awarded(), two, at=at)
    assert "没有写证明" in _refused(lambda: with_milestone(task, "样机", role=OFFICER, note=" ", at=at))
    assert "“样机、试飞”还没有完成" in _refused(lambda: _move(task, "assess", at=at))
    done = with_milestone(task, "样机", role=OFFICER, note="报告", at=at)
    assert "已记为完成" in _refused(
        lambda: with_milestone(done, "样机", role=OFFICER, note="改", at=at + DAY)
    )
    dearer = (two[0].model_copy(update={"amount": 2}), two[1])
    assert "签约后不变" in _refused(lambda: _move(task, "record", at=at, milestones=dearer))


def test_nobody_is_invited_twice_or_after_the_deadline() -> None:
    one = Invitation(key="k1", name="甲", at=NOON)
    task = _move(make_posted(), "invite", invited=(one,))
    assert "邀请了两次" in _refused(lambda: _move(task, "invite", invited=(one, one)))
    assert "没有新的邀请" in _refused(lambda: _move(task, "invite", invited=()))
    other = Invitation(key="k2", name="乙", at=NOON)
    assert "截止" in _refused(lambda: _move(task, "invite", at=OPENING, invited=(one, other)))


@pytest.mark.parametrize(("name", "source"), [("reject", "registered"), ("cancel", "contracted"), ("fail", "evaluating"), ("return", "reviewing")])  # fmt: skip
def test_a_decision_against_somebody_says_why(name: str, source: str) -> None:
    task = make_task().model_copy(update={"state": source})
    assert _refused(lambda: _move(task, name, reason=" ")) == "没有写理由。"
    assert _move(task, name, reason="条件变了").reason == "条件变了"


def test_numbers_are_counted_on_within_the_year(store: Store) -> None:
    put_processes(
        store,
        [make_task("BD-2026-002"), make_task("BD-2025-009"), make_task("BD-2026-x"), make_task("BD-20260-7")],
    )
    assert next_id(Task, store, "BD", NOON) == "BD-2026-003"
    assert next_id(Task, store, "XX", NOON) == "XX-2026-001"


def test_of_two_officers_at_once_the_second_is_refused_and_nothing_is_written(store: Store) -> None:
    put_processes(store, [make_task()])
    since = store.revision()
    move_task(store, "BD-2026-001", "submit", role=OFFICER, values={}, actor="甲", at=NOON)
    head = store.head()
    late = PutProcess(process=_move(make_task(), "reject", reason="x"))
    with pytest.raises(Refused) as refused:
        carry_out(store, [late], actor="乙", at=NOON, reason="", since=since)
    assert _codes(refused.value) == ("plan_stale", "刚刚有别人改动了同一记录，这次没有写入任何内容。")
    assert store.head() == head


def test_steps_write_one_revision_each_and_read_back_as_they_were(store: Store) -> None:
    task = add_task(store, lambda id: make_task(id), actor="甲", at=NOON, reason="登记")
    assert (task.id, store.process(Task, task.id)) == ("BD-2026-001", task)
    move_task(store, task.id, "submit", role=OFFICER, values={}, actor="甲", at=NOON)
    after = change_task(
        store, task.id, lambda one: with_opinion(one, expert="程某", agrees=True, text="好", at=NOON), actor="程某", at=NOON,
        reason="意见",
    )  # fmt: skip
    assert (store.revision(), store.process(Task, task.id)) == (3, after)
    assert "没有编号为“x”的榜单" in _refused(
        lambda: move_task(store, "x", "submit", role=OFFICER, values={}, actor="甲", at=NOON)
    )


def test_parts_of_a_later_version_are_read_without_what_is_not_known() -> None:
    assert Criterion.model_validate({"name": "技术", "weight": 1, "later": 2}) == Criterion(
        name="技术", weight=1
    )
