"""The pixels of an image on scratch: reduced for the overview, and full where they are matched."""

from dataclasses import dataclass
from pathlib import Path

from core.io.products.stereo import View, unpacked
from core.io.products.stereo.pieces import levels
from core.io.products.stereo.staging import StagedImage, averaged, stage
from core.progress import QUIET, Progress
from core.tiling import Window, whole

BESIDE_PX = 128
"""Pixels beside a window that may turn out to be wanted too: refined models place its ground
elsewhere, and the coarse ground may end a little above or below what was looked for."""


@dataclass(frozen=True)
class Supply:
    """Decodes an image.

    No block of its files is decoded twice at one resolution.  The reduced resolutions of JPEG 2000
    serve for the overview, so that full resolution is decoded only where it is matched.  Other
    images, and small ones, of which all is matched, are decoded once, and averaged.

    Parameters
    ----------
    view
        Its pixels lie in no archive.
    window
        The pixels that may be wanted.
    factor
        By which the overview is reduced.
    level
        The resolution that the overview is made from.
    all_bands
        Whether all bands are wanted, not only what is matched.
    folder
        Of the planes.
    """

    view: View
    window: Window
    factor: int
    level: int
    all_bands: bool
    folder: Path

    def overview(self, progress: Progress = QUIET) -> StagedImage:
        """The window reduced."""
        if self.level == 1:
            source = self._all(progress)
        else:
            source = stage(
                self.view,
                self.window,
                self.folder / "reduced",
                level=self.level,
                multiple=self.factor,
                progress=progress,
            )
        return averaged(source, self.window, self.factor, self.folder / "overview")

    def full(self, window: Window, progress: Progress = QUIET) -> StagedImage:
        """A window at full resolution; of what may be wanted, or a little beside it."""
        if self.level == 1:
            return self._all(progress).part(window)
        return stage(
            self.view,
            window,
            self.folder / "full",
            all_bands=self.all_bands,
            progress=progress,
        )

    def _all(self, progress: Progress) -> StagedImage:
        """All pixels that may be wanted; decoded at the first call."""
        return stage(
            self.view,
            self.window.pad(BESIDE_PX) & whole(self.view.shape),
            self.folder / "full",
            multiple=self.factor,
            all_bands=self.all_bands,
            progress=progress,
        )


def supply(
    view: View,
    window: Window,
    factor: int,
    scratch: Path,
    name: str,
    *,
    small: bool,
    all_bands: bool,
) -> Supply:
    """What decodes an image.

    Parameters
    ----------
    name
        Of the folder of its planes.
    small
        Whether all of the window is matched, whatever the overview shows.
    """
    view = unpacked(view, scratch / "unpacked")
    fitting = () if small else (level for level in levels(view) if factor % level == 0)
    level = max(fitting, default=1)
    return Supply(view, window, factor, level, all_bands, scratch / name)
