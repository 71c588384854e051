"""What MPIC-OPT takes and makes."""

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
    Odd,
    Outputs,
    Parameters,
    Pipeline,
    RasterProduct,
    Source,
    Unit,
)
from core.pipelines.mpic_opt.choices import (
    PRESETS,
    CloudMask,
    Direction,
    Extra,
    Pairing,
    Preset,
    RangeUnit,
    Units,
    decided,
)
from core.pipelines.mpic_opt.rules import pair_count, rules

__all__ = [
    "MPIC_OPT",
    "PRESETS",
    "CloudMask",
    "Direction",
    "Extra",
    "MpicOptOutputs",
    "MpicOptParameters",
    "Pairing",
    "Preset",
    "RangeUnit",
    "Units",
    "complete",
]


class MpicOptParameters(Parameters):
    """Inputs of ``mpic-opt``."""

    reference: Annotated[
        Source | None,
        Group("Images"),
        Field(examples=[{"href": "https://example.org/before.tif"}]),
    ] = None
    """The image from which motion is counted, usually the earlier one: a GeoTIFF, COG or JPEG 2000
    file in a projected coordinate reference system, or a Sentinel-2 L1C or L2A product as .SAFE
    folder or .zip. Given together with secondary; or give scenes.
    """
    secondary: Annotated[
        Source | None,
        Group("Images"),
        Field(examples=[{"href": "https://example.org/after.tif"}]),
    ] = None
    """The image in which the ground is found again, of the same kind as the reference. Its grid may
    differ: on the same lattice nothing is resampled, on any other it is warped once onto the
    reference's.
    """
    scenes: Annotated[tuple[Source, ...], Group("Images"), Field(max_length=1000)] = ()
    """Two or more images, instead of reference and secondary. The pairing rule says which are
    matched with each other; every pair is independent of the others, and a pair that fails does not
    stop them.
    """
    dates: Annotated[tuple[date, ...], Group("Images"), Field(max_length=1000)] = ()
    """Acquisition dates of the scenes in their order, where the products do not tell them or tell
    them wrongly: one for each scene, or none at all.
    """
    reference_date: Annotated[date | None, Group("Images"), Field(examples=["2016-05-29"])] = None
    """Acquisition date of the reference, where the product does not tell it or tells it wrongly."""
    secondary_date: Annotated[date | None, Group("Images"), Field(examples=["2016-06-08"])] = None
    """Acquisition date of the secondary, where the product does not tell it or tells it wrongly."""
    band: Annotated[
        str | None, Group("Images"), Field(min_length=1, max_length=64, examples=["B04"])
    ] = None
    """The band that is matched: a name (B04) or a number counted from 1. Left out, B04 of
    Sentinel-2, whose geometry the other bands are tied to, and the only band of other images; an
    image of several bands needs a choice.
    """
    aoi: Annotated[
        Area | None,
        Group("Images"),
        Field(examples=[{"bbox": [12.9, 52.2, 13.1, 52.4]}]),
    ] = None
    """Area of interest: a bounding box (west, south, east, north) or a GeoJSON polygon, in degrees
    unless crs says otherwise. Nothing outside is measured. Left out, all the ground that the images
    have in common.
    """
    preset: Annotated[Preset, Group("Method")] = Preset.GENERAL
    """What kind of motion is looked for. Decides window, search_range, minimum_score, deramp and
    maximum_displacement where they are left out; each of them, where given, overrides it.
    """
    window: Annotated[
        int | None,
        Unit("{pixel}"),
        Group("Method"),
        Odd(),
        decided("window"),
        Field(ge=5, le=65),
    ] = None
    """Side of the square that is matched around each measurement, in pixels of the reference.
    Larger is steadier and blurs faults and small slides; smaller shows more and is noisier.
    """
    step: Annotated[int, Unit("{pixel}"), Group("Method"), Field(ge=1, le=64)] = 1
    """Distance between the values of the result in pixels of the reference: 1 gives one for every
    pixel, 8 for every eighth in both directions, in files 64 times smaller. Every pixel is matched
    anyway, so the values are the same.
    """
    units: Annotated[Units, Group("Method")] = Units.METRES
    """Units of displacement, magnitude and sigma. The rates need the dates of both images."""
    cloud_mask: Annotated[CloudMask, Group("Method")] = CloudMask.AUTO
    """How clouds are kept out. Whatever is removed is marked in reasons and counted in statistics;
    statistics also says which cloud layer was found.
    """
    mask: Annotated[Source | None, Group("Method")] = None
    """Ground that must not be measured, such as water or fields: a raster whose pixels other than 0
    are masked, or polygons as GeoJSON, GeoPackage or zipped shapefile, in any coordinate reference
    system. Applied together with cloud_mask, whichever that is.
    """
    search_range: Annotated[
        float | None,
        Unit("m"),
        Group("Matching"),
        Advanced(),
        decided("search_range"),
        Field(ge=0, le=10000),
    ] = None
    """How far from where it was, after co-registration, the ground is looked for. Wider finds
    faster motion and costs time and a few more wrong matches.
    """
    minimum_score: Annotated[
        float | None,
        Unit("1"),
        Group("Matching"),
        Advanced(),
        decided("minimum_score"),
        Field(ge=0, le=1),
    ] = None
    """Correlation score below which a measurement is removed: 1 is a perfect match, 0 none. 0
    removes nothing.
    """
    regularisation: Annotated[
        float, Unit("1"), Group("Matching"), Advanced(), Field(ge=0, le=1)
    ] = 0.1
    """How strongly a measurement is held to the smooth field around it while matching: 0 leaves
    each alone, more gives smoother fields with fewer wrong matches and less detail.
    """
    nodata: Annotated[
        float | None, Unit("1"), Group("Matching"), Advanced(), Field(ge=-1e12, le=1e12)
    ] = None
    """Value of pixels that hold no image, in both images, where the files do not tell it. Left out:
    what the file says, else zeros that touch the border.
    """
    pairing: Annotated[Pairing, Group("Pairs"), Advanced()] = Pairing.CONSECUTIVE
    """Which of several scenes are matched with each other."""
    split_date: Annotated[
        date | None, Group("Pairs"), Advanced(), Field(examples=["2016-11-13"])
    ] = None
    """Day of the event, for pairing split_date: scenes before it are matched with scenes on or
    after it.
    """
    pair_minimum: Annotated[
        int, Unit("{acquisition}"), Group("Pairs"), Advanced(), Field(ge=1, le=36500)
    ] = 1
    """Smallest distance of the two scenes of a pair, in acquisitions or days as pair_range_unit
    says, for pairing consecutive.
    """
    pair_maximum: Annotated[
        int, Unit("{acquisition}"), Group("Pairs"), Advanced(), Field(ge=1, le=36500)
    ] = 5
    """Largest distance of the two scenes of a pair, in acquisitions or days as pair_range_unit
    says, for pairing consecutive.
    """
    pair_range_unit: Annotated[RangeUnit, Group("Pairs"), Advanced()] = RangeUnit.ACQUISITIONS
    """What pair_minimum and pair_maximum count."""
    direction: Annotated[Direction, Group("Pairs"), Advanced()] = Direction.FORWARD
    """Which scene of a pair is the reference, for scenes. The two directions are matched anyway,
    for the check of one against the other; this says which is written.
    """
    coregistration: Annotated[bool, Group("Corrections"), Advanced()] = True
    """Whether the shift that the two images have as a whole is measured and removed. Sentinel-2
    images are up to 12 m apart. Switched off, the result holds that shift. What was removed stands
    in statistics and in the correction layers.
    """
    deramp: Annotated[bool | None, Group("Corrections"), Advanced(), decided("deramp")] = None
    """Whether a plane, fitted robustly to the stable ground, is removed from each component. It
    also takes part of a broad motion that fills the image; what was removed stands in statistics
    and in the correction layers.
    """
    forward_backward_tolerance: Annotated[
        float, Unit("{pixel}"), Group("Filters"), Advanced(), Field(ge=0, le=20)
    ] = 0.3
    """Largest difference allowed between matching there and matching back, in pixels of the
    reference; a measurement beyond it is removed. 0 switches the filter off.
    """
    outlier_window: Annotated[
        int, Unit("{pixel}"), Group("Filters"), Advanced(), Odd(zero=True), Field(ge=0, le=51)
    ] = 9
    """Side of the neighbourhood whose median a measurement is compared with, in pixels of the
    reference. 0 switches the filter off.
    """
    outlier_threshold: Annotated[
        float, Unit("1"), Group("Filters"), Advanced(), Field(gt=0, le=100)
    ] = 5.0
    """A measurement is removed where it differs from the median of its neighbourhood by more than
    this many times the median absolute deviation there.
    """
    minimum_patch: Annotated[
        int, Unit("{pixel}"), Group("Filters"), Advanced(), Field(ge=0, le=500)
    ] = 100
    """Measured patches of fewer connected pixels of the reference than this are removed. 0 switches
    the filter off.
    """
    maximum_displacement: Annotated[
        float | None,
        Unit("m"),
        Group("Filters"),
        Advanced(),
        decided("maximum_displacement"),
        Field(ge=0, le=100000),
    ] = None
    """Length of the displacement, after the corrections and before any division by time, above
    which a measurement is removed. 0 switches the filter off.
    """
    extras: Annotated[tuple[Extra, ...], Group("Outputs"), Advanced(), Field(max_length=3)] = ()
    """Outputs that are made only when asked for."""
    smoothing_window: Annotated[
        int, Unit("{pixel}"), Group("Outputs"), Advanced(), Odd(), Field(ge=3, le=51)
    ] = 5
    """Side of the median that makes the smooth outputs, in output pixels. No other output is
    smoothed.
    """


