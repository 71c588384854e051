"""The rough ground: heights below lines of sight, and how far the real surface may lie away."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from core.geometry.ground import Ground
from core.geometry.rpc import Rpc
from core.grid import Grid
from core.io.products.stereo import open_views
from core.simulate.stereo.making import CALM, make_stereo

CELL = 4.0


@pytest.fixture(scope="module")
def rpc(tmp_path_factory: pytest.TempPathFactory) -> Rpc:
    folder = tmp_path_factory.mktemp("views")
    stereo = make_stereo("plain", "pair", shape=(96, 96), seed=3, disturbances=CALM, samples=1)
    paths: tuple[Path, ...] = stereo.write(folder, true_model=True)
    return open_views(paths, scratch=folder)[0].rpc


def plane(rpc: Rpc, slope: float) -> Ground:
    """Rises to the east about the middle of the image."""
    spot = rpc.locate(48.0, 48.0, rpc.height_offset)
    x, y = Transformer.from_crs("OGC:CRS84", "EPSG:32631", always_xy=True).transform(
        spot.lon, spot.lat
    )
    west, north = float(x) - 50 * CELL, float(y) + 50 * CELL
    grid = Grid((100, 100), Affine(CELL, 0, west, 0, -CELL, north), "EPSG:32631")
    east, _ = grid.centres()
    height = rpc.height_offset + slope * (east - float(x))
    return Ground(grid, height, height - 3.0, height + 7.0)


@pytest.mark.parametrize("slope", [0.0, 0.4, -0.4])
def test_a_line_of_sight_ends_on_the_slope(rpc: Rpc, slope: float) -> None:
    ground = plane(rpc, slope)
    row, col = np.meshgrid([10.0, 48.0, 80.0], [10.0, 48.0, 80.0])
    height = ground.below(rpc, row, col)
    lon, lat, _ = rpc.locate(row, col, height)
    x, y = Transformer.from_crs("OGC:CRS84", "EPSG:32631", always_xy=True).transform(lon, lat)
    assert np.abs(ground.at(x, y) - height).max() < 0.1
    assert np.ptp(height) > (5.0 if slope else -1.0)


def test_heights_go_on_beyond_the_border(rpc: Rpc) -> None:
    ground = plane(rpc, 0.1)
    west, south, east, north = ground.grid.bounds
    assert ground.at(west - 1e3, (south + north) / 2) == pytest.approx(ground.height[50, 0])
    assert ground.at(east + 1e3, (south + north) / 2) == pytest.approx(ground.height[50, -1])


def test_the_surface_may_lie_as_far_away_as_was_seen_near_by(rpc: Rpc) -> None:
    ground = plane(rpc, 0.0)
    high = ground.high.copy()
    high[20, 30] += 40.0
    ground = Ground(ground.grid, ground.height, ground.low, high)
    x, y = (axis[20, 30] for axis in ground.grid.centres())
    near = np.array([x]), np.array([y])
    far = np.array([x + 30 * CELL]), np.array([y])
    assert ground.spread(*near, CELL) == pytest.approx((3.0, 47.0))
    assert ground.spread(*far, CELL) == pytest.approx((3.0, 7.0))
    assert ground.spread(*far, 40 * CELL) == pytest.approx((3.0, 47.0))
    low, top = ground.range(*near, CELL)
    assert (low, top) == pytest.approx((rpc.height_offset - 3.0, rpc.height_offset + 47.0))


def test_it_can_be_sent_to_another_process_after_it_was_used(rpc: Rpc) -> None:
    ground = plane(rpc, 0.2)
    before = ground.below(rpc, 48.0, 48.0)
    again = pickle.loads(pickle.dumps(ground))
    assert again.below(rpc, 48.0, 48.0) == before
