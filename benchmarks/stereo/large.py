"""What large images cost the service: time to the first result, time for a pixel, memory."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pyproj import Transformer

from benchmarks import program
from benchmarks.result import Result
from benchmarks.stereo import scenes
from benchmarks.stereo.peers import Images, OptiGround
from core.simulate.stereo.geotiff import write_tagged
from core.simulate.stereo.making import Stereo

AREA_M = 1000.0
"""Side of the area of interest in the large product."""
PAIRS = 3
MATCHED = "matching, tile"
"""What the program writes when a tile is done."""


class Large(NamedTuple):
    """A case of its own words; ``side`` is that of a triplet's images, 0 for the product."""

    name: str
    side: int


LARGE = (
    Large("large product", 0),
    Large("large quarter", scenes.SIDE_PX // 2),
    Large("large triplet", scenes.SIDE_PX),
)


def run(case: Large, folder: Path) -> Iterator[Result]:
    # Compiling takes time, and 150 MB.
    compiler = [Path(sys.executable).with_name("optiground"), "compile"]
    program.run(compiler, folder / "compile.txt", {})
    figures = _triplet(case.side, folder) if case.side else _product(folder)
    yield Result("stereo", case.name, OptiGround.name, figures)


def _triplet(side: int, folder: Path) -> dict[str, float]:
    """All of three images, each with each."""
    stereo = scenes.triplet()
    paths = []
    for number, view in enumerate(stereo.views):
        pixels, rpc = scenes.cropped(view, side)
        paths.append(write_tagged(folder / f"view{number}.tif", pixels, rpc, view.time))
    made = OptiGround().model(_images(stereo, paths), folder)
    pixels_of_pairs = PAIRS * side**2 / 1e6
    return {"cpu_s_per_mpx": made.cost.cpu_s / pixels_of_pairs, **made.cost._asdict()}


def _product(folder: Path) -> dict[str, float]:
    """An area of interest in two images of a product."""
    stereo = scenes.triplet()
    paths = [scenes.product(stereo.views[number]) for number in (0, 2)]
    centre = stereo.scene.centre
    project = Transformer.from_crs("OGC:CRS84", stereo.scene.crs, always_xy=True)
    x, y = project.transform(centre.lon, centre.lat)
    half = AREA_M / 2
    bounds = project.transform_bounds(x - half, y - half, x + half, y + half, direction="INVERSE")
    area = ",".join(f"{part:.7f}" for part in bounds)
    first = _First(folder / "log.txt")
    made = OptiGround().model(_images(stereo, paths), folder, "--aoi", area, look=first)
    return {"first_tile_s": first.seconds, **made.cost._asdict()}


def _images(stereo: Stereo, paths: list[Path]) -> Images:
    centre = stereo.scene.centre
    return Images(tuple(paths), 0, centre.lon, centre.lat, centre.height, stereo.scene.crs)


class _First:
    """Looks for the first tile in a program's output."""

    def __init__(self, log: Path) -> None:
        self.seconds = float("nan")
        self._log, self._start, self._found = log, time.monotonic(), False

    def __call__(self) -> None:
        if not self._found and MATCHED in self._log.read_text(errors="replace"):
            self._found, self.seconds = True, time.monotonic() - self._start
