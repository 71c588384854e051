"""Colour: the four bands that come with a panchromatic image, and both melted into one product."""

from typing import NamedTuple

import numpy as np

from core.simulate.stereo.cameras import camera
from core.simulate.stereo.sensor import SATURATED
from core.simulate.stereo.views import Pixels, View

RATIO = 4
"""Pixels of the panchromatic image along one of the multispectral."""
BANDS = ("B2", "B1", "B0", "B3")
"""Red, green, blue and near infrared, in the order of the file."""
TONES = ((0.95, 20.0), (0.90, 45.0), (0.75, 90.0), (1.30, -10.0))
"""Each band as a multiple of the panchromatic brightness and an offset, DN."""
PANCHROMATIC, MULTISPECTRAL, PANSHARPENED = "P", "MS", "PMS"


class Product(NamedTuple):
    """An image as it is delivered.

    Parameters
    ----------
    view
        Its camera and time.
    kind
        P, MS or PMS.
    pixels
        ``[row, col]``, or ``[band, row, col]`` in the order of `BANDS`.
    """

    view: View
    kind: str
    pixels: Pixels

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands in their order."""
        return ("P",) if self.kind == PANCHROMATIC else BANDS


def panchromatic(view: View) -> Product:
    """The image itself."""
    return Product(view, PANCHROMATIC, view.image)


def multispectral(view: View) -> Product:
    """Four bands with pixels four times as long and a model of their own."""
    eye, shape = view.camera, (view.camera.shape[0] // RATIO, view.camera.shape[1] // RATIO)
    bias = (eye.bias[0] / RATIO, eye.bias[1] / RATIO)
    small = camera(eye.centre, eye.attitude, shape, eye.gsd * RATIO, view.scene.heights, bias)
    look = view.look._replace(jitter_px=view.look.jitter_px / RATIO, samples=2 * view.look.samples)
    wide = View(view.scene, small, look, view.time)
    return Product(wide, MULTISPECTRAL, _coloured(wide.image))


def pansharpened(view: View) -> Product:
    """Four bands at the panchromatic image's pixels, under its model."""
    return Product(view, PANSHARPENED, _coloured(view.image))


def _coloured(pixels: Pixels) -> Pixels:
    bands = [np.clip(np.rint(gain * pixels + offset), 1, SATURATED) for gain, offset in TONES]
    return np.stack(bands).astype(np.uint16)
