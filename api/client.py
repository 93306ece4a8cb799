"""A client for partners who write Python: every resource as typed values, retries, pages, and signatures of webhooks.

    with JiebangClient("https://jiebang.example", token) as jiebang:
        for item in jiebang.match_text("海岛无人机送药，抗风7级以上").items:
            print(item.score, item.title, item.reason)

Needs httpx2 and pydantic only; nothing of the server is imported.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, Required, Self, TypedDict, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from api.case_wire import CaseFilePage, CaseFileShown, CaseMoveName, CaseState, SimilarCases
from api.roadshow_client import RoadshowPlans
from api.task_client import Assignments, Tasks
from api.wire import (
    Brokers,
    BulkKind,
    DeliveryPage,
    DeliveryShown,
    FieldProblem,
    History,
    JobPage,
    JobShown,
    JudgementPage,
    JudgementShown,
    KeyCreated,
    KeyPage,
    KeyShown,
    Matches,
    MoveName,
    Neighbourhood,
    OrderPage,
    OrderShown,
    OrderState,
    OutcomePage,
    OutcomeShown,
    Pair,
    ProblemDocument,
    Replayed,
    RoadshowBrief,
    RoadshowChecked,
    RoadshowDone,
    RoadshowMove,
    RoadshowPage,
    RoadshowShown,
    Scope,
    Scores,
    WebhookCreated,
    WebhookPage,
    WebhookShown,
)
from api.wire_reviews import AwardMove, AwardShown, PanelShown, RankingShown, ReasonsShown, ReviewShown

Seen = Literal["public", "partner", "staff"]
Detail = Literal["brief", "full"]
ListName = Literal["opportunities", "capabilities", "cases"]
MEDIA_TYPES: Mapping[str, str] = {
    ".csv": "text/csv", ".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
# No answer is waited for longer than this, whatever Retry-After says.
_LONGEST_WAIT = 120.0
_BUSY = frozenset({429, 503})


class Record(TypedDict, total=False):
    """A record as it is shown: what is filled in and not hidden, nothing else. Amounts are (least, most) in 万元."""

    kind: Required[str]
    id: Required[str]
    visibility: Required[Seen]
    title: str
    summary: str
    field: list[str]
    district: str
    keywords: list[str]
    field_visibility: dict[str, Seen]
    source: str
    contact: str
    contact_phone: str


class SceneRecord(Record, total=False):
    """应用场景."""

    category: str
    problem: str
    indicators: str
    wanted: str
    existing_basis: str
    owner: str
    owner_uscc: str
    lead_department: str
    maturity_floor: str
    conditions: str
    cooperation: list[str]
    budget: list[float]
    deadline: str
    status: str


class AchievementRecord(Record, total=False):
    """科技成果."""

    advantages: str
    indicators: str
    applications: str
    owner: str
    owner_uscc: str
    inventors: list[str]
    maturity: str
    maturity_evidence: str
    ip_numbers: list[str]
    ip_status: str
    granted_on: str
    cooperation: list[str]
    price: list[float]
    ipc: list[str]
    award: str


class EnterpriseRecord(Record, total=False):
    """企业."""

    uscc: str
    industry_code: str
    products: str
    capabilities: str
    needs: str
    qualifications: list[str]
    scale: str


class InstitutionRecord(Record, total=False):
    """高校院所."""

    uscc: str
    type: str
    strengths: str


class BrokerRecord(Record, total=False):
    """技术经纪人."""

    level: str
    organisation: str
    scenes: list[str]
    deals: int
    load: int
    capacity: int


class CaseRecord(Record, total=False):
    """标杆案例."""

    scene_id: str
    achievement_id: str
    owner: str
    provider: str
    first_use: bool
    investment: list[float]
    period: str
    approach: str
    effect: str
    measures: str
    replicable: str
    evidence: str
    batch: str


R = TypeVar("R", bound=Record)
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Generic[R]):
    """A record as it was read, and the entity tag of just that: what a change is made of."""

    values: R
    etag: str
    path: str

    @property
    def id(self) -> str:
        """The record's id, with the partner's code before it if it is the partner's own."""
        return self.values["id"]


