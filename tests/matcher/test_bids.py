"""Bids: who may see one, its one id, its states."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.problems import Refused
from graph.processes import moved, opened
from matcher.bids import BIDDER, STATES, Bid, Viewer, bid_id, bid_rules, own_bids, seen_bid, seen_count
from matcher.parties import Party
from matcher.tasks import EXPERT, LABELS, OFFICER, POSTER, SYSTEM
from tests.factories import NOON
from tests.matcher.boards import DEADLINE, OPENING, bid_values, firm, make_posted

PARTIES = [firm(1), firm(2), make_posted().poster_party, Party(name=firm(1).name), Party(name="")]
ROLES = [OFFICER, EXPERT, POSTER, BIDDER, SYSTEM, "public", "partner", ""]


def make_bid(number: int = 1, task: str = "BD-2026-001", **values: Any) -> Bid:
    given = bid_values(number, task=task, submitted_at=NOON, deadline=DEADLINE) | values
    return opened(Bid, bid_rules(), id=bid_id(task, firm(number)), at=NOON, **given)


def _move(bid: Bid, name: str, *, role: str = BIDDER, at: Any = NOON, **values: Any) -> Bid:
    return moved(bid, bid_rules(), name, role=role, at=at, values=values)


@given(
    role=st.sampled_from(ROLES), party=st.sampled_from([None, *PARTIES]), number=st.sampled_from([1, 2]),
    state=st.sampled_from(list(STATES)), stage=st.sampled_from(list(LABELS)), unsealed=st.booleans(),
    task=st.sampled_from(["BD-2026-001", "BD-2026-002"]),
)  # fmt: skip
def test_nobody_sees_a_sealed_bid_but_its_bidder_and_bidders_never_see_one_another(
    role: str, party: Party | None, number: int, state: str, stage: str, unsealed: bool, task: str
) -> None:
    board = make_posted().model_copy(update={"unsealed_at": OPENING if unsealed else None, "state": stage})
    bid = make_bid(number, task).model_copy(update={"state": state})
    seen = seen_bid(bid, board, Viewer(role=role, party=party))
    assert seen in (None, bid)
    if role == BIDDER:
        assert (seen is not None) == (party == firm(number) and task == board.id)
    elif not unsealed or state in ("submitted", "withdrawn") or task != board.id:
        assert seen is None
    elif role == POSTER:
        assert (seen is not None) == (party == board.poster_party)
    else:
        assert (seen is not None) == (role in (OFFICER, EXPERT))


@given(role=st.sampled_from(ROLES), unsealed=st.booleans(), count=st.integers(0, 9))
def test_only_officers_know_how_many_before_the_opening(role: str, unsealed: bool, count: int) -> None:
    board = make_posted().model_copy(update={"unsealed_at": OPENING if unsealed else None, "bids": count})
    assert seen_count(board, Viewer(role=role)) == (count if unsealed or role == OFFICER else None)


def test_a_bidder_has_one_bid_a_task_whatever_its_spelling() -> None:
    spellings = [Party(name="珠海云岬航空科技有限公司"), Party(name="云岬航空 科技公司")]
    assert len({bid_id("t", party) for party in spellings}) == 1
    coded = [Party(name="甲", uscc=firm(1).uscc), Party(name="乙", uscc=firm(1).uscc)]
    assert len({bid_id("t", party) for party in coded}) == 1
    ids = {bid_id(task, firm(number)) for task in ("t", "u") for number in (1, 2)}
    assert len(ids) == 4
    assert own_bids([make_bid(1), make_bid(2)], firm(2)) == [make_bid(2)]


def test_a_bid_is_replaced_and_withdrawn_to_the_last_second_of_the_deadline() -> None:
    last = DEADLINE + timedelta(microseconds=999_999)
    bid = make_bid()
    gone = _move(bid, "withdraw", at=last, deadline=DEADLINE)
    back = _move(gone, "replace", at=last, deadline=DEADLINE, amount="100")
    assert (gone.state, back.state, back.amount, back.scheme) == (
        "withdrawn",
        "submitted",
        1_000_000,
        bid.scheme,
    )
    for name in ("withdraw", "replace"):
        with pytest.raises(Refused, match="截止，不能再投标、替换或撤回"):
            _move(bid, name, at=OPENING, deadline=DEADLINE)
        with pytest.raises(Refused, match="没有投标截止"):
            _move(bid, name)


def test_content_is_fixed_once_bids_are_open() -> None:
    bid = _move(make_bid(), "open", role=SYSTEM, at=OPENING)
    won = _move(bid, "win", role=SYSTEM, at=OPENING, reason="全面")
    assert (bid.state, won.state, won.reason) == ("opened", "won", "全面")
    for name, values in (("win", {"amount": 1, "reason": "x"}), ("lose", {"scheme": "改", "reason": "x"})):
        with pytest.raises(Refused, match="投标内容在截止后不能改动"):
            _move(bid, name, role=SYSTEM, at=OPENING, **values)
    with pytest.raises(Refused, match="没有写不合格原因"):
        _move(make_bid(), "refuse", role=SYSTEM, at=OPENING)
    with pytest.raises(Refused, match="没有写理由"):
        _move(won, "abandon", at=OPENING)
