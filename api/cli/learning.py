"""Rankers learned from judgements and outcomes: learn, and what is told of the one in use."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.screen import moment, progress, say, say_aside, say_error, table
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from graph.store.store import Store
    from matcher.learning import Learned
    from matcher.learning_report import Report
    from matcher.models import Version

_SEED = 20250130  # the day of the policy; any fixed number does
_NAMED = 3
By = Annotated[str, typer.Option("--by", envvar="JIEBANG_USER", help="经办人，记入启用记录。")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.command()(learn)


def learn(
    context: typer.Context,
    seed: Annotated[int, typer.Option(min=0, help="随机种子；同样的数据和种子得到同样的模型。")] = _SEED,
    force: Annotated[bool, typer.Option("--force", help="没有证明更好也启用。")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只学习和检验，不保存。")] = False,
    by: By = "命令行",
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
) -> None:
    """用评级和对接结果学习新的排序模型；检验证明更好才启用。"""
    from matcher.learning import learn as learn_from
    from matcher.lessons import lessons
    from matcher.models import Models, shipped_ranker
    from matcher.ranker import load_ranker

    who = actor(by)
    settings: Settings = context.obj
    with settings.open_engine() as engine:
        taught = lessons(engine.store)
        say_aside(
            f"开始学习：{len(taught.lessons)} 对“场景—成果”，一般需要几秒到两分钟；可随时中断，现用模型不受影响。"
        )
        with progress("学习与检验") as report:
            learned = learn_from(
                engine,
                taught,
                start=load_ranker(shipped_ranker()),
                today=date.today(),
                seed=seed,
                progress=report,
            )
    store = Models(settings.home.models)
    version = None if dry_run else store.add(learned)
    promoted = version is not None and (learned.report.better or force)
    told = _decision(learned.report, version, promoted=promoted, force=force)
    if version is not None and promoted:
        store.use(version.number, by=who, at=datetime.now(UTC), why=told)
    if as_json:
        found = {
            "version": version.number if version else None,
            "promoted": promoted,
            "decision": told,
            "card": str(version.folder / "card.md") if version else None,
            "report": _report(learned),
        }
        say(json.dumps(found, ensure_ascii=False, indent=1))
        return
    _show_report(learned.report)
    say(told)
    if version is not None:
        say(f"模型说明：{version.folder / 'card.md'}（或 jiebang models show {version.number}）")


def check_model(settings: Settings, store: "Store") -> int:
    """Say which ranker is in use, whether it can be read, and whether its lessons have changed; 1 if it cannot."""
    from embeddings.refusal import IndexRefused
    from matcher.models import SHIPPED, Models, named, shipped_ranker

    versions = Models(settings.home.models)
    try:
        use = versions.current()
        versions.current_ranker(shipped_ranker())
        if use.version == SHIPPED:
            say("排序模型：随程序附带的模型，可用。")
            return 0
        version = versions.version(use.version)
    except IndexRefused as refused:
        say_error(f"排序模型：{refused.message}", refused.remedy)
        return 1
    say(
        f"排序模型：{named(use.version)}（{moment(use.at)} 由 {use.by} 启用），可用。{changes_since(version, store)}"
    )
    return 0


def changes_since(version: "Version", store: "Store") -> str:
    """What has changed since a version was learned, as a sentence; empty if nothing has."""
    from matcher.lessons import lessons

    if version.told("store_id") != store.store_id:
        return "它由另一个数据库的评级学得，可重新学习：jiebang learn。"
    if version.told("lessons_digest") != lessons(store).digest:
        return "评级已有变化，可重新学习：jiebang learn。"
    return ""


def _decision(report: "Report", version: "Version | None", *, promoted: bool, force: bool) -> str:
    """One sentence: in use or not, and why."""
    from matcher.model_card import verdict
    from matcher.models import named

    why = verdict(report)
    if version is None:
        could = "优于现用模型" if report.better else "没有证明优于现用模型"
        return f"试运行，没有保存：{why}，{could}。"
    if promoted and report.better:
        return f"已启用{named(version.number)}：{why}。"
    if promoted:
        return f"已按 --force 启用{named(version.number)}，虽然没有证明优于现用模型：{why}。"
    return (
        f"没有启用：{why}，没有证明优于现用模型；已存为{named(version.number)}，"
        f"确要使用请运行 jiebang models use {version.number}（或学习时加 --force）。"
    )


def _show_report(report: "Report") -> None:
    levels = "、".join(f"{level} 级 {count}" for level, count in enumerate(report.levels, 1))
    say(
        f"学习材料：评级 {report.judgements} 条，对接结果 {report.outcomes} 条，{report.judges} 位评级人；"
        f"合并为 {report.pairs} 对，{report.scenes} 个场景（{levels}）。"
    )
    for sentence in report.left_out:
        say(f"没有计入：{sentence}")
    say(f"检验：{report.folds} 折，按场景留出；括号内为 95% 区间。")
    table(
        ["模型", "nDCG@10", "95%区间", "MRR", "P@5", "1/(1+MAE)"],
        [
            [way.name, figure(way.ndcg), f"{figure(way.ndcg_low, 3)}–{figure(way.ndcg_high, 3)}",
             figure(way.mrr), figure(way.precision), figure(way.accuracy)]
            for way in report.ways
        ],
        [36, 8, 13, 7, 7, 10],
    )  # fmt: skip
    for gain in report.gains:
        say(
            f"成对比较：比{gain.against} {gain.mean:+.4f}（{gain.low:+.4f}～{gain.high:+.4f}），"
            f"重抽样中 {gain.chance:.0%} 为正。"
        )
    say(f"概率的期望校准误差：{figure(report.ece, 3)}。")
    if report.worse:
        ordered = sorted(report.worse, key=lambda entry: (entry.after - entry.before, entry.scene))
        named = "、".join(f"{w.scene}（{w.before:.3f}→{w.after:.3f}）" for w in ordered[:_NAMED])
        say(f"比现用模型差的场景 {len(ordered)} 个：{named}{' 等' if len(ordered) > _NAMED else ''}。")


def actor(by: str) -> str:
    """Who acts, as given; ends the command as wrongly written where that is blank."""
    if not by.strip():
        say_error("--by 后面没有内容。", "请写经办人的姓名；不写这个选项则记为“命令行”。")
        raise typer.Exit(2)
    return by.strip()


def _report(learned: "Learned") -> Any:
    """The report as JSON can carry it: no NaN."""
    from dataclasses import asdict

    return _finite(asdict(learned.report))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def figure(value: float | None, digits: int = 4) -> str:
    """A number of so many digits; empty where there is none."""
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"
