"""Deliveries in DIMAP: Pleiades and SPOT 6/7 (version 2), Pleiades Neo (version 3).

Version 2 calls the centre of the first pixel (1, 1), version 3 calls it (0, 0).  The ground's pixel
is half a metre whatever the satellite's name.
"""

from collections.abc import Callable
from pathlib import Path

from rasterio.rpc import RPC

from core.simulate.stereo.bundle import Product, panchromatic
from core.simulate.stereo.clouds import cloud_mask
from core.simulate.stereo.dimap_forms import PLEIADES, Form, identification
from core.simulate.stereo.dimap_product import product_document, raster_data
from core.simulate.stereo.images import picture, tiles
from core.simulate.stereo.markup import Element, element, linked, write_xml
from core.simulate.stereo.rational import Fraction
from core.simulate.stereo.views import View

FIT_PX = 0.001
"""What DIMAP calls the model's error: how well it fits the camera, not where the ground lies."""


def write_dimap(
    directory: Path,
    views: tuple[View, ...],
    form: Form = PLEIADES,
    *,
    job: str = "7342362101",
    tile: int = 4096,
    jpeg2000: bool = False,
    kinds: tuple[Callable[[View], Product], ...] = (panchromatic,),
    **options: object,
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
    options
        How GDAL's driver writes pixels.

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
        files = tiles(folder, f"IMG_{name}", product.pixels, tile, jpeg2000=jpeg2000, **options)
        picture(folder / f"PREVIEW_{name}.JPG", product.pixels, 1000)
        picture(folder / f"ICON_{name}.JPG", product.pixels, 128)
        write_xml(folder / "MASKS" / f"CLD_{name}_MSK.GML", cloud_mask(product.view, form.origin))
        write_xml(folder / f"RPC_{name}.XML", _model(form, product.view))
        layout = raster_data(product, files, tile, jpeg2000=jpeg2000)
        document = write_xml(
            folder / f"DIM_{name}.XML", product_document(form, product, name, layout)
        )
        documents.append((name, document.relative_to(root).as_posix()))
    return write_xml(root / form.volume, _volume(form, job, documents))


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
        identification(form, "VOLUME", "ORDER_VOLUME"),
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
        identification(form, form.profile, "RPC"),
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
