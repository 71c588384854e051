"""Values of inputs: what is taken for which type, wrapped, repeated; areas and references."""

import json
from datetime import date

import pytest

from core import declare
from core.declare import BoxArea, SourcePolicy


@pytest.mark.parametrize("value", ["15", 15.5, True, [15], {"v": 15}, None])
def test_nothing_is_taken_for_a_whole_number_that_is_none(trial, value):
    assert trial.codes({"inputs": {"window": value}}) == {"/inputs/window": "wrong-type"}


@pytest.mark.parametrize("value", [86400, "86400", "2020-1-1", "2020-01-01T00:00:00", "20200101"])
def test_nothing_is_taken_for_a_date_that_is_none(trial, value):
    assert trial.codes({"inputs": {"day": value}}) == {"/inputs/day": "wrong-type"}


class TestQualifiedValues:
    def test_a_value_may_be_wrapped(self, trial):
        found = trial.given_inputs(
            window={"value": 7},
            day={"value": "2020-01-01", "mediaType": "text/plain"},
            days=[{"value": "2020-01-01"}, "2020-01-02"],
            area={"value": {"bbox": [1, 2, 3, 4]}, "format": {"mediaType": "application/json"}},
        ).parameters
        assert found.window == 7
        assert found.days == (date(2020, 1, 1), date(2020, 1, 2))
        assert found.area == BoxArea(bbox=(1, 2, 3, 4))

    def test_its_place_is_that_of_the_value_inside(self, trial):
        found = trial.codes(
            {"inputs": {"window": {"value": 4}, "days": ["2020-01-01", {"value": 5}]}}
        )
        assert found == {
            "/inputs/window/value": "out-of-range",
            "/inputs/days/1/value": "wrong-type",
        }

    def test_its_format_has_to_fit(self, trial):
        found = trial.codes(
            {
                "inputs": {
                    "window": {"value": 7, "mediaType": "image/tiff"},
                    "share": {"value": 0.5, "encoding": 5},
                    "day": {"value": "2020-01-01", "format": "text"},
                }
            }
        )
        assert found == {
            "/inputs/window/mediaType": "out-of-range",
            "/inputs/share/encoding": "wrong-type",
            "/inputs/day/format": "wrong-type",
        }

    def test_a_file_is_never_a_value(self, trial):
        assert trial.codes({"inputs": {"image": {"value": "AAAA"}}}) == {
            "/inputs/image/href": "missing-input",
            "/inputs/image/value": "unknown-input",
        }


def test_an_input_that_occurs_several_times_may_be_given_alone(trial):
    assert trial.given_inputs(days="2020-01-01").parameters.days == (date(2020, 1, 1),)
    assert trial.codes({"inputs": {"days": "x"}}) == {"/inputs/days": "wrong-type"}


def test_the_number_of_occurrences_is_limited(trial):
    assert trial.codes({"inputs": {"days": ["2020-01-01"] * 4}}) == {"/inputs/days": "out-of-range"}


def test_more_scenes_than_the_policy_allows_are_refused(trial):
    images = [{"href": "upload:1"}] * 3
    assert trial.codes({"inputs": {"images": images}}) == {"/inputs/images": "too-large"}


