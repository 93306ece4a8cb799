"""Guesses the kind a table holds from its headers and its names."""

import unicodedata
from collections.abc import Container, Mapping

from graph.feedback import FEEDBACK_LABELS
from graph.intake.feedback_columns import JUDGEMENT, OUTCOME
from graph.intake.headers import normalise_header, vocabulary
from graph.intake.mapping import missing_columns
from graph.intake.tables import Table
from graph.intake.targets import KIND_NAMES, RELATION, kind_label
from graph.problems import Problem

# Words in a sheet's or file's name that tell the kind; the kinds' own labels come on top.
KIND_HINTS: Mapping[str, tuple[str, ...]] = {
    "scene": ("场景", "需求", "机会清单", "榜单", "scene", "demand"),
    "achievement": ("成果", "专利", "achievement"),
    "enterprise": ("企业", "公司", "能力清单", "enterprise", "company"),
    "institution": ("高校", "院所", "医院", "医疗机构", "机构", "institution"),
    "broker": ("经纪人", "经理人", "broker"),
    "case": ("案例", "case"),
    "platform": ("平台", "platform"),
    "fund": ("基金", "fund"),
    "expert": ("专家", "expert"),
    "zone": ("试验区", "zone"),
    RELATION: ("关系", "relation", "edge"),
    JUDGEMENT: ("评级", "judgement", "judgment"),
    OUTCOME: ("对接结果", "outcome"),
}
# A table with both numbers of a pair and what was said of it is about pairs, whatever its name hints at.
PAIR_BONUS = 3


def guess_kind(table: Table) -> str | Problem:
    """The kind a table holds, from its headers and the names of sheet and file; a ``Problem`` where two fit.

    Headers decide; a name's hint counts as much as two headers, and so nearly do both ends of a pair.
    """
    found_of: dict[str, int] = {}
    headers = [normalise_header(h) for h in table.headers]
    for kind in KIND_NAMES:
        found = {vocabulary(kind)[h] for h in headers if h in vocabulary(kind)}
        if not missing_columns(kind, found, None, None):
            found_of[kind] = len(found)
    scores = {
        kind: 2 * number
        + (4 if _hinted(table, kind, found_of) else 0)
        + (PAIR_BONUS if kind in FEEDBACK_LABELS else 0)
        for kind, number in found_of.items()
    }
    best = max(scores.values(), default=0)
    fitting = [kind for kind, score in scores.items() if score == best]
    if len(fitting) == 1:
        return fitting[0]
    options = "、".join(f"{kind_label(k)}（{k}）" for k in (fitting or KIND_NAMES))
    return Problem(
        code="kind_unclear",
        message=f"看不出“{table.name}”是哪一类表" + ("" if fitting else "：没有认出表头"),
        remedy=f"请用 --kind 指明类型，可选：{options}",
        sheet=table.sheet,
    )


def _hinted(table: Table, kind: str, fitting: Container[str]) -> bool:
    # 评级 in a name says nothing of a table that has no pairs: 成果评级表 may well list 成果.
    hints = {k: words for k, words in KIND_HINTS.items() if k in fitting or k not in FEEDBACK_LABELS}
    for name in (table.sheet, table.source, *table.banner):
        text = unicodedata.normalize("NFKC", name or "").casefold()
        found = [(text.rfind(word), k) for k, words in hints.items() for word in words if word in text]
        if found:
            # The head of a Chinese name stands last: 企业需求 is about 需求, 场景案例 about 案例.
            return max(found)[1] == kind
    return False