class JiebangRefused(Exception):
    """A request that was not done: what the server said of it, or ``unreachable`` and ``not_jiebang`` where it did not."""

    def __init__(self, problem: ProblemDocument) -> None:
        super().__init__(f"{problem.detail}{problem.remedy}（{problem.code}）")
        self.status, self.code = problem.status, problem.code
        self.message, self.remedy = problem.detail, problem.remedy
        self.problems: list[FieldProblem] = problem.problems
        self.request_id = problem.request_id


class Changed(JiebangRefused):
    """The record has changed since it was read (412), and nothing was written: read it again and decide anew."""


class BadSignature(ValueError):
    """A webhook that did not come from the server, came too late, or was changed on its way."""


class JiebangClient:
    """One partner's access. A context manager; threads may share it.

    Requests that were refused for the moment (429, 503) or did not get through are sent again, at most ``attempts``
    times in all; every POST carries an Idempotency-Key that stays the same, so that nothing is done twice. A change
    (PUT, PATCH, DELETE) that did not get through is not sent again: it may have been made.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        attempts: int = 5,
        timeout: float = 90.0,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._http = httpx2.Client(base_url=base_url, headers=headers, timeout=timeout, transport=transport)
        self._attempts, self._sleep = attempts, sleep
        self.scenes: Records[SceneRecord] = Records(self, "scenes")
        self.achievements: Records[AchievementRecord] = Records(self, "achievements")
        self.enterprises: Records[EnterpriseRecord] = Records(self, "enterprises")
        self.institutions: Records[InstitutionRecord] = Records(self, "institutions")
        self.brokers: Records[BrokerRecord] = Records(self, "brokers")
        self.cases: Records[CaseRecord] = Records(self, "cases")
        self.tasks = Tasks(self)
        self.assignments = Assignments(self, sleep)
        self.roadshow_plans = RoadshowPlans(self, sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def matches(self, subject: str, id: str, **asked: Any) -> Matches:
        """What fits a stored record: ``subject`` is ``scenes`` or ``achievements``.

        ``asked``: top, detail, field, district, and min_trl and ip_status (of achievements) or open_only (of scenes).
        """
        return self._given(Matches, "GET", f"/v1/{subject}/{_escaped(id)}/matches", params=asked)

    def enterprises_for(self, scene: str, **asked: Any) -> Matches:
        """Enterprises for a scene; ``asked``: top, detail, field, district."""
        return self._given(Matches, "GET", f"/v1/scenes/{_escaped(scene)}/enterprises", params=asked)

    def match_text(self, text: str, **asked: Any) -> Matches:
        """Achievements for a need in words; nothing is kept of it. ``asked`` as of ``matches``."""
        return self._given(Matches, "POST", "/v1/match", body={"text": text, **asked})

    def match_written(
        self, kind: Literal["scene", "achievement"], values: Mapping[str, Any], **asked: Any
    ) -> Matches:
        """What fits a scene or an achievement that is not stored. ``asked`` as of ``matches``."""
        return self._given(Matches, "POST", "/v1/match", body={kind: dict(values), **asked})

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """The scores of up to 1,000 pairs (scene, achievement), in order."""
        asked = [{"scene": scene, "achievement": achievement} for scene, achievement in pairs]
        return self._given(Scores, "POST", "/v1/score", body={"pairs": asked})

    def pair(self, scene: str, achievement: str) -> Pair:
        """All that is known of why a pair scores as it does."""
        return self._given(Pair, "GET", f"/v1/pairs/{_escaped(scene)}/{_escaped(achievement)}")

    def brokers_for(self, scene: str, achievement: str, *, top: int = 10) -> Brokers:
        """Who could bring a pair together."""
        path = f"/v1/pairs/{_escaped(scene)}/{_escaped(achievement)}/brokers"
        return self._given(Brokers, "GET", path, params={"top": top})

    def neighbourhood(self, id: str, **asked: Any) -> Neighbourhood:
        """What stands around a record in the graph; ``asked``: kind, depth, limit, relation."""
        return self._given(Neighbourhood, "GET", f"/v1/graph/{_escaped(id)}", params=asked)

    def update(self, record: Kept[R], changes: Mapping[str, Any]) -> Kept[R]:
        """Change what is named, None empties it; gives the record as it is then.

        Raises ``Changed`` if somebody else has changed it since it was read. Nothing is read again in silence.
        """
        return self._kept(record.path, "PATCH", record.path, body=dict(changes), etag=record.etag)

    def replace(self, record: Kept[R], values: Mapping[str, Any]) -> Kept[R]:
        """Put other values in the place of all. Raises ``Changed`` as ``update`` does."""
        return self._kept(record.path, "PUT", record.path, body=dict(values), etag=record.etag)

    def retire(self, record: Kept[R], *, reason: str = "") -> None:
        """Take a record back; its history stays. Raises ``Changed`` as ``update`` does."""
        self._send("DELETE", record.path, params={"reason": reason or None}, etag=record.etag)

    def judge(
        self, scene: str, achievement: str, level: int, *, judge: str, reason: str = ""
    ) -> JudgementShown:
        """Keep one person's grade of a pair, 1 to 4."""
        sent = {"scene": scene, "achievement": achievement, "level": level, "judge": judge, "reason": reason}
        return self._given(JudgementShown, "POST", "/v1/judgements", body=sent)

    def judgements(self, scene: str | None = None) -> Iterator[JudgementShown]:
        """The partner's judgements."""
        return self._items(JudgementPage, "/v1/judgements", scene=scene)

    def record_outcome(
        self, scene: str, achievement: str, stage: str, *, by: str, reason: str = "", rank: int | None = None
    ) -> OutcomeShown:
        """Keep how far an introduction came: shown, contacted, met, intent, contract, landed, declined."""
        sent = {
            "scene": scene,
            "achievement": achievement,
            "stage": stage,
            "by": by,
            "reason": reason,
            "rank": rank,
        }
        return self._given(OutcomeShown, "POST", "/v1/outcomes", body=sent)

    def outcomes(self, scene: str | None = None) -> Iterator[OutcomeShown]:
        """The partner's outcomes."""
        return self._items(OutcomePage, "/v1/outcomes", scene=scene)

    def place_order(
        self, need: str, *, scene: str = "", achievement: str = "", contact: str = "", contact_phone: str = ""
    ) -> OrderShown:
        """Place an order (一键点单)."""
        about = {
            "scene": scene,
            "achievement": achievement,
            "contact": contact,
            "contact_phone": contact_phone,
        }
        return self._given(OrderShown, "POST", "/v1/orders", body={"need": need, **about})

    def order(self, id: str) -> OrderShown:
        """Where an order stands."""
        return self._given(OrderShown, "GET", f"/v1/orders/{_escaped(id)}")

    def orders(self, *, state: OrderState | None = None) -> Iterator[OrderShown]:
        """The partner's orders."""
        return self._items(OrderPage, "/v1/orders", state=state)

    def late_orders(self) -> list[OrderShown]:
        """Orders past their time, the longest first."""
        asked = {"late": True, "limit": 200}
        return self._given(OrderPage, "GET", "/v1/orders", params=asked).items

    def move_order(self, id: str, move: MoveName, **values: str) -> OrderShown:
        """Make a move of an order; what may be done next, and what it needs, stands in ``OrderShown.moves``."""
        sent = {"move": move, "values": values}
        return self._given(OrderShown, "POST", f"/v1/orders/{_escaped(id)}/moves", body=sent)

    def similar_cases(
        self, subject: Literal["scenes", "achievements"], id: str, *, top: int = 5
    ) -> SimilarCases:
        """The published cases most like a scene or an achievement, with why."""
        return self._given(SimilarCases, "GET", f"/v1/{subject}/{_escaped(id)}/cases", params={"top": top})

    def similar_cases_of_pair(self, scene: str, achievement: str, *, top: int = 5) -> SimilarCases:
        """The published cases most like a pair."""
        path = f"/v1/pairs/{_escaped(scene)}/{_escaped(achievement)}/cases"
        return self._given(SimilarCases, "GET", path, params={"top": top})

    def similar_cases_of_text(self, text: str, *, top: int = 5) -> SimilarCases:
        """The published cases most like a need that is not stored."""
        return self._given(SimilarCases, "POST", "/v1/similar-cases", body={"text": text, "top": top})

    def case_document(self, id: str) -> bytes:
        """A published case as a document (docx)."""
        return self._send("GET", f"/v1/cases/{_escaped(id)}/document").content

    def draft_case(
        self, *, task: str = "", scene: str = "", achievement: str = "",
        content: Mapping[str, Any] | None = None, by: str = "",
    ) -> CaseFileShown:  # fmt: skip
        """Draft a case from a concluded task, a pair that landed, or what is written; for the city's own keys."""
        sent = {"task": task, "scene": scene, "achievement": achievement, "content": content, "by": by}
        return self._given(CaseFileShown, "POST", "/v1/case-files", body=sent)

    def case_file(self, id: str) -> CaseFileShown:
        """Where a case stands, what it lacks, which ways lead on; for the city's own keys."""
        return self._given(CaseFileShown, "GET", f"/v1/case-files/{_escaped(id)}")

    def case_files(self, *, state: CaseState | None = None) -> Iterator[CaseFileShown]:
        """Every case file, drafts among them; for the city's own keys."""
        return self._items(CaseFilePage, "/v1/case-files", state=state)

    def move_case(
        self,
        id: str,
        move: CaseMoveName,
        *,
        by: str = "",
        content: Mapping[str, Any] | None = None,
        **values: str,
    ) -> CaseFileShown:
        """Make a move of a case; what may be done next, and what it needs, stands in ``CaseFileShown.moves``."""
        sent = {"move": move, "by": by, "content": content, "values": values}
        return self._given(CaseFileShown, "POST", f"/v1/case-files/{_escaped(id)}/moves", body=sent)

    def panel(self, task: str) -> PanelShown:
        """The panel of experts of a task. Panels, reviews and awards are for keys of the city's own staff."""
        return self._given(PanelShown, "GET", f"/v1/tasks/{_escaped(task)}/panel")

    def draw_panel(self, task: str, seed: int, **asked: Any) -> PanelShown:
        """Draw the panel of a task by lot; ``asked`` are the other fields of the body (``quotas``, ``dry_run`` …)."""
        return self._given(
            PanelShown, "POST", f"/v1/tasks/{_escaped(task)}/panel", body={"seed": seed, **asked}
        )

    def recuse_expert(self, task: str, expert: str, *, reason: str, **asked: Any) -> PanelShown:
        """Let a member step back; an alternate without conflict takes over."""
        sent = {"expert": expert, "reason": reason, **asked}
        return self._given(PanelShown, "POST", f"/v1/tasks/{_escaped(task)}/panel/recusals", body=sent)

    def review(self, task: str) -> ReviewShown:
        """Who reads what, and the marks so far."""
        return self._given(ReviewShown, "GET", f"/v1/tasks/{_escaped(task)}/review")

    def assign_bids(self, task: str, **asked: Any) -> ReviewShown:
        """Give the bids of a task to experts; ``asked`` are the fields of the body (``per_bid`` …)."""
        return self._given(ReviewShown, "POST", f"/v1/tasks/{_escaped(task)}/review", body=asked)

    def take_marks(self, task: str, marks: Sequence[Mapping[str, Any]]) -> ReviewShown:
        """Take marks in: each with expert, bid, marks by criterion, remark."""
        return self._given(
            ReviewShown, "POST", f"/v1/tasks/{_escaped(task)}/review/marks", body={"marks": list(marks)}
        )

    def review_ranking(self, task: str) -> RankingShown:
        """The ranking of the marks by the task's rule."""
        return self._given(RankingShown, "GET", f"/v1/tasks/{_escaped(task)}/review/ranking")

    def review_summary(self, task: str) -> bytes:
        """评审汇总表 (xlsx)."""
        return self._send("GET", f"/v1/tasks/{_escaped(task)}/review/summary").content

    def award_notice(self, task: str) -> bytes:
        """定标公示 (docx), once the award is public."""
        return self._send("GET", f"/v1/tasks/{_escaped(task)}/award/notice").content

    def award(self, task: str) -> AwardShown:
        """Where the award of a task stands."""
        return self._given(AwardShown, "GET", f"/v1/tasks/{_escaped(task)}/award")

    def propose_award(self, task: str, **asked: Any) -> AwardShown:
        """Propose the best of the ranking, or of ``points`` given."""
        return self._given(AwardShown, "POST", f"/v1/tasks/{_escaped(task)}/award", body=asked)

    def move_award(self, task: str, move: AwardMove, **values: Any) -> AwardShown:
        """Make an award public, note or answer an objection, put it into force, withdraw it."""
        sent = {"move": move, **values}
        return self._given(AwardShown, "POST", f"/v1/tasks/{_escaped(task)}/award/moves", body=sent)

    def award_reasons(self, task: str, bid: str) -> ReasonsShown:
        """What the bidder of a bid that lost is told."""
        return self._given(ReasonsShown, "GET", f"/v1/tasks/{_escaped(task)}/award/reasons/{_escaped(bid)}")

    def make_roadshow(self, **asked: Any) -> RoadshowDone:
        """A roadshow with its first lineup; ``asked``: theme, field, scenes, pitches, rules … (``RoadshowSent``)."""
        return self._given(RoadshowDone, "POST", "/v1/roadshows", body=asked)

    def roadshow(self, id: str, *, version: int | None = None) -> RoadshowShown:
        """A roadshow as it stands, or one of its released versions."""
        asked = {} if version is None else {"version": version}
        return self._given(RoadshowShown, "GET", f"/v1/roadshows/{_escaped(id)}", params=asked)

    def roadshows(self) -> Iterator[RoadshowBrief]:
        """The partner's roadshows."""
        return self._items(RoadshowPage, "/v1/roadshows")

    def check_roadshow(self, id: str) -> RoadshowChecked:
        """The rules that a lineup breaks now, and who is not on stage: why, and what would have to give."""
        return self._given(RoadshowChecked, "GET", f"/v1/roadshows/{_escaped(id)}/conflicts")

    def move_roadshow(self, seen: RoadshowShown, move: RoadshowMove, **values: Any) -> RoadshowDone:
        """Change a roadshow, release it, take its next step; refused if it is no longer as ``seen``."""
        sent = {"move": move, "draft": seen.draft, **values}
        return self._given(RoadshowDone, "POST", f"/v1/roadshows/{_escaped(seen.id)}/moves", body=sent)

    def published(self, name: ListName) -> Iterator[Record]:
        """The records of one of the three published lists."""
        return self._raw_items(f"/v1/lists/{name}", {})

    def published_file(self, name: ListName, format: Literal["csv", "xlsx"]) -> bytes:
        """A published list as a file."""
        return self._send("GET", f"/v1/lists/{name}", params={"format": format}).content

    def upload(
        self, path: Path, *, kind: BulkKind | None = None, partial: bool = False, dry_run: bool = False
    ) -> JobShown:
        """Upload a sheet of records (xlsx, csv, NDJSON); gives the job that works on it, see ``wait``."""
        media = MEDIA_TYPES.get(path.suffix.lower())
        if media is None:
            raise ValueError(f"不支持 {path.suffix} 文件；可用 {'、'.join(MEDIA_TYPES)}")
        asked = {"kind": kind, "partial": partial, "dry_run": dry_run}
        sent = self._send("POST", "/v1/bulk", params=asked, content=path.read_bytes(), media=media)
        return _read(JobShown, sent)

    def job(self, id: str) -> JobShown:
        """How far an upload is."""
        return self._given(JobShown, "GET", f"/v1/jobs/{_escaped(id)}")

    def jobs(self) -> Iterator[JobShown]:
        """The partner's uploads, the newest first."""
        return self._items(JobPage, "/v1/jobs")

    def wait(self, job: JobShown, *, patience: float = 600.0, pause: float = 1.0) -> JobShown:
        """The job once it has ended. Raises ``TimeoutError`` after about ``patience`` seconds."""
        for _ in range(max(1, round(patience / pause))):
            now = self.job(job.id)
            if now.state not in ("queued", "running"):
                return now
            self._sleep(pause)
        raise TimeoutError(f"作业 {job.id} 在 {patience:g} 秒内没有完成；可稍后用 job() 查看")

    def cancel_job(self, id: str) -> None:
        """Stop an upload that has not been written."""
        self._send("DELETE", f"/v1/jobs/{_escaped(id)}")

    def job_report(self, id: str) -> bytes:
        """The sheet that was uploaded with what is wrong in it marked, as xlsx."""
        return self._send("GET", f"/v1/jobs/{_escaped(id)}/report").content

    def register_webhook(self, url: str, events: Sequence[str] = ()) -> WebhookCreated:
        """Have changes told to an address; no events means all. Its secret is shown here and not again."""
        return self._given(WebhookCreated, "POST", "/v1/webhooks", body={"url": url, "events": list(events)})

    def webhooks(self) -> Iterator[WebhookShown]:
        """The partner's webhooks."""
        return self._items(WebhookPage, "/v1/webhooks")

    def webhook(self, id: str) -> WebhookShown:
        """One webhook."""
        return self._given(WebhookShown, "GET", f"/v1/webhooks/{_escaped(id)}")

    def move_webhook(self, id: str, move: Literal["pause", "resume"]) -> WebhookShown:
        """Pause or resume a webhook; what happens while it is paused waits."""
        return self._given(WebhookShown, "POST", f"/v1/webhooks/{_escaped(id)}/moves", body={"move": move})

    def rotate_webhook(self, id: str) -> WebhookCreated:
        """Give a webhook another secret, shown here."""
        path = f"/v1/webhooks/{_escaped(id)}/moves"
        return self._given(WebhookCreated, "POST", path, body={"move": "rotate"})

    def ping_webhook(self, id: str) -> WebhookShown:
        """Send a trial message."""
        return self._given(WebhookShown, "POST", f"/v1/webhooks/{_escaped(id)}/ping")

    def delete_webhook(self, id: str) -> None:
        """End a webhook; what waits for it is not sent any more."""
        self._send("DELETE", f"/v1/webhooks/{_escaped(id)}")

    def deliveries(self, id: str) -> Iterator[DeliveryShown]:
        """What was sent to a webhook and what became of it, the newest first."""
        return self._items(DeliveryPage, f"/v1/webhooks/{_escaped(id)}/deliveries")

    def replay(self, id: str, *, since: datetime | None = None, ids: Sequence[str] | None = None) -> Replayed:
        """Have deliveries sent again: those of a time and later, or these."""
        sent = {"since": since.isoformat()} if since else {"ids": list(ids or ())}
        return self._given(Replayed, "POST", f"/v1/webhooks/{_escaped(id)}/replay", body=sent)

    def keys(self) -> Iterator[KeyShown]:
        """All access keys; for administrators."""
        return self._items(KeyPage, "/v1/keys")

    def create_key(self, partner: str, scopes: Sequence[Scope], **asked: Any) -> KeyCreated:
        """Make a key; ``asked``: name, audience, days, per_minute. Its token is shown here and not again."""
        sent = {"partner": partner, "scopes": list(scopes), **asked}
        # The one POST without an Idempotency-Key: its answer is a secret, and the server keeps none.
        return _read(KeyCreated, self._send("POST", "/v1/keys", body=sent, once=False))

    def revoke_key(self, id: str, *, reason: str = "") -> None:
        """End a key for good."""
        self._send("DELETE", f"/v1/keys/{_escaped(id)}", params={"reason": reason or None})

    def status(self) -> dict[str, Any]:
        """Versions of the server's parts; for administrators."""
        told: dict[str, Any] = self._send("GET", "/v1/status").json()
        return told

    def _given(self, model: type[M], method: str, path: str, **asked: Any) -> M:
        return _read(model, self._send(method, path, **asked))

    def _kept(self, place: str, method: str, path: str, **asked: Any) -> Kept[Any]:
        response = self._send(method, path, **asked)
        values = response.json()
        where = place if method != "POST" else f"{place}/{_escaped(values['id'])}"
        return Kept(values=values, etag=response.headers["etag"], path=where)

    def _items(self, page: type[BaseModel], path: str, **asked: Any) -> Iterator[Any]:
        cursor = None
        while True:
            found: Any = self._given(page, "GET", path, params={**asked, "cursor": cursor})
            yield from found.items
            if (cursor := found.next) is None:
                return

    def _raw_items(self, path: str, asked: Mapping[str, Any]) -> Iterator[Any]:
        cursor = None
        while True:
            found = self._send("GET", path, params={**asked, "cursor": cursor}).json()
            yield from found["items"]
            if (cursor := found["next"]) is None:
                return

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        content: bytes | None = None,
        media: str = "application/json",
        etag: str | None = None,
        once: bool = True,
    ) -> httpx2.Response:
        """The answer, which is no refusal; the same bytes are sent every time."""
        headers = {}
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
        if content is not None:
            headers["Content-Type"] = media
        if etag is not None:
            headers["If-Match"] = etag
        if method == "POST" and once:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        plain = {name: value for name, value in (params or {}).items() if value is not None}
        repeatable = method == "GET" or "Idempotency-Key" in headers
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            wait = min(2.0 ** (attempt - 1), _LONGEST_WAIT)
            try:
                response = self._http.request(method, path, params=plain, content=content, headers=headers)
            except httpx2.TransportError as failure:
                if last or not repeatable:
                    raise JiebangRefused(_unreachable(failure)) from failure
            else:
                if response.is_success:
                    return response
                told = response.headers.get("retry-after", "")
                # 409 with Retry-After: the same request, sent before, is still being worked on.
                passing = response.status_code in _BUSY or (response.status_code == 409 and told)
                if told.isdigit():
                    wait = float(told)
                if last or not passing or wait > _LONGEST_WAIT:
                    raise _refused(response)
            self._sleep(wait)
        raise ValueError("attempts must be at least 1")


