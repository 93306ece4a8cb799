"""The browser of these tests: Debian's chromium, one for all of them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PASSWORD = "三只海鸥飞过珠江口外"
# What the checker calls the grave ones; the rest is advice.
_GRAVE = ("serious", "critical")


@contextmanager
def browser() -> Iterator[Any]:
    """A chromium without a window, until the block ends."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            yield chromium
        finally:
            chromium.close()


def sign_in(page: Any, address: str, login: str, password: str = PASSWORD) -> None:
    """Sign in as somebody; ends on the page that comes after it."""
    page.goto(f"{address}/sign-in")
    page.get_by_label("登录名").fill(login)
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()
    page.wait_for_load_state()


def serious_issues(page: Any) -> list[str]:
    """What axe-core finds grave on the page, each as its rule and the first element that breaks it."""
    script = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    page.evaluate(script)  # past the page's own policy, which lets no script in
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]} {one['nodes'][0].get('failureSummary', '')[:200]}"
        for one in found["violations"]
        if one["impact"] in _GRAVE
    ]
