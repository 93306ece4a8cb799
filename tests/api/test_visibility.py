"""What a key sees: the scopes of every route, and no answer that tells whether something hidden is there."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pytest

import embeddings.encoder
from api.access import Needs
from api.application import api_routes
from api.keys import SCOPES, create_key, revoke_key
from api.records import PLURALS
from api.webhooks import EVENTS, WEBHOOK_RULES, Webhook, event_of
from api.wire import Scope
from graph.feedback import Judgement, Outcome
from graph.kinds import KINDS, Node
from graph.processes import opened
from graph.relations import Edge
from graph.store.changes import Change, PutEdge, PutFeedback, PutNode, PutProcess
from graph.store.history import entries_since
from graph.store.store import Store, open_store
from graph.values import Visibility
from matcher.case_drafts import new_case
from matcher.cases import CaseFile
from matcher.home import Home
from matcher.meetings import Meeting, MeetingDay, Party, Wish
from matcher.orders import Order, order_rules
from matcher.roadshow_meetings import KeptMeetings
from matcher.roadshow_timetable import Kept
from matcher.roadshows import Pitch, Version, new_roadshow
from matcher.tasks import Task, task_rules
from matcher.timetable import Format, Judge, Programme, Session, Span
from tests.api.conftest import Portal, Served, problem, serving
from tests.api.world import BigramEncoder

AUDIENCES: tuple[Visibility, ...] = get_args(Visibility)
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a route asks for, and a request that it answers with ``status`` to whoever may ask at all."""

    scope: Scope | None
    url: str
    status: int
    body: Any = None
    staff: bool = False


def _routes_of(plural: str) -> dict[tuple[str, str], Route]:
    path, nowhere = f"/v1/{plural}", f"/v1/{plural}/没有"
    return {
        ("GET", path): Route(scope="read", url=path, status=200),
        ("GET", f"{path}/{{id}}"): Route(scope="read", url=nowhere, status=404),
        ("GET", f"{path}/{{id}}/history"): Route(scope="read", url=f"{nowhere}/history", status=404),
        ("POST", path): Route(scope="write", url=path, status=422, body={"没有这一项": 1}),
        ("PUT", f"{path}/{{id}}"): Route(scope="write", url=nowhere, status=404, body={"title": "甲"}),
        ("PATCH", f"{path}/{{id}}"): Route(scope="write", url=nowhere, status=404, body={}),
        ("DELETE", f"{path}/{{id}}"): Route(scope="write", url=nowhere, status=404),
    }


