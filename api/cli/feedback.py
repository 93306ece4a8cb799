"""What people say of a pair and what came of it: judge, judgements, outcome, outcomes; keeps what was shown."""

import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from api.cli.screen import moment, say, say_aside, say_error, table
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from graph.feedback import Judgement, Outcome, Stage
    from graph.kinds import Node
    from graph.store.store import Store
    from matcher.agreement import Agreement, Conflict, Funnel, Introduction
    from matcher.engine import Engine
    from matcher.ranking import Match

Value = TypeVar("Value")
Titles = dict[tuple[str, str], str]

# Accounts that name a machine or a duty rather than a person: a judge called so would be several people.
_NOBODY = {"root", "administrator", "admin", "user", "guest", "system", "nobody", "ubuntu", "pc", "owner"}
_PLACEHOLDERS = _NOBODY | {"你的姓名", "您的姓名", "姓名", "管理员"}
_LONGEST_NAME = 100
_BY_PROGRAM = "命令行"
_FEW = 10
_SHOWN = 20
_NEARNESS = 0.8
_LOOKALIKES = str.maketrans("oil—_－", "011---")
_RELIABLE, _TENTATIVE = 0.8, 0.667  # Krippendorff (2004), section 11.4.2

_Scene = Annotated[str, typer.Argument(metavar="场景编号", help="哪个场景。")]
_Achievement = Annotated[str, typer.Argument(metavar="成果编号", help="哪项成果。")]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON。")]
_OneScene = Annotated[str | None, typer.Option("--scene", help="只看某个场景（写编号），逐条列出。")]
By = Annotated[
    str | None,
    typer.Option("--by", envvar="JIEBANG_USER", help="谁；不写则为登录电脑的用户名。"),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    for command in (judge, judgements, outcome, outcomes):
        app.command()(command)


def judge(
    context: typer.Context,
    scene: _Scene,
    achievement: _Achievement,
    level: Annotated[
        str,
        typer.Argument(
            metavar="等级",
            help="4 强相关、3 较强相关、2 弱相关、1 无相关；写数字或文字。",
            show_default=False,
        ),
    ] = "",
    by: By = None,
    reason: Annotated[str, typer.Option(help="为什么这样评。")] = "",
) -> None:
    """评一对“场景—成果”：成果有多合适。同一人再评同一对，以新的为准。"""
    from graph.feedback import Judgement, parse_level
    from graph.store.changes import PutFeedback

    if not level.strip():
        refuse("没有写等级。", "请在最后写一个：4（强相关）、3（较强相关）、2（弱相关）、1（无相关）。")
    grade, who = meant(parse_level, level), named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        pair = _pair(store, scene, achievement)
        now = datetime.now(UTC)
        new = Judgement(
            scene=pair[0].id, achievement=pair[1].id, judge=who, level=grade, at=now, reason=reason
        )
        said = [j for j in store.judgements(new.scene) if j.achievement == new.achievement]
        before = next((j for j in said if j.judge == new.judge), None)
        if before is not None and before.level == new.level and new.reason in ("", before.reason):
            say(
                f"没有变化：{_named(pair)}，{new.judge} 此前（{_day(before)}）已评为 {_grade(before.level)}。"
            )
            return
        told = f"评级 {_grade(grade)}" + (f"：{new.reason}" if new.reason else "")
        store.apply([PutFeedback(record=new)], actor=who, at=now, reason=told)
    say(f"已记录：{_named(pair)}评为 {_grade(grade)}，评级人 {new.judge}。")
    if before is not None:
        why = f"，理由：{before.reason}" if before.reason else ""
        say(f"替换了此人 {_day(before)} 的评级：{_grade(before.level)}{why}。")
    for other in said:
        if other.judge != new.judge and abs(other.level - grade) > 1:
            why = f"，理由：{other.reason}" if other.reason else ""
            say(f"注意：{other.judge} 评为 {_grade(other.level)}{why}；相差较大，最好商量一下。")


def judgements(context: typer.Context, scene: _OneScene = None, as_json: AsJson = False) -> None:
    """看评级：各人的意见有多一致、分歧在哪里；加 --scene 列出一个场景的全部评级。"""
    from matcher.agreement import agreement

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        id = None if scene is None else _known(store, "scene", scene, [j.scene for j in store.judgements()])
        found = store.judgements(id)
        if as_json:
            one = {"judgements": [record.model_dump(mode="json") for record in found]}
            say_json(_agreement(agreement(found)) if scene is None else {"scene": id, **one})
        elif not found:
            say(f"{f'场景 {id} ' if id else ''}还没有评级。")
            say(
                "开始评级：jiebang match 场景编号 看排出的成果，再逐条记下 jiebang judge 场景编号 成果编号 等级。"
            )
            say("评级积累到一百条左右，可用 jiebang learn 让排序学习。")
        elif scene is not None:
            _list_judgements(store, found)
        else:
            _show_agreement(agreement(found), _titles(store, found))


def outcome(
    context: typer.Context,
    scene: _Scene,
    achievement: _Achievement,
    stage: Annotated[
        str,
        typer.Argument(
            metavar="阶段",
            help="已展示、已联系、已见面、有意向、已签约、已落地、未成（或 shown、contacted、met、intent、contract、"
            "landed、declined）。",
        ),
    ],
    by: By = None,
    reason: Annotated[str, typer.Option(help="说明；未成时必填：为什么没成。")] = "",
) -> None:
    """记下一对“场景—成果”对接到了哪一步，或为什么没成。"""
    from graph.feedback import STAGES, Outcome, parse_stage
    from graph.store.changes import PutFeedback

    reached, who = meant(parse_stage, stage), named_person(by)
    if reached == "declined" and not reason.strip():
        refuse("记“未成”要写原因。", '请加 --reason "原因"，例如：--reason 价格谈不拢。')
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        pair = _pair(store, scene, achievement)
        now = datetime.now(UTC)
        known = {o.stage: o for o in store.outcomes(pair[0].id) if o.achievement == pair[1].id}
        before = known.get(reached)
        new = Outcome(
            scene=pair[0].id, achievement=pair[1].id, stage=reached, by=who, at=now, reason=reason,
            rank=before.rank if before else None, ranker=before.ranker if before else "",
        )  # fmt: skip
        if before is not None and before.by == new.by and new.reason in ("", before.reason):
            say(f"没有变化：{_named(pair)}此前（{_day(before)}）已记为“{STAGES[reached]}”。")
            return
        told = f"对接{STAGES[reached]}" + (f"：{new.reason}" if new.reason else "")
        store.apply([PutFeedback(record=new)], actor=who, at=now, reason=told)
    say(f"已记录：{_named(pair)}“{STAGES[reached]}”，经办人 {new.by}。")
    if before is not None:
        why = f"，{before.reason}" if before.reason else ""
        say(f"替换了此前的“{STAGES[reached]}”记录（{_day(before)}，{before.by}{why}）。")
    for warning in _out_of_step(reached, known):
        say(f"注意：{warning}")


def outcomes(context: typer.Context, scene: _OneScene = None, as_json: AsJson = False) -> None:
    """看对接结果：多少对走到了哪一步、为什么没成；加 --scene 列出一个场景的进展。"""
    from matcher.agreement import funnel, introductions

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        id = None if scene is None else _known(store, "scene", scene, [o.scene for o in store.outcomes()])
        found = store.outcomes(id)
        if as_json:
            one = {"outcomes": [record.model_dump(mode="json") for record in found]}
            say_json(asdict(funnel(found)) if scene is None else {"scene": id, **one})
        elif not found:
            say(f"{f'场景 {id} ' if id else ''}还没有对接记录。")
            say(
                "jiebang match 场景编号 会自动记下展示过的成果；之后的进展用 jiebang outcome 场景编号 成果编号 阶段 记录。"
            )
        elif scene is not None:
            _list_introductions(store, introductions(found))
        else:
            _show_funnel(funnel(found))


def pairs_of(node: "Node", matches: Iterable["Match"]) -> dict[tuple[str, str], int]:
    """The pairs of scene and achievement in what was found for ``node``, each with its rank; others are left out."""
    from api.showings import shown_pairs

    return shown_pairs(node.kind, node.id, ((*match.key, match.rank) for match in matches))


def keep_shown(engine: "Engine", pairs: Mapping[tuple[str, str], int]) -> None:
    """Record what was shown; where the store cannot be written, a line on standard error and nothing else."""
    from api.showings import record_shown
    from graph.problems import Refused

    try:
        record_shown(engine.whole, pairs, ranker=engine.ranker.name, by=_recorder(), at=datetime.now(UTC))
    except Refused as refused:
        say_aside(f"提示：没能记下这次展示了哪些（{refused.message.rstrip('。')}），结果不受影响。")


def _show_agreement(found: "Agreement", titles: Titles) -> None:
    say(
        f"评级 {found.judgements} 条，涉及 {found.pairs} 对“场景—成果”，评级人 {len(found.judges)} 位；"
        f"两人以上评过的 {found.shared} 对。"
    )
    if found.exact is None or found.within_one is None:
        say("还没有哪一对由两人评过，无法衡量是否一致；请第二个人也评一部分。")
    else:
        say(f"其中意见完全相同 {found.exact:.0%}，相差不超过一级 {found.within_one:.0%}。")
        say(_alpha_in_words(found))
    say("各评级人（偏差：与同一对的其他人相比，正数偏宽，负数偏严）：")
    rows = [
        [
            judge.name, str(judge.judgements), f"{judge.mean:.2f}",
            "" if judge.deviation is None else f"{judge.deviation:+.2f}（{judge.shared} 对）",
            *map(str, reversed(judge.counts)),
            "全是同一级，区分不出好坏，学习时不采用" if judge.stamp else "",
        ]
        for judge in found.judges
    ]  # fmt: skip
    headers = ["评级人", "条数", "平均", "偏差", "强", "较强", "弱", "无", "说明"]
    table(headers, rows, [14, 6, 5, 16, 5, 5, 5, 5, 40])
    if found.conflicts:
        say(f"意见相差两级以上的 {len(found.conflicts)} 对，最好商量一下：")
        for conflict in found.conflicts[:_SHOWN]:
            say(f"  {_conflict_line(conflict, titles)}")
        if len(found.conflicts) > _SHOWN:
            say(f"  …… 另有 {len(found.conflicts) - _SHOWN} 对（--json 全部列出）。")


def _alpha_in_words(found: "Agreement") -> str:
    if found.alpha is None:
        return "一致程度（Krippendorff α）：算不出来，共同评过的各对全是同一级。"
    words = "可靠" if found.alpha >= _RELIABLE else "尚可" if found.alpha >= _TENTATIVE else "偏低"
    if found.shared < _FEW:
        words = f"但共同评过的不足 {_FEW} 对，还说明不了什么"
    return (
        f"一致程度（Krippendorff α，按等级次序）：{found.alpha:.2f}，{words}"
        "（1 为完全一致，0 相当于随意评；0.8 以上可靠，0.67 以上尚可）。"
    )


def _conflict_line(conflict: "Conflict", titles: Titles) -> str:
    said = "；".join(
        f"{j.judge} {_grade(j.level)}" + (f"（{j.reason}）" if j.reason else "") for j in conflict.judgements
    )
    scene = titles["scene", conflict.scene]
    achievement = titles["achievement", conflict.achievement]
    return f"{conflict.scene} {scene} — {conflict.achievement} {achievement}：{said}"


def _list_judgements(store: "Store", found: Sequence["Judgement"]) -> None:
    titles = _titles(store, found)
    id = found[0].scene
    say(f"场景“{titles['scene', id]}”（{id}）的评级 {len(found)} 条：")
    rows = [
        [j.achievement, titles["achievement", j.achievement], _grade(j.level), j.judge, _day(j), j.reason]
        for j in sorted(found, key=lambda j: (j.achievement, j.judge))
    ]
    table(["编号", "成果", "等级", "评级人", "时间", "理由"], rows, [12, 36, 17, 12, 16, 40])


def _out_of_step(reached: "Stage", known: Mapping["Stage", "Outcome"]) -> Iterator[str]:
    """What looks odd about coming to a stage now, given the stages recorded before."""
    from graph.feedback import STAGES

    way: list[Stage] = [stage for stage in STAGES if stage != "declined"]
    refusal = known.get("declined")
    if reached == "declined":
        if signed := [STAGES[stage] for stage in ("contract", "landed") if stage in known]:
            yield f"此前已记为“{'、'.join(signed)}”，现在记为“未成”；如果记错了，可用 jiebang undo 撤销。"
        return
    place = way.index(reached)
    if later := [STAGES[stage] for stage in way[place + 1 :] if stage in known]:
        yield f"此前已记到“{later[-1]}”，这次记的是更早的一步；进展仍按“{later[-1]}”算。"
    elif skipped := [STAGES[stage] for stage in way[:place] if stage not in known]:
        yield f"跳过了“{'、'.join(skipped)}”；统计时算作已经过。"
    if refusal is not None:
        turn = "展示不改变这个结论" if reached == "shown" else "现在起按继续推进算"
        yield f"{_day(refusal)} 曾记为“未成”（{refusal.reason}）；{turn}。"


def _show_funnel(found: "Funnel") -> None:
    from graph.feedback import STAGES

    say(f"有记录的“场景—成果”共 {found.pairs} 对：")
    rows = [
        [
            STAGES[step.stage],
            str(step.reached),
            _share(step.of_first),
            _share(step.of_previous),
            str(step.standing),
        ]
        for step in found.steps
    ]
    table(["阶段", "走到", "占已展示", "占上一步", "目前停在这里"], rows, [8, 6, 8, 8, 12])
    say("“走到”含后来走得更远的和未成的；中间没有记的几步算作已经过。")
    if found.declined:
        alone = (
            f"（其中 {found.declined_alone} 对没有记过别的阶段，不在上表里）" if found.declined_alone else ""
        )
        say(f"未成 {found.declined} 对{alone}，原因：")
        for reason, count in found.reasons[:_SHOWN]:
            say(f"  {count} 对：{reason}")
        if len(found.reasons) > _SHOWN:
            say(f"  …… 另有 {len(found.reasons) - _SHOWN} 种原因（--json 全部列出）。")


def _list_introductions(store: "Store", ways: Sequence["Introduction"]) -> None:
    from graph.feedback import STAGES

    titles = _titles(store, ways)
    id = ways[0].scene
    say(f"场景“{titles['scene', id]}”（{id}）的对接 {len(ways)} 对，走得最远的在前：")
    order = list(STAGES)
    rows = []
    for way in sorted(ways, key=lambda w: (-order.index(w.stage) if w.stage else 0, w.achievement)):
        last = way.declined or next(o for o in way.outcomes if o.stage == way.stage)
        told = f"未成（{STAGES[way.stage]}之后）" if way.declined and way.stage else STAGES[last.stage]
        rank = next((f"第 {o.rank} 名" for o in way.outcomes if o.rank is not None), "")
        title = titles["achievement", way.achievement]
        rows.append([way.achievement, title, told, last.by, _day(last), rank, last.reason])
    headers = ["编号", "成果", "进展", "经办人", "时间", "展示时", "说明"]
    table(headers, rows, [12, 34, 20, 12, 16, 8, 40])


def _pair(store: "Store", scene: str, achievement: str) -> tuple["Node", "Node"]:
    """The two nodes, or the command ends saying which id is unknown."""
    return _node(store, "scene", scene), _node(store, "achievement", achievement)


def _node(store: "Store", kind: str, text: str) -> "Node":
    for id in spellings(text):
        if node := store.get(kind, id):
            return node
    refuse_unknown(store, text, [kind])


def _known(store: "Store", kind: str, text: str, spoken_of: Sequence[str]) -> str:
    """The id of a node, or of one that is gone but that people have ``spoken_of``."""
    for id in spellings(text):
        if id in spoken_of or store.get(kind, id):
            return id
    refuse_unknown(store, text, [kind])


def spellings(text: str) -> list[str]:
    """An id as typed, and as it was probably meant: half-width, in capitals."""
    from graph import feedback

    return feedback.spellings(text)


def _looks(id: str) -> str:
    """An id with what is easily taken for something else made the same."""
    return id.casefold().translate(_LOOKALIKES)


def refuse_unknown(store: "Store", text: str, kinds: Sequence[str]) -> NoReturn:
    """Say that no record of the kinds is called so, and what was probably meant."""
    from difflib import get_close_matches

    from graph.kinds import KINDS

    label = kind_label(kinds[0]) if len(kinds) == 1 else "记录"
    other = next((n for id in spellings(text) for kind in KINDS if (n := store.get(kind, id))), None)
    if other is not None:
        order = "；先写场景编号，再写成果编号" if kinds[0] in ("scene", "achievement") else ""
        refuse(f"“{other.id}”是{other.label}，不是{label}。", f"请在这里写{label}的编号{order}。", code=1)
    nodes = {_looks(node.id): node for kind in kinds for node in store.nodes(kind)}
    wanted = _looks(unicodedata.normalize("NFKC", text).strip())
    ending = [looks for looks in nodes if wanted and looks.endswith(f"-{wanted}")]
    near = [nodes[looks] for looks in (ending or get_close_matches(wanted, nodes, 2, _NEARNESS))[:2]]
    hint = f"你是否想写 {'、'.join(f'{node.id}（{node.title}）' for node in near)}？" if near else ""
    refuse(
        f"库中没有编号为“{text.strip()}”的{label}。",
        hint or "请核对编号；jiebang export 全部.xlsx 可以查看所有编号。",
        code=1,
    )


def _titles(store: "Store", found: Iterable[Any]) -> Titles:
    """The titles of the scenes and achievements that records are about."""
    pairs = [(record.scene, record.achievement) for record in found]
    titles: Titles = {}
    for kind, ids in zip(("scene", "achievement"), zip(*pairs, strict=True), strict=True):
        nodes = store.get_many(kind, ids)
        titles |= {(kind, id): nodes[id].title if id in nodes else "（已删除）" for id in ids}
    return titles


def named_person(by: str | None) -> str:
    """The name given, else the user of this computer where that can be a person's name."""
    from graph.values import clean_cell

    if by is not None and not clean_cell(by):
        refuse("--by 后面没有内容。", "请写姓名。")
    name = clean_cell(by) if by is not None else _user_of_computer()
    if by is not None and name.casefold() in _PLACEHOLDERS:
        refuse(f"“{name}”不是人名。", "请加 --by 姓名，或把环境变量 JIEBANG_USER 设为真实姓名。")
    if len(name) > _LONGEST_NAME:
        refuse(f"姓名有 {len(name)} 个字，超过 {_LONGEST_NAME} 个。", "请只写姓名。")
    if not name:
        refuse("没有写明是谁。", "请加 --by 姓名；也可以把环境变量 JIEBANG_USER 设为姓名，以后就不用写。")
    return name


def _recorder() -> str:
    """Who a match is recorded under: nobody is asked for it."""
    name = os.environ.get("JIEBANG_USER", "").strip() or _user_of_computer() or _BY_PROGRAM
    return name[:_LONGEST_NAME]


def _user_of_computer() -> str:
    """Who is logged in; empty where the account names nobody."""
    from getpass import getuser

    from graph.values import clean_cell

    try:
        name = clean_cell(getuser())
    except (ImportError, KeyError, OSError):
        return ""
    return "" if name.casefold() in _NOBODY else name


def meant(parse: Callable[[str], Value], text: str) -> Value:
    """What a word of the command means, or the command ends as wrongly written."""
    from graph.problems import BadValue

    try:
        return parse(text)
    except BadValue as bad:
        refuse(bad.message, bad.remedy)


def _named(pair: tuple["Node", "Node"]) -> str:
    return f"“{pair[0].title}”（{pair[0].id}）与“{pair[1].title}”（{pair[1].id}）"


def _grade(level: int) -> str:
    from graph.feedback import LEVEL_LABELS

    return f"{level} 级（{LEVEL_LABELS[level]}）"


def _day(record: "Judgement | Outcome") -> str:
    at = record.at.astimezone(UTC)
    # A day alone is kept as its 00:00 UTC.
    return f"{at:%Y-%m-%d}" if at.time() == time() else moment(at.isoformat())[:16]


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def kind_label(kind: str) -> str:
    """The Chinese name of a kind of node."""
    from graph.kinds import KINDS

    return KINDS[kind].label


def _agreement(found: "Agreement") -> dict[str, Any]:
    numbers = asdict(replace(found, conflicts=()))
    numbers["conflicts"] = [
        {
            "scene": conflict.scene,
            "achievement": conflict.achievement,
            "judgements": [record.model_dump(mode="json") for record in conflict.judgements],
        }
        for conflict in found.conflicts
    ]
    return numbers


def say_json(found: Any) -> None:
    """What was found as JSON, for programs."""
    say(json.dumps(found, ensure_ascii=False, indent=1))


def refuse(message: str, remedy: str, *, code: int = 2) -> NoReturn:
    """Say what is wrong and how to mend it, and end the command with ``code``."""
    say_error(message, remedy)
    raise typer.Exit(code)
