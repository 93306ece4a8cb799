"""Every refusal has the one shape, with a message and a remedy in Chinese, and tells nothing it should not."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from fastapi import FastAPI, Query, Request
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api import problem_documents
from api.metrics import Metrics
from api.problem_documents import Refusal, busy, field_problem, problem_response, refusal_of
from api.request_log import RequestLog
from api.wire import ProblemDocument
from embeddings.refusal import IndexRefused
from graph.problems import BadValue, Problem, Refused
from tests.api.conftest import problem

CHINESE = re.compile("[\u4e00-\u9fff]")
JSON = {"Content-Type": "application/json"}


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=2, max_length=5)
    level: int = Field(0, ge=0, le=4)
    kind: Literal["a", "b"] = "a"
    at: AwareDatetime | None = None
    some: list[int] = Field(default_factory=list, max_length=2)
    is_open: bool = False


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A little application in which everything goes wrong."""
    app = FastAPI()
    problem_documents.install(app)
    app.add_middleware(RequestLog, metrics=Metrics())
    raising: dict[str, Exception] = {
        "refusal": Refusal(422, "tea", "茶。", "请喝。", headers={"X-Tea": "1"}),
        "locked": Refused("store_locked", "数据库正忙。", "等一等。"),
        "busy": Refused("job_busy", "正忙。", "等一等。"),
        "stale": Refused("plan_stale", "数据已变。", "再试。"),
        "full": Refused("store_full", "磁盘已满。", "清理磁盘。"),
        "broken": Refused("store_damaged", "文件 /srv/geheim/jiebang.db 损坏。", "恢复 /srv/geheim。"),
        "index": IndexRefused("index_broken", "文件 /srv/geheim/index 损坏。", "重建。"),
        "value": BadValue("money", "看不懂金额“约三”", "请写数字"),
        "unforeseen": ZeroDivisionError("geheim"),
        "group": ExceptionGroup("geheim", [ValueError("geheim")]),
    }

    @app.get("/raise/{name}")
    def raise_it(name: str) -> None:
        raise raising[name]

    @app.post("/body")
    def read_body(sent: Body) -> None: ...

    @app.get("/body")
    def no_body() -> None: ...

    @app.put("/body/{id}")
    def read_id(id: int, request: Request, page: int = Query(1, ge=1)) -> None: ...

    app.state.routes = [route for route in app.routes if hasattr(route, "dependant")]
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "code", "retries"),
    [
        ("refusal", 422, "tea", False),
        ("locked", 503, "store_locked", True),
        ("busy", 503, "job_busy", True),
        ("stale", 409, "plan_stale", False),
        ("full", 507, "store_full", False),
        ("broken", 503, "store_damaged", True),
        ("index", 503, "index_broken", True),
        ("value", 422, "money", False),
        ("unforeseen", 500, "internal", False),
        ("group", 500, "internal", False),
    ],
)
def test_every_error_is_a_problem_document(
    client: TestClient, name: str, status: int, code: str, retries: bool
) -> None:
    answer = client.get(f"/raise/{name}")
    told = problem(answer)
    assert (told["status"], told["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == retries
    assert answer.headers["cache-control"] == "no-store"
    assert all(CHINESE.search(told[part]) for part in ("title", "detail", "remedy"))
    # No path of the server, no text of an error that nobody foresaw, no trace.
    assert not re.search(r"geheim|srv|Traceback|File|Error\(", answer.text)


def test_a_remedy_that_names_a_command_is_told_as_a_request(client: TestClient) -> None:
    known = refusal_of(Refused("panel_none", "还没有专家组。", "请先运行 jiebang panel draw BD-1。"))
    assert known is not None
    assert json.loads(bytes(problem_response(known, "").body))["remedy"] == "请先抽专家组：POST …/panel。"
    problem = Problem(code="other", message="不行", remedy="请用 jiebang undo")
    assert field_problem(problem).remedy == "请对照 /docs 办理，或告诉市平台。"
    plain = Problem(code="plain", message="缺一项", remedy="请补填")
    several = refusal_of(Refused("move_requirement", "不行；缺一项。", "…", problems=(problem, plain)))
    assert several is not None
    assert several.remedy == "请对照 /docs 办理，或告诉市平台；请补填。"


def test_every_refusal_that_names_a_command_says_what_to_ask_over_http() -> None:
    """Found in the sources: a literal code beside a text with a command."""
    bare = set()
    for path in Path("matcher").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            texts = [
                one.value
                for one in ast.walk(call)
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            codes = {text for text in texts if text in problem_documents._STATUSES}
            if any("jiebang " in text for text in texts):
                bare |= codes - problem_documents._REMEDIES.keys()
    assert bare == set()


def test_a_refusal_carries_its_headers(client: TestClient) -> None:
    assert client.get("/raise/refusal").headers["x-tea"] == "1"


def test_an_unknown_address_and_method_are_problem_documents(client: TestClient) -> None:
    assert problem(client.get("/nothing"))["code"] == "route_unknown"
    answer = client.delete("/body")
    told = problem(answer)
    assert (told["code"], answer.headers["allow"], told["remedy"]) == ("method_unknown", "GET, POST", "可用的方法：GET, POST。")  # fmt: skip
    assert client.post("/body/1", json={}).headers["allow"] == "PUT"


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, {"name": "missing"}),
        ({"name": "好"}, {"name": "string_too_short"}),
        ({"name": "好好好好好好"}, {"name": "string_too_long"}),
        ({"name": 3}, {"name": "string_type"}),
        ({"name": "好的", "nome": 1, "level": 9}, {"nome": "extra_forbidden", "level": "less_than_equal"}),
        ({"name": "好的", "level": -1}, {"level": "greater_than_equal"}),
        ({"name": "好的", "level": "x"}, {"level": "int_parsing"}),
        ({"name": "好的", "kind": "c"}, {"kind": "literal_error"}),
        ({"name": "好的", "at": "昨天"}, {"at": "datetime_from_date_parsing"}),
        ({"name": "好的", "at": "2026-03-31T09:30:00"}, {"at": "timezone_aware"}),
        ({"name": "好的", "some": "x"}, {"some": "list_type"}),
        ({"name": "好的", "some": [1, 2, 3]}, {"some": "too_long"}),
        ({"name": "好的", "some": [1, "x"]}, {"some.1": "int_parsing"}),
        ({"name": "好的", "is_open": "perhaps"}, {"is_open": "bool_parsing"}),
        ([], {"": "model_attributes_type"}),
        (None, {"": "missing"}),
    ],
)
def test_every_thing_wrong_with_a_body_is_told_with_its_place(
    client: TestClient, body: Any, places: dict[str, str]
) -> None:
    told = problem(client.post("/body", json=body) if body is not None else client.post("/body"))
    assert (told["status"], told["code"]) == (422, "request_invalid")
    assert {one["place"]: one["code"] for one in told["problems"]} == places
    assert all(CHINESE.search(one["message"]) and CHINESE.search(one["remedy"]) for one in told["problems"])
    assert "写法不对" not in told["detail"]


