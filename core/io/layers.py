"""Layers of polygons with attributes, as they are written to files."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from shapely.geometry.base import BaseGeometry

Value = int | float | str | bool | None
"""An attribute; None and NaN: there is none."""

Kind = Literal["integer", "real", "text", "boolean"]

Row = tuple[BaseGeometry, Sequence[Value]]
"""A polygon or multipolygon, and its attributes in the order of the layer's fields."""


@dataclass(frozen=True)
class Field:
    """An attribute of all features of a layer.

    Parameters
    ----------
    name
        Letters, digits and underscores.
    kind
        Type of its values.
    text
        What it is, one sentence; with its unit.
    """

    name: str
    kind: Kind
    text: str = ""


@dataclass(frozen=True)
class Layer:
    """Polygons of one kind.

    Parameters
    ----------
    name
        Of the table; letters, digits and underscores.
    crs
        Coordinate reference system of the rows, as WKT or ``EPSG:n``; x first.
    fields
        The attributes.
    rows
        Read once, one after the other: there may be more than fit into memory.
    title, text
        What the layer is, for people; titles differ within a file.
    """

    name: str
    crs: str
    fields: tuple[Field, ...]
    rows: Iterable[Row]
    title: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        names = [self.name, *(field.name for field in self.fields)]
        if not all(name.isidentifier() and name.isascii() for name in names):
            message = "names of layers and fields are made of letters, digits and underscores"
            raise ValueError(message)
        if len({name.casefold() for name in names[1:]} | {"fid", "geom"}) != len(names) + 1:
            message = "fields of a layer have different names, none fid or geom"
            raise ValueError(message)


def told(value: Value) -> Value:
    """The value as Python has it, or None where it is no number."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
