"""The dispatcher: what changes is told in order per record, again until it arrives, and nobody holds up the others.

Receivers are functions and the clock stands still until a test moves it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import dispatching
from api.dispatching import ATTEMPTS, LEASE, PAUSES, Dispatcher
from api.keys import SCOPES, create_key, revoke_key
from api.settings import ServeSettings
from api.targets import Answer
from api.webhooks import EVENTS, WEBHOOK_RULES, Webhook, event_of, message_id
from graph.problems import Refused
from graph.processes import moved, opened
from graph.store.changes import PutNode, PutProcess, RemoveNode
from graph.store.outbox import Delivery
from graph.store.store import Store, open_store
from matcher.home import Home
from tests.factories import NOON, make_scene

FINE, BAD, GONE = (
    Answer(200, ""),
    Answer(500, "对方答复 500，没有接受"),
    Answer(410, "对方答复 410，没有接受"),
)
SILENT = Answer(None, "10 秒内没有答复")
_LONGEST = 60  # seconds that a test waits before it gives up


class Clock:
    """The time, which moves only when told."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


class World:
    """A store with webhooks, and what was sent to them: (webhook's url, webhook-id, body)."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock = store, Clock()
        self.sent: list[tuple[str, str, str]] = []
        self.times: list[timedelta] = []
        self.answer: Callable[[str, str], Answer] = lambda _url, _number: FINE

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Keep what is sent, and answer as ``answer`` says."""
        self.sent.append((url, headers["webhook-id"], body.decode()))
        self.times.append(self.clock() - NOON)
        return self.answer(url, headers["webhook-id"])

    def dispatcher(self, post: Any = None) -> Dispatcher:
        """A dispatcher, of which there may be several."""
        bounds = ServeSettings(home=Home(path=Path("nowhere")))
        return Dispatcher(bounds, self.store, post=post or self.post, clock=self.clock)

    def hook(self, id: str = "HD-1", *, lasts: timedelta | None = None, **attributes: Any) -> Webhook:
        """A new webhook with a key of its own."""
        self.store.outbox.unread(0)
        key, _ = create_key(
            self.store, partner="hengqin", name="", scopes=tuple(SCOPES), audience="partner", lasts=lasts, per_minute=9, actor="程某",
            at=self.clock(),
        )  # fmt: skip
        values = {
            "url": f"https://{id}.example/",
            "events": EVENTS,
            "since": self.store.head().seq,
        } | attributes
        hook = opened(
            Webhook, WEBHOOK_RULES, id=id, at=self.clock(), partner="hengqin", key_id=key.id, **values
        )
        self.put(hook)
        return hook

    def put(self, hook: Webhook) -> None:
        """Keep a webhook."""
        self.store.apply([PutProcess(process=hook)], actor="程某", at=self.clock(), reason="")

    def move(self, id: str, name: str, **values: Any) -> None:
        """Move a webhook as its partner would."""
        self.put(moved(self.now(id), WEBHOOK_RULES, name, role="partner", at=self.clock(), values=values))

    def now(self, id: str) -> Webhook:
        """A webhook as it is."""
        hook = self.store.process(Webhook, id)
        assert hook is not None
        return hook

    def change(self, *ids: str, title: str = "") -> None:
        """Change scenes, all in one batch."""
        number = title or f"第 {self.store.revision()} 版"
        nodes = [PutNode(node=make_scene(id, title=number, visibility="public")) for id in ids]
        self.store.apply(nodes, actor="张三", at=self.clock(), reason="")

    def log(self, id: str = "HD-1") -> list[Delivery]:
        """A webhook's deliveries, the oldest first."""
        return self.store.outbox.log(id, limit=9999)[::-1]

    def states(self, id: str = "HD-1") -> list[str]:
        """Of a webhook's deliveries, the oldest first."""
        return [one.state for one in self.log(id)]

    def numbers(self, id: str = "HD-1") -> list[str]:
        """The ids with which a webhook's deliveries are sent, the oldest first."""
        return [message_id(self.store.secret(), one) for one in self.log(id)]

    def work(self, dispatcher: Dispatcher | None = None) -> None:
        """Do all that there is to do at this moment."""
        run(all_done(dispatcher or self.dispatcher()))


def run(work: Coroutine[Any, Any, Any]) -> None:
    """Do it, in the end."""

    async def bounded() -> None:
        async with asyncio.timeout(_LONGEST):
            await work

    asyncio.run(bounded())


