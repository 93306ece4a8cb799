"""What a change of a lineup came to, in Chinese: the difference, its cost, before and after, what it newly breaks."""

from collections.abc import Mapping
from typing import Any

from matcher.roadshows import Roadshow

_DONE = {
    "lock": "锁定", "unlock": "解除锁定", "swap": "换人", "drop": "去掉", "add": "加上台", "move": "改次序", "set": "改规则", "solve": "重新求解",
}  # fmt: skip


def done_told(edit: Mapping[str, Any], before: Roadshow) -> str:
    """What somebody did."""
    return "排阵容" if edit["operation"] == "solve" and not before.stage else _DONE[edit["operation"]]


def change_told(before: Roadshow, after: Roadshow, change: Mapping[str, Any]) -> str:
    """What it came to; ``change`` is of ``change_values``."""
    lines = []
    costs = change["costs"] if before.stage else []
    for one in costs:
        out, into = (_called(one[side], before, after) if one[side] else "" for side in ("out", "into"))
        cost = f"适配{'减少' if one['cost'] >= 0 else '增加'} {abs(one['cost']):.2f}"
        what = (
            f"第 {one['place']} 个{out}换成{into}" if out and into else f"去掉{out}" if out else f"增加{into}"
        )
        lines.append(f"{what}，{cost}")
    lines += [
        f"{_called(m['id'], before, after)}由第 {m['from']} 个移到第 {m['to']} 个" for m in change["moves"]
    ]
    locks = _locks(before, after) if before.stage and not costs else []
    lines += locks
    if not lines and before.stage:
        lines.append("台上没有变化")
    lines.append(
        _totals(change["before"], change["total"])
        if before.stage
        else f"排上 {len(after.stage)} 项，总适配度 {change['total']:.2f}"
    )
    if change["new_conflicts"]:
        lines.append("新冲突：" + "、".join(one["message"] for one in change["new_conflicts"]))
    return "；".join([*lines, *change["notes"]]) + "。"


def _totals(before: float, after: float) -> str:
    """Before and after, with as many decimals as it takes to see a difference."""
    if abs(before - after) < 0.0005:
        return f"总适配度 {after:.2f} 不变"
    digits = 2 if f"{before:.2f}" != f"{after:.2f}" else 3
    return f"总适配度 {before:.{digits}f} → {after:.{digits}f}"


def _locks(before: Roadshow, after: Roadshow) -> list[str]:
    had = {pitch.achievement: pitch.locked for pitch in before.stage}
    now = [p for p in after.stage if p.achievement in had and p.locked != had[p.achievement]]
    return [f"{'锁定' if one.locked else '解除锁定'}“{one.title or one.achievement}”" for one in now][:3]


def _called(id: str, *where: Roadshow) -> str:
    for roadshow in reversed(where):
        for pitch in (*roadshow.stage, *roadshow.alternates):
            if pitch.achievement == id:
                return f"“{pitch.title or id}”"
    return f"“{id}”"
