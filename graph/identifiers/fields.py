"""产业领域: the industrial fields the city's policy names, their other names and how related they are."""

import difflib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from graph.problems import BadValue
from graph.resources import resource

# After NFKC, which has turned ，；／｜ into these.
_SEPARATORS = re.compile(r"[;、,/|\n]+")
# What joins names where the whole is none: 低空经济与海洋经济, 低空经济（无人机）.
_JOINTS = re.compile(r"\s+|以及|[与和及()\[\]【】]")
# What may follow a name without changing it.
_ENDINGS = ("领域", "行业", "产业", "方向")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field: canonical name, other names, and the measures of 珠府办函〔2025〕13号 that name it."""

    name: str
    aliases: tuple[str, ...]
    measures: tuple[int, ...]


def parse_fields(text: str) -> tuple[str, ...]:
    """The canonical fields a cell names, in its order, once each: ``无人机、芯片`` -> 低空经济, 集成电路.

    Parted by ``；;、,/|``, line breaks, and by spaces, brackets, 与, 和, 及 where a piece is not itself a
    name; 其他 may carry a note in brackets. Raises ``BadValue``: ``field_missing`` when nothing is named,
    ``field_unknown`` with the nearest known one.
    """
    whole = re.sub(r"(其[他它])(?:\([^()]*\)|:[^;、,/|\n]*)", r"\1", unicodedata.normalize("NFKC", text))
    pieces = [p.strip() for p in _SEPARATORS.split(whole) if p.strip()]
    words = [w for p in pieces for w in ([p] if _known(p) else _parted(p))]
    if not words:
        raise BadValue("field_missing", "没有写明产业领域", f"请从 {'、'.join(FIELDS)} 中选")
    return tuple(dict.fromkeys(_one(word) for word in words))


def fields() -> tuple[str, ...]:
    """The canonical names of every field, 其他 last."""
    return tuple(FIELDS)


def field_relatedness(a: str, b: str) -> float:
    """How related two fields are, in [0, 1]: 1 for the same, 0 unless the table in fields.json says more.

    Symmetric. The table is our own judgement of how often one field's technology serves the other.
    Raises ``BadValue`` (``field_unknown``) for an unknown field; other names are understood.
    """
    first, second = _one(a), _one(b)
    return 1.0 if first == second else _related().get(frozenset((first, second)), 0.0)


def _parted(piece: str) -> list[str]:
    """The parts of a piece that is no name; parted at 与, 和, 及 only where that makes every part a name."""
    parts = [part for part in _JOINTS.split(piece) if _key(part)]
    return parts if all(map(_known, parts)) else piece.split()


def _known(word: str) -> str | None:
    """The field a word names, with or without 领域, 行业 … behind it."""
    key = _key(word)
    bare = next((key.removesuffix(ending) for ending in _ENDINGS if key.endswith(ending)), key)
    return _names().get(key) or _names().get(bare)


def _one(word: str) -> str:
    if name := _known(word):
        return name
    # Below 0.6 two-character words are offered for half a likeness: 激光 for 光伏.
    near = difflib.get_close_matches(_key(word)[:30], list(_names()), n=1, cutoff=0.6)
    hint = f"最接近的是“{_names()[near[0]]}”；" if near else ""
    raise BadValue(
        "field_unknown",
        f"不认识的产业领域“{word.strip()[:30]}”",
        f"{hint}请从 {'、'.join(FIELDS)} 中选",
    )


def _key(text: str) -> str:
    """A name without width, case, spaces, quotes and other marks."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(resource("codes", "fields.json").read_text(encoding="utf-8"))
    return table


@cache
def _names() -> dict[str, str]:
    """Canonical names by the key of every name and alias."""
    return {_key(name): field.name for field in FIELDS.values() for name in (field.name, *field.aliases)}


@cache
def _related() -> dict[frozenset[str], float]:
    return {frozenset((a, b)): value for a, b, value in _table()["relatedness"]}


# By canonical name, in the order offered to clerks.
FIELDS: Mapping[str, Field] = {
    row["name"]: Field(name=row["name"], aliases=tuple(row["aliases"]), measures=tuple(row["measures"]))
    for row in _table()["fields"]
}
