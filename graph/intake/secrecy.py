"""Keeps what is marked secret out: refused at the door, by row or by whole sheet.

保守国家秘密法 (2024) and the marking rules under it put the level, a star and the period on the carrier
(``机密★10年``). Words that merely name the subject (机密计算, 商业秘密) are no mark.
"""

import re
import unicodedata
from collections.abc import Iterable

from graph.problems import Problem

OPEN_WORDS = frozenset(
    {
        "",
        "公开",
        "无",
        "非密",
        "非涉密",
        "不涉密",
        "未涉密",
        "无密级",
        "否",
        "一般",
        "普通",
        "-",
        "--",
        "—",
        "/",
        "无涉密",
        "可公开",
        "不保密",
        "n/a",
    }
)
_LEVEL = "(?:绝密|机密|秘密)"
MARK = re.compile(
    rf"国家秘密|绝密|{_LEVEL}\s*级?\s*[★☆*]|密级\s*[:：]?\s*{_LEVEL}"
    rf"|^\s*{_LEVEL}\s*(?:$|[:：\s])|[【\[（(《〔<「]\s*{_LEVEL}\s*级?\s*(?:[\d一二三四五六七八九十]+年)?\s*[】\]）)》〕>」]"
)
REMEDY = "本系统不接收涉密内容，请删去该行，按保密规定处理"


def is_secret_level(text: str) -> bool:
    """Whether a cell of a 密级 column says anything but open; what is not known to be open is not."""
    return unicodedata.normalize("NFKC", text).strip().casefold() not in OPEN_WORDS


def is_marked_secret(text: str) -> bool:
    """Whether a title, a name or a banner carries a secrecy mark."""
    return MARK.search(text) is not None


def has_secret_star(text: str) -> bool:
    """Whether a text carries the starred mark of a classified document (``机密★10年``)."""
    return ("★" in text or "☆" in text) and re.search(rf"{_LEVEL}\s*级?\s*[★☆]", text) is not None


def is_bare_mark(text: str) -> bool:
    """Whether a cell says nothing but a level of secrecy: wherever it stands, it marks its row."""
    return re.fullmatch(rf"\s*{_LEVEL}\s*级?\s*", text) is not None


def secret_row(sheet: str | None, row: int, column: str) -> Problem:
    """The refusal of a row; it names the place and never what the row says."""
    return Problem(
        code="secret_refused",
        message="这一行标有密级，不能导入",
        remedy=f"{REMEDY}；如为内部资料，请去掉密级标注并把“可见范围”填为“内部”",
        sheet=sheet,
        row=row,
        column=column,
    )


def secret_table(sheet: str | None, texts: Iterable[str]) -> Problem | None:
    """The refusal of a whole sheet whose name or banner is marked; ``None`` if it is not."""
    if not any(is_marked_secret(text) for text in texts):
        return None
    return Problem(
        code="secret_refused",
        message="这张表的标题标有密级，整张表不能导入",
        remedy=f"{REMEDY.replace('该行', '该表')}",
        sheet=sheet,
    )
