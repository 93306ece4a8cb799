"""How answers are written: bytes as they are, entity tags, and which refusals a route may give."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import Response

from api.problem_documents import MEDIA_TYPE, Refusal
from api.records import etag_of
from api.wire import ProblemDocument, utc_text

# Every refusal has the one shape; the common ones are named so that a client knows to expect them.
_REFUSALS: Mapping[int, str] = {
    400: "请求有误", 401: "没有有效的访问钥匙", 403: "钥匙没有所需的权限", 404: "没有找到，或无权查看", 408: "请求太慢",
    409: "与现状冲突", 412: "内容已被改动", 413: "内容太大", 415: "内容类型不对", 422: "内容有误", 428: "缺少 If-Match",
    429: "请求太多", 503: "暂时不能服务",
}  # fmt: skip
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDocument, "description": told, "content": {MEDIA_TYPE: {}}}
    for status, told in _REFUSALS.items()
}


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The content as UTF-8 JSON; Chinese stands as itself."""
    plain = jsonable_encoder(content, custom_encoder={datetime: utc_text})
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    body = text.encode("utf-8", "replace")
    return Response(body, status, dict(headers or {}), media_type="application/json")


def tagged(request: Request, body: bytes, media_type: str = "application/json") -> Response:
    """A body with its entity tag; 304 without it where the caller has it already."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, 200, {"ETag": tag}, media_type=media_type)


def file_response(request: Request, name: str, media_type: str, write: Callable[[Path], None]) -> Response:
    """What ``write`` puts at a path with the suffix of ``name``, as a download of that name, with its entity tag."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{Path(name).suffix}"
        write(path)
        response = tagged(request, path.read_bytes(), media_type)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return response


def file_answers(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """What the description says of a route that gives a file."""
    return {
        200: {
            "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in media_types}
        },
        304: {"description": "与 If-None-Match 相同"},
    }


def record_response(
    request: Request, shown: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A record with its entity tag; 304 for a GET of one that the caller has already."""
    tag = etag_of(shown)
    if request.method == "GET" and matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers={"ETag": tag})
    return json_response(shown, status, {**(headers or {}), "ETag": tag})


def require_match(request: Request, shown: Mapping[str, Any]) -> None:
    """Refuse a change that was not made of what is there now: 428 without If-Match, 412 with another one."""
    given = request.headers.get("if-match")
    if given is None:
        raise Refusal(
            428, "if_match_missing", "修改前须说明改的是哪一版。", "请先 GET，把返回的 ETag 写进 If-Match。"
        )
    if not matches(given, etag_of(shown), strong=True):
        raise stale()


def stale() -> Refusal:
    """The refusal of a change to something that has changed since it was read."""
    return Refusal(412, "changed_since", "这条记录在您读取之后已被改动，没有写入。", "请重新 GET，在新的内容上修改，再用新的 ETag 提交。")  # fmt: skip


def matches(given: str | None, tag: str, *, strong: bool = False) -> bool:
    """Whether a list of entity tags, or ``*``, has this one (RFC 9110, 8.8.3)."""
    if given is None:
        return False
    for one in given.split(","):
        plain = one.strip()
        if not strong:
            plain = plain.removeprefix("W/")
        # A proxy that compresses may have marked the tag.
        if plain in ("*", tag):
            return True
    return False