_DISPLACEMENT = RasterProduct("m", "positive towards grid east", colours="blue-white-red")
_NORTH = RasterProduct("m", "positive towards grid north", colours="blue-white-red")
_SIGMA = RasterProduct("m", low=0.0, colours="viridis")


class MpicOptOutputs(Outputs):
    """Outputs of ``mpic-opt``; every raster once per pair, on the lattice of the reference."""

    displacement_east: Annotated[Many, _DISPLACEMENT]
    """Motion of the ground towards grid east from the reference to the secondary, negative towards
    west, in the units asked for. No value where reasons says why.
    """
    displacement_north: Annotated[Many, _NORTH]
    """Motion of the ground towards grid north from the reference to the secondary, negative towards
    south, in the units asked for. No value where reasons says why.
    """
    magnitude: Annotated[Many, RasterProduct("m", low=0.0, colours="magma")]
    """Length of the horizontal displacement, in the units asked for. Noise alone makes it positive:
    judge small motion by the components.
    """
    score: Annotated[Many, RasterProduct("1", low=0.0, high=1.0, colours="grey", step=2.0**-10)]
    """Correlation of the matched windows: 1 perfect, 0 none or negative. Kept wherever something
    was matched, removed or not, so that another threshold can be chosen.
    """
    sigma_east: Annotated[Many, _SIGMA]
    """Standard uncertainty of displacement_east, one sigma, from texture and misfit of the match;
    in the units asked for. Systematic errors (orbit, terrain, sensor stripes) are not in it.
    """
    sigma_north: Annotated[Many, _SIGMA]
    """Standard uncertainty of displacement_north, one sigma, from texture and misfit of the match;
    in the units asked for. Systematic errors (orbit, terrain, sensor stripes) are not in it.
    """
    forward_backward: Annotated[Many, RasterProduct("m", low=0.0, colours="viridis")]
    """Distance in metres between a place and where matching there and back again ends: 0 for a
    match that confirms itself. In metres whatever the units asked for, and kept wherever
    something was matched.
    """
    reasons: Annotated[Many, RasterProduct("", dtype="uint16", nodata=0.0, colours="classes")]
    """Why a pixel has no value, as bits that may add up; 0 where it has one. The bits are listed in
    the file's tags and in the manual.
    """
    correction_east: Annotated[Many, _DISPLACEMENT]
    """What was taken out of displacement_east: co-registration and ramp, positive towards grid
    east, in the units asked for. Add it to undo the corrections; 0 throughout where both are
    off.
    """
    correction_north: Annotated[Many, _NORTH]
    """What was taken out of displacement_north: co-registration and ramp, positive towards grid
    north, in the units asked for. Add it to undo the corrections; 0 throughout where both are
    off.
    """
    displacement_east_raw: Annotated[Many, _DISPLACEMENT] = ()
    """Displacement towards grid east after the corrections and before every filter and mask. Made
    for extras raw.
    """
    displacement_north_raw: Annotated[Many, _NORTH] = ()
    """Displacement towards grid north after the corrections and before every filter and mask. Made
    for extras raw.
    """
    displacement_east_smooth: Annotated[Many, _DISPLACEMENT] = ()
    """The filtered displacement_east, smoothed by a median that fills no gaps. Made for extras
    smooth.
    """
    displacement_north_smooth: Annotated[Many, _NORTH] = ()
    """The filtered displacement_north, smoothed by a median that fills no gaps. Made for extras
    smooth.
    """
    px1: Annotated[
        Many,
        RasterProduct("{pixel}", "positive towards columns to the right", colours="blue-white-red"),
    ] = ()
    """The filtered displacement along the rows in pixels of the reference, as MicMac's Px1:
    positive to the right (east on a north-up image). Made for extras pixels.
    """
    px2: Annotated[
        Many,
        RasterProduct("{pixel}", "positive towards rows further down", colours="blue-white-red"),
    ] = ()
    """The filtered displacement along the columns in pixels of the reference, as MicMac's Px2:
    positive downwards (south on a north-up image), opposite to displacement_north. Made for extras
    pixels.
    """
    quicklook: Annotated[Many, FileProduct("image/png", "png")]
    """Pictures with title, legend, unit, scale bar and north arrow, for a first look and for
    slides; measure in the rasters.
    """
    statistics: Annotated[File, FileProduct("application/json", "json")]
    """For each pair: share of pixels measured and removed by each filter, median, mean, spread and
    percentiles of every raster, and what each correction took out.
    """
    pairs: Annotated[File, FileProduct("application/json", "json")]
    """The scenes with their dates and sources, and the pairs with their status and, where one
    failed, the reason.
    """
    stac: Annotated[File, FileProduct("application/geo+json", "json")]
    """The results for catalogues and map viewers: a STAC item, or a collection of several."""
    stac_items: Annotated[Many, FileProduct("application/geo+json", "json")] = ()
    """The STAC items of the collection, one per pair. Made where there are several pairs."""
    readme: Annotated[File, FileProduct("text/plain", "txt")]
    """What each file is, its unit, sign, missing value and caveats, and what to cite."""
    request: Annotated[File, FileProduct("application/json", "json")]
    """The request with every value that was used, presets resolved; send it again to repeat the
    job.
    """


