"""Where the surface of DSM-OPT has cells and where it is measured, against exact truth."""

import json

import numpy as np
import pytest
from pyproj import Transformer
from shapely import box, contains_xy, from_wkt

from core.reasons import Reason

FINE = {"resolution": 0.5}


def around(result, west, south, east, north):
    """A rectangle by metres from the middle of a result."""
    left, bottom, right, top = result.grid.bounds
    x, y = (left + right) / 2, (bottom + top) / 2
    return box(x + west, y + south, x + east, y + north)


def written(path, polygon, crs):
    """A polygon as GeoJSON in longitude and latitude."""
    change = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    ring = [change.transform(x, y) for x, y in polygon.exterior.coords]
    feature = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return {"href": path.as_uri()}


@pytest.mark.parametrize("number", [None, 1, 2])
def test_a_crop_wants_cells_that_appear_in_those_pixels_of_the_reference(city, number):
    named = {} if number is None else {"reference": str(number)}
    crop = {"crop_row": 70, "crop_column": 90, "crop_rows": 100, "crop_columns": 80}
    result = city(**FINE, **crop, **named)
    lon, lat = result.centres("OGC:CRS84")
    known = np.isfinite(result.dsm)
    camera = city.stereo.views[(number or 1) - 1].camera
    seen = camera.project(lon, lat, result.dsm)
    row, col = seen.row[known], seen.col[known]
    true = camera.project(lon, lat, result.truth.height)
    inside = (true.row > 71) & (true.row < 168) & (true.col > 91) & (true.col < 168)
    # A cloud stands in the middle.
    measurable = inside & result.truth.measurable()
    assert measurable.sum() > 0.4 * 100 * 80
    assert known[measurable].mean() > 0.9
    # Models are refined by some hundredths of a pixel.
    assert 69.3 < row.min() < 72
    assert 167 < row.max() < 169.7
    assert 89.3 < col.min() < 92
    assert 167 < col.max() < 169.7


def test_an_area_is_cut_exactly_and_lies_on_the_lattice_of_the_whole(city):
    whole = city(**FINE)
    west, south, east, north = around(whole, -20.3, -15.2, 22.6, 18.4).bounds
    wkt = f"POLYGON(({west} {south}, {east} {south + 3}, {east - 4} {north}, {west} {south}))"
    triangle = from_wkt(wkt)
    change = Transformer.from_crs(whole.grid.crs, "OGC:CRS84", always_xy=True)
    ring = [list(change.transform(*corner)) for corner in triangle.exterior.coords]
    result = city(**FINE, aoi={"type": "Polygon", "coordinates": [ring]})
    wanted = contains_xy(triangle, *result.grid.centres())
    assert not np.isfinite(result.dsm[~wanted]).any()
    outside = (result.raster("reasons") & np.uint16(Reason.OUTSIDE)) != 0
    assert np.array_equal(outside, ~wanted)
    measurable = wanted & result.truth.measurable()
    assert measurable.sum() > 0.2 * wanted.sum()
    assert np.isfinite(result.dsm[measurable]).mean() > 0.9
    left, _, _, top = result.grid.bounds
    assert (left / 0.5, top / 0.5) == (round(left / 0.5), round(top / 0.5))
    row, col = (round(part) for part in whole.grid.rowcol(left + 0.25, top - 0.25))
    rows, cols = result.grid.shape
    part = whole.dsm[row : row + rows, col : col + cols]
    both = wanted & np.isfinite(part) & np.isfinite(result.dsm)
    assert (np.abs(part - result.dsm)[both] < 0.3).mean() > 0.9


def test_masked_ground_is_not_measured(city, tmp_path):
    whole = city(**FINE)
    polygon = around(whole, -15, -10, 10, 12)
    result = city(**FINE, mask=written(tmp_path / "m.geojson", polygon, whole.grid.crs))
    hidden = contains_xy(polygon.buffer(-0.6), *result.grid.centres())
    assert np.isfinite(whole.dsm[hidden]).mean() > 0.6
    assert not np.isfinite(result.dsm[hidden]).any()
    assert ((result.raster("reasons")[hidden] & np.uint16(Reason.USER_MASK)) != 0).all()
    beyond = ~contains_xy(polygon.buffer(20), *result.grid.centres())
    assert np.array_equal(whole.dsm[beyond], result.dsm[beyond], equal_nan=True)


def test_what_was_repaired_in_masks_and_water_is_told(city, tmp_path):
    whole = city(**FINE)
    west, south, east, north = around(whole, -15, -10, 10, 12).bounds
    bow = from_wkt(f"POLYGON(({west} {south}, {east} {north}, {east} {south}, {west} {north},"
                   f" {west} {south}))")  # fmt: skip
    path = written(tmp_path / "bow.geojson", bow, whole.grid.crs)
    notes = city(**FINE, mask=path, water=path).document["notes"]
    for name in ("mask", "water"):
        assert any(note.startswith(f"{name}: Polygon 1 was repaired") for note in notes)


def test_water_is_level_in_the_filled_model_and_not_measured_in_the_other(city, tmp_path):
    whole = city(**FINE, filled=True)
    polygon = around(whole, -15, -10, 10, 12)
    water = written(tmp_path / "w.geojson", polygon, whole.grid.crs)
    result = city(**FINE, filled=True, water=water)
    inside = contains_xy(polygon.buffer(-0.6), *result.grid.centres())
    assert not np.isfinite(result.dsm[inside]).any()
    assert np.ptp(result.raster("dsm_filled")[inside]) == 0
    assert np.ptp(whole.raster("dsm_filled")[inside]) > 1


def test_a_filled_model_has_no_gaps_and_marks_what_it_filled(city):
    result = city(**FINE, filled=True)
    filled = np.isfinite(result.raster("dsm_filled"))
    measured = np.isfinite(result.dsm)
    assert filled[measured].all()
    marked = (result.raster("reasons") & np.uint16(Reason.FILLED)) != 0
    assert np.array_equal(marked, filled & ~measured)
    assert marked.sum() > 1000
    assert city(**FINE).outputs.dsm_filled is None


def test_cells_are_as_large_as_the_resolution_or_that_many_pixels(city):
    assert city(**FINE).grid.pixel_size[0] == 0.5
    assert city().grid.pixel_size[0] == pytest.approx(1.0, abs=0.051)
    assert city(resolution_factor=4).grid.pixel_size[0] == pytest.approx(2.0, abs=0.101)
    assert city(resolution=0.7, resolution_factor=4).grid.pixel_size[0] == 0.7
