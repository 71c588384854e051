"""Whatever form a pair is delivered in, its model is that of plain GeoTIFFs.

Every writer prints the same RPC to the last bit.  The forms differ in more than that: those of
Airbus tell clouds and saturation, so that the scene here has neither; each tells, or does not tell,
how exact its model is, on which the adjustment's prior rests; and large images in JPEG 2000 are
searched first in the reduced resolutions that they hold, where others are averaged.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from core.grid import Grid
from core.pipelines.dsm_opt import run
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.dimap_forms import PLEIADES, PLEIADES_NEO, SPOT
from core.simulate.stereo.geotiff import write_geotiff
from core.simulate.stereo.making import UNBIASED, make_stereo
from core.simulate.stereo.views import View
from core.simulate.stereo.worldview import write_nitf, write_rpc_text, write_worldview

SIDE = 160
TILE = 70
"""Rows and columns of the files of a tiled product."""

TENTH_M = 0.1 * 0.5 / 0.26
"""Height that a tenth of a pixel of disparity makes."""

Views = tuple[View, ...]
Paths = tuple[Path, ...]


def dimap(folder: Path, views: Views, tile: int = TILE, **form: Any) -> Paths:
    return (write_dimap(folder, views, tile=tile, **form).parent,)


def worldview(folder: Path, views: Views) -> Paths:
    for part, view in enumerate(views, 1):
        write_worldview(folder, view, part=part, tile=TILE)
    return (folder,)


def single(folder: Path, views: Views, write: Callable[[Path, View], Path], ending: str) -> Paths:
    for number, view in enumerate(views, 1):
        write(folder / f"view{number}{ending}", view)
    return tuple(sorted(folder.iterdir()))


PLAIN = "GeoTIFF"
DELIVERIES: dict[str, Callable[[Path, Views], Paths]] = {
    PLAIN: partial(single, write=write_geotiff, ending=".tif"),
    "Pleiades": partial(dimap, form=PLEIADES),
    "Pleiades JPEG 2000": partial(dimap, form=PLEIADES, jpeg2000=True),
    "Pleiades Neo": partial(dimap, form=PLEIADES_NEO),
    "SPOT": partial(dimap, form=SPOT),
    "WorldView": worldview,
    "_RPC.TXT": partial(single, write=write_rpc_text, ending=".tif"),
    "_rpc.txt": partial(single, write=partial(write_rpc_text, capitals=False), ending=".TIF"),
    "NITF": partial(single, write=write_nitf, ending=".NTF"),
}


class Surface(NamedTuple):
    """Heights before they are rounded."""

    grid: Grid
    height: NDArray[np.float32]


@pytest.fixture(scope="module")
def surface(place: Callable[..., Any]) -> Callable[..., Surface]:
    """The surface that a whole job makes of the pair in some form."""
    calm = UNBIASED._replace(cloud=0.0)
    stereo = make_stereo("plain", shape=(SIDE, SIDE), seed=45, disturbances=calm, samples=2)
    found: dict[tuple[str, str], Surface] = {}
    publish = run.write_products

    def made(form: str, adjustment: str) -> Surface:
        def kept(model: Any, *given: Any) -> Any:
            grid = model.target.grid
            found[form, adjustment] = Surface(grid, model.surface.read("height", grid.window))
            return publish(model, *given)

        if (form, adjustment) not in found:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(run, "write_products", kept)
                job = place(stereo, lambda folder: DELIVERIES[form](folder, stereo.views))
                job(resolution=0.5, adjustment=adjustment)
        return found[form, adjustment]

    return made


@pytest.mark.parametrize("form", [form for form in DELIVERIES if form != PLAIN])
def test_a_pair_in_any_form_makes_the_model_of_plain_images(surface, form) -> None:
    """To a millimetre, by the models as they are delivered."""
    plain, other = surface(PLAIN, "none"), surface(form, "none")
    assert other.grid == plain.grid
    assert np.isfinite(plain.height).sum() > 20_000
    np.testing.assert_allclose(other.height, plain.height, rtol=0, atol=1e-3)


@pytest.mark.parametrize("form", ["Pleiades", "_RPC.TXT"])
def test_models_of_unstated_accuracy_are_refined_to_nearly_the_same(surface, form) -> None:
    """By a ten-thousandth of a pixel or so, which moves the lattice that is matched."""
    plain, other = surface(PLAIN, "shift"), surface(form, "shift")
    assert other.grid == plain.grid
    both = np.isfinite(plain.height) & np.isfinite(other.height)
    assert both.sum() > 0.99 * np.isfinite(plain.height).sum() > 0.99 * 20_000
    apart = np.abs(plain.height - other.height)[both]
    assert np.median(apart) < 1e-3
    assert (apart < TENTH_M).mean() > 0.99


@pytest.mark.slow
def test_large_images_in_jpeg_2000_make_a_model_as_exact_as_tiffs(place) -> None:
    """Another coarse surface: images are resampled a little otherwise, and noise with them."""
    calm = UNBIASED._replace(cloud=0.0)
    stereo = make_stereo("city", shape=(420, 1400), seed=45, disturbances=calm, samples=2)
    models = []
    for jpeg2000 in (False, True):
        write = partial(dimap, views=stereo.views, tile=4096, jpeg2000=jpeg2000)
        models.append(place(stereo, write)(resolution=0.5, adjustment="none"))
    error, other = (np.abs(model.error) for model in models)
    assert error.size == pytest.approx(other.size, rel=0.01)
    assert np.median(other) == pytest.approx(np.median(error), rel=0.05)
    assert (other > 1).mean() == pytest.approx((error > 1).mean(), abs=0.003)
    first, second = models
    apart = np.abs(first.dsm - second.on(first.grid))
    assert (apart[np.isfinite(apart)] < TENTH_M).mean() > 0.9
