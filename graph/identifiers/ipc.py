"""国际专利分类号 (IPC, Strasbourg Agreement): section, class, subclass, group, subgroup."""

import re
import unicodedata

from graph.problems import BadValue

SYMBOL = re.compile(
    r"(?<![A-Z0-9])([A-H])\s?([0-9]{2})\s?([A-Z])(?:[\s-]*([0-9]{1,4})(?:\s?/\s?([0-9]{2,6}))?)?(?![A-Z0-9]|\s?/)"
)
# WIPO ST.8 writes the group in four digits and the subgroup in six: B64U0010130000.
STORED = re.compile(r"(?<![A-Z0-9])([A-H][0-9]{2}[A-Z])([0-9]{4})([0-9]{6})(?![A-Z0-9])")
# The edition, 2006.01 with or without brackets, and I or N for invention or additional information.
VERSION = re.compile(
    r"(?:\(\s*[0-9]{4}(?:\.[0-9]{2})?\s*\)|(?<![0-9/.])[0-9]{4}\.[0-9]{2}(?![0-9.]))(?:\s*[IN](?![A-Z0-9]))?"
)
LABEL = re.compile(r"INT\s*\.?\s*CL\s*[.0-9]*|IPC(?:R|8)?(?![A-Z0-9])")
REMEDY = "请写成 B64U 10/13，或只写到小类 B64U；多个分类号用“；”分开"


def parse_ipc(text: str) -> str:
    """One classification symbol as ``B64U 10/13``, or ``B64U`` when only the subclass is given.

    A group without subgroup is the main group (``G06F 17`` is ``G06F 17/00``); the version mark in brackets
    is dropped. Raises ``BadValue`` for none, for several, and for anything else in the cell.
    """
    symbols = parse_ipcs(text)
    if len(symbols) > 1:
        message = f"这里只能填一个 IPC 分类号，写了 {len(symbols)} 个"
        raise BadValue("ipc_several", message, "请只保留最主要的一个")
    return symbols[0]


def parse_ipcs(text: str) -> tuple[str, ...]:
    """The symbols of a cell in order, once each; parted by ；;、， spaces or line breaks, labels tolerated.

    Raises ``BadValue`` when there is none, or when something is left over that is no symbol.
    """
    # Older reports part main and further classes by a double stroke: A61K31/00//A61P35/00.
    cell = LABEL.sub(";", VERSION.sub(";", unicodedata.normalize("NFKC", text).upper()))
    cell = STORED.sub(
        lambda m: f";{m[1]} {int(m[2])}/{m[3][:2]}{m[3][2:].rstrip('0')};", cell.replace("//", ";")
    )
    symbols: list[str] = []
    for section, number, subclass, group, subgroup in SYMBOL.findall(cell):
        if number == "00" or (group and int(group) == 0):
            shown = f"{section}{number}{subclass} {group}".strip()
            raise BadValue("ipc_unreadable", f"IPC 分类号“{shown}”不存在：编号不能是零", REMEDY)
        place = f" {int(group)}/{subgroup or '00'}" if group else ""
        symbols.append(f"{section}{number}{subclass}{place}")
    left = re.search(r"[A-Z0-9][A-Z0-9/. ]*", SYMBOL.sub(";", cell))
    if left:
        raise BadValue("ipc_unreadable", f"“{left[0].strip()[:30]}”不是 IPC 分类号", REMEDY)
    if not symbols:
        raise BadValue("ipc_missing", f"“{text.strip()[:30]}”里没有 IPC 分类号", REMEDY)
    return tuple(dict.fromkeys(symbols))
