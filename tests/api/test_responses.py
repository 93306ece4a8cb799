"""Answers carry entity tags that a client can rely on, and UTF-8 that anything can read."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from api.problem_documents import Refusal
from api.records import etag_of
from api.responses import json_response, matches, record_response, require_match, tagged

TAG = '"0123456789abcdef01234567"'
OTHER = '"ffffffffffffffffffffffff"'


def request(method: str = "GET", **headers: str) -> Request:
    """A request with headers, their hyphens written as underscores."""
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": "/", "headers": sent})


@pytest.mark.parametrize(
    ("given", "weakly", "strongly"),
    [
        (None, False, False),
        ("", False, False),
        (TAG, True, True),
        ("*", True, True),
        (f"{OTHER}, {TAG}", True, True),
        (f"{OTHER},{TAG} ,", True, True),
        (f"W/{TAG}", True, False),
        (f"W/{OTHER}, W/{TAG}", True, False),
        (OTHER, False, False),
        (TAG.strip('"'), False, False),
        (TAG.upper(), False, False),
        (f"w/{TAG}", False, False),
    ],
)
def test_entity_tags_are_compared_as_the_rfc_says(given: str | None, weakly: bool, strongly: bool) -> None:
    assert (matches(given, TAG), matches(given, TAG, strong=True)) == (weakly, strongly)


@given(body=st.binary(max_size=50), other=st.binary(max_size=50))
def test_a_tag_is_the_bodys_own(body: bytes, other: bytes) -> None:
    tag = tagged(request(), body).headers["etag"]
    assert (tagged(request(), other).headers["etag"] == tag) == (other == body)
    again = tagged(request(if_none_match=tag), other)
    assert (again.status_code, bytes(again.body)) == ((304, b"") if other == body else (200, other))


def test_a_record_that_the_caller_has_is_not_sent_again() -> None:
    shown = {"kind": "scene", "id": "CJ-1", "title": "海岛"}
    first = record_response(request(), shown)
    assert (first.status_code, json.loads(bytes(first.body)), first.headers["etag"]) == (
        200,
        shown,
        etag_of(shown),
    )
    again = record_response(request(if_none_match=etag_of(shown)), shown)
    assert (again.status_code, bytes(again.body), again.headers["etag"]) == (304, b"", etag_of(shown))
    changed = record_response(request(if_none_match=etag_of(shown)), {**shown, "title": "外岛"})
    assert changed.status_code == 200
    # What was done is always told: only reading may be answered with nothing.
    assert record_response(request("PUT", if_none_match="*"), shown).status_code == 200


@given(values=st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=5))
def test_a_tag_does_not_depend_on_the_order_of_attributes(values: dict[str, Any]) -> None:
    assert etag_of(dict(reversed(values.items()))) == etag_of(values)


def test_a_change_must_name_what_it_changes() -> None:
    shown = {"id": "CJ-1"}
    require_match(request("PUT", if_match=etag_of(shown)), shown)
    require_match(request("PUT", if_match="*"), shown)
    refused = []
    for headers in (
        {},
        {"if_match": OTHER},
        {"if_match": "W/" + etag_of(shown)},
        {"if_none_match": etag_of(shown)},
    ):
        with pytest.raises(Refusal) as caught:
            require_match(request("PUT", **headers), shown)
        refused.append((caught.value.status, caught.value.code))
    missing, stale = (428, "if_match_missing"), (412, "changed_since")
    assert refused == [missing, stale, stale, missing]


def test_json_is_utf8_with_times_in_utc() -> None:
    answer = json_response(
        {"a": "海", "at": datetime(2026, 3, 31, 9, tzinfo=UTC), "on": date(2026, 3, 31)}, 201, {"X-A": "1"}
    )
    assert answer.body == '{"a": "海", "at": "2026-03-31T09:00:00Z", "on": "2026-03-31"}'.encode()
    assert (answer.status_code, answer.headers["content-type"], answer.headers["x-a"]) == (
        201,
        "application/json",
        "1",
    )


@given(text=st.text() | st.characters(categories=["Cs"]))
def test_any_text_can_be_written(text: str) -> None:
    read = json.loads(bytes(json_response({"a": text}).body))["a"]
    assert read == text.encode("utf-8", "replace").decode()


def test_what_is_no_json_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_response({"a": float("nan")})
