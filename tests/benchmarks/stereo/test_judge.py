"""The judge judged: models whose errors are known, made from the truth itself."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from scipy import ndimage

from benchmarks.stereo import agreement, judge
from benchmarks.stereo.judge import Model
from core.grid import Grid
from core.simulate.stereo.making import Stereo, make_stereo
from core.tiling import Window

DEBIANS_EGM96 = Path("/usr/share/proj/egm96_15.gtx")
NORMAL_10_TO_90 = 2 * 1.2815516
"""Deviations between the tenth and the ninetieth percentile of a normal distribution."""


@cache
def scene(kind: str) -> Stereo:
    return make_stereo(kind, "pair", shape=(288, 288), seed=5, relief_m=120.0)


def model_of(stereo: Stereo, grid: Grid, east: float = 0.0, north: float = 0.0) -> Model:
    """The true surface, moved."""
    rows, cols = np.mgrid[: grid.shape[0], : grid.shape[1]]
    x, y = grid.transform @ (cols + 0.5, rows + 0.5)
    return Model(grid, stereo.scene.height(x - east, y - north))


def judged(stereo: Stereo, **models: Model) -> dict[str, dict[str, float]]:
    return judge.against_truth(models, stereo)


@pytest.mark.parametrize("kind", ["city", "relief"])
def test_the_truth_is_right_everywhere(kind) -> None:
    stereo = scene(kind)
    figures = judged(stereo, truth=model_of(stereo, stereo.grid(0.5)))["truth"]
    for name in ("nmad_m", "rmse_m", "over_3_m_percent", "bias_m", "tilt_m_per_km"):
        assert figures[name] == pytest.approx(0.0, abs=1e-9), name
    for name in ("right_percent", "valid_percent", "footprint_valid_percent"):
        assert figures[name] == 100.0, name
    assert figures["cells"] > 10_000
    # The profile's bins are a quarter of a metre wide.
    assert ("edge_width_m" in figures) == (kind == "city")
    assert figures.get("edge_width_m", 0.2) <= 0.25


def test_the_truth_on_a_lattice_of_its_own_is_right_too() -> None:
    stereo = scene("city")
    grid = stereo.grid(0.7)
    moved = Grid(grid.shape, grid.transform @ Affine.translation(0.37, -0.21), grid.crs)
    figures = judged(stereo, truth=model_of(stereo, moved))["truth"]
    assert figures["rmse_m"] == pytest.approx(0.0, abs=1e-9)
    assert figures["right_percent"] > 98.0


def test_half_a_pixel_of_shift_shows_with_its_sign() -> None:
    stereo = scene("relief")
    grid = stereo.grid(0.5)
    figures = judged(stereo, moved=model_of(stereo, grid, east=0.25, north=-0.1))["moved"]
    assert figures["east_m"] == pytest.approx(0.25, abs=0.02)
    assert figures["north_m"] == pytest.approx(-0.1, abs=0.02)
    assert figures["nmad_m"] > 0.02


def test_half_a_pixel_of_shift_spoils_the_edges_of_buildings() -> None:
    stereo = scene("city")
    figures = judged(stereo, moved=model_of(stereo, stereo.grid(0.5), east=0.25))["moved"]
    assert figures["rmse_m"] > 0.5
    assert figures["over_3_m_percent"] > 0.2


def test_bias_and_tilt_are_told_and_not_removed() -> None:
    stereo = scene("city")
    model = model_of(stereo, stereo.grid(0.5))
    east = np.arange(model.grid.shape[1]) * 0.5
    tilted = Model(model.grid, model.height + 0.4 + 0.002 * (east - east.mean()))
    figures = judged(stereo, tilted=tilted)["tilted"]
    assert figures["tilt_m_per_km"] == pytest.approx(2.0, abs=0.05)
    assert figures["bias_m"] == pytest.approx(0.4, abs=0.1)
    assert figures["rmse_m"] > 0.35


@pytest.mark.parametrize("deviation_m", [0.5, 1.0])
def test_the_width_of_roof_edges_is_that_of_the_blur(deviation_m) -> None:
    stereo = scene("city")
    model = model_of(stereo, stereo.grid(0.5))
    blurred = Model(model.grid, ndimage.gaussian_filter(model.height, deviation_m / 0.5))
    width = judged(stereo, blurred=blurred)["blurred"]["edge_width_m"]
    assert width == pytest.approx(NORMAL_10_TO_90 * deviation_m, rel=0.1)


def test_a_model_without_houses_has_edges_as_wide_as_the_whole_profile() -> None:
    stereo = scene("city")
    model = model_of(stereo, stereo.grid(0.5))
    bare = Model(model.grid, ndimage.minimum_filter(model.height, 101))
    assert judged(stereo, bare=bare)["bare"]["edge_width_m"] == 2 * judge.REACH_M


def test_errors_count_where_all_have_a_height_and_coverage_everywhere() -> None:
    stereo = scene("city")
    whole = model_of(stereo, stereo.grid(0.5))
    rows, cols = whole.grid.shape
    left = np.arange(cols) < cols // 2
    wrong = Model(whole.grid, np.where(left, whole.height + 50.0, whole.height))
    right_half = Window(0, cols // 2, rows, cols - cols // 2)
    half = Model(whole.grid.crop(right_half), whole.height[right_half.slices])
    found = judged(stereo, wrong=wrong, half=half)
    assert found["wrong"]["rmse_m"] == found["half"]["rmse_m"] == pytest.approx(0.0, abs=1e-9)
    assert found["wrong"]["cells"] == found["half"]["cells"]
    assert found["wrong"]["valid_percent"] == 100.0
    for figures in found.values():
        assert 40.0 < figures["right_percent"] < 60.0
    alone = judged(stereo, wrong=wrong)["wrong"]
    assert alone["over_3_m_percent"] == pytest.approx(100.0 - alone["right_percent"])


def written(path: Path, height: np.ndarray, crs: str) -> Path:
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": -32768.0, "crs": crs}
    size = {"height": height.shape[0], "width": height.shape[1]}
    transform = Affine(0.5, 0.0, 698000.0, 0.0, -0.5, 4793000.0)
    with rasterio.open(path, "w", **profile, **size, transform=transform) as dataset:
        dataset.write(height, 1)
    return path


def test_a_raster_is_read_with_its_gaps(tmp_path) -> None:
    height = np.full((4, 5), 100.0, np.float32)
    height[0, 0], height[1, 1] = -32768.0, np.nan
    model = judge.read(written(tmp_path / "model.tif", height, "EPSG:32631"))
    assert model.valid.sum() == 18
    assert np.nanmax(model.height) == np.nanmin(model.height) == 100.0
    assert model.grid.xy(0, 0) == (698000.25, 4792999.75)


@pytest.mark.skipif(
    not DEBIANS_EGM96.exists(), reason="no egm96_15.gtx here (Debian: apt-get install proj-data)"
)
def test_heights_above_a_geoid_are_read_as_heights_above_the_ellipsoid(tmp_path) -> None:
    path = written(tmp_path / "m.tif", np.full((4, 5), 100.0, np.float32), "EPSG:32631+5773")
    # PROJ looks for grids once, so the process that has one is another.
    grids = tmp_path / "grids"
    grids.mkdir()
    shutil.copy(DEBIANS_EGM96, grids)
    code = (
        "import sys; from pathlib import Path; from benchmarks.stereo import judge;"
        "print(float(judge.read(Path(sys.argv[1])).height.mean()))"
    )
    environment = {**os.environ, "PROJ_USER_WRITABLE_DIRECTORY": str(grids)}
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", code, path]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(149.3, abs=0.5)


def test_agreement_tells_shift_and_bias_whatever_the_order() -> None:
    stereo = scene("relief")
    grid = stereo.grid(0.5)
    first, second = model_of(stereo, grid, east=0.3), model_of(stereo, grid)
    second = Model(grid, second.height - 1.5)
    found = agreement.agreement(first, second)
    assert found["bias_m"] == pytest.approx(1.5, abs=0.2)
    assert found["east_m"] == pytest.approx(0.3, abs=0.05)
    back = agreement.agreement(second, first)
    assert back["bias_m"] == pytest.approx(-found["bias_m"])
    assert back["nmad_m"] == pytest.approx(found["nmad_m"])


def test_all_cells_of_the_images_are_seen_and_none_beyond(tmp_path) -> None:
    stereo = scene("relief")
    paths = stereo.write(tmp_path, true_model=True)
    grid = stereo.grid(0.5)
    found = agreement.seen(model_of(stereo, grid), paths)
    known = stereo.truth(grid).inside().sum(axis=0) >= 2
    assert (found == known).all()
