"""Image pairs of a strike-slip fault whose ground displacement is known exactly.

The fault is an infinitely long, vertical screw dislocation that slips from the surface down to a
depth D in an elastic half space.  Ground at a distance x from its trace moves along the strike by

    u(x) = sign(x) * slip / pi * atan(D / |x|)

which is the step of the slip less the interseismic field of a fault locked down to D [1]_.

References
----------
.. [1] Savage, J. C., and Burford, R. O. (1973), Geodetic determination of relative plate motion in
   central California, J. Geophys. Res. 78(5), 832-845, doi:10.1029/JB078i005p00832.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy import fft, ndimage

from core.grid import Grid

Image = NDArray[np.float32]
"""Brightness, float32, [row, col]."""
Field = NDArray[np.float64]
"""One component of a displacement or a distance, [row, col]."""

HIGH_PASS_PX = 3.0
"""Deviation of the Gaussian that is taken off before texture and noise are compared."""


class Displacement(NamedTuple):
    """Motion of the ground from reference to secondary, east and north positive."""

    east: Field
    north: Field


def texture(
    shape: tuple[int, int],
    seed: int = 0,
    *,
    mean: float = 1200.0,
    deviation: float = 300.0,
    roughness: float = 1.3,
    blur_px: float = 0.6,
) -> Image:
    """Random ground as a satellite sees it: fractal brightness behind a sensor's blur.

    The amplitude spectrum falls as frequency ** -`roughness`, flattened beyond 100 px, times the
    transfer function of a Gaussian of `blur_px`.  The defaults have the ratio of fine to total
    contrast of Sentinel-2 B04 over farmed hills (high-pass deviation near 118 of 300).

    Returns
    -------
    Image
        Periodic in both directions, so that ``numpy.tile`` makes a larger one without a seam.
    """
    white = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    spectrum = fft.rfft2(white)
    rows = fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    cols = fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
    squared = rows**2 + cols**2
    spectrum *= (squared + 0.01**2) ** (-roughness / 2) * np.exp(
        -2 * (np.pi * blur_px) ** 2 * squared
    )
    spectrum[0, 0] = 0
    ground: Image = fft.irfft2(spectrum, s=shape)
    return (mean + deviation / ground.std() * ground).astype(np.float32)


def distance_from_fault(shape: tuple[int, int], strike_deg: float) -> Field:
    """Distance in pixels from a fault through the centre, positive to the right of its strike.

    `strike_deg` is the azimuth of the trace, clockwise from grid north.
    """
    strike = np.deg2rad(strike_deg)
    rows = np.arange(shape[0])[:, None] - (shape[0] - 1) / 2
    cols = np.arange(shape[1])[None, :] - (shape[1] - 1) / 2
    distance: Field = cols * np.cos(strike) + rows * np.sin(strike)
    return distance


def strike_slip(
    shape: tuple[int, int],
    slip: float,
    strike_deg: float,
    depth_px: float,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Displacement:
    """Displacement at the surface of a vertical fault through the centre of an image.

    Parameters
    ----------
    slip
        Slip at the surface, positive right-lateral; the result has its unit.
    strike_deg
        Azimuth of the trace, clockwise from grid north.
    depth_px
        Depth down to which the fault slips.
    shift
        Added everywhere, (east, north).
    """
    distance = distance_from_fault(shape, strike_deg)
    # Right-lateral: the ground to the right of the strike comes towards the one who looks along it.
    along = -slip / np.pi * np.sign(distance) * np.arctan2(depth_px, np.abs(distance))
    strike = np.deg2rad(strike_deg)
    return Displacement(along * np.sin(strike) + shift[0], along * np.cos(strike) + shift[1])


def before(image: Image, field: Displacement) -> Image:
    """The reference image of ground that looks like `image` after it moved by `field` (pixels).

    What lies at pixel p of the result is found at p + field(p) of `image`, which makes the field
    exact on the result's pixels.  `image` is taken as periodic, by quintic splines.
    """
    rows, cols = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float64)
    places = (rows - field.north, cols + field.east)
    moved: Image = ndimage.map_coordinates(
        image.astype(np.float64), places, order=5, mode="grid-wrap", output=np.float32
    )
    return moved


def fine_deviation(image: Image) -> float:
    """Standard deviation of what a Gaussian of 3 px leaves of an image: its usable texture."""
    rest = image - ndimage.gaussian_filter(image, HIGH_PASS_PX, mode="wrap")
    return float(rest.std())


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images on disk and what is true about them, on the reference's grid.

    Parameters
    ----------
    reference, secondary
        GeoTIFFs, uint16, one band, with dates.
    grid
        The pixels of both.
    truth
        Displacement in metres.
    distance_px
        Distance from the fault, positive to the right of its strike.
    """

    reference: Path
    secondary: Path
    grid: Grid
    truth: Displacement
    distance_px: Field


