import math
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.transform import RPCTransformer

from core.errors import BadRpc
from core.geometry.rational import derivatives_into, locate_into, project_into
from core.geometry.rpc import HEIGHT_RANGE, LEAST_HEIGHT_MARGIN, PLANE_RANGE, Rpc

METRES = 111_000
UNIT = st.floats(-1, 1)

same_fixture = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def inside_range(rpc: Rpc, count: int, reach: float = 1.0) -> list[np.ndarray]:
    x, y, z = np.random.default_rng(3).uniform(-reach, reach, (3, count))
    return [
        rpc.lon_offset + x * rpc.lon_scale,
        rpc.lat_offset + y * rpc.lat_scale,
        rpc.height_offset + z * rpc.height_scale,
    ]


def test_the_fitted_models_are_those_of_the_camera(
    pushbroom: Callable[..., Any], stereo_rpcs: tuple[Rpc, Rpc, Rpc]
) -> None:
    rpc = stereo_rpcs[0]
    ground = inside_range(rpc, 500)
    row, col = pushbroom(8.0, 10).project(*ground)
    found = rpc.project(*ground)
    assert np.abs(found.row - row).max() < 1e-3
    assert np.abs(found.col - col).max() < 1e-3


def test_points_are_projected_as_the_standard_says(
    forward: Callable[..., Any], stereo_rpcs: tuple[Rpc, Rpc, Rpc]
) -> None:
    # Coefficients that differ in every term: a fitted model leaves some near zero.
    rng = np.random.default_rng(4)
    wild = [tuple(rng.uniform(-0.02, 0.02, 20) + np.eye(20)[first]) for first in (2, 0, 1, 0)]
    for polynomials in (None, wild):
        rpc = stereo_rpcs[0]
        if polynomials:
            names = ("row_numerator", "row_denominator", "col_numerator", "col_denominator")
            rpc = replace(rpc, **dict(zip(names, polynomials, strict=True)))
        ground = inside_range(rpc, 300)
        found, expected = rpc.project(*ground), forward(rpc, *ground)
        assert found.inside.all()
        np.testing.assert_allclose(found.row, expected[0], rtol=0, atol=1e-7)
        np.testing.assert_allclose(found.col, expected[1], rtol=0, atol=1e-7)
        slopes = rpc.derivatives(*ground)
        for axis, scale in enumerate((rpc.lon_scale, rpc.lat_scale, rpc.height_scale)):
            step = 1e-4 * scale
            ahead, back = ([*ground], [*ground])
            ahead[axis], back[axis] = ground[axis] + step, ground[axis] - step
            for part in range(2):
                difference = forward(rpc, *ahead)[part] - forward(rpc, *back)[part]
                np.testing.assert_allclose(
                    slopes[:, part, axis] * scale, difference / 2e-4, rtol=1e-6, atol=0.02
                )


@same_fixture
@given(x=UNIT, y=UNIT, z=UNIT, which=st.integers(0, 2))
def test_what_is_located_is_projected_where_it_came_from(
    stereo_rpcs: tuple[Rpc, Rpc, Rpc], x: float, y: float, z: float, which: int
) -> None:
    rpc = stereo_rpcs[which]
    lon = rpc.lon_offset + x * rpc.lon_scale
    lat = rpc.lat_offset + y * rpc.lat_scale
    height = rpc.height_offset + z * rpc.height_scale
    image = rpc.project(lon, lat, height)
    ground = rpc.locate(image.row, image.col, height)
    assert ground.inside
    assert abs(float(ground.lon) - lon) * METRES < 1e-3
    assert abs(float(ground.lat) - lat) * METRES < 1e-3
    again = rpc.project(ground.lon, ground.lat, height)
    assert abs(float(again.row - image.row)) < 1e-4
    assert abs(float(again.col - image.col)) < 1e-4


@same_fixture
@given(rows=st.floats(-4e4, 4e4), cols=st.floats(-4e4, 4e4), factor=st.floats(1, 64))
def test_crops_and_reduced_images_see_the_same_ground(
    stereo_rpcs: tuple[Rpc, Rpc, Rpc], rows: float, cols: float, factor: float
) -> None:
    rpc = stereo_rpcs[1]
    ground = inside_range(rpc, 5)
    whole = rpc.project(*ground)
    moved = rpc.moved(rows, cols).project(*ground)
    np.testing.assert_allclose(moved.row - whole.row, rows, atol=1e-6)
    np.testing.assert_allclose(moved.col - whole.col, cols, atol=1e-6)
    reduced = rpc.reduced(factor).project(*ground)
    # Corners of pixels scale about the upper left corner of the image, which is at -0.5.
    np.testing.assert_allclose((reduced.row + 0.5) * factor, whole.row + 0.5, atol=1e-6)
    np.testing.assert_allclose((reduced.col + 0.5) * factor, whole.col + 0.5, atol=1e-6)


