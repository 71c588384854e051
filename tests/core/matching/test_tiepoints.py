from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from core.geometry.adjustment import Adjustment, adjust
from core.geometry.control import ControlPoint
from core.geometry.rpc import Rpc
from core.geometry.triangulation import Intersections, intersect
from core.io.products.stereo.models import model_in_tags
from core.matching.arrays import Layer
from core.matching.corners import corners
from core.matching.tiepoints import TieImage, TiePoints, tie_points
from core.simulate.stereo.control import control_points
from core.simulate.stereo.making import UNBIASED, Disturbances, Stereo, make_stereo

SIDE = 400
PLACES = [("city", "pair", 3), ("relief", "triplet", 4), ("plain", "triplet", 5)]
SPOILED = Disturbances()
"""Everything, biases of 1 to 3 px too."""


def own(rpc: rasterio.rpc.RPC) -> Rpc:
    return model_in_tags(rpc.to_gdal(), "the image", "")


def layer(values: np.ndarray, known: np.ndarray | None = None) -> Layer:
    weights = np.ones(values.shape, np.float32) if known is None else known.astype(np.float32)
    return Layer(values.astype(np.float32), weights)


@cache
def simulated(kind: str, views: str, seed: int, disturbances: Disturbances = SPOILED) -> Stereo:
    return make_stereo(kind, views, shape=(SIDE, SIDE), seed=seed, disturbances=disturbances)  # type: ignore[arg-type]


def images(stereo: Stereo) -> list[TieImage]:
    return [TieImage(layer(view.image), own(view.camera.rpc)) for view in stereo.views]


def heights(stereo: Stereo) -> tuple[float, float]:
    low, high = stereo.scene.heights
    return low - 60, high + 60


@cache
def tied(kind: str, views: str, seed: int, disturbances: Disturbances = SPOILED) -> TiePoints:
    stereo = simulated(kind, views, seed, disturbances)
    return tie_points(images(stereo), heights(stereo))


def true_rpcs(stereo: Stereo) -> list[Rpc]:
    return [own(view.camera.true_rpc) for view in stereo.views]


def truly_seen(stereo: Stereo, points: TiePoints) -> Intersections:
    return intersect(true_rpcs(stereo), points.row, points.col)


def miss(stereo: Stereo, points: TiePoints) -> np.ndarray:
    """Distance of each place from where the true models see the point that all places make."""
    ground = truly_seen(stereo, points)
    seen = [rpc.project(ground.lon, ground.lat, ground.height) for rpc in true_rpcs(stereo)]
    return np.hypot(
        points.row - np.stack([part.row for part in seen]),
        points.col - np.stack([part.col for part in seen]),
    )


def adjusted(stereo: Stereo, points: TiePoints, controls: int = 0) -> Adjustment:
    control: list[ControlPoint] = []
    if controls:
        truth = stereo.truth(stereo.grid(2.0))
        for number, point in enumerate(control_points(truth, stereo.views, controls + 2)):
            place = point.lon, point.lat, point.height, 0.05, 0.05
            check = number >= controls
            control.append(
                ControlPoint(point.name, *place, point.rows, point.cols, 0.1, "survey", check)
            )
    rpcs = [image.rpc for image in images(stereo)]
    return adjust(rpcs, *points[:3], [4.0] * len(rpcs), control=control)


def left_over(stereo: Stereo, adjustment: Adjustment) -> np.ndarray:
    """Bias of the refined models, (images, 2): row and col."""
    added = np.array([(part.row, part.col) for part in adjustment.corrections])
    return added + np.array([view.camera.bias for view in stereo.views])


@pytest.mark.parametrize("place", PLACES)
def test_tie_points_are_the_same_ground_in_all_images(place: tuple[str, str, int]) -> None:
    stereo, points = simulated(*place), tied(*place)
    assert points.row.shape[1] > 70
    assert (np.isfinite(points.row).sum(axis=0) >= 2).all()
    apart = miss(stereo, points)
    assert np.nanmedian(apart) < 0.06
    assert np.nanpercentile(apart, 95) < 0.2
    assert np.nanmax(apart) < 1.0


@pytest.mark.parametrize("place", PLACES)
def test_tie_points_lie_on_the_surface(place: tuple[str, str, int]) -> None:
    stereo, points = simulated(*place), tied(*place)
    ground = truly_seen(stereo, points)
    turn = Transformer.from_crs("OGC:CRS84", stereo.scene.crs, always_xy=True)
    above = ground.height - stereo.scene.height(*turn.transform(ground.lon, ground.lat))
    # .1 px is .5 m of height between neighbours of a triplet.
    assert abs(np.nanmedian(above)) < 0.15
    assert np.nanpercentile(abs(above), 75) < 0.35


