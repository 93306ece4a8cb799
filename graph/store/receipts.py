"""Answers given once per key: a request sent again gets the answer of the first time, and does nothing twice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, insert, select, update

from graph.store.engine import Database, refusing
from graph.store.moments import moment_text
from graph.store.records import canonical
from graph.store.tables import RECEIPTS


@dataclass(frozen=True, slots=True)
class Claimed:
    """The request is the caller's to do, and then to ``settle`` or ``release``."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody is doing the request; there is no answer yet."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer that the request was given."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Receipts:
    """The receipts of one store; ``scope`` says whose key it is. Raises ``Refused`` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self, scope: str, key: str, fingerprint: str, at: datetime, lease: timedelta
    ) -> Claimed | Receipt | Pending | Mismatch:
        """Claim the request for the caller, unless it was claimed before; of several at once one gets it.

        A claim without answer that is older than ``lease`` was abandoned: the same request claims it anew.
        """
        with refusing(self._database.place), self._database.writing() as connection:
            found = connection.execute(select(RECEIPTS).where(_at(scope, key))).first()
            if found is None:
                row = {"scope": scope, "key": key, "fingerprint": fingerprint, "at": moment_text(at)}
                connection.execute(insert(RECEIPTS).values(row))
                return Claimed()
            if found.fingerprint != fingerprint:
                return Mismatch()
            if found.status is not None:
                headers = json.loads(found.headers)
                return Receipt(status=found.status, headers=headers, body=bytes(found.body))
            if found.at >= moment_text(at - lease):
                return Pending()
            connection.execute(update(RECEIPTS).where(_at(scope, key)).values(at=moment_text(at)))
            return Claimed()

    def settle(self, scope: str, key: str, *, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Keep the answer; one that is kept already stays as it is, and a key not claimed gets none."""
        answer = {"status": status, "headers": canonical(dict(headers)), "body": body}
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(update(RECEIPTS).where(_unanswered(scope, key)).values(answer))

    def release(self, scope: str, key: str) -> None:
        """Forget a claim without answer, so that the request can be made again at once."""
        with refusing(self._database.place), self._database.writing() as connection:
            connection.execute(delete(RECEIPTS).where(_unanswered(scope, key)))

    def prune(self, before: datetime) -> int:
        """Forget what was claimed before a moment, answered or not; gives how many."""
        old = RECEIPTS.c.at < moment_text(before)
        with refusing(self._database.place), self._database.writing() as connection:
            return connection.execute(delete(RECEIPTS).where(old)).rowcount


def _at(scope: str, key: str) -> ColumnElement[bool]:
    return and_(RECEIPTS.c.scope == scope, RECEIPTS.c.key == key)


def _unanswered(scope: str, key: str) -> ColumnElement[bool]:
    return and_(_at(scope, key), RECEIPTS.c.status.is_(None))
