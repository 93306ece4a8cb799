"""The figures of review that come as data: complete, said to be nobody's law, and refused when damaged."""

import json
from pathlib import Path

import pytest

from graph.problems import Refused
from graph.resources import resource
from matcher.grading import ORDER_LABELS
from matcher.review_policy import read_policy, usual_policy


def test_usual_policy_is_complete_and_says_where_its_figures_come_from() -> None:
    usual = usual_policy()
    assert usual.order in ORDER_LABELS
    assert "没有规定" in usual.source
    assert set(usual.notes) == {"panel", "conflicts", "assignment", "grading", "award"}


@pytest.mark.parametrize("part", ["format", "panel", "award", "grading"])
def test_read_policy_refuses_a_damaged_file(tmp_path: Path, part: str) -> None:
    content = json.loads(resource("policy", "panels.json").read_text(encoding="utf-8"))
    del content[part]
    path = tmp_path / "panels.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(Refused) as refused:
        read_policy(path)
    assert refused.value.code == "policy_unreadable"
