"""Cursors are good for one question of one caller, and pages neither skip nor repeat, whatever is written in between."""

import string
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.access import Caller
from api.keys import key_of
from api.pagination import Pages
from api.problem_documents import Refusal
from graph.kinds import Broker
from graph.store.changes import PutNode, RemoveNode
from graph.store.store import Store
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting
from tests.factories import NOON

PLACES = st.lists(st.text(max_size=20), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for this file."""
    with lasting(_indexed, tmp_path_factory.mktemp("pages")) as served:
        yield served


@pytest.fixture
def caller(served: Served) -> Caller:
    """A partner's caller, without a request."""
    key = key_of(served.store, served.portal().token, NOON)
    assert key is not None
    return Caller(key, served.store)


def refused(pages: Pages, cursor: str) -> str:
    """The code with which a cursor is refused."""
    with pytest.raises(Refusal) as caught:
        pages.after(cursor)
    return caught.value.code


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, derandomize=True)
@given(place=PLACES)
def test_a_cursor_leads_back_to_its_place(caller: Caller, place: list[str]) -> None:
    pages = Pages(caller, "scene", ["低空经济"], None)
    assert pages.after(pages.cursor(place)) == place


def test_without_a_cursor_the_first_page_is_meant(caller: Caller) -> None:
    assert Pages(caller, "scene").after(None) == []


def test_a_cursor_of_another_question_or_caller_is_refused(caller: Caller) -> None:
    cursor = Pages(caller, "scene", ["低空经济"], None).cursor(["CJ-1"])
    key = caller.key
    others = [
        Pages(caller, "achievement", ["低空经济"], None),
        Pages(caller, "scene", ["海洋经济"], None),
        Pages(caller, "scene", ["低空经济"], "香洲区"),
        Pages(caller, "scene", ["低空经济"]),
        Pages(
            Caller(key.model_copy(update={"partner": "zhuhai"}), caller.whole), "scene", ["低空经济"], None
        ),
        Pages(
            Caller(key.model_copy(update={"audience": "staff"}), caller.whole), "scene", ["低空经济"], None
        ),
    ]
    assert [refused(pages, cursor) for pages in others] == ["cursor_foreign"] * len(others)
    # Another key of the same partner sees the same, and may go on where the first one stopped.
    same = Pages(Caller(key.model_copy(update={"id": "0" * 12}), caller.whole), "scene", ["低空经济"], None)
    assert same.after(cursor) == ["CJ-1"]


def test_a_cursor_of_another_store_is_refused(caller: Caller, tmp_path: Path) -> None:
    from matcher.home import Home

    cursor = Pages(caller, "scene").cursor(["CJ-1"])
    with Home(path=tmp_path / "other").open_store(create=True) as other:
        assert refused(Pages(replace(caller, whole=other), "scene"), cursor) == "cursor_foreign"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, derandomize=True)
@given(data=st.data())
def test_a_cursor_with_anything_changed_is_refused(caller: Caller, data: st.DataObject) -> None:
    pages = Pages(caller, "scene")
    cursor = pages.cursor(data.draw(PLACES))
    at = data.draw(st.integers(0, len(cursor)))
    letter = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_=+/! 场\n\0"))
    changed = data.draw(
        st.sampled_from([cursor[:at] + letter + cursor[at:], cursor[:at] + letter + cursor[at + 1 :], cursor[:at]])
    )  # fmt: skip
    if changed != cursor:
        assert refused(pages, changed) == "cursor_foreign"


@pytest.mark.parametrize("letter", ["!", " ", "\n", "=", ".", "%"])
def test_letters_that_decoding_would_pass_over_are_no_part_of_a_cursor(caller: Caller, letter: str) -> None:
    pages = Pages(caller, "scene")
    cursor = pages.cursor(["CJ-1"])
    for changed in (cursor + letter, letter + cursor, cursor[:9] + letter + cursor[9:]):
        assert refused(pages, changed) == "cursor_foreign"


@pytest.mark.parametrize("cursor", ["", "x", "%00", "场景", "A" * 1001, "' OR 1=1 --"])
def test_a_made_up_cursor_is_a_problem_document(partner: Portal, cursor: str) -> None:
    told = problem(partner.get("/v1/scenes", params={"cursor": cursor}))
    assert (told["status"], told["code"]) in {(400, "cursor_foreign"), (422, "request_invalid")}


def test_a_cursor_of_one_list_is_refused_by_every_other(staff: Portal) -> None:
    for _ in range(2):
        sent = staff.post("/v1/bulk", headers={"Content-Type": "text/csv"}, content="编号,名称\n".encode())
        assert sent.status_code == 202
    lists = {
        path: staff.get(path, params={"limit": 1}).json()["next"]
        for path in ("/v1/scenes", "/v1/achievements", "/v1/brokers", "/v1/lists/capabilities", "/v1/jobs")
    }
    assert all(lists.values())
    for path in [*lists, "/v1/orders", "/v1/keys", "/v1/webhooks", "/v1/judgements", "/v1/outcomes"]:
        for of, cursor in lists.items():
            answer = staff.get(path, params={"cursor": cursor})
            assert answer.status_code == (200 if of == path else 400), (path, of)


IDS = [f"JJ-{letter}{number}" for letter in "aБ中" for number in range(12)]


def _put(store: Store, ids: Sequence[str]) -> None:
    changes = [PutNode(node=Broker(id=id, title="某", visibility="public")) for id in ids]
    store.apply(changes, actor="试", at=NOON, reason="试")


def _remove(store: Store, ids: Sequence[str]) -> None:
    store.apply([RemoveNode(kind="broker", id=id) for id in ids], actor="试", at=NOON, reason="试")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None, derandomize=True
)  # fmt: skip
@given(data=st.data())
def test_pages_neither_skip_nor_repeat_while_records_come_and_go(
    served: Served, partner: Portal, data: st.DataObject
) -> None:
    store, there = served.store, set(data.draw(st.sets(st.sampled_from(IDS), min_size=5)))
    _remove(store, [node.id for node in store.nodes("broker")])
    _put(store, sorted(there))
    throughout, ever, seen, cursor = set(there), set(there), [], None
    while True:
        limit = data.draw(st.integers(1, 9))
        page = partner.get(
            "/v1/brokers", params={"limit": limit, **({"cursor": cursor} if cursor else {})}
        ).json()
        assert len(page["items"]) <= limit
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        come = data.draw(st.sets(st.sampled_from(IDS), max_size=4)) - there
        gone = data.draw(st.sets(st.sampled_from(sorted(there)), max_size=4)) if there else set()
        _put(store, sorted(come))
        _remove(store, sorted(gone))
        there = (there | come) - gone
        throughout, ever = throughout - gone, ever | come
    assert len(seen) == len(set(seen))
    assert throughout <= set(seen) <= ever
