"""What no surface model can be made of: the reason in words, before anything is computed."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from core.errors import InputError, Refused, problems_of
from core.io.products.stereo import open_views
from core.pipelines.dsm_opt.inspection import inspect
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.images import pack
from core.simulate.stereo.making import make_stereo

WITHOUT_GRID = "EPSG:5798"
"""A geoid whose grid is published nowhere."""

CROP = {"crop_row": 0, "crop_column": 0, "crop_rows": 64, "crop_columns": 64}


@pytest.fixture(scope="module")
def delivery(tmp_path_factory) -> Path:
    """A delivery of two images, JPEG 2000 in tiles."""
    views = make_stereo("plain", "pair", shape=(96, 96), seed=11).views
    return write_dimap(tmp_path_factory.mktemp("delivery"), views, tile=64, jpeg2000=True).parent


@pytest.fixture
def refused(stereo):
    """The codes and messages of a request that is refused; its images as paths."""

    def told(*images: Path, **inputs) -> list[tuple[str, str, str]]:
        with pytest.raises(InputError) as error:
            inspect(*stereo(*images, **inputs))
        problems = problems_of(error.value)
        for problem in problems:
            assert problem.message.endswith((".", "?"))
            assert str(images[0].parent) not in problem.message
            assert problem.pointer.startswith("/inputs/")
        return [(problem.code, problem.pointer, problem.message) for problem in problems]

    return told


@pytest.fixture
def why(refused):
    """Code, pointer and message of a request with one thing wrong."""

    def told(*images: Path, **inputs) -> tuple[str, str, str]:
        (problem,) = refused(*images, **inputs)
        return problem

    return told


@pytest.fixture
def broken(delivery, tmp_path):
    """A copy of the delivery to be broken."""
    return Path(shutil.copytree(delivery, tmp_path / "broken" / delivery.name))


def only(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[0]


def href(path: Path) -> dict[str, str]:
    return {"href": path.as_uri()}


def test_the_delivery_as_it_is_can_be_used(stereo, delivery):
    assert len(inspect(*stereo(delivery))["images"]) == 2


def test_an_image_without_a_model(why, changed, plain_pair):
    bare = changed(plain_pair[1], "bare", rpcs=None)
    code, pointer, message = why(plain_pair[0], bare)
    assert (code, pointer) == ("rpc-missing", "/inputs/images/1")
    assert "bare.tif has no RPC: neither in its tags nor in a file beside it" in message


def test_a_delivery_whose_model_was_left_out(why, broken):
    only(broken, "RPC_*.XML").unlink()
    code, _, message = why(broken)
    assert code == "rpc-missing"
    assert "The RPC of PHR1A_P_" in message


def test_the_model_of_the_other_image(why, changed, plain_pair):
    code, pointer, message = why(plain_pair[0], changed(plain_pair[1], "b", model=plain_pair[0]))
    assert (code, pointer) == ("inconsistent-inputs", "/inputs/images/1")
    assert "that of one of them was given for the other" in message


def test_the_model_of_an_image_of_another_place(why, changed, plain_pair):
    away = changed(plain_pair[1], "b", model={"lat_off": 40.0})
    code, _, message = why(plain_pair[0], away)
    assert code == "no-overlap"
    assert "Is it the RPC of the uncropped image, or of another one?" in message


def test_the_model_of_the_uncropped_image(why, changed, plain_pair):
    crop = changed(plain_pair[1], "b", model={"line_off": 30000.0})
    code, pointer, message = why(plain_pair[0], crop)
    assert (code, pointer) == ("bad-rpc", "/inputs/images/1")
    assert "Is it the RPC of another image, or of the uncropped one?" in message


def test_two_images_from_one_direction(why, changed, plain_pair):
    code, _, message = why(plain_pair[0], changed(plain_pair[0], "b", model={"line_off": 60.5}))
    assert code == "out-of-range"
    assert "heights move nothing between them" in message


def test_one_image_twice(why, plain_pair, tmp_path):
    again = Path(shutil.copy(plain_pair[0], tmp_path / "again.tif"))
    code, pointer, message = why(plain_pair[0], again)
    assert (code, pointer) == ("inconsistent-inputs", "/inputs/images/1")
    assert "are the same image: it was given twice" in message


def test_the_same_delivery_as_a_folder_and_as_an_archive(why, delivery, tmp_path):
    copy = Path(shutil.copytree(delivery, tmp_path / delivery.name))
    code, _, message = why(delivery, pack(copy))
    assert code == "inconsistent-inputs"
    assert "are the same image: it was given twice" in message


def test_one_image_alone(why, plain_pair):
    code, _, message = why(plain_pair[0])
    assert code == "inconsistent-inputs"
    assert "one image makes no pair" in message


def test_a_truncated_jpeg_2000(why, broken):
    pixels = only(broken, "IMG_*_R1C1.JP2")
    pixels.write_bytes(pixels.read_bytes()[:-300])
    code, _, message = why(broken)
    assert code == "bad-raster"
    assert f"{pixels.name} is truncated" in message


def test_an_archive_of_two_products_of_which_one_is_broken(why, broken):
    missing = only(broken, "IMG_*-002_R2C1.JP2")
    missing.unlink()
    code, _, message = why(pack(broken))
    assert code == "incomplete-product"
    assert missing.name in message


def test_two_broken_products_are_told_at_once(refused, broken):
    only(broken, "IMG_*-002_R2C1.JP2").unlink()
    only(broken, "RPC_*-001.XML").unlink()
    assert sorted(code for code, _, _ in refused(broken)) == ["incomplete-product", "rpc-missing"]


def test_a_damaged_archive(why, plain_pair, broken):
    archive = pack(broken)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    code, pointer, _ = why(plain_pair[0], archive)
    assert (code, pointer) == ("bad-archive", "/inputs/images/1")


def test_an_archive_without_an_image(why, tmp_path):
    archive = tmp_path / "empty.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("README.TXT", "soon")
    code, _, message = why(archive)
    assert code == "unknown-format"
    assert "no image" in message


def test_an_orthorectified_product_by_its_level(why, broken):
    description = only(broken, "DIM_*-001.XML")
    text = description.read_text()
    assert "<PROCESSING_LEVEL>SENSOR<" in text
    description.write_text(text.replace("<PROCESSING_LEVEL>SENSOR<", "<PROCESSING_LEVEL>ORTHO<"))
    code, _, message = why(broken)
    assert code == "wrong-level"
    assert "is of the level ORTHO: its pixels lie on a map" in message


def test_an_orthorectified_image_by_its_projection(why, changed, plain_pair):
    mapped = changed(
        plain_pair[1], "b", crs="EPSG:32631", transform=Affine(0.5, 0, 6e5, 0, -0.5, 4.8e6)
    )
    code, pointer, message = why(plain_pair[0], mapped)
    assert (code, pointer) == ("wrong-level", "/inputs/images/1")
    assert "map-projected" in message


def test_an_area_that_no_image_sees(why, plain_pair):
    code, pointer, message = why(*plain_pair, aoi={"bbox": [10.0, 50.0, 10.01, 50.01]})
    assert (code, pointer) == ("no-overlap", "/inputs/aoi")
    assert "sees the area of interest" in message


def test_a_crop_that_leaves_the_image(why, plain_pair):
    code, pointer, message = why(*plain_pair, **{**CROP, "crop_row": 100})
    assert (code, pointer) == ("out-of-range", "/inputs/crop_row")
    assert "ends at row 164" in message
    assert "has 128 rows and 128 columns" in message


def test_a_crop_of_an_image_that_is_not_there(why, plain_pair):
    code, pointer, _ = why(*plain_pair, **CROP, reference="third")
    assert (code, pointer) == ("out-of-range", "/inputs/reference")


def test_a_crop_and_an_area_together(stereo, plain_pair):
    with pytest.raises(Refused, match="the one or the other"):
        stereo(*plain_pair, **CROP, aoi={"bbox": [4.6, 43.5, 4.61, 43.51]})


def test_a_pair_of_an_image_that_is_not_there(why, plain_pair):
    code, pointer, message = why(*plain_pair, pairs=["1-7"])
    assert (code, pointer) == ("out-of-range", "/inputs/pairs/0")
    assert "The pair 1-7 names image 7; there are 2." in message


def test_broken_ground_control(why, plain_pair, tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("id,lon,lat,height,image,row,col,origin\nP1,4.6,north,50,1,1,1,0-centre\n")
    code, pointer, message = why(*plain_pair, control_points=href(path))
    assert (code, pointer) == ("bad-control", "/inputs/control_points")
    assert "line 2: lat is 'north', which is no number" in message


def test_ground_control_with_latitude_before_longitude(why, plain_pair, tmp_path):
    (view,) = open_views(plain_pair[:1], scratch=tmp_path)
    path = tmp_path / "points.csv"
    path.write_text(
        "id,lon,lat,height,image,row,col,origin\n"
        f"P1,{view.rpc.lat_offset},{view.rpc.lon_offset},60,1,10,10,0-centre\n"
    )
    code, _, message = why(*plain_pair, control_points=href(path))
    assert code == "bad-control"
    assert "Are longitude and latitude swapped?" in message


@pytest.fixture
def elevation(write):
    def written(crs: str | None) -> dict[str, str]:
        heights = np.full((20, 20), 60, np.float32)
        return href(write("dem", heights, Affine(0.01, 0, 4.5, 0, -0.01, 43.6), crs))

    return written


def test_an_elevation_model_that_does_not_tell_where_it_lies(why, plain_pair, elevation):
    code, pointer, message = why(*plain_pair, dem=elevation(None))
    assert (code, pointer) == ("no-georeference", "/inputs/dem")
    assert "has no coordinate reference system" in message


def test_an_elevation_model_above_a_geoid_whose_grid_is_missing(why, plain_pair, elevation):
    code, pointer, message = why(*plain_pair, dem=elevation("EPSG:4326"), dem_datum=WITHOUT_GRID)
    assert (code, pointer) == ("grid-missing", "/inputs/dem_datum")
    assert "DIRACC.DAT" in message


def test_a_datum_of_the_results_whose_grid_is_missing(why, plain_pair):
    code, pointer, message = why(*plain_pair, datum=WITHOUT_GRID)
    assert (code, pointer) == ("grid-missing", "/inputs/datum")
    assert "which is not installed. Put it into" in message


def test_a_datum_that_is_no_height(why, plain_pair):
    code, pointer, _ = why(*plain_pair, datum="EPSG:32631")
    assert (code, pointer) == ("unknown-datum", "/inputs/datum")


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:2263", "EPSG:999999"])
def test_an_output_in_degrees_in_feet_or_nowhere(why, plain_pair, crs):
    code, pointer, message = why(*plain_pair, output_crs=crs)
    assert (code, pointer) == ("unsupported-grid", "/inputs/output_crs")
    assert f"{crs} is not a projected coordinate reference system in metres" in message


@pytest.mark.parametrize(("name", "height"), [("minimum_height", 9000), ("maximum_height", -900)])
def test_heights_that_the_models_do_not_know(why, plain_pair, name, height):
    code, pointer, message = why(*plain_pair, **{name: height})
    assert (code, pointer) == ("inconsistent-inputs", f"/inputs/{name}")
    assert "the models of the images are made for heights from" in message


@pytest.mark.parametrize("name", ["mask", "water"])
def test_a_mask_that_is_none(why, plain_pair, tmp_path, name):
    path = tmp_path / "mask.geojson"
    path.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature"')
    code, pointer, _ = why(*plain_pair, **{name: href(path)})
    assert (code, pointer) == ("unknown-format", f"/inputs/{name}")


def test_nothing_of_a_refused_request_is_staged(stereo, plain_pair):
    parameters, context = stereo(*plain_pair, datum=WITHOUT_GRID)
    with pytest.raises(InputError):
        inspect(parameters, context)
    assert not [path for path in context.workspace.scratch.rglob("*") if path.is_file()]
