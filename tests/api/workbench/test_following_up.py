"""What comes of a list: it is noted as shown, sent on as a task, a roadshow or an order, and worked on from there."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.workbench.people import Role
from graph.feedback import Judgement
from graph.store.changes import PutFeedback, PutProcess
from matcher.orders import Order, order_rules
from matcher.roadshows import Roadshow
from matcher.tasks import Task
from tests.api.conftest import Served
from tests.api.listening import lasting
from tests.api.workbench.conftest import NAMES, Person, marks_of
from tests.api.workbench.task_board import CASE, NOTICE, SEALED, boarded
from tests.factories import NOON

People = Callable[[Role], Person]


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application with a board of tasks for all of these tests."""
    home = boarded(_indexed, tmp_path_factory.mktemp("board"))
    with lasting(home, tmp_path_factory.mktemp("following-up")) as running:
        yield running


def shown(served: Served, scene: str) -> dict[str, tuple[int | None, str]]:
    return {
        one.achievement: (one.rank, one.by) for one in served.store.outcomes(scene) if one.stage == "shown"
    }


def seen_at(person: Person, path: str) -> dict[str, str]:
    text = person.get(path).text
    return marks_of(text) | {"seen": re.findall(r'name="seen" value="([^"]*)"', text)[0]}


def test_what_a_list_showed_is_kept_once_with_its_rank_and_nothing_of_a_written_text(people: People, served: Served) -> None:  # fmt: skip
    person, other = people("staff"), people("organiser")
    before = served.store.revision()
    assert person.get("/match?text=海岛无人机送药").status_code == 200
    assert served.store.revision() == before
    page = person.get("/match?scene=CJ-3").text
    ranked = re.findall(r'data-id="(CG-\d)"', page)
    assert shown(served, "CJ-3") == {id: (rank, NAMES["staff"]) for rank, id in enumerate(ranked, 1)}
    assert served.store.revision() == before + 1
    person.get("/match?scene=CJ-3")
    other.get("/match?scene=CJ-3")
    assert served.store.revision() == before + 1
    other_way = people("staff").get("/match?achievement=CG-1").text
    for scene in re.findall(r'data-id="(CJ-\d)"', other_way):
        assert "CG-1" in shown(served, scene)
    # The history of changes is not drowned in it.
    assert "匹配时展示" not in people("administrator").get("/admin/history").text
    assert "匹配时展示" in people("administrator").get("/admin/history?q=匹配时展示").text


def test_a_hidden_pair_was_not_shown(people: People, served: Served) -> None:
    person = people("staff")
    sent = {"scene": "CJ-2", "achievement": "CG-4", "hide": "1", "reason": "只用于海岛"}
    assert person.send("/hidings", "/pair?scene=CJ-2&found=CG-4", sent).status_code == 303
    person.get("/match?scene=CJ-2")
    assert "CG-4" not in shown(served, "CJ-2")
    assert shown(served, "CJ-2")


def test_a_shortlist_is_a_document_best_first_with_reasons_and_indicators(people: People) -> None:
    import docx

    address = "/match/shortlist.docx?scene=CJ-1&id=CG-2&id=CG-1"
    answer = people("organiser").get(address)
    document = docx.Document(io.BytesIO(answer.content))
    assert [row.cells[3].text for row in document.tables[0].rows] == [
        "名称", "抗七级风垂直起降固定翼无人机（CG-1）", "病区送药机器人（CG-2）",
    ]  # fmt: skip
    text = "\n".join(paragraph.text for paragraph in document.paragraphs)
    assert "海岛无人机送药候选名单" in text
    assert "与下一名相比：" in text
    assert [cell.text for cell in document.tables[1].rows[1].cells] == ["抗风等级≥7级", "抗风等级7级", "满足"]
    assert people("organiser").get(address).content == answer.content


