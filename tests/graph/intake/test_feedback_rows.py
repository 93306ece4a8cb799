from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.feedback import Feedback, Judgement, Outcome
from graph.intake import feedback_rows
from graph.intake.exporting import write_feedback, write_nodes
from graph.intake.importing import Counts, ImportPlan, plan_import
from graph.intake.secrecy import has_secret_star, is_bare_mark
from graph.intake.tables import BadCell, tidy_text
from graph.kinds import KINDS
from graph.problems import Problem, Refused
from graph.store.changes import PutFeedback, PutNode, RemoveFeedback, RemoveNode
from graph.store.store import Store
from graph.values import Visibility, is_blank

Writer = Callable[..., Path]
Planner = Callable[..., ImportPlan]

PLAIN = "demand_id,achievement_id,level\n1,1,1\n1,2,4\n2,1,3\n"
DAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def pairs(store: Store, at: datetime) -> None:
    """Scenes and achievements 1 to 4, CJ-1 and CG-1."""
    ids = {"scene": ["1", "2", "3", "4", "CJ-1"], "achievement": ["1", "2", "3", "4", "CG-1"]}
    nodes = [
        KINDS[kind].model_validate({"id": id, "title": id}) for kind, several in ids.items() for id in several
    ]
    store.apply([PutNode(node=node) for node in nodes], actor="李明", at=at, reason="")


def codes(problems: tuple[Problem, ...]) -> list[tuple[str, int | None, str | None]]:
    return [(p.code, p.row, p.column) for p in problems]


def judged(scene: str, achievement: str, level: int, **others: Any) -> Judgement:
    values = {"judge": "李明", "at": DAY, **others}
    return Judgement(scene=scene, achievement=achievement, level=level, **values)


def test_three_bare_columns_are_judgements_of_who_imports_them(
    written: Writer, plan: Planner, store: Store, at: datetime
) -> None:
    made = plan(written(PLAIN), actor="王芳")
    assert (made.counts, codes(made.problems)) == (Counts(new=3), [("person_filled_in", None, None)])
    assert "没有“评级人”列，记为“王芳”" in made.problems[0].message
    made.commit(store, actor="王芳", reason="测试")
    said = {"judge": "王芳", "at": at}
    assert store.judgements() == [
        judged("1", "1", 1, **said),
        judged("1", "2", 4, **said),
        judged("2", "1", 3, **said),
    ]


def test_a_row_without_a_person_and_nobody_importing_is_an_error(written: Writer, plan: Planner) -> None:
    assert codes(plan(written("场景编号,成果编号,等级,评级人\n1,1,1,张三\n1,2,4,\n")).errors) == [
        ("value_missing", 3, "评级人")
    ]


