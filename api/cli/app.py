"""The command ``jiebang``: options that hold for every command, and what happens when something is refused.

Exit codes: 0 done; 1 refused or nothing found (the message says why); 2 the command was written wrongly;
3 done, but some rows of the input could not be used; 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from api.cli import (
    assigning,
    awards,
    bids,
    cases,
    feedback,
    gaps,
    history,
    intake,
    judging,
    learning,
    lineup,
    matching,
    meetings,
    models,
    panels,
    racing,
    reasons,
    reviewing,
    serving,
    tasks,
    timetables,
    tuning,
    upkeep,
    users,
)
from api.cli.screen import ReaderGone, say, say_error, say_refused
from api.cli.usage import ChineseCommand, ChineseGroup, explained
from graph.problems import Refused

app = typer.Typer(
    name="jiebang",
    help="揭榜：为应用场景找科技成果，为科技成果找应用场景，并说明理由。",
    cls=ChineseGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path, typer.Option("--home", envvar="JIEBANG_HOME", help="数据目录。", show_default="~/.jiebang")
    ] = Path("~/.jiebang"),
    store: Annotated[
        str | None,
        typer.Option(
            "--store", envvar="JIEBANG_STORE", help="改用 PostgreSQL：postgresql://用户:密码@主机/库名。"
        ),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder", envvar="JIEBANG_ENCODER", help="编码器：embedded 或 sentence-transformers:模型目录。"
        ),
    ] = "embedded",
) -> None:
    """Every command works on one home."""
    context.obj = upkeep.Settings(path=home.expanduser(), store_url=store, encoder=encoder)


for module in (
    upkeep,
    intake,
    matching,
    assigning,
    reasons,
    judging,
    feedback,
    history,
    gaps,
    panels,
    reviewing,
    awards,
    learning,
    models,
    tuning,
    tasks,
    bids,
    racing,
    cases,
    lineup,
    timetables,
    meetings,
    serving,
    users,
):
    module.register(app)
for command in app.registered_commands:
    command.cls = ChineseCommand


def main() -> None:
    """Run the command line of this process and end it with the exit code."""
    _speak_utf8()
    # One thread per process: spinning OpenMP workers cost more than they bring on busy machines.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except (ReaderGone, BrokenPipeError):  # the reader of a pipe had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command; whatever is refused ends in a Chinese message with a remedy."""
    try:
        code = int(app(list(arguments), prog_name="jiebang", standalone_mode=False) or 0)
    except KeyboardInterrupt:
        code = 130
    except ReaderGone:
        raise
    except TyperException as error:
        return _say_usage(error)
    except Exception as error:
        return _say_refusal(error)
    if code == 130:
        say_error("已中断。", "已写入的内容完整保留，可以重新运行本命令。")
    return code


def _say_usage(error: TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        say(error.format_message())
    else:
        say_error(*explained(error))
    return 2


def _say_refusal(error: Exception) -> int:
    """Say what was refused; what nobody foresaw is a bug and is raised on."""
    message, remedy = getattr(error, "message", None), getattr(error, "remedy", None)
    if isinstance(error, Refused):
        say_refused(error)
    elif isinstance(message, str) and isinstance(remedy, str):
        say_error(message, remedy)
    elif isinstance(error, OSError):
        from api.output_files import cause_of

        place = f"“{error.filename}”" if error.filename else ""
        say_error(f"读写文件{place}时出错：{cause_of(error)}。", "请检查路径、权限和磁盘空间后重试。")
    else:
        raise error
    return 1


def _speak_utf8() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
