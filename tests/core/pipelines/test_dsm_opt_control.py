"""Ground control beside the images and in their files, held against the delivered models."""

import numpy as np
import pytest
import rasterio

from core.errors import Inconsistent
from core.io.products.stereo import open_views
from core.pipelines.dsm_opt.embedded import control_misses, rms_px


def test_ground_control_comes_with_what_the_delivered_models_make_of_it(
    survey, plain_pair, surveyed
):
    (point,) = survey(*plain_pair, control_points=surveyed(0.0))["control_points"]
    assert (point["name"], point["check"]) == ("P1", False)
    assert point["distance_px"] == pytest.approx(0, abs=1e-3)
    assert point["up_m"] == pytest.approx(0, abs=1e-3)
    (point,) = survey(*plain_pair, control_points=surveyed(2.0))["control_points"]
    # Two rows in one of two images, root mean square.
    assert point["distance_px"] == pytest.approx(2 / np.sqrt(2), abs=1e-3)
    # Half a metre a pixel, and .26 m of parallax a metre of height.
    assert abs(point["up_m"]) == pytest.approx(2 * 0.5 / 0.26, rel=0.1)


def test_ground_control_that_is_all_held_out_is_told(survey, plain_pair, surveyed):
    notes = survey(*plain_pair, control_points=surveyed(0.0, "yes"))["missing"]
    assert any("All ground control points are held out" in note for note in notes)


def test_ground_control_in_the_file_of_an_image_is_compared_with_its_model(shared_data, tmp_path):
    path = shared_data / "stereo" / "orthority_qb2" / "qb2_basic1b.tif"
    (view,) = open_views([path], scratch=tmp_path)
    misses = control_misses(view)
    assert [miss.name for miss in misses] == ["1", "2", "3", "4", "5"]
    # Where rasterio, minus its half a pixel, projects the same points.
    with rasterio.open(path) as dataset:
        points = dataset.gcps[0]
        with rasterio.transform.RPCTransformer(dataset.rpcs) as model:
            rows, cols = model.rowcol(
                [p.x for p in points], [p.y for p in points], [p.z for p in points], op=float
            )
    for miss, point, row, col in zip(misses, points, rows, cols, strict=True):
        assert miss.row_px == pytest.approx(row - point.row, abs=0.01)
        assert miss.col_px == pytest.approx(col - point.col, abs=0.01)
    assert rms_px(misses) == pytest.approx(4.3, abs=0.1)


def test_a_quickbird_image_alone_is_refused_with_the_residuals_of_its_ground_control(
    survey, shared_data
):
    with pytest.raises(Inconsistent) as refused:
        survey(shared_data / "stereo" / "orthority_qb2" / "qb2_basic1b.tif")
    told = refused.value.message
    assert "one image makes no pair" in told
    assert "misses the 5 ground control points in its file by 4.3 pixels" in told
    assert "1: 4.4, 2: 4.2, 3: 4.2, 4: 4.4, 5: 4.4" in told
    assert "+2.6 rows and +3.5 columns" in told


def test_residuals_of_ground_control_in_files_are_reported_for_each_image(
    survey, changed, plain_pair, tmp_path
):
    (view,) = open_views(plain_pair[:1], scratch=tmp_path)
    ground = view.rpc.locate(30.0, 40.0, 60.0)
    point = rasterio.control.GroundControlPoint(
        # A GCP's place counts from the corner of the first pixel.
        row=31.5, col=40.5, x=float(ground.lon), y=float(ground.lat), z=60.0
    )  # fmt: skip
    marked = changed(plain_pair[0], plain_pair[0].stem, gcps=[point], crs="EPSG:4326")
    first, second = survey(marked, plain_pair[1])["images"]
    assert first["embedded_control"]["points"] == [
        {
            "name": "1",
            "row_px": pytest.approx(-1.0, abs=0.01),
            "column_px": pytest.approx(0, abs=0.01),
        }
    ]
    assert (
        "misses the 1 ground control point in its file by 1.0 pixels"
        in (first["embedded_control"]["text"])
    )
    assert "embedded_control" not in second
