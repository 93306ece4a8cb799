"""Where supply and demand miss each other: scenes without a strong fit, achievements without a scene, by field and district."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from graph.kinds import Achievement, Node, Scene
from matcher.engine import Engine
from matcher.explanation import Explanation
from matcher.facts import indicators_of
from matcher.ranking import Match

Progress = Callable[[int, int], None]
UNSTATED = "未填"
# Of each scene's ranking this many are looked at: what stands further down counts as not found by it.
_LISTED = 100
_LANDED = "已落地"
_NAMED = 3  # indicators named
_TELLING = 1.0  # points a part must take away to be said


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneGap:
    """An open scene whose best achievement is below the wanted level; ``best`` is None where there is none at all.

    ``missing`` says in Chinese what the best one lacks, gravest first.
    """

    scene: Scene
    best: Achievement | None
    level: int
    score: float
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleAchievement:
    """An achievement that reaches the wanted level for no open scene; ``best`` is the scene it comes closest to.

    ``best`` is None where the closest is not related to it (``level`` 1); ``score`` is 0 if it is in no scene's list.
    """

    achievement: Achievement
    best: Scene | None
    level: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAchievement:
    """An achievement that reaches the wanted level only for scenes past their deadline; ``scene`` is the best of them."""

    achievement: Achievement
    scene: Scene
    level: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Demand and supply of one field or district: open scenes and achievements, and how many of each found a fit.

    An achievement that fits only scenes past their deadline has found one.
    """

    name: str
    scenes: int
    scenes_matched: int
    achievements: int
    achievements_matched: int

    @property
    def unmet(self) -> int:
        """Open scenes without a fit."""
        return self.scenes - self.scenes_matched

    @property
    def idle(self) -> int:
        """Achievements without a scene."""
        return self.achievements - self.achievements_matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """The gaps of a store at a day: scenes gravest first, achievements nearest miss first.

    Of all scenes, ``opened`` were looked at; ``closed`` were left out, ``landed`` of these as landed and the rest as past
    their deadline. ``late`` stand apart from ``achievements``.
    """

    level: int
    scenes: tuple[SceneGap, ...]
    achievements: tuple[IdleAchievement, ...]
    late: tuple[LateAchievement, ...]
    by_field: tuple[Balance, ...]
    by_district: tuple[Balance, ...]
    opened: int
    closed: int
    landed: int


def gaps(engine: Engine, *, today: date, level: int = 3, progress: Progress | None = None) -> Gaps:
    """Where scenes find no achievement of ``level`` (2..4) and achievements no scene.

    Every open scene (not 已落地, deadline not before ``today``) is ranked once, and the first 100 of each
    ranking are looked at. A scene has a fit if its first reaches ``level``. An achievement has one if it
    reaches ``level`` in any of these lists. One that does so only in the list of a scene that is closed for its
    deadline alone is late, not idle. Achievements are not ranked themselves: a pair scores the same from either
    side. Scenes go by the best score, lowest first (no candidate at all before any), achievements by theirs,
    highest first, then by id; fields and districts by unmet scenes, then idle achievements, then name. A node of
    several fields counts in each; districts and fields not filled in count as 未填. Cost: one ranking a scene that
    has not landed, one explanation a gap.
    """
    if level not in (2, 3, 4):
        raise ValueError("level must be 2, 3 or 4")
    engine.refresh()
    everything = [scene for scene in engine.store.nodes("scene") if isinstance(scene, Scene)]
    ranked = [scene for scene in everything if scene.status != _LANDED]
    scenes = [scene for scene in ranked if is_open(scene, today)]
    found: list[SceneGap] = []
    closest: dict[str, tuple[Match, Scene]] = {}
    expired: dict[str, tuple[Match, Scene]] = {}
    for done, scene in enumerate(ranked, 1):
        matches = engine.match(scene, top=_LISTED, today=today)
        still_open = is_open(scene, today)
        best = closest if still_open else expired
        for match in matches:
            known = best.get(match.key[1])
            if known is None or match.score > known[0].score:
                best[match.key[1]] = (match, scene)
        if still_open and (not matches or matches[0].level < level):
            found.append(_scene_gap(engine, scene, matches[:1]))
        if progress:
            progress(done, len(ranked))
    achievements = [node for node in engine.store.nodes("achievement") if isinstance(node, Achievement)]
    idle = [_idle(node, closest.get(node.id)) for node in achievements]
    idle = [one for one in idle if one.level < level]
    late = [one for node in idle if (one := _late(node.achievement, expired, level))]
    saved = {one.achievement.id for one in late}
    idle = [one for one in idle if one.achievement.id not in saved]
    unmet, unused = {gap.scene.id for gap in found}, {one.achievement.id for one in idle}
    return Gaps(
        level=level,
        scenes=tuple(sorted(found, key=lambda gap: (gap.best is not None, gap.score, gap.scene.id))),
        achievements=tuple(sorted(idle, key=lambda one: (-one.level, -one.score, one.achievement.id))),
        late=tuple(sorted(late, key=lambda one: (-one.level, -one.score, one.achievement.id))),
        by_field=_balances(scenes, achievements, unmet, unused, lambda node: node.field or (UNSTATED,)),
        by_district=_balances(scenes, achievements, unmet, unused, lambda node: (node.district or UNSTATED,)),
        opened=len(scenes),
        closed=len(everything) - len(scenes),
        landed=len(everything) - len(ranked),
    )


