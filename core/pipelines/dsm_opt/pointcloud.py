"""The measured points of all tiles as one file."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from pyproj import Transformer

from core.declare import File
from core.grid import GEOGRAPHIC, Grid
from core.io.blockwise import counted
from core.io.pointcloud import MEDIA_TYPE, CloudPoints, write_laz
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.model import Model
from core.pipelines.dsm_opt.surface import tile_points
from core.progress import Progress
from core.tiling import Window
from core.workspace import Context

NAME = "point_cloud.laz"


def write_point_cloud(
    model: Model, parameters: DsmOptParameters, context: Context, progress: Progress
) -> File | None:
    """Write the points that the tiles kept, tile by tile; None where none are wanted."""
    if not parameters.point_cloud:
        return None
    return context.workspace.publish(
        NAME,
        partial(_write, model, context, progress),
        type=MEDIA_TYPE,
        title=f"Measured points, heights above {model.datum.words}",
    )


def _write(model: Model, context: Context, progress: Progress, path: Path) -> None:
    grid = model.target.grid
    windows = list(model.target.tiles())
    found = ((window, _points(model, window, context)) for window in windows)
    told = counted(found, len(windows), progress, "writing points, tile")
    chunks: Iterator[CloudPoints] = (points for _, points in told)
    write_laz(path, chunks, model.datum.compound(grid.crs), _origin(grid))


def _points(model: Model, window: Window, context: Context) -> CloudPoints:
    """A tile's points with heights above the wanted datum.

    Those without an error or a score, at the edges of images, are no part of the surface either;
    others may lie where the datum is not defined.
    """
    points = tile_points(window, context)
    if model.datum.system is not None:
        project = Transformer.from_crs(model.target.grid.crs, GEOGRAPHIC, always_xy=True)
        lon, lat = project.transform(points[:, 0], points[:, 1])
        points[:, 2] = model.datum.above(lon, lat, points[:, 2])
    complete = np.isfinite(points).all(axis=1)
    return CloudPoints(*(points if complete.all() else points[complete]).T)


def _origin(grid: Grid) -> tuple[int, int, int]:
    """Whole metres in the middle of the grid, at height 0."""
    west, south, east, north = grid.bounds
    return round((west + east) / 2), round((south + north) / 2), 0
