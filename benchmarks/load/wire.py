"""HTTP/1.1 as far as these clients need it, on bare transports: they must cost next to nothing."""

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

KEPT_S = 2.0
"""How long an idle connection is used again; the server keeps them for longer."""
PATIENCE_S = 30.0
_SMALL = 4096


@dataclass(frozen=True)
class Answer:
    """An answer: its status, its header block in lower case, and its body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header; "" if it is not there."""
        return _header(self.head, b"\n" + name.encode() + b":").decode()


def _header(head: bytes, mark: bytes) -> bytes:
    begin = head.find(mark)
    if begin < 0:
        return b""
    begin += len(mark)
    return head[begin : head.find(b"\r", begin)].strip()


@dataclass(frozen=True)
class Address:
    """Where the server is, and how requests to it begin."""

    host: str
    port: int
    prefix: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None) -> "Address":
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"{url} names no host and port")
        return cls(parts.hostname, parts.port, parts.path.rstrip("/"), tls)

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes = b"",
        *,
        close: bool = False,
    ) -> bytes:
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += ["Accept: application/json", "User-Agent: load"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        if close:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One connection, on which one request at a time is asked."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.used = time.monotonic()
        self._answer: asyncio.Future[Answer] | None = None
        self._got = bytearray()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: Address, *, small: bool = False) -> "Connection":
        loop = asyncio.get_running_loop()
        plain = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
        try:
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if small:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
            await loop.sock_connect(plain, (address.host, address.port))
            name = address.host if address.tls else None
            _, made = await loop.create_connection(
                cls, sock=plain, ssl=address.tls, server_hostname=name
            )
        except BaseException:
            plain.close()
            raise
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        if not self.lost.done():
            self.lost.set_result(None)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("closed before the answer"))

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def stop_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def usable(self) -> bool:
        fresh = time.monotonic() - self.used < KEPT_S
        return fresh and not self.lost.done() and self._transport is not None

    async def ask(self, request: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._got.clear()
        self.write(request)
        try:
            answer = await asyncio.wait_for(self._answer, PATIENCE_S)
        finally:
            self._answer = None
        self.used = time.monotonic()
        return answer

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            return
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._got[: end + 2]).lower()
        length = int(_header(head, b"\ncontent-length:") or 0)
        if len(self._got) >= end + 4 + length:
            status, body = int(head[9:12]), bytes(self._got[end + 4 :])
            if b"\nconnection: close" in head:
                self.close()
            self._answer.set_result(Answer(status, head, body))


class Pool:
    """Connections that are used again, the latest first; none where `most` is 0."""

    def __init__(self, address: Address, most: int) -> None:
        self._address = address
        self._most = most
        self._idle: list[Connection] = []

    async def ask(self, request: bytes) -> Answer:
        connection = self._taken() or await Connection.open(self._address)
        try:
            answer = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        if connection.usable and len(self._idle) < self._most:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        for connection in self._idle:
            connection.close()

    def _taken(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return None
