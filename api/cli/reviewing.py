"""The reading and marking of bids: assign experts, hand out and take in mark sheets, sum up."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.feedback import By, named_person, refuse
from api.cli.review_material import BidsFile, Cleared, Declared, Poster, Task, gathered, keep, refuse_problems
from api.cli.screen import progress, say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from api.cli.review_material import Material
    from graph.store.store import Store
    from matcher.grading import Grading
    from matcher.review_processes import Review

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
    task: Task,
    bids: BidsFile,
    poster: Poster = "",
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
    criterion: Annotated[
        list[str] | None,
        typer.Option(help="评分项，写 名称=满分，合计 100，可多次；不写则按评审参数。", show_default=False),
    ] = None,
    declared: Declared = None,
    cleared: Cleared = None,
    by: By = None,
) -> None:
    """分配标书：有利害关系的不评，其余按专长契合、份数均衡分到最好；分不成时说明卡在哪里。"""
    from graph.processes import opened
    from matcher.review_policy import usual_policy
    from matcher.review_processes import REVIEW_RULES, Panel, Review, candidates
    from matcher.reviewing import Assignment, ReviewRules, assign

    who, usual = named_person(by), usual_policy()
    weights = _weights(criterion) if criterion else dict(usual.rubric)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        _refuse_decided(store, task)
        material, panel = gathered(store, bids, poster, declared, cleared, who), store.process(Panel, task)
        members = set(panel.members) if panel else set[str]()
        experts = [one for one in material.experts if not members or one.id in members]
        _, found = candidates(
            experts, material.entries, material.register, today=date.today(), years=usual.joint_work_years,
            declared=material.declared, clearances=material.clearances,
        )  # fmt: skip
        ids, people = [one.id for one in material.bids.entries], [one.id for one in experts]
        barred = [
            (person, entry, told[0].sentence)
            for (person, at), told in found.items()
            for entry in ([at] if at in ids else ids)
        ]
        needed = per_bid or (len(people) if members else usual.per_entry)
        rules = ReviewRules(
            per_entry=needed, least=min_load, most=max_load or len(ids), alternates=usual.alternates_per_entry,
            balance=usual.balance,
        )  # fmt: skip
        fits = _fits(settings, material, people)
        result = assign(ids, people, fits, _bars(ids, people, barred), rules)
        if not isinstance(result, Assignment):
            _tell_barred_pairs(barred, {one.id: one.title for one in experts})
            refuse_problems(result)
            return
        made = opened(
            Review, REVIEW_RULES, id=task, at=datetime.now(UTC), task=panel.task if panel else task, entries=dict(material.bids.names),
            experts={one.id: one.title for one in experts}, readers=result.readers, standby=result.alternates,
            barred=tuple(sorted(set(barred))), full_marks=tuple((name, str(full)) for name, full in weights.items()),
        )  # fmt: skip
        made, lost = _with_marks(made, store.process(Review, task))
        keep(store, made, actor=who, reason=f"分配任务 {task} 的标书", since=material.revision)
    _tell_assignment(made)
    if made.marks or lost:
        say(
            f"以前收到的评分保留 {len(made.marks)} 份"
            + (f"，不再计入 {len(lost)} 份：{'、'.join(lost)}。" if lost else "。")
        )
    say(f"评分项：{'、'.join(f'{name} {full} 分' for name, full in made.weights.items())}。")
    say(f"下一步：jiebang review template {task} --out 评分表.xlsx")


def write_template(
    context: typer.Context,
    task: Task,
    out: Annotated[Path, typer.Option("--out", help="写到哪里（.xlsx）。")],
) -> None:
    """生成评分表：每位专家一张，列出分给他的标书和评分项。"""
    from api.review_papers import write_mark_sheets

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = known_review(store, task)
    write_mark_sheets(out, found)
    say(f"已写入 {sum(len(some) > 0 for some in _loads(found).values())} 位专家的评分表：{out}")
    say(f"填好后收回：jiebang review import {task} 文件")


def take_in(
    context: typer.Context,
    task: Task,
    files: Annotated[list[Path], typer.Argument(metavar="文件…", help="专家交回的评分表，可几份一起。")],
    expert: Annotated[
        str, typer.Option(help="表里没有写专家时，写是谁的（编号或姓名）。", show_default=False)
    ] = "",
    by: By = None,
) -> None:
    """收评分：核对专家、标书、分数范围和合计；有错整批不收，重交的以新的为准。"""
    from api.review_sheets import read_marks
    from graph.problems import Problem
    from matcher.review_processes import marked

    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        since, found = store.revision(), known_review(store, task)
        _refuse_decided(store, task)
        marks, problems = [], list[Problem]()
        for file in files:
            some, wrong = read_marks(file, found, expert)
            marks += some
            problems += wrong
        if not problems:
            handed_in = found.model_copy(update={"marks": tuple(marks)})
            problems = [problem for problem in handed_in.problems() if problem.code != "score_missing"]
        refuse_problems(problems)
        if not marks:
            refuse("文件里没有一个分数。", "请在评分项各列填好分数后再收。", code=1)
        before = {(one.expert, one.entry): one for one in found.marks}
        again = [
            one for one in marks if (old := before.get((one.expert, one.entry))) and old.marks != one.marks
        ]
        new = marked(found, marks, at=datetime.now(UTC))
        keep(store, new, actor=who, reason=f"收任务 {task} 的评分 {len(marks)} 份", since=since)
    say(f"已收评分 {len(marks)} 份。")
    for one in again:
        say(f"注意：{found.experts[one.expert]}对标书 {one.entry} 重新评过，以这次为准。")
    if missing := [problem.message for problem in new.problems()]:
        say(f"还没有收齐：{'；'.join(missing)}。")
    else:
        say(f"评分已齐。下一步：jiebang review summary {task} --out 汇总.xlsx")


def sum_up(
    context: typer.Context,
    task: Task,
    out: Annotated[Path | None, typer.Option("--out", help="写成评审汇总表（.xlsx）。")] = None,
    seed: Annotated[
        int | None, typer.Option(help="同分抽签的种子；不写则用专家组的种子。", show_default=False)
    ] = None,
    normalise: Annotated[
        str, typer.Option(help="none 不作调整，z 按专家标准化；不写则按评审参数。", show_default=False)
    ] = "",
    average: Annotated[
        str, typer.Option(help="trimmed 去掉最高最低分，mean 平均；不写则按评审参数。", show_default=False)
    ] = "",
    order: Annotated[
        str,
        typer.Option(
            help="rounded 按两位小数排名，unrounded 按未舍入的；不写则按评审参数。", show_default=False
        ),
    ] = "",
) -> None:
    """汇总评分：排名、每一项平均、离群提示，写成评审汇总表。"""
    from api.review_papers import write_summary

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = known_review(store, task)
        grading = graded(store, found, seed=seed, normalise=normalise, average=average, order=order)
    _tell_grading(found, grading)
    if out is not None:
        write_summary(out, found, grading)
        say(f"已写入评审汇总表：{out}")
    say(f"下一步：jiebang award propose {task}（规则与这里不同的，加同样的选项）")


def graded(
    store: "Store", found: "Review", *, seed: int | None, normalise: str, average: str, order: str
) -> "Grading":
    """The ranking of a review whose marks are all in; ends the command where something is missing."""
    from matcher.grading import AVERAGE_LABELS, NORMALISE_LABELS, ORDER_LABELS, GradingRules, grade
    from matcher.review_policy import usual_policy
    from matcher.review_processes import Panel

    refuse_problems(found.problems())
    usual = usual_policy()
    chosen: dict[str, Any] = {
        "normalise": normalise or usual.normalise, "average": average or usual.average, "order": order or usual.order,
    }  # fmt: skip
    for (option, word), known in zip(
        chosen.items(), (NORMALISE_LABELS, AVERAGE_LABELS, ORDER_LABELS), strict=True
    ):
        if word not in known:
            choices = "、".join(f"{name}（{label}）" for name, label in known.items())
            refuse(f"--{option} 没有“{word}”。", f"可写：{choices}。")
    panel = store.process(Panel, found.id)
    number = seed if seed is not None else panel.seed if panel else 0
    return grade(found.sheets, found.rubric, GradingRules(**chosen, seed=number, outlier=usual.outlier))


def known_review(store: "Store", task: str) -> "Review":
    """The review of a task; ends the command where there is none."""
    from matcher.review_processes import Review

    found = store.process(Review, task.strip())
    if found is None:
        refuse(
            f"任务 {task} 还没有分配标书。",
            f"请先运行 jiebang review assign {task} --bids 投标登记表。",
            code=1,
        )
    return found


def _refuse_decided(store: "Store", task: str) -> None:
    from matcher.awards import Award

    award = store.process(Award, task)
    if award is not None and award.state != "withdrawn":
        remedy = f"确要改，先撤销定标：jiebang award withdraw {task} --reason 原因。"
        refuse(f"任务 {task} 已经定标，不能再改分配和评分。", remedy, code=1)


def _with_marks(made: "Review", old: "Review | None") -> tuple["Review", list[str]]:
    """The review with the marks that still count, and which of before do not: another rubric, or no longer assigned."""
    marks = old.marks if old else ()
    kept = [
        one for one in marks
        if old is not None and old.full_marks == made.full_marks and one.expert in made.readers.get(one.entry, ())
    ]  # fmt: skip
    names = {**(old.experts if old else {}), **made.experts}
    lost = [f"{names.get(one.expert, one.expert)} 对 {one.entry}" for one in marks if one not in kept]
    return made.model_copy(update={"marks": tuple(kept)}), lost


def _weights(texts: Sequence[str]) -> dict[str, Decimal]:
    from matcher.grading import Criterion, Rubric

    result = {}
    for text in texts:
        name, _, full = text.replace("＝", "=").rpartition("=")
        try:
            result[name.strip()] = Decimal(full.strip())
        except InvalidOperation:
            refuse(f"“{text[:40]}”看不懂。", "请写 名称=满分，例如 --criterion 技术方案=40。")
    Rubric(criteria=tuple(Criterion(name=name, weight=full) for name, full in result.items()))
    return result


def _bars(ids: Sequence[str], people: Sequence[str], barred: Sequence[tuple[str, str, str]]) -> Any:
    import numpy as np

    bars = np.zeros((len(ids), len(people)), dtype=np.bool_)
    for person, entry, _ in barred:
        bars[ids.index(entry), people.index(person)] = True
    return bars


def _fits(settings: Settings, material: "Material", people: Sequence[str]) -> Any:
    """How well each expert fits each bid: likeness of texts, and the graph in the share that the policy gives it."""
    from embeddings.encoder import open_encoder
    from embeddings.vector_cache import VectorCache
    from matcher.centre import usual_centre
    from matcher.expertise import blended, closeness, expert_text, likeness
    from matcher.review_policy import usual_policy

    encoder, cache = open_encoder(settings.encoder), VectorCache(settings.home.vectors)
    experts = {one.id: one for one in material.experts}
    texts = [expert_text(experts[id]) for id in people]
    with progress("整理文本向量") as report:
        asked = cache.encode(encoder, "query", [one.text for one in material.bids.entries], report)
        known = cache.encode(encoder, "document", texts, report)
    prior = usual_centre(encoder)
    mean = prior["gist"] if prior else known.astype(float).mean(axis=0)
    near = closeness(
        material.register.network,
        [one.about for one in material.bids.entries],
        [("expert", id) for id in people],
    )
    return blended(likeness(asked, known, mean), near, usual_policy().proximity)


def _loads(found: "Review") -> dict[str, list[str]]:
    return {who: [entry for entry, some in found.readers.items() if who in some] for who in found.experts}


def _tell_assignment(made: "Review") -> None:
    names = made.experts
    rows = [
        [entry, made.entries[entry], "、".join(names[id] for id in some),
         "、".join(names[id] for id in made.standby.get(entry, ()))]
        for entry, some in made.readers.items()
    ]  # fmt: skip
    table(["标书", "投标单位", "专家", "候补"], rows, [12, 34, 40, 20])
    say("份数：" + "、".join(f"{names[who]} {len(some)}" for who, some in _loads(made).items()))
    _tell_barred_pairs(made.barred, names)


def _tell_barred_pairs(barred: Sequence[tuple[str, str, str]], names: dict[str, str]) -> None:
    if pairs := sorted(set(barred)):
        say(f"回避 {len(pairs)} 处：")
    for person, entry, why in pairs:
        say(f"  {names.get(person, person)} 不评 {entry}：{why}")


def _tell_grading(found: "Review", grading: "Grading") -> None:
    rows = [
        [str(one.rank), one.entry, found.entries[one.entry], str(one.score),
         one.tie, "、".join(f"{found.experts[t.expert]} {t.given}{'' if t.counts else '（去掉）'}" for t in one.totals)]
        for one in grading.standings
    ]  # fmt: skip
    table(["名次", "标书", "投标单位", "得分", "说明", "各专家总分"], rows, [4, 10, 34, 6, 30, 60])
    for one in grading.standings:
        for total in one.totals:
            if total.is_outlier:
                who = found.experts[total.expert]
                say(
                    f"注意：{who}给标书 {one.entry} 的总分 {total.given} 与其他专家相差较大，请复核（不影响计算）。"
                )
    say(f"规则：{grading.rules.text}。")
