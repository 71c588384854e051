"""The scene on scratch: bands of both dates, why pixels are not known, heights, drainage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from core.change.scene import Date, Drainage, Layers, Sun
from core.grid import Grid
from core.io.planes import Plane
from core.pipelines.aladim.lattice import anchor_of
from core.roles import Role
from core.tiling import Window


@dataclass(frozen=True)
class Stack:
    """Planes on the lattice of the image after.  May be sent to other processes.

    Parameters
    ----------
    grid
        The pixels.
    pixel_m
        Side of a pixel.
    bands
        Reflectance x 10000 or stored numbers, uint16.
    reasons
        Why a pixel is not known, uint32; 0 where it is.
    clear
        How many images of a date are clear, uint8.
    suns
        Of the dates whose sun is known.
    height
        Metres, float32, NaN where there is none; None without an elevation model.
    drainage
        Contributing area and height above the channel, float32; None without one.
    """

    grid: Grid
    pixel_m: float
    bands: Mapping[tuple[Date, Role], Plane]
    reasons: Plane
    clear: Mapping[Date, Plane]
    suns: Mapping[Date, Sun]
    height: Plane | None = None
    drainage: tuple[Plane, Plane] | None = None

    @classmethod
    def create(
        cls,
        folder: Path,
        grid: Grid,
        pixel_m: float,
        kinds: Sequence[tuple[Date, Role]],
        suns: Mapping[Date, Sun],
    ) -> Self:
        """Empty planes in a new folder; without heights."""
        folder.mkdir(parents=True)

        def plane(name: str, dtype: type[np.generic]) -> Plane:
            return Plane(folder / name, grid.shape, dtype)

        return cls(
            grid=grid,
            pixel_m=pixel_m,
            bands={(date, role): plane(f"{date}_{role}", np.uint16) for date, role in kinds},
            reasons=plane("reasons", np.uint32),
            clear={date: plane(f"{date}_clear", np.uint8) for date, _ in kinds},
            suns=suns,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.shape

    @property
    def dates(self) -> tuple[Date, ...]:
        """The dates that there are."""
        return tuple(date for date in Date if date in self.clear)

    @property
    def roles(self) -> tuple[Role, ...]:
        """What is known at every date."""
        return tuple(role for role in Role if (Date.AFTER, role) in self.bands)

    @property
    def folder(self) -> Path:
        """Where the planes are."""
        return self.reasons.path.parent

    def with_terrain(self, *, drained: bool) -> Self:
        """The same scene with planes for heights, and for the drainage where it is wanted."""
        names = ("drained_area", "above_channel")
        area, above = (Plane(self.folder / name, self.shape, np.float32) for name in names)
        height = Plane(self.folder / "height", self.shape, np.float32)
        return replace(self, height=height, drainage=(area, above) if drained else None)

    def layers(self, window: Window) -> Layers:
        """What a window holds; it lies inside."""
        row, col = anchor_of(self.grid)

        def bands(date: Date) -> dict[Role, np.ndarray[tuple[int, int], np.dtype[np.uint16]]]:
            return {role: self.bands[date, role].read(window) for role in self.roles}

        drainage = self.drainage
        return Layers(
            after=bands(Date.AFTER),
            before=bands(Date.BEFORE) if Date.BEFORE in self.dates else None,
            known=self.reasons.read(window) == 0,
            height=None if self.height is None else self.height.read(window),
            pixel_m=self.pixel_m,
            anchor=(row + window.row, col + window.col),
            suns=self.suns,
            drainage=None if drainage is None else Drainage(*(p.read(window) for p in drainage)),
        )

    def close(self) -> None:
        """Close the files."""
        planes = [*self.bands.values(), self.reasons, *self.clear.values(), *(self.drainage or ())]
        for plane in [*planes, *([self.height] if self.height else [])]:
            plane.close()
