"""README.txt names every file that was made, and says what it is."""

from typing import Annotated

import pytest

from core.declare import File, FileProduct, Many, Outputs, Parameters, Pipeline, RasterProduct
from core.report import readme


class Made(Outputs):
    east: Annotated[Many, RasterProduct("m", sign="positive to the east")]
    """Motion of the ground."""
    score: Annotated[Many, RasterProduct("1", low=0, high=1)]
    """How alike the windows are."""
    reasons: Annotated[Many, RasterProduct("", dtype="uint16", nodata=0)]
    """Why there is no value."""
    smooth: Annotated[Many, RasterProduct("m")] = ()
    """Smoothed."""
    statistics: Annotated[File, FileProduct("application/json", "json")]
    """Figures."""


@pytest.fixture
def written() -> str:
    pipeline = Pipeline(
        id="demo-opt",
        title="Demonstration",
        text="Measures. " * 30,
        version="1.2.0",
        keywords=(),
        parameters=Parameters,
        outputs=Made,
        run="core:run",
    )

    def raster(path: str) -> tuple[File, ...]:
        return (File(path=path, type="image/tiff"),)

    made = Made(
        east=raster("east/20240301_20240311.tif"),
        score=raster("score/20240301_20240311.tif"),
        reasons=raster("reasons/20240301_20240311.tif"),
        statistics=File(path="statistics.json", type="application/json"),
    )
    return readme.text(
        pipeline, made, about=["Reference: a."], caveats=["Windows blur."], citations=["X (2020)."]
    )


def test_each_file_is_listed_under_its_output(written: str) -> None:
    for path in ("east/20240301_20240311.tif", "statistics.json"):
        assert f"    - {path}" in written


def test_unit_sign_and_nodata_stand_with_a_raster(written: str) -> None:
    assert "Unit: m. Positive to the east. Float32, nodata NaN." in written
    assert "Pure number. Float32, nodata NaN." in written
    assert "Uint16, nodata 0." in written


def test_the_bits_of_the_reasons_are_explained(written: str) -> None:
    assert "       64  score below the minimum, or the images differ" in written


def test_an_output_that_was_not_made_is_not_mentioned(written: str) -> None:
    assert "smooth" not in written.lower()


def test_caveats_and_citations_are_there_and_no_line_is_long(written: str) -> None:
    assert "* Windows blur." in written
    assert "* X (2020)." in written
    assert "demo-opt 1.2.0" in written
    assert max(map(len, written.splitlines())) <= readme.WIDTH
