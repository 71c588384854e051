"""The accuracy report tells what the planes of a model hold."""

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from affine import Affine

from core.declare import Source
from core.geometry.adjustment import Report
from core.geometry.block_report import Direction, ImageResiduals, ModelSigma, PairResiduals
from core.geometry.control import ControlResidual
from core.geometry.datum import HeightDatum
from core.geometry.rpc import Rpc
from core.grid import Grid
from core.io.products.stereo import View
from core.pipelines.dsm_opt.area import Target
from core.pipelines.dsm_opt.declaration import DSM_OPT, DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.model import Consistency, Model, Surface
from core.pipelines.dsm_opt.pairing import ImagePair
from core.pipelines.dsm_opt.report import surface_report
from core.reasons import Reason
from core.report.surface import SurfaceReport

GRID = Grid((1100, 1200), Affine(1, 0, 500000, 0, -1, 4800000), "EPSG:32631")
BOUNDS = (2.9, 43.0, 3.1, 43.5)
ONE = (1.0, *[0.0] * 19)
ROWS, COLS = ((0.0, *(float(n == k) for n in range(1, 20))) for k in (2, 1))
RPC = Rpc(500, 500, 43.35, 3.0, 100, 500, 500, 0.01, 0.01, 500, ROWS, ONE, COLS, ONE)
NAN = float("nan")

ADJUSTED = Report(
    images=(
        ImageResiduals("one", 1.5, -0.5, 0.2, 0.3, 0.0, 90, 1.2, 0.1),
        ImageResiduals("two", -1.5, 0.5, 0.2, 0.3, 0.0, 90, 1.2, NAN),
    ),
    pairs=(PairResiduals("one", "two", 0, NAN, NAN, NAN, NAN, NAN),),
    control=(ControlResidual("G1", "", True, 0.4, -0.3, 1.1, 2.0, 0.2),),
    points=90,
    rejected=10,
    scale=1.0,
    directions=(Direction("Both images move.", 3.0, 4.0, 0.5, 0.01, ((1.0, 0.0), (1.0, 0.0))),),
    model=ModelSigma(5.0, 2.0, 0.1),
)


def image(number: int, name: str) -> Image:
    view = View(
        name=name,
        path="/vsimem/a",
        driver="GTiff",
        bands=("P",),
        matched=(1,),
        shape=(1000, 1000),
        dtype="uint16",
        rpc=RPC,
        gsd_m=0.5,
        azimuth_deg=180.0,
        incidence_deg=12.0,
        sensor="PHR 1A",
        time=dt.datetime(2020, 5, number, tzinfo=dt.UTC),
    )
    return Image(number, view, f"https://example.org/{number}.zip")


@pytest.fixture
def model(tmp_path: Path):
    """Its first hundred columns are not wanted, the next two hundred have no texture."""
    surface = Surface.create(tmp_path / "surface", GRID.shape)
    reasons = np.zeros(GRID.shape, np.uint16)
    reasons[:, :100] = Reason.OUTSIDE | Reason.USER_MASK
    reasons[:, 100:300] = Reason.NO_TEXTURE
    reasons[:550, 100:200] |= np.uint16(Reason.OCCLUDED)
    lost = reasons != 0
    even = np.random.default_rng(5).random(GRID.shape).astype(np.float32)
    height = np.where(lost, np.nan, 103 + (even - 0.5)).astype(np.float32)
    pairs = np.where(lost, 0, 1).astype(np.uint8)
    pairs[:, 975:] = 3
    surface.write(
        GRID.window,
        {
            "height": height,
            # What was matched and rejected keeps its values, and does not count.
            "error": np.where(lost, 1000, even * 2).astype(np.float32),
            "intersection": np.where(lost, np.nan, even).astype(np.float32),
            "score": even,
            "pairs": pairs,
            "reasons": reasons,
        },
    )
    yield Model(
        images=(image(1, "one"), image(2, "two")),
        pairs=(ImagePair(0, 1, 20.0, 0.35, 1.0),),
        target=Target(GRID, 640, None, None, BOUNDS),
        datum=HeightDatum("ellipsoid", BOUNDS),
        surface=surface,
        rpcs=(RPC, RPC),
        report=ADJUSTED,
        between=(Consistency("1-2", 1000, 0.02, 0.3),),
        notes=("One image is 8-bit.",),
    )
    surface.close()


