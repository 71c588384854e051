import os
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core import errors
from core.declare import Source, SourcePolicy
from core.io.sources import Sources, redact

LOOPBACK = SourcePolicy(
    schemes=("https", "http", "upload", "job", "file"), networks=("127.0.0.0/8",)
)


class Handler(BaseHTTPRequestHandler):
    """Answers as the server's table says: path -> function of the handler."""

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        self.server.answers[self.path.partition("?")[0]](self)

    def log_message(self, *arguments):
        pass

    def say(self, body=b"", status=200, **headers):
        self.send_response(status)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(answers, context=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked = answers, []
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetcher(tmp_path, policy=LOOPBACK, files=None):
    return Sources(policy, files or {}, tmp_path / "fetched")


def address(server, path, scheme="http"):
    return f"{scheme}://127.0.0.1:{server.server_address[1]}{path}"


def fetch(tmp_path, href, policy=LOOPBACK, files=None):
    return fetcher(tmp_path, policy, files).fetch(Source(href=href), "/inputs/reference")


def leftovers(tmp_path):
    return [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_file_is_fetched_once_under_its_own_name(tmp_path):
    with serving({"/a/S2A%20x.tif": lambda h: h.say(b"pixels")}) as server:
        path = fetch(tmp_path, address(server, "/a/S2A%20x.tif?token=1"))
        assert path.read_bytes() == b"pixels"
        assert path.name == "S2A_x.tif"
        assert fetch(tmp_path, address(server, "/a/S2A%20x.tif?token=1")) == path
        assert len(server.asked) == 1
        assert server.asked[0][0] == "/a/S2A%20x.tif?token=1"
        assert server.asked[0][1]["Host"] == f"127.0.0.1:{server.server_address[1]}"


def test_redirects_are_followed_and_judged(tmp_path):
    answers = {
        "/here": lambda h: h.say(status=302, Location="/there"),
        "/there": lambda h: h.say(b"ok"),
        "/round": lambda h: h.say(status=301, Location="/round"),
        "/inside": lambda h: h.say(status=307, Location="http://169.254.169.254/latest"),
        "/file": lambda h: h.say(status=302, Location="file:///etc/passwd"),
        "/upload": lambda h: h.say(status=302, Location="upload:1"),
        "/nowhere": lambda h: h.say(status=302),
    }
    with serving(answers) as server:
        assert fetch(tmp_path, address(server, "/here")).read_bytes() == b"ok"
        for path in ("/round", "/nowhere"):
            with pytest.raises(errors.SourceUnreachable, match="again and again"):
                fetch(tmp_path, address(server, path))
        for path in ("/inside", "/file", "/upload"):
            with pytest.raises(errors.SourceRefused):
                fetch(tmp_path, address(server, path))


@pytest.mark.parametrize(
    "href",
    [
        "https://127.0.0.1/a.tif",
        "https://[::1]/a.tif",
        "https://[::ffff:127.0.0.1]/a.tif",
        "https://[64:ff9b::7f00:1]/a.tif",
        "https://[2002:7f00:1::]/a.tif",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/a.tif",
        "https://100.64.0.1/a.tif",
        "https://0.0.0.0/a.tif",
        "https://2130706433/a.tif",
        "https://0x7f.1/a.tif",
        "https://localhost/a.tif",
        "file:///etc/passwd",
        "ftp://example.org/a.tif",
        "/etc/passwd",
        "/vsicurl/http://127.0.0.1/a.tif",
    ],
)
def test_addresses_inside_and_other_schemes_are_refused(tmp_path, href):
    with pytest.raises(errors.SourceRefused) as caught:
        fetch(tmp_path, href, SourcePolicy())
    assert caught.value.pointer == "/inputs/reference"
    assert not leftovers(tmp_path)


def test_a_name_with_a_single_forbidden_address_is_refused(tmp_path, monkeypatch):
    def lookup(host, port, **options):
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("93.184.215.14", port)), (*kind, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(errors.SourceRefused, match="may not fetch from"):
        fetch(tmp_path, "https://rebind.example/a.tif", SourcePolicy())


def test_the_connection_goes_to_the_address_that_was_judged(tmp_path, monkeypatch):
    """A name server that gives another answer the second time changes nothing."""
    real, asked = socket.getaddrinfo, []

    def lookup(host, port, *arguments, **options):
        if host == "rebind.example":
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "127.9.9.9", port, **options)
        return real(host, port, *arguments, **options)

    with serving({"/a": lambda h: h.say(b"ok")}) as server:
        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        port = server.server_address[1]
        fetch(tmp_path, f"http://rebind.example:{port}/a")
        assert asked == ["rebind.example"]
        assert server.asked[0][1]["Host"] == f"rebind.example:{port}"


def test_http_without_tls_is_for_listed_networks_only(tmp_path, monkeypatch):
    policy = SourcePolicy(schemes=("http", "https"))
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("93.184.215.14", 80))]
    )
    with pytest.raises(errors.SourceRefused, match="use https"):
        fetch(tmp_path, "http://example.org/a.tif", policy)