def test_a_shortlist_becomes_a_task_of_the_scene_that_names_what_was_picked(people: People, served: Served) -> None:  # fmt: skip
    person = people("staff")
    form = "/match/send?to=task&scene=CJ-1&id=CG-1&id=CG-2"
    fields = marks_of(person.get(form).text) | {"to": "task", "scene": "CJ-1", "id": ["CG-1", "CG-2"]}
    places = {person.client.post("/match/send", data=fields).headers["location"] for _ in range(2)}
    (place,) = places
    task = served.store.process(Task, place.removeprefix("/tasks/"))
    assert (task.title, task.about, task.state) == ("海岛无人机送药", (("scene", "CJ-1"),), "registered")
    assert "CG-1" in served.store.history_of_process("task", task.id)[-1].reason
    assert person.get(place).status_code == 200


def test_a_shortlist_becomes_a_roadshow_with_must_haves_or_joins_one(people: People, served: Served) -> None:
    person = people("organiser")
    sent = {"to": "roadshow", "scene": "CJ-1", "id": "CG-1", "title": "海岛专场", "pitches": "2"}
    place = person.send("/match/send", "/match/send?to=roadshow&scene=CJ-1&id=CG-1", sent).headers["location"]
    (made,) = served.store.processes(Roadshow)
    assert place == f"/roadshows/{made.id}?solve=1"
    assert (made.title, made.about, made.must, made.number("pitches")) == ("海岛专场", (("scene", "CJ-1"),), ("CG-1",), 2)  # fmt: skip
    form = "/match/send?to=roadshow&achievement=CG-2&id=CJ-1"
    assert made.id in person.get(form).text
    person.send(
        "/match/send", form, {"to": "roadshow", "achievement": "CG-2", "id": "CJ-1", "roadshow": made.id}
    )
    assert served.store.process(Roadshow, made.id).must == ("CG-1", "CG-2")
    refused = person.get("/match/send?to=task&scene=CJ-1&id=CG-1")
    assert refused.status_code == 403
    assert person.get("/match/send?to=roadshow&scene=CJ-1").status_code == 422


def test_a_pair_becomes_an_order_that_is_worked_on_to_its_end(people: People, served: Served) -> None:
    person = people("staff")
    form = "/match/send?to=order&scene=CJ-1&id=CG-1"
    page = person.get(form).text
    assert "请安排场景“海岛无人机送药”（CJ-1）与成果“抗七级风垂直起降固定翼无人机”（CG-1）对接。" in page
    sent = {"to": "order", "scene": "CJ-1", "id": "CG-1", "need": "请尽快对接", "contact": "陈工"}
    place = person.send("/match/send", form, sent).headers["location"]
    id = place.removeprefix("/orders/")
    order = served.store.process(Order, id)
    assert (order.need, order.scene, order.achievement, order.partner) == ("请尽快对接", "CJ-1", "CG-1", "")
    assert "请尽快对接" in people("organiser").get("/orders").text
    for move, told in (
        ("accept", {}),
        ("assign", {"handler": "张敏"}),
        ("answer", {"answer": "已约见面"}),
        ("close", {}),
    ):
        fields = seen_at(person, place) | {"move": move, **told}
        assert person.client.post(f"{place}/moves", data=fields).status_code == 303, move
    assert served.store.process(Order, id).state == "closed"
    assert "已经结束" in person.get(place).text


def test_of_two_at_one_order_the_second_is_told_and_a_move_without_its_reason_is_refused(people: People, served: Served) -> None:  # fmt: skip
    order = _order(served, "DD-two")
    place = f"/orders/{order.id}"
    first, second = people("staff"), people("officer")
    late = seen_at(second, place)
    assert (
        first.client.post(f"{place}/moves", data=seen_at(first, place) | {"move": "accept"}).status_code
        == 303
    )
    assert second.client.post(f"{place}/moves", data=late | {"move": "accept"}).status_code == 412
    refused = second.client.post(
        f"{place}/moves", data=seen_at(second, place) | {"move": "decline", "reason": " "}
    )
    assert refused.status_code == 422
    assert served.store.process(Order, order.id).state == "accepted"
    # What a partner placed only the partner takes back.
    assert "您的身份不能办理" in second.get(place).text


