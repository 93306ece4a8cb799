"""Everything that can be matched, in memory: vectors, words and facts of every node by slot, caught up from the store."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from embeddings.generation import current, open_generation, publish
from embeddings.lexical_index import LexicalIndex
from embeddings.recent_vectors import AskedText, RecentVectors
from embeddings.segmentation import Segmenter
from embeddings.vector_cache import Side, VectorCache
from embeddings.vector_index import VectorIndex
from graph.kinds import KINDS, Node
from graph.store.store import Store
from matcher.facts import KIND_NUMBERS, FactRows, Facts, facts_of
from matcher.texts import NodeTexts, node_texts, texts_identity

Key = tuple[str, str]
Progress = Callable[[int, int], None]
# How each view is encoded, the same on both sides of a pair, so that the comparison is symmetric. e5's
# authors advise the query prefix for comparing like with like, as headlines are (model card of
# multilingual-e5-small); the document side reads the same title a little differently, and the two
# together rank better than either (figures in README.md).
VECTOR_VIEWS: dict[str, Side] = {"headline": "query", "core": "document", "gist": "document"}
WORD_VIEWS = ("headline", "whole")
# Nodes taken in at a time: bounds the texts and vectors alive during a bulk load.
_BATCH = 2000
# A generation is published anew once this many records differ from the last one, or a tenth of it.
_STALE_RECORDS = 500
_PRIOR_NODES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One side of a comparison, stored (``slot``) or just written: its texts as vectors and terms, and its facts."""

    node: Node
    slot: int | None
    vectors: dict[str, NDArray[np.float32]]
    terms: dict[str, list[str]]
    facts: FactRows


