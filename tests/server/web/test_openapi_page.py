"""The page of the OpenAPI document, in a real browser before real servers."""

import base64
import hashlib
import http.server
import json
import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from core.pipelines import PIPELINES
from processes import openapi
from server import api_page
from server.app import create_app
from server.settings import Settings

PATIENCE_S = 60.0
PREFIX = "/optiground"
KEY = "a-key-of-ada"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


class Browser:
    """Chromium, driven over the pipes of its DevTools protocol.

    Parameters
    ----------
    requested
        Addresses that pages have asked for.
    faults
        What the console and the policy of the pages had to complain about.
    questions
        What pages have asked the user.
    """

    def __init__(self, program: str, profile: Path) -> None:
        orders, self._orders = os.pipe()
        self._told, told = os.pipe()

        def place() -> None:
            # Where the protocol is spoken; neither may overwrite the other before it is copied.
            spare = os.dup(orders), os.dup(told)
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self._process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place,  # noqa: PLW1509
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(orders)
        os.close(told)
        self._received = b""
        self._calls = 0
        self._session: str | None = None
        self.accepts = True
        self.requested: list[str] = []
        self.faults: list[str] = []
        self.questions: list[str] = []

    def open(self) -> None:
        """Open a page of its own, and listen to what happens there."""
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self.call(f"{domain}.enable")
        self.show(1200, 900)

    def show(self, width: int, height: int) -> None:
        """Give the page another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def go(self, url: str) -> None:
        """Load a page, to the end."""
        self.call("Page.navigate", url=url)
        self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        number = self._send(method, params)
        while True:
            message = self._next()
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                result: dict[str, Any] = message["result"]
                return result

    def value(self, expression: str) -> Any:
        """The value of an expression on the page."""
        made = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in made, made
        return made["result"].get("value")

    def until(self, expression: str) -> Any:
        """The value of an expression as soon as it holds."""
        end = time.monotonic() + PATIENCE_S
        while not (found := self.value(expression)):
            assert time.monotonic() < end, (expression, self.faults)
            time.sleep(0.05)
        return found

    def close(self) -> None:
        """End the browser; it goes when nobody is there to give it orders."""
        os.close(self._orders)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._told)

    def _send(self, method: str, params: dict[str, Any]) -> int:
        self._calls += 1
        order = {"id": self._calls, "method": method, "params": params}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        return self._calls

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            assert select.select([self._told], [], [], PATIENCE_S)[0], "the browser is silent"
            piece = os.read(self._told, 1 << 16)
            assert piece, "the browser has ended"
            self._received += piece
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._heed(message.get("method", ""), message.get("params", {}))
        return message

    def _heed(self, event: str, about: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requested.append(about["request"]["url"])
        elif event in ("Runtime.exceptionThrown", "Audits.issueAdded"):
            self.faults.append(json.dumps(about))
        elif event == "Runtime.consoleAPICalled":
            self.faults.append(json.dumps(about["args"]))
        elif event == "Log.entryAdded":
            self.faults.append(about["entry"]["text"])
        elif event == "Page.javascriptDialogOpening":
            self.questions.append(about["message"])
            self._send("Page.handleJavaScriptDialog", {"accept": self.accepts})


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no browser (Debian: apt-get install chromium)")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    chromium.requested.clear()
    chromium.faults.clear()
    chromium.questions.clear()
    chromium.accepts = True
    chromium.open()
    return chromium


class Form:
    """The form of an operation on a page that a browser shows."""

    def __init__(self, browser: Browser, operation: str) -> None:
        self.browser = browser
        self.form = f"document.querySelector('#{operation} form')"
        browser.value(f"document.getElementById('{operation}').open = true")

    def fill(self, field: str, text: str) -> None:
        """Write into a field, as a user does."""
        self.browser.value(
            f"(() => {{ const field = {self.form}.querySelector({json.dumps(field)});"
            f"field.value = {json.dumps(text)};"
            "field.dispatchEvent(new Event('input', { bubbles: true })); })()"
        )

    def read(self, part: str) -> str:
        """The text of a part of the form."""
        text: str = self.browser.value(f"{self.form}.querySelector('{part}').textContent")
        return text

    def press(self) -> None:
        """Press the button that sends."""
        self.browser.value(f"{self.form}.querySelector('[type=submit]').click()")

    def send(self) -> str:
        """Send, and give the status that is shown."""
        self.press()
        sent = f"{self.form}.querySelector('[data-told] .badge')?.textContent"
        told: str = self.browser.until(f"!{self.form}.querySelector('[disabled]') && {sent}")
        return told


class Prefixed(http.server.BaseHTTPRequestHandler):
    """A proxy that serves a server under a path, and asks it under its own name."""

    protocol_version = "HTTP/1.1"
    upstream = ""

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def do_DELETE(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        if not self.path.startswith(f"{PREFIX}/"):
            self.send_error(404)
            return
        own = ("host", "connection", "accept-encoding")
        answer = requests.request(
            self.command,
            self.upstream + self.path.removeprefix(PREFIX),
            headers={name: value for name, value in self.headers.items() if name.lower() not in own}
            | {"Accept-Encoding": "identity"},
            data=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            timeout=60,
            allow_redirects=False,
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at the answers."""


