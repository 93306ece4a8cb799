"""The outbox: every change once, in order per record, until it arrives or is given up."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.kinds import Scene
from graph.store.changes import PutNode
from graph.store.outbox import Delivery, NewDelivery
from graph.store.store import Store
from tests.graph.orders import NOON

LEASE = timedelta(minutes=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def _change(store: Store, *ids: str) -> None:
    number = store.revision() + 1
    nodes = [PutNode(node=Scene(id=id, title=f"第 {number} 版")) for id in ids]
    store.apply(nodes, actor="张三", at=NOON, reason="")


def _new(subject: str = "a", webhook: str = "w", at: datetime = NOON) -> NewDelivery:
    return NewDelivery(
        webhook=webhook, partner="甲", subject=subject, event="scene.changed", seq=1, body='{"题目":"海岛"}', at=at
    )  # fmt: skip


def _queue(store: Store, *deliveries: NewDelivery) -> list[Delivery]:
    """The deliveries as they wait in the outbox."""
    mark, _ = store.outbox.unread(0)
    assert store.outbox.fan_out(mark, mark, deliveries)
    hooks = dict.fromkeys(delivery.webhook for delivery in deliveries)
    waiting = [one for hook in hooks for one in store.outbox.log(hook, limit=9999) if one.state == "waiting"]
    return sorted(waiting, key=lambda one: one.id)


def _due(store: Store, at: datetime = NOON, limit: int = 99) -> list[int]:
    return [one.id for one in store.outbox.due(at, limit, LEASE)]


def _states(store: Store, webhook: str = "w") -> Sequence[str]:
    """Of a webhook's deliveries, oldest first."""
    return [one.state for one in store.outbox.log(webhook)][::-1]


def test_the_mark_begins_at_the_end_of_the_history_and_follows_it(store: Store) -> None:
    _change(store, "1", "2")
    assert (store.outbox.unread(9), store.outbox.unread(9)) == ((2, []), (2, []))
    _change(store, "1", "3")
    _change(store, "2")
    changes = [store.history_of("scene", id)[-1] for id in "132"]
    assert store.outbox.unread(9) == (2, changes)
    assert [store.outbox.unread(limit) for limit in (-1, 0, 1)] == [(2, []), (2, []), (2, changes[:1])]
    assert store.outbox.fan_out(2, 4, [_new("3"), _new("1")])
    assert store.outbox.unread(9) == (4, changes[2:])
    assert store.outbox.fan_out(4, 5, [])
    assert (store.outbox.unread(9), _states(store)) == ((5, []), ["waiting", "waiting"])
    # What is sent is no change of what is true.
    assert (store.revision(), store.verify_history()) == (3, [])


def test_of_two_who_fan_the_same_changes_out_the_slower_does_nothing(store: Store) -> None:
    store.outbox.unread(9)
    _change(store, "1")
    assert store.outbox.fan_out(0, 1, [_new()])
    assert not store.outbox.fan_out(0, 1, [_new()])
    assert not store.outbox.fan_out(2, 3, [_new()])
    assert (store.outbox.unread(9), _states(store)) == ((1, []), ["waiting"])


def test_fan_out_before_anything_was_read_does_nothing(store: Store) -> None:
    assert not store.outbox.fan_out(0, 0, [_new()])
    assert _states(store) == []