A_BID = {"bidder": "某公司", "bidder_uscc": "91440400MA00000157"}
ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "/docs"): Route(scope=None, url="/docs", status=200),
    ("GET", "/openapi.json"): Route(scope=None, url="/openapi.json", status=200),
    ("GET", "/healthz"): Route(scope=None, url="/healthz", status=200),
    ("GET", "/readyz"): Route(scope=None, url="/readyz", status=200),
    ("GET", "/metrics"): Route(scope="admin", staff=True, url="/metrics", status=200),
    ("GET", "/v1/status"): Route(scope="admin", staff=True, url="/v1/status", status=200),
    ("GET", "/v1/keys"): Route(scope="admin", staff=True, url="/v1/keys", status=200),
    ("POST", "/v1/keys"): Route(scope="admin", staff=True, url="/v1/keys", status=422, body={}),
    ("DELETE", "/v1/keys/{id}"): Route(scope="admin", staff=True, url="/v1/keys/0", status=404),
    ("GET", "/v1/scenes/{id}/matches"): Route(scope="read", url="/v1/scenes/没有/matches", status=404),
    ("GET", "/v1/scenes/{id}/enterprises"): Route(scope="read", url="/v1/scenes/没有/enterprises", status=404),
    ("GET", "/v1/achievements/{id}/matches"): Route(scope="read", url="/v1/achievements/没有/matches", status=404),
    ("GET", "/v1/pairs/{scene}/{achievement}"): Route(scope="read", url="/v1/pairs/没有/没有", status=404),
    ("GET", "/v1/pairs/{scene}/{achievement}/brokers"): Route(scope="read", url="/v1/pairs/没有/没有/brokers", status=404),
    ("GET", "/v1/scenes/{id}/cases"): Route(scope="read", url="/v1/scenes/没有/cases", status=404),
    ("GET", "/v1/achievements/{id}/cases"): Route(scope="read", url="/v1/achievements/没有/cases", status=404),
    ("GET", "/v1/pairs/{scene}/{achievement}/cases"): Route(scope="read", url="/v1/pairs/没有/没有/cases", status=404),
    ("POST", "/v1/similar-cases"): Route(scope="read", url="/v1/similar-cases", status=422, body={"text": " "}),
    ("GET", "/v1/cases/{id}/document"): Route(scope="read", url="/v1/cases/没有/document", status=404),
    ("GET", "/v1/case-files"): Route(scope="write", staff=True, url="/v1/case-files", status=200),
    ("POST", "/v1/case-files"): Route(scope="write", staff=True, url="/v1/case-files", status=422, body={}),
    ("GET", "/v1/case-files/{id}"): Route(scope="write", staff=True, url="/v1/case-files/没有", status=404),
    ("POST", "/v1/case-files/{id}/moves"): Route(scope="write", staff=True, url="/v1/case-files/没有/moves", status=404, body={"move": "retire"}),
    ("GET", "/v1/graph/{id}"): Route(scope="read", url="/v1/graph/没有", status=404),
    ("GET", "/v1/lists/{name}"): Route(scope="read", url="/v1/lists/cases", status=200),
    ("POST", "/v1/match"): Route(scope="read", url="/v1/match", status=422, body={"text": " "}),
    ("POST", "/v1/score"): Route(scope="read", url="/v1/score", status=422, body={"pairs": []}),
    ("GET", "/v1/judgements"): Route(scope="judge", url="/v1/judgements", status=200),
    ("POST", "/v1/judgements"): Route(scope="judge", url="/v1/judgements", status=422, body={}),
    ("GET", "/v1/outcomes"): Route(scope="judge", url="/v1/outcomes", status=200),
    ("POST", "/v1/outcomes"): Route(scope="judge", url="/v1/outcomes", status=422, body={}),
    ("GET", "/v1/orders"): Route(scope="order", url="/v1/orders", status=200),
    ("POST", "/v1/orders"): Route(scope="order", url="/v1/orders", status=422, body={}),
    ("GET", "/v1/orders/{id}"): Route(scope="order", url="/v1/orders/没有", status=404),
    ("POST", "/v1/orders/{id}/moves"): Route(scope="order", url="/v1/orders/没有/moves", status=404, body={"move": "close"}),
    **{
        (method, f"/v1/tasks/{{id}}{path}"): Route(
            scope="write" if method == "POST" else "read", staff=True, status=404, body=body,
            url=f"/v1/tasks/没有{path.replace('{bid}', '没有')}",
        )
        for method, path, body in (
            ("GET", "/panel", None), ("POST", "/panel", {"seed": 1}),
            ("POST", "/panel/recusals", {"expert": "ZJ-1", "reason": "有合作"}), ("GET", "/review", None),
            ("POST", "/review", {}),
            ("POST", "/review/marks", {"marks": [{"expert": "ZJ-1", "bid": "x", "marks": {"技术": "1"}}]}),
            ("GET", "/review/ranking", None), ("GET", "/review/summary", None), ("GET", "/award/notice", None), ("GET", "/award", None), ("POST", "/award", {}),
            ("POST", "/award/moves", {"move": "publish"}), ("GET", "/award/reasons/{bid}", None),
        )
    },
    ("GET", "/v1/roadshows"): Route(scope="read", url="/v1/roadshows", status=200),
    ("POST", "/v1/roadshows"): Route(scope="write", url="/v1/roadshows", status=422, body={"theme": " "}),
    ("GET", "/v1/roadshows/{id}"): Route(scope="read", url="/v1/roadshows/没有", status=404),
    ("GET", "/v1/roadshows/{id}/conflicts"): Route(scope="read", url="/v1/roadshows/没有/conflicts", status=404),
    ("POST", "/v1/roadshows/{id}/moves"): Route(scope="write", url="/v1/roadshows/没有/moves", status=404, body={"move": "solve", "draft": 1}),
    ("GET", "/v1/released-roadshows"): Route(scope="read", url="/v1/released-roadshows", status=200),
    ("GET", "/v1/released-roadshows/{id}"): Route(scope="read", url="/v1/released-roadshows/没有", status=404),
    **{
        (method, f"/v1/roadshows/{{id}}{path}"): Route(
            scope="read" if method == "GET" else "write", status=404, body=body,
            url=f"/v1/roadshows/没有{path.replace('{solution}', '没有').replace('{paper}', 'agenda?format=svg')}",
        )
        for method, path, body in (
            ("GET", "/timetable", None), ("PUT", "/timetable", {"draft": 1}), ("GET", "/meetings", None),
            ("PUT", "/meetings", {"draft": 1}), ("POST", "/meetings/proposals", {"draft": 1}),
            ("POST", "/solutions", {"draft": 1, "what": "timetable"}), ("GET", "/solutions/{solution}", None),
            ("DELETE", "/solutions/{solution}", None), ("GET", "/papers/{paper}", None), ("GET", "/results", None),
            ("POST", "/results", {"draft": 1, "marks": [{"judge": "王评委", "pitch": "CG-1"}]}), ("GET", "/follow-up", None),
        )
    },
    ("POST", "/v1/roadshows/{id}/meetings/wishes"): Route(scope="write", url="/v1/roadshows/没有/meetings/wishes?draft=1", status=415),
    ("POST", "/v1/bulk"): Route(scope="write", url="/v1/bulk?kind=无此", status=422),
    ("GET", "/v1/jobs"): Route(scope="write", url="/v1/jobs", status=200),
    ("GET", "/v1/jobs/{id}"): Route(scope="write", url="/v1/jobs/没有", status=404),
    ("DELETE", "/v1/jobs/{id}"): Route(scope="write", url="/v1/jobs/没有", status=404),
    ("GET", "/v1/jobs/{id}/report"): Route(scope="write", url="/v1/jobs/没有/report", status=404),
    ("GET", "/v1/tasks"): Route(scope="read", url="/v1/tasks", status=200),
    ("POST", "/v1/tasks"): Route(scope="write", url="/v1/tasks", status=422, body={"没有这一项": 1}),
    ("POST", "/v1/tasks/check"): Route(scope="read", url="/v1/tasks/check", status=200, body={"title": "某榜"}),
    ("GET", "/v1/tasks/{id}"): Route(scope="read", url="/v1/tasks/没有", status=404),
    ("PATCH", "/v1/tasks/{id}"): Route(scope="write", url="/v1/tasks/没有", status=404, body={}),
    ("GET", "/v1/tasks/{id}/check"): Route(scope="read", url="/v1/tasks/没有/check", status=404),
    ("POST", "/v1/tasks/{id}/moves"): Route(scope="write", url="/v1/tasks/没有/moves", status=404, body={"move": "submit"}),
    ("GET", "/v1/tasks/{id}/invitations"): Route(scope="read", url="/v1/tasks/没有/invitations", status=404),
    ("POST", "/v1/tasks/{id}/invitations"): Route(scope="write", staff=True, url="/v1/tasks/没有/invitations", status=404, body={}),
    ("GET", "/v1/tasks/{id}/history"): Route(scope="read", url="/v1/tasks/没有/history", status=404),
    ("GET", "/v1/tasks/{id}/bids"): Route(scope="bid", url="/v1/tasks/没有/bids", status=404),
    ("POST", "/v1/tasks/{id}/bids"): Route(scope="bid", url="/v1/tasks/没有/bids", status=404, body=A_BID),
    ("POST", "/v1/tasks/{id}/bids/check"): Route(scope="bid", url="/v1/tasks/没有/bids/check", status=404, body=A_BID),
    ("POST", "/v1/tasks/{id}/bids/opening"): Route(scope="bid", staff=True, url="/v1/tasks/没有/bids/opening", status=404),
    ("GET", "/v1/tasks/{id}/bids/{bid}"): Route(scope="bid", url="/v1/tasks/没有/bids/没有", status=404),
    ("POST", "/v1/tasks/{id}/bids/{bid}/moves"): Route(scope="bid", url="/v1/tasks/没有/bids/没有/moves", status=404, body={"move": "withdraw"}),
    ("GET", "/v1/tasks/{id}/bids/{bid}/fit"): Route(scope="bid", url="/v1/tasks/没有/bids/没有/fit", status=404),
    ("GET", "/v1/tasks/{id}/race"): Route(scope="read", url="/v1/tasks/没有/race", status=404),
    ("POST", "/v1/tasks/{id}/race"): Route(scope="write", staff=True, url="/v1/tasks/没有/race", status=422, body={"gates": []}),
    ("POST", "/v1/tasks/{id}/race/gates"): Route(scope="write", staff=True, url="/v1/tasks/没有/race/gates", status=404, body={}),
    ("POST", "/v1/tasks/{id}/race/departures"): Route(scope="bid", url="/v1/tasks/没有/race/departures", status=404, body={"team": "0"}),
    ("GET", "/v1/assignments"): Route(scope="read", url="/v1/assignments", status=200),
    ("POST", "/v1/assignments"): Route(scope="read", url="/v1/assignments", status=404, body={"scenes": ["没有"]}),
    ("GET", "/v1/assignments/{id}"): Route(scope="read", url="/v1/assignments/没有", status=404),
    ("DELETE", "/v1/assignments/{id}"): Route(scope="read", url="/v1/assignments/没有", status=404),
    ("GET", "/v1/assignments/{id}/difference"): Route(scope="read", url="/v1/assignments/没有/difference?against=0", status=404),
    ("GET", "/v1/webhooks"): Route(scope="read", url="/v1/webhooks", status=200),
    ("POST", "/v1/webhooks"): Route(scope="read", url="/v1/webhooks", status=422, body={}),
    ("GET", "/v1/webhooks/{id}"): Route(scope="read", url="/v1/webhooks/没有", status=404),
    ("DELETE", "/v1/webhooks/{id}"): Route(scope="read", url="/v1/webhooks/没有", status=404),
    ("POST", "/v1/webhooks/{id}/moves"): Route(scope="read", url="/v1/webhooks/没有/moves", status=404, body={"move": "pause"}),
    ("POST", "/v1/webhooks/{id}/ping"): Route(scope="read", url="/v1/webhooks/没有/ping", status=404),
    ("POST", "/v1/webhooks/{id}/replay"): Route(scope="read", url="/v1/webhooks/没有/replay", status=404, body={"ids": ["0"]}),
    ("GET", "/v1/webhooks/{id}/deliveries"): Route(scope="read", url="/v1/webhooks/没有/deliveries", status=404),
    **{key: route for plural in PLURALS.values() for key, route in _routes_of(plural).items()},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _bigrams() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        yield


