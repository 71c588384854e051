"""What a busy server looks like: many finished jobs in its store, and pairs that it computes."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, text

from core.grid import Grid
from core.simulate import fault
from server.jobs.process import marked, proportional_set_size
from server.jobs.schema import jobs, transitions
from server.jobs.store import Store

OWNER = "local"
_DAY_US = 86_400_000_000
_AT_ONCE = 5000
_TILES = 6
"""Copies of the ground along each side of the large pair: 38 megapixels, a minute of two cores."""


def fill(database: str, number: int) -> None:
    """Put finished jobs into an empty store, as `number` submissions of a month leave them."""
    store = Store(database)
    now = time.time_ns() // 1000
    for start in range(0, number, _AT_ONCE):
        rows, steps = [], []
        for place in range(start, min(start + _AT_ONCE, number)):
            row = _finished(now - 29 * _DAY_US + place * 20_000_000)
            rows.append(row)
            steps += _steps(row)
        with store.database.writing() as connection:
            connection.execute(insert(jobs), rows)
            connection.execute(insert(transitions), steps)
    if not store.database.is_sqlite:
        # The server does this by itself within a minute.
        with store.database.engine().connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("VACUUM ANALYZE"))
    store.close()


def _finished(at: int) -> dict[str, Any]:
    name = str(uuid.uuid4())
    values = {"stringInput": "hello", "pause": 0.0}
    return {
        "id": name,
        "process_id": "echo",
        "owner": OWNER,
        "mode": "async",
        "status": "successful",
        "message": "done",
        "progress": 100,
        "created": at,
        "started": at + 100_000,
        "finished": at + 400_000,
        "updated": at + 400_000,
        "expires": at + 60 * _DAY_US,
        "document": json.dumps({"process": "echo", "version": "1.0.0", "inputs": values}),
        "files": "{}",
        "resources": '{"wall_s":3600,"memory_bytes":536870912,"disk_bytes":1048576,"processes":8}',
        "attempt": 1,
        "lost": 0,
        "outputs": json.dumps({"stringInput": "hello"}),
        "problems": "[]",
        "untidy": 0,
    }


def _steps(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    moments = (row["created"], row["started"], row["finished"])
    chain = ((None, "accepted"), ("accepted", "running"), ("running", "successful"))
    for at, (before, after) in zip(moments, chain, strict=True):
        yield {
            "job": row["id"],
            "attempt": int(after != "accepted"),
            "before": before,
            "after": after,
            "who": "bench",
            "at": at,
        }


def large_pair(folder: Path) -> tuple[Path, Path]:
    """Two images that take a job a minute: invented ground, whose texture is periodic, repeated."""
    small = fault.make_pair(folder, shape=(1024, 1024), slip=0.0, noise=0.0)
    paths = []
    for path, day in zip((small.reference, small.secondary), fault.DATES, strict=True):
        values = np.tile(fault.read_brightness(path), (_TILES, _TILES))
        grid = Grid(values.shape, small.grid.transform, small.grid.crs)
        paths.append(folder / f"large_{day:%Y%m%d}.tif")
        fault.write_image(paths[-1], values, grid, day)
    return paths[0], paths[1]


def memory(data: Path) -> dict[str, int]:
    """Bytes in memory (PSS) of each process of the server whose data these are, by kind and pid."""
    marker = f"OPTIGROUND_DATA={data}".encode()
    return {
        f"{_kind(one.pid)} {one.pid}": proportional_set_size([one])
        for one, entry in marked(marker)
        if entry == marker
    }


def _kind(pid: int) -> str:
    """Which part of the server a process is, as the last word of its command line says."""
    word = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2].decode()
    parts = {"create_app": "web", "dispatch": "dispatcher", "serve": "supervisor"}
    return next((name for sign, name in parts.items() if sign in word), word)
