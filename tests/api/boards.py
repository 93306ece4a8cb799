"""A board over HTTP: tasks posted by the city, keys that bid for firms, and a clock to set."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from api.keys import create_key
from tests.api.conftest import Portal, Served
from tests.matcher.boards import firm, uscc

MODULES = ("tasks", "bids", "races", "reviews", "awards")
START = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
DEADLINE = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
TASK: Mapping[str, Any] = {
    "title": "海岛物资无人机投送", "poster": "澜川海岛发展有限公司", "poster_uscc": uscc(900),
    "problem": "海上阵风大，现有机型抗风不足，只能停飞等待风小，外岛断供。", "indicators": "抗风等级≥7级；航程≥30km",
    "content": "整机两套和三个月伴飞", "bounty": 3_000_000, "deadline": DEADLINE.isoformat(),
    "acceptance": "第三方检测达到全部指标", "quota": 999,
}  # fmt: skip


class Clock:
    """The time that the routes read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at = START
        for module in MODULES:
            patch.setattr(f"api.routes.{module}.now", lambda: self.at)


def bidder(served: Served, number: int, partner: str = "hengqin", **changes: Any) -> Portal:
    """A key of a partner that may bid for the firm of that number."""
    asked: dict[str, Any] = {
        "name": "试", "scopes": ("read", "write", "bid"), "audience": "partner", "lasts": None, "per_minute": 100_000,
        "bidders": (firm(number).uscc,),
    }  # fmt: skip
    key, token = create_key(served.store, partner=partner, actor="程某", at=START, **(asked | changes))
    return Portal(served.client, token, key.id)


def done(response: Any) -> dict[str, Any]:
    """What a request that was done gives."""
    assert response.status_code in (200, 201, 202), response.text
    told: dict[str, Any] = response.json()
    return told


def move(portal: Portal, id: str, name: str, **values: Any) -> Any:
    """Ask for a move of a task."""
    return portal.post(f"/v1/tasks/{id}/moves", {"move": name, "values": values})


def posted(staff: Portal, **values: Any) -> str:
    """A task that takes bids."""
    id = done(staff.post("/v1/tasks", {**TASK, **values}))["id"]
    done(move(staff, id, "submit"))
    done(move(staff, id, "opine", expert="程某", opinion="需求真实"))
    done(move(staff, id, "publish"))
    return str(id)


def bid_body(number: int = 1, **values: Any) -> dict[str, Any]:
    """A bid of the firm of that number that passes every formal check."""
    party = firm(number)
    usual: dict[str, Any] = {
        "bidder": party.name, "bidder_uscc": party.uscc, "title": "复合翼无人机", "scheme": "复合翼垂直起降，抗七级风",
        "team": "工程师十人", "amount": 3_000_000 - number * 10_000, "ip_statement": "自有专利，无纠纷", "dishonest": False,
        "replies": [{"indicator": "抗风等级≥7级", "text": "抗风等级7级"}, {"indicator": "航程≥30km", "text": "45km"}],
    }  # fmt: skip
    return usual | values


def awarded(
    served: Served, staff: Portal, clock: Clock, numbers: tuple[int, ...], **values: Any
) -> tuple[str, list[str]]:
    """A task on which these firms have bid, all of them winners, and their bids."""
    clock.at = START
    id = posted(staff, **values)
    made = [done(bidder(served, n).post(f"/v1/tasks/{id}/bids", bid_body(n)))["id"] for n in numbers]
    clock.at = DEADLINE + timedelta(seconds=1)
    done(staff.post(f"/v1/tasks/{id}/bids/opening"))
    award(staff, clock, id, [(bid, 90 - place, "指标全面") for place, bid in enumerate(made)], len(made))
    return id, made


def award(staff: Portal, clock: Clock, id: str, points: Sequence[tuple[str, int, str]], winners: int) -> None:
    """Award a task to the best by these points, through a public notice to which nobody objects."""
    told = [{"bid": bid, "points": str(given), "reason": reason} for bid, given, reason in points]
    done(staff.post(f"/v1/tasks/{id}/award", {"points": told, "winners": winners}))
    notice = done(staff.post(f"/v1/tasks/{id}/award/moves", {"move": "publish"}))
    clock.at = datetime.combine(date.fromisoformat(notice["notice_to"]), time(4), UTC) + timedelta(days=1)
    done(staff.post(f"/v1/tasks/{id}/award/moves", {"move": "confirm"}))
