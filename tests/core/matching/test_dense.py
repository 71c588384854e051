import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from core.matching.arrays import Layer
from core.matching.dense import Match, match
from core.matching.options import Matching, alignment, halo
from core.reasons import Reason
from core.tiling import Window

SHAPE = (160, 176)


def scene(seed: int = 1, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    return (1000 + 300 * ndimage.gaussian_filter(noise, 1.2) / 0.23).astype(np.float32)


def layer(values: np.ndarray, valid: np.ndarray | None = None) -> Layer:
    weights = np.ones(values.shape, np.float32) if valid is None else valid.astype(np.float32)
    return Layer(np.where(weights > 0, values, 0).astype(np.float32), weights)


def moved(values: np.ndarray, rows: object, cols: object) -> np.ndarray:
    """The reference whose ground moves by (rows, cols) until it looks like `values`."""
    row, col = np.mgrid[: values.shape[0], : values.shape[1]].astype(float)
    return ndimage.map_coordinates(values.astype(float), [row + rows, col + cols], order=5).astype(
        np.float32
    )


def whole(reference: np.ndarray, secondary: np.ndarray, **options: object) -> Match:
    window = Window(0, 0, *reference.shape)
    return match(layer(reference), layer(secondary), window, Matching(**options))  # type: ignore[arg-type]


@settings(max_examples=8, deadline=None)
@given(st.floats(-4.5, 4.5), st.floats(-4.5, 4.5))
def test_a_shift_is_found_with_its_sign_at_every_fraction_of_a_pixel(
    rows: float, cols: float
) -> None:
    after = scene()
    found = whole(moved(after, rows, cols), after)
    inner = (slice(20, -20), slice(20, -20))
    assert np.nanmedian(found.field.rows[inner]) == pytest.approx(rows, abs=0.01)
    assert np.nanmedian(found.field.cols[inner]) == pytest.approx(cols, abs=0.01)
    assert np.nanstd(found.field.rows[inner] - rows) < 0.02
    assert (found.reasons[inner] == 0).all()


def test_gain_and_offset_do_not_matter() -> None:
    after = scene()
    before = moved(after, 0.3, -0.7)
    plain = whole(before, after)
    changed = whole(before, 0.6 * after + 250)
    assert np.nanmax(np.abs(plain.field.cols - changed.field.cols)) < 2e-3


def test_identical_images_have_not_moved() -> None:
    found = whole(scene(), scene())
    assert np.abs(found.field.rows).max() < 1e-5
    assert np.abs(found.difference.rows).max() < 1e-5
    assert found.score.min() > 0.9999
    assert (found.reasons == 0).all()


def test_exchanging_the_images_changes_the_sign() -> None:
    after = scene()
    before = moved(after, 0.4, 1.3)
    there, back = whole(before, after), whole(after, before)
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs((there.field.cols + back.field.cols)[inner]).max() < 0.05


def test_a_gradient_of_displacement_is_not_biased_by_the_window() -> None:
    after = scene(3)
    slope = 0.02 * (np.arange(SHAPE[1]) - SHAPE[1] / 2)[None, :] * np.ones(SHAPE)
    found = whole(moved(after, 0 * slope, slope), after, window=31, regularisation=0.0)
    error = (found.field.cols - slope)[24:-24, 24:-24]
    assert np.sqrt(np.mean(error**2)) < 0.02


def test_a_tile_with_its_halo_equals_the_same_part_of_the_whole() -> None:
    shape = (640, 704)
    after = scene(5, shape)
    row, col = np.mgrid[: shape[0], : shape[1]]
    before = moved(after, 1.5 * np.sin(col / 70), 1.2 * np.cos(row / 50))
    options = Matching(window=9)
    full = match(layer(before), layer(after), Window(0, 0, *shape), options)
    core = Window(256, 320, 128, 128)
    padded = core.pad(halo(options)) & Window(0, 0, *shape)
    assert padded.row % alignment(options) == 0
    part = match(
        *(layer(image[padded.slices]) for image in (before, after)), core.inside(padded), options
    )
    for name in ("rows", "cols"):
        difference = getattr(full.field, name)[core.slices] - getattr(part.field, name)
        assert np.abs(difference).max() < 0.005
    assert np.abs(full.score[core.slices] - part.score).max() < 0.005


def test_pixels_without_data_are_told_apart_and_do_not_disturb_their_neighbours() -> None:
    after = scene(7)
    before = moved(after, 0.5, 0.25)
    gap_before, gap_after = np.ones(SHAPE, bool), np.ones(SHAPE, bool)
    gap_before[40:60, 40:60] = False
    gap_after[100:130, 100:130] = False
    window = Window(0, 0, *SHAPE)
    found = match(layer(before, gap_before), layer(after, gap_after), window, Matching())
    assert (found.reasons[45:55, 45:55] == Reason.NODATA_REFERENCE).all()
    assert (found.reasons[105:125, 105:125] == Reason.NODATA_SECONDARY).all()
    assert np.isnan(found.field.rows[50, 50])
    known = found.reasons == 0
    known[:20], known[-20:], known[:, :20], known[:, -20:] = False, False, False, False
    assert np.abs(found.field.rows[known] - 0.5).max() < 0.15
    # Beside a gap, four pixels away, it is still measured.
    assert known[50, 64]


def test_flat_ground_has_no_texture() -> None:
    after = scene(9)
    after[60:110, 60:110] = 1000
    found = whole(moved(after, 0, 0), after)
    assert (found.reasons[80:90, 80:90] & Reason.NO_TEXTURE).all()


def test_images_of_different_ground_score_low_and_do_not_agree_both_ways() -> None:
    found = whole(scene(11), scene(12))
    doubtful = ~(found.score > 0.4) | ~(np.hypot(*found.difference) < 0.5)
    assert doubtful.mean() > 0.97


def test_sigma_is_the_size_of_the_error() -> None:
    rng = np.random.default_rng(4)
    after = scene(13, (300, 300))
    before = moved(after, 0.35, -0.45) + rng.normal(0, 60, after.shape)
    found = whole(
        before.astype(np.float32), (after + rng.normal(0, 60, after.shape)).astype(np.float32)
    )
    inner = (slice(20, -20), slice(20, -20))
    ratio = (found.field.rows - 0.35)[inner] / found.sigma.rows[inner]
    assert 0.5 < np.sqrt(np.mean(ratio**2)) < 1.5


def test_images_smaller_than_the_pyramid_are_matched_too() -> None:
    after = scene(15, (24, 20))
    found = whole(moved(after, 0, 0.5), after, window=9, search_px=2)
    assert np.nanmedian(found.field.cols) == pytest.approx(0.5, abs=0.05)
