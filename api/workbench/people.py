"""People who sign in at the workbench: who they are is a record with a history, their passwords are not."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BeforeValidator, Field

from graph.problems import BadValue, Refused
from graph.processes import Move, Process, Rules, State, moved, opened
from graph.store.changes import PutProcess
from graph.store.store import Store
from graph.values import Id, Text, clean_cell

Role = Literal["staff", "organiser", "expert", "officer", "administrator"]
ROLES: Mapping[Role, str] = {
    "staff": "对接专员", "organiser": "路演组织者", "expert": "评审专家", "officer": "主管人员", "administrator": "管理员",
}  # fmt: skip
LEAST_LETTERS = 10
MOST_LETTERS = 200  # argon2 reads all of it
# Wrong passwords in a row, and for how long none is looked at then.
TRIES, LOCKED = 5, timedelta(minutes=15)
_LOGIN = re.compile(r"[a-z][a-z0-9._-]{1,31}")
_NAME_LIMIT = 50


def parse_login(value: object) -> str:
    """A login: 2 to 32 small letters, digits, dots and hyphens. Raises ``BadValue``."""
    text = clean_cell(value).lower()
    if not _LOGIN.fullmatch(text):
        raise BadValue(
            "login_unusable",
            f"登录名“{text[:40]}”不合规则",
            "请用 2 到 32 个小写字母、数字、点和连字符，以字母开头，例如 li.ming",
        )
    return text


def _name(value: object) -> str:
    text = " ".join(clean_cell(value).split())
    if not text or len(text) > _NAME_LIMIT:
        raise BadValue("name_missing", f"姓名要有 1 到 {_NAME_LIMIT} 个字", "请写姓名，例如 李明")
    return text


class User(Process):
    """工作台账号: a login, the name under which the history and judgements tell of the person, and a role.

    ``expert`` is the id of the expert record, of a person who judges.
    """

    kind = "user"
    label = "工作台账号"

    id: Annotated[str, BeforeValidator(parse_login)]
    name: Annotated[str, BeforeValidator(_name), Field(title="姓名")]
    role: Annotated[Role, Field(title="角色")]
    expert: Annotated[Id, Field(title="专家编号")] = ""
    reason: Annotated[Text, Field(title="原因")] = ""


_ADMINISTRATOR = frozenset({"administrator"})
USER_RULES = Rules(
    states={
        "active": State(name="active", label="可用"),
        "disabled": State(name="disabled", label="已停用"),
    },
    moves={
        "change": Move(
            name="change", label="改角色和专家", sources=("active",), target="active", roles=_ADMINISTRATOR
        ),
        "disable": Move(
            name="disable", label="停用", sources=("active",), target="disabled", roles=_ADMINISTRATOR
        ),
        "enable": Move(
            name="enable", label="恢复", sources=("disabled",), target="active", roles=_ADMINISTRATOR
        ),
    },
)


def add_user(
    store: Store, *, login: str, name: str, role: str, expert: str = "", actor: str, at: datetime
) -> tuple[User, str]:
    """Make an account; gives it and its one-time password, which is told here and never again.

    Raises ``Refused``: ``user_exists`` for a login or name that somebody has, ``process_value`` for one that breaks
    its rule, ``user_expert`` for an expert who is not there or has an account.
    """
    user = opened(User, USER_RULES, id=login, at=at, name=name, role=role, expert=expert)
    _check_expert(store, user)
    since = store.revision()
    taken = [other for other in store.processes(User) if other.id == user.id or other.name == user.name]
    if taken:
        raise Refused(
            "user_exists", f"已有登录名或姓名相同的账号：{taken[0].id}（{taken[0].name}）。",
            "请换一个登录名；同名的人请在姓名后加注，例如 李明（市科技局）。",
        )  # fmt: skip
    password = one_time_password()
    store.apply(
        [PutProcess(process=user)], actor=actor, at=at, since=since,
        reason=f"新建工作台账号 {user.id}（{user.name}，{ROLES[user.role]}）",
    )  # fmt: skip
    store.accounts.set_password(user.id, hashed(password), must_change=True)
    return user, password


def reset_password(store: Store, login: str, *, actor: str, at: datetime) -> tuple[User, str]:
    """Give an account a new one-time password; its sessions and its lock end. Raises ``Refused`` (``user_unknown``).

    The history tells who did so and when: with that password one could act under another's name.
    """
    since, user = store.revision(), find_user(store, login).model_copy(update={"moved_at": at})
    password = one_time_password()
    store.apply(
        [PutProcess(process=user)], actor=actor, at=at, since=since, reason=f"重置工作台账号 {user.id} 的密码"
    )
    store.accounts.set_password(user.id, hashed(password), must_change=True)
    return user, password


def move_user(
    store: Store, login: str, move: str, *, actor: str, at: datetime, values: Mapping[str, Any]
) -> User:
    """Disable an account, enable it again, or change its role and which expert it is; its sessions end.

    Raises ``Refused``: ``user_unknown``, ``user_last`` where nobody could administer any more, ``user_expert`` as
    ``add_user`` does, and as ``moved`` does.
    """
    since = store.revision()
    user = find_user(store, login)
    after = moved(user, USER_RULES, move, role="administrator", at=at, values=values)
    if _administers(user) and not _administers(after):
        others = [other for other in store.processes(User) if _administers(other) and other.id != user.id]
        if not others:
            raise Refused(
                "user_last", f"{user.name} 是最后一个可用的管理员。", "请先新建或恢复另一个管理员。"
            )
    _check_expert(store, after)
    told = f"{USER_RULES.moves[move].label}工作台账号 {user.id}"
    told += f"（{ROLES[user.role]} → {ROLES[after.role]}）" if user.role != after.role else ""
    told += f"（专家 {user.expert or '无'} → {after.expert or '无'}）" if user.expert != after.expert else ""
    store.apply(
        [PutProcess(process=after)], actor=actor, at=at, since=since,
        reason=told + (f"：{after.reason}" if values.get("reason") else ""),
    )  # fmt: skip
    store.accounts.close_sessions(user.id)
    return after


def find_user(store: Store, login: str) -> User:
    """The account of a login. Raises ``Refused`` (``user_unknown``)."""
    user = store.process(User, clean_cell(login).lower())
    if user is None:
        raise Refused("user_unknown", f"没有登录名为“{login[:40]}”的账号。", "用 jiebang user list 查看。")
    return user


def first_administrator(store: Store, at: datetime) -> tuple[User, str] | None:
    """An administrator with a one-time password where there has never been one; else None."""
    if any(user.role == "administrator" for user in store.processes(User)):
        return None
    return add_user(store, login="admin", name="系统管理员", role="administrator", actor="系统", at=at)


def signed_in(store: Store, login: str, password: str, at: datetime) -> User | None:
    """The person who may come in; None for whatever is wrong, of which nothing more is told.

    As much is worked out for a login that is not there as for one that is.
    """
    plain = clean_cell(login).lower()
    user = store.process(User, plain)
    known = store.accounts.credential(plain)
    right = _fits(known.secret_hash if known else _decoy(), password[:MOST_LETTERS])
    if not right and not (known and known.is_locked(at)):
        store.accounts.note_failure(plain, at, most=TRIES, lasts=LOCKED)
    # Looked at anew: many tries at the same moment are no way past the lock.
    latest = store.accounts.credential(plain)
    if not right or latest is None or latest.is_locked(at) or user is None or user.state != "active":
        return None
    return user


def change_password(store: Store, user: User, old: str, new: str) -> None:
    """Put a password of the person's own in place. Raises ``Refused`` (``password_wrong``, ``password_weak``)."""
    known = store.accounts.credential(user.id)
    if known is None or not _fits(known.secret_hash, old[:MOST_LETTERS]):
        raise Refused("password_wrong", "原密码不对。", "请重新输入；忘记了请让管理员重置。")
    if len(new) < LEAST_LETTERS or len(set(new)) < 5 or user.id in new.lower():
        raise Refused(
            "password_weak", f"新密码太容易猜：至少 {LEAST_LETTERS} 个字符，不少于 5 种，不含登录名。",
            "可以用几个不相干的词连起来。",
        )  # fmt: skip
    if len(new) > MOST_LETTERS:
        raise Refused("password_weak", f"新密码超过 {MOST_LETTERS} 个字符。", "请缩短。")
    if new == old:
        raise Refused("password_weak", "新密码和原密码一样。", "请换一个。")
    store.accounts.set_password(user.id, hashed(new), must_change=False)


