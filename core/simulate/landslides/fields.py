"""Random fields: smooth, fractal, or of one size, made from few numbers."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Layer = NDArray[np.float32]
"""One number per pixel, [row, col]."""

Generator = np.random.Generator


def fractal(shape: tuple[int, int], generator: Generator, roughness: float, widest: float) -> Layer:
    """Standard normal values whose amplitude falls as frequency ** -`roughness`.

    Flat beyond `widest` pixels.  The field does not repeat at the borders.
    """
    rows, cols = (fft.next_fast_len(side + side // 4 + 8, real=True) for side in shape)
    spectrum = fft.rfft2(generator.standard_normal((rows, cols), dtype=np.float32))
    down = fft.fftfreq(rows).astype(np.float32)[:, None]
    right = fft.rfftfreq(cols).astype(np.float32)[None, :]
    spectrum *= (down**2 + right**2 + np.float32(widest) ** -2) ** np.float32(-roughness / 2)
    spectrum[0, 0] = 0
    field: Layer = fft.irfft2(spectrum, s=(rows, cols))[: shape[0], : shape[1]]
    return (field / field.std()).astype(np.float32)


def smooth(shape: tuple[int, int], generator: Generator, length: float) -> Layer:
    """Standard normal values that are alike over about `length` pixels and smooth within."""
    step = max(1, int(length / 4))
    small = tuple(side // step + 8 for side in shape)
    sigma = length / step / 2
    margin = int(4 * sigma) + 2
    wide = tuple(side + 2 * margin for side in small)
    coarse = ndimage.gaussian_filter(generator.standard_normal(wide, dtype=np.float32), sigma)
    coarse = coarse[margin:-margin, margin:-margin]
    # A Gaussian of sigma leaves 1 / (2 sqrt(pi) sigma) of white noise's deviation.
    coarse *= np.float32(2 * np.sqrt(np.pi) * sigma)
    return enlarged(coarse, step, 2.0, 2.0, shape)


def enlarged(coarse: Layer, step: float, row: float, col: float, shape: tuple[int, int]) -> Layer:
    """A coarse layer between its cells, by straight lines.

    Parameters
    ----------
    coarse
        Its cells are `step` pixels apart.
    row, col
        The place in it, cells, of the first pixel of the result.
    shape
        Of the result.
    """
    down = row + np.arange(shape[0]) / step
    right = col + np.arange(shape[1]) / step
    return _along(_along(coarse, down).T, right).T


def _along(values: Layer, places: NDArray[np.float64]) -> Layer:
    """Rows of `values` at fractional `places`, held at the ends."""
    held = np.clip(places, 0, values.shape[0] - 1)
    first = np.minimum(held.astype(np.intp), values.shape[0] - 2)
    part = (held - first).astype(np.float32)[:, None]
    between: Layer = values[first] * (1 - part) + values[first + 1] * part
    return between
