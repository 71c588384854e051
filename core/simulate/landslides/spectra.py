"""Reflectance of what covers the ground, in B02, B03, B04 and B08."""

import numpy as np

from core.simulate.landslides.style import Spectrum

BANDS = ("B02", "B03", "B04", "B08")

LEAVES: Spectrum = (0.024, 0.054, 0.031, 0.38)
"""Broad-leaved trees in summer."""
COLOURED: Spectrum = (0.034, 0.062, 0.080, 0.29)
"""The same when their leaves are yellow or red."""
LEAFLESS: Spectrum = (0.042, 0.055, 0.068, 0.165)
"""The same without leaves: twigs, and litter between them."""
NEEDLES: Spectrum = (0.018, 0.034, 0.023, 0.22)
GRASS: Spectrum = (0.033, 0.072, 0.046, 0.35)
STRAW: Spectrum = (0.064, 0.094, 0.124, 0.25)
"""Grass that is dry."""
CROP: Spectrum = (0.030, 0.068, 0.038, 0.43)
RIPE: Spectrum = (0.075, 0.115, 0.155, 0.30)
SLASH: Spectrum = (0.055, 0.072, 0.092, 0.165)
"""Twigs on the ground after trees were cut."""
ROCK: Spectrum = (0.125, 0.140, 0.155, 0.195)
GRAVEL: Spectrum = (0.150, 0.172, 0.192, 0.230)
WATER: Spectrum = (0.045, 0.055, 0.040, 0.018)
SNOW: Spectrum = (0.78, 0.78, 0.77, 0.70)
CLOUD: Spectrum = (0.62, 0.60, 0.60, 0.64)

SKYLIGHT: Spectrum = (0.30, 0.21, 0.15, 0.08)
"""Share of the light on level ground that comes from the sky."""
HAZE: Spectrum = (1.0, 0.68, 0.46, 0.2)
"""What haze adds, over what it adds in B02."""


def between(first: Spectrum, second: Spectrum, share: float) -> Spectrum:
    """A mixture with so much of the second.

    >>> between((0.0, 0.0, 0.0, 0.0), (0.1, 0.2, 0.4, 0.8), 0.5)
    (0.05, 0.1, 0.2, 0.4)
    """
    b02, b03, b04, b08 = ((1 - share) * np.array(first) + share * np.array(second)).tolist()
    return b02, b03, b04, b08
