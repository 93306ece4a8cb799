"""The three published lists: who sees what of them, page by page and as files."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from api.routes import lists
from graph.kinds import Case, Enterprise, Scene
from graph.store.changes import PutNode
from graph.values import Visibility
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting

MORE = (
    Scene.model_validate({"id": "CJ-4", "title": "已经落地的", "status": "已落地", "visibility": "public"}),
    Scene.model_validate({"id": "CJ-5", "title": "过了日子的", "deadline": "2020-01-31", "visibility": "public"}),
    Enterprise.model_validate({"id": "QY-3", "title": "只有名字的公司", "visibility": "public"}),
    # Its id comes before those of the kind that is listed before it.
    Enterprise.model_validate({"id": "AA-1", "title": "造船厂", "products": "无人船", "visibility": "public"}),
    Case.model_validate({"id": "AL-1", "title": "=1+1", "scene_id": "CJ-2", "visibility": "public", "contact": "陈工"}),
    Case.model_validate({"id": "AL-2", "title": "内部案例", "visibility": "staff"}),
)  # fmt: skip
# By hand from the world: open scenes, achievements and enterprises that say what they can, cases.
LISTED: dict[str, dict[Visibility, list[str]]] = {
    "opportunities": {"public": ["CJ-1", "CJ-3"], "partner": ["CJ-1", "CJ-3"], "staff": ["CJ-1", "CJ-3"]},
    "capabilities": {
        "public": ["CG-1", "CG-2", "AA-1", "QY-1", "QY-2"], "partner": ["CG-1", "CG-2", "CG-3", "AA-1", "QY-1", "QY-2"],
        "staff": ["CG-1", "CG-2", "CG-3", "CG-4", "AA-1", "QY-1", "QY-2"],
    },
    "cases": {"public": ["AL-1"], "partner": ["AL-1"], "staff": ["AL-1", "AL-2"]},
}  # fmt: skip
CASES = [(name, audience) for name, by in LISTED.items() for audience in by]


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here, over the world and some records more."""
    with lasting(_indexed, tmp_path_factory.mktemp("lists")) as running:
        changes = [PutNode(node=node) for node in MORE]
        running.store.apply(changes, actor="程某", at=datetime(2026, 3, 31, tzinfo=UTC), reason="试")
        yield running


def portal(served: Served, audience: Visibility) -> Portal:
    return served.portal(f"of-{audience}", audience=audience)


def every_page(caller: Portal, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = caller.get(path + cursor).json()
        found += answer["items"]
        if answer["next"] is None:
            return found
        cursor = f"&cursor={answer['next']}"


@pytest.mark.parametrize(("name", "audience"), CASES)
def test_list_holds_what_its_reader_may_see(served: Served, name: str, audience: Visibility) -> None:
    caller = portal(served, audience)
    for limit in (1, 2, 200):
        found = every_page(caller, f"/v1/lists/{name}?limit={limit}")
        assert [one["id"] for one in found] == LISTED[name][audience]
    for one in found:
        plural = {
            "scene": "scenes",
            "achievement": "achievements",
            "enterprise": "enterprises",
            "case": "cases",
        }
        assert one == caller.get(f"/v1/{plural[one['kind']]}/{one['id']}").json()


@pytest.mark.parametrize(("name", "audience"), CASES)
def test_files_hold_the_same_records_and_no_more_columns(
    served: Served, name: str, audience: Visibility
) -> None:
    from openpyxl import load_workbook

    caller = portal(served, audience)
    listed = every_page(caller, f"/v1/lists/{name}?limit=200")
    text = caller.get(f"/v1/lists/{name}?format=csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    first_kind = [one["id"] for one in listed if one["kind"] == listed[0]["kind"]]
    assert [row["编号"] for row in rows] == first_kind
    workbook = load_workbook(io.BytesIO(caller.get(f"/v1/lists/{name}?format=xlsx").content))
    cells = {str(cell) for sheet in workbook for row in sheet.iter_rows(values_only=True) for cell in row}
    assert {one["id"] for one in listed} <= cells
    personal = {"陈工", "0756-5551001"}
    if audience != "staff":
        assert not any(word in text or word in cells for word in personal | {"CJ-2"})


def test_file_is_named_in_chinese_and_not_sent_twice(served: Served) -> None:
    caller = portal(served, "partner")
    first = caller.get("/v1/lists/opportunities?format=csv")
    assert first.headers["content-type"] == "text/csv; charset=utf-8"
    name = "%E5%9C%BA%E6%99%AF%E6%9C%BA%E4%BC%9A%E6%B8%85%E5%8D%95.csv"
    assert first.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"
    again = caller.get("/v1/lists/opportunities?format=csv", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_title_that_looks_like_a_formula_is_no_formula_in_files(served: Served) -> None:
    from openpyxl import load_workbook

    caller = portal(served, "public")
    text = caller.get("/v1/lists/cases?format=csv").content.decode("utf-8-sig")
    assert not any(cell.startswith("=") for row in csv.reader(io.StringIO(text)) for cell in row)
    workbook = load_workbook(io.BytesIO(caller.get("/v1/lists/cases?format=xlsx").content))
    assert not any(cell.data_type == "f" for sheet in workbook for row in sheet.iter_rows() for cell in row)


def test_scene_is_listed_up_to_its_day_and_not_after(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = portal(served, "public")
    told = []
    for day in (date(2020, 1, 31), date(2020, 2, 1)):
        monkeypatch.setattr(lists, "today", lambda day=day: day)
        told.append("CJ-5" in [one["id"] for one in caller.get("/v1/lists/opportunities").json()["items"]])
    assert told == [True, False]


def test_cursor_of_another_list_or_reader_is_refused(served: Served) -> None:
    cursor = portal(served, "partner").get("/v1/lists/capabilities?limit=1").json()["next"]
    for caller, name in (
        (portal(served, "partner"), "opportunities"),
        (portal(served, "staff"), "capabilities"),
    ):
        refused = problem(caller.get(f"/v1/lists/{name}?limit=1&cursor={cursor}"))
        assert (refused["status"], refused["code"]) == (400, "cursor_foreign")


@pytest.mark.parametrize(
    "path", ["/v1/lists/secrets", "/v1/lists/cases?format=pdf", "/v1/lists/cases?limit=0"]
)
def test_unknown_list_or_format_is_refused(served: Served, path: str) -> None:
    assert problem(portal(served, "partner").get(path))["code"] == "request_invalid"