def test_a_messy_sheet_of_judgements_becomes_records(
    xlsx: Writer, imported: Planner, store: Store, at: datetime
) -> None:
    rows = [
        ["2026 年专家评级表", None, None, None, None, None, None],
        ["序号", "需求编号", "成果编号", "评级", "评级人", "时间", "备注"],
        [1, 1, 1, "３", "张三", datetime(2026, 3, 1), " 价格\u200b高 "],
        [2, None, 2, "强", "张三", "2026年3月1日 14:30", None],
        [3, 2, "1", 1.0, "/", None, "/"],
        [None, "合计", None, None, None, None, None],
    ]
    made = imported(xlsx({"评级": rows}, merge=["A1:G1", "B3:B4"]), actor="李明")
    assert (made.counts, [p.code for p in made.problems]) == (
        Counts(new=3, skipped=1),
        ["rows_skipped_footer", "person_filled_in"],
    )
    assert "“评级人”有 1 行没有填（第 5 行）" in made.problems[1].message
    assert store.judgements() == [
        judged("1", "1", 3, judge="张三", reason="价格高"),
        judged("1", "2", 4, judge="张三", at=DAY + timedelta(hours=6.5)),
        judged("2", "1", 1, at=at, reason="/"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_outcomes_are_read_in_chinese_and_english(
    written: Writer, imported: Planner, store: Store, encoding: str
) -> None:
    text = "场景编号,成果编号,结果,经办人,日期,说明\n1,1,已见面,张三,2026.3.1,\n1,1,签约,张三,2026.3.1,\n1,2,Declined,张三,2026.3.1,价格\n"
    imported(written(text, encoding=encoding))
    shared = {"scene": "1", "by": "张三", "at": DAY}
    assert store.outcomes() == [
        Outcome(achievement="1", stage="contract", **shared),
        Outcome(achievement="1", stage="met", **shared),
        Outcome(achievement="2", stage="declined", reason="价格", **shared),
    ]


def test_every_error_of_a_row_is_told_with_place_and_remedy(xlsx: Writer, plan: Planner) -> None:
    rows = [
        ["场景编号", "成果编号", "等级", "评级人", "日期", "理由"],
        ["1", "1", "五", "甲", "2026-02-30", ""],
        ["9", "8", 3, "甲", None, ""],
        [None, "1", None, "甲", None, ""],
        [1.23456789012345678e17, datetime(2026, 3, 1), "=1+2", "名" * 301, None, ""],
        ["1", "1", 2, "甲", None, "机密★10年"],
    ]
    made = plan(xlsx({"评级": rows}))
    assert codes(made.errors) == [
        ("date_not_real", 2, "日期"),
        ("level_unknown", 2, "等级"),
        ("feedback_end_unknown", 3, "场景编号"),
        ("feedback_end_unknown", 3, "成果编号"),
        ("value_missing", 4, "场景编号"),
        ("value_missing", 4, "等级"),
        ("precision_lost", 5, "场景编号"),
        ("id_is_date", 5, "成果编号"),
        ("formula_without_value", 5, "等级"),
        ("name_too_long", 5, "评级人"),
        ("secret_refused", 6, "理由"),
    ]
    assert all(p.sheet == "评级" and p.remedy and not p.message.endswith("。") for p in made.errors)
    assert "没有编号为“9”的应用场景" in made.errors[2].message
    assert made.counts == Counts(refused=5)


def test_a_reason_longer_than_the_store_takes_is_an_error(written: Writer, plan: Planner) -> None:
    made = plan(written(f"场景编号,成果编号,等级,评级人,理由\n1,1,1,甲,{'长' * 50_001}\n"))
    assert codes(made.errors) == [("text_too_long", 2, "理由")]


def test_a_stage_that_is_none_names_those_there_are(written: Writer, plan: Planner) -> None:
    (error,) = plan(written("场景编号,成果编号,阶段,经办人\n1,1,谈着,甲\n")).errors
    assert (error.code, error.row, error.column) == ("stage_unknown", 2, "阶段")
    assert "已签约" in error.remedy


def test_a_judge_who_contradicts_himself_fails_in_every_row_naming_the_other(
    written: Writer, plan: Planner, store: Store
) -> None:
    text = "场景编号,成果编号,等级,评级人\n1,1,3,张三\n1,1,3,张三\n1,2,2,张三\n1,1,4,张三\n1,1,1,李四\n"
    made = plan(written(text))
    assert codes(made.errors) == [("judgement_contradicted", row, "等级") for row in (2, 3, 5)]
    assert ["第 5 行" in made.errors[0].message, "第 5 行" in made.errors[1].message] == [True, True]
    assert "本行强相关，第 2 行较强相关" in made.errors[2].message
    made.commit(store, actor="李明", reason="测试", partial=True)
    assert [(j.achievement, j.judge, j.level) for j in store.judgements()] == [
        ("1", "李四", 1),
        ("2", "张三", 2),
    ]


def test_contradicting_rows_of_two_sheets_name_the_sheet(xlsx: Writer, plan: Planner) -> None:
    head = ["场景编号", "成果编号", "等级", "评级人"]
    made = plan(xlsx({"甲": [head, ["1", "1", 1, "张三"]], "乙": [head, ["1", "1", 2, "张三"]]}))
    assert [(p.sheet, p.row) for p in made.errors] == [("甲", 2), ("乙", 2)]
    assert "“乙”第 2 行弱相关" in made.errors[0].message


def test_the_same_level_twice_is_taken_once_with_the_latest_date(
    written: Writer, imported: Planner, store: Store
) -> None:
    text = (
        "场景编号,成果编号,等级,评级人,日期,理由\n"
        "1,1,3,张三,2026-03-01,晚\n1,1,3,张三,2026-02-01,早\n1,1,3,张三,,没写日期\n"
        "1,2,2,张三,2026-03-01,\n1,2,弱相关,张三,2026-03-01,\n"
    )
    made = imported(written(text))
    assert codes(made.problems) == [("row_repeated", row, "等级") for row in (3, 4, 6)]
    assert [p.message.rpartition("，")[2] for p in made.problems] == [
        "只采用第 2 行",
        "只采用第 2 行",
        "只导入一次",
    ]
    assert store.judgements() == [
        judged("1", "1", 3, judge="张三", reason="晚"),
        judged("1", "2", 2, judge="张三"),
    ]


def test_the_same_stage_twice_is_taken_once(written: Writer, imported: Planner, store: Store) -> None:
    text = "场景编号,成果编号,阶段,经办人,日期\n1,1,已联系,甲,2026-02-01\n1,1,contacted,乙,2026-03-01\n"
    made = imported(written(text))
    assert codes(made.problems) == [("row_repeated", 2, "阶段")]
    assert store.outcomes() == [Outcome(scene="1", achievement="1", stage="contacted", by="乙", at=DAY)]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "场景编号,成果编号,阶段,说明\n1,1,已展示,\n1,1,已联系,\n2,1,未成,价格\n",
        "场景编号,成果编号,等级,日期,评级人\n1,1,2,,\n",
    ],
)
def test_a_sheet_without_dates_imported_again_changes_nothing(
    written: Writer, store: Store, at: datetime, text: str
) -> None:
    first = plan_import(written(text), store=store, at=at, actor="李明")
    first.commit(store, actor="李明", reason="第一次")
    head = store.head()
    again = plan_import(written(text), store=store, at=at + timedelta(days=9), actor="李明")
    assert (again.changes, again.counts) == ((), Counts(unchanged=first.counts.new))
    again.commit(store, actor="李明", reason="第二次")
    assert store.head() == head


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # No column: what is stored stands. A blank cell under a header clears, but a judgement's date is renewed then.
        ("场景编号,成果编号,等级,评级人\n1,1,3,李明\n", judged("1", "1", 3, reason="贵")),
        ("场景编号,成果编号,等级,评级人,理由\n1,1,3,李明,贵\n", judged("1", "1", 3, reason="贵")),
        ("场景编号,成果编号,等级,评级人,理由\n1,1,3,李明,\n", judged("1", "1", 3, at=DAY + timedelta(days=9))),
        # Another level is another judgement: the old reason spoke for the old level.
        ("场景编号,成果编号,等级,评级人\n1,1,4,李明\n", judged("1", "1", 4, at=DAY + timedelta(days=9))),
        ("场景编号,成果编号,等级,评级人,日期\n1,1,3,李明,2026-03-02\n", judged("1", "1", 3, reason="贵", at=DAY + timedelta(days=1))),
    ],
)  # fmt: skip
def test_a_judgement_imported_over_a_stored_one(
    written: Writer, store: Store, text: str, expected: Judgement
) -> None:
    store.apply([PutFeedback(record=judged("1", "1", 3, reason="贵"))], actor="李明", at=DAY, reason="")
    made = plan_import(written(text), store=store, at=DAY + timedelta(days=9), actor="王芳")
    made.commit(store, actor="王芳", reason="测试")
    assert store.judgements() == [expected]


