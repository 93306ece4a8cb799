"""Questions as values: told apart by their digest, and neighbourhoods equal to a plain search."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.question import Question
from api.questions import (
    BrokersQuestion,
    MatchQuestion,
    NeighbourhoodQuestion,
    PairQuestion,
    ScoreQuestion,
    answer_all,
)
from graph.kinds import Achievement, Scene
from graph.network import FIELD
from graph.store.changes import Change, PutEdge, PutNode
from matcher.engine import UNSAVED, Engine
from matcher.home import Home
from tests.factories import (
    NOON,
    TODAY,
    BigramEncoder,
    make_achievement,
    make_broker,
    make_case,
    make_edge,
    make_enterprise,
    make_scene,
)

SCENE, OFFER = (
    make_scene(field="低空经济", owner="甲公司"),
    make_achievement(field="低空经济", owner="乙公司"),
)
WORLD = [
    SCENE, OFFER, make_scene("CJ-2", title="网箱清洗"), make_achievement("CG-2", title="清洗机器人"), make_enterprise(title="甲公司"),
    make_enterprise("QY-2", title="乙公司"), make_broker(field="低空经济"), make_broker("JJ-2"), make_case(),
    make_achievement("CG-3", title="内部成果", visibility="staff"),
]  # fmt: skip
EDGES = [
    make_edge(make_broker(), "serves", SCENE), make_edge(make_broker(), "brokered", make_case()),
    make_edge(make_enterprise(), "controls", make_enterprise("QY-2")), make_edge(make_broker("JJ-2"), "serves", make_achievement("CG-2")),
]  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A partner's engine over a small world."""
    home = Home(path=tmp_path_factory.mktemp("questions") / "home")
    with home.open_store(create=True) as store:
        changes: list[Change] = [
            *(PutNode(node=node) for node in WORLD),
            *(PutEdge(edge=edge) for edge in EDGES),
        ]
        store.apply(changes, actor="程某", at=NOON, reason="")
        opened = Engine(home, store, BigramEncoder(), audience="partner")
        opened.refresh()
        yield opened


def answer(engine: Engine, question: Question) -> Any:
    (told,) = answer_all(engine, [question])
    return json.loads(told)


BASE: dict[str, Any] = {"audience": "partner", "today": TODAY}
_scenes = st.builds(
    lambda id, title, contact: make_scene(id, title=title, contact=contact),
    st.sampled_from(["CJ-1", "CJ-2"]), st.sampled_from(["甲", "乙"]), st.sampled_from(["", "陈工"]),
)  # fmt: skip
_asked = {
    "audience": st.sampled_from(["public", "partner"]),
    "today": st.sampled_from([TODAY, date(2027, 1, 1)]),
}
_words = st.lists(st.sampled_from(["a", "b", 'a","b', "1"]), max_size=2).map(tuple)
questions: st.SearchStrategy[Question] = st.one_of(
    st.builds(
        MatchQuestion, node=_scenes, is_stored=st.booleans(), kind=st.sampled_from(["achievement", "enterprise"]),
        top=st.integers(1, 2), full=st.booleans(), fields=_words, districts=_words, min_trl=st.integers(0, 1), ip_statuses=_words,
        open_only=st.booleans(), **_asked,
    ),
    st.builds(PairQuestion, scene=_scenes, achievement=st.just(OFFER), **_asked),
    st.builds(BrokersQuestion, scene=_scenes, achievement=st.just(OFFER), top=st.integers(1, 2), **_asked),
    st.builds(ScoreQuestion, pairs=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab")), max_size=2).map(tuple), **_asked),
    st.builds(NeighbourhoodQuestion, key=st.sampled_from([("scene", "a"), ("a", "scene")]), depth=st.integers(1, 2), limit=st.integers(2, 3), relations=_words, **_asked),
)  # fmt: skip


@given(one=questions, other=questions)
def test_digests_are_equal_for_equal_questions_and_no_others(one: Question, other: Question) -> None:
    def told(question: Question) -> Any:
        return type(question), [(k, repr(v)) for k, v in vars(question).items() if k != "digest"]

    assert (one.digest == other.digest) == (told(one) == told(other))


CHANGERS: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    str: lambda value: value + "x",
    tuple: lambda value: (*value, "x"),
    date: lambda value: value.replace(year=value.year + 1),
    Scene: lambda value: value.model_copy(update={"source": "另一处"}),
    Achievement: lambda value: value.model_copy(update={"source": "另一处"}),
}


@given(one=questions)
def test_any_change_of_a_question_changes_its_digest(one: Question) -> None:
    asked = dict(vars(one))
    for name, value in asked.items():
        changed = type(one)(**asked | {name: CHANGERS[type(value)](value)})
        assert changed.digest != one.digest, name


def test_questions_together_are_answered_as_each_alone(engine: Engine) -> None:
    node = make_scene(UNSAVED, title="海岛送药")
    match = {"kind": "achievement", "top": 5, **BASE}
    asked: list[Question] = [
        MatchQuestion(node=SCENE, is_stored=True, full=True, **match),
        ScoreQuestion(pairs=(("CJ-1", "CG-1"), ("CJ-1", "CG-3")), **BASE),
        MatchQuestion(node=node, is_stored=False, full=False, **match),
        PairQuestion(scene=SCENE, achievement=OFFER, **BASE),
        BrokersQuestion(scene=SCENE, achievement=OFFER, top=3, **BASE),
        NeighbourhoodQuestion(key=("scene", "CJ-1"), depth=2, limit=50, **BASE),
    ]
    assert answer_all(engine, asked) == [one for question in asked for one in answer_all(engine, [question])]


