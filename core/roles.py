"""What a band of an image shows."""

from enum import StrEnum


class Role(StrEnum):
    """What a band shows."""

    BLUE = "blue"
    GREEN = "green"
    RED = "red"
    REDEDGE = "rededge"
    NIR = "nir"
    SWIR1 = "swir1"
    SWIR2 = "swir2"
