"""Callers: whose ids and names are whose, which keys may what, and one 404 for all that is not to be seen."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from api.access import Caller, Needs, caller_of, not_found
from api.keys import SCOPES, Key
from api.problem_documents import Refusal
from api.wire import Scope
from graph.kinds import Scene
from graph.store.changes import PutNode
from graph.store.store import Store, open_store
from graph.values import Visibility

AT = datetime(2026, 3, 1, tzinfo=UTC)
AUDIENCES: tuple[Visibility, ...] = get_args(Visibility)
names = st.text(st.sampled_from("李明 :hengqi-\u200b\n"), max_size=20)


def make_caller(audience: Visibility = "partner", *, store: Any = None, **values: Any) -> Caller:
    key = Key(
        id="0123456789ab", state="active", opened_at=AT, moved_at=AT, audience=audience, **{"partner": "hengqin", **values}
    )  # fmt: skip
    return Caller(key, store)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as opened:
        yield opened


@given(id=names, audience=st.sampled_from(AUDIENCES))
def test_ids_of_a_partner_lie_in_its_own_space_and_stay_there(id: str, audience: Visibility) -> None:
    caller = make_caller(audience)
    kept = caller.id_for(id)
    assert caller.id_for(kept) == kept
    assert (kept == id) if audience == "staff" else (caller.owns(kept) and kept.endswith(id))


@pytest.mark.parametrize(
    "other", ["hengqin-2:1", "hengqi:1", "Hengqin:1", "hengqin", "nansha:hengqin:1", " hengqin:1"]
)
def test_ids_of_others_are_not_a_partner_s_own(other: str) -> None:
    caller = make_caller()
    assert not caller.owns(other)
    assert caller.id_for(other) == f"hengqin:{other}"


@given(name=names, audience=st.sampled_from(AUDIENCES))
def test_people_of_a_partner_are_named_with_its_code_and_somebody_is_named(
    name: str, audience: Visibility
) -> None:
    caller = make_caller(audience)
    try:
        person = caller.person(name)
    except Refusal:
        assert not name.replace("\u200b", "").strip().removeprefix("hengqin:").strip()
        return
    assert person == " ".join(person.split())
    assert caller.person(person) == person
    assert person.removeprefix("hengqin:")
    assert audience == "staff" or person.startswith("hengqin:")


def test_partner_cannot_speak_for_another() -> None:
    assert make_caller().person("nansha:王某") == "hengqin:nansha:王某"


def test_actor_is_named_by_partner_and_key(store: Store) -> None:
    assert make_caller(name="对接服务").actor == "hengqin:对接服务"
    assert make_caller().actor == "hengqin:0123456789ab"


def _request(caller: object) -> Request:
    return Request({"type": "http", "headers": [], "caller": caller})


@given(
    scopes=st.sets(st.sampled_from(list(SCOPES))), wanted=st.sampled_from(list(SCOPES)),
    audience=st.sampled_from(AUDIENCES), staff=st.booleans(),
)  # fmt: skip
def test_needs_lets_in_who_has_the_scope_or_administers(
    scopes: set[Scope], wanted: Scope, audience: Visibility, staff: bool
) -> None:
    caller = make_caller(audience, scopes=tuple(scopes))
    expected = "" if scopes & {wanted, "admin"} else "scope_missing"
    if not expected and staff and audience != "staff":
        expected = "staff_only"
    try:
        assert Needs(wanted, staff=staff)(_request(caller)) is caller
        told = (200, "")
    except Refusal as refusal:
        told = (refusal.status, refusal.code)
    assert told == ((403, expected) if expected else (200, ""))


@pytest.mark.parametrize("nobody", [None, "hengqin", 1])
def test_request_that_the_gate_has_not_seen_has_no_caller(nobody: object) -> None:
    with pytest.raises(Refusal) as refused:
        caller_of(_request(nobody))
    assert (refused.value.status, refused.value.code) == (401, "key_missing")
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")


def test_what_is_hidden_is_refused_in_the_words_for_what_is_not_there(store: Store) -> None:
    hidden = Scene(id="CJ-1", title="内部场景", visibility="staff")
    store.apply([PutNode(node=hidden)], actor="程某", at=AT, reason="")
    told = []
    for kind, id in (("scene", "CJ-1"), ("scene", "CJ-9"), ("achievement", "CJ-1")):
        with pytest.raises(Refusal) as refused:
            make_caller(store=store).find(kind, id)
        told.append((refused.value.status, refused.value.code, refused.value.message, refused.value.remedy))
    same = not_found("应用场景", "CJ-1")
    assert told[0] == (same.status, same.code, same.message, same.remedy)
    assert told[1] == (same.status, same.code, same.message.replace("CJ-1", "CJ-9"), same.remedy)
    assert told[2][:2] == (404, "not_found")
    assert make_caller("staff", store=store).find("scene", "CJ-1") == hidden
