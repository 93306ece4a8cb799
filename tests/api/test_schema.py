"""The application keeps to its own OpenAPI document, whatever is sent: every operation, with a key of every role.

``JIEBANG_FUZZ`` is the number of examples for each operation, and other ones are tried each time (``make fuzz``); without
it they are few and always the same. Nothing is left out: the world is thrown away, and webhooks go nowhere.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.keys import SCOPES
from graph.values import Visibility
from tests.api.boards import bid_body, bidder
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting
from tests.matcher.boards import firm, make_posted, put_processes

EXAMPLES = int(os.environ.get("JIEBANG_FUZZ", "1"))
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, allow_header_conformance,
]  # fmt: skip
ROLES: Mapping[str, tuple[str, Visibility, tuple[str, ...]]] = {
    "read only": ("hengqin", "partner", ("read",)),
    "public": ("visitors", "public", tuple(SCOPES)),
    "partner": ("hengqin", "partner", tuple(SCOPES)),
    "staff": ("city", "staff", tuple(SCOPES)),
}


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application over a world that may come out of this as it likes."""
    with lasting(_indexed, tmp_path_factory.mktemp("schema")) as served:
        yield served


def test_every_operation_answers_as_the_document_says(served: Served) -> None:
    portals = {
        role: bidder(served, 1, partner, audience=audience, scopes=scopes)
        for role, (partner, audience, scopes) in ROLES.items()
    }
    schema = schemathesis.openapi.from_dict(_plainer(served.client.get("/openapi.json").json()))
    results: list[Any] = list(schema.get_all_operations())
    operations = [result.ok() for result in results]
    assert len(operations) > 95
    there, answers = _there(served, portals["partner"]), Counter[tuple[str, int]]()
    for operation in operations:
        ids = next((there[start] for start in there if operation.path.startswith(start)), ["CJ-1"])
        _try(served, operation, portals, {"id": ids, **there["/"]}, answers)
    # What is checked is not refusals alone: much was also done as asked.
    assert {*answers} >= {
        ("GET", 200), ("POST", 200), ("POST", 201), ("GET", 404), ("POST", 403), ("POST", 422),
    }, answers  # fmt: skip


def _try(
    served: Served,
    operation: Any,
    portals: Mapping[str, Portal],
    there: Mapping[str, Any],
    answers: Counter[Any],
) -> None:
    """Ask one operation for whatever its description allows, each time with a key of every role."""

    @settings(
        max_examples=EXAMPLES, derandomize="JIEBANG_FUZZ" not in os.environ, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    @given(case=operation.as_strategy(), known=st.data(), matches=st.booleans())
    def attempt(case: Any, known: st.DataObject, matches: bool) -> None:
        for values in (case.path_parameters, case.body):
            for name in sorted(there.keys() & (values if isinstance(values, dict) else {})):
                # Made up, nearly every id would be a 404.
                values[name] = known.draw(st.sampled_from([values[name], *there[name], *there[name]]))
        told = case.as_transport_kwargs(base_url="http://testserver")
        wanted: Any = requests.Request(**{name: told[name] for name in _OF_REQUEST if name in told}).prepare()
        for portal in portals.values():
            headers = {**wanted.headers, "Authorization": f"Bearer {portal.token}"}
            if matches and "If-Match" in headers:
                headers["If-Match"] = "*"
            answer = served.client.request(
                str(wanted.method), str(wanted.url), content=wanted.body, headers=headers, follow_redirects=False
            )  # fmt: skip
            answers[str(wanted.method), answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)
            if answer.status_code >= 400 and operation.path != "/readyz":
                problem(answer)

    attempt()


def _there(served: Served, partner: Portal) -> dict[str, Any]:
    """Ids of what is there, by the beginning of the path, and those that bodies and paths call otherwise."""
    made = {
        path: [partner.post(path, body, headers=headers, **more).json()["id"]]
        for path, body, headers, more in (
            ("/v1/orders", {"need": "求无人机"}, {}, {}),
            ("/v1/webhooks", {"url": "https://93.184.216.34/hook"}, {}, {}),
            ("/v1/bulk", None, {"Content-Type": "text/csv"}, {"content": "名称\n试\n".encode()}),
            ("/v1/scenes", {"id": "1", "title": "试", "summary": "海岛"}, {}, {}),
            ("/v1/achievements", {"id": "1", "title": "试", "summary": "海岛"}, {}, {}),
        )
    }
    spare = served.portal("spare")
    draft = partner.post("/v1/tasks", {"title": "试", "problem": "抗风不足", "poster": "某单位"}).json()["id"]
    put_processes(served.store, [make_posted(deadline=datetime(2099, 1, 1, tzinfo=UTC))])
    bid = bidder(served, 1).post("/v1/tasks/BD-2026-001/bids", bid_body(1)).json()["id"]
    plan = partner.post("/v1/assignments", {}).json()["id"]
    show = partner.post(
        "/v1/roadshows", {"scenes": ["CJ-1"], "pitches": 2, "rules": {"fit": 1, "coverage": 0}}
    )
    show = show.json()["roadshow"]["id"]
    session = {
        "id": "场",
        "room": "厅",
        "start": "2026-12-05T09:00:00",
        "end": "2026-12-05T10:00:00",
        "judges": ["王"],
    }
    partner(
        "PUT",
        f"/v1/roadshows/{show}/timetable",
        json={"draft": 1, "sessions": [session], "judges": [{"id": "王"}]},
    )
    times = {"start": "2026-12-05T10:00:00", "rounds": 3, "tables": 2}
    partner.post(f"/v1/roadshows/{show}/meetings/proposals", {"draft": 2, "level": 1, **times})
    solution = partner.post(f"/v1/roadshows/{show}/solutions", {"draft": 3, "what": "meetings"}).json()["id"]
    return {
        "/v1/scenes": ["CJ-1", *made["/v1/scenes"]], "/v1/achievements": ["CG-1", *made["/v1/achievements"]],
        "/v1/enterprises": ["QY-1"], "/v1/brokers": ["JJ-1"], "/v1/orders": made["/v1/orders"],
        "/v1/webhooks": made["/v1/webhooks"], "/v1/jobs": made["/v1/bulk"], "/v1/keys": [spare.key_id],
        "/v1/tasks": ["BD-2026-001", draft], "/v1/assignments": [plan],
        "/v1/roadshows": [show],
        "/": {"scene": ["CJ-1"], "achievement": ["CG-1", "CG-3"], "name": ["opportunities", "capabilities"], "bid": [bid], "draft": [3, 4], "solution": [solution],
              "bidder_uscc": [firm(1).uscc]},
    }  # fmt: skip


def _plainer(schema: Any) -> Any:
    """The same with pairs of one type written as lists of two: schemathesis 4.32 rewrites ``prefixItems`` wrongly."""
    if isinstance(schema, list):
        return [_plainer(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plainer(value) for name, value in schema.items() if name != "prefixItems"}
    if "prefixItems" in schema:
        first, *others = schema["prefixItems"]
        assert all(one == first for one in others)
        plain["items"] = first
    return plain


_OF_REQUEST = ("method", "url", "headers", "files", "data", "params", "cookies", "json")
