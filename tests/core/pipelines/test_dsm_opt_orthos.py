"""The files of orthoimages, made of a delivery and the true surface."""

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import rasterio
from affine import Affine
from scipy import ndimage

from core.declare import Source
from core.declare.values import PolygonArea
from core.geometry.rpc import Rpc
from core.grid import Grid
from core.io.products.stereo import open_views
from core.io.products.stereo.staging import stage
from core.pipelines.dsm_opt.area import Target
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.model import PLANES, Model, Surface
from core.pipelines.dsm_opt.orientation import Eye
from core.pipelines.dsm_opt.orthography import Lens
from core.pipelines.dsm_opt.orthos import Orthos, tile_side, write_orthos
from core.progress import QUIET
from core.simulate.stereo.bundle import multispectral, panchromatic, pansharpened
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.making import CALM, Stereo, make_stereo
from core.simulate.stereo.truth import Truth
from core.tiling import Window
from core.workspace import Context

THREADS = partial(ThreadPoolExecutor, 2)
BIASED = CALM._replace(bias_px=(2.0, 3.0))


coloured = cache(multispectral)


@cache
def scene() -> tuple[Stereo, Truth]:
    stereo = make_stereo("relief", shape=(256, 256), seed=8, disturbances=BIASED, relief_m=100.0)
    return stereo, stereo.truth(stereo.grid(1.0))


class Made(NamedTuple):
    stereo: Stereo
    truth: Truth
    files: Orthos
    folder: Path

    def read(self, relative: str) -> np.ndarray:
        with rasterio.open(self.folder / "job" / "output" / relative) as file:
            return file.read()


def refined(view, true) -> Rpc:
    """The handed-out model without its bias."""
    return view.rpc.moved(-true.camera.bias[0], -true.camera.bias[1])


def written(
    bare: Callable[..., Context],
    folder: Path,
    kinds,
    *,
    area: PolygonArea | None = None,
    executor: Callable[[], Executor] = THREADS,
    change: Callable[[Image], Image] = lambda image: image,
    **wanted: bool,
) -> Made:
    stereo, truth = scene()
    write_dimap(folder / "delivery", stereo.views, kinds=kinds)
    views = open_views([folder / "delivery"], scratch=folder)
    images = [change(Image(number, view, view.name)) for number, view in enumerate(views, 1)]
    grid = truth.grid
    surface = Surface.create(folder / "surface", grid.shape)
    layers = {name: np.zeros(grid.shape, dtype) for name, dtype in PLANES.items()}
    surface.write(grid.window, layers | {"height": truth.height.astype(np.float32)})
    eyes = [
        Eye(
            stage(
                image.view,
                Window(0, 0, 256, 256),
                folder / f"staged{image.number}",
                all_bands=len(image.view.bands) > 1,
            ),
            refined(image.view, true),
            0.5,
            image.view.shape,
        )
        for image, true in zip(images, stereo.views, strict=True)
    ]
    target = Target(grid, 64, area, None, (0.0, 0.0, 0.0, 0.0))
    model = Model(images, (), target, None, surface, [eye.rpc for eye in eyes])
    parameters = DsmOptParameters(images=(Source(href="file:a"), Source(href="file:b")), **wanted)
    with executor() as pool:
        files = write_orthos(model, eyes, parameters, bare(folder / "job", pool), QUIET)
        left = list((folder / "job" / "scratch" / "orthos").glob("*"))
    assert left == []
    return Made(stereo, truth, files, folder)


@pytest.fixture(scope="module")
def made(steps) -> Callable[..., Made]:
    """Writes the orthoimages of a simulated delivery into a folder."""
    return partial(written, steps.bare)


@pytest.fixture(scope="module")
def bundle(made, tmp_path_factory) -> Made:
    return made(
        tmp_path_factory.mktemp("bundle"),
        (panchromatic, coloured),
        orthoimages=True,
        colour_orthoimages=True,
    )


def test_every_image_becomes_a_file_of_its_own_bands_and_dtype(bundle) -> None:
    files = bundle.files
    assert len(files.images) == 4
    assert [file.path for file in files.images] == [
        f"orthoimages/{file.key}.tif" for file in files.images
    ]
    assert [file.key.endswith("-colour") for file in files.images] == [False, False, True, True]
    assert files.best is not None
    assert files.best.path == "ortho_best.tif"
    assert files.notes == ()
    for file in (*files.images, files.best):
        with rasterio.open(bundle.folder / "job" / "output" / file.path) as source:
            colour = file.key.endswith("-colour")
            assert source.count == (4 if colour else 1)
            assert source.descriptions == (("B2", "B1", "B0", "B3") if colour else ("P",))
            assert set(source.dtypes) == {"uint16"}
            assert source.nodata == 0
            assert source.transform == bundle.truth.grid.transform
            assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert "IMAGE" in source.tags() or "IMAGES" in source.tags()


