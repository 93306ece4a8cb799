"""The city's released roadshows for whoever their audience takes in: who pitches and when, as last released."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from api.access import Reader, not_found
from api.pagination import Cursor, Limit, Pages
from api.responses import REFUSALS, json_response
from api.roadshow_values import brief_values, open_values
from api.routes.roadshows import RoadshowId
from api.wire_roadshows import OpenPage, OpenRoadshow
from matcher.roadshow_timetable import kept_timetable
from matcher.roadshows import Roadshow, lineup_values, open_to

router = APIRouter(prefix="/v1/released-roadshows", tags=["路演"], responses=REFUSALS)


@router.get(
    "",
    operation_id="list_released_roadshows",
    summary="市平台已发布的路演",
    responses={200: {"model": OpenPage}},
)
def list_released(caller: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
    pages = Pages(caller, "released-roadshows")
    after = (pages.after(cursor) or [""])[0]
    found = [one for one in open_to(caller.whole, caller.audience) if one.id > after]
    following = pages.cursor([found[limit - 1].id]) if len(found) > limit else None
    return json_response({"items": [brief_values(one) for one in found[:limit]], "next": following})


@router.get(
    "/{id}", operation_id="get_released_roadshow", summary="一场已发布的路演：谁上台、几点、在哪里",
    responses={200: {"model": OpenRoadshow}},
)  # fmt: skip
def get_released(caller: Reader, id: RoadshowId) -> Response:
    found = next((one for one in open_to(caller.whole, caller.audience) if one.id == id), None)
    if found is None:
        raise not_found(Roadshow.label, id)
    values: dict[str, Any] = lineup_values(found, caller.view, len(found.versions))
    return json_response(open_values(found, values, kept_timetable(values)))
