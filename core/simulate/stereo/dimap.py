"""Deliveries in DIMAP: Pleiades and SPOT 6/7 (version 2), Pleiades Neo (version 3).

Version 2 calls the centre of the first pixel (1, 1), version 3 calls it (0, 0).  The ground's pixel
is half a metre whatever the satellite's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from rasterio.rpc import RPC

from core.simulate.stereo.bundle import PANCHROMATIC, Product, panchromatic
from core.simulate.stereo.clouds import cloud_mask
from core.simulate.stereo.images import picture, tiles
from core.simulate.stereo.light import SUN_AZIMUTH_DEG, SUN_ELEVATION_DEG
from core.simulate.stereo.making import SPEED_M_S
from core.simulate.stereo.markup import Element, element, linked, write_xml
from core.simulate.stereo.rational import Fraction
from core.simulate.stereo.sensor import BITS, SATURATED
from core.simulate.stereo.views import View

FIT_PX = 0.001
"""What DIMAP calls the model's error: how well it fits the camera, not where the ground lies."""


@dataclass(frozen=True)
class Form:
    """How one family of satellites is delivered.

    Parameters
    ----------
    mission, index
        As in the sources: PHR and 1A.
    satellite, pan
        As in the names of files, of panchromatic ones.
    profile
        Of the metadata.
    version
        Of DIMAP.
    origin
        Row and column of the centre of the first pixel.
    volume
        Name of the file that lists the products.
    models
        Names of the ways from the image to the ground and back.
    errors
        Names of the model's errors along rows and columns.
    """

    mission: str
    index: str
    satellite: str
    pan: str
    profile: str
    version: str
    origin: int
    volume: str
    models: tuple[str, str]
    errors: tuple[str, str]

    def band(self, kind: str) -> str:
        """What the satellite's names call a kind of product."""
        return self.pan if kind == PANCHROMATIC else kind

    def product(self, product: Product, job: str, number: int) -> str:
        """Name of a product: satellite, band, time, level, order and number."""
        time = product.view.time
        stamp = f"{time:%Y%m%d%H%M%S}{time.microsecond // 100_000}"
        return f"{self.satellite}_{self.band(product.kind)}_{stamp}_SEN_{job}-{number:03d}"


_OLD = (("Direct_Model", "Inverse_Model"), ("ERR_BIAS_ROW", "ERR_BIAS_COL"))
_NEW = (("ImagetoGround_Values", "GroundtoImage_Values"), ("ERR_BIAS_Y", "ERR_BIAS_X"))
PLEIADES = Form("PHR", "1A", "PHR1A", "P", "PHR_SENSOR", "2.15", 1, "VOL_PHR.XML", *_OLD)
SPOT = Form("SPOT", "6", "SPOT6", "P", "S6_SENSOR", "2.15", 1, "SPOT_VOL.XML", *_OLD)
PLEIADES_NEO = Form("PNEO", "3", "PNEO3", "PAN", "PNEO_SENSOR", "3.0", 0, "VOL_PNEO.XML", *_NEW)


def write_dimap(
    directory: Path,
    views: tuple[View, ...],
    form: Form = PLEIADES,
    *,
    job: str = "7342362101",
    tile: int = 4096,
    jpeg2000: bool = False,
    kinds: tuple[Callable[[View], Product], ...] = (panchromatic,),
) -> Path:
    """Write a delivery of one product per view, or of several.

    Parameters
    ----------
    directory
        Gets a folder named by the order `job`.
    tile
        Rows and columns of a file of pixels.
    jpeg2000
        Whether pixels are losslessly compressed JPEG 2000 instead of TIFF.
    kinds
        What is made of every view: a bundle is ``(panchromatic, multispectral)``.

    Returns
    -------
    Path
        The file that lists the products.
    """
    root = directory / job
    documents = []
    products = [make(view) for view in views for make in kinds]
    for number, product in enumerate(products, start=1):
        name, band = form.product(product, job, number), form.band(product.kind)
        folder = root / f"IMG_{form.satellite}_{band}_{number:03d}"
        (folder / "MASKS").mkdir(parents=True)
        files = tiles(folder, f"IMG_{name}", product.pixels, tile, jpeg2000=jpeg2000)
        picture(folder / f"PREVIEW_{name}.JPG", product.pixels, 1000)
        picture(folder / f"ICON_{name}.JPG", product.pixels, 128)
        write_xml(folder / "MASKS" / f"CLD_{name}_MSK.GML", cloud_mask(product.view, form.origin))
        write_xml(folder / f"RPC_{name}.XML", _model(form, product.view))
        layout = _raster(product, files, tile, jpeg2000=jpeg2000)
        document = write_xml(folder / f"DIM_{name}.XML", _product(form, product, name, layout))
        documents.append((name, document.relative_to(root).as_posix()))
    return write_xml(root / form.volume, _volume(form, job, documents))


