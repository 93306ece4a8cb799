"""A job is done whole or not at all, once, and every end of it is written into it."""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import api.bulk
from api.bulk import KIND, report_path, run_bulk, upload_path
from graph.intake.importing import ImportPlan, plan_import
from graph.problems import Refused
from graph.store.jobs import Job, Jobs
from graph.store.store import Store
from matcher.home import Home
from tests.api.conftest import Served, problem
from tests.api.listening import lasting

SHEET = "编号,名称\r\nA,海岛巡检\r\nB,港口吊装\r\n"
WRONG = "编号,名称\r\nA,海岛巡检\r\nB,\r\n"
LEASE = timedelta(minutes=1)


@pytest.fixture
def place(tmp_path: Path) -> Home:
    """An empty home."""
    home = Home(path=tmp_path / "数据")
    home.open_store(create=True).close()
    return home


def begun(store: Store, home: Home, content: bytes | str, suffix: str = ".csv", **asked: Any) -> Job:
    """A job of a partner that has been uploaded and taken."""
    upload = upload_path(home.path / "jobs", "RW-1", suffix)
    upload.parent.mkdir(exist_ok=True)
    upload.write_bytes(content if isinstance(content, bytes) else content.encode())
    attributes = {
        "kind": "scene", "partial": False, "dry_run": False, "suffix": suffix, "audience": "partner", **asked,
    }  # fmt: skip
    at = datetime.now(UTC)
    store.jobs.add(id="RW-1", kind=KIND, partner="hengqin", actor="hengqin:试", at=at, attributes=attributes)
    job = store.jobs.take(KIND, at, LEASE)
    assert job is not None
    return job


def ids(store: Store) -> list[str]:
    """The ids of all records."""
    return [node.id for node in store.nodes()]


def told(store: Store) -> tuple[str, int | None, list[str]]:
    """How the job ended: its state, what was written, the codes of its problems."""
    job = store.jobs.get("RW-1")
    assert job is not None
    assert job.result is not None
    return job.state, job.result["written"], [one["code"] for one in job.result["problems"]]


@pytest.mark.parametrize(
    ("content", "asked", "end", "records"),
    [
        (SHEET, {}, ("done", 2, []), ["hengqin:A", "hengqin:B"]),
        (SHEET, {"dry_run": True}, ("done", None, []), []),
        (WRONG, {}, ("failed", None, ["value_missing"]), []),
        (WRONG, {"dry_run": True}, ("done", None, ["value_missing"]), []),
        (WRONG, {"partial": True}, ("done", 1, ["value_missing"]), ["hengqin:A"]),
        (WRONG, {"partial": True, "dry_run": True}, ("done", None, ["value_missing"]), []),
        (SHEET.encode("gb18030"), {}, ("done", 2, []), ["hengqin:A", "hengqin:B"]),
    ],
)
def test_a_job_writes_all_or_what_was_asked_for_or_nothing(
    place: Home, content: bytes | str, asked: dict[str, Any], end: Any, records: list[str]
) -> None:
    with place.open_store(create=False) as store:
        begun(store, place, content, **asked)
        run_bulk(place, "RW-1")
        assert (told(store), ids(store)) == (end, records)
        folder = place.path / "jobs"
        assert report_path(folder, "RW-1").is_file() == bool(end[2])
        assert not upload_path(folder, "RW-1", ".csv").exists()


