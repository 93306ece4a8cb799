"""Who is at the workbench and which pages a role may open: the one place, asked by the gate and by every route."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Request

from api.access import not_found
from api.problem_documents import Refusal
from api.workbench.people import ROLES, Role, User
from graph.kinds import KINDS, Node
from graph.store.audience import AudienceStore
from graph.store.store import Store

# Everybody at a desk; an expert sees only what is assigned to her.
DESK: tuple[Role, ...] = ("staff", "organiser", "officer", "administrator")
EVERYBODY: tuple[Role, ...] = (*DESK, "expert")
WRITERS: tuple[Role, ...] = ("staff", "officer", "administrator")
# Who decides: moves tasks, panels, awards and races.
OFFICERS: tuple[Role, ...] = ("officer", "administrator")
# Who runs roadshows; staff may draft them.
ORGANISERS: tuple[Role, ...] = ("organiser", "administrator")
DRAFTERS: tuple[Role, ...] = ("staff", *ORGANISERS)


@dataclass(frozen=True)
class Visitor:
    """Who asks for a page: the account, its session, and the store (whole: the city's own people see everything)."""

    user: User
    session: str
    store: Store
    # A one-time password was used: nothing else before it is changed.
    must_change: bool = False

    @property
    def name(self) -> str:
        """The name under which judgements and the history tell of the person."""
        return self.user.name

    @property
    def role(self) -> Role:
        """The role."""
        return self.user.role

    @property
    def is_staff(self) -> bool:
        """Whether records are seen whole, as a key of audience staff sees them."""
        return self.role in DESK

    @cached_property
    def view(self) -> AudienceStore:
        """What pages are made from: everything for those at a desk, only what is public for an expert."""
        return AudienceStore(self.store, "staff" if self.is_staff else "public")

    @cached_property
    def token(self) -> str:
        """What every form of this session carries (CSRF): bound to the session, of no use in another."""
        return form_token(self.store, self.session)

    def id_for(self, id: str) -> str:
        """The id under which a record of the city's is kept: as written."""
        return id

    def may(self, *roles: Role) -> bool:
        """Whether the person has one of the roles."""
        return self.role in roles

    def find(self, kind: str, id: str) -> Node:
        """The record. Raises the same 404 for a kind or a record that is not there."""
        node = self.view.get(kind, id) if kind in KINDS else None
        if node is None:
            raise not_found(KINDS[kind].label if kind in KINDS else "记录", id)
        return node


def form_token(store: Store, secret: str) -> str:
    """The token of forms under a session, or under the cookie of who has none yet."""
    return hmac.new(store.secret().encode(), f"form\0{secret}".encode(), hashlib.sha256).hexdigest()[:40]


def visitor_of(request: Request) -> Visitor:
    """Who the gate has let in. Raises 401 where a page is reached without a session."""
    visitor = request.scope.get("visitor")
    if not isinstance(visitor, Visitor):
        raise Refusal(401, "session_missing", "没有登录，或登录已过期。", "请重新登录。")
    return visitor


class For:
    """A dependency that lets in only some roles; every page declares one."""

    def __init__(self, *roles: Role) -> None:
        self.roles = roles

    def __call__(self, request: Request) -> Visitor:
        """The visitor; raises 403 for another role."""
        visitor = visitor_of(request)
        if visitor.role not in self.roles:
            wanted = "、".join(ROLES[role] for role in self.roles)
            raise Refusal(403, "role_missing", f"您的角色（{ROLES[visitor.role]}）不能打开这个页面或办理这件事。", f"这里给：{wanted}。需要时请找管理员调整角色。")  # fmt: skip
        return visitor


def declared_roles(route: Any) -> tuple[Role, ...] | None:
    """The roles a page is for; None for a route that declares none."""
    calls: list[Callable[..., Any] | None] = [dependency.call for dependency in route.dependant.dependencies]
    return next((call.roles for call in calls if isinstance(call, For)), None)


Anybody = Annotated[Visitor, Depends(For(*EVERYBODY))]
AtDesk = Annotated[Visitor, Depends(For(*DESK))]
Writer = Annotated[Visitor, Depends(For(*WRITERS))]
Administrator = Annotated[Visitor, Depends(For("administrator"))]
Officer = Annotated[Visitor, Depends(For(*OFFICERS))]
Organiser = Annotated[Visitor, Depends(For(*ORGANISERS))]
Drafter = Annotated[Visitor, Depends(For(*DRAFTERS))]
Judge = Annotated[Visitor, Depends(For("expert"))]
Auditor = Annotated[Visitor, Depends(For("officer", "administrator"))]
