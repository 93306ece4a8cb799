"""Rules of a timetable as they bear on a pitch, a pair, a judge, an institution or a scene: what they say, what gives way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from matcher.timetable import RULES, Programme, RuleKind, slots

_MENDS: Mapping[str, str] = {
    "institution_apart": "允许{}的项目相邻",
    "scene_together": "不要求场景“{}”的项目相邻",
    "locked": "解除{}的锁定",
    "judge_free": "让评委{}",
    "judge_conflict": "让评委{}",
    "precedence": "不要求{}",
    "session": "允许{}排到别的场次",
    "presenter_free": "与{}的路演人另约时间",
    "presenter_twice": "{}换一位路演人",
}

Kind = RuleKind | Literal["locked"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rule:
    """One rule as it bears on one thing: a pitch, a pair of pitches, a judge and a pitch, an institution, a scene."""

    kind: Kind
    about: tuple[str, ...]


def rule_words(programme: Programme, rules: Sequence[Rule]) -> list[str]:
    """The rules in Chinese; pitches that merely have to be placed are counted together."""
    titles, judges = (
        {one.id: one.title for one in programme.pitches},
        {j.id: j.name for j in programme.judges},
    )
    placed = [rule for rule in rules if rule.kind == "placed"]
    lines = []
    if placed:
        names = "、".join(f"“{titles[rule.about[0]]}”" for rule in placed[:3])
        more = f"等 {len(placed)} 个项目" if len(placed) > 3 else ""
        every = "都" if len(placed) > 1 else ""
        lines.append(f"{names}{more}{every}要排上（共 {len(slots(programme))} 个时段）")
    for rule in rules:
        first = titles.get(rule.about[0], rule.about[0])
        if rule.kind == "placed":
            continue
        if rule.kind == "locked":
            lines.append(f"“{first}”锁定在原来的时段")
        elif rule.kind in ("presenter_free", "session"):
            lines.append(f"“{first}”{_own(programme, rule)}")
        elif rule.kind in ("judge_free", "judge_conflict"):
            lines.append(f"{RULES[rule.kind][0]}：{judges[rule.about[0]]}与“{titles[rule.about[1]]}”")
        elif rule.kind in ("precedence", "presenter_twice"):
            lines.append(f"{RULES[rule.kind][0]}：“{first}”与“{titles[rule.about[1]]}”")
        else:
            lines.append(f"{RULES[rule.kind][0]}：{rule.about[0]}")
    return lines


def _own(programme: Programme, rule: Rule) -> str:
    pitch = next(one for one in programme.pitches if one.id == rule.about[0])
    if rule.kind == "session":
        names = {one.id: one.title for one in programme.sessions}
        return f"只排在 {'、'.join(names.get(id, id) for id in pitch.sessions)}"
    who = "、".join(pitch.presenters) or "路演人"
    when = "、".join(span.text for span in pitch.free or ())
    return f"的{who}只在 {when} 有空" if when else f"的{who}没有一段有空的时间"


def ways_out(programme: Programme, relaxed: Sequence[Rule]) -> list[str]:
    """What giving up these rules comes to; pitches to be withdrawn are said once."""
    out = [rule.about[0] for rule in relaxed if rule.kind == "placed"]
    lines = [_mend(programme, rule) for rule in relaxed if rule.kind != "placed"]
    if out:
        titles = {one.id: one.title for one in programme.pitches}
        named = "、".join(f"“{titles[id]}”" for id in out[:3]) + ("等" if len(out) > 3 else "")
        lines.append(f"增加 {len(out)} 个时段，或撤下 {len(out)} 个项目（例如{named}）")
    return lines


def _mend(programme: Programme, rule: Rule) -> str:
    titles, judges = (
        {one.id: one.title for one in programme.pitches},
        {j.id: j.name for j in programme.judges},
    )
    first = titles.get(rule.about[0], rule.about[0])
    if rule.kind in ("judge_free", "judge_conflict"):
        return _MENDS[rule.kind].format(f"{judges[rule.about[0]]}回避“{titles[rule.about[1]]}”")
    if rule.kind == "precedence":
        return _MENDS[rule.kind].format(f"“{first}”先于“{titles[rule.about[1]]}”")
    name = first if rule.kind in ("institution_apart", "scene_together") else f"“{first}”"
    return _MENDS[rule.kind].format(name)
