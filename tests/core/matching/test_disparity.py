import numpy as np
import pytest
from scipy import ndimage, optimize

from core.matching import disparity as module
from core.matching import steps
from core.matching.arrays import Layer
from core.matching.disparity import finished, radiometry, refined
from core.matching.radiometry import Radiometry
from core.matching.surfaces import LIKENESS, hidden, sharpened

INNER = (slice(10, -10), slice(14, -14))


def layer(values: np.ndarray) -> Layer:
    return Layer(np.ascontiguousarray(values, np.float32), np.ones(values.shape, np.float32))


def texture(shape: tuple[int, int], seed: int, mean: float = 500.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    return mean + 300 * ndimage.gaussian_filter(noise, 1.3)


def seen_shifted(right: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """The left image whose pixels lie in the right one at their disparities."""
    rows, cols = np.indices(right.shape)
    return ndimage.map_coordinates(right, [rows, cols + disparity], order=5, mode="mirror")


def rounded(disparity: np.ndarray) -> np.ndarray:
    """What semi-global matching leaves of it."""
    return np.rint(disparity).astype(np.float32)


def misses(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.abs(found - truth)[INNER]


def surface(shape: tuple[int, int] = (90, 120)) -> np.ndarray:
    row, col = np.indices(shape)
    return 2 + 1.5 * np.sin(col / 17) + 0.03 * row


def test_whole_disparities_become_exact_on_a_curved_surface() -> None:
    truth = surface()
    right = texture(truth.shape, 1)
    found = refined(layer(seen_shifted(right, truth)), layer(right), rounded(truth))
    assert np.sqrt(np.mean(misses(found.disparity, truth) ** 2)) < 0.03
    assert np.median(found.score[INNER]) > 0.995


def test_fractions_are_not_drawn_to_whole_numbers() -> None:
    for fraction in (0.0, 0.25, 0.4, -0.3):
        truth = np.full((60, 90), 1 + fraction)
        right = texture(truth.shape, 2)
        found = refined(layer(seen_shifted(right, truth)), layer(right), rounded(truth))
        assert np.abs(np.median(found.disparity[INNER]) - 1 - fraction) < 0.01


def test_gain_and_offset_between_the_images_do_not_matter() -> None:
    truth = surface()
    right = texture(truth.shape, 3)
    left = seen_shifted(right, truth)
    plain = refined(layer(left), layer(right), rounded(truth)).disparity
    changed = refined(layer(0.8 * left + 120), layer(right), rounded(truth)).disparity
    assert np.median(np.abs(plain - changed)[INNER]) < 0.002


def test_radiometry_is_found_among_outliers() -> None:
    truth = surface()
    right = texture(truth.shape, 4)
    rng = np.random.default_rng(4)
    left = 1.2 * seen_shifted(right, truth) - 70 + rng.normal(0, 5, right.shape)
    left[20:40, 30:60] += 900
    found = radiometry(layer(left), layer(right), truth.astype(np.float32))
    assert found.gain == pytest.approx(1.2, abs=0.02)
    assert found.offset == pytest.approx(-70, abs=10)
    assert found.noise == pytest.approx(5, rel=0.15)
    nothing = np.full(right.shape, np.nan, np.float32)
    assert radiometry(layer(left), layer(right), nothing)[:2] == (1, 0)


def test_sigma_is_the_deviation_of_the_error_under_noise() -> None:
    truth = np.full((200, 240), 0.3)
    right = texture(truth.shape, 5, 0)
    right[:, 120:] *= 0.4
    left = seen_shifted(right, truth)
    rng = np.random.default_rng(5)
    noisy = [layer(image + rng.normal(0, 8, image.shape)) for image in (left, right)]
    start = truth + rng.normal(0, 0.15, truth.shape)
    found = refined(*noisy, start.astype(np.float32))
    errors = []
    for half in (slice(14, 110), slice(130, 226)):
        error = np.sqrt(np.mean((found.disparity - truth)[10:-10, half] ** 2))
        assert 0.6 < np.median(found.sigma[10:-10, half]) / error < 1.3
        errors.append(error)
    assert errors[1] > 1.3 * errors[0]


def test_what_has_a_disparity_has_a_sigma_and_a_score_and_a_plain_field_has_none() -> None:
    truth = surface()
    right = texture(truth.shape, 13)
    left = seen_shifted(right, truth)
    left[30:50, 40:60], right[30:50, 38:70] = 900, 900
    start = rounded(truth)
    # A pixel by itself.
    start[70, 20] += 2
    found = refined(layer(left), layer(right), start)
    known = np.isfinite(found.disparity)
    assert known[INNER].mean() > 0.9
    assert (np.isfinite(found.sigma) == known).all()
    assert (np.isfinite(found.score) == known).all()
    assert not known[36:44, 46:54].any()
    assert not known[70, 20]


def slow_step(
    left: np.ndarray, right: np.ndarray, start: np.ndarray, place: tuple[int, int], window: int
) -> float:
    """One window's shift, by a general solver: offset and shift free, the kernel's gain.

    The plane is fitted by weighted least squares with NumPy; values come from the same splines,
    evaluated by SciPy.
    """
    i, j = place
    lines = ndimage.spline_filter1d(right.astype(float), 3, axis=1, mode="mirror")

    def seen(k: int, at: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(lines[k], at[None], order=3, prefilter=False, mode="mirror")

    gain_of_all, offset_of_all, noise = radiometry(layer(left), layer(right), start)

    def trust(k: int, m: int) -> float:
        value = float(seen(k, np.array([m + start[k, m]]))[0])
        miss = left[k, m] - gain_of_all * value - offset_of_all
        return float(max(1 / (1 + (miss / (module.OUTLIER * noise)) ** 2) ** 2, 1e-3))

    def plane(i: int, j: int) -> float:
        reach, rows = module.PLANE_RADIUS, []
        for k in range(i - reach, i + reach + 1):
            for m in range(j - reach, j + reach + 1):
                fall = 0.4 * ((k - i) ** 2 + (m - j) ** 2) / reach**2
                alike = 1 + abs(left[k, m] - left[i, j]) / (module.PLANE_LIKENESS * noise)
                if abs(start[k, m] - start[i, j]) <= steps.STEP:
                    above = start[k, m] - start[i, j]
                    rows.append(((1 - fall) * trust(k, m) / alike, k - i, m - j, above))
        weight, y, x, above = np.array(rows).T
        share = weight / weight.sum()
        design = np.stack([y - share @ y, x - share @ x], axis=1)
        normal = design.T @ (share[:, None] * design) + 0.05 * np.eye(2)
        slope = np.linalg.solve(normal, design.T @ (share * (above - share @ above)))
        return float(start[i, j] + share @ above - slope @ [share @ y, share @ x])

    radius, width, rows = window + 1, 0.75 * window, []
    own = plane(i, j)
    for k in range(i - radius, i + radius + 1):
        for m in range(j - radius, j + radius + 1):
            level = plane(k, m)
            if abs(level - own) > steps.STEP:
                continue
            weight = np.exp(-((k - i) ** 2 + (m - j) ** 2) / (2 * width**2))
            weight /= 1 + abs(left[k, m] - left[i, j]) / (LIKENESS * noise)
            weight *= trust(k, m)
            low, value, high = seen(k, np.array([-1e-4, 0, 1e-4]) + m + start[k, m])
            slope = (high - low) / 2e-4
            rows.append((weight, left[k, m], value, slope, level - start[k, m]))
    weight, a, b, g, q = np.array(rows).T
    share = weight / weight.sum()
    gain = np.sqrt((share @ (a - share @ a) ** 2) / (share @ (b - share @ b) ** 2))
    gain = np.clip(gain, 1 / steps.GAIN_RANGE, steps.GAIN_RANGE)
    prior = 2 * (noise / module.ROUGHNESS) ** 2 / (2 * np.pi * 1.5**2)

    def cost(unknown: np.ndarray) -> float:
        offset, shift = unknown
        miss = a - gain * (b + g * (q + shift)) - offset
        return float(share @ miss**2 + prior * shift**2)

    found = optimize.minimize(cost, [0.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    return float(start[i, j] + np.clip(own + found[1] - start[i, j], -0.5, 0.5))


@pytest.mark.parametrize("window", [1, 2, 4])
def test_a_step_is_that_of_a_general_solver(window: int) -> None:
    truth = surface((40, 44))
    truth[:, 25:] += 2
    right = texture(truth.shape, 6)
    rng = np.random.default_rng(6)
    left = seen_shifted(right, truth) + rng.normal(0, 6, truth.shape)
    start = (truth + rng.normal(0, 0.15, truth.shape)).astype(np.float32)
    found = refined(layer(left), layer(right), start, window, steps=1).disparity
    single = layer(left).values.astype(float)
    for place in ((15, 15), (20, 23), (21, 25), (22, 26), (12, 31)):
        expected = slow_step(single, right.astype(np.float32), start, place, window)
        assert found[place] == pytest.approx(expected, abs=2e-3)


def test_larger_windows_are_steadier_and_blur() -> None:
    rows, cols = np.indices((120, 150))
    tops = (40, 75, 110)
    bumps = sum(0.4 * np.exp(-((rows - 60) ** 2 + (cols - at) ** 2) / 18) for at in tops)
    truth = 1 + bumps
    right = texture(truth.shape, 8)
    left = seen_shifted(right, truth)
    rng = np.random.default_rng(8)
    noisy = [layer(image + rng.normal(0, 6, image.shape)) for image in (left, right)]
    flat = (bumps < 0.01)[INNER]
    noise, height = [], []
    for window in (1, 2, 3, 5, 7):
        found = finished(*noisy, rounded(truth), window).disparity
        noise.append(float(np.std((found - truth)[INNER][flat])))
        height.append(float(np.mean([found[58:63, at - 2 : at + 3] - 1 for at in tops])))
    assert np.all(np.array(noise[1:]) < 0.85 * np.array(noise[:-1]))
    assert np.all(np.diff(height[1:]) < -0.01)
    assert height[-1] < 0.7 * height[1]


def test_the_default_is_a_half_side_of_two_pixels() -> None:
    truth = surface()
    right = texture(truth.shape, 9)
    images = layer(seen_shifted(right, truth)), layer(right)
    plain = finished(*images, rounded(truth)).disparity
    same = finished(*images, rounded(truth), 2).disparity
    assert np.array_equal(plain, same, equal_nan=True)
    other = finished(*images, rounded(truth), 3).disparity
    assert np.mean(plain != other) > 0.9


@pytest.mark.parametrize("window", [0, 8])
def test_windows_outside_the_range_are_refused(window: int) -> None:
    image = layer(texture((20, 20), 10))
    with pytest.raises(ValueError, match="window"):
        finished(image, image, np.zeros((20, 20), np.float32), window)


def test_what_one_image_alone_shows_hardly_moves_what_is_beside_it() -> None:
    """A bright object that had not come yet when the left image was taken."""
    truth = np.full((60, 90), 0.3)
    right = texture(truth.shape, 12)
    rng = np.random.default_rng(12)
    left, right = (
        image + rng.normal(0, 8, right.shape) for image in (seen_shifted(right, truth), right)
    )
    stranger = np.zeros(truth.shape)
    stranger[:, 44:46] = 400
    right += ndimage.gaussian_filter(stranger, (0, 0.7))
    start = (truth + rng.normal(0, 0.1, truth.shape)).astype(np.float32)
    found = refined(layer(left), layer(right), start).disparity
    assert misses(found, truth)[:, 26:36].mean() < 0.15


def block(seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A bright roof of 5 px parallax over dark ground: left, right, truth, what is hidden."""
    truth = np.zeros((80, 120))
    truth[25:55, 40:80] = 5
    right = texture(truth.shape, seed, 400)
    roof = texture(truth.shape, seed + 1, 1500)
    right[25:55, 45:85] = roof[25:55, 40:80]
    left = right.copy()
    left[25:55, 40:45] = texture((30, 5), seed + 2, 400)
    left[25:55, 40:80] = roof[25:55, 40:80]
    hidden_cells = np.zeros(truth.shape, bool)
    hidden_cells[25:55, 80:85] = True
    left[hidden_cells] = texture((30, 5), seed + 3, 400).ravel()
    return left, right, truth, hidden_cells


def test_ground_that_took_the_roofs_disparity_gets_its_own_back() -> None:
    left, right, truth, unseen = block()
    fat = ndimage.grey_dilation(truth, (5, 5)).astype(np.float32)
    wrong = (fat != truth) & ~unseen
    between = Radiometry(1.0, 0.0, 10.0)
    found = sharpened(layer(left), layer(right), fat, between)
    right_now = np.abs(found - truth) < 0.1
    assert right_now[wrong].mean() > 0.97
    assert right_now[~wrong & ~unseen].all()


def test_pixels_without_a_match_get_one_of_a_surface_beside_them_or_none() -> None:
    left, right, truth, unseen = block()
    gaps = truth.astype(np.float32)
    gaps[10:13, 20:30] = np.nan
    gaps[40, 60] = np.nan
    gaps[unseen] = np.nan
    found = finished(layer(left), layer(right), gaps).disparity
    assert np.abs(found[10:13, 20:30]).max() < 0.1
    assert found[40, 60] == pytest.approx(5, abs=0.1)
    # What one image alone sees fits to nothing.
    assert np.isnan(found[unseen]).mean() > 0.8
    assert np.isfinite(found[~unseen]).all()


def test_ground_that_is_mixed_with_a_roofs_edge_gets_the_grounds_disparity() -> None:
    """The sensor has blurred the edge over ground just beyond the strip that the roof hides."""
    left, right, truth, _ = block(14)
    right[25:55, 85:87] = 0.05 * 1500 + 0.95 * right[25:55, 85:87]
    start = truth.astype(np.float32)
    # The roof's disparity is often kept in what it hides.
    start[25:55, 80:85] = 5
    start[25:55, 85:87] = np.nan
    found = sharpened(layer(left), layer(right), start, Radiometry(1.0, 0.0, 20.0))
    assert (np.abs(found[28:52, 86]) < 0.1).mean() > 0.9


def test_a_pixel_on_the_roofs_edge_in_the_other_image_only_is_ground() -> None:
    """It fits to the ground a little better than to the roof, not by as much as others must."""
    left, right, truth, _ = block(14)
    right[25:55, 85:87] = 0.06 * 1500 + 0.94 * right[25:55, 85:87]
    start = truth.astype(np.float32)
    start[25:55, 80:87] = 5
    found = sharpened(layer(left), layer(right), start, Radiometry(1.0, 0.0, 20.0))
    assert (np.abs(found[28:52, 86]) < 0.1).mean() > 0.8


def test_what_fits_to_the_only_surface_around_it_no_better_gets_none() -> None:
    left, right, _, _ = block(14)
    right[65:71, 20:26] += 40
    start = np.zeros(left.shape, np.float32)
    start[65:71, 20:26] = np.nan
    found = sharpened(layer(left), layer(right), start, Radiometry(1.0, 0.0, 20.0))
    assert np.isnan(found[67:69, 22:24]).all()


def test_edges_stay_where_they_are() -> None:
    left, right, truth, unseen = block(11)
    rng = np.random.default_rng(11)
    noisy = [layer(image + rng.normal(0, 8, image.shape)) for image in (left, right)]
    start = truth.astype(np.float32)
    start[unseen] = np.nan
    found = finished(*noisy, start).disparity
    known = np.isfinite(found) & ~unseen
    assert known[~unseen].mean() > 0.995
    assert (np.abs(found - truth)[known] < 0.5).mean() > 0.995


def test_the_lower_of_two_pixels_with_one_partner_is_hidden() -> None:
    disparity = np.array([[5.0, 5.0, 3.0, 2.0, 3.6, 0.0, 5.5, np.nan]], np.float32)
    # Partners: 5, 6, 5, 5, 8, 5, beyond.
    assert hidden(disparity).tolist() == [[False, False, True, True, False, True, False, False]]
