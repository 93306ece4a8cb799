"""What a form sends: only of this session, done once however often it is sent, shown again where it came too late."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import Response

from api.problem_documents import Refusal, busy
from api.workbench.access import Visitor, visitor_of
from api.workbench.rendering import MOST_FIELDS, moved_on
from graph.store.receipts import Claimed, Mismatch, Pending, Receipt

_LEASE = timedelta(minutes=2)
_WAIT, _PAUSE = 20.0, 0.1
_LONGEST = 200_000  # bytes of a field as a browser sends it: nine for a Chinese character


class StaleForm(Exception):
    """A form of an earlier session: nothing was done, its fields are to be shown for another look."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__("stale form")
        self.fields = fields


@dataclass(frozen=True)
class Sent:
    """The fields of a form, without the marks of ours; ``once`` tells this filled-in form from any other."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, UploadFile], ...]
    once: str

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field, stripped; ``default`` where there is none."""
        return next((value.strip() for key, value in self.fields if key == name), default)

    def raw(self, name: str) -> str:
        """The first value of a field as it was typed: of a password spaces count."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self.fields if key == name]

    def file(self, name: str) -> UploadFile | None:
        """An uploaded file, or None."""
        return next((file for key, file in self.files if key == name and file.filename), None)


async def sent_form(request: Request) -> AsyncIterator[Sent]:
    """The form of a POST; every page that takes one depends on this. Its file is there until the page is done.

    Raises 403 for a form without the session's token; ``StaleForm`` where the session is another one by now.
    """
    visitor = visitor_of(request)
    try:
        form = await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=_LONGEST)
    except HTTPException as error:
        if isinstance(error.__context__, MultiPartException):
            raise Refusal(413, "body_too_large", "表单里有一项太长，或项数太多，没有办理。", f"一项最多约 {_LONGEST // 9 // 1000 * 1000} 个字：请缩短，或放进附件。") from error  # fmt: skip
        raise
    try:
        yield _checked(visitor, request.url.path, form)
    finally:
        await form.close()


def _checked(visitor: Visitor, path: str, form: FormData) -> Sent:
    items = form.multi_items()
    fields = [
        (name, str(value)) for name, value in items if not isinstance(value, UploadFile) and name[:1] != "_"
    ]
    given = form.get("_token")
    if not isinstance(given, str):
        raise Refusal(403, "form_token", "这次提交缺少本页的凭据，没有办理。", "请刷新页面后重新提交。")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), visitor.token.encode()):
        raise StaleForm([(name, value) for name, value in fields if "password" not in name])
    files = tuple((name, value) for name, value in items if isinstance(value, UploadFile))
    mark = hashlib.blake2b(digest_size=16)
    about = [f"{file.filename} {file.size}" for _, file in files]
    texts = [part for item in fields for part in item]
    for piece in (path, str(form.get("_once", "")), *about, *texts):
        mark.update(len(piece).to_bytes(4, "big") + piece.encode("utf-8", "replace"))
    return Sent(tuple(fields), files, mark.hexdigest())


Form = Annotated[Sent, Depends(sent_form)]


def takes_form(route: Any) -> bool:
    """Whether a page reads its form by ``sent_form``."""
    return any(dependency.call is sent_form for dependency in route.dependant.dependencies)


async def done_once(visitor: Visitor, sent: Sent, work: Callable[[], tuple[str, str]]) -> Response:
    """Do what a form asks (``work``, on a thread) and go on to the page it gives, saying the words it gives.

    The same form sent again, by a double click or the browser's back button, does nothing and goes to the same page.
    """
    receipts, owner = visitor.store.receipts, f"page:{visitor.user.id}"
    waited = 0.0
    while True:
        claim = await run_in_threadpool(receipts.claim, owner, sent.once, "", datetime.now(UTC), _LEASE)
        if not isinstance(claim, Pending):
            break
        if waited >= _WAIT:
            raise busy("form_pending", "这次提交正在办理。", seconds=2, status=409)
        await asyncio.sleep(_PAUSE)
        waited += _PAUSE
    match claim:
        case Receipt(headers=headers):
            return moved_on(headers["location"], said=headers["said"])
        case Claimed():
            return await asyncio.shield(_settled(visitor, owner, sent, work))
        case Mismatch():
            raise busy("form_pending", "这次提交已经办理过。", seconds=2, status=409)
    raise TypeError(type(claim).__name__)


async def _settled(visitor: Visitor, owner: str, sent: Sent, work: Callable[[], tuple[str, str]]) -> Response:
    receipts = visitor.store.receipts
    try:
        place, said = await run_in_threadpool(work)
    except BaseException:
        await run_in_threadpool(receipts.release, owner, sent.once)
        raise
    told = {"location": place, "said": said}
    await run_in_threadpool(receipts.settle, owner, sent.once, status=303, headers=told, body=b"")
    return moved_on(place, said=said)
