"""MPIC-OPT against displacements that are known exactly."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from core.simulate.fault import Displacement, Pair, make_pair, score

UNCORRECTED = {"coregistration": False, "deramp": False}


@pytest.fixture(scope="module")
def fault(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("fault"))


def displacement(result: Any) -> Displacement:
    return Displacement(*(result.raster(f"displacement_{side}") for side in ("east", "north")))


def test_the_demonstration_fault_is_recovered(fault: Pair, measure: Callable[..., Any]) -> None:
    nothing = Displacement(*(np.zeros(part.shape) for part in fault.truth))
    assert score(fault, nothing).rmse > 2.0
    found = score(fault, displacement(measure(fault.reference, fault.secondary, **UNCORRECTED)))
    assert found.rmse < 0.6
    assert found.valid > 0.97
    assert found.slip.east == pytest.approx(found.true_slip.east, rel=0.05)
    assert found.slip.north == pytest.approx(found.true_slip.north, rel=0.05)


def test_what_the_defaults_remove_can_be_added_back(
    fault: Pair, measure: Callable[..., Any]
) -> None:
    result = measure(fault.reference, fault.secondary)
    restored = Displacement(
        *(
            result.raster(f"displacement_{side}") + result.raster(f"correction_{side}")
            for side in ("east", "north")
        )
    )
    assert score(fault, restored).rmse < 0.65
    removed = result.pair["corrections"]
    assert [correction["id"] for correction in removed] == ["coregistration", "deramp"]


def pooled(*parts: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(np.concatenate([part.ravel() for part in parts])))))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "limit", "on"),
    [("etq", 0.07, "all"), ("ramp", 0.06, "all"), ("slide", 0.15, "moving")],
)
def test_the_pairs_of_record_are_measured_within_their_limits(
    name: str, limit: float, on: str, shared_data: Path, measure: Callable[..., Any]
) -> None:
    folder = shared_data / "displacement" / "known_fields"
    truth = np.load(folder / f"{name}_noisy_truth.npz")
    result = measure(folder / f"{name}_noisy_1.tif", folder / f"{name}_noisy_2.tif", **UNCORRECTED)
    found = displacement(result)
    east, north = found.east / 10 - truth["ew"], -found.north / 10 - truth["ns"]
    good = ~truth["dec"]
    inner = np.zeros_like(good)
    inner[64:-64, 64:-64] = True
    assert np.isfinite(east)[inner & good].mean() >= 0.97
    moving = np.hypot(truth["ew"], truth["ns"]) > 0.1
    counted = inner & good & (moving if on == "moving" else True)
    assert pooled(east[counted], north[counted]) < limit
    rows, cols = np.indices(good.shape)
    border = np.minimum.reduce([rows, cols, good.shape[0] - 1 - rows, good.shape[1] - 1 - cols])
    edge = good & (border >= 4) & (border < 32)
    assert pooled(east[edge], north[edge]) <= 2 * pooled(east[inner & good], north[inner & good])


@pytest.mark.shared
def test_the_scorer_of_record_agrees(
    shared_data: Path, tmp_path: Path, measure: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared_data / "displacement" / "known_fields"
    monkeypatch.syspath_prepend(str(folder))
    from score import score as record  # type: ignore[import-not-found]

    result = measure(folder / "ramp_clean_1.tif", folder / "ramp_clean_2.tif", **UNCORRECTED)
    found = displacement(result)
    rows, cols = np.indices(found.east.shape)
    np.savez(
        tmp_path / "map.npz",
        x=cols, y=rows, ew=found.east / 10, ns=-found.north / 10, t=0, cpu=0, rss=0,
        q=np.ones_like(found.east),
    )  # fmt: skip
    figures = record(str(tmp_path / "map.npz"), str(folder / "ramp_clean_truth.npz"))
    assert figures["rmse"] < 0.01
    assert figures["cov"] > 0.999
    sys.modules.pop("score")


@pytest.fixture
def germany(shared_data: Path) -> tuple[Path, Path]:
    folder = shared_data / "sentinel2" / "arosics_pair_T33UUU"
    return (
        folder / "tgt_S2A_20160529T153631_T33UUU_sub.tif",
        folder / "ref_S2A_20160608T153121_T33UUU_sub.tif",
    )


def common_images(result: Any, paths: tuple[Path, Path]) -> list[np.ndarray]:
    import rasterio

    images = []
    with result.dataset("displacement_east") as output:
        for path in paths:
            with rasterio.open(path) as dataset:
                window = dataset.window(*output.bounds).round_offsets().round_lengths()
                images.append(dataset.read(1, window=window))
    return images


def disc(radius: int) -> np.ndarray:
    rows, cols = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return rows**2 + cols**2 <= radius**2


def clear_ground(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    bright = (first > 2500) | (last > 2500)
    return (first > 0) & (last > 0) & (ndimage.distance_transform_edt(~bright) > 8)


@pytest.mark.shared
def test_a_real_pair_shows_the_shift_that_was_measured_independently(
    germany: tuple[Path, Path], measure: Callable[..., Any]
) -> None:
    from skimage.registration import phase_cross_correlation

    result = measure(*germany, **UNCORRECTED)
    first, last = common_images(result, germany)
    clear = clear_ground(first, last)
    found = displacement(result)
    east, north = (float(np.nanmedian(part[clear])) for part in found)
    assert east == pytest.approx(-6.1, abs=0.8)
    assert north == pytest.approx(-18.3, abs=0.6)
    shifts = []
    for row in range(0, first.shape[0] - 255, 256):
        for col in range(0, first.shape[1] - 255, 256):
            a, b = (image[row : row + 256, col : col + 256] for image in (first, last))
            dark = (
                (a > 0).all() and (b > 0).all() and max((a > 2500).mean(), (b > 2500).mean()) < 0.01
            )
            if dark:
                # It tells how the second has to be moved to lie on the first.
                back = phase_cross_correlation(a, b, normalization="phase", upsample_factor=50)[0]
                shifts.append((-back[1] * 10, back[0] * 10))
    assert len(shifts) >= 3
    independent = np.median(shifts, axis=0)
    assert abs(east - independent[0]) < 1.5
    assert abs(north - independent[1]) < 1.0


@pytest.mark.shared
def test_exchanging_a_real_pair_changes_both_signs(
    germany: tuple[Path, Path], measure: Callable[..., Any]
) -> None:
    result = measure(*reversed(germany), **UNCORRECTED)
    figures = result.pair["layers"]
    assert figures["displacement_east"]["median"] == pytest.approx(6.1, abs=0.8)
    assert figures["displacement_north"]["median"] == pytest.approx(18.3, abs=0.6)
    assert result.pair["days"] == -10


@pytest.mark.shared
def test_the_defaults_keep_clear_ground_and_drop_clouds(
    germany: tuple[Path, Path], measure: Callable[..., Any]
) -> None:
    result = measure(*germany)
    first, last = common_images(result, germany)
    valid = np.isfinite(displacement(result).east)
    cloud = ndimage.binary_opening(first > 2500, disc(6))
    core = ndimage.binary_erosion(cloud, disc(8))
    assert core.sum() > 100_000
    assert valid[core].mean() <= 0.01
    clear = clear_ground(first, last)
    assert valid[clear].mean() >= 0.45
    removed = result.pair["corrections"][0]
    assert removed["id"] == "coregistration"
    assert removed["east"]["constant"] == pytest.approx(-6.1, abs=0.8)
    assert removed["north"]["constant"] == pytest.approx(-18.3, abs=0.6)
    for side in displacement(result):
        assert abs(float(np.nanmedian(side[clear]))) < 0.2
    # It can be written and read as JSON without NaN.
    json.dumps(result.document("statistics"), allow_nan=False)
