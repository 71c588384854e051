"""Simulated pairs and triplets: a scene, the views of it, and what spoils them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from affine import Affine

from core.grid import Grid
from core.simulate.stereo.cameras import ALTITUDE_M, Attitude, camera
from core.simulate.stereo.geotiff import write_geotiff
from core.simulate.stereo.scenes import RELIEF_M, Kind, Scene, make_scene
from core.simulate.stereo.truth import Truth, truth
from core.simulate.stereo.views import Look, View

GSD_M = 0.5
SPEED_M_S = 7400.0
"""Of the satellite over its track."""
START = datetime(2024, 6, 18, 10, 41, 52, tzinfo=UTC)

ATTITUDES: dict[str, tuple[Attitude, ...]] = {
    "pair": (Attitude(0.13, 0.028, 191.2), Attitude(-0.13, 0.045, 190.8)),
    "triplet": (
        Attitude(0.11, 0.028, 191.3),
        Attitude(0.0, 0.036, 191.0),
        Attitude(-0.12, 0.045, 190.7),
    ),
}
"""Base over height .26, and .11 and .12 between neighbours and .23 in all, as Pleiades flies."""


class Disturbances(NamedTuple):
    """What keeps the views from agreeing.

    Parameters
    ----------
    gain, offset
        Largest difference of a view's gain from 1, and of its offset from 0, DN.
    noise
        Over the sensor's usual noise.
    cars
        Whether cars stand elsewhere in every view.
    bias_px
        Smallest and largest shift of a handed-out model against the true one.
    jitter_px
        Amplitude of the satellite's trembling.
    cloud
        Radius of the cloud in the last view over the width of the image.
    """

    gain: float = 0.12
    offset: float = 25.0
    noise: float = 1.0
    cars: bool = True
    bias_px: tuple[float, float] = (1.0, 3.0)
    jitter_px: float = 0.05
    cloud: float = 0.08


CALM = Disturbances(0.0, 0.0, 0.0, False, (0.0, 0.0), 0.0, 0.0)
"""Nothing but the sensor's blur and quantisation."""
UNBIASED = Disturbances(bias_px=(0.0, 0.0))
"""All but errors of the models."""


@dataclass(frozen=True, eq=False)
class Stereo:
    """Views of one scene.

    Parameters
    ----------
    scene
        The ground.
    views
        In the order of their times.
    """

    scene: Scene
    views: tuple[View, ...]

    def truth(self, grid: Grid) -> Truth:
        """What is true at the centres of a grid's cells."""
        return truth(self.scene, self.views, grid)

    def grid(self, resolution: float) -> Grid:
        """Cells on multiples of the resolution that hold all ground that any view sees."""
        corners = [
            view.lines.ground(
                np.array([0.0, 0.0, rows - 1.0, rows - 1.0]) + np.zeros((2, 1)),
                np.array([0.0, cols - 1.0, 0.0, cols - 1.0]) + np.zeros((2, 1)),
                np.array(self.scene.heights)[:, None] + np.zeros(4),
            )
            for view in self.views
            for rows, cols in (view.camera.shape,)
        ]
        x = np.concatenate([corner.x.ravel() for corner in corners])
        y = np.concatenate([corner.y.ravel() for corner in corners])
        origin, size = self.scene.origin, self.scene.size
        west, south = (
            int(np.floor(max(values.min(), low) / resolution))
            for values, low in zip((x, y), origin, strict=True)
        )
        east, north = (
            int(np.ceil(min(values.max(), low + length) / resolution))
            for values, low, length in zip((x, y), origin, size, strict=True)
        )
        transform = Affine(resolution, 0, west * resolution, 0, -resolution, north * resolution)
        return Grid((north - south, east - west), transform, self.scene.crs)

    def write(self, directory: Path, *, true_model: bool = False) -> tuple[Path, ...]:
        """Write the views as GeoTIFFs with RPC tags, named by role and time."""
        return tuple(
            write_geotiff(
                directory / f"view{number}_{view.time:%Y%m%dT%H%M%S}.tif",
                view,
                true_model=true_model,
            )
            for number, view in enumerate(self.views, start=1)
        )


def make_stereo(
    kind: Kind = "city",
    views: Literal["pair", "triplet"] = "pair",
    *,
    shape: tuple[int, int] = (512, 512),
    seed: int = 0,
    disturbances: Disturbances = UNBIASED,
    relief_m: float = RELIEF_M,
    samples: int = 4,
    strip_at: tuple[int, int] = (0, 0),
) -> Stereo:
    """A pair or a triplet of a plain, a mountain or a city.

    Parameters
    ----------
    shape
        Rows and columns of every image; the ground's pixel is half a metre.
    seed
        Draws ground, disturbances and noise.
    relief_m
        Of a mountain, metres; a small piece has less.
    samples
        Lines of sight along a pixel's side.
    strip_at
        Where the middle of the strip lies that the images are cut from, in rows and columns from
        theirs.

    Nothing is rendered before an image is asked for.
    """
    scene = make_scene(kind, max(shape) * GSD_M, seed, relief_m)
    attitudes = ATTITUDES[views]
    return Stereo(
        scene,
        tuple(
            _view(scene, attitude, shape, disturbances, (number, len(attitudes)), samples, strip_at)
            for number, attitude in enumerate(attitudes)
        ),
    )


def _view(
    scene: Scene,
    attitude: Attitude,
    shape: tuple[int, int],
    disturbances: Disturbances,
    place: tuple[int, int],
    samples: int,
    strip_at: tuple[int, int],
) -> View:
    number, count = place
    lot = np.random.default_rng((scene.seed, 1, number))
    gain = 1.0 + disturbances.gain * float(lot.uniform(-1, 1))
    offset = disturbances.offset * float(lot.uniform(-1, 1))
    size = lot.uniform(*disturbances.bias_px, 2) * lot.choice((-1.0, 1.0), 2)
    look = Look(
        number=number,
        gain=gain,
        offset=offset,
        noise=disturbances.noise,
        cars=disturbances.cars,
        jitter_px=disturbances.jitter_px,
        cloud=disturbances.cloud if number == count - 1 else 0.0,
        samples=samples,
    )
    bias = (round(float(size[0]), 3), round(float(size[1]), 3))
    eye = camera(scene.centre, attitude, shape, GSD_M, scene.heights, bias, strip_at)
    # Looking ahead comes first: the satellite is then still before the scene.
    delay = timedelta(
        seconds=ALTITUDE_M * (ATTITUDES["pair"][0].pitch - attitude.pitch) / SPEED_M_S
    )
    return View(scene, eye, look, START + delay)