class Records(Generic[R]):
    """The records of one kind."""

    def __init__(self, client: JiebangClient, plural: str) -> None:
        self._client, self._path = client, f"/v1/{plural}"

    def get(self, id: str) -> Kept[R]:
        """One record with its entity tag."""
        path = f"{self._path}/{_escaped(id)}"
        return self._client._kept(path, "GET", path)

    def list(self, **asked: Any) -> Iterator[R]:
        """Records by id; ``asked``: field, district, own (the partner's only), fields (only these), limit (a page's)."""
        return self._client._raw_items(self._path, asked)

    def create(self, values: Mapping[str, Any]) -> Kept[R]:
        """Push a record; its id gets the partner's code and a colon before it."""
        return self._client._kept(self._path, "POST", self._path, body=dict(values))

    def history(self, id: str) -> History:
        """The changes of a record, oldest first."""
        return self._client._given(History, "GET", f"{self._path}/{_escaped(id)}/history")


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = timedelta(minutes=5),
) -> dict[str, Any]:
    """The message of a webhook that is genuine and fresh: ``event``, ``seq_at``, ``data``. Raises ``BadSignature``.

    ``body`` is what arrived, byte for byte. A message may arrive twice: ``webhook-id`` tells.
    """
    given = {name.lower(): value for name, value in headers.items()}
    number, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:  # an empty one anybody could sign with
        raise BadSignature("密钥写法不对：应以 whsec_ 开头")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise BadSignature("没有时间，或时间写法不对")
    signed = f"{number}.{stamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    genuine = False
    for one in given.get("webhook-signature", "").split():
        genuine |= hmac.compare_digest(one.encode(), expected)
    if not genuine:
        raise BadSignature("签名不对")
    if abs(now.timestamp() - int(stamp)) > tolerance.total_seconds():
        raise BadSignature("消息太旧，或双方时钟相差太多")
    try:
        message: dict[str, Any] = json.loads(body)
    except ValueError:
        raise BadSignature("内容不是 JSON") from None
    return message


def _read(model: type[M], response: httpx2.Response) -> M:
    """An answer; what a newer server adds to it is passed over."""
    try:
        return model.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        raise _refused(response) from None


def _refused(response: httpx2.Response) -> JiebangRefused:
    try:
        problem = ProblemDocument.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        # Of a proxy, or of another server altogether.
        problem = _problem(
            response.status_code,
            "not_jiebang",
            "对方的答复不是揭榜接口的答复。",
            "请核对网址，以及中间的代理。",
        )
    return Changed(problem) if problem.status == 412 else JiebangRefused(problem)


def _unreachable(failure: httpx2.TransportError) -> ProblemDocument:
    return _problem(
        0, "unreachable", f"连不上服务器（{type(failure).__name__}）。", "请核对网址和网络，稍后再试。"
    )


def _problem(status: int, code: str, message: str, remedy: str) -> ProblemDocument:
    title = "没有得到答复"
    return ProblemDocument(
        type=f"urn:jiebang:problem:{code}",
        title=title,
        status=status,
        detail=message,
        code=code,
        remedy=remedy,
    )


def _escaped(id: str) -> str:
    return quote(id, safe="")
