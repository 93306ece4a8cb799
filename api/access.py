"""Who is asking, and what may be seen: the one place where keys become callers and callers get their view."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Request

from api.keys import SCOPES, Key
from api.problem_documents import Refusal
from api.wire import Scope
from graph.kinds import KINDS, Node
from graph.store.audience import AudienceStore
from graph.store.store import Store
from graph.values import Visibility, clean_cell


@dataclass(frozen=True)
class Caller:
    """One request's caller. ``whole`` is the store with everything in it: to write, and never to be shown from."""

    key: Key
    whole: Store

    @property
    def partner(self) -> str:
        """The code of the partner the key belongs to."""
        return self.key.partner

    @property
    def audience(self) -> Visibility:
        """What the key may see."""
        return self.key.audience

    @property
    def is_staff(self) -> bool:
        """Whether the key sees everything."""
        return self.audience == "staff"

    @property
    def actor(self) -> str:
        """Who the history says it was."""
        return f"{self.partner}:{self.key.name or self.key.id}"

    @cached_property
    def view(self) -> AudienceStore:
        """All that the caller may see, and nothing else."""
        return AudienceStore(self.whole, self.audience, own=self.partner)

    def owns(self, id: str) -> bool:
        """Whether a record is the partner's own: ids of its own begin with its code and a colon."""
        return id.startswith(f"{self.partner}:")

    def id_for(self, id: str) -> str:
        """The id under which a record of the caller's is kept: staff's as written, a partner's in its own space.

        So partners and the city never meet under one id, and no answer tells whether another has it.
        """
        return id if self.is_staff or self.owns(id) else f"{self.partner}:{id}"

    def person(self, name: str) -> str:
        """A person of the partner's as judgements and outcomes name them. Raises 422 for a name of nothing."""
        plain = " ".join(clean_cell(name).split())
        if not plain.removeprefix(f"{self.partner}:"):
            raise Refusal(422, "name_missing", "没有写明是谁。", "请写姓名。")
        return plain if self.is_staff or self.owns(plain) else f"{self.partner}:{plain}"

    def may(self, scope: Scope) -> bool:
        """Whether the key has a scope; ``admin`` counts for all."""
        return scope in self.key.scopes or "admin" in self.key.scopes

    def find(self, kind: str, id: str) -> Node:
        """The node as the caller may see it. Raises the same 404 for one that is hidden and one that is not there."""
        node = self.view.get(kind, id)
        if node is None:
            raise not_found(KINDS[kind].label, id)
        return node


def not_found(label: str, id: str) -> Refusal:
    """The one 404 for what is not there and for what the caller may not see."""
    return Refusal(404, "not_found", f"没有编号为“{id[:100]}”的{label}，或您无权查看。", "请核对编号。")


def caller_of(request: Request) -> Caller:
    """The caller that the gate has let in. Raises 401 where a route is reached without one."""
    caller = request.scope.get("caller")
    if not isinstance(caller, Caller):
        raise no_key()
    return caller


def no_key() -> Refusal:
    """The refusal of a request without a key, or with one that opens nothing."""
    return Refusal(
        401, "key_missing", "没有访问钥匙，或钥匙无效、已到期、已吊销。",
        "请在请求头写 Authorization: Bearer 钥匙；没有钥匙请向市平台申请。", headers={"WWW-Authenticate": 'Bearer realm="jiebang"'},
    )  # fmt: skip


class Needs:
    """A dependency that lets in only keys with one of the scopes; every route under /v1 declares one."""

    def __init__(self, *scopes: Scope, staff: bool = False) -> None:
        """``staff``: the key must also see everything, as what is told here lets one see or make anything."""
        self.scopes, self.staff = scopes, staff

    def __call__(self, request: Request) -> Caller:
        """The caller; raises 403 without the scope."""
        caller = caller_of(request)
        if not any(caller.may(scope) for scope in self.scopes):
            wanted = "、".join(f"{scope}（{SCOPES[scope]}）" for scope in self.scopes)
            raise Refusal(403, "scope_missing", f"这把钥匙没有所需的权限：{wanted}。", "请向市平台申请有此权限的钥匙。")  # fmt: skip
        if self.staff and not caller.is_staff:
            raise Refusal(
                403, "staff_only", "这项管理操作只对内部钥匙开放。", "请用可见范围为 staff 的管理钥匙。"
            )
        return caller


def declared_scopes(route: Any) -> tuple[Scope, ...] | None:
    """The scopes a route asks for; None for one that declares none."""
    calls: list[Callable[..., Any] | None] = [dependency.call for dependency in route.dependant.dependencies]
    return next((call.scopes for call in calls if isinstance(call, Needs)), None)


Reader = Annotated[Caller, Depends(Needs("read"))]
Writer = Annotated[Caller, Depends(Needs("write"))]
StaffWriter = Annotated[Caller, Depends(Needs("write", staff=True))]
Judge = Annotated[Caller, Depends(Needs("judge"))]
Orderer = Annotated[Caller, Depends(Needs("order"))]
StaffAdministrator = Annotated[Caller, Depends(Needs("admin", staff=True))]
