"""Credentials and sessions: counted, locked and ended, each on its own."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from graph.store.accounts import Accounts
from graph.store.store import Store, open_store
from tests.factories import NOON

HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db", create=True) as store:
        yield store


@pytest.fixture
def accounts(store: Store) -> Accounts:
    for person in ("a", "b"):
        store.accounts.set_password(person, f"hash of {person}", must_change=True)
    return store.accounts


def test_failures_are_counted_until_they_lock_and_a_session_forgets_them(accounts: Accounts) -> None:
    counts = [accounts.note_failure("a", NOON, most=3, lasts=HOUR) for _ in range(2)]
    known = accounts.credential("a")
    assert known is not None
    assert (counts, known.failures, known.is_locked(NOON)) == ([1, 2], 2, False)
    assert accounts.note_failure("a", NOON, most=3, lasts=HOUR) == 3
    locked = accounts.credential("a")
    assert locked is not None
    assert (locked.failures, locked.locked_until) == (0, NOON + HOUR)
    assert (locked.is_locked(NOON), locked.is_locked(NOON + HOUR)) == (True, False)
    accounts.open_session("d", "a", NOON + HOUR, HOUR)
    after, other = accounts.credential("a"), accounts.credential("b")
    assert after is not None
    assert (after.failures, after.locked_until) == (0, None)
    assert other is not None
    assert other.failures == 0


def test_a_session_lasts_while_it_is_used_and_never_past_its_end(accounts: Accounts) -> None:
    accounts.open_session("d", "a", NOON, 3 * HOUR)
    assert accounts.session("d", NOON + HOUR / 2, HOUR) == ("a", NOON)
    assert accounts.session("d", NOON + HOUR, HOUR) is None
    accounts.touch("d", NOON + HOUR / 2)
    assert accounts.session("d", NOON + HOUR, HOUR) == ("a", NOON + HOUR / 2)
    accounts.touch("d", NOON + 3 * HOUR)
    assert accounts.session("d", NOON + 3 * HOUR, HOUR) is None
    assert accounts.session("other", NOON, HOUR) is None


def test_sessions_end_with_the_person_with_a_new_password_and_with_time(accounts: Accounts) -> None:
    def alive() -> list[str]:
        return [d for d in ("a1", "a2", "b1") if accounts.session(d, NOON, 9 * HOUR)]

    for digest in ("a1", "a2", "b1"):
        accounts.open_session(digest, digest[0], NOON, HOUR)
    accounts.close_session("a1")
    assert alive() == ["a2", "b1"]
    assert accounts.close_sessions("a") == 1
    assert alive() == ["b1"]
    accounts.set_password("b", "another", must_change=False)
    assert alive() == []
    accounts.open_session("b1", "b", NOON, HOUR)
    assert (accounts.prune(NOON), accounts.prune(NOON + 2 * HOUR)) == (0, 1)


def test_what_is_kept_of_people_is_no_change_of_the_data(store: Store, accounts: Accounts) -> None:
    accounts.open_session("d", "a", NOON, HOUR)
    assert (store.revision(), store.verify_history()) == (0, [])
    assert accounts.credential("nobody") is None
    assert accounts.credential("a\0") is None
