"""A roadshow beside the data as they are now: candidates, rules, conflicts, the best lineup, who is left out and why."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property

import numpy as np

from graph.problems import Refused
from matcher.engine import Engine
from matcher.lineup import Broken, Mask, Pool, Row, Rule, Terms, broken, objective, rows_of
from matcher.lineup_candidates import Asked, gather
from matcher.lineup_conflicts import Clash, clash
from matcher.lineup_exchange import LeftOut, left_out
from matcher.lineup_program import Found, Undecided, best_lineup
from matcher.roadshows import Roadshow

Shown = tuple[tuple[str, frozenset[str]], ...]
# Of those left out so many are told why, by what they are worth; the first of them exactly.
_TOLD, _EXACT = 20, 10


class Live:
    """A roadshow beside the data as they are now: its candidates, rules, conflicts. Nothing is written."""

    def __init__(
        self, engine: Engine, roadshow: Roadshow, *, shown: Shown, today: date, also: Collection[str] = ()
    ) -> None:
        """``shown``: see ``shown_before``; ``also`` are ids that shall be candidates whatever their rank."""
        self.engine, self.roadshow, self.today, self._shown, self._also = engine, roadshow, today, shown, also

    @cached_property
    def asked(self) -> Asked:
        """Where the candidates come from."""
        own = self.roadshow
        named = [*own.ids, *(pitch.achievement for pitch in own.alternates), *own.must, *self._also]
        return Asked(
            theme=own.theme, field=own.field, about=own.about, only=own.shortlist, extra=tuple(dict.fromkeys(named)),
            size=own.number("size"), likeness=own.number("likeness"), shown=self._shown,
        )  # fmt: skip

    @cached_property
    def pool(self) -> Pool:
        """The candidates now."""
        return gather(self.engine, self.asked, today=self.today)

    @cached_property
    def terms(self) -> Terms:
        """What the organiser asks for."""
        return self.roadshow.terms

    @cached_property
    def rows(self) -> list[Row]:
        """The rules over the candidates."""
        return rows_of(self.pool, self.terms)

    @cached_property
    def chosen(self) -> Mask:
        """Who of the candidates is on stage."""
        return self.pool.mask(self.roadshow.ids)

    @cached_property
    def conflicts(self) -> tuple[Broken, ...]:
        """Every rule that the lineup breaks now; who is on stage and no longer to be seen is one too."""
        gone = [pitch for pitch in self.roadshow.stage if self.pool.place(pitch.achievement) is None]
        lost = [
            Broken(
                rule=Rule(kind="must_not", about=pitch.achievement, text="不在库中"), subject="", touches=(pitch.achievement,),
                message=f"“{pitch.title}”（{pitch.achievement}）已不在库中，或不在可见范围内",
            )
            for pitch in gone
        ]  # fmt: skip
        absent = [id for kind, id in self.roadshow.about if self.engine.store.get(kind, id) is None]
        lost += [
            Broken(
                rule=Rule(kind="coverage", about=id, level="hint", text="不在库中"), subject=id, touches=(),
                message=f"受邀的 {id} 已不在库中，或不在可见范围内",
            )
            for id in absent
        ]  # fmt: skip
        return (*lost, *broken(self.pool, self.rows, self.chosen))

    @property
    def total(self) -> int:
        """What the lineup is worth now, in millionths."""
        return objective(self.pool, self.terms, self.chosen)

    def with_roadshow(self, roadshow: Roadshow) -> "Live":
        """The same data beside the roadshow after a change, worked out anew only where that asks other candidates."""
        after = Live(self.engine, roadshow, shown=self._shown, today=self.today, also=self._also)
        known = set(self.asked.extra) | set(self.pool.ids)
        if (
            replace(after.asked, extra=()) == replace(self.asked, extra=())
            and set(after.asked.extra) <= known
        ):
            after.__dict__["pool"] = self.pool
        return after

    def solved(self, *, keep: bool) -> Found | Clash:
        """The best lineup under the rules; with ``keep`` as few of those on stage as possible leave.

        Raises ``Refused`` (``lineup_undecided``) where neither a lineup nor a reason was found within the effort.
        """
        if not self.pool.listeners:
            raise Refused(
                "theme_missing", "没有主题，也没有可见的受邀场景。", "请写主题，或邀请至少一个场景。"
            )
        before = self.chosen if keep else None
        found = best_lineup(self.pool, self.rows, self.terms, before=before, hint=self.chosen)
        if isinstance(found, Found):
            return found
        why = None if isinstance(found, Undecided) else clash(self.pool, self.rows, self.terms)
        if why is None:
            raise Refused(
                "lineup_undecided", "在限定的计算量内没有排出来，也没有找到原因。", "请减少规则或候选数。"
            )
        return why

    def best(self) -> Found | None:
        """The best lineup if nothing were locked; None if there is none."""
        free = [row for row in self.rows if row.rule.kind != "lock"]
        found = best_lineup(self.pool, free, replace(self.terms, locks=()), hint=self.chosen)
        return found if isinstance(found, Found) else None

    def left_out(self, ids: Sequence[str] | None = None) -> list[LeftOut]:
        """Why candidates are not on stage: those named, each exactly; else those worth most, the first exactly."""
        now = Found(chosen=self.chosen, total=self.total, bound=self.total, proven=True)
        if ids is None:
            order = np.argsort(-self.pool.value, kind="stable").tolist()
            places = [at for at in order if not self.chosen[at]][:_TOLD]
        else:
            places = [at for id in ids if (at := self.pool.place(id)) is not None and not self.chosen[at]]
        return [
            left_out(self.pool, self.rows, self.terms, now, at, exactly=ids is not None or number < _EXACT)
            for number, at in enumerate(places)
        ]
