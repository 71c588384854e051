import datetime as dt
import json
import sqlite3

import numpy as np
import pytest
import shapely
from pyproj import CRS

from core.io.geojson import write_geojson
from core.io.geopackage_writer import write_geopackage
from core.io.layers import Field, Layer
from core.io.vectors import layer_names, read_polygons

FIELDS = (
    Field("id", "integer", "Number of the landslide."),
    Field("area", "real", "Area, m²."),
    Field("kind", "text"),
    Field("cloud", "boolean", "Whether a cloud touches it."),
)
LEFT = shapely.box(300_000, 5_000_000, 300_040, 5_000_030, ccw=False)
RIGHT = shapely.MultiPolygon(
    [shapely.box(300_100, 5_000_000, 300_130, 5_000_010),
     shapely.box(300_200, 5_000_000, 300_300, 5_000_100).difference(
         shapely.box(300_210, 5_000_010, 300_220, 5_000_020))]
)  # fmt: skip
ROWS = [(LEFT, (1, 1200.5, "slide", True)), (RIGHT, (np.int64(2), np.float64("nan"), None, False))]


def layer(rows=ROWS, crs="EPSG:32633", name="landslides", fields=FIELDS):
    return Layer(name, crs, fields, rows, name.title(), "Made for a test.")


def written(path, *layers):
    write_geopackage(path, layers, changed=dt.datetime(2020, 1, 2, tzinfo=dt.UTC))
    return path


def rows(path, query):
    with sqlite3.connect(path) as database:
        found = database.execute(query).fetchall()
    database.close()
    return found


def test_a_geopackage_gives_back_its_polygons_and_attributes(tmp_path):
    path = written(tmp_path / "a.gpkg", layer())
    found = read_polygons(path, "EPSG:32633")
    assert all(a.equals(b) for a, b in zip(found.shapes, (LEFT, RIGHT), strict=True))
    assert found.report.moved == ()
    assert rows(path, "SELECT id, area, kind, cloud FROM landslides ORDER BY fid") == [
        (1, 1200.5, "slide", 1),
        (2, None, None, 0),
    ]
    kinds = rows(path, "SELECT name, type FROM pragma_table_info('landslides')")
    assert kinds == [("fid", "INTEGER"), ("geom", "MULTIPOLYGON"), ("id", "INTEGER"),
                     ("area", "REAL"), ("kind", "TEXT"), ("cloud", "BOOLEAN")]  # fmt: skip


def test_its_header_tables_and_envelopes_are_those_of_the_standard(tmp_path):
    path = written(tmp_path / "a.gpkg", layer())
    head = path.read_bytes()[:100]
    assert (head[68:72], int.from_bytes(head[60:64])) == (b"GPKG", 10300)
    assert rows(path, "PRAGMA foreign_key_check") == []
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    (contents,) = rows(path, "SELECT table_name, data_type, last_change, min_x, min_y, max_x, max_y"
                             ", srs_id FROM gpkg_contents")  # fmt: skip
    assert contents == ("landslides", "features", "2020-01-02T00:00:00.000Z",
                        300_000, 5_000_000, 300_300, 5_000_100, 32633)  # fmt: skip
    srs = dict(rows(path, "SELECT srs_id, definition FROM gpkg_spatial_ref_sys"))
    assert {-1, 0, 4326, 32633} == set(srs)
    assert CRS.from_wkt(srs[32633]) == CRS.from_epsg(32633)
    ((blob,), _) = rows(path, "SELECT geom FROM landslides ORDER BY fid")
    assert blob[:4] == b"GP\0\3"
    assert np.frombuffer(blob, "<f8", 4, 8).tolist() == [300_000, 300_040, 5_000_000, 5_000_030]
    texts = rows(path, "SELECT column_name, description FROM gpkg_data_columns ORDER BY rowid")
    assert texts[0] == ("id", "Number of the landslide.")


