import io
import json
import sqlite3
import struct
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer

from core import errors
from core.grid import Grid
from core.io.rasters import mask_notes, user_mask
from core.io.vectors import layer_names, read_polygons

UTM33 = CRS.from_epsg(32633).to_wkt("WKT1_ESRI")


def content(rings, kind=5):
    """A record of a polygon; with heights and measures where the kind has them."""
    points = np.array([point for ring in rings for point in ring], "<f8")
    starts = np.cumsum([0, *(len(ring) for ring in rings[:-1])]).astype("<i4")
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    extra = b"\0" * (16 + 8 * len(points)) if kind > 5 else b""
    head = struct.pack("<i4d2i", kind, *box, len(rings), len(points))
    return head + starts.tobytes() + points.tobytes() + extra


def shp(records):
    body = b"".join(
        struct.pack(">2i", number, len(record) // 2) + record
        for number, record in enumerate(records, 1)
    )
    head = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + len(body)) // 2)
    return head + struct.pack("<2i8d", 1000, 5, *(0.0,) * 8) + body


def dbf(deleted):
    """A table of one column, with the records marked that were deleted."""
    head = struct.pack("<4BIHH20x", 3, 126, 1, 1, len(deleted), 65, 2)
    column = struct.pack("<11sc4xBB14x", b"id", b"N", 1, 0)
    return head + column + b"\r" + b"".join(b"*1" if gone else b" 1" for gone in deleted)


