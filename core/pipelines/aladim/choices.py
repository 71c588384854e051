"""The values that inputs of ALADIM choose from."""

from core.declare import Choice


class BandRole(Choice):
    """What a band of an image shows."""

    BLUE = "blue", "Blue light, about 490 nm."
    GREEN = "green", "Green light, about 560 nm."
    RED = "red", "Red light, about 660 nm."
    REDEDGE = "rededge", "The edge between red and near infrared, about 705 nm."
    NIR = "nir", "Near infrared, about 840 nm."
    SWIR1 = "swir1", "Short-wave infrared, about 1610 nm."
    SWIR2 = "swir2", "Short-wave infrared, about 2200 nm."
    OTHER = "other", "Anything else: the band is not used."


class Unit(Choice):
    """What is decided on: pixels, segments, or pixels that know their segment."""

    PIXEL = "pixel", "Each pixel by itself and its neighbourhood; segments are not made."
    SEGMENT = (
        "segment",
        (
            "Whole segments by their means, spreads and shapes: quiet outlines, for pixels of 3 m "
            "and less."
        ),
    )
    HYBRID = (
        "hybrid",
        "Each pixel by itself, its neighbourhood and its segment; best at 5 to 30 m.",
    )


class IndexSet(Choice):
    """Which spectral indices are features."""

    NONE = "none", "None; bands alone."
    BASIC = "basic", "A short set on vegetation, brightness and bare soil."
    ADVANCED = "advanced", "The basic set and more indices of vegetation, soil, water and iron."


class Classifier(Choice):
    """What learns from the samples."""

    FOREST = "forest", "A forest of randomised trees: steady with few samples."
    BOOSTING = "boosting", "Boosted trees: stronger with thousands of mapped pixels."


class ThresholdRule(Choice):
    """How the probability is chosen from which a pixel counts as landslide."""

    F1 = "f1", "Best balance of missed and false area, judged on areas that were held out."
    F2 = "f2", "The same with missed area counting four times: finds more, with more false alarms."
    COST = "cost", "Least cost, where missed area costs cost_ratio times as much as false area."
    VALUE = "value", "The value of threshold."
