"""The reading and marking of bids: assign experts, hand out and take in mark sheets, sum up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.feedback import By, named_person, refuse
from api.cli.proceedings import TaskId, known_task, now
from api.cli.review_material import (
    Cleared,
    Declared,
    bid_names,
    clearances,
    declarations,
    refuse_problems,
)
from api.cli.screen import progress, say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.kinds import Expert
    from graph.problems import Problem
    from graph.store.store import Store
    from matcher.grading import Grading
    from matcher.review_material import Material
    from matcher.review_processes import Review
    from matcher.review_steps import Fits, Fitting

review = typer.Typer(
    name="review",
    help="评审：分配标书、发评分表、收评分、汇总。",
    cls=ChineseGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    review.command(name="assign", cls=ChineseCommand)(assign_bids)
    review.command(name="template", cls=ChineseCommand)(write_template)
    review.command(name="import", cls=ChineseCommand)(take_in)
    review.command(name="summary", cls=ChineseCommand)(sum_up)
    app.add_typer(review)


def assign_bids(
    context: typer.Context,
    id: TaskId,
    per_bid: Annotated[
        int | None,
        typer.Option(
            min=1, help="每份标书几位专家；不写则专家组每位都评，没有专家组则按评审参数。", show_default=False
        ),
    ] = None,
    min_load: Annotated[int, typer.Option(min=0, help="每位专家至少评几份。")] = 0,
    max_load: Annotated[
        int | None, typer.Option(min=1, help="每位专家至多评几份。", show_default=False)
    ] = None,
    declared: Declared = None,
    cleared: Cleared = None,
    by: By = None,
) -> None:
    """分配标书：有利害关系的不评，其余按专长契合、份数均衡分到最好；分不成时说明卡在哪里。"""
    from matcher import review_steps

    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        found = review_steps.assign_bids(
            store, task.id, _fitting(settings, store), per_bid=per_bid, least=min_load, most=max_load,
            declared=declarations(store, declared), clearances=clearances(store, task.id, cleared, who),
            actor=who, at=now(),
        )  # fmt: skip
        experts, bids = {node.id: node.title for node in store.nodes("expert")}, bid_names(store, task.id)
    if found.review is None:
        _tell_barred(found.barred, experts, bids)
        refuse_problems(found.problems)
        return
    made = found.review
    _tell_assignment(made)
    if made.marks or found.lost:
        lost = "、".join(
            f"{experts.get(one.expert, one.expert)} 对“{bids[one.entry]}”"
            for one in found.lost
            if one.entry in bids
        )
        more = f"，不再计入 {len(found.lost)} 份：{lost}。" if found.lost else "。"
        say(f"以前收到的评分保留 {len(made.marks)} 份{more}")
    say(f"评分项：{'、'.join(f'{name} {full} 分' for name, full in made.weights.items())}（按榜单）。")
    say(f"下一步：jiebang review template {task.id} --out 评分表.xlsx")


def write_template(
    context: typer.Context,
    id: TaskId,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="写到哪里：一份 .xlsx，或一个文件夹（每位专家单独一份，便于分发）；不写则为 评分表-榜单编号.xlsx。",
        ),
    ] = None,
) -> None:
    """生成评分表：每位专家一张，列出分给他的标书和评分项。"""
    from api.review_papers import write_mark_sheets
    from graph.intake.writing import sheet_names

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = _known_review(store, id)
    readers = [who for who, some in found.loads.items() if some]
    path = out or Path(f"评分表-{found.id}.xlsx")
    if path.suffix and not path.is_dir():
        write_mark_sheets(path, found)
    else:
        path.mkdir(exist_ok=True)
        for who in readers:
            name = sheet_names([f"{found.experts[who]}（{who}）"])[0]
            write_mark_sheets(path / f"评分表-{name}.xlsx", found, expert=who)
    say(f"已写入 {len(readers)} 位专家的评分表：{path}")
    if path.suffix and not path.is_dir():
        say(f"各人只发自己那一份的，写 --out 文件夹：jiebang review template {found.id} --out 评分表")
    say(f"填好后收回：jiebang review import {found.id} 文件")


def take_in(
    context: typer.Context,
    id: TaskId,
    files: Annotated[list[Path], typer.Argument(metavar="文件…", help="专家交回的评分表，可几份一起。")],
    expert: Annotated[
        str, typer.Option(help="表里没有写专家时，写是谁的（编号或姓名）。", show_default=False)
    ] = "",
    by: By = None,
) -> None:
    """收评分：核对专家、标书、分数范围和合计；有错整批不收，重交的以新的为准。"""
    from api.review_sheets import read_marks
    from graph.problems import Problem
    from matcher.review_steps import take_marks, under_review

    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = _known_review(store, id)
        under_review(store, found.id)
        marks, problems = [], list[Problem]()
        for file in files:
            some, wrong = read_marks(file, found, expert)
            marks += some
            # Of several files a place must say in which.
            problems += wrong if len(files) == 1 else [replace(one, sheet=_in(file, one)) for one in wrong]
        refuse_problems(problems)
        if not marks:
            refuse("文件里没有一个分数。", "请在评分项各列填好分数后再收。", code=1)
        new = take_marks(store, found.id, marks, actor=who, at=now())
    if isinstance(new, list):
        refuse_problems(new)
        return
    say(f"已收评分 {len(marks)} 份。")
    before = {(one.expert, one.entry): one for one in found.marks}
    for one in marks:
        old = before.get((one.expert, one.entry))
        if old and old.marks != one.marks:
            say(f"注意：{found.experts[one.expert]}对“{found.entries[one.entry]}”重新评过，以这次为准。")
    if missing := [problem.message for problem in new.problems()]:
        say(f"还没有收齐：{'；'.join(missing)}。")
        say(
            f"补收：jiebang review import {found.id} 文件；不能评的：jiebang panel recuse {found.id} 专家 --reason 原因"
        )
    else:
        say(f"评分已齐。下一步：jiebang review summary {found.id} --out 汇总.xlsx")


def sum_up(
    context: typer.Context,
    id: TaskId,
    out: Annotated[Path | None, typer.Option("--out", help="写成评审汇总表（.xlsx）。")] = None,
) -> None:
    """汇总评分：按榜单的计分办法和同分规则排名，列出每一项平均、离群提示，写成评审汇总表。"""
    from api.review_papers import write_summary
    from matcher.review_material import Material
    from matcher.review_steps import graded

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = _known_review(store, id)
        grading = graded(Material.of(store, found.id))
    if isinstance(grading, list):
        refuse_problems(grading)
        return
    _tell_grading(found, grading)
    if out is not None:
        write_summary(out, found, grading)
        say(f"已写入评审汇总表：{out}")
    say(f"下一步：jiebang award propose {found.id}")


def _in(file: Path, problem: "Problem") -> str:
    return f"{file.name}：{problem.sheet}" if problem.sheet else file.name


def _known_review(store: "Store", id: str) -> "Review":
    from matcher.review_processes import Review

    task = known_task(store, id)
    found = store.process(Review, task.id)
    if found is None:
        refuse(f"{task.id} 还没有分配标书。", f"请先运行 jiebang review assign {task.id}。", code=1)
    return found


def _fitting(settings: Settings, store: "Store") -> "Fitting":
    from embeddings.encoder import open_encoder
    from embeddings.vector_cache import VectorCache
    from graph.network import Network
    from matcher.expertise import fits_of

    def fits(material: "Material", experts: Sequence["Expert"]) -> "Fits":
        bids = [(one.text, one.about) for one in material.entries]
        with progress("整理文本向量") as report:
            encoder, cache = open_encoder(settings.encoder), VectorCache(settings.home.vectors)
            return fits_of(encoder, cache, Network.build(store), bids, experts, report)

    return fits


def _tell_assignment(made: "Review") -> None:
    names = made.experts
    rows = [
        [str(place), made.entries[entry], "、".join(names[id] for id in made.readers[entry]),
         "、".join(names[id] for id in made.standby.get(entry, ()))]
        for place, entry in enumerate(made.entries, 1)
    ]  # fmt: skip
    table(["序号", "投标单位", "专家", "候补"], rows, [4, 34, 40, 20])
    say("份数：" + "、".join(f"{names[who]} {len(some)}" for who, some in made.loads.items()))
    _tell_barred(made.barred, names, made.entries)


def _tell_barred(
    barred: Sequence[tuple[str, str, str]], names: Mapping[str, str], bids: Mapping[str, str]
) -> None:
    if pairs := sorted(set(barred)):
        say(f"回避 {len(pairs)} 处：")
    for person, entry, why in pairs:
        say(f"  {names.get(person, person)} 不评“{bids.get(entry, entry)}”：{why}")


def _tell_grading(found: "Review", grading: "Grading") -> None:
    rows = [
        [str(one.rank), found.entries[one.entry], str(one.score),
         one.tie, "、".join(f"{found.experts[t.expert]} {t.given}{'' if t.counts else '（去掉）'}" for t in one.totals)]
        for one in grading.standings
    ]  # fmt: skip
    table(["名次", "投标单位", "得分", "说明", "各专家总分"], rows, [4, 34, 6, 30, 60])
    for one in grading.standings:
        for total in one.totals:
            if total.is_outlier:
                who = found.experts[total.expert]
                say(
                    f"注意：{who}给“{found.entries[one.entry]}”的总分 {total.given} 与其他专家相差较大，请复核（不影响计算）。"
                )
    say(f"规则：{grading.rules.text}。")
