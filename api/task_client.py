"""The client's resources of 揭榜挂帅: tasks with their bids and races, and assignments; see ``client.py``."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from api.wire import History
from api.wire_tasks import (
    AssignmentPage,
    AssignmentShown,
    BidChecked,
    BidPage,
    BidReceived,
    BidShown,
    DifferenceShown,
    FitShown,
    Opened,
    Proposals,
    RaceShown,
    TaskChecked,
    TaskMove,
    TaskPage,
    TaskShown,
)

if TYPE_CHECKING:
    from api.client import JiebangClient


class Tasks:
    """Tasks (榜单). Money is whole 元, times have a zone."""

    def __init__(self, client: "JiebangClient") -> None:
        self._client = client

    def list(self, **asked: Any) -> Iterator[TaskShown]:
        """Tasks that were posted, and the partner's own; ``asked``: state, mode, own, limit (a page's)."""
        return self._client._items(TaskPage, "/v1/tasks", **asked)

    def file(self, format: Literal["csv", "xlsx"]) -> bytes:
        """The posted tasks as a file to publish."""
        return self._client._send("GET", "/v1/tasks", params={"format": format}).content

    def get(self, id: str) -> TaskShown:
        """A task; of one's own with what may be done now, and why other moves may not be made."""
        return self._client._given(TaskShown, "GET", _path(id))

    def create(self, **values: Any) -> TaskShown:
        """Register a task; with ``scene`` or ``achievement`` its draft is made of that record."""
        return self._client._given(TaskShown, "POST", "/v1/tasks", body=values)

    def etag(self, id: str) -> str:
        """The entity tag of a task as it is now, for ``update``."""
        return str(self._client._send("GET", _path(id)).headers["etag"])

    def update(self, id: str, *, etag: str, **changes: Any) -> TaskShown:
        """Change a task that has not been handed on. Raises ``Changed`` if it is not as it was when it had the tag."""
        return self._client._given(TaskShown, "PATCH", _path(id), body=changes, etag=etag)

    def check(self, id: str) -> TaskChecked:
        """What is still to be written, and how many records could answer."""
        return self._client._given(TaskChecked, "GET", f"{_path(id)}/check")

    def check_written(self, **values: Any) -> TaskChecked:
        """``check`` of a task that is not registered."""
        return self._client._given(TaskChecked, "POST", "/v1/tasks/check", body=values)

    def move(self, id: str, move: TaskMove, **values: Any) -> TaskShown:
        """Make a move; what may be done, and what it needs, stands in ``TaskShown.inside.moves``."""
        sent = {"move": move, "values": values}
        return self._client._given(TaskShown, "POST", f"{_path(id)}/moves", body=sent)

    def invitations(self, id: str, *, top: int | None = None) -> Proposals:
        """Whom to ask, with reasons."""
        return self._client._given(Proposals, "GET", f"{_path(id)}/invitations", params={"top": top})

    def record_invitations(self, id: str, keys: Sequence[str] = ()) -> Proposals:
        """Keep whom we have asked; no keys means all; for staff."""
        return self._client._given(Proposals, "POST", f"{_path(id)}/invitations", body={"keys": list(keys)})

    def history(self, id: str) -> History:
        """The changes of a task, oldest first."""
        return self._client._given(History, "GET", f"{_path(id)}/history")

    def bids(self, id: str) -> Iterator[BidShown]:
        """The bids that one may see: one's own; for staff and the poster all of them once they are open."""
        return self._client._items(BidPage, f"{_path(id)}/bids")

    def bid_count(self, id: str) -> int | None:
        """How many bids there are; None as long as they are sealed, for staff never."""
        return self._client._given(BidPage, "GET", f"{_path(id)}/bids", params={"limit": 1}).count

    def bid(self, id: str, bid: str) -> BidShown:
        """One bid."""
        return self._client._given(BidShown, "GET", _path(id, bid))

    def check_bid(self, id: str, values: Mapping[str, Any]) -> BidChecked:
        """The formal check of a bid; nothing is handed in."""
        return self._client._given(BidChecked, "POST", f"{_path(id)}/bids/check", body=dict(values))

    def hand_in(self, id: str, values: Mapping[str, Any]) -> BidReceived:
        """Hand in a bid for an organisation that the key bids for, or replace its own."""
        return self._client._given(BidReceived, "POST", f"{_path(id)}/bids", body=dict(values))

    def withdraw(self, id: str, bid: str, *, reason: str = "") -> BidShown:
        """Take a bid back before the deadline."""
        sent = {"move": "withdraw", "reason": reason}
        return self._client._given(BidShown, "POST", f"{_path(id, bid)}/moves", body=sent)

    def abandon(self, id: str, bid: str, *, reason: str) -> BidShown:
        """Give up in writing what was won."""
        sent = {"move": "abandon", "reason": reason}
        return self._client._given(BidShown, "POST", f"{_path(id, bid)}/moves", body=sent)

    def open_bids(self, id: str) -> Opened:
        """Open the bids of a task whose deadline has passed; for staff."""
        return self._client._given(Opened, "POST", f"{_path(id)}/bids/opening")

    def fit(self, id: str, bid: str) -> FitShown:
        """How well a bid fits, indicator by indicator."""
        return self._client._given(FitShown, "GET", f"{_path(id, bid)}/fit")

    def race(self, id: str) -> RaceShown:
        """The race of a task; a team sees itself alone."""
        return self._client._given(RaceShown, "GET", f"{_path(id)}/race")

    def start_race(self, id: str, gates: Sequence[Mapping[str, Any]]) -> RaceShown:
        """Start a race; for staff."""
        return self._client._given(
            RaceShown, "POST", f"{_path(id)}/race", body={"gates": [dict(gate) for gate in gates]}
        )

    def judge_gate(self, id: str, **sent: Any) -> RaceShown:
        """Judge the next gate (``teams``) or put it off (``extend_to``, ``reason``); for staff."""
        return self._client._given(RaceShown, "POST", f"{_path(id)}/race/gates", body=sent)

    def leave_race(self, id: str, team: str, *, reason: str, refund: int = 0) -> RaceShown:
        """A team leaves."""
        sent = {"team": team, "reason": reason, "refund": refund}
        return self._client._given(RaceShown, "POST", f"{_path(id)}/race/departures", body=sent)


