"""What the bands of an image show, and in which numbers."""

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


VISIBLE = (Role.BLUE, Role.GREEN, Role.RED)
"""Bands that every image has."""

REFLECTANCE = 10_000
"""Stored number of the reflectance 1, of images that have a physical unit."""
