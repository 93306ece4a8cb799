"""管理: people, keys of partners, the index, the ranker in use, and the history of every change."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.keys import SCOPES, Key, create_key, revoke_key
from api.problem_documents import Refusal
from api.services import Parts
from api.showings import SHOWN_REASON
from api.workbench.access import Administrator, Auditor
from api.workbench.forms import Form, done_once
from api.workbench.pages.matching import One
from api.workbench.people import ROLES, User, add_user, move_user, reset_password
from api.workbench.rendering import link, page
from embeddings.generation import current
from embeddings.refusal import IndexRefused
from graph.kinds import KINDS
from graph.processes import Process
from graph.store.history import Entry, Revision
from graph.store.store import Store
from graph.values import VISIBILITY_LABELS, parse_visibility
from matcher.models import Models, named, shipped_ranker

router = APIRouter(include_in_schema=False)

_ENTRIES, _LOOKS = 60, 20
_UPTO = 2**62
_ACTIONS = {
    "put_node": "写入记录", "remove_node": "删除记录", "put_edge": "写入关系", "remove_edge": "删除关系",
    "put_feedback": "写入评级或进展", "remove_feedback": "删除评级或进展", "put_process": "写入流程", "remove_process": "删除流程",
}  # fmt: skip


@router.get("/admin")
def get_admin(request: Request, visitor: Auditor, parts: Parts) -> Response:
    store, home = visitor.store, parts.settings.home
    generation = current(home.index)
    try:
        models = Models(home.models)
        use, uses, trouble = models.current(), models.uses(), ""
    except IndexRefused as refused:
        use, uses, trouble = None, [], refused.message + refused.remedy
    return page(
        request, "admin.html", counts=store.counts(), revision=store.revision(), generation=generation, kinds=KINDS,
        lag=store.revision() - parts.lanes.versions["staff"].revision if "staff" in parts.lanes.versions else None,
        trouble=parts.follower.trouble, waiting=parts.lanes.waiting, use=use, uses=list(reversed(uses))[:10],
        model_trouble=trouble, named=named, users=sum(user.state == "active" for user in store.processes(User)),
        keys=sum(key.is_open(datetime.now(UTC)) for key in store.processes(Key)),
    )  # fmt: skip


@router.get("/admin/model")
def get_model(request: Request, visitor: Auditor, parts: Parts, version: One = "") -> Response:
    models = Models(parts.settings.home.models)
    use = models.current()
    number = use.version if (asked := _number(version)) is None else asked
    folder = shipped_ranker() if number == 0 else models.version(number).folder
    card = (folder / "card.md").read_text(encoding="utf-8") if (folder / "card.md").is_file() else ""
    versions = [0, *(one.number for one in models.versions())]
    return page(
        request, "model.html", number=number, in_use=use.version, card=card, versions=versions, named=named,
        uses=list(reversed(models.uses())),
    )  # fmt: skip


@router.get("/admin/users")
def get_users(request: Request, visitor: Administrator) -> Response:
    return _users(request, visitor, None)


@router.post("/admin/users")
async def post_user(request: Request, visitor: Administrator, sent: Form) -> Response:
    """A new account, or a new one-time password: shown on this page and nowhere else, so it is no move to another."""
    told: list[tuple[User, str]] = []

    def work() -> tuple[str, str]:
        if sent.get("login_to_reset"):
            told.append(
                reset_password(
                    visitor.store, sent.get("login_to_reset"), actor=visitor.name, at=datetime.now(UTC)
                )
            )
        else:
            made = add_user(
                visitor.store, login=sent.get("login"), name=sent.get("name"), role=sent.get("role"),
                expert=sent.get("expert"), actor=visitor.name, at=datetime.now(UTC),
            )  # fmt: skip
            told.append(made)
        return (
            "/admin/users",
            f"已经办理过，一次性密码只显示一次；没有记下时请给 {told[0][0].name} 重置密码。",
        )

    again = await done_once(visitor, sent, work)
    return await run_in_threadpool(_users, request, visitor, told[0]) if told else again


@router.post("/admin/users/{login}")
async def post_user_move(visitor: Administrator, login: str, sent: Form) -> Response:
    move = sent.get("move")

    def work() -> tuple[str, str]:
        role = sent.get("role")
        expert = sent.get("expert") if role == "expert" else ""
        values = {"role": role, "expert": expert} if move == "change" else {"reason": sent.get("reason")}
        user = move_user(visitor.store, login, move, actor=visitor.name, at=datetime.now(UTC), values=values)
        told = f"改为{ROLES[user.role]}" + (f"，对应专家 {user.expert}" if user.expert else "")
        did = {"change": told, "disable": "停用", "enable": "恢复"}[move]
        return "/admin/users", f"{user.name}：已{did}；对方须重新登录。"

    return await done_once(visitor, sent, work)


@router.get("/admin/keys")
def get_keys(request: Request, visitor: Administrator) -> Response:
    return _keys(request, visitor, None)


@router.post("/admin/keys")
async def post_key(request: Request, visitor: Administrator, sent: Form) -> Response:
    days = _number(sent.get("days", "365"))
    if days is None or days > 3650:
        raise Refusal(422, "choice_missing", "有效天数要填 0 到 3650 的整数。", "0 为不限。")
    made: list[tuple[Key, str]] = []

    def work() -> tuple[str, str]:
        key = create_key(
            visitor.store, partner=sent.get("partner"), name=sent.get("name"), scopes=sent.all("scope"),
            audience=parse_visibility(sent.get("audience", "partner")), lasts=timedelta(days=days) if days else None,
            per_minute=600, actor=visitor.name, at=datetime.now(UTC),
        )  # fmt: skip
        made.append(key)
        return "/admin/keys", f"钥匙 {key[0].id} 已经创建过，只显示一次；没有记下时请吊销后另建。"

    again = await done_once(visitor, sent, work)
    return await run_in_threadpool(_keys, request, visitor, made[0]) if made else again


@router.post("/admin/keys/{id}")
async def post_revocation(visitor: Administrator, id: str, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        key = revoke_key(
            visitor.store, id, actor=visitor.name, at=datetime.now(UTC), reason=sent.get("reason")
        )
        return "/admin/keys", f"已吊销 {key.partner} 的钥匙 {key.id}，立即失效。"

    return await done_once(visitor, sent, work)


@router.get("/admin/history")
def get_history(
    request: Request, visitor: Auditor, q: Annotated[str, Query(max_length=100)] = "", revision: One = "", before: One = "",
) -> Response:  # fmt: skip
    """Batch by batch; with words, or for one batch, change by change."""
    store, place = visitor.store, _number(before)
    if q.strip() or _number(revision):
        entries = store.entries_before(place or _UPTO, _ENTRIES, text=q.strip(), revision=_number(revision))
        last = entries[-1].seq if len(entries) == _ENTRIES else None
        rows = [(entry, _subject(entry), _did(entry)) for entry in entries]
        batches: list[Revision] = []
    else:
        (batches, last), rows = _batches(store, place), []
    following = link("/admin/history", q=q, revision=revision, before=last) if last else ""
    return page(
        request, "history.html", q=q, revision=revision, rows=rows, batches=batches, following=following,
        actions=_ACTIONS,
    )  # fmt: skip


@router.post("/admin/history/undo")
async def post_undo(visitor: Administrator, parts: Parts, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        given = _number(sent.get("revision"))
        if given is None:
            raise Refusal(422, "choice_missing", "没有写明撤销哪一次改动。", "请从历史里选。")
        why = f"撤销第 {given} 次改动" + (f"：{sent.get('reason')}" if sent.get("reason") else "")
        applied = visitor.store.undo(given, actor=visitor.name, at=datetime.now(UTC), reason=why)
        return (
            "/admin/history",
            f"已撤销第 {given} 次改动：{applied.removed + applied.changed + applied.added} 条记录恢复原样。",
        )

    response = await done_once(visitor, sent, work)
    parts.follower.poke()
    return response


def _users(request: Request, visitor: Administrator, told: tuple[User, str] | None) -> Response:
    users = list(visitor.store.processes(User))
    locked = {
        user.id
        for user in users
        if (known := visitor.store.accounts.credential(user.id)) and known.is_locked(datetime.now(UTC))
    }
    return page(request, "users.html", users=users, locked=locked, told=told)


def _keys(request: Request, visitor: Administrator, made: tuple[Key, str] | None) -> Response:
    now = datetime.now(UTC)
    return page(
        request, "keys.html", keys=list(visitor.store.processes(Key)), made=made, now=now, scopes=SCOPES,
        audiences=VISIBILITY_LABELS,
    )  # fmt: skip


def _batches(store: Store, before: int | None) -> tuple[list[Revision], int | None]:
    """The last batches but those of what a list has shown, and before which one to go on; None at the end."""
    found: list[Revision] = []
    for _ in range(_LOOKS):
        some = store.revisions(_ENTRIES, before)
        found += [one for one in some if one.reason != SHOWN_REASON]
        before = some[-1].revision if some and some[-1].revision > 1 else None
        if before is None or len(found) >= _ENTRIES // 2:
            break
    return found, before


def _subject(entry: Entry) -> tuple[str, str]:
    """What a change is about, in words, and where it can be seen; no address for what has no page."""
    key = entry.key
    if len(key) == 2:
        return f"{KINDS[key[0]].label} {key[1]}" if key[0] in KINDS else " ".join(key), link(
            f"/records/{key[0]}", open=key[1]
        )
    if len(key) == 4:
        what = "评级" if key[0] == "judgement" else "进展"
        return f"{what} {key[1]}—{key[2]}", link("/pair", scene=key[1], found=key[2])
    if len(key) == 3:
        return f"{_process_labels().get(key[1], '流程')} {key[2]}", ""
    return f"关系 {key[1]}—{key[4]}", link(f"/records/{key[0]}", open=key[1])


def _number(text: str) -> int | None:
    """A number of a revision or a row; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _did(entry: Entry) -> str:
    if entry.after is None:
        return "删除"
    return "新增" if entry.before is None else "修改"


def _process_labels() -> dict[str, str]:
    """What kinds of processes are called; classes between, which are no kind, are passed through."""
    waiting, found = [Process], dict[str, str]()
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if "kind" in vars(kind):
                found[kind.kind] = kind.label
    return found
