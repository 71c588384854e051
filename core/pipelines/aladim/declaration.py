"""What ALADIM takes and makes."""

from datetime import date
from typing import Annotated

from pydantic import Field

from core.declare import (
    Advanced,
    Area,
    File,
    FileProduct,
    Group,
    Many,
    Outputs,
    Parameters,
    Pipeline,
    RasterProduct,
    Source,
    VectorProduct,
)
from core.declare import Unit as UnitOf
from core.pipelines.aladim.choices import BandRole, Classifier, IndexSet, ThresholdRule, Unit
from core.pipelines.aladim.rules import rules

__all__ = ["ALADIM", "AladimOutputs", "AladimParameters"]

Images = Annotated[tuple[Source, ...], Group("Images"), Field(max_length=50)]
Dates = Annotated[tuple[date, ...], Group("Images"), Advanced(), Field(max_length=50)]
Mask = Annotated[bool, Group("Masks")]
Azimuth = Annotated[
    float | None, UnitOf("deg"), Group("Masks"), Advanced(), Field(ge=0, le=360, examples=[160])
]
Elevation = Annotated[
    float | None, UnitOf("deg"), Group("Masks"), Advanced(), Field(gt=0, le=90, examples=[45])
]
Weight = Annotated[float, UnitOf("1"), Group("Segments"), Advanced(), Field(ge=0, le=1)]
Switch = Annotated[bool, Group("Features"), Advanced()]
AreaOf = Annotated[float, UnitOf("m2"), Group("Inventory"), Field(ge=0, le=1e8)]


