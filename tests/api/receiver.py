"""A receiver of webhooks on loopback that answers as badly as it is told to."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_LONGEST = 20.0  # seconds that a test waits before it gives up


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a receiver was sent."""

    line: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Listens, keeps what it is sent, and answers with ``answer``, which can be changed at any time."""

    def __init__(self, answer: "Answering", tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.messages: list[Message] = []
        # The callers that went away before they were answered, and the end of the test.
        self.left, self.over = 0, threading.Event()
        self._changed = threading.Condition()
        self._tls, self._server = tls, _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1") -> str:
        """An address of it."""
        return f"http{'s' if self._tls else ''}://{host}:{self.port}{path}"

    def wait(self, condition: Callable[["Receiver"], bool]) -> None:
        """Until it is so; an assertion fails if it never is."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), _LONGEST), self.messages

    def wait_for(self, count: int) -> list[Message]:
        """The first messages, once so many have come."""
        self.wait(lambda receiver: len(receiver.messages) >= count)
        return self.messages[:count]

    def close(self) -> None:
        """Stop; who is being answered is let go."""
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, connection: Any) -> None:
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with contextlib.closing(connection), connection.makefile("rb") as stream:
            line = stream.readline().decode("latin-1").strip()
            headers = dict(_headers(stream))
            body = stream.read(int(headers.get("content-length", 0)))
            if not line:
                return
            with self._changed:
                self.messages.append(Message(line=line, headers=headers, body=body))
                self._changed.notify_all()
            try:
                self.answer(self, connection)
            finally:
                with contextlib.suppress(OSError):
                    connection.settimeout(0.0 if self.over.is_set() else _LONGEST)
                    self.left += connection.recv(1) == b""
                with self._changed:
                    self._changed.notify_all()


Answering = Callable[[Receiver, socket.socket], None]


def answering(status: int, *headers: str, body: bytes = b"{}") -> Answering:
    """Answers properly."""
    lines = (f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", "")
    return saying("\r\n".join(lines).encode() + body)


def saying(text: bytes) -> Answering:
    """Says just this, and hangs up."""

    def say(_receiver: Receiver, connection: socket.socket) -> None:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)

    return say


def repeating(start: bytes, part: bytes, *, pause: float = 0.0) -> Answering:
    """Begins with ``start`` and repeats ``part`` until nobody listens any more."""

    def repeat(receiver: Receiver, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(start)
            while not receiver.over.wait(pause):
                connection.sendall(part)

    return repeat


def hanging(_receiver: Receiver, _connection: socket.socket) -> None:
    """Says nothing; waits for the other side to hang up."""


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 100
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: callers that break off are what these tests are about."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.receiver._serve(self.request)


def _headers(stream: Any) -> Iterator[tuple[str, str]]:
    while line := stream.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()
