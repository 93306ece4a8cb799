"""A case file as it is shown over HTTP and at the workbench: what it says and lacks, and which moves lead on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.problem_documents import field_problem
from matcher.case_steps import case_moves
from matcher.cases import CONTENT, ROLES, CaseFile, case_rules, lacking

_TOLD = {"consent": {"case_consent"}}


def shown_case(file: CaseFile, actor: str, at: datetime) -> dict[str, Any]:
    """The case file as JSON, with the moves that lead on as they stand for ``actor``."""
    state = case_rules().states[file.state]
    content: Mapping[str, Any] = file.model_dump(mode="json", include=set(CONTENT), exclude={"task"})
    return {
        "id": file.id, "state": state.name, "state_label": state.label, "duty": state.duty, "task": file.task,
        "content": {name: value for name, value in content.items() if value not in (None, "", [], {})},
        "measures": [
            {"name": one.name, "before": _figure(one.before), "after": _figure(one.after), "unit": one.unit, "source": one.source}
            for one in file.figures
        ],
        "lacking": lacking(file), "editor": file.editor, "reviewer": file.reviewer, "consent": file.consent,
        "reason": file.reason, "opened_at": file.opened_at.isoformat(), "moved_at": file.moved_at.isoformat(),
        "published_at": file.published_at.isoformat() if file.published_at else None,
        "due": file.due.isoformat() if file.due else None, "late": file.due is not None and file.due < at,
        "moves": _moves(file, actor, at),
    }  # fmt: skip


def _moves(file: CaseFile, actor: str, at: datetime) -> list[dict[str, Any]]:
    """The moves that lead on from here, each by the first role that may make it."""
    found = []
    for role in ROLES:
        for way in case_moves(file, role=role, at=at, actor=actor):
            if file.state in way.move.sources and role == next(one for one in ROLES if one in way.move.roles):
                found.append(
                    {
                        "name": way.move.name, "label": way.move.label, "role": role,
                        # What is only told with the move does not stand in its way.
                        "open": not {problem.code for problem in way.problems} - _TOLD.get(way.move.name, {"case_reason"}),
                        "problems": [field_problem(problem).model_dump() for problem in way.problems],
                    }
                )  # fmt: skip
    return found


def _figure(figure: Any) -> str | None:
    return None if figure is None else f"{figure:f}"
