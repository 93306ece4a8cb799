"""lineup as an organiser uses it: from a theme to versions, with every change told."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from tests.api.cli.conftest import Command

ID = f"LY-{date.today().year}-001"
EASY = ("--set", "适配等级至少=1", "--set", "每单位至多=0")


@pytest.fixture
def planned(indexed: Path, jiebang: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The world with one roadshow of two pitches, CG-1 first."""
    monkeypatch.setenv("JIEBANG_USER", "李明")
    done = jiebang("lineup", "new", "--theme", "海岛无人机送药", "--pitches", "2", *EASY)
    assert (done.code, done.err) == (0, "")
    return indexed


def stage(jiebang: Command, id: str = ID) -> list[str]:
    told = json.loads(jiebang("lineup", "show", id, "--json").out)
    return [pitch["id"] for pitch in told["pitches"]]


def test_new_tells_who_why_who_stands_by_and_who_is_left_out(
    indexed: Path, jiebang: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIEBANG_USER", "李明")
    asked = ("lineup", "new", "--theme", "海岛无人机送药", "--pitches", "2", *EASY)
    dry = jiebang(*asked, "--dry-run")
    assert dry.out.endswith("以上只是试排，没有记入。去掉 --dry-run 正式记入。\n")
    assert jiebang("lineup", "list").out.startswith("还没有路演")
    done = jiebang(*asked)
    assert done.out.startswith(
        f"海岛无人机送药路演（{ID}）：草稿，第 1 稿\n听众：主题“海岛无人机送药”\n总适配度 "
    )
    assert "已证明最优" in done.out
    assert "抗七级风垂直起降固定翼无人机" in done.out
    assert "候补（依次）：\n  1. " in done.out
    assert "与规则没有冲突。" in done.out
    assert "没有上台的（按适配度）：" in done.out
    assert dry.out.splitlines()[2:8] == done.out.splitlines()[2:8]
    assert ID in jiebang("lineup", "list").out


def test_every_change_is_kept_told_and_in_the_history(planned: Path, jiebang: Command) -> None:
    first = stage(jiebang)
    assert first[0] == "CG-1"
    done = jiebang("lineup", "drop", ID, "cg-1", "--reason", "撞期")
    assert done.code == 0
    assert done.out.startswith("第 1 个：“抗七级风垂直起降固定翼无人机”（CG-1）换成")
    assert done.out.endswith("已记为第 2 稿。\n")
    assert stage(jiebang)[1] == first[1]
    added = jiebang("lineup", "add", ID, "CG-1", "--to", "1")
    assert "  发布前须解决  应有 2 项，现在 3 项\n" in added.out
    refused = jiebang("lineup", "release", ID)
    assert (refused.code, refused.err.splitlines()[0]) == (
        1,
        "错误：还有须在发布前解决的问题：应有 2 项，现在 3 项。",
    )
    solved = jiebang("lineup", "solve", ID, "--json")
    assert json.loads(solved.out)["conflicts"] == []
    assert "CG-1" in stage(jiebang)
    moved = jiebang("lineup", "move", ID, "CG-1", "--to", "2")
    assert "“抗七级风垂直起降固定翼无人机”（CG-1）由第 1 个移到第 2 个\n" in moved.out
    history = jiebang("lineup", "history", ID)
    assert [line.partition("李明：")[2] for line in history.out.splitlines()] == [
        f"排定路演 {ID}", "去掉 CG-1：撞期", "加上台 CG-1", "重新求解", "改次序 CG-1",
    ]  # fmt: skip


def test_versions_are_released_compared_and_shown(planned: Path, jiebang: Command) -> None:
    nothing = jiebang("lineup", "diff", ID)
    assert (nothing.code, nothing.err) == (
        1, f"错误：{ID} 没有第 1 版。\n处理：还没有发布过；jiebang lineup release {ID}。\n",
    )  # fmt: skip
    first = stage(jiebang)
    assert jiebang("lineup", "release", ID, "--note", "首发").out.startswith(f"已发布 {ID} 第 1 版，2 项。\n")
    assert jiebang("lineup", "diff", ID).out == "第 1 版 → 现在：没有变化。\n"
    assert jiebang("lineup", "swap", ID, *first).code == 0
    changed = jiebang("lineup", "release", ID)
    assert "与第 1 版相比：\n  “" in changed.out
    assert json.loads(jiebang("lineup", "diff", ID, "1", "2", "--json").out)["lines"] != []
    shown = jiebang("lineup", "show", ID, "--version", "1")
    assert "第 1 版" in shown.out
    assert "首发" in shown.out
    values = json.loads(jiebang("lineup", "show", ID, "--version", "1", "--json").out)
    assert [pitch["id"] for pitch in values["pitches"]] == first
    assert jiebang("lineup", "step", ID, "归档").code == 1
    assert jiebang("lineup", "step", ID, "举办").out == f"{ID} 现在是“已举办”。\n"
    late = jiebang("lineup", "drop", ID, first[0])
    assert (late.code, "已举办" in late.err) == (1, True)


def test_who_has_seen_an_older_draft_writes_nothing(planned: Path, jiebang: Command) -> None:
    assert jiebang("lineup", "lock", ID, "--seen", "1").code == 0
    refused = jiebang("lineup", "unlock", ID, "--seen", "1")
    assert (refused.code, refused.err) == (
        1, f"错误：{ID} 已被别人改到第 2 稿，您看的是第 1 稿，没有写入。\n处理：请重新查看，再决定怎样改。\n",
    )  # fmt: skip
    same = jiebang("lineup", "solve", ID)
    assert same.out.startswith("阵容没有变化。\n")


def test_why_somebody_is_not_on_stage_and_what_would_have_to_give(planned: Path, jiebang: Command) -> None:
    out = next(id for id in ("CG-2", "CG-3", "CG-4") if id not in stage(jiebang))
    told = jiebang("lineup", "show", ID, "--why", out, "--why", "CG-1")
    assert told.out.startswith("CG-1 已在台上。\n没有上台的（按适配度）：\n")
    assert re.search(rf"（{out}）[，：]适配 ", told.out)
    assert "    要上台：换下 " in told.out


def test_rules_that_cannot_hold_are_told_with_what_to_write(planned: Path, jiebang: Command) -> None:
    done = jiebang(
        "lineup", "new", "--theme", "海岛无人机送药", "--pitches", "3", *EASY, "--set", "成熟度至少=8"
    )
    assert (done.code, done.out) == (1, "")
    assert "错误：这几条规则不能同时做到：项目数 3；成熟度至少 TRL8" in done.err
    assert "即加 --set " in done.err
    assert len(jiebang("lineup", "list").out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new",), "没有写明路演的主题、领域、场景或榜单。"),
        (("new", "--theme", "海岛", "--set", "每单位=1"), "没有“每单位”这条规则。"),
        (("new", "--theme", "海岛", "--audience", "谁"), "--audience 不认识“谁”。"),
        (("new", "--scene", "CJ-404"), "没有编号为“CJ-404”的场景、企业或基金。"),
        (("new", "--task", "BD-404"), "没有编号为“BD-404”的榜单。"),
        (("new", "--field", "炼金术"), "--field：不认识的产业领域“炼金术”。"),
        (("show", "LY-404"), "没有编号为“LY-404”的路演。"),
        (("show", ID, "--version", "3"), f"{ID} 没有第 3 版。"),
        (("drop", ID, "CG-404"), "CG-404 不在台上。"),
        (("step", ID, "跳舞"), "没有“跳舞”这一步。"),
        (("set", ID, "--level", "每团队至多=随便"), "“每团队至多”的级别“随便”看不懂。"),
    ],
)
def test_what_is_written_wrongly_is_told(
    planned: Path, jiebang: Command, arguments: tuple[str, ...], message: str
) -> None:
    done = jiebang("lineup", *arguments)
    assert done.code in (1, 2)
    assert done.err.splitlines()[0] == f"错误：{message}"


def test_public_lineup_is_made_of_what_the_public_may_see(planned: Path, jiebang: Command) -> None:
    done = jiebang("lineup", "new", "--scene", "CJ-1", "--pitches", "2", *EASY, "--set", "每场景至少=0", "--audience", "public", "--json")  # fmt: skip
    told = json.loads(done.out)
    assert {pitch["id"] for pitch in told["pitches"]} == {"CG-1", "CG-2"}
    assert all(pitch["inventors"] == [] for pitch in told["pitches"])
