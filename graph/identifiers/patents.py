"""Numbers of Chinese intellectual property: applications (ZC 0006-2003), publications, software."""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

from graph.problems import BadValue

Kind = Literal["application", "publication", "software_copyright"]
PatentType = Literal["invention", "utility_model", "design"]

# ZC 0006-2003: 8 and 9 are international (PCT) applications in the national phase.
TYPE_DIGITS: dict[str, PatentType] = {
    "1": "invention",
    "2": "utility_model",
    "3": "design",
    "8": "invention",
    "9": "utility_model",
}
# ZC 0007-2012 (since 2010: A, B, U, S) and before (C, Y, D).
KIND_CODES: dict[str, PatentType] = {
    "A": "invention",
    "B": "invention",
    "C": "invention",
    "U": "utility_model",
    "Y": "utility_model",
    "S": "design",
    "D": "design",
}
TYPE_LABELS: dict[PatentType, str] = {"invention": "发明", "utility_model": "实用新型", "design": "外观设计"}
APPLICATION = re.compile(r"(?:CN)?(ZL)?(?:CN)?([0-9]{12}|[0-9]{8})\.?([0-9X])?")
PUBLICATION = re.compile(r"(?:CN)?(ZL)?(?:CN)?([0-9]{7,9})([ABCUYSD])([1-9]?)")
# The running number of a year has grown from 4 digits to 7; that it has 6 at least since 2011 is our reading.
SOFTWARE = re.compile(r"((?:19[0-9]{2}|200[0-9]|2010)(?=SR)|[0-9]{4}(?=SR[0-9]{6}))SR([0-9]{4,7})")
SHAPES = (APPLICATION, PUBLICATION, SOFTWARE)
DATE = re.compile(r"(?<![0-9A-Z.])(?:19|20)[0-9]{2}([-.])[0-9]{1,2}\1[0-9]{1,2}(?![0-9.])")
SCIENTIFIC = re.compile(r"(?<![0-9A-Z.])[0-9]\.[0-9]+E\+?[0-9]{2}(?![0-9])")
# ① to ⒛, which NFKC would turn into digits of the number behind them.
LIST_MARKS = re.compile("[\u2460-\u249b]")
REMEDY = (
    "请写成 ZL202110234567.X（授权）、202110234567.X（申请）、"
    "CN112345678A（公开）或 2021SR0123456（软件著作权）"
)
KIND_CODE_REMEDY = "请补上 A、B、U 或 S，例如 CN112345678A；申请号则应带校验位"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatentNumber:
    """A number in canonical form and what can be read from it.

    ``number`` is ``202110234567.X``, ``CN112345678A`` or ``2021SR0123456``; ``type`` is None for software;
    ``year`` is that of filing (application) or registration (software), None where the number has none;
    ``granted`` says that the number itself claims a grant (ZL, or a kind code given at grant).
    """

    number: str
    kind: Kind
    type: PatentType | None
    year: int | None
    granted: bool

    @property
    def has_check(self) -> bool:
        """Whether a check digit vouches for the number: application numbers only."""
        return self.kind == "application"

    def __str__(self) -> str:
        """The form that parses back to an equal value: ``ZL202110234567.X`` for a granted application."""
        return f"ZL{self.number}" if self.granted and self.kind == "application" else self.number


def application_check_digit(digits: str) -> str:
    """The check digit for 8 or 12 digits: weights 2…9 repeating, Σ mod 11, 10 is X (ZC 0006-2003).

    Raises ``ValueError`` for anything but digits.
    """
    return "0123456789X"[sum(int(d) * (2 + i % 8) for i, d in enumerate(digits)) % 11]


def parse_patent_number(text: str) -> PatentNumber:
    """The one number in a cell; see ``parse_patent_numbers``. Raises ``BadValue`` for none or several."""
    numbers = parse_patent_numbers(text)
    if len(numbers) > 1:
        raise BadValue("patent_several", f"这里只能填一个专利号，写了 {len(numbers)} 个", "请只保留一个")
    return numbers[0]