async def all_done(dispatcher: Dispatcher) -> None:
    """Turn until nothing is left to do."""
    while await dispatcher.turn():
        await dispatcher.settled()


async def until(condition: Callable[[], bool]) -> None:
    """Let others work until it is so."""
    while not condition():
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for many worlds."""
    with open_store(tmp_path_factory.mktemp("many") / "t.db") as store:
        yield store


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of its own."""
    with open_store(tmp_path / "t.db") as store:
        yield World(store)


def test_changes_reach_every_webhook_that_asked_in_their_order_and_once(world: World) -> None:
    world.store.outbox.unread(0)
    # Before anybody asked: told to nobody, although it is not queued yet.
    world.change("1")
    world.hook("HD-1")
    world.hook("HD-2", events=("scene.retired",))
    for id in "12":
        world.change(id)
    world.work()
    world.store.apply([RemoveNode(kind="scene", id="1")], actor="张三", at=NOON, reason="")
    world.work()
    world.work()
    events = {id: [(one.event, one.subject, one.state) for one in world.log(id)] for id in ("HD-1", "HD-2")}
    retired = ("scene.retired", '["scene","1"]', "delivered")
    assert events == {
        "HD-1": [
            ("scene.changed", '["scene","1"]', "delivered"),
            ("scene.created", '["scene","2"]', "delivered"),
            retired,
        ],
        "HD-2": [retired],
    }
    assert sorted(number for _, number, _ in world.sent) == sorted(
        world.numbers("HD-1") + world.numbers("HD-2")
    )
    assert {(url, body) for url, _, body in world.sent} == {
        (f"https://{one.webhook}.example/", one.body) for id in ("HD-1", "HD-2") for one in world.log(id)
    }


def test_attempts_are_made_with_growing_pauses_and_given_up_in_the_end(world: World) -> None:
    world.hook()
    world.change("1")
    world.answer = lambda *_: BAD
    dispatcher = world.dispatcher()
    pauses = [PAUSES[min(tried, len(PAUSES) - 1)] for tried in range(ATTEMPTS - 1)]
    for pause in pauses:
        world.work(dispatcher)
        assert world.states() == ["waiting"]
        # Not a moment earlier.
        world.clock.at += pause - timedelta(microseconds=1)
        world.work(dispatcher)
        world.clock.at += timedelta(microseconds=1)
    world.change("1")
    world.work(dispatcher)
    assert (world.states(), len(world.sent)) == (["failed", "waiting"], ATTEMPTS + 1)
    assert world.times[:ATTEMPTS] == [sum(pauses[:tried], timedelta()) for tried in range(ATTEMPTS)]
    assert pauses == sorted(pauses)
    assert timedelta(days=1.5) < sum(pauses, timedelta()) < timedelta(days=2)
    (failed, waiting) = world.log()
    assert (failed.attempts, failed.last_status, failed.last_error) == (ATTEMPTS, 500, BAD.error)
    assert (waiting.attempts, waiting.due_at) == (1, world.clock() + PAUSES[0])
    assert {number for _, number, _ in world.sent[:ATTEMPTS]} == {world.numbers()[0]}


_OUTCOMES = st.dictionaries(
    st.tuples(st.sampled_from(["HD-1", "HD-2"]), st.integers(0, 5)),
    st.lists(st.sampled_from([BAD, SILENT]), max_size=3) | st.just([BAD] * ATTEMPTS),
    max_size=8,
)


