"""What the maps of MPIC-OPT hold: values, reasons, extras, and what is told of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from core.errors import BandMissing, NothingMeasured
from core.reasons import Reason
from core.simulate.fault import texture

PLAIN = {"coregistration": False, "deramp": False, "window": 9}


def test_a_value_is_missing_exactly_where_a_reason_stands(
    write: Callable[..., Path], measure: Callable[..., Any], moved_pair: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    last = last.copy()
    last[20:60, 20:60] = texture((40, 40), 99).astype(np.uint16)
    first = first.copy()
    first[70:80, 5:20] = 65535
    result = measure(write("a", first), write("b", last), **PLAIN | {"window": 17})
    reasons = result.raster("reasons")
    for name in ("displacement_east", "displacement_north", "magnitude"):
        assert (np.isnan(result.raster(name)) == (reasons != 0)).all()
    assert (reasons[72:78, 8:17] == Reason.SATURATED).all()
    doubtful = reasons[30:50, 30:50] & (Reason.LOW_SCORE | Reason.FORWARD_BACKWARD)
    assert (doubtful != 0).mean() > 0.8
    # The score stays where something was matched, so that another threshold can be chosen.
    assert np.isfinite(result.raster("score")[30:50, 30:50]).mean() > 0.5
    shares = result.pair["reasons"]
    assert shares["saturated"] == pytest.approx((reasons & Reason.SATURATED > 0).mean())


def test_saturation_of_either_image_is_told(
    write: Callable[..., Path], measure: Callable[..., Any], moved_pair: Callable[..., Any]
) -> None:
    first, last = moved_pair(0)
    last = last.copy()
    last[40:60, 40:60] = 65535
    result = measure(write("a", first), write("b", last), **PLAIN)
    assert (result.raster("reasons")[45:55, 45:55] == Reason.SATURATED).all()


def test_the_users_mask_removes_what_it_covers(
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    covered = np.zeros(first.shape, np.uint8)
    covered[10:30, 40:70] = 1
    mask = write("mask", covered)
    result = measure(write("a", first), write("b", last), mask=source(mask), **PLAIN)
    marked = (result.raster("reasons") & Reason.USER_MASK) != 0
    assert (marked == (covered != 0)).all()


def test_what_was_repaired_in_the_users_mask_is_told(
    tmp_path: Path,
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    west, north = 400_100, 4_699_900
    ring = [[west, north], [west + 300, north - 300], [west + 300, north], [west, north - 300]]
    bow = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    named = {"type": "name", "properties": {"name": "EPSG:32633"}}
    feature = {"type": "Feature", "properties": {}, "geometry": bow}
    mask = tmp_path / "mask.geojson"
    mask.write_text(json.dumps({"type": "FeatureCollection", "crs": named, "features": [feature]}))
    result = measure(write("a", first), write("b", last), mask=source(mask), **PLAIN)
    assert any(note.startswith("mask: Polygon 1 was repaired") for note in result.pair["notes"])


def test_extras_are_made_when_asked_for_and_absent_otherwise(
    write: Callable[..., Path], measure: Callable[..., Any], moved_pair: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    last = last.copy()
    last[20:60, 20:60] = texture((40, 40), 99).astype(np.uint16)
    before, after = write("a", first), write("b", last)
    plain = measure(before, after, **PLAIN)
    assert plain.outputs.px1 == ()
    assert not (plain.folder / "px1").exists()
    result = measure(before, after, extras=["raw", "pixels", "smooth"], **PLAIN)
    assert np.nanmedian(result.raster("px1")) == pytest.approx(2, abs=0.05)
    assert np.nanmedian(result.raster("px2")) == pytest.approx(0, abs=0.05)
    raw, filtered = result.raster("displacement_east_raw"), result.raster("displacement_east")
    assert np.isfinite(raw).sum() > np.isfinite(filtered).sum()
    smooth = result.raster("displacement_east_smooth")
    assert (np.isnan(smooth) == np.isnan(filtered)).all()
    assert np.nanstd(smooth) <= np.nanstd(filtered)


def test_a_map_without_a_single_value_is_a_failure_that_says_why(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    noise = [np.random.default_rng(seed).integers(1, 4000, (96, 110), np.uint16) for seed in (1, 2)]
    paths = [write(name, part) for name, part in zip("ab", noise, strict=True)]
    with pytest.raises(NothingMeasured, match="score below the minimum, or the images differ"):
        measure(*paths, minimum_score=0.95, **PLAIN)


def test_a_cloud_mask_that_is_not_there_is_refused(
    write: Callable[..., Path], measure: Callable[..., Any], moved_pair: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    with pytest.raises(BandMissing, match="cloud layer"):
        measure(write("a", first), write("b", last), cloud_mask="product", **PLAIN)


def test_small_images_are_coregistered_too(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    ground = np.rint(texture((240, 260), 21)).astype(np.uint16)
    before, after = write("a", ground[:200, 12:212]), write("b", ground[:200, :200])
    result = measure(before, after, deramp=False)
    removed = result.pair["corrections"][0]["east"]["constant"]
    assert removed == pytest.approx(120, abs=1)
    assert result.pair["layers"]["displacement_east"]["share"] > 0.8


def test_changed_ground_does_not_mislead_the_coregistration(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    for seed in range(3):
        ground = np.rint(texture((300, 300), seed)).astype(np.uint16)
        changed = np.rint(texture((300, 300), seed + 50)).astype(np.uint16)
        changed[150:, 150:] = ground[150:, 150:]
        paths = [write(f"{name}{seed}", part) for name, part in (("a", ground), ("b", changed))]
        result = measure(*paths, deramp=False)
        stayed = result.raster("displacement_east")[170:290, 170:290]
        assert np.isfinite(stayed).mean() > 0.95
        assert abs(np.nanmedian(stayed)) < 1


def test_forward_backward_is_a_distance_on_the_ground(
    write: Callable[..., Path], measure: Callable[..., Any], moved_pair: Callable[..., Any]
) -> None:
    first, _ = moved_pair()
    noise = np.random.default_rng(3).normal(0, 250, first.shape)
    last = np.clip(first + noise, 1, 65000).astype(np.uint16)
    found = []
    for side in (10, 40):
        grid = Affine(side, 0, 400000, 0, -10, 4700000)
        found.append(
            measure(
                write(f"a{side}", first, grid), write(f"b{side}", last, grid),
                **PLAIN | {"search_range": 60.0},
            ).raster("forward_backward")
        )  # fmt: skip
    known = np.isfinite(found[0]) & np.isfinite(found[1])
    ratio = np.nanmedian(found[1][known] / np.maximum(found[0][known], 1e-3))
    assert 1.2 < ratio < 4


def test_convergence_is_told_where_directions_are(
    write: Callable[..., Path], measure: Callable[..., Any], moved_pair: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    result = measure(write("a", first), write("b", last), **PLAIN)
    with result.dataset("displacement_north") as dataset:
        told = float(dataset.tags()["CONVERGENCE_DEG"])
    # West of the central meridian of a northern UTM zone grid north lies west of true north.
    assert -1.2 < told < -0.5
    assert "grid north lies" in (result.folder / "README.txt").read_text()
