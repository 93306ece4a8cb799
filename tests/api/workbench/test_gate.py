"""The gate of the workbench: who opens which page, whose form is taken, and what a session is worth."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import select
from starlette.requests import Request

from api.application import create_app, page_routes
from api.settings import ServeSettings
from api.workbench import pages as workbench
from api.workbench import rendering
from api.workbench.access import DESK, EVERYBODY, WRITERS
from api.workbench.gate import OPEN_PAGES, safe_next
from api.workbench.people import ROLES, Role, move_user
from api.workbench.rendering import moved_on
from graph.store.tables import SESSIONS
from matcher.home import Home
from tests.api.conftest import Serve, Served
from tests.api.listening import lasting
from tests.api.workbench.conftest import Person, make_user, marks_of, token_of
from tests.api.workbench.roadshow_pages import ROADSHOW_PAGES
from tests.api.workbench.task_pages import TASK_PAGES

People = Callable[[Role], Person]
AUDIT: tuple[Role, ...] = ("officer", "administrator")
ADMIN: tuple[Role, ...] = ("administrator",)


@dataclass(frozen=True, slots=True)
class Page:
    """For whom a page is, and a request that it answers with ``status`` to these."""

    roles: tuple[Role, ...]
    url: str
    status: int = 200
    form: tuple[tuple[str, str], ...] | None = None


PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/"): Page(EVERYBODY, "/"),
    ("POST", "/sign-out"): Page(EVERYBODY, "/sign-out", 303, ()),
    ("GET", "/account/password"): Page(EVERYBODY, "/account/password"),
    ("POST", "/account/password"): Page(EVERYBODY, "/account/password", 422, ()),
    ("GET", "/search"): Page(DESK, "/search?q=无人机"),
    ("GET", "/match"): Page(DESK, "/match?scene=CJ-1"),
    ("GET", "/match/shortlist.xlsx"): Page(DESK, "/match/shortlist.xlsx?scene=CJ-1&id=CG-1"),
    ("GET", "/match/shortlist.docx"): Page(DESK, "/match/shortlist.docx?scene=CJ-1&id=CG-1"),
    ("GET", "/match/send"): Page(DESK, "/match/send?to=roadshow&scene=CJ-1&id=CG-1"),
    ("POST", "/match/send"): Page(DESK, "/match/send", 404, ()),
    ("GET", "/orders"): Page(DESK, "/orders"),
    ("GET", "/orders/{id}"): Page(DESK, "/orders/没有", 404),
    ("POST", "/orders/{id}/moves"): Page(WRITERS, "/orders/没有/moves", 404, ()),
    ("GET", "/organisations"): Page(DESK, "/organisations"),
    ("GET", "/organisations/{kind}/{id}"): Page(DESK, "/organisations/enterprise/QY-1"),
    ("GET", "/desk/lineups"): Page(DESK, "/desk/lineups"),
    ("GET", "/pair"): Page(DESK, "/pair?scene=CJ-1&found=CG-1&below=CG-2"),
    ("GET", "/compare"): Page(DESK, "/compare?scene=CJ-1&id=CG-1&id=CG-2"),
    ("POST", "/judgements"): Page(WRITERS, "/judgements", 404, ()),
    ("POST", "/outcomes"): Page(WRITERS, "/outcomes", 404, ()),
    ("POST", "/hidings"): Page(WRITERS, "/hidings", 404, ()),
    ("GET", "/imports"): Page(WRITERS, "/imports"),
    ("POST", "/imports"): Page(WRITERS, "/imports", 422, ()),
    ("GET", "/imports/template/{kind}"): Page(WRITERS, "/imports/template/scene"),
    ("GET", "/imports/{id}"): Page(WRITERS, "/imports/没有", 404),
    ("POST", "/imports/{id}"): Page(WRITERS, "/imports/没有", 404, ()),
    ("GET", "/imports/{id}/report.xlsx"): Page(WRITERS, "/imports/没有/report.xlsx", 404),
    ("GET", "/records"): Page(DESK, "/records"),
    ("GET", "/records/{kind}"): Page(DESK, "/records/scene"),
    ("GET", "/lists/{name}"): Page(DESK, "/lists/cases"),
    ("GET", "/records/{kind}/new"): Page(WRITERS, "/records/scene/new"),
    ("POST", "/records/{kind}/new"): Page(WRITERS, "/records/scene/new", 422, ()),
    ("GET", "/records/{kind}/{id}"): Page(DESK, "/records/scene/CJ-1"),
    ("GET", "/records/{kind}/{id}/edit"): Page(WRITERS, "/records/scene/CJ-1/edit"),
    ("POST", "/records/{kind}/{id}/edit"): Page(WRITERS, "/records/scene/CJ-1/edit", 412, ()),
    ("POST", "/records/{kind}/{id}/retire"): Page(WRITERS, "/records/scene/CJ-1/retire", 422, ()),
    ("GET", "/graph"): Page(DESK, "/graph?kind=scene&id=CJ-1"),
    ("GET", "/gaps"): Page(DESK, "/gaps"),
    ("POST", "/gaps"): Page(DESK, "/gaps", 303, ()),
    ("GET", "/gaps/gaps.xlsx"): Page(DESK, "/gaps/gaps.xlsx"),
    ("GET", "/admin"): Page(AUDIT, "/admin"),
    ("GET", "/admin/model"): Page(AUDIT, "/admin/model"),
    ("GET", "/admin/history"): Page(AUDIT, "/admin/history"),
    ("POST", "/admin/history/undo"): Page(ADMIN, "/admin/history/undo", 422, ()),
    ("GET", "/admin/users"): Page(ADMIN, "/admin/users"),
    ("POST", "/admin/users"): Page(ADMIN, "/admin/users", 422, ()),
    ("POST", "/admin/users/{login}"): Page(ADMIN, "/admin/users/nobody", 404, (("move", "disable"),)),
    ("GET", "/admin/keys"): Page(ADMIN, "/admin/keys"),
    ("POST", "/admin/keys"): Page(ADMIN, "/admin/keys", 422, ()),
    ("POST", "/admin/keys/{id}"): Page(ADMIN, "/admin/keys/0", 404, ()),
}


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One application for all of these tests; those that change its settings or end sessions start their own."""
    with lasting(_indexed, tmp_path_factory.mktemp("gate")) as running:
        yield running