def test_several_layers_and_systems_without_a_code_live_in_one_file(tmp_path):
    own = CRS.from_proj4("+proj=tmerc +lat_0=10 +lon_0=11 +x_0=0 +y_0=0 +ellps=GRS80").to_wkt()
    many = [(shapely.box(k, 0, k + 1, 1), (k,)) for k in range(2500)]
    short = (Field("number", "integer"),)
    path = written(tmp_path / "a.gpkg", layer(), layer(iter(many), own, "cells", short),
                   layer([], own, "nothing", short))  # fmt: skip
    assert layer_names(path) == ("cells", "landslides")
    found = read_polygons(path, own, layer="cells")
    assert (found.report.polygons, found.report.area_after_m2) == (2500, 2500)
    assert found.report.moved == ()
    assert rows(path, "SELECT max_x FROM gpkg_contents ORDER BY table_name") == [
        (2500,), (300_300,), (None,)]  # fmt: skip
    with pytest.raises(FileExistsError):
        written(path, layer())


def test_equal_layers_give_equal_bytes(tmp_path):
    one, other = (written(tmp_path / name, layer()) for name in ("a.gpkg", "b.gpkg"))
    assert one.read_bytes() == other.read_bytes()


def test_geojson_is_in_degrees_with_outlines_against_the_clock(tmp_path):
    write_geojson(tmp_path / "a.geojson", layer())
    document = json.loads((tmp_path / "a.geojson").read_text())
    assert "crs" not in document
    first, second = document["features"]
    assert first["properties"] == {"id": 1, "area": 1200.5, "kind": "slide", "cloud": True}
    assert second["properties"] == {"id": 2, "area": None, "kind": None, "cloud": False}
    rings = [first["geometry"]["coordinates"][0]]
    rings += [ring for part in second["geometry"]["coordinates"] for ring in part]
    against = [shapely.LinearRing(ring).is_ccw for ring in rings]
    assert against == [True, True, True, False]
    assert all(round(v, 7) == v for ring in rings for point in ring for v in point)
    back = read_polygons(tmp_path / "a.geojson", "EPSG:32633")
    for found, truth in zip(back.shapes, (LEFT, RIGHT), strict=True):
        # Half a unit of the last digit is half a centimetre.
        assert found.hausdorff_distance(truth) < 0.01
    assert back.report.repaired == ()


def test_a_polygon_over_the_180th_meridian_is_cut_there(tmp_path):
    # Vanua Levu: the eastern end of UTM zone 60 is at x = 810 km here.
    shape = shapely.box(800_000, 8_100_000, 830_000, 8_110_000)
    write_geojson(tmp_path / "a.geojson", layer([(shape, (1, 1.0, "", False))], "EPSG:32760"))
    document = json.loads((tmp_path / "a.geojson").read_text())
    found = shapely.from_geojson(json.dumps(document["features"][0]["geometry"]))
    assert len(found.geoms) == 2
    west, _, east, _ = found.bounds
    assert (west, east) == (-180, 180)
    assert all(part.bounds[2] - part.bounds[0] < 1 for part in found.geoms)
    back = read_polygons(tmp_path / "a.geojson", "EPSG:32760").shapes[0]
    assert back.area == pytest.approx(shape.area, rel=1e-4)


@pytest.mark.parametrize("name", ["1st", 'a"b', "größe", "geom", "ID"])
def test_names_that_a_table_cannot_have_are_refused(name):
    with pytest.raises(ValueError, match=r"names|different"):
        layer(fields=(*FIELDS, Field(name, "real")))


def test_rows_that_do_not_fit_their_layer_are_refused(tmp_path):
    with pytest.raises(ValueError, match="3 attributes, its layer 4"):
        written(tmp_path / "a.gpkg", layer([(LEFT, (1, 2.0, ""))]))
    with pytest.raises(ValueError, match="holds a Point"):
        written(tmp_path / "b.gpkg", layer([(shapely.Point(1, 2), (1, 2.0, "", True))]))
