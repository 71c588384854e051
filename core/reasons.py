"""Why a pixel has no value: one set of bits for all services.  A number is never used again."""

from enum import IntFlag


class Reason(IntFlag):
    """Bits of the ``reasons`` raster; 0 means that the pixel was measured and kept.

    The first sixteen are those of matching, whose rasters are uint16; that of ALADIM is uint32.
    """

    OUTSIDE = 1 << 0
    """Outside the area of interest."""
    NODATA_REFERENCE = 1 << 1
    """No data in the reference image, or so close to it that the window holds too little."""
    NODATA_SECONDARY = 1 << 2
    """No data in the secondary image where the ground would be found."""
    SATURATED = 1 << 3
    """Saturated in the reference or the secondary image."""
    NO_TEXTURE = 1 << 4
    """Too little texture in the window to measure anything."""
    NO_CONVERGENCE = 1 << 5
    """The sub-pixel search did not settle, or left its search range."""
    LOW_SCORE = 1 << 6
    """The correlation score is below the minimum, or the images differ there far beyond noise."""
    FORWARD_BACKWARD = 1 << 7
    """Matching there and back again does not return to the same place."""
    CLOUD_MASK = 1 << 8
    """Removed by the cloud mask."""
    USER_MASK = 1 << 9
    """Removed by the user's own mask."""
    OUTLIER = 1 << 10
    """Far from the median of its neighbourhood."""
    ISOLATED = 1 << 11
    """In a patch of too few measured pixels."""
    TOO_LARGE = 1 << 12
    """The displacement, or the intersection error, is larger than the maximum that was allowed."""
    AMBIGUOUS = 1 << 13
    """Another place fits nearly as well, as on repeated texture."""
    OCCLUDED = 1 << 14
    """Hidden from one of the images by something higher."""
    FILLED = 1 << 15
    """The value was filled from its surroundings, not measured."""
    CLOUD_SHADOW = 1 << 16
    """In the shadow of a cloud."""
    CAST_SHADOW = 1 << 17
    """In the shadow of the terrain."""
    SNOW = 1 << 18
    """Under snow."""
    WATER = 1 << 19
    """Under water."""


TEXT: dict[Reason, str] = {
    Reason.OUTSIDE: "outside the area of interest",
    Reason.NODATA_REFERENCE: "no data in the reference image",
    Reason.NODATA_SECONDARY: "no data in the secondary image",
    Reason.SATURATED: "saturated in one of the images",
    Reason.NO_TEXTURE: "too little texture",
    Reason.NO_CONVERGENCE: "the search did not settle",
    Reason.LOW_SCORE: "score below the minimum, or the images differ",
    Reason.FORWARD_BACKWARD: "forward and backward matching disagree",
    Reason.CLOUD_MASK: "removed by the cloud mask",
    Reason.USER_MASK: "removed by the user's mask",
    Reason.OUTLIER: "far from its neighbours",
    Reason.ISOLATED: "isolated patch",
    Reason.TOO_LARGE: "displacement or intersection error above the maximum",
    Reason.AMBIGUOUS: "ambiguous: another place fits nearly as well",
    Reason.OCCLUDED: "hidden from one of the images",
    Reason.FILLED: "filled, not measured",
    Reason.CLOUD_SHADOW: "in the shadow of a cloud",
    Reason.CAST_SHADOW: "in the shadow of the terrain",
    Reason.SNOW: "under snow",
    Reason.WATER: "under water",
}
