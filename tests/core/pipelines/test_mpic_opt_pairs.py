"""Pairing, names, dates, units, failures, documents."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from core.errors import (
    BandMissing,
    DateMissing,
    InputError,
    NothingMeasured,
    OutOfRange,
    Refused,
)
from core.io.products import Scene
from core.pipelines.mpic_opt.declaration import MpicOptParameters
from core.pipelines.mpic_opt.pairing import check_rate, pairs_of
from core.pipelines.mpic_opt.rules import pair_count
from core.pipelines.mpic_opt.scenes import Image
from core.reasons import Reason
from core.simulate.fault import texture

SHAPE = (96, 110)


def uri(path: Path) -> dict[str, str]:
    return {"href": path.resolve().as_uri()}


def image(number: int, day: date | None) -> Image:
    from core.grid import Grid

    grid = Grid((10, 10), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
    scene = Scene(f"s{number}", "", 1, "1", grid, "uint16", date=day)
    return Image(number, f"/inputs/scenes/{number}", f"s{number}", scene)


def parameters(count: int, **inputs: Any) -> MpicOptParameters:
    document = {"scenes": [{"href": f"upload:{n}"} for n in range(count)], **inputs}
    return MpicOptParameters.model_validate_json(json.dumps(document))


DAYS = [date(2020, 1, 1), date(2020, 1, 6), date(2020, 1, 16), date(2020, 3, 1)]


def numbers(inputs: MpicOptParameters, images: list[Image]) -> list[tuple[int, int]]:
    return [(p.reference.number, p.secondary.number) for p in pairs_of(inputs, images)]


def test_pairs_follow_the_dates_and_not_the_order_of_the_list() -> None:
    images = [image(n, day) for n, day in enumerate(reversed(DAYS))]
    assert numbers(parameters(4, pair_maximum=1), images) == [(3, 2), (2, 1), (1, 0)]


def test_every_rule_of_pairing_makes_its_pairs() -> None:
    images = [image(n, day) for n, day in enumerate(DAYS)]
    split = parameters(4, pairing="split_date", split_date="2020-01-06")
    assert numbers(split, images) == [(0, 1), (0, 2), (0, 3)]
    assert len(numbers(parameters(4, pairing="all"), images)) == 6
    days = parameters(4, pair_range_unit="days", pair_minimum=6, pair_maximum=20)
    assert numbers(days, images) == [(1, 2), (0, 2)] or numbers(days, images) == [(0, 2), (1, 2)]
    back = parameters(4, pair_maximum=1, direction="backward")
    assert numbers(back, images) == [(1, 0), (2, 1), (3, 2)]
    both = parameters(4, pair_maximum=1, direction="both")
    assert numbers(both, images)[:2] == [(0, 1), (1, 0)]


def test_a_repeated_name_gets_a_number_and_undated_pairs_are_counted() -> None:
    twice = [image(0, DAYS[0]), image(1, DAYS[0]), image(2, DAYS[1])]
    keys = [pair.key for pair in pairs_of(parameters(3, pairing="all"), twice)]
    assert keys == ["20200101_20200101", "20200101_20200106", "20200101_20200106_2"]
    undated = [image(n, None) for n in range(3)]
    keys = [pair.key for pair in pairs_of(parameters(3, pair_maximum=1), undated)]
    assert keys == ["pair001", "pair002"]


def test_a_rate_needs_two_different_dates() -> None:
    images = [image(0, DAYS[0]), image(1, DAYS[0])]
    inputs = parameters(2, units="m/day")
    with pytest.raises(DateMissing, match="no rate"):
        check_rate(inputs, pairs_of(inputs, images)[0])


def test_pairs_are_counted_before_the_job_where_the_dates_are_given() -> None:
    given = {
        "scenes": [{"href": f"upload:{n}"} for n in range(4)],
        "dates": [day.isoformat() for day in DAYS],
    }
    split = given | {"pairing": "split_date", "split_date": "2020-01-06"}
    assert pair_count(split) == 3
    days = given | {"pair_range_unit": "days", "pair_minimum": 6, "pair_maximum": 20}
    assert pair_count(days) == 2


def moved_pair(cols: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """The ground moves `cols` pixels to the east."""
    ground = np.rint(texture((SHAPE[0], SHAPE[1] + cols), 8)).astype(np.uint16)
    return ground[:, cols:], ground[:, : SHAPE[1]]


UCUM = {"m": "m", "m/day": "m/d", "m/year": "m/a"}
PLAIN = {"coregistration": False, "deramp": False, "window": 9}


@pytest.mark.parametrize(("units", "factor"), [("m", 1), ("m/day", 1 / 10), ("m/year", 36.525)])
def test_units_divide_by_the_signed_days(
    units: str, factor: float, write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    before, after = write("a", first), write("b", last)
    dates = {"reference_date": "2020-01-01", "secondary_date": "2020-01-11"}
    result = measure(before, after, units=units, **dates, **PLAIN)
    assert np.nanmedian(result.raster("displacement_east")) == pytest.approx(20 * factor, rel=0.02)
    with result.dataset("displacement_east") as dataset:
        assert dataset.units[0] == UCUM[units]
    readme = (result.folder / "README.txt").read_text()
    assert f"Unit: {UCUM[units]}. Positive towards grid east" in readme
    # Against the arrow of time the displacement turns round, and so do the days: the rate stays.
    back = measure(
        after,
        before,
        units=units,
        reference_date="2020-01-11",
        secondary_date="2020-01-01",
        **PLAIN,
    )
    expected = -20 if units == "m" else 20 * factor
    assert np.nanmedian(back.raster("displacement_east")) == pytest.approx(expected, rel=0.02)
    assert back.outputs.displacement_east[0].key == "20200111_20200101"


def test_a_scene_that_cannot_be_used_is_named_and_the_rest_goes_on(
    write: Callable[..., Path], measure: Callable[..., Any], tmp_path: Path
) -> None:
    first, last = moved_pair()
    good = [write("a", first), write("b", last)]
    broken = tmp_path / "broken.tif"
    broken.write_bytes(good[0].read_bytes()[:300])
    degrees = write("degrees", first, Affine(1e-4, 0, 10, 0, -1e-4, 45), "EPSG:4326")
    scenes = [uri(path) for path in (good[0], broken, degrees, good[1], good[0])]
    result = measure(scenes=scenes, **PLAIN)
    listed = result.document("pairs")
    assert [scene["status"] for scene in listed["scenes"]] == [
        "used", "left out", "left out", "used", "left out",
    ]  # fmt: skip
    assert "reproject" in listed["scenes"][2]["problem"]["allowed"]
    assert "same file" in listed["scenes"][4]["problem"]["message"]
    assert [pair["status"] for pair in listed["pairs"]] == ["successful"]


def test_a_pair_that_fails_does_not_stop_the_others(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    far = Affine(10, 0, 900000, 0, -10, 4700000)
    paths = [write("a", first), write("b", last), write("c", last[::-1].copy(), far)]
    result = measure(scenes=[uri(path) for path in paths], pairing="all", **PLAIN)
    statuses = [pair["status"] for pair in result.document("pairs")["pairs"]]
    assert statuses == ["successful", "failed", "failed"]
    assert len(result.outputs.displacement_east) == 1
    assert result.document("stac")["type"] == "Feature"


def test_a_job_fails_when_every_pair_fails(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    far = Affine(10, 0, 900000, 0, -10, 4700000)
    with pytest.raises(NothingMeasured, match="no ground in common"):
        measure(scenes=[uri(write("a", first)), uri(write("b", last, far))], **PLAIN)


def test_several_pairs_make_a_collection_whose_links_lead_to_their_items(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    paths = [write("a", first), write("b", last), write("c", (0.9 * first).astype(np.uint16))]
    result = measure(scenes=[uri(path) for path in paths], pairing="all", **PLAIN)
    collection = result.document("stac")
    assert collection["type"] == "Collection"
    items = [link for link in collection["links"] if link["rel"] == "item"]
    assert len(items) == 3
    made = {"rel": "via", "href": "https://example.org/ground/jobs/1"}
    assert made.items() <= collection["links"][-1].items()
    for link in items:
        item = json.loads((result.folder / link["href"]).read_text())
        assert any(made.items() <= link.items() for link in item["links"])
        asset = item["assets"]["displacement_east"]["href"]
        assert ((result.folder / link["href"]).parent / asset).resolve().exists()


def test_a_value_is_missing_exactly_where_a_reason_stands(
    write: Callable[..., Path], measure: Callable[..., Any]
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


def test_extras_are_made_when_asked_for_and_absent_otherwise(
    write: Callable[..., Path], measure: Callable[..., Any]
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


def test_the_users_mask_removes_what_it_covers(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    covered = np.zeros(SHAPE, np.uint8)
    covered[10:30, 40:70] = 1
    mask = write("mask", covered)
    result = measure(write("a", first), write("b", last), mask=uri(mask), **PLAIN)
    marked = (result.raster("reasons") & Reason.USER_MASK) != 0
    assert (marked == (covered != 0)).all()


def test_progress_rises_and_names_the_pair_and_the_tile(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    result = measure(write("a", first), write("b", last), **PLAIN)
    fractions = [fraction for fraction, _ in result.reports]
    assert fractions == sorted(fractions)
    assert any(message == "pair 1 of 1: matching, tile 1 of 1" for _, message in result.reports)


def test_inspection_tells_images_pairs_and_the_effort(
    write: Callable[..., Path], look: Callable[..., dict[str, Any]]
) -> None:
    first, last = moved_pair()
    told = look(reference=uri(write("a", first)), secondary=uri(write("b", last)))
    assert told["images"][0]["columns"] == SHAPE[1]
    assert told["pairs"][0]["rows"] == SHAPE[0]
    assert told["estimate"]["disk_bytes"] > told["estimate"]["result_bytes"] > 0
    json.dumps(told, allow_nan=False)


def test_a_window_that_is_even_names_the_two_nearest(
    write: Callable[..., Path], look: Callable[..., dict[str, Any]]
) -> None:
    first, _ = moved_pair()
    path = uri(write("a", first))
    with pytest.raises(Refused, match=r"13.*15"):
        look(reference=path, secondary=path, window=14)


def test_one_pair_of_a_single_day_does_not_refuse_the_rates_of_the_others(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    paths = [write("a", first), write("b", last), write("c", last[:, ::-1].copy())]
    result = measure(
        scenes=[uri(path) for path in paths],
        dates=["2020-01-01", "2020-01-11", "2020-01-11"],
        units="m/day",
        pairing="all",
        **PLAIN,
    )
    statuses = {pair["key"]: pair["status"] for pair in result.document("pairs")["pairs"]}
    assert statuses["20200101_20200111"] == "successful"
    assert statuses["20200111_20200111"] == "failed"


def test_a_scene_without_a_date_is_left_out_where_the_others_have_one(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    paths = [
        write("a20200101", first),
        write("undated", first[::-1].copy()),
        write("b20200111", last),
    ]
    listed = measure(scenes=[uri(path) for path in paths], **PLAIN).document("pairs")
    assert [scene["status"] for scene in listed["scenes"]] == ["used", "left out", "used"]
    assert len(listed["pairs"]) == 1


def test_a_map_without_a_single_value_is_a_failure_that_says_why(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    noise = [np.random.default_rng(seed).integers(1, 4000, SHAPE, np.uint16) for seed in (1, 2)]
    paths = [write(name, part) for name, part in zip("ab", noise, strict=True)]
    with pytest.raises(NothingMeasured, match="score below the minimum"):
        measure(*paths, minimum_score=0.95, **PLAIN)


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


def test_saturation_of_either_image_is_told(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair(0)
    last = last.copy()
    last[40:60, 40:60] = 65535
    result = measure(write("a", first), write("b", last), **PLAIN)
    assert (result.raster("reasons")[45:55, 45:55] == Reason.SATURATED).all()


def test_a_search_of_too_many_pixels_is_refused_with_the_limit(
    write: Callable[..., Path], look: Callable[..., dict[str, Any]]
) -> None:
    first, last = moved_pair()
    fine = Affine(0.5, 0, 400000, 0, -0.5, 4700000)
    sources = {"reference": uri(write("a", first, fine)), "secondary": uri(write("b", last, fine))}
    with pytest.raises(OutOfRange) as refused:
        look(preset="glacier", **sources)
    assert refused.value.allowed == "at most 128 m for these pixels"
    assert look(preset="landslide", **sources)["estimate"]["memory_bytes"] <= 1536 << 20


def test_a_bad_mask_is_told_before_the_work(
    write: Callable[..., Path], look: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    first, last = moved_pair()
    bad = tmp_path / "bad.geojson"
    bad.write_text("{")
    with pytest.raises(InputError) as refused:
        look(reference=uri(write("a", first)), secondary=uri(write("b", last)), mask=uri(bad))
    assert refused.value.pointer == "/inputs/mask"


def test_a_cloud_mask_that_is_not_there_is_refused(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    with pytest.raises(BandMissing, match="cloud layer"):
        measure(write("a", first), write("b", last), cloud_mask="product", **PLAIN)


def test_scratch_is_empty_of_pairs_when_the_job_ends(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    coarse = Affine(20, 0, 400000, 0, -20, 4700000)
    paths = [write("a", first), write("b", last[::2, ::2].copy(), coarse)]
    result = measure(scenes=[uri(path) for path in paths], **PLAIN | {"minimum_score": 0.0})
    left = [path.name for path in (result.folder.parent / "scratch").iterdir()]
    assert not [name for name in left if name.startswith(("warped", "planes"))]


def test_forward_backward_is_a_distance_on_the_ground(
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, _ = moved_pair()
    noise = np.random.default_rng(3).normal(0, 250, SHAPE)
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
    write: Callable[..., Path], measure: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    result = measure(write("a", first), write("b", last), **PLAIN)
    with result.dataset("displacement_north") as dataset:
        told = float(dataset.tags()["CONVERGENCE_DEG"])
    # West of the central meridian of a northern UTM zone grid north lies west of true north.
    assert -1.2 < told < -0.5
    assert "grid north lies" in (result.folder / "README.txt").read_text()
