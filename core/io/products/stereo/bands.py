"""All bands of a window of a view on scratch: decoded once, then read by any window."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.io.planes import Plane
from core.io.products.stereo.pieces import Piece, known_in, pieces
from core.io.products.stereo.view import View
from core.progress import QUIET, Progress
from core.tiling import Window, whole


class BandPixels(NamedTuple):
    """A window of an image.

    Parameters
    ----------
    values
        float32, (bands, rows, cols); 0 where there is no data.
    weights
        float32, (rows, cols): 1 where there is data and 0 elsewhere.
    """

    values: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StagedBands:
    """All bands of a window of an image; may be sent to other processes.

    Parameters
    ----------
    window
        The pixels of the image that are there.
    bands
        Their stored values.
    known
        1 where there is data.
    """

    window: Window
    bands: tuple[Plane, ...]
    known: Plane

    def read(self, window: Window) -> BandPixels:
        """A window of the image; what lies outside has no data."""
        values = np.zeros((len(self.bands), *window.shape), np.float32)
        weights = np.zeros(window.shape, np.float32)
        inside = window & self.window
        if not inside.empty:
            here, there = inside.inside(window).slices, inside.inside(self.window)
            weights[here] = self.known.read(there)
            for band, plane in zip(values, self.bands, strict=True):
                band[here] = plane.read(there)
        values *= weights
        return BandPixels(values, weights)

    def write(self, piece: Piece, nodata: float | None) -> None:
        """Keep a piece of all bands."""
        target = piece.window.inside(self.window)
        known = known_in(piece.bands, nodata)
        self.known.write(target, known)
        for plane, band in zip(self.bands, piece.bands, strict=True):
            plane.write(target, np.where(known, band, 0))


def stage_bands(
    view: View, window: Window, folder: Path, progress: Progress = QUIET
) -> StagedBands:
    """Decode all bands of a window of a view into planes.

    Parameters
    ----------
    view
        Its pixels lie in no archive.
    window
        Pixels of the view; what lies outside of it is left out.
    folder
        Of the planes; made.
    """
    staged = band_planes(view, window & whole(view.shape), folder)
    if staged.window.empty:
        return staged
    done = 0
    for piece in pieces(view, band_numbers(view), staged.window):
        staged.write(piece, view.nodata)
        done += piece.window.height * piece.window.width
        share = done / (staged.window.height * staged.window.width)
        progress.report(share, f"reading {view.name}, {share:.0%}")
    return staged


def band_planes(view: View, window: Window, folder: Path) -> StagedBands:
    """Planes for all bands of a window inside a view, to be written, or written already."""
    folder.mkdir(parents=True, exist_ok=True)
    planes = tuple(
        Plane(folder / f"band{number}", window.shape, view.dtype) for number in band_numbers(view)
    )
    return StagedBands(window, planes, Plane(folder / "known", window.shape, np.uint8))


def band_numbers(view: View) -> range:
    """Of all bands, from 1."""
    return range(1, len(view.bands) + 1)
