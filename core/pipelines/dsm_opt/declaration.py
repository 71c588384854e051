"""What DSM-OPT takes and makes."""

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
    Unit,
)
from core.pipelines.dsm_opt.choices import Adjust
from core.pipelines.dsm_opt.rules import pair_count, rules

__all__ = ["DSM_OPT", "Adjust", "DsmOptOutputs", "DsmOptParameters"]

_DATUM = r"^(ellipsoid|egm96|egm2008|EPSG:[1-9][0-9]{3,5})$"
_EPSG = r"^EPSG:[1-9][0-9]{3,5}$"
_PAIR = r"^[1-9][0-9]?-[1-9][0-9]?$"

Height = Annotated[float | None, Unit("m"), Group("Heights"), Advanced(), Field(ge=-1000, le=10000)]
Pixels = Annotated[int | None, Unit("{pixel}"), Group("Images"), Field(ge=0, le=1_000_000)]
Side = Annotated[int | None, Unit("{pixel}"), Group("Images"), Field(ge=64, le=1_000_000)]


class DsmOptParameters(Parameters):
    """Inputs of ``dsm-opt``."""

    images: Annotated[
        tuple[Source, ...],
        Group("Images"),
        Field(
            min_length=1,
            max_length=16,
            examples=[{"href": "https://example.org/tristereo.zip"}],
        ),
    ]
    """The delivery as it came (zip, tar, tar.gz or a folder), its XML, or images with the files
    that belong to them, in any mixture and under any names: 2 to 6 images in sensor geometry of
    Pleiades, Pleiades Neo, SPOT 6/7, WorldView or any other satellite that comes with RPC. Of
    bundles the panchromatic image is matched.
    """
    reference: Annotated[
        str | None, Group("Images"), Field(min_length=1, max_length=255, examples=["1"])
    ] = None
    """The image whose pixels a crop counts: its number, from 1 in the order in which inspect lists
    the images, or a part of its name that no other has. Left out, the first in time. No other
    result depends on it.
    """
    aoi: Annotated[
        Area | None,
        Group("Images"),
        Field(examples=[{"bbox": [55.64, -21.24, 55.66, -21.22]}]),
    ] = None
    """Area of interest: a bounding box (west, south, east, north) or a GeoJSON polygon, in degrees
    unless crs says otherwise. The images are read as far as its ground is seen at any height, the
    results end exactly at it. Left out, all the ground that two images have in common.
    """
    crop_row: Pixels = None
    """First row of a rectangle of the reference image that is wanted instead of an aoi, counted
    from 0 at the top. The original's crop start Y. Given together with crop_column, crop_rows and
    crop_columns.
    """
    crop_column: Pixels = None
    """First column of that rectangle, counted from 0 at the left. The original's crop start X."""
    crop_rows: Side = None
    """Rows of that rectangle. The original's crop size Y."""
    crop_columns: Side = None
    """Columns of that rectangle. The original's crop size X."""
    pairs: Annotated[
        tuple[Annotated[str, Field(pattern=_PAIR)], ...],
        Group("Images"),
        Field(max_length=15, examples=["1-2"]),
    ] = ()
    """Pairs of images that are matched, as 1-2 by the numbers under which inspect lists the images.
    Left out, all pairs of up to three images; of more, at most two for each image, those of the
    best convergence angles and the fewest days between them.
    """
    mask: Annotated[Source | None, Group("Images")] = None
    """Ground that must not be measured: a raster whose pixels other than 0 are masked, or polygons
    as GeoJSON, GeoPackage or zipped shapefile, in any coordinate reference system.
    """
    water: Annotated[Source | None, Group("Images")] = None
    """Polygons of still water as GeoJSON, GeoPackage or zipped shapefile. Water shows no texture
    that stays: it is not measured, and in dsm_filled each polygon has one height, that of its
    shore.
    """
    product_mask: Annotated[bool, Group("Images")] = True
    """Whether pixels under the delivery's own cloud mask are left out. An image whose delivery
    holds none is used as it is.
    """
    resolution: Annotated[float | None, Unit("m"), Group("Surface"), Field(ge=0.1, le=100)] = None
    """Side of the output's cells. Cells lie on multiples of it, so that models of neighbouring
    areas fit together. Left out, resolution_factor decides.
    """
    resolution_factor: Annotated[float, Unit("1"), Group("Surface"), Field(ge=1, le=16)] = 2.0
    """Side of the output's cells in ground pixels of the finest image, rounded to 5 cm: 1 is full
    resolution, 2 has four times fewer cells. The original's output resolution factor. Not looked at
    where resolution is given.
    """
    output_crs: Annotated[
        str | None, Group("Surface"), Field(pattern=_EPSG, max_length=11, examples=["EPSG:32740"])
    ] = None
    """Projected coordinate reference system of the outputs, in metres, as EPSG:n. Left out, the UTM
    zone of the area's centre, and polar stereographic (UPS) beyond 84 degrees north and 80 degrees
    south.
    """
    datum: Annotated[str, Group("Surface"), Field(pattern=_DATUM, max_length=11)] = "ellipsoid"
    """What the heights of the outputs are counted from: ellipsoid (WGS 84), egm96, egm2008, or
    EPSG:n of any vertical reference system. Where the grid that it needs is not installed, the job
    is refused before it starts.
    """
    window: Annotated[int, Unit("{pixel}"), Group("Surface"), Field(ge=1, le=7)] = 2
    """Half the side of the matching window without its middle, as the original counts: 1 is a
    window of 3 x 3 pixels, 2 of 5 x 5, 7 of 15 x 15. Larger is steadier on weak texture and rounds
    edges. The original's matching window size.
    """
    regularisation: Annotated[float, Unit("1"), Group("Surface"), Field(ge=0.001, le=1)] = 0.02
    """How strongly neighbouring heights are held together while matching, on the original's scale:
    0.01 to 0.05 for towns and rough ground, 0.1 to 0.2 for smooth ground, weak texture, snow and
    8-bit images. Multiplies the penalties of the matching, which are those of the default at 0.02.
    """
    minimum_height: Height = None
    """Lowest height above the ellipsoid at which ground is looked for. Left out, found from the
    images themselves.
    """
    maximum_height: Height = None
    """Highest height above the ellipsoid at which ground is looked for, roofs and trees included.
    Left out, found from the images themselves.
    """
    dem: Annotated[Source | None, Group("Heights"), Advanced()] = None
    """An elevation model in any raster format and coordinate reference system that narrows the
    search for heights. It is never copied into the result, and one that is wrong or has gaps does
    not change the result; the report compares the result with it.
    """
    dem_datum: Annotated[
        str | None,
        Group("Heights"),
        Advanced(),
        Field(pattern=_DATUM, max_length=11, examples=["egm96"]),
    ] = None
    """What the heights of dem are counted from, where its file does not tell: ellipsoid, egm96,
    egm2008, or EPSG:n of a vertical reference system. Left out, and nothing told by the file, the
    ellipsoid.
    """
    control_points: Annotated[Source | None, Group("Heights"), Advanced()] = None
    """Points of known place as CSV or GeoJSON, that tie the model to the ground: id, lon, lat,
    height, and row and col in one or more images with the origin that they are counted from. Points
    marked as check are held out and judge the result. The manual has the columns.
    """
    adjustment: Annotated[Adjust, Group("Heights"), Advanced()] = Adjust.SHIFT
    """How the images' sensor models are refined before anything is matched. What no measurement
    determines is left at what the models say, and named in the report.
    """
    left_right_tolerance: Annotated[
        float, Unit("{pixel}"), Group("Filters"), Advanced(), Field(ge=0.5, le=5)
    ] = 1.0
    """Largest difference between matching one image of a pair with the other and back again, in
    pixels; a match beyond it is removed.
    """
    intersection_tolerance: Annotated[
        float, Unit("{pixel}"), Group("Filters"), Advanced(), Field(ge=0, le=100)
    ] = 1.5
    """Largest distance of the lines of sight where they come closest, in ground pixels of the
    images; a match beyond it is removed. 0 switches the filter off.
    """
    minimum_score: Annotated[float, Unit("1"), Group("Filters"), Advanced(), Field(ge=0, le=1)] = (
        0.0
    )
    """Correlation of the matched windows below which a match is removed: 1 is a perfect match. 0
    removes only matches whose windows do not correlate at all.
    """
    minimum_distinctness: Annotated[
        float, Unit("bit"), Group("Filters"), Advanced(), Field(ge=0, le=24)
    ] = 0.0
    """How much better the best match has to fit than the next one elsewhere, in bits of the census
    signature, of which a window of 5 x 5 pixels has 24; less is called ambiguous and removed, as on
    repeated texture. 0 switches the filter off.
    """
    minimum_patch: Annotated[
        int, Unit("{cell}"), Group("Filters"), Advanced(), Field(ge=0, le=10000)
    ] = 30
    """Patches of fewer connected cells that lie apart from their surroundings are removed. 0
    switches the filter off.
    """
    orthoimages: Annotated[bool, Group("Outputs")] = False
    """Whether each image is orthorectified with the model, and a best view made of all of them. The
    original's generate orthoimage.
    """
    colour_orthoimages: Annotated[bool, Group("Outputs")] = False
    """Whether the multispectral images of bundles are orthorectified too, with their own sensor
    models.
    """
    point_cloud: Annotated[bool, Group("Outputs")] = False
    """Whether the measured points are written as a LAZ point cloud."""
    filled: Annotated[bool, Group("Outputs")] = False
    """Whether a model without gaps is written besides the measured one: dsm_filled. Filled cells
    are marked in reasons, and dsm itself stays as measured.
    """


