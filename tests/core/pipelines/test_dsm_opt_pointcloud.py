"""The file of the measured points: of made tiles, and of a simulated pair against the truth."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import laspy
import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.crs import CompoundCRS
from scipy import ndimage

from core.compute import Compute
from core.declare import File, Source
from core.errors import Cancelled
from core.geometry.datum import HeightDatum
from core.grid import Grid
from core.io.products.stereo import open_views
from core.pipelines.dsm_opt.ancillary import searched_heights
from core.pipelines.dsm_opt.area import Target, target_of
from core.pipelines.dsm_opt.choices import Adjust
from core.pipelines.dsm_opt.declaration import DSM_OPT, DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.matching import stereopairs
from core.pipelines.dsm_opt.model import Model, Surface
from core.pipelines.dsm_opt.pairing import pairs_of
from core.pipelines.dsm_opt.pointcloud import write_point_cloud
from core.pipelines.dsm_opt.preparation import prepared
from core.pipelines.dsm_opt.surface import NPZ, _save, surface_of, tile_key, tile_points
from core.pipelines.dsm_opt.tiles import NO_POINTS, Job, TileResult
from core.progress import QUIET, Progress
from core.simulate.stereo.making import UNBIASED, Stereo, make_stereo
from core.tiling import Window
from core.workspace import Context, Workspace

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


def context(folder: Path, pool=None) -> Context:
    return Context(
        None, Workspace(folder), QUIET, pool, Compute(workers=2), {"inputs": {}}, DSM_OPT
    )


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


def written(folder: Path, datum: HeightDatum, progress: Progress = QUIET, make=some_points):
    """The points that were kept, the file's record, the cloud."""
    job, whole = context(folder), model(datum)
    points = kept(whole, job, make)
    parameters = DsmOptParameters(images=SOURCES, point_cloud=True)
    file = write_point_cloud(whole, parameters, job, progress)
    return points, file, laspy.read(job.workspace.output / "point_cloud.laz")


def test_the_points_of_all_tiles_come_in_the_order_of_the_tiles(tmp_path) -> None:
    points, file, cloud = written(tmp_path, HeightDatum("ellipsoid", BOUNDS))
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


def test_offsets_are_whole_metres_in_the_middle_of_the_grid(tmp_path) -> None:
    _, _, cloud = written(tmp_path, HeightDatum("ellipsoid", BOUNDS))
    assert list(cloud.header.offsets) == [450150, 4789900, 0]


def test_heights_are_counted_from_the_wanted_datum(tmp_path) -> None:
    points, file, cloud = written(tmp_path, PlaneGeoid("egm96", BOUNDS))
    lon, _ = to_degrees(points[:, 0], points[:, 1])
    geoid = 50 + 100 * (lon - 2.4)
    assert np.ptp(geoid) > 0.2
    np.testing.assert_allclose(cloud.z, points[:, 2] - geoid, atol=0.51 / 1024)
    assert file.title == "Measured points, heights above EGM96 height"
    wanted = CompoundCRS("", [CRS("EPSG:32631"), CRS("EPSG:5773")])
    assert cloud.header.parse_crs().equals(wanted, ignore_axis_order=True)


def test_points_beyond_the_geoids_grid_are_left_out(tmp_path) -> None:
    border, _ = to_degrees(450150, 4789900)
    points, _, cloud = written(tmp_path, PlaneGeoid("egm96", BOUNDS, known_to=border))
    lon, _ = to_degrees(points[:, 0], points[:, 1])
    known = lon < border
    assert 0.2 < known.mean() < 0.8
    np.testing.assert_allclose(cloud.x, points[known, 0], atol=0.51 / 1024)


@pytest.mark.parametrize("column", [2, 3, 4, 5])
def test_points_that_lack_a_value_are_left_out(tmp_path, column) -> None:
    def lacking(window, seed):
        points = some_points(window, seed)
        points[10:20, column] = np.nan
        return points

    points, _, cloud = written(tmp_path, HeightDatum("ellipsoid", BOUNDS), make=lacking)
    assert len(cloud) == len(points) - 50
    complete = points[np.isfinite(points).all(axis=1)]
    np.testing.assert_allclose(cloud.x, complete[:, 0], atol=0.51 / 1024)


def test_no_file_where_none_is_wanted(tmp_path) -> None:
    job = context(tmp_path)
    whole = model(HeightDatum("ellipsoid", BOUNDS))
    kept(whole, job)
    assert write_point_cloud(whole, DsmOptParameters(images=SOURCES), job, QUIET) is None
    assert list(job.workspace.output.iterdir()) == []


