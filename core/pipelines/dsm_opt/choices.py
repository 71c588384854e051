"""The values that inputs of DSM-OPT choose from."""

from core.declare import Choice


class Adjust(Choice):
    """How the images' sensor models are refined before anything is matched."""

    NONE = "none", "The sensor models as delivered; what they are wrong by ends up in the heights."
    SHIFT = (
        "shift",
        (
            "One shift of rows and columns per image, from points found in several images and from "
            "control points, each held by the accuracy that its sensor states."
        ),
    )
    AFFINE = (
        "affine",
        (
            "The shift, and besides it scale, rotation and shear where the points determine them; "
            "for long strips with many tie points or good control points."
        ),
    )
