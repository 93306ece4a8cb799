"""The description for people: every operation on one page, which fetches nothing from anywhere."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from api.routes.docs import _page
from tests.api.conftest import Served
from tests.api.listening import lasting


@pytest.fixture(scope="module")
def served(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application for these tests."""
    with lasting(_indexed, tmp_path_factory.mktemp("docs")) as served:
        yield served


class Tags(HTMLParser):
    """The tags of a page with their attributes, and that they are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_has_every_operation_and_fetches_nothing(served: Served) -> None:
    answer = served.client.get("/docs")
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    tags = Tags(answer.text)
    described = {attributes["id"] for tag, attributes in tags.found if tag == "details"}
    document = served.client.get("/openapi.json").json()
    assert described == {one["operationId"] for path in document["paths"].values() for one in path.values()}
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in tags.found}
    assert {attributes["href"] for tag, attributes in tags.found if tag == "a"} == {"/openapi.json"}


def test_the_page_speaks_chinese_and_shows_examples(served: Served) -> None:
    page = served.client.get("/docs").text
    assert '<html lang="zh-CN">' in page
    for text in (
        "一键点单",
        "Idempotency-Key",
        "海岛应急物资无人机投送",
        "<b>翻页</b>",
        "<code>cursor</code>",
    ):
        assert text in page
    # What partners come for stands first, what only those who run it need last.
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert (headings[0], headings[-1]) == ("匹配", "运行")
    # The framework's own word for every answer is no heading.
    assert "Successful Response" not in page


def test_whatever_a_description_says_is_text(served: Served) -> None:
    bad = '<script>alert(1)</script>"&'
    document: dict[str, Any] = {
        "info": {"description": f"* **{bad}**"},
        "components": {"schemas": {"X": {"properties": {bad: {"type": bad, "description": bad}}, "examples": [{bad: bad}]}}},
        "paths": {f"/{bad}": {"get": {
            "operationId": bad, "summary": bad, "tags": [bad], "parameters": [{"name": bad, "in": bad, "description": bad}],
            "responses": {"200": {"description": bad, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/X"}}}}},
        }}},
    }  # fmt: skip
    page = _page(document)
    assert "script" not in {tag for tag, _ in Tags(page).found}
    assert "<script" not in page


def test_the_document_for_programs_is_the_applications_own(served: Served) -> None:
    answer = served.client.get("/openapi.json")
    assert (answer.headers["content-type"], answer.json()) == ("application/json", served.app.openapi())
    assert re.fullmatch(r"3\.1\.\d", answer.json()["openapi"])
