"""A panel of experts drawn by lot under rules: who was drawn, who stands by, who was left out and why, who stepped back.

The lot: the pool, in order of ids, is shuffled by the seed; then whoever comes next is taken unless the rules could not
be met any more with those who follow. So each draw is uniform among all that keep a full panel possible, and the
same seed gives the same panel to whoever checks it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random

from graph.intake.organisations import organisation_key
from graph.problems import Problem, Refused

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody who could sit on a panel; ``organisation`` is what experts are counted by (a node's id, else its name).

    ``speciality`` and ``position`` are texts in which the words of quotas are looked for. ``barred`` says in Chinese why
    not (a conflict, an identity in doubt, declared); ``mendable``: somebody could settle it.
    """

    id: str
    name: str
    organisation: str = ""
    speciality: str = ""
    position: str = ""
    barred: str = ""
    mendable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At least ``least`` members in whose speciality (or position) one of the words stands."""

    words: tuple[str, ...]
    least: int
    of_position: bool = False

    def takes(self, candidate: Candidate) -> bool:
        """Whether the candidate counts."""
        text = candidate.position if self.of_position else candidate.speciality
        return any(word in text for word in self.words)

    @property
    def text(self) -> str:
        """The rule for people."""
        return (
            f"{'职称职务' if self.of_position else '专长'}含“{'、'.join(self.words)}”的至少 {self.least} 人"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelRules:
    """An odd number of members, at most ``per_organisation`` of one organisation, every quota met, and who stands by."""

    size: int
    per_organisation: int
    quotas: tuple[Quota, ...] = ()
    alternates: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.size % 2 == 0:
            raise Refused("panel_size", f"专家人数应为单数，写的是 {self.size}。", "请写 5、7 等单数。")
        if self.per_organisation < 1 or self.alternates < 0 or any(q.least < 1 for q in self.quotas):
            raise Refused(
                "panel_rule",
                "专家组的条件里有不合理的数。",
                "每单位人数、各项要求人数至少为 1，候补至少为 0。",
            )
        if over := [quota for quota in self.quotas if quota.least > self.size]:
            raise Refused(
                "panel_rule",
                f"要求{over[0].text}，但专家组只有 {self.size} 人。",
                "请减少要求的人数，或增加专家组人数。",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Ids in the order of the lot: members, alternates, and those barred with the reason."""

    seed: int
    members: tuple[str, ...]
    alternates: tuple[str, ...]
    barred: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """Who takes the place of whom; ``passed``: alternates before, with the rule that they would have broken."""

    out: str
    into: str
    passed: tuple[tuple[str, str], ...]


def draw(candidates: Iterable[Candidate], rules: PanelRules, *, seed: int) -> Drawn | list[Problem]:
    """The panel of this seed, or what is in the way and what would mend it.

    Too few alternates are no problem: those there are stand by. The order of ``candidates`` does not matter.
    """
    pool = sorted(candidates, key=lambda one: one.id)
    barred = tuple((one.id, one.barred) for one in pool if one.barred)
    lot = [one for one in pool if not one.barred]
    Random(seed).shuffle(lot)  # noqa: S311 - to be drawn again by whoever checks, not to be secret
    if not _can_fill([], lot, rules):
        return _why_not(pool, rules)
    taken: list[Candidate] = []
    rest: list[Candidate] = []
    for place, one in enumerate(lot):
        if len(taken) < rules.size and _can_fill([*taken, one], lot[place + 1 :], rules):
            taken.append(one)
        else:
            rest.append(one)
    return Drawn(
        seed=seed,
        members=tuple(one.id for one in taken),
        alternates=tuple(one.id for one in rest[: rules.alternates]),
        barred=barred,
    )


