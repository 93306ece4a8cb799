"""The case library over HTTP: drafts are the city's alone, what is published is everybody's that may see it."""

import io
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.case_wire import CaseFilePage, CaseFileShown, SimilarCases
from graph.feedback import Outcome
from graph.store.changes import PutFeedback
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting

WHOLE = {
    "investment": "73", "period": "2025-04至2025-08", "approach": "定时投送", "replicable": "单程三十公里以内",
    "evidence": "承运记录", "measures": "送达时间：24→2 小时（来源：承运记录）", "owner": "澜川海岛发展有限公司",
}  # fmt: skip
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with lasting(_indexed, tmp_path_factory.mktemp("cases")) as running:
        landed = Outcome(
            scene="CJ-1", achievement="CG-1", stage="landed", by="李明", at=datetime(2026, 1, 5, tzinfo=UTC)
        )
        running.store.apply([PutFeedback(record=landed)], actor="李明", at=datetime.now(UTC), reason="")
        yield running


@pytest.fixture
def officer(served: Served) -> Portal:
    return served.portal("city", audience="staff")


@pytest.fixture
def partner(served: Served) -> Portal:
    return served.portal(f"partner-{next(_NUMBERS)}", audience="partner")


def move(portal: Portal, id: str, name: str, **more: Any) -> Any:
    return portal.post(f"/v1/case-files/{id}/moves", {"move": name, **more})


def moved(portal: Portal, id: str, name: str, **more: Any) -> dict[str, Any]:
    response = move(portal, id, name, **more)
    assert response.status_code == 200, response.text
    CaseFileShown.model_validate(response.json())
    shown: dict[str, Any] = response.json()
    return shown


def similar(portal: Portal, path: str, wanted: list[str]) -> Any:
    """The answer once it names these cases: the index follows a change within a moment."""
    for _ in range(600):
        response = portal.get(path)
        if [one["id"] for one in response.json()["items"]] == wanted:
            return response
        time.sleep(0.05)
    raise AssertionError("it never came to pass")


def publish(portal: Portal, id: str, **content: Any) -> dict[str, Any]:
    moved(portal, id, "amend", by="李明", content={**WHOLE, **content})
    moved(portal, id, "consent", values={"consent": "同意函"})
    moved(portal, id, "submit")
    return moved(portal, id, "publish", by="程某")


def test_a_landed_pair_is_drafted_published_found_and_retired(officer: Portal, partner: Portal) -> None:
    response = officer.post("/v1/case-files", {"scene": "CJ-1", "achievement": "CG-1", "by": "李明"})
    assert response.status_code == 201
    draft = response.json()
    CaseFileShown.model_validate(draft)
    id = draft["id"]
    assert response.headers["location"] == f"/v1/case-files/{id}"
    assert (draft["state"], draft["editor"], draft["content"]["scene_id"]) == ("draft", "李明", "CJ-1")
    assert {one["name"] for one in draft["moves"] if one["open"]} == {"amend", "consent", "submit", "discard"}
    assert (
        officer.post("/v1/case-files", {"scene": "CJ-1", "achievement": "CG-1"}).json()["code"]
        == "case_exists"
    )

    # A draft is nobody's but the city's.
    for path in (f"/v1/cases/{id}", f"/v1/cases/{id}/document"):
        assert partner.get(path).status_code == officer.get(path).status_code == 404
    assert problem(partner.get(f"/v1/case-files/{id}"))["code"] == "staff_only"
    assert partner.get("/v1/scenes/CJ-1/cases").json()["items"] == []

    shown = publish(officer, id)
    assert (shown["state"], shown["reviewer"], shown["lacking"]) == ("published", "程某", [])
    assert shown["measures"] == [
        {"name": "送达时间", "before": "24", "after": "2", "unit": "小时", "source": "承运记录"}
    ]
    for path in ("/v1/scenes/CJ-1/cases", "/v1/achievements/CG-1/cases", "/v1/pairs/CJ-1/CG-1/cases"):
        response = similar(partner, path, [id])
        found = SimilarCases.model_validate(response.json())
        assert (found.items[0].id, found.items[0].measured) == (id, "送达时间：24→2 小时")
        assert partner.get(path, headers={"If-None-Match": response.headers["etag"]}).status_code == 304
    by_text = partner.post("/v1/similar-cases", {"text": "海岛无人机送药", "top": 1}).json()
    assert (by_text["subjects"][0]["id"], by_text["items"][0]["id"]) == (None, id)

    parts = partner.get("/v1/pairs/CJ-1/CG-1").json()["pair"]["parts"]
    assert f"（{id}），实测送达时间：24→2 小时" in next(p["note"] for p in parts if p["name"] == "precedent")

    assert moved(officer, id, "retire", by="程某", values={"reason": "设备已拆"})["state"] == "retired"
    similar(partner, "/v1/scenes/CJ-1/cases", [])
    assert partner.get(f"/v1/cases/{id}").status_code == 404
    again = officer.post("/v1/cases", {"id": id, "title": "又来"})
    assert (again.status_code, problem(again)["code"]) == (409, "case_not_published")


