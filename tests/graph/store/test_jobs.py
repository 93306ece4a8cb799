"""Jobs: taken by one worker at a time, in order, and by another when that one has crashed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from graph.store.jobs import Job
from graph.store.store import Store
from tests.graph.orders import NOON

LEASE = timedelta(minutes=1)
MINUTE = timedelta(minutes=1)
ASKED = {"top": 10, "scenes": ["CJ-1", "场景"], "filters": {"field": None}}


def _add(store: Store, id: str = "1", at: datetime = NOON, **asked: Any) -> Job:
    given: dict[str, Any] = {"kind": "match_all", "actor": "李明", "attributes": ASKED}
    return store.jobs.add(id=id, at=at, **given | asked)


def _take(store: Store, at: datetime = NOON, kind: str = "match_all") -> str | None:
    job = store.jobs.take(kind, at, LEASE)
    return None if job is None else job.id


def test_a_job_is_queued_taken_followed_and_ended(store: Store) -> None:
    queued = Job(
        id="1", kind="match_all", partner="甲", actor="李明", state="queued", created_at=NOON, updated_at=NOON,
        lease_until=None, done=0, total=9, attempts=0, attributes=ASKED, result=None,
    )  # fmt: skip
    assert _add(store, partner="甲", total=9) == queued == store.jobs.get("1")
    taken = replace(
        queued, state="running", updated_at=NOON + MINUTE, lease_until=NOON + 2 * MINUTE, attempts=1
    )
    assert store.jobs.take("match_all", NOON + MINUTE, LEASE) == taken == store.jobs.get("1")
    assert store.jobs.progress("1", 4, 8, NOON + 3 * MINUTE, LEASE)
    half = replace(taken, done=4, total=8, updated_at=NOON + 3 * MINUTE, lease_until=NOON + 4 * MINUTE)
    assert store.jobs.get("1") == half
    assert store.jobs.finish("1", "done", {"rows": 8, "文件": "a.xlsx"}, NOON + 5 * MINUTE)
    ended = replace(half, state="done", updated_at=NOON + 5 * MINUTE, lease_until=None)
    assert store.jobs.get("1") == replace(ended, result={"rows": 8, "文件": "a.xlsx"})
    assert (store.revision(), store.verify_history()) == (0, [])


def test_a_job_of_the_same_id_stays_as_it_is(store: Store) -> None:
    first = _add(store)
    assert _add(store, at=NOON + MINUTE, attributes={}, actor="王芳", kind="other") == first
    assert store.jobs.take("match_all", NOON, LEASE) is not None
    assert (_add(store).state, store.jobs.counts()["running"]) == ("running", 1)


def test_take_gives_the_oldest_of_the_kind(store: Store) -> None:
    for id, at in (("b", NOON), ("a", NOON), ("0", NOON + MINUTE), ("c", NOON - MINUTE)):
        _add(store, id, at)
    _add(store, "other", NOON - 9 * MINUTE, kind="score")
    assert [_take(store, NOON - MINUTE) for _ in range(5)] == ["c", "a", "b", "0", None]
    assert _take(store, kind="score") == "other"
    assert _take(store, kind="unknown") is None


def test_a_job_whose_lease_has_run_out_is_taken_again_before_younger_ones(store: Store) -> None:
    _add(store, "1")
    _add(store, "2", NOON + timedelta(microseconds=1))
    assert _take(store) == "1"
    store.jobs.progress("1", 3, 9, NOON + MINUTE / 2, LEASE)
    before = NOON + MINUTE / 2 + LEASE - timedelta(microseconds=1)
    assert _take(store, before) == "2"
    assert _take(store, before) is None
    again = store.jobs.take("match_all", before + timedelta(microseconds=1), LEASE)
    assert again is not None
    assert (again.id, again.done, again.total, again.attempts) == ("1", 3, 9, 2)


def test_a_job_that_is_about_to_write_is_kept_but_no_longer_cancelled(store: Store) -> None:
    _add(store)
    assert not store.jobs.keep("1", NOON, LEASE)
    _take(store)
    assert store.jobs.progress("1", 0, 9, NOON, LEASE)
    assert not store.jobs.cancel("1", NOON)
    # Keeping a job says nothing of how far it is.
    assert store.jobs.keep("1", NOON + MINUTE, LEASE)
    kept = store.jobs.get("1")
    assert kept is not None
    assert (kept.state, kept.total, kept.lease_until) == ("running", 9, NOON + 2 * MINUTE)


def test_a_cancelled_job_tells_its_worker_to_leave_off(store: Store) -> None:
    _add(store)
    _add(store, "2")
    assert (store.jobs.cancel("2", NOON), _take(store), _take(store)) == (True, "1", None)
    assert store.jobs.cancel("1", NOON + MINUTE)
    cancelled = store.jobs.get("1")
    assert cancelled is not None
    assert (cancelled.state, cancelled.updated_at, cancelled.lease_until) == (
        "cancelled",
        NOON + MINUTE,
        None,
    )
    assert not store.jobs.progress("1", 5, 9, NOON + 2 * MINUTE, LEASE)
    assert not store.jobs.finish("1", "done", {}, NOON + 2 * MINUTE)
    assert not store.jobs.cancel("1", NOON + 2 * MINUTE)
    assert (store.jobs.get("1"), _take(store, NOON + 9 * MINUTE)) == (cancelled, None)


def test_what_has_ended_or_never_was_is_not_changed(store: Store) -> None:
    _add(store)
    assert not store.jobs.finish("1", "failed", None, NOON)
    assert not store.jobs.progress("1", 1, 1, NOON, LEASE)
    _take(store)
    assert store.jobs.finish("1", "failed", {"message": "读不出来"}, NOON)
    failed = store.jobs.get("1")
    for changed in (
        store.jobs.finish("1", "done", None, NOON + MINUTE),
        store.jobs.cancel("1", NOON + MINUTE),
        store.jobs.cancel("2", NOON),
        store.jobs.progress("2", 1, 1, NOON, LEASE),
    ):
        assert not changed
    assert (store.jobs.get("1"), store.jobs.get("2"), _take(store, NOON + 9 * MINUTE)) == (failed, None, None)


@pytest.mark.parametrize("id", ["", "1\x00", "\ud800", "1 "])
def test_an_id_that_no_job_can_have_is_nobodys(store: Store, id: str) -> None:
    first = _add(store)
    assert (store.jobs.get(id), store.jobs.cancel(id, NOON)) == (None, False)
    assert store.jobs.list(after=(NOON + MINUTE, id)) == [first]


def test_list_gives_the_newest_first_in_pages(store: Store) -> None:
    jobs = [
        _add(store, id, at, partner=partner)
        for id, at, partner in (
            ("a", NOON, "甲"),
            ("b", NOON, "乙"),
            ("c", NOON, "甲"),
            ("0", NOON + MINUTE, ""),
            ("z", NOON - MINUTE, "甲"),
        )
    ]
    newest = [jobs[n] for n in (3, 2, 1, 0, 4)]
    assert store.jobs.list() == newest
    assert store.jobs.list("甲") == [jobs[n] for n in (2, 0, 4)]
    assert store.jobs.list("") == [jobs[3]]
    assert [store.jobs.list(limit=limit) for limit in (-1, 0, 2)] == [[], [], newest[:2]]
    for start in range(5):
        assert store.jobs.list(after=newest[start].cursor, limit=2) == newest[start + 1 : start + 3]
    assert store.jobs.list("甲", jobs[2].cursor, 1) == [jobs[0]]


def test_counts_and_prune_go_by_state(store: Store) -> None:
    assert store.jobs.counts() == {"queued": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    for number in range(5):
        _add(store, str(number), NOON + number * MINUTE)
    store.jobs.finish(str(_take(store)), "done", None, NOON + MINUTE)
    store.jobs.finish(str(_take(store)), "failed", None, NOON + MINUTE)
    store.jobs.cancel(str(_take(store)), NOON)
    _take(store)
    assert store.jobs.counts() == {"queued": 1, "running": 1, "done": 1, "failed": 1, "cancelled": 1}
    assert [store.jobs.prune(NOON + MINUTE), store.jobs.prune(NOON + 9 * MINUTE)] == [1, 2]
    assert store.jobs.counts() == {"queued": 1, "running": 1, "done": 0, "failed": 0, "cancelled": 0}


@pytest.mark.parametrize("at", [NOON, NOON + 2 * LEASE])
def test_of_many_who_take_at_once_each_gets_another(store: Store, at: datetime) -> None:
    for number in range(8):
        _add(store, str(number))
    abandoned = {_take(store), _take(store)}
    together = Barrier(4)

    def take(_: int) -> list[str | None]:
        together.wait()
        return [_take(store, at) for _ in range(3)]

    with ThreadPoolExecutor(4) as threads:
        found = [id for ids in threads.map(take, range(4)) for id in ids if id]
    wanted = {str(number) for number in range(8)} - (abandoned if at == NOON else set())
    assert sorted(found) == sorted(wanted)


def test_a_time_without_zone_is_an_error_of_the_program(store: Store) -> None:
    bare = datetime(2026, 3, 1)
    _add(store)
    for wrong in (
        lambda: _add(store, "2", bare),
        lambda: store.jobs.take("match_all", bare, LEASE),
        lambda: store.jobs.progress("1", 1, 1, bare, LEASE),
        lambda: store.jobs.cancel("1", bare),
        lambda: store.jobs.prune(bare),
    ):
        with pytest.raises(ValueError, match="time zone"):
            wrong()
    assert store.jobs.counts()["queued"] == 1


def test_jobs_are_listed_by_kind(store: Store) -> None:
    for number, kind in enumerate(("bulk", "assignment", "bulk")):
        _add(store, str(number), NOON + number * MINUTE, kind=kind)
    assert [job.id for job in store.jobs.list(kind="bulk")] == ["2", "0"]
    assert [job.id for job in store.jobs.list(kind="bulk", limit=1)] == ["2"]
    assert [job.id for job in store.jobs.list()] == ["2", "1", "0"]
