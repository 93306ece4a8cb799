"""An organiser's day in a real browser: theme to lineup, moved by key and drag, released, put on paper; every page checked."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embeddings.encoder
from api.application import create_app
from api.settings import ServeSettings
from graph.store.store import Store
from matcher.home import Home
from matcher.roadshows import Roadshow
from tests.api.listening import listening
from tests.api.workbench.browser import CHROMIUM, browser, serious_issues, sign_in
from tests.api.workbench.conftest import make_user
from tests.api.workbench.stage import DRAFT, put_roadshow
from tests.api.world import BigramEncoder

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: apt-get install chromium fonts-noto-cjk"
)


@pytest.fixture(scope="module")
def site(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    """The address of a workbench over the small world with a roadshow, and its store."""
    home = tmp_path_factory.mktemp("roadshows") / "home"
    shutil.copytree(_indexed, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        settings = ServeSettings(home=Home(path=home), encoder="bigrams")
        with settings.home.open_store(create=False) as store:
            make_user(store, "organiser")
            put_roadshow(store, on=("CG-1", "CG-2", "CG-3"))
            with listening(create_app(settings)) as address:
                yield address, store


@pytest.fixture(scope="module")
def page(site: tuple[str, Store]) -> Iterator[Any]:
    """The organiser's page; what its scripts complain of, or ask of other machines, fails the tests."""
    with browser() as chromium:
        context = chromium.new_context(
            viewport={"width": 1280, "height": 900}, locale="zh-CN", accept_downloads=True
        )
        context.set_default_timeout(20_000)
        opened, complaints = context.new_page(), []
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on(
            "request", lambda sent: complaints.append(sent.url) if "127.0.0.1" not in sent.url else None
        )
        opened.on("dialog", lambda dialog: dialog.accept())
        sign_in(opened, site[0], "organiser")
        yield opened
        context.close()
        assert complaints == []


def order(page: Any) -> list[str]:
    """Who is on stage, as the page shows it."""
    return [row.get_attribute("data-id") for row in page.locator("#stage > li").all()]


def test_a_lineup_is_made_moved_by_key_and_drag_released_and_put_on_paper(
    page: Any, site: tuple[str, Store]
) -> None:
    _address, store = site
    page.get_by_role("link", name="路演", exact=True).click()
    page.get_by_role("link", name="新建路演").click()
    page.locator("#f-theme").fill("海岛无人机投送药品")
    page.locator("#f-pitches").fill("2")
    page.get_by_text("规则（不改").click()
    for kind, number in (("institution", "0"), ("team", "0"), ("fit", "1")):
        page.locator(f"#n-{kind}").fill(number)
    page.get_by_role("button", name="建好并排阵容").click()
    said = page.locator("#notice")
    said.get_by_text("排上 2 项").wait_for()
    id = page.url.rpartition("/")[2]
    first = order(page)
    page.keyboard.press("j")
    page.keyboard.press("Shift+ArrowDown")
    said.get_by_text("由第 1 个移到第 2 个").wait_for()
    assert order(page) == first[::-1]
    assert page.evaluate("document.activeElement.dataset.id") == first[0]
    page.keyboard.press("l")
    said.get_by_text("锁定“").wait_for()
    page.locator("#stage > li").nth(1).drag_to(page.locator("#stage > li").nth(0))
    said.get_by_text("由第 2 个移到第 1 个").wait_for()
    assert order(page) == first
    spare = page.locator("[data-spare]").first
    into = spare.get_attribute("data-spare")
    spare.drag_to(page.locator("#stage > li").nth(1))
    said.get_by_text("换成").wait_for()
    assert order(page) == [first[0], into]
    page.get_by_role("button", name="撤回这一步").click()
    page.get_by_text("已恢复到").wait_for()
    assert order(page) == first
    page.locator("summary", has_text="发布").click()
    page.get_by_role("button", name="发布第 1 版").click()
    page.get_by_text("已发布第 1 版。").wait_for()
    assert (store.process(Roadshow, id).state, list(store.process(Roadshow, id).ids)) == ("released", first)  # type: ignore[union-attr]
    page.get_by_role("link", name="版本", exact=True).click()
    with page.expect_download() as got:
        page.get_by_role("link", name="项目手册").click()
    assert got.value.suggested_filename.endswith(".docx")


def test_what_somebody_else_did_meanwhile_is_told_in_place(page: Any, site: tuple[str, Store]) -> None:
    address, store = site
    page.goto(f"{address}/roadshows/{DRAFT}")
    other = page.context.new_page()
    other.goto(f"{address}/roadshows/{DRAFT}")
    other.locator("#stage > li").first.get_by_role("button", name=re.compile("下移")).click()
    other.locator("#notice").get_by_text("由第 1 个移到第 2 个").wait_for()
    other.close()
    page.locator("#stage > li").first.get_by_role("button", name="锁定").click()
    page.get_by_role("heading", name="您打开之后别人改的").wait_for()
    assert order(page) == ["CG-2", "CG-1", "CG-3"]
    assert not any(pitch.locked for pitch in store.process(Roadshow, DRAFT).stage)  # type: ignore[union-attr]


def test_a_change_works_without_scripts(page: Any, site: tuple[str, Store]) -> None:
    address, _store = site
    state = page.context.storage_state()
    context = page.context.browser.new_context(java_script_enabled=False, storage_state=state, locale="zh-CN")
    plain = context.new_page()
    plain.goto(f"{address}/roadshows/{DRAFT}")
    before = order(plain)
    plain.locator("#stage > li").first.get_by_role("button", name=re.compile("下移")).click()
    plain.get_by_text("由第 1 个移到第 2 个").first.wait_for()
    assert order(plain) == [before[1], before[0], before[2]]
    context.close()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/conflicts",
        "/left-out",
        "/timetable",
        "/meetings",
        "/results",
        "/versions",
        "/print",
        "/../new",
        "/..",
    ],
)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_is_for_everybody_and_no_wider_than_the_screen(
    page: Any, site: tuple[str, Store], path: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{site[0]}/roadshows/{DRAFT}{path}", wait_until="networkidle")
    assert serious_issues(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
