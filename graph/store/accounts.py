"""How people sign in: password hashes, wrong tries, sessions. Not in the history, which forgets nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from graph.store.engine import Database, refusing
from graph.store.moments import moment_from, moment_text
from graph.store.tables import CREDENTIALS, SESSIONS
from graph.values import clean_cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a person's password is checked against, and how often in a row it was wrong."""

    secret_hash: str
    must_change: bool
    failures: int
    locked_until: datetime | None

    def is_locked(self, at: datetime) -> bool:
        """Whether no password is looked at for now."""
        return self.locked_until is not None and at < self.locked_until


class Accounts:
    """The credentials and sessions of one store. Raises ``Refused`` when the database fails.

    Sessions are kept under a digest of what the browser holds, so that who reads the database cannot enter by it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def credential(self, person: str) -> Credential | None:
        """The credential of a person, or None."""
        if clean_cell(person) != person:
            return None
        query = select(CREDENTIALS).where(CREDENTIALS.c.person == person)
        with refusing(self._database.place), self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        locked = row.locked_until
        return Credential(
            secret_hash=row.secret_hash,
            must_change=bool(row.must_change),
            failures=row.failures,
            locked_until=None if locked is None else moment_from(locked),
        )

    def set_password(self, person: str, secret_hash: str, *, must_change: bool) -> None:
        """Put a password in place of whatever was there; every session of the person ends, and so does a lock."""
        row = {"person": person, "secret_hash": secret_hash, "must_change": int(must_change), "failures": 0}
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(delete(CREDENTIALS).where(CREDENTIALS.c.person == person))
            connection.execute(insert(CREDENTIALS).values(row))
            connection.execute(delete(SESSIONS).where(SESSIONS.c.person == person))

    def note_failure(self, person: str, at: datetime, *, most: int, lasts: timedelta) -> int:
        """Count a wrong password; the ``most``-th in a row locks the account for ``lasts``. Gives the count."""
        mine = CREDENTIALS.c.person == person
        with refusing(self._database.place), self._database.writing() as connection:
            failures = (connection.execute(select(CREDENTIALS.c.failures).where(mine)).scalar() or 0) + 1
            locked = failures >= most
            values = {"failures": 0 if locked else failures}
            if locked:
                values["locked_until"] = moment_text(at + lasts)
            connection.execute(update(CREDENTIALS).where(mine).values(values))
        return failures

    def open_session(self, digest: str, person: str, at: datetime, lasts: timedelta) -> None:
        """Begin a session; wrong tries of before are forgotten."""
        row = {
            "digest": digest,
            "person": person,
            "seen_at": moment_text(at),
            "until": moment_text(at + lasts),
        }
        mine = CREDENTIALS.c.person == person
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(insert(SESSIONS).values(row))
            connection.execute(update(CREDENTIALS).where(mine).values(failures=0, locked_until=None))

    def session(self, digest: str, at: datetime, idle: timedelta) -> tuple[str, datetime] | None:
        """Whose session it is and when it was last used; None if it has ended or was idle for longer than ``idle``."""
        query = select(SESSIONS).where(SESSIONS.c.digest == digest)
        with refusing(self._database.place), self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None or row.until <= moment_text(at) or row.seen_at <= moment_text(at - idle):
            return None
        return row.person, moment_from(row.seen_at)

    def touch(self, digest: str, at: datetime) -> None:
        """Note that a session is used."""
        used = update(SESSIONS).where(SESSIONS.c.digest == digest).values(seen_at=moment_text(at))
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(used)

    def close_session(self, digest: str) -> None:
        """End a session; one that is not there is no trouble."""
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == digest))

    def close_sessions(self, person: str) -> int:
        """End every session of a person; gives how many there were."""
        with refusing(self._database.place), self._database.writing() as connection:
            return connection.execute(delete(SESSIONS).where(SESSIONS.c.person == person)).rowcount

    def prune(self, at: datetime) -> int:
        """Forget sessions that have ended; gives how many."""
        over = SESSIONS.c.until < moment_text(at)
        with refusing(self._database.place), self._database.writing() as connection:
            return connection.execute(delete(SESSIONS).where(over)).rowcount
