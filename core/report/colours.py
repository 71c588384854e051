"""Colour maps and how a value finds its colour."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Nine or eleven colours at equal distances, read off the published maps: ColorBrewer's RdBu,
# reversed, and the perceptually uniform viridis and magma.
_STOPS: dict[str, str] = {
    "blue-white-red": (
        "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f"
    ),
    "viridis": "440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725",
    "magma": "000004 1d1147 51127c 832681 b73779 e75263 fc8961 fec488 fcfdbf",
    "grey": "141414 f5f5f5",
}

NAMES = tuple(_STOPS)


class Scale(NamedTuple):
    """Values from `low` to `high` in the colours of a map; what lies beyond has the end colours."""

    low: float
    high: float
    colours: str

    def paint(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """RGB of values, uint8, [row, col, 3]; NaN has the first colour and is for masking."""
        table = _table(self.colours)
        width = self.high - self.low
        place = (values - self.low) / (width if width > 0 else 1.0) * (len(table) - 1)
        index = np.nan_to_num(np.clip(place, 0, len(table) - 1)).astype(np.intp)
        painted: NDArray[np.uint8] = table[index]
        return painted


def _table(name: str) -> NDArray[np.uint8]:
    stops = np.array([tuple(bytes.fromhex(stop)) for stop in _STOPS[name].split()], np.float64)
    places = np.linspace(0, len(stops) - 1, 256)
    channels = [np.interp(places, np.arange(len(stops)), channel) for channel in stops.T]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)
