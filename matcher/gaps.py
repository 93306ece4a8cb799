"""Where supply and demand miss each other: scenes without a strong fit, achievements without a scene, by field and district."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """How near an achievement came to a scene, by its id."""

    scene: str
    level: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """An open scene without a fit: the id of its best achievement if there is any, and what that lacks."""

    scene: str
    best: str | None
    level: int
    score: float
    missing: tuple[str, ...]


@dataclass(slots=True)
class Looked:
    """What the rankings of some scenes say; per achievement the nearest open scene, and the nearest past its deadline."""

    unmet: list[Unmet] = field(default_factory=list)
    closest: dict[str, Near] = field(default_factory=dict)
    expired: dict[str, Near] = field(default_factory=dict)

    def add(self, other: "Looked") -> None:
        """Take in what the scenes that come next say; of equally near ones the first stays."""
        self.unmet += other.unmet
        for mine, theirs in ((self.closest, other.closest), (self.expired, other.expired)):
            for id, near in theirs.items():
                if (known := mine.get(id)) is None or near.score > known.score:
                    mine[id] = near


def gaps(engine: Engine, *, today: date, level: int = 3, progress: Progress | None = None) -> Gaps:
    """Where scenes find no achievement of ``level`` (2..4) and achievements no scene.

    Every open scene (not 已落地, deadline not before ``today``) is ranked once, and the first 100 of each
    ranking are looked at. A scene has a fit if its first reaches ``level``. An achievement has one if it
    reaches ``level`` in any of these lists. One that does so only in the list of a scene that is closed for its
    deadline alone is late, not idle. Achievements are not ranked themselves: a pair scores the same from either
    side. Scenes go by the best score, lowest first (no candidate at all before any), achievements by theirs,
    highest first, then by id; fields and districts by unmet scenes, then idle achievements, then name. A node of
    several fields counts in each; districts and fields not filled in count as 未填. Cost: one ranking a scene that
    has not landed, one explanation a gap. ``look_at`` and ``Tally`` are its parts, for those who cannot wait.
    """
    engine.refresh()
    tally = Tally((n for n in engine.store.nodes("scene") if isinstance(n, Scene)), today=today, level=level)
    for done, scene in enumerate(tally.ranked, 1):
        tally.looked.add(look_at(engine, [scene], today=today, level=level))
        if progress:
            progress(done, len(tally.ranked))
    tally.count(n for n in engine.store.nodes("achievement") if isinstance(n, Achievement))
    return tally.gaps()


def look_at(engine: Engine, scenes: Iterable[Scene], *, today: date, level: int) -> Looked:
    """Rank some scenes that have not landed."""
    found = Looked()
    for scene in scenes:
        matches = engine.match(scene, top=_LISTED, today=today)
        still_open = is_open(scene, today)
        near = {m.key[1]: Near(scene=scene.id, level=m.level, score=m.score) for m in matches}
        unmet = still_open and (not matches or matches[0].level < level)
        found.add(
            Looked(
                unmet=[_unmet(engine, scene, matches[:1])] if unmet else [],
                closest=near if still_open else {},
                expired={} if still_open else near,
            )
        )
    return found


class Tally:
    """Adds up the gaps of a store: what ``looked`` at its scenes said, then its achievements, some at a time."""

    def __init__(self, scenes: Iterable[Scene], *, today: date, level: int) -> None:
        """``scenes`` are all there are. Raises ``ValueError`` for a level that is none of 2, 3, 4."""
        if level not in (2, 3, 4):
            raise ValueError("level must be 2, 3 or 4")
        everything = list(scenes)
        self.looked, self._level, self._all = Looked(), level, len(everything)
        # To be looked at, in this order.
        self.ranked = [scene for scene in everything if scene.status != _LANDED]
        self._open = [scene for scene in self.ranked if is_open(scene, today)]
        self._scenes = {scene.id: scene for scene in self.ranked}
        self._best: dict[str, Achievement] = {}
        self._idle: list[IdleAchievement] = []
        self._late: list[LateAchievement] = []
        self._by_field, self._by_district = _Counts(_fields_of), _Counts(_district_of)

    def count(self, achievements: Iterable[Achievement]) -> None:
        """Take in achievements, once everything has been looked at."""
        wanted = {one.best for one in self.looked.unmet}
        for node in achievements:
            if node.id in wanted:
                self._best[node.id] = node
            idle = self._idle_of(node, self.looked.closest.get(node.id))
            late = self._late_of(node, self.looked.expired.get(node.id)) if idle else None
            self._idle += [idle] if idle and not late else []
            self._late += [late] if late else []
            for counts in (self._by_field, self._by_district):
                counts.add(node, 2, matched=not idle or late is not None)

    def gaps(self) -> Gaps:
        """The sum."""
        found = [self._scene_gap(one) for one in self.looked.unmet if one.scene in self._scenes]
        without = {gap.scene.id for gap in found}
        fields, districts = self._by_field.copy(), self._by_district.copy()
        for scene in self._open:
            for counts in (fields, districts):
                counts.add(scene, 0, matched=scene.id not in without)
        return Gaps(
            level=self._level,
            scenes=tuple(sorted(found, key=lambda gap: (gap.best is not None, gap.score, gap.scene.id))),
            achievements=tuple(
                sorted(self._idle, key=lambda one: (-one.level, -one.score, one.achievement.id))
            ),
            late=tuple(sorted(self._late, key=lambda one: (-one.level, -one.score, one.achievement.id))),
            by_field=fields.balances(),
            by_district=districts.balances(),
            opened=len(self._open),
            closed=self._all - len(self._open),
            landed=self._all - len(self.ranked),
        )

    def _scene_gap(self, one: Unmet) -> SceneGap:
        best = self._best.get(one.best or "")
        return SceneGap(
            scene=self._scenes[one.scene], best=best, level=one.level, score=one.score, missing=one.missing
        )

    def _idle_of(self, node: Achievement, near: Near | None) -> IdleAchievement | None:
        if near is None:
            return IdleAchievement(achievement=node, best=None, level=1, score=0.0)
        if near.level >= self._level:
            return None
        scene = self._scenes.get(near.scene) if near.level > 1 else None
        return IdleAchievement(achievement=node, best=scene, level=near.level, score=near.score)

    def _late_of(self, node: Achievement, near: Near | None) -> LateAchievement | None:
        if near is None or near.level < self._level:
            return None
        return LateAchievement(
            achievement=node, scene=self._scenes[near.scene], level=near.level, score=near.score
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


def _unmet(engine: Engine, scene: Scene, first: Sequence[Match]) -> Unmet:
    for match, why in zip(first, engine.explain(scene, first), strict=False):
        if isinstance(why.found, Achievement):
            return Unmet(
                scene=scene.id,
                best=why.found.id,
                level=match.level,
                score=match.score,
                missing=tuple(_missing(why)),
            )
    return Unmet(scene=scene.id, best=None, level=1, score=0.0, missing=("库中没有可用的成果",))


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


def _fields_of(node: Node) -> Iterable[str]:
    return node.field or (UNSTATED,)


def _district_of(node: Node) -> Iterable[str]:
    return (node.district or UNSTATED,)


class _Counts:
    """By name of a group: scenes and those with a fit, achievements and those with one."""

    def __init__(self, groups: Callable[[Node], Iterable[str]]) -> None:
        self._groups = groups
        self._rows: dict[str, list[int]] = {}

    def copy(self) -> "_Counts":
        one = _Counts(self._groups)
        one._rows = {name: [*row] for name, row in self._rows.items()}
        return one

    def add(self, node: Node, at: int, *, matched: bool) -> None:
        for name in self._groups(node):
            row = self._rows.setdefault(name, [0, 0, 0, 0])
            row[at] += 1
            row[at + 1] += matched

    def balances(self) -> tuple[Balance, ...]:
        found = [
            Balance(name=n, scenes=a, scenes_matched=b, achievements=c, achievements_matched=d)
            for n, (a, b, c, d) in self._rows.items()
        ]
        return tuple(sorted(found, key=lambda b: (-b.unmet, -b.idle, b.name)))
