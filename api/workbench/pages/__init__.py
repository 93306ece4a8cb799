"""The pages, one file for what belongs together; a new file's router has a row here, its link one in ``NAVIGATION``."""

from starlette.requests import Request
from starlette.responses import Response

from api.workbench.forms import StaleForm
from api.workbench.pages import (
    account,
    admin,
    cases,
    desk,
    gaps,
    graph,
    imports,
    marking,
    matching,
    orders,
    organisations,
    pairs,
    pitch_results,
    proceedings,
    programmes,
    records,
    roadshow_meetings,
    roadshow_versions,
    roadshows,
    sending,
    task_answers,
    tasks,
)
from api.workbench.rendering import confirm_page

ROUTERS = tuple(
    module.router
    for module in (
        account, desk, matching, sending, pairs, orders, organisations, imports, records, graph, gaps, tasks,
        task_answers, proceedings, cases, marking, roadshows, roadshow_versions, programmes, roadshow_meetings,
        pitch_results,
        admin,
    )
)  # fmt: skip


async def shown_again(request: Request, error: Exception) -> Response:
    """The fields of a form of an earlier session, for another look before they are sent in this one."""
    fields = error.fields if isinstance(error, StaleForm) else []
    return confirm_page(request, request.url.path, fields, status=409)
