"""A lineup on the screen: who, why, who stands by, what it breaks, who is not on stage and what would have to give."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.cli.screen import moment, say, table
from matcher.lineup import LEVEL_LABELS, RULE_LABELS, Broken, stage_of
from matcher.lineup_exchange import LeftOut, in_points
from matcher.roadshows import STATES, Pitch, Roadshow, Version

if TYPE_CHECKING:
    from matcher.roadshow_edits import Changed
    from matcher.roadshow_live import Live

_LEFT = 8


def show_lineup(
    live: "Live", left: Sequence[LeftOut], *, notes: Sequence[str] = (), gap: float = 0.0
) -> None:
    """All of a roadshow: who, why, who stands by, what it breaks, who is not on stage and why."""
    own = live.roadshow
    label, duty = STATES[own.state]
    versions = f"，已发布 {len(own.versions)} 版" if own.versions else ""
    say(f"{own.title}（{own.id}）：{label}，第 {own.draft} 稿{versions}{f'，{own.day}' if own.day else ''}")
    for note in notes:
        say(f"  {note}。")
    names = [live.pool.called(id) for id in live.pool.listeners if id]
    say(f"听众：{'、'.join(names) if names else f'主题“{own.theme}”'}")
    means = "含多样性加分" if own.number("variety") else "即预计能促成这么多对较强相关的对接"
    say(f"总适配度 {in_points(live.total)}，{means}；{_standing(own, live.total, gap, live.conflicts)}")
    _stage(live, own.stage)
    if own.alternates:
        say("候补（依次）：")
        for place, pitch in enumerate(own.alternates, 1):
            able = "任何一项" if set(own.ids) <= set(pitch.replaces) else f" {'、'.join(pitch.replaces)}"
            say(
                f"  {place}. “{pitch.title}”（{pitch.achievement}），适配 {in_points(pitch.fit)}，可顶替{able}"
            )
    say_conflicts(live.conflicts)
    show_left_out(live, left[:_LEFT])
    _say_rules(own)
    if duty and own.state == "draft":
        say(f"接下来：jiebang lineup swap|drop|add|lock {own.id} …；jiebang lineup release {own.id} 发布")
        if own.timetable is None:
            when = own.day or "2026-12-05"
            say(
                f'      排日程：jiebang lineup timetable {own.id} --session "上午场={when} 09:00-11:30@一号厅"'
            )


def _standing(own: Roadshow, total: int, gap: float, conflicts: Sequence[Broken]) -> str:
    if any(one.rule.binds for one in conflicts):
        return f"有冲突；满足全部规则的最优是 {in_points(own.best)}" if own.best else "有冲突"
    if not own.proven:
        return f"在限定的计算量内没有证明最优，最多还能高 {gap:.1%}" if gap else "没有证明最优"
    return "已证明最优" if total >= own.best else f"不加锁定的最优是 {in_points(own.best)}"


def _stage(live: "Live", stage: Sequence[Pitch]) -> None:
    records = live.engine.store.get_many("achievement", [pitch.achievement for pitch in stage])
    rows, pool = [], live.pool
    for place, pitch in enumerate(stage, 1):
        node, at = records.get(pitch.achievement), pool.place(pitch.achievement)
        level = pool.trl[at] if at is not None else 0
        rows.append([
            str(place), pitch.achievement, in_points(pitch.fit), "锁" if pitch.locked else "",
            f"TRL{level}{stage_of(level)}" if level else "", getattr(node, "owner", ""), pitch.title,
        ])  # fmt: skip
    table(["", "编号", "适配", "", "成熟度", "单位", "名称"], rows, [3, 10, 5, 2, 12, 26, 40])
    for pitch in stage:
        if pitch.reason:
            say(f"  {pitch.achievement} {pitch.reason}")


def say_conflicts(conflicts: Sequence[Broken], *, new: bool = False) -> None:
    """The rules that a lineup breaks, by level; ``new`` where all of them are."""
    if not conflicts:
        say("与规则没有冲突。")
        return
    say(f"{'新出现的' if new else '与规则'}冲突 {len(conflicts)} 处：")
    for one in conflicts:
        say(f"  {LEVEL_LABELS[one.rule.level]}  {one.message}")


def show_left_out(live: "Live", left: Sequence[LeftOut]) -> None:
    """Who is not on stage, the nearest reason, and what would have to give."""
    if left:
        say("没有上台的（按适配度）：")
    for one in left:
        at = live.pool.place(one.id)
        fit = in_points(int(live.pool.value[at])) if at is not None else ""
        say(
            f"  {live.pool.called(one.id)}{'' if one.reason.startswith('适配') else f'，适配 {fit}'}：{one.reason}"
            if at is not None
            else f"  {one.id}：不是候选"
        )
        say(f"    要上台：{_way(live, one)}")


def _way(live: "Live", one: LeftOut) -> str:
    if one.cost is None:
        return "换下哪一项都不行，须同时放宽规则或解除锁定"
    parts = [f"放宽“{text}”" for text in one.rules]
    parts += [f"换下 {'、'.join(one.gives)}"] * bool(one.gives)
    parts += [f"同时换上{'、'.join(live.pool.called(id) for id in one.comes)}"] * bool(one.comes)
    change = f"总适配度{'' if one.exact else '至多'}减少 {in_points(one.cost)}" if one.cost >= 0 else f"总适配度增加 {in_points(-one.cost)}"  # fmt: skip
    return f"{'，'.join(parts)}，{change}" if parts else change


def _say_rules(own: Roadshow) -> None:
    terms = own.terms
    kinds = [kind for kind in RULE_LABELS if terms.numbers.get(kind)]
    told = [f"{RULE_LABELS[kind]} {terms.numbers[kind]}" for kind in kinds]
    told += [f"{id} 至少 {number}" for id, number in own.coverage.items()]
    told += [f"必选 {'、'.join(own.must)}"] * bool(own.must)
    told += [f"不选 {'、'.join(one.achievement for one in own.out)}"] * bool(own.out)
    say(f"规则：{'；'.join(told)}")


def show_version(own: Roadshow, version: Version) -> None:
    """A version as it was released."""
    say(f"{own.title}（{own.id}）第 {version.number} 版，{moment(version.at.isoformat())} {version.by}发布")
    if version.note:
        say(f"  {version.note}")
    rows = [
        [str(place), pitch.achievement, in_points(pitch.fit), pitch.title]
        for place, pitch in enumerate(version.stage, 1)
    ]
    table(["", "编号", "适配", "名称"], rows, [3, 10, 5, 60])
    if version.alternates:
        say("候补：" + "、".join(f"“{one.title}”（{one.achievement}）" for one in version.alternates))


def show_change(before: Roadshow, made: "Changed", *, dry_run: bool = False) -> None:
    """What an edit came to: who changed, what it cost, what it breaks now."""
    after = made.roadshow
    titles = {pitch.achievement: pitch.title for pitch in (*before.stage, *before.alternates, *after.stage)}

    def called(id: str) -> str:
        return f"“{titles.get(id, '')}”（{id}）"

    for cost in made.costs:
        word = f"适配减少 {in_points(cost.cost)}" if cost.cost >= 0 else f"适配增加 {in_points(-cost.cost)}"
        if cost.out and cost.into:
            say(f"第 {cost.place} 个：{called(cost.out)}换成{called(cost.into)}，{word}")
        else:
            say(f"{'去掉' if cost.out else '增加'}{called(cost.out or cost.into)}，{word}")
    for id, old, new in made.difference.moves:
        say(f"{called(id)}由第 {old} 个移到第 {new} 个")
    if not made.costs and not made.difference.moves:
        say("阵容没有变化。")
    say(
        f"总适配度 {in_points(made.before)} → {in_points(after.total)}（{_standing(after, after.total, made.gap, made.conflicts)}）"
    )
    if made.new_conflicts and len(made.new_conflicts) < len(made.conflicts):
        say("新出现的冲突：")
        for one in made.new_conflicts:
            say(f"  {LEVEL_LABELS[one.rule.level]}  {one.message}")
    say_conflicts(
        made.conflicts, new=bool(made.new_conflicts) and len(made.new_conflicts) == len(made.conflicts)
    )
    for note in made.notes:
        say(f"注意：{note}。")
    if dry_run:
        say("以上没有记入。去掉 --dry-run 正式记入。")
    else:
        say(f"已记为第 {after.draft} 稿。" + ("这一稿还没有发布。" if after.versions else ""))
        if any(one.rule.binds for one in made.conflicts):
            say(f"下一步：jiebang lineup solve {after.id} 改动最少地满足规则")
        elif after.timetable is not None and set(after.ids) != set(before.ids):
            say(f"下一步：jiebang lineup timetable {after.id} 重新排日程")
