"""Whether the server lives and can answer, told to anyone without numbers; numbers for administrators."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.answering import Version
from tests.api.conftest import Served, problem
from tests.api.listening import lasting


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application for these tests."""
    with lasting(_indexed, tmp_path_factory.mktemp("health")) as served:
        served.portal().post("/v1/match", {"text": "无人机"})  # its index is open from here on
        yield served


def test_a_process_that_answers_is_alive(served: Served) -> None:
    answer = served.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_a_server_that_can_answer_is_ready_and_tells_no_numbers(served: Served) -> None:
    answer = served.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200, {"status": "ready", "store": "ok", "index": "ok", "encoder": "ok"},
    )  # fmt: skip
    assert not set("0123456789") & set(answer.text)


@pytest.mark.parametrize(
    ("versions", "trouble", "part", "said"),
    [
        ({}, "", "index", "opening"),
        ({}, "index_unusable", "index", "index_unusable"),
        ({"partner": Version(1, 0)}, "store_unreadable", "index", "store_unreadable"),
        ({}, "encoder_missing", "encoder", "encoder_missing"),
    ],
)
def test_a_server_that_cannot_answer_says_which_part_and_when_to_ask_again(
    served: Served, monkeypatch: pytest.MonkeyPatch, versions: Any, trouble: str, part: str, said: str
) -> None:
    services = served.app.state.services
    monkeypatch.setattr(type(services.follower), "_follow", _never)  # it would mend what is broken here
    monkeypatch.setattr(services.lanes, "versions", versions)
    monkeypatch.setattr(services.follower, "trouble", trouble)
    # Only the class of the route's services is looked at: what it says is the same however often it is asked.
    answer = served.client.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {"status": "not_ready", "store": "ok", "index": "ok", "encoder": "ok", part: said}


async def _never(self: Any, audience: str) -> None:
    import asyncio

    await asyncio.sleep(3600)


def test_a_store_that_cannot_be_read_is_told_and_named_nowhere(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> int:
        raise OSError(5, "Input/output error", "/srv/geheim")

    with monkeypatch.context() as patch:
        patch.setattr("graph.store.store.Store.revision", broken)
        answer = served.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["store"] == "store_unreadable"
    assert "geheim" not in answer.text


@pytest.mark.parametrize("path", ["/metrics", "/v1/status"])
def test_numbers_are_for_administrators_who_see_everything(served: Served, path: str) -> None:
    assert problem(served.client.get(path))["code"] == "key_missing"
    assert problem(served.portal().get(path))["code"] == "staff_only"
    reader = served.portal("city", audience="staff", scopes=("read", "write", "order", "judge"))
    assert problem(reader.get(path))["code"] == "scope_missing"
    assert served.portal("city", audience="staff").get(path).status_code == 200


def test_metrics_count_by_route_and_name_nobody(served: Served) -> None:
    partner, staff = served.portal("hengqin"), served.portal("city", audience="staff")
    assert partner.get("/v1/scenes/CJ-1").status_code == 200
    assert partner.post("/v1/orders", {"need": "求无人机"}).status_code == 201
    answer = staff.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    asked = ("jiebang_requests_total", (("method", "GET"), ("route", "/v1/scenes/{id}"), ("status", "200")))
    assert samples[asked] >= 1
    assert samples["jiebang_jobs", (("state", "queued"),)] == 0
    assert samples["jiebang_orders_late", ()] == 0
    assert not any(word in answer.text for word in ("CJ-1", "hengqin", partner.key_id, "无人机"))


def test_the_status_names_revisions_and_indexes(served: Served) -> None:
    told = served.portal("city", audience="staff").get("/v1/status").json()
    assert set(told) == {"revision", "indexes", "workers", "waiting"}
    assert told["revision"] == served.store.revision()
    assert (told["workers"], told["waiting"]) == (1, 0)
    assert told["indexes"]["partner"]["encoder"] == "bigrams/1"
    assert set(told["indexes"]["partner"]) == {"revision", "generation", "encoder"}
    assert json.dumps(told)
