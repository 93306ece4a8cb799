"""What the command line shows: tables and progress for people at a terminal, plain lines in a pipe."""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from graph.problems import Refused

Progress = Callable[[int, int], None]
_MANY = 100
_ATTRIBUTE = re.compile(r"(?<=”)（[a-z_]+）")
_CHINA = timezone(timedelta(hours=8))


class ReaderGone(Exception):
    """Whoever read our output through a pipe has had enough."""


def say(text: str = "") -> None:
    """A line for the reader, on standard output. Raises ``ReaderGone`` where nobody reads it any more."""
    try:
        sys.stdout.write(visible(text) + "\n")
    except BrokenPipeError as error:
        raise ReaderGone from error


def say_aside(text: str) -> None:
    """A line about the work itself, on standard error, so that piped output stays clean."""
    sys.stderr.write(visible(text) + "\n")


def say_error(message: str, remedy: str) -> None:
    """What was refused and how to mend it, each as a sentence."""
    say_aside(f"错误：{_sentence(message)}")
    if remedy:
        say_aside(f"处理：{_sentence(remedy)}")


def say_refused(refused: Refused) -> None:
    """What was refused and how to mend it, one thing after the other where there are several."""
    for one in refused.problems or (refused,):
        # A field is called by its Chinese title here; its attribute is for programs.
        say_error(_ATTRIBUTE.sub("", one.message), one.remedy)


def _sentence(text: str) -> str:
    return text if text.endswith(("。", "？", "！", "）", ")")) else f"{text}。"


def visible(text: str) -> str:
    """``text`` without what could steer a terminal: escape sequences, surrogates, changes of writing direction."""
    return "".join("�" if _steers(c) else c for c in text)


def _steers(c: str) -> bool:
    """Controls, halves of pairs, line separators, and marks, overrides and isolates of direction."""
    return (
        (c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp"))
        or c in "\u061c\u200e\u200f"
        or "\u202a" <= c <= "\u202e"
        or "\u2066" <= c <= "\u2069"
    )


def width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fitted(text: str, columns: int) -> str:
    """``text`` on one line, cut with … or padded to exactly ``columns``."""
    line = " ".join(text.split())
    if width(line) > columns:
        cut = ""
        for character in line:
            if width(cut + character) > columns - 1:
                break
            cut += character
        line = cut + "…"
    return line + " " * (columns - width(line))


def moment(text: str) -> str:
    """A moment of the history (ISO 8601) as a clock in China shows it, wherever the computer says it stands."""
    return f"{datetime.fromisoformat(text).astimezone(_CHINA):%Y-%m-%d %H:%M:%S}"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
    """A table in columns of given widths; the last one is not padded, and is cut at a terminal only.

    An id is never cut, for it is to be copied: partners' and imported ones are longer than ours.
    """
    widths = [
        max(least, *(width(row[at]) for row in (headers, *rows))) if headers[at] == "编号" else least
        for at, least in enumerate(widths)
    ]
    if not sys.stdout.isatty():
        longest = max(width(" ".join(row[-1].split())) for row in (headers, *rows))
        widths = (*widths[:-1], max(longest, 1))
    for row in (headers, *rows):
        cells = [fitted(visible(cell), columns) for cell, columns in zip(row, widths, strict=True)]
        say("  ".join(cells).rstrip())


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """A progress bar on standard error at a terminal; elsewhere one line if it will take long."""
    if not sys.stderr.isatty():
        told = False

        def tell_once(done: int, total: int) -> None:
            nonlocal told
            if not told and total - done >= _MANY:
                say_aside(f"{label}：{total} 条，需要几十秒到几分钟……")
            told = True

        yield tell_once
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
