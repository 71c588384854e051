"""What each parameter of DSM-OPT changes in the output, on simulated images with exact truth."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from shapely import box, contains_xy, from_wkt
from shapely.geometry.base import BaseGeometry

from core.compute import Compute
from core.declare import SourcePolicy, validate
from core.errors import GridMissing
from core.geometry.datum import HeightDatum
from core.grid import Grid
from core.io.sources import Sources
from core.pipelines.dsm_opt.declaration import DSM_OPT, DsmOptOutputs
from core.pipelines.dsm_opt.run import run
from core.progress import QUIET
from core.reasons import Reason
from core.simulate.stereo.bundle import multispectral, panchromatic
from core.simulate.stereo.control import control_points
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.making import UNBIASED, Stereo, make_stereo
from core.simulate.stereo.truth import Truth
from core.tiling import Window
from core.workspace import Context, Workspace

Raster = NDArray[Any]

FINE = {"resolution": 0.5}
BIASED = UNBIASED._replace(bias_px=(1.0, 3.0))


@dataclass(frozen=True, eq=False)
class Result:
    """What a job wrote, and what is true."""

    stereo: Stereo
    folder: Path
    outputs: DsmOptOutputs
    grid: Grid

    def raster(self, name: str) -> Raster:
        with rasterio.open(self.folder / f"{name}.tif") as file:
            values: Raster = file.read(1)
            return values

    @property
    def dsm(self) -> Raster:
        return self.raster("dsm")

    @property
    def truth(self) -> Truth:
        return self.stereo.truth(self.grid)

    @property
    def error(self) -> Raster:
        """Of measured cells whose truth is known."""
        error = self.dsm - self.truth.height
        return error[np.isfinite(error) & self.truth.measurable()]

    @property
    def document(self) -> Any:
        return json.loads((self.folder / self.outputs.report.path).read_text())

    def cells(self, reason: Reason) -> int:
        return int(((self.raster("reasons") & np.uint16(reason)) != 0).sum())

    def centres(self, crs: str) -> tuple[Raster, Raster]:
        change = Transformer.from_crs(self.grid.crs, crs, always_xy=True)
        x, y = change.transform(*self.grid.centres())
        return np.asarray(x), np.asarray(y)


@dataclass(frozen=True, eq=False)
class Place:
    """A scene, its images, and the jobs that were run on them."""

    stereo: Stereo
    paths: tuple[Path, ...]
    folder: Path
    done: dict[str, Result]

    def __call__(self, **inputs: Any) -> Result:
        """The result of a request; the same request is run once."""
        key = json.dumps(inputs, sort_keys=True)
        if key not in self.done:
            self.done[key] = self._run(self.folder / f"job{len(self.done)}", inputs)
        return self.done[key]

    def _run(self, folder: Path, inputs: dict[str, Any]) -> Result:
        policy, workspace = SourcePolicy(roots=("/",)), Workspace(folder)
        images = [href(path) for path in self.paths]
        checked = validate(DSM_OPT, json.dumps({"inputs": inputs | {"images": images}}), policy)
        with ThreadPoolExecutor(2) as pool:
            context = Context(
                sources=Sources(policy, {}, workspace.scratch / "sources"),
                workspace=workspace,
                progress=QUIET,
                executor=pool,
                compute=Compute(workers=2, scratch=workspace.scratch),
                document=checked.document,
                pipeline=DSM_OPT,
            )
            outputs = run(checked.parameters, context)
        with rasterio.open(folder / "output" / "dsm.tif") as file:
            grid = Grid(file.shape, file.transform, file.crs.to_wkt())
        assert isinstance(outputs, DsmOptOutputs)
        return Result(self.stereo, folder / "output", outputs, grid)


def href(path: Path) -> dict[str, str]:
    return {"href": path.resolve().as_uri()}


Open = Callable[..., Place]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Open:
    def opened(stereo: Stereo, *, true_model: bool = True) -> Place:
        folder = tmp_path_factory.mktemp("place")
        return Place(stereo, stereo.write(folder, true_model=true_model), folder, {})

    return opened


@pytest.fixture(scope="module")
def city(place: Open) -> Place:
    return place(make_stereo("city", shape=(256, 256), seed=45))


@pytest.fixture(scope="module")
def plain(place: Open) -> Place:
    # The satellite's trembling would tilt so small a model.
    still = UNBIASED._replace(jitter_px=0.0)
    return place(make_stereo("plain", shape=(256, 256), seed=46, disturbances=still))


@pytest.fixture(scope="module")
def triplet(place: Open) -> Place:
    return place(make_stereo("city", "triplet", shape=(192, 192), seed=47))


@pytest.fixture(scope="module")
def biased(place: Open) -> Place:
    stereo = make_stereo("city", shape=(256, 256), seed=48, disturbances=BIASED)
    return place(stereo, true_model=False)


def around(result: Result, west: float, south: float, east: float, north: float) -> BaseGeometry:
    """A rectangle by metres from the middle of a result."""
    left, bottom, right, top = result.grid.bounds
    x, y = (left + right) / 2, (bottom + top) / 2
    return box(x + west, y + south, x + east, y + north)


def written(path: Path, polygon: BaseGeometry, crs: str) -> dict[str, str]:
    """A polygon as GeoJSON in longitude and latitude."""
    change = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    ring = [change.transform(x, y) for x, y in polygon.exterior.coords]
    feature = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return href(path)


TENTH_M = 0.1 * 0.5 / 0.26
"""Height that a tenth of a pixel of disparity makes."""


def same(first: Result, second: Result) -> float:
    """Share of measurable cells of the first whose heights agree to a tenth of a pixel."""
    west, _, _, north = second.grid.bounds
    half = second.grid.pixel_size[0] / 2
    row, col = (round(float(part)) for part in first.grid.rowcol(west + half, north - half))
    other = np.full(first.grid.shape, np.nan)
    there = first.grid.window & Window(row, col, *second.grid.shape)
    other[there.slices] = second.dsm[there.shift(-row, -col).slices]
    asked = first.truth.measurable(16.0)
    agrees = np.abs(first.dsm - other) < TENTH_M
    agrees |= np.isnan(first.dsm) & np.isnan(other)
    return float(agrees[asked].mean())


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
    assert known.sum() > 0.7 * 100 * 80
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
    assert np.isfinite(result.dsm[wanted]).mean() > 0.7
    left, _, _, top = result.grid.bounds
    assert (left / 0.5, top / 0.5) == (round(left / 0.5), round(top / 0.5))
    row, col = (round(part) for part in whole.grid.rowcol(left + 0.25, top - 0.25))
    rows, cols = result.grid.shape
    part = whole.dsm[row : row + rows, col : col + cols]
    both = wanted & np.isfinite(part) & np.isfinite(result.dsm)
    assert (np.abs(part - result.dsm)[both] < 0.3).mean() > 0.9


def test_only_the_pairs_that_are_named_are_matched(triplet):
    every, one = triplet(), triplet(pairs=["1-3"])
    assert [pair["key"] for pair in every.document["pairs"]] == ["1-2", "1-3", "2-3"]
    assert [pair["key"] for pair in one.document["pairs"]] == ["1-3"]
    assert every.raster("contributing_pairs").max() == 3
    assert one.raster("contributing_pairs").max() == 1


def test_masked_ground_is_not_measured(city, tmp_path):
    whole = city(**FINE)
    polygon = around(whole, -15, -10, 10, 12)
    result = city(**FINE, mask=written(tmp_path / "m.geojson", polygon, whole.grid.crs))
    hidden = contains_xy(polygon.buffer(-0.6), *result.grid.centres())
    assert np.isfinite(whole.dsm[hidden]).mean() > 0.8
    assert not np.isfinite(result.dsm[hidden]).any()
    assert ((result.raster("reasons")[hidden] & np.uint16(Reason.USER_MASK)) != 0).all()
    beyond = ~contains_xy(polygon.buffer(20), *result.grid.centres())
    assert np.array_equal(whole.dsm[beyond], result.dsm[beyond], equal_nan=True)


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


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:32661"])
def test_the_model_is_the_same_ground_in_any_projection(plain, crs):
    result = plain(output_crs=crs)
    assert rasterio.crs.CRS.from_wkt(result.grid.crs).to_epsg() == int(crs[5:])
    x, y = result.centres(plain.stereo.scene.crs)
    error = (result.dsm - plain.stereo.scene.height(x, y))[np.isfinite(result.dsm)]
    assert error.size > 5000
    assert abs(np.median(error)) < 0.1
    assert np.median(np.abs(error)) < 0.2


@pytest.mark.parametrize("name", ["datum", "dem_datum"])
def test_heights_above_a_geoid_differ_by_its_height(plain, tmp_path, name):
    try:
        geoid = HeightDatum("egm96", (4.6, 43.4, 4.7, 43.6))
    except GridMissing as error:
        pytest.skip(f"the geoid's grid is not installed: {error.message}")
    undulation = -float(geoid.above(4.62, 43.51, 0.0))
    if name == "datum":
        above = plain(datum="egm96")
        assert np.nanmedian(plain().dsm - above.dsm) == pytest.approx(undulation, abs=0.1)
        return
    dem = elevation(tmp_path, plain, 60.0)
    told = plain(dem=dem, dem_datum="egm96").document["elevation"]["median_m"]
    plainly = plain(dem=dem).document["elevation"]["median_m"]
    assert abs(abs(told - plainly) - abs(undulation)) < 0.2


def roughness(result: Result) -> float:
    """Curvature along rows, metres."""
    return float(np.nanmean(np.minimum(np.abs(np.diff(result.dsm, 2, axis=1)), 1.0)))


def test_a_larger_window_is_smoother(city):
    rough = [roughness(city(**FINE, window=window)) for window in (1, 2, 7)]
    assert rough[0] > 1.1 * rough[1] > 1.1 * rough[2]


def test_stronger_regularisation_joins_heights_and_weaker_leaves_them_apart(city):
    weak, usual, strong = (city(**FINE, regularisation=value) for value in (0.001, 0.02, 0.2))
    apart = [one.cells(Reason.FORWARD_BACKWARD) for one in (weak, usual, strong)]
    assert apart[0] > 2 * apart[1] > 4 * apart[2]
    rough = [roughness(one) for one in (weak, usual, strong)]
    assert rough[0] > 1.1 * rough[1]
    assert rough[0] > 1.1 * rough[2]


@pytest.mark.parametrize(("name", "sign"), [("minimum_height", -1), ("maximum_height", 1)])
def test_surface_beyond_the_heights_that_are_looked_for_has_none(city, name, sign):
    usual = city(**FINE)
    limit = 100.0
    result = city(**FINE, **{name: limit})
    # A cell's height is that of several points, and rounded.
    assert np.nanmax(sign * result.dsm) <= sign * limit + 0.01
    assert np.nanmax(sign * usual.dsm) > sign * limit + 3
    beyond = (sign * (result.truth.height - limit) > 3) & result.truth.measurable()
    assert beyond.sum() > 500
    lost = result.raster("reasons")[beyond] != 0
    # Something lower may match by chance.
    assert lost.mean() > 0.9
    assert result.cells(Reason.NO_CONVERGENCE) > 2 * usual.cells(Reason.NO_CONVERGENCE)
    within = (sign * (limit - result.truth.height) > 3) & result.truth.measurable()
    assert np.isfinite(result.dsm[within]).mean() > 0.85


def elevation(folder: Path, where: Place, height: float, hole: float = 0.0) -> dict[str, str]:
    """An elevation model of one height, without any in some share from the west."""
    values = np.full((60, 60), height, np.float32)
    values[:, : round(60 * hole)] = -9999
    west, south, east, north = where().grid.bounds
    cell = 20.0
    corner = (west + east) / 2 - 30 * cell, (south + north) / 2 + 30 * cell
    path = folder / f"dem{height:.0f}{hole:.1f}.tif"
    profile = {"driver": "GTiff", "width": 60, "height": 60, "count": 1, "dtype": "float32"}
    transform = Affine(cell, 0, corner[0], 0, -cell, corner[1])
    crs = where.stereo.scene.crs
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform, nodata=-9999) as file:
        file.write(values, 1)
    return href(path)


@pytest.mark.parametrize(("off", "hole"), [(0, 0.0), (100, 0.0), (-100, 0.0), (0, 0.5), (0, 1.0)])
def test_no_elevation_model_changes_the_result(plain, tmp_path, off, hole):
    usual, result = plain(), plain(dem=elevation(tmp_path, plain, 60.0 + off, hole))
    # Half an elevation model narrows nothing; a whole one, by a little, the surface searched about.
    assert same(usual, result) > (0.95 if hole == 0 else 0.9999)
    wrong, before = (float((np.abs(one.error) > 1).mean()) for one in (result, usual))
    assert wrong < before + 0.005
    assert np.median(np.abs(result.error)) < np.median(np.abs(usual.error)) + 0.02
    if hole < 0.5:
        assert result.document["elevation"]["median_m"] == pytest.approx(-off, abs=0.3)


@pytest.mark.parametrize(
    ("name", "loose", "strict", "reason"),
    [
        ("left_right_tolerance", 5, 0.5, Reason.FORWARD_BACKWARD),
        ("intersection_tolerance", 0, 0.1, Reason.TOO_LARGE),
        ("minimum_score", 0, 0.9, Reason.LOW_SCORE),
        ("minimum_distinctness", 0, 4, Reason.AMBIGUOUS),
        ("minimum_patch", 0, 500, Reason.ISOLATED),
    ],
)
def test_a_stricter_filter_removes_more_and_says_so(city, name, loose, strict, reason):
    all_of_them, fewer = (city(**FINE, **{name: value}) for value in (loose, strict))
    kept = [int(np.isfinite(one.dsm).sum()) for one in (all_of_them, fewer)]
    assert kept[1] < kept[0] - 300
    assert fewer.cells(reason) > all_of_them.cells(reason) + 300
    wrong = [float((np.abs(one.error) > 1).mean()) for one in (all_of_them, fewer)]
    assert wrong[1] <= wrong[0] + 1e-3
    if name in ("intersection_tolerance", "minimum_distinctness"):
        assert all_of_them.cells(reason) == 0


def test_without_left_right_check_hidden_ground_gets_wrong_heights(city):
    loose, usual = (city(**FINE, left_right_tolerance=value) for value in (5, 1))
    truth = usual.truth
    hidden = truth.inside(16.0).all(axis=0) & (truth.visible.sum(axis=0) < 2)
    wrong = [int((np.abs(one.dsm - truth.height) > 1)[hidden].sum()) for one in (loose, usual)]
    assert wrong[1] < 0.95 * wrong[0]


def ground_control(where: Place, path: Path, count: int) -> dict[str, str]:
    """Control points without error, as CSV."""
    stereo = where.stereo
    lines = ["id,lon,lat,height,sigma,pixel_sigma,image,row,col,origin"]
    for point in control_points(stereo.truth(stereo.grid(1.0)), stereo.views, count):
        for number, (row, col) in enumerate(zip(point.rows, point.cols, strict=True), 1):
            place = f"{point.lon:.9f},{point.lat:.9f},{point.height:.4f},0.01,0.02"
            lines.append(f"{point.name},{place},{number},{row:.4f},{col:.4f},0-centre")
    path.write_text("\n".join(lines) + "\n")
    return href(path)


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
    none, done = biased(adjustment="none"), biased(adjustment=kind)
    measured = [int(np.isfinite(one.dsm).sum()) for one in (none, done)]
    assert measured[0] < 0.5 * measured[1]
    assert np.nanmedian(done.raster("intersection_error")) < 0.06
    assert none.document["adjustment"] is None
    assert done.document["adjustment"] is not None


def test_outputs_are_made_on_request_alone(city):
    usual = city(**FINE).outputs
    assert usual.orthoimages == ()
    assert usual.ortho_best is None
    assert usual.point_cloud is None
    asked = city(**FINE, orthoimages=True, point_cloud=True)
    assert len(asked.outputs.orthoimages) == 2
    with rasterio.open(asked.folder / asked.outputs.ortho_best.path) as file:
        assert (file.read(1)[np.isfinite(asked.dsm)] > 0).mean() > 0.95
    assert (asked.folder / asked.outputs.point_cloud.path).stat().st_size > 100_000
    assert np.array_equal(asked.dsm, city(**FINE).dsm, equal_nan=True)


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


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A cloudy bundle."""
    stereo = make_stereo("plain", shape=(256, 256), seed=49)
    folder = tmp_path_factory.mktemp("delivery")
    listing = write_dimap(folder, stereo.views, kinds=(panchromatic, multispectral))
    return Place(stereo, (listing.parent,), folder, {})


def test_pixels_under_the_deliverys_own_cloud_mask_are_left_out(delivery):
    masked, used = delivery(), delivery(product_mask=False)
    assert used.cells(Reason.CLOUD_MASK) == 0
    assert masked.cells(Reason.CLOUD_MASK) > 50
    assert np.isfinite(masked.dsm).sum() < np.isfinite(used.dsm).sum()


def test_multispectral_images_are_orthorectified_on_request(delivery):
    result = delivery(colour_orthoimages=True)
    assert len(result.outputs.orthoimages) == 2
    for made in result.outputs.orthoimages:
        with rasterio.open(result.folder / made.path) as file:
            assert file.count == 4
    assert delivery().outputs.orthoimages == ()
