"""The pages of roadshows: for whom each is, and a request that it answers with a status to these."""

from typing import Final

from api.workbench.access import DESK, DRAFTERS, ORGANISERS
from api.workbench.people import Role
from tests.api.workbench.stage import DRAFT

HERE = f"/roadshows/{DRAFT}"
# Method and path; roles, address, status of what has neither fields nor the mark of what was seen.
ROADSHOW_PAGES: Final[dict[tuple[str, str], tuple[tuple[Role, ...], str, int]]] = {
    ("GET", "/roadshows"): (DESK, "/roadshows", 200),
    ("GET", "/roadshows/new"): (DRAFTERS, "/roadshows/new", 200),
    ("POST", "/roadshows/new"): (DRAFTERS, "/roadshows/new", 422),
    ("GET", "/roadshows/{id}"): (DESK, HERE, 200),
    ("POST", "/roadshows/{id}/edits"): (DRAFTERS, f"{HERE}/edits", 412),
    ("GET", "/roadshows/{id}/conflicts"): (DESK, f"{HERE}/conflicts", 200),
    ("GET", "/roadshows/{id}/left-out"): (DESK, f"{HERE}/left-out", 200),
    ("POST", "/roadshows/{id}/release"): (ORGANISERS, f"{HERE}/release", 412),
    ("POST", "/roadshows/{id}/steps"): (ORGANISERS, f"{HERE}/steps", 412),
    ("POST", "/roadshows/{id}/restoring"): (DRAFTERS, f"{HERE}/restoring", 412),
    ("GET", "/roadshows/{id}/versions"): (DESK, f"{HERE}/versions", 200),
    ("GET", "/roadshows/{id}/timetable"): (DESK, f"{HERE}/timetable", 200),
    ("POST", "/roadshows/{id}/timetable"): (DRAFTERS, f"{HERE}/timetable", 412),
    ("POST", "/roadshows/{id}/timetable/places"): (DRAFTERS, f"{HERE}/timetable/places", 412),
    ("POST", "/roadshows/{id}/timetable/solving"): (DRAFTERS, f"{HERE}/timetable/solving", 412),
    ("GET", "/roadshows/{id}/solving/{job}"): (DESK, f"{HERE}/solving/x", 404),
    ("POST", "/roadshows/{id}/solving/{job}"): (DRAFTERS, f"{HERE}/solving/x", 404),
    ("GET", "/roadshows/{id}/papers/{name}"): (DESK, f"{HERE}/papers/handbook.docx", 200),
    ("GET", "/roadshows/{id}/print"): (DESK, f"{HERE}/print", 200),
    ("GET", "/roadshows/{id}/meetings"): (DESK, f"{HERE}/meetings", 200),
    ("POST", "/roadshows/{id}/meetings"): (DRAFTERS, f"{HERE}/meetings", 412),
    ("GET", "/roadshows/{id}/meetings/wishes.xlsx"): (DESK, f"{HERE}/meetings/wishes.xlsx", 200),
    ("POST", "/roadshows/{id}/meetings/locks"): (DRAFTERS, f"{HERE}/meetings/locks", 412),
    ("POST", "/roadshows/{id}/meetings/solving"): (DRAFTERS, f"{HERE}/meetings/solving", 412),
    ("GET", "/roadshows/{id}/meetings/{name}"): (DESK, f"{HERE}/meetings/schedule.xlsx", 409),
    ("GET", "/roadshows/{id}/results"): (DESK, f"{HERE}/results", 200),
    ("POST", "/roadshows/{id}/results"): (ORGANISERS, f"{HERE}/results", 412),
    ("POST", "/roadshows/{id}/results/awards"): (ORGANISERS, f"{HERE}/results/awards", 412),
    ("GET", "/roadshows/{id}/results/marks.xlsx"): (DESK, f"{HERE}/results/marks.xlsx", 409),
    ("GET", "/roadshows/{id}/results/results.xlsx"): (DESK, f"{HERE}/results/results.xlsx", 409),
}
