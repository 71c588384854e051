"""The server as a whole: landing page, conformance, OpenAPI document, health."""

from flask import Blueprint, Response, request

from processes import openapi
from server import api_page
from server.answers import as_json, as_page, is_page_wanted
from server.links import JSON, link, on_page, page_in_header
from server.services import services

blueprint = Blueprint("landing", __name__)

DISPATCHER_SILENCE_S = 10.0
"""A dispatcher that has written nothing for this long counts as down."""


@blueprint.get("/")
def landing() -> Response:
    """What this server is, and where everything else is."""
    pipelines = services().pipelines
    if is_page_wanted():
        return as_page("landing.html", pipelines=pipelines, about=_about())
    page = services().gateway.landing()
    # pygeoapi escapes texts as for HTML, so they are put in again as they are.
    page |= {name: _about()[name] for name in ("title", "description")}
    page["links"].append(link("/uploads", "related", JSON, "Uploaded files"))
    page["links"].append(link("/health", "status", JSON, "Health of the server"))
    return as_json(page)


@blueprint.get("/conformance")
def conformance() -> Response:
    """The conformance classes."""
    classes = services().gateway.conformance()
    if is_page_wanted():
        return as_page("conformance.html", classes=classes["conformsTo"])
    return as_json(classes, headers={"Link": page_in_header("/conformance")})


@blueprint.get("/openapi")
def openapi_document() -> Response:
    """The OpenAPI document, or a page from which its operations can be tried."""
    document = openapi.document(
        services().pipelines,
        on_page("/").rstrip("/"),
        callbacks=bool(services().settings.callback_secret),
    )
    if is_page_wanted():
        return as_page(
            "openapi.html",
            document=document,
            sections=api_page.sections(document),
            schemas=api_page.schemas(document),
            headers=api_page.headers(document),
            keyed=bool(services().settings.api_keys),
        )
    asked = request.accept_mimetypes.best_match([openapi.OPENAPI_TYPE.partition(";")[0], JSON])
    type_ = JSON if asked == JSON else openapi.OPENAPI_TYPE
    return as_json(document, type_=type_, headers={"Link": page_in_header("/openapi")})


@blueprint.get("/health")
def health() -> Response:
    """Whether jobs can be taken and will be run."""
    store = services().store
    writable = store.is_writable()
    silence = store.dispatcher_age_s() if writable else None
    running = silence is not None and silence < DISPATCHER_SILENCE_S
    healthy = writable and running
    document: dict[str, object] = {
        "status": "ok" if healthy else "unavailable",
        "store": "writable" if writable else "not writable",
        "dispatcher": "running" if running else "silent",
    }
    # Jobs go on without it, until the disk is full.
    if writable and (fault := store.sweep_fault()):
        document["sweep"] = f"failing: {fault}"
    if silence is not None:
        document["dispatcher_silence_s"] = round(silence, 1)
    return as_json(document, 200 if healthy else 503)


def _about() -> dict[str, str]:
    identification = services().settings.configuration["metadata"]["identification"]
    return {name: str(identification[name]) for name in ("title", "description")}
