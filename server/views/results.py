"""Results of a job: the document, each file, STAC, everything in one archive."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request

from core.declare import Output, ValueProduct
from server import archive, files, problems
from server.answers import as_json, as_page, is_page_wanted
from server.documents import FileEntry, Json, file_link, files_of, redacted
from server.errors import NoSuchResult, ResultsGone
from server.jobs.models import Job
from server.links import absolute, page_in_header
from server.query import joined, words
from server.results import (
    answer_to_failure,
    as_document,
    as_raw,
    check_there,
    value_part,
)
from server.services import services
from server.views.jobs import find

blueprint = Blueprint("results", __name__)

STAC = "stac"
README = "README.txt"


@blueprint.get("/jobs/<job_id>/results")
def results(job_id: str) -> Response:
    """The results the request asked for: each a value, a link, or a list of links."""
    job = find(job_id)
    if job.status == "failed":
        return problems.respond(answer_to_failure(job))
    check_there(job)
    pipeline = services().pipeline(job.process_id)
    wanted = words(joined(request.args), "outputs", [o.id for o in pipeline.output_list])
    made = [o for o in pipeline.output_list if job.outputs.get(o.id) is not None]
    if wanted and not any(output.id in wanted for output in made):
        raise _not_made(job, ", ".join(wanted))
    if is_page_wanted():
        return _page(job, [o for o in made if not wanted or o.id in wanted])
    if job.document.get("response") == "raw":
        return as_raw(job, pipeline, wanted)
    answer = as_document(job, pipeline, wanted)
    answer.headers["Link"] = page_in_header(f"/jobs/{job.id}/results", request.args.to_dict(False))
    return answer


def _page(job: Job, outputs: Sequence[Output]) -> Response:
    found = {output.id: files_of(job, output.id) for output in outputs}
    pictures = [file for made in found.values() for file in made if file.type == "image/png"]
    return as_page("results.html", job=job, pictures=pictures, outputs=outputs, files=found)


@blueprint.get("/jobs/<job_id>/results/<output_id>")
def result(job_id: str, output_id: str) -> Response:
    """One output: its value, its file, or a list of links where it has any number of files."""
    job, output = _output(job_id, output_id)
    if isinstance(output.product, ValueProduct):
        part = value_part(output, job.outputs[output.id])
        if part.location:
            return as_json(job.outputs[output.id])
        return Response(part.content, content_type=part.type)
    entries = files_of(job, output.id)
    if output.many:
        return as_json([file_link(job, entry) for entry in entries])
    return _send(job, entries[0])


@blueprint.get("/jobs/<job_id>/results/<output_id>/<key>")
def keyed_result(job_id: str, output_id: str, key: str) -> Response:
    """One of several files of an output, by its key, with or without the file's extension."""
    job, output = _output(job_id, output_id)
    for entry in files_of(job, output.id):
        if entry.key and key in (entry.key, entry.key + entry.extension):
            return _send(job, entry)
    keys = ", ".join(entry.key for entry in files_of(job, output.id))
    raise NoSuchResult(
        f"Output {output.id} has no file {key[:100]!r}; there is {keys or 'none'}.", allowed=keys
    )


@blueprint.get("/jobs/<job_id>/stac")
def stac(job_id: str) -> Response:
    """The STAC item or collection of the results, its links leading to the files here."""
    job, output = _output(job_id, STAC)
    entry = files_of(job, output.id)[0]
    document = json.loads(files.inside(_folder(job), entry.path).read_bytes())
    addresses = {file.path: file_link(job, file)["href"] for file in _all_files(job)}
    base = entry.path.rpartition("/")[0]
    return as_json(
        _readdressed(document, base, addresses | {entry.path: absolute(f"/jobs/{job.id}/stac")}),
        type_="application/json"
        if document.get("type") == "Collection"
        else "application/geo+json",
    )


