"""Schemas of documents that only some answers hold: STAC, files of results, what was inspected."""

from typing import Any

from processes.components import Json, ref, text


def _object(description: str, required: str, /, **properties: Json) -> Json:
    """The schema of an object; `required` names its required members, separated by spaces."""
    return {
        "type": "object",
        "description": description,
        "required": required.split(),
        "properties": properties,
    }


def _some(item: Json, **more: Any) -> Json:
    return {"type": "array", "items": item, **more}


def _whole(description: str) -> Json:
    return {"type": "integer", "minimum": 0, "description": description}


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}
_SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
_LINKS = _some(ref("link"))
_BBOX = _some(_NUMBER, minItems=4, maxItems=4)


def _perhaps(schema: Json) -> Json:
    return {**schema, "nullable": True}


_PROBLEM: Json = {"anyOf": [ref("problem"), {"type": "object", "nullable": True, "enum": [None]}]}

_LAYER: Json = _object(
    "What the values of a raster are like; null where no pixel has a value.",
    "unit count share",
    unit=text("UCUM code of the unit of all figures but count and share."),
    count=_whole("Pixels with a value."),
    share={**_SHARE, "description": "Pixels with a value over all pixels."},
    **{
        name: _perhaps(_NUMBER)
        for name in ("mean", "std", "median", "nmad", "p2", "p98", "minimum", "maximum")
    },
)

_PLANE: Json = _object(
    "A plane, in metres, that was taken out.",
    "constant per_km_east per_km_north centre",
    constant=_NUMBER,
    per_km_east=_NUMBER,
    per_km_north=_NUMBER,
    centre=_some(_NUMBER, minItems=2, maxItems=2),
)

_MEASURED: Json = _object(
    "Figures of one pair of images.",
    "key reference secondary layers reasons corrections notes",
    key=text("Name of the pair in the names of its files."),
    reference=text("Name of the reference scene."),
    secondary=text("Name of the secondary scene."),
    days=_perhaps({**_NUMBER, "description": "Days from reference to secondary."}),
    layers={"type": "object", "additionalProperties": _LAYER},
    reasons={"type": "object", "additionalProperties": _SHARE},
    corrections=_some(
        _object(
            "What one correction took out.", "id east north", id=_TEXT, east=_PLANE, north=_PLANE
        )
    ),
    notes=_some(_TEXT),
)

_SCENE: Json = _object(
    "A scene that was given.",
    "name source status",
    name=_TEXT,
    source=text("Where it came from."),
    date=_perhaps(text("Day of the acquisition.")),
    sha256=_perhaps(text("Checksum of the file.")),
    status={"type": "string", "enum": ["used", "left out"]},
    problem=_PROBLEM,
)

_PAIR: Json = _object(
    "A pair of scenes.",
    "key reference secondary status",
    key=text("Name of the pair in the names of its files."),
    reference=text("Name of the reference scene."),
    secondary=text("Name of the secondary scene."),
    days=_perhaps({**_NUMBER, "description": "Days from reference to secondary."}),
    status={"type": "string", "enum": ["successful", "failed"]},
    problem=_PROBLEM,
)

_IMAGE: Json = _object(
    "What the headers of a file say.",
    "source pointer name",
    source=text("Where it comes from."),
    pointer=text("RFC 6901 pointer to it in the request document."),
    name=_TEXT,
    problem=ref("problem"),
    date=_perhaps(text("Day of the acquisition.")),
    sensor=_perhaps(_TEXT),
    level=_perhaps(_TEXT),
    tile=_perhaps(_TEXT),
    relative_orbit=_perhaps({"type": "integer"}),
    baseline=_perhaps(_TEXT),
    band=_perhaps(_TEXT),
    rows=_whole("Rows of pixels."),
    columns=_whole("Columns of pixels."),
    pixel_size_m=_some(_NUMBER, minItems=2, maxItems=2),
    crs=text("Name of the coordinate reference system."),
    bounds=_BBOX,
    cloud_layer=_perhaps(_TEXT),
    warnings=_some(_TEXT),
)

