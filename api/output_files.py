"""Writing files for people: whatever stands in the way is said in Chinese, before the work where it can be."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graph.problems import Refused

_CAUSES = {
    errno.EACCES: "没有权限，或文件正被 Excel 等程序打开",
    errno.EPERM: "没有权限",
    errno.EROFS: "所在的盘是只读的",
    errno.ENOSPC: "磁盘已满",
    errno.EDQUOT: "磁盘配额已满",
    errno.ENOENT: "文件或文件夹不存在",
    errno.ENOTDIR: "路径中有一段是文件，不是文件夹",
    errno.EISDIR: "这是文件夹，不是文件",
    errno.EEXIST: "已有同名文件",
    errno.ENAMETOOLONG: "文件名太长",
}


def cause_of(error: OSError) -> str:
    """Why the operating system said no, in Chinese where it is foreseen."""
    return _CAUSES.get(error.errno or 0) or error.strerror or str(error)


def check_target(path: Path, *suffixes: str) -> None:
    """Refuse now what would fail after the work: another extension, a folder that is not there.

    Raises ``Refused`` (``export_format``, ``export_unwritable``).
    """
    if path.is_dir():
        raise Refused("export_unwritable", f"“{path}”是文件夹。", "请写出文件名。")
    if suffixes and path.suffix.lower() not in suffixes:
        remedy = f"请用 {'、'.join(suffixes)} 作扩展名。"
        raise Refused("export_format", f"不能写成“{path.name}”这种格式。", remedy)
    if not path.parent.is_dir():
        raise Refused(
            "export_unwritable", f"文件夹“{path.parent}”不存在。", "请先建立该文件夹，或换一个位置。"
        )


@contextmanager
def writing(path: Path, *suffixes: str) -> Iterator[None]:
    """Turn a failure to write ``path`` inside the block into ``Refused`` (``export_unwritable``)."""
    check_target(path, *suffixes)
    try:
        yield
    except Exception as error:
        from xlsxwriter.exceptions import FileCreateError

        # xlsxwriter wraps the operating system's error in one of its own.
        cause = error.args[0] if isinstance(error, FileCreateError) and error.args else error
        if not isinstance(cause, OSError):
            raise
        raise Refused(
            "export_unwritable",
            f"无法写入“{path}”：{cause_of(cause)}。",
            "请先在 Excel 中关闭该文件，或换一个可写的位置。",
        ) from error
