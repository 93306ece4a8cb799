"""Homes, stores and corpora with a tiny encoder, and the sample world with the real one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import delete

from embeddings.encoder import open_encoder
from embeddings.segmentation import Segmenter
from embeddings.vector_cache import VectorCache
from graph.intake.importing import plan_import
from graph.kinds import Node
from graph.network import Network
from graph.relations import Edge
from graph.resources import resource
from graph.store.store import Store, open_store
from graph.store.tables import EDGES, FEEDBACK, HISTORY, NODES, PROCESSES
from graph.values import Visibility
from matcher.corpus import Corpus
from matcher.engine import Engine
from matcher.home import Home
from matcher.ranker import Ranker, load_ranker
from matcher.ranking import Ranking
from matcher.texts import word_list
from tests.factories import BigramEncoder, put

# The first example of a test pays for imports; time is not what these tests are about.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

MakeCorpus = Callable[[], Corpus]
MakeRanking = Callable[[Store], Ranking]


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter(word_list("domain_words.txt"))


@pytest.fixture(scope="session")
def ranker() -> Ranker:
    return load_ranker(resource("ranker", "cold_start.json"))


@pytest.fixture(scope="session")
def make_corpus(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> MakeCorpus:
    """Gives another empty corpus at every call; all share one vector cache."""
    cache = VectorCache(tmp_path_factory.mktemp("cache") / "vectors.db")
    return lambda: Corpus(BigramEncoder(), segmenter, cache)


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus()


@pytest.fixture(scope="session")
def make_ranking(make_corpus: MakeCorpus, ranker: Ranker) -> MakeRanking:
    """A ranking over a corpus and a network taken in anew from a store."""

    def make(store: Store) -> Ranking:
        corpus = make_corpus()
        corpus.catch_up(store)
        return Ranking(corpus, Network.build(store), ranker)

    return make


@pytest.fixture(scope="module")
def module_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "store.db") as opened:
        yield opened


@pytest.fixture
def emptied(module_store: Store) -> Callable[[], Store]:
    """Gives the same store, emptied of everything, at every call: quick enough for many examples."""

    def empty() -> Store:
        with module_store._database.writing() as connection:
            for table in (NODES, EDGES, FEEDBACK, PROCESSES, HISTORY):
                connection.execute(delete(table))
        return module_store

    return empty


@pytest.fixture
def store(emptied: Callable[[], Store]) -> Store:
    """One empty store."""
    return emptied()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with an empty store."""
    made = Home(path=tmp_path / "home")
    made.open_store(create=True).close()
    return made


@pytest.fixture
def engine(home: Home) -> Iterator[Engine]:
    """An engine with the tiny encoder over an empty home."""
    with Engine(home, home.open_store(create=False), BigramEncoder()) as opened:
        yield opened


@pytest.fixture
def engine_over(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Gives the engine of an audience, staff's unless said otherwise, over a home of its own with these records."""
    with ExitStack() as opened:
        numbers = count()

        def run(*records: Node | Edge, audience: Visibility = "staff", **options: Any) -> Engine:
            home = Home(path=tmp_path / f"home-{next(numbers)}")
            store = home.open_store(create=True)
            put(store, *records)
            engine = Engine(home, store, BigramEncoder(), audience=audience, **options)
            opened.enter_context(engine).refresh()
            return engine

        yield run


@pytest.fixture(scope="session")
def sample_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The sample world with the embedded encoder: about a minute to make, so once a session."""
    home = Home(path=tmp_path_factory.mktemp("sample") / "home")
    with home.open_store(create=True) as store:
        sheets = [path for path in sorted(resource("sample").glob("*.csv")) if path.stem != "judgements"]
        plan = plan_import([str(path) for path in sheets], store=store, at=datetime(2026, 3, 1, tzinfo=UTC))
        assert plan.errors == ()
        plan.commit(store, actor="测试", reason="样例")
        engine = Engine(home, store, open_encoder("embedded"))
        engine.refresh()
        yield engine
