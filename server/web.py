"""How gunicorn serves the application: its configuration file, read as ``python:server.web``."""

import gc
import logging

import server.gateway  # noqa: F401 -- pygeoapi costs a CPU-second, once, before the workers fork
from server import logs
from server.settings import current_settings

_settings = current_settings()
logs.install(_settings)
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host

bind = f"{_host}:{_settings.port}"
worker_class = "gthread"
workers = _settings.web_workers
threads = _settings.web_threads
preload_app = True
# A worker that hangs is replaced; requests may take longer, its threads carry them.
timeout = 60
graceful_timeout = 30
keepalive = 5
# Object keys of results and filters of lists make long lines.
limit_request_line = 8190
control_socket_disable = True
errorlog = "-"
loglevel = "warning"


def on_starting(_: object) -> None:
    """Let gunicorn's own lines go where all others go."""
    own = logging.getLogger("gunicorn.error")
    own.handlers.clear()
    own.propagate = True


def when_ready(_: object) -> None:
    """Keep what the workers share since before their forks out of the garbage collector's reach.

    It writes to each object that it looks at, which would give each worker a copy of its own.
    """
    gc.collect()
    gc.freeze()
