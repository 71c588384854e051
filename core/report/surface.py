"""The one schema of a surface model's accuracy report."""

from core.report.record import Known, Record
from core.report.statistics import Summary


class ImageRecord(Record):
    """An image that was used."""

    number: int
    """From 1, in the order of the times."""
    name: str
    """Of the product or file."""
    sensor: str
    """As the product says; empty where it says nothing."""
    time: str | None
    """Of the acquisition (UTC)."""
    gsd_m: float
    """Side of a pixel on level ground, metres."""
    azimuth_deg: float
    """Where the sensor stood, clockwise from north."""
    incidence_deg: float
    """Between the line of sight and the vertical."""
    source: str
    """Reference that it came by."""


class PairRecord(Record):
    """Two images that were matched."""

    key: str
    """Numbers of the images."""
    convergence_deg: float
    """Angle between the lines of sight."""
    base_to_height: float
    """Metres of parallax per metre of height."""
    days: float | None
    """From the first to the second image."""


class GridRecord(Record):
    """Where the cells lie."""

    crs: str
    """Name of the projection."""
    resolution_m: float
    """Side of a cell."""
    rows: int
    """Cells from north to south."""
    columns: int
    """Cells from west to east."""
    heights_above: str
    """What heights are counted from."""
    transformation: str
    """How heights above the ellipsoid became these; empty where they did not."""


class ImageAdjustment(Record):
    """What the refinement did to an image's model."""

    name: str
    """Of the image."""
    row_px: float
    """Rows by which its content was moved down."""
    col_px: float
    """Columns by which its content was moved right."""
    row_sigma_px: float
    """Standard deviation of the rows that is left."""
    col_sigma_px: float
    """The same of the columns."""
    edge_px: float
    """What shear and stretch add at the edge, at most."""
    points: int
    """Tie points that it shows."""
    before_px: Known
    """Distance of tie points from where the models projected them, root mean square, before."""
    after_px: Known
    """The same after."""


class PairAdjustment(Record):
    """How two images agree across the direction of their parallax."""

    first: str
    """Name of an image."""
    second: str
    """Name of the other one."""
    points: int
    """Tie points that both show."""
    before_px: Known
    """Median distance from the epipolar lines, signed, before."""
    after_px: Known
    """The same after."""
    spread_px: Known
    """Its spread after, normalised median absolute deviation."""
    height_before_m: Known
    """Median of the pair's heights less those of all images, before."""
    height_after_m: Known
    """The same after."""


class ControlRecord(Record):
    """A ground control point or, held out, a check point."""

    name: str
    """As the file names it."""
    check: bool
    """Whether it was held out."""
    east_m: Known
    """Measured by the images less known; null where one image shows it."""
    north_m: Known
    """The same to the north."""
    up_m: Known
    """The same upwards."""
    before_px: Known
    """Distance from where the models project it, root mean square over the images, before."""
    after_px: Known
    """The same after."""


class UnknownDirection(Record):
    """What no measurement shows, and what it may do to the model (one standard deviation)."""

    text: str
    """In words."""
    east_m: float
    """Motion of the model to the east."""
    north_m: float
    """Motion to the north."""
    up_m: float
    """Motion upwards."""
    tilt_m_per_km: float
    """Tilt."""


class Adjustment(Record):
    """The refinement of the sensor models."""

    tie_points: int
    """Used."""
    rejected: int
    """Not used."""
    images: tuple[ImageAdjustment, ...]
    """Each image."""
    pairs: tuple[PairAdjustment, ...]
    """Every two images."""
    control: tuple[ControlRecord, ...]
    """Ground control and check points."""
    unknown: tuple[UnknownDirection, ...]
    """What the measurements do not determine, the worst first."""
    horizontal_sigma_m: float
    """How far the whole model may be off, horizontally, one standard deviation."""
    vertical_sigma_m: float
    """The same vertically."""
    tilt_sigma_m_per_km: float
    """By how much it may be tilted."""


class ReasonShare(Record):
    """Cells that have no height for one reason."""

    reason: str
    """Name of the bit in the raster of reasons."""
    text: str
    """What it means."""
    share: float
    """Of the wanted cells, 0 to 1; a cell may have several reasons."""


class Coverage(Record):
    """How much of what was wanted has a height."""

    wanted: int
    """Cells inside the wanted area."""
    measured: int
    """Those with a height."""
    share: float
    """Measured over wanted, 0 to 1."""
    reasons: tuple[ReasonShare, ...]
    """Why the others have none, the most frequent first."""
    contributing_pairs: dict[int, float]
    """Share of the measured cells by the number of pairs that their height comes from."""


class ErrorFigures(Record):
    """What an error layer is like, metres; null where no cell has a value."""

    median_m: float | None
    """Half of the cells have less."""
    p90_m: float | None
    """Nine of ten cells have less."""


class Agreement(Record):
    """How one pair's heights differ from the weighted mean of the other pairs'."""

    pair: str
    """Key of the pair."""
    cells: int
    """Compared: those whose height comes from several pairs."""
    median_m: float
    """Median difference."""
    nmad_m: float
    """Spread of the differences."""


class ElevationDifference(Record):
    """The surface less the elevation model that was given."""

    cells: int
    """Compared."""
    median_m: float
    """Median."""
    nmad_m: float
    """Spread."""
    p5_m: float
    """5th percentile."""
    p95_m: float
    """95th percentile."""


class SurfaceReport(Record):
    """The content of report.json."""

    process: str
    """Id of the process."""
    version: str
    """Version of the process."""
    images: tuple[ImageRecord, ...]
    """The images."""
    pairs: tuple[PairRecord, ...]
    """The pairs."""
    grid: GridRecord
    """The output's cells."""
    adjustment: Adjustment | None
    """Refinement of the sensor models; null where none was wanted."""
    layers: dict[str, Summary]
    """Heights, errors and scores by the ids of their outputs."""
    coverage: Coverage
    """How much of the wanted area has a height, and why the rest has none."""
    dsm_error: ErrorFigures
    """Standard uncertainty of single heights."""
    intersection_error: ErrorFigures
    """Distance of the lines of sight; blind to errors along the parallax."""
    agreement: tuple[Agreement, ...]
    """Of the pairs with one another."""
    elevation: ElevationDifference | None
    """Difference to the elevation model; null where none was given, or none of it fits."""
    notes: tuple[str, ...]
    """What the user should know."""