def test_a_job_that_is_stopped_between_tiles_leaves_no_part(tmp_path) -> None:
    told = []

    def listener(fraction, message) -> None:
        told.append((round(fraction, 3), message))
        if len(told) == 3:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        written(tmp_path, HeightDatum("ellipsoid", BOUNDS), Progress(listener))
    assert told[-1] == (0.5, "writing points, tile 3 of 6")
    assert list((tmp_path / "output").iterdir()) == []
    assert not list((tmp_path / "scratch").glob("unpublished*"))


class Simulated(NamedTuple):
    stereo: Stereo
    job: Job
    surface: Surface
    points: NDArray[np.float64]
    file: File
    path: Path

    @property
    def cloud(self) -> laspy.LasData:
        return laspy.read(self.path)


def simulated(folder: Path) -> Simulated:
    """A pair through the steps of the pipeline, in several tiles."""
    stereo = make_stereo("relief", shape=(224, 224), seed=45, disturbances=UNBIASED)
    (folder / "views").mkdir()
    paths = stereo.write(folder / "views", true_model=True)
    views = sorted(open_views(paths, scratch=folder), key=lambda view: view.name)
    images = [Image(number, view, view.name) for number, view in enumerate(views, 1)]
    parameters = DsmOptParameters(
        images=tuple(Source(href=f"file:{path}") for path in paths),
        resolution=0.5,
        output_crs=stereo.scene.crs,
        adjustment=Adjust.NONE,
        point_cloud=True,
    )
    pairs = pairs_of(parameters, images)
    target = target_of(parameters, images, pairs)
    heights = searched_heights(parameters, images)
    with ThreadPoolExecutor(2) as pool:
        whole = context(folder / "job", pool)
        ready = prepared(parameters, whole, images, pairs, target, heights, QUIET)
        tiled = replace(ready.target, tile=120)
        matched = stereopairs(parameters, images, pairs, ready, QUIET)
        job = Job(tiled, ready.ground, ready.eyes, matched, minimum_patch=30, point_cloud=True)
        surface, _ = surface_of(job, whole, QUIET)
        datum = HeightDatum("ellipsoid", target.bounds)
        rpcs = [eye.rpc for eye in ready.eyes]
        made = Model(images, pairs, tiled, datum, surface, rpcs)
        file = write_point_cloud(made, parameters, whole, QUIET)
        points = np.concatenate([tile_points(window, whole) for window in tiled.tiles()])
    assert file is not None
    return Simulated(stereo, job, surface, points, file, folder / "job" / "output" / file.path)


@pytest.fixture(scope="module")
def relief(tmp_path_factory) -> Simulated:
    return simulated(tmp_path_factory.mktemp("relief"))


def to_degrees_of(made: Simulated, cloud: laspy.LasData):
    project = Transformer.from_crs(made.job.target.grid.crs, "OGC:CRS84", always_xy=True)
    return project.transform(np.asarray(cloud.x), np.asarray(cloud.y))


def test_points_of_a_simulated_pair_lie_on_the_true_ground(relief) -> None:
    cloud, truth = relief.cloud, relief.stereo.truth(relief.stereo.grid(0.25))
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
    cloud, eye = relief.cloud, relief.job.pairs[0].eyes[0]
    place = eye.rpc.project(*to_degrees_of(relief, cloud), np.asarray(cloud.z))
    pixels = eye.image.read(Window(0, 0, 224, 224)).values
    there = ndimage.map_coordinates(pixels, (place.row, place.col), order=3, mode="nearest")
    difference = np.asarray(cloud.intensity) - there
    assert np.std(there) > 100
    assert np.median(np.abs(difference)) < 1.0
    assert (np.abs(difference) > 50).mean() < 0.002


def test_nothing_is_measured_beside_an_image(relief) -> None:
    """Not even where there is no brightness on both sides, which agrees perfectly."""
    eye, cloud = relief.job.pairs[0].eyes[0], relief.cloud
    place = eye.rpc.project(*to_degrees_of(relief, cloud), np.asarray(cloud.z))
    for axis in (place.row, place.col):
        assert -1 < axis.min() < 5
        assert 218 < axis.max() < 224
    assert (cloud.intensity > 0).all()


def test_points_lie_on_cells_of_the_surface_once_per_pixel(relief) -> None:
    cloud, grid = relief.cloud, relief.job.target.grid
    col, row = ~grid.transform @ (np.asarray(cloud.x), np.asarray(cloud.y))
    place = row.astype(np.intp), col.astype(np.intp)
    reasons = relief.surface.read("reasons", grid.window)
    assert (reasons[place] == 0).mean() > 0.999
    height = relief.surface.read("height", grid.window)[place]
    assert np.nanmedian(np.abs(cloud.z - height)) < 0.1
    assert 0.9 * 224 * 224 < len(cloud) <= 224 * 224


def test_equal_jobs_make_equal_bytes(relief, tmp_path) -> None:
    again = simulated(tmp_path)
    assert again.file.sha256 == relief.file.sha256
    assert again.path.read_bytes() == relief.path.read_bytes()
