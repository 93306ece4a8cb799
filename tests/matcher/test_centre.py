"""The usual centre of an encoder's vectors: for its own encoder only, and less the larger the corpus."""

import json
from pathlib import Path

import numpy as np
import pytest

from embeddings.embedded import EmbeddedEncoder
from embeddings.segmentation import Segmenter
from embeddings.vector_cache import VectorCache
from graph.resources import resource
from graph.store.store import Store
from matcher.centre import usual_centre
from matcher.corpus import VECTOR_VIEWS, Corpus
from tests.factories import BigramEncoder, make_scene, put


def test_usual_centre_is_that_of_the_embedded_encoder_and_inside_the_unit_ball() -> None:
    found = usual_centre(EmbeddedEncoder())
    assert set(found) == set(VECTOR_VIEWS)
    for row in found.values():
        assert row.shape == (EmbeddedEncoder().dimension,)
        assert 0.5 < float(np.linalg.norm(row)) < 1


def test_another_encoder_has_no_usual_centre() -> None:
    assert usual_centre(BigramEncoder()) == {}
    content = json.loads(resource("ranker", "centre.json").read_text(encoding="utf-8"))
    assert content["encoder"] == EmbeddedEncoder().identity


@pytest.mark.parametrize("nodes", [1, 2, 50])
def test_centre_of_a_corpus_weighs_the_prior_as_a_hundred_nodes(
    store: Store, segmenter: Segmenter, tmp_path: Path, nodes: int
) -> None:
    put(store, *(make_scene(f"CJ-{number}", title=f"第{number}处") for number in range(nodes)))
    encoder = BigramEncoder()
    prior = {"headline": np.full(encoder.dimension, 0.1)}
    corpus = Corpus(encoder, segmenter, VectorCache(tmp_path / "vectors.db"), prior)
    assert corpus.centre("headline") == pytest.approx(prior["headline"])
    corpus.catch_up(store)
    mean = corpus.vectors["headline"].mean()
    assert corpus.centre("headline") == pytest.approx(
        (nodes * mean + 100 * prior["headline"]) / (nodes + 100)
    )
    assert corpus.centre("gist") == pytest.approx(corpus.vectors["gist"].mean())
