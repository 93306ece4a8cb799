"""Uploads as jobs: whole or not at all, with a row report that comes back mended, and nobody else's."""

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = {"Content-Type": "text/csv"}


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application that lasts for these tests."""
    with lasting(_indexed, tmp_path_factory.mktemp("jobs")) as served:
        yield served


@pytest.fixture(scope="module")
def hengqin(served: Served) -> Portal:
    """The partner who uploads."""
    return served.portal()


def upload(portal: Portal, content: bytes | str, query: str = "", **headers: str) -> Any:
    body = content.encode() if isinstance(content, str) else content
    return portal("POST", f"/v1/bulk{query}", content=body, headers={**CSV, **headers})


def ended(portal: Portal, sent: Any) -> dict[str, Any]:
    """The job of an upload, once it has ended."""
    assert sent.status_code == 202, sent.text
    for _ in range(1500):
        job: dict[str, Any] = portal.get(sent.headers["location"]).json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def test_sheet_becomes_the_partner_s_own_records(served: Served, hengqin: Portal) -> None:
    sheet = "编号,名称,产业领域,可见范围\nU1,海岛巡检,低空经济,公开\nCJ-2,港口吊装,,合作方\n"
    job = ended(hengqin, upload(hengqin, sheet, "?kind=scene"))
    assert (job["state"], job["result"]["written"], job["done"], job["total"]) == ("done", 2, 2, 2)
    assert job["result"]["rows"] == {"new": 2, "changed": 0, "unchanged": 0, "refused": 0, "skipped": 0}
    # CJ-2 is a record of the city's that partners do not see: it stays, and nothing tells of it.
    assert [served.store.get("scene", id).title for id in ("hengqin:CJ-2", "CJ-2")] == [
        "港口吊装",
        "院内药品配送机器人",
    ]
    assert "CJ-2" not in str(job["result"]["problems"])
    again = ended(hengqin, upload(hengqin, sheet, "?kind=scene"))
    assert again["result"]["rows"]["unchanged"] == 2
    assert again["result"]["written"] == 0


def test_one_wrong_row_keeps_all_out_and_the_report_comes_back_mended(
    served: Served, hengqin: Portal, tmp_path: Path
) -> None:
    before = served.store.revision()
    sheet = "编号,名称,可见范围\nR1,海岛巡检,公开\nR2,,公开\nR3,内部的事,内部\n".encode("gb18030")
    job = ended(hengqin, upload(hengqin, sheet, "?kind=scene"))
    assert (job["state"], job["result"]["written"], served.store.revision()) == ("failed", None, before)
    errors = [p for p in job["result"]["problems"] if p["severity"] == "error"]
    assert {p["code"]: p["place"] for p in errors} == {
        "value_missing": "第 3 行“名称”列",
        "visibility_refused": "第 4 行“可见范围”列",
    }
    import openpyxl

    report = hengqin.get(job["report"])
    assert report.headers["content-type"] == XLSX
    book = openpyxl.load_workbook(io.BytesIO(report.content))
    table = book.worksheets[0]
    header = [cell.value for cell in table[1]]
    table.cell(3, header.index("名称") + 1).value = "补上的名称"
    table.cell(4, header.index("可见范围") + 1).value = "合作方"
    book.save(tmp_path / "改好.xlsx")
    mended = upload(hengqin, (tmp_path / "改好.xlsx").read_bytes(), "?kind=scene", **{"Content-Type": XLSX})
    assert ended(hengqin, mended)["result"]["written"] == 3


def test_partial_takes_the_good_rows_and_dry_run_none(served: Served, hengqin: Portal) -> None:
    sheet = "编号,名称\nP1,海岛巡检\nP2,\n"
    tried = ended(hengqin, upload(hengqin, sheet, "?kind=scene&dry_run=true"))
    assert (tried["state"], tried["result"]["written"], tried["result"]["errors"]) == ("done", None, 1)
    assert served.store.get("scene", "hengqin:P1") is None
    taken = ended(hengqin, upload(hengqin, sheet, "?kind=scene&partial=true"))
    assert (taken["state"], taken["result"]["written"], taken["result"]["errors"]) == ("done", 1, 1)


def test_same_upload_sent_again_is_the_same_job(served: Served, hengqin: Portal) -> None:
    sheet, key = "编号,名称\nK1,海岛巡检\n", {"Idempotency-Key": "k1"}
    first, second = (upload(hengqin, sheet, "?kind=scene", **key) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    ended(hengqin, first)
    other = upload(hengqin, sheet + "K2,别的\n", "?kind=scene", **key)
    assert (other.status_code, problem(other)["code"]) == (422, "idempotency_mismatch")


def test_relations_and_judgements_are_not_a_partner_s_to_import(
    served: Served, hengqin: Portal, staff_of: Portal
) -> None:
    sheet = "起点类型,起点编号,关系,终点类型,终点编号\n企业,QY-1,发布,场景,CJ-3\n"
    job = ended(hengqin, upload(hengqin, sheet))
    assert (job["state"], [p["code"] for p in job["result"]["problems"]]) == ("failed", ["kind_refused"])
    assert ended(staff_of, upload(staff_of, sheet))["result"]["written"] == 1


@pytest.fixture(scope="module")
def staff_of(served: Served) -> Portal:
    """The city's own portal."""
    return served.portal("city", audience="staff")


