"""Simulated samples: areas with ground of their own, landslides that differ by a few features."""

import numpy as np

from core.change.learning.model import Samples

FEATURES = 8


def event(
    seed: int,
    areas: int = 8,
    each: int = 300,
    share: float = 0.1,
    apart: float = 1.5,
    effect: float = 0.4,
) -> Samples:
    """Samples of `areas` squares of 500 m in a row, half of them without landslides."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(areas), each)
    landslide = rng.random(group.size) < np.where(group % 2 == 0, 2 * share, 0.0)
    features = (
        rng.normal(size=(group.size, FEATURES)) + rng.normal(0, effect, (areas, FEATURES))[group]
    )
    features[:, :3] += apart * landslide[:, None]
    place = rng.random((group.size, 2)) * 500 + np.stack([group * 500, 0 * group], axis=1)
    weight = np.ones(group.size)
    return Samples(features.astype(np.float32), landslide, weight, group, place)
