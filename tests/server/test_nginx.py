"""The proxy of docker/nginx, with the real nginx before a whole server, under a prefix."""

import hashlib
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from benchmarks.services import Missing, free_port, nginx

PREFIX = "/optiground"
THREADS = 2
MUCH = 64 << 20
UPLOADS, EARLY, SLOWED = 16, 51, 150
"""What the configuration lets one address send."""
NOTHING: Mapping[str, str] = {}
SLOW = 40
BINARY = {"Content-Type": "application/octet-stream"}


class Proxy:
    """A running nginx, to which certificate and address belong."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"https://localhost:{port}{PREFIX}"
        self.session = requests.Session()
        self.session.trust_env = False  # A bundle named there would go before this one.
        self.session.verify = str(folder / "optiground.crt")

    def request(self, method: str, path: str, **options: object) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=60, **options)  # type: ignore[arg-type]

    def connect(self, receive: int | None = None) -> ssl.SSLSocket:
        plain = socket.socket()
        if receive:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        plain.settimeout(60)
        plain.connect(("localhost", self.port))
        context = ssl.create_default_context(cafile=self.session.verify)  # type: ignore[arg-type]
        return context.wrap_socket(plain, server_hostname="localhost")


@pytest.fixture
def proxy_before() -> Iterator[Callable[..., Proxy]]:
    """Starts nginx on a port of its own, before a server on another one."""
    with ExitStack() as stack:

        def start(port: int, upstream: int, adapted: Mapping[str, str] = NOTHING) -> Proxy:
            try:
                return Proxy(stack.enter_context(nginx(port, upstream, adapted)), port)
            except Missing as missing:
                pytest.skip(str(missing))

        yield start


@pytest.fixture
def proxy(proxy_before, server_with) -> Proxy:
    """Nginx before a server of very few threads, whose public URL it is."""
    port = free_port()
    server = server_with(
        public_url=f"https://localhost:{port}{PREFIX}", web_workers=1, web_threads=THREADS
    )
    return proxy_before(port, int(server.url.rpartition(":")[2]))


def hrefs(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("href"), str):
            yield value["href"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from hrefs(item)


def test_slow_and_silent_clients_do_not_keep_health_probes_from_their_answers(proxy) -> None:
    header = f"HTTP/1.1\r\nHost: localhost:{proxy.port}\r\nContent-Length: 4000\r\n"
    document = header + 'Content-Type: application/json\r\n\r\n{"inputs"'
    file = header + "Content-Type: application/octet-stream\r\n\r\nII"
    beginnings = (
        ("", SLOW),
        (f"GET {PREFIX}/health {header}X-Slow: ", SLOW),
        (f"POST {PREFIX}/processes/echo/execution {document}", SLOW),
        (f"POST {PREFIX}/uploads {file}", SLOW),
    )
    with ExitStack() as held:
        for beginning, number in beginnings:
            for _ in range(number):
                connection = held.enter_context(proxy.connect())
                connection.sendall(beginning.encode())
        for _ in range(5):
            assert proxy.request("GET", "/health").status_code == 200


def test_every_link_stays_under_the_prefix_and_leads_somewhere(proxy) -> None:
    ahead, seen = [proxy.url + "/"], set()
    while ahead:
        address = ahead.pop()
        if address in seen or address.partition("#")[0].endswith(("/execution", "/logo.svg")):
            continue
        seen.add(address)
        answer = proxy.session.get(address, timeout=60, allow_redirects=False)
        assert answer.status_code == 200, address
        if "json" in answer.headers["Content-Type"] and "/openapi" not in address:
            found = list(hrefs(answer.json()))
        elif answer.headers["Content-Type"].startswith("text/html"):
            found = re.findall(r'(?:href|src|action)="([^"#]+)"', answer.text)
        else:
            found = []
        found = [urljoin(address, link.replace("&amp;", "&")) for link in found]
        own = [link for link in found if link.startswith("https://localhost")]
        assert [link for link in own if not link.startswith(proxy.url)] == []
        assert [link for link in found if "127.0.0.1" in link] == []
        ahead += own
    assert len(seen) > 15
    assert any("/static/" in address for address in seen)


def test_the_prefix_is_the_landing_page_without_its_slash_too(proxy) -> None:
    answer = proxy.request("GET", "?f=json", allow_redirects=False)
    assert answer.status_code == 200
    assert f"{proxy.url}/conformance" in set(hrefs(answer.json()))


def test_uploads_pass_through_whole_and_documents_keep_their_limit(proxy) -> None:
    content = os.urandom(6 << 20)
    answer = proxy.request("POST", "/uploads", data=content, headers=BINARY)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"].startswith(f"{proxy.url}/uploads/")
    assert answer.json()["size"] == len(content)
    assert hashlib.sha256(content).hexdigest() in answer.text

    refused = proxy.request(
        "POST",
        "/processes/echo/execution",
        data=b"{" + b" " * (4 << 20),
        headers={"Content-Type": "application/json"},
    )
    assert refused.status_code == 413
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "body-too-large"


def test_ranges_and_conditions_pass_through(proxy) -> None:
    whole = proxy.request("GET", "/static/style.css")
    tag = whole.headers["ETag"]
    assert not tag.startswith("W/")
    part = proxy.request("GET", "/static/style.css", headers={"Range": "bytes=10-29"})
    assert (part.status_code, part.content) == (206, whole.content[10:30])
    assert part.headers["Content-Range"] == f"bytes 10-29/{len(whole.content)}"
    same = proxy.request("GET", "/static/style.css", headers={"If-None-Match": tag})
    assert same.status_code == 304


class Mirror(BaseHTTPRequestHandler):
    """Answers with the path and the header that it was sent, and with much at ``/much``."""

    def do_GET(self) -> None:
        body = f"{self.path}\n{self.headers}".encode()
        if self.path == "/much":
            body = bytes(MUCH)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.answered.add(self.path)  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        self.server.begun.add(self.path)  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.begun = set()  # type: ignore[attr-defined]
        server.answered = set()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_server_sees_a_request_when_all_of_its_body_has_come(
    proxy_before, mirror, until
) -> None:
    proxy = proxy_before(free_port(), mirror.server_port)
    header = "HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
    with proxy.connect() as upload, proxy.connect() as document:
        upload.sendall(f"POST {PREFIX}/uploads {header}01234".encode())
        document.sendall(f"POST {PREFIX}/inspect {header}01234".encode())
        assert proxy.request("GET", "/health").status_code == 200
        assert mirror.begun == set()
        upload.sendall(b"56789")
        document.sendall(b"56789")
        until(lambda: {"/uploads", "/inspect"} <= mirror.answered)


def test_an_answer_is_taken_from_the_server_though_the_client_does_not_read_it(
    proxy_before, mirror, until
) -> None:
    proxy = proxy_before(free_port(), mirror.server_port)
    with proxy.connect(receive=4096) as connection:
        connection.sendall(f"GET {PREFIX}/much HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: "/much" in mirror.answered)


def test_the_server_is_told_the_host_asked_for_and_the_address_that_nginx_sees(
    proxy_before, mirror
) -> None:
    proxy = proxy_before(free_port(), mirror.server_port)
    claims = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "other.example"}
    told = proxy.request("GET", "/jobs?limit=1", headers=claims).text.splitlines()
    assert told[0] == "/jobs?limit=1"
    assert f"Host: localhost:{proxy.port}" in told
    assert "X-Forwarded-For: 127.0.0.1" in told
    assert "other.example" not in "".join(told)


def begin_to_send(proxy: Proxy, held: ExitStack, path: str, client: str = "") -> None:
    connection = held.enter_context(proxy.connect())
    told = f"X-Forwarded-For: {client}\r\n" if client else ""
    header = f"HTTP/1.1\r\nHost: localhost\r\n{told}Content-Length: 10\r\n\r\n01234"
    connection.sendall(f"POST {PREFIX}{path} {header}".encode())


def send(proxy: Proxy, path: str, client: str = "") -> requests.Response:
    headers = {"X-Forwarded-For": client} if client else {}
    return proxy.request("POST", path, data=b"0123456789", headers=headers)


def check_refused(answer: requests.Response) -> None:
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    told = answer.json()
    assert told["type"] == f"urn:optiground:error:{told['code']}"
    assert (told["status"], told["code"]) == (429, "too-many-requests")
    assert {"title", "detail"} < told.keys()


def test_an_address_that_sends_too_many_files_at_once_is_refused(
    proxy_before, mirror, until
) -> None:
    proxy = proxy_before(free_port(), mirror.server_port)
    with ExitStack() as held:
        for number in range(UPLOADS - 1):
            # What it says of itself makes no difference.
            begin_to_send(proxy, held, "/uploads", f"198.51.100.{number}")
        assert send(proxy, "/uploads").status_code == 200
        with ExitStack() as last:
            begin_to_send(proxy, last, "/uploads")
            until(lambda: send(proxy, "/uploads").status_code == 429)
            check_refused(send(proxy, "/uploads", "203.0.113.1"))
            assert send(proxy, "/inspect").status_code == 200
            assert proxy.request("GET", "/uploads").status_code == 200
        until(lambda: send(proxy, "/uploads").status_code == 200)


def test_an_address_is_slowed_down_before_it_is_refused(proxy_before, mirror, until) -> None:
    proxy = proxy_before(free_port(), mirror.server_port, {"rate=50r/s": "rate=1r/m"})
    assert {send(proxy, "/inspect").status_code for _ in range(EARLY)} == {200}
    with ExitStack() as held:
        for _ in range(SLOWED):
            begin_to_send(proxy, held, "/inspect")
        check_refused(send(proxy, "/inspect"))
        check_refused(send(proxy, "/uploads"))
        assert proxy.request("GET", "/jobs").status_code == 200


def test_behind_a_listed_proxy_each_of_its_clients_has_limits_of_its_own(
    proxy_before, mirror, until
) -> None:
    adapted = {
        "# set_real_ip_from 192.0.2.10;": "set_real_ip_from 127.0.0.1;",
        "# real_ip_": "real_ip_",
    }
    proxy = proxy_before(free_port(), mirror.server_port, adapted)
    with ExitStack() as held:
        for _ in range(UPLOADS):
            begin_to_send(proxy, held, "/uploads", "6.6.6.6, 198.51.100.7")
        until(lambda: send(proxy, "/uploads", "198.51.100.7").status_code == 429)
        assert "X-Forwarded-For: 198.51.100.8" in send(proxy, "/uploads", "198.51.100.8").text
