from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.cli.models import show_card
from matcher.models import Models
from tests.api.cli.conftest import keep_models
from tests.factories import NOON, make_learned

Command = Callable[..., Any]

LATER = "随程序附带的模型"


def test_models_lists_every_version_with_its_figures_and_which_is_in_use(
    jiebang: Command, world: Path, models: Models
) -> None:
    outcome = jiebang("models")
    assert (outcome.code, outcome.err, models.root.exists()) == (0, "", False)
    assert [line.split() for line in outcome.out.splitlines()[1:]] == [["default", LATER, "使用中"]]
    keep_models(models, 1.0, 2.0, use=(1,))
    (models.root / "0002" / "ranker.json").write_text("{}")
    lines = jiebang("models").out.splitlines()
    assert lines[0].split() == ["版本", "日期", "数据", "nDCG@10（95%区间）", "比当时的模型", "状态"]
    assert lines[1].split() == ["default", LATER]
    assert lines[2].split()[:5] == ["1", "2026-03-01", "评级", "120，结果", "8，场景"]
    assert lines[2].split()[-3:] == ["0.7200（0.670–0.770）", "+0.0200（+0.005～+0.035）", "使用中"]
    assert lines[3].split(maxsplit=1) == [
        "2",
        "第 2 版排序模型无法使用：文件 ranker.json 在学习之后被改动过。",
    ]
    assert lines[4].startswith("现用：第 1 版，2026-03-01 ")
    assert lines[4].endswith(" 由 程某 启用（试）")
    assert lines[5:] == ["注意：它由另一个数据库的评级学得，可重新学习：jiebang learn。"]
    models.use(0, by="程某", at=NOON, why="退")
    assert jiebang("models").out.splitlines()[-1].startswith("现用：随程序附带的模型，")


