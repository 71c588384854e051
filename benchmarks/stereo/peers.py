"""The service itself, and CARS and s2p, each in an environment of its own, as programs.

``OPTIGROUND_PEERS`` names the folder of the environments (by default one in the user's cache).
They are made there at the first use, with Python 3.11 and 3.10; s2p is compiled and needs a
compiler, the headers of GDAL and libtiff, and GDAL's programs.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS

from benchmarks import program
from benchmarks.program import Cost

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
PEERS = Path(os.environ.get("OPTIGROUND_PEERS", CACHE / "optiground" / "peers"))
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))

RESOLUTION_M = 0.5
FLAT_CELL_DEG = 1 / 1200
FLAT_CELLS = 240
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class Missing(Exception):
    """A peer cannot be set up here; the message says what it needs."""


@dataclass(frozen=True)
class Images:
    """What every tool is given.

    Parameters
    ----------
    paths
        GeoTIFFs with RPC tags.
    reference
        Number of the image that others are matched with.
    lon, lat, height
        A point in the middle of the ground, its height above the ellipsoid.
    crs
        Projection that the model is wanted in, ``EPSG:n``.
    """

    paths: tuple[Path, ...]
    reference: int
    lon: float
    lat: float
    height: float
    crs: str

    @property
    def others(self) -> tuple[Path, ...]:
        """All but the reference."""
        return tuple(path for k, path in enumerate(self.paths) if k != self.reference)


class Made(NamedTuple):
    """A surface model, and what it took."""

    path: Path
    cost: Cost


class OptiGround:
    """The service ``dsm-opt`` with its defaults, as its command line runs it."""

    name = "OptiGround"

    def model(
        self,
        images: Images,
        folder: Path,
        *more: str,
        look: Callable[[], None] = lambda: None,
    ) -> Made:
        """`more` is what else the command line says; `look` is called while the program runs."""
        program_of_ours = Path(sys.executable).with_name("optiground")
        command = [
            program_of_ours,
            "dsm-opt",
            "--images",
            *images.paths,
            "--resolution",
            str(RESOLUTION_M),
            "--output-crs",
            images.crs,
            *more,
            "--output",
            folder / "out",
        ]
        cost = program.run(command, folder / "log.txt", {}, look)
        return Made(folder / "out" / "dsm.tif", cost)


class Cars:
    """CARS 1.3.0 with its defaults, in one process, given a flat DEM at the mean height."""

    name = "CARS 1.3.0"

    def model(self, images: Images, folder: Path) -> Made:
        home = environment("cars-1.3.0", "3.11", [["cars==1.3.0"]])
        first, *rest = (images.paths[images.reference], *images.others)
        sensors = {str(number): str(path) for number, path in enumerate((first, *rest))}
        elevation = flat_dem(images, home, folder / "flat_dem.tif")
        settings = {
            "input": {
                "sensors": sensors,
                "pairing": [["0", name] for name in list(sensors)[1:]],
                "initial_elevation": str(elevation),
            },
            "orchestrator": {"mode": "sequential"},
            "output": {
                "directory": str(folder / "out"),
                "resolution": RESOLUTION_M,
                "epsg": CRS(images.crs).to_epsg(),
                "geoid": False,
            },
        }
        command = [home / "bin" / "cars", written(settings, folder), "--logtype", "plain"]
        cost = program.run(command, folder / "log.txt", ONE_THREAD)
        return Made(folder / "out" / "dsm" / "dsm.tif", cost)


class S2p:
    """s2p 1.0b25 with its defaults on the whole image, as many processes as processors."""

    name = "s2p 1.0b25"

    def model(self, images: Images, folder: Path) -> Made:
        home = s2p_environment()
        ordered = (images.paths[images.reference], *images.others)
        settings = {
            "out_dir": str(folder / "out"),
            "temporary_dir": str(folder / "scratch"),
            "images": [{"img": str(path)} for path in ordered],
            "full_img": True,
            "dsm_resolution": RESOLUTION_M,
        }
        command = [home / "bin" / "s2p", written(settings, folder)]
        cost = program.run(command, folder / "log.txt", ONE_THREAD)
        return Made(folder / "out" / "dsm.tif", cost)


TOOLS = (OptiGround(), Cars(), S2p())


def written(settings: Mapping[str, object], folder: Path) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps(settings, indent=1))
    return path


def flat_dem(images: Images, home: Path, path: Path) -> Path:
    """A level DEM around the scene, in heights above the geoid that CARS brings with it.

    (It can be told that heights are above the ellipsoid, but then finds nothing.)
    """
    with rasterio.open(next(home.glob("lib/*/site-packages/cars/conf/geoid/egm96.grd"))) as geoid:
        # The values of this one go round the world from Greenwich.
        undulation = float(next(geoid.sample([(images.lon % 360, images.lat)]))[0])
    west, north = (
        centre + sign * FLAT_CELLS / 2 * FLAT_CELL_DEG
        for centre, sign in ((images.lon, -1), (images.lat, 1))
    )
    profile = {
        "driver": "GTiff",
        "width": FLAT_CELLS,
        "height": FLAT_CELLS,
        "count": 1,
        "dtype": "float32",
        "crs": "EPSG:4326",
        "transform": Affine(FLAT_CELL_DEG, 0, west, 0, -FLAT_CELL_DEG, north),
    }
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.full((FLAT_CELLS, FLAT_CELLS), images.height - undulation, np.float32), 1)
    return path


def s2p_environment() -> Path:
    """Its requirement of an old pyproj has no binaries for this Python; a newer one serves."""
    for name in ("gdal-config", "gdalbuildvrt", "make"):
        if shutil.which(name) is None:
            message = f"s2p needs {name}: a compiler, make, libgdal-dev, libtiff-dev and gdal-bin"
            raise Missing(message)
    requirements = "numpy scipy rasterio[s3] utm pyproj>=3 beautifulsoup4[lxml] plyfile"
    more = "plyflatten>=0.2.0 ransac rpcm>=1.4.6 srtm4>=1.1.2 requests"
    steps = [[*requirements.split(), *more.split()], ["--no-deps", "s2p==1.0b25"]]
    return environment("s2p-1.0b25", "3.10", steps)


def environment(name: str, version: str, steps: Sequence[Sequence[str]]) -> Path:
    """The environment of this name, made if it is not there, or was not finished."""
    home, finished = PEERS / name, PEERS / name / "finished"
    if finished.exists():
        return home
    PEERS.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(home, ignore_errors=True)
    program.run([python(version), "-m", "venv", home], PEERS / f"{name}.log", {})
    # Sources of that age use what later versions of setuptools lack.
    limits = PEERS / "build.txt"
    limits.write_text("setuptools<81\n")
    for step in steps:
        command = [home / "bin" / "python", "-m", "pip", "install", "--no-input", *step]
        program.run(command, PEERS / f"{name}.log", {"PIP_CONSTRAINT": str(limits)})
    finished.touch()
    return home


def python(version: str) -> Path:
    """An interpreter of this version: pyenv's, else from PATH."""
    candidates = [*sorted((PYENV / "versions").glob(f"{version}.*/bin/python3"))]
    if candidates:
        return candidates[-1]
    found = shutil.which(f"python{version}")
    if found is None:
        message = f"Python {version} is neither among pyenv's nor on PATH"
        raise Missing(message)
    return Path(found)