def test_an_outcome_without_columns_for_them_keeps_place_date_and_person(
    written: Writer, store: Store, plan: Planner
) -> None:
    shown = Outcome(scene="1", achievement="1", stage="shown", by="甲", at=DAY, rank=3, ranker="default")
    store.apply([PutFeedback(record=shown)], actor="李明", at=DAY, reason="")
    plan(written("场景编号,成果编号,阶段,说明\n1,1,已展示,看过\n"), actor="乙").commit(
        store, actor="乙", reason=""
    )
    assert store.outcomes() == [shown.model_copy(update={"reason": "看过"})]


def test_what_was_said_of_a_removed_record_may_come_again_but_not_change(
    written: Writer, imported: Planner, plan: Planner, store: Store, at: datetime
) -> None:
    imported(written("场景编号,成果编号,等级,评级人\n1,1,3,甲\n2,1,3,甲\n"))
    store.apply([RemoveNode(kind="scene", id="1")], actor="李明", at=at, reason="")
    assert plan(written("场景编号,成果编号,等级,评级人\n1,1,3,甲\n2,1,3,甲\n")).counts == Counts(unchanged=2)
    assert codes(plan(written("场景编号,成果编号,等级,评级人\n1,1,4,甲\n")).errors) == [
        ("feedback_end_unknown", 2, "场景编号")
    ]