class AladimParameters(Parameters):
    """Inputs of ``aladim``."""

    after: Annotated[
        tuple[Source, ...],
        Group("Images"),
        Field(max_length=50, examples=[{"href": "https://example.org/after.tif"}]),
    ] = ()
    """The image after the event, on whose pixels everything is mapped: a Sentinel-2 L1C or L2A
    product (.SAFE folder or .zip), a Landsat product, or an orthorectified GeoTIFF of three or more
    bands in a projected coordinate reference system. Several images become one, the median of
    what is clear in each pixel. Left out only where an earlier probability is used again.
    """
    before: Images = ()
    """The image before the event, of the same season where possible; of any kind that after may
    have, on any pixels: it is moved onto those of the image after. Several become one, the median.
    Left out, the image after is classified alone; old landslides cannot be told from new ones then.
    """
    after_dates: Dates = ()
    """Days of the images after, in their order, where the products do not tell them: one for each,
    or none at all.
    """
    before_dates: Dates = ()
    """Days of the images before, in their order, where the products do not tell them: one for each,
    or none at all.
    """
    bands: Annotated[
        tuple[BandRole, ...],
        Group("Images"),
        Field(max_length=16, examples=[["blue", "green", "red", "nir"]]),
    ] = ()
    """What the bands of the images show, in the order of the file, where the file does not say it:
    blue, green, red and nir for the usual products of four bands. Red, green and blue at least.
    """
    nodata: Annotated[
        float | None, UnitOf("1"), Group("Images"), Advanced(), Field(ge=-1e12, le=1e12)
    ] = None
    """Value of pixels that hold no image, where the files do not tell it. Left out: what the file
    says, else zeros that touch the border.
    """
    aoi: Annotated[
        Area | None,
        Group("Images"),
        Field(examples=[{"bbox": [141.9, 42.7, 142.0, 42.75]}]),
    ] = None
    """Area of interest: a bounding box (west, south, east, north) or a GeoJSON polygon, in degrees
    unless crs says otherwise. Nothing outside is mapped. Left out, all the ground that the images
    have in common.
    """
    dem: Annotated[Source | None, Group("Images")] = None
    """An elevation model in any raster format and coordinate reference system; 30 m are enough for
    images of 10 m. With it slope, relief and drainage are features, slides are split at channels,
    and length, drop and reach angle are measured. Left out, all that is left out too.
    """
    coregistration: Annotated[bool, Group("Images"), Advanced()] = True
    """Whether the shift between before and after is measured, and removed from before where it is
    larger than half a pixel. The image after, and polygons, are never moved.
    """
    training_samples: Annotated[Source | None, Group("Samples")] = None
    """Polygons of landslides, as seen in the image after: GeoJSON, GeoPackage, a zipped shapefile,
    or a tar.gz of shapefiles, in any coordinate reference system. About 5 % of the expected
    landslides of all sizes and kinds, each drawn with its whole outline.
    """
    training_areas: Annotated[Source | None, Group("Samples")] = None
    """Polygons of the ground that was searched for training_samples, two at least: whatever lies
    inside and in no sample is taken for free of landslides. Formats as for training_samples.
    """
    training: Annotated[Source | None, Group("Samples")] = None
    """One flat tar.gz or zip with the shapefiles training_samples, training_areas and, if wanted,
    aoi, as the original takes them. Instead of training_samples and training_areas.
    """
    positive_fraction: Annotated[
        float, UnitOf("1"), Group("Samples"), Advanced(), Field(gt=0, lt=1)
    ] = 0.5
    """Share of the area of a pixel, or of a segment where those are decided on, that samples must
    cover for it to count as landslide while learning.
    """
    model: Annotated[Source | None, Group("Samples")] = None
    """A model of an earlier job (its output model): no samples are needed. The report warns where
    this scene is unlike those that the model was made from.
    """
    probability: Annotated[Source | None, Group("Samples")] = None
    """The probability of an earlier job, as job:ID/probability: only threshold, filters, splitting
    and the inventory are done again, in seconds. Only dem, aoi, exclude and the inputs of Decision
    and Inventory are looked at.
    """
    mask_clouds: Mask = True
    """Whether clouds are left out, as far as a product's classification shows them, in any date."""
    mask_cloud_shadow: Mask = True
    """Whether shadows of clouds are left out, as far as a product's classification shows them."""
    mask_cast_shadow: Mask = True
    """Whether ground that the terrain hides from the sun is left out: needs dem and the place of
    the sun, from the product or from sun_azimuth and sun_elevation.
    """
    mask_snow: Mask = True
    """Whether snow is left out, as far as a product's classification shows it."""
    mask_water: Mask = True
    """Whether water is left out, as far as a product's classification shows it."""
    exclude: Annotated[tuple[Source, ...], Group("Masks"), Field(max_length=10)] = ()
    """Ground that must not be mapped, such as towns, fields or roads: rasters whose pixels other
    than 0 are left out, or polygons as for training_samples.
    """
    after_sun_azimuth: Azimuth = None
    """Direction of the sun, clockwise from north, when the image after was taken. Left out: what
    the product says, else whatever needs it is left out, with a note.
    """
    after_sun_elevation: Elevation = None
    """Height of the sun above the horizon when the image after was taken."""
    before_sun_azimuth: Azimuth = None
    """Direction of the sun, clockwise from north, when the image before was taken."""
    before_sun_elevation: Elevation = None
    """Height of the sun above the horizon when the image before was taken."""
    unit: Annotated[Unit, Group("Features")] = Unit.HYBRID
    """What is decided on."""
    indices: Annotated[IndexSet, Group("Features")] = IndexSet.BASIC
    """Which spectral indices are features. Those whose bands the images lack are left out and
    listed in the report.
    """
    texture: Switch = True
    """Whether spread and contrast in windows around each pixel are features."""
    topography: Switch = True
    """Whether slope, aspect, curvature, relief and drainage are features; needs dem."""
    shapes: Switch = True
    """Whether size, length and direction of segments are features; not for unit pixel."""
    segment_scale: Annotated[
        float, UnitOf("1"), Group("Segments"), Advanced(), Field(ge=10, le=1000)
    ] = 70.0
    """How unlike parts of a segment may be, in hundredths of the spread of the image: larger makes
    fewer, larger segments. Does not depend on the range of the data.
    """
    segment_colour_weight: Weight = 0.9
    """How much colour counts for segments, against shape."""
    segment_compactness_weight: Weight = 0.1
    """How much compact outlines count for segments, against smooth ones."""
    minimum_segment: Annotated[
        int, UnitOf("{pixel}"), Group("Segments"), Advanced(), Field(ge=1, le=5000)
    ] = 5
    """Segments of fewer pixels are merged into their neighbours."""
    classifier: Annotated[Classifier, Group("Decision"), Advanced()] = Classifier.FOREST
    """What learns from the samples."""
    trees: Annotated[int, UnitOf("1"), Group("Decision"), Advanced(), Field(ge=10, le=500)] = 100
    """Trees of the classifier: more are steadier and slower."""
    folds: Annotated[int, UnitOf("1"), Group("Decision"), Advanced(), Field(ge=2, le=50)] = 10
    """Groups of training areas, apart from each other, that are held out in turn to find the
    threshold and the calibration and to judge both. Lowered where landslides lie in fewer.
    """
    threshold_rule: Annotated[ThresholdRule, Group("Decision")] = ThresholdRule.F1
    """How the probability is chosen from which a pixel counts as landslide."""
    threshold: Annotated[
        float | None, UnitOf("1"), Group("Decision"), Field(gt=0, lt=1, examples=[0.5])
    ] = None
    """That probability, for threshold_rule value."""
    cost_ratio: Annotated[
        float, UnitOf("1"), Group("Decision"), Advanced(), Field(gt=0, le=1000)
    ] = 2.0
    """Cost of missed area over that of false area, for threshold_rule cost."""
    prevalence: Annotated[
        float | None, UnitOf("1"), Group("Decision"), Advanced(), Field(gt=0, lt=1, examples=[0.02])
    ] = None
    """Share of the area that slid, where it is known. Left out, it is estimated from the scene
    itself: training areas usually hold more landslides than the rest.
    """
    change_threshold: Annotated[
        float, UnitOf("1"), Group("Decision"), Advanced(), Field(ge=1, le=10)
    ] = 3.0
    """Change that counts without samples, in standard deviations of unchanged ground above its
    median, both estimated robustly.
    """
    seed: Annotated[int, UnitOf("1"), Group("Decision"), Advanced(), Field(ge=0, le=2**31 - 1)] = 0
    """Where random choices start: the same seed gives the same result."""
    suggestions: Annotated[int, UnitOf("1"), Group("Decision"), Advanced(), Field(ge=0, le=50)] = 5
    """How many further areas are suggested for mapping, those that would teach most. 0 for none."""
    suggestion_side: Annotated[
        float, UnitOf("m"), Group("Decision"), Advanced(), Field(ge=50, le=10000)
    ] = 500.0
    """Side of the square areas that are suggested."""
    minimum_slope: Annotated[
        float | None, UnitOf("deg"), Group("Inventory"), Field(ge=0, le=60, examples=[10])
    ] = None
    """Landslides whose ground is flatter in the mean are left out. Left out: 10 degrees without
    samples, else 0. Needs dem.
    """
    minimum_area: AreaOf = 400.0
    """Smaller landslides are left out."""
    minimum_hole: AreaOf = 400.0
    """Smaller holes in landslides are filled."""
    split_at_channels: Annotated[bool, Group("Inventory")] = True
    """Whether slides that meet in a channel are told apart. Needs dem."""
    channel_area: Annotated[
        float, UnitOf("m2"), Group("Inventory"), Advanced(), Field(ge=1000, le=1e9)
    ] = 50000.0
    """Ground that drains through a place from which on it is a channel."""
    segments: Annotated[bool, Group("Inventory"), Advanced()] = False
    """Whether segments are written, as a raster of numbers with a table, and as polygons from
    segment_probability on.
    """
    segment_probability: Annotated[
        float, UnitOf("1"), Group("Inventory"), Advanced(), Field(ge=0.01, le=1)
    ] = 0.2
    """Mean probability from which a segment is written as a polygon."""


