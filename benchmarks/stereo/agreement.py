"""How far two models of a real place agree, where there is no truth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.transform import RPCTransformer
from scipy import ndimage

from benchmarks.stereo.judge import RIGHT_M, Heights, Mask, Model, nmad, percent, placement

GDAL_CORNER_PX = 0.5
"""rasterio counts from the corner of the first pixel, RPC00B from its centre."""


def agreement(first: Model, second: Model) -> dict[str, float]:
    """Differences as they are, mean of both orders; nothing is shifted and no median removed."""
    orders = [_difference(first, second), _difference(second, first)]
    names = [name for name in orders[0] if name in orders[1]]
    # Median, shift and tilt change their sign with the order.
    signs = {name: -1.0 if name in ("bias_m", "east_m", "north_m") else 1.0 for name in names}
    return {name: (orders[0][name] + signs[name] * orders[1][name]) / 2 for name in names}


def _difference(model: Model, other: Model) -> dict[str, float]:
    error = model.height - _resampled(other, model)
    both = np.isfinite(error)
    centred = error[both] - np.median(error[both])
    pixel = model.grid.pixel_size[0]
    return {
        "nmad_m": nmad(error[both]),
        "within_1_m_percent": percent(np.abs(centred) <= RIGHT_M),
        "cells": float(both.sum()),
        **placement(error, _smooth(model), both, pixel),
    }


def _smooth(model: Model) -> Heights:
    """Smoothed, since the slopes of single cells are noise."""
    weight = ndimage.gaussian_filter(model.valid.astype(np.float64), 2.0)
    height = ndimage.gaussian_filter(np.where(model.valid, model.height, 0.0), 2.0)
    return np.where(model.valid, height / np.maximum(weight, 1e-3), np.nan)


def _resampled(other: Model, onto: Model) -> Heights:
    """Bilinear; NaN where one of the four cells is."""
    rows, cols = np.mgrid[: onto.grid.shape[0], : onto.grid.shape[1]]
    x, y = onto.grid.transform @ (cols + 0.5, rows + 0.5)
    col, row = ~other.grid.transform @ (x, y)
    place = [row - 0.5, col - 0.5]
    weight = ndimage.map_coordinates(other.valid.astype(np.float64), place, order=1)
    height = np.where(other.valid, other.height, 0.0)
    found = ndimage.map_coordinates(height, place, order=1)
    return np.where(weight > 1 - 1e-6, found, np.nan)


def slope_p95(model: Model, among: Mask) -> float:
    """The 95th percentile of the slope of the cells, metres per metre: a blurred model has less."""
    down, right = np.gradient(model.height) / np.float64(model.grid.pixel_size[0])
    slope = np.hypot(down, right)[among]
    return float(np.nanpercentile(slope, 95))


def seen(model: Model, images: Sequence[Path]) -> Mask:
    """Cells that lie in two images at least, holes of the model filled from beside them."""
    nearest = ndimage.distance_transform_edt(
        ~model.valid, return_distances=False, return_indices=True
    )
    height = model.height[tuple(nearest)]
    rows, cols = np.mgrid[: height.shape[0], : height.shape[1]]
    x, y = model.grid.transform @ (cols + 0.5, rows + 0.5)
    lon, lat = Transformer.from_crs(model.grid.crs, "OGC:CRS84", always_xy=True).transform(x, y)
    count = np.zeros(height.shape, np.int64)
    for path in images:
        with rasterio.open(path) as dataset, RPCTransformer(dataset.rpcs) as transformer:
            row, col = (
                np.asarray(part).reshape(height.shape) - GDAL_CORNER_PX
                for part in transformer.rowcol(
                    lon.ravel(), lat.ravel(), height.ravel(), op=lambda value: value
                )
            )
            count += (
                (row >= 0) & (row <= dataset.height - 1) & (col >= 0) & (col <= dataset.width - 1)
            )
    return count >= 2
