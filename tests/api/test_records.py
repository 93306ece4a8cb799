"""Records over HTTP: what is read can be written back, own records are the partner's, and nothing gets lost."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embeddings.encoder
from api.access import Caller
from api.keys import Key
from api.problem_documents import Refusal
from api.records import PLURALS, etag_of, made_record, record_body, record_patch, record_shown, shown_record
from graph.kinds import KINDS, Node, Scene, columns
from graph.store.changes import Change, PutNode, RemoveNode
from graph.store.store import Store, open_store
from graph.values import Visibility
from tests.api.conftest import Portal, Served, problem, serving
from tests.api.world import BigramEncoder

AT = datetime(2026, 3, 1, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all tests here, each of which makes records of its own."""
    home = tmp_path_factory.mktemp("records") / "home"
    shutil.copytree(_indexed, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        with serving(home) as running:
            yield running


@pytest.fixture(scope="module")
def partner(served: Served) -> Portal:
    return served.portal()


@pytest.fixture(scope="module")
def other(served: Served) -> Portal:
    return served.portal("nansha")


@pytest.fixture(scope="module")
def staff(served: Served) -> Portal:
    return served.portal("city", audience="staff")


@pytest.fixture
def number() -> str:
    """An id that no other test uses."""
    return f"T{next(_numbers)}"


def create(portal: Portal, plural: str = "scenes", **values: Any) -> tuple[str, dict[str, Any], str]:
    """(address, record, tag) of a new record."""
    made = portal.post(f"/v1/{plural}", {"title": "口岸送药"} | values)
    assert made.status_code == 201, made.text
    return made.headers["location"], made.json(), made.headers["etag"]


def put_by_city(served: Served, *changes: Change) -> None:
    served.store.apply(changes, actor="程某", at=datetime.now(UTC), reason="市里改的")


FULL: dict[str, dict[str, Any]] = {
    "scene": {
        "title": "口岸送药", "field": "低空经济、大健康", "district": "香洲", "maturity_floor": "中试", "budget": "100-200万元",
        "deadline": "2027年3月", "cooperation": ["采购", "联合建设"], "contact": "王工", "contact_phone": "0756-1", "source": "普查",
        "field_visibility": {"budget": "staff"}, "visibility": "partner",
    },
    "achievement": {
        "title": "送药机", "maturity": "TRL 6-7", "price": 260, "ip_status": "实审", "granted_on": "2026-03-31", "inventors": "甲、乙",
        "ipc": "B64U 10/13",
    },
    "enterprise": {"title": "甲公司", "qualifications": "高新技术企业", "industry_code": "C3963"},
    "institution": {"title": "某大学", "type": "高校"},
    "broker": {"title": "程某", "deals": "30项", "capacity": 10, "scenes": "海岛物流"},
    "case": {"title": "某案例", "first_use": "是", "investment": "1.2亿", "scene_id": "CJ-1"},
}  # fmt: skip
READ: dict[str, dict[str, Any]] = {
    "scene": {
        "field": ["低空经济", "大健康"], "district": "香洲区", "maturity_floor": "TRL6", "budget": [100.0, 200.0],
        "deadline": "2027-03-31",
    },
    "achievement": {
        "maturity": "TRL6", "price": [260.0, 260.0], "ip_status": "实质审查中", "inventors": ["甲", "乙"], "ipc": ["B64U 10/13"],
    },
    "enterprise": {"qualifications": ["高新技术企业"]},
    "institution": {"type": "高校"},
    "broker": {"deals": 30, "capacity": 10, "scenes": ["海岛物流"]},
    "case": {"first_use": True, "investment": [12000.0, 12000.0], "scene_id": "CJ-1"},
}  # fmt: skip


@pytest.mark.parametrize("kind", PLURALS)
def test_record_is_read_by_the_rules_of_its_kind_and_can_be_written_back(
    partner: Portal, number: str, kind: str
) -> None:
    address, record, tag = create(partner, PLURALS[kind], id=number, **FULL[kind])
    assert record.items() >= {**READ[kind], "kind": kind, "id": f"hengqin:{number}"}.items()
    found = partner.get(address)
    assert (found.json(), found.headers["etag"]) == (record, tag)
    back = {name: value for name, value in record.items() if name != "kind"}
    again = partner("PUT", address, json=back, headers={"If-Match": tag})
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, record, tag)
    empty = partner("PATCH", address, json={}, headers={"If-Match": tag})
    assert (empty.json(), empty.headers["etag"]) == (record, tag)
    record_shown(kind).model_validate(record)


