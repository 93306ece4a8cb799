"""The three published lists (三张场景清单, measure 2): opportunities, capabilities, cases; as JSON, csv and xlsx."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.access import Caller, Reader
from api.pagination import Cursor, Limit, Pages
from api.records import record_shown, shown_record
from api.responses import REFUSALS, json_response, tagged
from api.routes.paths import today
from api.wire import Given
from graph.intake.exporting import write_nodes
from graph.kinds import Achievement, Case, Enterprise, Node, Scene

router = APIRouter(prefix="/v1/lists", tags=["三张清单"], responses=REFUSALS)

ListName = Literal["opportunities", "capabilities", "cases"]
LIST_TITLES = {"opportunities": "场景机会清单", "capabilities": "需求能力清单", "cases": "标杆案例清单"}
LIST_KINDS = {"opportunities": ("scene",), "capabilities": ("achievement", "enterprise"), "cases": ("case",)}
_FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_CHUNK = 500
_Shown = (
    record_shown("scene") | record_shown("achievement") | record_shown("enterprise") | record_shown("case")
)


class PublishedList(Given):
    """A page of a published list."""

    name: ListName
    title: str
    items: list[_Shown]  # type: ignore[valid-type]
    next: str | None


@router.get(
    "/{name}", operation_id="get_list", summary="机会清单、能力清单、案例清单",
    responses={
        200: {"model": PublishedList, "content": {media.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for media in _FORMATS.values()}},
        304: {"description": "与 If-None-Match 相同"},
    },
)  # fmt: skip
def get_list(
    request: Request, caller: Reader, name: ListName, limit: Limit = 100, cursor: Cursor = None,
    format: Annotated[Literal["json", "csv", "xlsx"], Query(description="csv 和 xlsx 一次给出整张清单")] = "json",
) -> Response:  # fmt: skip
    if format != "json":
        return _file(request, caller, name, format)
    pages = Pages(caller, "list", name)
    place = pages.after(cursor) or [LIST_KINDS[name][0], ""]
    items: list[dict[str, Any]] = []
    last: list[str] | None = None
    for node in _published(caller, name, place[0], place[1]):
        if len(items) == limit:
            last = [items[-1]["kind"], items[-1]["id"]]
            break
        items.append(shown_record(node, caller))
    told = {
        "name": name,
        "title": LIST_TITLES[name],
        "items": items,
        "next": pages.cursor(last) if last else None,
    }
    return json_response(told)


def _file(request: Request, caller: Caller, name: ListName, format: str) -> Response:
    nodes = [node for kind in LIST_KINDS[name] for node in _published(caller, name, kind, "", only=True)]
    if format == "csv":
        # One table has one kind of row: of capabilities that of achievements.
        nodes = [node for node in nodes if node.kind == LIST_KINDS[name][0]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"list.{format}"
        # The view has left out what is hidden; what is written again here is what the audience may see.
        write_nodes(nodes, path, caller.audience)
        body = path.read_bytes()
    response = tagged(request, body, _FORMATS[format])
    filename = quote(f"{LIST_TITLES[name]}.{format}")
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{filename}"
    return response


def _published(
    caller: Caller, name: ListName, kind: str, after: str, *, only: bool = False
) -> Iterator[Node]:
    """The records of a list behind a place, by kind and id; ``only`` those of the kind."""
    kinds = LIST_KINDS[name]
    for one in kinds[kinds.index(kind) :] if not only else (kind,):
        behind = after if one == kind else ""
        while nodes := caller.view.page(one, after=behind, limit=_CHUNK):
            yield from (node for node in nodes if is_listed(node))
            behind = nodes[-1].id


def is_listed(node: Node) -> bool:
    """What stands in a list: scenes still open to be taken up, what can be offered, and every case."""
    match node:
        case Scene():
            return node.status != "已落地" and (node.deadline is None or node.deadline >= today())
        case Enterprise():
            return bool(node.capabilities or node.products)
        case Achievement() | Case():
            return True
    return False
