"""What a node says, as the few texts that are compared: headline, core, gist and whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from graph.kinds import Achievement, Broker, Case, Enterprise, Expert, Institution, Node, Scene
from graph.resources import resource

GIST_CHARACTERS = 200
# Raise when the rules below change the texts of any node: an index made with other rules then refuses to load.
_RULES_VERSION = 1
# A demand form repeats itself in sections; these say what is needed, the last ones what is already there.
_NEED_HEADINGS = re.compile(
    r"(?:需求内容|预期目标|项目简介|技术需求|主要内容|需求背景|研究内容|技术指标|背景)\s*[:：]\s*"
)
_BASIS_HEADING = re.compile(
    r"(?:现有工作基础|现有基础|工作基础|企业简介|公司简介|单位简介|联系方式|联系人)\s*[:：]"
)
_NEXT_HEADING = re.compile(r"(?:需求内容|预期目标|技术需求|主要内容|研究内容|技术指标)\s*[:：]")
_SAYING = (
    "summary",
    "problem",
    "wanted",
    "indicators",
    "advantages",
    "applications",
    "capabilities",
    "needs",
)
_SENTENCE_END = re.compile(r"(?<=[。！？!?；;\n])")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTexts:
    """The texts of one node that the ranking compares.

    ``headline``: what it is, in a line. ``core``: the headline without words that every project has.
    ``gist``: headline and the first ``GIST_CHARACTERS`` of what is needed or offered, for the encoder.
    ``whole``: everything said about need or offer, for words.
    """

    headline: str
    core: str
    gist: str
    whole: str


def node_texts(node: Node) -> NodeTexts:
    """The texts of ``node``; what is private to staff (contacts) never enters them."""
    headline = _headline(node)
    body = without_repeats("\n".join(part for part in _body(node) if part))
    return NodeTexts(
        headline=headline,
        core=core(headline),
        gist=_cut(f"{headline}。{body}" if body else headline, GIST_CHARACTERS),
        whole=f"{headline}\n{body}",
    )


def texts_identity() -> str:
    """What the texts of a node depend on besides the node: equal identities give equal texts, so indexes pin it."""
    digest = blake2b("\n".join(word_list("generic_words.txt")).encode(), digest_size=8).hexdigest()
    return f"rules={_RULES_VERSION}/gist={GIST_CHARACTERS}/generic={digest}"


def need_of(content: str) -> str:
    """The part of a demand's text that says what is needed: sections on what is already there left out.

    Demand forms have three parts, 需求内容, 预期目标 and 现有工作基础; the last says who asks, not for what.
    A text that is nothing but such a section is kept whole.
    """
    kept, rest = [], content
    while found := _BASIS_HEADING.search(rest):
        kept.append(rest[: found.start()])
        following = _NEXT_HEADING.search(rest, found.end())
        rest = rest[following.start() :] if following else ""
    kept.append(rest)
    need = _NEED_HEADINGS.sub("", "".join(kept)).strip()
    return need or content


def without_repeats(text: str) -> str:
    """``text`` with every sentence once: forms exported from portals often hold their content twice."""
    sentences = dict.fromkeys(s.strip() for s in _SENTENCE_END.split(text))
    # One that has no end mark of its own keeps a line break, or it would run into the next.
    ended = (
        sentence if _SENTENCE_END.search(sentence) else sentence + "\n" for sentence in sentences if sentence
    )
    return "".join(ended).rstrip("\n")


def core(title: str) -> str:
    """``title`` without the words that every project title has (研发, 产业化, 关键技术 …).

    They say that it is a project, not what it is about; an encoder gives them as much room as the
    rest. A title that is nothing but such words stays as it is.
    """
    left = re.sub(r"\s+", " ", _generic_words().sub(" ", title)).strip(" 、，,。-—_")
    return left if len(left) >= 2 else title


@lru_cache(maxsize=1)
def _generic_words() -> re.Pattern[str]:
    words = word_list("generic_words.txt")
    return re.compile("|".join(re.escape(word) for word in sorted(words, key=lambda w: (-len(w), w))))


def word_list(name: str) -> tuple[str, ...]:
    """The words of a file in data/lexicon: one a line, lines with ``#`` are comments."""
    lines = resource("lexicon", name).read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def characters_said(node: Node) -> int:
    """How much a node says of need or offer beyond its headline, in characters; 0 for a bare title."""
    return sum(len(getattr(node, name, "")) for name in _SAYING)


def _headline(node: Node) -> str:
    match node:
        case Enterprise():  # a firm's name says little of what it makes
            return _cut(node.products or node.capabilities, 60) or node.title
        case Institution():
            return _cut(node.strengths, 60) or node.title
        case Broker() | Expert():
            return "、".join((*node.field, *getattr(node, "scenes", ()))) or node.title
        case _:
            return node.title


def _body(node: Node) -> Sequence[str]:
    match node:
        case Scene():
            return (
                need_of(node.summary),
                node.problem,
                node.wanted,
                node.indicators,
                _new(node.keywords, node),
            )
        case Achievement():
            return (
                node.summary,
                node.advantages,
                node.applications,
                node.indicators,
                _new(node.keywords, node),
            )
        case Enterprise():
            return (node.capabilities, node.products, node.needs, node.summary, _new(node.keywords, node))
        case Institution():
            return (node.strengths, node.summary)
        case Case():
            return (node.summary, node.effect, node.replicable)
        case _:
            return (node.summary, _new(node.keywords, node))


def _new(keywords: Sequence[str], node: Node) -> str:
    """Keywords that the title or summary does not hold already; the others would count twice."""
    said = node.title + node.summary
    return "、".join(word for word in keywords if word not in said)


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, ending at the last sentence or clause that fits if that keeps half."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    end = max(head.rfind(mark) for mark in "。；;！？!?\n，,")
    return head[: end + 1] if end >= limit // 2 else head
