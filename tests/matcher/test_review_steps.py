"""A review from opened bids to a decision on the sample world: every planted conflict is found, and none invented.

People and organisations of the sample are fictional.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.intake.importing import plan_import
from graph.kinds import Achievement, Broker, Enterprise, Expert, Node
from graph.problems import Refused
from graph.relations import Edge
from graph.resources import resource
from graph.store.changes import PutNode
from graph.store.store import Store, open_store
from matcher import awarding
from matcher.awards import Award
from matcher.bidding import abandon, hand_in, open_bids
from matcher.bids import Bid, Reply
from matcher.conflicts import Clearance, conflicts
from matcher.panels import Quota
from matcher.parties import Party
from matcher.review_material import POSTER_ENTRY, Material
from matcher.review_processes import Declaration, Mark, Panel, Review, remarks
from matcher.review_steps import (
    Fits,
    assign_bids,
    candidates_of,
    draw_panel,
    graded,
    recuse_expert,
    take_marks,
)
from matcher.task_steps import move_task
from matcher.tasks import OFFICER, Invitation, Task
from tests.factories import NOON, make_edge, put
from tests.matcher.boards import DAY, OPENING, make_posted, plays_again, put_processes, uscc
from tests.matcher.planting import RESPELLINGS

ID = "BD-2026-001"
BIDS, FREE = 3, 6


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with the sample world."""
    path = tmp_path_factory.mktemp("sample") / "store.db"
    with open_store(path) as store:
        sheets = [path for path in sorted(resource("sample").glob("*.csv")) if path.stem != "judgements"]
        plan_import([str(path) for path in sheets], store=store, at=NOON).commit(
            store, actor="测试", reason="样例"
        )
    return path