class TestAreas:
    @pytest.mark.parametrize(
        ("area", "where"),
        [
            ({"bbox": [3, 2, 1, 4]}, "/inputs/area/bbox"),
            ({"bbox": [1, 4, 3, 2]}, "/inputs/area/bbox"),
            ({"bbox": [1, 2, 1, 4]}, "/inputs/area/bbox"),
            ({"bbox": [100, 2, 181, 4]}, "/inputs/area/bbox"),
            ({"bbox": [1, 2, 3, 91]}, "/inputs/area/bbox"),
            ({"bbox": [1, 2, 3, 4, 5, 6]}, "/inputs/area/bbox"),
            ({"bbox": [1, 2, 3, "4"]}, "/inputs/area/bbox/3"),
            ({"bbox": [1, 2, 3, 4], "crs": "EPSG:32633"}, "/inputs/area/crs"),
            (
                {"bbox": [1, 2, 3, 4], "crs": "http://www.opengis.net/def/crs/EPSG/0/4326"},
                "/inputs/area/crs",
            ),
            (
                {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
                "/inputs/area/coordinates/0",
            ),
            (
                {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 95], [0, 0]]]},
                "/inputs/area/coordinates/0/2",
            ),
            ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0]]]}, "/inputs/area/coordinates/0"),
            ({"type": "Point", "coordinates": [0, 0]}, "/inputs/area/type"),
        ],
    )
    def test_an_area_that_is_none_is_refused_at_its_place(self, trial, area, where):
        assert where in trial.problems({"inputs": {"area": area}})

    def test_a_box_in_a_projected_system_may_have_any_numbers(self, trial):
        crs = "http://www.opengis.net/def/crs/EPSG/0/32633"
        found = trial.given_inputs(
            area={"bbox": [4e5, 5.7e6, 4.1e5, 5.8e6], "crs": crs}
        ).parameters.area
        assert found.crs == crs
        assert found.rings[0][0] == (4e5, 5.7e6)

    def test_a_polygon_keeps_its_rings(self, trial):
        ring = [[0, 0], [2, 0], [2, 2], [0, 0]]
        area = trial.given_inputs(area={"type": "Polygon", "coordinates": [ring]}).parameters.area
        assert area.rings == (((0, 0), (2, 0), (2, 2), (0, 0)),)
        assert area.crs == declare.CRS84


class TestSources:
    @pytest.mark.parametrize(
        "href",
        [
            "https://example.org/a.tif",
            "https://127.0.0.1:8080/a.tif?token=x",
            "https://8.8.8.8/a.tif",
            "upload:3f2a-77",
            "job:3f2a-77/displacement_east",
            "job:3f2a-77/displacement_east/20160529_20160608",
            "file:///data/a.tif",
            "file:///data/sub/a%20b.tif",
            "file://localhost/data/a.tif",
        ],
    )
    def test_a_reference_that_the_policy_allows_is_taken(self, trial, href):
        assert (
            trial.given_inputs(image={"href": href, "type": "image/tiff"}).parameters.image.href
            == href
        )

    @pytest.mark.parametrize(
        "href",
        [
            "file:///etc/passwd",
            "file:///data/../etc/passwd",
            "file:///data/%2e%2e/etc/passwd",
            "file:///database/a.tif",
            "file://host/data/a.tif",
            "file:data/a.tif",
            "/data/a.tif",
            "a.tif",
            "http://example.org/a.tif",
            "https://169.254.169.254/latest",
            "https://10.0.0.1/a.tif",
            "https://[::1]/a.tif",
            "https://[::ffff:169.254.169.254]/a.tif",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
            "https:///a.tif",
            "https://[zz]/a.tif",
            "https://example.org:99999/a.tif",
            "s3://bucket/a.tif",
            "/vsicurl/https://example.org/a.tif",
            "upload:../x",
            "upload:",
            "job:1",
            "job:1/a/b/c",
            "https://example.org/a b.tif",
            "https://example.org/a\n.tif",
        ],
    )
    def test_any_other_reference_is_refused_at_its_href(self, trial, href):
        assert trial.codes({"inputs": {"image": {"href": href}}}) == {
            "/inputs/image/href": "source-refused"
        }

    def test_without_roots_no_file_is_read_by_path(self, trial):
        document = {"inputs": {"image": {"href": "file:///data/a.tif"}}}
        assert trial.codes(document, SourcePolicy()) == {"/inputs/image/href": "source-refused"}

    def test_credentials_and_queries_are_not_repeated(self, trial):
        href = "https://me:secret@10.0.0.1/a.tif?token=secret"
        (problem,) = trial.problems({"inputs": {"image": {"href": href}}}).values()
        assert "secret" not in json.dumps(problem.as_dict())
