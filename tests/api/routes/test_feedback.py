"""Judgements and outcomes over HTTP: a partner's stand beside the city's, and nobody reads another's."""

from typing import Any

import pytest

from tests.api.conftest import Portal, Served, problem

PAIR = {"scene": "CJ-1", "achievement": "CG-1"}


def without_time(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "at"}


def items(portal: Portal, path: str) -> list[dict[str, Any]]:
    return [without_time(record) for record in portal.get(path).json()["items"]]


def test_judgement_is_kept_under_the_partner_s_name_and_replaced_by_a_later_one(
    served: Served, partner: Portal
) -> None:
    first = partner.post("/v1/judgements", {**PAIR, "level": 2, "judge": "王某"})
    assert first.status_code == 201
    assert without_time(first.json()) == {**PAIR, "level": 2, "judge": "hengqin:王某", "reason": ""}
    again = {**PAIR, "level": 4, "judge": "王某", "reason": "试飞之后"}
    assert partner.post("/v1/judgements", again).status_code == 201
    assert items(partner, "/v1/judgements") == [{**again, "judge": "hengqin:王某"}]
    stored = served.store.judgements("CJ-1")
    assert [(record.judge, record.level) for record in stored] == [("hengqin:王某", 4)]
    assert served.store.history_of_feedback(stored[0].key)[-1].actor == "hengqin:试"


def test_outcome_of_a_partner_leaves_that_of_the_city_as_it_was(
    served: Served, partner: Portal, staff: Portal
) -> None:
    city = {**PAIR, "stage": "met", "by": "程某", "reason": "在展会", "rank": None}
    theirs = {**PAIR, "stage": "met", "by": "王某", "reason": "在园区", "rank": 3}
    assert staff.post("/v1/outcomes", city).status_code == 201
    assert partner.post("/v1/outcomes", theirs).status_code == 201
    assert items(partner, "/v1/outcomes") == [{**theirs, "by": "hengqin:王某"}]
    assert items(staff, "/v1/outcomes?scene=CJ-1") == [city, {**theirs, "by": "hengqin:王某"}]


def test_partner_reads_only_its_own_and_staff_everything(
    served: Served, partner: Portal, staff: Portal
) -> None:
    other = served.portal("xiangzhou")
    for portal, level in ((partner, 1), (other, 2), (staff, 3)):
        body = {**PAIR, "level": level, "judge": "李明"}
        assert portal.post("/v1/judgements", body).status_code == 201
    levels = [[record["level"] for record in items(p, "/v1/judgements")] for p in (partner, other, staff)]
    assert [sorted(one) for one in levels] == [[1], [2], [1, 2, 3]]


def test_pages_of_judgements_give_each_once(partner: Portal) -> None:
    for name in "甲乙丙丁戊":
        assert partner.post("/v1/judgements", {**PAIR, "level": 3, "judge": name}).status_code == 201
    found: list[str] = []
    path = "/v1/judgements?limit=2"
    while path:
        page = partner.get(path).json()
        found += [record["judge"] for record in page["items"]]
        path = page["next"] and f"/v1/judgements?limit=2&cursor={page['next']}"
    assert found == sorted(f"hengqin:{name}" for name in "甲乙丙丁戊")


@pytest.mark.parametrize("hidden", [{"scene": "CJ-2"}, {"achievement": "CG-4"}, {"scene": "没有"}])
def test_pair_that_the_partner_cannot_see_is_refused_like_one_that_is_not_there(
    served: Served, partner: Portal, hidden: dict[str, str]
) -> None:
    before = served.store.revision()
    refused = partner.post("/v1/judgements", {**PAIR, **hidden, "level": 1, "judge": "王某"})
    assert (refused.status_code, problem(refused)["code"]) == (404, "not_found")
    refused = partner.post("/v1/outcomes", {**PAIR, **hidden, "stage": "met", "by": "王某"})
    assert (refused.status_code, problem(refused)["code"]) == (404, "not_found")
    assert served.store.revision() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/judgements", {**PAIR, "level": 5, "judge": "王某"}),
        ("/v1/judgements", {**PAIR, "level": 3, "judge": ""}),
        ("/v1/judgements", {**PAIR, "level": 3, "judge": "\u200b"}),
        ("/v1/judgements", {**PAIR, "level": 3, "judge": "王某", "surprise": 1}),
        ("/v1/outcomes", {**PAIR, "stage": "married", "by": "王某"}),
        ("/v1/outcomes", {**PAIR, "stage": "met", "by": "王某", "rank": 0}),
        ("/v1/outcomes", {"scene": "CJ-1", "stage": "met", "by": "王某"}),
    ],
)
def test_bad_feedback_is_refused_with_the_place_and_nothing_is_written(
    served: Served, partner: Portal, path: str, body: dict[str, Any]
) -> None:
    before = served.store.revision()
    refused = partner.post(path, body)
    assert refused.status_code == 422
    problem(refused)
    assert served.store.revision() == before