_METRES = RasterProduct("m", low=0.0, colours="viridis")


class DsmOptOutputs(Outputs):
    """Outputs of ``dsm-opt``; every raster on the lattice of the model."""

    dsm: Annotated[
        File,
        RasterProduct("m", "positive upwards from the datum", colours="viridis"),
        Field(title="Surface model"),
    ]
    """Height of the surface, roofs and trees included, above the datum asked for. No value where
    reasons says why; nothing is filled.
    """
    dsm_error: Annotated[File, _METRES, Field(title="Error of the surface model")]
    """Standard uncertainty of dsm, one sigma, from the images' geometry, texture and noise and the
    agreement of the pairs. An error that the whole model has in common is not in it: the report
    tells what the adjustment leaves undetermined.
    """
    intersection_error: Annotated[File, _METRES]
    """Distance of the lines of sight where they come closest, unsigned. It sees errors across the
    direction of view only: a wrong match along it, which moves the height, leaves it small.
    """
    score: Annotated[File, RasterProduct("1", low=0.0, high=1.0, colours="grey", step=2.0**-10)]
    """Correlation of the matched windows: 1 perfect, 0 none or negative."""
    contributing_pairs: Annotated[
        File, RasterProduct("", dtype="uint8", nodata=0.0, low=0.0, colours="viridis")
    ]
    """How many pairs of images the height comes from; 0 where there is none."""
    reasons: Annotated[File, RasterProduct("", dtype="uint16", nodata=0.0, colours="classes")]
    """Why a cell has no height, as bits that may add up; 0 where it has one. The bits are listed in
    the file's tags and in the manual.
    """
    hillshade: Annotated[
        File, RasterProduct("", dtype="uint8", nodata=0.0, low=0.0, high=255.0, colours="grey")
    ]
    """The model lit from the north-west, for looking at; 0 where there is no height."""
    dsm_filled: Annotated[
        File | None,
        RasterProduct("m", "positive upwards from the datum", colours="viridis"),
        Field(title="Surface model without gaps"),
    ] = None
    """The model with its gaps filled from their surroundings and water levelled. Filled cells carry
    the bit filled in reasons. Made for filled.
    """
    orthoimages: Annotated[Many, FileProduct("image/tiff; application=geotiff", "tif")] = ()
    """Each image as a map, with all its bands and stored values; 0 where it does not see the
    ground. Made for orthoimages, and for colour_orthoimages the multispectral images.
    """
    ortho_best: Annotated[
        File | None,
        FileProduct("image/tiff; application=geotiff", "tif"),
        Field(title="Orthoimage, best view"),
    ] = None
    """One map of all images: in each place of the one that sees it best. Made for orthoimages."""
    point_cloud: Annotated[File | None, FileProduct("application/vnd.laszip", "laz")] = None
    """The measured points with height, uncertainty and grey value. Made for point_cloud."""
    report: Annotated[File, FileProduct("application/json", "json")]
    """How good the model is: residuals of tie, control and check points, what no measurement
    determines, coverage, agreement of the pairs, difference to dem.
    """
    report_page: Annotated[File, FileProduct("text/html", "html")]
    """The report for reading, with pictures."""
    quicklook: Annotated[Many, FileProduct("image/png", "png")]
    """Pictures with title, legend, unit, scale bar and north arrow, for a first look and for
    slides; measure in the rasters.
    """
    stac: Annotated[File, FileProduct("application/geo+json", "json")]
    """The results for catalogues and map viewers: a STAC item."""
    readme: Annotated[File, FileProduct("text/plain", "txt")]
    """What each file is, its unit, sign, missing value and caveats, and what to cite."""
    request: Annotated[File, FileProduct("application/json", "json")]
    """The request with every value that was used; send it again to repeat the job."""


DSM_OPT = Pipeline(
    id="dsm-opt",
    title="DSM-OPT: surface models from stereo satellite images",
    text=(
        "Makes a digital surface model, and on request orthoimages and a point cloud, from two to "
        "six images of the same ground in sensor geometry: Pleiades, Pleiades Neo, SPOT 6/7, "
        "WorldView, or any satellite images with RPC. Takes the delivery as it came (zip, tar or "
        "folder) or separate files, without any renaming, refines the sensor models by points "
        "common to the images, and needs no elevation model. Each height comes with its "
        "uncertainty, its score, the number of pairs that it was measured in, and a raster that "
        "says why a cell has none. The images are enough; everything else has a default."
    ),
    version="1.0.0",
    keywords=("surface model", "stereo", "Pleiades", "orthoimage", "point cloud", "photogrammetry"),
    parameters=DsmOptParameters,
    outputs=DsmOptOutputs,
    run="core.pipelines.dsm_opt.run:run",
    inspect="core.pipelines.dsm_opt.inspection:inspect",
    rules=rules,
    pairs=pair_count,
)
