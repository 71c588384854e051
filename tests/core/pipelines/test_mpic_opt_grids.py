"""Half pixels, lattices, steps and areas of interest."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from scipy import ndimage

from core.simulate.fault import texture

SHAPE = (320, 360)
CORNER = (400000.0, 4700000.0)
NORTH_UP = Affine(10, 0, CORNER[0], 0, -10, CORNER[1])

UNFILTERED = {
    "coregistration": False,
    "deramp": False,
    "minimum_score": 0.0,
    "forward_backward_tolerance": 0.0,
    "outlier_window": 0,
    "minimum_patch": 0,
    "maximum_displacement": 0.0,
}


def wavy(shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """A pair whose ground moves in waves of up to 1.5 px, uint16."""
    after = texture(shape, 3).astype(float)
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    waves = 1.5 * np.sin(cols / 40) * np.cos(rows / 55)
    before = ndimage.map_coordinates(after, [rows + waves, cols - waves], order=5, mode="grid-wrap")
    return tuple(np.rint(np.clip(part, 1, None)).astype(np.uint16) for part in (before, after))  # type: ignore[return-value]


def test_a_coarser_step_shows_the_same_at_the_same_ground(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    before, after = (write(name, part) for name, part in zip("ab", wavy(), strict=True))
    fine, coarse = (measure(before, after, step=step, **UNFILTERED) for step in (1, 8))
    with fine.dataset("displacement_east") as one, coarse.dataset("displacement_east") as eight:
        for row, col in ((3, 4), (20, 30)):
            x, y = eight.xy(row, col)
            assert one.index(x, y) == (8 * row, 8 * col)
            assert one.xy(*one.index(x, y)) == pytest.approx((x, y))
        assert eight.shape == (40, 45)
        for name in ("displacement_east", "displacement_north"):
            difference = fine.raster(name)[::8, ::8] - coarse.raster(name)
            assert np.nanmax(np.abs(difference)) / 10 < 0.02


def test_an_area_of_interest_measures_the_same_as_the_whole(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    shape = (700, 720)
    before, after = (write(name, part) for name, part in zip("ab", wavy(shape), strict=True))
    full = measure(before, after, **UNFILTERED)
    west, north = CORNER[0] + 2003, CORNER[1] - 1507
    bbox = [west, north - 3000, west + 3300, north]
    crs = "http://www.opengis.net/def/crs/EPSG/0/32633"
    part = measure(before, after, aoi={"bbox": bbox, "crs": crs}, **UNFILTERED)
    with part.dataset("displacement_east") as dataset, full.dataset("displacement_east") as whole:
        row, col = whole.index(*dataset.xy(0, 0))
        height, width = dataset.shape
    assert (row, col) == (150, 200)
    assert abs(height - 300) <= 1
    for name in ("displacement_east", "displacement_north"):
        cropped = full.raster(name)[row : row + height, col : col + width]
        measured = part.raster(name)
        assert np.isfinite(measured).mean() > 0.98
        assert np.nanmax(np.abs(cropped - measured)) / 10 < 0.005
    assert not (part.raster("reasons") & 1)[2:-2, 2:-2].any()


def test_a_polygon_is_cut_to_its_outline(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    before, after = (write(name, part) for name, part in zip("ab", wavy(), strict=True))
    to_degrees = Transformer.from_crs("EPSG:32633", "OGC:CRS84", always_xy=True)
    corners = [(400500, 4699500), (402500, 4699500), (401500, 4697500), (400500, 4699500)]
    ring = [list(to_degrees.transform(*corner)) for corner in corners]
    result = measure(before, after, aoi={"type": "Polygon", "coordinates": [ring]}, **UNFILTERED)
    inside = (result.raster("reasons") & 1) == 0
    assert inside.sum() == pytest.approx(200 * 200 / 2, rel=0.01)
    assert (np.isfinite(result.raster("displacement_east")) <= inside).all()


def test_moving_the_grid_of_the_secondary_moves_the_result(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = wavy()
    before, after = write("a", first), write("b", last)
    shifted = write("c", last, NORTH_UP @ Affine.translation(0.35, -0.2))
    plain, moved = (measure(before, secondary, **UNFILTERED) for secondary in (after, shifted))
    with plain.dataset("displacement_east") as dataset:
        step = float(dataset.tags()["ROUNDED_TO"])
    for name, expected in (("displacement_east", 3.5), ("displacement_north", 2.0)):
        difference = moved.raster(name) - plain.raster(name)
        assert np.nanmax(np.abs(difference - expected)) <= step
    assert "apart" in " ".join(moved.pair["notes"])


def test_another_origin_on_the_same_lattice_is_cropped_not_resampled(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = wavy()
    before, after = write("a", first), write("b", last)
    cut = write("c", last[40:, 30:], NORTH_UP @ Affine.translation(30, 40))
    full, part = (measure(before, secondary, **UNFILTERED) for secondary in (after, cut))
    assert part.raster("displacement_east").shape == (280, 330)
    inner = (slice(60, -20), slice(60, -20))
    cropped = full.raster("displacement_east")[40:, 30:]
    assert np.nanmax(np.abs(cropped - part.raster("displacement_east"))[inner]) / 10 < 0.005
    assert "resampled" not in " ".join(part.pair["notes"])


@pytest.mark.parametrize("flip", [False, True])
def test_a_south_up_image_has_the_same_signs(
    flip: bool, write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = wavy()
    if flip:
        south_up = Affine(10, 0, CORNER[0], 0, 10, CORNER[1] - 10 * SHAPE[0])
        before, after = write("a", first[::-1], south_up), write("b", last[::-1], south_up)
    else:
        before, after = write("a", first), write("b", last)
    result = measure(before, after, **UNFILTERED)
    east, north = result.raster("displacement_east"), result.raster("displacement_north")
    if flip:
        east, north = east[::-1], north[::-1]
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    waves = 15 * np.sin(cols / 40) * np.cos(rows / 55)
    inner = (slice(30, -30), slice(30, -30))
    assert np.nanmedian(np.abs(east + waves)[inner]) < 0.4
    assert np.nanmedian(np.abs(north + waves)[inner]) < 0.4


def test_another_resolution_is_warped_once_with_a_warning(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    after = texture((640, 720), 3)
    fine = np.rint(np.clip(after, 1, None)).astype(np.uint16)
    coarse = np.rint(after.reshape(320, 2, 360, 2).mean((1, 3))).astype(np.uint16)
    reference = write("a", coarse)
    secondary = write("b", fine, Affine(5, 0, CORNER[0], 0, -5, CORNER[1]))
    result = measure(reference, secondary, **UNFILTERED)
    inner = (slice(20, -20), slice(20, -20))
    for name in ("displacement_east", "displacement_north"):
        assert abs(np.nanmedian(result.raster(name)[inner])) < 0.2
        assert np.nanstd(result.raster(name)[inner]) < 0.6
    assert any("warp" in note or "resampl" in note for note in result.pair["notes"])


def test_identical_files_have_not_moved_at_all(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    image = write("a", wavy()[0])
    result = measure(image, image, **UNFILTERED)
    for name in ("displacement_east", "displacement_north", "magnitude"):
        assert (result.raster(name) == 0).all()
    assert len(result.pair["notes"]) <= 3


def test_every_executor_gives_the_same_bits(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    from distributed import Client, LocalCluster

    first, last = wavy((300, 320))
    paths = write("a", first), write("b", last)
    small = {"memory": 500 << 20, "minimum_score": 0.5}
    results = [measure(*paths, **small)]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        results.append(measure(*paths, pool=pool, **small))
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    )
    with cluster, Client(cluster, set_as_default=False) as client:
        results.append(measure(*paths, pool=client.get_executor(pure=False), **small))
    for name in ("displacement_east", "score", "reasons", "sigma_north"):
        expected = results[0].raster(name)
        for other in results[1:]:
            assert np.array_equal(expected, other.raster(name), equal_nan=True)


def test_no_overlap_is_told(write: Callable[..., Path], measure: Callable[..., Any]) -> None:
    from core.errors import NoOverlap, TooSmall

    first, last = wavy()
    before = write("a", first)
    far = write("b", last, NORTH_UP @ Affine.translation(1000, 0))
    with pytest.raises(NoOverlap):
        measure(before, far)
    touching = write("c", last, NORTH_UP @ Affine.translation(SHAPE[1] - 1, 0))
    with pytest.raises(TooSmall, match="1 x 320"):
        measure(before, touching)
    with rasterio.open(before) as dataset:
        assert dataset.shape == SHAPE