def test_a_plan_is_stale_when_somebody_judged_the_pair_meanwhile(
    written: Writer, plan: Planner, store: Store
) -> None:
    made = plan(written("场景编号,成果编号,等级,评级人\n1,1,3,李明\n"))
    store.apply([PutFeedback(record=judged("1", "1", 2))], actor="李明", at=DAY, reason="")
    with pytest.raises(Refused) as refused:
        made.commit(store, actor="李明", reason="测试")
    assert (refused.value.code, store.judgements()) == ("plan_stale", [judged("1", "1", 2)])


def test_judgements_come_with_the_records_they_speak_of_in_one_revision(
    xlsx: Writer, imported: Planner, store: Store
) -> None:
    before = store.revision()
    made = imported(
        xlsx(
            {
                "评级": [["场景编号", "成果编号", "等级", "评级人"], ["新-1", "新-2", 4, "张三"]],
                "应用场景": [["编号", "名称", "建设单位"], ["新-1", "送药", "某局"]],
                "科技成果": [["编号", "名称", "完成单位"], ["新-2", "无人机", "某校"]],
            }
        )
    )
    assert (made.counts, store.revision()) == (Counts(new=3), before + 1)
    assert [(j.scene, j.achievement) for j in store.judgements()] == [("新-1", "新-2")]


def test_many_scenes_are_compared_with_the_store_as_few_are(
    written: Writer, imported: Planner, plan: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(written(PLAIN), actor="李明")
    for asked in (0, 50):
        monkeypatch.setattr(feedback_rows, "SCENES_ASKED", asked)
        assert plan(written(PLAIN), actor="李明").counts == Counts(unchanged=3)


def _passes(text: str) -> bool:
    """Whether the door lets the text in: Hypothesis also draws the words that this program's own rules refuse."""
    ruined = isinstance(tidy_text(text), BadCell)
    return not ruined and not is_bare_mark(text) and not has_secret_star(text)


# A name that reads as a blank becomes that of who imports (see ``write_feedback``).
NAMES = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text and not is_blank(text) and _passes(text)
)
TEXTS = st.one_of(
    NAMES, st.sampled_from(["", "=1+1", "'=1", "-", "无", "a\nb", "1,2；3", '"引"', "2026-03-01", "★", "007"])
)
IDS = st.sampled_from(["1", "2", "3", "4"])
MOMENTS = st.one_of(
    st.just(DAY),
    st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
)
JUDGEMENTS = st.builds(
    Judgement, scene=IDS, achievement=IDS, judge=NAMES, level=st.integers(1, 4), at=MOMENTS, reason=TEXTS
)
OUTCOMES = st.builds(
    Outcome,
    scene=IDS,
    achievement=IDS,
    stage=st.sampled_from(["shown", "contacted", "met", "intent", "contract", "landed", "declined"]),
    by=NAMES,
    at=MOMENTS,
    reason=TEXTS,
    rank=st.none() | st.integers(1, 99),
    ranker=TEXTS,
)
SAID: st.SearchStrategy[Any] = st.one_of(
    JUDGEMENTS, OUTCOMES.filter(lambda o: o.stage != "declined" or bool(o.reason.strip()))
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(SAID, min_size=1, max_size=6, unique_by=lambda r: r.key),
    suffix=st.sampled_from([".xlsx", ".csv", ".jsonl"]),
)
def test_exported_feedback_is_imported_as_the_same_records(
    said: list[Any], suffix: str, store: Store, at: datetime, tmp_path: Path
) -> None:
    # Examples share the store: each begins without what another, perhaps a failing one, has left.
    left: list[Feedback] = [*store.judgements(), *store.outcomes()]
    store.apply([RemoveFeedback(key=record.key) for record in left], actor="李明", at=at, reason="")
    paths = [tmp_path / f"评级{suffix}", tmp_path / f"结果{suffix}"]
    write_feedback(said, paths[0], "judgement")
    write_feedback(said, paths[1], "outcome")
    filled = [
        path
        for path, kind in zip(paths, ("judgement", "outcome"), strict=True)
        if any(r.key[0] == kind for r in said)
    ]
    made = plan_import(filled, store=store, at=at, actor="李明")
    assert made.errors == ()
    made.commit(store, actor="李明", reason="测试")
    records: list[Feedback] = [*store.judgements(), *store.outcomes()]
    assert sorted(records, key=lambda r: r.key) == sorted(said, key=lambda r: r.key)


