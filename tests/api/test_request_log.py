"""A line of JSON for every request, with an id and without anything of a person or a record."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from api import problem_documents
from api.metrics import Metrics
from api.request_log import JsonLines, RequestLog
from tests.api.conftest import Served, problem


@pytest.fixture(scope="module")
def toy() -> Iterator[tuple[TestClient, Metrics]]:
    """A little application behind the log, and what it counts."""
    app, metrics = FastAPI(), Metrics()
    problem_documents.install(app)

    @app.get("/v1/scenes/{id}")
    def get_scene(id: str) -> str:
        return id

    @app.get("/broken")
    def broken(request: Request) -> None:
        raise ZeroDivisionError("geheim")

    app.add_middleware(RequestLog, metrics=metrics)
    app.state.routes = []
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client, metrics


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines of the request log, as they would be written."""
    records = [record for record in caplog.records if record.name.startswith("jiebang.")]
    return [json.loads(JsonLines().format(record)) for record in records]


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    """Every line of the program's logs is caught."""
    caplog.set_level(logging.INFO, "jiebang")


def test_a_line_tells_the_pattern_of_the_route_and_nothing_of_the_request(
    toy: tuple[TestClient, Metrics], caplog: pytest.LogCaptureFixture
) -> None:
    client, _ = toy
    answer = client.get(
        "/v1/scenes/CJ-1?reason=%E5%BC%A0%E4%B8%89&phone=13800138000",
        headers={"Authorization": "Bearer jb_0123456789ab_geheim", "X-Forwarded-For": "10.1.2.3"},
    )
    [line] = lines(caplog)
    assert {name: value for name, value in line.items() if name not in ("at", "ms", "request_id")} == {
        "level": "info", "logger": "jiebang.requests", "message": "request", "method": "GET",
        "route": "/v1/scenes/{id}", "status": 200, "bytes": len(answer.content), "key": "", "partner": "",
    }  # fmt: skip
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["at"].endswith("+00:00")
    assert not re.search("CJ-1|张三|138|geheim|10.1.2.3|testclient", json.dumps(line, ensure_ascii=False))


@pytest.mark.parametrize("given", ["a", "req-2026.03_31", "A" * 64])
def test_a_plain_id_of_the_caller_is_kept(toy: tuple[TestClient, Metrics], given: str) -> None:
    assert toy[0].get("/v1/scenes/x", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["", "a b", "A" * 65, "张三".encode().decode("latin-1"), "a\tb", 'a"b', "<a>"]
)
def test_any_other_id_is_replaced(toy: tuple[TestClient, Metrics], given: str) -> None:
    answer = toy[0].get("/v1/scenes/x", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_an_error_nobody_foresaw_is_told_without_details_and_logged_with_them(
    toy: tuple[TestClient, Metrics], caplog: pytest.LogCaptureFixture
) -> None:
    client, metrics = toy
    told = problem(client.get("/broken"))
    assert (told["status"], told["code"]) == (500, "internal")
    error, request = lines(caplog)
    assert (error["level"], error["message"], error["request_id"]) == (
        "error",
        "request failed",
        told["request_id"],
    )
    assert "ZeroDivisionError: geheim" in error["trace"]
    assert (request["status"], request["route"]) == (500, "/broken")
    assert metrics.registry.get_sample_value(
        "jiebang_requests_total", {"method": "GET", "route": "/broken", "status": "500"}
    )


def test_methods_and_routes_that_are_made_up_make_no_labels(toy: tuple[TestClient, Metrics]) -> None:
    client, metrics = toy
    for number in range(5):
        client.request(f"MADE{number}", f"/made/{number}")
        client.request(f"MADE{number}", f"/v1/scenes/{number}")
    labels = {
        (sample.labels["method"], sample.labels["route"])
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "jiebang_requests_total" and "MADE" in str(sample.labels) + "MADE"
    }
    assert {label for label in labels if label[0] == "OTHER"} == {
        ("OTHER", "-"),
        ("OTHER", "/v1/scenes/{id}"),
    }
    assert "MADE" not in str(labels)


def test_a_caller_that_went_away_is_counted_as_such(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    async def silent(*_: Any) -> None: ...

    log = RequestLog(silent, Metrics())
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(log(scope, None, None))  # type: ignore[arg-type]
    assert lines(caplog)[0]["status"] == 499


def test_the_line_names_the_key_and_its_partner(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    portal = served.portal()
    portal.get("/v1/scenes/CJ-1")
    [line] = [line for line in lines(caplog) if line["message"] == "request"]
    assert (line["key"], line["partner"], line["route"]) == (portal.key_id, "hengqin", "/v1/scenes/{id}")
    assert portal.token not in caplog.text


def test_everything_a_server_says_is_a_line_of_json() -> None:
    code = (
        "import logging\nfrom api.request_log import log_to_standard_error\nlog_to_standard_error()\n"
        "logging.getLogger('uvicorn.error').warning('一\\n二')\n"
        "logging.getLogger('uvicorn.access').info('GET /geheim')\n"
        "try: 1/0\nexcept ZeroDivisionError: logging.getLogger('jiebang.x').exception('三')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["logger"], line["message"]) for line in said] == [
        ("uvicorn.error", "一\n二"),
        ("jiebang.x", "三"),
    ]
    assert "ZeroDivisionError" in said[1]["trace"]
