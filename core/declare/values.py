"""Value types of inputs and outputs: references to files, areas, files that were made."""

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
)

from core.declare.model import KIND, STRICT, Kind

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
"""Longitude and latitude in degrees on WGS 84, longitude first."""

GIB = 1 << 30


class Source(BaseModel):
    """A reference to a file or product."""

    model_config = ConfigDict(**STRICT, json_schema_extra={KIND: "source"})

    href: Annotated[str, Field(min_length=1, max_length=4096)]
    """Where it is: an https address, upload:ID, job:ID/OUTPUT, or a file below a folder that the
    server reads from.
    """
    type: Annotated[str, Field(max_length=255)] | None = None
    """Its media type; what the file holds decides, whatever stands here."""
    title: Annotated[str, Field(max_length=255)] | None = None
    """A name for people; of no effect."""
    rel: Annotated[str, Field(max_length=255)] | None = None
    """The link's relation; of no effect."""
    hreflang: Annotated[str, Field(max_length=255)] | None = None
    """The link's language; of no effect."""


class BoxArea(BaseModel):
    """A rectangle along the axes of its coordinate reference system."""

    model_config = STRICT

    bbox: tuple[float, float, float, float]
    """West, south, east, north: x before y whatever the coordinate reference system."""
    crs: Annotated[
        str,
        Field(
            pattern=r"^http://www\.opengis\.net/def/crs/(OGC/1\.3/CRS84|EPSG/0/[1-9][0-9]{3,5})$"
        ),
    ] = CRS84
    """Coordinate reference system of the four numbers: CRS84 (degrees, the default) or the EPSG
    address of a projected system.
    """

    @property
    def rings(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """The outline as one closed ring of (x, y)."""
        west, south, east, north = self.bbox
        return (((west, south), (east, south), (east, north), (west, north), (west, south)),)


class PolygonArea(BaseModel):
    """A GeoJSON polygon: longitude and latitude in degrees on WGS 84."""

    model_config = STRICT

    type: Literal["Polygon"]
    """The word Polygon."""
    coordinates: Annotated[
        tuple[
            Annotated[
                tuple[tuple[float, float], ...],
                Field(min_length=4, max_length=10000),
            ],
            ...,
        ],
        Field(min_length=1, max_length=100),
    ]
    """Closed rings of [longitude, latitude]: the outline first, then its holes."""

    @property
    def crs(self) -> str:
        """The system of the coordinates, always CRS84."""
        return CRS84

    @property
    def rings(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Closed rings of (x, y): the outline, then its holes."""
        return self.coordinates


def _area_tag(value: Any) -> str | None:
    if isinstance(value, dict):
        return "<bbox>" if "bbox" in value else "<polygon>" if "coordinates" in value else None
    if isinstance(value, BoxArea):
        return "<bbox>"
    return "<polygon>" if isinstance(value, PolygonArea) else None


Area = Annotated[
    Annotated[BoxArea, Tag("<bbox>")] | Annotated[PolygonArea, Tag("<polygon>")],
    Discriminator(_area_tag),
    Kind("area"),
]
"""An area of interest; both forms have ``rings`` and ``crs``."""


def _box_schema(schema: dict[str, Any]) -> None:
    # The standard's own way to say that an object is a bounding box.
    plain = dict(schema)
    schema.clear()
    schema.update({KIND: "box", "allOf": [{"format": "ogc-bbox"}, plain]})


class Box(BaseModel):
    """A bounding box in any coordinate reference system, its numbers not looked at."""

    model_config = ConfigDict(**STRICT, json_schema_extra=_box_schema)

    bbox: tuple[float, float, float, float]
    """Lower corner, upper corner."""
    crs: Annotated[str, Field(max_length=255)] | None = None
    """Coordinate reference system of the four numbers."""


class Labelled(BaseModel):
    """An object with one text."""

    model_config = ConfigDict(**STRICT, json_schema_extra={KIND: "object"})

    value: Annotated[str, Field(max_length=65536)]
    """Any text."""


class Format(BaseModel):
    """Format of a value after OGC API - Processes."""

    model_config = STRICT

    mediaType: Annotated[str, Field(max_length=255)] | None = None  # noqa: N815
    """Media type."""
    encoding: Annotated[str, Field(max_length=255)] | None = None
    """How bytes are written as text, such as base64."""


class Reference(BaseModel):
    """A reference that is repeated as it is and never followed."""

    model_config = STRICT

    href: Annotated[str, Field(min_length=1, max_length=4096)]
    """Where it points."""
    type: Annotated[str, Field(max_length=255)] | None = None
    """Media type of what it points at."""
    title: Annotated[str, Field(max_length=255)] | None = None
    """A name for people."""
    rel: Annotated[str, Field(max_length=255)] | None = None
    """The link's relation."""
    hreflang: Annotated[str, Field(max_length=255)] | None = None
    """The link's language."""
    format: Format | None = None
    """Format of what it points at."""


_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


def _binary_tag(value: Any) -> str | None:
    if isinstance(value, str):
        return "<text>"
    is_link = isinstance(value, Reference) or (isinstance(value, dict) and "href" in value)
    return "<reference>" if is_link else None


Tiff = Annotated[
    Annotated[str, Field(max_length=1 << 23, pattern=_BASE64), Tag("<text>")]
    | Annotated[Reference, Tag("<reference>")],
    Discriminator(_binary_tag),
    WithJsonSchema(
        {"type": "string", "contentEncoding": "binary", "contentMediaType": "image/tiff"}
    ),
    Kind("binary"),
]
"""A TIFF image, written as base64 or as a reference."""


def _mixed_tag(value: Any) -> str | None:
    if isinstance(value, str):
        return "<text>"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "<number>" if is_number else None


TextOrNumber = Annotated[
    Annotated[str, Field(max_length=65536), Tag("<text>")]
    | Annotated[int | float, WithJsonSchema({"type": "number"}), Tag("<number>")],
    Discriminator(_mixed_tag),
    Kind("mixed"),
]
"""Either of two kinds."""


class SourcePolicy(BaseModel):
    """What may be read on behalf of a user, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schemes: tuple[str, ...] = ("https", "upload", "job", "file")
    """Schemes of references; http is for addresses inside `networks` only."""
    roots: tuple[str, ...] = ()
    """Folders, absolute, below which ``file:`` references may point."""
    networks: tuple[str, ...] = ()
    """Networks (CIDR) that may be fetched from besides what is globally routable."""
    max_bytes: int = 8 * GIB
    """Bytes of one download."""
    max_unpacked: int = 16 * GIB
    """Bytes of one archive after unpacking."""
    max_inspected: int = 2 * GIB
    """Bytes that one inspection without a job may download, and that its files may take."""
    timeout_s: float = 600.0
    """Seconds for one download."""
    max_scenes: int = 100
    """Scenes of one job."""
    max_pairs: int = 200
    """Pairs of scenes of one job."""

    @field_validator("networks")
    @classmethod
    def _networks_are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network)) for network in networks)


class File(BaseModel):
    """A file that a job made."""

    model_config = STRICT

    path: str
    """Where it is, relative to the job's output folder."""
    type: str
    """Media type."""
    key: str = ""
    """Which of several of the same output it is; "" where there is one."""
    title: str = ""
    """What it is, in words."""
    size: int = 0
    """Bytes."""
    sha256: str = ""
    """Checksum, hexadecimal."""


Many = tuple[File, ...]
"""Type of an output of which a job makes any number of files, told apart by their keys."""
