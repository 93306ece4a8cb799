"""Scores for given pairs, and how well the ranking agrees with people's judgements: score and evaluate."""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api.cli.screen import progress, say, say_aside, say_error, table
from api.cli.tuning import opened_reading, reading_cost
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from matcher.engine import Engine
    from matcher.reading import Effect

_FEW = 20
_COLUMNS = {
    "scene": ("scene_id", "demand_id", "场景编号", "需求编号"),
    "achievement": ("achievement_id", "成果编号"),
    "level": ("level", "等级", "评级"),
}
_LEVELS = {"强相关": 4, "较强相关": 3, "弱相关": 2, "无相关": 1, "1": 1, "2": 2, "3": 3, "4": 4}
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row of a list of pairs; ``level`` is 0 where none was asked for."""

    scene: str
    achievement: str
    level: int


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.command()(score)
    app.command()(evaluate)


def score(
    context: typer.Context,
    pairs: Annotated[
        Path,
        typer.Argument(metavar="文件", help="csv 或 xlsx：列 scene_id（或 demand_id）与 achievement_id。"),
    ],
    out: Annotated[Path, typer.Option("--out", help="结果写到哪里（csv）。")],
    as_of: Annotated[
        int | None, typer.Option("--as-of", min=1, help="按这一次改动之后的数据重算（见 jiebang history）。")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="用哪一版模型：版本号，0 是随程序附带的；不写用现用模型。")
    ] = "",
) -> None:
    """为指定的每一对打分：得分、四个等级的概率、等级。"""
    from api.output_files import writing

    settings: Settings = context.obj
    rows = read_pairs(pairs)
    with writing(out, ".csv"):
        with (
            settings.open_engine(ranker=_ranker_folder(settings, model)) as engine,
            _then(settings, engine, as_of, model) as scoring,
        ):
            results = scoring.score_pairs([(r.scene, r.achievement) for r in rows], today=date.today())
            made_by = f"{_called(settings, model)} {scoring.ranker.name}，数据版本 {as_of or scoring.store.revision()}"
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["scene_id", "achievement_id", "score", "p1", "p2", "p3", "p4", "level"])
            for row, result in zip(rows, results, strict=True):
                numbers = (
                    [f"{result.score:.6f}", *(f"{p:.6f}" for p in result.probabilities), str(result.level)]
                    if result
                    else [""] * 6
                )
                writer.writerow([row.scene, row.achievement, *numbers])
    unknown = [row for row, result in zip(rows, results, strict=True) if result is None]
    say(f"已为 {len(rows) - len(unknown)} 对打分，写到 {out}（{made_by}）。")
    if unknown:
        say_error(f"有 {len(unknown)} 对{_named(unknown)}，结果留空。", "请先导入对应的场景和成果。")
        raise typer.Exit(3)


def _ranker_folder(settings: Settings, model: str) -> Path | None:
    """Where the named version of the ranker lies, checked; None for the one in use."""
    from matcher.models import SHIPPED, Models, shipped_ranker

    if not model:
        return None
    if model == "default":
        return shipped_ranker()
    if not model.isdecimal():
        _refuse(f"模型版本“{model}”看不懂。", "请写版本号（jiebang models 列出）或 default。")
    number = int(model)
    return shipped_ranker() if number == SHIPPED else Models(settings.home.models).version(number).folder


def _called(settings: Settings, model: str) -> str:
    """The ranker as jiebang models calls it."""
    from matcher.models import SHIPPED, Models, named

    if model:
        return named(int(model) if model.isdecimal() else SHIPPED)
    return named(Models(settings.home.models).current().version)


@contextmanager
def _then(settings: Settings, engine: "Engine", as_of: int | None, model: str) -> Iterator["Engine"]:
    """The engine that scores: the home's own, or one over its data as they were."""
    from matcher.models import Models, shipped_ranker

    if as_of is None:
        yield engine
        return
    use = Models(settings.home.models).current()
    folder = _ranker_folder(settings, model or str(use.version)) or shipped_ranker()
    with engine.as_of(as_of, folder) as then:
        yield then


