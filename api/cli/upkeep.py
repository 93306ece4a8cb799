"""Setting up and keeping in order: init, demo, index, doctor."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.screen import moment, progress, say, say_error

if TYPE_CHECKING:
    from graph.store.store import Store
    from graph.values import Visibility
    from matcher.engine import Engine
    from matcher.home import Home

_SAMPLE_SCENE = "CJ-101"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the options before the command say."""

    path: Path
    store_url: str | None
    encoder: str

    @property
    def home(self) -> "Home":
        """The home these name; nothing is opened or made."""
        from matcher.home import Home

        return Home(path=self.path, store_url=self.store_url)

    def open_engine(self, ranker: Path | None = None, *, audience: "Visibility" = "staff") -> "Engine":
        """The engine of the home, index caught up, with a progress bar while texts are encoded.

        ``ranker`` is where another ranker than the one in use lies; ``audience`` is whose world it answers from,
        each of which has an index of its own.
        """
        from matcher.engine import Engine

        with progress("整理文本向量") as report:
            return Engine.open(
                self.home, encoder=self.encoder, ranker=ranker, progress=report, audience=audience
            )


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.command()(init)
    app.command()(demo)
    app.command()(index)
    app.command()(doctor)


def init(
    context: typer.Context,
    demo: Annotated[bool, typer.Option("--demo", help="同时装入样例数据（虚构）。")] = False,
) -> None:
    """建立数据目录；加 --demo 装入一套虚构的样例数据。"""
    settings: Settings = context.obj
    with settings.home.open_store(create=True) as store:
        say(f"数据目录：{settings.home.path}")
        if demo:
            from graph.intake.importing import plan_import
            from graph.resources import resource

            plan = plan_import(resource("sample", "sample.xlsx"), store=store, at=datetime.now(UTC))
            result = plan.commit(store, actor="demo", reason="装入样例数据")
            say(
                f"样例数据（人物与单位均为虚构）：新增 {result.counts.new} 条，已有 {result.counts.unchanged} 条。"
            )
        counts = store.counts()
    say("现有：" + (_counted(counts) or "尚无数据，可用 jiebang import 文件 导入"))


def demo(context: typer.Context) -> None:
    """用样例数据走一遍：装入、建索引、为一个场景排出成果并说明理由。"""
    from api.cli.matching import show_matches

    init(context, demo=True)
    settings: Settings = context.obj
    with settings.open_engine() as engine:
        scene = engine.store.get("scene", _SAMPLE_SCENE) or next(engine.store.nodes("scene"))
        say()
        matches = engine.match(scene, top=5, today=date.today())
        show_matches(scene, matches, engine.explain(scene, matches), why=1)
    command = f"jiebang --home {settings.home.path}"
    say()
    say("接下来可以试试（装在 .venv 时，请用 .venv/bin/jiebang）：")
    say(f"  {command} match CJ-201 --top 10 --why          为另一个场景找成果")
    say(f"  {command} match CG-101                          反过来，为一项成果找场景")
    say(f'  {command} match --text "海岛无人机送药"           不入库，直接用一句话找')
    say(f"  {command} match --all --out 全部匹配.xlsx        所有场景一次排好，导出给领导看")
    say(f"  {command} import 你的表格.xlsx                   导入自己的表格")
    say(
        f"  {command} serve                                 在浏览器里用工作台：按提示的网址打开，用显示的一次性密码登录"
    )


def index(
    context: typer.Context,
    action: Annotated[str, typer.Argument(metavar="动作", help="status 查看；rebuild 重建。")] = "status",
) -> None:
    """查看或重建索引。"""
    from embeddings.generation import current
    from matcher.engine import Engine

    settings: Settings = context.obj
    if action == "rebuild":
        from embeddings.encoder import open_encoder
        from matcher.models import shipped_ranker

        with settings.home.open_store(create=False) as store, progress("整理文本向量") as report:
            # Any ranker will do: a learned one that cannot be read must not stand in the way.
            encoder, ranker = open_encoder(settings.encoder), shipped_ranker()
            engine = Engine(settings.home, store, encoder, ranker=ranker)
            engine.rebuild_index(report)
            for audience in _others(settings.home):  # one that is in use must not be left behind
                Engine(settings.home, store, encoder, ranker=ranker, audience=audience).rebuild_index(report)
            say(f"索引已重建：{len(engine.corpus.slots)} 条，数据版本 {engine.corpus.revision}。")
        return
    if action != "status":
        say_error(f"不认识的动作“{action}”。", "请写 jiebang index status 或 jiebang index rebuild。")
        raise typer.Exit(2)
    with settings.home.open_store(create=False) as store:
        revision = store.revision()
    for audience in ("staff", *_others(settings.home)):
        of = _of(audience)
        generation = current(settings.home.index_for(audience))
        if generation is None:
            say(f"{of}还没有索引；第一次匹配时会自动建立。")
            continue
        about = generation.manifest
        say(
            f"{of}第 {generation.number} 代，编码器 {about['encoder']}，建于第 {about['corpus_revision']} 次改动（现为第 {revision} 次），新的改动每次匹配前自动补上"
        )
        say(f"{of}条数：" + _counted(about["counts"]))


