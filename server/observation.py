"""Counts and logs each request: its route, method and status, and how long it took."""

import logging
import re
import time
import uuid

from flask import Flask, Response, current_app, g, request

from server import logs
from server.proxies import client_of
from server.services import services
from server.tally import Tally

log = logging.getLogger(__name__)

_KEY = "optiground-requests"
_JOB = re.compile(r"/jobs/([\w-]+)$")


def install(app: Flask) -> None:
    """Count the requests to `app`, whose routes are all there, and log them.

    What is installed after this is part of what is timed.
    """
    rules = {route_of(str(rule)) for rule in app.url_map.iter_rules()}
    app.extensions[_KEY] = Tally(sorted(rules))

    def before() -> None:
        g.begun = time.perf_counter()
        logs.request_id.set(uuid.uuid4().hex[:16])

    def after(response: Response) -> Response:
        # A body may be sent for hours, at the client's speed: the time ends where it begins.
        seconds = time.perf_counter() - g.begun
        route = route_of(str(request.url_rule)) if request.url_rule else ""
        tally().count(route, request.method, response.status_code, seconds)
        _write_down(response, route, seconds)
        response.headers["X-Request-Id"] = logs.request_id.get()
        return response

    def end(_: BaseException | None) -> None:
        logs.request_id.set("")

    app.before_request(before)
    app.after_request(after)
    app.teardown_request(end)


def tally() -> Tally:
    """The numbers of requests of the server that handles the present request."""
    found: Tally = current_app.extensions[_KEY]
    return found


def route_of(rule: str) -> str:
    """A rule of the application as a template of paths.

    >>> route_of("/jobs/<job_id>/results/<path:name>")
    '/jobs/{job_id}/results/{name}'
    """
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def _write_down(response: Response, route: str, seconds: float) -> None:
    """One line for the request: the route in place of the address, which may hold anything."""
    made = _JOB.search(response.headers.get("Location", ""))
    job = made[1] if made else (request.view_args or {}).get("job_id")
    who = g.get("user")
    fields = {
        "user": who.name if who else None,
        "job": job,
        "client": client_of(request, services().settings.trusted_proxies),
        "route": route,
        "method": request.method,
        "status": response.status_code,
        "duration_s": round(seconds, 6),
    }
    log.info("answered", extra=fields)
