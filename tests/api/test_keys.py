"""Keys: shown once, kept as a digest, open while they last, and gone for good when revoked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.keys import SCOPES, Key, create_key, key_of, parse_partner, revoke_key, shown_key
from graph.problems import BadValue, Refused
from graph.store.store import Store, open_store

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LASTS = timedelta(days=30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def make_key(store: Store, **changed: Any) -> tuple[Key, str]:
    values: dict[str, Any] = {
        "partner": "hengqin", "name": "对接服务", "scopes": ["read", "order", "read"], "audience": "partner", "lasts": LASTS,
        "per_minute": 60, "actor": "程某", "at": AT,
    }  # fmt: skip
    return create_key(store, **values | changed)


def test_key_is_found_by_its_token_and_says_what_it_may(store: Store) -> None:
    key, token = make_key(store)
    assert key_of(store, token, AT) == key
    assert shown_key(key) == {
        "id": token.split("_")[1], "partner": "hengqin", "name": "对接服务", "scopes": ["read", "order"], "audience": "partner",
        "state": "active", "created_at": AT, "expires_at": AT + LASTS, "per_minute": 60, "bidders": [],
    }  # fmt: skip


def test_token_and_its_secret_are_nowhere_in_the_store(store: Store, tmp_path: Path) -> None:
    _, token = make_key(store)
    secret = token.split("_", 2)[2].encode()
    written = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert "对接服务".encode() in written, "what is kept is in the files"
    assert secret not in written


def test_two_keys_of_a_partner_have_nothing_in_common(store: Store) -> None:
    (one, first), (other, second) = make_key(store), make_key(store)
    assert not {one.id, one.secret_hash, first} & {other.id, other.secret_hash, second}
    mixed = f"jb_{one.id}_{second.split('_', 2)[2]}"
    assert key_of(store, mixed, AT) is None


@pytest.mark.parametrize(
    ("after", "opens"),
    [(timedelta(0), True), (LASTS - timedelta(microseconds=1), True), (LASTS, False), (LASTS * 2, False)],
)
def test_key_opens_until_it_expires(store: Store, after: timedelta, opens: bool) -> None:
    _, token = make_key(store)
    assert (key_of(store, token, AT + after) is not None) == opens
    _, lasting = make_key(store, lasts=None)
    assert key_of(store, lasting, AT + after) is not None


def test_revoked_key_opens_nothing_and_is_not_revoked_twice_nor_brought_back(store: Store) -> None:
    key, token = make_key(store)
    revoked = revoke_key(store, key.id, actor="程某", at=AT, reason="遗失")
    assert (revoked.state, revoked.reason, key_of(store, token, AT)) == ("revoked", "遗失", None)
    with pytest.raises(Refused) as refused:
        revoke_key(store, key.id, actor="程某", at=AT, reason="再来")
    assert refused.value.code == "move_state"
    with pytest.raises(Refused) as refused:
        store.undo(store.revision(), actor="程某", at=AT, reason="")
    assert refused.value.code == "undo_refused"
    assert key_of(store, token, AT) is None


@pytest.mark.parametrize("id", ["0123456789ab", "", "没有", "a\0b"])
def test_revoking_what_is_no_key_is_refused(store: Store, id: str) -> None:
    with pytest.raises(Refused) as refused:
        revoke_key(store, id, actor="程某", at=AT, reason="")
    assert refused.value.code == "key_unknown"


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_other_text_opens(store: Store, data: st.DataObject) -> None:
    _, token = make_key(store)
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters().filter(lambda one: one != token[place]))
    others = [
        token[:place] + character + token[place + 1 :],
        token[:place],
        token + character,
        character + token,
        data.draw(st.text(max_size=80)),
    ]
    assert [key_of(store, other, AT) for other in others] == [None] * len(others)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"scopes": []}, "key_scopes"),
        ({"scopes": ["read", "root"]}, "process_value"),
        ({"partner": "横琴"}, "process_value"),
        ({"partner": "hengqin:"}, "process_value"),
        ({"per_minute": 0}, "process_value"),
        ({"audience": "everybody"}, "process_value"),
    ],
)
def test_key_that_breaks_a_rule_is_not_made(store: Store, changed: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        make_key(store, **changed)
    assert refused.value.code == code
    assert (list(store.processes(Key)), store.revision()) == ([], 0)


@given(text=st.one_of(st.text(max_size=40), st.from_regex(r"[a-z][a-z0-9-]{1,31}", fullmatch=True)))
@example("a")
@example("a" * 33)
@example("ab\n")
@example("-ab")
def test_partner_codes_never_hold_what_parts_an_id(text: str) -> None:
    try:
        code = parse_partner(text)
    except BadValue:
        return
    assert code == text.strip()
    assert 2 <= len(code) <= 32
    assert set(code) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert code[0].isalpha()


def test_every_scope_has_its_chinese_name() -> None:
    assert set(SCOPES) == {"read", "write", "order", "judge", "bid", "admin"}
    assert all(name and not name.isascii() for name in SCOPES.values())