@pytest.fixture
def below_a_path(server_with: Callable[..., Any]) -> Iterator[str]:
    """Address of a server under a path of another one's."""
    handler = type("Here", (Prefixed,), {})
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    url = f"http://127.0.0.1:{proxy.server_port}{PREFIX}"
    handler.upstream = server_with(public_url=url, web_workers=1).url
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    yield url
    proxy.shutdown()
    thread.join()
    proxy.server_close()


def only_from(browser: Browser, url: str) -> bool:
    """Whether pages have loaded things of this server, and nothing else but pictures they hold."""
    own = urlsplit(url)
    asked = [urlsplit(address) for address in browser.requested]
    assert asked
    return all(
        (one.scheme, one.netloc) == (own.scheme, own.netloc) and one.path.startswith(own.path)
        for one in asked
        if one.scheme not in ("data", "about")
    )


@pytest.fixture(params=["at the root", "below a path"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "below a path":
        found: str = request.getfixturevalue("below_a_path")
        return found
    root: str = request.getfixturevalue("running_server").url
    return root


def test_operations_are_carried_out_from_the_page(browser: Browser, url: str) -> None:
    browser.go(f"{url}/openapi")
    echo = Form(browser, "execute-echo")
    example = json.loads(browser.value(f"{echo.form}.querySelector('textarea').value"))
    assert example["inputs"]["stringInput"] == "teststring"
    assert f"{url}/processes/echo/execution" in echo.read("[data-curl]")
    assert echo.send().startswith("200")
    assert echo.read("[data-body]") == "teststring"
    assert "content-type: text/plain" in echo.read("[data-headers]")

    # The job that was made is the one to go on with.
    job = Form(browser, "job")
    job.fill("select[name=f]", "json")
    assert job.send().startswith("200")
    info = json.loads(job.read("[data-body]"))
    assert info["processID"] == "echo"
    assert f"/jobs/{info['jobID']}?f=json" in job.read("[data-curl]")

    assert browser.faults == []
    assert only_from(browser, url)


@pytest.mark.parametrize(
    "planted", ['<p style="color: red"></p>', '<img src="http://example.org/a.png" alt="">']
)
def test_the_policy_lets_nothing_else_on_the_page(
    browser: Browser, running_server, until, planted: str
) -> None:
    browser.go(f"{running_server.url}/openapi")
    assert browser.faults == []
    browser.value(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(planted)})")

    def refused() -> bool:
        # What the browser tells is read along with its answers.
        browser.value("document.readyState")
        return any("Content Security Policy" in fault for fault in browser.faults)

    until(refused)


def test_what_cannot_be_taken_back_is_asked_for_first(browser: Browser, running_server) -> None:
    url = running_server.url
    browser.go(f"{url}/openapi")
    echo = Form(browser, "execute-echo")
    echo.fill("[name=Prefer]", "respond-async")
    assert echo.send().startswith("201")
    made = json.loads(echo.read("[data-body]"))
    assert f"{url}/jobs/{made['jobID']}" in echo.read("[data-next]")
    dismiss = Form(browser, "dismiss")

    browser.accepts = False
    dismiss.press()
    assert len(browser.questions) == 1
    assert requests.get(f"{url}/jobs/{made['jobID']}", timeout=60).json()["status"] != "dismissed"
    assert dismiss.read("[data-told]") == ""

    browser.accepts = True
    assert dismiss.send().startswith("200")
    assert len(browser.questions) == 2
    assert json.loads(dismiss.read("[data-body]"))["status"] == "dismissed"
    assert browser.faults == []


def test_mistakes_are_shown_as_the_server_tells_them(browser: Browser, running_server) -> None:
    browser.go(f"{running_server.url}/openapi#inspect-mpic-opt")
    assert browser.value("document.getElementById('inspect-mpic-opt').open")
    form = Form(browser, "inspect-mpic-opt")
    form.fill("textarea", '{"inputs": {"window": 6, "nodata": 1e3}, "it\'s": 1}')
    assert form.send().startswith("400")
    body = json.loads(form.read("[data-body]"))
    assert "/inputs/window" in [problem["pointer"] for problem in body["problems"]]
    # The browser itself notes each failed request, and nothing else is wrong.
    assert all("status of 400" in fault for fault in browser.faults)


def test_the_command_does_what_the_page_does(browser: Browser, running_server, tmp_path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed (Debian: apt-get install curl)")
    browser.go(f"{running_server.url}/openapi")
    form = Form(browser, "execute-echo")
    inputs = {"stringInput": 'it\'s $HOME, "{quoted}" `id` \\ @file ü', "arrayInput": []}
    form.fill("textarea", json.dumps({"inputs": inputs}, ensure_ascii=False))
    form.fill("[name=Prefer]", "respond-async, wait=0")
    command = f"{form.read('[data-curl]')} -s"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, timeout=60, check=True
    )
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    assert "201" in head.splitlines()[0]
    request = running_server.get(f"/jobs/{json.loads(body)['jobID']}/request.json").json()
    assert request["inputs"].items() >= inputs.items()

    assert form.send().startswith("201")
    again = Form(browser, "request")
    assert again.send().startswith("200")
    shown = again.read("[data-body]")
    assert json.loads(shown) == request
    assert shown.splitlines()[0] == "{"


@pytest.mark.parametrize("media", ["application/octet-stream", "multipart/form-data"])
def test_a_file_is_uploaded_and_removed_again(
    browser: Browser, running_server, tmp_path, media
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PICTURE)
    browser.go(f"{running_server.url}/openapi")
    form = Form(browser, "upload")
    form.fill("[data-in=media]", media)
    node = browser.call("Runtime.evaluate", expression=f"{form.form}.querySelector('[type=file]')")[
        "result"
    ]["objectId"]
    browser.call("DOM.setFileInputFiles", files=[str(path)], objectId=node)
    assert form.send().startswith("201")
    made = json.loads(form.read("[data-body]"))
    assert made["sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert made["name"] == "picture.png"
    assert Form(browser, "removeUpload").send().startswith("204")
    assert browser.faults == []


def test_a_key_goes_with_each_request_and_stands_in_no_command(
    browser: Browser, server_with
) -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    server = server_with(api_keys=json.dumps({digest: "ada"}), web_workers=1)
    browser.go(f"{server.url}/openapi")
    form = Form(browser, "jobs")
    assert form.send().startswith("401")
    browser.value(
        f"document.getElementById('key').value = {json.dumps(KEY)};"
        "document.getElementById('key').dispatchEvent(new Event('input'))"
    )
    assert form.send().startswith("200")
    assert "X-API-Key" in form.read("[data-curl]")
    assert KEY not in browser.value("document.documentElement.outerHTML")


def test_every_field_has_a_label_and_nothing_is_wider_than_a_narrow_screen(
    browser: Browser, running_server
) -> None:
    browser.go(f"{running_server.url}/openapi")
    assert Form(browser, "openapi").send().startswith("200")
    browser.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    unnamed = "[...document.querySelectorAll('input, select, textarea')]"
    assert browser.value(f"{unnamed}.filter((field) => !field.labels.length).length") == 0
    twice = "[...document.querySelectorAll('[id]')].map((one) => one.id)"
    assert browser.value(f"{twice}.length === new Set({twice}).size")
    for width in (360, 1200):
        browser.show(width, 800)
        assert browser.value("document.documentElement.scrollWidth") <= width


def test_without_its_script_the_page_has_all_of_the_document(settings: Settings) -> None:
    settings.data.mkdir(parents=True)
    told = settings.model_copy(update={"callback_secret": "a secret of some length"})
    client = create_app(told).test_client()
    text = client.get("/openapi", headers={"Accept": "text/html"}).text
    document = openapi.document(PIPELINES)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f'data-operation="{method} {path}"' in text
            assert f'id="{operation["operationId"]}"' in text
            for address in (key for one in operation.get("callbacks", {}).values() for key in one):
                assert f"<code>{address}</code>" in text
            for answer in operation["responses"].values():
                for link in answer.get("links", {}).values():
                    assert f'href="#{link["operationId"]}"' in text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in text
    for name in document["components"].get("headers", ()):
        assert f'id="header-{name}"' in text
    # Forms can do nothing there, so they do not show.
    style = client.get("/static/openapi.css").text
    assert ".scripted { display: none; }" in style
    assert "with-script" not in text


def test_the_page_knows_every_method_of_the_document() -> None:
    document = openapi.document(PIPELINES)
    told = {
        (operation.method, operation.path)
        for section in api_page.sections(document)
        for operation in section.operations
    }
    assert told == {(method, path) for path, item in document["paths"].items() for method in item}
