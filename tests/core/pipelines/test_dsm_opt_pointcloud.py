"""The file of the measured points: of made tiles, and of a simulated pair against the truth."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import laspy
import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.crs import CompoundCRS
from scipy import ndimage

from core.declare import File, Source
from core.errors import Cancelled
from core.geometry.datum import HeightDatum
from core.grid import Grid
from core.pipelines.dsm_opt.area import Target
from core.pipelines.dsm_opt.choices import Adjust
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.model import Model
from core.pipelines.dsm_opt.pointcloud import write_point_cloud
from core.pipelines.dsm_opt.surface import NPZ, _save, tile_key, tile_points
from core.pipelines.dsm_opt.tiles import NO_POINTS, TileResult
from core.progress import QUIET, Progress
from core.simulate.stereo.making import UNBIASED, make_stereo
from core.tiling import Window
from core.workspace import Context

SOURCES = (Source(href="file:a"), Source(href="file:b"))
GRID = Grid((100, 150), Affine(2, 0, 450000, 0, -2, 4790000), "EPSG:32631")
BOUNDS = (2.0, 42.0, 3.0, 44.0)
COUNT = 500

to_degrees = Transformer.from_crs(GRID.crs, "OGC:CRS84", always_xy=True).transform


@dataclass(frozen=True)
class PlaneGeoid(HeightDatum):
    """Heights above a geoid of 50 m, known in the west of the grid only."""

    known_to: float = 180.0

    def __post_init__(self) -> None:
        """Needs no grid."""

    def above(self, lon, lat, ellipsoidal):
        return np.where(lon < self.known_to, ellipsoidal - 50 - 100 * (lon - 2.4), np.nan)


def model(datum: HeightDatum) -> Model:
    target = Target(GRID, 64, None, None, BOUNDS)
    return Model((), (), target, datum, None, ())


def some_points(window, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    west, south, east, north = GRID.crop(window).bounds
    low, high = [west, south, 100, 0.1, 0, 1], [east, north, 200, 0.4, 1, 900]
    return rng.uniform(low, high, (COUNT, 6))


def kept(whole: Model, job: Context, make=some_points) -> NDArray[np.float64]:
    """Puts points where the tiles leave them; the second tile has none."""
    found = []
    for number, window in enumerate(whole.target.tiles()):
        points = NO_POINTS if number == 1 else make(window, number)
        result = TileResult({}, np.zeros(0, np.int64), points)
        job.workspace.once(tile_key(window, job), partial(_save, result), NPZ)
        found.append(points)
    assert len(found) == 6
    return np.concatenate(found)


@pytest.fixture
def written(steps, tmp_path):
    """Writes points that were kept; gives them, the file's record, the cloud."""

    def cloud(datum: HeightDatum, progress: Progress = QUIET, make=some_points):
        job, whole = steps.bare(tmp_path), model(datum)
        points = kept(whole, job, make)
        parameters = DsmOptParameters(images=SOURCES, point_cloud=True)
        file = write_point_cloud(whole, parameters, job, progress)
        return points, file, laspy.read(job.workspace.output / "point_cloud.laz")

    return cloud


def test_the_points_of_all_tiles_come_in_the_order_of_the_tiles(written, tmp_path) -> None:
    points, file, cloud = written(HeightDatum("ellipsoid", BOUNDS))
    assert (file.path, file.type) == ("point_cloud.laz", "application/vnd.laszip")
    assert file.size == (tmp_path / "output" / "point_cloud.laz").stat().st_size
    assert file.title == "Measured points, heights above the WGS 84 ellipsoid"
    assert len(cloud) == len(points) == 5 * COUNT
    names = ("x", "y", "z", "error", "score")
    for name, values in zip(names, points.T, strict=False):
        np.testing.assert_allclose(cloud[name], values, atol=0.51 / 1024, err_msg=name)
    np.testing.assert_array_equal(cloud.intensity, np.rint(points[:, 5]))
    system = cloud.header.parse_crs()
    assert system.equals(CRS("EPSG:32631").to_3d(), ignore_axis_order=True)


def test_offsets_are_whole_metres_in_the_middle_of_the_grid(written) -> None:
    _, _, cloud = written(HeightDatum("ellipsoid", BOUNDS))
    assert list(cloud.header.offsets) == [450150, 4789900, 0]


def test_heights_are_counted_from_the_wanted_datum(written) -> None:
    points, file, cloud = written(PlaneGeoid("egm96", BOUNDS))
    lon, _ = to_degrees(points[:, 0], points[:, 1])
    geoid = 50 + 100 * (lon - 2.4)
    assert np.ptp(geoid) > 0.2
    np.testing.assert_allclose(cloud.z, points[:, 2] - geoid, atol=0.51 / 1024)
    assert file.title == "Measured points, heights above EGM96 height"
    wanted = CompoundCRS("", [CRS("EPSG:32631"), CRS("EPSG:5773")])
    assert cloud.header.parse_crs().equals(wanted, ignore_axis_order=True)


def test_points_beyond_the_geoids_grid_are_left_out(written) -> None:
    border, _ = to_degrees(450150, 4789900)
    points, _, cloud = written(PlaneGeoid("egm96", BOUNDS, known_to=border))
    lon, _ = to_degrees(points[:, 0], points[:, 1])
    known = lon < border
    assert 0.2 < known.mean() < 0.8
    np.testing.assert_allclose(cloud.x, points[known, 0], atol=0.51 / 1024)


