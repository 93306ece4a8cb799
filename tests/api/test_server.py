"""A real server process under clients that are slow, many, broken or gone, and under signals."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.keys import SCOPES, create_key, revoke_key
from api.server import run_server
from api.settings import ServeSettings
from graph.problems import Refused
from matcher.home import Home
from tests.api.conftest import problem

CSV = {"Content-Type": "text/csv"}


class Server:
    """A server process over a home, and what it has said."""

    def __init__(self, home: Path, **changes: Any) -> None:
        self.home, self.port = home, _free_port()
        self._log = home.parent / f"log-{self.port}"
        command = [
            sys.executable,
            "-m",
            "tests.api.launching",
            str(home),
            str(self.port),
            json.dumps(changes),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        until(lambda: self._is_ready(), 60)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.said
        with contextlib.suppress(httpx2.TransportError):
            return self.client.get("/readyz").status_code == 200
        return False

    @property
    def said(self) -> str:
        """Everything the server has written."""
        return self._log.read_text("utf-8")

    def key(self, **changes: Any) -> tuple[str, dict[str, str]]:
        """A new key's id, and the header that shows it."""
        asked: dict[str, Any] = {"partner": "hengqin", "audience": "partner", "lasts": timedelta(days=1)}
        with Home(path=self.home).open_store(create=False) as store:
            key, token = create_key(
                store, name="试", scopes=tuple(SCOPES), per_minute=100_000, actor="程某", at=datetime.now(UTC),
                **{**asked, **changes},
            )  # fmt: skip
        return key.id, {"Authorization": f"Bearer {token}"}

    def raw(self, *sent: bytes, timeout: float = 10.0) -> bytes:
        """What comes back for bytes as they are, until the server closes or nothing more comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            for part in sent:
                with contextlib.suppress(OSError):
                    connection.sendall(part)
            return received(connection)

    def stop(self) -> int:
        """How it ended after a plain stop: by the signal, which it gives itself again when all is done."""
        self.process.terminate()
        code = self.process.wait(40)
        self.client.close()
        return code


def received(connection: socket.socket) -> bytes:
    """Everything that comes until the end."""
    found = b""
    with contextlib.suppress(OSError):
        while part := connection.recv(65_536):
            found += part
    return found


def until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something to become so."""
    for _ in range(int(seconds / 0.02)):
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def told(answer: bytes) -> tuple[int, str]:
    """The status and the code of a refusal that was read as bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower(), answer
    return int(head.split()[1]), json.loads(body)["code"]


def request(head: str, key: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request as bytes; its lines are separated by bars."""
    lines = [*head.split("|"), "Host: x", *(f"{name}: {value}" for name, value in (key or {}).items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def server(_indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that leave it running; it answers in two processes."""
    home = tmp_path_factory.mktemp("server") / "home"
    shutil.copytree(_indexed, home)
    server = Server(home, body_pause=0.7, strangers_per_minute=100_000, workers=2)
    yield server
    assert server.stop() == -signal.SIGTERM
    assert "Traceback" not in server.said


@pytest.fixture
def lone(_indexed: Path, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers one after the other over one home."""
    started: list[Server] = []
    home = tmp_path / "home"
    shutil.copytree(_indexed, home)

    def start(**changes: Any) -> Server:
        started.append(Server(home, **changes))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(10)
        one.client.close()


def test_a_port_that_is_taken_is_refused_before_anything_is_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = ServeSettings(home=Home(path=Path("/nowhere")))
        with pytest.raises(Refused) as caught:
            run_server(nowhere, host="127.0.0.1", port=taken.getsockname()[1])
    assert (caught.value.code, "--port" in caught.value.remedy) == ("port_taken", True)


def test_a_request_head_that_does_not_end_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as idle:
        assert told(server.raw(b"GET /v1/scenes HTTP/1.1\r\nHost: x\r\nX-A: ")) == (408, "head_slow")
        assert received(idle) == b""  # a connection that asks for nothing is closed


def test_a_request_body_that_does_not_come_is_refused(server: Server) -> None:
    _, key = server.key()
    head = request("POST /v1/match HTTP/1.1|Content-Type: application/json|Content-Length: 50", key)
    assert told(server.raw(head + b'{"text"')) == (408, "body_slow")


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"nonsense\r\n\r\n", (400, "http_malformed")),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX:\x00y\r\n\r\n", (400, "http_malformed")),
        (b"GET /healthz HTTP/1.1\r\n\r\n", (400, "http_malformed")),  # no host
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 40_000, (400, "http_malformed")),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 8_000, (400, "http_malformed")),
        (b"GET /" + b"a" * 40_000, (400, "http_malformed")),
        (request("POST /v1/match HTTP/1.1|Content-Length: 2|Content-Length: 3"), (400, "http_malformed")),
        (request("POST /v1/match HTTP/1.1|Transfer-Encoding: gzip, chunked"), (400, "http_malformed")),
        (
            request("POST /v1/match HTTP/1.1|Content-Length: 4|Transfer-Encoding: chunked|Content-Type: application/json", body=b"0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n"),
            (400, "length_ambiguous"),
        ),
        (request("GET http://evil.example/v1/scenes HTTP/1.1|Connection: close"), (401, "key_missing")),
    ],
)  # fmt: skip
def test_broken_and_ambiguous_http_is_a_problem_document(
    server: Server, sent: bytes, answer: tuple[int, str]
) -> None:
    assert told(server.raw(sent)) == answer


