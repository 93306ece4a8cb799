"""Which instrument of the city's policy suits a pair, and which measure says so; the rules are data (data/policy).

An advice is never a decision: it names the fields that called for it, what is not filled in, and what someone must
still find out. Conditions that the measure itself does not state are told as the program's own.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from graph.identifiers.maturity import Maturity, trl
from graph.kinds import Achievement, Enterprise, Institution, Node, Scene, columns
from graph.network import Network
from graph.problems import Refused
from graph.resources import resource
from graph.store.changes import NodeKey
from matcher.ranker import LEVELS

POLICY = "zhuhai-2025-13.json"
MOST = 2
_LEAST_LEVEL = 3  # 较强相关: to what hardly fits no instrument is told
_FORMAT = 1
_TESTS: Mapping[str, Callable[[Sequence[Any], Any], bool]] = {
    "is": lambda values, wanted: set(values) <= set(wanted),
    "is_not": lambda values, wanted: not set(values) & set(wanted),
    "has_any": lambda values, wanted: bool(set(values) & set(wanted)),
    "says_any": lambda values, wanted: any(word in text for word in wanted for text in values),
    "at_least": lambda values, wanted: bool(values[0] >= wanted),
    "at_most": lambda values, wanted: bool(values[0] <= wanted),
    "says_none": lambda values, wanted: not any(word in text for word in wanted for text in values),
    "below": lambda values, wanted: bool(values[0] < wanted),
    "known": lambda values, wanted: bool(values) is bool(wanted),
}
_OWNER_KINDS = {"enterprise": "企业", "institution": "高校院所、医疗机构"}
_LABELS = {
    "pair.level": "匹配等级", "scene.owner_kind": "建设单位类别", "scene.owner_scale": "建设单位规模",
    "achievement.owner_kind": "完成单位类别",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One test of one field; ``stated``: whether the measure itself says so."""

    field: str
    tests: Mapping[str, Any]
    stated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One instrument: all ``needs`` must be known to hold; of ``asks`` none may be known not to."""

    name: str
    measure: int
    quote: str
    suggestion: str
    needs: tuple[Condition, ...]
    asks: tuple[Condition, ...]
    verify: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The instruments of one document."""

    document: str
    number: str
    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One instrument that may suit a pair: the fields that called for it and those of which nothing is known.

    ``own`` are the called-for fields whose condition is the program's and not the measure's.
    """

    instrument: str
    measure: int
    number: str
    quote: str
    suggestion: str
    because: tuple[str, ...]
    own: tuple[str, ...]
    unknown: tuple[str, ...]
    verify: tuple[str, ...]

    @property
    def short(self) -> str:
        """In one line for the screen, without the quotation: 拨投结合（第 6 条）：因…；核实…."""
        ask = "、".join((*(f"{name}没有可用的资料" for name in self.unknown), *self.verify[:1]))
        more = "等" if len(self.verify) > 1 else ""
        stated = [told for told in self.because if not told.startswith(self.own)] or [
            told for told in self.because if not any(x != told and x.startswith(told) for x in self.because)
        ]
        because = "、".join(stated)
        return f"{self.instrument}（第{self.measure}条）：因{because}；须核实：{ask}{more}"

    @property
    def source(self) -> str:
        """The words of the measure, e.g. ``珠府办函〔2025〕13号第6条：“…”``."""
        return f"{self.number}第{self.measure}条：“{self.quote.replace('“', '‘').replace('”', '’')}”"

    @property
    def sentence(self) -> str:
        """In Chinese: 可考虑…；依据…第 N 条“…”；因为…；还须核实…."""
        own = f"（其中{'、'.join(self.own)}是本程序的提示条件，措施没有规定）" if self.own else ""
        quote = self.quote.replace("“", "‘").replace("”", "’")
        ask = "；".join((*(f"{name}没有可用的资料" for name in self.unknown), *self.verify))
        return (
            f"可考虑{self.instrument}：{self.suggestion}；依据{self.number}第{self.measure}条“{quote}”；"
            f"因为{'、'.join(self.because)}{own}；还须核实：{ask}"
        )


class PairFields:
    """The fields of a scene and an achievement by the names that conditions use.

    Owners come from the network: what kind of organisation poses the scene and owns the achievement.
    """

    def __init__(
        self,
        scene: Scene,
        achievement: Achievement,
        level: int,
        network: Network,
        *,
        enterprise: Callable[[NodeKey], Enterprise | None] = lambda key: None,
        institution: Callable[[NodeKey], Institution | None] = lambda key: None,
    ) -> None:
        """``enterprise`` and ``institution`` give the record of an owner."""
        self._nodes: dict[str, Node] = {"scene": scene, "achievement": achievement}
        self._level, self._network = level, network
        self._enterprise, self._institution = enterprise, institution
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """The value of a field, e.g. ``scene.maturity_floor``: empty or None where unknown, a maturity as TRL 1..9."""
        if name not in self._known:
            value = self._value(name)
            self._known[name] = trl(value) if isinstance(value, Maturity) else value
        return self._known[name]

    def owner_word(self, side: str) -> str:
        """What kind of organisation stands behind a side, as exactly as its record says: 高校, 医疗机构."""
        owner = self._owner(side)
        record = self._institution(owner) if owner and owner[0] == "institution" else None
        return (record.type if record else "") or str(self[f"{side}.owner_kind"])

    def _value(self, name: str) -> Any:
        side, _, field = name.partition(".")
        if name == "pair.level":
            return self._level
        if field == "owner_kind":
            owner = self._owner(side)
            return _OWNER_KINDS.get(owner[0], "") if owner else ""
        if field == "owner_scale":
            owner = self._owner(side)
            record = self._enterprise(owner) if owner and owner[0] == "enterprise" else None
            return record.scale if record else ""
        return getattr(self._nodes[side], field)

    def _owner(self, side: str) -> NodeKey | None:
        """The organisation behind a side; none where there is none, or there are several kinds."""
        key, relation = (side, self._nodes[side].id), "posts" if side == "scene" else "owns"
        graph = self._network.graph
        if key not in graph:
            return None
        owners = [source for source, _, name in graph.in_edges(key, keys=True) if name == relation]
        return min(owners) if len({kind for kind, _ in owners}) == 1 else None


def advise(fields: PairFields, policy: Policy) -> tuple[Advice, ...]:
    """The instruments that may suit a pair, at most ``MOST``: those with more stated conditions met first.

    None for a pair below 较强相关, nor for a scene that is already served.
    """
    if fields["pair.level"] < _LEAST_LEVEL or fields["scene.status"] == "已落地":
        return ()
    found = []
    for instrument in policy.instruments:
        if not all(holds(need, fields) for need in instrument.needs):
            continue
        answers = [(ask, holds(ask, fields)) for ask in instrument.asks]
        if any(answer is False for _, answer in answers):
            continue
        met = [*instrument.needs, *(ask for ask, answer in answers if answer)]
        advice = Advice(
            instrument=instrument.name, measure=instrument.measure, number=policy.number, quote=instrument.quote,
            suggestion=instrument.suggestion, verify=instrument.verify,
            because=tuple(dict.fromkeys(told for c in met if (told := _told(c, fields)))),
            own=tuple(dict.fromkeys(label(c.field) for c in met if not c.stated and _told(c, fields))),
            unknown=tuple(
                label(ask.field) for ask, answer in answers if answer is None and "says_none" not in ask.tests
            ),
        )  # fmt: skip
        found.append((-sum(c.stated for c in met), len(advice.unknown), instrument.measure, advice))
    found.sort(key=lambda item: item[:3])
    return tuple(advice for *_, advice in found[:MOST])


def holds(condition: Condition, fields: PairFields) -> bool | None:
    """Whether a condition holds for a pair; None where the field, or that it is compared with, is not filled in.

    Tests: ``is``, ``is_not``, ``has_any`` (values), ``says_any``, ``says_none`` (words within), ``at_least``, ``at_most``, ``below``
    (another field), ``known``; several tests must all hold.
    """
    value = fields[condition.field]
    empty = value in (None, "", (), 0)
    if "known" in condition.tests:
        return empty is not condition.tests["known"]
    if empty:
        return None
    values = value if isinstance(value, tuple) else (value,)
    for test, wanted in condition.tests.items():
        other = fields[wanted] if test == "below" else wanted
        if not other:
            return None
        if not _TESTS[test](values, other):
            return False
    return True


@lru_cache(maxsize=256)
def label(field: str) -> str:
    """What people call a field, e.g. ``成果的成熟度``."""
    if field in _LABELS:
        return _LABELS[field]
    side, _, name = field.partition(".")
    kind, who = (Scene, "场景") if side == "scene" else (Achievement, "成果")
    return f"{who}的{columns(kind)[name].label}"


def _texts(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _told(condition: Condition, fields: PairFields) -> str:
    """The field and its value in words. An empty one may be hidden from who reads this: nobody is said to have left it out."""
    value, name = fields[condition.field], label(condition.field)
    if value in (None, "", ()):
        return f"{name}没有可用的资料"
    if "says_none" in condition.tests:
        return ""
    if condition.field.endswith(".owner_kind"):
        return f"{name}为{fields.owner_word(condition.field.partition('.')[0])}"
    if "says_any" in condition.tests:
        said = [word for word in condition.tests["says_any"] if any(word in text for text in _texts(value))]
        return f"{name}含“{'”“'.join(said)}”"
    if "has_any" in condition.tests:  # only those that the measure names
        value = tuple(entry for entry in value if entry in condition.tests["has_any"])
    if condition.field == "pair.level":
        return f"{name}为{LEVELS[value]}"
    if condition.field.endswith(("maturity", "maturity_floor")):
        below = condition.tests.get("below")
        return f"{name}为 TRL{value}" + (f"，低于要求的 TRL{fields[below]}" if below else "")
    return f"{name}为{'、'.join(value) if isinstance(value, tuple) else value}"


@lru_cache(maxsize=4)
def load_policy(path: Path | None = None) -> Policy:
    """The policy in a JSON file, the city's own unless given.

    Raises ``Refused`` (``policy_unusable``) where the file is of another format, tests in an unknown way, or
    names a field that no record has.
    """
    path = path or resource("policy", POLICY)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"格式为 {content['format']}，应为 {_FORMAT}")
        return Policy(
            document=str(content["document"]),
            number=str(content["number"]),
            instruments=tuple(_instrument(entry) for entry in content["instruments"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(
            "policy_unusable",
            f"政策文件“{path.name}”无法使用（{error}）。",
            "请改用随程序附带的政策文件，或改正后重试。",
        ) from error


def _instrument(entry: Mapping[str, Any]) -> Instrument:
    return Instrument(
        name=entry["name"], measure=int(entry["measure"]), quote=entry["quote"], suggestion=entry["suggestion"],
        needs=_conditions(entry["needs"]), asks=_conditions(entry["asks"]), verify=tuple(entry["verify"]),
    )  # fmt: skip


def _conditions(entries: Sequence[Mapping[str, Any]]) -> tuple[Condition, ...]:
    result = []
    for entry in entries:
        tests = {name: test for name, test in entry.items() if name not in ("field", "stated")}
        if not tests or set(tests) - set(_TESTS):
            raise ValueError(f"不认识的条件 {'、'.join(sorted(set(tests) - set(_TESTS))) or entry['field']}")
        for field in (entry["field"], *([tests["below"]] if "below" in tests else [])):
            label(field)  # raises KeyError for a column that is not there
        result.append(Condition(field=entry["field"], tests=tests, stated=bool(entry["stated"])))
    return tuple(result)
