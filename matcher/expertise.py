"""How well an expert's knowledge fits what an entry says: likeness of texts, and a little of the graph."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from embeddings.vector_cache import Progress, VectorCache
from graph.kinds import Expert
from graph.network import Network
from graph.paths import proximity
from graph.store.changes import NodeKey
from matcher.centre import usual_centre
from matcher.review_policy import usual_policy

Vectors = NDArray[np.float32]


def expert_text(expert: Expert) -> str:
    """What is compared of an expert: specialities, position, fields, keywords, summary; empty if it says nothing."""
    parts = (
        expert.specialities, expert.position, "、".join(expert.field), "、".join(expert.keywords), expert.summary
    )  # fmt: skip
    return "。".join(part for part in parts if part)


def likeness(queries: Vectors, documents: Vectors, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of every query (row) with every document (column) after ``mean`` is taken from both, 0..1.

    As ``matcher.features.centred_cosine`` for rows that no index holds: below 0 counts as 0, and so does a blank text
    (a row of nothing).
    """
    a, b = queries.astype(np.float64) - mean, documents.astype(np.float64) - mean
    lengths = np.sqrt((a * a).sum(axis=1))[:, None] * np.sqrt((b * b).sum(axis=1))[None, :]
    said = np.outer(np.asarray(queries.any(axis=1)), np.asarray(documents.any(axis=1)))
    known = (lengths > 1e-6) & said
    products = np.array([(b * row).sum(axis=1) for row in a]).reshape(len(a), len(b))
    cosines = np.divide(products, lengths, where=known, out=np.zeros_like(products))
    return np.asarray(np.clip(cosines, 0.0, 1.0), dtype=np.float64)


def closeness(
    network: Network, subjects: Sequence[Sequence[NodeKey]], experts: Sequence[NodeKey | None]
) -> NDArray[np.float64]:
    """Of every subject (row) the nearness in the graph of its nearest node to every expert (column), 0..1."""
    found = np.zeros((len(subjects), len(experts)))
    known = [key for key in experts if key is not None]
    for row, keys in enumerate(subjects):
        for key in keys:
            near = proximity(network, key, known)
            values = [near.get(expert, 0.0) if expert is not None else 0.0 for expert in experts]
            found[row] = np.maximum(found[row], values)
    return found


def blended(texts: NDArray[np.float64], graph: NDArray[np.float64], share: Decimal) -> NDArray[np.float64]:
    """Fits, 0..1: ``share`` of the graph and the rest of the texts, to a millionth so that equal ones tie."""
    part = float(share)
    return np.round((1 - part) * texts + part * graph, 6)


def fits_of(
    encoder: Encoder,
    cache: VectorCache,
    network: Network,
    bids: Sequence[tuple[str, Sequence[NodeKey]]],
    experts: Sequence[Expert],
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """How well each expert (column) fits each bid (row: its text and the nodes it offers), by the policy's shares."""
    asked = cache.encode(encoder, "query", [text for text, _ in bids], progress)
    known = cache.encode(encoder, "document", [expert_text(one) for one in experts], progress)
    prior = usual_centre(encoder)
    mean = prior["gist"] if prior else known.astype(np.float64).mean(axis=0)
    near = closeness(network, [about for _, about in bids], [("expert", one.id) for one in experts])
    return blended(likeness(asked, known, mean), near, usual_policy().proximity)
