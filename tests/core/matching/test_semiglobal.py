from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from core.matching.arrays import Layer
from core.matching.semiglobal import (
    Aggregation,
    aggregated,
    census,
    consistent,
    cost_volume,
    match,
    winners,
)

OPTIONS = Aggregation(radius=2, step=8, jump=40, least_jump=10, contrast=16.0)


def layer(values: np.ndarray, valid: np.ndarray | None = None) -> Layer:
    weights = np.ones(values.shape) if valid is None else valid
    return Layer(np.ascontiguousarray(values, np.float32), weights.astype(np.float32))


def texture(shape: tuple[int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    return 100 * ndimage.gaussian_filter(noise, 1.2)


def pair(disparity: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A right image, and the left one that sees it shifted."""
    right = texture(disparity.shape, seed)
    rows, cols = np.indices(disparity.shape)
    left = ndimage.map_coordinates(right, [rows, cols + disparity], order=3, mode="mirror")
    return left, right


def slow_census(image: Layer, radius: int) -> np.ndarray:
    """The signature spelt out: one Boolean per neighbour, row by row."""
    height, width = image.values.shape
    offsets = [p for p in product(range(-radius, radius + 1), repeat=2) if p != (0, 0)]
    bits = np.zeros((height, width, len(offsets)), bool)
    for i, j in np.ndindex(height, width):
        for number, (down, right) in enumerate(offsets):
            k, m = i + down, j + right
            if 0 <= k < height and 0 <= m < width and image.weights[k, m]:
                bits[i, j, number] = image.values[k, m] < image.values[i, j]
    return bits


def slow_costs(left: Layer, right: Layer, first: int, count: int, radius: int) -> np.ndarray:
    a, b = slow_census(left, radius), slow_census(right, radius)
    costs = np.full((*left.values.shape, count), a.shape[2] // 2)
    for i, j, k in np.ndindex(costs.shape):
        partner = j + first + k
        inside = 0 <= partner < left.values.shape[1]
        if inside and left.weights[i, j] and right.weights[i, partner]:
            costs[i, j, k] = (a[i, j] != b[i, partner]).sum()
    return costs


def slow_aggregation(costs: np.ndarray, image: np.ndarray, options: Aggregation) -> np.ndarray:
    """Hirschmüller's recursion as it is printed, path by path."""
    height, width, count = costs.shape
    totals = np.zeros(costs.shape)
    for down, right in product((-1, 0, 1), repeat=2):
        if down == right == 0:
            continue
        paths = np.zeros(costs.shape)
        rows = range(height) if down >= 0 else range(height - 1, -1, -1)
        cols = range(width) if right >= 0 else range(width - 1, -1, -1)
        for i, j in product(rows, cols):
            k, m = i - down, j - right
            if not (0 <= k < height and 0 <= m < width):
                paths[i, j] = costs[i, j]
                continue
            before = paths[k, m]
            difference = abs(image[i, j] - image[k, m])
            jump = int(max(options.jump / (1 + difference / options.contrast), options.least_jump))
            for d in range(count):
                ways = [before[d], before.min() + jump]
                ways += [before[d - 1] + options.step] if d > 0 else []
                ways += [before[d + 1] + options.step] if d < count - 1 else []
                paths[i, j, d] = costs[i, j, d] + min(ways) - before.min()
        totals += paths
    return totals


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_costs_are_those_of_signatures_spelt_out(radius: int) -> None:
    rng = np.random.default_rng(radius)
    images = [
        layer(rng.integers(0, 9, (9, 14)).astype(float), rng.random((9, 14)) > 0.15)
        for _ in range(2)
    ]
    found = cost_volume(*images, -3, 8, radius)
    assert (found == slow_costs(*images, -3, 8, radius)).all()
    ones = [[int(bits).bit_count() for bits in row] for row in census(images[0], radius)]
    assert (np.array(ones) == slow_census(images[0], radius).sum(axis=2)).all()


def test_aggregation_is_the_printed_recursion() -> None:
    rng = np.random.default_rng(5)
    costs = rng.integers(0, 25, (11, 13, 7)).astype(np.uint8)
    image = rng.integers(0, 60, (11, 13)).astype(np.float32)
    assert (aggregated(costs, image, OPTIONS) == slow_aggregation(costs, image, OPTIONS)).all()


def test_the_largest_penalties_do_not_overflow() -> None:
    rng = np.random.default_rng(6)
    costs = rng.choice([0, 48], (12, 12, 9)).astype(np.uint8)
    options = Aggregation(3, 2000, 2000, 2000)
    image = np.zeros((12, 12), np.float32)
    assert (aggregated(costs, image, options) == slow_aggregation(costs, image, options)).all()


def test_both_winners_are_the_least_totals_along_their_lines() -> None:
    rng = np.random.default_rng(7)
    totals = rng.permutation(10 * 12 * 6).reshape(10, 12, 6).astype(np.int16)
    weights = np.ones((10, 12), np.float32)
    found = winners(totals, weights, weights, -2)
    for i, j in np.ndindex(10, 12):
        best = int(totals[i, j].argmin())
        partner = j - 2 + best
        if best in (0, 5) or not 0 <= partner < 12:
            assert np.isnan(found.left[i, j])
            continue
        before, least, after = (float(totals[i, j, best + step]) for step in (-1, 0, 1))
        shift = (before - after) / (2 * (max(before, after) - least))
        assert found.left[i, j] == pytest.approx(best - 2 + shift, abs=1e-5)
        rest = min(int(totals[i, j, k]) for k in range(6) if abs(k - best) > 1)
        assert found.margin[i, j] == (rest - least) / 8
    for i, partner in np.ndindex(10, 12):
        line = {k: totals[i, partner + 2 - k, k] for k in range(6) if 0 <= partner + 2 - k < 12}
        best = min(line, key=line.__getitem__)
        if 0 < best < 5:
            assert found.right[i, partner] == best - 2
        else:
            assert np.isnan(found.right[i, partner])


def test_a_shift_is_found_to_a_fraction_of_a_pixel() -> None:
    """Sums of whole bits are drawn to whole disparities; the fraction is a start, not a result."""
    left, right = pair(np.full((60, 120), 3.25))
    found = match(layer(left), layer(right), -8, 24, OPTIONS)
    inner = found.left[8:-8, 8:-16]
    assert np.isfinite(inner).all()
    assert np.abs(np.median(inner) - 3.25) < 0.2
    assert np.abs(inner - 3.25).max() < 0.75


def test_gain_and_offset_do_not_matter() -> None:
    left, right = pair(np.full((50, 90), -2.0), 3)
    costs = [
        cost_volume(layer(image), layer(right), -6, 12, 2) for image in (left, 0.5 * left + 300)
    ]
    assert (costs[0] == costs[1]).all()


def test_a_block_keeps_its_edges_and_what_it_hides_fails_the_check() -> None:
    """A roof of 6 px parallax: matched up to a pixel from its edges; the strip behind it is not."""
    truth = np.zeros((90, 140))
    truth[30:60, 50:90] = 6
    rows, cols = np.indices(truth.shape)
    right = texture(truth.shape, 4)
    roof = texture(truth.shape, 5) + 250
    right[30:60, 56:96] = roof[30:60, 50:90]
    left = np.where(truth > 0, roof, right)
    # Left of the roof the right image sees what the roof hides in the left one; right of it the
    # left image sees six columns that the roof hides in the right one.
    left[30:60, 90:96] = texture((30, 6), 6)
    found = match(layer(left), layer(right), -4, 16, OPTIONS)
    kept = consistent(found.left, found.right)
    hidden = np.zeros_like(kept)
    hidden[30:60, 90:96] = True
    inside = (rows > 5) & (rows < 84) & (cols > 5) & (cols < 125)
    wrong = kept & inside & ~hidden & (np.abs(found.left - truth) > 0.6)
    near = ndimage.grey_dilation(truth, (5, 5)) != ndimage.grey_erosion(truth, (5, 5))
    assert not (wrong & ~near).any()
    assert wrong.sum() < 40
    assert kept[inside & ~hidden & ~near].mean() > 0.995
    assert kept[hidden].mean() < 0.25


def test_the_edge_of_an_image_lowers_the_penalty_of_a_jump_there() -> None:
    """Costs say nothing at column 10; the jump is put where the image has its edge."""
    costs = np.full((1, 20, 9), 12, np.uint8)
    costs[0, :8, 2], costs[0, 13:, 6] = 0, 0
    for edge in (9, 10, 12):
        image = np.zeros((1, 20), np.float32)
        image[:, edge:] = 500
        best = aggregated(costs, image, OPTIONS).argmin(axis=2)
        assert (best[0, :edge] == 2).all()
        assert (best[0, edge:] == 6).all()


def test_nothing_is_found_at_the_ends_of_the_range_nor_without_data() -> None:
    left, right = pair(np.full((40, 80), 5.0), 8)
    valid = np.ones(left.shape, bool)
    valid[10:20, 30:40] = False
    beyond = match(layer(left), layer(right), -4, 10, OPTIONS)
    assert np.isnan(beyond.left[:, 5:-10]).mean() > 0.99
    gap_left = match(layer(left, valid), layer(right), -4, 16, OPTIONS)
    assert np.isnan(gap_left.left[10:20, 30:40]).all()
    assert (np.abs(gap_left.left[10:20, 41:44] - 5) < 0.6).all()
    gap_right = match(layer(left), layer(right, valid), -4, 16, OPTIONS)
    kept = consistent(gap_right.left, gap_right.right)
    assert np.isnan(gap_right.right[10:20, 30:40]).all()
    assert not kept[10:20, 26:34].any()


def test_the_margin_is_small_where_the_texture_repeats() -> None:
    """Roofs of a terrace, 7 px each: another roof fits as well, but for the noise."""
    left, right = pair(np.full((60, 150), 1.0), 12)
    roof = texture((60, 7), 13)
    repeated = slice(50, 106)
    for image, at in ((left, repeated), (right, slice(51, 107))):
        image[:, at] = np.tile(roof, 8)
    rng = np.random.default_rng(12)
    noisy = [layer(image + rng.normal(0, 1.5, image.shape)) for image in (left, right)]
    found = match(*noisy, -10, 21, OPTIONS)
    inside, beside = found.margin[10:-10, 65:92], found.margin[10:-10, 15:40]
    assert np.median(beside) > 4
    assert np.median(inside) < 0.5 * np.median(beside)
    limit = np.median(beside) / 2
    assert (inside < limit).mean() > 0.9
    assert (beside < limit).mean() < 0.05


def test_the_check_takes_the_partner_that_points_back() -> None:
    left = np.array([[1.0, 2.4, np.nan, 0.6, 5.0]], np.float32)
    right = np.array([[0.0, 1.0, 9.0, 2.0, 1.0]], np.float32)
    assert consistent(left, right).tolist() == [[True, True, False, True, False]]
    assert consistent(left, right, 0.3).tolist() == [[True, False, False, False, False]]


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (2, OPTIONS),
        (8, OPTIONS._replace(radius=4)),
        (8, OPTIONS._replace(jump=3000)),
        (8, OPTIONS._replace(step=20)),
    ],
)
def test_what_cannot_be_summed_is_refused(count: int, options: Aggregation) -> None:
    image = layer(texture((10, 10), 9))
    with pytest.raises(ValueError, match=r"disparities|radius|penalties"):
        match(image, image, -1, count, options)
    with pytest.raises(ValueError, match="no pair"):
        match(image, layer(texture((10, 11), 9)), -1, 8, OPTIONS)