def test_id_of_a_record_lies_in_the_partner_s_space_however_it_is_written(
    partner: Portal, served: Served, number: str
) -> None:
    address, record, _ = create(partner, id=number)
    assert (address, record["id"]) == (f"/v1/scenes/hengqin%3A{number}", f"hengqin:{number}")
    assert partner.post("/v1/scenes", {"id": f"hengqin:{number}", "title": "口岸送药"}).json() == record
    assert len(served.store.history_of("scene", f"hengqin:{number}")) == 1
    _, slashed, _ = create(partner, id=f"{number}/甲 ?#")
    assert partner.get(f"/v1/scenes/{quote(slashed['id'], safe='')}").json() == slashed


def test_record_without_an_id_gets_the_same_one_each_time(partner: Portal) -> None:
    body = {"title": "没有编号的场景", "owner": "甲公司"}
    first, again = (partner.post("/v1/scenes", body) for _ in range(2))
    assert first.json() == again.json()
    assert first.json()["id"].startswith("hengqin:")
    assert create(partner, **body | {"owner": "乙公司"})[1]["id"] != first.json()["id"]


def test_another_record_under_a_taken_id_is_refused(partner: Portal, number: str) -> None:
    address, record, _ = create(partner, id=number)
    refused = partner.post("/v1/scenes", {"id": number, "title": "另一个"})
    assert (refused.status_code, problem(refused)["code"]) == (409, "already_there")
    assert partner.get(address).json() == record


def test_own_hidden_fields_are_seen_by_the_owner_and_staff_only(
    partner: Portal, other: Portal, staff: Portal, served: Served, number: str
) -> None:
    address, record, _ = create(partner, id=number, **FULL["scene"])
    hidden = {"contact", "contact_phone", "budget", "field_visibility"}
    public = served.portal("nansha", audience="public")
    assert hidden < set(record)
    assert staff.get(address).json() == record
    assert other.get(address).json() == {name: v for name, v in record.items() if name not in hidden}
    assert public.get(address).status_code == 404
    # Only what it sees makes the tag: a change of what is hidden is none for others.
    tags = [portal.get(address).headers["etag"] for portal in (partner, other)]
    changed = partner("PATCH", address, json={"contact": "李工"}, headers={"If-Match": tags[0]})
    assert changed.headers["etag"] != tags[0]
    assert other.get(address).headers["etag"] == tags[1]
    assert other.get(address, headers={"If-None-Match": tags[1]}).status_code == 304


def test_field_that_is_opened_is_shown_to_whom_it_is_opened(
    staff: Portal, partner: Portal, served: Served, number: str
) -> None:
    address, _, _ = create(
        staff, id=number, contact="王工", contact_phone="0756-1", field_visibility={"contact": "partner"}
    )
    assert partner.get(address).json() == {
        "kind": "scene", "id": number, "title": "口岸送药", "contact": "王工", "visibility": "public",
    }  # fmt: skip
    assert "contact" not in served.portal(audience="public").get(address).json()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("id", ["CJ-1", "nansha:甲"])
def test_records_of_others_are_not_to_be_written(
    partner: Portal, other: Portal, served: Served, method: str, id: str
) -> None:
    other.post("/v1/scenes", {"id": "甲", "title": "别家的场景"})
    before = served.store.get("scene", id)
    body = None if method == "DELETE" else {"title": "改掉"}
    for headers in ({}, {"If-Match": "*"}):
        refused = partner(method, f"/v1/scenes/{quote(id)}", json=body, headers=headers)
        assert (refused.status_code, problem(refused)["code"]) == (403, "not_yours")
    assert served.store.get("scene", id) == before is not None