# Two worlds: the same to whoever may not see ``hidden``, which only the second one has.

WHEN = Span(start=datetime(2026, 12, 5, 9), end=datetime(2026, 12, 5, 10))
TIMETABLE = Kept(
    programme=Programme(
        title="", format=Format(pitch=8, questions=7),
        sessions=(Session(id="上午场", title="上午场", room="一号厅", span=WHEN, judges=("王评委",)),), pitches=(),
        judges=(Judge(id="王评委", name="王评委"),),
    ),
    places={"CG-1": ("上午场", 1), "CG-4": ("上午场", 2)},
)  # fmt: skip
MEETINGS = KeptMeetings(
    day=MeetingDay(
        title="洽谈", guests=(Party(id="CJ-1", name="甲"),), teams=(Party(id="CG-1", name="乙"),),
        wishes=(Wish(guest="CJ-1", team="CG-1", by="guest", want="must"),), rounds=(WHEN,), tables=1,
    ),
    meetings=(Meeting(round=1, table=1, guest="CJ-1", team="CG-1"),),
)  # fmt: skip
PARTNER_COLUMNS = {"source": "内部普查", "inventors": "程屿舟、舒曼", "price": "777"}
STAFF_COLUMNS = {"contact": "陈工", "contact_phone": "0756-5559999"}


def a_node(kind: str, id: str, **values: Any) -> Node:
    return KINDS[kind](**{"id": id, "title": "某某", "field": "低空经济", "district": "香洲区"} | values)


def an_edge(source: str, relation: str, target: str) -> Edge:
    (source_kind, source_id), (target_kind, target_id) = source.split(" "), target.split(" ")
    return Edge(
        source_kind=source_kind, source_id=source_id, relation=relation, target_kind=target_kind, target_id=target_id,
        note="内部商定",
    )  # fmt: skip


