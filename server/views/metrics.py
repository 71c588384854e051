"""Measurements of the server, for its operators."""

from collections.abc import Iterator

from flask import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError

from server import metrics
from server.access import require_operator
from server.jobs.measures import measure
from server.jobs.space import free_bytes
from server.metrics import Metric, gauge
from server.observation import tally
from server.services import services, user

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def all_metrics() -> Response:
    """Everything that is measured, as Prometheus reads it."""
    require_operator(user())
    # An outage of the store is seen here too, so it must not keep the rest from being seen.
    text = metrics.rendered((*_of_store(), *_of_server()))
    response = Response(text, content_type=metrics.TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def _of_store() -> list[Metric]:
    store = services().store
    try:
        measures = measure(store.database)
        silence = store.dispatcher_age_s()
    except SQLAlchemyError:
        return [_store_up(0)]
    found = [_store_up(1), *metrics.of_store(measures, services().pipelines)]
    if silence is not None:
        text = "Time since a dispatcher last reported."
        found.append(gauge("dispatcher_silence_seconds", text, silence))
    return found


def _store_up(value: int) -> Metric:
    return gauge("store_up", "Whether the job store answers.", value)


def _of_server() -> Iterator[Metric]:
    free = free_bytes(services().settings.data)
    yield gauge("free_space_bytes", "Free space on the disk of the data folder.", free)
    yield from metrics.of_requests(tally().rows())
