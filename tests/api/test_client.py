import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import embeddings.encoder
from api.application import api_routes, create_app
from api.client import (
    AchievementRecord,
    BadSignature,
    BrokerRecord,
    CaseRecord,
    Changed,
    EnterpriseRecord,
    InstitutionRecord,
    JiebangClient,
    JiebangRefused,
    Kept,
    SceneRecord,
    verify_webhook,
)
from api.keys import SCOPES, create_key
from api.records import PLURALS
from api.settings import ServeSettings
from api.webhooks import signed_headers
from graph.kinds import KINDS, columns
from graph.store.outbox import Delivery
from graph.values import Visibility
from matcher.home import Home
from tests.api.listening import listening
from tests.api.world import BigramEncoder

AT = datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBzdG9yZQ=="
Answer = httpx2.Response | Exception


@dataclass(frozen=True, kw_only=True)
class Live:
    address: str
    home: Home
    app: Any

    def client(self, partner: str = "hengqin", audience: Visibility = "partner") -> JiebangClient:
        """A client with a new key of every scope."""
        with self.home.open_store(create=False) as store:
            _, token = create_key(
                store, partner=partner, name="", scopes=tuple(SCOPES), audience=audience, lasts=None,
                per_minute=100_000, actor="程某", at=datetime.now(UTC),
            )  # fmt: skip
        return JiebangClient(self.address, token)


@pytest.fixture(scope="module")
def live(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The application over a copy of the world, listening."""
    place = tmp_path_factory.mktemp("live") / "home"
    shutil.copytree(_indexed, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        app = create_app(ServeSettings(home=Home(path=place), encoder="bigrams", private_targets=True))
        with listening(app) as address:
            yield Live(address=address, home=Home(path=place), app=app)


@pytest.fixture(scope="module")
def jiebang(live: Live) -> Iterator[JiebangClient]:
    with live.client() as client:
        yield client


class Scripted(httpx2.BaseTransport):
    """Gives prepared answers one after the other, the last one for ever; keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.requests = list(answers), list[httpx2.Request]()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self) -> list[str | None]:
        """The Idempotency-Key of every request."""
        return [request.headers.get("idempotency-key") for request in self.requests]


def scripted(*answers: Answer, attempts: int = 5) -> tuple[JiebangClient, Scripted, list[float]]:
    """A client of prepared answers, what was asked, and how long was waited."""
    transport, waits = Scripted(*answers), list[float]()
    client = JiebangClient(
        "https://jiebang.example", "jb_x", attempts=attempts, sleep=waits.append, transport=transport
    )
    return client, transport, waits


def refusal(status: int, code: str, **headers: str) -> httpx2.Response:
    document = {
        "type": f"urn:jiebang:problem:{code}", "title": "题", "status": status, "detail": "不行。", "code": code,
        "remedy": "请改。", "request_id": "r1", "problems": [],
    }  # fmt: skip
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json=document, headers=told)


SCORES = httpx2.Response(200, json={"items": [], "new_in_a_later_version": 1})


