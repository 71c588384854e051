"""How values are written on pages."""

import json
from datetime import UTC, datetime
from pprint import pformat

from flask import Flask

from core.declare import Input
from core.declare.words import allowed, number
from server.answers import moment
from server.jobs.models import Job


def readable(time: datetime) -> str:
    """A time for people.

    Examples
    --------
    >>> readable(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02 03:04:05 UTC'
    """
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(job: Job) -> str:
    """How long a job has run, or ran."""
    if job.started is None:
        return "–"
    return spelled(((job.finished or datetime.now(UTC)) - job.started).total_seconds())


def spelled(seconds: float) -> str:
    """Seconds in the two largest units that count.

    Examples
    --------
    >>> spelled(4.24), spelled(75), spelled(7322)
    ('4.2 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left} s"
    return f"{minutes // 60} h {minutes % 60} min"


def permitted(entry: Input) -> str:
    """What may be given for an input, its unit included; choices stand with their texts."""
    if entry.kind == "choice":
        return "one of those listed" + (", several times" if entry.many else "")
    words = {"source": "a reference to a file", "area": "a box or a polygon"}.get(entry.kind)
    words = words or allowed(entry.schema)
    if entry.many:
        words = f"a list, each {words}"
    units = {"": "", "1": "", "{pixel}": " (pixels)"}
    unit = units.get(entry.unit, f" ({entry.unit})")
    return words + unit + (", odd" if entry.odd else "")


def default_text(entry: Input) -> str:
    """The default of an input, or what takes its place."""
    if entry.decided is not None:
        return f"by the {entry.decided.input}"
    if entry.default is None or entry.default == []:
        return "–"
    return number(entry.default)


def tojson_plain(value: object, indent: int | None = None) -> str:
    """JSON to be read by people; the template escapes it as it does any text."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def install(app: Flask) -> None:
    """Give the filters to the templates of an application."""
    app.jinja_env.filters.update(
        default_text=default_text,
        duration=duration,
        moment=moment,
        permitted=permitted,
        pformat=pformat,
        readable=readable,
        tojson_plain=tojson_plain,
    )