def packed(path, members):
    """A zip, or a tar by its name, of members by their names."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in members.items():
                file.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz") as file:
        for name, text in members.items():
            data = text.encode() if isinstance(text, str) else text
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def box(x, y, width, height=None, *, clockwise=True):
    """A ring with its lower left corner at 300 km + x, 5000 km + y."""
    x, y, height = 300_000.0 + x, 5_000_000.0 + y, width if height is None else height
    ring = [(x, y), (x, y + height), (x + width, y + height), (x + width, y), (x, y)]
    return ring if clockwise else ring[::-1]


def read(path, crs="EPSG:32633", **options):
    return read_polygons(path, crs, pointer="/inputs/training_samples", **options)


def zipped(tmp_path, records, name="slides", **others):
    members = {f"{name}.shp": shp(records), f"{name}.prj": UTM33, **others}
    return packed(tmp_path / "slides.zip", members)


def geojson(path, geometries, crs="EPSG:32633"):
    features = [{"type": "Feature", "properties": {}, "geometry": g} for g in geometries]
    document = {"type": "FeatureCollection", "features": features}
    if crs:
        document["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(document))
    return path


BOWTIE = [(300_000.0, 5_000_000.0), (300_100.0, 5_000_100.0), (300_100.0, 5_000_000.0),
          (300_000.0, 5_000_100.0), (300_000.0, 5_000_000.0)]  # fmt: skip
"""Two triangles of 2500 m² each, which run in opposite directions."""


@pytest.mark.parametrize("kind", [5, 15, 25])
def test_holes_of_a_shapefile_belong_to_the_outline_around_them(tmp_path, kind):
    rings = [
        box(10, 10, 20, clockwise=False),
        box(0, 0, 100),
        box(200, 0, 50),
        box(210, 10, 10, clockwise=False),
    ]
    found = read(zipped(tmp_path, [content(rings, kind)]))
    (shape,) = found.shapes
    assert shape.geom_type == "MultiPolygon"
    assert sorted(part.area for part in shape.geoms) == [2500 - 100, 10_000 - 400]
    assert found.report.repaired == ()


def test_an_island_in_a_hole_keeps_its_own_hole(tmp_path):
    rings = [box(0, 0, 100), box(10, 10, 80, clockwise=False), box(20, 20, 60),
             box(30, 30, 40, clockwise=False)]  # fmt: skip
    (shape,) = read(zipped(tmp_path, [content(rings)])).shapes
    assert shape.area == 100**2 - 80**2 + 60**2 - 40**2


def test_a_lone_ring_has_an_inside_whatever_way_it_runs(tmp_path):
    records = [content([box(0, 0, 10, clockwise=way)]) for way in (True, False)]
    assert [shape.area for shape in read(zipped(tmp_path, records)).shapes] == [100, 100]


def test_the_flat_archive_of_three_shapefiles_gives_each_by_its_name(tmp_path):
    members = {}
    for number, name in enumerate(("training_samples", "training_areas", "aoi"), 1):
        members |= {f"{name}.shp": shp([content([box(0, 0, 10 * number)])]), f"{name}.prj": UTM33}
        members |= {f"{name}.dbf": dbf([False]), f"{name}.shx": b"not read"}
    path = packed(tmp_path / "samples.tar.gz", members)
    assert set(layer_names(path)) == {"training_samples", "training_areas", "aoi"}
    assert read(path, layer="Training_Areas").report.area_after_m2 == 400
    assert read(path).report.polygons == 3
    with pytest.raises(errors.LayerMissing, match="aoi, training_areas, training_samples"):
        read(path, layer="samples")


def test_a_mac_s_own_notes_and_deleted_records_are_not_polygons(tmp_path):
    records = [content([box(0, 0, 10)]), content([box(0, 0, 20)])]
    notes = {"__MACOSX/._slides.shp": b"Mac OS X"}
    path = zipped(tmp_path, records, **{"slides.dbf": dbf([True, False])}, **notes)
    found = read(path)
    assert [shape.area for shape in found.shapes] == [400]
    assert found.labels == (("slides", 1),)


def test_a_shapefile_without_a_coordinate_system_is_refused_in_words(tmp_path):
    path = packed(tmp_path / "slides.zip", {"slides.shp": shp([content([box(0, 0, 10)])])})
    with pytest.raises(errors.NoGeoreference, match="no coordinate reference system") as caught:
        read(path)
    assert ".prj" in caught.value.allowed
    assert caught.value.pointer == "/inputs/training_samples"
    path = packed(tmp_path / "b.zip", {"s.shp": shp([content([box(0, 0, 10)])]), "s.prj": "junk"})
    with pytest.raises(errors.UnsupportedGrid, match="not understood"):
        read(path)


def test_parts_beside_a_shapefile_and_in_a_folder_are_found(tmp_path):
    (tmp_path / "slides.shp").write_bytes(shp([content([box(0, 0, 10)])]))
    (tmp_path / "slides.prj").write_text(UTM33)
    assert read(tmp_path / "slides.shp").report.area_after_m2 == 100
    assert read(tmp_path).report.layers == ("slides",)


@pytest.mark.parametrize(
    ("kind", "name"), [(1, "Point"), (3, "LineString"), (8, "MultiPoint"), (31, "MultiPatch")]
)
def test_what_is_no_polygon_is_refused_by_its_kind_and_number(tmp_path, kind, name):
    records = [content([box(0, 0, 10)]), struct.pack("<i2d", kind, 3.0, 4.0)]
    with pytest.raises(errors.UnknownFormat, match=f"lines or points: {name}: slides 2"):
        read(zipped(tmp_path, records))
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    polygon = {"type": "Polygon", "coordinates": [box(0, 0, 10)]}
    with pytest.raises(errors.UnknownFormat, match="lines or points: LineString: 2"):
        read(geojson(tmp_path / "m.geojson", [polygon, line]))


def test_features_without_a_geometry_or_an_area_are_left_out_by_name(tmp_path):
    flat = [(300_000.0, 5_000_000.0), (300_010.0, 5_000_000.0), (300_000.0, 5_000_000.0)]
    records = [struct.pack("<i", 0), content([box(0, 0, 10)]), content([[*flat, flat[0]]])]
    found = read(zipped(tmp_path, records))
    assert found.labels == (("slides", 2),)
    assert found.report.features == 3
    assert found.report.left_out == (
        "Feature slides 1 has no geometry and was left out.",
        "Polygon slides 3 has no area and was left out.",
    )
    with pytest.raises(errors.UnknownFormat, match=r"no polygons.*slides 1 has no geometry"):
        read(zipped(tmp_path, records[:1]))


def test_a_self_crossing_polygon_is_repaired_and_both_areas_are_told(tmp_path):
    sound = {"type": "Polygon", "coordinates": [box(500, 0, 10)]}
    crossed = {"type": "Polygon", "coordinates": [BOWTIE]}
    found = read(geojson(tmp_path / "m.geojson", [sound, crossed]))
    (repair,) = found.report.repaired
    assert (repair.number, repair.area_before_m2, repair.area_after_m2) == (2, 0, 5000)
    assert repair.reason.startswith("Self-intersection")
    assert (found.report.area_before_m2, found.report.area_after_m2) == (100, 5100)
    assert all(shape.is_valid for shape in found.shapes)
    assert any("0 m² as drawn, 5000 m² as used" in said for said in found.report.sentences)
    assert json.loads(json.dumps(found.report.as_dict()))["repaired"][0]["number"] == 2


def test_parts_that_overlap_are_one_ground(tmp_path):
    twice = {"type": "MultiPolygon", "coordinates": [[box(0, 0, 10)], [box(5, 0, 10)]]}
    (shape,) = read(geojson(tmp_path / "m.geojson", [twice])).shapes
    assert shape.area == 150


def test_long_sides_stay_straight_in_their_own_system(tmp_path):
    ring = [[10.0, 60.0], [12.0, 60.0], [12.0, 61.0], [10.0, 61.0], [10.0, 60.0]]
    path = geojson(tmp_path / "m.geojson", [{"type": "Polygon", "coordinates": [ring]}], crs=None)
    (shape,) = read(path, "EPSG:32632").shapes
    middle = Transformer.from_crs("OGC:CRS84", "EPSG:32632", always_xy=True).transform(11, 60)
    assert shapely.Point(middle).distance(shape.exterior) < 0.05
    # Without points along the parallel its middle would be off by a quarter of a kilometre.
    chord = shapely.LineString([shape.exterior.coords[0], shape.exterior.coords[200]])
    assert chord.distance(shapely.Point(middle)) > 200
    steps = np.linspace(0, 2, 2001)
    lon = np.concatenate([10 + steps, [12.0], 12 - steps])
    lat = np.concatenate([np.full(2001, 60.0), [60.5], np.full(2001, 61.0)])
    true = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])
    assert shape.area == pytest.approx(true, rel=1e-3)


def test_numbers_that_are_no_degrees_are_refused_in_words(tmp_path):
    polygon = {"type": "Polygon", "coordinates": [box(0, 0, 10)]}
    path = geojson(tmp_path / "m.geojson", [polygon], crs=None)
    with pytest.raises(errors.UnsupportedGrid, match="outside the area") as caught:
        read(path)
    assert "longitude and latitude" in caught.value.allowed


@pytest.mark.parametrize("name", ["/etc/passwd", "+proj=utm +zone=33", '{"type": "GeographicCRS"}'])
def test_a_system_is_named_by_a_code_or_wkt_alone(tmp_path, name):
    polygon = {"type": "Polygon", "coordinates": [box(0, 0, 10)]}
    with pytest.raises(errors.UnsupportedGrid, match="not understood"):
        read(geojson(tmp_path / "m.geojson", [polygon], crs=name))


def cut(data, at, new):
    return data[:at] + new + data[at + len(new) :]


WHOLE = shp([content([box(0, 0, 10), box(2, 2, 4, clockwise=False)])])


@pytest.mark.parametrize(
    "damaged",
    [
        WHOLE[:120],
        WHOLE[:-8],
        cut(WHOLE, 104, struct.pack(">i", 1 << 30)),
        cut(WHOLE, 104, struct.pack(">i", -4)),
        cut(WHOLE, 108 + 36, struct.pack("<i", 1 << 30)),
        cut(WHOLE, 108 + 40, struct.pack("<i", -1)),
        cut(WHOLE, 108 + 44, struct.pack("<2i", 3, 2)),
        cut(WHOLE, 108 + 52, struct.pack("<d", np.nan)),
        cut(WHOLE, 108, struct.pack("<i", 77)),
        cut(WHOLE, 108 + 52, struct.pack("<d", 1e200)),
        cut(WHOLE, 104, struct.pack(">i", 4)),
    ],
)
def test_a_damaged_shapefile_is_refused_as_one(tmp_path, damaged):
    with pytest.raises(errors.UnknownFormat, match="no polygons that can be read"):
        read(packed(tmp_path / "s.zip", {"s.shp": damaged, "s.prj": UTM33}))


def test_archives_that_lead_elsewhere_are_refused(tmp_path):
    data = shp([content([box(0, 0, 10)])])
    for name in ("../s.shp", "/s.shp"):
        with pytest.raises(errors.BadArchive, match="no plain relative path"):
            read(packed(tmp_path / "s.tar.gz", {name: data}))
    path = tmp_path / "l.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        link = tarfile.TarInfo("s.shp")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    with pytest.raises(errors.BadArchive, match="link"):
        read(path)
    with pytest.raises(errors.UnknownFormat, match=r"no \.shp"):
        read(packed(tmp_path / "n.zip", {"readme.txt": "nothing"}))


def test_a_zipped_shapefile_hides_pixels_as_a_mask_does(tmp_path):
    from affine import Affine

    grid = Grid((20, 20), Affine(10, 0, 300_000, 0, -10, 5_000_200), "EPSG:32633")
    found = user_mask(zipped(tmp_path, [content([box(50, 50, 100)])]), grid, grid.window)
    truth = np.zeros(grid.shape, bool)
    truth[5:15, 5:15] = True
    np.testing.assert_array_equal(found, truth)


def test_what_was_repaired_in_a_mask_is_told_and_no_more_than_a_few_one_by_one(tmp_path):
    good, pointer = content([box(50, 50, 100)]), "/inputs/mask"
    told = mask_notes(zipped(tmp_path, [good, content([BOWTIE])]), "EPSG:32633", pointer=pointer)
    assert len(told) == 1
    assert "mask: Polygon slides 2 was repaired" in told[0]
    many = mask_notes(
        zipped(tmp_path, [content([BOWTIE])] * 8, "many"), "EPSG:32633", pointer=pointer
    )
    assert len(many) == 6
    assert "3 more" in many[-1]
    assert mask_notes(zipped(tmp_path, [good], "fine"), "EPSG:32633", pointer=pointer) == ()


def test_a_geopackage_that_knows_no_system_is_refused(tmp_path):
    path = tmp_path / "m.gpkg"
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE gpkg_spatial_ref_sys (srs_id INTEGER, organization TEXT,"
            " organization_coordsys_id INTEGER, definition TEXT);"
            "CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INT);"
            "CREATE TABLE slides (fid INTEGER PRIMARY KEY, geom BLOB);"
            "INSERT INTO gpkg_spatial_ref_sys VALUES (-1, 'NONE', -1, 'undefined');"
            "INSERT INTO gpkg_geometry_columns VALUES ('slides', 'geom', -1);"
        )
        blob = b"GP\0\1" + struct.pack("<i", -1) + shapely.to_wkb(shapely.Polygon(box(0, 0, 10)))
        database.execute("INSERT INTO slides VALUES (1, ?)", (blob,))
    database.close()
    with pytest.raises(errors.NoGeoreference):
        read(path)


@pytest.mark.shared
def test_real_inventories_are_read_whole(shared_data):
    folder = shared_data / "landslides"
    path = folder / "inventories_bhuyan/PNG.zip"
    report = read(path, "EPSG:32754", layer="2018").report
    assert (report.features, report.polygons) == (1557, 1557)
    # Number, area and places of the crossings are those that GDAL's reader gives.
    assert report.area_after_m2 == pytest.approx(26_487_519.62, abs=0.01)
    assert [repair.number for repair in report.repaired] == [266, 377, 388, 410, 959, 1296]
    path = folder / "hokkaido2018_s2_rgb/training_samples.geojson"
    report = read(path, "EPSG:32654").report
    assert report.polygons == 54
    assert [repair.number for repair in report.repaired] == [4, 8, 11]
    path = folder / "mhscience_nz_s2diff/labels_shp/label_landslide_69.shp"
    assert read(path, "EPSG:32759").report.area_after_m2 == pytest.approx(13281.81, abs=0.01)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.integers(0, len(WHOLE)))
@settings(deadline=None, max_examples=150)
def test_no_shapefile_is_so_damaged_that_it_is_not_refused_in_words(place, byte, length):
    damaged = cut(WHOLE, place, bytes([byte]))[: max(length, 100)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.zip"
        packed(path, {"s.shp": damaged, "s.prj": UTM33, "s.dbf": dbf([False])[: max(length, 1)]})
        try:
            found = read(path)
        except errors.InputError as error:
            told = error.pointer
        else:
            told = "/inputs/training_samples"
            assert all(shape.is_valid for shape in found.shapes)
        assert told == "/inputs/training_samples"
