import struct
from itertools import pairwise
from pathlib import Path

import laspy
import numpy as np
import pytest
from pyproj import CRS
from pyproj.crs import CompoundCRS

from core.errors import Cancelled, DiskFull
from core.io import pointcloud
from core.io.pointcloud import CloudPoints, write_laz

UTM = CRS("EPSG:32631")
ELLIPSOIDAL = UTM.to_3d().to_wkt()
GEOIDAL = CompoundCRS("UTM + EGM96", [UTM, CRS("EPSG:5773")]).to_wkt()
ORIGIN = (450000, 4790000, 0)


def points(count=120_000, seed=1):
    rng = np.random.default_rng(seed)
    return CloudPoints(
        x=450000 + rng.uniform(-800, 800, count),
        y=4790000 + rng.uniform(-800, 800, count),
        z=rng.normal(120, 30, count),
        error=rng.gamma(9, 0.03, count),
        score=rng.uniform(-1, 1, count),
        brightness=rng.uniform(0, 4000, count),
    )


def parts(whole, *edges):
    return [
        CloudPoints(*(values[start:stop] for values in whole))
        for start, stop in zip((0, *edges), (*edges, len(whole.x)), strict=True)
    ]


def written(path, chunks, crs=ELLIPSOIDAL, origin=ORIGIN):
    write_laz(path, chunks, crs, origin)
    return laspy.read(path)


def test_points_come_back_to_half_a_step_in_their_order(tmp_path):
    whole = points()
    cloud = written(tmp_path / "cloud.laz", parts(whole, 1000, 1000, 70_000))
    assert len(cloud) == cloud.header.point_count == len(whole.x)
    for axis in "xyz":
        assert np.abs(cloud[axis] - getattr(whole, axis)).max() <= 0.5 / 1024 + 1e-9, axis
    for name in ("error", "score"):
        assert cloud[name].dtype == np.float32
        assert np.abs(cloud[name] - getattr(whole, name)).max() <= 0.5 / 1024 + 1e-6, name
    np.testing.assert_array_equal(cloud.intensity, np.rint(whole.brightness))


def test_the_header_says_what_the_points_are(tmp_path):
    whole = points(500)
    path = tmp_path / "cloud.laz"
    header = written(path, [whole]).header
    assert (str(header.version), header.point_format.id) == ("1.4", 6)
    assert header.are_points_compressed
    assert list(header.scales) == [1 / 1024] * 3
    assert list(header.offsets) == list(ORIGIN)
    assert header.generating_software.startswith("OptiGround ")
    low, high = (fold(whole[:3], axis=1) for fold in (np.min, np.max))
    np.testing.assert_allclose(header.mins, low, atol=0.5 / 1024)
    np.testing.assert_allclose(header.maxs, high, atol=0.5 / 1024)
    assert list(header.number_of_points_by_return) == [500] + [0] * 14
    extra = {dimension.name: dimension for dimension in header.point_format.extra_dimensions}
    assert extra["error"].description == "standard deviation of z, metres"
    assert extra["score"].description == "correlation, -1 to 1"
    (record,) = header.vlrs.get("ExtraBytesVlr")
    assert [(one.min, one.max) for one in record.extra_bytes_structs] == [(None, None)] * 2


def test_readers_take_no_point_for_damaged(tmp_path):
    cloud = written(tmp_path / "cloud.laz", [points(50)])
    assert set(cloud.return_number) == set(cloud.number_of_returns) == {1}
    assert set(cloud.classification) == {0}
    assert not any(np.any(cloud[flag]) for flag in ("synthetic", "withheld", "overlap"))


@pytest.mark.parametrize("crs", [ELLIPSOIDAL, GEOIDAL, UTM.to_wkt()])
def test_the_reference_system_with_its_heights_is_told_in_the_first_wkt(tmp_path, crs):
    header = written(tmp_path / "cloud.laz", [points(10)], crs).header
    assert header.global_encoding.wkt
    (record,) = header.vlrs.get("WktCoordinateSystemVlr")
    assert record.string.startswith(("COMPD_CS[", "PROJCS["))
    assert CRS(record.string).equals(CRS(crs), ignore_axis_order=True)


def test_a_reference_system_beyond_the_first_wkt_is_told_in_the_second(tmp_path):
    krovak = CRS("EPSG:5516").to_3d()
    header = written(tmp_path / "cloud.laz", [points(10)], krovak.to_wkt()).header
    assert header.parse_crs() == krovak


def test_equal_points_make_equal_bytes_however_they_are_handed_over(tmp_path, monkeypatch):
    whole = points()
    one, other = tmp_path / "one.laz", tmp_path / "other.laz"
    write_laz(one, [whole], ELLIPSOIDAL, ORIGIN)
    monkeypatch.setattr(pointcloud, "BLOCK", 7000)
    write_laz(other, parts(whole, 1, 33_333), ELLIPSOIDAL, ORIGIN)
    assert one.read_bytes() == other.read_bytes()


def test_the_file_is_of_no_date_and_its_points_of_no_time(tmp_path):
    path = tmp_path / "cloud.laz"
    cloud = written(path, [points(100)])
    assert struct.unpack_from("<HH", path.read_bytes(), 90) == (0, 0)
    assert cloud.header.creation_date is None
    assert set(cloud.gps_time) == {0}


def test_no_points_make_a_file_of_no_points(tmp_path):
    cloud = written(tmp_path / "cloud.laz", parts(points(0)))
    assert len(cloud) == 0
    assert list(cloud.header.mins) == list(cloud.header.maxs) == [0, 0, 0]


def test_brightness_that_an_intensity_cannot_hold_is_kept_at_its_ends(tmp_path):
    whole = points(4)._replace(brightness=np.array([-3.2, 0.6, 65534.6, 1e6], np.float32))
    assert list(written(tmp_path / "cloud.laz", [whole]).intensity) == [0, 1, 65535, 65535]


@pytest.mark.parametrize("value", [np.nan, np.inf, 450000 + 2.0**21])
def test_a_point_that_cannot_be_counted_from_the_origin_is_a_mistake(tmp_path, value):
    whole = points(4)
    whole.x[2] = value
    with pytest.raises(ValueError, match="X cannot be counted"):
        write_laz(tmp_path / "cloud.laz", [whole], ELLIPSOIDAL, ORIGIN)


def test_points_half_an_earth_from_the_origin_of_their_system_are_as_exact(tmp_path):
    whole = points(100)
    far = whole._replace(y=whole.y + 5e6)
    cloud = written(tmp_path / "cloud.laz", [far], origin=(450000, 9790000, 0))
    assert np.abs(cloud.y - far.y).max() <= 0.5 / 1024 + 1e-8


def test_what_ends_the_work_comes_through(tmp_path):
    def some():
        yield points(10)
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        write_laz(tmp_path / "cloud.laz", some(), ELLIPSOIDAL, ORIGIN)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
@pytest.mark.parametrize("count", [5, 600_000])
def test_a_full_disk_is_told(count):
    with pytest.raises(DiskFull, match="point cloud"):
        write_laz(Path("/dev/full"), [points(count)], ELLIPSOIDAL, ORIGIN)


def test_chunks_are_taken_one_at_a_time(tmp_path):
    """What was taken is packed before more is asked for, so that it can be let go."""
    path, sizes = tmp_path / "cloud.laz", []

    def growing():
        for seed in range(6):
            sizes.append(path.stat().st_size)
            yield points(100_000, seed)

    write_laz(path, growing(), ELLIPSOIDAL, ORIGIN)
    assert all(after > before for before, after in pairwise(sizes[1:]))
