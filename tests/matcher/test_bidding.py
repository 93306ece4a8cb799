"""Bids in a store: any sequence of steps agrees with a plain model, stays sealed, and can be played again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from graph.problems import Refused
from graph.store.store import Store, open_store
from matcher import awarding
from matcher.awards import Award
from matcher.bidding import abandon, check_bid, hand_in, open_bids, ranked, withdraw
from matcher.bids import BIDDER, Bid, Member, Viewer, bid_id, seen_bid
from matcher.task_steps import move_task
from matcher.tasks import EXPERT, OFFICER, POSTER, Task
from tests.factories import NOON, make_achievement, put
from tests.matcher.boards import (
    DAY,
    DEADLINE,
    OPENING,
    bid_values,
    bids_of,
    firm,
    make_posted,
    plays_again,
    points,
    put_processes,
    uscc,
)
from tests.matcher.test_bids import make_bid

ID = "BD-2026-001"


@pytest.fixture
def board(store: Store) -> Store:
    """A store with one task that takes bids."""
    put_processes(store, [make_posted()])
    return store


def _put_in(store: Store, *numbers: int, at: datetime = NOON) -> list[str]:
    for number in numbers:
        assert hand_in(store, ID, values=bid_values(number), at=at).bid is not None
    return [bid_id(ID, firm(number)) for number in numbers]


def _task(store: Store) -> Task:
    task = store.process(Task, ID)
    assert task is not None
    return task


def test_a_bid_with_faults_is_not_kept_and_every_fault_is_told(board: Store) -> None:
    head = board.head()
    found = hand_in(board, ID, values=bid_values(1, amount=None, dishonest=None), at=NOON)
    assert (found.bid, [p.code for p in found.problems if p.severity == "error"]) == (None, ["bid_dishonest_unknown", "bid_amount"])  # fmt: skip
    assert found == check_bid(board, ID, values=bid_values(1, amount=None, dishonest=None), at=NOON)
    assert board.head() == head


def test_a_bid_again_replaces_the_first_whatever_the_spelling(board: Store) -> None:
    _put_in(board, 1)
    again = {"bidder": "第1号航空科技公司", "bidder_uscc": f" {uscc(1).lower()} ", "amount": "100"}
    found = hand_in(board, ID, values=again, at=NOON + DAY)
    (bid,) = bids_of(board)
    assert (found.bid, found.replaced, bid.amount, bid.submitted_at) == (bid, True, 1_000_000, NOON + DAY)
    assert (bid.scheme, _task(board).bids) == (bid_values()["scheme"], 1)


def test_a_record_that_is_not_there_refuses_and_one_of_others_is_told(board: Store) -> None:
    put(board, make_achievement("CG-1", owner=firm(2).name, owner_uscc=firm(2).uscc))
    told = {
        record: [p.code for p in check_bid(board, ID, values=bid_values(1, record=record), at=NOON).problems]
        for record in ("CG-1", "CG-9")
    }
    assert told == {
        "CG-1": ["bid_unresolved", "bid_record_of_others"],
        "CG-9": ["bid_unresolved", "bid_record_unknown"],
    }
    own = check_bid(board, ID, values=bid_values(2, record="CG-1"), at=NOON)
    assert [p.code for p in own.problems] == ["bid_unresolved"]


def test_the_history_of_a_sealed_bid_does_not_say_who_bids(board: Store) -> None:
    _put_in(board, 1)
    withdraw(board, ID, firm(1), at=NOON)
    told = [(revision.actor, revision.reason) for revision in board.revisions()]
    assert told[:2] == [("投标人", "撤回投标"), ("投标人", "收到投标")]


def test_opening_checks_anew_and_keeps_the_task_and_its_bids_together(board: Store) -> None:
    first, second, third = _put_in(board, 1, 2, 3)
    withdraw(board, ID, firm(3), at=NOON)
    now = board.process(Bid, second)
    assert now is not None
    # A rule that the bid has come to break since.
    put_processes(board, [now.model_copy(update={"amount": 10**9})])
    opening = open_bids(board, ID, actor="甲", at=OPENING)
    states = {bid.id: bid.state for bid in bids_of(board)}
    assert states == {first: "opened", second: "invalid", third: "withdrawn"}
    task = _task(board)
    assert (opening.task, task.state, task.bids, task.valid_bids) == (task, "evaluating", 2, (first,))
    invalid = board.process(Bid, second)
    assert invalid is not None
    assert invalid.faults == ("申请金额 100,000 万元 超过榜金 300 万元",)


def test_without_a_valid_bid_the_task_comes_to_nothing(board: Store) -> None:
    assert open_bids(board, ID, actor="甲", at=OPENING).task.state == "failed"
    with pytest.raises(Refused, match="榜单现在是“流标”"):
        open_bids(board, ID, actor="甲", at=OPENING)


def test_related_bidders_are_told_to_officers_at_the_opening(board: Store) -> None:
    joint = (
        Member(name=firm(1).name, uscc=firm(1).uscc, leads=True),
        Member(name=firm(2).name, uscc=firm(2).uscc),
    )
    assert hand_in(board, ID, values=bid_values(1, members=joint), at=NOON).bid
    _put_in(board, 2, 3)
    notes = open_bids(board, ID, actor="甲", at=OPENING).notes
    told = {id: [p.message for p in found if p.code == "bid_joint"] for id, found in notes.items()}
    one, two, three = (bid_id(ID, firm(n)) for n in (1, 2, 3))
    assert told == {
        one: [f"与“{firm(2).name}”的投标有同一单位"], two: [f"与“{firm(1).name}”的投标有同一单位"], three: [],
    }  # fmt: skip


def test_of_two_clerks_of_one_bidder_the_second_is_refused(
    board: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = Store.apply

    def slower(self: Store, *given: Any, **named: Any) -> Any:
        monkeypatch.setattr(Store, "apply", apply)
        hand_in(board, ID, values=bid_values(1, scheme="甲办的"), at=NOON)
        return apply(self, *given, **named)

    monkeypatch.setattr(Store, "apply", slower)
    with pytest.raises(Refused) as refused:
        hand_in(board, ID, values=bid_values(1, scheme="乙办的"), at=NOON)
    assert (refused.value.code, [bid.scheme for bid in bids_of(board)]) == ("bid_twice", ["甲办的"])


def test_a_bid_cannot_be_withdrawn_while_or_after_it_is_opened(
    board: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put_in(board, 1, 2)
    # The bidder's clerk has looked before the deadline; the officer opens before the clerk writes.
    apply = Store.apply

    def slower(self: Store, *given: Any, **named: Any) -> Any:
        monkeypatch.setattr(Store, "apply", apply)
        open_bids(board, ID, actor="甲", at=OPENING)
        return apply(self, *given, **named)

    monkeypatch.setattr(Store, "apply", slower)
    with pytest.raises(Refused) as refused:
        withdraw(board, ID, firm(1), at=DEADLINE)
    assert (refused.value.code, refused.value.remedy) == (
        "bid_late", "截止后不得撤回；如果中榜，可书面放弃（jiebang bid abandon）。",
    )  # fmt: skip
    assert [bid.state for bid in bids_of(board)] == ["opened", "opened"]


def test_many_bidders_at_once_all_come_in_and_one_bidder_twice_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        put_processes(store, [make_posted()])
        gate, refused = Barrier(6), list[str]()

        def bid(number: int) -> None:
            gate.wait()
            try:
                hand_in(store, ID, values=bid_values(number), at=NOON)
            except Refused as error:
                refused.append(error.code)

        threads = [Thread(target=bid, args=(number,)) for number in (1, 2, 3, 4, 5, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(bids_of(store)) == _task(store).bids == 5
        assert set(refused) <= {"bid_twice"}
        assert store.verify_history() == []


def test_equal_points_stand_by_the_rule_of_the_task() -> None:
    bids = [
        make_bid(n, amount=amount, submitted_at=NOON + timedelta(hours=hour))
        for n, amount, hour in ((1, 300, 1), (2, 200, 2), (3, 300, 0), (4, 900, 9))
    ]
    scores = dict(zip([bid.id for bid in bids], points(80, 80, 80, 90), strict=True))
    order = {
        rule: [bids.index(bid) + 1 for bid in ranked(make_posted(tie_rule=rule), bids, scores)]
        for rule in ("报价低者", "先投者")
    }
    assert order == {"报价低者": [4, 2, 3, 1], "先投者": [4, 3, 1, 2]}


ANY = st.one_of(
    st.tuples(st.sampled_from(["bid", "withdraw", "abandon"]), st.integers(1, 3)),
    st.tuples(
        st.sampled_from(["open", "propose", "publish", "confirm", "take back", "cancel", "late"]), st.just(0)
    ),
)
USUAL = [("bid", 1), ("bid", 2), ("late", 0), ("open", 0), ("propose", 0), ("publish", 0), ("confirm", 0)]
# Some way along the usual course, then whatever comes.
STEPS = st.builds(
    lambda usual, more: USUAL[:usual] + more,
    st.integers(0, len(USUAL)),
    st.lists(ANY, min_size=2, max_size=9),
)


class _Model:
    """What the steps should come to, in plain words."""

    def __init__(self) -> None:
        self.stage, self.late, self.bids, self.award = "published", False, dict[int, str](), ""

    def take(self, step: str, number: int) -> bool:
        """Whether the step is allowed, and what it does."""
        state = self.bids.get(number)
        match step:
            case "bid" if self.stage == "published" and not self.late:
                self.bids[number] = "submitted"
            case "withdraw" if self.stage == "published" and not self.late and state == "submitted":
                self.bids[number] = "withdrawn"
            case "abandon" if state == "won" and self.stage == "awarded":
                self.bids[number] = "abandoned"
            case "open" if self.stage == "published" and self.late:
                self._all("submitted", "opened")
                self.stage = "evaluating" if "opened" in self.bids.values() else "failed"
            case "propose" if self.stage == "evaluating" and "opened" in self.bids.values():
                self.stage, self.award = "awarded", "proposed"
            case "publish" if self.award == "proposed":
                self.award = "notice"
            case "confirm" if self.award == "notice":
                self.award = "effective"
                self.bids[min(n for n in self.bids if self.bids[n] == "opened")] = "won"
                self._all("opened", "lost")
            case "take back" if self.stage == "awarded":
                self.stage, self.award = "evaluating", "withdrawn"
                self._all("won", "opened")
                self._all("lost", "opened")
            case "cancel" if self.stage not in ("failed", "cancelled"):
                self.stage = "cancelled"
                self.award = "withdrawn" if self.award in ("proposed", "notice") else self.award
            case "late":
                self.late = True
            case _:
                return False
        return True

    def _all(self, before: str, after: str) -> None:
        self.bids = {number: after if state == before else state for number, state in self.bids.items()}


def _take(store: Store, step: str, number: int, at: datetime) -> None:
    match step:
        case "bid":
            if hand_in(store, ID, values=bid_values(number), at=at).bid is None:
                raise Refused("faults", "", "")
        case "withdraw":
            withdraw(store, ID, firm(number), at=at)
        case "abandon":
            abandon(store, ID, firm(number), at=at, reason="产能不足")
        case "open":
            open_bids(store, ID, actor="甲", at=at)
        case "propose":
            valid = [bid for bid in bids_of(store) if bid.state == "opened"]
            scores = {bid.id: points(90 - place)[0] for place, bid in enumerate(valid)}
            awarding.propose_by_points(
                store, ID, points=scores, reasons=dict.fromkeys(scores, "好"), actor="甲", at=at
            )
        case "publish":
            awarding.publish(store, ID, actor="甲", at=at)
        case "confirm":
            awarding.confirm(store, ID, actor="甲", at=at)
        case "take back":
            awarding.withdraw(store, ID, actor="甲", at=at, reason="异议成立")
        case "cancel":
            move_task(store, ID, "cancel", role=OFFICER, values={"reason": "停"}, actor="甲", at=at)


def _nothing_contradicts(store: Store) -> None:
    """Award, task and bids say the same, whatever has happened."""
    task, award, bids = _task(store), store.process(Award, ID), bids_of(store)
    state = award.state if award else "withdrawn"
    assert (state != "withdrawn") == (task.state == "awarded") or (task.state, state) == (
        "cancelled",
        "effective",
    )
    assert bool(task.decisions) == (state == "effective")
    assert {bid.id for bid in bids if bid.state == "won"} == set(task.winners)
    if award and state == "effective":
        assert [(one.bid, one.points, one.rank, one.won) for one in task.decisions] == [
            (one.entry, Decimal(one.score), one.rank, one.entry in award.winners) for one in award.ranking
        ]
        assert {bid.id: bid.reason for bid in bids if bid.state in ("won", "lost")} == {
            one.bid: one.reason for one in task.decisions if not one.abandoned
        }


def _sees_what_it_may(store: Store, model: _Model) -> None:
    task, bids = _task(store), bids_of(store)
    opened = [bid for bid in bids if bid.state not in ("submitted", "withdrawn")]
    for role, party in ((OFFICER, None), (EXPERT, None), (POSTER, task.poster_party)):
        assert [bid for bid in bids if seen_bid(bid, task, Viewer(role=role, party=party))] == opened
    for number in (1, 2, 3):
        seen = [bid for bid in bids if seen_bid(bid, task, Viewer(role=BIDDER, party=firm(number)))]
        assert [bid.bidder for bid in seen] == [firm(number).name] * (number in model.bids)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(steps=[*USUAL, ("abandon", 1), ("take back", 0), ("propose", 0), ("publish", 0), ("confirm", 0)])
@example(steps=[*USUAL[:6], ("cancel", 0)])
@given(steps=STEPS)
def test_any_sequence_of_steps_agrees_with_the_model_and_is_played_again_from_the_history(
    emptied: Callable[[], Store], steps: list[tuple[str, int]]
) -> None:
    store, model, at = emptied(), _Model(), NOON
    put_processes(store, [make_posted(notice_days=0)])
    for step, number in steps:
        head, before = store.head(), dict(model.bids)
        at = max(at, OPENING) if step == "late" else at + timedelta(seconds=1)
        if not model.take(step, number):
            with pytest.raises(Refused):
                _take(store, step, number, at)
            assert (store.head(), model.bids) == (head, before)
        else:
            _take(store, step, number, at)
        task = _task(store)
        assert task.state == model.stage
        assert {bid.id: bid.state for bid in bids_of(store)} == {
            bid_id(ID, firm(n)): s for n, s in model.bids.items()
        }
        counting = [state for state in model.bids.values() if state != "withdrawn"]
        assert task.bids == len(counting)
        _sees_what_it_may(store, model)
        _nothing_contradicts(store)
    plays_again(store, Task, Bid, Award)