def _order(served: Served, id: str, *, at: Any = NOON) -> Order:
    from graph.processes import opened

    order = opened(Order, order_rules(), id=id, at=at, partner="hengqin", need="找一家会做网箱清洗的")
    served.store.apply([PutProcess(process=order)], actor="hengqin", at=NOON, reason="点单")
    return order


def test_the_desk_tells_what_waits_with_a_link_to_each_by_role(people: People, served: Served) -> None:
    order = _order(served, "DD-late", at=NOON - timedelta(days=30))
    served.store.apply(
        [PutFeedback(record=Judgement(scene="CJ-3", achievement="CG-3", judge="程某", level=4, at=NOON))],
        actor="程某", at=NOON, reason="评级",
    )  # fmt: skip
    officer = people("officer").get("/").text
    assert f"/orders/{order.id}" in officer
    assert f'/tasks/{SEALED}">' in officer
    assert "投标已截止，可以开标" in officer
    assert "评分已齐" not in officer
    assert f"/tasks/{NOTICE}" in officer
    assert "有异议没有答复" in officer
    assert f"/cases/{CASE}" in officer
    first = {
        role: re.findall(r'<section class="card" aria-labelledby="t-(\w+)"', people(role).get("/").text)[0]
        for role in ("staff", "organiser", "officer")
    }
    assert first == {"staff": "new", "organiser": "lineups", "officer": "tasks"}
    page = people("staff").get("/").text
    judged = page[page.index('id="t-judge"') : page.index("</section>", page.index('id="t-judge"'))]
    assert "CJ-3" not in judged


def test_lineups_are_told_with_what_they_break(people: People, served: Served) -> None:
    from matcher.roadshows import Pitch, new_roadshow

    show = new_roadshow(
        "LY-2026-090", at=NOON, title="夜航专场", theme="海岛", about=(("scene", "CJ-1"),), must=("CG-2",),
        numbers={"pitches": 2, "coverage": 0}, stage=(Pitch(achievement="CG-1", title="无人机"),), levels={"pitches": "resolve", "must": "resolve"},
    )  # fmt: skip
    served.store.apply([PutProcess(process=show)], actor="林屿", at=NOON, reason="路演")
    part = people("organiser").get("/desk/lineups").text
    assert "/roadshows/LY-2026-090" in part
    assert "2 处冲突" in part


def test_an_organisation_is_told_in_one_view_and_a_broker_with_load_and_record(
    people: People, served: Served
) -> None:
    person = people("staff")
    firm = person.get("/organisations/enterprise/QY-1").text
    assert "抗七级风垂直起降固定翼无人机" in firm
    assert "拥有" in firm
    listed = person.get("/organisations?kind=broker").text
    assert "/organisations/broker/JJ-2" in listed
    assert "已满" in listed
    sent = {"scene": "CJ-1", "achievement": "CG-1", "stage": "met", "reason": "谈得不错"}
    assert person.send("/outcomes", "/pair?scene=CJ-1&found=CG-1", sent).status_code == 303
    broker = person.get("/organisations/broker/JJ-1").text
    assert "还能接 8 项" in broker
    assert "谈得不错" in broker
    assert "海岛无人机送药" in broker
    assert person.get("/organisations/scene/CJ-1").status_code == 404


def test_no_sealed_bid_shows_in_the_view_of_its_bidder(people: People, served: Served) -> None:
    from graph.kinds import Enterprise
    from graph.store.changes import PutNode
    from matcher.bids import Bid

    names = {bid.task: bid.bidder for bid in served.store.processes(Bid)}
    firms = [
        Enterprise(id=f"QY-{task}", title=name) for task, name in names.items() if task in (SEALED, NOTICE)
    ]
    served.store.apply([PutNode(node=firm) for firm in firms], actor="程某", at=NOON, reason="企业")
    sealed, opened = (people("staff").get(f"/organisations/enterprise/QY-{task}").text for task in (SEALED, NOTICE))  # fmt: skip
    assert "投的标" not in sealed
    assert f"/tasks/{NOTICE}" in opened
