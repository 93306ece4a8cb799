"""The contract of every encoder, run on each implementation."""

import numpy as np
import pytest

from embeddings.encoder import Encoder, open_encoder
from embeddings.refusal import IndexRefused

TEXTS = [
    "高镍三元正极材料的制备与评价",
    "城市污泥低温干化技术",
    "城市污泥低温干化技术",
    "",
    "\u3000\x00\u200b",
    "emoji 😀👩\u200d🔬 与 PM2.5",
    "孤立代理\ud83d字符",
]


@pytest.fixture(scope="module", params=["tiny", "embedded", "sentence-transformers"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    if request.param == "tiny":
        tiny: Encoder = request.getfixturevalue("tiny_encoder")
        return tiny
    if request.param == "embedded":
        return open_encoder("embedded")
    return open_encoder(f"sentence-transformers:{request.getfixturevalue('model_folder')}")


def test_encoder_gives_unit_rows_and_zero_rows_for_blank_texts(encoder: Encoder) -> None:
    for encode in (encoder.encode_queries, encoder.encode_documents):
        rows = encode(TEXTS)
        assert (rows.shape, rows.dtype) == ((len(TEXTS), encoder.dimension), np.dtype(np.float32))
        lengths = np.linalg.norm(rows, axis=1)
        np.testing.assert_allclose(lengths, [1, 1, 1, 0, 0, 1, 1], atol=1e-5)


def test_encoder_gives_no_rows_for_no_texts(encoder: Encoder) -> None:
    assert encoder.encode_queries([]).shape == (0, encoder.dimension)
    assert encoder.encode_documents(()).shape == (0, encoder.dimension)


def test_encoder_gives_a_text_the_same_vector_alone_and_among_others(encoder: Encoder) -> None:
    together = encoder.encode_documents(TEXTS)
    alone = np.concatenate([encoder.encode_documents([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(together[1], together[2])


def test_encoder_tells_queries_from_documents(encoder: Encoder) -> None:
    query, document = encoder.encode_queries(TEXTS[:1]), encoder.encode_documents(TEXTS[:1])
    assert not np.allclose(query, document, atol=1e-3)


def test_encoder_sees_clean_text(encoder: Encoder) -> None:
    np.testing.assert_array_equal(
        encoder.encode_queries(["ＰＭ２．５\u200b\x00 治理\n"]), encoder.encode_queries(["PM2.5 治理"])
    )


def test_encoder_has_a_stable_identity(encoder: Encoder) -> None:
    assert encoder.identity
    assert encoder.identity == encoder.identity.strip()


def test_open_encoder_opens_twice_with_one_identity() -> None:
    assert open_encoder("embedded").identity == open_encoder("embedded").identity


@pytest.mark.parametrize(
    "spec",
    ["", "e5", "Embedded", "embedded:", "embedded: ", "sentence-transformers", "sentence-transformers: "],
)
def test_open_encoder_lists_what_there_is_for_an_unknown_name(spec: str) -> None:
    with pytest.raises(IndexRefused) as refused:
        open_encoder(spec)
    assert refused.value.code == "encoder_unknown"
    assert refused.value.message == f"没有名为“{spec}”的编码器。"
    assert refused.value.remedy == (
        "请在以下写法中选择一种：embedded、embedded:适配文件、sentence-transformers:模型文件夹或模型名。"
    )