def hashed(password: str) -> str:
    """An argon2id hash, with its parameters and salt in it."""
    return _hasher().hash(password)


def one_time_password() -> str:
    """About 80 random bits in groups that can be read out: no letters that look alike."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


def _check_expert(store: Store, user: User) -> None:
    """Raise ``Refused`` (``user_expert``) where the account stands for nobody, or for somebody another one stands for."""
    if not user.expert or user.state != "active":
        return
    if user.role != "expert":
        raise Refused(
            "user_expert", "只有评审专家的账号才对应专家编号。", "请把角色改为评审专家，或把专家编号留空。"
        )
    if store.get("expert", user.expert) is None:
        raise Refused(
            "user_expert", f"库里没有编号为“{user.expert[:40]}”的专家。", "请核对编号；新专家请先导入专家表。"
        )
    same = [
        one
        for one in store.processes(User, state="active")
        if one.expert == user.expert and one.id != user.id
    ]
    if same:
        raise Refused("user_expert", f"专家 {user.expert} 已有账号 {same[0].id}（{same[0].name}）。", "请先停用那个账号，或核对编号。")  # fmt: skip


def _administers(user: User) -> bool:
    return user.state == "active" and user.role == "administrator"


@cache
def _hasher() -> PasswordHasher:
    # RFC 9106's second choice is 64 MiB in four lanes; OWASP's least for argon2id (19 MiB, two passes) keeps a small
    # server upright when many sign in at eight in the morning.
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@cache
def _decoy() -> str:
    return hashed(one_time_password())


def _fits(secret_hash: str, password: str) -> bool:
    try:
        return _hasher().verify(secret_hash, password)
    except (VerificationError, InvalidHashError):
        return False