@settings(max_examples=8, deadline=None)
@given(outcomes=_OUTCOMES, changes=st.lists(st.sampled_from(["1", "2", "1 2"]), min_size=1, max_size=4))
def test_whatever_fails_each_record_is_told_in_order_and_as_often_as_needed(
    empty: Store, outcomes: dict[tuple[str, int], list[Answer]], changes: list[str]
) -> None:
    world = World(empty)
    made = empty.revision()
    hooks = [f"{id}-{made}" for id in ("HD-1", "HD-2")]
    for id in hooks:
        world.hook(id)
    for change in changes:
        world.change(*(f"{made}-{id}" for id in change.split()))
    answers: dict[str, list[Answer]] = {}

    def answer(url: str, number: str) -> Answer:
        if number not in answers:
            id = url.removeprefix("https://").partition(".")[0]
            place = world.numbers(id).index(number)
            answers[number] = list(outcomes.get((id.rpartition("-")[0], place), []))
        return answers[number].pop(0) if answers[number] else FINE

    world.answer = answer
    dispatcher = world.dispatcher()
    for _ in range(500):
        world.work(dispatcher)
        first = {
            (id, one.subject): one.due_at
            for id in hooks
            for one in world.log(id)[::-1]
            if one.state == "waiting"
        }
        if not first:
            break
        world.clock.at = max(world.clock.at, min(first.values()))
    told = [number for _, number, _ in world.sent]
    for id in hooks:
        world.move(id, "end")  # the next example's changes are not for it
        by_record: dict[str, list[str]] = defaultdict(list)
        for place, (one, number) in enumerate(zip(world.log(id), world.numbers(id), strict=True)):
            failures = len(outcomes.get((id.rpartition("-")[0], place), []))
            expected = ("failed", ATTEMPTS) if failures >= ATTEMPTS else ("delivered", failures + 1)
            assert (one.state, one.attempts, told.count(number)) == (*expected, expected[1])
            by_record[one.subject].append(number)
        assert set(by_record) == {f'["scene","{made}-{id}"]' for change in changes for id in change.split()}
        for numbers in by_record.values():
            # All attempts at one before the first at the next.
            mine = [number for number in told if number in numbers]
            assert list(dict.fromkeys(mine)) == numbers
            assert mine == sorted(mine, key=numbers.index)


def test_a_receiver_that_is_gone_is_paused_and_what_comes_waits(world: World) -> None:
    world.hook()
    world.change("1")
    world.answer = lambda *_: GONE
    world.work()
    assert (world.states(), world.now("HD-1").state) == (["failed"], "paused")
    assert world.now("HD-1").reason == "接收方答复 410（已不存在）"
    world.change("1", "2")
    world.work()
    world.clock.at += LEASE
    world.work()
    assert (world.states(), len(world.sent)) == (["failed", "waiting", "waiting"], 1)
    world.answer = lambda *_: FINE
    world.move("HD-1", "resume", reason="")
    world.clock.at += LEASE
    world.work()
    assert world.states() == ["failed", "delivered", "delivered"]
    assert [one.attempts for one in world.log()] == [1, 1, 1]


def test_what_is_hidden_by_now_is_not_sent_though_it_was_queued(world: World) -> None:
    world.hook()
    world.change("1", "2", title="看得见")
    world.answer = lambda *_: BAD
    world.work()
    assert world.states() == ["waiting", "waiting"]
    hidden = PutNode(node=make_scene("1", title="看不见", visibility="staff"))
    world.store.apply([hidden], actor="张三", at=NOON, reason="")
    world.answer = lambda *_: FINE
    sent = len(world.sent)
    world.clock.at += PAUSES[0]
    world.work()
    told = {(one.event, one.subject): one.state for one in world.log()}
    assert told == {
        ("scene.created", '["scene","1"]'): "dropped",
        ("scene.created", '["scene","2"]'): "delivered",
        ("scene.retired", '["scene","1"]'): "delivered",
    }
    assert all("看得见" not in body for _, _, body in world.sent[sent:] if '"1"' in body)
    # Nor is it when everything is sent again.
    sent = len(world.sent)
    assert world.store.outbox.replay("HD-1", since_id=0, at=world.clock()) == 2
    world.work()
    assert len(world.sent) == sent + 2


def test_a_delivery_under_way_is_not_sent_twice_when_its_webhook_is_resumed(world: World) -> None:
    world.hook()
    world.change("1")

    async def story() -> None:
        gate = asyncio.Event()

        async def slow(*told: Any) -> Answer:
            await gate.wait()
            return await world.post(*told)

        dispatcher = world.dispatcher(slow)
        while await dispatcher.turn() and not dispatcher._under_way:
            pass
        world.store.outbox.wake("HD-1", world.clock())
        await dispatcher.turn()
        assert len(dispatcher._under_way) == 1
        gate.set()
        await dispatcher.settled()

    run(story())
    assert (len(world.sent), world.states()) == (1, ["delivered"])


def test_what_comes_into_sight_and_what_is_new_are_told_in_one_order(world: World) -> None:
    scenes = [make_scene(id, title="海岛", visibility="public") for id in "1234"]
    hidden = [PutNode(node=scene.model_copy(update={"visibility": "staff"})) for scene in scenes[1:4:2]]
    world.store.apply(hidden, actor="张三", at=NOON, reason="")
    world.hook()
    world.store.apply([PutNode(node=scene) for scene in scenes[::-1]], actor="张三", at=NOON, reason="")
    world.store.apply([RemoveNode(kind="scene", id="3"), *hidden], actor="张三", at=NOON, reason="")
    world.work()
    created, retired = ([one.subject for one in world.log() if one.event == event] for event in ("scene.created", "scene.retired"))  # fmt: skip
    assert created == [f'["scene","{id}"]' for id in "1234"]
    assert retired == [f'["scene","{id}"]' for id in "234"]


