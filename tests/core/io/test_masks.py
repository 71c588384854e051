import json
import sqlite3
import struct
import warnings

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

from core import errors
from core.grid import Grid
from core.io.rasters import user_mask
from core.tiling import Window

GRID = Grid((100, 120), Affine(10, 0, 300000, 0, -10, 5000000), "EPSG:32633")
BOX = [(300200, 4999800), (300600, 4999800), (300600, 4999500), (300200, 4999500)]
"""Columns 20 to 60, rows 20 to 50."""


def truth():
    found = np.zeros(GRID.shape, bool)
    found[20:50, 20:60] = True
    return found


def mask(path, window=GRID.window, **options):
    return user_mask(path, GRID, window, pointer="/inputs/mask", **options)


def lonlat(ring):
    change = Transformer.from_crs("EPSG:32633", "OGC:CRS84", always_xy=True)
    return [list(change.transform(x, y)) for x, y in [*ring, ring[0]]]


def geojson(path, geometry, *, wrap=True, crs=None):
    document = geometry
    if wrap:
        features = [{"type": "Feature", "properties": {}, "geometry": geometry}]
        document = {"type": "FeatureCollection", "features": features}
    if crs:
        document["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(document))
    return path


def geopackage(path, shapes, srs=("EPSG", 32633), envelope=0, view=False):
    database = sqlite3.connect(path)
    database.executescript(
        "CREATE TABLE gpkg_spatial_ref_sys (srs_id INTEGER, organization TEXT,"
        " organization_coordsys_id INTEGER, definition TEXT);"
        "CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER);"
        'CREATE TABLE "my layer" (fid INTEGER PRIMARY KEY, geom BLOB);'
        'CREATE VIEW hidden AS SELECT * FROM "my layer";'
    )
    database.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (1, ?, ?, '')", srs)
    layer = "hidden" if view else "my layer"
    database.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 1)", (layer,))
    for shape in shapes:
        box = struct.pack("<4d", 0, 0, 0, 0) if envelope else b""
        head = b"GP" + bytes([0, 1 | envelope << 1]) + struct.pack("<i", 1)
        blob = head + box + shapely.to_wkb(shape)
        database.execute('INSERT INTO "my layer" (geom) VALUES (?)', (blob,))
    database.commit()
    database.close()
    return path


def raster(path, values, transform=GRID.transform, crs="EPSG:32633", **profile):
    cube = values if values.ndim == 3 else values[None]
    count, height, width = cube.shape
    shape = {"count": count, "height": height, "width": width, "dtype": cube.dtype.name}
    with warnings.catch_warnings(action="ignore"):
        place = {"crs": crs, "transform": transform}
        with rasterio.open(path, "w", driver="GTiff", **shape, **place, **profile) as target:
            target.write(cube)
    return path


@pytest.mark.parametrize("wrap", [True, False])
def test_geojson_in_longitude_and_latitude_hides_the_pixels_inside(tmp_path, wrap):
    polygon = {"type": "Polygon", "coordinates": [lonlat(BOX)]}
    path = geojson(tmp_path / "m.geojson", polygon, wrap=wrap)
    np.testing.assert_array_equal(mask(path), truth())
    part = Window(-10, 50, 40, 90)
    found = mask(path, part)
    assert found.shape == (40, 90)
    np.testing.assert_array_equal(found[30:, :10], True)
    assert found.sum() == 100


def test_the_old_crs_member_of_geojson_is_honoured(tmp_path):
    polygon = {"type": "MultiPolygon", "coordinates": [[[*BOX, BOX[0]]]]}
    path = geojson(tmp_path / "m.json", polygon, crs="urn:ogc:def:crs:EPSG::32633")
    np.testing.assert_array_equal(mask(path), truth())


