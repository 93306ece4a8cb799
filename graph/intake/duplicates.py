"""Warns of records that may be the same under another id, and of organisations under another name."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from graph.intake.near_texts import near_pairs
from graph.intake.organisations import Clash, Mention, clashes, mention_of
from graph.kinds import KINDS, Broker, Enterprise, Expert, Institution, Node
from graph.problems import Problem

JACCARD_THRESHOLD = 0.85
WARNING_LIMIT = 50
NAMED_LIMIT = 5
TEXT_MINIMUM = 8

_CLASH_WORDS = {
    "organisation_renamed": ("信用代码相同而名称不同", "请核对名称，同一单位请统一写法"),
    "organisation_spelling": ("像是同一单位的不同写法", "如为同一单位，请统一写成营业执照上的全称"),
    "organisation_codes": ("名称相同而信用代码不同", "请核对统一社会信用代码"),
    "organisation_twice": ("像是同一单位的两条记录", "如为同一单位，请只保留一个编号"),
}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record about to come in, with its place in the file."""

    node: Node
    sheet: str | None
    row: int


def duplicate_warnings(incoming: Sequence[Incoming], known: Iterable[Node]) -> list[Problem]:
    """Warnings, at most ``WARNING_LIMIT`` of each sort and then a count, in the order of the file.

    ``known`` are the records already in the store; those that ``incoming`` replaces are left out of
    account. Same text: title and summary equal but for width, case, space and punctuation. Near text:
    Jaccard of character 3-grams from 0.85. Linear in the number of records.
    """
    replaced = {(entry.node.kind, entry.node.id) for entry in incoming}
    others = [node for node in known if (node.kind, node.id) not in replaced]
    same, near = _text_warnings(incoming, others)
    places = {(e.node.kind, e.node.id): e for e in incoming}
    mentions = [m for e in incoming if (m := mention_of(e.node, True))]
    mentions += [m for node in others if (m := mention_of(node, False))]
    # Two records of one firm say it all; that they are also spelled differently need not be said again.
    told: set[tuple[str, str]] = set()
    found = []
    for clash in sorted(clashes(mentions), key=lambda c: c.reason != "organisation_twice"):
        at = (clash.new.kind, clash.new.id)
        if clash.reason == "organisation_spelling" and at in told:
            continue
        told.add(at)
        found.append(_clash_warning(clash, places[at]))
    return [
        *_capped(same, "内容相同"),
        *_capped(near, "内容高度相似"),
        *_capped(found, "单位名称或代码不一致"),
    ]


def folded(text: str) -> str:
    """A text without width, case, space and punctuation."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).casefold()


def _text_warnings(
    incoming: Sequence[Incoming], others: Sequence[Node]
) -> tuple[list[Problem], list[Problem]]:
    groups: dict[tuple[str, str], list[tuple[Node, Incoming | None]]] = {}
    sources: list[tuple[Node, Incoming | None]] = [(node, None) for node in others]
    for node, entry in [*sources, *((e.node, e) for e in incoming)]:
        # Organisations are compared by name and code instead.
        if not isinstance(node, (Enterprise, Institution)):
            of = node.organisation if isinstance(node, (Broker, Expert)) else ""
            text = folded(f"{node.title}{of}{node.summary}")
            groups.setdefault((node.kind, text), []).append((node, entry))
    same = []
    for members in groups.values():
        entry = next((e for n, (_, e) in enumerate(members) if n > 0 and e), None)
        if entry:
            same.append(_same_warning(entry, [node for node, _ in members if node is not entry.node]))
    near = []
    for kind in KINDS:
        texts = [text for k, text in groups if k == kind and len(text) >= TEXT_MINIMUM]
        members_of = [groups[kind, text] for text in texts]
        is_new = [any(e for _, e in members) for members in members_of]
        for i, j, jaccard in near_pairs(texts, is_new, JACCARD_THRESHOLD):
            near.append(_near_warning(members_of[i], members_of[j], jaccard))
    return same, near


def _same_warning(entry: Incoming, others: list[Node]) -> Problem:
    ids = "、".join(node.id for node in others[:NAMED_LIMIT])
    more = f" 等 {len(others)} 条" if len(others) > NAMED_LIMIT else ""
    return _warning("same_text", f"{entry.node.id} 与 {ids}{more}的名称和简介相同", entry)


def _near_warning(
    left: list[tuple[Node, Incoming | None]], right: list[tuple[Node, Incoming | None]], jaccard: float
) -> Problem:
    (node, entry), (other, _) = _new_first(left, right)
    assert entry is not None  # noqa: S101  (``near_pairs`` gives pairs with a new one only)
    message = f"{node.id} 与 {other.id}“{other.title[:30]}”的内容高度相似（{jaccard:.0%}）"
    return _warning("near_text", message, entry)


def _new_first(
    left: list[tuple[Node, Incoming | None]], right: list[tuple[Node, Incoming | None]]
) -> tuple[tuple[Node, Incoming | None], tuple[Node, Incoming | None]]:
    new_right = next((m for m in right if m[1]), None)
    if new_right:
        return new_right, left[0]
    return next(m for m in left if m[1]), right[0]


def _clash_warning(clash: Clash, entry: Incoming) -> Problem:
    words, remedy = _CLASH_WORDS[clash.reason]
    message = f"{_named(clash.new)}与{_named(clash.other)}{words}"
    return replace(_warning(clash.reason, message, entry), remedy=remedy)


def _named(mention: Mention) -> str:
    code = f"，{mention.uscc}" if mention.uscc else ""
    return f"“{mention.name}”（{KINDS[mention.kind].label} {mention.id}{code}）"


def _warning(code: str, message: str, entry: Incoming) -> Problem:
    return Problem(
        code=code,
        message=message,
        remedy="如为重复，请只保留一条；如确为两条，可不处理",
        severity="warning",
        sheet=entry.sheet,
        row=entry.row,
    )


def _capped(warnings: list[Problem], what: str) -> list[Problem]:
    if len(warnings) <= WARNING_LIMIT:
        return warnings
    rest = Problem(
        code="warnings_capped",
        message=f"{what}的提示共 {len(warnings)} 条，只列出前 {WARNING_LIMIT} 条",
        remedy="请先处理已列出的，再重新导入查看其余",
        severity="warning",
    )
    return [*warnings[:WARNING_LIMIT], rest]