def every_page(app: Any) -> set[tuple[str, str]]:
    routes = [route for route in page_routes(app) if route.path not in OPEN_PAGES]
    return {(method, route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}}


def test_every_page_is_in_the_table(served: Served) -> None:
    assert every_page(served.app) == {*PAGES, *ROADSHOW_PAGES, *TASK_PAGES}


@pytest.mark.parametrize("role", ROLES)
def test_a_page_opens_for_its_roles_and_for_no_other(people: People, served: Served, role: Role) -> None:
    person = people(role)
    for (method, path), page in PAGES.items():
        if path == "/sign-out":
            continue
        if method == "GET":
            answer = person.get(page.url)
        else:
            marks = marks_of(person.get("/account/password").text)
            answer = person.client.post(page.url, data=marks | dict(page.form or ()))
        assert answer.status_code == (page.status if role in page.roles else 403), (
            role,
            method,
            path,
            answer.text,
        )
        if role not in page.roles:
            assert "您的角色" in answer.text
    assert people(role).send("/sign-out", "/", {}).status_code == 303
    assert person.get("/").status_code == 303


def test_nothing_opens_without_a_session(served: Served) -> None:
    stranger = Person(served, "nobody")
    for (method, path), page in PAGES.items():
        if method == "GET":
            answer = stranger.get(page.url)
            assert (answer.status_code, answer.text) == (303, ""), path
            assert answer.headers["location"].startswith("/sign-in")
    answer = stranger.client.post("/judgements", data={"scene": "CJ-1"})
    assert answer.status_code == 401
    assert served.store.judgements() == []