def test_no_tie_point_lies_in_a_cloud_or_on_water() -> None:
    cloudy_day = Disturbances(cloud=0.2)
    stereo, points = (make("plain", "pair", 5, cloudy_day) for make in (simulated, tied))
    view = stereo.views[-1]
    chosen = corners(layer(view.image), 32, 8)
    cloudy = view.cloud[chosen.row.astype(int), chosen.col.astype(int)] > 0.6
    assert cloudy.sum() >= 5
    seen = np.isfinite(points.row[-1])
    row, col = (np.rint(part[-1, seen]).astype(int) for part in points[:2])
    assert not (view.cloud[row, col] > 0.6).any()
    ground = view.surface(np.arange(SIDE, dtype=float), np.arange(SIDE, dtype=float))
    east, north = ground.x - stereo.scene.origin[0], ground.y - stereo.scene.origin[1]
    wet = stereo.scene.flooded(east.ravel(), north.ravel()).reshape(east.shape)
    assert wet.mean() > 0.005
    assert not wet[row, col].any()


def test_a_range_of_heights_ten_times_as_large_gives_the_same_points() -> None:
    stereo, points = simulated("city", "pair", 3), tied("city", "pair", 3)
    low, high = heights(stereo)
    wide = tie_points(images(stereo), (low - 300, high + 330))
    assert wide.row.shape[1] > 0.85 * points.row.shape[1]
    apart = np.hypot(points.row[0][:, None] - wide.row[0], points.col[0][:, None] - wide.col[0])
    mine, its = np.nonzero(apart == 0)
    assert mine.size > 0.85 * points.row.shape[1]
    moved = np.hypot(points.row[1, mine] - wide.row[1, its], points.col[1, mine] - wide.col[1, its])
    assert np.median(moved) < 0.01
    assert (moved < 0.1).mean() > 0.97


def test_an_image_that_stands_on_its_head_gives_the_same_points() -> None:
    stereo, points = simulated("city", "pair", 3), tied("city", "pair", 3)
    first, second = images(stereo)
    rpc = second.rpc
    turned = Rpc(
        SIDE - 1 - rpc.row_offset, SIDE - 1 - rpc.col_offset,
        rpc.lat_offset, rpc.lon_offset, rpc.height_offset,
        -rpc.row_scale, -rpc.col_scale, rpc.lat_scale, rpc.lon_scale, rpc.height_scale,
        rpc.row_numerator, rpc.row_denominator, rpc.col_numerator, rpc.col_denominator,
    )  # fmt: skip
    upside_down = np.ascontiguousarray(second.layer.values[::-1, ::-1])
    found = tie_points([first, TieImage(layer(upside_down), turned)], heights(stereo))
    assert found.row.shape[1] > 0.9 * points.row.shape[1]
    apart = np.hypot(points.row[0][:, None] - found.row[0], points.col[0][:, None] - found.col[0])
    mine, its = np.nonzero(apart == 0)
    moved = np.hypot(
        points.row[1, mine] - (SIDE - 1 - found.row[1, its]),
        points.col[1, mine] - (SIDE - 1 - found.col[1, its]),
    )
    assert (moved < 0.01).mean() > 0.95


def test_images_that_share_no_ground_are_tied_by_a_third() -> None:
    stereo = simulated("relief", "triplet", 4)
    first, middle, last = images(stereo)
    cols = np.broadcast_to(np.arange(SIDE), (SIDE, SIDE))
    left, right = layer(first.layer.values, cols < 190), layer(last.layer.values, cols > 210)
    cut = [TieImage(left, first.rpc), middle, TieImage(right, last.rpc)]
    points = tie_points(cut, heights(stereo))
    seen = np.isfinite(points.row)
    assert (seen[0] & seen[1]).sum() > 30
    assert (seen[1] & seen[2]).sum() > 30
    assert not (seen[0] & seen[2]).any()
    assert np.nanmax(np.where(seen[0], points.col[0], np.nan)) < 190


def test_a_pattern_that_repeats_along_the_band_gives_no_point() -> None:
    stereo = simulated("city", "pair", 3)
    row, col = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(1).normal(0, 3, (2, SIDE, SIDE))
    pattern = 600 + 150 * np.sin(2 * np.pi * row / 24) * np.sin(2 * np.pi * col / 24)
    rpcs = [image.rpc for image in images(stereo)]
    same = [TieImage(layer(pattern + own), rpc) for own, rpc in zip(noise, rpcs, strict=True)]
    assert corners(same[0].layer, 32, 8).row.size > 100
    assert tie_points(same, heights(stereo)).row.shape == (2, 0)


