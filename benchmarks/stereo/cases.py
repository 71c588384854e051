"""Surface models of simulated and of real places: each tool on the same files in the same run.

Simulated pairs and triplets have an exact truth; every tool is given the models that made their
pixels, without bias.  Parts name cases by their words: ``city``, ``pair``, ``301``, ``reunion``.
Large images are run only where ``large`` is among them: they cost minutes, and a few gigabytes in
the user's cache.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from affine import Affine

from benchmarks.program import Failed
from benchmarks.result import Result
from benchmarks.stereo import agreement, judge, large
from benchmarks.stereo.judge import Model
from benchmarks.stereo.peers import TOOLS, Images, Made
from core.grid import Grid
from core.simulate.stereo.making import Stereo, make_stereo
from core.simulate.stereo.scenes import Kind

SHARED = Path(os.environ.get("OPTIGROUND_SHARED", Path(__file__).parents[3] / "shared"))
DATA = SHARED / "data" / "stereo"

SIZE_PX = 1000
SEEDS = (301, 302)
"""Used for nothing but this."""


class Simulated(NamedTuple):
    """A pair or a triplet to be drawn."""

    kind: Kind
    views: Literal["pair", "triplet"]
    seed: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.views} {self.seed}"


class Real(NamedTuple):
    """Images of Pléiades, and a point in the middle of their ground."""

    name: str
    folder: str
    files: tuple[str, ...]
    reference: int
    place: tuple[float, float, float]
    crs: str

    @property
    def images(self) -> Images:
        paths = tuple(DATA / self.folder / name for name in self.files)
        return Images(paths, self.reference, *self.place, self.crs)


SIMULATED = tuple(
    Simulated(kind, views, seed)
    for views in ("pair", "triplet")
    for kind in ("city", "relief")
    for seed in SEEDS
)
REAL = (
    Real(
        "reunion pair",
        "s2p_pair_reunion",
        ("img_01.tif", "img_02.tif"),
        0,
        (55.65022, -21.23056, 2339.0),
        "EPSG:32740",
    ),
    Real(
        "marseille triplet",
        "s2p_triplet_marseille",
        ("img_01.tif", "img_02.tif", "img_03.tif"),
        1,
        (5.44285, 43.26166, 260.3),
        "EPSG:32631",
    ),
)


def run(*parts: str) -> Iterator[Result]:
    cases = large.LARGE if "large" in parts else (*SIMULATED, *REAL)
    for case in cases:
        if set(parts) <= set(case.name.split()):
            with tempfile.TemporaryDirectory() as folder:
                if isinstance(case, Simulated):
                    yield from simulated(case, Path(folder))
                elif isinstance(case, Real):
                    yield from real(case, Path(folder))
                else:
                    yield from large.run(case, Path(folder))


def simulated(case: Simulated, folder: Path) -> Iterator[Result]:
    stereo = make_stereo(case.kind, case.views, shape=(SIZE_PX, SIZE_PX), seed=case.seed)
    made = models(handed_out(stereo, folder), folder)
    read = {tool: judge.read(one.path) for tool, one in made.items()}
    found = judge.against_truth(read, stereo)
    for tool, one in made.items():
        figures = {**found[tool], **one.cost._asdict()}
        yield Result("stereo", case.name, tool, figures)


def handed_out(stereo: Stereo, folder: Path) -> Images:
    """The files of a simulated scene; the middle image of three is the reference."""
    paths = stereo.write(folder, true_model=True)
    centre = stereo.scene.centre
    reference = len(paths) // 2 if len(paths) > 2 else 0
    return Images(paths, reference, centre.lon, centre.lat, centre.height, stereo.scene.crs)


def real(case: Real, folder: Path) -> Iterator[Result]:
    made = models(case.images, folder)
    read = {tool: judge.read(one.path) for tool, one in made.items()}
    for tool, one in made.items():
        model = read[tool]
        others = [other.valid_at(model.grid) for other in read.values()]
        figures = {
            "seen_valid_percent": judge.percent(seen_valid(model, read, case.images)),
            "slope_p95": agreement.slope_p95(model, np.logical_and.reduce(others)),
            **one.cost._asdict(),
        }
        yield Result("stereo", case.name, tool, figures)
    for first, second in combinations(read, 2):
        figures = agreement.agreement(read[first], read[second])
        yield Result("stereo", case.name, f"{first} less {second}", figures)


def seen_valid(model: Model, models: Mapping[str, Model], images: Images) -> judge.Mask:
    """Whether there is a height, of each cell that two images hold."""
    bounds = np.array([one.grid.bounds for one in models.values()])
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    pixel = model.grid.pixel_size[0]
    shape = (round((north - south) / pixel), round((east - west) / pixel))
    transform = Affine(pixel, 0, west, 0, -pixel, north)
    whole = model.covering(Grid(shape, transform, model.grid.crs))
    return whole.valid[agreement.seen(whole, images.paths)]


def models(images: Images, folder: Path) -> dict[str, Made]:
    """What each tool made, by its name; a tool that fails is told of and left out."""
    made = {}
    for number, tool in enumerate(TOOLS):
        place = folder / f"tool{number}"
        place.mkdir()
        try:
            made[tool.name] = tool.model(images, place)
        except Failed as failure:
            print(f"{tool.name}: {failure}", file=sys.stderr)
    return made