@pytest.mark.parametrize("envelope", [0, 1])
def test_a_geopackage_hides_the_pixels_inside(tmp_path, envelope):
    shapes = [shapely.Polygon(BOX[:3]), shapely.Polygon([BOX[0], BOX[2], BOX[3]])]
    path = geopackage(tmp_path / "m.gpkg", shapes, envelope=envelope)
    np.testing.assert_array_equal(mask(path), truth())
    path = geopackage(tmp_path / "n.gpkg", [shapely.Polygon(lonlat(BOX))], ("EPSG", 4326))
    np.testing.assert_array_equal(mask(path), truth())


def test_a_geopackage_with_a_view_for_a_layer_is_refused(tmp_path):
    path = geopackage(tmp_path / "m.gpkg", [shapely.Polygon(BOX)], view=True)
    with pytest.raises(errors.UnknownFormat):
        mask(path)


def test_a_changed_file_is_read_anew(tmp_path):
    path = tmp_path / "m.geojson"
    geojson(path, {"type": "Polygon", "coordinates": [lonlat(BOX)]})
    assert mask(path).any()
    far = [(x + 5000, y) for x, y in BOX]
    geojson(path, {"type": "Polygon", "coordinates": [lonlat(far)]})
    assert not mask(path).any()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"{}",
        b"[]",
        b'{"type": "FeatureCollection", "features": []}',
        b'{"type": "Point", "coordinates": [1, 2]}',
        b'{"type": "Polygon", "coordinates": [[[1, 2]]]}',
        b'{"type": "Polygon", "coordinates": 5}',
        b'{"type": "Polygon", "coordinates": [[[1e999, 2], [3, 4], [5, 6], [1e999, 2]]]}',
        b"[" * 100_000,
        b"SQLite format 3\0 but no more",
        b"\xff\xfe",
    ],
)
def test_a_file_without_polygons_is_refused(tmp_path, text):
    path = tmp_path / "m.geojson"
    path.write_bytes(text)
    with pytest.raises(errors.UnknownFormat, match="no polygons") as caught:
        mask(path)
    assert caught.value.pointer == "/inputs/mask"


def test_a_raster_hides_where_it_is_not_zero(tmp_path):
    path = raster(tmp_path / "m.tif", truth().astype(np.uint8) * 7)
    np.testing.assert_array_equal(mask(path), truth())
    found = mask(path, Window(-5, -5, 30, 30))
    np.testing.assert_array_equal(found[25:, 25:], True)
    assert found.sum() == 25


def test_nodata_and_nan_of_a_raster_hide_nothing(tmp_path):
    values = np.where(truth(), 1, 255).astype(np.uint8)
    np.testing.assert_array_equal(mask(raster(tmp_path / "a.tif", values, nodata=255)), truth())
    values = np.where(truth(), 1, np.nan).astype(np.float32)
    np.testing.assert_array_equal(mask(raster(tmp_path / "b.tif", values)), truth())


def test_a_raster_of_other_pixels_or_crs_is_laid_over(tmp_path):
    coarse = raster(tmp_path / "a.tif", truth()[::10, ::10].astype(np.uint8),
                    GRID.transform @ Affine.scale(10))  # fmt: skip
    np.testing.assert_array_equal(mask(coarse), truth())
    west, south, east, north = shapely.Polygon(lonlat(BOX)).bounds
    place = Affine((east - west) / 40, 0, west, 0, (south - north) / 30, north)
    degrees = raster(tmp_path / "b.tif", np.ones((30, 40), np.uint8), place, "EPSG:4326")
    found = mask(degrees)
    # The box in degrees is a little turned against the one in metres.
    assert (found & truth()).sum() / (found | truth()).sum() > 0.93


def test_masks_of_several_bands_or_without_a_crs_are_refused(tmp_path):
    with pytest.raises(errors.BandMissing):
        mask(raster(tmp_path / "a.tif", np.ones((2, 5, 5), np.uint8)))
    with pytest.raises(errors.NoGeoreference):
        mask(raster(tmp_path / "b.tif", np.ones((5, 5), np.uint8), crs=None))
