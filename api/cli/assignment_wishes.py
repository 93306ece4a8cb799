"""What an assignment is asked for on the command line: who takes part, the sheet of rules, and limits as rules."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from api.cli.screen import say_aside, say_error

if TYPE_CHECKING:
    from api.assignment_rules import RuleSheet
    from api.assignment_wishes import Wishes
    from graph.kinds import Achievement, Scene
    from matcher.assignment_instance import Instance
    from matcher.assignment_plan import Plan
    from matcher.engine import Engine

_PROBLEMS = 20


def old_plan(path: Path) -> "Plan":
    """The plan in a file that the command has written. Raises ``Refused`` for a file that is none."""
    from graph.problems import Refused
    from matcher.assignment_plan import plan_from_json

    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise Refused("file_missing", f"找不到文件“{path}”。", "请核对路径和文件名。") from error
    # Windows PowerShell writes what is sent into a file as UTF-16.
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return plan_from_json(data.decode(encoding, errors="replace"))


def scenes_of(engine: "Engine", ids: Sequence[str]) -> tuple[dict[str, "Scene"], int]:
    """The scenes to serve, in the order of ids, and how many of all were left out as closed; of named ones none is."""
    from graph.kinds import Scene
    from matcher.gaps import is_open

    today = date.today()
    everything = {node.id: node for node in engine.store.nodes("scene") if isinstance(node, Scene)}
    if ids:
        named = {id: everything[id] for id in sorted(_known(ids, everything, "场景"))}
        if closed := [id for id, scene in named.items() if not is_open(scene, today)]:
            say_aside(f"注意：{'、'.join(closed)} 已过截止日期或已落地，因为指定了，照样计入。")
        return named, 0
    still_open = {id: everything[id] for id in sorted(everything) if is_open(everything[id], today)}
    return still_open, len(everything) - len(still_open)


def achievements_of(engine: "Engine", ids: Sequence[str]) -> dict[str, "Achievement"]:
    """The achievements to give, in the order of ids."""
    from graph.kinds import Achievement

    everything = {
        node.id: node for node in engine.store.nodes("achievement") if isinstance(node, Achievement)
    }
    return {id: everything[id] for id in sorted(_known(ids, everything, "成果") if ids else everything)}


def _known(ids: Sequence[str], known: Mapping[str, object], label: str) -> set[str]:
    from graph.feedback import spellings

    found = {}
    for text in ids:
        id = next((name for name in spellings(text) if name in known), None)
        if id is None:
            remedy = "请核对编号；jiebang export 全部.xlsx 可以查看所有编号。"
            refuse(f"库中没有编号为“{text}”的{label}。", remedy)
        found[text] = id
    return set(found.values())


def sheet_of(
    engine: "Engine", path: Path | None, wishes: "Wishes", scenes: Mapping[str, "Scene"],
    achievements: Mapping[str, "Achievement"],
) -> "RuleSheet":  # fmt: skip
    """The rules of the sheet; its mistakes are said, all of them, and end the command."""
    from api.assignment_rules import RuleSheet, RulesRefused, Scope, read_rules

    if path is None:
        return RuleSheet()
    known = {kind: {node.id for node in engine.store.nodes(kind)} for kind in ("scene", "achievement")}
    scope = Scope(scenes=scenes.keys(), achievements=achievements.keys(), known=known)
    try:
        sheet = read_rules(
            path, scope, scene_most=wishes.scene_most, achievement_most=wishes.achievement_most
        )
    except RulesRefused as refused:
        say_error(refused.message, refused.remedy)
        for problem in refused.problems[:_PROBLEMS]:
            say_aside(f"  {problem.place}：{problem.message}。{problem.remedy}。")
        if len(refused.problems) > _PROBLEMS:
            say_aside(f"  ……另有 {len(refused.problems) - _PROBLEMS} 处。")
        raise typer.Exit(1) from refused
    for notice in sheet.notices:
        say_aside(notice)
    return sheet


def minimum_of(engine: "Engine", text: str) -> tuple[float, str]:
    """The least points, and how people call them."""
    from matcher.ranker import LEVELS

    word = text.strip()
    level = next((number for number, name in LEVELS.items() if name == word), 0)
    if level:
        return (float("-inf") if level == 1 else float(engine.ranker.cuts[level - 2])), word
    try:
        points = float(word)
    except ValueError:
        points = float("nan")
    if points != points or abs(points) == float("inf"):
        refuse(
            f"--min-fit 不认识“{text}”。", f"请写 {'、'.join(LEVELS.values())} 之一，或得分（数字）。", code=2
        )
    return points, f"得分 {points:g}"


def rules_used(
    wishes: "Wishes", path: Path | None, sheet: "RuleSheet", instance: "Instance"
) -> list[tuple[str, str]]:
    """The rules in use, for people."""
    rows = [
        ("日期", date.today().isoformat()),
        ("怎样排", "稳定：没有一个场景和一项成果都更愿意撇开方案、另配在一起" if wishes.rule == "stable" else "合计把握最大"),
        ("把握", "专家会评为较强相关或强相关的概率；合计就是预计会有多少对够好"),
        ("范围", f"{len(instance.scenes)} 个场景，{len(instance.achievements)} 项候选成果，{len(instance.fit)} 对候选"),
        ("每个场景最多", f"{wishes.scene_most} 项成果"),
        ("每项成果最多", f"{wishes.achievement_most} 个场景"),
        ("最低要求", instance.minimum_called),
    ]  # fmt: skip
    if wishes.fair:
        rows.append(("公平保底", f"有{instance.floor_called}成果可选的场景都要得到一项"))
    for name, number in (("同一区", wishes.per_district), ("同一产业领域", wishes.per_field)):
        if number is not None:
            rows.append((f"{name}最多", f"{number} 对"))
    if path is not None:
        rows.append(("规则表", path.name))
    rows += [("必须", f"{s}—{a}") for s, a in sorted(sheet.forced)]
    rows += [("禁止", f"{s}—{a}") for s, a in sorted(sheet.forbidden)]
    for limits, unit in ((sheet.scenes, "项成果"), (sheet.achievements, "个场景")):
        rows += [
            ("数量", f"{id}：{own.least} 至 {own.most} {unit}") for id, own in sorted((limits or {}).items())
        ]
    return rows


def refuse(message: str, remedy: str, *, code: int = 1) -> NoReturn:
    """Say what was refused and end the command."""
    say_error(message, remedy)
    raise typer.Exit(code)
