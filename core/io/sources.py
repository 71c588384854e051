"""From a reference in a request to a file on this machine: the only opener of users' references.

A host name is resolved here, every address that it stands for is judged, and the connection goes to
the address that was judged: no second look-up can give another answer.  Redirects are judged in the
same way, one by one.  Time and bytes are limited for the download as a whole.
"""

import base64
import errno
import hashlib
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from core.declare import Source, SourcePolicy, address_allowed, source_refusal
from core.errors import DiskFull, SourceRefused, SourceTooLarge, SourceUnreachable

MAX_REDIRECTS = 5
CONNECT_S = 10.0
SILENCE_S = 30.0
"""Seconds without a byte after which a server counts as gone."""
BLOCK = 1 << 18
AGENT = "OptiGround"

_KEPT = "%/?#[]@!$&'()*+,;=:~"
_REDIRECTS = (301, 302, 303, 307, 308)
_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LENGTH = re.compile(r"[0-9]{1,18}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FAILURES = (HTTPError, HTTPException, OSError)
"""What urllib3 raises, and what it lets through of the modules below it."""
_NAT64, _SIX_TO_FOUR = ip_network("64:ff9b::/96"), ip_network("2002::/16")

Address = IPv4Address | IPv6Address


def redact(href: str) -> str:
    """A reference fit for records and logs: without credentials, query and fragment.

    >>> redact("https://me:secret@example.org/a.tif?token=1#x")
    'https://example.org/a.tif'
    >>> redact("upload:5f2c")
    'upload:5f2c'
    """
    try:
        parts = urlsplit(href)
    except ValueError:
        return href.partition(":")[0] + ":"
    if not parts.netloc:
        return href.partition("?")[0].partition("#")[0]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def redacted(document: Any) -> Any:
    """A copy of a request document with all its references (``href``) redacted."""
    if isinstance(document, Mapping):
        return {
            key: redact(value) if key == "href" and isinstance(value, str) else redacted(value)
            for key, value in document.items()
        }
    if isinstance(document, list | tuple):
        return [redacted(value) for value in document]
    return document


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Sources:
    """Opens references as far as a policy allows.

    Parameters
    ----------
    policy
        What may be read, and how much of it.
    files
        Local paths of uploads and of outputs of earlier jobs, by their reference.
    folder
        Where downloads go; made when it is needed.
    budget
        Bytes of all downloads together where one only looks at them; None: the policy's limits
        are enough.
    """

    policy: SourcePolicy
    files: Mapping[str, str]
    folder: Path
    budget: int | None = None

    def fetch(self, source: Source, pointer: str) -> Path:
        """The local file or folder that a reference stands for.

        What was fetched once is not fetched again.

        Raises
        ------
        SourceRefused
            The policy does not allow it.
        SourceUnreachable
            It does not exist, did not answer in time or answered with an error.
        SourceTooLarge
            It has more bytes than allowed.
        """
        href = source.href
        if reason := source_refusal(href, self.policy):
            raise _refused(href, pointer, reason)
        scheme = href.partition(":")[0].lower()
        if scheme in ("http", "https"):
            return self._downloaded(href, pointer)
        if scheme == "file":
            return self._local(href, pointer)
        if href not in self.files or not Path(self.files[href]).exists():
            raise _unreachable(href, pointer, "it does not exist, or no longer")
        return Path(self.files[href])

    def redact(self, href: str) -> str:
        """As :func:`redact`."""
        return redact(href)

    def redacted(self, document: Any) -> Any:
        """As :func:`redacted`."""
        return redacted(document)

    def checksum(self, path: Path) -> str:
        """As :func:`checksum`."""
        return checksum(path)

    def _local(self, href: str, pointer: str) -> Path:
        """A file or folder below a root, wherever links lead."""
        try:
            path = Path(unquote(urlsplit(href).path)).resolve()
            there = path.is_file() or path.is_dir()
        except (OSError, ValueError) as error:
            # Names too long, loops of links.
            raise _unreachable(href, pointer, "there is no such file") from error
        roots = (Path(root).resolve() for root in self.policy.roots)
        if not any(path.is_relative_to(root) for root in roots):
            reason = "the file is not below a folder that this server reads from."
            raise _refused(href, pointer, reason)
        if not there:
            raise _unreachable(href, pointer, "there is no such file")
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            raise _unreachable(href, pointer, "this server has no permission to read it")
        return path

    def _downloaded(self, href: str, pointer: str) -> Path:
        folder = self.folder / hashlib.sha256(href.encode()).hexdigest()[:16]
        if folder.is_dir() and (done := list(folder.iterdir())):
            return done[0]
        left = self._left()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _file_name(href)
        # Not in the folder, where it would look like what was fetched.
        partial = folder.with_name(folder.name + ".part")
        try:
            with partial.open("wb") as file:
                _Download(href, pointer, self.policy, left).into(file)
            partial.replace(path)
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFull("There was no space left for a download.") from error
            raise
        finally:
            partial.unlink(missing_ok=True)
        return path

    def _left(self) -> int | None:
        """Bytes that may still be downloaded; None: no matter how many."""
        if self.budget is None:
            return None
        spent = sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())
        return max(self.budget - spent, 0)


