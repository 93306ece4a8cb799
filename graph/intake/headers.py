"""Which texts are headers: they are compared without the decoration offices put around them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

from graph.intake.tables import Cell, Row, shown
from graph.intake.targets import KIND_NAMES, targets

ROW_NUMBER_HEADER, PROBLEM_HEADER, REMEDY_HEADER = "行号", "问题", "怎么改"
REPORT_HEADERS = frozenset({ROW_NUMBER_HEADER, PROBLEM_HEADER, REMEDY_HEADER})
REPORT_HEADERS = frozenset({ROW_NUMBER_HEADER, PROBLEM_HEADER, REMEDY_HEADER})
GUIDE_SHEET, PROBLEM_SHEET, LIST_SHEET = "填写说明", "问题汇总", "代码表"
OUR_SHEETS = frozenset({GUIDE_SHEET, PROBLEM_SHEET, LIST_SHEET})

ORDINAL_HEADERS = frozenset({"序号", "序", "no", "no.", "行次", "#"})
SECRECY_HEADERS = frozenset(
    {
        "密级",
        "保密级别",
        "保密等级",
        "涉密等级",
        "涉密级别",
        "秘密等级",
        "定密",
        "是否涉密",
        "涉密",
        "密级期限",
    }
)
HEADER_SEARCH_ROWS = 15
HEADER_LIMIT = 60

BRACKETED = re.compile(r"[(\[【〔{〈《][^)\]】〕}〉》]*[)\]】〕}〉》]")
NUMBERING = re.compile(r"^(?:\d{1,2}[.、)]|[一二三四五六七八九十]{1,2}[、.])")


def header_text(cell: Cell) -> str:
    """A header cell as it is shown to people: on one line."""
    return " ".join(shown(cell).split())


@lru_cache(maxsize=4096)
def normalise_header(text: str) -> str:
    """A header without what does not count: width, case, space, brackets with what is in them, ``*``."""
    plain = re.sub(r"\s+", "", unicodedata.normalize("NFKC", text).casefold())
    bare = NUMBERING.sub("", BRACKETED.sub("", plain).strip("*#※:：、,.。"))
    return bare.strip("*#※:：、,.。") or plain.strip("()[]【】*")


@cache
def vocabulary(kind: str) -> Mapping[str, str]:
    """Attribute by normalised header. Labels win over attribute names, both over aliases; then the first."""
    about = targets(kind)
    result: dict[str, str] = {}
    for name, target in about.items():
        result.setdefault(normalise_header(target.label), name)
    for name in about:
        result.setdefault(name, name)
    for name, target in about.items():
        for alias in target.aliases:
            result.setdefault(normalise_header(alias), name)
    return result


@lru_cache(maxsize=1)
def _all_headers() -> frozenset[str]:
    known = {header for kind in KIND_NAMES for header in vocabulary(kind)}
    return frozenset(known) | ORDINAL_HEADERS | SECRECY_HEADERS | REPORT_HEADERS


def header_score(cells: Iterable[object], extra: frozenset[str] = frozenset()) -> int:
    """How many different known headers a row holds; ``extra`` are normalised headers of the caller."""
    known = _all_headers()
    texts = {normalise_header(c) for c in cells if isinstance(c, str) and len(c) <= HEADER_LIMIT}
    return sum(1 for text in texts if text in known or text in extra)


def find_header_row(rows: Sequence[Row], extra: frozenset[str] = frozenset()) -> int | None:
    """The place in ``rows`` of the header row: the first of the best among the top rows; or ``None``."""
    best, best_score = None, 0
    for place, row in enumerate(rows[:HEADER_SEARCH_ROWS]):
        score = header_score(row.cells, extra)
        if score > best_score:
            best, best_score = place, score
    return best
