"""The surface of DSM-OPT lies where it belongs: by models, adjustment, control and datum."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from core.errors import GridMissing
from core.geometry.datum import HeightDatum
from core.simulate.stereo.control import control_points
from core.simulate.stereo.making import UNBIASED, make_stereo


@pytest.fixture(scope="module")
def plain(place):
    # The satellite's trembling would tilt so small a model.
    still = UNBIASED._replace(jitter_px=0.0)
    return place(make_stereo("plain", shape=(256, 256), seed=46, disturbances=still))


@pytest.fixture(scope="module")
def biased(place):
    biases = UNBIASED._replace(bias_px=(1.0, 3.0))
    stereo = make_stereo("city", shape=(256, 256), seed=48, disturbances=biases)
    return place(stereo, stereo.write)


def test_the_model_of_true_images_is_neither_shifted_nor_tilted(plain):
    result = plain()
    known = np.isfinite(result.dsm) & result.truth.measurable()
    error = (result.dsm - result.truth.height)[known]
    x, y = (axis[known] for axis in result.grid.centres())
    terms = np.stack([np.ones(error.size), (x - x.mean()) / 1000, (y - y.mean()) / 1000], axis=1)
    near = np.abs(error - np.median(error)) < 0.5
    bias, east, north = np.linalg.lstsq(terms[near], error[near])[0]
    assert abs(bias) < 0.05
    # Metres per kilometre: over a tenth of one this is some centimetres.
    assert np.hypot(east, north) < 0.4


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:32661"])
def test_the_model_is_the_same_ground_in_any_projection(plain, crs):
    result = plain(output_crs=crs)
    assert rasterio.crs.CRS.from_wkt(result.grid.crs).to_epsg() == int(crs[5:])
    x, y = result.centres(plain.stereo.scene.crs)
    error = (result.dsm - plain.stereo.scene.height(x, y))[np.isfinite(result.dsm)]
    assert error.size > 5000
    assert abs(np.median(error)) < 0.1
    assert np.median(np.abs(error)) < 0.2


@pytest.fixture
def elevation(write):
    """Writes an elevation model of one height, without any in some share from the west."""

    def written(where, height, hole=0.0):
        values = np.full((60, 60), height, np.float32)
        values[:, : round(60 * hole)] = -9999
        west, south, east, north = where().grid.bounds
        cell = 20.0
        corner = (west + east) / 2 - 30 * cell, (south + north) / 2 + 30 * cell
        transform = Affine(cell, 0, corner[0], 0, -cell, corner[1])
        crs = where.stereo.scene.crs
        path = write(f"dem{height:.0f}{hole:.1f}", values, transform, crs, nodata=-9999)
        return {"href": path.as_uri()}

    return written


@pytest.mark.parametrize("name", ["datum", "dem_datum"])
def test_heights_above_a_geoid_differ_by_its_height(plain, elevation, name):
    try:
        geoid = HeightDatum("egm96", (4.6, 43.4, 4.7, 43.6))
    except GridMissing as error:
        pytest.skip(f"the geoid's grid is not installed: {error.message}")
    undulation = -float(geoid.above(4.62, 43.51, 0.0))
    if name == "datum":
        above = plain(datum="egm96")
        assert np.nanmedian(plain().dsm - above.dsm) == pytest.approx(undulation, abs=0.1)
        return
    dem = elevation(plain, 60.0)
    told = plain(dem=dem, dem_datum="egm96").document["elevation"]["median_m"]
    plainly = plain(dem=dem).document["elevation"]["median_m"]
    assert abs(abs(told - plainly) - abs(undulation)) < 0.2


TENTH_M = 0.1 * 0.5 / 0.26
"""Height that a tenth of a pixel of disparity makes."""


def same(first, second):
    """Share of measurable cells of the first whose heights agree to a tenth of a pixel."""
    other = second.on(first.grid)
    asked = first.truth.measurable(16.0)
    agrees = np.abs(first.dsm - other) < TENTH_M
    agrees |= np.isnan(first.dsm) & np.isnan(other)
    return float(agrees[asked].mean())


@pytest.mark.parametrize(("off", "hole"), [(0, 0.0), (100, 0.0), (-100, 0.0), (0, 0.5), (0, 1.0)])
def test_no_elevation_model_changes_the_result(plain, elevation, off, hole):
    usual, result = plain(), plain(dem=elevation(plain, 60.0 + off, hole))
    # Half an elevation model narrows nothing; a whole one, by a little, the surface searched about.
    assert same(usual, result) > (0.95 if hole == 0 else 0.9999)
    wrong, before = (float((np.abs(one.error) > 1).mean()) for one in (result, usual))
    assert wrong < before + 0.005
    assert np.median(np.abs(result.error)) < np.median(np.abs(usual.error)) + 0.02
    if hole < 0.5:
        assert result.document["elevation"]["median_m"] == pytest.approx(-off, abs=0.3)


def ground_control(where, path, count):
    """Control points without error, as CSV."""
    stereo = where.stereo
    lines = ["id,lon,lat,height,sigma,pixel_sigma,image,row,col,origin"]
    for point in control_points(stereo.truth(stereo.grid(1.0)), stereo.views, count):
        for number, (row, col) in enumerate(zip(point.rows, point.cols, strict=True), 1):
            place = f"{point.lon:.9f},{point.lat:.9f},{point.height:.4f},0.01,0.02"
            lines.append(f"{point.name},{place},{number},{row:.4f},{col:.4f},0-centre")
    path.write_text("\n".join(lines) + "\n")
    return {"href": path.as_uri()}


def test_ground_control_recovers_biases_and_puts_the_model_where_it_belongs(biased, tmp_path):
    free = biased()
    tied = biased(control_points=ground_control(biased, tmp_path / "points.csv", 6))
    told = tied.document["adjustment"]
    for view, image in zip(biased.stereo.views, told["images"], strict=True):
        found = np.array([image["row_px"], image["col_px"]])
        np.testing.assert_allclose(found, -np.array(view.camera.bias), atol=0.05)
    alone = free.document["adjustment"]
    assert alone["pairs"][0]["before_px"] > 3
    assert abs(alone["pairs"][0]["after_px"]) < 0.05
    assert any("along the epipolar direction" in one["text"] for one in alone["unknown"])
    assert not told["unknown"]
    assert abs(np.median(tied.error)) < 0.1
    assert np.median(np.abs(tied.error)) < 0.7 * np.median(np.abs(free.error))


@pytest.mark.parametrize("kind", ["shift", "affine"])
def test_models_that_disagree_are_matched_only_after_the_adjustment(biased, kind):
    """Fails where the adjustment leaves the models as they are."""
    none, done = biased(adjustment="none"), biased(adjustment=kind)
    measured = [int(np.isfinite(one.dsm).sum()) for one in (none, done)]
    assert measured[0] < 0.5 * measured[1]
    assert np.nanmedian(done.raster("intersection_error")) < 0.06
    assert none.document["adjustment"] is None
    assert done.document["adjustment"] is not None
