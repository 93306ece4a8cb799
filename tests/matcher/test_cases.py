"""The life of a case file: who may do what, what each step asks for, and that no figure stands without a source."""

from datetime import timedelta
from typing import Any

import pytest

from graph.problems import Refused
from graph.processes import moved, moves_from
from graph.store.records import process_from, process_text
from matcher.case_drafts import new_case
from matcher.cases import CONTENT, CaseFile, case_of, case_rules, content_of, lacking
from matcher.process_values import to_the_second
from tests.factories import NOON

FIGURES = "登塔次数：120→17 次/年（来源：用户证明）"
WHOLE: dict[str, Any] = {
    "title": "线路飞巡", "scene_id": "CJ-1", "achievement_id": "CG-1", "owner": "甲公司", "provider": "乙公司", "investment": "296",
    "period": "2024-09至2025-03", "summary": "跨越段登塔难", "approach": "部件级自主飞巡", "measures": FIGURES,
    "replicable": "要有点云底图", "evidence": "验收报告", "field": "低空经济", "district": "斗门区",
}  # fmt: skip


def make_file(**values: Any) -> CaseFile:
    """A draft with everything but consent."""
    return new_case("AL-2026-001", at=NOON, editor="李明", **(WHOLE | values))


def reviewed(**values: Any) -> CaseFile:
    """A case under review, consented to."""
    given = {"consent": "甲公司 同意函", "consented_at": NOON}
    agreed = moved(make_file(**values), case_rules(), "consent", role="owner", at=NOON, values=given)
    return moved(agreed, case_rules(), "submit", role="editor", at=NOON, values={})


def published(file: CaseFile, *, reviewer: str = "程某") -> CaseFile:
    values = {"reviewer": reviewer, "published_at": to_the_second(NOON)}
    return moved(file, case_rules(), "publish", role="reviewer", at=NOON, values=values)


def refusal(file: CaseFile) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        published(file)
    return refused.value.code, refused.value.message


def test_a_whole_case_is_published_and_is_the_record_it_says() -> None:
    file = published(reviewed())
    assert (file.state, file.due, file.reviewer) == ("published", None, "程某")
    record = case_of(file)
    assert {name: getattr(file, name) for name in content_of(record)} == content_of(record)
    assert set(content_of(record)) == set(CONTENT) - {"task"}
    assert process_from(CaseFile, process_text(file)) == file
    assert lacking(file) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"summary": ""}, "背景与需求待补。"),
        ({"investment": None, "evidence": ""}, "投入（万元）、证明材料待补。"),
        ({"measures": ""}, "没有一条前后都有实测值的成效指标。"),
        ({"measures": f"{FIGURES}；漏检率：待补→0.2 %（来源：台账）"}, "成效指标“漏检率”没有前后的实测值。"),
        ({"measures": "登塔次数：120→17 次/年"}, "成效指标“登塔次数”没有写来源。"),
        ({"effect": "登塔由120次降到17次；缺陷发现率提高40%"}, "量化成效里的“缺陷发现率提高40%”有数字，没有写来源。"),
    ],
)  # fmt: skip
def test_what_is_not_known_or_has_no_source_is_not_published(values: dict[str, Any], message: str) -> None:
    assert refusal(reviewed(**values)) == ("move_requirement", message)


def test_figures_of_the_text_stand_in_the_table_or_name_their_source() -> None:
    assert (
        published(reviewed(effect="登塔由120次降到17次。据验收报告，缺陷发现率提高40%")).state == "published"
    )


def test_nobody_publishes_what_they_wrote_themselves() -> None:
    with pytest.raises(Refused, match="起草人不能审核自己起草的案例"):
        published(reviewed(), reviewer="李明")


def test_nothing_is_published_without_the_owner_agreeing() -> None:
    file = moved(make_file(), case_rules(), "submit", role="editor", at=NOON, values={})
    assert refusal(file) == ("move_requirement", "建设单位还没有同意公开。")


def test_consent_to_other_words_does_not_count() -> None:
    given = {"consent": "甲公司 同意函", "consented_at": NOON}
    agreed = moved(make_file(), case_rules(), "consent", role="owner", at=NOON, values=given)
    with pytest.raises(Refused, match="内容改了"):
        moved(agreed, case_rules(), "amend", role="editor", at=NOON, values={"approach": "别的做法"})
    after = moved(
        agreed, case_rules(), "amend", role="editor", at=NOON, values={"approach": "别的", "consent": ""}
    )
    assert (after.approach, after.consent) == ("别的", "")


_TOLD: dict[str, dict[str, Any]] = {
    "consent": {"consent": "甲公司 同意函", "consented_at": NOON},
    "publish": {"reviewer": "程某", "published_at": NOON}, "recall": {"reason": "数据有误", "consent": ""},
    **{name: {"reason": "理由"} for name in ("return", "retire", "discard")},
}  # fmt: skip
_OPEN: dict[str, dict[str, set[str]]] = {
    "draft": {
        "editor": {"amend", "consent", "submit", "discard"},
        "reviewer": {"discard"},
        "owner": {"consent"},
    },
    "reviewing": {"editor": {"return", "discard"}, "reviewer": {"return", "publish", "discard"}},
    "published": {"reviewer": {"recall", "retire"}},
    "retired": {},
}


@pytest.mark.parametrize("role", ["editor", "reviewer", "owner", "partner"])
def test_moves_are_those_of_state_and_role(role: str) -> None:
    out = published(reviewed())
    retired = moved(out, case_rules(), "retire", role="reviewer", at=NOON, values=_TOLD["retire"])
    found = {
        file.state: {
            name
            for name in case_rules().moves
            for way in moves_from(file, case_rules(), role=role, at=NOON, values=_TOLD.get(name, {}))
            if way.move.name == name and not way.problems
        }
        for file in (make_file(), reviewed(), out, retired)
    }
    assert found == {state: by_role.get(role, set()) for state, by_role in _OPEN.items()}


def test_a_draft_has_its_clock() -> None:
    assert make_file().due == NOON + timedelta(days=60)
    assert reviewed().due == NOON + timedelta(days=15)


def test_secret_words_are_refused() -> None:
    with pytest.raises(Refused, match="密级"):
        make_file(approach="机密★10年 某方案")
