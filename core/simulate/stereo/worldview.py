"""Deliveries of WorldView at level 1B, and the side files and NITF that others use too.

The RPB and the ISD in XML belong to the whole image: a tile by itself has no model, and only the
.TIL says where it lies.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile
from rasterio.rpc import RPC

from core.simulate.stereo.geotiff import write_geotiff
from core.simulate.stereo.images import picture, tiles, write_pixels
from core.simulate.stereo.light import SUN_AZIMUTH_DEG, SUN_ELEVATION_DEG
from core.simulate.stereo.making import SPEED_M_S
from core.simulate.stereo.markup import Element, element, write_xml
from core.simulate.stereo.views import View

SATELLITE = "WV03"

Group = Sequence[tuple[str, object]]
"""Names and values of a group, in their order; a list of numbers is printed one to a line."""


def write_worldview(
    directory: Path, view: View, *, order: str = "052783824050_01", part: int = 1, tile: int = 8192
) -> Path:
    """Write one image of an order: tiles R1C1, …, .TIL, .IMD, .RPB and .XML.

    Returns
    -------
    Path
        The .TIL.
    """
    folder = directory / order / f"{order}_P{part:03d}_PAN"
    folder.mkdir(parents=True)
    stamp, product = f"{view.time:%y%b%d%H%M%S}".upper(), f"{order}_P{part:03d}"
    name = f"{stamp}-P1BS-{product}"
    files = tiles(folder, f"{stamp}-P1BS", view.image, tile)
    renamed = [
        [path.rename(path.with_name(f"{path.stem}-{product}.TIF")) for path in line]
        for line in files
    ]
    picture(folder / f"{name}-BROWSE.JPG", view.image, 1000)
    (folder / f"{name}.RPB").write_text(_blocks(_rpb(view.camera.rpc)))
    (folder / f"{name}.IMD").write_text(_blocks(_imd(view, product)))
    write_xml(folder / f"{name}.XML", _isd(view, product))
    til = folder / f"{name}.TIL"
    til.write_text(_blocks(_til(view, renamed, tile)))
    return til


def write_rpc_text(path: Path, view: View, *, capitals: bool = True) -> Path:
    """Write a TIFF without a model, and the model beside it as ``_RPC.TXT`` or ``_rpc.txt``.

    Returns
    -------
    Path
        The TIFF.
    """
    write_pixels(path, view.image, compress="deflate")
    ending = "_RPC.TXT" if capitals else "_rpc.txt"
    path.with_name(path.stem + ending).write_text(rpc_text(view.camera.rpc))
    return path


def rpc_text(rpc: RPC) -> str:
    """A model as lines of name, number and unit."""
    single = (
        ("LINE_OFF", f"{rpc.line_off:+010.2f} pixels"),
        ("SAMP_OFF", f"{rpc.samp_off:+010.2f} pixels"),
        ("LAT_OFF", f"{rpc.lat_off:+012.8f} degrees"),
        ("LONG_OFF", f"{rpc.long_off:+013.8f} degrees"),
        ("HEIGHT_OFF", f"{rpc.height_off:+09.3f} meters"),
        ("LINE_SCALE", f"{rpc.line_scale:+010.2f} pixels"),
        ("SAMP_SCALE", f"{rpc.samp_scale:+010.2f} pixels"),
        ("LAT_SCALE", f"{rpc.lat_scale:+012.8f} degrees"),
        ("LONG_SCALE", f"{rpc.long_scale:+013.8f} degrees"),
        ("HEIGHT_SCALE", f"{rpc.height_scale:+09.3f} meters"),
    )
    lines = [f"{name}: {value}" for name, value in single]
    for name in ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN"):
        values = getattr(rpc, f"{name.lower()}_coeff")
        lines += [f"{name}_COEFF_{n}: {value:+.15E}" for n, value in enumerate(values, start=1)]
    return "\n".join(lines) + "\n"


def write_nitf(path: Path, view: View) -> Path:
    """Write a NITF 2.1 whose RPC00B extension holds the model."""
    with MemoryFile(ext=".tif") as memory:
        write_geotiff(Path(memory.name), view)
        # All that is to be known stands in the file itself.
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), memory.open() as source:
            rasterio.shutil.copy(source, path, driver="NITF", rpc00b="yes", rpctxt="no")
    return path


def _blocks(lines: Iterable[tuple[str, object]]) -> str:
    """Text of names and values, groups between BEGIN_GROUP and END_GROUP."""
    return "\n".join(_written(lines, "")) + "\nEND;\n"


def _written(lines: Iterable[tuple[str, object]], indent: str) -> list[str]:
    written = []
    for name, value in lines:
        if isinstance(value, tuple):
            written.append(f"{indent}BEGIN_GROUP = {name}")
            written += _written(value, indent + "\t")
            written.append(f"{indent}END_GROUP = {name}")
        elif isinstance(value, list):
            numbers = ",\n".join(f"{indent}\t\t{number:+.15E}" for number in value)
            written.append(f"{indent}{name} = (\n{numbers});")
        else:
            written.append(f"{indent}{name} = {value};")
    return written


def _rpb(rpc: RPC) -> Group:
    return (
        ("satId", f'"{SATELLITE}"'),
        ("bandId", '"P"'),
        ("SpecId", '"RPC00B"'),
        ("IMAGE", tuple(_model(rpc))),
    )


def _model(rpc: RPC) -> list[tuple[str, object]]:
    return [
        ("errBias", rpc.err_bias),
        ("errRand", rpc.err_rand),
        ("lineOffset", int(rpc.line_off)),
        ("sampOffset", int(rpc.samp_off)),
        ("latOffset", rpc.lat_off),
        ("longOffset", rpc.long_off),
        ("heightOffset", int(rpc.height_off)),
        ("lineScale", int(rpc.line_scale)),
        ("sampScale", int(rpc.samp_scale)),
        ("latScale", rpc.lat_scale),
        ("longScale", rpc.long_scale),
        ("heightScale", int(rpc.height_scale)),
        ("lineNumCoef", list(rpc.line_num_coeff)),
        ("lineDenCoef", list(rpc.line_den_coeff)),
        ("sampNumCoef", list(rpc.samp_num_coeff)),
        ("sampDenCoef", list(rpc.samp_den_coeff)),
    ]


def _image(view: View) -> list[tuple[str, object]]:
    """What is said of the acquisition."""
    half = timedelta(seconds=view.camera.shape[0] / 2 * view.camera.gsd / SPEED_M_S)
    viewing, gsd = view.camera.viewing, view.camera.gsd
    return [
        ("satId", f'"{SATELLITE}"'),
        ("mode", '"FullSwath"'),
        ("scanDirection", '"Forward"'),
        ("firstLineTime", f"{view.time - half:%Y-%m-%dT%H:%M:%S.%f}Z"),
        ("meanCollectedRowGSD", gsd),
        ("meanCollectedColGSD", gsd),
        ("meanProductGSD", gsd),
        ("meanSunAz", SUN_AZIMUTH_DEG),
        ("meanSunEl", SUN_ELEVATION_DEG),
        ("meanSatAz", round(viewing.azimuth_deg, 4)),
        ("meanSatEl", round(90.0 - viewing.incidence_deg, 4)),
        ("cloudCover", -999),
    ]


def _product(view: View, product: str) -> list[tuple[str, object]]:
    rows, cols = view.camera.shape
    return [
        ("version", '"28.4"'),
        ("productOrderId", f'"{product}"'),
        ("imageDescriptor", '"Stereo1B"'),
        ("bandId", '"P"'),
        ("numRows", rows),
        ("numColumns", cols),
        ("productLevel", '"Stereo 1B"'),
        ("productType", '"Stereo"'),
        ("radiometricLevel", '"Corrected"'),
        ("bitsPerPixel", 16),
        ("compressionType", '"None"'),
        ("outputFormat", '"GeoTIFF"'),
    ]


def _imd(view: View, product: str) -> Group:
    return (*_product(view, product), ("IMAGE_1", tuple(_image(view))))


def _til(view: View, files: list[list[Path]], size: int) -> Group:
    rows, cols = view.camera.shape
    groups: list[tuple[str, object]] = []
    for i, line in enumerate(files):
        for j, path in enumerate(line):
            corners = (
                ("filename", f'"{path.name}"'),
                ("ULColOffset", j * size),
                ("ULRowOffset", i * size),
                ("LRColOffset", min((j + 1) * size, cols) - 1),
                ("LRRowOffset", min((i + 1) * size, rows) - 1),
            )
            groups.append((f"TILE_{len(groups) + 1}", corners))
    return (
        ("bandId", '"P"'),
        ("numTiles", len(groups)),
        ("tileSizeX", size),
        ("tileSizeY", size),
        ("tileUnits", '"Pixels"'),
        ("tileOverlap", 0),
        *groups,
    )


def _isd(view: View, product: str) -> Element:
    """The same once more as one XML, names in capitals."""
    model = [
        element(f"{name.upper()}List", element(name.upper(), " ".join(map(_number, value))))
        if isinstance(value, list)
        else _tag(name, value)
        for name, value in _model(view.camera.rpc)
    ]
    return element(
        "isd",
        element(
            "IMD",
            *(_tag(name, value) for name, value in _product(view, product)),
            element("IMAGE", *(_tag(name, value) for name, value in _image(view))),
        ),
        element(
            "RPB",
            element("SATID", SATELLITE),
            element("BANDID", "P"),
            element("SPECID", "RPC00B"),
            element("IMAGE", *model),
        ),
    )


def _tag(name: str, value: object) -> Element:
    return element(name.upper(), str(value).strip('"'))


def _number(value: float) -> str:
    return f"{value:.15e}"
