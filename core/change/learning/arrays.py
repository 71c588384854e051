"""Names of the arrays that samples and trees are made of."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""Features: (samples, features), or (features, ...) where they are planes of a tile."""

Doubles = NDArray[np.float64]
"""Weights, probabilities, raw values of trees."""

Flags = NDArray[np.bool_]
"""Landslide or not; known or not."""

Bins = NDArray[np.uint8]
"""Features as numbers of the intervals that they fall into."""

Groups = NDArray[np.int64]
"""Which group, stratum or fold each sample belongs to."""
