"""The server process: listens, bounds its connections, ends gracefully."""

import asyncio
import contextlib
import errno
import resource
import secrets
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.application import create_app
from api.problem_documents import Refusal, problem_response
from api.request_log import log_to_standard_error
from api.settings import ServeSettings
from embeddings.encoder import open_encoder
from graph.problems import Refused

# Seconds for the head of a request, from the connection or the last answer on, and for what is under way at a stop.
_HEAD, _GRACE = 15.0, 20
_BACKLOG = 2048
_WHY_NOT = {
    errno.EADDRINUSE: "端口正被别的程序使用", errno.EACCES: "没有权限", errno.EADDRNOTAVAIL: "本机没有这个地址",
}  # fmt: skip
_SPARE = 128  # files that the server itself may have open


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 that lets nobody hold a connection without asking for something, nor hold them all.

    uvicorn waits for the head of a request as long as the caller likes.
    """

    most_connections = 10_000

    def connection_made(self, transport: Any) -> None:
        """Begin waiting for a request; one connection too many is closed at once."""
        # An answer is written in two parts: waiting to fill a packet costs it 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self.most_connections:
            transport.close()
            return
        self._await_head()

    def handle_events(self) -> None:
        """What has arrived; once a request is complete it is under way, and the time is the application's."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """An answer is out: the next request has its own time."""
        super().on_response_complete()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self._await_head()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused in the one shape too, and the connection closed."""
        self._refuse(Refusal(400, "http_malformed", "请求不是合规的 HTTP，或请求头太大。", "请用常见的 HTTP 客户端；请求头总共不超过 32 KB。"))  # fmt: skip

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._stop_waiting()
        self._head_timer = self.loop.call_later(_HEAD, self._give_up)

    def _give_up(self) -> None:
        begun, _ = self.conn.trailing_data
        if begun and self.conn.their_state is h11.IDLE:
            self._refuse(Refusal(408, "head_slow", "请求头迟迟没有传完。", "请检查网络后重发。"))
        else:
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Tell a refusal of what never became a request; where an answer is under way already it can only end."""
        answer = problem_response(refusal, secrets.token_hex(8))
        headers = [*answer.raw_headers, (b"connection", b"close")]
        with contextlib.suppress(h11.LocalProtocolError):
            for event in (
                h11.Response(status_code=refusal.status, headers=headers),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def run_server(
    settings: ServeSettings, *, host: str, port: int, begun: Callable[[], None] = lambda: None
) -> None:
    """Serve until told to stop; requests under way are answered first. ``begun`` is called once it listens.

    Raises ``Refused`` where it cannot listen (``port_taken``), or as the store and the encoder do.
    """
    open_encoder(settings.encoder)  # what is wrong with it is said before anything listens
    with _listening(host, port) as listening:
        begun()
        _allow_many_files()
        _serve(settings, listening)


def _serve(settings: ServeSettings, listening: socket.socket) -> None:
    log_to_standard_error()
    config = uvicorn.Config(
        create_app(settings), http=BoundedProtocol, ws="none", lifespan="on", loop="asyncio",
        log_config=None, access_log=False, server_header=False, timeout_keep_alive=10,
        timeout_graceful_shutdown=_GRACE, h11_max_incomplete_event_size=32_768, backlog=_BACKLOG,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = _WHY_NOT.get(error.errno or 0, "这个地址不能用")
        raise Refused(
            "port_taken", f"不能在 {host} 的端口 {port} 上监听：{why}。",
            "请用 --port 换一个端口，或停止正在使用它的程序；--host 须是本机的地址。",
        ) from None  # fmt: skip


def _allow_many_files() -> None:
    """As many connections as the system lets this process have, some files kept for itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 65_536
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, 65_536)), hard))
    BoundedProtocol.most_connections = max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE)