def test_the_document_is_of_what_the_caller_may_see(officer: Portal, partner: Portal) -> None:
    from docx import Document

    sent = {
        "title": "某案例",
        "source": "普查",
        "summary": "阵风大",
        "field_visibility": {"summary": "staff"},
    }
    assert officer.post("/v1/cases", {"id": "AL-DOC", **sent}).status_code == 201
    texts = []
    for portal in (officer, partner):
        response = portal.get("/v1/cases/AL-DOC/document")
        assert response.headers["content-disposition"].endswith("AL-DOC.docx")
        texts.append("".join(p.text for p in Document(io.BytesIO(response.content)).paragraphs))
        assert (
            portal.get(
                "/v1/cases/AL-DOC/document", headers={"If-None-Match": response.headers["etag"]}
            ).status_code
            == 304
        )
    assert ["阵风大" in text for text in texts] == [True, False]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "case_what"),
        ({"scene": "CJ-1"}, 422, "case_what"),
        ({"task": "BD-1", "content": {"title": "某"}}, 422, "case_what"),
        ({"task": "BD-1"}, 422, "case_ends"),
        ({"scene": "CJ-3", "achievement": "CG-1"}, 409, "case_not_landed"),
        ({"content": {"title": "某", "measures": "很好"}}, 422, "process_value"),
        ({"content": {"颜色": "红"}}, 422, "request_invalid"),
    ],
)
def test_what_is_no_draft_is_refused(officer: Portal, body: dict[str, Any], status: int, code: str) -> None:
    response = officer.post("/v1/case-files", body)
    assert (response.status_code, problem(response)["code"]) == (status, code)


def test_moves_are_refused_with_what_is_missing(officer: Portal) -> None:
    id = officer.post("/v1/case-files", {"content": {"title": "某案例"}, "by": "李明"}).json()["id"]
    for name, more, status, code in (
        ("submit", {}, 422, "move_requirement"), ("publish", {}, 409, "move_state"),
        ("submit", {"role": "owner"}, 403, "move_role"), ("discard", {}, 422, "move_requirement"),
        ("submit", {"content": {"title": "改名"}}, 422, "move_requirement"), ("nothing", {}, 422, "request_invalid"),
    ):  # fmt: skip
        response = move(officer, id, name, **more)
        assert (response.status_code, problem(response)["code"]) == (status, code), (name, more)
    assert problem(move(officer, "无此", "submit"))["code"] == "not_found"


def test_the_list_has_every_file_and_pages(officer: Portal) -> None:
    made = {officer.post("/v1/case-files", {"content": {"title": f"第{n}个"}}).json()["id"] for n in range(3)}
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = officer.get(
            "/v1/case-files", params={"limit": 2, "state": "draft", **({"cursor": cursor} if cursor else {})}
        ).json()
        CaseFilePage.model_validate(page)
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
    assert made <= set(seen)
    assert seen == sorted(set(seen))


def test_a_draft_sent_twice_is_one(officer: Portal) -> None:
    sent = {"content": {"title": "只要一个"}}
    first, second = (
        officer.post("/v1/case-files", sent, headers={"Idempotency-Key": "one-case"}) for _ in range(2)
    )
    assert (first.status_code, first.json()["id"]) == (second.status_code, second.json()["id"])
