"""Receipts: a request is done once, whoever sends it how often, and answered alike."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest

from graph.problems import Refused
from graph.store.receipts import Claimed, Mismatch, Pending, Receipt
from graph.store.store import Store, open_store
from tests.graph.orders import NOON

LEASE = timedelta(minutes=1)
HEADERS = {"Location": "/v1/orders/7", "Content-Type": "application/json"}
BODY = "{“好”}".encode() + b"\x00\xff"


def _claim(
    store: Store, *, scope: str = "甲", key: str = "k", fingerprint: str = "f", at: datetime = NOON
) -> Claimed | Receipt | Pending | Mismatch:
    return store.receipts.claim(scope, key, fingerprint, at, LEASE)


def test_a_request_is_claimed_once_and_then_has_its_answer(store: Store) -> None:
    assert (_claim(store), _claim(store), _claim(store, at=NOON + LEASE)) == (Claimed(), Pending(), Pending())
    assert (_claim(store, fingerprint="g"), _claim(store, scope="乙"), _claim(store, key="l")) == (
        Mismatch(),
        Claimed(),
        Claimed(),
    )
    store.receipts.settle("甲", "k", status=201, headers=HEADERS, body=BODY)
    answer = Receipt(status=201, headers=HEADERS, body=BODY)
    assert (_claim(store), _claim(store, at=NOON + 99 * LEASE)) == (answer, answer)
    assert (_claim(store, fingerprint="g"), _claim(store, scope="乙")) == (Mismatch(), Pending())
    # What a server did is no change of what is true.
    assert (store.revision(), store.verify_history()) == (0, [])


def test_a_claim_whose_lease_is_over_goes_to_the_next_of_the_same_request(store: Store) -> None:
    _claim(store)
    late = NOON + LEASE + timedelta(microseconds=1)
    assert _claim(store, at=late, fingerprint="g") == Mismatch()
    assert (_claim(store, at=late), _claim(store, at=late), _claim(store, at=late + LEASE)) == (
        Claimed(),
        Pending(),
        Pending(),
    )


def test_the_first_answer_stays_and_what_was_not_claimed_gets_none(store: Store) -> None:
    store.receipts.settle("甲", "k", status=500, headers={}, body=b"")
    assert _claim(store) == Claimed()
    store.receipts.settle("甲", "k", status=200, headers={}, body=b"")
    store.receipts.settle("甲", "k", status=500, headers=HEADERS, body=BODY)
    assert _claim(store) == Receipt(status=200, headers={}, body=b"")


def test_release_forgets_a_claim_but_no_answer(store: Store) -> None:
    _claim(store)
    store.receipts.release("甲", "k")
    assert _claim(store, fingerprint="g") == Claimed()
    store.receipts.settle("甲", "k", status=200, headers={}, body=b"")
    store.receipts.release("甲", "k")
    assert _claim(store, fingerprint="g") == Receipt(status=200, headers={}, body=b"")


def test_prune_forgets_what_was_claimed_before_a_moment(store: Store) -> None:
    for number in range(4):
        _claim(store, key=str(number), at=NOON + number * LEASE)
    store.receipts.settle("甲", "0", status=200, headers={}, body=b"")
    assert [store.receipts.prune(NOON + 2 * LEASE), store.receipts.prune(NOON + 2 * LEASE)] == [2, 0]
    assert [_claim(store, key=str(number)) for number in range(4)] == [
        Claimed(),
        Claimed(),
        Pending(),
        Pending(),
    ]


@pytest.mark.parametrize("at", [NOON, NOON + 2 * LEASE])
def test_of_many_who_claim_at_once_one_gets_the_request(store: Store, at: datetime) -> None:
    _claim(store, key="abandoned")
    together = Barrier(4)

    def claim(key: str) -> Claimed | Receipt | Pending | Mismatch:
        together.wait()
        return _claim(store, key=key, at=at)

    with ThreadPoolExecutor(4) as threads:
        for key in ("abandoned", "a", "b", "c"):
            found = list(threads.map(claim, [key] * 4))
            claimed = 0 if key == "abandoned" and at == NOON else 1
            assert (found.count(Claimed()), found.count(Pending())) == (claimed, 4 - claimed)


def test_a_time_without_zone_is_an_error_of_the_program(store: Store) -> None:
    with pytest.raises(ValueError, match="time zone"):
        _claim(store, at=datetime(2026, 3, 1))
    with pytest.raises(ValueError, match="time zone"):
        store.receipts.prune(datetime(2026, 3, 1))


def test_what_the_server_remembers_outlives_it_and_fails_as_the_store_does(
    make_place: Callable[[], str],
) -> None:
    place = make_place()
    with open_store(place) as store:
        _claim(store)
    with open_store(place, lock_timeout=0.05) as store, open_store(place) as other:
        assert _claim(store) == Pending()
        with other._database.writing(), pytest.raises(Refused) as refused:
            _claim(store, key="other")
        assert refused.value.code == "store_locked"
