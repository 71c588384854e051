"""What is known after an adjustment, in numbers and words."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from core.geometry.bias import Correction
from core.geometry.normal import TERMS, Measured
from core.geometry.rational import metres_per_degree
from core.geometry.rpc import Floats, Rpc, transferred
from core.geometry.triangulation import intersect, misses

Models = tuple[Sequence[Rpc], Sequence[Rpc]]
"""Before and after."""

LEAST_EFFECT_M = 0.01
"""Effect on the surface model below which a direction is not worth a word."""

NORMAL = 1.4826
"""Standard deviation of normal errors over the median of their sizes."""


@dataclass(frozen=True)
class ImageResiduals:
    """One image's part.

    Parameters
    ----------
    name
        The image's.
    row_px, col_px
        The shift that was added to the model, in the middle.
    row_sigma_px, col_sigma_px
        What is left of its uncertainty.
    edge_px
        What shear and stretch add at the edge, at most.
    points
        Tie points.
    before_px, after_px
        Root mean square of their distances from where the model projects the intersected points.
    """

    name: str
    row_px: float
    col_px: float
    row_sigma_px: float
    col_sigma_px: float
    edge_px: float
    points: int
    before_px: float
    after_px: float


@dataclass(frozen=True)
class PairResiduals:
    """How two images agree.

    Parameters
    ----------
    first, second
        Names.
    points
        Tie points in both; the other values are NaN if there are none.
    before_px, after_px
        Median distance of the second image's points from the epipolar lines, signed.
    spread_px
        Their spread after (normalised median absolute deviation).
    height_before_m, height_after_m
        Median of the pair's heights less those of all images together.
    """

    first: str
    second: str
    points: int
    before_px: float
    after_px: float
    spread_px: float
    height_before_m: float
    height_after_m: float


@dataclass(frozen=True)
class Direction:
    """A sum of the models' errors that the measurements do not show.

    Parameters
    ----------
    text
        What it is and what it may do, in words.
    east_m, north_m, up_m
        What a standard deviation of it moves the surface model.
    tilt_m_per_km
        What it tilts the model.
    shifts_px
        What it does to each image: (row, col).
    """

    text: str
    east_m: float
    north_m: float
    up_m: float
    tilt_m_per_km: float
    shifts_px: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ModelSigma:
    """Standard deviations of the surface model as a whole.

    Parameters
    ----------
    horizontal_m
        Radial: root of the sum of the variances east and north.
    vertical_m
        Of its mean height.
    tilt_m_per_km
        Of its slope along the steepest direction.
    """

    horizontal_m: float
    vertical_m: float
    tilt_m_per_km: float


def image_residuals(
    names: Sequence[str],
    models: Models,
    points: Measured,
    corrections: Sequence[Correction],
    sigmas: Floats,
) -> tuple[ImageResiduals, ...]:
    """Residuals of each image; `sigmas` (images, 6) of the corrections, pixels."""
    sizes = [_distances(rpcs, points) for rpcs in models]
    return tuple(
        ImageResiduals(
            name,
            correction.row,
            correction.col,
            float(sigmas[number, 0]),
            float(sigmas[number, 1]),
            correction.largest,
            int(points.seen[number].sum()),
            *(_rms(size[number]) for size in sizes),
        )
        for number, (name, correction) in enumerate(zip(names, corrections, strict=True))
    )


def _distances(rpcs: Sequence[Rpc], points: Measured) -> Floats:
    spot = intersect(rpcs, points.row, points.col)
    off = misses(rpcs, points.row, points.col, spot.lon, spot.lat, spot.height)
    distance: Floats = np.hypot(off[..., 0], off[..., 1])
    return distance


def _rms(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt((known**2).mean())) if known.size else float("nan")


def pair_residuals(
    names: Sequence[str], models: Models, points: Measured
) -> tuple[PairResiduals, ...]:
    """How each pair agrees, before and after."""
    together = [intersect(rpcs, points.row, points.col).height for rpcs in models]
    found = []
    for first, second in combinations(range(len(names)), 2):
        both = points.seen[[first, second]].all(axis=0)
        apart, heights = [], []
        for rpcs, all_heights in zip(models, together, strict=True):
            pair = rpcs[first], rpcs[second]
            row, col = (part[[first, second]][:, both] for part in (points.row, points.col))
            height = intersect(pair, row, col).height
            apart.append(_across(*pair, row, col, height))
            heights.append(height - all_heights[both])
        middle = [_median(values) for values in apart]
        spread = NORMAL * _median(np.abs(apart[1] - middle[1]))
        found.append(
            PairResiduals(
                names[first],
                names[second],
                int(both.sum()),
                middle[0],
                middle[1],
                spread,
                _median(heights[0]),
                _median(heights[1]),
            )
        )
    return tuple(found)


def _across(first: Rpc, second: Rpc, row: Floats, col: Floats, height: Floats) -> Floats:
    """Distance of points in the second image from the epipolar lines of those in the first."""
    ends = [transferred(first, second, row[0], col[0], level) for level in (height, height + 10)]
    down, right = ends[1].row - ends[0].row, ends[1].col - ends[0].col
    length = np.hypot(down, right)
    distance: Floats = ((col[1] - ends[0].col) * down - (row[1] - ends[0].row) * right) / length
    return distance


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def directions(
    names: Sequence[str], held: Floats, prior: Floats, effect: Floats, ground: Floats
) -> tuple[Direction, ...]:
    """The directions that are not determined, turned so that each does one thing to the model.

    Parameters
    ----------
    held
        (k, directions), in standard deviations of the priors.
    prior
        (k,): those, pixels.
    effect
        (points, 3, k): what points move east, north, up for a standard deviation of each unknown.
    ground
        (points, 3): longitude, latitude, height.
    """
    moved = _surface(effect, ground)
    # What moves the whole comes first, then what tilts it; the rest does nothing to it.
    _, sizes, turned = np.linalg.svd(moved @ held)
    found = []
    for number, size in enumerate(sizes):
        if size < LEAST_EFFECT_M:
            continue
        vector = held @ turned[number]
        change = moved @ vector
        # Its sign is nobody's business; the larger part is shown as positive.
        sign = np.sign(change[np.argmax(abs(change))])
        shifts = (sign * vector * prior).reshape(-1, TERMS)[:, :2]
        found.append(_direction(names, sign * change, shifts))
    return tuple(found)


def _surface(effect: Floats, ground: Floats) -> Floats:
    """What each unknown does to the model: east, north, up (m), slopes of height (m per km)."""
    middle = ground.mean(axis=0)
    scale = np.array(metres_per_degree(float(middle[1]), float(middle[2]))) / 1000
    plane = np.column_stack([np.ones(len(ground)), (ground[:, :2] - middle[:2]) * scale])
    slopes = np.linalg.lstsq(plane, effect[:, 2], rcond=None)[0][1:]
    return np.vstack([effect.mean(axis=0), slopes])


def _direction(names: Sequence[str], change: Floats, shifts: Floats) -> Direction:
    east, north, up = (float(value) for value in change[:3])
    tilt = float(np.hypot(*change[3:]))
    flat = float(np.hypot(east, north))
    images = " and ".join([", ".join(names[:-1]), names[-1]])
    if max(abs(up), flat) < tilt / 10:
        text = f"shear or stretch of {images}: the model may be tilted by {tilt:.2f} m per km"
    elif abs(up) > flat:
        text = (
            f"shifts of {images} against one another along the epipolar direction: the model may "
            f"be {abs(up):.1f} m too high or too low"
        )
    else:
        azimuth = np.degrees(np.arctan2(east, north)) % 180
        text = (
            f"a common shift of {images} along azimuth {azimuth:.0f}: the model may be off by "
            f"{flat:.1f} m"
        )
    pairs = tuple((float(row), float(col)) for row, col in shifts)
    return Direction(text, east, north, up, tilt, pairs)


def model_sigma(vectors: Floats, variance: Floats, effect: Floats, ground: Floats) -> ModelSigma:
    """How wrong the surface model may be; parameters as for `directions`, all directions given."""
    parts = _surface(effect, ground) @ vectors
    covariance = (parts * variance) @ parts.T
    return ModelSigma(
        float(np.sqrt(covariance[0, 0] + covariance[1, 1])),
        float(np.sqrt(covariance[2, 2])),
        float(np.sqrt(np.linalg.eigvalsh(covariance[3:, 3:]).max())),
    )
