"""What the views of one application share: settings, store, processes, pygeoapi."""

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from flask import current_app, g, request

from core.declare import Pipeline
from core.errors import UnknownProcess
from core.pipelines import PIPELINES
from server import access
from server.jobs.store import Store
from server.settings import Settings
from server.waiting import WaitingRoom

if TYPE_CHECKING:
    from server.gateway import Gateway

_KEY = "optiground"


class Services:
    """Made with the application, before gunicorn forks; what may not cross a fork is made later.

    Parameters
    ----------
    settings
        The settings of this server.
    pipelines
        All processes that could be served; the configuration names those that are.
    """

    def __init__(self, settings: Settings, pipelines: Mapping[str, Pipeline] = PIPELINES) -> None:
        self.settings = settings
        self.waiting = WaitingRoom(settings.web_threads)
        resources: Mapping[str, Mapping[str, object]] = settings.configuration["resources"]
        self.pipelines = {
            name: pipelines[name]
            for name, resource in resources.items()
            if resource.get("type") == "process" and name in pipelines
        }
        self._lock = threading.Lock()
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The job store, opened by the process that first asks for it."""
        with self._lock:
            if self._store is None:
                self._store = Store(
                    self.settings.database_url,
                    queue_limit=self.settings.queue_limit,
                    user_queue_limit=self.settings.user_queue_limit,
                    user_callback_limit=self.settings.user_callback_limit,
                )
            return self._store

    @cached_property
    def gateway(self) -> "Gateway":
        """What pygeoapi answers here; importing it takes a CPU-second, so not before need."""
        from server.gateway import Gateway

        settings = self.settings
        callbacks = bool(settings.callback_secret)
        return Gateway(settings.configuration, settings.base_url, callbacks=callbacks)

    def pipeline(self, process_id: str) -> Pipeline:
        """The process of this id.

        Raises
        ------
        UnknownProcess
            There is none, or it is not served here.
        """
        try:
            return self.pipelines[process_id]
        except KeyError:
            raise UnknownProcess(
                f"There is no process {process_id[:100]!r} here.",
                value=process_id,
                allowed=", ".join(self.pipelines),
            ) from None


def services() -> Services:
    """The services of the application that handles the present request."""
    found: Services = current_app.extensions[_KEY]
    return found


def install(app: object, made: Services) -> None:
    """Give the services to an application."""
    app.extensions[_KEY] = made  # type: ignore[attr-defined]


def user() -> access.User:
    """The user who sent the present request."""
    if "user" not in g:
        settings = services().settings
        g.user = access.user_of(request, settings.api_keys, settings.operators)
    found: access.User = g.user
    return found
