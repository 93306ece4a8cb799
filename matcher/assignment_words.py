"""Rules of an assignment in Chinese: what they say, how they conflict, and what would mend it."""

from collections.abc import Mapping, Sequence

from matcher.assignment_instance import Instance, Rule, RuleKind

_NAMED = 8

# Kinds in the order in which they are said: needs first.
_ORDER: tuple[RuleKind, ...] = (
    "forced", "scene_least", "floor", "achievement_least", "forbidden", "minimum", "scene_most", "achievement_most",
    "group",
)  # fmt: skip

# What would mend a conflict, by the kind of rule that is loosened.
_MENDS: Mapping[RuleKind, str] = {
    "forced": "不再要求必须对接 {}",
    "scene_least": "减少场景 {} 的最少数",
    "floor": "不要求公平保底",
    "achievement_least": "减少成果 {} 的最少数",
    "forbidden": "不再禁止 {}",
    "minimum": "放低最低要求",
    "scene_most": "提高场景 {} 的最多数",
    "achievement_most": "提高成果 {} 的最多数",
    "group": "提高{}的上限",
}


def rule_words(rules: Sequence[Rule], instance: Instance | None = None) -> list[str]:
    """What the rules say: those of one kind and number in one sentence, at most eight named in each."""
    alike: dict[tuple[int, float], list[Rule]] = {}
    for rule in rules:
        alike.setdefault((_ORDER.index(rule.kind), rule.number), []).append(rule)
    return [_sentence(alike[key], instance) for key in sorted(alike)]


def _sentence(alike: Sequence[Rule], instance: Instance | None) -> str:
    first, several = alike[0], "各" if len(alike) > 1 else ""
    number = f"{first.number:g}"
    if first.kind in ("forced", "forbidden"):
        word = "必须对接" if first.kind == "forced" else "禁止对接"
        return f"{word} {_listed([f'{rule.scene}—{rule.achievement}' for rule in alike], '对')}"
    if first.kind == "minimum":
        return f"最低要求为{_minimum(instance, first.number)}"
    if first.kind == "floor":
        called = instance.floor_called if instance and instance.floor_called else f"得分 {number} 以上"
        return f"场景 {_listed([rule.scene for rule in alike], '个')} {several}须有一项{called}的成果（公平保底）"
    if first.kind == "group":
        return f"{_listed([f'“{rule.group}”' for rule in alike], '组')}的成果{several}最多 {number} 对"
    if first.kind in ("scene_least", "scene_most"):
        end = "至少要" if first.kind == "scene_least" else "最多"
        return f"场景 {_listed([rule.scene for rule in alike], '个')} {several}{end} {number} 项成果"
    end = "至少要" if first.kind == "achievement_least" else "最多"
    return f"成果 {_listed([rule.achievement for rule in alike], '项')} {several}{end} {number} 个场景"


def _minimum(instance: Instance | None, number: float) -> str:
    return instance.minimum_called if instance and instance.minimum_called else f"得分 {number:.1f}"


def _listed(names: Sequence[str], unit: str) -> str:
    more = f"等 {len(names)} {unit}" if len(names) > _NAMED else ""
    return "、".join(names[:_NAMED]) + more


def conflict_words(rules: Sequence[Rule], instance: Instance | None, short: str) -> tuple[str, str, str]:
    """Code, message and remedy of rules in conflict; ``short`` says what there is where one side alone wants more."""
    kinds = {rule.kind for rule in rules}
    said = rule_words(rules, instance)
    remedy = _remedy(rules, instance)
    if kinds == {"forced", "forbidden"} and len(rules) == 2:
        pair = f"“{rules[0].scene}—{rules[0].achievement}”"
        return "forced_forbidden", f"{pair}既写了必须，又写了禁止", "请删去其中一条"
    if (
        kinds in ({"scene_least", "scene_most"}, {"achievement_least", "achievement_most"})
        and len(rules) == 2
    ):
        return "least_above_most", f"{said[0]}，又写了{said[1]}，最少大于最多", "请改正最少或最多"
    if (
        kinds in ({"forced", "scene_most"}, {"forced", "achievement_most"}, {"forced", "group"})
        and instance is None
    ):
        return "forced_above_most", f"{said[0]}，但{said[1]}", remedy
    if short:
        return "rules_conflict", f"{said[0]}，{short}", remedy
    return "rules_conflict", f"这几条不能同时做到：{'；'.join(said)}", remedy


def _remedy(rules: Sequence[Rule], instance: Instance | None) -> str:
    """One change for each kind of rule in the conflict: since no rule can be spared, any one of them mends it."""
    ways: dict[str, list[str]] = {}
    for rule in sorted(rules, key=lambda rule: _ORDER.index(rule.kind)):
        pair = f"{rule.scene}—{rule.achievement}"
        name = (
            pair
            if rule.kind in ("forced", "forbidden")
            else rule.scene or rule.achievement or f"“{rule.group}”"
        )
        ways.setdefault(_MENDS[rule.kind], []).append(name)
    told = [
        what.format(_listed(names, "条") + (" 之一" if len(names) > 1 else "")).replace("之一 ", "之一")
        for what, names in ways.items()
    ]
    return "任选一项：" + "；或".join(told)
