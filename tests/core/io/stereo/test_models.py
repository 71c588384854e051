"""Every supplier's model, brought to centres of pixels counted from 0, as GDAL understands it."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from core.errors import BadMetadata, BadRpc
from core.io.products.stereo.files import Entry, Single
from core.io.products.stereo.models import read_model
from core.simulate.stereo.worldview import rpc_text, write_worldview


def model(path: Path):
    return read_model(Entry(Single(path), path.name, "/inputs/images/0"))


DIMAP = "dimap_samples/RPC_PHR1A_P_202503191043438_SEN_7342362101-1.XML"
MIDDLES = [
    # Rows and columns of the whole image as its model's domain tells them, where it tells them.
    (DIMAP, 135_312, 33_253, 49.7, 2.92),
    ("dimap_samples/rpcm_rpc_files/rpc_PLEIADES.xml", 36_176, 40_000, -34.86, -56.17),
    ("dimap_samples/rpcm_rpc_files/rpc_SPOT6.xml", 24_777 - 1, 21_953 - 1, 18.57, -72.27),
    ("dimap_samples/PHRDIMAP_P1BP--2018122638935449CP.XML", 38_248, 40_000, 31.02, 2.23),
    ("dimap_samples/rpcm_rpc_files/rpc_WV3.xml", 23_969, 35_179, 26.79, 80.99),
    ("dimap_samples/rpcm_rpc_files/rpc_WV1.xml", 26_828, 35_180, 50.97, 4.36),
]


@pytest.mark.shared
@pytest.mark.parametrize(("sample", "rows", "cols", "lat", "lon"), MIDDLES)
def test_the_middle_of_a_real_model_is_the_middle_of_its_image(
    samples, sample, rows, cols, lat, lon
):
    rpc = model(samples / sample)
    assert rpc.row_offset == pytest.approx((rows - 1) / 2, abs=0.51 if "WV" in sample else 0.01)
    assert rpc.col_offset == pytest.approx((cols - 1) / 2, abs=0.51 if "WV" in sample else 0.01)
    assert rpc.lat_offset == pytest.approx(lat, abs=0.1)
    assert rpc.lon_offset == pytest.approx(lon, abs=0.1)
    seen = rpc.project(rpc.lon_offset, rpc.lat_offset, rpc.height_offset)
    assert abs(seen.row - rpc.row_offset) < 0.1 * rpc.row_scale
    assert abs(seen.col - rpc.col_offset) < 0.1 * rpc.col_scale


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "row", "col"),
    [
        ("rpc_IKONOS.txt", 5124, 6334),
        ("rpc_PLANET_L1A.txt", 540.400296515938, 1280.40012503907),
        ("rpc_PLANET_L1B.txt", 675, 1600),
        ("20191015_073816_ssc1d3_0011_basic_l1a_panchromatic_dn_RPC.TXT", 539.48675, 1293.51565),
    ],
)
def test_lines_of_name_and_number_count_from_0(samples, name, row, col):
    rpc = model(samples / "dimap_samples/rpcm_rpc_files" / name)
    assert (rpc.row_offset, rpc.col_offset) == (row, col)
    assert len(rpc.row_numerator) == 20


@pytest.mark.shared
def test_a_strip_that_begins_at_row_minus_27_is_not_moved_by_it(samples):
    path = samples / "dimap_samples/RPC_PHR1B_P_201308051042194_SEN_690908101-001.XML"
    text = path.read_text()
    assert "<FIRST_ROW>-27</FIRST_ROW>" in text
    rpc = model(path)
    offset = float(text.split("<LINE_OFF>")[1].split("<")[0])
    assert rpc.row_offset == offset - 1


@pytest.mark.shared
def test_errors_of_fit_are_no_accuracy_on_the_ground(samples):
    assert model(samples / DIMAP).error_bias_m is None
    worldview = model(samples / "dimap_samples/rpcm_rpc_files/rpc_WV3.xml")
    assert worldview.error_bias_m == pytest.approx(14.99)


NEO = """<Dimap_Document version="3.0"><Metadata_Identification>
<METADATA_FORMAT version="{version}">DIMAP</METADATA_FORMAT>
<METADATA_PROFILE>{profile}</METADATA_PROFILE></Metadata_Identification>
<Rational_Function_Model><Global_RFM><RFM_Validity>
<LONG_SCALE>.1</LONG_SCALE><LONG_OFF>45</LONG_OFF><LAT_SCALE>.1</LAT_SCALE><LAT_OFF>12</LAT_OFF>
<HEIGHT_SCALE>500</HEIGHT_SCALE><HEIGHT_OFF>450</HEIGHT_OFF>
<SAMP_SCALE>5864</SAMP_SCALE><SAMP_OFF>5864</SAMP_OFF>
<LINE_SCALE>6084</LINE_SCALE><LINE_OFF>6084</LINE_OFF>
<{domain}><FIRST_ROW>7</FIRST_ROW><FIRST_COL>-8</FIRST_COL></{domain}>
</RFM_Validity><{model}>{numbers}</{model}></Global_RFM></Rational_Function_Model></Dimap_Document>
"""
NUMBERS = "".join(
    f"<{axis}_{part}_COEFF_{n}>{int(n == one)}</{axis}_{part}_COEFF_{n}>"
    for axis, one in (("SAMP", 2), ("LINE", 3))
    for part, one in (("NUM", one), ("DEN", 1))
    for n in range(1, 21)
)
OLD_NAMES = {"model": "Inverse_Model", "domain": "Direct_Model_Validity_Domain"}
NEW_NAMES = {"model": "GroundtoImage_Values", "domain": "ImagetoGround_Validity_Domain"}


@pytest.mark.parametrize(
    ("version", "profile", "names", "origin"),
    [
        ("2.15", "PHR_SENSOR", OLD_NAMES, 1),
        ("2.0", "S6_SENSOR", OLD_NAMES, 1),
        ("3.0", "PNEO_SENSOR", NEW_NAMES, 0),
        # The format's number says 2.0 in products of Pleiades Neo too.
        ("2.0", "PNEO_SENSOR", NEW_NAMES, 0),
    ],
)
def test_dimap_counts_from_1_but_for_pleiades_neo(tmp_path, version, profile, names, origin):
    path = tmp_path / "RPC_x.XML"
    path.write_text(NEO.format(version=version, profile=profile, numbers=NUMBERS, **names))
    rpc = model(path)
    assert (rpc.row_offset, rpc.col_offset) == (6084 - origin, 5864 - origin)


def stock(image: Path):
    with rasterio.open(image) as dataset:
        return dataset.rpcs


@pytest.mark.parametrize("ending", [".RPB", "_RPC.TXT"])
def test_gdal_reads_the_same_model_beside_an_image(tmp_path, pair, ending):
    folder = tmp_path / "order"
    til = write_worldview(folder, pair[0])
    side = tmp_path / f"image{ending}"
    if ending == ".RPB":
        side.write_text(til.with_suffix(".RPB").read_text())
    else:
        side.write_text(rpc_text(pair[0].camera.rpc))
    image = tmp_path / "image.tif"
    image.write_bytes(next(til.parent.glob("*R1C1*.TIF")).read_bytes())
    rpc, known = model(side), stock(image)
    assert (rpc.row_offset, rpc.col_offset) == (known.line_off, known.samp_off)
    np.testing.assert_allclose(rpc.row_numerator, known.line_num_coeff, rtol=1e-14)
    np.testing.assert_allclose(rpc.col_denominator, known.samp_den_coeff, rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "error", "word"),
    [
        ("LINE_OFF: 12 pixels\n", BadRpc, "SAMP_OFF"),
        ("LINE_OFF: twelve\n", BadRpc, "LINE_OFF"),
        ("nothing of the kind", BadRpc, "lacks"),
        ("<VRTDataset/>", BadRpc, "no RPC"),
        ("<isd><IMD/></isd>", BadRpc, "no RPC"),
        ("<Dimap_Document/>", BadRpc, "one model"),
        ("<isd><RPB><SPECID>RPC00A</SPECID></RPB></isd>", BadRpc, "RPC00A"),
        ('BEGIN_GROUP = IMAGE\n SpecId = "RPC00A";', BadRpc, "RPC00A"),
        ("BEGIN_GROUP = IMAGE\n lineOffset = 3;\nEND;", BadRpc, "SAMP_OFF"),
        ("<isd>", BadMetadata, "well-formed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', BadMetadata, "entity"),
    ],
)
def test_what_is_no_model_is_refused_in_words(tmp_path, text, error, word):
    path = tmp_path / "x_RPC.TXT"
    path.write_text(text)
    with pytest.raises(error, match=word) as caught:
        model(path)
    assert caught.value.pointer == "/inputs/images/0"


def test_a_scale_of_0_names_the_file(tmp_path, pair):
    path = tmp_path / "x_RPC.TXT"
    text = rpc_text(pair[0].camera.rpc)
    scale = text.split("LINE_SCALE: ")[1].split()[0]
    path.write_text(text.replace(f"LINE_SCALE: {scale}", "LINE_SCALE: 0"))
    with pytest.raises(BadRpc, match=r"x_RPC\.TXT.*row_scale is 0"):
        model(path)
