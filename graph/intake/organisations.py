"""One organisation under several spellings or codes: what two names have in common once dressing is off."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graph.kinds import Enterprise, Institution, Node

_FORM = re.compile(r"(?:股份有限公司|有限责任公司|有限公司|股份公司|有限合伙|公司)$")
# Places of this city that firms put in, leave out or move about in their names.
_PLACE = re.compile(r"(?:广东省?|中国)?(?:珠海市?|横琴(?:新区|粤澳深度合作区)?|广东省?)")
_GROUP = re.compile(r"集团$")
_OWNERS = frozenset({"owner", "organisation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """An organisation as one record names it; ``is_itself`` tells its own record from one it owns."""

    name: str
    uscc: str | None
    kind: str
    id: str
    is_new: bool
    is_itself: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """Two mentions that disagree: ``reason`` is a code, ``new`` the one that comes in."""

    reason: str
    new: Mention
    other: Mention


def organisation_key(name: str) -> str:
    """A name without width, space, punctuation, legal form and local place: equal for a firm's spellings.

    Places elsewhere stay: the Shenzhen branch is not the firm.
    """
    plain = re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name)).casefold()
    bare = _PLACE.sub("", _GROUP.sub("", _FORM.sub("", plain)))
    return bare if len(bare) >= 2 else plain


def mention_of(node: Node, is_new: bool) -> Mention | None:
    """The organisation a record is, or says it belongs to; ``None`` if it says none."""
    if isinstance(node, (Enterprise, Institution)):
        return Mention(
            name=node.title, uscc=node.uscc, kind=node.kind, id=node.id, is_new=is_new, is_itself=True
        )
    # Asking the class: a model takes long to say that an instance lacks an attribute.
    known = type(node).model_fields
    name = getattr(node, "owner" if "owner" in known else "organisation") if known.keys() & _OWNERS else ""
    if not name:
        return None
    uscc = getattr(node, "owner_uscc") if "owner_uscc" in known else None  # noqa: B009
    return Mention(name=name, uscc=uscc, kind=node.kind, id=node.id, is_new=is_new, is_itself=False)


def clashes(mentions: Iterable[Mention]) -> Iterator[Clash]:
    """Every clash once per differing name, code or id, in the order of mentions; linear in their number.

    Reasons: ``organisation_renamed`` (one code, other names), ``organisation_spelling`` (one firm, other
    spelling), ``organisation_codes`` (one name, other codes), ``organisation_twice`` (one name, two records).
    """
    firsts: dict[tuple[str, str], Mention] = {}
    told: set[tuple[str, str, str]] = set()
    # New ones last, so that what is known is what they are compared with.
    for mention in sorted(mentions, key=lambda m: m.is_new):
        key = organisation_key(mention.name)
        for reason, group, variant in _aspects(mention, key):
            first = firsts.setdefault((reason, group), mention)
            theirs = next(v for r, _, v in _aspects(first, organisation_key(first.name)) if r == reason)
            if theirs != variant and mention.is_new and (reason, group, variant) not in told:
                told.add((reason, group, variant))
                yield Clash(reason=reason, new=mention, other=first)


def _aspects(mention: Mention, key: str) -> Iterator[tuple[str, str, str]]:
    """(reason, what is shared, what may differ)"""
    if mention.uscc:
        yield "organisation_renamed", mention.uscc, key
        yield "organisation_codes", key, mention.uscc
    yield "organisation_spelling", key, mention.name
    if mention.is_itself:
        yield "organisation_twice", key, f"{mention.kind} {mention.id}"
