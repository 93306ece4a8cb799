"""The pages of tasks, cases and grading: for whom each is, and a request that it answers with a status to these."""

from typing import Final

from api.workbench.access import DESK, OFFICERS, WRITERS
from api.workbench.people import Role
from tests.api.workbench.task_board import CASE, DRAFT, MARKING, NOTICE, SEALED

EXPERT: tuple[Role, ...] = ("expert",)
# Method and path; roles, address, status, fields of the form.
TASK_PAGES: Final[dict[tuple[str, str], tuple[tuple[Role, ...], str, int]]] = {
    ("GET", "/tasks"): (DESK, "/tasks", 200),
    ("GET", "/tasks/list.xlsx"): (DESK, "/tasks/list.xlsx", 200),
    ("GET", "/tasks/new"): (WRITERS, "/tasks/new?scene=CJ-1", 200),
    ("POST", "/tasks/new"): (WRITERS, "/tasks/new", 303),
    ("GET", "/tasks/{id}"): (DESK, f"/tasks/{MARKING}", 200),
    ("GET", "/tasks/{id}/edit"): (WRITERS, f"/tasks/{DRAFT}/edit", 200),
    ("POST", "/tasks/{id}/edit"): (WRITERS, f"/tasks/{DRAFT}/edit", 412),
    ("POST", "/tasks/{id}/submit"): (WRITERS, f"/tasks/{DRAFT}/submit", 412),
    ("POST", "/tasks/{id}/moves"): (OFFICERS, f"/tasks/{DRAFT}/moves", 412),
    ("GET", "/tasks/{id}/check"): (DESK, f"/tasks/{DRAFT}/check", 200),
    ("GET", "/tasks/{id}/invitations"): (DESK, f"/tasks/{SEALED}/invitations", 200),
    ("POST", "/tasks/{id}/invitations"): (OFFICERS, f"/tasks/{SEALED}/invitations", 422),
    ("GET", "/tasks/{id}/fit"): (DESK, f"/tasks/{MARKING}/fit", 200),
    ("GET", "/tasks/{id}/ranking"): (DESK, f"/tasks/{MARKING}/ranking", 200),
    ("POST", "/tasks/{id}/opening"): (OFFICERS, f"/tasks/{SEALED}/opening", 412),
    ("POST", "/tasks/{id}/panel"): (OFFICERS, f"/tasks/{MARKING}/panel", 412),
    ("POST", "/tasks/{id}/panel/recusals"): (OFFICERS, f"/tasks/{MARKING}/panel/recusals", 412),
    ("POST", "/tasks/{id}/review"): (OFFICERS, f"/tasks/{MARKING}/review", 412),
    ("POST", "/tasks/{id}/award"): (OFFICERS, f"/tasks/{MARKING}/award", 412),
    ("POST", "/tasks/{id}/award/moves"): (OFFICERS, f"/tasks/{NOTICE}/award/moves", 412),
    ("POST", "/tasks/{id}/race"): (OFFICERS, f"/tasks/{DRAFT}/race", 412),
    ("POST", "/tasks/{id}/race/moves"): (OFFICERS, f"/tasks/{DRAFT}/race/moves", 412),
    ("GET", "/tasks/{id}/marks.xlsx"): (OFFICERS, f"/tasks/{MARKING}/marks.xlsx", 200),
    ("POST", "/tasks/{id}/marks"): (OFFICERS, f"/tasks/{MARKING}/marks", 412),
    ("GET", "/tasks/{id}/declarations.xlsx"): (OFFICERS, f"/tasks/{MARKING}/declarations.xlsx", 200),
    ("GET", "/tasks/{id}/summary.xlsx"): (DESK, f"/tasks/{MARKING}/summary.xlsx", 409),
    ("GET", "/tasks/{id}/notice.docx"): (DESK, f"/tasks/{NOTICE}/notice.docx", 200),
    ("GET", "/cases"): (DESK, "/cases", 200),
    ("GET", "/cases/new"): (WRITERS, "/cases/new", 200),
    ("POST", "/cases/new"): (WRITERS, "/cases/new", 422),
    ("GET", "/cases/{id}"): (DESK, f"/cases/{CASE}", 200),
    ("GET", "/cases/{id}/edit"): (WRITERS, f"/cases/{CASE}/edit", 200),
    ("POST", "/cases/{id}/edit"): (WRITERS, f"/cases/{CASE}/edit", 412),
    ("POST", "/cases/{id}/moves"): (WRITERS, f"/cases/{CASE}/moves", 412),
    ("GET", "/cases/{id}/similar"): (DESK, f"/cases/{CASE}/similar", 200),
    ("GET", "/cases/{id}/document"): (DESK, f"/cases/{CASE}/document", 200),
    # Without an expert record nothing is assigned.
    ("GET", "/marking/{id}"): (EXPERT, f"/marking/{MARKING}", 404),
    ("GET", "/marking/{id}/{bid}"): (EXPERT, f"/marking/{MARKING}/x", 404),
    ("POST", "/marking/{id}/{bid}"): (EXPERT, f"/marking/{MARKING}/x", 404),
}
