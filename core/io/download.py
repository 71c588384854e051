"""Downloads: the only place that connects to what users name.

A host name is resolved here, every address that it stands for is judged, and the connection goes to
the address that was judged: no second look-up can give another answer.  Redirects are judged in the
same way, one by one.  Time and bytes are limited for the download as a whole.
"""

import base64
import errno
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import IO
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from core.declare import SourcePolicy, address_allowed, source_refusal
from core.errors import SourceRefused, SourceTooLarge, SourceUnreachable
from core.io.redaction import redact

MAX_REDIRECTS = 5
CONNECT_S = 10.0
SILENCE_S = 30.0
"""Seconds without a byte after which a server counts as gone."""
BLOCK = 1 << 18
AGENT = "OptiGround"

_KEPT = "%/?#[]@!$&'()*+,;=:~"
_REDIRECTS = (301, 302, 303, 307, 308)
_LENGTH = re.compile(r"[0-9]{1,18}")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FAILURES = (HTTPError, HTTPException, OSError)
"""What urllib3 raises, and what it lets through of the modules below it."""
_NAT64, _SIX_TO_FOUR = ip_network("64:ff9b::/96"), ip_network("2002::/16")

Address = IPv4Address | IPv6Address


def refused(href: str, pointer: str, reason: str) -> SourceRefused:
    """The error for a reference that the policy does not allow."""
    shown = redact(href)
    return SourceRefused(f"{shown} may not be read: {reason}", pointer=pointer, value=shown)


def unreachable(href: str, pointer: str, reason: str) -> SourceUnreachable:
    """The error for a reference that could not be read."""
    shown = redact(href)
    return SourceUnreachable(f"{shown} cannot be read: {reason}.", pointer=pointer, value=shown)