@pytest.fixture
def store(sample: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(sample, tmp_path / "store.db")
    with open_store(tmp_path / "store.db") as opened:
        yield opened


@dataclass(kw_only=True)
class Board:
    """A task of the sample world's: bidders, institutions, what each planted expert and bid holds, what is to be found."""

    poster: Enterprise
    firms: list[Enterprise]
    places: list[str]
    records: list[Node | Edge] = field(default_factory=list)
    bids: list[dict[str, Any]] = field(default_factory=list)
    declared: list[Declaration] = field(default_factory=list)
    invited: list[str] = field(default_factory=list)
    expected: dict[tuple[str, int], set[str]] = field(default_factory=dict)

    def expert(self, kind: str, place: str, at: int, told: str | None = None) -> Expert:
        """A new expert at a place, who is to have this conflict with a bid (-1: the poster)."""
        made = Expert(id=f"ZJ-{kind}", title=f"{kind}专家", organisation=place)
        self.records.append(made)
        self.expected[made.id, at] = {told or kind}
        return made


def _board(store: Store) -> Board:
    controlled = {key for edge in store.edges("controls") for key in (edge.source_id, edge.target_id)}
    firms = [n for n in store.nodes("enterprise") if isinstance(n, Enterprise) and n.id not in controlled]
    free = [firm for firm in firms if firm.uscc]
    board = Board(
        poster=free[0], firms=free[1 : 1 + BIDS], places=[node.title for node in store.nodes("institution")]
    )
    board.bids = [{"people": (f"成员{n}",), "brokers": (), "avoids": (), "record": ""} for n in range(BIDS)]
    return board


def _plant(board: Board) -> None:
    """One expert for every kind of conflict, and as many who have none."""
    firms, bids, places = board.firms, board.bids, board.places
    for place, respelt in enumerate(RESPELLINGS):
        board.expert(f"same_organisation{place}", respelt(firms[0].title), 0, "same_organisation")
    board.expert("department", f"{firms[1].title}研发部", 1)
    above, below = (Enterprise(id=f"X-{n}", title=f"{n}字号制造有限公司") for n in ("上", "下"))
    board.records += [
        above,
        below,
        make_edge(above, "controls", firms[2]),
        make_edge(firms[1], "controls", below),
    ]
    board.expert("parent", above.title, 2, "group")
    board.expert("subsidiary", below.title, 1, "group")
    board.records.append(make_edge(firms[0], "employs", board.expert("employs", places[0], 0)))
    board.expert("poster", RESPELLINGS[2](board.poster.title), -1)

    for name, granted in (("joint_work", date(2025, 1, 1)), ("long_ago", date(2021, 1, 1))):
        work = Achievement(
            id=f"CX-{name}",
            title=f"{name}成果",
            owner=firms[0].title,
            inventors=("成员0",),
            granted_on=granted,
        )
        board.records += [work, make_edge(board.expert(name, places[1], 0), "invented", work)]
    del board.expected["ZJ-long_ago", 0]
    own = Achievement(id="CX-own", title="所报成果", owner=firms[1].title)
    board.records += [own, make_edge(board.expert("inventor", places[2], 1), "invented", own)]
    bids[1]["record"] = own.id

    adviser = board.expert("advises", places[3], 2)
    board.declared.append(Declaration(expert=adviser.id, advises=(RESPELLINGS[3](firms[2].title),)))
    shy = board.expert("declared", places[3], 2)
    board.declared.append(Declaration(expert=shy.id, avoids=(firms[2].uscc or "",)))
    boss = board.expert("legal_representative", places[4], 0)
    board.declared.append(Declaration(expert=boss.id, representative="尚某"))
    bids[0]["representative"] = " 尚某"
    unwanted = board.expert("unwanted", places[3], 1, "declared")
    bids[1]["avoids"] = (unwanted.title,)

    for kind, at in (("paid_broker", 2), ("invited", -1)):
        person = board.expert(kind, places[5], at, "paid_broker")
        broker = Broker(id=f"JJ-{kind}", title=person.title, organisation=places[5])
        board.records.append(broker)
        if at < 0:
            board.invited.append(broker.id)
        else:
            bids[at]["brokers"] = (broker.id,)
    bids[1]["people"] += (f"座上宾（{places[6]}）", f"bidder专家（{places[7]}）", "namesake专家")
    board.expert("colleague", places[6], 1)
    board.expert("bidder", places[7], 1)
    board.expected["ZJ-bidder", 1] = {"bidder"}
    board.expert("namesake", places[3], 1, "unresolved")
    unknown = board.expert("unknown", "无名研究会", 0, "unresolved")
    for at in (-1, 1, 2):
        board.expected[unknown.id, at] = {"unresolved"}
    for n in range(FREE):
        board.records.append(Expert(id=f"ZJ-free{n}", title=f"闲人{n}", organisation=places[8 + n % 4]))


def _opened(store: Store, board: Board) -> list[str]:
    """Hand the bids in and open them; gives their ids in the order of bidders."""
    put(store, *(record for record in board.records if isinstance(record, Node)))
    put(store, *(record for record in board.records if isinstance(record, Edge)))
    invited = tuple(Invitation(key=f"broker:{id}", name=id, at=NOON) for id in board.invited)
    posted = make_posted(
        poster=board.poster.title, poster_uscc=board.poster.uscc, experts=3, notice_days=0, selection="race"
    )
    put_processes(store, [posted.model_copy(update={"invited": invited})])
    ids: list[str] = []
    for firm, more in zip(board.firms, board.bids, strict=True):
        values = {
            "bidder": firm.title, "bidder_uscc": firm.uscc, "title": "复合翼无人机", "scheme": "抗七级风", "team": "十人",
            "amount": "200", "ip_statement": "自有", "dishonest": False, **more,
            "replies": (Reply(indicator="抗风等级≥7级", text="8级"), Reply(indicator="航程≥30km", text="45km")),
        }  # fmt: skip
        found = hand_in(store, ID, values=values, at=NOON + len(ids) * DAY)
        assert found.bid is not None, found.problems
        ids.append(found.bid.id)
    open_bids(store, ID, actor="甲", at=OPENING)
    return ids


def _even(material: Material, experts: Any) -> Fits:
    return np.full((len(material.bids), len(experts)), 0.5)


def _marks(store: Store, *, best: int = 0, remark: str = "") -> list[Mark]:
    review = store.process(Review, ID)
    assert review is not None
    order = [bid.id for bid in Material.of(store, ID).bids]
    return [
        Mark(
            expert=who, entry=entry, remark=remark,
            marks={name: str(int(full) - (order.index(entry) - best) % len(order)) for name, full in review.full_marks},
        )
        for entry, some in review.readers.items()
        for who in some
    ]  # fmt: skip


def test_every_planted_conflict_is_found_in_a_stored_task_and_none_is_invented(store: Store) -> None:
    board = _board(store)
    _plant(board)
    ids = _opened(store, board)
    material = Material.of(store, ID, declared=board.declared)
    found = conflicts(
        material.people.values(), [*material.entries, material.poster], material.register, today=OPENING.date(), years=3
    )  # fmt: skip
    assert {pair: {one.kind for one in some} for pair, some in found.items()} == {
        (who, ids[at] if at >= 0 else POSTER_ENTRY): kinds for (who, at), kinds in board.expected.items()
    }
    drawing = draw_panel(store, ID, seed=7, declared=board.declared, actor="甲", at=OPENING)
    free = {f"ZJ-free{n}" for n in range(FREE)} | {"ZJ-long_ago"}
    assert {one.id for one in drawing.pool if not one.barred} == free
    assert drawing.panel == store.process(Panel, ID)
    assert drawing.panel is not None
    assert set(drawing.panel.members) | set(drawing.panel.alternates) <= free


@pytest.fixture
def judged(store: Store) -> list[str]:
    """Bids of a racing task with a panel of three of six experts and all their marks; gives the bids' ids."""
    board = _board(store)
    board.records = [
        Expert(id=f"ZJ-{n}", title=f"评委{n}", organisation=board.places[n], specialities="无人机")
        for n in range(FREE)
    ]
    ids = _opened(store, board)
    assert draw_panel(
        store, ID, seed=7, quotas=[Quota(words=("无人机",), least=2)], actor="甲", at=OPENING
    ).panel
    assert assign_bids(store, ID, _even, actor="甲", at=OPENING).review
    assert isinstance(take_marks(store, ID, _marks(store), actor="甲", at=OPENING), Review)
    return ids


def _members(store: Store) -> tuple[str, ...]:
    panel = store.process(Panel, ID)
    assert panel is not None
    return panel.members


def _refused(step: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        step()
    return refused.value.code, refused.value.message


def _confirm(store: Store) -> awarding.Awarded:
    return awarding.confirm(store, ID, actor="甲", at=OPENING + DAY)


def test_a_conflict_that_comes_up_during_the_notice_keeps_the_award_from_force(
    store: Store, judged: list[str]
) -> None:
    awarding.propose(store, ID, actor="甲", at=OPENING)
    awarding.publish(store, ID, actor="甲", at=OPENING)
    firm, expert = (
        store.get("enterprise", _bidder(store, judged[0])), store.get("expert", _members(store)[0]),
    )  # fmt: skip
    assert firm is not None
    assert expert is not None
    edge = make_edge(firm, "employs", expert)
    put(store, edge)
    before = store.head()
    code, message = _refused(lambda: _confirm(store))
    assert (code, f"评了“{firm.title}”的标书" in message, store.head()) == ("review_conflict", True, before)
    awarding.withdraw(store, ID, reason="有回避", actor="甲", at=OPENING)
    recuse_expert(store, ID, expert.id, reason="受聘于投标单位", actor="甲", at=OPENING)
    taken = {(mark.expert, mark.entry) for mark in _marks(store)}
    missing = [
        mark
        for mark in _marks(store)
        if (mark.expert, mark.entry) in taken and mark.expert not in _given(store)
    ]
    assert {mark.expert for mark in missing} == {_members(store)[0]}
    take_marks(store, ID, missing, actor="甲", at=OPENING)
    awarding.propose(store, ID, actor="甲", at=OPENING)
    awarding.publish(store, ID, actor="甲", at=OPENING)
    assert _confirm(store).task.winners == tuple(judged[:2])


def _given(store: Store) -> set[str]:
    review = store.process(Review, ID)
    return {mark.expert for mark in review.marks} if review else set()


def _bidder(store: Store, bid_id: str) -> str:
    bid = store.process(Bid, bid_id)
    assert bid is not None
    return next(
        n.id for n in store.nodes("enterprise") if isinstance(n, Enterprise) and n.uscc == bid.bidder_uscc
    )


def test_an_identity_in_doubt_keeps_everything_from_going_on_until_a_person_has_looked(
    store: Store, judged: list[str]
) -> None:
    awarding.propose(store, ID, actor="甲", at=OPENING)
    awarding.publish(store, ID, actor="甲", at=OPENING)
    firm = store.get("enterprise", _bidder(store, judged[1]))
    assert isinstance(firm, Enterprise)
    store.apply(
        [PutNode(node=firm.model_copy(update={"uscc": uscc(7)}))], actor="甲", at=NOON, reason="改代码"
    )
    code, message = _refused(lambda: _confirm(store))
    assert (code, message) == (
        "identity_unresolved",
        f"投标单位的身份没有核实：“{firm.title}”在库中的信用代码是 {uscc(7)}，这里写的是 {firm.uscc}。",
    )
    cleared = {"cleared": (firm.uscc or "",), "reason": "查过执照，代码已更正"}
    move_task(store, ID, "clear_awarded", role=OFFICER, values=cleared, actor="甲", at=OPENING)
    assert _confirm(store).award.state == "effective"


def test_an_expert_in_doubt_keeps_an_award_from_being_proposed_until_cleared(
    store: Store, judged: list[str]
) -> None:
    expert = store.get("expert", _members(store)[0])
    assert isinstance(expert, Expert)
    put(store, expert.model_copy(update={"organisation": "无名研究会"}))
    code, message = _refused(lambda: awarding.propose(store, ID, actor="甲", at=OPENING))
    assert (code, "身份未核实" in message) == ("identity_unresolved", True)
    looked = [
        Clearance(person=expert.id, entry=entry, by="甲", reason="查过登记证")
        for entry in (*judged, POSTER_ENTRY)
    ]
    reading = assign_bids(store, ID, _even, clearances=looked, actor="甲", at=OPENING)
    assert (reading.lost, reading.review == store.process(Review, ID)) == ((), True)
    award = awarding.propose(store, ID, actor="甲", at=OPENING).award
    assert [line for line in award.checks if "无关" in line] == [
        f"甲核实 {expert.id} 与 {entry} 无关：查过登记证" for entry in (*judged, POSTER_ENTRY)
    ]


def test_bids_of_one_group_are_told_with_the_award(store: Store, judged: list[str]) -> None:
    one, other = (store.get("enterprise", _bidder(store, bid)) for bid in judged[:2])
    assert one is not None
    assert other is not None
    put(store, make_edge(one, "controls", other))
    checks = awarding.propose(store, ID, actor="甲", at=OPENING).award.checks
    told = {
        f"“{a.title}”与“{b.title}”的投标有控股关系，请核实是否各自独立投标"
        for a, b in ((one, other), (other, one))
    }
    assert len(told & set(checks)) == 1


def test_a_winner_that_gives_up_is_left_out_when_the_task_is_judged_anew(
    store: Store, judged: list[str]
) -> None:
    awarding.propose(store, ID, actor="甲", at=OPENING)
    awarding.publish(store, ID, actor="甲", at=OPENING)
    _confirm(store)
    bid = store.process(Bid, judged[0])
    assert bid is not None
    abandon(store, ID, Party(name=bid.bidder, uscc=bid.bidder_uscc), at=OPENING, reason="产能不足")
    assert (
        "中榜 1 家，应为 2 至 3 家"
        in _refused(lambda: move_task(store, ID, "sign", role=OFFICER, values={}, actor="甲", at=OPENING))[1]
    )
    again = awarding.withdraw(store, ID, reason="中榜单位放弃", actor="甲", at=OPENING)
    assert (again.task.state, again.task.valid_bids) == ("evaluating", tuple(judged[1:]))
    awarding.propose(store, ID, actor="甲", at=OPENING)
    awarding.publish(store, ID, actor="甲", at=OPENING)
    assert _confirm(store).task.winners == tuple(judged[1:])
    states = {bid.id: bid.state for bid in store.processes(Bid)}
    assert [states[id] for id in judged] == ["abandoned", "won", "won"]


def test_what_experts_wrote_goes_to_losers_without_any_name(store: Store, judged: list[str]) -> None:
    expert, winner = f"评委{_members(store)[0][-1]}", store.process(Bid, judged[0])
    assert winner is not None
    said = f"{expert}：不如{winner.bidder.removeprefix('珠海')}，续航弱"
    take_marks(store, ID, _marks(store, remark=said), actor="甲", at=OPENING)
    review = store.process(Review, ID)
    assert review is not None
    assert remarks(review)[judged[2]] == ["专家：不如其他单位，续航弱"]
    awarding.propose(store, ID, actor="甲", at=OPENING)
    awarding.publish(store, ID, actor="甲", at=OPENING)
    _confirm(store)
    loser = store.process(Bid, judged[2])
    assert loser is not None
    assert (loser.state, "评审意见：专家：不如其他单位，续航弱" in loser.reason) == ("lost", True)
    others = [bid.bidder for id in judged[:2] if (bid := store.process(Bid, id))]
    assert [name for name in (*others, "评委", "ZJ-") if name in loser.reason] == []


def test_nothing_is_judged_before_the_opening_or_under_a_standing_award(
    store: Store, judged: list[str]
) -> None:
    put_processes(store, [make_posted("BD-2026-002")])
    early = _refused(lambda: draw_panel(store, "BD-2026-002", seed=1, actor="甲", at=NOON))
    assert early[0] == "review_stage"
    awarding.propose(store, ID, actor="甲", at=OPENING)
    for step in (
        lambda: take_marks(store, ID, _marks(store), actor="甲", at=OPENING),
        lambda: assign_bids(store, ID, _even, actor="甲", at=OPENING),
        lambda: recuse_expert(store, ID, _members(store)[0], reason="x", actor="甲", at=OPENING),
    ):
        assert _refused(step)[0] == "review_stage"


def test_what_cannot_be_done_names_bids_by_their_bidders(store: Store, judged: list[str]) -> None:
    reading = assign_bids(store, ID, _even, per_bid=99, actor="甲", at=OPENING)
    review = store.process(Review, ID)
    assert review is not None
    put_processes(store, [review.model_copy(update={"marks": ()})])
    missing = graded(Material.of(store, ID))
    assert isinstance(missing, list)
    for problems in (reading.problems, missing):
        said = "".join(problem.message for problem in problems)
        assert [(bid.bidder in said, bid.id in said) for bid in store.processes(Bid)] == [
            (True, False)
        ] * BIDS


@pytest.mark.parametrize("scoring", ["trimmed", "mean", "z"])
def test_the_task_says_how_marks_count_and_what_becomes_of_equals(
    store: Store, judged: list[str], scoring: str
) -> None:
    task = store.process(Task, ID)
    assert task is not None
    put_processes(store, [task.model_copy(update={"scoring": scoring, "tie_rule": "earlier"})])
    equal = [one.model_copy(update={"marks": dict.fromkeys(one.marks, "10")}) for one in _marks(store)]
    take_marks(store, ID, equal, actor="甲", at=OPENING)
    award = awarding.propose(store, ID, actor="甲", at=OPENING).award
    assert [one.entry for one in award.ranking] == judged
    assert [one.tie for one in award.ranking] == ["同分，先投者在前", "同分，先投者在前", ""]


def test_panel_review_and_award_are_played_again_from_the_history(store: Store, judged: list[str]) -> None:
    awarding.propose(store, ID, actor="甲", at=OPENING)
    awarding.withdraw(store, ID, reason="重评", actor="甲", at=OPENING)
    recuse_expert(store, ID, _members(store)[0], reason="有合作", actor="甲", at=OPENING)
    take_marks(store, ID, _marks(store, best=1), actor="甲", at=OPENING)
    awarding.propose(store, ID, actor="甲", at=OPENING)
    awarding.publish(store, ID, actor="甲", at=OPENING)
    _confirm(store)
    plays_again(store, Task, Bid, Panel, Review, Award)


def test_candidates_are_looked_at_anew_each_time(store: Store, judged: list[str]) -> None:
    material = Material.of(store, ID)
    assert not any(one.barred for one in candidates_of(material, OPENING)[0])
    poster = Enterprise(id="X-1", title="挂名有限公司")
    put(store, poster)
    task = store.process(Task, ID)
    assert task is not None
    named = Material.of(store, ID, declared=[Declaration(expert=_members(store)[0], advises=(task.poster,))])
    assert [one.id for one in candidates_of(named, OPENING)[0] if one.barred] == [_members(store)[0]]
