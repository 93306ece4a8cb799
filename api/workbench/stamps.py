"""Marks of what a page showed: a form carries one, so that of two people at one thing the second is told."""

import hashlib
from collections.abc import Iterable

from pydantic import BaseModel

from api.problem_documents import Refusal
from api.workbench.forms import Sent
from graph.store.records import canonical

# What comes and goes without anybody at the workbench: bids that are handed in, and marks.
_OF_OTHERS = {"bids", "marks", "moved_at", "due"}


def stamp_of(documents: Iterable[BaseModel | None]) -> str:
    """A mark of all that the documents hold but for what others hand in; None counts too."""
    held = [None if one is None else one.model_dump(mode="json", exclude=_OF_OTHERS) for one in documents]
    return hashlib.blake2b(canonical({"held": held}).encode(), digest_size=12).hexdigest()


def refuse_changed(sent: Sent, stamp: str, what: str) -> None:
    """Raises 412 where the page that the form stood on showed something else than there is now."""
    if sent.get("seen") != stamp:
        raise Refusal(
            412, "changed_since", f"您打开之后，别人办过这个{what}；您的这一步没有办理。",
            "请回到那一页刷新，看过现在的情况再办；填过的内容用浏览器的“后退”可以找回。",
        )  # fmt: skip
