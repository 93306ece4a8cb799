"""Tells webhooks of changes: from the history into the outbox, from there out, in order per record, until it arrives."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from api.keys import Key
from api.settings import ServeSettings
from api.targets import Answer, Sender
from api.webhooks import (
    PING,
    WEBHOOK_RULES,
    Webhook,
    body_now,
    event_of,
    message_id,
    ping_body,
    signed_headers,
    webhook_secret,
)
from api.wire import utc_text
from graph.problems import Refused
from graph.processes import moved
from graph.store.changes import PutProcess
from graph.store.history import Entry
from graph.store.outbox import Delivery, NewDelivery
from graph.store.records import key_text
from graph.store.store import Store

# Pauses between attempts; the last one is repeated until ``ATTEMPTS`` are made: not quite two days in all.
PAUSES = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 7200, 14_400, 28_800))
ATTEMPTS = 13
LEASE = timedelta(seconds=60)
# Rows of the history read at once, deliveries under way, and those to one receiver at the same time.
_READ, _TAKEN, _EACH = 500, 256, 8
# Seconds after which a delivery that still waits for its turn is left to its lease, well before that ends; and those
# after which a receiver counts as slow.
_TURN, _SLOW = 30.0, 2.0
_PAUSE = 1.0
_GONE = 410
_LOG = logging.getLogger("jiebang.webhooks")

P = ParamSpec("P")
R = TypeVar("R")
Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Answer]]


def _clock() -> datetime:
    return datetime.now(UTC)


class Dispatcher:
    """Follows the history and delivers; several servers on one store share the work."""

    def __init__(
        self,
        settings: ServeSettings,
        store: Store,
        *,
        post: Post | None = None,
        clock: Callable[[], datetime] = _clock,
    ) -> None:
        """``post`` sends one delivery and never raises; ``clock`` tells the time."""
        self._store, self._clock = store, clock
        self._post = post or Sender(private=settings.private_targets).post
        self._wake = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], Delivery] = {}
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._slow: set[str] = set()

    def poke(self) -> None:
        """There may be something to tell."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; what is under way then is tried again later."""
        try:
            while True:
                busy = False
                try:
                    busy = await self.turn()
                except Refused:
                    pass  # the store is busy: another time
                except Exception as error:  # one bad turn must not be the last
                    _LOG.error("turn failed", exc_info=error)
                if not busy:
                    await self._rest()
        finally:
            for task in self._under_way:
                task.cancel()
            await self.settled()

    async def turn(self) -> bool:
        """Queue what is new in the history and begin to send what is due; gives whether there was any of it."""
        busy = await _to_its_end(self._fan_out)
        if free := max(0, _TAKEN - len(self._under_way)):
            due = await _to_its_end(self._store.outbox.due, self._clock(), free, LEASE)
            for delivery in due:
                self._begin(delivery)
            busy |= bool(due)
        return busy

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(list(self._under_way))

    def ping(self, webhook: Webhook, at: datetime) -> None:
        """Queue a trial delivery. Raises ``Refused`` (``store_locked``) where others write all the time."""
        delivery = NewDelivery(
            webhook=webhook.id, partner=webhook.partner, subject=f"ping-{utc_text(at)}", event=PING, seq=0,
            body=ping_body(at), at=at,
        )  # fmt: skip
        for _ in range(10):  # the mark moves on while others write
            mark, _ = self._store.outbox.unread(0)
            if self._store.outbox.fan_out(mark, mark, [delivery]):
                self.poke()
                return
        raise Refused("store_locked", "数据库正忙，试验消息没有排上队。", "请稍候再试。")

    async def _rest(self) -> None:
        """Wait until there may be something to do."""
        with contextlib.suppress(TimeoutError):
            # Not ``wait_for``: that of Python 3.11 loses a cancellation that meets the wake, and nobody would ever end.
            async with asyncio.timeout(_PAUSE):
                await self._wake.wait()
        self._wake.clear()

    def _fan_out(self) -> bool:
        """Turn the next rows of the history into deliveries; gives whether there were any."""
        mark, entries = self._store.outbox.unread(_READ)
        if not entries:
            return False
        at = self._clock()
        # A paused one's deliveries wait for it.
        webhooks = [
            hook for hook in self._store.processes(Webhook) if hook.state != "ended" and self._may_go_on(hook)
        ]
        deliveries = [
            NewDelivery(
                webhook=hook.id, partner=hook.partner, subject=key_text(entry.key), event=told[0], seq=entry.seq,
                body=told[1], at=at,
            )
            for entry in entries
            for hook in webhooks
            if entry.seq > hook.since and (told := self._told(hook, entry))
        ]  # fmt: skip
        self._store.outbox.fan_out(mark, entries[-1].seq, deliveries)
        return True

    def _told(self, webhook: Webhook, entry: Entry) -> tuple[str, str] | None:
        try:
            return event_of(self._store, webhook, entry)
        except Refused as refused:
            if refused.code != "record_unreadable":
                raise
        # It stays unreadable: whoever waits for it waits for good.
        _LOG.error("history row unreadable", extra={"event": str(entry.seq), "webhook": webhook.id})
        return None

    def _begin(self, delivery: Delivery) -> None:
        if any(one.id == delivery.id for one in self._under_way.values()):
            return  # it was due once more because its webhook was resumed
        mine = sum(one.webhook == delivery.webhook for one in self._under_way.values())
        if mine >= _EACH and delivery.webhook in self._slow:
            return  # when its lease is over it comes back, and until then holds nobody up
        task = asyncio.create_task(self._send(delivery))
        self._under_way[task] = delivery
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        if (
            not task.cancelled()
            and (error := task.exception()) is not None
            and not isinstance(error, Refused)
        ):
            _LOG.error("delivery failed unforeseen", exc_info=error)
        self.poke()

    async def _send(self, delivery: Delivery) -> None:
        """One attempt, unless it does not come to its turn: then its lease brings it back."""
        turns = self._turns.setdefault(delivery.webhook, asyncio.Semaphore(_EACH))
        time, waits = asyncio.get_running_loop().time, turns.locked()
        begun = time()
        try:
            async with turns:
                if waits and (delivery.webhook in self._slow or time() - begun > _TURN):
                    return
                prepared = await _to_its_end(self._prepared, delivery)
                if prepared is None:
                    return
                webhook, headers, delivery = prepared
                begun = time()
                answer = await self._post(webhook.url, headers, delivery.body.encode())
                (self._slow.add if time() - begun > _SLOW else self._slow.discard)(webhook.id)
        except asyncio.CancelledError:
            # The server stops: the next one need not wait for the end of the lease.
            await _to_its_end(self._store.outbox.hold, delivery.id, self._clock())
            raise
        await _to_its_end(self._settle, delivery, answer)

    def _prepared(self, delivery: Delivery) -> tuple[Webhook, dict[str, str], Delivery] | None:
        """The webhook as it is now, the headers and what to send; None if nothing is to be sent to it now."""
        store, at = self._store, self._clock()
        webhook = store.process(Webhook, delivery.webhook)
        if webhook is None or webhook.state == "ended" or not self._may_go_on(webhook):
            store.outbox.drop_waiting(delivery.webhook)
            return None
        if webhook.state == "paused":
            return None
        body = body_now(store, webhook, delivery)
        if body is None:
            store.outbox.drop(delivery.id)
            return None
        delivery = replace(delivery, body=body)
        number = message_id(store.secret(), delivery)
        return webhook, signed_headers(webhook_secret(store, webhook), number, delivery, at), delivery

    def _settle(self, delivery: Delivery, answer: Answer) -> None:
        outbox, at = self._store.outbox, self._clock()
        if not answer.error and answer.status is not None:
            outbox.delivered(delivery.id, answer.status, at)
            return
        told = {"webhook": delivery.webhook, "status": answer.status or 0, "event": delivery.event}
        _LOG.info("delivery failed", extra=told)
        tried = delivery.attempts + 1
        if answer.status == _GONE:
            outbox.give_up(delivery.id, answer.status, answer.error, at)
            self._pause(delivery.webhook, "接收方答复 410（已不存在）")
        elif tried >= ATTEMPTS:
            outbox.give_up(delivery.id, answer.status, answer.error, at)
        else:
            pause = PAUSES[min(tried, len(PAUSES)) - 1]
            outbox.postpone(delivery.id, answer.status, answer.error, at, at + pause)

    def _may_go_on(self, webhook: Webhook) -> bool:
        """Whether the key that made it still opens: who may not ask any more is not told any more.

        Pauses one whose key does not, and so tells its partner why nothing comes.
        """
        key = self._store.process(Key, webhook.key_id)
        if key is not None and key.is_open(self._clock()):
            return True
        if webhook.state == "active":
            self._pause(webhook.id, "登记它的访问钥匙已失效")
        return False

    def _pause(self, id: str, reason: str) -> None:
        """Nothing more is sent until the partner says otherwise."""
        revision, at = self._store.revision(), self._clock()
        webhook = self._store.process(Webhook, id)
        if webhook is None or webhook.state != "active":
            return
        paused = moved(webhook, WEBHOOK_RULES, "pause", role="system", at=at, values={"reason": reason})
        # Its partner may have changed it just now, or the store be busy: the next attempt says it again.
        with contextlib.suppress(Refused):
            self._store.apply(
                [PutProcess(process=paused)], actor="jiebang", at=at, reason=f"暂停回调：{reason}", since=revision
            )  # fmt: skip


async def _to_its_end(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """What it gives, worked out in a thread; who is cancelled waits for it first, and the store stays open so long."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.exception()  # looked at: whoever would be told of it is gone
        raise
