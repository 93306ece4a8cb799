import threading
from collections import OrderedDict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embeddings.recent_vectors import AskedText, RecentVectors, Vector

MOST = 3
texts = st.tuples(st.sampled_from(["query", "document"]), st.sampled_from("甲乙丙丁戊"))


def vector(number: int) -> Vector:
    return np.full(2, number, dtype=np.float32)


@given(st.lists(st.tuples(st.booleans(), st.lists(texts, max_size=4, unique=True)), max_size=20))
def test_most_recently_used_are_known(steps: list[tuple[bool, list[AskedText]]]) -> None:
    recent, model = RecentVectors(most=MOST), OrderedDict[AskedText, int]()
    for number, (is_put, some) in enumerate(steps):
        if is_put:
            recent.put({text: vector(number) for text in some})
            for text in some:
                model.pop(text, None)
                model[text] = number
            for text in list(model)[: max(0, len(model) - MOST)]:
                del model[text]
            continue
        found = recent.known(some)
        assert {text: int(one[0]) for text, one in found.items()} == {t: model[t] for t in some if t in model}
        for text in some:
            if text in model:
                model.move_to_end(text)


def test_sides_of_a_text_are_kept_apart() -> None:
    recent = RecentVectors()
    recent.put({("query", "题"): vector(1)})
    assert recent.known([("document", "题")]) == {}


def test_threads_may_share_it() -> None:
    recent, failures = RecentVectors(most=MOST), list[Exception]()

    def use(number: int) -> None:
        try:
            for step in range(2000):
                text: AskedText = ("query", str(step % (MOST + 2)))
                recent.put({text: vector(number)})
                recent.known([text, ("query", "0")])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
