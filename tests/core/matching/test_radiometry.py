"""How the values of two images relate."""

import pytest

from core.matching.radiometry import Radiometry, typical

CLEAR = Radiometry(1.18, 0.3, 5.1)
SHADED = Radiometry(1.17, 2.0, 4.2)
CLOUDY = Radiometry(0.09, 672.0, 167.0)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([CLOUDY], CLOUDY),
        ([CLEAR, CLOUDY], CLEAR),
        ([CLOUDY, CLEAR], CLEAR),
        ([SHADED, CLOUDY, CLEAR], CLEAR),
    ],
)
def test_a_cloudy_part_does_not_count_beside_clear_ones(
    parts: list[Radiometry], expected: Radiometry
) -> None:
    assert typical(parts) == expected
