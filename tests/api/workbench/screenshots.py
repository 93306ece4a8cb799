"""Pictures of every page at two widths, with a run of the accessibility checker: python -m tests.api.workbench.screenshots FOLDER.

Serves the sample world, kept in FOLDER/home, on a free port of 127.0.0.1 and looks at it with the machine's chromium.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.application import create_app
from api.cli.app import run
from api.settings import ServeSettings
from api.workbench.people import add_user, change_password, first_administrator, reset_password
from matcher.home import Home
from matcher.review_processes import Review
from tests.api.listening import listening
from tests.api.workbench.browser import PASSWORD, browser, serious_issues, sign_in
from tests.api.workbench.stage import DRAFT as STAGED
from tests.api.workbench.stage import put_planned
from tests.api.workbench.task_board import CASE, CLOSED, DRAFT, MARKING, NOTICE, RACING, SEALED, put_board

WIDTHS = (1280, 1920)
PAGES = {
    "工作台": "/",
    "搜索": "/search?q=无人机",
    "匹配-选": "/match",
    "匹配": "/match?scene=CJ-201#open-r-1",
    "匹配-成果": "/match?achievement=CG-101",
    "匹配-文字": "/match?text=海岛无人机送药，抗风7级以上",
    "依据": "/pair?scene=CJ-201&found=CG-201",
    "比较": "/compare?scene=CJ-201&id=CG-201&id=CG-202&id=CG-203",
    "送到榜单": "/match/send?to=task&scene=CJ-201&id=CG-201&id=CG-202",
    "送到路演": "/match/send?to=roadshow&scene=CJ-201&id=CG-201&id=CG-202",
    "送到点单": "/match/send?to=order&scene=CJ-201&id=CG-201",
    "点单": "/orders",
    "机构": "/organisations?kind=institution",
    "机构-一览": "/organisations/institution/JG-101",
    "企业-一览": "/organisations/enterprise/QY-105",
    "经纪人": "/organisations?kind=broker",
    "经纪人-一览": "/organisations/broker/JJ-101",
    "供需地图": "/gaps",
    "图谱-选": "/graph?q=无人机",
    "图谱": "/graph?kind=scene&id=CJ-201&depth=2",
    "清单": "/records",
    "成果列表": "/records/achievement",
    "记录": "/records/scene/CJ-201",
    "修改": "/records/scene/CJ-201/edit",
    "榜单": "/tasks",
    "榜单-登记": "/tasks/new?scene=CJ-201",
    "榜单-需求登记": f"/tasks/{DRAFT}",
    "榜单-修改": f"/tasks/{DRAFT}/edit",
    "榜单-发榜": f"/tasks/{SEALED}",
    "榜单-评榜": f"/tasks/{MARKING}",
    "榜单-公示": f"/tasks/{NOTICE}",
    "榜单-赛马": f"/tasks/{RACING}",
    "榜单-结题": f"/tasks/{CLOSED}",
    "路演": "/roadshows",
    "路演-新建": "/roadshows/new",
    "路演-阵容": f"/roadshows/{STAGED}",
    "路演-冲突": f"/roadshows/{STAGED}/conflicts",
    "路演-没上台": f"/roadshows/{STAGED}/left-out",
    "路演-日程": f"/roadshows/{STAGED}/timetable",
    "路演-洽谈": f"/roadshows/{STAGED}/meetings",
    "路演-成绩": f"/roadshows/{STAGED}/results?judge=周评委",
    "路演-版本": f"/roadshows/{STAGED}/versions",
    "路演-打印": f"/roadshows/{STAGED}/print",
    "案例库": "/cases",
    "案例": f"/cases/{CASE}",
    "案例-修改": f"/cases/{CASE}/edit",
    "案例-起草": f"/cases/new?task={CLOSED}",
    "导入": "/imports",
    "管理": "/admin",
    "账号": "/admin/users",
    "钥匙": "/admin/keys",
    "模型": "/admin/model",
    "历史": "/admin/history",
    "密码": "/account/password",
    "没有找到": "/records/scene/没有这个",
}


EXPERT_PAGES = {"我的评审": "/", "评审": f"/marking/{MARKING}"}


@contextmanager
def _served(home: Path) -> Iterator[str]:
    for command in (["init", "--demo"], ["index", "rebuild"]):
        if run(["--home", str(home), *command]) != 0:
            raise SystemExit(1)
    settings = ServeSettings(home=Home(path=home))
    with settings.home.open_store(create=False) as store:
        first_administrator(store, datetime.now(UTC))
        change_password(store, *reset_password(store, "admin", actor="程某", at=datetime.now(UTC)), PASSWORD)
        put_board(store, "CJ-201")
        put_planned(store)
        review = store.process(Review, MARKING)
        assert review is not None
        who, name = sorted(review.experts.items())[-1]
        made = add_user(store, login="expert", name=name, role="expert", expert=who, actor="程某", at=datetime.now(UTC))  # fmt: skip
        change_password(store, *made, PASSWORD)
        EXPERT_PAGES["评分表"] = f"/marking/{MARKING}/{sorted(review.readers)[0]}"
    with listening(create_app(settings)) as address:
        yield address


def _look(page: Any, address: str, pages: Mapping[str, str], folder: Path, width: int) -> int:
    """Write a picture of each page; gives how many grave issues the narrow ones have."""
    bad = 0
    for name, path in pages.items():
        page.goto(address + path, wait_until="networkidle")
        page.screenshot(path=str(folder / f"{name}-{width}.png"), full_page=name not in ("匹配", "匹配-成果"))
        for issue in serious_issues(page) if width == WIDTHS[0] else ():
            bad += 1
            sys.stdout.write(f"{name}: {issue}\n")
    return bad


def main(folder: Path) -> int:
    """Write the pictures; gives how many pages have a serious issue."""
    folder.mkdir(parents=True, exist_ok=True)
    bad = 0
    with _served(folder / "home") as address, browser() as chromium:
        for width in WIDTHS:
            page: Any = chromium.new_context(
                viewport={"width": width, "height": 900}, locale="zh-CN"
            ).new_page()
            page.goto(f"{address}/sign-in")
            page.screenshot(path=str(folder / f"登录-{width}.png"))
            sign_in(page, address, "admin")
            bad += _look(page, address, PAGES, folder, width)
            page.context.clear_cookies()
            sign_in(page, address, "expert")
            bad += _look(page, address, EXPERT_PAGES, folder, width)
    sys.stdout.write(
        f"{folder}: {len(PAGES) + len(EXPERT_PAGES) + 1} pages at {WIDTHS}, {bad} serious issues\n"
    )
    return bad


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) > 0)