def test_a_form_without_the_token_of_its_session_does_nothing(people: People, served: Served) -> None:
    person = people("administrator")
    before = served.store.revision()
    for (method, path), page in PAGES.items():
        if method != "POST":
            continue
        fields = dict(page.form or ())
        assert person.client.post(page.url, data=fields).status_code == 403, path
        answer = person.client.post(page.url, data=fields | {"_token": "0" * 40})
        assert answer.status_code == 409, path
        assert "刚才填的内容还在" in answer.text
    assert served.store.revision() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://elsewhere.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://testserver"},
        {"origin": "null"},
    ],
)
def test_a_form_of_another_site_is_refused(people: People, headers: dict[str, str]) -> None:
    answer = people("staff").send("/sign-out", "/", {}, headers=headers)
    assert answer.status_code == 403
    assert "别的网站" in answer.text
    assert people("staff").get("/").status_code == 200


def test_sessions_end_by_time_by_idleness_and_with_the_account(serve: Serve) -> None:
    served = serve()
    store = served.store
    make_user(store, "staff")
    person = Person(served, "staff")
    assert person.sign_in().status_code == 303
    (digest,) = _sessions(store)
    assert store.accounts.session(digest, datetime.now(UTC), timedelta(hours=2)) is not None
    assert store.accounts.session(digest, datetime.now(UTC), timedelta(0)) is None
    assert store.accounts.session(digest, datetime.now(UTC) + timedelta(hours=12), timedelta(days=9)) is None
    move_user(store, "staff", "disable", actor="程某", at=datetime.now(UTC), values={"reason": "调岗"})
    assert person.get("/").status_code == 303
    assert person.sign_in().status_code == 401


def _sessions(store: Any) -> list[str]:
    with store._database.reading() as connection:
        return [row.digest for row in connection.execute(select(SESSIONS.c.digest))]


def test_an_idle_session_ends_and_its_form_is_shown_again_after_signing_in(serve: Serve) -> None:
    served = serve(session_idle=timedelta(0))
    make_user(served.store, "staff")
    person = Person(served, "staff")
    assert person.sign_in().status_code == 303
    reason = "<b>抗风</b> & 航程都够"
    late = person.client.post("/judgements", data={"_token": "x", "scene": "CJ-1", "achievement": "CG-1", "level": "4", "reason": reason})  # fmt: skip
    assert late.status_code == 401
    assert "填的内容还在" in late.text
    kept = re.findall(r'name="kept" value="([^"]*)"', late.text)[0].replace("&#34;", '"')
    sent = {
        "_token": token_of(late.text), "login": "staff", "password": "三只海鸥飞过珠江口外", "next": "/judgements",
        "kept": html.unescape(kept),
    }  # fmt: skip
    again = person.client.post("/sign-in", data=sent)
    assert again.status_code == 200
    assert "&lt;b&gt;抗风&lt;/b&gt; &amp; 航程都够" in again.text
    assert "<b>抗风</b>" not in again.text
    assert 'action="/judgements"' in again.text


def test_every_page_forbids_scripts_of_others_and_is_kept_by_nobody(people: People) -> None:
    person = people("staff")
    for path in ("/", "/match?scene=CJ-1", "/records/scene/没有", "/sign-in", "/static/x/forms.js"):
        headers = person.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'"), path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert ("no-store" in headers["cache-control"]) == ("static" not in path)


def test_a_refusal_is_a_page_for_people_and_a_document_for_programs(people: People) -> None:
    person = people("staff")
    page = person.get("/records/scene/没有")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["x-request-id"] in page.text
    assert "没有编号为" in page.text
    document = person.get("/records/scene/没有", headers={"accept": "application/json"})
    assert document.headers["content-type"] == "application/problem+json"


def test_cookies_are_out_of_reach_of_scripts_and_secure_behind_https(people: People, served: Served) -> None:
    people("staff")
    plain = Person(served, "staff").sign_in().headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "Secure" not in plain
    person = Person(served, "staff")
    person.client.base_url = "https://testserver"
    assert "Secure" in person.sign_in().headers["set-cookie"]


