"""The districts and functional zones of Zhuhai, and how near two of them are."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from graph.problems import BadValue
from graph.resources import resource

OUTSIDE = "市外"
# The first four digits of Zhuhai's codes in GB/T 2260, and the first two of its provinces.
_CITY_CODE = "4404"
_PROVINCES = "1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12]"
# Six digits as issued, with six more of the statistical code behind, or as a spreadsheet kept the number.
# No prefecture goes beyond 53, but 90 where counties answer to the province: the postcode 519000 is no code.
_CODE = re.compile(rf"((?:(?:{_PROVINCES})[0-5][0-9]|(?:41|42|46|65)90)[0-9]{{2}})(?:[0-9]{{6}}|\.0)?")
# Longer texts name no place; nor may nested names go on forever.
_LONGEST = 40
# What parts several entries of a cell; brackets and blanks do not.
_SEPARATORS = re.compile(r"[;、,/|\n]+")
# A town, street, village or park, as it follows the name of its district.
_PART_OF_DISTRICT = re.compile("[\u4e00-\u9fff]{1,12}(?:镇|街道|村|社区|园区|工业园|产业园|科技园)")

# What may follow the name of another city: its own kind, then perhaps a district or county within it.
_WITHIN_PLACE = re.compile(r"(?:特别行政区|.{0,6}自治区|省|市)?(?:.{0,20}(?:区|县|市|镇|旗|州|盟))?")
# A city we do not list; 智慧城市 and 大型超市 are none.
_OTHER_CITY = re.compile(
    r"(?!.{2,}城市|.*[超股集]市)[\u4e00-\u9fff]{2,10}市(?:[\u4e00-\u9fff]{1,20}(?:区|县|市|镇))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """A district or functional zone: its canonical name and GB/T 2260 code (six digits).

    The functional zones (``zone``) 高新区, 万山区, 鹤洲新区 and 横琴 have no code of their own in GB/T 2260:
    theirs is the code of the host district (香洲区, 440402), so a code alone does not tell a zone from its
    host. That 鹤洲新区 has the one host is our simplification: no source for its bounds was found.
    市外 has the empty code.
    """

    name: str
    code: str
    zone: bool = False


def parse_district(text: str) -> str:
    """The canonical name of the district that a cell means: 香洲, 440402, 珠海市香洲区南屏镇 -> 香洲区.

    Width, case, spaces and brackets do not matter. Another city, province or country, or its code, is 市外.
    Raises ``BadValue``: ``district_several`` for different districts in one cell, ``district_unknown`` for
    anything else; the whole city is no district.
    """
    pieces = [p for p in _SEPARATORS.split(unicodedata.normalize("NFKC", text)) if p.strip()]
    names = list(dict.fromkeys(_one(piece) for piece in pieces or [""]))
    if len(names) > 1:
        raise BadValue(
            "district_several",
            f"这里只能填一个区，写了{'、'.join(names)}",
            "请只保留最主要的一个，其余写进简介；涉及全市的留空",
        )
    return names[0]


def district(name: str) -> District:
    """The district that a name, other name or code means; raises ``BadValue`` as ``parse_district``."""
    return DISTRICTS[parse_district(name)]


def _one(text: str) -> str:
    if code := _CODE.fullmatch(text.strip()):
        known = _names().get(code[1])
        if known or not code[1].startswith(_CITY_CODE):
            return known or OUTSIDE
    key = _key(text)
    if name := _within(_without_city(key)) or _names().get(key):
        return name
    if _elsewhere(key):
        return OUTSIDE
    raise BadValue(
        "district_unknown",
        f"不认识的区“{text.strip()[:30]}”",
        f"请从 {'、'.join(DISTRICTS)} 中选一个；珠海以外填“市外”，涉及全市的留空",
    )


def districts() -> tuple[District, ...]:
    """Every district and zone, 市外 last."""
    return tuple(DISTRICTS.values())


def district_closeness(a: str, b: str) -> float:
    """How near two districts are: 1 the same, 0.6 both in Zhuhai, 0.3 one outside the city.

    The steps are our own judgement: within the city one government can clear the way (measure 5 of
    珠府办函〔2025〕13号 has every district serve the same demand), so another district costs some of the
    nearness; beyond it visits, permits and funding change, yet measure 16 wants such partners too, so
    it is never 0. Raises ``BadValue`` for an unknown district.
    """
    first, second = parse_district(a), parse_district(b)
    if first == second:
        return 1.0
    return 0.3 if OUTSIDE in (first, second) else 0.6


def _within(local: str) -> str | None:
    """The district a key names, alone or with a place inside it behind; None if it names none.

    香洲区唐家湾镇 is 高新区: a zone goes before the district that holds it. 金湾区唐家湾镇 contradicts itself.
    """
    if local in _names():
        return _names()[local]
    if len(local) > _LONGEST:
        return None
    for length in range(len(local) - 1, 0, -1):
        head, rest = local[:length], local[length:]
        if head not in _names() or head[-1] not in "区镇":
            continue
        outer, inner = DISTRICTS[_names()[head]], _within(_without_city(rest))
        if inner is None:
            return outer.name if _PART_OF_DISTRICT.fullmatch(rest) else None
        held = DISTRICTS[inner]
        zone_of_outer = held.zone and held.code == outer.code and not outer.zone
        return inner if held == outer or zone_of_outer else None
    return None


def _key(text: str) -> str:
    """A name without width, case, spaces, brackets and other marks."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _without_city(key: str) -> str:
    """The key without 中国, 广东省 and 珠海市 before it; 珠海市外 keeps its 市 with 外."""
    found = re.fullmatch(r"(?:中国)?(?:广东省?)?(?:珠海(?:市(?!外)|经济特区)?)?(.+)", key)
    return found[1] if found else key


def _elsewhere(key: str) -> bool:
    """Whether the key names a place that is clearly not Zhuhai."""
    if "珠海" in key:
        return False
    place = re.sub(r"^(?:中国)?(?:广东省?)?(?=.)", "", key)
    named = any(
        place.startswith(name) and _WITHIN_PLACE.fullmatch(place[len(name) :]) for name in _table()["outside"]
    )
    return named or _OTHER_CITY.fullmatch(place) is not None


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(resource("codes", "districts.json").read_text(encoding="utf-8"))
    return table


@cache
def _names() -> dict[str, str]:
    """Canonical names by the key of every name and alias."""
    return {
        _key(name): row["name"] for row in _table()["districts"] for name in (row["name"], *row["aliases"])
    }


# By canonical name, in the order offered to clerks.
DISTRICTS: Mapping[str, District] = {
    row["name"]: District(name=row["name"], code=row["code"], zone=row["zone"])
    for row in _table()["districts"]
}
