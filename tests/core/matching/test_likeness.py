"""Where two images do not show the same thing."""

import numpy as np

from core.matching.arrays import Layer
from core.matching.likeness import unlike
from core.matching.radiometry import Radiometry

SHAPE = (80, 120)
NOISE = 5.0
SHIFT = 3


def test_what_only_one_image_shows_is_unlike_and_the_rest_is_not() -> None:
    lot = np.random.default_rng(7)
    ground = lot.normal(500, 80, SHAPE)
    left = ground + lot.normal(0, NOISE / np.sqrt(2), SHAPE)
    right = 0.8 * (np.roll(ground, SHIFT, axis=1) + lot.normal(0, NOISE / np.sqrt(2), SHAPE)) - 20
    right[20:60, 40:80] = lot.normal(380, 64, (40, 40))
    weights = np.ones(SHAPE, np.float32)
    disparity = np.full(SHAPE, SHIFT, np.float32)
    disparity[:, -SHIFT:] = np.nan
    disparity[:5] = np.nan
    images = (Layer(values.astype(np.float32), weights) for values in (left, right))
    found = unlike(*images, disparity, Radiometry(1.25, 25.0, NOISE))
    assert found[24:56, 44 - SHIFT : 76 - SHIFT].all()
    beside = np.ones(SHAPE, np.bool_)
    beside[12:68, 32 - SHIFT : 88 - SHIFT] = False
    assert not found[beside].any()