def test_matches_name_the_subject_and_give_every_part_that_adds_up(engine: Engine) -> None:
    question = MatchQuestion(node=SCENE, is_stored=True, kind="achievement", top=5, full=False, **BASE)
    told = answer(engine, question)
    assert told["subject"] == {"kind": "scene", "id": "CJ-1", "title": SCENE.title}
    assert [item["id"] for item in told["items"]] == ["CG-1", "CG-2"]
    for item in told["items"]:
        assert sum(part["points"] for part in item["parts"]) == pytest.approx(item["score"], abs=1e-6)
    assert told["items"][0]["about"] == {
        "field": ["低空经济"], "district": None, "owner": "乙公司", "maturity": None, "ip_status": None,
    }  # fmt: skip
    full = answer(
        engine, MatchQuestion(node=SCENE, is_stored=True, kind="achievement", top=5, full=True, **BASE)
    )
    assert [{k: item[k] for k in told["items"][0]} for item in full["items"]] == told["items"]
    written = make_scene(UNSAVED, title="海岛送药")
    unsaved = answer(
        engine, MatchQuestion(node=written, is_stored=False, kind="achievement", top=1, full=False, **BASE)
    )
    assert unsaved["subject"] == {"kind": "scene", "id": None, "title": "海岛送药"}


def test_scores_are_those_of_the_list_and_null_for_what_is_not_there_to_see(engine: Engine) -> None:
    pairs = (("CJ-1", "CG-2"), ("CJ-1", "CG-3"), ("没有", "CG-1"), ("CJ-1", "CG-1"), ("CJ-1", "CG-2"))
    told = answer(engine, ScoreQuestion(pairs=pairs, **BASE))["items"]
    listed = answer(
        engine, MatchQuestion(node=SCENE, is_stored=True, kind="achievement", top=5, full=False, **BASE)
    )
    scores = {item["id"]: item["score"] for item in listed["items"]}
    assert [(one["scene"], one["achievement"]) for one in told] == list(pairs)
    assert [one["score"] for one in told] == [scores["CG-2"], None, None, scores["CG-1"], scores["CG-2"]]
    assert {name for name, value in told[1].items() if value is None} == {
        "score",
        "level",
        "level_label",
        "probabilities",
    }


def test_pair_that_is_not_in_sight_has_no_breakdown(engine: Engine) -> None:
    own = make_achievement("hengqin:1", title="本平台内部成果", visibility="staff")
    told = answer(engine, PairQuestion(scene=SCENE, achievement=own, **BASE))
    assert (told["pair"], told["achievement"]["id"]) == (None, "hengqin:1")
    assert answer(engine, PairQuestion(scene=SCENE, achievement=OFFER, **BASE))["pair"]["id"] == "CG-1"


def reached(engine: Engine, start: Any, depth: int, relations: tuple[str, ...]) -> dict[Any, int]:
    """Distances by plain search: fields are reached, and nothing behind them."""
    ends = [(u, v) for u, v, k in engine.network.graph.edges(keys=True) if not relations or k in relations]
    found = {start: 0}
    for step in range(1, depth + 1):
        edge = [
            key
            for key, distance in found.items()
            if distance == step - 1 and (key[0] != FIELD or key == start)
        ]
        for one, other in [*ends, *((v, u) for u, v in ends)]:
            if one in edge:
                found.setdefault(other, step)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    node=st.sampled_from(WORLD[:-1]), depth=st.integers(1, 3), limit=st.integers(2, 30),
    relations=st.sampled_from([(), ("serves",), ("posts", "controls"), ("in_field",)]),
)  # fmt: skip
def test_neighbourhood_is_that_of_a_plain_search_and_says_when_it_is_cut(
    engine: Engine, node: Any, depth: int, limit: int, relations: tuple[str, ...]
) -> None:
    key = (node.kind, node.id)
    told = answer(
        engine, NeighbourhoodQuestion(key=key, depth=depth, limit=limit, relations=relations, **BASE)
    )
    wanted = reached(engine, key, depth, relations)
    found = {(one["kind"], one["id"]): one["distance"] for one in told["nodes"]}
    assert found.items() <= wanted.items()
    assert told["complete"] == (len(wanted) <= limit)
    assert len(found) == min(len(wanted), limit)
    between = {
        (u, v, k)
        for u, v, k in engine.network.graph.edges(keys=True)
        if u in found and v in found and (not relations or k in relations)
    }
    shown = [
        ((e["source"]["kind"], e["source"]["id"]), (e["target"]["kind"], e["target"]["id"]), e["relation"])
        for e in told["edges"]
    ]
    assert (set(shown), len(shown)) == (between, len(between))


def test_neighbourhood_of_what_is_not_in_sight_is_empty(engine: Engine) -> None:
    told = answer(engine, NeighbourhoodQuestion(key=("achievement", "CG-3"), depth=2, limit=9, **BASE))
    assert told == {"nodes": [], "edges": [], "complete": True}


def test_brokers_of_a_pair_are_ranked_with_parts_that_add_up(engine: Engine) -> None:
    told = answer(engine, BrokersQuestion(scene=SCENE, achievement=OFFER, top=5, **BASE))
    assert [(one["rank"], one["id"]) for one in told["items"]] == [(1, "JJ-1"), (2, "JJ-2")]
    for one in told["items"]:
        assert sum(part["points"] for part in one["parts"]) == pytest.approx(one["score"], abs=1e-5)
    assert len(answer(engine, BrokersQuestion(scene=SCENE, achievement=OFFER, top=1, **BASE))["items"]) == 1
