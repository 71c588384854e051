"""Masks of a simulated event as they should be: what is told of its slides, and which are split."""

import numpy as np
import pytest

from core.change import flow
from core.change.inventory.landslides import landslides
from core.change.inventory.measures import Fields
from core.change.inventory.objects import objects
from core.change.inventory.runs import joined, runs_of
from core.change.inventory.splitting import Splitting
from core.simulate.landslides import event
from core.tiling import tiles

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found():
    """The event, the landslides of its labels, and the number of the object of each pixel."""
    truth = event(105, 1000, pairs=40)
    mask = truth.truth.labels
    runs = joined(runs_of(mask[t.core.slices], t.core) for t in tiles(mask.shape, 256))
    groups = objects(runs, mask.shape)
    cells = flow.accumulation(flow.directions(flow.filled(truth.dem)))
    layers = {
        "known": np.ones(mask.shape, bool),
        "hidden": np.zeros(mask.shape, bool),
        "height": truth.dem,
        "channel": flow.channels(cells, 10.0, 4e4),
    }
    fills = {"known": False, "hidden": False, "channel": False}
    wide = {k: np.pad(v, 1, constant_values=fills.get(k, np.nan)) for k, v in layers.items()}

    def read(window):
        return Fields(**{k: v[window.shift(1, 1).slices] for k, v in wide.items()})

    listed = list(landslides(groups, read, 10.0, least_px=4, rule=Splitting()))
    numbers = np.zeros((2, *mask.shape), int)
    for one in listed:
        numbers[0][one.window.slices][one.inside] = one.id
    for number, (window, inside) in enumerate(groups, 1):
        numbers[1][window.slices][inside] = number
    return truth.truth, listed, numbers


def matched(found):
    """For each true slide the landslide that has most of it, and how well they agree."""
    truth, _, (mine, _) = found
    ids = np.where(truth.labels, truth.ids, 0)
    result = {}
    for slide in truth.slides:
        here = ids == slide.id
        if here.any():
            number = np.bincount(mine[here]).argmax()
            common = np.count_nonzero(mine[here] == number)
            either = here.sum() + np.count_nonzero(mine == number) - common
            result[slide.id] = (number, common / either)
    return result


def test_pairs_that_meet_in_a_channel_are_split_and_single_slides_are_whole(found):
    truth, _, (mine, groups) = found
    best = matched(found)
    ids = np.where(truth.labels, truth.ids, 0)
    touching = [
        (a, b) for a, b in truth.pairs()
        if a in best and b in best
        and set(groups[ids == a]) & set(groups[ids == b])
    ]  # fmt: skip
    assert len(touching) >= 25
    apart = [best[a][0] != best[b][0] and min(best[a][1], best[b][1]) >= 0.3 for a, b in touching]
    assert np.mean(apart) >= 0.8
    cut = []
    for number in range(1, groups.max() + 1):
        here = groups == number
        if here.sum() >= 8 and len(np.unique(ids[here])) == 1:
            cut.append(len(np.unique(mine[here])) > 1)
    assert len(cut) > 100
    assert np.mean(cut) <= 0.1


def test_four_of_five_slides_have_their_length_drop_and_reach_angle(found):
    truth, listed, _ = found
    lengths, drops, reaches = [], [], []
    best = matched(found)
    for slide in truth.slides:
        number, agreement = best.get(slide.id, (0, 0.0))
        if agreement < 0.3:
            continue
        told = listed[number - 1].measures
        lengths.append(abs(told.length_m - slide.length_m) <= max(20, 0.15 * slide.length_m))
        per_px = 10 * slide.drop_m / slide.length_m
        drops.append(abs(told.drop_m - slide.drop_m) <= max(2 * per_px, 0.15 * slide.drop_m))
        reaches.append(abs(told.reach_deg - slide.reach_deg) <= 0.15 * slide.reach_deg)
    assert len(lengths) >= 0.95 * len(truth.slides)
    for held in (lengths, drops, reaches):
        assert np.mean(held) >= 0.8
