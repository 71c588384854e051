"""From simulated images to a surface, by the steps of the pipeline, against the exact truth."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from core.pipelines.dsm_opt.choices import Adjust
from core.pipelines.dsm_opt.tiles import Job, TileResult, make_tile
from core.reasons import Reason
from core.simulate.stereo.making import UNBIASED, Disturbances, Stereo, make_stereo
from core.tiling import Window

SIDE = 320


def nmad(error: NDArray[np.float64]) -> float:
    known = error[np.isfinite(error)]
    return float(1.4826 * np.median(np.abs(known - np.median(known))))


def scene(
    kind: Literal["plain", "relief", "city"],
    views: Literal["pair", "triplet"] = "pair",
    disturbances: Disturbances = UNBIASED,
    seed: int = 45,
) -> Stereo:
    return make_stereo(kind, views, shape=(SIDE, SIDE), seed=seed, disturbances=disturbances)


@pytest.fixture(scope="module")
def relief(steps, tmp_path_factory):
    return steps.made(scene("relief"), tmp_path_factory.mktemp("relief"), adjustment=Adjust.NONE)


def test_a_mountain_is_found_without_any_elevation_model(relief) -> None:
    error = relief.error()
    measurable = relief.stereo.truth(relief.job.target.grid).measurable()
    assert nmad(error) < 0.15
    assert (np.abs(error[measurable]) < 1.0).mean() > 0.98
    assert abs(np.nanmedian(error)) < 0.1


def test_the_coarse_ground_lies_near_the_truth_and_tells_its_range(relief) -> None:
    ground = relief.ready.ground
    truth = relief.stereo.truth(ground.grid)
    seen = truth.measurable(16.0)
    assert seen.sum() > 1000
    assert np.percentile(np.abs(ground.height - truth.height)[seen], 95) < 12.0
    inside = (truth.height > ground.low - 3.0) & (truth.height < ground.high + 3.0)
    assert inside[seen].mean() > 0.98


def test_cells_have_a_height_exactly_where_no_reason_is_against_it(relief) -> None:
    height, reasons = relief.plane("height"), relief.plane("reasons")
    assert np.array_equal(np.isnan(height), reasons != 0)
    assert np.array_equal(relief.plane("pairs") > 0, reasons == 0)
    assert (reasons == 0).mean() > 0.5


@pytest.fixture(scope="module")
def town(steps, tmp_path_factory):
    return steps.made(scene("city"), tmp_path_factory.mktemp("town"), adjustment=Adjust.NONE)


@pytest.fixture(scope="module", params=["relief", "town"])
def tilings(request, steps, tmp_path_factory):
    """A surface made as one tile, and in many."""
    whole = request.getfixturevalue(request.param)
    tiled = steps.retiled(whole, tmp_path_factory.mktemp("tiled"), tile=100)
    assert [len(list(one.job.target.tiles())) for one in (whole, tiled)] == [1, 16]
    return whole, tiled


def test_tiles_do_not_show(steps, tilings) -> None:
    """Other tiles: nearly all heights differ by less than a tenth of a pixel of disparity makes."""
    whole, tiled = tilings
    first, second = whole.plane("height"), tiled.plane("height")
    measurable = whole.stereo.truth(whole.job.target.grid).measurable()
    assert (np.isfinite(first) == np.isfinite(second))[measurable].mean() > 0.998
    both = np.isfinite(first) & np.isfinite(second) & measurable
    tenth = 0.1 * steps.RESOLUTION / 0.26
    assert both.sum() > 0.95 * measurable.sum()
    assert (np.abs(first - second)[both] < tenth).mean() > 0.995


def jumps(made, tiles: list[Window], share: float) -> float:
    """Median step between neighbouring cells where tiles begin, or a share of a tile farther on."""
    height = made.plane("height")
    found = []
    for axis, side in ((0, "row"), (1, "col")):
        starts = sorted({getattr(window, side) for window in tiles})
        length = starts[1] - starts[0]
        lines = np.array(starts[1:]) + round(share * length)
        steps = np.take(height, lines, axis) - np.take(height, lines - 1, axis)
        found.append(np.abs(steps[np.isfinite(steps)]))
    return float(np.median(np.concatenate(found)))


def test_there_is_no_step_where_tiles_meet(tilings) -> None:
    """Not beside half a tile farther on, and not beside the same places inside of one tile."""
    whole, tiled = tilings
    tiles = list(tiled.job.target.tiles())
    seams, inside = jumps(tiled, tiles, 0), jumps(tiled, tiles, 0.5)
    # What is rougher at the seams than half a tile farther on is so in one tile too.
    ground = jumps(whole, tiles, 0) / jumps(whole, tiles, 0.5)
    assert seams < 1.05 * inside * ground
    assert seams < 1.05 * jumps(whole, tiles, 0)


def test_every_executor_makes_equal_bits(steps, relief, tmp_path) -> None:
    pool = partial(ProcessPoolExecutor, 2, get_context("spawn"))
    again = steps.made(relief.stereo, tmp_path, adjustment=Adjust.NONE, executor=pool)
    for name in relief.surface.planes:
        assert relief.plane(name).tobytes() == again.plane(name).tobytes(), name


def test_only_tiles_that_are_not_finished_are_made_again(steps, tmp_path, monkeypatch) -> None:
    stereo = make_stereo("plain", shape=(192, 192), seed=45, disturbances=UNBIASED, samples=1)
    asked: list[Window] = []

    def counting(job: Job, window: Window) -> TileResult:
        asked.append(window)
        return make_tile(job, window)

    monkeypatch.setattr("core.pipelines.dsm_opt.surface.make_tile", counting)
    first = steps.made(stereo, tmp_path, adjustment=Adjust.NONE, tile=100)
    before = {name: first.plane(name).tobytes() for name in first.surface.planes}
    count = len(asked)
    assert count == len(list(first.job.target.tiles())) > 3
    kept = sorted((tmp_path / "job" / "scratch" / "checkpoints").iterdir())
    kept[0].unlink()
    asked.clear()
    again = steps.made(stereo, tmp_path, adjustment=Adjust.NONE, tile=100)
    assert len(asked) == 1
    assert {name: again.plane(name).tobytes() for name in again.surface.planes} == before


@pytest.fixture(scope="module")
def biased() -> Stereo:
    return scene("relief", disturbances=UNBIASED._replace(bias_px=(2.0, 3.0)), seed=46)


@pytest.fixture(scope="module")
def adjusted(steps, biased, tmp_path_factory):
    return steps.made(biased, tmp_path_factory.mktemp("adjusted"), true_model=False)


def test_known_biases_across_the_epipolar_direction_are_found(
    steps, biased, adjusted, tmp_path
) -> None:
    """Without the adjustment lines of sight miss each other; with it the shape is as ever."""
    plain = steps.made(biased, tmp_path, true_model=False, adjustment=Adjust.NONE)
    truth = biased.truth(adjusted.job.target.grid)
    height = adjusted.plane("height")
    known = np.isfinite(height) & truth.measurable()
    error = (height - truth.height)[known]
    # Where the images agree nothing shows that both are shifted, and how far.
    assert nmad(error) < 0.6
    assert adjusted.ready.report is not None
    assert max(abs(pair.after_px) for pair in adjusted.ready.report.pairs) < 0.05
    missed = [float(np.nanmedian(one.plane("intersection"))) for one in (adjusted, plain)]
    assert missed[0] < 0.05
    assert missed[1] > 5 * missed[0]


def test_hidden_cells_are_told(town) -> None:
    truth = town.stereo.truth(town.job.target.grid)
    error = town.error()
    right = np.abs(error[truth.measurable()]) < 1.0
    assert right.mean() > 0.95
    hidden = truth.inside(16.0).all(axis=0) & (truth.visible.sum(axis=0) < 2)
    reasons = town.plane("reasons")
    told = np.uint16(Reason.OCCLUDED | Reason.FORWARD_BACKWARD | Reason.ISOLATED)
    lost = hidden & (reasons != 0)
    assert lost.sum() > 100
    assert ((reasons[lost] & told) != 0).mean() > 0.8


def test_images_too_large_to_be_tied_whole_are_refined_as_well(
    steps, biased, adjusted, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Roughly from reduced images, then from pieces of ground at full resolution."""
    monkeypatch.setattr("core.pipelines.dsm_opt.preparation.TIED_WHOLE_PX", 128)
    monkeypatch.setattr("core.pipelines.dsm_opt.orientation.BLOCK_PX", 160)
    twice = steps.made(biased, tmp_path, true_model=False)
    assert twice.ready.report.points > 30
    assert max(abs(pair.after_px) for pair in twice.ready.report.pairs) < 0.05
    first, second = (one.plane("height") for one in (adjusted, twice))
    truth = biased.truth(twice.job.target.grid)
    known = truth.measurable() & np.isfinite(second)
    assert known.sum() > 0.98 * truth.measurable().sum()
    assert nmad((second - truth.height)[known]) < 0.6
    assert first.shape == second.shape
    assert nmad((first - second)[known & np.isfinite(first)]) < 0.1
