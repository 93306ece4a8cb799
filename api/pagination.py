"""Pages by cursor: where a page ended, signed, and good for the same question only."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from api.access import Caller
from api.problem_documents import Refusal

_SIGNED = 12  # bytes
Limit = Annotated[int, Query(ge=1, le=200, description="一页最多几条")]
Cursor = Annotated[
    str | None,
    Query(max_length=1000, description="上一页给出的 next；其余参数须与上一页相同", examples=[None]),
]


class Pages:
    """Cursors of one question: its name, parameters and caller are part of the signature.

    A cursor names the last record of its page, so that no page skips or repeats one that is there all the while,
    whatever is written in between.
    """

    def __init__(self, caller: Caller, *question: object) -> None:
        # ``secret`` is read once per store.
        self._secret = caller.whole.secret().encode()
        about = [caller.partner, caller.audience, *map(str, question)]
        self._question = json.dumps(about, ensure_ascii=False).encode()

    def after(self, cursor: str | None) -> list[str]:
        """What the cursor's page ended with; empty for the first page. Raises 400 for a cursor of anything else."""
        if cursor is None:
            return []
        try:
            packed = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            signature, text = packed[:_SIGNED], packed[_SIGNED:]
            if hmac.compare_digest(signature, self._signature(text)):
                place = [str(part) for part in json.loads(text)]
                # Letters that decoding passes over are no part of what was given out.
                if hmac.compare_digest(cursor, self.cursor(place)):
                    return place
        except (ValueError, UnicodeError):
            pass
        raise Refusal(400, "cursor_foreign", "翻页标记不是这个查询的。", "请原样使用上一页给出的 next，且不要改动其他参数；或去掉 cursor 从第一页开始。")  # fmt: skip

    def cursor(self, place: Sequence[str]) -> str:
        """The cursor of a page that ended with ``place``."""
        text = json.dumps(list(place), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._signature(text) + text).decode().rstrip("=")

    def _signature(self, text: bytes) -> bytes:
        return hmac.digest(self._secret, self._question + b"\0" + text, hashlib.sha256)[:_SIGNED]