def reported(model: Model, dem: Path | None = None) -> SurfaceReport:
    sources = tuple(Source(href=f"file:{name}") for name in "ab")
    given = None if dem is None else Source(href=f"file:{dem}")
    parameters = DsmOptParameters(images=sources, dem=given)
    context = SimpleNamespace(
        pipeline=DSM_OPT, sources=SimpleNamespace(fetch=lambda source, pointer: dem)
    )
    return surface_report(model, {}, parameters, context)  # type: ignore[arg-type]


def test_coverage_counts_the_wanted_cells_alone(model) -> None:
    found = reported(model).coverage
    assert found.wanted == 1100 * 1100
    assert found.measured == 900 * 1100
    assert found.share == pytest.approx(9 / 11)
    assert [(one.reason, pytest.approx(one.share)) for one in found.reasons] == [
        ("no_texture", 2 / 11),
        ("occluded", 0.5 / 11),
    ]
    assert found.reasons[0].text == "too little texture"
    assert found.contributing_pairs == {1: pytest.approx(0.75), 3: pytest.approx(0.25)}


def test_errors_are_those_of_cells_that_have_a_height(model) -> None:
    found = reported(model)
    assert found.dsm_error.median_m == pytest.approx(1.0, abs=0.02)
    assert found.dsm_error.p90_m == pytest.approx(1.8, abs=0.02)
    assert found.intersection_error.median_m == pytest.approx(0.5, abs=0.01)
    assert found.intersection_error.p90_m == pytest.approx(0.9, abs=0.01)


def test_the_difference_to_an_elevation_model_is_of_common_ground(model, write) -> None:
    heights = np.full((130, 90), 100, np.float32)
    place = Affine(10, 0, 499900, 0, -10, 4800100)
    dem = write("dem", heights, place, "EPSG:32631", nodata=-9999)
    found = reported(model, dem).elevation
    assert found is not None
    # The elevation model ends at column 800 of the grid; every other row and column is looked at.
    assert found.cells == pytest.approx(550 * 250, rel=0.01)
    assert found.median_m == pytest.approx(3.0, abs=0.01)
    assert found.nmad_m == pytest.approx(1.4826 / 4, abs=0.01)
    assert found.p5_m == pytest.approx(2.55, abs=0.01)
    assert found.p95_m == pytest.approx(3.45, abs=0.01)


def test_the_adjustment_is_told_and_the_report_is_json_without_nan(model) -> None:
    report = reported(model)
    found = report.adjustment
    assert found is not None
    assert (found.tie_points, found.rejected) == (90, 10)
    assert (found.images[0].row_px, found.images[0].after_px) == (1.5, 0.1)
    assert found.images[1].after_px is None
    assert found.pairs[0].spread_px is None
    assert (found.control[0].check, found.control[0].up_m) == (True, 1.1)
    assert found.unknown[0].text == "Both images move."
    assert (found.horizontal_sigma_m, found.vertical_sigma_m) == (5.0, 2.0)
    assert report.elevation is None
    assert report.agreement[0].nmad_m == 0.3
    assert report.notes == ("One image is 8-bit.",)
    text = json.dumps(report.model_dump(mode="json"), allow_nan=False)
    assert SurfaceReport.model_validate_json(text) == report


def test_a_model_without_heights_and_without_refinement_is_told_too(model) -> None:
    reasons = np.full(GRID.shape, Reason.NO_TEXTURE, np.uint16)
    empty = np.full(GRID.shape, np.nan, np.float32)
    model.surface.planes["reasons"].write(GRID.window, reasons)
    model.surface.planes["height"].write(GRID.window, empty)
    bare = Model(
        model.images, model.pairs, model.target, model.datum, model.surface, model.rpcs, None
    )
    found = reported(bare)
    assert found.adjustment is None
    assert found.coverage.share == 0
    assert found.coverage.contributing_pairs == {}
    assert found.dsm_error.median_m is None