def test_wrong_parameters_are_told_by_name(client: TestClient) -> None:
    told = problem(client.put("/body/x?page=0"))
    assert {one["place"]: one["code"] for one in told["problems"]} == {
        "id": "int_parsing", "page": "greater_than_equal",
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"\xff\xfe", b'{"name": "\xb0\xa1"}', b"[" * 100_000, b'{"name":' * 5000, b'{"level": ' + b"1" * 5000 + b"}",
        b"\x00", b"{'name': 1}",
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(client: TestClient, content: bytes) -> None:
    told = problem(client.post("/body", content=content, headers=JSON))
    assert (told["status"], told["code"]) == (400, "body_unreadable")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    content=st.binary(max_size=60) | st.text(max_size=30).map(lambda text: json.dumps({text: text}).encode())
)
def test_any_body_is_refused_in_the_one_shape(client: TestClient, content: bytes) -> None:
    answer = client.post("/body", content=content, headers=JSON)
    assert answer.status_code in (200, 400, 422)
    if answer.status_code != 200:
        problem(answer)


def test_lone_surrogates_are_refused_and_never_written(client: TestClient) -> None:
    for content in (b'{"\\ud800": 1}', b'{"name": "\\ud800x"}', b'{"name": "ab", "kind": "\\udfff"}'):
        assert problem(client.post("/body", content=content, headers=JSON))["status"] == 422


def test_what_was_sent_is_not_repeated(client: TestClient) -> None:
    answer = client.post("/body", json={"name": "13800138000张三", "level": "geheim", "kind": "李四"})
    assert not re.search("13800138000|张三|geheim|李四", answer.text)


def test_the_error_of_a_body_that_could_not_be_read_is_the_one_told(client: TestClient) -> None:
    """The framework wraps whatever comes up while it reads a body; the refusal below is the answer."""
    app = FastAPI()
    problem_documents.install(app)

    @app.post("/body")
    def read_body(sent: Body) -> None: ...

    class Refusing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def broken() -> Any:
                raise Refusal(413, "body_too_large", "太大。", "请分成几份。")

            await self.app(scope, broken if scope["type"] == "http" else receive, send)

    app.add_middleware(Refusing)
    app.add_middleware(RequestLog, metrics=Metrics())
    with TestClient(app, raise_server_exceptions=False) as broken:
        assert problem(broken.post("/body", json={}))["code"] == "body_too_large"


def test_only_what_is_foreseen_becomes_a_refusal() -> None:
    assert refusal_of(KeyError("x")) is None
    again = busy("x", "忙。", seconds=0)
    assert (refusal_of(again), again.headers) == (again, {"Retry-After": "1"})


def test_the_words_of_every_status_are_chinese() -> None:
    for status in (400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503, 507):
        document = json.loads(bytes(problem_response(Refusal(status, "x", "某。", "某。"), "r").body))
        assert CHINESE.search(document["title"]), status
        assert ProblemDocument.model_validate(document).status == status


def test_the_code_names_no_other_room(tmp_path: Path) -> None:
    """Codes are for programs: letters and underscores, which make a valid urn."""
    source = Path(problem_documents.__file__).parent
    found = re.findall(
        r'Refusal\(\s*\d{3},\s*"([^"]+)"', "".join(p.read_text("utf-8") for p in source.rglob("*.py"))
    )
    assert len(set(found)) > 30
    assert all(re.fullmatch("[a-z][a-z_]+", code) for code in found)
