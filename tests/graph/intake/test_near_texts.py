import random
from itertools import combinations

import numpy as np
import pytest

from graph.intake.near_texts import near_pairs

ALPHABET = [chr(0x4E00 + n) for n in range(600)]


def jaccard(left: str, right: str) -> float:
    a, b = ({text[n : n + 3] for n in range(len(text) - 2)} for text in (left, right))
    return len(a & b) / len(a | b) if a | b else 0.0


def varied(seed: int) -> list[str]:
    """Texts of which some are others with a few characters changed, put in or left out."""
    rng = random.Random(seed)
    texts = ["".join(rng.choices(ALPHABET, k=rng.randint(8, 200))) for _ in range(60)]
    for source in rng.sample(texts, 40):
        copy = list(source)
        for _ in range(rng.randint(1, max(1, len(copy) // 20))):
            copy[rng.randrange(len(copy))] = rng.choice(["", "新", "旧旧"])
        texts.append("".join(copy))
    return list(dict.fromkeys(texts))


@pytest.mark.parametrize("seed", range(5))
def test_near_pairs_agree_with_comparing_every_pair(seed: int) -> None:
    texts = varied(seed)
    expected = {
        (i, j): jaccard(texts[i], texts[j])
        for i, j in combinations(range(len(texts)), 2)
        if jaccard(texts[i], texts[j]) >= 0.85
    }
    found = {(i, j): value for i, j, value in near_pairs(texts, [True] * len(texts), 0.85)}
    assert len(expected) > 10
    assert found.items() <= expected.items()
    # A pair just at the threshold is found with probability 0.995, one above it with more.
    assert len(found) >= len(expected) - 1


def test_near_pairs_come_best_first_and_only_with_a_new_text() -> None:
    base = "".join(ALPHABET[:100])
    texts = [base, base + "新", base + "新旧", "另外一段完全不同的文字"]
    assert near_pairs(texts, [False, False, False, False], 0.85) == []
    assert [(i, j) for i, j, _ in near_pairs(texts, [False, False, True, True], 0.85)] == [(1, 2), (0, 2)]


def test_near_pairs_of_short_and_empty_texts_are_none() -> None:
    assert near_pairs(["", "甲", "甲乙", "甲乙丙"], [True] * 4, 0.85) == []
    assert near_pairs([], [], 0.85) == []


def test_near_pairs_stay_few_among_many_that_share_a_frame() -> None:
    frame = (
        "关于征集珠海市重点产业技术需求的通知要求各单位结合实际认真组织填报并于规定时间内报送至市科技创新局联系人"
        * 2
    )
    texts = [f"{frame}{n:06d}" for n in range(3000)]
    found = near_pairs(texts, [True] * len(texts), 0.85)
    # Every text finds neighbours, though only a few each: not all of 4.5 million pairs.
    assert len({i for pair in found for i in pair[:2]}) > 2900
    assert len(found) <= 3000 * 2


def test_near_pairs_are_the_same_whatever_numpy_was_asked_before() -> None:
    texts = varied(9)
    first = near_pairs(texts, [True] * len(texts), 0.85)
    np.random.default_rng(1).random(7)
    assert near_pairs(texts, [True] * len(texts), 0.85) == first
