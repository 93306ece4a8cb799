"""Panels, reviews and awards over HTTP: the whole chain for staff, nothing for anybody else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from api.routes import awards, reviews
from api.wire_reviews import AwardShown, PanelShown, RankingShown, ReviewShown
from graph.kinds import Expert, Institution
from graph.store.changes import PutNode
from matcher.bidding import hand_in, open_bids
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting
from tests.matcher.boards import OPENING, bid_values, make_posted, put_processes

ID = "BD-2026-001"
AT = f"/v1/tasks/{ID}"


@pytest.fixture
def served(_indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """An application over a task with three opened bids and seven experts, one of whom advises a bidder."""
    for module in (reviews, awards):
        monkeypatch.setattr(module, "now", lambda: OPENING)
    with lasting(_indexed, tmp_path) as running:
        nodes = [Institution(id=f"JG-9{n}", title=f"第{n}大学") for n in range(7)]
        people = [
            Expert(id=f"ZJ-{n}", title=f"评委{n}", organisation=f"第{n}大学", specialities="无人机")
            for n in range(7)
        ]
        changes = [PutNode(node=node) for node in (*nodes, *people)]
        running.store.apply(changes, actor="程某", at=datetime.now(UTC), reason="专家")
        put_processes(running.store, [make_posted(experts=5, notice_days=0, poster="澜川海岛发展有限公司")])
        for number in (1, 2, 3):
            assert hand_in(running.store, ID, values=bid_values(number), at=OPENING - timedelta(days=2)).bid
        open_bids(running.store, ID, actor="程某", at=OPENING)
        yield running


@pytest.fixture
def officer(served: Served) -> Portal:
    """The city's portal."""
    return served.portal("city", audience="staff")


def _marks(review: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "expert": who["id"], "bid": reading["bid"], "remark": "续航论证不足",
            "marks": {one["name"]: str(int(one["full_marks"]) - place) for one in review["criteria"]},
        }
        for place, reading in enumerate(review["readings"])
        for who in reading["readers"]
    ]  # fmt: skip


def test_the_chain_goes_from_panel_to_force(officer: Portal, served: Served) -> None:
    from docx import Document
    from openpyxl import load_workbook

    advises = {"declared": [{"expert": "ZJ-0", "advises": ["第1号航空科技有限公司"]}]}
    tried = officer.post(f"{AT}/panel", {"seed": 3, "dry_run": True, **advises}).json()
    panel = officer.post(f"{AT}/panel", {"seed": 3, **advises}).json()
    PanelShown.model_validate(panel)
    assert tried == panel | {"kept": False}
    assert [(one["expert"], "担任顾问" in one["reason"]) for one in panel["barred"]] == [("ZJ-0", True)]
    assert officer.get(f"{AT}/panel").json() == panel
    out = panel["members"][0]["id"]
    changed = officer.post(f"{AT}/panel/recusals", {"expert": out, "reason": "有合作"}).json()
    assert [one["into"] for one in changed["recusals"]] == [panel["alternates"][0]["id"]]

    review = officer.post(f"{AT}/review", {}).json()
    ReviewShown.model_validate(review)
    assert {one["id"] for reading in review["readings"] for one in reading["readers"]} == {
        one["id"] for one in changed["members"]
    }
    early = officer.get(f"{AT}/review/ranking")
    assert (early.status_code, problem(early)["code"]) == (409, "score_missing")
    full = officer.post(f"{AT}/review/marks", {"marks": _marks(review)}).json()
    assert full["problems"] == []
    ranking = officer.get(f"{AT}/review/ranking").json()
    RankingShown.model_validate(ranking)

    award = officer.post(f"{AT}/award", {}).json()
    AwardShown.model_validate(award)
    best = ranking["items"][0]["bid"]
    assert (award["task_state"], [one["bid"] for one in award["ranking"] if one["wins"]]) == (
        "awarded",
        [best],
    )
    late = officer.post(f"{AT}/review/marks", {"marks": _marks(review)})
    assert (late.status_code, problem(late)["code"]) == (409, "review_stage")
    assert officer.get(f"{AT}/award/notice").status_code == 404
    summary = officer.get(f"{AT}/review/summary")
    sheet = load_workbook(BytesIO(summary.content)).worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    named = [one["bidder"] for one in award["ranking"]]
    assert [name for row in rows for name in named if name in row] == named
    assert officer.post(f"{AT}/award/moves", {"move": "publish"}).json()["state"] == "notice"
    notice = Document(BytesIO(officer.get(f"{AT}/award/notice").content))
    assert [[cell.text for cell in row.cells][1] for row in notice.tables[0].rows] == ["拟中选单位", named[0]]
    done = officer.post(f"{AT}/award/moves", {"move": "confirm"}).json()
    assert (done["state"], done["task_state"]) == ("effective", "awarded")
    loser = ranking["items"][1]["bid"]
    told = officer.get(f"{AT}/award/reasons/{loser}").json()["lines"]
    assert "评审意见：续航论证不足" in told
    assert not [word for word in ("评委", "ZJ-", "第1号", "第3号") if word in "".join(told)]
    assert officer.get(f"{AT}/award/reasons/{best}").status_code == 409
    assert officer.get(f"{AT}/award/reasons/x").status_code == 404
    back = officer.post(f"{AT}/award/moves", {"move": "withdraw", "reason": "重评"}).json()
    assert (back["state"], back["task_state"]) == ("withdrawn", "evaluating")
    assert served.store.verify_history() == []


def test_what_cannot_be_done_is_told_item_by_item(officer: Portal) -> None:
    answers = [
        officer.post(f"{AT}/panel", {"seed": 3, "quotas": [{"words": ["院士"], "least": 1, "of_position": True}]}),
        officer.post(f"{AT}/panel/recusals", {"expert": "ZJ-1", "reason": "有合作"}),
        officer.post(f"{AT}/review", {"per_bid": 9}),
        officer.post(f"{AT}/review/marks", {"marks": [{"expert": "ZJ-1", "bid": "x", "marks": {"技术": "1"}}]}),
        officer.post(f"{AT}/award", {}),
        officer.post(f"{AT}/award", {"points": [{"bid": "x", "points": "80", "reason": "好"}]}),
        officer.post(f"{AT}/award/moves", {"move": "publish"}),
    ]  # fmt: skip
    assert [(one.status_code, problem(one)["code"]) for one in answers] == [
        (409, "panel_undrawable"), (404, "panel_none"), (409, "review_unassignable"), (404, "review_none"),
        (404, "review_none"), (422, "award_points"), (404, "not_found"),
    ]  # fmt: skip
    assert [one["code"] for one in problem(answers[0])["problems"]] == ["panel_quota"]


def test_nobody_but_staff_reaches_a_review(served: Served) -> None:
    partner = served.portal("hengqin")
    for path in (
        "/panel",
        "/review",
        "/review/ranking",
        "/review/summary",
        "/award",
        "/award/notice",
        "/award/reasons/x",
    ):
        answer = partner.get(f"{AT}{path}")
        assert (answer.status_code, problem(answer)["code"]) == (403, "staff_only")
    assert partner.post(f"{AT}/panel", {"seed": 1}).status_code == 403