def test_what_is_replayed_comes_again_under_the_same_id(world: World) -> None:
    world.hook()
    world.change("1", "2")
    world.work()
    assert world.store.outbox.replay("HD-1", ids=[world.log()[1].id], at=NOON) == 1
    world.work()
    first, second = world.numbers()
    assert [number for _, number, _ in world.sent].count(first) == 1
    assert [number for _, number, _ in world.sent].count(second) == 2
    assert world.sent[-1] in world.sent[:-1]


def test_a_partner_who_changes_a_webhook_while_it_answers_is_not_overruled(world: World) -> None:
    for id, name in (("HD-1", "rotate"), ("HD-2", "end"), ("HD-3", "pause")):
        world.hook(id)
        world.change(id)

        def answer(_url: str, _number: str, id: str = id, name: str = name) -> Answer:
            values = {"version": 2} if name == "rotate" else {}
            world.move(id, name, **values)
            return GONE

        world.answer = answer
        world.work()
        world.move(id, "end") if name != "end" else None
    hooks = [world.now(id) for id in ("HD-1", "HD-2", "HD-3")]
    # The new secret of the first stays, and neither an end nor a pause of the partner's own is undone or explained.
    assert [(hook.state, hook.version, hook.reason) for hook in hooks] == [
        ("ended", 2, "接收方答复 410（已不存在）"), ("ended", 1, ""), ("ended", 1, ""),
    ]  # fmt: skip


def test_a_pause_that_meets_a_change_of_its_partner_gives_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hook()
    world.change("1")
    apply = Store.apply

    def slow_apply(store: Store, changes: Any, **options: Any) -> Any:
        monkeypatch.setattr(Store, "apply", apply)
        world.move("HD-1", "rotate", version=2)
        return apply(store, changes, **options)

    def answer(_url: str, _number: str) -> Answer:
        monkeypatch.setattr(Store, "apply", slow_apply)
        return GONE

    world.answer = answer
    world.work()
    assert (world.now("HD-1").state, world.now("HD-1").version, world.states()) == ("active", 2, ["failed"])


def test_deleting_drops_what_waits_and_what_is_under_way(world: World) -> None:
    world.hook()
    for _ in range(3):
        world.change("1")
    dispatcher = world.dispatcher()

    def answer(_url: str, _number: str) -> Answer:
        if world.now("HD-1").state == "active":
            world.move("HD-1", "end")
            world.store.outbox.drop_waiting("HD-1")
        return FINE

    world.answer = answer
    world.work(dispatcher)
    assert world.states() == ["dropped"] * 3
    world.change("1")
    world.work(dispatcher)
    assert (len(world.log()), len(world.sent)) == (3, 1)


def test_what_was_queued_while_its_webhook_was_deleted_is_dropped_unsent(world: World) -> None:
    hook = world.hook()
    world.move("HD-1", "end")
    world.dispatcher().ping(hook, NOON)
    world.work()
    assert (world.states(), world.sent) == (["dropped"], [])


@pytest.mark.parametrize("way", ["revoked", "expired"])
def test_with_its_key_a_webhook_ends_and_its_partner_reads_why(world: World, way: str) -> None:
    hook = world.hook(lasts=timedelta(hours=1))
    world.answer = lambda *_: BAD
    world.change("1")
    world.work()
    assert (len(world.sent), world.states()) == (1, ["waiting"])
    if way == "revoked":
        revoke_key(world.store, hook.key_id, actor="程某", at=NOON, reason="")
    world.clock.at += timedelta(hours=1)
    world.work()
    world.change("2")
    world.work()
    now = world.now("HD-1")
    assert (len(world.sent), world.states()) == (1, ["dropped"])
    assert (now.state, now.reason) == ("paused", "登记它的访问钥匙已失效")


def test_a_key_revoked_before_anything_was_queued_is_noticed_too(world: World) -> None:
    hook = world.hook()
    revoke_key(world.store, hook.key_id, actor="程某", at=NOON, reason="")
    world.change("1")
    world.work()
    assert (world.sent, world.log(), world.now("HD-1").state) == ([], [], "paused")