@pytest.mark.parametrize("column", [2, 3, 4, 5])
def test_points_that_lack_a_value_are_left_out(written, column) -> None:
    def lacking(window, seed):
        points = some_points(window, seed)
        points[10:20, column] = np.nan
        return points

    points, _, cloud = written(HeightDatum("ellipsoid", BOUNDS), make=lacking)
    assert len(cloud) == len(points) - 50
    complete = points[np.isfinite(points).all(axis=1)]
    np.testing.assert_allclose(cloud.x, complete[:, 0], atol=0.51 / 1024)


def test_no_file_where_none_is_wanted(steps, tmp_path) -> None:
    job = steps.bare(tmp_path)
    whole = model(HeightDatum("ellipsoid", BOUNDS))
    kept(whole, job)
    assert write_point_cloud(whole, DsmOptParameters(images=SOURCES), job, QUIET) is None
    assert list(job.workspace.output.iterdir()) == []


def test_a_job_that_is_stopped_between_tiles_leaves_no_part(written, tmp_path) -> None:
    told = []

    def listener(fraction, message) -> None:
        told.append((round(fraction, 3), message))
        if len(told) == 3:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        written(HeightDatum("ellipsoid", BOUNDS), Progress(listener))
    assert told[-1] == (0.5, "writing points, tile 3 of 6")
    assert list((tmp_path / "output").iterdir()) == []
    assert not list((tmp_path / "scratch").glob("unpublished*"))


class Simulated(NamedTuple):
    made: Any
    points: NDArray[np.float64]
    file: File

    @property
    def path(self) -> Path:
        return self.made.context.workspace.output / self.file.path

    @property
    def cloud(self) -> laspy.LasData:
        return laspy.read(self.path)


def simulated(steps, folder: Path) -> Simulated:
    """A pair through the steps of the pipeline, in several tiles."""
    stereo = make_stereo("relief", shape=(224, 224), seed=45, disturbances=UNBIASED)
    made = steps.made(stereo, folder, tile=120, adjustment=Adjust.NONE, point_cloud=True)
    target, context = made.job.target, made.context
    datum = HeightDatum("ellipsoid", target.bounds)
    rpcs = [eye.rpc for eye in made.ready.eyes]
    whole = Model(made.images, made.pairs, target, datum, made.surface, rpcs)
    file = write_point_cloud(whole, made.parameters, context, QUIET)
    points = np.concatenate([tile_points(window, context) for window in target.tiles()])
    assert file is not None
    return Simulated(made, points, file)


@pytest.fixture(scope="module")
def relief(steps, tmp_path_factory) -> Simulated:
    return simulated(steps, tmp_path_factory.mktemp("relief"))


def to_degrees_of(relief: Simulated, cloud: laspy.LasData):
    project = Transformer.from_crs(relief.made.job.target.grid.crs, "OGC:CRS84", always_xy=True)
    return project.transform(np.asarray(cloud.x), np.asarray(cloud.y))


def test_points_of_a_simulated_pair_lie_on_the_true_ground(relief) -> None:
    cloud, truth = relief.cloud, relief.made.stereo.truth(relief.made.stereo.grid(0.25))
    col, row = ~truth.grid.transform @ (np.asarray(cloud.x), np.asarray(cloud.y))
    place = (row - 0.5, col - 0.5)
    height = ndimage.map_coordinates(truth.height, place, order=1, cval=np.nan)
    counted = ndimage.map_coordinates(truth.measurable(), place, order=0, cval=False)
    assert counted.sum() > 0.7 * 224 * 224
    error = (np.asarray(cloud.z) - height)[counted]
    assert abs(np.median(error)) < 0.1
    assert 1.4826 * np.median(np.abs(error - np.median(error))) < 0.2
    assert (np.abs(error) < 1.0).mean() > 0.999
    told = np.asarray(cloud.error)[counted]
    assert 0.5 < (np.abs(error) < told).mean() < 0.95


def test_points_have_the_brightness_of_the_first_image_where_they_appear_in_it(relief) -> None:
    cloud, eye = relief.cloud, relief.made.job.pairs[0].eyes[0]
    place = eye.rpc.project(*to_degrees_of(relief, cloud), np.asarray(cloud.z))
    pixels = eye.image.read(Window(0, 0, 224, 224)).values
    there = ndimage.map_coordinates(pixels, (place.row, place.col), order=3, mode="nearest")
    difference = np.asarray(cloud.intensity) - there
    assert np.std(there) > 100
    assert np.median(np.abs(difference)) < 1.0
    assert (np.abs(difference) > 50).mean() < 0.002


def test_nothing_is_measured_beside_an_image(relief) -> None:
    """Not even where there is no brightness on both sides, which agrees perfectly."""
    eye, cloud = relief.made.job.pairs[0].eyes[0], relief.cloud
    place = eye.rpc.project(*to_degrees_of(relief, cloud), np.asarray(cloud.z))
    for axis in (place.row, place.col):
        assert -1 < axis.min() < 5
        assert 218 < axis.max() < 224
    assert (cloud.intensity > 0).all()


def test_points_lie_on_cells_of_the_surface_once_per_pixel(relief) -> None:
    cloud, grid = relief.cloud, relief.made.job.target.grid
    col, row = ~grid.transform @ (np.asarray(cloud.x), np.asarray(cloud.y))
    place = row.astype(np.intp), col.astype(np.intp)
    reasons = relief.made.surface.read("reasons", grid.window)
    assert (reasons[place] == 0).mean() > 0.999
    height = relief.made.surface.read("height", grid.window)[place]
    assert np.nanmedian(np.abs(cloud.z - height)) < 0.1
    assert 0.9 * 224 * 224 < len(cloud) <= 224 * 224


def test_equal_jobs_make_equal_bytes(steps, relief, tmp_path) -> None:
    again = simulated(steps, tmp_path)
    assert again.file.sha256 == relief.file.sha256
    assert again.path.read_bytes() == relief.path.read_bytes()
