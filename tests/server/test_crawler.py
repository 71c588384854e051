"""Every link of a server that stands under a path of another site, followed from its front page."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

HOST = "maps.example.org"
PREFIX = "/ground/motion"
SITE = f"https://{HOST}{PREFIX}"
PROGRAM, BROWSER = "*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LIES = {
    "Forwarded": "for=198.51.100.7;host=evil.example;proto=ftp",
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "81",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "ftp",
    "X-Forwarded-Server": "evil.example",
    "X-Original-URL": "/evil",
    "X-Script-Name": "/evil",
}
DOCUMENTATION = {
    "creativecommons.org",
    "doi.org",
    "example.org",
    "ogcapi.ogc.org",
    "schemas.opengis.net",
    "stac-extensions.github.io",
    "www.apache.org",
    "www.opengis.net",
}
"""Other sites that the server may name; their links are listed and not followed."""
EXCEPTIONS, EXECUTE = (
    f"http://www.opengis.net/def/rel/ogc/1.0/{name}" for name in ("exceptions", "execute")
)
NAMED = re.compile(r"https?://[^\s\"'<>&)]+")
"""Addresses in the texts of pages, in commands to copy for one."""
SKIPPED = ("/request.json",)
"""Ends of addresses whose documents hold what the user sent: references, not links."""


class Link(NamedTuple):
    """Where something leads, and what it says is there."""

    address: str
    type: str = ""
    rel: str = ""


class Visit(NamedTuple):
    """What was found at an address."""

    status: int
    type: str
    links: tuple[Link, ...]


class BehindProxy(HTTPAdapter):
    """Hands requests for the public address on as nginx does: the prefix taken off, Host kept."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self.server = server

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send to the server what was meant for the site."""
        assert request.url is not None
        assert request.url.startswith(SITE), request.url
        path = request.url.removeprefix(SITE)
        request.headers.setdefault("Host", HOST)
        request.url = self.server + (path if path.startswith("/") else f"/{path}")
        return super().send(request, **options)


class Page(HTMLParser):
    """Collects where a page leads."""

    def __init__(self, address: str, text: str) -> None:
        super().__init__()
        self.address = address
        self.links: list[Link] = []
        self.fields: list[tuple[str, str]] | None = None
        self.form = ""
        self.text = ""
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in ("href", "src", "data-href", "data-src", "poster"):
            if name in given:
                self._add(given[name], given.get("type", "") if tag in ("a", "link") else "", given)
        # One without an action is the script's.
        if tag == "form" and given.get("method", "get").lower() == "get" and "action" in given:
            self.form, self.fields = given["action"], []
        elif tag == "input" and self.fields is not None and given.get("name"):
            self.fields.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self.fields is not None:
            query = urlencode(self.fields)
            self._add(f"{self.form}?{query}", "", {})
            self.fields = None

    def _add(self, address: str, type_: str, given: Mapping[str, str]) -> None:
        self.links.append(Link(urljoin(self.address, address), type_, given.get("rel", "")))


class Crawler:
    """Follows links until there are no new ones.

    Parameters
    ----------
    server
        Where the server listens.
    accept
        As what kind of client.
    claims
        Further headers of each request.
    given
        References that users gave, which their results repeat.
    """

    def __init__(
        self, server: str, accept: str, claims: Mapping[str, str], given: frozenset[str]
    ) -> None:
        self.given = given
        self.browses = accept == BROWSER
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("https://", BehindProxy(server))
        self.session.headers.update({"Accept": accept, **claims})
        self.visits: dict[str, Visit] = {}
        self.faults: list[str] = []
        self.foreign: set[str] = set()

    def crawl(self) -> None:
        """Visit all that the front page leads to."""
        ahead = [(Link(f"{SITE}/"), "the beginning")]
        while ahead:
            link, source = ahead.pop()
            address = urldefrag(link.address).url
            if not self._is_ours(address, source):
                continue
            if address not in self.visits:
                self.visits[address] = self._visit(address)
                ahead += [(found, address) for found in self.visits[address].links]
            self._compare(link, self.visits[address], source)

    def links(self) -> dict[str, tuple[Link, ...]]:
        """Where each address leads."""
        return {address: visit.links for address, visit in self.visits.items()}

    def _is_ours(self, address: str, source: str) -> bool:
        if address == SITE or address.startswith((f"{SITE}/", f"{SITE}?")):
            return True
        named = urlsplit(address)
        # `upload:` is what requests call an uploaded file.
        if named.netloc in DOCUMENTATION or named.scheme == "upload" or address in self.given:
            self.foreign.add(address)
        else:
            self.faults.append(f"{source} leads to {address}, outside of the site")
        return False

    def _visit(self, address: str) -> Visit:
        answer = self.session.get(address, timeout=60, allow_redirects=False)
        links = [*_in_header(answer, address)]
        type_ = answer.headers.get("Content-Type", "")
        if type_.startswith("text/html"):
            page = Page(address, answer.text)
            links += page.links
            for named in NAMED.findall(page.text):
                if "\\" not in named:  # What has one is a pattern.
                    self._is_ours(named, f"the text of {address}")
        elif type_.startswith("text/css"):
            found = re.findall(r"url\([\"']?([^\"')]+)", answer.text)
            links += [Link(urljoin(address, one)) for one in found if not one.startswith("data:")]
        elif "json" in type_ and not address.endswith(SKIPPED):
            document = answer.json()
            is_openapi = isinstance(document, dict) and "openapi" in document
            links += _of_openapi(document, address) if is_openapi else _in_json(document, address)
        return Visit(answer.status_code, type_, tuple(links))

    def _compare(self, link: Link, visit: Visit, source: str) -> None:
        told = f"{source} leads to {link.address}"
        # Where results would be, a job that failed has its reason, with the status of that; where
        # processes are executed there is nothing to be read.
        refused = visit.status == 405 if link.rel == EXECUTE else visit.status >= 400
        if refused != (link.rel in (EXCEPTIONS, EXECUTE)):
            self.faults.append(f"{told}: {visit.status}")
        announced, got = (_media_type(value) for value in (link.type, visit.type))
        # A browser gets a page where there is one, unless the address says otherwise.
        is_page = self.browses and got[0] == "text/html" and "f=" not in link.address
        same = announced[0] == got[0] and announced[1] <= got[1]
        if link.type and link.rel != EXECUTE and not (same or is_page):
            self.faults.append(f"{told} as {link.type}: it is {visit.type}")


def _media_type(value: str) -> tuple[str, set[str]]:
    """The type and its parameters."""
    name, *parameters = (part.strip().lower().replace('"', "") for part in value.split(";"))
    return name, set(parameters)


def _in_header(answer: requests.Response, address: str) -> Iterator[Link]:
    for part in re.findall(r"<[^>]*>[^<]*", answer.headers.get("Link", "")):
        target = part[1 : part.index(">")]
        given = dict(re.findall(r'(\w+)="?([^";,]+)', part[part.index(">") :]))
        yield Link(urljoin(address, target), given.get("type", ""), given.get("rel", ""))
    for name in ("Location", "Content-Location"):
        if name in answer.headers:
            yield Link(urljoin(address, answer.headers[name]))


def _in_json(value: Any, address: str) -> Iterator[Link]:
    if isinstance(value, dict):
        if isinstance(value.get("href"), str):
            type_, rel = (str(value.get(name) or "") for name in ("type", "rel"))
            yield Link(urljoin(address, value["href"]), type_, rel)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _in_json(item, address)


def _of_openapi(document: dict[str, Any], address: str) -> Iterator[Link]:
    """The servers with each path that needs nothing filled in; never what stands in examples."""
    for server in document["servers"]:
        base = urljoin(address, server["url"])
        yield Link(base)
        for path, item in document["paths"].items():
            if "get" in item and "{" not in path:
                yield Link(base.rstrip("/") + path)
    for place in (
        document,
        document["info"].get("license", {}),
        document["info"].get("contact", {}),
    ):
        for entry in (place, place.get("externalDocs", {})):
            if isinstance(entry.get("url"), str):
                yield Link(urljoin(address, entry["url"]))


@pytest.fixture
def site(
    server_with: Callable[..., Any], displaced_pair: Callable[[Path], dict[str, Any]]
) -> tuple[Any, dict[str, str]]:
    """A server that knows its public address, and one job or more in each status."""
    limits = {f"{whose}running_limit": 1 for whose in ("", "host_", "user_")}
    # Which leaves no job running at its end.
    server = server_with(public_url=f"{SITE}/", on_stop="requeue", **limits)
    binary = {"Content-Type": "application/octet-stream"}
    assert server.post("/uploads?name=a.tif", data=b"II", headers=binary).status_code == 201
    pair = displaced_pair(server.images)
    text, array = {"stringInput": "a"}, {"arrayInput": [1, 2], "stringInput": "a"}
    reference = {"stringInput": {"transmissionMode": "reference"}}
    shutil.copy(server.images / "after.tif", server.images / "later.tif")
    before, after, later, missing = (
        {"href": f"file://{server.images / name}.tif"}
        for name in ("before", "after", "later", "missing")
    )
    series = {
        "scenes": [before, after, later],
        "dates": ["2016-05-29", "2016-06-08", "2016-06-18"],
        "coregistration": False,
        "deramp": False,
    }
    jobs = {
        "measured": server.submit("mpic-opt", pair),
        "value": server.submit("echo", text),
        "document": server.submit("echo", array, response="document"),
        "raw": server.submit("echo", array, response="raw"),
        "raw-value": server.submit("echo", text, response="raw"),
        "raw-reference": server.submit("echo", text, outputs=reference, response="raw"),
        "reference": server.submit("echo", text, outputs=reference, response="document"),
        "series": server.submit("mpic-opt", series),
        "failed": server.submit("mpic-opt", {**pair, "secondary": missing}),
        "removed": server.submit("echo", text),
        "dismissed": server.submit("echo", text),
    }
    server.delete(f"/jobs/{jobs['dismissed']}")
    for job in jobs.values():
        server.wait(job, 300)
    server.delete(f"/jobs/{jobs['removed']}")
    jobs["running"] = server.submit("echo", {**text, "pause": 3600})
    server.wait_until(jobs["running"], ("running",))
    jobs["accepted"] = server.submit("echo", text)
    states = {name: server.get(f"/jobs/{job}").json()["status"] for name, job in jobs.items()}
    assert set(states.values()) == {"accepted", "running", "successful", "failed", "dismissed"}
    return server, jobs


def test_every_link_holds_and_stays_on_the_site_whatever_a_request_claims(site: Any) -> None:
    server, jobs = site
    given = frozenset(f"file://{path}" for path in server.images.iterdir())
    found: dict[str, dict[str, Visit]] = {}
    for accept in (PROGRAM, BROWSER):
        plain = Crawler(server.url, accept, {}, given)
        plain.crawl()
        assert not plain.faults, "\n".join(plain.faults)
        assert all(any(job in address for address in plain.visits) for job in jobs.values())
        for claims in (LIES, {"Host": "localhost"}):
            told = Crawler(server.url, accept, claims, given)
            told.crawl()
            assert told.links() == plain.links()
        found[accept] = plain.visits
        print(  # noqa: T201 -- shown with -s
            f"\n{accept}: {len(plain.visits)} addresses; not followed: {sorted(plain.foreign)}"
        )
    document = server.get("/openapi?f=json").json()
    reached = {urlsplit(address).path.removeprefix(PREFIX) for address in found[PROGRAM]}
    for path, item in document["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))
        if "get" in item:
            assert any(re.fullmatch(pattern, one) for one in reached), path
