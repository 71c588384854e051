"""The demonstration: a simulated earthquake, measured over HTTP by a server started for it."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import urllib3

from core.job import user_cache
from core.pipelines.mpic_opt.corrections import ground
from core.report.colours import Scale
from core.report.pictures import Arrows, Map, sheet
from core.report.statistics import Statistics
from core.simulate import fault
from core.simulate.fault import Displacement, Pair, Score
from server.settings import PACKAGED, PREFIX

READY_S = 120.0
"""How long the server may take to start; the first time it compiles kernels."""
STOP_S = 20.0
LOG = "server.log"
SERVE = "import sys; from server.cli import main; sys.exit(main(['serve']))"

IMAGES, SERVER, PLAIN, DEFAULT, PICTURE = MADE = (
    "images",
    "server",
    "corrections-off",
    "all-defaults",
    "result.png",
)
"""What the demonstration leaves in its folder, and removes there when it begins again."""


class DemoError(Exception):
    """The demonstration could not be carried out; the message says why."""


class Run(NamedTuple):
    """One job of the demonstration and how it went."""

    title: str
    measured: Displacement
    score: Score
    seconds: float


@dataclass(frozen=True)
class Client:
    """Asks the server, and raises where the answer is an error."""

    url: str
    pool: urllib3.PoolManager

    def ask(self, method: str, where: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """The answer to one request; `where` is a path or a link that the server gave."""
        url = where if where.startswith("http") else self.url + where
        answer = self.pool.request(method, url, **options)
        if answer.status >= 400:
            raise DemoError(f"{method} {where} answered {answer.status}: {answer.data.decode()}")
        return answer

    def json(self, where: str) -> Any:
        """A JSON document of the server."""
        return self.ask("GET", where, headers={"Accept": "application/json"}).json()

    def upload(self, path: Path) -> dict[str, str]:
        """Hand over a file; the reference under which a request may use it."""
        headers = {"Content-Type": "application/octet-stream"}
        where = f"/uploads?name={path.name}"
        answer = self.ask("POST", where, body=path.read_bytes(), headers=headers).json()
        return {"href": answer["href"]}

    def execute(self, inputs: Mapping[str, Any], process: str = "mpic-opt") -> dict[str, Any]:
        """Run a process and watch it; the job's last status."""
        body = json.dumps({"inputs": inputs}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = self.ask("POST", f"/processes/{process}/execution", body=body, headers=headers)
        location = answer.headers["Location"]
        with progress_bar() as show:
            while True:
                status: dict[str, Any] = self.json(location)
                show(int(status.get("progress", 0)), str(status.get("message", "")))
                if status["status"] not in ("accepted", "running"):
                    break
                time.sleep(0.1)
        if status["status"] != "successful":
            raise DemoError(f"The job ended as {status['status']}: {status.get('message')}")
        return status

    def save(self, link: str, path: Path) -> Path:
        """Store what a link leads to."""
        path.write_bytes(self.ask("GET", link).data)
        return path


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; the exit status of the command."""
    parser = argparse.ArgumentParser(prog="optiground-server demo", description=__doc__)
    parser.add_argument(
        "service",
        nargs="?",
        choices=("mpic-opt", "dsm-opt"),
        default="mpic-opt",
        help="what to show",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the pictures and data (demo-output, for dsm-opt demo-output/dsm-opt)",
    )
    given = parser.parse_args(arguments)
    stereo = given.service == "dsm-opt"
    output: Path = given.output or Path("demo-output/dsm-opt" if stereo else "demo-output")
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        if stereo:
            from server import demo_stereo

            demo_stereo.demonstrate(output)
        else:
            demonstrate(output)
    except DemoError as error:
        logs = f"The logs are in {output / SERVER}."
        print(f"The demonstration failed. {error}\n{logs}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the server was stopped.", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _interrupted(number: int, frame: object) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


class Runs(NamedTuple):
    """What the demonstration compares."""

    plain: Run
    default: Run
    zero: Run


def demonstrate(output: Path) -> Runs:
    """Make the pair, measure it twice, print the table, draw the picture."""
    output.mkdir(parents=True, exist_ok=True)
    for name in MADE:
        shutil.rmtree(output / name, ignore_errors=True)
    (output / IMAGES).mkdir()
    pair = fault.make_pair(output / IMAGES)
    say(
        "A simulated earthquake: 512 x 512 pixels of 10 m, a vertical fault striking 35 degrees,\n"
        "8 m of right-lateral slip down to 4 km; noise, another brightness on the second image."
    )
    with server(output / SERVER) as client:
        say(f"The server listens on {client.url}")
        files = {
            "reference": client.upload(pair.reference),
            "secondary": client.upload(pair.secondary),
        }
        plain = measure(
            client,
            pair,
            "corrections off",
            files | {"coregistration": False, "deramp": False},
            output / PLAIN,
        )
        default = measure(client, pair, "all defaults*", files, output / DEFAULT)
    say("The server was stopped.\n")
    runs = Runs(plain, default, zero(pair))
    say(table(runs))
    picture(pair, plain, output / PICTURE)
    say(
        "* What statistics.json says was removed by co-registration and deramp is added back.\n\n"
        f"Picture: {output / PICTURE}; rasters, statistics and quick-looks beside it."
    )
    return runs


@contextmanager
def server(folder: Path, **settings: object) -> Iterator[Client]:
    """A server on a free port, with its data and its log in `folder`; it ends with the block.

    The folder is removed, but where something went wrong, so that the logs can be read.

    Parameters
    ----------
    settings
        Those that are to differ from the defaults; not the port.
    """
    folder.mkdir(exist_ok=True)
    port = _free_port()
    # The defaults that are part of the package, whatever this machine's server is set to.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(PREFIX)
    } | {
        "OPTIGROUND_CONFIG": str(PACKAGED),
        "OPTIGROUND_DATA": str(folder.absolute() / "data"),
        "OPTIGROUND_PORT": str(port),
        "OPTIGROUND_NUMBA_CACHE": str(user_cache()),
        # A job that runs when we are interrupted has nobody to adopt it.
        "OPTIGROUND_ON_STOP": "requeue",
        **{PREFIX + name.upper(): str(value) for name, value in settings.items()},
    }
    with (folder / LOG).open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            # A Ctrl-C is for us; we then ask the server to stop.
            start_new_session=True,
        )
    try:
        client = Client(f"http://127.0.0.1:{port}", urllib3.PoolManager(retries=False))
        _wait_until_ready(client, process, folder / LOG)
        yield client
    finally:
        _stop(process)
    shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(client: Client, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError, DemoError):
            client.ask("GET", "/health")
            return
        time.sleep(0.1)
    raise DemoError(f"The server did not start. Its log ends with:\n{log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(client: Client, pair: Pair, title: str, inputs: Mapping[str, Any], folder: Path) -> Run:
    """Run one job, fetch what it made, and compare it with the truth."""
    say(f"\nmpic-opt, {title.rstrip('*')}:")
    status = client.execute(inputs)
    folder.mkdir()
    saved = fetch(client, status, folder)
    raw = fault.read_displacement(saved["displacement_east"], saved["displacement_north"])
    statistics = Statistics.model_validate_json(saved["statistics"].read_bytes())
    measured = added_back(raw, statistics, pair)
    times = (datetime.fromisoformat(status[key]) for key in ("started", "finished"))
    started, finished = times
    seconds = (finished - started).total_seconds()
    return Run(title, measured, fault.score(pair, measured), seconds)


def fetch(client: Client, status: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """The files of a job by output id; of several files of one output the first."""
    results = client.json(
        next(link["href"] for link in status["links"] if link["rel"].endswith("/results"))
    )
    saved: dict[str, Path] = {}
    for name, value in results.items():
        for link in value if isinstance(value, list) else [value]:
            ending = link["href"].rpartition("/")[2]
            suffix = _SUFFIXES.get(link["type"].partition(";")[0], "")
            file = folder / f"{name}_{ending}" if isinstance(value, list) else folder / name
            saved.setdefault(name, client.save(link["href"], file.with_name(file.name + suffix)))
    return saved


_SUFFIXES = {
    "application/json": ".json",
    "application/geo+json": ".json",
    "image/png": ".png",
    "image/tiff": ".tif",
    "text/html": ".html",
    "text/plain": ".txt",
}


def added_back(measured: Displacement, statistics: Statistics, pair: Pair) -> Displacement:
    """A measured displacement with what the corrections took out of it put back."""
    x, y = ground(pair.grid, pair.grid.window)
    east, north = measured
    for correction in statistics.pairs[0].corrections:
        east = east + correction.east.at(x, y)
        north = north + correction.north.at(x, y)
    return Displacement(east, north)


def zero(pair: Pair) -> Run:
    """The answer that nothing moved, for comparison."""
    nothing = Displacement(np.zeros(pair.grid.shape), np.zeros(pair.grid.shape))
    return Run("an answer of zero", nothing, fault.score(pair, nothing), 0.0)


def table(runs: Runs) -> str:
    """How well each run did, beside what was put in."""
    row = "{:<20} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}".format
    true = runs.plain.score.true_slip
    lines = [
        row("", "slip east", "north", "RMSE", "RMSE", "valid", "time"),
        row("", "m", "m", "m", "px", "%", "s"),
        row("put in", f"{true.east:.2f}", f"{true.north:.2f}", "", "", "", ""),
    ]
    for run in runs:
        score = run.score
        lines.append(
            row(
                run.title,
                f"{score.slip.east:.2f}",
                f"{score.slip.north:.2f}",
                f"{score.rmse:.2f}",
                f"{score.rmse / 10:.3f}",
                f"{100 * score.valid:.1f}",
                f"{run.seconds:.1f}" if run.seconds else "",
            )
        )
    lines.append(
        "Slip: mean 10 to 30 px right of the fault less left of it. RMSE: both components,"
    )
    lines.append("all pixels measured more than 12 px from the fault.")
    return "\n".join(lines)


def picture(pair: Pair, run: Run, path: Path) -> None:
    """Truth, measurement and their difference, both components, on one sheet."""
    brightness = fault.read_brightness(pair.reference)
    around = Scale(-4.0, 4.0, "blue-white-red")
    close = Scale(-1.0, 1.0, "blue-white-red")
    rows = []
    for name in ("east", "north"):
        true, measured = getattr(pair.truth, name), getattr(run.measured, name)
        arrows = Arrows(*run.measured)
        rows.append(
            [
                Map(true, pair.grid, f"Put in, {name}", "m", around),
                Map(measured, pair.grid, f"Measured, {name}", "m", around, "", arrows, brightness),
                Map(
                    measured - true,
                    pair.grid,
                    "Difference (finer scale)",
                    "m",
                    close,
                    "",
                    None,
                    brightness,
                ),
            ]
        )
    title = f"A simulated earthquake, measured by mpic-opt: RMSE {run.score.rmse:.2f} m"
    sheet(path, rows, title=title)


@contextmanager
def progress_bar() -> Iterator[Any]:
    """A function that shows a percentage and a message: one line on a terminal, else a few."""
    start, shown = time.monotonic(), [-100]
    live = sys.stdout.isatty()

    def show(percent: int, message: str) -> None:
        filled, seconds = percent * 30 // 100, time.monotonic() - start
        bar = f"[{'#' * filled}{'.' * (30 - filled)}] {percent:3d} % {seconds:5.1f} s"
        if live:
            print(f"\r{bar}  {message[:40]:<40}", end="", flush=True)  # noqa: T201
        elif percent >= shown[0] + 20 or (percent == 100 and shown[0] != 100):
            shown[0] = percent
            say(f"{bar}  {message}")

    try:
        yield show
    finally:
        if live:
            say("")


def say(text: str) -> None:
    """Tell whoever watches, at once."""
    print(text, flush=True)  # noqa: T201
