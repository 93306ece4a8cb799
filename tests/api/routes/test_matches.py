"""Matching over HTTP: what it gives is what an engine over the world, as the caller may see it, gives."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.breakdown import breakdown
from api.routes.paths import today
from graph.kinds import Achievement, Broker, Node, Scene
from graph.values import Visibility
from matcher.brokers import rank_brokers
from matcher.engine import UNSAVED, Engine, written_scene
from matcher.filters import Filters
from matcher.ranker import LEVELS
from tests.api.conftest import Portal, Served, problem
from tests.api.listening import lasting
from tests.api.world import BigramEncoder

KEPT = ("rank", "kind", "id", "title", "score", "level", "level_label", "probabilities", "reason", "parts", "cautions", "missing")  # fmt: skip
SCENE = {
    "title": "外岛血样无人机运送", "field": ["低空经济"], "district": "万山区", "indicators": "抗风等级≥7级；航程≥40km",
}  # fmt: skip
OFFER = {
    "title": "鱼苗光学计数仪",
    "summary": "放苗时逐尾计数",
    "indicators": "计数准确率98%",
    "maturity": "TRL7",
}
IDS = ["CJ-1", "CJ-2", "CJ-3", "CG-1", "CG-2", "CG-3", "CG-4", "QY-1", "无", "CJ-1 "]


@dataclass(frozen=True, kw_only=True)
class Asker:
    """A portal, and an engine that knows what it may know."""

    portal: Portal
    engine: Engine

    def items(self, path: str, body: Any = None) -> list[Mapping[str, Any]]:
        """The ranked items of an answer, without what only lists show."""
        response = self.portal.get(path) if body is None else self.portal.post(path, body)
        assert response.status_code == 200, response.text
        found: list[Mapping[str, Any]] = response.json()["items"]
        return [{name: value for name, value in one.items() if name != "about"} for one in found]

    def ranked(
        self, node: Node, kind: str, top: int = 20, *, full: bool = False, filters: Filters | None = None
    ) -> list[Mapping[str, Any]]:
        """What the engine gives, as it goes over the wire."""
        matches = self.engine.match(node, top=top, today=today(), kind=kind, filters=filters)
        whys = self.engine.explain(node, matches)
        told = [breakdown(*pair) for pair in zip(matches, whys, strict=True)]
        plain = told if full else [{name: one[name] for name in KEPT} for one in told]
        found: list[Mapping[str, Any]] = json.loads(json.dumps(plain))
        return found

    def node(self, kind: str, id: str) -> Any:
        """A record as the asker may see it."""
        return self.engine.store.get(kind, id)


@pytest.fixture(scope="module")
def world(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with lasting(_indexed, tmp_path_factory.mktemp("matches")) as served:
        yield served


@pytest.fixture(scope="module", params=["public", "partner", "staff"])
def asker(world: Served, request: pytest.FixtureRequest) -> Asker:
    audience: Visibility = request.param
    engine = Engine(world.settings.home, world.store, BigramEncoder(), audience=audience)
    engine.load()
    return Asker(portal=world.portal(f"of-{audience}", audience=audience), engine=engine)


@pytest.mark.parametrize(
    ("path", "kind", "id", "wanted"),
    [
        ("/v1/scenes/CJ-1/matches", "scene", "CJ-1", "achievement"),
        ("/v1/scenes/CJ-3/matches", "scene", "CJ-3", "achievement"),
        ("/v1/achievements/CG-1/matches", "achievement", "CG-1", "scene"),
        ("/v1/scenes/CJ-1/enterprises", "scene", "CJ-1", "enterprise"),
    ],
)
def test_list_is_the_engine_s_in_order_scores_and_parts(
    asker: Asker, path: str, kind: str, id: str, wanted: str
) -> None:
    node = asker.node(kind, id)
    assert asker.items(path) == asker.ranked(node, wanted)
    assert asker.items(f"{path}?top=1&detail=full") == asker.ranked(node, wanted, 1, full=True)
    assert asker.items(path)


@pytest.mark.parametrize(
    ("asked", "filters"),
    [
        ("field=低空经济", Filters(fields=("低空经济",))),
        ("field=低空经济&field=海洋经济", Filters(fields=("低空经济", "海洋经济"))),
        ("district=香洲", Filters(districts=("香洲区",))),
        ("min_trl=8", Filters(min_trl=8)),
        ("ip_status=已授权", Filters(ip_statuses=("已授权",))),
    ],
)
def test_filter_lets_through_what_the_engine_s_does(asker: Asker, asked: str, filters: Filters) -> None:
    found = asker.items(f"/v1/scenes/CJ-1/matches?{asked}")
    assert found == asker.ranked(asker.node("scene", "CJ-1"), "achievement", filters=filters)
    assert 0 < len(found) < len(asker.items("/v1/scenes/CJ-1/matches"))


def test_open_only_leaves_scenes_past_their_day_out(world: Served) -> None:
    staff = world.portal("city", audience="staff")
    found = [
        {one["id"] for one in staff.get(f"/v1/achievements/CG-2/matches?open_only={asked}").json()["items"]}
        for asked in ("true", "false")
    ]
    assert found == [{"CJ-1", "CJ-3"}, {"CJ-1", "CJ-2", "CJ-3"}]


def test_unsaved_record_is_matched_as_the_engine_matches_it(asker: Asker) -> None:
    scene = Scene.model_validate({**SCENE, "id": UNSAVED})
    offer = Achievement.model_validate({**OFFER, "id": UNSAVED})
    assert asker.items("/v1/match", {"scene": SCENE, "detail": "full"}) == asker.ranked(
        scene, "achievement", full=True
    )
    assert asker.items("/v1/match", {"achievement": OFFER, "top": 2}) == asker.ranked(offer, "scene", 2)


@pytest.mark.parametrize(
    "text", ["海岛无人机送药，抗风7级以上", "放苗时数鱼。" + "要求计数准确率95%以上。" * 8]
)
def test_text_is_matched_as_the_engine_matches_it(asker: Asker, text: str) -> None:
    assert asker.items("/v1/match", {"text": text}) == asker.ranked(written_scene(text), "achievement")


def test_what_is_matched_unsaved_leaves_nothing_behind(world: Served, asker: Asker) -> None:
    before = world.store.revision()
    answer = asker.portal.post("/v1/match", {"scene": {**SCENE, "id": "CJ-1"}}).json()
    assert answer["subject"] == {"kind": "scene", "id": None, "title": SCENE["title"]}
    assert world.store.revision() == before


def test_pair_is_the_engine_s_breakdown(asker: Asker) -> None:
    scene = asker.node("scene", "CJ-1")
    scored = asker.engine.ranking.score(scene, "achievement", ["CG-1"], today=today())["CG-1"]
    told = breakdown(scored, asker.engine.explain(scene, [scored])[0])
    answer = asker.portal.get("/v1/pairs/CJ-1/CG-1").json()
    assert answer["pair"] == json.loads(json.dumps(told))
    assert sum(part["points"] for part in answer["pair"]["parts"]) == pytest.approx(answer["pair"]["score"])


def test_brokers_are_the_engine_s(asker: Asker) -> None:
    engine = asker.engine
    scene, offer = asker.node("scene", "CJ-1"), asker.node("achievement", "CG-1")
    brokers = [node for node in engine.store.nodes("broker") if isinstance(node, Broker)]
    ranked = rank_brokers(
        scene, offer, brokers, engine.corpus, engine.network, top=10, outcomes=engine.store.outcomes()
    )  # fmt: skip
    found = asker.portal.get("/v1/pairs/CJ-1/CG-1/brokers").json()["items"]
    assert [(one["id"], one["score"], one["reasons"]) for one in found] == [
        (one.broker.id, one.score, list(one.reasons)) for one in ranked
    ]
    assert found


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), min_size=1, max_size=30))
def test_scores_are_the_engine_s_and_null_where_it_knows_none(
    asker: Asker, pairs: list[tuple[str, str]]
) -> None:
    _same_scores(asker, pairs)


def test_a_thousand_pairs_are_scored_and_one_more_is_refused(asker: Asker) -> None:
    pairs = list(itertools.islice(itertools.cycle(itertools.product(IDS, IDS)), 1000))
    _same_scores(asker, pairs)
    body = {"pairs": [{"scene": "CJ-1", "achievement": "CG-1"}] * 1001}
    assert problem(asker.portal.post("/v1/score", body))["code"] == "request_invalid"


def _same_scores(asker: Asker, pairs: list[tuple[str, str]]) -> None:
    body = {"pairs": [{"scene": scene, "achievement": achievement} for scene, achievement in pairs]}
    wanted = [
        {
            "scene": scene, "achievement": achievement, "score": match and match.score, "level": match and match.level,
            "level_label": match and LEVELS[match.level], "probabilities": match and list(match.probabilities),
        }
        for (scene, achievement), match in zip(pairs, asker.engine.score_pairs(pairs, today=today()), strict=True)
    ]  # fmt: skip
    response = asker.portal.post("/v1/score", body)
    assert response.status_code == 200
    assert response.json()["items"] == wanted


def test_hidden_ends_are_refused_like_ends_that_are_not_there(asker: Asker) -> None:
    if asker.engine.audience == "staff":
        pytest.skip("nothing is hidden from staff")
    for place in (
        "/v1/scenes/{}/matches",
        "/v1/scenes/{}/enterprises",
        "/v1/pairs/{}/CG-1",
        "/v1/pairs/{}/CG-1/brokers",
    ):
        told = []
        for id in ("CJ-2", "CJ-9"):
            refused = problem(asker.portal.get(place.format(id)))
            told.append({**refused, "request_id": "", "detail": refused["detail"].replace(id, "…")})
        assert told[0] == told[1]
        assert told[0]["code"] == "not_found"


def test_same_answer_is_not_sent_twice(asker: Asker) -> None:
    first = asker.portal.get("/v1/scenes/CJ-1/matches")
    again = asker.portal.get("/v1/scenes/CJ-1/matches", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = asker.portal.get(
        "/v1/scenes/CJ-1/matches?top=1", headers={"If-None-Match": first.headers["etag"]}
    )
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/scenes/CJ-1/matches?top=0", "request_invalid"), ("/v1/scenes/CJ-1/matches?top=201", "request_invalid"),
        ("/v1/scenes/CJ-1/matches?detail=all", "request_invalid"), ("/v1/scenes/CJ-1/matches?min_trl=10", "request_invalid"),
        ("/v1/scenes/CJ-1/matches?ip_status=有", "ip_status_unknown"), ("/v1/scenes/CJ-1/matches?field=x", "field_unknown"),
        ("/v1/scenes/CJ-1/matches?district=x", "district_unknown"),
    ],
)  # fmt: skip
def test_bad_question_is_refused(asker: Asker, path: str, code: str) -> None:
    response = asker.portal.get(path)
    assert response.status_code == 422
    assert problem(response)["code"] == code


@pytest.mark.parametrize(
    "body",
    [
        {}, {"text": " "}, {"text": "x", "scene": SCENE}, {"scene": {}}, {"scene": {**SCENE, "price": "1"}},
        {"text": "x", "min_trl": 10}, {"text": "x", "top": 0}, {"scene": {**SCENE, "title": "【机密】题"}},
        {"text": "x" * 50_001}, {"text": "x", "unknown": 1}, {"scene": [1]}, {"achievement": {"title": {"a": 1}}},
    ],
)  # fmt: skip
def test_bad_body_is_refused(asker: Asker, body: Any) -> None:
    response = asker.portal.post("/v1/match", body)
    assert response.status_code == 422, response.text
    problem(response)


def test_question_needs_the_scope_read(world: Served) -> None:
    writer = world.portal("of-writer", scopes=("write",))
    assert problem(writer.get("/v1/scenes/CJ-1/matches"))["code"] == "scope_missing"
    assert problem(writer.post("/v1/match", {"text": "x"}))["code"] == "scope_missing"
