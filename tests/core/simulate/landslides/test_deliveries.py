"""What is written opens with other software and holds what was said."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import CRS
from rasterio.features import rasterize
from scipy import ndimage
from shapely.geometry import Polygon

from core.io.vectors import polygons
from core.simulate import landslides
from core.simulate.landslides import Event
from core.simulate.landslides.vectors import WRITTEN, Polygons, shapefile


def test_images_are_reflectances_in_named_bands_with_their_dates(
    event: Event, tmp_path: Path
) -> None:
    delivery = landslides.written(event, tmp_path)
    for path, image, day, sun in zip(
        (delivery.before, delivery.after),
        (event.before, event.after),
        event.dates,
        event.suns,
        strict=True,
    ):
        with rasterio.open(path) as dataset:
            assert dataset.descriptions == ("B02", "B03", "B04", "B08")
            assert dataset.crs.to_epsg() == 32633
            assert dataset.transform == event.grid.transform
            assert dataset.nodata == 0
            assert dataset.tags()["ACQUISITION_DATE"] == day.isoformat()
            assert float(dataset.tags()["SUN_ELEVATION"]) == pytest.approx(sun[1], abs=1e-3)
            values = dataset.read()
        assert values.dtype == np.uint16
        assert values.min() > 0
        np.testing.assert_allclose(values / 1e4, np.clip(image, 1e-4, None), atol=5.1e-5)
    for path, reasons in (
        (delivery.before_classes, event.truth.before),
        (delivery.after_classes, event.truth.after),
    ):
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(dataset.read(1) == 4, reasons == 0)


def test_the_model_of_heights_is_coarser_and_not_quite_right(event: Event, tmp_path: Path) -> None:
    with rasterio.open(landslides.written(event, tmp_path).dem) as dataset:
        heights, bounds, transform = dataset.read(1), dataset.bounds, dataset.transform
    west, south, east, north = event.grid.bounds
    assert bounds.left < west
    assert bounds.bottom < south
    assert bounds.right > east
    assert bounds.top > north
    assert transform.a == 30
    assert (transform.c - west) % 10 != 0
    row, col = np.mgrid[10:310:7, 10:310:7]
    x, y = event.grid.transform @ (col + 0.5, row + 0.5)
    at_col, at_row = ~transform @ (x, y)
    found = ndimage.map_coordinates(heights, (at_row - 0.5, at_col - 0.5), order=1)
    errors = found - event.dem[row, col]
    assert abs(np.median(errors)) < 2
    assert 1 < 1.4826 * np.median(np.abs(errors)) < 6


def test_training_cells_hold_slides_in_half_of_them(event: Event) -> None:
    given = landslides.training(event, cells=8, seed=1)
    assert len(given.areas) == 8
    assert shapely.area(list(given.areas)) == pytest.approx(250_000)
    west, _, _, north = event.grid.bounds
    for area in given.areas:
        assert (area.bounds[0] - west) % 500 == 0
        assert (north - area.bounds[3]) % 500 == 0
    held = [any(area.intersects(sample) for sample in given.samples) for area in given.areas]
    assert sum(held) >= 4
    covered = shapely.union_all(list(given.areas))
    assert all(covered.buffer(1e-3).covers(sample) for sample in given.samples)
    assert landslides.training(event, cells=8, seed=1) == given
    assert landslides.training(event, cells=8, seed=2).areas != given.areas
    with pytest.raises(ValueError, match="40 cells"):
        landslides.training(event, cells=40)


def test_what_was_mapped_in_the_cells_is_what_slid(event: Event) -> None:
    given = landslides.training(event, cells=8, seed=1)
    inside, mapped = (
        rasterize(shapes, event.grid.shape, transform=event.grid.transform) > 0
        for shapes in (given.areas, given.samples)
    )
    truth = inside & event.truth.labels
    assert np.count_nonzero(truth & mapped) > 0.9 * np.count_nonzero(truth)
    assert not (mapped & ~inside).any()
    assert event.truth.fraction[mapped].min() > 0


def rings(files: Mapping[str, bytes], name: str) -> list[Polygon]:
    """The outer rings in a shapefile, read as its description says."""
    content, index = files[f"{name}.shp"], files[f"{name}.shx"]
    assert struct.unpack(">i", content[:4])[0] == 9994
    assert struct.unpack(">i", content[24:28])[0] * 2 == len(content)
    found = []
    for place in range(100, len(index), 8):
        start, words = struct.unpack(">2i", index[place : place + 8])
        record = content[2 * start + 8 : 2 * start + 8 + 2 * words]
        kind, *_, parts, points = struct.unpack("<i4d2i", record[:44])
        assert kind == 5
        firsts = struct.unpack(f"<{parts}i", record[44 : 44 + 4 * parts])
        xy = np.frombuffer(record[44 + 4 * parts :], "<f8").reshape(points, 2)
        outer = shapely.LinearRing(xy[: firsts[1] if parts > 1 else points])
        assert not outer.is_ccw
        found.append(Polygon(outer))
    return found


def test_every_form_of_training_data_holds_the_same_polygons(event: Event, tmp_path: Path) -> None:
    given = landslides.training(event, cells=8)
    forms = landslides.write_training(given, tmp_path)
    assert set(forms) == {"geojson", "gpkg", "zip", "tar.gz"}
    for form in ("geojson", "gpkg"):
        for path, layer in zip(forms[form], given.layers, strict=True):
            for found, shape in zip(polygons(path, given.crs), layer.shapes, strict=True):
                assert found.symmetric_difference(shape).area < 1e-3 * shape.area
    (packed,) = forms["tar.gz"]
    with tarfile.open(packed) as archive:
        files = {item.name: archive.extractfile(item).read() for item in archive.getmembers()}
    assert all("/" not in name for name in files)
    for path, layer in zip(forms["zip"], given.layers, strict=True):
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            zipped = {name: archive.read(name) for name in archive.namelist()}
        assert {name: files[name] for name in zipped} == zipped
        system = CRS.from_wkt(zipped[f"{layer.name}.prj"].decode())
        assert system.to_epsg(min_confidence=20) == 32633
        assert zipped[f"{layer.name}.dbf"][4] == len(layer.shapes)
        for found, shape in zip(rings(zipped, layer.name), layer.shapes, strict=True):
            assert found.equals(Polygon(shape.exterior))


def test_the_same_training_data_make_the_same_bytes(event: Event, tmp_path: Path) -> None:
    given = landslides.training(event, cells=8)
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    one, other = (
        {path.name: path.read_bytes() for form in forms.values() for path in form}
        for forms in (landslides.write_training(given, folder) for folder in folders)
    )
    assert one == other
    # Two files of one second would be alike all the same.
    moment = struct.pack("<I", int(WRITTEN.timestamp()))
    assert one["training.tar.gz"][4:8] == moment
    assert b"2024-01-01T00:00:00.000Z" in one["training_areas.gpkg"]


def test_holes_turn_the_other_way() -> None:
    holed = Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(3, 3), (3, 6), (6, 6), (6, 3)]])
    files = shapefile(Polygons("one", [holed], "EPSG:32633"))
    assert rings(files, "one")[0].equals(Polygon(holed.exterior))
    xy = np.frombuffer(files["one.shp"][-80:], "<f8").reshape(5, 2)
    assert shapely.LinearRing(xy).is_ccw


def test_the_inventory_holds_every_outline(event: Event, tmp_path: Path) -> None:
    landslides.write_inventory(event, tmp_path / "truth.gpkg")
    found = polygons(tmp_path / "truth.gpkg", event.grid.crs)
    assert shapely.area(list(found)) == pytest.approx(
        [slide.area_m2 for slide in event.truth.slides]
    )


def test_a_large_scene_is_the_event_mirrored(event: Event, tmp_path: Path) -> None:
    before, after, dem = landslides.write_large(event, tmp_path, (2, 3))
    side = event.grid.shape[0]
    for path, image in ((before, event.before), (after, event.after)):
        with rasterio.open(path) as dataset:
            assert dataset.shape == (2 * side, 3 * side)
            assert dataset.descriptions == event.bands
            values = dataset.read()
        first = np.clip(np.rint(1e4 * image), 1, 65535)
        np.testing.assert_array_equal(values[:, :side, :side], first)
        np.testing.assert_array_equal(values[:, :side, side : 2 * side], first[:, :, ::-1])
        np.testing.assert_array_equal(values[:, side:, 2 * side :], first[:, ::-1])
    with rasterio.open(dem) as dataset:
        heights = dataset.read(1)
    assert heights.shape == (2 * side // 3, side)
    assert heights[0, 0] == pytest.approx(event.dem[1, 1], abs=1e-3)
    assert heights[-1, 0] == pytest.approx(event.dem[1, 1], abs=8)