def test_a_route_that_declares_no_role_or_takes_a_form_without_token_is_not_served(
    monkeypatch: pytest.MonkeyPatch, indexed: Path
) -> None:
    for method, told in (("get", "without a scope or role"), ("post", "without a scope or role")):
        router = APIRouter()
        getattr(router, method)("/match/loose")(lambda: None)
        monkeypatch.setattr(workbench, "ROUTERS", (*workbench.ROUTERS, router))
        with pytest.raises(RuntimeError, match=told):
            create_app(ServeSettings(home=Home(path=indexed), encoder="bigrams"))
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/match?scene=CJ-1", "/match?scene=CJ-1"), ("//evil.example", "/"), ("/\\evil.example", "/"),
        ("https://evil.example/", "/"), ("javascript:alert(1)", "/"), ("/a\nb", "/"), ("", "/"),
    ],
)  # fmt: skip
def test_after_signing_in_one_goes_to_a_page_of_ours(asked: str, given: str) -> None:
    assert safe_next(asked) == given


def test_partners_and_pages_have_doors_of_their_own(people: People, served: Served) -> None:
    person = people("administrator")
    assert person.get("/v1/scenes").status_code == 401  # a session opens nothing of the API
    portal = served.portal("city", audience="staff")
    assert portal.client.get("/match", headers={"Authorization": f"Bearer {portal.token}"}, follow_redirects=False).status_code == 303  # fmt: skip


def test_passwords_are_tried_at_a_limited_rate(serve: Serve) -> None:
    served = serve(strangers_per_minute=3)
    person = Person(served, "staff")
    answers = [person.sign_in("错的密码就是错的").status_code for _ in range(5)]
    assert answers[:3] == [401, 401, 401]
    assert 429 in answers


def test_signing_out_when_the_session_has_ended_leads_to_the_sign_in(served: Served) -> None:
    answer = Person(served, "nobody").client.post("/sign-out", data={"_token": "x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_stranger_with_a_giant_form_is_sent_to_sign_in(served: Served) -> None:
    fields = {f"f{n}": "x" for n in range(3_000)}
    answer = Person(served, "nobody").client.post("/judgements", data=fields)
    assert answer.status_code == 401
    assert "登录已过期，请重新登录" in answer.text


@pytest.mark.parametrize("kept", ["[" * 100_000, '[["\\ud800", "x"]]', "{}", "1"])
def test_what_is_no_kept_form_is_dropped_at_the_sign_in(served: Served, kept: str) -> None:
    person = Person(served, "nobody")
    sent = {"_token": token_of(person.get("/sign-in").text), "login": "nobody", "password": "x", "kept": kept}
    answer = person.client.post("/sign-in", data=sent)
    assert answer.status_code == 401
    assert 'name="kept"' not in answer.text


def test_a_message_of_any_length_fits_the_cookie_it_travels_in() -> None:
    for said in ("已保存：渔港", "请留意" * 400, "😀" * 600):
        (cookie,) = moved_on("/", said=said).headers.getlist("set-cookie")
        assert len(cookie.partition(";")[0]) <= 4_096
        shown = rendering._flash(Request({"type": "http", "headers": [(b"cookie", cookie.encode())]}))
        assert shown is not None
        assert shown[1] == said or shown[1] == said[: len(shown[1]) - 2] + "……"


def test_what_was_kept_is_shown_under_names_that_people_know(people: People) -> None:
    fields = {
        "seen": "0f3a",
        "move": "answer",
        "number": "1",
        "text": "已核实",
        "mark:指标响应": "20",
        "days": "9",
        "anything": "甲",
    }
    answer = people("staff").client.post("/judgements", data=fields | {"_token": "0" * 40})
    shown = re.findall(r'<dt>(.*?)</dt><dd class="whole">(.*?)</dd>', answer.text)
    assert shown == [
        ("第几条", "1"),
        ("内容", "已核实"),
        ("指标响应", "20"),
        ("有效天数", "9"),
        ("其他内容", "甲"),
    ]
    assert 'name="seen" value="0f3a"' in answer.text
