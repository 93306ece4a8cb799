"""Cases on the screen: one with what it lacks and what can be done, similar ones with why they are alike."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from api.cli.feedback import refuse
from api.cli.screen import say, say_aside, say_refused

if TYPE_CHECKING:
    from graph.kinds import Node
    from graph.problems import Refused
    from graph.processes import Move
    from matcher.cases import CaseFile
    from matcher.similar_cases import SimilarCase

# Personal, and not needed by who reads a list of cases.
CASE_JSON = {"contact", "contact_phone"}
_TELL = {
    "amend": "jiebang case edit {id} --set 项目=内容", "consent": "--consent 单位、日期和依据",
    **dict.fromkeys(("return", "recall", "retire", "discard"), "--reason 理由"),
}  # fmt: skip
# That these are not told yet is no obstacle.
_TOLD_CODES = frozenset({"case_reason"})


def show_case(file: "CaseFile") -> None:
    """Everything a case says, 待补 where it says nothing that it should."""
    from graph.intake.exporting import cell_text
    from graph.kinds import Case, columns
    from graph.measures import PENDING
    from matcher.cases import CONTENT, case_of, lacking

    say_case_state(file)
    record = case_of(file) if file.title else None
    missing = lacking(file)
    if file.task:
        say(f"榜单编号：{file.task}")
    for name, about in columns(Case).items():
        if name not in CONTENT or name == "measures":
            continue
        text = cell_text(record, name) if record else str(getattr(file, name) or "")
        if text or about.label in missing or (name == "summary" and "背景与需求" in missing):
            label = "背景与需求" if name == "summary" else about.label
            say(f"{label}：{text or PENDING}")
    say("成效指标：" + ("" if file.figures else PENDING))
    for one in file.figures:
        say(f"  {one.text}")
    say(f"建设单位同意：{file.consent or PENDING}")
    for label, who in (("起草人", file.editor), ("审核人", file.reviewer), ("最近的理由", file.reason)):
        if who:
            say(f"{label}：{who}")
    if missing and file.state in ("draft", "reviewing"):
        say(f"待补 {len(missing)} 项：{'；'.join(missing)}。")


def say_case_state(file: "CaseFile") -> None:
    """Where a case stands, who has to act and until when."""
    from matcher.cases import LABELS
    from matcher.process_values import in_china

    label, duty = LABELS[file.state]
    until = f"，应在 {in_china(file.due, seconds=False)} 前办完" if file.due else ""
    say(f"{file.id} “{file.title}”现在是“{label}”{f'：{duty}' if duty else ''}{until}。")


def say_case_moves(file: "CaseFile", at: datetime) -> None:
    """The steps that lead on from here, and why those that are not open may not be made."""
    from matcher.case_steps import case_moves
    from matcher.cases import ROLES

    lines = []
    # Somebody who is not the editor: whether another person checks shows only when it is done.
    for role, label in ROLES.items():
        for open in case_moves(file, role=role, at=at, actor="（审核人）"):
            move = open.move
            if file.state not in move.sources or role != next(one for one in ROLES if one in move.roles):
                continue
            told = {*_TOLD_CODES, *(("case_consent",) if move.name == "consent" else ())}
            missing = "；".join(problem.message for problem in open.problems if problem.code not in told)
            how = f"（{_TELL[move.name].format(id=file.id)}）" if move.name in _TELL else ""
            lines.append(f"  {move.label}{how}：{label}办理" + (f"；还差：{missing}" if missing else ""))
    say("现在可以办的步骤：" if lines else "已是最后状态，没有可以办的步骤。")
    for line in lines:
        say(line)


def say_case_refused(file: "CaseFile", chosen: "Move", refused: "Refused") -> None:
    """Why a step was refused, and how it is written where something was not told."""
    say_refused(refused)
    if refused.code == "move_requirement" and chosen.name in _TELL:
        say_aside(f"写法：jiebang case move {file.id} {chosen.label} {_TELL[chosen.name].format(id=file.id)}")


def say_case_next(file: "CaseFile") -> None:
    """The command that usually comes next, and what stands in the way of a case sent on too early."""
    from matcher.cases import lacking

    move = f"jiebang case move {file.id}"
    match file.state:
        case "draft" if missing := [one for one in lacking(file) if one != "建设单位同意"]:
            say(f"接下来：还有 {len(missing)} 项待补；填表 jiebang case template {file.id}，")
            say(f"        或逐项 jiebang case edit {file.id} --set 项目=内容")
        case "draft" if not file.consent:
            say(f'接下来：{move} 建设单位同意 --consent "单位、日期和依据"')
        case "draft":
            say(f"接下来：{move} 送审")
        case "reviewing" if missing := lacking(file):
            say(f"接下来：还差 {'；'.join(missing)}，发布不了；先 {move} 退回 --reason 理由")
        case "reviewing":
            say(f"接下来：由另一位同事 {move} 发布 --by 姓名；不行就 {move} 退回 --reason 理由")
        case "published":
            say(f"接下来：写成文档 jiebang case export {file.id}")


def step_of(file: "CaseFile", text: str) -> "Move":
    """The step so called, or the command ends."""
    from matcher.cases import case_rules

    moves = case_rules().moves.values()
    found = next(
        (one for one in moves if text in (one.name, one.label) or (text == "同意" and one.name == "consent")),
        None,
    )
    if found is None:
        labels = "、".join(one.label for one in moves if file.state in one.sources)
        refuse(f"没有“{text}”这一步。", f"现在可写：{labels or '（已是最后状态）'}。")
    if found.name == "amend":
        refuse("“修改”要用别的命令办理。", f"请用 jiebang case edit {file.id} --set 项目=内容。")
    return found


def show_similar(asked: Sequence["Node"], found: Sequence["SimilarCase"]) -> None:
    """Similar cases, each with its reasons, its path and what was measured."""
    told = "和".join(f"{node.label}“{node.title}”" for node in asked)
    if not found:
        say(f"没有与{told}相似的已发布案例。")
        return
    say(f"与{told}相似的案例 {len(found)} 个：")
    for one in found:
        shares = "、".join(f"{label} {share:.2f}" for label, share in one.parts if share >= 0.005)
        say(f"{one.rank}. {one.case.title}（{one.case.id}） 相似度 {one.likeness:.2f}（{shares}）")
        say(f"   像在哪里：{'；'.join(one.reasons) or '内容相近'}")
        if one.path:
            say(f"   关联：{one.path}")
        if one.measured:
            say(f"   实测：{one.measured}")
        if one.case.replicable:
            say(f"   可复制条件：{one.case.replicable}")
