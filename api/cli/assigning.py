"""Who is brought together with whom when everyone is looked at at once: the command assign."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api.cli.assignment_wishes import (
    achievements_of,
    minimum_of,
    old_plan,
    refuse,
    rules_used,
    scenes_of,
    sheet_of,
)
from api.cli.screen import progress, say, say_aside, say_error
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from api.assignment_rules import RuleSheet
    from api.assignment_wishes import Wishes
    from graph.kinds import Achievement, Scene
    from matcher.assignment_conflicts import Conflict
    from matcher.assignment_instance import Instance
    from matcher.assignment_plan import Difference, Plan
    from matcher.engine import Engine

_SHOWN = 40
_RULES = {"best": "best", "最优": "best", "stable": "stable", "稳定": "stable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A plan with the records it is about, what it was made by, and why each pair fits."""

    plan: "Plan"
    scenes: Mapping[str, "Scene"]
    achievements: Mapping[str, "Achievement"]
    reasons: Mapping[tuple[str, str], str]
    used: Sequence[tuple[str, str]]
    closed: int
    difference: "Difference | None"


def register(app: typer.Typer) -> None:
    """Add the command of this file to ``app``."""
    app.command()(assign)


def assign(
    context: typer.Context,
    scene: Annotated[
        list[str] | None, typer.Option(help="只排这个场景，可多次；不写则排所有开放的场景。")
    ] = None,
    achievement: Annotated[
        list[str] | None, typer.Option(help="只用这项成果，可多次；不写则用全部。")
    ] = None,
    scene_capacity: Annotated[int, typer.Option(min=1, max=9999, help="每个场景最多几项成果。")] = 1,
    achievement_capacity: Annotated[int, typer.Option(min=1, max=9999, help="每项成果最多几个场景。")] = 1,
    rules: Annotated[
        Path | None, typer.Option(help="规则表（.xlsx、.csv）：必须、禁止、数量；见 --template。")
    ] = None,
    template: Annotated[Path | None, typer.Option(help="只写一份规则表模板（.xlsx）。")] = None,
    min_fit: Annotated[
        str, typer.Option("--min-fit", help="最低要求：强相关、较强相关、弱相关、无相关，或得分。")
    ] = "较强相关",
    per_district: Annotated[
        int | None, typer.Option(min=1, max=9999, help="同一区的成果最多排几对。")
    ] = None,
    per_field: Annotated[
        int | None, typer.Option(min=1, max=9999, help="同一产业领域的成果最多排几对。")
    ] = None,
    fair: Annotated[
        bool, typer.Option("--fair", help="公平保底：有较强相关成果可选的场景，都要得到一项。")
    ] = False,
    rule: Annotated[str, typer.Option(help="best 合计最好；stable 稳定：没有一对想撇开方案另配。")] = "best",
    against: Annotated[Path | None, typer.Option(help="与旧方案（.json）比较。")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="写成工作簿（.xlsx），或存为以后比较用的方案（.json）。")
    ] = None,
) -> None:
    """统筹对接：把成果一次分配给各个场景，合计最好，并说明谁没有排上、为什么。"""
    from api.assignment_wishes import Wishes
    from api.output_files import check_target

    if template is not None:
        _write_template(template)
        return
    if as_json and out is not None:
        refuse("--json 和 --out 不能同时使用。", "请只留一个。", code=2)
    if rule not in _RULES:
        refuse(f"--rule 不认识“{rule}”。", "请写 best 或 stable。", code=2)
    if out is not None:
        check_target(out, ".xlsx", ".json")
    wishes = Wishes(
        scene_most=scene_capacity, achievement_most=achievement_capacity, minimum=min_fit, per_district=per_district,
        per_field=per_field, fair=fair, rule=_RULES[rule],
    )  # fmt: skip
    before = None if against is None else old_plan(against)
    settings: Settings = context.obj
    with settings.open_engine() as engine:
        scenes, closed = scenes_of(engine, scene or [])
        achievements = achievements_of(engine, achievement or [])
        sheet = sheet_of(engine, rules, wishes, scenes, achievements)
        found = _solved(engine, wishes, scenes, achievements, sheet, chosen=bool(achievement))
        plan, instance = found
        shown = plan.pairs if out is not None else plan.pairs[:_SHOWN]
        outcome = Outcome(
            plan=plan, scenes=scenes, achievements=achievements, used=rules_used(wishes, rules, sheet, instance), closed=closed,
            reasons={} if as_json else _reasons(engine, scenes, [(p.scene, p.achievement) for p in shown]),
            difference=None if before is None else _difference(before, plan),
        )  # fmt: skip
    if as_json:
        say(json.dumps(_as_json(outcome), ensure_ascii=False, indent=1))
    elif out is not None:
        _write(out, outcome)
    else:
        _show(outcome)


