"""Long work: who asked for it, how far it is, what came of it, and a lease that a crashed worker loses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, tuple_, update

from graph.store.engine import Database, refusing
from graph.store.moments import moment_from, moment_text
from graph.store.records import canonical
from graph.store.tables import JOBS
from graph.values import clean_cell

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
JOB_STATES: tuple[JobState, ...] = ("queued", "running", "done", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work. ``attributes`` is what was asked, ``result`` what came of it (None until it ends).

    ``total`` is 0 until its worker is about to write; ``attempts`` is how often it was begun.
    """

    id: str
    kind: str
    partner: str
    actor: str
    state: JobState
    created_at: datetime
    updated_at: datetime
    lease_until: datetime | None
    done: int
    total: int
    attempts: int
    attributes: Mapping[str, Any]
    result: Mapping[str, Any] | None

    @property
    def cursor(self) -> tuple[datetime, str]:
        """Its place in ``Jobs.list``."""
        return (self.created_at, self.id)


class Jobs:
    """The jobs of one store. Raises ``Refused`` when the database fails, ``ValueError`` for a time without zone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        *,
        id: str,
        kind: str,
        actor: str,
        at: datetime,
        attributes: Mapping[str, Any],
        partner: str = "",
        total: int = 0,
    ) -> Job:
        """Queue a job; where there is one of this id, it stays as it is and is given."""
        moment = moment_text(at)
        row = {
            "id": id,
            "kind": kind,
            "partner": partner,
            "actor": actor,
            "state": "queued",
            "done": 0,
            "attempts": 0,
        }
        row |= {"created_at": moment, "updated_at": moment, "total": total}
        row |= {"attributes": canonical(dict(attributes))}
        query = select(JOBS).where(JOBS.c.id == id)
        with refusing(self._database.place), self._database.writing() as connection:
            if (found := connection.execute(query).first()) is not None:
                return _job(found)
            connection.execute(insert(JOBS).values(row))
            return _job(connection.execute(query).one())

    def take(self, kind: str, at: datetime, lease: timedelta) -> Job | None:
        """Begin the oldest job of the kind that is queued, or was begun by somebody whose lease has run out."""
        moment = moment_text(at)
        abandoned = and_(JOBS.c.state == "running", JOBS.c.lease_until <= moment)
        oldest = (
            select(JOBS.c.id)
            .where(JOBS.c.kind == kind, or_(JOBS.c.state == "queued", abandoned))
            .order_by(JOBS.c.created_at, JOBS.c.id)
            .limit(1)
        )
        begun: dict[str, Any] = {
            "state": "running",
            "updated_at": moment,
            "lease_until": moment_text(at + lease),
        }
        with refusing(self._database.place), self._database.writing() as connection:
            id = connection.execute(oldest).scalar_one_or_none()
            if id is None:
                return None
            begun |= {"attempts": JOBS.c.attempts + 1}
            connection.execute(update(JOBS).where(JOBS.c.id == id).values(begun))
            return _job(connection.execute(select(JOBS).where(JOBS.c.id == id)).one())

    def progress(self, id: str, done: int, total: int, at: datetime, lease: timedelta) -> bool:
        """Say how far a job is, and keep it for another lease; False if it is no longer running: leave off.

        With a ``total`` the job is about to write, and from now on not to be cancelled.
        """
        said = {"done": done, "total": total, "lease_until": moment_text(at + lease)}
        return self._change(id, ("running",), at, said)

    def keep(self, id: str, at: datetime, lease: timedelta) -> bool:
        """Keep a running job for another lease; False if it is no longer running."""
        return self._change(id, ("running",), at, {"lease_until": moment_text(at + lease)})

    def finish(
        self, id: str, state: Literal["done", "failed"], result: Mapping[str, Any] | None, at: datetime
    ) -> bool:
        """End a running job; False, with nothing changed, if it is not running (cancelled, ended by another)."""
        told = None if result is None else canonical(dict(result))
        return self._change(id, ("running",), at, {"state": state, "result": told, "lease_until": None})

    def cancel(self, id: str, at: datetime, *, begun: bool = False) -> bool:
        """Cancel a job before it writes anything; False, with nothing changed, if it may have begun to, or has ended.

        ``begun``: also one that says how far it is, which is for work that writes nothing but its result.
        """
        cancelled = {"state": "cancelled", "lease_until": None}
        return self._change(id, ("queued", "running"), at, cancelled, *([] if begun else [JOBS.c.total == 0]))

    def get(self, id: str) -> Job | None:
        """The job, or None."""
        # An id that would have to be cleaned is nobody's; drivers choke on some of them.
        if clean_cell(id) != id:
            return None
        with refusing(self._database.place), self._database.reading() as connection:
            found = connection.execute(select(JOBS).where(JOBS.c.id == id)).first()
            return None if found is None else _job(found)

    def counts(self) -> dict[JobState, int]:
        """How many jobs there are in every state (0 included)."""
        query = select(JOBS.c.state, func.count()).group_by(JOBS.c.state)
        found: dict[JobState, int] = dict.fromkeys(JOB_STATES, 0)
        with refusing(self._database.place), self._database.reading() as connection:
            found.update((state, count) for state, count in connection.execute(query))
        return found

    def prune(self, before: datetime) -> int:
        """Forget jobs that ended before a moment; gives how many."""
        ended = JOBS.c.state.in_(("done", "failed", "cancelled"))
        old = and_(ended, JOBS.c.updated_at < moment_text(before))
        with refusing(self._database.place), self._database.writing() as connection:
            return connection.execute(delete(JOBS).where(old)).rowcount

    def list(
        self,
        partner: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
        *,
        kind: str | None = None,
    ) -> Sequence[Job]:
        """The newest jobs, of a partner and a kind if given, after the one with the cursor ``after`` (see ``Job.cursor``)."""
        query = select(JOBS).order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc()).limit(max(0, limit))
        if partner is not None:
            query = query.where(JOBS.c.partner == partner)
        if kind is not None:
            query = query.where(JOBS.c.kind == kind)
        if after is not None:
            query = query.where(
                tuple_(JOBS.c.created_at, JOBS.c.id) < (moment_text(after[0]), clean_cell(after[1]))
            )
        with refusing(self._database.place), self._database.reading() as connection:
            return [_job(row) for row in connection.execute(query)]

    def _change(
        self,
        id: str,
        states: Sequence[JobState],
        at: datetime,
        values: Mapping[str, Any],
        *conditions: ColumnElement[bool],
    ) -> bool:
        if clean_cell(id) != id:
            return False
        changed = update(JOBS).where(JOBS.c.id == id, JOBS.c.state.in_(states), *conditions)
        with refusing(self._database.place), self._database.writing() as connection:
            done = connection.execute(changed.values({**values, "updated_at": moment_text(at)}))
            return done.rowcount == 1


def _job(row: Row[Any]) -> Job:
    values = dict(row._mapping)
    moments = {name: moment_from(values[name]) for name in ("created_at", "updated_at")}
    lease, result = values["lease_until"], values["result"]
    values |= {"attributes": json.loads(values["attributes"]), "result": result and json.loads(result)}
    return Job(**{**values, **moments, "lease_until": lease and moment_from(lease)})
