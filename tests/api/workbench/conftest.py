"""People at the workbench of the small world: each a client with a session, in process."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from api.workbench import people as accounts
from api.workbench.people import Role, User, add_user, change_password
from tests.api.conftest import Served
from tests.api.workbench.browser import PASSWORD

NAMES = {
    "staff": "张敏",
    "organiser": "林屿",
    "expert": "舒曼",
    "officer": "何主任",
    "administrator": "系统管理员",
}


@pytest.fixture(scope="package", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Hashes of passwords that cost nothing: how expensive the real ones are, test_people.py tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


class Person:
    """Somebody signed in: a client with cookies of its own, that fills in forms as a browser does."""

    def __init__(self, served: Served, login: str) -> None:
        self.client = TestClient(served.app, raise_server_exceptions=False, follow_redirects=False)
        # On the loop of the application that runs, where what it waits for is.
        self.client.portal = served.client.portal
        self.login = login

    def get(self, path: str, **options: Any) -> Any:
        """A page; redirects are not followed."""
        return self.client.get(path, **options)

    def sign_in(self, password: str = PASSWORD, next: str = "/") -> Any:
        """The answer to the sign-in form."""
        token = token_of(self.get("/sign-in").text)
        return self.client.post(
            "/sign-in", data={"_token": token, "login": self.login, "password": password, "next": next}
        )

    def send(self, path: str, form_at: str, fields: dict[str, Any], **options: Any) -> Any:
        """The answer to a form of the page ``form_at``, sent to ``path``."""
        found = self.get(form_at).text
        return self.client.post(path, data=marks_of(found) | fields, **options)


def token_of(page: str) -> str:
    """The token of a page's forms."""
    return marks_of(page)["_token"]


def marks_of(page: str) -> dict[str, str]:
    """The hidden marks that every form of ours carries."""
    return {
        name: html.unescape(value)
        for name in ("_token", "_once")
        for value in re.findall(f'name="{name}" value="([^"]*)"', page)[:1]
    }


@pytest.fixture
def people(served: Served) -> Callable[[Role], Person]:
    """Gives somebody of a role, signed in; the account is made at the first time."""
    known: dict[str, Person] = {}

    def person(role: Role) -> Person:
        if role not in known:
            if served.store.process(User, role) is None:
                make_user(served.store, role)
            known[role] = Person(served, role)
            assert known[role].sign_in().status_code == 303
        return known[role]

    return person


def make_user(store: Any, role: Role, **about: Any) -> None:
    """An account named like its role, whose password is no one-time one any more."""
    user, password = add_user(
        store, login=role, name=NAMES[role], role=role, actor="程某", at=datetime.now(UTC), **about
    )
    change_password(store, user, password, PASSWORD)
