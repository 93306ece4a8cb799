"""Where supply and demand miss each other: the command gaps, on screen, as JSON and as a workbook."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.screen import progress, say, say_error, table
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from matcher.gaps import Balance, Gaps

_SHOWN = 20
_BALANCE = ("开放场景", "已有匹配", "缺口", "科技成果", "已有场景", "无场景")
_WIDTHS = {
    "名称": 36,
    "成果名称": 36,
    "场景名称": 36,
    "建设单位": 28,
    "完成单位": 28,
    "缺什么": 80,
    "说明": 36,
    "产业领域": 20,
    "编号": 16,
}

Cell = str | int | float | None


def register(app: typer.Typer) -> None:
    """Add the command of this file to ``app``."""
    app.command()(gaps)


def gaps(
    context: typer.Context,
    field: Annotated[list[str] | None, typer.Option(help="只看某产业领域，可多次。")] = None,
    district: Annotated[list[str] | None, typer.Option(help="只看某区，可多次。")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
    out: Annotated[Path | None, typer.Option("--out", "--xlsx", help="写成 Excel 工作簿（.xlsx）。")] = None,
) -> None:
    """供需缺口：哪些场景还没有够好的成果，哪些成果还没有场景，按领域和区统计。"""
    from api.output_files import check_target
    from graph.identifiers.districts import parse_district
    from graph.identifiers.fields import parse_fields
    from matcher.gaps import gaps as find
    from matcher.gaps import narrowed

    if as_json and out is not None:
        say_error("--json 和 --out 不能同时使用。", "请只留一个。")
        raise typer.Exit(2)
    fields = [name for text in field or [] for name in parse_fields(text)]
    districts = [parse_district(text) for text in district or []]
    if out is not None:
        check_target(out, ".xlsx")
    settings: Settings = context.obj
    with settings.open_engine() as engine, progress("逐个场景匹配") as report:
        found = find(engine, today=date.today(), progress=report)
    found = narrowed(found, fields=fields, districts=[name for name in districts if name])
    if as_json:
        say(json.dumps(_as_json(found), ensure_ascii=False, indent=1))
    elif out is not None:
        _write(out, found)
        say(f"已写入 {len(found.scenes)} 个缺口场景和 {len(found.achievements)} 项无场景成果到 {out}。")
    else:
        _show(found)


def _show(found: "Gaps") -> None:
    from matcher.ranker import LEVELS

    wanted = LEVELS[found.level]
    if found.closed:
        say(
            f"{found.opened + found.closed} 个场景中有 {found.closed} 个没有计入（{_why_closed(found)}）；"
            f"以下只看其余 {found.opened} 个开放场景。"
        )
        say()
    say(f"没有{wanted}成果的场景 {len(found.scenes)} 个{_cut(found.scenes)}")
    if found.scenes:
        rows = [[str(cell) for cell in row] for row in _scene_rows(found)[:_SHOWN]]
        table(["编号", "场景", "最好的成果", "名称", "等级", "缺什么"], rows, [10, 36, 10, 36, 8, 60])
    say()
    say(f"没有{wanted}场景的成果 {len(found.achievements)} 项，最接近的在前{_cut(found.achievements)}")
    if found.achievements:
        rows = [[str(cell) for cell in row] for row in _achievement_rows(found)[:_SHOWN]]
        table(["编号", "成果", "完成单位", "最近的场景", "名称", "等级"], rows, [10, 36, 28, 10, 36, 8])
    if found.late:
        say()
        say(f"有{wanted}场景但都已过截止日期的成果 {len(found.late)} 项{_cut(found.late)}")
        table(["编号", "成果", "完成单位", "等级", "说明"], _late_rows(found)[:_SHOWN], [10, 36, 28, 10, 40])
    for label, balances in (("产业领域", found.by_field), ("所在区", found.by_district)):
        say()
        rows = [[str(cell) for cell in row] for row in _balance_rows(balances)]
        table([label, *_BALANCE], rows, [18, 8, 8, 6, 8, 8, 6])


def _why_closed(found: "Gaps") -> str:
    late = found.closed - found.landed
    counted = ((late, "已过截止日期"), (found.landed, "已落地"))
    return "，".join(f"{word} {count} 个" for count, word in counted if count)


def _cut(rows: Sequence[object]) -> str:
    return f"（列出前 {_SHOWN} 个，全部见 --out）：" if len(rows) > _SHOWN else "：" if rows else "。"


def _scene_rows(found: "Gaps") -> list[list[str]]:
    from matcher.ranker import LEVELS

    return [
        [gap.scene.id, gap.scene.title, gap.best.id if gap.best else "", gap.best.title if gap.best else "（无）",
         LEVELS[gap.level], "；".join(gap.missing)]
        for gap in found.scenes
    ]  # fmt: skip


def _achievement_rows(found: "Gaps") -> list[list[str]]:
    from matcher.ranker import LEVELS

    return [
        [one.achievement.id, one.achievement.title, one.achievement.owner, one.best.id if one.best else "",
         one.best.title if one.best else "（无）", LEVELS[one.level]]
        for one in found.achievements
    ]  # fmt: skip


def _late_rows(found: "Gaps") -> list[list[str]]:
    from matcher.ranker import LEVELS

    return [
        [one.achievement.id, one.achievement.title, one.achievement.owner, LEVELS[one.level],
         f"（只适合已过期的场景 {one.scene.id}）"]
        for one in found.late
    ]  # fmt: skip


def _balance_rows(balances: "Sequence[Balance]") -> list[list[Cell]]:
    return [
        [b.name, b.scenes, b.scenes_matched, b.unmet, b.achievements, b.achievements_matched, b.idle]
        for b in balances
    ]


def _as_json(found: "Gaps") -> dict[str, Any]:
    def balances(several: "Sequence[Balance]") -> list[dict[str, Any]]:
        return [
            {"name": b.name, "scenes": b.scenes, "scenes_matched": b.scenes_matched,
             "achievements": b.achievements, "achievements_matched": b.achievements_matched}
            for b in several
        ]  # fmt: skip

    return {
        "level": found.level,
        "opened": found.opened,
        "closed": found.closed,
        "landed": found.landed,
        "scenes": [
            {"id": gap.scene.id, "title": gap.scene.title, "best": gap.best.id if gap.best else None,
             "level": gap.level, "score": gap.score, "missing": list(gap.missing)}
            for gap in found.scenes
        ],
        "achievements": [
            {"id": one.achievement.id, "title": one.achievement.title, "best": one.best.id if one.best else None,
             "level": one.level, "score": one.score}
            for one in found.achievements
        ],
        "late": [
            {"id": one.achievement.id, "title": one.achievement.title, "scene": one.scene.id, "level": one.level,
             "score": one.score}
            for one in found.late
        ],
        "by_field": balances(found.by_field),
        "by_district": balances(found.by_district),
    }  # fmt: skip


def _write(path: Path, found: "Gaps") -> None:
    from api.output_files import writing
    from api.plain_workbook import write_sheets

    head = ["编号", "名称", "产业领域", "所在区"]
    scenes: list[list[Cell]] = [
        [gap.scene.id, gap.scene.title, "、".join(gap.scene.field), gap.scene.district or "", gap.scene.owner, *row[2:5], gap.score, row[5]]
        for gap, row in zip(found.scenes, _scene_rows(found), strict=True)
    ]  # fmt: skip
    achievements: list[list[Cell]] = [
        [one.achievement.id, one.achievement.title, "、".join(one.achievement.field), one.achievement.district or "",
         *row[2:], one.score if one.best else None]
        for one, row in zip(found.achievements, _achievement_rows(found), strict=True)
    ]  # fmt: skip
    late: list[list[Cell]] = [
        [one.achievement.id, one.achievement.title, "、".join(one.achievement.field), one.achievement.district or "",
         one.achievement.owner, one.scene.id, one.scene.title, row[3], one.score, row[4]]
        for one, row in zip(found.late, _late_rows(found), strict=True)
    ]  # fmt: skip
    sheets: dict[str, tuple[Sequence[str], Sequence[Sequence[Cell]]]] = {
        "缺口场景": ([*head, "建设单位", "最好的成果", "成果名称", "等级", "得分", "缺什么"], scenes),
        "无场景成果": ([*head, "完成单位", "最近的场景", "场景名称", "等级", "得分"], achievements),
        "只适合过期场景": ([*head, "完成单位", "已过期的场景", "场景名称", "等级", "得分", "说明"], late),
        "按领域": (["产业领域", *_BALANCE], _balance_rows(found.by_field)),
        "按区": (["所在区", *_BALANCE], _balance_rows(found.by_district)),
    }
    with writing(path, ".xlsx"):
        write_sheets(path, sheets, _WIDTHS)
