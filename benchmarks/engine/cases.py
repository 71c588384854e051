"""The job engine over HTTP: how soon a small job ends, how fast a queue drains, a small pair."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.result import Result
from core.simulate import fault
from server.demo import Client, server

FINAL = ("successful", "failed", "dismissed")
PATIENCE_S = 600.0
SINGLE, QUEUED, PAIRS = 10, 500, 3


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder, server(Path(folder, "server")) as client:
        # The first job finds cold file caches.
        ended(client, echo(client))
        yield single_echo(client)
        yield small_pair(client, Path(folder))
        yield many_echoes(client)


def single_echo(client: Client) -> Result:
    seconds = []
    for _ in range(SINGLE):
        start = time.monotonic()
        ended(client, echo(client))
        seconds.append(time.monotonic() - start)
    figures = {"median_s": median(seconds), "longest_s": max(seconds)}
    return Result("engine", f"echo, {SINGLE} one after the other", "optiground-server", figures)


def many_echoes(client: Client) -> Result:
    start = time.monotonic()
    locations = [echo(client) for _ in range(QUEUED)]
    submitted = time.monotonic() - start
    for location in locations:
        ended(client, location)
    figures = {"submitted_s": submitted, "drained_s": time.monotonic() - start}
    return Result("engine", f"echo, {QUEUED} at once, two slots", "optiground-server", figures)


def small_pair(client: Client, folder: Path) -> Result:
    pair = fault.make_pair(folder)
    inputs = {
        "reference": client.upload(pair.reference),
        "secondary": client.upload(pair.secondary),
    }
    seconds = []
    for _ in range(PAIRS):
        status = ended(client, submitted(client, "mpic-opt", inputs))
        times = [datetime.fromisoformat(status[name]) for name in ("started", "finished")]
        seconds.append((times[1] - times[0]).total_seconds())
    figures = {"median_s": median(seconds), "longest_s": max(seconds)}
    return Result("engine", "mpic-opt, 512 x 512, from the claim", "optiground-server", figures)


def echo(client: Client) -> str:
    return submitted(client, "echo", {"stringInput": "hello"})


def submitted(client: Client, process: str, inputs: dict[str, Any]) -> str:
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    body = json.dumps({"inputs": inputs}).encode()
    return client.ask(
        "POST", f"/processes/{process}/execution", body=body, headers=headers
    ).headers["Location"]


def ended(client: Client, location: str, pause: Callable[[float], None] = time.sleep) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        status = client.json(location)
        if status["status"] in FINAL:
            if status["status"] != "successful":
                raise RuntimeError(f"a job ended as {status['status']}: {status['message']}")
            return status
        pause(0.02)
    raise RuntimeError(f"{location} is not done after {PATIENCE_S:.0f} s")
