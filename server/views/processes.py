"""The processes and their descriptions."""

from flask import Blueprint, Response, request

from core.declare import Input, Pipeline
from processes import ogc
from processes.schemas import example_request
from server.answers import as_json, as_page, is_page_wanted
from server.links import absolute, pages, representations, starts
from server.query import whole_number
from server.services import services

blueprint = Blueprint("processes", __name__)

MOST = 1000


@blueprint.get("/processes")
def process_list() -> Response:
    """The processes in the order of the configuration."""
    pipelines = services().pipelines
    limit = whole_number(request.args, "limit", low=1, high=MOST, default=MOST)
    offset = whole_number(request.args, "offset", low=0, high=10**9, default=0)
    page = slice(offset, offset + limit)
    if is_page_wanted():
        return as_page(
            "processes.html",
            pipelines=list(pipelines.values())[page],
            limit=limit,
            starts=starts(limit=limit, offset=offset, total=len(pipelines)),
        )
    listed = services().gateway.processes()
    own = [entry for entry in listed["processes"] if entry["id"] in pipelines]
    # Links and order are pygeoapi's; the texts come from the declaration, unescaped.
    listed["processes"] = [
        entry | ogc.summary(pipelines[entry["id"]], absolute) for entry in own[page]
    ]
    listed["links"] = [
        *representations("/processes", "The processes", request.args),
        *pages(
            *("/processes", "More processes", request.args),
            limit=limit,
            offset=offset,
            total=len(own),
        ),
    ]
    return as_json(listed)


@blueprint.get("/processes/<process_id>")
def process(process_id: str) -> Response:
    """What a process does, wants and makes."""
    pipeline = services().pipeline(process_id)
    description = ogc.description(pipeline, absolute)
    if is_page_wanted():
        return as_page(
            "process.html",
            pipeline=pipeline,
            groups=_groups(pipeline),
            example=example_request(pipeline),
        )
    return as_json(description)


def _groups(pipeline: Pipeline) -> dict[str, list[Input]]:
    """The inputs by group: first the simple ones of each, then the advanced ones."""
    found: dict[str, list[Input]] = {}
    for entry in sorted(pipeline.input_list, key=lambda entry: entry.advanced):
        found.setdefault(entry.group, []).append(entry)
    return found