@pytest.mark.parametrize(
    ("sent", "code", "place"),
    [
        ({"visibility": "staff"}, "visibility_refused", "visibility"),
        ({"title": "某装备（秘密）"}, "secret_refused", "title"),
        ({"title": "某装\u200b备 机\u200b密★10年"}, "secret_refused", "title"),
        ({"summary": "机密★10年 某装备"}, "secret_refused", "summary"),
        ({"keywords": ["无人机", "绝密"]}, "secret_refused", "keywords"),
        ({"budget": "面议一下"}, "amount_unreadable", "budget"),
        ({"budget": [1, 2, 3]}, "", "budget"),
        ({"budget": [5, 1]}, "amount_unreadable", "budget"),
        ({"budget": [-5, -1]}, "amount_unreadable", "budget"),
        ({"budget": "9" * 400}, "amount_unreadable", "budget"),
        ({"deadline": "2026-02-30"}, "date_not_real", "deadline"),
        ({"maturity_floor": "TRL12"}, "maturity_out_of_range", "maturity_floor"),
        ({"field_visibility": {"没有这一列": "staff"}}, "field_visibility_unknown", "field_visibility"),
        ({"title": "\u200b"}, "value_missing", "title"),
        ({"id": "甲" * 100}, "id_too_long", "id"),
        ({"没有这一项": 1}, "extra_forbidden", "没有这一项"),
        ({"title": None}, "", "title"),
        ({"title": 5}, "string_type", "title"),
    ],
)  # fmt: skip
def test_record_that_breaks_a_rule_is_refused_with_its_place_and_nothing_is_written(
    partner: Portal, served: Served, sent: dict[str, Any], code: str, place: str
) -> None:
    before = served.store.revision()
    refused = partner.post("/v1/scenes", {"title": "某场景", **sent})
    told = problem(refused)
    assert refused.status_code == 422
    assert any(one["place"].startswith(place) for one in told["problems"])
    assert not code or code in {one["code"] for one in told["problems"]}
    assert all(one["message"] and one["remedy"] for one in told["problems"])
    assert "绝密" not in refused.text
    assert "机密" not in refused.text
    assert served.store.revision() == before


@pytest.mark.parametrize("amount", ["[1e999, 1e999]", "[NaN, 1]", "[0, Infinity]", "NaN", "1e999"])
def test_amount_that_is_no_number_is_refused(partner: Portal, amount: str) -> None:
    body = f'{{"title": "场", "budget": {amount}}}'
    refused = partner("POST", "/v1/scenes", content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, problem(refused)["problems"][0]["place"]) == (422, "budget")


def test_everything_wrong_is_told_at_once(partner: Portal) -> None:
    refused = partner.post(
        "/v1/scenes", {"title": "场", "visibility": "staff", "budget": "面议一下", "deadline": "2026-13-01"}
    )
    assert {one["place"] for one in problem(refused)["problems"]} == {"visibility", "budget", "deadline"}


def test_patch_changes_what_it_names_and_null_empties(partner: Portal, number: str) -> None:
    address, record, tag = create(partner, id=number, **FULL["scene"])
    answer = partner(
        "PATCH", address, json={"budget": None, "deadline": "2028-01-01"}, headers={"If-Match": tag}
    )
    expected = {name: value for name, value in record.items() if name != "budget"} | {
        "deadline": "2028-01-01"
    }
    assert answer.json() == expected == partner.get(address).json()
    refused = partner("PATCH", address, json={"title": None}, headers={"If-Match": "*"})
    assert refused.status_code == 422
    assert "id" not in record_patch("scene").model_fields