def recuse(
    members: Sequence[Candidate], alternates: Sequence[Candidate], rules: PanelRules, *, out: str
) -> Replacement | list[Problem]:
    """The first alternate, in their order, with whom the rules hold once the member has stepped back.

    An alternate who is barred by now is passed over as well. Raises ``Refused`` (``panel_member``) for nobody's id.
    """
    left = [one for one in members if one.id != out]
    if len(left) == len(members):
        known = "、".join(f"{one.name}（{one.id}）" for one in members)
        raise Refused("panel_member", f"专家组里没有“{out[:30]}”。", f"成员有：{known}。")
    passed: list[tuple[str, str]] = []
    for one in alternates:
        broken = one.barred or _broken([*left, one], rules)
        if not broken:
            return Replacement(out=out, into=one.id, passed=tuple(passed))
        passed.append((one.id, broken))
    told = "；".join(f"{id}：{why}" for id, why in passed) or "没有候补"
    return [
        Problem(
            code="panel_no_alternate",
            message=f"没有可以接替的候补（{told}）",
            remedy="请增加专家后重新抽取，或放宽上面所说的条件",
        )
    ]


def candidate_organisation(node: str | None, name: str) -> str:
    """What experts are counted by: the node where it is known, else the spelling without its dressing."""
    return node or organisation_key(name)


def _broken(panel: Sequence[Candidate], rules: PanelRules) -> str:
    """The first rule that a full panel breaks; empty: none."""
    for one in panel:
        if (
            one.organisation
            and sum(o.organisation == one.organisation for o in panel) > rules.per_organisation
        ):
            return f"同一单位（{one.organisation}）会超过 {rules.per_organisation} 人"
    for quota in rules.quotas:
        if sum(quota.takes(one) for one in panel) < quota.least:
            return f"{quota.text}就不满足了"
    return ""


# Of the quotas, how many members are still wanted.
_Needs = tuple[int, ...]


def _can_fill(taken: Sequence[Candidate], rest: Sequence[Candidate], rules: PanelRules) -> bool:
    """Whether some of ``rest`` complete ``taken`` to a panel that keeps every rule: exact, over organisations one by one.

    The states are (seats filled, what each quota still wants), few whatever the pool.
    """
    counts: dict[str, int] = {}
    for one in taken:
        counts[one.organisation] = counts.get(one.organisation, 0) + 1
    if any(name and number > rules.per_organisation for name, number in counts.items()):
        return False
    seats = rules.size - len(taken)
    wanted = tuple(max(0, q.least - sum(map(q.takes, taken))) for q in rules.quotas)
    if seats < 0 or max(wanted, default=0) > seats:
        return False
    states: set[tuple[int, _Needs]] = {(0, wanted)}
    for group, spare in _groups(rest, counts, rules):
        ways = _ways(group, min(spare, seats), rules.quotas)
        states = {
            (filled + number, tuple(max(0, need - gain) for need, gain in zip(needs, gains, strict=True)))
            for filled, needs in states
            for number, gains in ways
            if filled + number <= seats
        }
    # Fewer seats filled is never better where the needs are the same, so only full ones are looked at.
    return (seats, (0,) * len(wanted)) in states


def _groups(
    rest: Sequence[Candidate], counts: Mapping[str, int], rules: PanelRules
) -> list[tuple[list[Candidate], int]]:
    """Those of one organisation together, and how many more of it may sit; who has none stands alone."""
    groups: dict[str, list[Candidate]] = {}
    for one in rest:
        groups.setdefault(one.organisation or f"\0{one.id}", []).append(one)
    return [(group, rules.per_organisation - counts.get(name, 0)) for name, group in groups.items()]


def _ways(group: Sequence[Candidate], most: int, quotas: Sequence[Quota]) -> set[tuple[int, _Needs]]:
    """(members of the group, what they bring to each quota) for every choice of at most ``most``."""
    ways: set[tuple[int, _Needs]] = {(0, (0,) * len(quotas))}
    for one in group:
        gain = tuple(int(quota.takes(one)) for quota in quotas)
        ways |= {
            (number + 1, tuple(a + b for a, b in zip(gains, gain, strict=True)))
            for number, gains in ways
            if number < most
        }
    return ways


