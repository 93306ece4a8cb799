"""Tasks and grading in a real browser: what was typed survives, a double click and the back button do nothing twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import embeddings.encoder
from api.application import create_app
from api.settings import ServeSettings
from api.workbench.people import add_user, change_password
from matcher.home import Home
from matcher.review_processes import Review
from matcher.tasks import Task
from tests.api.listening import listening
from tests.api.workbench.browser import CHROMIUM, PASSWORD, browser, serious_issues, sign_in
from tests.api.workbench.task_board import DRAFT, MARKING, RACING, boarded
from tests.api.world import BigramEncoder
from tests.factories import NOON

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@dataclass(frozen=True)
class Site:
    """A server with the board, and a browser."""

    address: str
    store: Any
    chromium: Any

    def page(self, login: str) -> Any:
        """A page of somebody who has signed in."""
        found = self.chromium.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN").new_page()
        sign_in(found, self.address, login)
        return found


@pytest.fixture(scope="module")
def site(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = boarded(_indexed, tmp_path_factory.mktemp("board"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        settings = ServeSettings(home=Home(path=home), encoder="bigrams")
        with settings.home.open_store(create=False) as store:
            review = store.process(Review, MARKING)
            assert review is not None
            expert = sorted(review.experts)[-1]
            for login, name, role, who in (("officer", "何主任", "officer", ""), ("expert", review.experts[expert], "expert", expert)):  # fmt: skip
                user, password = add_user(store, login=login, name=name, role=role, expert=who, actor="程某", at=NOON)  # fmt: skip
                change_password(store, user, password, PASSWORD)
        app = create_app(settings)
        with listening(app) as address, browser() as chromium:
            yield Site(address, app.state.services.store, chromium)


def test_a_sheet_survives_a_closed_page_and_is_handed_in(site: Site) -> None:
    page = site.page("expert")
    page.get_by_role("link", name="海岛物资无人机投送").click()
    page.get_by_role("link", name="复合翼无人机").first.click()
    sheet = page.url
    page.get_by_label("指标响应").fill("20")
    page.get_by_label("意见").fill("写到一半")
    page.goto(site.address)
    page.goto(sheet)
    assert page.get_by_label("指标响应").input_value() == "20"
    assert page.get_by_label("意见").input_value() == "写到一半"
    assert page.get_by_text("已恢复上次没有提交的内容").is_visible()
    assert serious_issues(page) == []
    for name, mark in (("技术方案与创新性", "36"), ("团队与条件", "18"), ("报价与效益", "12")):
        page.get_by_label(name).fill(mark)
    page.get_by_role("button", name="提交", exact=True).click()
    page.get_by_text("已提交对").wait_for()
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('mark-'))") == []
    page.goto(sheet)
    assert page.get_by_text("已恢复").count() == 0
    assert [one.remark for one in site.store.process(Review, MARKING).marks if one.remark == "写到一半"] == ["写到一半"]  # fmt: skip


def test_two_clicks_and_the_back_button_move_a_task_once(site: Site) -> None:
    page = site.page("officer")
    page.goto(f"{site.address}/tasks/{DRAFT}")
    before = site.store.revision()
    page.get_by_role("button", name="送论证").dblclick()
    page.get_by_text("已送论证").wait_for()
    assert site.store.revision() == before + 1
    page.go_back()
    button = page.get_by_role("button", name="送论证")
    if button.count():
        button.click()
        page.wait_for_load_state()
    assert site.store.revision() == before + 1
    assert site.store.process(Task, DRAFT).state == "reviewing"


def test_what_takes_a_moment_is_put_into_the_page_of_a_task(site: Site) -> None:
    page = site.page("officer")
    page.goto(f"{site.address}/tasks/{MARKING}")
    page.get_by_text("身份没有核实").or_(page.get_by_text("身份都已核实")).first.wait_for()
    page.get_by_text("由同一个排序模型给出").wait_for()
    assert serious_issues(page) == []


def test_no_page_of_a_task_overflows_a_phone(site: Site) -> None:
    page = site.page("officer")
    page.set_viewport_size({"width": 390, "height": 800})
    for id in (DRAFT, MARKING, RACING):
        page.goto(f"{site.address}/tasks/{id}", wait_until="networkidle")
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1, (id, wide)
