"""Who takes part in a task and its review, as they are named: organisations, people, bids and the poster.

Which organisation a name or a code means is for ``matcher.register`` to tell.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from graph.intake.organisations import organisation_key
from graph.kinds import Broker, Expert
from graph.store.changes import NodeKey

# What has the name of another and then its own legal form (an affiliated hospital, a spun-off firm) is somebody else.
_OWN_FORM = re.compile("公司|附属|医院|学校|学院|集团|厂$|合伙|合作社|事务所")
_FORM_AHEAD = re.compile(r"^(?:集团)?(?:股份有限公司|有限责任公司|有限公司|股份公司|公司)")
_SEVERAL = re.compile(r"[、；;，,/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An organisation as it is named; ``node`` where its record is known.

    ``representative`` is its 法定代表人. ``verified_by`` says who has looked it up: then it is no longer in doubt
    although the store does not hold it.
    """

    name: str
    uscc: str | None = None
    node: NodeKey | None = None
    representative: str = ""
    verified_by: str = ""

    @property
    def key(self) -> str:
        """What makes it one and the same: its code, else its name without dressing."""
        return self.uscc or organisation_key(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who judges, brokers or takes part: ``id`` is what the pair is named by, ``key`` the node if any.

    ``advises`` are organisations that the person has declared to advise or be paid by; ``avoids`` are names, credit
    codes or ids of entries that the person has declared not to judge.
    """

    id: str
    name: str
    key: NodeKey | None = None
    organisations: tuple[Party, ...] = ()
    advises: tuple[Party, ...] = ()
    avoids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A bid, or with ``posts`` the task's poster: who stands behind it and what it offers.

    ``about`` are nodes (achievements) that it offers, ``brokers`` whom it pays, ``avoids`` names or ids of people
    whom it has asked not to be judged by, ``text`` what it says.
    """

    id: str
    parties: tuple[Party, ...]
    people: tuple[Person, ...] = ()
    brokers: tuple[Person, ...] = ()
    about: tuple[NodeKey, ...] = ()
    avoids: tuple[str, ...] = ()
    text: str = ""
    posts: bool = False


def plain(text: str) -> str:
    """A name as compared: without width, case and spaces."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def several(text: str) -> list[str]:
    """The names in a text that holds several."""
    return [part.strip() for part in _SEVERAL.split(text) if part.strip()]


def is_department(place: str, whole: str) -> bool:
    """Whether ``place`` is the name of ``whole`` and then that of a part of it without a legal form of its own."""
    for part, name in ((plain(place), plain(whole)), (organisation_key(place), organisation_key(whole))):
        rest = part.removeprefix(name)
        if len(name) >= 2 and rest != part and (rest := _FORM_AHEAD.sub("", rest)):
            return not _OWN_FORM.search(rest) and not _OWN_FORM.search(plain(place)[-2:])
    return False


def person_of(node: Expert | Broker, *, avoids: Iterable[str] = (), advises: Iterable[Party] = ()) -> Person:
    """The expert or broker of the store, at the organisation that its column names."""
    return Person(
        id=node.id,
        name=node.title,
        key=(node.kind, node.id),
        organisations=tuple(Party(name=part) for part in several(node.organisation)),
        avoids=tuple(avoids),
        advises=tuple(advises),
    )
