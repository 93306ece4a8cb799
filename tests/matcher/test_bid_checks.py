"""The formal checks: each fault is told, and of other bidders nothing."""

from datetime import timedelta
from typing import Any

import pytest

from graph.kinds import Node
from graph.relations import Edge
from matcher.bid_checks import Proceedings, errors, formal_problems, personhood, replied
from matcher.bids import Bid, Member, Reply
from matcher.parties import Party
from matcher.register import Register
from matcher.tasks import Task
from tests.factories import NOON, make_edge, make_enterprise
from tests.matcher.boards import DAY, DEADLINE, OPENING, YUAN, firm, make_posted, uscc
from tests.matcher.test_bids import make_bid

TASK = make_posted()


def _around(*bids: Bid, tasks: tuple[Task, ...] = (TASK,), nodes: tuple[Node, ...] = (), edges: tuple[Edge, ...] = ()) -> Proceedings:  # fmt: skip
    return Proceedings(
        revision=1, register=Register(nodes, edges), tasks={task.id: task for task in tasks}, bids=bids
    )


def _codes(bid: Bid, task: Task = TASK, around: Proceedings | None = None, at: Any = NOON) -> list[str]:
    unsent = bid.model_copy(update={"submitted_at": None})
    return [problem.code for problem in errors(formal_problems(unsent, task, around or _around(), at=at))]


def _members(*members: tuple[int, bool]) -> tuple[Member, ...]:
    return tuple(Member(name=firm(n).name, uscc=firm(n).uscc, leads=leads) for n, leads in members)


def test_a_bid_without_fault_passes() -> None:
    assert _codes(make_bid()) == []
    assert _codes(make_bid(members=_members((1, True), (2, False)))) == []


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({"bidder": ""}, ["bid_bidder"]),
        ({"bidder_uscc": None}, ["bid_uscc_missing"]),
        ({"bidder_uscc": uscc(1, "92")}, ["bid_not_legal_person"]),
        ({"members": _members((1, True), (2, True))}, ["bid_consortium_lead"]),
        ({"members": _members((1, False), (2, False))}, ["bid_consortium_lead"]),
        ({"members": _members((1, False), (2, True))}, ["bid_consortium_lead"]),
        ({"members": _members((1, True), (2, False), (2, False))}, ["bid_consortium_twice"]),
        ({"members": (*_members((1, True)), Member(name="丙合伙企业", uscc=uscc(3)))}, ["bid_not_legal_person"]),
        ({"amount": None}, ["bid_amount"]), ({"amount": YUAN + 1}, ["bid_over_budget"]), ({"amount": YUAN}, []),
        ({"ip_statement": "", "team": ""}, ["bid_incomplete", "bid_incomplete"]),
        ({"replies": (Reply(indicator="航程≥30km", text="45km"),)}, ["bid_indicator"]),
        ({"replies": (Reply(indicator="航程", text="45km"), Reply(indicator="抗风等级 ≥7级", text="做不到"))}, []),
        ({"dishonest": None}, ["bid_dishonest_unknown"]), ({"dishonest": True}, ["bid_dishonest"]),
        ({"bidder": "澜川海岛发展", "bidder_uscc": uscc(900)}, ["bid_by_poster"]),
        ({"bidder": "澜川海岛发展（珠海）公司"}, ["bid_namesake"]),
        ({"members": (*_members((1, True)), Member(name="澜川海岛发展公司", uscc=uscc(900)))}, ["bid_by_poster"]),
        ({"earlier": ("BD-x",)}, ["bid_earlier_unknown"]),
    ],
)  # fmt: skip
def test_each_fault_is_told(values: dict[str, Any], codes: list[str]) -> None:
    assert _codes(make_bid(**values)) == codes


def test_a_poster_without_code_is_known_by_its_name() -> None:
    task = make_posted(poster_uscc=None)
    assert _codes(make_bid(bidder="珠海澜川海岛发展有限公司"), task) == ["bid_by_poster"]


def test_a_namesake_passes_once_a_person_has_looked() -> None:
    bid = make_bid(bidder="澜川海岛发展公司")
    cleared = TASK.model_copy(update={"cleared": (uscc(1),)})
    assert (_codes(bid), _codes(bid, cleared)) == (["bid_namesake"], [])


@pytest.mark.parametrize(
    ("title", "told"),
    [("第1号航空科技（珠海）公司", []), ("丙方软件有限公司", ["bid_name_differs"])],
)
def test_a_code_that_is_another_s_in_the_library_is_pointed_out(title: str, told: list[str]) -> None:
    nodes = (make_enterprise("QY-1", title=title, uscc=firm(1).uscc),)
    found = formal_problems(make_bid(), TASK, _around(nodes=nodes), at=NOON)
    assert [problem.code for problem in found if problem.code != "bid_unresolved"] == told
    assert errors(found) == []


