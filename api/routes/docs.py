"""The description of the API: as OpenAPI for programs, as a page for people; nothing is fetched from anywhere."""

import html
import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

router = APIRouter(include_in_schema=False)

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.6 "Noto Sans CJK SC","Microsoft YaHei","PingFang SC",sans-serif;max-width:62rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{margin:.2rem 0;font-size:1.05rem}
code,pre{font-family:ui-monospace,"Noto Sans Mono CJK SC",monospace;font-size:.88em}pre{background:var(--soft);padding:.7rem;overflow:auto;border-radius:4px}
details{border:1px solid var(--line);border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer}
.m{display:inline-block;min-width:4.2rem;font-weight:600}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top}
"""
_PARAMETERS = ("名称", "在哪里", "必须", "说明")


@router.get("/openapi.json")
async def get_description(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def get_docs(request: Request) -> HTMLResponse:
    page = _page(request.app.openapi())
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def _page(document: dict[str, Any]) -> str:
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            told = "".join(_operation(path, method, operation, document))
            by_tag.setdefault(operation.get("tags", ["其他"])[0], []).append(told)
    parts = "".join(f"<h2>{_text(tag)}</h2>{''.join(told)}" for tag, told in by_tag.items())
    about = "".join(
        f"<p>{_marked(line)}</p>" for line in document["info"]["description"].splitlines() if line
    )
    return (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>揭榜接口</title><style>{_STYLE}</style><h1>揭榜接口</h1>{about}"
        f'<p>供程序读的说明：<a href="/openapi.json">/openapi.json</a>（OpenAPI 3.1）</p>{parts}</html>'
    )


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    yield f'<details id="{_text(operation["operationId"])}"><summary><span class="m">{method.upper()}</span>'
    yield f"<code>{_text(path)}</code> {_text(operation.get('summary', ''))}</summary>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield f"<h3>参数</h3><table><tr>{''.join(f'<th>{name}</th>' for name in _PARAMETERS)}</tr>"
        for one in parameters:
            where = {"path": "网址", "query": "?参数", "header": "请求头"}.get(one["in"], _text(one["in"]))
            cells = (f"<code>{_text(one['name'])}</code>", where, "是" if one.get("required") else "", _text(one.get("description", "")))  # fmt: skip
            yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        yield "</table>"
    body = operation.get("requestBody", {}).get("content", {})
    for media, content in body.items():
        yield f"<h3>内容 <code>{_text(media)}</code></h3>"
        yield from _shape(content.get("schema", {}), document)
    for status, response in operation["responses"].items():
        if status.isdigit() and int(status) < 300:
            yield f"<h3>答复 {status} {_text(response.get('description', '') if response.get('description') != 'Successful Response' else '')}</h3>"
            for content in response.get("content", {}).values():
                yield from _shape(content.get("schema", {}), document)
    yield "</details>"


def _shape(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    """The attributes of a shape, and its example if it has one."""
    found = _resolved(schema, document)
    rows = [
        f"<tr><td><code>{_text(name)}</code></td><td>{_text(_type_of(about, document))}</td>"
        f"<td>{'是' if name in found.get('required', []) else ''}</td><td>{_text(about.get('description', ''))}</td></tr>"
        for name, about in found.get("properties", {}).items()
    ]
    if rows:
        yield f"<table><tr><th>字段</th><th>类型</th><th>必须</th><th>说明</th></tr>{''.join(rows)}</table>"
    for example in found.get("examples", [])[:1]:
        yield f"<pre>{_text(json.dumps(example, ensure_ascii=False, indent=1))}</pre>"


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _type_of(schema: dict[str, Any], document: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type_of(one, document) for one in schema["anyOf"]))
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"[{_type_of(schema.get('items', {}), document)}]"
    return str(schema.get("format") or schema.get("type", ""))


def _marked(line: str) -> str:
    """A line of the description: bold, code and list marks of Markdown, all else as text."""
    text = _text(line.removeprefix("* "))
    for mark, tag in (("**", "b"), ("`", "code")):
        pieces = text.split(mark)
        text = "".join(f"<{tag}>{piece}</{tag}>" if n % 2 else piece for n, piece in enumerate(pieces))
    return text


def _text(value: object) -> str:
    return html.escape(str(value))