class Download:
    """One download, with all its redirects.

    Parameters
    ----------
    href, pointer
        What is fetched, and where the request names it.
    policy
        What may be fetched.
    left
        Bytes that it may have where one only looks; None: as many as the policy says.
    """

    def __init__(self, href: str, pointer: str, policy: SourcePolicy, left: int | None) -> None:
        self.href = href
        self.pointer = pointer
        self.policy = policy
        self.limit = policy.max_bytes if left is None else min(left, policy.max_bytes)
        self.deadline = time.monotonic() + policy.timeout_s

    def into(self, file: IO[bytes]) -> None:
        """Write the bytes into a file."""
        href = self.href
        for _ in range(MAX_REDIRECTS + 1):
            with self._answer(href) as response:
                if response.status not in _REDIRECTS:
                    self._body(response, file)
                    return
                href = self._next(href, response.headers.get("Location", ""))
            if reason := source_refusal(href, self.policy) or self._not_http(href):
                raise refused(self.href, self.pointer, f"it leads to {redact(href)}: {reason}")
        raise unreachable(self.href, self.pointer, "it is redirected again and again")

    def status_of(self, sent: bytes, headers: Mapping[str, str]) -> int:
        """Send something there in place of fetching; the status, and no redirect is followed."""
        with self._answer(self.href, sent, headers) as response:
            # A connection that was cut looks like a header that has ended.
            if self._left() <= 0:
                raise self._late()
            return response.status

    def _next(self, href: str, location: str) -> str:
        try:
            return urljoin(href, location)
        except ValueError as error:
            reason = "it leads to something that is no valid address."
            raise refused(self.href, self.pointer, reason) from error

    @staticmethod
    def _not_http(href: str) -> str:
        scheme = href.partition(":")[0].lower()
        return "" if scheme in ("http", "https") else "it is no address of a web server."

    @contextmanager
    def _answer(
        self, href: str, sent: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> Iterator[BaseHTTPResponse]:
        """The answer to one request; its connection ends at the deadline at the latest."""
        parts = urlsplit(href)
        addresses = self._addresses(parts)
        try:
            connection = self._connected(parts, addresses)
        except _FAILURES as error:
            raise self._failed(error) from error
        watch = threading.Timer(self._left(), _cut, [connection])
        watch.daemon = True
        watch.start()
        try:
            connection.request(
                "GET" if sent is None else "POST",
                quote(urlunsplit(("", "", parts.path or "/", parts.query, "")), safe=_KEPT),
                body=sent,
                headers={**self._headers(parts), **(more or {})},
                preload_content=False,
                decode_content=False,
            )
            yield connection.getresponse()
        except _FAILURES as error:
            if isinstance(error, OSError) and error.errno in NO_SPACE:
                raise
            raise self._failed(error) from error
        finally:
            watch.cancel()
            connection.close()

    def _failed(self, error: Exception) -> SourceUnreachable:
        if self._left() <= 0:
            return self._late()
        if isinstance(error.__cause__ or error, ssl.SSLError) or "certificate" in str(error):
            reason = "its certificate could not be verified"
        elif "timed out" in str(error):
            reason = "the server did not answer in time"
        elif isinstance(error, HTTPException):
            reason = "the server's answer is no proper HTTP"
        else:
            reason = "the connection failed or ended too early"
        return unreachable(self.href, self.pointer, reason)

    def _late(self) -> SourceUnreachable:
        reason = f"it took longer than {self.policy.timeout_s:g} s"
        return unreachable(self.href, self.pointer, reason)

    def _left(self) -> float:
        return max(self.deadline - time.monotonic(), 0.0)

    def _addresses(self, parts: SplitResult) -> list[Address]:
        """The addresses of a host; refused if the policy forbids a single one of them."""
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = f"the host {host!r} is not known"
            raise unreachable(self.href, self.pointer, reason) from error
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        for address in addresses:
            if not all(address_allowed(a, self.policy) for a in _meant(address)):
                reason = f"the host {host!r} has an address that this server may not fetch from."
                raise refused(self.href, self.pointer, reason)
            if parts.scheme == "http" and not _listed(address, self.policy):
                reason = "http without TLS is for listed networks only; use https."
                raise refused(self.href, self.pointer, reason)
        return addresses

    def _connected(self, parts: SplitResult, addresses: list[Address]) -> HTTPConnection:
        """A connection to the first of the addresses that answers."""
        failure: Exception = OSError("no address")
        for address in dict.fromkeys(addresses):
            connection = self._connection(parts, address)
            try:
                connection.connect()
            except _FAILURES as error:
                connection.close()
                failure = error
                if isinstance(error, ssl.SSLError):
                    break
            else:
                connection.timeout = SILENCE_S
                return connection
        raise failure

    def _connection(self, parts: SplitResult, address: Address) -> HTTPConnection:
        timeout = min(CONNECT_S, max(self._left(), 0.001))
        if parts.scheme == "http":
            return HTTPConnection(str(address), parts.port or 80, timeout=timeout)
        host = (parts.hostname or "").encode("idna").decode()
        return HTTPSConnection(
            str(address),
            parts.port or 443,
            timeout=timeout,
            server_hostname=host,
            ssl_context=ssl.create_default_context(),
        )

    def _headers(self, parts: SplitResult) -> dict[str, str]:
        headers = {
            "Host": _host(parts),
            "User-Agent": AGENT,
            # What is counted must be what is stored.
            "Accept-Encoding": "identity",
        }
        same_host = parts.hostname == urlsplit(self.href).hostname
        if parts.username and same_host and parts.scheme == "https":
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        return headers

    def _body(self, response: BaseHTTPResponse, file: IO[bytes]) -> None:
        if response.status != 200:
            reason = f"the server answered with status {response.status}"
            raise unreachable(self.href, self.pointer, reason)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            reason = "the server packed it although it was not asked to"
            raise unreachable(self.href, self.pointer, reason)
        said = _LENGTH.fullmatch(response.headers.get("Content-Length", ""))
        length = int(said[0]) if said else None
        if length is not None and length > self.limit:
            raise self._too_large()
        total = 0
        # read1 returns with what one read gives; read would wait for the whole block.
        while block := response.read1(BLOCK):
            total += len(block)
            if total > self.limit:
                raise self._too_large()
            if self._left() <= 0:
                raise self._late()
            file.write(block)
        # A connection that was cut looks like an answer that has ended.
        if self._left() <= 0:
            raise self._late()
        if length is not None and total != length:
            raise unreachable(self.href, self.pointer, "the connection ended too early")

    def _too_large(self) -> SourceTooLarge:
        limit = self.policy.max_bytes
        shown = redact(self.href)
        message = f"{shown} has more than {limit} bytes."
        allowed = f"at most {limit} bytes"
        if self.limit < limit:
            message = (
                f"{shown} has more than the {self.limit} bytes that may still be fetched only to "
                "look at the inputs; a job may still fetch it."
            )
            allowed = f"at most {self.limit} bytes here, {limit} bytes in a job"
        return SourceTooLarge(message, pointer=self.pointer, value=shown, allowed=allowed)


def _host(parts: SplitResult) -> str:
    """The header of this name.

    >>> _host(urlsplit("https://me:secret@bücher.example:8443/a"))
    'xn--bcher-kva.example:8443'
    >>> _host(urlsplit("https://[::1]/a"))
    '[::1]'
    """
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name.encode("idna").decode()
    return host if parts.port is None else f"{host}:{parts.port}"


def _cut(connection: HTTPConnection) -> None:
    """End a connection from another thread, whatever it is waiting for."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _meant(address: Address) -> Iterator[Address]:
    """An address, and the IPv4 address that a translator would take it for."""
    yield address
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _SIX_TO_FOUR:
            yield IPv4Address(int(address) >> 80 & 0xFFFFFFFF)


def _listed(address: Address, policy: SourcePolicy) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    networks = (ip_network(network) for network in policy.networks)
    return any(address in n for n in networks if n.version == address.version)
