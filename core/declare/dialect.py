"""JSON schemas of pydantic lowered to those of OpenAPI 3.0, which OGC API - Processes demands.

Only keys that are known here pass; any other is an error when a service is registered, so that
nothing is said that a client would not understand, or that is silently lost.
"""

from collections.abc import Mapping
from typing import Any

from core.declare.model import KIND

Schema = dict[str, Any]

_KEPT = frozenset({
    "type", "format", "enum", "minimum", "maximum", "multipleOf", "minLength", "maxLength",
    "pattern", "minItems", "maxItems", "uniqueItems", "required", "additionalProperties",
    "contentMediaType", "contentEncoding",
})  # fmt: skip
_DROPPED = frozenset({"title", "default", "examples", "discriminator", "$defs", KIND})


class UnsayableError(ValueError):
    """A declaration says something that the OGC's dialect of JSON Schema has no word for."""


def lowered(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """The schema in the dialect of OpenAPI 3.0, references resolved, defaults left out.

    Parameters
    ----------
    schema
        As pydantic makes it, in validation mode.
    definitions
        What ``#/$defs/…`` refers to.  No type may contain itself.
    """
    result: Schema = {}
    for key, value in resolved(schema, definitions).items():
        result.update(_lowered_key(key, value, definitions))
    return result


def resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """The schema itself: references followed, "or null" taken away."""
    own = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return {**resolved(target, definitions), **own}
    if "anyOf" in schema:
        branches = [branch for branch in schema["anyOf"] if branch != {"type": "null"}]
        if len(branches) == 1:
            return {**resolved(branches[0], definitions), **own}
        return {**own, "anyOf": branches}
    return own


def _lowered_key(key: str, value: Any, definitions: Mapping[str, Any]) -> Schema:
    if key in _DROPPED:
        return {}
    if key == "description":
        return {key: " ".join(value.split())}
    if key in _KEPT:
        return {key: value}
    if key == "const":
        return {"enum": [value]}
    if key in ("exclusiveMinimum", "exclusiveMaximum"):
        return {key.replace("exclusiveM", "m"): value, key: True}
    if key in ("allOf", "oneOf", "anyOf"):
        return {key: [lowered(branch, definitions) for branch in value]}
    if key == "items":
        return {key: lowered(value, definitions)}
    if key == "properties":
        return {key: {name: lowered(member, definitions) for name, member in value.items()}}
    if key == "prefixItems":
        return _lowered_tuple(value, definitions)
    raise UnsayableError(f"{key!r} cannot be said in an OGC process description")


def _lowered_tuple(items: list[Any], definitions: Mapping[str, Any]) -> Schema:
    kinds = [lowered(item, definitions) for item in items]
    if any(kind != kinds[0] for kind in kinds):
        raise UnsayableError(
            "an array whose items differ cannot be said in an OGC process description"
        )
    return {"items": kinds[0], "minItems": len(kinds), "maxItems": len(kinds)}
