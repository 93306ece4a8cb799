"""Keys of partners: made once, shown once, kept as a digest, revoked for good."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from api.wire import Scope
from graph.identifiers.uscc import parse_uscc
from graph.problems import BadValue, Refused
from graph.processes import Move, Process, Rules, State, moved, opened
from graph.store.changes import PutProcess
from graph.store.store import Store
from graph.values import Seen, Text, Visibility

SCOPES: dict[Scope, str] = {
    "read": "查询和匹配", "write": "推送和修改记录", "order": "一键点单", "judge": "评级和记录进展", "bid": "投标",
    "admin": "管理",
}  # fmt: skip
PARTNER = re.compile(r"[a-z][a-z0-9-]{1,31}")
_TOKEN = re.compile(r"jb_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
PER_MINUTE = 600


def parse_partner(value: object) -> str:
    """A partner's code: 2 to 32 small letters, digits and hyphens. Raises ``BadValue``."""
    text = str(value).strip()
    if not PARTNER.fullmatch(text):
        raise BadValue(
            "partner_code",
            f"合作平台代号“{text[:40]}”不合规则",
            "请用 2 到 32 个小写字母、数字和连字符，以字母开头，例如 hengqin-platform",
        )
    return text


class Key(Process):
    """访问钥匙: what a partner shows to be let in. Of its secret only the SHA-256 is kept: 256 random bits need no salt."""

    kind = "key"
    label = "访问钥匙"

    name: Text = Field("", title="用途")
    scopes: tuple[Scope, ...] = Field((), title="权限")
    audience: Annotated[Seen, Field(title="可见范围")] = "partner"
    secret_hash: str = Field("", title="密钥摘要")
    expires_at: datetime | None = Field(None, title="到期时间")
    per_minute: Annotated[int, Field(ge=1, le=100_000, title="每分钟次数")] = PER_MINUTE
    # Credit codes of the organisations that the city lets this key bid for; no key says so of itself.
    bidders: Annotated[
        tuple[Annotated[str, BeforeValidator(parse_uscc)], ...], Field(title="可代投标的单位")
    ] = ()
    reason: Text = Field("", title="吊销原因")
    partner: Annotated[str, BeforeValidator(parse_partner)]

    def is_open(self, at: datetime) -> bool:
        """Whether it still opens anything."""
        return self.state == "active" and (self.expires_at is None or at < self.expires_at)


KEY_RULES = Rules(
    states={
        "active": State(name="active", label="有效"),
        "revoked": State(name="revoked", label="已吊销", final=True),
    },
    moves={
        "revoke": Move(
            name="revoke", label="吊销", sources=("active",), target="revoked", roles=frozenset({"staff"})
        )
    },
)


def create_key(
    store: Store,
    *,
    partner: str,
    name: str,
    scopes: Sequence[str],
    audience: Visibility,
    lasts: timedelta | None,
    per_minute: int,
    actor: str,
    at: datetime,
    bidders: Sequence[str] = (),
) -> tuple[Key, str]:
    """Make a key; gives it and its token, which is told here and never again. It may bid for ``bidders`` (credit codes).

    Raises ``Refused`` (``process_value``) for a code, scope or number that breaks its rule.
    """
    if not scopes:
        raise Refused("key_scopes", "钥匙没有写权限。", f"请从 {'、'.join(SCOPES)} 中选一个或几个。")
    number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = opened(
        Key, KEY_RULES, id=number, at=at, partner=partner, name=name, scopes=tuple(dict.fromkeys(scopes)), audience=audience,
        secret_hash=_digest(secret), expires_at=None if lasts is None else at + lasts, per_minute=per_minute,
        bidders=tuple(bidders),
    )  # fmt: skip
    # Written in two ways, a code is still one.
    key = key.model_copy(update={"bidders": tuple(dict.fromkeys(key.bidders))})
    store.apply(
        [PutProcess(process=key)], actor=actor, at=at, reason=f"为合作平台 {partner} 创建访问钥匙 {number}"
    )
    return key, f"jb_{number}_{secret}"


def revoke_key(store: Store, id: str, *, actor: str, at: datetime, reason: str) -> Key:
    """End a key for good. Raises ``Refused``: ``key_unknown``, ``move_state`` for one that is revoked already."""
    key = store.process(Key, id)
    if key is None:
        raise Refused("key_unknown", f"没有编号为“{id[:40]}”的钥匙。", "用 jiebang key list 查看编号。")
    after = moved(key, KEY_RULES, "revoke", role="staff", at=at, values={"reason": reason})
    store.apply([PutProcess(process=after)], actor=actor, at=at, reason=f"吊销访问钥匙 {id}：{reason}")
    return after


def key_of(store: Store, token: str, at: datetime) -> Key | None:
    """The key that a token opens; None for any other text, whatever is wrong with it."""
    found = _TOKEN.fullmatch(token)
    key = store.process(Key, found[1]) if found else None
    # The same work and the same answer for an unknown number and a wrong secret.
    expected = key.secret_hash if key else "0" * 64
    same = hmac.compare_digest(_digest(found[2] if found else ""), expected)
    return key if key is not None and same and key.is_open(at) else None


def shown_key(key: Key) -> dict[str, Any]:
    """A key for people and programs, without anything that opens."""
    return {
        "id": key.id, "partner": key.partner, "name": key.name, "scopes": list(key.scopes), "audience": key.audience,
        "state": key.state, "created_at": key.opened_at, "expires_at": key.expires_at, "per_minute": key.per_minute,
        "bidders": list(key.bidders),
    }  # fmt: skip


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
