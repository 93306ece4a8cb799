"""Bids as lines on the screen; what may be shown is decided before (``seen_bid``)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.cli.screen import say, table

if TYPE_CHECKING:
    from matcher.bid_fit import Fit
    from matcher.bids import Bid
    from matcher.tasks import Task


def say_own(shown: Sequence["Bid"], task: "Task", bidder: str) -> None:
    """A bidder's own bid, all of it."""
    if not shown:
        say(f"“{bidder}”没有投 {task.id}；请核对统一社会信用代码。")
    for bid in shown:
        _say_bid(bid, task)


def say_all(shown: Sequence["Bid"], task: "Task", fits: Sequence["Fit"], full: bool) -> None:
    """How many bids there are; once they are open each of ``shown`` in a line, and all of it if ``full``."""
    from matcher.bid_checks import replied
    from matcher.bids import STATES
    from matcher.process_values import in_china, in_wan
    from matcher.ranker import LEVELS

    if not task.is_unsealed:
        if not task.published_at:
            say(f"{task.id} 还没有发榜，没有投标。")
            return
        say(f"{task.id} 收到 {task.bids} 个投标，密封，截止 {in_china(task.deadline)} 后开标才能看。")
        return
    say(f"{task.id} 收到 {task.bids} 个投标，有效 {len(task.valid_bids)} 个：")
    found = {fit.bid: fit for fit in fits}
    rows = []
    for place, bid in enumerate(shown, 1):
        verdicts = [answer.verdict for _, _, answer in replied(bid, task)]
        counted = "／".join(str(verdicts.count(name)) for name in ("met", "short", "silent"))
        fit = found.get(bid.id)
        match = fit.match if fit else None
        level = f"{match.score:.1f} {LEVELS[match.level]}" if match else "" if fit is None else "比不了"
        said = "；".join(bid.faults) or bid.title
        rows.append([str(place), STATES[bid.state][0], in_wan(bid.amount), counted, level, bid.bidder, said])
    headers = ["序号", "结果", "申请金额", "满足／未达／待核", "匹配", "投标单位", "方案或不合格原因"]
    table(headers, rows, [4, 8, 12, 16, 16, 32, 40])
    for bid in shown:
        if full:
            _say_bid(bid, task)
        if fit := found.get(bid.id):
            reason = fit.explanation.reason if fit.explanation else ""
            say(f"  {bid.bidder}（比的是{fit.on}）：{reason}".rstrip("："))


def _say_bid(bid: "Bid", task: "Task") -> None:
    from matcher.bid_checks import replied
    from matcher.bids import STATES
    from matcher.process_values import in_china, in_wan

    say(f"【投标】{bid.bidder}（{bid.bidder_uscc}）投 {task.id}：{STATES[bid.state][0]}")
    plain = (("方案名称", bid.title), ("技术方案", bid.scheme), ("团队与条件", bid.team), ("申请金额", in_wan(bid.amount)),
             ("知识产权声明", bid.ip_statement), ("所依据的编号", bid.record), ("主要成员", "、".join(bid.people)), ("法定代表人", bid.representative),
             ("委托的技术经纪人", "、".join(bid.brokers)), ("申请回避的专家", "、".join(bid.avoids)),
             ("投标时间", in_china(bid.submitted_at)),
             ("说明", bid.reason))  # fmt: skip
    for label, text in plain:
        if text:
            say(f"  {label}：{text}")
    for member in bid.members:
        say(f"  联合体：{member.name}（{member.uscc or '无代码'}）{'牵头' if member.leads else ''}")
    words = {"met": "满足", "short": "未达到", "silent": "请人工核对"}
    for indicator, reply, answer in replied(bid, task):
        told = f"应答“{reply.text}”，{words[answer.verdict]}" if reply else "没有应答"
        say(f"  指标 {indicator.text}：{told}{f'（{reply.evidence}）' if reply and reply.evidence else ''}")
    for fault in bid.faults:
        say(f"  不合格：{fault}")
