"""Drafts of cases from what the store knows: a task that was concluded, a pairing that landed. The rest stays 待补.

What a task or an achievement promised is no measurement: of indicators only names and units are taken, both figures
are left to be filled in from papers.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from graph.kinds import Achievement, Node, Scene
from graph.measures import Measure
from graph.problems import Refused
from graph.processes import opened
from graph.store.snapshot import Snapshot
from graph.values import Visibility
from graph.visibility import seen_by
from matcher.bids import Bid
from matcher.cases import CaseFile, case_rules, narrowest
from matcher.indicators import parse_indicators
from matcher.process_values import CHINA, WAN
from matcher.races import Race
from matcher.tasks import Task


def new_case(id: str, *, at: datetime, editor: str, **values: Any) -> CaseFile:
    """A case file in 草稿. Raises ``Refused`` (``process_value``)."""
    given = {name: value for name, value in values.items() if value not in (None, "", (), {})}
    ends = (("scene", given.get("scene_id")), ("achievement", given.get("achievement_id")))
    about = tuple((kind, str(end)) for kind, end in ends if end)
    return opened(CaseFile, case_rules(), id=id, at=at, about=about, editor=editor, **given)


def values_of_pair(now: Snapshot, scene_id: str, achievement_id: str) -> dict[str, Any]:
    """What the store knows of a pairing that landed, by attributes of a case file.

    Raises ``Refused`` (``case_ends``, ``case_not_landed``).
    """
    scene, achievement = now.get("scene", scene_id), now.get("achievement", achievement_id)
    if scene is None or achievement is None:
        raise Refused("case_ends", "场景或成果不在库中。", "请核对编号。")
    reached = {
        outcome.stage: outcome for outcome in now.outcomes(scene_id) if outcome.achievement == achievement_id
    }
    landed = reached.get("landed")
    if landed is None:
        raise Refused(
            "case_not_landed", f"场景 {scene_id} 与成果 {achievement_id} 还没有记为“已落地”。",
            f"落地后先记：jiebang outcome {scene_id} {achievement_id} 已落地；还没落地的不能写成案例。",
        )  # fmt: skip
    begun = reached.get("contract")
    values = _of_ends(scene, achievement)
    values["period"] = _period([begun.at if begun else None, landed.at])
    values["source"] = "对接结果“已落地”"
    return values


def values_of_task(now: Snapshot, task_id: str) -> dict[str, Any]:
    """What the store knows of a concluded task, by attributes of a case file.

    Money is what was paid: milestones that are done, of a race what was released. Raises ``Refused`` (``case_ends``,
    ``case_not_closed``).
    """
    task = now.process(Task, task_id)
    if task is None:
        raise Refused("case_ends", f"没有编号为“{task_id[:40]}”的榜单。", "jiebang task list 列出全部榜单。")
    if task.state != "closed":
        raise Refused("case_not_closed", f"榜单 {task.id} 还没有结题。", "结题后再写成案例。")
    winners = _winners(now, task)
    scene, achievement = _ends(now, task, winners)
    race = now.process(Race, task.id)
    values = _of_ends(scene, achievement) | {
        "task": task.id,
        "title": task.title,
        "owner": task.poster,
        "provider": "、".join(dict.fromkeys(party.name for bid in winners for party in bid.parties)),
        "summary": task.problem,
        "measures": _measures(task.indicators),
        "source": f"榜单 {task.id} 结题",
    }
    done = [one for one in task.milestones if one.done_at]
    paid = race.balance.released if race else sum(one.amount for one in done)
    values["investment"] = (paid / WAN, paid / WAN) if paid else None
    values["period"] = _period([task.unsealed_at, *(one.done_at for one in done), task.moved_at])
    papers = [f"{one.name}：{one.note}" for one in done if one.note]
    papers += [f"绩效报告：{task.report}"] if task.report else []
    values["evidence"] = "；".join(papers)
    return values


def _winners(now: Snapshot, task: Task) -> list[Bid]:
    """The bids that carried it out, best first: of a race the team that won it."""
    race = now.process(Race, task.id)
    ids = (race.winner,) if race and race.winner else task.winners
    return [bid for id in ids if (bid := now.process(Bid, id)) is not None]


def _ends(now: Snapshot, task: Task, winners: Iterable[Bid]) -> tuple[Node | None, Node | None]:
    """The scene and the achievement: one the task is about, the other what the best winner builds on."""
    about = dict(task.about)
    record = next((bid.record for bid in winners if bid.record), "")
    other = "achievement" if task.mode == "demand" else "scene"
    ids = {other: record} | about
    found = {kind: now.get(kind, id) for kind, id in ids.items() if id}
    return found.get("scene"), found.get("achievement")


def _of_ends(scene: Node | None, achievement: Node | None) -> dict[str, Any]:
    """What scene and achievement say to those who may see the case: as widely as both, never more."""
    ends = [node for node in (scene, achievement) if node is not None]
    level: Visibility = narrowest(*(node.visibility for node in ends))
    place, offer = (seen_by(level, node) if node else None for node in (scene, achievement))
    values: dict[str, Any] = {"visibility": level}
    if isinstance(place, Scene):
        values |= {
            "scene_id": place.id, "title": place.title, "owner": place.owner, "field": place.field,
            "district": place.district, "summary": place.problem or place.summary,
            "measures": _measures(place.indicators),
        }  # fmt: skip
    if isinstance(offer, Achievement):
        values |= {
            "achievement_id": offer.id, "provider": offer.owner,
            "approach": f"采用“{offer.title}”。{offer.summary}".strip(),
        }  # fmt: skip
        if isinstance(place, Scene):
            values["title"] = f"{place.title}：{offer.title}应用"[:300]
        else:
            values |= {"title": offer.title, "field": offer.field}
    return values


def _measures(indicators: str) -> str:
    """Names and units of the indicators, both figures 待补."""
    blank = {
        one.name: Measure(name=one.name, before=None, after=None, unit=one.unit, source="")
        for one in parse_indicators(indicators)
        if one.name and ":" not in one.name and "：" not in one.name
    }
    return "；".join(one.text for one in blank.values())


def _period(moments: Iterable[datetime | None]) -> str:
    """From the first to the last month, as an office writes it; empty where nothing is known."""
    months = sorted(f"{moment.astimezone(CHINA):%Y-%m}" for moment in moments if moment)
    if not months:
        return ""
    return months[0] if months[0] == months[-1] else f"{months[0]}至{months[-1]}"
