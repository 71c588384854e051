"""An image of several bands: what each shows, and how its numbers become reflectance."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BandMissing
from core.io.class_layers import ClassLayer
from core.io.products.scene import Scene
from core.roles import REFLECTANCE, VISIBLE, Role


@dataclass(frozen=True)
class Scaling:
    """Reflectance := gain x stored number + offset."""

    gain: float
    offset: float = 0.0


@dataclass(frozen=True)
class Band:
    """A band of an image.

    Parameters
    ----------
    scene
        Where its pixels are; its numbers are those that are stored.
    scaling
        To reflectance; None where the image has no physical unit.
    """

    scene: Scene
    scaling: Scaling | None = None

    def numbers(self, stored: NDArray[Any]) -> NDArray[np.uint16]:
        """Reflectance x 10000, or the stored numbers where there is no unit; rounded.

        What lies beyond 0 and 65535 becomes these, NaN becomes 0.
        """
        values = np.asarray(stored, np.float64)
        if self.scaling is not None:
            gain, offset = REFLECTANCE * self.scaling.gain, REFLECTANCE * self.scaling.offset
            values = values * gain + offset
        inside = np.clip(np.rint(values), 0, np.iinfo(np.uint16).max)
        return np.nan_to_num(inside, nan=0.0).astype(np.uint16)


@dataclass(frozen=True)
class Image:
    """The bands of an image, by what they show.

    Parameters
    ----------
    name
        Of the product or file.
    bands
        Each on its own grid: those of a product may have different pixel sizes.
    told
        How it is known what the bands show, in words.
    unused
        Bands of the file that none of this is known of, or that are not needed.
    date
        Day of acquisition (UTC) where known.
    sun
        Azimuth, clockwise from grid north, and elevation of the sun in degrees, where known.
    classes
        The product's own layer of clouds, shadows, snow and water.
    warnings
        What the user should know, one sentence each.
    source
        The file as it came.
    """

    name: str
    bands: dict[Role, Band]
    told: str
    unused: tuple[str, ...] = ()
    date: dt.date | None = None
    sun: tuple[float, float] | None = None
    classes: ClassLayer | None = None
    warnings: tuple[str, ...] = ()
    source: Path = Path()

    @property
    def scaled(self) -> bool:
        """Whether its numbers have a physical unit."""
        return all(band.scaling is not None for band in self.bands.values())


def visible(bands: dict[Role, Band], there: str, *, pointer: str) -> dict[Role, Band]:
    """The bands in the order of the roles, refused where blue, green or red is missing."""
    missing = [role for role in VISIBLE if role not in bands]
    if missing:
        raise BandMissing(
            f"No band for {' and '.join(missing)} was found; the image has {there}.",
            pointer=pointer,
            value=there,
            allowed="bands named by the product, by their descriptions, wavelengths or colours, "
            f"or by the parameter, such as 'blue,green,red,nir'; known are {', '.join(Role)}",
        )
    return {role: bands[role] for role in Role if role in bands}