def test_a_receiver_that_hangs_does_not_hold_up_others_nor_gets_many_at_once(world: World) -> None:
    for id in ("HD-1", "HD-2"):
        world.hook(id)
    under_way, most, released = 0, 0, asyncio.Event()

    async def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        nonlocal under_way, most
        if "HD-1" in url:
            under_way += 1
            most = max(most, under_way)
            await released.wait()
            under_way -= 1
        return await world.post(url, headers, body)

    async def scene() -> None:
        working = asyncio.create_task(world.dispatcher(post).run())
        world.change(*map(str, range(12)))
        await until(lambda: world.states("HD-2") == ["delivered"] * 12)
        # New ones go through as well, while all of the other's wait.
        world.change("1")
        await until(lambda: world.states("HD-2") == ["delivered"] * 13)
        assert (set(world.states("HD-1")), under_way) == ({"waiting"}, 8)
        released.set()
        await until(lambda: world.states("HD-1") == ["delivered"] * 13)
        working.cancel()

    run(scene())
    assert most == 8


@pytest.mark.parametrize(("bound", "seconds"), [("_TURN", -1.0), ("_SLOW", -1.0)])
def test_what_waits_for_its_turn_too_long_or_behind_a_slow_answer_is_left_to_its_lease(
    world: World, monkeypatch: pytest.MonkeyPatch, bound: str, seconds: float
) -> None:
    monkeypatch.setattr(dispatching, bound, seconds)
    world.hook()
    world.change(*map(str, range(12)))
    released, begun = asyncio.Event(), 0

    async def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        nonlocal begun
        begun += 1
        await released.wait()
        return await world.post(url, headers, body)

    async def scene() -> None:
        dispatcher = world.dispatcher(post)
        working = asyncio.create_task(all_done(dispatcher))
        await until(lambda: begun == 8)
        released.set()
        await working

    run(scene())
    assert sorted(world.states()) == ["delivered"] * 8 + ["waiting"] * 4
    assert {(one.attempts, one.due_at) for one in world.log() if one.state == "waiting"} == {
        (0, NOON + LEASE)
    }
    world.clock.at += LEASE
    world.work()
    assert world.states() == ["delivered"] * 12


def test_a_slow_receiver_with_more_than_all_places_leaves_them_to_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "_SLOW", 0.0)
    monkeypatch.setattr(dispatching, "_TAKEN", 20)
    world.hook("HD-1")
    released, begun = asyncio.Event(), 0

    async def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        nonlocal begun
        if "HD-1" not in url:
            return await world.post(url, headers, body)
        begun += 1
        await released.wait()
        await asyncio.sleep(0.001)
        return SILENT if begun <= 8 else await asyncio.Event().wait() and FINE

    async def scene() -> None:
        dispatcher = world.dispatcher(post)
        world.change(*map(str, range(60)))
        working = asyncio.create_task(dispatcher.run())
        await until(lambda: begun == 8)
        world.hook("HD-2")
        world.change("60")
        released.set()
        # Eight did not answer: what waits behind them comes back later, and the places are free again.
        await until(lambda: world.states("HD-2") == ["delivered"])
        assert begun <= 16
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    run(scene())
    assert world.states("HD-1") == ["waiting"] * 61


def test_two_dispatchers_on_one_store_send_everything_once(world: World) -> None:
    world.hook()
    under_way: set[str] = set()

    async def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        assert headers["webhook-id"] not in under_way
        under_way.add(headers["webhook-id"])
        await asyncio.sleep(0.001)
        return await world.post(url, headers, body)

    async def scene() -> None:
        pair = [world.dispatcher(post) for _ in range(2)]
        for _ in range(4):
            world.change(*map(str, range(10)))
            await asyncio.gather(*map(all_done, pair))
        await asyncio.gather(*map(all_done, pair))

    run(scene())
    assert world.states() == ["delivered"] * 40
    assert sorted(number for _, number, _ in world.sent) == sorted(world.numbers())
    for record in range(10):
        numbers = [
            n
            for n, one in zip(world.numbers(), world.log(), strict=True)
            if one.subject == f'["scene","{record}"]'
        ]
        assert [number for _, number, _ in world.sent if number in numbers] == numbers