class Assignments:
    """Assignments of achievements to scenes (统筹对接), each worked out as a job."""

    def __init__(self, client: "JiebangClient", sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._sleep = client, sleep

    def create(self, **asked: Any) -> AssignmentShown:
        """Have one worked out; ``wait`` gives it with its plan."""
        return self._client._given(AssignmentShown, "POST", "/v1/assignments", body=asked)

    def get(self, id: str) -> AssignmentShown:
        """How far it is, and its plan."""
        return self._client._given(AssignmentShown, "GET", f"/v1/assignments/{quote(id, safe='')}")

    def list(self) -> Iterator[AssignmentShown]:
        """The partner's, the newest first, without plans."""
        return self._client._items(AssignmentPage, "/v1/assignments")

    def cancel(self, id: str) -> None:
        """Stop one that has not ended."""
        self._client._send("DELETE", f"/v1/assignments/{quote(id, safe='')}")

    def difference(self, id: str, against: str) -> DifferenceShown:
        """What a plan changes against another."""
        path = f"/v1/assignments/{quote(id, safe='')}/difference"
        return self._client._given(DifferenceShown, "GET", path, params={"against": against})

    def wait(self, asked: AssignmentShown, *, patience: float = 600.0, pause: float = 1.0) -> AssignmentShown:
        """The assignment once it has ended. Raises ``TimeoutError`` after about ``patience`` seconds."""
        for _ in range(max(1, round(patience / pause))):
            now = self.get(asked.id)
            if now.state not in ("queued", "running"):
                return now
            self._sleep(pause)
        raise TimeoutError(f"统筹对接 {asked.id} 在 {patience:g} 秒内没有算完；可稍后用 get() 查看")


def _path(task: str, bid: str | None = None) -> str:
    path = f"/v1/tasks/{quote(task, safe='')}"
    return path if bid is None else f"{path}/bids/{quote(bid, safe='')}"
