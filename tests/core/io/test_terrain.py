"""Heights of an elevation model on the pixels of an image."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from core.errors import BandMissing, NoGeoreference, NoOverlap
from core.grid import Grid
from core.io.terrain import check_covered, open_terrain

UTM = "EPSG:32654"
IMAGE = Grid((60, 80), Affine(10, 0, 573020, 0, -10, 4735430), UTM)


def plane(x, y):
    """Metres: 0.3 up towards the east, 0.2 down towards the north."""
    return 500 + 0.3 * (x - 573020) - 0.2 * (y - 4735430)


def write(path, values, transform, crs=UTM, nodata=-9999, **more):
    values = np.asarray(values, np.float32)
    bands = values if values.ndim == 3 else values[None]
    with rasterio.open(
        path, "w", driver="GTiff", height=bands.shape[1], width=bands.shape[2], count=len(bands),
        dtype="float32", crs=crs, transform=transform, nodata=nodata, **more,
    ) as file:  # fmt: skip
        file.write(bands)
    return path


def cells(grid):
    return grid.centres()


def test_cells_of_30_metres_are_interpolated_to_pixels_of_10(tmp_path):
    coarse = Grid((40, 50), Affine(30, 0, 572900, 0, -30, 4735560), UTM)
    path = write(tmp_path / "dem.tif", plane(*cells(coarse)), coarse.transform)
    found = open_terrain(path).heights(IMAGE)
    np.testing.assert_allclose(found, plane(*cells(IMAGE)), atol=0.01)


def test_finer_cells_are_averaged(tmp_path):
    fine = Grid((700, 900), Affine(1, 0, 573000, 0, -1, 4735450), UTM)
    noise = np.random.default_rng(0).normal(0, 5, fine.shape)
    path = write(tmp_path / "dem.tif", plane(*cells(fine)) + noise, fine.transform)
    error = open_terrain(path).heights(IMAGE) - plane(*cells(IMAGE))
    assert error.std() < 5 / 10 * 1.2
    assert abs(error.mean()) < 0.1


def test_degrees_are_laid_over_metres(tmp_path):
    to_degrees = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(*IMAGE.bounds)
    step = 1 / 3600
    rows, cols = round((north - south) / step) + 20, round((east - west) / step) + 20
    grid = Grid(
        (rows, cols), Affine(step, 0, west - 10 * step, 0, -step, north + 10 * step), "EPSG:4326"
    )
    x, y = Transformer.from_crs("EPSG:4326", UTM, always_xy=True).transform(*cells(grid))
    path = write(tmp_path / "dem.tif", plane(x, y), grid.transform, "EPSG:4326")
    np.testing.assert_allclose(open_terrain(path).heights(IMAGE), plane(*cells(IMAGE)), atol=0.05)


def test_holes_stay_holes_and_do_not_lower_what_is_beside_them(tmp_path):
    coarse = Grid((40, 50), Affine(30, 0, 572900, 0, -30, 4735560), UTM)
    values = plane(*cells(coarse))
    values[10:14, 10:14] = -9999
    found = open_terrain(write(tmp_path / "dem.tif", values, coarse.transform)).heights(IMAGE)
    assert np.isnan(found).any()
    error = (found - plane(*cells(IMAGE)))[~np.isnan(found)]
    assert np.abs(error).max() < 10


def test_what_lies_elsewhere_has_no_height_and_is_refused(tmp_path):
    path = write(tmp_path / "dem.tif", np.ones((20, 20)), Affine(30, 0, 1000, 0, -30, 2000))
    found = open_terrain(path).heights(IMAGE)
    assert np.isnan(found).all()
    with pytest.raises(NoOverlap, match="no height where the images are"):
        check_covered(0, "/inputs/dem")


@pytest.mark.parametrize(
    ("values", "transform", "crs", "error"),
    [
        (np.ones((3, 20, 20)), IMAGE.transform, UTM, BandMissing),
        (np.ones((20, 20)), IMAGE.transform, None, NoGeoreference),
    ],
)
def test_what_is_no_elevation_model_is_refused(tmp_path, values, transform, crs, error):
    with pytest.raises(error):
        open_terrain(write(tmp_path / "dem.tif", values, transform, crs))