def test_formulas_of_a_workbook_are_read_as_what_they_show_and_never_worked_out(
    place: Home, tmp_path: Path
) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["编号", "名称"], ["A", '=HYPERLINK("http://evil.example","海岛")'], ["B", "港口"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with place.open_store(create=False) as store:
        begun(store, place, (tmp_path / "a.xlsx").read_bytes(), ".xlsx", partial=True)
        run_bulk(place, "RW-1")
        # Nobody has opened the workbook, so the formula shows nothing yet.
        assert told(store)[:2] == ("done", 1)
        assert ids(store) == ["hengqin:B"]


def test_a_job_whose_process_dies_before_its_end_is_kept_is_done_again_to_the_same_end(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process is gone."""

    def gone(*_: Any) -> None:
        raise Killed

    with place.open_store(create=False) as store:
        job = begun(store, place, SHEET)
        with monkeypatch.context() as patch:
            patch.setattr(Jobs, "finish", gone)
            with pytest.raises(Killed):
                run_bulk(place, "RW-1")
        assert ids(store) == ["hengqin:A", "hengqin:B"]
        revision = store.revision()
        again = store.jobs.take(KIND, datetime.now(UTC) + 2 * LEASE, LEASE)
        assert again is not None
        assert again.id == job.id
        run_bulk(place, "RW-1")
        assert told(store)[0] == "done"
        assert store.revision() == revision


def test_a_job_cancelled_while_it_is_checked_writes_nothing(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.open_store(create=False) as store:
        begun(store, place, SHEET)

        def cancelled_meanwhile(*given: Any, **options: Any) -> Any:
            assert store.jobs.cancel("RW-1", datetime.now(UTC))
            return plan_import(*given, **options)

        monkeypatch.setattr(api.bulk, "plan_import", cancelled_meanwhile)
        run_bulk(place, "RW-1")
        job = store.jobs.get("RW-1")
        assert job is not None
        assert (job.state, job.result, ids(store)) == ("cancelled", None, [])


def test_a_job_that_has_begun_to_write_is_not_cancelled(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = ImportPlan.commit
    with place.open_store(create=False) as store:
        begun(store, place, SHEET)

        def cancelled_meanwhile(*given: Any, **options: Any) -> Any:
            assert not store.jobs.cancel("RW-1", datetime.now(UTC))
            return commit(*given, **options)

        monkeypatch.setattr(ImportPlan, "commit", cancelled_meanwhile)
        run_bulk(place, "RW-1")
        assert (told(store), ids(store)) == (("done", 2, []), ["hengqin:A", "hengqin:B"])


def test_a_written_job_is_done_though_the_store_is_busy_just_then(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Jobs.progress

    def busy(jobs: Jobs, id: str, done: int, *more: Any) -> bool:
        if done:
            raise Refused("store_locked", "忙。", "稍候。")
        return progress(jobs, id, done, *more)

    monkeypatch.setattr(Jobs, "progress", busy)
    with place.open_store(create=False) as store:
        begun(store, place, SHEET)
        run_bulk(place, "RW-1")
        assert told(store) == ("done", 2, [])


def test_a_job_that_never_comes_to_its_end_is_given_up_and_others_go_on(
    _indexed: Path,  # noqa: PT019  (its value is used)
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with lasting(_indexed, tmp_path) as served:
        portal, jobs = served.portal(), served.store.jobs
        # Begun three times by servers that are gone.
        begun(served.store, served.settings.home, SHEET)
        for _ in range(2):
            jobs.keep("RW-1", datetime.now(UTC), -LEASE)
            jobs.take(KIND, datetime.now(UTC), LEASE)
        # And once more for a moment at which nothing can be said about it.
        finish, busy = Jobs.finish, [Refused("store_locked", "忙。", "稍候。")]

        def finish_or_not(*given: Any) -> bool:
            if busy:
                raise busy.pop()
            return finish(*given)

        monkeypatch.setattr(Jobs, "finish", finish_or_not)
        monkeypatch.setattr(api.bulk, "_LEASE", timedelta(seconds=0.1))
        jobs.keep("RW-1", datetime.now(UTC), -LEASE)
        state = ""
        while state != "failed":
            job = portal.get("/v1/jobs/RW-1").json()
            state = job["state"]
            time.sleep(0.02)
        assert job["result"]["problems"][0]["code"] == "job_given_up"
        assert busy == []


def test_a_job_that_is_not_running_is_left_alone(place: Home) -> None:
    with place.open_store(create=False) as store:
        begun(store, place, SHEET)
        store.jobs.cancel("RW-1", datetime.now(UTC))
        run_bulk(place, "RW-1")
        run_bulk(place, "RW-2")
        assert ids(store) == []


@pytest.mark.parametrize(
    ("error", "code"), [(Refused("store_full", "满。", "清理。"), "store_full"), (ZeroDivisionError("geheim"), "internal")]
)  # fmt: skip
def test_a_failure_ends_the_job_and_tells_no_details(
    place: Home, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(api.bulk, "plan_import", failing)
    with place.open_store(create=False) as store:
        begun(store, place, SHEET)
        run_bulk(place, "RW-1")
        assert told(store) == ("failed", None, [code])
        job = store.jobs.get("RW-1")
        assert job is not None
        assert "geheim" not in str(job.result)


def test_the_lease_is_kept_while_a_job_is_worked_on(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.bulk, "_BEAT", 0.01)
    leases = set[datetime | None]()

    with place.open_store(create=False) as store:
        before = begun(store, place, SHEET).lease_until

        def slow(*given: Any, **options: Any) -> Any:
            for _ in range(1000):
                job = store.jobs.get("RW-1")
                assert job is not None
                leases.add(job.lease_until)
                if len(leases) == 3:
                    break
                time.sleep(0.005)
            return plan_import(*given, **options)

        monkeypatch.setattr(api.bulk, "plan_import", slow)
        run_bulk(place, "RW-1")
        assert len(leases) == 3
        assert before is not None
        assert all(lease is not None and lease >= before for lease in leases)


def test_a_process_that_dies_fails_its_job_alone_and_those_that_wait_are_bounded(
    _indexed: Path,  # noqa: PT019  (its value is used)
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import os
    import signal

    monkeypatch.setattr("api.routes.jobs._MOST", 3)
    with lasting(_indexed, tmp_path) as served:
        portal = served.portal()
        _hold(served, monkeypatch)
        sheets = [f"编号,名称\r\nA{number},海岛\r\n".encode() for number in range(3)]
        headers = {"Content-Type": "text/csv"}
        jobs = [
            portal.post("/v1/bulk?kind=scene", content=sheet, headers=headers).json()["id"]
            for sheet in sheets
        ]
        refused = portal.post("/v1/bulk", content=sheets[0], headers=headers)
        assert (refused.status_code, problem(refused)["code"], refused.headers["retry-after"]) == (
            429,
            "jobs_many",
            "30",
        )
        assert portal("DELETE", f"/v1/jobs/{jobs[1]}").status_code == 204
        assert not list((served.settings.home.path / "jobs").glob(f"{jobs[1]}*"))
        bulk = served.app.state.services.bulk
        while bulk._pool is None or not bulk._pool._processes:
            time.sleep(0.01)
        os.kill(next(iter(bulk._pool._processes)), signal.SIGKILL)
        _release(served)
        states: list[str] = []
        while not states or {"queued", "running"} & set(states):
            states = [portal.get(f"/v1/jobs/{id}").json()["state"] for id in jobs]
            time.sleep(0.02)
        assert states == ["failed", "cancelled", "done"]
        assert portal.get(f"/v1/jobs/{jobs[0]}").json()["result"]["problems"][0]["code"] == "job_died"
        assert {node.id for node in served.store.nodes("scene") if node.id.startswith("hengqin")} == {
            "hengqin:A2"
        }


def _hold(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that are begun do not go on while a file is there."""
    (served.settings.home.path / "hold").touch()
    runner = served.app.state.services.bulk
    monkeypatch.setattr(runner, "_work", partial(held_bulk, served.settings.home))


def _release(served: Served) -> None:
    (served.settings.home.path / "hold").unlink()


def held_bulk(home: Home, id: str) -> None:
    """``run_bulk``, once it may; for a process of its own."""
    while (home.path / "hold").exists():
        time.sleep(0.02)
    run_bulk(home, id)