def test_arguments_are_broadcast_and_left_as_they_are(stereo_rpcs: tuple[Rpc, Rpc, Rpc]) -> None:
    rpc = stereo_rpcs[0]
    rows, cols = np.array([[19000.0], [20000.0], [21000.0]]), np.array([14000.0, 15000.0])
    ground = rpc.locate(rows, cols, 400)
    assert ground.lon.shape == ground.inside.shape == (3, 2)
    assert rpc.derivatives(ground.lon, ground.lat, 400).shape == (3, 2, 2, 3)
    assert rpc.project(5.5, 43.3, 400).row.shape == ()
    back = rpc.project(ground.lon, ground.lat, 400)
    np.testing.assert_allclose(back.row, np.broadcast_to(rows, (3, 2)), atol=1e-4)
    np.testing.assert_allclose(back.col, np.broadcast_to(cols, (3, 2)), atol=1e-4)
    assert rows.tolist() == [[19000], [20000], [21000]]


def test_loops_are_compiled_once_whatever_the_arguments(
    stereo_rpcs: tuple[Rpc, Rpc, Rpc],
) -> None:
    rpc = stereo_rpcs[0]
    lon, lat, height = inside_range(rpc, 40)
    locked = lon.reshape(8, 5)
    locked.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for place in ((lon, lat, 300.0), (locked, lat[:5], 300.0), (lon[::2], lat[0], height[:1])):
            seen = rpc.project(*place)
            rpc.derivatives(*place)
            rpc.locate(seen.row.T, seen.col.T, 300)
    for loop in (project_into, locate_into, derivatives_into):
        assert len(loop.signatures) == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1, 1])
def test_ground_beyond_the_range_is_a_flag_and_not_a_number(
    stereo_rpcs: tuple[Rpc, Rpc, Rpc], axis: int, sign: int
) -> None:
    rpc = stereo_rpcs[0]
    scale = (rpc.lon_scale, rpc.lat_scale, rpc.height_scale)[axis]
    limit = PLANE_RANGE if axis < 2 else HEIGHT_RANGE
    for reach, expected in ((limit - 0.01, True), (limit + 0.01, False)):
        ground = [rpc.lon_offset, rpc.lat_offset, rpc.height_offset]
        ground[axis] += sign * reach * scale
        image = rpc.project(*ground)
        assert bool(image.inside) == expected
        assert np.isfinite([image.row, image.col]).all() == expected
        assert np.isfinite(rpc.derivatives(*ground)).all() == expected


def test_pixels_whose_ground_is_beyond_the_range_are_not_located(
    stereo_rpcs: tuple[Rpc, Rpc, Rpc],
) -> None:
    rpc = stereo_rpcs[0]
    ground = rpc.locate([0.0, 20000.0, 20000.0, math.nan, 1e9], 15000.0, [400, 400, 2000, 400, 400])
    # Row 0 is 10 km north of the centre, where the model ends after 5.5 km.
    assert ground.inside.tolist() == [False, True, False, False, False]
    assert np.isfinite(ground.lon).tolist() == ground.inside.tolist()
    assert np.isfinite(ground.lat).tolist() == ground.inside.tolist()


def test_a_search_that_does_not_settle_is_flagged(stereo_rpcs: tuple[Rpc, Rpc, Rpc]) -> None:
    # Rows that are never reached: Newton wanders for ever.
    square = (0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, *[0.0] * 11)
    rpc = replace(stereo_rpcs[0], row_numerator=square, row_denominator=(1.0, *[0.0] * 19))
    row, height = rpc.row_offset, rpc.height_offset
    ground = rpc.locate(row, rpc.col_offset + 10.0, height)
    assert not ground.inside
    assert math.isnan(ground.lon)


def test_towers_on_flat_ground_are_inside_a_narrow_range_of_heights(
    stereo_rpcs: tuple[Rpc, Rpc, Rpc],
) -> None:
    rpc = replace(stereo_rpcs[0], height_scale=10.0)
    top = rpc.height_offset + 10 + LEAST_HEIGHT_MARGIN
    inside = rpc.project(rpc.lon_offset, rpc.lat_offset, [top - 1, top + 1]).inside
    assert inside.tolist() == [True, False]


def test_negative_scales_are_scales(
    forward: Callable[..., Any], stereo_rpcs: tuple[Rpc, Rpc, Rpc]
) -> None:
    rpc = replace(stereo_rpcs[0], lat_scale=-stereo_rpcs[0].lat_scale)
    ground = inside_range(rpc, 20)
    found = rpc.project(*ground)
    assert found.inside.all()
    np.testing.assert_allclose(found.row, forward(rpc, *ground)[0], atol=1e-6)
    assert rpc.locate(found.row, found.col, ground[2]).inside.all()


