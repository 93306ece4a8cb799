from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from api.pitch_results import award_changes, rubric_of
from graph.problems import Refused
from matcher.home import Home
from tests.api.workbench.stage import put_roadshow
from tests.factories import make_achievement, put


def test_a_rubric_is_the_usual_one_unless_something_is_given() -> None:
    assert sum(one.weight for one in rubric_of({}).criteria) == 100
    assert [(one.name, one.weight) for one in rubric_of({"新": "60", "稳": "40"}).criteria] == [("新", Decimal(60)), ("稳", Decimal(40))]  # fmt: skip


@pytest.mark.parametrize("given", [{"新": "六十"}, {"新": "60"}])
def test_a_rubric_that_is_none_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        rubric_of(given)
    assert refused.value.code == "rubric"


def test_awards_go_beside_those_that_were_there(home: Path) -> None:
    with Home(path=home).open_store(create=True) as store:
        put(store, make_achievement("CG-1", award="2020年创新赛二等奖"))
        roadshow = put_roadshow(store, on=("CG-1",), title="海岛路演")
        changes = award_changes(store, roadshow, {"CG-1": "一等奖"}, date(2026, 12, 5))
    assert [one.node.award for one in changes] == ["2020年创新赛二等奖；2026年海岛路演一等奖"]  # type: ignore[attr-defined]
