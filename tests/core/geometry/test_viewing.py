from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import Point, Polygon, affinity

from core.geometry.rpc import Rpc
from core.geometry.viewing import (
    base_to_height,
    common_ground,
    convergence_deg,
    footprint,
    ground_sampling,
    line_of_sight,
)

Rpcs = tuple[Rpc, Rpc, Rpc]

EARTH = Geod(ellps="WGS84")
PLACE = (5.52, 43.28, 500.0)


@pytest.mark.parametrize(("incidence", "azimuth"), [(0.5, 0), (12, 77), (30, 190), (25, 300)])
def test_the_line_of_sight_is_that_of_the_camera(
    pushbroom: Callable[..., Any], incidence: float, azimuth: float
) -> None:
    camera = pushbroom(incidence, azimuth)
    rpc = camera.rpc()
    middle = line_of_sight(rpc, 5.5, 43.3, 400.0)
    assert float(middle.incidence_deg) == pytest.approx(incidence, abs=1e-3)
    if incidence > 1:
        assert float(middle.azimuth_deg) == pytest.approx(azimuth, abs=0.01)
    for place in (PLACE, (5.45, 43.33, 0.0)):
        found = line_of_sight(rpc, *place)
        np.testing.assert_allclose(np.array(found), camera.sight(*place), atol=2e-5)


def test_a_mirrored_image_is_seen_from_the_same_side(stereo_rpcs: Rpcs) -> None:
    rpc = stereo_rpcs[0]
    mirrored = replace(rpc, row_scale=-rpc.row_scale)
    np.testing.assert_allclose(line_of_sight(mirrored, *PLACE), line_of_sight(rpc, *PLACE))


def test_convergence_is_the_angle_between_the_cameras(
    pushbroom: Callable[..., Any], stereo_rpcs: Rpcs
) -> None:
    first, second = pushbroom(8.0, 10).sight(*PLACE), pushbroom(7.0, 190).sight(*PLACE)
    angle = float(np.degrees(np.arccos(first @ second)))
    sights = [line_of_sight(rpc, *PLACE) for rpc in (stereo_rpcs[0], stereo_rpcs[2])]
    assert float(convergence_deg(*sights)) == pytest.approx(angle, abs=2e-3)
    assert angle == pytest.approx(15, abs=0.2)
    assert float(convergence_deg(sights[0], sights[0])) == 0


def test_base_to_height_is_the_parallax_of_a_metre(stereo_rpcs: Rpcs) -> None:
    pair = (stereo_rpcs[0], stereo_rpcs[2])
    lon, lat, height = PLACE
    spots = []
    for rpc in pair:
        top = rpc.project(lon, lat, height)
        spots.append(rpc.locate(top.row, top.col, height - 10))
    apart = EARTH.inv(spots[0].lon, spots[0].lat, spots[1].lon, spots[1].lat)[2] / 10
    ratio = float(base_to_height(*(line_of_sight(rpc, *PLACE) for rpc in pair)))
    assert ratio == pytest.approx(apart, rel=1e-3)
    assert ratio == pytest.approx(np.tan(np.radians(8)) + np.tan(np.radians(7)), rel=0.01)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    x=st.floats(-0.9, 0.9), y=st.floats(-0.9, 0.9), z=st.floats(-0.9, 0.9), which=st.integers(0, 2)
)
def test_sampling_is_the_distance_of_neighbours_on_level_ground(
    stereo_rpcs: Rpcs, x: float, y: float, z: float, which: int
) -> None:
    rpc = stereo_rpcs[which]
    lon, lat, height = 5.5 + 0.06 * x, 43.3 + 0.05 * y, 400 + 500 * z
    pixel = rpc.project(lon, lat, height)
    found = ground_sampling(rpc, lon, lat, height)
    for rows, cols, expected in ((1, 0, found.row), (0, 1, found.col)):
        a = rpc.locate(pixel.row - rows, pixel.col - cols, height)
        b = rpc.locate(pixel.row + rows, pixel.col + cols, height)
        apart = EARTH.inv(a.lon, a.lat, b.lon, b.lat)[2] / 2
        # Distances at this height are longer than on the ellipsoid.
        assert float(expected) == pytest.approx(apart * (1 + height / 6.37e6), rel=1e-5)
    assert found.mean <= np.sqrt(found.row * found.col) * (1 + 1e-12)


def test_what_lies_beyond_the_range_has_no_sight(stereo_rpcs: Rpcs) -> None:
    sights = line_of_sight(stereo_rpcs[0], [5.5, 7.0], 43.3, 400.0)
    assert np.isfinite(sights.azimuth_deg).tolist() == [True, False]
    sampling = ground_sampling(stereo_rpcs[0], [5.5, 7.0], 43.3, 400.0)
    assert np.isfinite(sampling.mean).tolist() == [True, False]


