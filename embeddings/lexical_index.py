"""Exact BM25 over integer slots that stays exact under every put and remove.

BM25 after Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009),
with the idf of Lucene, which is never negative:

    idf(t)      = ln(1 + (N - df + 0.5) / (df + 0.5))
    score(q, d) = sum over t in q of  qtf * idf * tf / (tf + k1 * (1 - b + b * length / average))

N counts every stored document, also one without terms; a term's part never exceeds qtf * idf.
df is the length of the term's posting row and the average is a quotient of two integers, so the
statistics have no history.  Sums run in the order of the sorted terms, so scores have none either:
an index after any puts and removes answers bit for bit like one filled anew.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.array_files import grown
from embeddings.ragged_rows import RaggedRows
from embeddings.refusal import IndexRefused
from embeddings.selection import allowed_slots, best_slots

_FORMAT = 1
# Postings scored at a time: few enough for their arrays to stay in the processor's cache.
_SCORED = 16_384
_BULK = 4096  # documents taken in at a time: bounds the Python objects alive during a bulk load


class LexicalIndex:
    """One field of text as bags of terms, by slot (an integer from 0, chosen by the caller).

    ``put`` is amortised O(terms of the document), ``remove`` reads the postings of its terms once.
    Arrays by slot have ``capacity`` entries: the greatest slot ever put, plus one.  Many threads
    may read at once; a writer needs the index for itself.
    """

    def __init__(self, *, k1: float = 1.2, b: float = 0.75) -> None:
        """Begin empty.  ``k1`` ≥ 0: how slowly repetition saturates; ``b`` in 0..1: how much
        length counts against a document.  Raises ``ValueError`` outside these ranges.
        """
        if k1 < 0 or not 0 <= b <= 1:
            raise ValueError("k1 must not be negative and b must lie in 0..1")
        self._k1, self._b = k1, b
        self._ids: dict[str, int] = {}
        self._terms: list[str] = []
        self._postings = RaggedRows()  # by term: slots and term frequencies
        self._documents = RaggedRows()  # by slot: terms, in their own order, and frequencies
        self._lengths = np.zeros(0, dtype=np.int64)  # by slot: number of terms, -1 if absent
        self._capacity = 0
        self._count = 0
        self._total_length = 0
        self._norms: NDArray[np.float64] | None = None  # of the present statistics

    def __len__(self) -> int:
        """Return N, the number of documents."""
        return self._count

    @property
    def capacity(self) -> int:
        """Length of arrays by slot."""
        return self._capacity

    @property
    def average_length(self) -> float:
        """Mean number of terms per document; 0 without documents."""
        return self._total_length / self._count if self._count else 0.0

    def __contains__(self, slot: int) -> bool:
        """Return whether a document is stored under ``slot``."""
        return 0 <= slot < self._capacity and bool(self._lengths[slot] >= 0)

    def put(self, slot: int, terms: Sequence[str]) -> None:
        """Store a document, in place of any other under ``slot``.

        Raises ``ValueError`` for a negative slot, an empty term or one with a line break.
        """
        self.put_many([slot], [terms])

    def put_many(self, slots: Sequence[int], documents: Sequence[Sequence[str]]) -> None:
        """Do the same as ``put`` for each, faster.  Slots must be distinct (``ValueError``)."""
        if len(slots) != len(documents) or len(set(slots)) != len(slots):
            raise ValueError("one document per slot and every slot once")
        if any(slot < 0 for slot in slots):
            raise ValueError("slots must not be negative")
        _refuse_unusable(documents)
        for start in range(0, len(slots), _BULK):
            part = slice(start, start + _BULK)
            bags = [sorted(Counter(terms).items()) for terms in documents[part]]
            self._put(slots[part], bags)

    def remove(self, slot: int) -> None:
        """Forget the document under ``slot``.  Raises ``KeyError`` if there is none."""
        if slot not in self:
            raise KeyError(slot)
        for term in self._documents.row(slot)[0]:
            self._postings.remove(int(term), slot)
        self._documents.clear(slot)
        self._total_length -= int(self._lengths[slot])
        self._lengths[slot] = -1
        self._count -= 1
        self._norms = None

    def document_frequency(self, term: str) -> int:
        """Return in how many documents ``term`` stands."""
        number = self._ids.get(term)
        return 0 if number is None else self._postings.length(number)

    def idf(self, term: str) -> float:
        """Return the inverse document frequency, > 0; greatest for a term in no document."""
        frequency = self.document_frequency(term)
        return math.log(1 + (self._count - frequency + 0.5) / (frequency + 0.5))

    def terms_of(self, slot: int) -> dict[str, int]:
        """Return the document's terms, sorted, with their frequencies; KeyError if absent."""
        if slot not in self:
            raise KeyError(slot)
        numbers, counts = self._documents.row(slot)
        return {self._terms[n]: int(c) for n, c in zip(numbers, counts, strict=True)}

    def scores(self, query_terms: Sequence[str]) -> NDArray[np.float64]:
        """Return BM25 by slot, length ``capacity``, ≥ 0; 0 where absent or without a match."""
        numbers, weights = self._known_weights(query_terms)
        norms = self._length_norms()
        scores = np.zeros(self._capacity)
        for part in _batches([self._postings.length(number) for number in numbers]):
            slots, counts, lengths = self._postings.gather(numbers[part])
            where, frequency = slots.astype(np.intp), counts.astype(np.float64)
            parts = norms.take(where)
            parts += frequency
            np.divide(frequency, parts, out=parts)
            parts *= np.repeat(weights[part], lengths)
            np.add.at(scores, where, parts)  # one by one and in order, unlike a sum by groups
        return scores

    def search(
        self, query_terms: Sequence[str], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return slots and scores of the ``k`` best with a score above 0, greatest first.

        ``allowed`` is a mask by slot; slots beyond its end are not allowed.  Ties go to the
        smaller slot.
        """
        scores = self.scores(query_terms)
        mask = allowed_slots(allowed, self._capacity)
        return best_slots(scores if mask is None else scores * mask, k, 0.0)

    def contributions(self, query_terms: Sequence[str], slot: int) -> dict[str, float]:
        """Return each matching term's part of the score; added up in order they give it exactly.

        Raises ``KeyError`` if ``slot`` is absent.
        """
        terms = self.terms_of(slot)
        norm = float(self._length_norms()[slot])
        return {
            term: terms[term] / (terms[term] + norm) * (times * self.idf(term))
            for term, times in sorted(Counter(query_terms).items())
            if term in terms
        }

    def self_score(self, query_terms: Sequence[str]) -> float:
        """Return the sum of qtf * idf: the bound no document's score can pass, to normalise by.

        Terms in no document count too: asking for what nobody has lowers everyone's share.
        """
        return sum(times * self.idf(term) for term, times in sorted(Counter(query_terms).items()))

    def coverage(
        self, query_terms: Sequence[str], slots: Sequence[int] | NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return for each of ``slots`` the share of the query's idf mass that it contains, 0..1.

        Repetition does not count, in query or document.  0 for an absent slot or an empty query.
        """
        mass = self._by_number({term: self.idf(term) for term in sorted(set(query_terms))})
        total = sum(self.idf(term) for term in sorted(set(query_terms)))
        if not total:
            return np.zeros(len(slots))
        numbers, _, lengths = self._documents.gather(slots)
        rows = np.repeat(np.arange(len(slots)), lengths)
        present = np.bincount(rows, mass[numbers], minlength=len(slots))
        return np.minimum(present / total, 1.0)

    def tfidf_cosine(
        self, query_terms: Sequence[str], slots: Sequence[int] | NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return for each of ``slots`` the cosine of its TF-IDF vector to the query's, 0..1.

        Weights are (1 + ln tf) * idf on both sides.  0 for an absent slot or an empty side.
        """
        query = {
            term: (1 + math.log(times)) * self.idf(term)
            for term, times in sorted(Counter(query_terms).items())
        }
        numbers, counts, lengths = self._documents.gather(slots)
        rows = np.repeat(np.arange(len(slots)), lengths)
        frequency = self._postings.lengths(numbers)
        idf = np.log(1 + (self._count - frequency + 0.5) / (frequency + 0.5))
        weights = (1 + np.log(counts.astype(np.float64))) * idf
        # bincount adds in order, one by one: the same sum whatever stands before and after.
        dots = np.bincount(rows, weights * self._by_number(query)[numbers], minlength=len(slots))
        squares = np.bincount(rows, weights * weights, minlength=len(slots))
        norms = np.sqrt(squares * sum(weight * weight for weight in query.values()))
        cosines = np.divide(dots, norms, out=np.zeros(len(slots)), where=norms > 0)
        capped: NDArray[np.float64] = np.minimum(cosines, 1.0)
        return capped

    def save(self, folder: Path) -> None:
        """Write the index into ``folder``, which must exist; equal contents give equal bytes.

        Terms are renumbered in their sorted order and those of removed documents are dropped.
        """
        used = (n for n in range(len(self._terms)) if self._postings.length(n))
        order = np.array(sorted(used, key=self._terms.__getitem__), dtype=np.int64)
        slots, counts, lengths = self._postings.gather(order)
        by_slot = np.lexsort((slots, np.repeat(np.arange(len(order)), lengths)))
        postings = RaggedRows.of(slots[by_slot], counts[by_slot], lengths)
        postings.save(folder, "postings", spare=True)
        numbers, counts, lengths = self._documents.gather(np.arange(self._capacity))
        renumbered = np.zeros(len(self._terms), dtype=np.int32)
        renumbered[order] = np.arange(len(order))
        documents = RaggedRows.of(renumbered[numbers], counts, lengths)
        documents.save(folder, "documents", spare=False)
        np.save(folder / "lengths.npy", self._lengths[: self._capacity], allow_pickle=False)
        text = "".join(self._terms[number] + "\n" for number in order)
        (folder / "terms.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
        parameters = {"format": _FORMAT, "k1": self._k1, "b": self._b}
        (folder / "lexical.json").write_text(json.dumps(parameters), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Map what ``save`` wrote; later changes stay in memory.

        Raises ``IndexRefused`` with code ``index_damaged`` if the files do not fit together.
        """
        try:
            return cls._load(folder)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise IndexRefused(
                "index_damaged",
                f"词语索引“{folder.name}”无法载入（{error}）。",
                "请运行 jiebang index rebuild 重建索引。",
            ) from error

    @classmethod
    def _load(cls, folder: Path) -> "LexicalIndex":
        parameters = json.loads((folder / "lexical.json").read_text(encoding="utf-8"))
        if parameters["format"] != _FORMAT:
            raise ValueError(f"format {parameters['format']} is not {_FORMAT}")
        index = cls(k1=parameters["k1"], b=parameters["b"])
        text = (folder / "terms.txt").read_bytes().decode("utf-8", "surrogatepass")
        index._terms = text.split("\n")[:-1]
        index._ids = dict(zip(index._terms, range(len(index._terms)), strict=True))
        index._postings = RaggedRows.load(folder, "postings")
        index._documents = RaggedRows.load(folder, "documents")
        index._lengths = np.load(folder / "lengths.npy", allow_pickle=False)
        index._capacity = len(index._lengths)
        stored = index._lengths[index._lengths >= 0]
        index._count, index._total_length = len(stored), int(stored.sum())
        if len(index._postings) != len(index._terms) or len(index._documents) != index._capacity:
            raise ValueError("terms, documents and postings do not belong together")
        return index

    def _put(self, slots: Sequence[int], bags: list[list[tuple[str, int]]]) -> None:
        for slot in slots:
            if slot in self:
                self.remove(slot)
        self._ensure_capacity(max(slots) + 1)
        numbers = np.array([self._number(term) for bag in bags for term, _ in bag], dtype=np.int64)
        counts = np.array([count for bag in bags for _, count in bag], dtype=np.int64)
        rows = np.repeat(np.asarray(slots, dtype=np.int64), [len(bag) for bag in bags])
        self._documents.append(rows, numbers, counts)
        self._postings.ensure_rows(len(self._terms))
        by_term = np.argsort(numbers, kind="stable")
        self._postings.append(numbers[by_term], rows[by_term], counts[by_term])
        lengths = [sum(count for _, count in bag) for bag in bags]
        self._lengths[np.asarray(slots, dtype=np.int64)] = lengths
        self._total_length += sum(lengths)
        self._count += len(bags)
        self._norms = None

    def _ensure_capacity(self, capacity: int) -> None:
        if capacity > len(self._lengths):
            old = len(self._lengths)
            self._lengths = grown(self._lengths, max(capacity, 2 * old))
            self._lengths[old:] = -1
        self._capacity = max(self._capacity, capacity)
        self._documents.ensure_rows(self._capacity)

    def _number(self, term: str) -> int:
        number = self._ids.get(term)
        if number is None:
            number = self._ids[term] = len(self._terms)
            self._terms.append(term)
        return number

    def _known_weights(self, query_terms: Sequence[str]) -> tuple[list[int], list[float]]:
        """Return numbers and weights (qtf * idf) of the terms that stand in some document."""
        known = [
            (self._ids[term], times * self.idf(term))
            for term, times in sorted(Counter(query_terms).items())
            if self.document_frequency(term)
        ]
        return [number for number, _ in known], [weight for _, weight in known]

    def _by_number(self, weights: dict[str, float]) -> NDArray[np.float64]:
        """Return ``weights`` as an array by term number, 0 elsewhere."""
        array = np.zeros(len(self._terms))
        for term, weight in weights.items():
            if term in self._ids:
                array[self._ids[term]] = weight
        return array

    def _length_norms(self) -> NDArray[np.float64]:
        """Return k1 * (1 - b + b * length / average) by slot; meaningless where absent."""
        if self._norms is None:
            relative = self._lengths[: self._capacity] / (self.average_length or 1.0)
            self._norms = self._k1 * (1 - self._b + self._b * relative)
        return self._norms


def _refuse_unusable(documents: Sequence[Sequence[str]]) -> None:
    for terms in documents:
        for term in terms:
            if not term or "\n" in term:
                raise ValueError("a term must not be empty or contain a line break")


def _batches(lengths: list[int]) -> Iterator[slice]:
    """Cut rows of these lengths into runs of at most ``_SCORED`` postings, or of one row."""
    start = total = 0
    for position, length in enumerate(lengths):
        if position > start and total + length > _SCORED:
            yield slice(start, position)
            start, total = position, 0
        total += length
    if start < len(lengths):
        yield slice(start, len(lengths))