DATES = (date(2024, 3, 1), date(2024, 3, 11))
CRS = "EPSG:32633"
CORNER = (400_000.0, 4_700_000.0)


def make_pair(
    directory: Path,
    *,
    shape: tuple[int, int] = (512, 512),
    pixel: float = 10.0,
    slip: float = 8.0,
    strike_deg: float = 35.0,
    depth_px: float = 400.0,
    shift: tuple[float, float] = (0.0, 0.0),
    noise: float = 0.3,
    gain: float = 0.92,
    offset: float = 30.0,
    seed: int = 0,
) -> Pair:
    """Write the demonstration pair: invented ground before and after an earthquake.

    Parameters
    ----------
    directory
        Existing folder; gets ``reference_YYYYMMDD.tif`` and ``secondary_YYYYMMDD.tif``.
    pixel, slip, shift
        Metres.
    noise
        Deviation of the noise on each image over that of its fine texture.
    gain, offset
        Brightness of the secondary image: gain * ground + offset.
    """
    truth = strike_slip(shape, slip, strike_deg, depth_px, shift)
    after = texture(shape, seed)
    first = before(after, Displacement(truth.east / pixel, truth.north / pixel))
    second = (gain * after + offset).astype(np.float32)
    grid = Grid(shape, Affine(pixel, 0.0, CORNER[0], 0.0, -pixel, CORNER[1]), CRS)
    generator = np.random.default_rng((seed, 1))
    paths = []
    for role, image, day in zip(("reference", "secondary"), (first, second), DATES, strict=True):
        noisy = image + generator.normal(0.0, noise * fine_deviation(image), shape)
        paths.append(directory / f"{role}_{day:%Y%m%d}.tif")
        write_image(paths[-1], noisy, grid, day)
    return Pair(paths[0], paths[1], grid, truth, distance_from_fault(shape, strike_deg))


def write_image(path: Path, values: NDArray[np.floating], grid: Grid, day: date) -> None:
    """Write brightness as a uint16 GeoTIFF that carries its date; 0 stays free for "no data"."""
    whole = np.clip(np.rint(values), 1, 65535).astype(np.uint16)
    profile = {
        "driver": "GTiff",
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": 1,
        "dtype": "uint16",
        "crs": grid.crs,
        "transform": grid.transform,
        "compress": "deflate",
        "predictor": 2,
        "tiled": True,
    }
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(whole, 1)
        dataset.update_tags(
            TIFFTAG_DATETIME=f"{day:%Y:%m:%d} 00:00:00", ACQUISITION_DATE=day.isoformat()
        )


class Slip(NamedTuple):
    """Relative motion of the two sides of a fault, metres, the right side less the left."""

    east: float
    north: float


class Score(NamedTuple):
    """How well a measured displacement agrees with the truth; lengths in metres."""

    rmse: float
    valid: float
    slip: Slip
    true_slip: Slip


CLOSE_PX = 12.0
"""Nearer to the fault than this a window holds ground of both sides, so no error is counted."""
SIDES_PX = (10.0, 30.0)
"""Strips on either side whose mean displacements are compared."""


def score(pair: Pair, measured: Displacement) -> Score:
    """Compare a measured displacement (metres, NaN where there is none) with the truth of a pair.

    The RMSE pools both components over all measured pixels more than 12 px from the fault; the
    slip is the difference of the means 10 to 30 px on either side, of the same pixels in both.
    """
    known = np.isfinite(measured.east) & np.isfinite(measured.north)
    counted = known & (np.abs(pair.distance_px) > CLOSE_PX)
    errors = [
        component[counted] - true[counted]
        for component, true in zip(measured, pair.truth, strict=True)
    ]
    return Score(
        rmse=float(np.sqrt(np.mean(np.square(errors)))),
        valid=float(known.mean()),
        slip=_slip(measured, pair.distance_px, known),
        true_slip=_slip(pair.truth, pair.distance_px, known),
    )


def _slip(field: Displacement, distance_px: Field, known: NDArray[np.bool_]) -> Slip:
    near, far = SIDES_PX
    right = known & (distance_px > near) & (distance_px < far)
    left = known & (distance_px < -near) & (distance_px > -far)
    steps = [float(component[right].mean() - component[left].mean()) for component in field]
    return Slip(*steps)


def read_displacement(east: Path, north: Path) -> Displacement:
    """The displacement in metres that stands in two rasters on the pair's grid, NaN as none."""
    components = []
    for path in (east, north):
        with rasterio.open(path) as dataset:
            components.append(dataset.read(1).astype(np.float64))
    return Displacement(*components)


def read_brightness(path: Path) -> Image:
    """The brightness that stands in one of the pair's images."""
    with rasterio.open(path) as dataset:
        values: Image = dataset.read(1).astype(np.float32)
    return values
