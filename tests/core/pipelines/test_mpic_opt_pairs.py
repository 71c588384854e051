"""Pairing, names, dates, units, failures, documents."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from core.errors import DateMissing, NothingMeasured
from core.grid import Grid
from core.io.products import Scene
from core.pipelines.mpic_opt.declaration import MpicOptParameters
from core.pipelines.mpic_opt.pairing import check_rate, pairs_of
from core.pipelines.mpic_opt.rules import pair_count
from core.pipelines.mpic_opt.scenes import Image


def image(number: int, day: date | None) -> Image:
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


UCUM = {"m": "m", "m/day": "m/d", "m/year": "m/a"}
PLAIN = {"coregistration": False, "deramp": False, "window": 9}


@pytest.mark.parametrize(("units", "factor"), [("m", 1), ("m/day", 1 / 10), ("m/year", 36.525)])
def test_units_divide_by_the_signed_days(
    units: str,
    factor: float,
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
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


def test_one_pair_of_a_single_day_does_not_refuse_the_rates_of_the_others(
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    paths = [write("a", first), write("b", last), write("c", last[:, ::-1].copy())]
    result = measure(
        scenes=[source(path) for path in paths],
        dates=["2020-01-01", "2020-01-11", "2020-01-11"],
        units="m/day",
        pairing="all",
        **PLAIN,
    )
    statuses = {pair["key"]: pair["status"] for pair in result.document("pairs")["pairs"]}
    assert statuses["20200101_20200111"] == "successful"
    assert statuses["20200111_20200111"] == "failed"


def test_a_scene_without_a_date_is_left_out_where_the_others_have_one(
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    paths = [
        write("a20200101", first),
        write("undated", first[::-1].copy()),
        write("b20200111", last),
    ]
    listed = measure(scenes=[source(path) for path in paths], **PLAIN).document("pairs")
    assert [scene["status"] for scene in listed["scenes"]] == ["used", "left out", "used"]
    assert len(listed["pairs"]) == 1


def test_a_scene_that_cannot_be_used_is_named_and_the_rest_goes_on(
    write: Callable[..., Path],
    measure: Callable[..., Any],
    tmp_path: Path,
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    good = [write("a", first), write("b", last)]
    broken = tmp_path / "broken.tif"
    broken.write_bytes(good[0].read_bytes()[:300])
    degrees = write("degrees", first, Affine(1e-4, 0, 10, 0, -1e-4, 45), "EPSG:4326")
    scenes = [source(path) for path in (good[0], broken, degrees, good[1], good[0])]
    result = measure(scenes=scenes, **PLAIN)
    listed = result.document("pairs")
    assert [scene["status"] for scene in listed["scenes"]] == [
        "used", "left out", "left out", "used", "left out",
    ]  # fmt: skip
    assert "reproject" in listed["scenes"][2]["problem"]["allowed"]
    assert "same file" in listed["scenes"][4]["problem"]["message"]
    assert [pair["status"] for pair in listed["pairs"]] == ["successful"]


def test_a_pair_that_fails_does_not_stop_the_others(
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    far = Affine(10, 0, 900000, 0, -10, 4700000)
    paths = [write("a", first), write("b", last), write("c", last[::-1].copy(), far)]
    result = measure(scenes=[source(path) for path in paths], pairing="all", **PLAIN)
    statuses = [pair["status"] for pair in result.document("pairs")["pairs"]]
    assert statuses == ["successful", "failed", "failed"]
    assert len(result.outputs.displacement_east) == 1
    assert result.document("stac")["type"] == "Feature"


def test_a_job_fails_when_every_pair_fails(
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    far = Affine(10, 0, 900000, 0, -10, 4700000)
    with pytest.raises(NothingMeasured, match="no ground in common"):
        measure(scenes=[source(write("a", first)), source(write("b", last, far))], **PLAIN)


def test_several_pairs_make_a_collection_whose_links_lead_to_their_items(
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    paths = [write("a", first), write("b", last), write("c", (0.9 * first).astype(np.uint16))]
    result = measure(scenes=[source(path) for path in paths], pairing="all", **PLAIN)
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


def test_progress_rises_and_names_the_pair_and_the_tile(
    write: Callable[..., Path], measure: Callable[..., Any], moved_pair: Callable[..., Any]
) -> None:
    first, last = moved_pair()
    result = measure(write("a", first), write("b", last), **PLAIN)
    fractions = [fraction for fraction, _ in result.reports]
    assert fractions == sorted(fractions)
    assert any(message == "pair 1 of 1: matching, tile 1 of 1" for _, message in result.reports)


def test_scratch_is_empty_of_pairs_when_the_job_ends(
    write: Callable[..., Path],
    measure: Callable[..., Any],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    coarse = Affine(20, 0, 400000, 0, -20, 4700000)
    paths = [write("a", first), write("b", last[::2, ::2].copy(), coarse)]
    result = measure(scenes=[source(path) for path in paths], **PLAIN | {"minimum_score": 0.0})
    left = [path.name for path in (result.folder.parent / "scratch").iterdir()]
    assert not [name for name in left if name.startswith(("warped", "planes"))]