def test_the_best_view_holds_pixels_of_the_images_as_they_are(bundle) -> None:
    first, second = (bundle.read(file.path)[0] for file in bundle.files.images[:2])
    best = bundle.read("ortho_best.tif")[0]
    assert ((best == first) | (best == second)).all()
    assert ((best > 0) == ((first > 0) | (second > 0))).all()
    truth = bundle.truth
    seen = (truth.visible & truth.inside(2.0)).any(axis=0)
    assert (best[seen] > 0).mean() > 0.999


def test_colour_follows_the_refined_model_of_its_panchromatic_image(bundle) -> None:
    for grey, colour in zip(bundle.files.images[:2], bundle.files.images[2:], strict=True):
        fine = ndimage.gaussian_filter(bundle.read(grey.path)[0].astype(np.float64), 0.7)
        coarse = bundle.read(colour.path)[0].astype(np.float64)
        known = ndimage.binary_erosion((coarse > 0) & (fine > 0), iterations=5)
        smooth = ndimage.gaussian_filter((coarse - 20) / 0.95, 0.5)
        down, right = np.gradient(fine)
        design = np.stack([down, right, np.ones_like(fine)], axis=-1)[known]
        moved, *_ = np.linalg.lstsq(design, (smooth - fine)[known], rcond=None)
        # Pixels of two metres; their models came with half a pixel or more of error.
        assert np.hypot(*moved[:2]) < 0.1


def test_only_what_is_asked_for_is_made(made, tmp_path) -> None:
    kinds = (panchromatic, coloured)
    assert made(tmp_path / "none", kinds).files == Orthos()
    only = made(tmp_path / "colour", kinds, colour_orthoimages=True).files
    assert [file.key.endswith("-colour") for file in only.images] == [True, True]
    assert only.best is None


def test_processes_make_the_same_bits_as_threads(made, tmp_path) -> None:
    def image(name: str, executor: Callable[[], Executor]) -> np.ndarray:
        done = made(tmp_path / name, (panchromatic,), executor=executor, orthoimages=True)
        return np.stack([done.read(file.path) for file in (*done.files.images, done.files.best)])

    spawned = partial(ProcessPoolExecutor, 2, mp_context=get_context("spawn"))
    np.testing.assert_array_equal(image("processes", spawned), image("threads", THREADS))


def test_images_of_other_bands_are_left_out_of_the_best_view_and_that_is_told(
    made, tmp_path
) -> None:
    def renamed(image: Image) -> Image:
        return replace(image, view=replace(image.view, bands=(f"P{image.number}",)))

    done = made(tmp_path, (panchromatic,), change=renamed, orthoimages=True)
    best = done.read("ortho_best.tif")
    assert len(done.files.images) == 2
    (note,) = done.files.notes
    same = [np.array_equal(best, done.read(file.path)) for file in done.files.images]
    assert sorted(same) == [False, True]
    left_out = done.files.images[same.index(False)]
    assert left_out.title.removeprefix("Orthoimage of ") in note


def test_all_bands_of_pansharpened_images_are_laid_out_outside_of_the_area_nothing(
    made, tmp_path
) -> None:
    # A triangle in the middle.
    x, y = 55.52, -21.12
    ring = ((x - 4e-4, y), (x + 4e-4, y - 4e-4), (x + 4e-4, y + 4e-4), (x - 4e-4, y))
    area = PolygonArea(type="Polygon", coordinates=(ring,))
    done = made(tmp_path, (pansharpened,), area=area, orthoimages=True)
    assert len(done.files.images) == 2
    image = done.read(done.files.images[0].path)
    best = done.read("ortho_best.tif")
    wanted = Target(done.truth.grid, 64, area, None, (0, 0, 0, 0)).wanted(done.truth.grid.window)
    assert 500 < wanted.sum() < wanted.size / 4
    assert image.shape[0] == best.shape[0] == 4
    for one in (image, best):
        assert not one[:, ~wanted].any()
        assert (one[:, wanted] > 0).mean() > 0.99


@pytest.mark.parametrize(
    ("cell", "side"), [(0.25, 512), (1.0, 512), (4.0, 256), (8.0, 128), (90.0, 64)]
)
def test_tiles_of_large_cells_have_fewer_of_them(cell, side) -> None:
    grid = Grid((10, 10), Affine(cell, 0, 0, 0, -cell, 0), "EPSG:32631")
    lens = Lens("", "", ("P",), "uint16", 0.5, None, None)
    assert tile_side((lens, replace(lens, gsd_m=2.0)), grid) == side