def test_put_replaces_everything(partner: Portal, number: str) -> None:
    address, _, tag = create(partner, id=number, **FULL["scene"])
    answer = partner("PUT", address, json={"title": "只剩名称", "id": number}, headers={"If-Match": tag})
    assert answer.json() == {
        "kind": "scene",
        "id": f"hengqin:{number}",
        "title": "只剩名称",
        "visibility": "public",
    }
    refused = partner("PUT", address, json={"title": "甲", "id": "另一个"}, headers={"If-Match": "*"})
    assert [one["code"] for one in problem(refused)["problems"]] == ["id_differs"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_change_of_what_has_changed_since_is_refused(
    partner: Portal, served: Served, number: str, method: str
) -> None:
    address, record, tag = create(partner, id=number)
    body = None if method == "DELETE" else {"title": "二"}
    missing = partner(method, address, json=body)
    assert (missing.status_code, problem(missing)["code"]) == (428, "if_match_missing")
    put_by_city(served, PutNode(node=Scene(id=record["id"], title="市里改过")))
    for stale in (tag, f"W/{tag}", f'"x", {tag}', '"', ""):
        refused = partner(method, address, json=body, headers={"If-Match": stale})
        assert (refused.status_code, problem(refused)["code"]) == (412, "changed_since"), stale
    assert partner.get(address).json()["title"] == "市里改过"
    fresh = partner.get(address).headers["etag"]
    done = partner(method, address, json=body, headers={"If-Match": f'"x" , {fresh}'})
    assert done.status_code == (204 if method == "DELETE" else 200)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_change_made_between_reading_and_writing_is_not_overwritten(
    partner: Portal, served: Served, number: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else writes after the request has looked at the record: its own writing is refused."""
    id = f"hengqin:{number}"
    address = f"/v1/scenes/{quote(id)}"
    if method != "POST":
        create(partner, id=number)
    theirs = Scene(id=id, title="别人刚改的")
    whole, done = Store.apply, list[int]()

    def apply_after_another(store: Store, *changes: Any, **about: Any) -> Any:
        if not done:
            done.append(1)
            put_by_city(served, PutNode(node=theirs))
        return whole(store, *changes, **about)

    monkeypatch.setattr(Store, "apply", apply_after_another)
    path = "/v1/scenes" if method == "POST" else address
    body = None if method == "DELETE" else {"id": number, "title": "我的"}
    if method == "PATCH":
        body = {"title": "我的"}
    refused = partner(method, path, json=body, headers={"If-Match": "*"})
    assert (refused.status_code, problem(refused)["code"]) == (412, "changed_since")
    assert served.store.get("scene", id) == theirs


def test_record_that_the_city_has_hidden_stays_hidden_and_its_owner_s(
    partner: Portal, other: Portal, served: Served, number: str
) -> None:
    address, record, _ = create(partner, id=number, contact="王工")
    hidden = Scene(id=record["id"], title="口岸送药", contact="王工", visibility="staff")
    put_by_city(served, PutNode(node=hidden))
    assert other.get(address).status_code == 404
    for method, body in (
        ("PATCH", {"title": "二", "visibility": "public"}),
        ("PUT", {"title": "二", "contact": "王工"}),
    ):
        answer = partner(method, address, json=body, headers={"If-Match": "*"})
        assert answer.json() == {**record, "title": "二", "visibility": "staff"}
    assert other.get(address).status_code == 404


def test_retired_record_is_gone_and_may_come_back(partner: Portal, served: Served, number: str) -> None:
    address, record, tag = create(partner, id=number)
    assert (
        partner("DELETE", address, params={"reason": "已办结"}, headers={"If-Match": tag}).status_code == 204
    )
    gone = [
        partner.get(address),
        partner("DELETE", address, headers={"If-Match": "*"}),
        partner.get(f"{address}/history"),
    ]
    assert [(one.status_code, problem(one)["code"]) for one in gone] == [(404, "not_found")] * 3
    assert served.store.history_of("scene", record["id"])[-1].reason == f"撤下应用场景 {record['id']}：已办结"
    create(partner, id=number)
    told = [(one["action"], one["changed"]) for one in partner.get(f"{address}/history").json()["items"]]
    assert told == [("created", []), ("retired", []), ("created", [])]


def test_history_names_what_changed_and_who_only_for_own_writing(
    partner: Portal, other: Portal, staff: Portal, served: Served, number: str
) -> None:
    address, record, tag = create(partner, id=number)
    partner("PATCH", address, json={"title": "二", "contact": "王工"}, headers={"If-Match": tag})
    put_by_city(served, PutNode(node=Scene(id=record["id"], title="三", contact="王工")))

    def told(portal: Portal) -> list[tuple[Any, ...]]:
        items = portal.get(f"{address}/history").json()["items"]
        return [(i["action"], i["changed"], i.get("actor"), "revision" in i) for i in items]

    assert told(partner) == [
        ("created", [], "hengqin:试", False), ("changed", ["contact", "title"], "hengqin:试", False), ("changed", ["title"], None, False),
    ]  # fmt: skip
    assert told(other) == [
        ("created", [], None, False),
        ("changed", ["title"], None, False),
        ("changed", ["title"], None, False),
    ]
    assert [who for _, _, who, _ in told(staff)] == ["hengqin:试", "hengqin:试", "程某"]


def test_only_the_fields_asked_for_are_given(partner: Portal, number: str) -> None:
    address, record, _ = create(partner, id=number, **FULL["scene"])
    always = {name: record[name] for name in ("kind", "id", "visibility")}
    for fields, names in (("title, budget", ("title", "budget")), ("", ()), ("id", ()), ("summary", ())):
        answer = partner.get(address, params={"fields": fields})
        assert answer.json() == always | {name: record[name] for name in names}
        again = partner.get(
            address, params={"fields": fields}, headers={"If-None-Match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
    for wrong in ("title,没有", "__class__", "secret_hash"):
        refused = partner.get(address, params={"fields": wrong})
        assert (refused.status_code, problem(refused)["code"]) == (422, "field_unknown")


def test_lists_are_filtered_by_field_district_and_owner(partner: Portal, number: str) -> None:
    for name, field, district in (
        ("甲", "海洋经济", "斗门区"),
        ("乙", "海洋经济", "金湾区"),
        ("丙", "低空经济", "斗门区"),
    ):
        create(partner, "institutions", id=f"{number}{name}", field=field, district=district)

    def found(**query: Any) -> list[str]:
        page = partner.get("/v1/institutions", params={"limit": 200, **query}).json()
        return [
            item["id"].removeprefix(f"hengqin:{number}") for item in page["items"] if number in item["id"]
        ]

    assert found() == sorted("甲乙丙")
    assert found(field="海洋经济") == sorted("甲乙")
    assert found(field="海洋经济", district="斗门") == ["甲"]
    assert found(field=["海洋经济", "低空经济"], district=["斗门区", "金湾区"], own=True) == sorted("甲乙丙")
    owned = partner.get("/v1/institutions", params={"own": True, "limit": 200}).json()["items"]
    assert {item["id"].partition(":")[0] for item in owned} == {"hengqin"}
    refused = partner.get("/v1/institutions", params={"field": "没有这个领域"})
    assert refused.status_code in (200, 422)


def test_every_column_of_a_kind_can_be_sent_and_is_described() -> None:
    for kind in PLURALS:
        names = set(columns(KINDS[kind]))
        assert set(record_body(kind).model_fields) == names
        assert set(record_patch(kind).model_fields) == names - {"id"}
        assert set(record_shown(kind).model_fields) == names | {"kind"}
        assert all(about.description for about in record_body(kind).model_fields.values())


# Without a server: any node.


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Visibility], Caller]]:
    with open_store(tmp_path_factory.mktemp("made") / "store.db") as store:

        def caller(audience: Visibility) -> Caller:
            key = Key(
                id="0123456789ab",
                state="active",
                opened_at=AT,
                moved_at=AT,
                audience=audience,
                partner="hengqin",
            )
            return Caller(key, store)

        yield caller


_texts = st.sampled_from(["", "海岛", "=1+1", "无", "甲、乙", "-", "a b", "公开", "2026年"])
nodes: st.SearchStrategy[Node] = st.sampled_from(sorted(PLURALS)).flatmap(
    lambda kind: st.fixed_dictionaries(
        {name: _texts for name, about in KINDS[kind].model_fields.items() if about.annotation is str and name not in ("id", "title", "visibility")}
        | {"keywords": st.lists(_texts, max_size=3), "field": st.sampled_from(["", "低空经济"]), "visibility": st.sampled_from(["公开", "合作方"])}
    ).map(lambda values: KINDS[kind](**values | {"id": "hengqin:1", "title": "某某"}))
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(node=nodes)
def test_what_is_shown_to_the_owner_makes_the_same_record_again(
    made: Callable[[Visibility], Caller], node: Node
) -> None:
    caller = made("partner")
    shown = shown_record(node, caller)
    values = {name: value for name, value in shown.items() if name != "kind"}
    record_body(node.kind).model_validate(values)
    assert made_record(node.kind, values, caller, node) == node
    assert etag_of(shown) == etag_of(dict(reversed(shown.items())))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(PLURALS)),
    values=st.dictionaries(
        st.sampled_from(sorted({name for kind in PLURALS for name in columns(KINDS[kind])})),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
            max_leaves=6,
        ),
        max_size=5,
    ),
)  # fmt: skip
def test_any_values_make_a_record_or_are_refused_with_places(
    made: Callable[[Visibility], Caller], kind: str, values: dict[str, Any]
) -> None:
    try:
        body = record_body(kind).model_validate({"title": "某某", **values}).model_dump(exclude_unset=True)
    except ValueError:
        return
    try:
        node = made_record(kind, body, made("partner"))
    except Refusal as refusal:
        told = refusal
    else:
        assert node.id.startswith("hengqin:")
        assert node.visibility != "staff"
        return
    assert (told.status, told.code) == (422, "record_invalid")
    assert all(one.place and one.message and one.remedy for one in told.problems)


def test_removed_node_is_a_change_of_the_store(served: Served, partner: Portal, number: str) -> None:
    address, record, _ = create(partner, id=number)
    put_by_city(served, RemoveNode(kind="scene", id=record["id"]))
    refused = partner("PATCH", address, json={"title": "二"}, headers={"If-Match": "*"})
    assert (refused.status_code, problem(refused)["code"]) == (404, "not_found")
