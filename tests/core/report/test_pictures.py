"""Maps are read back as pixels: the right colour at the right place, and all that explains it."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from core.declare import RasterProduct
from core.grid import Grid
from core.pipelines import PIPELINES
from core.reasons import Reason
from core.report import colours, keys, pictures

UTM = Grid((100, 200), Affine(10, 0, 400_000, 0, -10, 4_700_000), "EPSG:32633")


def drawn(values: np.ndarray, **options: object) -> np.ndarray:
    panel = pictures.Map(
        values=values,
        grid=options.pop("grid", UTM),
        title="title",
        unit="m",
        scale=colours.Scale(-1.0, 1.0, "blue-white-red"),
        **options,
    )
    return np.asarray(pictures.draw(panel, side=400))


def colour_share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float(np.all(picture == colour, axis=-1).mean())


def test_low_values_are_blue_and_high_values_red_in_the_diverging_map() -> None:
    low, middle, high = colours.Scale(-2, 2, "blue-white-red").paint(np.array([[-3.0, 0.0, 3.0]]))[
        0
    ]
    assert low[2] > low[0]
    assert high[0] > high[2]
    assert min(middle) > 240


@pytest.mark.parametrize("name", [name for name in colours.NAMES if name != "blue-white-red"])
def test_sequential_maps_grow_brighter_with_the_value(name: str) -> None:
    painted = colours.Scale(0, 1, name).paint(np.linspace(0, 1, 64)[None, :]).astype(float)
    brightness = painted[0] @ [0.299, 0.587, 0.114]
    assert np.all(np.diff(brightness) > -1.5)
    assert brightness[-1] > brightness[0] + 100


def test_a_range_without_width_is_painted_without_a_warning() -> None:
    painted = colours.Scale(1, 1, "viridis").paint(np.array([[1.0, np.nan]]))
    assert painted.shape == (1, 2, 3)


def test_each_half_of_the_map_has_the_colour_of_its_value() -> None:
    values = np.full((100, 200), -1.0)
    values[:, 100:] = 1.0
    picture = drawn(values)
    blue, red = colours.Scale(-1, 1, "blue-white-red").paint(np.array([[-1.0, 1.0]]))[0]
    columns_blue = np.nonzero(np.all(picture == blue, axis=-1))[1]
    assert colour_share(picture, tuple(blue)) == pytest.approx(
        colour_share(picture, tuple(red)), rel=0.02
    )
    assert np.median(columns_blue) < picture.shape[1] / 2


def test_places_without_a_value_are_grey_or_show_the_backdrop() -> None:
    values = np.full((100, 200), np.nan)
    assert colour_share(drawn(values), pictures.EMPTY) > 0.3
    bright = np.tile(np.linspace(0, 1000, 200), (100, 1))
    assert colour_share(drawn(values, backdrop=bright), pictures.EMPTY) < 0.02


def test_arrows_are_drawn_where_there_is_a_displacement() -> None:
    values = np.zeros((100, 200))
    still = pictures.Arrows(np.zeros_like(values), np.zeros_like(values))
    moving = pictures.Arrows(np.ones_like(values), np.zeros_like(values))
    plain = colour_share(drawn(values), pictures.INK)
    assert colour_share(drawn(values, arrows=still), pictures.INK) == pytest.approx(plain)
    assert colour_share(drawn(values, arrows=moving), pictures.INK) > plain + 0.005


def test_blocks_are_means_of_the_pixels_with_a_value() -> None:
    values = np.arange(12.0).reshape(3, 4)
    values[0, 0] = np.nan
    small = pictures.reduce(values, 2)
    np.testing.assert_allclose(small, [[(1 + 4 + 5) / 3, (2 + 3 + 6 + 7) / 4], [8.5, 10.5]])
    assert np.isnan(pictures.reduce(np.full((4, 4), np.nan), 2)).all()


@pytest.mark.parametrize("unit", ["m", "m/a", "1", "{pixel}"])
def test_a_quicklook_is_a_small_png(tmp_path: Path, unit: str) -> None:
    values = np.random.default_rng(0).normal(0, 1, (700, 900)).astype(np.float32)
    pictures.quicklook(
        tmp_path / "map.png",
        values,
        Grid((700, 900), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633"),
        title="Displacement",
        unit=unit,
        low=-3,
        high=3,
        colours="blue-white-red",
        note="a second line",
    )
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 900
    assert (tmp_path / "map.png").stat().st_size < 1_500_000


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 0, 0, 10, 0),
        Affine.rotation(30) @ Affine.scale(10, -10),
        Affine(10, 0, 0, 0, -20, 0),
    ],
    ids=["south-up", "rotated", "oblong"],
)
def test_unusual_grids_are_drawn_too(transform: Affine) -> None:
    values = np.zeros((100, 200))
    arrows = pictures.Arrows(values + 1, values)
    assert drawn(values, grid=Grid((100, 200), transform, "EPSG:32633"), arrows=arrows).size


def test_one_pixel_and_a_very_wide_map_are_drawn_too() -> None:
    assert drawn(np.zeros((1, 1)), grid=UTM.crop(UTM.window & type(UTM.window)(0, 0, 1, 1))).size
    wide = Grid((3, 5000), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
    assert drawn(np.zeros((3, 5000)), grid=wide).size


def test_a_sheet_holds_its_maps_side_by_side(tmp_path: Path) -> None:
    panel = pictures.Map(np.zeros((100, 200)), UTM, "t", "m", colours.Scale(0, 1, "viridis"))
    pictures.sheet(tmp_path / "sheet.png", [[panel, panel], [panel, panel]], title="Sheet")
    single = pictures.draw(panel, 420)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width >= 2 * single.width
        assert picture.height >= 2 * single.height


def test_the_map_of_reasons_names_what_occurs_and_nothing_else(tmp_path: Path) -> None:
    reasons = np.zeros((100, 200), np.uint16)
    reasons[:50] = np.uint16(Reason.LOW_SCORE | Reason.OUTLIER)
    pictures.reasons_map(tmp_path / "reasons.png", reasons, UTM, title="Why there is no value")
    low_score = keys.CLASSES[7]
    with Image.open(tmp_path / "reasons.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert np.mean(np.abs(pixels - low_score).max(axis=-1) < 8) == pytest.approx(0.3, abs=0.15)


def test_every_raster_of_every_service_has_a_colour_map_that_can_be_drawn() -> None:
    for pipeline in PIPELINES.values():
        for output in pipeline.output_list:
            if isinstance(output.product, RasterProduct) and output.product.colours != "classes":
                assert output.product.colours in colours.NAMES, output.id


def test_classes_have_colours_of_their_own() -> None:
    assert len(set(keys.CLASSES)) == len(Reason) + 1
