"""Industries of the national economy: codes of GB/T 4754-2017.

The names and letters of the 97 divisions were compared with a public copy of the table, not with the standard.
"""

import json
import re
import unicodedata
from functools import cache
from typing import Any

from graph.problems import BadValue
from graph.resources import resource

_CODE = re.compile(r"([A-Z])?[ .-]*([0-9]{2,4})?(?![0-9A-Z])(.*)", re.DOTALL)


# A name with its code behind: 智能无人飞行器制造（C3963）, 行业代码：C39. The letter tells it from a year (2017).
_NAME_FIRST = re.compile(r"[^0-9A-Z]*[(\[:-]\s*([A-T]\s*[0-9]{2,4})\s*[)\]]?")
# A further code behind the first one; GB/T 4754-2017 is none.
_FURTHER = re.compile(
    r"[;,、/|\n]\s*[A-T]?\s?[0-9]{2,4}(?![0-9]|\s*-)|\s[A-T][0-9]{2,4}(?![0-9])", re.IGNORECASE
)


def parse_industry_code(text: str) -> str:
    """The code a cell means, with its letter: ``3963`` -> C3963, ``I65 软件和信息技术服务业`` -> I65.

    The name may stand behind the code or, with the code in brackets or after a colon, before it.

    A section (门类) letter, or two to four digits whose first two name a division (大类) of GB/T 4754-2017;
    groups and classes below are not checked against the standard. The exact name of a division or
    section is understood too. Raises ``BadValue``: ``industry_unknown``, ``industry_division_unknown``,
    ``industry_several``, ``industry_letter_mismatch`` with the right letter.
    """
    cell = unicodedata.normalize("NFKC", text).strip()
    if named := _codes_by_name().get(_name_key(cell)):
        return named
    cell = cell.upper()
    if named_first := _NAME_FIRST.fullmatch(cell):
        cell = named_first[1]
    found = _CODE.fullmatch(cell)
    letter, digits, rest = found.groups() if found else (None, None, "")
    if not _reads_as_code(letter, digits, rest):
        raise BadValue(
            "industry_unknown",
            f"看不懂行业代码“{cell[:30]}”",
            f"请填国民经济行业分类（GB/T 4754-2017）代码，例如 C39 或 C3963；门类：{_sections_in_words()}",
        )
    if _FURTHER.search(rest):
        message = f"这里只能填一个行业代码，写了“{cell[:30]}”"
        raise BadValue("industry_several", message, "请只保留主营业务所属的一个")
    return _checked(letter, digits)


def industry_name(code: str) -> str:
    """The Chinese name of the code's division, or of its section for a bare letter.

    Names are held down to divisions: C3963 answers with the name of C39. Raises ``BadValue`` as
    ``parse_industry_code``.
    """
    parsed = parse_industry_code(code)
    return _sections()[parsed] if len(parsed) == 1 else _divisions()[parsed[1:3]][1]


def _checked(letter: str | None, digits: str | None) -> str:
    if digits is None:
        assert letter is not None  # noqa: S101 - one of both is there, or it would not read as a code
        if letter not in _sections():
            remedy = f"门类只有 A 至 T：{_sections_in_words()}"
            raise BadValue("industry_unknown", f"没有行业门类“{letter}”", remedy)
        return letter
    if digits[:2] not in _divisions():
        raise BadValue(
            "industry_division_unknown",
            f"没有行业大类“{digits[:2]}”",
            "请核对代码的前两位，GB/T 4754-2017 的大类为 01 至 97，例如 C39 或 I65",
        )
    right, name = _divisions()[digits[:2]]
    if letter not in (None, right):
        raise BadValue(
            "industry_letter_mismatch",
            f"行业代码“{letter}{digits}”的门类字母与大类不符",
            f"大类 {digits[:2]}（{name}）属于门类 {right}，请改为 {right}{digits}",
        )
    return right + digits


def _reads_as_code(letter: str | None, digits: str | None, rest: str) -> bool:
    """Whether this is a code, perhaps with its name behind it, and not 39号文, 2017 年 or A股."""
    if not rest.strip():
        return bool(letter or digits)
    if letter and digits:
        return True
    name = _divisions().get((digits or "")[:2], ("", ""))[1] if digits else _sections().get(letter or "", "")
    separated = digits is not None and not rest[0].isalnum() and not re.match(r"\s+[年月日号家个人万]", rest)
    return separated or (name != "" and _name_key(rest) == _name_key(name))


def _name_key(text: str) -> str:
    """A name without the marks that are written in many ways."""
    return "".join(c for c in text if c.isalnum())


def _sections_in_words() -> str:
    return "；".join(f"{letter} {name}" for letter, name in _sections().items())


@cache
def _sections() -> dict[str, str]:
    """Section names by letter."""
    return {row["letter"]: row["name"] for row in _table()}


@cache
def _divisions() -> dict[str, tuple[str, str]]:
    """(section letter, name) by the two digits of the division."""
    return {digits: (row["letter"], name) for row in _table() for digits, name in row["divisions"].items()}


@cache
def _codes_by_name() -> dict[str, str]:
    """Codes by name; a division comes before a section of the same name (教育, 房地产业)."""
    sections = {_name_key(name): letter for letter, name in _sections().items()}
    return sections | {_name_key(name): letter + digits for digits, (letter, name) in _divisions().items()}


@cache
def _table() -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = json.loads(resource("codes", "gbt4754.json").read_text(encoding="utf-8"))[
        "sections"
    ]
    return table
