"""Reasons at the terminal: the breakdown of a pair, and two achievements side by side."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from api.cli.screen import fitted, say, say_error
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from graph.kinds import Node
    from matcher.comparison import Comparison, Row
    from matcher.elements import ElementAnswer
    from matcher.engine import Engine
    from matcher.explanation import Explanation
    from matcher.ranking import Match

_ANSWERED, _OPEN = ("answered", "partial"), ("silent", "unknown", "denied")


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.command()(compare)


def show_breakdown(match: "Match", why: "Explanation") -> None:
    """All that is known of why a pair scores as it does, part by part."""
    say()
    chances = "，".join(
        f"{label} {p:.0%}" for label, p in zip(("无", "弱", "较强", "强"), match.probabilities, strict=True)
    )
    say(f"{match.rank}. {why.found.title}（{why.found.id}） {match.score:.1f} 分，{why.level}（{chances}）")
    for part in why.parts:
        if part.value is not None:
            note = f"  {part.note}" if part.note else ""
            say(f"    {fitted(part.label, 14)}{part.points:+7.1f}   取值 {part.value:.2f}{note}")
    unknown = [part.label for part in why.parts if part.value is None]
    if unknown:
        say(f"  没有依据、不加不减：{'、'.join(unknown)}")
    for caution in why.cautions:
        say(f"  {caution}")
    if why.missing:
        say(f"  注意：{why.missing}")
    if why.phrases:
        say(f"  共同用语：{'、'.join(why.phrases)}")
    for answer in why.answers:
        say(f"  指标：{answer.sentence}")
    for line in element_lines(why):
        say(f"  {line}")
    for path in why.paths:
        say(f"  关联：{path.text}")
    for lift in why.lifts:
        say(f"  可改进：{lift.sentence}")
    for advice in why.advice:
        say(f"  政策：{advice.short}")


def show_policy(whys: Sequence["Explanation"]) -> None:
    """The words of the measures behind the advice above, each once, after all breakdowns."""
    names: dict[str, list[str]] = {}
    for advice in (advice for why in whys for advice in why.advice):
        told = names.setdefault(advice.source, [])
        if advice.instrument not in told:
            told.append(advice.instrument)
    if names:
        say()
        say("政策依据（供参考，能否享受以主管部门认定为准）：")
    for source, instruments in names.items():
        say(f"  {'、'.join(instruments)}：{source}")


def element_lines(why: "Explanation") -> list[str]:
    """What the demand needs and whether it is answered: a line for each that is, one for all that are not."""
    words = [answer for answer in why.elements if answer.element.kind != "indicator"]
    lines = [f"需求：{answer.sentence}" for answer in words if answer.status in _ANSWERED]
    lines += [f"需求：{answer.sentence}" for answer in words if answer.status == "denied"]
    for status, told in (("silent", "成果没有同样的说法"), ("unknown", "成果只有题目，无法判断")):
        if named := _named([answer for answer in words if answer.status == status]):
            lines.append(f"需求：{told}的：{named}")
    stated = [answer for answer in why.elements if answer.element.kind == "indicator"]
    if stated and not why.answers:
        lines.append(f"需求：指标 {len(stated)} 项，成果没有可比的数值")
    return lines


def _named(answers: Sequence["ElementAnswer"]) -> str:
    from matcher.elements import KIND_LABELS

    by_kind: dict[str, list[str]] = {}
    for answer in answers:
        by_kind.setdefault(KIND_LABELS[answer.element.kind], []).append(answer.element.text)
    return "；".join(f"{kind} {'、'.join(texts)}" for kind, texts in by_kind.items())


def compare(
    context: typer.Context,
    scene: Annotated[str, typer.Argument(metavar="场景", help="场景编号。")],
    first: Annotated[str, typer.Argument(metavar="成果A", help="成果编号。")],
    second: Annotated[str, typer.Argument(metavar="成果B", help="另一项成果的编号。")],
    audience: Annotated[
        str, typer.Option(help="只用谁能看到的内容：public 公开、partner 合作方、staff 内部。")
    ] = "staff",
) -> None:
    """一页纸说明：同一场景下，为什么一项成果排在另一项前面。"""
    from graph.values import parse_visibility
    from matcher.comparison import comparison

    who = parse_visibility(audience)
    if first.strip() == second.strip():
        _refuse("两项成果是同一项。", "请写两个不同的成果编号。", code=2)
    settings: Settings = context.obj
    with settings.open_engine(audience=who) as engine:
        subject = _stored(engine, "scene", scene)
        offers = [_stored(engine, "achievement", id) for id in (first, second)]
        scored = engine.ranking.score(subject, "achievement", [o.id for o in offers], today=date.today())
        whys = engine.explain(subject, [scored[offer.id] for offer in offers])
    show_comparison(comparison(*whys))


def show_comparison(found: "Comparison") -> None:
    """One page: the scores, the parts that differ, indicators and needs side by side, cautions, what would lift either."""
    above, below = found.above, found.below
    say(f"场景：{above.subject.title}（{above.subject.id}）")
    for mark, why in (("甲", above), ("乙", below)):
        say(f"{mark}：{why.found.title}（{why.found.id}） {why.score:.1f} 分，{why.level}")
    say(f"结论：甲{found.sentence}")
    say()
    say(f"  {fitted('分项', 16)}{'甲':>6}{'乙':>6}{'差':>6}")
    for label, a, b in found.parts:
        if abs(a) >= 0.05 or abs(b) >= 0.05:
            say(f"  {fitted(label, 16)}{a:+7.1f}{b:+7.1f}{a - b:+7.1f}")
    say(f"  {fitted('合计', 16)}{above.score:+7.1f}{below.score:+7.1f}{above.score - below.score:+7.1f}")
    _show_rows("指标回应不同的", found.indicators)
    _show_rows("需求回应不同的", found.elements)
    say(f"其余 {found.alike} 项指标和需求，两项成果的回应相同。")
    for mark, why in (("甲", above), ("乙", below)):
        for line in (*why.cautions, *([why.missing] if why.missing else [])):
            say(f"{mark} {line}")
        for path in why.paths[:1]:
            say(f"{mark} 关联：{path.text}")
        for lift in why.lifts[:3]:
            say(f"{mark} 可改进：{lift.sentence}")


def _show_rows(title: str, rows: Sequence["Row"]) -> None:
    if rows:
        say()
        say(f"{title}：")
    for row in rows:
        say(f"  {row.label}")
        say(f"    甲：{row.above}")
        say(f"    乙：{row.below}")


def _stored(engine: "Engine", kind: str, id: str) -> "Node":
    from graph.kinds import KINDS

    name = id.strip()
    node = engine.store.get(kind, name) or engine.store.get(kind, name.upper())
    if node is None:
        label = KINDS[kind].label
        beyond = "" if engine.audience == "staff" else "，或它不在这次的可见范围（--audience）之内"
        _refuse(
            f"库中没有编号为“{name}”的{label}{beyond}。",
            "请写 jiebang compare 场景编号 成果编号 成果编号。",
        )
    return node


def _refuse(message: str, remedy: str, *, code: int = 1) -> NoReturn:
    say_error(message, remedy)
    raise typer.Exit(code)