def hidden_nodes(level: Visibility, mark: str) -> list[Node]:
    """Records of every kind that meet visible ones in words, names, fields and references."""
    common = {"visibility": level}
    return [
        a_node("scene", f"{mark}-1", title="海岛无人机送药", summary="向外岛卫生院送急救药品", owner="云岬航空科技有限公司", **common),
        a_node("achievement", f"{mark}-1", title="抗七级风垂直起降固定翼无人机", indicators="抗风等级9级", maturity="TRL9", **common),
        a_node("enterprise", f"{mark}-1", title="粤海湾理工大学", products="病区送药机器人", **common),
        a_node("enterprise", f"{mark}-2", title="澜川海岛发展有限公司", capabilities="海岛补给", **common),
        a_node("institution", f"{mark}-1", title="凤屿人民医院", **common),
        a_node("broker", f"{mark}-1", organisation="云岬航空科技有限公司", scenes="海岛物流", deals=50, **common),
        a_node("case", f"{mark}-1", scene_id="CJ-1", achievement_id="CG-1", **common),
        a_node("case", f"{mark}-2", scene_id="CJ-3", achievement_id=f"{mark}-1", **common),
        a_node("platform", f"{mark}-1", **common), a_node("expert", f"{mark}-1", **common), a_node("zone", f"{mark}-1", **common),
    ]  # fmt: skip


def hidden_edges(mark: str) -> list[Edge]:
    return [
        an_edge(f"broker {mark}-1", "serves", "scene CJ-1"),
        an_edge(f"broker {mark}-1", "brokered", f"case {mark}-1"),
        an_edge("broker JJ-1", "brokered", f"case {mark}-1"),
        an_edge(f"enterprise {mark}-1", "employs", "broker JJ-1"),
        an_edge(f"enterprise {mark}-1", "posts", "scene CJ-1"),
        an_edge(f"enterprise {mark}-1", "owns", "achievement CG-1"),
        an_edge(f"expert {mark}-1", "invented", "achievement CG-1"),
        an_edge(f"zone {mark}-1", "hosts", "scene CJ-3"),
    ]


def a_case_file(id: str, **values: Any) -> CaseFile:
    return new_case(id, at=START, editor="程某", title="海岛无人机送药", **values)


