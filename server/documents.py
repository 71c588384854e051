"""The JSON documents about jobs and uploads, after OGC API - Processes 1.0."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from core.declare import Output, Pipeline, ValueProduct
from server.answers import moment
from server.jobs.models import Job, Upload
from server.links import HTML, JSON, OGC_REL, Link, absolute, link, representations

Json = dict[str, Any]


class FileEntry(NamedTuple):
    """A file among a job's results, as ``result.json`` tells it."""

    output: str
    path: str
    type: str
    key: str
    title: str
    size: int
    sha256: str

    @property
    def extension(self) -> str:
        """What the file's name ends with, the dot included; "" if nothing."""
        name = self.path.rpartition("/")[2]
        return "." + name.rpartition(".")[2] if "." in name else ""

    @property
    def name(self) -> str:
        """Name under which it is saved: the outputs' names make the files of one job differ."""
        return "_".join(part for part in (self.output, self.key) if part) + self.extension


def status_info(job: Job) -> Json:
    """The statusInfo of a job; what is not known yet is left out, since null would be invalid."""
    path = f"/jobs/{job.id}"
    info: Json = {
        "processID": job.process_id,
        "type": "process",
        "jobID": job.id,
        "status": job.status,
        "message": job.message,
        "progress": job.progress,
    }
    times: Mapping[str, datetime | None] = {
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "updated": job.updated,
        "expires": job.expires,
    }
    info.update({name: moment(time) for name, time in times.items() if time is not None})
    if job.problems:
        info["problems"] = list(job.problems)
    if job.error_id:
        info["error_id"] = job.error_id
    info["links"] = [*representations(path, "This job"), *_job_links(job, path)]
    return info


def _job_links(job: Job, path: str) -> Iterator[Link]:
    """Links to what there is; the results only where they can be had, as clients follow at once."""
    if not job.final:
        yield link(path, "monitor", JSON, "Status of the job")
    if job.status == "successful" and job.removed is None:
        yield _results_link(job, path)
        if "stac" in job.outputs:
            several = "stac_items" in job.outputs
            type_ = JSON if several else "application/geo+json"
            yield link(f"{path}/stac", "item", type_, "Results as STAC")
        yield link(f"{path}/archive.zip", "enclosure", "application/zip", "All results in one file")
    if job.status == "failed":
        yield link(f"{path}/results", f"{OGC_REL}exceptions", JSON, "Why the job failed")
    yield link(f"{path}/request.json", "describedby", JSON, "The request, ready to be sent again")
    yield link(f"{path}/log", f"{OGC_REL}log", "text/plain", "Log of the job")
    yield link(f"/processes/{job.process_id}", f"{OGC_REL}process", JSON, "The process")
    yield link("/jobs", "up", JSON, "All jobs")


def _results_link(job: Job, path: str) -> Link:
    """The link to the results, whose type in raw form is that of what was made."""
    found = link(f"{path}/results", f"{OGC_REL}results", JSON, "Results")
    if job.document.get("response") == "raw":
        del found["type"]
    return found


def files_of(job: Job, output: str) -> tuple[FileEntry, ...]:
    """The files of one output, none if it is a value or was not made."""
    found = job.outputs.get(output)
    entries = found if isinstance(found, list) else [found]
    return tuple(
        FileEntry(
            output,
            entry["path"],
            entry["type"],
            entry.get("key", ""),
            entry.get("title", ""),
            entry.get("size", 0),
            entry.get("sha256", ""),
        )
        for entry in entries
        if isinstance(entry, dict) and "path" in entry
    )


def selected(job: Job, pipeline: Pipeline, wanted: Sequence[str] = ()) -> tuple[Output, ...]:
    """The outputs that are `wanted`, or that the request asked for, or all; only what was made."""
    asked = wanted or job.document.get("outputs") or job.outputs
    return tuple(
        output
        for output in pipeline.output_list
        if job.outputs.get(output.id) is not None and output.id in asked
    )


def file_link(job: Job, file: FileEntry) -> Link:
    """The link to one file of the results."""
    path = f"/jobs/{job.id}/results/{file.output}" + (f"/{file.key}" if file.key else "")
    return {"href": absolute(path), "type": file.type, "title": file.title or file.name}


def results(job: Job, outputs: tuple[Output, ...]) -> Json:
    """The results document: output id to value, link, or list of links."""
    return {output.id: _result(job, output) for output in outputs}


def _result(job: Job, output: Output) -> object:
    if isinstance(output.product, ValueProduct):
        by_link = is_by_reference(job, output)
        return value_link(job, output) if by_link else qualified(job.outputs[output.id])
    links = [file_link(job, file) for file in files_of(job, output.id)]
    return links if output.many else links[0]


def is_by_reference(job: Job, output: Output) -> bool:
    """Whether the request wants a link in place of a value."""
    asked: Mapping[str, Any] = (job.document.get("outputs") or {}).get(output.id, {})
    return asked.get("transmissionMode") == "reference"


def value_link(job: Job, output: Output) -> Link:
    """The link to a value among the results."""
    href = absolute(f"/jobs/{job.id}/results/{output.id}")
    return {"href": href, "type": output.media_type, "title": output.title}


def qualified(value: object) -> object:
    """A value as a results document takes it: objects are wrapped, unless they are box or link."""
    if isinstance(value, Mapping) and not {"bbox", "href"} & value.keys():
        return {"value": value}
    return value


def redacted(value: Any) -> Any:
    """A request document without what is secret in the addresses of its references."""
    if isinstance(value, Mapping):
        return {
            name: _bare(item) if name == "href" and isinstance(item, str) else redacted(item)
            for name, item in value.items()
        }
    return [redacted(item) for item in value] if isinstance(value, list) else value


def _bare(href: str) -> str:
    """A reference without credentials and query; these may be what lets one in."""
    scheme, mark, rest = href.partition("?")[0].partition("#")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else scheme


def upload_info(upload: Upload) -> Json:
    """What is known of an uploaded file, and how a request refers to it."""
    return {
        "id": upload.id,
        "href": f"upload:{upload.id}",
        "name": upload.name,
        "size": upload.size,
        "sha256": upload.sha256,
        "created": moment(upload.created),
        "expires": moment(upload.expires),
        "links": [
            link(f"/uploads/{upload.id}", "self", JSON, "This uploaded file"),
            link("/uploads", "up", JSON, "All uploaded files"),
            link("/uploads", "alternate", HTML, "All uploaded files (page)", {"f": "html"}),
        ],
    }