def test_a_delivery_waits_is_tried_again_and_arrives(store: Store) -> None:
    (queued,) = _queue(store, _new())
    assert queued == Delivery(
        id=queued.id, webhook="w", partner="甲", subject="a", event="scene.changed", seq=1, body='{"题目":"海岛"}',
        state="waiting", attempts=0, due_at=NOON, last_at=None, last_status=None, last_error="", created_at=NOON,
    )  # fmt: skip
    assert store.outbox.due(NOON - SECOND, 9, LEASE) == []
    assert store.outbox.due(NOON, 9, LEASE) == [queued]
    store.outbox.postpone(queued.id, 503, "忙\x00" + "x" * 999, NOON + SECOND, NOON + 5 * MINUTE)
    tried = replace(
        queued, attempts=1, due_at=NOON + 5 * MINUTE, last_at=NOON + SECOND, last_status=503, last_error="忙" + "x" * 499
    )  # fmt: skip
    assert store.outbox.log("w") == [tried]
    assert store.outbox.due(NOON + 5 * MINUTE - SECOND, 9, LEASE) == []
    assert store.outbox.due(NOON + 5 * MINUTE, 9, LEASE) == [tried]
    store.outbox.delivered(queued.id, 204, NOON + 6 * MINUTE)
    arrived = replace(
        tried, state="delivered", attempts=2, due_at=NOON + 6 * MINUTE, last_at=NOON + 6 * MINUTE, last_status=204,
        last_error="",
    )  # fmt: skip
    assert store.outbox.log("w") == [arrived]
    # It has arrived: what comes later is not of it.
    store.outbox.postpone(queued.id, None, "", NOON + 9 * MINUTE, NOON)
    store.outbox.give_up(queued.id, None, "", NOON + 9 * MINUTE)
    assert (store.outbox.log("w"), _due(store, NOON + 99 * MINUTE)) == ([arrived], [])


def test_a_delivery_that_is_held_waits_without_an_attempt(store: Store) -> None:
    held, arrived = _queue(store, _new("a"), _new("b"))
    assert _due(store) == [held.id, arrived.id]
    store.outbox.delivered(arrived.id, 200, NOON)
    store.outbox.hold(held.id, NOON + 5 * MINUTE)
    store.outbox.hold(arrived.id, NOON + 5 * MINUTE)
    assert _due(store, NOON + 5 * MINUTE - SECOND) == []
    assert store.outbox.due(NOON + 5 * MINUTE, 9, LEASE) == [replace(held, due_at=NOON + 5 * MINUTE)]
    assert _states(store) == ["waiting", "delivered"]


def test_due_gives_of_each_webhook_and_record_the_first_that_waits(store: Store) -> None:
    a1, a2, b1, other = _queue(store, _new("a"), _new("a"), _new("b"), _new("a", webhook="v"))
    assert _due(store, limit=0) == []
    assert _due(store) == [a1.id, b1.id, other.id]
    assert _due(store) == []
    store.outbox.postpone(a1.id, None, "没有应答", NOON, NOON + 9 * MINUTE)
    store.outbox.delivered(b1.id, 200, NOON)
    # a2 was due all the time, but a1 has not arrived.
    assert _due(store, NOON + 8 * MINUTE) == [other.id]
    store.outbox.give_up(a1.id, 410, "不再接收", NOON + 9 * MINUTE)
    assert (_due(store, NOON + 9 * MINUTE), _states(store)) == (
        [a2.id, other.id],
        ["failed", "waiting", "delivered"],
    )


def test_due_gives_the_longest_due_first_and_again_when_the_lease_is_over(store: Store) -> None:
    late, early, same = _queue(store, _new("a", at=NOON + SECOND), _new("b"), _new("c"))
    assert (_due(store, NOON + SECOND, 2), _due(store, NOON + SECOND, 2)) == ([early.id, same.id], [late.id])
    assert _due(store, NOON + LEASE) == []
    assert _due(store, NOON + SECOND + LEASE) == [late.id, early.id, same.id]


