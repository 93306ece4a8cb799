import pytest

from graph.problems import Refused
from graph.store.store import Store
from matcher.bidding import hand_in, open_bids
from matcher.roadshow_steps import restored, shortlist_of, with_plan
from matcher.roadshows import edited, released
from matcher.tasks import Task
from tests.factories import NOON, make_achievement, put
from tests.matcher.boards import OPENING, bid_values, firm, make_posted, put_processes
from tests.matcher.test_roadshows import AT, STAGE, a_roadshow

ID = "BD-2026-001"


def the_task(store: Store) -> Task:
    task = store.process(Task, ID)
    assert task is not None
    return task


def test_shortlist_is_of_opened_bids_with_a_stored_achievement_and_sealed_before(store: Store) -> None:
    put_processes(store, [make_posted()])
    put(store, make_achievement("CG-1"), make_achievement("CG-2"))
    for number, record in ((1, "CG-2"), (2, ""), (3, "CG-1")):
        assert hand_in(store, ID, values=bid_values(number, record=record), at=NOON).bid is not None
    with pytest.raises(Refused) as sealed:
        shortlist_of(store, the_task(store))
    assert sealed.value.code == "shortlist_sealed"
    open_bids(store, ID, at=OPENING, actor="程某")
    assert shortlist_of(store, the_task(store)) == (
        ["CG-1", "CG-2"], [f"{firm(2).name}的投标没有对应库中的成果，不能列入；请先把成果入库"],
    )  # fmt: skip


def test_shortlist_without_any_achievement_is_refused(store: Store) -> None:
    put_processes(store, [make_posted()])
    assert hand_in(store, ID, values=bid_values(1), at=NOON).bid is not None
    open_bids(store, ID, at=OPENING, actor="程某")
    with pytest.raises(Refused) as refused:
        shortlist_of(store, the_task(store))
    assert refused.value.code == "shortlist_empty"


def test_plan_of_the_day_is_the_next_draft_and_leaves_the_lineup() -> None:
    planned = with_plan(a_roadshow(), role="staff", at=AT, timetable={"slots": [1]})
    assert (planned.timetable, planned.meetings, planned.draft, planned.stage) == (
        {"slots": [1]},
        None,
        1,
        STAGE,
    )
    assert with_plan(planned, role="staff", at=AT, meetings={"a": 1}).timetable == {"slots": [1]}


def test_going_back_is_a_new_draft_with_the_content_of_then() -> None:
    old = a_roadshow()
    changed = edited(old, role="staff", at=AT, stage=STAGE[:1], numbers={"pitches": 1}, timetable={"a": 1})
    back = restored(changed, old, role="staff", at=AT)
    assert back == old.model_copy(update={"draft": 2, "state": back.state, "moved_at": back.moved_at})


def test_going_back_to_a_version_leaves_the_rules() -> None:
    first = released(a_roadshow(), (), by="林屿", role="staff", at=AT)
    changed = edited(first, role="staff", at=AT, stage=STAGE[:1], numbers={"pitches": 1})
    back = restored(changed, first.versions[0], role="staff", at=AT)
    assert (back.stage, back.numbers, back.draft, back.versions) == (STAGE, {"pitches": 1}, changed.draft + 1, first.versions)  # fmt: skip