def test_errors_of_the_server_are_told_and_nothing_is_left(tmp_path):
    answers = {
        "/missing": lambda h: h.say(b"no", status=404),
        "/packed": lambda h: h.say(b"x", Content_Encoding="gzip"),
        "/short": lambda h: h.say(b"x", Content_Length=10),
    }
    with serving(answers) as server:
        for path, words in (
            ("/missing", "status 404"),
            ("/packed", "packed"),
            ("/short", "ended too early"),
        ):
            with pytest.raises(errors.SourceUnreachable, match=words):
                fetch(tmp_path, address(server, path))
    with pytest.raises(errors.SourceUnreachable, match="connection failed"):
        fetch(tmp_path, address(server, "/gone"))
    assert not leftovers(tmp_path)


def test_bytes_are_limited_whatever_the_header_says(tmp_path):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"0" * 65536)
        except OSError:
            pass

    policy = LOOPBACK.model_copy(update={"max_bytes": 1_000_000})
    answers = {"/told": lambda h: h.say(b"", Content_Length=1_000_001), "/endless": endless}
    with serving(answers) as server:
        for path in answers:
            with pytest.raises(errors.SourceTooLarge, match="1000000 bytes"):
                fetch(tmp_path, address(server, path), policy)
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_server_that_drips_is_cut_off_at_the_deadline(tmp_path, where):
    stop = threading.Event()

    def drip(handler):
        if where == "body":
            handler.send_response(200)
            handler.end_headers()
        else:
            handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
        try:
            while not stop.wait(0.05):
                handler.wfile.write(b"X-A: b\r\n")
        except OSError:
            pass

    policy = LOOPBACK.model_copy(update={"timeout_s": 0.5})
    with serving({"/": drip}) as server:
        try:
            with pytest.raises(errors.SourceUnreachable, match=r"longer than 0\.5 s"):
                fetch(tmp_path, address(server, "/"), policy)
        finally:
            stop.set()
    assert not leftovers(tmp_path)