def test_what_a_crashed_server_had_taken_is_sent_after_its_lease_under_the_same_id(world: World) -> None:
    world.hook()
    world.change("1")
    world.answer = lambda *_: SILENT
    world.work()
    world.clock.at += PAUSES[0]
    # Taken and perhaps sent, but never settled.
    assert len(world.store.outbox.due(world.clock(), 9, LEASE)) == 1
    world.answer = lambda *_: FINE
    world.clock.at += LEASE - timedelta(microseconds=1)
    world.work()
    assert len(world.sent) == 1
    world.clock.at += timedelta(microseconds=1)
    world.work()
    assert (world.states(), [number for _, number, _ in world.sent]) == (["delivered"], world.numbers() * 2)


def test_a_stop_leaves_what_is_under_way_to_the_next_server_at_once(world: World) -> None:
    world.hook()
    begun = 0

    async def post(*_: Any) -> Answer:
        nonlocal begun
        begun += 1
        await asyncio.Event().wait()
        return FINE

    async def scene() -> None:
        working = asyncio.create_task(world.dispatcher(post).run())
        world.change(*map(str, range(12)))
        # Eight are being sent, four wait for their turn.
        await until(lambda: begun == 8)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    run(scene())
    assert {(one.state, one.attempts, one.due_at) for one in world.log()} == {("waiting", 0, NOON)}
    world.work()
    assert world.states() == ["delivered"] * 12


def test_a_stop_waits_for_what_is_being_written_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.hook()
    world.change("1")
    settle, begun = Dispatcher._settle, Event()

    def slow_settle(dispatcher: Dispatcher, *settled: Any) -> None:
        begun.set()
        asyncio.run(asyncio.sleep(0.05))
        settle(dispatcher, *settled)

    monkeypatch.setattr(Dispatcher, "_settle", slow_settle)

    async def scene() -> None:
        working = asyncio.create_task(world.dispatcher().run())
        await until(begun.is_set)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert world.states() == ["delivered"]

    run(scene())


@pytest.mark.parametrize("error", [Refused("store_locked", "正忙。", "请稍候。"), RuntimeError("unforeseen")])
def test_a_turn_that_fails_is_not_the_last(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world.hook()
    world.change("1")
    fan_out, failures = Dispatcher._fan_out, [error, error]

    def failing(dispatcher: Dispatcher) -> bool:
        if failures:
            raise failures.pop()
        return fan_out(dispatcher)

    monkeypatch.setattr(Dispatcher, "_fan_out", failing)
    monkeypatch.setattr(dispatching, "_PAUSE", 0.001)

    async def scene() -> None:
        working = asyncio.create_task(world.dispatcher().run())
        await until(lambda: world.states() == ["delivered"])
        working.cancel()

    run(scene())


def test_a_delivery_that_fails_unforeseen_does_not_end_the_others_and_comes_back(world: World) -> None:
    world.hook()
    world.change("1", "2")
    failures = 1

    def answer(_url: str, _number: str) -> Answer:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise RuntimeError("unforeseen")
        return FINE

    world.answer = answer
    world.work()
    assert sorted(world.states()) == ["delivered", "waiting"]
    world.clock.at += LEASE
    world.work()
    assert world.states() == ["delivered"] * 2


def test_a_row_of_the_history_that_cannot_be_read_is_passed_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hook()
    world.change("1", "2")

    def tell(store: Store, webhook: Webhook, entry: Any) -> Any:
        if entry.key == ("scene", "1"):
            raise Refused("record_unreadable", "读不懂。", "请核对。")
        return event_of(store, webhook, entry)

    monkeypatch.setattr(dispatching, "event_of", tell)
    world.work()
    assert [(one.subject, one.state) for one in world.log()] == [('["scene","2"]', "delivered")]


def test_a_ping_goes_to_its_webhook_alone_and_is_refused_where_it_cannot_be_queued(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = world.hook("HD-1")
    world.hook("HD-2")
    dispatcher = world.dispatcher()
    dispatcher.ping(hook, NOON)
    world.work(dispatcher)
    assert [(one.event, one.state, one.body) for one in world.log()] == [
        ("ping", "delivered", '{"event": "ping", "seq_at": "2026-03-01T12:00:00Z", "data": {}}')
    ]
    assert ([url for url, _, _ in world.sent], world.log("HD-2")) == (["https://HD-1.example/"], [])
    monkeypatch.setattr(type(world.store.outbox), "fan_out", lambda *_: False)
    with pytest.raises(Refused, match="试验消息没有排上队") as refused:
        dispatcher.ping(hook, NOON)
    assert refused.value.code == "store_locked"
