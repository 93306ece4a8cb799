"""The neighbourhood of a record, against the network that its reader's store gives."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.wire import Neighbourhood
from graph.kinds import Scene
from graph.network import FIELD, Network
from graph.store.audience import AudienceStore
from graph.store.changes import PutNode
from graph.values import Visibility
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting

AUDIENCES: list[Visibility] = ["public", "partner", "staff"]
Key = tuple[str, str]


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here; a scene and an achievement of it have the same id."""
    with lasting(_indexed, tmp_path_factory.mktemp("graph")) as running:
        twin = Scene.model_validate({"id": "CG-1", "title": "与成果同号的场景", "visibility": "partner"})
        at = datetime(2026, 3, 31, tzinfo=UTC)
        running.store.apply([PutNode(node=twin)], actor="程某", at=at, reason="试")
        yield running


def portal(served: Served, audience: Visibility) -> Portal:
    return served.portal(f"of-{audience}", audience=audience)


def network(served: Served, audience: Visibility) -> Any:
    """The network as the audience may know it."""
    return Network.build(AudienceStore(served.store, audience)).graph


def key(reference: dict[str, Any]) -> Key:
    return reference["kind"], reference["id"]


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("id", ["CJ-1", "CG-3", "QY-2", "JJ-1"])
def test_neighbourhood_is_what_the_network_reaches(
    served: Served, audience: Visibility, depth: int, id: str
) -> None:
    import networkx

    response = portal(served, audience).get(f"/v1/graph/{id}?depth={depth}")
    if (id, audience) in {("CG-3", "public")}:
        assert problem(response)["code"] == "not_found"
        return
    answer = response.json()
    Neighbourhood.model_validate(answer)
    graph = network(served, audience)
    start = next(node for node in graph if node[1] == id)
    # Nothing is looked for behind a field.
    ways = networkx.DiGraph((a, b) for s, t in graph.edges() for a, b in ((s, t), (t, s)) if a[0] != FIELD)
    wanted = networkx.single_source_shortest_path_length(ways, start, cutoff=depth)
    assert {key(node): node["distance"] for node in answer["nodes"]} == dict(wanted)
    edges = {(key(edge["source"]), key(edge["target"]), edge["relation"]) for edge in answer["edges"]}
    assert edges == {one for one in graph.edges(keys=True) if {one[0], one[1]} <= wanted.keys()}
    assert len(edges) == len(answer["edges"])
    assert answer["complete"]


def test_limit_cuts_off_and_says_so(served: Served) -> None:
    staff = portal(served, "staff")
    whole = staff.get("/v1/graph/CJ-1?depth=3").json()
    cut = staff.get("/v1/graph/CJ-1?depth=3&limit=2").json()
    assert (len(cut["nodes"]), cut["complete"]) == (2, False)
    assert {key(node) for node in cut["nodes"]} <= {key(node) for node in whole["nodes"]}
    assert {key(edge[end]) for edge in cut["edges"] for end in ("source", "target")} <= {
        key(node) for node in cut["nodes"]
    }


def test_only_wanted_relations_are_gone_along(served: Served) -> None:
    answer = portal(served, "staff").get("/v1/graph/CJ-1?depth=3&relation=posts").json()
    assert {edge["relation"] for edge in answer["edges"]} == {"posts"}
    assert {node["kind"] for node in answer["nodes"]} <= {"scene", "enterprise"}


def test_id_of_several_kinds_needs_its_kind(served: Served) -> None:
    assert problem(portal(served, "partner").get("/v1/graph/CG-1"))["code"] == "kind_needed"
    # Who may not see the other one is not told of it.
    assert portal(served, "public").get("/v1/graph/CG-1").status_code == 200
    for kind in ("scene", "achievement"):
        answer = portal(served, "partner").get(f"/v1/graph/CG-1?kind={kind}").json()
        assert key(answer["nodes"][0]) == (kind, "CG-1")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("CJ-2", 404, "not_found"), ("CJ-9", 404, "not_found"), ("CJ-1?kind=achievement", 404, "not_found"),
        ("CJ-1?kind=field", 422, "kind_unknown"), ("CJ-1?relation=爱", 422, "relation_unknown"),
        ("CJ-1?depth=4", 422, "request_invalid"), ("CJ-1?limit=301", 422, "request_invalid"),
        ("..%2F..%2Fetc%2Fpasswd", 404, "not_found"), ("'%20OR%201=1--", 404, "not_found"),
    ],
)  # fmt: skip
def test_bad_question_is_refused(served: Served, path: str, status: int, code: str) -> None:
    response = portal(served, "partner").get(f"/v1/graph/{path}")
    assert (response.status_code, problem(response)["code"]) == (status, code)


def test_same_neighbourhood_is_not_sent_twice(served: Served) -> None:
    partner = portal(served, "partner")
    tag = partner.get("/v1/graph/CJ-1").headers["etag"]
    assert partner.get("/v1/graph/CJ-1", headers={"If-None-Match": tag}).status_code == 304
