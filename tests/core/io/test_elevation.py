"""Elevation models that users bring."""

import json
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import CRS, Transformer

from core.errors import (
    BandMissing,
    GridMissing,
    Inconsistent,
    NoGeoreference,
    UnknownDatum,
    UnknownFormat,
)
from core.io.elevation import open_elevation
from core.job import child_environment

BOUNDS = (5.4, 43.2, 5.5, 43.3)
UTM = "EPSG:32631"
SHAPE = (120, 100)
WITHOUT_GRID = "EPSG:5798"
"""A geoid whose grid is published nowhere."""


def plane(x, y):
    """A tilted plane over the area: metres from places in UTM."""
    return 250 + 0.01 * (np.asarray(x) - 698000) - 0.02 * (np.asarray(y) - 4790000)


@pytest.fixture
def write(tmp_path):
    """A raster of that plane in some system, 100 cells wide, around the area."""

    def raster(crs: str | None = UTM, name: str = "dem.tif", *, values=None, **profile) -> Path:
        system = crs or UTM
        to = Transformer.from_crs("OGC:CRS84", CRS(system).to_2d(), always_xy=True)
        west, south, east, north = to.transform_bounds(5.39, 43.19, 5.51, 43.31)
        transform = profile.pop("transform", None) or Affine(
            (east - west) / SHAPE[1], 0, west, 0, (south - north) / SHAPE[0], north
        )
        cols, rows = np.meshgrid(np.arange(SHAPE[1]) + 0.5, np.arange(SHAPE[0]) + 0.5)
        x, y = transform @ (cols, rows)
        utm = Transformer.from_crs(CRS(system).to_2d(), UTM, always_xy=True).transform(x, y)
        heights = plane(*utm) if values is None else values(plane(*utm))
        dtype = profile.pop("dtype", "float32")
        scales, units = profile.pop("scales", None), profile.pop("units", None)
        options = {"driver": "GTiff", "count": 1, "crs": crs, "transform": transform, **profile}
        path = tmp_path / name
        with rasterio.open(
            path, "w", height=SHAPE[0], width=SHAPE[1], dtype=dtype, **options
        ) as dataset:
            for band in range(1, options["count"] + 1):
                dataset.write(heights.astype(dtype), band)
            if scales:
                dataset.scales, dataset.offsets = scales
            if units:
                dataset.units = units
        return path

    return raster


PLACES = np.meshgrid(np.linspace(5.41, 5.49, 7), np.linspace(43.21, 43.29, 5))


def true_heights():
    return plane(*Transformer.from_crs("OGC:CRS84", UTM, always_xy=True).transform(*PLACES))


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326", "EPSG:3857", "EPSG:2154"])
def test_heights_are_those_of_the_place_in_any_system(write, crs):
    prior = open_elevation(write(crs), BOUNDS)
    found = prior.sampled(*PLACES)
    assert found.shape == PLACES[0].shape
    np.testing.assert_allclose(found, true_heights(), atol=0.02)


def test_a_raster_that_is_turned_is_read_where_it_lies(write):
    turned = Affine.translation(680000, 4820000) @ Affine.rotation(-20) @ Affine.scale(500, -500)
    prior = open_elevation(write(transform=turned), BOUNDS)
    np.testing.assert_allclose(prior.sampled(*PLACES), true_heights(), atol=0.02)


@pytest.mark.parametrize(
    ("driver", "crs", "name"),
    [("GTX", "EPSG:4326", "dem.gtx"), ("netCDF", UTM, "dem.nc"), ("GPKG", UTM, "dem.gpkg")],
)
def test_other_formats_than_tiff_are_read_too(write, tmp_path, driver, crs, name):
    path = tmp_path / name
    rasterio.shutil.copy(write(crs), path, driver=driver)
    prior = open_elevation(path, BOUNDS)
    assert prior.file.driver == driver
    np.testing.assert_allclose(prior.sampled(*PLACES), true_heights(), atol=0.05)


def test_a_text_of_heights_that_does_not_tell_where_it_lies_is_refused(write, tmp_path):
    path = tmp_path / "dem.asc"
    square = Affine(0.001, 0, 5.39, 0, -0.001, 43.31)
    rasterio.shutil.copy(write("EPSG:4326", transform=square), path, driver="AAIGrid")
    path.with_suffix(".prj").unlink()
    with pytest.raises(NoGeoreference):
        open_elevation(path, BOUNDS)


def test_beyond_the_raster_and_in_its_gaps_there_is_no_height(write):
    def with_gap(heights):
        heights[:60] = -32768
        return heights

    prior = open_elevation(write(values=with_gap, nodata=-32768), BOUNDS)
    lon, lat = np.array([5.45, 5.45, 9.0]), np.array([43.22, 43.28, 43.22])
    assert np.isfinite(prior.sampled(lon, lat)).tolist() == [True, False, False]
    assert np.isnan(prior.sampled(9.0, 43.2)).all()


def test_a_gap_whose_value_the_file_does_not_tell_is_no_height(write):
    def with_gap(heights):
        heights[:60] = -32768
        return heights

    prior = open_elevation(write(values=with_gap), BOUNDS)
    assert prior.range(*PLACES).low > 0


def test_integers_with_scale_and_offset_are_heights(write):
    def stored(heights):
        return np.round((heights - 100) / 0.1)

    path = write(values=stored, dtype="int16", scales=((0.1,), (100.0,)))
    np.testing.assert_allclose(
        open_elevation(path, BOUNDS).sampled(*PLACES), true_heights(), atol=0.08
    )