def test_nothing_behind_an_ambiguous_body_is_taken_for_a_request(server: Server) -> None:
    _, key = server.key(partner="city", audience="staff")
    smuggled = request("DELETE /v1/keys/0 HTTP/1.1", key)
    head = (
        "POST /v1/match HTTP/1.1|Content-Type: application/json|Content-Length: {}|Transfer-Encoding: chunked"
    )
    answer = server.raw(request(head.format(5 + len(smuggled)), key, b"0\r\n\r\n" + smuggled))
    assert answer.count(b"HTTP/1.1 ") == 1


def test_garbage_behind_a_good_request_does_not_spoil_it(server: Server) -> None:
    answer = server.raw(request("GET /healthz HTTP/1.1") + b"\x00\xff garbage\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert told(b"HTTP/1.1 " + answer.split(b"HTTP/1.1 ")[2]) == (400, "http_malformed")


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    both = request("GET /v1/scenes HTTP/1.1") + request("GET /healthz HTTP/1.1|Connection: close")
    assert re.findall(rb"HTTP/1.1 (\d+)", server.raw(both)) == [b"401", b"200"]


@pytest.mark.parametrize("framing", ["Content-Length: 3000000", "Transfer-Encoding: chunked"])
def test_a_body_over_the_limit_is_refused_however_it_is_sent(server: Server, framing: str) -> None:
    _, key = server.key()
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n" if "chunked" in framing else b""
    head = request(f"POST /v1/match HTTP/1.1|Content-Type: application/json|{framing}", key)
    assert told(server.raw(head, *[chunk] * 20)) == (413, "body_too_large")


def test_a_broken_chunk_ends_the_request_and_nothing_else(server: Server) -> None:
    _, key = server.key()
    head = request("POST /v1/match HTTP/1.1|Content-Type: application/json|Transfer-Encoding: chunked", key)
    assert told(server.raw(head + b"zz\r\n")) == (400, "http_malformed")
    assert server.client.get("/v1/scenes", headers=key).status_code == 200


def test_many_idle_connections_hold_up_nobody(server: Server) -> None:
    _, key = server.key()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    held: list[socket.socket] = []
    try:
        for _ in range(1500):
            held.append(socket.create_connection(("127.0.0.1", server.port), 10))
        assert server.client.get("/v1/scenes", headers=key).status_code == 200
        # They are let go of by and by, and the next ones are served.
        assert all(received(connection) == b"" for connection in held)
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert server.client.get("/v1/scenes", headers=key).status_code == 200


def test_callers_that_go_away_leave_nothing_behind(server: Server) -> None:
    _, key = server.key(partner="city", audience="staff")
    body = json.dumps({"text": "慢慢来的无人机"}).encode()
    head = f"POST /v1/match HTTP/1.1|Content-Type: application/json|Content-Length: {len(body)}"
    for number in range(20):
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(request(head + f"|X-N: {number}", key, body if number % 2 else body[:9]))
    assert server.client.post("/v1/match", json={"text": "无人机"}, headers=key).status_code == 200

    def is_calm() -> bool:
        metrics = server.client.get("/metrics", headers=key).text
        return "jiebang_requests_under_way 1.0" in metrics and "jiebang_questions_waiting 0.0" in metrics

    until(is_calm)


def test_a_key_revoked_while_its_request_is_worked_on_opens_no_other(server: Server) -> None:
    id, key = server.key()
    _, staff = server.key(partner="city", audience="staff")
    answers: list[httpx2.Response] = []
    thread = threading.Thread(target=_ask_slowly, args=(server, key, answers))
    thread.start()
    until(lambda: _under_way(server, staff) == 2)
    with Home(path=server.home).open_store(create=False) as store:
        revoke_key(store, id, actor="程某", at=datetime.now(UTC), reason="试")
    refused = server.client.get("/v1/scenes", headers=key)
    thread.join(30)
    assert (answers[0].status_code, problem(refused)["code"]) == (200, "key_missing")


def test_lines_are_json_without_ids_queries_tokens_or_names(server: Server) -> None:
    id, key = server.key(partner="zhuhai")
    token = key["Authorization"].split()[1]
    client = server.client
    assert problem(client.get(f"/v1/scenes?key={token}"))["code"] == "key_in_url"
    assert client.get("/v1/scenes/CJ-1?fields=title", headers=key).status_code == 200
    assert client.get("/v1/scenes/找不到的编号?reason=张三丰", headers=key).status_code in (404, 422)
    assert (
        client.post("/v1/orders", json={"need": "密谈", "contact": "李四光"}, headers=key).status_code == 201
    )
    assert client.get("/.env?x=张三丰").status_code == 401
    server.raw(b"GET /v1/secret-path HTTP/1.1\r\nbroken\r\n\r\n")
    lines = [json.loads(line) for line in server.said.splitlines()]
    mine = [line for line in lines if line.get("partner") == "zhuhai"]
    assert [(line["route"], line["status"], line["key"]) for line in mine] == [
        ("/v1/scenes/{id}", 200, id), ("/v1/scenes/{id}", 404, id), ("/v1/orders", 201, id),
    ]  # fmt: skip
    assert all({"at", "level", "logger", "message"} <= set(line) for line in lines)
    assert not re.search(
        f"{token}|{token.split('_')[2]}|CJ-1|找不到|张三|李四|密谈|secret-path|127.0.0.1:", server.said
    )


def test_after_a_stop_and_after_a_kill_the_next_server_does_a_job_that_was_cut_off_once(
    lone: Callable[..., Server],
) -> None:
    server = lone()
    (_, key), (_, staff) = server.key(), server.key(partner="city", audience="staff")
    hold, held = server.home / "hold", server.home / "held"
    for number, sign in enumerate((signal.SIGTERM, signal.SIGKILL)):
        hold.touch()
        sheet = "编号,名称\r\n" + "".join(f"A-{number}-{row},场景{row}\r\n" for row in range(30))
        sent: dict[str, Any] = {
            "content": sheet.encode(),
            "headers": {**key, **CSV, "Idempotency-Key": str(number)},
        }
        place = server.client.post("/v1/bulk?kind=scene", **sent).headers["location"]
        until(held.exists)
        workers, answers = _children(server.process.pid), list[httpx2.Response]()
        thread = threading.Thread(target=_ask_slowly, args=(server, key, answers))
        if sign == signal.SIGTERM:  # a question under way is still answered
            thread.start()
            until(lambda s=server: _under_way(s, staff) == 2)  # type: ignore[misc]
        server.process.send_signal(sign)
        assert server.process.wait(40) == -sign
        if sign == signal.SIGTERM:
            thread.join(30)
            assert (answers[0].status_code, answers[0].json()["items"][0]["id"]) == (200, "CG-1")
            assert "Traceback" not in server.said
        # Nobody outlives its server, and nothing is half-written.
        until(lambda pids=workers: not any(Path(f"/proc/{pid}").exists() for pid in pids))  # type: ignore[misc]
        with Home(path=server.home).open_store(create=False) as store:
            assert store.get("scene", f"hengqin:A-{number}-0") is None
        hold.unlink()
        held.unlink()
        server = lone()
        again = server.client.post("/v1/bulk?kind=scene", **sent)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
        job = _ended(server, place, key)
        assert (job["state"], job["result"]["rows"]["new"], job["result"]["written"]) == ("done", 30, 30)
        assert len(server.client.get("/v1/jobs", headers=key).json()["items"]) == number + 1
        own = server.client.get("/v1/scenes?own=true&limit=200", headers=key).json()["items"]
        assert len(own) == 30 * (number + 1)
        history = server.client.get(f"/v1/scenes/hengqin:A-{number}-0/history", headers=key).json()["items"]
        assert [entry["action"] for entry in history] == ["created"]


def test_two_workers_answer_as_one_and_are_started_anew_when_they_die(server: Server) -> None:
    _, key = server.key()
    asked = [{"text": f"海岛无人机送药 {number}", "detail": "full"} for number in range(6)]
    first = [server.client.post("/v1/match", json=body, headers=key).json() for body in asked]
    assert all(answer["items"][0]["id"] == "CG-1" for answer in first)
    for pid in _children(server.process.pid):
        os.kill(pid, signal.SIGKILL)

    def is_served() -> bool:
        answers = [server.client.post("/v1/match", json={**body, "top": 19}, headers=key) for body in asked]
        assert {answer.status_code for answer in answers} <= {200, 503}
        return all(answer.status_code == 200 for answer in answers)

    until(is_served, 60)


def _ask_slowly(server: Server, key: dict[str, str], answers: list[httpx2.Response]) -> None:
    """Ask a question that takes a second."""
    address = f"http://127.0.0.1:{server.port}/v1/match"
    answers.append(httpx2.post(address, json={"text": "慢：海岛无人机送药"}, headers=key, timeout=30))


def _ended(server: Server, place: str, key: dict[str, str]) -> dict[str, Any]:
    """A job, once it has ended."""
    until(lambda: server.client.get(place, headers=key).json()["state"] not in ("queued", "running"))
    job: dict[str, Any] = server.client.get(place, headers=key).json()
    return job


def _under_way(server: Server, staff: dict[str, str]) -> int:
    """How many requests are under way, this one included."""
    metrics = server.client.get("/metrics", headers=staff).text
    found = re.search(r"^jiebang_requests_under_way (\d+)", metrics, re.M)
    assert found is not None
    return int(found[1])


def _children(pid: int) -> list[int]:
    """The worker processes of a process."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]  # fmt: skip
