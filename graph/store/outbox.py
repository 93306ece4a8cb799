"""The outbox: what the history gives webhooks to be sent, in order per record, until it arrives or is given up."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, and_, delete, exists, func, insert, select, update

from graph.store.engine import Database, refusing
from graph.store.history import Entry, entries_since, head
from graph.store.moments import moment_from, moment_text
from graph.store.settings import set_setting, setting
from graph.store.snapshot import chunks
from graph.store.tables import DELIVERIES
from graph.values import clean_cell

DeliveryState = Literal["waiting", "delivered", "failed", "dropped"]
DELIVERY_STATES: tuple[DeliveryState, ...] = ("waiting", "delivered", "failed", "dropped")

# The setting with the number of the last history row that was turned into deliveries.
_MARK = "outbox_seq"
# How much is kept of what a stranger's server says of an error.
_ERROR_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """What is to be sent to a webhook: of which record (its key as text), for which history row, from when on."""

    webhook: str
    partner: str
    subject: str
    event: str
    seq: int
    body: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery and how far it is: waiting, delivered, failed (given up) or dropped (nobody wants it)."""

    id: int
    webhook: str
    partner: str
    subject: str
    event: str
    seq: int
    body: str
    state: DeliveryState
    attempts: int
    due_at: datetime
    last_at: datetime | None
    last_status: int | None
    last_error: str
    created_at: datetime


