"""The document that describes a product in DIMAP: where, when and how, and its files of pixels."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from core.simulate.stereo.bundle import Product
from core.simulate.stereo.dimap_forms import Form, identification
from core.simulate.stereo.light import SUN_AZIMUTH_DEG, SUN_ELEVATION_DEG
from core.simulate.stereo.making import SPEED_M_S
from core.simulate.stereo.markup import Element, element, linked
from core.simulate.stereo.sensor import BITS, SATURATED
from core.simulate.stereo.views import View


def product_document(form: Form, product: Product, name: str, layout: Element) -> Element:
    """All that is said of a product; `layout` is what `raster_data` says of its pixels."""
    view = product.view
    return element(
        "Dimap_Document",
        identification(form, form.profile, "PRODUCT"),
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


def raster_data(product: Product, files: list[list[Path]], tile: int, *, jpeg2000: bool) -> Element:
    """Files, dimensions, encoding and special values."""
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
                element("INSTRUMENT", form.instrument),
                element("IMAGING_DATE", f"{view.time:%Y-%m-%d}"),
                element("IMAGING_TIME", f"{view.time:%H:%M:%S.%f}"[:-5] + "Z"),
            ),
        ),
    )