def test_an_export_in_seconds_imported_again_changes_nothing(
    store: Store, at: datetime, tmp_path: Path, plan: Planner
) -> None:
    said = judged("1", "1", 1, at=DAY + timedelta(hours=9, microseconds=123456))
    store.apply([PutFeedback(record=said)], actor="李明", at=at, reason="")
    write_feedback([said], tmp_path / "评级.csv", "judgement")
    assert "2026-03-01T17:00:00+08:00" in (tmp_path / "评级.csv").read_text(encoding="utf-8-sig")
    assert plan(tmp_path / "评级.csv").counts == Counts(unchanged=1)


@pytest.mark.parametrize("pair", ["ｃｊ－１,ＣＧ－１", "cj-1,cg-1", "CJ-1,CG-1"])
def test_ids_in_full_width_or_small_letters_are_kept_as_those_stored(
    written: Writer, plan: Planner, store: Store, pair: str
) -> None:
    made = plan(
        written(f"场景编号,成果编号,等级,专家,评语,日期\n{pair},不相关,甲,远,2026-03-01\nCJ-9,1,4,甲,,\n")
    )
    assert codes(made.errors) == [("feedback_end_unknown", 3, "场景编号")]
    made.commit(store, actor="李明", reason="测试", partial=True)
    assert store.judgements() == [judged("CJ-1", "CG-1", 1, judge="甲", reason="远")]


def test_rows_that_probably_mean_something_else_are_pointed_out(written: Writer, plan: Planner) -> None:
    text = "场景编号,成果编号,等级,评审,日期\n1,1,4,张三、李四,2026-3\n1,2,4,张三,2026-11-02\n1,3,4,张三,2026-11-01\n"
    made = plan(written(text))
    assert codes(made.problems) == [
        ("day_filled_in", 2, "日期"),
        ("judges_joined", 2, "评审"),
        ("date_in_future", 3, "日期"),
    ]
    assert "2026-03-31" in made.problems[0].message
    assert (made.errors, made.counts) == ((), Counts(new=3))


def test_grades_in_a_column_taken_for_judges_are_refused(written: Writer, plan: Planner) -> None:
    made = plan(written("场景编号,成果编号,等级,打分\n1,1,4,85\n1,2,4,强\n1,3,4,张三\n"))
    assert codes(made.errors) == [("judge_is_grade", 2, "打分"), ("judge_is_grade", 3, "打分")]


def test_a_failed_introduction_without_a_reason_is_refused_unless_one_is_known(
    written: Writer, plan: Planner, imported: Planner
) -> None:
    text = "场景编号,成果编号,进展阶段\n1,1,洽谈中\n1,2,放弃\n"
    assert codes(plan(written(text), actor="甲").errors) == [("reason_missing", 3, "说明")]
    imported(written("场景编号,成果编号,进展阶段,说明\n1,2,终止,价格\n"), actor="甲")
    again = imported(written(text), actor="甲")
    assert (again.errors, again.counts) == ((), Counts(new=1, unchanged=1))


def test_what_an_export_cannot_bring_back_is_told(
    store: Store, at: datetime, tmp_path: Path, plan: Planner
) -> None:
    said = [judged("1", "1", 1, judge="NONE"), judged("1", "2", 1, reason="#N/A")]
    write_feedback(said, tmp_path / "评级.csv", "judgement")
    made = plan(tmp_path / "评级.csv", actor="王芳")
    assert codes(made.problems) == [("person_filled_in", None, None), ("cell_error", 3, "理由")]
    assert "有 1 行没有填（第 2 行）" in made.problems[0].message


def test_a_workbook_of_everything_has_feedback_for_staff_only(
    tmp_path: Path, sheet_names: Callable[[Path], list[str]]
) -> None:
    scene = KINDS["scene"].model_validate({"id": "1", "title": "甲"})
    expected: Mapping[Visibility, list[str]] = {
        "staff": ["应用场景", "评级"],
        "partner": ["应用场景"],
        "public": ["应用场景"],
    }
    for audience, names in expected.items():
        path = tmp_path / f"{audience}.xlsx"
        write_nodes([scene], path, audience, feedback=[judged("1", "1", 3)])
        assert sheet_names(path) == names