def crop(rpc: Rpc, row: float, col: float) -> Rpc:
    return rpc.moved(-row, -col)


def test_the_footprint_goes_round_the_outer_edges_of_the_pixels(stereo_rpcs: Rpcs) -> None:
    rpc = crop(stereo_rpcs[0], 19000, 14500)
    found = footprint(rpc, (2000, 1000), 400.0)
    assert found.is_valid
    size = float(ground_sampling(rpc, 5.5, 43.3, 400.0).mean)
    assert abs(EARTH.geometry_area_perimeter(found)[0]) == pytest.approx(
        2000 * 1000 * size**2, rel=2e-3
    )
    for row, col, inside in ((0, 0, True), (-1, 0, False), (1999, 999, True), (1999, 1000, False)):
        spot = rpc.locate(row, col, 400.0)
        assert found.contains(Point(float(spot.lon), float(spot.lat))) == inside


def test_a_footprint_that_the_model_cannot_place_is_empty(stereo_rpcs: Rpcs) -> None:
    assert footprint(stereo_rpcs[0], (2000, 1000), 400.0).is_empty
    assert footprint(crop(stereo_rpcs[0], 19000, 14500), (2000, 1000), 5000.0).is_empty
    nothing = common_ground([footprint(stereo_rpcs[0], (2000, 1000), 400.0)])
    assert nothing.polygon.is_empty
    assert nothing.area == nothing.share == 0


def test_overlap_is_counted_in_the_smallest_footprint(stereo_rpcs: Rpcs) -> None:
    rpc = stereo_rpcs[0]
    size = float(ground_sampling(rpc, 5.5, 43.3, 400.0).mean)
    large = footprint(crop(rpc, 19000, 14500), (2000, 1000), 400.0)
    small = footprint(crop(rpc, 20500, 14500), (1000, 1000), 400.0)
    away = footprint(crop(rpc, 22000, 14500), (1000, 1000), 400.0)
    common = common_ground([large, small])
    assert common.share == pytest.approx(0.5, abs=1e-3)
    assert common.area == pytest.approx(500 * 1000 * size**2, rel=2e-3)
    assert common_ground([large, away]).share == 0
    assert common_ground([large, small, away]).area == 0
    assert common_ground([large]).share == pytest.approx(1)


def test_overlap_is_found_across_the_date_line(stereo_rpcs: Rpcs) -> None:
    west = footprint(
        crop(replace(stereo_rpcs[0], lon_offset=179.999), 19000, 14500), (2000, 1000), 400.0
    )
    assert west.bounds[2] > 180
    assert west.area == pytest.approx(
        footprint(crop(stereo_rpcs[0], 19000, 14500), (2000, 1000), 400.0).area, rel=1e-9
    )
    east: Polygon = affinity.translate(west, -360)
    assert common_ground([west, east]).share == pytest.approx(1)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("first", "second", "height", "angle", "ratio"),
    [
        ("s2p_pair_reunion/img_01.tif", "s2p_pair_reunion/img_02.tif", 2339, 15.0, 0.265),
        ("s2p_triplet_marseille/img_01.tif", "s2p_triplet_marseille/img_02.tif", 300, 6.5, 0.114),
        ("s2p_triplet_marseille/img_02.tif", "s2p_triplet_marseille/img_03.tif", 300, 6.4, 0.112),
        ("s2p_triplet_marseille/img_01.tif", "s2p_triplet_marseille/img_03.tif", 300, 12.9, 0.226),
    ],
)
def test_real_pairs_have_their_known_geometry(
    real_images: Mapping[str, Any],
    first: str,
    second: str,
    height: float,
    angle: float,
    ratio: float,
) -> None:
    pair = [real_images[name] for name in (first, second)]
    spot = pair[0].rpc.locate(512.0, 512.0, height)
    sights = [line_of_sight(image.rpc, spot.lon, spot.lat, height) for image in pair]
    assert float(convergence_deg(*sights)) == pytest.approx(angle, abs=0.06)
    assert float(base_to_height(*sights)) == pytest.approx(ratio, abs=0.0015)
    prints = [footprint(image.rpc, image.shape, height) for image in pair]
    assert common_ground(prints).share > 0.85
    sampling = ground_sampling(pair[0].rpc, spot.lon, spot.lat, height)
    assert float(sampling.mean) == pytest.approx(0.5, abs=0.02)


@pytest.mark.shared
def test_crops_with_the_model_of_the_whole_strip_do_not_overlap(
    real_images: Mapping[str, Any],
) -> None:
    prints = [
        footprint(image.rpc, image.shape, 31.0)
        for name, image in real_images.items()
        if name.startswith("dimap_samples/wv3")
    ]
    assert len(prints) == 2
    assert not any(part.is_empty for part in prints)
    assert common_ground(prints).share == 0
