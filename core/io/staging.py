"""Brings a scene's pixels into a form that windows can be read from quickly, once per scene.

JPEG 2000 takes a second of computing for a window, a member of an archive is unpacked again for
each, and whether a zero belongs to the empty margin can be told only from the whole image.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadRaster
from core.io.archives import unpacked
from core.io.clouds import staged_cloud
from core.io.gdal import created, opened, raster_window, writing
from core.io.products.scene import Scene
from core.io.reader import Reader
from core.progress import QUIET, Progress
from core.tiling import Window

if TYPE_CHECKING:
    from core.io.border import BorderZeros

ROWS = 1024
"""Rows that are worked on at once, one row of tiles of a Sentinel-2 band; fewer of wide images."""
STRIP_BYTES = 64 << 20
LARGE_BLOCK = 32 << 20
"""Bytes of a decoded block above which a window costs more to unpack than to compute."""


def stage(scene: Scene, path: Path, progress: Progress = QUIET) -> Scene:
    """A scene with the same pixels, whose windows are read quickly, its cloud layer too.

    Parameters
    ----------
    scene
        As it was opened.
    path
        The file to make where one is needed: tiled, not compressed, and with a mask if zeros at
        the border turn out to be the empty margin.  The cloud layer lies beside it.
    progress
        Told after each strip of rows: JPEG 2000 takes a dozen seconds for a full tile.

    Returns
    -------
    Scene
        The scene itself where it needs nothing.  ``zero_border`` is settled.

    Raises
    ------
    BadRaster
        No pixel has a value, or the file is damaged.
    """
    scene = staged_cloud(scene, path.with_name(f"{path.stem}.cloud.tif"))
    if _slow(scene):
        scene = _copied(scene, path, progress.part(0.0, 0.8))
    if scene.zero_border:
        return _margin_resolved(scene, path, progress.part(0.8, 1.0))
    if not any(known.any() for _, _, known in _strips(scene, progress.part(0.8, 1.0))):
        raise _empty(scene)
    return scene


def _empty(scene: Scene) -> BadRaster:
    return BadRaster(
        f"No pixel of {scene.name} has a value.",
        pointer=scene.pointer,
        allowed="an image with data",
    )


def _slow(scene: Scene) -> bool:
    if scene.archived or scene.block_bytes > LARGE_BLOCK:
        return True
    with opened(scene.path, pointer=scene.pointer) as dataset:
        return bool(dataset.driver != "GTiff")


def _strips(
    scene: Scene, progress: Progress
) -> Iterator[tuple[Window, NDArray[Any], NDArray[np.bool_]]]:
    """All pixels as they are stored, from top to bottom, and which have a value."""
    with Reader(scene) as reader:
        height, width = scene.grid.shape
        rows = max(1, min(ROWS, STRIP_BYTES // (width * np.dtype(scene.dtype).itemsize)))
        for row in range(0, height, rows):
            window = Window(row, 0, min(rows, height - row), width)
            yield window, *reader.stored(window)
            progress.report((row + window.height) / height, f"reading {scene.name}")


def _copied(scene: Scene, path: Path, progress: Progress) -> Scene:
    """A copy on scratch, tiled and not compressed."""
    masked = scene.validity in ("mask", "alpha")
    packed = path.with_name(path.name + ".packed")
    with (
        unpacked(scene.path, packed, pointer=scene.pointer) as near,
        writing("a copy of an image"),
        _target(scene, path) as target,
    ):
        for window, stored, known in _strips(replace(scene, path=near), progress):
            _put(target, window, stored, known if masked else None)
    validity = "mask" if masked else scene.validity
    return replace(scene, path=str(path), band=1, alpha=None, validity=validity, block_bytes=0)


def _target(scene: Scene, path: Path) -> Any:
    return created(path, scene.grid, dtype=scene.dtype, BIGTIFF="IF_SAFER")


def _put(
    target: Any, window: Window, stored: NDArray[Any], known: NDArray[np.bool_] | None
) -> None:
    part = raster_window(window)
    target.write(stored, 1, window=part)
    if known is not None:
        target.write_mask(known, window=part)


def _margin_resolved(scene: Scene, path: Path, progress: Progress) -> Scene:
    """The scene with its margin of zeros masked, if it has one."""
    # Compiled: half a second to import, which an inspection does not have.
    from core.io.border import BorderZeros

    border = BorderZeros(scene.grid.shape)
    anything, filled = False, 0
    for _, stored, known in _strips(scene, progress.part(0.0, 0.5)):
        border.feed(stored == 0)
        anything |= bool((known & (stored != 0)).any())
        filled += int(np.count_nonzero(~known))
    if not anything:
        raise _empty(scene)
    notes = scene.warnings
    if scene.nodata is not None and filled:
        note = (
            f"{filled} pixels of {scene.name} are {scene.nodata:g} and were taken for no data, "
            "because the file does not say what marks no data."
        )
        notes = (*notes, note)
    resolved = replace(scene, zero_border=False, warnings=notes)
    return _masked(resolved, border, path, progress) if border.found else resolved


def _masked(scene: Scene, border: "BorderZeros", path: Path, progress: Progress) -> Scene:
    """A copy whose mask leaves out the zeros connected with the border."""
    partial = path.with_name(path.name + ".masked")
    margin = 0
    with writing("a copy of an image"), _target(scene, partial) as target:
        for window, stored, known in _strips(scene, progress.part(0.5, 1.0)):
            zeros = border.mask(stored == 0)
            margin += int(np.count_nonzero(zeros))
            _put(target, window, stored, known & ~zeros)
    partial.replace(path)
    share = margin / (scene.grid.shape[0] * scene.grid.shape[1])
    note = (
        f"{margin} pixels of {scene.name} ({share:.1%}) are exactly 0 and connected with the "
        "border; they were taken for no data, because the file does not say what marks no data."
    )
    return replace(
        scene,
        path=str(path),
        band=1,
        alpha=None,
        validity="mask",
        block_bytes=0,
        warnings=(*scene.warnings, note),
    )