def parse_patent_numbers(text: str) -> tuple[PatentNumber, ...]:
    """The numbers of a cell in order, once each; words around them (专利号：, 已授权) are tolerated.

    Numbers are parted by ；;、， spaces, line breaks or words; inner spaces and hyphens, a missing point,
    full-width forms and a small x are mended. A number given with and without ZL counts once, as granted.
    Raises ``BadValue`` when there is none, or when one of them is wrong.
    """
    cell = unicodedata.normalize("NFKC", LIST_MARKS.sub(";", text)).upper().replace("×", "X")
    cell = re.sub(r"(?<=[0-9])\s?[。·•]\s?(?=[0-9X])", ".", cell)
    if found_scientific := SCIENTIFIC.search(cell):
        raise BadValue(
            "patent_scientific_notation",
            f"专利号被表格软件改成了科学计数法“{found_scientific[0][:30]}”",
            "请把该列设为文本格式，再对照受理通知书或证书重新填写",
        )
    if re.search(r"PCT\s*/\s*[A-Z]{2}", cell):
        raise BadValue(
            "patent_international",
            f"“{cell.strip()[:30]}”含 PCT 国际申请号，这里只收中国编号",
            "请填进入中国国家阶段后的申请号",
        )
    found: dict[str, PatentNumber] = {}
    # Chinese words and marks part numbers, dates are none; blanks may stand inside one (ZL 2021 1 0234567.X).
    for run in re.findall(r"[0-9A-Z.\-‐– \t]+", DATE.sub(";", cell)):
        for candidate in _candidates(run):
            patent = _parse_one(candidate)
            known = found.get(patent.number, patent)
            found[patent.number] = replace(known, granted=known.granted or patent.granted)
    if not found:
        raise BadValue("patent_missing", f"“{text.strip()[:30]}”里没有专利号", REMEDY)
    return tuple(found.values())


def _candidates(run: str) -> list[str]:
    """What stands for a number in a run of letters, digits and blanks; the longest join of parts wins."""
    parts = run.split()
    candidates: list[str] = []
    start = 0
    while start < len(parts):
        # A number is written in six parts at most: CN ZL 2021 1 0234567 .X
        for end in range(min(len(parts), start + 6), start, -1):
            joined = _tidy("".join(parts[start:end]))
            if any(shape.fullmatch(joined) for shape in SHAPES):
                candidates.append(joined)
                break
        else:
            end = start + 1
            if _is_attempt(parts[start]):
                candidates.append(_tidy(parts[start]))
        start = end
    return candidates


def _tidy(part: str) -> str:
    """The part without hyphens, a leading ``NO.`` or list number (``1.ZL…``), and points at the edges.

    A number with its check digit that a spreadsheet kept as 2021110234087.0 loses the ``.0``.
    """
    bare = re.sub(r"^([0-9]{13})\.0$", r"\1", re.sub(r"[\-‐–]", "", part).strip("."))
    return re.sub(r"^(?:[0-9]{1,2}\.(?=[A-Z]{2}[0-9]|[0-9]{8}))?(?:NO\.?(?=[0-9CZ]))?", "", bare)


def _is_attempt(part: str) -> bool:
    """Whether a part is meant as a number, right or wrong, rather than a word or a count."""
    digits = sum(c in "0123456789" for c in part)
    return digits >= 5 or re.match(r"(?:CN|ZL|WO|US|EP|JP|KR)[0-9]|[0-9]+SR", part) is not None


