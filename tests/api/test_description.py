"""The OpenAPI document is valid, complete and stable, and its examples work."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from api.gate import OPEN
from api.records import PLURALS
from tests.api.conftest import Served
from tests.api.listening import lasting

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for this file."""
    with lasting(_indexed, tmp_path_factory.mktemp("described")) as served:
        yield served


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    """The document as a caller without a key reads it."""
    described: dict[str, Any] = served.client.get("/openapi.json").json()
    return described


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()
    for name, schema in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema), name
    # Nothing is pointed to that is not there.
    pointed = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert pointed <= set(document["components"]["schemas"])


def test_every_operation_has_a_name_of_its_own_and_says_in_chinese_what_it_does(
    document: dict[str, Any],
) -> None:
    found = operations(document)
    names = Counter(operation["operationId"] for _, _, operation in found)
    assert len(found) > 70
    assert [
        name for name, times in names.items() if times > 1 or not re.fullmatch("[a-z]+(_[a-z]+)+", name)
    ] == []
    assert [path for path, _, operation in found if not CHINESE.search(operation["summary"])] == []
    assert [path for path, _, operation in found if not CHINESE.search("".join(operation["tags"]))] == []


def test_names_that_clients_are_made_of_do_not_change(document: dict[str, Any]) -> None:
    names = {operation["operationId"] for _, _, operation in operations(document)}
    of_kinds = {
        name
        for kind, plural in PLURALS.items()
        for name in (
            f"list_{plural}", f"get_{kind}", f"get_{kind}_history", f"create_{kind}", f"replace_{kind}", f"patch_{kind}",
            f"retire_{kind}",
        )
    }  # fmt: skip
    others = {
        "get_health", "get_readiness", "get_metrics", "get_status", "match_scene", "match_achievement",
        "match_scene_enterprises", "get_pair", "get_pair_brokers", "match_written", "score_pairs", "get_neighbourhood",
        "create_judgement", "list_judgements", "create_outcome", "list_outcomes", "place_order", "list_orders", "get_order",
        "move_order", "get_list", "upload_records", "list_jobs", "get_job", "cancel_job", "get_job_report",
        "list_tasks", "create_task", "check_written_task", "get_task", "patch_task", "check_task", "move_task",
        "list_task_invitations", "record_task_invitations", "get_task_history", "list_bids", "hand_in_bid", "check_bid",
        "open_bids", "get_bid", "move_bid", "get_bid_fit", "get_race", "start_race", "judge_gate", "leave_race",
        "create_assignment", "list_assignments", "get_assignment", "cancel_assignment", "compare_assignments",
        "create_webhook", "list_webhooks", "get_webhook", "delete_webhook", "move_webhook", "ping_webhook",
        "similar_cases_of_scene", "similar_cases_of_achievement", "similar_cases_of_pair", "similar_cases_of_text",
        "get_case_document", "list_case_files", "draft_case", "get_case_file", "move_case",
        "list_deliveries", "replay_deliveries", "list_keys", "create_key", "revoke_key",
    }  # fmt: skip
    assert names >= of_kinds | others


def test_every_refusal_has_the_one_shape_and_every_guarded_operation_says_so(
    document: dict[str, Any],
) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    for path, _, operation in operations(document):
        assert ("security" in operation) == (path not in OPEN), path
        assert operation["responses"]["default"]["content"] == problem
        for status, response in operation["responses"].items():
            if status[0] in "45" and (path, status) != ("/readyz", "503"):
                assert response["content"] == problem, (path, status)
            elif status in ("204", "304"):
                assert "content" not in response
            elif status[0] == "2":
                assert all(content["schema"] for content in response["content"].values()), (path, status)
        if path not in OPEN:
            assert {"401", "403", "429", "503"} <= set(operation["responses"])


def test_the_headers_that_routes_read_are_told(document: dict[str, Any]) -> None:
    read = {
        (operation["operationId"], one["name"])
        for _, _, operation in operations(document)
        for one in operation.get("parameters", ())
        if one["in"] == "header"
    }
    posts = {o["operationId"] for _, method, o in operations(document) if method == "post"}
    assert {name for name, header in read if header == "Idempotency-Key"} == posts - {"create_key"}
    assert {name for name, header in read if header == "If-Match"} == {
        f"{verb}_{kind}" for verb in ("replace", "patch", "retire") for kind in PLURALS
    } | {"patch_task"}
    assert {name for name, header in read if header == "If-None-Match"} >= {
        "get_scene",
        "match_scene",
        "get_list",
    }


def test_every_json_body_has_an_example_that_fits_it(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for path, _, operation in operations(document):
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            if path == "/v1/bulk" or path.endswith("/wishes"):
                assert media.endswith("sheet") or content["example"]
                continue
            schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
            assert schema["examples"], path
            whole = {**schema, "components": document["components"]}
            for example in schema["examples"]:
                jsonschema_rs.Draft202012Validator(whole).validate(example)


@pytest.mark.parametrize("kind", PLURALS)
def test_the_example_of_a_record_makes_one(served: Served, document: dict[str, Any], kind: str) -> None:
    content = document["paths"][f"/v1/{PLURALS[kind]}"]["post"]["requestBody"]["content"]["application/json"]
    schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    portal = served.portal("examples")
    made = portal.post(f"/v1/{PLURALS[kind]}", schema["examples"][0])
    assert made.status_code == 201, made.text
    assert set(schema["examples"][0]) <= set(made.json())


def test_retirement_is_announced_in_the_description(document: dict[str, Any]) -> None:
    assert all(word in document["info"]["description"] for word in ("Deprecation", "Sunset", "Link"))
