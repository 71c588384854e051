"""What the truth says about slides holds on the ground that they slid on."""

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import rasterize
from scipy import ndimage, stats

from core.simulate.landslides import Event, Slide
from core.simulate.landslides.sizes import share


def level(event: Event, points: np.ndarray) -> np.ndarray:
    """Heights at (x, y), straight from the model of heights."""
    col, row = ~event.grid.transform @ tuple(np.asarray(points, float).T)
    return ndimage.map_coordinates(event.dem, (row - 0.5, col - 0.5), order=1, mode="nearest")


def test_there_are_as_many_slides_as_the_area_should_have(event: Event) -> None:
    assert len(event.truth.slides) == 36
    assert [slide.id for slide in event.truth.slides] == list(range(1, 37))


def test_areas_follow_the_law_and_are_those_of_the_outlines(event: Event) -> None:
    areas = np.array([slide.area_m2 for slide in event.truth.slides])
    assert stats.kstest(areas, share).statistic < 0.05
    outlines = [slide.outline for slide in event.truth.slides]
    np.testing.assert_allclose(shapely.area(outlines), areas, rtol=1e-6)
    assert areas.min() >= 400


def test_every_slide_runs_downhill_and_its_numbers_are_those_of_the_ground(event: Event) -> None:
    for slide in event.truth.slides:
        crown, toe = np.array(slide.crown), np.array(slide.toe)
        drop = float(level(event, crown[None])[0] - level(event, toe[None])[0])
        assert drop > 0
        assert slide.drop_m == pytest.approx(drop, abs=0.05)
        assert slide.travel_m == pytest.approx(np.hypot(*(crown - toe)), rel=1e-6)
        assert slide.reach_deg == pytest.approx(np.degrees(np.arctan2(drop, slide.travel_m)), abs=1)
        steps = np.hypot(*np.diff(slide.way, axis=0).T)
        assert slide.length_m == pytest.approx(steps.sum(), rel=1e-6)
        assert slide.length_m >= slide.travel_m - 1e-6
        assert slide.reach_deg > 8


def test_a_way_leads_from_edge_to_edge_through_the_slide(event: Event) -> None:
    for slide in event.truth.slides:
        way = shapely.LineString(slide.way)
        assert slide.outline.buffer(4).covers(way)
        for end in (slide.crown, slide.toe):
            assert slide.outline.exterior.distance(shapely.Point(end)) < 4


def test_ways_fall_almost_everywhere(event: Event) -> None:
    rises = []
    for slide in event.truth.slides:
        heights = level(event, slide.way)
        rises.append(np.clip(np.diff(heights), 0, None).sum() / (heights[0] - heights[-1]))
    assert np.median(rises) < 0.02
    assert np.mean(np.array(rises) < 0.1) > 0.9


def test_slides_break_off_on_steep_ground(event: Event) -> None:
    down, right = np.gradient(event.dem, 10.0)
    slope = np.degrees(np.arctan(np.hypot(down, right)))
    for slide in event.truth.slides:
        upper = slide.way[: max(2, len(slide.way) // 4)]
        col, row = ~event.grid.transform @ tuple(upper.T)
        assert slope[row.astype(int), col.astype(int)].mean() > 14


def test_outlines_give_the_labels_back(event: Event) -> None:
    rows, cols = event.grid.shape
    fine = rasterize(
        [(slide.outline, slide.id) for slide in event.truth.slides],
        (3 * rows, 3 * cols),
        transform=event.grid.transform @ Affine.scale(1 / 3),
        dtype=np.int16,
    )
    cells = fine.reshape(rows, 3, cols, 3).swapaxes(1, 2).reshape(rows, cols, 9)
    np.testing.assert_allclose((cells > 0).mean(axis=2), event.truth.fraction, atol=1e-6)
    np.testing.assert_array_equal((cells > 0).any(axis=2), event.truth.ids > 0)
    most = event.truth.ids[..., None]
    others = [(cells == slide.id).sum(axis=2) for slide in event.truth.slides]
    held = (cells == most).sum(axis=2)[event.truth.ids > 0]
    assert np.all(held >= np.max(others, axis=0)[event.truth.ids > 0])
    np.testing.assert_array_equal(event.truth.labels, (cells > 0).sum(axis=2) >= 5)


def test_slides_meet_in_channels_only_and_do_not_overlap(event: Event) -> None:
    slides = event.truth.slides
    outlines = [slide.outline for slide in slides]
    assert shapely.is_valid(outlines).all()
    assert shapely.union_all(outlines).area == pytest.approx(sum(shapely.area(outlines)))
    joined = set(event.truth.pairs())
    assert len(joined) >= 3
    for first in slides:
        for second in slides[first.id :]:
            apart = first.outline.distance(second.outline)
            if (first.id, second.id) in joined:
                assert apart < 1e-6
                assert second.id in first.joined
                assert first.id in second.joined
                assert_meet_low(event, first, second)
            else:
                assert apart >= 9


def assert_meet_low(event: Event, first: Slide, second: Slide) -> None:
    """Two slides touch where water gathers: at the lower end of both."""
    assert max(first.channel_m2, second.channel_m2) > 2e4
    place = np.array(shapely.shortest_line(first.outline, second.outline).coords)[:1]
    for slide in (first, second):
        crown, toe = level(event, np.array([slide.crown, slide.toe]))
        assert level(event, place)[0] < crown - 0.4 * (crown - toe)