def test_the_shipped_ranker_has_a_card_and_a_terminal_gets_it_without_markdown(
    jiebang: Command, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = jiebang("models", "show", "default")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("# 排序模型说明\n")
    capsys.readouterr()
    show_card(outcome.out + "\n| a\\|b | c |\n| --- | --- |\n| 一\\*二 | **三** |")
    said = capsys.readouterr().out
    assert said.startswith("【排序模型说明】\n")
    assert said.endswith("\na|b    c\n一*二  三\n\n")
    table = said.partition("\n分项 ")[2].splitlines()
    assert [word for line in table[:2] for word in line.split()] == [
        "现用模型",
        "新模型",
        "正文用词",
        "150.00",
        "150.00",
    ]
    assert not {"`", "**", "##", "---", "_"} & {
        mark for mark in ("`", "**", "##", "---", "full_words") if mark in said
    }


def test_models_show_gives_the_card_of_the_one_in_use_or_the_one_named(
    jiebang: Command, world: Path, models: Models
) -> None:
    keep_models(models, 1.0, 2.0, use=(2,))
    for number, arguments in ((2, []), (1, ["1"]), (2, ["02"])):
        card = (models.root / f"000{number}" / "card.md").read_text(encoding="utf-8")
        outcome = jiebang("models", "show", *arguments)
        assert (outcome.code, outcome.out, outcome.err) == (0, card, "")
    (models.root / "0001" / "card.md").write_text("世界第一")
    outcome = jiebang("models", "show", "1")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("错误：第 1 版排序模型无法使用：文件 card.md 在学习之后被改动过。\n处理：")


def test_models_use_and_rollback_change_what_is_in_use_and_say_so(
    jiebang: Command, world: Path, models: Models
) -> None:
    keep_models(models, 1.0, 2.0)
    said = [
        jiebang(*["models", *words]).out
        for words in (
            ["use", "1", "--by", "舒某", "--reason", "试用一周"], ["use", "2"], ["use", "2"], ["rollback"], ["rollback"], ["use", "1"],
            ["use", "default"], ["rollback"],
        )
    ]  # fmt: skip
    assert said == [
        "已启用第 1 版。退回：jiebang models rollback\n",
        "已启用第 2 版。退回：jiebang models rollback\n",
        "第 2 版已在使用，没有改动。\n",
        "已退回：现在使用第 1 版。\n",
        f"已退回：现在使用{LATER}。\n",
        "已启用第 1 版。退回：jiebang models rollback\n",
        f"已启用{LATER}。退回：jiebang models rollback\n",
        "已退回：现在使用第 1 版。\n",
    ]
    uses = models.uses()
    assert [use.version for use in uses] == [1, 2, 1, 0, 1, 0, 1]
    assert [(use.by, use.why) for use in uses[:3]] == [
        ("舒某", "试用一周"), ("命令行", "人工指定"), ("命令行", "从第 2 版退回"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("use 7", 1, "没有第 7 版排序模型。"),
        ("show 7", 1, "没有第 7 版排序模型。"),
        ("compare default 7 CJ-1", 1, "没有第 7 版排序模型。"),
        ("compare default 1 CJ-99", 1, "库中没有编号为“CJ-99”的场景。"),
        ("compare default 1 CG-1", 1, "库中没有编号为“CG-1”的场景。"),
        ("rollback", 1, "没有更早用过的模型可以退回：现在用的是随程序附带的模型。"),
        ("use 三", 2, "看不懂版本“三”。"),
        ("use -- -1", 2, "看不懂版本“-1”。"),
        ("use 1 --by ", 2, "--by 后面没有内容。"),
        ("use", 2, "缺少“版本”。"),
        ("mend", 2, "没有“mend”这个命令。"),
        ("compare default 1 CJ-1 --top 0", 2, "选项 --top 的值太小。"),
    ],
)
def test_what_cannot_be_done_with_models_is_refused_and_changes_nothing(
    jiebang: Command, indexed: Path, models: Models, arguments: str, code: int, message: str
) -> None:
    keep_models(models, 1.0)
    outcome = jiebang("models", *arguments.split(" "))
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith(f"错误：{message}\n处理：")
    assert models.uses() == []


@pytest.mark.parametrize(
    "command", [["models"], ["models", "show"], ["models", "use", "1"], ["models", "rollback"], ["learn"]]
)
def test_models_of_a_home_that_is_not_there_are_refused(
    jiebang: Command, home: Path, command: list[str]
) -> None:
    outcome = jiebang(*command)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"错误：数据目录“{home}”还不存在。\n")
    assert not home.exists()


def test_compare_shows_both_rankings_side_by_side_and_what_moved_why(
    jiebang: Command, indexed: Path, models: Models
) -> None:
    models.add(make_learned({"headline_words": 60.0}))
    models.add(make_learned({"maturity_fit": 60.0, "rights": 30.0}))
    outcome = jiebang("models", "compare", "1", "2", "cj-1", "--top", "3")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "场景“海岛无人机送药”（CJ-1）的前 3 名：第 1 版 ｜ 第 2 版"
    assert lines[1].split() == ["名次", *["编号", "得分", "等级", "名称"] * 2]
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "3"]
    ranked = [[line.split()[1] for line in lines[2:5]], [line.split()[5] for line in lines[2:5]]]
    assert ranked[0] != ranked[1]
    moves = {line.split()[0]: line for line in lines[6:]}
    fallen = moves["CG-4"]
    assert fallen.startswith("  CG-4 海岛微电网能量管理：第 ")
    assert "成熟度↓" in fallen
    unmoved = jiebang("models", "compare", "1", "1", "CJ-1").out.splitlines()
    assert (unmoved[0].endswith("第 1 版 ｜ 第 1 版"), unmoved[-1]) == (True, "名次和等级都没有变化。")


@pytest.mark.parametrize("command", ["show", "use", "rollback", "compare"])
def test_help_of_every_command_of_models_is_chinese(jiebang: Command, home: Path, command: str) -> None:
    outcome = jiebang("models", command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"用法：jiebang models {command} [选项]")
    assert not home.exists()