def _write_template(path: Path) -> None:
    from api.assignment_rules import write_rules_template
    from api.output_files import writing

    with writing(path, ".xlsx"):
        write_rules_template(path)
    say(f"规则表模板：{path}。填好后：jiebang assign --rules {path.name}")


def _solved(
    engine: "Engine", wishes: "Wishes", scenes: Mapping[str, "Scene"], achievements: Mapping[str, "Achievement"],
    sheet: "RuleSheet", *, chosen: bool,
) -> tuple["Plan", "Instance"]:  # fmt: skip
    """The plan under the wishes and the sheet; conflicts are said and end the command."""
    from api.assignment_wishes import instance_of
    from matcher.assignment import assign as solve
    from matcher.assignment import assign_stable
    from matcher.assignment_plan import Plan

    minimum = minimum_of(engine, wishes.minimum)
    with progress("逐个场景匹配") as report:
        instance = instance_of(
            engine, wishes, scenes, achievements, sheet, minimum=minimum, chosen=chosen, today=date.today(), progress=report
        )  # fmt: skip
    answer = assign_stable(instance) if wishes.rule == "stable" else solve(instance)
    if not isinstance(answer, Plan):
        _say_conflicts(answer)
    return answer, instance


def _say_conflicts(conflicts: "Sequence[Conflict]") -> NoReturn:
    if len(conflicts) > 1:
        say_aside(f"规则互相矛盾，排不出方案，共找到 {len(conflicts)} 处：")
    for conflict in conflicts:
        say_error(conflict.problem.message, conflict.problem.remedy)
    raise typer.Exit(1)


def _reasons(
    engine: "Engine", scenes: Mapping[str, "Scene"], pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    wanted: dict[str, list[str]] = {}
    for scene, achievement in pairs:
        wanted.setdefault(scene, []).append(achievement)
    found: dict[tuple[str, str], str] = {}
    for scene, ids in wanted.items():
        matches = engine.ranking.score(scenes[scene], "achievement", ids, today=date.today())
        for why in engine.explain(scenes[scene], matches.values()):
            found[scene, why.found.id] = why.reason
    return found


def _difference(before: "Plan", plan: "Plan") -> "Difference":
    from matcher.assignment_plan import plan_difference

    return plan_difference(before, plan)


def _show(outcome: Outcome) -> None:
    from api.cli.assigned import show

    show(outcome, _SHOWN)


def _write(path: Path, outcome: Outcome) -> None:
    from api.cli.assigned import difference_line, summary, write
    from api.output_files import writing

    if path.suffix.lower() == ".json":
        with writing(path, ".json"):
            path.write_text(
                json.dumps(_as_json(outcome), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
            )
    else:
        with writing(path, ".xlsx"):
            write(path, outcome)
    say(summary(outcome.plan))
    if outcome.difference is not None:
        say(difference_line(outcome.difference))
    say(f"已写入 {path}。")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    from dataclasses import asdict

    from matcher.assignment_plan import plan_to_json

    told = plan_to_json(outcome.plan) | {
        "closed": outcome.closed,
        "used": [list(row) for row in outcome.used],
    }
    return told if outcome.difference is None else told | {"difference": asdict(outcome.difference)}
