"""Steps of cases in the store: what a draft knows, that only what is published is there to rank, and that all undoes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from graph.feedback import Outcome
from graph.kinds import Case
from graph.problems import Refused
from graph.processes import moved
from graph.store.changes import PutFeedback, PutProcess
from graph.store.store import Store
from matcher.bids import Bid
from matcher.case_steps import (
    add_case,
    all_cases,
    case_from_pair,
    case_from_task,
    edit_case,
    found_case,
    held_back,
    move_case,
)
from matcher.cases import CaseFile
from matcher.engine import Engine
from matcher.tasks import Decision, Milestone
from tests.factories import NOON, TODAY, make_achievement, make_case, make_scene, put
from tests.matcher.boards import POSTER, firm, make_task, plays_again
from tests.matcher.test_cases import WHOLE

_REST = {name: value for name, value in WHOLE.items() if name not in ("title", "scene_id", "achievement_id")}


def _put_pair(store: Store, *stages: str, **columns: Any) -> None:
    scene = make_scene(
        problem="阵风大", indicators="抗风等级≥7级；航程≥30km", owner="甲公司", field="低空经济", **columns
    )
    put(store, scene, make_achievement(summary="复合翼", owner="乙公司", indicators="航程45km"))
    said = [
        Outcome(scene="CJ-1", achievement="CG-1", stage=stage, by="李明", at=NOON + timedelta(days=40 * n))
        for n, stage in enumerate(stages)
    ]
    store.apply([PutFeedback(record=one) for one in said], actor="李明", at=NOON, reason="")


def _publish(store: Store, id: str) -> CaseFile:
    """Fill in a draft, have it agreed to, reviewed and published."""
    edit_case(store, id, _REST, actor="李明", at=NOON)
    told: dict[str, Any] = {"consent": "甲公司 同意函"}
    move_case(store, id, "consent", role="owner", values=told, actor="甲公司", at=NOON)
    move_case(store, id, "submit", role="editor", values={}, actor="李明", at=NOON)
    return move_case(store, id, "publish", role="reviewer", values={}, actor="程某", at=NOON)


def test_a_pairing_that_landed_is_a_draft_of_what_the_store_knows(store: Store) -> None:
    _put_pair(store, "contract", "landed")
    file = case_from_pair(store, "CJ-1", "CG-1", actor="李明", at=NOON)
    said = {
        name: getattr(file, name)
        for name in ("title", "owner", "provider", "period", "summary", "approach", "investment")
    }
    assert said == {
        "title": "海岛物资无人机投送：垂直起降固定翼无人运输机应用", "owner": "甲公司", "provider": "乙公司", "period": "2026-03至2026-04",
        "summary": "阵风大", "approach": "采用“垂直起降固定翼无人运输机”。复合翼", "investment": None,
    }  # fmt: skip
    # What the achievement promises is no measurement.
    assert file.measures == "抗风等级：待补→待补 级（来源：待补）；航程：待补→待补 km（来源：待补）"
    assert (file.id, file.state, store.get("case", file.id)) == ("AL-2026-001", "draft", None)
    with pytest.raises(Refused) as again:
        case_from_pair(store, "CJ-1", "CG-1", actor="李明", at=NOON)
    assert again.value.code == "case_exists"


def test_what_has_not_landed_is_no_case(store: Store) -> None:
    _put_pair(store, "contract")
    with pytest.raises(Refused) as refused:
        case_from_pair(store, "CJ-1", "CG-1", actor="李明", at=NOON)
    assert refused.value.code == "case_not_landed"
    assert list(store.processes(CaseFile)) == []


@pytest.mark.parametrize(("seen", "summary"), [("公开", ""), ("内部", "阵风大")])
def test_a_draft_says_no_more_than_those_may_see_who_will_read_it(
    store: Store, seen: str, summary: str
) -> None:
    _put_pair(store, "landed", visibility=seen, field_visibility="技术难点=内部")
    file = case_from_pair(store, "CJ-1", "CG-1", actor="李明", at=NOON)
    assert (file.summary, file.visibility) == (summary, {"公开": "public", "内部": "staff"}[seen])


def test_a_concluded_task_is_a_draft_with_what_was_paid_and_shown(store: Store) -> None:
    put(store, make_scene(owner=POSTER.name), make_achievement(summary="复合翼"))
    done = {"planned": NOON, "amount": 1_200_000, "done_at": NOON + timedelta(days=70)}
    milestones = (
        Milestone(name="样机", note="检测报告", **done),
        Milestone(name="未做", planned=NOON, amount=5),
    )
    decision = Decision(bid="b", bidder="甲", points="90", rank=1, won=True, reason="好")
    task = make_task().model_copy(
        update={
            "state": "closed", "unsealed_at": NOON, "milestones": milestones, "report": "绩效报告一号", "decisions": (decision,),
            "moved_at": NOON,
        }
    )  # fmt: skip
    bid = Bid(
        id="b", state="won", opened_at=NOON, moved_at=NOON, task=task.id, bidder=firm(1).name, record="CG-1"
    )
    store.apply([PutProcess(process=one) for one in (task, bid)], actor="程某", at=NOON, reason="")
    file = case_from_task(store, task.id, actor="李明", at=NOON)
    names = (
        "task",
        "scene_id",
        "achievement_id",
        "owner",
        "provider",
        "investment",
        "period",
        "evidence",
        "summary",
    )
    assert {name: getattr(file, name) for name in names} == {
        "task": task.id, "scene_id": "CJ-1", "achievement_id": "CG-1", "owner": task.poster, "provider": firm(1).name,
        "investment": (120.0, 120.0), "period": "2026-03至2026-05", "evidence": "样机：检测报告；绩效报告：绩效报告一号",
        "summary": task.problem,
    }  # fmt: skip
    store.apply([PutProcess(process=task.model_copy(update={"id": "BD-2026-002", "state": "assessed"}))], actor="程某", at=NOON, reason="")  # fmt: skip
    with pytest.raises(Refused) as refused:
        case_from_task(store, "BD-2026-002", actor="李明", at=NOON)
    assert refused.value.code == "case_not_closed"


def test_only_between_publication_and_retirement_is_there_a_record(store: Store) -> None:
    _put_pair(store, "landed")
    draft = case_from_pair(store, "CJ-1", "CG-1", actor="李明", at=NOON)
    id, drafted = draft.id, store.revision()
    assert _publish(store, id).state == "published"
    record = store.get("case", id)
    assert isinstance(record, Case)
    assert (record.replicable, record.scene_id) == ("要有点云底图", "CJ-1")
    # While it is published the record is the truth: what a sheet puts right goes along when it is retired.
    put(store, record.model_copy(update={"batch": "2026年第一批"}))
    told = {"reason": "设备已拆"}
    retired = move_case(store, id, "retire", role="reviewer", values=told, actor="程某", at=NOON)
    assert (retired.state, retired.batch, store.get("case", id)) == ("retired", "2026年第一批", None)
    held = held_back(store, record)
    assert held is not None
    assert (held.code, held_back(store, make_case("AL-9")), held_back(store, make_scene())) == ("case_not_published", None, None)  # fmt: skip
    # Everything undoes, the latest first, to the draft as it was.
    for revision in range(store.revision(), drafted, -1):
        store.undo(revision, actor="李明", at=NOON, reason="试")
    assert (store.process(CaseFile, id), store.get("case", id)) == (draft, None)
    assert store.verify_history() == []


def _state(store: Store, id: str) -> str:
    file = found_case(store, id)
    assert file is not None
    return file.state


_TOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "consent": ("owner", {"consent": "甲公司 同意函"}), "submit": ("editor", {}), "return": ("reviewer", {"reason": "缺来源"}),
    "publish": ("reviewer", {}), "recall": ("reviewer", {"reason": "有误"}), "retire": ("reviewer", {"reason": "设备已拆"}),
    "discard": ("editor", {"reason": "重写"}),
}  # fmt: skip


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(steps=["consent", "submit", "publish", "retire"])
@given(steps=st.lists(st.sampled_from(sorted(_TOLD)), min_size=3, max_size=12))
def test_whatever_is_done_a_record_is_there_while_published_and_all_is_played_again(
    emptied: Callable[[], Store], steps: list[str]
) -> None:
    store = emptied()
    _put_pair(store, "landed")
    id = case_from_pair(store, "CJ-1", "CG-1", actor="李明", at=NOON).id
    edit_case(store, id, _REST, actor="李明", at=NOON)
    for name in steps:
        (role, values), head = _TOLD[name], store.head()
        try:
            move_case(store, id, name, role=role, values=values, actor="程某", at=NOON)
        except Refused:
            assert store.head() == head
        assert (store.get("case", id) is not None) == (_state(store, id) == "published")
    plays_again(store, CaseFile)


def test_a_case_from_a_sheet_counts_as_published_and_can_be_retired(store: Store) -> None:
    put(store, make_scene(), make_achievement(), make_case("AL-7", owner="甲公司", effect="有成效"))
    file = found_case(store, "AL-7")
    assert file is not None
    assert (file.state, file.owner, [one.id for one in all_cases(store)]) == ("published", "甲公司", ["AL-7"])
    assert move_case(store, "AL-7", "retire", role="reviewer", values={"reason": "停用"}, actor="程某", at=NOON).effect == "有成效"  # fmt: skip
    assert (store.get("case", "AL-7"), _state(store, "AL-7")) == (None, "retired")


def test_recalled_it_is_a_draft_that_has_to_be_agreed_to_anew(store: Store) -> None:
    _put_pair(store, "landed")
    id = case_from_pair(store, "CJ-1", "CG-1", actor="李明", at=NOON).id
    _publish(store, id)
    file = move_case(
        store, id, "recall", role="reviewer", values={"reason": "数据有误"}, actor="程某", at=NOON
    )
    assert (file.state, file.consent, file.replicable, store.get("case", id)) == (
        "draft",
        "",
        "要有点云底图",
        None,
    )


def test_numbers_pass_over_what_sheets_have(store: Store) -> None:
    put(store, make_case("AL-2026-004"))
    assert add_case(store, actor="李明", at=NOON, title="某").id == "AL-2026-005"
    with pytest.raises(Refused) as refused:
        add_case(store, actor="李明", at=NOON, title="某", id="AL-2026-004")
    assert refused.value.code == "case_exists"


def test_a_step_by_someone_slower_writes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    id = add_case(store, actor="李明", at=NOON, title="某").id
    real = moved

    def beaten(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr("matcher.case_steps.moved", real)
        edit_case(store, id, {"owner": "先改的"}, actor="程某", at=NOON)
        return real(*arguments, **options)

    monkeypatch.setattr("matcher.case_steps.moved", beaten)
    with pytest.raises(Refused) as refused:
        edit_case(store, id, {"owner": "后改的"}, actor="李明", at=NOON)
    assert refused.value.code == "plan_stale"
    found = found_case(store, id)
    assert found is not None
    assert found.owner == "先改的"


def test_what_worked_is_in_the_ranking_from_publication_to_retirement(
    engine_over: Callable[..., Engine],
) -> None:
    near = make_scene("CJ-2", title="海岛物资无人机投送航线")
    engine = engine_over(make_scene(owner="甲公司"), near, make_achievement(owner="乙公司"))
    staff, public = engine, Engine(engine.home, engine.whole, engine.corpus.encoder, audience="public")
    store = engine.whole

    def told() -> list[str]:
        found = []
        for one in (staff, public):
            (match,) = one.match(near, top=1, today=TODAY)
            (why,) = one.explain(near, [match])
            found.append(next(part.note for part in why.parts if part.name == "precedent"))
        return found

    landed = Outcome(scene="CJ-1", achievement="CG-1", stage="landed", by="李明", at=NOON)
    store.apply([PutFeedback(record=landed)], actor="李明", at=NOON, reason="")
    before = told()
    id = case_from_pair(store, "CJ-1", "CG-1", actor="李明", at=NOON).id
    assert told() == before == ["", ""]
    _publish(store, id)
    note = (
        "该成果已在相近场景“海岛物资无人机投送”中用过：案例“海岛物资无人机投送：垂直起降固定翼无人运输机应用”"
        f"（{id}），实测登塔次数：120→17 次/年"
    )
    assert told() == [note, note]
    move_case(store, id, "retire", role="reviewer", values={"reason": "停用"}, actor="程某", at=NOON)
    assert told() == ["", ""]
