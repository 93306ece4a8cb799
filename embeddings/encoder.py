"""The promise every encoder keeps, and the one table of encoders that can be opened by name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.embedded import EmbeddedEncoder
from embeddings.refusal import IndexRefused
from embeddings.sentence_transformer import SentenceTransformerEncoder


class Encoder(Protocol):
    """Turns texts into unit vectors; a query and a document may be encoded differently."""

    @property
    def identity(self) -> str:
        """Name, version and settings: equal identities give equal vectors, so indexes pin it."""
        ...

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts that ask; shape ``(len(texts), dimension)``, unit rows.

        A text that is blank after ``clean_text`` gives an all-zero row: its cosine to everything
        is 0.  Any ``str`` is accepted, of any length and content.  The same text gives the same
        vector, alone or among others, to within 1e-5.  Raises ``IndexRefused`` if the encoder
        cannot work.
        """
        ...

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts that are asked about; shape, rows and errors as ``encode_queries``."""
        ...


# By the name and the colon, if something follows it: how to write it, and what opens it.
_ENCODERS: dict[str, tuple[str, Callable[[str], Encoder]]] = {
    "embedded": ("embedded", lambda _: EmbeddedEncoder()),
    "embedded:": ("embedded:适配文件", lambda adapter: EmbeddedEncoder(Path(adapter).expanduser())),
    "sentence-transformers:": (
        "sentence-transformers:模型文件夹或模型名",
        lambda model: SentenceTransformerEncoder(model),
    ),
}


def open_encoder(spec: str) -> Encoder:
    """Return the encoder called ``spec``.

    ``embedded``; ``embedded:ADAPTER`` with an adapter file (``embeddings.adapter``); or
    ``sentence-transformers:MODEL`` with a local folder or a hub name.  Raises ``IndexRefused`` with code
    ``encoder_unknown`` for any other name, and whatever the encoder itself refuses.
    """
    name, separator, rest = spec.partition(":")
    known = _ENCODERS.get(name + separator)
    if known is None or (separator and not rest.strip()):
        choices = "、".join(usage for usage, _ in _ENCODERS.values())
        raise IndexRefused(
            "encoder_unknown",
            f"没有名为“{spec}”的编码器。",
            f"请在以下写法中选择一种：{choices}。",
        )
    return known[1](rest)