def build(store: Store, hidden: tuple[Visibility, ...]) -> None:
    """The world, step by step at the same times; with what is hidden of the levels in ``hidden`` between the steps."""
    at = START

    def step(*changes: Change | Node | Edge, actor: str = "程某", counts: bool = True) -> None:
        nonlocal at
        at += timedelta(minutes=counts)
        made = [
            PutNode(node=one)
            if isinstance(one, Node)
            else PutEdge(edge=one)
            if isinstance(one, Edge)
            else one
            for one in changes
        ]
        store.apply(made, actor=actor, at=at, reason="内部原因")

    def columns(kind: str) -> dict[str, Any]:
        """Columns of a record that the audience may not see."""
        found: dict[str, Any] = {}
        if "staff" in hidden:
            found |= STAFF_COLUMNS | {"field_visibility": {"keywords": "staff"}, "keywords": "内部词"}
        if "partner" in hidden:
            found |= {k: v for k, v in PARTNER_COLUMNS.items() if k in KINDS[kind].model_fields}
        return found

    scene = a_node("scene", "CJ-8", title="水面漂浮物识别", owner="甲公司", **columns("scene"))
    case = a_node("case", "AL-1", scene_id="CJ-1", achievement_id="CG-1", **columns("case"))
    for level in hidden:
        mark = f"HX{level}"
        step(*hidden_nodes(level, mark), *hidden_edges(mark), counts=False)
        # Hidden at first, and opened only then.
        step(scene.model_copy(update={"visibility": level, "title": "另一个名称"}), counts=False)
        referring = {"scene_id": f"{mark}-1", "achievement_id": f"{mark}-1"}
        step(case.model_copy(update={"visibility": level, **referring}), counts=False)
    step(scene, case, a_node("institution", "JG-1", title="桂屿研究院", **columns("institution")))
    for level in hidden:
        step(a_node("case", "AL-2", scene_id=f"HX{level}-1", visibility=level), counts=False)
    step(
        a_node(
            "case", "AL-2", scene_id=f"HX{hidden[-1]}-1" if hidden else "", effect="有成效", **columns("case")
        )
    )
    step(scene.model_copy(update={"title": "水面漂浮物的识别"}))
    if "staff" in hidden:
        step(scene.model_copy(update={"title": "水面漂浮物的识别", "contact": "换了人"}), counts=False)
    if hidden:
        draft = a_case_file("AL-3", scene_id="CJ-1", achievement_id="CG-1", effect="有成效")
        step(PutProcess(process=draft), counts=False)
    own = a_node("scene", "hengqin:CJ-9", title="口岸送药", summary="跨境送药", contact="王工", budget="50")
    step(
        own,
        a_node("achievement", "nansha:CG-9", title="送药无人艇", **columns("achievement")),
        actor="hengqin:试",
    )
    pair = {"scene": "CJ-1", "achievement": "CG-1"}
    said: list[Change] = []
    for by in ("hengqin:王某", *(("李明", "nansha:王某") if hidden else ())):
        said.append(PutFeedback(record=Judgement(judge=by, level=3, at=START, **pair)))
        said.append(PutFeedback(record=Outcome(by=by, stage="landed", at=START, **pair)))
    step(*said)
    for partner in ("hengqin", *(("nansha", "city") if hidden else ())):
        order = opened(
            Order, order_rules(), id=f"DD-{partner}", at=START, partner=partner, need="求购", scene="CJ-1", contact="王工"
        )  # fmt: skip
        hook = opened(
            Webhook, WEBHOOK_RULES, id=f"HD-{partner}", at=START, partner=partner, url="http://127.0.0.1:1/",
            events=EVENTS, audience="public", key_id="000000000000",
        )  # fmt: skip
        # On stage is also who has been hidden since.
        stage = tuple(Pitch(achievement=id, title="曾经的名称") for id in ("CG-1", "CG-4"))
        roadshow = new_roadshow(
            f"LY-{partner}", at=START, partner=partner, theme="海岛无人机送药", about=(("scene", "CJ-1"),), stage=stage,
            audience=hidden[0] if partner == "city" else "public", numbers={"pitches": 2, "fit": 1},
            timetable=TIMETABLE.values, meetings=MEETINGS.values,
        )  # fmt: skip
        version = Version(number=1, at=START, by="程某", stage=stage, timetable=TIMETABLE.values)
        roadshow = roadshow.model_copy(update={"versions": (version,)})
        step(*(PutProcess(process=one) for one in (order, hook, roadshow)), counts=partner == "hengqin")
        if partner == "hengqin":
            # What the city has released for all, and its later draft, which is nobody else's.
            released = roadshow.model_copy(update={"id": "LY-open", "partner": "", "state": "released"})
            step(PutProcess(process=released))
            later = {"state": "draft", "draft": 9, "stage": stage[:1], "timetable": None}
            for _ in hidden:
                step(PutProcess(process=released.model_copy(update=later)), counts=False)
        # A task of each partner that was posted, one that was not, and what hangs on them.
        for state in ("registered", "published"):
            if partner != "hengqin" and state == "published":
                continue
            task = opened(
                Task, task_rules(), id=f"BD-{partner}-{state}", at=START, partner=partner, title="海岛送药", problem="抗风不足",
                about=(("scene", "CJ-1"),),
            )  # fmt: skip
            if state == "published":
                task = task.model_copy(
                    update={"state": state, "published_at": START, "deadline": NOW + timedelta(days=30)}
                )
            step(PutProcess(process=task), counts=partner == "hengqin")
        store.jobs.add(
            id=f"FP-{partner}", kind="assignment", partner=partner, actor="试", at=NOW,
            attributes={"asked": {}, "audience": "public", "today": "2026-01-01"},
        )  # fmt: skip
        store.jobs.cancel(f"FP-{partner}", NOW)
        asked = {"kind": None, "partial": False, "dry_run": True, "suffix": ".csv", "audience": "public"}
        store.jobs.add(id=f"RW-{partner}", kind="bulk", partner=partner, actor="试", at=NOW, attributes=asked)
        store.jobs.cancel(f"RW-{partner}", NOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worlds:
    """The same caller in the world without what is hidden from it and in the one with it."""

    pair: tuple[Portal, Portal]
    # The store with what is hidden.
    store: Store


HIDDEN: Mapping[str, tuple[Visibility, ...]] = {"partner": ("staff",), "public": ("staff", "partner")}


@pytest.fixture(scope="module", params=["partner", "public"])
def worlds(
    request: pytest.FixtureRequest, _indexed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worlds]:
    """Two running worlds and a caller of an audience, whose key is the same in both."""
    folder = tmp_path_factory.mktemp("worlds")
    base = folder / "base"
    shutil.copytree(_indexed, base)
    with Home(path=base).open_store(create=False) as store:
        store.secret()
        store.outbox.unread(0)
        key, token = create_key(
            store, partner="hengqin", name="试", scopes=["read", "write", "order", "judge", "bid"], audience=request.param,
            lasts=None, per_minute=100_000, actor="程某", at=START,
        )  # fmt: skip
    with ExitStack() as stack:
        served = []
        for name, levels in (("without", ()), ("with", HIDDEN[request.param])):
            shutil.copytree(base, folder / name)
            with Home(path=folder / name).open_store(create=False) as store:
                build(store, levels)
            served.append(stack.enter_context(serving(folder / name)))
        without, with_hidden = (Portal(one.client, token, key.id) for one in served)
        for portal in (without, with_hidden):
            # Answered when the index is open, and both say then that they are ready.
            assert portal.get("/v1/scenes/CJ-1/matches").status_code == 200
        yield Worlds(pair=(without, with_hidden), store=served[1].store)


@pytest.fixture
def pair(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> tuple[Portal, Portal]:
    """The caller in both worlds, in which time stands still."""
    for module in ("nodes", "feedback", "orders", "tasks", "bids", "roadshows", "roadshow_plans"):
        monkeypatch.setattr(f"api.routes.{module}.now", lambda: NOW)
    return worlds.pair


MARKS = ["HXstaff-1", "HXpartner-1", "HXstaff-2"]
IDS = {
    "scene": ["CJ-1", "CJ-3", "CJ-8", "CJ-2", "hengqin:CJ-9", "没有", *MARKS[:2]],
    "achievement": ["CG-1", "CG-2", "CG-3", "CG-4", "nansha:CG-9", "没有", *MARKS[:2]],
    "enterprise": ["QY-1", "QY-2", *MARKS],
    "institution": ["JG-1", *MARKS[:2]],
    "broker": ["JJ-1", "JJ-2", *MARKS[:2]],
    "case": ["AL-1", "AL-2", "AL-3", *MARKS],
}
QUERIES: Mapping[str, list[str]] = {
    "/v1/scenes/{id}/matches": ["", "?detail=full&top=3", "?field=低空经济&min_trl=6"],
    "/v1/achievements/{id}/matches": ["?detail=full"],
    "/v1/scenes/{id}/enterprises": ["?detail=full"],
    "/v1/scenes/{id}/cases": ["", "?top=50"],
    "/v1/graph/{id}": ["?depth=3", "?depth=3&limit=5", "?kind=platform"],
    "/v1/lists/{name}": ["", "?format=csv", "?format=xlsx"],
    "/v1/judgements": ["", "?scene=CJ-1", "?scene=HXstaff-1"],
    "/v1/outcomes": ["", "?scene=CJ-1"],
    "/v1/roadshows/{id}/papers/{paper}": ["?format=svg", "?format=html"],
    "/v1/roadshows/{id}": ["", "?version=1", "?version=2"],
    "/v1/orders": ["", "?late=true", "?state=placed"],
    "/v1/tasks": ["", "?own=true", "?state=registered", "?format=csv", "?format=xlsx"],
    "/v1/tasks/{id}/invitations": ["", "?top=1"],
    "/v1/assignments/{id}/difference": ["?against=FP-nansha"],
    **{f"/v1/{plural}": ["", "?own=true", "?field=低空经济", "?fields=title,contact"] for plural in PLURALS.values()},
}  # fmt: skip


def addresses(path: str) -> list[str]:
    """Requests to a path template: of what is there to see, of what is hidden, of what never was."""
    if "{scene}" in path:
        both = product(IDS["scene"][:6], IDS["achievement"][:6])
        plain = [path.replace("{scene}", quote(s)).replace("{achievement}", quote(a)) for s, a in both]
    elif "{name}" in path:
        plain = [path.replace("{name}", name) for name in ("opportunities", "capabilities", "cases")]
    elif "{id}" in path:
        kind = next((kind for kind, plural in PLURALS.items() if path.startswith(f"/v1/{plural}/")), None)
        every = [id for ids in IDS.values() for id in ids]
        others = [
            f"{prefix}-{partner}"
            for prefix in ("DD", "RW", "HD", "FP", "LY")
            for partner in ("hengqin", "nansha", "city", "open")
        ]
        tasks = [
            f"BD-{partner}-{state}"
            for partner in ("hengqin", "nansha")
            for state in ("registered", "published")
        ]
        others = tasks if path.startswith("/v1/tasks") else others
        wanted = IDS[kind] if kind else every if "graph" in path else others
        plain = [
            path.replace("{id}", quote(id, safe=""))
            .replace("{bid}", "没有")
            .replace("{solution}", "没有")
            .replace("{paper}", "agenda")
            for id in dict.fromkeys(wanted)
        ]
    else:
        plain = [path]
    return [address + query for address in plain for query in QUERIES.get(path, [""])]


def told(response: Any) -> tuple[Any, ...]:
    """All of a response but for dates and what counts the key's own requests."""
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in ("date",) and not name.startswith("ratelimit")
    }
    return response.status_code, headers, response.content


NAMED = {"X-Request-Id": "t"}


def both(pair: tuple[Portal, Portal], method: str, path: str, **options: Any) -> list[Any]:
    """The two responses to one request."""
    headers = {**NAMED, **options.pop("headers", {})}
    return [portal(method, path, headers=headers, **options) for portal in pair]


NOTHING_THERE = {
    "/v1/jobs/{id}/report", "/v1/tasks/{id}/bids/{bid}", "/v1/tasks/{id}/bids/{bid}/fit", "/v1/tasks/{id}/race",
    "/v1/assignments/{id}/difference", "/v1/roadshows/{id}/solutions/{solution}", "/v1/roadshows/{id}/follow-up",
}  # fmt: skip
GETS = sorted(path for (method, path), route in ROUTES.items() if method == "GET" and not route.staff)


@pytest.mark.parametrize("path", GETS)
def test_no_answer_to_a_reader_depends_on_what_is_hidden(pair: tuple[Portal, Portal], path: str) -> None:
    statuses = set()
    for address in addresses(path):
        without, with_hidden = both(pair, "GET", address, follow_redirects=False)
        assert told(without) == told(with_hidden), address
        statuses.add(without.status_code)
    # Something was there to be seen in both; only unknown reports are not.
    assert min(statuses) in (200, 307) or path in NOTHING_THERE


def test_hidden_and_never_there_are_the_same_404(pair: tuple[Portal, Portal]) -> None:
    _, portal = pair
    for kind, plural in PLURALS.items():
        for rest in ("", "/history"):
            answers = [
                portal.get(f"/v1/{plural}/{id}{rest}", headers=NAMED) for id in ("HXstaff-1", "XXstaff-1")
            ]
            hidden, never = (told(answer) for answer in answers)
            assert (hidden[0], problem(answers[0])["code"]) == (404, "not_found"), kind
            assert hidden[2].replace(b"HXstaff", b"XXstaff") == never[2]
            assert hidden[1] == never[1]


@pytest.mark.parametrize(
    "path", [f"/v1/{plural}" for plural in PLURALS.values()] + ["/v1/lists/capabilities"]
)
def test_pages_are_the_same_whatever_is_hidden_between(pair: tuple[Portal, Portal], path: str) -> None:
    pages: list[list[Any]] = []
    for portal in pair:
        pages.append([])
        cursor: str | None = ""
        while cursor is not None:
            page = portal.get(path, params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
            pages[-1].append(page)
            cursor = page["next"]
    assert pages[0] == pages[1]
    ids = [item["id"] for page in pages[0] for item in page["items"]]
    assert len(ids) == len(set(ids)) == len(pages[0])


@pytest.mark.parametrize(
    "body",
    [
        {"text": "海岛无人机送药，抗风7级以上", "detail": "full"},
        {
            "scene": {"title": "海岛送药", "owner": "粤海湾理工大学", "field": "低空经济"},
            "detail": "full",
            "top": 3,
        },
        {"achievement": {"title": "无人机", "indicators": "抗风等级9级"}, "detail": "full"},
    ],
)
def test_matches_of_what_is_just_written_do_not_depend_on_what_is_hidden(
    pair: tuple[Portal, Portal], body: dict[str, Any]
) -> None:
    without, with_hidden = both(pair, "POST", "/v1/match", json=body)
    assert told(without) == told(with_hidden)
    assert without.json()["items"]


def test_cases_like_a_text_do_not_depend_on_what_is_hidden(pair: tuple[Portal, Portal]) -> None:
    without, with_hidden = both(
        pair, "POST", "/v1/similar-cases", json={"text": "某某 海岛无人机送药", "top": 50}
    )
    assert told(without) == told(with_hidden)
    assert without.json()["items"]


def test_scores_do_not_depend_on_what_is_hidden(pair: tuple[Portal, Portal]) -> None:
    asked = [{"scene": s, "achievement": a} for s, a in product(IDS["scene"], IDS["achievement"])]
    without, with_hidden = both(pair, "POST", "/v1/score", json={"pairs": asked})
    assert told(without) == told(with_hidden)
    scored = {(one["scene"], one["achievement"]): one["score"] for one in without.json()["items"]}
    assert scored["CJ-1", "CG-1"] is not None
    assert {scored["HXstaff-1", "CG-1"], scored["CJ-1", "HXstaff-1"], scored["CJ-1", "CG-4"]} == {None}


TITLED = {"title": "海岛无人机送药"}
PAIR = {"scene": "HXstaff-1", "achievement": "CG-1"}
WRITES: list[tuple[str, str, Any, int]] = [
    ("PUT", "/v1/scenes/HXstaff-1", TITLED, 404),
    ("PATCH", "/v1/scenes/HXstaff-1", TITLED, 404),
    ("DELETE", "/v1/scenes/HXstaff-1", None, 404),
    ("PUT", "/v1/scenes/CJ-2", TITLED, 404),
    ("PUT", "/v1/scenes/CJ-1", TITLED, 403),
    ("DELETE", "/v1/enterprises/HXstaff-2", None, 404),
    ("POST", "/v1/scenes", {"id": "HXstaff-1", **TITLED}, 201),
    ("POST", "/v1/scenes", {"id": "HXstaff-1", **TITLED, "summary": "另一个"}, 409),
    ("POST", "/v1/scenes", {"id": "CJ-2", **TITLED}, 201),
    ("POST", "/v1/scenes", {**TITLED, "owner": "云岬航空科技有限公司"}, 201),
    ("POST", "/v1/cases", {"id": "AL-9", "title": "某案", "scene_id": "HXstaff-1"}, 201),
    ("DELETE", "/v1/scenes/hengqin%3AHXstaff-1", None, 204),
    ("POST", "/v1/judgements", {**PAIR, "level": 4, "judge": "王某"}, 404),
    ("POST", "/v1/judgements", {"scene": "CJ-1", "achievement": "CG-1", "level": 4, "judge": "李明"}, 201),
    ("POST", "/v1/judgements", {"scene": "CJ-1", "achievement": "CG-2", "level": 4, "judge": "nansha:王某"}, 201),
    ("POST", "/v1/outcomes", {**PAIR, "stage": "met", "by": "王某"}, 404),
    ("POST", "/v1/outcomes", {"scene": "CJ-1", "achievement": "CG-1", "stage": "landed", "by": "王某"}, 201),
    ("POST", "/v1/orders", {"need": "求购", "scene": "HXstaff-1"}, 404),
    ("POST", "/v1/orders", {"need": "求购", "scene": "CJ-1"}, 201),
    ("POST", "/v1/orders/DD-nansha/moves", {"move": "withdraw"}, 404),
    ("POST", "/v1/tasks", {"scene": "HXstaff-1"}, 404),
    ("POST", "/v1/tasks", {"scene": "CJ-1"}, 201),
    ("POST", "/v1/tasks/BD-nansha-registered/moves", {"move": "cancel"}, 404),
    ("PATCH", "/v1/tasks/BD-nansha-registered", {"title": "甲"}, 404),
    ("POST", "/v1/tasks/BD-nansha-registered/bids/check", A_BID, 404),
    ("POST", "/v1/assignments", {"scenes": ["HXstaff-1"]}, 404),
    ("DELETE", "/v1/assignments/FP-nansha", None, 404),
    ("POST", "/v1/roadshows", {"scenes": ["HXstaff-1"]}, 404),
    ("POST", "/v1/roadshows", {"theme": "海岛送药", "must": ["HXstaff-1"]}, 404),
    ("POST", "/v1/roadshows", {"theme": "海岛无人机送药", "pitches": 2, "rules": {"fit": 1}}, 201),
    ("POST", "/v1/roadshows", {"scenes": ["CJ-1", "CJ-3"], "pitches": 2, "rules": {"fit": 1, "coverage": 0}}, 201),
    ("POST", "/v1/roadshows/LY-hengqin/moves", {"move": "add", "draft": 0, "ids": ["HXstaff-1"]}, 404),
    ("POST", "/v1/roadshows/LY-hengqin/moves", {"move": "solve", "draft": 0}, 200),
    ("POST", "/v1/roadshows/LY-nansha/moves", {"move": "solve", "draft": 0}, 404),
    ("PUT", "/v1/roadshows/LY-open/timetable", {"draft": 0}, 404),
    ("PUT", "/v1/roadshows/LY-hengqin/timetable", {"draft": 1, "seed": 3}, 200),
    ("PUT", "/v1/roadshows/LY-hengqin/meetings", {"draft": 2, "tables": 2}, 200),
    ("POST", "/v1/roadshows/LY-hengqin/meetings/proposals", {"draft": 3, "level": 1}, 200),
    ("POST", "/v1/roadshows", {"task": "BD-hengqin-published"}, 403),
    ("DELETE", "/v1/jobs/RW-nansha", None, 404),
    ("DELETE", "/v1/webhooks/HD-nansha", None, 404),
    ("POST", "/v1/webhooks/HD-city/moves", {"move": "rotate"}, 404),
    ("POST", "/v1/webhooks/HD-nansha/replay", {"since": "2020-01-01T00:00:00Z"}, 404),
]  # fmt: skip


def test_writing_meets_nothing_hidden(pair: tuple[Portal, Portal]) -> None:
    for number, (method, path, body, status) in enumerate(WRITES):
        headers = {"If-Match": "*", "Idempotency-Key": f"第{number}".encode().hex()}
        answers = both(pair, method, path, json=body, headers=headers)
        without, with_hidden = map(told, answers)
        assert (without, without[0]) == (with_hidden, status), (method, path)
    for address in (
        "/v1/scenes",
        "/v1/cases",
        "/v1/judgements",
        "/v1/outcomes",
        "/v1/orders",
        "/v1/roadshows",
    ):
        left, right = map(told, both(pair, "GET", address))
        assert left == right


def test_nothing_hidden_was_changed_by_who_cannot_see_it(worlds: Worlds) -> None:
    store = worlds.store
    assert {node.id: node.title for node in store.get_many("scene", ["HXstaff-1", "CJ-2"]).values()} == {
        "HXstaff-1": "海岛无人机送药",
        "CJ-2": "院内药品配送机器人",
    }
    by = {(one.judge, one.level) for one in store.judgements("CJ-1") if one.achievement == "CG-1"}
    assert {("李明", 3), ("nansha:王某", 3)} <= by


@pytest.mark.parametrize("audience", ["public", "partner"])
def test_events_of_webhooks_do_not_depend_on_what_is_hidden(tmp_path: Path, audience: Visibility) -> None:
    hook = opened(
        Webhook, WEBHOOK_RULES, id="HD-1", at=START, partner="hengqin", url="http://127.0.0.1:1/", events=EVENTS,
        audience=audience,
    )  # fmt: skip
    found = []
    for number, levels in enumerate([(), HIDDEN[audience]]):
        with open_store(tmp_path / f"{number}.db") as store:
            known = [a_node("scene", id) for id in ("CJ-1", "CJ-3")] + [
                a_node("achievement", "CG-1"), a_node("broker", "JJ-1"),
            ]  # fmt: skip
            store.apply([PutNode(node=node) for node in known], actor="程某", at=START, reason="")
            build(store, levels)
            with store._database.reading() as connection:
                entries = entries_since(connection, 0, 10_000)
            told = [one for entry in entries if (one := event_of(store, hook, entry))]
            # Within a batch what is new comes before what has changed.
            found.append(sorted(told, key=lambda one: (json.loads(one[1])["seq_at"], one[1])))
    assert found[0] == found[1]
    events = [event for event, _ in found[0]]
    assert events.count("scene.changed") == 1, "a change of hidden columns is no event"
    assert {"scene.created", "case.created", "order.placed"} <= set(events)


# Keys and routes.


@pytest.fixture(scope="module")
def app(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application for questions of keys: nothing is changed in it."""
    home = tmp_path_factory.mktemp("routes") / "home"
    shutil.copytree(_indexed, home)
    with serving(home, strangers_per_minute=1_000_000) as served:
        served.portal().get("/v1/scenes/CJ-1/matches")  # the index is open: readyz says so
        yield served


def test_every_route_stands_in_the_table_with_the_scope_it_asks_for(app: Served) -> None:
    declared = {}
    for route in api_routes(app.app):
        asked = [one.call for one in route.dependant.dependencies if isinstance(one.call, Needs)]
        for method in route.methods or ():
            declared[method, route.path] = [(needs.scopes, needs.staff) for needs in asked]
    assert declared == {
        key: [((route.scope,), route.staff)] if route.scope else [] for key, route in ROUTES.items()
    }


def asked_all(portal: Portal) -> dict[tuple[str, str], tuple[int, str]]:
    """Status and problem code of every route's request."""
    found = {}
    for (method, path), route in ROUTES.items():
        answer = portal(method, route.url, json=route.body, follow_redirects=False)
        document = problem(answer) if answer.status_code >= 400 else {"code": ""}
        found[method, path] = (answer.status_code, document["code"])
    return found


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_the_routes_of_its_scope_and_no_others(
    app: Served, scope: Scope, audience: Visibility
) -> None:
    found = asked_all(app.portal(scopes=(scope,), audience=audience))
    for key, route in ROUTES.items():
        status, code = found[key]
        if route.scope not in (None, scope) and scope != "admin":
            assert (status, code) == (403, "scope_missing"), key
        elif route.staff and audience != "staff":
            assert (status, code) == (403, "staff_only"), key
        else:
            assert status == route.status, key


def _expired(app: Served) -> Portal:
    return app.portal(lasts=timedelta(seconds=-1), audience="staff")


def _revoked(app: Served) -> Portal:
    portal = app.portal(audience="staff")
    revoke_key(app.store, portal.key_id, actor="程某", at=datetime.now(UTC), reason="遗失")
    return portal


def _other_secret(app: Served) -> Portal:
    portal = app.portal(audience="staff")
    return Portal(app.client, portal.token[:-1] + ("A" if portal.token[-1] != "A" else "B"), portal.key_id)


@pytest.mark.parametrize(
    "closed",
    [_expired, _revoked, _other_secret, lambda app: Portal(app.client, "", "")],
    ids=["expired", "revoked", "wrong", "none"],
)
def test_a_key_that_does_not_open_opens_only_what_is_open_to_all(
    app: Served, closed: Callable[[Served], Portal]
) -> None:
    found = asked_all(closed(app))
    assert found == {
        key: (401, "key_missing") if route.scope else (route.status, "") for key, route in ROUTES.items()
    }
