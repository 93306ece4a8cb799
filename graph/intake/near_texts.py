"""Finds texts that are nearly the same, in time linear in their number.

MinHash over character 3-grams with banding (Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", ch. 3), then the exact Jaccard of the candidates. With 9 bands of 5 a pair at Jaccard 0.85 is
found with probability 0.995, at 0.9 with 0.9998.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

GRAM = 3
BANDS, ROWS = 9, 5
# Of an equal-band bucket every text meets its next neighbours and the first one, and of its candidates only
# the likeliest are compared word by word: many texts in one frame stay linear.
NEIGHBOURS = 7
COMPARED = 2
TEXT_LIMIT = 400
# A share of 45 hashes estimates a Jaccard of 0.85 with a standard deviation of 0.053; of 0.9, with 0.045.
_ESTIMATE_MARGIN = 0.13
_CHUNK = 200_000
_TABLE_BITS = 22
_SEED = 20250113
# Odd, and close to 2**64 over the golden ratio: multiplying by it spreads neighbours apart (Knuth, TAOCP 6.4).
_MIX = np.uint64(0x9E3779B97F4A7C15)

Codes = NDArray[np.uint64]
Signatures = NDArray[np.uint32]


def near_pairs(
    texts: Sequence[str], is_new: Sequence[bool], threshold: float
) -> list[tuple[int, int, float]]:
    """Pairs (i < j) of texts with Jaccard >= ``threshold`` of which at least one is new, best first.

    Only the first 400 characters count; texts of under 3 characters match nothing. Texts should differ.
    Among many that are alike each text is paired with its nearest few only.
    """
    short = [text[:TEXT_LIMIT] for text in texts]
    new = np.asarray(is_new, dtype=bool)
    places = _worth_comparing(short, new, threshold)
    if len(places) < 2:
        return []
    signatures = _signatures([short[n] for n in places])
    found = []
    for left, right in _candidates(signatures, new[places], threshold - _ESTIMATE_MARGIN):
        i, j = int(places[left]), int(places[right])
        jaccard = _jaccard(short[i], short[j])
        if jaccard >= threshold:
            found.append((i, j, jaccard))
    return sorted(found, key=lambda pair: (-pair[2], pair[0], pair[1]))


def _jaccard(left: str, right: str) -> float:
    one, other = ({text[n : n + GRAM] for n in range(len(text) - GRAM + 1)} for text in (left, right))
    return len(one & other) / len(one | other)


def _worth_comparing(texts: list[str], new: NDArray[np.bool_], threshold: float) -> NDArray[np.int64]:
    """The places of the new texts, and of the others that could reach the threshold with one of them.

    |A ∩ B| >= t |A ∪ B| >= t |B|: such a B has that share of its grams among those of the new texts.
    """
    table = np.zeros(1 << _TABLE_BITS, dtype=bool)
    for _, codes, _ in _chunks([text for text, is_new in zip(texts, new, strict=True) if is_new]):
        table[_slots(codes)] = True
    keep = new.copy()
    for first, codes, starts in _chunks(texts):
        known = np.concatenate(([0], np.cumsum(table[_slots(codes)])))
        shared, total = np.diff(known[starts]), np.diff(starts)
        keep[first : first + len(total)] |= shared >= threshold * total
    lengths = np.fromiter((len(text) for text in texts), dtype=np.int64, count=len(texts))
    return np.flatnonzero(keep & (lengths >= GRAM) & new.any())


def _slots(codes: Codes) -> NDArray[np.int64]:
    return ((codes * _MIX) >> np.uint64(64 - _TABLE_BITS)).astype(np.int64)


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, Codes, NDArray[np.int64]]]:
    """The texts a few at a time: place of the first, gram codes of all, and where each text's begin and end."""
    first = 0
    while first < len(texts):
        last, size = first, 0
        while last < len(texts) and size < _CHUNK:
            size += len(texts[last])
            last += 1
        yield (first, *_grams(texts[first:last]))
        first = last


def _grams(texts: Sequence[str]) -> tuple[Codes, NDArray[np.int64]]:
    points = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    lengths = np.fromiter((len(text) for text in texts), dtype=np.int64, count=len(texts))
    counts = np.maximum(lengths - GRAM + 1, 0)
    starts = np.concatenate(([0], np.cumsum(counts)))
    shift = np.cumsum(lengths) - lengths - starts[:-1]
    place = np.arange(int(starts[-1])) + np.repeat(shift, counts)
    # A code point needs 21 bits, so three of them fill 63: the code is the gram itself, without collisions.
    return (points[place] << np.uint64(42)) | (points[place + 1] << np.uint64(21)) | points[place + 2], starts


def _signatures(texts: Sequence[str]) -> Signatures:
    """MinHash signatures (texts x 45) of texts with at least one gram each."""
    rng = np.random.default_rng(_SEED)
    factors = rng.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    offsets = rng.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64)
    signatures = np.empty((len(texts), BANDS * ROWS), dtype=np.uint32)
    for first, codes, starts in _chunks(texts):
        mixed = codes ^ (codes >> np.uint64(29))
        rows = slice(first, first + len(starts) - 1)
        for k in range(BANDS * ROWS):
            hashed = ((mixed * factors[k] + offsets[k]) >> np.uint64(32)).astype(np.uint32)
            signatures[rows, k] = np.minimum.reduceat(hashed, starts[:-1])
    return signatures


def _candidates(signatures: Signatures, new: NDArray[np.bool_], least: float) -> Iterator[tuple[int, int]]:
    """Pairs (i < j) that share a band and are estimated at ``least`` or more, the likeliest of each text."""
    total = len(signatures)
    found = []
    for band in range(BANDS):
        # One number for the five of a band; if two bands ever share it, comparing the texts sets it right.
        bucket = np.zeros(total, dtype=np.uint64)
        for column in range(band * ROWS, (band + 1) * ROWS):
            bucket = (bucket ^ signatures[:, column]) * _MIX
        order = np.argsort(bucket, kind="stable")
        ordered = bucket[order]
        found.append(_keys(order[np.searchsorted(ordered, ordered)], order, new))
        for step in range(1, NEIGHBOURS + 1):
            same = ordered[step:] == ordered[:-step]
            found.append(_keys(order[:-step][same], order[step:][same], new))
    keys = np.unique(np.concatenate(found))
    pairs = np.stack((keys // total, keys % total), axis=1)
    alike = np.zeros(len(pairs), dtype=np.int64)
    for column in range(BANDS * ROWS):
        alike += signatures[pairs[:, 0], column] == signatures[pairs[:, 1], column]
    taken = np.zeros(len(signatures), dtype=np.int64)
    for n in np.argsort(-alike, kind="stable").tolist():
        i, j = int(pairs[n, 0]), int(pairs[n, 1])
        if alike[n] < least * BANDS * ROWS:
            return
        if taken[i] < COMPARED or taken[j] < COMPARED:
            taken[i] += 1
            taken[j] += 1
            yield i, j


def _keys(left: NDArray[np.int64], right: NDArray[np.int64], new: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pairs as single numbers (i * texts + j, i < j), without those of a text and itself or of two known texts."""
    wanted = (left != right) & (new[left] | new[right])
    left, right = left[wanted], right[wanted]
    return np.minimum(left, right) * len(new) + np.maximum(left, right)
