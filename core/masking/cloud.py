"""When a product's cloud layer is believed.

Cloud layers take bright desert and roofs for cloud.  Ground correlates from date to date and cloud
does not, so a pixel is cloud only where the layer says so and the two images do not correlate.
"""

import numpy as np
from numpy.typing import NDArray

CORRELATED = 0.7
"""Score from which a pixel is ground: 1 % of thick cloud reaches it, most clear ground does."""


def clouded(layer: NDArray[np.bool_], score: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels that the layer calls cloud and that do not correlate.

    Parameters
    ----------
    layer
        Cloud in the reference or the secondary image, (rows, cols).
    score
        Correlation score, 0 to 1; NaN where nothing was matched.
    """
    believed: NDArray[np.bool_] = layer & ~(score >= CORRELATED)
    return believed
