from typing import Any

import pytest

from api.workbench.lineup_words import change_told
from matcher.roadshows import Pitch, Roadshow
from tests.matcher.test_roadshows import a_roadshow

ONE, TWO = Pitch(achievement="A", title="甲"), Pitch(achievement="B", title="乙")


def changed(**what: Any) -> dict[str, Any]:
    return {"costs": [], "moves": [], "new_conflicts": [], "notes": [], "before": 1.5, "total": 1.5} | what


def staged(*pitches: Pitch) -> Roadshow:
    return a_roadshow().model_copy(update={"stage": pitches, "alternates": ()})


@pytest.mark.parametrize(
    ("before", "after", "change", "told"),
    [
        ((), (ONE, TWO), changed(total=2.0), "排上 2 项，总适配度 2.00。"),
        ((ONE,), (TWO,), changed(costs=[{"place": 1, "out": "A", "into": "B", "cost": 0.25}], total=1.25),
         "第 1 个“甲”换成“乙”，适配减少 0.25；总适配度 1.50 → 1.25。"),
        ((ONE,), (ONE, TWO), changed(costs=[{"place": 2, "out": None, "into": "B", "cost": -0.002}], total=1.502),
         "增加“乙”，适配增加 0.00；总适配度 1.500 → 1.502。"),
        ((ONE, TWO), (TWO, ONE), changed(moves=[{"id": "A", "from": 1, "to": 2}]), "“甲”由第 1 个移到第 2 个；总适配度 1.50 不变。"),
        ((ONE,), (ONE.model_copy(update={"locked": True}),), changed(), "锁定“甲”；总适配度 1.50 不变。"),
        ((ONE,), (ONE,), changed(new_conflicts=[{"message": "应有 2 项"}], notes=["请重排"]),
         "台上没有变化；总适配度 1.50 不变；新冲突：应有 2 项；请重排。"),
    ],
)  # fmt: skip
def test_a_change_reads_as_what_was_done_at_what_cost(
    before: tuple[Pitch, ...], after: tuple[Pitch, ...], change: dict[str, Any], told: str
) -> None:
    assert change_told(staged(*before), staged(*after), change) == told
