"""Where webhooks may go and how they are sent: to real receivers on loopback, by a name that tests make up."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import targets
from api.targets import Answer, Forbidden, Sender, Target, is_public, resolved
from tests.api.receiver import Answering, Receiver, answering, hanging, repeating, saying

# An authority that nobody trusts, and what it says of portal.example; both until 2120.
_AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBVTCB/aADAgECAgEBMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMMB1Rlc3QgQ0Ew
IBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBIxEDAOBgNVBAMMB1Rl
c3QgQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQb0/6NrlCwQy5zVuy7tFDZ
uIUkAc+UPPp4L6Ymk9lGx3cJT8NX1sAkelUFgBOlwvM8WmoX4L/ul5Gy/VeeWqhS
o0IwQDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQU
o4DlgxEdBSZAizmlwrKBHW21teMwCgYIKoZIzj0EAwIDRwAwRAIgbgXN6k2MavOE
gyKj+yxLipwvkYdw3GD0Sd9bEyrcvicCIFyJTvXmYSTVDudVD5L4tNBssBN1PhA3
MramHJHY/aQ7
-----END CERTIFICATE-----
"""
_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmDCCAT+gAwIBAgIBAjAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENB
MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAZMRcwFQYDVQQDDA5w
b3J0YWwuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBx3fSTkzPI+
kf+XoiDz/JCjtH4UoKzSWohI8qdSKWi+1noOCbsvpHB8ZoINe1gMr3QRyCAJ5LUJ
jAAwFKtquaOjfTB7MBkGA1UdEQQSMBCCDnBvcnRhbC5leGFtcGxlMAkGA1UdEwQC
MAAwEwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFMjYL6r7Wmn/WWggkiXk
KSREP8pNMB8GA1UdIwQYMBaAFKOA5YMRHQUmQIs5pcKygR1ttbXjMAoGCCqGSM49
BAMCA0cAMEQCIBY14zcSXuSzDBkajHmpZKFEDum2LTKgYdfVwMql6EwlAiBtMfjH
DSj3xICkjMWTghvmjFw8yZSW4yT8h8GMivWF6A==
-----END CERTIFICATE-----
"""
_PRIVATE_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3NuWNVSsS+1Yfr3j
7WT7xsMIghlYbWCpfGp8oX3hQX+hRANCAAQcd30k5MzyPpH/l6Ig8/yQo7R+FKCs
0lqISPKnUilovtZ6Dgm7L6RwfGaCDXtYDK90EcggCeS1CYwAMBSrarmj
-----END PRIVATE KEY-----
"""
_BODY = '{"题目":"海岛"}'.encode()
_HEADERS = {"webhook-id": "msg_1", "content-type": "application/json"}
_NOWHERE = "回调地址的主机找不到，或不在公网上"
_BROKEN = "连上了，但没有得到合规的答复"
Names = Callable[..., list[str]]


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    """Starts receivers; all are closed at the end of the test."""
    started: list[Receiver] = []

    def start(answer: Answering, tls: ssl.SSLContext | None = None) -> Receiver:
        started.append(Receiver(answer, tls))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Says what names stand for, one list of addresses for each time of asking; gives the names asked for."""
    asked: list[str] = []
    known: dict[str, list[list[str]]] = {}
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in known:
            return look_up(host, port, *more, **options)
        asked.append(host)
        if not known[host]:
            raise socket.gaierror("unknown")
        return [found for address in known[host].pop(0) for found in look_up(address, port, *more, **options)]

    def name(host: str, *answers: list[str]) -> list[str]:
        known[host] = list(answers)
        return asked

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return name


@pytest.fixture(scope="module")
def receiver_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The side of a receiver that proves to be portal.example."""
    folder: Path = tmp_path_factory.mktemp("tls")
    (folder / "certificate.pem").write_text(_CERTIFICATE)
    (folder / "key.pem").write_text(_PRIVATE_KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.fixture(scope="module")
def trusting() -> ssl.SSLContext:
    """The side of a sender that believes the authority."""
    return ssl.create_default_context(cadata=_AUTHORITY)


@pytest.fixture(scope="module")
def sender() -> Sender:
    """Goes anywhere."""
    return Sender(private=True)


def _post(sender: Sender, url: str) -> Answer:
    return asyncio.run(sender.post(url, _HEADERS, _BODY))


def _resolved(url: str, *, private: bool = False) -> Target | str:
    """The target, or why there is none."""
    try:
        return asyncio.run(resolved(url, private=private))
    except Forbidden as forbidden:
        return str(forbidden)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "2130706433", "0x7f000001", "017700000001",
        "127.1", "0177.0.0.1", "0x7f.1", "0", "[::1]", "[::]", "[fc00::1]", "[fd12::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]",
        "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
        "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:db8::1]", "[2001::1]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("port", ["", ":8443"])
def test_an_address_inside_is_no_target_however_it_is_written(host: str, port: str) -> None:
    assert _resolved(f"https://{host}{port}/hook") == _NOWHERE


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["10.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1", "93.184.216.34"], ["::ffff:127.0.0.1"], []],
)  # fmt: skip
def test_a_name_one_address_of_which_is_inside_is_no_target_and_reads_like_an_unknown_one(
    names: Names, answers: list[str]
) -> None:
    names("portal.example", answers)
    names("unknown.example")
    found = [
        _resolved(f"https://{host}/") for host in ("portal.example", "unknown.example", "a" * 64 + ".example")
    ]
    assert found == [_NOWHERE] * 3


