"""The OpenAPI document: 3.1, with one shape for every refusal, and how a caller shows its key."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.gate import OPEN
from api.problem_documents import MEDIA_TYPE

# Operations on records that must name what they change.
_CONDITIONAL = ("replace_", "patch_", "retire_")
_ABOUT = """\
揭榜为场景找成果、为成果找场景，并说明理由。请求和答复都是 UTF-8 的 JSON，时间一律是 UTC。

* **钥匙**：每个请求在请求头写 `Authorization: Bearer 钥匙`。看得到什么由钥匙的可见范围决定。
* **出错**：一律是问题文档（RFC 9457），`code` 供程序判断，`detail` 和 `remedy` 给人看。
* **编号**：合作平台推送的记录，编号一律以平台代号和冒号开头；编号里的斜杠在网址里写作 `%2F`。
* **翻页**：把答复里的 `next` 原样写进 `cursor`，其余参数不变。
* **修改**：先 GET，把 `ETag` 写进 `If-Match`；别人改过则拒绝（412）。
* **重试**：POST 可带 `Idempotency-Key`，同一个值、同一个内容只做一次，答复相同。
* **快慢**：每把钥匙每分钟有次数上限，见 `RateLimit-*`；超过答 429 和 `Retry-After`。
* **新旧**：写入后约一秒能被匹配到；将要停用的地址，答复带 `Deprecation`（从何时起）、`Sunset`（到何时止）和 `Link`（改用什么）。
"""


def described(app: FastAPI) -> dict[str, Any]:
    """The document of an application, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=_ABOUT,
            routes=app.routes,
        )
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        _give_examples(document)
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _tidy(operation, guarded=path not in OPEN)
                operation.setdefault("parameters", []).extend(_headers_read(method, operation))
                if not operation["parameters"]:
                    del operation["parameters"]
        app.openapi_schema = document
    return app.openapi_schema


def _headers_read(method: str, operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The request headers that the routes read by themselves."""
    if method == "post" and operation["operationId"] != "create_key":
        yield _header("Idempotency-Key", "同一个值、同一个内容只做一次，答复相同", pattern="^[!-~]{1,200}$")
    if "304" in operation["responses"]:
        yield _header("If-None-Match", "已有的 ETag；没有变就答 304")
    if operation["operationId"].startswith(_CONDITIONAL):
        yield _header("If-Match", "改的是哪一版：GET 返回的 ETag；不写答 428，不符答 412")


def _header(name: str, about: str, pattern: str = "^[ -~]*$") -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "description": about,
        "schema": {"type": "string", "pattern": pattern},
    }


def _give_examples(document: dict[str, Any]) -> None:
    """Give every body without an example one, made of those of its attributes."""
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                if name and "examples" not in schemas[name]:
                    # What changes a record takes what makes one.
                    whole = schemas.get(name.removesuffix("Patch") + "In", schemas[name])
                    schemas[name]["examples"] = [_example(whole)]


def _example(schema: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, about in schema["properties"].items():
        known = next((one for one in (about, *about.get("anyOf", ())) if "examples" in one), None)
        if known is not None and name != "id":
            told[name] = known["examples"][0]
        elif name in schema.get("required", ()):
            told[name] = about.get("enum", [about.get("description", "")])[0]
    return told


def _tidy(operation: dict[str, Any], *, guarded: bool) -> None:
    if guarded:
        operation["security"] = [{"key": []}]
    problem = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    for status, response in operation["responses"].items():
        refuses = int(status) >= 400 and "Ready" not in str(response)
        if refuses:
            response["content"] = {MEDIA_TYPE: problem}
        elif status in ("204", "304"):
            response.pop("content", None)
        elif "application/json" in response.get("content", {}) and not response["content"][
            "application/json"
        ].get("schema"):
            del response["content"]["application/json"]
    operation["responses"].setdefault(
        "default", {"description": "其他问题", "content": {MEDIA_TYPE: problem}}
    )