def test_heights_in_feet_become_metres(write):
    path = write(values=lambda heights: heights / 0.3048, units=("ft",))
    np.testing.assert_allclose(
        open_elevation(path, BOUNDS).sampled(*PLACES), true_heights(), atol=0.02
    )


def test_the_range_holds_the_ground_of_the_area_and_little_more(write):
    low, high = open_elevation(write(), BOUNDS).range(*PLACES)
    true = true_heights()
    assert true.min() - 8 < low <= true.min()
    assert true.max() <= high < true.max() + 8


def test_the_range_of_a_large_raster_is_taken_strip_by_strip(write, monkeypatch):
    whole = open_elevation(write(), BOUNDS).range(*PLACES)
    monkeypatch.setattr("core.io.elevation.STRIP_CELLS", 500)
    assert open_elevation(write(), BOUNDS).range(*PLACES) == whole


def test_a_reduced_reading_puts_heights_where_they_belong(write, monkeypatch):
    monkeypatch.setattr("core.io.elevation.STRIP_CELLS", 900)
    found = open_elevation(write(), BOUNDS).sampled(*PLACES)
    # Every fourth cell is read: one and a half cells of the plane's slope.
    np.testing.assert_allclose(found, true_heights(), atol=4.0)
    assert abs(np.mean(found - true_heights())) < 2.0


def test_an_area_that_the_raster_does_not_hold_has_no_range(write):
    prior = open_elevation(write(), BOUNDS)
    assert prior.range([8.0, 8.1], [43.2, 43.3]) is None
    assert open_elevation(write(values=lambda h: h * np.nan), BOUNDS).range(*PLACES) is None


def test_another_process_can_use_it(write):
    prior = pickle.loads(pickle.dumps(open_elevation(write(), BOUNDS)))
    np.testing.assert_allclose(prior.sampled(*PLACES), true_heights(), atol=0.02)


def test_a_raster_without_a_coordinate_reference_system_is_refused(write):
    with pytest.raises(NoGeoreference, match="no coordinate reference system") as refused:
        open_elevation(write(None), BOUNDS, pointer="/inputs/dem")
    assert refused.value.pointer == "/inputs/dem"


def test_several_bands_are_no_heights(write):
    with pytest.raises(BandMissing, match="3 bands"):
        open_elevation(write(count=3), BOUNDS)


def test_a_file_that_is_no_raster_is_refused(tmp_path):
    path = tmp_path / "dem.tif"
    path.write_bytes(b"II*\0" + b"\xff" * 100)
    with pytest.raises(UnknownFormat, match="cannot be opened"):
        open_elevation(path, BOUNDS)


def test_a_description_that_names_other_files_is_refused(write, tmp_path):
    inner = write()
    path = tmp_path / "dem.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Float32" band="1">'
        f"<SimpleSource><SourceFilename>{inner}</SourceFilename><SourceBand>1</SourceBand>"
        f"</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(UnknownFormat):
        open_elevation(path, BOUNDS)


def test_a_datum_whose_grid_is_missing_is_refused_before_anything_is_read(write):
    with pytest.raises(GridMissing, match=r"DIRACC\.DAT") as refused:
        open_elevation(write(), BOUNDS, datum=WITHOUT_GRID, datum_pointer="/inputs/dem_datum")
    assert refused.value.pointer == "/inputs/dem_datum"


def test_the_datum_that_a_file_tells_needs_its_grid_too(write):
    with pytest.raises(GridMissing) as refused:
        open_elevation(write(f"EPSG:32631+{WITHOUT_GRID[5:]}"), BOUNDS, pointer="/inputs/dem")
    assert refused.value.pointer == "/inputs/dem"


def test_a_datum_that_contradicts_the_file_is_refused(write):
    path = write("EPSG:32631+5773")
    with pytest.raises(Inconsistent, match="counted from EGM96 height, dem_datum says egm2008"):
        open_elevation(path, BOUNDS, datum="egm2008")
    with pytest.raises(UnknownDatum):
        open_elevation(write(), BOUNDS, datum="EPSG:4326")


SCRIPT = """
import json, sys
from pathlib import Path
from core.io.elevation import open_elevation
path, datum, lon, lat = json.load(sys.stdin)
prior = open_elevation(Path(path), (5.4, 43.2, 5.5, 43.3), datum=datum)
print(json.dumps([prior.sampled(lon, lat).tolist(), prior.range(lon, lat)]))
"""


@pytest.mark.parametrize(("crs", "datum"), [(UTM, "egm2008"), ("EPSG:32631+3855", None)])
def test_heights_above_a_geoid_become_ellipsoidal(write, tmp_path, monkeypatch, crs, datum):
    home = tmp_path / "home"
    grids = home / ".local" / "share" / "proj"
    grids.mkdir(parents=True)
    head = struct.pack(">4d2i", 42.0, 4.0, 1.0, 1.0, 4, 4)
    (grids / "egm08_25.gtx").write_bytes(head + np.full((4, 4), 50.0, ">f4").tobytes())
    for name in ("PROJ_USER_WRITABLE_DIRECTORY", "XDG_DATA_HOME", "PROJ_DATA", "PROJ_LIB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    environment = child_environment(tmp_path / "job")
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    places = [axis.tolist() for axis in PLACES]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([str(write(crs)), datum, *places]),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, ends = json.loads(done.stdout)
    np.testing.assert_allclose(found, true_heights() + 50, atol=0.02)
    assert ends[0] == pytest.approx(true_heights().min() + 50, abs=8)
