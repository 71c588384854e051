"""Measurements as text that Prometheus reads, format 0.0.4."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Literal, NamedTuple

from server.jobs.measures import Measures
from server.tally import BOUNDS_S, Row

TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATUSES = ("accepted", "running", "successful", "failed", "dismissed")
_PREFIX = "optiground_"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Sample(NamedTuple):
    """One number of a metric: what its name ends with, its labels, its value."""

    suffix: str
    labels: Mapping[str, str]
    value: float


class Metric(NamedTuple):
    """A metric with its samples."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    samples: tuple[Sample, ...]


def gauge(name: str, text: str, value: float) -> Metric:
    """A metric that is one number."""
    return Metric(name, "gauge", text, (Sample("", {}, value),))


def of_store(measures: Measures, processes: Iterable[str]) -> Iterator[Metric]:
    """Jobs and uploads; `processes` are told also if they have no jobs."""
    known = [(process, status) for process in processes for status in STATUSES]
    numbers = dict.fromkeys(known, 0) | dict(measures.jobs)
    samples = tuple(
        Sample("", {"process": process, "status": status}, number)
        for (process, status), number in sorted(numbers.items())
    )
    yield Metric("jobs", "gauge", "Jobs in the store, by process and status.", samples)
    for status, name in (("accepted", "waiting"), ("running", "running")):
        number = sum(number for (_, found), number in numbers.items() if found == status)
        yield gauge(f"jobs_{name}", f"Jobs that are {name}.", number)
    yield gauge(
        "oldest_waiting_job_seconds",
        "Time since the longest waiting job was submitted; 0 if none waits.",
        measures.oldest_waiting_s,
    )
    yield gauge("uploads", "Uploaded files.", measures.uploads)
    yield gauge("uploads_bytes", "Size of the uploaded files.", measures.uploads_bytes)
    yield gauge("callbacks_pending", "Callbacks that are still to be sent.", measures.callbacks)
    yield gauge(
        "oldest_pending_callback_seconds",
        "Time since what the oldest callback that is still to be sent tells; 0 if there is none.",
        measures.oldest_callback_s,
    )
    ended = (Sample("", {"outcome": name}, n) for name, n in sorted(measures.tries.items()))
    text = "Tries to send a callback, by their outcome."
    yield Metric("callback_tries_total", "counter", text, tuple(ended))


def of_requests(rows: Iterable[Row]) -> Iterator[Metric]:
    """Requests and their durations, by route, method and class of status."""
    totals: list[Sample] = []
    durations: list[Sample] = []
    for row in rows:
        labels = {"route": row.route, "method": row.method, "status": row.status}
        running = list(accumulate(row.classes))
        ends = (*map(_number, BOUNDS_S), "+Inf")
        totals.append(Sample("", labels, running[-1]))
        durations += [
            Sample("_bucket", {**labels, "le": end}, number)
            for end, number in zip(ends, running, strict=True)
        ]
        durations.append(Sample("_sum", labels, row.seconds))
        durations.append(Sample("_count", labels, running[-1]))
    yield Metric("http_requests_total", "counter", "Requests that were answered.", tuple(totals))
    yield Metric(
        "http_request_duration_seconds",
        "histogram",
        "Time from a request to the begin of its answer.",
        tuple(durations),
    )


def rendered(metrics: Iterable[Metric]) -> str:
    """The text of all metrics.

    >>> print(rendered([gauge("uploads", "Uploaded files.", 3)]), end="")
    # HELP optiground_uploads Uploaded files.
    # TYPE optiground_uploads gauge
    optiground_uploads 3
    """
    lines: list[str] = []
    for metric in metrics:
        name = _PREFIX + metric.name
        lines += [f"# HELP {name} {metric.text}", f"# TYPE {name} {metric.kind}"]
        lines += [
            f"{name}{suffix}{_braced(labels)} {_number(value)}"
            for suffix, labels, value in metric.samples
        ]
    return "".join(f"{line}\n" for line in lines)


def _braced(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