_PLANNED: Json = _object(
    "A pair that the job would measure, or why it could not.",
    "key reference secondary",
    key=text("Name of the pair in the names of its files."),
    reference=text("Name of the reference scene."),
    secondary=text("Name of the secondary scene."),
    days=_perhaps({**_NUMBER, "description": "Days from reference to secondary."}),
    rows=_whole("Rows of the ground that both images show."),
    columns=_whole("Columns of the ground that both images show."),
    output_rows=_whole("Rows of the results."),
    output_columns=_whole("Columns of the results."),
    resampled={"type": "boolean", "description": "Whether the secondary has to be resampled."},
    warnings=_some(_TEXT),
    problem=ref("problem"),
)

_ESTIMATE: Json = _object(
    "What the job would take.",
    "measured_pixels cpu_seconds result_bytes disk_bytes memory_bytes",
    measured_pixels=_whole("Pixels to measure."),
    cpu_seconds=_whole("Time of one core."),
    result_bytes=_whole("Size of the results."),
    disk_bytes=_whole("Room on the disk, results included."),
    memory_bytes=_whole("Memory."),
)

_POLYGON: Json = _object(
    "A GeoJSON polygon, longitude before latitude.",
    "type coordinates",
    type={"type": "string", "enum": ["Polygon"]},
    coordinates=_some(_some(_some(_NUMBER, minItems=2, maxItems=2), minItems=4)),
)

_EMBEDDED: Json = _object(
    "How far the sensor model misses ground control points in the image's own file.",
    "text rms_px points",
    text=_TEXT,
    rms_px=_perhaps(_NUMBER),
    points=_some(
        _object(
            "Projected by the model less stored, pixels.",
            "name row_px column_px",
            name=_TEXT,
            row_px=_perhaps(_NUMBER),
            column_px=_perhaps(_NUMBER),
        )
    ),
)

_STEREO_IMAGE: Json = _object(
    "What headers and metadata say of an image in sensor geometry.",
    "number name source pointer rows columns footprint",
    number=_whole("By which pairs and crops name it, from 1 in the order of the times."),
    name=_TEXT,
    source=text("Where it comes from."),
    pointer=text("RFC 6901 pointer to it in the request document."),
    sensor=_perhaps(_TEXT),
    level=_perhaps(_TEXT),
    kind=_perhaps(text("P, PMS or MS.")),
    time=_perhaps(text("Of the acquisition, UTC.")),
    rows=_whole("Rows of pixels."),
    columns=_whole("Columns of pixels."),
    bands=_some(_TEXT),
    matched_bands=_some(_TEXT),
    bits=_whole("Bits of the recorded values."),
    gsd_m=_perhaps({**_NUMBER, "description": "Side of a pixel on level ground, metres."}),
    incidence_deg=_perhaps(_NUMBER),
    azimuth_deg=_perhaps(_NUMBER),
    pointing_sigma_m=_perhaps(
        {**_NUMBER, "description": "Standard deviation of the model's bias on the ground, metres."}
    ),
    footprint=_perhaps(_POLYGON),
    footprint_height_m={**_NUMBER, "description": "Height above the ellipsoid of the footprint."},
    cloud_mask={"type": "boolean", "description": "Whether the delivery holds one."},
    multispectral=_perhaps(text("Name of the multispectral image of the same moment.")),
    embedded_control=_EMBEDDED,
    warnings=_some(_TEXT),
)

_STEREO_PAIR: Json = _object(
    "Two images, whether the job would match them, or why it could not.",
    "key first second convergence_deg base_to_height overlap matched",
    key=text("Name of the pair."),
    first=text("Name of the first image."),
    second=text("Name of the second image."),
    convergence_deg={**_NUMBER, "description": "Angle between the lines of sight."},
    base_to_height={**_NUMBER, "description": "Metres of parallax per metre of height."},
    days=_perhaps({**_NUMBER, "description": "Days from the first to the second."}),
    overlap={**_SHARE, "description": "Share of the smaller image that both see."},
    matched={"type": "boolean"},
    warnings=_some(_TEXT),
    problem=ref("problem"),
)

_GRID: Json = _object(
    "The cells of the results; without an area of interest, the most that there can be.",
    "crs crs_name resolution_m rows columns bounds exact seen",
    crs=_TEXT,
    crs_name=_TEXT,
    resolution_m=_NUMBER,
    rows=_whole("Rows of cells."),
    columns=_whole("Columns of cells."),
    bounds=_BBOX,
    exact={"type": "boolean", "description": "Whether an area of interest says where it ends."},
    seen=_some(_perhaps(_POLYGON)),
)

