"""Samples and areas that users drew, as labels of pixels."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import shapely
from affine import Affine

from core.errors import Inconsistent, MissingInput
from core.grid import Grid
from core.pipelines.aladim.training import training_of
from core.simulate.landslides.vectors import Polygons, packed_shapefiles

UTM = "EPSG:32654"
CORNER = Affine(10, 0, 573000, 0, -10, 4735000)
GRID = Grid((100, 100), CORNER, UTM)


def box(row, col, rows, cols):
    """A rectangle in pixels."""
    west, north = CORNER @ (col, row)
    east, south = CORNER @ (col + cols, row + rows)
    return shapely.box(west, south, east, north)


@pytest.fixture
def image(aladim, tmp_path):
    return aladim.written(tmp_path / "after.tif", np.full((4, 100, 100), 500, np.uint16))


def read(aladim, tmp_path, image, samples, areas):
    with ThreadPoolExecutor(1) as pool:
        asked = aladim.parameters(
            after=[image],
            training_samples=aladim.geojson(tmp_path / "samples.geojson", samples),
            training_areas=aladim.geojson(tmp_path / "areas.geojson", areas),
        )
        return training_of(asked, aladim.context(tmp_path, pool), GRID)


def test_labels_are_shares_of_pixels_in_numbered_areas(aladim, tmp_path, image):
    samples = [box(10, 10, 5, 5), box(20, 20, 0.5, 1)]
    training = read(aladim, tmp_path, image, samples, [box(0, 0, 40, 40), box(60, 60, 20, 20)])
    labels = training.labels(GRID, GRID.window)
    assert (labels.fraction[10:15, 10:15] == 1).all()
    assert labels.fraction[20, 20] == 0.5
    assert labels.fraction.sum() == pytest.approx(25.5)
    assert set(np.unique(labels.area)) == {0, 1, 2}
    assert (labels.area[:40, :40] == 1).all()
    assert (labels.area == 2).sum() == 400


def test_a_part_of_the_labels_is_the_part_of_the_whole(aladim, tmp_path, image):
    training = read(aladim, tmp_path, image, [box(10, 10, 33.3, 17.7)], [box(3, 4, 80, 70)])
    whole = training.labels(GRID, GRID.window)
    window = GRID.window.shift(5, 7) & GRID.window
    part = training.labels(GRID, window)
    for ours, theirs in zip(part, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs[window.slices])


def test_what_lies_outside_the_areas_is_told(aladim, tmp_path, image):
    samples = [box(10, 10, 5, 5), box(80, 5, 5, 5), box(12, 30, 0.4, 0.4)]
    told = " ".join(read(aladim, tmp_path, image, samples, [box(0, 0, 40, 40)]).sentences(GRID))
    assert "1 of 3 polygons lie outside training_areas" in told
    assert "1 polygons are smaller than a pixel" in told


def test_samples_outside_all_areas_are_refused(aladim, tmp_path, image):
    with pytest.raises(Inconsistent, match="None of the 1 training samples lies"):
        read(aladim, tmp_path, image, [box(80, 80, 5, 5)], [box(0, 0, 40, 40)])


def layer(name, *shapes):
    return Polygons(name, shapes, UTM)


def packed(aladim, tmp_path, image, *layers):
    archive = tmp_path / "training.tar.gz"
    packed_shapefiles(archive, layers)
    with ThreadPoolExecutor(1) as pool:
        asked = aladim.parameters(after=[image], training=archive)
        return training_of(asked, aladim.context(tmp_path, pool), GRID)


def test_an_archive_without_areas_is_refused(aladim, tmp_path, image):
    with pytest.raises(MissingInput, match=r"lacks training_areas\.shp"):
        packed(aladim, tmp_path, image, layer("training_samples", box(10, 10, 5, 5)))


def test_the_originals_archive_is_read(aladim, tmp_path, image):
    samples = layer("training_samples", box(10, 10, 5, 5))
    areas = layer("training_areas", box(0, 0, 40, 40), box(50, 50, 10, 10))
    training = packed(aladim, tmp_path, image, samples, areas)
    assert training is not None
    labels = training.labels(GRID, GRID.window)
    assert labels.fraction.sum() == 25
    assert (labels.area == 2).sum() == 100
