"""Any model of sentence-transformers as encoder: a local folder or a name on the hub.

Needs the extra ``transformers`` (torch).  Nothing is downloaded if the model is a folder or
already in the local cache of the hub.
"""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.refusal import IndexRefused
from embeddings.unit_rows import unit_rows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Bounds the tokenizer's work; the model itself cuts at its own number of tokens.
_MAX_CHARACTERS = 2000


class SentenceTransformerEncoder:
    """A sentence-transformers model with its own prompts for queries and documents, if it has any.

    Loads the model at once (torch takes seconds).  One text at a time or many give vectors equal
    to about 1e-6, not to the bit: the order of sums depends on the padding of a batch.
    """

    def __init__(self, model: str) -> None:
        """Load the folder or hub name ``model``.

        Raises ``IndexRefused``: ``encoder_missing`` if the extra is not installed,
        ``encoder_model`` if there is no such model or it cannot be read.
        """
        self._model = _load(model)
        dimension = self._model.get_embedding_dimension()
        if not dimension:
            raise _not_a_model(model, "模型没有说明向量维数")
        self._dimension = int(dimension)
        name = Path(model).name
        self._identity = (
            f"sentence-transformers/{name}/{_content_digest(self._model)}/characters={_MAX_CHARACTERS}/text=1"
        )
        self._lock = threading.Lock()  # the tokenizers behind it refuse concurrent use

    @property
    def identity(self) -> str:
        """The model's name and a digest of weights, tokenizer, modules and prompts.

        The folder's place does not count, so that an index can move with its model.
        """
        return self._identity

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._dimension

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts that ask; see ``Encoder``."""
        return unit_rows(texts, self._dimension, _MAX_CHARACTERS, self._encode_queries)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts that are asked about; see ``Encoder``."""
        return unit_rows(texts, self._dimension, _MAX_CHARACTERS, self._encode_documents)

    def _encode_queries(self, clean: list[str]) -> NDArray[np.float32]:
        with self._lock:
            rows = self._model.encode_query(clean, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(rows, dtype=np.float32)

    def _encode_documents(self, clean: list[str]) -> NDArray[np.float32]:
        with self._lock:
            rows = self._model.encode_document(clean, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(rows, dtype=np.float32)


def _load(model: str) -> "SentenceTransformer":
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise IndexRefused(
            "encoder_missing",
            f"未安装 sentence-transformers，无法使用编码器“{model}”。",
            '请安装：pip install "jiebang[transformers]"，或改用内置编码器 embedded。',
        ) from error
    if Path(model).is_file():
        raise _not_a_model(model, "这是一个文件，不是模型文件夹")
    try:
        try:
            return SentenceTransformer(model, local_files_only=True)
        except OSError:
            if Path(model).exists() or Path(model).is_absolute():
                raise
            return SentenceTransformer(model)  # a hub name not in the local cache yet
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise _not_a_model(model, str(error).splitlines()[0] if str(error) else "") from error


def _content_digest(model: "SentenceTransformer") -> str:
    """Return a digest of everything that decides the vectors; half a second for 470 MB."""
    import torch

    digest = hashlib.blake2b(digest_size=12)
    for name, tensor in sorted(model.state_dict().items()):
        if ".pooler." in name:  # not used by any module here, and random if the model lacks it
            continue
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.flatten().view(torch.uint8).numpy())
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    tokenizer = backend.to_str() if backend is not None else repr(model.tokenizer)
    for part in (tokenizer, repr(model), repr(sorted(model.prompts.items()))):
        digest.update(part.encode())
    return digest.hexdigest()


def _not_a_model(model: str, reason: str) -> IndexRefused:
    return IndexRefused(
        "encoder_model",
        f"“{model}”不是可用的 sentence-transformers 模型（{reason}）。",
        "请给出完整的模型文件夹；无网络时不能使用尚未下载的模型名。",
    )