class Outbox:
    """The outbox of one store. Raises ``Refused`` when the database fails, ``ValueError`` for a time without zone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unread(self, limit: int) -> tuple[int, list[Entry]]:
        """The mark, and the first history rows after it; the very first time the mark is set at the end."""
        with refusing(self._database.place), self._database.reading() as connection:
            mark = setting(connection, _MARK)
            if mark is not None:
                return int(mark), entries_since(connection, int(mark), limit)
        with refusing(self._database.place), self._database.writing() as connection:
            # Another program may have set it between the two looks.
            if (mark := setting(connection, _MARK)) is None:
                mark = str(head(connection).seq)
                set_setting(connection, _MARK, mark)
            return int(mark), entries_since(connection, int(mark), limit)

    def fan_out(self, mark_from: int, mark_to: int, deliveries: Sequence[NewDelivery]) -> bool:
        """Queue the deliveries of the rows up to ``mark_to`` and move the mark there, both or neither.

        False, with nothing done, if the mark is not at ``mark_from``: another program was quicker.
        """
        rows = [_new_row(delivery) for delivery in deliveries]
        with refusing(self._database.place), self._database.writing() as connection:
            if setting(connection, _MARK) != str(mark_from):
                return False
            set_setting(connection, _MARK, str(mark_to))
            for some in chunks(rows):
                connection.execute(insert(DELIVERIES), some)
            return True

    def due(self, at: datetime, limit: int, lease: timedelta) -> list[Delivery]:
        """Take deliveries to be sent now, the longest due first; nobody else gets them before the lease is over.

        Of each webhook and record only the first that is waiting: a later change never overtakes an earlier one.
        """
        earlier = DELIVERIES.alias()
        has_earlier = exists().where(
            earlier.c.webhook == DELIVERIES.c.webhook,
            earlier.c.subject == DELIVERIES.c.subject,
            earlier.c.state == "waiting",
            earlier.c.id < DELIVERIES.c.id,
        )
        query = (
            select(DELIVERIES)
            .where(DELIVERIES.c.state == "waiting", DELIVERIES.c.due_at <= moment_text(at), ~has_earlier)
            .order_by(DELIVERIES.c.due_at, DELIVERIES.c.id)
            .limit(max(0, limit))
        )
        taken = {"due_at": moment_text(at + lease)}
        with refusing(self._database.place), self._database.writing() as connection:
            found = [_delivery(row) for row in connection.execute(query)]
            for some in chunks(one.id for one in found):
                connection.execute(update(DELIVERIES).where(DELIVERIES.c.id.in_(some)).values(taken))
            return found

    def delivered(self, id: int, status: int, at: datetime) -> None:
        """A waiting delivery has arrived."""
        self._attempted(id, {"state": "delivered"}, status, "", at)

    def postpone(self, id: int, status: int | None, error: str, at: datetime, due_at: datetime) -> None:
        """A waiting delivery did not arrive and is to be tried again at ``due_at``."""
        self._attempted(id, {"due_at": moment_text(due_at)}, status, error, at)

    def hold(self, id: int, due_at: datetime) -> None:
        """Leave a waiting delivery until ``due_at``; it counts as no attempt."""
        waiting = and_(DELIVERIES.c.id == id, DELIVERIES.c.state == "waiting")
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(update(DELIVERIES).where(waiting).values(due_at=moment_text(due_at)))

    def wake(self, webhook: str, at: datetime) -> None:
        """What waits for a webhook is due at once, whatever it was left for."""
        mine = and_(DELIVERIES.c.webhook == webhook, DELIVERIES.c.state == "waiting")
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(update(DELIVERIES).where(mine).values(due_at=moment_text(at)))

    def drop(self, id: int) -> None:
        """A waiting delivery is not to be sent any more."""
        waiting = and_(DELIVERIES.c.id == id, DELIVERIES.c.state == "waiting")
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(update(DELIVERIES).where(waiting).values(state="dropped"))

    def give_up(self, id: int, status: int | None, error: str, at: datetime) -> None:
        """A waiting delivery did not arrive and is not tried again; later ones of its record go on."""
        self._attempted(id, {"state": "failed"}, status, error, at)

    def replay(
        self, webhook: str, *, since_id: int | None = None, ids: Iterable[int] | None = None, at: datetime
    ) -> int:
        """Send again what was delivered or given up: all from ``since_id`` on, or ``ids``; gives how many."""
        ended = (DELIVERIES.c.webhook == webhook, DELIVERIES.c.state.in_(("delivered", "failed")))
        again = update(DELIVERIES).where(*ended)
        again = again.values(state="waiting", attempts=0, due_at=moment_text(at))
        if since_id is not None:
            again = again.where(DELIVERIES.c.id >= since_id)
        with refusing(self._database.place), self._database.writing() as connection:
            if ids is None:
                return connection.execute(again).rowcount
            several = (again.where(DELIVERIES.c.id.in_(some)) for some in chunks(ids))
            return sum(connection.execute(statement).rowcount for statement in several)

    def drop_waiting(self, webhook: str) -> int:
        """Drop what waits for a webhook; gives how many."""
        mine = and_(DELIVERIES.c.webhook == webhook, DELIVERIES.c.state == "waiting")
        with refusing(self._database.place), self._database.writing() as connection:
            return connection.execute(update(DELIVERIES).where(mine).values(state="dropped")).rowcount

    def log(self, webhook: str, after: int | None = None, limit: int = 50) -> list[Delivery]:
        """The newest deliveries of a webhook, older than the one with the id ``after`` if given."""
        query = select(DELIVERIES).where(DELIVERIES.c.webhook == webhook)
        if after is not None:
            query = query.where(DELIVERIES.c.id < after)
        query = query.order_by(DELIVERIES.c.id.desc()).limit(max(0, limit))
        with refusing(self._database.place), self._database.reading() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def counts(self) -> dict[DeliveryState, int]:
        """How many deliveries there are in every state (0 included)."""
        query = select(DELIVERIES.c.state, func.count()).group_by(DELIVERIES.c.state)
        found: dict[DeliveryState, int] = dict.fromkeys(DELIVERY_STATES, 0)
        with refusing(self._database.place), self._database.reading() as connection:
            found.update((state, count) for state, count in connection.execute(query))
        return found

    def prune(self, before: datetime) -> int:
        """Forget what is not waiting and was last tried (else made) before a moment; gives how many."""
        last = func.coalesce(DELIVERIES.c.last_at, DELIVERIES.c.created_at)
        old = and_(DELIVERIES.c.state != "waiting", last < moment_text(before))
        with refusing(self._database.place), self._database.writing() as connection:
            return connection.execute(delete(DELIVERIES).where(old)).rowcount

    def _attempted(
        self, id: int, values: dict[str, Any], status: int | None, error: str, at: datetime
    ) -> None:
        tried = {"attempts": DELIVERIES.c.attempts + 1, "last_at": moment_text(at), "last_status": status}
        said = {**values, **tried, "last_error": clean_cell(error)[:_ERROR_LIMIT]}
        # What was dropped meanwhile stays dropped.
        waiting = and_(DELIVERIES.c.id == id, DELIVERIES.c.state == "waiting")
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(update(DELIVERIES).where(waiting).values(said))


def _new_row(new: NewDelivery) -> dict[str, Any]:
    row = asdict(new)
    made = moment_text(row.pop("at"))
    return {**row, "state": "waiting", "attempts": 0, "due_at": made, "last_error": "", "created_at": made}


def _delivery(row: Row[Any]) -> Delivery:
    values = dict(row._mapping)
    last = values["last_at"]
    moments = {name: moment_from(values[name]) for name in ("due_at", "created_at")}
    return Delivery(**{**values, **moments, "last_at": last and moment_from(last)})
