import numpy as np

from core.matching.arrays import Layer
from core.matching.pyramid import pyramid
from core.matching.resampling import resampler


def image(shape: tuple[int, int] = (64, 80)) -> Layer:
    row, col = np.indices(shape)
    values = 300 + 2 * row - 3 * col + 40 * np.sin(row / 4) * np.cos(col / 5)
    return Layer(values.astype(np.float32), np.ones(shape, np.float32))


def turned() -> tuple[np.ndarray, np.ndarray]:
    """A lattice of another shape, turned by 30 degrees, inside the image."""
    i, j = np.indices((20, 30))
    return 20.3 + 0.5 * j + 0.866 * i, 25.7 + 0.866 * j - 0.5 * i


def test_values_between_pixels_are_those_of_the_scene() -> None:
    row, col = turned()
    found = resampler(image()).at(row, col)
    expected = 300 + 2 * row - 3 * col + 40 * np.sin(row / 4) * np.cos(col / 5)
    assert found.weights.all()
    assert np.abs(found.values - expected).max() < 0.01


def test_halved_images_are_asked_in_pixels_of_the_whole() -> None:
    """A ramp stays the same ramp at every level: half a pixel of slip would add 2.5 DN."""
    row, col = np.indices((256, 256))
    ramp = Layer((2.0 * row - 3.0 * col).astype(np.float32), np.ones(row.shape, np.float32))
    rows, cols = 110.25 + row[:30, :40], 108.5 + col[:30, :40] * 1.0
    for level, part in enumerate(pyramid(ramp, 3)):
        found = resampler(part, level).at(rows, cols)
        assert np.abs(found.values - (2 * rows - 3 * cols)).max() < 0.02


def test_there_is_nothing_outside_nor_beside_gaps() -> None:
    scene = image()
    scene.weights[30:34, 40:44] = 0
    row, col = np.indices((64, 80)) + 0.5
    row[5, 5] = np.nan
    found = resampler(scene).at(row, col)
    expected = np.ones(row.shape, bool)
    expected[29:34, 39:44] = False
    expected[5, 5], expected[-1], expected[:, -1] = False, False, False
    assert ((found.weights == 1) == expected).all()
    assert (found.values[~expected] == 0).all()