def test_replay_sends_again_what_has_ended(store: Store) -> None:
    arrived, failed, waiting, dropped, other = _queue(
        store, *(_new(subject) for subject in "abc"), _new("d", webhook="w2"), _new("e", webhook="v")
    )  # fmt: skip
    store.outbox.delivered(arrived.id, 200, NOON)
    store.outbox.give_up(failed.id, 500, "坏了", NOON)
    store.outbox.delivered(other.id, 200, NOON)
    assert store.outbox.drop_waiting("w2") == 1
    every = [one.id for one in (arrived, failed, waiting, dropped, other)]
    assert store.outbox.replay("w", ids=[], at=NOON) == 0
    assert store.outbox.replay("w2", ids=every, at=NOON) == 0
    assert store.outbox.replay("w", since_id=failed.id, ids=[arrived.id, dropped.id], at=NOON) == 0
    assert store.outbox.replay("w", since_id=failed.id, at=NOON + MINUTE) == 1
    again = store.outbox.log("w")[1]
    assert (again.id, again.state, again.attempts, again.due_at, again.last_error) == (
        failed.id,
        "waiting",
        0,
        NOON + MINUTE,
        "坏了",
    )
    assert store.outbox.replay("w", ids=iter(every), at=NOON) == 1
    assert (_states(store), _states(store, "w2"), _states(store, "v")) == (
        ["waiting"] * 3,
        ["dropped"],
        ["delivered"],
    )
    store.outbox.delivered(arrived.id, 200, NOON)
    store.outbox.give_up(failed.id, 500, "", NOON)
    assert store.outbox.replay("w", at=NOON) == 2


def test_what_is_dropped_stays_so_and_lets_the_next_go(store: Store) -> None:
    first, second = _queue(store, _new("a"), _new("b"))
    _queue(store, _new("a", webhook="v"))
    assert _due(store, limit=1) == [first.id]
    assert (store.outbox.drop_waiting("w"), store.outbox.drop_waiting("w")) == (2, 0)
    store.outbox.delivered(first.id, 200, NOON)
    store.outbox.postpone(second.id, None, "", NOON, NOON)
    assert (_states(store), _states(store, "v")) == (["dropped", "dropped"], ["waiting"])
    *_, third = _queue(store, _new("a"))
    assert third.id in _due(store)


def test_log_counts_and_prune(store: Store) -> None:
    assert store.outbox.counts() == {"waiting": 0, "delivered": 0, "failed": 0, "dropped": 0}
    _queue(store, _new("x", webhook="v"))
    store.outbox.drop_waiting("v")
    one, two, three, four = _queue(store, *(_new(subject) for subject in "abcd"))
    store.outbox.delivered(one.id, 200, NOON + MINUTE)
    store.outbox.give_up(two.id, None, "", NOON)
    assert [entry.id for entry in store.outbox.log("w")] == [four.id, three.id, two.id, one.id]
    assert [entry.id for entry in store.outbox.log("w", after=four.id, limit=2)] == [three.id, two.id]
    assert [store.outbox.log("w", limit=limit) for limit in (-1, 0)] == [[], []]
    assert store.outbox.log("u") == []
    assert store.outbox.counts() == {"waiting": 2, "delivered": 1, "failed": 1, "dropped": 1}
    assert [store.outbox.prune(NOON + after) for after in (timedelta(0), MINUTE, 2 * MINUTE)] == [0, 2, 1]
    assert store.outbox.counts() == {"waiting": 2, "delivered": 0, "failed": 0, "dropped": 0}


def test_a_number_is_never_given_twice(store: Store) -> None:
    (last,) = _queue(store, _new())
    store.outbox.delivered(last.id, 200, NOON)
    assert store.outbox.prune(NOON + MINUTE) == 1
    (after,) = _queue(store, _new())
    assert after.id > last.id


def test_more_deliveries_than_a_statement_holds_go_out_in_order(store: Store) -> None:
    queued = _queue(store, *(_new(f"{number:04}") for number in range(1203)))
    found = store.outbox.log("w", limit=9999)[::-1]
    assert [one.subject for one in found] == [f"{number:04}" for number in range(1203)]
    assert queued == found
    assert _due(store, limit=9999) == [one.id for one in found]
    for one in found[:3]:
        store.outbox.delivered(one.id, 200, NOON)
    assert store.outbox.replay("w", ids=[one.id for one in found], at=NOON) == 3


