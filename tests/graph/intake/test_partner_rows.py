"""Rows of a partner: records of its own, whatever their ids, and nothing told of anybody else's."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.intake.importing import ImportPlan, plan_import
from graph.intake.partner_rows import as_own, own_id
from graph.kinds import Achievement, Scene
from graph.relations import Edge
from graph.store.audience import AudienceStore
from graph.store.changes import PutNode, RemoveNode
from graph.store.store import Store
from graph.values import ID_LIMIT

OWN = "hengqin:"


def put(store: Store, at: datetime, *nodes: Scene | Achievement) -> None:
    store.apply([PutNode(node=node) for node in nodes], actor="程某", at=at, reason="")


@pytest.fixture
def plan(store: Store, at: datetime, written: Callable[..., Path]) -> Callable[..., ImportPlan]:
    """The plan of what a partner sends as csv."""

    def make(text: str, kind: str | None = None) -> ImportPlan:
        view = AudienceStore(store, "partner", own="hengqin")
        return plan_import(written(text), store=store, at=at, kind=kind, actor="hengqin:试", partner=view)

    return make


@given(id=st.text(max_size=20), own=st.sampled_from(["", OWN]))
def test_own_id_lies_in_the_own_space_and_is_made_so_once(id: str, own: str) -> None:
    made = own_id(id, own)
    assert own_id(made, own) == made
    assert made.startswith(own) or not id
    assert made.removeprefix(own) == id.removeprefix(own)


def test_row_with_an_id_of_the_city_s_becomes_a_record_beside_it(
    store: Store, at: datetime, plan: Callable[..., ImportPlan]
) -> None:
    city = Scene(id="CJ-1", title="市里的场景", contact="陈工")
    put(store, at, city)
    made = plan("场景编号,场景名称\nCJ-1,园区巡检\nhengqin:CJ-2,院内配送\n")
    assert made.errors == ()
    assert made.changes == (
        PutNode(node=Scene(id="hengqin:CJ-1", title="园区巡检")),
        PutNode(node=Scene(id="hengqin:CJ-2", title="院内配送")),
    )
    assert (made.counts.new, made.counts.changed) == (2, 0)
    made.commit(store, actor="hengqin:试", reason="")
    assert store.get("scene", "CJ-1") == city
    again = plan("场景编号,场景名称\nCJ-1,园区巡检\nhengqin:CJ-2,院内配送\n")
    assert (again.changes, again.counts.unchanged) == ((), 2)


def test_row_without_an_id_is_the_same_record_when_it_is_sent_again(
    store: Store, plan: Callable[..., ImportPlan]
) -> None:
    text = "场景名称,建设单位\n园区巡检,甲公司\n"
    first = plan(text, "scene")
    first.commit(store, actor="hengqin:试", reason="")
    assert [node.id.startswith(OWN) for node in store.nodes()] == [True]
    assert plan(text, "scene").changes == ()


def test_columns_that_are_not_sent_keep_what_the_own_record_has(
    store: Store, at: datetime, plan: Callable[..., ImportPlan]
) -> None:
    before = Scene(
        id="hengqin:CJ-1", title="旧名", contact="王工", field_visibility={"budget": "staff"}, budget="5"
    )
    put(store, at, before)
    (change,) = plan("场景编号,场景名称\nCJ-1,新名\n").changes
    assert change == PutNode(node=before.model_copy(update={"title": "新名"}))


def test_plan_tells_the_same_with_hidden_records_and_without(
    store: Store, at: datetime, plan: Callable[..., ImportPlan]
) -> None:
    text = "成果编号,成果名称,成果简介,完成单位\nCG-1,海岛微电网能量管理,光储柴协同调度,乙公司\nCG-2,网箱清洗机器人,水下自动清洗网衣,\n"
    put(store, at, Achievement(id="CG-9", title="网箱清洗机器人", summary="水下自动清洗网衣"))

    def shown() -> Any:
        made = plan(text)
        return made.problems, made.counts, made.changes

    without = shown()
    assert [p.code for p in without[0]], "the record that can be seen is named as a likely duplicate"
    hidden = [
        Achievement(
            id=id, title="海岛微电网能量管理", summary="光储柴协同调度", owner="乙公司", visibility="staff"
        )
        for id in ("CG-1", "CG-2", "CG-3")
    ]
    put(store, at, *hidden)
    assert shown() == without
    store.apply([RemoveNode(kind="achievement", id="CG-9")], actor="程某", at=at, reason="")
    assert shown()[0] == ()


@pytest.mark.parametrize("visibility", ["内部", "staff", "不公开"])
def test_row_that_would_be_hidden_is_refused_and_the_others_stand(
    plan: Callable[..., ImportPlan], visibility: str
) -> None:
    made = plan(f"场景编号,场景名称,可见范围\nCJ-1,甲,{visibility}\nCJ-2,乙,合作方\n")
    assert [(p.code, p.row, p.column) for p in made.errors] == [("visibility_refused", 2, "可见范围")]
    assert made.changes == (PutNode(node=Scene(id="hengqin:CJ-2", title="乙", visibility="partner")),)
    assert made.counts.refused == 1


def test_id_that_is_too_long_with_the_partner_s_code_is_refused_with_how_long_it_may_be() -> None:
    fits, long = ("甲" * (ID_LIMIT - len(OWN) + more) for more in (0, 1))
    assert as_own(Scene(id=fits, title="场"), OWN, None, 2) == (Scene(id=OWN + fits, title="场"), ())
    record, (problem,) = as_own(Scene(id=long, title="场"), OWN, "表", 2)
    assert (record, problem.code, problem.sheet, problem.row) == (None, "id_too_long", "表", 2)
    assert str(ID_LIMIT - len(OWN)) in problem.remedy


@pytest.mark.parametrize(
    "text",
    [
        "起点类型,起点编号,关系,终点类型,终点编号\n企业,QY-1,发布,场景,CJ-1\n",
        "场景编号,成果编号,等级\nCJ-1,CG-1,4\n",
        "场景编号,成果编号,阶段\nCJ-1,CG-1,已见面\n",
    ],
)
def test_relations_and_feedback_are_refused_whole(
    store: Store, at: datetime, plan: Callable[..., ImportPlan], text: str
) -> None:
    put(store, at, Scene(id="CJ-1", title="场"), Achievement(id="CG-1", title="果"))
    made = plan(text)
    assert [p.code for p in made.errors] == ["kind_refused"]
    assert made.changes == ()


def test_staff_s_rows_and_relations_are_as_they_were() -> None:
    scene = Scene(id="CJ-1", title="场", visibility="staff")
    edge = Edge(
        source_kind="enterprise", source_id="QY-1", relation="posts", target_kind="scene", target_id="CJ-1"
    )
    assert as_own(scene, "", None, 2) == (scene, ())
    assert as_own(edge, OWN, None, 2) == (edge, ())
