"""The client's resource of a roadshow's day: timetable, meetings, papers, results; see ``client.py``."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from api.wire_roadshows import (
    FollowedPage,
    MeetingsShown,
    OpenBrief,
    OpenPage,
    OpenRoadshow,
    PaperFormat,
    PaperKind,
    ProposalShown,
    RoundShown,
    RoundsShown,
    SolutionShown,
    TimetableShown,
)

if TYPE_CHECKING:
    from api.client import JiebangClient

_SHEETS = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".csv": "text/csv",
}  # fmt: skip


class RoadshowPlans:
    """What is planned for the day of a roadshow. Whoever changes anything says which draft was seen.

    Moments are by China's clocks; one with a zone is put on them.
    """

    def __init__(self, client: "JiebangClient", sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._sleep = client, sleep

    def timetable(self, id: str, *, version: int | None = None) -> TimetableShown:
        """The timetable with what is broken now."""
        return self._client._given(
            TimetableShown, "GET", f"{_path(id)}/timetable", params=_asked(version=version)
        )

    def set_timetable(self, id: str, draft: int, **changes: Any) -> TimetableShown:
        """Change sessions, judges, rules, places, locks (``TimetableSent``); nothing is solved."""
        return self._client._given(
            TimetableShown, "PUT", f"{_path(id)}/timetable", body={"draft": draft, **changes}
        )

    def meetings(self, id: str, *, version: int | None = None) -> MeetingsShown:
        """The meetings with what is broken now."""
        return self._client._given(
            MeetingsShown, "GET", f"{_path(id)}/meetings", params=_asked(version=version)
        )

    def set_meetings(self, id: str, draft: int, **changes: Any) -> MeetingsShown:
        """Change people, wishes, rounds, locks (``MeetingsSent``); nothing is solved."""
        return self._client._given(
            MeetingsShown, "PUT", f"{_path(id)}/meetings", body={"draft": draft, **changes}
        )

    def upload_wishes(self, id: str, draft: int, sheet: Path, **times: Any) -> MeetingsShown:
        """Take in a sheet of wishes (xlsx, csv) beside those known; ``times``: start, rounds, minutes, gap, tables, title."""
        sent = self._client._send(
            "POST", f"{_path(id)}/meetings/wishes", params={"draft": draft, **times}, content=sheet.read_bytes(),
            media=_SHEETS[sheet.suffix.lower()],
        )  # fmt: skip
        return MeetingsShown.model_validate_json(sent.content, extra="ignore")

    def propose_wishes(self, id: str, draft: int, **asked: Any) -> ProposalShown:
        """Wishes that the lineup's fits speak for; ``asked``: level, dry_run, and times as of ``upload_wishes``."""
        return self._client._given(
            ProposalShown, "POST", f"{_path(id)}/meetings/proposals", body={"draft": draft, **asked}
        )

    def solve(
        self, id: str, draft: int, what: Literal["timetable", "meetings"], **asked: Any
    ) -> SolutionShown:
        """Have timetable or meetings solved and kept; ``asked``: fresh, cancel, dry_run. ``wait`` gives what was found."""
        body = {"draft": draft, "what": what, **asked}
        return self._client._given(SolutionShown, "POST", f"{_path(id)}/solutions", body=body)

    def solution(self, id: str, solution: str) -> SolutionShown:
        """How far a solution is, and what was found."""
        return self._client._given(SolutionShown, "GET", f"{_path(id)}/solutions/{quote(solution, safe='')}")

    def cancel(self, id: str, solution: str) -> None:
        """Stop a solution that has not ended; nothing is written."""
        self._client._send("DELETE", f"{_path(id)}/solutions/{quote(solution, safe='')}")

    def wait(self, asked: SolutionShown, *, patience: float = 300.0, pause: float = 0.5) -> SolutionShown:
        """The solution once it has ended. Raises ``TimeoutError`` after about ``patience`` seconds."""
        for _ in range(max(1, round(patience / pause))):
            now = self.solution(asked.roadshow, asked.id)
            if now.state not in ("queued", "running"):
                return now
            self._sleep(pause)
        raise TimeoutError(f"求解 {asked.id} 在 {patience:g} 秒内没有算完；可稍后用 solution() 查看")

    def paper(self, id: str, paper: PaperKind, format: PaperFormat, **asked: Any) -> bytes:
        """A paper as a file; ``asked``: audience, version, who, side, round."""
        return self._client._send(
            "GET", f"{_path(id)}/papers/{paper}", params={"format": format, **asked}
        ).content

    def results(self, id: str) -> RoundsShown:
        """The rounds that are kept."""
        return self._client._given(RoundsShown, "GET", f"{_path(id)}/results")

    def take_results(
        self, id: str, draft: int, marks: Sequence[Mapping[str, Any]], **asked: Any
    ) -> RoundShown:
        """Take the marks of a round: each with judge, pitch, marks by criterion, veto; ``asked``: see ``ResultsSent``."""
        body = {"draft": draft, "marks": list(marks), **asked}
        return self._client._given(RoundShown, "POST", f"{_path(id)}/results", body=body)

    def follow_up(self, id: str) -> FollowedPage:
        """What came of the winners, the longest silent first."""
        return self._client._given(FollowedPage, "GET", f"{_path(id)}/follow-up")

    def released(self) -> Iterator[OpenBrief]:
        """The city's released roadshows that the key may see."""
        return self._client._items(OpenPage, "/v1/released-roadshows")

    def released_one(self, id: str) -> OpenRoadshow:
        """One of them: who pitches and when."""
        return self._client._given(OpenRoadshow, "GET", f"/v1/released-roadshows/{quote(id, safe='')}")


def _path(id: str) -> str:
    return f"/v1/roadshows/{quote(id, safe='')}"


def _asked(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