_CONTROL: Json = _object(
    "What the delivered models make of a ground control point.",
    "name check distance_px",
    name=_TEXT,
    check={"type": "boolean", "description": "Whether it is held out."},
    distance_px=_perhaps({**_NUMBER, "description": "Root mean square over the images."}),
    east_m=_perhaps(_NUMBER),
    north_m=_perhaps(_NUMBER),
    up_m=_perhaps(_NUMBER),
)

_ASSET: Json = _object(
    "A file.", "href", href=_TEXT, title=_TEXT, description=_TEXT, type=_TEXT, roles=_some(_TEXT)
)

_GEOMETRY: Json = _object(
    "A GeoJSON geometry, longitude before latitude.",
    "type coordinates",
    type={"type": "string", "enum": ["Polygon", "MultiPolygon"]},
    coordinates={"type": "array", "items": {"type": "array", "items": {"type": "array"}}},
)

_STAC: Json = {
    "stac_version": {"type": "string", "pattern": "^1\\."},
    "stac_extensions": _some({"type": "string", "format": "uri"}),
    "id": _TEXT,
    "links": _LINKS,
    "assets": {"type": "object", "additionalProperties": _ASSET},
}

CONTENTS: Json = {
    "openApi": _object(
        "A document of OpenAPI 3.0.",
        "openapi info servers tags paths components",
        openapi={"type": "string", "pattern": "^3\\.0\\.\\d+$"},
        info=_object("", "title version", title=_TEXT, version=_TEXT),
        servers=_some(_object("", "url", url=_TEXT), minItems=1),
        security=_some({"type": "object", "additionalProperties": _some(_TEXT)}),
        tags=_some(_object("", "name", name=_TEXT)),
        paths={"type": "object", "additionalProperties": {"type": "object"}},
        components={"type": "object", "additionalProperties": {"type": "object"}},
    ),
    "statistics": _object(
        "The file statistics.json.",
        "process version pairs",
        process=text("Id of the process."),
        version=text("Version of the process."),
        pairs=_some(_MEASURED),
    ),
    "pairs": _object(
        "The file pairs.json.", "scenes pairs", scenes=_some(_SCENE), pairs=_some(_PAIR)
    ),
    "inspection": _object(
        "What the headers of the files say, and what a job with them would take.",
        "images pairs estimate",
        images=_some(_IMAGE),
        pairs=_some(_PLANNED),
        estimate=_ESTIMATE,
    ),
    "surfaceInspection": _object(
        "What headers and metadata of the images say, and what a surface model of them would take.",
        "images pairs grid heights control_points estimate missing",
        images=_some(_STEREO_IMAGE),
        pairs=_some(_STEREO_PAIR),
        grid=_GRID,
        heights=_object(
            "Between which ground is looked for, metres above the ellipsoid.",
            "minimum_m maximum_m datum",
            minimum_m=_NUMBER,
            maximum_m=_NUMBER,
            datum=text("What the heights of the results are counted from."),
        ),
        control_points=_some(_CONTROL),
        estimate={
            **_ESTIMATE,
            "properties": {
                **_ESTIMATE["properties"],
                "cells": _whole("Cells of the results that may have a height."),
            },
        },
        missing={**_some(_TEXT), "description": "What was looked for and is not there, or odd."},
    ),
    "nothing": {
        "type": "object",
        "description": "Nothing: the process has no files to look at.",
        "additionalProperties": False,
        "maxProperties": 0,
    },
    "stacItem": _object(
        "A STAC item: the results of one pair.",
        "type stac_version id geometry bbox properties links assets",
        type={"type": "string", "enum": ["Feature"]},
        **_STAC,
        geometry=_GEOMETRY,
        bbox=_BBOX,
        properties=_object(
            "", "datetime", datetime=_perhaps({"type": "string", "format": "date-time"})
        ),
        collection=_TEXT,
    ),
    "stacCollection": _object(
        "A STAC collection: the results of several pairs.",
        "type stac_version id description license extent links",
        type={"type": "string", "enum": ["Collection"]},
        **_STAC,
        title=_TEXT,
        description=_TEXT,
        keywords=_some(_TEXT),
        license=_TEXT,
        providers=_some(_object("", "name", name=_TEXT)),
        extent=_object(
            "",
            "spatial temporal",
            spatial=_object("", "bbox", bbox=_some(_BBOX, minItems=1)),
            temporal=_object("", "interval", interval=_some(_some(_perhaps(_TEXT)), minItems=1)),
        ),
    ),
}
"""Schemas by name."""