@pytest.mark.parametrize("place", PLACES)
def test_known_biases_come_back_with_six_control_points(place: tuple[str, str, int]) -> None:
    stereo = simulated(*place)
    result = adjusted(stereo, tied(*place), controls=6)
    assert abs(np.array([view.camera.bias for view in stereo.views])).min() >= 1
    assert abs(left_over(stereo, result)).max() < 0.05
    assert result.report.directions == ()
    checks = [point for point in result.report.control if point.check]
    assert len(checks) == 2
    for check in checks:
        assert check.before_px > 1
        assert check.after_px < 0.08
        assert abs(check.up_m or 0) < 0.15


@pytest.mark.parametrize("place", PLACES)
def test_without_control_only_what_lies_across_the_epipolar_direction_comes_back(
    place: tuple[str, str, int],
) -> None:
    stereo, points = simulated(*place), tied(*place)
    result = adjusted(stereo, points)
    assert all(abs(pair.after_px) < 0.05 for pair in result.report.pairs)
    true = true_rpcs(stereo)
    middle = float(np.mean(stereo.scene.heights))
    for second in range(1, len(true)):
        # Where a pixel of the first image lies in the other, by the refined and by the true models.
        places = []
        for rpcs in (result.rpcs, true):
            for level in (middle, middle + 10):
                ground = rpcs[0].locate(200.0, 200.0, level)
                places.append(np.array(rpcs[second].project(ground.lon, ground.lat, level)[:2]))
        along = (places[3] - places[2]) / np.linalg.norm(places[3] - places[2])
        wrong = places[0] - places[2]
        assert abs(wrong[0] * along[1] - wrong[1] * along[0]) < 0.05
    texts = [direction.text for direction in result.report.directions]
    assert len(texts) == 3
    assert sum("common shift" in text for text in texts) == 2
    assert sum("too high or too low" in text for text in texts) == 1


@pytest.mark.parametrize("place", PLACES[:2])
def test_models_without_bias_stay_as_they_are(place: tuple[str, str, int]) -> None:
    stereo, points = simulated(*place, UNBIASED), tied(*place, UNBIASED)
    result = adjusted(stereo, points)
    truth, found = truly_seen(stereo, points), intersect(result.rpcs, *points[:2])
    used = result.used.any(axis=0)
    east, north = (
        (mine - its)[used] * scale
        for mine, its, scale in ((found.lon, truth.lon, 80e3), (found.lat, truth.lat, 111e3))
    )
    up = (found.height - truth.height)[used]
    assert np.hypot(np.median(east), np.median(north)) < 0.05
    assert abs(up.mean()) < 0.05
    km = np.column_stack([truth.lon * 80, truth.lat * 111])[used]
    plane = np.column_stack([np.ones(len(km)), km - km.mean(axis=0)])
    assert np.hypot(*np.linalg.lstsq(plane, up, rcond=None)[0][1:]) < 0.15


def real(folder: Path, count: int) -> list[TieImage]:
    found = []
    for number in range(1, count + 1):
        with rasterio.open(folder / f"img_0{number}.tif") as source:
            values = source.read(1)
            found.append(TieImage(layer(values, values > 0), own(source.rpcs)))
    return found


def whole_range(rpc: Rpc) -> tuple[float, float]:
    return rpc.height_offset - rpc.height_scale, rpc.height_offset + rpc.height_scale


@pytest.mark.shared
def test_the_pair_of_reunion_is_tied_over_its_whole_range_of_heights(shared_data: Path) -> None:
    pair = real(shared_data / "stereo" / "s2p_pair_reunion", 2)
    points = tie_points(pair, whole_range(pair[0].rpc))
    assert points.row.shape[1] > 250
    result = adjust([image.rpc for image in pair], *points[:3], [8.0, 8.0])
    (agreement,) = result.report.pairs
    assert agreement.before_px == pytest.approx(0.70, abs=0.05)
    assert abs(agreement.after_px) < 0.01
    assert agreement.spread_px < 0.15
    assert result.report.rejected < 0.1 * result.report.points
    ground = intersect(result.rpcs, *points[:2])
    assert np.nanmin(ground.height) > 2250
    assert np.nanmax(ground.height) < 2400


@pytest.mark.shared
def test_the_pairs_of_marseille_agree_after_adjustment(shared_data: Path) -> None:
    triplet = real(shared_data / "stereo" / "s2p_triplet_marseille", 3)
    points = tie_points(triplet, whole_range(triplet[0].rpc))
    assert (np.isfinite(points.row).all(axis=0)).sum() > 250
    result = adjust([image.rpc for image in triplet], *points[:3], [8.0] * 3)
    first, _, last = result.report.pairs
    assert abs(first.height_before_m - last.height_before_m) == pytest.approx(4.7, abs=0.3)
    assert abs(first.height_after_m - last.height_after_m) < 0.1
    for pair in result.report.pairs:
        assert abs(pair.before_px) > 0.4
        assert abs(pair.after_px) < 0.02
