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