def _parse_one(text: str) -> PatentNumber:
    if found := SOFTWARE.fullmatch(text):
        year = int(found[1])
        if not 1991 <= year < 2100:
            message = f"软件著作权登记号“{text}”的年份 {year} 不对"
            raise BadValue("patent_year", message, "登记号前四位是登记年份，例如 2021SR0123456")
        return PatentNumber(number=text, kind="software_copyright", type=None, year=year, granted=False)
    if found := PUBLICATION.fullmatch(text):
        return _publication(text, found[2], found[3], found[4], bool(found[1]))
    if found := APPLICATION.fullmatch(text):
        return _application(text, found[2], found[3], bool(found[1]))
    if re.fullmatch(r"(?:CN)?[123][0-9]{6}(?:[0-9]{2})?", text):
        raise BadValue("patent_kind_code", f"公开（公告）号“{text}”缺少末尾字母", KIND_CODE_REMEDY)
    if re.match(r"(?!CN|ZL|NO)[A-Z]{2}[0-9]", text):
        message = f"“{text[:30]}”不是中国专利号"
        raise BadValue("patent_foreign", message, "这里只收中国编号，境外专利请写进简介")
    raise BadValue("patent_unreadable", f"看不懂专利号“{text[:30]}”", REMEDY)


def _application(text: str, digits: str, check: str | None, granted: bool) -> PatentNumber:
    year = int(digits[:4]) if len(digits) == 12 else int(digits[:2]) + (1900 if digits[0] in "89" else 2000)
    # Twelve digits since 2003-10-01; eight digits from the first day of the Patent Law, 1985-04-01.
    if not (2003 <= year < 2100 if len(digits) == 12 else 1985 <= year <= 2003):
        if re.fullmatch(r"[123][0-9]{8}", digits + (check or "")):
            raise BadValue("patent_kind_code", f"公开（公告）号“{text}”缺少末尾字母", KIND_CODE_REMEDY)
        raise BadValue(
            "patent_year",
            f"专利号“{text}”开头的年份不对",
            "2003 年 10 月以后的申请号有 12 位，以四位年份开头；此前的有 8 位，以两位年份开头",
        )
    kind = digits[4] if len(digits) == 12 else digits[2]
    if kind not in TYPE_DIGITS:
        raise BadValue(
            "patent_type",
            f"专利号“{text}”的类型位是 {kind}",
            "年份后面一位应为 1（发明）、2（实用新型）、3（外观设计）、8 或 9（PCT）",
        )
    expected = application_check_digit(digits)
    if check is None:
        remedy = f"请核对；若各位无误，应为 {digits}.{expected}"
        raise BadValue("patent_check_digit", f"专利号“{text}”缺少校验位", remedy)
    if check != expected:
        raise BadValue(
            "patent_check_digit",
            f"专利号“{text}”的校验位不对：应为 {expected}，写的是 {check}",
            f"请对照受理通知书或证书核对；若前面各位无误，应为 {digits}.{expected}",
        )
    return PatentNumber(
        number=f"{digits}.{check}", kind="application", type=TYPE_DIGITS[kind], year=year, granted=granted
    )


def _publication(text: str, digits: str, letter: str, correction: str, claims_grant: bool) -> PatentNumber:
    """A publication number (no check digit): CN, 7 or 9 digits beginning with the type; 8 before 1989."""
    old = len(digits) == 8
    type_digit = digits[2] if old else digits[0]
    if TYPE_DIGITS.get(type_digit) != KIND_CODES[letter] or type_digit in "89":
        meant = f"{letter}（{TYPE_LABELS[KIND_CODES[letter]]}）"
        raise BadValue(
            "patent_kind_code",
            f"公开（公告）号“{text}”的末尾字母 {meant}与类型位 {type_digit} 不符",
            "请核对：1 配 A、B、C（发明），2 配 U、Y（实用新型），3 配 S、D（外观设计）",
        )
    if old and not 85 <= int(digits[:2]) <= 88:
        message = f"公开（公告）号“{text}”应有 7 位或 9 位数字"
        raise BadValue("patent_year", message, "请核对，例如 CN112345678A")
    # Eight-digit numbers are older than the first publications at grant.
    granted = letter != "A" and not old
    if claims_grant and not granted:
        raise BadValue(
            "patent_not_granted",
            f"“{text}”是申请公开号，不能加 ZL",
            "请写授权后的专利号，例如 ZL202110234567.X，或去掉 ZL",
        )
    year = 1900 + int(digits[:2]) if old else None
    return PatentNumber(
        number=f"CN{digits}{letter}{correction}",
        kind="publication",
        type=KIND_CODES[letter],
        year=year,
        granted=granted,
    )