def _file_name(href: str) -> str:
    """The last part of the address, which may hold the product's name or the date."""
    last = unquote(urlsplit(href).path).rstrip("/").rpartition("/")[2]
    return _NAME.sub("_", last).strip("._")[-120:] or "download"


def _refused(href: str, pointer: str, reason: str) -> SourceRefused:
    shown = redact(href)
    return SourceRefused(f"{shown} may not be read: {reason}", pointer=pointer, value=shown)


def _unreachable(href: str, pointer: str, reason: str) -> SourceUnreachable:
    shown = redact(href)
    return SourceUnreachable(f"{shown} cannot be read: {reason}.", pointer=pointer, value=shown)


class _Download:
    """One download, with all its redirects."""

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
                raise _refused(self.href, self.pointer, f"it leads to {redact(href)}: {reason}")
        raise _unreachable(self.href, self.pointer, "it is redirected again and again")

    def _next(self, href: str, location: str) -> str:
        try:
            return urljoin(href, location)
        except ValueError as error:
            reason = "it leads to something that is no valid address."
            raise _refused(self.href, self.pointer, reason) from error

    @staticmethod
    def _not_http(href: str) -> str:
        scheme = href.partition(":")[0].lower()
        return "" if scheme in ("http", "https") else "it is no address of a web server."

    @contextmanager
    def _answer(self, href: str) -> Iterator[BaseHTTPResponse]:
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
                "GET",
                quote(urlunsplit(("", "", parts.path or "/", parts.query, "")), safe=_KEPT),
                headers=self._headers(parts),
                preload_content=False,
                decode_content=False,
            )
            yield connection.getresponse()
        except _FAILURES as error:
            if isinstance(error, OSError) and error.errno in _FULL:
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
        return _unreachable(self.href, self.pointer, reason)

    def _late(self) -> SourceUnreachable:
        reason = f"it took longer than {self.policy.timeout_s:g} s"
        return _unreachable(self.href, self.pointer, reason)

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
            raise _unreachable(self.href, self.pointer, reason) from error
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        for address in addresses:
            if not all(address_allowed(a, self.policy) for a in _meant(address)):
                reason = f"the host {host!r} has an address that this server may not fetch from."
                raise _refused(self.href, self.pointer, reason)
            if parts.scheme == "http" and not _listed(address, self.policy):
                reason = "http without TLS is for listed networks only; use https."
                raise _refused(self.href, self.pointer, reason)
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
            raise _unreachable(self.href, self.pointer, reason)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            reason = "the server packed it although it was not asked to"
            raise _unreachable(self.href, self.pointer, reason)
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
            raise _unreachable(self.href, self.pointer, "the connection ended too early")

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
