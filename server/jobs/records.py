"""Rows of the store as values, and values as rows."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, RowMapping, insert

from core.io.sources import redacted
from server.jobs.database import moment
from server.jobs.models import Job, Status, Transition, Upload
from server.jobs.outbox import announce
from server.jobs.schema import transitions


def as_json(value: object) -> str:
    """A value as ASCII, so that every string survives in both databases."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def clean(text: str, limit: int = 2000) -> str:
    """A text that both databases take: no NUL, no lone surrogate, not longer than `limit`."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:limit]


def safe_document(document: str) -> str:
    """A request document, as it is stored, without what is secret in its references."""
    return as_json(redacted(json.loads(document)))


def job_of(row: RowMapping) -> Job:
    """The job that a row stands for."""
    return Job(
        id=row["id"],
        process_id=row["process_id"],
        owner=row["owner"],
        mode=row["mode"],
        status=row["status"],
        message=row["message"],
        progress=row["progress"],
        created=_moment(row["created"]),
        started=moment(row["started"]),
        finished=moment(row["finished"]),
        updated=_moment(row["updated"]),
        expires=moment(row["expires"]),
        document=json.loads(row["document"]),
        files=json.loads(row["files"]),
        resources=json.loads(row["resources"]),
        attempt=row["attempt"],
        workdir=_path(row["workdir"]),
        directory=_path(row["directory"]),
        outputs=json.loads(row["outputs"]),
        problems=tuple(json.loads(row["problems"])),
        error_id=row["error_id"],
        removed=row["removed"],
    )


def upload_of(row: RowMapping) -> Upload:
    """The uploaded file that a row stands for."""
    return Upload(
        id=row["id"],
        owner=row["owner"],
        name=row["name"],
        path=Path(row["path"]),
        size=row["size"],
        sha256=row["sha256"],
        created=_moment(row["created"]),
        expires=_moment(row["expires"]),
    )


def transition_of(row: RowMapping) -> Transition:
    """The transition that a row stands for."""
    return Transition(
        job=row["job"],
        attempt=row["attempt"],
        before=row["before"],
        after=row["after"],
        who=row["who"],
        at=_moment(row["at"]),
    )


def write_transition(
    connection: Connection,
    at: ColumnElement[int],
    row: RowMapping | Mapping[str, Any],
    after: Status,
    who: str,
) -> None:
    """Append one line to the witness, and to the outbox where a subscriber is to be told.

    `row` is the job before the change, or as it was made.
    """
    connection.execute(
        insert(transitions).values(
            job=row["id"],
            attempt=row["attempt"],
            before=row["status"],
            after=after,
            who=clean(who, 200),
            at=at,
        )
    )
    announce(connection, at, row, after)


def _moment(microseconds: int) -> datetime:
    return cast("datetime", moment(microseconds))


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
