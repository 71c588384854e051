"""What is true of a simulated scene on any lattice: heights, who sees what, and what it is."""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import ndimage

from core.grid import Grid
from core.simulate.stereo.rational import ImagePoints, Points
from core.simulate.stereo.rays import GROUND, box_at
from core.simulate.stereo.scenes import Scene
from core.simulate.stereo.sensor import SATURATED
from core.simulate.stereo.views import View

CLOUDY = 0.02
"""Opacity from which on a pixel counts as cloudy."""
AROUND_PX = 2
"""Cloud and saturation are widened by what blur and a small window reach."""
AROUND_CAR_M = 2.0
"""A car's shadow, what it hides, and the window that catches it."""
EDGE_STEP_M = 2.0
"""A step in height that counts as the edge of a building."""


class Cover(IntFlag):
    """What lies on a cell, or on the way to it in one view at least."""

    WATER = 1
    CLOUD = 2
    SATURATED = 4
    MOVED = 8
    BUILDING = 16


UNFIT = Cover.WATER | Cover.CLOUD | Cover.SATURATED | Cover.MOVED
"""Where nothing can be asked of a matcher."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth at the centres of a grid's cells.

    Parameters
    ----------
    grid
        In the projection of the scene.
    height
        Of the surface without cars above the ellipsoid, metres.
    seen
        Per view, where the cell's centre lies in the image (without jitter), inside or not.
    visible
        Per view, whether its line of sight is free; ``[view, row, col]``.
    cover
        `Cover` as bits.
    edge_m
        Distance to the nearest edge of a building; infinity without any.
    shapes
        Rows and columns of the images.
    """

    grid: Grid
    height: Points
    seen: tuple[ImagePoints, ...]
    visible: NDArray[np.bool_]
    cover: NDArray[np.uint8]
    edge_m: NDArray[np.float32]
    shapes: tuple[tuple[int, int], ...]

    def inside(self, margin_px: float = 0.0) -> NDArray[np.bool_]:
        """Per view, whether a cell lies so far inside the image."""
        return np.stack(
            [
                (np.minimum(place.row, rows - 1 - place.row) >= margin_px)
                & (np.minimum(place.col, cols - 1 - place.col) >= margin_px)
                for place, (rows, cols) in zip(self.seen, self.shapes, strict=True)
            ]
        )

    def measurable(self, margin_px: float = 8.0) -> NDArray[np.bool_]:
        """Cells that two views at least truly see and that hold nothing unfit."""
        views = (self.visible & self.inside(margin_px)).sum(axis=0)
        fit = (self.cover & np.uint8(UNFIT)) == 0
        return np.asarray((views >= 2) & fit)


def truth(scene: Scene, views: tuple[View, ...], grid: Grid) -> Truth:
    """The truth of a scene and its images on a grid."""
    if grid.system != Grid((1, 1), grid.transform, scene.crs).system:
        message = f"the truth is known in {scene.crs}, not in {grid.crs}"
        raise ValueError(message)
    rows, cols = np.mgrid[: grid.shape[0], : grid.shape[1]]
    x, y = grid.transform @ (cols + 0.5, rows + 0.5)
    height = scene.height(x, y)
    to_geographic = Transformer.from_crs(scene.crs, "OGC:CRS84", always_xy=True)
    lon, lat = to_geographic.transform(x, y)
    seen = tuple(view.camera.project(lon, lat, height) for view in views)
    visible = [_free(view, place, height) for view, place in zip(views, seen, strict=True)]
    return Truth(
        grid,
        height,
        seen,
        np.stack(visible),
        _cover(scene, views, seen, x - scene.origin[0], y - scene.origin[1]),
        _edge_distance(scene, grid),
        tuple(view.camera.shape for view in views),
    )


def _free(view: View, place: ImagePoints, height: Points) -> NDArray[np.bool_]:
    """Visibility inside the image; outside of it the lines of sight are not known."""
    rows, cols = view.camera.shape
    inside = (place.row > -1) & (place.row < rows) & (place.col > -1) & (place.col < cols)
    free = np.zeros(height.shape, np.bool_)
    free[inside] = view.sees(place.row[inside], place.col[inside], height[inside])
    return free


def _cover(
    scene: Scene, views: tuple[View, ...], seen: tuple[ImagePoints, ...], x: Points, y: Points
) -> NDArray[np.uint8]:
    cover = np.zeros(x.shape, np.uint8)
    cover[scene.flooded(x.ravel(), y.ravel()).reshape(x.shape)] |= np.uint8(Cover.WATER)
    solid = scene.solid
    cover[box_at(solid, x.ravel(), y.ravel()).reshape(x.shape) != GROUND] |= np.uint8(
        Cover.BUILDING
    )
    for view, place in zip(views, seen, strict=True):
        for flag, pixels in (
            (Cover.CLOUD, view.cloud > CLOUDY),
            (Cover.SATURATED, view.image >= SATURATED),
        ):
            wide = ndimage.maximum_filter(pixels, 2 * AROUND_PX + 1)
            cover[_sampled(wide, place)] |= np.uint8(flag)
        if view.look.cars:
            _mark_cars(cover, scene.cars(view.look.number), x, y)
    return cover


def _sampled(pixels: NDArray[np.bool_], place: ImagePoints) -> NDArray[np.bool_]:
    """The nearest pixel's value, false outside the image."""
    row, col = (np.rint(np.clip(values, -2, 1e6)).astype(np.int64) for values in place)
    rows, cols = pixels.shape
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    result = np.zeros(row.shape, np.bool_)
    result[inside] = pixels[row[inside], col[inside]]
    return result


def _mark_cars(cover: NDArray[np.uint8], cars: Points, x: Points, y: Points) -> None:
    """`x` grows along columns and `y` falls along rows, as on every grid without rotation."""
    east, south = x[0], -y[:, 0]
    for car in cars:
        reach = car[4] + car[5] + AROUND_CAR_M
        cols = slice(*np.searchsorted(east, (car[0] - reach, car[0] + reach)))
        rows = slice(*np.searchsorted(south, (-car[1] - reach, -car[1] + reach)))
        across, along = x[rows, cols] - car[0], y[rows, cols] - car[1]
        u = np.abs(across * car[2] + along * car[3])
        v = np.abs(along * car[2] - across * car[3])
        near = (u < car[4] + AROUND_CAR_M) & (v < car[5] + AROUND_CAR_M)
        cover[rows, cols][near] |= np.uint8(Cover.MOVED)


def _edge_distance(scene: Scene, grid: Grid) -> NDArray[np.float32]:
    """Measured on a lattice of half the cells' size."""
    pixel = grid.pixel_size[0]
    rows, cols = np.mgrid[: 2 * grid.shape[0] + 1, : 2 * grid.shape[1] + 1]
    x, y = grid.transform @ (cols / 2, rows / 2)
    surface = scene.height(x, y)
    step = ndimage.maximum_filter(surface, 3) - ndimage.minimum_filter(surface, 3)
    # A steep slope is no edge: only what buildings add counts.
    local = (x - scene.origin[0]).ravel(), (y - scene.origin[1]).ravel()
    built = box_at(scene.solid, *local).reshape(x.shape) != GROUND
    edge = (step > EDGE_STEP_M) & ndimage.maximum_filter(built, 3)
    if not edge.any():
        return np.full(grid.shape, np.inf, np.float32)
    distance = ndimage.distance_transform_edt(~edge) * (pixel / 2)
    return np.asarray(distance[1::2, 1::2], np.float32)