def _identification(form: Form, profile: str, subprofile: str) -> Element:
    return element(
        "Metadata_Identification",
        element("METADATA_FORMAT", "DIMAP", version=form.version),
        element("METADATA_PROFILE", profile),
        element("METADATA_SUBPROFILE", subprofile),
        element("METADATA_LANGUAGE", "en"),
    )


def _volume(form: Form, job: str, documents: list[tuple[str, str]]) -> Element:
    components = [
        element(
            "Component",
            element("COMPONENT_TITLE", f"Image {name}"),
            element("COMPONENT_TYPE", "DIMAP", version=form.version),
            linked("COMPONENT_PATH", href),
        )
        for name, href in documents
    ]
    return element(
        "Dimap_Document",
        _identification(form, "VOLUME", "ORDER_VOLUME"),
        element("Dataset_Identification", element("DATASET_NAME", f"Simulated order {job}")),
        element("Dataset_Content", element("Dataset_Components", *components)),
    )


def _coefficients(samples: Fraction, lines: Fraction) -> list[Element]:
    named = (
        ("SAMP_NUM_COEFF", samples.numerator),
        ("SAMP_DEN_COEFF", samples.denominator),
        ("LINE_NUM_COEFF", lines.numerator),
        ("LINE_DEN_COEFF", lines.denominator),
    )
    return [
        element(f"{name}_{number}", float(value))
        for name, values in named
        for number, value in enumerate(values, start=1)
    ]


def _model(form: Form, view: View) -> Element:
    rpc, direct = view.camera.rpc, view.camera.direct
    back = _coefficients(direct.lon, direct.lat)
    forth = _coefficients(
        Fraction(rpc.samp_num_coeff, rpc.samp_den_coeff),
        Fraction(rpc.line_num_coeff, rpc.line_den_coeff),
    )
    errors = [element(name, FIT_PX) for name in form.errors]
    return element(
        "Dimap_Document",
        _identification(form, form.profile, "RPC"),
        element(
            "Rational_Function_Model",
            element(
                "Resource_Reference",
                element("RESOURCE_TITLE", "NITF", version="2.1"),
                element("RESOURCE_ID", "RPC00B"),
            ),
            element(
                "Global_RFM",
                element(form.models[0], *back),
                element(form.models[1], *forth, *errors),
                _validity(form, rpc, view.camera.shape),
            ),
        ),
    )


def _validity(form: Form, rpc: RPC, shape: tuple[int, int]) -> Element:
    names = ("LONG", "LAT", "HEIGHT")
    values = [
        element(f"{name}_{part}", float(getattr(rpc, f"{name.lower()}_{part.lower()}")))
        for name in names
        for part in ("SCALE", "OFF")
    ]
    return element(
        "RFM_Validity",
        element(
            "Direct_Model_Validity_Domain",
            element("FIRST_ROW", form.origin),
            element("FIRST_COL", form.origin),
            element("LAST_ROW", form.origin + shape[0] - 1),
            element("LAST_COL", form.origin + shape[1] - 1),
        ),
        element(
            "Inverse_Model_Validity_Domain",
            element("FIRST_LON", rpc.long_off - rpc.long_scale),
            element("FIRST_LAT", rpc.lat_off - rpc.lat_scale),
            element("LAST_LON", rpc.long_off + rpc.long_scale),
            element("LAST_LAT", rpc.lat_off + rpc.lat_scale),
        ),
        *values,
        element("SAMP_SCALE", float(rpc.samp_scale)),
        element("SAMP_OFF", float(rpc.samp_off + form.origin)),
        element("LINE_SCALE", float(rpc.line_scale)),
        element("LINE_OFF", float(rpc.line_off + form.origin)),
    )