@blueprint.get("/jobs/<job_id>/archive.zip")
def archive_file(job_id: str) -> Response:
    """All results in one file, written while it is sent."""
    job = _successful(job_id)
    # Listed before the first byte is sent: what is missing is still answered with 410.
    stream = archive.stream(list(_members(job)), job.finished or job.updated)
    response = Response(stream, mimetype="application/zip")
    name = f"{job.process_id}_{job.id[:8]}.zip"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _successful(job_id: str) -> Job:
    job = find(job_id)
    check_there(job)
    if job.status == "failed":
        raise NoSuchResult(f"The job failed and has no results: {job.message}")
    return job


def _output(job_id: str, output_id: str) -> tuple[Job, Output]:
    job = _successful(job_id)
    outputs = services().pipeline(job.process_id).output_list
    for output in outputs:
        if job.outputs.get(output.id) is not None and output_id in _names(job, output):
            return job, output
    raise _not_made(job, output_id[:100])


def _not_made(job: Job, asked: str) -> NoSuchResult:
    made = ", ".join(name for name, value in job.outputs.items() if value is not None)
    return NoSuchResult(f"The job has no output {asked!r}; it has {made or 'none'}.", allowed=made)


def _names(job: Job, output: Output) -> set[str]:
    """What an output is asked for by: its id, and its file's name, as the records beside it do."""
    alone = () if output.many else files_of(job, output.id)
    return {output.id, *(output.id + entry.extension for entry in alone)}


def _folder(job: Job) -> Path:
    if job.directory is None:
        raise ResultsGone("The results were removed from the server.")
    return job.directory / "output"


def _send(job: Job, entry: FileEntry) -> Response:
    path = files.inside(_folder(job), entry.path)
    return files.send(
        request,
        path,
        type_=entry.type,
        name=entry.name,
        etag=entry.sha256,
        modified=job.finished,
    )


def _all_files(job: Job) -> Iterator[FileEntry]:
    for output in job.outputs:
        yield from files_of(job, output)


def _members(job: Job) -> Iterator[archive.Member]:
    """README first, then the files under their own names, then what is no file."""
    entries = sorted(_all_files(job), key=lambda entry: entry.path != README)
    values = {
        name: value
        for name, value in job.outputs.items()
        if value is not None and not files_of(job, name)
    }
    if not any(entry.path == README for entry in entries):
        yield archive.Member(README, _readme(job, values).encode())
    for entry in entries:
        yield archive.Member(entry.path, files.inside(_folder(job), entry.path))
    paths = {entry.path for entry in entries}
    extra: dict[str, Any] = {"results.json": values, "request.json": redacted(job.document)}
    for name, document in extra.items():
        if document and name not in paths:
            text = json.dumps(document, ensure_ascii=False, indent=2)
            yield archive.Member(name, text.encode())


def _readme(job: Job, values: Json) -> str:
    """What is in the archive of a service that writes no README of its own."""
    pipeline = services().pipeline(job.process_id)
    lines = [f"{pipeline.title} ({pipeline.id} {pipeline.version})", "", pipeline.text, ""]
    for output in pipeline.output_list:
        if output.id in values:
            lines.append(f"results.json, {output.id}: {output.text}")
        lines += [f"{entry.path}: {output.text}" for entry in files_of(job, output.id)]
    lines.append("request.json: the request, ready to be sent again.")
    return "\n".join(lines) + "\n"


def _readdressed(value: Any, base: str, addresses: dict[str, str]) -> Any:
    """A STAC document whose relative links to files of the job are links to this server."""
    if isinstance(value, dict):
        return {
            name: _address(item, base, addresses)
            if name == "href" and isinstance(item, str)
            else _readdressed(item, base, addresses)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_readdressed(item, base, addresses) for item in value]
    return value


def _address(href: str, base: str, addresses: dict[str, str]) -> str:
    if "://" in href:
        return href
    steps: list[str] = base.split("/") if base else []
    for step in href.split("/"):
        if step == ".." and steps:
            steps.pop()
        elif step not in ("", ".", ".."):
            steps.append(step)
    return addresses.get("/".join(steps), href)
