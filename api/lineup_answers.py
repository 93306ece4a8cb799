"""Asking a lane what a lineup comes to, for HTTP and the workbench: the answer, or its refusal with what would mend it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.problem_documents import Refusal
from api.questions import LineupQuestion
from api.routes.paths import today
from api.services import Services
from api.wire import FieldProblem
from graph.problems import Refused
from matcher.roadshow_live import Shown
from matcher.roadshows import Roadshow

# What a lineup is refused for, beside what processes are.
_STATUSES: Mapping[str, int] = {
    "lineup_infeasible": 422, "lineup_undecided": 422, "lineup_forbidden": 409, "lineup_unresolved": 409, "lineup_pitch": 422,
    "lineup_place": 422, "theme_missing": 422, "theme_unfit": 422, "guest_unknown": 404, "achievement_unknown": 404,
    "roadshow_setting": 422, "roadshow_changed": 409, "shortlist_sealed": 409, "shortlist_empty": 409,
    "timetable_none": 404, "timetable_infeasible": 409, "timetable_room": 409, "timetable_judge_twice": 409,
    "programme_unreadable": 409, "time_order": 422, "time_mixed": 422, "slot_parts": 422, "slot_short": 422,
    "session_long": 422, "slot_unknown": 422, "lock_unplaced": 409, "pitch_unknown": 422, "judge_unknown": 422,
    "meetings_none": 404, "meetings_size": 422, "meetings_unreadable": 409, "meetings_times": 422, "lock_impossible": 409,
    "who_unknown": 422, "who_missing": 422, "wishes_none": 409, "paper_format": 422, "audience_wider": 403,
    "round_unknown": 409, "round_unreadable": 409, "places_few": 422, "rubric": 422, "veto_unexpected": 422,
    "winners_none": 404,
}  # fmt: skip


async def lineup_answer(
    parts: Services, roadshow: Roadshow, edit: Mapping[str, Any] | None, shown: Shown, *, role: str, at: datetime,
    looks: bool = False, left: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """What a lane makes of it, in the world of the roadshow's own audience. Raises ``Refusal`` for what it refuses."""
    question = LineupQuestion(
        audience=roadshow.audience, today=today(), roadshow=roadshow.model_dump_json(), edit=edit, looks=looks,
        shown=tuple((title, tuple(sorted(ids))) for title, ids in shown), role=role, at=at.isoformat(), left=left,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(await parts.answer(question))
    if "refused" in answer:
        ways = answer.get("clash", {}).get("ways", ())
        problems = [
            FieldProblem(
                code="way", message=way["text"], remedy=f"总适配度可达 {way['total']:.2f}", place=way["rule"]
            )
            for way in ways
        ]
        raise refusal_of_roadshow(Refused(*answer["refused"]), problems)
    return answer


def refusal_of_roadshow(refused: Refused, problems: list[FieldProblem] | None = None) -> Exception:
    """A refusal of the rooms below with the status that it has over HTTP."""
    status = _STATUSES.get(refused.code)
    if status is None:
        return refused
    return Refusal(status, refused.code, refused.message, refused.remedy, problems=problems or ())