def test_a_model_on_the_date_line_knows_both_of_its_sides(
    stereo_rpcs: tuple[Rpc, Rpc, Rpc],
) -> None:
    here = stereo_rpcs[0]
    there = replace(here, lon_offset=179.99)
    west = there.project(-179.99, here.lat_offset, 400)
    east = here.project(here.lon_offset + 0.02, here.lat_offset, 400)
    assert west.inside
    assert float(west.col) == pytest.approx(float(east.col), abs=1e-6)
    assert float(there.locate(west.row, west.col, 400).lon) == pytest.approx(-179.99)


def test_models_are_values(stereo_rpcs: tuple[Rpc, Rpc, Rpc]) -> None:
    rpc = stereo_rpcs[0]
    rpc.project(5.5, 43.3, 400)
    same = pickle.loads(pickle.dumps(rpc))
    assert same == rpc == replace(rpc)
    assert hash(same) == hash(rpc)
    assert rpc.moved(0, 1) != rpc


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"lon_scale": 0.0}, "lon_scale"),
        ({"row_offset": math.nan}, "row_offset"),
        ({"col_numerator": (1.0,) * 19}, "19 coefficients"),
        ({"row_denominator": (1.0,) * 19 + (math.inf,)}, "row_denominator"),
    ],
)
def test_a_damaged_model_is_refused_by_name(
    stereo_rpcs: tuple[Rpc, Rpc, Rpc], change: dict[str, Any], word: str
) -> None:
    with pytest.raises(BadRpc, match=word):
        replace(stereo_rpcs[0], **change)


@pytest.mark.shared
def test_real_models_agree_with_gdal(real_images: Mapping[str, Any]) -> None:
    assert len(real_images) >= 11
    for name, image in real_images.items():
        ground = inside_range(image.rpc, 200)
        with RPCTransformer(image.gdal) as gdal:
            row, col = gdal.rowcol(*ground[:2], zs=ground[2], op=lambda value: value)
        found = image.rpc.project(*ground)
        # rasterio counts from the corner of the first pixel, the model from its centre.
        np.testing.assert_allclose(found.row, np.array(row) - 0.5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(found.col, np.array(col) - 0.5, atol=1e-6, err_msg=name)


@pytest.mark.shared
def test_all_of_real_images_is_in_the_range_of_their_models(
    real_images: Mapping[str, Any],
) -> None:
    for name, image in real_images.items():
        rpc, (height, width) = image.rpc, image.shape
        rows, cols = np.meshgrid([-0.5, height / 2, height - 0.5], [-0.5, width / 2, width - 0.5])
        for level in (-1, 0, 1):
            ground = rpc.locate(rows, cols, rpc.height_offset + level * rpc.height_scale)
            assert ground.inside.all(), name
            again = rpc.project(
                ground.lon, ground.lat, rpc.height_offset + level * rpc.height_scale
            )
            np.testing.assert_allclose(again.row, rows, atol=1e-4, err_msg=name)
            np.testing.assert_allclose(again.col, cols, atol=1e-4, err_msg=name)


@pytest.mark.shared
def test_a_crop_far_from_the_models_own_pixels_is_good_and_other_places_are_not(
    real_images: Mapping[str, Any],
) -> None:
    image = real_images["s2p_pair_reunion/img_01.tif"]
    rpc = image.rpc
    assert (512 - rpc.row_offset) / rpc.row_scale < -36
    peak = rpc.locate(512.0, 512.0, 2339.0)
    assert peak.inside
    assert float(peak.lon) == pytest.approx(55.65, abs=0.01)
    assert float(peak.lat) == pytest.approx(-21.23, abs=0.01)
    # Marseille; the sea 15 km off; 4000 m above the island.
    ground = rpc.project([5.44, 55.85, 55.65], [43.26, -21.23, -21.23], [300, 0, 4000])
    assert not ground.inside.any()
    assert np.isnan(ground.row).all()


@pytest.mark.shared
def test_lines_of_sight_of_real_models_are_straight_up_to_the_height_of_their_range(
    real_images: Mapping[str, Any],
) -> None:
    from pyproj import Transformer

    to_ecef = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    for name, image in real_images.items():
        rpc, (height, width) = image.rpc, image.shape
        levels = rpc.height_offset + rpc.height_scale * np.array([-1, 1, -1.49, 1.49])
        ground = rpc.locate(height / 2, width / 2, levels)
        points = np.stack(to_ecef.transform(ground.lon, ground.lat, levels), axis=-1)
        line = points[1] - points[0]
        line /= np.linalg.norm(line)
        beside = np.linalg.norm(np.cross(points - points[0], line), axis=-1)
        assert beside.max() < 0.01, name
