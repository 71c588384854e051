"""Windows of a grid that hold ground."""

from affine import Affine

from core.grid import Grid
from core.tiling import Window

UTM = Grid((100, 80), Affine(10, 0, 573000, 0, -10, 4735000), "EPSG:32654")


def test_points_are_held_by_the_smallest_window() -> None:
    found = UTM.around([(573015.0, 4734985.0), (573041.0, 4734930.0)])
    assert found == Window(1, 1, 6, 4)


def test_a_corner_on_a_line_takes_no_pixel_more_with_a_little_slack() -> None:
    west, north = 573010 - 1e-6, 4734990 + 1e-6
    points = [(west, north), (573030.0, 4734970.0)]
    assert UTM.around(points) == Window(0, 0, 3, 3)
    assert UTM.around(points, 1e-6) == Window(1, 1, 2, 2)


def test_of_another_grid_the_common_ground_is_seen() -> None:
    other = Grid((100, 80), UTM.transform @ Affine.translation(30, 90), UTM.crs)
    assert UTM.seeing(other) == Window(90, 30, 10, 50)


def test_a_grid_elsewhere_or_beyond_the_projection_shows_nothing() -> None:
    elsewhere = Grid((10, 10), UTM.transform @ Affine.translation(1000, 0), UTM.crs)
    assert UTM.seeing(elsewhere).empty
    beyond = Grid((10, 10), Affine(1, 0, 400, 0, -1, 400), "EPSG:4326")
    assert UTM.seeing(beyond).empty