def _product(form: Form, product: Product, name: str, layout: Element) -> Element:
    view = product.view
    return element(
        "Dimap_Document",
        _identification(form, form.profile, "PRODUCT"),
        element("Dataset_Identification", element("DATASET_NAME", f"DS_{name}")),
        element("Dataset_Content", _extent(form, view)),
        _geoposition(form, name),
        element(
            "Processing_Information",
            element(
                "Product_Settings",
                element("PROCESSING_LEVEL", "SENSOR"),
                element("SPECTRAL_PROCESSING", form.band(product.kind)),
            ),
        ),
        layout,
        element(
            "Radiometric_Data",
            element(
                "Dynamic_Range",
                element("ACQUISITION_RANGE", BITS),
                element("PRODUCT_RANGE", BITS),
            ),
        ),
        element("Geometric_Data", element("Use_Area", *_located(form, view))),
        _quality(name),
        _sources(form, view, name),
    )


def _quality(name: str) -> Element:
    return element(
        "Quality_Assessment",
        element(
            "Imaging_Quality_Measurement",
            element(
                "Quality_Mask",
                element(
                    "Component",
                    element("COMPONENT_TITLE", "Cloud Cotation Mask"),
                    element("COMPONENT_TYPE", "GML", version="3.1.1"),
                    linked("COMPONENT_PATH", f"MASKS/CLD_{name}_MSK.GML"),
                ),
            ),
        ),
    )


def _extent(form: Form, view: View) -> Element:
    rows, cols = view.camera.shape
    places = [(0, 0), (0, cols - 1), (rows - 1, cols - 1), (rows - 1, 0)]
    corners = [
        _place("Vertex", form, view, float(row), float(col), height=False) for row, col in places
    ]
    centre = _place("Center", form, view, (rows - 1) / 2, (cols - 1) / 2, height=form.origin == 0)
    return element("Dataset_Extent", element("EXTENT_TYPE", "Bounding_Polygon"), *corners, centre)


def _place(name: str, form: Form, view: View, row: float, col: float, *, height: bool) -> Element:
    lon, lat = view.geographic(row, col)
    up = [element("H", float(view.camera.centre.height))] if height else []
    return element(
        name,
        element("LON", lon),
        element("LAT", lat),
        *up,
        element("COL", round(col) + form.origin),
        element("ROW", round(row) + form.origin),
    )


def _geoposition(form: Form, name: str) -> Element:
    return element(
        "Geoposition",
        element(
            "Raster_CRS",
            element("RASTER_GEOMETRY", "SENSOR"),
            element("PIXEL_ORIENTATION", "CENTER"),
            element("PIXEL_CRS_TYPE", "POINT"),
            element("PIXEL_ORIGIN", form.origin),
        ),
        element(
            "Geoposition_Models",
            element(
                "Rational_Function_Model",
                element(
                    "Component",
                    element("COMPONENT_TITLE", "RPC Model"),
                    element("COMPONENT_TYPE", "DIMAP", version=form.version),
                    linked("COMPONENT_PATH", f"RPC_{name}.XML"),
                ),
            ),
        ),
    )