def test_a_bomb_and_a_broken_file_are_refused_whole(served: Served, hengqin: Portal) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(500):
                sheet.write(b"0" * 1_000_000)
    before = served.store.revision()
    for content in (bomb.getvalue(), b"PK\x03\x04 no workbook", b"\x00\x01\x02"):
        job = ended(hengqin, upload(hengqin, content, "?kind=scene", **{"Content-Type": XLSX}))
        assert (job["state"], job["result"]["written"]) == ("failed", None)
        assert all(p["message"] and p["remedy"] for p in job["result"]["problems"])
    assert served.store.revision() == before


@pytest.mark.parametrize(
    ("media", "content", "status", "code"),
    [
        ("multipart/form-data; boundary=x", b"--x--", 415, "media_type"),
        ("application/octet-stream", b"x", 415, "media_type"),
        ("text/csv", b"", 400, "body_empty"),
    ],
)
def test_what_is_no_sheet_is_refused_at_once(
    hengqin: Portal, media: str, content: bytes, status: int, code: str
) -> None:
    refused = upload(hengqin, content, **{"Content-Type": media})
    assert (refused.status_code, problem(refused)["code"]) == (status, code)


def test_jobs_of_others_are_as_if_they_were_not_there(
    served: Served, hengqin: Portal, staff_of: Portal
) -> None:
    job = ended(hengqin, upload(hengqin, "编号,名称\nO1,海岛巡检\n", "?kind=scene"))
    other = served.portal("xiangzhou")
    for method, path in (("GET", ""), ("GET", "/report"), ("DELETE", "")):
        refused = other(method, f"/v1/jobs/{job['id']}{path}")
        assert (refused.status_code, problem(refused)["code"]) == (404, "not_found")
    assert other.get("/v1/jobs").json() == {"items": [], "next": None}
    assert job["id"] in {one["id"] for one in staff_of.get("/v1/jobs?limit=200").json()["items"]}
    refused = hengqin("DELETE", f"/v1/jobs/{job['id']}")
    assert (refused.status_code, problem(refused)["code"]) == (409, "job_ended")


def test_pages_of_jobs_give_each_once(hengqin: Portal) -> None:
    for number in range(3):
        ended(hengqin, upload(hengqin, f"编号,名称\nQ{number},海岛巡检\n", "?kind=scene&dry_run=true"))
    found: list[str] = []
    path = "/v1/jobs?limit=2"
    while path:
        page = hengqin.get(path).json()
        found += [job["id"] for job in page["items"]]
        path = page["next"] and f"/v1/jobs?limit=2&cursor={page['next']}"
    whole = [job["id"] for job in hengqin.get("/v1/jobs?limit=200").json()["items"]]
    assert found == whole
    assert len(set(found)) == len(found) >= 3


def test_a_key_that_sees_less_sees_no_job_of_one_that_sees_more(served: Served) -> None:
    more, less = served.portal("quay", audience="staff"), served.portal("quay")
    job = ended(more, upload(more, "编号,名称\nCJ-77,内部的事\n", "?kind=scene&dry_run=true"))
    assert less.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert less.get("/v1/jobs").json() == {"items": [], "next": None}
    own = [ended(less, upload(less, f"编号,名称\nN{n},海岛\n", "?kind=scene&dry_run=true")) for n in range(2)]
    ended(more, upload(more, "编号,名称\nCJ-78,内部的事\n", "?kind=scene&dry_run=true"))
    # A page is as long, and its cursor names the same, as if the hidden jobs were not there.
    first = less.get("/v1/jobs?limit=1").json()
    assert [one["id"] for one in first["items"]] == [own[1]["id"]]
    second = less.get(f"/v1/jobs?limit=1&cursor={first['next']}").json()
    assert ([one["id"] for one in second["items"]], second["next"]) == ([own[0]["id"]], None)
