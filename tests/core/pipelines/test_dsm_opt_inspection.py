"""What DSM-OPT tells of a request before the job."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from shapely.geometry import Point, shape

from core.errors import NoOverlap, TooLarge
from core.io.products.stereo import open_views
from core.pipelines.dsm_opt.inspection import inspect
from core.simulate.stereo.bundle import multispectral, panchromatic
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.making import make_stereo
from processes.components import SCHEMAS
from processes.contents import CONTENTS


def test_each_image_is_described_by_its_headers_and_its_model(survey, plain_pair):
    first, second = survey(*plain_pair)["images"]
    assert (first["number"], first["name"]) == (1, plain_pair[0].stem)
    assert first["time"].startswith("2024-06-18T10:41:52")
    assert (first["rows"], first["columns"], first["bits"]) == (128, 128, 16)
    assert first["gsd_m"] == pytest.approx(0.5, abs=0.01)
    assert first["incidence_deg"] == pytest.approx(7.5, abs=1.0)
    # One looks ahead, the other back.
    turn = (first["azimuth_deg"] - second["azimuth_deg"]) % 360
    assert turn == pytest.approx(180, abs=40)
    assert (first["pointer"], second["pointer"]) == ("/inputs/images/0", "/inputs/images/1")
    assert first["warnings"] == []


def test_the_footprint_is_the_ground_of_the_corners_at_the_models_mean_height(
    survey, plain_pair, tmp_path
):
    told = survey(*plain_pair)["images"][0]
    (view,) = open_views(plain_pair[:1], scratch=tmp_path)
    outline = shape(told["footprint"])
    assert told["footprint_height_m"] == view.rpc.height_offset
    for row, col, inside in ((0, 0, True), (127, 127, True), (-2, 64, False), (64, 129, False)):
        ground = view.rpc.locate(row, col, view.rpc.height_offset)
        assert outline.contains(Point(ground.lon, ground.lat)) == inside


def test_pairs_come_with_their_geometry_and_whether_they_are_matched(survey, plain_triplet):
    pairs = survey(*plain_triplet, pairs=["1-3"])["pairs"]
    assert {pair["key"]: pair["matched"] for pair in pairs} == {
        "1-2": False,
        "1-3": True,
        "2-3": False,
    }
    wide = pairs[1]
    assert (wide["first"], wide["second"]) == (plain_triplet[0].stem, plain_triplet[2].stem)
    assert wide["base_to_height"] == pytest.approx(0.23, abs=0.01)
    assert wide["convergence_deg"] == pytest.approx(13.1, abs=0.3)
    assert 0.8 < wide["overlap"] <= 1


def test_all_that_is_told_is_as_the_openapi_document_says(
    survey, plain_pair, changed, surveyed, complaints, plain_schema
):
    beside = changed(plain_pair[0], "beside", model={"line_off": 60.5})
    schema = plain_schema(CONTENTS["surfaceInspection"])
    components = {"schemas": plain_schema(SCHEMAS)}
    for told in (survey(*plain_pair, control_points=surveyed(1.0)), survey(*plain_pair, beside)):
        assert complaints({**schema, "components": components}, told) == []
        told_of = {"": told, "images": told["images"][0], "pairs": told["pairs"][0]}
        for name, found in told_of.items():
            known = schema["properties"][name]["items"] if name else schema
            assert found.keys() <= known["properties"].keys()


def test_a_pair_that_cannot_be_matched_says_why(survey, changed, plain_pair):
    beside = changed(plain_pair[0], "beside", model={"line_off": 60.5})
    pairs = {pair["key"]: pair for pair in survey(*plain_pair, beside)["pairs"]}
    assert pairs["1-3"]["problem"]["code"] == "out-of-range"
    assert "look from the same direction" in pairs["1-3"]["problem"]["message"]
    assert not pairs["1-3"]["matched"]
    assert "problem" not in pairs["1-2"]


def test_the_grid_is_that_of_the_area_on_multiples_of_the_resolution(survey, plain_pair, box):
    grid = survey(*plain_pair, aoi=box, resolution=0.7)["grid"]
    west, south, east, north = grid["bounds"]
    assert grid["exact"]
    assert grid["resolution_m"] == 0.7
    for edge in grid["bounds"]:
        assert edge / 0.7 == pytest.approx(round(edge / 0.7), abs=1e-6)
    to = Transformer.from_crs("OGC:CRS84", grid["crs"], always_xy=True)
    x, y = to.transform(*np.meshgrid(box["bbox"][::2], box["bbox"][1::2]))
    assert west <= x.min() < west + 0.7
    assert south <= y.min() < south + 0.7
    assert east - 0.7 < x.max() <= east
    assert north - 0.7 < y.max() <= north
    assert grid["crs_name"].startswith("WGS 84 / UTM zone")


def test_a_larger_area_takes_more_of_everything(survey, plain_pair, box):
    whole = survey(*plain_pair)["estimate"]
    part = survey(*plain_pair, aoi=box)["estimate"]
    for name in ("measured_pixels", "cells", "result_bytes", "disk_bytes"):
        assert 0 < part[name] < whole[name]
    assert part["cpu_seconds"] <= whole["cpu_seconds"]
    # Both see nearly all of 128 x 128 pixels.
    assert 0.8 * 128**2 < whole["measured_pixels"] <= 128**2
    assert whole["cells"] == pytest.approx(whole["measured_pixels"] / 4, rel=0.05)


def test_ground_that_three_pairs_see_is_measured_three_times_and_written_once(
    survey, plain_triplet
):
    one = survey(*plain_triplet, pairs=["1-2"])["estimate"]
    three = survey(*plain_triplet)["estimate"]
    assert three["measured_pixels"] == pytest.approx(3 * one["measured_pixels"], rel=0.1)
    assert three["cells"] == pytest.approx(one["cells"], rel=0.1)


@pytest.mark.parametrize("more", ["orthoimages", "point_cloud", "filled"])
def test_what_is_asked_for_on_top_takes_more_room(survey, plain_pair, more):
    assert (
        survey(*plain_pair, **{more: True})["estimate"]["result_bytes"]
        > survey(*plain_pair)["estimate"]["result_bytes"]
    )


def test_a_cloud_takes_room_by_the_pixels_that_are_matched_not_by_the_cells(survey, plain_pair):
    """While it is made and as a result; larger cells make the surface smaller, not the cloud."""
    room = {}
    for resolution in (1.0, 4.0):
        plain, cloud = (
            survey(*plain_pair, resolution=resolution, point_cloud=wanted)["estimate"]
            for wanted in (False, True)
        )
        pixels = plain["measured_pixels"]
        room[resolution] = [
            (cloud[name] - plain[name]) / pixels for name in ("result_bytes", "disk_bytes")
        ]
        assert room[resolution] == pytest.approx([7, 55], rel=0.02)
    assert room[4.0] == pytest.approx(room[1.0], rel=0.02)


def test_a_job_for_which_the_disk_has_no_room_is_refused(survey, plain_pair, monkeypatch):
    free = shutil.disk_usage("/")
    monkeypatch.setattr(
        "core.pipelines.dsm_opt.inspection.shutil.disk_usage", lambda _: free._replace(free=1000)
    )
    with pytest.raises(TooLarge, match="GB of disk"):
        survey(*plain_pair)


def test_a_job_for_which_there_is_too_little_memory_is_refused(stereo, plain_pair):
    parameters, context = stereo(*plain_pair)
    small = replace(context, compute=replace(context.compute, memory=100 << 20))
    with pytest.raises(TooLarge, match="GB of memory"):
        inspect(parameters, small)


def test_what_is_missing_is_told_in_words(survey, changed, plain_pair):
    undated = changed(plain_pair[1], "somewhen")
    notes = survey(plain_pair[0], undated, colour_orthoimages=True)["missing"]
    assert any("No time is told for somewhen" in note for note in notes)
    assert "No image comes with a cloud mask." in notes
    assert any("No multispectral image was given" in note for note in notes)
    assert any("Without ground control" in note and "one sigma" in note for note in notes)


def test_the_multispectral_image_of_a_bundle_is_named(survey, tmp_path):
    views = make_stereo("plain", "pair", shape=(64, 64), seed=11).views
    delivery = write_dimap(tmp_path, views, kinds=(panchromatic, multispectral)).parent
    found = survey(delivery, colour_orthoimages=True)
    assert all("_MS_" in image["multispectral"] for image in found["images"])
    assert [image["kind"] for image in found["images"]] == ["P", "P"]
    assert not any("multispectral" in note for note in found["missing"])


def test_eight_bits_are_warned_of(survey, changed, plain_pair):
    with rasterio.open(plain_pair[0]) as dataset:
        cut = np.clip(dataset.read() // 8, 1, 255).astype(np.uint8)
    told = survey(changed(plain_pair[0], "20240618T104152_byte", pixels=cut), plain_pair[1])
    (warning,) = told["images"][0]["warnings"]
    assert "has 8 bits" in warning


def test_the_heights_are_those_of_the_models_and_of_the_request(survey, plain_pair):
    whole = survey(*plain_pair)["heights"]
    assert whole["datum"] == "the WGS 84 ellipsoid"
    part = survey(*plain_pair, minimum_height=0, maximum_height=80)["heights"]
    assert (part["minimum_m"], part["maximum_m"]) == (0, 80)
    assert whole["minimum_m"] < 0
    assert whole["maximum_m"] > 80


def test_crops_with_the_model_of_the_whole_strip_are_refused_with_the_hint(survey, shared_data):
    folder = shared_data / "stereo" / "dimap_samples"
    with pytest.raises(NoOverlap) as refused:
        survey(folder / "wv3_20.NTF", folder / "wv3_30.NTF")
    assert "Is it the RPC of the uncropped image" in refused.value.message


@pytest.mark.parametrize("form", ["zip", "folder", "tiles"])
def test_three_deliveries_are_known_by_their_metadata_in_any_form(survey, shared_data, form):
    folder = shared_data / "stereo" / "dimap_fixture"
    names = ("6909081", "6909082", "6909083")
    if form == "tiles":
        given = [folder / names[0] / "VOL_PHR.XML", *(folder / f"{n}.zip" for n in names[1:])]
    else:
        given = [folder / (f"{name}.zip" if form == "zip" else name) for name in names]
    found = survey(*given)
    assert [image["sensor"] for image in found["images"]] == ["Pleiades 1A"] * 3
    assert [image["rows"] for image in found["images"]] == [1024, 1040, 1032]
    assert [pair["key"] for pair in found["pairs"] if pair["matched"]] == ["1-2", "1-3", "2-3"]
    assert found["grid"]["crs"] == "EPSG:32631"
    assert found["grid"]["resolution_m"] == 1.0
