"""What one pair alone shows is left out where it is uncertain and another pair's images differ."""

from types import SimpleNamespace

import numpy as np

from core.geometry.fusion import Fused
from core.geometry.gridding import Cells
from core.pipelines.dsm_opt.tiles import NO_POINTS, UNSURE_PX, _doubtful, _Seen
from core.reasons import Reason

GSD_M = 0.5
LIMIT_M = UNSURE_PX * GSD_M


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def pair(heights: np.ndarray, holes: list[int]) -> _Seen:
    count = np.isfinite(heights).astype(np.uint16)
    cells = Cells(heights, heights, heights, heights, count, GSD_M)
    return _Seen(cells, np.array([holes], np.uint16), NO_POINTS)


def test_an_uncertain_height_needs_a_second_pair_where_other_images_differ() -> None:
    job = SimpleNamespace(eyes=[SimpleNamespace(gsd_m=GSD_M)])
    differ, hidden = int(Reason.LOW_SCORE), int(Reason.OCCLUDED)
    first = pair(row(5, 5, 5, 5), [0, 0, 0, differ])
    second = pair(row(np.nan, np.nan, np.nan, 5), [differ, differ, hidden, 0])
    sigma = row(1.1 * LIMIT_M, 0.9 * LIMIT_M, 1.1 * LIMIT_M, 1.1 * LIMIT_M)
    whole = Fused(row(5, 5, 5, 5), sigma, sigma, sigma, np.ones((1, 4), np.uint8))
    assert _doubtful(job, [first, None, second], whole).tolist() == [[True, False, False, False]]
    assert not _doubtful(job, [first, None], whole).any()
