"""A route that will be retired says since when, until when and what to use instead, on refusals too."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.testclient import TestClient

from api import problem_documents
from api.deprecation import Deprecated
from api.metrics import Metrics
from api.problem_documents import Refusal
from api.request_log import RequestLog

SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 9, 1, 8, tzinfo=timezone(timedelta(hours=8)))


def test_its_answers_and_refusals_carry_the_headers() -> None:
    app = FastAPI()
    problem_documents.install(app)
    app.add_middleware(RequestLog, metrics=Metrics())
    retiring = Deprecated(since=SINCE, until=UNTIL, instead="/v2/new")

    @app.get("/v1/old", deprecated=True)
    def old(is_refused: bool, _: Annotated[None, Depends(retiring)]) -> Response:
        if is_refused:
            raise Refusal(404, "gone", "没有。", "请核对。")
        return Response("旧")

    @app.get("/v1/new")
    def new() -> str:
        return "新"

    with TestClient(app) as client:
        answers = [client.get("/v1/old", params={"is_refused": refused}) for refused in (False, True)]
        other = client.get("/v1/new")
    assert [answer.status_code for answer in answers] == [200, 404]
    for answer in answers:
        # A structured date (RFC 9745) and an HTTP date (RFC 8594).
        assert answer.headers["deprecation"] == "@1772323200"
        assert answer.headers["sunset"] == "Tue, 01 Sep 2026 00:00:00 GMT"
        assert answer.headers["link"] == '</v2/new>; rel="successor-version"'
    assert not {"deprecation", "sunset", "link"} & set(other.headers)
    assert app.openapi()["paths"]["/v1/old"]["get"]["deprecated"] is True


@pytest.mark.parametrize(
    ("since", "until"), [(UNTIL, SINCE), (SINCE, SINCE), (SINCE.replace(tzinfo=None), UNTIL)]
)
def test_a_period_that_is_none_is_refused(since: datetime, until: datetime) -> None:
    with pytest.raises(ValueError, match="deprecated"):
        Deprecated(since=since, until=until, instead="/v2/new")
