"""Accounts: passwords that nobody can read, tries that are counted, and an administrator that is always left."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.workbench.people import (
    LOCKED,
    ROLES,
    TRIES,
    User,
    add_user,
    change_password,
    find_user,
    first_administrator,
    move_user,
    parse_login,
    reset_password,
    signed_in,
)
from api.workbench.people import _hasher as REAL_HASHER  # before tests put a quick one in its place
from graph.kinds import Expert
from graph.problems import BadValue, Refused
from graph.store.changes import PutNode
from graph.store.store import Store, open_store
from tests.api.workbench.browser import PASSWORD

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db", create=True) as store:
        yield store


def a_user(store: Store, login: str = "li.ming", role: str = "staff", **about: Any) -> tuple[User, str]:
    return add_user(store, login=login, name=about.pop("name", "李明"), role=role, actor="程某", at=NOON, **about)  # fmt: skip


def code_of(call: Any) -> str:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def test_one_signs_in_with_the_password_and_with_nothing_else(store: Store) -> None:
    user, password = a_user(store)
    assert signed_in(store, "li.ming", password, NOON) == user
    assert signed_in(store, " LI.Ming ", password, NOON) == user
    for login, wrong in (("li.ming", password + "x"), ("li.ming", ""), ("nobody", password), ("", "")):  # fmt: skip
        assert signed_in(store, login, wrong, NOON) is None


def test_passwords_and_sessions_stand_nowhere_in_the_database_or_its_history(
    store: Store, tmp_path: Path
) -> None:
    user, password = a_user(store)
    change_password(store, user, password, PASSWORD)
    store.accounts.open_session("d" * 64, user.id, NOON, timedelta(hours=1))
    store.close()
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert password.encode() not in files
    assert PASSWORD.encode() not in files
    entries = store.history_of_process("user", "li.ming")
    assert "argon2" not in str(entries)
    assert "d" * 64 not in str(entries)
    assert store.verify_history() == []


def test_wrong_passwords_in_a_row_lock_the_account_for_a_while(store: Store) -> None:
    user, password = a_user(store)
    for _ in range(TRIES - 1):
        assert signed_in(store, user.id, "wrong", NOON) is None
    assert signed_in(store, user.id, password, NOON) == user
    store.accounts.open_session("d", user.id, NOON, timedelta(hours=1))  # a sign-in forgets what was before
    for _ in range(TRIES):
        signed_in(store, user.id, "wrong", NOON)
    assert signed_in(store, user.id, password, NOON) is None
    assert signed_in(store, user.id, password, NOON + LOCKED - timedelta(seconds=1)) is None
    assert signed_in(store, user.id, password, NOON + LOCKED) == user


def test_a_reset_unlocks_ends_sessions_and_must_be_changed(store: Store) -> None:
    user, old = a_user(store)
    store.accounts.open_session("d", user.id, NOON, timedelta(hours=1))
    for _ in range(TRIES):
        signed_in(store, user.id, "wrong", NOON)
    user, password = reset_password(store, user.id, actor="程某", at=NOON + timedelta(hours=1))
    last = store.history_of_process("user", user.id)[-1]
    assert (last.actor, last.reason) == ("程某", "重置工作台账号 li.ming 的密码")
    assert (signed_in(store, user.id, old, NOON), signed_in(store, user.id, password, NOON)) == (None, user)
    assert store.accounts.session("d", NOON, timedelta(hours=1)) is None
    known = store.accounts.credential(user.id)
    assert known is not None
    assert known.must_change
    change_password(store, user, password, PASSWORD)
    known = store.accounts.credential(user.id)
    assert known is not None
    assert not known.must_change


@pytest.mark.parametrize("new", ["短", "aaaaaaaaaaaaaaa", "my-li.ming-password", "x" * 201 + "yzabc", ""])
def test_a_weak_password_is_refused(store: Store, new: str) -> None:
    user, password = a_user(store)
    assert code_of(lambda: change_password(store, user, password, new)) == "password_weak"
    assert code_of(lambda: change_password(store, user, password, password)) == "password_weak"
    assert code_of(lambda: change_password(store, user, "not it", PASSWORD)) == "password_wrong"
    assert signed_in(store, user.id, password, NOON) == user


def test_login_and_name_belong_to_one_person(store: Store) -> None:
    a_user(store)
    assert code_of(lambda: a_user(store, name="王某")) == "user_exists"
    assert code_of(lambda: a_user(store, "wang")) == "user_exists"
    assert code_of(lambda: a_user(store, "王某", name="王某")) == "process_value"
    assert code_of(lambda: a_user(store, "wang", "chief", name="王某")) == "process_value"
    assert code_of(lambda: a_user(store, "wang", name=" ")) == "process_value"
    assert [user.id for user in store.processes(User)] == ["li.ming"]


def test_an_administrator_is_always_left(store: Store) -> None:
    made = first_administrator(store, NOON)
    assert made is not None
    assert (made[0].id, made[0].role) == ("admin", "administrator")
    assert first_administrator(store, NOON) is None
    for move, values in (("disable", {"reason": "试"}), ("change", {"role": "staff"})):
        assert code_of(lambda m=move, v=values: move_user(store, "admin", m, actor="程某", at=NOON, values=v)) == "user_last"  # fmt: skip
    a_user(store, role="administrator")
    assert (
        move_user(store, "admin", "disable", actor="李明", at=NOON, values={"reason": "离职"}).state
        == "disabled"
    )
    assert first_administrator(store, NOON) is None
    assert code_of(lambda: find_user(store, "nobody")) == "user_unknown"


def test_an_account_stands_for_an_expert_who_is_there_and_for_whom_no_other_stands(store: Store) -> None:
    put = [PutNode(node=Expert(id=id, title="舒曼")) for id in ("ZJ-1", "ZJ-2")]
    store.apply(put, actor="程某", at=NOON, reason="专家")
    a_user(store, "shu", "expert", name="舒曼", expert="ZJ-1")
    for about in ({"role": "expert", "expert": "ZJ-9"}, {"role": "expert", "expert": "ZJ-1"}, {"role": "staff", "expert": "ZJ-2"}):  # fmt: skip
        assert code_of(lambda a=about: a_user(store, "li", name="李某", **a)) == "user_expert"
    a_user(store, "li", "expert", name="李某")

    def changed(login: str, role: str, expert: str) -> User:
        return move_user(
            store, login, "change", actor="程某", at=NOON, values={"role": role, "expert": expert}
        )

    assert code_of(lambda: changed("li", "expert", "ZJ-1")) == "user_expert"
    assert changed("shu", "expert", "ZJ-2").expert == "ZJ-2"
    assert changed("li", "expert", "ZJ-1").expert == "ZJ-1"
    assert "ZJ-1 → ZJ-2" in store.history_of_process("user", "shu")[-1].reason
    move_user(store, "shu", "disable", actor="程某", at=NOON, values={"reason": "调岗"})
    assert changed("li", "expert", "ZJ-2").expert == "ZJ-2"
    assert (
        code_of(lambda: move_user(store, "shu", "enable", actor="程某", at=NOON, values={})) == "user_expert"
    )


def test_passwords_are_hashed_as_expensively_as_they_should_be() -> None:
    assert REAL_HASHER().hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_undo_brings_no_disabled_account_back(store: Store) -> None:
    a_user(store, "root.admin", "administrator", name="管理")
    a_user(store)
    move_user(store, "li.ming", "disable", actor="程某", at=NOON, values={"reason": "调岗"})
    assert (
        code_of(lambda: store.undo(store.revision(), actor="程某", at=NOON, reason="反悔")) == "undo_refused"
    )


def test_roles_are_called_in_chinese() -> None:
    assert list(ROLES) == ["staff", "organiser", "expert", "officer", "administrator"]
    assert len(set(ROLES.values())) == len(ROLES)


@given(st.text(max_size=40))
def test_a_login_is_plain_or_refused(text: str) -> None:
    try:
        login = parse_login(text)
    except BadValue:
        return
    assert re.fullmatch(r"[a-z][a-z0-9._-]{1,31}", login)
    assert parse_login(login) == login


def test_tries_at_the_same_moment_are_no_way_past_the_lock(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, password = a_user(store)

    def while_others_guess(secret_hash: str, given: str) -> bool:
        monkeypatch.undo()
        for _ in range(TRIES):
            signed_in(store, user.id, "wrong", NOON)
        return True

    monkeypatch.setattr("api.workbench.people._fits", while_others_guess)
    assert signed_in(store, user.id, password, NOON) is None


def test_as_much_is_written_for_a_login_that_is_not_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _ = a_user(store)
    noted: list[str] = []
    monkeypatch.setattr(store.accounts, "note_failure", lambda person, *_, **__: noted.append(person))
    for login in (user.id, "nobody"):
        signed_in(store, login, "wrong", NOON)
    assert noted == [user.id, "nobody"]