def doctor(context: typer.Context) -> None:
    """检查数据是否完好：历史链、索引、编码器、排序模型；有问题时退出码为 1。"""
    from api.cli.learning import check_model

    settings: Settings = context.obj
    bad = 0
    with settings.home.open_store(create=False) as store:
        problems = store.verify_history()
        bad += len(problems)
        for problem in problems:
            say_error(f"历史记录：{problem.message}", problem.remedy)
        say(
            f"数据：{_counted(store.counts()) or '空'}；版本 {store.revision()}，历史链{'有问题' if problems else '完好'}。"
        )
        say(_last_batch(store))
        bad += sum(_check_index(settings, store, audience) for audience in ("staff", *_others(settings.home)))
        bad += check_model(settings, store)
    say("检查完成，没有发现问题。" if not bad else f"检查完成，发现 {bad} 个问题。")
    if bad:
        raise typer.Exit(1)


def _check_index(settings: Settings, store: "Store", audience: "Visibility") -> int:
    """Say how the index of an audience is; 1 if it is not sound, else 0."""
    from embeddings.encoder import open_encoder
    from embeddings.generation import current
    from embeddings.refusal import IndexRefused
    from matcher.engine import Engine
    from matcher.models import shipped_ranker

    home, of = settings.home, _of(audience)
    try:
        # The index is looked at also where the ranker in use cannot be read.
        encoder = open_encoder(settings.encoder)
        engine = Engine(home, store, encoder, ranker=shipped_ranker(), audience=audience)
        if current(home.index_for(audience)) is None:
            say(f"{of}索引：尚未建立，第一次匹配时自动建立。")
            return 0
        engine.corpus.load(home.index_for(audience), engine.store, verify=True)
        # Judgements and outcomes are not in the index: they never put it behind.
        touched = engine.store.changes_since(engine.corpus.revision)
        missing = sum(len(one.key) == 2 for one in touched)
        lag = f"有 {missing} 条记录较新，每次匹配前自动补上" if missing else "与数据一致"
        say(f"{of}索引：完好，{lag}。")
    except IndexRefused as refused:
        say_error(f"{of}索引：{refused.message}", refused.remedy)
        return 1
    return 0


def _others(home: "Home") -> "list[Visibility]":
    """The audiences beside staff whose index is in use: it is made when first asked for."""
    from graph.values import VISIBILITY_LABELS

    return [a for a in VISIBILITY_LABELS if a != "staff" and home.index_for(a).is_dir()]


def _of(audience: "Visibility") -> str:
    from graph.values import VISIBILITY_LABELS

    return "" if audience == "staff" else f"给{VISIBILITY_LABELS[audience]}看的"


def _last_batch(store: "Store") -> str:
    """The last write as one sentence: a batch is in as a whole or not at all, so this is where things stand."""
    revisions = store.revisions(limit=1)
    if not revisions:
        return "还没有写入过数据。"
    last = revisions[0]
    return f"最近一次写入：{moment(last.at)}，{last.actor}，{last.reason}，共 {sum(last.counts.values())} 条，已全部写入；没有写了一半的数据。"


def _counted(counts: dict[str, int]) -> str:
    from graph.feedback import FEEDBACK_LABELS
    from graph.kinds import KINDS

    said = [f"{about.label} {counts[kind]}" for kind, about in KINDS.items() if counts.get(kind)]
    if counts.get("edge"):
        said.append(f"关系 {counts['edge']}")
    said += [f"{label} {counts[name]}" for name, label in FEEDBACK_LABELS.items() if counts.get(name)]
    if counts.get("process"):
        said.append(f"流程（点单、钥匙等） {counts['process']}")
    return "，".join(said)