class Corpus:
    """All nodes of a store, ready to be compared; any sequence of changes equals one taken in anew.

    Slots are integers from 0; a node keeps its slot while it exists. Nothing may read the corpus
    while it is being changed.
    """

    def __init__(
        self,
        encoder: Encoder,
        segmenter: Segmenter,
        cache: VectorCache,
        prior: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        """Begin empty. ``prior``: the usual mean of the encoder's vectors by view, for small corpora."""
        self.encoder, self.segmenter, self._cache = encoder, segmenter, cache
        self._prior = prior or {}
        self.recent = RecentVectors()
        self.clear()

    def clear(self, store_id: str = "") -> None:
        """Forget everything: the next ``catch_up`` takes the store in from nothing."""
        self.store_id = store_id
        self.revision = 0
        self.slots: dict[Key, int] = {}
        self.keys: list[Key | None] = []
        self._free: list[int] = []
        self.vectors = {view: VectorIndex(self.encoder.dimension) for view in VECTOR_VIEWS}
        self.words = {view: LexicalIndex() for view in WORD_VIEWS}
        self.facts = Facts()
        self._published_revision = -1

    @property
    def manifest(self) -> dict[str, Any]:
        """What a generation of this corpus must agree with to be used."""
        return {
            "encoder": self.encoder.identity,
            "dimension": self.encoder.dimension,
            "segmenter": self.segmenter.identity,
            "texts": texts_identity(),
            "views": VECTOR_VIEWS,
            "store": self.store_id,
        }

    def centre(self, view: str) -> NDArray[np.float64]:
        """The mean of a view's vectors, in a small corpus drawn towards the prior.

        Of two nodes the plain mean lies half way between them, and taken away it makes the likest pair
        opposites. The prior counts as ``_PRIOR_NODES`` nodes; without one the plain mean stands.
        """
        mean = self.vectors[view].mean()
        if view not in self._prior:
            return mean
        nodes = len(self.slots)
        return (nodes * mean + _PRIOR_NODES * self._prior[view]) / (nodes + _PRIOR_NODES)

    def mask(self, kind: str) -> NDArray[np.bool_]:
        """Which slots hold a node of ``kind``; length ``facts.capacity``."""
        return np.asarray(self.facts.column("kind") == KIND_NUMBERS[kind], dtype=np.bool_)

    def subject(self, node: Node) -> Subject:
        """``node`` ready to be compared; nothing is encoded for a stored one."""
        slot = self.slots.get((node.kind, node.id))
        if slot is not None:
            return Subject(
                node=node,
                slot=slot,
                vectors={view: index.vectors([slot])[0] for view, index in self.vectors.items()},
                terms={view: _spelled(index.terms_of(slot)) for view, index in self.words.items()},
                facts=self.facts.rows(np.array([slot])),
            )
        texts = node_texts(node)
        return Subject(
            node=node,
            slot=None,
            vectors=self._asked(node),
            terms={view: self.segmenter.terms(getattr(texts, view)) for view in WORD_VIEWS},
            facts=facts_of(node),
        )

    def catch_up(self, store: Store, progress: Progress | None = None) -> int:
        """Take over what changed in ``store`` since ``revision``; gives the number of changes looked at.

        The cost grows with the changes, not with the corpus. ``progress(done, total)`` counts nodes. A store that is not the one of before, or was set back, is taken in from nothing.
        """
        with store.snapshot() as now:
            if (now.store_id, now.revision) == (self.store_id, self.revision):
                return 0
            if now.store_id != self.store_id or now.revision < self.revision:
                self.clear(now.store_id)
            changes = now.changes_since(self.revision)
            touched: list[Key] = [(t.key[0], t.key[1]) for t in changes if len(t.key) == 2]
            revision = now.revision
            nodes: dict[Key, Node] = {}
            for kind in KINDS:
                ids = [id for other, id in touched if other == kind]
                nodes |= {(kind, id): node for id, node in now.get_many(kind, ids).items()}
        for key in touched:
            if key not in nodes and key in self.slots:
                self._remove(key)
        self._put(list(nodes.values()), progress)
        self.revision = revision
        return len(changes)

    def publish(self, root: Path) -> None:
        """Write the corpus as the new current generation under ``root``."""

        def write(folder: Path) -> None:
            for view, index in self.vectors.items():
                (folder / f"vectors-{view}").mkdir()
                index.save(folder / f"vectors-{view}")
            for view, words in self.words.items():
                (folder / f"words-{view}").mkdir()
                words.save(folder / f"words-{view}")
            (folder / "keys.json").write_text(json.dumps(self.keys, ensure_ascii=False), encoding="utf-8")

        counts = {kind: int(self.mask(kind).sum()) for kind in KINDS}
        publish(root, write, self.manifest | {"corpus_revision": self.revision, "counts": counts})
        self._published_revision = self.revision

    def is_stale(self, looked_at: int) -> bool:
        """Whether so much came after the published generation that a new one is worth its writing.

        Changes that are not of nodes count too: they are read again at every start until one is published.
        """
        return self._published_revision < 0 or looked_at > max(_STALE_RECORDS, len(self.slots) // 10)

    def load(self, root: Path, store: Store, *, verify: bool = False) -> None:
        """Begin from the current generation under ``root``; ``catch_up`` then brings the rest.

        Does nothing where there is no generation yet, or only one of another store (the home's was
        replaced): all is taken in anew. Raises ``IndexRefused`` where it does not fit the encoder, the
        segmenter or the rules for texts, or is damaged.
        """
        published = current(root)
        with store.snapshot() as now:
            self.store_id = now.store_id
        if published is None or published.manifest.get("store") != self.store_id:
            return
        generation = open_generation(root, self.manifest, verify=verify)
        folder = generation.folder
        keys = json.loads((folder / "keys.json").read_text(encoding="utf-8"))
        self.keys = [tuple(key) if key else None for key in keys]
        self.slots = {key: slot for slot, key in enumerate(self.keys) if key}
        self._free = [slot for slot, key in enumerate(self.keys) if not key]
        self.vectors = {view: VectorIndex.load(folder / f"vectors-{view}") for view in VECTOR_VIEWS}
        self.words = {view: LexicalIndex.load(folder / f"words-{view}") for view in WORD_VIEWS}
        # Facts are cheap to read and come from the store itself; what changed since the generation
        # is put again by catch_up.
        for node in store.nodes():
            slot = self.slots.get((node.kind, node.id))
            if slot is not None:
                self.facts.put(slot, node)
        self.revision = self._published_revision = int(generation.manifest["corpus_revision"])

    def _put(self, nodes: Sequence[Node], progress: Progress | None) -> None:
        for start in range(0, len(nodes), _BATCH):
            batch = nodes[start : start + _BATCH]
            texts = [node_texts(node) for node in batch]
            encoded = encoded_views(
                self._cache, self.encoder, texts, progress and partial(_told, progress, start, len(nodes))
            )
            slots = [self._slot((node.kind, node.id)) for node in batch]
            for view, index in self.vectors.items():
                index.put(slots, encoded[view])
            for view, words in self.words.items():
                words.put_many(slots, [self.segmenter.terms(getattr(t, view)) for t in texts])
            for slot, node in zip(slots, batch, strict=True):
                self.facts.put(slot, node)

    def _asked(self, node: Node) -> dict[str, NDArray[np.float32]]:
        """Vectors by view of a node that is not stored, remembered for a while."""
        wanted = asked_texts(node)
        known = self.recent.known(wanted.values())
        if len(known) < len(set(wanted.values())):
            encoded = encoded_views(self._cache, self.encoder, [node_texts(node)])
            known = {text: encoded[view][0] for view, text in wanted.items()}
            self.recent.put(known)
        return {view: known[text] for view, text in wanted.items()}

    def _slot(self, key: Key) -> int:
        if key not in self.slots:
            if self._free:
                slot = self._free.pop()
                self.keys[slot] = key
            else:
                slot = len(self.keys)
                self.keys.append(key)
            self.slots[key] = slot
        return self.slots[key]

    def _remove(self, key: Key) -> None:
        slot = self.slots.pop(key)
        self.keys[slot] = None
        self._free.append(slot)
        for view in VECTOR_VIEWS:
            self.vectors[view].remove(slot)
        for view in WORD_VIEWS:
            self.words[view].remove(slot)
        self.facts.remove(slot)


def encoded_views(
    cache: VectorCache,
    encoder: Encoder,
    texts: Sequence[NodeTexts],
    progress: Callable[[int], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Vectors by view, a row a text; ``progress`` is told how many of the nodes are done."""
    views: dict[Side, list[str]] = {}
    for view, side in VECTOR_VIEWS.items():
        views.setdefault(side, []).append(view)
    encoded: dict[str, NDArray[np.float32]] = {}
    for number, (side, names) in enumerate(views.items()):
        flat = [getattr(text, view) for view in names for text in texts]
        start, share = len(texts) * number // len(views), len(texts) // len(views)
        rows = cache.encode(encoder, side, flat, _within(progress, start, share))
        encoded |= {view: rows[i * len(texts) : (i + 1) * len(texts)] for i, view in enumerate(names)}
    return encoded


def encode_ahead(store: Store, cache: VectorCache, encoder: Encoder, since: int) -> tuple[int, bool]:
    """Put into the cache what a corpus at revision ``since`` will look for when it catches up.

    Gives the revision encoded up to, and whether anything that a corpus or a network holds has changed at all.
    """
    with store.snapshot() as now:
        touched = [change.key for change in now.changes_since(since)] if since < now.revision else []
        nodes: list[Node] = []
        for kind in KINDS:
            nodes += now.get_many(
                kind, [key[1] for key in touched if len(key) == 2 and key[0] == kind]
            ).values()
        revision = now.revision
    for start in range(0, len(nodes), _BATCH):
        encoded_views(cache, encoder, [node_texts(node) for node in nodes[start : start + _BATCH]])
    return revision, any(len(key) in (2, 5) for key in touched)


def asked_texts(node: Node) -> dict[str, AskedText]:
    """What has to be encoded of a node that is not stored: side and text of every view."""
    texts = node_texts(node)
    return {view: (side, getattr(texts, view)) for view, side in VECTOR_VIEWS.items()}


def _within(progress: Callable[[int], None] | None, start: int, size: int) -> Progress | None:
    """Progress that counts texts, told on as nodes done: ``start`` and a share of ``size``."""
    if progress is None:
        return None
    return lambda done, total: progress(start + (size * done // total if total else size))


def _told(progress: Progress, start: int, total: int, done: int) -> None:
    progress(start + done, total)


def _spelled(bag: dict[str, int]) -> list[str]:
    return [term for term, times in bag.items() for _ in range(times)]


def keys_at(corpus: Corpus, slots: Iterable[int]) -> list[Key]:
    """The nodes under ``slots``, all of which must be in use."""
    return [key for slot in slots if (key := corpus.keys[slot]) is not None]
