"""Invitations: the best teams and brokers with reasons, nobody twice, never the poster; and the fit of opened bids."""

import pytest

from graph.kinds import Node
from graph.processes import moved, opened
from graph.relations import Edge
from graph.store.changes import PutEdge, PutNode
from matcher.bid_fit import bid_fits
from matcher.bids import Bid, bid_rules
from matcher.engine import Engine
from matcher.invitations import proposals, with_invitations
from matcher.task_policy import task_policy
from matcher.tasks import Task
from tests.factories import NOON, TODAY, make_achievement, make_broker, make_edge, make_enterprise, make_scene
from tests.matcher.boards import bid_values, firm, make_posted, uscc

TITLE = "海岛物资无人机投送"
WORDS = {
    "summary": "海上阵风大，无人机向海岛投送物资，抗七级风",
    "indicators": "抗风等级7级；航程45km",
    "field": "低空经济",
}
POSTER = make_enterprise("QY-9", title="澜川海岛发展有限公司", uscc=uscc(900))
CHILD = make_enterprise("QY-8", title="澜川子公司有限公司", uscc=uscc(800))


def _put(engine: Engine, *records: Node | Edge) -> None:
    changes = [PutEdge(edge=one) if isinstance(one, Edge) else PutNode(node=one) for one in records]
    engine.store.apply(changes, actor="甲", at=NOON, reason="")


@pytest.fixture
def library(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A scene, eight achievements of seven owners, three brokers; every match counts as fitting."""
    monkeypatch.setattr("matcher.invitations.task_policy", _easy)
    owners = [
        "第1号航空科技有限公司",
        "第1号航空科技公司",
        firm(2).name,
        POSTER.title,
        "澜川海岛发展 公司",
        CHILD.title,
        "",
        firm(3).name,
    ]
    achievements = [
        make_achievement(f"CG-{n}", title=TITLE if n < 7 else "无人机", owner=owner, **WORDS)
        for n, owner in enumerate(owners, 1)
    ]
    brokers = [
        make_broker("JJ-1", field="低空经济", capacity="8", load="2"), make_broker("JJ-2", title="满员", field="低空经济", capacity="2", load="2"),
        make_broker("JJ-3", title="本单位的", field="低空经济", organisation="第1号航空科技有限公司成果转化办"),
        make_broker("JJ-4", title="不懂的", field="大健康"),
    ]  # fmt: skip
    one = make_enterprise("QY-1", title=firm(1).name, uscc=firm(1).uscc)
    scene = make_scene(owner=POSTER.title, field="低空经济", problem="海上阵风大")
    _put(engine, scene, *achievements, *brokers, POSTER, CHILD, one, make_edge(POSTER, "controls", CHILD))
    return engine


def _easy() -> object:
    from dataclasses import replace

    return replace(task_policy(), answer_level=1)


def _asked(engine: Engine, task: Task, top: int | None = None) -> list[str]:
    return [one.name for one in proposals(engine, task, today=TODAY, top=top)]


def test_teams_are_asked_once_each_without_the_poster_and_its_group(library: Engine) -> None:
    found = proposals(library, make_posted(), today=TODAY)
    assert {one.name for one in found} == {firm(1).name, firm(2).name, firm(3).name, "程某"}
    assert [one.key for one in found][-1] == "broker:JJ-1"
    assert firm(1).uscc in {one.key for one in found}
    assert all(one.reason for one in found)
    order = [match.key[1] for match in library.match(make_scene(), top=9, today=TODAY)]
    through = [one.through.rpartition("（")[2].rstrip("）") for one in found[:-1]]
    assert through == sorted(through, key=order.index)


def test_who_was_asked_is_not_asked_again(library: Engine) -> None:
    task = make_posted()
    first = proposals(library, task, today=TODAY, top=1)
    task = with_invitations(task, first, at=NOON)
    assert [one.name for one in task.invited] == [one.name for one in first]
    again = _asked(library, task)
    assert set(again) == {firm(n).name for n in (1, 2, 3)} - {one.name for one in first}
    task = with_invitations(task, proposals(library, task, today=TODAY), at=NOON)
    assert _asked(library, task) == []


def test_below_the_level_nobody_is_asked(library: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matcher.invitations.task_policy", task_policy)
    levels = [match.level for match in library.match(make_scene(), top=9, today=TODAY)]
    teams = [one for one in proposals(library, make_posted(), today=TODAY) if one.what != "技术经纪人"]
    assert (max(levels) >= task_policy().answer_level) or teams == []


def _bid(number: int, **values: object) -> Bid:
    bid = opened(
        Bid, bid_rules(), id=f"b{number}", at=NOON, task="BD-2026-001", **bid_values(number, **values)
    )
    return moved(bid, bid_rules(), "open", role="system", at=NOON, values={})


def test_an_opened_bid_fits_as_the_ranking_says(library: Engine) -> None:
    bids = [_bid(1, record="CG-7"), _bid(2), _bid(3, record="CG-不在")]
    stored, written, missing = bid_fits(library, make_posted(), bids, today=TODAY)
    scene = library.store.get("scene", "CJ-1")
    assert scene is not None
    by_id = {match.key[1]: match for match in library.match(scene, top=9, today=TODAY)}
    assert stored.match is not None
    assert (stored.match.score, stored.match.level) == (by_id["CG-7"].score, by_id["CG-7"].level)
    assert stored.explanation is not None
    assert stored.explanation.score == stored.match.score
    assert (written.on, missing.on, stored.on) == ("投标文本", "投标文本", "所依据的成果 CG-7")
    assert written.match is not None
    assert written.match.key == ("scene", "CJ-1")
    assert [(indicator.name, answer.verdict) for indicator, _, answer in written.replies] == [
        ("抗风等级", "met"),
        ("航程", "met"),
    ]


def test_a_bid_on_a_task_about_nothing_stored_is_told_to_have_no_fit(library: Engine) -> None:
    (fit,) = bid_fits(library, make_posted(about=()), [_bid(2)], today=TODAY)
    assert (fit.match, fit.on) == (None, "榜单和投标都没有关联库中的记录")
    (by_record,) = bid_fits(library, make_posted(about=()), [_bid(2, record="CG-7")], today=TODAY)
    assert by_record.match is not None


def test_a_bid_brings_a_scene_to_an_achievement(library: Engine) -> None:
    task = make_posted(mode="offer", about=(("achievement", "CG-7"),))
    stored, written = bid_fits(library, task, [_bid(1, record="CJ-1"), _bid(2)], today=TODAY)
    assert stored.match is not None
    assert written.match is not None
    assert (stored.match.key, written.match.key) == (("scene", "CJ-1"), ("achievement", "CG-7"))