def test_a_public_name_becomes_its_checked_address_and_keeps_its_host(names: Names) -> None:
    names("portal.example", ["93.184.216.34", "93.184.216.35"], ["2606:2800::1"])
    assert [_resolved("https://portal.example/a%20b?x=1&y"), _resolved("https://portal.example:8443")] == [
        Target(
            url="https://93.184.216.34:443/a%20b?x=1&y", host="portal.example", host_header="portal.example"
        ),
        Target(url="https://[2606:2800::1]:8443/", host="portal.example", host_header="portal.example:8443"),
    ]


def test_only_the_operator_opens_private_targets_and_plain_http(names: Names) -> None:
    names("portal.example", ["93.184.216.34"])
    assert _resolved("http://portal.example/") == "回调地址须用 https"
    assert _resolved("http://portal.example/", private=True) == Target(
        url="http://93.184.216.34:80/", host="portal.example", host_header="portal.example"
    )
    assert _resolved("https://127.0.0.1/", private=True) == Target(
        url="https://127.0.0.1:443/", host="127.0.0.1", host_header="127.0.0.1"
    )
    names("portal.example")
    assert _resolved("http://portal.example/", private=True) == _NOWHERE


def test_a_name_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, **__: Any) -> Any:
        asyncio.run(asyncio.sleep(0.1))
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(targets, "LOOKUP", 0.01)
    assert _resolved("https://portal.example/") == _NOWHERE


_INSIDE = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/29",
        "192.0.0.170/31", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
_EDGES = [int(network[place]) + step for network in _INSIDE for place in (0, -1) for step in (-1, 0, 1)]


@given(st.integers(0, 2**32 - 1) | st.sampled_from([edge for edge in _EDGES if 0 <= edge < 2**32]))
def test_addresses_are_public_by_the_registry_and_no_carrier_of_one_is(number: int) -> None:
    plain = ipaddress.IPv4Address(number)
    public = not any(plain in network for network in _INSIDE)
    carried = {
        "mapped": ipaddress.IPv6Address(0xFFFF << 32 | number),
        "compatible": ipaddress.IPv6Address(number),
        "nat64": ipaddress.IPv6Address(0x64FF9B << 96 | number),
        "6to4": ipaddress.IPv6Address(0x2002 << 112 | number << 80),
    }
    found = {name: is_public(address) for name, address in carried.items()}
    assert is_public(plain) == public
    assert found == {"mapped": public, "compatible": False, "nat64": False, "6to4": False}


def test_a_message_arrives_as_it_is_under_the_name_it_was_sent_to(
    receive: Callable[..., Receiver], names: Names, sender: Sender
) -> None:
    # A name that means something else a moment later leads nowhere else: it is asked for once.
    asked = names("portal.example", ["127.0.0.1"], ["192.0.2.1"])
    receiver = receive(answering(204, body=b""))
    assert _post(sender, receiver.url("/a%20b?x=1", host="portal.example")) == Answer(204, "")
    (message,) = receiver.messages
    assert (message.line, message.body, asked) == ("POST /a%20b?x=1 HTTP/1.1", _BODY, ["portal.example"])
    expected = {"host": f"portal.example:{receiver.port}", "content-length": str(len(_BODY)), **_HEADERS}
    assert {name: message.headers[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answering(200), Answer(200, "")),
        (answering(201, "Content-Encoding: gzip", body=b"no gzip at all"), Answer(201, "")),
        (answering(204, body=b""), Answer(204, "")),
        (answering(299), Answer(299, "")),
        (answering(304), Answer(304, "对方答复 304，要求转到别处，不予跟随")),
        (answering(400, body=b"secret of the network 10.0.0.1"), Answer(400, "对方答复 400，没有接受")),
        (answering(410), Answer(410, "对方答复 410，没有接受")),
        (answering(500, "X-Secret: 10.0.0.1"), Answer(500, "对方答复 500，没有接受")),
        (answering(503, "Retry-After: 1"), Answer(503, "对方答复 503，没有接受")),
        (answering(999), Answer(999, "对方答复 999，没有接受")),
        (saying(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), Answer(200, "")),
        (saying(b""), Answer(None, _BROKEN)),
        (saying(b"HTTP/1.1 200"), Answer(None, _BROKEN)),
        (saying(b"SSH-2.0-OpenSSH_9.6 inside.example\r\n"), Answer(None, _BROKEN)),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), Answer(None, _BROKEN)),
        (saying(b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n"), Answer(None, _BROKEN)),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"), Answer(None, _BROKEN)),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nless"), Answer(200, "")),
        (repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nabcde\r\n"), Answer(200, "")),
        (repeating(b"HTTP/1.1 500 X\r\n\r\n", b"x" * 65_536), Answer(500, "对方答复 500，没有接受")),
        (repeating(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), Answer(None, _BROKEN)),
        (hanging, Answer(None, "0 秒内没有答复")),
        (repeating(b"HTTP/1.1 200 OK\r\nX: ", b"y", pause=0.01), Answer(None, "0 秒内没有答复")),
        (repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), Answer(None, "0 秒内没有答复")),
    ],
)  # fmt: skip
def test_of_an_answer_only_the_status_counts_and_nothing_is_told(
    receive: Callable[..., Receiver],
    monkeypatch: pytest.MonkeyPatch,
    sender: Sender,
    answer: Answering,
    expected: Answer,
) -> None:
    if expected.error.startswith("0 秒"):
        monkeypatch.setattr(targets, "PATIENCE", 0.3)
    receiver = receive(answer)
    assert _post(sender, receiver.url()) == expected
    # Nothing is held open, whatever is still being said.
    receiver.wait(lambda receiver: len(receiver.messages) == 1)


