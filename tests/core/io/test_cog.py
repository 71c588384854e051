import math
import struct
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine

from core.declare import RasterProduct
from core.grid import Grid
from core.io.cog import power_of_two, rounded, write_cog

PRODUCT = RasterProduct(unit="m", sign="positive to the east")


def grid(shape=(1500, 1300), crs="EPSG:32633"):
    return Grid(shape, Affine(10, 0, 300000, 0, -10, 5000000), crs)


def smooth(shape=(1500, 1300)):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    values = (np.sin(rows / 90) + np.cos(cols / 70)).astype(np.float32)
    values[:100, :200] = np.nan
    return values


def written(tmp_path, values, product=PRODUCT, *, where=None, **options):
    path = tmp_path / "result.tif"
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    options = {"tags": {}, "scratch": scratch} | options
    write_cog(path, lambda w: values[w.slices], where or grid(values.shape), product, **options)
    assert list(scratch.iterdir()) == []
    return path


def image_directories(path):
    """Offset of each image directory and of its first block, in the order of the file's chain."""
    data = path.read_bytes()
    assert data[:4] == b"II*\0"
    (at,) = struct.unpack_from("<I", data, 4)
    while at:
        (count,) = struct.unpack_from("<H", data, at)
        entries = [struct.unpack_from("<HHII", data, at + 2 + 12 * n) for n in range(count)]
        tags = {tag: (number, value) for tag, _, number, value in entries}
        number, value = tags[324]
        yield at, struct.unpack_from("<I", data, value)[0] if number > 1 else value
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * count)


def test_the_file_holds_the_values_the_grid_and_what_they_mean(tmp_path):
    values = smooth()
    tags = {"PAIR": "20160529_20160608", "EMPTY": ""}
    path = written(tmp_path, values, tags=tags, description="Displacement to the east")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), values)
        assert file.dtypes == ("float32",)
        assert math.isnan(file.nodata)
        assert (file.crs.to_epsg(), file.transform) == (32633, grid().transform)
        assert file.units == ("m",)
        assert file.descriptions == ("Displacement to the east",)
        found = file.tags()
        assert (found["UNIT"], found["SIGN"]) == ("m", "positive to the east")
        assert found["PAIR"] == "20160529_20160608"
        assert "EMPTY" not in found
        assert "ROUNDED_TO" not in found


def test_the_layout_is_that_of_a_cloud_optimised_geotiff(tmp_path):
    path = written(tmp_path, smooth())
    with rasterio.open(path) as file:
        assert file.block_shapes == [(512, 512)]
        assert file.overviews(1) == [2, 4]
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.compression.name == "deflate"
    found = list(image_directories(path))
    assert len(found) == 3
    directories, blocks = zip(*found, strict=True)
    # All directories come first, then the blocks, the coarsest image's before the finer ones'.
    assert directories == tuple(sorted(directories))
    assert max(directories) < min(blocks)
    assert blocks == tuple(sorted(blocks, reverse=True))


def test_overviews_are_averages_of_what_has_a_value(tmp_path):
    values = smooth()
    with rasterio.open(written(tmp_path, values), overview_level=0) as file:
        coarse = file.read(1)
    with warnings.catch_warnings(action="ignore"):
        expected = np.nanmean(values.reshape(750, 2, 650, 2), axis=(1, 3))
    np.testing.assert_allclose(coarse, expected, atol=1e-6)


def test_bits_are_not_averaged(tmp_path):
    bits = np.where(np.indices((1200, 1200)).sum(axis=0) % 2, 4, 256).astype(np.uint16)
    product = RasterProduct(unit="", dtype="uint16", nodata=65535, colours="classes")
    path = written(tmp_path, bits, product, overviews="nearest")
    with rasterio.open(path, overview_level=0) as file:
        assert set(np.unique(file.read(1))) <= {4, 256}
        assert file.nodata == 65535


def test_values_are_rounded_to_a_power_of_two_that_is_stated(tmp_path):
    values = smooth()
    path = written(tmp_path, values, step=0.03)
    with rasterio.open(path) as file:
        found = file.read(1)
        assert float(file.tags()["ROUNDED_TO"]) == 2**-6
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    assert np.nanmax(np.abs(found - values)) <= 2**-7
    steps = found[np.isfinite(found)] * 64
    np.testing.assert_array_equal(steps, np.round(steps))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_bands_keep_their_order_their_names_and_their_dtype(tmp_path, dtype):
    names = ("B2", "B1", "B0", "B3")
    values = np.arange(4 * 700 * 600).reshape(4, 700, 600) % 120 + 1
    values[:, :90] = 0
    product = RasterProduct(unit="", dtype=dtype, nodata=0.0)
    path = tmp_path / "ortho.tif"
    write_cog(
        path,
        lambda w: values[(slice(None), *w.slices)],
        grid((700, 600)),
        product,
        tags={"A": 1},
        scratch=tmp_path,
        bands=names,
    )
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), values)
        assert file.dtypes == (dtype,) * 4
        assert file.descriptions == names
        assert file.nodata == 0
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(4) == file.overviews(1) != []
        # No band is taken for transparency.
        assert rasterio.enums.ColorInterp.alpha not in file.colorinterp
        known = file.read_masks()
    assert not known[:, :90].any()
    assert known[:, 90:].all()


def test_rounding_leaves_no_negative_zero():
    found = rounded(np.array([-0.001, 0.001, np.nan], np.float32), 2**-6)
    assert not np.signbit(found[:2]).any()
    assert power_of_two(1) == 1


def test_rotated_and_south_up_grids_are_kept(tmp_path):
    for transform in (
        Affine.translation(300000, 5000000) @ Affine.rotation(30) @ Affine.scale(10, -10),
        Affine(10, 0, 300000, 0, 10, 5000000),
    ):
        where = replace(grid((600, 600)), transform=transform)
        path = written(tmp_path, smooth((600, 600)), where=where)
        with rasterio.open(path) as file:
            assert file.transform.almost_equals(transform)


def test_an_image_smaller_than_a_block_is_whole(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    with rasterio.open(written(tmp_path, values)) as file:
        np.testing.assert_array_equal(file.read(1), values)
        assert file.overviews(1) == []


def test_nothing_appears_when_the_source_fails(tmp_path):
    def read(window):
        raise RuntimeError("the source fails")

    with pytest.raises(RuntimeError, match="source fails"):
        write_cog(tmp_path / "r.tif", read, grid(), PRODUCT, tags={}, scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from affine import Affine
from core.declare import RasterProduct
from core.errors import DiskFull
from core.grid import Grid
from core.io.cog import write_cog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
values = np.random.default_rng(0).random((1500, 1500), np.float32)
folder = Path(sys.argv[1])
grid = Grid(values.shape, Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
try:
    write_cog(folder / "r.tif", lambda w: values[w.slices], grid, RasterProduct(unit="m"),
              tags={}, scratch=folder)
except DiskFull as error:
    print("disk full:", error)
"""


@pytest.mark.parametrize("limit", [1_000_000, 9_300_000, 10_000_000])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, limit):
    """A limit on the size of files stands for a full disk, at three moments."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("disk full:"), done.stderr
    assert list(tmp_path.iterdir()) == []
