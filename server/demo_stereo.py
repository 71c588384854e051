"""The demonstration of surface models: simulated deliveries, sent as they are to a server."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.report.colours import Scale
from core.report.pictures import Map, sheet
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.images import pack
from core.simulate.stereo.making import Stereo, make_stereo
from core.simulate.stereo.score import Compared, Score, compare, score
from server.demo import Client, fetch, say, server

IMAGES, SERVER, CITY, MOUNTAIN, PICTURE = MADE = (
    "images",
    "server",
    "city",
    "mountain",
    "result.png",
)
"""What the demonstration leaves in its folder, and removes there when it begins again."""

SIDE_PX = 448
SEED = 7
ROOFS_M = 4.0
"""Errors are drawn from minus to plus this."""


class Run(NamedTuple):
    """One model of the demonstration and how it went."""

    title: str
    compared: Compared
    score: Score
    seconds: float


def demonstrate(output: Path) -> tuple[Run, ...]:
    """Make two deliveries, have them measured, print the table, draw the picture."""
    output.mkdir(parents=True, exist_ok=True)
    for name in MADE:
        shutil.rmtree(output / name, ignore_errors=True)
    scenes = {
        CITY: make_stereo("city", shape=(SIDE_PX, SIDE_PX), seed=SEED),
        MOUNTAIN: make_stereo("relief", shape=(SIDE_PX, SIDE_PX), seed=SEED),
    }
    say(
        f"Simulated stereo pairs of a city and of a mountain: {SIDE_PX} x {SIDE_PX} pixels of "
        "half a metre,\neach pair a Pleiades delivery in one zip; noise, other brightness, moved "
        "cars, water, a cloud."
    )
    deliveries = {name: delivery(output / IMAGES / name, one) for name, one in scenes.items()}
    with server(output / SERVER) as client:
        say(f"The server listens on {client.url}")
        runs = tuple(
            measure(client, scenes[name], name, path, output / name)
            for name, path in deliveries.items()
        )
    say("The server was stopped.\n")
    say(table(runs))
    picture(runs, output / PICTURE)
    say(f"\nPicture: {output / PICTURE}; models, reports and quick-looks in {output}.")
    return runs


def delivery(folder: Path, stereo: Stereo) -> Path:
    """The zip that a distributor would send."""
    root = write_dimap(folder, stereo.views).parent
    return pack(root)


def measure(client: Client, stereo: Stereo, title: str, path: Path, folder: Path) -> Run:
    """Run one job on a delivery, fetch what it made, and compare it with the truth."""
    say(f"\ndsm-opt, {title}:")
    inputs = {"images": [client.upload(path)], "output_crs": stereo.scene.crs}
    status = client.execute(inputs, "dsm-opt")
    folder.mkdir()
    saved = fetch(client, status, folder)
    compared = compare(stereo, saved["dsm"])
    started, finished = (datetime.fromisoformat(status[key]) for key in ("started", "finished"))
    return Run(title, compared, score(compared), (finished - started).total_seconds())


def table(runs: tuple[Run, ...]) -> str:
    """How exact each model is."""
    row = "{:<12} {:>8} {:>9} {:>9} {:>9} {:>10} {:>8}".format
    lines = [
        row("", "cells", "median", "NMAD", "RMSE", "within 1 m", "time"),
        row("", "", "m", "m", "m", "%", "s"),
    ]
    for run in runs:
        figures = run.score
        lines.append(
            row(
                run.title,
                str(np.isfinite(run.compared.measured).sum()),
                f"{figures.median:.2f}",
                f"{figures.nmad:.2f}",
                f"{figures.rmse:.2f}",
                f"{100 * figures.near:.1f}",
                f"{run.seconds:.1f}",
            )
        )
    lines.append("Measured less true height, of the ground that two images really see, without")
    lines.append("water, cloud and moved cars. Within 1 m: of all of that ground, gaps included.")
    return "\n".join(lines)


def picture(runs: tuple[Run, ...], path: Path) -> None:
    """Truth, model and their difference for each scene, on one sheet."""
    rows = [list(_panels(run)) for run in runs]
    sheet(path, rows, title="Simulated stereo pairs, measured by dsm-opt", side=360)


def _panels(run: Run) -> Iterator[Map]:
    measured, grid = run.compared.measured, run.compared.grid
    true = np.where(
        run.compared.truth.inside(0.0).sum(axis=0) >= 2, run.compared.truth.height, np.nan
    )
    known = measured[np.isfinite(measured)]
    heights = Scale(float(known.min()), float(known.max()), "viridis")
    yield Map(true, grid, f"True heights, {run.title}", "m", heights)
    yield Map(measured, grid, f"Measured, {run.title}", "m", heights)
    close = Scale(-ROOFS_M, ROOFS_M, "blue-white-red")
    yield Map(run.compared.error(), grid, "Measured less true", "m", close)
