"""What is too much is refused before anything is worked on, and paths are read as they were written."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bounds import Bounds
from api.metrics import Metrics
from api.page_paths import Pages
from api.settings import ServeSettings
from matcher.home import Home

SETTINGS = ServeSettings(home=Home(path=Path("/nowhere")), body_limit=100, upload_limit=300, most_requests=2)


class Echo:
    """An application that reads its whole body and keeps what it was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def asked(
    app: Any,
    *,
    path: bytes = b"/v1/match",
    query: bytes = b"",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    parts: Iterable[bytes | float] = (),
    settings: ServeSettings = SETTINGS,
) -> tuple[int, str]:
    """The status and the code with which a request is answered; a number among its parts is a pause in seconds."""

    async def request() -> tuple[int, str]:
        bounds = Bounds(app, settings, Metrics(), Pages([]))
        return await _asked(
            bounds, path, query, method, headers or {"content-type": "application/json"}, parts
        )

    return asyncio.run(request())


async def _asked(
    bounds: Any, path: bytes, query: bytes, method: str, headers: Mapping[str, str], parts: Iterable[bytes | float]
) -> tuple[int, str]:  # fmt: skip
    sent: list[Any] = []
    coming = list(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        while coming and isinstance(coming[0], float):
            await asyncio.sleep(coming.pop(0))  # type: ignore[arg-type]
        return {"type": "http.request", "body": coming.pop(0) if coming else b"", "more_body": bool(coming)}

    scope = {
        "type": "http", "method": method, "path": "-", "raw_path": path, "query_string": query, "request_id": "r",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    await bounds(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body)["code"] if body else ""


@pytest.mark.parametrize(
    ("path", "length", "answer"),
    [
        (b"/v1/match", "100", (200, "")),
        (b"/v1/match", "101", (413, "body_too_large")),
        (b"/v1/bulk", "300", (200, "")),
        (b"/v1/bulk", "301", (413, "body_too_large")),
        (b"/v1/match", "-1", (413, "body_too_large")),
        (b"/v1/match", "1e2", (413, "body_too_large")),
        (b"/v1/match", "9" * 5000, (413, "body_too_large")),
    ],
)
def test_a_body_announced_too_long_is_refused_unread(
    path: bytes, length: str, answer: tuple[int, str]
) -> None:
    echo = Echo()
    headers = {"content-length": length, "content-type": "application/json"}
    assert asked(echo, path=path, headers=headers) == answer
    assert len(echo.paths) == (answer[0] == 200)


@given(sizes=st.lists(st.integers(0, 60), max_size=8))
def test_a_body_without_a_length_is_counted_as_it_comes(sizes: list[int]) -> None:
    echo = Echo()
    answer = asked(echo, parts=[b"x" * size for size in sizes])
    if sum(sizes) <= SETTINGS.body_limit:
        assert (answer, echo.bodies) == ((200, ""), [b"x" * sum(sizes)])
    else:
        assert (answer, echo.bodies) == ((413, "body_too_large"), [])


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([b"a", 0.01, b"b"], (200, "")),
        ([b"a", 0.5, b"b"], (408, "body_slow")),  # one long pause
        ([part for _ in range(40) for part in (b"a", 0.02)], (408, "body_slow")),  # a little now and then
    ],
)
def test_a_slow_body_is_refused(parts: list[bytes | float], answer: tuple[int, str]) -> None:
    settings = replace(SETTINGS, body_pause=0.2, body_time=0.4)
    assert asked(Echo(), parts=parts, settings=settings) == answer


def test_more_requests_than_may_be_under_way_are_told_to_come_back() -> None:
    async def both() -> list[tuple[int, str]]:
        bounds = Bounds(Echo(), SETTINGS, Metrics(), Pages([]))
        headers = {"content-type": "application/json"}
        slow = [_asked(bounds, b"/a", b"", "POST", headers, [b"", 0.05, b""]) for _ in range(2)]
        late = _asked(bounds, b"/a", b"", "POST", headers, [])
        answers = await asyncio.gather(*slow, late)
        return [*answers, await _asked(bounds, b"/a", b"", "POST", headers, [])]

    assert asyncio.run(both()) == [(200, ""), (200, ""), (503, "server_busy"), (200, "")]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"key=jb_0123456789ab_x", "key_in_url"),
        (b"limit=1&access_token=x", "key_in_url"),
        (b"limit=1&API_KEY=", "key_in_url"),
        (b"q=jb_0123456789ab_AAAA", "key_in_url"),
        (b"q=monkey&keyword=token", ""),
        (b"field=token", ""),
    ],
)
def test_a_key_in_the_address_is_refused(query: bytes, code: str) -> None:
    assert asked(Echo(), query=query)[1] == code


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/v1/scenes/%E6%B5%B7", "/v1/scenes/海"),
        (b"/v1/scenes/a%2Fb", "/v1/scenes/a\ufdd0b"),
        (b"/v1/scenes/a%2fb", "/v1/scenes/a\ufdd0b"),
        (b"/v1/scenes/a%252Fb", "/v1/scenes/a%2Fb"),
        (b"/v1/scenes/../keys", "/v1/scenes/../keys"),
        (b"/v1/scenes/%00", "/v1/scenes/\0"),
        (b"/v1/scenes/a+b", "/v1/scenes/a+b"),
    ],
)
def test_a_path_is_read_once_as_it_was_written(raw: bytes, path: str) -> None:
    echo = Echo()
    assert asked(echo, path=raw)[0] == 200
    assert echo.paths == [path]


def test_a_path_that_is_no_utf8_is_refused() -> None:
    assert asked(Echo(), path=b"/v1/scenes/%ff") == (400, "path_unreadable")


def test_two_lengths_of_one_body_are_refused() -> None:
    headers = {"content-length": "5", "transfer-encoding": "chunked", "content-type": "application/json"}
    assert asked(Echo(), headers=headers) == (400, "length_ambiguous")


@pytest.mark.parametrize(
    ("media", "path", "status"),
    [
        ("application/json", b"/v1/match", 200),
        ("application/json; charset=utf-8", b"/v1/match", 200),
        ("APPLICATION/JSON", b"/v1/match", 200),
        ("application/merge-patch+json", b"/v1/match", 200),
        ("text/plain", b"/v1/match", 415),
        ("application/x-www-form-urlencoded", b"/v1/match", 415),
        ("multipart/form-data; boundary=x", b"/v1/match", 415),
        ("text/json", b"/v1/match", 415),
        ("", b"/v1/match", 415),
        ("text/csv", b"/v1/bulk", 200),
    ],
)
def test_a_body_that_is_no_json_is_refused_where_json_is_read(media: str, path: bytes, status: int) -> None:
    headers = {"content-length": "2", "content-type": media}
    assert asked(Echo(), path=path, headers=headers, parts=[b"{}"])[0] == status


def test_a_request_without_a_body_needs_no_media_type() -> None:
    assert asked(Echo(), method="POST", headers={"content-length": "0"})[0] == 200
    assert asked(Echo(), method="GET", headers={"accept": "*/*"})[0] == 200
