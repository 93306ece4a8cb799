import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli.screen import ReaderGone, fitted, moment, progress, say, say_error, table, visible, width


@given(st.text())
def test_visible_keeps_every_character_but_those_that_steer_a_terminal(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    for before, after in zip(text, shown, strict=True):
        if before != after:
            assert after == "�"
            assert unicodedata.category(before) in ("Cc", "Cs", "Cf", "Zl", "Zp")
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown if c not in "\n\t")


@pytest.mark.parametrize(
    "steering", ["\x1b", "\x9b", "\r", "\x08", "\x00", "\u202e", "\u2066", "\u200f", "\ud800", "\u2028"]
)
def test_visible_replaces_what_steers_a_terminal(steering: str) -> None:
    assert visible(f"甲{steering}乙") == "甲�乙"


@given(st.text(st.characters(exclude_categories=["C"])), st.integers(2, 40))
def test_fitted_gives_one_line_of_exactly_the_columns_asked_for(text: str, columns: int) -> None:
    line = fitted(text, columns)
    assert width(line) == columns
    plain = " ".join(text.split())
    assert (
        line.rstrip() == plain
        if width(plain) <= columns
        else plain.startswith(line.rstrip().removesuffix("…"))
    )


def test_table_lines_up_chinese_and_latin_and_leaves_the_last_column_whole_in_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table(["名次", "名称", "理由"], [["1", "无人机送药", "长" * 60], ["2", "ab", "短"]], [4, 8, 6])
    assert (
        capsys.readouterr().out == f"名次  名称      理由\n1     无人机…   {'长' * 60}\n2     ab        短\n"
    )


def test_table_cuts_the_last_column_at_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table(["名次", "理由"], [["1", "长" * 60]], [4, 6])
    assert capsys.readouterr().out == "名次  理由\n1     长长…\n"


def test_progress_says_nothing_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("整理") as report:
        report(1, 2)
    assert capsys.readouterr() == ("", "")


def test_errors_go_to_standard_error_as_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    say_error("看不懂“x”", "请写成 a（或 b）")
    say_error("不行。", "")
    assert capsys.readouterr() == ("", "错误：看不懂“x”。\n处理：请写成 a（或 b）\n错误：不行。\n")


def test_moment_is_the_time_in_china_to_the_second() -> None:
    assert moment("2026-03-01T16:05:06.789012+00:00") == "2026-03-02 00:05:06"


def test_say_tells_that_the_reader_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(sys.stdout, "write", broken)
    with pytest.raises(ReaderGone):
        say("一行")
