"""The surface model while it is made: scratch planes on the output grid, and what belongs to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.geometry.adjustment import Report
from core.geometry.datum import HeightDatum
from core.geometry.rpc import Rpc
from core.io.planes import Plane
from core.pipelines.dsm_opt.area import Target
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.pairing import ImagePair
from core.tiling import Window

PLANES: dict[str, DTypeLike] = {
    "height": np.float32,
    "error": np.float32,
    "intersection": np.float32,
    "score": np.float32,
    "pairs": np.uint8,
    "reasons": np.uint16,
}
"""What is known of each cell, and how it is stored.

``height``
    Metres above the ellipsoid.
``error``
    Standard deviation of the height, metres.
``intersection``
    Distance of the lines of sight where they come closest, metres, unsigned.
``score``
    Correlation of the matched windows, -1 to 1.
``pairs``
    Pairs of images whose heights were used.
``reasons``
    Bits of :class:`core.reasons.Reason`; 0 exactly where there is a height.

The measured quantities are NaN where nothing was measured.
"""


@dataclass(frozen=True)
class Surface:
    """Planes on the output grid; may be sent to other processes.

    Parameters
    ----------
    planes
        By the names of :data:`PLANES`.
    """

    planes: dict[str, Plane]

    @classmethod
    def create(cls, folder: Path, shape: tuple[int, int]) -> Self:
        """Planes in a folder of their own; what was never written reads as 0."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls({name: Plane(folder / name, shape, dtype) for name, dtype in PLANES.items()})

    def read(self, name: str, window: Window) -> NDArray[Any]:
        """A plane's values in a window inside the grid."""
        return self.planes[name].read(window)

    def write(self, window: Window, values: dict[str, NDArray[Any]]) -> None:
        """Put a tile's values, one array per plane, into its window."""
        for name, plane in self.planes.items():
            plane.write(window, values[name])

    def close(self) -> None:
        """Close and delete the files."""
        for plane in self.planes.values():
            plane.close()
            plane.path.unlink(missing_ok=True)


class Consistency(NamedTuple):
    """How one pair's heights differ from the weighted mean of the other pairs', cells of both.

    Parameters
    ----------
    pair
        Key of the pair.
    cells
        Compared.
    median_m, nmad_m
        Of the differences.
    """

    pair: str
    cells: int
    median_m: float
    nmad_m: float


@dataclass(frozen=True)
class Model:
    """A finished surface and what is to be told of it.

    Parameters
    ----------
    images, pairs
        That it was made from.
    target
        Its grid and the wanted part.
    datum
        What its heights are to be counted from in the products.
    surface
        Its planes, heights above the ellipsoid.
    rpcs
        Refined models of the images, for all of their pixels.
    report
        What the refinement did; None where none was wanted.
    between
        Agreement of the pairs.
    notes
        What the user should know, a sentence each.
    """

    images: Sequence[Image]
    pairs: Sequence[ImagePair]
    target: Target
    datum: HeightDatum
    surface: Surface
    rpcs: Sequence[Rpc]
    report: Report | None = None
    between: tuple[Consistency, ...] = ()
    notes: tuple[str, ...] = ()
