"""One home opened: caught up before every answer, its index published and read back, and free texts as scenes."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings.generation import current
from embeddings.refusal import IndexRefused
from embeddings.vector_cache import VectorCache
from graph.kinds import Node
from graph.problems import Refused
from graph.relations import Edge
from graph.store.audience import AudienceStore
from graph.store.changes import Change, PutEdge, RemoveNode
from graph.store.store import Store
from graph.values import Visibility, clean_cell
from matcher import engine as engine_module
from matcher.engine import Engine, written_scene
from matcher.experience import learn_experience
from matcher.home import Home
from matcher.models import shipped_ranker
from matcher.ranker import load_ranker
from matcher.ranking import COUNTERPARTS
from tests.factories import (
    TODAY,
    BigramEncoder,
    apply,
    changes,
    keys,
    make_achievement,
    make_case,
    make_edge,
    make_enterprise,
    make_institution,
    make_scene,
    nodes,
    put,
    shown,
)

OpenHome = Callable[..., Engine]


@pytest.fixture
def open_home(monkeypatch: pytest.MonkeyPatch) -> OpenHome:
    """``Engine.open`` with the tiny encoder in place of the one asked for."""

    def run(home: Home, encoder: BigramEncoder | None = None, **options: Any) -> Engine:
        monkeypatch.setattr(engine_module, "open_encoder", lambda spec: encoder or BigramEncoder())
        return Engine.open(home, **options)

    return run


MakeEngine = Callable[..., Engine]
audiences: st.SearchStrategy[Visibility] = st.sampled_from(["public", "partner"])
few = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def make_engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> MakeEngine:
    """An engine for an audience over a store; nothing is published, and vectors are shared."""
    monkeypatch.setattr("matcher.corpus.Corpus.is_stale", lambda corpus, looked_at: False)

    def make(store: Store, audience: Visibility) -> Engine:
        engine = Engine(home, store, BigramEncoder(), audience=audience)
        engine.refresh()
        return engine

    return make


def _answers(engine: Engine) -> list[Any]:
    """Everything that an engine says: of every record what it matches, and why."""
    told: list[Any] = []
    for kind, other in COUNTERPARTS.items():
        for node in list(engine.store.nodes(kind)):
            for wanted in (other, "enterprise", "case"):
                matches = engine.match(node, top=20, today=TODAY, kind=wanted)
                told += [shown(matches), repr(engine.explain(node, matches))]
    return [*told, engine.corpus.centre("gist").tobytes(), dict(engine.network.graph.nodes(data=True))]


def _ids(engine: Engine) -> list[str]:
    return [match.key[1] for match in engine.match(make_scene(), top=9, today=TODAY)]


def test_engine_answers_from_the_store_as_it_is_now(engine: Engine) -> None:
    put(engine.store, make_scene(), make_achievement("CG-1"))
    assert _ids(engine) == ["CG-1"]
    put(engine.store, make_achievement("CG-2"))
    assert _ids(engine) == ["CG-1", "CG-2"]
    apply(engine.store, RemoveNode(kind="achievement", id="CG-1"))
    assert _ids(engine) == ["CG-2"]
    assert engine.score_pairs([("CJ-1", "CG-1"), ("CJ-1", "CG-2")], today=TODAY)[0] is None


def test_engine_follows_relations_too(engine: Engine) -> None:
    school = make_institution()
    put(engine.store, make_scene(), make_achievement(), school, make_edge(school, "posts", make_scene()))
    (before,) = engine.match(make_scene(), top=1, today=TODAY)
    put(engine.store, make_edge(school, "owns", make_achievement()))
    (after,) = engine.match(make_scene(), top=1, today=TODAY)
    assert (before.parts["proximity"], after.parts["proximity"] > 0) == (0.0, True)


def test_pairs_come_back_in_order_with_none_for_the_unknown(engine: Engine) -> None:
    put(
        engine.store,
        *(make_scene(f"CJ-{n}", title=f"海岛{n}") for n in (1, 2)),
        *(make_achievement(f"CG-{n}") for n in (1, 2)),
    )
    pairs = [
        ("CJ-2", "CG-1"),
        ("CJ-9", "CG-1"),
        ("CJ-1", "CG-2"),
        ("CJ-2", "CG-9"),
        ("CJ-2", "CG-1"),
        ("CJ-2", "CG-2"),
    ]
    found = engine.score_pairs(pairs, today=TODAY)
    assert [match.key[1] if match else None for match in found] == [
        "CG-1",
        None,
        "CG-2",
        None,
        "CG-1",
        "CG-2",
    ]
    for (scene, achievement), match in zip(pairs, found, strict=True):
        if match:
            node = engine.store.get("scene", scene)
            assert node is not None
            same = {m.key[1]: m for m in engine.match(node, top=9, today=TODAY)}[achievement]
            assert shown([match])[0][1:] == shown([same])[0][1:]
    assert engine.score_pairs([], today=TODAY) == []


def test_explanations_stand_in_the_order_of_the_matches_without_what_is_gone(engine: Engine) -> None:
    put(
        engine.store,
        make_scene(),
        *(make_achievement(f"CG-{n}") for n in range(4)),
        make_case(scene_id="", achievement_id=""),
    )
    matches = engine.match(make_scene(), top=9, today=TODAY)
    matches += engine.match(make_scene(), top=9, today=TODAY, kind="case")
    apply(engine.store, RemoveNode(kind="achievement", id="CG-2"))
    assert [why.found.id for why in engine.explain(make_scene(), reversed(matches))] == [
        "AL-1",
        "CG-3",
        "CG-1",
        "CG-0",
    ]


def test_opened_home_encodes_nothing_again(home: Home, open_home: OpenHome) -> None:
    with home.open_store(create=False) as store:
        put(store, make_scene(), make_achievement("CG-1"))
    with open_home(home) as engine:
        first = shown(engine.match(make_scene(), top=9, today=TODAY))
    assert current(home.index) is not None
    home.vectors.unlink()  # not even from the cache
    encoder = BigramEncoder()
    with open_home(home, encoder) as engine:
        assert shown(engine.match(make_scene(), top=9, today=TODAY)) == first
    assert encoder.encoded == 0


def test_index_is_published_once_and_again_when_much_has_changed(
    home: Home, open_home: OpenHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matcher.corpus._STALE_RECORDS", 3)

    def generation() -> int:
        found = current(home.index)
        return found.number if found else 0

    with open_home(home) as engine:
        assert generation() == 0  # nothing to publish
        put(engine.store, make_scene())
        engine.refresh()
        assert generation() == 1
        put(engine.store, make_achievement("CG-1"))
        engine.refresh()
        assert generation() == 1
        put(engine.store, *(make_achievement(f"CG-{n}") for n in range(2, 6)))
        engine.refresh()
        assert generation() == 2
        put(engine.store, make_achievement("CG-9"))
    with open_home(home) as engine:
        assert generation() == 2
        assert len(engine.corpus.slots) == 7


@pytest.mark.parametrize(
    ("code", "stands"), [("index_busy", True), ("disk_full", True), ("index_damaged", False)]
)
def test_answer_stands_when_the_index_cannot_be_published_now(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, code: str, stands: bool
) -> None:
    def refuse(*_: object) -> None:
        raise IndexRefused(code, "现在不行。", "请稍后再试。")

    put(engine.store, make_scene(), make_achievement())
    monkeypatch.setattr("matcher.corpus.publish", refuse)
    if stands:
        assert _ids(engine) == ["CG-1"]
    else:
        with pytest.raises(IndexRefused):
            _ids(engine)


def test_home_of_another_encoder_is_refused_until_rebuilt(home: Home, open_home: OpenHome) -> None:
    with home.open_store(create=False) as store:
        put(store, make_scene(), make_achievement())
    open_home(home).__exit__(None, None, None)
    with pytest.raises(IndexRefused, match="编码器") as refused:
        open_home(home, BigramEncoder("bigrams/2", dimension=32))
    assert refused.value.code == "index_mismatch"
    assert "jiebang index rebuild" in refused.value.remedy
    with Engine(home, home.open_store(create=False), BigramEncoder("bigrams/2", dimension=32)) as engine:
        engine.rebuild_index()
    with open_home(home, BigramEncoder("bigrams/2", dimension=32)) as engine:
        assert _ids(engine) == ["CG-1"]


def test_rebuilt_index_answers_as_before(engine: Engine) -> None:
    put(engine.store, make_scene(), *(make_achievement(f"CG-{n}", title=f"无人机{n}号") for n in range(5)))
    before = shown(engine.match(make_scene(), top=9, today=TODAY))
    engine.rebuild_index()
    assert shown(engine.match(make_scene(), top=9, today=TODAY)) == before
    assert current(engine.home.index) is not None


def test_home_whose_store_was_replaced_is_taken_in_anew(
    home: Home, open_home: OpenHome, tmp_path: Path
) -> None:
    with home.open_store(create=False) as store:
        put(store, make_scene(), make_achievement("CG-1"), make_achievement("CG-2"))
    open_home(home).__exit__(None, None, None)
    other = Home(path=tmp_path / "other")
    with other.open_store(create=True) as store:
        put(store, make_scene(), make_achievement("CG-7"))
    for path in home.path.glob("store.db*"):
        path.unlink()
    for path in other.path.glob("store.db*"):
        shutil.copy(path, home.path / path.name)
    with open_home(home) as engine:
        assert _ids(engine) == ["CG-7"]


def test_home_set_back_to_a_copy_is_taken_in_anew(home: Home, open_home: OpenHome, tmp_path: Path) -> None:
    with home.open_store(create=False) as store:
        put(store, make_scene(), make_achievement("CG-1"))
    shutil.copy(home.path / "store.db", tmp_path / "copy.db")
    with home.open_store(create=False) as store:
        put(store, make_achievement("CG-2"))
    open_home(home).__exit__(None, None, None)
    for path in home.path.glob("store.db*"):
        path.unlink()
    shutil.copy(tmp_path / "copy.db", home.path / "store.db")
    with open_home(home) as engine:
        assert _ids(engine) == ["CG-1"]


def test_missing_home_is_refused(tmp_path: Path, open_home: OpenHome) -> None:
    with pytest.raises(Refused) as refused:
        open_home(Home(path=tmp_path / "没有"))
    assert refused.value.code == "home_missing"


def test_vectors_are_kept_in_the_home(engine: Engine) -> None:
    put(engine.store, make_scene())
    engine.refresh()
    encoder = BigramEncoder()
    VectorCache(engine.home.vectors).encode(encoder, "query", ["海岛物资无人机投送"])
    assert encoder.encoded == 0


@pytest.mark.parametrize(
    ("text", "title", "summary"),
    [
        ("海岛物资无人机投送", "海岛物资无人机投送", ""),
        ("  海岛投送\n离岸二十公里。\n", "海岛投送", "海岛投送\n离岸二十公里。"),
        ("短句。另一句。", "短句。另一句。", ""),
        ("\n\n海岛投送", "海岛投送", ""),
        ("长" * 50 + "。" + "后" * 50, "长" * 50, "长" * 50 + "。" + "后" * 50),
        ("长" * 50 + "；" + "后" * 50, "长" * 50, "长" * 50 + "；" + "后" * 50),
        ("长" * 50 + "，" + "后" * 50, "长" * 50, "长" * 50 + "，" + "后" * 50),
        ("长" * 200, "长" * 60, "长" * 200),
    ],
)
def test_written_scene_has_its_first_line_or_sentence_as_title(text: str, title: str, summary: str) -> None:
    scene = written_scene(text)
    assert (scene.id, scene.title, scene.summary) == ("(未保存)", title, summary)


@given(
    text=st.text(alphabet="海岛投送ab。；，\n 　\t", min_size=1, max_size=300).filter(
        lambda text: clean_cell(text) != ""
    )
)
def test_any_written_text_is_a_scene_that_says_all_of_it(text: str) -> None:
    scene = written_scene(text)
    assert 0 < len(scene.title) <= 60
    assert scene.summary in ("", clean_cell(text))
    if not scene.summary:
        assert scene.title == clean_cell(text)


@pytest.mark.parametrize("text", ["a\x00b", "\x00海岛", "\ufeff海岛", "海岛\u200b投送\u200b"])
def test_written_text_with_invisible_marks_is_a_scene(text: str) -> None:
    assert written_scene(text).title == clean_cell(text)


def test_a_score_once_told_can_be_made_again_from_revision_and_ranker(engine: Engine) -> None:
    scenes = [make_scene(f"CJ-{i}", title=title) for i, title in enumerate(["海岛送药", "桥梁检测"])]
    offers = [make_achievement(f"CG-{i}", title=f"{scenes[i % 2].title}无人机{i}") for i in range(5)]
    put(engine.store, *scenes, *offers)
    pairs = [(scene.id, offer.id) for scene in scenes for offer in offers]
    before = [match.score for match in engine.score_pairs(pairs, today=TODAY) if match]
    revision = engine.store.revision()
    put(
        engine.store,
        scenes[0].model_copy(update={"title": "海岛送药与应急"}),
        make_achievement("CG-9", title="海岛"),
    )
    apply(engine.store, RemoveNode(kind="achievement", id="CG-4"))
    changed = engine.score_pairs(pairs, today=TODAY)
    assert [match.score if match else None for match in changed] != before
    published = current(engine.home.index)
    with engine.as_of(revision, shipped_ranker()) as then:
        again = [match.score for match in then.score_pairs(pairs, today=TODAY) if match]
    assert again == before
    assert current(engine.home.index) == published


_ENDS = st.tuples(keys("enterprise", most=2), keys("scene", "achievement", most=4))


@settings(few, max_examples=6)
@given(
    audience=audiences,
    before=st.lists(changes(), max_size=12),
    batches=st.lists(st.lists(changes(), min_size=1, max_size=4), max_size=4),
)
def test_engine_that_follows_an_audience_answers_as_one_opened_now(
    emptied: Callable[[], Store],
    make_engine: MakeEngine,
    audience: Visibility,
    before: list[Change],
    batches: list[list[Change]],
) -> None:
    store = emptied()
    apply(store, *before)
    followed = make_engine(store, audience)
    for batch in batches:
        apply(store, *batch)
        followed.refresh()
    assert _answers(followed) == _answers(make_engine(store, audience))


@few
@given(
    audience=audiences,
    world=st.lists(nodes(), min_size=4, max_size=16),
    ends=st.lists(_ENDS, max_size=4),
    contact=st.sampled_from(["", "陈工"]),
)
def test_audience_s_engine_answers_as_if_the_hidden_had_never_been(
    emptied: Callable[[], Store],
    make_engine: MakeEngine,
    audience: Visibility,
    world: Sequence[Node],
    ends: list[tuple[tuple[str, str], tuple[str, str]]],
    contact: str,
) -> None:
    store, there = emptied(), {(node.kind, node.id): node for node in world}
    joined = [
        make_edge(there[one], "posts" if other[0] == "scene" else "owns", there[other])
        for one, other in ends
        if one in there and other in there
    ]
    put(store, *(node.model_copy(update={"contact": contact}) for node in there.values()), *joined)
    view = AudienceStore(store, audience)
    left: list[Node | Edge] = [*view.nodes(), *view.edges()]
    with_hidden = _answers(make_engine(store, audience))
    put(emptied(), *left)
    assert _answers(make_engine(store, audience)) == with_hidden


def test_partner_s_engine_knows_nothing_of_hidden_records_and_staff_s_all(
    store: Store, make_engine: MakeEngine
) -> None:
    firm = make_enterprise(visibility="staff")
    hidden = make_achievement("CG-2", visibility="staff")
    put(store, make_scene(), make_achievement("CG-1"), hidden, firm)
    apply(store, PutEdge(edge=make_edge(firm, "owns", make_achievement("CG-1"))))
    found = {audience: _ids(make_engine(store, audience)) for audience in ("partner", "staff")}
    assert {audience: sorted(ids) for audience, ids in found.items()} == {
        "partner": ["CG-1"],
        "staff": ["CG-1", "CG-2"],
    }
    engine = make_engine(store, "partner")
    assert engine.score_pairs([("CJ-1", "CG-2"), ("CJ-1", "没有")], today=TODAY) == [None, None]
    assert ("enterprise", firm.id) not in engine.network.graph


def test_judged_pairs_of_the_city_are_in_the_ranker_of_its_staff_only(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(3, 48)).astype(np.float32)
    experience = learn_experience(
        encoder="bigrams/1", centre=np.zeros(48), scenes=rows, offers=rows, pairs=np.array([[0, 0], [1, 2]], dtype=np.int32),
        residuals=np.array([1.0, -0.5]), certainty=np.ones(2), levels=np.array([4.0, 1.0]), names=[("CJ-1", "CG-1"), ("CJ-2", "CG-3")],
    )  # fmt: skip
    plain = load_ranker(shipped_ranker())
    learned = replace(plain, experience=experience)
    monkeypatch.setattr(engine_module, "load_ranker", lambda path: learned)
    engines = [
        Engine(home, store, BigramEncoder(), ranker=home.models, audience=audience)
        for audience in ("staff", "partner", "public")
    ]
    assert [engine.ranker.experience for engine in engines] == [experience, None, None]
    # What comes with the program names nobody's records, and stays.
    unnamed = replace(experience, names=())
    monkeypatch.setattr(engine_module, "load_ranker", lambda path: replace(plain, experience=unnamed))
    assert (
        Engine(home, store, BigramEncoder(), ranker=home.models, audience="partner").ranker.experience
        == unnamed
    )


def test_an_audience_s_index_lies_beside_that_of_staff_and_is_read_back(
    home: Home, open_home: OpenHome
) -> None:
    with home.open_store(create=False) as store:
        put(store, make_scene(), make_achievement("CG-1"), make_achievement("CG-2", visibility="staff"))
    with open_home(home, audience="partner") as engine:
        first = shown(engine.match(make_scene(), top=9, today=TODAY))
    assert (current(home.index), current(home.index_for("partner")) is None) == (None, False)
    home.vectors.unlink()
    encoder = BigramEncoder()
    with open_home(home, encoder, audience="partner") as engine:
        assert shown(engine.match(make_scene(), top=9, today=TODAY)) == first
    assert encoder.encoded == 0
    # What was in sight when the index was published is gone from it when it is hidden since.
    with home.open_store(create=False) as store:
        put(store, make_achievement("CG-1", visibility="staff"))
    with open_home(home, audience="partner") as engine:
        assert _ids(engine) == []


def test_engine_that_takes_over_another_answers_alike_without_encoding_again(
    home: Home, store: Store
) -> None:
    put(store, make_scene(), *(make_achievement(f"CG-{n}", title=f"无人机{n}号") for n in range(4)))
    before = Engine(home, store, BigramEncoder(), audience="partner")
    before.refresh()
    told = shown(before.match(make_scene(), top=9, today=TODAY))
    home.vectors.unlink()
    encoder = BigramEncoder()
    after = Engine(home, store, encoder, audience="partner")
    after.take_over(before)
    assert shown(after.match(make_scene(), top=9, today=TODAY)) == told
    assert encoder.encoded == 0
    put(store, make_achievement("CG-9"))
    assert "CG-9" in _ids(after)
