import pickle
from dataclasses import replace

import numpy as np
import pytest

from core.io.products.stereo import open_views
from core.io.products.stereo.bands import stage_bands
from core.simulate.stereo.bundle import pansharpened
from core.simulate.stereo.dimap import write_dimap
from core.tiling import Window


@pytest.fixture(params=["tiff", "jp2"])
def sharpened(request, tmp_path, pair):
    """A pansharpened product in tiles, and its pixels."""
    write_dimap(
        tmp_path / "delivery",
        (pair[0],),
        tile=64,
        jpeg2000=request.param == "jp2",
        kinds=(pansharpened,),
    )
    (view,) = open_views([tmp_path / "delivery"], scratch=tmp_path)
    return view, pansharpened(pair[0]).pixels


def test_all_bands_of_any_window_are_those_of_the_file(sharpened, tmp_path) -> None:
    view, pixels = sharpened
    staged = pickle.loads(pickle.dumps(stage_bands(view, Window(9, -5, 70, 200), tmp_path / "b")))
    assert staged.window == Window(9, 0, 70, 120)
    found = staged.read(Window(0, 30, 96, 100))
    expected = np.zeros((4, 96, 100), np.float32)
    expected[:, 9:79, :90] = pixels[:, 9:79, 30:]
    np.testing.assert_array_equal(found.values, expected)
    assert found.weights[9:79, :90].all()
    assert found.weights.sum() == 70 * 90


def test_a_pixel_has_no_data_if_no_band_has(sharpened, tmp_path) -> None:
    view, pixels = sharpened
    # One band at its nodata is a dark pixel.
    value = float(pixels[1, 40, 50])
    staged = stage_bands(replace(view, nodata=value), Window(0, 0, 96, 120), tmp_path / "b")
    empty = (pixels == value).all(axis=0)
    assert not empty[40, 50]
    np.testing.assert_array_equal(staged.read(staged.window).weights == 0, empty)


def test_a_window_beside_the_image_is_empty(sharpened, tmp_path) -> None:
    staged = stage_bands(sharpened[0], Window(500, 500, 10, 10), tmp_path / "b")
    assert staged.window.empty
    assert not staged.read(Window(0, 0, 20, 20)).weights.any()