def narrowed(found: Gaps, *, fields: Sequence[str] = (), districts: Sequence[str] = ()) -> Gaps:
    """Only what is in one of the fields and in one of the districts; empty means any.

    What counts as a fit stays the same: it may come from another field or district.
    """

    def holds(node: Node) -> bool:
        in_field = not fields or bool(set(fields) & set(node.field))
        return in_field and (not districts or node.district in districts)

    return replace(
        found,
        scenes=tuple(gap for gap in found.scenes if holds(gap.scene)),
        achievements=tuple(one for one in found.achievements if holds(one.achievement)),
        late=tuple(one for one in found.late if holds(one.achievement)),
        by_field=tuple(b for b in found.by_field if not fields or b.name in fields),
        by_district=tuple(b for b in found.by_district if not districts or b.name in districts),
    )


def is_open(scene: Scene, today: date) -> bool:
    """Whether a scene still looks for achievements: it has not landed and its deadline is not before ``today``."""
    return scene.status != _LANDED and not (scene.deadline and scene.deadline < today)


def _scene_gap(engine: Engine, scene: Scene, first: Sequence[Match]) -> SceneGap:
    for match, why in zip(first, engine.explain(scene, first), strict=False):
        if isinstance(why.found, Achievement):
            return SceneGap(
                scene=scene,
                best=why.found,
                level=match.level,
                score=match.score,
                missing=tuple(_missing(why)),
            )
    return SceneGap(scene=scene, best=None, level=1, score=0.0, missing=("库中没有可用的成果",))


def _missing(why: Explanation) -> Iterable[str]:
    """What the best candidate lacks: in its indicators, then in the parts that cost points, then in its texts."""
    for verdict, word in (("short", "未达到"), ("silent", "未说明")):
        texts = [answer.demand.text for answer in why.answers if answer.verdict == verdict]
        if texts:
            more = f"等 {len(texts)} 项" if len(texts) > _NAMED else ""
            yield f"指标{word}：{'、'.join(texts[:_NAMED])}{more}"
    if not why.answers and indicators_of(why.subject):
        yield "没有可与场景指标对照的数据"
    for part in why.parts:
        immature = part.name == "maturity_fit" and part.value is not None and part.value < 1
        if immature or (part.points <= -_TELLING and part.name != "indicator_fit"):
            yield part.note or f"{part.label}不符"
    yield from why.cautions
    if not why.phrases:
        yield "没有明显的共同用语，内容不相近"


def _idle(achievement: Achievement, closest: tuple[Match, Scene] | None) -> IdleAchievement:
    if closest is None:
        return IdleAchievement(achievement=achievement, best=None, level=1, score=0.0)
    match, scene = closest
    near = scene if match.level > 1 else None
    return IdleAchievement(achievement=achievement, best=near, level=match.level, score=match.score)


def _late(
    achievement: Achievement, expired: Mapping[str, tuple[Match, Scene]], level: int
) -> LateAchievement | None:
    match, scene = expired.get(achievement.id, (None, None))
    if match is None or scene is None or match.level < level:
        return None
    return LateAchievement(achievement=achievement, scene=scene, level=match.level, score=match.score)


def _balances(
    scenes: Sequence[Scene],
    achievements: Sequence[Achievement],
    unmet: set[str],
    idle: set[str],
    groups: Callable[[Node], Iterable[str]],
) -> tuple[Balance, ...]:
    counts: dict[str, list[int]] = {}
    for nodes, without, at in ((scenes, unmet, 0), (achievements, idle, 2)):
        for node in nodes:
            for name in groups(node):
                row = counts.setdefault(name, [0, 0, 0, 0])
                row[at] += 1
                row[at + 1] += node.id not in without
    found = [
        Balance(name=n, scenes=a, scenes_matched=b, achievements=c, achievements_matched=d)
        for n, (a, b, c, d) in counts.items()
    ]
    return tuple(sorted(found, key=lambda b: (-b.unmet, -b.idle, b.name)))