def test_of_many_who_send_at_once_each_delivery_has_one(store: Store) -> None:
    queued = _queue(store, *(_new(subject) for subject in "aabbccddeeff"))
    together = Barrier(4)

    def take(_: int) -> list[int]:
        together.wait()
        return [id for _ in range(4) for id in _due(store, limit=2)]

    with ThreadPoolExecutor(4) as threads:
        found = [id for ids in threads.map(take, range(4)) for id in ids]
    assert sorted(found) == [one.id for one in queued[::2]]


def test_of_many_who_begin_or_fan_out_at_once_one_moves_the_mark(store: Store) -> None:
    _change(store, "1")
    together = Barrier(4)

    def fan_out(_: int) -> tuple[int, bool]:
        together.wait()
        mark, _entries = store.outbox.unread(9)
        together.wait()
        return mark, store.outbox.fan_out(mark, mark + 1, [_new()])

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(fan_out, range(4)))
    assert sorted(found) == [(1, False)] * 3 + [(1, True)]
    assert _states(store) == ["waiting"]


def test_a_time_without_zone_is_an_error_of_the_program(store: Store) -> None:
    bare = datetime(2026, 3, 1)
    (queued,) = _queue(store, _new())
    for wrong in (
        lambda: store.outbox.fan_out(0, 0, [_new(at=bare)]),
        lambda: store.outbox.due(bare, 9, LEASE),
        lambda: store.outbox.delivered(queued.id, 200, bare),
        lambda: store.outbox.postpone(queued.id, None, "", NOON, bare),
        lambda: store.outbox.replay("w", at=bare),
        lambda: store.outbox.prune(bare),
    ):
        with pytest.raises(ValueError, match="time zone"):
            wrong()
    assert store.outbox.log("w") == [queued]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    subjects=st.lists(st.tuples(st.sampled_from("wv"), st.sampled_from("ab")), min_size=1, max_size=8),
    outcomes=st.lists(
        st.tuples(st.sampled_from(["delivered", "postponed", "given up", "crashed"]), st.integers(1, 9)),
        max_size=30,
    ),
    limit=st.integers(1, 5),
)
def test_nothing_overtakes_and_nothing_is_lost_whatever_happens(
    emptied: Callable[[], Store], subjects: list[tuple[str, str]], outcomes: list[tuple[str, int]], limit: int
) -> None:
    store, now = emptied(), NOON
    mark, _ = store.outbox.unread(9)
    store.outbox.fan_out(mark, mark, [_new(subject, webhook) for webhook, subject in subjects])
    order: dict[tuple[str, str], list[int]] = {}
    for one in sorted((one for hook in "wv" for one in store.outbox.log(hook)), key=lambda one: one.id):
        order.setdefault((one.webhook, one.subject), []).append(one.id)
    free_at: dict[int, datetime] = {}
    drawn = iter(outcomes)
    while any(order.values()):
        # Of each record the first that has not ended, if nobody has it and it is not to wait.
        ready = {ids[0] for ids in order.values() if ids and now >= free_at.get(ids[0], NOON)}
        taken = store.outbox.due(now, limit, LEASE)
        assert {one.id for one in taken} <= ready
        assert len(taken) == min(limit, len(ready))
        for one in taken:
            outcome, wait = next(drawn, ("delivered", 1))
            free_at[one.id] = now + LEASE
            if outcome == "postponed":
                free_at[one.id] = now + wait * SECOND
                store.outbox.postpone(one.id, 500, "", now, free_at[one.id])
            elif outcome == "given up":
                store.outbox.give_up(one.id, None, "", now)
                order[one.webhook, one.subject].remove(one.id)
            elif outcome == "delivered":
                store.outbox.delivered(one.id, 200, now)
                order[one.webhook, one.subject].remove(one.id)
        now += SECOND if taken else 10 * SECOND
    assert store.outbox.counts()["waiting"] == 0