def evaluate(
    context: typer.Context,
    judgements: Annotated[
        Path,
        typer.Argument(
            metavar="文件", help="csv 或 xlsx：列 scene_id（或 demand_id）、achievement_id、level（1-4）。"
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
    reranker: Annotated[
        Path | None, typer.Option("--reranker", help="重排模型的文件夹：逐对精读所有评级，与不精读时比较。")
    ] = None,
) -> None:
    """用人工评级检验排序质量，并与随机、TF-IDF、仅语义、仅用词比较。"""
    from matcher.evaluation import Judgement, demands_that_count
    from matcher.evaluation import evaluate as measure
    from matcher.reading import evaluate_reading

    rows = read_pairs(judgements, graded=True)
    settings: Settings = context.obj
    reading, effect = opened_reading(reranker), None
    with settings.open_engine() as engine:
        slots = engine.corpus.slots
        known = [r for r in rows if ("scene", r.scene) in slots and ("achievement", r.achievement) in slots]
        if not known:
            _refuse("评级中的编号都不在库中。", "请先用 jiebang import 导入对应的场景和成果。")
        judged = [Judgement(scene=r.scene, achievement=r.achievement, level=r.level) for r in known]
        counting, scenes = demands_that_count(judged)
        if not counting:
            _refuse(
                f"{scenes} 个场景都不能计入：每个场景至少要有 5 条评级，其中至少 1 条为 2 级以上。",
                "请为每个场景多评几项成果后再检验。",
            )
        results = measure(engine, judged, today=date.today())
        experience = engine.ranker.experience
        learned = set(experience.names) if experience else set()
        seen = sum((r.scene, r.achievement) in learned for r in known)
        if reading is not None:
            say_aside(f"要精读 {len(judged)} 对，{reading_cost(len(judged))}。")
            with progress("逐对精读") as report:
                effect = evaluate_reading(engine, judged, reading, today=date.today(), progress=report)
            results.insert(1, effect.quality)
    unknown = [row for row in rows if row not in known]
    if as_json:
        found: dict[str, Any] = {"judgements": len(known), "unknown": len(unknown)}
        found["learned_from"] = seen
        found["results"] = [_quality(result) for result in results]
        if effect is not None:
            found["reading"] = {
                "learnt": effect.learnt, "unseen_scenes": effect.unseen, "before": effect.before, "after": effect.after,
                "gain": effect.gain,
            }  # fmt: skip
        say(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        say(
            f"评级 {len(known)} 条；{scenes} 个场景中 {counting} 个计入（至少 5 条评级，其中 1 条为 2 级以上）。"
        )
        if counting < _FEW:
            say(f"场景不足 {_FEW} 个，下面的数字只能参考。")
        _show_quality(results)
        if seen:
            say(
                f"其中 {seen} 条是现用模型学过的，“当前排序”的数字因此偏高；公正的比较见 jiebang models show。"
            )
        if effect is not None:
            _show_effect(effect)
    if unknown:
        say_error(f"另有 {len(unknown)} 条评级{_named(unknown)}，没有计入。", "请先导入对应的场景和成果。")
        raise typer.Exit(3)


def read_pairs(path: Path, *, graded: bool = False) -> list[Pair]:
    """Every pair of a table, in order; blank rows are passed over. Raises ``Refused`` as the reader does.

    A missing column, a cell that cannot be read or a level that is none ends the command.
    """
    from graph.intake.readers import read_tables
    from graph.intake.tables import shown

    pairs: list[Pair] = []
    for read in read_tables(path, [name for names in _COLUMNS.values() for name in names]):
        for problem in read.problems:
            if problem.severity == "error":
                _refuse(f"“{path.name}”{problem.place}：{problem.message}", problem.remedy)
        headers = [header.strip().lower() for header in read.headers]
        places = {
            role: next((headers.index(n) for n in names if n in headers), None)
            for role, names in _COLUMNS.items()
        }
        if places["scene"] is None or places["achievement"] is None or (graded and places["level"] is None):
            wanted = "scene_id（或 demand_id）、achievement_id" + ("、level" if graded else "")
            has = f"现有列：{'、'.join(filter(None, read.headers))[:200]}"
            _refuse(f"“{path.name}”缺少需要的列（{has}）。", f"第一行应为列名：{wanted}。")
        for row in read.rows:
            cells = {
                role: "" if place is None else shown(row.cells[place]).strip()
                for role, place in places.items()
            }
            if cells["scene"] or cells["achievement"]:
                level = _level(cells["level"], f"“{path.name}”第 {row.number} 行") if graded else 0
                pairs.append(Pair(scene=cells["scene"], achievement=cells["achievement"], level=level))
    if not pairs:
        _refuse(f"“{path.name}”里没有一对编号。", "请从第二行起，每行写一个场景编号和一个成果编号。")
    return pairs


def _level(text: str, place: str) -> int:
    if text not in _LEVELS:
        _refuse(f"{place}：等级“{text}”看不懂。", "请填 1、2、3、4（或 无相关、弱相关、较强相关、强相关）。")
    return _LEVELS[text]


def _named(unknown: Sequence[Pair]) -> str:
    shown = "、".join(f"{pair.scene}—{pair.achievement}" for pair in unknown[:_NAMED])
    return f"的编号不在库中（{shown}{' 等' if len(unknown) > _NAMED else ''}）"


def _show_quality(results: Sequence[Any]) -> None:
    lines = [
        [r.name, f"{r.ndcg:.4f}", f"{r.interval[0]:.3f}–{r.interval[1]:.3f}", f"{r.mrr:.4f}", f"{r.precision:.4f}",
         "" if r.accuracy is None else f"{r.accuracy:.4f}",
         "" if r.gain is None else f"{r.gain[0]:+.4f}（{r.gain[1]:+.3f}～{r.gain[2]:+.3f}）"]
        for r in results
    ]  # fmt: skip
    table(
        ["方法", "nDCG@10", "95%区间", "MRR", "P@5", "1/(1+MAE)", "当前排序比它高（成对，95%区间）"],
        lines,
        [10, 8, 13, 7, 7, 10, 34],
    )


def _show_effect(effect: "Effect") -> None:
    """On which scenes reading can be believed, and what it does there."""
    if effect.learnt:
        say(f"其中 {effect.learnt} 对的场景训练重排模型时用过，“加上精读”一行因此偏高。")
    if not effect.unseen:
        say("没有训练时未用过的场景，这里看不出精读是否有用。")
        return
    gain, low, high = effect.gain
    say(
        f"训练时没有用过的 {effect.unseen} 个场景上：nDCG@10 {effect.before:.4f} → {effect.after:.4f}，"
        f"差 {gain:+.4f}（{low:+.3f}～{high:+.3f}）。"
    )


def _quality(quality: Any) -> dict[str, Any]:
    numbers = {
        "ndcg@10": quality.ndcg,
        "mrr": quality.mrr,
        "precision@5": quality.precision,
        "1/(1+mae)": quality.accuracy,
    }
    rounded = {
        name: None if value is None or math.isnan(value) else round(value, 6)
        for name, value in numbers.items()
    }
    return {
        "name": quality.name,
        **rounded,
        "ndcg_interval": quality.interval,
        "gain_of_current": quality.gain,
    }


def _refuse(message: str, remedy: str) -> NoReturn:
    say_error(message, remedy)
    raise typer.Exit(1)