def test_nobody_listening_is_a_failure_like_any_other(
    receive: Callable[..., Receiver], names: Names, sender: Sender
) -> None:
    names("unknown.example")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert _post(sender, f"http://127.0.0.1:{port}/") == Answer(None, "连不上")
    assert _post(sender, "http://unknown.example/") == Answer(None, _NOWHERE)
    assert _post(Sender(private=False), receive(answering(200)).url()) == Answer(None, "回调地址须用 https")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receive: Callable[..., Receiver], sender: Sender, status: int) -> None:
    inside = receive(answering(200))
    receiver = receive(answering(status, f"Location: {inside.url()}"))
    assert _post(sender, receiver.url()) == Answer(status, f"对方答复 {status}，要求转到别处，不予跟随")
    assert (len(receiver.messages), inside.messages) == (1, [])


def test_neither_proxies_nor_cookies_nor_connections_are_used_again(
    receive: Callable[..., Receiver], sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, receiver = receive(answering(200)), receive(answering(200, "Set-Cookie: a=b; Path=/"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url(""))
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert [_post(sender, receiver.url()) for _ in range(2)] == [Answer(200, "")] * 2
    assert (proxy.messages, [message.headers.get("cookie") for message in receiver.messages]) == (
        [],
        [None] * 2,
    )
    receiver.wait(lambda receiver: receiver.left == 2)


def test_cancelling_hangs_up(receive: Callable[..., Receiver], sender: Sender) -> None:
    receiver = receive(hanging)

    async def cancel() -> None:
        task = asyncio.create_task(sender.post(receiver.url(), _HEADERS, _BODY))
        await asyncio.to_thread(receiver.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    receiver.wait(lambda receiver: receiver.left == 1)


def test_a_certificate_is_asked_for_the_name_and_the_connection_goes_to_the_checked_address(
    receive: Callable[..., Receiver], names: Names, receiver_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    names("portal.example", ["127.0.0.1"])
    shown: list[str | None] = []
    receiver_tls.sni_callback = lambda _connection, name, _context: shown.append(name)
    receiver = receive(answering(200), receiver_tls)
    sender = Sender(private=True, tls=trusting)
    assert _post(sender, receiver.url(host="portal.example")) == Answer(200, "")
    hosts = [message.headers["host"] for message in receiver.messages]
    assert (shown, hosts) == (["portal.example"], [f"portal.example:{receiver.port}"])


def test_a_certificate_of_another_name_or_of_nobody_is_not_believed(
    receive: Callable[..., Receiver],
    names: Names,
    receiver_tls: ssl.SSLContext,
    trusting: ssl.SSLContext,
    sender: Sender,
) -> None:
    for name in ("portal.example", "other.example"):
        names(name, ["127.0.0.1"], ["127.0.0.1"])
    receiver, believing = receive(answering(200), receiver_tls), Sender(private=True, tls=trusting)

    async def both() -> list[Answer]:
        # At the same address, and even right after the one whose certificate is good.
        hosts = ("portal.example", "other.example", "127.0.0.1")
        return [await believing.post(receiver.url(host=host), _HEADERS, _BODY) for host in hosts]

    refused = Answer(None, "对方的证书不可信，或不是这个主机的")
    assert asyncio.run(both()) == [Answer(200, ""), refused, refused]
    assert _post(sender, receiver.url(host="portal.example")) == refused
    assert len(receiver.messages) == 1
