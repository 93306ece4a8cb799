"""The wishes for 多对多洽谈 as a workbook: who may meet, when they can, what either side wishes; and the empty one."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from api.output_files import writing
from graph.intake.headers import GUIDE_SHEET, normalise_header
from graph.intake.readers import read_tables
from graph.intake.tables import BadCell, Table, shown
from graph.intake.writing import HEADER_STYLE, TEXT_STYLE, new_workbook, write_row
from graph.problems import Problem
from matcher.meetings import MOST_ROUNDS, SIDES, WANTS, Party, Side, Want, Wish

_PARTY = {
    "name": ("名称", "姓名", "单位", "单位名称", "嘉宾", "团队", "项目", "项目名称"),
    "id": ("编号", "id"),
    "free": ("有空轮次", "轮次", "可洽谈轮次"),
    "most": ("至多场数", "至多", "场数上限"),
}
_WISH = {
    "guest": ("嘉宾", "嘉宾名称", "嘉宾编号", "投资人", "场景方"),
    "team": ("团队", "团队名称", "团队编号", "项目", "路演团队"),
    "by": ("提出方", "谁提出"),
    "want": ("意愿", "想见"),
}
_WANTS: Mapping[str, Want] = {
    "必须": "must", "必见": "must", "一定": "must", "must": "must", "希望": "want", "想见": "want", "是": "want", "可以": "want",
    "愿意": "want", "√": "want", "want": "want", "不见": "no", "不": "no", "否": "no", "回避": "no", "×": "no", "no": "no",
}  # fmt: skip
_SEVERAL = re.compile(r"[、，,;；\s]+")
_GUIDE = (
    "“嘉宾”和“团队”两张表列出来参加洽谈的各方；编号可以不写，不写则以名称为准，名称不要重复。",
    "有空轮次写 1-4、6 这样的轮次；不写则每轮都可以。至多场数不写则不限。",
    "“意愿”一行写一方对另一方的意愿：必须、希望、不见。有一方写“不见”就一定不排。",
    "提出方写 嘉宾 或 团队；不写则作为嘉宾提出。没有在“嘉宾”“团队”表里的，会自动补进名单。",
    "以（示例）开头的行不会读入。",
)


def write_wish_template(path: Path) -> None:
    """An empty workbook for the wishes, with examples and a guide. Raises ``Refused`` where it cannot be written."""
    sheets: dict[str, tuple[Sequence[str], Sequence[str], Sequence[int]]] = {
        "嘉宾": (("编号", "名称", "有空轮次", "至多场数"), ("（示例）JB-1", "海岛物流公司（虚构）", "1-4、6", "5"), (16, 36, 16, 12)),
        "团队": (("编号", "名称", "有空轮次", "至多场数"), ("（示例）CG-101", "固定翼无人机团队（虚构）", "", ""), (16, 36, 16, 12)),
        "意愿": (("嘉宾", "团队", "提出方", "意愿"), ("（示例）JB-1", "CG-101", "嘉宾", "必须"), (36, 36, 12, 12)),
    }  # fmt: skip
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        head, text = workbook.add_format(dict(HEADER_STYLE)), workbook.add_format(dict(TEXT_STYLE))
        for name, (headers, example, widths) in sheets.items():
            sheet = workbook.add_worksheet(name)
            write_row(sheet, 0, headers, head)
            write_row(sheet, 1, example, text)
            for column, width in enumerate(widths):
                sheet.set_column(column, column, width, text)
            sheet.freeze_panes(1, 0)
            if name == "意愿":
                sheet.data_validation(1, 2, 5000, 2, {"validate": "list", "source": list(SIDES.values())})
                sheet.data_validation(1, 3, 5000, 3, {"validate": "list", "source": list(WANTS.values())})
        guide = workbook.add_worksheet(GUIDE_SHEET)
        for row, line in enumerate(_GUIDE):
            guide.write_string(row, 0, line)
        guide.set_column(0, 0, 90)
        workbook.close()


def write_wishes(
    path: Path, guests: Sequence[Party], teams: Sequence[Party], fits: Mapping[Wish, float]
) -> None:
    """The wishes proposed by fit as the sheet that ``read_wishes`` reads, for people to change.

    Raises ``Refused`` where the file cannot be written.
    """
    people: list[tuple[str, list[tuple[str, ...]]]] = [
        (label, [("编号", "名称", "有空轮次", "至多场数"), *((one.id, one.name, "", "") for one in some)])
        for label, some in ((SIDES["guest"], guests), (SIDES["team"], teams))
    ]
    names = {("guest", one.id): one.name for one in guests} | {("team", one.id): one.name for one in teams}
    wishes: list[tuple[str, ...]] = [
        (one.guest, one.team, SIDES[one.by], WANTS[one.want], f"{round(100 * fit)}%",
         f"{names['guest', one.guest]}—{names['team', one.team]}")
        for one, fit in fits.items()
    ]  # fmt: skip
    with writing(path, ".xlsx"):
        workbook = new_workbook(path)
        head, text = workbook.add_format(dict(HEADER_STYLE)), workbook.add_format(dict(TEXT_STYLE))
        for name, rows in (*people, ("意愿", [("嘉宾", "团队", "提出方", "意愿", "把握", "说明"), *wishes])):
            sheet = workbook.add_worksheet(name)
            for number, row in enumerate(rows):
                write_row(sheet, number, row, text if number else head)
            for column, width in enumerate((16, 36, 12, 12, 10, 60)[: len(rows[0])]):
                sheet.set_column(column, column, width, text)
            sheet.freeze_panes(1, 0)
        workbook.close()


Known = tuple[tuple[Party, ...], tuple[Party, ...], tuple[Wish, ...]]


def read_wishes(path: Path, known: Known = ((), (), ())) -> tuple[Known, list[Problem]]:
    """Guests, teams and wishes of a file beside those ``known``, and what is wrong (then nothing is to be used).

    A sheet with 嘉宾 and 团队 columns holds wishes; another holds guests or teams, as its name says. Who only stands in a
    wish is added. Raises ``Refused`` for a file that cannot be read.
    """
    problems: list[Problem] = []
    sides: dict[Side, dict[str, Party]] = {
        "guest": {one.id: one for one in known[0]},
        "team": {one.id: one for one in known[1]},
    }
    wishes = {(one.guest, one.team, one.by): one for one in known[2]}
    tables = read_tables(
        path, [name for roles in (_PARTY, _WISH) for names in roles.values() for name in names]
    )
    kinds = [(_kind(table), table) for table in tables]
    for kind, table in sorted(kinds, key=lambda pair: pair[0] == "wish"):  # who is who before who wishes whom
        problems += [problem for problem in table.problems if problem.severity == "error"]
        if kind == "wish":
            for row, cells in _rows(table, _WISH, problems):
                if wish := _wish(table, row, cells, sides, problems):
                    wishes[wish.guest, wish.team, wish.by] = wish
        elif kind:
            for row, cells in _rows(table, _PARTY, problems):
                if party := _party(table, row, cells, sides[kind], problems):
                    sides[kind][party.id] = party
        else:
            has = "、".join(filter(None, table.headers))[:200] or "（无）"
            remedy = "意愿表要有“嘉宾”“团队”两列；名单的工作表请叫“嘉宾”或“团队”，要有“名称”列"
            problems.append(_problem("column_missing", f"看不出是哪种表（现有列：{has}）", remedy, table))
    return (tuple(sides["guest"].values()), tuple(sides["team"].values()), tuple(wishes.values())), problems


def _kind(table: Table) -> Side | Literal["wish", ""]:
    headers = {normalise_header(header) for header in table.headers}
    has = {role: bool(headers & {normalise_header(name) for name in names}) for role, names in _WISH.items()}
    if has["guest"] and has["team"]:
        return "wish"
    if any(normalise_header(name) in headers for name in _PARTY["name"]):
        for side, label in SIDES.items():
            if label in (table.sheet or ""):
                return side
        return "guest" if has["guest"] else "team" if has["team"] else ""
    return ""


def _rows(
    table: Table, columns: Mapping[str, Sequence[str]], problems: list[Problem]
) -> Iterator[tuple[int, dict[str, str]]]:
    headers = [normalise_header(header) for header in table.headers]
    at = {
        role: next((headers.index(n) for n in map(normalise_header, names) if n in headers), None)
        for role, names in columns.items()
    }
    for row in table.rows:
        bad = [cell for cell in row.cells if isinstance(cell, BadCell)]
        problems += [_problem(b.code, b.message, b.remedy, table, row.number) for b in bad]
        cells = {
            role: "" if place is None else " ".join(shown(row.cells[place]).split())
            for role, place in at.items()
        }
        told = any(text.startswith("（示例）") for text in cells.values())
        if any(cells.values()) and not bad and not told:
            yield row.number, cells


def _party(
    table: Table, row: int, cells: Mapping[str, str], known: Mapping[str, Party], problems: list[Problem]
) -> Party | None:
    if not cells["name"] and not cells["id"]:
        problems.append(_problem("party_blank", "没有写名称", "请补填", table, row))
        return None
    id, name = cells["id"] or cells["name"], cells["name"] or cells["id"]
    free, most = _rounds(cells["free"]), _count(cells["most"])
    if free == ():
        told = f"看不懂有空轮次“{cells['free'][:30]}”"
        remedy = f"请写 1-4、6 这样的轮次，不超过 {MOST_ROUNDS}"
        problems.append(_problem("rounds_unreadable", told, remedy, table, row))
        return None
    if cells["most"] and most is None:
        told = f"看不懂至多场数“{cells['most'][:30]}”"
        problems.append(_problem("most_unreadable", told, "请写整数，或留空", table, row))
        return None
    clash = next((one for one in known.values() if one.name == name and one.id != id), None)
    if clash:
        told = f"“{name[:60]}”已经以编号“{clash.id}”列出"
        problems.append(_problem("name_twice", told, "请用同一个编号，或给名称加上区别", table, row))
        return None
    return Party(id=id, name=name, free=free, most=most)


def _wish(
    table: Table, row: int, cells: Mapping[str, str], sides: Mapping[Side, dict[str, Party]], problems: list[Problem]
) -> Wish | None:  # fmt: skip
    if not cells["guest"] or not cells["team"]:
        problems.append(_problem("wish_blank", "嘉宾和团队都要写", "请补填", table, row))
        return None
    labels: dict[str, Side] = {label: side for side, label in SIDES.items()}
    by = labels.get(cells["by"] or SIDES["guest"])
    want = _WANTS.get(unicodedata.normalize("NFKC", cells["want"]).casefold() or "希望")
    if by is None:
        told = f"看不懂提出方“{cells['by'][:30]}”"
        problems.append(_problem("side_unknown", told, "请写 嘉宾 或 团队", table, row))
    if want is None:
        told = f"看不懂意愿“{cells['want'][:30]}”"
        problems.append(_problem("want_unknown", told, f"请写 {'、'.join(WANTS.values())}", table, row))
    if by is None or want is None:
        return None
    ids = {}
    for side in SIDES:
        text = cells[side]
        found = sides[side].get(text) or next((one for one in sides[side].values() if one.name == text), None)
        if found is None:
            found = sides[side][text] = Party(id=text, name=text)
        ids[side] = found.id
    return Wish(guest=ids["guest"], team=ids["team"], by=by, want=want)


def _rounds(text: str) -> tuple[int, ...] | None:
    """Rounds as written, e.g. 1-4、6; None for a blank, empty for what cannot be read."""
    found: set[int] = set()
    for part in _SEVERAL.split(
        unicodedata.normalize("NFKC", text).replace("第", "").replace("轮", "").strip()
    ):
        if not part:
            continue
        matched = re.fullmatch(r"(\d{1,2})(?:[-–—~至到](\d{1,2}))?", part)
        low, high = (int(matched[1]), int(matched[2] or matched[1])) if matched else (0, 0)
        if not 1 <= low <= high <= MOST_ROUNDS:
            return ()
        found |= set(range(low, high + 1))
    return tuple(sorted(found)) or None


def _count(text: str) -> int | None:
    plain = unicodedata.normalize("NFKC", text).strip().removesuffix("场")
    plain = plain.removesuffix(".0")
    return int(plain) if plain.isdecimal() and len(plain) < 4 else None


def _problem(code: str, message: str, remedy: str, table: Table, row: int | None = None) -> Problem:
    return replace(Problem(code=code, message=message, remedy=remedy), sheet=table.sheet, row=row)
