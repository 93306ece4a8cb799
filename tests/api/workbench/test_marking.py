"""The grading sheet: an expert grades what is hers and learns nothing of anybody else."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.workbench.mark_drafts import MarkDraft
from matcher.review_processes import Review
from tests.api.conftest import Served
from tests.api.workbench.conftest import Person, make_user
from tests.api.workbench.task_board import MARKING, NOTICE, boarded

FULL = {"技术方案与创新性": "36.5", "指标响应": "20", "团队与条件": "18", "报价与效益": "12"}


@pytest.fixture(scope="module")
def _boarded(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boarded(_indexed, tmp_path_factory.mktemp("board"))


@pytest.fixture
def indexed(home: Path, _boarded: Path) -> Path:
    """The world with a board of tasks."""
    shutil.copytree(_boarded, home)
    return home


@pytest.fixture
def expert(served: Served) -> Iterator[Person]:
    """The last of the panel, one bid of which somebody else reads alone."""
    review = served.store.process(Review, MARKING)
    who = sorted(review.experts)[-1]
    others = next(iter(review.readers))
    from graph.store.changes import PutProcess
    from tests.factories import NOON

    readers = review.readers | {others: tuple(one for one in review.readers[others] if one != who)}
    served.store.apply([PutProcess(process=review.model_copy(update={"readers": readers}))], actor="程某", at=NOON, reason="")  # fmt: skip
    make_user(served.store, "expert", expert=who)
    person = Person(served, "expert")
    assert person.sign_in().status_code == 303
    yield person
    person.client.close()


def _fields(**changes: str) -> dict[str, str]:
    return {f"mark:{name}": value for name, value in (FULL | changes).items()}


def _mine(store: Any) -> tuple[Review, str, list[str], list[str]]:
    review = store.process(Review, MARKING)
    who = sorted(review.experts)[-1]
    hers = sorted(entry for entry, readers in review.readers.items() if who in readers)
    return review, who, hers, sorted(review.readers.keys() - set(hers))


def test_an_expert_sees_only_what_is_assigned_and_no_other_name_or_mark(
    expert: Person, served: Served
) -> None:
    review, who, hers, others = _mine(served.store)
    assert len(hers) == 2
    assert others
    pages = ["/", f"/marking/{MARKING}", *(f"/marking/{MARKING}/{bid}" for bid in hers)]
    sources = "".join(expert.get(path).text for path in pages)
    hidden = [name for id, name in review.experts.items() if id != who] + [
        id for id in review.experts if id != who
    ]
    hidden += [*others] + [review.entries[bid] for bid in others] + ["续航论证不足"]
    assert [word for word in hidden if word in sources] == []
    assert f"/marking/{MARKING}" in expert.get("/").text
    for path in (f"/marking/{MARKING}/{others[0]}", f"/marking/{NOTICE}", "/marking/BD-2026-999"):
        assert expert.get(path).status_code == 404
    for path in (
        "/tasks",
        f"/tasks/{MARKING}",
        f"/tasks/{MARKING}/ranking",
        "/cases",
        "/records/expert",
        "/match",
    ):
        assert expert.get(path).status_code == 403
    refused = expert.send(
        f"/marking/{MARKING}/{others[0]}", "/account/password", _fields() | {"do": "submit"}
    )
    assert refused.status_code == 404
    assert served.store.process(Review, MARKING) == review


def test_a_sheet_is_put_aside_then_handed_in_and_counts_only_then(expert: Person, served: Served) -> None:
    before, who, hers, _ = _mine(served.store)
    place = f"/marking/{MARKING}/{hers[0]}"
    saved = expert.send(
        place, place, _fields(**{"报价与效益": "还没想好"}) | {"remark": "<i>写到一半</i>", "do": "save"}
    )
    assert (saved.status_code, saved.headers["location"]) == (303, place)
    assert served.store.process(Review, MARKING) == before
    text = expert.get(place).text
    assert "草稿，还没有提交" in text
    assert "还没想好" in text
    assert "&lt;i&gt;写到一半&lt;/i&gt;" in text
    assert "◐ 草稿" in expert.get(f"/marking/{MARKING}").text
    wrong = expert.send(place, place, _fields(**{"指标响应": "26"}) | {"do": "submit", "remark": "留下来"})
    assert wrong.status_code == 422
    assert "超出 0 到 25" in wrong.text
    assert "留下来" in wrong.text
    blank = expert.send(place, place, _fields(**{"指标响应": ""}) | {"do": "submit"})
    assert "没有填“指标响应”" in blank.text
    assert served.store.process(Review, MARKING) == before
    handed = expert.send(place, place, _fields() | {"remark": "方案完整", "do": "submit"})
    assert (handed.status_code, handed.headers["location"]) == (303, f"/marking/{MARKING}")
    (mark,) = [one for one in served.store.process(Review, MARKING).marks if one.expert == who]
    assert (mark.entry, mark.marks, mark.remark) == (hers[0], FULL, "方案完整")
    assert [(one.state, one.typed) for one in served.store.processes(MarkDraft)] == [("handed_in", {})]
    text = expert.get(f"/marking/{MARKING}").text
    assert "✓ 已提交" in text
    assert "86.5" in text
    again = expert.send(place, place, _fields(**{"指标响应": "21"}) | {"do": "submit"})
    assert again.status_code == 303
    (mark,) = [one for one in served.store.process(Review, MARKING).marks if one.expert == who]
    assert mark.marks["指标响应"] == "21"


def test_a_double_click_hands_in_once(expert: Person, served: Served) -> None:
    _, _, hers, _ = _mine(served.store)
    place = f"/marking/{MARKING}/{hers[0]}"
    from tests.api.workbench.conftest import marks_of

    sent = marks_of(expert.get(place).text) | _fields() | {"do": "submit"}
    before = served.store.revision()
    assert [expert.client.post(place, data=sent).status_code for _ in range(2)] == [303, 303]
    assert served.store.revision() == before + 1


def test_an_expert_without_a_record_has_nothing_to_mark(served: Served) -> None:
    make_user(served.store, "expert")
    person = Person(served, "expert")
    person.sign_in()
    assert person.get(f"/marking/{MARKING}").status_code == 404
    assert "还没有对应到专家记录" in person.get("/").text
