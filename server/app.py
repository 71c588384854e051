"""The web application: what gunicorn runs as ``server.app:create_app()``."""

from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request

from server import (
    access,
    answers,
    filters,
    links,
    observation,
    parameters,
    problems,
    security,
    services,
    views,
)
from server.settings import Settings, current_settings


class Application(Flask):
    """Flask, but for what it answers to OPTIONS."""

    def make_default_options_response(self) -> Response:
        """The methods of an address; there is no body, and no type of one."""
        response = answers.without_body()
        allowed = super().make_default_options_response().headers["Allow"]
        response.headers["Allow"] = ", ".join(sorted(allowed.split(", ")))
        return response


def _answer_for_the_server() -> Response | None:
    """``OPTIONS *`` is about the server, not one of its addresses: RFC 9110, section 9.3.7."""
    if request.method != "OPTIONS" or request.environ.get("RAW_URI") != "*":
        return None
    response = answers.without_body()
    rules = current_app.url_map.iter_rules()
    methods = set[str]().union(*(rule.methods or () for rule in rules))
    response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application.

    Nothing is opened here: gunicorn may fork after this, and database connections do not survive.

    Parameters
    ----------
    settings
        Those of the process if left out.

    Raises
    ------
    server.errors.ListeningRefused
        The settings would open the server to the network without access control.
    """
    settings = settings or current_settings()
    access.check_listening(settings.host, settings.api_keys)
    app = Application("server", static_url_path="/static")
    app.config.update(
        BASE_URL=settings.base_url,
        MAX_CONTENT_LENGTH=settings.body_limit,
        MAX_FORM_MEMORY_SIZE=settings.body_limit,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    app.url_map.strict_slashes = False
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(url=links.on_page, absolute=links.absolute)
    filters.install(app)
    services.install(app, services.Services(settings))
    views.register(app)
    observation.install(app)
    given = (*settings.allowed_hosts, urlsplit(settings.base_url).netloc)
    security.install(app, frozenset(map(security.host_name, given)) - {""})
    app.before_request(_answer_for_the_server)
    parameters.install(app)
    problems.install(app)
    return app