def complete(parameters: MpicOptParameters) -> MpicOptParameters:
    """The parameters with what the preset decides filled in."""
    chosen = PRESETS[parameters.preset.value]
    left_out = {name: v for name, v in chosen.items() if getattr(parameters, name) is None}
    return parameters.model_copy(update=left_out)


MPIC_OPT = Pipeline(
    id="mpic-opt",
    title="MPIC-OPT: ground displacement from optical images",
    text=(
        "Measures how the ground moved between two optical images, or between the pairs of a list "
        "of images, by matching each with the other at sub-pixel precision: earthquakes, "
        "landslides, glaciers, dunes. Results are maps in metres (or metres per day or year), grid "
        "east and grid north positive, motion of the ground from reference to secondary, each with "
        "its uncertainty, its score, and a raster that says why a pixel has no value. Takes "
        "Sentinel-2 L1C and L2A products and any georeferenced GeoTIFF, COG or JPEG 2000 in a "
        "projected coordinate reference system, up to a full tile. With defaults and Sentinel-2, "
        "motion of 1 to 2 m can be told from noise; a few inputs are enough, the advanced ones "
        "reach every step of the method."
    ),
    version="1.0.0",
    keywords=("displacement", "optical", "image matching", "earthquake", "landslide", "glacier"),
    parameters=MpicOptParameters,
    outputs=MpicOptOutputs,
    run="core.pipelines.mpic_opt.run:run",
    inspect="core.pipelines.mpic_opt.inspection:inspect",
    rules=rules,
    complete=complete,
    pairs=pair_count,
)