@pytest.mark.parametrize("chain", [((0, 1),), ((1, 0),), ((0, 2), (2, 1))])
def test_who_controls_the_poster_or_is_controlled_by_it_does_not_bid(
    chain: tuple[tuple[int, int], ...],
) -> None:
    firms = [
        make_enterprise("QY-1", title=firm(1).name, uscc=firm(1).uscc),
        make_enterprise("QY-2", title=TASK.poster, uscc=TASK.poster_uscc), make_enterprise("QY-3", title="中间层公司"),
    ]  # fmt: skip
    edges = tuple(make_edge(firms[a], "controls", firms[b]) for a, b in chain)
    assert _codes(make_bid(), around=_around(nodes=tuple(firms), edges=edges)) == ["bid_by_group"]
    assert formal_problems(make_bid(), TASK, _around(nodes=tuple(firms)), at=NOON) == []


def test_the_last_second_is_in_time_and_the_next_is_not() -> None:
    last = DEADLINE + timedelta(microseconds=999_999)
    assert [_codes(make_bid(), at=at) for at in (last, OPENING)] == [[], ["bid_late"]]
    assert _codes(make_bid(), TASK.model_copy(update={"state": "evaluating"})) == ["bid_closed"]


def test_the_quota_counts_the_bidders_own_bids_on_open_tasks() -> None:
    tasks = tuple(make_posted(f"BD-2026-{n:03d}") for n in range(1, 6))
    mine = tuple(make_bid(1, f"BD-2026-{n:03d}") for n in (2, 3, 4))
    others = tuple(make_bid(2, task.id) for task in tasks)
    told = [_codes(make_bid(), around=_around(*given, *others, tasks=tasks)) for given in (mine[:2], mine)]
    assert told == [[], ["bid_quota"]]
    over = (tasks[0], tasks[1].model_copy(update={"state": "failed"}), *tasks[2:])
    gone = mine[0].model_copy(update={"state": "withdrawn"})
    assert _codes(make_bid(), around=_around(*mine, tasks=over)) == []
    assert _codes(make_bid(), around=_around(gone, *mine[1:], tasks=tasks)) == []


def test_of_two_that_came_at_once_the_later_is_over_the_quota_at_the_opening() -> None:
    tasks = tuple(make_posted(f"BD-2026-{n:03d}", quota=1) for n in (1, 2))
    first = make_bid(1, "BD-2026-001", submitted_at=NOON)
    second = make_bid(1, "BD-2026-002", submitted_at=NOON + timedelta(seconds=1))
    around = _around(first, second, tasks=tasks)
    codes = [
        [p.code for p in errors(formal_problems(bid, task, around, at=OPENING))]
        for bid, task in zip((first, second), tasks, strict=True)
    ]
    assert codes == [[], ["bid_quota"]]


def test_what_has_won_is_not_handed_in_again() -> None:
    old = TASK.model_copy(update={"id": "BD-2025-001", "state": "closed"})
    won = make_bid(1, "BD-2025-001", record="CG-1").model_copy(update={"state": "won"})
    around = _around(won, tasks=(TASK, old))
    told = {
        name: _codes(make_bid(number, **values), around=around)
        for name, number, values in (
            ("names it", 1, {"earlier": ("BD-2025-001",)}), ("same record", 1, {"record": "CG-1"}),
            ("another", 1, {"record": "CG-2"}), ("another's", 2, {"earlier": ("BD-2025-001",), "record": "CG-1"}),
        )
    }  # fmt: skip
    assert told == {
        "names it": ["bid_won_before"],
        "same record": ["bid_won_before"],
        "another": [],
        "another's": [],
    }


def test_replies_are_compared_figure_by_figure() -> None:
    replies = (Reply(indicator="抗风等级≥7级", text="6级"), Reply(indicator="航程≥30km", text="航程45km"))
    found = replied(make_bid(replies=replies), TASK)
    assert [(indicator.name, reply and reply.text, answer.verdict) for indicator, reply, answer in found] == [
        ("抗风等级", "6级", "short"), ("航程", "航程45km", "met"),
    ]  # fmt: skip
    assert [p.code for p in formal_problems(make_bid(replies=replies), TASK, _around(), at=NOON)] == [
        "bid_unresolved", "bid_indicator_short",
    ]  # fmt: skip


def test_what_a_bidder_is_told_says_nothing_of_others() -> None:
    crowd = tuple(make_bid(n) for n in range(2, 9))
    late = make_bid(amount=None).model_copy(update={"submitted_at": None})
    alone, among = (formal_problems(late, TASK, _around(*bids), at=NOON + DAY) for bids in ((), crowd))
    assert alone == among


@pytest.mark.parametrize(
    ("party", "codes"),
    [
        (Party(name="甲有限公司", uscc=uscc(1)), []),
        (Party(name="甲有限公司"), ["bid_uscc_missing"]),
        (Party(name="甲有限公司", uscc=uscc(1)[:-1] + "0"), ["bid_uscc"]),
        (Party(name="甲商行", uscc=uscc(1, "92")), ["bid_not_legal_person"]),
        (Party(name="甲有限公司珠海分公司", uscc=uscc(1)), ["bid_not_legal_person"]),
        (Party(name="甲投资中心（有限合伙）", uscc=uscc(1)), ["bid_not_legal_person"]),
    ],
)  # fmt: skip
def test_only_a_legal_person_with_a_valid_code_passes(party: Party, codes: list[str]) -> None:
    assert [problem.code for problem in personhood(party, "投标单位")] == codes
