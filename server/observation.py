"""Counts each request: its route, method and status, and how long it took."""

import re
import time

from flask import Flask, Response, current_app, g, request

from server.tally import Tally

_KEY = "optiground-requests"


def install(app: Flask) -> None:
    """Count the requests to `app`, whose routes are all there.

    What is installed after this is part of what is timed.
    """
    rules = {route_of(str(rule)) for rule in app.url_map.iter_rules()}
    app.extensions[_KEY] = Tally(sorted(rules))

    def before() -> None:
        g.begun = time.perf_counter()

    def after(response: Response) -> Response:
        # A body may be sent for hours, at the client's speed: the time ends where it begins.
        seconds = time.perf_counter() - g.begun
        route = route_of(str(request.url_rule)) if request.url_rule else ""
        tally().count(route, request.method, response.status_code, seconds)
        return response

    app.before_request(before)
    app.after_request(after)


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