def _raster(product: Product, files: list[list[Path]], tile: int, *, jpeg2000: bool) -> Element:
    rows, cols = product.view.camera.shape
    count = (len(files), len(files[0]))
    listed = [
        Element(
            "Data_File",
            [linked("DATA_FILE_PATH", path.name)],
            (("tile_R", str(row)), ("tile_C", str(col))),
        )
        for row, line in enumerate(files, start=1)
        for col, path in enumerate(line, start=1)
    ]
    tiling = element(
        "Regular_Tiling",
        Element("NTILES_SIZE", "", (("nrows", str(tile)), ("ncols", str(tile)))),
        Element("NTILES_COUNT", "", (("ntiles_R", str(count[0])), ("ntiles_C", str(count[1])))),
        element("OVERLAP_ROW", 0),
        element("OVERLAP_COL", 0),
    )
    special = [
        element(
            "Special_Value",
            element("SPECIAL_VALUE_TEXT", text),
            element("SPECIAL_VALUE_COUNT", value),
        )
        for text, value in (("NODATA", 0), ("SATURATED", SATURATED))
    ]
    return element(
        "Raster_Data",
        element(
            "Data_Access",
            element("DATA_FILE_ORGANISATION", "BAND_COMPOSITE"),
            element("DATA_FILE_FORMAT", "image/jp2" if jpeg2000 else "image/tiff"),
            element("DATA_FILE_TILES", "true" if len(listed) > 1 else "false"),
            element("Data_Files", *listed),
        ),
        element(
            "Raster_Dimensions",
            element("NROWS", rows),
            element("NCOLS", cols),
            element("NBANDS", len(product.bands)),
            element("Tile_Set", element("NTILES", len(listed)), tiling),
        ),
        element(
            "Raster_Encoding",
            element("DATA_TYPE", "INTEGER"),
            element("NBITS", BITS),
            element("SIGN", "UNSIGNED"),
            element("COMPRESSION_TYPE", "LOSSLESS" if jpeg2000 else "NONE"),
        ),
        element("Raster_Display", _order(product), *special),
    )


def _order(product: Product) -> Element:
    listed = [
        element("Raster_Index", element("BAND_ID", band), element("BAND_INDEX", number))
        for number, band in enumerate(product.bands, start=1)
    ]
    return element("Raster_Index_List", *listed)


def _located(form: Form, view: View) -> list[Element]:
    """Angles and time at the first line, in the middle and at the last line."""
    rows, cols = view.camera.shape
    viewing, attitude = view.camera.viewing, view.camera.attitude
    degrees = [float(np.degrees(np.arctan(slope))) for slope in (attitude.roll, attitude.pitch)]
    values: list[Element] = []
    for kind, row in (("TopCenter", 0), ("Center", (rows - 1) // 2), ("BottomCenter", rows - 1)):
        delay = timedelta(seconds=(row - (rows - 1) / 2) * view.camera.gsd / SPEED_M_S)
        values.append(
            element(
                "Located_Geometric_Values",
                element("LOCATION_TYPE", kind),
                element("COL", cols // 2 + form.origin),
                element("ROW", row + form.origin),
                element("TIME", f"{view.time + delay:%Y-%m-%dT%H:%M:%S.%f}Z"),
                element(
                    "Acquisition_Angles",
                    element("AZIMUTH_ANGLE", viewing.azimuth_deg, unit="deg"),
                    element("VIEWING_ANGLE_ACROSS_TRACK", degrees[0], unit="deg"),
                    element("VIEWING_ANGLE_ALONG_TRACK", degrees[1], unit="deg"),
                    element("INCIDENCE_ANGLE", viewing.incidence_deg, unit="deg"),
                ),
                element(
                    "Solar_Incidences",
                    element("SUN_AZIMUTH", SUN_AZIMUTH_DEG, unit="deg"),
                    element("SUN_ELEVATION", SUN_ELEVATION_DEG, unit="deg"),
                ),
                element(
                    "Ground_Sample_Distance",
                    element("GSD_ACROSS_TRACK", view.camera.gsd, unit="m"),
                    element("GSD_ALONG_TRACK", view.camera.gsd, unit="m"),
                ),
            )
        )
    return values


def _sources(form: Form, view: View, name: str) -> Element:
    return element(
        "Dataset_Sources",
        element(
            "Source_Identification",
            element("SOURCE_ID", f"DS_{name}"),
            element("SOURCE_TYPE", "PRIMARY"),
            element(
                "Strip_Source",
                element("MISSION", form.mission),
                element("MISSION_INDEX", form.index),
                element("INSTRUMENT", form.mission),
                element("IMAGING_DATE", f"{view.time:%Y-%m-%d}"),
                element("IMAGING_TIME", f"{view.time:%H:%M:%S.%f}"[:-5] + "Z"),
            ),
        ),
    )