@pytest.fixture
def certificates(tmp_path):
    """A certificate of its own for the name tls.example."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=tls.example"]
    command += ["-addext", "subjectAltName=DNS:tls.example"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


def test_tls_is_verified_against_the_name_in_the_reference(tmp_path, certificates, monkeypatch):
    context, cert = certificates
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1", *a, **k))
    with serving({"/a.tif": lambda h: h.say(b"ok")}, context) as server:
        port = server.server_address[1]
        with pytest.raises(errors.SourceUnreachable, match="certificate"):
            fetch(tmp_path, f"https://tls.example:{port}/a.tif")
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        with pytest.raises(errors.SourceUnreachable, match="certificate"):
            fetch(tmp_path, f"https://other.example:{port}/a.tif")
        assert fetch(tmp_path, f"https://me:pw@tls.example:{port}/a.tif").read_bytes() == b"ok"
        assert server.asked[-1][1]["Authorization"].startswith("Basic ")


def test_files_are_read_below_the_roots_only_wherever_links_lead(tmp_path):
    root, secret = tmp_path / "root", tmp_path / "secret.tif"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a b.tif").write_bytes(b"x")
    secret.write_bytes(b"x")
    (root / "link.tif").symlink_to(secret)
    policy = LOOPBACK.model_copy(update={"roots": (str(root),)})
    found = fetch(tmp_path, f"file://{root}/sub/a%20b.tif", policy)
    assert found == (root / "sub" / "a b.tif").resolve()
    assert fetch(tmp_path, f"file://{root}/sub", policy).is_dir()
    for path in ("link.tif", "../secret.tif", "sub/%2e%2e/%2e%2e/secret.tif"):
        with pytest.raises(errors.SourceRefused):
            fetch(tmp_path, f"file://{root}/{path}", policy)
    with pytest.raises(errors.SourceUnreachable, match="no such file"):
        fetch(tmp_path, f"file://{root}/none.tif", policy)


def test_uploads_and_outputs_come_from_the_jobs_table(tmp_path):
    path = tmp_path / "image.tif"
    path.write_bytes(b"x")
    files = {"upload:0123456789abcdef": str(path)}
    assert fetch(tmp_path, "upload:0123456789abcdef", files=files) == path
    path.unlink()
    with pytest.raises(errors.SourceUnreachable, match="no longer"):
        fetch(tmp_path, "upload:0123456789abcdef", files=files)


def test_credentials_never_show(tmp_path):
    href = "https://me:secret@127.0.0.1/a.tif?token=geheim#part"
    with pytest.raises(errors.SourceRefused) as caught:
        fetch(tmp_path, href, SourcePolicy())
    told = str(caught.value.problem())
    assert "secret" not in told
    assert "geheim" not in told
    assert redact(href) == "https://127.0.0.1/a.tif"


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"hello world\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        HEAD + b"X: a\r\n" * 200 + b"\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        HEAD + b"Content-Length: 5,7\r\n\r\nabcde",
    ],
    ids=["no HTTP", "version", "long line", "many headers", "bad chunk", "two lengths"],
)
def test_an_answer_that_is_no_proper_http_is_the_servers_fault(tmp_path, answer):
    with (
        serving({"/": lambda h: h.wfile.write(answer)}) as server,
        pytest.raises(errors.SourceUnreachable, match=r"HTTP|ended too early"),
    ):
        fetch(tmp_path, address(server, "/"))
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("length", ["\xb2", "9" * 5000])
def test_a_length_that_is_no_number_is_ignored(tmp_path, length):
    answer = HEAD + f"Content-Length: {length}\r\n\r\nabc".encode("latin-1")
    with serving({"/": lambda h: h.wfile.write(answer)}) as server:
        assert fetch(tmp_path, address(server, "/")).read_bytes() == b"abc"


@pytest.mark.parametrize("location", ["http://[::1/", "http://127.0.0.1:99999/", "http://[x]/"])
def test_a_redirect_to_no_address_is_refused(tmp_path, location):
    with (
        serving({"/": lambda h: h.say(status=302, Location=location)}) as server,
        pytest.raises(errors.SourceRefused, match="no valid address"),
    ):
        fetch(tmp_path, address(server, "/"))


@pytest.mark.parametrize(
    ("tail", "error"),
    [
        ("/%00x", errors.SourceRefused),
        ("/" + "a" * 300, errors.SourceUnreachable),
        ("/a.tif/b", errors.SourceUnreachable),
        ("/loop", errors.SourceUnreachable),
    ],
)
def test_names_that_no_file_can_have_are_told(tmp_path, tail, error):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.tif").write_bytes(b"x")
    (root / "loop").symlink_to(root / "loop")
    policy = LOOPBACK.model_copy(update={"roots": (str(root),)})
    with pytest.raises(error):
        fetch(tmp_path, f"file://{root}{tail}", policy)


def test_a_file_address_with_a_broken_host_is_refused(tmp_path):
    policy = LOOPBACK.model_copy(update={"roots": ("/",)})
    with pytest.raises(errors.SourceRefused):
        fetch(tmp_path, "file://[::1/a.tif", policy)


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.tif").write_bytes(b"x")
    monkeypatch.setattr(os, "access", lambda *_: False)  # Root may read everything.
    policy = LOOPBACK.model_copy(update={"roots": (str(tmp_path),)})
    with pytest.raises(errors.SourceUnreachable, match="no permission"):
        fetch(tmp_path, f"file://{tmp_path}/a.tif", policy)


def test_a_download_is_fetched_once_whatever_its_name(tmp_path):
    with serving({"/a.part": lambda h: h.say(b"ok")}) as server:
        for _ in range(2):
            assert fetch(tmp_path, address(server, "/a.part")).name == "a.part"
        assert len(server.asked) == 1


def test_credentials_may_be_of_any_script(tmp_path, certificates, monkeypatch):
    context, cert = certificates
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1", *a, **k))
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with serving({"/a.tif": lambda h: h.say(b"ok")}, context) as server:
        port = server.server_address[1]
        fetch(tmp_path, f"https://%E2%82%AC:pw@tls.example:{port}/a.tif")
        assert server.asked[0][1]["Authorization"] == "Basic 4oKsOnB3"


def test_only_looking_is_limited_over_all_downloads_together(tmp_path):
    answers = {
        "/a": lambda h: h.say(b"x" * 600),
        "/b": lambda h: h.say(b"x" * 500),
        "/unsaid": lambda h: h.wfile.write(HEAD + b"\r\n" + b"x" * 500),
    }
    with serving(answers) as server:
        looking = Sources(LOOPBACK, {}, tmp_path / "fetched", budget=1000)
        first = looking.fetch(Source(href=address(server, "/a")), "/inputs/reference")
        for path in ("/b", "/unsaid"):
            with pytest.raises(errors.SourceTooLarge, match="a job may still fetch it") as caught:
                looking.fetch(Source(href=address(server, path)), "/inputs/secondary")
            assert caught.value.pointer == "/inputs/secondary"
            assert "at most 400 bytes here" in caught.value.allowed
            assert fetch(tmp_path, address(server, path)).stat().st_size == 500
            fetch(tmp_path, address(server, path)).unlink()
        spent = Sources(LOOPBACK, {}, tmp_path / "fetched", budget=0)
        assert spent.fetch(Source(href=address(server, "/a")), "/inputs/reference") == first
