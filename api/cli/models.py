"""The versions of learned rankers: models to list, read, choose, go back and compare."""

import re
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from api.cli.learning import By, actor, changes_since, figure
from api.cli.screen import moment, say, say_error, table, width
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.kinds import Node
    from matcher.models import Models, Use, Version
    from matcher.moves import Comparison, Move

_DEFAULT = "default"
_OUTSIDE = "200 名之外"
_Number = Annotated[str, typer.Argument(metavar="版本", help="版本号；default 为随程序附带的模型。")]

models = typer.Typer(
    name="models",
    cls=ChineseGroup,
    help="排序模型的版本：列出、查看、启用、退回、比较。",
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.add_typer(models)


@models.callback()
def list_models(context: typer.Context) -> None:
    """列出排序模型的版本；后面可写 show、use、rollback、compare。"""
    if context.invoked_subcommand is not None:
        return
    store = _models(context)
    from matcher.models import SHIPPED, named

    use = store.current()
    rows = [_version_row(version, use) for version in store.versions()]
    shipped = [_DEFAULT, "", "随程序附带的模型", "", "", "使用中" if use.version == SHIPPED else ""]
    table(
        ["版本", "日期", "数据", "nDCG@10（95%区间）", "比当时的模型", "状态"],
        [shipped, *rows],
        [8, 10, 32, 24, 26, 40],
    )
    if use.at:
        say(f"现用：{named(use.version)}，{moment(use.at)} 由 {use.by} 启用（{use.why}）")
    version = next((v for v in store.versions() if v.number == use.version and not v.problem), None)
    if version is not None:
        settings: Settings = context.obj
        with settings.home.open_store(create=False) as records:
            changed = changes_since(version, records)
        if changed:
            say(f"注意：{changed}")


@models.command(cls=ChineseCommand)
def show(
    context: typer.Context,
    number: Annotated[
        str | None,
        typer.Argument(metavar="版本", help="版本号，default 为随程序附带的模型；不写则为现用的。"),
    ] = None,
) -> None:
    """显示一个版本的说明：数据、检验、变差的场景、权重、局限、复现与退回。"""
    from matcher.models import SHIPPED, shipped_ranker

    store = _models(context)
    wanted = store.current().version if number is None else _parsed(number)
    path = (shipped_ranker() if wanted == SHIPPED else store.version(wanted).folder) / "card.md"
    if not path.is_file():
        _refuse("随程序附带的模型没有单独的说明。", "请看 matcher/README.md。")
    text = path.read_text(encoding="utf-8").rstrip()
    if sys.stdout.isatty():
        show_card(text)
    else:
        say(text)  # as it is, for whoever keeps it in a file


def show_card(text: str) -> None:
    """A card (Markdown) as plain text: headings and paragraphs without marks, tables in columns."""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = [_unmarked(cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if set("".join(cells)) != {"-"}:
                rows.append(cells)
            continue
        if rows:
            widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
            table(rows[0], rows[1:], widths)
            rows = []
        heading = line.lstrip("#").strip() if line.startswith("#") else ""
        say(f"【{_unmarked(heading)}】" if heading else _unmarked(line))


def _unmarked(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)(\*\*|`)", "", text))


@models.command(cls=ChineseCommand)
def use(
    context: typer.Context,
    number: _Number,
    by: By = "命令行",
    reason: Annotated[str, typer.Option(help="事由，记入启用记录。")] = "",
) -> None:
    """启用一个版本；先确认它能读取。"""
    from matcher.models import named

    store, wanted, who = _models(context), _parsed(number), actor(by)
    if store.use(wanted, by=who, at=datetime.now(UTC), why=reason.strip() or "人工指定") is None:
        say(f"{named(wanted)}已在使用，没有改动。")
    else:
        say(f"已启用{named(wanted)}。退回：jiebang models rollback")


@models.command(cls=ChineseCommand)
def rollback(context: typer.Context, by: By = "命令行") -> None:
    """退回上一个用过的模型。"""
    from matcher.models import named

    entry = _models(context).rollback(by=actor(by), at=datetime.now(UTC))
    say(f"已退回：现在使用{named(entry.version)}。")


@models.command(cls=ChineseCommand)
def compare(
    context: typer.Context,
    first: _Number,
    second: _Number,
    scene: Annotated[str, typer.Argument(metavar="场景编号", help="比较哪个场景的排序。")],
    top: Annotated[int, typer.Option(min=1, max=200, help="取前几名。")] = 10,
) -> None:
    """两个版本为同一场景各排一次：并排列出，并说明谁升谁降、因为什么。"""
    from matcher.moves import compare as compare_rankings
    from matcher.ranking import Ranking

    settings: Settings = context.obj
    store = _models(context)
    rankers = [store.load(_parsed(number)) for number in (first, second)]
    with settings.open_engine() as engine:
        node = engine.store.get("scene", scene.strip()) or engine.store.get("scene", scene.strip().upper())
        if node is None:
            _refuse(
                f"库中没有编号为“{scene}”的场景。", "请核对编号；jiebang export 全部.xlsx 可以查看所有编号。"
            )
        before, after = (Ranking(engine.corpus, engine.network, ranker) for ranker in rankers)
        found = compare_rankings(before, after, node, top=top, today=date.today())
        titles = {
            id: achievement.title
            for id, achievement in engine.store.get_many(
                "achievement", [move.key[1] for move in found.moves]
            ).items()
        }
    _show_comparison(node, found, titles, (_parsed(first), _parsed(second)), top)


def _version_row(version: "Version", use: "Use") -> list[str]:
    from matcher.model_card import IN_USE, NEW

    state = "使用中" if version.number == use.version else ""
    if version.problem:
        return [str(version.number), "", "", "", "", f"{state} {version.problem}".strip()]
    way = next((way for way in version.told("ways") or () if way["name"] == NEW), None)
    gain = next((gain for gain in version.told("gains") or () if gain["against"] == IN_USE), None)
    quality = (
        f"{figure(way['ndcg'])}（{figure(way['ndcg_low'], 3)}–{figure(way['ndcg_high'], 3)}）" if way else ""
    )
    better = f"{gain['mean']:+.4f}（{gain['low']:+.3f}～{gain['high']:+.3f}）" if gain else ""
    data = (
        f"评级 {version.told('judgements')}，结果 {version.told('outcomes')}，场景 {version.told('scenes')}"
    )
    return [str(version.number), str(version.told("made_on") or ""), data, quality, better, state]


def _show_comparison(
    node: "Node", found: "Comparison", titles: dict[str, str], numbers: tuple[int, int], top: int
) -> None:
    from matcher.models import named
    from matcher.ranker import LEVELS

    say(f"场景“{node.title}”（{node.id}）的前 {top} 名：{named(numbers[0])} ｜ {named(numbers[1])}")
    rows = []
    for position in range(max(len(found.before), len(found.after))):
        row = [str(position + 1)]
        for side in (found.before, found.after):
            if position < len(side):
                match = side[position]
                row += [match.key[1], f"{match.score:.1f}", LEVELS[match.level], titles[match.key[1]]]
            else:
                row += [""] * 4
        rows.append(row)
    headers = ["编号", "得分", "等级", "名称"]
    table(["名次", *headers, *headers], rows, [4, 12, 6, 8, 30, 12, 6, 8, 30])
    moved = [move for move in found.moves if move.rise]
    levelled = [move for move in found.moves if not move.rise and move.before.level != move.after.level]
    if not moved and not levelled:
        say("名次和等级都没有变化。")
        return
    say("变化（箭头后的数：该分项相对其余候选的升降，以得分的标准差计）：")
    for move in (*moved, *levelled):
        say(f"  {_move_line(move, titles[move.key[1]])}")


def _move_line(move: "Move", title: str) -> str:
    from matcher.ranker import LEVELS

    told = [_OUTSIDE if rank is None else f"第 {rank} 名" for rank in (move.rank_before, move.rank_after)]
    ranks = " → ".join(told) if move.rise else f"仍为{told[0]}"
    levels = ""
    if move.before.level != move.after.level:
        levels = f"，{LEVELS[move.before.level]} → {LEVELS[move.after.level]}"
    parts = "、".join(
        f"{label}{'↑' if change > 0 else '↓'}{abs(change):.2f}" for label, change in move.telling
    )
    return f"{move.key[1]} {title}：{ranks}{levels}" + (f"；{parts}" if parts else "")


def _models(context: typer.Context) -> "Models":
    """The versions of the home; refuses, as every command does, where there is no home."""
    from matcher.models import Models

    settings: Settings = context.obj
    settings.home.open_store(create=False).close()
    return Models(settings.home.models)


def _parsed(text: str) -> int:
    word = text.strip().lower()
    if word == _DEFAULT:
        return 0
    if not word.isdecimal():
        say_error(f"看不懂版本“{text}”。", "请写版本号（如 3）或 default；jiebang models 列出所有版本。")
        raise typer.Exit(2)
    return int(word)


def _refuse(message: str, remedy: str) -> NoReturn:
    say_error(message, remedy)
    raise typer.Exit(1)
