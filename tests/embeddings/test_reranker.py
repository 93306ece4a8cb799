import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.examples import Example
from embeddings.refusal import IndexRefused
from embeddings.reranker import (
    CrossEncoderReranker,
    Reranker,
    RerankerSettings,
    TunedReranker,
    has_learnt,
    read_manifest,
    soft_labels,
    train_reranker,
)

WORDS = ["污泥", "干化", "石墨", "导热", "机器", "电池"]
FAST = RerankerSettings(
    epochs=40,
    learning_rate=3e-3,
    max_tokens=24,
    threads=1,
    bfloat16=False,
    pairs_per_step=18,
    checkpoint_steps=2,
)
# What even so small a model can read off a pair: everybody wants films and nobody machines.
JUDGED = [
    Example(demand=demand, offer=f"{offer}{kind}", level=level, group=demand)
    for demand in WORDS
    for offer in WORDS[:3]
    for kind, level in (("膜", 4), ("机", 1))
]

Train = Callable[..., TunedReranker]


@pytest.fixture(scope="module")
def train(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains on the tiny weights; each call into a folder of its own."""
    pytest.importorskip(
        "sentence_transformers", reason="NOT TESTED: the extra 'transformers' (torch) is not installed"
    )

    def call(examples: list[Example] = JUDGED, **more: Any) -> TunedReranker:
        place = tmp_path_factory.mktemp("reranker")
        arguments: dict[str, Any] = {"settings": FAST, "out": place / "out", "work": place / "work"} | more
        return train_reranker(examples, weights=tiny_weights, **arguments)

    return call


@pytest.fixture(scope="module")
def trained(train: Train) -> TunedReranker:
    return train()


def test_reranker_learns_to_tell_levels_apart(trained: TunedReranker) -> None:
    reranker: Reranker = CrossEncoderReranker(trained.path)
    assert (reranker.max_candidates, reranker.identity) == (
        50,
        f"cross-encoder/{trained.identity}/orders=1/text=1",
    )
    for word in WORDS:
        films, machines = (
            reranker.levels([(word, "电池膜"), (word, "干化膜")]),
            reranker.levels([(word, "电池机"), (word, "干化机")]),
        )
        assert 4 > films.min() > machines.max() + 1 > 2


def test_pair_gets_the_same_level_alone_and_among_others(trained: TunedReranker) -> None:
    reranker = CrossEncoderReranker(trained.path)
    pairs = [
        ("污泥干化", "污泥"),
        ("石墨", "石墨烯导热膜" * 30),
        ("污泥干化", "医用机器人，储能电池"),
        ("电池", "膜"),
    ]
    together = reranker.levels(pairs)
    np.testing.assert_allclose([reranker.levels([pair])[0] for pair in pairs], together, atol=1e-4)
    unclean = [(f"{demand}\n", f"\u200b{offer}") for demand, offer in pairs]
    np.testing.assert_allclose(reranker.levels(unclean[::-1])[::-1], together, atol=1e-4)


def test_both_orders_are_the_mean_of_the_two(trained: TunedReranker) -> None:
    one, both = CrossEncoderReranker(trained.path), CrossEncoderReranker(trained.path, both_orders=True)
    forward, backward = one.levels([("污泥机", "石墨膜")])[0], one.levels([("石墨膜", "污泥机")])[0]
    assert both.levels([("污泥机", "石墨膜")])[0] == pytest.approx((forward + backward) / 2, abs=1e-5)
    assert len({one.identity, both.identity}) == 2


def test_blank_texts_are_not_read_and_too_many_pairs_are_refused(trained: TunedReranker) -> None:
    reranker = CrossEncoderReranker(trained.path, max_candidates=3)
    assert np.isnan(reranker.levels([("", "污泥"), ("\u200b", "石墨")])).all()
    found = reranker.levels([("污泥", "\u200b"), ("污泥", "污泥"), ("污泥", " ")])
    assert np.isnan(found).tolist() == [True, False, True]
    assert reranker.levels([]).shape == (0,)
    with pytest.raises(ValueError, match="4 pairs; at most 3 at once"):
        reranker.levels([("污泥", "石墨")] * 4)


def test_use_is_decided_on_groups_not_trained_on_and_kept_in_the_manifest(train: Train) -> None:
    asked: list[Any] = []

    def use(reranker: Reranker, held_out: frozenset[str]) -> dict[str, Any]:
        asked.append((held_out, float(reranker.levels([("污泥", "石墨膜")])[0])))
        return {"weight": 5.0}

    brief = replace(FAST, epochs=1, held_out=0.34)
    plain, told = train(settings=brief), train(settings=brief, use=use)
    ((held_out, level),) = asked
    manifest = read_manifest(told.path)
    assert (manifest["digest"], manifest["use"]) == (told.identity, {"weight": 5.0})
    assert (plain.use, read_manifest(plain.path)["use"], told.use) == ({}, {}, {"weight": 5.0})
    assert len(held_out) == 2
    assert {word for word in WORDS if has_learnt(manifest, word)} == set(WORDS) - held_out
    assert not has_learnt(manifest, "")
    opened = CrossEncoderReranker(told.path)
    assert opened.levels([("污泥", "石墨膜")])[0] == pytest.approx(level, abs=1e-4)


def test_training_broken_off_while_its_use_is_decided_repeats_no_step(train: Train, tmp_path: Path) -> None:
    brief, steps = replace(FAST, epochs=1, held_out=0.34), list[int]()

    def break_off(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings=brief, work=tmp_path, use=break_off)
    again = train(
        settings=brief, work=tmp_path, resume=True, use=lambda *_: {"weight": 5.0},
        progress=lambda done, *_: steps.append(done),
    )  # fmt: skip
    assert (again.use, steps) == ({"weight": 5.0}, [])
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_same_inputs_and_seed_give_the_same_reranker(train: Train) -> None:
    brief = replace(FAST, epochs=1)
    first = train(settings=brief)
    assert train(JUDGED[::-1], settings=brief).identity == first.identity
    assert train(settings=replace(brief, seed=1)).identity != first.identity


def test_training_broken_off_and_resumed_ends_as_if_it_had_not_been(train: Train, tmp_path: Path) -> None:
    brief = replace(FAST, epochs=3, held_out=0.34)

    def break_off(done: int, total: int, message: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    whole = train(settings=brief)
    with pytest.raises(KeyboardInterrupt):
        train(settings=brief, work=tmp_path, progress=break_off)
    resumed = train(settings=brief, work=tmp_path, resume=True)
    assert (resumed.identity, resumed.trained) == (whole.identity, whole.trained)
    assert resumed.trained.quality is not None


def test_manifest_says_what_the_folder_holds_and_no_text(trained: TunedReranker) -> None:
    manifest = read_manifest(trained.path)
    on_disk = {path.name for path in trained.path.iterdir()}
    assert set(manifest["files"]) == on_disk - {"manifest.json"}
    assert (manifest["digest"], manifest["about"]["examples"]) == (trained.identity, 36)
    assert not any(word in json.dumps(manifest, ensure_ascii=False) for word in WORDS)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "reranker_missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "reranker_damaged"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "reranker_damaged"),
        (lambda folder: replaced(folder / "manifest.json", '"max_tokens": 24', '"max_tokens": 99'), "reranker_damaged"),
        (lambda folder: replaced(folder / "config.json", '"hidden_size": 32', '"hidden_size": 31'), "reranker_damaged"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "reranker_damaged"),
        (lambda folder: (folder / "more.json").write_text("{}"), "reranker_damaged"),
    ],
)  # fmt: skip
def test_folder_that_is_not_as_written_is_refused(
    trained: TunedReranker, tmp_path: Path, damage: Callable[[Path], object], code: str
) -> None:
    for path in trained.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert CrossEncoderReranker(tmp_path).identity == CrossEncoderReranker(trained.path).identity
    damage(tmp_path)
    with pytest.raises(IndexRefused) as refused:
        CrossEncoderReranker(tmp_path)
    assert refused.value.code == code


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_judgements_of_one_level_are_refused(train: Train) -> None:
    with pytest.raises(IndexRefused) as refused:
        train([replace(example, level=3) for example in JUDGED])
    assert refused.value.code == "tuning_examples"


@settings(max_examples=20)
@given(st.lists(st.floats(1, 4), min_size=1, max_size=9), st.floats(0.5, 4))
def test_soft_labels_fall_off_with_the_distance_to_the_level(levels: list[float], sharpness: float) -> None:
    labels = soft_labels(np.array(levels), sharpness)
    np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-6)
    for level, row in zip(levels, labels, strict=True):
        expected = [-sharpness * abs(level - other) for other in range(1, 5)]
        np.testing.assert_allclose(np.diff(np.log(row)), np.diff(expected), atol=1e-3)