class AladimOutputs(Outputs):
    """Outputs of ``aladim``; every raster on the pixels of the image after."""

    inventory: Annotated[File, VectorProduct("polygons")]
    """The landslides as polygons with id, area, perimeter, length, width, drop, travel distance,
    reach angle, probability, uncertainty, slope, aspect, change and flags. The manual says how each
    is measured.
    """
    inventory_geojson: Annotated[
        File, FileProduct("application/geo+json", "geojson"), Field(title="Inventory as GeoJSON")
    ]
    """The same landslides in degrees, for maps in browsers."""
    landslides: Annotated[
        File, RasterProduct("", dtype="uint8", nodata=255.0, low=0.0, high=1.0, colours="grey")
    ]
    """1 where the inventory has a landslide, 0 where it has none, 255 where reasons says why
    nothing is known.
    """
    probability: Annotated[
        File, RasterProduct("1", low=0.0, high=1.0, colours="magma", step=2.0**-10)
    ]
    """Probability that a pixel is landslide, calibrated on ground that was held out, for the share
    of landslides that this scene has. Without samples it is that of the rules, and says so in its
    tags.
    """
    uncertainty: Annotated[
        File, RasterProduct("1", low=0.0, high=1.0, colours="viridis", step=2.0**-10)
    ]
    """Probability that the decision on a pixel is wrong: one less probability where it is called
    landslide, else probability.
    """
    change: Annotated[
        File | None,
        RasterProduct("1", "positive where ground was laid bare", colours="blue-white-red"),
    ] = None
    """The change index in standard deviations of unchanged ground. Made where there is a before."""
    reasons: Annotated[File, RasterProduct("", dtype="uint32", nodata=0.0, colours="classes")]
    """Why nothing is known of a pixel, as bits that may add up; 0 where something is. The bits are
    listed in the file's tags and in the manual.
    """
    segments: Annotated[
        File | None, RasterProduct("", dtype="uint32", nodata=0.0, colours="classes")
    ] = None
    """Number of the segment that a pixel belongs to. Made for segments."""
    segments_table: Annotated[File | None, FileProduct("text/csv", "csv")] = None
    """Size, probability and shape of each segment by its number. Made for segments."""
    segment_polygons: Annotated[File | None, VectorProduct("polygons")] = None
    """Segments from segment_probability on. Made for segments."""
    suggested_areas: Annotated[File | None, FileProduct("application/geo+json", "geojson")] = None
    """Areas whose mapping would teach most, best first. Map the landslides in them, add both to the
    training inputs, and run again.
    """
    model: Annotated[File | None, FileProduct("application/zip", "skops")] = None
    """What was learned, to be used on another event as the input model. Made where something was
    learned from samples.
    """
    report: Annotated[File, FileProduct("application/json", "json")]
    """How far to trust it: scores on held-out areas with intervals, calibration, what mattered,
    area of landslides, sizes, what was repaired and what was left out.
    """
    report_page: Annotated[File, FileProduct("text/html", "html")]
    """The report for reading, with curves and pictures."""
    quicklook: Annotated[Many, FileProduct("image/png", "png")]
    """Pictures with title, legend, unit, scale bar and north arrow, for a first look and for
    slides; measure in the rasters.
    """
    stac: Annotated[File, FileProduct("application/geo+json", "json")]
    """The results for catalogues and map viewers: a STAC item."""
    readme: Annotated[File, FileProduct("text/plain", "txt")]
    """What each file is, its unit, missing value and caveats, and what to cite."""
    request: Annotated[File, FileProduct("application/json", "json")]
    """The request with every value that was used; send it again to repeat the job."""


ALADIM = Pipeline(
    id="aladim",
    title="ALADIM: landslides from images before and after",
    text=(
        "Maps landslides that an event has left, from an optical image after it and, if there is "
        "one, an image before it. With polygons of some landslides and of the areas that were "
        "searched for them it learns from those; with the model of an earlier event, or with "
        "neither, it needs no samples. Makes an inventory of polygons with area, length, drop and "
        "reach angle, a map of calibrated probability with its uncertainty, a raster that says why "
        "nothing is known of a pixel, and a report that says how far to trust it. Takes "
        "Sentinel-2, Landsat and any orthorectified image of three or more bands; an elevation "
        "model makes it better. The image after is enough; everything else has a default."
    ),
    version="1.0.0",
    keywords=("landslide", "inventory", "change detection", "classification", "Sentinel-2"),
    parameters=AladimParameters,
    outputs=AladimOutputs,
    run="core.pipelines.aladim.run:run",
    inspect="core.pipelines.aladim.inspection:inspect",
    rules=rules,
)
