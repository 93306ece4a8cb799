"""The command line's own words in Chinese: help pages, and what is wrong with a command as written."""

import re
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from api.cli.screen import width

_PIECES = {"[OPTIONS]": "[选项]", "COMMAND [ARGS]...": "命令 [参数]"}
# What typer writes into the names and the notes of an option, and how it reads here.
_WORDS = (
    ("<list[str]>", "<文字>"),
    ("<list[Path]>", "<路径>"),
    ("<str>", "<文字>"),
    ("<path>", "<路径>"),
    ("<int range>", "<整数>"),
    ("<int>", "<整数>"),
    ("Show this message and exit.", "显示本说明。"),
    ("[default: ", "[默认："),
    ("; default: ", "；默认："),
    ("[env var: ", "[环境变量："),
    ("; required]", "；必填]"),
    ("[required]", "[必填]"),
)
# typer's messages, and each as message and remedy; groups of the pattern fill the braces.
_MESSAGES = (
    (r"No such command '(.*?)'\.?(?: Did you mean '(.*)'\?)?", "没有“{0}”这个命令。", "你是否想写 {1}？"),
    (r"Missing command\.?", "没有写要执行的命令。", ""),
    (r"Missing (?:argument|option) '(.*?)'\.?.*", "缺少“{0}”。", ""),
    (r"Missing parameter: (.*?)\.?", "缺少“{0}”。", ""),
    (r"No such option: (.*?)(?: \(Possible options: (.*)\))?", "没有 {0} 这个选项。", "你是否想写 {1}？"),
    (r"No such option: (.*?) Did you mean (.*)\?", "没有 {0} 这个选项。", "你是否想写 {1}？"),
    (r"Option '(.*)' requires an argument\.?", "选项 {0} 后面缺少内容。", ""),
    (r"Option '(.*)' does not take a value\.?", "选项 {0} 后面不带内容。", ""),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", "多写了“{0}”。", "含空格的内容请加引号。"),
    (
        r"Invalid value for '(.*?)': .*valid integer.*",
        "选项 {0} 后面应是整数。",
        "",
    ),
    (
        r"Invalid value for '(.*?)': .*(?:greater than or equal to|x>=) ?(\d+).*",
        "选项 {0} 的值太小。",
        "最小为 {1}。",
    ),
    (
        r"Invalid value for '(.*?)': .*(?:less than or equal to|x<=) ?(\d+).*",
        "选项 {0} 的值太大。",
        "最大为 {1}。",
    ),
    (r"Invalid value for '(.*?)': .*", "“{0}”的值不对。", ""),
)


def explained(error: Any) -> tuple[str, str]:
    """Message and remedy for a usage error of typer; its own English where it says something not foreseen."""
    said = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    help_line = f"用 {context.command_path} --help 查看用法。" if context is not None else ""
    for pattern, message, hint in _MESSAGES:
        if found := re.fullmatch(pattern, said):
            groups = found.groups()
            # A hint is for when the message carried its part.
            wanted = re.findall(r"\{(\d)\}", hint)
            if any(groups[int(number)] is None for number in wanted):
                hint = ""
            return message.format(*groups), hint.format(*groups) + help_line
    return f"命令写得不对（{said}）。", help_line


class _InChinese:
    """Help pages in Chinese, for commands and groups alike."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = [_PIECES.get(piece, piece) for piece in ctx.command.collect_usage_pieces(ctx)]
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix="用法：")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for parameter in ctx.command.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections[parameter.param_type_name].append((_worded(record[0]), _worded(record[1])))
        for heading, records in zip(("参数", "选项"), sections.values(), strict=True):
            _write(formatter, heading, records)


class ChineseCommand(_InChinese, TyperCommand):
    """A command whose help is in Chinese."""


class ChineseGroup(_InChinese, TyperGroup):
    """A group of commands whose help is in Chinese."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options, then the commands with the first line of what each does."""
        super().format_options(ctx, formatter)
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        _write(formatter, "命令", [(name, c.get_short_help_str(200)) for name, c in commands if c])


def _write(formatter: Any, heading: str, records: Sequence[tuple[str, str]]) -> None:
    """Two columns under a heading, aligned by what a terminal shows: a Chinese character is two wide."""
    if not records:
        return
    with formatter.section(heading):
        first = max(width(name) for name, _ in records)
        for name, text in records:
            formatter.write(f"  {name}{' ' * (first - width(name))}  {text}\n")


def _worded(text: str) -> str:
    for english, chinese in _WORDS:
        text = text.replace(english, chinese)
    return text