def _why_not(pool: Sequence[Candidate], rules: PanelRules) -> list[Problem]:
    """Every rule that stands in the way by itself; if none does, the fewest that do together; and who could be had."""
    free = [one for one in pool if not one.barred]
    problems = [
        problem
        for problem in (_too_few(pool, free, rules), _too_alike(free, rules), *_too_unlike(free, rules))
        if problem
    ]
    if not problems:
        problems = [_together(free, rules)]
    doubtful = [one for one in pool if one.barred and one.mendable]
    settled = [
        one for one in doubtful if _can_fill([], [*free, replace(one, barred="")], rules)
    ] or doubtful * _can_fill([], [*free, *doubtful], rules)
    if settled:
        all_of = "其中一位" if _can_fill([], [*free, settled[0]], rules) else "他们"
        names = "、".join(f"{one.name}（{one.id}）" for one in settled[:_NAMED])
        names += f" 等 {len(settled)} 人" if len(settled) > _NAMED else ""
        # What needs no other expert and gives up no rule comes first.
        problems.insert(
            0,
            Problem(
                code="panel_doubtful",
                message=f"有专家因身份未核实不能参加：{names}",
                remedy=f"核实{all_of}的单位后即可抽满：把单位补进库里，或在专家申报表里填“单位核实人”",
            ),
        )
    return problems


def _too_few(pool: Sequence[Candidate], free: Sequence[Candidate], rules: PanelRules) -> Problem | None:
    if len(free) >= rules.size:
        return None
    barred = [one for one in pool if one.barred]
    told = "、".join(f"{one.name}（{one.id}）" for one in barred[:_NAMED])
    more = f" 等 {len(barred)} 人" if len(barred) > _NAMED else ""
    return Problem(
        code="panel_too_few",
        message=f"需要 {rules.size} 位专家，可用的只有 {len(free)} 位"
        + (f"；不能参加的：{told}{more}" if told else ""),
        remedy=f"请至少再增加 {rules.size - len(free)} 位专家；专家组人数是榜单定的，发榜后不能减少",
    )


def _too_alike(free: Sequence[Candidate], rules: PanelRules) -> Problem | None:
    if len(free) < rules.size or _can_fill([], free, replace(rules, quotas=())):
        return None
    groups = _groups(free, {}, rules)
    most = sum(min(len(group), spare) for group, spare in groups)
    crowded = sorted((g for g, spare in groups if len(g) > spare), key=lambda g: (-len(g), g[0].organisation))
    told = "、".join(f"{group[0].organisation} {len(group)} 人" for group in crowded[:_NAMED])
    return Problem(
        code="panel_organisations",
        message=f"每个单位至多 {rules.per_organisation} 人，最多只能抽出 {most} 位，需要 {rules.size} 位（{told}）",
        remedy="请增加其他单位的专家，或放宽每个单位的人数",
    )


def _too_unlike(free: Sequence[Candidate], rules: PanelRules) -> list[Problem]:
    problems = []
    for quota in rules.quotas:
        groups = _groups([one for one in free if quota.takes(one)], {}, rules)
        most = sum(min(len(group), spare) for group, spare in groups)
        if most < quota.least:
            names = "、".join(f"{one.name}（{one.id}）" for group, _ in groups for one in group[:_NAMED])
            problems.append(
                Problem(
                    code="panel_quota",
                    message=f"要求{quota.text}，可用的最多 {most} 位" + (f"：{names}" if names else ""),
                    remedy="请增加这方面的专家，或减少要求的人数",
                )
            )
    return problems


def _together(free: Sequence[Candidate], rules: PanelRules) -> Problem:
    """The fewest rules without which the panel could be filled."""
    names = [f"每个单位至多 {rules.per_organisation} 人", *(quota.text for quota in rules.quotas)]
    for number in range(1, len(names) + 1):
        ways = [
            left
            for left in combinations(range(len(names)), number)
            if _can_fill([], free, _without(rules, left))
        ]
        if ways:
            some = "，或者".join("、".join(f"“{names[i]}”" for i in left) for left in ways)
            return Problem(
                code="panel_rules_together",
                message=f"几项条件合在一起，{len(free)} 位可用的专家抽不满 {rules.size} 位",
                remedy=f"请放宽{some}，或增加专家",
            )
    raise ValueError("a panel that cannot be filled has a reason")


def _without(rules: PanelRules, left: Sequence[int]) -> PanelRules:
    quotas = tuple(quota for place, quota in enumerate(rules.quotas, start=1) if place not in left)
    cap = rules.size if 0 in left else rules.per_organisation
    return replace(rules, quotas=quotas, per_organisation=cap)
