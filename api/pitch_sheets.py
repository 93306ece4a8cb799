"""The sheets of judges as they hand them in, and 路演成绩 as a workbook."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from api.output_files import writing
from api.plain_workbook import write_sheets
from api.review_sheets import MARK_COLUMNS, named_experts, read_figures, read_rows
from graph.feedback import spellings
from graph.problems import Problem
from matcher.grading import Sheet, rounded
from matcher.pitch_scoring import Results, Round, Veto

_COLUMNS = {**MARK_COLUMNS, "veto": ("离题（写明理由）", "离题", "离题否决")}
_SUMS = frozenset({"合计", "总计", "平均", "平均分", "小计"})
_NOTHING = frozenset({"", "-", "—", "/", "\\", "无", "否"})
_WIDTHS = {"项目": 44, "说明": 44, "原因": 44, "内容": 80}


def read_pitch_marks(path: Path, one: Round) -> tuple[list[Sheet], list[Veto], list[Problem]]:
    """The marks and vetoes of a file: a line a pitch, a column a criterion; the judge as in ``review_sheets``.

    A line without any mark is one not read. Raises ``Refused`` for a file that cannot be read.
    """
    ids = {**{name: id for id, name in one.judges.items()}, **{id: id for id in one.judges}}
    weights = {criterion.name: str(criterion.weight) for criterion in one.rubric.criteria}
    sheets: list[Sheet] = []
    vetoes: list[Veto] = []
    problems: list[Problem] = []
    for table, row, cells in read_rows(path, _COLUMNS, ("id",), problems, extra=tuple(weights)):
        place = {"sheet": table.sheet, "row": row}
        if not cells["id"] or cells["id"] in _SUMS:
            continue
        called = named_experts(table, cells, "")
        entry = next((id for id in spellings(cells["id"]) if id in one.entries), cells["id"])
        who = next((ids[name] for name in called if name in ids), None)
        if who is None or entry not in one.entries:
            what, known = ("评委", one.judges) if who is None else ("项目", one.entries)
            said = "、".join(called) if who is None else cells["id"]
            message = (
                f"没有这位{what}：{said[:60] or '（没有写）'}" if who is None else f"没有项目“{said[:30]}”"
            )
            remedy = f"{what}有：{'、'.join(known.values() if who is None else known)}"
            problems.append(
                Problem(code="judge_unknown" if who is None else "pitch_unknown", message=message, remedy=remedy, sheet=table.sheet, row=row)
            )  # fmt: skip
            continue
        if cells["veto"] not in _NOTHING:
            vetoes.append(Veto(judge=who, entry=entry, reason=cells["veto"]))
        given = read_figures(cells, weights, place, problems)
        if given:
            marks = {name: Decimal(text) for name, text in given.items()}
            sheets.append(Sheet(expert=who, entry=entry, marks=marks))
    return sheets, vetoes, problems


def write_results(path: Path, found: Results, awards: Mapping[str, str]) -> None:
    """路演成绩: the ranking, what every judge gave, who has no score and why, the rule. ``awards`` by entry.

    Raises ``Refused`` where the file cannot be written.
    """
    names = [criterion.name for criterion in found.round.rubric.criteria]
    entries, judges = found.round.entries, found.round.judges
    ranking: list[Sequence[str]] = [
        [str(one.rank), one.entry, entries[one.entry], str(one.score), *(str(rounded(one.criteria[name])) for name in names),
         awards.get(one.entry, ""), one.tie]
        for one in found.standings
    ]  # fmt: skip
    totals = [
        [
            one.entry,
            entries[one.entry],
            judges[t.expert],
            str(rounded(t.given)),
            "计入" if t.counts else "去掉",
        ]
        for one in found.standings
        for t in one.totals
    ]
    fallen = [[one.entry, entries[one.entry], one.reason] for one in found.fallen]
    means = [f"{name}（平均）" for name in names]
    with writing(path, ".xlsx"):
        write_sheets(
            path,
            {
                "成绩": (["名次", "编号", "项目", "得分", *means, "奖项", "说明"], ranking),
                "评委总分": (["编号", "项目", "评委", "总分", "是否计入"], totals),
                "没有成绩": (["编号", "项目", "原因"], fallen),
                "规则": (["内容"], [[found.round.rules.text]]),
            },
            _WIDTHS,
        )
