"""One home, opened: store, corpus, network and ranker together, always caught up before an answer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from embeddings.encoder import Encoder, open_encoder
from embeddings.refusal import IndexRefused
from embeddings.segmentation import Segmenter
from embeddings.vector_cache import VectorCache
from graph.kinds import Node, Scene
from graph.network import Network
from graph.store.audience import AudienceStore
from graph.store.changes import PutFeedback, RestoreProcess
from graph.store.store import Store
from graph.values import Visibility
from matcher.centre import usual_centre
from matcher.corpus import Corpus
from matcher.explanation import Explainer, Explanation
from matcher.filters import Filters
from matcher.home import Home
from matcher.models import Models, shipped_ranker
from matcher.ranker import Ranker, load_ranker, without_own_cases
from matcher.ranking import Match, Ranking
from matcher.texts import word_list

Progress = Callable[[int, int], None]


class Engine:
    """Answers matching questions over a home.

    The corpus and the network are derived from the store: ``refresh`` brings them up to its revision,
    at a cost that grows with what changed. Not for several threads at once. Its ranker is the one in use in
    the home unless ``ranker`` names another; it stays the same while the engine is open.

    An engine for an ``audience`` other than staff knows only what that audience may see (``AudienceStore``), and of
    judgements only what the weights learned from all of them: no answer of it can tell of anything hidden. ``whole``
    is the store with all that is hidden: to write to, never to answer from.
    """

    def __init__(
        self,
        home: Home,
        store: Store,
        encoder: Encoder,
        *,
        ranker: Path | None = None,
        vectors: Path | None = None,
        audience: Visibility = "staff",
    ) -> None:
        """Empty until the first ``refresh``; ``vectors`` is another home's vector cache to share."""
        self.home, self.audience = home, audience
        self.store = store if audience == "staff" else AudienceStore(store, audience)
        self.whole = store
        segmenter = Segmenter(word_list("domain_words.txt"))
        self.corpus = Corpus(encoder, segmenter, VectorCache(vectors or home.vectors), usual_centre(encoder))
        self.network = Network()
        in_use = Models(home.models).current_ranker
        known = load_ranker(ranker) if ranker else in_use(shipped_ranker())
        self.ranker: Ranker = known if audience == "staff" else without_own_cases(known)
        self.ranking = Ranking(self.corpus, self.network, self.ranker)

    @classmethod
    def open(
        cls,
        home: Home,
        *,
        encoder: str = "embedded",
        ranker: Path | None = None,
        progress: Progress | None = None,
        audience: Visibility = "staff",
    ) -> Self:
        """The engine of an existing home, with its published index loaded and caught up.

        Raises ``Refused`` or ``IndexRefused`` as store, encoder and index do.
        """
        store = home.open_store(create=False)
        try:
            engine = cls(home, store, open_encoder(encoder), ranker=ranker, audience=audience)
            engine.load(progress)
        except BaseException:
            store.close()
            raise
        return engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.whole.close()

    def load(self, progress: Progress | None = None) -> None:
        """Begin from the published index and catch up with the store."""
        self.corpus.load(self.home.index_for(self.audience), self.store)
        self.refresh(progress)

    def take_over(self, other: "Engine") -> None:
        """Go on with the corpus and network of another engine of the same home, which is not to be used again."""
        self.corpus, self.network = other.corpus, other.network
        self.ranking = Ranking(self.corpus, self.network, self.ranker)

    def refresh(self, progress: Progress | None = None) -> None:
        """Bring corpus and network up to the store; publish the index where much has changed."""
        looked_at = self.corpus.catch_up(self.store, progress)
        self.network.catch_up(self.store)
        if self.corpus.is_stale(looked_at) and self.corpus.slots:
            try:
                self.corpus.publish(self.home.index_for(self.audience))
            except IndexRefused as refused:
                # Another process is publishing, or the disk is full: the answer stands all the same.
                if refused.code not in ("index_busy", "disk_full"):
                    raise

    def rebuild_index(self, progress: Progress | None = None) -> None:
        """Make the index anew from the store and publish it, whatever stands there now."""
        self.corpus.clear()
        self.corpus.catch_up(self.store, progress)
        self.network.catch_up(self.store)
        self.corpus.publish(self.home.index_for(self.audience))

    @contextmanager
    def as_of(self, revision: int, ranker: Path) -> Iterator["Engine"]:
        """An engine over the data as they were after an earlier revision, with the ranker in ``ranker``.

        It scores as this home's engine did then, to the last digit shown, if encoder and program are the same:
        so a score once told can be made again. Nothing of it is kept; the cost is that of building an index
        from the vector cache. Raises ``Refused`` (``revision_unknown``).
        """
        with TemporaryDirectory() as folder:
            then = Home(path=Path(folder))
            with then.open_store(create=True) as store:
                # Judgements teach and do not score; those of nodes gone by then would have no pair here.
                # Processes (orders, keys) are nothing to a score.
                told = PutFeedback | RestoreProcess
                changes = (c for c in self.store.records_at(revision) if not isinstance(c, told))
                store.apply(
                    changes, actor="jiebang", at=datetime(2025, 1, 1, tzinfo=UTC), reason=f"第 {revision} 次"
                )
                engine = Engine(then, store, self.corpus.encoder, ranker=ranker, vectors=self.home.vectors)
                engine.refresh()
                yield engine

    def match(
        self, node: Node, *, top: int, today: date, kind: str | None = None, filters: Filters | None = None
    ) -> list[Match]:
        """See ``Ranking.match``; the engine is refreshed first."""
        self.refresh()
        return self.ranking.match(node, top=top, today=today, kind=kind, filters=filters)

    def explain(self, node: Node, matches: Iterable[Match], *, brief: bool = False) -> list[Explanation]:
        """The breakdown of each match of ``node``, in their order; what has been removed since is left out.

        ``brief``: see ``Explainer``.
        """
        matches = list(matches)
        found: dict[tuple[str, str], Node] = {}
        for kind in sorted({match.key[0] for match in matches}):
            ids = [match.key[1] for match in matches if match.key[0] == kind]
            found |= {(kind, id): other for id, other in self.store.get_many(kind, ids).items()}
        explainer = Explainer(
            node,
            self.corpus,
            self.network,
            self.ranker,
            records=lambda key: self.store.get(*key),
            brief=brief,
        )
        return explainer.explain([(match, found[match.key]) for match in matches if match.key in found])

    def score_pairs(self, pairs: Sequence[tuple[str, str]], *, today: date) -> list[Match | None]:
        """The match of each (scene id, achievement id), in order; None where one is unknown. Refreshes first."""
        self.refresh()
        return self.scored(pairs, today=today)

    def scored(self, pairs: Sequence[tuple[str, str]], *, today: date) -> list[Match | None]:
        """``score_pairs`` as of the last refresh."""
        wanted: dict[str, list[str]] = {}
        for scene, achievement in pairs:
            wanted.setdefault(scene, []).append(achievement)
        scenes = self.store.get_many("scene", wanted)
        scored = {
            scene: self.ranking.score(scenes[scene], "achievement", ids, today=today)
            for scene, ids in wanted.items()
            if scene in scenes
        }
        return [scored.get(scene, {}).get(achievement) for scene, achievement in pairs]


UNSAVED = "(未保存)"  # the id of a scene that is not stored


def written_scene(text: str) -> Scene:
    """A scene that is not stored, from free text: its first line or sentence is the title."""
    text = text.strip()
    first = next((part for part in _parts(text) if part), text)
    return Scene(id=UNSAVED, title=first[:60], summary=text if len(text) > len(first[:60]) else "")


def _parts(text: str) -> list[str]:
    for mark in ("\n", "。", "；", "，"):
        text = text.replace(mark, "\n") if len(text.split("\n")[0]) > 60 or mark == "\n" else text
    return [part.strip() for part in text.split("\n")]
