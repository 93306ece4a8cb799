"""Where webhooks may go, and going there: no loopback, no private network, no way round (server-side request forgery).

A name is looked up once, every address it stands for is checked, and the connection goes to the address that was
checked: a name that means something else a moment later leads nowhere else.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpx2

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# All that is given out of IPv6 on the open internet; of it 6to4 carries an IPv4 address, which may be anybody's.
_UNICAST, _CARRIER = ipaddress.ip_network("2000::/3"), ipaddress.ip_network("2002::/16")
# Seconds for one delivery, whatever the receiver does, and for looking up its name.
PATIENCE, LOOKUP = 10.0, 5.0
# Looking up cannot be cut short: a name server that hangs holds up other names at most.
_LOOKUPS = ThreadPoolExecutor(8, thread_name_prefix="lookup")


class Forbidden(Exception):
    """An address that nothing is delivered to; the text says why, in Chinese."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address to connect to, and the host it was asked for under."""

    url: str
    host: str
    host_header: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The status a receiver answered with, if it did, and what is wrong, in Chinese; nothing wrong: it has arrived."""

    status: int | None
    error: str


async def resolved(url: str, *, private: bool) -> Target:
    """The checked address behind a URL. Raises ``Forbidden``.

    ``private``: the operator lets deliveries go to loopback and private addresses, and without encryption.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not private:
        raise Forbidden("回调地址须用 https")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(LOOKUP):
            addresses = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, _addresses, host, port)
    except (OSError, UnicodeError):
        addresses = []
    # One text for both: which names there are in one's own network is nobody's business.
    if not addresses or not (private or all(map(is_public, addresses))):
        raise Forbidden("回调地址的主机找不到，或不在公网上")
    address = addresses[0]
    place = f"[{address}]" if address.version == 6 else str(address)
    target = urlunsplit((parts.scheme, f"{place}:{port}", parts.path or "/", parts.query, ""))
    return Target(url=target, host=host, host_header=parts.netloc)


def is_public(address: Address) -> bool:
    """Whether an address is on the open internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST or address in _CARRIER:
            return False
    return address.is_global and not address.is_multicast


class Sender:
    """Posts to webhooks."""

    def __init__(self, *, private: bool, tls: ssl.SSLContext | None = None) -> None:
        """``private`` as of ``resolved``; ``tls``: whose certificates are believed, else those everybody believes."""
        self._private = private
        self._tls = tls or httpx2.create_ssl_context(trust_env=False)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What came of one attempt; of what the receiver says only the status is read, and nothing is told."""
        try:
            async with asyncio.timeout(PATIENCE):
                status = await self._post(url, headers, body)
        except Forbidden as forbidden:
            return Answer(None, str(forbidden))
        except TimeoutError:
            return Answer(None, f"{PATIENCE:.0f} 秒内没有答复")
        except Exception as failure:  # whatever a stranger's server brings about is a failed attempt
            return Answer(None, _told(failure))
        if 200 <= status < 300:
            return Answer(status, "")
        what = "要求转到别处，不予跟随" if 300 <= status < 400 else "没有接受"
        return Answer(status, f"对方答复 {status}，{what}")

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        target = await resolved(url, private=self._private)
        # A client for this once: a connection or cookie kept from one name would serve another at the same address.
        # Neither proxies nor credentials of the environment, and never where a receiver points next.
        async with httpx2.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=None
        ) as client:
            request = client.build_request(
                "POST", target.url, content=body, headers={**headers, "host": target.host_header},
                extensions={"sni_hostname": target.host},
            )  # fmt: skip
            response = await client.send(request, stream=True)
            await response.aclose()
            return response.status_code


def _addresses(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _told(failure: BaseException) -> str:
    """What a failure comes to for the partner: nothing of addresses and of what was received."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "对方的证书不可信，或不是这个主机的"
        cause = cause.__cause__ or cause.__context__
    return "连不上" if isinstance(failure, httpx2.ConnectError) else "连上了，但没有得到合规的答复"
