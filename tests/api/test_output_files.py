import errno
import os
from pathlib import Path

import pytest

from api.output_files import cause_of, writing
from graph.problems import Refused


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.EACCES, "没有权限，或文件正被 Excel 等程序打开"),
        (errno.ENOSPC, "磁盘已满"),
        (errno.EROFS, "所在的盘是只读的"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_cause_of_a_failure_is_said_in_chinese_where_it_is_foreseen(number: int, cause: str) -> None:
    assert cause_of(OSError(number, os.strerror(number))) == cause


@pytest.mark.parametrize("wrapped", [True, False])
def test_writing_refuses_a_file_that_a_program_holds_open(tmp_path: Path, wrapped: bool) -> None:
    from xlsxwriter.exceptions import FileCreateError

    path = tmp_path / "结果.xlsx"
    held = PermissionError(errno.EACCES, "Permission denied", str(path))
    with pytest.raises(Refused) as refused, writing(path, ".xlsx"):
        raise FileCreateError(held) if wrapped else held
    assert (refused.value.code, refused.value.message, refused.value.remedy) == (
        "export_unwritable",
        f"无法写入“{path}”：没有权限，或文件正被 Excel 等程序打开。",
        "请先在 Excel 中关闭该文件，或换一个可写的位置。",
    )


def test_writing_lets_other_failures_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "结果.xlsx"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("结果.pdf", "export_format", "不能写成“结果.pdf”这种格式。"),
        ("没有/结果.xlsx", "export_unwritable", "文件夹“{folder}/没有”不存在。"),
        ("夹.xlsx", "export_unwritable", "“{folder}/夹.xlsx”是文件夹。"),
    ],
)
def test_writing_refuses_before_the_work_what_would_fail_after_it(
    tmp_path: Path, name: str, code: str, message: str
) -> None:
    (tmp_path / "夹.xlsx").mkdir()
    begun = False
    with pytest.raises(Refused) as refused, writing(tmp_path / name, ".xlsx", ".csv"):
        begun = True
    assert (refused.value.code, refused.value.message, begun) == (
        code,
        message.format(folder=tmp_path),
        False,
    )


def test_extensions_count_in_any_case(tmp_path: Path) -> None:
    with writing(tmp_path / "结果.XLSX", ".xlsx"):
        (tmp_path / "结果.XLSX").touch()
