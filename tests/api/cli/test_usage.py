import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from api.cli.app import app, run

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
ENGLISH = re.compile(
    r"Usage|Options|Commands|Arguments|Show this|default|required|env var|<str>|<int|<path>|list\["
)


def test_commands_are_those_of_the_documentation() -> None:
    assert COMMANDS == [
        "assign", "award", "bid", "case", "compare", "demo", "doctor", "evaluate", "export", "gaps", "history", "import", "index", "init", "judge", "judgements", "key", "learn", "lineup", "match", "meetings", "models", "outcome", "outcomes", "panel", "race", "review", "score", "serve", "show", "task", "template", "tune", "undo", "user",
    ]  # fmt: skip


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_of_every_command_is_chinese_and_touches_no_home(
    jiebang: Callable[..., Any], home: Path, command: list[str]
) -> None:
    outcome = jiebang(*command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"用法：jiebang{''.join(f' {word}' for word in command)} [选项]")
    assert not ENGLISH.search(outcome.out)
    assert all(
        re.search(r"[\u4e00-\u9fff]", line) for line in outcome.out.splitlines() if line.startswith("  --")
    )
    assert not home.exists()


def test_jiebang_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "命令:\n  init " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        ("nonsense", "没有“nonsense”这个命令。", "用 jiebang --help 查看用法。"),
        ("mach", "没有“mach”这个命令。", "你是否想写 match？用 jiebang --help 查看用法。"),
        ("import", "缺少“文件”。", "用 jiebang import --help 查看用法。"),
        ("score x.csv", "缺少“--out”。", "用 jiebang score --help 查看用法。"),
        ("match --nope", "没有 --nope 这个选项。", "你是否想写 --ip, --open, --top？用 jiebang match --help 查看用法。"),
        ("match --top", "选项 --top 后面缺少内容。", None),
        ("match --json=1", "选项 --json 后面不带内容。", None),
        ("match --top abc", "选项 --top 后面应是整数。", "用 jiebang match --help 查看用法。"),
        ("match --top 0", "选项 --top 的值太小。", "最小为 1。用 jiebang match --help 查看用法。"),
        ("match --min-trl 10", "选项 --min-trl 的值太大。", "最大为 9。用 jiebang match --help 查看用法。"),
        ("show a b", "多写了“b”。", "含空格的内容请加引号。用 jiebang show --help 查看用法。"),
        ("index mend", "不认识的动作“mend”。", "请写 jiebang index status 或 jiebang index rebuild。"),
        ("import x.csv --map 甲方", "看不懂 --map 甲方。", "请写成 --map 表里的列名=系统里的列名，例如 --map 甲方=建设单位。"),
        ("import x.csv --actor  ", "--actor 后面没有内容。", "请写经办人的姓名；不写这个选项则记为“命令行”。"),
    ],
)  # fmt: skip
def test_a_command_written_wrongly_is_refused_in_chinese_with_a_remedy(
    jiebang: Callable[..., Any], home: Path, arguments: str, message: str, remedy: str | None
) -> None:
    outcome = jiebang(*arguments.split(" "))
    said = f"错误：{message}\n" + (f"处理：{remedy}\n" if remedy else "")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", said)
    assert not home.exists()


def test_control_characters_of_an_argument_do_not_reach_the_terminal(jiebang: Callable[..., Any]) -> None:
    outcome = jiebang("\x1b[31mmatch\u202e")
    assert (
        outcome.err
        == "错误：没有“\\x1b[31mmatch\\u202e”这个命令。\n处理：你是否想写 match？用 jiebang --help 查看用法。\n"
    )
