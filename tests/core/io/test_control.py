"""Ground control points from users' files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadControl, Refused, UnknownDatum, problems_of
from core.geometry.control import ControlPoint, judged
from core.io.control import ORIGINS, ImageFrame, control_points
from core.io.products.stereo import open_views
from core.simulate.stereo.control import control_points as simulated_points
from core.simulate.stereo.making import CALM, make_stereo

FRAMES = (ImageFrame("IMG_fore", (1000, 800)), ImageFrame("IMG_nadir", (900, 700)))
HEAD = "id,lon,lat,height,sigma,image,row,col,origin,check"
LINES = [
    "P1,5.41,43.29,101.5,0.2,1,10.5,20.25,0-centre,",
    "P1,5.41,43.29,101.5,0.2,2,11,21,0-centre,",
    "P2,5.42,43.28,99,0.3,nadir,400,300,0-centre,yes",
]


@pytest.fixture
def read(tmp_path):
    """The points of a file with this text."""

    def points(text: str, name: str = "points.csv") -> tuple[ControlPoint, ...]:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return control_points(path, FRAMES, pointer="/inputs/control_points")

    return points


@pytest.fixture
def complaints(read):
    """What is said of a file with this text."""

    def told(text: str, name: str = "points.csv") -> list[str]:
        with pytest.raises((BadControl, Refused)) as refused:
            read(text, name)
        problems = problems_of(refused.value)
        assert {problem.pointer for problem in problems} == {"/inputs/control_points"}
        assert {problem.code for problem in problems} == {"bad-control"}
        return [problem.message for problem in problems]

    return told


def csv(*lines: str, head: str = HEAD) -> str:
    return "\n".join([head, *lines]) + "\n"


def test_a_point_has_one_line_for_each_image_that_shows_it(read):
    first, second = read(csv(*LINES))
    assert first == ControlPoint(
        "P1", 5.41, 43.29, 101.5, 0.2, 0.2, (10.5, 11.0), (20.25, 21.0), source="points.csv"
    )
    assert second == ControlPoint(
        "P2", 5.42, 43.28, 99.0, 0.3, 0.3, (None, 400.0), (None, 300.0), source="points.csv",
        check=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "row", "col"),
    [
        ("0-centre", "10", "20"),
        ("1-centre", "11", "21"),
        ("0-corner", "10.5", "20.5"),
        ("1-corner", "11.5", "21.5"),
        ("1-Corner", "11.5", "21.5"),
        ("0_center", "10", "20"),
    ],
)
def test_one_place_counted_from_any_origin_is_one_place(read, origin, row, col):
    (point,) = read(csv(f"P1,5.41,43.29,100,1,1,{row},{col},{origin},"))
    assert (point.row[0], point.col[0]) == (10.0, 20.0)


def test_the_order_of_columns_their_capitals_and_other_columns_do_not_matter(read):
    head = "Origin;col;row;image;HEIGHT;Latitude;longitude;remark;name"
    (point,) = read(csv("0-centre;20;10;IMG_fore;100,5;43,29;5,41;corner of a roof;P1", head=head))
    assert (point.name, point.lon, point.lat, point.height) == ("P1", 5.41, 43.29, 100.5)
    assert (point.row, point.col) == ((10.0, None), (20.0, None))


def test_lines_are_counted_as_in_the_file_with_its_comments_and_empty_lines(complaints):
    text = f"# surveyed in May\n{HEAD}\n\n{LINES[0]}\nP9,5.41,143.29,1,1,1,1,1,0-centre,\n"
    (told,) = complaints(text)
    assert "line 5: lat is 143.29; it has to be from -90 to 90" in told


def test_a_mark_of_the_byte_order_before_the_first_name_does_not_matter(read):
    assert len(read("\ufeff" + csv(*LINES))) == 2


def test_sigmas_of_height_and_pixel_are_taken_where_they_are_told(read):
    head = HEAD + ",height_sigma,pixel_sigma"
    (point,) = read(csv("P1,5.41,43.29,100,0.2,1,10,20,0-centre,no,0.6,0.15", head=head))
    assert (point.sigma_m, point.height_sigma_m, point.sigma_px) == (0.2, 0.6, 0.15)


def feature(**properties) -> dict:
    return {
        "type": "Feature",
        "id": "P1",
        "geometry": {"type": "Point", "coordinates": [5.41, 43.29, 101.5]},
        "properties": properties,
    }


def collection(*features: dict, **more) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features, **more})


def test_geojson_has_one_feature_for_each_point_with_the_images_that_show_it(read):
    images = [
        {"image": 1, "row": 10.5, "col": 20.25},
        {"image": "IMG_nadir", "row": 12, "col": 22, "origin": "1-centre"},
    ]
    (point,) = read(collection(feature(images=images, origin="0-centre", sigma=0.2)), "p.geojson")
    assert (point.name, point.lon, point.lat, point.height) == ("P1", 5.41, 43.29, 101.5)
    assert (point.row, point.col) == ((10.5, 11.0), (20.25, 21.0))
    assert (point.sigma_m, point.check) == (0.2, False)


def test_geojson_may_have_a_feature_for_each_point_and_image_and_the_height_as_a_property(read):
    places = [{"image": 1, "row": 10, "col": 20}, {"image": 2, "row": 11, "col": 21}]
    features = [
        feature(**place, id="P7", height=77, origin="0-centre", check=True) for place in places
    ]
    for each in features:
        each["geometry"]["coordinates"] = [5.41, 43.29]
    (point,) = read(collection(*features))
    assert (point.name, point.height, point.check) == ("P7", 77.0, True)
    assert point.row == (10.0, 11.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("id,lon,lat\nP1,5,43\n", "the first line names no height and no image and no row"),
        ('{"type": "FeatureCollection", "features": [', "the file is damaged JSON"),
        ('{"type": "Point", "coordinates": [5, 43]}', "no FeatureCollection"),
        (csv(), "there is no point in the file"),
        (csv("P1,5.41,43.29,,1,1,10,20,0-centre,"), "line 2: height is missing"),
        (csv("P1,5.41,43.29,high,1,1,10,20,0-centre,"), "line 2: height is 'high', which is no"),
        (csv("P1,5.41,43.29,nan,1,1,10,20,0-centre,"), "line 2: height is 'nan', which is no"),
        (csv("P1,5.41,43.29,10,0,1,10,20,0-centre,"), "line 2: sigma is 0; it has to be from"),
        (csv("P1,5.41,43.29,10,1,3,10,20,0-centre,"), "image '3' is 0 of the images 1 (IMG_fore)"),
        (csv("P1,5.41,43.29,10,1,IMG,10,20,0-centre,"), "image 'IMG' is 2 of the images"),
        (csv("P1,5.41,43.29,10,1,1,10,20,,"), "line 2: origin is missing"),
        (csv("P1,5.41,43.29,10,1,1,10,20,gdal,"), "origin is 'gdal'; it has to be one of 0-centre"),
        (csv("P1,5.41,43.29,10,1,1,1000,20,0-centre,"), "row 1000 lies outside the 1000 rows"),
        (csv("P1,5.41,43.29,10,1,1,10,20,0-centre,maybe"), "check is 'maybe'; it has to be yes"),
        (csv(LINES[0], LINES[0]), "line 3: the point P1 has a second place in image 1"),
        (
            csv(LINES[0], "P1,5.42,43.29,101.5,0.2,2,11,21,0-centre,"),
            "line 3: the point P1 was given before with other values",
        ),
        (collection(feature(image=1, row=1, col=2)), "feature 1: origin is missing"),
        (collection({"type": "Feature"}), "feature 1: id is missing"),
        (collection(feature(images=[])), "the point P1 has no place in any image"),
        (
            collection(feature(), crs={"properties": {"name": "EPSG:32631"}}),
            "not longitude and latitude on WGS 84",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(complaints, text, told):
    (message,) = complaints(text)
    assert told in message


def test_everything_that_is_wrong_is_told_at_once(complaints):
    found = complaints(csv("P1,5,43,x,1,1,1,1,0-centre,", LINES[0], "P3,5,99,1,1,1,1,1,0-centre,"))
    assert [text.partition(":")[0] for text in found] == [
        "Ground control points, line 2",
        "Ground control points, line 4",
    ]


def test_a_file_of_bytes_is_no_text(read, tmp_path):
    path = tmp_path / "points.csv"
    path.write_bytes(b"\xff\xfe\x00\x01" * 30)
    with pytest.raises(BadControl, match="no text in UTF-8"):
        control_points(path, FRAMES)


def test_a_datum_that_is_none_is_refused_where_the_request_names_the_file(read):
    text = csv("P1,5.41,43.29,10,1,1,10,20,0-centre,,sea", head=HEAD + ",datum")
    with pytest.raises(UnknownDatum, match="'sea' is no vertical") as refused:
        read(text)
    assert refused.value.pointer == "/inputs/control_points"


@pytest.mark.parametrize("origin", ORIGINS)
def test_points_that_were_simulated_lie_where_the_models_project_them(
    tmp_path, stereo_with_points, origin
):
    paths, points = stereo_with_points
    views = open_views(paths, scratch=tmp_path)
    lines = [
        f"{p.name},{p.lon!r},{p.lat!r},{p.height!r},0.1,{n + 1},{p.rows[n] - ORIGINS[origin]!r},"
        f"{p.cols[n] - ORIGINS[origin]!r},{origin},"
        for p in points
        for n in range(len(views))
    ]
    file = tmp_path / "points.csv"
    file.write_text(csv(*lines))
    frames = [ImageFrame(view.name, view.shape) for view in views]
    rpcs = [view.rpc for view in views]
    found = control_points(file, frames)
    assert len(found) == len(points)
    for point in found:
        residual = judged(rpcs, rpcs, point)
        assert residual.before_px < 0.005
        assert np.abs([residual.east_m, residual.north_m, residual.up_m]).max() < 0.01


@pytest.fixture(scope="module")
def stereo_with_points(tmp_path_factory) -> tuple[tuple[Path, ...], tuple]:
    stereo = make_stereo("plain", "pair", shape=(128, 128), seed=11, disturbances=CALM)
    points = simulated_points(stereo.truth(stereo.grid(1.0)), stereo.views, 4)
    return stereo.write(tmp_path_factory.mktemp("pair"), true_model=True), points


def test_the_examples_of_the_manual_are_read(read):
    manual = (Path(__file__).parents[3] / "docs" / "control-points.md").read_text()
    table, document = (
        read(re.search(rf"```{kind}\n(.*?)```", manual, re.DOTALL)[1]) for kind in ("csv", "json")
    )
    assert [point.name for point in table] == ["P1", "P2"]
    assert [point.check for point in table] == [False, True]
    assert document == table[:1]


def test_the_manual_tells_every_origin_and_where_it_puts_the_first_centre():
    manual = (Path(__file__).parents[3] / "docs" / "control-points.md").read_text()
    told = dict(re.findall(r"^\| `(\d-\w+)` \| has its centre at ([\d.]+),", manual, re.MULTILINE))
    assert {origin: -float(centre) for origin, centre in told.items()} == ORIGINS
