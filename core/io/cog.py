"""Writes cloud-optimised GeoTIFFs, in bounded memory and whole or not at all."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.shutil import copy

from core.errors import Cancelled, DiskFull
from core.grid import Grid
from core.io.gdal import BLOCK, created, raster_window, writing
from core.tiling import Window, tiles

if TYPE_CHECKING:
    from core.declare import RasterProduct

SIDE = 1024
"""Rows and columns that are asked for and written at once."""

COMPRESSION = {"COMPRESS": "DEFLATE", "LEVEL": "1", "PREDICTOR": "YES"}
"""Measured in docs/decisions/0007-cog-compressor.md."""

PLAIN = 0.5
"""Part of the time after which the uncompressed image stands."""
LOOK_S = 1.0
"""Seconds between looks at how far the compressed image is."""
SHRINKS = 0.8
"""Bytes of image and overviews, while they are made, over those of the uncompressed image."""

Advance = Callable[[float], None]
"""Is told the part of the work that is done, 0 to 1; may raise ``Cancelled``."""

Source = Callable[[Window], NDArray[Any]]
"""Gives the pixels of a window of the product: (rows, cols), or (bands, rows, cols)."""


def power_of_two(step: float) -> float:
    """The largest power of two that is not above `step`, which is positive.

    >>> power_of_two(0.03), power_of_two(0.5), power_of_two(1 / 1000)
    (0.015625, 0.5, 0.0009765625)
    """
    return math.ldexp(1.0, math.frexp(step)[1] - 1)


def rounded(values: NDArray[Any], step: float) -> NDArray[np.float32]:
    """Values rounded to multiples of `step`, a power of two, so that they compress; NaN stays."""
    scaled: NDArray[np.float32] = np.multiply(values, np.float32(1.0 / step), dtype=np.float32)
    np.rint(scaled, out=scaled)
    scaled *= np.float32(step)
    # Adding zero turns a negative zero into zero.
    scaled += np.float32(0)
    return scaled


def write_cog(
    path: Path,
    read: Source,
    grid: Grid,
    product: "RasterProduct",
    *,
    tags: Mapping[str, object],
    step: float | None = None,
    scratch: Path,
    overviews: Literal["average", "nearest"] = "average",
    description: str = "",
    bands: Sequence[str] = (),
    advance: Advance = lambda done: None,  # noqa: ARG005
) -> None:
    """Write one band, or several, as a cloud-optimised GeoTIFF with overviews.

    The file appears under `path` when it is complete, never before.

    Parameters
    ----------
    path
        The file to make; its folder exists.
    read
        Called for windows of the grid, row by row, in this thread.
    grid
        Pixels on the ground.
    product
        Unit, sign, dtype and nodata value, written as the declaration says.
    tags
        Further metadata of the dataset.
    step
        Values are rounded to multiples of the power of two not above this; None leaves them.
    scratch
        Folder for the uncompressed image (as large as the product).
    overviews
        How coarser images are made: averages, or nearest for bits and classes.
    description
        What the only band holds.
    bands
        What each of several bands holds; `read` then gives (bands, rows, cols).
    advance
        Told how far the work is, from this thread and from another one, never at the same time.
    """
    step = None if step is None else power_of_two(step)
    partial = path.with_name(path.name + ".part")
    try:
        with TemporaryDirectory(dir=scratch, prefix="cog-") as folder, writing(path.name):
            plain = Path(folder, "plain.tif")
            _write_plain(
                plain,
                read,
                grid,
                product,
                step,
                tuple(bands) or (description,),
                _tags(product, tags, step),
                advance,
            )
            with _watched(plain, partial, advance):
                _compress(plain, partial, overviews)
            _check_complete(partial, path.name)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _tags(
    product: "RasterProduct", tags: Mapping[str, object], step: float | None
) -> dict[str, str]:
    told = {"UNIT": product.unit, "SIGN": product.sign}
    if step is not None:
        told["ROUNDED_TO"] = repr(step)
    return {
        key: str(value) for key, value in (told | dict(tags)).items() if value not in (None, "")
    }


def _write_plain(
    path: Path,
    read: Source,
    grid: Grid,
    product: "RasterProduct",
    step: float | None,
    bands: tuple[str, ...],
    tags: dict[str, str],
    advance: Advance,
) -> None:
    with created(
        path,
        grid,
        count=len(bands),
        dtype=product.dtype,
        nodata=product.nodata,
        # Of four bands of bytes GDAL would take the last for transparency.
        PHOTOMETRIC="MINISBLACK",
        ALPHA="NO",
        BIGTIFF="IF_SAFER",
    ) as target:
        target.update_tags(**tags)
        target.units = (product.unit,) * len(bands)
        if any(bands):
            target.descriptions = bands
        for tile in tiles(grid.shape, SIDE):
            values = read(tile.core)
            if step is not None:
                values = rounded(values, step)
            target.write(
                values.astype(product.dtype, copy=False).reshape(-1, *tile.core.shape),
                window=raster_window(tile.core),
            )
            advance(PLAIN * (tile.number + 1) / tile.count)


def _compress(plain: Path, partial: Path, overviews: Literal["average", "nearest"]) -> None:
    copy(
        plain,
        partial,
        driver="COG",
        BLOCKSIZE=BLOCK,
        BIGTIFF="IF_SAFER",
        OVERVIEWS="IGNORE_EXISTING",
        OVERVIEW_RESAMPLING=overviews.upper(),
        NUM_THREADS="1",
        **COMPRESSION,
    )


@contextmanager
def _watched(plain: Path, partial: Path, advance: Advance) -> Iterator[None]:
    """Tell how far GDAL is, which says nothing itself, by the bytes that it has written."""
    over, stopped = Event(), []
    whole = max(1.0, SHRINKS * plain.stat().st_size)

    def look() -> None:
        while not over.wait(LOOK_S):
            made = sum(file.stat().st_size for file in partial.parent.glob(partial.name + "*"))
            try:
                advance(PLAIN + (1 - PLAIN) * min(made / whole, 1.0))
            except Cancelled as error:
                stopped.append(error)
                return

    watcher = Thread(target=look, name="cog", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    if stopped:
        raise stopped[0]


def _check_complete(path: Path, name: str) -> None:
    """Read the last block of each level: GDAL does not always tell that the disk was full."""
    with rasterio.open(path, driver="GTiff") as whole:
        levels = len(whole.overviews(1))
    for level in range(-1, levels):
        options = {} if level < 0 else {"overview_level": level}
        with rasterio.open(path, driver="GTiff", **options) as image:
            corner = raster_window(Window(image.height - 1, image.width - 1, 1, 1))
            try:
                image.read(1, window=corner)
            except rasterio.errors.RasterioError as error:
                raise DiskFull(f"{name} could not be written whole.") from error
