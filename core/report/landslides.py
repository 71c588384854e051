"""The one schema of a landslide inventory's report."""

from core.report.record import Known, Record
from core.report.statistics import Summary


class ImageRecord(Record):
    """An image that was used."""

    date: str
    """before or after."""
    name: str
    """Of the product or file."""
    day: str | None
    """Of the acquisition (UTC)."""
    bands: tuple[str, ...]
    """What its bands show."""
    told: str
    """How that is known."""
    unused: tuple[str, ...]
    """Bands that were not used."""
    source: str
    """Reference that it came by."""


class Registration(Record):
    """How far the image before lay off the image after."""

    rows: float
    """Rows down from the place after to the place before, pixels."""
    cols: float
    """Columns to the right, pixels."""
    spread: Known
    """Robust standard deviation of single matches, pixels."""
    matches: int
    """Pixels that were matched."""
    corrected: bool
    """Whether the image before was moved by it."""


class Relation(Record):
    """How numbers of the image before become those of the image after."""

    band: str
    """What it shows."""
    gain: float
    """By which the numbers before are multiplied."""
    offset: float
    """What is added then."""
    noise: float
    """Robust standard deviation of what is left on unchanged ground."""


class FoldRecord(Record):
    """Training areas that were held out together."""

    number: int
    """From 1."""
    areas: int
    """Training areas in it."""
    pixels: int
    """Pixels that were asked."""
    landslide: int
    """Of these, pixels of landslides."""
    precision: Known
    """Landslides among what was called so."""
    recall: Known
    """Called ones among the landslides."""
    f1: Known
    """Their harmonic mean."""
    average_precision: Known
    """Mean precision over all thresholds."""


class Point(Record):
    """A threshold and what comes of it, on areas that were held out."""

    level: float
    """Probability from which a pixel counts as landslide."""
    precision: Known
    """Landslides among what is called so."""
    recall: Known
    """Called ones among the landslides."""
    alarmed: Known
    """Called ones among the rest."""


class Bin(Record):
    """Pixels of like probability."""

    told: float
    """Mean probability."""
    true: float
    """Share of landslides."""
    pixels: float
    """How many."""


class Learning(Record):
    """What was learned, judged on training areas that were held out."""

    classifier: str
    """What learned."""
    trees: int
    """Of it."""
    pixels: int
    """From which it learned."""
    landslide: int
    """Of these, pixels of landslides."""
    areas: int
    """Training areas, or strata where there is one area."""
    folds: tuple[FoldRecord, ...]
    """Groups of areas that were held out in turn."""
    note: str
    """Why there are fewer folds than asked for; empty if there are not."""
    prevalence: float
    """Share of landslides in the training areas: the scores hold for it."""
    precision: Known
    """At the threshold, of all held-out pixels."""
    recall: Known
    """The same."""
    f1: Known
    """The same."""
    f1_low: Known
    """95 % interval of F1, areas drawn anew: its lower end."""
    f1_high: Known
    """Its upper end."""
    average_precision: Known
    """Mean precision over all thresholds."""
    area_under_roc: Known
    """Chance that a landslide's pixel has the higher probability of two."""
    curve: tuple[Point, ...]
    """Precision, recall and alarms by threshold."""
    calibration: tuple[Bin, ...]
    """Told and true probability, calibrated on the same samples."""
    calibration_slope: Known
    """1: probabilities hold; below 1 they are too sure."""
    brier_skill: Known
    """Part of the squared error of a constant that the probabilities take away."""


class Decision(Record):
    """From probability to landslide."""

    rule: str
    """How the threshold was chosen."""
    level: float
    """Probability from which a pixel counts as landslide."""
    prevalence: float
    """Share of landslides in the scene, for which probabilities hold."""
    estimated: bool
    """Whether that was estimated from the scene, and not given."""


class Law(Record):
    """The law of the landslides' areas: an inverse gamma distribution."""

    count: int
    """Landslides that it was fitted to."""
    complete_m2: float
    """Least area of these: the inventory is taken for complete from there on."""
    exponent: float
    """The density of large areas falls as the area to minus this."""
    exponent_low: Known
    """95 % interval: its lower end."""
    exponent_high: Known
    """Its upper end."""
    rollover_m2: float
    """The most frequent area."""
    holds: bool
    """Whether the landslides do not refute it."""


class Counts(Record):
    """The inventory in figures."""

    landslides: int
    """How many."""
    area_m2: float
    """Of all."""
    share: float
    """Of the known ground."""
    median_m2: Known
    """Median area."""
    largest_m2: Known
    """Largest area."""
    split: int
    """Objects that were parted at channels."""
    clouded: int
    """Landslides that touch a cloud or its shadow."""
    law: Law | None
    """Of the areas; null where it was not fitted."""
    law_note: str
    """Why it was not."""


class LandslideReport(Record):
    """How far to trust an inventory."""

    mode: str
    """What landslides were known from."""
    images: tuple[ImageRecord, ...]
    """All that were used."""
    crs: str
    """Name of the projection."""
    pixel_m: float
    """Side of a pixel."""
    rows: int
    """Of the map."""
    columns: int
    """Of the map."""
    registration: Registration | None
    """Of the image before; null without one."""
    relations: tuple[Relation, ...]
    """Of the bands of both dates."""
    unchanged: Known
    """Share of the ground that obeys them."""
    known: float
    """Share of pixels that nothing hides."""
    reasons: dict[str, float]
    """Share of pixels by what hides them."""
    polygons: tuple[str, ...]
    """What was read of the user's polygons, repaired and left out."""
    features: tuple[str, ...]
    """What was looked at, by name."""
    left_out: dict[str, str]
    """What could not be, and what it lacked."""
    learning: Learning | None
    """What was learned from samples."""
    decision: Decision
    """How the map was decided."""
    inventory: Counts
    """What came of it."""
    layers: dict[str, Summary]
    """Figures of the rasters."""
    notes: tuple[str, ...]
    """What the user should know."""
