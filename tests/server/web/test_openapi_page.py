"""The page of the OpenAPI document, in a real browser before real servers."""

import base64
import hashlib
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from core.pipelines import PIPELINES
from processes import openapi
from server import api_page
from server.app import create_app
from server.settings import Settings

PREFIX = "/optiground"
KEY = "a-key-of-ada"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def chromium(beside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no browser (Debian: apt-get install chromium)")
    browser = beside(__file__, "chromium").Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium):
    chromium.requested.clear()
    chromium.faults.clear()
    chromium.questions.clear()
    chromium.accepts = True
    chromium.open()
    return chromium


class Form:
    """The form of an operation on a page that a browser shows."""

    def __init__(self, browser, operation: str) -> None:
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


def only_from(browser, url: str) -> bool:
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


def test_operations_are_carried_out_from_the_page(browser, url: str) -> None:
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
    browser, running_server, until, planted: str
) -> None:
    browser.go(f"{running_server.url}/openapi")
    assert browser.faults == []
    browser.value(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(planted)})")

    def refused() -> bool:
        # What the browser tells is read along with its answers.
        browser.value("document.readyState")
        return any("Content Security Policy" in fault for fault in browser.faults)

    until(refused)


def test_what_cannot_be_taken_back_is_asked_for_first(browser, running_server) -> None:
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


def test_mistakes_are_shown_as_the_server_tells_them(browser, running_server) -> None:
    browser.go(f"{running_server.url}/openapi#inspect-mpic-opt")
    assert browser.value("document.getElementById('inspect-mpic-opt').open")
    form = Form(browser, "inspect-mpic-opt")
    form.fill("textarea", '{"inputs": {"window": 6, "nodata": 1e3}, "it\'s": 1}')
    assert form.send().startswith("400")
    body = json.loads(form.read("[data-body]"))
    assert "/inputs/window" in [problem["pointer"] for problem in body["problems"]]
    # The browser itself notes each failed request, and nothing else is wrong.
    assert all("status of 400" in fault for fault in browser.faults)


def test_the_command_does_what_the_page_does(browser, running_server, tmp_path) -> None:
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
def test_a_file_is_uploaded_and_removed_again(browser, running_server, tmp_path, media) -> None:
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


def test_a_key_goes_with_each_request_and_stands_in_no_command(browser, server_with) -> None:
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
    browser, running_server
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