def test_client_imports_nothing_of_the_server() -> None:
    heavy = {"numpy", "faiss", "sqlalchemy", "fastapi", "starlette", "networkx", "matcher", "embeddings"}
    program = (
        f"import sys, api.client; print(sorted({heavy!r} & {{m.partition('.')[0] for m in sys.modules}}))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_records_of_client_have_the_columns_of_their_kinds() -> None:
    shapes = {
        "scene": SceneRecord, "achievement": AchievementRecord, "enterprise": EnterpriseRecord,
        "institution": InstitutionRecord, "broker": BrokerRecord, "case": CaseRecord,
    }  # fmt: skip
    assert shapes.keys() == PLURALS.keys()
    for kind, shape in shapes.items():
        assert get_type_hints(shape).keys() == {"kind", *columns(KINDS[kind])}, kind


def test_client_reaches_every_route(live: Live) -> None:
    client, asked, _ = scripted(refusal(404, "not_found"))
    kept: Kept[SceneRecord] = Kept(
        values={"kind": "scene", "id": "x", "visibility": "public"}, etag='"1"', path="/v1/scenes/x"
    )
    job: Any = type("Job", (), {"id": "x"})
    roadshow: Any = type("Roadshow", (), {"id": "x", "draft": 1})
    solution: Any = type("Solution", (), {"id": "x", "roadshow": "x"})
    plans = client.roadshow_plans
    sheet = live.home.path / "x.csv"
    sheet.write_text("编号", encoding="utf-8")
    calls: list[Callable[[], Any]] = [
        lambda: client.matches("scenes", "x"), lambda: client.matches("achievements", "x"),
        lambda: client.enterprises_for("x"), lambda: client.match_text("x"), lambda: client.match_written("scene", {}),
        lambda: client.score([("x", "x")]), lambda: client.pair("x", "x"), lambda: client.brokers_for("x", "x"),
        lambda: client.neighbourhood("x"), lambda: client.judge("x", "x", 4, judge="x"), lambda: list(client.judgements()),
        lambda: client.record_outcome("x", "x", "met", by="x"), lambda: list(client.outcomes()),
        lambda: client.place_order("x"), lambda: client.order("x"), lambda: list(client.orders()), client.late_orders,
        lambda: client.move_order("x", "close"), lambda: client.similar_cases("scenes", "x"),
        lambda: client.similar_cases("achievements", "x"), lambda: client.similar_cases_of_pair("x", "x"),
        lambda: client.similar_cases_of_text("x"), lambda: client.case_document("x"), lambda: client.draft_case(task="x"),
        lambda: client.case_file("x"), lambda: list(client.case_files()), lambda: client.move_case("x", "retire"),
        lambda: list(client.published("cases")),
        lambda: client.published_file("cases", "csv"), lambda: client.upload(sheet), lambda: client.job("x"),
        lambda: list(client.jobs()), lambda: client.wait(job), lambda: client.cancel_job("x"), lambda: client.job_report("x"),
        lambda: client.make_roadshow(theme="x"), lambda: client.roadshow("x"), lambda: list(client.roadshows()),
        lambda: client.check_roadshow("x"), lambda: client.move_roadshow(roadshow, "lock"),
        lambda: plans.timetable("x"), lambda: plans.set_timetable("x", 1), lambda: plans.meetings("x"),
        lambda: plans.set_meetings("x", 1), lambda: plans.upload_wishes("x", 1, sheet), lambda: plans.propose_wishes("x", 1),
        lambda: plans.solve("x", 1, "timetable"), lambda: plans.solution("x", "x"), lambda: plans.cancel("x", "x"),
        lambda: plans.wait(solution), lambda: plans.paper("x", "agenda", "svg"), lambda: plans.results("x"),
        lambda: plans.take_results("x", 1, []), lambda: plans.follow_up("x"), lambda: list(plans.released()),
        lambda: plans.released_one("x"),
        lambda: client.register_webhook("https://x.example/"), lambda: list(client.webhooks()), lambda: client.webhook("x"),
        lambda: client.move_webhook("x", "pause"), lambda: client.rotate_webhook("x"), lambda: client.ping_webhook("x"),
        lambda: client.delete_webhook("x"), lambda: list(client.deliveries("x")), lambda: client.replay("x", ids=["x"]),
        lambda: list(client.keys()), lambda: client.create_key("x", ["read"]), lambda: client.revoke_key("x"),
        lambda: client.panel("x"), lambda: client.draw_panel("x", 1), lambda: client.recuse_expert("x", "x", reason="x"),
        lambda: client.review("x"), lambda: client.assign_bids("x"), lambda: client.take_marks("x", []),
        lambda: client.review_ranking("x"), lambda: client.review_summary("x"), lambda: client.award_notice("x"), lambda: client.award("x"), lambda: client.propose_award("x"),
        lambda: client.move_award("x", "publish"), lambda: client.award_reasons("x", "x"),
        client.status, lambda: client.update(kept, {}), lambda: client.replace(kept, {}), lambda: client.retire(kept),
    ]  # fmt: skip
    tasks, assignments = client.tasks, client.assignments
    asked_for: Any = type("Asked", (), {"id": "x"})
    calls += [
        lambda: list(tasks.list()), lambda: tasks.file("csv"), lambda: tasks.get("x"), lambda: tasks.create(title="x"),
        lambda: tasks.etag("x"), lambda: tasks.update("x", etag='"1"', title="x"), lambda: tasks.check("x"),
        lambda: tasks.check_written(title="x"), lambda: tasks.move("x", "submit"), lambda: tasks.invitations("x"),
        lambda: tasks.record_invitations("x"), lambda: tasks.history("x"), lambda: list(tasks.bids("x")),
        lambda: tasks.bid_count("x"), lambda: tasks.bid("x", "x"), lambda: tasks.check_bid("x", {}),
        lambda: tasks.hand_in("x", {}), lambda: tasks.withdraw("x", "x"), lambda: tasks.abandon("x", "x", reason="x"),
        lambda: tasks.open_bids("x"), lambda: tasks.fit("x", "x"), lambda: tasks.race("x"), lambda: tasks.start_race("x", []),
        lambda: tasks.judge_gate("x"), lambda: tasks.leave_race("x", "x", reason="x"), lambda: assignments.create(),
        lambda: assignments.get("x"), lambda: list(assignments.list()), lambda: assignments.cancel("x"),
        lambda: assignments.difference("x", "y"), lambda: assignments.wait(asked_for),
    ]  # fmt: skip
    for records in (
        client.scenes, client.achievements, client.enterprises, client.institutions, client.brokers, client.cases,
    ):  # fmt: skip
        calls += [
            partial(records.get, "x"), partial(next, iter(records.list())), partial(records.create, {}), partial(records.history, "x"),
        ]  # fmt: skip
    for call in calls:
        with pytest.raises(JiebangRefused):
            call()

    found = {
        (request.method, route.path)
        for request in asked.requests
        for route in api_routes(live.app)
        if request.method in (route.methods or ()) and route.path_regex.match(request.url.path)
    }
    wanted = {
        (method, route.path) for route in api_routes(live.app) for method in route.methods or () if "/v1/" in route.path
    }  # fmt: skip
    # A change is the same method for every kind: it goes to the place the record was read from.
    changes = {
        (method, f"/v1/{plural}/{{id}}") for method in ("PUT", "PATCH", "DELETE") for plural in PLURALS.values()
    }  # fmt: skip
    assert wanted - found - changes == set()


def test_answers_are_those_of_http(jiebang: JiebangClient) -> None:
    asked: dict[str, Any] = {
        "/v1/scenes/CJ-1/matches?detail=full&top=3": jiebang.matches("scenes", "CJ-1", detail="full", top=3),
        "/v1/achievements/CG-1/matches?open_only=true": jiebang.matches(
            "achievements", "CG-1", open_only=True
        ),
        "/v1/scenes/CJ-1/enterprises": jiebang.enterprises_for("CJ-1"),
        "/v1/pairs/CJ-1/CG-1": jiebang.pair("CJ-1", "CG-1"),
        "/v1/pairs/CJ-1/CG-1/brokers?top=1": jiebang.brokers_for("CJ-1", "CG-1", top=1),
        "/v1/graph/CJ-1?depth=2": jiebang.neighbourhood("CJ-1", depth=2),
        "/v1/scenes/CJ-1/history": jiebang.scenes.history("CJ-1"),
    }
    for path, answer in asked.items():
        # UTC is written in one of two ways.
        raw = json.loads(jiebang._http.get(path).text)
        assert answer.model_dump(mode="json", exclude_unset=True) == raw, path


def test_written_need_and_scores_are_those_of_the_record(jiebang: JiebangClient) -> None:
    stored = jiebang.matches("scenes", "CJ-1")
    scene = {k: v for k, v in jiebang.scenes.get("CJ-1").values.items() if k not in ("kind", "id")}
    written = jiebang.match_written("scene", scene)
    assert [(one.id, one.level) for one in written.items] == [(one.id, one.level) for one in stored.items]
    assert jiebang.match_text("海岛无人机送药，抗风7级以上").items[0].id == "CG-1"
    scores = jiebang.score([("CJ-1", one.id) for one in stored.items] + [("CJ-1", "CG-4")]).items
    assert [one.score for one in scores] == [*(one.score for one in stored.items), None]


def test_listing_goes_over_every_page(jiebang: JiebangClient) -> None:
    assert [one["id"] for one in jiebang.achievements.list(limit=1)] == ["CG-1", "CG-2", "CG-3"]
    assert [one["id"] for one in jiebang.published("capabilities")] == [
        "CG-1",
        "CG-2",
        "CG-3",
        "QY-1",
        "QY-2",
    ]
    assert jiebang.published_file("cases", "csv").startswith(b"\xef\xbb\xbf")


def test_record_is_pushed_changed_and_retired(jiebang: JiebangClient) -> None:
    made = jiebang.scenes.create(
        {"id": "推送/1", "title": "海岛垃圾清运", "budget": "50-80", "field": ["海洋经济"]}
    )
    assert made.id == "hengqin:推送/1"
    read = jiebang.scenes.get(made.id)
    assert read == made

    changed = jiebang.update(read, {"district": "万山区"})
    assert changed.values == {**read.values, "district": "万山区"}
    with pytest.raises(Changed) as stale:
        jiebang.update(read, {"district": "斗门区"})
    assert (stale.value.status, stale.value.code) == (412, "changed_since")
    assert jiebang.scenes.get(made.id) == changed

    replaced = jiebang.replace(changed, {"title": "海岛垃圾清运船"})
    assert (replaced.values["title"], "budget" in replaced.values) == ("海岛垃圾清运船", False)
    with pytest.raises(Changed):
        jiebang.retire(changed)
    jiebang.retire(replaced, reason="重复")
    with pytest.raises(JiebangRefused, match="not_found"):
        jiebang.scenes.get(made.id)


def test_feedback_orders_webhooks_and_keys_come_back(live: Live, jiebang: JiebangClient) -> None:
    judged = jiebang.judge("CJ-1", "CG-1", 4, judge="李明", reason="合适")
    assert list(jiebang.judgements("CJ-1")) == [judged]
    outcome = jiebang.record_outcome("CJ-1", "CG-1", "met", by="李明")
    assert list(jiebang.outcomes()) == [outcome]

    order = jiebang.place_order("求整机供应商", scene="CJ-1", contact="王工")
    assert list(jiebang.orders(state="placed")) == [order] == [jiebang.order(order.id)]
    assert jiebang.late_orders() == []
    with live.client("city", "staff") as city:
        assert city.move_order(order.id, "accept").state == "accepted"
        assert city.move_order(order.id, "assign", handler="程某").handler == "程某"
        key = city.create_key("doumen", ["read"], name="试", days=30)
        assert key.id in [one.id for one in list(city.keys())]
        city.revoke_key(key.id, reason="试完")
    assert jiebang.move_order(order.id, "withdraw").state == "withdrawn"

    hook = jiebang.register_webhook("http://127.0.0.1:9/", ["scene.created"])
    assert hook.secret.startswith("whsec_")
    assert [one.id for one in jiebang.webhooks()] == [hook.id] == [jiebang.webhook(hook.id).id]
    assert jiebang.rotate_webhook(hook.id).secret != hook.secret
    assert jiebang.move_webhook(hook.id, "pause").state == "paused"
    jiebang.ping_webhook(hook.id)
    assert [one.event for one in jiebang.deliveries(hook.id)] == ["ping"]
    assert jiebang.replay(hook.id, since=AT).replayed == 0
    jiebang.delete_webhook(hook.id)
    assert list(jiebang.webhooks()) == []


def test_sheet_is_uploaded_and_its_job_waited_for(jiebang: JiebangClient, tmp_path: Path) -> None:
    sheet = tmp_path / "成果.csv"
    sheet.write_text("编号,名称\nA1,海岛垃圾焚烧炉\n,\nA2,\n", encoding="utf-8")
    job = jiebang.wait(jiebang.upload(sheet, kind="achievement", partial=True), pause=0.1)
    assert job.result is not None
    assert (job.state, job.result.rows.new, job.result.rows.refused, job.result.written) == ("done", 1, 1, 1)
    assert [one.id for one in jiebang.jobs()] == [job.id]
    assert jiebang.job_report(job.id).startswith(b"PK")
    assert jiebang.achievements.get("hengqin:A1").values["title"] == "海岛垃圾焚烧炉"


def test_upload_of_other_files_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    client, asked, _ = scripted(SCORES)
    with pytest.raises(ValueError, match=r"\.pdf"):
        client.upload(tmp_path / "成果.pdf")
    assert asked.requests == []


def test_waiting_for_a_job_has_an_end() -> None:
    running = {
        "id": "RW-1", "state": "running", "kind": None, "partial": False, "dry_run": False, "created_at": AT.isoformat(),
        "updated_at": AT.isoformat(), "done": 0, "total": 0, "result": None, "report": None,
    }  # fmt: skip
    client, asked, waits = scripted(httpx2.Response(200, json=running))
    with pytest.raises(TimeoutError, match="RW-1"):
        client.wait(client.job("RW-1"), patience=3, pause=1)
    assert (len(asked.requests), waits) == (4, [1, 1, 1])


def test_busy_server_is_asked_again_with_the_same_key_after_the_time_it_names() -> None:
    client, asked, waits = scripted(
        refusal(503, "server_busy", retry_after="3"),
        httpx2.ConnectError("down"),
        refusal(429, "rate_limited", retry_after="2"),
        refusal(409, "idempotency_pending", retry_after="4"),
        SCORES,
    )
    assert client.score([("CJ-1", "CG-1")]).items == []
    assert waits == [3, 2, 2, 4]
    assert len(set(asked.keys)) == 1
    assert len({request.content for request in asked.requests}) == 1
    client.score([("CJ-1", "CG-1")])
    assert None not in asked.keys
    assert len(set(asked.keys)) == 2


def test_attempts_are_bounded() -> None:
    client, asked, waits = scripted(refusal(503, "server_busy", retry_after="1"), attempts=3)
    with pytest.raises(JiebangRefused) as refused:
        client.order("DD-1")
    assert (refused.value.code, len(asked.requests), waits) == ("server_busy", 3, [1, 1])


def test_wait_longer_than_anybody_would_is_not_begun() -> None:
    client, asked, waits = scripted(refusal(503, "server_busy", retry_after="86400"))
    with pytest.raises(JiebangRefused, match="server_busy"):
        client.order("DD-1")
    assert (len(asked.requests), waits) == (1, [])


def test_change_that_did_not_get_through_is_not_sent_again() -> None:
    client, asked, waits = scripted(httpx2.ReadTimeout("slow"))
    kept: Kept[SceneRecord] = Kept(
        values={"kind": "scene", "id": "x", "visibility": "public"}, etag='"1"', path="/v1/scenes/x"
    )
    with pytest.raises(JiebangRefused) as refused:
        client.update(kept, {"title": "新"})
    assert (refused.value.status, refused.value.code) == (0, "unreachable")
    assert (len(asked.requests), waits, asked.requests[0].headers["if-match"]) == (1, [], '"1"')


def test_new_key_is_asked_for_without_an_idempotency_key() -> None:
    client, asked, _ = scripted(refusal(422, "partner_code"))
    with pytest.raises(JiebangRefused):
        client.create_key("x", ["read"])
    assert asked.keys == [None]


def test_refusal_carries_all_that_the_server_said(jiebang: JiebangClient) -> None:
    with pytest.raises(JiebangRefused) as refused:
        jiebang.scenes.create({"title": "题", "deadline": "不知道", "visibility": "staff"})
    error = refused.value
    assert (error.status, error.code) == (422, "record_invalid")
    assert {problem.place for problem in error.problems} == {"deadline", "visibility"}
    assert error.message in str(error)
    assert error.remedy in str(error)
    assert error.request_id


@pytest.mark.parametrize("status", [200, 302, 502])
def test_answer_of_another_server_is_a_refusal(status: int) -> None:
    client, _, _ = scripted(httpx2.Response(status, text="<html>proxy</html>"))
    with pytest.raises(JiebangRefused) as refused:
        client.order("DD-1")
    assert (refused.value.status, refused.value.code) == (status, "not_jiebang")


def message(body: str, at: datetime = AT) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a delivery as the server sends it."""
    delivery = Delivery(
        id=1, webhook="HD-1", partner="hengqin", subject="s", event="ping", seq=1, body=body, state="waiting", attempts=0,
        due_at=at, last_at=None, last_status=None, last_error="", created_at=at,
    )  # fmt: skip
    return signed_headers(SECRET, "msg_1", delivery, at), body.encode()


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.integers(min_value=-300, max_value=300),
)
def test_message_of_the_server_is_genuine(data: dict[str, str], seconds: int) -> None:
    headers, body = message(json.dumps({"event": "ping", "data": data}, ensure_ascii=False))
    shouted = {name.upper(): value for name, value in headers.items()}
    now = AT + timedelta(seconds=seconds)
    assert verify_webhook(SECRET, shouted, body, now=now) == {"event": "ping", "data": data}


def test_message_with_several_signatures_is_genuine_with_one_that_fits() -> None:
    headers, body = message("{}")
    headers["webhook-signature"] = f"v1,AAAA {headers['webhook-signature']} v2,x"
    assert verify_webhook(SECRET, headers, body, now=AT) == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(AT.timestamp()) + 1)}, {"webhook-timestamp": "新"},
        {"webhook-timestamp": ""}, {"webhook-signature": ""}, {"webhook-signature": "v1,新"}, {"webhook-signature": "v1"},
    ],
)  # fmt: skip
def test_message_with_changed_headers_is_refused(changed: dict[str, str]) -> None:
    headers, body = message("{}")
    with pytest.raises(BadSignature):
        verify_webhook(SECRET, {**headers, **changed}, body, now=AT)


def test_message_that_was_changed_is_old_or_of_another_secret_is_refused() -> None:
    headers, body = message("{}")
    wrong = "whsec_" + "b3RoZXI="
    for secret, sent, now in (
        (SECRET, b"{ }", AT), (wrong, body, AT), ("whsec_新", body, AT), ("", body, AT), (SECRET, body, AT + timedelta(seconds=301)),
        (SECRET, body, AT - timedelta(seconds=301)),
    ):  # fmt: skip
        with pytest.raises(BadSignature):
            verify_webhook(secret, headers, sent, now=now)
    with pytest.raises(BadSignature, match="JSON"):
        verify_webhook(SECRET, message("不是")[0], message("不是")[1], now=AT)
