"""The families of satellites that are delivered as DIMAP, and what their documents share."""

from dataclasses import dataclass

from core.simulate.stereo.bundle import PANCHROMATIC, Product
from core.simulate.stereo.markup import Element, element


@dataclass(frozen=True)
class Form:
    """How one family of satellites is delivered.

    Parameters
    ----------
    mission, index, instrument
        As in the sources: PHR, 1A and PHR.
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
    instrument: str
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
PLEIADES = Form("PHR", "1A", "PHR", "PHR1A", "P", "PHR_SENSOR", "2.15", 1, "VOL_PHR.XML", *_OLD)
SPOT = Form("SPOT", "6", "NAOMI", "SPOT6", "P", "S6_SENSOR", "2.15", 1, "SPOT_VOL.XML", *_OLD)
PLEIADES_NEO = Form(
    "PNEO", "3", "PNEO", "PNEO3", "PAN", "PNEO_SENSOR", "3.0", 0, "VOL_PNEO.XML", *_NEW
)


def identification(form: Form, profile: str, subprofile: str) -> Element:
    """What kind of document it is."""
    return element(
        "Metadata_Identification",
        element("METADATA_FORMAT", "DIMAP", version=form.version),
        element("METADATA_PROFILE", profile),
        element("METADATA_SUBPROFILE", subprofile),
        element("METADATA_LANGUAGE", "en"),
    )
